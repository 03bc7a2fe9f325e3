"""The machinery of the course, on notebooks made up here: order, pages, faults, what runs again."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BENCHES = Path(__file__).parent / "bench"
ASKED = 'from curalab_widgets import lesson\nanswer = ...\nlesson.check("00-b", answer)'


@pytest.fixture(scope="module")
def book():
    """The modules of the course's machinery, which is in no package that is installed."""
    sys.path.insert(0, str(NOTEBOOKS))
    yield SimpleNamespace(
        **{
            name: importlib.import_module(f"book.{name}")
            for name in ("catalogue", "execution", "lessons", "reference")
        }
    )
    sys.path.remove(str(NOTEBOOKS))


def exercise(source, *outputs, count=1):
    metadata = {"tags": ["exercise"]}
    return new_code_cell(source, metadata=metadata, outputs=list(outputs), execution_count=count)


def shown(text):
    return new_output("execute_result", {"text/plain": text})


def write(folder, name, *cells, title="A lesson"):
    (path := folder / f"{name}.ipynb").parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {title}\n\nIt is."), *cells]), path)
    return path


# ---- which lessons there are ---------------------------------------------------------------------


def test_lessons_come_in_the_order_of_their_numbers(book, tmp_path):
    for name in ("12_c", "11a_b", "02_z", "11_a", "00_quickstart"):
        write(tmp_path, name)
    found = [lesson.number for lesson in book.lessons.find_lessons(tmp_path)]
    assert found == ["00", "02", "11", "11a", "12"]


def test_a_notebook_without_a_number_is_named(book, tmp_path):
    write(tmp_path, "draft")
    with pytest.raises(ValueError, match=r"^A lesson is called NN_name.ipynb or NNa_name.ipynb\."):
        book.lessons.find_lessons(tmp_path)


@pytest.mark.parametrize(
    ("text", "summary", "minutes"),
    [
        ("Three label. One is wrong.\n\nIt takes about\ntwo minutes.", "Three label.", "2"),
        ("A tale.\n\n**You will** see maps\nlie; and more.\n\n30 minutes.", "See maps lie.", "30"),
        ("A tale of v1.2 of it.", "A tale of v1.2 of it.", ""),
    ],
)
def test_a_lesson_says_what_it_is_about(book, tmp_path, text, summary, minutes):
    path = tmp_path / "07_it.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"# Maps: *may* lie\n\n{text}")]), path)
    [found] = book.lessons.find_lessons(tmp_path)
    assert (found.title, found.summary, found.minutes) == ("Maps: *may* lie", summary, minutes)


def test_the_table_marks_the_lessons_in_which_a_method_fails(book, tmp_path):
    for name in ("04_d", "05_e"):
        write(tmp_path, name, title=f"Title of {name}: more")
    text = book.lessons.contents(book.lessons.find_lessons(tmp_path))
    marked = [line for line in text.splitlines() if "**A method fails here:**" in line]
    assert [line.split("|")[1].strip() for line in marked] == ["05"]
    assert "04 Title of 04_d <04_d>\n05 Title of 05_e <05_e>" in text


# ---- what a page shows ---------------------------------------------------------------------------


def test_the_page_has_the_exercise_as_it_is_set(book):
    view = {"application/vnd.jupyter.widget-view+json": {}, "text/html": ""}
    source = new_notebook(cells=[new_code_cell("1"), exercise("answer = ...", count=None)])
    executed = new_notebook(
        cells=[
            new_code_cell("1", outputs=[new_output("display_data", view), shown("1")]),
            exercise("answer = 'secret'", shown("Right. It is secret.")),
        ],
        metadata={"widgets": {"state": "secret"}},
    )
    page = book.execution.lesson_page(source, executed)
    assert [out["data"] for out in page.cells[0].outputs] == [{"text/plain": "1"}]
    assert page.cells[1].source == "answer = ..."
    assert "secret" not in nbformat.writes(page)
    assert executed.cells[1].source == "answer = 'secret'"


def test_a_figure_becomes_html_without_addresses(book):
    figure = {"data": [{"y": [1, 2]}], "layout": {"title": {"text": "Two"}}}
    output = new_output("display_data", {"application/vnd.plotly.v1+json": figure})
    cells = [new_code_cell("figure", outputs=[output])]
    page = book.execution.lesson_page(new_notebook(cells=cells), new_notebook(cells=cells))
    [(mime, text)] = page.cells[0].outputs[0]["data"].items()
    assert mime == "text/html"
    assert text.startswith('<div class="plotly-figure">')
    assert not re.search(r"""src=["']http""", text)


# ---- what fails ----------------------------------------------------------------------------------


def test_a_check_that_does_not_pass_is_a_fault(book):
    passed = exercise("answer = 1", shown("Right."))
    failed = exercise("answer = 2", shown("Not yet. Too high by 1."))
    silent = exercise("answer = 3")
    found = book.execution.faults(new_notebook(cells=[passed, failed, silent]))
    assert found == [
        "cell 2 has a check that does not pass\n\n    answer = 2\n\nNot yet. Too high by 1.\n",
        "cell 3 has a check that does not pass\n\n    answer = 3\n\n"
        "It shows nothing: its last line must be lesson.check(…).\n",
    ]


