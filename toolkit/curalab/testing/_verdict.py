"""Promises, kept or broken, and how that is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["KEPT", "WROTE", "Verdict", "equal", "report", "tried"]

Verdict = tuple[bool | None, str]  # None: not checked; the text says why, or what to do
KEPT: Verdict = (True, "")
WROTE: Verdict = (False, "It tried to write into its input. Work on a copy: x = array.copy().")


def tried(check: Callable[[], Verdict]) -> Verdict:
    """Return what `check` finds; what it raises is a broken promise."""
    try:
        return check()
    except Exception as error:  # what is under test may raise anything
        if "read-only" in str(error):
            return WROTE
        said = str(error).partition("broke its contract: ")[2] or str(error)
        named = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return False, named + said.partition("\n")[0]


def report(verdicts: Mapping[str, Verdict], who: str, contract: str) -> pd.DataFrame:
    """Return the verdicts as a table, or raise one error with all broken promises."""
    broken = [f"- {promise}: {note}" for promise, (kept, note) in verdicts.items() if kept is False]
    if broken:
        count = "a promise" if len(broken) == 1 else f"{len(broken)} promises"
        raise ValueError("\n".join([f"{who} breaks {count}:", *broken, f"Contract: {contract}"]))
    rows = [(promise, kept, note) for promise, (kept, note) in verdicts.items()]
    return pd.DataFrame(rows, columns=["promise", "kept", "note"], dtype=object)


def equal(a: Any, b: Any) -> bool:
    """Whether two answers are the same, number by number; NaN is NaN."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, pd.Series | pd.DataFrame):
        return bool(a.equals(b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        same = pd.Series(list(a.ravel())).equals(pd.Series(list(b.ravel())))
        return a.shape == b.shape and same
    return bool(a == b)
