"""Measure the toolkit: `python tests/bench/run.py [--quick] [TOPIC …]`.

A bench is a function `bench_<what>(quick)` in a module `bench_<topic>.py` of this folder; it
returns rows: a list of dicts. Each runs in a process of its own, so that its time, its imports and
its peak memory are its own. What they return goes to `out/bench/<topic>_<what>.csv`, and all of
it, with the machine it ran on, to `out/bench/README.md`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "out" / "bench"
SEEN = ("curalab", "numpy", "torch", "scikit-learn", "faiss-cpu")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "MKL_NUM_THREADS")


def main() -> int:
    """Run the benches and return how many failed."""
    topics = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description="Measure the toolkit.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(topics)}")
    parser.add_argument("--quick", action="store_true", help="less data, to see that all runs")
    parser.add_argument("--one", metavar="TOPIC:WHAT", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return run_here(asked.one, asked.quick)
    unknown = set(asked.topics) - set(topics)
    if unknown:
        parser.error(f"no such topic: {', '.join(sorted(unknown))}; there are {', '.join(topics)}")
    OUT.mkdir(parents=True, exist_ok=True)
    pages = [run_apart(name, asked.quick) for t in asked.topics or topics for name in names(t)]
    (OUT / "README.md").write_text(page(pages, asked.quick), encoding="utf-8")
    failed = [done["name"] for done in pages if done["error"]]
    print(f"\nWritten to {OUT.relative_to(ROOT)}/. {len(failed)} of {len(pages)} failed.")
    return len(failed)


def load(topic: str) -> dict[str, Any]:
    """Return the benches of a module by name."""
    spec = importlib.util.spec_from_file_location(f"bench_{topic}", HERE / f"bench_{topic}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = vars(module).items()
    return {n.removeprefix("bench_"): f for n, f in made if n.startswith("bench_") and callable(f)}


def names(topic: str) -> list[str]:
    """Return "topic:what" of each bench, read from the source: importing it may be slow."""
    lines = (HERE / f"bench_{topic}.py").read_text(encoding="utf-8").splitlines()
    found = [line[10:].partition("(")[0] for line in lines if line.startswith("def bench_")]
    return [f"{topic}:{what}" for what in found]


def run_apart(name: str, quick: bool) -> dict[str, Any]:
    """Run one bench in its own process, and show what came of it."""
    print(f"\n{name} …", flush=True)
    command = [sys.executable, __file__, "--one", name, *(["--quick"] if quick else [])]
    began = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    done = {"name": name, "error": "", "about": "", "rows": [], "peak_mb": None}
    if ran.returncode:
        done["error"] = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        print(ran.stderr, file=sys.stderr)
    else:
        done |= json.loads(ran.stdout.splitlines()[-1])
        frame = pd.DataFrame(done["rows"])
        frame.to_csv(OUT / f"{name.replace(':', '_')}.csv", index=False)
        print(frame.to_string(index=False), flush=True)
    return {**done, "seconds": seconds}


def run_here(name: str, quick: bool) -> int:
    """Run one bench in this process and write what it returns as the last line."""
    topic, _, what = name.partition(":")
    bench = load(topic)[what]
    rows = bench(quick)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    about = " ".join((inspect.getdoc(bench) or "").split())
    print(json.dumps({"rows": rows, "peak_mb": peak, "about": about}, default=float))
    return 0


def page(pages: list[dict[str, Any]], quick: bool) -> str:
    """Return the Markdown page."""
    versions = ", ".join(f"{name} {version(name)}" for name in SEEN)
    set_to = ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ)
    lines = [
        "# Benchmarks",
        "",
        f"{'Quick run: the numbers say little. ' if quick else ''}{os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, {versions}. "
        f"Environment: {set_to or 'nothing set'}. Load at the end: {os.getloadavg()[0]:.1f}.",
    ]
    for done in pages:
        cost = f"{done['seconds']:.0f} s" + (
            f", peak {done['peak_mb']:,} MB" if done["peak_mb"] else ""
        )
        lines += ["", f"## {done['name']}", "", f"{done['about']} ({cost})", ""]
        lines += [f"**Failed:** {done['error']}"] if done["error"] else table(done["rows"])
    return "\n".join(lines) + "\n"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows as a Markdown table."""
    frame = pd.DataFrame(rows)
    cells = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
    head = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    return ["| " + " | ".join(row) + " |" for row in [*head, *cells]]


def cell(value: Any) -> str:
    """Return a value for a Markdown table."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def version(name: str) -> str:
    """Return the installed version."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
