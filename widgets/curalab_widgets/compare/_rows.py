"""What a comparison says of each row: one function for each kind that can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._agreement import kappa_of, rank_agreement
from curalab._check import are_invented
from curalab._differences import changed_cells, match_clusters, moved_rows
from curalab.clusters import Clustering
from curalab.label_errors import LabelErrors
from curalab.maps._quality import default_k
from curalab_widgets._cards import is_missing
from curalab_widgets.compare._compared import Compared, Sides

__all__ = [
    "clusterings",
    "detectors",
    "embeddings",
    "pseudo_labels",
    "selections",
    "tables",
]

_BANDS = ["none kept", "up to a quarter", "up to a half", "up to three quarters", "nearly all"]
_BOTH = ["both", "only left", "only right", "neither"]
_SPLIT = 0.1  # share of a cluster from which its part is worth a line
_CUT = 60  # characters of a cell


def embeddings(sides: Sides, k: int | None, _: Any) -> Compared:
    table = moved_rows(sides.left, sides.right, k=k)
    k = default_k(len(table)) if k is None else k
    kept = table["neighbors_kept"].to_numpy()
    bands = np.ceil(kept * 4 - 1e-9).astype(int)
    table["outcome"] = np.asarray(_BANDS, dtype=object)[bands]
    order = np.lexsort([-table["farther"].to_numpy(), kept])
    chance = k / (len(table) - 1)
    return Compared(
        table=table,
        order=order[kept[order] < 1],
        outcomes=_BANDS,
        says=f"Of a row's {k} nearest rows {kept.mean():.0%} are the same on both sides; chance "
        f"gives {chance:.1%}. Rows that keep none: {int((kept == 0).sum()):,}.",
        measures={"neighbors_kept": float(kept.mean()), "chance": chance, "k": k},
        shown=("neighbors_kept", "farther"),
        named=False,
    )


def clusterings(sides: Sides, _: Any, __: Any) -> Compared:
    left, right = (
        Clustering(
            ids=sides.ids, labels=side.labels, strength=side.strength, n_clusters=side.n_clusters
        )
        if are_invented(side.ids)
        else side
        for side in (sides.left, sides.right)
    )
    found = match_clusters(left, right)
    table = found.rows.loc[sides.ids]
    changed = table.pop("changed").to_numpy()
    table["outcome"] = np.where(changed, "changed", "stayed")
    mates = table["mates_kept"].to_numpy()
    order = np.lexsort([mates, ~changed])
    stories = [
        *_stories(found.flows, "left", "right", "splits into"),
        *_stories(found.flows, "right", "left", "is made of"),
    ]
    return Compared(
        table=table,
        order=order[(changed | (mates < 1))[order]],
        outcomes=["changed", "stayed"],
        says=f"{sides.left.n_clusters:,} clusters on the left, {sides.right.n_clusters:,} on the "
        f"right. {changed.mean():.1%} of the rows go to another cluster than the one matched to "
        f"theirs. Adjusted Rand {found.ari:.2f}, NMI {found.nmi:.2f} (1 is the same).",
        measures={"adjusted_rand": found.ari, "nmi": found.nmi, "changed": float(changed.mean())},
        shown=("left", "right", "mates_kept"),
        matched={b: a for a, b in found.matched.items()},
        stories=stories,
    )


def _stories(
    flows: pd.DataFrame, side: str, other: str, verb: str
) -> list[tuple[str, dict[str, Any]]]:
    """Tell of the clusters of one side that are several on the other, the largest first."""
    parts = flows[(flows[f"of_{side}"] >= _SPLIT) & (flows[side] >= 0)]
    found: dict[int, list[tuple[int, int, float]]] = {}
    for cluster, *part in zip(
        *(parts[c] for c in (side, "items", other, f"of_{side}")), strict=True
    ):
        found.setdefault(int(cluster), []).append(tuple(part))
    split = {cluster: part for cluster, part in found.items() if len(part) > 1}
    told = []
    for cluster in sorted(split, key=lambda c: -sum(n for n, _, _ in split[c])):
        named = ((f"{other} {b}" if b >= 0 else f"{other} noise", s) for _, b, s in split[cluster])
        into = ", ".join(f"{name} ({share:.0%})" for name, share in named)
        told.append((f"{side} {cluster} {verb} {into}", {side: cluster}))
    return told


def detectors(sides: Sides, _: Any, __: Any) -> Compared:
    table, marks = pd.DataFrame(index=sides.ids), []
    for name, side in (("left", sides.left), ("right", sides.right)):
        frame = _frame(side, sides.ids)
        if isinstance(side, LabelErrors):
            doubt, mark = -frame["label_quality"], frame["label_is_error"].to_numpy(dtype=bool)
        else:
            doubt, mark = frame["outlier_oddness"], frame["is_outlier"].to_numpy(dtype=bool)
        table[f"{name}_rank"] = (doubt.rank() - 1) / max(int(doubt.notna().sum()) - 1, 1)
        word = np.where(mark, "marked", "not marked")
        table[name] = np.where(doubt.isna(), "not judged", word).astype(object)
        marks.append(mark)
    one, other = marks
    table["outcome"] = _outcome(one, other)
    gap = (table["left_rank"] - table["right_rank"]).abs()
    table["rank_difference"] = gap
    judged = gap.notna().to_numpy()
    ranks = (table[f"{name}_rank"].to_numpy()[judged] for name in ("left", "right"))
    measures = {**_overlap(one, other), "kappa": kappa_of(one[judged], other[judged])}
    measures["rank_correlation"] = rank_agreement(*ranks)
    order = np.argsort(-gap.fillna(-1).to_numpy(), kind="stable")
    return Compared(
        table=table,
        order=order[(gap > 0).to_numpy()[order]],
        outcomes=_BOTH,
        says=f"Left marks {one.sum():,} rows, right {other.sum():,}, both {(one & other).sum():,}. "
        f"Their ranks correlate at {_told(measures['rank_correlation'])}, their marks agree at "
        f"kappa {_told(measures['kappa'])} (1 is the same, 0 is chance).",
        measures=measures,
        shown=("left", "right", "left_rank", "right_rank"),
        plane=("left_rank", "right_rank"),
    )


def pseudo_labels(sides: Sides, _: Any, __: Any) -> Compared:
    table = pd.DataFrame(index=sides.ids)
    for name, side in (("left", sides.left), ("right", sides.right)):
        frame = _frame(side, sides.ids)
        told = frame["pseudo_label"].astype(object)
        table[name] = told.where(told.notna(), "no label")
        table[f"{name}_confidence"] = frame["pseudo_confidence"]
        is_given = frame["pseudo_given"].to_numpy() & table.get("given", True)
        table["given"] = is_given
    given = table.pop("given").to_numpy(dtype=bool)
    differ = (table["left"].astype(str) != table["right"].astype(str)).to_numpy()
    table["outcome"] = np.select([given, differ], ["given on both sides", "differ"], "agree")
    sure = table[["left_confidence", "right_confidence"]].min(axis=1).to_numpy()
    order = np.lexsort([-sure, ~differ])
    open_rows = ~given
    words = (table[name][open_rows].astype(str).to_numpy() for name in ("left", "right"))
    share = float((~differ[open_rows]).mean()) if open_rows.any() else float("nan")
    measures = {"agreement": share, "kappa": kappa_of(*words)}
    return Compared(
        table=table,
        order=order[differ[order]],
        outcomes=["differ", "agree", "given on both sides"],
        says=f"Of {open_rows.sum():,} rows without a given label {_told(share, '.0%')} get the "
        f"same one on both sides; kappa {_told(measures['kappa'])} (1 is the same, 0 is chance).",
        measures=measures,
        shown=("left", "right", "left_confidence", "right_confidence"),
    )


def selections(sides: Sides, _: Any, __: Any) -> Compared:
    table, marks, places = pd.DataFrame(index=sides.ids), [], []
    for name, side in (("left", sides.left), ("right", sides.right)):
        rank = pd.Series(np.arange(1.0, len(side) + 1), index=side.ids).reindex(sides.ids)
        table[f"{name}_rank"] = rank
        marks.append(rank.notna().to_numpy())
        table[name] = np.where(marks[-1], "picked", "not picked").astype(object)
        places.append(rank.fillna(max(len(sides.left), len(sides.right)) + 1).to_numpy())
    one, other = marks
    table["outcome"] = _outcome(one, other)
    gap = np.abs(places[0] - places[1])
    order = np.lexsort([-gap, one == other])
    both = one & other
    measures = _overlap(one, other)
    measures["rank_correlation"] = rank_agreement(places[0][both], places[1][both])
    pool = max(int(side.details.get("n_pool", len(side))) for side in (sides.left, sides.right))
    chance = len(sides.left) * len(sides.right) / max(pool, 1)
    return Compared(
        table=table,
        order=order[((gap > 0) | (one != other))[order]],
        outcomes=_BOTH,
        says=f"Left picks {one.sum():,} rows, right {other.sum():,}, both {both.sum():,}; by "
        f"chance both would pick about {chance:,.0f} of {pool:,}.",
        measures={**measures, "shared": int(both.sum()), "shared_by_chance": chance},
        shown=("outcome", "left_rank", "right_rank"),
    )


def tables(sides: Sides, _: Any, labels: str | None) -> Compared:
    left, right, ids = sides.left, sides.right, sides.ids
    one, other = (side.index.get_indexer(ids) >= 0 for side in (left, right))
    cells = changed_cells(left, right)
    lines: list[list[str]] = [[] for _ in ids]
    places = ids.get_indexer(cells.index).tolist()
    for row, (name, a, b) in zip(places, cells.itertuples(index=False, name=None), strict=True):
        lines[row].append(f"{name}: {_brief(a)} → {_brief(b)}")
    count = np.array([len(line) for line in lines])
    table = pd.DataFrame(index=ids)
    if labels is not None:
        for name, side, here in (("left", left, one), ("right", right, other)):
            known = side[labels] if labels in side else pd.Series(None, side.index, dtype=object)
            words = known.astype(object).reindex(ids)
            table[name] = words.where(words.notna(), np.where(here, "no label", "not there"))
    names = ["only left", "only right", "changed"]
    outcome = np.select([~other, ~one, count > 0], names, "same")
    table["outcome"] = outcome.astype(object)
    table["changed_cells"] = count
    table["changes"] = ["; ".join(line) for line in lines]
    order = np.lexsort([-count, np.select([~other, ~one, count > 0], [0, 1, 2], 3)])
    sizes = {name: int((outcome == name).sum()) for name in [*names, "same"]}
    alone = [str(c) for c in left.columns.symmetric_difference(right.columns, sort=False)]
    more = f" Columns of one table only: {', '.join(alone)}." if alone else ""
    return Compared(
        table=table,
        order=order[outcome[order] != "same"],
        outcomes=[*names, "same"],
        says=f"{len(left):,} rows on the left, {len(right):,} on the right: {sizes['only left']:,} "
        f"only left, {sizes['only right']:,} only right, {sizes['changed']:,} changed (cells: "
        f"{len(cells):,}), {sizes['same']:,} the same.{more}",
        measures={name.replace(" ", "_"): size for name, size in sizes.items()},
        shown=("outcome", "changes"),
        named=labels is not None,
    )


def _outcome(one: Any, other: Any) -> Any:
    return np.select([one & other, one, other], _BOTH[:3], _BOTH[3]).astype(object)


def _overlap(one: Any, other: Any) -> dict[str, float]:
    either = (one | other).sum()
    return {"overlap": float((one & other).sum() / either) if either else float("nan")}


def _told(value: float, form: str = ".2f") -> str:
    return "unknown" if np.isnan(value) else format(value, form)


def _brief(value: Any) -> str:
    if is_missing(value):
        return "missing"
    if getattr(value, "ndim", 0) or not isinstance(value, str | int | float | bool | np.generic):
        return f"another {type(value).__name__}"
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _frame(side: Any, ids: pd.Index) -> pd.DataFrame:
    """Return what a result says, in the order of `ids`."""
    frame = side.to_frame()
    made: pd.DataFrame = frame.set_axis(ids) if are_invented(side.ids) else frame.loc[ids]
    return made
