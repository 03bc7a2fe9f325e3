"""Which share to keep at which budget: the law by hand, planted laws, a planted pool, errors."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.selectors._frontier import budget_frontier
from curalab.selectors._scaling import FilteringLaw, fit_law, sgd_errors

LAW = FilteringLaw(shares=(0.25, 1.0), sizes=(100, 400), utility=(0.6, 0.2), a=0.9, d=0.02, tau=2.0)


def test_the_law_by_hand():
    # The share of 1 mixes a quarter of .6 and three quarters of .2: .3, and repeats nothing yet.
    assert LAW.predict(1.0, 200) == pytest.approx(0.02 + 0.9 * 200**-0.3)
    # Two and a half passes over 100 rows: half as much after two passes.
    worn = 100**-0.6 * 2 ** (-0.6 * 2**-0.5) * 1.25 ** (-0.6 / 2)
    assert LAW.predict(0.25, 250) == pytest.approx(0.02 + 0.9 * worn)
    with pytest.raises(ValueError) as caught:
        LAW.predict(0.5, 10)
    assert str(caught.value) == "The 'share' parameter must be one of 0.25, 1.0. Got 0.5 instead."


def test_a_planted_law_is_found_again_beyond_what_was_run():
    seen = [50, 100, 200, 400, 800]
    runs = pd.DataFrame(
        [(share, n, 0, LAW.predict(share, n)) for share in LAW.shares for n in seen],
        columns=["share", "seen", "seed", "error"],
    )
    found = fit_law(runs, LAW.shares, 400)
    for share in LAW.shares:
        assert found.predict(share, 3200) == pytest.approx(LAW.predict(share, 3200), abs=0.01)
    assert found.utility[0] > found.utility[1]


def test_sgd_sees_as_many_rows_as_it_is_told():
    rng = np.random.default_rng(0)
    x = np.array([[-1.0], [1.0]], dtype=np.float32)
    errors = sgd_errors((x, np.array([0, 1])), (x, np.array([0, 1])), 2, [1, 2, 50], rng)
    assert errors[-1] == 0
    same = [
        sgd_errors((x, np.array([0, 1])), (x, np.array([1, 0])), 2, [9], np.random.default_rng(1))
        for _ in range(2)
    ]
    assert same[0] == same[1]


def planted(seed=0):
    """Classes overlap, and the chance of a wrong label falls with the quality."""
    rng = np.random.default_rng(seed)
    n, d, classes = 3000, 40, 6
    y = rng.integers(0, classes, n)
    means = rng.normal(size=(classes, d))
    x = 0.35 * means[y] + rng.normal(size=(n, d))
    quality = rng.random(n)
    given = np.where(rng.random(n) < 0.7 * (1 - quality), rng.integers(0, classes, n), y)
    pool, test = (
        cl.Pool(embedding=cl.Embedding(vectors=x[rows], metric="euclidean"), labels=labels[rows])
        for rows, labels in ((slice(2000), given), (slice(2000, None), y))
    )
    return pool, test, quality[:2000]


def test_few_good_rows_first_and_more_rows_for_long_training():
    pool, test, quality = planted()
    found = budget_frontier(
        pool, test, score=quality, budgets=[100, 20_000], shares=[0.03, 0.3, 1.0],
        measured=[50, 100, 200, 400, 800, 1600], random_state=0,
    )  # fmt: skip
    best = found.best["share"]
    assert best[20_000] > 0.03
    assert best[100] <= best[20_000]
    assert (found.frame.groupby("budget")["is_best"].sum() == 1).all()
    assert found.frame["error"].notna().sum() == 3 * 6
    longer = budget_frontier(
        pool, test, score=quality, budgets=[20_000], shares=[0.03, 0.3, 1.0],
        measured=[200, 2_000, 20_000], random_state=1, n_seeds=1,
    ).frame.set_index(["budget", "share"])["error"][20_000]  # fmt: skip
    assert longer[best[20_000]] < longer[0.03] - 0.03


def test_the_same_seed_gives_the_same_answer_and_rows_without_label_do_not_count():
    pool, test, quality = planted()
    labels = np.asarray(pool.labels).astype(object)
    labels[:100] = None
    quality = quality.copy()
    quality[:100] = np.nan
    few = pool.replace(labels=labels)
    settings = {"score": quality, "budgets": [800], "shares": [0.1, 1], "n_seeds": 1}
    one, two = (
        budget_frontier(few, test, measured=[100, 200, 400], random_state=3, **settings)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one.frame, two.frame)
    assert set(one.frame["rows"]) == {190, 1900}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"budgets": [200, 100]},
            "The 'budgets' parameter must be increasing numbers, at least one. "
            "Got 200, 100 instead.",
        ),
        (
            {"budgets": [100]},
            "The 'measured' parameter must be three increasing numbers or more. Got 64 instead. "
            "Without them they are 1/128 to 1/8 of the largest budget, of 64 or more.",
        ),
        (
            {"budgets": [9000], "score": np.r_[np.nan, np.ones(3)]},
            "The 'score' parameter must be finite for every labelled row. "
            "Got others for the ids 0 instead.",
        ),
    ],
)
def test_errors_say_what_to_do(settings, text):
    pool = cl.Pool(embedding=np.eye(4), labels=list("abab"))
    with pytest.raises(ValueError) as caught:
        budget_frontier(pool, pool, **{"score": np.ones(4), "shares": [0.5, 1], **settings})
    assert str(caught.value) == text
