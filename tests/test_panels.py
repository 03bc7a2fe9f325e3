"""The panels without a browser: what a hand could do is done through their methods and traits."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from by_hand import click, press, shown, walk
from curalab._check import AlignmentError
from curalab.effect import Effect
from curalab.embedding import Embedding
from curalab.label_errors import LabelErrors
from curalab.ledger import Ledger
from curalab.outliers import find_outliers
from curalab.pool import Pool
from curalab.pseudo_labels import honesty, over_rounds
from curalab_widgets import MapPanel, ReviewPanel, _panel, figures
from curalab_widgets._cards import Cards, plain, thumbnail
from curalab_widgets._points import COLORS, GREY, PALE, paint, raster

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def items():
    """Six items with ids that are not their row numbers."""
    labels = ["cat", "dog", "cat", None, "cat", "dog"]
    texts = [f"a story of {animal}s and of what they did" for animal in ("two", "cat", "dog") * 2]
    numbers = np.arange(6.0)
    table = pd.DataFrame({"label": labels, "text": texts, "size": numbers}, index=list("fedcba"))
    return table.astype({"label": object})


@pytest.fixture
def xy():
    return np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 2], [np.nan, 0]])


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture
def suspects(items):
    """Errors with the pool they were found in: its neighbours are the rows beside each."""
    vectors = np.arange(6.0)[:, None] ** 1.1
    emb = Embedding(ids=items.index, vectors=vectors, metric="euclidean")
    proba = np.tile([0.25, 0.75], (6, 1))
    return LabelErrors(
        pool=Pool(embedding=emb, labels=items["label"], proba=proba),
        details={"cut": {"rule": "by hand"}},
        ids=items.index,
        quality=np.array([0.9, 0.2, 0.1, np.nan, 0.3, 0.8]),
        suggested=np.array(["cat", "cat", "dog", None, "dog", "dog"], dtype=object),
        is_error=np.array([False, True, True, False, True, False]),
        params={"verb": "find_label_errors", "method": "relation_graph", "embedding": "f00d"},
    )


def lasso(panel, points, *, engine="scatter"):
    """Select points as the browser does it."""
    if engine == "scatter":
        panel._points.widget.selection = np.array(points, dtype=np.uint32)
    else:
        reach = 1e-3
        ends = [(x - reach, x + reach, y - reach, y + reach) for x, y in panel._points._xy[points]]
        draw(
            panel, *(dict(zip(("x0", "x1", "y0", "y1"), e, strict=True), type="rect") for e in ends)
        )


def draw(panel, *outlines):
    """Leave outlines on plotly's map, as the browser reports them."""
    told = {"relayout_data": {"selections": list(outlines)}, "source_view_id": "here"}
    panel._points.widget._js2py_relayout = told


def highlighted(panel, *, engine="scatter"):
    """Points that the browser is told to highlight."""
    if engine == "scatter":
        return list(panel._points.widget.selection)
    faint = panel._points._level == 2
    return list(np.flatnonzero(~faint)) if panel.selected else []  # all bright is none, or all


# ---- the map: what is selected -------------------------------------------------------------------

ENGINES = pytest.mark.parametrize("engine", ["scatter", "plotly"])


@ENGINES
def test_selecting_by_hand_gives_ids_and_setting_ids_highlights(items, xy, engine):
    panel = MapPanel(
        xy[::-1], items, engine=engine
    )  # row 0, "f", has no place: points are rows - 1
    lasso(panel, [0, 3], engine=engine)
    assert panel.selected == ["e", "b"]
    panel.selected = ["a", "f", "c"]
    assert sorted(highlighted(panel, engine=engine)) == [2, 4]
    assert panel.selected == ["a", "f", "c"]
    panel.selected = []
    assert highlighted(panel, engine=engine) == []


def test_a_column_of_labels_that_is_not_there_is_refused(items, xy):
    with pytest.raises(ValueError) as caught:
        MapPanel(xy[::-1], items, labels="lable")
    assert str(caught.value) == (
        "The 'labels' parameter must be one of the columns 'label', 'text', 'size'. Got 'lable' "
        "instead. Did you mean 'label'?"
    )


