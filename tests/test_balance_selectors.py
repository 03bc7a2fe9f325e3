"""Balance and pruning by cells, by complexity, by label counts and by training dynamics."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curalab.embedding import Embedding
from curalab.heads import fit_head
from curalab.pool import Pool
from curalab.selectors import confidence_mixup, select
from curalab.selectors import hierarchical_balance as balance
from curalab.selectors.complexity_pruning import ComplexityPruning, _quotas
from curalab.selectors.confidence_mixup import ConfidenceMixup
from curalab.selectors.hierarchical_balance import HierarchicalBalance
from curalab.selectors.label_entropy import LabelEntropy


def unequal(seed=0, sizes=(700, 200, 70, 30), spread=1.0):
    """Rows of kinds of unequal size, in mixed order."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = spread * rng.normal(size=(len(kind), 8)) + 8 * np.eye(8)[kind]
    return Embedding(vectors=vectors, metric="euclidean"), kind


def entropy(kind, rows):
    share = np.bincount(kind[rows]) / len(rows)
    return -(share[share > 0] * np.log(share[share > 0])).sum()


# ---- hierarchical_balance ------------------------------------------------------------------------


def test_the_budget_is_dealt_evenly_and_every_first_part_of_it():
    emb, kind = unequal()
    pick = select(emb, 100, method=HierarchicalBalance(n_clusters=(40, 4)), random_state=0)
    for m in (4, 40, 100):
        assert np.bincount(kind[pick.rows[:m]]).tolist() == [m // 4] * 4
    # 30 rows of the smallest kind, then the others share the rest
    pick = select(emb, 240, method=HierarchicalBalance(n_clusters=(40, 4)), random_state=0)
    assert np.bincount(kind[pick.rows]).tolist() == [70, 70, 70, 30]
    assert pick.details["cell"].shape == (1000, 2)


def test_rows_chosen_before_count_as_dealt():
    emb, kind = unequal()
    method = HierarchicalBalance(n_clusters=(40, 4))
    chosen = np.flatnonzero(kind == 0)[:20]
    pick = select(emb, 60, chosen=chosen, method=method, random_state=0)
    assert np.bincount(kind[pick.rows]).tolist() == [0, 20, 20, 20]


def test_more_even_than_chance_and_than_plain_cells():
    gains = []
    for seed in range(5):
        emb, kind = unequal(seed, sizes=(1500, 300, 60, 30, 10), spread=2.0)
        plain = HierarchicalBalance(n_clusters=(63,), n_resamplings=0)
        even, cells, chance = (
            entropy(kind, select(emb, 60, method=method, random_state=seed).rows)
            for method in (HierarchicalBalance(), plain, "random")
        )
        gains.append([even - cells, even - chance])
    assert (np.mean(gains, axis=0) > [0.1, 0.4]).all()


def test_nearest_to_the_centre_first():
    emb, _ = unequal(sizes=(50, 50))
    method = HierarchicalBalance(n_clusters=[2], within="centre")
    pick = select(emb, 100, method=method, random_state=0)
    cell = pick.details["cell"][:, 0]
    x = emb.vectors
    for one in (0, 1):
        mine = pick.rows[cell[pick.rows] == one]
        gap = np.linalg.norm(x[mine] - x[cell == one].mean(axis=0), axis=1)
        # resampled centres are not quite the means
        assert np.corrcoef(gap, np.arange(len(gap)))[0, 1] > 0.8


def test_many_cells_come_from_splitting_coarse_ones(monkeypatch):
    monkeypatch.setattr(balance, "_AT_ONCE", 10)
    emb, kind = unequal()
    pick = select(emb, 100, method=HierarchicalBalance(n_clusters=(40, 4)), random_state=0)
    cell = pick.details["cell"]
    assert 36 <= len(np.unique(cell[:, 0])) <= 44
    assert np.bincount(kind[pick.rows]).min() >= 20
    pairs = pd.DataFrame(cell).drop_duplicates()
    assert pairs[0].is_unique  # each small cell lies in one large cell


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"n_clusters": 30},
            TypeError,
            "The 'n_clusters' parameter must be a list of falling whole numbers, the level of the "
            "rows first. Got 30 instead.",
        ),
        (
            {"n_clusters": [3, 30]},
            ValueError,
            "The 'n_clusters' parameter must be a list of falling whole numbers, the level of the "
            "rows first. Got [3, 30] instead.",
        ),
        (
            {"within": "far"},
            ValueError,
            "The 'within' parameter must be one of 'random', 'centre'. Got 'far' instead.",
        ),
        (
            {"n_resamplings": -1},
            ValueError,
            "The 'n_resamplings' parameter must be an integer of 0 or more. Got -1 instead.",
        ),
    ],
)
def test_settings_of_hierarchical_balance(options, error, said):
    with pytest.raises(error) as caught:
        HierarchicalBalance(**options)
    assert str(caught.value) == said


