"""Queries for an anomaly detector: coverage by hand, the share of anomalies, what labels add."""

import numpy as np
import pytest

import curalab as cl
from curalab.selectors.anomaly_query import AnomalyQuery, _contamination

LINE = cl.Embedding(vectors=np.array([[0.0], [1], [2.5], [9], [10.5]]), metric="euclidean")


def pick(embedding, k, *, seed=0, method=None, **settings):
    method = method or AnomalyQuery()
    return cl.select(embedding, k, method=method, random_state=seed, **settings)


# ---- which rows ----------------------------------------------------------------------------------


def test_the_coldest_takes_the_farthest_row_each_time():
    # the mean is 4.6, so row 2 (2.5) is first; then 8 away is row 4, 2.5 away row 0, and so on
    found = pick(LINE, 5, method=AnomalyQuery(temperature=0.001))
    assert found.ids.tolist() == [2, 4, 0, 3, 1]
    assert found.gain[1:] == pytest.approx([8, 2.5, 1.5, 1], abs=1e-5)
    assert np.isnan(found.gain[0])


def test_rows_are_drawn_by_exp_of_distance_over_diameter():
    # from chosen row 0: distances 1, 2.5, 9, 10.5 of a diameter of 10.5
    method = AnomalyQuery(temperature=0.5)
    counts = np.zeros(5)
    for seed in range(600):
        counts[pick(LINE, 1, seed=seed, chosen=[0], method=method).rows] += 1
    odds = np.exp(np.array([1, 2.5, 9, 10.5]) / 10.5 / 0.5)
    assert counts[0] == 0
    assert np.abs(counts[1:] / 600 - odds / odds.sum()).max() < 0.07


def test_the_hottest_draws_evenly():
    counts = np.zeros(5)
    for seed in range(400):
        counts[
            pick(LINE, 1, seed=seed, chosen=[0], method=AnomalyQuery(temperature=1_000)).rows
        ] += 1
    assert np.abs(counts[1:] / 400 - 1 / 4).max() < 0.09


def test_it_goes_on_from_chosen_rows():
    found = pick(LINE, 2, chosen=[0, 3], method=AnomalyQuery(temperature=0.001))
    assert found.ids.tolist() == [2, 4]
    assert found.gain == pytest.approx([2.5, 1.5], abs=1e-5)


def test_gain_under_cosine_is_one_minus_cosine():
    angles = np.deg2rad([0, 10, 90, 180])
    circle = cl.Embedding(vectors=np.c_[np.cos(angles), np.sin(angles)] * [[1], [5], [2], [9]])
    found = pick(circle, 2, chosen=[0], method=AnomalyQuery(temperature=0.001))
    assert found.ids.tolist() == [3, 2]
    assert found.gain == pytest.approx([2, 1], abs=1e-5)


def test_all_kinds_of_anomalies_are_seen_where_the_oddest_rows_are_of_one_kind():
    seen = []
    for seed in range(4):
        emb, kind = planted(seed)
        plain = emb.neighbors(10).distance.mean(axis=1)
        both = pick(emb, 12, seed=seed).rows, np.argsort(-plain)[:12]
        seen.append([len(set(kind[rows]) - {0}) for rows in both])
    query, oddest = np.mean(seen, axis=0)
    assert query > oddest + 1


# ---- the detector --------------------------------------------------------------------------------


