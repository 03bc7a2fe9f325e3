"""Methods side by side: the same data, the same seeds, and intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    align,
    check_choice,
    check_integer,
    check_seed,
    complain,
)
from curalab.leaderboard._compare import pairs_of, tops
from curalab.leaderboard._find import JUDGES, Finding
from curalab.leaderboard._html import page
from curalab.leaderboard._protocols import PROTOCOLS, Protocol, check_protocol
from curalab.leaderboard._runs import OVER, curve_of, listed, ranked
from curalab.leaderboard._select import Selecting, check_budgets, check_test, leaked
from curalab.leaderboard._work import run_all
from curalab.pool import Pool, Stage, as_pool, describe, find_stage, plugin_names, resolve
from curalab.results import StageResult

__all__ = ["PROTOCOLS", "Leaderboard", "Protocol", "bench"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Leaderboard(StageResult):
    """Methods, best first; row i belongs to the method `ids[i]`.

    Attributes
    ----------
    ids : pandas.Index of shape (n_methods,)
        Names of the methods; those that failed come last.
    score : ndarray of shape (n_methods,), float
        The first of `metrics`, mean over seeds and budgets; higher is better. NaN where the
        method failed.
    low, high : ndarray of shape (n_methods,), float
        Its 95 % interval, over seeds and judged rows.
    over_random, over_random_low, over_random_high : ndarray of shape (n_methods,), float
        What it is above the method "random" on the same seeds and rows, and the 95 % interval.
        NaN where "random" does not run.
    is_top : ndarray of shape (n_methods,), bool
        The best method, and those that are not below it by more than chance explains (`pairs`,
        5 %).
    seconds, peak_mib : ndarray of shape (n_methods,), float
        Median time of a run (up to the largest budget) on one thread, and the most memory that it
        held above what was there before, in MiB (NaN on other systems than Linux). Who asks first
        for a neighbour graph waits for it.
    error : ndarray of shape (n_methods,), str
        Why a method failed, "" where it did not.
    metrics : tuple of str
        What was measured, the metric that ranks first.
    pairs : DataFrame
        One row for each two methods that finished, the better one first: the paired `gap` of the
        score, its 95 % interval, `p_value`, and `p_adjusted` by Holm's method over all pairs.
    curve : DataFrame
        One row a method and budget: `score` and the other columns as above.
    runs : DataFrame
        One row a method, seed and budget: all metrics, `seconds`, `peak_mib`, and `start`
        ("random" where a method that needs labels had none and began with random picks).
    details : mapping
        For selectors `leaked`: ids of test rows whose vector is that of a row of the pool.
    """

    prefix: ClassVar[str] = "bench"

    score: FloatArray
    low: FloatArray
    high: FloatArray
    over_random: FloatArray
    over_random_low: FloatArray
    over_random_high: FloatArray
    is_top: BoolArray
    seconds: FloatArray
    peak_mib: FloatArray
    error: AnyArray
    metrics: tuple[str, ...]
    pairs: pd.DataFrame
    curve: pd.DataFrame
    runs: pd.DataFrame

    @property
    def summary(self) -> str:  # noqa: D102
        best = f"best {self.ids[0]!r}" if self.error[0] == "" else "none finished"
        return f"by {self.metrics[0]}, {best}"

    def __repr__(self) -> str:
        return f"Leaderboard({len(self)} methods, {self.summary})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a method, best first: `rank`, `top`, metrics, costs, `error`."""
        over = OVER if np.isfinite(self.over_random).any() else ()
        others = self.runs.groupby("method")[list(self.metrics[1:])].mean().reindex(self.ids)
        columns = {
            "rank": np.arange(1, len(self) + 1),
            "top": self.is_top,
            self.metrics[0]: self.score,
            **{name: getattr(self, name) for name in ("low", "high", *over)},
            **{str(name): others[name].to_numpy() for name in others},
            "seconds": self.seconds,
            "peak_mib": self.peak_mib,
            "error": self.error,
        }
        frame = pd.DataFrame(columns, index=self.ids)
        frame["rank"] = frame["rank"].where(frame["error"] == "").astype("Int64")
        return frame

    def _repr_html_(self) -> str:
        return page(self)


