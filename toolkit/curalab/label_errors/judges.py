"""Label errors by the votes of several judges: models, prompts or people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pickle import dumps
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._agreement import alpha_of, kappa_of
from curalab._check import align, check_real, complain, first_few
from curalab.embedding import take_rows
from curalab.items._table import check_distinct
from curalab.pool import AnyArray, BoolArray, FloatArray, IntArray, Pool

__all__ = ["Judges"]

_FORMS = (
    "a DataFrame of labels, a column a judge; a mapping of names to probabilities or functions; "
    "or a sequence of functions"
)
_ANSWER = "judges that answer with a class, or with probabilities of classes that sum to 1"


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Probability of the given label by an ensemble of judges, such as language models.

    The probability is the mean over the judges that voted on the row. A bare label counts as
    certain, mixed with one part in m + 1 of a vote for all classes alike, m the number of judges
    on the row: three votes of three say more than one of one. Marked are rows for which another
    class reaches `confidence`.

    Parameters
    ----------
    votes : DataFrame, mapping or sequence of callables
        What the judges say, as a DataFrame of labels: rows are items (by id, or in the pool's
        order), columns judges, and a missing cell is no vote. Or a mapping of each judge's name to
        its probabilities: an array of shape (n_items, n_classes), or a DataFrame whose columns are
        the classes; a row of NaN is no vote. Or functions, in such a mapping or in a sequence: each
        is called once, as ``judge(items, classes)``, with the distinct items of the pool's data
        whose label is judged (rows of a table as dicts), and returns for each of them a class, a
        mapping of classes to probabilities, or None for no vote. Nothing is tried twice.
    confidence : float, default=0.7
        Probability that another class must reach, from 0 to 1. With two classes three judges that
        agree reach .88, two of three .63 and a single one .75; with many classes .75, .5 and .5.

    Notes
    -----
    ``details`` has `proba`, the ensemble's probabilities, shape (n_items, n_classes), NaN without a
    vote; `n_votes`, shape (n_items,); `judges`, a DataFrame with the number of votes of each
    judge and how they agree with the given labels (share, and Cohen's kappa); `agreement` and
    `kappa`, DataFrames of shares and kappas of each pair of judges; and `alpha`, Krippendorff's
    alpha of all judges, which is Fleiss' kappa of votes that may be missing. Judges that agree with
    each other may still be wrong together: models trained alike make the same errors.

    Rows on which nobody voted keep a quality of 1.

    Ours: [1]_ asks one model with several prompts, and averages the probabilities of its answers;
    any judges do here, and bare labels are smoothed, so that a quality of 0 takes certainty.

    Raises
    ------
    ValueError
        A vote is not of the pool's classes, or probabilities do not sum to 1; the error names judge
        and item.
    RuntimeError
        A function failed; the error names the judge and the items that it was asked about.

    References
    ----------
    .. [1] Nahum, Calderon, Keller, Szpektor, Reichart (2024), "Are LLMs Better than Reported?
       Detecting Label Errors and Mitigating Their Effect on Model Performance". arXiv:2410.18889.

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> from curalab.label_errors import Judges
    >>> votes = {"strict": list("aaabbb"), "mild": list("aaabbb"), "third": list("abbbbb")}
    >>> method = Judges(votes=pd.DataFrame(votes))
    >>> bad = cl.find_label_errors(np.eye(6), list("aabbba"), method=method)
    >>> bad.quality.round(2).tolist(), np.flatnonzero(bad.is_error).tolist()
    ([0.88, 0.62, 0.38, 0.88, 0.88, 0.12], [5])
    >>> def by_length(items, classes):
    ...     return ["short" if len(text) < 5 else "long" for text in items]
    >>> items = pd.Series(["one", "seventeen", "two", "eleven"])
    >>> pool = cl.Pool(embedding=np.eye(4), data=items, labels=["short", "long", "short", "short"])
    >>> cl.find_label_errors(pool, method=Judges(votes=[by_length])).suggested[3]
    'long'
    """

    cost: ClassVar[str] = "the judges' own: each is asked once about each distinct item"
    needs: ClassVar[str] = "labels"

    votes: Any = field(hash=False)
    confidence: float = 0.7

    def __eq__(self, other: object) -> bool:  # == of frames is a frame, which has no truth
        if not isinstance(other, Judges):
            return NotImplemented
        return self.confidence == other.confidence and _same(self.votes, other.votes)

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_real("confidence", self.confidence, low=0, high=1)
        judged, n_classes = np.flatnonzero(pool.is_labelled), len(pool.classes)
        total, certain = np.zeros((2, len(pool), n_classes))
        voted: dict[str, IntArray] = {}
        for name, (votes, is_bare) in _beliefs(self.votes, pool, judged).items():
            present = ~np.isnan(votes).any(axis=1)
            total[present & ~is_bare] += votes[present & ~is_bare]
            certain[present & is_bare] += votes[present & is_bare]
            voted[name] = np.where(present, np.nan_to_num(votes).argmax(axis=1), -1)
        codes = np.stack(list(voted.values()), axis=1)
        n = (codes >= 0).sum(axis=1)
        bare = certain.sum(axis=1)[:, None]
        some = np.maximum(n, 1)[:, None]
        proba = (total + (some * certain + bare / n_classes) / (some + 1)) / some
        proba[n == 0] = np.nan
        rows = judged[n[judged] > 0]
        given, best = pool.codes[rows], np.maximum(pool.codes, 0)
        own, most = proba[rows, given], proba[rows].max(axis=1)
        best[rows] = np.where(own >= most, given, proba[rows].argmax(axis=1))
        quality, is_error = np.ones(len(pool)), np.zeros(len(pool), dtype=bool)
        quality[rows] = np.minimum(own, 1)
        is_error[rows] = (own < most) & (most >= self.confidence)
        rule = f"another class has a probability of {self.confidence:g} or more"
        details = {"is_error": is_error, "cut": {"rule": rule}, "proba": proba, "n_votes": n}
        return quality, pool.classes[best], {**details, **_agreement(voted, codes, pool.codes)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, pd.DataFrame) or isinstance(other, pd.DataFrame):
        return isinstance(one, pd.DataFrame) and one.equals(other)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _agreement(voted: dict[str, IntArray], codes: IntArray, given: IntArray) -> dict[str, Any]:
    """Return how the judges agree with the labels, in pairs and all together."""
    names = list(voted)
    share, kappa = np.full((2, len(names), len(names)), np.nan)
    table = []
    for i, one in enumerate(codes.T):
        share_given, kappa_given = _agree(one, given)
        table.append(((one >= 0).sum(), share_given, kappa_given))
        for j, other in enumerate(codes.T):
            share[i, j], kappa[i, j] = _agree(one, other)
    item, judge = np.nonzero(codes >= 0)
    columns = ["n_votes", "agreement_with_labels", "kappa_with_labels"]
    return {
        "judges": pd.DataFrame(table, index=names, columns=columns),
        "agreement": pd.DataFrame(share, index=names, columns=names),
        "kappa": pd.DataFrame(kappa, index=names, columns=names),
        "alpha": alpha_of(item, codes[item, judge], numeric=False),
    }


