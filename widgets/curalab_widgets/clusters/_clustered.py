"""What a panel of clusters knows: settings, what was done by hand, and what comes of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from curalab._check import complain, rows_of
from curalab.clusters import Clustering
from curalab.pool import Pool
from curalab_widgets._cards import Cards
from curalab_widgets._decisions import relabels
from curalab_widgets._panel import Panel
from curalab_widgets.clusters._found import Finder, Found
from curalab_widgets.clusters._grouping import Edit, check_links, read_edit, written
from curalab_widgets.clusters._ledger import edits_in, labels_in, tags

__all__ = ["Clustered"]


class Clustered(Panel):
    """Clusters that follow settings and edits, both of which may be set.

    Set from Python, the clusters are found before that returns, and nothing changes where they
    cannot be. By hand, edits are recorded and the clusters follow.
    """

    settings = traitlets.Dict()
    edits: Any = traitlets.List()
    clustering = traitlets.Instance(Clustering, allow_none=True, read_only=True)
    names: Any = traitlets.Dict(read_only=True)
    validity = traitlets.Float(float("nan"), read_only=True)

    _state: tuple[str, ...] = ("settings", "edits", "selected")

    def __init__(self, pool: Pool, items: pd.DataFrame, method: Any, **kwargs: Any) -> None:
        super().__init__(items, title="Clusters", **kwargs)
        self._pool, self._cards = pool, Cards(items)
        texts = items[self._cards.texts[0]] if self._cards.texts else None
        self._finder = Finder(pool, method, texts)
        self._done: list[Edit] = []  # what `edits` says, as rows
        self._events: list[int] = []  # in the ledger, for each
        self._before: list[list[Any]] = []  # edits before each change, without a ledger
        self._is_hand = self._is_reading = False
        settings = self._reopened()
        self._wanted = dict(settings)  # what the sliders show
        self._found = self._ready = self._finder.find(settings, self._done)
        self._labelled = labels_in(self._ledger, items, self._labels)
        self._read_in(settings=settings, edits=written(self._done, self.ids))

    @property
    def _fingerprint(self) -> str:
        return self._pool.embedding.fingerprint

    def _reopened(self) -> dict[str, Any]:
        """Read what was done before; return the settings it was done under, else the method's."""
        settings = dict(self._finder.settings)
        if self._ledger is None:
            return settings
        self._state = ("settings", "selected")  # the ledger has the edits
        self._done, self._events, last = edits_in(self._ledger, self.ids, self._fingerprint)
        is_same = last.get("method") == self._finder.name and last.get("given") == settings
        return dict(last["settings"]) if is_same else settings

    def _read_in(self, **traits: Any) -> None:
        """Set traits to what is found and recorded already."""
        self._is_reading = True
        try:
            for name, value in traits.items():
                setattr(self, name, value)
        finally:
            self._is_reading = False

    # ---- settings and edits ----------------------------------------------------------------------

    @traitlets.validate("settings")
    def _check_settings(self, proposal: Any) -> dict[str, Any]:
        if self._is_reading:
            return dict(proposal["value"])
        settings = self._finder.completed(proposal["value"], self.settings)
        if self._ready.settings != settings or list(self._ready.edits) != self._done:
            self._work.stop()
            self._ready = self._finder.find(settings, self._done)
        return settings

    @traitlets.observe("settings")
    def _set(self, _: Any) -> None:
        if not self._is_reading:
            self._show_found(self._ready)

    @traitlets.validate("edits")
    def _check_edits(self, proposal: Any) -> list[list[Any]]:
        if self._is_reading:
            return list(proposal["value"])
        edits = [read_edit(edit, self.ids) for edit in proposal["value"]]
        check_links(edits, self.ids)
        if not self._is_hand:
            self._work.stop()
            self._ready = self._finder.find(dict(self.settings), edits)
        self._record_edits(edits)
        return written(edits, self.ids)

    @traitlets.observe("edits")
    def _edited(self, _: Any) -> None:
        if not self._is_reading:
            self._update()

    def _add(self, *edits: Edit) -> None:
        self.edits = written([*self._done, *edits], self.ids)

    def _record_edits(self, edits: list[Edit]) -> None:
        """Bring the ledger to these edits: what is no more is taken back, what is new recorded."""
        if edits == self._done:
            return
        pairs = zip(self._done, edits, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._before.append(list(self.edits))
        if self._ledger is not None:
            gone = self._events[same:]
            self._ledger.undo_many(gone, actor=self._actor)
            left = [([e for e in made if e not in gone], ids) for made, ids in self._history]
            self._history = [(made, ids) for made, ids in left if made]
            self._events = [*self._events[:same], *self._recorded(edits[same:])]
        self._done = edits

    def _recorded(self, edits: Sequence[Edit]) -> list[int]:
        if not edits:
            return []
        about = {"method": self._finder.name, "given": self._finder.settings}
        frame = tags(
            edits,
            self.ids,
            method=self._finder.name,
            embedding=self._fingerprint,
            about={**about, "settings": self._wanted},
        )
        return list(self._write_down(frame))

    # ---- labels, and back ------------------------------------------------------------------------

    def accept(self) -> None:
        """Record the name of each cluster that has one as the label of its rows.

        Noise and clusters without a name are left as they are; rows that have the label are kept.
        """
        self._need_ledger()
        made = self._found.clustering
        if self._labels is None:
            hint = "Add one: items['label'] = None."
            raise ValueError(complain("labels", "a column of the items, to relabel", None, hint))
        if not self.names:
            raise ValueError("There is nothing to accept: no cluster has a name.")
        rows = np.flatnonzero(np.isin(made.labels, list(self.names)))
        numbers = made.labels[rows].tolist()
        new = [self.names[number] for number in numbers]
        said = {
            **{key: made.params.get(key) for key in ("settings", "random_state")},
            "edits": sum(edit.kind != "name" for edit in self._done),
        }
        self._decide(
            self.ids[rows].tolist(),
            **relabels(self._items[self._labels].iloc[rows], new, self._relabelled),
            reason=[f"cluster {number}" for number in numbers],
            params=said,
            method=self._finder.name,
            embedding=self._fingerprint,
        )

    def undo(self) -> None:
        """Take back the last change or acceptance; after a restart the actor's last decision."""
        if self._ledger is None:
            if not self._before:
                raise ValueError("There is nothing to take back.")
            self.edits = self._before[-1]
            del self._before[-2:]
            return
        super().undo()

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        if decisions is None:
            self._done, self._events, _ = edits_in(self._need_ledger(), self.ids, self._fingerprint)
            self._read_in(edits=written(self._done, self.ids))
            self._labelled = labels_in(self._ledger, self._items, self._labels)
            self._update()
        elif len(new := decisions[decisions["action"] == "relabel"]):
            self._labelled[rows_of(self.ids, new["row_id"])] = new["new"].to_numpy()
            self._show_found(self._found)

    # ---- what comes of them ----------------------------------------------------------------------

    def _update(self) -> None:
        """Find the clusters anew: by hand beside the kernel, else at once."""
        settings, edits = dict(self._wanted if self._is_hand else self.settings), list(self._done)
        if self._ready.settings == settings and list(self._ready.edits) == edits:
            self._take_over(self._ready)
            return
        self._soon(lambda: self._finder.find(settings, edits), self._take_over, what="Clustering")

    def _move(self, name: str, value: Any) -> None:
        """Find the clusters under another setting, beside the kernel."""
        self._wanted = {**self._wanted, name: value}
        self._try(self._update)

    def _take_over(self, found: Found) -> None:
        self._ready = found
        if found.settings != self.settings:
            self.settings = found.settings
        else:
            self._show_found(found)

    def _show_found(self, found: Found) -> None:
        """Show what was found."""
        self._found, self._wanted = found, dict(found.settings)
        self.set_trait("validity", found.validity)
        self.set_trait("names", found.names())
        self.set_trait("clustering", found.clustering)

    def _soon(
        self,
        compute: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        what: str,
        is_long: bool = True,
    ) -> None:
        """Do what a hand asked for beside the kernel, if that may take long; else at once."""
        if self._is_hand and is_long:
            self._work.ask(compute, lambda answer: self._try(lambda: done(answer)), what=what)
        else:
            done(compute())

    def _try(self, does: Callable[[], object]) -> None:
        was, self._is_hand = self._is_hand, True
        try:
            super()._try(does)
        finally:
            self._is_hand = was
