"""Numbers that tell poor texts from good ones."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray

__all__ = ["text_signals"]


_COMMON = 200  # words that are common
_OFTEN = 3  # texts that have a common word, at least
_FEW = 8  # words of which some must be, in the same language
# one character of Han and kana is a word, as they are written without blanks
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_BLANK = "".join(map(chr, [*range(33), 0xA0, 0x200B, 0x3000, 0xFEFF]))
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd; makes the order of characters count
_BLOCK = 1_000_000  # characters looked at in one go
_BUCKETS = 26  # bits: stretches are first counted in up to 2**26 numbers
_CODES = 0x110000  # characters that Unicode has room for
_WINDOW = 24  # characters that texts share, or not
_REPEAT = 10  # characters that a text repeats, or not
_FEWEST = 20  # letters that a language shows in
_PRIOR = 5.0  # times that a shorter context counts beside a longer one
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+|\b[a-z\d-]+\.(?:com|net|org|io|ly|ru|cn)\b(?:/[^\s<>\"]*)?",
    re.IGNORECASE | re.ASCII,
)
_HTML = re.compile(
    r"</?(?:a|b|i|u|p|em|br|hr|li|ol|ul|td|tr|th|h[1-6]|div|img|pre|sub|sup|code|font|span|body|"
    r"head|html|meta|link|form|input|table|tbody|script|style|strong|center|iframe|blockquote)\b"
    r"[^<>]*>|&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,6}|#x[\da-f]{2,6});",
    re.IGNORECASE,
)
_NAME = re.compile(r"@\w+")
_TAG = re.compile(r"[#@]\w+")  # hashtags and names are no running text
_DRAWN, _TWICE = re.compile(r"(\w)\1{2,}"), r"\1\1"  # "soooo" as "soo"
# bytes 80 to BF, as Latin-1 and as Windows-1252 show them
_TAIL = "".join(
    sorted({*map(chr, range(0x80, 0xC0)), *bytes(range(0x80, 0xC0)).decode("cp1252", "ignore")})
)
_MOJIBAKE = re.compile(
    rf"[ÂÃ][{_TAIL}]|[âãäåæçèéï][{_TAIL}]{{2}}|ð[{_TAIL}]{{3}}|(?:[ÄÅÎÏÐÑØÙ][{_TAIL}]){{2,}}"
    r"|\ufffd|锟斤拷|[\x80-\x84\x86-\x9f]"
)


def text_signals(texts: list[str]) -> dict[str, Any]:
    """Return the numbers of `text_quality`, by name."""
    texts = [text.strip(_BLANK) for text in texts]
    plain = [" ".join(unicodedata.normalize("NFKC", text).lower().split()) for text in texts]
    bare = [_HTML.sub(" ", html.unescape(_URL.sub(" ", text))) for text in plain]
    running = [f" {_DRAWN.sub(_TWICE, _TAG.sub(' ', text))} " for text in bare]
    is_letter, is_main, is_mark = _letters([*texts, *running])
    letters, main = (_in_blocks(partial(_of_kind, kind), texts) for kind in (is_letter, is_main))
    upper = np.array([sum(map(str.isupper, text)) for text in texts], dtype=float)
    cased = upper + np.array([sum(map(str.islower, text)) for text in texts], dtype=float)
    visible = np.array([len("".join(text.split())) for text in texts], dtype=float)
    urls = np.array([sum(map(len, _URL.findall(text))) for text in texts], dtype=float)
    return {
        "n_characters": [len(text) for text in texts],
        "n_words": [len(text.split()) for text in texts],
        "n_letters": letters.astype(np.int64),
        "n_cased": cased.astype(np.int64),
        "other_script": 1 - _share(main, letters, 1.0),
        "capitals": _share(upper, cased),
        "surprise": _surprise(running, is_letter | is_mark),
        "common_words": _common(running),
        "shared": _shared(plain),
        "repetition": _in_blocks(_repetition, bare),
        "urls": _share(urls, visible),
        "n_mojibake": _count(_MOJIBAKE, texts),
        "n_html": _count(_HTML, texts),
    }


def _share(part: AnyArray, whole: AnyArray, none: float = 0.0) -> FloatArray:
    """Return part over whole, and `none` where there is no whole."""
    return np.asarray(np.where(whole > 0, part / np.maximum(whole, 1), none))


def _count(pattern: re.Pattern[str], texts: list[str]) -> IntArray:
    """Return how often each text has the pattern."""
    return np.array([len(pattern.findall(text)) for text in texts], dtype=np.int64)


def _blocks(texts: list[str]) -> Iterator[list[str]]:
    """Return the texts in parts of about a million characters, so that memory is bounded."""
    block = np.cumsum([len(text) for text in texts]) // _BLOCK
    starts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(texts)]
    return (texts[start:end] for start, end in pairwise(starts))


def _in_blocks(measure: Callable[[list[str]], FloatArray], texts: list[str]) -> FloatArray:
    """Return what `measure` says of each text, for one that looks at each by itself."""
    return np.concatenate([measure(block) for block in _blocks(texts)])


def _coded(texts: list[str]) -> tuple[IntArray, IntArray]:
    """Return the characters of all texts as numbers, and the text that each is in."""
    raw = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(raw, dtype="<u4").astype(np.int64)
    return codes, np.repeat(np.arange(len(texts)), [len(text) for text in texts])


def _letters(texts: list[str]) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Mark, of all characters there are, the letters, those of the main scripts, and the marks."""
    times = np.zeros(_CODES, dtype=np.int64)
    for block in _blocks(texts):
        times += np.bincount(_coded(block)[0], minlength=_CODES)
    is_letter, is_main, is_mark = np.zeros((3, _CODES), dtype=bool)
    script: dict[str, list[int]] = {}
    for code in np.flatnonzero(times).tolist():
        kind = unicodedata.category(chr(code))[0]
        is_letter[code], is_mark[code] = kind == "L", kind == "M"
        if kind == "L":
            name = unicodedata.name(chr(code), "UNKNOWN")
            name = name.removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
            script.setdefault(re.split("[ -]", name)[0], []).append(code)
    for codes in script.values():
        is_main[codes] = times[codes].sum() >= 0.1 * times[is_letter].sum()
    return is_letter, is_main, is_mark


