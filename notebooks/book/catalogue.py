"""The catalogue of methods: a section a stage, an entry a method, with what is recorded of it."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pandas as pd
from book.reference import documented, heading

import curalab as cl
from curalab.pool._stage import Stage, find_stage, stages

__all__ = ["TOPICS", "catalogue_page"]

# Which benches measure what; those of no stage measure the frame, such as neighbours.
TOPICS = {
    "encoders": "encoders",
    "maps": "maps",
    "clusters": "clusters dimensions",
    "duplicates": "duplicates duplicates_at_size questions records",
    "label_errors": "label_errors",
    "outliers": "outliers",
    "shift": "shift",
    "pseudo_labels": "pseudo_labels words weak discovery honesty",
    "selectors": "selectors labelling keep pruning target coverage allocation anomaly_query",
    "explanations": "explanations datamodels",
    "documents": "guide",
    "": "audit effect import ledger map neighbors panels scale sizes",
}
_NAMES_DATA = re.compile(
    r"\b(ag_news|banking77|benches|CIFAR-10|clinc|digits|intents|trec6|wines)\b"
)
_NUMBER = re.compile(r"(?<![\w.])1?\.\d\d?\b|\d %")
_SECTION = re.compile(r"\A\w[\w ]*\n-+\n")


def catalogue_page(benches: Path) -> str:
    """Return the page, in reStructuredText, from `cl.methods()` and the folder of the benches."""
    where = documented()
    recorded = pd.read_csv(benches / "recorded.csv").dropna(subset="seconds")
    table = cl.methods()
    lines = [
        *heading("The methods", "="),
        f"{len(table)} methods and functions, stage by stage, as ``cl.methods()`` lists them; "
        "within a stage the best of the project's bench first. A *method* is a value for "
        '``method=``, by name (``cl.find_outliers(emb, method="knn")``) or with its settings '
        "(``method=cl.outliers.KNN(k=20)``). A *function* is called by itself.",
        "",
        *_how_measured(recorded),
    ]
    for noun in stages():
        stage = find_stage(noun)
        lines += _stage_lines(stage, benches, recorded)
        for row in table[table["stage"] == noun].itertuples():
            made = {**stage.methods, **stage.functions}.get(row.name)
            lines += _entry(row, made, stage, where, _named_in(row.name, made, noun, benches))
    return "\n".join(lines)


def _how_measured(recorded: pd.DataFrame) -> list[str]:
    frame = recorded[~recorded["bench"].isin([f"sizes:{noun}" for noun in stages()])]
    return [
        *heading("What the numbers are", "-"),
        "Nothing on this page was estimated. A number stands here if it is recorded in the "
        "project: in a method's docstring, with its data, or in ``tests/bench/recorded.csv``, "
        "where times also stand as multiples of a reference kernel (a product of two matrices of "
        "2,000 × 2,000 in float32), so that machines compare. Where nothing is recorded, the "
        "command that measures it is given; run it in a clone of the repository. Some benches "
        "need data that they cannot bring along, and say so.",
        "",
        "In the tables of times each contender has a process of its own: the time in bold is the "
        "median of further runs on other objects, *first* that of the first run with the imports, "
        "the memory what the first run takes above the rows. Rows are 384 numbers each; "
        "``python tests/bench/run.py sizes`` measures all of it anew. An empty place: it would "
        "take over four minutes, or the machine was not quiet.",
        "",
        *_times(frame),
    ]


def _times(recorded: pd.DataFrame) -> list[str]:
    """Return a table for each bench: a line a contender, a column for each number of rows."""
    lines = []
    for bench, rows in recorded.groupby("bench", sort=False):
        sizes = sorted(rows["n"].unique())
        lines += [f".. list-table:: ``{bench}``, {rows['machine'].iloc[-1]}"]
        lines += ["   :header-rows: 1", "", "   * - contender"]
        lines += [f"     - {n:,} rows" for n in sizes]
        for name in sorted(rows["contender"].unique(), key=lambda name: "curalab" not in name):
            of = rows[rows["contender"] == name].set_index("n")
            lines += [f"   * - {name}"]
            lines += [f"     - {_seen(of.loc[n])}" if n in of.index else "     -" for n in sizes]
        lines += [""]
    return lines


def _seen(row: pd.Series) -> str:
    """Return what a contender took and what its answer is worth."""
    told = f"**{_seconds(row['seconds'])}**, first {_seconds(row['cold'])}; {row['MiB']:,.0f} MiB"
    return told if pd.isna(row["value"]) else f"{told}; {row['measure']} {row['value']:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def _stage_lines(stage: Stage, benches: Path, recorded: pd.DataFrame) -> list[str]:
    verb = f"``cl.{stage.verb}``, " if stage.verb else ""
    lines = [
        f".. _stage-{stage.name.replace('_', '-')}:",
        "",
        *heading(stage.name.replace("_", " ").capitalize(), "-"),
        f"{verb}module :doc:`curalab.{stage.name} <api/curalab.{stage.name}>`. "
        + stage.contract.replace("*", "\\*"),
        "",
        *_times(recorded[recorded["bench"] == f"sizes:{stage.name}"]),
        "To measure:",
        "",
    ]
    for topic in TOPICS[stage.name].split():
        source = (benches / f"bench_{topic}.py").read_text(encoding="utf-8")
        said = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0]
        lines += [f"- ``python tests/bench/run.py {topic}``: {' '.join(said.split())}"]
    return [*lines, ""]


def _named_in(name: str, made: Any, noun: str, benches: Path) -> list[str]:
    """Return the stage's benches that name a method, its class, or all methods of the stage."""
    everything = rf"methods\(\"{noun}\"\)" if inspect.isclass(made) else None
    class_of = rf"\b{getattr(made, '__name__', '')}\("
    named = "|".join(filter(None, [f'"{name}"', class_of, everything]))
    paths = [(topic, benches / f"bench_{topic}.py") for topic in TOPICS[noun].split()]
    return [topic for topic, path in paths if re.search(named, path.read_text(encoding="utf-8"))]


