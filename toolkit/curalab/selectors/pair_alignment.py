"""Selection of pairs that belong together, by the similarity of their two vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, align, are_invented, check_real, complain
from curalab._points import unit_rows
from curalab.embedding import Embedding
from curalab.pool import FloatArray, IntArray, Pool
from curalab.selectors._top_k import best_rows

__all__ = ["PairAlignment"]


@dataclass(frozen=True, kw_only=True)
class PairAlignment:
    """Keep the pairs whose two parts, such as an image and its caption, say the same.

    The pool holds one part of each pair and `other` the other part, in one space (CLIP's, or one
    text encoder's for two languages). The score of a row is the cosine of its two vectors,
    whatever the metric of the pool.

    Parameters
    ----------
    other : Embedding
        The partners of the pool's rows, matched by id; without ids, by position. It must have as
        many dimensions as the pool.
    least : float, default=-1.0
        Cosine below which a pair does not pass. The paper takes 0.28 for English with CLIP
        ViT-B/32, 0.26 else; other encoders have other scales.
    limits : Cascade, or bool array or Series of shape (n_items,), default=None
        What else a pair must pass, such as scores for language, watermark or safety: the `keep` of
        rules over them (``cascade``). None asks for nothing more.

    Notes
    -----
    `select` asks for `k` rows and gets them: those that do not pass come after all that do, and
    `details["n_passing"]` says how many of the picks pass. Gain is the cosine.

    References
    ----------
    .. [1] Schuhmann, Beaumont, Vencu, Gordon, Wightman, Cherti, et al. (2022), "LAION-5B: An Open
       Large-Scale Dataset for Training Next Generation Image-Text Models", NeurIPS Datasets and
       Benchmarks. arXiv:2210.08402.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import PairAlignment
    >>> images = cl.Embedding(vectors=np.array([[1.0, 0], [1, 0], [0, 1]]))
    >>> captions = cl.Embedding(vectors=np.array([[0.0, 1], [1, 0], [1, 1]]))
    >>> pick = cl.select(images, 2, method=PairAlignment(other=captions, least=0.9))
    >>> pick.ids.tolist(), pick.details["n_passing"]
    ([1, 2], 1)
    """

    cost: ClassVar[str] = "one pass over the pairs"

    other: Embedding
    least: float = -1.0
    limits: Any = None

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, those that pass and are most alike first, and their cosine."""
        check_real("least", self.least, low=-1, high=1)
        similarity = self._similarity(pool)
        passing = (similarity >= self.least) & self._within(pool)
        # cosines lie in [-1, 1], so that any row that passes comes before any that does not
        rows = best_rows(similarity + 4.0 * passing, pool, k, rng=rng)
        return rows, {
            "gain": similarity[rows],
            "passing": passing[rows],
            "n_passing": int(passing[rows].sum()),
        }

    def _similarity(self, pool: Pool) -> FloatArray:
        if not isinstance(self.other, Embedding):
            raise TypeError(complain("other", "an Embedding", what=type(self.other).__name__))
        if self.other.shape[1] != pool.embedding.shape[1]:
            rule = f"of {pool.embedding.shape[1]:,} dimensions, as the embedding is"
            raise ValueError(complain("other", rule, self.other.shape[1]))
        place = _carrying(np.arange(len(self.other)), self.other.ids)
        partners = np.asarray(self.other.vectors)[np.asarray(align("other", place, pool.ids))]
        own = unit_rows(np.asarray(pool.embedding.vectors))
        return np.asarray(np.einsum("nd,nd->n", own, unit_rows(partners), dtype=np.float64))

    def _within(self, pool: Pool) -> BoolArray:
        if self.limits is None:
            return np.ones(len(pool), dtype=bool)
        is_result = hasattr(self.limits, "keep")
        kept = _carrying(self.limits.keep, self.limits.ids) if is_result else self.limits
        mask = np.asarray(align("limits", kept, pool.ids))
        if mask.dtype != np.bool_ or mask.ndim != 1:
            rule = "a Cascade, or True and False, one a row"
            raise TypeError(complain("limits", rule, what=f"dtype {mask.dtype}"))
        return mask


def _carrying(values: AnyArray, ids: pd.Index) -> Any:
    """Return the values with their ids, or alone where the toolkit made the ids up."""
    return values if are_invented(ids) else pd.Series(values, index=ids)
