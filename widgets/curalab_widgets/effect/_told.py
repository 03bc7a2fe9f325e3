"""What steps were worth, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain
from curalab.effect import Effect
from curalab_widgets._cards import is_missing, plain

__all__ = ["by_table", "headline", "named_effects", "named_groups", "step_table", "tile_label"]

_WORDS = {"drop": "dropped", "weight": "weight {new:g}"}


def named_effects(effects: Any) -> dict[str, Effect]:
    """Return effects by the names of their steps, in order."""
    rule = "an Effect, or Effects by name, one at least"
    if isinstance(effects, Effect):
        effects = {str(effects.params.get("step", "the step")): effects}
    if isinstance(effects, list | tuple):
        pairs = [
            tuple(pair) for pair in effects if isinstance(pair, list | tuple) and len(pair) == 2
        ]
        if len(pairs) < len(effects):
            raise TypeError(complain("effects", rule, effects))
        effects = {name: one for name, one in pairs}  # noqa: C416
    if not isinstance(effects, Mapping):
        raise TypeError(complain("effects", rule, effects))
    for one in effects.values():
        if not isinstance(one, Effect):
            raise TypeError(complain("effects", rule, one))
    if not effects:
        raise ValueError(complain("effects", rule, what="none"))
    return {str(name): one for name, one in effects.items()}


def named_groups(groups: Any) -> dict[str, Any]:
    """Return what effects can be broken down by, by name."""
    if groups is None:
        return {}
    if isinstance(groups, pd.Series):
        return {str("group" if groups.name is None else groups.name): groups}
    if isinstance(groups, pd.DataFrame):
        return {str(name): groups[name] for name in groups}
    if not isinstance(groups, Mapping):
        rule = "a Series, a DataFrame, or values by name"
        raise TypeError(complain("groups", rule, groups))
    return {str(name): values for name, values in groups.items()}


def headline(effects: Mapping[str, Effect], total: str) -> str:
    """Say how many steps did something, as HTML."""
    steps = [effect for name, effect in effects.items() if name != total]
    clear = sum(effect.is_detectable for effect in steps)
    beyond = sum(effect.is_detectable and effect.is_beyond_chance for effect in steps)
    n = "the step has" if len(steps) == 1 else f"{len(steps):,} steps have"
    said = (
        f"<b>{clear:,} of {n}</b> a detectable effect"
        if len(steps) > 1
        else (f"<b>The step has {'a' if clear else 'no'} detectable effect</b>")
    )
    return f"{said}, {beyond:,} of them beyond what random rows do." if clear else f"{said}."


def step_table(effects: Mapping[str, Effect]) -> str:
    """Return one row a step: what it was worth over doing nothing and over random."""
    sides = [
        [(one.gain, *one.interval), (one.gain_over_random, *one.interval_over_random)]
        for one in effects.values()
    ]
    points = [[(_points(g), _points(a), _points(b)) for g, a, b in pair] for pair in sides]
    reach = _reach(points)
    body = "".join(
        f"<tr><td>{plain(name)}</td>{''.join(_interval(*side, reach) for side in pair)}</tr>"
        for name, pair in zip(effects, points, strict=True)
    )
    return _table(("step", "over doing nothing, points", "over as much at random"), body)


def by_table(parts: pd.DataFrame, name: str) -> str:
    """Return one row a class or group: accuracies, the gain, and its interval drawn."""
    reach = _reach(100 * parts[["gain", "low", "high"]].to_numpy(dtype=float))
    body = "".join(
        f"<tr><td>{'none' if is_missing(value) else plain(value, limit=32)}</td><td>{n:,}</td>"
        f"<td>{100 * before:.1f}</td><td>{100 * after:.1f}</td>"
        f"{_interval(_points(gain), _points(low), _points(high), reach)}"
        f"<td>{'yes' if is_detectable else 'no'}</td></tr>"
        for value, n, before, after, _, gain, low, high, is_detectable in parts.itertuples(
            index=False
        )
    )
    heads = (
        name,
        "test rows",
        "before, %",
        "after, %",
        "gain, points (95 % interval)",
        "detectable",
    )
    note = "Detectable: differs from zero where the 95 % are to hold for all rows together."
    return f"{_table(heads, body)}<small class='curalab-said'>{note}</small>"


def _points(share: float) -> float:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return round(100 * float(share), 1) + 0.0


def _reach(numbers: Any) -> float:
    values = np.abs(np.asarray(numbers, dtype=float))
    return float(np.nanmax(values, initial=0)) or 1.0


def _table(heads: Sequence[str], body: str) -> str:
    head = "".join(f"<th>{plain(text)}</th>" for text in heads)
    return (
        f"<table class='curalab-effect-table'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _interval(gain: float, low: float, high: float, reach: float) -> str:
    """Return a cell with the numbers, and the interval as a bar about a line at zero."""
    if np.isnan(gain):
        return "<td><small>no random counterpart</small></td>"
    left, right, at = (50 + 48 * x / reach for x in (low, high, gain))
    bar = "position:absolute;background:#4878d0;"
    drawn = (
        "<span style='display:inline-block;position:relative;width:90px;height:12px;"
        "margin-right:8px;vertical-align:middle'>"
        "<i style='position:absolute;left:50%;top:0;bottom:0;border-left:1px solid #8a8f98'></i>"
        f"<i style='{bar}left:{left:.1f}%;width:{right - left:.1f}%;top:5px;height:2px'></i>"
        f"<i style='{bar}left:{at:.1f}%;width:8px;height:8px;top:2px;margin-left:-4px;"
        "border-radius:50%'></i></span>"
    )
    return (
        f"<td style='white-space:nowrap'>{drawn}<b>{gain:+.1f}</b> ({low:+.1f} to {high:+.1f})</td>"
    )


def tile_label(given: Any, decision: Mapping[str, Any] | None) -> str:
    """Return what was done to a row, as far as it is known, else its label."""
    old = "" if is_missing(given) else str(given)
    if decision is None:
        return old
    if decision["action"] == "relabel":
        new = decision["new"]
        return f"{old or '?'} → {'none' if is_missing(new) else new}"
    return f"{old} {_WORDS[decision['action']].format(new=decision['new'])}".strip()
