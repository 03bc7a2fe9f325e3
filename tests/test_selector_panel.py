"""The selector panel without a browser: what a hand could do is done through methods and traits."""

from __future__ import annotations

import asyncio
import re

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import curalab as cl
from by_hand import click, press, shown, walk
from curalab.embedding import Embedding
from curalab.leaderboard import Leaderboard
from curalab.ledger import Ledger
from curalab.selectors import Selection
from curalab_widgets import _code
from curalab_widgets.figures import _live
from curalab_widgets.selectors import SelectorPanel

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"
IDS = list("abcdefgh")


def selection(rows, *, method="mine", embedding=None, ids=IDS, **params):
    return Selection(
        ids=pd.Index([ids[row] for row in rows]),
        rows=np.array(rows),
        gain=np.full(len(rows), np.nan),
        params={"verb": "select", "method": method, "embedding": embedding, **params},
        details={"n_pool": len(ids)},
    )


@pytest.fixture
def items():
    return pd.DataFrame({"label": list("xxxxyyyz"), "site": ["p", "q"] * 4}, index=IDS)


@pytest.fixture
def view():
    xy = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [5, 5], [6, 5], [5, 6], [20, 20]])
    return Embedding(ids=pd.Index(IDS), vectors=xy.astype(float), metric="euclidean")


@pytest.fixture
def picks():
    return {
        "one": selection([0, 1, 2, 3], method="one"),
        "two": selection([0, 4, 1, 5], method="two", embedding=None, settings={"k": 3}),
    }


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture
def board():
    """Two selectors at two budgets."""
    numbers = {
        name: np.array([0.7, 0.6])
        for name in ("score", "low", "high", "over_random", "seconds", "peak_mib")
    }
    curve = {"method": ["k_center", "k_center", "random", "random"], "budget": [2, 4, 2, 4]}
    curve |= {"score": [0.6, 0.8, 0.5, 0.7], "low": [0.5, 0.7, 0.4, 0.6]}
    return Leaderboard(
        ids=pd.Index(["k_center", "random"]),
        **numbers,
        over_random_low=numbers["low"],
        over_random_high=numbers["high"],
        is_top=np.array([True, False]),
        error=np.array(["", ""], dtype=object),
        metrics=("accuracy",),
        pairs=pd.DataFrame(),
        curve=pd.DataFrame({**curve, "high": [0.7, 0.9, 0.6, 0.8]}),
        runs=pd.DataFrame(),
        params={},
    )


# ---- what is shown -------------------------------------------------------------------------------


def test_the_budget_shows_the_first_picks_and_their_overlap(view, picks, items):
    panel = SelectorPanel(view, picks, items=items)
    assert panel.budget == 4
    assert panel.overlap().loc["one", "two"] == pytest.approx(2 / 6)
    assert panel._maps.value.count("<path data-pick='0:") == 4
    panel.budget = 2
    assert panel.overlap().loc["one", "two"] == pytest.approx(1 / 3)
    assert panel.overlap().loc["one", "one"] == 1
    assert ">0.33</td>" in panel._overlap.value
    assert "1 rows picked by all, 2 by one alone, 5 by none." in panel._overlap.value
    assert re.findall(r"data-pick='(\d:\d)'", panel._maps.value) == ["0:0", "0:1", "1:0", "1:4"]
    assert panel._slider.value == 2
    assert "2 picks, 1 of them its own alone; label never picked: <b>y, z</b>" in panel._told.value
    assert re.findall(r"<small>([^<]+)</small>", panel._tiles.value) == ["1. x", "2. x"]


def test_the_mix_is_compared_with_the_pool(view, picks, items):
    panel = SelectorPanel(view, picks, items=items)
    assert panel._columns == ["label", "site"]
    mix = panel.mix()["two"].set_index("value")
    assert mix.loc["y"].tolist() == [3 / 8, 0.5]
    pool, one, two = panel._figure.data
    assert list(pool.y) == [50, 37.5, 12.5]
    assert (list(one.y), list(two.y)) == ([100, 0, 0], [50, 50, 0])
    panel.budget = 1
    assert list(two.y) == [100, 0, 0]
    panel.by = "site"
    assert list(pool.text) == ["p", "q"]
    assert list(one.y) == [100, 0]
    (dropdown,) = [d for d in walk(panel, ipywidgets.Dropdown) if d.description == "Mix of"]
    dropdown.value = "label"
    assert panel.by == "label"


