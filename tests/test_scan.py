"""A head that gives neighbours the same cluster."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import KMeans, cluster
from curalab.clusters.scan import Scan


def sticks(n_clusters=2, size=120, length=5, seed=0):
    """Return clusters side by side, longer than the gap between them."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), size)
    x = 0.2 * rng.normal(size=(len(truth), 6))
    x[np.arange(len(truth)), truth] += 1.5
    x[:, -1] = length * rng.uniform(-0.5, 0.5, len(truth))
    return Embedding(vectors=x, metric="euclidean"), truth


def ari(x, truth, method, seed=0):
    return adjusted_rand_score(truth, cluster(x, method=method, random_state=seed).labels)


def test_long_clusters_that_kmeans_cuts():
    x, truth = sticks()
    assert ari(x, truth, KMeans(n_clusters=2)) < 0.1
    assert ari(x, truth, Scan(n_clusters=2)) > 0.95


def test_new_rows_get_the_cluster_of_theirs():
    x, truth = sticks()
    half = x.take(x.ids[::2])
    found = cluster(half, method=Scan(n_clusters=2), random_state=0)
    new = Embedding(vectors=x.vectors[1::2], metric="euclidean")
    assert adjusted_rand_score(truth[1::2], found.predict(new)) > 0.95
    assert np.array_equal(found.predict(half), found.labels)
    assert found.details["losses"].shape == (5,)


def test_without_the_entropy_clusters_differ_in_size():
    x, _ = sticks(3, length=4)
    even, free = (
        cluster(x, method=Scan(n_clusters=3, entropy_weight=weight), random_state=0).sizes()
        for weight in (5, 0)
    )
    assert even.tolist() == [120, 120, 120]
    assert free.min() < 100


def test_the_number_is_chosen_where_it_is_not_given():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 60)
    x = 3 * rng.normal(size=(5, 16))[truth] + rng.normal(size=(300, 16))
    found = cluster(x, method=Scan(), random_state=0)
    assert found.n_clusters == 5
    assert adjusted_rand_score(truth, found.labels) > 0.95
    assert 5 in found.details["numbers"]["n_clusters"].tolist()


def test_the_same_seed_gives_the_same_clusters():
    x, _ = sticks(size=40)
    first, second = (cluster(x, method=Scan(n_clusters=2), random_state=3) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.strength, second.strength)


@pytest.mark.parametrize("n_clusters", [None, 1, 2])
@pytest.mark.parametrize("x", [np.eye(2), np.ones((30, 3)), np.repeat(np.eye(3), 2, axis=0)])
def test_few_rows_and_copies(x, n_clusters):
    found = cluster(x, method=Scan(n_clusters=n_clusters), random_state=0)
    assert 1 <= found.n_clusters <= len(x)
    assert np.isfinite(found.strength).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"n_clusters": 7},
            "The 'n_clusters' parameter must be an integer from 1 to 6. Got 7 instead.",
        ),
        (
            {"n_neighbors": 0},
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"entropy_weight": -1},
            "The 'entropy_weight' parameter must be a number from 0 to 1000. Got -1 instead.",
        ),
        (
            {"n_heads": 0},
            "The 'n_heads' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"device": "abacus"},
            "The 'device' parameter must be 'auto' or a device that torch has here, such as 'cpu'. "
            "Got 'abacus' instead.",
        ),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(ValueError) as caught:
        cluster(np.eye(6), method=Scan(**settings))
    assert str(caught.value) == text
