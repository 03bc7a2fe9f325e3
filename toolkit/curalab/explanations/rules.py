"""Clusters by sparse rules on the columns of their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import check_integer, check_real, first_few
from curalab.items._table import check_distinct
from curalab.pool import BoolArray, FloatArray, IntArray, Pool

__all__ = ["Rules"]

_BEAM = 16
_GROUPS = 1_000
_VALUES = 20
_PAIRS = 60
_RULE = ("rule", "covers", "precision", "n_conditions", "query")
_HOLDS: dict[str, Callable[[Any, int], Any]] = {">": np.greater, "=": np.equal, "≠": np.not_equal}
_HOLDS["≤"] = lambda ranks, rank: (ranks <= rank) & (ranks >= 0)
_QUERY = {"≤": "<=", ">": ">", "=": "==", "≠": "!="}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One rule a cluster: a conjunction of few half-spaces that members meet and others do not.

    Numbers are cut ("bill_depth ≤ 16.7"), categories tested for a value ("island = Dream"). A
    missing number meets no condition. Texts that do not repeat, dates, constants and columns with
    infinite numbers are not read (``details["left_out"]``). Leave out a column that names the
    cluster: it explains everything and says nothing.

    Parameters
    ----------
    max_conditions : int, default=4
        Conditions a rule has at most.
    max_columns : {1, 2}, default=1
        Columns a condition has at most. 2 adds a ± b ≤ t of strongly correlated columns whose
        spreads are of the same order.
    min_gain : float, default=0.01
        F1 that a condition must add for each column it names, 0 to 1. Higher gives shorter rules.

    Notes
    -----
    The paper minimises members missed and others covered within a budget of complexity, by an
    integer program that generates its half-spaces (small integer weights) as columns. Here a rule
    minimises 1 - F1 of the rows covered against the members (the same errors; a cluster that
    overlaps others is described as a whole, not by its purest corner) plus `min_gain` · columns
    named. A beam of 16 conjunctions tries every cut of every column, and at the end each cut moves
    to where it is best given the others. Where the paper groups nearby rows, a column of more than
    1,000 values is cut between 1,000 groups of like size.

    ``details["rules"]`` has one row a cluster: `rule`, `covers` (share of the members), `precision`
    (of the rows covered), `n_conditions`, and `query` for ``items.query(…)`` of named columns.

    References
    ----------
    .. [1] Lawless, Günlük (2023), "Cluster Explanation via Polyhedral Descriptions", ICML,
       arXiv:2210.08798.
    """

    cost: ClassVar[str] = "some hundred passes over each column a cluster"
    needs: ClassVar[str] = "data"

    max_conditions: int = 4
    max_columns: int = 1
    min_gain: float = 0.01

    def __call__(
        self, pool: Pool, clustering: IntArray, *, rng: np.random.Generator
    ) -> tuple[list[list[str]], dict[str, Any]]:
        """Return one rule a cluster as text, and `rules` and `left_out`."""
        from tqdm.auto import tqdm

        check_integer("max_conditions", self.max_conditions, low=1)
        check_integer("max_columns", self.max_columns, low=1, high=2)
        check_real("min_gain", self.min_gain, low=0, high=1)
        columns, left_out = _columns(pool.data)
        if self.max_columns == 2:
            columns += _pairs(columns)
        found = []
        numbers = range(int(clustering.max(initial=-1)) + 1)
        for number in tqdm(numbers, "rules", delay=2, disable=None):
            search = _Search(columns, clustering == number, self.min_gain)
            found.append(search.described(search.best(self.max_conditions)))
        rules = pd.DataFrame(found, columns=list(_RULE))
        texts = [
            [f"{rule} (covers {100 * covers:.3g} %, precision {100 * precision:.3g} %)"]
            for rule, covers, precision in rules.iloc[:, :3].itertuples(index=False)
        ]
        return texts, {"rules": rules, "left_out": left_out}


class _Column(NamedTuple):
    """A column as the rank of each row's value; `low` and `high` bound the values of a rank."""

    name: str
    query: str
    ranks: IntArray  # -1 is missing
    low: Any
    high: Any
    values: FloatArray | None = None  # None for categories
    is_whole: bool = False
    n_columns: int = 1


_Condition = tuple[int, str, int]  # number of the column, sign, rank
_Rule = tuple[_Condition, ...]