def test_many_classes_show_those_that_differ_most():
    n = 200
    ids = pd.RangeIndex(n, name="id")
    view = Embedding(ids=ids, vectors=np.random.default_rng(0).normal(size=(n, 2)))
    items = pd.DataFrame({"label": [f"c{i % 60:02d}" for i in range(n)]}, index=ids)
    picks = [selection([7, 67], ids=ids, method=m) for m in "ab"]
    panel = SelectorPanel(view, picks, items=items)
    assert len(panel._figure.data[0].x) == 20
    assert "c07" in panel._figure.data[0].text
    assert "the 20 that differ most" in panel._figure.layout.annotations[0].text


def test_what_none_picked_comes_farthest_first(view, picks, items):
    panel = SelectorPanel(view, picks, items=items)
    panel.shown = "picked by none"
    assert panel.rows_shown().tolist() == ["h", "g"]
    assert "<b>2 rows</b> that none picked" in panel._told.value
    panel.budget = 1
    assert panel.rows_shown().tolist()[0] == "h"
    assert set(panel.rows_shown()) == set("bcdefgh")
    panel.shown = "picked by all"
    assert panel.rows_shown().tolist() == ["a"]
    everything = [selection(range(8), method=m) for m in "ab"]
    full = SelectorPanel(view, everything, items=items)
    full.shown = "picked by none"
    assert full.rows_shown().tolist() == []


def test_distances_are_of_the_embedding_where_one_is_given(picks, items, view):
    # On the map g is near the picks; among the vectors it is the farthest.
    vectors = np.ones((8, 3)) + 0.01 * np.arange(8)[:, None]
    vectors[6] = [-5, 3, 1]
    emb = Embedding(ids=pd.Index(IDS)[::-1], vectors=vectors[::-1], metric="euclidean")
    panel = SelectorPanel(view, picks, items=items, embedding=emb)
    panel.shown = "picked by none"
    assert panel.rows_shown().tolist() == ["g", "h"]


def test_learning_curves_and_a_line_at_the_budget(view, picks, board):
    named = {"k_center": picks["one"], "mine": picks["two"]}
    panel = SelectorPanel(view, named, board=board)
    names = {trace.name: trace for trace in panel._figure.data}
    assert set(names) == {"k_center", "random"}
    assert names["k_center"].line.color != names["random"].line.color
    assert names["random"].line.dash == "dot"
    panel.budget = 3
    (line,) = panel._figure.layout.shapes
    assert (line.x0, line.x1) == (3, 3)
    both = SelectorPanel(view, named, board=board, items=pd.DataFrame({"label": [1, 2] * 4}, IDS))
    assert len(both._figure.data) == 5


def test_a_browser_misses_nothing_of_the_figure(view, picks, items, monkeypatch):
    said = []
    kind = _live._class()
    announce = kind.open

    def listen(widget):
        said.append(widget.get_state())
        announce(widget)

    monkeypatch.setattr(kind, "open", listen)
    panel = SelectorPanel(view, picks, items=items)
    (first,) = said
    assert [trace["name"] for trace in first["_widget_data"]] == ["the pool", "one", "two"]
    assert first["_widget_data"][1]["uid"] == panel._figure.data[1].uid
    panel.budget = 1  # before it is seen: the state that a late browser reads follows
    state = panel._figure.get_state()
    assert state["_widget_layout"]["xaxis"]["ticktext"] == ["x", "y", "z"]
    drawn = state["_widget_data"][2]["y"]
    np.testing.assert_array_equal(np.frombuffer(drawn["buffer"], drawn["dtype"]), [100, 0, 0])
    np.testing.assert_array_equal(panel._figure.data[2].y, [100, 0, 0])
    assert len(said) == 1


def test_without_items_and_bench_their_parts_are_not_there(view, picks):
    panel = SelectorPanel(view, list(picks.values()))
    assert panel._figure is None
    assert panel.by is None
    assert "Mix of" not in {d.description for d in walk(panel, ipywidgets.Dropdown)}
    assert "Keep" not in str([b.description for b in walk(panel, ipywidgets.Button)])
    assert "one" in panel._maps.value


