"""What runs here, for a bug report."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version

import pandas as pd

__all__ = ["__version__", "show_versions"]

_EXTRA = "extra =="


def show_versions() -> pd.DataFrame:
    """Return the versions of Python, curalab and the packages it builds on.

    Returns
    -------
    pandas.DataFrame
        Columns `name` and `version`; "-" where an optional package is not installed.

    Examples
    --------
    >>> import curalab as cl
    >>> cl.show_versions()["name"].head(3).tolist()
    ['python', 'platform', 'cores']
    """
    wanted = requires("curalab") or []
    core = [_name(line) for line in wanted if _EXTRA not in line]
    extra = [_name(line) for line in wanted if _EXTRA in line]
    rows = [
        ("python", platform.python_version()),
        ("platform", platform.platform()),
        ("cores", str(os.cpu_count())),
        ("curalab", __version__),
        *((name, _version(name)) for name in dict.fromkeys(core + extra) if name != "curalab"),
    ]
    return pd.DataFrame(rows, columns=["name", "version"])


def _name(requirement: str) -> str:
    end = next((i for i, c in enumerate(requirement) if c in "<>=!~[; ("), len(requirement))
    return requirement[:end]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


__version__ = _version("curalab")
