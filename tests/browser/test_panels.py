"""The panels in a real JupyterLab: seen, used by mouse and keys, and after a crash."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from browser.lab import SCREENSHOTS

ITEMS = """
import numpy as np
import pandas as pd
from curalab.embedding import Embedding
from curalab.ledger import Ledger
from curalab.samples import digits
from curalab_widgets import MapPanel, ReviewPanel

items = digits().iloc[:600]
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = Embedding(vectors=pixels, ids=items.index)
left, _, right = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
xy = left[:, :2]
"""
MAP = "panel = MapPanel(xy, items, color='label', ledger=Ledger('map.ledger'), engine={!r})\npanel"
REVIEW = """
ledger = Ledger("{}.ledger")
review = ReviewPanel(items.index[5:15], items, ledger, actor="Ann", embedding=emb)
review
"""
NASTY = """
import numpy as np
import pandas as pd
from curalab.ledger import Ledger
from curalab_widgets import MapPanel, ReviewPanel

bad = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\\"&'"
items = pd.DataFrame({"label": [bad, "b"] * 20, "text": [bad * 3] * 40, bad: [bad] * 40})
items.index = [f"{bad}{i}" for i in range(40)]
xy = np.random.default_rng(0).normal(size=(40, 2))
panel = MapPanel(xy, items, color="label", ledger=Ledger("nasty.ledger"))
panel.selected = items.index[:9]
panel._look_at(3)
panel
"""
ENGINES = ["scatter", "plotly"]
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


@pytest.fixture
def in_the_dark(lab):
    """Return a function that takes a picture of an element under the dark theme."""

    def picture(name, element):
        lab.page.evaluate(THEME, "JupyterLab Dark")
        lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
        lab.page.wait_for_timeout(500)  # colours fade over
        lab.screenshot(name, of=element)

    yield picture
    lab.page.evaluate(THEME, "JupyterLab Light")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_map_is_drawn_selected_on_and_follows(lab, write_notebook, in_the_dark, engine):
    lab.open(write_notebook(f"map-{engine}", ITEMS, MAP.format(engine)))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    canvas = panel.locator(".curalab-points canvas").first
    plot = canvas if engine == "scatter" else panel.locator(".nsewdrag").first
    lab.wait_drawn(canvas, colors=50)
    assert not lab.output(1).get_by_alt_text("Map of 600 items").is_visible()

    # Hovering shows the item itself: its thumbnail.
    box = plot.bounding_box()
    at = np.array(lab.value("((xy[7] - (xy.min(0) + xy.max(0)) / 2) / np.ptp(xy, axis=0).max())"))
    x, y = (at * [1, -1] * 2 / 1.05 + 1) / 2
    lab.page.mouse.move(box["x"] + x * box["width"] - 9, box["y"] + y * box["height"])
    lab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
    card = panel.locator(".curalab-card")
    card.locator("img").wait_for()
    assert lab.value(f"items.index.get_loc({card.locator('b').inner_text()!r})") >= 0

    # The mouse selects: what lies in the lasso, and nothing far from it.
    lasso = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.72)]
    lab.drag_until(plot, lasso, "len(panel.selected)")
    frame = "2 * (xy - (xy.min(0) + xy.max(0)) / 2) / np.ptp(xy, axis=0).max() / 1.05"
    within = "items.index[(np.abs({}) < {}).all(axis=1)]"
    assert lab.value(f"set({within.format(frame, 0.4)}) <= set(panel.selected)")
    assert lab.value(f"set(panel.selected) <= set({within.format(frame, 0.55)})")
    n = lab.value("len(panel.selected)")
    panel.get_by_text(f"{n} of 600 items selected.").wait_for()
    lab.screenshot(f"map-{engine}-lasso", of=panel)

    # Keys belong to the panel while it has the focus.
    lab.page.keyboard.press("Escape")
    lab.wait_for("panel.selected == []")

    panel.get_by_role("button", name="Box").click()
    lab.drag_until(plot, [(0.05, 0.05), (0.5, 0.95)], "len(panel.selected)")
    assert lab.value(f"set(panel.selected) <= set(items.index[({frame})[:, 0] < 0.05])")

    # Python selects, without a lasso, and so does the legend.
    lab.execute("panel.selected = list(items.index[items['label'] == '3'])")
    panel.get_by_text(f"{lab.value('len(panel.selected)')} of 600 items selected.").wait_for()
    panel.locator("[data-pick='color:6']").click()
    lab.wait_for("set(items.loc[panel.selected, 'label']) == {'6'}")

    # A class key relabels, U takes it back.
    lab.page.keyboard.press("7")
    lab.wait_for("(panel._ledger.decisions()['new'] == '7').sum() == len(panel.selected)")
    lab.page.keyboard.press("u")
    lab.wait_for("len(panel._ledger.decisions()) == 0")
    assert lab.errors() == []
    in_the_dark(f"map-{engine}-dark", panel)
    assert lab.problems == []


def test_a_decision_survives_a_crash_and_is_not_asked_again(lab, write_notebook, in_the_dark):
    lab.open(write_notebook("review", ITEMS, REVIEW.format("review")))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    first, second, third = lab.value("list(items.index[5:8])")
    panel.get_by_text(first, exact=True).wait_for()

    panel.get_by_role("combobox").select_option("9")
    panel.get_by_role("button", name="Relabel to", exact=True).click()
    panel.get_by_text(second, exact=True).wait_for()
    lab.page.keyboard.press("k")
    panel.get_by_text(third, exact=True).wait_for()
    lab.page.keyboard.press("d")
    lab.wait_for("len(ledger) == 3")
    lab.page.keyboard.press("u")
    panel.get_by_text(third, exact=True).wait_for()
    lab.screenshot("review-light", of=panel)

    lab.kill_kernel()
    lab.open("review.ipynb")
    lab.run_all()
    panel.get_by_text("2 of 10 decided").wait_for()
    assert lab.value("review.selected") == [third]
    assert lab.value("ledger.apply(items).loc[[items.index[5]], 'label'].tolist()") == ["9"]
    assert lab.value("ledger.to_frame()['action'].tolist()") == ["relabel", "keep", "drop", "undo"]
    in_the_dark("review-dark", panel)


def test_keys_reach_the_panel_only_while_it_has_the_focus(lab, write_notebook):
    lab.open(write_notebook("focus", ITEMS, REVIEW.format("focus")))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    panel.get_by_text("0 of 10 decided").wait_for()
    lab.cell(0).locator(".jp-InputPrompt").click()
    lab.page.keyboard.press("k")
    panel.get_by_role("button", name="Skip (S)").click()
    for key in "dd":  # deletes the cell where JupyterLab hears it
        lab.page.keyboard.press(key)
    lab.wait_for("len(ledger) == 2")
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == 2


def test_text_from_data_stays_text(lab, write_notebook):
    review = "ReviewPanel(list(items.index), items, Ledger('nasty.ledger'))"
    lab.open(write_notebook("nasty", NASTY, review))
    lab.run_all()
    panel = lab.output(0).locator(".curalab-panel")
    lab.wait_drawn(panel.locator("canvas").first, colors=3)
    lab.output(1).get_by_text("0 of 40 decided").wait_for()
    assert lab.page.evaluate("window.hacked") is None
    lab.screenshot("panel-nasty")


@pytest.mark.parametrize("has_state", [True, False])
def test_an_exported_page_shows_the_picture(browser, write_notebook, has_state):
    notebook = write_notebook("export", ITEMS, MAP.format("scatter"), REVIEW.format("export"))
    state = f"--ExecutePreprocessor.store_widget_state={has_state}"
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", state, str(notebook)]
    subprocess.run(command, check=True, capture_output=True)
    page = notebook.with_suffix(".html")
    assert ("widget-state+json" in page.read_text(encoding="utf-8")) == has_state
    tab = browser.new_page(viewport={"width": 1100, "height": 1400})
    tab.goto(page.as_uri())
    picture = tab.get_by_alt_text("Map of 600 items")
    assert picture.evaluate("image => [image.complete, image.naturalWidth > 400]") == [True, True]
    assert picture.is_visible()
    assert picture.get_attribute("src").startswith("data:image/png;base64,")
    assert tab.get_by_text("suspects decided. The first:").is_visible()
    assert tab.get_by_role("button", name="Keep").count() == 0
    tab.screenshot(path=SCREENSHOTS / f"export-{'with' if has_state else 'without'}-state.png")
    tab.close()
