"""`curalab grade`: from a folder of result files to a csv."""

from __future__ import annotations

import argparse

__all__ = ["grade"]


def grade(asked: argparse.Namespace) -> int:
    """Judge the answers of all students anew, and write a row for each."""
    from curalab_widgets import lesson

    table = lesson.grade(asked.folder)
    # A sheet takes a cell that begins so for a formula, and names come from anybody.
    shown = table.rename(index=lambda name: "'" + name if name[:1] in tuple("=+-@\t\r") else name)
    shown.to_csv(asked.out)
    print(table[["passed", "answered", "attempts"]].to_string())
    for column, words in (
        ("not_confirmed", "called passed in the file, but not so"),
        ("taken_on_trust", "code, not judged again"),
    ):
        for name, exercises in table[column][table[column] != ""].items():
            print(f"{name or 'unnamed'}: {exercises}: {words}")
    print(f"\n{asked.out}")
    return 0
