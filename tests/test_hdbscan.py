"""HDBSCAN through its package: the path on the neighbour graph, membership and new rows."""

import hdbscan
import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

import curalab.clusters.hdbscan as module
from curalab import Embedding
from curalab.clusters import HDBSCAN, cluster


@pytest.fixture(scope="module")
def plane():
    x, _ = make_blobs(1_300, centers=6, cluster_std=1.0, random_state=0)
    return x.astype(np.float32)


def test_the_graph_gives_what_all_distances_give(monkeypatch):
    """Nested blobs, between which the graph has no edges, and noise: the same tree, same cut."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 24)) * np.repeat([1.0, 2.0], 4)[:, None]
    x = centres[rng.integers(8, size=900)] + 0.5 * rng.normal(size=(900, 24))
    x[:60] = 3 * rng.normal(size=(60, 24))
    exact = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    monkeypatch.setattr(module, "_MANY", 500)
    fast = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    assert exact.n_clusters >= 5
    assert adjusted_rand_score(exact.labels, fast.labels) > 0.99
    assert len(fast.details["tree"]) == pytest.approx(len(exact.details["tree"]), abs=6)
    shares = [np.sort(found.details["membership"](), axis=1) for found in (exact, fast)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.005)


def test_parts_without_an_edge_between_them(monkeypatch):
    monkeypatch.setattr(module, "_MANY", 100)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(150, 30)) + 90 * np.eye(30)[at] for at in range(4)])
    found = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    assert found.sizes().tolist() == [150] * 4


def test_the_graph_under_cosine(monkeypatch):
    """Chords of the unit sphere, which the exact path measures."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.eye(25)[:5], 80, axis=0) * 4 + rng.normal(size=(400, 25))
    exact = cluster(Embedding(vectors=x), method="hdbscan")
    monkeypatch.setattr(module, "_MANY", 100)
    fast = cluster(Embedding(vectors=x), method="hdbscan")
    assert exact.n_clusters == fast.n_clusters == 5
    assert adjusted_rand_score(exact.labels, fast.labels) > 0.98  # two rows at the rim


def test_membership(plane):
    found = cluster(Embedding(vectors=plane, metric="euclidean"), method="hdbscan")
    share = found.details["membership"]()
    assert share.shape == (1_300, found.n_clusters)
    assert share.index.equals(found.ids)
    assert share.to_numpy().min() >= 0
    assert share.sum(axis="columns").max() <= 1 + 1e-9
    inside = found.labels >= 0
    assert (share.to_numpy().argmax(axis=1) == found.labels)[inside].mean() > 0.95


def test_new_rows_go_where_the_package_puts_them(plane):
    """`approximate_predict` climbs the tree; ours asks the nearest row, and differs at the rim."""
    found = cluster(Embedding(vectors=plane[:1_000], metric="euclidean"), method="hdbscan")
    fitted = hdbscan.HDBSCAN(min_cluster_size=15, prediction_data=True).fit(
        plane[:1_000].astype(float)
    )
    theirs = hdbscan.approximate_predict(fitted, plane[1_000:].astype(float))[0]
    ours = found.predict(plane[1_000:]).to_numpy()
    assert (ours == theirs).mean() > 0.9
    assert (ours == theirs)[(ours >= 0) & (theirs >= 0)].all()
    assert (found.predict(np.full((3, 2), 1e4)) == -1).all()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            HDBSCAN(min_cluster_size=1),
            "The 'min_cluster_size' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            HDBSCAN(selection="all"),
            "The 'selection' parameter must be one of 'eom', 'leaf'. Got 'all' instead.",
        ),
    ],
)
def test_errors(plane, method, message):
    with pytest.raises(ValueError) as raised:
        cluster(Embedding(vectors=plane, metric="euclidean"), method=method)
    assert str(raised.value) == message
