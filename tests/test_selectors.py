"""Selection: hand-computed picks, what the verb checks, and what a Selection tells."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curalab.clusters import Clustering
from curalab.embedding import Embedding
from curalab.pool import Pool, describe
from curalab.results import StageResult
from curalab.selectors import KCenter, Margin, Random, select, top_k

LINE = Embedding(
    vectors=np.array([[0.0], [1], [2.5], [9], [10.5]]), ids=list("abcde"), metric="euclidean"
)


def picks(*rows):
    def method(pool, k, *, rng):
        return np.array(rows)

    return method


# ---- k_center ------------------------------------------------------------------------------------


def test_k_center_on_a_line_by_hand():
    # The mean is 4.6, so c (2.5) is first; e is then 8 away, a 2.5, d 1.5 from e, b 1 from a.
    pick = select(LINE, 5, method="k_center")
    assert pick.ids.tolist() == ["c", "e", "a", "d", "b"]
    assert np.array_equal(pick.gain, [np.nan, 8, 2.5, 1.5, 1], equal_nan=True)
    assert pick.details["radius"] == 0
    assert select(LINE, 2, method="k_center").details["radius"] == 2.5


def test_k_center_goes_on_from_chosen():
    pick = select(LINE, 2, chosen=["a", "d"], method="k_center")
    assert pick.ids.tolist() == ["c", "e"]
    assert pick.gain.tolist() == [2.5, 1.5]
    assert pick.details["radius"] == 1


def test_k_center_measures_one_minus_cosine():
    angles = np.deg2rad([0, 10, 90, 180])
    circle = Embedding(vectors=np.c_[np.cos(angles), np.sin(angles)] * [[1], [5], [2], [9]])
    pick = select(circle, 2, chosen=[0], method="k_center")
    assert pick.ids.tolist() == [3, 2]
    assert pick.gain == pytest.approx([2, 1], abs=1e-6)
    assert pick.details["radius"] == pytest.approx(1 - np.cos(angles[1]), abs=1e-6)


def test_k_center_with_fewer_distinct_points_than_k():
    copies = Embedding(vectors=np.tile([[0.0, 1], [3, 5]], (10, 1)), metric="euclidean")
    pick = select(copies, 20, method="k_center")
    assert sorted(pick.ids) == list(range(20))
    assert pick.gain[1] == pytest.approx(5)
    assert np.abs(pick.gain[2:]).max() == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 40), shift=st.sampled_from([0, 1000]))
def test_k_center_is_farthest_first(seed, n, shift):
    x = np.random.default_rng(seed).normal(size=(n, 3)) + shift
    k = max(2, n // 2)
    emb = Embedding(vectors=x, metric="euclidean")
    pick = select(emb, k, method="k_center", random_state=0)
    x = emb.vectors.astype(float)
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    for i in range(1, k):
        to_picks = gaps[:, pick.rows[:i]].min(axis=1)
        assert pick.gain[i] == pytest.approx(to_picks.max(), abs=1e-3)
        assert to_picks[pick.rows[i]] == pytest.approx(to_picks.max(), abs=1e-3)
    assert pick.details["radius"] == pytest.approx(gaps[:, pick.rows].min(axis=1).max(), abs=1e-3)


def test_k_center_covers_small_groups_that_chance_misses():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 8)) * 0.1
    x[:5] += np.eye(8)[:5] * 10
    emb = Embedding(vectors=x, metric="euclidean")
    assert set(range(5)) <= set(select(emb, 6, method=KCenter()).ids)
    assert len(set(range(5)) & set(select(emb, 6, method="random", random_state=0).ids)) < 5


# ---- margin, random, top_k -----------------------------------------------------------------------


def test_margin_takes_the_rows_between_two_classes():
    proba = [[0.9, 0.1, 0], [0.5, 0.45, 0.05], [0.4, 0.3, 0.3], [0.2, 0.2, 0.6]]
    pool = Pool(embedding=np.eye(4), proba=proba, classes=["x", "y", "z"])
    pick = select(pool, 3, method=Margin(), random_state=0)
    assert pick.ids.tolist() == [1, 2, 3]
    assert pick.gain == pytest.approx([0.95, 0.9, 0.6])


def test_margin_finds_the_boundary_from_labels():
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-1, 1, 200))
    labels = np.where(x > 0, "right", "left").astype(object)
    labels[::2] = None
    emb = Embedding(vectors=np.c_[x, np.ones(200)], metric="euclidean")
    pick = select(emb, 10, labels=labels, method="margin", random_state=0)
    assert np.abs(x[pick.rows]).max() < 0.25
    assert pick.params["made"]["proba"]["folds"] == 5


def test_margin_with_one_class_has_nothing_to_say():
    pick = select(np.eye(6), 3, labels=["a"] * 6, method="margin", random_state=0)
    assert pick.gain.tolist() == [0, 0, 0]


def test_margin_needs_labels_or_proba():
    with pytest.raises(ValueError, match="needs 'labels or proba'") as error:
        select(np.eye(3), 1, method="margin")
    assert str(error.value) == (
        "The method 'margin' needs 'labels or proba', and the pool has none. "
        "Pass labels=… to select, or choose another method."
    )


def test_random_is_uniform_and_leaves_out_chosen_rows():
    counts = np.zeros(10)
    for seed in range(2_000):
        counts[select(np.eye(10), 3, chosen=[0, 4], method=Random(), random_state=seed).rows] += 1
    assert counts[0] == counts[4] == 0
    assert np.abs(counts[counts > 0] / 2_000 - 3 / 8).max() < 0.04  # 3.7 standard deviations


def test_top_k_takes_the_highest_scores():
    def first_column(pool):
        return pool.embedding.vectors[:, 0]

    method = top_k(first_column)
    pick = select(LINE, 2, chosen=["e"], method=method, random_state=0)
    assert pick.ids.tolist() == ["d", "c"]
    assert pick.gain.tolist() == [9, 2.5]
    assert repr(method) == "top_k(first_column)"
    told = pick.params["settings"]["scorer"]
    assert told["function"].endswith("first_column")
    assert told["source"] == describe("x", first_column)["source"]


def test_top_k_breaks_ties_by_chance():
    method = top_k(lambda pool: np.zeros(len(pool), dtype=int))
    assert len({select(LINE, 1, method=method, random_state=s).ids[0] for s in range(60)}) == 5


def test_top_k_passes_on_what_the_scorer_needs():
    def doubt(pool):
        return 1 - pool.proba.max(axis=1)

    doubt.needs = "proba"
    pool = Pool(embedding=np.eye(2), proba=[[1, 0], [0.5, 0.5]], classes=["a", "b"])
    assert select(pool, 1, method=top_k(doubt)).ids.tolist() == [1]
    with pytest.raises(ValueError, match="needs 'labels or proba'"):
        select(np.eye(2), 1, method=top_k(doubt))


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (
            lambda pool: np.zeros(3),
            "The scorer in top_k(<lambda>) must return 5 numbers, one for each row. "
            "Got shape (3,), dtype float64 instead.",
        ),
        (
            lambda pool: np.array([0, np.nan, 1, np.inf, 2]),
            "The scorer in top_k(<lambda>) must return finite numbers. "
            "Got others in rows 1, 3 instead.",
        ),
    ],
)
def test_a_scorer_that_is_none(score, said):
    with pytest.raises(ValueError, match="scorer") as error:
        select(LINE, 1, method=top_k(score))
    assert str(error.value) == said


def test_top_k_wants_a_function():
    with pytest.raises(TypeError) as error:
        top_k("entropy")
    assert str(error.value) == (
        "The 'scorer' parameter must be a function of the pool. Got 'entropy' instead."
    )


# ---- the verb ------------------------------------------------------------------------------------


def test_a_selection_tells_ids_rank_and_gain():
    def method(pool, k, *, rng):
        return [4, 0], {"gain": [0.5, 0.25], "why": "because"}

    pick = select(LINE, 2, method=method, random_state=3)
    frame = pd.DataFrame(
        {"selection_rank": [1, 2], "selection_gain": [0.5, 0.25]}, index=pd.Index(["e", "a"])
    )
    pd.testing.assert_frame_equal(pick.to_frame(), frame)
    assert pick.details == {"why": "because", "n_pool": 5}
    assert pick.params["k"] == 2
    assert pick.params["n_chosen"] == 0
    assert pick.params["random_state"] == 3
    assert repr(pick).startswith("Selection(2 items, of 5, method=")


def test_without_a_gain_it_is_unknown():
    assert np.isnan(select(LINE, 2, method=picks(1, 2)).gain).all()


def test_a_selection_survives_the_disk(tmp_path):
    pick = select(LINE, 2, labels=["x", None, "x", "y", "y"])
    pick.save(tmp_path / "pick")
    again = StageResult.open(tmp_path / "pick")
    pd.testing.assert_frame_equal(again.to_frame(), pick.to_frame())
    pd.testing.assert_frame_equal(again.details["classes"], pick.details["classes"])


def test_classes_tell_how_the_mix_shifts():
    labels = ["x", "x", None, "y", "y"]
    classes = select(LINE, 4, labels=labels, method=picks(0, 1, 2, 3)).details["classes"]
    assert classes["class"].tolist()[:2] == ["x", "y"]
    assert pd.isna(classes["class"].iloc[2])
    assert classes["pool"].tolist() == [0.4, 0.4, 0.2]
    assert classes["selection"].tolist() == [0.5, 0.25, 0.25]


def test_mix_goes_by_id_or_by_position():
    pick = select(LINE, 2, method=picks(3, 4))
    site = pd.Series(["s", "s", "n", "n", "s"], index=list("edcba"))
    expected = pd.DataFrame({"value": ["n", "s"], "pool": [0.4, 0.6], "selection": [0.0, 1.0]})
    pd.testing.assert_frame_equal(pick.mix(site), expected)
    pd.testing.assert_frame_equal(pick.mix(["s", "n", "n", "s", "s"]), expected)
    clusters = Clustering(
        ids=LINE.ids, labels=np.array([0, 0, 0, 1, 1]), strength=np.ones(5), n_clusters=2
    )
    assert pick.mix(clusters)["selection"].tolist() == [0, 1]


def test_what_was_never_picked_is_told():
    labels = ["x", "x", "y", "z", None]
    pool = Pool(embedding=LINE, labels=labels, groups=["n", "n", "n", "s", "s"])
    pick = select(pool, 2, method=picks(0, 1))
    assert pick.details["missed"] == {"classes": ["y", "z"], "groups": ["s"]}
    assert pick.details["groups"]["selection"].tolist() == [1, 0]
    assert pick.summary == "of 5, classes never picked: 2, groups never picked: 1"


def test_uncovered_rows_are_the_farthest_from_every_pick():
    pick = select(LINE, 2, method=picks(1, 3))
    far = pick.uncovered(LINE, 2)
    # a (0) is 1 from b, c (2.5) is 1.5 from b, e (10.5) is 1.5 from d.
    assert far.index.tolist() == ["c", "e"]
    assert far["nearest"].tolist() == ["b", "d"]
    assert far["distance"].tolist() == [1.5, 1.5]
    assert len(select(LINE, 5).uncovered(LINE)) == 0
    with pytest.raises(KeyError, match="unknown ids"):
        pick.uncovered(LINE.take(["a", "c"]))


def test_mix_of_other_rows_is_refused():
    pick = select(LINE, 2, method=picks(3, 4))
    with pytest.raises(ValueError, match="values") as error:
        pick.mix([1, 2])
    assert str(error.value) == (
        "The 'values' parameter must be 5 values, one for each row of the pool. "
        "Got 2 values instead."
    )
    with pytest.raises(ValueError, match="values") as error:
        pick.mix(pd.Series([1, 2], index=["a", "d"]))
    assert str(error.value) == (
        "The 'values' parameter must be values for every row of the pool. "
        "Got none for the ids 'e' instead."
    )
    for values, shape in ((None, "()"), (np.ones((5, 2)), "(5, 2)")):
        with pytest.raises(ValueError, match="one for each row of the pool") as error:
            pick.mix(values)
        assert str(error.value).endswith(f"Got shape {shape} instead.")


@pytest.mark.parametrize("k", [0, -1, 4, 100])
def test_k_is_within_what_is_left(k):
    with pytest.raises(ValueError, match="'k'") as error:
        select(LINE, k, chosen=["a", "b"])
    assert str(error.value) == (
        f"The 'k' parameter must be an integer from 1 to 3. Got {k} instead. "
        "There are 5 rows, of which 2 are chosen already."
    )


@pytest.mark.parametrize("k", [1.5, "3", True, None])
def test_k_is_an_integer(k):
    with pytest.raises(TypeError, match="The 'k' parameter must be an integer from 1 to 5"):
        select(LINE, k)


def test_when_all_rows_are_chosen():
    with pytest.raises(ValueError, match="chosen") as error:
        select(LINE, 1, chosen=list("abcde"))
    assert str(error.value) == (
        "The 'chosen' parameter must be some of the rows, to leave others to pick. "
        "Got all 5 of them instead."
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([1, 1, 2], "it returned 1 more than once"),
        ([-1, 2, 7], "it returned -1, 7, and row numbers go from 0 to 4"),
        ([0, 2, 3], "it returned 0, which pool.chosen holds already"),
        (
            [0, 0, 9],
            "it returned 9, and row numbers go from 0 to 4; it returned 0 more than once; "
            "it returned 0, 0, which pool.chosen holds already",
        ),
    ],
)
def test_rows_that_break_the_contract(rows, said):
    with pytest.raises(ValueError, match="broke its contract") as error:
        select(LINE, 3, chosen=["a"], method=picks(*rows))
    assert str(error.value).partition(" broke its contract: ")[2] == said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([1, 2], "'rows' as an array of shape (3,). Got shape (2,) instead."),
        ([[1, 2, 3]], "'rows' as an array of shape (3,). Got shape (1, 3) instead."),
        (
            [1.0, 2.0, 3.0],
            "'rows' as whole numbers (an integer dtype). Got dtype float64 instead.",
        ),
        (
            [True, False, True],
            "'rows' as whole numbers (an integer dtype). Got dtype bool instead.",
        ),
    ],
)
def test_rows_of_the_wrong_kind(rows, said):
    with pytest.raises(ValueError, match="must return") as error:
        select(LINE, 3, method=picks(*rows))
    assert str(error.value).partition(" must return ")[2] == said


def test_a_gain_of_the_wrong_length():
    def method(pool, k, *, rng):
        return np.arange(k), {"gain": np.zeros(k + 1)}

    with pytest.raises(ValueError, match="gain") as error:
        select(LINE, 2, method=method)
    said = "must return 'gain' as 2 numbers, one for each pick. Got shape (3,) instead."
    assert str(error.value).partition(".method' ")[2] == said


def test_a_selector_cannot_write_into_the_pool():
    def method(pool, k, *, rng):
        pool.embedding.vectors[:] = 0
        return np.arange(k)

    with pytest.raises(ValueError, match="read-only"):
        select(LINE, 2, method=method)
