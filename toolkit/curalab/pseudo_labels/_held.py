"""Classes that labels and links fix, and probabilities that keep links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray, complain, first_few
from curalab._links import Links, read_links
from curalab.pool import Pool
from curalab.pseudo_labels._balance import rows_to_one

__all__ = ["Held", "held_by"]

_LEAST = 1e-12  # a chance that is none


@dataclass(frozen=True, eq=False)
class Held:
    """What labels and links say of the rows.

    Attributes
    ----------
    known, codes : ndarray of shape (n_known,), int
        The rows whose class is sure, by their own label or by links, and the class of each.
    rows, part : ndarray of shape (n_linked,), int
        The other linked rows, and the part of each: rows that share a class.
    apart : sparse array of shape (n_parts, n_parts)
        1 where two parts must not share a class.
    barred : ndarray of shape (n_parts, n_classes), bool
        Classes that a part cannot have.
    has_links : bool
        Whether there is any link.
    """

    known: IntArray
    codes: IntArray
    rows: IntArray
    part: IntArray
    apart: Any
    barred: BoolArray
    has_links: bool

    def linked(self, odds: FloatArray, factor: FloatArray) -> FloatArray:
        """Return the log odds with those of a part averaged, and against what it is apart from.

        A class loses log(1 - p), with p the other part's probability of it by that part's own
        odds: for two parts that is exact, and it does not swing as each follows the other's last
        step would. `factor` is what the classes' sizes made of the odds in the step before.
        """
        if not len(self.rows):
            return odds
        own = self._mean(odds)
        own[self.barred] = -np.inf
        likely = rows_to_one(np.exp(own - own.max(axis=1, keepdims=True)) * factor)
        own += self.apart @ np.log(np.maximum(1 - likely, _LEAST))
        odds[self.rows] = own[self.part]
        return odds

    def kept(self, proba: FloatArray) -> tuple[FloatArray, dict[str, int]]:
        """Return probabilities whose likeliest classes keep the links, and how many they do not.

        Where two parts want a class, the surer one gets it. Where that order leads to a part
        without any class, the most restricted part goes first.
        """
        if not self.has_links:
            return proba, {}
        own = self._mean(proba)
        broken = _broken(own, self.apart)
        for careful in (False, True):
            if broken:
                other = _settled(self._mean(proba), self.apart, self.barred, careful=careful)
                left = _broken(other, self.apart)
                own, broken = (other, left) if left < broken else (own, broken)
        proba[self.rows] = own[self.part]
        return proba, {"violated": broken}

    def _mean(self, values: FloatArray) -> FloatArray:
        total = np.zeros((len(self.barred), values.shape[1]))
        np.add.at(total, self.part, values[self.rows])
        return total / np.bincount(self.part, minlength=len(total))[:, None]


def held_by(pool: Pool, must_link: Any, cannot_link: Any) -> Held:
    """Return what follows of the labels and the links, or say what contradicts what."""
    from scipy.sparse import csr_array

    links = read_links(pool.ids, must_link, cannot_link)
    n_classes, codes = len(pool.classes), pool.codes.copy()
    label = _label_of_parts(pool, links)
    apart = csr_array(links.apart.astype(np.float64))
    barred = (label >= 0)[:, None] & (label[:, None] != np.arange(n_classes))
    while True:  # a part that has one class left takes it from those it is apart from
        sure = barred.sum(axis=1) == n_classes - 1
        more = barred | (apart @ (sure[:, None] & ~barred).astype(np.float64) > 0)
        if (more == barred).all():
            break
        barred = more
    crowd = _crowd(links.apart, barred)
    if len(crowd):
        first = pool.ids[links.rows[np.unique(links.part, return_index=True)[1]]]
        left = int((~barred[crowd]).any(axis=0).sum())
        rule = f"rows that {n_classes} classes are enough to keep apart"
        got = f"{first_few(first[crowd])}, with {left} classes left for them"
        raise ValueError(complain("cannot_link", rule, what=got))
    codes[links.rows] = np.where(sure, barred.argmin(axis=1), -1)[links.part]
    known, free = np.flatnonzero(codes >= 0), ~sure[links.part]
    return Held(
        known=known,
        codes=codes[known],
        rows=links.rows[free],
        part=(np.cumsum(~sure) - 1)[links.part[free]],
        apart=apart[~sure][:, ~sure],
        barred=barred[~sure],
        has_links=bool(len(links.rows)),
    )


def _label_of_parts(pool: Pool, links: Links) -> IntArray:
    """Return the class of each part by its labels, -1 where it has none."""
    codes = pool.codes[links.rows]
    rows, codes, part = (each[codes >= 0] for each in (links.rows, codes, links.part))
    label, speaker = (np.full(len(links.apart), -1) for _ in range(2))
    label[part], speaker[part] = codes, rows
    named: AnyArray = np.asarray(pool.classes)

    def says(row: int) -> str:
        return f"{first_few([pool.ids[row]])} labelled {first_few([named[pool.codes[row]]])}"

    wrong = np.flatnonzero(label[part] != codes)
    if len(wrong):
        one, other = rows[wrong[0]], speaker[part[wrong[0]]]
        got = f"{says(one)} and {says(other)}"
        raise ValueError(complain("must_link", "groups of rows of one label", what=got))
    alike = links.apart & (label >= 0)[:, None] & (label[:, None] == label)
    if alike.any():
        got = " and ".join(says(speaker[each]) for each in np.argwhere(alike)[0])
        raise ValueError(complain("cannot_link", "groups of rows of different labels", what=got))
    return label


def _crowd(apart: BoolArray, barred: BoolArray) -> IntArray:
    """Return parts to keep apart from one another that have too few classes left, or none.

    Of several parts those are found that a greedy search for cliques finds. A class is apart from
    the other classes, and from the parts that cannot have it.
    """
    n_classes, n_barred = barred.shape[1], barred.sum(axis=1)
    if (n_barred == n_classes).any():
        return np.flatnonzero(n_barred == n_classes)[:1]
    rows = np.flatnonzero(n_barred < n_classes - 1)  # the others' classes are barred already
    barred, apart = barred[rows], apart[np.ix_(rows, rows)]
    whole = np.block([[~np.eye(n_classes, dtype=bool), barred.T], [barred, apart]])
    for start in n_classes + np.flatnonzero(whole[n_classes:].sum(axis=1) >= n_classes):
        clique, left = [start], np.flatnonzero(whole[start])
        while len(left):
            clique.append(left[whole[np.ix_(left, left)].sum(axis=1).argmax()])
            left = left[whole[clique[-1], left]]
        if len(clique) > n_classes:
            return rows[[one - n_classes for one in clique if one >= n_classes]]
    return rows[:0]


def _broken(own: FloatArray, apart: Any) -> int:
    one, other = apart.nonzero()
    best = own.argmax(axis=1) if own.size else np.zeros(len(own), dtype=int)
    return int((best[one] == best[other]).sum()) // 2


def _settled(own: FloatArray, apart: Any, barred: BoolArray, *, careful: bool) -> FloatArray:
    """Return probabilities of parts, one after the other without the classes that are taken.

    Parts that no broken link reaches stay as they are.
    """
    from scipy.sparse.csgraph import connected_components

    taken = barred.copy()

    def free(parts: IntArray) -> FloatArray:
        return np.where(taken[parts], -1.0, own[parts])

    def haste(parts: IntArray) -> FloatArray:
        """Return how much a part loses that does not get its class."""
        top = np.sort(free(parts), axis=1)
        return np.asarray(top[:, -1] - top[:, -2] + careful * 2 * taken[parts].sum(axis=1))

    one, other = apart.nonzero()
    best = own.argmax(axis=1)
    _, group = connected_components(apart, directed=False)
    waits = np.isin(group, group[one[best[one] == best[other]]])
    order = np.where(waits, haste(np.arange(len(own))), -np.inf)
    while waits.any():
        part = int(order.argmax())
        if not taken[part].all():  # else it stays where it is
            left = free(np.array([part]))[0].clip(0)
            left[left.argmax() if left.any() else taken[part].argmin()] += _LEAST
            own[part] = left / left.sum()
        waits[part], order[part] = False, -np.inf
        near = apart.indices[apart.indptr[part] : apart.indptr[part + 1]]
        taken[near, own[part].argmax()] = True
        near = near[waits[near]]
        order[near] = haste(near)
    return own
