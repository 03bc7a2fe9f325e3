"""Every notebook is stored clean, keeps to its size, and runs from top to bottom."""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_stands_before_code(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    assert len(code) <= 20
    assert "SEED" in cells[code[0]].source
    assert "assert" in cells[code[-1]].source
    assert all(cells[i - 1].cell_type == "markdown" for i in code[:-1])


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


@pytest.mark.notebook
@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.stem != "00_quickstart"], ids=lambda p: p.stem
)
def test_it_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
