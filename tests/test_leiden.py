"""Communities of the neighbour graph."""

import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding, MissingExtraError
from curalab.clusters import cluster
from curalab.clusters.leiden import Leiden, _shared, _strength
from curalab.neighbors import Neighbors


@pytest.fixture
def packages():
    pytest.importorskip("leidenalg")


def blobs(n_clusters, size, d, spread, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), size)
    centres = rng.normal(size=(n_clusters, d))
    return centres[truth] + spread * rng.normal(size=(len(truth), d)), truth


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(("n_clusters", "size"), [(3, 100), (12, 50), (30, 40)])
def test_planted_blobs_and_their_number(n_clusters, size):
    x, truth = blobs(n_clusters, size, 20, 0.4)
    found = cluster(Embedding(vectors=x), method=Leiden(), random_state=0)
    assert found.n_clusters == n_clusters
    assert adjusted_rand_score(truth, found.labels) > 0.98
    assert (found.labels >= 0).all()
    assert ((found.strength >= 0) & (found.strength <= 1)).all()


@pytest.mark.usefixtures("packages")
def test_rows_between_clusters_are_weaker():
    x, truth = blobs(2, 100, 10, 0.3)
    middle = np.linspace(x[truth == 0].mean(axis=0), x[truth == 1].mean(axis=0), 9)[3:6]
    emb = Embedding(vectors=np.r_[x, middle], metric="euclidean")
    found = cluster(emb, method=Leiden(resolution=0.3), random_state=0)
    assert found.n_clusters == 2
    assert found.strength[200:].max() < np.median(found.strength[:200])


@pytest.mark.usefixtures("packages")
def test_the_same_seed_gives_the_same_clusters_and_resolution_more():
    x = np.random.default_rng(0).normal(size=(200, 5))
    first, second = (cluster(x, method=Leiden(), random_state=4) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.strength, second.strength)
    seeds = [cluster(x, method=Leiden(), random_state=seed).labels for seed in range(4)]
    assert any(adjusted_rand_score(seeds[0], labels) < 1 for labels in seeds[1:])
    numbers = [
        cluster(x, method=Leiden(resolution=r), random_state=0).n_clusters for r in (0.0, 1.0, 4.0)
    ]
    assert numbers[0] < numbers[1] < numbers[2]


def test_edges_weigh_the_share_of_common_neighbours():
    near = Neighbors(
        indices=np.array([[1], [0], [1]]), distance=np.ones((3, 1), np.float32), metric="euclidean"
    )
    third = 1 / 3
    assert _shared(near).toarray() == pytest.approx(
        np.array([[0, 1, 0], [1, 0, third], [0, third, 0]])
    )


def test_neighbours_that_all_rows_have_make_no_graph_of_all_pairs():
    n, k = 4_000, 10
    indices = np.tile(np.arange(k), (n, 1))
    indices[:k] = (np.arange(k)[:, None] + np.arange(1, k + 1)) % (k + 1)
    near = Neighbors(indices=indices, distance=np.zeros((n, k)), metric="cosine")
    tracemalloc.start()
    graph = _shared(near)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n**2 * 8 / 4
    assert graph.has_canonical_format
    own = np.zeros((n, n), dtype=bool)
    own[np.arange(n)[:, None], indices] = own[np.arange(n), np.arange(n)] = True
    rows, others = graph.nonzero()
    some = np.random.default_rng(0).choice(len(rows), 500)
    a, b = own[rows[some]], own[others[some]]
    wanted = (a & b).sum(axis=1) / (a | b).sum(axis=1)
    np.testing.assert_allclose(graph.tocoo().data[some], wanted)


def test_strength_by_hand():
    from scipy.sparse import csr_matrix

    graph = csr_matrix(np.array([[0, 3.0, 1], [3, 0, 0], [1, 0, 0]]))
    assert _strength(graph, np.array([0, 0, 1])).tolist() == [0.75, 1, 0]


@pytest.mark.usefixtures("packages")
def test_modularity_of_two_equal_parts_is_a_half():
    x = np.r_[np.zeros((1, 2)), 0.1 * np.eye(2)]
    x = np.r_[x, x + 9]
    found = cluster(
        Embedding(vectors=x, metric="euclidean"), method=Leiden(n_neighbors=2), random_state=0
    )
    assert found.n_clusters == 2
    assert found.details["modularity"] == pytest.approx(0.5)
    assert (found.strength == 1).all()


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("n", [2, 3, 9])
def test_few_rows_and_copies(n):
    x = np.random.default_rng(0).normal(size=(n, 3))
    for vectors in (x, np.ones((n * 10, 4))):
        found = cluster(Embedding(vectors=vectors), method=Leiden(), random_state=0)
        assert 1 <= found.n_clusters <= len(vectors)
        assert np.isfinite(found.strength).all()


@pytest.mark.parametrize("package", ["igraph", "leidenalg"])
def test_a_missing_package_is_named(monkeypatch, package):
    if package == "leidenalg":
        pytest.importorskip("igraph")
    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr(
        sys, "meta_path", [_Absent(package), *sys.meta_path]
    )  # as if it were not installed
    with pytest.raises(MissingExtraError) as caught:
        cluster(np.eye(4), method=Leiden())
    assert str(caught.value) == (
        f"Leiden clustering needs the package {package!r}, which is not installed. "
        "Install it with: pip install 'curalab[graph]'"
    )


class _Absent:
    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"resolution": -1},
            ValueError,
            "The 'resolution' parameter must be a number from 0 to 1000. Got -1 instead.",
        ),
        (
            {"n_neighbors": 0},
            ValueError,
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"n_neighbors": 2.5},
            TypeError,
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 2.5 instead.",
        ),
    ],
)
def test_bad_settings(settings, error, text):
    with pytest.raises(error) as caught:
        cluster(np.eye(6), method=Leiden(**settings))
    assert str(caught.value) == text
