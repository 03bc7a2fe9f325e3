"""The panel of duplicates without a browser: groups, pairs, thresholds, and the ledger."""

from __future__ import annotations

import asyncio
import re
import time

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import curalab as cl
from by_hand import click, press, shown, walk
from curalab._check import AlignmentError
from curalab.duplicates import Duplicates
from curalab.duplicates._pairs import group_rows
from curalab_widgets import MapPanel, _code
from curalab_widgets.duplicates import DuplicatePanel

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"
PAIRS = {"ab": 0.99, "ac": 0.95, "bc": 0.93, "de": 0.97, "fg": 0.91}


def found_of(ids, pairs, *, threshold=0.9):
    """What would be found where these pairs, of two ids each, are as similar as that."""
    ids = pd.Index(ids)
    rows = np.array([ids.get_indexer(list(pair)) for pair in pairs]).reshape(-1, 2)
    found = pd.DataFrame(np.sort(rows), columns=["row_a", "row_b"]).assign(
        similarity=np.array([*pairs.values()], dtype=float)
    )
    found = found.sort_values("similarity", ascending=False, kind="stable", ignore_index=True)
    group, keep, similarity = group_rows(len(ids), found)
    params = {"threshold": threshold, "method": "semantic", "embedding": "f00d"}
    return Duplicates(
        ids=ids, group=group, keep=keep, similarity=similarity, found=found, params=params
    )


@pytest.fixture
def items():
    """Ten pets, of which a b c, d e and f g are alike."""
    labels = ["cat", "cat", "dog", "dog", "dog", "cat", "dog", "cat", None, "cat"]
    texts = ["the small cat sleeps on a warm mat"] * 3 + ["a dog barks at the moon all night"] * 7
    texts[1] = "the small grey cat sleeps on a mat"
    sizes = np.arange(10.0) // 2
    table = pd.DataFrame({"label": labels, "text": texts, "size": sizes}, index=list("abcdefghij"))
    return table.astype({"label": object})


@pytest.fixture
def duplicates(items):
    return found_of(items.index, PAIRS)


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture
def panel(duplicates, items, ledger):
    return DuplicatePanel(duplicates, items, ledger=ledger, actor="Ann")


def cards(panel):
    """The ids on the cards, and of them the one that is kept."""
    found = re.findall(
        r"<article class='curalab-duplicates-card([^']*)'><header><b>(\w+)<", shown(panel)
    )
    return "".join(name for _, name in found), [name for kind, name in found if "kept" in kind]


def decided(ledger):
    """What the ledger says of rows."""
    table = ledger.decisions()
    table = table[table["action"].isin(["keep", "drop"])]
    return dict(zip(table.index, table["action"], strict=True))


# ---- groups --------------------------------------------------------------------------------------


def test_a_group_at_a_time_and_the_one_kept_is_marked_with_a_word(panel):
    assert panel.selected == ["a", "b", "c"]
    assert cards(panel) == ("abc", ["a"])
    page = shown(panel)
    assert page.count(">Kept</b>") == 1
    assert "<b>3</b> groups, <b>4</b> copies" in page
    assert "0 of 3 groups decided" in page
    assert "3 items · similarity 0.930 to 0.990" in page
    assert "<mark>labels differ</mark>: cat 2, dog 1" in page
    panel.skip()
    assert cards(panel) == ("de", ["d"])
    assert "labels differ" not in shown(panel)


def test_the_differences_are_marked_in_place(panel):
    page = shown(panel)
    assert "the small <ins>grey</ins> cat sleeps on a <del>warm</del> mat" in page
    assert "<tr><th>size</th><td><mark>≠ 1</mark></td></tr>" in page
    assert page.count("≠") == 2  # c: its size and its label


def test_another_one_is_kept_by_key_by_click_and_by_method(panel):
    press(panel, "2")
    assert cards(panel) == ("abc", ["b"])
    assert panel.result.ids[~panel.result.keep].tolist() == ["a", "c", "e", "g"]
    panel._hear(None, {"pick": "keep:2"}, [])
    assert cards(panel) == ("abc", ["c"])
    panel.choose("e")
    assert panel.chosen == ["b", "c", "e"]
    assert panel.selected == ["a", "b", "c"]
    panel.choose("a")
    assert panel.result.ids[~panel.result.keep].tolist() == ["b", "c", "d", "g"]
    press(panel, "7")  # there is no seventh
    assert cards(panel) == ("abc", ["a"])


