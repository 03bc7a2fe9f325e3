"""Features of time series."""

import numpy as np
import pandas as pd
import pytest

from curalab.encoders import embed
from curalab.encoders.series import SeriesFeatures, _by_length, _parts, _spectrum, _standard

RNG = np.random.default_rng(0)


def accuracy(train, y_train, test, y_test, k=5):
    """Share of test rows whose `k` nearest rows of the training vote for their class."""
    gap = ((test[:, None] - train[None]) ** 2).sum(axis=2)
    near = y_train[np.argsort(gap, axis=1)[:, :k]]
    return np.mean((near.mean(axis=1) > 0.5) == y_test)


def rhythms(n, rng, lengths=(100, 101)):
    """Return noisy waves, quick or slow, that begin anywhere; and which are slow."""
    kinds = rng.integers(2, size=n)
    made = []
    for kind in kinds:
        time = np.arange(rng.integers(*lengths))
        period = rng.uniform(*((7, 9), (11, 14))[kind])
        wave = np.sin(2 * np.pi * (time / period + rng.random()))
        made.append(wave + 0.7 * rng.normal(size=len(time)))
    return made, kinds


def groups(series, **settings):
    return SeriesFeatures(**settings)._features([np.asarray(s, dtype=float) for s in series])


# ---- by hand -------------------------------------------------------------------------------------


def test_a_ramp_and_a_square_wave_by_hand():
    ramp, square = np.arange(8.0), np.tile([1.0, 1.0, -1.0, -1.0], 2)
    values, course, lags, spectrum, shape = groups([ramp, square], n_parts=2, n_lags=2, n_bands=2)
    assert np.allclose(values[:, -2:], [[3.5**0.5, 5.25**0.25], [0, 1]])  # roots of mean, spread
    assert np.allclose(values[:, 7:9], [[7 / 8, 0], [0, 2 / 8]])  # places of largest and smallest
    assert np.allclose(course[0, :2], 1)  # the trend explains all
    assert np.allclose(course[:, 5], [1 / 8, 3 / 8])  # crossings of the mean a step
    assert np.allclose(lags[1], [1 / 8, -6 / 8, 2 / 8])  # first zero or below: lag 2 of 8
    assert np.allclose(spectrum[1, :2], [0, 1])  # one wave of 4 steps: the octave below 1/4
    assert np.isclose(spectrum[1, 2], 1 / 4)
    assert np.allclose(shape, [[-2 / 5.25**0.5, 2 / 5.25**0.5], [0, 0]])


def test_octaves_from_the_highest_frequency_down():
    time = np.arange(64)
    for period, octave in ((2, 0), (2.5, 0), (4, 1), (6, 1), (8, 2), (32, 3), (64, 3)):
        z, _, _ = _standard(np.cos(2 * np.pi * time / period)[None])
        assert _spectrum(z, 4)[0, :4].argmax() == octave


