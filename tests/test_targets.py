import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cleanlab.regression.rank import get_label_quality_scores
from sklearn.datasets import load_diabetes
from sklearn.metrics import average_precision_score

import curalab as cl
from curalab import AlignmentError, Embedding
from curalab.label_errors import TargetErrors, target_errors
from curalab.label_errors._targets import _judged, _spread


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def planted(y, kind, *, rate=0.05, seed=0):
    """Return targets of which some are wrong, and which they are."""
    rng = np.random.default_rng(seed)
    rows, y = rng.permutation(len(y))[: int(rate * len(y))], y.copy()
    if kind == "swapped":
        y[rows] = y[np.roll(rows, 1)]
    elif kind == "sign":
        y[rows] = -y[rows]
    else:
        y[rows] *= np.where(rng.random(len(rows)) < 0.5, 10, 0.1)
    return y, np.isin(np.arange(len(y)), rows)


def uneven(seed=0, n=1200):
    """Four columns; the noise grows twelvefold along the second."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = 3 + np.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] / 2 + x[:, 3] / 2
    noise = 0.05 + 0.6 / (1 + np.exp(-3 * x[:, 1]))
    return Embedding(vectors=x, metric="euclidean"), y + noise * rng.normal(size=n), noise


@pytest.fixture(scope="module")
def swapped():
    emb, y, noise = uneven()
    y, wrong = planted(y, "swapped")
    return target_errors(emb, y, random_state=0), y, wrong, noise


@pytest.fixture(scope="module")
def plane():
    """Rows on a plane with a little noise; row 7 has its sign wrong, row 9 its decimal point."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    truth = 10 + x @ [2.0, 1.0]
    y = truth + 0.1 * rng.normal(size=200)
    y[7], y[9] = -y[7], y[9] / 10
    return Embedding(vectors=x, metric="euclidean", ids=[f"r{i}" for i in range(200)]), y, truth


def test_wrong_values_are_worst_and_the_right_ones_suggested(plane):
    emb, y, truth = plane
    bad = target_errors(emb, y, random_state=0)
    assert isinstance(bad, TargetErrors)
    assert sorted(bad.worst(2)) == ["r7", "r9"]
    assert bad.is_error[[7, 9]].all()
    assert bad.is_error.sum() <= 6
    np.testing.assert_allclose(bad.suggested[[7, 9]], truth[[7, 9]], atol=0.5)
    assert np.abs(bad.suggested - truth).mean() < 0.15
    assert ((bad.quality >= 0) & (bad.quality <= 1)).all()


def test_quality_and_cut_by_hand():
    t = np.array([0.0, 1, -1, 1, -1, 1, -1, 1, -1, 6, np.nan])
    quality, is_error, reach = _judged(np.nan_to_num(t), np.isfinite(t))
    from scipy.stats import t as student

    np.testing.assert_allclose(quality[:2], [1, 2 * student.sf(1, 50)])
    assert quality[1] == quality[2]
    assert np.isnan(quality[10])
    assert np.flatnonzero(is_error).tolist() == [9]  # past 3.5 * 1.4826
    assert reach == pytest.approx(1.5)  # a tenth of the way from 1 to 6
    t[9] = 5
    assert not _judged(np.nan_to_num(t), np.isfinite(t))[1].any()


def test_spread_by_hand():
    """Residuals of 1 all around: a normal variable with a mean absolute of 1."""
    near = np.array([[j for j in range(6) if j != i] for i in range(6)])
    known = np.ones(6, dtype=bool)
    np.testing.assert_allclose(_spread(np.ones(6), near, known), np.sqrt(np.pi / 2))
    off = np.array([1.0, 1, 1, 1, 1, 1000])
    pulled = _spread(off, near, known)
    most = 3 * 1.4826
    every = (5 + most) / 6
    wanted = [(4 + most + 10 * every) / 15] * 5 + [(5 + 10 * every) / 15]
    np.testing.assert_allclose(pulled, np.sqrt(np.pi / 2) * np.array(wanted))
    known[5] = False
    off[5] = np.nan
    np.testing.assert_allclose(_spread(off, near, known), np.sqrt(np.pi / 2))


def test_the_spread_is_that_of_the_noise_nearby(swapped):
    bad, _, _, noise = swapped
    spread = bad.details["spread"]
    assert np.corrcoef(np.log(spread), np.log(noise))[0, 1] > 0.8
    assert 0.8 < np.median(spread / noise) < 2  # what is expected errs as well


def test_nine_of_ten_targets_lie_in_the_interval(swapped):
    bad, y, _, noise = swapped
    within = (y >= bad.low) & (y <= bad.high)
    assert within.mean() == pytest.approx(0.9, abs=0.01)
    for part in (noise < np.median(noise), noise > np.median(noise)):
        assert 0.85 < within[part].mean() < 0.95


def test_where_noise_is_uneven_better_than_cleanlab_and_than_the_residual(swapped):
    bad, y, wrong, _ = swapped
    ours = average_precision_score(wrong, -bad.quality)
    for method in ("outre", "residual"):
        theirs = get_label_quality_scores(y, bad.suggested, method=method)
        assert ours > average_precision_score(wrong, -theirs) + 0.05
    assert ours > average_precision_score(wrong, np.abs(y - bad.suggested)) + 0.05
    assert wrong[bad.is_error].mean() > 0.6


@pytest.mark.parametrize(("kind", "least"), [("swapped", 0.15), ("sign", 0.9), ("point", 0.8)])
def test_diabetes(kind, least):
    table = load_diabetes()
    emb = Embedding(vectors=table.data, metric="euclidean")
    ours, theirs = [], []
    for seed in range(3):
        y, wrong = planted(table.target, kind, seed=seed)
        bad = target_errors(emb, y, random_state=0)
        ours.append(average_precision_score(wrong, -bad.quality))
        theirs.append(average_precision_score(wrong, -get_label_quality_scores(y, bad.suggested)))
    assert np.mean(ours) > least
    assert np.mean(ours) > np.mean(theirs) - 0.005


