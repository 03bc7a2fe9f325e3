"""What is known of copies: pairs as found, and what the ledger says of them and of their items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, IntArray, rows_of
from curalab.duplicates import Duplicates
from curalab.ledger import Ledger
from curalab.ledger.events import decode
from curalab.ledger.replay import standing
from curalab_widgets._cards import plain
from curalab_widgets._decisions import latest_of
from curalab_widgets.duplicates._sheet import cell

__all__ = ["VERB", "Copies"]

VERB = {"verb": "find_duplicates"}  # tells decisions about copies from others on the same rows
_OPEN, _KEPT, _DROPPED = 0, 1, 2


class Copies:
    """Pairs as found, and what the ledger says of them and of their items.

    Parameters
    ----------
    found : Duplicates
        At the lowest threshold. A pair is called by its position in `found.pairs()`, which it
        keeps at any other threshold: the most similar come first.
    ledger : Ledger or None
    labels : Series or None

    Attributes
    ----------
    rows : ndarray of shape (n_pairs, 2)
    judged : dict
        Verdicts by pair.
    """

    def __init__(
        self, found: Duplicates, ledger: Ledger | None, labels: pd.Series[Any] | None
    ) -> None:
        self.found, self._ledger, self._labels = found, ledger, labels
        self.rows = found.found[["row_a", "row_b"]].to_numpy(dtype=np.int64)
        key = self.rows.min(axis=1, initial=len(found)) * len(found) + self.rows.max(axis=1)
        self._by_key = np.argsort(key, kind="stable")
        self._key = key[self._by_key]
        self.read()

    def read(self) -> None:
        """Take over what the ledger says, by whomever."""
        self._said = np.full(len(self.found), _OPEN)
        self.judged: dict[int, bool] = {}
        if self._ledger is None:
            return
        events = self._events()
        is_own, action, row = events["is_own"], events["action"], events["row"].to_numpy()
        is_fate = action.isin(["keep", "drop"]).to_numpy()
        self.say(row[is_fate & is_own], action[is_fate & is_own])
        # Whoever spoke last on a row decides whether it is there at all.
        is_last = is_fate & events["active"].to_numpy()
        is_gone = (action == "drop").to_numpy()
        self._said[row[is_last & is_gone]] = _DROPPED
        stays = row[is_last & ~is_gone]
        self._said[stays[self._said[stays] == _DROPPED]] = _KEPT
        verdicts = events[is_own & (action == "tag").to_numpy()]
        others = self._row_of(decode(params["pair_with"] for params in verdicts["params"]))
        at = self.pair_at(verdicts["row"].to_numpy(), others)
        for number, params in zip(at.tolist(), verdicts["params"], strict=True):
            if number < len(self.rows):
                self.judged[number] = params["is_duplicate"]

    def _events(self) -> pd.DataFrame:
        """Return the decisions that stand on the items, with their rows."""
        if self._ledger is None:
            return pd.DataFrame()
        events = standing(self._ledger.to_frame())
        own = [bool(p) and p.get("verb") == VERB["verb"] for p in events["params"]]
        events = events.assign(row=self._row_of(events["row_id"]), is_own=np.array(own, dtype=bool))
        return events[events["row"] >= 0]

    def _row_of(self, ids: Any) -> IntArray:
        # As objects: an index of dates would take the string "2024-01-01" for a date.
        rows = self.found.ids.astype(object).get_indexer(pd.Index(list(ids), dtype=object))
        return np.asarray(rows, dtype=np.int64)

    def earlier(self, actor: str) -> tuple[list[int], list[Any]]:
        """Return the events and ids of an actor's last decision, made at once."""
        events = self._events()
        own, why_none = events[events["is_own"].to_numpy()], f": {actor} decided on no copies here"
        return latest_of(own, actor, why_none=why_none)

    def say(self, rows: IntArray, actions: Sequence[str] | Any) -> None:
        """Take down what was decided on rows."""
        known = {"keep": _KEPT, "drop": _DROPPED}
        self._said[rows] = [
            known.get(a, said) for a, said in zip(actions, self._said[rows], strict=True)
        ]

    # ---- groups

    def at(self, threshold: float, chosen: Sequence[Any]) -> Duplicates:
        """Cut at a threshold; kept is whom a hand chose, else whom the ledger or the user kept."""
        cut = self.found.at(threshold)
        was_given = self.found.keep & ("keeping" in self.found.params)
        # What is dropped for other reasons must not be the one that stays.
        worth = cut.keep + 2.0 * was_given + np.array([0.0, 4.0, -8.0])[self._said]
        worth[rows_of(self.found.ids, chosen)] = 8.0 + np.arange(len(chosen))
        return cut.keeping(worth) if (worth != cut.keep).any() else cut

    def are_decided(self, cut: Duplicates) -> BoolArray:
        """Whether each group is decided: all its members are, or only one is left of them."""
        rows = np.flatnonzero(cut.group >= 0)
        group, said = cut.group[rows], self._said[rows]
        n_open = np.bincount(group[said == _OPEN], minlength=cut.n_groups)
        n_left = np.bincount(group[said != _DROPPED], minlength=cut.n_groups)
        return np.asarray((n_open == 0) | (n_left < 2))

    def open_rows(self, cut: Duplicates) -> IntArray:
        """Return the rows in groups that are not decided."""
        rows = np.flatnonzero(cut.group >= 0)
        return rows[~self.are_decided(cut)[cut.group[rows]]]

    def lined_up(self, cut: Duplicates, order: str) -> IntArray:
        """Return the numbers of the groups in an order."""
        n = cut.n_groups
        first = np.argsort(-np.bincount(cut.group[cut.group >= 0], minlength=n), kind="stable")
        if order == "least similar":
            least = np.ones(n)
            pairs = self.rows[: len(cut.found), 0]
            np.minimum.at(least, cut.group[pairs], cut.found["similarity"].to_numpy())
            first = np.argsort(least, kind="stable")
        elif order == "conflicts" and n:
            worst = cut.conflicts(self._labels)["group"].unique()
            first = np.concatenate([worst, first[~np.isin(first, worst)]])
        return np.asarray(first, dtype=np.int64)

    def reasons(self, cut: Duplicates, rows: IntArray) -> list[str]:
        """Return why each of the rows is kept or dropped, in words."""
        kept = np.flatnonzero(cut.keep & (cut.group >= 0))
        name = dict(zip(cut.group[kept].tolist(), cut.ids[kept].tolist(), strict=True))
        where = f"threshold {cut.threshold:.4g}"
        made = []
        for row in rows.tolist():
            group, how = int(cut.group[row]), _like(cut.similarity[row])
            what = "kept of its copies" if cut.keep[row] else f"copy of {name[group]}, {how}"
            made.append(f"{what} (group {group}, {where})")
        return made

    # ---- pairs

    def pair_at(self, one: IntArray, other: IntArray) -> IntArray:
        """Return the pair that two rows are; the number of pairs where they are none."""
        key = np.minimum(one, other) * len(self.found) + np.maximum(one, other)
        at = np.searchsorted(self._key, key)
        is_one = np.append(self._key, -1)[at] == key
        return np.where(is_one, np.append(self._by_key, -1)[at], len(self.rows))

    def judged_of(self, cut: Duplicates) -> pd.Series[Any]:
        """Return the verdicts on the pairs of a cut, by their positions in it."""
        known = {at: said for at, said in self.judged.items() if at < len(cut.found)}
        return pd.Series(known, dtype=object)

    def suggested(self) -> float | None:
        """Return the threshold from which 95 % of the pairs found are duplicates, if there is."""
        told = self.found.precision(self.judged_of(self.found))
        wanted: float | None = told["suggested_threshold"]
        return wanted

    def verdicts(self) -> pd.DataFrame:
        """Return the verdicts as `Duplicates.precision` takes them."""
        pairs = self.rows[list(self.judged)]
        made = {"id_a": self.found.ids[pairs[:, 0]], "id_b": self.found.ids[pairs[:, 1]]}
        return pd.DataFrame({**made, "is_duplicate": list(self.judged.values())})

    # ---- in words

    def told(self, cut: Duplicates | None, row: int, kept: int) -> str:
        """Return what is known of a row beside the one kept, as HTML."""
        facts = []
        if self._labels is not None:
            label = cell(self._labels.iloc[row], self._labels.iloc[kept])
            facts.append(f"label <b>{label}</b>")
        if cut is not None and row != kept:
            facts.append(_like(cut.similarity[row]))
        return " · ".join(facts)

    def facts(self, cut: Duplicates, pair: int | None, group: int) -> list[str]:
        """Return what a pair is, or else a group, as HTML."""
        found = cut.found["similarity"].to_numpy()
        if pair is not None:
            rows, likes, facts = self.rows[pair], found[[pair]], []
        else:
            rows = np.flatnonzero(cut.group == group)
            likes = found[cut.group[self.rows[: len(found), 0]] == group]
            facts = [f"{len(rows):,} items"]
        low, high = (f"{like:.3f}" for like in (likes.min(), likes.max()))
        facts.append(f"similarity {low}" + f" to {high}" * (low != high))
        if self._labels is not None:
            counts = self._labels.iloc[rows].value_counts()
            most = ", ".join(f"{plain(k, limit=24)} {v:,}" for k, v in counts[:4].items())
            facts += [f"<mark>labels differ</mark>: {most}"] if len(counts) > 1 else []
        if pair is None and self.are_decided(cut)[group]:
            gone = int((self._said[rows] == _DROPPED).sum())
            facts.append(f"<i>decided: {f'{gone:,} dropped' if gone else 'all stay'}</i>")
        return facts


def _like(similarity: float) -> str:
    return "linked through others" if np.isnan(similarity) else f"similarity {similarity:.3f}"
