"""How often concepts occur in texts, and what that has to do with accuracy."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, align, check_integer, complain, first_few
from curalab.results import StageResult

__all__ = ["ConceptFrequency", "concept_frequency"]

# Scripts written without spaces between words: Thai to Tibetan, Burmese, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "cactus": "cacti",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConceptFrequency(StageResult):
    """How often concepts occur; row i belongs to the concept `ids[i]`, the rarest first.

    Attributes
    ----------
    count : ndarray of shape (n_concepts,), int
        Texts that name the concept.
    share : ndarray of shape (n_concepts,), float
        The same as a share of the texts, 0 to 1.
    accuracy : ndarray of shape (n_concepts,), float
        A model's accuracy on the concept, as given; NaN where unknown.
    expected : ndarray of shape (n_concepts,), float
        Accuracy that the line through log10 of the counts expects. NaN for concepts that no text
        names, and where no accuracy was given.
    details : mapping
        `fit`: None, or `slope` (accuracy gained by ten times the texts), `intercept`, `r`,
        `p_value` and `n_concepts` that it was fitted on. `not_found`: concepts that no text names.
    """

    prefix: ClassVar[str] = "concept"

    count: IntArray
    share: FloatArray
    accuracy: FloatArray
    expected: FloatArray

    @property
    def summary(self) -> str:
        fit = self.details["fit"]
        told = f", {fit['slope']:+.3f} accuracy for ten times the texts" if fit else ""
        return f"{len(self.details['not_found']):,} of them in no text{told}"

    def rarest(self, n: int) -> pd.Index:
        """Return the `n` rarest concepts, the rarest first: a tail to test and to collect for."""
        return self.ids[: check_integer("n", n, low=0, high=len(self))]


def concept_frequency(
    texts: Any, concepts: Iterable[str], *, accuracy: Any = None
) -> ConceptFrequency:
    """Count how many texts name each concept, and relate a model's accuracy to it.

    Parameters
    ----------
    texts : array-like of shape (n,), str
        Captions or other texts. A missing one names nothing.
    concepts : iterable of str
        Distinct names of one or several words, in the singular.
    accuracy : Series, mapping or array-like of shape (n_concepts,), default=None
        Accuracy on each concept, 0 to 1; NaN where unknown. A Series or mapping goes by concept.

    Returns
    -------
    ConceptFrequency

    Notes
    -----
    Words are compared whole, without case and compatibility forms (NFKC), with anything but
    letters, digits and their marks between them: "hot dog" is found in "Hot-dogs!", "cat" not in
    "concatenate". English plurals of the last word count. Scripts without spaces between words are
    compared character by character. A concept inside another counts for both ("dog" in "hot dog").
    The paper also looks for concepts in the images with a tagger, and holds the similarity of
    training and test data fixed; neither is done here. Concepts that no text names have no
    logarithm and stay out of the line.

    References
    ----------
    .. [1] Udandarao, Prabhu, Ghosh, Sharma, Torr, Bibi, Albanie, Bethge (2024), "No 'Zero-Shot'
       Without Exponential Data: Pretraining Concept Frequency Determines Multimodal Model
       Performance", NeurIPS, arXiv:2404.04125.

    Examples
    --------
    >>> from curalab.explanations import concept_frequency
    >>> found = concept_frequency(["two dogs", "a dog, a cat"], ["dog", "cat", "owl"])
    >>> found.to_frame()["concept_count"].to_dict()
    {'owl': 0, 'cat': 1, 'dog': 2}
    """
    names = _names(concepts)
    known = _given(accuracy, names)
    count, n_texts = _counts(_strings(texts), names), max(len(texts), 1)
    fit = _fit(count, known)
    with np.errstate(divide="ignore"):
        line = (
            fit["intercept"] + fit["slope"] * np.log10(count)
            if fit
            else np.full(len(count), np.nan)
        )
    order = np.lexsort((np.asarray(names, dtype=str), count))
    return ConceptFrequency(
        ids=names[order],
        count=count[order],
        share=count[order] / n_texts,
        accuracy=known[order],
        expected=np.where(count > 0, line, np.nan)[order],
        params={"verb": "concept_frequency", "n_texts": len(texts)},
        details={"fit": fit, "not_found": names[order][count[order] == 0].tolist()},
    )


# ---- input ---------------------------------------------------------------------------------------


def _names(concepts: Iterable[str]) -> pd.Index:
    if isinstance(concepts, str):
        raise TypeError(complain("concepts", "names, one or more", concepts))
    listed = list(concepts)
    wrong = [name for name in listed if not isinstance(name, str) or not _words(name)]
    if wrong or not listed:
        what = first_few(wrong) if wrong else "none"
        raise ValueError(complain("concepts", "names with letters or digits", what=what))
    names = pd.Index(listed, name="concept")
    if not names.is_unique:
        twice = first_few(names[names.duplicated()].unique())
        raise ValueError(complain("concepts", "distinct", what=f"{twice} more than once"))
    return names


def _strings(texts: Any) -> list[str]:
    if isinstance(texts, str | Mapping) or not hasattr(texts, "__len__"):
        rule = "a sequence of texts"
        raise TypeError(complain("texts", rule, what=type(texts).__name__))
    column = pd.Series(list(texts), dtype=object)
    column[column.isna()] = ""
    wrong = np.flatnonzero([not isinstance(text, str) for text in column])
    if len(wrong):
        what = f"{type(column[wrong[0]]).__name__} in rows {first_few(wrong)}"
        raise TypeError(complain("texts", "a sequence of texts", what=what))
    return column.tolist()


def _given(accuracy: Any, names: pd.Index) -> FloatArray:
    if accuracy is None:
        return np.full(len(names), np.nan)
    values = pd.Series(accuracy) if isinstance(accuracy, Mapping) else accuracy
    known = np.asarray(align("accuracy", values, names), dtype=np.float64)
    wrong = (known < 0) | (known > 1)
    if wrong.any():
        what = f"{first_few(known[wrong].tolist())} for {first_few(names[wrong])}"
        raise ValueError(complain("accuracy", "numbers from 0 to 1", what=what))
    return known


# ---- counting ------------------------------------------------------------------------------------


@functools.cache
def _word() -> re.Pattern[str]:
    """Return the pattern of a word: letters and digits with their marks, or one unspaced letter."""
    marks = "".join(
        re.escape(chr(i)) for i in range(0x300, 0x1E000) if unicodedata.category(chr(i))[0] == "M"
    )
    return re.compile(
        f"[{_UNSPACED}][{marks}]*|[^\\W_{_UNSPACED}](?:[^\\W_{_UNSPACED}]|[{marks}])*"
    )


def _words(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # "dog's" names a dog
    return tuple(_word().findall(plain.replace("’s", "").replace("'s", "")))


def _forms(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return a name and its English plurals."""
    *first, last = words
    ends = {last, last + "s", last + "es"}
    if re.search(r"[^aeiou]y$", last):
        ends.add(last[:-1] + "ies")
    if last.endswith(("f", "fe")):
        ends.add(last.rstrip("e")[:-1] + "ves")
    if last in _IRREGULAR:
        ends.add(_IRREGULAR[last])
    return {(*first, end) for end in ends}


