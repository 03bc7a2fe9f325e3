"""Selection towards a target: hand-computed picks, planted domains, and what is refused."""

import warnings

import numpy as np
import pytest

import curalab as cl
from curalab.selectors._losses import Words
from curalab.selectors.importance_resampling import ImportanceResampling
from curalab.selectors.learned_filter import LearnedFilter
from curalab.selectors.loss_reduction import LossReduction
from curalab.selectors.nearest_to_target import NearestToTarget
from curalab.selectors.seed_retrieval import SeedRetrieval

METHODS = [
    NearestToTarget(),
    ImportanceResampling(),
    SeedRetrieval(),
    SeedRetrieval(n_clusters=4),
    LearnedFilter(),
    LossReduction(),
]
EACH = pytest.mark.parametrize("method", METHODS, ids=lambda m: repr(m).partition("(")[0])

BANK = ["my card is lost", "block my card", "is my account open", "a card for my account"]
TRIP = ["a train to Rome", "the rain in Rome", "is the train late", "a hotel near the train"]


def line(*values, **parts):
    return cl.Embedding(vectors=np.array(values, dtype=float)[:, None], metric="euclidean", **parts)


def groups(n=400, seed=0):
    """Four groups of rows in eight dimensions, and 30 more rows of the first two as the target."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(4, size=n)
    centers = 3 * np.eye(8)[:4]
    target = rng.normal(size=(30, 8)) + centers[np.arange(30) % 2]
    own = cl.Embedding(vectors=rng.normal(size=(n, 8)) + centers[kind], metric="euclidean")
    return own, cl.Embedding(vectors=target, metric="euclidean"), kind


def precision(pool, target, truth, method, k=100):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return truth[cl.select(pool, k, target=target, method=method, random_state=0).rows].mean()


# ---- what holds for all --------------------------------------------------------------------------


@EACH
def test_it_keeps_the_promises_of_a_selector(method):
    cl.testing.check_method("selectors", method)


@EACH
def test_a_target_is_needed(method):
    with pytest.raises(ValueError) as error:
        cl.select(np.eye(3), 1, method=method)
    told = str(error.value).split("' needs ")[1]  # after the method's name
    assert told == (
        "'target', and the pool has none. Pass target=… to select, or choose another method."
    )


@EACH
def test_a_target_of_no_rows_is_refused(method):
    with pytest.raises(ValueError) as error:
        cl.select(np.eye(3), 1, target=np.zeros((0, 3)), method=method)
    assert str(error.value) == (
        "The 'target' parameter must be at least one row and one column. Got shape (0, 3) instead."
    )


@EACH
def test_a_target_of_another_space_is_refused(method):
    with pytest.raises(ValueError) as error:
        cl.select(np.eye(3), 1, target=np.ones((2, 4)), method=method)
    assert str(error.value) == (
        "The 'target' parameter must be of 3 dimensions, as the embedding is. Got 4 instead."
    )
    with pytest.raises(ValueError) as error:
        cl.select(np.eye(3), 1, target=line(1, 2), method=method)
    assert str(error.value) == (
        "The 'target' parameter must be of metric 'cosine'. Got 'euclidean' instead."
    )


@EACH
@pytest.mark.parametrize("n", [1, 2, 3, 12])
@pytest.mark.parametrize("m", [1, 2, 5])
def test_small_pools_and_copies(method, n, m):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (np.random.default_rng(n).normal(size=(n, 4)), np.ones((n, 4))):
            pick = cl.select(x, n, target=np.ones((m, 4)), method=method, random_state=0)
            assert sorted(pick.rows) == list(range(n))


@EACH
def test_it_finds_rows_of_the_target_and_leaves_chosen_rows_alone(method):
    pool, target, kind = groups()
    assert precision(pool, target, kind < 2, method) > 0.8  # chance: .5
    liked = cl.select(pool, 50, target=target, method=method, random_state=0).rows
    again = cl.select(pool, 50, target=target, chosen=liked, method=method, random_state=0)
    assert not set(liked) & set(again.rows)


# ---- nearest_to_target ---------------------------------------------------------------------------


def test_nearest_to_target_round_by_round():
    # Centres 0 and 10. Round 0: 9.5 (.5 away), 1 (1 away). Round 1: 2 (2 away), 14 (4 away).
    pool = line(1, 2, 14, 9.5, 40)
    pick = cl.select(pool, 5, target=line(0, 10), method=NearestToTarget(stop=0.5))
    assert pick.rows.tolist() == [3, 0, 1, 2, 4]
    assert pick.gain == pytest.approx([1 / 1.5, 1 / 2, 1 / 3, 1 / 5, 1 / 31])
    assert pick.details["center"].tolist() == [1, 0, 0, 1, 1]
    rounds = pick.details["rounds"]
    assert rounds["n"].tolist() == [2, 2, 1]
    assert rounds["similarity"].tolist() == pytest.approx([7 / 12, 4 / 15, 1 / 31])
    assert pick.details["n_near"] == 2  # 4/15 is less than half of 7/12


def test_nearest_to_target_gives_a_contested_row_to_the_nearer_centre():
    pick = cl.select(line(4, 7, 20), 3, target=line(0, 5), method=NearestToTarget())
    assert pick.rows.tolist() == [0, 1, 2]
    assert pick.details["center"].tolist() == [1, 1, 1]


def test_nearest_to_target_covers_parts_where_the_mean_lies_between_them():
    rng = np.random.default_rng(0)
    centers = np.array([[-6.0, 0], [6, 0], [0, 0]])  # the third group is at the target's mean
    kind = np.repeat([0, 1, 2], 100)
    pool = cl.Embedding(vectors=centers[kind] + rng.normal(size=(300, 2)), metric="euclidean")
    target = centers[np.arange(40) % 2] + rng.normal(size=(40, 2))
    target = cl.Embedding(vectors=target, metric="euclidean")
    to_mean = -np.linalg.norm(pool.vectors - target.vectors.mean(axis=0), axis=1)
    assert (kind[np.argsort(-to_mean)[:100]] < 2).mean() < 0.1
    assert precision(pool, target, kind < 2, NearestToTarget(n_centers=2)) == 1


# ---- importance_resampling -----------------------------------------------------------------------


def test_importance_resampling_weighs_cells_by_hand():
    # Two cells of 6 and 2 rows; of the target's 4 rows 1 is in the first. Log ratios of shares:
    # log(.25 / .75), log(.75 / .25).
    pool = line(0, 0, 0, 0, 0, 0, 9, 9)
    pick = cl.select(
        pool, 8, target=line(0, 9, 9, 9), method=ImportanceResampling(n_cells=2, noise=False)
    )
    assert set(pick.rows[:2]) == {6, 7}
    assert pick.details["features"] == "cells"
    assert pick.gain == pytest.approx(np.log([3] * 2 + [1 / 3] * 6), abs=1e-6)
    before = 0.25 * np.log(0.25 / 0.75) + 0.75 * np.log(0.75 / 0.25)
    assert pick.details["kl_pool"] == pytest.approx(before, abs=1e-6)
    assert pick.details["kl_reduction"] == pytest.approx(0, abs=1e-6)  # all rows were picked


def test_importance_resampling_draws_in_the_target_s_proportions():
    # 1,000 rows of each cell, a target with 4 in 5 of the second: the draw has about that share.
    pool = line(*np.repeat([0.0, 9.0], 1000))
    pick = cl.select(
        pool, 200, target=line(0, 9, 9, 9, 9), method=ImportanceResampling(n_cells=2),
        random_state=0,
    )  # fmt: skip
    assert (pick.rows >= 1000).mean() == pytest.approx(0.8, abs=0.06)
    assert pick.details["kl_reduction"] > 0.9 * pick.details["kl_pool"]


def test_importance_resampling_reads_words():
    texts = (BANK + TRIP) * 25
    pool = cl.Embedding(vectors=np.ones((200, 2)), data=np.array(texts, dtype=object))
    target = cl.Embedding(vectors=np.ones((2, 2)), data=["I lost my card", "open my account"])
    pick = cl.select(pool, 60, target=target, method=ImportanceResampling(), random_state=0)
    assert pick.details["features"] == "words"
    assert (pick.rows % 8 < 4).mean() > 0.9
    assert 0 < pick.details["kl_reduction"] <= pick.details["kl_pool"]


@pytest.mark.parametrize("data", [None, [["a"]] * 2, [1, 2]])
def test_importance_resampling_takes_cells_where_one_side_has_no_texts(data):
    pool = cl.Embedding(vectors=np.eye(3), data=["a", "b", "c"])
    target = cl.Embedding(vectors=np.ones((2, 3)), data=data)
    pick = cl.select(pool, 1, target=target, method=ImportanceResampling(), random_state=0)
    assert pick.details["features"] == "cells"


# ---- seed_retrieval ------------------------------------------------------------------------------


def test_seed_retrieval_names_the_seed_and_puts_copies_last():
    pool = line(0.0, 0.001, 1, 9, 9.001, 12)
    seeds = line(0.2, 9.5, ids=["low", "high"])
    pick = cl.select(pool, 6, target=seeds, method=SeedRetrieval(copy=0.99))
    assert pick.rows.tolist() == [1, 4, 2, 5, 0, 3]
    assert pick.details["seed"].tolist() == ["low", "high", "low", "high", "low", "high"]
    assert pick.gain[0] == pytest.approx(1 / 1.199, abs=1e-6)
    assert pick.details["n_distinct"] == 4
    # What is chosen already leaves only copies of it behind.
    pick = cl.select(pool, 3, target=seeds, chosen=[0], method=SeedRetrieval(copy=0.99))
    assert pick.rows.tolist() == [4, 2, 5]


def test_seed_retrieval_never_picks_copies_of_the_test_rows():
    pool = line(0.0, 0.001, 1, 9)
    method = SeedRetrieval(copy=0.99, avoid=line(0.0011, 50))
    pick = cl.select(pool, 2, target=line(0.0), method=method)
    assert pick.rows.tolist() == [2, 3]  # the copy's copy is avoided too
    assert pick.details["n_avoided"] == 2
    with pytest.raises(ValueError) as error:
        cl.select(pool, 3, target=line(0.0), method=method)
    assert str(error.value) == (
        "The 'k' parameter must be at most 2: 2 rows resemble 'avoid'. Got 3 instead."
    )


def test_seed_retrieval_draws_in_the_seeds_clusters():
    pool, _, kind = groups()
    seeds = cl.Embedding(vectors=3 * np.eye(8)[:2], metric="euclidean")
    method = SeedRetrieval(n_clusters=4)
    near, drawn = (
        cl.select(pool, 80, target=seeds, method=m, random_state=0)
        for m in (SeedRetrieval(), method)
    )
    assert (kind[drawn.rows] < 2).mean() > 0.9
    assert np.bincount(drawn.details["seed"]).tolist() == [40, 40]
    assert drawn.gain.mean() < near.gain.mean()  # farther from the seeds: more varied


# ---- learned_filter ------------------------------------------------------------------------------


def noisy_directions(n=600):
    """Rows that differ in one of 30 directions, which distance hardly sees."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + 80, 30)) * np.r_[1, np.full(29, 3)]
    truth = rng.random(n) < 0.3
    x[:n, 0] += 5 * truth
    x[n:, 0] += 5
    return (*(cl.Embedding(vectors=v, metric="euclidean") for v in (x[:n], x[n:])), truth)


