"""The review: its queue and orders, notes, several people, second opinions, and a killed kernel."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import ipywidgets
import numpy as np
import pandas as pd
import pytest

from by_hand import click, press, shown, walk
from curalab.audits import Audit
from curalab.embedding import Embedding
from curalab.label_errors import LabelErrors, review_budget
from curalab.ledger import Ledger
from curalab.outliers import Outliers
from curalab.pool import Pool
from curalab.pseudo_labels import PseudoLabels
from curalab_widgets import _code, _work
from curalab_widgets.review import ReviewPanel

N = 40
NASTY = "<script>alert(1)</script><img src=x onerror=alert(1)>\"&'"


@pytest.fixture
def items():
    """Two classes; row i lies at i, and every fifth row has the label of the other class."""
    labels = np.where(np.arange(N) < N // 2, "cat", "dog").astype(object)
    labels[::5] = np.where(labels[::5] == "cat", "dog", "cat")
    texts = [f"a story of number {i} and of what it did" for i in range(N)]
    return pd.DataFrame({"label": labels, "text": texts}, index=[f"r{i:02d}" for i in range(N)])


@pytest.fixture
def emb(items):
    places = np.arange(N)[:, None] ** 1.05  # no two neighbours at the same distance
    return Embedding(ids=items.index, vectors=places, metric="euclidean")


@pytest.fixture
def bad(items, emb):
    """The planted rows are the worst, the last of them first."""
    quality = np.linspace(0.6, 0.95, N)
    quality[::5] = np.linspace(0.2, 0.01, N // 5)
    truth = np.where(np.arange(N) < N // 2, "cat", "dog").astype(object)
    is_cat = (truth == "cat")[:, None]
    return LabelErrors(
        ids=items.index,
        quality=quality,
        suggested=truth,
        is_error=quality < 0.3,
        pool=Pool(
            embedding=emb, labels=items["label"], proba=np.where(is_cat, [0.8, 0.2], [0.1, 0.9])
        ),
        params={"verb": "find_label_errors", "method": "planted", "embedding": emb.fingerprint},
        details={"cut": {"rule": "quality below 0.3"}},
    )


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


def states(panel):
    """How each line of the list stands."""
    return re.findall(r"<small>[✓→✕…○] ([^<]*)</small>", shown(panel._view.list))


# ---- the queue -----------------------------------------------------------------------------------


def test_orders_of_label_errors(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger)
    assert panel.selected == ["r35"]
    assert list(items.index[panel._queue]) == [f"r{i:02d}" for i in range(35, -1, -5)]
    (order,) = [w for w in walk(panel, ipywidgets.Dropdown) if w.description == "Order"]
    assert order.options[1][0] == "Most informative first"
    order.value = "informative"
    assert panel.order == "informative"
    # Eight are marked: four on each side of where they end, the nearest first.
    ranked = bad.quality[bad.ids.get_indexer(items.index[panel._queue])]
    assert sorted(ranked) == sorted(np.sort(bad.quality)[4:12])
    assert set(np.argsort(np.argsort(bad.quality))[panel._queue[:2]]) == {7, 8}
    panel.order = "worst"
    assert order.value == "worst"
    assert panel.selected == ["r35"]
    assert len(ReviewPanel(bad, items, ledger, n=3, order="informative")._queue) == 3


def test_orders_of_outliers(items, ledger):
    oddness = np.arange(N, dtype=float)
    odd = Outliers(ids=items.index, oddness=oddness, is_outlier=oddness >= 36)
    panel = ReviewPanel(odd, items, ledger)
    assert panel.selected == ["r39"]
    panel.order = "informative"
    assert panel._queue == [36, 35, 37, 34]
    assert "odder than 92.3% of the items" in panel._facts.value


def test_proposals_are_asked_about_as_far_as_the_threshold(items, ledger):
    proba = np.column_stack([np.linspace(0.5, 0.99, N), 1 - np.linspace(0.5, 0.99, N)])
    proba[3] = [0.1, 0.9]
    given = np.arange(N) >= 10
    soft = PseudoLabels(
        ids=items.index,
        labels=np.where(proba[:, 0] > 0.5, "cat", "dog").astype(object),
        confidence=proba.max(axis=1),
        proba=proba,
        classes=np.array(["cat", "dog"], dtype=object),
        given=given,
        is_new=np.zeros(N, dtype=bool),
        params={"verb": "pseudo_label", "method": "planted"},
    )
    table = items.assign(label=items["label"].where(given, None))
    panel = ReviewPanel(soft, table, ledger, actor="Ann")
    assert panel._queue == [0, 1, 2, 4, 5, 6, 7, 8, 9, 3]
    assert "label <i>none</i> → suggested <b>dog</b>" in shown(panel)
    assert "the method says cat 50%, dog 50%" in shown(panel)
    assert "confidence of the proposal: 0.5" in shown(panel)
    panel.order = "informative"
    assert panel._queue[-1] == 3
    panel.threshold = 0.6
    assert panel._queue == [7, 6, 5, 4, 2, 1, 0]
    (below,) = walk(panel, ipywidgets.BoundedFloatText)
    below.value = 0.5
    assert panel._queue == [0]
    panel.accept()
    told = ledger.to_frame().iloc[0]
    assert (told["action"], told["new"], told["method"]) == ("relabel", "dog", "planted")
    assert np.isnan(told["old"])
    assert told["reason"] == "confidence of the proposal 0.5, suggested dog"
    assert ledger.apply(table).loc["r00", "label"] == "dog"


def test_an_audit_gives_its_problems(items, ledger):
    problems = pd.DataFrame({"problem": ["empty"], "ids": [["r04", "r02"]]})
    report = Audit(ids=items.index, problems=problems)
    assert ReviewPanel(report.rows("empty"), items, ledger).selected == ["r04"]


def test_the_list_says_how_each_stands_and_jumps_back(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, n=12)
    assert states(panel) == ["open"] * 9
    press(panel, "k")
    press(panel, "r")
    press(panel, "d")
    press(panel, "s")
    assert states(panel) == ["kept", "relabelled to dog", "dropped", "skipped", *["open"] * 5]
    assert "<b>3 of 12</b> decided" in shown(panel)
    assert "1 kept · 1 relabelled · 1 dropped · 1 skipped · 8 open" in shown(panel)
    panel._pick("row", 30)
    assert panel.selected == ["r30"]
    press(panel, "ArrowUp")
    assert panel.selected == ["r35"]
    assert "<b>kept</b>" in panel._facts.value
    press(panel, "ArrowUp")
    assert panel.selected == ["r35"]
    press(panel, "ArrowDown")
    press(panel, "ArrowDown")
    assert panel.selected == ["r25"]
    click(panel, "Later")
    assert states(panel) == ["open"] * 3
    assert "10–12 of 12" in shown(panel)
    click(panel, "Later")
    assert "10–12 of 12" in shown(panel)
    click(panel, "Earlier")
    assert states(panel)[0] == "kept"
    assert panel.selected == ["r25"]


def test_a_decision_sends_two_lines_of_the_list(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger)
    before = [line.value for line in panel._view.list._lines]
    panel.keep()
    after = [line.value for line in panel._view.list._lines]
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 2


# ---- what stands beside the item -----------------------------------------------------------------


def test_good_examples_of_both_labels_stand_beside(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger)
    assert "marked: quality below 0.3" in panel._facts.value
    near, compared = panel._facts.value.split("curalab-review-compared")
    assert re.findall(r"title='(r\d\d)'", near) == ["r34", "r36", "r33", "r37", "r32", "r38"]
    # r35 says cat: the nearest good cats are far, those marked as errors are no examples.
    assert re.findall(r"title='(r\d\d)'", compared) == ["r19", "r18", "r34", "r36"]
    assert "other items of <b>cat</b>" in compared
    panel.selected = ["r34"]
    assert "curalab-review-compared" not in panel._facts.value


def test_neighbours_are_searched_in_blocks_where_there_is_no_graph(bad, items, emb, ledger):
    panel = ReviewPanel(list(items.index), items, ledger, embedding=emb)
    one_by_one = [list(panel._near(row)) for row in range(N)]
    emb.neighbors(8)
    fresh = ReviewPanel(list(items.index), items, ledger, embedding=emb)
    for row in range(N):
        assert set(fresh._near(row)) == set(one_by_one[row])
        assert len(one_by_one[row]) == 6


def test_a_table_and_a_row_without_anything_beside(ledger):
    one = pd.DataFrame({"label": ["a"], "size": [1.0]}, index=["x"])
    alone = Embedding(ids=one.index, vectors=np.ones((1, 2)))
    panel = ReviewPanel(["x"], one, ledger, embedding=alone)
    assert "nearest" not in panel._facts.value
    press(panel, "k")
    assert panel.selected == []
    empty = ReviewPanel([], one.assign(label=np.nan), ledger, actor="Bob")
    assert "Nothing to review." in shown(empty)


# ---- notes ---------------------------------------------------------------------------------------


def test_a_note_goes_with_the_decision_on_its_item(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger)
    (note,) = [w for w in walk(panel, ipywidgets.Text) if w.description == "Note (N)"]
    note.value = "too dark"
    assert panel.note == "too dark"
    panel.skip()
    assert note.value == ""
    panel.keep()
    panel.back()
    panel.back()
    assert (panel.selected, note.value) == (["r35"], "too dark")
    panel.drop()
    assert note.value == ""
    reasons = ledger.to_frame()["reason"].tolist()
    assert reasons[0].startswith("label quality (1 is clean) 0.0371, suggested")
    assert reasons[1] == "too dark; label quality (1 is clean) 0.01, suggested dog"


# ---- what a decision means -----------------------------------------------------------------------


def test_deciding_anew_makes_the_table_what_the_newest_decision_says(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, actor="Ann")
    panel.relabel("dog")
    panel.back()
    panel.keep()
    assert ledger.apply(items).equals(items)
    assert states(panel)[0] == "kept"
    panel.back()
    panel.drop()
    assert "r35" not in ledger.apply(items).index
    panel.back()
    panel.relabel("dog")
    assert ledger.apply(items).loc["r35", "label"] == "dog"
    # As if made in one go: one press takes back both events of one decision.
    panel.undo()
    assert "r35" not in ledger.apply(items).index
    assert states(panel)[0] == "dropped"
    again = ReviewPanel(bad, items, ledger, actor="Ann")
    assert states(again)[0] == "dropped"
    again.undo()
    assert ledger.apply(items).equals(items)
    assert states(again)[0] == "kept"
    again.undo()
    assert ledger.apply(items).loc["r35", "label"] == "dog"
    again.undo()
    assert len(ledger.decisions()) == 0
    assert "Taken back: 1 decision." in shown(again)


def test_a_missing_label_comes_back(items, ledger):
    table = items.assign(label=items["label"].where(items.index != "r01", None))
    panel = ReviewPanel(["r01"], table, ledger)
    panel.relabel("cat")
    panel.selected = ["r01"]
    panel.keep()
    assert ledger.apply(table)["label"].isna().sum() == 1
    panel.selected = ["r01"]
    panel.relabel(float("nan"))
    assert states(panel) == ["kept"]


# ---- how far one has come ------------------------------------------------------------------------


def test_what_is_left_is_estimated_every_five_decisions(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, n=20)
    for _ in range(4):
        panel.accept()
    assert "wrong of" not in shown(panel)
    panel.keep()
    told = panel.budget()
    verdicts = {"r35": True, "r30": True, "r25": True, "r20": True, "r15": False}
    same = review_budget(bad, verdicts, random_state=0)
    assert (told.reviewed, told.found, told.remaining) == (5, 4, same.remaining)
    assert "<b>4 wrong of 5 reviewed</b>" in shown(panel)
    assert f"({same.low:,.0f}–{same.high:,.0f}) left" in shown(panel)
    assert "Go on: about" in shown(panel)
    assert "You may stop now" not in shown(panel)
    panel.recall = 0.05
    assert "✓ You may stop now." in shown(panel)
    assert "at least 5% of all wrong labels" in shown(panel)
    again = ReviewPanel(bad, items, ledger, n=20)
    assert "<b>4 wrong of 5 reviewed</b>" in shown(again)
    panel.undo()
    assert "<b>4 wrong of 4 reviewed</b>" in shown(panel)
    for _ in range(4):
        panel.undo()
    assert "reviewed" not in shown(panel)


def test_keys_do_not_wait_for_the_estimate(bad, items, ledger, monkeypatch):
    monkeypatch.setattr(_work, "_PAUSE", 1.0)  # a rest that a busy machine does not make

    async def main():
        panel = ReviewPanel(bad, items, ledger, n=20)
        for _ in range(11):
            press(panel, "r")
            await asyncio.sleep(0.02)  # no rest between two keys
            assert "wrong of" not in shown(panel)
        for _ in range(200):
            await asyncio.sleep(0.05)
            if "11 reviewed" in shown(panel):
                return
        raise AssertionError("no estimate in ten seconds")

    asyncio.run(main())


# ---- several people ------------------------------------------------------------------------------


def test_the_queue_is_that_of_who_signs(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, actor="Ann")
    panel.keep()
    (who,) = [w for w in walk(panel, ipywidgets.Text) if w.description == "Signed as"]
    assert who.value == "Ann"
    who.value = " Bob "
    assert (panel.actor, who.value) == ("Bob", "Bob")
    assert (panel.selected, panel.decided) == (["r35"], 0)
    assert "Ann" not in panel._facts.value
    panel.drop()
    assert "Ann: <b>kept</b>; Bob: <b>dropped</b>" in shown(panel)
    who.value = "  "
    assert "parameter must be a name to sign decisions with. Got" in panel._said.value
    assert (panel.actor, who.value) == ("Bob", "Bob")
    panel.actor = "Ann"
    assert (panel.selected, panel.decided) == (["r30"], 1)
    assert ledger.to_frame()["actor"].tolist() == ["Ann", "Bob"]
    panel.undo()
    assert ledger.decisions()["actor"].tolist() == ["Bob"]
    # What Ann decided counts as hers also where Bob has decided later.
    panel.keep()
    panel.actor = "Bob"
    panel._pick("row", 35)
    panel.drop()
    assert ReviewPanel(bad, items, ledger, actor="Ann").decided == 1


def test_second_opinions_are_blind_and_then_compared(bad, items, ledger):
    ann = ReviewPanel(bad, items, ledger, actor="Ann", n=6)
    for key in "rrrkkd":
        press(ann, key)
    bob = ReviewPanel(bad, items, ledger, actor="Bob")
    click_second(bob)
    assert bob.second
    assert items.index[bob._queue].tolist() == ["r35", "r30", "r25", "r20", "r15", "r10"]
    assert states(bob) == ["open"] * 6
    assert "Ann" not in shown(bob)
    for key in "rr":
        press(bob, key)
    assert "All agree (Ann: relabelled to dog; Bob: relabelled to dog)." in bob._said.value
    press(bob, "k")
    assert "They differ (Ann: relabelled to dog; Bob: kept)." in bob._said.value
    press(bob, "k")
    press(bob, "d")
    press(bob, "d")
    told = bob.agreement()
    assert told[["one", "other", "both"]].to_numpy().tolist() == [["Ann", "Bob", 6]]
    assert told["same"].iloc[0] == pytest.approx(4 / 6)
    # Cohen by hand: 4/6 observed; expected (3·2 + 2·2 + 1·2) / 36.
    assert told["kappa"].iloc[0] == pytest.approx((4 / 6 - 12 / 36) / (1 - 12 / 36))
    assert "<b>Ann</b> and <b>Bob</b> decided 6 alike in 67%" in shown(bob)
    assert "(Cohen's kappa) 0.50" in shown(bob)
    assert bob.conflicts().to_dict() == {
        "r25": {"Ann": "relabelled to dog", "Bob": "kept"},
        "r15": {"Ann": "kept", "Bob": "dropped"},
    }
    assert {event["opinion"] for event in ledger.to_frame()["params"][6:]} == {"second"}
    assert "second opinion; label quality" in ledger.to_frame()["reason"].iloc[-1]


def click_second(panel):
    (toggle,) = walk(panel, ipywidgets.ToggleButton)
    assert toggle.tooltip
    toggle.value = not toggle.value


def test_a_conflict_is_settled_by_the_next_decision_on_it(bad, items, ledger):
    ReviewPanel(bad, items, ledger, actor="Ann").accept()
    ReviewPanel(bad, items, ledger, actor="Bob").keep()
    eve = ReviewPanel(bad, items, ledger, actor="Eve")
    assert "1 to settle" in shown(eve)
    assert "data-pick='conflict:35'" in shown(eve)
    eve.selected = ["r30"]
    eve._pick("conflict", 35)
    assert eve.selected == ["r35"]
    assert "Ann: <b>relabelled to dog</b>; Bob: <b>kept</b>" in eve._facts.value
    eve.accept()
    assert "to settle" not in shown(eve)
    assert len(eve.conflicts()) == 0
    assert eve.agreement()["same"].tolist() == [0.0]
    assert ledger.apply(items).loc["r35", "label"] == "dog"
    assert ReviewPanel(bad, items, ledger, actor="Eve").conflicts().empty
    eve.undo()
    assert len(eve.conflicts()) == 1
    eve.settle("r35")
    eve.selected = ["r30"]
    eve.keep()
    assert ledger.to_frame()["reason"].iloc[-1].startswith("label quality")


def test_conflicts_on_what_is_still_to_be_asked_stay_secret(bad, items, ledger):
    ReviewPanel(bad, items, ledger, actor="Ann").accept()
    ReviewPanel(bad, items, ledger, actor="Bob").keep()
    eve = ReviewPanel(bad, items, ledger, actor="Eve", second=True)
    assert "conflict:35" not in shown(eve)
    assert "relabelled to" not in shown(eve)
    eve.keep()
    assert "conflict:35" in shown(eve)


def test_one_alone_is_asked_again(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, actor="Ann", n=5)
    for key in "rrrkk":
        press(panel, key)
    panel.second = True
    assert states(panel) == ["open"] * 5
    assert panel.selected == ["r35"]
    for key in "rrkk":
        press(panel, key)
    again = ReviewPanel(bad, items, ledger, actor="Ann", second=True)
    assert (again.selected, again.decided) == (["r15"], 4)
    again.keep()
    told = again.agreement().iloc[0]
    assert (told["one"], told["other"], told["both"]) == ("Ann", "Ann, again", 5)
    assert told["same"] == pytest.approx(4 / 5)
    again.second = False
    assert again.decided == 8 - 3
    fresh = ReviewPanel(bad, items, ledger, actor="Zoe", second=True)
    assert fresh.selected == ["r35"]


def test_without_decisions_there_is_no_second_opinion(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, second=True)
    assert panel.selected == []
    assert "Nothing to review." in shown(panel)
    panel.second = False
    assert panel.selected == ["r35"]


def test_the_ledger_is_read_anew_where_the_queue_is(bad, items, ledger):
    panel = ReviewPanel(bad, items, ledger, actor="Ann")
    ledger.record("r00", action="drop", actor="a rule")
    panel.second = True
    assert panel.selected == ["r00"]


# ---- all panels ----------------------------------------------------------------------------------


def test_as_code_it_stands_as_it_stood(bad, items, ledger, monkeypatch):
    panel = ReviewPanel(bad, items, ledger, actor="Ann", n=10)
    panel.keep()
    panel.order, panel.recall, panel.selected = "informative", 0.8, ["r05"]
    panel.note = "look again"
    names = {"bad": bad, "items": items, "ledger": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    code = panel.to_code()
    assert code == (
        "panel = ReviewPanel(bad, items, ledger, actor='Ann', n=10, order='informative')\n"
        "panel.recall = 0.8\npanel.selected = ['r05']\npanel.note = 'look again'"
    )
    scope = {"ReviewPanel": ReviewPanel, **names}
    exec(code, scope)
    same = scope["panel"]
    assert (same.selected, same.note, same._queue) == (["r05"], "look again", panel._queue)


def test_linked_panels_follow_and_are_followed(bad, items, ledger):
    one = ReviewPanel(bad, items, ledger, link="reviews", actor="Ann")
    two = ReviewPanel(bad, items, ledger, link="reviews", actor="Bob")
    one.selected = ["r10"]
    assert two.selected == ["r10"]
    two.keep()
    assert one.selected == two.selected == ["r05"]


def test_nasty_text_stays_text(ledger):
    labels = [NASTY, "b"] * 6
    texts = [NASTY * 3] * 11 + [None]
    table = pd.DataFrame({"label": labels, "text": texts}, index=[f"{NASTY}{i}" for i in range(12)])
    emb = Embedding(ids=table.index, vectors=np.arange(12.0)[:, None], metric="euclidean")
    bad = LabelErrors(
        ids=table.index,
        quality=np.linspace(0.1, 0.9, 12),
        suggested=np.array(labels[::-1], dtype=object),
        is_error=np.arange(12) < 3,
        pool=Pool(embedding=emb, labels=table["label"], proba=np.full((12, 2), 0.5)),
        details={"cut": {"rule": NASTY}},
    )
    for actor in (NASTY, "Bob"):
        panel = ReviewPanel(bad, table, ledger, actor=actor)
        panel.note = NASTY
        panel.accept() if actor == NASTY else panel.drop()
    panel.second = True
    seen = [shown(panel), panel._repr_mimebundle_()["text/html"]]
    for html in seen:
        assert "<script" not in html
        assert "<img" not in html
        assert "&lt;script&gt;" in html
    assert "1 to settle" in seen[0]


def test_what_is_kept_of_it_without_a_kernel(bad, items, ledger, tmp_path):
    panel = ReviewPanel(bad, items, ledger, actor="Ann")
    for key in "rrrrk":
        press(panel, key)
    panel.save_html(tmp_path / "review.html")
    page = (tmp_path / "review.html").read_text(encoding="utf-8")
    assert "5 of 8 suspects decided. The first:" in page
    assert "<td>relabelled to dog</td>" in page
    assert "4 wrong of 5 reviewed" in page
    assert "data-pick" not in page
    assert "<button" not in page


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda a: ReviewPanel(a.bad, a.items, a.ledger, order="best"),
            ValueError,
            "The 'order' parameter must be one of 'worst', 'informative'. Got 'best' instead.",
        ),
        (
            lambda a: ReviewPanel(["r01"], a.items, a.ledger, order="informative"),
            ValueError,
            "The 'order' parameter must be 'worst' for these suspects. Got 'informative', and "
            "nothing that says what an item would tell instead.",
        ),
        (
            lambda a: ReviewPanel(Audit(ids=a.items.index, problems=a.items), a.items, a.ledger),
            TypeError,
            "The 'suspects' parameter must be a result about items, or a sequence of ids. Got an "
            "Audit instead. Choose a problem: suspects=audit.rows(problem).",
        ),
        (
            lambda a: ReviewPanel(a.bad, a.items, a.ledger, embedding="minilm"),
            TypeError,
            "The 'embedding' parameter must be an Embedding. Got 'minilm' instead.",
        ),
        (
            lambda a: setattr(ReviewPanel(a.bad, a.items, a.ledger), "actor", ""),
            ValueError,
            "The 'actor' parameter must be a name to sign decisions with. Got '' instead.",
        ),
        (
            lambda a: setattr(ReviewPanel(a.bad, a.items, a.ledger), "recall", 2.0),
            ValueError,
            "The 'recall' parameter must be a number from 0 to 1. Got 2.0 instead.",
        ),
        (
            lambda a: ReviewPanel(["r01"], a.items, a.ledger).budget(),
            TypeError,
            "The 'suspects' parameter must be LabelErrors, to estimate what is left. "
            "Got None instead.",
        ),
        (
            lambda a: ReviewPanel(["r01"], a.items, a.ledger).settle("x"),
            KeyError,
            "The 'id' parameter must be ids of the items. Got unknown ids 'x' instead.",
        ),
    ],
)
def test_bad_input_is_named(bad, items, ledger, wrong, error, text):
    given = type("Given", (), {"bad": bad, "items": items, "ledger": ledger})
    with pytest.raises(error) as caught:
        wrong(given)
    assert caught.value.args[0] == text


def test_another_embedding_than_the_one_of_the_suspects_is_refused(bad, items, emb, ledger):
    other = Embedding(ids=items.index, vectors=np.ones((N, 2)))
    with pytest.raises(ValueError, match="embedding") as caught:
        ReviewPanel(bad, items, ledger, embedding=other)
    assert caught.value.args[0] == (
        "The 'embedding' parameter must be the one that the suspects were found in "
        f"({emb.fingerprint[:8]}). Got another embedding ({other.fingerprint[:8]}) instead. "
        "Pass the embedding that the suspects were found in."
    )
    assert ReviewPanel(bad, items, ledger, embedding=emb).selected == ["r35"]


def test_at_size_a_key_takes_no_longer_for_what_lies_behind(ledger):
    """Whatever goes over the queue or over all decisions at each key would show here."""
    n = 20_000
    table = pd.DataFrame({"label": ["a", "b"] * (n // 2)}, index=[f"r{i}" for i in range(n)])
    panel = ReviewPanel(table.index, table, ledger, actor="Ann")
    work = {"rows": 0}

    class Counted(list):
        def __iter__(self):
            work["rows"] += len(self)
            return super().__iter__()

        def index(self, *args):
            work["rows"] += len(self)
            return super().index(*args)

        def __getitem__(self, key):
            work["rows"] += 1
            return super().__getitem__(key)

    panel._waiting.rows = Counted(panel._waiting.rows)
    for _ in range(20):
        press(panel, "k")
    assert panel.decided == 20
    assert work["rows"] < 20 * 50


# ---- a killed kernel -----------------------------------------------------------------------------

# One process pays for the imports and forks the kernels that are killed, as a kernel is: at any
# moment, without a word.
LABELLED = ("keep", "relabel")
KILLED = """
import os, random, signal, sys, time
import pandas as pd
from curalab.ledger import Ledger
from curalab_widgets.review import ReviewPanel

