"""The last recorded run: what each contender took, also in units of the reference kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

FILE = Path(__file__).with_suffix(".csv")
KEYS = ["bench", "contender", "n"]
KEPT = ["seconds", "cold", "MiB", "measure", "value", "ratio"]
NOISE = 0.2  # seconds: what is measured below is left out
LOSS = 1.3  # times the recorded ratio


def timed_rows(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Return what was measured of each contender at each size, and whether the row is unquiet."""
    rows = [{"bench": done["name"], **row} for done in pages for row in done["rows"]]
    frame = pd.DataFrame(rows).reindex(columns=[*KEYS, *KEPT, "said"]).dropna(subset=KEYS)
    return frame.assign(unquiet=frame.pop("said").astype(str).str.startswith("unquiet"))


def record(now: pd.DataFrame, machine: str) -> None:
    """Write the quiet rows; what is recorded of other benches and sizes stays."""
    new = now[~now["unquiet"]].dropna(subset="ratio")[[*KEYS, *KEPT]].assign(machine=machine)
    old = [pd.read_csv(FILE)] if FILE.exists() else []
    both = pd.concat([*old, new]).drop_duplicates(KEYS, keep="last").sort_values(KEYS)
    both.astype({"n": int}).to_csv(FILE, index=False, float_format="%.4g")
    print(f"Recorded {len(new)} rows in {FILE.name}; {now['unquiet'].sum()} were unquiet.")


def check(now: pd.DataFrame) -> int:
    """Say what is worse than recorded, and return how many rows are."""
    if not FILE.exists():
        print(f"Nothing is recorded in {FILE.name}: run once with --record.")
        return 0
    lost, said = compared(now, pd.read_csv(FILE))
    print("", *said, sep="\n")
    return lost


def compared(now: pd.DataFrame, recorded: pd.DataFrame) -> tuple[int, list[str]]:
    """Return how many rows of ours are worse by more than 30 %, and what there is to say.

    A row that took under 0.2 s now is left out, whatever it took then, and so is an unquiet one; a
    row that was recorded and has no time now is a loss.
    """
    now = now[now["contender"].astype(str).str.startswith("curalab")]
    both = now.merge(recorded[[*KEYS, "ratio"]], on=KEYS, how="left", suffixes=("", "_then"))
    both["state"] = "compared"
    both.loc[both["unquiet"], "state"] = "unquiet"
    both.loc[both["seconds"] < NOISE, "state"] = f"under {NOISE} s"
    both.loc[both["ratio_then"].isna(), "state"] = "not recorded"
    held = both[both["state"] == "compared"]
    lost = held[held["ratio"].isna() | (held["ratio"] > LOSS * held["ratio_then"])]
    lines = [
        f"LOST {row.bench}, {row.contender}, {row.n:,.0f} rows: "
        + ("no time now." if pd.isna(row.ratio) else f"{row.ratio / row.ratio_then:.2f} times.")
        for row in lost.itertuples()
    ]
    told = ", ".join(f"{n} {state}" for state, n in both["state"].value_counts().items())
    return len(lost), [*lines, f"Against the recording: {told or 'nothing'}."]
