"""What an encoder promises, and how one is found, told apart and checked."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, check_choice, complain, first_few
from curalab.pool import Stage, describe, method_names, resolve

__all__: list[str] = []

TAKES = ("text", "image", "audio", "columns")
_ROWS = {"text": "texts", "image": "images", "audio": "sounds", "columns": "a table"}


# ---- which encoder -------------------------------------------------------------------------------


def find_encoder(stage: Stage, encoder: Any, kind: str) -> tuple[str, Any]:
    """Return the name and the encoder that `encoder` stands for; `kind` is what the data hold."""
    if encoder is None:
        raise TypeError(complain("encoder", *_right_ones(stage, kind)))
    if isinstance(encoder, str):
        hint = f"Contract: {stage.contract}"
        name = check_choice("encoder", encoder, method_names(stage), hint=hint)
        return resolve(stage, name)
    if isinstance(encoder, type):
        hint = f"Add parentheses: {encoder.__name__}()."
        raise TypeError(
            complain("encoder", "an encoder, not its class", what=encoder.__name__, hint=hint)
        )
    if callable(getattr(encoder, "encode", None)):
        names = {made: name for name, made in stage.methods.items()}
        own = type(encoder)
        return names.get(own) or f"{own.__module__}.{own.__qualname__}", encoder
    if callable(encoder):
        return resolve(stage, encoder)
    rule = "a name, an encoder such as TfIdf(n_components=100), or a function"
    raise TypeError(complain("encoder", rule, encoder, f"Contract: {stage.contract}"))


def _right_ones(stage: Stage, kind: str) -> tuple[str, None, str]:
    """Return the rule and the hint of the error about an encoder that was not given."""
    if kind == "vectors":
        return "given", None, "These look like vectors already: Embedding(vectors=…)."
    fitting = {name: made for name, made in stage.methods.items() if kinds_of(made)[:1] == (kind,)}
    if not fitting:
        own = "a function of a list of items that returns an array (n, d)"
        return own, None, f"No encoder of the toolkit takes {_ROWS.get(kind, kind)}."
    rule = f"given: for {_ROWS[kind]} " + " or ".join(repr(name) for name in fitting)
    hints = [f"{name!r} {made.extra}." for name, made in fitting.items() if hasattr(made, "extra")]
    if kind == "columns":
        hints.append("For texts or images pass the column that holds them.")
    return rule, None, " ".join(hints)


def kinds_of(made: Any) -> tuple[Any, ...]:
    """Return all that an encoder takes, the one it is made for first; empty if it does not say."""
    takes = getattr(made, "takes", None)
    return takes if isinstance(takes, tuple) else () if takes is None else (takes,)


def takes_of(name: str, encoder: Any, kind: str = "") -> str | None:
    """Return what the encoder takes of rows that hold `kind`, the first where it does not take it.

    None where it does not say, and gets the rows as they are.
    """
    kinds = kinds_of(encoder)
    odd = [takes for takes in kinds if takes not in TAKES]
    if odd:
        known = ", ".join(repr(takes) for takes in TAKES)
        raise ValueError(f"The encoder {name!r} must take one of {known}. Got {odd[0]!r} instead.")
    return None if not kinds else kind if kind in kinds else str(kinds[0])


# ---- settings and what was learned ---------------------------------------------------------------


def learned(encoder: Any) -> dict[str, Any]:
    """Return what an encoder has learned: its fields with ``repr=False``, None before the fit."""
    if not dataclasses.is_dataclass(encoder) or isinstance(encoder, type):
        return {}
    return {f.name: getattr(encoder, f.name) for f in dataclasses.fields(encoder) if not f.repr}


def needs_fit(name: str, encoder: Any) -> bool:
    """Whether the encoder learns and has not yet."""
    fit = getattr(encoder, "fit", None)
    if not callable(fit) or "rng" not in inspect.signature(fit).parameters:
        return False
    state = learned(encoder)
    if not state:
        raise TypeError(
            f"The encoder {name!r} must be a dataclass that keeps what it learns in a field "
            "declared as field(default=None, repr=False). Got no such field instead."
        )
    return all(value is None for value in state.values())


def fitted(name: str, encoder: Any, data: Any, rng: np.random.Generator) -> Any:
    """Return a new encoder, fitted on `data`."""
    made = encoder.fit(data, rng=rng)
    if type(made) is not type(encoder) or needs_fit(name, made):
        got = f"{type(made).__name__}{', not fitted' if type(made) is type(encoder) else ''}"
        raise TypeError(
            f"The encoder {name!r} must return a new, fitted encoder from fit. Got {got} instead."
        )
    return made


def refuse_unfitted(encoder: Any) -> None:
    """Raise where an encoder that learns is asked to encode before it has."""
    if all(value is None for value in learned(encoder).values()):
        name = type(encoder).__name__
        raise ValueError(
            f"{name} must be fitted before it encodes. Use embed(data, encoder={name}(…)), or "
            "the encoder of an embedding: embed(new, encoder=embedding.encoder)."
        )


def record(name: str, encoder: Any) -> dict[str, Any]:
    """Return what `params` keeps of an encoder: name, settings and where its weights are from."""
    state = learned(encoder)
    bare = dataclasses.replace(encoder, **dict.fromkeys(state)) if state else encoder
    told = describe(name, bare)
    told["settings"] = {k: v for k, v in told["settings"].items() if k not in state}
    origin = getattr(encoder, "origin", None)
    return {**told, **({"origin": dict(origin)} if isinstance(origin, Mapping) else {})}


# ---- what it returns -----------------------------------------------------------------------------


def checked(name: str, value: Any, n: int, d: int, ids: pd.Index) -> FloatArray:
    """Return one batch of vectors as finite float32, or say how the encoder broke its contract."""
    rule = f"an array of shape ({n:,}, {d or 'd'}), one row an item"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(_broken(name, rule, f"{type(value).__name__}: {error}")) from error
    wrong = array.ndim != 2 or len(array) != n or not array.shape[1]
    if wrong or (d and array.shape[1] != d):
        raise ValueError(_broken(name, rule, f"shape {array.shape}"))
    if array.dtype.kind not in "fiub":
        raise TypeError(_broken(name, "numbers", f"dtype {array.dtype}"))
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        got = f"NaN or infinity in {len(bad):,} of {n:,} rows (ids {first_few(ids[bad])})"
        raise ValueError(_broken(name, "finite numbers", got))
    return vectors


def _broken(name: str, rule: str, got: str) -> str:
    return f"The encoder {name!r} must return {rule}. Got {got} instead."
