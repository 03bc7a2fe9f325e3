"""How threads wait for each other: set before OpenMP is loaded, which reads it once.

By default they spin until the slowest is there. Beside other work that is most of the time: a map
of 5,000 rows took 10 s beside two busy processes, and 2.6 s where threads sleep after a moment; on
an idle machine both take the same. Whoever has set it keeps it.
"""

import os

__all__: list[str] = []

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