def test_what_was_kept_before_stays_so_at_any_threshold(duplicates, items):
    by_size = duplicates.keeping(items["size"])
    assert by_size.ids[~by_size.keep].tolist() == ["a", "b", "d", "f"]
    panel = DuplicatePanel(by_size, items)
    assert panel.result is not by_size
    assert panel.result.ids[~panel.result.keep].tolist() == ["a", "b", "d", "f"]
    panel.threshold = 0.96
    assert panel.result.ids[~panel.result.keep].tolist() == ["b", "d"]
    panel.chosen = ["b"]
    assert panel.result.ids[~panel.result.keep].tolist() == ["a", "d"]


def test_dropping_the_copies_says_why_and_shows_the_next(panel, ledger, items):
    panel.choose("b")
    click(panel, "Drop the copies")
    assert panel.selected == ["d", "e"]
    assert panel.decided == 1
    events = ledger.to_frame()
    assert events["row_id"].tolist() == ["a", "b", "c"]
    assert events["action"].tolist() == ["drop", "keep", "drop"]
    assert set(events["actor"]) == {"Ann"}
    assert set(events["method"]) == {"semantic"}
    assert set(events["embedding"]) == {"f00d"}
    assert events["params"].iloc[0]["threshold"] == 0.9
    assert events["reason"].tolist() == [
        "copy of b, similarity 0.990 (group 0, threshold 0.9)",
        "kept of its copies (group 0, threshold 0.9)",
        "copy of b, similarity 0.930 (group 0, threshold 0.9)",
    ]
    press(panel, "n")
    assert panel.selected == ["f", "g"]
    assert decided(ledger) == {"a": "drop", "b": "keep", "c": "drop", "d": "keep", "e": "keep"}
    assert ledger.to_frame()["reason"].iloc[-1] == "no duplicates (group 1, threshold 0.9)"
    press(panel, "d")
    assert panel.selected == []
    assert panel.group == -1
    assert "3 of 3 groups decided" in shown(panel)
    assert ledger.apply(items).index.tolist() == list("bdefhij")


def test_a_member_linked_through_others_only_says_so(items, ledger):
    chain = found_of(items.index, {"ab": 0.95, "bc": 0.95, "cd": 0.95})
    panel = DuplicatePanel(chain, items, ledger=ledger)
    assert "linked through others" in shown(panel)
    panel.drop()
    assert "copy of b, linked through others (group 0, threshold 0.9)" in set(
        ledger.to_frame()["reason"]
    )


def test_skipping_comes_round(panel):
    seen = [panel.group]
    for _ in range(3):
        press(panel, "s")
        seen.append(panel.group)
    assert seen == [0, 1, 2, 0]


def test_undo_takes_a_group_back_as_one(panel, ledger):
    panel.drop()
    panel.keep()
    press(panel, "u")
    assert panel.selected == ["d", "e"]
    assert set(decided(ledger)) == {"a", "b", "c"}
    click(panel, "Undo")
    assert panel.selected == ["a", "b", "c"]
    assert decided(ledger) == {}
    assert panel.decided == 0
    press(panel, "u")
    assert "There is nothing to take back: Ann decided on no copies here." in shown(panel)


def test_all_groups_left_in_one_go_and_one_undo(panel, ledger):
    panel.keep()
    (button,) = [
        b for b in walk(panel, ipywidgets.Button) if b.description.startswith("Drop copies in")
    ]
    assert button.description == "Drop copies in all 2 groups"
    n = len(ledger)
    click(panel, "Drop copies in")
    assert panel.decided == 3
    assert button.description == "No group left"
    assert len(ledger) - n == 4
    assert ledger.to_frame()["time"].iloc[n:].nunique() == 1
    assert decided(ledger) == {
        **dict.fromkeys("abc", "keep"),
        **dict.fromkeys("df", "keep"),
        **dict.fromkeys("eg", "drop"),
    }
    click(panel, "No group left")
    assert "There is nothing to decide: all groups are decided." in shown(panel)
    panel.undo()
    assert decided(ledger) == dict.fromkeys("abc", "keep")
    assert panel.decided == 1


