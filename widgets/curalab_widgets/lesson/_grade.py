"""From a folder of result files to a table of grades."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain, first_few
from curalab_widgets.lesson._answers import find, judged, read_results, thawed
from curalab_widgets.lesson._student import seed_of

__all__ = ["grade"]

logger = logging.getLogger(__name__)


def grade(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Judge the answers of all students anew.

    Every answer is judged against the truth that belongs to the student's name, whatever the file
    says about it: a file copied under another name, or altered, does not pass. Answers that are
    code cannot be judged again; what the file says of them is taken, and they are listed.

    Parameters
    ----------
    folder : path
        Holds files named ``curalab-results-<student>.json``, at any depth. Files of the same
        student are taken together.

    Returns
    -------
    DataFrame
        A row a student, by name: `passed` and `answered` (numbers of exercises), `attempts`,
        `not_confirmed` (exercises that a file calls passed and that were not, ``;`` between them),
        `taken_on_trust` (those with code), then a column an exercise: 1 passed, 0 not, missing
        where it was not answered.

    Raises
    ------
    ValueError
        The folder holds no result file that can be read.
    """
    if not Path(folder).is_dir():
        raise ValueError(complain("folder", "a folder of result files", str(folder)))
    paths = sorted(Path(folder).rglob("curalab-results-*.json"))
    students: dict[str, list[dict[str, Any]]] = {}
    unread = []
    for path in paths:
        try:
            kept = read_results(path)
            answers = [{**one, "exercise": name} for name, one in kept["answers"].items()]
            students.setdefault(kept["student"], []).extend(answers)
        except (OSError, ValueError):
            unread.append(path.name)
    if unread:
        logger.warning("Not read, as they are no result files: %s.", first_few(unread))
    if not students:
        raise ValueError(f"There is no result file that can be read in {str(folder)!r}.")
    rows = {name: _row(name, answers) for name, answers in sorted(students.items())}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("student")
    lead = ["passed", "answered", "attempts", "not_confirmed", "taken_on_trust"]
    exercises = sorted(table.columns.difference(lead))
    return table[[*lead, *exercises]].astype(dict.fromkeys(exercises, "Int64"))


def _row(name: str, answers: list[dict[str, Any]]) -> dict[str, Any]:
    passed: dict[str, bool] = {}
    doubted, trusted = set(), set()
    for one in answers:
        exercise, claimed = one["exercise"], bool(one.get("passed"))
        is_code = claimed and _takes_code(exercise)
        is_right = is_code or _is_right(exercise, one.get("answer"), seed_of(name))
        if is_code:
            trusted.add(exercise)
        elif claimed and not is_right:
            doubted.add(exercise)
        passed[exercise] = passed.get(exercise, False) or is_right
    return {
        "passed": sum(passed.values()),
        "answered": len(passed),
        "attempts": sum(one["attempts"] for one in answers),
        "not_confirmed": ";".join(sorted(doubted)),
        "taken_on_trust": ";".join(sorted(trusted)),
        **{exercise: int(is_right) for exercise, is_right in passed.items()},
    }


def _takes_code(exercise: str) -> bool:
    try:
        return find(exercise).takes_code
    except ValueError:  # an exercise of another version
        return False


def _is_right(exercise: str, answer: Any, seed: int) -> bool:
    try:
        return judged(find(exercise), thawed(answer), seed)[0]
    except (TypeError, ValueError):  # an exercise of another version, an answer that was altered
        return False
