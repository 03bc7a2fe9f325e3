"""Exercises, what judges an answer, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import first_few

__all__ = ["Exercise", "Judge", "NoAnswer", "Verdict", "choice", "ids", "labels", "number"]

Judge = Callable[[Any, Any], tuple[bool, str]]  # (answer, truth) -> is it right, how far off


class NoAnswer(Exception):
    """What was given is no answer at all; the text says what one is, such as "a number"."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A question of a lesson to which the answer is known.

    Parameters
    ----------
    truth : callable
        ``truth(seed)``: the answer, from the student's seed.
    judge : callable
        ``judge(answer, truth)``: whether it is right, and a sentence that says how far off it is.
        It raises `NoAnswer` where this is none, with words for what one looks like.
    solution : str
        Code that ends with ``answer = …``; it may use what the lesson has defined up to there.
    hints : tuple of str
        Shown after wrong answers, one more each time; the last stays.
    data : callable, default=None
        ``data(seed)``: what the learner works on where the lesson itself does not make it.
    takes_code : bool, default=False
        Whether the answer is a function, which a file of answers cannot hold.
    """

    truth: Callable[[int], Any]
    judge: Judge
    solution: str
    hints: tuple[str, ...]
    data: Callable[[int], Any] | None = None
    takes_code: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said about an answer.

    Attributes
    ----------
    passed : bool
        Whether it is right.
    said : str
        How far off it is.
    hint : str
        What to try next; empty where it is right.
    """

    passed: bool
    said: str
    hint: str = ""

    def __repr__(self) -> str:
        head = "Right." if self.passed else "Not yet."
        return " ".join(part for part in (head, self.said, self.hint) if part)

    def _repr_html_(self) -> str:
        mark, head = ("✓", "Right.") if self.passed else ("○", "Not yet.")
        color = "#2fa36b" if self.passed else "#c9a227"
        hint = f"<br><i>Hint:</i> {escape(self.hint)}" if self.hint else ""
        return (
            f"<div role='status' style='border-left:4px solid {color};padding:.4em .8em'>"
            f"<b>{mark} {head}</b> {escape(self.said)}{hint}</div>"
        )


# ---- judges --------------------------------------------------------------------------------------


def number(within: float = 0.0, *, unit: str = "", relative: bool = False) -> Judge:
    """Judge a number: right if at most `within` from the truth, or that share of it."""

    def judge(answer: Any, truth: Any) -> tuple[bool, str]:
        if isinstance(answer, np.ndarray | pd.Series) and answer.size == 1:
            answer = np.ravel(answer)[0]
        if isinstance(answer, bool | np.bool_) or not isinstance(answer, Real):
            raise NoAnswer("a number")
        if not np.isfinite(float(answer)):
            raise NoAnswer("a finite number")
        off = float(answer) - float(truth)
        if abs(off) <= within * (abs(float(truth)) if relative else 1):
            return True, f"It is {truth:.4g}{unit and ' ' + unit}."
        far = f"{abs(off):.4g}{unit and ' ' + unit}"
        if relative and truth:
            far = f"{abs(off) / abs(float(truth)):.0%}"
        return False, f"Too {'high' if off > 0 else 'low'} by {far}."

    return judge


def choice(*options: str) -> Judge:
    """Judge one of some words."""

    def judge(answer: Any, truth: Any) -> tuple[bool, str]:
        if not isinstance(answer, str) or answer.strip().lower() not in map(str.lower, options):
            raise NoAnswer("one of " + ", ".join(f'"{option}"' for option in options))
        is_right = answer.strip().lower() == str(truth).lower()
        return is_right, f'It is "{truth}".' if is_right else f'It is not "{answer.strip()}".'

    return judge


def ids(*, recall: float = 1.0, precision: float = 1.0) -> Judge:
    """Judge a set of row ids by the share of the true ones in it, and of true ones among them."""

    def judge(answer: Any, truth: Any) -> tuple[bool, str]:
        named, true = _id_set(answer), set(truth)
        hits = len(named & true)
        found, right = hits / max(len(true), 1), hits / max(len(named), 1)
        said = (
            f"{hits} of the {len(true)} that are meant are among your {len(named)} (recall "
            f"{found:.2f}, asked {recall:g}; precision {right:.2f}, asked {precision:g})."
        )
        return found >= recall and right >= precision, said

    return judge


def _id_set(answer: Any) -> set[Any]:
    if isinstance(answer, pd.Series) and answer.dtype == bool:
        answer = answer.index[answer]
    if isinstance(answer, pd.DataFrame):
        answer = answer.index
    if isinstance(answer, str | bytes | Mapping) or not hasattr(answer, "__iter__"):
        raise NoAnswer("a list or an Index of row ids")
    values = [value.item() if isinstance(value, np.generic) else value for value in answer]
    if values and all(isinstance(value, bool) for value in values):
        raise NoAnswer("row ids, not a mask: write `items.index[mask]`")
    try:
        return set(values)
    except TypeError:
        raise NoAnswer("a flat list of row ids") from None


def labels(*, accuracy: float) -> Judge:
    """Judge a label for each row by the share that is right."""

    def judge(answer: Any, truth: Any) -> tuple[bool, str]:
        if isinstance(answer, Mapping):
            answer = pd.Series(answer)
        if not isinstance(answer, pd.Series):
            raise NoAnswer("a Series: row ids in its index, one label each")
        wanted = pd.Series(truth)
        given = answer[~answer.index.duplicated()].reindex(wanted.index)
        if given.isna().any():
            missing = given.index[given.isna()]
            raise NoAnswer(
                f"a label for each of the {len(wanted):,} rows; {len(missing):,} have none: "
                f"{first_few(missing)}"
            )
        share = float((given.astype(object) == wanted.astype(object)).mean())
        return share >= accuracy, f"{share:.1%} of your labels are right; {accuracy:.0%} is asked."

    return judge


def hint_of(hints: Sequence[str], attempts: int) -> str:
    """Return the hint for the wrong answer number `attempts`, counted from 1."""
    return hints[min(attempts, len(hints)) - 1] if hints else ""
