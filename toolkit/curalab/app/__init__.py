"""The `curalab` command: the demo, the list of methods, and work on the user's own file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    asked = _parser().parse_args(argv)
    try:
        module = import_module(f"curalab.app.{asked.module}")
        status: int = getattr(module, asked.command)(asked)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\ncuralab {asked.command}: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read it, as head does, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
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
    demo.set_defaults(module="_demo")
    methods = commands.add_parser("methods", help="list every method")
    methods.add_argument("stage", nargs="?", help="one stage, such as outliers")
    methods.set_defaults(module="_methods")
    grade = commands.add_parser("grade", help="make a csv of the course's result files")
    grade.add_argument("folder", help="holds curalab-results-*.json, at any depth")
    grade.add_argument("--out", default="grades.csv", help="(default: %(default)s)")
    grade.set_defaults(module="_grade")
    for name, module, about in (
        ("embed", "_data", "turn your own data into vectors, on this machine or on many"),
        ("dedup", "_data", "find near-duplicates in your own data"),
        ("audit", "_audit", "run every finder on your own data"),
    ):
        command = commands.add_parser(name, help=about)
        _ask_for_data(command, name)
        command.set_defaults(module=module)
    return parser


def _ask_for_data(command: argparse.ArgumentParser, name: str) -> None:
    """Add what embedding takes, and what else the command takes."""
    command.add_argument("file", nargs="?", help="csv, tsv, parquet, jsonl, or a folder of parquet")
    command.add_argument(
        "--images", metavar="DIR", help="a folder of images, or of wav files, instead of a file"
    )
    command.add_argument("--id", metavar="COL", help="column of ids (default: row numbers)")
    command.add_argument("--text", metavar="COL", help="column of texts to embed")
    command.add_argument("--label", metavar="COL", help="column of labels")
    command.add_argument("--groups", metavar="COL", help="column of groups: site, speaker, source")
    command.add_argument("--order", metavar="COL", help="column of times or ranks")
    command.add_argument(
        "--split", metavar="COL", help='column that marks test rows: True or "test"'
    )
    command.add_argument("--encoder", help="a name in `curalab methods encoders`")
    command.add_argument("--seed", type=int, default=0, help="seed (default: %(default)s)")
    command.add_argument(
        "--backend", choices=("local", "ray"), default="local", help="where to embed (%(default)s)"
    )
    command.add_argument("--address", help="of a Ray cluster (default: this machine)")
    command.add_argument(
        "--out", default=f"out/{name}", help="folder to write to (default: %(default)s)"
    )
    if name == "dedup":
        command.add_argument(
            "--threshold", type=float, help="least similarity of a pair (default: from the data)"
        )