path, rounds = sys.argv[1], int(sys.argv[2])
items = pd.DataFrame({"label": ["a", "b"] * 1000}, index=[f"r{i}" for i in range(2000)])

def kernel(pipe):
    draw = random.Random(os.getpid())
    panel = ReviewPanel(items.index, items, Ledger(path), actor="Ann")
    os.write(pipe, f"open {panel.selected[0]} {len(panel._ledger)} {panel.decided}\\n".encode())
    while True:
        key, (at,) = draw.choice("kkd12u"), panel.selected
        before = len(panel._ledger)
        panel._hear(None, {"key": key}, [])
        if len(panel._ledger) > before:
            os.write(pipe, f"done {at} {key}\\n".encode())

draw = random.Random(0)
for number in range(rounds):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        kernel(write)
    os.close(write)
    told = os.read(read, 1)  # it is open, and at work from now on
    time.sleep(draw.uniform(0, 0.1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(read, 65536):
        told += more
    os.close(read)
    print(f"round {number}")
    print(told.decode(), end="", flush=True)
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_fifty_killed_kernels_lose_nothing(tmp_path):
    path, rounds = tmp_path / "killed.ledger", 50
    command = [sys.executable, "-c", KILLED, str(path), str(rounds)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert sum(line[0] == "round" for line in lines) == rounds
    with Ledger(path) as ledger:
        events = ledger.to_frame()
    said = [line for line in lines if line[0] == "done"]
    made = iter(events.itertuples())
    for _, where, key in said:  # in this order, and between them only what nobody heard of
        wanted = {"k": "keep", "d": "drop", "u": "undo"}.get(key)
        for event in made:
            is_it = event.action == wanted or (wanted is None and event.action in LABELLED)
            if is_it and (key == "u" or event.row_id == where):
                break
        else:
            raise AssertionError(f"{key} on {where} returned and is not on disk")
    assert len(said) > rounds
    # A kernel may die after the commit and before it says so: one event a round at most.
    assert len(said) <= len(events) <= len(said) + rounds
    for where, n, decided in (line[1:] for line in lines if line[0] == "open"):
        known = set()
        for event in events.iloc[: int(n)].itertuples():
            (known.discard if event.action == "undo" else known.add)(event.row_id)
        assert where not in known
        assert int(decided) == len(known)
