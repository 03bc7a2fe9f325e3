"""Labels from rules: how far each rule is right, learned from where they agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, align, check_classes, complain
from curalab.heads import out_of_fold_proba
from curalab.pool import Pool
from curalab.pseudo_labels._generative import copies_of, fit_votes, heard_from, shared
from curalab.pseudo_labels.low_shot_probe import probe_of
from curalab.pseudo_labels.rules import (
    apply_rules,
    failures,
    named_classes,
    vote_codes,
    vote_table,
)

__all__ = ["LabelModel"]

_C = 1.0  # of the end model for new rows: noisy labels want a strong penalty


@dataclass(frozen=True, kw_only=True)
class LabelModel:
    """Weigh rules by how far they are right, learned from where they agree, without labels.

    The generative model of data programming [1]_ by expectation maximisation: a rule names the
    true class with its accuracy, and any other class alike; with `confusion`, the class that it
    names depends on the true one, as with Dawid and Skene's raters [2]_. That a rule abstains
    says nothing. Given labels stay as they are. An end model, trained on what comes out, then gives
    each row shares of the classes of its own, in place of equal ones ([3]_, here from heads that
    did not see the row). So what is like a row speaks for it, also where all rules abstain.

    Ours: the accuracy of a rule that names one class only cannot be learned from agreement; left
    alone, all rows end up in one class. So each accuracy is the mean of what was learned and of .8,
    which weighs 10 votes and v·s² more: v the votes of the rule and s how one-sided they are, 1
    where all name one class and 0 where all classes alike. Class shares are not learned: this too
    ends in one class. The end model learns the likeliest class of each row that a rule named one
    for; probabilities at that point are too low, less so for some classes than others. Rules of
    which nine votes in ten are the same count as one together, and are reported. Abstaining as
    evidence, and accuracies taken from a few given labels, were tried, and were wrong more often.
    How far a single rule is right cannot be learned: it is taken to be right on about .8.

    Parameters
    ----------
    rules : list of callables, default=None
        Labeling functions; see `apply_rules`. They get the pool's data.
    votes : DataFrame, Series or array-like of shape (n_items, n_rules), default=None
        Or what they said: a class, or None or NaN where a rule abstains.
    classes : sequence, default=None
        The classes. None takes those of the pool, and those that `votes` names.
    confusion : bool, default=False
        Whether to learn which classes each rule takes for which.
    end_model : bool, default=True
        Whether to add what the vectors say. Without it, rows without a vote have equal shares.

    Notes
    -----
    ``details`` has `rules`, the table of `apply_rules` with each rule's `estimated_accuracy` and
    the number of its `copies`, itself included; and `source`, for each row the rules that named
    its label, "given", "end model" where none did, or "nobody" without an end model.

    References
    ----------
    .. [1] Ratner, De Sa, Wu, Selsam, Ré (2016), "Data Programming: Creating Large Training Sets,
       Quickly", NeurIPS. arXiv:1605.07723.
    .. [2] Dawid, Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
       Algorithm", Applied Statistics 28.
    .. [3] Raykar, Yu, Zhao, Valadez, Florin, Bogoni, Moy (2010), "Learning From Crowds", JMLR 11.
       (A classifier's probabilities as each row's shares of the classes.)

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> from curalab.pseudo_labels import LabelModel
    >>> texts = pd.Series(["great film", "bad plot", "great cast", "bad, bad", "great", "so bad"])
    >>> def great(text):
    ...     return "good" if "great" in text else None
    >>> def bad(text):
    ...     return "poor" if "bad" in text else None
    >>> pool = cl.Pool(embedding=np.eye(6), data=texts, classes=["good", "poor"])
    >>> soft = cl.pseudo_label(pool, method=LabelModel(rules=[great, bad]), random_state=0)
    >>> soft.labels.tolist(), soft.details["source"][0]
    (['good', 'poor', 'good', 'poor', 'good', 'poor'], 'great')
    """

    cost: ClassVar[str] = "each rule on each item, and heads on parts of the rows"

    rules: Any = field(default=None, hash=False)
    votes: Any = field(default=None, hash=False)
    classes: Any = None
    confusion: bool = False
    end_model: bool = True
    # The classes that `votes` names, which may add to those of the pool.
    told: tuple[Any, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        votes = None if self.votes is None else _framed(self.votes)
        if self.classes is not None:
            stated = check_classes(pd.Index(list(self.classes), dtype=object))
            object.__setattr__(self, "classes", tuple(stated))
        elif votes is not None:
            told = tuple(named_classes(votes))
            if -1 in told:  # elsewhere the sign of no vote
                hint = "Where it means that a rule abstains: votes.where(votes != -1)."
                rule = "classes, or None or NaN, unless classes=… has -1"
                raise ValueError(complain("votes", rule, what="-1", hint=hint))
            object.__setattr__(self, "told", told)

    def __eq__(self, other: object) -> bool:  # == of frames is a frame, which has no truth
        if not isinstance(other, LabelModel):
            return NotImplemented
        one, two = (
            (m.classes, m.confusion, m.end_model, list(m.rules or ())) for m in (self, other)
        )
        return one == two and pd.DataFrame(self.votes).equals(pd.DataFrame(other.votes))

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        votes, table = self._asked(pool)
        known = pd.Index(pool.classes, dtype=object)
        codes = vote_codes(votes, known, name="votes" if self.rules is None else "rules")
        if not (codes >= 0).any():
            hint = "; ".join(failures(table))
            got = f"no vote on {len(pool):,} rows"
            name = "votes" if self.rules is None else "rules"
            raise ValueError(complain(name, "such that a rule votes", what=got, hint=hint))
        copies = copies_of(codes, votes.columns)
        heard = heard_from(codes, pool.codes, len(known), copies)
        accuracy, said = fit_votes(heard, len(known), confusion=self.confusion)
        proba = shared(heard, said, np.full((len(pool), len(known)), 1 / len(known)))
        details: dict[str, Any] = {}
        is_told = (codes >= 0).any(axis=1) | pool.is_labelled
        top = np.sort(proba, axis=1)[:, -2:]
        best = np.where(is_told & (top[:, 1] > top[:, 0] + 1e-6), proba.argmax(axis=1), -1)
        if self.end_model and len(np.unique(best[best >= 0])) > 1:
            share, _ = out_of_fold_proba(pool.embedding.points, best, len(known), rng=rng)
            n = (best >= 0).sum()  # rows that taught it, and one more of each class
            share = (n * share + 1) / (n + len(known))
            proba = shared(heard, said, share)  # learning again would believe its own labels
            taught = pool.replace(labels=known.to_numpy()[proba.argmax(axis=1)], classes=known)
            details["predict"] = probe_of(taught, C=_C)
        table["estimated_accuracy"] = accuracy
        table["copies"] = copies
        source = _sources(codes, proba.argmax(axis=1), pool, votes.columns)
        source[source == ""] = "end model" if "predict" in details else "nobody"
        return proba, {**details, "rules": table, "source": source}

    def _asked(self, pool: Pool) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the votes and the table of the rules."""
        if (self.rules is None) == (self.votes is None):
            got = "neither" if self.rules is None else "both"
            rule = "labeling functions, or 'votes' what they said"
            raise ValueError(complain("rules", rule, what=got))
        known, labels = pool.classes, pool.labels
        if self.rules is None:
            has_ids = isinstance(self.votes, pd.DataFrame | pd.Series)
            said = self.votes if has_ids else np.asarray(self.votes, dtype=object)
            votes = _framed(align("votes", said, pool.ids)).set_axis(pool.ids)
            return votes, vote_table(votes, labels=labels, classes=known, name="votes")
        if pool.data is None:
            hint = "Pass Pool(embedding=…, data=…), or an embedding made by embed."
            raise ValueError(complain("rules", "None without data", what="rules", hint=hint))
        items = align("data", pool.data, pool.ids)
        found = apply_rules(items, self.rules, labels=labels, classes=known)
        return found.votes.set_axis(pool.ids), found.table


def _framed(votes: Any) -> pd.DataFrame:
    """Return votes as a table of objects, None where there is none."""
    if not isinstance(votes, pd.DataFrame | pd.Series):
        votes = np.asarray(votes, dtype=object)
        if votes.ndim not in (1, 2):
            rule = "of shape (n_items, n_rules)"
            raise ValueError(complain("votes", rule, what=f"shape {votes.shape}"))
    frame = pd.DataFrame(votes)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1).astype(object)
    return frame.where(frame.notna(), None)


def _sources(codes: IntArray, best: IntArray, pool: Pool, names: pd.Index) -> AnyArray:
    """Return which rules named the label of each row, or that it was given, (n_items,)."""
    named, which = np.unique(codes == best[:, None], axis=0, return_inverse=True)
    told = np.array([", ".join(names[row]) for row in named], dtype=object)
    return np.where(pool.is_labelled, "given", told[which.ravel()]).astype(object)
