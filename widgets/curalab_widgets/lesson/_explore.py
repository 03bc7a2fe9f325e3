"""The teaching panel: sliders over a function, and a trail of what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import complain
from curalab_widgets._panel import Panel
from curalab_widgets.lesson._pictures import as_html, trail_plot, trail_table

__all__ = ["Explore"]

_SIDES = ("1 1 380px", "1 1 300px")  # beside each other where there is room
Look = Callable[..., tuple[Any, Mapping[str, float]]]


class Explore(Panel):
    """Sliders that move a picture and its scores together.

    Each setting is computed once; coming back to it costs nothing. What was seen stays: as points
    of a curve over the slider that was moved last, and as rows of a table.

    Parameters
    ----------
    look : callable
        ``look(**setting)`` returns a picture (a matplotlib figure, an image, a table or a text;
        None for none) and the scores of the setting by name, numbers.
    settings : mapping of str to sequence
        The sliders: for each, the values it takes, in order.
    start : mapping of str to value, default=None
        Where the sliders stand at first; None and those left out: in the middle.

    Attributes
    ----------
    setting : dict
        Where the sliders stand. Setting it moves them.
    trail : DataFrame
        A row for each setting seen, in the order of the sliders: its values, then its scores.

    Examples
    --------
    >>> from curalab_widgets import lesson
    >>> panel = lesson.Explore(lambda k: (None, {"square": k * k}), {"k": [1, 2, 3]})
    >>> panel.setting
    {'k': 2}
    >>> panel.walk("k")["square"].tolist()
    [1.0, 4.0, 9.0]
    """

    setting = traitlets.Dict()

    _state = ("setting",)

    def __init__(
        self,
        look: Look,
        settings: Mapping[str, Sequence[Any]],
        *,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(look):
            raise TypeError(complain("look", "a function of the settings", look))
        self._look = look
        self._settings = _checked(settings)
        self._moved = next(iter(self._settings))
        self._seen: dict[tuple[Any, ...], tuple[str, dict[str, float]]] = {}
        first = {name: values[len(values) // 2] for name, values in self._settings.items()}
        super().__init__(pd.DataFrame(), title="A picture and its scores by setting")
        self._sliders = {name: self._slider(name) for name in self._settings}
        self._picture, self._scores = (ipywidgets.HTML(layout={"flex": wide}) for wide in _SIDES)
        walk = self._button("Try all", "See every value of the slider moved last", self._walk_on)
        self._show([*self._sliders.values(), walk], [self._picture, self._scores])
        self.setting = {**first, **(start or {})}
        self._see(self.setting)  # in a kernel too, before anything is shown
        self._draw()

    def __repr__(self) -> str:
        return f"Explore({self.setting}, {len(self._seen)} settings seen)"

    @property
    def trail(self) -> pd.DataFrame:
        """A row for each setting seen, in the order of the sliders: its values, then its scores."""
        rows = [
            dict(zip(self._settings, key, strict=True)) | self._seen[key][1]
            for key in self._in_order()
        ]
        return pd.DataFrame(rows)

    def _in_order(self) -> list[tuple[Any, ...]]:
        return [key for key in product(*self._settings.values()) if key in self._seen]

    def walk(self, name: str) -> pd.DataFrame:
        """See every value of one slider, the others as they stand, and come back.

        Parameters
        ----------
        name : str
            The slider.

        Returns
        -------
        DataFrame
            The trail.
        """
        if name not in self._settings:
            raise ValueError(complain("name", f"one of {list(self._settings)}", name))
        self._moved = name
        for value in self._settings[name]:
            self._see({**self.setting, name: value})
        self._draw()
        return self.trail

    # ---- inside ----------------------------------------------------------------------------------

    def _slider(self, name: str) -> ipywidgets.SelectionSlider:
        options = [(str(value), value) for value in self._settings[name]]
        slider = ipywidgets.SelectionSlider(
            options=options, description=name, continuous_update=False
        )
        slider.style.description_width = "initial"
        slider.observe(lambda change: self._slid(name, change["new"]), "value")
        return slider

    def _slid(self, name: str, value: Any) -> None:
        if self.setting[name] != value:
            self.setting = {**self.setting, name: value}

    @traitlets.validate("setting")
    def _is_known(self, proposal: Any) -> dict[str, Any]:
        asked: dict[str, Any] = dict(proposal["value"])
        if set(asked) != set(self._settings):
            raise ValueError(
                complain("setting", f"a value for each of {list(self._settings)}", asked)
            )
        for name, value in asked.items():
            if value not in self._settings[name]:
                raise ValueError(complain(name, f"one of {list(self._settings[name])}", value))
        return asked

    @traitlets.observe("setting")
    def _moves(self, change: Any) -> None:
        old, new = change["old"], change["new"]
        for name, value in new.items():
            self._sliders[name].value = value
        if not isinstance(old, dict) or not old:
            return  # the start: the constructor looks itself
        self._moved = [name for name in new if old[name] != new[name]][-1]
        if self._key(new) in self._seen:
            self._work.stop()
            self._draw()
        else:
            self._work.ask(lambda: self._see(new), lambda _: self._draw(), what="Looking")

    def _walk_on(self) -> None:
        at, name = self.setting, self._moved

        def look() -> None:
            for value in self._settings[name]:
                self._see({**at, name: value})

        self._work.ask(look, lambda _: self._draw(), what="Looking")

    def _stopped(self) -> None:
        """Go back to the setting seen last."""
        if self._seen:
            self.setting = dict(zip(self._settings, list(self._seen)[-1], strict=True))

    def _key(self, setting: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(setting[name] for name in self._settings)

    def _see(self, setting: Mapping[str, Any]) -> None:
        if self._key(setting) not in self._seen:
            picture, scores = self._look(**setting)
            self._seen[self._key(setting)] = as_html(picture), _numbers(scores)

    def _draw(self) -> None:
        if self._key(self.setting) in self._seen:
            self._picture.value, self._scores.value = self._drawn()
            self._picture.layout.display = "" if self._picture.value else "none"

    def _drawn(self) -> tuple[str, str]:
        trail, now = self.trail, self._in_order().index(self._key(self.setting))
        picture, scores = self._seen[self._key(self.setting)]
        plot = trail_plot(trail, self._moved, list(scores), now) if scores else ""
        return picture, plot + trail_table(trail, now)

    def _still(self) -> str:
        if self._key(self.setting) not in self._seen:
            return super()._still()
        sides = "".join(
            f"<div style='flex:{wide};min-width:0'>{side}</div>"
            for wide, side in zip(_SIDES, self._drawn(), strict=True)
            if side
        )
        return f"<div style='display:flex;flex-wrap:wrap;gap:1.5em'>{sides}</div>"


def _checked(settings: Any) -> dict[str, list[Any]]:
    rule = "names of sliders, each with the values it takes"
    if not isinstance(settings, Mapping) or not settings:
        raise TypeError(complain("settings", rule, settings))
    named = {str(name): list(values) for name, values in settings.items()}
    if not all(named.values()):
        raise ValueError(complain("settings", rule, settings))
    return named


def _numbers(scores: Any) -> dict[str, float]:
    if not isinstance(scores, Mapping):
        raise TypeError(
            f"What 'look' returns must end with scores by name. Got {scores!r} instead."
        )
    return {str(name): float(np.round(value, 4)) for name, value in scores.items()}
