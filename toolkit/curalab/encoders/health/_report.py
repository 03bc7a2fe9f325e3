"""All of it in one table, with what to do about each finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from curalab._check import check_choice, check_seed
from curalab.encoders.health._hubs import hubness
from curalab.encoders.health._local import local_dimension
from curalab.encoders.health._repeats import repeats
from curalab.encoders.health._rows import checked
from curalab.encoders.health._separability import separability
from curalab.encoders.health._spread import spread

__all__ = ["Health", "report"]

_VERDICTS = ("ok", "look", "bad")
_INF = float("inf")


@dataclass(frozen=True, kw_only=True, eq=False)
class Health:
    """What is usual about an embedding and what is not.

    Attributes
    ----------
    findings : DataFrame
        One row a finding, indexed by its name: `value`, `usual` (the range that is common),
        `verdict` ("ok", "look" or "bad") and `advice` (what to do, "" where nothing).
    results : mapping of str to object
        What the numbers come from: "spread", "local_dimension", "separability", "hubness" and
        "repeats". Those about single rows have ids.
    params : mapping
        The seed and the fingerprint of the embedding.
    """

    findings: pd.DataFrame
    results: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The worst verdict of all findings."""
        return str(max(self.findings["verdict"], key=_VERDICTS.index))

    def __getitem__(self, name: str) -> Any:
        return self.results[check_choice("name", name, self.results)]

    def to_frame(self) -> pd.DataFrame:
        """Return the findings, one row each."""
        return self.findings.copy()

    def __repr__(self) -> str:
        count = self.findings["verdict"].value_counts()
        told = [
            f"{count[verdict]} {verdict}" for verdict in reversed(_VERDICTS) if verdict in count
        ]
        return f"Health({', '.join(told)})"

    def _repr_html_(self) -> str:
        shown = self.findings.reset_index()
        shown["value"] = shown["value"].map("{:.3g}".format)
        with pd.option_context("display.max_colwidth", None):
            table = shown.to_html(index=False, border=0, notebook=True)
        return f"<p><code>{escape(repr(self))}</code></p>{table}"


def report(embedding: Any, *, random_state: int | None = None) -> Health:
    """Say in one table how healthy an embedding is, without labels, and what to do about it.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows. The neighbour graph that this computes is kept for all that follows.
    random_state : int, default=None
        Seed of what is drawn. None draws one and records it.

    Returns
    -------
    Health

    Notes
    -----
    The ranges are those seen on texts, images and tables with good and with broken encoders; they
    are habits, no laws. An embedding that is ok in all of them may still not know what you care
    about: with labels `compare_encoders` says so.

    Examples
    --------
    >>> import numpy as np
    >>> from curalab.encoders import health
    >>> x = np.random.default_rng(0).normal(size=(200, 16))
    >>> x[:, 1:] *= 0.001
    >>> health.report(x + 1, random_state=0).findings.loc["spread", "verdict"]
    'bad'
    """
    made = checked(embedding)
    seed = check_seed(random_state)
    made.neighbors(min(20, len(made) - 1))  # once, for all that follow
    results = {
        "spread": spread(made, random_state=seed),
        "local_dimension": local_dimension(made),
        "separability": separability(made, random_state=seed),
        "hubness": hubness(made),
        "repeats": repeats(made),
    }
    measured = list(_measured(results, made.shape[1]))
    findings = pd.DataFrame(measured, columns=["finding", "value", "usual", "verdict", "advice"])
    return Health(
        findings=findings.set_index("finding"),
        results=results,
        params={"random_state": seed, "embedding": made.fingerprint},
    )


class _Range(NamedTuple):
    """What is usual; beyond the first number of a pair to look at, beyond the second bad."""

    usual: str
    low: tuple[float, float] = (-_INF, -_INF)
    high: tuple[float, float] = (_INF, _INF)
    if_low: str = ""
    if_high: str = ""

    def judge(self, value: float) -> tuple[str, str]:
        """Return the verdict on a value and the advice."""
        for verdict, low, high in zip(
            ("bad", "look"), self.low[::-1], self.high[::-1], strict=True
        ):
            if value < low:
                return verdict, self.if_low
            if value > high:
                return verdict, self.if_high
        return "ok", ""


_RANGES = {
    "spread": _Range(
        "above 0.1",
        low=(0.1, 0.02),
        if_low="A few directions hold nearly all the variance. For a table, scale the columns; "
        "for a trained encoder, it has collapsed: take another, or train it longer.",
    ),
    "spread by entropy": _Range(
        "above 0.3",
        low=(0.3, 0.1),
        if_low="Most directions are empty, or hold a few values only. Look at a histogram of the "
        "first principal axes.",
    ),
    "local dimension": _Range(
        "2.4 to 30",
        low=(2.4, 1.4),
        high=(30, _INF),
        if_low="Around each row the data are nearly a line: neighbours differ in one respect "
        "only. Take another encoder, or more of its dimensions.",
        if_high="All neighbours are about equally far, so who is nearest is mostly noise. Reduce "
        "the dimensions (cl.reduce with pca), or take an encoder trained on such data.",
    ),
    "rows in low regions": _Range(
        "up to 2 %",
        high=(0.02, 0.1),
        if_high="Part of the data is flattened: look at health.local_dimension(…).collapsed; "
        "often boilerplate, templates or empty items.",
    ),
    "separability": _Range(
        "above 0.5",
        low=(0.5, 0.1),
        if_low="Hardly more clustered than noise of the same shape. Do not cluster it; check that "
        "the encoder suits the data, and that rows were not shuffled or cut.",
    ),
    "hubness": _Range(
        "up to 1.5",
        high=(1.5, 4),
        if_high="A few rows are neighbours of very many: look at health.hubness(…).top(10). Use "
        "the cosine metric, or reduce the dimensions.",
    ),
    "rows in no list": _Range(
        "up to 5 %",
        high=(0.05, 0.25),
        if_high="Rows that are nobody's neighbour are never found by a search and are hard to "
        "group. They go with hubs: the same remedies.",
    ),
    "copies": _Range(
        "up to 1 %",
        high=(0.01, 0.2),
        if_high="Items with the same vector: see cl.find_duplicates(embedding, method='exact'). "
        "Where the items differ, the encoder does not see how.",
    ),
    "constant rows": _Range(
        "none",
        high=(0, 0.05),
        if_high="Rows that hold one value in all columns are often empty or unreadable items: "
        "look at health.repeats(…).is_constant.",
    ),
    "constant columns": _Range(
        "none",
        high=(0, 0.5),
        if_high="Columns that hold one value in all rows do nothing but cost; drop them, and ask "
        "why they are there.",
    ),
}


def _measured(results: Mapping[str, Any], d: int) -> Iterator[tuple[str, float, str, str, str]]:
    local, hubs, found = results["local_dimension"], results["hubness"], results["repeats"]
    values = {
        "spread": results["spread"].eigenvalue,
        "spread by entropy": results["spread"].entropy,
        "local dimension": local.mean,
        "rows in low regions": local.is_collapsed.mean(),
        "separability": results["separability"].structure,
        "hubness": hubs.skewness,
        "rows in no list": hubs.antihub_share,
        "copies": found.is_copy.mean(),
        "constant rows": found.is_constant.mean(),
        "constant columns": len(found.constant_columns) / d,
    }
    for name, value in values.items():
        usual = _RANGES[name]
        if name == "local dimension" and d < 8:
            look, bad = (round(low * d / 8, 2) for low in usual.low)
            usual = usual._replace(usual=f"{look:g} to 30", low=(look, bad))
        yield name, float(value), usual.usual, *usual.judge(value)