def _columns(data: Any) -> tuple[list[_Column], list[str]]:
    """Return what can be cut or compared, and the names of the other columns."""
    if not isinstance(data, pd.DataFrame):
        raise TypeError(_no_table(type(data).__name__))
    check_distinct("items", data.columns.map(str))
    made = {str(name): _column(str(name), data[name]) for name in data.columns}
    found = [column for column in made.values() if column is not None]
    if not found:
        raise TypeError(_no_table(f"a table of columns {first_few(data.columns)}"))
    return found, [name for name, column in made.items() if column is None]


def _no_table(got: str) -> str:
    return (
        "The method 'rules' needs a table with columns of numbers or of values that repeat. "
        f"Got {got} instead. Pass items=… with such a DataFrame, or choose method='medoids'."
    )


def _column(name: str, series: pd.Series) -> _Column | None:
    if series.dtype.kind in "iuf":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        is_whole = series.dtype.kind != "f"
        return None if np.isinf(values).any() else _number(name, f"`{name}`", values, is_whole)
    try:
        counts = series.value_counts()
        often = {value: n for value, n in counts.items() if 1 < n < len(series)}
    except TypeError:  # cells that cannot be compared: lists, images
        return None
    # by name where counts tie, so that the order of rows does not matter
    kinds = sorted(often, key=lambda value: (-often[value], str(value)))[:_VALUES]
    if not kinds or not all(isinstance(value, str | bool | int | float) for value in kinds):
        return None
    ranks = pd.Index(kinds, dtype=object).get_indexer(pd.Index(series, dtype=object))
    return _Column(name, f"`{name}`", ranks, kinds, kinds)


