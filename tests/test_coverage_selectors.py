"""Selectors that cover the pool without labels: hand-computed picks and planted truth."""

import tracemalloc

import numpy as np
import pytest

import curalab as cl
from curalab.selectors.facility_location import FacilityLocation
from curalab.selectors.herding import Herding, _total
from curalab.selectors.prob_cover import ProbCover
from curalab.selectors.stratified import Stratified
from curalab.selectors.typicality import Typicality

METHODS = [
    FacilityLocation(),
    Herding(),
    Herding(kernel="gaussian"),
    ProbCover(),
    Stratified(),
    Stratified(share="equal", by="clusters"),
    Typicality(),
]


def on_line(*x):
    return cl.Embedding(vectors=np.array(x, dtype=float)[:, None], metric="euclidean")


def planted(sizes=(300, 60, 30, 10), *, n_far=0, seed=0):
    """Return tight groups of these sizes far from each other, single far rows, and the group."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(group), 6)) + 20 * np.eye(6)[group]
    far = rng.normal(size=(n_far, 6))
    x = np.concatenate([x, 80 * far / np.linalg.norm(far, axis=1, keepdims=True)])
    return (
        cl.Embedding(vectors=x, metric="euclidean"),
        np.concatenate([group, np.full(n_far, -1)]),
    )


def picked(pool, k, method, seed=0, **parts):
    return cl.select(pool, k, method=method, random_state=seed, **parts)


# ---- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_promises_are_kept(method):
    kept = cl.testing.check_method("selectors", method)
    assert not (kept["kept"] == False).any()  # noqa: E712 - None where it was not checked


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_few_or_identical_rows(method, metric):
    for n in (1, 2, 3, 8):
        same = cl.Embedding(vectors=np.full((n, 2), 3.0), metric=metric)
        for k in (1, n):
            assert len(set(picked(same, k, method).rows)) == k
        if n > 2:
            left = picked(same, n - 2, method, chosen=[0, 2]).rows
            assert sorted(left) == sorted(set(range(n)) - {0, 2})


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_every_free_row_in_the_end(method):
    pool, _ = planted((30, 20, 10))
    rows = picked(pool, 50, method, chosen=list(range(5, 15))).rows
    assert sorted(rows) == [*range(5), *range(15, 60)]


# ---- typicality ----------------------------------------------------------------------------------


def test_typicality_takes_the_middle_of_each_cluster_the_largest_first():
    pool = on_line(-3, 0, 2, 3, 4, 6, 9, 50, 51, 52, 53, 54)
    pick = picked(pool, 2, Typicality(n_neighbors=4))
    assert pick.ids.tolist() == [3, 9]  # the four nearest are at a mean of 2 and of 1.5
    assert pick.gain == pytest.approx([1 / 2, 1 / 1.5], abs=1e-4)
    assert np.bincount(pick.details["cluster"]).tolist() in ([7, 5], [5, 7])


def test_typicality_goes_where_nothing_is_chosen():
    pool, group = planted()
    in_largest = [0, 1, 2]
    rows = picked(pool, 1, Typicality(max_clusters=4), chosen=in_largest).rows
    assert group[rows].tolist() == [1]


def test_typicality_leaves_far_rows_that_k_center_takes():
    pool, group = planted(n_far=6)
    found = set(group[picked(pool, 10, Typicality()).rows])
    assert found == {0, 1, 2, 3}
    assert (group[picked(pool, 10, "k_center").rows] == -1).sum() == 6


def test_typicality_finds_classes_that_chance_misses():
    pool, group = planted()
    assert set(group[picked(pool, 4, Typicality()).rows]) == {0, 1, 2, 3}
    by_chance = [len(set(group[picked(pool, 4, "random", seed=s).rows])) for s in range(20)]
    assert np.mean(by_chance) < 3


@pytest.mark.parametrize("method", [*METHODS, "k_center"], ids=repr)
def test_rows_that_are_mapped_from_disk_are_picked_from_alike(method, tmp_path, monkeypatch):
    pool, _ = planted((60, 30, 10))
    pool.save(tmp_path / "vectors")
    monkeypatch.setattr("curalab._points._MAPPED", 0)  # as with vectors of over 256 MiB
    mapped = cl.Embedding.open(tmp_path / "vectors")
    assert isinstance(mapped.vectors, np.memmap)
    assert picked(mapped, 8, method).rows.tolist() == picked(pool, 8, method).rows.tolist()


# ---- prob_cover ----------------------------------------------------------------------------------


def test_prob_cover_by_hand():
    pool = on_line(0, 1, 2, 3, 8, 9, 20)
    pick = picked(pool, 4, ProbCover(delta=1.5))
    # The balls of 1 and 2 hold three rows; the second best holds 8 and 9.
    assert pick.gain.tolist()[:2] == [3, 2]
    assert pick.ids[0] in (1, 2)
    assert pick.ids[1] in (4, 5)
    assert pick.details["covered"] == 1
    assert picked(pool, 1, ProbCover(delta=1.5), chosen=[1, 4]).gain.tolist() == [1]


def test_prob_cover_takes_the_largest_radius_that_is_pure():
    pool = on_line(*range(10), *range(30, 40))
    # The nearest row of the other cluster is 21 away from 9 and 30, 22 from 8 and 31, and so on.
    radii = [picked(pool, 1, ProbCover(n_clusters=2, purity=p)) for p in (1, 0.9, 0.8, 0)]
    assert [float(pick.details["delta"]) for pick in radii] == [21, 22, 23, 30]


def test_prob_cover_measures_one_minus_cosine():
    angle = np.deg2rad([0, 10, 20, 90])
    pool = cl.Embedding(vectors=np.c_[np.cos(angle), np.sin(angle)] * [[1], [4], [2], [7]])
    pick = picked(pool, 2, ProbCover(delta=1 - np.cos(np.deg2rad(15))))
    assert pick.ids.tolist() == [1, 3]
    assert pick.gain.tolist() == [3, 1]


def test_prob_cover_is_greedy_maximum_coverage():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    pick = picked(cl.Embedding(vectors=x, metric="euclidean"), 15, ProbCover(delta=1.0))
    ball = np.linalg.norm(x[:, None] - x, axis=2) < 1
    covered = np.zeros(200, dtype=bool)
    for row, gain in zip(pick.rows, pick.gain, strict=True):
        new = (ball & ~covered).sum(axis=1)
        assert gain == new.max() == new[row]
        covered |= ball[row]
    assert pick.details["covered"] == pytest.approx(covered.mean())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_prob_cover_looks_at_blocks_of_rows_and_balls(metric, monkeypatch):
    x = np.random.default_rng(0).normal(size=(40_000, 4)).astype(np.float32)
    pool = cl.Embedding(vectors=x, metric=metric)
    pool.points, pool.fingerprint  # noqa: B018
    method = ProbCover(delta=0.01 if metric == "cosine" else 0.2)
    tracemalloc.start()
    picked(pool, 3, method, chosen=range(3_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000 * 1_024 * 4 / 2  # the gaps from all rows to some balls
    some = cl.Embedding(vectors=x[:500], metric=metric)
    whole = picked(some, 50, method, chosen=[7, 2, 400])
    monkeypatch.setattr("curalab.selectors.prob_cover._BLOCK", 70)
    parts = picked(some, 50, method, chosen=[7, 2, 400])
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.gain.tolist() == whole.gain.tolist()


def test_prob_cover_of_many_rows_counts_some_of_them(monkeypatch):
    pool, group = planted((3_000, 600, 300, 100))
    whole = picked(pool, 4, ProbCover(delta=6), chosen=[0])
    monkeypatch.setattr("curalab.selectors.prob_cover._SERVED", 800)
    some = picked(pool, 4, ProbCover(delta=6), chosen=[0])
    assert group[some.rows[:3]].tolist() == group[whole.rows[:3]].tolist() == [1, 2, 3]
    np.testing.assert_allclose(some.gain[:3], whole.gain[:3], rtol=0.3)
    assert some.details["covered"] == pytest.approx(whole.details["covered"], abs=0.02)
    assert len(set(some.rows)) == 4
    assert 0 not in some.rows


def test_prob_cover_covers_more_than_chance_and_than_k_center():
    pool, _ = planted(n_far=6)
    ball = np.linalg.norm(pool.vectors[:, None] - pool.vectors, axis=2) < 3
    share = {
        name: ball[picked(pool, 8, method).rows].any(axis=0).mean()
        for name, method in (
            ("prob", ProbCover(delta=3)),
            ("chance", "random"),
            ("far", "k_center"),
        )
    }
    assert share["prob"] > max(share["chance"], share["far"]) + 0.1


# ---- herding -------------------------------------------------------------------------------------


def test_herding_by_hand():
    pick = picked(on_line(0, 4, 5, 6, 11), 3, Herding())
    # The mean is 5.2: 5 first; then 5 + 6 is closest to 10.4; then 11 + 4 to 15.6.
    assert pick.ids.tolist() == [2, 3, 1]
    assert pick.details["gap"] == pytest.approx(0.2, abs=1e-5)


def test_herding_makes_up_for_what_is_chosen():
    pool, group = planted((50, 50))
    rows = picked(pool, 20, Herding(), chosen=range(20)).rows
    assert (group[rows] == 1).mean() > 0.8


def test_herding_needs_little_beside_the_vectors():
    x = np.random.default_rng(0).normal(size=(40_000, 32)).astype(np.float32)
    pool = cl.Embedding(vectors=x, metric="euclidean")
    pool.fingerprint  # noqa: B018
    tracemalloc.start()
    picked(pool, 3, Herding(), chosen=range(3_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000 * 3_000 * 4 / 2  # the products with what is chosen, all at once


def test_kernels_are_summed_block_by_block(monkeypatch):
    inner = np.random.default_rng(0).normal(size=(50, 50))
    monkeypatch.setattr("curalab.selectors.herding._CELLS", 350)
    asked = []
    total = _total(lambda rows: asked.append(len(rows)) or inner[:, rows], np.arange(10, 40), 50)
    np.testing.assert_allclose(total, inner[:, 10:40].sum(axis=1))
    assert asked == [7, 7, 7, 7, 2]


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
def test_herding_is_greedy_and_closer_than_chance(kernel):
    x = np.random.default_rng(0).normal(size=(80, 4))
    pool = cl.Embedding(vectors=x, metric="euclidean")
    centred = x - x.mean(axis=0)
    square = ((x[:, None] - x) ** 2).sum(axis=2)
    inner = centred @ centred.T if kernel == "linear" else np.exp(-square / square.mean())

    def gap(rows):
        w = np.full(80, -1 / 80)
        w[list(rows)] += 1 / len(rows)
        return np.sqrt(w @ inner @ w)

    pick = picked(pool, 10, Herding(kernel=kernel))
    for i in range(10):
        done = pick.rows[:i].tolist()
        best = min(gap([*done, j]) for j in set(range(80)) - set(done))
        assert gap([*done, pick.rows[i]]) == pytest.approx(best, abs=1e-4)
    assert pick.details["gap"] == pytest.approx(gap(pick.rows), abs=1e-4)
    assert pick.details["gap"] < 0.5 * np.mean(
        [gap(picked(pool, 10, "random", seed=s).rows) for s in range(20)]
    )


# ---- facility_location ---------------------------------------------------------------------------


def served(x):
    """Return 1 / (1 + distance), in units of the root mean squared distance to the mean."""
    unit = np.sqrt(np.square(x - x.mean(axis=0)).sum(axis=1).mean())
    return 1 / (1 + np.linalg.norm(x[:, None] - x, axis=2) / unit)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("chosen", [[], [3, 70]])
def test_facility_location_is_greedy(metric, chosen):
    x = np.random.default_rng(0).normal(size=(150, 5))
    pool = cl.Embedding(vectors=x, metric=metric)
    if metric == "cosine":
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        similarity = np.maximum(unit @ unit.T, 0)
    else:
        similarity = served(x)
    pick = picked(pool, 30, FacilityLocation(), chosen=chosen)
    best = similarity[chosen].max(axis=0, initial=0)
    for row, gain in zip(pick.rows, pick.gain, strict=True):
        gains = np.maximum(similarity - best, 0).mean(axis=1)
        assert gain == pytest.approx(gains[row], abs=1e-4)
        assert gains[row] == pytest.approx(gains.max(), abs=1e-4)
        best = np.maximum(best, similarity[row])
    assert pick.details["coverage"] == pytest.approx(best.mean(), abs=1e-4)


def test_facility_location_on_drawn_rows_is_nearly_as_good():
    pool, _ = planted((300, 200, 100, 80))
    similarity = served(pool.vectors)
    exact, drawn, chance = (
        similarity[picked(pool, 20, method).rows].max(axis=0).mean()
        for method in (FacilityLocation(), FacilityLocation(n_served=300, slack=0.01), "random")
    )
    assert chance < 0.98 * drawn < drawn < exact < 1.05 * drawn


def test_facility_location_takes_far_rows_last():
    pool, group = planted((200, 100, 50, 30), n_far=6)
    assert set(group[picked(pool, 4, FacilityLocation()).rows]) == {0, 1, 2, 3}
    assert (group[picked(pool, 10, FacilityLocation()).rows] == -1).sum() <= 2


# ---- stratified ----------------------------------------------------------------------------------

KIND = np.repeat(["a", "b", "c", "d"], [60, 30, 8, 2])


def dealt(k, method, **parts):
    pick = picked(cl.Pool(embedding=np.eye(100), **{"labels": KIND, **parts}), k, method)
    return pick.details["strata"].set_index("stratum")["picked"].to_dict()


@pytest.mark.parametrize(
    ("share", "k", "counts"),
    [
        ("proportional", 50, [30, 15, 4, 1]),
        ("proportional", 2, [1, 1, 0, 0]),
        ("proportional", 100, [60, 30, 8, 2]),
        ("equal", 4, [1, 1, 1, 1]),
        ("equal", 30, [10, 10, 8, 2]),
    ],
)
def test_shares(share, k, counts):
    assert list(dealt(k, Stratified(share=share)).values()) == counts


def test_chosen_rows_count_towards_the_share():
    method = Stratified(share="equal")
    assert dealt(9, method, chosen=range(3)) == {"a": 0, "b": 4, "c": 3, "d": 2} or dealt(
        9, method, chosen=range(3)
    ) == {"a": 0, "b": 3, "c": 4, "d": 2}


def test_with_fewer_picks_than_strata_chance_decides_under_equal():
    seen = {
        KIND[picked(np.eye(100), 1, Stratified(share="equal"), seed=s, labels=KIND).rows[0]]
        for s in range(40)
    }
    assert seen == {"a", "b", "c", "d"}


def test_strata_are_labels_then_groups_then_clusters():
    half = KIND.astype(object)
    half[::2] = None
    site = np.repeat(["n", "s"], 50)
    assert set(dealt(10, Stratified(), groups=site)) == {"a", "b", "c", "d"}
    assert set(dealt(10, Stratified(), labels=half, groups=site)) == {"n", "s"}
    assert len(dealt(10, Stratified(by="labels"), labels=half)) == 5
    pool, group = planted((40, 30, 20))
    rows = picked(pool, 9, Stratified(n_clusters=3, share="equal")).rows
    assert np.bincount(group[rows]).tolist() == [3, 3, 3]


def test_within_a_stratum_every_row_is_as_likely():
    pool, rng, counts = cl.Pool(embedding=np.eye(100), labels=KIND), np.random.default_rng(0), 0
    for _ in range(400):
        counts += np.bincount(Stratified()(pool, 10, rng=rng)[0], minlength=100)
    assert np.abs(counts[:60] / 400 - 0.1).max() < 0.06  # 4 standard deviations


# ---- settings ------------------------------------------------------------------------------------


def test_strata_that_the_pool_lacks():
    with pytest.raises(ValueError, match="'by'") as error:
        picked(np.eye(4), 1, Stratified(by="groups"))
    assert str(error.value) == (
        "The 'by' parameter must be what the pool has, or None. Got 'groups' instead. "
        "Pass groups=… in the pool, or choose by='clusters'."
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Typicality(n_neighbors=0),
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            lambda: ProbCover(n_clusters=1),
            "The 'n_clusters' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            lambda: ProbCover(purity=2),
            "The 'purity' parameter must be a number from 0 to 1. Got 2 instead.",
        ),
        (
            lambda: FacilityLocation(n_served=0),
            "The 'n_served' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            lambda: FacilityLocation(slack=1),
            "The 'slack' parameter must be a number from 0 to 0.5. Got 1 instead.",
        ),
        (
            lambda: Herding(kernel="linea"),
            "The 'kernel' parameter must be one of 'linear', 'gaussian'. Got 'linea' instead. "
            "Did you mean 'linear'?",
        ),
        (
            lambda: Stratified(share="even"),
            "The 'share' parameter must be one of 'proportional', 'equal'. Got 'even' instead.",
        ),
    ],
)
def test_settings_out_of_bounds(make, said):
    with pytest.raises(ValueError, match="parameter") as error:
        make()
    assert str(error.value) == said
