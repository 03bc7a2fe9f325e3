"""What a curation step is worth: the same model trained before and after, on sealed test rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_integer, check_seed, first_few
from curalab._hidden import is_metrics_only
from curalab.effect._arms import Arm, Change, arms_of
from curalab.effect._numbers import broken_down, measured, parts_of
from curalab.effect._points import encoded, looked_up
from curalab.effect._tables import check_tables, refuse_edited
from curalab.effect._train import PENALTY, find_copies, train_and_test
from curalab.results import StageResult

__all__ = ["Effect", "measure_effect"]

_log = logging.getLogger(__name__)
_DOING = {
    "dropped": "dropping",
    "relabelled": "relabelling",
    "reweighted": "reweighting",
    "labelled": "giving the new labels to",
}
_UNCHECKED = " Whether a method edited test labels was not checked: there is no ledger."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Effect(StageResult):
    """What a curation step did to a model's accuracy; row i belongs to test row `ids[i]`.

    Attributes
    ----------
    before, after, control : ndarray of shape (n_test,), float
        Share of the seeds under which the row was classified rightly, from 0 to 1: by a head
        trained before the step, after it, and after as much of the same done to random rows.
    gain : float
        Accuracy after minus accuracy before, from -1 to 1.
    interval : tuple of float
        Its 95 % interval, over seeds and test rows.
    gain_over_random : float
        Accuracy after minus accuracy of the control. NaN where the step has no random
        counterpart: nothing changed, or only contents were edited.
    interval_over_random : tuple of float
        Its 95 % interval, which also covers how much luck one choice of random rows has.
    balanced : mapping
        The same for balanced accuracy, the mean of the classes' accuracies: `before`, `after`,
        `control`, `gain`, `interval`.
    per_class : DataFrame
        One row a class of the test labels: `class` and the columns of `by`.
    details : mapping
        `change` (rows by kind of change), `test_checked` (whether a ledger was given), `notes`
        in words, `leaked`: ids of test rows whose vector is that of a training row, and `right`:
        whether each test row was classified rightly, by side and seed (n_test, 3, n_seeds).
    """

    prefix: ClassVar[str] = "effect"

    before: FloatArray
    after: FloatArray
    control: FloatArray
    gain: float
    interval: tuple[float, float]
    gain_over_random: float
    interval_over_random: tuple[float, float]
    balanced: Mapping[str, Any]
    per_class: pd.DataFrame

    @property
    def is_detectable(self) -> bool:
        """Whether the interval of the gain excludes zero: this very step has an effect."""
        return self.interval[0] > 0 or self.interval[1] < 0

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval over random excludes zero: no lucky choice of rows explains it."""
        return self.interval_over_random[0] > 0 or self.interval_over_random[1] < 0

    def by(self, values: Any) -> pd.DataFrame:
        """Break the effect down by any value that each test row has: a site, a source, a length.

        Parameters
        ----------
        values : Series, Clustering or array-like of shape (n_test,)
            One value a test row. What carries ids goes by id and may hold more rows, the rest by
            position. Cut measurements into a few ranges first (``pandas.cut``).

        Returns
        -------
        pandas.DataFrame
            One row a value, those without one last: `value`, `n_test`, accuracies `before`,
            `after` and `control`, `gain` over doing nothing, its 95 % interval from `low` to
            `high`, and `is_detectable`: whether the gain differs from zero where the 95 % are to
            hold for all rows of the table together (Bonferroni).

        Raises
        ------
        ValueError
            Test rows lack a value, or there are not as many values as test rows.

        Examples
        --------
        The group that is worst off after the step, and what the step did to it:

        >>> import numpy as np, pandas as pd, curalab as cl
        >>> items = cl.samples.digits()
        >>> x = np.stack(items["image"].tolist()).reshape(len(items), -1)
        >>> emb = cl.Embedding(vectors=x, ids=items.index)
        >>> effect = cl.measure_effect(
        ...     items[:200], items[:100], test=items[900:], embedding=emb, n_seeds=3, random_state=0
        ... )
        >>> parts = effect.by(items["label"].isin([1, 7]))
        >>> worst = parts.loc[parts["after"].idxmin()]
        >>> bool(worst["gain"] < 0)
        True
        """
        codes, names = parts_of(values, self.ids)
        change = bool(self.details["change"])
        return broken_down(self.details["right"], codes, names, "value", is_changed=change)

    @property
    def sentence(self) -> str:
        """What was measured, in words."""
        change: Mapping[str, int] = self.details["change"]
        unchecked = "" if self.details["test_checked"] else _UNCHECKED
        was, now = (f"{100 * side.mean():.1f} %" for side in (self.before, self.after))
        if not change:
            return f"No change: both sides train on the same rows. Accuracy {was}.{unchecked}"
        said = f"No detectable effect: accuracy {was} before, {now} after"
        if self.is_detectable:
            said = f"Accuracy {'rose' if self.gain > 0 else 'fell'} from {was} to {now}"
        said += f": {_told(self.gain, ' points', self.interval)} over doing nothing"
        if not np.isnan(self.gain_over_random):
            doing = " and ".join(told for kind, told in _DOING.items() if kind in change)
            over_random = _told(self.gain_over_random, "", self.interval_over_random)
            said += f", {over_random} over {doing} as many rows at random"
            if self.is_detectable and not self.is_beyond_chance:
                said += ", which may do the same"
        return f"{said}.{unchecked}"

    @property
    def summary(self) -> str:  # noqa: D102
        return f"gain {_told(self.gain, ' points', self.interval)}"

    def _repr_html_(self) -> str:
        if is_metrics_only():
            return f"<p><b>{escape(self.sentence)}</b></p>"
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.details["notes"])
        table = self.per_class.round(3).to_html(index=False, border=0, notebook=True)
        return f"<p><b>{escape(self.sentence)}</b></p><ul>{notes}</ul>{table}"


