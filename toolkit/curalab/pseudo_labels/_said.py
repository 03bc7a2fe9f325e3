"""What held-out labels say of the labels proposed, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from curalab.pseudo_labels._calibration import table_of

if TYPE_CHECKING:
    from curalab.pseudo_labels._curve import Honesty

__all__ = ["EASY", "said"]

EASY = "the rows judged are easier than the unlabelled ones, so this is too good"
_SHORT = "the runs judged had fewer labels than this one, so this may be too low"
_FEW = 10  # labels a class, of which a fold takes many away


def said(honesty: Honesty) -> str:
    """Return what was found."""
    return "; ".join(_parts(honesty))


def _parts(found: Honesty) -> Iterator[str]:
    old, n_new = found._seen(0.0), int((~found.soft.given).sum())
    if old["n"]:
        held = f"for {len(found.covered):,} of {n_new:,} unlabelled rows"
        yield f"{_share(old)} of the proposals are right, seen on {_rows(old['n'])}, {held}"
    else:
        yield f"no proposal of a known class was judged, of {n_new:,} unlabelled rows"
    if n_left := len(found.unjudged):
        yield f"{n_left:,} {'class' if n_left == 1 else 'classes'} could not be judged"
    error = found.calibration_error
    if not np.isnan(error["after"]):
        yield (
            f"confidence is off by {error['after']:.3f} on average "
            f"({error['before']:.3f} before calibration, {error['chance']:.3f} by chance)"
        )
    new = found._counted[found._counted["is_new"]]
    if len(new):
        got = table_of(new["right"].to_numpy(dtype=bool), new["weight"].to_numpy())
        told = f"of the proposals of discovered classes are right, seen on {_rows(got['n'])}"
        yield f"{_share(got)} {told}"
    if found.is_easy:
        yield EASY
    if _is_short(found):
        yield _SHORT


def _is_short(found: Honesty) -> bool:
    """Return whether labels were hidden of classes that have few of them."""
    if found.params.get("n_folds") is None:
        return False
    n_labels = np.unique(found.soft.labels[found.soft.given], return_counts=True)[1]
    return bool(np.median(n_labels) < _FEW)


def _share(got: dict[str, float]) -> str:
    return f"{got['accuracy']:.1%} ({got['low']:.1%} to {got['high']:.1%})"


def _rows(n: float) -> str:
    return "1 row" if round(n) == 1 else f"{n:,.0f} rows"
