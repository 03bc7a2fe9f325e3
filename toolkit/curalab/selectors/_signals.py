"""Quality signals beside the raw data, for rules to choose by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, align, complain, first_few
from curalab.items import image_quality, join, text_quality
from curalab.items._table import check_column, check_table

__all__ = ["signals"]

_REPEAT = 3  # words of a stretch that a text repeats
_ORDER = 3  # words that the language model sees at a time, the predicted one included
_PRIOR = 5.0  # times that a shorter context counts beside a longer one


def signals(
    items: pd.DataFrame,
    *,
    text: str | None = None,
    image: str | None = None,
    reference: Sequence[str] | None = None,
    results: Sequence[Any] = (),
    extra: Mapping[str, Callable[[pd.DataFrame], Any]] | None = None,
) -> pd.DataFrame:
    """Put numbers that say something of quality beside each row; nothing is dropped.

    Which rows are good enough is decided later, by rules over these columns (``cascade``,
    ``funnel``), and may be decided anew without measuring again.

    Parameters
    ----------
    items : DataFrame
        The rows.
    text : str, default=None
        Column of texts to measure: the columns of ``curalab.items.text_quality``, and

        - `word_length`: mean characters of a word; NaN without words;
        - `unique_words`: share of the words that are different ones; NaN without words;
        - `repeated_words`: share of the stretches of three words that the text has had before;
        - `symbols`: share of the visible characters that are neither letters nor digits;
        - `n_copies`: rows with the same text, but for case and blanks; at least 1;
        - `perplexity`: 2 to the mean bits that a word takes, given the two before it, by a small
          model of word trigrams; of `reference` where given, else of the other texts. From 1,
          higher is stranger; NaN without words.
    image : str, default=None
        Column of images to measure (``curalab.items.image_quality``).
    reference : sequence of str, default=None
        Texts of the kind that is wanted, for `perplexity`.
    results : sequence of stage results, Series or DataFrames, default=()
        What other stages say of the rows, put beside as ``join`` does.
    extra : mapping of name to function, default=None
        Signals of the user's own: a function gets `items` and returns one number a row.

    Returns
    -------
    DataFrame
        One row an item, indexed as `items`. Columns of images are prefixed with `image_` where
        texts are measured too.

    Raises
    ------
    ValueError
        Nothing is asked for, or a function of `extra` raised or returned something else.

    Notes
    -----
    The paper's perplexity is that of a 5-gram model of Wikipedia. Here it is one of the set itself
    or of `reference`: trigrams interpolated with shorter ones, each text scored without its own
    counts. Without `reference` a text with copies elsewhere is no surprise: look at `n_copies` too.

    References
    ----------
    .. [1] Weber, Fu, Anthony, Oren, Adams, Alexandrov, et al. (2024), "RedPajama: an Open Dataset
       for Training Large Language Models", NeurIPS Datasets and Benchmarks. arXiv:2411.12372.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.selectors import signals
    >>> texts = ["a good small room", "A good  small room", "buy buy buy buy"]
    >>> items = pd.DataFrame({"text": texts})
    >>> found = signals(items, text="text", extra={"n_b": lambda rows: rows["text"].str.count("b")})
    >>> found[["n_words", "unique_words", "repeated_words", "n_copies", "n_b"]].values.tolist()
    [[4.0, 1.0, 0.0, 2.0, 0.0], [4.0, 1.0, 0.0, 2.0, 0.0], [4.0, 0.25, 0.5, 1.0, 4.0]]
    """
    check_table("items", items)
    if text is None and image is None and not len(results) and not extra:
        rule = "given, or one of image, results and extra"
        raise ValueError(complain("text", rule, None))
    if reference is not None and text is None:
        raise ValueError(complain("text", "given where reference is", None))
    parts: list[pd.DataFrame] = []
    if text is not None:
        check_column(items, text, name="text")
        parts += [text_quality(items[text]), _words(items[text], reference)]
    if image is not None:
        check_column(items, image, name="image")
        pictures = image_quality(items[image])
        parts.append(pictures if text is None else pictures.add_prefix("image_"))
    for name, function in (extra or {}).items():
        parts.append(_own(name, function, items).to_frame())
    return join(pd.DataFrame(index=items.index), *parts, *results)


def _own(name: str, function: Callable[[pd.DataFrame], Any], items: pd.DataFrame) -> pd.Series[Any]:
    """Return a signal of the user's own, checked."""
    try:
        values = function(items.copy())
    except Exception as error:  # the function is the user's: it may raise anything
        raise ValueError(
            f"The signal {name!r} must work on the items. "
            f"Got {type(error).__name__}: {error} instead."
        ) from error
    if np.ndim(values) == 1 and len(values) == len(items):
        column = np.asarray(align(name, values, items.index))
        if column.dtype.kind in "fiub":
            return pd.Series(column, items.index, name=name)
    got = f"shape {np.shape(values)}, dtype {np.asarray(values).dtype}"
    rule = f"{len(items):,} numbers, one a row"
    raise ValueError(f"The signal {name!r} must return {rule}. Got {got} instead.")


