"""`curalab methods`: the list of methods."""

from __future__ import annotations

import argparse

__all__ = ["methods"]


def methods(asked: argparse.Namespace) -> int:
    """Print every method, or those of one stage."""
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