def test_rows_without_a_place_and_one_row(items):
    xy = np.array([[0, 0], [np.nan, 1], [1, 1], [2, 2]])
    table = items.iloc[:4]
    some = [selection([1, 0], ids=IDS[:4], method=m) for m in "ab"]
    panel = SelectorPanel(xy, some, items=table)
    assert re.findall(r"data-pick='(\d:\d)'", panel._maps.value) == ["0:0", "1:0"]
    panel.shown = "picked by none"
    assert panel.rows_shown().tolist() == ["d", "c"]
    one = [selection([0], ids=["a"], method=m) for m in "ab"]
    alone = SelectorPanel(np.zeros((1, 2)), one, items=items.iloc[:1])
    assert alone.rows_shown().tolist() == ["a"]
    alone.shown = "picked by none"
    assert len(alone.rows_shown()) == 0


def test_a_large_budget_is_drawn_in_one_shape():
    n = 3000
    ids = pd.RangeIndex(n)
    view = Embedding(ids=ids, vectors=np.random.default_rng(0).normal(size=(n, 2)))
    panel = SelectorPanel(view, [selection(range(1000), ids=ids, method=m) for m in "ab"])
    assert "data-pick='0:" not in panel._maps.value
    assert len(panel._maps.value) < 200_000
    panel.budget = 100
    assert panel._maps.value.count("data-pick='0:") == 100


# ---- by hand -------------------------------------------------------------------------------------


def test_a_hand_moves_the_slider_the_list_and_clicks(view, picks, items):
    panel = SelectorPanel(view, picks, items=items)
    panel._slider.value = 2
    assert panel.budget == 2
    panel._choice.value = "two"
    assert panel.shown == "two"
    click(panel, "Select these 2")
    assert panel.selected == ["a", "e"]
    panel._choice.value = "picked by none"
    assert (panel.shown, panel.budget) == ("picked by none", 2)
    assert panel.rows_shown().tolist()[0] == "h"
    click(panel, "Select common picks")
    assert panel.selected == ["a"]
    assert "<b>a</b>" in panel._card.value
    panel._hear(None, {"pick": "1:4"}, [])
    assert (panel.shown, panel.selected) == ("two", ["e"])
    panel._hear(None, {"pick": "map:0"}, [])
    assert panel.shown == "one"
    panel._hear(None, {"pick": "row:7"}, [])
    assert panel.selected == ["h"]
    press(panel, "Escape")
    assert panel.selected == []
    assert panel._card.value == ""


def test_what_none_picked_is_not_shown_after_a_stop_or_when_moved_back(view, picks):
    async def main():
        panel = SelectorPanel(view, picks)
        for turn_back in (lambda: click(panel, "Stop"), lambda: setattr(panel._choice, "index", 0)):
            panel._choice.value = "picked by none"
            assert not panel._work.is_idle
            turn_back()
            assert panel._work.is_idle
            assert panel._choice.value == panel.shown == "one"

    asyncio.run(main())


def test_a_selection_is_ringed_on_every_map(view, picks):
    panel = SelectorPanel(view, picks)
    panel.selected = ["h", "a"]
    rings = re.findall(r"curalab-selectors-ring' d='([^']*)'", panel._maps.value)
    assert len(rings) == 2
    assert all(ring.count("M") == 2 for ring in rings)


def test_linked_panels_share_the_selection(view, picks):
    one, two = (SelectorPanel(view, picks, link="selectors") for _ in range(2))
    one.select_common()
    assert two.selected == one.selected == ["a", "b"]


# ---- decisions -----------------------------------------------------------------------------------


