"""The door of the exercises: what to work on, whether an answer is right, and the file of it."""

from __future__ import annotations

import json
import logging
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import curalab
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, Verdict, hint_of
from curalab_widgets.lesson._student import seed_of, student

__all__ = ["check", "data", "find", "frozen", "judged", "read_results", "thawed"]

logger = logging.getLogger(__name__)

_LONGEST = 20_000  # entries of an answer that is kept


def data(exercise: str) -> Any:
    """Return what an exercise works on, made from the student's seed.

    Parameters
    ----------
    exercise : str
        Such as "05-a".
    """
    found = find(exercise)
    if found.data is None:
        raise ValueError(f"The exercise {exercise!r} works on what the lesson has made already.")
    return found.data(seed_of(student()))


def check(exercise: str, answer: Any) -> Verdict:
    """Say whether an answer is right, how far off it is, and what to try.

    Each answer is kept in ``curalab-results-<student>.json`` in the working folder.

    Parameters
    ----------
    exercise : str
        Such as "05-a".
    answer : object
        What the exercise asks for. Three dots stand for no answer yet.

    Returns
    -------
    Verdict
        Shown below the cell. Nothing about an answer raises an error.
    """
    found = find(exercise)
    if answer is ...:
        said = "Put your answer in place of the three dots, and run the cell again."
        return Verdict(passed=False, said=said)
    kept = _kept()
    before = kept["answers"].get(exercise, {"attempts": 0})
    attempts = before["attempts"] + 1
    passed, said = judged(found, answer, seed_of(student()))
    if passed or not before.get("passed"):
        before = {"passed": passed, "answer": frozen(answer), "said": said}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept["answers"][exercise] = {**before, "attempts": attempts, "at": now}
    said += _keep(kept)
    return Verdict(passed=passed, said=said, hint="" if passed else hint_of(found.hints, attempts))


def find(exercise: str) -> Exercise:
    """Return an exercise by its id."""
    lesson = str(exercise).partition("-")[0]
    known = _exercises(lesson)
    if exercise not in known:
        near = get_close_matches(str(exercise), known, n=1)
        more = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no exercise {exercise!r}.{more}")
    return known[exercise]


@cache
def _exercises(lesson: str) -> dict[str, Exercise]:
    if not re.fullmatch(r"\d\da?", lesson):
        return {}
    name = f"curalab_widgets.lesson.exercises.lesson_{lesson}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    exercises: dict[str, Exercise] = module.EXERCISES
    return exercises


def judged(exercise: Exercise, answer: Any, seed: int) -> tuple[bool, str]:
    """Judge an answer; one that cannot be read is wrong, and is told what an answer looks like."""
    truth = exercise.truth(seed)
    try:
        return exercise.judge(answer, truth)
    except NoAnswer as error:
        got = type(answer).__name__
        return False, f"An answer is {error}; this is of type {got}."
    except Exception as error:  # an answer may be a function of the learner's
        logger.debug("An answer could not be judged.", exc_info=error)
        return False, f"This answer stops with an error: {type(error).__name__}: {error}."


# ---- the file of answers -------------------------------------------------------------------------


def _path() -> Path:
    name = student() or "unnamed"
    safe = re.sub(r"\W+", "_", name)
    if safe != name:  # so that two names never share a file
        safe += f"-{seed_of(name)}"
    return Path(f"curalab-results-{safe}.json")


def _kept() -> dict[str, Any]:
    fresh = {"student": student(), "curalab": curalab.__version__, "answers": {}}
    try:
        return fresh | {"answers": read_results(_path())["answers"]}
    except OSError:
        return fresh
    except ValueError:
        aside = _path().with_suffix(".unread.json")
        logger.warning(
            "%s is no file of answers that can be read; it is kept as %s.", _path(), aside
        )
        with suppress(OSError):
            os.replace(_path(), aside)
        return fresh


def read_results(path: Path) -> dict[str, Any]:
    """Return a file of answers: `student` and, by exercise, what is known of its `answers`."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(kept, dict) or not isinstance(kept.get("student"), str):
        raise ValueError(f"{path} names no student.")
    answers = kept.get("answers")
    if not isinstance(answers, dict) or not all(map(_is_kept, answers, answers.values())):
        raise ValueError(f"{path} holds no answers to exercises.")
    return kept


def _is_kept(exercise: str, one: Any) -> bool:
    is_known = re.fullmatch(r"\d\da?-[a-z]", exercise) is not None
    return is_known and isinstance(one, dict) and isinstance(one.get("attempts"), int)


def _keep(kept: dict[str, Any]) -> str:
    """Write the answers down at once or not at all; return what to say where it cannot be done."""
    fresh = _path().with_suffix(".part")
    try:
        fresh.write_text(json.dumps(kept, indent=1, default=str), encoding="utf-8")
        os.replace(fresh, _path())
    except OSError as error:
        return f" (It could not be written down: {error.strerror}.)"
    return ""


def frozen(answer: Any) -> Any:
    """Return an answer as JSON holds it; None for what it cannot hold, such as code."""
    if isinstance(answer, pd.DataFrame):
        answer = answer.index
    if isinstance(answer, pd.Series):
        pairs = [[_plain(i), _plain(value)] for i, value in answer.items()]
        return {"pairs": pairs} if len(pairs) <= _LONGEST else None
    if isinstance(answer, dict):
        return frozen(pd.Series(answer))
    if isinstance(answer, np.ndarray | pd.Index | list | tuple | set | frozenset):
        flat = answer.ravel() if isinstance(answer, np.ndarray) else answer
        values = [_plain(value) for value in flat]
        return values if len(values) <= _LONGEST else None
    value = _plain(answer)
    return value if isinstance(value, str | int | float | bool) else None


def thawed(answer: Any) -> Any:
    """Return what was frozen as it was judged."""
    if isinstance(answer, dict) and "pairs" in answer:
        index, values = zip(*answer["pairs"], strict=True) if answer["pairs"] else ((), ())
        return pd.Series(list(values), index=list(index))
    return answer


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
