"""Run any method of any stage, and check what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AnyArray, check_seed, complain, first_few
from curalab.pool._methods import describe, resolve
from curalab.pool._pool import Pool
from curalab.pool._stage import Array, Stage

__all__ = ["Answer", "run"]


class Answer(NamedTuple):
    """A method's answer, checked."""

    arrays: dict[str, Any]
    details: dict[str, Any]
    params: dict[str, Any]
    pool: Pool


def run(stage: Stage, method: Any, pool: Pool, *arguments: Any, random_state: int | None) -> Answer:
    """Run `method` on `pool` and check its answer against the stage's contract.

    Parameters
    ----------
    stage : Stage
        Whose contract holds.
    method : str or callable
        A registered name, a method with settings, or a function.
    pool : Pool
        What the method sees.
    *arguments
        What the stage's methods take beside the pool: a budget, a threshold, a clustering.
    random_state : int or None
        Seed of the generator that the method gets; None draws one.

    Returns
    -------
    Answer
        The arrays by name, the method's details, the record of how they were made, and the pool
        with what had to be made first.
    """
    name, function = resolve(stage, method)
    seed = check_seed(random_state)
    pool, made = _with_needs(stage, name, function, pool, seed)
    raw = function(pool, *arguments, rng=np.random.default_rng(seed))
    arrays, details = _split(stage, name, raw)
    size: int | None = None
    for spec in stage.returns:
        array = _checked(name, spec, arrays[spec.name], pool, arguments)
        if spec.rows == "any":
            size = len(array) if size is None else size
            if len(array) != size:
                raise _broken(name, spec, f"{size:,} rows, as many as the first array", array)
        arrays[spec.name] = array
    complaint = stage.promise(pool, arguments, arrays) if stage.promise else ""
    if complaint:
        raise ValueError(f"The method {name!r} broke its contract: {complaint}")
    return Answer(arrays, details, _params(stage, name, function, pool, seed, made), pool)


def _params(
    stage: Stage, name: str, function: Any, pool: Pool, seed: int, made: dict[str, Any]
) -> dict[str, Any]:
    params = {"verb": stage.verb, **describe(name, function), "random_state": seed}
    params["embedding"] = pool.embedding.fingerprint
    params["ancestors"] = pool.embedding.params.get("ancestors", [])
    return {**params, **({"made": made} if made else {})}


def _with_needs(
    stage: Stage, name: str, function: Callable[..., Any], pool: Pool, seed: int
) -> tuple[Pool, dict[str, Any]]:
    needs = getattr(function, "needs", ())
    made: dict[str, Any] = {}
    for part in (needs,) if isinstance(needs, str) else needs:
        if part == "proba" and pool.proba is None and pool.is_labelled.any():
            from curalab.heads import with_proba

            pool, made["proba"] = with_proba(pool, seed)
        missing = getattr(pool, part) is None or (part == "labels" and not pool.is_labelled.any())
        if missing:
            what = "labels or proba" if part == "proba" else part
            one = what.split()[0]
            pass_it = "Pool(embedding=…, data=…)" if one == "data" else f"{one}=…"
            raise ValueError(
                f"The method {name!r} needs {what!r}, and the pool has none. "
                f"Pass {pass_it} to {stage.verb}, or choose another method."
            )
    return pool, made


