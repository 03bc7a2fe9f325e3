"""Does a method keep its promises? Checks for methods and encoders that anyone writes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray, check_choice, complain
from curalab.embedding import Embedding
from curalab.pool import Array, Pool, Stage, as_pool, find_stage, resolve, run, stages

__all__ = ["check_encoder", "check_method"]

_TAKES = ("text", "image", "audio", "columns")
_ROWWISE = ("labels", "proba", "groups", "order")
_PERMUTATION = "follows a permutation of the pool"
_UNTOUCHED = "leaves the pool as it was"
_SAME = "gives the same answer for the same generator"
_OWN = "draws from rng only"

Verdict = tuple[bool | None, str]


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
    check_choice("stage", stage, [name for name in stages() if find_stage(name).methods])
    found = find_stage(stage)
    name, function = resolve(found, method)
    trial = _Trial(found, function, _planted() if pool is None else as_pool(pool))
    verdicts = trial.verdicts()
    what = f"The method {getattr(method, '__name__', name)!r}"
    return _report(verdicts, f"{what} of the stage {stage!r}", f"\nContract: {found.contract}")


def _report(verdicts: dict[str, Verdict], who: str, contract: str) -> pd.DataFrame:
    broken = [f"- {promise}: {note}" for promise, (kept, note) in verdicts.items() if kept is False]
    if broken:
        count = "a promise" if len(broken) == 1 else f"{len(broken)} promises"
        raise ValueError("\n".join([f"{who} breaks {count}:", *broken]) + contract)
    rows = [(promise, kept, note) for promise, (kept, note) in verdicts.items()]
    return pd.DataFrame(rows, columns=["promise", "kept", "note"], dtype=object)


@dataclass
class _Trial:
    """A method, and the pool it is tried on."""

    stage: Stage
    function: Callable[..., Any]
    pool: Pool

    def verdicts(self) -> dict[str, Verdict]:
        answers = self._tried(self._answers)
        verdicts = {
            "returns what its contract says": answers,
            _SAME: self._tried(self._is_same),
            _UNTOUCHED: self._tried(self._is_untouched),
            _OWN: self._tried(self._draws_from_its_own),
            _PERMUTATION: (None, "Not checked: there is no valid answer to compare."),
        }
        if answers[0]:
            verdicts[_PERMUTATION] = self._tried(self._follows)
        if self.stage.name == "selectors":
            free = len(self.pool) - self._n_chosen
            verdicts["works for k = 1"] = self._tried(lambda: self._answers(1))
            verdicts["works for k = n"] = self._tried(lambda: self._answers(free))
            verdicts["leaves chosen rows alone"] = self._tried(self._spares_chosen)
        return verdicts

    @property
    def _n_chosen(self) -> int:
        return 0 if self.pool.chosen is None else len(self.pool.chosen)

    def _tried(self, check: Callable[[], Verdict]) -> Verdict:
        try:
            return check()
        except Exception as error:  # a method under test may raise anything
            if "read-only" in str(error):
                return False, "It tried to write into the pool. Work on a copy: x = array.copy()."
            return False, str(error).splitlines()[0] if str(error) else repr(error)

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
        made = self.function(
            self.pool, *self._arguments(self.pool), rng=np.random.default_rng(0)
        )
        parts = list(made) if isinstance(made, tuple) else [made]
        return [part for part in parts if not isinstance(part, Mapping)]

    # ---- the promises ----------------------------------------------------------------------------

    def _answers(self, k: int | None = None) -> Verdict:
        self._checked(self.pool, k=k)
        return True, ""

    def _is_same(self) -> Verdict:
        if _equal(self._raw(), self._raw()):
            return True, ""
        return False, (
            "Two runs with the same generator differ. Draw everything from rng, and pass "
            "random_state=int(rng.integers(2**31)) to what asks for a seed."
        )

    def _is_untouched(self) -> Verdict:
        before = _snapshot(self.pool)
        self._raw()
        changed = [
            name for name, value in _snapshot(self.pool).items() if not _equal(value, before[name])
        ]
        return not changed, changed and f"It changed {', '.join(changed)}. Work on a copy." or ""

    def _draws_from_its_own(self) -> Verdict:
        before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
        self._raw()
        after = random.getstate(), np.random.get_state()[1]  # noqa: NPY002
        if before[0] == after[0] and np.array_equal(before[1], after[1]):
            return True, ""
        return False, "It drew from np.random or random, which no seed reaches. Draw from rng."

    def _follows(self) -> Verdict:
        plain = self._checked(self.pool)
        if not _equal(list(plain.values()), list(self._checked(self.pool, seed=1).values())):
            return None, "Not checked: the method draws (two seeds give different answers)."
        order = np.random.default_rng(5).permutation(len(self.pool))
        moved = self._checked(_permuted(self.pool, order))
        for spec in self.stage.returns:
            if not _agree(spec, plain[spec.name], moved[spec.name], order, self.stage.name):
                return False, (
                    f"With the rows in another order {spec.name!r} changes. The order of rows "
                    "must not matter: look at the vectors, and break ties with rng."
                )
        return True, ""

    def _spares_chosen(self) -> Verdict:
        first = self._checked(self.pool)["rows"]
        chosen = self.pool.ids[np.union1d(first[:5], first[:0])]
        self._checked(self.pool.replace(chosen=chosen), k=5)
        return True, ""


# ---- pools ---------------------------------------------------------------------------------------


def _planted() -> Pool:
    """Return 60 rows in three classes, in mixed order, with every part that a pool may have.

    One row is almost a copy of another, two have the wrong label, six have none.
    """
    rng = np.random.default_rng(7)
    truth = rng.permutation(np.repeat([0, 1, 2], 20))
    vectors = rng.normal(size=(60, 6)) + 4 * np.eye(6)[truth]
    vectors[9] = vectors[3] + 1e-3
    truth[9] = truth[3]
    labels = np.array(["a", "b", "c"], dtype=object)[truth]
    labels[[5, 17]] = labels[[17, 5]] if truth[5] != truth[17] else ["a", "b"]
    labels[[1, 12, 23, 34, 45, 56]] = None
    odds = np.exp(vectors[:, :3])
    words = [["apple", "pear", "plum"], ["car", "bus", "tram"], ["oak", "elm", "fir"]]
    texts = [" ".join(rng.choice(words[kind], size=4)) for kind in truth]
    ids = pd.Index([f"row-{i:02d}" for i in range(60)])
    clean = np.repeat([0, 1, 2], 7)
    return Pool(
        embedding=Embedding(vectors=vectors, ids=ids, data=pd.Series(texts, index=ids)),
        labels=labels,
        proba=odds / odds.sum(axis=1, keepdims=True),
        classes=np.array(["a", "b", "c"], dtype=object),
        groups=np.where(rng.random(60) < 0.5, "north", "south"),
        order=rng.permutation(60),
        target=Embedding(vectors=rng.normal(size=(9, 6)) + 4 * np.eye(6)[0]),
        reference=Pool(
            embedding=Embedding(vectors=rng.normal(size=(21, 6)) + 4 * np.eye(6)[clean]),
            labels=np.array(["a", "b", "c"], dtype=object)[clean],
        ),
    )


def _permuted(pool: Pool, order: IntArray) -> Pool:
    rowwise = {name: getattr(pool, name) for name in _ROWWISE}
    data = pool.data if hasattr(pool.data, "iloc") else pd.Series(list(pool.data or []))
    return pool.replace(
        embedding=pool.embedding.take(pool.ids[order]),
        data=data.iloc[order] if len(data) else None,
        classes=pool.classes,
        **{name: value[order] for name, value in rowwise.items() if value is not None},
    )


def _snapshot(pool: Pool) -> dict[str, Any]:
    parts = {name: getattr(pool, name) for name in (*_ROWWISE, "data", "chosen")}
    parts |= {"vectors": pool.embedding.vectors, "ids": pool.ids.to_numpy()}
    for name in ("target", "reference"):
        part = getattr(pool, name)
        if part is not None:
            parts[f"{name} vectors"] = getattr(part, "embedding", part).vectors
    return {name: value.copy() if hasattr(value, "copy") else value for name, value in parts.items()}


# ---- comparing -----------------------------------------------------------------------------------


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, pd.Series | pd.DataFrame):
        return bool(a.equals(b))
    if isinstance(a, np.ndarray):
        return pd.Series(list(a.ravel())).equals(pd.Series(list(b.ravel()))) and a.shape == b.shape
    return bool(a == b)


def _agree(spec: Array, plain: Any, moved: Any, order: IntArray, stage: str) -> bool:
    """Whether `moved`, the answer for the rows in `order`, says the same as `plain`."""
    if spec.kind == "text" or spec.rows in ("any", "one") and spec.columns != "pair":
        return spec.kind != "text" or plain == moved
    if spec.rows == "argument":
        return bool(np.array_equal(order[moved], plain))
    if spec.columns == "pair":
        return {frozenset(p) for p in plain.tolist()} == {frozenset(p) for p in order[moved].tolist()}
    back = np.empty_like(moved)
    back[order] = moved
    if spec.columns == "map":  # a map may be turned or mirrored
        return bool(np.corrcoef(_gaps(plain), _gaps(back))[0, 1] > 0.99)
    if spec.kind == "int" and stage == "clusters":
        return bool((np.equal.outer(plain, plain) == np.equal.outer(back, back)).all())
    if spec.kind == "class":
        return bool(((plain == back) | (pd.isna(plain) & pd.isna(back))).all())
    return bool(np.allclose(plain, back, rtol=1e-3, atol=1e-4, equal_nan=True))


def _gaps(points: AnyArray) -> AnyArray:
    rows, columns = np.triu_indices(len(points), 1)
    return np.asarray(np.linalg.norm(points[rows] - points[columns], axis=1))


# ---- encoders ------------------------------------------------------------------------------------


def check_encoder(encoder: Any, data: Any) -> pd.DataFrame:
    """Check that an encoder keeps its promises.

    Parameters
    ----------
    encoder : encoder or callable
        With ``encode(batch)`` and perhaps ``fit(data, *, rng)``, or a function of a batch.
    data : Series, DataFrame, list or ndarray
        At least 4 items to try it on.

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
    >>> def lengths(batch):
    ...     return np.array([[len(text), text.count(" ")] for text in batch], dtype=np.float32)
    >>> report = cl.testing.check_encoder(lengths, ["a", "b c", "d e f", "gh"])
    >>> report.loc[report["kept"].isna(), "promise"].tolist()
    ['says what it takes', 'fit returns a new encoder']
    """
    if len(data) < 4:
        raise ValueError(complain("data", "at least 4 items", what=f"{len(data)}"))
    if isinstance(encoder, str | type) or not (hasattr(encoder, "encode") or callable(encoder)):
        raise TypeError(complain("encoder", "an encoder or a function of a batch", encoder))
    verdicts = {
        "says what it takes": _takes(encoder),
        "fit returns a new encoder": _tried(lambda: _fits(encoder, data)),
    }
    fitted = encoder.fit(data, rng=np.random.default_rng(0)) if hasattr(encoder, "fit") else encoder
    encode = getattr(fitted, "encode", fitted)
    ...
