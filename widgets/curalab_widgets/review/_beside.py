"""Why an item is asked about, and what to compare it with: neighbours, examples of a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray
from curalab.embedding import Embedding
from curalab.neighbors import nearest
from curalab_widgets._cards import Cards, is_missing, plain
from curalab_widgets.review._queue import Suspects

__all__ = ["Beside", "Reasons"]

_NEIGHBORS = 6
_EXAMPLES = 2
_MOST = 1_000  # items of a class among which examples are looked for


class Beside:
    """Items like a given one.

    Parameters
    ----------
    embedding : Embedding or None
        Where nearness is measured. None: nothing is near anything.
    ids : Index
        Ids of the table.
    labels : Series or None
        Their labels.
    doubted : ndarray of shape (n_items,), bool
        Items whose label is no good example of its class.
    """

    def __init__(
        self,
        embedding: Embedding | None,
        ids: pd.Index,
        labels: pd.Series[Any] | None,
        doubted: BoolArray,
    ) -> None:
        self._embedding, self._labels, self._doubted = embedding, labels, doubted
        # Looked up once: by id each time would cost more than the search.
        own = ids[:0] if embedding is None else embedding.ids
        self._place, self._row_of = own.get_indexer(ids), ids.get_indexer(own)
        self._near: dict[int, list[int]] = {}
        self._members = lru_cache(maxsize=16)(self._members_of)

    def near(self, row: int, ahead: Sequence[int] = ()) -> list[int]:
        """Return the rows of the nearest neighbours, nearest first.

        `ahead` are rows that will be asked for next: to find theirs, too, costs little more.
        """
        emb, place = self._embedding, self._place[row]
        if emb is None or place < 0 or len(emb) < 2:
            return []
        k = min(_NEIGHBORS, len(emb) - 1)
        graph = emb._graph.get("neighbors")
        if graph is not None and graph.k >= k:
            return self._rows(graph.indices[place, :k])
        if row not in self._near:
            # Not the graph of all, which would keep the kernel busy for a while.
            self._near = self._searched(emb, [row, *ahead], k)
        return self._near[row]

    def _searched(self, emb: Embedding, rows: list[int], k: int) -> dict[int, list[int]]:
        asked = [row for row in dict.fromkeys(rows) if self._place[row] >= 0]
        places = self._place[asked]
        found = nearest(emb.points, k + 1, metric=emb.metric, queries=emb.points[places])
        others = [of[of != own][:k] for own, of in zip(places, found.indices, strict=True)]
        return {row: self._rows(of) for row, of in zip(asked, others, strict=True)}

    def examples(self, row: int, label: Any) -> list[int]:
        """Return the rows of the items of a class that are nearest to an item."""
        emb, place = self._embedding, self._place[row]
        if emb is None or place < 0:
            return []
        places, points = self._members(label)
        if not len(places):
            return []
        others = places != place
        apart = np.linalg.norm(points[others] - emb.points[place], axis=1)
        return self._rows(places[others][np.argsort(apart, kind="stable")[:_EXAMPLES]])

    def _rows(self, places: IntArray) -> list[int]:
        rows = self._row_of[places]
        return list(rows[rows >= 0].tolist())

    def _members_of(self, label: Any) -> tuple[IntArray, FloatArray]:
        """Return where good examples of a class lie, spread over all of it where there are many."""
        emb, labels = self._embedding, self._labels
        if emb is None or labels is None:
            return np.empty(0, dtype=np.intp), np.empty((0, 0))
        is_label = (labels == label).fillna(False).to_numpy(dtype=bool)
        rows = np.flatnonzero(is_label & ~self._doubted & (self._place >= 0))
        spread = np.linspace(0, max(len(rows) - 1, 0), min(_MOST, len(rows))).astype(np.intp)
        places = np.asarray(self._place[rows[spread]])
        return places, emb.points[places]


class Reasons:
    """Why an item is asked about, as HTML: scores, likely classes, and items like it.

    Parameters
    ----------
    suspects : Suspects
        What the finder says.
    items : DataFrame
        The table.
    labels : Series or None
        The labels as they came.
    cards : Cards
        How items look.
    embedding : Embedding or None
        Where neighbours are looked for.
    """

    def __init__(
        self,
        suspects: Suspects,
        items: pd.DataFrame,
        labels: pd.Series[Any] | None,
        cards: Cards,
        embedding: Embedding | None,
    ) -> None:
        self.suspects, self._ids = suspects, items.index
        self._labels = None if labels is None else labels.to_numpy(dtype=object)
        self._has_images = bool(cards.images)
        self._is_seen = bool(cards.images or cards.texts)
        self._face = lru_cache(maxsize=1024)(cards.face)
        self._beside = Beside(embedding, items.index, labels, suspects.doubted)

    def given(self, row: int) -> Any:
        """Return the label of an item; None where there are none."""
        return None if self._labels is None else self._labels[row]

    def told(self, row: int, ahead: Sequence[int] = ()) -> list[str]:
        """Return why an item is here, each reason as HTML; `ahead` are those asked about next."""
        suspects = self.suspects
        facts = [f"{plain(text)}: {plain(value)}" for text, value in suspects.marks(row).items()]
        if self._labels is not None:
            suggested = suspects.suggested(row)
            arrow = "" if is_missing(suggested) else f" → suggested <b>{plain(suggested)}</b>"
            label = self.given(row)
            given = "<i>none</i>" if is_missing(label) else f"<b>{plain(label)}</b>"
            facts.insert(0, f"<span class='curalab-label'>label {given}{arrow}</span>")
        if likely := suspects.likely(row):
            told = ", ".join(f"{plain(name)} {share:.0%}" for name, share in likely)
            who = "the method" if suspects.has_threshold else "a model that never saw this label"
            facts.append(f"{who} says {told}")
        facts += [f"<small>{plain(reason, limit=200)}</small>" for reason in suspects.reasons(row)]
        return [*facts, *self._around(row, ahead), *self._compared(row)]

    def near(self, row: int) -> list[int]:
        """Return the rows of an item's nearest neighbours."""
        return self._beside.near(row)

    def _around(self, row: int, ahead: Sequence[int]) -> list[str]:
        tiles = self.tiles(self._beside.near(row, ahead), labels=True)
        return [f"nearest items{tiles}"] if tiles else []

    def _compared(self, row: int) -> list[str]:
        """Return examples of the label given beside those of the label suggested."""
        given, suggested = self.given(row), self.suspects.suggested(row)
        if not self._is_seen or is_missing(suggested) or suggested == given:
            return []
        labels = [suggested] if is_missing(given) else [given, suggested]
        shown = []
        for label in labels:
            rows = self._beside.examples(row, label)
            tiles = self.tiles(rows) or "<div><i>no other</i></div>"
            shown.append(f"<div>other items of <b>{plain(label)}</b>{tiles}</div>")
        return [f"<div class='curalab-review-compared'>{''.join(shown)}</div>"]

    def tiles(self, rows: Sequence[int], *, labels: bool = False) -> str:
        """Return items at a glance, as buttons that pick ``row:number``."""
        made = [
            f"<button class='curalab-tile' data-pick='row:{row}' "
            f"title='{plain(self._ids[row])}'>{self._face(row)}"
            + (f"<small>{self._named(row)}</small>" if labels else "")
            + "</button>"
            for row in rows
        ]
        return f"<div class='curalab-tiles'>{''.join(made)}</div>" if made else ""

    def _named(self, row: int) -> str:
        label = self.given(row)
        return "<i>no label</i>" if is_missing(label) else plain(label, limit=24)

    def line(self, row: int, state: str) -> str:
        """Return an item in one line: its face, its label and how it stands."""
        label, face = self.given(row), self._face(row, side=32)
        told = "" if is_missing(label) else f"<b>{plain(label, limit=24)}</b>"
        title = f"title='{plain(self._ids[row])}'"
        if self._has_images:
            return f"<span {title}>{face}</span><span>{told}{told and '<br>'}{state}</span>"
        return f"<span class='curalab-review-words' {title}>{face}<br>{told} {state}</span>"
