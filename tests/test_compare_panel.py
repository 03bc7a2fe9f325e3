"""Two things side by side, without a browser."""

from __future__ import annotations

import asyncio
import re

import ipywidgets
import numpy as np
import pandas as pd
import pytest

from by_hand import click, press, shown, walk
from curalab._check import AlignmentError
from curalab.clusters import Clustering
from curalab.embedding import Embedding
from curalab.label_errors import LabelErrors
from curalab.ledger import Ledger
from curalab.outliers import Outliers
from curalab.pseudo_labels import PseudoLabels
from curalab.selectors import Selection
from curalab_widgets import MapPanel, _code
from curalab_widgets.compare import ComparePanel
from curalab_widgets.compare._told import status

NASTY = "<script>alert(1)</script>\"&'"
IDS = pd.Index(list("hgfedcba"))


@pytest.fixture
def items():
    labels = ["cat", "dog"] * 4
    return pd.DataFrame({"label": labels, "size": np.arange(8.0)}, index=IDS)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


def line(places, ids=IDS):
    return Embedding(vectors=np.asarray(places, dtype=float)[:, None], ids=ids, metric="euclidean")


def plane(seed=0, **more):
    xy = np.random.default_rng(seed).normal(size=(8, 2))
    return Embedding(vectors=xy, ids=IDS, metric="euclidean", **more)


@pytest.fixture
def pair():
    """Two lines of rows; e lies elsewhere on the right."""
    return line([0, 1, 2, 3, 50, 51, 52, 53]), line([0, 1, 2, 51.4, 50, 51, 52, 53])


def clustering(labels, **params):
    labels = np.asarray(labels)
    n = len(np.unique(labels[labels >= 0]))
    return Clustering(
        ids=IDS, labels=labels, strength=np.ones(8), n_clusters=n, params={"method": "k", **params}
    )


def outliers(oddness, marked, **params):
    mark = np.isin(IDS, list(marked))
    made = {"method": "knn", **params}
    return Outliers(ids=IDS, oddness=np.asarray(oddness, float), is_outlier=mark, params=made)


def errors(quality, marked):
    mark = np.isin(IDS, list(marked))
    suggested = np.array([None] * 8, dtype=object)
    return LabelErrors(ids=IDS, quality=np.asarray(quality), suggested=suggested, is_error=mark)


def pseudo(labels, confidence, given=""):
    is_given = np.isin(IDS, list(given))
    proba = np.tile([0.5, 0.5], (8, 1))
    return PseudoLabels(
        ids=IDS,
        labels=np.array(labels, dtype=object),
        confidence=np.asarray(confidence, float),
        proba=proba,
        classes=np.array(["cat", "dog"], dtype=object),
        given=is_given,
        is_new=np.zeros(8, bool),
    )


def selection(ids):
    rows = IDS.get_indexer(list(ids))
    n = len(rows)
    return Selection(ids=IDS[rows], rows=rows, gain=np.zeros(n), details={"n_pool": 8})


def pick(panel, text):
    """Click the button of this text beside the list."""
    found = re.findall(r"data-pick='([^']+)'[^>]*>([^<]*)", panel._boards.value)
    (what,) = [what for what, told in found if told.strip() == text]
    panel._hear(None, {"pick": what}, [])


# ---- embeddings ----------------------------------------------------------------------------------


def test_the_row_that_moved_comes_first_and_its_neighbours_show_on_both_sides(pair, items):
    panel = ComparePanel(*pair, items=items)
    panel.k = 2
    assert panel.difference.index[0] == "e"
    assert panel.difference["neighbors_kept"].is_monotonic_increasing
    assert panel.difference["neighbors_kept"].max() < 1
    assert panel.measures["k"] == 2
    assert "Of a row&#x27;s 2 nearest rows" in shown(panel)
    press(panel, "n")
    assert panel.selected == ["e"]
    assert "Nearest on the left" in panel._card.value
    press(panel, "l")
    assert panel.selected == ["e", "f", "g"]
    press(panel, "r")
    assert panel.selected == ["e", "c", "b"]
    panel.clear()
    press(panel, "l")
    assert "No single row is shown: choose one from the list." in panel._said.value


