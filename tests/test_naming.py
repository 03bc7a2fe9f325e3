import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab.clusters import KMeans, cluster
from curalab.explanations._frequency import concept_frequency
from curalab.explanations._naming import ask_names, name_clusters

NAMES = ["cat", "dog", "car", "tree"]


@pytest.fixture
def space():
    """Three clusters around the directions of the first three of four names."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0][:4]
    rows = np.repeat([0, 1, 2], 20)
    x = directions[rows] * 3 + rng.normal(size=(60, 8)) * 0.4
    ids = [f"i{n}" for n in range(60)]
    items = pd.DataFrame({"text": [f"a {NAMES[r]}" for r in rows], "n": range(60)}, index=ids)
    emb = Embedding(vectors=x, ids=ids, data=items)
    return emb, rows, Embedding(vectors=directions, ids=NAMES)


# ---- names from texts ----------------------------------------------------------------------------


def test_clusters_get_the_nearest_name(space):
    emb, rows, texts = space
    found = name_clusters(emb, rows, names=NAMES, name_embedding=texts)
    assert found.name.tolist() == ["cat", "dog", "car"]
    assert (found.similarity > 0.95).all()
    assert (found.margin > 0.8).all()
    assert found.to_frame().columns.tolist() == [
        "cluster_name",
        "cluster_similarity",
        "cluster_margin",
        "cluster_runner_up",
    ]
    assert repr(found) == "ClusterNames(3 clusters, 3 names)"


def test_a_clustering_and_its_numbers_are_kept(space):
    emb, rows, texts = space
    made = cluster(emb, method=KMeans(n_clusters=3), random_state=0)
    found = name_clusters(emb, made, names=NAMES, name_embedding=texts)
    named = dict(zip(found.ids, found.name, strict=True))
    assert [named[c] for c in made.labels] == [NAMES[r] for r in rows]
    labels = np.where(rows == 0, -1, rows * 10)  # noise gets no name
    found = name_clusters(emb, labels, names=NAMES, name_embedding=texts)
    assert dict(zip(found.ids, found.name, strict=True)) == {10: "dog", 20: "car"}
    assert len(name_clusters(emb, [-1] * 60, names=NAMES, name_embedding=texts)) == 0


def test_similarity_and_margin_by_hand():
    found = name_clusters(
        [[1, 0], [0, 2.0]], [0, 0], names=["x", "diagonal"], name_embedding=[[1, 0], [3, 3]]
    )
    assert found.name.tolist() == ["diagonal"]
    assert found.similarity[0] == pytest.approx(1)
    assert found.margin[0] == pytest.approx(1 - np.sqrt(0.5))
    assert found.runner_up.tolist() == ["x"]
    alone = name_clusters([[1, 0.0]], [0], names=["x"], name_embedding=[[1, 0.0]])
    assert np.isnan(alone.margin[0])
    assert alone.runner_up.tolist() == [None]


def test_one_to_one_gives_no_name_twice():
    x, labels = [[1, 0.0], [0.9, 0.3]], [0, 1]
    texts = [[1, 0.0], [0.0, 1]]
    free = name_clusters(x, labels, names=["a", "b"], name_embedding=texts)
    assert free.name.tolist() == ["a", "a"]
    bound = name_clusters(x, labels, names=["a", "b"], name_embedding=texts, one_to_one=True)
    assert bound.name.tolist() == ["a", "b"]
    assert bound.margin[1] < 0
    with pytest.raises(ValueError) as caught:
        name_clusters(x, labels, names=["a"], name_embedding=texts[:1], one_to_one=True)
    assert str(caught.value) == (
        "The 'names' parameter must be 2 names or more, one for each cluster. Got 1 names "
        "instead. Give more names, or pass one_to_one=False."
    )


def test_the_result_survives_the_disk(space, tmp_path):
    emb, rows, texts = space
    found = name_clusters(emb, rows, names=NAMES, name_embedding=texts)
    found.save(tmp_path / "names")
    opened = type(found).open(tmp_path / "names")
    pd.testing.assert_frame_equal(opened.to_frame(), found.to_frame(), check_dtype=False)


def test_bad_names(space):
    emb, rows, texts = space
    cases = [
        (
            {"names": NAMES[:3]},
            "The 'names' parameter must be 4 names, one for each row of 'name_embedding'. "
            "Got 3 names instead.",
        ),
        (
            {"names": ["cat"] * 4},
            "The 'names' parameter must be distinct. Got 'cat' more than once instead.",
        ),
        (
            {"names": "cat"},
            "The 'names' parameter must be a sequence of texts. Got 'cat' instead.",
        ),
        (
            {"names": ["a"], "name_embedding": [[1.0, 0.0]]},
            "The 'name_embedding' parameter must be of 8 dimensions, as the items are. "
            "Got 2 dimensions instead.",
        ),
    ]
    for more, says in cases:
        with pytest.raises((ValueError, TypeError)) as caught:
            name_clusters(emb, rows, **{"names": NAMES, "name_embedding": texts, **more})
        assert str(caught.value) == says
    with pytest.raises(TypeError, match="'clustering' parameter must be a Clustering, or whole"):
        name_clusters(emb, rows / 2, names=NAMES, name_embedding=texts)


# ---- names from a function -----------------------------------------------------------------------


def test_a_function_sees_words_and_central_items(space):
    emb, rows, _ = space
    seen = []

    def name(words, examples):
        seen.append(examples)
        return f" {words[0]} like {examples[0]['text']} "

    found, errors = ask_names(name, [["meow"], ["woof"], ["honk"]], Pool(embedding=emb), rows)
    assert found.tolist() == ["meow like a cat", "woof like a dog", "honk like a car"]
    assert errors == {}
    assert [len(examples) for examples in seen] == [5, 5, 5]
    away = np.linalg.norm(emb.points[:20] - emb.points[:20].mean(axis=0), axis=1)
    assert [e["n"] for e in seen[0]] == np.argsort(away, kind="stable")[:5].tolist()


@pytest.mark.parametrize(
    ("data", "first"),
    [(None, "p"), (["x", "y"], "x"), (pd.Series(["x", "y"], index=["p", "q"]), "x")],
)
def test_examples_are_the_items_as_they_are(data, first):
    emb = Embedding(vectors=[[1, 0.0], [0, 1.0]], ids=["p", "q"], data=data)
    found, _ = ask_names(lambda words, items: items[0], [[], []], Pool(embedding=emb), np.arange(2))
    assert found[0] == first


def test_what_the_function_raises_is_recorded(space):
    emb, rows, _ = space

    def name(words, examples):
        if words == ["meow"]:
            raise ConnectionError("service away")
        return None if words == ["woof"] else "cars"

    found, errors = ask_names(name, [["meow"], ["woof"], ["honk"]], Pool(embedding=emb), rows)
    assert found.tolist() == [None, None, "cars"]
    assert errors == {
        0: "ConnectionError: service away",
        1: "returned None instead of a text",
    }
    with pytest.raises(TypeError) as caught:
        ask_names("cats", [[]], Pool(embedding=emb), rows * 0)
    assert str(caught.value) == (
        "The 'name' parameter must be a function of words and example items that returns a name. "
        "Got 'cats' instead."
    )

    def stopped(words, examples):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_names(stopped, [[]], Pool(embedding=emb), rows * 0)


# ---- how often concepts occur --------------------------------------------------------------------


def counted(texts, *concepts):
    found = concept_frequency(texts, concepts)
    return {name: int(n) for name, n in zip(found.ids, found.count, strict=True)}


def test_words_are_compared_whole_and_plurals_count():
    texts = ["Two CATS and a dog's tail", "concatenate hot-dogs", "a hot  dog!", "bus, buses, men"]
    assert counted(texts, "cat", "dog", "hot dog", "bus", "man", "wolf") == {
        "wolf": 0,
        "bus": 1,  # texts, not mentions
        "cat": 1,
        "man": 1,
        "hot dog": 2,
        "dog": 3,  # the hot ones too
    }
    assert counted(["berries", "knives", "leaves", "boxes", "days"], "berry", "knife", "leaf") == {
        "berry": 1,
        "knife": 1,
        "leaf": 1,
    }
    assert counted(["box_es", "days", "catsy"], "box", "day", "cat") == {
        "box": 1,
        "cat": 0,
        "day": 1,
    }


def test_any_script():
    texts = ["ein Café", "STRASSE", "我喜欢猫和狗", "हिन्दी भाषा", "แมวกับหมา", "un cafe\u0301 noir"]
    assert counted(texts, "café", "straße", "猫", "हिन्दी", "แมว", "鸟", "हिन्द") == {
        "鸟": 0,
        "हिन्द": 0,
        "猫": 1,
        "हिन्दी": 1,
        "แมว": 1,
        "straße": 1,
        "café": 2,
    }


def test_shares_and_missing_texts():
    found = concept_frequency(pd.Series(["a cat", None, "a dog", "cats"]), ["cat", "dog", "owl"])
    assert found.ids.tolist() == ["owl", "dog", "cat"]
    assert found.share.tolist() == [0, 0.25, 0.5]
    assert found.rarest(2).tolist() == ["owl", "dog"]
    assert found.details == {"fit": None, "not_found": ["owl"]}
    assert np.isnan(found.expected).all()
    assert repr(found) == "ConceptFrequency(3 items, 1 of them in no text)"
    assert concept_frequency([], ["cat"]).share.tolist() == [0]


def test_accuracy_rises_with_the_logarithm_of_the_count():
    concepts = [f"thing{letter}" for letter in "abcde"]
    texts = [
        name for name, n in zip(concepts, (0, 1, 10, 100, 1000), strict=True) for _ in range(n)
    ]
    accuracy = pd.Series([0.9, 0.2, 0.4, 0.6, 0.8], index=concepts)
    found = concept_frequency(texts, concepts, accuracy=accuracy.sample(frac=1, random_state=0))
    fit = found.details["fit"]
    assert fit["slope"] == pytest.approx(0.2)
    assert fit["intercept"] == pytest.approx(0.2)
    assert fit["r"] == pytest.approx(1)
    assert fit["n_concepts"] == 4  # what no text names has no logarithm
    assert np.isnan(found.expected[0])
    assert found.expected[1:] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert repr(found).endswith("+0.200 accuracy for ten times the texts)")
    by_name = concept_frequency(texts, concepts, accuracy=accuracy.to_dict())
    pd.testing.assert_frame_equal(by_name.to_frame(), found.to_frame())


def test_frequency_survives_the_disk(tmp_path):
    found = concept_frequency(["cat dog cat"] * 3, ["cat", "dog", "owl"], accuracy=[0.1, 0.2, 0.3])
    found.save(tmp_path / "found")
    opened = type(found).open(tmp_path / "found")
    pd.testing.assert_frame_equal(opened.to_frame(), found.to_frame(), check_dtype=False)


def test_bad_texts_and_concepts():
    cases = [
        ((["a"], "cat"), "The 'concepts' parameter must be names, one or more. Got 'cat' instead."),
        (
            (["a"], ["cat", "!?"]),
            "The 'concepts' parameter must be names with letters or digits. Got '!?' instead.",
        ),
        (
            (["a"], []),
            "The 'concepts' parameter must be names with letters or digits. Got none instead.",
        ),
        (
            (["a"], ["cat", "cat"]),
            "The 'concepts' parameter must be distinct. Got 'cat' more than once instead.",
        ),
        (
            (["a", 3, "b", 4.5], ["cat"]),
            "The 'texts' parameter must be a sequence of texts. Got int in rows 1, 3 instead.",
        ),
        (
            ("a cat", ["cat"]),
            "The 'texts' parameter must be a sequence of texts. Got str instead.",
        ),
        (
            (["a"], ["cat"], [1.5]),
            "The 'accuracy' parameter must be numbers from 0 to 1. Got 1.5 for 'cat' instead.",
        ),
        (
            (["a"], ["cat"], [0.5, 0.5]),
            "The 'accuracy' parameter must be 1 rows, one for each item. Got 2 rows instead.",
        ),
    ]
    for (texts, concepts, *accuracy), says in cases:
        with pytest.raises((ValueError, TypeError)) as caught:
            concept_frequency(texts, concepts, accuracy=accuracy[0] if accuracy else None)
        assert str(caught.value) == says
