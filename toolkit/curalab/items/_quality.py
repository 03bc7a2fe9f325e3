"""Signals of poor images and poor texts, each beside a flag with a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, carried_ids, complain, first_few, invented_ids
from curalab.items._images import opened
from curalab.items._text_signals import text_signals

__all__ = ["image_quality", "image_signals", "text_quality"]

_FAR = 3.5  # robust standard deviations
_SIDE = 128  # longest side of the grey picture that is measured
_ROUNDING = 1 / (12 * 255**2)  # variance that rounding to 8 bits adds
_SIGNALS = (
    "width",
    "height",
    "aspect_ratio",
    "brightness",
    "dark_end",
    "light_end",
    "contrast",
    "information",
    "sharpness",
)

# ---- images --------------------------------------------------------------------------------------


def image_quality(images: Any) -> pd.DataFrame:
    """Measure what makes images poor, and flag the ones that a person should look at.

    Nothing is dropped. Every file is read once, and measured at no more than 128 pixels a side.

    Parameters
    ----------
    images : Series, list or array of shape (n, h, w), (n, h, w, 3) or (n, h, w, 4)
        Paths, PIL images or arrays.

    Returns
    -------
    DataFrame
        One row an image, with the index of `images` (0 to n-1 where there is none). Numbers first,
        NaN where the image cannot be read:

        - `width`, `height` in pixels, `aspect_ratio` (width / height);
        - `brightness`: mean grey, from 0 (black) to 1 (white); `dark_end` and `light_end`: the
          values that 1 % of the pixels are below in the darkest colour channel, and above in the
          lightest;
        - `contrast`: distance of these two values, in the channel where it is largest;
        - `information`: entropy of the grey values in 64 steps, from 0 to 6 bits;
        - `sharpness`: variance of the Laplacian over the mean squared slope, so that neither
          contrast nor empty background counts; from 0, higher is sharper. Photographs have about
          2, white noise has 5. NaN for pictures under 3 pixels.

        Then flags:

        - `is_unreadable`: it cannot be opened;
        - `is_blank`: `contrast` below 0.03, or `information` below 0.5;
        - `is_dark`: `light_end` below 0.4; `is_bright`: `dark_end` above 0.6;
        - `is_low_contrast`: `contrast` below 0.25, and none of the above;
        - `is_blurry`: `sharpness` below 0.9, and not blank;
        - `is_odd_size`: an area of at most a quarter or at least four times the median;
          `is_odd_aspect`: an aspect ratio of at most half or at least twice the median. Both only
          where it is also more than 3.5 robust standard deviations (of the median absolute
          deviation) of the logarithm away.

    See Also
    --------
    check_items : says why an image cannot be read.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.items import image_quality
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32)).astype(np.uint8)
    >>> images[2] = images[2] // 8
    >>> image_quality(images)["is_dark"].tolist()
    [False, False, True, False]
    """
    from tqdm.auto import tqdm

    listed, ids = _listed("images", images)
    bar = tqdm(listed, desc="reading images", disable=None, delay=2)
    table = pd.DataFrame([image_signals(item) for item in bar], ids, list(_SIGNALS), dtype=float)
    contrast, size = table["contrast"], table["width"] * table["height"]
    blank = (contrast < 0.03) | (table["information"] < 0.5)
    extreme = (table["light_end"] < 0.4) | (table["dark_end"] > 0.6)
    flags = {
        "is_unreadable": table["width"].isna(),
        "is_blank": blank,
        "is_dark": table["light_end"] < 0.4,
        "is_bright": table["dark_end"] > 0.6,
        "is_low_contrast": (contrast < 0.25) & ~blank & ~extreme,
        "is_blurry": (table["sharpness"] < 0.9) & ~blank,
        "is_odd_size": _far(size, 4) != 0,
        "is_odd_aspect": _far(table["aspect_ratio"], 2) != 0,
    }
    return table.assign(**flags)


def image_signals(item: Any) -> tuple[float, ...]:
    """Return the numbers of `image_quality` for one image, NaN where it cannot be read."""
    try:
        image = opened(item)
    except Exception:  # a decoder may raise anything, and one bad file is a finding
        return (np.nan,) * len(_SIGNALS)
    width, height = image.size
    if max(image.size) > _SIDE:
        image = image.resize(_fitted(image.size), reducing_gap=2)
    grey = np.asarray(image.convert("L"))
    count = np.bincount(grey.ravel() >> 2, minlength=64) / grey.size
    count = count[count > 0]
    share = np.reshape(image.histogram(), (-1, 256)).cumsum(axis=1) / grey.size
    dark, light = ((share < end).sum(axis=1) / 255 for end in (0.01, 0.99))
    return (
        width,
        height,
        width / height,
        float(grey.mean()) / 255,
        float(dark.min()),
        float(light.max()),
        float((light - dark).max()),
        float(np.abs((count * np.log2(count)).sum())),
        _sharpness(grey / np.float32(255)),
    )


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    scale = _SIDE / max(size)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _sharpness(x: FloatArray) -> float:
    """Return the variance of the Laplacian, less that of rounding, over the squared slope."""
    if min(x.shape) < 3:
        return np.nan
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    slope = float((np.diff(x, axis=0) ** 2).mean() + (np.diff(x, axis=1) ** 2).mean())
    detail = max(float(laplacian.var()) - 20 * _ROUNDING, 0.0)
    return detail / slope if slope > 0 else 0.0


# ---- texts ---------------------------------------------------------------------------------------


def text_quality(texts: Any) -> pd.DataFrame:
    """Measure what makes texts poor, and flag the ones that a person should look at.

    Nothing is dropped and no model is needed: script and language are judged by the texts
    themselves, so that what most of them have is right.

    Parameters
    ----------
    texts : Series or list of str
        The texts; None or NaN counts as an empty one.

    Returns
    -------
    DataFrame
        One row a text, with the index of `texts` (0 to n-1 where there is none). Numbers first:

        - `n_characters`, `n_words` (between blanks), `n_letters`, `n_cased` (letters with a case);
        - `other_script`: share of the letters that are of another script than the set's; scripts
          of 10 % of all letters or more are the set's;
        - `capitals`: share of the cased letters that are upper case;
        - `surprise`: mean bits a letter takes, given the two before it in the other texts, of
          running text: without markup, addresses, hashtags and names after @, "soooo" as "soo";
          NaN with under 20 letters of it;
        - `common_words`: share of these words that are among the 200 that most texts have, the
          first by the alphabet where as many have another; NaN with under 8 of them;
        - `shared`: share of the text's stretches of 24 characters that 1 % of the texts have, and
          at least five;
        - `repetition`: share of its stretches of 10 characters that it has had before, without
          markup, addresses and names after @;
        - `urls`: share of the characters that are web addresses;
        - `n_mojibake`: places where UTF-8 was read as Latin-1 or Windows-1252 ("Ã©", "â€™"), or
          that hold a replacement or control character; `n_html`: tags and entities.

        Then flags:

        - `is_empty`: nothing but blanks;
        - `is_too_short`, `is_too_long`: at most a quarter of the median length, or at least four
          times it, and more than 3.5 robust standard deviations of the logarithm away, those of
          its own side of the median;
        - `is_other_script`: `other_script` above 0.5, of three letters or more;
        - `is_other_language`: `surprise` more than 3 robust standard deviations above the median,
          `common_words` below 0.2, and no other script. It sees gibberish and lists of names,
          too;
        - `is_boilerplate`: `shared` above 0.25; `is_repetitive`: `repetition` above 0.3;
        - `is_mojibake`, `is_html`: one place or more;
        - `is_all_caps`: `capitals` above 0.9, of ten cased letters or more, which are most letters;
        - `is_url_only`: `urls` above 0.8.

    Raises
    ------
    TypeError
        A value is no text; the error names the first.

    Examples
    --------
    >>> import curalab as cl
    >>> from curalab.items import text_quality
    >>> texts = ["A good room.", "A bad room.", "SO MUCH NOISE!", "", "A nice cafÃ© <br> nearby"]
    >>> q = text_quality(texts)
    >>> [q.index[q[flag]].tolist() for flag in ("is_empty", "is_all_caps", "is_mojibake")]
    [[3], [2], [4]]
    """
    listed, ids = _texts(texts)
    table = pd.DataFrame(text_signals(listed), index=ids)
    x, n = table, table["n_characters"]
    is_foreign = (x["other_script"] > 0.5) & (x["n_letters"] >= 3)
    strange = _off(x["surprise"]) > 3
    flags = {
        "is_empty": n == 0,
        "is_too_short": _far(n, 4) < 0,
        "is_too_long": _far(n, 4) > 0,
        "is_other_script": is_foreign,
        "is_other_language": strange & (x["common_words"] < 0.2) & ~is_foreign,
        "is_boilerplate": x["shared"] > 0.25,
        "is_repetitive": x["repetition"] > 0.3,
        "is_mojibake": x["n_mojibake"] > 0,
        "is_html": x["n_html"] > 0,
        "is_all_caps": (x["capitals"] > 0.9)
        & (x["n_cased"] >= 10)
        & (2 * x["n_cased"] > x["n_letters"]),
        "is_url_only": x["urls"] > 0.8,
    }
    return table.assign(**flags)


def _texts(texts: Any) -> tuple[list[str], pd.Index]:
    values, ids = _listed("texts", texts)
    values = [
        "" if value is None or value is pd.NA or value != value else value for value in values
    ]
    odd = [i for i, value in enumerate(values) if not isinstance(value, str)]
    if odd:
        named = f"ids {first_few(ids[odd])}: {first_few(values[i] for i in odd)}"
        got = f"{len(odd):,} of {len(values):,} that are none ({named})"
        raise TypeError(complain("texts", "texts, or None where there is none", what=got))
    return values, ids


# ---- both ----------------------------------------------------------------------------------------


def _listed(name: str, values: Any) -> tuple[Any, pd.Index]:
    """Return the items and their ids."""
    if isinstance(values, str | pd.DataFrame) or not hasattr(values, "__len__"):
        rule = f"a Series or list of {name}"
        hint = "Pass a column." if isinstance(values, pd.DataFrame) else ""
        raise TypeError(complain(name, rule, what=type(values).__name__, hint=hint))
    if not len(values):
        raise ValueError(complain(name, "of at least one row", what="none"))
    ids = carried_ids(values)
    return list(values), invented_ids(len(values)) if ids is None else ids


def _off(values: pd.Series[float]) -> pd.Series[float]:
    """Return how many robust standard deviations each value lies above the median, or below it.

    Of each side by itself, since sizes and lengths are skewed; 0 where a side does not vary and
    the value is the median, infinite where it is not.
    """
    off = values - values.median()
    above, below = 1.4826 * off[off >= 0].median(), -1.4826 * off[off <= 0].median()
    scaled = off / pd.Series(np.where(off > 0, above, below), values.index)
    return scaled.where(off != 0, 0.0)


def _far(values: pd.Series[Any], factor: float) -> pd.Series[Any]:
    """Return 1 or -1 for values that are far above or below the rest, else 0."""
    positive = values.where(values > 0).to_numpy(dtype=np.float64)
    log = pd.Series(np.log(positive), values.index)
    off = log - log.median()
    is_far = (off.abs() >= np.log(factor) - 1e-9) & (_off(log).abs() > _FAR)
    return pd.Series(np.sign(off), values.index).where(is_far, 0)
