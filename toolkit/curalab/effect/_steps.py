"""What each step of a ledger is worth: its decisions, one kind after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, check_seed, complain
from curalab.effect._interval import Gain, gain_of
from curalab.items._table import check_column, check_table
from curalab.ledger import Ledger

if TYPE_CHECKING:
    from curalab.effect import Effect

__all__ = ["ALL_STEPS", "effect_by_step"]

ALL_STEPS = "all steps"


def effect_by_step(
    items: pd.DataFrame,
    ledger: Ledger,
    *,
    test: pd.DataFrame,
    embedding: Any,
    labels: str = "label",
    n_seeds: int = 10,
    random_state: int | None = None,
) -> dict[str, Effect]:
    """Measure what each step of a curation is worth downstream, in the order they were taken.

    A step is all decisions in force of one action by one actor with one method: "drop by Ann",
    "relabel by Ann (knn_agreement)". Each is measured against what the steps before it left, with
    the same bootstraps of the same rows, so that their gains add up to that of all.

    Parameters
    ----------
    items : DataFrame
        The source table that the ledger decides on, indexed by id. Rows of `test` in it are set
        aside.
    ledger : Ledger
        The decisions. Those to keep or tag rows, or about other columns, change nothing that is
        trained on and are left out.
    test : DataFrame
        Rows with sealed labels.
    embedding : Embedding or DataFrame
        Vectors for the ids of both tables.
    labels : str, default="label"
        The column of classes.
    n_seeds : int, default=10
        Bootstraps of the training rows, 2 or more.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    dict of str to Effect
        By the name of the step. `details["step"]` of each says `action`, `actor`, `method`, the
        `ids` of the rows and the numbers of the `events`, and `so_far`: `gain`, `low` and `high`
        of all steps up to this one over doing nothing. Two steps or more are followed by
        "all steps": the whole, against as much of the same at random.

    Raises
    ------
    ValueError
        The ledger decides on rows that `items` lacks, or on nothing that is trained on; or a
        table is one that ``measure_effect`` refuses.
    StaleDecisionError
        A relabel does not fit `items`.

    Notes
    -----
    What a step is worth depends on the steps before it: two that repair the same mistakes in two
    ways share the gain, and the first has most of it.

    Examples
    --------
    >>> import numpy as np, pandas as pd, tempfile, curalab as cl
    >>> from curalab.effect._steps import effect_by_step
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(2, size=300)
    >>> items = pd.DataFrame({"label": np.where(truth, "b", "a")})
    >>> x = rng.normal(size=(300, 2)) + 2 * truth[:, None]
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> dirty = items[:100].copy()
    >>> dirty.loc[:40, "label"] = "a"
    >>> wrong = dirty.index[dirty["label"] != items["label"][:100]]
    >>> folder = tempfile.TemporaryDirectory()
    >>> with cl.Ledger(f"{folder.name}/my.ledger") as ledger:
    ...     for row in wrong:
    ...         event = ledger.record(row, action="relabel", field="label", new="b", actor="Ann")
    ...     event = ledger.record(99, action="weight", new=0.5, actor="Bob")
    ...     effects = effect_by_step(
    ...         dirty, ledger, test=items[100:], embedding=emb, n_seeds=5, random_state=0
    ...     )
    >>> list(effects)
    ['relabel by Ann', 'weight by Bob', 'all steps']
    >>> effects["relabel by Ann"].is_detectable, effects["weight by Bob"].is_detectable
    (True, False)
    >>> folder.cleanup()
    """
    from curalab.effect import measure_effect  # which this file is a part of

    for name, table in (("items", items), ("test", test)):
        check_column(check_table(name, table), labels, name="labels")
    if not isinstance(ledger, Ledger):
        raise TypeError(complain("ledger", "a Ledger, such as cl.Ledger('my.ledger')", ledger))
    seed = check_seed(random_state)
    ledger.apply(items)  # refuses what does not fit
    before = items.drop(index=test.index, errors="ignore")
    steps = _steps(ledger, before.index, labels)
    tables = _after_each(before, steps, labels)

    def measured(was: pd.DataFrame, now: pd.DataFrame, name: str) -> Effect:
        sides = {"test": test, "labels": labels, "embedding": embedding, "ledger": ledger}
        found = measure_effect(was, now, **sides, n_seeds=n_seeds, random_state=seed)
        return replace(found, params={**found.params, "step": name})

    pairs = zip(steps, tables[:-1], tables[1:], strict=True)
    effects = {name: measured(was, now, name) for name, was, now in pairs}
    told = {name: _noted(steps[name], so_far) for name, so_far in _so_far(effects).items()}
    if len(steps) > 1:
        effects[ALL_STEPS] = whole = measured(tables[0], tables[-1], ALL_STEPS)
        gain = Gain(whole.gain, *whole.interval)
        told[ALL_STEPS] = _noted(pd.concat(steps.values()), gain)
    return {
        name: replace(effect, details={**effect.details, "step": told[name]})
        for name, effect in effects.items()
    }


def _steps(ledger: Ledger, ids: pd.Index, labels: str) -> dict[str, pd.DataFrame]:
    """Return the decisions of each step on rows of `ids`, by its name, the first taken first."""
    decided = ledger.decisions()
    counts = decided["action"].isin(["drop", "weight"]) | (
        (decided["action"] == "relabel") & (decided["field"] == labels)
    )
    decided = decided[counts & decided.index.isin(ids)]
    if decided.empty:
        rule = "one with decisions in force that drop, relabel or weight rows to train on"
        raise ValueError(complain("ledger", rule, what="none"))
    made = decided["method"].where(decided["method"] != decided["actor"], None)
    names = [
        f"{action} by {actor}" + ("" if pd.isna(method) else f" ({method})")
        for action, actor, method in zip(decided["action"], decided["actor"], made, strict=True)
    ]
    return {
        str(name): part for name, part in decided.groupby(np.array(names, dtype=object), sort=False)
    }


def _after_each(
    before: pd.DataFrame, steps: Mapping[str, pd.DataFrame], labels: str
) -> list[pd.DataFrame]:
    """Return what trains before the first step and after each.

    Dropped rows stay without a label: so all tables have the same rows, and the same bootstraps.
    """
    label: AnyArray = before[labels].astype(object).to_numpy(copy=True)
    weight = np.ones(len(before))
    if "weight" in before.columns:
        weight = pd.to_numeric(before["weight"], errors="coerce").to_numpy(dtype=float, copy=True)
    is_dropped = np.zeros(len(before), dtype=bool)

    def state() -> pd.DataFrame:
        trains = label.copy()
        trains[is_dropped] = None
        return pd.DataFrame({labels: trains, "weight": weight.copy()}, index=before.index)

    tables = [state()]
    for step in steps.values():
        rows = before.index.get_indexer(pd.Index(step.index, dtype=object))
        action = step["action"].iloc[0]
        if action == "drop":
            is_dropped[rows] = True
        elif action == "weight":
            weight[rows] = step["new"].to_numpy(dtype=float)
        else:
            label[rows] = step["new"].to_numpy()
        tables.append(state())
    return tables


def _so_far(effects: Mapping[str, Effect]) -> dict[str, Gain]:
    """Return the gain of all steps up to each: their sides share rows and bootstraps."""
    first = next(iter(effects.values())).details["right"][:, 0]
    has_changed = False
    gains = {}
    for name, effect in effects.items():
        has_changed |= bool(effect.details["change"])
        after = effect.details["right"][:, 1]
        gains[name] = gain_of(after, first) if has_changed else Gain(0.0, 0.0, 0.0)
    return gains


def _noted(step: pd.DataFrame, so_far: Gain) -> dict[str, Any]:
    """Return what is known of a step beside its effect."""
    one = {name: step[name].unique().tolist() for name in ("action", "actor", "method")}
    return {
        **{name: values[0] if len(values) == 1 else None for name, values in one.items()},
        "ids": step.index.unique().tolist(),
        "events": step["event"].tolist(),
        "so_far": {"gain": so_far.mean, "low": so_far.low, "high": so_far.high},
    }