def test_learned_filter_sees_what_distance_does_not():
    pool, target, truth = noisy_directions()
    assert precision(pool, target, truth, NearestToTarget()) < 0.6
    assert precision(pool, target, truth, LearnedFilter()) > 0.9


def test_learned_filter_scores_no_row_by_a_scorer_that_saw_it():
    # 50 rows of noise in 200 dimensions: a scorer learns its own rows by heart. Rows and seeds
    # that were left out look alike to it; rows that were not would have far lower odds.
    x = np.random.default_rng(0).normal(size=(60, 200))
    pool = cl.Embedding(vectors=x[:50], metric="euclidean")
    target = cl.Embedding(vectors=x[50:], metric="euclidean")
    pick = cl.select(pool, 50, target=target, method=LearnedFilter(), random_state=0)
    assert pick.details["criterion"] == "likelihood of seeds left out"
    assert pick.details["scorers"]["criterion"].max() < 0.2


def test_learned_filter_chooses_the_scorer_by_its_induced_set():
    pool, target, truth = noisy_directions()
    rng = np.random.default_rng(1)
    sign = np.where(pool.vectors[:, 1] > 0, "up", "down")
    labels = np.where(truth, sign, np.where(rng.random(len(sign)) < 0.5, "up", "down"))
    clean = cl.Pool(embedding=target, labels=np.where(target.vectors[:, 1] > 0, "up", "down"))
    whole = cl.Pool(embedding=pool, labels=labels, reference=clean)
    pick = cl.select(whole, 100, target=target, method=LearnedFilter(), random_state=0)
    assert pick.details["criterion"] == "minus the loss on the reference"
    table = pick.details["scorers"]
    assert pick.details["scorer"] == table["criterion"].idxmax()
    assert truth[pick.rows].mean() > 0.8


