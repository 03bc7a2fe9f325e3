"""The line above which proposed labels are accepted: what is known of it, in numbers and words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, complain
from curalab.pseudo_labels import Honesty, PseudoLabels
from curalab.pseudo_labels._calibration import interval
from curalab_widgets._cards import plain

__all__ = ["Line", "fitting"]

_AT = np.unique(np.round([*np.linspace(0, 0.9, 19), *np.linspace(0.9, 1, 11)], 2))
_interval = lru_cache(maxsize=65_536)(interval)  # a moving line meets the same counts again
_ASK = (
    "Nothing says how right these labels are. <code>cl.pseudo_labels.honesty(embedding, labels)"
    "</code> hides known labels and looks; give what it returns to this panel."
)
_EASY = (
    "<b>Too good to hold:</b> the method is clearly surer of the rows judged than of the "
    "unlabelled ones, so these are the harder rows. Expect more wrong labels than stated here."
)


def fitting(soft: Any, honesty: Any) -> tuple[PseudoLabels, Honesty | None]:
    """Return labels, calibrated where something is known of them, and what is known."""
    if isinstance(soft, Honesty):
        if honesty is not None:
            raise ValueError(complain("honesty", "None where 'soft' is one itself", honesty))
        return soft.soft, soft
    if not isinstance(soft, PseudoLabels):
        rule = "PseudoLabels of cl.pseudo_label or an Honesty of cl.pseudo_labels.honesty"
        raise TypeError(complain("soft", rule, soft))
    if honesty is None:
        return soft, None
    if not isinstance(honesty, Honesty):
        raise TypeError(complain("honesty", "what cl.pseudo_labels.honesty returns", honesty))
    own, other = (str(one.params.get("embedding"))[:8] for one in (soft, honesty.soft))
    if own != other:
        rule = f"of the embedding that the labels were made on, {own}"
        raise ValueError(complain("honesty", rule, what=f"one of {other}"))
    if "calibrated" not in soft.params:
        return honesty.calibrate(soft), honesty
    if soft.params["calibrated"] != honesty.soft.params.get("calibrated"):
        raise ValueError(
            complain("honesty", "the one that 'soft' was calibrated by", what="another")
        )
    return soft, honesty


class Line:
    """Proposals, and what held-out labels say of those above a line.

    Parameters
    ----------
    soft : PseudoLabels
        The proposals; calibrated if `honesty` is given.
    honesty : Honesty or None
        What is known of them.
    """

    def __init__(self, soft: PseudoLabels, honesty: Honesty | None) -> None:
        self.names = [str(name) for name in soft.classes]
        self.codes = pd.Index(soft.classes).get_indexer(pd.Index(soft.labels))
        self.confidence, self._new, self._discovered = soft.confidence, ~soft.given, soft.is_new
        self._sure = self._new & np.isfinite(soft.confidence)
        self.order = np.argsort(soft.confidence, kind="stable")  # the least sure first
        self._proba = soft.proba
        self.has_discovered = bool(soft.is_new.any())
        fresh = np.unique(self.codes[soft.is_new])
        self.told = [
            f"{name} (discovered)" if i in fresh else name for i, name in enumerate(self.names)
        ]
        self.judged, self._easy = honesty, honesty is not None and honesty.is_easy
        if honesty is not None:
            self._holds, self._heard = honesty._holds, honesty._counted
            self._predicted = pd.Index(soft.classes).get_indexer(pd.Index(self._heard["predicted"]))

    def proposals(self, *, discovered: bool) -> BoolArray:
        """Return which rows have a label proposed, discovered classes included or not."""
        return np.asarray(self._sure & (discovered | ~self._discovered))

    def above(self, threshold: float, *, discovered: bool) -> BoolArray:
        """Return which proposals lie at or above a line."""
        return self.proposals(discovered=discovered) & (self.confidence >= threshold)

    def reachable(self, accuracy: float, *, discovered: bool) -> float:
        """Return the line that brings an accuracy for sure, or say in words that none does."""
        if self.judged is None:
            raise ValueError("Nothing says how right these labels are: the panel got no 'honesty'.")
        try:
            return self.judged.threshold(accuracy, new_classes=discovered)
        except ValueError as error:
            seen = self.judged.curve(_AT, new_classes=discovered)
            best = seen.iloc[int(seen["low"].to_numpy().argmax())]
            raise ValueError(
                f"No line is sure to bring {accuracy:.1%}, even with 2 % to spare. At best, of "
                f"{best['n']:.0f} judged rows above one {best['accuracy']:.1%} are right, which "
                f"shows {best['low']:.1%}. Judge more rows, or ask for less."
            ) from error

    # ---- in words --------------------------------------------------------------------------------

    def numbers(
        self, threshold: float, above: BoolArray, *, discovered: bool
    ) -> list[tuple[str, str]]:
        """Return the numbers that matter and what each of them is."""
        n, total = int(above.sum()), int(self._new.sum())
        share = f" ({n / total:.1%})" if total else ""
        told = [(f"{n:,}", f"of {total:,} unlabelled rows are above the line{share}")]
        if self.judged is None:
            return told
        seen = self.judged.curve([threshold], new_classes=discovered).iloc[0]
        if not seen["n"]:
            return [*told, ("?", "are right: no judged row is above the line")]
        holds = int((above & self._holds[discovered]).sum())
        wrong, least, most = (holds * (1 - seen[name]) for name in ("accuracy", "high", "low"))
        right = (
            f"of them right, {seen['low']:.1%} to {seen['high']:.1%} at 95 %, "
            f"seen on {seen['n']:,.0f} judged rows"
        )
        among = f"of them wrong, {least:,.0f} to {most:,.0f}"
        return [*told, (f"{seen['accuracy']:.1%}", right), (f"≈ {wrong:,.0f}", among)]

    def notes(self, above: BoolArray, *, discovered: bool) -> list[str]:
        """Return what to beware of, as HTML."""
        told = [_ASK] if self.judged is None else []
        if self._easy:
            told.append(_EASY)
        if not self._new.any():
            told.append("Every row has its label: nothing is proposed.")
        if self.judged is not None and (n := int((above & ~self._holds[discovered]).sum())):
            told.append(
                f"{n:,} of the rows above the line are of classes that no row was judged of: "
                "the accuracy says nothing of these."
            )
        if self.has_discovered and not discovered:
            told.append(
                f"{int(self._discovered.sum()):,} rows are of discovered classes, which nobody has "
                "named yet. They are left out."
            )
        return told

    def likely(self, row: int) -> str:
        """Return the likeliest classes of a row, as HTML."""
        first = np.argsort(-self._proba[row], kind="stable")[:3]
        told = [f"{plain(self.told[i])} {self._proba[row, i]:.1%}" for i in first]
        return f"proposed: {', '.join(told)}"

    def table(self, threshold: float, above: BoolArray, *, tag: str) -> str:
        """Return one line for each class as HTML; as buttons, the names pick ``class:number``."""
        count = [np.bincount(self.codes[m], minlength=len(self.names)) for m in (self._new, above)]
        head = ["class", "proposed", "above"]
        rows = [
            [f"<{tag} {_pick(tag, i)}>{plain(name, limit=40)}</{tag}>", f"{all_:,}", f"{some:,}"]
            for i, (name, all_, some) in enumerate(zip(self.told, *count, strict=True))
        ]
        if self.judged is not None:
            head += ["right", "at 95 %", "judged"]
            for row, (n, right, low, high) in zip(rows, self._by_class(threshold), strict=True):
                told = [f"{right:.0%}", f"{low:.0%} to {high:.0%}"] if n else ["?", ""]
                row += [*told, f"{n:,.0f}"]
        cells = "".join(f"<th>{name}</th>" for name in head)
        body = "".join("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in rows)
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"

    def _by_class(self, threshold: float) -> list[tuple[float, float, float, float]]:
        """Return n, accuracy and its interval as `Honesty.by_class`, fit for a line that moves."""
        above = (self._heard["held_out"] >= threshold).to_numpy()
        some, predicted = self._heard[above], self._predicted[above]
        weight = some["weight"].to_numpy()
        weights = (weight, weight * some["right"].to_numpy())
        n, hits = (np.bincount(predicted, w, len(self.names)).round(6).tolist() for w in weights)
        return [
            (k, h / k, *_interval(h, k)) if k else (0.0, np.nan, 0.0, 1.0)
            for k, h in zip(n, hits, strict=True)
        ]

    # ---- over all lines --------------------------------------------------------------------------

    def coverage(self, *, discovered: bool) -> pd.Series[Any]:
        """Return the share of the unlabelled rows above each of 101 lines, in percent."""
        at = np.round(np.linspace(0, 1, 101), 2)
        sure = np.sort(self.confidence[self.proposals(discovered=discovered)])
        n = len(sure) - np.searchsorted(sure, at)
        return pd.Series(100 * n / max(int(self._new.sum()), 1), index=at)

    def curve(self, *, discovered: bool) -> pd.DataFrame:
        """Accuracy and its interval in percent, for lines that judged rows are above."""
        if self.judged is None:
            return pd.DataFrame(columns=["accuracy", "low", "high", "n"], dtype=float)
        seen = self.judged.curve(_AT, new_classes=discovered).query("n > 0")
        return seen.assign(**{name: 100 * seen[name] for name in ("accuracy", "low", "high")})

    @property
    def lowest(self) -> float:
        """Where the curve begins: no proposal is less sure."""
        sure = self.confidence[self._new]
        least = float(np.nanmin(sure, initial=1)) if len(sure) else 0.0
        return float(min(np.floor(least * 20) / 20, 0.9))


def _pick(tag: str, number: int) -> str:
    hint = "Select the rows of this class above the line"
    return f"class='curalab-key' data-pick='class:{number}' title='{hint}'" if tag != "span" else ""
