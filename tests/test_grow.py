"""Clusters grown from seeds: shapes that the nearest rows do not follow, and labels that lie."""

import numpy as np
import pytest

from curalab import Embedding, Pool
from curalab.clusters._grow import _Flow, _weighted, grow


def rings(n, seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 3 * n)
    truth = np.repeat(np.arange(3), n)
    radius = 1 + 2 * truth + 0.1 * rng.normal(size=3 * n)
    return np.c_[radius * np.cos(angle), radius * np.sin(angle)], truth


def blobs(n_clusters, size, d, spread, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), size)
    centres = rng.normal(size=(n_clusters, d))
    return centres[truth] + spread * rng.normal(size=(len(truth), d)), truth


def euclidean(x, **parts):
    return Embedding(vectors=x, metric="euclidean", **parts)


def f1(found, is_wanted):
    return 2 * is_wanted[found].sum() / (len(found) + is_wanted.sum())


def nearest_rows(x, seeds, size):
    gap = np.linalg.norm(x[:, None] - x[seeds], axis=2).min(axis=1)
    return np.argsort(gap, kind="stable")[:size]


@pytest.mark.parametrize("seeds", [[7], [450], [890], [301, 350, 500]])
def test_follows_a_ring_where_the_nearest_rows_cross_to_the_next(seeds):
    x, truth = rings(300)
    grown = grow(euclidean(x), seeds)
    wanted = truth == truth[seeds[0]]
    assert f1(grown.ids, wanted) > 0.97
    if seeds != [7]:  # the innermost ring is as good as a disc
        assert f1(nearest_rows(x, seeds, len(grown)), wanted) < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_finds_one_blob_among_many_that_touch(seed):
    x, truth = blobs(20, 80, 16, 0.7, seed)
    row = 80 * (seed + 4)
    grown = grow(euclidean(x), [row, row + 1, row + 2])
    assert f1(grown.ids, truth == truth[row]) > 0.9
    assert grown.details["n_touched"] <= len(x)


