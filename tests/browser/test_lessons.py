"""Lessons in JupyterLab: a slider under a hand, an exercise answered, the lesson on selectors."""

from __future__ import annotations

from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

SLIDERS = """
import curalab as cl
from curalab_widgets import lesson
from curalab.outliers import KNN

planted = cl.plant_outliers(cl.samples.digits().head(300), share=0.05, random_state=1)
emb = cl.embed(planted.items["image"], encoder="patches", random_state=1, cache=False)
view, truth = cl.reduce(emb, method="pca"), planted.truth.index[planted.truth["is_outlier"]]

def look(k, share):
    odd = cl.find_outliers(emb, method=KNN(k=k), expected_share=share)
    found = odd.is_outlier[odd.ids.isin(truth)].mean()
    return lesson.scatter(view, color=odd.is_outlier, ring=truth), {"recall": found}

panel = lesson.Explore(look, {"k": [2, 10, 50], "share": [0.02, 0.05, 0.1]})
panel
"""


def _notebook(path, *cells):
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, path)
    return path


def test_a_slider_moves_the_picture_and_leaves_a_trail(lab, tmp_path):
    lab.open(_notebook(tmp_path / "sliders.ipynb", SLIDERS))
    lab.run_all()
    panel = lab.output(0).locator(".curalab-panel")
    picture = panel.locator("img").first
    before = picture.get_attribute("src")
    handle = panel.get_by_role("slider").first
    handle.focus()
    handle.press("ArrowRight")
    lab.wait_for("panel.setting['k'] == 50 and len(panel.trail) == 2")
    panel.get_by_role("row", name="▸ 50").wait_for()
    assert picture.get_attribute("src") != before
    panel.get_by_role("button", name="Try all").click()
    lab.wait_for("len(panel.trail) == 3")
    panel.get_by_role("row", name="2 0.05", exact=False).first.wait_for()
    for theme in ("light", "dark"):
        lab.theme(theme)
        lab.screenshot(f"lesson-sliders-{theme}", of=panel)
    lab.theme("light")
    assert lab.errors() == []


def test_an_exercise_is_answered(lab, tmp_path):
    asked = 'from curalab_widgets import lesson\nlesson.check("00-b", {})'
    answers = ("...", "'nonsense'", "'too low'", "'too high'")
    lab.open(_notebook(tmp_path / "exercise.ipynb", *map(asked.format, answers)))
    lab.run_all()
    for i, words in enumerate((
        "Put your answer in place of the three dots",
        'An answer is one of "too high", "too low", "right"',
        "○ Not yet.",
        "✓ Right.",
    )):  # fmt: skip
        lab.output(i).get_by_text(words).wait_for()
    lab.output(2).get_by_text("Hint:").wait_for()
    assert (lab.server.root / "curalab-results-unnamed.json").exists()
    assert lab.errors() == []


def test_the_lesson_on_selectors_runs_whole(lab):
    path = next(NOTEBOOKS.glob("13_*.ipynb"))
    lab.open(path)
    lab.run_all()
    assert lab.errors() == []
    cells = nbformat.read(path, as_version=4).cells
    asked = [i for i, c in enumerate(cells) if "exercise" in c.metadata.get("tags", [])]
    assert asked
    shown = [i for i, cell in enumerate(cells) if cell.source.endswith("\npanel")]
    assert shown
    for i in sorted({*asked, *shown}):  # what is far from the screen is not drawn
        lab.output(i).scroll_into_view_if_needed()
        what = lab.output(i).locator(".curalab-panel img").first
        (lab.output(i).get_by_text("Put your answer in place") if i in asked else what).wait_for()
