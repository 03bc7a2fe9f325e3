"""Every panel in one notebook of a real JupyterLab: it shows, and one decision is made in it.

The map and the review have tests of their own beside this one; each panel's other paths are walked
by the tests marked full.
"""

from __future__ import annotations

DATA = """
import numpy as np
import curalab as cl
from curalab.samples import digits
from curalab_widgets import (
    AuditPanel, ClusterPanel, ComparePanel, DuplicatePanel, EffectPanel, PseudoLabelPanel,
    SelectorPanel,
)

items = digits().iloc[:300].copy()
vectors = np.stack(items["image"]).reshape(300, -1).astype("float32")
vectors[11], vectors[23] = vectors[10], vectors[22]
items.loc[items.index[[3, 40, 77]], "label"] = "8"
emb = cl.Embedding(vectors=vectors, ids=items.index, metric="euclidean")
view = cl.reduce(emb, method="pca", random_state=0)
little = items.assign(label=items["label"].where(np.arange(300) < 100, None))
open_ledger = lambda name: cl.Ledger(f"{name}.ledger")
"""
CELLS = {
    "audit": "AuditPanel(cl.audit(items, embedding=emb, labels='label', random_state=0), items, "
    "embedding=emb, view=view, ledger=ledger, actor='Ann')",
    "clusters": "ClusterPanel(emb, little.assign(label=None), view=view, method='kmeans', "
    "ledger=ledger, actor='Ann')",
    "duplicates": "DuplicatePanel(cl.find_duplicates(emb), items, ledger=ledger, actor='Ann')",
    "pseudo": "PseudoLabelPanel(cl.pseudo_label(emb, little['label'], random_state=0), little, "
    "ledger=ledger, actor='Ann')",
    "selectors": "SelectorPanel(view, {m: cl.select(emb, 20, method=m, random_state=0) "
    "for m in ('k_center', 'random')}, items=items, ledger=ledger, actor='Ann')",
    "compare": "ComparePanel(*(cl.find_outliers(emb, method=m) for m in ('knn', 'ecod')), "
    "items=items, views=view, ledger=ledger, actor='Ann')",
    "effect": "EffectPanel({'all': cl.measure_effect(items[:150], items[5:150], "
    "test=items[150:], embedding=emb, random_state=0, n_seeds=3)}, items, ledger=ledger, "
    "actor='Ann')",
}
# What a hand does then: clicks, keys, and what Python selects before.
DEEDS = {
    "audit": ["[data-pick^='problem:']:has-text('duplicates')", "button:Drop the copies"],
    "clusters": ["clusters.name(0, 'zero')", "button:Accept as labels"],
    "duplicates": ["d"],
    "pseudo": ["a"],
    "selectors": ["t"],
    "compare": ["compare.selected = list(items.index[:2])", "1"],
}


def test_every_panel_shows_and_decides(lab, write_notebook):
    cells = [
        f"ledger = open_ledger({name!r})\n{name} = {made}\n{name}" for name, made in CELLS.items()
    ]
    lab.page.set_viewport_size({"width": 1400, "height": 1600})
    lab.open(write_notebook("every", DATA, *cells))
    lab.run_all(timeout=400)
    assert lab.errors() == []
    for at, name in enumerate(CELLS, start=1):
        panel = lab.output(at).locator(".curalab-panel").first
        panel.wait_for()
        panel.scroll_into_view_if_needed()
        lab.page.wait_for_timeout(300)
        lab.screenshot(f"every-{name}", of=panel)
        if name not in DEEDS:
            continue
        before = lab.value(f"len({name}._ledger)")
        for deed in DEEDS[name]:
            _do(lab, panel, name, deed)
        lab.wait_for(f"len({name}._ledger) > {before}")
        assert lab.value(f"set({name}._ledger.to_frame()['actor'])") == "{'Ann'}"
    assert lab.problems == []


def _do(lab, panel, name, deed):
    if deed.startswith(f"{name}."):
        lab.execute(deed)
    elif deed.startswith("["):
        panel.locator(deed).first.click()
        lab.wait_for(f"{name}.problem is not None")
    elif deed.startswith("button:"):
        panel.get_by_role("button", name=deed.removeprefix("button:")).first.click()
    else:
        panel.focus()
        lab.page.keyboard.press(deed)
