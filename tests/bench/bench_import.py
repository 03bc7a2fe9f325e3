"""What `import curalab` costs."""

from __future__ import annotations

import statistics
import subprocess
import sys

HEAVY = ("torch", "sklearn", "scipy", "PIL", "matplotlib", "transformers")
CODE = f"""
import sys, time
began = time.perf_counter()
import curalab
took = time.perf_counter() - began
print(took, ",".join(name for name in {HEAVY!r} if name in sys.modules) or "-")
"""


def bench_curalab(quick):
    """Time of `import curalab` in a fresh process (median), and which heavy packages it loads."""
    runs = [
        subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
        for _ in range(3 if quick else 9)
    ]
    seconds, heavy = zip(*(run.stdout.split() for run in runs), strict=True)
    taken = [float(s) for s in seconds]
    return [
        {
            "seconds": statistics.median(taken),
            "slowest": max(taken),
            "below_one_second": statistics.median(taken) < 1,
            "heavy": heavy[0],
        }
    ]