# ---- loss_reduction ------------------------------------------------------------------------------


def test_loss_reduction_reads_words():
    pool = cl.Embedding(vectors=np.ones((200, 2)), data=(BANK + TRIP) * 25)
    target = cl.Embedding(vectors=np.ones((3, 2)), data=["my lost card", "my account", "my card"])
    pick = cl.select(pool, 100, target=target, method=LossReduction(), random_state=0)
    assert pick.details["loss"] == "words"
    assert (pick.rows % 8 < 4).all()
    assert (np.diff(pick.gain) <= 0).all()
    assert pick.gain[0] > 0


def test_a_word_of_the_target_gains_where_the_pool_foretells_it_too():
    things = ["card", "phone", "door", "mail", "path"]
    pool = [f"block my {thing}" for thing in things] * 20 + ["rain in rome"] * 100
    goal = ["the card that you sent is the card that we want"] * 3
    words = sorted({word for text in pool + goal for word in text.split()})
    model = Words([*pool, *words, "my card", "my door", *goal])
    first = model.fit(np.arange(200))
    *alone, card, door = 200 + np.arange(len(words) + 2)
    adapted = model.further(first, door + 1 + np.arange(3), 0.3)
    for each in (first, adapted):  # one of the words comes first
        assert np.exp(-model.loss(each, np.array(alone))).sum() == pytest.approx(1)
    pair = np.array([card, door])
    gain = model.loss(first, pair) - model.loss(adapted, pair)
    assert gain[0] > 0 > gain[1]