def _agree(one: IntArray, other: IntArray) -> tuple[float, float]:
    both = (one >= 0) & (other >= 0)
    if not both.any():
        return float("nan"), float("nan")
    return float((one[both] == other[both]).mean()), kappa_of(one[both], other[both])


# ---- the forms that votes have -------------------------------------------------------------------

_Votes = tuple[FloatArray, BoolArray]  # probabilities, NaN without a vote; and what is bare label


def _beliefs(votes: Any, pool: Pool, judged: IntArray) -> dict[str, _Votes]:
    """Return what each judge says of each row."""
    if isinstance(votes, pd.DataFrame):
        table = align("votes", votes, pool.ids)
        check_distinct("votes", table.columns)
        found = {str(name): _bare(table[name], str(name), pool.classes, pool.ids) for name in table}
    elif isinstance(votes, Mapping):
        found = {str(name): _spoken(said, str(name), pool, judged) for name, said in votes.items()}
    elif isinstance(votes, list | tuple) and all(map(callable, votes)):
        names = pd.Index([getattr(judge, "__name__", type(judge).__name__) for judge in votes])
        twice = names.duplicated(keep=False)
        found = {
            f"{name} {i}" if twice[i] else name: _asked(votes[i], name, pool, judged)
            for i, name in enumerate(names)
        }
    else:
        raise TypeError(complain("votes", _FORMS, what=type(votes).__name__))
    if not found:
        raise ValueError(complain("votes", "of at least one judge", what="no judge"))
    return found


