"""What all panels have: linked selections, code, a page to keep, work beside the kernel."""

from __future__ import annotations

import asyncio
import threading

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import curalab as cl
from by_hand import walk
from curalab_widgets import MapPanel, ReviewPanel, _code
from curalab_widgets._work import Work


@pytest.fixture
def items():
    return pd.DataFrame({"label": ["cat", "dog", "cat", "dog"]}, index=list("abcd"))


@pytest.fixture
def xy():
    return np.array([[0, 0], [1, 0], [0, 1], [1, 1]])


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "test.ledger") as opened:
        yield opened


def test_linked_panels_share_what_is_selected_as_far_as_they_know_it(items, xy, ledger):
    one, two = (MapPanel(xy, items, link="shared") for _ in range(2))
    part = MapPanel(xy[:3], items.iloc[1:], link="shared")
    review = ReviewPanel(["b", "c"], items, ledger, link="shared")
    other = MapPanel(xy, items, link="another name")
    one.selected = ["a", "d"]
    assert [two.selected, part.selected, review.selected] == [["a", "d"], ["d"], ["a"]]
    assert one.selected == ["a", "d"]
    part.selected = ["b", "c"]
    assert [one.selected, review.selected] == [["b", "c"], ["b"]]
    review.keep()
    assert [one.selected, two.selected] == [["c"], ["c"]]
    two.selected = []
    assert [one.selected, part.selected, review.selected] == [[], [], ["c"]]
    two.close()
    one.selected = ["d"]
    assert two.selected == []
    assert other.selected == []
    with pytest.raises(TypeError) as caught:
        MapPanel(xy, items, link=3)
    assert str(caught.value) == (
        "The 'link' parameter must be a name that several panels are given. Got 3 instead."
    )


def test_a_panel_is_told_as_code_and_made_again_by_it(items, xy, ledger, monkeypatch, tmp_path):
    panel = MapPanel(xy, items, ledger=ledger, color="label", engine="plotly")
    panel.selected = ["b", "d"]
    monkeypatch.chdir(tmp_path)
    assert panel.to_code() == (
        "panel = MapPanel(view, items, color='label', ledger=cl.Ledger('test.ledger'), "
        "engine='plotly')\npanel.selected = ['b', 'd']"
    )
    names = {"xy": xy, "pets": items, "mine": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    panel.color = None
    code = panel.to_code()
    assert code.startswith("panel = MapPanel(xy, pets, ledger=mine, engine='plotly')")
    scope = {"MapPanel": MapPanel, **names}
    exec(code, scope)
    assert scope["panel"].selected == ["b", "d"]


def test_a_panel_is_kept_as_a_page_without_anything_live(items, xy, tmp_path):
    panel = MapPanel(xy, items.assign(text="<script>alert(1)</script>" * 3), color="label")
    panel.save_html(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "Map of 4 items" in page


# ---- work beside the kernel ----------------------------------------------------------------------


def test_without_a_loop_the_answer_is_there_at_once_and_errors_are_told():
    told, got = [], []
    work = Work(told.append)
    work.ask(lambda: 3, got.append)
    work.ask(lambda: 1 / 0, got.append)
    assert got == [3]
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_in_a_loop_only_the_newest_counts_and_the_loop_stays_free():
    async def main():
        got, gate, ran = [], threading.Event(), []
        work = Work(got.append)

        def slow():
            ran.append("slow")
            gate.wait(10)
            return "slow"

        work.ask(lambda: ran.append("never"), got.append)
        work.ask(slow, got.append, what="Cutting")
        while not ran:
            await asyncio.sleep(0.01)
        assert ran == ["slow"]
        assert work.bar.layout.display == ""
        work.ask(lambda: "newer", got.append)
        work.ask(lambda: "newest", got.append)
        await asyncio.sleep(0.3)
        assert got == []
        gate.set()
        while not got:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert got == ["newest"]
        assert work.is_idle
        assert work.bar.layout.display == "none"

    asyncio.run(main())


def test_what_is_stopped_changes_nothing():
    async def main():
        got, gate, ran = [], threading.Event(), []
        work = Work(got.append)
        work.ask(lambda: (ran.append(1), gate.wait(10)), got.append)
        while not ran:
            await asyncio.sleep(0.01)
        (stop,) = walk(work.bar, ipywidgets.Button)
        stop.click()
        gate.set()
        await asyncio.sleep(0.3)
        assert got == []
        work.ask(lambda: 4, got.append)
        while not got:
            await asyncio.sleep(0.01)
        assert got == [4]

    asyncio.run(main())


def test_after_a_restart_what_was_decided_at_once_is_taken_back_at_once(items, xy, ledger):
    panel = MapPanel(xy, items, ledger=ledger, actor="Ann")
    panel.selected = ["d"]
    panel.keep()
    panel.selected = ["a", "c"]
    panel.drop()
    ledger.record("b", action="drop", actor="Ben")
    again = MapPanel(xy, items, ledger=ledger, actor="Ann")
    again.undo()
    assert again.selected == ["a", "c"]
    assert again.recorded == 1
    assert ledger.decisions()["action"].to_dict() == {"d": "keep", "b": "drop"}
    again.undo()
    assert again.selected == ["d"]
    with pytest.raises(ValueError, match=r"^There is nothing to take back\.$"):
        again.undo()
    assert ledger.decisions()["actor"].tolist() == ["Ben"]
