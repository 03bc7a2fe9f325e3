"""One block's work: the function is called, once more if it fails, and what it returns checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import complain

__all__ = ["Failed", "Job", "attempt", "takes_rng"]

_NUMBERS = "biufcmM"  # kinds of dtype; texts of different lengths have no common one


class Job(NamedTuple):
    """A function of a batch, and the seed of the generators it gets, if it takes one."""

    function: Callable[..., Any]
    draws: bool
    seed: int


class Failed(NamedTuple):
    """What a function said when it failed the second time."""

    said: str


def takes_rng(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter `rng`."""
    try:
        return "rng" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins have no signature
        return False


def attempt(job: Job, number: int, read: Callable[[], Any], n: int) -> Any:
    """Return what the function makes of block `number`, of `n` rows, or what went wrong twice."""
    said = ""
    for _ in range(2):
        # The same numbers whoever does the block, and at the second try too.
        given = {"rng": np.random.default_rng([job.seed, number])} if job.draws else {}
        try:
            return _checked(job.function(read(), **given), n)
        except Exception as error:  # the user's function may raise anything
            said = f"{type(error).__name__}: {error}"
    return Failed(said)


def _checked(made: Any, n: int) -> Any:
    """Return a DataFrame as it is, all else as an array of `n` rows."""
    rule = f"a function that returns {n:,} rows of numbers for {n:,} rows, or a DataFrame"
    if isinstance(made, pd.DataFrame):
        if not len(made.columns):
            hint = "Name them where there are no rows, too: pd.DataFrame(rows, columns=[…])."
            raise ValueError(complain("function", rule, what="one without columns", hint=hint))
        return made
    if isinstance(made, np.ma.MaskedArray):
        hint = "Fill it: made.filled(np.nan)."
        raise ValueError(complain("function", rule, what="a masked array", hint=hint))
    array = np.ascontiguousarray(_on_cpu(made))
    if made is None or len(array) != n or not array.size or array.dtype.kind not in _NUMBERS:
        got = type(made).__name__
        if isinstance(made, np.ndarray):
            got = f"shape {array.shape}, dtype {array.dtype}"
        raise ValueError(complain("function", rule, what=got))
    return array


def _on_cpu(made: Any) -> Any:
    return made.detach().cpu().numpy() if hasattr(made, "detach") else np.asarray(made)