@ENGINES
def test_hovering_shows_the_item(items, xy, engine):
    panel = MapPanel(xy[::-1], items, engine=engine)
    if engine == "scatter":
        panel._points.widget.hovering = 2
    else:
        panel._points._points._dispatch_on_hover(SimpleNamespace(point_inds=[2]), SimpleNamespace())
    assert "<b>c</b>" in panel._card.value
    assert "a story of twos" in panel._card.value
    if engine == "scatter":
        panel._points.widget.hovering = None
    else:
        nothing = SimpleNamespace(point_inds=[])
        panel._points._points._dispatch_on_unhover(nothing, SimpleNamespace())
    assert "<b>c</b>" in panel._card.value


def test_plotly_has_the_colours_from_the_first_message_on(xy, items):
    panel = MapPanel(xy, items, engine="plotly", color="label")
    first = panel._points.widget._widget_data[0]["marker"]
    assert np.array_equal(np.asarray(first["color"]), panel._points._points.marker.color)
    assert len(first["colorscale"]) == 6 * len(panel._points._paint.colors)


def test_a_lasso_leaves_no_outline_and_a_path_selects_what_it_surrounds(items):
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [2, 1], [3, 3]])
    panel = MapPanel(square, items, engine="plotly")
    path = "M-2,-2L1.9,-2L-2,1.9Z"  # what is drawn below the falling diagonal
    draw(panel, {"type": "path", "path": path})
    assert panel.selected == ["f", "b"]
    draw(panel, {"type": "path", "path": path})
    assert panel._points.widget.layout.to_plotly_json()["selections"] == []
    assert highlighted(panel, engine="plotly") == [0, 4]
    panel._points._points._dispatch_on_deselect(SimpleNamespace(point_inds=[]))
    assert panel.selected == []


def test_selected_stays_in_the_kernel_and_links(items, xy):
    panel, other = MapPanel(xy, items), MapPanel(xy, items)
    assert "selected" not in panel.get_state()
    traitlets.link((panel, "selected"), (other, "selected"))
    other.selected = items.index[:2]
    assert panel.selected == ["f", "e"]
    assert MapPanel(xy, items).selected == []


def test_items_go_by_id(items, xy):
    view = pd.DataFrame(xy, index=items.index)
    panel = MapPanel(view, items.iloc[::-1], color="size")
    assert panel.ids.tolist() == items.index.tolist()
    assert panel._paint.codes.tolist() == sorted(panel._paint.codes)
    by_series = MapPanel(view, items, color=items["size"].iloc[::-1].rename("s"))
    assert by_series._paint.codes.tolist() == panel._paint.codes.tolist()
    assert by_series.color == "s"
    assert MapPanel(xy, items).ids.tolist() == list("fedcba")
    assert MapPanel(xy).ids.tolist() == list(range(6))


