"""What tells two embeddings apart: a hash of the data, and one of the encoder and its code."""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from curalab.encoders._images import Images

__all__: list[str] = []

# What they compute may change with their version.
_VERSIONS = ("curalab", "numpy", "scikit-learn", "torch", "transformers", "sentence-transformers")
_GENERATED = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}


class UnhashableError(Exception):
    """Something has content that cannot be hashed; the message says what."""


# ---- data ----------------------------------------------------------------------------------------


def content_of(rows: Any) -> str:
    """Return a hash of the rows that are embedded, without their ids."""
    made = hashlib.blake2b(digest_size=16)
    for part in _parts(rows):
        made.update(hashlib.blake2b(part, digest_size=16).digest())
    return made.hexdigest()


def _parts(rows: Any) -> Iterator[Any]:
    yield str(len(rows)).encode()
    if isinstance(rows, Images):
        yield from map(rows.content, range(len(rows)))
    elif isinstance(rows, pd.DataFrame):
        for at, name in enumerate(rows.columns):
            yield repr((name, str(rows.dtypes.iloc[at]))).encode()
            yield from _values(rows.iloc[:, at].to_numpy())
    elif isinstance(rows, np.ndarray):
        yield from _values(rows)
    else:
        for at in range(0, len(rows), 4_096):
            yield from _values(rows[at : at + 4_096])


def _values(values: Any) -> Iterator[Any]:
    if isinstance(values, np.ndarray) and values.dtype != object:
        yield repr((str(values.dtype), values.shape)).encode()
        yield np.ascontiguousarray(values).view(np.uint8)
        return
    cells = list(values)
    if all(map(pd.api.types.is_scalar, cells)):  # their repr says all there is
        yield repr(cells).encode()
    else:
        yield _pickled(cells, "rows")


def _pickled(value: Any, what: str) -> bytes:
    import joblib

    try:
        return str(joblib.hash(value)).encode()
    except Exception as error:  # pickling may raise anything
        rule = f"uses {what} ({type(value).__name__}), whose content cannot be hashed"
        raise UnhashableError(rule) from error


# ---- encoders ------------------------------------------------------------------------------------


def encoder_key(encoder: Any) -> str:
    """Return a hash of an encoder: settings, what it learned, its weights and its code.

    Raises UnhashableError where the vectors may depend on something that cannot be hashed.
    """
    code = _Code(encoder)
    parts = [_around(), repr(getattr(encoder, "origin", None)).encode()]
    if dataclasses.is_dataclass(encoder):
        parts += code.of_class(type(encoder))
        for field in dataclasses.fields(encoder):
            parts += [field.name.encode(), *code.of(getattr(encoder, field.name), field.name)]
    else:
        parts += code.of(encoder, "an object")
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()


@functools.cache
def _around() -> bytes:
    """Return the versions, and the source of the encoders, which changes between versions."""
    told = []
    for package in _VERSIONS:
        try:
            told.append(f"{package} {version(package)}".encode())
        except PackageNotFoundError:
            continue
    return b";".join([*told, *(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))])


class _Code:
    """Walk through what an encoder runs and refers to, as far as it is the user's own code."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def of(self, value: Any, name: str) -> list[bytes]:
        """Return what tells a value from others: code of functions, content of all else."""
        value = inspect.unwrap(value) if callable(value) else value
        owner = getattr(value, "__self__", None)
        if inspect.isroutine(value) and owner is not None and not isinstance(owner, ModuleType):
            return [value.__name__.encode(), *self.of(owner, name), *self._of_method(value)]
        if isinstance(value, functools.partial):
            given = (value.args, value.keywords)
            return [*self.of(value.func, name), *self.of(given, name)]
        if isinstance(value, ModuleType):
            return [value.__name__.encode(), _source(value.__name__)]
        if isinstance(value, type):
            return self.of_class(value)
        if isinstance(value, FunctionType) and _source(value.__module__):
            return self._of_function(value)
        if inspect.isroutine(value):
            return [f"{value.__module__}.{value.__qualname__}".encode()]
        return [_pickled(value, repr(name)), *self.of_class(type(value))]

    def of_class(self, made: type) -> list[bytes]:
        """Return the code of a class and of its parents."""
        parts = [f"{made.__module__}.{made.__qualname__}".encode()]
        if id(made) in self._seen or not _source(made.__module__):
            return parts
        self._seen.add(id(made))
        for name, member in sorted(vars(made).items()):
            inner = getattr(member, "__func__", getattr(member, "fget", member))
            inner = getattr(inner, "func", inner)
            is_function = isinstance(inner, FunctionType) and name not in _GENERATED
            if is_function or not (name.startswith("__") or inspect.isdatadescriptor(inner)):
                parts += [name.encode(), *self.of(inner, name)]
        return parts + [part for parent in made.__bases__ for part in self.of_class(parent)]

    def _of_method(self, method: Any) -> list[bytes]:
        return self._of_function(method.__func__) if isinstance(method, MethodType) else []

    def _of_function(self, function: FunctionType) -> list[bytes]:
        parts = [function.__qualname__.encode()]
        if id(function) in self._seen:
            return parts
        self._seen.add(id(function))
        names, told = _read(function.__code__)
        known = function.__globals__
        used = {name: known[name] for name in sorted(names) if name in known}
        used.update(inspect.getclosurevars(function).nonlocals)
        used["its defaults"] = (function.__defaults__, function.__kwdefaults__)
        for name, value in used.items():
            parts += [name.encode(), *self.of(value, name)]
        return [*parts, *told]


@functools.cache
def _is_installed(module: str) -> bool:
    top = module.partition(".")[0]
    file = str(getattr(sys.modules.get(module), "__file__", None))
    return top in (*sys.stdlib_module_names, "curalab") - {"__main__"} or "-packages" in file


def _read(code: CodeType) -> tuple[set[str], list[bytes]]:
    """Return the global names that code reads, its functions within included, and its text."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in _GLOBAL}
    told = [code.co_code, repr((code.co_names, code.co_varnames)).encode()]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner, text = _read(constant)
            names |= inner
            told += text
        else:
            told.append(_pickled(constant, "a constant"))
    return names, told


_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
