"""Methods by name: the built-in ones, those of other packages, and how any of them is recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_choice, complain
from curalab.embedding import Embedding
from curalab.pool._stage import Stage, find_stage, stages

__all__ = ["describe", "method_names", "methods", "plugin_names", "resolve"]

_GROUP = "curalab.methods"
_COLUMNS = ["stage", "name", "kind", "start_here", "needs", "cost", "paper", "summary"]


def _plugins(stage: Stage) -> dict[str, EntryPoint]:
    found = {}
    for point in entry_points(group=_GROUP):
        noun, _, name = point.name.partition(".")
        if noun == stage.name and name not in stage.methods and name not in stage.functions:
            found[name] = point
    return found


def plugin_names(stage: Stage) -> list[str]:
    """Return the names of the methods that other packages bring; some may not load."""
    return list(_plugins(stage))


def method_names(stage: Stage) -> list[str]:
    """Return the names that a verb's `method` takes: built-in, then those of other packages."""
    return [*stage.methods, *_plugins(stage)]


def resolve(stage: Stage, method: Any) -> tuple[str, Callable[..., Any]]:
    """Return the name and the function that `method` stands for.

    A name of the registry, a method with its settings, or any callable with the contract.
    """
    if isinstance(method, str):
        made = stage.methods.get(method)
        if made is None:  # only then what is installed is looked through, which takes a while
            check_choice("method", method, method_names(stage), hint=f"Contract: {stage.contract}")
            made = _plugins(stage)[method].load()
        return method, _with_defaults(method, made) if isinstance(made, type) else made
    if isinstance(method, type):
        hint = f"Add parentheses: {method.__name__}()."
        raise TypeError(
            complain("method", "a method, not its class", what=method.__name__, hint=hint)
        )
    if not callable(method):
        rule = "a name, a method such as KNN(k=20), or a function"
        raise TypeError(complain("method", rule, method, f"Contract: {stage.contract}"))
    names = {made: name for name, made in stage.methods.items()}
    return names.get(type(method)) or _qualified(method), method


def _with_defaults(name: str, made: type) -> Callable[..., Any]:
    if dataclasses.is_dataclass(made):
        unset = [
            f.name
            for f in dataclasses.fields(made)
            if f.init
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if unset:
            settings = ", ".join(f"{field}=…" for field in unset)
            hint = f"Pass {made.__name__}({settings})."
            raise TypeError(complain("method", "a method with its settings", name, hint))
    function: Callable[..., Any] = made()
    return function


def _qualified(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def describe(name: str, method: Any) -> dict[str, Any]:
    """Return what `params` keeps of a method, as plain JSON."""
    if dataclasses.is_dataclass(method) and not isinstance(method, type):
        settings = {
            f.name: _plain(getattr(method, f.name)) for f in dataclasses.fields(method) if f.init
        }
        return {"method": name, "settings": settings}
    return {"method": name, "settings": {}, "source": _source_hash(method)}


def _plain(value: Any) -> Any:
    """Return a setting as plain JSON: large things by their hash."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Embedding):
        return value.fingerprint
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"type": _qualified(value), **describe("", value)["settings"]}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if callable(value):
        return {"function": _qualified(value), "source": _source_hash(value)}
    if isinstance(value, pd.DataFrame):
        return {"index": _plain(value.index), **{str(c): _plain(value[c]) for c in value}}
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        array = np.asarray(value)
        data = array.tolist().__repr__().encode() if array.dtype == object else array.tobytes()
        return (
            f"{array.dtype}{list(array.shape)}#{hashlib.blake2b(data, digest_size=8).hexdigest()}"
        )
    return repr(value)


def _source_hash(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    try:
        source = inspect.getsource(named)
    except (OSError, TypeError):
        code = getattr(named, "__code__", None)
        source = repr((code.co_code, code.co_consts)) if code else repr(named)
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


# ---- the list of all methods ---------------------------------------------------------------------


def methods(stage: str | None = None) -> pd.DataFrame:
    """List every method and function: what it does, what it needs and what it costs.

    Parameters
    ----------
    stage : str, default=None
        One stage ("outliers"); None lists all.

    Returns
    -------
    pandas.DataFrame
        One row a method, the best of the project's bench first within a stage. `kind` is
        "method" (a value for `method=`), "function", "plugin" (from another package) or
        "broken" (a plugin that does not load; `summary` says why). `start_here` marks the
        verb's default.

    Examples
    --------
    >>> import curalab as cl
    >>> "knn" in set(cl.methods("outliers")["name"])
    True
    """
    rows = []
    for noun in [stage] if stage is not None else stages():
        found = find_stage(noun)
        rows += [_row(found, name, "method", made) for name, made in found.methods.items()]
        rows += [_row(found, name, "function", made) for name, made in found.functions.items()]
        rows += [_plugin_row(found, name, point) for name, point in _plugins(found).items()]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _row(stage: Stage, name: str, kind: str, made: Any) -> dict[str, Any]:
    doc = inspect.getdoc(made) or ""
    paper = re.search(r"^\.\. \[1\]\s+(.*?)(?=^\.\. \[|\n\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    needs = getattr(made, "needs", ())
    return {
        "stage": stage.name,
        "name": name,
        "kind": kind,
        "start_here": name == stage.start_here,
        "needs": needs if isinstance(needs, str) else ", ".join(needs),
        "cost": getattr(made, "cost", ""),
        "paper": " ".join(paper[1].split()) if paper else "",
        "summary": doc.partition("\n")[0],
    }


def _plugin_row(stage: Stage, name: str, point: EntryPoint) -> dict[str, Any]:
    try:
        return _row(stage, name, "plugin", point.load())
    except Exception as error:  # another package's import may raise anything; the list says so
        row = _row(stage, name, "broken", None)
        return {**row, "summary": f"{point.value}: {type(error).__name__}: {error}"}
