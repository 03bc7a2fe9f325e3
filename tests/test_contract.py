"""The same promises for every stage and every registered method, through the public verbs."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.pool import find_stage, stages

N = 48
CALLS = {
    "maps": lambda emb, **s: cl.reduce(emb, **s),
    "clusters": lambda emb, **s: cl.cluster(emb, **s),
    "duplicates": lambda emb, **s: cl.find_duplicates(emb, threshold=0.9, **s),
    "label_errors": lambda emb, **s: cl.find_label_errors(emb, **s),
    "outliers": lambda emb, **s: cl.find_outliers(emb, **s),
    "shift": lambda emb, **s: cl.find_shift(emb, **s),
    "pseudo_labels": lambda emb, **s: cl.pseudo_label(emb, **s),
    "selectors": lambda emb, **s: cl.select(emb, 10, **s),
    "explanations": lambda emb, **s: cl.explain(emb, groups_of(emb), **s),
}
EVERY = [(stage, name) for stage in CALLS for name in find_stage(stage).methods]
# It compiles for half a minute in each process; test_maps.py runs it.
QUICK = [(stage, name) for stage, name in EVERY if (stage, name) != ("maps", "umap_learn")]


def by_size(items, classes):
    return [classes[int(item["size"] < 2)] for item in items]


# What a method must be told that has a setting without a default: its name alone does not run it.
CAPTIONS = cl.Embedding(
    vectors=np.random.default_rng(1).normal(size=(N, 6)), ids=[f"i{n}" for n in range(N)]
)
TOLD = {
    "pair_alignment": {"other": CAPTIONS},
    "trusted_prototypes": {"trusted": ["i0", "i2", "i30", "i33"]},
    "judges": {"votes": [by_size]},
    "label_model": {"rules": [lambda item: "fruit" if item["size"] > 2 else "traffic"]},
    **{
        name: {"texts": {"fruit": np.eye(6)[0], "traffic": np.eye(6)[1]}}
        for name in ("descriptions", "text_propagation", "keywords", "topic_zero_shot", "zero_shot")
    },
}


def groups_of(pool):
    return np.where(np.arange(N) < N // 2, 0, 1)[pool.ids.str[1:].astype(int)]


@pytest.fixture(scope="module")
def pool():
    """Two classes of texts with planted trouble: a copy, a wrong label, a missing label."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 6)) + np.repeat(
        [[4, 0, 0, 0, 0, 1], [0, 4, 0, 0, 0, 1]], N // 2, axis=0
    )
    x[5] = x[3]
    ids = pd.Index([f"i{n}" for n in range(N)])
    words = np.array(["apple", "pear", "plum", "car", "bus", "tram"])
    texts = [" ".join(words[rng.integers(3, size=4) + 3 * (n >= N // 2)]) for n in range(N)]
    texts[5] = texts[3]
    data = pd.DataFrame({"text": texts, "size": x[:, 0]}, index=ids)
    labels = np.repeat(["fruit", "traffic"], N // 2).astype(object)
    labels[7], labels[[11, 40]] = "traffic", None
    return cl.Pool(
        embedding=cl.Embedding(vectors=x, ids=ids, data=data),
        labels=pd.Series(labels, index=ids),
        groups=pd.Series(np.tile(["north", "south"], N // 2), index=ids),
        reference=cl.Embedding(vectors=rng.normal(size=(30, 6)) + 1),
        target=cl.Embedding(vectors=rng.normal(size=(9, 6)) + 2),
        chosen=["i0", "i30"],
    )


def fitting(pool, method):
    """The pool itself; for a method of images, its data are the rows' vectors as grey pictures."""
    if method != "perceptual":
        return pool
    grey = np.round(pool.embedding.vectors * 12 + 100).clip(0, 255).astype(np.uint8)
    return pool.replace(data=pd.Series(list(grey[:, None].repeat(8, axis=1)), index=pool.ids))


def told(stage, name):
    """Return the name, or the method itself where it must be told something."""
    return find_stage(stage).methods[name](**TOLD[name]) if name in TOLD else name


def frame(stage, pool, name, seed=0):
    method = told(stage, name)
    return CALLS[stage](fitting(pool, name), method=method, random_state=seed).to_frame()


def permuted(pool, order):
    ids = pool.ids[order]
    return cl.Pool(
        embedding=cl.Embedding(
            vectors=pool.embedding.vectors[order], ids=ids, data=pool.data.loc[ids]
        ),
        labels=pd.Series(pool.labels, index=pool.ids),
        groups=pd.Series(pool.groups, index=pool.ids),
        reference=pool.reference,
        target=pool.target,
        chosen=pool.ids[pool.chosen],
    )


def test_every_stage_has_a_verb_with_a_registered_default():
    for name in stages():
        stage = find_stage(name)
        assert stage.name == name
        if stage.verb:
            verb = getattr(cl, stage.verb)
            if name != "encoders":
                import inspect

                default = inspect.signature(verb).parameters["method"].default
                named = [default] if isinstance(default, str) else list(default.values())
                assert named[0] == stage.start_here
                assert set(named) <= set(stage.methods)


@pytest.mark.parametrize(("stage", "name"), QUICK)
def test_ids_are_kept_and_params_are_json(pool, stage, name):
    result = CALLS[stage](fitting(pool, name), method=told(stage, name), random_state=0)
    if stage not in ("selectors", "explanations"):
        assert result.ids.equals(pool.ids)
    params = json.loads(json.dumps(result.params))
    assert params["method"] == name
    assert params["random_state"] == 0
    assert params["embedding"] == pool.embedding.fingerprint
    assert result._repr_html_()
    assert repr(result).startswith(type(result).__name__)


@pytest.mark.parametrize(("stage", "name"), QUICK)
def test_the_same_seed_gives_the_same_answer_and_input_is_unchanged(pool, stage, name):
    before = pool.embedding.vectors.copy(), pool.labels.copy(), pool.data.copy()
    first, second = frame(stage, pool, name), frame(stage, pool, name)
    pd.testing.assert_frame_equal(first, second)
    assert np.array_equal(before[0], pool.embedding.vectors)
    assert before[2].equals(pool.data)
    assert [a is b or a == b for a, b in zip(before[1], pool.labels, strict=True)]


@pytest.mark.parametrize(("stage", "name"), QUICK)
def test_shuffled_in_shuffled_out(pool, stage, name):
    if not frame(stage, pool, name, 0).equals(frame(stage, pool, name, 1)):
        pytest.skip("the method draws: a permutation draws differently")
    if (stage, name) in {
        ("maps", "tsne"),
        ("shift", "order"),
        ("pseudo_labels", "propagation"),
    }:
        pytest.skip("depends on the order of rows by design, through rounding, or by hidden draws")
    order = np.random.default_rng(5).permutation(N)
    plain, moved = frame(stage, pool, name), frame(stage, permuted(pool, order), name)
    if stage == "explanations":
        assert plain["cluster_words"].equals(moved["cluster_words"])
        return
    moved = moved.reindex(plain.index)
    if stage == "clusters":
        assert same_partition(plain["cluster"], moved["cluster"])
    elif stage == "duplicates":
        assert same_partition(plain["duplicate_group"], moved["duplicate_group"])
    else:
        pd.testing.assert_frame_equal(plain, moved, rtol=1e-3, atol=1e-4, check_dtype=False)


def same_partition(a, b):
    return (
        (a.to_numpy()[:, None] == a.to_numpy()) == (b.to_numpy()[:, None] == b.to_numpy())
    ).all()


@pytest.mark.parametrize(("stage", "name"), QUICK)
def test_results_survive_the_disk(pool, stage, name, tmp_path):
    result = CALLS[stage](fitting(pool, name), method=told(stage, name), random_state=0)
    result.save(tmp_path / "result")
    opened = type(result).open(tmp_path / "result")
    pd.testing.assert_frame_equal(opened.to_frame(), result.to_frame(), check_dtype=False)


@pytest.mark.parametrize("stage", CALLS)
def test_an_unknown_method_names_the_nearest(pool, stage):
    known = next(iter(find_stage(stage).methods))
    with pytest.raises(ValueError, match=f"Did you mean {known!r}"):
        CALLS[stage](pool, method=known[:-1] + "x", random_state=0)


@pytest.mark.parametrize(("stage", "name"), EVERY)
def test_methods_are_frozen_values(stage, name):
    made, settings = find_stage(stage).methods[name], TOLD.get(name, {})
    assert made(**settings) == made(**settings)
    assert hash(made(**settings)) == hash(made(**settings))
    with pytest.raises(AttributeError):
        made(**settings).anything = 1
    assert made.__doc__
    assert "References" in made.__doc__
    assert made.__module__.startswith(f"curalab.{stage}.")


@pytest.mark.parametrize(("stage", "name"), QUICK)
def test_check_method_finds_no_broken_promise(pool, stage, name, caplog):
    caplog.set_level(logging.ERROR)
    its_own = fitting(pool, name)
    made = None if its_own is pool and name not in TOLD else its_own
    report = cl.testing.check_method(stage, told(stage, name), pool=made)
    assert report["kept"].ne(False).all(), report
