"""What the verb does before a method runs, and with what it learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, complain, first_few
from curalab.embedding import as_embedding, check_space
from curalab.pool import Pool

__all__ = ["predicting", "with_classes"]


def with_classes(pool: Pool, function: Callable[..., Any]) -> Pool:
    """Return the pool with the classes that the method names, or say that it has too few."""
    named = list(getattr(function, "classes", None) or [])
    told = getattr(function, "told", ())  # classes in what the method was given, if not all are
    known = list(pool.classes) if pool.classes is not None else []
    if named and set(known) - set(named):
        got = f"{first_few(c for c in known if c not in named)}"
        rule = f"of the classes that the method names ({first_few(named)})"
        raise ValueError(complain("labels", rule, what=got))
    classes = [*known, *(c for c in [*named, *told] if c not in known)]
    needs_labels = "labels" in getattr(function, "needs", ()) or not classes
    n_known = len(np.unique(pool.codes[pool.is_labelled])) if needs_labels else len(classes)
    if n_known < 2:
        got = f"labels of {n_known} class" if n_known else "no label"
        got = got if needs_labels else f"{n_known} class"
        # A method that can name classes, and was not told any.
        hint = "Or name them: classes=… of the method." if hasattr(function, "classes") else ""
        raise ValueError(complain("labels", "of at least 2 classes", hint=hint, what=got))
    if classes == known:
        return pool
    return pool.replace(labels=pool.labels, classes=np.array(classes, dtype=object))


def predicting(
    decide: Callable[..., Any], pool: Pool, classes: AnyArray
) -> Callable[[Any], pd.DataFrame]:
    """Return what labels new rows by `decide`, which gives probabilities of points."""

    def predict(new: Any) -> pd.DataFrame:
        asked = as_embedding(new, metric=pool.embedding.metric, name="new")
        check_space("new", asked, pool.embedding)
        proba = np.asarray(decide(asked.points))
        columns = {"pseudo_label": classes[proba.argmax(axis=1)]}
        return pd.DataFrame({**columns, "pseudo_confidence": proba.max(axis=1)}, index=asked.ids)

    return predict