def _of_kind(is_kind: BoolArray, texts: list[str]) -> FloatArray:
    """Return how many characters of each text are of a kind."""
    codes, row = _coded(texts)
    return np.bincount(row, is_kind[codes], minlength=len(texts)).astype(np.float64)


def _windows(texts: list[str], width: int) -> tuple[AnyArray, IntArray]:
    """Return one number for each stretch of `width` characters inside a text, and its text."""
    codes, row = _coded(texts)
    n = max(len(codes) - width + 1, 0)
    made, added = np.zeros(n, dtype=np.uint64), codes.astype(np.uint64)
    for step in range(width):
        made *= _MULTIPLIER
        made += added[step : step + n]
    inside = row[:n] == row[width - 1 : width - 1 + n]
    return made[inside], row[:n][inside]


def _per_text(values: AnyArray, row: IntArray) -> tuple[IntArray, BoolArray]:
    """Return how often each number occurs in its text, and which are the first there."""
    code = pd.factorize(values)[0]
    group = pd.factorize(code * (row.max(initial=0) + 1) + row)[0]  # numbered as they come
    is_first = np.diff(np.maximum.accumulate(group), prepend=-1) > 0
    return np.bincount(group, minlength=1)[group], is_first


def _counted(blocks: Iterable[AnyArray]) -> pd.Series[int]:
    """Return how often each number occurs in all blocks, in their order."""
    held: list[pd.Series[int]] = []
    for values in blocks:
        held.append(pd.Series(values).value_counts(sort=False))
        if sum(map(len, held[1:])) > len(held[0]):
            held = [pd.concat(held).groupby(level=0).sum()]
    return pd.concat(held).groupby(level=0).sum()


