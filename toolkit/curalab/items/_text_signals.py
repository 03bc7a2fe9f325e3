"""Numbers that tell poor texts from good ones."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
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
    n = len(texts)
    texts = [text.strip(_BLANK) for text in texts]
    plain = [" ".join(unicodedata.normalize("NFKC", text).lower().split()) for text in texts]
    bare = [_HTML.sub(" ", html.unescape(_URL.sub(" ", text))) for text in plain]
    running = [f" {_DRAWN.sub(_TWICE, _TAG.sub(' ', text))} " for text in bare]
    is_letter, is_main, is_mark = _letters([*texts, *running])
    codes, row = _coded(texts)
    letters = np.bincount(row, is_letter[codes], minlength=n)
    upper = np.array([sum(map(str.isupper, text)) for text in texts], dtype=float)
    cased = upper + np.array([sum(map(str.islower, text)) for text in texts], dtype=float)
    visible = np.array([len("".join(text.split())) for text in texts], dtype=float)
    urls = np.array([sum(map(len, _URL.findall(text))) for text in texts], dtype=float)
    return {
        "n_characters": [len(text) for text in texts],
        "n_words": [len(text.split()) for text in texts],
        "n_letters": letters.astype(np.int64),
        "n_cased": cased.astype(np.int64),
        "other_script": 1 - _share(np.bincount(row, is_main[codes], minlength=n), letters, 1.0),
        "capitals": _share(upper, cased),
        "surprise": _surprise(running, is_letter | is_mark),
        "common_words": _common(running),
        "shared": _shared(plain),
        "repetition": _repetition([_NAME.sub(" ", text) for text in bare]),
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


def _coded(texts: list[str]) -> tuple[IntArray, IntArray]:
    """Return the characters of all texts as numbers, and the text that each is in."""
    raw = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(raw, dtype="<u4").astype(np.int64)
    return codes, np.repeat(np.arange(len(texts)), [len(text) for text in texts])


def _letters(texts: list[str]) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Mark, of all characters there are, the letters, those of the main scripts, and the marks."""
    times = np.bincount(_coded(texts)[0], minlength=0x110000)
    is_letter, is_main, is_mark = np.zeros((3, 0x110000), dtype=bool)
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


def _windows(codes: IntArray, row: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """Return one number for each stretch of `width` characters inside a text, and its text."""
    n = max(len(codes) - width + 1, 0)
    made = np.zeros(n, dtype=np.uint64)
    for step in range(width):
        made = made * _MULTIPLIER + codes[step : step + n].astype(np.uint64)
    inside = row[:n] == row[width - 1 : width - 1 + n]
    return pd.factorize(made[inside])[0], row[:n][inside]


def _per_text(code: IntArray, row: IntArray) -> tuple[IntArray, BoolArray]:
    """Return how often each number occurs in its text, and which are the first there."""
    pair = code * (row.max(initial=0) + 1) + row
    group, _ = pd.factorize(pair)
    is_first = np.zeros(len(group), dtype=bool)
    is_first[np.unique(group, return_index=True)[1]] = True
    return np.bincount(group)[group] if len(group) else group, is_first


def _mean(values: AnyArray, row: IntArray, n: int) -> FloatArray:
    """Return the mean over the values of each text, NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(row, values, minlength=n) / np.bincount(row, minlength=n)


def _shared(texts: list[str]) -> FloatArray:
    """Return the share of the stretches of each text that many texts have."""
    code, row = _windows(*_coded(texts), _WINDOW)
    _, is_first = _per_text(code, row)
    n_texts = np.bincount(code[is_first])
    is_shared = n_texts[code] >= max(5, 0.01 * len(texts))
    return np.nan_to_num(_mean(is_shared, row, len(texts)))


def _repetition(texts: list[str]) -> FloatArray:
    """Return the share of the stretches of each text that it had before."""
    code, row = _windows(*_coded(texts), _REPEAT)
    _, is_first = _per_text(code, row)
    return np.nan_to_num(_mean(~is_first, row, len(texts)))


def _common(texts: list[str]) -> FloatArray:
    """Return the share of the words of each text that are common; NaN with few words."""
    words = [_WORD.findall(text) for text in texts]
    times = Counter(word for found in words for word in set(found))
    common = {word for word, n in times.most_common(_COMMON) if n >= _OFTEN}
    found = [
        np.mean([word in common for word in row]) if len(row) >= _FEW else np.nan for row in words
    ]
    return np.array(found, dtype=float)


def _surprise(texts: list[str], is_letter: BoolArray) -> FloatArray:
    """Return the mean bits that a letter takes, by the letters before it in the other texts.

    Of trigrams, mixed with bigrams and single letters where the other texts have few of them; NaN
    with under 20 letters.
    """
    codes, row = _coded(texts)
    codes = np.where(is_letter[codes], codes, 32)
    is_new = np.ones(len(codes), dtype=bool)  # one blank between words
    is_new[1:] = (codes[1:] != 32) | (codes[:-1] != 32) | (row[1:] != row[:-1])
    codes, row = codes[is_new], row[is_new]
    letter = pd.factorize(codes)[0]
    size = letter.max(initial=0) + 1
    total = np.full(len(codes), len(codes)) - np.bincount(row, minlength=1)[row]
    gram, proba = np.zeros(len(codes), dtype=np.int64), np.full(len(codes), 1 / size)
    is_inside = np.ones(len(codes), dtype=bool)
    context, before = total, gram
    for order in (1, 2, 3):
        gram = pd.factorize(np.where(is_inside, before * size + letter, -1))[0]
        others = np.bincount(gram, minlength=1)[gram] - _per_text(gram, row)[0]
        mixed = (others + _PRIOR * proba) / (context + _PRIOR)
        proba = np.where(is_inside, mixed, proba)
        if order < 3:
            is_inside = np.append(False, is_inside[:-1] & (row[1:] == row[:-1]))
            context, before = np.append(0, others[:-1]), np.append(0, gram[:-1])
    kept = codes != 32
    bits = _mean(-np.log2(proba[kept]), row[kept], len(texts))
    return np.where(np.bincount(row[kept], minlength=len(texts)) >= _FEWEST, bits, np.nan)
