"""The panel of proposed labels in a real JupyterLab: its line moved, rows accepted and rejected."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

DIGITS = """
import numpy as np
import curalab as cl
from curalab.samples import digits
from curalab_widgets.pseudo import PseudoLabelPanel

items = digits().iloc[:900].copy()
truth = items["label"].copy()
shown = truth.groupby(truth).sample(12, random_state=0).index
items["label"] = truth.where(truth.index.isin(shown), None)
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = cl.Embedding(vectors=pixels, ids=items.index)
asked = truth[items["label"].isna()].sample(200, random_state=0)
found = cl.pseudo_labels.honesty(emb, items["label"], truth=asked, random_state=0)
"""
PANEL = """
ledger = cl.Ledger("pseudo.ledger")
panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
panel
"""
BARE = "bare = PseudoLabelPanel(cl.pseudo_label(emb, items['label'], random_state=0))\nbare"


@pytest.fixture
def tall(lab):
    lab.page.set_viewport_size({"width": 1420, "height": 1700})
    return lab


def test_the_line_moves_and_what_is_above_it_goes_into_the_ledger(tall, write_notebook):
    lab = tall
    lab.open(write_notebook("pseudo", DIGITS, PANEL))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    plot = panel.locator(".nsewdrag").first
    plot.wait_for()
    panel.locator(".scatterlayer .trace").first.wait_for(state="attached")
    lab.page.wait_for_timeout(500)
    lab.screenshot("pseudo-light", of=panel)

    # A click on the figure moves the line there, and the slider does.
    before = lab.value("panel.threshold")
    box = plot.bounding_box()
    lab.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    lab.page.wait_for_timeout(300)
    lab.page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    lab.wait_for(f"panel.threshold != {before}")
    clicked = lab.value("panel.threshold")
    low = lab.value("panel._line.lowest")
    assert abs(clicked - (low + 1.005) / 2) < 0.02
    panel.locator(".noUi-handle").first.focus()
    for _ in range(5):
        lab.page.keyboard.press("ArrowRight")
    lab.wait_for(f"abs(panel.threshold - {clicked} - 0.005) < 1e-6")

    panel.get_by_role("button", name="Move the line there").click()
    lab.wait_for(f"panel.threshold == {before}")
    panel.get_by_text("the choice of the line included").wait_for()

    # A tile selects its row, and its proposal is rejected.
    panel.locator(".curalab-tile").first.click()
    lab.wait_for("len(panel.selected) == 1")
    panel.locator(".curalab-tile").nth(1).click()
    lab.wait_for("len(panel.selected) == 2")
    lab.screenshot("pseudo-selected", of=panel)
    panel.get_by_role("button", name="Reject selected").click()
    lab.wait_for("len(ledger) == 2")
    panel.get_by_role("button", name="Accept above the line").click()
    lab.wait_for("len(ledger) > 300")
    panel.get_by_text("undecided; accepted so far").wait_for()
    n = lab.value("len(ledger)")
    assert lab.value("ledger.apply(items)['label'].notna().sum() == 120 + len(ledger) - 2")
    panel.get_by_role("button", name="Surest of each class").click()
    panel.get_by_role("button", name="Reliability").click()
    panel.locator(".curalab-pseudo-beside .js-plotly-plot").wait_for()
    lab.page.wait_for_timeout(500)
    lab.screenshot("pseudo-reliability", of=panel)

    # After a crash the acceptance is known, and taken back as one.
    lab.kill_kernel()
    lab.open("pseudo.ipynb")
    lab.run_all()
    panel.get_by_text(f"accepted so far {n - 2:,}, rejected 2").wait_for()
    panel.locator(".curalab-pseudo-numbers").click()
    lab.page.keyboard.press("u")
    lab.wait_for(f"len(ledger) == {n} + {n} - 2")
    panel.get_by_text("accepted so far 0, rejected 2").wait_for()
    assert lab.value("int(ledger.apply(items)['label'].notna().sum())") == 120
    lab.theme("dark")
    panel.locator(".curalab-key").nth(3).click()
    lab.wait_for("len(panel.selected) > 1")
    lab.page.wait_for_timeout(500)
    lab.screenshot("pseudo-dark", of=panel)
    lab.theme("light")
    assert lab.errors() == []
    assert lab.problems == []


def test_without_honesty_it_says_that_nothing_is_known(tall, write_notebook):
    lab = tall
    lab.open(write_notebook("pseudo-bare", DIGITS, BARE))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    panel.get_by_text("Nothing says how right these labels are.").wait_for()
    panel.locator(".nsewdrag").first.wait_for()
    lab.page.wait_for_timeout(500)
    lab.screenshot("pseudo-bare", of=panel)
    assert panel.get_by_role("button", name="Accept above the line").count() == 0
    assert lab.problems == []
