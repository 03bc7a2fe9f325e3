"""The panel of proposed labels: the line, what is known of it, and what goes into the ledger."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import curalab as cl
from by_hand import click, press, shown, walk
from curalab.pseudo_labels import Honesty, PseudoLabels
from curalab.pseudo_labels._calibration import Calibrator
from curalab_widgets import MapPanel, _code
from curalab_widgets.pseudo import PseudoLabelPanel

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"
IDS = list("pqrstuvwxyz")
LABELS = ["a", "b", "a", "b", "a", "b", "a", "b", "a", "c", "new_0"]
SURE = [1.0, 1.0, 0.99, 0.97, 0.95, 0.90, 0.80, 0.70, 0.60, 0.94, 0.96]
MADE = {"method": "mine", "settings": {"k": 3}, "embedding": "f00dcafe12"}
CALIBRATED = {"temperature": 1.5, "slope": 1.0, "n_judged": 200}


def proposals(**changed):
    """Two given labels, seven proposals of a and b, one of c, one of a discovered class."""
    classes = np.array(["a", "b", "c", "new_0"], dtype=object)
    codes = [list(classes).index(label) for label in LABELS]
    sure = np.array(SURE)
    proba = np.repeat((1 - sure[:, None]) / 3, 4, axis=1)
    proba[np.arange(11), codes] = sure
    parts = {
        "ids": pd.Index(IDS),
        "labels": np.array(LABELS, dtype=object),
        "confidence": sure,
        "proba": proba,
        "classes": classes,
        "given": np.arange(11) < 2,
        "is_new": np.arange(11) == 10,
        "params": {**MADE, "calibrated": CALIBRATED},
    }
    return PseudoLabels(**{**parts, **changed})


def judged_on(soft, *, wrong_above=1, wrong_below=40, sure=(0.9, 0.6), unjudged=("c", "new_0")):
    """200 rows judged: 100 at a confidence of .9, 100 at .6, of a and b in turn."""
    right = np.arange(200) % 100 >= np.repeat([wrong_above, wrong_below], 100)
    predicted = np.array(["a", "b"], dtype=object)[np.arange(200) % 2]
    other = np.where(predicted == "a", "b", "a")
    confidence = np.repeat(sure, 100)
    judged = {
        "label": np.where(right, predicted, other),
        "predicted": predicted,
        "right": right,
        "raw": confidence,
        "confidence": confidence[::-1],  # by the rows themselves: not what accuracy is seen by
        "held_out": confidence,
        "weight": 1.0,
        "is_new": False,
    }
    lacking = pd.Series(dict.fromkeys(unjudged, 1), dtype=int)
    inside = ~soft.given & ~soft.is_new & ~np.isin(soft.labels, list(unjudged))
    return Honesty(
        judged=pd.DataFrame(judged, index=[f"judged{i}" for i in range(200)]),
        soft=soft,
        calibrator=Calibrator(1.5, 1.0, np.zeros(2)),
        unjudged=lacking,
        covered=soft.ids[inside],
    )


@pytest.fixture
def soft():
    return proposals()


@pytest.fixture
def found(soft):
    return judged_on(soft)


@pytest.fixture
def items():
    label = pd.Series(["a", "b", *[None] * 9], IDS, dtype=object)
    return pd.DataFrame({"label": label, "text": [f"a story of what {i} did once" for i in IDS]})


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "test.ledger") as opened:
        yield opened


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return caught.value.args[0]


def numbers(panel):
    return [tuple(pair) for pair in re.findall(r"<b>(.*?)</b><span>(.*?)</span>", shown(panel))]


# ---- the line ------------------------------------------------------------------------------------


def test_the_line_says_how_many_and_how_right(found):
    panel = PseudoLabelPanel(found)
    panel.threshold = 0.8
    assert panel.accepted == ["r", "s", "t", "u", "v", "y"]
    seen = found.curve([0.8]).iloc[0]
    assert (seen["n"], seen["accuracy"]) == (100, 0.99)
    low, high = seen["low"], seen["high"]
    assert numbers(panel) == [
        ("6", "of 9 unlabelled rows are above the line (66.7%)"),
        ("99.0%", f"of them right, {low:.1%} to {high:.1%} at 95 %, seen on 100 judged rows"),
        ("≈ 0", f"of them wrong, {5 * (1 - high):.0f} to {5 * (1 - low):.0f}"),
    ]
    assert "1 of the rows above the line are of classes that no row was judged of" in shown(panel)
    panel.threshold = 0.5
    assert len(panel.accepted) == 8
    assert numbers(panel)[1][0] == "79.5%"
    assert numbers(panel)[2][0] == "≈ 1"  # 20.5 % of the seven whose class was judged
    panel.threshold = 1
    assert panel.accepted == []
    assert numbers(panel)[1] == ("?", "are right: no judged row is above the line")


def test_the_table_says_of_each_class_what_the_toolkit_says(found):
    panel = PseudoLabelPanel(found)
    for threshold in (0.0, 0.7, 0.95):
        told = found.by_class(threshold)[["n", "accuracy", "low", "high"]].to_numpy()
        np.testing.assert_allclose(panel._line._by_class(threshold), told)
    panel.threshold = 0.9
    rows = re.findall(r"<tr><td><button.*?</tr>", panel._classes.value)
    cells = [re.sub("<[^>]+>", " ", row).split() for row in rows]
    assert cells[0] == ["a", "4", "2", "98%", "89%", "to", "100%", "50"]
    assert cells[2] == ["c", "1", "1", "?", "0"]
    assert cells[3] == ["new_0", "(discovered)", "1", "0", "?", "0"]


def test_numbers_of_many_rows_are_those_of_the_toolkit():
    x = np.random.default_rng(0).normal(size=(300, 4)) + np.repeat(np.eye(3) * 3, 100, axis=0) @ (
        np.eye(3, 4)
    )
    truth = pd.Series(np.repeat(list("abc"), 100), dtype=object)
    labels = truth.where(truth.index % 4 == 0, None)
    found = cl.pseudo_labels.honesty(
        cl.Embedding(vectors=x, metric="euclidean"), labels, random_state=0
    )
    line = PseudoLabelPanel(found)._line
    told = found.curve([0.0, 0.6, 0.9])
    pd.testing.assert_frame_equal(line.judged.curve([0.0, 0.6, 0.9]), told)
    assert line.judged.says == found.says
    np.testing.assert_allclose(
        line._by_class(0.6), found.by_class(0.6)[["n", "accuracy", "low", "high"]].to_numpy()
    )
    assert line.coverage(discovered=False)[0.6] == pytest.approx(100 * told.loc[0.6, "coverage"])


def test_slider_figure_and_python_move_the_same_line(found):
    panel = PseudoLabelPanel(found)
    panel.threshold = 0.83333
    (slider,) = walk(panel, ipywidgets.FloatSlider)
    assert slider.value == 0.833
    assert panel._plot.layout.shapes[1].x0 == panel.threshold == 0.83333  # not what is rounded
    slider.value = 0.7
    assert panel.threshold == 0.7
    assert panel.accepted == ["r", "s", "t", "u", "v", "w", "y"]
    assert panel._plot.layout.shapes[1].x0 == 0.7
    panel._plot.data[-1]._dispatch_on_click(SimpleNamespace(point_inds=[95]), SimpleNamespace())
    assert panel.threshold == slider.value == 0.95
    accuracy = panel._plot.data[2]
    at = list(accuracy.x).index(0.8)
    assert accuracy.y[at] == 99
    assert panel._plot.data[-1].y[80] == pytest.approx(100 * 6 / 9)


def test_the_line_goes_where_enough_are_right(found):
    panel = PseudoLabelPanel(found)
    assert panel.threshold == found.threshold(0.95) == 0.9
    panel.threshold = 0.2
    (aim,) = walk(panel, ipywidgets.BoundedFloatText)
    aim.value = 65
    click(panel, "Move the line there")
    assert panel.threshold == found.threshold(0.65) == 0.6
    assert "at least 63.0% are right with a chance of 95 %" in panel._said.value
    aim.value = 99.9
    click(panel, "Move the line there")
    low = found.curve([0.9])["low"].iloc[0]
    wanted = (
        "No line is sure to bring 99.9%, even with 2 % to spare. At best, of 100 judged rows above "
        f"one 99.0% are right, which shows {low:.1%}. Judge more rows, or ask for less."
    )
    assert wanted in panel._said.value
    assert "role='alert'" in panel._said.value
    assert panel.threshold == 0.6
    assert message(ValueError, panel.reach, 0.999) == wanted


def test_where_no_line_is_sure_it_starts_at_a_plain_one(soft):
    panel = PseudoLabelPanel(judged_on(soft, wrong_above=30))
    assert panel.threshold == 0.9
    assert PseudoLabelPanel(soft).threshold == 0.9


def test_rows_judged_that_are_easier_are_warned_of(soft):
    assert "Too good to hold" not in shown(PseudoLabelPanel(judged_on(soft)))
    many = proposals(confidence=np.array([1, 1, *np.linspace(0.3, 0.5, 9)]))
    panel = PseudoLabelPanel(judged_on(many, sure=(0.99, 0.98)))
    assert panel._line.judged.is_easy
    assert "<b>Too good to hold:</b> the method is clearly surer" in shown(panel)


def test_without_honesty_it_says_that_nothing_is_known(soft):
    panel = PseudoLabelPanel(soft)
    assert numbers(panel) == [("5", "of 9 unlabelled rows are above the line (55.6%)")]
    assert "Nothing says how right these labels are." in shown(panel)
    assert "cl.pseudo_labels.honesty(embedding, labels)" in shown(panel)
    assert [trace.name for trace in panel._plot.data] == ["above the line, of the unlabelled"]
    assert not walk(panel, ipywidgets.BoundedFloatText)
    assert "judged" not in panel._classes.value
    assert message(ValueError, panel.reach) == (
        "Nothing says how right these labels are: the panel got no 'honesty'."
    )


def test_labels_are_calibrated_by_what_is_given_beside_them(soft):
    raw = dataclasses.replace(soft, params=MADE)
    panel = PseudoLabelPanel(raw, honesty=judged_on(soft))
    assert panel._soft.params["calibrated"] == CALIBRATED
    assert panel._soft.confidence[8] < 0.6
    assert PseudoLabelPanel(soft, honesty=judged_on(soft))._soft is soft


def test_reliability_stands_beside_the_curve_when_asked_for(found):
    panel = PseudoLabelPanel(found)
    other = next(t for t in walk(panel, ipywidgets.ToggleButtons) if "Reliability" in t.options)
    assert panel._beside.children == (panel._classes,)
    other.value = "Reliability"
    (drawn,) = panel._beside.children
    assert "Confidence is off by" in drawn.layout.title.text
    other.value = "Classes"
    assert panel._beside.children == (panel._classes,)


# ---- discovered classes --------------------------------------------------------------------------


def test_discovered_classes_wait_to_be_asked_for(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.95
    assert panel.accepted == ["r", "s", "t"]
    assert "1 rows are of discovered classes, which nobody has named yet" in shown(panel)
    panel.selected = ["z"]
    assert message(ValueError, panel.accept_selected) == (
        "There is nothing to accept: select rows with a proposal to accept."
    )
    (tick,) = walk(panel, ipywidgets.Checkbox)
    tick.value = True
    assert panel.discovered
    assert panel.accepted == ["r", "s", "t", "z"]
    assert "nobody has named yet" not in shown(panel)
    assert panel._plot.data[-1].y[95] == pytest.approx(100 * 4 / 9)
    panel.accept_selected()
    assert ledger.apply(items).loc["z", "label"] == "new_0"
    plainly = proposals(is_new=np.zeros(11, dtype=bool))
    assert not walk(PseudoLabelPanel(plainly), ipywidgets.Checkbox)


def with_discovered(soft, *, wrong):
    """50 of the surer rows judged are of the discovered class, the first of them wrong."""
    told = judged_on(soft, unjudged=("c",))
    judged = told.judged.copy()
    rows = judged.index[50:100]
    judged.loc[rows, ["predicted", "label", "is_new"]] = ["new_0", "mice", True]
    judged.loc[rows, "right"] = np.arange(50) >= wrong
    return dataclasses.replace(told, judged=judged)


def test_discovered_classes_that_were_judged_count_where_they_are_asked_for(soft):
    panel = PseudoLabelPanel(with_discovered(soft, wrong=20))
    panel.threshold = 0.9
    seen = panel._line.judged.curve([0.9], new_classes=True).iloc[0]
    assert numbers(panel)[1][0] == "98.0%"  # 49 of 50
    assert list(panel._plot.data[2].y)[-1] == pytest.approx(98)
    panel.discovered = True
    assert numbers(panel)[1] == (
        "79.0%",  # 79 of 100
        f"of them right, {seen['low']:.1%} to {seen['high']:.1%} at 95 %, seen on 100 judged rows",
    )
    assert numbers(panel)[2][0] == "≈ 1"  # of five, the row of c not among them
    assert "1 of the rows above the line are of classes that no row was judged of" in shown(panel)
    assert list(panel._plot.data[2].y)[-1] == pytest.approx(79)
    assert "79" in panel._plot.data[2].text[-1]
    assert list(panel._plot.data[0].y)[-1] == pytest.approx(100 * seen["low"])
    panel.discovered = False
    assert list(panel._plot.data[2].y)[-1] == pytest.approx(98)


def test_the_line_asked_for_is_that_of_what_is_to_be_accepted(soft):
    panel = PseudoLabelPanel(with_discovered(soft, wrong=20))
    panel.reach(0.9)
    assert panel.threshold == 0.9
    panel.discovered = True
    assert "At best, of 100 judged rows above one 79.0%" in message(ValueError, panel.reach, 0.9)
    panel.reach(0.7)
    assert panel.threshold == 0.9


def test_where_only_discovered_classes_were_judged_the_curve_appears_with_them(soft):
    told = with_discovered(soft, wrong=20)
    told = dataclasses.replace(told, judged=told.judged.query("predicted == 'new_0'"))
    panel = PseudoLabelPanel(told)
    assert numbers(panel)[1] == ("?", "are right: no judged row is above the line")
    assert not len(panel._plot.data[2].x)
    panel.discovered = True
    assert len(panel._plot.data[2].x) == len(panel._plot.data[0].x) > 0


# ---- into the ledger -----------------------------------------------------------------------------


def test_what_is_above_the_line_is_accepted_at_once_and_not_asked_again(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.9
    assert panel._accept.description == "Accept above the line: 5 (A)"
    click(panel, "Accept above")
    told = ledger.to_frame()
    assert told["row_id"].tolist() == ["r", "s", "t", "u", "y"]
    assert told["new"].tolist() == ["a", "b", "a", "b", "c"]
    assert told["old"].isna().all()
    assert told["time"].nunique() == 1
    one = told.iloc[0]
    assert (one["action"], one["field"], one["actor"], one["method"], one["embedding"]) == (
        "relabel",
        "label",
        "Ann",
        "mine",
        "f00dcafe12",
    )
    assert one["reason"] == "above the line at 0.900 (confidence 0.990)"
    assert one["params"] == {"settings": {"k": 3}, "calibrated": CALIBRATED, "threshold": 0.9}
    clean = ledger.apply(items)["label"]
    assert clean.dropna().to_dict() == dict(
        zip("pqrstuy", ["a", "b", "a", "b", "a", "b", "c"], strict=True)
    )
    assert numbers(panel)[-1] == ("0", "undecided; accepted so far 5, rejected 0")
    assert panel._accept.description == "Accept above the line: 0 (A)"
    assert message(ValueError, panel.accept) == (
        "There is nothing to accept: no row above the line is undecided."
    )
    panel.threshold = 0.65
    press(panel, "a")
    assert ledger.to_frame()["row_id"].tolist()[5:] == ["v", "w"]


def test_an_acceptance_is_taken_back_as_one(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.9
    panel.accept()
    panel.selected = ["v"]
    panel.accept_selected()
    assert ledger.to_frame().iloc[-1]["reason"] == "selected (confidence 0.800)"
    press(panel, "u")
    assert panel.selected == ["v"]
    assert ledger.apply(items)["label"].notna().sum() == 7
    press(panel, "u")
    assert panel.selected == ["r", "s", "t", "u", "y"]
    assert ledger.apply(items).equals(items)
    assert "Taken back: 5 decisions." in panel._said.value
    assert panel._accept.description == "Accept above the line: 5 (A)"
    press(panel, "u")
    assert "There is nothing to take back." in panel._said.value
    assert panel.recorded == 4
    panel.accept()
    assert ledger.apply(items)["label"].notna().sum() == 7


def test_a_panel_opened_again_knows_the_ledger(found, items, ledger, tmp_path):
    first = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    first.threshold = 0.95
    first.accept()
    first.selected = ["x"]
    first.reject()
    with cl.Ledger(tmp_path / "test.ledger") as again:
        panel = PseudoLabelPanel(found, items, ledger=again, actor="Ann")
        panel.threshold = 0.5
        assert numbers(panel)[-1] == ("4", "undecided; accepted so far 3, rejected 1")
        panel.undo()
        assert panel.selected == ["x"]
        assert "tags" not in again.apply(items)
        panel.undo()
        assert panel.selected == ["r", "s", "t"]
        assert again.apply(items).equals(items)
        assert numbers(panel)[-1] == ("8", "undecided; accepted so far 0, rejected 0")
        bob = PseudoLabelPanel(found, items, ledger=again, actor="Bob")
        assert message(ValueError, bob.undo) == "There is nothing to take back."


def test_what_others_decided_meanwhile_is_left_alone(found, items, ledger, tmp_path):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    with cl.Ledger(tmp_path / "test.ledger") as other:
        other.record("r", action="relabel", field="label", old=np.nan, new="b", actor="Bob")
        other.record("s", action="drop", actor="Bob")
        other.record("t", action="relabel", field="kind", new="x", actor="Bob")
    panel.threshold = 0.95
    panel.accept()
    assert ledger.to_frame()["row_id"].tolist()[3:] == ["t"]
    panel.selected = ["r", "s"]
    assert message(ValueError, panel.reject) == (
        "There is nothing to reject: select rows with a proposal to reject."
    )
    ledger.undo(4, actor="Bob")
    assert message(ValueError, panel.undo) == "There is nothing to take back."
    panel.accept()
    assert ledger.to_frame()["row_id"].tolist()[5:] == ["t"]


def test_rejected_rows_stay_unlabelled_and_say_so(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.95
    panel.selected = ["p", "s"]  # the label of p is given: nothing is proposed
    click(panel, "Reject selected")
    event = ledger.to_frame().iloc[-1]
    assert (event["action"], event["row_id"], event["new"]) == ("tag", "s", "not b")
    assert event["reason"] == "proposal rejected (confidence 0.970)"
    panel.accept()
    clean = ledger.apply(items)
    assert clean.loc[["r", "s", "t"], "label"].tolist() == ["a", None, "a"]
    assert clean.loc["s", "tags"] == ["not b"]
    assert numbers(panel)[-1] == ("0", "undecided; accepted so far 2, rejected 1")


def test_a_rejection_takes_an_acceptance_back_and_the_other_way_round(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.95
    panel.accept()
    panel.selected = ["t"]
    panel.reject()
    clean = ledger.apply(items)
    assert (clean.loc["t", "label"], clean.loc["t", "tags"]) == (None, ["not a"])
    panel.accept_selected()
    assert ledger.apply(items).loc["t", "label"] == "a"
    assert "tags" not in ledger.apply(items)
    panel.undo()
    assert ledger.apply(items).loc["t", "tags"] == ["not a"]
    panel.undo()
    assert ledger.apply(items)["label"].tolist() == ["a", "b", "a", "b", "a", *[None] * 6]
    assert "tags" not in ledger.apply(items)
    panel.undo()
    assert ledger.apply(items).equals(items)


def test_another_decision_from_python_counts_too(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.95
    panel.selected = ["r"]
    panel.relabel("b")
    panel.accept()
    assert ledger.apply(items).loc[["r", "s", "t"], "label"].tolist() == ["b", "b", "a"]
    panel.undo()
    panel.undo()
    assert ledger.apply(items).equals(items)
    assert numbers(panel)[-1][1] == "undecided; accepted so far 0, rejected 0"


def test_only_missing_labels_are_filled(found, items, ledger):
    held = items.assign(label=["a", "b", "a", "b", *[None] * 7])
    panel = PseudoLabelPanel(found, held, ledger=ledger)
    panel.threshold = 0.95
    assert message(ValueError, panel.accept) == (
        "The 'items' parameter must be without a label in 'label' where one is proposed. "
        "Got labels for the ids 'r', 's' instead. "
        "Name the column that the proposals are for: labels=…."
    )
    bare = PseudoLabelPanel(found, items[["text"]], ledger=ledger)
    assert message(ValueError, bare.accept) == (
        "The 'items' parameter must be a table with the column 'label', for the labels accepted. "
        "Got the columns 'text' instead."
    )
    assert len(ledger) == 0
    kind = PseudoLabelPanel(found, held.assign(kind=None), ledger=ledger, labels="kind")
    kind.threshold = 0.95
    kind.accept()
    assert set(ledger.to_frame()["field"]) == {"kind"}


def test_without_items_the_ledger_alone_knows_the_column(found, ledger):
    panel = PseudoLabelPanel(found, ledger=ledger, labels="kind")
    panel.threshold = 0.99
    panel.accept()
    assert ledger.to_frame()[["row_id", "field"]].to_numpy().tolist() == [["r", "kind"]]


def test_without_a_ledger_there_is_nothing_to_decide(found):
    panel = PseudoLabelPanel(found)
    buttons = [button.description for button in walk(panel, ipywidgets.Button)]
    assert not [text for text in buttons if text.startswith(("Accept", "Reject", "Undo"))]
    wanted = "The 'ledger' parameter must be given to the panel, to decide. Got None instead."
    for does in (panel.accept, panel.accept_selected, panel.reject, panel.undo):
        assert message(ValueError, does) == wanted


def test_items_give_their_ids_to_rows_that_have_none(items, ledger):
    nameless = proposals(ids=pd.RangeIndex(11, name="row"))
    panel = PseudoLabelPanel(nameless, items, ledger=ledger)
    panel.threshold = 0.99
    assert panel.accepted == ["r"]
    panel.accept()
    assert ledger.to_frame()["row_id"].tolist() == ["r"]


# ---- rows to look at -----------------------------------------------------------------------------


def tiles(panel):
    return re.findall(r"data-pick='row:(\d+)'.*?<small>(.*?)</small>", panel._gallery.value)


def test_the_rows_next_to_the_line_show_and_are_picked(found, items, ledger):
    panel = PseudoLabelPanel(found, items, ledger=ledger)
    panel.threshold = 0.85
    assert [label for _, label in tiles(panel)] == [
        *("b · 0.90", "c · 0.94", "a · 0.95", "b · 0.97", "a · 0.99"),
        *("a · 0.80", "b · 0.70", "a · 0.60"),
    ]
    panel._hear(None, {"pick": "row:5"}, [])
    panel._hear(None, {"pick": "row:6"}, [])
    assert panel.selected == ["u", "v"]
    assert [label for _, label in tiles(panel) if label.startswith("✓")] == [
        "✓ b · 0.90",
        "✓ a · 0.80",
    ]
    assert "<b>v</b>" in panel._card.value
    assert "proposed: a 80.0%, b 6.7%, c 6.7%" in panel._card.value
    panel._hear(None, {"pick": "row:5"}, [])
    assert panel.selected == ["v"]
    panel.reject()
    assert "a · 0.80" not in panel._gallery.value
    press(panel, "Escape")
    assert panel.selected == []


def test_the_surest_of_each_class_and_the_selected_show(found, items):
    panel = PseudoLabelPanel(found, items)
    panel._view.value = "Surest of each class"
    assert [label for _, label in tiles(panel)] == [
        *("a · 0.99", "a · 0.95", "a · 0.80", "a · 0.60"),
        *("b · 0.97", "b · 0.90", "b · 0.70", "c · 0.94"),
    ]
    panel.threshold = 0.75
    panel._hear(None, {"pick": "class:0"}, [])
    assert panel.selected == ["r", "t", "v"]
    assert panel._view.value == "Selected"
    assert [label for _, label in tiles(panel)] == ["✓ a · 0.99", "✓ a · 0.95", "✓ a · 0.80"]
    assert "<b>3 selected</b>" in panel._gallery.value


def test_a_thousand_classes_and_long_names():
    n = 1000
    names = np.array([f"{NASTY} of class {i}" for i in range(n)], dtype=object)
    soft = PseudoLabels(
        ids=pd.RangeIndex(n),
        labels=names,
        confidence=np.linspace(0, 1, n),
        proba=np.eye(n),
        classes=names,
        given=np.zeros(n, dtype=bool),
        is_new=np.zeros(n, dtype=bool),
        params={},
    )
    panel = PseudoLabelPanel(soft)
    panel._view.value = "Surest of each class"
    assert len(tiles(panel)) == 45
    assert "the first 45 of 1,000" in panel._gallery.value
    assert panel._classes.value.count("<tr>") == 1001


def test_panels_are_linked(found, items):
    panel = PseudoLabelPanel(found, items, link="pseudo")
    beside = MapPanel(np.random.default_rng(0).normal(size=(11, 2)), items, link="pseudo")
    panel._hear(None, {"pick": "row:4"}, [])
    assert beside.selected == ["t"]
    beside.selected = ["p", "r"]
    assert panel.selected == ["p", "r"]


# ---- text, code, pages ---------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(f"@{name}" for name, _ in attrs)}


def test_no_text_from_data_becomes_html(ledger):
    named = [NASTY if label == "a" else label for label in LABELS]
    soft = proposals(
        labels=np.array(named, dtype=object),
        classes=np.array([NASTY, "b", "c", "new_0"], dtype=object),
        ids=pd.Index([f"{NASTY}{i}" for i in IDS]),
    )
    found = judged_on(soft)
    found = dataclasses.replace(
        found, judged=found.judged.replace({"label": {"a": NASTY}, "predicted": {"a": NASTY}})
    )
    items = pd.DataFrame({"label": None, "text": NASTY * 3, NASTY: NASTY}, index=soft.ids)
    panel = PseudoLabelPanel(found, items, ledger=ledger)
    panel._hear(None, {"pick": "row:4"}, [])
    for view in panel._view.options:
        panel._view.value = view
        tags = Tags()
        tags.feed(shown(panel) + panel._repr_mimebundle_()["text/html"])
        assert not {"script", "@onerror"} & tags.seen
        assert NASTY not in shown(panel)
        assert "&lt;script&gt;" in shown(panel)
    assert "&lt;script" in panel._still()
    panel.selected = [soft.ids[4]]
    panel.reject()
    assert ledger.to_frame()["new"].iloc[0] == f"not {NASTY}"


def test_the_panel_is_told_as_code_and_made_again_by_it(found, items, ledger, monkeypatch):
    panel = PseudoLabelPanel(found, items, ledger=ledger, actor="Ann")
    panel.threshold = 0.77
    panel.discovered = True
    panel.selected = ["s"]
    names = {"found": found, "items": items, "ledger": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    code = panel.to_code()
    assert code == (
        "panel = PseudoLabelPanel(found, items, ledger=ledger, actor='Ann')\n"
        "panel.threshold = 0.77\npanel.discovered = True\npanel.selected = ['s']"
    )
    scope = {"PseudoLabelPanel": PseudoLabelPanel, **names}
    exec(code, scope)
    again = scope["panel"]
    assert (again.threshold, again.discovered, again.selected) == (0.77, True, ["s"])
    assert again.accepted == panel.accepted
    assert "panel.threshold = 0.9\n" in f"{PseudoLabelPanel(found).to_code()}\n"


def test_the_page_without_a_kernel_holds_curve_and_table(found, items, tmp_path):
    panel = PseudoLabelPanel(found, items)
    panel.save_html(tmp_path / "pseudo.html")
    page = (tmp_path / "pseudo.html").read_text(encoding="utf-8")
    assert "data:image/svg+xml;base64," in page
    assert "Accepted from a confidence of 0.900 on" in page
    assert "<b>5</b> of 9 unlabelled rows are above the line" in page
    assert "<td>new_0 (discovered)</td>" in re.sub("</?span ?>", "", page)
    assert "data-pick" not in page
    assert "<button" not in page
    assert "svg+xml" in PseudoLabelPanel(found.soft)._still()


# ---- few rows, missing parts, bad input ----------------------------------------------------------


def test_one_row_and_none_to_label():
    parts = {"labels": ["a"], "confidence": [0.7], "given": [False], "is_new": [False]}
    arrays = {name: np.array(value, dtype=None) for name, value in parts.items()}
    arrays["labels"] = arrays["labels"].astype(object)
    soft = proposals(ids=pd.Index(["r"]), proba=np.array([[0.7, 0.1, 0.1, 0.1]]), **arrays)
    panel = PseudoLabelPanel(soft)
    panel.threshold = 0.7
    assert panel.accepted == ["r"]
    done = proposals(given=np.ones(11, dtype=bool), is_new=np.zeros(11, dtype=bool))
    panel = PseudoLabelPanel(judged_on(done))
    assert "Every row has its label: nothing is proposed." in shown(panel)
    assert panel.accepted == []
    assert numbers(panel)[0] == ("0", "of 0 unlabelled rows are above the line")
    assert "svg+xml" in panel._still()


def test_rows_without_confidence_are_below_every_line(items, ledger):
    sure = np.array(SURE)
    sure[4] = np.nan
    panel = PseudoLabelPanel(proposals(confidence=sure), items, ledger=ledger)
    panel.threshold = 0
    assert "t" not in panel.accepted
    assert len(tiles(panel)) == 7
    panel.accept()
    assert "t" not in ledger.to_frame()["row_id"].tolist()
    assert "svg+xml" in panel._still()


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda soft, found, items: PseudoLabelPanel(items),
            TypeError,
            "The 'soft' parameter must be PseudoLabels of cl.pseudo_label or an Honesty of "
            "cl.pseudo_labels.honesty. Got ",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(soft, honesty=0.9),
            TypeError,
            "The 'honesty' parameter must be what cl.pseudo_labels.honesty returns. "
            "Got 0.9 instead.",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(found, honesty=found),
            ValueError,
            "The 'honesty' parameter must be None where 'soft' is one itself. Got Honesty(",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(
                proposals(params={**soft.params, "embedding": "0123456789"}), honesty=found
            ),
            ValueError,
            "The 'honesty' parameter must be of the embedding that the labels were made on, "
            "01234567. Got one of f00dcafe instead.",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(
                proposals(params={**MADE, "calibrated": {"temperature": 2.0, "n_judged": 9}}),
                honesty=found,
            ),
            ValueError,
            "The 'honesty' parameter must be the one that 'soft' was calibrated by. "
            "Got another instead.",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(soft, items.iloc[1:]),
            cl._check.AlignmentError,
            "The ids of 'items' and of the items must name the same rows. Got 'p' only in the "
            "items. Select the same rows on both sides, or pass an array to go by position.",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(soft, ledger="my.ledger"),
            TypeError,
            "The 'ledger' parameter must be a Ledger, such as cl.Ledger('my.ledger'). "
            "Got 'my.ledger' instead.",
        ),
        (
            lambda soft, found, items: setattr(PseudoLabelPanel(soft), "threshold", 1.2),
            ValueError,
            "The 'threshold' parameter must be a number from 0 to 1. Got 1.2 instead.",
        ),
        (
            lambda soft, found, items: setattr(PseudoLabelPanel(soft), "threshold", "high"),
            TypeError,
            "The 'threshold' parameter must be a number from 0 to 1. Got 'high' instead.",
        ),
        (
            lambda soft, found, items: PseudoLabelPanel(found).reach(95),
            ValueError,
            "The 'accuracy' parameter must be a number from 0.02 to 1. Got 95 instead.",
        ),
    ],
)
def test_bad_input_is_named(soft, found, items, wrong, error, text):
    got = message(error, wrong, soft, found, items)
    assert got == text if text.endswith(".") else got.startswith(text)
