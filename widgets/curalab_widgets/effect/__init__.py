"""What each step of a curation was worth downstream, interval by interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from curalab._check import check_choice, rows_of
from curalab.effect._steps import ALL_STEPS
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab_widgets._cards import Cards, plain
from curalab_widgets._panel import Panel
from curalab_widgets.effect._controls import CLASS, controls
from curalab_widgets.effect._log import StepLog, events_of, touched
from curalab_widgets.effect._source import Source
from curalab_widgets.effect._told import (
    by_table,
    headline,
    named_effects,
    named_groups,
    step_table,
    tile_label,
)
from curalab_widgets.figures._live import live
from curalab_widgets.figures._steps import effect_steps

__all__ = ["EffectPanel"]

_TILES = 32


class EffectPanel(Panel):
    """What the steps of a curation were worth: gains, intervals, classes, and the rows touched.

    Each step stands with its gain over doing nothing, its gain over as much of the same at random,
    and what all steps up to it gained. A step that did nothing is said to have done nothing. With
    the ledger a step can be taken back as a whole and the steps measured again.

    Parameters
    ----------
    effects : Effect, dict of str to Effect, or list of (str, Effect), default=None
        What was measured, in the order of the steps, as from ``effect_by_step``. None: nothing
        yet; `measure` does it.
    items : DataFrame, default=None
        The source table; with it the rows that a step touched show as tiles.
    ledger : Ledger, default=None
        The decisions that the steps are made of.
    groups : Series, DataFrame, or dict of str to values, default=None
        What effects are broken down by beside the class: a site, a source; one value a test row.
    test : DataFrame, default=None
        Rows with sealed labels, to measure steps on.
    embedding : Embedding, default=None
        Vectors of the rows of `items` and `test`, to measure steps with.
    labels : str, default="label"
        The column of classes.
    actor : str, default=None
        Who takes steps back. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    effects : dict of str to Effect
        What is shown; may be set.
    step : str
        The step chosen; may be set.
    by : str
        "class" or the name of the groups in the table; may be set.
    selected : list
        Ids that the step touched, or one of them; may be set.

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> from curalab_widgets.effect import EffectPanel
    >>> rng = np.random.default_rng(0)
    >>> items = pd.DataFrame({"label": np.arange(90) % 2})
    >>> x = rng.normal(size=(90, 2)) + items[["label"]].to_numpy()
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> effect = cl.measure_effect(
    ...     items[:30], items[5:30], test=items[30:], embedding=emb, n_seeds=2, random_state=0
    ... )
    >>> panel = EffectPanel({"drop five": effect})
    >>> panel.step, panel.table()["class"].tolist()
    ('drop five', [0, 1])
    """

    effects = traitlets.Dict()
    step = traitlets.Unicode("")
    by = traitlets.Unicode(CLASS)

    _state = ("step", "by", "selected")
    _choice: ipywidgets.Dropdown
    _toggle: ipywidgets.Button  # with a ledger

    def __init__(
        self,
        effects: Any = None,
        items: pd.DataFrame | None = None,
        *,
        ledger: Ledger | None = None,
        groups: Any = None,
        test: pd.DataFrame | None = None,
        embedding: Embedding | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
    ) -> None:
        found = {} if effects is None else named_effects(effects)
        self._source = Source(items, ledger, test, embedding, labels)
        if not found:
            self._source.check()
        if items is not None:
            check_table("items", items)
        else:
            ids = dict.fromkeys(one for effect in found.values() for one in touched(effect))
            items, labels = pd.DataFrame(index=pd.Index(list(ids))), "label"
        title = "What the steps were worth"
        super().__init__(items, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._groups = named_groups(groups)
        self._cards = Cards(items.drop(columns=self._labels or []))
        self._log = StepLog(ledger)
        self._headline, self._said_of, self._table, self._card, self._tiles = (
            ipywidgets.HTML() for _ in range(5)
        )
        self._forest = ipywidgets.HBox([ipywidgets.HTML("<i>Nothing is measured yet.</i>")])
        self._show(*controls(self))
        if found:
            self.effects = found

    # ---- what a hand can do ----------------------------------------------------------------------

    def measure(self, n_seeds: int = 10, random_state: int | None = 0) -> None:
        """Measure all steps of the ledger as it is now; beside the kernel where one can wait."""
        self._source.check()
        compute = partial(self._source.measure, n_seeds, random_state)

        def done(effects: Any) -> None:
            self.effects = effects
            n = sum(name != ALL_STEPS for name in effects)
            self._say(f"Measured: {'1 step' if n == 1 else f'{n:,} steps'}.")

        self._work.ask(compute, done, what="Measuring the steps")

    def table(self) -> pd.DataFrame:
        """Return the effect of the chosen step for each class or group: see `Effect.by`."""
        effect = self.effects[self.step]
        parts = effect.per_class if self.by == CLASS else effect.by(self._groups[self.by])
        return pd.DataFrame(parts)

    def undo_step(self) -> None:
        """Take back all decisions of the chosen step, as one."""
        self._turn(self._log.standing, "Taken back", "take back: no decision of this step stands")

    def redo_step(self) -> None:
        """Bring all decisions of the chosen step back that were taken back, as one."""
        why = "bring back: all decisions of this step stand"
        self._turn(self._log.against, "Brought back", why)

    def toggle_step(self) -> None:
        """Take the chosen step back, or bring it back where that was done already."""
        if self._log.is_taken_back(self._events()):
            self.redo_step()
        else:
            self.undo_step()

    def undo(self) -> None:
        """Undo what `undo_step` or `redo_step` did last; select the rows."""
        self._need_ledger()
        if not self._history:
            raise ValueError("There is nothing to undo: no step was taken back here.")
        super().undo()

    def _heed(self, _: pd.DataFrame | None) -> None:
        self._read_ledger()

    def _turn(self, find: Callable[[list[int]], list[int]], what: str, nothing: str) -> None:
        ledger = self._need_ledger()
        if self.step == ALL_STEPS:
            raise ValueError("Choose one step to take back or to bring back, not all of them.")
        if not (events := find(self._events())):
            raise ValueError(f"There is nothing to {nothing}.")
        undone = ledger.undo_many(events, actor=self._actor)
        self._history.append((list(undone), touched(self.effects[self.step])))
        self._read_ledger()
        self.recorded += 1
        again = "" if self._source.lacking else " Measure again."
        said = f"{what}: {self._count(len(undone))} of {self.step}"
        self._say(f"{said}. The numbers are of before.{again}")

    def _events(self) -> list[int]:
        return events_of(self.effects.get(self.step))

    def _read_ledger(self) -> None:
        self._log.read()
        if self._ledger is not None:
            is_back = self._log.is_taken_back(self._events())
            self._toggle.description = "Bring this step back" if is_back else "Undo this step"
            self._toggle.tooltip = f"{'Bring' if is_back else 'Take'} back all its decisions"

    # ---- what shows ------------------------------------------------------------------------------

    @traitlets.validate("effects")
    def _known_effects(self, proposal: Any) -> dict[str, Any]:
        effects = named_effects(proposal["value"])
        for name, effect in effects.items():
            rows_of(self.ids, touched(effect), name="effects")
            self._source.check_made_of(name, effect)
        return effects

    @traitlets.validate("step")
    def _known_step(self, proposal: Any) -> str:
        return check_choice("step", proposal["value"], self.effects)

    @traitlets.validate("by")
    def _known_by(self, proposal: Any) -> str:
        return check_choice("by", proposal["value"], [CLASS, *self._groups])

    @traitlets.observe("effects")
    def _draw(self, _: Any) -> None:
        forest = live(effect_steps(self.effects))
        for trace in forest.data:
            trace.on_click(self._clicked)
        for old in self._forest.children:
            old.close()
        self._forest.children = [forest]
        self._headline.value = headline(self.effects, ALL_STEPS)
        names = list(self.effects)
        self._choice.unobserve(self._chosen, "value")
        self._choice.options = names
        self._choice.observe(self._chosen, "value")
        if self.step in names:
            self._draw_step()
        else:
            self.step = names[0]

    def _chosen(self, change: Any) -> None:
        if change["new"] is not None:
            self.step = change["new"]

    def _clicked(self, _: Any, points: Any, __: Any) -> None:
        if points.point_inds:
            self.step = list(self.effects)[points.point_inds[0]]

    @traitlets.observe("step")
    def _draw_step(self, _: Any = None) -> None:
        self._choice.value = self.step
        at = list(self.effects).index(self.step)
        band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
        band |= {"y0": at - 0.48, "y1": at + 0.48, "line_width": 0}
        (forest,) = self._forest.children
        forest.update_layout(shapes=[{**band, "fillcolor": "rgba(128,128,128,.14)"}])
        effect = self.effects[self.step]
        notes = "".join(f"<li>{plain(note, limit=300)}</li>" for note in effect.details["notes"])
        self._said_of.value = f"<b>{plain(effect.sentence, limit=700)}</b><ul>{notes}</ul>"
        self._read_ledger()
        self._draw_table()
        self.selected = touched(self.effects[self.step])
        self._draw_tiles()

    @traitlets.observe("by")
    def _draw_table(self, _: Any = None) -> None:
        if self.step in self.effects:
            self._table.value = by_table(self.table(), self.by)

    @traitlets.observe("selected")
    def _look(self, _: Any) -> None:
        rows = self._rows()
        self._card.value = self._cards.card(rows[0]) if len(rows) == 1 else ""

    def _draw_tiles(self) -> None:
        ids = touched(self.effects[self.step])
        shown = rows_of(self.ids, ids[:_TILES]).tolist()
        done = self._log.done(self._events())
        labels = [tile_label(self._given(row), done.get(self.ids[row])) for row in shown]
        more = f", the first {_TILES}" if len(ids) > _TILES else ""
        told = f"<b>{len(ids):,} rows</b> touched{more}" if ids else ""
        self._tiles.value = told + self._cards.tiles(shown, labels=labels)

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self.selected = [self.ids[number]]

    # ---- without a kernel ------------------------------------------------------------------------

    def _still(self) -> str:
        if not self.effects:
            return "<p>Nothing is measured yet.</p>"
        return (
            f"<p>{self._headline.value}</p>{step_table(self.effects)}"
            f"<p>{plain(self.step)}: {plain(self.effects[self.step].sentence, limit=700)}</p>"
            f"{self._table.value}"
        )