def test_parts_average_though_they_cut_through_a_step():
    weights = _parts(5, 2)
    assert np.allclose(weights.T, [[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    for length, n_parts in ((1, 3), (2, 5), (7, 3)):
        assert np.allclose(_parts(length, n_parts).sum(axis=0), 1)


def test_values_and_scale_touch_their_own_features_only():
    x = RNG.normal(size=30)
    one, other = (groups([s]) for s in (x, 100 * x + 5))
    assert np.allclose(one[0][:, :-2], other[0][:, :-2])
    assert not np.allclose(one[0][:, -2:], other[0][:, -2:])
    for a, b in zip(one[1:], other[1:], strict=True):
        assert np.allclose(a, b)


@pytest.mark.parametrize("x", [[3.0], [3.0, 3.0], [0.1] * 7, [0.0] * 50, [1.0, 2.0], [1, 2, 1]])
def test_short_and_constant_series_have_finite_features(x):
    made = groups([x])
    assert all(np.isfinite(part).all() for part in made)
    if len(set(x)) == 1:
        assert not any(part.any() for part in made[1:])
        assert not made[0][:, :-2].any()


# ---- the encoder ---------------------------------------------------------------------------------


def test_each_group_weighs_the_same():
    emb = embed(RNG.normal(size=(200, 40)), encoder=SeriesFeatures(), cache=False, random_state=0)
    spread = emb.vectors.var(axis=0)
    ends = np.cumsum([part.shape[1] for part in groups(np.zeros((1, 40)))])
    totals = [part.sum() for part in np.split(spread, ends[:-1])]
    assert np.allclose(totals, 1, atol=0.05)  # less what lies beyond 5 deviations
    assert emb.metric == "euclidean"


def test_unequal_lengths_keep_their_places():
    series, _ = rhythms(30, np.random.default_rng(1), lengths=(20, 60))
    emb = embed(series, encoder=SeriesFeatures(), cache=False, random_state=0)
    turned = embed(series[::-1], encoder=emb.encoder, cache=False)
    assert np.allclose(turned.vectors, emb.vectors[::-1], atol=1e-6)
    assert [at.tolist() for at, _ in _by_length([[1, 2], [1], [2, 3]])] == [[1], [0, 2]]


@pytest.mark.parametrize("wrap", [list, pd.DataFrame, lambda x: pd.Series(list(x)), np.float32])
def test_arrays_lists_and_tables_are_the_same(wrap):
    x = RNG.normal(size=(12, 20)).astype(np.float32)
    expected = embed(x, encoder=SeriesFeatures(), cache=False).vectors
    made = embed(wrap(x), encoder=SeriesFeatures(), cache=False).vectors
    assert np.allclose(made, expected, atol=1e-5)


def test_what_was_learned_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path))
    x = RNG.normal(size=(12, 20))
    first = embed(x, encoder=SeriesFeatures(), random_state=0)
    monkeypatch.setattr(SeriesFeatures, "_features", None)  # nothing may be computed again
    again = embed(x, encoder=SeriesFeatures(), random_state=0)
    assert np.array_equal(first.vectors, again.vectors)
    assert again.encoder.fitted is not None


def test_a_rhythm_is_known_wherever_it_begins():
    rng = np.random.default_rng(2)
    (train, y), (test, truth) = rhythms(30, rng), rhythms(100, rng)
    emb = embed(train, encoder=SeriesFeatures(), cache=False, random_state=0)
    new = embed(test, encoder=emb.encoder, cache=False)
    raw = accuracy(np.array(train), y, np.array(test), truth)
    assert accuracy(emb.vectors, y, new.vectors, truth) > max(0.9, raw + 0.1)


def test_a_far_value_counts_as_five_deviations():
    x = RNG.normal(size=(50, 20))
    encoder = embed(x, encoder=SeriesFeatures(), cache=False, random_state=0).encoder
    new = encoder.encode(x[:1] + 1e9)
    mean = new[0, len(groups(x[:1])[0][0]) - 2]
    assert np.isclose(mean, 5 / 11**0.5)  # one of 11 in its group


SERIES = "The 'data' parameter must be series: one-dimensional, of at least one finite number each."


@pytest.mark.parametrize("odd", [[1.0, np.nan], [np.inf], [], "text", None, np.zeros((3, 2)), 4.0])
def test_what_is_no_series_is_refused(odd):
    with pytest.raises(ValueError) as error:
        SeriesFeatures().fit([[1.0, 2.0], odd, [3.0]], rng=RNG)
    assert str(error.value) == (
        f"{SERIES} Got 1 of 3 rows that are none (rows 1) instead. Drop or fill these rows."
    )


def test_settings_are_checked():
    with pytest.raises(ValueError) as error:
        SeriesFeatures(n_parts=0)
    assert str(error.value) == (
        "The 'n_parts' parameter must be an integer of 1 or more. Got 0 instead."
    )


@pytest.mark.data
def test_series_of_gunpoint(bench_data):
    found = np.load(bench_data / "ucr_shared" / "GunPoint.npz")
    emb = embed(found["X_train"], encoder=SeriesFeatures(), cache=False, random_state=0)
    new = embed(found["X_test"], encoder=emb.encoder, cache=False)
    y, truth = found["y_train"] == "1", found["y_test"] == "1"
    raw = accuracy(found["X_train"], y, found["X_test"], truth)
    assert accuracy(emb.vectors, y, new.vectors, truth) > raw + 0.08