def test_results_bring_their_columns(items, xy):
    odd = find_outliers(Embedding(ids=items.index, vectors=np.nan_to_num(xy), metric="euclidean"))
    panel = MapPanel(xy, items, results=odd, color="is_outlier")
    assert panel._paint.names[0] == "False"


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda xy, items: MapPanel(np.ones((6, 3)), items),
            ValueError,
            "The 'view' parameter must be of shape (n, 2). Got shape (6, 3) instead. "
            "Make a map of an embedding with cl.reduce(embedding).",
        ),
        (
            lambda xy, items: MapPanel(xy * np.nan, items),
            ValueError,
            "The 'view' parameter must be finite in one row at least. Got none that is instead.",
        ),
        (
            lambda xy, items: MapPanel(pd.DataFrame(xy), items),
            AlignmentError,
            "The ids of 'items' and of the items must name the same rows. Got 0, 1, 2, 3, 4 and 1 "
            "more only in the items; 'f', 'e', 'd', 'c', 'b' and 1 more only in 'items'. "
            "Select the same rows on both sides, or pass an array to go by position.",
        ),
        (
            lambda xy, items: MapPanel(xy, items, color="lable"),
            ValueError,
            "The 'color' parameter must be one of the columns 'label', 'text', 'size'. "
            "Got 'lable' instead. Did you mean 'label'?",
        ),
        (
            lambda xy, items: MapPanel(xy, items.assign(image="x.png"), color="image"),
            ValueError,
            "The 'color' parameter must be one of the columns 'label', 'text', 'size'. "
            "Got 'image' instead.",
        ),
        (
            lambda xy, items: MapPanel(xy, items, engine="webgl"),
            ValueError,
            "The 'engine' parameter must be one of 'scatter', 'plotly'. Got 'webgl' instead.",
        ),
        (
            lambda xy, items: MapPanel(xy, items, ledger="my.ledger"),
            TypeError,
            "The 'ledger' parameter must be a Ledger, such as cl.Ledger('my.ledger'). "
            "Got 'my.ledger' instead.",
        ),
        (
            lambda xy, items: setattr(MapPanel(xy, items), "selected", "f"),
            TypeError,
            "The 'selected' parameter must be a list of ids. Got 'f' instead.",
        ),
        (
            lambda xy, items: setattr(MapPanel(xy, items), "selected", ["f", "x"]),
            KeyError,
            "The 'selected' parameter must be ids of the items. Got unknown ids 'x' instead.",
        ),
        (
            lambda xy, items: MapPanel(xy, items).drop(),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
    ],
)
def test_bad_input_is_named(items, xy, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(xy, items)
    assert caught.value.args[0] == text


@ENGINES
@pytest.mark.parametrize("n", [1, 2, 50])
def test_all_points_at_one_place(engine, n):
    panel = MapPanel(np.full((n, 2), 7.5), engine=engine)
    panel.selected = list(range(n))
    assert highlighted(panel, engine=engine) == list(range(n))
    assert len(picture_of(panel).getcolors()) > 1


@ENGINES
def test_tools_and_zoom(items, xy, engine):
    panel = MapPanel(xy, items, engine=engine)
    widget = panel._points.widget
    tool, _ = walk(panel, ipywidgets.ToggleButtons)
    for name in ("box", "move", "lasso"):
        tool.value = name
    if engine == "scatter":
        assert (widget.mouse_mode, widget.lasso_type) == ("lasso", "freeform")
        tool.value = "box"
        assert (widget.mouse_mode, widget.lasso_type) == ("lasso", "rectangle")
    else:
        assert widget.layout.dragmode == "lasso"
        widget.layout.xaxis.range = [0, 0.1]
        click(panel, "Show all")
        assert widget.layout.xaxis.range == (-1, 1)


# ---- the map: finding ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "color", "found"),
    [
        ("e", None, ["e"]),
        (" a , f ", None, ["a", "f"]),
        ("dog", "label", ["e", "a"]),
        ("1..3", "size", ["e", "d", "c"]),
        ("of CATS", "label", ["e", "b"]),
        ("dog", None, ["d", "a"]),
        ("dogs..cats", "size", []),
    ],
)
def test_find(items, xy, text, color, found):
    panel = MapPanel(xy, items, color=color)
    assert panel.find(text) == len(found)
    assert panel.selected == found


def test_finding_nothing_says_so_and_changes_nothing(items, xy):
    panel = MapPanel(xy, items, color="label")
    panel.selected = ["f"]
    assert panel.find("(a+)+$") == 0
    assert panel.selected == ["f"]
    assert "Nothing found for &#x27;(a+)+$&#x27;." in panel._said.value
    assert panel.find("  ") == 0


def test_the_legend_selects_and_counts(items, xy):
    panel = MapPanel(xy, items, color="label")
    assert re.findall(r"</i>(\w+) <small>(\d)", panel._legend.value) == [
        ("cat", "3"),
        ("dog", "1"),
        ("missing", "1"),
    ]
    panel._hear(None, {"pick": "color:0"}, [])
    assert panel.selected == ["f", "d", "b"]
    press(panel, "Escape")
    assert panel.selected == []


def test_the_gallery_shows_what_is_selected_and_a_tile_shows_its_card(items, xy):
    panel = MapPanel(xy, items, color="label")
    panel.selected = ["e", "a"]
    assert panel._gallery.value.count("curalab-tile'") == 2
    panel._hear(None, {"pick": "row:5"}, [])
    assert "<b>a</b>" in panel._card.value
    assert "1 have no place" in panel._said.value


# ---- colours -------------------------------------------------------------------------------------


def test_classes_get_colors_by_how_many_they_are():
    values = [*"bbbaac", None]
    made = paint(pd.Series(values), 7)
    assert [made.names[code] for code in made.codes] == [*"bbbaac", "missing"]
    assert made.colors == [*COLORS[:3], GREY, PALE]
    assert made.counts.tolist() == [2, 3, 1, 0, 1]


