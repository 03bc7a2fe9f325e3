"""The panels where JupyterLab is not: in Notebook 7 and in Voila."""

from __future__ import annotations

import pytest

from browser.lab import Notebook, Voila
from browser.server import until
from curalab.ledger import Ledger

ITEMS = """
import numpy as np
from curalab.embedding import Embedding
from curalab.ledger import Ledger
from curalab.samples import digits
from curalab_widgets import MapPanel, ReviewPanel

items = digits().iloc[:600]
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = Embedding(vectors=pixels, ids=items.index)
left, _, right = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
ledger = Ledger("host.ledger")
"""
MAP = """
panel = MapPanel(left[:, :2], items, color="label", ledger=ledger, actor="Ann", engine="{}")
panel
"""
REVIEW = 'ReviewPanel(items.index[5:15], items, ledger, actor="Ann", embedding=emb)'


@pytest.mark.parametrize("engine", ["scatter", pytest.param("plotly", marks=pytest.mark.full)])
@pytest.mark.parametrize("host", [Notebook, Voila])
def test_a_map_selects_and_a_review_decides(tab, write_notebook, host, engine):
    shown = tab(host)
    shown.open(write_notebook("panels", ITEMS, MAP.format(engine), REVIEW))
    if host is Notebook:
        shown.run_all()
    panel, review = (shown.page.locator(".curalab-panel").nth(i) for i in range(2))
    canvas = panel.locator(".curalab-points canvas").first
    shown.wait_drawn(canvas, colors=50)
    print(shown.problems)
    shown.screenshot(f"host-{host.__name__}-{engine}")
