"""The part of an audit's page to look at: a map and how far to trust it, trouble, and groups."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab.maps import map_quality
from curalab_widgets._cards import Cards, data_uri
from curalab_widgets._points import GREY, Paint, paint, raster

__all__ = ["look"]

_NEAT = 15_000  # rows up to which the page can wait for a good map and for groups
_GROUPS = 30
_AROUND = 15  # rows of the map
_TROUBLE = {"outliers": "does not belong", "label errors": "wrong label?", "duplicates": "copy"}
_GATHERED = 3.0  # times as many as by chance


def look(report: Any, items: pd.DataFrame, embedding: Any, label: str | None, cards: Cards) -> str:
    """Return pictures of a map, in words how far to trust it, and a table of groups."""
    if len(items) < 3:
        return ""
    neat = len(items) <= _NEAT
    seed = report.params["random_state"]
    method = "tsne" if neat else "pca"
    view = cl.reduce(embedding, method=method, random_state=seed)
    quality = map_quality(view, embedding)
    why = _explained(embedding, items, seed) if neat else None
    column = items[label] if label else why.by_item() if why else None
    classes = replace(paint(column, len(items)), faint=quality.misplaced)
    where = paint(_trouble(report, items.index), len(items))
    of = f"by {label}" if label else "by group" if why else ""
    return (
        f"<h2>Map</h2><p><small>{method} of the vectors. Near points are alike; distances between "
        f"groups, and their sizes, mean little.</small></p>"
        f"<p><b>How far to trust it:</b> {escape(quality.summary)} (drawn faint).</p>"
        f"<div class='maps'>{_figure(view, classes, f'The items {of}')}"
        f"{_figure(view, _greyed(where), 'Where the trouble lies')}"
        f"{_odd(report, view)}</div>"
        f"<ul>{''.join(_gathering(report, view))}</ul>"
        f"{_groups(why, items, label, cards) if why else _too_many(len(items))}"
    )


def _figure(view: Any, colored: Paint, title: str) -> str:
    legend = "".join(
        f"<span><i style='background:{colored.colors[i]}'></i>{escape(name)} "
        f"<small>{count:,}</small></span>"
        for i, (name, count) in enumerate(zip(colored.names, colored.counts, strict=True))
        if count and name
    )
    picture = data_uri(raster(np.asarray(view.vectors), colored))
    return (
        f"<figure><img alt='{escape(title)}' src='{picture}' width='460'>"
        f"<figcaption>{escape(title)}<p class='legend'>{legend}</p></figcaption></figure>"
    )


def _odd(report: Any, view: Any) -> str:
    if "outliers" not in report.results:
        return ""
    rank = pd.Series(report["outliers"].oddness).rank(pct=True)
    return _figure(view, paint(rank, len(rank)), "How odd each item is, by rank: bright is odd")


def _trouble(report: Any, ids: pd.Index) -> pd.Series[Any]:
    """Return what is wrong with each item; missing where nothing is, the rarest where much is."""
    found = report.problems.set_index("problem")["ids"]
    named = pd.Series(None, index=ids, dtype=object)
    for problem in sorted(set(_TROUBLE) & set(found.index), key=lambda name: -len(found[name])):
        named[found[problem]] = _TROUBLE[problem]
    return named


def _greyed(colored: Paint) -> Paint:
    names = ["nothing found" if name == "missing" else name for name in colored.names]
    faint = np.isin(colored.codes, [i for i, name in enumerate(names) if name == "nothing found"])
    return replace(colored, names=names, faint=faint, colors=[*colored.colors[:-1], GREY])


def _gathering(report: Any, view: Any) -> list[str]:
    """Say of each kind of trouble whether it lies in certain places of the map."""
    near = view.neighbors(min(_AROUND, len(view) - 1)).indices
    found = report.problems.set_index("problem")["ids"]
    said = []
    for problem, name in _TROUBLE.items():
        flagged = view.ids.isin(found.get(problem, []))
        n = int(flagged.sum())
        if n < 2:
            continue
        around, chance = flagged[near[flagged]].mean(), (n - 1) / (len(view) - 1)
        verdict = (
            "it lies in certain places: look there first"
            if around > _GATHERED * chance
            else "it is scattered: the map does not show where to look"
        )
        said.append(
            f"<li>{escape(name)} ({n:,}): of the rows around one on the map "
            f"{around:.0%} are marked too, by chance {chance:.0%}: {verdict}.</li>"
        )
    return said


def _explained(embedding: Any, items: pd.DataFrame, seed: int) -> Any:
    found = cl.cluster(embedding, random_state=seed)
    return cl.explain(embedding, found, items=items, random_state=seed)


def _groups(why: Any, items: pd.DataFrame, label: str | None, cards: Cards) -> str:
    largest = np.argsort(-why.size, kind="stable")[:_GROUPS]
    ids, titles = why.ids[largest], why.titles()
    told: dict[str, Any] = {
        "group": titles[ids].tolist(),
        "items": [f"{size:,}" for size in why.size[largest]],
    }
    if label:
        share = items[label].groupby(why.items["cluster"]).value_counts(normalize=True)
        mostly = [share[i].head(1) if i in share.index else share.head(0) for i in ids]
        told["mostly"] = [f"{s.index[0]} ({s.iloc[0]:.0%})" if len(s) else "" for s in mostly]
    more = "" if len(why) <= _GROUPS else f", the {_GROUPS} largest"
    made = escape(f"{why.params['method']}")
    return (
        f"<h2>Groups</h2><p><small>{len(why):,} clusters{more}, each by its most central item and "
        f"described by {made}.</small></p>"
        f"{cards.table(items.index.get_indexer(pd.Index(why.medoid[largest])).tolist(), told)}"
    )


def _too_many(n: int) -> str:
    return (
        f"<p><small>With {n:,} rows this page shows a quick map and no groups. In a notebook: "
        "<code>cl.reduce(embedding)</code>, <code>cl.cluster(embedding)</code>.</small></p>"
    )
