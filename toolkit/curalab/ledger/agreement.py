"""How far those who decided on the same rows agree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from curalab._agreement import alpha_of, kappa_of
from curalab.ledger.branches import MERGE
from curalab.ledger.events import decode
from curalab.ledger.replay import standing

__all__ = ["Agreement", "agreement_of", "answers_of"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far actors agree on what two or more of them decided.

    Attributes
    ----------
    n_rows : int
        Rows that two or more decided.
    same : float
        Share of the pairs of answers to one row that are equal, 0 to 1; NaN without a pair.
    alpha : float
        Krippendorff's nominal alpha over all actors [1]_: 1 is perfect, 0 chance; NaN without a
        pair or where all answers are equal.
    pairs : DataFrame
        One row for each two actors with rows in common: `one`, `other`, `both` (rows), `same`
        (share decided alike) and `kappa` (Cohen's [2]_; NaN below five rows or for one answer).
    answers : DataFrame
        What each actor (column) said of each row that two or more decided; None where nothing.

    References
    ----------
    .. [1] Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
    .. [2] Cohen (1960), "A Coefficient of Agreement for Nominal Scales", Educational and
       Psychological Measurement.
    """

    n_rows: int
    same: float
    alpha: float
    pairs: pd.DataFrame
    answers: pd.DataFrame

    def __repr__(self) -> str:
        n = self.answers.shape[1]
        return f"Agreement({self.n_rows:,} rows, {n:,} actors, alpha {self.alpha:.3f})"


def agreement_of(answers: pd.DataFrame) -> Agreement:
    """Return the agreement of answers: one row a unit, one column a rater, missing is no answer."""
    several = answers[(answers.notna().sum(axis=1) > 1).to_numpy()]
    said = several.loc[:, several.notna().any().to_numpy()]
    flat, _ = pd.factorize(said.to_numpy(dtype=object).ravel())
    codes = flat.reshape(said.shape)
    unit, rater = np.nonzero(codes >= 0)
    told = []
    for one, other in combinations(range(said.shape[1]), 2):
        both = codes[(codes[:, [one, other]] >= 0).all(axis=1)]
        left, right = both[:, one], both[:, other]
        if len(both):
            same, kappa = float((left == right).mean()), kappa_of(left, right)
            told.append((said.columns[one], said.columns[other], len(both), same, kappa))
    pairs = pd.DataFrame(told, columns=pd.Index(["one", "other", "both", "same", "kappa"]))
    n_pairs = int(pairs["both"].sum())
    return Agreement(
        n_rows=len(said),
        same=float((pairs["same"] * pairs["both"]).sum() / n_pairs) if n_pairs else float("nan"),
        alpha=alpha_of(unit, codes[unit, rater], numeric=False),
        pairs=pairs,
        answers=said.astype(object).where(said.notna(), None),
    )


def answers_of(events: pd.DataFrame, field: str | None) -> pd.DataFrame:
    """Return what each actor last said, one row a subject, one column an actor."""
    # What a merge took back was decided all the same.
    events = standing(events[~((events["action"] == "undo") & (events["method"] == MERGE))])
    if field is None:
        events = events[(events["field"] != "tags").to_numpy()]
    else:
        events = events[(events["field"].isna() | (events["field"] == field)).to_numpy()]
    of_row = events["field"].isna().to_numpy()
    words = np.array([*map(repr, decode(events["new"]))], dtype=object)
    words[of_row] = events["action"].to_numpy()[of_row]
    if field is not None:  # who relabels a row to what it was agrees with who keeps it
        words[(events["new"] == events["old"]).to_numpy() & ~of_row] = "keep"
    unit = [events["row_id"]] if field is not None else [events["row_id"], events["field"]]
    said = events.assign(word=words, unit=events.groupby(unit, sort=False, dropna=False).ngroup())
    last = said.drop_duplicates(["unit", "actor"], keep="last")
    table = last.pivot(index="unit", columns="actor", values="word").sort_index(axis=1)
    about = last.drop_duplicates("unit").set_index("unit").loc[table.index]
    levels = [pd.Index(decode(about["row_id"]), dtype=object, name="row_id")]
    levels += [pd.Index(about["field"], dtype=object, name="field")] if field is None else []
    table.index = pd.MultiIndex.from_arrays(levels) if field is None else levels[0]
    return table.rename_axis(columns=None)
