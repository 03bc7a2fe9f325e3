import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool, methods
from curalab.duplicates import (
    Exact,
    NearText,
    Perceptual,
    Semantic,
    find_duplicates,
    score_pairs,
)
from curalab.duplicates._measured import similarity_of

IDS = ["a", "b", "c", "d"]


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value.args[0])


def holding(data, ids=None):
    return Embedding(vectors=np.eye(len(data)) + 0.1, data=data, ids=ids)


def scores(data, pairs, method):
    return score_pairs(holding(data, ids=IDS[: len(data)]), pairs, method=method)[
        "similarity"
    ].tolist()


# ---- the numbers ---------------------------------------------------------------------------------


def test_cosine_and_distance_by_hand():
    x = np.array([[1.0, 0], [0, 2], [3, 4], [-1, 0]])
    asked = [("a", "c"), ("b", "c"), ("a", "b"), ("a", "d"), ("c", "a"), ("b", "b")]
    got = score_pairs(Embedding(vectors=x, ids=IDS), asked)
    assert got.columns.tolist() == ["id_a", "id_b", "similarity"]
    assert got[["id_a", "id_b"]].to_numpy().tolist() == [list(pair) for pair in asked]
    np.testing.assert_allclose(got["similarity"], [0.6, 0.8, 0, -1, 0.6, 1], atol=1e-6)
    got = score_pairs(Embedding(vectors=x, ids=IDS, metric="euclidean"), asked)
    away = np.array([np.sqrt(20), np.sqrt(13), np.sqrt(5), 2, np.sqrt(20), 0])
    np.testing.assert_allclose(got["similarity"], 1 / (1 + away), rtol=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("d", [3, 8, 9, 100])
def test_semantic_gives_the_numbers_of_find_duplicates(metric, d):
    import torch

    rng = np.random.default_rng(d)
    x = rng.normal(size=(600, d)) + 3 * (metric == "euclidean")
    x[300:] = x[:300] + rng.normal(size=(300, d)) * 10 ** rng.uniform(-5, -1, size=(300, 1))
    emb = Embedding(vectors=x, metric=metric, ids=[f"r{i}" for i in range(600)])
    found = find_duplicates(emb, threshold=0.5).pairs()
    assert len(found) >= 250
    got = score_pairs(emb, found.sample(frac=1, random_state=0)).sort_index()
    if torch.cuda.is_available():
        np.testing.assert_allclose(got["similarity"], found["similarity"], rtol=1e-5)
    else:
        pd.testing.assert_frame_equal(got, found)


def test_semantic_goes_block_by_block(monkeypatch):
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(50, 4)))
    pairs = np.random.default_rng(1).integers(50, size=(40, 2))
    whole = score_pairs(emb, pairs)
    monkeypatch.setitem(similarity_of.__globals__, "_BLOCK", 7)
    pd.testing.assert_frame_equal(score_pairs(emb, pairs), whole)
    pd.testing.assert_frame_equal(score_pairs(emb, pairs, method=Semantic(partitions=3)), whole)


def test_exact_is_one_or_zero():
    texts = ["One", " one", None, "two"]
    pairs = [("a", "b"), ("a", "d"), ("c", "c"), ("b", "a")]
    assert scores(texts, pairs, "exact") == [1, 0, 0, 1]
    assert scores(texts, pairs, Exact(normalise=False)) == [0, 0, 0, 0]
    table = pd.DataFrame({"n": [1, 1, 2], "t": ["x", "x", "x"]}, index=list("abc"))
    assert scores(table, [("a", "b"), ("a", "c")], "exact") == [1, 0]
    vectors = Embedding(vectors=[[1, 2], [1, 2], [2, 4]])
    assert score_pairs(vectors, [(0, 1), (0, 2)], method="exact")["similarity"].tolist() == [1, 0]


def test_near_text_is_the_jaccard_index_also_below_the_threshold():
    texts = ["one two three four", "one two three five", None, "six"]
    pairs = [("a", "b"), ("a", "d"), ("a", "c"), ("c", "c"), ("a", "a")]
    assert scores(texts, pairs, "near_text") == [0.5, 0, 0, 0, 1]
    assert scores(texts, pairs[:1], NearText(n_words=1)) == [3 / 5]
    table = pd.DataFrame({"t": texts[:2], "n": [1, 2]}, index=["a", "b"])
    assert scores(table, pairs[:1], "near_text") == [0.5]


def test_perceptual_is_the_share_of_equal_bits():
    pytest.importorskip("imagehash")
    up, down = [0, 100, 200], [200, 100, 0]
    images = [np.array(rows, dtype=np.uint8) for rows in ([up, up], [up, down], [down, down])]
    pairs = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "b")]
    method = Perceptual(hash="dhash", hash_size=2)
    assert scores([*images, None], pairs, method) == [0.5, 0, 0, 1]


@pytest.mark.parametrize("method", ["near_text", "exact"])
def test_texts_get_the_numbers_of_find_duplicates(method):
    pytest.importorskip("datasketch")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdef"), 5)) for _ in range(60)]
    texts += [text.upper() for text in texts[:20]]
    emb = Embedding(vectors=np.ones((80, 2)), data=texts)
    found = find_duplicates(emb, method=method, threshold=0.5).pairs()
    assert len(found)
    pd.testing.assert_frame_equal(score_pairs(emb, found, method=method), found)