def test_a_thousand_classes_share_grey():
    values = pd.Series([f"c{i:03d}" for i in range(1000)] + ["c500"] * 5)
    made = paint(values, len(values))
    assert made.names[-2:] == ["980 other values", "missing"]
    assert made.counts[-2] == 980
    assert "c500" in made.names


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([True, False], ["False", "True"]),
        ([3, -1, 3], ["-1", "3"]),
        (["a", 1], ["a", "1"]),
        ([[1], [2]], ["[1]", "[2]"]),
        ([None, None], []),
        (pd.Categorical(["x"], categories=["x", "y"]), ["x"]),
    ],
)
def test_what_counts_as_classes(values, names):
    made = paint(pd.Series(values), len(values))
    assert sorted(made.names[:-2]) == sorted(names)
    assert made.low is None


def test_numbers_get_a_scale():
    made = paint(pd.Series([0.0, 5.0, 10.0, np.nan, np.inf]), 5)
    assert (made.low, made.high) == (0, 10)
    assert made.codes.tolist() == [0, 16, 31, 32, 32]
    assert paint(pd.Series(range(100)), 100).high == 99
    days = pd.Series(pd.to_datetime(["2026-01-01", "2026-01-03", None]))
    assert paint(days, 3).high == pd.Timestamp("2026-01-03")
    assert paint(days, 3).codes.tolist() == [0, 31, 32]
    nothing = paint(pd.Series([np.nan, np.nan]), 2)
    assert (nothing.low, nothing.counts[-1]) == (None, 2)
    assert paint(pd.Series([2.5]), 1).codes.tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefghijklmnopqrstuvwxyz")), min_size=1))
def test_same_value_same_color(values):
    made = paint(pd.Series(values, dtype=object), len(values))
    assert made.counts.sum() == len(values)
    for value, code in zip(values, made.codes, strict=True):
        rest = made.names[code].endswith("other values")
        assert rest or made.names[code] == ("missing" if value is None else value)
    assert len(set(made.colors)) == len(made.colors)


def test_color_is_a_trait(items, xy):
    panel = MapPanel(xy, items)
    panel.color = "label"
    assert panel._points.widget.points[:, 2].tolist() == [0, 1, 0, 3, 0]
    assert "cat" in panel._legend.value
    panel.color = None
    assert "cat" not in panel._legend.value


def test_numbers_go_to_the_browser_as_bytes():
    panel = MapPanel(np.random.default_rng(0).normal(size=(1000, 2)))
    state = panel._points.widget.get_state("points")["points"]
    assert state["view"].nbytes == 16 * 1000


# ---- the picture ---------------------------------------------------------------------------------