def test_a_lasso_on_one_side_highlights_on_both(pair, items):
    panel = ComparePanel(*pair, items=items, views=(plane(), plane(1)))
    left, right = (half.points.widget for half in panel._halves)
    right.selection = np.array([1, 5], dtype=np.uint32)
    assert sorted(panel.selected) == ["c", "g"]
    assert sorted(left.selection) == [1, 5]
    panel.selected = ["h"]
    assert [list(left.selection), list(right.selection)] == [[0], [0]]
    left.hovering = 3
    assert "<b>e</b>" in panel._card.value


def test_maps_of_two_columns_are_drawn_as_they_are_and_others_by_components(pair):
    one, other = plane(), plane(1)
    panel = ComparePanel(one, other.take(IDS[::-1]))
    assert panel.ids.tolist() == IDS.tolist()
    assert np.allclose(panel._halves[1].xy, other.vectors)
    assert [half.title for half in panel._halves] == ["Left", "Right"]
    wide = Embedding(vectors=np.random.default_rng(0).normal(size=(8, 5)), ids=IDS)
    titles = [half.title for half in ComparePanel(wide, pair[0])._halves]
    assert titles == [
        f"{side} (first two principal components of {n} dimensions)"
        for side, n in (("Left", 5), ("Right", 1))
    ]
    arrays = ComparePanel(
        np.asarray(one.vectors), np.asarray(other.vectors), color=list("aabbccdd")
    )
    assert arrays.ids.tolist() == list(range(8))
    assert arrays.color == "color"


def test_moving_the_slider_compares_beside_the_kernel(pair):
    async def main():
        panel = ComparePanel(*pair)
        (slider,) = walk(panel, ipywidgets.IntSlider)
        assert [slider.value, slider.max, panel.k] == [1, 7, None]
        slider.value = 3
        assert panel.k is None
        while not panel._work.is_idle:
            await asyncio.sleep(0.02)
        assert [panel.k, panel.measures["k"]] == [3, 3]
        panel.k = 2
        assert slider.value == 2
        assert panel._work.is_idle
        slider.value = 5
        slider.value = 2
        assert panel._work.is_idle
        slider.value = 5
        click(panel, "Stop")
        assert slider.value == panel.k == 2

    asyncio.run(main())


def test_two_rows_and_copies():
    two = Embedding(vectors=np.ones((2, 3)), ids=["a", "b"])
    panel = ComparePanel(two, two)
    assert len(panel.difference) == 0
    panel.show_next()
    assert "No other row differs that is not decided." in panel._said.value
    assert "0 rows differ" in shown(panel)
    assert "<img" in panel._still()


# ---- results -------------------------------------------------------------------------------------


def test_clusterings_tell_what_splits_and_colour_alike_what_is_the_same(items):
    few = clustering([0, 0, 0, 0, 1, 1, 1, -1], settings={"k": 2}, embedding="a" * 32)
    many = clustering([4, 4, 4, 2, 7, 7, 7, -1], settings={"k": 3}, embedding="b" * 32)
    panel = ComparePanel(few, many, items=items, views=plane())
    assert panel.difference.index[0] == "e"
    assert panel.difference["outcome"].tolist() == ["changed", "stayed", "stayed", "stayed"]
    left, right = (half.colored for half in panel._halves)
    assert left.codes[[0, 4, 7]].tolist() == right.codes[[0, 4, 7]].tolist()
    assert right.names[right.codes[0]] == "4"
    assert right.codes[3] != left.codes[3]
    assert left.faint.tolist() == [False] * 7 + [True]
    pick(panel, "left 0 splits into right 4 (75%), right 2 (25%)")
    assert panel.selected == ["e", "h", "g", "f"]
    panel.find(left=0, right=2)
    assert panel.selected == ["e"]
    assert panel.find(right=[2, 7]) == 4
    assert panel.find(outcome="changed", label="dog") == 1
    assert panel.find(outcome="changed", label="cat") == 0
    assert panel.selected == ["e"]
    assert "There are no such rows." in panel._said.value
    assert "<th>settings.k</th><td>2</td><td>3</td>" in shown(panel)
    assert "<th>embedding</th><td>aaaaaaaa</td><td>bbbbbbbb</td>" in shown(panel)
    panel.color = "size"
    assert panel._halves[0].colored.high == 7


