"""Every lesson is stored clean and keeps to the form of the course; the demo runs the first.

`make book` executes the lessons, with their solutions, before these tests; see test_book.py.
"""

import ast
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from curalab_widgets import lesson

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
EVERY = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def _is_exercise(cell):
    return "exercise" in cell.metadata.get("tags", [])


def _exercises(path):
    number = path.stem.partition("_")[0]
    return import_module(f"curalab_widgets.lesson.exercises.lesson_{number}").EXERCISES


@EVERY
def test_notebooks_are_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@EVERY
def test_prose_stands_before_code(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    assert len(code) <= 20
    assert "SEED = lesson.seed()" in cells[code[0]].source
    assert "assert" in cells[code[-1]].source
    assert all(cells[i - 1].cell_type == "markdown" for i in code[:-1])


@EVERY
def test_a_lesson_says_what_it_teaches_and_where_to_go_on(path):
    cells = nbformat.read(path, as_version=4).cells
    first, last = cells[0].source, cells[-2].source
    assert first.startswith("# ")
    assert "\n**You will** " in first
    assert re.search(r"\n\*\*You need\*\* (.|\n)*It takes \d+ minutes", first)
    assert "## What the literature says\n" in last
    assert len(re.findall(r"^- .*\(\d{4}", last, re.MULTILINE)) >= 2
    assert "**On your own data:** " in last
    discussed = re.search(r"\*\*To discuss:\*\*((.|\n)*?)\n\n\*\*On your own", last)
    assert discussed[1].count("?") >= 3


@EVERY
def test_functions_in_a_lesson_are_short(path):
    most = 10 if path.stem.startswith("13_") else 6  # five, and one that was broken
    for cell in _code(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                lines = node.body[-1].end_lineno - node.body[0].lineno + 1
                assert lines <= most, f"{node.name} has {lines} lines"


@EVERY
def test_every_exercise_is_asked_once_and_nothing_else_rests_on_it(path):
    asked = [cell for cell in _code(path) if _is_exercise(cell)]
    others = [cell for cell in _code(path) if not _is_exercise(cell)]
    ids = [re.search(r'check\("([^"]+)", answer\)', cell.source)[1] for cell in asked]
    assert sorted(ids) == sorted(_exercises(path))
    assert len(ids) >= 2
    lesson.solved(nbformat.read(path, as_version=4))
    made, kept = ({"answer"} | _names(asked, ast.Store)), _names(others, ast.Store)
    assert not (made - kept) & _names(others, ast.Load)


def _names(cells, context):
    """Return the names that cells set, those of arguments among them, or the names they read."""
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    named = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, context)}
    return named | {n.arg for n in nodes if isinstance(n, ast.arg) and context is ast.Store}


@EVERY
def test_hints_are_there_and_nonsense_gets_words(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, exercise in _exercises(path).items():
        assert exercise.hints
        for nonsense in (None, "nonsense", -1, float("nan"), [], {}, object(), pd.DataFrame()):
            found = lesson.check(name, nonsense)
            assert not found.passed
            assert len(repr(found)) > len("Not yet. ")


@EVERY
def test_what_is_true_follows_from_the_seed_alone(path):
    for exercise in _exercises(path).values():
        for seed in (1, 7):
            one, again = exercise.truth(seed), exercise.truth(seed)
            assert repr(one) == repr(again)


@pytest.mark.notebook
def test_the_demo_curates_digits_from_end_to_end(tmp_path, monkeypatch, capsys):
    from curalab.app import main

    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    quickstart = next(path for path in NOTEBOOKS if path.stem == "00_quickstart")
    assert main(["demo", "--out", str(tmp_path / "demo"), "--notebook", str(quickstart)]) == 0
    told = capsys.readouterr().out
    assert "recall" in told
    assert "95 % interval" in told
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {
        "quickstart.html",
        "quickstart.ledger",
        "quickstart.parquet",
        "quickstart_card.md",
    } <= names
    assert len(pd.read_parquet(tmp_path / "demo" / "quickstart.parquet")) > 1_000
    page = (tmp_path / "demo" / "quickstart.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["']https?://""", page)
    assert page.count("data:image/png;base64,") > 20
    assert "Loading widget" not in page
