"""What was measured, as Markdown and as figures."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEEN = ("curalab", "numpy", "torch", "scikit-learn", "faiss-cpu")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "MKL_NUM_THREADS")


def page(pages: list[dict[str, Any]], quick: bool, out: Path) -> str:
    """Return the Markdown page, with the figures that lie in `out`."""
    versions = ", ".join(f"{name} {version(name)}" for name in SEEN)
    set_to = ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ)
    lines = [
        "# Benchmarks",
        "",
        f"{'Quick run: the numbers say little. ' if quick else ''}{machine()}, {versions}. "
        f"Environment: {set_to or 'nothing set'}. Load at the end: {os.getloadavg()[0]:.1f}.",
    ]
    topic = None
    for done in pages:
        if topic != (topic := done["name"].partition(":")[0]):
            lines += ["", f"## {topic}", "", done["about_topic"]]
        cost = f"{done['seconds']:.0f} s" + (
            f", peak {done['peak_mb']:,} MB" if done["peak_mb"] else ""
        )
        lines += ["", f"### {done['name']}", "", f"{done['about']}", "", f"({cost}.)", ""]
        lines += [f"**Failed:** {done['error']}"] if done["error"] else table(done["rows"])
        picture = f"{done['name'].replace(':', '_')}.svg"
        if draw(pd.DataFrame(done["rows"]), out / picture):
            lines += ["", f"![{done['name']}]({picture})"]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Return what times depend on, without the machine's name."""
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows as a Markdown table."""
    frame = pd.DataFrame(rows)
    cells = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    head = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    return ["| " + " | ".join(row) + " |" for row in [*head, *cells]]


def cell(value: Any) -> str:
    """Return a value for a Markdown table; what is missing is blank."""
    if value is None or value != value:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def version(name: str) -> str:
    """Return the installed version."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def draw(frame: pd.DataFrame, path: Path) -> bool:
    """Draw seconds over n, a line a contender, where a bench has them at two sizes or more."""
    if not {"contender", "n", "seconds"} <= set(frame.columns):
        return False
    frame = frame.dropna(subset="seconds")
    if frame["n"].nunique() < 2:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, of in frame.groupby("contender", sort=False):
        own = str(name).startswith("curalab")
        style = {"linewidth": 2.4 if own else 1.3, "linestyle": "-" if own else "--"}
        axes.plot(of["n"], of["seconds"], marker="o", markersize=4, label=label(name, of), **style)
    guides(axes, frame)
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds, warm")
    axes.set_xticks(sizes := sorted(frame["n"].unique()), [f"{n:,}" for n in sizes], minor=False)
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path)
    return True


def label(name: str, of: pd.DataFrame) -> str:
    """Return a contender and its exponent."""
    if len(of) < 2:
        return name
    return f"{name}: n^{np.polyfit(np.log(of['n']), np.log(of['seconds']), 1)[0]:.2f}"


def guides(axes: Any, frame: pd.DataFrame) -> None:
    """Draw n and n² in grey, from the middle of the times of the fewest rows."""
    ends = np.array([frame["n"].min(), frame["n"].max()])
    start = frame.loc[frame["n"] == ends[0], "seconds"].median()
    top = frame["seconds"].max() * 2
    for power, name in ((1, "n"), (2, "n²")):
        last = min(ends[1], ends[0] * (top / start) ** (1 / power))
        height = start * (last / ends[0]) ** power
        axes.plot([ends[0], last], [start, height], color="0.75", linewidth=0.8, zorder=0)
        axes.annotate(name, (last, height), color="0.5", fontsize=9)
