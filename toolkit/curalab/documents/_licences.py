"""Licences as they are written, read as SPDX identifiers with what they permit and ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, check_choice, complain, invented_ids
from curalab.documents._conflicts import conflicts_of, fault_of
from curalab.documents._terms import MUST, USES, Terms, combined, read_licence
from curalab.results import StageResult

__all__ = ["NO_ADVICE", "Licences", "licences", "spelled"]

NO_ADVICE = (
    "This puts together what the licences state, by rule. It is no legal advice: read the "
    "licences, and ask a lawyer where it matters."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Licences(StageResult):
    """What each row's licence permits; row i belongs to `ids[i]`.

    Attributes
    ----------
    licence : ndarray of shape (n_items,), str
        SPDX expression; None where none is stated or the spelling is not known. What SPDX lacks
        is a ``LicenseRef-``, as SPDX provides; "unknown" and the like are ``NOASSERTION``.
    use : ndarray of shape (n_items,), str
        From loose to strict: "commercial", "unspecified", "non-commercial", "academic-only",
        "by-permission".
    change, share : ndarray of shape (n_items,), str
        Whether changed copies, and copies, may be passed on: "yes", "unspecified" or "no".
    must_name, must_share_alike : ndarray of shape (n_items,), bool
        Whether the creators must be named, and what is made of it shared under the same licence.
    details : mapping
        `spellings`: what each spelling was read as.
    """

    prefix: ClassVar[str] = "licence"
    columns: ClassVar[Mapping[str, str]] = {"licence": "licence"}

    licence: AnyArray
    use: AnyArray
    change: AnyArray
    share: AnyArray
    must_name: BoolArray
    must_share_alike: BoolArray

    @property
    def terms(self) -> Terms:
        """The strictest terms: of all rows together, as one mixture."""
        return combined(read_licence(given)[1] for given in self._counts().index)

    @property
    def summary(self) -> str:
        return f"{len(self._counts()):,} licences, together {self.terms.use}"

    def _counts(self) -> pd.Series[Any]:
        """Count the rows by licence; "" where none is known."""
        return pd.Series(self.licence, dtype=object).fillna("").value_counts()

    @property
    def table(self) -> pd.DataFrame:
        """One row a licence: `licence`, `n_items`, `use`, `change`, `share` and `must` in words."""
        rows = []
        for licence, n in self._counts().items():
            terms = read_licence(str(licence))[1]
            must = ", ".join(words for key, words in MUST.items() if key in terms.must)
            rows.append((licence or "-", n, terms.use, terms.change, terms.share, must))
        names = ["licence", "n_items", "use", "change", "share", "must"]
        return pd.DataFrame(rows, columns=names)

    @property
    def problems(self) -> pd.DataFrame:
        """What is missing, unclear or in conflict: `problem`, `n_items`, `evidence`, `action`."""
        rows = [
            (problem, n, evidence, action)
            for given, n in self.details["counts"].items()
            for problem, evidence, action in fault_of(given or None)
        ]
        rows += [(what, len(self), why, action) for what, why, action in conflicts_of(self.terms)]
        return pd.DataFrame(rows, columns=["problem", "n_items", "evidence", "action"])

    def rows(self, use: str, *, share_alike: bool = True) -> pd.Index:
        """Return the ids of rows that permit at least `use`, with or without share-alike ones."""
        loose = USES[: USES.index(check_choice("use", use, USES)) + 1]
        kept = np.isin(self.use.astype(str), loose) & (share_alike | ~self.must_share_alike)
        ids: pd.Index = self.ids[kept]
        return ids

    def _repr_html_(self) -> str:
        tables = [
            t.to_html(index=False, border=0, notebook=True) for t in (self.table, self.problems)
        ]
        return f"<p><code>{escape(repr(self))}</code></p>{''.join(tables)}<p>{NO_ADVICE}</p>"


def licences(given: Any) -> Licences:
    """Read licences as people write them, and find the strictest terms of the mixture.

    Parameters
    ----------
    given : Series, mapping or list of str
        One licence a row: an SPDX identifier or expression, a Hugging Face identifier, a name or
        an address, or a list of them where all apply. None, NaN and "" are a missing licence.

    Returns
    -------
    Licences
        What each permits; `terms` of all together, `problems`, `rows(use)` to filter by.

    Notes
    -----
    The classes of use, and that the strictest wins, are those of [1]_. Departures: "by-permission"
    is a class of its own, stricter than academic-only, for proprietary data; a licence that is
    not known counts as unspecified and is listed, where [1]_ takes custom terms for academic-only
    until read; OpenRAIL asks to pass its limits on, which is not counted as share-alike. Of
    alternatives (``MIT OR GPL-3.0-only``) the loosest counts. It is no legal advice.

    References
    ----------
    .. [1] Longpre, Mahari, Chen et al. (2023), "The Data Provenance Initiative: A Large Scale
       Audit of Dataset Licensing & Attribution in AI". arXiv:2310.16787.

    Examples
    --------
    >>> from curalab.documents import licences
    >>> found = licences(["cc by 4.0", "Apache 2", "cc-by-nc-sa-3.0", None])
    >>> found.licence.tolist()
    ['CC-BY-4.0', 'Apache-2.0', 'CC-BY-NC-SA-3.0', None]
    >>> found
    Licences(4 items, 4 licences, together non-commercial)
    >>> found.rows("commercial").tolist()
    [0, 1]
    """
    if isinstance(given, str) or not isinstance(given, pd.Series | Mapping | Iterable):
        rule = "a Series, a mapping or a list of licences"
        raise TypeError(complain("given", rule, given, "Put a single one into a list."))
    if isinstance(given, pd.DataFrame):
        rule = "one column of licences"
        raise TypeError(complain("given", rule, what="a DataFrame", hint="Take its column."))
    listed = list(given.values()) if isinstance(given, Mapping) else list(given)
    ids = given.index if isinstance(given, pd.Series) else None
    if ids is None:
        ids = pd.Index(given) if isinstance(given, Mapping) else invented_ids(len(listed))
    codes, distinct = pd.factorize(np.array([spelled("given", v) or "" for v in listed], object))
    read = [read_licence(text) for text in distinct]
    counts = np.bincount(codes, minlength=len(distinct)).tolist()

    def taken(values: list[Any], kind: Any = object) -> AnyArray:
        return np.array(values, dtype=kind)[codes]

    return Licences(
        ids=ids,
        licence=taken([id for id, _ in read]),
        use=taken([terms.use for _, terms in read]),
        change=taken([terms.change for _, terms in read]),
        share=taken([terms.share for _, terms in read]),
        must_name=taken(["name" in terms.must for _, terms in read], bool),
        must_share_alike=taken(["alike" in terms.must for _, terms in read], bool),
        params={"verb": "licences"},
        details={
            "spellings": {text: id for text, (id, _) in zip(distinct, read, strict=True) if text},
            "counts": dict(zip(distinct, counts, strict=True)),
        },
    )


def spelled(name: str, value: Any) -> str | None:
    """Return a licence as text, several that all apply joined by AND; None where it is missing."""
    if isinstance(value, list | tuple | set | np.ndarray):
        parts = [text for part in value if (text := spelled(name, part))]
        return " AND ".join(f"({p})" if " OR " in p else p for p in parts) or None
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if not isinstance(value, str):
        raise TypeError(complain(name, "licences as text", value))
    return value.strip() or None
