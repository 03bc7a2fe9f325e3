"""Encoders side by side on the same data."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    IntArray,
    align,
    are_invented,
    carried_ids,
    check_labels,
    check_seed,
    complain,
)
from curalab.embedding import Embedding
from curalab.encoders import health
from curalab.encoders._rows import ids_of
from curalab.heads import out_of_fold_proba

__all__ = ["compare_encoders"]

_log = logging.getLogger(__name__)
_K = 10
_FEWEST = 5
_COLUMNS = {
    "rank": "Int64",
    "probe_accuracy": "float64",
    "knn_accuracy": "float64",
    "separability": "float64",
    "spread": "float64",
    "spread_entropy": "float64",
    "local_dimension": "float64",
    "hubness": "float64",
    "copies": "float64",
    "health": "object",
    "dimensions": "Int64",
    "seconds": "float64",
    "error": "object",
}


def compare_encoders(
    data: Any,
    encoders: Sequence[Any] | Mapping[str, Any],
    *,
    labels: Any = None,
    cache: bool = True,
    random_state: int | None = None,
) -> pd.DataFrame:
    """Embed the same data with several encoders and rank the embeddings.

    Conclusions about data change with the encoder; so look at more than one.

    Parameters
    ----------
    data : Series, sequence, array or DataFrame
        What `embed` takes. A Series or DataFrame brings its index as ids.
    encoders : sequence or mapping of str to encoder
        Names in ``cl.methods("encoders")``, encoders with settings, functions, and ready
        Embeddings of the same rows, in any mix; a mapping gives them names. One that fails gets
        a row that says so, and the others finish.
    labels : array-like of shape (n,), default=None
        Classes, aligned by id. Missing ones (None, NaN) are left out. Without labels the
        encoders are ranked by `separability`, which is a guess.
    cache : bool, default=True
        As in `embed`.
    random_state : int, default=None
        Seed for encoders that learn, the folds and the health. None draws one. It is kept in
        ``frame.attrs["random_state"]``.

    Returns
    -------
    pandas.DataFrame
        One row an encoder, the best first; those that failed are last and have no rank.

        - `probe_accuracy`: share of labels that a small head on the vectors gets right, out of
          fold (see Notes); `knn_accuracy`: the same for a vote of the 10 nearest labelled rows.
          With labels the first ranks and the second breaks ties. NaN without labels.
        - `separability` (nats, higher is better), `spread` and `spread_entropy` (0 to 1),
          `local_dimension`, `hubness` (skewness), `copies` (share of rows) and `health` (the
          worst verdict): see `curalab.encoders.health`.
        - `dimensions`; `seconds` to embed, little where the cache had it, NaN for Embeddings.
        - `error`: why the encoder failed, "" where it did not.

    Raises
    ------
    TypeError, ValueError
        `encoders` is not a list or mapping of at least one, or the labels do not belong to the
        data.

    Notes
    -----
    The head is the one that finds label errors: logistic regression on Nyström features of a
    Gaussian kernel, its penalty chosen on the rows left out. So it is a little more than a
    linear probe, and the accuracy is that of what the toolkit does with the vectors.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.encoders import compare_encoders
    >>> rng = np.random.default_rng(0)
    >>> texts = ["red apple", "green apple", "sour apple", "fast car", "old car", "red car"] * 5
    >>> board = compare_encoders(
    ...     texts,
    ...     {"words": "tfidf", "noise": lambda batch: rng.normal(size=(len(batch), 8))},
    ...     labels=["fruit"] * 3 * 5 + ["thing"] * 3 * 5, cache=False, random_state=0,
    ... )
    >>> board.shape
    (2, 13)
    """
    from tqdm.auto import tqdm

    named = _named(encoders)
    ids = ids_of(data)
    if len(ids) < _FEWEST:
        rule = f"of at least {_FEWEST} rows"
        raise ValueError(complain("data", rule, what=f"{len(ids):,}"))
    codes = None if labels is None else _codes(labels, ids)
    seed = check_seed(random_state)
    settings = {"cache": cache, "random_state": seed}
    rows = {}
    with tqdm(total=len(named), desc="compare encoders", delay=2, disable=None) as bar:
        for name, encoder in named.items():
            bar.set_postfix_str(name)
            rows[name] = _row(name, encoder, data, ids, codes, settings)
            bar.update()
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(_COLUMNS)).astype(_COLUMNS)
    by = ["separability"] if codes is None else ["probe_accuracy", "knn_accuracy"]
    frame = frame.sort_values(by, ascending=False, kind="stable", na_position="last")
    ranks = pd.Series(np.arange(1, len(frame) + 1), index=frame.index, dtype="Int64")
    frame["rank"] = ranks.where(frame["error"] == "")
    frame.index.name = "encoder"
    frame.attrs["random_state"] = seed
    return frame


def _named(encoders: Any) -> dict[str, Any]:
    """Return the encoders under distinct, readable names."""
    if isinstance(encoders, Mapping) and encoders:
        return {str(name): encoder for name, encoder in encoders.items()}
    is_one = isinstance(encoders, str | Embedding) or callable(encoders)
    if is_one or hasattr(encoders, "encode") or not len(encoders):
        got = "a single one" if is_one or hasattr(encoders, "encode") else "none"
        raise TypeError(complain("encoders", "a list or mapping of encoders", what=got))
    named: dict[str, Any] = {}
    for encoder in encoders:
        name = _name_of(encoder)
        again = sum(known.partition(" #")[0] == name for known in named)
        named[f"{name} #{again + 1}" if again else name] = encoder
    return named


def _name_of(encoder: Any) -> str:
    if isinstance(encoder, str):
        return encoder
    return getattr(encoder, "__name__", None) or repr(encoder)


def _codes(labels: Any, ids: pd.Index) -> IntArray:
    """Return the number of each row's class, -1 where it has none, in the order of the data."""
    _, codes, classes = check_labels(align("labels", labels, ids))
    if len(classes) < 2:
        got = f"{len(classes)} class{'es' if not len(classes) else ''}"
        raise ValueError(complain("labels", "of at least 2 classes", what=got))
    return codes


