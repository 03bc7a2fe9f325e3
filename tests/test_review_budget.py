import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, find_label_errors
from curalab.label_errors import LabelErrors, rank_stability, review_budget


def ranking(quality):
    n = len(quality)
    return LabelErrors(
        ids=pd.Index([f"r{i}" for i in range(n)]),
        quality=np.asarray(quality, float),
        suggested=np.full(n, "a", dtype=object),
        is_error=np.zeros(n, dtype=bool),
        params={},
    )


def test_without_verdicts_quality_is_taken_at_its_word():
    quality = np.concatenate([np.full(50, 0.1), np.full(950, 0.999)])
    budget = review_budget(ranking(quality), {}, random_state=0)
    assert (budget.reviewed, budget.found, budget.stop) == (0, 0, False)
    assert budget.low < 45 + 0.95 < budget.high
    assert budget.ahead.index[0] == "r0"
    assert budget.ahead["found"].iloc[-1] == pytest.approx(budget.remaining)


@pytest.mark.parametrize("slope", [0.5, 1.0])
def test_the_interval_covers_what_is_left_and_shrinks(slope):
    inside, widths = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        z = rng.normal(3, 2, size=2_000)  # log-odds of being right
        quality, wrong = 1 / (1 + np.exp(-z)), rng.random(2_000) < 1 / (1 + np.exp(slope * z))
        order = np.argsort(quality)
        rows = [*order[:200], *rng.choice(order[200:], 50, replace=False)]
        verdicts = {f"r{i}": bool(wrong[i]) for i in rows}
        budget = review_budget(ranking(quality), verdicts, random_state=0)
        left = wrong.sum() - budget.found
        inside.append(budget.low <= left <= budget.high)
        first = {f"r{i}": bool(wrong[i]) for i in order[:20]}
        before = review_budget(ranking(quality), first, random_state=0)
        widths.append((before.high - before.low, budget.high - budget.low))
    assert np.mean(inside) >= 0.8
    before, after = np.mean(widths, axis=0)
    assert after < before / 2


def test_stop_when_nothing_more_is_found():
    quality = np.concatenate([np.full(30, 0.02), np.linspace(0.9, 0.9999, 970)])
    verdicts = {f"r{i}": i < 30 for i in range(700)}
    budget = review_budget(ranking(quality), verdicts, random_state=0)
    assert budget.stop
    assert budget.recall_low >= 0.9
    assert repr(budget).startswith("ReviewBudget(30 wrong of 700 reviewed")
    assert repr(budget).endswith("left: stop)")
    wrong_everywhere = {f"r{i}": True for i in range(300)}
    assert not review_budget(ranking(quality), wrong_everywhere, random_state=0).stop


def test_all_reviewed_and_rows_that_were_not_judged():
    quality = np.array([0.1, 0.9, np.nan, 0.8])
    budget = review_budget(ranking(quality), {"r0": True, "r1": False, "r3": False}, random_state=0)
    assert (budget.remaining, budget.low, budget.high, budget.recall) == (0, 0, 0, 1)
    assert budget.stop
    assert budget.ahead.empty


def test_verdicts_are_checked():
    errors = ranking([0.1, 0.9, np.nan])
    with pytest.raises(ValueError) as caught:
        review_budget(errors, {"r2": True})
    assert str(caught.value) == (
        "The 'verdicts' parameter must be of labels that were judged. Got id 'r2' instead."
    )
    with pytest.raises(ValueError) as caught:
        review_budget(errors, {"r0": "yes"})
    assert str(caught.value) == (
        "The 'verdicts' parameter must be True (wrong) or False (right). Got 'yes' instead."
    )
    with pytest.raises(KeyError, match="unknown ids 'nobody'"):
        review_budget(errors, {"nobody": True})


def test_on_planted_errors_a_review_in_order_says_when_it_is_done():
    rng = np.random.default_rng(0)
    which = rng.integers(4, size=800)
    x = 3 * rng.normal(size=(4, 8))[which] + rng.normal(size=(800, 8))
    wrong = rng.random(800) < 0.08
    given = np.where(wrong, (which + 1) % 4, which)
    bad = find_label_errors(Embedding(vectors=x, metric="euclidean"), given, random_state=0)
    order = np.argsort(bad.quality)
    early = review_budget(bad, {i: bool(wrong[i]) for i in order[:20]}, random_state=0)
    late = review_budget(bad, {i: bool(wrong[i]) for i in order[:400]}, random_state=0)
    assert not early.stop
    assert late.stop
    assert late.found >= 0.9 * wrong.sum()


# ---- rank stability ------------------------------------------------------------------------------


def test_ranks_by_hand():
    given, corrected = [*"aaaabbbb"], [*"aaaaabbb"]  # one label in eight was wrong
    models = pd.DataFrame({"repeats": [*"aaaabbba"], "right": [*"aaaaabba"]})
    found = rank_stability(models, given, corrected, random_state=0)
    table = found.models
    assert table.index.tolist() == ["right", "repeats"]
    assert table["accuracy_given"].to_dict() == {"right": 6 / 8, "repeats": 7 / 8}
    assert table["accuracy_corrected"].to_dict() == {"right": 7 / 8, "repeats": 6 / 8}
    assert table["rank_given"].tolist() == [2, 1]
    assert found.changed == 1
    pair = found.pairs.iloc[0]
    assert pair["flips"]
    assert pair["prevalence"] == pytest.approx(1 / 8)
    assert found.by_prevalence["tau"].iloc[0] == -1
    assert repr(found) == "RankStability(2 models, 1 labels changed, 1 of 1 pairs change places)"


def test_the_share_of_wrong_labels_at_which_two_models_change_places():
    n = 1000
    corrected = np.zeros(n, dtype=int)
    given = corrected.copy()
    given[:100] = 1  # 10 % wrong
    robust, copies = corrected.copy(), corrected.copy()
    copies[:100] = 1  # repeats all wrong labels
    robust[100:150] = 2
    copies[100:300] = 2
    found = rank_stability({"robust": robust, "copies": copies}, given, corrected, random_state=0)
    # on right labels: 850 of 900 against 700; on wrong ones: 0 of 100 against 100
    lead = (850 - 700) / 900
    assert found.pairs["prevalence"].iloc[0] == pytest.approx(lead / (1 + lead))
    assert not found.pairs["flips"].iloc[0]
    assert found.by_prevalence["flip"].iloc[-1] == 1


def test_rows_that_nobody_could_label_are_left_out_and_ids_are_aligned():
    ids = pd.Index(["x", "y", "z"])
    models = pd.DataFrame({"m": [*"aab"], "k": [*"abb"]}, index=ids)
    corrected = pd.Series(["a", None, "b"], index=ids)
    found = rank_stability(models, pd.Series([*"aba"], index=ids[::-1]), corrected, random_state=0)
    assert found.models["accuracy_corrected"].tolist() == [1, 1]
    assert found.changed == 1


def test_refused():
    with pytest.raises(ValueError) as caught:
        rank_stability({"one": [*"ab"]}, [*"ab"], [*"ab"])
    assert str(caught.value) == (
        "The 'predictions' parameter must be of two models or more. Got 1 instead."
    )
    with pytest.raises(ValueError) as caught:
        rank_stability({"one": [*"ab"], "two": [*"ab"]}, [*"ab"], [None, None])
    assert str(caught.value) == (
        "The 'corrected' parameter must be present for some row. Got none instead."
    )
