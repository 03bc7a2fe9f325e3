"""The API reference: a page a module, of what its `__all__` names, for autodoc to fill."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from curalab.pool._stage import find_stage, stages
from curalab.results import StageResult

__all__ = ["api_pages", "documented"]

_OTHERS = ("samples", "scale", "testing")  # public modules that are no stage
_WIDGETS = ("curalab_widgets", "curalab_widgets.figures", "curalab_widgets.lesson")
# What the page of curalab itself explains: the rest of its names belong to a module above.
_GROUPS = {
    "Data in": "load_items check_items join Embedding Neighbors Pool methods",
    "Look at": "audit Audit text_quality image_quality metrics_only",
    "Decide": "Ledger",
    "Prove": "measure_effect Effect bench Leaderboard Protocol",
}


@dataclass(frozen=True, kw_only=True)
class Name:
    """A public name, and where it is documented."""

    path: str
    what: Any

    @property
    def leaf(self) -> str:
        return self.path.rpartition(".")[2]


def api_pages() -> dict[str, str]:
    """Return the text of each page of the reference, in reStructuredText, by its name."""
    pages = {"api/curalab.rst": _front_page()}
    for noun in stages():
        pages[f"api/curalab.{noun}.rst"] = _stage_page(noun)
    for path in [*(f"curalab.{noun}" for noun in _OTHERS), *_WIDGETS]:
        pages[f"api/{path}.rst"] = _module_page(path)
    entries = [f"   {name.removeprefix('api/').removesuffix('.rst')}" for name in pages]
    pages["api/index.rst"] = "\n".join(
        [
            *heading("API reference", "="),
            "Made from the docstrings. ``import curalab as cl`` is all that most work needs; what "
            "is particular to a stage, such as its method classes, is in the stage's module. For "
            "what a method does, costs and needs, see :doc:`../methods`.",
            "",
            *[".. toctree::", "   :maxdepth: 1", "", *entries, ""],
        ]
    )
    return pages


def documented() -> dict[int, str]:
    """Return where each object of the modules with a page is documented, by its `id`."""
    paths = [f"curalab.{noun}" for noun in (*stages(), *_OTHERS)]
    return {id(name.what): name.path for path in paths for name in _names(path)}


def heading(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _names(path: str) -> list[Name]:
    """Return the public classes and functions of a module and of the modules that it names."""
    module = importlib.import_module(path)
    found = []
    for leaf in module.__all__:
        what = getattr(module, leaf)
        if isinstance(what, ModuleType):
            if what.__name__.startswith(f"{path}.") and what.__name__ not in _WIDGETS:
                found += _names(what.__name__)
        elif inspect.isclass(what) or inspect.isroutine(what):
            found.append(Name(path=f"{path}.{leaf}", what=what))
    return found


def _entry(name: Name) -> list[str]:
    """Return the directive that documents a name."""
    if not inspect.isclass(name.what):
        return [f".. autofunction:: {name.path}", ""]
    lines = [f".. autoclass:: {name.path}", "   :members:"]
    if not dir_of(name.what):
        lines.pop()
    return [*lines, ""]


def dir_of(what: type) -> list[str]:
    """Return the public methods and properties that a class defines itself and explains."""
    return [
        leaf
        for leaf, value in vars(what).items()
        if not leaf.startswith("_") and getattr(value, "__doc__", None) and not _is_plain(value)
    ]


def _is_plain(value: Any) -> bool:
    return not (callable(value) or isinstance(value, property | classmethod | staticmethod))


def _section(title: str, names: list[Name], before: Callable[[Name], list[str]]) -> list[str]:
    if not names:
        return []
    return [*heading(title, "-"), *(line for one in names for line in before(one) + _entry(one))]


def _no_line(_: Name) -> list[str]:
    return []


def _top(path: str) -> list[str]:
    return [*heading(path, "="), f".. automodule:: {path}", "   :no-members:", ""]


def _stage_page(noun: str) -> str:
    stage = find_stage(noun)
    path = f"curalab.{noun}"
    names = _names(path)
    known: Mapping[int, str] = {id(made): name for name, made in stage.methods.items()}
    verb = [name for name in names if name.leaf == stage.verb]
    methods = [name for name in names if id(name.what) in known]
    methods.sort(key=lambda name: list(known).index(id(name.what)))  # best of the bench first
    results = [
        name for name in names if inspect.isclass(name.what) and issubclass(name.what, StageResult)
    ]
    rest = [name for name in names if name not in [*verb, *methods, *results]]

    def named(name: Name) -> list[str]:
        short = known[id(name.what)]
        anchor = f"method-{noun}-{short}".replace("_", "-")
        return [f'``method="{short}"``, :ref:`in the catalogue <{anchor}>`:', ""]

    contract = ["**The contract.** " + stage.contract.replace("*", "\\*"), ""]
    lines = [
        *_top(path),
        *(contract if stage.contract else []),
        *_section("The verb", verb, _no_line),
        *_section("Results", results, _no_line),
        *_section("Methods", methods, named),
        *_section("Functions", [n for n in rest if not inspect.isclass(n.what)], _no_line),
        *_section("Other classes", [n for n in rest if inspect.isclass(n.what)], _no_line),
    ]
    return "\n".join(lines)


def _module_page(path: str) -> str:
    names = _names(path)
    lines = [
        *_top(path),
        *_section("Functions", [n for n in names if not inspect.isclass(n.what)], _no_line),
        *_section("Classes", [n for n in names if inspect.isclass(n.what)], _no_line),
    ]
    return "\n".join(lines)


def _front_page() -> str:
    """Return the page of curalab: where each of its names is explained, and the rest of them."""
    elsewhere = documented()
    own = {name.leaf: name for name in _names("curalab") if name.path.count(".") == 1}
    handed_on = {leaf: elsewhere[id(n.what)] for leaf, n in own.items() if id(n.what) in elsewhere}
    lines = [
        *_top("curalab"),
        *heading("The names of ``cl``", "-"),
        "Each is there as ``cl.name``. Modules: "
        + ", ".join(f":doc:`cl.{noun} <curalab.{noun}>`" for noun in (*stages(), *_OTHERS))
        + ".",
        "",
        *[".. list-table::", "   :widths: 30 70", ""],
    ]
    for leaf, name in own.items():
        path = handed_on.get(leaf, name.path)
        said = (inspect.getdoc(name.what) or "").partition("\n")[0]
        lines += [f"   * - :py:obj:`{leaf} <{path}>`", f"     - {said}"]
    here = {leaf: name for leaf, name in own.items() if leaf not in handed_on}
    lines += [""]
    for title, wanted in _GROUPS.items():
        lines += _section(title, [here.pop(leaf) for leaf in wanted.split()], _no_line)
    lines += _section("Other names", list(here.values()), _no_line)
    result = Name(path="curalab.results.StageResult", what=StageResult)
    lines += [*_section("What all results share", [result], _no_line)]
    return "\n".join(lines)
