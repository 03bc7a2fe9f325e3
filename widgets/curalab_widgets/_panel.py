"""The box that every panel is: what is selected, decisions, keys, and a picture for later."""

from __future__ import annotations

import getpass
import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets
from IPython.display import publish_display_data

from curalab._check import check_labels, complain, rows_of
from curalab._hidden import refuse_to_show
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.ledger.replay import standing
from curalab_widgets._cards import is_missing, plain
from curalab_widgets._code import code_of
from curalab_widgets._page import page
from curalab_widgets._work import Work

__all__ = ["Ids", "Panel", "check_ledger"]

logger = logging.getLogger(__name__)

_VIEW = "application/vnd.jupyter.widget-view+json"


class Ids(traitlets.TraitType[list[Any], Any]):
    """Ids of the panel's items as a list, at most `most`; any sequence of ids may be set."""

    def __init__(self, *, most: int | None = None) -> None:
        self._most = most
        super().__init__()

    def make_dynamic_default(self) -> list[Any]:
        """Return an empty list, another one for each panel."""
        return []

    def validate(self, obj: Any, value: Any) -> list[Any]:
        """Return `value` as a list of known ids, each once."""
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise TypeError(complain(str(self.name), "a list of ids", value))
        rows = pd.unique(rows_of(obj.ids, value, name=str(self.name)))
        if self._most is not None and len(rows) > self._most:
            rule = f"a list of {self._most} id at most"
            raise ValueError(complain(str(self.name), rule, what=f"{len(rows):,} ids"))
        return list(obj.ids[rows].tolist())


def check_ledger(ledger: Any) -> None:
    """Refuse what is neither a Ledger nor None."""
    if ledger is not None and not isinstance(ledger, Ledger):
        raise TypeError(complain("ledger", "a Ledger, such as cl.Ledger('my.ledger')", ledger))


def _user() -> str:
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that have no name
        return "unnamed"


class _Ear(anywidget.AnyWidget):
    """What listens in the browser."""

    _esm = Path(__file__).parent / "_panel.js"
    _css = Path(__file__).parent / "_panel.css"
    wanted = traitlets.List(traitlets.Unicode()).tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)


