"""Suspects one by one: look, decide, undo; each decision is on disk before the next item shows."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from curalab._check import rows_of
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.label_errors import ReviewBudget
from curalab.ledger import Ledger
from curalab_widgets._cards import Cards, is_missing
from curalab_widgets._controls import labelling
from curalab_widgets.review._beside import Reasons
from curalab_widgets.review._note import Note
from curalab_widgets.review._queue import Suspects
from curalab_widgets.review._reviewing import Reviewing
from curalab_widgets.review._tally import Tally
from curalab_widgets.review._verdicts import Verdict, Verdicts, conflicts_of, pairs_of, said_of
from curalab_widgets.review._view import ReviewView, controls
from curalab_widgets.review._waiting import Waiting

__all__ = ["ReviewPanel"]


class ReviewPanel(Reviewing):
    """A queue of suspects to keep, relabel, drop or skip, straight into the ledger.

    Keys, while the panel has the focus: K keep, R relabel to the suggestion, D drop, S skip,
    U undo, N write a note (Enter ends it), arrows up and down for the item before and after, and
    number keys for the classes. Each is a method too: `keep`, `accept`, `relabel`, `drop`, `skip`,
    `undo`, `back`, `forward`.

    Parameters
    ----------
    suspects : LabelErrors, Outliers, PseudoLabels, another result, or sequence of ids
        Whom to look at; `audit.rows(problem)` are ids.
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
        Length of the queue. None takes all that the result marks or proposes, or all ids.
    order : {"worst", "informative"}, default="worst"
        Which come first: the least trusted, oddest or least confident; or those whose verdict
        tells most, near the cut of the result. A list of ids stays as it is.
    second : bool, default=False
        Ask instead for second opinions on what others have decided, or where nobody else did on
        the actor's own decisions, without showing them.
    embedding : Embedding, default=None
        With one, the nearest neighbours of each suspect stand beside it, and good examples of its
        label and of the suggested one; results that are not from disk know theirs.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    selected : list
        The id on show, or nothing when all are decided. Setting it shows that item.
    decided : int
        How many of the queue are decided.
    actor, order, second
        As above; may be set.
    note : str
        Goes with the next decision on the item on show, into its reason.
    threshold : float
        Of PseudoLabels only proposals up to this confidence are asked about. 1 is all.
    recall : float
        Share of all wrong labels to find, from 0 to 1, at which the panel says to stop.

    Raises
    ------
    ValueError
        The embedding is not the one that the suspects were found in.

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

    def __init__(
        self,
        suspects: Any,
        items: pd.DataFrame,
        ledger: Ledger,
        *,
        labels: str = "label",
        actor: str | None = None,
        n: int | None = None,
        order: str = "worst",
        second: bool = False,
        embedding: Embedding | None = None,
        link: str | None = None,
    ) -> None:
        items = check_table("items", items)
        title = "Review of suspects"
        super().__init__(items, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._suspects = Suspects(suspects, self.ids, n)
        given = None if self._labels is None else items[self._labels]
        self._verdicts = Verdicts(self._need_ledger(), self.ids, given)
        self._cards = Cards(items.drop(columns=self._labels or []))
        known = self._suspects.embedding(embedding)
        self._reasons = Reasons(self._suspects, items, given, self._cards, known)
        self._waiting = Waiting(self._verdicts)
        self.actor, self.order, self.second = self._actor, order, second
        self._build()
        self.observe(self._moved, "selected")
        self.observe(self._rearranged, ["actor", "order", "second", "threshold"])
        self.observe(self._recalled, "recall")
        self._line_up()

    # ---- what a hand can do ----------------------------------------------------------------------

    def accept(self) -> None:
        """Record the suggested label."""
        suggested = self._suspects.suggested(self._row())
        if is_missing(suggested):
            raise ValueError("There is no suggestion for this item. Choose a label.")
        self.relabel(suggested)

    def skip(self) -> None:
        """Show the next item; this one comes again."""
        if self.selected:
            self._waiting.skip(self._row())
        self._next()

    def back(self) -> None:
        """Show the item before in the queue, decided or not."""
        self._step(-1)

    def forward(self) -> None:
        """Show the next item of the queue, decided or not."""
        self._step(1)

    def settle(self, id: Any) -> None:
        """Show an item on which verdicts differ, and what each said; the next one settles it."""
        (row,) = rows_of(self.ids, [id], name="id").tolist()
        self._settling = row
        self._go(row)

    def undo(self) -> None:
        """Take back the last decision, after a restart the actor's own last; show its item."""
        if not self._history and (last := self._verdicts.newest_of(self._actor)):
            row, verdict = last
            self._history.append((list(verdict.events), [self.ids[row]]))
        events, ids = self._history[-1] if self._history else ([], [])
        super().undo()
        for row in rows_of(self.ids, ids).tolist():
            self._verdicts.take_back(row, events)
            self._waiting.changed(row)
        self._say("Taken back: 1 decision.")
        self._tally.count()
        self._draw()

    # ---- what is known so far --------------------------------------------------------------------

    def budget(self) -> ReviewBudget:
        """Return how many wrong labels the verdicts of all actors found, and what is left."""
        return self._tally.budget(self._verdicts.now())

    def agreement(self) -> pd.DataFrame:
        """Return how far each two actors agree: `one`, `other`, `both`, `same`, `kappa`.

        `same` is the share alike of what both decided and `kappa` Cohen's (1 is perfect, 0 is
        chance, NaN below five items). A second opinion of the same actor stands as "Ann, again".
        """
        return pairs_of(self._verdicts.now())

    def conflicts(self) -> pd.Series[Any]:
        """Return by id what each said of the items on which two differ and nobody has settled."""
        found = conflicts_of(self._verdicts.now())
        return pd.Series(list(found.values()), index=self.ids[list(found)], dtype=object)

    # ---- recording -------------------------------------------------------------------------------

    def _record(self, **columns: Any) -> None:
        row, ids = self._row(), self.selected
        decision = {name: v[0] if isinstance(v, list) else v for name, v in columns.items()}
        grounds, opinion = self._suspects.grounds(row), self._opinion(row)
        verdict = self._verdicts.record(
            row, self._actor, opinion, decision, grounds, note=self.note
        )
        self._history.append((verdict.events, ids))
        self._waiting.changed(row)
        self.note = ""
        self._say(f"Recorded: 1 decision, signed {self._actor}.{self._compared(row, verdict)}")
        self._tally.heard(row)
        self._next()
        self.recorded += 1

    def _compared(self, row: int, verdict: Verdict) -> str:
        """Return in words what the others said, once a second opinion is given."""
        if verdict.opinion != "second":
            return ""
        said = said_of(self._verdicts.on(row))
        words = "; ".join(f"{who}: {word}" for who, word in said.items())
        return f" {'All agree' if len(set(said.values())) == 1 else 'They differ'} ({words})."

    # ---- what shows ------------------------------------------------------------------------------

    def _build(self) -> None:
        self._view = ReviewView(self._waiting, self._reasons, self._cards, self._button)
        parts = (self._suspects, self._verdicts, self._view)
        self._tally = Tally(*parts, self._is_secret, self._tell_wrong)
        self._card, self._facts = self._view.card, self._view.facts
        self._accept: ipywidgets.Button | None = None
        if self._labels is not None and self._suspects.has_suggestions:
            self._accept = self._button("Relabel", "Give the suggested label", self.accept, key="r")
            self._accept.button_style = "primary"
        deciding = [
            self._button("Keep", "It is right as it is", self.keep, key="k"),
            *([self._accept] if self._accept else []),
            self._button("Drop", "It does not belong in the dataset", self.drop, key="d"),
            self._button("Skip", "Decide later", self.skip, key="s"),
            self._button("Undo", "Take back the last decision", self.undo, key="u"),
        ]
        self._keys |= {"ArrowUp": self.back, "ArrowDown": self.forward}
        self._note = Note()
        traitlets.link((self, "note"), (self._note.text, "value"))
        self._show(
            [self._view.progress],
            controls(self, self._suspects),
            [self._view.estimate],
            [self._view.list, self._card, self._facts],
            deciding,
            labelling(self),
            [self._note],
            [self._view.second],
        )

    def _draw(self) -> None:
        row = self._row() if self.selected else None
        self.decided = self._waiting.decided
        if self._accept is not None:  # never disabled: that would lose the focus, and so the keys
            suggested = None if row is None else self._suspects.suggested(row)
            to = f"Relabel to {str(suggested)[:24]} (R)"
            self._accept.description = "No suggestion" if is_missing(suggested) else to
        # What others said is no secret once one has decided oneself.
        is_told = row is not None and (row == self._settling or self._waiting.own(row))
        self._view.show(row, said_of(self._verdicts.on(row)) if row is not None and is_told else {})

    def _near(self, row: int) -> pd.Index:
        return self.ids[self._reasons.near(row)]

    def _still(self) -> str:
        return self._view.still()
