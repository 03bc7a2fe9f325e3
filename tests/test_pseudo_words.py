"""Labels from words: class texts in the space of the rows."""

import json
import warnings

import numpy as np
import pytest

import curalab as cl
from curalab import Embedding, Pool
from curalab.pseudo_labels import (
    Descriptions,
    Keywords,
    TextPropagation,
    TopicZeroShot,
    ZeroShot,
    pseudo_label,
)

METHODS = [Descriptions, TextPropagation, Keywords, TopicZeroShot, ZeroShot]
REFINED = [Descriptions, TextPropagation, Keywords]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def joint_space(seed=0, n=600, d=24, gap=1.0, slip=0.0):
    """Rows and class texts with a gap between them; texts lie beside their classes by `slip`."""
    rng = np.random.default_rng(seed)
    classes = rng.normal(size=(6, d))
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    truth = rng.integers(6, size=n)
    apart = gap * rng.normal(size=(2, d)) / np.sqrt(d)
    rows = 3 * apart[0] + classes[truth] + 0.12 * rng.normal(size=(n, d))
    texts = 3 * apart[1] + classes + slip * rng.normal(size=(6, d)) / np.sqrt(d)
    return Embedding(vectors=rows), truth, dict(enumerate(texts))


def accuracy(method, emb, truth, labels=None):
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    new = ~soft.given
    return (soft.labels[new] == truth[new]).mean()


class Letters:
    """Counts of the letters a, b and c: an encoder of texts in three dimensions."""

    takes = ("image", "text")
    batch_size = 2

    def encode(self, batch):
        return np.array([[t.count(letter) + 0.01 for letter in "abc"] for t in batch])


# ---- planted truth -------------------------------------------------------------------------------


def test_with_a_gap_propagation_and_refined_texts_beat_the_nearest_text():
    scores = {method: [] for method in (*REFINED, ZeroShot)}
    for seed in range(5):
        emb, truth, texts = joint_space(seed, slip=0.8)
        for method, seen in scores.items():
            seen.append(accuracy(method(texts=texts), emb, truth))
    mean = {method: np.mean(seen) for method, seen in scores.items()}
    assert mean[ZeroShot] < 0.85
    for method in REFINED:
        assert mean[method] > mean[ZeroShot] + 0.1, (method, mean)


def test_without_a_gap_and_with_true_texts_all_are_right():
    emb, truth, texts = joint_space(gap=0)
    for method in METHODS:
        assert accuracy(method(texts=texts), emb, truth) > 0.95, method


def test_topics_carry_rows_that_no_text_fits():
    rng = np.random.default_rng(0)
    truth, own = np.repeat([0, 1], 200), rng.normal(size=(400, 2))
    side = np.where(truth == 0, 1, -1)
    # Each class is a topic of its own in four dimensions; the texts know one of them, faintly.
    rows = np.column_stack([0.5 * side + 0.6 * own[:, 0], own[:, 1] * 0.1, *[side] * 3])
    texts = {0: np.array([1.0, 0, 0, 0, 0]), 1: np.array([-1.0, 0, 0, 0, 0])}
    emb = Embedding(vectors=rows)
    assert accuracy(ZeroShot(texts=texts), emb, truth) < 0.85
    soft = pseudo_label(emb, method=TopicZeroShot(texts=texts, n_topics=4), random_state=0)
    assert (soft.labels == truth).mean() > 0.98
    topics, topic = soft.details["topics"], soft.details["topic"]
    assert topics["size"].tolist() == np.bincount(topic).tolist()
    np.testing.assert_allclose(topics[[0, 1]].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("method", [Descriptions, TextPropagation, Keywords])
def test_labels_help_where_the_texts_mislead(method):
    emb, truth, texts = joint_space(slip=2.5)
    labels = np.full(len(truth), None, dtype=object)
    for c in range(6):
        labels[np.flatnonzero(truth == c)[:3]] = c
    told = accuracy(method(texts=texts), emb, truth, labels)
    assert told > accuracy(method(texts=texts), emb, truth) + 0.02


def test_balance_makes_classes_equally_large():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 4)) + np.array([1.0, 0, 0, 0]) * (rng.random(400) < 0.8)[:, None]
    texts = {"often": np.array([1.0, 0, 0, 0]), "seldom": np.array([-1.0, 0.5, 0, 0])}
    texts["odd"] = np.array([0, 1.0, 0.2, 0])
    unequal = {}
    for balance in (0.0, 0.5, 1.0):
        method = Descriptions(texts=texts, balance=balance, k=0)
        unequal[balance] = np.std(pseudo_label(rows, method=method).proba.mean(axis=0))
    assert unequal[1.0] < 0.01
    assert unequal[1.0] < unequal[0.5] < unequal[0.0]


