"""What tells two embeddings apart: a hash of the data, and one of the encoder and its code."""

from __future__ import annotations

import copy
import dataclasses
import dis
import functools
import hashlib
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from curalab.encoders._opened import Opened
from curalab.items import _images

__all__: list[str] = []

# What they compute may change with their version.
_VERSIONS = ("curalab", "numpy", "scikit-learn", "torch", "transformers", "sentence-transformers")
_INSTALLED = {"site-packages", "dist-packages"}
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
_GENERATED = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}


class UnhashableError(Exception):
    """The content of something cannot be hashed; the message says of what."""


# ---- data ----------------------------------------------------------------------------------------


def content_of(rows: Any) -> str:
    """Return a hash of the rows that are embedded, without their ids."""
    made = hashlib.blake2b(digest_size=16)
    for part in _parts(rows):
        made.update(hashlib.blake2b(part, digest_size=16).digest())
    return made.hexdigest()


def _parts(rows: Any) -> Iterator[Any]:
    yield str(len(rows)).encode()
    if isinstance(rows, Opened):
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
        yield _pickled(cells, "the rows")


def _pickled(value: Any, what: str) -> bytes:
    import joblib

    try:
        value = copy.deepcopy(value)  # a view's strides are not its content, and a copy has none
        made = joblib.hash(value)
        is_content = made == joblib.hash(copy.deepcopy(value))  # a torch tensor's is not
    except Exception as error:  # pickling may raise anything
        raise UnhashableError(f"{what} ({type(value).__name__})") from error
    if not is_content:
        raise UnhashableError(f"{what} ({type(value).__name__})")
    return str(made).encode()


# ---- encoders ------------------------------------------------------------------------------------


def encoder_key(encoder: Any) -> str:
    """Return a hash of an encoder: settings, what it learned, its weights and its code.

    Raises UnhashableError where the vectors may depend on something that cannot be hashed.
    """
    code = _Code()
    parts = [_around(), repr(getattr(encoder, "origin", None)).encode()]
    if dataclasses.is_dataclass(encoder):
        parts += [*code.of_class(type(encoder)), *_text(type(encoder).__module__, if_own=False)]
        for field in dataclasses.fields(encoder):
            parts += [field.name.encode(), *code.of(getattr(encoder, field.name), field.name)]
    else:
        parts += code.of(encoder, "an object")
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()


@functools.cache
def _around() -> bytes:
    """Return the versions, and the source of the encoders, which changes between versions.

    How images are opened belongs to it.
    """
    told = []
    for package in _VERSIONS:
        try:
            told.append(f"{package} {version(package)}".encode())
        except PackageNotFoundError:
            continue
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(_images.__file__)]
    return b";".join([*told, *(path.read_bytes() for path in files)])


class _Code:
    """Walk through what an encoder runs and refers to, as far as it is the user's own code."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def of(self, value: Any, name: str) -> list[bytes]:
        """Return what tells a value from others: code of functions, content of all else."""
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, MethodType):
            return [*self.of(value.__self__, name), *self.of(value.__func__, name)]
        if isinstance(value, BuiltinFunctionType) and not isinstance(value.__self__, ModuleType):
            return [value.__name__.encode(), *self.of(value.__self__, name)]
        if isinstance(value, functools.partial):
            given = (value.args, value.keywords)
            return [*self.of(value.func, name), *self.of(given, name)]
        if isinstance(value, ModuleType):
            return [value.__name__.encode(), *_text(value.__name__, if_own=True)]
        if isinstance(value, type):
            return self.of_class(value)
        if isinstance(value, FunctionType) and _is_own(value.__module__):
            return self._of_function(value)
        if inspect.isroutine(value):
            return [f"{value.__module__}.{value.__qualname__}".encode()]
        known = getattr(value, "fingerprint", None)  # as an Embedding has
        content = known.encode() if isinstance(known, str) else _pickled(value, repr(name))
        return [content, *self.of_class(type(value))]

    def of_class(self, made: type) -> list[bytes]:
        """Return the code of a class and of its parents."""
        parts = [f"{made.__module__}.{made.__qualname__}".encode()]
        if id(made) in self._seen or not _is_own(made.__module__):
            return parts
        self._seen.add(id(made))
        for name, member in sorted(vars(made).items()):
            inner = getattr(member, "__func__", getattr(member, "fget", member))
            inner = getattr(inner, "func", inner)
            is_function = isinstance(inner, FunctionType) and name not in _GENERATED
            is_made = name.startswith(("__", "_abc")) or inspect.isdatadescriptor(inner)
            if is_function or not is_made:
                parts += [name.encode(), *self.of(inner, name)]
        return parts + [part for parent in made.__bases__ for part in self.of_class(parent)]

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
def _is_own(module: str | None) -> bool:
    """Whether a module is the user's: a notebook, or a file that may change between two runs."""
    file = _file(module)
    top = (module or "").partition(".")[0]
    if top == "curalab" or top in sys.stdlib_module_names:  # _around holds the former's source
        return False
    return module == "__main__" or (file is not None and not _INSTALLED & set(file.parts))


def _text(module: str, *, if_own: bool) -> list[bytes]:
    """Return the source of a module, none unless it is the user's own, or unless it is not."""
    file = _file(module)
    return [file.read_bytes()] if file is not None and _is_own(module) is if_own else []


def _file(module: str | None) -> Path | None:
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    return Path(file) if file else None


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