def bench(
    stage: str,
    methods: Sequence[Any],
    *,
    pool: Pool,
    truth: Any = None,
    test: Any = None,
    budgets: Sequence[int] | None = None,
    n_seeds: int = 5,
    protocol: str | Protocol = "label",
    random_state: int | None = None,
) -> Leaderboard:
    """Run methods of one stage on the same data and seeds, and rank them.

    Parameters
    ----------
    stage : {"selectors", "outliers", "label_errors", "clusters", "duplicates", "pseudo_labels"}
        What the methods do.
    methods : sequence of str and callable
        Names, methods with settings, and functions with the stage's contract, in any mix. A
        method that raises, or whose process dies, gets a row that says so; the others finish.
    pool : Pool
        What the methods see. For selectors every row needs its label.
    truth : array-like of shape (n_items,), default=None
        What is right, for every stage but selectors: for outliers whether a row is one; for label
        errors whether the label is wrong, or the true labels; for clusters and pseudo-labels the
        true labels (the latter count where the pool has no label); for duplicates a group number
        for each row, -1 for none.
    test : Pool, default=None
        For selectors: rows with labels on which the accuracy is measured.
    budgets : sequence of int, default=None
        For selectors: how many rows they pick, increasing. None means 1, 2, 5 and 10 times the
        number of classes, or 10, 25 and 50 % of the pool under "keep".
    n_seeds : int, default=5
        Runs of each method, 2 or more; run i has the same seed for every method.
    protocol : {"label", "keep", "select", "datacomp"} or Protocol, default="label"
        For selectors. "label": only the labels of the rows picked so far are visible, and each
        budget adds to the one before. "keep": all labels are visible, and each budget is picked
        from the whole pool. "select" [1]_ is "keep" judged by three fixed models. "datacomp" [2]_
        is "keep" with a fixed training budget: as many rows are seen in training as the pool has,
        however few were kept. `Protocol` sets each of these by hand.
    random_state : int, default=None
        Seed. None draws one and records it. With a seed, finished runs are kept in the cache
        (`cache_info`, `clear_cache`): a bench that was cut off goes on where it was.

    Returns
    -------
    Leaderboard

    Notes
    -----
    Selectors are judged by a linear head of fixed penalty on the picked rows (or the models of the
    protocol): accuracy, mean over classes, the worst group of `test.groups` (or class), and the
    `balance` of the picked classes (entropy over the largest possible, 1 is even). Intervals cover
    what a method draws (Student's interval over the seeds) and which rows judge it (the spread
    over random halves of them, the same for all methods), not another pool.

    After some seconds what is left runs in processes, one a core; each run has one thread. A run
    is known in the cache by its seed, the method and the code that it refers to, and all that was
    given; what a method reads from files or changes outside itself is not seen.

    References
    ----------
    .. [1] Feuer, Xu, Cohen, Yubeaton, Mittal, Hegde (2024), "SELECT: A Large-Scale Benchmark of
       Data Curation Strategies for Image Classification", NeurIPS, arXiv:2410.05057. Here in
       miniature: heads on frozen vectors.
    .. [2] Gadre et al. (2023), "DataComp: In Search of the Next Generation of Multimodal Datasets",
       NeurIPS, arXiv:2304.14108. Here in miniature, with classes in place of captions.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(100, 2))
    >>> x[:5] += 9
    >>> pool = cl.Pool(embedding=cl.Embedding(vectors=x, metric="euclidean"))
    >>> def by_chance(pool, *, rng):
    ...     return rng.random(len(pool))
    >>> board = cl.bench(
    ...     "outliers", [by_chance, "knn"], pool=pool, truth=np.arange(100) < 5, random_state=0
    ... )
    >>> board.ids.tolist(), float(board.score[0])
    (['knn', 'by_chance'], 1.0)
    """
    check_choice("stage", stage, ["selectors", *JUDGES])
    asked = check_protocol(protocol)
    known = find_stage(stage)
    named = _named(known, methods)
    pool = as_pool(pool)
    n_seeds = check_integer("n_seeds", n_seeds, low=2)
    seed = check_seed(random_state)
    _refuse_unused(stage, {"truth": truth, "test": test, "budgets": budgets})
    attempt: Selecting | Finding
    details: dict[str, Any] = {}
    if stage == "selectors":
        budgets = check_budgets(budgets, pool, asked.labels)
        judges = check_test(pool, test)
        attempt = Selecting(pool=pool, test=judges, budgets=tuple(budgets), protocol=asked)
        details["leaked"] = leaked(pool, judges)
    else:
        right = np.asarray(align("truth", truth, pool.ids))
        attempt = Finding(stage=stage, pool=pool, truth=right)
        _ = attempt.right  # refused before anything runs
    seeds = [int(drawn) for drawn in np.random.SeedSequence(seed).generate_state(n_seeds)]
    # a seed drawn now never comes again: nothing is kept for it
    ran, errors = run_all(named, attempt, seeds, keep=random_state is not None)
    ranks = ranked(ran, errors)
    finished = (ranks["error"] == "").to_numpy()
    pairs = pairs_of(ran, ranks.index[finished])
    columns: dict[str, Any] = {str(name): own.to_numpy() for name, own in ranks.items()}
    return Leaderboard(
        ids=ranks.index,
        **columns,
        is_top=tops(pairs, ranks.index, finished),
        metrics=attempt.metrics,
        pairs=pairs,
        curve=curve_of(ran, errors),
        runs=listed(ran, seeds, attempt.metrics),
        params={
            "verb": "bench",
            "stage": stage,
            "methods": {name: _described(known, m) for name, m in named.items()},
            "budgets": budgets,
            "protocol": _told(protocol) if stage == "selectors" else None,
            "n_seeds": n_seeds,
            "random_state": seed,
            "embedding": pool.embedding.fingerprint,
        },
        details=details,
    )