# ---- by hand -------------------------------------------------------------------------------------


def test_zero_shot_is_a_softmax_of_cosines():
    texts = {"b": np.array([2.0, 0]), "a": np.array([[0, 1.0], [0, 3.0]])}
    rows = np.array([[1.0, 0], [1, 1], [0, 5]])
    method = ZeroShot(texts=texts, temperature=0.5)
    soft = pseudo_label(rows, method=method)
    root = 1 / np.sqrt(2)
    cosines = np.array([[1, 0], [root, root], [0, 1]])
    expected = np.exp(cosines / 0.5) / np.exp(cosines / 0.5).sum(axis=1, keepdims=True)
    assert soft.classes.tolist() == ["b", "a"]
    np.testing.assert_allclose(soft.proba, expected, atol=1e-6)


def test_columns_follow_the_labels_classes_first():
    texts = {"z": np.array([1.0, 0]), "a": np.array([0, 1.0])}
    soft = pseudo_label([[1.0, 0.2], [0.1, 1]], ["z", None], method=ZeroShot(texts=texts))
    assert soft.classes.tolist() == ["z", "a"]
    assert soft.labels.tolist() == ["z", "a"]
    soft = pseudo_label([[1.0, 0.2], [0.1, 1]], [None, "a"], method=ZeroShot(texts=texts))
    assert soft.classes.tolist() == ["a", "z"]
    assert soft.labels.tolist() == ["z", "a"]


def test_propagation_is_the_solution_of_its_equation():
    from scipy.special import softmax

    emb, _, texts = joint_space(n=40)
    soft = pseudo_label(emb, method=TextPropagation(texts=texts, k=4, alpha=0.6))
    told, rows = np.stack(list(texts.values())), emb.points
    told = told / np.linalg.norm(told, axis=1, keepdims=True)
    sides = [side - side.mean(axis=0) for side in (rows, told)]
    rows, told = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    scores = rows @ told.T
    heat = 1.5 * scores.std(axis=1).mean() / np.sqrt(2 * np.log(6)) / 4
    ties = softmax(scores / heat, axis=1)
    near = emb.neighbors(4)
    graph = np.zeros((40, 40))
    np.put_along_axis(graph, near.indices, near.similarity.clip(0) ** 3, axis=1)
    graph = graph + graph.T
    root = 1 / np.sqrt(graph.sum(axis=1))
    system = np.eye(40) - 0.6 * root[:, None] * graph * root
    expected = np.linalg.solve(system, ties / np.sqrt(ties.sum(axis=0)))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft.proba, expected, atol=1e-3)


def test_keywords_are_where_their_nearest_rows_are():
    rows = np.array([[9, 1, 0], [8, 2, 0], [1, 9, 0], [2, 8, 0], [5, 5, 1], [6, 4, 1.0]])
    texts = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0])}
    soft = pseudo_label(rows, method=Keywords(texts=texts, n_nearest=2))
    evidence = soft.details["evidence"]
    assert {name: rows.tolist() for name, rows in evidence.items()} == {"x": [0, 1], "y": [2, 3]}
    assert soft.labels.tolist() == ["x", "x", "y", "y", soft.labels[4], "x"]


# ---- texts and encoders --------------------------------------------------------------------------


