"""Checks of encoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import complain, first_few
from curalab.encoders._contract import find_encoder, kinds_of, needs_fit, takes_of
from curalab.encoders._rows import cut, ids_of, kind_of_data, rows_for
from curalab.pool import find_stage
from curalab.testing._verdict import KEPT, Verdict, equal, report, tried

__all__ = ["check_encoder"]

_NOTHING: Verdict = (None, "Not checked: it has nothing to learn, or has learned it.")
_CONTRACT = (
    "An encoder has encode(batch), which returns (b, d) float32, says what it takes, and where it "
    "learns has fit(data, *, rng), which returns a new, fitted encoder."
)


def check_encoder(encoder: Any, data: Any) -> pd.DataFrame:
    """Check that an encoder keeps its promises.

    Parameters
    ----------
    encoder : str, encoder or callable
        A name; an encoder with ``encode(batch)`` and, where it learns, ``fit(data, *, rng)``; or
        a function of a batch.
    data : Series, DataFrame, list or ndarray
        Items to try it on, 4 or more, as `embed` takes them.

    Returns
    -------
    pandas.DataFrame
        One row a promise: `promise`, `kept` (True, or None where it could not be checked) and a
        `note`.

    Raises
    ------
    ValueError
        Promises are broken. The error lists all of them and says what to do.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> def sizes(batch):
    ...     return np.array([[len(text), text.count(" ")] for text in batch], dtype=np.float32)
    >>> checked = cl.testing.check_encoder(sizes, ["a", "b c", "d e f", "gh"])
    >>> int(checked["kept"].eq(True).sum())
    4
    """
    n = len(ids_of(data))
    if n < 4:
        raise ValueError(complain("data", "4 items or more", what=f"{n}"))
    kind = kind_of_data(data)
    name, made = find_encoder(find_stage("encoders"), encoder, kind)
    kinds = kinds_of(made)
    takes = kind if kind in kinds else next(iter(kinds), None)
    rows = rows_for(takes, data, ids_of(data), name=name)
    learns, fits = needs_fit(name, made), _NOTHING
    if learns:
        fits = tried(lambda: _fits(made, rows))
    verdicts = {
        "says what it takes": tried(lambda: _takes(name, made)),
        "fit returns a new, fitted encoder": fits,
    }
    if fits[0] is not False:
        fitted = made.fit(rows, rng=np.random.default_rng(0)) if learns else made
        trial = _Trial(getattr(fitted, "encode", fitted), rows, n)
        verdicts |= {
            "returns one row an item": tried(trial.has_a_row_an_item),
            "returns finite float32": tried(trial.is_finite_float32),
            "gives the same answer twice": tried(trial.repeats),
            "does not depend on the batch": tried(trial.agrees_in_parts),
        }
    return report(verdicts, f"The encoder {getattr(made, '__name__', name)!r}", _CONTRACT)


def _takes(name: str, encoder: Any) -> Verdict:
    if takes_of(name, encoder) is None:
        return None, "It does not say: it gets the rows as they are."
    return KEPT


def _fits(encoder: Any, rows: Any) -> Verdict:
    first, second = (encoder.fit(rows, rng=np.random.default_rng(0)) for _ in range(2))
    if first is encoder or first is None:
        got = "itself" if first is encoder else "None"
        hint = "dataclasses.replace(self, …) makes a copy that holds what was learned."
        return False, f"It returned {got}. {hint}"
    if equal(np.asarray(first.encode(rows)), np.asarray(second.encode(rows))):
        return KEPT
    return False, "Two fits with the same generator differ. Draw everything from rng."


class _Trial(NamedTuple):
    """A function that encodes, and what it is tried on."""

    encode: Callable[[Any], Any]
    rows: Any
    n: int

    def has_a_row_an_item(self) -> Verdict:
        shape = np.shape(self.encode(self.rows))
        if len(shape) == 2 and shape[0] == self.n and shape[1] > 0:
            return KEPT
        return False, f"The shape must be ({self.n}, d) for {self.n} items. Got {shape}."

    def is_finite_float32(self) -> Verdict:
        made = np.asarray(self.encode(self.rows))
        if made.dtype.kind not in "fiub":
            return False, f"It must return numbers. Got dtype {made.dtype}."
        if not np.isfinite(made).all():
            bad = np.argwhere(~np.isfinite(made))[:, 0]
            return (
                False,
                f"All numbers must be finite. Got others in rows {first_few(np.unique(bad))}.",
            )
        if made.dtype != np.float32:
            return None, f"It returns {made.dtype}, which embed turns into float32."
        return KEPT

    def repeats(self) -> Verdict:
        if equal(np.asarray(self.encode(self.rows)), np.asarray(self.encode(self.rows))):
            return KEPT
        return False, "It draws when it encodes. Draw in fit, from rng; switch dropout off."

    def agrees_in_parts(self) -> Verdict:
        whole = np.asarray(self.encode(self.rows), dtype=float)
        ends = range(0, self.n, max(1, self.n // 3))
        parts = [cut(self.rows, at, min(at + ends.step, self.n)) for at in ends]
        made = [np.asarray(self.encode(part), dtype=float) for part in parts]
        if all(part.shape[1:] == whole.shape[1:] for part in made):
            joined = np.concatenate(made)
            if joined.shape == whole.shape and np.allclose(joined, whole, rtol=1e-3, atol=1e-5):
                return KEPT
        return False, (
            "A batch encoded in parts differs from the whole. What depends on the other items "
            "(means, vocabularies, padding) belongs into fit, or behind a mask."
        )
