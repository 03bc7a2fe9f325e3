"""The panels where JupyterLab is not: in Notebook 7 and in Voila."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from browser.lab import Notebook, Voila
from browser.server import until
from curalab.ledger import Ledger
from curalab.samples import digits

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
MapPanel(left[:, :2], items, color="label", ledger=ledger, actor="Ann", engine={!r})
"""
REVIEW = """
ReviewPanel(items.index[5:15], items, ledger, actor="Ann", embedding=emb)
"""
# What the hosts themselves report, with or without a panel:
KNOWN = {
    # github.com/jupyter/notebook/issues/7862: a race at the start
    Notebook: r"Cannot read properties of undefined \(reading 'schema'\)"
    # a command of JupyterLab's file browser, which Notebook 7 keeps on another page
    "|Command 'filebrowser:open-path' not registered",
    # it wants icons and mathematics from the network, which is not there; loads an extension that
    # only Notebook 7 can use (github.com/voila-dashboards/voila/issues/1514); and may not end its
    # kernel when the page goes, on a server that asks for a token
    Voila: "ERR_NAME_NOT_RESOLVED .*(fontawesome|mathjax)|@jupyter-notebook/lab-extension"
    "|403 .*/voila/api/shutdown/",
}


def is_in_picture(color, png):
    """Tell whether a picture on white has a color such as "rgb(66, 114, 210)", pure or paler."""
    wanted = 255.0 - np.array(re.findall(r"\d+", color), dtype=int)
    seen = 255.0 - np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    strength = seen @ wanted / (wanted @ wanted)
    off = np.abs(seen - np.outer(strength, wanted)).max(axis=1)
    return bool(((strength > 0.5) & (off < 3)).any())


@pytest.mark.parametrize("engine", ["scatter", pytest.param("plotly", marks=pytest.mark.full)])
@pytest.mark.parametrize("host", [Notebook, Voila])
def test_a_map_selects_and_decisions_are_on_disk(tab, write_notebook, host, engine):
    shown = tab(host)
    shown.open(write_notebook("panels", ITEMS, MAP.format(engine), REVIEW))
    if host is Notebook:
        shown.run_all()
    panel, review = (shown.page.locator(".curalab-panel").nth(i) for i in range(2))
    path = shown.server.root / "host.ledger"

    def on_disk(column):
        return Ledger(path).to_frame()[column].tolist()

    # The map: drawn, in place of its picture; the legend selects, a class key relabels, U undoes.
    canvas = panel.locator(".curalab-points canvas").first
    shown.wait_drawn(canvas, colors=50)
    legend = panel.locator("[data-pick^='color:'] i").evaluate_all(
        "dots => dots.map(dot => getComputedStyle(dot).backgroundColor)"
    )
    assert len(legend) == 10
    assert [color for color in legend if not is_in_picture(color, canvas.screenshot())] == []
    assert not shown.page.get_by_alt_text("Map of 600 items").is_visible()
    sixes = (digits()["label"].iloc[:600] == "6").sum()
    panel.locator("[data-pick='color:6']").click()
    panel.get_by_text(f"{sixes} of 600 items selected.").wait_for()
    shown.page.keyboard.press("7")
    until(lambda: on_disk("new") == ["7"] * sixes, what="the labels in the ledger")
    shown.page.keyboard.press("u")
    panel.get_by_text(f"Taken back: {sixes} decisions.").wait_for()
    assert Ledger(path).decisions().empty
    shown.page.keyboard.press("Escape")
    panel.get_by_text("0 of 600 items selected.", exact=True).wait_for()

    plot = canvas if engine == "scatter" else panel.locator(".nsewdrag").first
    lasso = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.72)]
    some = panel.get_by_text(re.compile(r"^[1-9]\d* of 600 items selected\."))
    shown.drag_until(plot, lasso, some)
    name = f"{host.__name__.lower()}-{engine}"
    shown.screenshot(f"{name}-map", of=panel)

    # The review: by button, by key, and taken back.
    first, second = digits().index[5:7]
    review.get_by_text(first, exact=True).wait_for()
    review.get_by_role("button", name="Drop (D)").click()
    review.get_by_text(second, exact=True).wait_for()
    assert on_disk("action")[-1] == "drop"
    shown.page.keyboard.press("k")
    review.get_by_text("2 of 10 decided").wait_for()
    assert on_disk("action")[-1] == "keep"
    shown.page.keyboard.press("u")
    review.get_by_text("1 of 10 decided").wait_for()
    review.get_by_text(second, exact=True).wait_for()
    assert Ledger(path).decisions().index.tolist() == [first]
    shown.screenshot(f"{name}-review", of=review)

    # In the dark; Voila has a new kernel for it, which knows what was decided.
    if engine == "plotly":
        if host is Voila:
            shown.open("panels.ipynb", theme="dark")
        else:
            shown.theme("dark")
        review.get_by_text("1 of 10 decided").wait_for()
        shown.wait_drawn(canvas, colors=50)
        shown.screenshot(f"{name}-map-dark", of=panel)
        shown.screenshot(f"{name}-review-dark", of=review)
    assert [each for each in shown.problems if not re.search(KNOWN[host], each)] == []
