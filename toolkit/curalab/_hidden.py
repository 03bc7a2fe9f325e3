"""Outputs that hold numbers only, for data that must not be looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_metrics_only", "metrics_only", "refuse_to_show"]

_ON = ContextVar("metrics_only", default=False)


@contextmanager
def metrics_only() -> Iterator[None]:
    """Show numbers only: no item, text, picture, class name, note or person.

    Inside, results and audits show their counts, a ledger how many events it holds, `card` and
    `export` write counts instead of rows, and panels refuse to be made. The environment variable
    ``CURALAB_METRICS_ONLY=1`` does the same for a whole session, the command line included. What
    you look into yourself (`to_frame()`, arrays, `ledger.to_frame()`) holds what it holds, names
    of columns stay, and error messages name ids.

    Examples
    --------
    >>> import curalab as cl, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 4))
    >>> odd = cl.find_outliers(x, random_state=0)
    >>> with cl.metrics_only():
    ...     shown = odd._repr_html_()
    >>> "<table" in odd._repr_html_(), "<table" in shown
    (True, False)
    """
    token = _ON.set(True)
    try:
        yield
    finally:
        _ON.reset(token)


def is_metrics_only() -> bool:
    """Whether outputs are to hold numbers only."""
    return _ON.get() or os.environ.get("CURALAB_METRICS_ONLY", "") not in ("", "0")


def refuse_to_show(what: str) -> None:
    """Raise where numbers only are to be shown."""
    if is_metrics_only():
        raise PermissionError(
            f"{what} shows items, and metrics_only() or CURALAB_METRICS_ONLY says that these must "
            "not be looked at. Leave the with block, or unset the variable, where they may be."
        )
