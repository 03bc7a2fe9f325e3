"""What a piece of work takes: time, and memory above what was there."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

__all__ = ["Cost"]

_SELF = Path("/proc/self")


class Cost:
    """A `with` block that measures itself.

    Attributes
    ----------
    seconds : float
        Time on the clock.
    peak_mib : float
        The most memory that the process held, above what it held before, in MiB. NaN where the
        system does not say (anything but Linux).
    """

    def __enter__(self) -> Self:
        self._held, _ = _memory(reset=True)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        self.peak_mib = float(np.maximum(0.0, _memory(reset=False)[1] - self._held))


def _memory(*, reset: bool) -> tuple[float, float]:
    """Return what the process holds and its peak since the last reset, in MiB."""
    try:
        if reset:
            (_SELF / "clear_refs").write_text("5")
        status = (_SELF / "status").read_text()
    except OSError:
        return np.nan, np.nan
    kib = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+)", status))
    return float(kib.get("VmRSS", np.nan)) / 1024, float(kib.get("VmHWM", np.nan)) / 1024
