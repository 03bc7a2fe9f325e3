"""How complete dataset cards are, section by section."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, complain
from curalab.documents._markdown import FRONT, parts_of
from curalab.embedding import Embedding
from curalab.pool import Pool, find_stage
from curalab.results import StageResult

__all__ = ["SECTIONS", "Completeness", "completeness"]

# Headings by section, over the old and the new template of the hub; the first that fits counts.
SECTIONS: Mapping[str, str] = {
    "Considerations": r"consideration|limitation|\bbias|\brisk|social impact|ethic|caveat"
    r"|out.of.scope",
    "Usage": r"\busag|\buses?$|how to|quick ?start|getting started|\bload|reproduc|intended use",
    "Creation": r"creation|curation|source data|collection|annotat|preprocess|personal|sensitive"
    r"|provenance|methodolog",
    "Structure": r"structure|instance|field|\bsplits?\b|statistic|composition|\bformats?\b|schema"
    r"|columns|features|balance",
    "Additional Information": r"additional|licen[sc]|citation|citing|cite|contribut|curators"
    r"|contact|authors|more information|acknowledg|glossary|maintenance",
    "Description": r"descri|summary|details|overview|about|introduction|languages?|tasks"
    r"|leaderboard|sources|origin",
}
_STRONG = ("Considerations", "Usage")  # counted as such below any other section, too
# What a template asks, and what is left of a name without a value when that is gone.
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ASKED = re.compile(
    r"\[?(?:more information needed|needs more information)\b[^\n\]]*\]?"
    r"|^[^\n]*\*please write:\*[^\n]*|\b(?:todo|tbd|tba)\b:?"
    r"|users should be made aware of the risks, biases and limitations of the dataset\.?",
    re.IGNORECASE | re.MULTILINE,
)
_NAME = re.compile(r"^\W*\*\*[^*\n]+\*\*\W*$", re.MULTILINE)
# Scripts without spaces count by character, as words of others do.
_WORD = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W_\u0e00-\u0eff\u3040-\u9fff]+")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Completeness(StageResult):
    """How complete cards are; row i belongs to the card `ids[i]`.

    Attributes
    ----------
    completeness : ndarray of shape (n_cards,), float
        Mean of the filled shares of the six sections, 0 to 1.
    sections : DataFrame
        One row a card and section: `card`, `section`, `words`, `share` of the card's words,
        `n_parts` (headings with something below them), `filled` (share of these that hold more
        than placeholders), `placeholders`, and `is_missing`: not a word of it.
    topics : mapping of str to list of str
        Of each section the words that set it apart from the others, over all cards.
    """

    prefix: ClassVar[str] = "card"

    completeness: FloatArray
    sections: pd.DataFrame
    topics: Mapping[str, list[str]]

    @property
    def score(self) -> float:
        """Mean completeness of the cards, 0 to 1; of one card, its own."""
        return float(self.completeness.mean())

    @property
    def missing(self) -> dict[Any, list[str]]:
        """Sections of which a card says nothing, by card."""
        lacking = self.sections[self.sections["is_missing"]]
        return {name: lacking.loc[lacking["card"] == name, "section"].tolist() for name in self.ids}

    @property
    def summary(self) -> str:
        return f"completeness {self.score:.2f}"

    def __repr__(self) -> str:
        return f"Completeness({len(self):,} cards, {self.summary})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a card: its completeness, and the filled share of each section."""
        filled = self.sections.pivot(index="card", columns="section", values="filled")
        names = [f"card_{name.lower().replace(' ', '_')}" for name in SECTIONS]
        return (
            super()
            .to_frame()
            .assign(
                **dict(zip(names, filled.loc[self.ids, list(SECTIONS)].to_numpy().T, strict=True))
            )
        )


