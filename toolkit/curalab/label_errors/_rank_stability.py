"""Whether models still rank as they did once wrong test labels are put right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, align, check_integer, check_seed, complain

__all__ = ["RankStability", "rank_stability"]

_TAIL = 0.025
_POINTS = 21


@dataclass(frozen=True, kw_only=True, eq=False)
class RankStability:
    """How a ranking of models depends on wrong test labels.

    Attributes
    ----------
    models : DataFrame
        A row a model, best on the corrected labels first: `accuracy_given` and
        `accuracy_corrected` (shares, 0 to 1), `low` and `high` of the latter (95 %, bootstrap over
        rows), `rank_given` and `rank_corrected` (1 is best; equals share the better rank).
    pairs : DataFrame
        A row a pair of models, `better` on the corrected labels than `worse`: `lead_given` and
        `lead_corrected` (differences in accuracy), `flips` (whether the given labels say the
        opposite), `sure` (the share of bootstrap samples in which the corrected labels keep that
        order), and `prevalence`: the share of wrong labels from which the given labels order the
        two the other way round than the corrected ones (NaN where none does).
    by_prevalence : DataFrame
        Kendall's `tau` between the two rankings, and how many pairs `flip`, if correctly labelled
        rows were left out until wrong labels make up the share that is the index, from the
        present share to 1.
    changed : int
        Labels that the correction changed.
    """

    models: pd.DataFrame
    pairs: pd.DataFrame
    by_prevalence: pd.DataFrame
    changed: int

    def __repr__(self) -> str:
        flips = int(self.pairs["flips"].sum())
        return (
            f"RankStability({len(self.models):,} models, {self.changed:,} labels changed, "
            f"{flips:,} of {len(self.pairs):,} pairs change places)"
        )


def rank_stability(
    predictions: Any,
    given: Any,
    corrected: Any,
    *,
    n_draws: int = 1000,
    random_state: int | None = None,
) -> RankStability:
    """Compare the ranking of models on the given labels with that on the corrected ones.

    Wrong test labels reward models that repeat them: then the better model may rank lower. How far
    this goes depends on how many labels are wrong, so the rankings are compared at every larger
    share as well, as if correctly labelled rows were left out.

    Parameters
    ----------
    predictions : DataFrame or mapping of str to array-like of shape (n_items,)
        The labels that each model predicts; two models or more.
    given, corrected : array-like of shape (n_items,)
        Labels before and after the review. A row whose corrected label is missing is left out:
        nobody could say what it is.
    n_draws : int, default=1000
        Bootstrap samples of the rows.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    RankStability

    Raises
    ------
    ValueError
        Fewer than two models, or no row with a corrected label.

    References
    ----------
    .. [1] Northcutt, Athalye, Mueller (2021), "Pervasive Label Errors in Test Sets Destabilize
       Machine Learning Benchmarks", NeurIPS Datasets and Benchmarks. arXiv:2103.14749.

    Examples
    --------
    >>> from curalab.label_errors import rank_stability
    >>> given, corrected = list("aaabbbba"), list("aaabbbbb")
    >>> models = {"copies errors": list("aabbbbaa"), "does not": list("aabbbbbb")}
    >>> rank_stability(models, given, corrected, random_state=0).models["rank_given"].to_dict()
    {'does not': 1, 'copies errors': 1}
    """
    check_integer("n_draws", n_draws, low=1)
    table = (
        pd.DataFrame(dict(predictions))
        if not isinstance(predictions, pd.DataFrame)
        else (predictions)
    )
    if table.shape[1] < 2:
        got = f"{table.shape[1]}"
        raise ValueError(complain("predictions", "of two models or more", what=got))
    before = np.asarray(align("given", given, table.index), dtype=object)
    after = np.asarray(align("corrected", corrected, table.index), dtype=object)
    told = ~pd.isna(after)
    if not told.any():
        raise ValueError(complain("corrected", "present for some row", what="none"))
    before, after, said = before[told], after[told], table.to_numpy(dtype=object)[told]
    changed = before != after
    right_given = (said == before[:, None]).astype(float)
    right = (said == after[:, None]).astype(float)
    models = _models(table.columns, right_given, right)
    rng = np.random.default_rng(check_seed(random_state))
    drawn = np.stack(
        [right[rng.integers(len(right), size=len(right))].mean(axis=0) for _ in range(n_draws)]
    )
    models["low"], models["high"] = np.quantile(drawn, [_TAIL, 1 - _TAIL], axis=0)
    order = np.argsort(-right.mean(axis=0), kind="stable")
    return RankStability(
        models=models.iloc[order],
        pairs=_pairs(table.columns, order, right_given, right, changed, drawn),
        by_prevalence=_by_prevalence(right_given, right, changed),
        changed=int(changed.sum()),
    )


def _models(names: pd.Index, right_given: FloatArray, right: FloatArray) -> pd.DataFrame:
    found = pd.DataFrame(
        {"accuracy_given": right_given.mean(axis=0), "accuracy_corrected": right.mean(axis=0)},
        index=names,
    )
    for side in ("given", "corrected"):
        ranks = found[f"accuracy_{side}"].round(12).rank(ascending=False, method="min")
        found[f"rank_{side}"] = ranks.astype(int)
    return found


def _pairs(
    names: pd.Index,
    order: AnyArray,
    right_given: FloatArray,
    right: FloatArray,
    changed: AnyArray,
    drawn: FloatArray,
) -> pd.DataFrame:
    rows = []
    for one, other in combinations(order, 2):
        lead = (right_given[:, one] - right_given[:, other]).mean()
        lead_corrected = (right[:, one] - right[:, other]).mean()
        rows.append(
            {
                "better": names[one],
                "worse": names[other],
                "lead_given": lead,
                "lead_corrected": lead_corrected,
                "flips": lead * lead_corrected < 0,
                "sure": float((drawn[:, one] > drawn[:, other]).mean()),
                "prevalence": _crossing(
                    right_given[:, one] - right_given[:, other],
                    right[:, one] - right[:, other],
                    changed,
                ),
            }
        )
    return pd.DataFrame(rows)


def _crossing(lead_given: FloatArray, lead: FloatArray, changed: AnyArray) -> float:
    """Return the least share of wrong labels at which the two leads differ in sign.

    Both are straight lines in the share: leads on changed rows mixed with that on the others.
    """
    if not changed.any():
        return float("nan")
    same = lead[~changed].mean() if not changed.all() else 0.0
    ends = lead_given[changed].mean(), lead[changed].mean()
    crossings = [same / (same - end) for end in ends if same * end < 0]
    for share in sorted([*crossings, float(changed.mean())]):
        beyond = min(share + 1e-9, 1.0)
        signs = [np.sign(beyond * end + (1 - beyond) * same) for end in ends]
        if share >= changed.mean() - 1e-12 and signs[0] * signs[1] < 0:
            return float(share)
    return float("nan")


def _by_prevalence(right_given: FloatArray, right: FloatArray, changed: AnyArray) -> pd.DataFrame:
    from scipy.stats import kendalltau

    if not changed.any():
        return pd.DataFrame({"tau": [1.0], "flip": [0]}, index=pd.Index([0.0], name="prevalence"))
    same = right[~changed].mean(axis=0) if not changed.all() else np.zeros(right.shape[1])
    shares = np.linspace(changed.mean(), 1, _POINTS if not changed.all() else 1)
    rows = []
    for share in shares:
        given, true = (share * part[changed].mean(axis=0) + (1 - share) * same
                       for part in (right_given, right))  # fmt: skip
        gaps = [(given[i] - given[j]) * (true[i] - true[j])
                for i, j in combinations(range(len(given)), 2)]  # fmt: skip
        tau = kendalltau(given.round(12), true.round(12)).statistic
        rows.append({"tau": float(np.nan_to_num(tau, nan=1.0)), "flip": sum(g < 0 for g in gaps)})
    return pd.DataFrame(rows, index=pd.Index(shares, name="prevalence"))