def _entry(
    row: Any, made: Any, stage: Stage, where: dict[int, str], benches: list[str]
) -> list[str]:
    anchor = f"method-{stage.name}-{row.name}".replace("_", "-").replace(".", "-")
    kind = f"*{row.kind}*" + (", **start here**" if row.start_here else "")
    facts = {
        "Needs": row.needs,
        "Cost": row.cost,
        "Paper": row.paper,
        "API": f":py:obj:`{where[id(made)]}`" if id(made) in where else "",
        "Measure it": _command(row, stage, benches),
    }
    lines = [f".. _{anchor}:", "", *heading(row.name, "~"), f"{kind}. {row.summary}", ""]
    lines += [f":{name}: {said}" for name, said in facts.items() if said]
    found = _recorded(inspect.getdoc(made) or "")
    if found:
        lines += ["", "Recorded in its docstring:", ""]
        lines += [f"   {line}" for part in found for line in [*part.splitlines(), ""]]
    return [*lines, ""]


def _command(row: Any, stage: Stage, benches: list[str]) -> str:
    if benches:
        return f"``python tests/bench/run.py {' '.join(benches)}``"
    if row.kind != "method" or not TOPICS[stage.name]:
        return "no bench names it; its tests show it on data with a known answer."
    return "no bench names it; put its name among the contenders of one of the stage's benches."


def _recorded(doc: str) -> list[str]:
    """Return the paragraphs of a docstring that give a number for a named data set."""
    parts = [_SECTION.sub("", part) for part in doc.split("\n\n")]
    said = [part for part in parts if not part.startswith((".. [", ">>>"))]
    found = [part for part in said if _NAMES_DATA.search(part) and _NUMBER.search(part)]
    return [re.sub(r" ?\[\d+\]_", "", part) for part in found]
