"""What a list of verdicts amounts to, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from curalab.label_errors import ReviewBudget
from curalab_widgets._cards import plain
from curalab_widgets.review._verdicts import Verdict

__all__ = [
    "OPEN",
    "SKIPPED",
    "state_word",
    "told_agreement",
    "told_budget",
    "told_counts",
    "told_said",
    "told_state",
]

OPEN, SKIPPED = "open", "skipped"
_KINDS = ("kept", "relabelled", "dropped", SKIPPED, OPEN)
_SIGNS = dict(zip(_KINDS, "✓→✕…○", strict=True))


def state_word(verdict: Verdict | None, *, is_skipped: bool) -> tuple[str, str]:
    """Return the kind of state that an item is in, and the state in words."""
    if verdict is not None:
        return verdict.kind, verdict.word
    return (SKIPPED, SKIPPED) if is_skipped else (OPEN, OPEN)


def told_state(kind: str, word: str) -> str:
    """Return a state as HTML, with a sign."""
    return f"<small>{_SIGNS[kind]} {plain(word, limit=40)}</small>"


def told_counts(counts: Mapping[str, int], total: int, decided: int) -> str:
    """Return a bar and how many of the queue are in which state."""
    states = " · ".join(f"{counts[kind]:,} {kind}" for kind in _KINDS if counts.get(kind))
    return (
        f"<progress value='{decided}' max='{max(total, 1)}'></progress> "
        f"<b>{decided:,} of {total:,}</b> decided"
        f"<small class='curalab-said'>{'&ensp;' if states else ''}{states}</small>"
    )


def told_budget(budget: ReviewBudget, recall: float) -> str:
    """Return how many errors are found and left, and whether to stop, as HTML."""
    found = (
        f"<b>{budget.found:,} wrong of {budget.reviewed:,} reviewed</b>, about "
        f"{budget.remaining:,.0f} ({budget.low:,.0f}–{budget.high:,.0f}) left: "
        f"{budget.recall:.0%} of the wrong labels found."
    )
    if budget.stop and budget.reviewed:
        return (
            f"{found}<div class='curalab-review-stop'><b>✓ You may stop now.</b> With a "
            f"probability of 97.5 % at least {recall:.0%} of all wrong labels are among those "
            f"found; of the others at most about {budget.high:,.0f} are wrong.</div>"
        )
    ahead = budget.ahead["recall"].to_numpy()
    n = int(np.searchsorted(ahead, recall)) + 1
    if n > len(ahead):
        return found
    return f"{found} <small class='curalab-said'>Go on: about {n:,} more for {recall:.0%}.</small>"


def told_agreement(agreement: pd.DataFrame) -> str:
    """Return how far each two agree, as HTML."""
    lines = []
    for one, other, both, same, kappa in agreement.itertuples(index=False):
        beyond = "" if np.isnan(kappa) else f", beyond chance (Cohen's kappa) {kappa:.2f}"
        lines.append(
            f"<div><b>{plain(one)}</b> and <b>{plain(other)}</b> decided {both:,} alike in "
            f"{same:.0%}{beyond}.</div>"
        )
    return "".join(lines)


def told_said(said: Mapping[str, str]) -> str:
    """Return who said what of a row, as HTML."""
    return "; ".join(f"{plain(who)}: <b>{plain(word)}</b>" for who, word in said.items())