def _words(texts: pd.Series[Any], reference: Sequence[str] | None) -> pd.DataFrame:
    """Return the signals of words that `text_quality` has not."""
    cells = ["" if not isinstance(cell, str) else cell for cell in texts]
    words = [cell.lower().split() for cell in cells]
    visible = ["".join(cell.split()) for cell in cells]
    copies = Counter(map(tuple, words))
    symbols = [sum(not c.isalnum() for c in seen) / max(len(seen), 1) for seen in visible]
    lengths = [np.mean([len(word) for word in row]) if row else np.nan for row in words]
    unique = [len(set(row)) / len(row) if row else np.nan for row in words]
    columns = {
        "word_length": lengths,
        "unique_words": unique,
        "repeated_words": [_repeated(row) for row in words],
        "symbols": symbols,
        "n_copies": [copies[tuple(row)] for row in words],
        "perplexity": _perplexity(words, _reference(reference)),
    }
    return pd.DataFrame(columns, index=texts.index)


def _repeated(words: list[str]) -> float:
    runs = list(zip(*(words[i:] for i in range(_REPEAT)), strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _reference(texts: Sequence[str] | None) -> list[list[str]] | None:
    if texts is None:
        return None
    if isinstance(texts, str) or not len(texts):
        raise ValueError(complain("reference", "a list of texts, at least one", texts))
    odd = [cell for cell in texts if not isinstance(cell, str)]
    if odd:
        raise TypeError(complain("reference", "texts", what=first_few(odd)))
    return [cell.lower().split() for cell in texts]


def _perplexity(words: list[list[str]], reference: list[list[str]] | None) -> FloatArray:
    """Return 2 to the mean bits a word takes: p(w | h) = (c(hw) + λ p(w | shorter h)) / (c(h) + λ).

    Counts are of the reference, or of the other texts. A word that was never seen gets the share
    that one more word of a vocabulary would have.
    """
    rows = words if reference is None else [*reference, *words]
    n_reference = len(rows) - len(words)
    row = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    word, vocabulary = pd.factorize(np.array([w for one in rows for w in one], dtype=object))
    counts = np.ones(len(row), dtype=bool) if reference is None else row < n_reference
    proba = np.full(len(row), 1.0 / (len(vocabulary) + 1))
    total = np.full(len(row), float(counts.sum()))
    if reference is None:
        total -= np.bincount(row, minlength=1)[row]
    start = np.zeros(len(row), dtype=np.int64)  # the words before, as one number; 0 is none
    for order in range(_ORDER):
        gram = pd.factorize(pd.MultiIndex.from_arrays([start, word]))[0]
        seen = _seen(gram, row, counts, own=reference is None)
        context = total if order == 0 else _seen(start, row, counts, own=reference is None)
        inside = _starts_before(row, order)
        proba = np.where(inside, (seen + _PRIOR * proba) / (context + _PRIOR), proba)
        start = np.append(0, gram[:-1] + 1)
        start[~_starts_before(row, order + 1)] = 0
    bits = np.bincount(row, -np.log2(proba), minlength=len(rows))[n_reference:]
    n = np.bincount(row, minlength=len(rows))[n_reference:]
    with np.errstate(invalid="ignore"):
        return np.asarray(2 ** (bits / np.where(n > 0, n, np.nan)))


def _starts_before(row: IntArray, order: int) -> AnyArray:
    """Return which words have `order` words before them in their text."""
    alone = np.zeros(min(order, len(row)), dtype=bool)
    return np.asarray(np.r_[alone, row[order:] == row[: len(row) - len(alone)]])


def _seen(code: IntArray, row: IntArray, counts: AnyArray, *, own: bool) -> FloatArray:
    """Return how often each code occurs where counted, without its own text's where asked."""
    if not len(code):
        return np.zeros(0)
    times = np.bincount(code[counts], minlength=int(code.max()) + 1)[code].astype(np.float64)
    if own:
        pair = pd.factorize(pd.MultiIndex.from_arrays([code, row]))[0]
        times -= np.bincount(pair)[pair]
    return np.asarray(times)