def _row(
    name: str,
    encoder: Any,
    data: Any,
    ids: pd.Index,
    codes: IntArray | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    try:
        embedding, seconds = _embedded(encoder, data, ids, settings)
        seed = settings["random_state"]
        found = {**_health(embedding, seed), **_accuracy(embedding, codes, seed)}
        return {**found, "dimensions": embedding.shape[1], "seconds": seconds, "error": ""}
    except Exception as error:  # an encoder may raise anything; the others are to be compared
        _log.warning("The encoder %r failed in the comparison: %s", name, error)
        return {"health": "", "error": f"{type(error).__name__}: {error}"}


def _embedded(
    encoder: Any, data: Any, ids: pd.Index, settings: Mapping[str, Any]
) -> tuple[Embedding, float]:
    """Return the embedding of the data, in their order, and how long it took to make."""
    if not isinstance(encoder, Embedding):
        from curalab.encoders import embed

        began = time.perf_counter()
        made = embed(data, encoder=encoder, **settings)
        return made, time.perf_counter() - began
    own = carried_ids(encoder)
    if own is None or are_invented(ids):
        return align("encoders", encoder, ids), np.nan
    return encoder if own.equals(ids) else encoder.take(ids), np.nan


def _health(embedding: Embedding, seed: int) -> dict[str, Any]:
    found = health.report(embedding, random_state=seed)
    return {
        "separability": found["separability"].structure,
        "spread": found["spread"].eigenvalue,
        "spread_entropy": found["spread"].entropy,
        "local_dimension": found["local_dimension"].mean,
        "hubness": found["hubness"].skewness,
        "copies": found["repeats"].is_copy.mean(),
        "health": found.verdict,
    }


def _accuracy(embedding: Embedding, codes: IntArray | None, seed: int) -> dict[str, float]:
    if codes is None:
        return {}
    labelled = np.flatnonzero(codes >= 0)
    if len(labelled) < len(codes):
        embedding, codes = embedding.take(embedding.ids[labelled]), codes[labelled]
    n_classes = int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    proba, _ = out_of_fold_proba(embedding.points, codes, n_classes, rng=rng)
    near = embedding.neighbors(min(_K, len(codes) - 1)).indices
    votes = np.zeros((len(codes), n_classes))
    # Nearer rows weigh a little more, so that they break ties.
    weight = 1 - np.arange(near.shape[1]) / near.shape[1] ** 3
    np.add.at(votes, (np.arange(len(codes))[:, None], codes[near]), weight)
    return {
        "probe_accuracy": float((proba.argmax(axis=1) == codes).mean()),
        "knn_accuracy": float((votes.argmax(axis=1) == codes).mean()),
    }
