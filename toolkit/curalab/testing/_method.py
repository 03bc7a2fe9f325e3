"""Checks of methods."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_choice
from curalab.heads import with_proba
from curalab.pool import Pool, Stage, as_pool, find_stage, resolve, run, stages
from curalab.testing._pools import agree, bared, permuted, planted, snapshot
from curalab.testing._verdict import KEPT, WROTE, Verdict, equal, report, tried

__all__ = ["check_method"]

_OTHERS = ("encoders", "documents")
_PARTS = ("data", "labels", "proba", "groups", "order", "target", "reference")
_GIVEN = {"label_errors": ("labels",), "pseudo_labels": ("labels",)}  # what the verb asks for
_HINT = "For encoders there is check_encoder."


def check_method(stage: str, method: Any, *, pool: Any = None) -> pd.DataFrame:
    """Check that a method keeps the promises of its stage.

    Parameters
    ----------
    stage : str
        The stage, such as "selectors". For encoders there is `check_encoder`.
    method : str or callable
        A name, a method with its settings, or a function with the stage's contract.
    pool : Pool or Embedding, default=None
        What to try it on. None makes 60 rows with every part that a method may need.

    Returns
    -------
    pandas.DataFrame
        One row a promise: `promise`, `kept` (True, or None where it could not be checked) and a
        `note`.

    Raises
    ------
    ValueError
        Promises are broken. The error lists all of them and says what to do.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> def farthest_out(pool, k, *, rng):
    ...     free = np.ones(len(pool), dtype=bool)
    ...     if pool.chosen is not None:
    ...         free[pool.chosen] = False
    ...     length = np.linalg.norm(pool.embedding.vectors, axis=1)
    ...     return np.argsort(np.where(free, -length, np.inf))[:k]
    >>> cl.testing.check_method("selectors", farthest_out)["promise"].tolist()[-2:]
    ['works for k = n', 'leaves chosen rows alone']
    """
    check_choice("stage", stage, [name for name in stages() if name not in _OTHERS], hint=_HINT)
    found = find_stage(stage)
    name, function = resolve(found, method)
    tested = planted() if pool is None else as_pool(pool)
    if (
        "proba" in getattr(function, "needs", ())
        and tested.proba is None
        and tested.is_labelled.any()
    ):
        tested, _ = with_proba(tested, 0)
    trial = _Trial(found, function, tested)
    who = f"The method {getattr(method, '__name__', name)!r} of the stage {stage!r}"
    return report(trial.verdicts(), who, found.contract)


@dataclass
class _Trial:
    """A method, and the pool it is tried on."""

    stage: Stage
    function: Callable[..., Any]
    pool: Pool

    def verdicts(self) -> dict[str, Verdict]:
        """Return what became of each promise; what an earlier fault hides is not checked."""
        before = snapshot(self.pool)
        runs, answers = tried(self._runs), tried(self._answers)
        on_any: dict[str, Callable[[], Verdict]] = {
            "gives the same answer for the same generator": self._is_same,
            "draws from rng only": self._draws_from_its_own,
            "leaves the pool as it was": lambda: self._is_still(before),
        }
        on_valid: dict[str, Callable[[], Verdict]] = {
            "says what it needs": self._is_frank,
            "follows a permutation of the pool": self._follows,
        }
        if self.stage.name == "selectors":
            free = len(self.pool) - self._n_chosen
            on_valid["works for k = 1"] = lambda: self._answers(1)
            on_valid["works for k = n"] = lambda: self._answers(free)
            on_valid["leaves chosen rows alone"] = self._spares_chosen
        verdicts = {"returns what its contract says": answers}
        for checks, hidden in ((on_any, not runs[0]), (on_valid, not answers[0])):
            for promise, check in checks.items():
                verdicts[promise] = (None, "Not checked: mend the others first.")
                if not hidden:
                    verdicts[promise] = tried(check)
        if runs == WROTE:
            verdicts["leaves the pool as it was"] = WROTE
        return verdicts

    @property
    def _n_chosen(self) -> int:
        return 0 if self.pool.chosen is None else len(self.pool.chosen)

    def _arguments(self, pool: Pool, k: int | None = None) -> tuple[Any, ...]:
        """Return what the stage's methods get beside the pool."""
        clusters = np.unique(pool.codes, return_inverse=True)[1] - 1
        given: dict[str, tuple[Any, ...]] = {
            "maps": (2,),
            "duplicates": (0.9,),
            "selectors": (k or min(10, len(pool) - self._n_chosen),),
            "explanations": (clusters,),
        }
        return given.get(self.stage.name, ())

    def _checked(self, pool: Pool, seed: int = 0, k: int | None = None) -> dict[str, Any]:
        arguments = self._arguments(pool, k)
        return run(self.stage, self.function, pool, *arguments, random_state=seed).arrays

    def _raw(self) -> list[Any]:
        """Return the arrays of the answer, unchecked and without what stands beside them."""
        made = self.function(self.pool, *self._arguments(self.pool), rng=np.random.default_rng(0))
        parts = list(made) if isinstance(made, tuple) else [made]
        return [part for part in parts if not isinstance(part, Mapping)]

    # ---- the promises ----------------------------------------------------------------------------

    def _runs(self) -> Verdict:
        self._raw()
        return KEPT

    def _answers(self, k: int | None = None) -> Verdict:
        self._checked(self.pool, k=k)
        return KEPT

    def _is_same(self) -> Verdict:
        if equal(self._raw(), self._raw()):
            return KEPT
        return False, (
            "Two runs with the same generator differ. Draw everything from rng, and pass "
            "random_state=int(rng.integers(2**31)) to what asks for a seed."
        )

    def _is_still(self, before: dict[str, Any]) -> Verdict:
        now = snapshot(self.pool)
        changed = [name for name, value in now.items() if not equal(value, before[name])]
        if not changed:
            return KEPT
        return False, f"It changed {', '.join(changed)}. Work on a copy."

    def _is_frank(self) -> Verdict:
        said = getattr(self.function, "needs", ())
        needs = (said,) if isinstance(said, str) else tuple(said)
        pool = bared(self.pool, (*needs, *_GIVEN.get(self.stage.name, ())))
        try:
            self._checked(pool)
        except Exception as error:  # what is under test may raise anything
            absent = [part for part in _PARTS if getattr(pool, part) is None]
            words = set(re.findall(r"\w+", str(error).lower()))
            # "data" and "order" alone are words of many an error
            if isinstance(error, ValueError) and "pool" in words and words & set(absent):
                return KEPT  # with these settings, and it says so
            return False, (
                f"On a pool with nothing but what `needs` names it says: {error}. Name what it "
                'needs, such as needs = ("labels",), or do without.'
            )
        return KEPT

    def _draws_from_its_own(self) -> Verdict:
        before = _global_state()
        self._raw()
        if equal(before, _global_state()):
            return KEPT
        return False, "It drew from np.random or random, which no seed reaches. Draw from rng."

    def _follows(self) -> Verdict:
        plain = self._checked(self.pool)
        if not equal(list(plain.values()), list(self._checked(self.pool, seed=1).values())):
            return None, "Not checked: the method draws (two seeds give different answers)."
        order = np.random.default_rng(5).permutation(len(self.pool))
        moved = self._checked(permuted(self.pool, order))
        for spec in self.stage.returns:
            if not agree(spec, plain[spec.name], moved[spec.name], order, self.stage.name):
                return False, (
                    f"With the rows in another order {spec.name!r} changes. The order of rows "
                    "must not matter: look at the vectors, and break ties with rng."
                )
        return KEPT

    def _spares_chosen(self) -> Verdict:
        liked = self._checked(self.pool)["rows"]
        chosen = np.union1d(liked, [] if self.pool.chosen is None else self.pool.chosen)
        if len(chosen) == len(self.pool):
            return None, "Not checked: the pool is too small."
        pool = self.pool.replace(chosen=self.pool.ids[chosen.astype(int)])
        for k in {1, len(pool) - len(chosen)}:
            self._checked(pool, k=k)
        return KEPT


def _global_state() -> list[Any]:
    return [random.getstate(), np.random.get_state(legacy=True)]  # noqa: NPY002
