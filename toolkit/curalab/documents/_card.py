"""Dataset cards, filled from what is known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pandas as pd

from curalab._check import check_choice, complain
from curalab._hidden import is_metrics_only
from curalab.documents._columns import front_matter, licence_lines
from curalab.documents._markdown import FRONT, facts_of, parts_of, plain, quoted, table
from curalab.documents._privacy import metrics_of
from curalab.documents._reading import metrics_text
from curalab.documents._sections import composition, considerations, creation, reproduction

__all__ = ["Card", "card"]

_ASKED = "*Please write:*"
# What only a person can say, by section, in the order of the card.
_QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "Dataset Description": {
        "Summary": "What the data are, in two or three sentences.",
        "Intended use": "What the data are for, and what they must not be used for.",
        "Licence": "Under which terms the items may be used: the SPDX identifier, if there is one.",
    },
    "Dataset Creation": {
        "Collection": "Who collected the items, where, when and how, and who appears in them.",
        "Annotation": "Who the annotators are, what they were told, and what they were paid.",
        "Personal information": "What in the data is personal or sensitive, and what was done.",
    },
    "Considerations for Using the Data": {
        "Social impact": "Whom the data may help or harm, and who is missing from them.",
    },
    "Additional Information": {
        "Contact": "Who answers questions, mends errors and says when there is a new version.",
        "Citation": "How to cite the data.",
    },
}
_TITLES = {title.lower(): title for part in _QUESTIONS.values() for title in part}


class Card(str):
    """The text of a dataset card: Markdown with the YAML front matter of the Hugging Face hub.

    Answer what it asks in the place of the lines "Please write", in the saved file say, or by
    `with_answers`. As the `lineage` of the next card it brings its answers.

    Examples
    --------
    >>> import curalab as cl, pandas as pd, tempfile
    >>> items = pd.DataFrame({"label": ["a", "b", "a"]})
    >>> with tempfile.TemporaryDirectory() as folder, cl.Ledger(f"{folder}/x.ledger") as ledger:
    ...     first = cl.card(items, ledger).with_answers({"contact": "Ann"})
    ...     again = cl.card(items[:2], ledger, lineage=first)
    >>> again.answers
    {'contact': 'Ann'}
    """

    __slots__ = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a card from a file, as it was saved or edited since."""
        return cls(Path(path).read_text(encoding="utf-8"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card to a file."""
        Path(path).write_text(self, encoding="utf-8")

    @property
    def answers(self) -> dict[str, str]:
        """What a person wrote, by the heading it stands under, in lower case."""
        said = {}
        for part in self._asked():
            lines = [line for line in part.body.splitlines() if not line.startswith(_ASKED)]
            said[part.title.lower()] = "\n".join(lines).strip().replace("&lt;", "<")
        return {title: text for title, text in said.items() if text}

    def facts(self) -> dict[str, str]:
        """Return the answers, for the next card of the data."""
        return self.answers

    def with_answers(self, answers: Mapping[str, str]) -> Card:
        """Return the card with answers written in, by heading; case does not matter.

        Raises
        ------
        ValueError
            The card does not ask under such a heading.
        """
        given = {str(title).lower(): text for title, text in answers.items()}
        places = {part.title.lower(): part for part in self._asked()}
        for title in given:
            check_choice("answers", title, places)
        lines = self.splitlines()
        for title, part in reversed(places.items()):
            if title in given:
                lines[part.start : part.stop] = ["", quoted(given[title]), ""]
        if "licence" in given:
            end = lines.index("---", 1)
            kept = [line for line in lines[1:end] if not line.startswith("license")]
            lines[1:end] = [*licence_lines(given["licence"]), *kept]
        return Card("\n".join(lines) + "\n")

    def _asked(self) -> list[Any]:
        parts = parts_of(self, deepest=3)
        return [p for p in parts if p.level == 3 and p.title.lower() in _TITLES]

    def _repr_markdown_(self) -> str:
        return FRONT.sub("", self, count=1)


def card(
    items: pd.DataFrame,
    ledger: Any,
    *,
    audit: Any = None,
    effect: Any = None,
    lineage: Any = None,
) -> Card:
    """Write a dataset card from the table, its decisions, its audit and the measured effect.

    What is known is written down: composition, ranges, balance of classes and groups, splits,
    what the audit found and how much of it is still there, every curation step with its reason
    and the rows it left, who decided, and how to get the same table again. What only a person can
    say is asked for, in lines that begin with "Please write".

    Parameters
    ----------
    items : DataFrame
        The curated table.
    ledger : Ledger
        The decisions that made it.
    audit : Audit, default=None
        What the finders found before curation; it also says which columns are the label, the
        groups and the split.
    effect : Effect, default=None
        What curation was worth downstream.
    lineage : mapping of str to str, Lineage or Card, default=None
        What is known of the origin: source, creators, licence and the like, and the answers to
        what a card asks ("intended use", "contact", …). An older card brings its answers.

    Returns
    -------
    Card
        A `str` with `save(path)`, `answers` and `with_answers`.

    Notes
    -----
    Fields follow the Data Cards [1]_ as far as a table, its ledger and its audit tell them; the
    sections are those of the Hugging Face template. A value shows at most 300 characters, a
    class column its 50 largest classes. No text of an item is shown, only names of classes; where
    these are paths, the last part of them.

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
    if is_metrics_only():
        found = {} if audit is None else {"audit": audit}
        return Card(metrics_text(metrics_of(items, ledger, found)))
    known = facts_of(lineage)
    told = dict(getattr(audit, "params", None) or {})
    label = told.get("labels") or getattr(effect, "params", {}).get("labels")
    standing = ledger.decisions()
    parts = [
        *front_matter(items, known, label),
        f"# {plain(known.get('name', 'Dataset card'))}",
        *_section("Dataset Description", known),
        *_origin(known),
        *composition(items, told, label),
        *_section("Dataset Creation", known),
        *creation(items, ledger, standing),
        *_section("Considerations for Using the Data", known),
        *considerations(items, standing, audit),
        *reproduction(ledger, standing, audit, effect),
        *_section("Additional Information", known),
    ]
    return Card("\n".join(parts).rstrip("\n") + "\n")


def _section(title: str, known: Mapping[str, str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    for heading, question in _QUESTIONS[title].items():
        answer = known.get(heading.lower())
        yield from (f"### {heading}", "", quoted(answer) if answer else f"{_ASKED} {question}", "")


def _origin(known: Mapping[str, str]) -> Iterator[str]:
    rest = {name: fact for name, fact in known.items() if name not in _TITLES}
    if rest:
        yield from ("### Origin", "")
        yield from table(pd.DataFrame({"what": list(rest), "is": list(rest.values())}))
