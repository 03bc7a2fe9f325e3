"""Measure the toolkit: `python tests/bench/run.py [--quick] [--record] [--check] [TOPIC …]`.

A bench is a function `bench_<what>(quick)` in a module `bench_<topic>.py` of this folder; it
returns rows: a list of dicts. Each runs in a process of its own, so that its time, its imports and
its peak memory are its own. What they return goes to `out/bench/<topic>_<what>.csv`, and all of
it, with the machine it ran on, to `out/bench/README.md`; where rows have `contender`, `n` and
`seconds`, with a figure. A topic may be one bench: `sizes:maps`.

Rows with a `ratio` (to a reference kernel, so that machines compare) can be recorded in
`recorded.csv` beside this file; ours are then compared with what was recorded last.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "out" / "bench"
# What `--quick` runs where no topic is named: every stage, in under five minutes on two cores.
QUICK = ("sizes",)


def main() -> int:
    """Run the benches and return how many failed, and how many rows are slower than recorded."""
    asked = arguments()
    if asked.one:
        return run_here(asked.one, asked.quick)
    # Imported here: this folder is no package, and is on the path only where this file is run.
    from page import machine, page
    from recorded import check, record, timed_rows

    OUT.mkdir(parents=True, exist_ok=True)
    named = asked.topics or (QUICK if asked.quick else topics())
    pages = [run_apart(name, asked.quick) for topic in named for name in names(topic)]
    (OUT / "README.md").write_text(page(pages, asked.quick, OUT), encoding="utf-8")
    failed = [done["name"] for done in pages if done["error"]]
    lost = check(timed_rows(pages)) if asked.check else 0
    if asked.record:
        record(timed_rows(pages), machine())
    print(f"\nWritten to {OUT.relative_to(ROOT)}/. {len(failed)} of {len(pages)} failed.")
    return len(failed) + lost


def arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description="Measure the toolkit.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(topics())}")
    parser.add_argument("--quick", action="store_true", help="less data, to see that all runs")
    parser.add_argument("--record", action="store_true", help="write recorded.csv")
    parser.add_argument(
        "--check", action="store_true", help="fail where 30 %% slower than recorded"
    )
    parser.add_argument("--one", metavar="TOPIC:WHAT", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = {t for t in asked.topics if t.partition(":")[0] not in topics() or not names(t)}
    if unknown:
        parser.error(
            f"no such topic: {', '.join(sorted(unknown))}; there are {', '.join(topics())}"
        )
    return asked


def topics() -> list[str]:
    """Return what there are benches of."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def names(topic: str) -> list[str]:
    """Return "topic:what" of each bench, read from the source: importing it may be slow."""
    topic, _, only = topic.partition(":")
    lines = (HERE / f"bench_{topic}.py").read_text(encoding="utf-8").splitlines()
    found = [line[10:].partition("(")[0] for line in lines if line.startswith("def bench_")]
    return [f"{topic}:{what}" for what in found if only in ("", what)]


def run_apart(name: str, quick: bool) -> dict[str, Any]:
    """Run one bench in its own process, and show what came of it."""
    print(f"\n{name} …", flush=True)
    command = [sys.executable, __file__, "--one", name, *(["--quick"] if quick else [])]
    began = time.perf_counter()
    said = "no message"
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as answer,
        subprocess.Popen(command, stdout=answer, stderr=subprocess.PIPE, text=True) as ran,
    ):
        for said in ran.stderr:
            print(said, end="", file=sys.stderr, flush=True)
        failed = ran.wait()
        answer.seek(0)
        lines = answer.read().splitlines()
    seconds = time.perf_counter() - began
    done = {"name": name, "error": "", "about": "", "about_topic": "", "rows": [], "peak_mb": None}
    if failed:
        done["error"] = said.strip()
    else:
        done |= json.loads(lines[-1])
        frame = pd.DataFrame(done["rows"])
        frame.to_csv(OUT / f"{name.replace(':', '_')}.csv", index=False)
        print(frame.to_string(index=False), flush=True)
    return {**done, "seconds": seconds}


def run_here(name: str, quick: bool) -> int:
    """Run one bench in this process and write what it returns as the last line."""
    topic, _, what = name.partition(":")
    spec = importlib.util.spec_from_file_location(f"bench_{topic}", HERE / f"bench_{topic}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bench = getattr(module, f"bench_{what}")
    rows = bench(quick)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    about = {"about": joined(bench), "about_topic": joined(module)}
    print(json.dumps({"rows": rows, "peak_mb": peak, **about}, default=float))
    return 0


def joined(what: Any) -> str:
    """Return a docstring in one line a paragraph."""
    paragraphs = (inspect.getdoc(what) or "").split("\n\n")
    return "\n\n".join(" ".join(text.split()) for text in paragraphs)


if __name__ == "__main__":
    sys.exit(main())