def test_two_detectors_make_a_board_whose_cells_select(items):
    one = outliers([9, 8, 1, 2, 3, 4, 5, 6], "hg")
    other = errors([0.9, 0.1, np.nan, 0.8, 0.7, 0.6, 0.5, 0.2], "ga")
    panel = ComparePanel(one, other, items=items)
    assert panel._found.table["outcome"].to_dict() == {
        **dict.fromkeys("fedcb", "neither"),
        "h": "only left",
        "g": "both",
        "a": "only right",
    }
    assert panel.difference.index[0] == "h"
    assert panel._found.table.loc["f", "right"] == "not judged"
    assert panel.difference.loc["h", ["left_rank", "right_rank"]].tolist() == [1, 0]
    assert panel.measures["overlap"] == pytest.approx(1 / 3)
    assert panel._found.table["rank_difference"].isna().tolist() == [i == "f" for i in IDS]
    pick(panel, "only left")
    assert panel.selected == ["h"]
    panel.find(left="marked", right="marked")
    assert panel.selected == ["g"]
    assert [half.title for half in panel._halves] == ["Doubt by rank: left →, right ↑"]
    assert "1 have no place in the pictures." in status(panel)
    both = ComparePanel(one, other, items=items, views=plane(), engine="plotly")
    assert [half.title for half in both._halves] == ["The map", "Doubt by rank: left →, right ↑"]
    assert ComparePanel(one, one).measures["rank_correlation"] == pytest.approx(1)


def test_pseudo_labels_differ_where_both_are_sure_first(items):
    one = pseudo(["cat"] * 8, [0.9, 0.6, 0.9, 0.9, 1, 0.9, 0.9, 0.9], given="d")
    other = pseudo(["dog", "dog", "cat", "cat", "cat", "cat", "cat", None], [0.8] * 8, given="d")
    panel = ComparePanel(one, other, items=items, views=plane())
    assert panel.difference.index.tolist() == ["h", "a", "g"]
    assert panel.measures["agreement"] == pytest.approx(4 / 7)
    assert panel._found.table.loc["d", "outcome"] == "given on both sides"
    assert panel.find(left="cat", right="dog") == 2


def test_selections_overlap(items):
    panel = ComparePanel(selection("hgf"), selection("gda"), items=items)
    assert panel.ids.tolist() == IDS.tolist()
    assert panel._found.table["outcome"].value_counts().to_dict() == {
        "neither": 3,
        "only left": 2,
        "only right": 2,
        "both": 1,
    }
    assert panel.measures["shared_by_chance"] == pytest.approx(9 / 8)
    assert panel.difference.index[-1] == "g"
    assert set(ComparePanel(selection("hg"), selection("ga")).ids) == set("hga")


# ---- tables --------------------------------------------------------------------------------------


def test_tables_tell_rows_and_cells_and_the_mix_of_classes(items):
    after = pd.concat([items.iloc[2:], pd.DataFrame({"label": ["fox"]}, index=["z"])])
    after.loc["e", ["label", "size"]] = ["fox", np.nan]
    panel = ComparePanel(items, after.assign(new=1), views=plane())
    assert panel.measures == {"only_left": 2, "only_right": 1, "changed": 1, "same": 5}
    assert panel.difference.index.tolist() == ["h", "g", "z", "e"]
    assert panel.difference.loc["e", "changes"] == "label: dog → fox; size: 3 → missing"
    assert panel.find(left="dog", right="fox") == 1
    assert panel.selected == ["e"]
    assert panel.find(right="not there") == 2
    assert [len(half.xy) for half in panel._halves] == [8, 6]
    assert "1 have no place in the pictures." in status(panel)
    assert "Columns of one table only: new." in shown(panel)
    pick(panel, "changed")
    assert panel.selected == ["e"]
    plain = ComparePanel(items[["size"]], after[["size"]])
    assert plain.find(outcome="only right") == 1
    assert plain.selected == ["z"]
    with pytest.raises(ValueError, match="rows have none here"):
        plain.find(left="cat")
    one = ComparePanel(items.iloc[:1], items.iloc[:1])
    assert len(one.difference) == 0


# ---- what all have -------------------------------------------------------------------------------


