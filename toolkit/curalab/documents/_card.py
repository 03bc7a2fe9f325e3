"""Dataset cards, filled from what is known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain

__all__ = ["Card", "card"]

_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
_ASKED = {
    "Intended use": "What the data are for, and what they must not be used for.",
    "Collection": "Who collected the items, where, when and how, and who appears in them.",
    "Licence": "Under which terms the items may be used; put the SPDX identifier at the top.",
}


class Card(str):
    """The text of a dataset card: Markdown with the YAML front matter of the Hugging Face hub."""

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card to a file."""
        Path(path).write_text(self, encoding="utf-8")

    def _repr_markdown_(self) -> str:
        return self.split("---\n", 2)[-1]


def card(
    items: pd.DataFrame,
    ledger: Any,
    *,
    audit: Any = None,
    effect: Any = None,
    lineage: Mapping[str, str] | None = None,
) -> Card:
    """Write a dataset card from the table, its decisions, its audit and the measured effect.

    What only a person can say is asked for, in lines that begin with "Please write".

    Parameters
    ----------
    items : DataFrame
        The curated table.
    ledger : Ledger
        The decisions that made it.
    audit : Audit, default=None
        What the finders found before curation.
    effect : Effect, default=None
        What curation was worth downstream.
    lineage : mapping of str to str, default=None
        What is known of the origin: source, creators, licence and the like.

    Returns
    -------
    Card
        A `str` with `save(path)`.

    References
    ----------
    .. [1] Pushkarna, Zaldivar, Kjartansson (2022), "Data Cards: Purposeful and Transparent
       Dataset Documentation for Responsible AI", FAccT. arXiv:2204.01075.

    Examples
    --------
    >>> import curalab as cl, pandas as pd, tempfile
    >>> items = pd.DataFrame({"label": ["a", "b", "a"]})
    >>> with tempfile.TemporaryDirectory() as folder, cl.Ledger(f"{folder}/x.ledger") as ledger:
    ...     text = cl.card(items, ledger)
    >>> "| a | 2 | 66.7 % |" in text
    True
    """
    if not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame", what=type(items).__name__))
    known = dict(lineage or {})
    parts = [
        *_front_matter(items, known),
        "# Dataset card",
        *_composition(items),
        *_findings(audit),
        *_decisions(ledger),
        *_effect(effect),
        *_origin(known),
        *_asked(known),
    ]
    return Card("\n".join(parts) + "\n")


def _front_matter(items: pd.DataFrame, known: Mapping[str, str]) -> Iterator[str]:
    size = next((name for top, name in _SIZES.items() if len(items) < top), "n>1M")
    yield from ("---", f"license: {_plain(known.get('licence', 'unknown'))}")
    yield from ("size_categories:", f"- {size}", "tags:", "- curalab", "---", "")


def _plain(value: object) -> str:
    """Return a value as one line that Markdown tables and YAML hold."""
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _table(frame: pd.DataFrame) -> Iterator[str]:
    yield "| " + " | ".join(map(_plain, frame.columns)) + " |"
    yield "|" + " --- |" * frame.shape[1]
    for row in frame.itertuples(index=False):
        yield "| " + " | ".join(map(_plain, row)) + " |"
    yield ""


def _composition(items: pd.DataFrame) -> Iterator[str]:
    yield from ("", "## Composition", "", f"{len(items):,} items, {items.shape[1]} columns.", "")
    kinds = [
        type(c.dropna().iloc[0]).__name__ if c.notna().any() else "-" for _, c in items.items()
    ]
    yield from _table(
        pd.DataFrame({"column": items.columns, "holds": kinds, "missing": items.isna().sum()})
    )
    for name, column in items.items():
        if _is_class(column):
            counts = column.value_counts()
            yield from (f"### {_plain(name)}", "")
            shares = [f"{count / len(items):.1%}".replace("%", " %") for count in counts]
            frame = pd.DataFrame({"value": counts.index, "items": counts, "share": shares})
            yield from _table(frame)


def _is_class(column: pd.Series) -> bool:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    few = kind in ("string", "integer", "boolean", "categorical")
    return few and 0 < column.nunique() <= min(50, max(2, len(column) // 2))


def _findings(audit: Any) -> Iterator[str]:
    if audit is None:
        return
    yield from ("## Quality before curation", "")
    yield from _table(audit.problems[["problem", "n_items", "evidence", "action"]])
    for name, said in audit.errors.items():
        yield from (f"The finder {_plain(name)} failed: {_plain(said)}", "")


def _decisions(ledger: Any) -> Iterator[str]:
    standing = ledger.decisions()
    yield from ("## Curation", "", f"{len(standing):,} decisions stand in the ledger.", "")
    if len(standing):
        named = standing.fillna({"method": "", "reason": ""})
        counted = named.groupby(["action", "actor", "method", "reason"]).size()
        yield from _table(counted.rename("items").reset_index())
    yield "The ledger replays them: `Ledger(path).apply(source)` gives this table again, and "
    yield from ("`Ledger(path).recipe()` writes them as Python.", "")


def _effect(effect: Any) -> Iterator[str]:
    if effect is not None:
        yield from ("## Effect", "", _plain(effect.sentence), "")


def _origin(known: Mapping[str, str]) -> Iterator[str]:
    if known:
        yield from ("## Origin", "")
        yield from _table(pd.DataFrame({"what": known.keys(), "is": known.values()}))


def _asked(known: Mapping[str, str]) -> Iterator[str]:
    for title, question in _ASKED.items():
        if title.lower() not in known:
            yield from (f"## {title}", "", f"*Please write:* {question}", "")
