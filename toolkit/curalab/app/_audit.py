"""`curalab audit`: every finder on the user's own file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from curalab._hidden import is_metrics_only
from curalab.app._data import embedded

__all__ = ["audit"]


def audit(asked: argparse.Namespace) -> int:
    """Embed the data, run every finder and write the report."""
    import curalab as cl

    out = Path(asked.out)
    items, embedding, label, left_out = embedded(asked, out)
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
