"""The class whose text is nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_real
from curalab._points import unit_rows
from curalab.pool import FloatArray, Pool
from curalab.pseudo_labels._texts import ClassTexts, class_vectors, temperature_of

__all__ = ["ZeroShot"]


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """Each row gets the class whose text is nearest, in a space of rows and texts.

    The plain baseline of labels from words; ``descriptions`` and ``text_propagation`` also look at
    the rows, and are better. Labels of rows are not used.

    Parameters
    ----------
    texts : mapping of class to str, sequence of str or array of shape (d,) or (m, d)
        What each class is called: a text, several whose vectors are averaged (prompts such as
        "a photo of a cat"), or their vectors. A sequence of names stands for themselves, read with
        blanks for underscores.
    encoder : encoder or str, default=None
        What encodes texts into the space of the rows. None takes the embedding's own; that of a
        joint space (``clip``, ``siglip``, ``clap``) takes texts too.
    temperature : float, default=None
        What cosines are divided by before the softmax. None takes 1.5 / √(2 log C) of their mean
        standard deviation over a row, with C classes: noise alone would look certain below
        1 / √(2 log C). Mean confidence was then off by .00 to .14 on five sets of texts.

    References
    ----------
    .. [1] Radford, Kim, Hallacy et al. (2021), "Learning Transferable Visual Models From Natural
       Language Supervision", ICML. arXiv:2103.00020.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.pseudo_labels import ZeroShot
    >>> texts = {"car": np.array([1.0, 0]), "tree": np.array([0, 1.0])}
    >>> emb = cl.Embedding(vectors=[[3, 1], [1, 2], [2, 1]])
    >>> cl.pseudo_label(emb, method=ZeroShot(texts=texts)).labels.tolist()
    ['car', 'tree', 'car']
    """

    cost: ClassVar[str] = "one product of matrices"

    texts: Any
    encoder: Any = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", ClassTexts(self.texts))

    @property
    def classes(self) -> list[Any]:
        """The classes that have a text."""
        return list(self.texts)

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        from scipy.special import softmax

        vectors = unit_rows(class_vectors(pool, self.texts, self.encoder))
        scores = unit_rows(pool.embedding.points) @ vectors.T
        heat = self.temperature
        heat = (
            temperature_of(scores)
            if heat is None
            else check_real("temperature", heat, low=1e-6, high=1e6)
        )

        def predict(new: FloatArray) -> FloatArray:
            return np.asarray(softmax(unit_rows(new) @ vectors.T / heat, axis=1))

        return predict(pool.embedding.points), {"predict": predict, "temperature": heat}