def picture_of(panel):
    html = panel._repr_mimebundle_()["text/html"]
    (data,) = re.findall(r"alt='Map of [\d,]+ items' src='data:image/png;base64,([^']+)'", html)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_raster_draws_points_where_they_are():
    drawn = Image.open(io.BytesIO(raster(np.array([[0.0, 0], [1, 1]]), paint(pd.Series("ab"), 2))))
    made = paint(pd.Series(["a", "b"]), 2)
    drawn = Image.open(io.BytesIO(raster(np.array([[0.0, 0], [1, 1]]), made)))
    red, green = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in made.colors[:2])
    n = drawn.width
    assert drawn.getpixel((0.04 * n, 0.96 * n)) == (*red, 255)
    assert drawn.getpixel((0.96 * n, 0.04 * n)) == (*green, 255)
    assert drawn.getpixel((n // 2, n // 2))[3] == 0


def test_what_is_displayed_holds_a_picture_beside_the_widget(items, xy, monkeypatch):
    panel = MapPanel(xy, items, color="label")
    published = []
    monkeypatch.setattr(_panel, "publish_display_data", published.append)
    panel._ipython_display_()
    still, live = published
    assert VIEW not in still
    assert f"curalab-still-{panel.model_id}" in still["text/html"]
    assert live == {
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": panel.model_id},
        "text/html": "",
    }
    assert panel._ear.still == panel.model_id
    assert still["text/plain"] == "MapPanel(6 items, 0 selected)"
    assert picture_of(panel).size[0] > 400


# ---- text and pictures from data -----------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(f"@{name}" for name, _ in attrs)}


def test_no_text_from_data_becomes_html(tmp_path):
    items = pd.DataFrame(
        {"label": [NASTY, "b"], "text": [NASTY * 3] * 2, NASTY: [NASTY] * 2, "image": [NASTY] * 2},
        index=[f"{NASTY}{i}" for i in range(2)],
    )
    items["picture"] = [f"{NASTY}.png"] * 2
    with Ledger(tmp_path / "x.ledger") as ledger:
        suspects = LabelErrors(
            ids=items.index,
            quality=np.zeros(2),
            suggested=np.array(["b", NASTY], dtype=object),
            is_error=np.ones(2, dtype=bool),
        )
        map_panel = MapPanel(np.eye(2), items, color="label", ledger=ledger)
        map_panel.selected = items.index
        map_panel._look_at(0)
        map_panel.find(NASTY * 2)
        review = ReviewPanel(suspects, items, ledger)
        for panel in (map_panel, review):
            tags = Tags()
            tags.feed(shown(panel) + panel._repr_mimebundle_()["text/html"])
            assert "script" not in tags.seen
            assert "@onerror" not in tags.seen
            assert "@onload" not in tags.seen
            assert "b" in tags.seen
            assert NASTY not in shown(panel)
            assert "&lt;script&gt;" in shown(panel)


def test_long_texts_are_cut_and_say_how_long_they_are():
    cards = Cards(pd.DataFrame({"text": ["x" * 1_000_000]}, index=["a"]))
    assert len(cards.card(0)) < 2000
    assert "(1,000,000 characters)" in cards.card(0)
    assert plain("\ud800 half a pair") == "? half a pair"


@pytest.mark.parametrize(
    ("cell", "pixel"),
    [
        (np.array([[0, 255], [255, 0]], dtype=np.uint8), 255),
        (np.array([[0, 1.0], [1.0, 0]]), 255),
        (np.array([[0, 128.0], [128.0, 0]]), 128),
        (np.full((3, 2, 2), 7, dtype=np.uint8), (7, 7, 7)),
        (np.full((2, 2, 1), 7, dtype=np.uint8), 7),
        (Image.new("P", (2, 2)), (0, 0, 0, 255)),
        (Image.new("CMYK", (500, 300)), (255, 255, 255, 255)),
    ],
)
def test_thumbnails(cell, pixel):
    address = thumbnail(cell, side=100)
    drawn = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert max(drawn.size) == 100
    assert drawn.getpixel((drawn.width - 1, 0)) == pixel


def test_pictures_from_files(tmp_path):
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "big.jpg")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths = [str(tmp_path / name) for name in ("big.jpg", "broken.png", "gone.png")]
    cards = Cards(pd.DataFrame({"image": [*paths, None]}))
    assert "data:image/png;base64," in cards.card(0)
    assert len(cards.card(0)) < 5000
    assert "No picture: UnidentifiedImageError" in cards.card(1)
    assert "No picture: FileNotFoundError" in cards.card(2)
    assert "no picture" in cards.card(3)
    assert str(tmp_path) not in cards.card(0)


def test_columns_that_change_their_type_show():
    texts = np.array(["a long text that is there to be read"] * 200, dtype=object)
    texts[150:152] = 4, None
    items = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    items["image"] = [np.zeros((2, 2))] * 100 + ["text", 3, None, [1]] * 25
    cards = Cards(items)
    assert ">4</p>" in cards.card(150)
    assert "no text" in cards.card(151)
    assert "No picture" in cards.card(103)


# ---- decisions on the map ------------------------------------------------------------------------


def test_the_selection_is_relabelled_in_the_ledger(items, xy, ledger, tmp_path):
    view = Embedding(ids=items.index, vectors=np.nan_to_num(xy), metric="euclidean")
    panel = MapPanel(view, items, ledger=ledger, actor="Ann")
    panel.selected = ["f", "e", "c"]
    click(panel, "Relabel to")  # the first class: cat
    with Ledger(tmp_path / "test.ledger") as other:
        told = other.to_frame()
    assert told["action"].tolist() == ["keep", "relabel", "relabel"]
    assert told["row_id"].tolist() == ["f", "e", "c"]
    assert set(told["actor"]) == {"Ann"}
    assert set(told["embedding"]) == {view.fingerprint}
    assert ledger.apply(items)["label"].tolist() == ["cat", "cat", "cat", "cat", "cat", "dog"]
    panel.selected = ["a"]
    panel.drop()
    panel.selected = []
    press(panel, "u")
    assert panel.selected == ["a"]
    press(panel, "u")
    assert panel.selected == ["f", "e", "c"]
    assert ledger.apply(items).equals(items)


def test_with_nothing_selected_there_is_nothing_to_decide(items, xy, ledger):
    panel = MapPanel(xy, items, ledger=ledger)
    with pytest.raises(ValueError, match=r"^There is nothing to decide: no item is selected\.$"):
        panel.keep()
    press(panel, "1")
    assert "There is nothing to decide: no item is selected." in panel._said.value
    assert len(ledger) == 0
    assert not [b for b in walk(MapPanel(xy, items), ipywidgets.Button) if b.description == "Drop"]


# ---- the review ----------------------------------------------------------------------------------


def test_worst_first_and_every_decision_says_why(items, suspects, ledger):
    panel = ReviewPanel(suspects, items, ledger, actor="Ann")
    assert panel.selected == ["d"]
    assert "label <b>cat</b> → suggested <b>dog</b>" in shown(panel)
    assert "says dog 75%, cat 25%" in shown(panel)
    assert re.findall(r"title='(\w)'", panel._facts.value)[:2] == ["e", "c"]
    press(panel, "r")
    assert panel.selected == ["e"]
    press(panel, "k")
    click(panel, "Drop")
    assert panel.selected == []
    assert "All are decided." in shown(panel)
    assert panel.decided == 3
    told = ledger.to_frame()
    assert told["row_id"].tolist() == ["d", "e", "b"]
    assert told["action"].tolist() == ["relabel", "keep", "drop"]
    assert told["new"].tolist() == ["dog", None, None]
    assert told["old"].tolist() == ["cat", None, None]
    assert set(told["method"]) == {"relation_graph"}
    assert set(told["embedding"]) == {"f00d"}
    assert told["params"].iloc[0] == suspects.params
    assert told["reason"].iloc[0] == "label quality (1 is clean) 0.1, suggested dog"
    press(panel, "k")
    assert "There is nothing to decide: all are decided." in shown(panel)
    assert len(ledger) == 3


def test_skipped_items_come_again(items, suspects, ledger):
    panel = ReviewPanel(suspects, items, ledger)
    seen = []
    for _ in range(5):
        seen += panel.selected
        panel.skip()
    assert seen == ["d", "e", "b", "d", "e"]
    panel.keep()
    assert panel.selected == ["d"]
    panel.skip()
    assert panel.selected == ["e"]
    assert (len(ledger), panel.decided) == (1, 1)


def test_undo_returns_to_the_item(items, suspects, ledger):
    panel = ReviewPanel(suspects, items, ledger)
    panel.accept()
    panel.drop()
    panel.undo()
    assert (panel.selected, panel.decided) == (["e"], 1)
    press(panel, "u")
    assert (panel.selected, panel.decided) == (["d"], 0)
    assert ledger.apply(items).equals(items)
    press(panel, "u")
    assert "curalab-wrong" in panel._said.value


def test_a_restart_goes_on_where_it_was(items, suspects, ledger, tmp_path):
    ReviewPanel(suspects, items, ledger, actor="Ann").accept()
    with Ledger(tmp_path / "test.ledger") as again:
        panel = ReviewPanel(suspects, items, again, actor="Ann")
        assert (panel.selected, panel.decided) == (["e"], 1)
        panel.undo()
        assert (panel.selected, panel.decided) == (["d"], 0)
    ledger.record("d", action="tag", new="seen", actor="Bob")
    ledger.record("e", action="relabel", field="other", new="x", actor="Bob")
    assert ReviewPanel(suspects, items, ledger, actor="Bob").decided == 0
    ledger.record("e", action="drop", actor="Bob")
    assert ReviewPanel(suspects, items, ledger, actor="Bob").selected == ["d"]
    assert ReviewPanel(suspects, items, ledger, actor="Bob").decided == 1
    assert ReviewPanel(suspects, items, ledger, actor="Ann").decided == 0


def test_a_result_from_disk_is_reviewed_without_its_reasons(items, suspects, ledger, tmp_path):
    suspects.save(tmp_path / "bad")
    panel = ReviewPanel(LabelErrors.open(tmp_path / "bad"), items, ledger)
    assert panel.selected == ["d"]
    assert "nearest items" not in panel._facts.value
    assert "label quality (1 is clean): 0.1" in panel._facts.value
    assert "Relabel to dog (R)" in {b.description for b in walk(panel, ipywidgets.Button)}
    panel.selected = ["c"]
    assert "No suggestion" in {b.description for b in walk(panel, ipywidgets.Button)}


def test_a_missing_label_is_filled_and_a_row_out_of_the_queue_decided(items, ledger):
    panel = ReviewPanel(["f"], items, ledger)
    panel.selected = ["c"]
    panel.relabel("dog")
    assert np.isnan(ledger.to_frame()["old"].iloc[0])
    assert ledger.apply(items).loc["c", "label"] == "dog"
    assert (panel.selected, panel.decided) == (["f"], 0)


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        (["b", "a"], {"1": "a", "2": "b"}),
        (["7", "0", "3"], {"0": "0", "3": "3", "7": "7"}),
        ([3, 1, 12], {"1": 1, "2": 3, "3": 12}),
        ([f"c{i:02d}" for i in range(12)], {str(i): f"c{i - 1:02d}" for i in range(1, 10)}),
    ],
)
def test_class_keys(ledger, labels, keys):
    items = pd.DataFrame({"label": [*labels, labels[0]]})
    panel = ReviewPanel(items.index, items, ledger)
    assert {key for key in panel._ear.wanted if key.isdigit()} == set(keys)
    last = len(items) - 1
    for key, name in keys.items():
        panel.selected = [last]
        press(panel, key)
        told = ledger.to_frame().iloc[-1]
        assert (told["action"], told["new"]) == (
            ("keep", None) if name == labels[0] else ("relabel", name)
        )