# ---- the pairs -----------------------------------------------------------------------------------


def test_pairs_in_any_form_keep_their_order_and_index():
    emb = Embedding(vectors=np.eye(3) + 0.1)
    table = pd.DataFrame({"id_b": [1, 0], "verdict": ["no", "yes"], "id_a": [2, 1]}, index=[7, 5])
    got = score_pairs(emb, table)
    assert got.index.tolist() == [7, 5]
    assert got[["id_a", "id_b"]].to_numpy().tolist() == [[2, 1], [1, 0]]
    assert table.columns.tolist() == ["id_b", "verdict", "id_a"]
    for pairs in (np.array([[2, 1], [1, 0]]), [(2, 1), [1, 0]], iter([(2, 1), (1, 0)])):
        assert score_pairs(emb, pairs)["similarity"].tolist() == got["similarity"].tolist()


def test_ids_of_two_types():
    emb = Embedding(vectors=np.eye(2) + 0.1, ids=["a", 1])
    assert score_pairs(emb, [("a", 1)])[["id_a", "id_b"]].to_numpy().tolist() == [["a", 1]]


@pytest.mark.parametrize("pairs", [[], np.empty((0, 2)), pd.DataFrame({"id_a": [], "id_b": []})])
@pytest.mark.parametrize("method", ["semantic", "exact", "near_text"])
def test_no_pairs(pairs, method):
    got = score_pairs(holding(["x", "y"]), pairs, method=method)
    assert got.columns.tolist() == ["id_a", "id_b", "similarity"]
    assert len(got) == 0


def test_a_scorer_of_ones_own():
    class Mine:
        def similarity(self, pool, pairs):
            return -np.abs(pairs[:, 0] - pairs[:, 1])

        def __call__(self, pool, threshold, *, rng):
            raise NotImplementedError

    pool = Pool(embedding=Embedding(vectors=np.eye(3), ids=["x", "y", "z"]))
    assert score_pairs(pool, [("x", "z"), ("y", "y")], method=Mine())["similarity"].tolist() == [
        -2,
        0,
    ]


def test_it_is_listed_as_a_function():
    listed = methods("duplicates").set_index("name")["kind"]
    assert listed["score_pairs"] == "function"
    assert listed[["near_text", "perceptual"]].tolist() == ["method", "method"]


# ---- errors --------------------------------------------------------------------------------------


def test_unknown_ids_are_listed():
    emb = Embedding(vectors=np.eye(2), ids=["a", "b"])
    assert message(KeyError, score_pairs, emb, [("a", "x"), ("y", "b"), ("x", "a")]) == (
        "The 'pairs' parameter must be ids of the items. Got unknown ids 'y', 'x' instead."
    )


def test_pairs_of_another_shape():
    rule = "a DataFrame with the columns 'id_a' and 'id_b', or ids of shape (m, 2)"
    emb = Embedding(vectors=np.eye(3))
    assert message(ValueError, score_pairs, emb, [(0, 1), (0, 1, 2), 1]) == (
        f"The 'pairs' parameter must be {rule}. Got 2 of 3 that are no two ids: (0, 1, 2), 1 "
        "instead."
    )
    assert message(ValueError, score_pairs, emb, pd.DataFrame({"id_a": [0], "to": [1]})) == (
        f"The 'pairs' parameter must be {rule}. Got a DataFrame with the columns 'id_a', 'to' "
        "instead."
    )
    assert message(TypeError, score_pairs, emb, 5) == (
        f"The 'pairs' parameter must be {rule}. Got 5 instead."
    )


def test_methods_that_cannot_score_a_pair():
    def mine(pool, threshold, *, rng):
        raise NotImplementedError

    told = message(TypeError, score_pairs, np.eye(3), [(0, 1)], method=mine)
    assert told.startswith(
        "The 'method' parameter must be one that can score a given pair, such as 'semantic', "
        "'exact', 'near_text', 'perceptual'"
    )
    assert told.endswith(
        "mine' instead. Give it a method similarity(pool, pairs) that returns one number a pair."
    )


def test_wrong_numbers_are_refused():
    class Mine:
        def __init__(self, answer):
            self.similarity = lambda pool, pairs: answer

        def __call__(self, pool, threshold, *, rng):
            raise NotImplementedError

    start = "The 'method' parameter must be one that returns 1 numbers. Got "
    for answer, got in (
        ([1.0, 2.0], "shape (2,), dtype float64"),
        (["x"], "shape (1,), dtype <U1"),
        ([np.nan], "shape (1,), dtype float64 with NaN or infinite values"),
    ):
        told = message(ValueError, score_pairs, np.eye(3), [(0, 1)], method=Mine(np.array(answer)))
        assert told == f"{start}{got} instead."


def test_content_is_needed():
    assert message(ValueError, score_pairs, np.eye(3), [(0, 1)], method="near_text") == (
        "The method 'near_text' needs 'data', and the pool has none. "
        "Pass Pool(embedding=…, data=…), or choose another method."
    )