def test_a_panel_opened_again_knows_what_was_decided(panel, duplicates, items, ledger):
    panel.choose("c")
    panel.drop()
    again = DuplicatePanel(duplicates, items, ledger=ledger, actor="Ann")
    assert again.selected == ["d", "e"]
    assert again.decided == 1
    again.group = 0  # it can be looked at, with the one kept then
    assert cards(again) == ("abc", ["c"])
    assert "decided: 2 dropped" in shown(again)
    again.threshold = 0.94
    assert again.decided == 1
    other = DuplicatePanel(duplicates, items, ledger=ledger, actor="Bob")
    assert other.selected == ["d", "e"]
    with pytest.raises(ValueError, match="Bob decided on no copies"):
        other.undo()
    again.undo()
    assert decided(ledger) == {}
    assert again.decided == 0


def test_what_others_decide_on_a_row_is_not_a_decision_on_copies(duplicates, items, ledger):
    for one in "de":
        ledger.record(one, action="keep", actor="Ann", reason="label is right")
    ledger.record("a", action="drop", actor="Bob", reason="blurred")
    ledger.record("f", action="drop", actor="Bob", reason="blurred")
    panel = DuplicatePanel(duplicates, items, ledger=ledger, actor="Ann")
    assert panel.decided == 1  # of f and g one is left anyway
    assert cards(panel) == ("abc", ["b"])  # a is gone, so it cannot be the one that stays
    panel.drop_all()
    assert decided(ledger) == {
        "a": "drop",
        "b": "keep",
        "c": "drop",
        "d": "keep",
        "e": "drop",
        "f": "drop",
    }


def test_deciding_anew_counts(panel, ledger):
    panel.drop()
    panel.group = 0
    panel.keep()
    assert decided(ledger) == dict.fromkeys("abc", "keep")
    panel.undo()
    assert decided(ledger) == {"a": "keep", "b": "drop", "c": "drop"}
    assert "decided: 2 dropped" in shown(panel)


# ---- the threshold -------------------------------------------------------------------------------


def test_the_slider_cuts_anew_and_says_what_is_left(panel, duplicates):
    (slider,) = walk(panel, ipywidgets.FloatSlider)
    assert (slider.min, slider.max, slider.value) == (0.9, 1, 0.9)
    slider.value = 0.94
    assert panel.threshold == 0.94
    assert "<b>2</b> groups, <b>3</b> copies" in shown(panel)
    assert panel.result.group.tolist() == duplicates.at(0.94).group.tolist()
    panel.threshold = 0.96
    assert slider.value == 0.96
    assert panel.selected == ["a", "b"]
    panel.threshold = 1
    assert panel.selected == []
    assert "There are no copies at this threshold." in shown(panel)
    panel.threshold = 0.9
    assert panel.selected == ["a", "b", "c"]


def test_the_group_on_show_stays_on_show(panel):
    panel.selected = ["e"]
    assert (panel.group, panel.selected) == (1, ["d", "e"])
    panel.threshold = 0.96
    assert (panel.group, panel.selected) == (1, ["d", "e"])
    panel.selected = ["f", "b"][1:]
    panel.threshold = 0.9
    assert panel.selected == ["a", "b", "c"]


def test_the_kernel_stays_free_while_the_slider_moves(panel):
    async def main():
        (slider,) = walk(panel, ipywidgets.FloatSlider)
        for value in (0.92, 0.93, 0.96):
            slider.value = value
        assert panel.threshold == 0.9
        until = time.monotonic() + 10
        while panel.threshold != 0.96 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert panel.selected == ["a", "b"]

    asyncio.run(main())


def test_a_slider_moved_back_or_stopped_changes_nothing(panel):
    async def main():
        (slider,) = walk(panel, ipywidgets.FloatSlider)
        slider.value = 0.96
        slider.value = 0.9
        assert panel._work.is_idle
        slider.value = 0.96
        click(panel, "Stop")
        assert slider.value == panel.threshold == 0.9
        await asyncio.sleep(0.3)
        assert slider.value == panel.threshold == 0.9

    asyncio.run(main())


def test_a_linked_panel_shows_the_pair_that_is_judged(duplicates, items, ledger):
    one, two = (DuplicatePanel(duplicates, items, ledger=ledger, link="pairs") for _ in range(2))
    one.mode = two.mode = "pairs"
    one.skip()
    assert two.selected == one.selected
    assert two.mode == "pairs"


def test_where_nothing_can_be_moved_there_is_no_slider(items):
    panel = DuplicatePanel(found_of(items.index, {"ab": 1.0}, threshold=1.0), items)
    assert walk(panel, ipywidgets.FloatSlider) == []
    assert panel.selected == ["a", "b"]


