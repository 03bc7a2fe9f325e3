"""What a person's verdicts on some pairs say of all pairs found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, complain, first_few

__all__ = ["estimated_precision", "spread_rows", "verdicts_of"]

_STRATA = 10
_FEWEST = 5  # verdicts of a stratum, where it can be had
_COLUMNS = ["id_a", "id_b", "is_duplicate"]
_PRIOR = 0.5  # verdicts of either kind known before any (Jeffreys), shared out by pairs


def spread_rows(similarity: FloatArray, n: int) -> IntArray:
    """Return `n` rows of pairs, spread evenly over the range of similarity, the least alike first.

    Among pairs of nearly the same similarity, those spread over their order. `similarity` falls.
    """
    order = np.arange(len(similarity))[::-1]
    rising = similarity[order]
    if n >= len(order):
        return order
    left, chosen = np.ones(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    for target in np.linspace(rising[0], rising[-1], n):
        gap = np.where(left, np.abs(rising - target), np.inf)
        ties = np.flatnonzero(gap <= gap.min() + 1e-12)
        at = ties[len(ties) // 2]
        left[at], chosen[at] = False, True
    return order[chosen]


def verdicts_of(verdicts: Any, found: pd.DataFrame) -> tuple[IntArray, BoolArray]:
    """Return the rows of the pairs `found` that were judged, and the verdict on each.

    Missing verdicts are left out.
    """
    if isinstance(verdicts, pd.Series):
        rows, given = _by_position(verdicts, len(found)), verdicts
    elif isinstance(verdicts, pd.DataFrame) and set(_COLUMNS) <= set(verdicts.columns):
        rows, given = _by_ids(verdicts, found), verdicts["is_duplicate"]
    else:
        rule = "a DataFrame with the columns 'id_a', 'id_b' and 'is_duplicate', or a Series"
        got = f"a {type(verdicts).__name__}"
        if isinstance(verdicts, pd.DataFrame):
            got += f" with the columns {first_few(verdicts.columns)}"
        raise TypeError(complain("verdicts", rule, what=got))
    is_there = given.notna().to_numpy()
    rows, values = rows[is_there], given[is_there].tolist()
    odd = [value for value in values if value not in (True, False)]
    if odd:
        rule = "True or False for each pair, or missing"
        raise ValueError(complain("verdicts", rule, what=f"verdicts such as {first_few(odd)}"))
    if len(np.unique(rows)) < len(rows):
        twice = len(rows) - len(np.unique(rows))
        got = f"{twice:,} verdicts on pairs that have one"
        raise ValueError(complain("verdicts", "one for each pair", what=got))
    if not len(rows):
        raise ValueError(complain("verdicts", "at least one", what="none"))
    return rows, np.array(values, dtype=bool)


def _by_position(verdicts: pd.Series, n: int) -> IntArray:
    asked = verdicts.index
    known = pd.RangeIndex(n).get_indexer(asked)
    if (known < 0).any():
        rule = f"indexed by the positions 0 to {n - 1:,} of pairs()"
        got = f"the positions {first_few(asked[known < 0])}"
        raise KeyError(complain("verdicts", rule, what=got))
    return np.asarray(known, dtype=np.int64)


def _by_ids(verdicts: pd.DataFrame, found: pd.DataFrame) -> IntArray:
    row = {}
    for at, (a, b) in enumerate(zip(found["id_a"], found["id_b"], strict=True)):
        row[a, b] = row[b, a] = at
    asked = list(zip(verdicts["id_a"], verdicts["id_b"], strict=True))
    unknown = [pair for pair in asked if pair not in row]
    if unknown:
        rule = "on pairs that pairs() lists"
        raise KeyError(complain("verdicts", rule, what=f"the pairs {first_few(unknown)}"))
    return np.array([row[pair] for pair in asked], dtype=np.int64)


def estimated_precision(
    similarity: FloatArray, rows: IntArray, is_right: BoolArray, wanted: float
) -> dict[str, Any]:
    """Estimate the share of right pairs among all, and from which similarity it is `wanted`.

    Pairs are cut into strata of similarity, each with at least five verdicts where there are so
    many. A stratum's share of right pairs is that of its verdicts, with its part of half a verdict
    of either kind; each stratum counts with its pairs, those judged as they were judged.

    Parameters
    ----------
    similarity : ndarray of shape (n_pairs,)
        Of all pairs found.
    rows, is_right : ndarray of shape (n_verdicts,)
        Which pairs were judged, and whether they are duplicates.
    wanted : float
        A precision, from 0 to 1.
    """
    edges = _edges(similarity[rows])
    stratum = np.searchsorted(edges, similarity, side="right")
    n = len(edges) + 1
    size, seen = np.bincount(stratum, minlength=n), np.bincount(stratum[rows], minlength=n)
    right = np.bincount(stratum[rows], is_right, minlength=n)
    told, wrong = _weighed(similarity, rows, stratum, is_right, n)
    prior = _PRIOR * size / size.sum()
    share = (told + prior) / (told + wrong + 2 * prior)
    mean, low, high = _interval(size - seen, share, told + _PRIOR, wrong + _PRIOR)
    left, n_right = int((size - seen).sum()), right.sum()
    strata = pd.DataFrame(
        {
            "similarity_from": [similarity[stratum == at].min(initial=1) for at in range(n)],
            "n_pairs": size,
            "n_judged": seen,
            "n_right": right.astype(np.int64),
        }
    )
    return {
        "precision": float((n_right + left * mean) / size.sum()),
        "low": float((n_right + left * low) / size.sum()),
        "high": float((n_right + left * high) / size.sum()),
        "n_pairs": len(similarity),
        "n_judged": len(rows),
        "suggested_threshold": _suggested(strata, share, wanted),
        "strata": strata,
    }


def _weighed(
    similarity: FloatArray, rows: IntArray, stratum: IntArray, is_right: BoolArray, n: int
) -> tuple[FloatArray, FloatArray]:
    """Return the verdicts for and against of each of `n` strata, as weighed numbers of verdicts.

    A verdict speaks for the pairs of its stratum that are nearest to it in similarity. Verdicts
    of unequal weight are worth fewer of equal weight (Kish).
    """
    told, wrong = np.zeros(n), np.zeros(n)
    for at in range(n):
        own = rows[stratum[rows] == at]
        places, which = np.unique(similarity[own], return_inverse=True)
        nearest = np.searchsorted((places[1:] + places[:-1]) / 2, similarity[stratum == at])
        weight = np.bincount(nearest, minlength=len(places)) / np.bincount(which)
        weight = weight[which]
        worth = weight.sum() ** 2 / (weight**2).sum()
        share = float(weight[is_right[stratum[rows] == at]].sum() / weight.sum())
        told[at], wrong[at] = worth * share, worth * (1 - share)
    return told, wrong


def _interval(
    left: IntArray, share: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[float, float, float]:
    """Return the share of right pairs among those not judged, and a 95 % interval of it.

    Of the `left` pairs of a stratum, the right ones spread as a beta-binomial with `a` and `b`
    does. The sum over strata is taken for a Beta of that mean and spread, and whole pairs count.
    """
    from scipy.stats import beta

    total = int(left.sum())
    if not total:
        return 0.0, 0.0, 0.0
    mean = float((left * share).sum() / total)
    spread = left * a * b * (a + b + left) / (a + b) ** 2 / (a + b + 1)
    strength = max(mean * (1 - mean) * total**2 / float(spread.sum()) - 1, 1.0)
    low, high = beta.ppf([0.025, 0.975], mean * strength, (1 - mean) * strength)
    return mean, float(np.floor(low * total) / total), float(np.ceil(high * total) / total)


def _edges(judged: FloatArray) -> FloatArray:
    """Return where strata are cut: of as many verdicts each, equal similarities together."""
    n = int(np.clip(len(judged) // _FEWEST, 1, _STRATA))
    ranked = np.sort(judged)
    at = np.linspace(0, len(ranked), n + 1)[1:-1].astype(np.int64)
    return np.unique(ranked[at][ranked[at] > ranked[0]])


def _suggested(strata: pd.DataFrame, share: FloatArray, wanted: float) -> float | None:
    """Return the lowest similarity from which the pairs' precision is at least as `wanted`.

    By each stratum's share of right pairs, made rising with similarity. None where no stratum
    reaches it.
    """
    from sklearn.isotonic import isotonic_regression

    size = strata["n_pairs"].to_numpy()
    rising = isotonic_regression(share, sample_weight=size)
    above = np.cumsum((rising * size)[::-1]) / np.cumsum(size[::-1])
    enough = np.flatnonzero(above[::-1] >= wanted)
    return float(strata["similarity_from"].iloc[enough[0]]) if len(enough) else None
