"""The map panel grown up: rules of selection, likeness, looks, pictures, views, decisions seen."""

from __future__ import annotations

import base64
import io

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

import curalab as cl
from by_hand import click, press, shown, walk
from curalab_widgets import MapPanel
from curalab_widgets._points import SIZES, density, paint
from curalab_widgets._points._sight import pictures_in

ENGINES = pytest.mark.parametrize("engine", ["scatter", "plotly"])


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture
def blobs():
    """Two far groups of thirty; an embedding, its map, and a table."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 6)) + 12 * (np.arange(60) >= 30)[:, None]
    ids = [f"i{n:02}" for n in range(60)]
    emb = cl.Embedding(vectors=vectors, ids=ids, metric="euclidean")
    items = pd.DataFrame({"label": ["a", "b"] * 30, "n": np.arange(60.0)}, index=ids)
    return emb, cl.reduce(emb, method="pca", random_state=0), items


# ---- what is selected ----------------------------------------------------------------------------


@ENGINES
@pytest.mark.parametrize(
    ("rule", "selected"),
    [
        ("new", ["i02", "i03"]),
        ("add", ["i01", "i02", "i03"]),
        ("subtract", ["i01"]),
        ("intersect", ["i02"]),
    ],
)
def test_what_is_drawn_joins_what_is_selected_by_the_rule(blobs, engine, rule, selected):
    _, view, items = blobs
    panel = MapPanel(view, items, engine=engine)
    panel.selected = ["i01", "i02"]
    panel.combine = rule
    panel._take(np.array([2, 3]))
    assert panel.selected == selected
    drawn = np.flatnonzero(panel._points._level != 2) if engine == "plotly" else None
    seen = panel._points.widget.selection if drawn is None else drawn
    assert sorted(seen) == [int(one[1:]) for one in selected]


def test_where_the_rule_changes_nothing_the_engine_forgets_what_was_drawn(blobs):
    _, view, items = blobs
    panel = MapPanel(view, items)
    panel.selected = ["i01"]
    panel.combine = "subtract"
    panel._points.widget.selection = np.array([5, 6], dtype=np.uint32)
    assert panel.selected == ["i01"]
    assert list(panel._points.widget.selection) == [1]
    panel.find("i01")
    assert panel.selected == []
    with pytest.raises(ValueError, match="'combine' parameter must be one of 'new', 'add', 's"):
        panel.combine = "xor"


def test_like_items_are_found_from_an_item_and_from_what_the_encoder_takes(blobs):
    emb, view, items = blobs
    panel = MapPanel(view, items, embedding=emb)
    panel.nearest("i40", n=5)
    expected = emb.search(emb.take(["i40"]), 5).indices[0]
    assert set(panel.selected) == set(emb.ids[expected])
    panel.selected = ["i03"]
    click(panel, "Nearest")
    assert "i03" in panel.selected
    assert len(panel.selected) == 24
    assert all(one < "i30" for one in panel.selected)
    with pytest.raises(ValueError) as caught:
        panel.nearest("a cat")
    assert str(caught.value) == (
        "The 'example' parameter must be the id of an item, as the embedding has no encoder for "
        "other examples. Got 'a cat' instead."
    )
    texts = pd.Series(["a cat sat", "a dog ran", "cats and a cat", "rain"] * 3, name="text")
    of_texts = cl.embed(texts, encoder="tfidf", random_state=0)
    panel = MapPanel(np.random.default_rng(0).normal(size=(12, 2)), embedding=of_texts)
    panel.nearest("the cat", n=6)
    assert {number % 4 for number in panel.selected} == {0, 2}


def test_more_like_these_is_the_cluster_around_them(blobs):
    emb, view, items = blobs
    panel = MapPanel(view, items, embedding=emb)
    with pytest.raises(ValueError, match="There is nothing to start from: no item is selected"):
        panel.more_like_these()
    panel.selected = ["i31", "i35"]
    click(panel, "More like these")
    assert set(panel.selected) == set(items.index[30:])
    with pytest.raises(ValueError) as caught:
        MapPanel(view, items).more_like_these()
    assert str(caught.value).startswith("There is nothing to start from")


def test_the_gallery_is_a_walk_among_like_ones(blobs):
    emb, view, items = blobs
    panel = MapPanel(view, items, embedding=emb)
    panel.selected = ["i01", "i31", "i02", "i32", "i03", "i33"]
    order = [int(part.split("'")[0]) for part in panel._gallery.value.split("data-pick='row:")[1:]]
    assert sorted(order) == [1, 2, 3, 31, 32, 33]
    assert len({number > 30 for number in order[:3]}) == 1
    panel.selected = items.index
    assert panel._gallery.value.startswith("<small>48 of 60 shown</small>")


# ---- how it looks --------------------------------------------------------------------------------


@ENGINES
def test_sizes_opacity_and_density_reach_the_engine(blobs, engine):
    _, view, items = blobs
    panel = MapPanel(view, items, engine=engine, color="label")
    panel.size = "n"
    panel.opacity = 0.3
    widget = panel._points.widget
    if engine == "scatter":
        steps = widget.points[:, 3]
        assert (widget.size_by, len(widget.size), widget.opacity) == ("valueB", SIZES, 0.3)
        assert list(steps[[0, 59]]) == [0, SIZES - 1]
        assert (np.diff(steps) >= 0).all()
        panel.density = True
        assert widget.background_image.startswith("data:image/png;base64,")
        assert {color[3] for color in widget.color} == {0.0}
        assert max(color[3] for color in widget.color_selected) == 1.0
        panel.density = False
        assert widget.background_image is None
        assert max(color[3] for color in widget.color) == 1.0
    else:
        sizes = np.asarray(widget.data[0].marker.size)
        assert sizes[0] < sizes[59]
        assert widget.data[0].marker.opacity == 0.3
        panel.density = True
        assert widget.layout.images[0].source.startswith("data:image/png;base64,")
        panel.density = False
        assert widget.layout.images == ()
    panel.size = None
    for name, text in (("label", "a column of numbers"), ("m", "one of the columns 'label', 'n'")):
        with pytest.raises((TypeError, ValueError), match=f"The 'size' parameter must be {text}"):
            panel.size = name


def test_density_is_strongest_where_most_points_lie():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal(scale=0.05, size=(5000, 2)), [[4, 4], [-4, -4]]])
    colored = paint(pd.Series(["a"] * 5002), 5002)
    pixels = np.asarray(Image.open(io.BytesIO(density(xy, colored))))
    assert pixels[240, 240, 3] == 255
    assert 0 < pixels[:40, 440:, 3].max() < 200
    assert pixels[:200, :200, 3].max() == 0
    scaled = np.asarray(Image.open(io.BytesIO(density(xy, colored, premultiplied=True))))
    assert (scaled[..., :3] <= scaled[..., 3:].astype(int) + 2).all()


@ENGINES
def test_images_stand_in_place_of_points_where_few_are_in_view(engine):
    images = [np.full((8, 8), i * 4, dtype=np.uint8) for i in range(50)]
    items = pd.DataFrame({"image": images})
    grid = np.array([(i % 10, i // 10) for i in range(50)], dtype=float)
    panel = MapPanel(grid, items, engine=engine)
    panel._points.approach(np.array([0, 1, 10, 11]))

    def placed():
        if engine == "plotly":
            return [(image.x, image.y) for image in panel._points.widget.layout.images]
        panel._points._sight.sight = [-1, -0.7, -0.7, -0.3]  # as the browser reports it
        return panel._points._sight.places

    assert 1 <= len(placed()) <= 6
    panel.pictures = False
    assert len(placed()) == 0


def test_pictures_do_not_lie_on_each_other_and_many_points_have_none():
    xy = np.random.default_rng(0).uniform(-1, 1, size=(300, 2))
    shown = pictures_in(xy, [-1, 1, -1, 1], lambda point: f"picture {point}")
    places = xy[[point for point, _ in shown]]
    gaps = np.abs(places[:, None] - places[None]).max(axis=2)[np.triu_indices(len(places), 1)]
    assert 20 < len(shown) < 300
    assert gaps.min() >= 0.18
    many = np.random.default_rng(0).uniform(-1, 1, size=(5000, 2))
    assert pictures_in(many, [-1, 1, -1, 1], str) == []
    assert pictures_in(xy, [-1, 1, -1, 1], None) == []
    assert pictures_in(xy, [-1, 1, -1, 1], lambda point: "") == []


@ENGINES
def test_a_view_is_kept_and_shown_again(blobs, engine):
    _, view, items = blobs
    panel = MapPanel(view, items, engine=engine, color="label")
    panel.selected = ["i04"]
    panel.size, panel.opacity = "n", 0.5
    panel.save_view("small ones")
    panel.selected, panel.color, panel.size, panel.opacity = ["i50"], None, None, 0.8
    panel.show_view("small ones")
    assert [panel.selected, panel.color, panel.size, panel.opacity] == [["i04"], "label", "n", 0.5]
    assert "panel.views = {'small ones': {'color': 'label'" in panel.to_code()
    with pytest.raises(ValueError, match="The 'name' parameter must be a few words. Got ' ' ins"):
        panel.save_view(" ")
    with pytest.raises(ValueError, match="'name' parameter must be one of 'small ones'"):
        panel.show_view("another")


def test_zooming_in_needs_something_selected(blobs):
    _, view, items = blobs
    panel = MapPanel(view, items, engine="plotly")
    with pytest.raises(ValueError, match="There is nothing to zoom in on: no point is selected"):
        panel.zoom_in()
    panel.selected = ["i00", "i01", "i02"]
    panel.zoom_in()
    left, right, bottom, top = panel._points.sight
    inside = panel._points._xy[:3]
    assert ((inside >= [left, bottom]) & (inside <= [right, top])).all()
    assert right - left < 1


# ---- decisions and results -----------------------------------------------------------------------


def test_what_was_decided_is_a_colour(blobs, ledger):
    _, view, items = blobs
    ledger.record("i07", action="drop", actor="Ann")
    ledger.record("i08", action="tag", new="odd", actor="Ann")
    panel = MapPanel(view, items, ledger=ledger, color="decision", actor="Bo")
    assert panel._items["decision"].value_counts().to_dict() == {"undecided": 59, "dropped": 1}
    panel.selected = ["i01", "i02"]
    press(panel, "1")
    counts = panel._items["decision"].value_counts().to_dict()
    assert counts == {"undecided": 57, "dropped": 1, "kept": 1, "relabelled": 1}
    assert sorted(panel._paint.names[:4]) == sorted(counts)
    assert "kept" in shown(panel)
    assert "Recorded: 2 decisions, signed Bo." in shown(panel)
    press(panel, "u")
    assert panel._items["decision"].value_counts().to_dict() == {"undecided": 59, "dropped": 1}
    own = items.assign(decision="mine")
    panel = MapPanel(view, own, ledger=ledger)
    assert panel._items["decision"].unique().tolist() == ["mine"]
    assert "dropped" in set(panel._items["decision in the ledger"])


def test_a_label_given_back_is_the_label_again(blobs, ledger):
    _, view, items = blobs
    panel = MapPanel(view, items, ledger=ledger)
    panel.selected = ["i00", "i01"]
    for label in "ba":
        panel.relabel(label)
    assert ledger.apply(items)["label"].loc[["i00", "i01"]].tolist() == ["a", "a"]
    assert ledger.to_frame()["action"].tolist() == ["relabel", "keep", "relabel", "relabel"]


def test_results_of_other_vectors_are_refused(blobs):
    emb, view, items = blobs
    other = cl.Embedding(vectors=emb.vectors + 1, ids=emb.ids, metric="euclidean")
    odd, elsewhere = (cl.find_outliers(one, random_state=0) for one in (emb, other))
    MapPanel(view, items, results=odd, embedding=emb)
    by_array = pd.DataFrame(np.asarray(view), index=emb.ids)  # of what, nobody knows
    assert "oddness" in MapPanel(by_array, results=elsewhere)._items.columns[0]
    for given, name, kind in (
        ({"results": [odd, elsewhere]}, "results", "Outliers"),
        ({"embedding": other}, "embedding", "Embedding"),
    ):
        with pytest.raises(ValueError) as caught:
            MapPanel(view, items, **given)
        assert str(caught.value) == (
            f"The '{name}' parameter must be of the vectors that the map shows. Got {kind} of the "
            f"embedding {other.fingerprint[:8]}, while the map is of {emb.fingerprint[:8]}, "
            "instead."
        )


def test_sounds_are_played_and_bad_ones_say_so(tmp_path):
    tone = (20_000 * np.sin(np.arange(48_000 * 12) / 20)).astype(np.int16)
    wavfile.write(tmp_path / "tone.wav", 48_000, tone)
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    paths = [str(tmp_path / "tone.wav"), str(tmp_path / "bad.wav"), None]
    panel = MapPanel(np.eye(3)[:, :2], pd.DataFrame({"audio": paths}))
    panel._look_at(0)
    address = panel._card.value.split("src='")[1].split("'")[0]
    head, _, data = address.partition(",")
    assert head == "data:audio/wav;base64"
    rate, samples = wavfile.read(io.BytesIO(base64.b64decode(data)))
    assert (rate, len(samples)) == (16_000, 8 * 16_000)
    panel._look_at(1)
    assert "No sound: ValueError: not a wav file" in panel._card.value
    panel._look_at(2)
    assert "no sound" in panel._card.value
    pairs = pd.DataFrame({"sound": [(8_000, tone[:8_000])] * 3})
    assert "<audio controls" in (MapPanel(np.eye(3)[:, :2], pairs)._cards.card(0))


def test_a_map_of_some_rows_shows_what_was_found_on_all():
    rng = np.random.default_rng(0)
    ids = [f"r{i}" for i in range(60)]
    emb = cl.Embedding(vectors=rng.normal(size=(60, 4)), ids=ids, metric="euclidean")
    odd = cl.find_outliers(emb, random_state=0)
    some = emb.take(ids[40:10:-1])
    panel = MapPanel(cl.reduce(some, method="pca"), results=odd, color="outlier_oddness")
    shown = panel._items["outlier_oddness"]
    np.testing.assert_array_equal(shown, odd.to_frame().loc[ids[40:10:-1], "outlier_oddness"])
    other = cl.Embedding(vectors=rng.normal(size=(60, 4)), ids=ids, metric="euclidean")
    with pytest.raises(ValueError, match="of the vectors that the map shows"):
        MapPanel(cl.reduce(other.take(ids[:30]), method="pca"), results=odd)


def test_a_list_says_that_nothing_colours():
    panel = MapPanel(np.eye(4)[:, :2], pd.DataFrame({"label": list("abab")}))
    (by,) = (one for one in walk(panel, ipywidgets.Dropdown) if one.description == "Colour by")
    assert by.label == "nothing"
    by.label = "label"
    assert panel.color == "label"
    panel.color = None
    assert by.label == "nothing"
