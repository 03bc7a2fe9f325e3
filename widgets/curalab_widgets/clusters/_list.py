"""Clusters as colours and as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray
from curalab_widgets._cards import Cards, plain
from curalab_widgets._points import COLORS, GREY, PALE, Paint

__all__ = ["colors_of", "listed", "painted", "slots_of", "tally"]

_MOST = 100  # clusters in the list


def tally(labels: IntArray, strength: FloatArray) -> pd.DataFrame:
    """Return the size and the mean strength of each cluster, by its number, the largest first."""
    number, code, size = np.unique(labels[labels >= 0], return_inverse=True, return_counts=True)
    total = np.bincount(code, strength[labels >= 0], minlength=len(number))
    told = pd.DataFrame({"size": size, "strength": total / np.maximum(size, 1)}, index=number)
    return told.sort_values("size", ascending=False, kind="stable")


def slots_of(labels: IntArray, before: IntArray | None) -> dict[int, int]:
    """Return which colour each of the largest clusters has, from 0.

    `before` is the colour of each row until now, -1 for none: a cluster keeps that of most of its
    rows, as long as no larger one has it.
    """
    sizes = pd.Series(labels[labels >= 0]).value_counts()
    free, slots = set(range(len(COLORS))), {}
    largest = sizes.index[: len(COLORS)].tolist()
    for cluster in largest if before is not None else []:
        had = before[labels == cluster]  # type: ignore[index]
        for slot in pd.Series(had[had >= 0]).value_counts().index[:1]:
            if slot in free:
                slots[cluster] = int(slot)
                free.discard(slot)
    for cluster in sorted(set(largest) - set(slots)):
        slots[cluster] = min(free)
        free.discard(slots[cluster])
    return slots


def colors_of(slots: Mapping[int, int]) -> dict[int, str]:
    """Return the colour of each cluster that has one."""
    return {cluster: COLORS[slot] for cluster, slot in slots.items()}


def painted(labels: IntArray, slots: Mapping[int, int]) -> Paint:
    """Return the colours of rows: their cluster's, grey for small clusters, pale for noise."""
    top = int(labels.max(initial=-1)) + 1
    code = np.full(top + 1, len(COLORS))
    code[-1] = len(COLORS) + 1
    for cluster, slot in slots.items():
        code[cluster] = slot
    of = {slot: f"cluster {cluster}" for cluster, slot in slots.items()}
    names = [of.get(slot, "") for slot in range(len(COLORS))]
    return Paint(
        codes=code[labels],
        colors=[*COLORS, GREY, PALE],
        names=[*names, "smaller clusters", "noise"],
    )


def listed(
    told: pd.DataFrame,
    colors: Mapping[int, str],
    *,
    names: Mapping[int, str],
    words: Mapping[int, Sequence[str]],
    middle: Mapping[int, IntArray],
    cards: Cards,
    state: Mapping[int, str],
    chosen: set[int],
    is_still: bool = False,
) -> str:
    """Return the clusters as a table; unless it is still, a click on a row picks its cluster."""
    rows = []
    for cluster, size, strength in told.head(_MOST).itertuples():
        color = colors.get(cluster, GREY)
        dot = f"<i class='curalab-cluster-dot' style='background:{color}'></i>"
        mark = "✓" if cluster in chosen else ""
        about = ", ".join(words.get(cluster, ()))
        central = middle[cluster][: 1 if cards.texts or not cards.images else 3].tolist()
        faces = "" if about else "".join(cards.face(row, side=26) for row in central)
        name = f"<b>{plain(names[cluster])}</b>" if cluster in names else "<i>no name</i>"
        label = f"{dot}{cluster}"
        if not is_still:
            pressed = "true" if cluster in chosen else "false"
            label = (
                f"<button class='curalab-key' aria-pressed='{pressed}' "
                f"title='Select the rows of cluster {cluster}'>{label}</button>"
            )
        pick = "" if is_still else f" data-pick='cluster:{cluster}'"
        rows.append(
            f"<tr{pick}{' class=curalab-cluster-chosen' if mark else ''}><td>{mark}</td>"
            f"<td>{label}</td><td>{name} {plain(state.get(cluster, ''))}</td>"
            f"<td>{size:,}</td><td>{strength:.2f}</td>"
            f"<td class='curalab-cluster-about'>{plain(about)}{faces}</td></tr>"
        )
    heads = ("", "cluster", "name", "rows", "strength", "words" if words else "examples")
    head = "".join(f"<th>{name}</th>" for name in heads)
    more = len(told) - _MOST
    rest = f"<p>{more:,} smaller clusters are not listed.</p>" if more > 0 else ""
    none = "" if len(told) else "<p>No clusters: all rows are noise.</p>"
    return (
        f"<table class='curalab-cluster-table'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{rest}{none}"
    )
