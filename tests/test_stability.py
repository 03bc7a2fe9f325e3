import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import curalab as cl
from curalab.clusters import KMeans
from curalab.clusters._stability import ClusterStability
from curalab.clusters._stability import stability as of_clusters
from curalab.maps import TSNE
from curalab.maps._stability import MapStability
from curalab.maps._stability import stability as of_maps


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(3), 30))
    x = rng.normal(size=(90, 5)) + 9 * np.eye(5)[group]
    ids = [f"i{n}" for n in range(90)]
    return cl.Embedding(vectors=x, ids=ids, metric="euclidean"), group


class Scripted:
    """A clusterer that gives one prepared labelling after another, by id."""

    def __init__(self, *labellings):
        self.left = list(labellings)

    def __call__(self, pool, *, rng):
        labels = np.array(self.left.pop(0))[pool.ids.str[1:].astype(int)]
        return labels, np.ones(len(labels))


def few(n):
    return cl.Embedding(vectors=np.eye(n), ids=[f"i{i}" for i in range(n)])


# ---- clusters ------------------------------------------------------------------------------------


def test_cluster_mates_by_hand():
    method = Scripted([0, 0, 0, 1, 1, -1], [5, 5, 2, 2, 2, -1])
    found = of_clusters(few(6), method=method, n_runs=2, random_state=0)
    # Mates: i0 has 1,2 then 1; i2 has 0,1 then 3,4; i3 has 4 then 2,4; noise is alone in both.
    assert found.agreement.tolist() == [0.5, 0.5, 0, 0.5, 0.5, 1]
    assert found.details["n_clusters"] == [2, 2]
    assert found.ids.tolist() == [f"i{i}" for i in range(6)]


def test_noise_in_one_run_only_is_disagreement():
    method = Scripted([0, 0, 0, 0], [-1, -1, -1, -1], [0, 0, 0, -1])
    found = of_clusters(few(4), method=method, n_runs=3, random_state=0)
    # Pairs: all against none, 0; all against three, 2/3 and 0; none against three, 0 and 1.
    np.testing.assert_allclose(found.agreement, [2 / 9, 2 / 9, 2 / 9, 1 / 3])
    assert found.details["n_clusters"] == [1, 0, 1]


def test_rand_indices_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = [rng.integers(4, size=50) for _ in range(3)]
    found = of_clusters(few(50), method=Scripted(*labels), n_runs=3, random_state=1)
    theirs = [adjusted_rand_score(labels[a], labels[b]) for a, b in [(0, 1), (0, 2), (1, 2)]]
    np.testing.assert_allclose(found.pairs["ari"], theirs)
    assert found.details["ari"] == {
        "min": pytest.approx(min(theirs)),
        "median": pytest.approx(np.median(theirs)),
        "max": pytest.approx(max(theirs)),
    }


def test_real_groups_are_steady_and_invented_ones_are_not(groups):
    emb, _ = groups
    right = of_clusters(emb, method=KMeans(n_clusters=3), random_state=0)
    assert right.agreement.min() == 1
    assert right.details["ari"] == {"min": 1, "median": 1, "max": 1}
    many = of_clusters(emb, method=KMeans(n_clusters=12), random_state=0)
    assert many.details["agreement"] < 0.8
    assert many.details["ari"]["min"] < many.details["ari"]["max"] < 1
    ari = many.details["ari"]
    assert many.summary == (
        f"two of 5 clusterings agree on {many.agreement.mean():.0%} of a row's cluster mates (ARI "
        f"{ari['min']:.2f} to {ari['max']:.2f}, median {ari['median']:.2f}); each has 12 clusters"
    )


def test_a_method_that_only_looks_at_the_order_is_seen_through():
    def by_place(pool, *, rng):
        return (np.arange(len(pool)) * 4) // len(pool), np.ones(len(pool))

    found = of_clusters(np.random.default_rng(0).normal(size=(200, 3)), method=by_place)
    assert found.details["agreement"] < 0.25
    assert abs(found.details["ari"]["median"]) < 0.1


