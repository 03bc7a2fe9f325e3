"""Time series as statistics of their values, their course, their rhythm and their shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_integer, complain, first_few
from curalab.encoders._contract import refuse_unfitted

__all__ = ["SeriesFeatures"]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FLAT = 1e-6  # of the largest value: a spread below it is rounding
_CONSTANT = 1e-6  # so is that of a feature
_FAR = 5.0  # standard deviations


@dataclass(frozen=True, kw_only=True)
class SeriesFeatures:
    """Statistics of a time series: values, course, autocorrelation, spectrum and shape.

    Needs no training and little data, and takes series of unequal length. The distance is
    Euclidean; each of the five groups of features has the same weight in it.

    Parameters
    ----------
    n_parts : int, default=8
        Equal parts of a series whose means tell its shape; what happens earlier or later in time
        is told apart by them alone. 1 sees no shape.
    n_lags : int, default=8
        Steps in time up to which a series is compared with itself.
    n_bands : int, default=6
        Octaves of the spectrum, from the highest frequency down; the last one holds all below.

    Notes
    -----
    - Values: mean and standard deviation as they are (the sign kept, roots taken). All else is
      computed on the series minus its mean over its standard deviation: five quantiles, skewness
      and kurtosis, where the largest and the smallest value are.
    - Course: linear trend and the share it explains, the spread of first and second differences,
      the skewness of the former (slow up, fast down), crossings of the mean and turning points
      a step.
    - Autocorrelation at each lag, and at its first zero the lag's share of the length.
    - Spectrum: the root of each octave's share in the power, its centroid and its entropy.
    - Shape: the means of equal parts.

    Features are standardised by the rows of the fit, and no deviation counts as more than 5. A
    constant series has zeros for all but its mean.

    With 50 series of GunPoint 5 neighbours are right on 94 % of the others (80 % on the values
    themselves); with 67 of ItalyPowerDemand, days that all begin at midnight, on 94 % (95 %).

    References
    ----------
    .. [1] Field standard; Fulcher, Jones (2017), "hctsa: A Computational Framework for Automated
       Time-Series Phenotyping Using Massive Feature Extraction", Cell Systems 5(5).
    .. [2] Keogh, Chakrabarti, Pazzani, Mehrotra (2001), "Dimensionality Reduction for Fast
       Similarity Search in Large Time Series Databases", Knowledge and Information Systems 3(3),
       for the means of equal parts.
    """

    takes: ClassVar[None] = None  # rows as they are: a list of arrays has no other name yet
    metric: ClassVar[str] = "euclidean"
    cost: ClassVar[str] = "about 1 s for 10,000 series of 1,000 steps"

    n_parts: int = 8
    n_lags: int = 8
    n_bands: int = 6
    fitted: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("n_parts", "n_lags", "n_bands"):
            check_integer(name, getattr(self, name), low=1)

    def fit(self, data: Any, *, rng: np.random.Generator) -> SeriesFeatures:
        """Return an encoder that knows the mean and the spread of each feature."""
        known = []
        for group in self._features(data):
            spread = group.std(axis=0)
            varies = spread > _CONSTANT
            weight = max(1, varies.sum()) ** -0.5
            known.append((group.mean(axis=0), np.where(varies, spread, 1), weight))
        return replace(self, fitted=known)

    def encode(self, batch: Any) -> FloatArray:
        """Return one row of features a series, shape (b, d)."""
        refuse_unfitted(self)
        groups = zip(self._features(batch), self.fitted, strict=True)
        made = [
            ((group - centre) / spread).clip(-_FAR, _FAR) * weight
            for group, (centre, spread, weight) in groups
        ]
        return np.hstack(made).astype(np.float32)

    def _features(self, rows: Any) -> list[FloatArray]:
        """Return five groups of features, each (n, some)."""
        n = len(rows)
        made: list[FloatArray] = []
        for at, x in _by_length(rows):
            z, mean, spread = _standard(x)
            parts = [
                np.hstack([_values(z), np.sign(mean) * abs(mean) ** 0.5, spread**0.5]),
                _course(z),
                _autocorrelation(z, self.n_lags),
                _spectrum(z, self.n_bands),
                z @ _parts(z.shape[1], self.n_parts),
            ]
            made = made or [np.empty((n, part.shape[1])) for part in parts]
            for out, part in zip(made, parts, strict=True):
                out[at] = part
        return made


def _by_length(rows: Any) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the numbers and the values (m, length) of the series of each length."""
    if isinstance(rows, pd.DataFrame):
        rows = rows.to_numpy()
    listed = [_numbers(row) for row in rows]
    odd = [i for i, row in enumerate(listed) if row is None or not np.isfinite(row).all()]
    if odd:
        got = f"{len(odd):,} of {len(listed):,} rows that are none (rows {first_few(odd)})"
        rule = "series: one-dimensional, of at least one finite number each"
        raise ValueError(complain("data", rule, what=got, hint="Drop or fill these rows."))
    sizes = np.array([len(row) for row in listed])
    for size in np.unique(sizes):
        at = np.flatnonzero(sizes == size)
        yield at, np.stack([listed[i] for i in at])


