"""Suspects one by one: look, decide, undo; each decision is on disk before the next item shows."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import check_ids, check_integer, complain, rows_of
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab.results import StageResult
from curalab_widgets._cards import Cards, is_missing, plain
from curalab_widgets._panel import Ids, Panel

__all__ = ["ReviewPanel"]

_NEIGHBORS = 6
_MARKS = {"quality": "label quality (1 is clean)", "oddness": "oddness (higher is odder)"}


class ReviewPanel(Panel):
    """A queue of suspects to keep, relabel, drop or skip, straight into the ledger.

    Keys, while the panel has the focus: K keep, R relabel to the suggestion, D drop, S skip,
    U undo, and number keys for the classes. Each is a method too: `keep`, `relabel`, `drop`,
    `skip`, `undo`.

    Parameters
    ----------
    suspects : LabelErrors, Outliers, another result, or sequence of ids
        Whom to look at: the worst or oddest first, or in the order given.
    items : DataFrame
        The items; its index holds the ids.
    ledger : Ledger
        Where decisions go. Items that the actor has decided on are not asked again; what others
        and rules decided is open to a second opinion.
    labels : str, default="label"
        The column that relabelling changes. A table without "label" has nothing to relabel.
    actor : str, default=None
        Who decides. None is the name of the user.
    n : int, default=None
        Length of the queue. None takes all that the result marks, or all ids.
    embedding : Embedding, default=None
        With one, the nearest neighbours of each suspect stand beside it; LabelErrors know theirs.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    selected : list
        The id on show, or nothing when all are decided. Setting it shows that item.
    decided : int
        How many of the queue are decided.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from curalab.ledger import Ledger
    >>> from curalab_widgets import ReviewPanel
    >>> items = pd.DataFrame({"label": ["cat", "dog", "cat"]}, index=["a", "b", "c"])
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Ledger(f"{folder.name}/pets.ledger") as ledger:
    ...     panel = ReviewPanel(["c", "a"], items, ledger, actor="Ann")
    ...     panel.relabel("dog")
    ...     panel.selected, ledger.apply(items).loc["c", "label"]
    (['a'], 'dog')
    >>> folder.cleanup()
    """

    selected = Ids(most=1)
    decided = traitlets.Int(0)

    def __init__(
        self,
        suspects: Any,
        items: pd.DataFrame,
        ledger: Ledger,
        *,
        labels: str = "label",
        actor: str | None = None,
        n: int | None = None,
        embedding: Embedding | None = None,
        link: str | None = None,
    ) -> None:
        items = check_table("items", items)
        title = "Review of suspects"
        super().__init__(items, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._need_ledger()
        self._result = suspects if isinstance(suspects, StageResult) else None
        self._queue = rows_of(self.ids, _queued(suspects, n), name="suspects").tolist()
        self._embedding = embedding
        self._cards = Cards(items.drop(columns=self._labels or []))
        self._done = self._decided_before()
        self._build()
        self._next()

    def _decided_before(self) -> set[int]:
        known = self._need_ledger().decisions()
        counts = known["action"].isin(["keep", "drop"]) | (
            (known["action"] == "relabel") & (known["field"] == (self._labels or ""))
        )
        counts &= known["actor"] == self._actor
        return set(self.ids.get_indexer(known.index[counts]).tolist())

    def _build(self) -> None:
        self._progress, self._card, self._facts = (ipywidgets.HTML() for _ in range(3))
        self._facts.add_class("curalab-side")
        self._accept: ipywidgets.Button | None = None
        if self._labels is not None and hasattr(self._result, "suggested"):
            self._accept = self._button("Relabel", "Give the suggested label", self.accept, key="r")
            self._accept.button_style = "primary"
        deciding = [
            self._button("Keep", "It is right as it is", self.keep, key="k"),
            *([self._accept] if self._accept else []),
            self._button("Drop", "It does not belong in the dataset", self.drop, key="d"),
            self._button("Skip", "Decide later", self.skip, key="s"),
            self._button("Undo", "Take back the last decision", self.undo, key="u"),
        ]
        self._show([self._progress], [self._card, self._facts], deciding, self._labelling())

    # ---- what a hand can do ----------------------------------------------------------------------

    def accept(self) -> None:
        """Record the suggested label."""
        suggested = self._at("suggested", self._row())
        if is_missing(suggested):
            raise ValueError("There is no suggestion for this item. Choose a label.")
        self.relabel(suggested)

    def skip(self) -> None:
        """Show the next item; this one comes again."""
        self._next()

    def undo(self) -> None:
        """Take back the last decision, after a restart the actor's own last; show its item."""
        super().undo()
        self._done -= set(self._rows())
        self._draw()

    def _record(self, **columns: Any) -> None:
        row = self._row()
        super()._record(**columns)
        self._done.add(row)
        self._next()

    def _grounds(self) -> dict[str, Any]:
        row = self._row()
        reasons = [f"{text} {value:.3g}" for text, value in self._marks(row).items()]
        if not is_missing(suggested := self._at("suggested", row)):
            reasons.append(f"suggested {suggested}")
        if self._result is None:
            return {"reason": "reviewed"}
        params = dict(self._result.params)
        made = {key: params.get(key) for key in ("method", "embedding")}
        return {**made, "params": params, "reason": ", ".join(reasons)}

    def _follow(self, ids: list[Any]) -> None:
        if known := [one for one in ids if one in self.ids]:
            self.selected = known[:1]

    # ---- the queue -------------------------------------------------------------------------------

    def _row(self) -> int:
        if not self.selected:
            raise ValueError("There is nothing to decide: all are decided.")
        return self._rows()[0]

    def _next(self) -> None:
        """Show the next undecided item of the queue, from its start again after its end."""
        row = self._row() if self.selected else -1
        at = self._queue.index(row) + 1 if row in self._queue else 0
        order = [*self._queue[at:], *self._queue[:at]]
        left = next((row for row in order if row not in self._done), None)
        self.selected = [] if left is None else [self.ids[left]]
        self._draw()

    @traitlets.observe("selected")
    def _draw(self, _: Any = None) -> None:
        total = len(self._queue)
        self.decided = len(self._done.intersection(self._queue))
        self._progress.value = (
            f"<progress value='{self.decided}' max='{max(total, 1)}'></progress> "
            f"<b>{self.decided:,} of {total:,}</b> decided"
        )
        if not self.selected:
            self._card.value = f"<b>{'All are decided.' if total else 'Nothing to review.'}</b>"
            self._facts.value = "<code>ledger.apply(items)</code> makes the new table."
            return
        row = self._row()
        if self._accept is not None:  # never disabled: that would lose the focus, and so the keys
            suggested = self._at("suggested", row)
            known = not is_missing(suggested)
            self._accept.description = (
                f"Relabel to {str(suggested)[:24]} (R)" if known else "No suggestion"
            )
        self._card.value = self._cards.card(row)
        self._facts.value = "".join(f"<div>{fact}</div>" for fact in self._told(row))

    # ---- what is known of an item ----------------------------------------------------------------

    def _at(self, name: str, row: int) -> Any:
        """Return what the result's array `name` says of an item; None where it does not."""
        values = getattr(self._result, name, None)
        if self._result is None or values is None:
            return None
        at = self._result.ids.get_indexer(self.ids[[row]])[0]
        return None if at < 0 else values[at]

    def _marks(self, row: int) -> dict[str, Any]:
        marks = {text: self._at(name, row) for name, text in _MARKS.items()}
        return {text: value for text, value in marks.items() if value is not None}

    def _told(self, row: int) -> list[str]:
        """Return why the item is here, as HTML."""
        facts = [f"{plain(text)}: {plain(value)}" for text, value in self._marks(row).items()]
        if self._labels is not None:
            suggested = self._at("suggested", row)
            arrow = "" if is_missing(suggested) else f" → suggested <b>{plain(suggested)}</b>"
            given = plain(self._given(row))
            facts.insert(0, f"<span class='curalab-label'>label <b>{given}</b>{arrow}</span>")
        why = self._why(row)
        if why.get("proba") is not None:
            likely = why["proba"].sort_values(ascending=False)[:3]
            told = ", ".join(f"{plain(name)} {share:.0%}" for name, share in likely.items())
            facts.append(f"a model that never saw this label says {told}")
        near = self.ids.get_indexer(why["neighbors"].index if why else self._near(row))
        if len(near := near[near >= 0].tolist()):
            labels = [self._given(other) for other in near]
            facts.append("nearest items" + self._cards.tiles(near, labels=labels))
        return facts

    def _why(self, row: int) -> dict[str, Any]:
        result: Any = self._result
        if getattr(result, "pool", None) is None or self.ids[row] not in result.ids:
            return {}  # opened from disk, or about other items
        return dict(result.why(self.ids[row]))

    def _near(self, row: int) -> pd.Index:
        """Return the ids of the nearest neighbours where an embedding was given."""
        if self._embedding is None or self.ids[row] not in self._embedding.ids:
            return self.ids[:0]
        own = self._embedding.take(self.ids[[row]])
        found = self._embedding.search(own, min(_NEIGHBORS + 1, len(self._embedding))).indices[0]
        near: pd.Index = self._embedding.ids[found].drop(self.ids[row], errors="ignore")
        return near[:_NEIGHBORS]

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self.selected = [self.ids[number]]

    # ---- without a kernel ------------------------------------------------------------------------

    def _still(self) -> str:
        rows = self._queue[:8]
        told = {
            "label": [self._given(row) for row in rows],
            **{
                text: [self._at(name, row) for row in rows]
                for name, text in {"suggested": "suggested", **_MARKS}.items()
            },
        }
        told = {name: values for name, values in told.items() if any(v is not None for v in values)}
        said = f"{self.decided:,} of {len(self._queue):,} suspects decided. The first:"
        return f"<p>{said}</p>{self._cards.table(rows, told)}"


def _queued(suspects: Any, n: int | None) -> pd.Index:
    """Return the ids to look at, in order."""
    if n is not None:
        check_integer("n", n, low=1)
    if hasattr(suspects, "worst"):
        judged = int(np.isfinite(suspects.quality).sum())
        return check_ids(suspects.worst(suspects.is_error.sum() if n is None else min(n, judged)))
    if hasattr(suspects, "top"):
        marked = suspects.is_outlier.sum() if n is None else min(n, len(suspects))
        return check_ids(suspects.top(marked))
    if isinstance(suspects, str) or not (hasattr(suspects, "ids") or hasattr(suspects, "__iter__")):
        raise TypeError(complain("suspects", "a result or a sequence of ids", suspects))
    return check_ids(suspects.ids if hasattr(suspects, "ids") else suspects)[slice(n)]
