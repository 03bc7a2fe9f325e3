"""Pairs found without a neighbour graph: all of them, whatever is passed over."""

import numpy as np
import pytest

from curalab import Embedding, find_duplicates
from curalab.duplicates import _graph, _measured
from curalab.duplicates._graph import similar_pairs
from curalab.duplicates._measured import measured_pairs, similarity_of


def rows(n, d, *, seed=0, wide=1.0, at=0.0):
    """Rows with a spectrum, of which a tenth are copies of others, near and less near."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.4
    a, b = rng.integers(n, size=(2, n // 10))
    far = rng.uniform(0, 0.6, size=(len(a), 1)) * np.linalg.norm(x[a], axis=1, keepdims=True)
    x[b] = x[a] + far * rng.normal(size=(len(a), d)) / np.sqrt(d)
    return (at + wide * x).astype(np.float32)


def every_pair(emb, threshold):
    """The pairs of the definition, and how similar they are."""
    pairs = np.column_stack(np.triu_indices(len(emb), 1))
    similarity = similarity_of(emb, pairs)
    return pairs[similarity >= threshold], similarity[similarity >= threshold]


@pytest.mark.parametrize("rounds", [True, False])
@pytest.mark.parametrize(
    ("metric", "d", "threshold", "settings"),
    [
        ("cosine", 96, 0.95, {}),
        ("cosine", 96, 0.7, {"seed": 1}),
        ("cosine", 96, 0.9999, {"at": 3.0}),  # all rows point one way
        ("cosine", 5, 0.98, {}),
        ("euclidean", 40, 0.5, {}),
        ("euclidean", 40, 0.005, {"wide": 500.0, "at": 1e4}),
        ("euclidean", 12, 0.9999, {"wide": 1e-4, "seed": 2}),
    ],
)
def test_all_pairs_are_found_and_no_others(rounds, metric, d, threshold, settings, monkeypatch):
    monkeypatch.setattr("curalab.neighbors._rounded.rounding_pays", lambda: rounds)
    emb = Embedding(vectors=rows(1_500, d, **settings), metric=metric)
    wanted = every_pair(emb, threshold)
    assert len(wanted[0]) > 10
    for at in (threshold, float(np.median(wanted[1]))):  # the median pair is on the border
        pairs, similarity = measured_pairs(emb, at)
        is_in = wanted[1] >= at
        assert np.array_equal(pairs, wanted[0][is_in])
        assert np.array_equal(similarity, wanted[1][is_in])


def test_exact_copies_at_threshold_1():
    x = rows(1_200, 30)
    x[[5, 700, 900]] = x[3]
    x[5] *= 2
    pairs, similarity = measured_pairs(Embedding(vectors=x), 1.0)
    assert {(3, 5), (3, 700), (5, 900), (700, 900)} <= set(map(tuple, pairs.tolist()))
    assert (similarity == 1).all()


def test_many_rows_without_a_graph_give_the_pairs_of_the_exact_graph(monkeypatch):
    x = rows(1_000, 50)
    by_graph = find_duplicates(Embedding(vectors=x), threshold=0.93)
    monkeypatch.setattr(_graph, "_MANY", 1_000)
    emb = Embedding(vectors=x)
    without = find_duplicates(emb, threshold=0.93)
    assert "neighbors" not in emb._graph
    assert by_graph.found.equals(without.found)
    assert np.array_equal(by_graph.keep, without.keep)


def test_a_graph_that_is_there_is_read(monkeypatch):
    monkeypatch.setattr(_graph, "_MANY", 500)
    monkeypatch.setattr(_graph, "measured_pairs", lambda *_: pytest.fail("not read"))
    emb = Embedding(vectors=rows(500, 20))
    emb.neighbors(30)
    assert len(similar_pairs(emb, 0.95)[0])


@pytest.mark.parametrize(("limit", "value"), [("_DENSE", 2_000), ("_COSTLY", 1)])
def test_where_too_many_would_be_measured_the_graph_is_read(limit, value, monkeypatch):
    x = rows(900, 30)
    x[:200] = x[0] + 1e-4 * rows(200, 30, seed=1)
    monkeypatch.setattr(_graph, "_MANY", 900)
    whole = similar_pairs(Embedding(vectors=x), 0.99)
    monkeypatch.setattr(_measured, limit, value)
    emb = Embedding(vectors=x)
    assert measured_pairs(emb, 0.99) is None
    pairs, _ = similar_pairs(emb, 0.99)
    assert "neighbors" in emb._graph
    assert {tuple(p) for p in pairs.tolist()} == {tuple(p) for p in whole[0].tolist()}


def test_more_pairs_than_groups_of_100_have_are_not_kept(monkeypatch):
    x = rows(900, 30)
    x[:500] = x[0] + 1e-4 * rows(500, 30, seed=1)
    assert measured_pairs(Embedding(vectors=x), 0.99) is None


def test_a_large_group_is_linked_to_its_centre_and_a_small_one_complete(monkeypatch):
    x = rows(3_000, 30)
    x[:120] = x[0] + 1e-3 * rows(120, 30, seed=1)
    x[200:220] = x[200] + 1e-3 * rows(20, 30, seed=2)
    monkeypatch.setattr(_graph, "_MANY", 3_000)
    emb = Embedding(vectors=x)
    found = find_duplicates(emb, threshold=0.99)
    assert "neighbors" not in emb._graph
    row_a, row_b = found.found[["row_a", "row_b"]].to_numpy().T
    large = (row_a < 120) & (row_b < 120)
    assert large.sum() == 119
    assert len(set(found.group[:120])) == 1
    assert np.isfinite(found.similarity[:120]).all()  # each is a pair with the one kept
    assert ((row_a >= 200) & (row_b < 220)).sum() == 190


def test_forty_large_groups_cost_little(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(40, 64)), 110, axis=0)
    x += 1e-3 * rng.normal(size=x.shape)
    monkeypatch.setattr(_graph, "_MANY", len(x))
    counted = Counted(similarity_of)
    for module in (_graph, _measured):
        monkeypatch.setattr(module, "similarity_of", counted)
    found = find_duplicates(Embedding(vectors=x), threshold=0.99)
    assert found.n_groups == 40
    assert len(found.found) == 40 * 109
    # beside the pairs there are, each row is measured once: against the centre of its own group
    assert counted.n < 40 * 110 * 109 / 2 + 2 * len(x)


class Counted:
    """A function of an embedding and pairs, and how many pairs it got."""

    def __init__(self, function):
        self.function, self.n = function, 0

    def __call__(self, embedding, pairs):
        self.n += len(pairs)
        return self.function(embedding, pairs)
