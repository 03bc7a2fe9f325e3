"""Where a dataset comes from, and what that leaves one free to do with it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from curalab._check import check_choice, complain
from curalab.documents._chain import Lineage
from curalab.documents._records import check_records, last_of, rows_of

__all__ = ["Lineage", "lineage"]


def lineage(
    datasets: Any,
    *,
    items: pd.DataFrame | None = None,
    licence: str | None = None,
    attribution: str | None = None,
    of: str | None = None,
) -> Lineage:
    """Trace datasets to their parents, and the terms of all of them down to the last.

    Restrictions are handed down: what one ancestor, source or row forbids is forbidden, and what
    one asks for is asked for. It is no legal advice.

    Parameters
    ----------
    datasets : mapping, DataFrame or list of mappings
        One record a dataset, by its name (the key, the index, or "name"). All of it is optional:
        `parents` (names of records), `licence` (see :func:`licences`; "license" too), `creators`,
        `sources` (names, or a mapping of each to its terms of use, spelled as licences are),
        `source_terms` (of all sources), `languages`, `tasks`, `places`, `years`, `attribution`
        (the text to name the creators with) and `how` it was made of its parents. A single value
        stands for a list of one.
    items : DataFrame, default=None
        The table, where its rows have licences of their own; its index holds the ids.
    licence, attribution : str, default=None
        Columns of `items`: the licence of each row, and whom to name for it.
    of : str, default=None
        The dataset that `items` is, and that is meant where none is named. None is the one that
        nothing derives from.

    Returns
    -------
    Lineage
        `problems`, `permissions()`, `in_words()`, `tree()`, `facts()`, `attributions()`,
        `concentration()`.

    Raises
    ------
    ValueError
        A parent is not among the datasets, or datasets derive from each other in a circle.

    Notes
    -----
    As in [1]_ the strictest terms up the chain win, and licence and source terms are compared. A
    source without terms restricts nothing, and is listed as a problem. [1]_ weighs by tokens and
    hours; here each dataset counts once.

    References
    ----------
    .. [1] Longpre, Singh, Cherep et al. (2024), "Bridging the Data Provenance Gap Across Text,
       Speech and Video". arXiv:2412.17847.

    Examples
    --------
    >>> import curalab as cl
    >>> from curalab.documents import lineage
    >>> found = lineage({
    ...     "reviews": {"licence": "cc by 4.0", "parents": ["raw"], "how": "cleaned"},
    ...     "raw": {"licence": "CC-BY-NC-4.0", "sources": {"shop.example": "non-commercial"}},
    ... })
    >>> found
    Lineage(2 datasets, together non-commercial, 1 problems)
    >>> print(found.tree())
    reviews · CC-BY-4.0 · cleaned
    └─ raw · CC-BY-NC-4.0
    >>> found.permissions().loc[0, "because"]
    'raw is under CC-BY-NC-4.0; the source shop.example of raw says LicenseRef-non-commercial'
    """
    records = check_records(datasets)
    last = last_of(records)
    if of is not None:
        check_choice("of", of, records)
    elif len(last) == 1:
        of = last[0]
    elif items is not None:
        rule = f"the dataset that 'items' is, one of {', '.join(map(repr, last))}"
        raise ValueError(complain("of", rule, of))
    return Lineage(
        ids=pd.Index(records, dtype=object, name="dataset"),
        records=records,
        row_licences=rows_of(items, licence, attribution),
        params={"verb": "lineage", "of": of, "licence": licence, "attribution": attribution},
    )