def test_a_figure_that_nobody_sees_is_a_fault(book):
    said = {"text/plain": "<Figure size 640x480 with 1 Axes>"}
    drawn = new_output("display_data", {**said, "image/png": "iVBO"})
    cells = [new_code_cell("f", outputs=[shown(*said.values())], execution_count=1)]
    cells += [new_code_cell("f", outputs=[drawn], execution_count=2)]
    [found] = book.execution.faults(new_notebook(cells=cells))
    assert found.startswith("cell 1 shows a figure without its picture\n")


def test_the_cell_at_which_a_kernel_ended_is_named(book):
    cells = [new_code_cell("fine()", execution_count=1), new_code_cell("forever()")]
    [found] = book.execution.faults(new_notebook(cells=cells), ended="Timeout: 600 s")
    assert found == "cell 2 ended the kernel\n\n    forever()\n\nTimeout: 600 s\n"


def build(tmp_path, *more):
    command = [sys.executable, NOTEBOOKS / "build.py", "--no-site", "--jobs", "2"]
    folders = ["--out", tmp_path / "out", "--notebooks", tmp_path / "course"]
    kept = {name: value for name, value in os.environ.items() if name != "CURALAB_STUDENT"}
    return subprocess.run(
        [*map(str, [*command, *folders]), *more],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_lessons_are_executed_once_and_those_that_fail_are_reported(tmp_path):
    course = tmp_path / "course"
    told = new_code_cell("import os\nos.environ['HF_HUB_OFFLINE'] + os.getcwd()")
    write(course, "01_good", told, exercise(ASKED, count=None))
    bad = write(course, "02_bad", new_code_cell("x = 0"), new_code_cell("1 / x"))
    ran = build(tmp_path)
    assert ran.returncode == 1
    assert "02_bad: cell 3 stopped with an error\n\n    1 / x\n" in ran.stderr
    assert "ZeroDivisionError: division by zero" in ran.stderr
    assert "\x1b" not in ran.stderr + ran.stdout
    assert re.search(r"^01_good +\d+\.\d s$", ran.stdout, re.MULTILINE)
    assert re.search(r"^2 executed in \d+ s, 1 FAILED$", ran.stdout, re.MULTILINE)
    assert "too high" in (tmp_path / "out" / "solved" / "01_good.ipynb").read_text()
    page = (tmp_path / "out" / "pages" / "01_good.ipynb").read_text()
    assert "too high" not in page
    assert str(tmp_path) not in page  # a folder of its own

    nbformat.write(new_notebook(cells=[new_markdown_cell("# Mended")]), bad)
    ran = build(tmp_path)
    assert ran.returncode == 0
    assert "1 executed" in ran.stdout
    assert "02_bad" in ran.stdout
    lines = (tmp_path / "out" / "times.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["lesson", "01_good", "02_bad"]


@pytest.mark.slow
def test_every_student_runs_every_lesson(tmp_path):
    source = "import os\nassert os.environ['CURALAB_STUDENT'] != '2', 'two'"
    write(tmp_path / "course", "01_a", new_code_cell(source))
    ran = build(tmp_path, "--seeds", "2")
    assert ran.returncode == 1
    assert "01_a, student 2: cell 2 stopped with an error" in ran.stderr
    assert "student 1: " not in ran.stderr
    assert not (tmp_path / "out" / "pages").exists()


def test_a_lesson_that_is_not_there_is_named(tmp_path):
    write(tmp_path / "course", "01_a")
    ran = build(tmp_path, "--only", "05")
    assert ran.stderr == "There is no lesson 05; there are 01.\n"


# ---- the generated pages -------------------------------------------------------------------------


def test_every_method_is_in_the_catalogue_and_leads_to_its_docstring(book):
    import curalab as cl

    text = book.catalogue.catalogue_page(BENCHES)
    pages = "\n".join(book.reference.api_pages().values())
    for row in cl.methods().query("kind in ['method', 'function']").itertuples():
        anchor = f"method-{row.stage}-{row.name}".replace("_", "-").replace(".", "-")
        [entry] = re.findall(rf"^\.\. _{anchor}:\n(.*?)(?=^\.\. _|\Z)", text, re.M | re.S)
        [path] = re.findall(r":API: :py:obj:`([\w.]+)`", entry)
        assert re.search(rf"^\.\. auto(?:class|function):: {path}$", pages, re.MULTILINE)


def test_every_name_of_curalab_is_in_the_reference(book):
    import curalab as cl

    front = book.reference.api_pages()["api/curalab.rst"]
    listed = re.findall(r"\* - :py:obj:`(\w+) <", front)
    modules = re.findall(r":doc:`cl\.(\w+) <", front)
    assert sorted(listed + modules) == sorted(cl.__all__)


def test_every_bench_is_named_in_the_catalogue(book):
    known = " ".join(book.catalogue.TOPICS.values()).split()
    assert sorted(known) == sorted(p.stem.removeprefix("bench_") for p in BENCHES.glob("bench_*"))