@pytest.mark.parametrize(
    ("order", "groups"),
    [("largest", [0, 1, 2]), ("least similar", [2, 0, 1]), ("conflicts", [0, 2, 1])],
)
def test_order(panel, order, groups):
    panel.order = order
    seen = []
    for _ in range(3):
        seen.append(panel.group)
        panel.skip()
    assert seen == groups
    (dropdown,) = walk(panel, ipywidgets.Dropdown)
    assert dropdown.value == order


# ---- pairs to judge ------------------------------------------------------------------------------


def test_pairs_are_judged_the_least_similar_first(panel, duplicates, ledger):
    (mode,) = walk(panel, ipywidgets.ToggleButtons)
    mode.value = "pairs"
    assert panel.selected == ["f", "g"]
    assert "0 of 5 pairs judged" in shown(panel)
    press(panel, "n")
    assert panel.selected == ["b", "c"]
    press(panel, "y")
    press(panel, "s")
    assert panel.selected == ["d", "e"]
    click(panel, "Duplicates")
    assert panel.verdicts.to_numpy().tolist() == [
        ["f", "g", False],
        ["b", "c", True],
        ["d", "e", True],
    ]
    want = duplicates.precision(panel.verdicts)
    got = panel.precision()
    assert [got[k] for k in ("precision", "low", "high", "n_judged")] == [
        want[k] for k in ("precision", "low", "high", "n_judged")
    ]
    page = shown(panel)
    assert f"<b>{want['precision']:.0%}</b> of the 5 pairs are duplicates" in page
    assert f"between {want['low']:.0%} and {want['high']:.0%} by 3 verdicts" in page
    tags = ledger.to_frame()
    assert tags["new"].tolist()[:2] == ["not a duplicate of g", "not a duplicate of f"]
    assert tags["reason"].iloc[0] == "judged at a similarity of 0.910"
    assert decided(ledger) == {}


def test_verdicts_survive_and_are_taken_back(panel, duplicates, items, ledger):
    panel.mode = "pairs"
    panel.judge(False)
    panel.judge(True)
    again = DuplicatePanel(duplicates, items, ledger=ledger, actor="Ann")
    assert again.verdicts.equals(panel.verdicts)
    again.mode = "pairs"
    assert again.selected == ["a", "c"]
    again.undo()
    assert again.selected == ["b", "c"]
    assert len(again.verdicts) == 1
    assert len(ledger.decisions()) == 2
    assert "1 of 5 pairs judged" in shown(again)
    for _ in range(4):
        again.judge(True)
    assert again.selected == []
    assert "All are judged." in shown(again)
    with pytest.raises(ValueError) as caught:
        again.judge(True)
    assert str(caught.value) == "There is nothing to judge: no pair is on show."


@pytest.mark.parametrize(
    "ids",
    [
        [3, 1, 2, 7],
        pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]),
        pd.Index([1, "1", "2026-01-01", 2.5], dtype=object),
    ],
)
def test_verdicts_on_ids_of_any_kind(ids, ledger):
    ids = pd.Index(ids)
    found = found_of(list("abcd"), {"ab": 0.95, "cd": 0.92})
    table = pd.DataFrame({"x": range(4)}, index=ids)
    found = Duplicates(**{**vars(found), "ids": ids})
    panel = DuplicatePanel(found, table, ledger=ledger)
    panel.mode = "pairs"
    panel.judge(True)
    panel.judge(False)
    again = DuplicatePanel(found, table, ledger=ledger)
    assert again.verdicts.to_numpy().tolist() == [
        [ids[2], ids[3], True],
        [ids[0], ids[1], False],
    ]


