"""Merging along the neighbour graph: what it finds, cuts and refuses."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_score

from curalab import Embedding
from curalab.clusters import Agglomerative, KMeans, cluster
from curalab.clusters._indices import silhouette
from curalab.clusters._number import _strength, numbers_to_try
from curalab.clusters._tree import Centres, Tree, joined_graph, smoothed


def blobs(n_clusters, size, d, spread, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), size)
    centres = rng.normal(size=(n_clusters, d))
    return centres[truth] + spread * rng.normal(size=(len(truth), d)), truth


@pytest.mark.parametrize(("n_clusters", "size"), [(3, 100), (12, 50), (30, 40)])
def test_the_number_of_clusters_is_found(n_clusters, size):
    x, truth = blobs(n_clusters, size, 20, 0.3)
    found = cluster(Embedding(vectors=x), random_state=0)
    assert abs(found.n_clusters - n_clusters) <= n_clusters // 10
    assert adjusted_rand_score(truth, found.labels) > 0.95
    curve = found.details["numbers"]
    assert curve.columns.tolist() == ["n_clusters", "silhouette", "agreement", "strength"]
    assert curve["n_clusters"].is_monotonic_increasing
    assert (found.labels >= 0).all()


def test_told_the_number_it_beats_kmeans_where_clusters_are_many():
    own, theirs = [], []
    for seed in range(3):
        x, truth = blobs(25, 40, 16, 0.4, seed)
        emb = Embedding(vectors=x)
        for method, scores in (
            (Agglomerative(n_clusters=25), own),
            (KMeans(n_clusters=25), theirs),
        ):
            labels = cluster(emb, method=method, random_state=0).labels
            scores.append(adjusted_rand_score(truth, labels))
    assert np.mean(own) > np.mean(theirs) + 0.02


def test_a_tree_cuts_into_every_number_each_inside_the_last():
    x, _ = blobs(4, 10, 3, 0.2)
    points = x.astype(np.float32)
    tree = Tree(points, linkage="ward", n_neighbors=5, metric="euclidean")
    assert tree.merges.shape == (39, 2)
    coarser = tree.cut(1)
    assert set(coarser) == {0}
    for k in range(2, 41):
        labels = tree.cut(k)
        assert len(np.unique(labels)) == k
        assert len(np.unique(np.c_[labels, coarser], axis=0)) == k
        coarser = labels


def test_a_tree_by_hand():
    points = np.array([[0.0], [1.0], [5.0], [7.0]], dtype=np.float32)
    tree = Tree(points, linkage="average", n_neighbors=2, metric="euclidean")
    assert [set(pair) for pair in tree.merges.tolist()] == [{0, 1}, {2, 3}, {4, 5}]
    assert tree.cut(2).tolist() == [0, 0, 1, 1]
    assert sorted(tree.centres(2).points.ravel()) == [0.5, 6.0]


def test_parts_without_an_edge_between_are_joined():
    from scipy.sparse.csgraph import connected_components

    x, _ = blobs(6, 8, 2, 0.001)
    graph = joined_graph(x.astype(np.float32), 3, metric="euclidean")
    assert connected_components(graph)[0] == 1
    assert (graph != graph.T).nnz == 0
    assert set(graph.data) == {1.0}


def test_strength_by_hand():
    one = np.array([0, 0, 0, 1, 1, 1, 1])
    other = np.array([0, 0, 1, 2, 2, 2, 2])
    assert _strength(one, other) == pytest.approx(2 / 6)
    assert _strength(other, one) == 1


def test_smoothing_by_hand():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    moved = smoothed(points, np.array([[1], [0], [1]]), metric="euclidean")
    assert moved.tolist() == [[1, 0], [1, 0], [3, 0]]
    unit = smoothed(np.eye(2), np.array([[1], [0]]), metric="cosine")
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


def test_more_rows_than_the_tree_holds(monkeypatch):
    monkeypatch.setattr("curalab.clusters.agglomerative._TREE", 100)
    x, truth = blobs(4, 100, 8, 0.3)
    found = cluster(Embedding(vectors=x), method=Agglomerative(n_clusters=4), random_state=0)
    assert len(found.details["tree_rows"]) == 100
    assert adjusted_rand_score(truth, found.labels) > 0.95


def test_numbers_that_are_tried():
    assert numbers_to_try(3) == [2]
    assert numbers_to_try(50) == [2, 3, 4, 5, 6, 7, 9, 10]
    assert max(numbers_to_try(4_000)) <= 95


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_few_rows(n):
    x = np.random.default_rng(0).normal(size=(n, 3))
    found = cluster(Embedding(vectors=x), random_state=0)
    assert 1 <= found.n_clusters <= n
    every = cluster(Embedding(vectors=x), method=Agglomerative(n_clusters=n), random_state=0)
    assert every.n_clusters == n


def test_copies_only():
    found = cluster(Embedding(vectors=np.ones((60, 4))), random_state=0)
    assert found.n_clusters >= 1
    assert np.isfinite(found.strength).all()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"n_clusters": 7},
            ValueError,
            "The 'n_clusters' parameter must be an integer from 1 to 6. Got 7 instead.",
        ),
        (
            {"n_clusters": 0},
            ValueError,
            "The 'n_clusters' parameter must be an integer from 1 to 6. Got 0 instead.",
        ),
        (
            {"linkage": "single"},
            ValueError,
            "The 'linkage' parameter must be one of 'ward', 'average'. Got 'single' instead.",
        ),
    ],
)
def test_bad_settings(settings, error, text):
    with pytest.raises(error) as caught:
        cluster(Embedding(vectors=np.eye(6)), method=Agglomerative(**settings))
    assert str(caught.value) == text


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_two_or_three_rows(n, metric):
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(n, 3)), metric=metric)
    assert cluster(emb, method="agglomerative", random_state=0).n_clusters == 1
    told = cluster(emb, method=Agglomerative(n_clusters=2), random_state=0)
    assert told.n_clusters == 2


def test_a_row_moves_halfway_to_the_mean_of_its_neighbours():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 6)).astype(np.float32)
    near = rng.integers(50, size=(50, 4))
    moved = smoothed(points, near, metric="euclidean")
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, (points + points[near].mean(axis=1)) / 2, atol=1e-6)
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(smoothed(points, near, metric="cosine"), unit, atol=1e-6)
    assert smoothed(points, near[:, :0], metric="cosine") is points


def test_smoothing_takes_little_more_memory_than_what_it_returns():
    points, near = np.ones((40_000, 128), dtype=np.float32), np.zeros((40_000, 10), dtype=int)
    tracemalloc.start()
    smoothed(points, near, metric="cosine")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * points.nbytes


def test_clusters_of_many_rows_are_settled_on_some(monkeypatch):
    rng, seen = np.random.default_rng(0), []
    group = np.arange(2_400) % 4
    x = (6 * np.eye(5)[group] + rng.normal(size=(2_400, 5))).astype(np.float32)
    settled = Centres.settled

    def counted(self, points):
        seen.append(len(points))
        return settled(self, points)

    monkeypatch.setattr(Centres, "settled", counted)
    monkeypatch.setattr("curalab.clusters.agglomerative._TREE", 400)
    monkeypatch.setattr("curalab.clusters.agglomerative._SETTLED", 900)
    found = cluster(Embedding(vectors=x, metric="euclidean"), method=Agglomerative(n_clusters=4))
    assert seen == [400, 900]
    assert adjusted_rand_score(group, found.labels) > 0.98
    monkeypatch.setattr("curalab.clusters.agglomerative._ROWS_EACH", 500)
    cluster(Embedding(vectors=x, metric="euclidean"), method=Agglomerative(n_clusters=4))
    assert seen[2:] == [400, 2_000]


@pytest.mark.parametrize(("n", "k"), [(50, 3), (300, 40), (40, 30), (5, 4)])
def test_silhouettes_are_those_of_scikit_learn(n, k):
    rng = np.random.default_rng(n)
    x, labels = rng.normal(size=(n, 8)), 3 * np.r_[:k, rng.integers(k, size=n - k)] - 1
    for scale in (1, 0):  # and rows that are all alike
        known = silhouette_score(scale * x, labels)
        assert silhouette(pairwise_distances(scale * x), labels) == pytest.approx(known)


def test_there_is_no_silhouette_of_one_cluster_or_of_rows_alone():
    distance = pairwise_distances(np.arange(4.0)[:, None])
    assert silhouette(distance, np.zeros(4)) == silhouette(distance, np.arange(4)) == -1
