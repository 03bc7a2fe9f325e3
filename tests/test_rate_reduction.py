"""Subspaces, and how many there are by the length of their code."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import KMeans, RateReduction, cluster


def subspaces(n_clusters, d, dimensions, *, n=700, noise=0.05, seed=0):
    """Rows on random subspaces of `d` dimensions through 0."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_clusters, size=n)
    bases = [np.linalg.qr(rng.normal(size=(dimensions, d)))[0] for _ in range(n_clusters)]
    x = np.stack([bases[each] @ rng.normal(size=d) for each in truth])
    return Embedding(vectors=x + noise * rng.normal(size=x.shape)), truth


@pytest.mark.parametrize(("n_clusters", "d", "dimensions"), [(5, 3, 30), (3, 2, 12), (6, 4, 40)])
def test_subspaces_and_their_number(n_clusters, d, dimensions):
    emb, truth = subspaces(n_clusters, d, dimensions)
    found = cluster(emb, method=RateReduction(), random_state=0)
    assert found.n_clusters == n_clusters
    assert adjusted_rand_score(truth, found.labels) > 0.95
    round_ones = cluster(emb, method=KMeans(n_clusters=n_clusters), random_state=0)
    assert adjusted_rand_score(truth, round_ones.labels) < 0.3
    numbers = found.details["numbers"]
    assert (
        numbers["coding_length"].idxmin() == numbers.index[numbers["n_clusters"] == n_clusters][0]
    )


def test_new_rows_and_opposite_ones():
    emb, truth = subspaces(4, 3, 30, n=800)
    known, new = emb.take(emb.ids[:500]), emb.take(emb.ids[500:])
    found = cluster(known, method=RateReduction(n_clusters=4), random_state=0)
    placed = found.predict(new)
    assert adjusted_rand_score(truth[500:], placed) > 0.95
    assert (found.predict(-new.vectors).to_numpy() == placed.to_numpy()).all()
    assert np.median(found.strength) > 0.5
    again = cluster(known, method=RateReduction(n_clusters=4), random_state=0)
    assert np.array_equal(found.labels, again.labels)


def test_more_rows_than_are_compared(monkeypatch):
    import curalab.clusters.rate_reduction as module

    monkeypatch.setattr(module, "_DRAWN", 300)
    emb, truth = subspaces(3, 2, 20, n=1_500)
    found = cluster(emb, method=RateReduction(n_clusters=3), random_state=0)
    assert adjusted_rand_score(truth, found.labels) > 0.95


@pytest.mark.parametrize("x", [np.ones((20, 3)), np.zeros((9, 2)), np.eye(2)])
def test_copies_zeros_and_few_rows(x):
    found = cluster(
        Embedding(vectors=x, metric="euclidean"), method=RateReduction(), random_state=0
    )
    assert (found.labels == 0).all()
    assert np.isfinite(found.strength).all()


def test_errors():
    emb, _ = subspaces(2, 1, 5, n=40)
    for method, message in (
        (
            RateReduction(n_clusters=41),
            "The 'n_clusters' parameter must be an integer from 1 to 40. Got 41 instead.",
        ),
        (
            RateReduction(temperature=0),
            "The 'temperature' parameter must be a number from 0.02 to 10. Got 0 instead.",
        ),
    ):
        with pytest.raises(ValueError) as raised:
            cluster(emb, method=method)
        assert str(raised.value) == message