# Panels by the name that links them.
_LINKED: dict[str, weakref.WeakSet[Panel]] = {}


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
        self._actor = actor or _user()
        self._labels = None if labels == "label" and labels not in items.columns else labels
        check_ledger(ledger)
        if ledger is not None and self._labels is not None:
            check_column(items, labels, name="labels")
        self._history: list[tuple[Sequence[int], list[Any]]] = []
        self._keys: dict[str, Callable[[], object]] = {}
        self._title, self._work = title, Work(self._tell_wrong)
        self._said = ipywidgets.HTML()
        self._ear = _Ear(title=title)
        self._ear.on_msg(self._hear)
        super().__init__()
        self._ear.still = str(self.model_id)
        self.add_class("curalab-panel")
        self._join(link)

    def __repr__(self) -> str:
        chosen = f"{len(self.selected):,} selected"
        return f"{type(self).__name__}({len(self.ids):,} items, {chosen})"

    # ---- one selection for several panels --------------------------------------------------------

    def _join(self, link: str | None) -> None:
        if link is None:
            return
        if not isinstance(link, str):
            raise TypeError(complain("link", "a name that several panels are given", link))
        group = _LINKED.setdefault(link, weakref.WeakSet())

        def pass_on(change: Any) -> None:
            # What this panel shows of another's selection is not news for the others.
            for other in [] if self._follows else list(group - {self}):
                other._follows = True
                try:
                    other._follow(change["new"])
                finally:
                    other._follows = False

        self._follows = False
        self.observe(pass_on, "selected")
        group.add(self)

    def _follow(self, ids: list[Any]) -> None:
        """Select what a linked panel selects, as far as it is known here."""
        rows = self.ids.get_indexer(pd.Index(ids, dtype=object if not ids else None))
        known = self.ids[rows[rows >= 0]]
        if len(known) or not ids:
            self.selected = known

    def close(self) -> None:
        """Take the panel off the page, and out of what it is linked to."""
        for group in _LINKED.values():
            group.discard(self)
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
        given = [self._given(row) for row in self._rows()]
        same = [not is_missing(old) and bool(old == new) for old in given]
        self._record(
            action=["keep" if s else "relabel" for s in same],
            field=[None if s else self._labels for s in same],
            old=[np.nan if is_missing(old) else old for old in given],
            new=[None if s else new for s in same],
        )

    def undo(self) -> None:
        """Take back the panel's last decision, after a restart the actor's; select its items.

        What was decided at once is taken back at once.
        """
        events, ids = self._take_back()
        self.selected = [known for known in ids if known in self.ids]
        self._say(f"Taken back: {self._count(len(events))}.")
        self.recorded += 1

    def _take_back(self) -> tuple[Sequence[int], list[Any]]:
        """Undo the last decision in the ledger; return its events and ids."""
        ledger = self._need_ledger()
        events, ids = self._history[-1] if self._history else self._earlier()
        ledger.undo_many(events, actor=self._actor)
        self._history[-1:] = []
        return events, ids

    def _earlier(self) -> tuple[Sequence[int], list[Any]]:
        """Return the events and ids of the actor's last decision that stands, made at once."""
        events = standing(self._need_ledger().to_frame())
        own = events[(events["actor"] == self._actor).to_numpy()]
        if not len(own):
            raise ValueError("There is nothing to take back.")
        last = own[(own["time"] == own["time"].iloc[-1]).to_numpy()]
        return last.index.tolist(), last["row_id"].tolist()

    def _record(self, **columns: Any) -> None:
        self._need_ledger()
        if not (ids := self.selected):
            raise ValueError("There is nothing to decide: no item is selected.")
        given = {"row_id": ids, **self._grounds(), **columns}
        wide = {k: v if isinstance(v, list) else [v] * len(ids) for k, v in given.items()}
        self._write_down(pd.DataFrame(wide, dtype=object))

    def _write_down(self, decisions: pd.DataFrame) -> pd.RangeIndex:
        """Write a table of decisions as one, signed; return their numbers."""
        events = self._need_ledger().record_many(decisions.assign(actor=self._actor))
        self._history.append((list(events), decisions["row_id"].tolist()))
        self._say(f"Recorded: {self._count(len(events))}, signed {self._actor}.")
        self.recorded += 1
        return events

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

    def _dropdown(
        self, trait: str, text: str, names: Sequence[Any], *, none: str
    ) -> ipywidgets.Dropdown:
        """Return a list of names for a trait; `none` stands for None, which no list would show."""
        nothing = object()
        options = [(none, nothing), *((str(name), name) for name in names)]
        choice = ipywidgets.Dropdown(options=options, description=text)
        known = (
            lambda name: nothing if name is None else name,
            lambda name: None if name is nothing else name,
        )
        traitlets.link((self, trait), (choice, "value"), transform=known)
        return choice

    def _labelling(self) -> list[ipywidgets.Widget]:
        """Return a list of the classes to relabel to, and give them keys.

        Number keys are the first nine classes; where classes are themselves called by single
        digits, each key is the class of its name.
        """
        if self._labels is None:
            return []
        classes = check_labels(self._items[self._labels])[2].tolist()
        by_name = all(len(str(c)) == 1 and str(c).isdigit() for c in classes)
        keys = {str(c) if by_name else str(i): c for i, c in enumerate(classes[:10], start=1)}
        keys.pop("10", None)
        self._keys |= {key: partial(self.relabel, name) for key, name in keys.items()}
        hint = " ".join(f"<kbd>{k}</kbd>{'' if by_name else plain(c)}" for k, c in keys.items())
        choice = ipywidgets.Dropdown(options=[(str(c)[:60], c) for c in classes])
        return [
            self._button("Relabel to", "Give this label", lambda: self.relabel(choice.value)),
            choice,
            ipywidgets.HTML(f"<span class='curalab-said'>Keys: {hint}</span>"),
        ]

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