def test_a_failure_is_told_and_nothing_moves(items, suspects, ledger, monkeypatch):
    panel = ReviewPanel(suspects, items, ledger)

    def full(_):
        raise OSError("The disk is full.")

    monkeypatch.setattr(ledger, "record_many", full)
    press(panel, "k")
    assert panel._said.value == "<div class='curalab-wrong' role='alert'>The disk is full.</div>"
    assert (panel.selected, panel.decided) == (["d"], 0)
    with pytest.raises(OSError, match="The disk is full"):
        panel.keep()


def test_queues(items, suspects, ledger, xy):
    vectors = Embedding(ids=items.index, vectors=np.nan_to_num(xy), metric="euclidean")
    odd = find_outliers(vectors, expected_share=0.2)
    panel = ReviewPanel(odd, items, ledger, embedding=vectors)
    assert panel.selected == ["b"]
    assert "oddness (higher is odder)" in shown(panel)
    assert "Relabel to" in {b.description for b in walk(panel, ipywidgets.Button)}
    assert "r" not in panel._ear.wanted
    assert panel._near(4)[0] == "c"
    assert "title='c'" in panel._facts.value
    assert len(ReviewPanel(odd, items, ledger, n=4)._queue) == 4
    assert len(ReviewPanel(suspects, items, ledger, n=99)._queue) == 5
    assert ReviewPanel(odd, items.drop(columns="label"), ledger).selected == ["b"]
    empty = ReviewPanel([], items, ledger)
    assert empty.selected == []
    assert "Nothing to review." in shown(empty)
    press(empty, "k")
    assert "all are decided" in empty._said.value
    assert "suspects decided" in empty._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda items, ledger: ReviewPanel(["x"], items, ledger),
            KeyError,
            "The 'suspects' parameter must be ids of the items. Got unknown ids 'x' instead.",
        ),
        (
            lambda items, ledger: ReviewPanel("f", items, ledger),
            TypeError,
            "The 'suspects' parameter must be a result or a sequence of ids. Got 'f' instead.",
        ),
        (
            lambda items, ledger: ReviewPanel(["f"], items, None),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
        (
            lambda items, ledger: ReviewPanel(["f"], items, ledger, n=0),
            ValueError,
            "The 'n' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            lambda items, ledger: ReviewPanel(["f"], items, ledger, labels="lable"),
            ValueError,
            "The 'labels' parameter must be one of the columns 'label', 'text', 'size'. "
            "Got 'lable' instead. Did you mean 'label'?",
        ),
        (
            lambda items, ledger: setattr(
                ReviewPanel(["f"], items, ledger), "selected", ["f", "e"]
            ),
            ValueError,
            "The 'selected' parameter must be a list of 1 id at most. Got 2 ids instead.",
        ),
        (
            lambda items, ledger: ReviewPanel(["f"], items, ledger).accept(),
            ValueError,
            "There is no suggestion for this item. Choose a label.",
        ),
        (
            lambda items, ledger: ReviewPanel(["f"], items[["text"]], ledger).relabel("x"),
            ValueError,
            "The 'labels' parameter must be a column of the items, to relabel. Got None instead.",
        ),
    ],
)
def test_bad_review_input_is_named(items, ledger, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(items, ledger)
    assert caught.value.args[0] == text


def test_every_button_has_text_and_a_tooltip(items, xy, suspects, ledger):
    panels = [MapPanel(xy, items, ledger=ledger), ReviewPanel(suspects, items, ledger)]
    buttons = [button for panel in panels for button in walk(panel, ipywidgets.Button)]
    assert len(buttons) >= 12
    assert all(button.description and button.tooltip for button in buttons)


# ---- figures -------------------------------------------------------------------------------------


def test_histogram(suspects):
    figure = figures.histogram(suspects)
    assert isinstance(figure, go.Figure)
    clean, marked = figure.data
    assert (sum(clean.y), sum(marked.y)) == (2, 3)
    assert marked.marker.pattern.shape == "/"
    assert figure.layout.xaxis.title.text == "label quality (1 is clean)"


def test_histogram_of_outliers():
    x = np.random.default_rng(0).normal(size=(60, 3))
    odd = find_outliers(Embedding(vectors=x, metric="euclidean"), expected_share=0.1)
    figure = figures.histogram(odd)
    assert [sum(bars.y) for bars in figure.data] == [54, 6]
    marked = figure.data[1]
    assert min(marked.x[marked.y > 0]) > np.sort(odd.oddness)[54] - marked.width[0]


def test_error_confusion(suspects, items):
    (heat,) = figures.error_confusion(suspects, items["label"].iloc[::-1]).data
    assert heat.x == ("cat", "dog")
    assert heat.z.tolist() == [[0, 2], [1, 0]]


def test_effect_intervals():
    gain = Effect(
        ids=pd.RangeIndex(2),
        before=np.zeros(2),
        after=np.ones(2),
        control=np.zeros(2),
        gain=0.05,
        interval=(0.01, 0.08),
        gain_over_random=np.nan,
        interval_over_random=(np.nan, np.nan),
        balanced={},
        per_class=pd.DataFrame({"class": ["a"], "gain": [-0.1], "low": [-0.3], "high": [0.0]}),
        details={"change": {"dropped": 3}, "test_checked": True, "notes": []},
    )
    figure = figures.effect_intervals(gain)
    (dots,) = figure.data
    assert dots.y == ("over doing nothing", "over as much at random", "class a")
    np.testing.assert_allclose(dots.x, [5, np.nan, -10])
    np.testing.assert_allclose(dots.error_x.array, [3, np.nan, 10])
    np.testing.assert_allclose(dots.error_x.arrayminus, [4, np.nan, 20])
    assert figure.layout.title.text == gain.sentence


def test_honesty_as_figures():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) + np.repeat([[0], [2]], 200, axis=0)
    labels = pd.Series(np.repeat(np.array(["a", "b"], dtype=object), 200))
    shown = labels.where(rng.random(400) < 0.1, None)
    emb = Embedding(vectors=x, metric="euclidean")
    truth = labels[shown.isna()].sample(200, random_state=0)
    found = honesty(emb, shown, truth=truth, random_state=0)
    accuracy, low, high = figures.coverage_accuracy(found).data
    seen = found.curve()
    assert accuracy.x[0] == 100
    assert accuracy.y[0] == pytest.approx(100 * seen["accuracy"].iloc[0])
    assert all(np.array(low.y) <= np.array(high.y))
    more = honesty(emb, labels.where(rng.random(400) < 0.5, None), random_state=0)
    rounds = over_rounds([found, more])
    line, low, _ = figures.accuracy_over_rounds(rounds).data
    assert list(line.x) == [found.soft.given.sum(), more.soft.given.sum()]
    assert list(line.y) == (100 * rounds["accuracy"]).tolist()
    assert all(np.array(low.y) < np.array(line.y))
    said, calibrated, ideal = figures.reliability_diagram(found).data
    assert said.x.tolist() == found.reliability(calibrated=False)["confidence"].tolist()
    assert calibrated.y.tolist() == found.reliability()["accuracy"].tolist()
    assert (list(ideal.x), list(ideal.y)) == ([0, 1], [0, 1])


def test_map_points(items, xy):
    view = pd.DataFrame(xy, index=items.index)
    figure = figures.map_points(view.to_numpy(), color=items["label"].to_numpy())
    assert [trace.name for trace in figure.data] == ["cat", "dog", "missing"]
    assert sum(len(trace.x) for trace in figure.data) == 6
    (plain_map,) = figures.map_points(xy).data
    assert plain_map.showlegend is False
    with pytest.raises(ValueError, match=r"^The 'view' parameter must be of shape \(n, 2\)\. Got"):
        figures.map_points(np.ones(3))