def completeness(cards: Any, *, n_words: int = 8) -> Completeness:
    r"""Say how much of a dataset card is filled in, section by section; of many, compare them.

    Parameters
    ----------
    cards : str, path, or mapping or sequence of these
        Texts of cards, ours or any of the Hugging Face hub, or files that hold them. A mapping
        names them; a single one is named "card".
    n_words : int, default=8
        Words that tell the topics of a section.

    Returns
    -------
    Completeness

    Notes
    -----
    Headings of both templates of the hub, and others like them, are sorted into the five
    sections of the template that the paper [1]_ counts and into Usage, which it finds outside the
    template. A heading below another belongs to its section, but limits and usage count as such
    wherever they stand. Headings without a section count as words only. What the template asks
    ("More Information Needed", comments, "Please write", names without a value) is not filled in.
    The paper models topics by LDA; here they are words by class-based tf-idf.

    References
    ----------
    .. [1] Yang, Liang, Zou (2024), "Navigating Dataset Documentations in AI: A Large-Scale
       Analysis of Dataset Cards on Hugging Face", ICLR. arXiv:2401.13822.

    Examples
    --------
    >>> from curalab.documents import completeness
    >>> made = completeness("# Pets\n## Dataset Structure\nTwo columns.\n## Usage\nTODO\n")
    >>> round(made.score, 2), made.missing["card"][:2]
    (0.17, ['Considerations', 'Usage'])
    """
    texts = {name: _text(given) for name, given in _named(cards).items()}
    parts = [(name, *found) for name, text in texts.items() for found in _sorted_parts(text)]
    frame = pd.DataFrame(parts, columns=["card", "section", "text", "hollow"])
    frame["words"] = [len(_WORD.findall(text)) for text in frame["text"]]
    rows = [
        {"card": name, "section": section, **_counts(own, own[own["section"] == section])}
        for name in texts
        for own in [frame[frame["card"] == name]]
        for section in SECTIONS
    ]
    sections = pd.DataFrame(rows)
    return Completeness(
        ids=pd.Index(list(texts), name="card"),
        completeness=sections["filled"].to_numpy().reshape(len(texts), -1).mean(axis=1),
        sections=sections,
        topics=_topics(frame, n_words),
        params={"verb": "completeness", "n_words": n_words},
    )


def _named(cards: Any) -> dict[Any, Any]:
    if isinstance(cards, str | os.PathLike):
        return {"card": cards}
    if not isinstance(cards, Mapping | list | tuple) or not len(cards):
        rule = "the text or file of a card, or a list or mapping of these, not empty"
        raise TypeError(complain("cards", rule, cards))
    return dict(cards) if isinstance(cards, Mapping) else dict(enumerate(cards))


def _text(given: Any) -> str:
    if not isinstance(given, str | os.PathLike):
        raise TypeError(complain("cards", "texts or paths", what=type(given).__name__))
    text = given if isinstance(given, str) else Path(given).read_text(encoding="utf-8")
    return FRONT.sub("", str(text).replace("\r\n", "\n"), count=1)


def _sorted_parts(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield section, text and placeholders of each part that has something of its own to say."""
    parts, above = parts_of(text), {0: ""}
    for at, part in enumerate(parts):
        above = {level: name for level, name in above.items() if level < part.level}
        own = next((s for s, words in SECTIONS.items() if re.search(words, part.title, re.I)), "")
        parent = above[max(above)] if above else ""
        section = own if own in _STRONG or not parent else parent
        is_title = part.level == 0 or (part.level == 1 and at == 1)
        above[part.level] = "" if is_title else section
        asked = _COMMENT.sub("", part.body)
        said, n_asked = _ASKED.subn("", asked)
        is_over_others = at + 1 < len(parts) and parts[at + 1].level > part.level
        if asked.strip() or not (is_title or is_over_others):
            yield "Description" if is_title else section, _NAME.sub("", said), n_asked


def _counts(card: pd.DataFrame, own: pd.DataFrame) -> dict[str, Any]:
    words = int(own["words"].sum())
    return {
        "words": words,
        "share": words / max(int(card["words"].sum()), 1),
        "n_parts": len(own),
        "filled": float((own["words"] > 0).mean()) if len(own) else 0.0,
        "placeholders": int(own["hollow"].sum()),
        "is_missing": words == 0,
    }


def _topics(parts: pd.DataFrame, n: int) -> dict[str, list[str]]:
    told = parts[parts["section"].isin(SECTIONS)]
    if told.empty:
        return {name: [] for name in SECTIONS}
    codes = told["section"].map({name: i for i, name in enumerate(SECTIONS)}).to_numpy()
    # Words look at the texts only.
    pool = Pool(embedding=Embedding(vectors=np.ones((len(told), 1))), data=told["text"].tolist())
    words = find_stage("explanations").methods["words"](n=n)
    said = words(pool, codes, rng=np.random.default_rng(0))
    return dict(zip(SECTIONS, [*said, *[[]] * (len(SECTIONS) - len(said))], strict=True))
