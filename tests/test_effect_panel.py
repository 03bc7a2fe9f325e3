"""The effect panel without a browser: what a hand could do is done through methods and traits."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pandas as pd
import pytest

from by_hand import click, press, shown, walk
from curalab.effect import Effect
from curalab.effect._steps import ALL_STEPS, effect_by_step
from curalab.embedding import Embedding
from curalab.ledger import Ledger
from curalab_widgets import _code
from curalab_widgets.effect import EffectPanel, _source
from curalab_widgets.figures._steps import effect_steps

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"


def effect(gain=0.1, interval=(0.05, 0.15), *, over=0.2, step=None, embedding=None, seed=0):
    """Return an effect with the numbers given, on four test rows of two classes."""
    right = np.random.default_rng(seed).random((4, 3, 2)) < 0.5
    parts = {"class": ["x", "y"], "n_test": [2, 2], "before": [0.5, 0.25], "after": [0.75, 0.25]}
    parts |= {"control": [0.5, 0.5], "gain": [0.25, 0.0], "low": [0.01, -0.2]}
    parts |= {"high": [0.49, 0.2], "is_detectable": [True, False]}
    return Effect(
        ids=pd.Index(list("tuvw")),
        before=right[:, 0].mean(axis=1),
        after=right[:, 1].mean(axis=1),
        control=right[:, 2].mean(axis=1),
        gain=gain,
        interval=interval,
        gain_over_random=over,
        interval_over_random=(over - 0.01, over + 0.01),
        balanced={},
        per_class=pd.DataFrame(parts),
        params={"vectors": {"embedding": embedding}},
        details={
            "change": {"relabelled": 2},
            "test_checked": True,
            "notes": ["2 test rows equal a training row."],
            "right": right,
            **({} if step is None else {"step": step}),
        },
    )


@pytest.fixture
def items():
    return pd.DataFrame({"label": list("xyxyx"), "text": "what was said"}, index=list("abcde"))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        relabelled = {"action": "relabel", "field": "label", "actor": "Ann"}
        opened.record("a", **relabelled, old="x", new="y")
        opened.record("b", **relabelled, old="y", new=NASTY)
        opened.record("c", action="drop", actor="knn")
        opened.record("d", action="weight", new=0.5, actor="Bob")
        yield opened


@pytest.fixture
def effects():
    def step(ids, events, **so_far):
        return {"ids": list(ids), "events": events, "so_far": so_far}

    return {
        "relabel by Ann": effect(step=step("ab", [1, 2], gain=0.1, low=0.05, high=0.15)),
        "drop by knn": effect(
            -0.01, (-0.04, 0.02), over=0.0, step=step("c", [3], gain=0.09, low=0.04, high=0.14)
        ),
        "weight by Bob": effect(
            0.0, (0, 0), over=np.nan, step=step("d", [4], gain=0.09, low=0.04, high=0.14)
        ),
        ALL_STEPS: effect(0.09, (0.04, 0.14), step=step("abcd", [1, 2, 3, 4], gain=0.09)),
    }


# ---- what is shown -------------------------------------------------------------------------------


def test_a_step_shows_its_sentence_its_parts_and_its_rows(effects, items, ledger):
    panel = EffectPanel(effects, items, ledger=ledger)
    assert panel.step == "relabel by Ann"
    assert panel.selected == ["a", "b"]
    assert "+10.0 points (95 % interval +5.0 to +15.0)" in panel._said_of.value
    assert "2 test rows equal a training row." in panel._said_of.value
    assert "<b>1 of 3 steps have</b> a detectable effect, 1 of them beyond" in panel._headline.value
    assert "<td>x</td><td>2</td><td>50.0</td><td>75.0</td>" in panel._table.value
    assert "<b>+25.0</b> (+1.0 to +49.0)</td><td>yes</td>" in panel._table.value
    assert "<b>2 rows</b> touched" in panel._tiles.value
    assert "x → y" in panel._tiles.value
    panel.step = "drop by knn"
    assert panel.selected == ["c"]
    assert "No detectable effect: accuracy" in panel._said_of.value
    assert "x dropped" in panel._tiles.value
    panel.step = "weight by Bob"
    assert "y weight 0.5" in panel._tiles.value


def test_the_figure_has_a_row_a_step_and_filled_marks_where_zero_is_left_out(effects):
    own, over, so_far = effect_steps(effects).data
    np.testing.assert_allclose(own.x, [10, -1, 0, 9])
    np.testing.assert_allclose(own.error_x.array, [5, 3, 0, 5])
    np.testing.assert_allclose(own.error_x.arrayminus, [5, 3, 0, 5])
    assert own.marker.symbol == ("circle", "circle-open", "circle-open", "circle")
    assert over.marker.symbol[1] == "square-open"
    assert np.isnan(over.x[2])
    np.testing.assert_allclose(so_far.x, [10, 9, 9, 9])
    (alone, _) = effect_steps({"one": effect()}).data  # nothing is known of steps before it
    assert alone.name == "this step, over doing nothing"


def test_one_effect_alone(items):
    panel = EffectPanel(effect(0.0, (-0.1, 0.1)))
    assert panel.step == "the step"
    assert panel._headline.value == "<b>The step has no detectable effect</b>."
    assert panel.selected == []
    assert len(walk(panel, ipywidgets.Button)) == 1  # to stop what runs
    named = EffectPanel([("first", effect()), ("second", effect())])
    assert list(named.effects) == ["first", "second"]
    assert "2 of 2 steps have" in named._headline.value


def test_effects_are_broken_down_by_groups(effects, items):
    groups = pd.DataFrame({"site": list("ppqq"), "size": [1, 1, 2, 3]}, index=list("tuvw"))
    panel = EffectPanel(effects, items, groups=groups)
    panel.by = "site"
    assert panel.table()["value"].tolist() == ["p", "q"]
    assert "<th>site</th>" in panel._table.value
    (dropdown,) = [d for d in walk(panel, ipywidgets.Dropdown) if d.description == "By"]
    dropdown.value = "size"
    assert panel.table()["n_test"].tolist() == [2, 1, 1]
    by_series = EffectPanel(effects, groups=pd.Series(list("ppqq"), index=list("tuvw")))
    by_series.by = "group"
    assert len(by_series.table()) == 2
    assert EffectPanel(effects, groups={"half": [0, 0, 1, 1]})._groups["half"] == [0, 0, 1, 1]


def test_a_hand_chooses_steps_and_rows(effects, items):
    panel = EffectPanel(effects, items)
    panel._choice.value = "drop by knn"
    assert panel.step == "drop by knn"
    (forest,) = panel._forest.children
    assert (forest.layout.shapes[0].y0, forest.layout.shapes[0].y1) == (0.52, 1.48)
    forest.data[1]._dispatch_on_click(SimpleNamespace(point_inds=[0]), SimpleNamespace())
    assert panel.step == panel._choice.value == "relabel by Ann"
    panel._hear(None, {"pick": "row:1"}, [])
    assert panel.selected == ["b"]
    assert "what was said" in panel._card.value


def test_linked_panels_share_what_a_step_touched(effects, items):
    one, two = (EffectPanel(effects, items, link="effects") for _ in range(2))
    one.step = "drop by knn"
    assert two.selected == ["c"]
    assert two.step == "relabel by Ann"


# ---- taking steps back ---------------------------------------------------------------------------


def test_a_step_is_taken_back_as_one_and_brought_back(effects, items, ledger):
    panel = EffectPanel(effects, items, ledger=ledger, actor="Cid")
    click(panel, "Undo this step")
    assert ledger.decisions().index.tolist() == ["c", "d"]
    assert set(ledger.to_frame().iloc[-2:]["actor"]) == {"Cid"}
    assert "Taken back: 2 decisions of relabel by Ann. The numbers are of before." in (
        panel._said.value
    )
    again = EffectPanel(effects, items, ledger=ledger, actor="Cid")  # as after a restart
    with pytest.raises(ValueError) as caught:
        again.undo_step()
    assert caught.value.args[0] == (
        "There is nothing to take back: no decision of this step stands."
    )
    click(again, "Bring this step back")
    assert set(ledger.decisions().index) == set("abcd")
    assert "Brought back: 2 decisions" in again._said.value
    assert "Undo this step" in {b.description for b in walk(again, ipywidgets.Button)}
    press(again, "u")
    assert set(ledger.decisions().index) == set("cd")
    press(again, "u")
    assert "There is nothing to undo: no step was taken back here." in again._said.value
    again.redo_step()
    with pytest.raises(ValueError, match="all decisions of this step stand"):
        again.redo_step()


def test_undo_brings_back_what_was_taken_back_here(effects, items, ledger):
    panel = EffectPanel(effects, items, ledger=ledger)
    panel.step = "drop by knn"
    panel.undo_step()
    panel.step = "weight by Bob"
    panel.undo_step()
    assert set(ledger.decisions().index) == set("ab")
    press(panel, "u")
    press(panel, "u")
    assert set(ledger.decisions().index) == set("abcd")
    assert panel.selected == ["c"]


def test_all_steps_are_not_taken_back_at_once(effects, items, ledger):
    panel = EffectPanel(effects, items, ledger=ledger)
    panel.step = ALL_STEPS
    click(panel, "Undo this step")
    assert "Choose one step to take back or to bring back, not all of them." in panel._said.value
    assert len(ledger) == 4


def test_a_step_is_taken_back_whole_or_not_at_all(effects, items, ledger, monkeypatch):
    panel = EffectPanel(effects, items, ledger=ledger)

    def failing(events, *, actor):
        raise OSError("The disk is full.")

    monkeypatch.setattr(ledger, "undo_many", failing)
    click(panel, "Undo this step")
    assert "The disk is full." in panel._said.value
    assert panel.recorded == 0
    press(panel, "u")
    assert "There is nothing to undo: no step was taken back here." in panel._said.value
    assert set(ledger.decisions().index) == set("abcd")
    monkeypatch.undo()
    click(panel, "Undo this step")
    assert panel.recorded == 1


# ---- measuring -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    truth = np.arange(160) % 2
    table = pd.DataFrame({"label": truth}, index=[f"r{i}" for i in range(160)])
    x = rng.normal(size=(160, 2)) + 3 * truth[:, None]
    return table, Embedding(ids=table.index, vectors=x, metric="euclidean")


def test_steps_are_measured_taken_back_and_measured_again(source, tmp_path, monkeypatch):
    table, embedding = source
    before = table.copy()
    wrong = [f"r{i}" for i in range(0, 24, 2)]
    before.loc[wrong, "label"] = 1
    with Ledger(tmp_path / "my.ledger") as ledger:
        rows = {"row_id": wrong, "action": "relabel", "field": "label", "old": 1, "new": 0}
        ledger.record_many(pd.DataFrame({**rows, "actor": "Ann"}).astype(object))
        ledger.record("r50", action="drop", actor="Bob")
        panel = EffectPanel(
            None, before[:60], ledger=ledger, test=table[60:], embedding=embedding, actor="Ann"
        )
        assert "Nothing is measured yet." in shown(panel)
        assert "Nothing is measured yet." in panel._still()
        press(panel, "u")
        panel.measure(n_seeds=3)
        assert list(panel.effects) == ["relabel by Ann", "drop by Bob", ALL_STEPS]
        assert panel.effects["relabel by Ann"].gain > 0
        assert "Measured: 2 steps." in panel._said.value
        assert panel.selected == wrong
        panel.undo_step()
        assert "Measure again." in panel._said.value
        panel.measure(n_seeds=2)
        assert list(panel.effects) == ["drop by Bob"]
        assert panel.step == "drop by Bob"
        press(panel, "u")
        quick = partial(effect_by_step, n_seeds=2)
        monkeypatch.setattr(_source, "effect_by_step", lambda *a, n_seeds, **k: quick(*a, **k))
        click(panel, "Measure")
        assert len(panel.effects) == 3


# ---- to keep and to pass on ----------------------------------------------------------------------


def test_the_panel_is_made_again_by_its_code(effects, items, ledger, monkeypatch):
    panel = EffectPanel(effects, items, ledger=ledger, groups={"half": [0, 0, 1, 1]})
    panel.step, panel.by = "drop by knn", "half"
    names = {"effects": effects, "items": items, "ledger": ledger}
    by_id = {id(value): name for name, value in names.items()}
    monkeypatch.setattr(_code, "_name_of", lambda value: by_id.get(id(value), ""))
    code = panel.to_code()
    scope = {"EffectPanel": EffectPanel, **names}
    exec(code, scope)
    again = scope["panel"]
    assert (again.step, again.by, again.selected) == ("drop by knn", "half", ["c"])
    assert again._table.value == panel._table.value


def test_the_still_picture_tells_every_step(effects, items, tmp_path):
    panel = EffectPanel(effects, items)
    still = panel._repr_mimebundle_()["text/html"]
    assert "<td>drop by knn</td>" in still
    assert "<b>-1.0</b> (-4.0 to +2.0)" in still
    assert "no random counterpart" in still
    panel.save_html(tmp_path / "effect.html")
    assert "<script" not in (tmp_path / "effect.html").read_text(encoding="utf-8")


def test_text_from_data_stays_text(effects, items, ledger):
    bad = items.assign(label=NASTY, text=NASTY)
    named = {NASTY: effects["relabel by Ann"], "b": effects["drop by knn"]}
    panel = EffectPanel(named, bad, ledger=ledger, groups={NASTY: [NASTY, "b", None, "b"]})
    panel.by = NASTY
    panel.selected = ["a"]
    assert "<script" not in shown(panel) + panel._still()
    assert "<img src=x" not in shown(panel) + panel._still()
    assert "&lt;script" in panel._table.value
    (forest,) = panel._forest.children
    assert "<" not in forest.layout.yaxis.ticktext[0] + forest.data[0].text[0]


def test_every_button_has_text_and_a_tooltip(effects, items, ledger):
    buttons = walk(EffectPanel(effects, items, ledger=ledger), ipywidgets.Button)
    assert len(buttons) >= 3
    assert all(button.description and button.tooltip for button in buttons)


RULE = "The 'effects' parameter must be an Effect, or Effects by name, one at least. "


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda e, i: EffectPanel(3), TypeError, f"{RULE}Got 3 instead."),
        (lambda e, i: EffectPanel({}), ValueError, f"{RULE}Got none instead."),
        (lambda e, i: EffectPanel({"a": 1}), TypeError, f"{RULE}Got 1 instead."),
        (
            lambda e, i: EffectPanel(None, i),
            ValueError,
            "The 'ledger' parameter must be given, to measure the steps. Got None instead. "
            "Or give 'effects', measured elsewhere.",
        ),
        (
            lambda e, i: EffectPanel(e, i.iloc[:2]),
            KeyError,
            "The 'effects' parameter must be ids of the items. Got unknown ids 'c' instead.",
        ),
        (
            lambda e, i: setattr(EffectPanel(e, i), "step", "drop by kn"),
            ValueError,
            "The 'step' parameter must be one of 'relabel by Ann', 'drop by knn', "
            "'weight by Bob', 'all steps'. Got 'drop by kn' instead. Did you mean 'drop by knn'?",
        ),
        (
            lambda e, i: EffectPanel(e, i, groups=3),
            TypeError,
            "The 'groups' parameter must be a Series, a DataFrame, or values by name. "
            "Got 3 instead.",
        ),
        (
            lambda e, i: EffectPanel(e, i).undo_step(),
            ValueError,
            "The 'ledger' parameter must be given to the panel, to decide. Got None instead.",
        ),
    ],
)
def test_bad_input_is_named(effects, items, wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(effects, items)
    assert caught.value.args[0] == text


def test_effects_of_other_vectors_are_refused():
    one = Embedding(vectors=np.eye(3), metric="euclidean")
    with pytest.raises(ValueError) as caught:
        EffectPanel({"a": effect(embedding="f00dbeef99")}, embedding=one)
    assert str(caught.value) == (
        "The 'effects' parameter must be of the embedding given. Got 'a' of the embedding "
        f"f00dbeef, not of {one.fingerprint[:8]} instead."
    )
    EffectPanel({"a": effect(embedding=one.fingerprint)}, embedding=one)