def _told(protocol: str | Protocol) -> Any:
    if isinstance(protocol, str):
        return protocol
    return {**dataclasses.asdict(protocol), "models": list(protocol.models)}


def _refuse_unused(stage: str, given: Mapping[str, Any]) -> None:
    is_selecting = stage == "selectors"
    for name in ("test", "budgets") if not is_selecting else ("truth",):
        if given[name] is not None:
            raise ValueError(complain(name, f"None for the stage {stage!r}", what="a value"))
    needed = "test" if is_selecting else "truth"
    if given[needed] is None:
        rule = "a Pool of test rows with labels" if is_selecting else "the right answer of each row"
        raise TypeError(complain(needed, rule, None))


def _described(stage: Stage, method: Any) -> Mapping[str, Any]:
    try:
        return describe(*resolve(stage, method))
    except (Exception, SystemExit) as error:  # an import may raise anything; its row says so too
        return {"method": method, "broken": f"{type(error).__name__}: {error}"}


def _named(stage: Stage, methods: Any) -> dict[str, Any]:
    """Return the methods under distinct, readable names."""
    rule = "a list of methods"
    if isinstance(methods, str) or callable(methods):
        raise TypeError(complain("methods", rule, what="a single one"))
    if isinstance(methods, Mapping) or not isinstance(methods, Iterable):
        raise TypeError(complain("methods", rule, methods))
    listed = list(methods)
    if not listed:
        raise TypeError(complain("methods", rule, what="none"))
    named: dict[str, Any] = {}
    for method in listed:
        if not (isinstance(method, str) and method in plugin_names(stage)):
            resolve(stage, method)  # what is no method at all is refused before anything runs
        name = method if isinstance(method, str) else getattr(method, "__name__", repr(method))
        again = sum(known.partition(" #")[0] == name for known in named)
        named[f"{name} #{again + 1}" if again else name] = method
    return named
