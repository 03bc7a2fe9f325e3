"""Exercises of the lesson on words and rules: votes without a truth, and a rule of one's own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, labels, number

__all__ = ["EXERCISES"]

_CLASSES = np.array(["bird", "fish", "frog"], dtype=object)
_KINDS = ("scipy.stats", "pandas.io", "scipy.optimize", "scipy.signal", "numpy.polynomial")
_PRECISE, _FOUND = 0.8, 0.5


@cache
def _voted(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return votes of four rules of their own and of one, mostly wrong, that stands three times."""
    rng = np.random.default_rng(seed)
    n = 1500
    truth = rng.integers(3, size=n)
    skill = dict(zip("abcd", rng.permutation([0.85, 0.78, 0.74, 0.7]), strict=True))
    votes = {}
    for name, right in {**skill, "x": 0.35}.items():
        wrong = (truth + rng.integers(1, 3, size=n)) % 3
        said = _CLASSES[np.where(rng.random(n) < right, truth, wrong)]
        votes[name] = np.where(rng.random(n) < 0.8, said, np.array(None))
    for name in "yz":
        other = _CLASSES[rng.integers(3, size=n)]
        votes[name] = np.where(rng.random(n) < 0.97, votes["x"], other)
    order = [str(name) for name in rng.permutation(list(votes))]
    names = dict(zip(order, ("p", "q", "r", "s", "t", "u", "v"), strict=True))
    frame = pd.DataFrame(votes)[order].rename(columns=names)
    index = pd.Index([f"row-{i:04d}" for i in range(n)], name="id")
    told = pd.Series(_CLASSES[truth], index=index)
    frame.attrs["asked"] = names[str(rng.choice(list("abcd")))]
    return frame.set_axis(index), told


def _votes(seed: int) -> dict[str, Any]:
    frame, _ = _voted(seed)
    votes = frame.copy()
    votes.attrs = {}
    return {"votes": votes, "asked": frame.attrs["asked"]}


def _skill(seed: int) -> float:
    frame, truth = _voted(seed)
    said = frame[frame.attrs["asked"]].dropna()
    return float((said == truth[said.index]).mean())


@cache
def _unseen(seed: int) -> pd.DataFrame:
    docs = cl.samples.docstrings()
    docs = docs[docs["label"].isin([*_KINDS, "scipy.sparse"])]
    return docs.groupby("label").sample(60, random_state=seed + 500)


def _as_rule(answer: Any, truth: Any) -> tuple[bool, str]:
    """Judge a function of a text by what it says of texts that the learner has not asked for.

    It is called with each text. Whatever it raises ends the judging with that error; an answer
    other than None and the class is refused.
    """
    if not callable(answer):
        raise NoAnswer("a function that takes a text and returns 'scipy.signal' or None")
    said = pd.Series([answer(text) for text in truth["text"]], index=truth.index, dtype=object)
    named = said.notna()
    if not said[named].isin(["scipy.signal"]).all():
        raise NoAnswer("a function that returns 'scipy.signal' or None, and nothing else")
    meant = truth["label"] == "scipy.signal"
    right = float(meant[named].mean()) if named.any() else 0.0
    found = float(named[meant].mean())
    told = (
        f"Of {len(truth)} other texts it names {int(named.sum())}; {right:.0%} of these are of "
        f"scipy.signal (asked: {_PRECISE:.0%}), and it finds {found:.0%} of those that are "
        f"(asked: {_FOUND:.0%})."
    )
    return right >= _PRECISE and found >= _FOUND, told


EXERCISES = {
    "09-a": Exercise(
        data=_votes,
        truth=lambda seed: _voted(seed)[1],
        judge=labels(accuracy=0.85),
        hints=(
            "In a majority every column counts once. Do some columns say the same?",
            "`LabelModel(votes=given['votes'], end_model=False)` as the method, on any vectors of "
            "as many rows, such as `votes.notna() + 1.0`: without an end model they do not count.",
        ),
        solution="""
given = lesson.data("09-a")
votes = given["votes"]
pool = cl.Embedding(vectors=votes.notna() + 1.0, ids=votes.index)
found = cl.pseudo_label(pool, method=LabelModel(votes=votes, end_model=False), random_state=0)
answer = pd.Series(found.labels, index=found.ids)
""",
    ),
    "09-b": Exercise(
        data=_votes,
        truth=_skill,
        judge=number(within=0.06),
        hints=(
            "Nobody knows the truth, but rules that are often right often agree.",
            "`details['rules']` of the label model has an `estimated_accuracy` for each rule.",
        ),
        solution="""
given = lesson.data("09-b")
votes = given["votes"]
pool = cl.Embedding(vectors=votes.notna() + 1.0, ids=votes.index)
found = cl.pseudo_label(pool, method=LabelModel(votes=votes, end_model=False), random_state=0)
answer = found.details["rules"].loc[given["asked"], "estimated_accuracy"]
""",
    ),
    "09-c": Exercise(
        truth=_unseen,
        judge=_as_rule,
        takes_code=True,
        hints=(
            "Read some texts: `items.loc[truth == 'scipy.signal', 'text'].head()`. Which words are "
            "in many of them, and in few of the others?",
            "One word finds too few. `any(word in text.lower() for word in (...))` takes several.",
            "Words that other packages use, too, such as 'order' or 'function', name too many.",
        ),
        solution="""
def answer(text):
    words = ("signal", "filter", "window", "frequency", "wavelet", "spectr", "transfer function")
    return "scipy.signal" if any(word in text.lower() for word in words) else None
""",
    ),
}
