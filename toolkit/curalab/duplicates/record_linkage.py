"""Records that mean the same thing without a shared id: rows of a table, names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_choice, check_integer, complain
from curalab.duplicates._compare import Linkage, linkage_of
from curalab.duplicates._pairs import COMPLETE, components, expanded, pairs_within
from curalab.duplicates._records import Records, records_of
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["RecordLinkage"]

_NAME = "record_linkage"


@dataclass(frozen=True, kw_only=True)
class RecordLinkage:
    """Rows of a table, or names, that are written differently and mean the same.

    Similarity is the probability that two rows match, learnt without labels. First, rows that
    share rare character n-grams become candidates (blocking). Then each field of a candidate pair
    is compared, and so are the rows as a whole: how similar their texts are, less half of how
    similar both usually are to their ten nearest. A mixture of matches and others, as of Fellegi
    and Sunter, says what each agreement is worth. Known `aliases` add what no comparison of
    characters can tell.

    The rows are the `data` of the pool or embedding: a table, dicts or texts. Columns of texts,
    numbers, dates and truth values count: leave out ids that tell rows apart. A missing cell says
    nothing; a row without any content is like no other. Rows with the same content, up to
    aliases, are of similarity 1. With `aliases` it needs the extra "duplicates" (rapidfuzz).

    Parameters
    ----------
    compare : {"fields", "joined"}, default="fields"
        Whether fields are compared one by one and as a whole, or as a whole only: the choice for
        data with values in the wrong fields, or with few fields.
    aliases : sequence of pairs of str, default=()
        Names known to mean the same, such as ("ibm", "big blue"). Cells that hold names of one
        community of aliases agree. From 20 pairs up, also how alike two names of one thing are
        is learnt from them, and rates all fields of texts.
    partners : int, default=10
        Candidates of each row: its most similar others. More find more members of large groups,
        and take longer.
    largest_block : int, default=200
        An n-gram that more rows have makes no candidates.

    Notes
    -----
    A set whose rows are all different but alike (versions of a product, parts of a series) looks
    the same as one with matches, and some of its rows are paired: judge some of the pairs, and
    raise the threshold with what `Duplicates.precision` says.

    Of judged pairs, precision and recall at the default threshold are .94 and .98 for publications
    of two lists, .88 and .58 for songs and .65 and .55 for products of two shops; for generated
    registers of persons, 1.00 and 1.00. The settings were chosen with these sets in sight.

    In a group of up to 100, every pair is looked at in the end, also where no block has it.

    References
    ----------
    .. [1] Libgober, Jerzak (2024), "Linking Datasets on Organizations Using Half A Billion Open
       Collaborated Records", Political Science Research and Methods, arXiv:2302.02533. (A learned
       match of strings, and communities in a network of aliases. There a neural network is
       trained on aliases of half a billion records of a job site, which also make the network;
       here there are the user's `aliases`: a logistic regression learns from them, and
       communities come from Markov clustering. A cell must be an alias, up to case and white
       space, to be in a community.)
    .. [2] Fellegi, Sunter (1969), "A Theory for Record Linkage", Journal of the American
       Statistical Association 64. (Ours: the levels of matches are learnt from pairs that are
       each other's best, which keeps the search from taking all similar rows for matches, and
       start from an expectation that a match agrees; the worth of an agreement never falls
       with similarity; and the similarity as a whole counts relative to the rows around.)
    """

    cost: ClassVar[str] = "one inverted index of character n-grams, then ten candidates a row"
    needs: ClassVar[str] = "data"
    default_threshold: ClassVar[float] = 0.5

    compare: str = "fields"
    aliases: Sequence[tuple[str, str]] = ()
    partners: int = 10
    largest_block: int = 200

    def __post_init__(self) -> None:
        rule = "a sequence of pairs of names"
        aliases: Any = self.aliases  # whatever a user gave
        if isinstance(aliases, str) or not isinstance(aliases, Iterable):
            raise TypeError(complain("aliases", rule, aliases))
        given = tuple(
            tuple(pair) if isinstance(pair, list | np.ndarray) else pair for pair in aliases
        )
        for pair in given:
            if not (isinstance(pair, tuple) and [type(name) for name in pair] == [str, str]):
                raise TypeError(complain("aliases", rule, what=f"{pair!r} among them"))
        object.__setattr__(self, "aliases", given)  # which is a value, and hashes

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        records, made = self._linkage(pool)
        chance = made.probability(made.candidates)
        is_match = chance >= threshold
        links, weight = made.candidates[is_match], chance[is_match]
        part = components(len(made.usual), links)
        is_large = np.bincount(part, minlength=1)[part] > COMPLETE
        pairs = pairs_within(np.where(is_large, -1, part))
        within = made.probability(pairs)
        is_match, is_kept = within >= threshold, is_large[links[:, 0]]
        pairs = np.concatenate([pairs[is_match], links[is_kept]])
        similarity = np.concatenate([within[is_match], weight[is_kept]])
        share = float(1 / (1 + np.exp(-made.model.odds)))
        details = {"candidates": len(made.candidates), "matching_share": share}
        return *expanded(records.label, pairs, similarity), details

    def similarity(self, pool: Pool, pairs: IntArray) -> FloatArray:
        """Return the similarity of pairs of row numbers (m, 2), shape (m,).

        All rows of the pool count, as what an agreement is worth is learnt from them. 0 for pairs
        with a row without any content.
        """
        records, made = self._linkage(pool)
        asked = records.label[pairs]
        is_present = (asked >= 0).all(axis=1)
        is_other = is_present & (asked[:, 0] != asked[:, 1])
        found: FloatArray = (is_present & ~is_other).astype(np.float64)
        found[is_other] = made.probability(asked[is_other])
        return found

    def _linkage(self, pool: Pool) -> tuple[Records, Linkage]:
        check_choice("compare", self.compare, ("fields", "joined"))
        partners = check_integer("partners", self.partners, low=1, high=1_000)
        largest = check_integer("largest_block", self.largest_block, low=2, high=1_000_000)
        records = records_of(pool, name=_NAME)
        made = linkage_of(
            records,
            by_field=self.compare == "fields",
            aliases=self.aliases,
            partners=partners,
            largest=largest,
        )
        return records, made