def _split(stage: Stage, name: str, raw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = list(raw) if isinstance(raw, tuple) else [raw]
    details = dict(parts.pop()) if parts and isinstance(parts[-1], Mapping) else {}
    wanted = [spec.name for spec in stage.returns]
    if len(parts) != len(wanted):
        raise TypeError(
            f"The method {name!r} must return {', '.join(wanted)}, then at most one mapping. "
            f"Got {len(parts)} {'value' if len(parts) == 1 else 'values'} instead. "
            f"Contract: {stage.contract}"
        )
    return dict(zip(wanted, parts, strict=True)), details


def _broken(name: str, spec: Array, rule: str, got: Any) -> ValueError:
    shown = f"shape {np.shape(got)}" if isinstance(got, np.ndarray) else str(got)
    return ValueError(
        f"The method {name!r} must return {spec.name!r} as {rule}. Got {shown} instead."
    )


def _checked(name: str, spec: Array, value: Any, pool: Pool, arguments: tuple[Any, ...]) -> Any:
    if spec.kind == "text":
        return _checked_text(name, spec, value)
    array = np.asarray(value)
    shape, rule = _wanted_shape(spec, pool, arguments)
    wrong = array.ndim != len(shape) or any(
        have != want for have, want in zip(array.shape, shape, strict=False) if want is not None
    )
    if spec.columns == "classes" and not wrong and pool.classes is not None:
        wrong = array.shape[1] < len(pool.classes)
    if wrong:
        raise _broken(name, spec, rule, array)
    if spec.kind == "class":
        return _checked_classes(name, spec, array, pool)
    return _checked_numbers(name, spec, array, pool)


def _wanted_shape(
    spec: Array, pool: Pool, arguments: tuple[Any, ...]
) -> tuple[tuple[int | None, ...], str]:
    n = len(pool)
    first = arguments[0] if arguments and isinstance(arguments[0], int) else None
    rows: dict[str, tuple[int | None, ...]] = {
        "n": (n,),
        "labelled": (n,),
        "argument": (first,),
        "any": (None,),
        "one": (),
    }
    columns: dict[str, tuple[int | None, ...]] = {
        "": (),
        "pair": (2,),
        "map": (first,),
        "classes": (None,),
    }
    shape = rows[spec.rows] + columns[spec.columns]
    sides = ["n_classes or more" if spec.columns == "classes" and i else "m" for i in range(2)]
    text = ", ".join(f"{s:,}" if s is not None else sides[i] for i, s in enumerate(shape))
    return (
        shape,
        f"an array of shape ({text}{',' if len(shape) == 1 else ''})" if shape else "a number",
    )


def _checked_numbers(name: str, spec: Array, array: AnyArray, pool: Pool) -> AnyArray:
    whole = spec.kind == "int"
    if array.dtype.kind not in ("iu" if whole else "fiub"):
        rule = "whole numbers (an integer dtype)" if whole else "numbers (a float dtype)"
        raise _broken(name, spec, rule, f"dtype {array.dtype}")
    numbers = array.astype(np.int64 if whole else np.float64, copy=False)
    low = -np.inf if spec.low is None else spec.low
    high = np.inf if spec.high is None else spec.high
    with np.errstate(invalid="ignore"):
        bad = ~((numbers >= low) & (numbers <= high) & np.isfinite(numbers))
    if spec.rows == "labelled":
        bad &= pool.is_labelled
    if bad.any():
        span = "" if spec.low is None and spec.high is None else f" from {low:g} to {high:g}"
        rule = f"{'whole' if whole else 'finite'} numbers{span}"
        where = f" in rows {first_few(np.flatnonzero(bad))}" if bad.ndim == 1 else ""
        raise _broken(name, spec, rule, f"{first_few(numbers[bad], 3)}{where}")
    return numbers


def _checked_classes(name: str, spec: Array, array: AnyArray, pool: Pool) -> AnyArray:
    known = pd.Index(pool.classes if pool.classes is not None else [])
    partly = spec.rows == "labelled" and not pool.is_labelled.all()
    given = pd.unique(array[pool.is_labelled] if partly else array)
    unknown = given[~pd.isna(given) & (known.get_indexer(pd.Index(given)) < 0)]
    if len(unknown):
        raise _broken(name, spec, "labels of the pool's classes", first_few(unknown))
    return array


def _checked_text(name: str, spec: Array, value: Any) -> list[list[str]]:
    rows = [list(row) for row in value]
    if not all(isinstance(text, str) for row in rows for text in row):
        raise TypeError(complain(f"{spec.name} of {name}", "a list of lists of str", value))
    return rows