def _spoken(said: Any, name: str, pool: Pool, judged: IntArray) -> _Votes:
    if callable(said):
        return _asked(said, name, pool, judged)
    if isinstance(said, pd.DataFrame):
        if set(said.columns) != set(pool.classes):
            rule = f"with the classes as columns: {first_few(pool.classes, 20)}"
            got = f"{first_few(said.columns, 20)} by the judge {name!r}"
            raise ValueError(complain("votes", rule, what=got))
        said = align("votes", said[list(pool.classes)], pool.ids)
    votes = np.array(said, dtype=np.float64)
    if votes.shape != (len(pool), len(pool.classes)):
        got = f"shape {votes.shape} by the judge {name!r}"
        rule = f"of shape ({len(pool):,}, {len(pool.classes)}), items by classes"
        raise ValueError(complain("votes", rule, what=got))
    is_vote = ~np.isnan(votes).all(axis=1)
    _refuse(is_vote & ~_are_proba(votes), votes.tolist(), name, pool.ids)
    return votes, np.zeros(len(pool), dtype=bool)


def _asked(judge: Callable[..., Any], name: str, pool: Pool, judged: IntArray) -> _Votes:
    """Ask a function about the distinct items among the rows judged."""
    if pool.data is None:
        hint = "Pass Pool(embedding=…, data=…, labels=…), or an embedding made by embed."
        rule = "labels or probabilities where the pool has no data"
        raise ValueError(complain("votes", rule, what=f"the function {name!r}", hint=hint))
    data = take_rows(pool.data, judged)
    items = data.to_dict("records") if isinstance(data, pd.DataFrame) else list(data)
    keys = [blake2b(dumps(item), digest_size=16).digest() for item in items]
    number = pd.factorize(np.fromiter(keys, dtype=object, count=len(keys)))[0]
    first = np.unique(number, return_index=True)[1]
    ids = pool.ids[judged[first]]
    try:
        answers = list(judge([items[i] for i in first], pool.classes.tolist()))
    except Exception as error:  # what a function raises says neither which judge nor which item
        got = f"{type(error).__name__}: {error}"
        raise RuntimeError(
            f"The judge {name!r} failed on {len(ids):,} items (ids {first_few(ids)}): {got}"
        ) from error
    if len(answers) != len(ids):
        got = f"{len(answers):,} by the judge {name!r}"
        raise ValueError(complain("votes", f"{len(ids):,} answers, one an item", what=got))
    is_map = np.array([isinstance(answer, Mapping) for answer in answers], dtype=bool)
    labels = pd.Series(answers, dtype=object).mask(is_map, None)
    votes, is_bare = _bare(labels, name, pool.classes, ids)
    classes = pool.classes.tolist()
    for i in np.flatnonzero(is_map):
        if set(answers[i]) <= set(classes):
            votes[i] = [answers[i].get(c, 0) for c in classes]
    _refuse(is_map & ~_are_proba(votes), answers, name, ids)
    every = np.full((len(pool), len(classes)), np.nan), np.zeros(len(pool), dtype=bool)
    every[0][judged], every[1][judged] = votes[number], is_bare[number]
    return every


def _bare(labels: pd.Series, name: str, classes: AnyArray, ids: pd.Index) -> _Votes:
    code = pd.Index(classes).get_indexer(pd.Index(labels))
    _refuse((code < 0) & labels.notna().to_numpy(), labels.tolist(), name, ids)
    return np.where(code[:, None] >= 0, np.eye(len(classes))[code], np.nan), code >= 0


def _are_proba(votes: FloatArray) -> BoolArray:
    return np.asarray((votes.min(axis=1) >= 0) & (np.abs(votes.sum(axis=1) - 1) <= 1e-3))


def _refuse(is_bad: BoolArray, answers: Any, name: str, ids: pd.Index) -> None:
    if is_bad.any():
        row = int(is_bad.argmax())
        got = f"{answers[row]!r:.60} by the judge {name!r} for the item {ids[row]!r}"
        raise ValueError(complain("votes", _ANSWER, what=got))
