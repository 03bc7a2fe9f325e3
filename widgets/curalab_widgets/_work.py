"""Long computations beside the kernel: a bar, a way to stop, and only the newest one counts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets

__all__ = ["Work"]

_PAUSE = 0.15  # seconds that a slider has to rest before work begins


class Work:
    """What a panel computes when a hand moves something.

    The kernel stays free: `ask` returns at once, the computation runs in a thread, and its answer
    is taken over in the kernel's own thread. While one runs only the newest of those asked for
    waits. Where no event loop runs (a script, a test), it is computed before `ask` returns.

    Parameters
    ----------
    tell : callable
        Called with what went wrong, an Exception.
    stopped : callable, default=None
        Called when a hand has stopped it: what was moved has to go back.

    Attributes
    ----------
    bar : widget
        To place in the panel: what is computed, and a button that stops it. Hidden when idle.
    """

    def __init__(
        self, tell: Callable[[Exception], None], stopped: Callable[[], None] | None = None
    ) -> None:
        self._tell, self._stopped = tell, stopped
        self._asked: tuple[Callable[[], Any], Callable[[Any], None], str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0  # number of the one whose answer counts; 0 when none does
        self._busy = False  # a thread runs, even one whose answer is not wanted any more
        self._n = 0
        self._what = ipywidgets.HTML()
        stop = ipywidgets.Button(description="Stop", tooltip="Leave everything as it was")
        stop.on_click(lambda _: self._stop_by_hand())
        self.bar = ipywidgets.HBox([self._what, stop])
        self.bar.add_class("curalab-work")
        self.bar.layout.display = "none"

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._asked is None and not self._running

    def ask(
        self, compute: Callable[[], Any], done: Callable[[Any], None], *, what: str = "Computing"
    ) -> None:
        """Compute, then give the answer to `done`; what was asked before and waits is forgotten."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._finish(*_outcome(compute), done)
            return
        self._asked = (compute, done, what)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(_PAUSE, self._begin, loop)

    def stop(self) -> None:
        """Forget what is computed and what waits; everything stays as it was."""
        self._asked, self._running = None, 0
        if self._timer is not None:
            self._timer.cancel()
        self.bar.layout.display = "none"

    def _stop_by_hand(self) -> None:
        self.stop()
        if self._stopped is not None:
            self._stopped()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._busy or self._asked is None:
            return  # it begins when the one that runs has ended
        (compute, done, what), self._asked = self._asked, None
        self._n += 1
        self._running, self._busy, number = self._n, True, self._n
        self._what.value = f"<progress></progress> {what} …"
        self.bar.layout.display = ""

        def ended(answer: Any, error: Exception | None) -> None:
            self._busy = False
            if self._running == number:
                self._running = 0
                self.bar.layout.display = "none"
                if self._asked is None:
                    self._finish(answer, error, done)
            self._begin(loop)

        def run() -> None:
            outcome = _outcome(compute)
            with contextlib.suppress(RuntimeError):  # the kernel has ended meanwhile
                loop.call_soon_threadsafe(ended, *outcome)

        threading.Thread(target=run, daemon=True).start()

    def _finish(self, answer: Any, error: Exception | None, done: Callable[[Any], None]) -> None:
        try:
            if error is not None:
                raise error
            done(answer)
        except Exception as wrong:
            self._tell(wrong)


def _outcome(compute: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return compute(), None
    except Exception as error:
        return None, error