def planted(seed):
    """Return 600 ordinary rows with 8 kinds of anomalies, 5 rows each, and the kind of each row."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, 10))
    centres *= (np.linspace(4, 12, 8) / np.linalg.norm(centres, axis=1))[:, None]
    odd = np.repeat(centres, 5, axis=0) + 0.3 * rng.normal(size=(40, 10))
    x = np.concatenate([rng.normal(size=(600, 10)), odd])
    kind = np.r_[np.zeros(600, dtype=int), np.repeat(np.arange(1, 9), 5)]
    order = rng.permutation(640)
    return cl.Embedding(vectors=x[order], metric="euclidean"), kind[order]


def oddness(emb, is_odd, picked):
    labels = np.full(len(emb), None, dtype=object)
    labels[picked] = is_odd[picked]
    return pick(emb, 1, labels=labels, chosen=picked).details["oddness"]


def test_its_labels_are_worth_more_than_those_of_random_and_of_the_oddest_rows():
    from sklearn.metrics import average_precision_score

    scores = {"query": [], "random": [], "odd": [], "no labels": []}
    for seed in range(4):
        emb, kind = planted(seed)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(emb))
        half, new = order[:320], order[320:]
        plain = emb.neighbors(10).distance.mean(axis=1)
        picked = {
            "query": pick(emb.take(half), 20, seed=seed).ids.to_numpy(),
            "random": rng.choice(half, 20, replace=False),
            "odd": half[np.argsort(-plain[half])[:20]],
        }
        told = {name: oddness(emb, kind > 0, rows) for name, rows in picked.items()}
        for name, score in {**told, "no labels": plain}.items():
            scores[name].append(average_precision_score(kind[new] > 0, score[new]))
    mean = {name: np.mean(values) for name, values in scores.items()}
    assert mean["query"] > mean["odd"] + 0.02
    assert mean["query"] > mean["random"] + 0.05
    assert mean["query"] > mean["no labels"] + 0.05


def test_the_share_of_anomalies_is_corrected_for_what_was_picked():
    # ordinary rows lie at 0 and anomalies at 1, a tenth of 100; five of each are labelled
    plain = np.r_[np.zeros(90), np.ones(10)]
    known, is_anomaly = np.r_[:5, 90:95], np.repeat([False, True], 5)
    # kernels of width 1/10: nothing of one heap reaches the other, so p/q is 0.1 / 0.5
    assert _contamination(plain, known, is_anomaly) == pytest.approx(0.1)
    assert is_anomaly.mean() == 0.5
    assert _contamination(plain, known, np.ones(10, dtype=bool)) == 0.5  # no more than half
    assert _contamination(plain, known, np.zeros(10, dtype=bool)) == 0


def test_the_share_is_about_right_on_rows_picked_far_out():
    gaps = []
    for seed in range(4):
        emb, kind = planted(seed)
        first = pick(emb, 40, seed=seed)
        told = pick(emb, 1, labels=kind > 0, chosen=first.ids)
        assert (kind[first.rows] > 0).mean() >= 0.15  # of 0.06 in the pool
        gaps.append(told.details["contamination"] - 40 / 640)
    assert np.abs(np.mean(gaps)) < 0.06


def test_without_a_known_anomaly_the_plain_oddness_stays():
    emb, kind = planted(0)
    usual = np.flatnonzero(kind == 0)[:15]
    plain = emb.neighbors(10).distance.mean(axis=1)
    assert np.array_equal(np.argsort(oddness(emb, kind > 0, usual)), np.argsort(plain))


def test_the_anomaly_is_named_where_labels_are_not_bool():
    emb, kind = planted(0)
    names = np.array(["fine", "dust", "crack"])[np.minimum(kind, 2)]
    chosen = pick(emb, 30).ids
    asked = {"labels": names, "chosen": chosen}
    one = pick(emb, 1, method=AnomalyQuery(anomaly="crack"), **asked).details
    two = pick(emb, 1, labels=names == "crack", chosen=chosen).details
    assert np.array_equal(one["oddness"], two["oddness"])
    assert "oddness" not in pick(emb, 1, **asked).details
    with pytest.raises(ValueError, match="anomaly") as error:
        pick(emb, 1, method=AnomalyQuery(anomaly="scratch"), **asked)
    assert str(error.value) == (
        "The 'anomaly' parameter must be one of the labels, 'crack', 'dust', 'fine'. "
        "Got 'scratch' instead."
    )


def test_labels_of_rows_that_are_not_chosen_are_not_looked_at():
    emb, kind = planted(0)
    assert "oddness" not in pick(emb, 1, labels=kind > 0).details
    labels = np.full(640, None, dtype=object)
    labels[:9] = True
    assert "oddness" not in pick(emb, 1, labels=labels, chosen=[20, 30]).details


# ---- the edges -----------------------------------------------------------------------------------


def test_it_keeps_the_promises_of_a_selector():
    kept = cl.testing.check_method("selectors", AnomalyQuery())["kept"]
    assert [bool(k) for k in kept if k is not None] == [True] * 8


@pytest.mark.filterwarnings("error")
def test_small_and_odd_pools():
    assert pick([[1.0, 2]], 1).ids.tolist() == [0]
    copies = np.ones((12, 3))
    assert sorted(pick(copies, 12).ids) == list(range(12))
    for labels in ([True] * 12, [False] * 12, [True, False] * 6):
        told = pick(copies, 6, labels=labels, chosen=range(6)).details
        assert np.isfinite(told["oddness"]).all()
        assert 0 <= told["contamination"] <= 1
    two = cl.select([[1.0, 2], [2, 1]], 1, labels=[True, None], chosen=[0], method=AnomalyQuery())
    assert two.details["oddness"].shape == (2,)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"temperature": 0},
            "The 'temperature' parameter must be a number from 0.001 to 1000. Got 0 instead.",
        ),
        (
            {"n_neighbors": 0},
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_settings_that_are_refused(settings, text):
    with pytest.raises(ValueError, match="parameter") as error:
        AnomalyQuery(**settings)
    assert str(error.value) == text
