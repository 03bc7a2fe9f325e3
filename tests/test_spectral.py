"""Cuts of the neighbour graph: shapes that round clusters cannot have."""

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import KMeans, Spectral, cluster


def rings(n, seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 3 * n)
    truth = np.repeat(np.arange(3), n)
    radius = 1 + 2 * truth + 0.1 * rng.normal(size=3 * n)
    return np.c_[radius * np.cos(angle), radius * np.sin(angle)], truth


@pytest.mark.parametrize("n", [200, 700])  # all eigenvectors, and the few that are needed
def test_rings_and_their_number(n):
    x, truth = rings(n)
    emb = Embedding(vectors=x, metric="euclidean")
    found = cluster(emb, random_state=0)
    assert found.n_clusters == 3
    assert adjusted_rand_score(truth, found.labels) > 0.99
    round_ones = cluster(emb, method=KMeans(n_clusters=3), random_state=0)
    assert adjusted_rand_score(truth, round_ones.labels) < 0.5
    numbers = found.details["numbers"]
    assert numbers.columns.tolist() == ["n_clusters", "eigenvalue", "leap"]
    assert numbers["eigenvalue"].iloc[0] == pytest.approx(0, abs=1e-6)


def test_moons():
    x, truth = make_moons(400, noise=0.05, random_state=0)
    found = cluster(Embedding(vectors=x, metric="euclidean"), random_state=0)
    assert adjusted_rand_score(truth, found.labels) > 0.95
    assert found.strength.min() >= 0


def test_more_clusters_than_parts_and_one():
    x, _ = rings(60)
    emb = Embedding(vectors=x, metric="euclidean")
    assert cluster(emb, method=Spectral(n_clusters=7), random_state=0).n_clusters == 7
    assert cluster(emb, method=Spectral(n_clusters=1), random_state=0).n_clusters == 1


@pytest.mark.parametrize("n", [2, 3, 8])
def test_few_rows_and_copies(n):
    x = np.random.default_rng(0).normal(size=(n, 2))
    assert 1 <= cluster(Embedding(vectors=x, metric="euclidean"), random_state=0).n_clusters <= n
    same = cluster(Embedding(vectors=np.ones((30, 2)), metric="euclidean"), random_state=0)
    assert np.isfinite(same.strength).all()


def test_bad_settings():
    emb = Embedding(vectors=np.eye(5), metric="euclidean")
    with pytest.raises(ValueError) as caught:
        cluster(emb, method=Spectral(n_clusters=6))
    assert str(caught.value) == (
        "The 'n_clusters' parameter must be an integer from 1 to 5. Got 6 instead."
    )
