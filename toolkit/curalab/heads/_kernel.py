"""Features on which a linear head can bend."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray

__all__ = ["kernel_features"]

_LANDMARKS = 512
_BLOCK = 4_096


def kernel_features(points: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """Return features whose inner products are close to a Gaussian kernel of the points.

    The Nyström approximation on at most 512 rows drawn as landmarks: a linear head on it can
    bend, and costs the same whatever the dimension. The kernel is exp(-r²/2m), with m the median
    of the squared distances r² to the landmarks.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors.
    rng : numpy.random.Generator
        Draws the landmarks.

    Returns
    -------
    ndarray of shape (n, at most 512), float32

    References
    ----------
    .. [1] Williams, Seeger (2001), "Using the Nyström Method to Speed Up Kernel Machines", NIPS.
    """
    from scipy.linalg import eigh

    chosen = np.sort(rng.permutation(len(points))[:_LANDMARKS])
    landmarks = np.asarray(points[chosen], dtype=np.float32)
    gap = _square_gap(landmarks, landmarks)
    wide = 2 * float(np.median(gap[~np.eye(len(gap), dtype=bool)])) if len(gap) > 1 else 1.0
    value, vector = eigh(np.exp(-gap / (wide or 1.0)).astype(np.float64))
    keep = value > 1e-6 * value[-1]
    root = (vector[:, keep] / np.sqrt(value[keep])).astype(np.float32)
    made = np.empty((len(points), int(keep.sum())), dtype=np.float32)
    for at in range(0, len(points), _BLOCK):
        block = np.asarray(points[at : at + _BLOCK], dtype=np.float32)
        made[at : at + len(block)] = np.exp(-_square_gap(block, landmarks) / (wide or 1.0)) @ root
    return made


def _square_gap(a: FloatArray, b: FloatArray) -> FloatArray:
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    square = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    return np.asarray(np.maximum(square, 0))
