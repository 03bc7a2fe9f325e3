import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import (
    HDBSCAN,
    Agglomerative,
    Clustering,
    KMeans,
    Spectral,
    cluster,
    estimate_n_clusters,
)


@pytest.fixture(scope="module")
def five():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 4)) * 12
    truth = np.repeat(np.arange(5), 40)
    return Embedding(vectors=rng.normal(size=(200, 4)) + centres[truth], metric="euclidean"), truth


@pytest.mark.parametrize(
    "method",
    [
        HDBSCAN(),
        KMeans(),
        KMeans(n_clusters=5),
        Agglomerative(),
        Agglomerative(n_clusters=5, linkage="average"),
        Spectral(),
        Spectral(n_clusters=5),
    ],
    ids=repr,
)
def test_planted_clusters_are_found(five, method):
    emb, truth = five
    found = cluster(emb, method=method, random_state=0)
    assert found.n_clusters == 5
    assert adjusted_rand_score(truth, found.labels) > 0.95
    assert ((found.strength >= 0) & (found.strength <= 1)).all()
    if not isinstance(method, Spectral):
        predicted = found.predict(emb)
        assert (predicted.to_numpy() == found.labels).mean() > 0.95


def test_each_metric_has_its_default_and_a_mapping_may_name_others(five):
    emb, _ = five
    assert cluster(emb, random_state=0).params["method"] == "spectral"
    angles = Embedding(vectors=emb.vectors)
    assert cluster(angles, random_state=0).params["method"] == "agglomerative"
    own = {"euclidean": KMeans(n_clusters=2)}
    assert cluster(emb, method=own, random_state=0).n_clusters == 2
    with pytest.raises(ValueError) as caught:
        cluster(angles, method=own)
    assert str(caught.value) == (
        "The 'metric' parameter must be one of 'euclidean'. Got 'cosine' instead."
    )


def test_rows_that_fill_many_dimensions_have_their_own_default():
    """Digits as 64 numbers: the graph has no gaps, and its cut alone finds two clusters."""
    digits = load_digits()
    emb = Embedding(vectors=digits.data, metric="euclidean")
    found = cluster(emb, random_state=0)
    assert found.params["method"] == "agglomerative"
    assert 8 <= found.n_clusters <= 12
    assert adjusted_rand_score(digits.target, found.labels) > 0.6
    flat = Embedding(vectors=np.pad(digits.data[:, 20:22], ((0, 0), (0, 9))), metric="euclidean")
    assert cluster(flat, random_state=0).params["method"] == "spectral"
    two = {"cosine": "kmeans", "euclidean": "kmeans"}
    assert cluster(emb, method=two, random_state=0).params["method"] == "kmeans"


def test_noise_is_minus_one():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 30])
    x = np.concatenate([x, [[15.0, -40.0]]])
    found = cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan")
    assert found.labels[-1] == -1
    assert found.strength[-1] == 0
    assert found.sizes().sum() == 121
    assert len(found.details["tree"]) > 121


def test_frames_and_files(five, tmp_path):
    found = cluster(five[0], method="hdbscan", random_state=0)
    assert found.to_frame().columns.tolist() == ["cluster", "cluster_strength"]
    found.save(tmp_path / "clusters")
    opened = Clustering.open(tmp_path / "clusters")
    assert opened.n_clusters == 5
    assert np.array_equal(opened.labels, found.labels)
    assert opened.details["tree"].equals(found.details["tree"])
    with pytest.raises(
        TypeError, match=r"cannot predict new rows; open\(\) does not bring it back"
    ):
        opened.predict(five[0])


def test_kmeans_strength_by_hand():
    x = Embedding(vectors=np.array([[0.0], [1.0], [10.0], [11.0]]), metric="euclidean")
    found = cluster(x, method=KMeans(n_clusters=2), random_state=0)
    np.testing.assert_allclose(found.strength[0], 1 - 0.5 / 10.5, atol=1e-6)


def test_copies_and_few_rows():
    same = Embedding(vectors=np.ones((40, 3)))
    assert cluster(same, method="kmeans", random_state=0).n_clusters >= 1
    vectors = np.random.default_rng(0).normal(size=(5, 2))
    few = cluster(Embedding(vectors=vectors), method="hdbscan")
    assert (few.labels == -1).all()
    assert repr(few) == "Clustering(5 items, 0 clusters, 5 noise, method=hdbscan)"


def test_bad_input(five):
    with pytest.raises(ValueError) as caught:
        cluster(five[0], method=KMeans(n_clusters=500))
    assert str(caught.value) == (
        "The 'n_clusters' parameter must be an integer from 1 to 200, the number of rows. "
        "Got 500 instead."
    )
    with pytest.raises(ValueError, match="of at least 2 rows. Got 1 row instead"):
        cluster(np.ones((1, 3)))


def test_the_number_is_estimated_by_the_default_of_the_metric(five):
    emb, _ = five
    assert estimate_n_clusters(emb, random_state=0) == 5
    x = np.repeat(np.eye(4), 30, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(120, 4))
    assert estimate_n_clusters(Embedding(vectors=x), random_state=0) == 4
