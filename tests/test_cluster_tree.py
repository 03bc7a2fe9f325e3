"""Clusters at several resolutions."""

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import ClusterTree, KMeans, cluster, cluster_tree


@pytest.fixture(scope="module")
def nested():
    """Three far groups of four near ones of 20 rows each."""
    rng = np.random.default_rng(0)
    far = 60 * np.array([[0, 0], [1, 0], [0.4, 1]])
    near = np.concatenate([centre + 6 * rng.normal(size=(4, 2)) for centre in far])
    fine = np.repeat(np.arange(12), 20)
    x = near[fine] + 0.3 * rng.normal(size=(240, 2))
    return Embedding(vectors=x, ids=[f"i{n}" for n in range(240)], metric="euclidean"), fine


def test_planted_levels_are_found(nested):
    emb, fine = nested
    tree = cluster_tree(emb, cluster(emb, method=KMeans(n_clusters=12), random_state=0))
    assert adjusted_rand_score(fine // 4, tree.at(3)) == 1
    assert adjusted_rand_score(fine, tree.at(12)) > 0.95
    levels = tree.levels([2, 3, 12])
    assert levels.columns.tolist() == ["cluster_of_2", "cluster_of_3", "cluster_of_12"]
    assert levels.index.equals(emb.ids)
    assert (levels.groupby("cluster_of_12")["cluster_of_3"].nunique() == 1).all()
    assert tree.at(1).unique().tolist() == [0]


def test_costs_are_those_of_ward(nested):
    """A cluster a row: scipy's Ward measures the square root of twice the cost."""
    emb, _ = nested
    some = emb.take(emb.ids[::8])
    merges = cluster_tree(some, np.arange(30)).merges
    theirs = linkage(some.vectors.astype(float), "ward")
    np.testing.assert_allclose(np.sqrt(2 * merges["cost"]), theirs[:, 2], rtol=1e-4)
    assert merges["size"].tolist() == theirs[:, 3].tolist()


def test_the_largest_is_first_and_noise_stays_noise(nested):
    emb, fine = nested
    labels = np.where(fine == 0, -1, 10 * fine)  # numbers with gaps
    tree = cluster_tree(emb, pd.Series(labels, index=emb.ids))
    assert repr(tree) == "ClusterTree(240 items, 11 clusters, 10 merges)"
    at = tree.at(3)
    assert (at[labels < 0] == -1).all()
    assert at.value_counts()[[0, 1, 2]].is_monotonic_decreasing


def test_on_disk(nested, tmp_path):
    emb, fine = nested
    tree = cluster_tree(emb, fine)
    tree.save(tmp_path / "tree")
    assert ClusterTree.open(tmp_path / "tree").at(3).equals(tree.at(3))


def test_one_cluster_and_errors(nested):
    emb, _ = nested
    alone = cluster_tree(emb, np.zeros(240, dtype=int))
    assert len(alone.merges) == 0
    assert (alone.at(1) == 0).all()
    with pytest.raises(ValueError) as raised:
        alone.at(2)
    assert str(raised.value) == (
        "The 'n_clusters' parameter must be an integer from 1 to 1. Got 2 instead."
    )
    with pytest.raises(ValueError) as raised:
        cluster_tree(emb, np.full(240, -1))
    assert str(raised.value) == (
        "The 'clustering' parameter must be of at least one cluster. Got noise alone instead."
    )
    with pytest.raises(TypeError, match="must be a Clustering, or whole numbers from -1"):
        cluster_tree(emb, np.full(240, 0.5))
