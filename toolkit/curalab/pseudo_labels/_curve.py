"""What held-out labels say of the labels proposed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, check_integer, check_real, complain
from curalab.pseudo_labels._calibration import (
    Calibrator,
    certified,
    recalibrated,
    refuse_other,
    table_of,
)
from curalab.pseudo_labels._said import said

if TYPE_CHECKING:
    from curalab.pseudo_labels import PseudoLabels

__all__ = ["Honesty", "over_rounds"]

_AT = (*np.round(np.arange(0, 1, 0.05), 2), 0.975, 0.99)
_ROWS_A_BIN, _MOST_BINS = 50, 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Honesty:
    """What held-out labels say of the labels proposed.

    All confidence is calibrated, unless a name says `raw`. All accuracy is of judged rows by their
    confidence as calibrated on others (by their own it would be too high: .06 on CIFAR), and of
    proposals of a class that was judged; `says` tells for which share of the rows that holds.
    Proposals of discovered classes count where `new_classes` asks for them, as in
    `PseudoLabels.accept`, and by class; they are judged where `truth` has rows of them.

    Attributes
    ----------
    judged : DataFrame
        The rows judged by a run that did not see their label, indexed by id: `label`,
        `predicted`, `right`, `raw` (what the run said), `confidence` (calibrated on all rows
        judged), `held_out` (calibrated on others) and `weight`. A row judged in several rounds
        stands several times, with weights that sum to 1.
    soft : PseudoLabels
        The run with all `labels`, calibrated.
    calibrator : Calibrator
        What makes `raw` confidence true: a `temperature`, then the `slope` of the log odds of the
        proposed class, and an `offset` for each class.
    unjudged : Series
        Classes that no row was judged of, and how many labels each has.
    covered : Index
        Ids of the unlabelled rows that the accuracy holds for: all whose proposed label is of a
        judged class, and no discovered one.
    params : mapping
        How all this was made.
    """

    judged: pd.DataFrame
    soft: PseudoLabels
    calibrator: Calibrator
    unjudged: pd.Series[Any]
    covered: pd.Index
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def temperature(self) -> float:
        """Above 1 the method is too sure of itself, below 1 not sure enough."""
        return self.calibrator.temperature

    @property
    def says(self) -> str:
        """What was found, in a sentence."""
        return said(self)

    def __repr__(self) -> str:
        return f"Honesty({self.says})"

    @property
    def is_easy(self) -> bool:
        """Whether the method is clearly surer of the rows judged than of the unlabelled ones.

        Then they are no random draw (the first rows of a sorted file, the plain cases), and all
        accuracy here is too high. Mean confidence .05 higher, and a Mann-Whitney test at .001.
        """
        from scipy.stats import mannwhitneyu

        judged = self.judged["confidence"].to_numpy()
        new = self.soft.confidence[~self.soft.given]
        if not len(new) or judged.mean() < new.mean() + 0.05:
            return False
        n_rows = self.judged.index.nunique()  # a row judged several times is one
        some = np.sort(judged)[:: -(-len(judged) // n_rows)]
        return bool(mannwhitneyu(some, new, alternative="greater").pvalue < 0.001)

    @property
    def calibration_error(self) -> dict[str, float]:
        """Expected calibration error `before` and `after`, each row calibrated on others.

        The mean gap between confidence and accuracy over the bins of :meth:`reliability`, of
        discovered classes, too, where they were judged. A true confidence has gaps too, by
        `chance`: about .03 on 300 rows, more on fewer.
        """
        found: dict[str, float] = {}
        if not len(self._counted):
            return dict.fromkeys(("before", "after", "chance"), np.nan)
        for name, after in (("before", False), ("after", True)):
            bins = self.reliability(calibrated=after)
            gap = (bins["confidence"] - bins["accuracy"]).abs()
            found[name] = float((gap * bins["n"]).sum() / bins["n"].sum())
        spread = bins["confidence"] * (1 - bins["confidence"]) / bins["n"]
        chance = np.sqrt(2 / np.pi * spread)  # the mean absolute value of a normal
        return {**found, "chance": float((chance * bins["n"]).sum() / bins["n"].sum())}

    def curve(
        self, thresholds: Iterable[float] = _AT, *, new_classes: bool = False
    ) -> pd.DataFrame:
        """Return what accepting everything at or above a threshold brings, one row a threshold.

        `coverage` is the share of all unlabelled rows that it accepts, `n` the judged rows above
        it, and `accuracy` theirs, with a 95 % interval for that threshold alone: where you choose
        the threshold by its accuracy, ask :meth:`threshold`.
        """
        at = [check_real("thresholds", t, low=0, high=1) for t in thresholds]
        index = pd.Index(at, name="threshold", dtype=float)
        return pd.DataFrame([self._seen(t, new_classes=new_classes) for t in at], index=index)

    def by_class(self, threshold: float = 0.0) -> pd.DataFrame:
        """Return the same for the proposals of each class, at one threshold.

        `coverage` is the share of the rows proposed as the class; classes nobody judged have
        an `n` of 0 and no accuracy.
        """
        check_real("threshold", threshold, low=0, high=1)
        soft, new = self.soft, ~self.soft.given
        above = self._counted.query("held_out >= @threshold")
        rows = []
        for name in soft.classes:
            mine, proposed = above[above["predicted"] == name], new & (soft.labels == name)
            some = soft.confidence[proposed] >= threshold
            told = {"proposed": int(proposed.sum()), "coverage": _mean(some)}
            rows.append({**told, **_table(mine)})
        return pd.DataFrame(rows, index=pd.Index(soft.classes, name="class"))

    def reliability(self, *, calibrated: bool = True, n_bins: int | None = None) -> pd.DataFrame:
        """Return bins of equally many judged rows: mean confidence, accuracy, interval, n.

        Proposals of discovered classes are among them where they were judged. `calibrated` takes
        each row's confidence calibrated on others, else what the method said. None makes bins of
        50 rows, 10 at most.
        """
        some = self._counted
        total = float(some["weight"].sum())
        most = max(1, int(total))
        bins = min(_MOST_BINS, max(1, int(total) // _ROWS_A_BIN)) if n_bins is None else n_bins
        check_integer("n_bins", bins, low=1, high=most)
        column = "held_out" if calibrated else "raw"
        some = some.sort_values(column, kind="stable")
        place = (some["weight"].cumsum() - some["weight"] / 2) / total * bins
        rows = [
            {"confidence": float(np.average(part[column], weights=part["weight"])), **_table(part)}
            for _, part in some.groupby(place.to_numpy().astype(int))
        ]
        index = pd.RangeIndex(len(rows), name="bin")
        return pd.DataFrame(rows, index, columns=["confidence", "n", "accuracy", "low", "high"])

    def threshold(
        self, accuracy: float = 0.95, *, margin: float = 0.02, new_classes: bool = False
    ) -> float:
        """Return the lowest confidence above which labels are right as often as wanted.

        Of the proposals at or above it (for the rows `covered`, and with `new_classes` those of
        discovered classes that were judged), at least ``accuracy - margin`` are right: with a
        chance of 95 %, the choice of the threshold included.

        Raises
        ------
        ValueError
            The rows judged cannot show that for any confidence.
        """
        check_real("accuracy", accuracy, low=0, high=1)
        check_real("margin", margin, low=0, high=accuracy)
        some = self._asked(new_classes=new_classes)
        columns = (some[c].to_numpy() for c in ("held_out", "right", "weight"))
        found = certified(*columns, least=accuracy - margin)
        if found is None:
            all_ = (self._seen(t, new_classes=new_classes) for t in _AT)
            best = max(all_, key=lambda seen: seen["low"])
            rule = f"one that the {some['weight'].sum():.0f} rows judged can show, less 'margin'"
            what = f"{accuracy:g} - {margin:g}, where at best {best['low']:.3f} is sure"
            hint = (
                f"({best['accuracy']:.3f} of {best['n']:.0f} rows). Judge more rows, or ask less."
            )
            raise ValueError(complain("accuracy", rule, what=what, hint=hint))
        return found

    def calibrate(self, soft: PseudoLabels) -> PseudoLabels:
        """Return the same labels with calibrated `proba` and `confidence`.

        Raises
        ------
        ValueError
            They are of another method, embedding or classes than those judged, or calibrated
            already. Discovered classes are known in their own run alone.
        """
        refuse_other(self.soft, soft)
        if "calibrated" in soft.params:
            raise ValueError(complain("soft", "not calibrated yet", what="calibrated labels"))
        return recalibrated(soft, self.calibrator, n_judged=self.judged.index.nunique())

    @cached_property
    def _counted(self) -> pd.DataFrame:
        """The judged rows whose proposal is of a class that was judged."""
        counted = pd.Index(self.soft.classes).difference(self.unjudged.index, sort=False)
        return self.judged[self.judged["predicted"].isin(counted)]

    def _asked(self, *, new_classes: bool) -> pd.DataFrame:
        """Return them, or only those whose proposal would be one of `covered`."""
        some = self._counted
        return some if new_classes else some[~some["is_new"]]

    @cached_property
    def _holds(self) -> dict[bool, BoolArray]:
        """Which rows the accuracy holds for: those `covered`; for True discovered classes, too."""
        soft, held = self.soft, np.zeros(len(self.soft), dtype=bool)
        held[soft.ids.get_indexer(self.covered)] = True
        discovered = soft.is_new & ~np.isin(soft.labels, self.unjudged.index)
        return {False: held, True: held | discovered}

    def _seen(self, threshold: float, *, new_classes: bool = False) -> dict[str, float]:
        some, n_new = self._asked(new_classes=new_classes), int((~self.soft.given).sum())
        inside = self._holds[new_classes] & (self.soft.confidence >= threshold)
        coverage = inside.sum() / n_new if n_new else np.nan
        return {"coverage": coverage, **_table(some[some["held_out"] >= threshold])}


def over_rounds(rounds: Iterable[Honesty], *, threshold: float = 0.0) -> pd.DataFrame:
    """Return one row a round of labelling: what :func:`honesty` said after each.

    `n_labels` given by then, `coverage` and `accuracy` at the threshold with its interval and n,
    and the `calibration_error`.
    """
    check_real("threshold", threshold, low=0, high=1)
    rounds = list(rounds) if isinstance(rounds, Iterable) else [rounds]
    wrong = [one for one in rounds if not isinstance(one, Honesty)]
    if wrong or not rounds:
        got = f"{type(wrong[0]).__name__}" if wrong else "no round"
        raise TypeError(complain("rounds", "one or more Honesty, a round each", what=got))
    rows = [
        {
            "n_labels": int(h.soft.given.sum()),
            **h.curve([threshold]).iloc[0].to_dict(),
            "calibration_error": h.calibration_error["after"],
        }
        for h in rounds
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="round"))


def _table(judged: pd.DataFrame) -> dict[str, float]:
    return table_of(judged["right"].to_numpy(dtype=bool), judged["weight"].to_numpy())


def _mean(values: AnyArray) -> float:
    return float(values.mean()) if len(values) else np.nan