def test_more_cells_than_rows():
    with pytest.raises(ValueError, match="n_clusters") as error:
        select(np.eye(5), 2, method=HierarchicalBalance(n_clusters=[9]))
    assert str(error.value) == (
        "The 'n_clusters' parameter must be at most 5, the number of rows. Got 9 instead."
    )


# ---- complexity_pruning --------------------------------------------------------------------------


def test_quotas_by_hand():
    due, low, high = np.array([6.0, 3, 1]), np.array([1, 1, 1]), np.array([4, 9, 9])
    # 2 of the 6 do not fit; the others share them
    assert _quotas(due, low, high, 10).tolist() == [4, 4, 2]
    assert _quotas(np.array([9.8, 0.1, 0.1]), low, np.array([20, 9, 9]), 10).tolist() == [8, 1, 1]
    assert _quotas(due, low, high, 22).tolist() == [4, 9, 9]
    assert _quotas(due, low, high, 3).tolist() == [1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_quotas_are_the_nearest_whole_numbers(seed):
    rng = np.random.default_rng(seed)
    high = rng.integers(0, 7, size=3)
    low = np.minimum(high, 1)
    total = int(rng.integers(low.sum(), high.sum() + 1))
    due = total * rng.dirichlet(np.ones(3))
    quota = _quotas(due, low, high, total)
    assert quota.sum() == total
    assert ((low <= quota) & (quota <= high)).all()
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    every = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    every = every[every.sum(axis=1) == total]
    best = np.square(every - due).sum(axis=1).min()
    assert np.square(quota - due).sum() == pytest.approx(best, abs=1e-6)


def wide_and_tight(seed=0, n=100):
    rng = np.random.default_rng(seed)
    width = np.repeat([0.05, 0.3], n)
    vectors = rng.normal(size=(2 * n, 4)) * width[:, None] + np.repeat(np.eye(4)[:2], n, axis=0)
    return Embedding(vectors=vectors), width > 0.1


@pytest.mark.parametrize("keep", ["far", "near"])
def test_the_wide_cluster_keeps_more_and_rows_go_by_distance(keep):
    emb, is_wide = wide_and_tight()
    method = ComplexityPruning(n_clusters=2, keep=keep)
    pick = select(emb, 80, method=method, random_state=0)
    table, cell = pick.details["clusters"], pick.details["cell"]
    assert is_wide[pick.rows].sum() > 50
    assert table["quota"].sum() == 80
    assert (table["complexity"] == table["spread"] * table["isolation"]).all()
    for one in (0, 1):
        gain = pick.gain[cell[pick.rows] == one]
        assert (np.diff(gain) * (-1 if keep == "far" else 1) >= 0).all()
    # in any first part, clusters stand as in the whole
    assert is_wide[pick.rows[:40]].sum() == pytest.approx(is_wide[pick.rows].sum() / 2, abs=1)


def test_complexity_by_hand():
    angle = np.deg2rad([-10, 10, 80, 100])
    circle = Embedding(vectors=np.c_[np.cos(angle), np.sin(angle)] * [[1], [2], [3], [4]])
    method = ComplexityPruning(n_clusters=2)
    table = select(circle, 2, method=method, random_state=0).details["clusters"]
    assert table["spread"].to_numpy() == pytest.approx(1 - np.cos(np.deg2rad(10)), abs=1e-5)
    assert table["isolation"].to_numpy() == pytest.approx(1, abs=1e-5)
    assert table["quota"].tolist() == [1, 1]


def test_quotas_count_chosen_rows():
    emb, is_wide = wide_and_tight()
    method = ComplexityPruning(n_clusters=2)
    whole = select(emb, 80, method=method, random_state=0)
    chosen = np.flatnonzero(is_wide)[:30]
    pick = select(emb, 50, chosen=chosen, method=method, random_state=0)
    assert is_wide[pick.rows].sum() + 30 == is_wide[whole.rows].sum()


@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_is_a_concept_so_that_none_is_lost(seed):
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(60), 40)
    x = rng.normal(size=(2_400, 20)) + 2 * rng.normal(size=(60, 20))[kind]
    emb = Embedding(vectors=x, metric="euclidean")
    pick = select(emb, 240, method="complexity_pruning", random_state=seed)
    assert len(np.unique(kind[pick.rows])) == 60


