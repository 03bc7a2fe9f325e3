"""The selector panel in a real JupyterLab: seen, moved, clicked, decided, in both themes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

ITEMS = """
import numpy as np
import curalab as cl
from curalab.samples import digits
from curalab_widgets.selectors import SelectorPanel

items = digits().iloc[:700]
pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
emb = cl.Embedding(vectors=pixels, ids=items.index)

pool = cl.Pool(embedding=emb.take(items.index[:500]), labels=items["label"][:500])
test = cl.Pool(embedding=emb.take(items.index[500:]), labels=items["label"][500:])
methods = ["facility_location", "typicality", "k_center", "random"]
picks = {m: cl.select(pool, 60, method=m, random_state=0) for m in methods}
view = cl.reduce(pool.embedding, method="tsne", random_state=0)
board = cl.bench(
    "selectors", methods, pool=pool, test=test, budgets=[10, 30, 60], n_seeds=3, random_state=0
)
"""
PANEL = """
ledger = cl.Ledger("picks.ledger")
panel = SelectorPanel(
    view, picks, items=items[:500].assign(half=["first", "second"] * 250), board=board,
    ledger=ledger, embedding=pool.embedding, actor="Ann",
)
panel
"""
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


def test_selectors_are_seen_compared_and_chosen(lab, write_notebook):
    lab.open(write_notebook("selectors", ITEMS, PANEL))
    lab.run_all(timeout=400)
    panel = lab.output(1).locator(".curalab-panel")
    dots = panel.locator("svg [data-pick]")
    dots.first.wait_for()
    assert dots.count() == 4 * 60
    lab.screenshot("selectors-light", of=panel)

    # The slider, by keys: so do hands that have no mouse.
    panel.get_by_role("slider").focus()
    for _ in range(30):
        lab.page.keyboard.press("ArrowLeft")
    lab.wait_for("panel.budget == 30")
    panel.get_by_text("30 picks, ").wait_for()
    panel.get_by_role("combobox").first.select_option("k_center")
    panel.get_by_role("button", name="Select these 30").click()
    lab.wait_for("panel.selected == list(picks['k_center'].ids[:30])")
    panel.get_by_role("button", name="Choose these (T)").click()
    lab.wait_for("(ledger.decisions()['new'] == 'selected:k_center').sum() == 30")
    panel.get_by_text("✓ 30 tagged selected:k_center").wait_for()

    # A pick on a map is clicked: its card shows, and its ring on all maps.
    dots.nth(40).dispatch_event("click")  # others may lie over it
    lab.wait_for("len(panel.selected) == 1")
    panel.locator(".curalab-card").wait_for()
    lab.screenshot("selectors-chosen", of=panel)
    panel.get_by_role("combobox").first.select_option("picked by none")
    panel.get_by_text("that none picked").wait_for()
    lab.page.keyboard.press("Escape")
    panel.get_by_role("button", name="Undo (U)").click()
    lab.wait_for("len(ledger.decisions()) == 0")
    lab.page.evaluate(THEME, "JupyterLab Dark")
    lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    lab.page.wait_for_timeout(500)
    lab.screenshot("selectors-dark", of=panel)
    lab.page.evaluate(THEME, "JupyterLab Light")
    assert lab.errors() == []
    assert lab.problems == []
