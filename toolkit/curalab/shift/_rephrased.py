"""Contamination: test items that are training items in other words."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    check_integer,
    check_real,
    complain,
)
from curalab.pool import Pool, as_pool, describe
from curalab.results import StageResult

__all__ = ["Rephrased", "rephrased"]

_WORDS, _CHARACTERS = 13, 50
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Rephrased(StageResult):
    """Which test items are training items in other words, or in another language.

    Attributes
    ----------
    ids : pandas.Index of shape (n_test,)
        Ids of the test items.
    is_rephrased : ndarray of shape (n_test,), bool
        The judge said so of one of its pairs.
    confidence : ndarray of shape (n_test,), float
        Highest verdict over the item's pairs, from 0 to 1; NaN where none was judged.
    source : ndarray of shape (n_test,)
        Id of the training item with that verdict, the nearest of them; None where none was judged.
    n_judged : ndarray of shape (n_test,), int
        Pairs of the item that were judged.
    ngram_overlap : ndarray of shape (n_test,), float
        Share of its 13-grams of words that are in some training text, from 0 to 1; NaN where items
        are no texts.
    substring_overlap : ndarray of shape (n_test,), float
        The same of its stretches of 50 characters.
    pairs : DataFrame
        One row a pair that was judged, in the order of the test rows, nearest first: `test` and
        `train` (ids), `rank` (from 1), `similarity`, `verdict` (from 0 to 1).
    """

    prefix: ClassVar[str] = "rephrased"
    columns: ClassVar[dict[str, str]] = {"is_rephrased": "is_rephrased"}

    is_rephrased: BoolArray
    confidence: FloatArray
    source: AnyArray
    n_judged: IntArray
    ngram_overlap: FloatArray
    substring_overlap: FloatArray
    pairs: pd.DataFrame

    @property
    def summary(self) -> str:
        return f"{int(self.is_rephrased.sum()):,} rephrased, {len(self.pairs):,} pairs judged"


def rephrased(
    train: Any,
    test: Any,
    *,
    judge: Callable[[Any, Any], Any],
    k: int = 5,
    threshold: float = 0.5,
    max_calls: int | None = None,
) -> Rephrased:
    """Find test items that are rephrased, or translated, training items.

    Overlap of n-grams does not see them. The nearest training items of each test item are fetched
    by embedding, and a judge decides.

    Parameters
    ----------
    train, test : Embedding or Pool
        Of the same space, each with the items themselves (`embed` keeps them).
    judge : callable
        ``judge(test_item, train_item)`` says whether one is the other in other words: a bool, or a
        number from 0 to 1. A language model, a paraphrase model or a person. It is called once for
        each distinct pair of texts, and never twice where it fails.
    k : int, default=5
        Training items fetched for each test item, fewer where there are fewer.
    threshold : float, default=0.5
        Verdict from which an item counts as rephrased, from 0 to 1.
    max_calls : int, default=None
        Most calls of the judge. The nearest pairs go first: all of rank 1, the most similar first,
        then rank 2. The others stay unjudged, and ``details["n_left"]`` counts them. None calls it
        for every pair.

    Returns
    -------
    Rephrased

    Raises
    ------
    RuntimeError
        The judge failed; the error names the pair.
    TypeError, ValueError
        The judge answered something else; the error names the pair.

    Notes
    -----
    For comparison, the result tells which n-grams of a test text are in any training text, not
    only in the nearest: of 13 words, in lower case and without punctuation, and of 50 characters,
    without blanks and punctuation; a shorter text counts as one n-gram. These are the baselines of
    the paper, which finds that they miss what is rephrased.

    Ours: the judge is any function, and may answer with a number.

    References
    ----------
    .. [1] Yang, Chiang, Zheng, Gonzalez, Stoica (2023), "Rethinking Benchmark and Contamination
       for Language Models with Rephrased Samples", arXiv:2311.04850.

    Examples
    --------
    >>> import curalab as cl
    >>> from curalab.shift import rephrased
    >>> train = cl.Embedding(vectors=[[1, 0], [0, 1]], data=["what time is it", "where are you"])
    >>> test = cl.Embedding(vectors=[[1, 0.1], [1, 1]], data=["the time, please?", "who is there"])
    >>> found = rephrased(train, test, judge=lambda a, b: "time" in a and "time" in b, k=1)
    >>> found.is_rephrased.tolist(), found.source[0]
    ([True, False], 0)
    """
    known, asked = as_pool(train), as_pool(test)
    _refuse(known, asked)
    k = min(check_integer("k", k, low=1), len(known))
    check_real("threshold", threshold, low=0, high=1)
    if max_calls is not None:
        check_integer("max_calls", max_calls, low=0)
    _refuse_judge(judge)
    items, others = _items(asked), _items(known)
    near = known.embedding.search(asked.embedding, k)
    row = np.repeat(np.arange(len(asked)), k)
    pairs = pd.DataFrame(
        {
            "test": asked.ids.to_numpy()[row],
            "train": known.ids.to_numpy()[near.indices.ravel()],
            "rank": np.tile(np.arange(1, k + 1), len(asked)),
            "similarity": near.similarity.ravel().astype(np.float64),
        }
    )
    number = np.column_stack([row, near.indices.ravel()])
    pairs["verdict"], n_calls = _judged(judge, pairs, number, items, others, max_calls)
    is_judged = pairs["verdict"].notna().to_numpy()
    confidence, source = _best(pairs, row, is_judged, len(asked))
    words, characters = _overlaps(items, others)
    return Rephrased(
        ids=asked.ids,
        is_rephrased=np.nan_to_num(confidence, nan=-1.0) >= threshold,
        confidence=confidence,
        source=source,
        n_judged=np.bincount(row[is_judged], minlength=len(asked)),
        ngram_overlap=words,
        substring_overlap=characters,
        pairs=pairs[is_judged].reset_index(drop=True),
        params={
            "verb": "rephrased",
            "k": k,
            "threshold": float(threshold),
            "max_calls": max_calls,
            "judge": describe("judge", judge),
            "train": known.embedding.fingerprint,
            "test": asked.embedding.fingerprint,
        },
        details={"n_calls": n_calls, "n_left": int((~is_judged).sum())},
    )


def _refuse(train: Pool, test: Pool) -> None:
    for name, pool in (("train", train), ("test", test)):
        if pool.data is None:
            rule = "an Embedding with the items that were embedded, for the judge"
            hint = "Make it with embed(items), or pass Embedding(vectors=…, data=items)."
            raise ValueError(complain(name, rule, what="vectors only", hint=hint))
    one, other = train.embedding, test.embedding
    if other.metric != one.metric:
        raise ValueError(complain("test", f"of metric {one.metric!r}", other.metric))
    if other.shape[1] != one.shape[1]:
        rule = f"of {one.shape[1]:,} dimensions, as 'train' is"
        raise ValueError(complain("test", rule, other.shape[1]))


def _refuse_judge(judge: Any) -> None:
    if not callable(judge):
        rule = "a function judge(test_item, train_item)"
        raise TypeError(complain("judge", rule, judge))


def _items(pool: Pool) -> list[Any]:
    data = pool.data
    return data.to_dict("records") if isinstance(data, pd.DataFrame) else list(data)


# ---- the judge -----------------------------------------------------------------------------------


def _judged(
    judge: Callable[[Any, Any], Any],
    pairs: pd.DataFrame,
    number: IntArray,
    items: Sequence[Any],
    others: Sequence[Any],
    max_calls: int | None,
) -> tuple[FloatArray, int]:
    """Return a verdict for each pair, NaN where it was not asked for, and the number of calls."""
    from tqdm.auto import tqdm

    code = np.column_stack([_codes(items)[number[:, 0]], _codes(others)[number[:, 1]]])
    order = np.lexsort((-pairs["similarity"].to_numpy(), pairs["rank"].to_numpy()))
    ahead = order[~pd.DataFrame(code[order]).duplicated().to_numpy()][:max_calls]
    said: dict[tuple[int, int], float] = {}
    for at in tqdm(ahead, desc="judge", delay=2, disable=None):
        test, train = number[at]
        named = f"test id {pairs['test'][at]!r}, train id {pairs['train'][at]!r}"
        said[code[at, 0], code[at, 1]] = _verdict(judge, items[test], others[train], named)
    found = [said.get((one, other), np.nan) for one, other in code]
    return np.array(found, dtype=np.float64), len(said)


def _codes(items: Sequence[Any]) -> IntArray:
    """Return one number for each distinct text; items of other kinds are all distinct."""
    if all(isinstance(item, str) for item in items):
        return np.asarray(pd.factorize(np.array(items, dtype=object))[0], dtype=np.int64)
    return np.arange(len(items))


def _verdict(judge: Callable[[Any, Any], Any], item: Any, other: Any, named: str) -> float:
    try:
        said = judge(item, other)
    except Exception as error:  # a model or a service may raise anything
        raise RuntimeError(f"The judge failed on the pair ({named}): {error!r}") from error
    rule = "a function that returns a bool, or a number from 0 to 1"
    if not isinstance(said, numbers.Real | np.bool_):
        raise TypeError(complain("judge", rule, what=f"{said!r:.40} for the pair ({named})"))
    if not 0 <= float(said) <= 1:
        raise ValueError(complain("judge", rule, what=f"{said!r:.40} for the pair ({named})"))
    return float(said)


def _best(
    pairs: pd.DataFrame, row: IntArray, is_judged: BoolArray, n: int
) -> tuple[FloatArray, AnyArray]:
    """Return the highest verdict of each test row, and the nearest training id that has it."""
    confidence, source = np.full(n, np.nan), np.full(n, None, dtype=object)
    verdict, train = pairs["verdict"].to_numpy(), pairs["train"].tolist()
    for at in np.flatnonzero(is_judged):  # nearest first in each row
        if not verdict[at] <= confidence[row[at]]:
            confidence[row[at]], source[row[at]] = verdict[at], train[at]
    return confidence, source


# ---- overlap of n-grams --------------------------------------------------------------------------


def _overlaps(items: Sequence[Any], others: Sequence[Any]) -> tuple[FloatArray, FloatArray]:
    if not all(isinstance(item, str) for side in (items, others) for item in side):
        return np.full(len(items), np.nan), np.full(len(items), np.nan)
    one, other = ([tuple(_WORD.findall(text.lower())) for text in side] for side in (items, others))
    words = _overlap(one, other, _WORDS)
    return words, _overlap(list(map("".join, one)), list(map("".join, other)), _CHARACTERS)


def _overlap(items: Sequence[Any], others: Sequence[Any], n: int) -> FloatArray:
    """Return the share of each item's n-grams that some other has, (n_items,)."""
    own = [_grams(item, n) for item in items]
    wanted = {gram for grams in own for gram in grams}
    known = {gram for other in others for gram in _grams(other, n) if gram in wanted}
    return np.array([sum(g in known for g in grams) / max(len(grams), 1) for grams in own])


def _grams(parts: Any, n: int) -> list[Any]:
    """Return the stretches of `n` parts of a tuple or str; what is shorter is one, if not empty."""
    return [parts[at : at + n] for at in range(max(len(parts) - n, 0) + 1)] if parts else []