def test_fewer_picks_than_clusters():
    emb, _ = unequal()
    assert len(select(emb, 3, method=ComplexityPruning(n_clusters=50), random_state=0)) == 3


def test_a_head_learns_more_from_what_is_kept_than_from_chance():
    # Nine of ten rows are variations of ten tight kinds; the rule that the head is to learn shows
    # in the rest, which is wide.
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        tight = np.repeat(rng.normal(size=(10, 8)), 90, axis=0) + 0.1 * rng.normal(size=(900, 8))
        x, new = np.r_[tight, rng.normal(size=(100, 8))], rng.normal(size=(1000, 8))
        emb, test = Embedding(vectors=x), Embedding(vectors=new)
        code, truth = (emb.points[:, 0] > 0).astype(int), test.points[:, 0] > 0
        right = []
        for method in (ComplexityPruning(n_clusters=20), "random"):
            rows = select(emb, 100, method=method, random_state=seed).rows
            head = fit_head(emb.points[rows], code[rows], 2)
            right.append(((head.predict_proba(test.points)[:, 1] > 0.5) == truth).mean())
        gains.append(right[0] - right[1])
    assert np.mean(gains) > 0.03


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"n_clusters": 0},
            "The 'n_clusters' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"temperature": 0},
            "The 'temperature' parameter must be a number from 0.001 to 1000. Got 0 instead.",
        ),
        (
            {"keep": "all"},
            "The 'keep' parameter must be one of 'far', 'near'. Got 'all' instead.",
        ),
    ],
)
def test_settings_of_complexity_pruning(options, said):
    with pytest.raises(ValueError, match="parameter") as error:
        ComplexityPruning(**options)
    assert str(error.value) == said


def test_more_clusters_than_rows():
    with pytest.raises(ValueError, match="n_clusters") as error:
        select(np.eye(5), 2, method=ComplexityPruning(n_clusters=6))
    assert str(error.value) == (
        "The 'n_clusters' parameter must be at most 5, the number of rows. Got 6 instead."
    )


# ---- label_entropy -------------------------------------------------------------------------------


def test_classes_take_turns_and_gain_is_the_rise_of_entropy():
    labels = np.array(["a"] * 6 + ["b"] * 3 + ["c"] + [None], dtype=object)
    pick = select(np.eye(11), 11, labels=labels, method=LabelEntropy(), random_state=0)
    picked = labels[pick.rows]
    assert sorted(picked[:3]) == ["a", "b", "c"]
    assert sorted(picked[3:7]) == ["a", "a", "b", "b"]
    assert picked[7:].tolist() == ["a", "a", "a", None]
    assert pick.gain[:3] == pytest.approx([0, np.log(2), np.log(3) - np.log(2)])
    assert pick.gain[-2] < 0
    assert np.isnan(pick.gain[-1])
    assert pick.details["counts"].to_dict() == {"a": 6, "b": 3, "c": 1}


def test_labels_of_chosen_rows_count():
    labels = np.array(["a", "b"] * 5)
    pick = select(
        np.eye(10), 4, labels=labels, chosen=[0, 2], method=LabelEntropy(), random_state=0
    )
    assert sorted(labels[pick.rows[:2]]) == ["b", "b"]
    assert pick.details["counts"].to_dict() == {"a": 3, "b": 3}


def test_rows_with_several_labels():
    table = pd.DataFrame({"topics": [["x"], ["x", "x"], ["y", "z"], [], ["x", "y"]]})
    pool = Pool(embedding=np.eye(5), data=table)
    pick = select(pool, 5, method=LabelEntropy(column="topics"), random_state=0)
    # one of two labels first, the other that brings the third label next
    assert set(pick.rows[:2]) == {2, 4}
    assert pick.gain[0] == pytest.approx(np.log(2))
    assert pick.rows[2] == 0
    assert pick.rows[-1] == 3
    assert pick.details["counts"].to_dict() == {"x": 4, "y": 2, "z": 1}


