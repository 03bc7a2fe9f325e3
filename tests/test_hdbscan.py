"""HDBSCAN through its package: the path on the neighbour graph, membership and new rows."""

import sys

import hdbscan
import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

import curalab.clusters.hdbscan as module
from curalab import Embedding
from curalab.clusters import HDBSCAN, _outside, _spanning, cluster
from curalab.clusters._outside import Outside


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


@pytest.fixture
def at_size(monkeypatch):
    """Few rows count as many: the spanning tree is the neighbour graph's own."""
    monkeypatch.setattr(module, "_MANY", 100)
    monkeypatch.setattr(module, "_LARGE", 100)


def planted(n, *, noise, seed=0):
    """Ten groups in 24 dimensions and noise all over; the group of each row, -1 for noise."""
    rng = np.random.default_rng(seed)
    centres, group = 3 * rng.normal(size=(10, 24)), rng.integers(10, size=n)
    x = centres[group] + rng.normal(size=(n, 24))
    n_noise = int(noise * n)
    x[:n_noise], group[:n_noise] = 3.2 * rng.normal(size=(n_noise, 24)), -1
    return x.astype(np.float32), group


def all_distances(x, core=None):
    """Return the mutual reachability of all rows; by default of `min_samples` 15."""
    gap = cdist(x.astype(float), x.astype(float))
    core = np.sort(gap, axis=1)[:, 15] if core is None else core
    return np.maximum(np.maximum(gap, core[:, None]), core)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("settings", [{}, {"min_samples": 40}, {"selection": "leaf"}])
def test_many_rows_as_all_distances(monkeypatch, at_size, metric, settings):
    """Noise near to a cluster is the cluster's if clusters meet by way of noise alone."""
    x, group = planted(2_500, noise=0.1)
    method = HDBSCAN(**settings)
    fast = cluster(Embedding(vectors=x, metric=metric), method=method)
    monkeypatch.setattr(module, "_LARGE", 10_000)
    exact = cluster(Embedding(vectors=x, metric=metric), method=method)
    assert fast.n_clusters == exact.n_clusters >= 10
    assert adjusted_rand_score(exact.labels, fast.labels) > 0.995
    assert np.abs(exact.strength - fast.strength).mean() < 0.005
    if metric == "euclidean" and not settings:
        assert adjusted_rand_score(group, fast.labels) > 0.99


@pytest.mark.parametrize("asked", [10_000, 160])
def test_parts_are_joined_by_the_shortest_edges(monkeypatch, asked):
    """All rows asked, or sixteen of each part."""
    monkeypatch.setattr(_spanning, "_ASKED", asked)
    x, _ = planted(1_500, noise=0)
    near = Embedding(vectors=x, metric="euclidean").neighbors(30, recall=1)
    length = near.distance.astype(float)
    core = length[:, 14]
    forest = _spanning.shortest_forest(near.indices, length, core)
    n_parts, part = connected_components(forest, directed=False)
    assert n_parts == 10
    tree = _spanning.joined(forest, part, Outside(x, core))
    assert tree.nnz == 1_499
    edges, reach = tree.tocoo(), all_distances(x)
    np.testing.assert_allclose(edges.data, reach[edges.row, edges.col], rtol=1e-5)
    best = minimum_spanning_tree(reach)
    assert np.sort(tree.data)[-9:].sum() == pytest.approx(np.sort(best.data)[-9:].sum(), rel=1e-5)
    assert tree.sum() == pytest.approx(best.sum(), rel=1e-4)


def test_the_nearest_row_of_another_part(monkeypatch):
    """In several blocks, far from the origin, and not among the rows left out."""
    monkeypatch.setattr(_outside, "_ROWS", 50)
    monkeypatch.setattr(_outside, "_COLUMNS", 70)
    x, part = planted(400, noise=0.2)
    part = part.astype(np.int32)
    x += 5_000
    core = np.random.default_rng(1).uniform(0, 20, size=400)  # as long as distances are
    reach, search = all_distances(x, core), Outside(x, core)
    rows = np.flatnonzero(part >= 0)[::2].copy()
    found, far = search.nearest(rows, part)
    assert (part[found] >= 0).all()
    assert (part[found] != part[rows]).all()
    allowed = (part[rows][:, None] != part) & (part >= 0)
    np.testing.assert_allclose(far, np.where(allowed, reach[rows], np.inf).min(axis=1), rtol=1e-5)


def test_copies_at_size(at_size):
    """More copies of a row than it has neighbours."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(6, 30)), 80, axis=0)
    x[::4] += 0.01 * rng.normal(size=(120, 30))
    found = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    assert adjusted_rand_score(np.repeat(np.arange(6), 80), found.labels) > 0.99
    same = cluster(Embedding(vectors=np.ones((300, 30))), method="hdbscan")
    assert same.n_clusters == 0


def test_many_small_parts(at_size, monkeypatch):
    """More parts than rows that are asked: one row of each is."""
    monkeypatch.setattr(_spanning, "_ASKED", 5)
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 40)
    x = (6 * rng.normal(size=(40, 30)))[group] + 0.2 * rng.normal(size=(1_600, 30))
    found = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    assert adjusted_rand_score(group, found.labels) > 0.99


def test_parts_smaller_than_a_cluster(at_size):
    """Two groups of six clumps, no clump a cluster: what joins clumps makes the clusters."""
    rng = np.random.default_rng(0)
    clump = np.repeat(np.arange(12), 40)
    centres = rng.normal(size=(12, 30)) + 20 * np.eye(30)[np.arange(12) % 2]
    x = centres[clump] + 0.05 * rng.normal(size=(480, 30))
    method = HDBSCAN(min_cluster_size=100, min_samples=5)
    found = cluster(Embedding(vectors=x, metric="euclidean"), method=method)
    assert adjusted_rand_score(clump % 2, found.labels) == 1


def test_order_and_repetition_at_size(at_size):
    x, _ = planted(2_000, noise=0.1)
    first, again = (cluster(Embedding(vectors=x), method="hdbscan") for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.strength, again.strength)
    order = np.random.default_rng(1).permutation(2_000)
    moved = cluster(Embedding(vectors=x[order]), method="hdbscan")
    assert first.n_clusters == moved.n_clusters == 10
    agreement = adjusted_rand_score(first.labels[order], moved.labels)
    assert agreement > 0.99  # ties at the rim, as the package has them


def test_membership_and_new_rows_at_size(at_size):
    x, group = planted(1_200, noise=0.05)
    found = cluster(Embedding(vectors=x[:1_000], metric="euclidean"), method="hdbscan")
    share = found.details["membership"]().to_numpy()
    inside = found.labels >= 0
    assert (share.argmax(axis=1) == found.labels)[inside].mean() > 0.95
    new = found.predict(x[1_000:]).to_numpy()
    assert adjusted_rand_score(group[1_000:][new >= 0], new[new >= 0]) == 1
    assert (new >= 0).mean() > 0.9


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


def test_joins_are_the_packages_own(monkeypatch):
    rng = np.random.default_rng(0)
    begin = np.arange(1, 300)
    length = np.sort(rng.integers(40, size=299)).astype(float)  # with ties
    table = np.column_stack([begin, (rng.random(299) * begin).astype(int), length])
    ours = module._dendrogram(table)
    monkeypatch.setitem(sys.modules, "sklearn.cluster._hdbscan._linkage", None)  # as if gone
    np.testing.assert_array_equal(ours, module._dendrogram(table))
