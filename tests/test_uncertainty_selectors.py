"""Selectors that ask a model: hand-computed picks, and where doubt and cover pay."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.selectors import Badge, CoveragePlusUncertainty, Entropy
from curalab.selectors.badge import _spread


def groups(sizes, seed=0, gap=12.0):
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(of), 4)) + gap * rng.normal(size=(len(sizes), 4))[of]
    return cl.Embedding(vectors=x, metric="euclidean"), of


# ---- entropy -------------------------------------------------------------------------------------


def test_entropy_by_hand():
    proba = [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0.8, 0.1, 0.1]]
    pool = cl.Pool(embedding=np.eye(4), proba=proba, classes=["x", "y", "z"])
    pick = cl.select(pool, 4, method=Entropy(), random_state=0)
    assert pick.ids.tolist() == [1, 0, 3, 2]
    assert pick.gain == pytest.approx([np.log(3), np.log(2), 0.639, 0], abs=1e-3)


def test_entropy_and_margin_differ_in_what_they_ask():
    # Of two that are as likely the margin asks; of a first and many behind it, entropy.
    proba = np.array([[0.5, 0.5, 0, 0, 0, 0], [0.4, 0.15, 0.12, 0.11, 0.11, 0.11]])
    pool = cl.Pool(embedding=np.eye(6)[:2], proba=proba, classes=list("abcdef"))
    assert cl.select(pool, 1, method="margin", random_state=0).ids.tolist() == [0]
    assert cl.select(pool, 1, method="entropy", random_state=0).ids.tolist() == [1]


def test_entropy_of_one_class_is_nothing():
    pick = cl.select(np.eye(4), 2, labels=["a"] * 4, method="entropy", random_state=0)
    assert pick.gain.tolist() == [0, 0]


# ---- badge ---------------------------------------------------------------------------------------


def test_badge_draws_as_k_means_plus_plus_on_the_outer_products():
    rng = np.random.default_rng(0)
    left, points = rng.normal(size=(30, 3)), rng.normal(size=(30, 5))
    outer = np.einsum("ia,ib->iab", left, points).reshape(30, -1)
    free = np.arange(30) != 7
    rows, details = _spread(points, left, free, 12, np.random.default_rng(1))
    assert 7 not in rows
    again = np.random.default_rng(1)
    for i in range(12):  # the origin counts as picked
        picked = np.concatenate([np.zeros((1, 15)), outer[rows[:i]]])
        to_picks = np.square(outer[:, None] - picked).sum(axis=2).min(axis=1) * free
        assert details["gain"][i] == pytest.approx(to_picks[rows[i]], rel=1e-5)
        total = np.cumsum(to_picks)
        assert rows[i] == np.searchsorted(total, again.random() * total[-1], side="right")


def test_badge_centres_the_vectors_without_a_copy_in_double_precision():
    x = np.random.default_rng(0).normal(size=(20_000, 128)).astype(np.float32)
    pool = cl.Pool(
        embedding=cl.Embedding(vectors=x, metric="euclidean"),
        proba=np.full((20_000, 2), 0.5),
        classes=["a", "b"],
    )
    tracemalloc.start()
    Badge()(pool, 2, rng=np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * x.nbytes


def test_badge_spreads_its_doubts():
    """Of many equally doubtful rows in one place and few in another, both places are asked."""
    rng = np.random.default_rng(0)
    x = rng.normal(scale=0.05, size=(203, 2)) + np.repeat([[3.0, 0], [0, 3]], [200, 3], axis=0)
    pool = cl.Pool(
        embedding=cl.Embedding(vectors=x, metric="euclidean"),
        proba=np.full((203, 2), 0.5),
        classes=["a", "b"],
    )

    def both(method):
        picks = [cl.select(pool, 4, method=method, random_state=s).rows for s in range(20)]
        return np.mean([(rows >= 200).any() for rows in picks])

    assert both("badge") == 1
    assert both("margin") < 0.3


def test_badge_with_nothing_in_doubt():
    proba = np.eye(2)[[0, 1, 0, 1, 0]]
    pool = cl.Pool(embedding=np.eye(5), proba=proba, classes=["a", "b"], chosen=[1])
    pick = cl.select(pool, 4, method=Badge(), random_state=0)
    assert sorted(pick.ids) == [0, 2, 3, 4]
    assert pick.gain.tolist() == [0, 0, 0, 0]


# ---- coverage_plus_uncertainty -------------------------------------------------------------------


def test_without_labels_it_is_facility_location():
    emb, of = groups([60, 40, 20, 10])
    pick = cl.select(emb, 20, random_state=0)
    plain = cl.select(emb, 20, method="facility_location", random_state=0)
    assert pick.ids.tolist() == plain.ids.tolist()
    assert np.array_equal(pick.gain, plain.gain)
    assert sorted(of[pick.rows[:4]]) == [0, 1, 2, 3]


def test_gain_counts_rows_by_their_doubt():
    x = np.random.default_rng(0).normal(size=(40, 3))
    proba = np.random.default_rng(1).dirichlet([1, 1], size=40)
    pool = cl.Pool(embedding=cl.Embedding(vectors=x), proba=proba, classes=["a", "b"], chosen=[3])
    pick = cl.select(pool, 8, random_state=0)
    doubt = 1 - np.abs(proba[:, 0] - proba[:, 1])
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = np.maximum(unit @ unit.T, 0)
    best = similarity[3]
    for row, gain in zip(pick.rows, pick.gain, strict=True):
        gains = np.maximum(similarity - best, 0) @ doubt / doubt.sum()
        gains[3] = -1
        assert gain == pytest.approx(gains[row], abs=1e-5)
        assert gains[row] == pytest.approx(gains.max(), abs=1e-5)
        best = np.maximum(best, similarity[row])


def test_groups_with_a_chosen_row_wait():
    emb, of = groups([60, 40, 20, 10])
    chosen = [int(np.flatnonzero(of == g)[0]) for g in (0, 2)]
    assert of[cl.select(emb, 2, chosen=chosen, random_state=0).rows].tolist() == [1, 3]


def test_with_labels_picks_go_where_doubt_is():
    """Two far groups are told apart; a third place holds two classes that meet."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    x[:100] += [0, 30]
    x[100:200] += [30, 0]
    truth = np.repeat(["a", "b", "c"], 100).astype(object)
    truth[200:] = np.where(x[200:, 0] > 0, "c", "d")
    emb = cl.Embedding(vectors=x, metric="euclidean")
    labels = np.full(300, None, dtype=object)
    known = np.r_[0:5, 100:105, 200:215]
    labels[known] = truth[known]
    pool = cl.Pool(embedding=emb, labels=labels, chosen=known)

    def share(method):
        picks = [cl.select(pool, 10, method=method, random_state=s).rows for s in range(10)]
        return np.mean([(rows >= 200).mean() for rows in picks])

    assert share(CoveragePlusUncertainty()) > share(CoveragePlusUncertainty(doubt=0)) + 0.15