def _counts(texts: list[str], names: pd.Index) -> IntArray:
    """Return how many texts name each concept: one look at each run of words as long as a name."""
    from tqdm.auto import tqdm

    wanted: dict[tuple[str, ...], list[int]] = {}
    for number, name in enumerate(names):
        for form in _forms(_words(name)):
            wanted.setdefault(form, []).append(number)
    lengths = {len(form) for form in wanted}
    count = np.zeros(len(names), dtype=np.int64)
    for text in tqdm(texts, "texts", delay=2, disable=None):
        words = _words(text)
        runs = {words[i : i + n] for n in lengths for i in range(len(words) - n + 1)}
        for number in {number for run in runs for number in wanted.get(run, ())}:
            count[number] += 1
    return count


def _fit(count: IntArray, accuracy: FloatArray) -> dict[str, float] | None:
    """Return the line of accuracy over log10 of the count, None where nothing determines it."""
    rows = (count > 0) & np.isfinite(accuracy)
    if rows.sum() < 3 or len(np.unique(count[rows])) < 2:
        return None
    from scipy.stats import linregress

    line = linregress(np.log10(count[rows]), accuracy[rows])
    return {
        "slope": float(line.slope),
        "intercept": float(line.intercept),
        "r": float(line.rvalue),
        "p_value": float(line.pvalue),
        "n_concepts": int(rows.sum()),
    }