def test_rows_without_a_target_are_not_judged_and_get_a_value(plane):
    emb, y, truth = plane
    y = y.copy()
    y[[0, 50]] = np.nan
    bad = target_errors(emb, y, random_state=0)
    assert np.isnan(bad.quality[[0, 50]]).all()
    assert not bad.is_error[[0, 50]].any()
    np.testing.assert_allclose(bad.suggested[[0, 50]], truth[[0, 50]], atol=1)
    assert len(bad.worst(198)) == 198
    assert message(ValueError, bad.worst, 199) == (
        "The 'n' parameter must be an integer from 0 to 198. Got 199 instead. 198 targets were "
        "judged."
    )
    listed = [None if np.isnan(v) else v for v in y]
    np.testing.assert_array_equal(target_errors(emb, listed, random_state=0).quality, bad.quality)


def test_targets_come_by_id(plane):
    emb, y, _ = plane
    series = pd.Series(y, index=emb.ids)
    plain = target_errors(emb, y, random_state=0)
    np.testing.assert_array_equal(target_errors(emb, series[::-1], random_state=0).low, plain.low)
    bare = Embedding(vectors=emb.vectors, metric="euclidean")
    named = target_errors(bare, series, random_state=0)
    assert named.ids.equals(emb.ids)
    np.testing.assert_array_equal(named.quality, plain.quality)


def test_units_do_not_matter(plane):
    emb, y, _ = plane
    plain = target_errors(emb, y, random_state=0)
    other = target_errors(emb, 1000 * y - 5, random_state=0)
    np.testing.assert_allclose(other.quality, plain.quality, atol=1e-6)
    np.testing.assert_allclose(other.suggested, 1000 * plain.suggested - 5)


def test_the_same_target_everywhere_is_clean_and_one_other_is_not():
    x = np.random.default_rng(0).normal(size=(60, 3))
    bad = target_errors(x, np.full(60, 5.0), random_state=0)
    assert (bad.quality == 1).all()
    assert not bad.is_error.any()
    np.testing.assert_allclose(bad.suggested, 5)
    y = np.full(60, 5.0)
    y[8] = 50
    assert target_errors(x, y, random_state=0).worst(1).tolist() == [8]


def test_equal_rows_are_expected_to_have_their_usual_value():
    y = np.random.default_rng(0).normal(size=40) + 7
    y[5] = 30
    bad = target_errors(Embedding(vectors=np.ones((40, 2)), metric="euclidean"), y, random_state=0)
    assert bad.worst(1).tolist() == [5]
    np.testing.assert_allclose(bad.suggested, np.median(y), atol=1)


def test_ten_rows_are_enough_and_nine_are_not():
    x = np.random.default_rng(0).normal(size=(10, 2))
    assert len(target_errors(x, np.arange(10.0), random_state=0)) == 10
    told = message(ValueError, target_errors, x, [None, *range(9)])
    assert told == "The 'target' parameter must be there for at least 10 rows. Got 9 instead."


def test_the_same_seed_gives_the_same_and_the_record_is_json(swapped):
    emb, y, _ = uneven()
    y, _ = planted(y, "swapped")
    again = target_errors(emb, y, random_state=0)
    np.testing.assert_array_equal(again.quality, swapped[0].quality)
    params = json.loads(json.dumps(again.params))
    assert params["verb"] == "target_errors"
    assert params["random_state"] == 0
    assert params["embedding"] == emb.fingerprint
    assert again.details["cut"]["marked"] == again.is_error.sum()
    assert repr(again) == f"TargetErrors(1,200 items, {again.is_error.sum()} target errors)"
    one = replace(again, is_error=np.arange(1_200) == 7)
    assert repr(one) == "TargetErrors(1,200 items, 1 target error)"


def test_the_disk_keeps_it(swapped, tmp_path):
    swapped[0].save(tmp_path / "kept")
    opened = TargetErrors.open(tmp_path / "kept")
    pd.testing.assert_frame_equal(opened.to_frame(), swapped[0].to_frame(), check_dtype=False)
    assert opened.to_frame().columns.tolist() == [
        "target_quality",
        "target_suggested",
        "target_low",
        "target_high",
        "target_is_error",
    ]


def test_it_is_listed():
    listed = cl.methods("label_errors").set_index("name")
    assert listed.loc["target_errors", "kind"] == "function"


@pytest.mark.parametrize(
    ("target", "error", "told"),
    [
        (["a"] * 200, TypeError, "numbers. Got other values instead."),
        (np.ones((200, 2)), ValueError, "one number a row. Got shape (200, 2) instead."),
        ([np.inf, *range(199)], ValueError, "finite, or missing. Got infinite values (ids 'r0') "),
        (np.ones(3), ValueError, "200 rows, one for each item. Got 3 rows instead."),
    ],
)
def test_refused_targets(plane, target, error, told):
    told += "instead." if told.endswith(" ") else ""
    assert message(error, target_errors, plane[0], target) == (
        f"The 'target' parameter must be {told}"
    )


def test_refused_ids(plane):
    emb, y, _ = plane
    other = pd.Series(y, index=[f"x{i}" if i == 3 else f"r{i}" for i in range(200)])
    assert message(AlignmentError, target_errors, emb, other) == (
        "The ids of 'target' and of the items must name the same rows. Got 'r3' only in the "
        "items; 'x3' only in 'target'. Select the same rows on both sides, or pass an array to go "
        "by position."
    )
