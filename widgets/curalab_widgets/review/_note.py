"""A note to write beside a decision: N goes to it, Enter comes back to the panel."""

from __future__ import annotations

from typing import Any

import anywidget
import ipywidgets

__all__ = ["Note"]

_ESM = """
function render({ el }) {
  const stop = new AbortController();
  const { signal } = stop;

  function listen(root) {
    // Here and at once: by way of the kernel, what is typed next would already be keys.
    window.addEventListener("keydown", (event) => {
      const { target, key } = event;
      if (!root.contains(target) || event.isComposing) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typed = target.closest("input, textarea, select, [contenteditable=true]");
      if (typed && (key === "Enter" || key === "Escape")) root.focus({ preventScroll: true });
      else if (typed || key.toLowerCase() !== "n") return;
      else root.querySelector(".curalab-review-note input").focus();
      event.preventDefault();
      event.stopImmediatePropagation();
    }, { capture: true, signal });
    root.addEventListener("change", (event) => {
      if (event.target.closest(".curalab-review-order")) root.focus({ preventScroll: true });
    }, { signal });
  }

  (function find() {
    const root = el.closest(".curalab-panel");
    if (root) listen(root);
    else if (!signal.aborted) requestAnimationFrame(find);
  })();
  return () => stop.abort();
}

export default { render };
"""


class _Keys(anywidget.AnyWidget):
    """What listens in the browser; it shows nothing."""

    _esm = _ESM


class Note(ipywidgets.HBox):  # type: ignore[misc]
    """A line of text for each item, which waits with its item until that is decided."""

    def __init__(self) -> None:
        self.text = ipywidgets.Text(
            description="Note (N)",
            placeholder="goes with the next decision; Enter ends it",
            continuous_update=False,
        )
        self.text.add_class("curalab-review-note")
        self._drafts: dict[Any, str] = {}
        super().__init__([self.text, _Keys()])
        self.layout.flex = "1 1 auto"

    def move(self, old: list[Any], new: list[Any]) -> None:
        """Put the note on the old item by, and show the one on the new."""
        if old and self.text.value:
            self._drafts[old[0]] = self.text.value
        self.text.value = self._drafts.pop(new[0], "") if new else ""