def _mean(values: AnyArray, row: IntArray, n: int) -> FloatArray:
    """Return the mean over the values of each text, NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(row, values, minlength=n) / np.bincount(row, minlength=n)


def _shared(texts: list[str]) -> FloatArray:
    """Return the share of the stretches of each text that many texts have."""
    least = max(5, 0.01 * len(texts))
    bits = min(_BUCKETS, sum(map(len, texts)).bit_length() + 1)
    often = np.zeros(1 << bits, dtype=np.uint32)  # occurrences: no fewer than texts
    for block in _blocks(texts):
        np.add.at(often, _bucket(_windows(block, _WINDOW)[0], bits), np.uint32(1))

    def distinct(block: list[str]) -> AnyArray:
        """Return the stretches that many texts may have, once for each text."""
        made, row = _windows(block, _WINDOW)
        maybe = often[_bucket(made, bits)] >= least
        return made[maybe][_per_text(made[maybe], row[maybe])[1]]

    n_texts = _counted(map(distinct, _blocks(texts)))
    shared = n_texts.index[n_texts >= least]

    def share(block: list[str]) -> FloatArray:
        made, row = _windows(block, _WINDOW)
        return np.nan_to_num(_mean(pd.Series(made).isin(shared).to_numpy(), row, len(block)))

    return _in_blocks(share, texts)


def _bucket(values: AnyArray, bits: int) -> AnyArray:
    return (values * _MULTIPLIER) >> np.uint64(64 - bits)


def _repetition(texts: list[str]) -> FloatArray:
    """Return the share of the stretches of each text that it had before."""
    made, row = _windows([_NAME.sub(" ", text) for text in texts], _REPEAT)
    return np.nan_to_num(_mean(~_per_text(made, row)[1], row, len(texts)))


def _common(texts: list[str]) -> FloatArray:
    """Return the share of the words of each text that are common; NaN with few words."""
    times = Counter(word for text in texts for word in set(_WORD.findall(text)))
    ordered = sorted(times, key=lambda word: (-times[word], word))[:_COMMON]
    common = {word for word in ordered if times[word] >= _OFTEN}
    words = map(_WORD.findall, texts)  # again: in lists they take many times the texts
    found = [
        sum(word in common for word in row) / len(row) if len(row) >= _FEW else np.nan
        for row in words
    ]
    return np.array(found, dtype=float)


def _surprise(texts: list[str], is_letter: BoolArray) -> FloatArray:
    """Return the mean bits that a letter takes, by the letters before it in the other texts.

    Of trigrams, mixed with bigrams and single letters where the other texts have few of them; NaN
    with under 20 letters.
    """
    grams = partial(_grams, is_letter)
    times = _counted(np.concatenate(grams(block)[0]) for block in _blocks(texts))
    letters = times[(times.index >= 0) & (times.index < _CODES)]

    def bits_of(block: list[str]) -> FloatArray:
        found, row = grams(block)
        proba = np.full(len(row), 1 / max(len(letters), 1))
        context = letters.sum() - np.bincount(row, minlength=1)[row]
        for gram in found:
            at, known = pd.factorize(gram)
            others = times[known].to_numpy()[at] - _per_text(at, row)[0]
            proba = np.where(gram >= 0, (others + _PRIOR * proba) / (context + _PRIOR), proba)
            context = np.append(0, others[:-1])
        kept = found[0] != 32
        bits = _mean(-np.log2(proba[kept]), row[kept], len(block))
        return np.where(np.bincount(row[kept], minlength=len(block)) >= _FEWEST, bits, np.nan)

    return _in_blocks(bits_of, texts)


def _grams(is_letter: BoolArray, texts: list[str]) -> tuple[list[IntArray], IntArray]:
    """Return each letter, the two and the three that end with it, as numbers, and its text.

    A blank stands for all between two words. The numbers of one, two and three letters differ,
    and are -1 where a text has begun too late.
    """
    codes, row = _coded(texts)
    codes = np.where(is_letter[codes], codes, 32)
    is_new = np.ones(len(codes), dtype=bool)  # one blank between words
    is_new[1:] = (codes[1:] != 32) | (codes[:-1] != 32) | (row[1:] != row[:-1])
    codes, row = codes[is_new], row[is_new]
    found = [codes]
    for _ in range(2):
        before = np.append(-1, found[-1][:-1])
        is_inside = (before >= 0) & (np.append(-1, row[:-1]) == row)
        found.append(np.where(is_inside, before * _CODES + codes, -1))
    return found, row
