"""`curalab demo`: the quick start, run from end to end."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

__all__ = ["demo"]


def demo(asked: argparse.Namespace) -> int:
    """Run the notebook of the quick start and write what it makes."""
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
