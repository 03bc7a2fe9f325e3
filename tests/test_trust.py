"""How far to trust a map: said in words and shown as faint points, in panels and pictures."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curalab import Embedding
from curalab.maps import map_quality
from curalab_widgets import MapPanel
from curalab_widgets._points import paint, raster


@pytest.fixture(scope="module")
def misled():
    """Two groups of 40; on the map the first five rows stand in the middle of the other group."""
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(80, 2)) + 9 * np.repeat([[0], [1]], 40, axis=0)
    emb = Embedding(vectors=np.c_[xy, rng.normal(size=(80, 4)) / 9], metric="euclidean")
    xy[:5] = 9 + rng.normal(size=(5, 2)) / 9
    view = Embedding(vectors=xy, metric="euclidean")
    return emb, view, map_quality(view, emb)


@pytest.mark.parametrize("engine", ["scatter", "plotly"])
def test_misplaced_points_are_faint_and_the_panel_says_so(misled, engine):
    emb, view, quality = misled
    items = pd.DataFrame({"group": np.repeat(["a", "b"], 40)}, index=emb.ids)
    panel = MapPanel(view, items, color="group", results=quality, engine=engine)
    assert panel._paint.faint[:5].all()
    assert panel._paint.faint[5:].mean() < 0.2
    still = panel._repr_mimebundle_()["text/html"]
    assert "On this map what lies together is" in still
    assert "rows lie among strangers (faint)." in still
    panel.color = "map_recall"
    assert panel._paint.faint[:5].all()
    assert "On this map" not in MapPanel(view, items)._repr_mimebundle_()["text/html"]


def test_plotly_shows_faint_and_unselected_apart(misled):
    _, view, quality = misled
    panel = MapPanel(view, results=quality, engine="plotly")
    level = panel._points._level
    assert set(level[:5]) == {1}
    panel.selected = [0, 10]
    assert (level[[0, 10]] == [1, 0]).all()
    assert (np.delete(level, [0, 10]) == 2).all()
    panel.selected = []
    assert set(level) == {0, 1}


def test_faint_points_of_a_picture():
    xy = np.array([[0.0, 0.0], [1.0, 1.0]])
    made = paint(None, 2)
    made = type(made)(codes=made.codes, colors=made.colors, names=made.names,
                      faint=np.array([True, False]))  # fmt: skip
    alpha = np.asarray(Image.open(io.BytesIO(raster(xy, made))))[..., 3]
    side = len(alpha) // 2
    low, high = alpha[side:, :side].max(), alpha[:side, side:].max()
    assert high == 255
    assert low == 64
