"""An audit as a start page: its problems in a list, each opens the panel that deals with it."""

from __future__ import annotations

import uuid
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

import curalab as cl
from curalab._check import align, check_choice, complain
from curalab.audits import Audit
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab_widgets._cards import Cards, plain
from curalab_widgets._decisions import decided
from curalab_widgets._panel import Panel
from curalab_widgets.duplicates import DuplicatePanel
from curalab_widgets.map import MapPanel
from curalab_widgets.review import ReviewPanel

__all__ = ["AuditPanel"]

_SHOWN = 4  # rows of a problem in the still page
_RESULTS = {"label errors": "label_errors", "outliers": "outliers"}  # problem, finder


class AuditPanel(Panel):
    """The problems of an audit, the most pressing first, and what deals with each.

    Label errors, outliers and other rows to decide about open a `ReviewPanel`, copies a
    `DuplicatePanel`, everything else a `MapPanel` on which the rows are selected. The panel opened
    writes into the same ledger, and the list tells how far each problem is.

    Parameters
    ----------
    report : Audit
        What `audit` found. One that was opened from disk holds no results: its rows are reviewed
        without what the finders know of them.
    items : DataFrame
        The table that was audited, aligned by id.
    embedding : Embedding, default=None
        The vectors that were audited: neighbours beside the items, and a map where there is no
        `view`. None is without both.
    view : Embedding of 2 columns, default=None
        The map to show rows on. None makes one by PCA.
    ledger : Ledger, default=None
        Where decisions go. None shows only.
    labels : str, default="label"
        The column that relabelling changes.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    selected : list
        Ids of the open problem's rows; the panel opened and this one share what is selected.
    problem : str or None
        The problem that is open. Setting it opens its panel.
    opened : Panel or None
        The panel that is open.

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> from curalab_widgets import AuditPanel
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> x[7] = x[3]
    >>> emb = cl.Embedding(vectors=x)
    >>> items = pd.DataFrame({"site": ["a", "b"] * 30})
    >>> panel = AuditPanel(cl.audit(items, embedding=emb, random_state=0), items, embedding=emb)
    >>> panel.problem = "duplicates"
    >>> panel.opened, panel.selected
    (DuplicatePanel(60 items, 2 selected), [3, 7])
    """

    problem = traitlets.Any(default_value=None, allow_none=True)
    opened = traitlets.Any(default_value=None, allow_none=True, read_only=True)

    _state = ("problem", "selected")

    def __init__(
        self,
        report: Any,
        items: pd.DataFrame,
        *,
        embedding: Embedding | None = None,
        view: Any = None,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
    ) -> None:
        if not isinstance(report, Audit):  # of a caller without types
            got = type(report).__name__
            raise TypeError(complain("report", "an Audit, what cl.audit returns", what=got))
        items = align("items", check_table("items", items), report.ids)
        made_of = str(report.params.get("embedding"))
        if embedding is not None and embedding.fingerprint != made_of:
            what = f"that of {embedding.fingerprint[:8]}, while the audit is of {made_of[:8]},"
            raise ValueError(complain("embedding", "the one that was audited", what=what))
        title = "Audit"
        # What opens shares the selection with this list, whether others do or not.
        link = link or f"audit {uuid.uuid4()}"
        super().__init__(items, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._report, self._embedding, self._view, self._link = report, embedding, view, link
        self._cards = Cards(items.drop(columns=self._labels or []))
        self._list = ipywidgets.HTML()
        self._place = ipywidgets.VBox()
        self._all = self._button("", "Record the action for all rows not decided", self.accept)
        self._bar = [
            self._button("Back to the list", "Close the panel that is open", self.close_problem),
            self._all,
            self._button("Undo", "Take back the last decision about all rows", self.undo),
        ]
        self._show([self._list], self._bar, [self._place])
        self._place.layout.width = "100%"
        self._draw()

    # ---- what a hand can do ----------------------------------------------------------------------

    @traitlets.validate("problem")
    def _known(self, proposal: Any) -> Any:
        names = self._report.problems["problem"].tolist()
        if proposal["value"] is not None:
            check_choice("problem", proposal["value"], names)
            if not len(self._row(proposal["value"]).ids):
                raise ValueError("This problem is about columns as a whole: it has no rows.")
        return proposal["value"]

    @traitlets.observe("problem")
    def _open(self, change: Any) -> None:
        try:
            made = None if self.problem is None else self._panel_of(self._row(self.problem))
        except Exception:
            self.problem = change["old"]
            raise
        self._set_opened(made)

    def show_on_map(self) -> None:
        """Show the rows of the open problem on the map, in place of the panel that decides."""
        if self.problem is None:
            raise ValueError("There is nothing to show: no problem is open.")
        if isinstance(self.opened, MapPanel):
            return
        self._set_opened(self._map())

    def _set_opened(self, made: Panel | None) -> None:
        if self.opened is not None:
            self.opened.close()
        self.set_trait("opened", made)
        self._place.children = () if made is None else (made,)
        if made is not None:
            # Decisions made there change what the list tells.
            made.observe(lambda _: self._draw(), "recorded")
            ids = self._report.rows(self.problem)
            if isinstance(made, MapPanel):
                made.selected = ids
            self.selected = made.selected or ids
        self._draw()

    def close_problem(self) -> None:
        """Close the panel that is open."""
        self.problem = None

    def accept(self) -> None:
        """Drop all rows of the open problem that are not decided, where dropping is the action."""
        if self.problem is None or "'drop'" not in self._row(self.problem).call:
            raise ValueError("There is nothing to accept: no problem whose rows may go is open.")
        self.selected = self._undecided(self._report.rows(self.problem))
        self._record(action="drop")

    def _heed(self, _: pd.DataFrame | None) -> None:
        if self.problem is None:
            self._draw()
        else:  # its panel is to know it, too
            is_map = isinstance(self.opened, MapPanel)
            self._set_opened(self._map() if is_map else self._panel_of(self._row(self.problem)))

    def _grounds(self) -> dict[str, Any]:
        row = self._row(self.problem)
        made = {"method": "audit", "embedding": self._report.params["embedding"]}
        return {**made, "params": dict(self._report.params), "reason": row.problem}

    def _pick(self, what: str, number: int) -> None:
        name = self._report.problems["problem"].iloc[number]
        if what == "problem":
            self.problem = name
        elif what == "map":
            self.problem = name
            self.show_on_map()

    def undo(self) -> None:
        """Take back the last decision about all rows of a problem."""
        super().undo()

    # ---- the panel of a problem ------------------------------------------------------------------

    def _row(self, name: str) -> Any:
        table = self._report.problems
        return next(row for row in table.itertuples() if row.problem == name)

    def _panel_of(self, row: Any) -> Panel:
        given: dict[str, Any] = {"ledger": self._ledger, "actor": self._actor, "link": self._link}
        given["labels"] = self._labels or "label"
        results = self._report.results
        if row.problem == "duplicates" and "duplicates" in results:
            return DuplicatePanel(results["duplicates"], self._items, **given)
        if self._ledger is None or not row.call:
            return self._map()
        suspects = results.get(_RESULTS.get(row.problem, ""), list(row.ids))
        return ReviewPanel(suspects, self._items, embedding=self._embedding, **given)

    def _map(self) -> MapPanel:
        if self._view is None and self._embedding is None:
            raise ValueError(complain("view", "given to the panel, as 'embedding' is not", None))
        if self._view is None:
            self._view = cl.reduce(self._embedding, method="pca", random_state=0)
        return MapPanel(
            self._view,
            self._items,
            color=self._labels,
            ledger=self._ledger,
            labels=self._labels or "label",
            actor=self._actor,
            link=self._link,
            embedding=self._embedding,
        )

    # ---- what is shown ---------------------------------------------------------------------------

    def _undecided(self, ids: pd.Index) -> pd.Index:
        if self._ledger is None:
            return ids
        said = decided(self._ledger, ids)
        return ids[(said == "undecided").to_numpy()]

    def _draw(self) -> None:
        table = self._report.problems
        said = None if self._ledger is None else decided(self._ledger, self.ids) != "undecided"
        rows = [self._line(row, said) for row in table.itertuples()]
        names = ["problem", "items", "share", *([] if said is None else ["decided"])]
        head = "".join(f"<th>{name}</th>" for name in [*names, "evidence", "do", ""])
        failed = "".join(
            f"<p class='curalab-wrong'>The finder {plain(name)} failed. {plain(why, limit=300)}</p>"
            for name, why in self._report.errors.items()
        )
        none = "" if rows else "<p>No problems found.</p>"
        self._list.value = (
            f"{failed}{none}<table class='curalab-audit'><tr>{head}</tr>{''.join(rows)}</table>"
        )
        self._draw_bar()

    def _draw_bar(self) -> None:
        is_open = self.problem is not None
        for button in self._bar:
            button.layout.display = "" if is_open else "none"
        row = self._row(self.problem) if is_open else None
        left: Any = [] if row is None else self._undecided(pd.Index(row.ids))
        can = row is not None and self._ledger is not None and "'drop'" in row.call and len(left)
        self._all.layout.display = "" if can else "none"
        self._all.description = f"Drop all {len(left):,} undecided"

    def _line(self, row: Any, said: pd.Series[bool] | None) -> str:
        name = plain(row.problem)
        picked = (
            f"<button class='curalab-key' data-pick='problem:{row.Index}'><b>{name}</b></button>"
        )
        on_map = f"<button class='curalab-key' data-pick='map:{row.Index}'>on the map</button>"
        n = len(row.ids)
        cells = [picked if n else f"<b>{name}</b>", f"{n:,}" if n else "–"]
        cells.append(f"{row.share:.1%}" if n else "")
        if said is not None:
            done = int(said.loc[pd.Index(row.ids)].sum()) if n else 0
            cells.append(f"{done:,} of {n:,}" if n else "")
        cells += [plain(row.evidence, limit=400), plain(row.action, limit=200)]
        has_map = self._view is not None or self._embedding is not None
        cells.append(on_map if n and has_map else "")
        mark = " class='curalab-open' aria-current='true'" if row.problem == self.problem else ""
        return f"<tr{mark}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

    def _still(self) -> str:
        parts = [f"<p>{plain(repr(self._report), limit=200)}</p>"]
        problems: Any = self._report.problems.itertuples()
        for row in problems:
            rows = self.ids.get_indexer(pd.Index(list(row.ids)[:_SHOWN])).tolist()
            why = {"why": list(row.why)[:_SHOWN]} if len(row.why) else {}
            parts.append(
                f"<h3>{plain(row.problem)} <small>{len(row.ids):,} items</small></h3>"
                f"<p>{plain(row.evidence, limit=400)}. Do: {plain(row.action, limit=200)}.</p>"
                f"{self._cards.table(rows, why) if rows else ''}"
            )
        return "".join(parts)
