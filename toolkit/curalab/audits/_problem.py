"""One problem of an audit."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Problem", "call", "counted", "numbered"]


class Problem(NamedTuple):
    """One problem; a higher rank is more pressing.

    `ids` are the items, the most pressing first; none where it is about columns as a whole. `why`
    says in words what was seen of each of them, and `beside` names the item to compare each with.
    """

    rank: int
    problem: str
    ids: list[Any]
    evidence: str
    action: str
    call: str = ""
    why: list[str] = []  # noqa: RUF012  # never changed
    beside: list[Any] = []  # noqa: RUF012


def call(action: str, more: str = "") -> str:
    """Return the line of Python that records an action."""
    rest = f", {more}" if more else ""
    return f"ledger.record(id, action={action!r}{rest}, actor=…)"


def counted(names: list[str], most: int = 5) -> str:
    """Return names in a row, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def numbered(n: int, noun: str) -> str:
    """Return a number and what it counts: 1 group, 2 groups."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