def test_decisions_go_to_the_ledger_and_are_known_again(items, ledger):
    def make(actor="Ann"):
        after = items.assign(label="dog")
        return ComparePanel(items, after, ledger=ledger, actor=actor)

    panel = make()
    press(panel, "n")
    press(panel, "k")
    assert panel.selected == ["f"]
    press(panel, "d")
    click(panel, "Relabel to")
    press(panel, "2")
    told = ledger.decisions()
    assert told["action"].tolist() == ["keep", "drop", "keep", "relabel"]
    assert told.index.tolist() == ["h", "f", "d", "b"]
    assert told.iloc[0]["reason"] == "compared: outcome changed, changes label: cat → dog"
    assert told.iloc[3]["new"] == "dog"
    assert told["actor"].eq("Ann").all()
    assert "signed Ann" in panel._said.value
    press(panel, "u")
    assert panel.selected == ["b"]
    assert "Taken back: 1 decision." in panel._said.value
    again = make()
    press(again, "n")
    assert again.selected == ["b"]
    assert again._listed == [6]
    again.find(outcome="changed")
    assert "<th>decided</th>" in again._list.value
    assert "dropped" in again._list.value
    again.drop()
    assert len(ledger.decisions()) == 4
    again.undo()
    assert ledger.decisions().index.tolist() == ["h", "f", "d"]
    assert sorted(again.selected) == ["b", "d", "f", "h"]
    with pytest.raises(ValueError, match="There is nothing to decide"):
        make().keep()


def test_without_a_ledger_nothing_can_be_decided(items):
    panel = ComparePanel(items, items.iloc[1:])
    panel.find(outcome="only left")
    assert not [b for b in walk(panel, ipywidgets.Button) if b.description.startswith("Keep")]
    with pytest.raises(ValueError) as caught:
        panel.drop()
    assert caught.value.args[0] == (
        "The 'ledger' parameter must be given to the panel, to decide. Got None instead."
    )


def test_text_from_data_stays_text(pair, items, ledger):
    bad = items.assign(label=[NASTY, "dog"] * 4, **{NASTY: NASTY}).rename(index={"e": NASTY})
    other = bad.assign(label="dog")
    panel = ComparePanel(bad, other, ledger=ledger)
    panel.selected = [NASTY]
    press(panel, "n")
    assert "<script>" not in shown(panel) + panel._still()
    vectors = pair[0].take(IDS)._with_ids(bad.index)
    panel = ComparePanel(vectors, vectors, items=bad, color="label")
    panel.selected = [NASTY]
    assert "<script>" not in shown(panel) + panel._still()