def test_the_suggested_threshold_is_taken_over(ledger):
    rng = np.random.default_rng(0)
    similarity = np.sort(rng.uniform(0.8, 1, 300))
    ids = [f"i{n}" for n in range(600)]
    pairs = {(f"i{2 * n}", f"i{2 * n + 1}"): s for n, s in enumerate(similarity)}
    table = pd.DataFrame({"x": range(600)}, index=ids)
    panel = DuplicatePanel(found_of(ids, pairs, threshold=0.8), table, ledger=ledger)
    panel.mode = "pairs"
    while panel.selected:
        at = panel.selected[0]
        panel.judge(bool(similarity[int(at[1:]) // 2] > 0.9))
    assert len(panel.verdicts) == 40
    wanted = panel.precision()["suggested_threshold"]
    assert 0.88 < wanted < 0.92
    click(panel, "Use")
    assert panel.threshold == wanted
    assert panel.precision()["precision"] > 0.95
    assert panel.precision()["suggested_threshold"] == wanted
    panel.threshold = 1.0  # above all verdicts, and back
    panel.use_suggested()
    assert panel.threshold == wanted


def test_no_verdict_no_suggestion(panel):
    with pytest.raises(ValueError) as caught:
        panel.use_suggested()
    assert str(caught.value) == ("The 'verdicts' parameter must be at least one. Got none instead.")
    panel.mode = "pairs"
    for _ in range(5):
        panel.judge(False)
    with pytest.raises(ValueError) as caught:
        panel.use_suggested()
    assert str(caught.value) == ("There is no threshold to use: from none on are 95 % duplicates.")


def test_a_selection_from_elsewhere_leads_back_to_the_groups(panel):
    panel.mode = "pairs"
    panel.selected = ["a", "b"]
    assert panel.mode == "pairs"
    panel.selected = ["c"]
    assert (panel.mode, panel.selected) == ("groups", ["a", "b", "c"])
    panel.mode = "pairs"
    panel.mode = "groups"
    assert panel.selected == ["f", "g"]


# ---- cards ---------------------------------------------------------------------------------------


def test_text_from_data_stays_text(ledger):
    table = pd.DataFrame(
        {"label": [NASTY, "b"], "text": [NASTY * 3, NASTY * 2 + "x"], NASTY: [NASTY, NASTY + "!"]},
        index=[NASTY, NASTY + "2"],
    )
    found = found_of(["a", "b"], {"ab": 0.95})
    found = Duplicates(**{**vars(found), "ids": table.index})
    panel = DuplicatePanel(found, table, ledger=ledger)
    for mode in ("pairs", "groups"):
        panel.mode = mode
        page = shown(panel) + panel._still()
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


def test_missing_and_long_texts(items, duplicates):
    texts = [None, "x", np.nan, "y " * 500_000, "y " * 499_000 + "z " * 1000, *items["text"][5:]]
    panel = DuplicatePanel(
        duplicates, items.assign(text=pd.Series(texts, items.index, dtype=object))
    )
    assert shown(panel).count("<i>no text</i>") == 2
    panel.skip()
    page = shown(panel)
    assert len(page) < 20_000
    assert "<ins>z" in page
    assert "… " in page
    assert "(1,000,000 characters)" in page


def test_what_lies_beyond_the_end_does_not_look_deleted(duplicates, items):
    long = " ".join(f"word{n}" for n in range(400))
    texts = [long, "first " + long, *items["text"][2:]]
    panel = DuplicatePanel(duplicates, items.assign(text=texts))
    _, _, second, third = shown(panel).split("<article")
    assert "<ins>first</ins>" in second
    assert "<del>" not in second
    assert "<del>" in third  # c has another text altogether


def test_images_and_tables(duplicates):
    ids = list("abcdefghij")
    pictures = [np.full((8, 8), n * 25, dtype=np.uint8) for n in range(9)] + ["nowhere.png"]
    table = pd.DataFrame({"picture": pictures}, index=ids)
    panel = DuplicatePanel(duplicates, table)
    assert shown(panel).count("<img alt='' src='data:image/png;base64,") == 3
    wide = pd.DataFrame({f"c{k}": np.zeros(10) for k in range(20)}, index=ids)
    wide.loc["b", "c17"] = 5.0
    wide.loc["c", "c3"] = np.nan
    page = shown(DuplicatePanel(duplicates, wide))
    assert re.findall(r"<th>(\w+)</th>", page)[:3] == ["c3", "c17", "c0"]
    assert re.findall(r"<mark>(≠ \w+)</mark>", page) == ["≠ 5", "≠ nan"]


def test_values_that_only_look_alike(duplicates):
    table = pd.DataFrame({"x": [1.00001, 1.00002] * 5}, index=list("abcdefghij"))
    assert "≠ 1.00002" in shown(DuplicatePanel(duplicates, table))


def test_a_huge_group_shows_a_dozen_and_says_how_many_more(ledger):
    n = 2_000
    ids = [f"i{k}" for k in range(n)]
    pairs = {("i0", one): 0.999 - 0.00001 * k for k, one in enumerate(ids[1:])}
    panel = DuplicatePanel(
        found_of(ids, pairs), pd.DataFrame({"x": range(n)}, index=ids), ledger=ledger
    )
    assert len(panel.selected) == n
    names, kept = cards(panel)
    assert kept == ["i0"]
    assert names == "i0" + "".join(ids[:-12:-1])  # those least like the one kept
    assert "… and <b>1,988 more</b> in this group." in shown(panel)
    press(panel, "3")
    assert cards(panel) == (names, [ids[-2]])
    panel.drop()
    assert (ledger.decisions()["action"] == "drop").sum() == n - 1


# ---- what comes in and goes out ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda dup, items: DuplicatePanel(items, items),
            TypeError,
            "The 'duplicates' parameter must be what cl.find_duplicates returns. "
            "Got DataFrame instead.",
        ),
        (
            lambda dup, items: DuplicatePanel(dup, items.iloc[1:]),
            AlignmentError,
            "The ids of 'items' and of the items must name the same rows. Got 'a' only in the "
            "items. Select the same rows on both sides, or pass an array to go by "
            "position.",
        ),
        (
            lambda dup, items: DuplicatePanel(dup, items, labels="lable"),
            ValueError,
            "The 'labels' parameter must be one of the columns 'label', 'text', 'size'. "
            "Got 'lable' instead. Did you mean 'label'?",
        ),
        (
            lambda dup, items: setattr(DuplicatePanel(dup, items), "threshold", 0.8),
            ValueError,
            "The 'threshold' parameter must be a number from 0.9 to 1. Got 0.8 instead. "
            "Pairs below were not computed: call find_duplicates with a lower threshold=….",
        ),
        (
            lambda dup, items: setattr(DuplicatePanel(dup, items), "group", 3),
            ValueError,
            "The 'group' parameter must be an integer from -1 to 2. Got 3 instead.",
        ),
        (
            lambda dup, items: setattr(DuplicatePanel(dup, items), "order", "big"),
            ValueError,
            "The 'order' parameter must be one of 'largest', 'least similar', 'conflicts'. "
            "Got 'big' instead.",
        ),
        (
            lambda dup, items: setattr(
                DuplicatePanel(dup, items.drop(columns="label")), "order", "conflicts"
            ),
            ValueError,
            "The 'labels' parameter must be a column of the items, for this order. "
            "Got None instead.",
        ),
        (
            lambda dup, items: setattr(DuplicatePanel(dup, items), "mode", "pairs"),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
        (
            lambda dup, items: setattr(DuplicatePanel(dup, items), "selected", ["h"]),
            ValueError,
            "The 'selected' parameter must be with copies at the threshold of 0.9. "
            "Got 'h' instead.",
        ),
        (
            lambda dup, items: DuplicatePanel(dup, items).choose("i"),
            ValueError,
            "The 'one' parameter must be with copies at the threshold of 0.9. Got 'i' instead.",
        ),
        (
            lambda dup, items: DuplicatePanel(dup, items).drop(),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
    ],
)
def test_bad_input_is_named(duplicates, items, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(duplicates, items)
    assert caught.value.args[0] == text


def test_without_a_ledger_it_shows_and_chooses(duplicates, items):
    panel = DuplicatePanel(duplicates, items)
    names = [b.description for b in walk(panel, ipywidgets.Button)]
    assert names == ["Skip (S)", "Stop"]
    press(panel, "2")
    press(panel, "s")
    assert panel.selected == ["d", "e"]
    assert panel.result.ids[~panel.result.keep].tolist() == ["a", "c", "e", "g"]


@pytest.mark.parametrize("n", [1, 2])
def test_nothing_found(n, ledger):
    table = pd.DataFrame({"text": ["alone"] * n}, index=list("ab")[:n])
    found = found_of(table.index, {}, threshold=0.9)
    panel = DuplicatePanel(found, table, ledger=ledger)
    assert (panel.selected, panel.group, panel.decided) == ([], -1, 0)
    assert "There are no copies at this threshold." in shown(panel)
    panel.order = "least similar"
    panel.mode = "pairs"
    panel.mode = "groups"
    panel.skip()
    for does in (panel.drop, panel.keep):
        with pytest.raises(ValueError) as caught:
            does()
        assert str(caught.value) == "There is nothing to decide: no group is on show."
    assert "groups decided" in panel._still()


def test_ids_that_were_made_up_give_way_to_those_of_the_items(items, ledger):
    vectors = np.random.default_rng(0).normal(size=(10, 4))
    vectors[4] = vectors[3] + 0.001
    panel = DuplicatePanel(cl.find_duplicates(vectors), items, ledger=ledger)
    assert panel.selected == ["d", "e"]
    assert panel.result.pairs()[["id_a", "id_b"]].to_numpy().tolist() == [["d", "e"]]
    panel.drop()
    assert decided(ledger) == {"d": "keep", "e": "drop"}
    assert ledger.to_frame()["params"].iloc[0]["verb"] == "find_duplicates"


def test_items_go_by_id(duplicates, items):
    panel = DuplicatePanel(duplicates, items.iloc[::-1])
    assert panel.ids.tolist() == list("abcdefghij")
    assert "grey" in shown(panel)


def test_code_makes_the_panel_again(panel, duplicates, items, ledger, monkeypatch):
    names = {"dup": duplicates, "pets": items, "mine": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    panel.threshold, panel.order = 0.93, "conflicts"
    panel.choose("c")
    panel.selected = ["d"]
    code = panel.to_code()
    assert code == (
        "panel = DuplicatePanel(dup, pets, ledger=mine, actor='Ann')\n"
        "panel.threshold = 0.93\npanel.order = 'conflicts'\npanel.chosen = ['c']\npanel.group = 1"
    )
    scope = {"DuplicatePanel": DuplicatePanel, **names}
    exec(code, scope)
    made = scope["panel"]
    assert made.selected == panel.selected == ["d", "e"]
    assert made.result.keep.tolist() == panel.result.keep.tolist()
    panel.mode = "pairs"
    exec(panel.to_code(), scope)
    assert scope["panel"].mode == "pairs"
    assert scope["panel"].selected == panel.selected


def test_linked_panels_share_the_group(duplicates, items, ledger):
    view = pd.DataFrame(np.arange(20.0).reshape(10, 2), index=items.index)
    points = MapPanel(view, items, link="copies")
    panel = DuplicatePanel(duplicates, items, ledger=ledger, link="copies")
    panel.skip()
    assert points.selected == ["d", "e"]
    points.selected = ["h", "g"]
    assert panel.selected == ["f", "g"]
    assert points.selected == ["h", "g"]
    points.selected = ["h"]  # alone: the group stays
    assert panel.selected == ["f", "g"]
    points.selected = []
    assert panel.selected == ["f", "g"]
    panel.close()


def test_a_page_to_keep(panel, tmp_path):
    panel.drop()
    panel.save_html(tmp_path / "copies.html")
    page = (tmp_path / "copies.html").read_text(encoding="utf-8")
    assert "<b>3</b> groups, <b>4</b> copies at a threshold of 0.9; 1 groups decided." in page
    assert page.index("<td>d</td>") < page.index("<td>a</td>")  # the group on show comes first
    assert "<td>kept</td>" in page
    assert "<button" not in page


def test_at_size_a_move_of_the_slider_is_quick():
    rng = np.random.default_rng(0)
    n, m = 100_000, 20_000
    one = rng.integers(0, n - 4, size=m)
    rows = np.unique(np.column_stack([one, one + rng.integers(1, 4, size=m)]), axis=0)
    rows = rng.permutation(rows)
    found = pd.DataFrame(rows, columns=["row_a", "row_b"])
    found["similarity"] = np.sort(rng.uniform(0.9, 1, len(rows)))[::-1]
    group, keep, similarity = group_rows(n, found)
    duplicates = Duplicates(
        ids=pd.RangeIndex(n, name="row"),
        group=group,
        keep=keep,
        similarity=similarity,
        found=found,
        params={"threshold": 0.9, "method": "semantic"},
    )
    texts = pd.Series(["a text of some length to be read here"] * n)
    items = pd.DataFrame({"text": texts, "label": rng.choice(["a", "b"], n).astype(object)})
    start = time.perf_counter()
    panel = DuplicatePanel(duplicates, items)
    built = time.perf_counter() - start
    start = time.perf_counter()
    for threshold in (0.93, 0.95, 0.97):
        panel.threshold = threshold
    moved = (time.perf_counter() - start) / 3
    print(f"built in {built:.2f} s, moved in {moved:.3f} s")
    assert built < 3  # a machine that does other things too
    assert moved < 1
