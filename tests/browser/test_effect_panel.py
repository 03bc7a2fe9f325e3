"""The effect panel in a real JupyterLab: seen, clicked, a step taken back, in both themes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

ITEMS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.samples import digits
from curalab_widgets.effect import EffectPanel

right = digits().iloc[:500]
pixels = np.stack(right["image"].tolist()).reshape(len(right), -1)
emb = cl.Embedding(vectors=pixels, ids=right.index)
items = right.copy()
wrong = right.index[np.random.default_rng(0).permutation(250)[:80]]
classes = sorted(right["label"].unique())
shifted = [classes[(classes.index(c) + 1) % 10] for c in right.loc[wrong, "label"]]
items.loc[wrong, "label"] = shifted
test = right[250:]
ledger = cl.Ledger("steps.ledger")

def record(ids, **columns):
    rows = pd.DataFrame({"row_id": ids, **columns}, dtype=object)
    ledger.record_many(rows)

record(wrong[:50], action="relabel", field="label", old=items.loc[wrong[:50], "label"].to_numpy(),
       new=right.loc[wrong[:50], "label"].to_numpy(), actor="Ann", method="knn_agreement")
record([i for i in right.index[:250] if i not in wrong][:6], action="drop", actor="Bob")
record(wrong[50:], action="drop", actor="confident_learning")
"""
PANEL = """
scanner = pd.Series(np.where(np.arange(250) % 3, "A", "B"), index=test.index, name="scanner")
panel = EffectPanel(
    None, items[:250], ledger=ledger, groups=scanner, test=test, embedding=emb, actor="Ann"
)
panel
"""
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


def test_steps_are_measured_looked_at_and_taken_back(lab, write_notebook):
    lab.open(write_notebook("effect", ITEMS, PANEL))
    lab.run_all(timeout=400)
    panel = lab.output(1).locator(".curalab-panel")
    panel.get_by_text("Nothing is measured yet.").wait_for()

    # A hand measures: the kernel stays free meanwhile.
    panel.get_by_role("button", name="Measure").click()
    lab.wait_for("len(panel.effects) == 4", timeout=300)
    panel.locator(".curalab-effect-forest .scatterlayer .point").first.wait_for()
    panel.get_by_text("2 of 3 steps have").wait_for()
    lab.screenshot("effect-light", of=panel)

    panel.get_by_role("combobox").first.select_option("drop by Bob")
    lab.wait_for("panel.step == 'drop by Bob' and len(panel.selected) == 6")
    panel.get_by_text("No detectable effect").wait_for()
    panel.get_by_role("combobox").nth(1).select_option("scanner")
    lab.wait_for("panel.by == 'scanner'")
    panel.get_by_role("button", name="Undo this step").click()
    lab.wait_for("len(ledger.decisions()) == 80")
    panel.get_by_role("button", name="Bring this step back").wait_for()
    lab.page.keyboard.press("u")
    lab.wait_for("len(ledger.decisions()) == 86")
    panel.locator(".curalab-tile").nth(2).click()
    panel.locator(".curalab-card").wait_for()
    lab.page.evaluate(THEME, "JupyterLab Dark")
    lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    lab.page.wait_for_timeout(500)
    lab.screenshot("effect-dark", of=panel)
    lab.page.evaluate(THEME, "JupyterLab Light")
    assert lab.errors() == []
    assert lab.problems == []
