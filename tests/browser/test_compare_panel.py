"""Two things side by side in a real JupyterLab."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

ITEMS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.samples import digits
from curalab_widgets.compare import ComparePanel

items = digits().iloc[:600]
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = cl.Embedding(vectors=pixels, ids=items.index)
coarse = np.stack(items["image"]).reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(items), -1)
rough = cl.Embedding(vectors=coarse.astype("float32"), ids=items.index)
view = cl.reduce(emb, method="pca", random_state=0)
"""
EMBEDDINGS = """
ledger = cl.Ledger("compare.ledger")
panel = ComparePanel(emb, rough, items=items, ledger=ledger, actor="Ann")
panel
"""
CLUSTERINGS = """
few, many = (
    cl.cluster(emb, method=cl.clusters.KMeans(n_clusters=k), random_state=0) for k in (8, 12)
)
clusters = ComparePanel(few, many, items=items, views=view)
clusters
"""
DETECTORS = """
one, other = (cl.find_outliers(emb, method=name, random_state=0) for name in ("knn", "ecod"))
board = ComparePanel(one, other, items=items, views=view, engine="plotly")
board
"""
TABLES = """
after = items.drop(items.index[::40]).copy()
after.loc[after.index[::50], "label"] = "<b>eight</b>"
tables = ComparePanel(items, after, ledger=cl.Ledger("tables.ledger"), actor="Ann")
tables
"""


def opened(lab, notebook):
    """Run a notebook whose second cell shows a panel; return the panel."""
    lab.open(notebook)
    lab.page.set_viewport_size({"width": 1180, "height": 1500})
    lab.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    lab.run_all()
    return lab.output(1).locator(".curalab-panel")


def seen(lab, name, panel):
    """Take a picture of the panel in either theme."""
    for theme in ("light", "dark"):
        lab.theme(theme)
        panel.scroll_into_view_if_needed()
        lab.screenshot(f"compare-{name}-{theme}", of=panel)
    lab.theme("light")
    assert lab.errors() == []
    assert lab.problems == []


def test_two_embeddings_are_compared_and_decided_on(lab, write_notebook):
    panel = opened(lab, write_notebook("compare", ITEMS, EMBEDDINGS))
    left, right = (panel.locator(".curalab-points").nth(i).locator("canvas").first for i in (0, 1))
    for canvas in (left, right):
        lab.wait_drawn(canvas, colors=20)

    # A lasso on the left highlights on both sides.
    lab.drag_until(left, [(0.2, 0.2), (0.6, 0.2), (0.6, 0.7), (0.2, 0.7)], "len(panel.selected)")
    chosen = lab.value("sorted(panel.ids.get_indexer(panel.selected))")
    for half in (0, 1):
        assert lab.value(f"sorted(panel._halves[{half}].points.widget.selection)") == chosen
    lab.screenshot("compare-embeddings-lasso", of=panel)

    # A band of the board selects its rows, a row of the list shows its neighbours on both sides.
    panel.get_by_role("button", name="none kept").or_(
        panel.get_by_role("button", name="up to a quarter")
    ).first.click()
    lab.wait_for("panel.selected == list(panel.difference.index[:len(panel.selected)])")
    lab.page.keyboard.press("Escape")
    lab.wait_for("panel.selected == []")
    lab.page.keyboard.press("n")
    lab.wait_for("panel.selected == [panel.difference.index[0]]")
    panel.get_by_text("Nearest on the right").wait_for()
    lab.screenshot("compare-embeddings-light", of=panel)
    panel.get_by_role("button", name="Near it on the left (L)").click()
    lab.wait_for("len(panel.selected) == 16")
    lab.screenshot("compare-embeddings-near", of=panel)

    # The slider compares anew, beside the kernel.
    slider = panel.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    lab.wait_for("panel.k == 16")
    panel.get_by_text("Of a row's 16 nearest rows").wait_for()

    # Decisions by key; U takes the last one back; a new kernel knows the others.
    lab.execute("panel.selected = [panel.difference.index[0]]")
    panel.get_by_role("button", name="Keep (K)").click()
    lab.wait_for("panel.selected == [panel.difference.index[1]]")
    lab.page.keyboard.press("d")
    lab.wait_for("len(ledger) == 2")
    lab.page.keyboard.press("u")
    lab.wait_for("ledger.decisions()['action'].tolist() == ['keep']")
    assert lab.errors() == []
    lab.theme("dark")
    lab.screenshot("compare-embeddings-dark", of=panel)
    lab.theme("light")
    lab.kill_kernel()
    lab.open("compare.ipynb")
    lab.run_all()
    panel.get_by_text("rows differ; the most different first").wait_for()
    lab.page.keyboard.press("n")
    lab.execute("panel.show_next()")
    assert lab.value("panel.selected == [panel.difference.index[1]]")


def test_clusterings_are_compared(lab, write_notebook):
    panel = opened(lab, write_notebook("compare-clusters", ITEMS, CLUSTERINGS))
    for half in (0, 1):
        canvas = panel.locator(".curalab-points").nth(half).locator("canvas").first
        lab.wait_drawn(canvas, colors=20)
    panel.get_by_role("button", name="splits into").first.click()
    lab.wait_for("clusters._found.table.loc[clusters.selected, 'left'].nunique() == 1")
    seen(lab, "clusters", panel)


def test_detectors_are_compared(lab, write_notebook):
    panel = opened(lab, write_notebook("compare-detectors", ITEMS, DETECTORS))
    for half in (0, 1):
        canvas = panel.locator(".curalab-points").nth(half).locator("canvas").first
        lab.wait_drawn(canvas, colors=20)
    n = lab.value("int((board._found.table['outcome'] == 'only left').sum())")
    panel.locator(".curalab-compare-board td button").get_by_text(str(n), exact=True).first.click()
    lab.wait_for("set(board._found.table.loc[board.selected, 'outcome']) == {'only left'}")
    seen(lab, "detectors", panel)


def test_tables_are_compared_and_rows_dropped(lab, write_notebook):
    panel = opened(lab, write_notebook("compare-tables", ITEMS, TABLES))
    panel.get_by_role("button", name="changed", exact=True).click()
    lab.wait_for("len(tables.selected) == 12")
    panel.get_by_text("<b>eight</b>").first.wait_for()
    panel.get_by_role("button", name="Drop (D)").click()
    lab.wait_for("len(tables._ledger) == 12")
    panel.get_by_text("dropped").first.wait_for()
    seen(lab, "tables", panel)