def _told(gain: float, unit: str, interval: tuple[float, float]) -> str:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    middle, low, high = (f"{round(100 * x, 1) + 0.0:+.1f}" for x in (gain, *interval))
    return f"{middle}{unit} (95 % interval {low} to {high})"


def measure_effect(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    test: pd.DataFrame,
    labels: str = "label",
    encoder: Any = None,
    embedding: Any = None,
    ledger: Any = None,
    n_seeds: int = 10,
    random_state: int | None = None,
) -> Effect:
    """Measure what a curation step is worth downstream.

    A linear head is trained on the rows before the step, after it, and after as much of the same
    done to random rows, each time on the same bootstrap of the rows; all are compared on test
    rows that the step never saw.

    Parameters
    ----------
    before, after : DataFrame
        The training table and what curation made of it, indexed by id. Rows of `after` are rows
        of `before`: dropped, relabelled, newly labelled, or weighted by a column `weight`. Rows
        without a label do not train.
    test : DataFrame
        Rows with sealed labels, whose ids are in neither table; unlabelled ones are left out.
    labels : str, default="label"
        The column of classes.
    encoder : str or encoder, default=None
        Makes the vectors, fitted once, on `before`. It gets the columns beside `labels`,
        `weight`, `tags` and `split`: one column as it is, several as a table.
    embedding : Embedding or DataFrame, default=None
        Vectors for the ids of all three tables. Give either this or `encoder`.
    ledger : Ledger, default=None
        The decisions: test labels that a method set are refused. Without one this cannot be
        checked, and the result says so.
    n_seeds : int, default=10
        Bootstraps of the training rows, 2 or more; each is the same on all sides.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Effect
        `sentence` says it in words, `gain` and `interval` in numbers.

    Raises
    ------
    ValueError
        Ids are shared with `test` or new in `after`, a side trains on less than two classes,
        or a method edited test labels.

    Notes
    -----
    The head is multinomial logistic regression of a fixed penalty on the vectors. The intervals
    say what other test rows, and other bootstraps of this training table, might have shown:
    Student's over the seeds and the normal one over the rows, added as independent errors.

    On a small table even a random step has some effect, good or bad, and enough test rows detect
    it. Whether a step chose better than chance is another question: `interval_over_random` also
    holds the spread between random choices (each seed draws one and trains it on the whole
    table), and the sentence says where random rows "may do the same".

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(2, size=300)
    >>> items = pd.DataFrame({"label": np.where(truth, "b", "a")})
    >>> x = rng.normal(size=(300, 2)) + 2 * truth[:, None]
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> before = items[:100].copy()
    >>> before.loc[:40, "label"] = "a"
    >>> effect = cl.measure_effect(
    ...     before, items[:100], test=items[100:], embedding=emb, random_state=0
    ... )
    >>> effect.is_detectable
    True
    """
    tables = check_tables(before, after, test, labels)
    if (encoder is None) == (embedding is None):
        got = "neither" if encoder is None else "both"
        raise TypeError(
            f"One of the 'encoder' and 'embedding' parameters must be given. Got {got} instead."
        )
    n_seeds = check_integer("n_seeds", n_seeds, low=2)
    seed = check_seed(random_state)
    refuse_edited(ledger, tables["test"].index, labels)
    was, now, codes, classes = arms_of(tables, labels)
    points = (
        looked_up(embedding, tables) if encoder is None else encoded(encoder, tables, labels, seed)
    )
    change = Change.between(was, now, points.is_edited)
    trained = points.before[was.codes >= 0]
    copies = tables["test"].index[find_copies(trained, points.test, points.metric)]
    right = train_and_test(points, (was, now), change, codes, n_seeds=n_seeds, seed=seed)
    return Effect(
        ids=tables["test"].index,
        **measured(right, codes, classes, change.counts),
        params={
            "verb": "measure_effect",
            "method": f"linear head, penalty {PENALTY}",
            "labels": labels,
            "n_seeds": n_seeds,
            "random_state": seed,
            "vectors": points.record,
        },
        details={
            "change": change.counts,
            "test_checked": ledger is not None,
            "leaked": copies.tolist(),
            "right": right.sides,
            "notes": _notes(copies, _untrained(codes, was, now), change),
        },
    )


def _untrained(codes: IntArray, was: Arm, now: Arm) -> dict[str, int]:
    """Count the test rows that a side has no training row for, by how that came."""
    had, has = (np.isin(codes, arm.codes[arm.weight > 0]) for arm in (was, now))
    return {"'before' lacks": int((~had).sum()), "'after' has lost": int((had & ~has).sum())}


def _notes(copies: pd.Index, untrained: Mapping[str, int], change: Change) -> list[str]:
    notes = []
    if len(copies):
        notes.append(
            f"{len(copies):,} test rows equal a training row (ids {first_few(copies)}), which "
            "flatters every side. find_leakage lists them, and near copies too."
        )
        _log.warning(notes[-1])
    for how, n_rows in untrained.items():
        if n_rows:
            notes.append(f"{n_rows:,} test rows are of classes that {how}.")
    if change.edited.any():
        n = int(change.edited.sum())
        notes.append(f"{n:,} rows hold other contents; the control leaves contents alone.")
    if n := change.counts.get("labelled", 0):
        notes.append(
            f"{n:,} rows got a label; the control gives these labels to other rows. It tells "
            "whether the labels are right, not whether these rows were the ones to label: for "
            "that, compare with as many rows chosen at random and labelled as well."
        )
    return notes
