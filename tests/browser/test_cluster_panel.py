"""The panel of clusters in a real JupyterLab: its sliders, list, tree, links, and after a crash."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.full

ITEMS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.clusters import HDBSCAN, KMeans
from curalab.samples import digits
from curalab_widgets.clusters import ClusterPanel

items = digits().iloc[:900][["image"]].assign(label=None).astype({"label": object})
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
emb = cl.Embedding(vectors=pixels, ids=items.index, metric="euclidean")
view = cl.reduce(emb, method="tsne", random_state=0)
ledger = cl.Ledger("clusters.ledger")
"""
PANEL = """
method = HDBSCAN(min_cluster_size=15, min_samples=5)
panel = ClusterPanel(view, items, view=view, method=method, ledger=ledger, actor="Ann")
panel
"""
TEXTS = """
import numpy as np
import pandas as pd
import curalab as cl
from curalab.clusters import KMeans
from curalab_widgets.clusters import ClusterPanel

rng = np.random.default_rng(0)
bad = "<img src=x onerror='window.hacked=1'>"
topics = [["red", "green", "apples", "pears", bad], ["fast", "cars", "roads", "wheels", "trucks"],
          ["warm", "rain", "storms", "clouds", "wind"], ["old", "songs", "bands", "drums", "bars"]]
which = rng.integers(4, size=400)
texts = [" ".join(rng.choice(topics[k], 8)) for k in which]
items = pd.DataFrame({"text": texts})
x = np.eye(4)[which] * 4 + rng.normal(size=(400, 4))
emb = cl.Embedding(vectors=x, metric="euclidean")
texts = ClusterPanel(emb, items, method=KMeans(n_clusters=6), engine="plotly")
texts.name(0, bad)
texts.select_cluster(1)
texts
"""
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


def point(lab, canvas, row):
    """Where a row is drawn, on the page."""
    frame = "(xy[{}] - (xy.min(0) + xy.max(0)) / 2) / np.ptp(xy, axis=0).max() * 2 / 1.05"
    at = np.array(lab.value(frame.replace("xy", "view.vectors").format(row)))
    box = canvas.bounding_box()
    x, y = (at * [1, -1] + 1) / 2
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_clusters_follow_the_hand_and_survive_a_crash(lab, write_notebook, in_the_dark):
    lab.open(write_notebook("clusters", ITEMS, PANEL))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    canvas = panel.locator(".curalab-points canvas").first
    lab.wait_drawn(canvas, colors=50)
    panel.locator(".curalab-cluster-tree .bars path").first.wait_for(state="attached")
    n = lab.value("panel.clustering.n_clusters")
    lab.screenshot("clusters-light", of=panel)

    # A slider, by the keyboard: all moves with it, beside the kernel.
    handle = panel.locator(".noUi-handle").first
    handle.focus()
    for _ in range(25):
        handle.press("ArrowRight")
    lab.wait_for("panel._wanted['min_cluster_size'] == 40")  # all keys have arrived
    lab.wait_for("panel.settings['min_cluster_size'] == 40 and panel._work.is_idle")
    m = lab.value("panel.clustering.n_clusters")
    assert m < n
    panel.get_by_text(f"{m} clusters ·").wait_for()

    # The list selects clusters, buttons and keys change them.
    first, second = lab.value("panel._found.clustering.sizes().drop(-1).index[:2].tolist()")
    for number in (first, second):
        panel.locator(f"tr[data-pick='cluster:{number}'] button").click()
    lab.wait_for(f"panel._chosen() == {[first, second]}")
    lab.screenshot("clusters-chosen", of=panel)
    panel.get_by_role("button", name="Merge (M)").click()
    lab.wait_for(f"panel.clustering.n_clusters == {m - 1}")
    panel.get_by_placeholder("a name").fill("two kinds")
    panel.get_by_role("button", name="Name", exact=True).click()
    lab.wait_for(f"panel.names == {{{first}: 'two kinds'}}")
    lab.page.keyboard.press("s")
    lab.wait_for(f"panel.clustering.n_clusters == {m}")

    # Two points picked on the map, one after the other.
    panel.get_by_role("button", name="Clear").click()
    third = lab.value(f"[k for k in panel._found.middle if k not in ({first}, {second})][-1]")
    rows = lab.value(f"[int(panel._found.middle[k][0]) for k in ({first}, {third})]")
    for row in rows:
        lab.page.mouse.move(*point(lab, canvas, row), steps=4)
        lab.page.mouse.down()
        lab.page.mouse.up()
        lab.wait_for("len(panel.selected) == 1 or len(panel._pair) == 2")
        lab.page.wait_for_timeout(600)  # two clicks in a hurry zoom out
    lab.wait_for("len(panel._pair) == 2")
    lab.screenshot("clusters-pair", of=panel)
    panel.get_by_role("button", name="Belong together", exact=True).click()
    lab.wait_for("panel.edits[-1][0] == 'must_link' and panel._work.is_idle")
    assert lab.value("len(set(panel.clustering.labels[panel._pair].tolist())) == 1")
    lab.page.keyboard.press("u")
    lab.wait_for("panel.edits[-1][0] == 'split' and panel._work.is_idle")

    # A branch of the tree selects its rows; names become labels.
    bar = panel.locator(".curalab-cluster-tree .bars path").last.bounding_box()
    lab.page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2, steps=4)
    lab.page.mouse.down()
    lab.page.mouse.up()
    lab.wait_for("len(panel.selected) > 2")
    panel.get_by_role("button", name="Accept as labels").click()
    panel.get_by_text("✓ accepted").wait_for()
    in_the_dark("clusters-dark", panel)
    assert lab.errors() == []
    assert lab.problems == []

    edits = lab.value("panel.edits")
    sizes = lab.value("panel.clustering.sizes().to_dict()")
    lab.kill_kernel()
    lab.open("clusters.ipynb")
    lab.run_all()
    assert lab.value("panel.edits") == edits
    assert lab.value("panel.clustering.sizes().to_dict()") == sizes
    panel = lab.output(1).locator(".curalab-panel")
    panel.get_by_text("✓ accepted").wait_for()
    panel.get_by_role("button", name="Undo (U)").click()
    lab.wait_for("ledger.apply(items)['label'].isna().all()")


def test_texts_have_words_and_stay_text(lab, write_notebook, in_the_dark):
    lab.open(write_notebook("cluster-texts", TEXTS))
    lab.run_all()
    panel = lab.output(0).locator(".curalab-panel")
    lab.wait_drawn(panel.locator(".curalab-points canvas").first, colors=30)
    panel.get_by_text("songs").first.wait_for()
    panel.get_by_role("button", name="Name by words").click()
    lab.wait_for("len(texts.names) == 6")
    lab.screenshot("clusters-texts", of=panel)
    in_the_dark("clusters-texts-dark", panel)
    assert lab.page.evaluate("window.hacked") is None
    assert lab.errors() == []
