"""A panel as the Python that makes it again."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab.ledger import Ledger

__all__ = ["code_of"]

_PLAIN = (str, int, float, bool, type(None))


def code_of(
    made: type, args: Sequence[Any], kwargs: Mapping[str, Any], state: Mapping[str, Any]
) -> str:
    """Return a call that makes such a panel, and a line for what else is set on it.

    Parameters
    ----------
    made : type
        The panel's class.
    args, kwargs : sequence, mapping
        What it was made with. Things too large to print stand under the name that they have in
        the notebook, else under that of the parameter.
    state : mapping
        How it stands now. What the class takes as a parameter goes into the call.
    """
    signature = inspect.signature(made)
    bound = signature.bind(*args, **kwargs)
    given = {**bound.arguments, **{k: v for k, v in state.items() if k in signature.parameters}}
    told = []
    for name, parameter in signature.parameters.items():
        if name not in given or _is_same(given[name], parameter.default):
            continue
        code = _code(given[name], name)
        is_first = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        told.append(code if is_first else f"{name}={code}")
    lines = [f"panel = {made.__name__}({', '.join(told)})"]
    for name, value in state.items():
        default = made.class_traits()[name].default()  # type: ignore[attr-defined]
        if name not in signature.parameters and not _is_same(value, default):
            lines.append(f"panel.{name} = {_code(value, name)}")
    return "\n".join(lines)


def _is_same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) == list(default)
    return value is default or (isinstance(value, (*_PLAIN, dict)) and bool(value == default))


def _code(value: Any, name: str) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return repr(value)
    if known := _name_of(value):
        return known
    if isinstance(value, list | tuple):
        parts = [_code(part, name) for part in value]
        return f"[{', '.join(parts)}]"
    if isinstance(value, dict):
        parts = [f"{_code(k, name)}: {_code(v, name)}" for k, v in value.items()]
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, Ledger):
        return f"cl.Ledger({os.path.relpath(value.path)!r})"
    return f"pd.{value!r}" if isinstance(value, pd.Timestamp) else name


def _name_of(value: Any) -> str:
    """Return the name that a value has in the notebook; "" where it has none."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    names = {} if shell is None else shell.user_ns
    mine = [k for k, known in names.items() if known is value and not k.startswith("_")]
    return str(mine[0]) if mine else ""
