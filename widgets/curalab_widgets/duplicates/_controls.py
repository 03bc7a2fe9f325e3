"""The widgets of a panel of copies, and what they say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
import traitlets

from curalab._check import IntArray, rows_of
from curalab_widgets.duplicates._sheet import KEYS, Sheet

if TYPE_CHECKING:
    from curalab_widgets.duplicates import DuplicatePanel

__all__ = ["ORDERS", "Controls"]

ORDERS = {
    "largest": "largest first",
    "least similar": "least similar first",
    "conflicts": "conflicts first",
}
_SHOWN = 12  # members of a group that are shown
_END = {
    "groups": "<code>ledger.apply(items)</code> makes the table without the copies.",
    "pairs": "All are judged.",
}


class Controls:
    """What a panel of copies is made of.

    Attributes
    ----------
    rows : list of list of Widget
        To show in the panel.
    shown : list of int
        Rows on the cards, in their order.
    """

    def __init__(self, panel: DuplicatePanel) -> None:
        self._panel = panel
        self._count, self._head, self._side, self._told = (ipywidgets.HTML() for _ in range(4))
        self._side.add_class("curalab-duplicates-sheet")
        self._sheet, self.shown = Sheet(panel._items.drop(columns=panel._labels or [])), list[int]()
        self._slider = self._sliding()
        names = [name for name in ORDERS if name != "conflicts" or panel._labels is not None]
        order = ipywidgets.Dropdown(options=[(ORDERS[name], name) for name in names])
        traitlets.link((panel, "order"), (order, "value"))
        self._all = panel._button("", "One decision for every group left", panel.drop_all)
        self._use = panel._button("", "Cut at the suggested threshold", panel.use_suggested)
        self._parts = {"groups": [order], "pairs": []}  # what shows in one mode only
        buttons, modes = self._deciding(), self._modes()
        cut = [*modes, *([self._slider] if self._slider else []), self._count]
        told = [self._told, self._use] if modes else []
        self.rows = [cut, buttons, told, [order, self._head], [self._side]]

    def _sliding(self) -> ipywidgets.FloatSlider | None:
        low = self._panel._copies.found.threshold
        if low > 1 - 1e-4:  # nothing to move, and a slider without length breaks in the browser
            return None
        fine = 4 if low > 0.95 else 3
        slider = ipywidgets.FloatSlider(
            low, min=low, max=1, step=10**-fine, readout_format=f".{fine}f", description="Threshold"
        )
        slider.observe(self._panel._slide, "value")
        return slider

    def slide_to(self, threshold: float) -> None:
        """Show a threshold on the slider, where there is one."""
        if self._slider is not None:
            self._slider.value = threshold

    def _deciding(self) -> list[ipywidgets.Widget]:
        panel = self._panel
        panel._keys |= {str(i): partial(panel._choose_shown, i) for i in range(1, KEYS + 1)}
        skip = panel._button("Skip", "Show the next; this one comes again", panel.skip, key="s")
        if panel._ledger is None:
            return [skip]
        drop = panel._button("Drop the copies", "Keep the one marked", panel.drop, key="d")
        yes = panel._button("Duplicates", "They are", partial(panel.judge, True), key="y")
        drop.button_style = yes.button_style = "primary"
        no = panel._button("Not duplicates", "They all stay as they are", panel._no, key="n")
        undo = panel._button("Undo", "Take back the last decision", panel.undo, key="u")
        self._parts["groups"] += [drop, self._all]
        self._parts["pairs"] += [yes]
        return [drop, yes, no, skip, undo, self._all]

    def _modes(self) -> list[ipywidgets.Widget]:
        if self._panel._ledger is None:
            return []
        mode = ipywidgets.ToggleButtons(
            options=[("Groups", "groups"), ("Judge pairs", "pairs")],
            tooltips=["Decide which items are dropped", "Say of pairs whether they are duplicates"],
        )
        traitlets.link((self._panel, "mode"), (mode, "value"))
        return [mode]

    # ---- what they say ---------------------------------------------------------------------------

    def tell(self) -> None:
        """Show what is known of the cut, and what fits the mode."""
        panel, cut = self._panel, self._panel.result
        left = cut.n_groups - panel.decided
        self._all.description = f"Drop copies in all {left:,} groups" if left else "No group left"
        n_copies = int((~cut.keep).sum())
        self._count.value = f"<b>{cut.n_groups:,}</b> groups, <b>{n_copies:,}</b> copies"
        for mode, parts in self._parts.items():
            for part in parts:
                part.layout.display = "" if mode == panel.mode else "none"
        off = {"d", *map(str, range(1, KEYS + 1))} if panel.mode == "pairs" else {"y"}
        panel._ear.wanted = [key for key in panel._keys if key not in off]
        self._tell_verdicts()
        self._head.value = self._headed()
        self._draw()

    def _headed(self) -> str:
        """Return how far one is, and what the group or pair on show is."""
        panel = self._panel
        done, total, what = panel.decided, len(panel._queue), "groups decided"
        if by_pair := panel.mode == "pairs":
            done = int(np.isin(panel._queue, list(panel._copies.judged)).sum())
            what = "pairs judged"
        bar = f"<progress style='width:80px' value='{done}' max='{max(total, 1)}'></progress>"
        told = [f"<b>{done:,} of {total:,} {what}</b>"]
        if panel.selected:
            pair = panel._pair() if by_pair else None
            told += panel._copies.facts(panel.result, pair, panel.group)
        else:
            told.append(_END[panel.mode] if total else "There are no copies at this threshold.")
        return f"{bar} <span class='curalab-duplicates-facts'>{' · '.join(told)}</span>"

    def _tell_verdicts(self) -> None:
        panel = self._panel
        judged = panel._copies.judged_of(panel.result)
        wanted = panel._copies.suggested() if panel._copies.judged else None
        is_off = wanted is None or wanted == panel.threshold
        self._use.layout.display = "none" if is_off else ""
        self._use.description = "" if wanted is None else f"Use {wanted:.4g}"
        if not len(judged):
            is_asked = panel.mode == "pairs"
            self._told.value = "Verdicts tell how many of the pairs found are right." * is_asked
            return
        told = panel.result.precision(judged)
        more = f"; from <b>{wanted:.4g}</b> on 95 % are" if wanted is not None else ""
        self._told.value = (
            f"<b>{told['precision']:.0%}</b> of the {told['n_pairs']:,} pairs are duplicates, "
            f"between {told['low']:.0%} and {told['high']:.0%} by {told['n_judged']:,} "
            f"verdicts{more}."
        )

    # ---- the cards -------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Show the cards of the group or the pair that is on show now, or none."""
        panel, cut, more = self._panel, self._panel.result, ""
        are_kept = panel.mode == "groups"
        if not panel.selected:
            self._side.value = ""
            return
        if are_kept:
            rows = panel._members()
            base = int(rows[cut.keep[rows]][0])
            self.shown = rows.tolist() if len(rows) <= _SHOWN else self._dozen(rows, base)
            if n_more := len(rows) - len(self.shown):
                more = f"<p>… and <b>{n_more:,} more</b> in this group.</p>"
        else:
            self.shown = rows_of(panel.ids, panel.selected).tolist()
            base = self.shown[0]
        told = [panel._copies.told(cut if are_kept else None, row, base) for row in self.shown]
        cards = self._sheet.cards(self.shown, told, against=base, are_kept=are_kept)
        self._side.value = cards + more

    def _dozen(self, rows: IntArray, kept: int) -> list[int]:
        """Return the members to show of a large group: the kept one and those least like it."""
        if kept in self.shown and set(self.shown) <= set(rows.tolist()):
            return self.shown  # as before: choosing among them should not move them
        like = np.nan_to_num(self._panel.result.similarity[rows], nan=-1.0)
        far = rows[np.argsort(like, kind="stable")]
        return [kept, *far[far != kept][: _SHOWN - 1].tolist()]

    def still(self) -> str:
        """Return the panel as a table of the first groups."""
        panel = self._panel
        cut, rows = panel.result, list[int]()
        for number in [panel.group, *panel._copies.lined_up(cut, panel.order).tolist()][:4]:
            members = np.flatnonzero(cut.group == number)[:4].tolist() if number >= 0 else []
            rows += [row for row in members if row not in rows]
        told = {
            "group": cut.group[rows].tolist(),
            "kept": ["kept" if cut.keep[row] else "copy" for row in rows],
            "similarity to it": cut.similarity[rows].tolist(),
        }
        if panel._labels is not None:
            told["label"] = [panel._given(row) for row in rows]
        said = f"{self._count.value} at a threshold of {panel.threshold:.4g}"
        table = self._sheet.table(rows, told)
        return f"<p>{said}; {panel.decided:,} groups decided.</p>{table}"