def test_a_panel_is_told_as_code_and_made_again_by_it(pair, items, ledger, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    panel = ComparePanel(*pair, items=items, ledger=ledger, color="label")
    panel.k, panel.selected = 3, ["e", "a"]
    assert panel.to_code() == (
        "panel = ComparePanel(left, right, items=items, color='label', "
        "ledger=cl.Ledger('test.ledger'))\npanel.k = 3\npanel.selected = ['e', 'a']"
    )
    names = {"one": pair[0], "other": pair[1], "pets": items, "mine": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    scope = {"ComparePanel": ComparePanel, **names}
    exec(panel.to_code(), scope)
    made = scope["panel"]
    assert [made.k, made.selected, made.color] == [3, ["e", "a"], "label"]
    assert made.difference.equals(panel.difference)


def test_linked_panels_select_together(pair, items):
    view = MapPanel(plane(), items, link="compare")
    panel = ComparePanel(*pair, items=items, link="compare")
    panel.find(outcome="none kept")
    assert view.selected == panel.selected != []
    view.selected = ["b"]
    assert panel.selected == ["b"]


def test_a_panel_is_kept_as_two_pictures_and_a_table(pair, items, tmp_path):
    panel = ComparePanel(*pair, items=items)
    panel.save_html(tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert "<button" not in page
    assert "neighbors kept" in page
    results = ComparePanel(clustering([0] * 8), clustering([1] * 8))
    assert results._still().count("<img") == 0


def test_many_clusters_are_counted_together(items):
    n = 400
    ids = pd.RangeIndex(n)
    one, other = (
        Clustering(ids=ids, labels=np.arange(n) // size, strength=np.ones(n), n_clusters=n // size)
        for size in (4, 8)
    )
    panel = ComparePanel(one, other)
    assert "89 others" in shown(panel)
    pick(panel, "89 others")
    assert len(panel.selected) == 89 * 4
    assert panel._boards.value.count("<tr>") == (1 + 11 + 1) + 2


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda pair, items: ComparePanel([1], [2]),
            TypeError,
            "The 'left' parameter must be an Embedding, a DataFrame or a result: Clustering, "
            "LabelErrors, Outliers, PseudoLabels, Selection. Got list instead.",
        ),
        (
            lambda pair, items: ComparePanel(pair[0], items),
            TypeError,
            "The 'right' parameter must be an Embedding, as left is. Got DataFrame instead.",
        ),
        (
            lambda pair, items: ComparePanel(pair[0], pair[1].take(list("abc"))),
            AlignmentError,
            "The ids of 'right' and of the items must name the same rows. Got 'h', 'g', 'f', 'e', "
            "'d' only in the items. Select the same rows on both sides, or pass an array to go by "
            "position.",
        ),
        (
            lambda pair, items: ComparePanel(pair[0].take(["a"]), pair[1].take(["a"])),
            ValueError,
            "The 'left' parameter must be of at least 2 rows. Got 1 row instead.",
        ),
        (
            lambda pair, items: ComparePanel(*pair, views=plane()),
            TypeError,
            "The 'views' parameter must be two maps, of left and of right. Got Embedding instead.",
        ),
        (
            lambda pair, items: ComparePanel(items, items, views=np.ones((8, 3))),
            ValueError,
            "The 'views' parameter must be of shape (n, 2). Got shape (8, 3) instead. "
            "Make a map of an embedding with cl.reduce(embedding).",
        ),
        (
            lambda pair, items: ComparePanel(items, items, views=np.ones((7, 2))),
            ValueError,
            "The 'views' parameter must be 8 rows, one for each item. Got 7 rows instead.",
        ),
        (
            lambda pair, items: ComparePanel(items, items, views=np.full((8, 2), np.nan)),
            ValueError,
            "The 'views' parameter must be finite in one row at least. Got none that is instead.",
        ),
        (
            lambda pair, items: ComparePanel(
                pair[0], pair[1], views=(plane(), plane(params={"ancestors": ["f" * 32]}))
            ),
            ValueError,
            f"The 'views' parameter must be a map of right "
            f"({line([0, 1, 2, 51.4, 50, 51, 52, 53]).fingerprint[:8]}) in its place. "
            f"Got a map of ffffffff instead.",
        ),
        (
            lambda pair, items: ComparePanel(
                clustering([0] * 8, embedding="a" * 32),
                clustering([0] * 8, embedding="b" * 32),
                views=plane(params={"ancestors": ["f" * 32]}),
            ),
            ValueError,
            "The 'views' parameter must be a map of the embedding that was judged "
            "(aaaaaaaa or bbbbbbbb). Got a map of ffffffff instead.",
        ),
        (
            lambda pair, items: ComparePanel(selection("ab"), selection("bc"), items=items[:6]),
            AlignmentError,
            "The 'items' parameter must be a table with every row picked. "
            "Got 'a', 'b' only in the selections instead.",
        ),
        (
            lambda pair, items: ComparePanel(items, items, color="lable"),
            ValueError,
            "The 'color' parameter must be one of the columns 'label', 'size', 'left', 'right', "
            "'outcome', 'changed_cells'. Got 'lable' instead. Did you mean 'label'?",
        ),
        (
            lambda pair, items: setattr(ComparePanel(items, items), "k", 3),
            ValueError,
            "The 'k' parameter must be None: only embeddings have it. Got 3 instead.",
        ),
        (
            lambda pair, items: setattr(ComparePanel(*pair), "k", 8),
            ValueError,
            "The 'k' parameter must be an integer from 1 to 7. Got 8 instead.",
        ),
        (
            lambda pair, items: ComparePanel(items, items).near("up"),
            ValueError,
            "The 'side' parameter must be one of 'left', 'right'. Got 'up' instead.",
        ),
    ],
)
def test_bad_input_is_named(pair, items, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(pair, items)
    assert caught.value.args[0] == text


def test_a_map_of_what_one_side_judged_will_do(pair):
    view = plane(params={"ancestors": ["a" * 32]})
    one, other = (clustering([0] * 8, embedding=name * 32) for name in "ab")
    assert len(ComparePanel(one, other, views=view)._halves) == 2
    two = (plane(params={"ancestors": [side.fingerprint]}) for side in pair)
    assert len(ComparePanel(*pair, views=list(two))._halves) == 2
