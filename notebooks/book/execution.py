"""Executing lessons: solved, each in a kernel and a folder of its own, and what comes of it."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbformat import NotebookNode

__all__ = ["Done", "Run", "execute_all", "faults", "fingerprint", "lesson_page", "solve"]

TIMEOUT = 600  # seconds a cell
_VIEW = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SOURCES = {".py", ".js", ".css", ".txt", ".csv", ".json", ".parquet"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is to be executed, and by what name it is talked of."""

    path: Path
    name: str
    student: str = ""  # none: the seed of the rendered course


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of it."""

    run: Run
    text: bytes  # of the notebook, as it was when it was executed
    book: NotebookNode
    seconds: float
    faults: list[str]


def solve(book: NotebookNode) -> NotebookNode:
    """Return the notebook with the solutions in its exercise cells."""
    from curalab_widgets import lesson

    return lesson.solved(copy.deepcopy(book))


def execute_all(
    runs: Iterable[Run], *, cache: Path, jobs: int, keep: Callable[[Done], None] | None = None
) -> list[Done]:
    """Execute notebooks, `jobs` at a time; of each say a line, and keep it, as it ends."""

    async def one(run: Run, gate: asyncio.Semaphore) -> Done:
        async with gate:
            done = await _execute(run, cache)
        if keep:
            keep(done)
        print(f"{run.name:<40} {done.seconds:6.1f} s{'  FAILED' * bool(done.faults)}", flush=True)
        return done

    async def everything() -> list[Done]:
        gate = asyncio.Semaphore(jobs)
        return await asyncio.gather(*(one(run, gate) for run in runs))

    return asyncio.run(everything())


async def _execute(run: Run, cache: Path) -> Done:
    began = time.perf_counter()
    text = run.path.read_bytes()
    source = nbformat.reads(text.decode(), as_version=4)
    try:
        book = solve(source)
    except Exception as error:  # whatever an exercise's solution does
        fault = f"{run.name}: cannot be solved\n\n{type(error).__name__}: {error}"
        return Done(run=run, text=text, book=source, seconds=0.0, faults=[fault])
    ended = ""
    with tempfile.TemporaryDirectory(prefix="curalab-book-") as folder:
        log = Path(folder) / "kernel.log"
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(
            book, timeout=TIMEOUT, resources=resources, store_widget_state=False
        )
        with log.open("w") as sink:
            try:
                await client.async_execute(env=_environment(run, cache), stderr=sink)
            except CellExecutionError:
                pass  # the cell holds what went wrong
            except (CellControlSignal, DeadKernelError) as error:
                ended = f"{type(error).__name__}: {error}\n{log.read_text()}"
    seconds = time.perf_counter() - began
    found = [f"{run.name}: {fault}" for fault in faults(book, ended=ended)]
    return Done(run=run, text=text, book=book, seconds=seconds, faults=found)


def _environment(run: Run, cache: Path) -> dict[str, str]:
    """Return what the kernel's environment is: no downloads, our cache, this student."""
    kept = {name: value for name, value in os.environ.items() if name != "CURALAB_STUDENT"}
    own = {"CURALAB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PLOTLY_RENDERER": "plotly_mimetype"}
    return kept | own | ({"CURALAB_STUDENT": run.student} if run.student else {})


# ---- what went wrong -----------------------------------------------------------------------------


def faults(book: NotebookNode, *, ended: str = "") -> list[str]:
    """Say which cells stopped with an error, and which exercises are not passed.

    Parameters
    ----------
    book : NotebookNode
        Executed, with the solutions in its exercise cells.
    ended : str
        Why the kernel ended, if it did; the first cell that was not executed is to blame.
    """
    found = []
    for number, cell in enumerate(book.cells, start=1):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        if cell.execution_count is None and ended:
            return [*found, _fault(number, cell, "ended the kernel", ended)]
        error = next((out for out in cell.outputs if out.output_type == "error"), None)
        if error:
            told = "\n".join(error.traceback) or f"{error.ename}: {error.evalue}"
            return [*found, _fault(number, cell, "stopped with an error", told)]
        if re.fullmatch(r"<Figure size .*>", _said(cell)) and not _is_drawn(cell):
            found.append(_fault(number, cell, "shows a figure without its picture", _said(cell)))
        if "exercise" in cell.metadata.get("tags", []) and not _said(cell).startswith("Right."):
            told = _said(cell) or "It shows nothing: its last line must be lesson.check(…)."
            found.append(_fault(number, cell, "has a check that does not pass", told))
    return found or ([ended] if ended else [])


def _fault(number: int, cell: NotebookNode, what: str, told: str) -> str:
    source = "\n".join(f"    {line}" for line in cell.source.splitlines())
    return f"cell {number} {what}\n\n{source}\n\n{_ANSI.sub('', told).strip()}\n"


def _said(cell: NotebookNode) -> str:
    """Return the plain text of the cell's last output."""
    texts = [out["data"].get("text/plain", "") for out in cell.outputs if "data" in out]
    return str(texts[-1]) if texts else ""


def _is_drawn(cell: NotebookNode) -> bool:
    """Return whether any output is a picture."""
    return any("image/" in mime for out in cell.outputs for mime in out.get("data", {}))


# ---- what is made of it --------------------------------------------------------------------------


def lesson_page(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Return the page of a lesson: as executed, but the exercises as they are set.

    Widgets are left out, as nothing would bring them to life, and plotly figures are made HTML.
    """
    page = copy.deepcopy(executed)
    for asked, cell in zip(source.cells, page.cells, strict=True):
        if cell.cell_type != "code":
            continue
        if "exercise" in cell.metadata.get("tags", []):
            cell.source, cell.outputs, cell.execution_count = asked.source, [], None
        cell.outputs = [_shown(out) for out in cell.outputs if _VIEW not in out.get("data", {})]
    page.metadata.pop("widgets", None)
    return page


def _shown(output: NotebookNode) -> NotebookNode:
    figure = output.get("data", {}).pop("application/vnd.plotly.v1+json", None)
    if figure:
        import plotly.io

        # The page loads plotly's script itself, once; see conf.py.
        text = plotly.io.to_html(
            {"data": figure["data"], "layout": figure["layout"]},
            config={"responsive": True, "displaylogo": False},
            include_plotlyjs=False,
            full_html=False,
            validate=False,
        )
        output["data"]["text/html"] = f'<div class="plotly-figure">{text}</div>'
    return output


def fingerprint(packages: Iterable[Path]) -> str:
    """Return a hash of the packages' sources."""
    sources = [
        source
        for package in packages
        for source in sorted(package.rglob("*"))
        if source.suffix in _SOURCES and "__pycache__" not in source.parts
    ]
    found = hashlib.sha256()
    for source in sources:
        found.update(json.dumps([source.name, source.stat().st_size]).encode())
        found.update(source.read_bytes())
    return found.hexdigest()