def test_probabilities_of_the_pool_are_used_where_given():
    emb, of = groups([50, 50])
    sure = np.where(of[:, None] == 0, [0.99, 0.01], [0.5, 0.5])
    pool = cl.Pool(embedding=emb, proba=sure, classes=["a", "b"])
    assert (of[cl.select(pool, 5, random_state=0).rows] == 1).sum() >= 4


def test_labels_of_one_class_cast_no_doubt():
    emb, of = groups([60, 30])
    labels = np.full(90, None, dtype=object)
    labels[:3] = "a"
    pool = cl.Pool(embedding=emb, labels=labels, chosen=[0, 1, 2])
    assert sorted(set(of[cl.select(pool, 4, random_state=0).rows])) == [0, 1]


@pytest.mark.parametrize("method", ["coverage_plus_uncertainty", "badge", "entropy"])
@pytest.mark.parametrize("k", [1, 7])
def test_identical_and_few_rows(method, k):
    x = np.ones((9, 3))
    labels = ["a", "b"] + [None] * 7
    pick = cl.select(x, k, labels=labels, chosen=[0, 1], method=method, random_state=0)
    assert len(set(pick.rows)) == k
    assert not set(pick.rows) & {0, 1}


@pytest.mark.parametrize(
    "method", [CoveragePlusUncertainty(), CoveragePlusUncertainty(doubt=0), Badge(), Entropy()]
)
def test_promises_are_kept(method):
    report = cl.testing.check_method("selectors", method)
    assert report["kept"].dropna().all(), report


def test_doubt_has_bounds():
    with pytest.raises(ValueError) as error:
        CoveragePlusUncertainty(doubt=-1)
    assert (
        str(error.value) == "The 'doubt' parameter must be a number from 0 to 10. Got -1 instead."
    )


def test_the_default_beats_chance_with_few_labels():
    """Ten groups of unequal size: an even start and doubt later beat random picks clearly."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(10, 8))
    share = 1 / np.arange(1, 11)
    of = rng.choice(10, size=900, p=share / share.sum())
    x = 2.2 * centre[of] + rng.normal(size=(900, 8))
    pool, test = (
        cl.Pool(
            embedding=cl.Embedding(vectors=x[part], metric="euclidean"),
            labels=pd.Series(of[part]).astype(str).to_numpy(),
        )
        for part in (slice(0, 600), slice(600, 900))
    )
    board = cl.bench(
        "selectors", ["coverage_plus_uncertainty", "random"],
        pool=pool, test=test, budgets=[10, 20, 50], random_state=0,
    )  # fmt: skip
    assert board.ids[0] == "coverage_plus_uncertainty"
    assert board.over_random_low[0] > 0.02
