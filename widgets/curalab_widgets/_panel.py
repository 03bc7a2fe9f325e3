"""The box that every panel is: what is selected, decisions, keys, and a picture for later."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import anywidget
import ipywidgets
import pandas as pd
import traitlets
from IPython.display import publish_display_data

from curalab._check import complain, rows_of
from curalab._hidden import refuse_to_show
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.ledger.replay import standing
from curalab_widgets._cards import plain
from curalab_widgets._code import code_of
from curalab_widgets._decisions import check_ledger, latest_of, relabels, user
from curalab_widgets._page import page
from curalab_widgets._selected import Ids, join, leave
from curalab_widgets._work import Work

__all__ = ["Panel"]

logger = logging.getLogger(__name__)

_VIEW = "application/vnd.jupyter.widget-view+json"


class _Ear(anywidget.AnyWidget):
    """What listens in the browser."""

    _esm = Path(__file__).parent / "_panel.js"
    _css = Path(__file__).parent / "_panel.css"
    wanted = traitlets.List(traitlets.Unicode()).tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """A box over a table of items, whose index holds the ids that may be selected.

    What a hand can do a method does; buttons and keys only call it. With a ledger, decisions about
    the selected items go there before the call returns. Panels given the same `link`, a name,
    share what is selected, each as far as it knows the ids.
    """

    selected = Ids()
    recorded = traitlets.Int(0)  # times that decisions were written or taken back here

    _state: tuple[str, ...] = ("selected",)  # traits that `to_code` writes down
    _args: tuple[Any, ...] = ()
    _kwargs: Mapping[str, Any] = {}
    _follows = False  # what is selected now was selected in a linked panel

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made: Self = super().__new__(cls, *args, **kwargs)
        made._args, made._kwargs = args, kwargs
        return made

    def __init__(
        self,
        items: pd.DataFrame,
        *,
        title: str,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
    ) -> None:
        refuse_to_show("A panel")
        self.ids = items.index
        self._items, self._ledger = items, ledger
        self._actor = actor or user()
        self._labels = None if labels == "label" and labels not in items.columns else labels
        check_ledger(ledger)
        if self._labels is not None:
            check_column(items, labels, name="labels")
        self._history: list[tuple[Sequence[int], list[Any]]] = []
        self._keys: dict[str, Callable[[], object]] = {}
        self._title = title
        self._work = Work(self._tell_wrong, lambda: self._try(self._stopped))
        self._said = ipywidgets.HTML()
        self._ear = _Ear(title=title)
        self._ear.on_msg(self._hear)
        super().__init__()
        self._ear.still = str(self.model_id)
        self.add_class("curalab-panel")
        join(self, link)

    def __repr__(self) -> str:
        chosen = f"{len(self.selected):,} selected"
        return f"{type(self).__name__}({len(self.ids):,} items, {chosen})"

    # ---- what is selected ------------------------------------------------------------------------

    def clear(self) -> None:
        """Select nothing."""
        self.selected = []

    def _follow(self, ids: list[Any]) -> None:
        """Select what a linked panel selects, as far as it is known here."""
        rows = self.ids.get_indexer(pd.Index(ids, dtype=object if not ids else None))
        known = self.ids[rows[rows >= 0]]
        if len(known) or not ids:
            self.selected = known

    def close(self) -> None:
        """Take the panel off the page, and out of what it is linked to."""
        leave(self)
        super().close()

    # ---- decisions -------------------------------------------------------------------------------

    def keep(self) -> None:
        """Record that the selected items are right as they are."""
        self._record(action="keep")

    def drop(self) -> None:
        """Record that the selected items do not belong in the dataset."""
        self._record(action="drop")

    def relabel(self, new: Any) -> None:
        """Record that the selected items have the label `new`; those that have it are kept."""
        if self._labels is None:
            raise ValueError(complain("labels", "a column of the items, to relabel", None))
        given = self._items[self._labels].iloc[self._rows()]
        self._record(**relabels(given, [new] * len(given), self._relabelled))

    def _relabelled(self) -> pd.Index:
        """Return the ids that have a label from the ledger."""
        known = self._need_ledger().decisions()
        return known.index[(known["action"] == "relabel") & (known["field"] == self._labels)]

    def undo(self) -> None:
        """Take back the panel's last decision, after a restart the actor's; select its items.

        What was decided at once is taken back at once.
        """
        ledger = self._need_ledger()
        events, ids = self._history[-1] if self._history else self._earlier()
        ledger.undo_many(events, actor=self._actor)
        self._history[-1:] = []
        self._heed(None)
        self._follow([known for known in ids if known in self.ids])
        self._say(f"Taken back: {self._count(len(events))}.")
        self.recorded += 1

    def _earlier(self) -> tuple[Sequence[int], list[Any]]:
        """Return the events and ids of the actor's last decision that stands, made at once."""
        return latest_of(standing(self._need_ledger().to_frame()), self._actor)

    def _record(self, **columns: Any) -> None:
        """Write a decision about the selected items; columns are values, or lists of one each."""
        self._need_ledger()
        if not self.selected:
            raise ValueError("There is nothing to decide: no item is selected.")
        self._decide(self.selected, **columns)

    def _decide(self, ids: list[Any], **columns: Any) -> None:
        given = {"row_id": ids, **self._grounds(), **columns}
        wide = {k: v if isinstance(v, list) else [v] * len(ids) for k, v in given.items()}
        self._write_down(pd.DataFrame(wide, dtype=object))

    def _write_down(self, decisions: pd.DataFrame) -> pd.RangeIndex:
        """Write a table of decisions as one, signed; return their numbers."""
        events = self._need_ledger().record_many(decisions.assign(actor=self._actor))
        self._history.append((list(events), decisions["row_id"].tolist()))
        self._heed(decisions)
        self._say(f"Recorded: {self._count(len(events))}, signed {self._actor}.")
        self.recorded += 1
        return events

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        """Show what was decided just now; None: something was taken back, read the ledger.

        What became of it is said afterwards, so what is said here does not stay.
        """

    def _grounds(self) -> dict[str, Any]:
        """Return what a decision rests on: method, params, embedding, reason."""
        return {}

    def _need_ledger(self) -> Ledger:
        if self._ledger is None:
            raise ValueError(complain("ledger", "given to the panel, to decide", None))
        return self._ledger

    def _rows(self) -> list[int]:
        return list(rows_of(self.ids, self.selected).tolist())

    def _given(self, row: int) -> Any:
        return None if self._labels is None else self._items[self._labels].iloc[row]

    @staticmethod
    def _count(n: int) -> str:
        return "1 decision" if n == 1 else f"{n:,} decisions"

    # ---- buttons and keys ------------------------------------------------------------------------

    def _button(
        self, text: str, tooltip: str, does: Callable[[], object], *, key: str = ""
    ) -> ipywidgets.Button:
        """Return a button; `key`, if given, does the same and stands on it."""
        label = f"{text} ({key.upper()})" if key else text
        button = ipywidgets.Button(description=label, tooltip=tooltip)
        button.on_click(lambda _: self._try(does))
        if key:
            self._keys[key] = does
        return button

    def _show(self, *rows: Sequence[ipywidgets.Widget]) -> None:
        boxes = [ipywidgets.HBox(row) for row in rows if row]
        for box in boxes:
            box.add_class("curalab-row")
        self._ear.wanted = list(self._keys)
        self.children = [*boxes, self._work.bar, self._said, self._ear]

    def _hear(self, _: Any, message: Mapping[str, str], __: Any) -> None:
        if message.get("key") in self._keys:
            self._try(self._keys[message["key"]])
        elif "pick" in message:
            what, _, number = message["pick"].partition(":")
            self._try(lambda: self._pick(what, int(number)))

    def _pick(self, what: str, number: int) -> None:
        """Do what a click on an element with ``data-pick="what:number"`` asks for."""

    def _stopped(self) -> None:
        """Show what is, as what a hand asked for was stopped."""

    def _try(self, does: Callable[[], object]) -> None:
        """Do what a hand asked for; where it fails, say so in the panel: a log is not seen."""
        try:
            does()
        except Exception as error:
            self._tell_wrong(error)

    def _tell_wrong(self, error: Exception) -> None:
        logger.debug("A panel could not do what was asked.", exc_info=error)
        self._say(str(error.args[0] if error.args else error), is_wrong=True)

    def _say(self, text: str, *, is_wrong: bool = False) -> None:
        kind, role = ("curalab-wrong", "alert") if is_wrong else ("curalab-said", "status")
        self._said.value = f"<div class='{kind}' role='{role}'>{plain(text, limit=500)}</div>"

    # ---- to keep and to pass on ------------------------------------------------------------------

    def to_code(self) -> str:
        """Return the Python that makes this panel as it stands.

        Large things appear under the name that they have in the notebook.
        """
        state = {name: getattr(self, name) for name in self._state}
        return code_of(type(self), self._args, self._kwargs, state)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the panel as it stands as a page without anything live in it, nor links."""
        Path(path).write_text(page(self._title, self._still()), encoding="utf-8")

    def _still(self) -> str:
        """Return the panel as it stands, as HTML without anything live in it."""
        return plain(repr(self))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        still = f"<div class='curalab-still-{self.model_id}'>{self._still()}</div>"
        return {**bundle, "text/html": still}

    def _ipython_display_(self) -> None:
        # Two outputs, because nbconvert shows a widget it has the state of and then nothing beside
        # it, and without the network that widget stays empty. The live panel hides the picture.
        bundle = self._repr_mimebundle_()
        view = bundle.pop(_VIEW)
        publish_display_data(bundle)  # type: ignore[no-untyped-call]
        publish_display_data({_VIEW: view, "text/html": ""})  # type: ignore[no-untyped-call]
