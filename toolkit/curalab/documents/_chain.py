"""Datasets and what they were made of: the chain, and what it binds one to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_choice, complain
from curalab.documents._conflicts import Bound, chain_problems, fault_of
from curalab.documents._licences import NO_ADVICE
from curalab.documents._records import (
    COUNTED,
    concentration_of,
    in_order,
    last_of,
)
from curalab.documents._terms import MUST, USES, Terms, combined, read_licence
from curalab.results import StageResult

__all__ = ["Lineage"]

_USE_OF = {"use it commercially": 0, "use it for research": 3}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Lineage(StageResult):
    """Datasets, what each was made of, and under which terms; row i is dataset `ids[i]`.

    Attributes
    ----------
    records : mapping of str to mapping
        What was told of each dataset, complete: see :func:`lineage`.
    row_licences : DataFrame
        `licence` and `attribution` of the single items, indexed by id; empty where not given.
    params : mapping
        `of`: the dataset that the items are, and that is meant where none is named.
    """

    records: Mapping[str, Mapping[str, Any]]
    row_licences: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def summary(self) -> str:
        use = combined(bound.terms for name in self.ids for bound in self._own(name)).use
        return f"together {use}, {len(self.problems):,} problems"

    def __repr__(self) -> str:
        return super().__repr__().replace(" items", " datasets", 1)

    # ---- the chain -------------------------------------------------------------------------------

    def ancestors(self, dataset: str | None = None) -> list[str]:
        """Return what a dataset was made of, directly or not, nearest first."""
        found = dict.fromkeys(self.records[self._named(dataset)]["parents"])
        for name in (queue := list(found)):
            fresh = [p for p in self.records[name]["parents"] if p not in found]
            found |= dict.fromkeys(fresh)
            queue += dict.fromkeys(fresh)
        return list(found)

    @cached_property
    def generation(self) -> dict[str, int]:
        """How many steps each dataset is from the first of its ancestors; 0 has no parents."""
        depth: dict[str, int] = {}
        for name in in_order(self.records):
            above = [depth[parent] for parent in self.records[name]["parents"]]
            depth[name] = 1 + max(above, default=-1)
        return depth

    def _named(self, dataset: str | None) -> str:
        if dataset is None and self.params["of"] is None:
            rule = "the name of a dataset, as nothing derives from several of them"
            raise ValueError(complain("dataset", rule, dataset, "See `tree()`."))
        return check_choice("dataset", self.params["of"] if dataset is None else dataset, self.ids)

    def _own(self, name: str) -> Iterator[Bound]:
        """Yield what is stated of a dataset itself: its licence, its sources', its rows'."""
        record, of_rows = self.records[name], self._has_rows(name)
        if record["licence"] or not (of_rows or record["sources"]):
            id, terms = read_licence(record["licence"] or "")
            said = f"{name} is under {id or record['licence'] or 'no stated licence'}"
            yield Bound(name, said, terms, True)
        for source, stated in record["sources"].items():
            if stated:
                id, terms = read_licence(stated)
                yield Bound(name, f"the source {source} of {name} says {id or stated}", terms)
        for given, n in self._row_counts.items() if of_rows else ():
            id, terms = read_licence(given)
            kind = id or given or "no stated licence"
            said = f"{n:,} {'rows' if n > 1 else 'row'} of {name} under {kind}"
            yield Bound(name, said, terms)

    def _has_rows(self, name: str) -> bool:
        return name == self.params["of"] and len(self.row_licences) > 0

    @cached_property
    def _row_counts(self) -> dict[str, int]:
        counts = self.row_licences["licence"].fillna("").value_counts()
        return {str(given): int(n) for given, n in counts.items()}

    def terms(self, dataset: str | None = None) -> Terms:
        """Return the strictest terms of a dataset and all that it was made of."""
        return combined(bound.terms for bound in self._bounds(self._named(dataset)))

    def _bounds(self, name: str) -> list[Bound]:
        return [b for above in (name, *self.ancestors(name)) for b in self._own(above)]

    # ---- what may I do ---------------------------------------------------------------------------

    def permissions(self, dataset: str | None = None) -> pd.DataFrame:
        """Say what may and must be done, and which statement forces it.

        Returns
        -------
        DataFrame
            Columns `what`, `answer` ("yes", "unspecified", "no" or "must") and `because`, the
            statements up the chain that make it so; "" where nothing forbids it.
        """
        bounds = self._bounds(self._named(dataset))
        all_terms = combined(bound.terms for bound in bounds)
        rows = []
        for what, most in _USE_OF.items():
            at = USES.index(all_terms.use)
            answer = "unspecified" if all_terms.use == "unspecified" else ("no", "yes")[at <= most]
            forced = [b.said for b in bounds if b.terms.use == all_terms.use]
            rows.append((what, answer, "; ".join(forced) if answer != "yes" else ""))
        for what, name in (("change it and share that", "change"), ("share it", "share")):
            answer = getattr(all_terms, name)
            forced = [b.said for b in bounds if getattr(b.terms, name) == answer]
            rows.append((what, answer, "; ".join(forced) if answer != "yes" else ""))
        for key, what in MUST.items():
            forced = [b.said for b in bounds if key in b.terms.must]
            if forced:
                rows.append((what, "must", "; ".join(forced)))
        return pd.DataFrame(rows, columns=["what", "answer", "because"])

    def in_words(self, dataset: str | None = None) -> str:
        """Say what may be done with a dataset, a sentence a line. It is no legal advice."""
        says = {"yes": "You may", "no": "You may not", "must": "You must"}
        lines = [f"What you may do with {self._named(dataset)}:"]
        for what, answer, because in self.permissions(dataset).itertuples(index=False):
            said = f"{says.get(answer, 'Nothing says whether you may')} {what}"
            lines.append(f"- {said}: {because}." if because else f"- {said}.")
        return "\n".join([*lines, "", NO_ADVICE])  # a list and a paragraph, in Markdown too

    @cached_property
    def problems(self) -> pd.DataFrame:
        """What is missing, unclear or contradicts itself, dataset by dataset.

        Columns `dataset`, `problem`, `evidence`, `action`.
        """
        rows = []
        for name in self.ids:
            record, above = self.records[name], self.ancestors(name)
            own = list(self._own(name))
            handed_down = [bound for parent in above for bound in self._own(parent)]
            rows += [(name, *told) for given in self._stated(name) for told in fault_of(given)]
            rows += [(name, *told) for told in chain_problems(record, own, handed_down)]
        return pd.DataFrame(rows, columns=["dataset", "problem", "evidence", "action"])

    def _stated(self, name: str) -> Iterator[str | None]:
        """Yield the spellings that stand for a dataset; None where one is missing."""
        record, of_rows = self.records[name], self._has_rows(name)
        if record["licence"] or not (of_rows or record["sources"]):
            yield record["licence"]
        yield from dict.fromkeys(terms for terms in record["sources"].values() if terms)
        yield from (given or None for given in self._row_counts if of_rows)

    # ---- to look at and to hand on ---------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one row a dataset: what was told, and `use`, `change`, `share` down the chain."""
        frame = pd.DataFrame.from_dict(dict(self.records), orient="index").reindex(self.ids)
        found = {name: self.terms(name) for name in self.ids}
        for part in ("use", "change", "share"):
            frame[part] = [getattr(found[name], part) for name in self.ids]
        spdx = [read_licence(given)[0] for given in frame["licence"].fillna("")]
        return frame.assign(licence=pd.Series(spdx, index=self.ids, dtype=object))

    def tree(self, dataset: str | None = None) -> str:
        """Draw what a dataset was made of as text, one dataset a line."""
        seen: set[str] = set()

        def branch(name: str, lead: str, below: str) -> Iterator[str]:
            record = self.records[name]
            told = [name, read_licence(record["licence"] or "")[0] or record["licence"] or "?"]
            told += [record["how"]] if record["how"] else []
            again = name in seen and bool(record["parents"])
            yield lead + " · ".join(told) + (" (see above)" if again else "")
            for i, parent in enumerate(() if again else record["parents"], 1):
                seen.add(name)
                last = i == len(record["parents"])
                yield from branch(parent, below + "└─├─"[2 * (not last) :][:2] + " ",
                                  below + ("   " if last else "│  "))  # fmt: skip

        top = [self._named(dataset)] if dataset or self.params["of"] else last_of(self.records)
        return "\n".join(line for name in top for line in branch(name, "", ""))

    def facts(self, dataset: str | None = None) -> dict[str, str]:
        """Return what a dataset card tells: several values are joined by "; ".

        Of `source`, `creators`, `licence` (its SPDX expression; that of its rows where it states
        none), `languages`, `tasks`, `places`, `years` and `derived from`, those that are known.
        """
        name = self._named(dataset)
        chain = [self.records[n] for n in (name, *self.ancestors(name))]
        given = [self.records[name]["licence"]]
        if given == [None] and name == self.params["of"]:
            given = list(self._row_counts)
        ids = [read_licence(text or "")[0] for text in given]
        told = {"source": "sources", "creators": "creators", "languages": "languages"}
        told |= {"tasks": "tasks", "places": "places"}
        facts = {
            what: "; ".join(dict.fromkeys(v for record in chain for v in record[key]))
            for what, key in told.items()
        }
        facts["licence"] = (
            "" if None in ids or "NOASSERTION" in ids else " AND ".join(map(str, ids))
        )
        years = [year for record in chain for year in record["years"]]
        facts["years"] = " to ".join(map(str, sorted({min(years), max(years)}))) if years else ""
        facts["derived from"] = "; ".join(self.ancestors(name))
        return {what: text for what, text in facts.items() if text}

    def attributions(self, dataset: str | None = None) -> pd.DataFrame:
        """Return whom to name: one row a dataset of the chain, then one row an item.

        Columns `dataset`, `id` (None for a whole dataset), `licence`, `attribution` (its creators
        where no text was given) and `must_name`.
        """
        name = self._named(dataset)
        chain = [(n, self.records[n]) for n in (name, *self.ancestors(name))]
        table = pd.DataFrame(
            {
                "dataset": [n for n, _ in chain],
                "id": None,
                "licence": [record["licence"] for _, record in chain],
                "attribution": [r["attribution"] or "; ".join(r["creators"]) for _, r in chain],
            },
            dtype=object,
        )
        if name == self.params["of"] or self.params["of"] in self.ancestors(name):
            items = self.row_licences.reset_index(names="id").astype(object)
            table = pd.concat([table, items.assign(dataset=self.params["of"])], ignore_index=True)
        codes, given = pd.factorize(table["licence"].fillna("").to_numpy(object))
        read = [read_licence(text) for text in given]
        table["licence"] = pd.Series(np.array([id for id, _ in read], object)[codes], dtype=object)
        return table.assign(must_name=np.array(["name" in t.must for _, t in read])[codes])

    def concentration(self, of: str = "languages") -> pd.DataFrame:
        """Measure how much a few languages, places or others make up, over the years.

        Parameters
        ----------
        of : {"languages", "places", "years", "tasks", "sources", "creators"}
            What is counted. Each dataset counts once, split evenly between its values.

        Returns
        -------
        DataFrame
            Columns `year` (all datasets of up to that year; a last block without year holds all,
            those of unknown year too), `value`, `share` from 0 to 1, largest first, and `gini` of
            the shares: 0 where all values have the same, towards 1 where one has nearly all.
        """
        return concentration_of(self.records, check_choice("of", of, COUNTED))

    def _repr_html_(self) -> str:
        words = escape(self.in_words()) if self.params["of"] else escape(NO_ADVICE)
        table = self.problems.to_html(index=False, border=0, notebook=True, max_rows=60)
        shown = f"<p><code>{escape(repr(self))}</code></p><pre>{escape(self.tree())}</pre>"
        return f'{shown}<p style="white-space:pre-wrap">{words}</p>{table}'
