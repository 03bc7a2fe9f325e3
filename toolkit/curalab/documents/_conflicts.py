"""What is missing, unclear or in conflict among licences and along a chain of datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from curalab.documents._terms import ANSWERS, UNSTATED, USES, Terms, combined, fitting, read_licence

__all__ = ["Bound", "Told", "chain_problems", "conflicts_of", "fault_of"]

Told = tuple[str, str, str]  # problem, evidence, action

_FAULTS = {  # of one licence: evidence, action
    "missing": ("no licence is stated", "Ask the creators; until then nobody has permission."),
    "unspecified": ("{0!r} says nothing", "Look the licence up at the source."),
    "unknown spelling": ("{0!r} is no licence known here", "Give the SPDX identifier."),
    "no version": ("{0!r} names no version", "Look up the version and name it."),
    "unknown terms": ("what {0!r} permits is not known here", "Read it yourself."),
}
_NO_VERSION = tuple(f"LicenseRef-{name}" for name in ("CC-BY", "GPL", "LGPL", "GFDL"))


class Bound(NamedTuple):
    """One statement and what it binds those to who build on the dataset."""

    dataset: str
    said: str
    terms: Terms
    is_licence: bool = False


def fault_of(given: str | None) -> Iterator[Told]:
    """Say what is wrong with one licence as it is written."""
    id, terms = read_licence(given or "")
    if given is None:
        problem = "missing"
    elif id is None:
        problem = "unknown spelling"
    elif "NOASSERTION" in id:
        problem = "unspecified"
    elif id.startswith(_NO_VERSION):
        problem = "no version"
    elif terms.use == "unspecified":
        problem = "unknown terms"
    else:
        return
    evidence, action = _FAULTS[problem]
    yield problem, evidence.format(given), action


def conflicts_of(terms: Terms) -> Iterator[Told]:
    """Say why a mixture under `terms` may not be shared."""
    if terms.alike and not fitting(terms):
        why = f"{', '.join(sorted(terms.alike))} must each cover the whole"
        if len(terms.alike) == 1:
            why = f"{min(terms.alike)} must cover the whole, and a part is {terms.use}"
        yield "share-alike conflict", why, "Share the parts separately, or leave one out."
    if terms.share == "no":
        why, action = "a part may not be passed on", "Leave it out, or ask its owner."
        yield "no sharing", why, action
    elif terms.change == "no":
        why, action = "a part may be passed on only unchanged", "Leave it out, or ask its creators."
        yield "no derivatives", why, action


def chain_problems(
    record: Mapping[str, Any], own: list[Bound], above: list[Bound]
) -> Iterator[Told]:
    """Say what is wrong with one dataset, given what binds it itself and what does from above."""
    silent = [source for source, terms in record["sources"].items() if not terms]
    if silent:
        evidence = f"nothing is said of {', '.join(silent)}"
        yield "source terms missing", evidence, "Look up the terms of use of the source."
    inside = [bound for bound in own if not bound.is_licence]
    for claim in (bound for bound in own if bound.is_licence):
        yield from _too_loose(claim, inside, "licence against source terms")
        yield from _too_loose(claim, above, "licence looser than its origin")
    kept = [*inside, *above]
    terms = combined(bound.terms for bound in kept)
    near = {*record["parents"], *(bound.dataset for bound in own)}
    for problem, why, action in conflicts_of(terms):
        if problem == "share-alike conflict":
            part = [b for b in kept if b.terms.alike or b.terms.use == terms.use]
        else:  # of the dataset that was made of such a part, not of those further down
            part = [
                b for b in kept if "no" in (b.terms.change, b.terms.share) and b.dataset in near
            ]
        if part:
            yield problem, f"{why}: {'; '.join(b.said for b in part)}", action
    fits, id = fitting(terms), read_licence(record["licence"] or "")[0]
    if fits and id and not fits & set(id.replace("(", "").replace(")", "").split()):
        said = "; ".join(bound.said for bound in kept if bound.terms.alike)
        yield "share-alike not kept", f"it is under {id}, but {said}", f"Use {_either(fits)}."


def _either(ids: set[str]) -> str:
    plain = sorted(ids, key=lambda id: (id.count("-"), id))
    return " or ".join(plain[:3])


def _too_loose(claim: Bound, others: list[Bound], problem: str) -> Iterator[Told]:
    """Say where a licence permits what others withhold, as far as both are stated."""
    tighter = [
        b.said
        for b in others
        if _is_stricter(b.terms.use, claim.terms.use, USES)
        or _is_stricter(b.terms.share, claim.terms.share, ANSWERS)
    ]
    if tighter and claim.terms != UNSTATED:
        action = "State a licence at least as strict, or leave those parts out."
        yield problem, f"{claim.said}, but {'; '.join(tighter)}", action


def _is_stricter(a: str, b: str, order: tuple[str, ...]) -> bool:
    return a != "unspecified" and order.index(a) > order.index(b)