def test_pool_parts_follow_their_rows(groups):
    emb, group = groups

    def by_label(pool, *, rng):
        assert pool.data.tolist() == pool.ids.tolist()
        assert np.array_equal(pool.groups, pool.labels)
        assert np.array_equal(pool.proba.argmax(axis=1), pool.codes)
        return pool.codes, np.ones(len(pool))

    labels = np.array(["a", "b", "c"])[group]
    pool = cl.Pool(
        embedding=emb,
        data=pd.Series(emb.ids),
        labels=labels,
        groups=labels,
        proba=np.eye(3)[group],
        classes=["a", "b", "c"],
    )
    assert of_clusters(pool, method=by_label, n_runs=2).agreement.min() == 1


# ---- maps ----------------------------------------------------------------------------------------


def test_a_map_without_chance_is_steady(groups):
    found = of_maps(groups[0], method="pca", n_runs=3, random_state=0)
    assert found.agreement.min() > 0.99  # the order of sums moves the last digits
    assert found.params["k"] == 9
    assert found.details["chance"] == pytest.approx(9 / 89)


def test_a_map_of_noise_is_as_steady_as_chance(groups):
    def noise(pool, n_components, *, rng):
        return rng.normal(size=(len(pool), n_components))

    found = of_maps(groups[0], method=noise, k=20, n_runs=6, random_state=0)
    assert found.details["agreement"] == pytest.approx(found.details["chance"], abs=0.02)
    assert found.summary == (
        f"two of 6 maps share {found.agreement.mean():.0%} of a row's 20 neighbours "
        f"({found.pairs['agreement'].min():.0%} to {found.pairs['agreement'].max():.0%}; "
        "chance gives 22%)"
    )


def test_rows_that_a_map_puts_anywhere_stand_out(groups):
    def half_noise(pool, n_components, *, rng):
        view = np.array(pool.embedding.vectors[:, :2])
        lost = pool.ids.str[1:].astype(int).to_numpy() < 20
        view[lost] += rng.normal(size=(20, 2)) * 30
        return view

    agreement = of_maps(groups[0], method=half_noise, n_runs=4, random_state=0).agreement
    assert agreement[:20].max() < agreement[20:].min()


def test_tsne_lies_between(groups):
    found = of_maps(groups[0], method=TSNE(perplexity=10), n_runs=2, random_state=0)
    assert found.details["chance"] < found.details["agreement"] < 1


# ---- both ----------------------------------------------------------------------------------------


def test_shows_keeps_and_repeats(groups, tmp_path):
    emb, _ = groups
    for measure, method, made, column in (
        (of_maps, "pca", MapStability, "map_agreement"),
        (of_clusters, "kmeans", ClusterStability, "cluster_agreement"),
    ):
        found = measure(emb, method=method, n_runs=2, random_state=3)
        assert found.to_frame().columns.tolist() == [column]
        assert found.params["method"] == method
        assert found.params["random_state"] == 3
        assert found.params["embedding"] == emb.fingerprint
        found.save(tmp_path / method)
        again = made.open(tmp_path / method)
        assert again.summary == found.summary
        pd.testing.assert_frame_equal(again.pairs, found.pairs)
        twice = measure(emb, method=method, n_runs=2, random_state=3)
        assert np.array_equal(twice.agreement, found.agreement)


def test_bad_input(groups):
    emb, _ = groups
    for measure in (of_maps, of_clusters):
        with pytest.raises(ValueError) as caught:
            measure(emb, n_runs=1)
        assert str(caught.value) == (
            "The 'n_runs' parameter must be an integer of 2 or more. Got 1 instead."
        )
    with pytest.raises(ValueError) as caught:
        of_maps(emb, method="pca", k=90)
    assert str(caught.value) == (
        "The 'k' parameter must be an integer from 1 to 89. Got 90 instead."
    )
    with pytest.raises(ValueError) as caught:
        of_maps(np.eye(2))
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 3 rows. Got 2 rows instead."
    )
    with pytest.raises(ValueError) as caught:
        of_clusters(np.eye(1))
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 2 rows. Got 1 row instead."
    )
