"""The review panel in a real JupyterLab: every path, by keyboard and by mouse, in both themes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

ITEMS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.samples import digits, plant_label_errors
from curalab_widgets.review import ReviewPanel

planted = plant_label_errors(digits().iloc[:400], share=0.08, random_state=0)
items = planted.items
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = cl.Embedding(vectors=pixels, ids=items.index, metric="euclidean")
bad = cl.find_label_errors(emb, items["label"], method="knn_agreement", random_state=0)
ledger = cl.Ledger("walk.ledger")
"""
REVIEW = "panel = ReviewPanel(bad, items, ledger, actor='Ann')\npanel"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


@pytest.fixture
def in_the_dark(lab):
    def picture(name, element):
        lab.page.evaluate(THEME, "JupyterLab Dark")
        lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
        lab.page.wait_for_timeout(500)  # colours fade over
        lab.screenshot(name, of=element)
        lab.page.evaluate(THEME, "JupyterLab Light")
        lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'true'")

    yield picture
    lab.page.evaluate(THEME, "JupyterLab Light")


def press(lab, keys):
    """Press keys one by one, as a hand does: each waits for the one before."""
    for key in keys:
        n = lab.value("len(ledger)")
        lab.page.keyboard.press(key)
        lab.wait_for(f"len(ledger) > {n}")


def test_a_review_from_end_to_end(lab, write_notebook, in_the_dark):
    lab.page.set_viewport_size({"width": 1440, "height": 1100})
    lab.open(write_notebook("walk", ITEMS, REVIEW))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    total = lab.value("len(panel._queue)")
    panel.get_by_text(f"0 of {total} decided").wait_for()
    assert panel.locator(".curalab-review-compared img").count() == 4

    # The keyboard decides; five verdicts bring an estimate.
    panel.locator(".curalab-card").click()
    press(lab, "rrkdr")
    panel.get_by_text("wrong of 5 reviewed").wait_for()
    lab.page.keyboard.press("s")
    lab.wait_for("panel._waiting.counts['skipped'] == 1")
    lab.screenshot("review-panel-light", of=panel)
    in_the_dark("review-panel-dark", panel)
    lab.execute("panel.recall = 0.01")
    panel.get_by_text("You may stop now.").wait_for()
    lab.screenshot("review-stop-light", of=panel)
    lab.execute("panel.recall = 0.9")

    # N goes to the note, where keys are letters, and Enter comes back to the keys.
    panel.locator(".curalab-card").click()  # another theme takes the focus away
    at, n = lab.value("[panel.selected, len(ledger)]")
    lab.page.keyboard.press("n")
    lab.page.keyboard.type("drk, kept")
    lab.page.keyboard.press("Enter")
    lab.wait_for("panel.note == 'drk, kept'")
    assert lab.value("[panel.selected, len(ledger)]") == [at, n]
    press(lab, "k")
    assert lab.value("ledger.to_frame()['reason'].iloc[-1]").startswith("drk, kept; ")
    lab.wait_for("panel.note == ''")

    # The list jumps back, so do the arrows; a decision is replaced.
    panel.locator(".curalab-review-line").first.click()
    lab.wait_for("panel.selected == [items.index[panel._queue[0]]]")
    panel.get_by_text("Ann: relabelled").wait_for()
    lab.page.keyboard.press("ArrowDown")
    lab.wait_for("panel.selected == [items.index[panel._queue[1]]]")
    press(lab, "k")
    lab.wait_for("panel._waiting.counts['kept'] == 3")
    panel.get_by_role("button", name="Later").click()
    panel.get_by_text(f"10–18 of {total}").wait_for()

    # Another order, and the keys work on.
    panel.locator(".curalab-review-order select").select_option("Most informative first")
    lab.wait_for("panel.order == 'informative'")
    press(lab, "k")
    panel.locator(".curalab-review-order select").select_option("Worst first")
    lab.wait_for("panel.order == 'worst'")

    # Somebody else gives second opinions, blind.
    who = panel.get_by_label("Signed as")
    who.fill("Bob")
    who.press("Enter")
    lab.wait_for("panel.actor == 'Bob'")
    panel.get_by_role("button", name="Second opinion").click()
    lab.wait_for("panel.second")
    assert panel.get_by_text("Ann").count() == 0
    press(lab, "rrrrrr")
    panel.get_by_text("decided 6 alike in").wait_for()
    panel.get_by_text("to settle").wait_for()
    lab.screenshot("review-second-light", of=panel)
    in_the_dark("review-second-dark", panel)
    panel.locator(".curalab-review-conflict").first.click()
    panel.locator("[role=note]", has_text="Ann: ").wait_for()
    press(lab, "r")
    lab.wait_for("(ledger.to_frame()['reason'].str.startswith('settled')).sum() == 1")

    # What is decided survives a killed kernel.
    lab.kill_kernel()
    lab.open("walk.ipynb")
    lab.run_all()
    panel.get_by_text("7 of").wait_for()
    assert lab.errors() == []
    assert lab.problems == []


TEXTS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.samples import docstrings
from curalab_widgets.review import ReviewPanel

items = docstrings().iloc[:300]
emb = cl.embed(items["text"], encoder="tfidf", cache=False, random_state=0)
given = items["label"].where(np.arange(len(items)) % 3 > 0, None)
soft = cl.pseudo_label(emb, given, random_state=0)
table = items.assign(label=given)
ledger = cl.Ledger("texts.ledger")
"""


def test_proposals_for_texts(lab, write_notebook, in_the_dark):
    shown = "panel = ReviewPanel(soft, table, ledger, actor='Ann', embedding=emb)\npanel"
    lab.page.set_viewport_size({"width": 1440, "height": 1100})
    lab.open(write_notebook("texts", TEXTS, shown))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    panel.get_by_text("decided").first.wait_for()
    below = panel.get_by_label("Confidence up to")
    some = lab.value("round(float(np.quantile(soft.confidence[~soft.given], 0.4)), 2)")
    below.fill(str(some))
    below.press("Enter")
    lab.wait_for(f"panel.threshold == {some}")
    press(lab, "rk")
    lab.screenshot("review-texts-light", of=panel)
    in_the_dark("review-texts-dark", panel)
    assert lab.errors() == []