def test_several_labels_are_more_even_than_by_chance():
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, 31)
    rows = [
        rng.choice(30, size=rng.integers(1, 4), p=odds / odds.sum()).tolist() for _ in range(500)
    ]
    pool = Pool(embedding=rng.normal(size=(500, 3)), data=pd.DataFrame({"tags": rows}))
    found = []
    for method in (LabelEntropy(column="tags"), "random"):
        pick = select(pool, 60, method=method, random_state=0)
        tags = np.concatenate([rows[i] for i in pick.rows]).astype(int)
        found.append(entropy(tags, np.arange(len(tags))))
    assert found[0] > found[1] + 0.3


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (
            pd.DataFrame({"a": [["x"]] * 3, "b": [[]] * 3}),
            ValueError,
            "The 'column' parameter must be a column of the data. Got 'tags', of columns 'a', 'b' "
            "instead.",
        ),
        (
            ["p", "q", "r"],
            ValueError,
            "The 'column' parameter must be a column of the data. Got 'tags', of data that are no "
            "DataFrame instead.",
        ),
        (
            pd.DataFrame({"tags": [["x"], "xy", []]}),
            TypeError,
            "The 'column' parameter must be a column with a list of labels in each row. "
            "Got 'xy' in a row instead.",
        ),
    ],
)
def test_columns_that_do_not_do(data, error, said):
    with pytest.raises(error) as caught:
        select(Pool(embedding=np.eye(3), data=data), 1, method=LabelEntropy(column="tags"))
    assert str(caught.value) == said


# ---- confidence_mixup ----------------------------------------------------------------------------


def mislabelled(seed=0, n=300, n_wrong=30):
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    x = rng.normal(size=(n, 6)) + 4 * np.eye(6)[kind]
    given = kind.copy()
    given[:n_wrong] = (kind[:n_wrong] + 1) % 3
    return x, kind, given


def test_wrong_labels_are_unconfident():
    x, _, given = mislabelled()
    sure = select(x, 150, labels=given, method=ConfidenceMixup(), random_state=0)
    doubt = ConfidenceMixup(which="unconfident")
    unsure = select(x, 150, labels=given, method=doubt, random_state=0)
    assert (sure.rows >= 30).all()
    assert (unsure.rows[:30] < 30).mean() > 0.9
    assert sure.gain == pytest.approx(sure.details["confidence"][sure.rows])
    assert unsure.gain == pytest.approx(1 - unsure.details["confidence"][unsure.rows])
    assert set(np.flatnonzero(sure.details["is_confident"])) == set(sure.rows)
    assert (np.diff(sure.gain) <= 0).all()


def test_the_head_predicts_new_rows():
    x, _, given = mislabelled()
    new, kind, _ = mislabelled(seed=1)
    emb = Embedding(vectors=x, metric="euclidean")
    proba = select(emb, 5, labels=given, method=ConfidenceMixup(), random_state=0).predict(new)
    assert proba.shape == (300, 3)
    assert proba.sum(axis=1) == pytest.approx(1)
    assert (proba.argmax(axis=1) == kind).mean() > 0.95


def test_many_rows_are_mixed_in_part(monkeypatch):
    x, _, given = mislabelled(n=2_000, n_wrong=200)
    new, kind, _ = mislabelled(seed=1, n=2_000)
    emb = Embedding(vectors=x, metric="euclidean")

    def predicted():
        return select(emb, 5, labels=given, method=ConfidenceMixup(), random_state=0).predict(new)

    every = predicted()
    monkeypatch.setattr(confidence_mixup, "_MOST", 1_000)  # as many as there are
    assert (predicted() == every).all()
    monkeypatch.setattr(confidence_mixup, "_MOST", 200)
    some = predicted()
    assert np.abs(some - every).max() > 0
    hits, all_hits = (np.mean(each.argmax(axis=1) == kind) for each in (some, every))
    assert hits > all_hits - 0.005
    assert np.abs(some - every).mean() < 0.02


def test_rows_without_a_label_come_last():
    x, _, given = mislabelled(n=40, n_wrong=0)
    labels = given.astype(object)
    labels[:10] = None
    for which in ("confident", "unconfident"):
        method = ConfidenceMixup(which=which)
        pick = select(x, 40, labels=labels, method=method, random_state=0)
        assert sorted(pick.rows[30:]) == list(range(10))
        assert np.isnan(pick.gain[30:]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"which": "all"},
            "The 'which' parameter must be one of 'confident', 'unconfident'. Got 'all' instead.",
        ),
        (
            {"n_epochs": 0},
            "The 'n_epochs' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"strength": -1},
            "The 'strength' parameter must be a number from 0 to 100. Got -1 instead.",
        ),
    ],
)
def test_settings_of_confidence_mixup(options, said):
    with pytest.raises(ValueError, match="parameter") as error:
        ConfidenceMixup(**options)
    assert str(error.value) == said


def test_confidence_needs_labels():
    with pytest.raises(ValueError, match="needs 'labels'"):
        select(np.eye(4), 2, method=ConfidenceMixup())
