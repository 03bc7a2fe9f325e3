"""The parts of a card that are known from the table, the ledger, the audit and the effect."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from curalab.documents._columns import classes_of, columns_told, without_folder
from curalab.documents._markdown import as_text, bullets, plain, table

__all__ = ["composition", "considerations", "creation", "reproduction", "steps_of"]

_MOST = 50  # classes or steps told one by one
_UNEVEN = 3.0  # times the smallest class that the largest has, from which it is a limit
_CROSSED = 12  # columns of a table of two
_MEANS = {  # what a problem means for who uses the data
    "leakage": "While they are in the test set, scores on it flatter a model.",
    "groups on both sides": "Scores say little of groups that a model has not seen.",
    "times out of order": "Scores say little of the future.",
    "label errors": "Labels are likely wrong there, for training and for scores.",
    "labels that vectors cannot tell": "Whether labels are wrong could not be judged.",
    "weak groups": "Labels are unclear there; scores on these rows say little.",
    "label conflicts": "Equal items teach, and count, as different classes.",
    "duplicates": "Copies count several times.",
    "shift": "A model may do worse where the data differ; report by group.",
    "outliers": "They may be errors, or rare cases that matter.",
    "rare classes": "Results for these classes are uncertain.",
    "missing labels": "Results hold for the labelled rows.",
    "shortcut": "A model may learn this instead of the task.",
}


def composition(items: pd.DataFrame, told: Mapping[str, Any], label: object) -> Iterator[str]:
    """Tell how many items there are, what the columns hold, and how classes and splits divide."""
    yield from ("", "## Dataset Structure", "", "### Composition", "")
    n = items.shape[1]
    yield from (f"{len(items):,} items, {n:,} column{'s' * (n != 1)}.", "")
    yield from table(columns_told(items))
    split = told.get("split") or "split"
    for name, counts in classes_of(items):
        yield from (f"### {'Split' if name == split else 'Balance of'} `{_code(name)}`", "")
        shares = [f"{count / len(items):.1%}".replace("%", " %") for count in counts]
        told_as = {"value": counts.index.astype(object), "items": counts.map("{:,}".format)}
        yield from table(pd.DataFrame({**told_as, "share": shares}), most=_MOST)
    for other in dict.fromkeys([split, told.get("groups")]):
        if {label, other} <= set(items.columns) and label != other:
            ends = [items[name].astype(object).map(without_folder) for name in (label, other)]
            crossed = pd.crosstab(ends[0], ends[1])
            if 0 < crossed.shape[1] <= _CROSSED:
                yield from (f"### `{_code(label)}` by `{_code(other)}`", "")
                yield from table(crossed.rename_axis(columns=None).reset_index(), most=_MOST)


def _code(name: object) -> str:
    return as_text(name).replace("`", "'")


# ---- creation ------------------------------------------------------------------------------------


def steps_of(items: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    """Return one row a step (same actor, method, action and reason), in the order of decisions.

    Columns beside these: `items` (decisions), `gone` (rows it took away), `rows left` after it,
    `started` and `ended`.
    """
    keys = ["action", "actor", "method", "reason"]
    named = standing.fillna({"method": "", "reason": ""})
    if named.groupby(keys).ngroups > _MOST:  # notes written row by row
        n = named.groupby(keys[:3])["reason"].transform("nunique")
        several = n.map("{:,} reasons".format)
        named = named.assign(reason=named["reason"].where(n == 1, several))
    is_gone = (named["action"] == "drop") & ~named.index.isin(items.index)
    steps = named.assign(gone=is_gone).groupby(keys, sort=False)
    frame: pd.DataFrame = (
        steps["event"]
        .agg(items="size", first="min")
        .assign(gone=steps["gone"].sum(), started=steps["time"].min(), ended=steps["time"].max())
    )
    frame = frame.sort_values("first").drop(columns="first").reset_index()
    frame["rows left"] = len(items) + int(is_gone.sum()) - frame["gone"].cumsum()
    return frame


def creation(items: pd.DataFrame, ledger: Any, standing: pd.DataFrame) -> Iterator[str]:
    """Tell the curation steps, who decided and how far they agree."""
    yield from ("### Curation", "", f"{len(standing):,} decisions stand in the ledger.", "")
    if not len(standing):
        return
    steps = steps_of(items, standing)
    came = len(items) + int(steps["gone"].sum())
    yield from (f"{came:,} rows came in, {len(items):,} are left.", "")
    still = items.index.isin(standing.index[standing["action"] == "drop"]).sum()
    if still:
        yield from (f"The table still holds {still:,} rows that the ledger drops.", "")
    shown = steps.drop(columns=["gone", "started", "ended"])
    counts = {name: shown[name].map("{:,}".format) for name in ("items", "rows left")}
    yield from table(shown.assign(**counts), most=2 * _MOST)
    yield from ("### Annotators", "")
    acted = pd.crosstab(standing["actor"], standing["action"]).rename_axis(columns=None)
    yield from table(acted.reset_index(), most=_MOST)
    agreement = ledger.agreement() if hasattr(ledger, "agreement") else None
    if agreement is not None and agreement.n_rows:
        same, alpha = f"{agreement.same:.1%}", f"{agreement.alpha:.3f}"
        told = f"{agreement.n_rows:,} were decided by two or more, {same} of the pairs alike"
        yield from (f"{told}; Krippendorff's α {alpha}, Cohen's κ of each two:", "")
        yield from table(agreement.pairs.round(3), most=_MOST)


# ---- considerations ------------------------------------------------------------------------------


def considerations(items: pd.DataFrame, standing: pd.DataFrame, audit: Any) -> Iterator[str]:
    """Tell what was measured that a user should know; nothing is told that was not measured."""
    found = ["No audit was given: copies, wrong labels, shift and leakage are not known."]
    if audit is not None:
        problems = audit.problems.assign(left=[*_left(audit.problems["ids"], items, standing)])
        found = [*_found(problems)]
        yield from ("### Quality before curation", "")
        shown = problems[["problem", "n_items", "evidence", "action", "left"]]
        yield from table(shown.rename(columns={"n_items": "items", "left": "left undecided"}))
        for name, said in audit.errors.items():
            yield from (f"The finder {plain(name)} failed: {plain(said)}", "")
    yield from ("### Known limits", "")
    yield from bullets([*found, *_uneven(items), *_gaps(items)] or ["The audit found nothing."])


def _left(found: Any, items: pd.DataFrame, standing: pd.DataFrame) -> Iterator[int]:
    """Count the items of each problem that are still there and that nobody decided on."""
    for ids in found:
        there = pd.Index(ids, dtype=object)
        yield int((there.isin(items.index) & ~there.isin(standing.index)).sum())


def _found(problems: pd.DataFrame) -> Iterator[str]:
    for row in problems.to_dict("records"):
        means = _MEANS.get(row["problem"].partition(":")[0], "")
        told = f"**{plain(row['problem'])}**: {plain(row['evidence'])}"
        if n := row["n_items"]:
            told += f"; {n:,} item{'s' * (n != 1)}, {row['share']:.1%}"
            told += f", {row['left']:,} still here undecided"
        yield f"{told}. {means}".rstrip()


def _uneven(items: pd.DataFrame) -> Iterator[str]:
    for name, counts in classes_of(items):
        most, least = counts.iloc[0], counts.iloc[-1]
        if most >= _UNEVEN * least:
            ends = f"{plain(counts.index[0])} has {most:,} items, {plain(counts.index[-1])}"
            yield f"**`{_code(name)}` is uneven**: {ends} {least:,}, {most / least:.1f} times less."


def _gaps(items: pd.DataFrame) -> Iterator[str]:
    shares = items.isna().mean()
    for name, share in shares[shares > 0].items():
        yield f"**Missing values**: {share:.1%} of `{_code(name)}`."


# ---- use -----------------------------------------------------------------------------------------


def reproduction(ledger: Any, standing: pd.DataFrame, audit: Any, effect: Any) -> Iterator[str]:
    """Tell what curation was worth, and how and with what to get the table again."""
    yield from ("", "## Usage", "")
    if effect is not None:
        yield from ("### Effect", "", plain(effect.sentence), "")
        yield from bullets(map(plain, getattr(effect, "details", {}).get("notes", ())))
    name = ascii(as_text(ledger.path.name)).replace("`", "?")
    yield from ("### How to reproduce", "")
    yield from ("The ledger replays the decisions on the source table, whose index holds the ids:",)
    yield from ("", "```python", "import curalab as cl", "")
    yield from (f"with cl.Ledger({name}) as ledger:", "    clean = ledger.apply(source)", "```")
    yield from ("", "`ledger.recipe()` writes them as Python that needs no ledger.", "")
    yield from table(pd.DataFrame(_made_with(standing, audit, effect), columns=["what", "is"]))


def _made_with(standing: pd.DataFrame, audit: Any, effect: Any) -> Iterator[tuple[str, object]]:
    yield "python", platform.python_version()
    for package in ("curalab", "numpy", "pandas", "scikit-learn", "torch"):
        yield package, version(package)
    for name, made in (("audit", audit), ("effect", effect)):
        params = getattr(made, "params", {})
        for key in sorted({"random_state", "embedding", "vectors", "n_seeds"} & set(params)):
            yield f"{name}: {key}", params[key]
    for seen in standing["embedding"].dropna().unique()[:3]:
        yield "decided on embedding", seen
    stated = standing[standing["params"].notna()].fillna({"method": "by hand"})
    for method, params in stated.groupby("method", sort=False)["params"]:
        values = [*dict.fromkeys(map(str, params))]
        yield f"{method}: settings", "; ".join(values[:3]) + " …" * (len(values) > 3)