def test_texts_are_read_by_the_embeddings_own_encoder_or_the_one_given():
    rows = ["aa", "ab", "bb", "cc", "ca"]
    emb = cl.embed(rows, encoder=Letters(), cache=False)
    texts = {"A": ["a", "aaa"], "B": "b", "C": np.array([0, 0, 1.0])}
    assert pseudo_label(emb, method=ZeroShot(texts=texts)).labels[[0, 2, 3]].tolist() == list("ABC")
    bare = Embedding(vectors=emb.vectors)
    given = pseudo_label(bare, method=ZeroShot(texts=texts, encoder=Letters()))
    assert given.labels[[0, 2, 3]].tolist() == list("ABC")


def test_names_stand_for_themselves_without_underscores():
    method = ZeroShot(texts=["pin_blocked", "card"])
    assert method.classes == ["pin_blocked", "card"]
    assert dict(method.texts) == {"pin_blocked": ("pin blocked",), "card": ("card",)}


def test_methods_are_values_and_their_params_are_json():
    texts = {"a": np.array([1.0, 0]), "b": ["bee", "be"], 3: "three"}
    same, other = ZeroShot(texts=dict(texts)), ZeroShot(texts={**texts, "a": np.array([1.0, 1])})
    assert ZeroShot(texts=texts) == same
    assert hash(ZeroShot(texts=texts)) == hash(same)
    assert same != other
    emb = Embedding(vectors=np.eye(2), encoder=lambda batch: np.ones((len(batch), 2)))
    params = json.loads(json.dumps(pseudo_label(emb, method=same).params))
    assert params["settings"]["texts"]["b"] == ["bee", "be"]


def test_clip_reads_class_names_for_images(tmp_path):
    pytest.importorskip("transformers")
    from curalab.encoders import CLIP
    from test_pretrained import IMAGES, TEXTS, clip, saved, write_tokenizer

    folder = saved(tmp_path / "clip", clip)
    write_tokenizer(tmp_path / "clip")
    emb = cl.embed(IMAGES, encoder=CLIP(model=folder), cache=False)
    soft = pseudo_label(emb, method=ZeroShot(texts=TEXTS))
    nearest = (emb.vectors @ cl.embed(TEXTS, encoder=emb.encoder, cache=False).vectors.T).argmax(1)
    assert soft.labels.tolist() == [TEXTS[i] for i in nearest]
    for method in METHODS:
        soft = pseudo_label(emb, method=method(texts=TEXTS), random_state=0)
        assert set(soft.labels) <= set(TEXTS)


# ---- new rows, odd pools -------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_new_rows_are_labelled_alike(method):
    emb, _, texts = joint_space(slip=0.5)
    soft = pseudo_label(emb, method=method(texts=texts), random_state=0)
    again = soft.predict(emb.vectors[:100])
    assert (again["pseudo_label"].to_numpy() == soft.labels[:100]).mean() > 0.97
    assert np.abs(again["pseudo_confidence"] - soft.confidence[:100]).mean() < 0.1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_odd_pools(method, metric):
    texts = {"a": np.array([1.0, 0, 0]), "b": np.array([0, 1.0, 0]), "c": np.array([0, 1.0, 0])}
    rng = np.random.default_rng(0)
    pools = [
        (rng.normal(size=(1, 3)), None),
        (rng.normal(size=(2, 3)), None),
        (rng.normal(size=(3, 3)), ["a", None, None]),
        (np.ones((8, 3)), ["a"] + [None] * 7),
        (rng.normal(size=(9, 3)), list("aabbccabc")),
        (np.repeat(np.eye(3), 8, axis=0), None),
    ]
    for rows, labels in pools:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            emb = Embedding(vectors=rows, metric=metric)
            soft = pseudo_label(emb, labels, method=method(texts=texts), random_state=0)
        assert soft.proba.shape == (len(rows), 3)
        np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)


# ---- what is wrong -------------------------------------------------------------------------------


