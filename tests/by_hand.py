"""What a hand does to a panel, without a browser."""

from __future__ import annotations

import ipywidgets


def press(panel, key):
    panel._hear(None, {"key": key}, [])


def click(panel, name):
    """Click the button whose text begins so."""
    (button,) = [b for b in walk(panel, ipywidgets.Button) if b.description.startswith(name)]
    button.click()


def walk(widget, kind):
    found = [widget] if isinstance(widget, kind) else []
    for child in getattr(widget, "children", ()):
        found += walk(child, kind)
    return found


def shown(panel):
    """All HTML that a panel shows."""
    return "".join(html.value for html in walk(panel, ipywidgets.HTML))
