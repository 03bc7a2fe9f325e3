"""What a notebook file says of its last run."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from curalab._check import complain

__all__ = ["read_notebook"]


def read_notebook(path: Any) -> dict[str, Any]:
    """Return name, kernel, imports, cells and whether they ran in order, all of it once."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(complain("notebooks", "paths of .ipynb files", path))
    try:
        book = json.loads(Path(path).read_text(encoding="utf-8"))
        code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
        filled = [(cell, source) for cell in code if (source := _source(cell)).strip()]
    except (ValueError, KeyError, TypeError) as error:
        rule = "notebooks of nbformat 4 as JSON"
        raise ValueError(complain("notebooks", rule, what=f"{str(path)!r}")) from error
    kept: Mapping[str, Any] = book.get("metadata", {})
    counts = [cell.get("execution_count") for cell, _ in filled]
    return {
        "name": Path(path).name,
        "nbformat": book.get("nbformat"),
        "kernel": kept.get("kernelspec", {}).get("name"),
        "language": kept.get("language_info", {}).get("name"),
        "language_version": kept.get("language_info", {}).get("version"),
        "n_cells": len(book["cells"]),
        "in_order": counts == list(range(1, len(counts) + 1)),
        "packages": sorted(_packages(source for _, source in filled)),
        "runs": [(cell.get("execution_count"), *_error(cell)) for cell, _ in filled],
    }


def _source(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])


def _error(cell: Mapping[str, Any]) -> tuple[str | None, str | None]:
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "error":
            return str(output.get("ename")), str(output.get("evalue"))
    return None, None


def _packages(sources: Iterator[str]) -> set[str]:
    """Return the packages outside the standard library that cells import, as pip calls them."""
    found: set[str] = set()
    for source in sources:
        lines = source.splitlines()
        plain = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in lines]
        try:
            tree = ast.parse("\n".join(plain))
        except SyntaxError:
            continue  # a cell in another language, or one that never ran
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return {_pip_names().get(name, [name])[0] for name in found - sys.stdlib_module_names}


@cache
def _pip_names() -> Mapping[str, list[str]]:
    return packages_distributions()  # reads every installed package, which takes a second
