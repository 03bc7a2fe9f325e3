"""Kernel regression on the spectrum that all rows give, for labels and for numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from curalab._check import FloatArray, IntArray, check_choice, check_integer, check_real
from curalab.embedding import Embedding
from curalab.pool import Pool
from curalab.pseudo_labels.low_shot_probe import probe_of

__all__ = ["SpectralKernel", "kernel_regression"]

_K, _POWER = 15, 3.0  # neighbours, and the power of their similarity, as in propagation
_DENSE = 1_500  # rows up to which all eigenvectors are computed
_BESIDE, _PASSES, _STEPS = 50, 3, 4  # of the search for the largest eigenvectors
_FAINT = 1e-4
_ROUNDING = 1e-6
_C = 10.0


@dataclass(frozen=True, kw_only=True)
class SpectralKernel:
    """Ridge regression with a kernel whose spectrum all rows, labelled or not, have shaped.

    The base kernel is the normalised graph of the 15 nearest neighbours over all rows. Its
    eigenvalues λ, from 0 to 1, are replaced by s(λ), which falls faster than λ: what varies
    slowly over the graph is cheap, what varies quickly dear. The ridge is solved on the labelled
    rows. Values below 0.0001 are raised to it, and rows scaled to sum to 1.

    With `probe`, the answer is joined with logistic regression on the labelled rows, as
    propagation does it: p·f / share of the class among the labels.

    Parameters
    ----------
    transform : {"polynomial", "inverse_laplacian", "pca"}, default="polynomial"
        s(λ) = λ^degree; λ / (1 - eta·λ); or λ for the `rank` largest and 0 for the rest.
    degree : int, default=16
        Of the polynomial. 1 is plain kernel ridge regression.
    eta : float, default=0.99
        Of the inverse Laplacian, from 0 to 0.9999; more looks further along the graph.
    rank : int, default=None
        Eigenvectors used. None is 500, with "pca" twice the number of classes (20 for numbers).
    ridge : float, default=0.3
        Penalty, in units of the kernel's mean diagonal.
    probe : bool, default=True
        Whether to join the probe. False is the paper's.

    Notes
    -----
    [1]_ solves for the values at all rows by iterations. Here the largest eigenvectors are found
    once, by block power iteration and Rayleigh-Ritz, which serves every s(λ); beyond them s is
    taken for 0. The rest of a slow s is lost: "inverse_laplacian" with many classes wants a
    larger `rank`. A new row has kernel values to its 15 nearest rows, and their mean degree.
    Labels are centred at their mean, which stands for an intercept.

    References
    ----------
    .. [1] Zhai, Pukdee, Jin, Balcan, Ravikumar (2024), "Spectrally Transformed Kernel Regression",
       ICLR. arXiv:2402.00645.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [9]], 30, axis=0)
    >>> labels = ["a"] + [None] * 29 + ["b"] + [None] * 29
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="spectral_kernel")
    >>> soft.labels[[1, 59]].tolist()
    ['a', 'b']
    """

    cost: ClassVar[str] = "one neighbour pass, 500 eigenvectors of the graph, one solve"
    needs: ClassVar[str] = "labels"

    transform: str = "polynomial"
    degree: int = 16
    eta: float = 0.99
    rank: int | None = None
    ridge: float = 0.3
    probe: bool = True

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        known, points = np.flatnonzero(pool.is_labelled), pool.embedding.points
        wanted = np.eye(len(pool.classes))[pool.codes[known]]
        share = wanted.mean(axis=0)
        fit = kernel_regression(pool.embedding, known, wanted, self, rng=rng)
        ask = probe_of(pool, C=_C) if self.probe else None

        def joined(values: FloatArray, points: FloatArray) -> FloatArray:
            seen = np.maximum(values, _FAINT)
            if ask is not None:
                # A class without labels has no share to divide by, and the probe's word alone.
                seen = ask(points) * seen / np.where(share > 0, share, 1.0)
            return np.asarray(seen / seen.sum(axis=1, keepdims=True))

        def predict(new: FloatArray) -> FloatArray:
            return joined(fit.extend(new), new)

        return joined(fit.values, points), {"predict": predict, "eigenvalues": fit.spectrum}


class Fit(NamedTuple):
    """Values at all rows (n, columns), what extends them to new ones, and the base spectrum."""

    values: FloatArray
    extend: Callable[[FloatArray], FloatArray]
    spectrum: FloatArray


def kernel_regression(
    embedding: Embedding,
    known: IntArray,
    wanted: FloatArray,
    settings: SpectralKernel,
    *,
    rng: np.random.Generator,
) -> Fit:
    """Solve the ridge for `wanted`, (n_known, columns), at the rows `known`."""
    from scipy.linalg import solve

    check_choice("transform", settings.transform, ["polynomial", "inverse_laplacian", "pca"])
    check_integer("degree", settings.degree, low=1)
    check_real("eta", settings.eta, low=0, high=0.9999)
    check_real("ridge", settings.ridge, low=1e-6, high=1e6)
    usual = max(20, 2 * wanted.shape[1]) if settings.transform == "pca" else 500
    rank = usual if settings.rank is None else check_integer("rank", settings.rank, low=1)
    graph, root = _kernel(embedding)
    value, vector = _largest(graph, min(rank, len(embedding)), rng)
    if settings.transform == "polynomial":
        bent = value**settings.degree
    else:
        bent = value / (1 - settings.eta * value) if settings.transform != "pca" else value
    bent = bent * len(embedding) / max(float(bent @ np.einsum("nr,nr->r", vector, vector)), 1e-12)
    root_bent, middle = np.sqrt(bent), wanted.mean(axis=0)
    some = vector[known] * root_bent  # the kernel is some·someᵀ, but the ridge wants someᵀ·some
    own = some.T @ some  # (rank, rank), however many rows are known
    own.flat[:: len(own) + 1] += settings.ridge
    way = root_bent[:, None] * solve(own, some.T @ (wanted - middle), assume_a="pos")
    spread = vector @ (way / value[:, None])  # the kernel to it gives the values: K·U/λ = U

    def extend(new: FloatArray) -> FloatArray:
        near = embedding.search(new, min(_K, len(embedding)))
        weight = np.maximum(near.similarity, 1e-6).astype(np.float64) ** _POWER
        weight /= weight.sum(axis=1, keepdims=True)
        own = (weight * root[near.indices]).sum(axis=1, keepdims=True)
        told = np.einsum("nk,nkc->nc", weight / root[near.indices], spread[near.indices])
        return np.asarray(own * told + middle)

    return Fit(vector @ way + middle, extend, value)


def _kernel(embedding: Embedding) -> tuple[Any, FloatArray]:
    """Return the normalised graph (n, n), float32, and the square roots of its degrees (n,)."""
    from scipy.sparse import csr_array, diags_array

    n, k = len(embedding), min(_K, len(embedding) - 1)
    near = embedding.neighbors(k)
    weight = np.maximum(near.similarity, 1e-6).astype(np.float32) ** _POWER
    starts = np.arange(0, n * k + 1, k)
    one_way = csr_array((weight.ravel(), near.indices.ravel(), starts), shape=(n, n))
    graph = one_way + one_way.T
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    half = diags_array((1 / root).astype(np.float32))
    return (half @ graph @ half).tocsr(), root.astype(np.float64)


def _largest(graph: Any, number: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the `number` largest positive eigenvalues, and their vectors (n, at most number)."""
    n = graph.shape[0]
    if n <= _DENSE or 2 * number > n:
        value, vector = np.linalg.eigh(graph.toarray().astype(np.float64))
    else:
        basis = rng.normal(size=(n, number + _BESIDE)).astype(np.float32)
        for _ in range(_PASSES):
            for _ in range(_STEPS):
                basis = (graph @ basis + basis) / 2  # without negative eigenvalues to pull at it
            basis = np.linalg.qr(basis)[0]
        value, turn = np.linalg.eigh((basis.T @ (graph @ basis)).astype(np.float64))
        vector = basis @ turn[:, -number:].astype(np.float32)
    keep = np.flatnonzero(value[-number:] > _ROUNDING)[::-1]
    return value[-number:][keep], vector[:, -number:][:, keep].astype(np.float64)