def test_errors_about_texts():
    assert message(TypeError, ZeroShot, texts="cat") == (
        "The 'texts' parameter must be a mapping of classes to texts or vectors, or a sequence of "
        "names. Got 'cat' instead."
    )
    assert message(ValueError, Keywords, texts=["cat"]) == (
        "The 'texts' parameter must be of at least 2 classes. Got 1 instead."
    )
    assert message(ValueError, Descriptions, texts={"cat": "a cat", "dog": []}) == (
        "The 'texts' parameter must be a mapping of classes to texts or vectors, or a sequence of "
        "names. Got [] for 'dog' instead."
    )
    assert message(ValueError, Descriptions, texts={"cat": "a cat", "dog": np.array([np.nan])}) == (
        "The 'texts' parameter must be a mapping of classes to texts or vectors, or a sequence of "
        "names. Got array([nan]) for 'dog' instead."
    )
    wide = ZeroShot(texts={"cat": np.ones(2), "dog": np.ones(3)})
    assert message(ValueError, pseudo_label, np.eye(2), method=wide) == (
        "The 'texts' parameter must be of 2 dimensions, as the embedding is. Got 3 for 'dog' "
        "instead."
    )
    for method in METHODS:
        assert message(ValueError, method, texts=["cat", "cat", "dog"]) == (
            "The 'texts' parameter must be of distinct classes. Got 'cat' twice instead."
        )
        nowhere = method(texts={"cat": np.ones(2), "dog": np.zeros(2)})
        assert message(ValueError, pseudo_label, np.eye(2), method=nowhere) == (
            "The 'texts' parameter must be vectors different from zero under metric=\"cosine\". "
            "Got zeros for 'dog' instead."
        )
    named = ZeroShot(texts={"cat": np.ones(2), "dog": np.ones(2)})
    pool = Pool(embedding=np.eye(2), labels=["cat", "cow"])
    with pytest.raises(ValueError) as caught:
        named(pool, rng=np.random.default_rng(0))
    assert str(caught.value) == (
        "The 'texts' parameter must be of every class. Got none of 'cow' instead."
    )


def test_errors_about_encoders():
    method = ZeroShot(texts=["cat", "dog"])
    assert message(ValueError, pseudo_label, np.eye(3), method=method) == (
        "The 'encoder' parameter must be given where the embedding does not know its own. Got "
        "None instead. Pass encoder=…, or vectors in place of texts."
    )
    method = ZeroShot(texts=["cat", "dog"], encoder="patches")
    assert message(ValueError, pseudo_label, np.eye(3), method=method).startswith(
        "The 'encoder' parameter must be one that takes texts. Got Patches("
    )


@pytest.mark.parametrize(
    ("method", "settings", "text"),
    [
        (
            Descriptions,
            {"anchor": 2},
            "The 'anchor' parameter must be a number from 0 to 1. Got 2 instead.",
        ),
        (
            Descriptions,
            {"balance": -1},
            "The 'balance' parameter must be a number from 0 to 1. Got -1 instead.",
        ),
        (
            Descriptions,
            {"k": -1},
            "The 'k' parameter must be an integer of 0 or more. Got -1 instead.",
        ),
        (
            TextPropagation,
            {"alpha": 1},
            "The 'alpha' parameter must be a number from 0 to 0.999. Got 1 instead.",
        ),
        (
            TextPropagation,
            {"k": 0},
            "The 'k' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            Keywords,
            {"n_nearest": 0},
            "The 'n_nearest' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            TopicZeroShot,
            {"n_topics": 0},
            "The 'n_topics' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            ZeroShot,
            {"temperature": 0},
            "The 'temperature' parameter must be a number from 1e-06 to 1e+06. Got 0 instead.",
        ),
    ],
)
def test_errors_about_settings(method, settings, text):
    texts = {"cat": np.array([1.0, 0]), "dog": np.array([0, 1.0])}
    made = method(texts=texts, **settings)
    assert message(ValueError, pseudo_label, np.eye(2), method=made) == text
