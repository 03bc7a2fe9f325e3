"""The repository itself: what is installed, what an import loads, where things are."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import curalab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [
    Requirement(line)
    for line in [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
]
PINS = {
    canonicalize_name(line.partition("==")[0]): line.partition("==")[2]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
}
SUBMODULES = [module.name for module in pkgutil.walk_packages(curalab.__path__, prefix="curalab.")]
APP = ROOT / "toolkit/curalab/app"
SOURCES = sorted(set((ROOT / "toolkit").rglob("*.py")) - set(APP.glob("*.py")))


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_every_dependency_is_pinned_within_its_range(requirement):
    name = canonicalize_name(requirement.name)
    if name == "curalab":
        assert requirement.extras <= set(EXTRAS)
    else:
        assert requirement.specifier.contains(PINS[name])


def test_pins_are_exact_sorted_and_single():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert [pin.partition("==")[0] for pin in pins] == sorted(PINS)


def test_conda_gets_its_list_from_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert pip == "pip"
    name, _, version = python.partition("=")
    assert name == "python"
    assert version in SpecifierSet(PROJECT["requires-python"])
    constraints, editable = packages["pip"]
    assert constraints == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[([a-z,]+)\]", editable)
    assert set(extras[1].split(",")) <= set(EXTRAS)


def test_import_loads_numpy_pandas_and_the_standard_library_only():
    code = (
        "import sys, json, numpy, pandas; before = set(sys.modules); import curalab;"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(run.stdout)) - sys.stdlib_module_names == {"curalab"}


@pytest.mark.parametrize("name", SUBMODULES)
def test_no_attribute_hides_a_submodule(name):
    module = importlib.import_module(name)
    package, _, leaf = name.rpartition(".")
    assert getattr(sys.modules[package], leaf) is module


def test_source_roots_are_not_packages():
    assert not list(ROOT.glob("*/__init__.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_toolkit_imports_nothing_that_shows(path):
    shows = {"ipywidgets", "plotly", "IPython", "anywidget", "jscatter", "curalab_widgets"}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert not imported & shows


def test_notebooks_are_stored_without_outputs():
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        cells = json.loads(path.read_text())["cells"]
        shown = [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
        assert not shown, f"{path.name}: run `.venv/bin/nbstripout {path.relative_to(ROOT)}`"


def test_every_make_target_that_is_talked_of_exists():
    text = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+-?[a-z]*)\b(?=[`\n])", text)) <= targets