def _numbers(row: Any) -> Any:
    """Return a series as an array of floats, None where it is none."""
    try:
        array = np.asarray(row, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 1 and len(array) else None


def _standard(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return series of mean 0 and deviation 1, or of zeros; their means; their deviations."""
    mean, spread = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    spread = np.where(spread > _FLAT * abs(x).max(axis=1, keepdims=True), spread, 0)
    z = (x - mean) / np.where(spread > 0, spread, 1) * (spread > 0)
    return z, mean, spread


def _values(z: FloatArray) -> FloatArray:
    length = z.shape[1]
    flat = ~z.any(axis=1)
    places = np.stack([z.argmax(axis=1), z.argmin(axis=1)], axis=1) / length
    places[flat] = 0
    skewness, kurtosis = np.cbrt((z**3).mean(axis=1)), np.sqrt(np.sqrt((z**4).mean(axis=1)))
    return np.column_stack([np.quantile(z, _QUANTILES, axis=1).T, skewness, kurtosis, places])


def _course(z: FloatArray) -> FloatArray:
    n, length = z.shape
    time = np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
    slope = z @ time / max(1e-12, np.linalg.norm(time) * length**0.5)  # a correlation
    steps = np.diff(z, axis=1) if length > 1 else np.zeros((n, 1))
    bends = np.diff(steps, axis=1) if length > 2 else np.zeros((n, 1))
    spread = steps.std(axis=1)
    lean = ((steps - steps.mean(axis=1, keepdims=True)) ** 3).mean(axis=1)
    lean = np.cbrt(lean) / np.where(spread > 0, spread, 1)
    crossings, turns = (_sign_changes(part) / length for part in (z, steps))
    return np.column_stack([slope, slope**2, spread, bends.std(axis=1), lean, crossings, turns])


def _sign_changes(x: FloatArray) -> IntArray:
    return np.asarray((np.diff(x > 0, axis=1)).sum(axis=1))


def _power(z: FloatArray, n_points: int) -> FloatArray:
    made = np.fft.rfft(z, n_points, axis=1)
    return made.real**2 + made.imag**2


def _autocorrelation(z: FloatArray, n_lags: int) -> FloatArray:
    n, length = z.shape
    n_points = 2 ** int(np.ceil(np.log2(2 * length)))
    lagged = np.fft.irfft(_power(z, n_points), axis=1)[:, :length] / length
    falls = np.hstack([lagged[:, 1:] <= 0, np.ones((n, 1), dtype=bool)])
    first = (falls.argmax(axis=1) + 1) / length * z.any(axis=1)
    out = np.zeros((n, n_lags))
    n_seen = min(n_lags, length - 1)
    out[:, :n_seen] = lagged[:, 1 : n_seen + 1]
    return np.column_stack([out, first])


def _spectrum(z: FloatArray, n_bands: int) -> FloatArray:
    length = z.shape[1]
    power = _power(z, length)[:, 1:]
    frequency = np.fft.rfftfreq(length)[1:]
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    octave = np.minimum(np.floor(-np.log2(2 * frequency) + 1e-9), n_bands - 1)
    bands = share @ (octave[:, None] == np.arange(n_bands))
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)
    entropy /= np.log(max(2, share.shape[1]))
    return np.column_stack([np.sqrt(bands), share @ frequency, entropy])


def _parts(length: int, n_parts: int) -> FloatArray:
    """Return weights (length, n_parts) that average equal parts; a step may lie in two of them."""
    edges, step = np.linspace(0, length, n_parts + 1), np.arange(length)[:, None]
    overlap = np.minimum(edges[1:], step + 1) - np.maximum(edges[:-1], step)
    return np.asarray(overlap.clip(min=0) * (n_parts / length))