def test_picks_are_tagged_once_and_undone(view, picks, items, ledger):
    panel = SelectorPanel(view, picks, items=items, ledger=ledger, actor="Ann")
    panel.shown, panel.budget = "two", 2
    press(panel, "t")
    told = ledger.decisions()
    assert told.index.tolist() == ["a", "e"]
    assert set(told["new"]) == {"selected:two"}
    assert set(told["method"]) == {"two"}
    assert set(told["reason"]) == {"first 2 picks of two"}
    assert told["params"].iloc[0]["settings"] == {"k": 3}
    assert "✓ 2 tagged selected:two" in panel._told.value
    assert "1. ✓" not in panel._tiles.value
    assert "✓ 1. x" in panel._tiles.value
    panel.choose()
    assert len(ledger) == 2
    assert "All 2 are tagged selected:two already." in panel._said.value
    panel.budget = 3
    click(panel, "Choose these")
    assert ledger.decisions().index.tolist() == ["a", "e", "b"]
    press(panel, "u")
    assert (panel.selected, len(ledger.decisions())) == (["b"], 2)
    press(panel, "u")
    assert len(ledger.decisions()) == 0
    assert "✓" not in panel._told.value


def test_another_panel_knows_what_was_chosen(view, picks, items, ledger):
    SelectorPanel(view, picks, items=items, ledger=ledger, actor="Ann").choose()
    ledger.record("h", action="tag", new="other", actor="Ann")
    again = SelectorPanel(view, picks, items=items, ledger=ledger, actor="Ann")
    assert "✓ 4 tagged selected:one" in again._told.value
    again.choose()
    assert len(ledger) == 5
    again.shown = "picked by all"
    again.choose()
    tags = ledger.apply(items)["tags"]
    assert tags["a"] == ["selected:one", "selected:picked by all"]
    again.shown = "picked by none"
    press(again, "t")
    assert "There is nothing to choose: no selector picked these." in again._said.value


def test_keeping_says_what_it_rests_on(view, picks, items, ledger):
    panel = SelectorPanel(view, picks, items=items, ledger=ledger)
    panel.selected = ["h"]
    press(panel, "k")
    panel.selected = ["a"]
    press(panel, "k")
    assert ledger.decisions()["reason"].tolist() == [
        "selected beside the picks of several selectors",
        "first 4 picks of one",
    ]
    panel.clear()
    press(panel, "k")
    assert "There is nothing to decide" in panel._said.value


# ---- to keep and to pass on ----------------------------------------------------------------------


