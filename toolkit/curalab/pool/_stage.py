"""What a stage is: a verb, what its methods return, and its methods by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from curalab._check import check_choice

__all__ = ["Array", "Stage", "find_stage", "stages"]

_NAMES = (
    "encoders",
    "maps",
    "clusters",
    "duplicates",
    "label_errors",
    "outliers",
    "shift",
    "pseudo_labels",
    "selectors",
    "explanations",
    "documents",
)


@dataclass(frozen=True, kw_only=True)
class Array:
    """What one array of a method's answer must be.

    Parameters
    ----------
    name : str
        What errors and results call it.
    kind : {"float", "int", "class", "text"}
        Finite floats; whole numbers; labels out of the pool's classes (None where a row has
        none); a list of lists of str.
    rows : {"n", "labelled", "argument", "any", "one"}
        One row an item; the same, but checked where a label is given only; as many as the
        verb's argument says; any number, the same for all arrays; a single number.
    columns : {"", "pair", "map", "classes"}
        One-dimensional; two columns; as many as the argument says; one a class or more.
    low, high : float, default=None
        The range, ends included. None is open.
    """

    name: str
    kind: Literal["float", "int", "class", "text"] = "float"
    rows: Literal["n", "labelled", "argument", "any", "one"] = "n"
    columns: Literal["", "pair", "map", "classes"] = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A verb, the contract of its methods, and the methods by name, best of the bench first.

    Parameters
    ----------
    name : str
        The noun, and the package: "outliers".
    verb : str
        The public function: "find_outliers". Empty where the stage has functions only.
    contract : str
        One sentence: what a method gets and returns.
    returns : tuple of Array
        The arrays that a method returns, in order.
    methods : mapping of str to type
        Registered methods: frozen dataclasses with `__call__`.
    functions : mapping of str to callable
        Public functions that stand beside the methods.
    start_here : str
        The verb's default.
    promise : callable, default=None
        Called with the pool, the verb's arguments and the arrays: what the stage demands beside
        `returns`; returns a complaint, or "".
    """

    name: str
    verb: str = ""
    contract: str = ""
    returns: tuple[Array, ...] = ()
    methods: Mapping[str, type] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    start_here: str = ""
    promise: Callable[..., str] | None = None


def stages() -> tuple[str, ...]:
    """Return the names of all stages, in the order of a curation."""
    return _NAMES


def find_stage(name: str) -> Stage:
    """Return a stage by its noun."""
    check_choice("stage", name, _NAMES)
    stage: Stage = importlib.import_module(f"curalab.{name}").STAGE
    return stage
