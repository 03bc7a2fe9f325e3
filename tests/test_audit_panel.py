"""The audit as a start page: each problem opens the panel that deals with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from by_hand import click, press, shown
from curalab_widgets.audit import AuditPanel
from curalab_widgets.duplicates import DuplicatePanel
from curalab_widgets.map import MapPanel
from curalab_widgets.review import ReviewPanel


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture(scope="module")
def audited():
    """Three classes with wrong labels, a copy, an outlier and an empty column."""
    rng = np.random.default_rng(0)
    truth = np.repeat(["a", "b", "c"], 40)
    x = rng.normal(size=(120, 8)) + 6 * (truth[:, None] == np.array(list("abc") + [""] * 5))
    x[7] = x[3]
    x[50] += 40
    labels = truth.copy()
    labels[[10, 60]] = "c"
    items = pd.DataFrame({"label": labels, "empty": [None] * 120, "<b>": ["<script>"] * 120})
    items.index = [f"r{i:03}" for i in range(120)]
    emb = cl.Embedding(vectors=x, ids=items.index, metric="euclidean")
    return cl.audit(items, embedding=emb, labels="label", random_state=0), items, emb


def test_each_problem_opens_its_panel_with_its_rows(audited, ledger):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb, ledger=ledger, actor="Ann")
    names = report.problems["problem"].tolist()
    assert {"label errors", "duplicates", "outliers"} <= set(names)
    kinds = {}
    for at, name in enumerate(names):
        if not len(report.rows(name)):
            continue
        panel._pick("problem", at)
        assert panel.problem == name
        kinds[name] = type(panel.opened)
        assert set(panel.selected) & set(report.rows(name))
    assert kinds["label errors"] is ReviewPanel
    assert kinds["outliers"] is ReviewPanel
    assert kinds["duplicates"] is DuplicatePanel
    panel._pick("map", names.index("outliers"))
    assert isinstance(panel.opened, MapPanel)
    assert panel.opened.selected == list(report.rows("outliers"))
    click(panel, "Back")
    assert (panel.problem, panel.opened) == (None, None)


def test_decisions_made_in_the_panel_opened_show_in_the_list_and_survive(audited, ledger):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb, ledger=ledger, actor="Ann")
    panel.problem = "label errors"
    n = len(report.rows("label errors"))
    assert f"0 of {n}" in panel._list.value
    first = panel.selected
    press(panel.opened, "r")
    assert panel.selected != first
    assert ledger.decisions().loc[first[0], "action"] == "relabel"
    assert f"1 of {n}" in panel._list.value
    press(panel.opened, "u")
    assert f"1 of {n}" not in panel._list.value
    press(panel.opened, "k")
    again = AuditPanel(report, items, embedding=emb, ledger=ledger, actor="Ann")
    assert f"1 of {n}" in again._list.value


def test_all_rows_of_a_problem_are_dropped_at_once_and_taken_back(audited, ledger):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb, ledger=ledger, actor="Ann")
    with pytest.raises(ValueError, match="There is nothing to accept: no problem whose rows may"):
        panel.accept()
    panel.problem = "outliers"
    odd = set(report.rows("outliers"))
    click(panel, f"Drop all {len(odd)} undecided")
    known = ledger.decisions()
    assert set(known.index[known["action"] == "drop"]) == odd
    assert set(known["reason"]) == {"outliers"}
    assert f"{len(odd)} of {len(odd)}" in panel._list.value
    panel.undo()
    assert len(ledger.decisions()) == 0
    assert f"0 of {len(odd)}" in panel._list.value


def test_without_a_ledger_rows_are_shown_and_without_vectors_there_is_no_map(audited):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb)
    panel.problem = "label errors"
    assert isinstance(panel.opened, MapPanel)
    assert "decided" not in panel._list.value
    bare = AuditPanel(report, items)
    assert "on the map" not in bare._list.value
    with pytest.raises(ValueError) as caught:
        bare.problem = "label errors"
    assert str(caught.value) == (
        "The 'view' parameter must be given to the panel, as 'embedding' is not. Got None instead."
    )
    bare.problem = "duplicates"
    assert isinstance(bare.opened, DuplicatePanel)


def test_an_audit_from_disk_is_reviewed_too(audited, ledger, tmp_path):
    report, items, emb = audited
    report.save(tmp_path / "audit")
    panel = AuditPanel(cl.Audit.open(tmp_path / "audit"), items, embedding=emb, ledger=ledger)
    panel.problem = "label errors"
    assert isinstance(panel.opened, ReviewPanel)
    assert panel.selected[0] == report.rows("label errors")[0]


def test_bad_input_is_named(audited, ledger):
    report, items, emb = audited
    other = cl.Embedding(vectors=emb.vectors + 1, ids=emb.ids, metric="euclidean")
    with pytest.raises(ValueError) as caught:
        AuditPanel(report, items, embedding=other)
    assert str(caught.value) == (
        f"The 'embedding' parameter must be the one that was audited. Got that of "
        f"{other.fingerprint[:8]}, while the audit is of {emb.fingerprint[:8]}, instead."
    )
    with pytest.raises(TypeError) as caught:
        AuditPanel(items, items)
    assert str(caught.value) == (
        "The 'report' parameter must be an Audit, what cl.audit returns. Got DataFrame instead."
    )
    panel = AuditPanel(report, items, embedding=emb, ledger=ledger)
    with pytest.raises(ValueError, match="The 'problem' parameter must be one of"):
        panel.problem = "label error"
    assert panel.opened is None


def test_it_is_told_as_code_and_as_a_page(audited, tmp_path):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb)
    panel.problem = "outliers"
    scope = {"AuditPanel": AuditPanel, "report": report, "items": items, "embedding": emb}
    exec(panel.to_code(), scope)
    assert scope["panel"].problem == "outliers"
    assert scope["panel"].selected == panel.selected
    panel.save_html(tmp_path / "audit.html")
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "<script" not in page + shown(panel)
    assert "outliers" in page


def test_what_is_open_knows_of_all_rows_dropped_and_taken_back(audited, ledger):
    report, items, emb = audited
    panel = AuditPanel(report, items, embedding=emb, ledger=ledger, actor="Ann")
    panel.problem = "outliers"
    panel.accept()
    n = len(report.rows("outliers"))
    assert panel.opened.decided == n
    panel.undo()
    assert panel.opened.decided == 0
    assert "Taken back:" in shown(panel)
    panel.show_on_map()
    panel.accept()
    assert isinstance(panel.opened, MapPanel)
    assert (panel.opened._items["decision"] == "dropped").sum() == n


def test_what_cannot_be_opened_leaves_open_what_is(audited):
    report, items, _ = audited
    panel = AuditPanel(report, items)
    panel.problem = "duplicates"
    for change in (panel.show_on_map, lambda: setattr(panel, "problem", "label errors")):
        with pytest.raises(ValueError, match="The 'view' parameter must be given to the panel"):
            change()
        assert panel.problem == "duplicates"
        assert isinstance(panel.opened, DuplicatePanel)
        assert panel.opened.comm is not None  # not closed