def test_the_panel_is_made_again_by_its_code(view, picks, items, ledger, monkeypatch):
    panel = SelectorPanel(view, picks, items=items, ledger=ledger)
    panel.budget, panel.shown, panel.by = 2, "two", "site"
    panel.selected = ["h"]
    names = {"view": view, "picks": picks, "items": items, "ledger": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    code = panel.to_code()
    assert code == (
        "panel = SelectorPanel(view, picks, items=items, ledger=ledger)\n"
        "panel.budget = 2\npanel.shown = 'two'\npanel.by = 'site'\npanel.selected = ['h']"
    )
    scope = {"SelectorPanel": SelectorPanel, **names}
    exec(code, scope)
    again = scope["panel"]
    assert (again.budget, again.shown, again.by, again.selected) == (2, "two", "site", ["h"])
    assert again._maps.value.replace(again.model_id, panel.model_id) == panel._maps.value


def test_the_still_picture_shows_maps_overlap_and_picks(view, picks, items, tmp_path):
    panel = SelectorPanel(view, picks, items=items)
    still = panel._repr_mimebundle_()["text/html"]
    assert still.count("data:image/png;base64,") == 2
    assert "one: 4 picks" in still
    assert ">0.33</td>" in still
    panel.save_html(tmp_path / "picks.html")
    assert "<script" not in (tmp_path / "picks.html").read_text(encoding="utf-8")


def test_text_from_data_stays_text(view, picks, items, ledger):
    named = {NASTY: picks["one"], "two": picks["two"]}
    ids = [f"{NASTY}{i}" for i in IDS]
    bad = items.assign(label=[NASTY] * 4 + list("yyyz"), site=NASTY).set_axis(ids)
    moved = Embedding(ids=pd.Index(ids), vectors=np.asarray(view), metric="euclidean")
    named = {name: selection(found.rows, ids=ids) for name, found in named.items()}
    panel = SelectorPanel(moved, named, items=bad, ledger=ledger)
    panel.select_shown()
    panel.choose()
    panel.selected = ids[:1]
    assert "<script" not in shown(panel) + panel._still()
    assert "<img src=x" not in shown(panel) + panel._still()
    figure = panel._figure
    told = [figure.layout.annotations[0].text, *figure.layout.xaxis.ticktext]
    told += [text for trace in figure.data for text in (trace.name, *trace.text)]
    assert not any("<" in text for text in told)


def test_names_in_a_list(view):
    methods = ["__main__.rare_first", "k_center", "k_center", "k_center"]
    panel = SelectorPanel(view, [selection([0], method=m) for m in methods])
    assert panel._picks.names == ["rare_first", "k_center", "k_center #2", "k_center #3"]


def test_every_button_has_text_and_a_tooltip(view, picks, items, ledger):
    buttons = walk(SelectorPanel(view, picks, items=items, ledger=ledger), ipywidgets.Button)
    assert len(buttons) >= 6
    assert all(button.description and button.tooltip for button in buttons)


# ---- bad input -----------------------------------------------------------------------------------

SELECTIONS = "The 'selections' parameter must be 2 to 6 Selections, in a list or by name. "


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda v, p: SelectorPanel(v, [p["one"]]), ValueError, f"{SELECTIONS}Got 1 instead."),
        (
            lambda v, p: SelectorPanel(v, [p["one"]] * 7),
            ValueError,
            f"{SELECTIONS}Got 7 instead.",
        ),
        (lambda v, p: SelectorPanel(v, "one"), TypeError, f"{SELECTIONS}Got 'one' instead."),
        (lambda v, p: SelectorPanel(v, [1, 2]), TypeError, f"{SELECTIONS}Got 1 instead."),
        (
            lambda v, p: SelectorPanel(np.ones((8, 3)), p),
            ValueError,
            "The 'view' parameter must be of shape (n, 2). Got shape (8, 3) instead. "
            "Make a map of an embedding with cl.reduce(embedding).",
        ),
        (
            lambda v, p: SelectorPanel(v.take(IDS[:3]), p),
            KeyError,
            "The 'selections' parameter must be ids of the items. Got unknown ids 'd' instead.",
        ),
        (
            lambda v, p: setattr(SelectorPanel(v, p), "budget", 5),
            ValueError,
            "The 'budget' parameter must be an integer from 1 to 4. Got 5 instead.",
        ),
        (
            lambda v, p: setattr(SelectorPanel(v, p), "shown", "oen"),
            ValueError,
            "The 'shown' parameter must be one of 'one', 'two', 'picked by all', "
            "'picked by none'. Got 'oen' instead. Did you mean 'one'?",
        ),
        (
            lambda v, p: SelectorPanel(v, p).mix(),
            ValueError,
            "The 'items' parameter must be given, with a column of few values. Got None instead.",
        ),
        (
            lambda v, p: SelectorPanel(v, p).choose(),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
    ],
)
def test_bad_input_is_named(view, picks, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(view, picks)
    assert caught.value.args[0] == text


def test_selections_from_other_vectors_are_refused(view):
    rng = np.random.default_rng(0)
    mine, other = (Embedding(ids=view.ids, vectors=rng.normal(size=(8, 3))) for _ in range(2))
    made = cl.reduce(mine, method="pca", random_state=0)
    right = selection([0, 1], method="a", embedding=mine.fingerprint)
    of_map = selection([0, 1], method="b", embedding=made.fingerprint)
    wrong = selection([0, 1], method="c", embedding=other.fingerprint)
    SelectorPanel(made, [right, of_map], embedding=mine)
    with pytest.raises(ValueError) as caught:
        SelectorPanel(made, [right, wrong])
    assert str(caught.value) == (
        "The 'selections' parameter must be of the vectors that the map shows. Got 'c' of the "
        f"embedding {other.fingerprint[:8]}, while the map is one of {mine.fingerprint[:8]} "
        "instead."
    )
    with pytest.raises(ValueError) as caught:
        SelectorPanel(made, [of_map, of_map], embedding=other)
    assert str(caught.value) == (
        "The 'embedding' parameter must be of the vectors that the map shows. Got the embedding "
        f"{other.fingerprint[:8]}, while the map is one of {mine.fingerprint[:8]} instead."
    )