def test_loss_reduction_by_labels():
    # Classes are told apart by another direction in the target than in most of the pool.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(640, 6))
    is_like = rng.random(640) < 0.3
    is_like[600:] = True
    labels = np.where(x[np.arange(640), is_like.astype(int)] > 0, "up", "down").astype(object)
    labels[:5] = None
    pool = cl.Pool(embedding=cl.Embedding(vectors=x[:600], metric="euclidean"), labels=labels[:600])
    method = LossReduction(target_labels=labels[600:])
    target = cl.Embedding(vectors=x[600:], metric="euclidean")
    pick = cl.select(pool, 100, target=target, method=method, random_state=0)
    assert pick.details["loss"] == "head"
    assert is_like[pick.rows].mean() > 0.5  # chance: .3; the two agree on half of the labels
    everything = cl.select(pool, 600, target=target, method=method, random_state=0)
    assert set(everything.rows[-5:]) == set(range(5))
    assert np.isnan(everything.gain[-5:]).all()
    assert np.isfinite(everything.gain[:-5]).all()
    assert method == LossReduction(target_labels=labels[600:].tolist())


def test_loss_reduction_refuses_labels_that_do_not_fit():
    pool = cl.Pool(embedding=np.eye(3), labels=["a", "b", "a"])
    with pytest.raises(ValueError) as error:
        cl.select(pool, 1, target=np.ones((2, 3)), method=LossReduction(target_labels=["a"]))
    assert str(error.value) == (
        "The 'target_labels' parameter must be 2 labels, one for each row of the target, none "
        "missing. Got 1 labels instead."
    )
    with pytest.raises(ValueError) as error:
        cl.select(np.eye(3), 1, target=np.ones((1, 3)), method=LossReduction(target_labels=["a"]))
    assert str(error.value) == (
        "The 'labels' parameter must be known for two rows or more. Got 0 labels instead."
    )


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "error", "text"),
    [
        (
            NearestToTarget(n_centers=0),
            ValueError,
            "The 'n_centers' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            NearestToTarget(stop=2),
            ValueError,
            "The 'stop' parameter must be a number from 0 to 1. Got 2 instead.",
        ),
        (
            ImportanceResampling(n_buckets=1),
            ValueError,
            "The 'n_buckets' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            ImportanceResampling(n_cells=0),
            ValueError,
            "The 'n_cells' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            ImportanceResampling(noise=1),
            TypeError,
            "The 'noise' parameter must be True or False. Got 1 instead.",
        ),
        (
            SeedRetrieval(copy=-1),
            ValueError,
            "The 'copy' parameter must be a number from 0 to 1. Got -1 instead.",
        ),
        (
            SeedRetrieval(n_clusters=0),
            ValueError,
            "The 'n_clusters' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            SeedRetrieval(avoid="test"),
            TypeError,
            "The 'avoid' parameter must be an Embedding or None. Got 'test' instead.",
        ),
        (
            LearnedFilter(n_folds=1),
            ValueError,
            "The 'n_folds' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            LossReduction(n_folds=1),
            ValueError,
            "The 'n_folds' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
    ],
)
def test_settings_are_checked(method, error, text):
    with pytest.raises(error) as raised:
        cl.select(np.eye(4), 1, target=np.ones((2, 4)), method=method)
    assert str(raised.value) == text