def _number(
    name: str, query: str, values: FloatArray, is_whole: bool, n_columns: int = 1
) -> _Column | None:
    """Return a column to cut, None where it is constant."""
    present = ~np.isnan(values)
    distinct, inverse, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    if len(distinct) < 2:
        return None
    group = np.arange(len(distinct))
    if len(distinct) > _GROUPS:
        group = np.unique((np.cumsum(counts) - 1) * _GROUPS // counts.sum(), return_inverse=True)[1]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    low, high = distinct[first], distinct[np.append(first[1:], len(distinct)) - 1]
    ranks = np.full(len(values), -1)
    ranks[present] = group[inverse]
    return _Column(name, query, ranks, low, high, values, is_whole, n_columns)


def _pairs(columns: Sequence[_Column]) -> list[_Column]:
    """Return a - b of columns that rise together and a + b of those that do not."""
    numbers = [column for column in columns if column.values is not None]
    frame = pd.DataFrame({i: column.values for i, column in enumerate(numbers)})
    spread, together = frame.std().to_numpy(), frame.corr().to_numpy()
    first, second = np.triu_indices(len(numbers), 1)
    alike = np.abs(np.log10(spread[first] / spread[second])) <= 1
    strength = np.where(alike, np.abs(together[first, second]), np.nan)
    made = []
    for at in np.argsort(-strength, kind="stable")[: min(_PAIRS, int((strength > 0).sum()))]:
        i, j = first[at], second[at]
        a, b, sign = numbers[i], numbers[j], "-" if together[i, j] > 0 else "+"
        values = frame[i] - frame[j] if sign == "-" else frame[i] + frame[j]
        name, query = f"{a.name} {sign} {b.name}", f"({a.query} {sign} {b.query})"
        made.append(_number(name, query, values.to_numpy(), a.is_whole and b.is_whole, 2))
    return [column for column in made if column is not None]


@dataclass(frozen=True)
class _Search:
    """The best conjunction for one cluster."""

    columns: Sequence[_Column]
    member: BoolArray
    min_gain: float

    def best(self, max_conditions: int) -> _Rule:
        """Return the rule of the lowest loss; the shorter one where two are equal."""
        beam: list[_Rule] = [()]
        seen: dict[_Rule, float] = {(): self.loss(())}
        for _ in range(max_conditions):
            longer: dict[_Rule, float] = {}
            for rule in beam:
                for condition, loss in self.steps(rule):
                    longer.setdefault(tuple(sorted((*rule, condition))), loss)
            beam = sorted(longer, key=lambda rule: longer[rule])[:_BEAM]
            seen |= {rule: longer[rule] for rule in beam}
        moved = [self.moved(rule) for rule in sorted(seen, key=lambda rule: seen[rule])[:_BEAM]]
        return min(moved, key=lambda rule: (round(self.loss(rule), 9), len(rule)))

    def price(self, rule: _Rule) -> float:
        return self.min_gain * sum(self.columns[at].n_columns for at, _, _ in rule)

    def loss(self, rule: _Rule) -> float:
        """Return 1 - F1 of the rows covered against the members, and the price."""
        mask = self.mask(rule)
        both = max(int(mask.sum() + self.member.sum()), 1)
        return 1 - 2 * int((mask & self.member).sum()) / both + self.price(rule)

    def mask(self, rule: _Rule) -> BoolArray:
        mask = np.ones(len(self.member), dtype=bool)
        for column, sign, rank in rule:
            mask &= _HOLDS[sign](self.columns[column].ranks, rank)
        return mask

    def losses(self, at: int, mask: BoolArray) -> dict[str, FloatArray]:
        """Return the loss, price aside, of adding each condition of a column to those of `mask`."""
        column, n_members = self.columns[at], max(int(self.member.sum()), 1)
        size = len(column.low) + 1
        code = (column.ranks[mask] + 1) * 2 + self.member[mask]
        others, members = np.bincount(code, minlength=2 * size).reshape(size, 2).T
        kept, held, signs, start = members[1:], others[1:], "=≠", 0
        if column.values is not None:  # a missing number is on neither side of a cut
            kept, held, signs, start = np.cumsum(kept)[:-1], np.cumsum(held)[:-1], "≤>", 1
        rest = members[start:].sum() - kept, others[start:].sum() - held
        return {
            sign: np.where(tp > 0, 1 - 2 * tp / (n_members + tp + fp), np.inf)
            for sign, (tp, fp) in zip(signs, ((kept, held), rest), strict=True)
        }

    def steps(self, rule: _Rule) -> list[tuple[_Condition, float]]:
        """Return the best condition of each column and sign to add, and the loss with it."""
        mask, found = self.mask(rule), []
        for at in range(len(self.columns)):
            for sign, losses in self.losses(at, mask).items():
                step = (at, sign, int(np.argmin(losses)))
                if np.isfinite(losses.min()):
                    found.append((step, float(losses.min()) + self.price((*rule, step))))
        return found

    def moved(self, rule: _Rule) -> _Rule:
        """Move each cut to where it is best given the others, and drop what earns nothing."""
        for at in [*range(len(rule)), *range(len(rule))]:
            (number, sign, _), rest = rule[at], (*rule[:at], *rule[at + 1 :])
            column = self.columns[number]
            losses = self.losses(number, self.mask(rest))[sign]
            ties = np.flatnonzero(losses <= losses.min() + 1e-12)
            if column.values is not None:  # the widest gap generalises best
                ties = ties[[np.argmax(column.low[ties + 1] - column.high[ties])]]
            rule = (*rule[:at], (number, sign, int(ties[0])), *rule[at + 1 :])
        for condition in rule:
            rest = tuple(other for other in rule if other is not condition)
            if self.loss(rest) <= self.loss(rule) + 1e-12:
                rule = rest
        return tuple(sorted(rule))

    def described(self, rule: _Rule) -> dict[str, Any]:
        mask = self.mask(rule)
        right, query = int((mask & self.member).sum()), []
        cuts: dict[str, list[tuple[str, Any]]] = {}
        for at, sign, rank in rule:
            column = self.columns[at]
            cuts.setdefault(column.name, []).append((sign, _value(column, rank)))
            query.append(f"{column.query} {_QUERY[sign]} {_value(column, rank)!r}")
        return {
            "rule": " and ".join(_shown(name, pair) for name, pair in cuts.items()) or "every row",
            "covers": right / max(int(self.member.sum()), 1),
            "precision": right / max(int(mask.sum()), 1),
            "n_conditions": len(rule),
            "query": " and ".join(query) or "index == index",
        }


def _shown(name: str, cuts: list[tuple[str, Any]]) -> str:
    if [sign for sign, _ in cuts] == [">", "≤"]:
        return f"{cuts[0][1]} < {name} ≤ {cuts[1][1]}"
    return " and ".join(f"{name} {sign} {value}" for sign, value in cuts)


def _value(column: _Column, rank: int) -> Any:
    """Return the category, or the shortest number in the middle half of the gap above the rank."""
    if column.values is None:
        return column.low[rank]
    low, high = float(column.high[rank]), float(column.low[rank + 1])
    if column.is_whole and high - low == 1:
        return int(low)
    for digits in range(-12, 16):
        short = round((low + high) / 2, digits)
        if abs(short - (low + high) / 2) <= (high - low) / 4:
            return int(short) if short == int(short) else short
    return low