def test_wrong_labels_help_more_than_they_harm():
    with_labels, without, alone = [], [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, truth = blobs(4, 200, 6, 0.9)
        given = np.where(rng.random(800) < 0.2, (truth + rng.integers(1, 4, 800)) % 4, truth)
        wanted, emb = truth == truth[rng.integers(800)], euclidean(x)
        seeds = rng.choice(np.flatnonzero(wanted), 3, replace=False)
        with_labels.append(f1(grow(emb, seeds, labels=given).ids, wanted))
        without.append(f1(grow(emb, seeds).ids, wanted))
        alone.append(f1(np.flatnonzero(given == truth[seeds[0]]), wanted))
    assert np.mean(with_labels) > np.mean(alone) + 0.05
    assert np.mean(with_labels) > np.mean(without) + 0.05


def test_weights_by_label_by_hand():
    from scipy.sparse import csr_matrix

    graph = csr_matrix(np.ones((4, 4)) - np.eye(4))
    codes = np.array([0, 0, 1, -1])
    weighted = _weighted(graph, codes, np.array([], dtype=int)).toarray()
    assert weighted.tolist() == [[0, 1, 0.05, 1], [1, 0, 0.05, 1], [0.05, 0.05, 0, 1], [1, 1, 1, 0]]
    assert graph.max() == graph.data.min() == 1  # the input is left as it is
    of_seed = _weighted(graph, codes, np.array([2])).toarray()
    assert of_seed.tolist() == graph.toarray().tolist()


def test_flow_on_a_path_by_hand():
    """0 - 1 - 2 - 3 with volumes 1, 2, 2, 1; mass 4 at 0 fills 0, 1 and half of 2.

    3 flow from 0 to 1 and 1 on to 2, so the potentials are 4, 1 and 0.
    """
    from scipy.sparse import csr_matrix

    path = csr_matrix(np.diag([1.0, 1, 1], 1) + np.diag([1.0, 1, 1], -1))
    flow = _Flow(path, np.array([0]))
    flow.held[0] = 4
    flow.settle()
    np.testing.assert_allclose(flow.potential, [4, 1, 0, 0], atol=0.05)
    np.testing.assert_allclose(flow.held, [1, 2, 1, 0], atol=0.03)
    cut = flow.cut(flow.potential > 0)
    assert cut.rows.tolist() == [0, 1]
    np.testing.assert_allclose(cut.conductance, [1, 1 / 3])


def test_result_is_best_first_and_has_the_ids():
    x, _ = rings(60)
    ids = [f"i{n}" for n in range(180)]
    grown = grow(euclidean(x, ids=ids), ["i70", "i100"], random_state=3)
    assert set(grown.ids[:2]) == {"i70", "i100"}
    assert grown.is_seed.tolist() == [True] * 2 + [False] * (len(grown) - 2)
    assert (grown.strength[:2] == 1).all()
    assert (np.diff(grown.strength) <= 0).all()
    assert grown.strength.min() >= 0
    frame = grown.to_frame()
    assert frame.columns.tolist() == ["grown_strength", "is_seed"]
    assert grown.params["random_state"] == 3
    assert repr(grown) == f"Grown({len(grown)} items, from 2 seeds)"
    again = grow(Pool(embedding=euclidean(x, ids=ids)), grown.to_frame().index[:2])
    assert again.ids.equals(grown.ids)


def test_permuted_rows_grow_the_same_cluster():
    x, _ = rings(80)
    order = np.random.default_rng(1).permutation(len(x))
    plain = grow(euclidean(x, ids=np.arange(len(x))), [100])
    moved = grow(euclidean(x[order], ids=order), [100])
    assert set(plain.ids) == set(moved.ids)


def test_labels_go_by_id_and_a_pool_brings_its_own():
    import pandas as pd

    x, truth = blobs(3, 60, 4, 0.8)
    ids = pd.Index([f"i{n}" for n in range(180)])
    labels = pd.Series(truth, index=ids)
    emb = euclidean(x, ids=ids)
    own = grow(Pool(embedding=emb, labels=labels), ["i3"])
    assert own.ids.equals(grow(emb, ["i3"], labels=labels.sample(frac=1, random_state=0)).ids)
    assert own.params["labels"]
    unlabelled = grow(emb, ["i3"], labels=pd.Series([None] * 180, index=ids))
    assert unlabelled.ids.equals(grow(emb, ["i3"]).ids)


@pytest.mark.parametrize("n", [2, 3, 6, 20])
def test_few_rows_and_copies(n):
    x = np.random.default_rng(0).normal(size=(n, 3))
    for vectors in (x, np.ones((n, 3))):
        for seeds in ([0], list(range(n))):
            grown = grow(Embedding(vectors=vectors), seeds)
            assert set(seeds) <= set(grown.ids)
            assert np.isfinite(grown.strength).all()


def test_seeds_in_two_places():
    x, truth = rings(300)
    grown = grow(euclidean(x), [5, 890])
    assert f1(grown.ids, truth != 1) > 0.97


def test_bad_input():
    emb = euclidean(np.eye(5))
    for seeds, error, text in [
        ("a", TypeError, "Got 'a' instead. Put a single one into a list."),
        (3, TypeError, "Got 3 instead. Put a single one into a list."),
    ]:
        with pytest.raises(error) as caught:
            grow(emb, seeds)
        assert str(caught.value) == f"The 'seeds' parameter must be a list of ids. {text}"
    with pytest.raises(ValueError) as caught:
        grow(emb, [])
    assert str(caught.value) == "The 'seeds' parameter must be at least one id. Got none instead."
    with pytest.raises(KeyError) as caught:
        grow(emb, [1, 9])
    assert caught.value.args[0] == (
        "The 'seeds' parameter must be ids of the items. Got unknown ids 9 instead."
    )
    with pytest.raises(ValueError) as caught:
        grow(np.ones((1, 2)), [0])
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 2 rows. Got 1 row instead."
    )
    with pytest.raises(ValueError) as caught:
        grow(np.array([[1.0, np.nan], [1, 2]]), [0])
    assert str(caught.value) == (
        "The 'embedding' parameter must be finite. Got 1 of 2 rows NaN or infinite (ids 0) instead."
    )
