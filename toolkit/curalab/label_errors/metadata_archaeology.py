"""Label errors by how a row is learned, compared with rows whose trouble is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real, complain
from curalab.label_errors._chance import beyond_chance
from curalab.pool import AnyArray, FloatArray, IntArray, Pool

__all__ = ["MetadataArchaeology"]

_SUITES = ("typical", "atypical", "relabelled", "corrupted")
_SHARE = 20  # a suite holds at most one row in so many
_FEWEST = 2  # rows of a suite: one to learn from, one to test on
_RULE = (
    "likelier of the relabelled suite than typical and than atypical, where another label is "
    "suggested"
)


@dataclass(frozen=True, kw_only=True)
class MetadataArchaeology:
    """Asks whose loss curve a row's own resembles: that of relabelled rows, or of others.

    Four suites of probe rows are made: typical ones, atypical ones, relabelled ones (another class,
    drawn at random) and corrupted ones (Gaussian noise added to the vector). One head is trained on
    all rows, and the loss of every row is logged after each epoch. The `k` nearest probes by their
    loss curves (Euclidean, as they are) vote for the suite that a row belongs to. Quality is one
    minus the relabelled suite's share of the votes; the label suggested is the likeliest held-out.

    Ours: the head is linear on `kernel_features` of frozen vectors. Typical and atypical are the
    rows of least and largest held-out loss (the paper has consistency scores made beforehand), the
    atypical only among rows whose label is also the likeliest: the largest losses of a set with
    wrong labels are those labels, and with them as atypical, wrong labels were told from atypical
    rows much worse. Each half of the suites votes once while the other half tests it; a vote falls
    with the distance d as exp(-d²/d_k²), else most rows tie. Relabelled and corrupted rows are not
    scored in the draw that changed them; of two draws that follow each other no row is changed in
    both, and a row gets the mean over the draws that left it alone. Marked are rows likelier
    relabelled than typical and than atypical: that a vector looks corrupted makes no label right.

    Parameters
    ----------
    n_epochs : int, default=10
        Length of the curves.
    k : int, default=20
        Probes that vote, fewer where there are fewer.
    n_probes : int, default=500
        Rows of each suite; at most one row in twenty, and at least two.
    noise : float, default=2.0
        Standard deviation of the noise in the corrupted rows, in standard deviations of each
        column, from 0 to 10. The paper's 1/2 is meant for images: with it half of the clean digits
        were most like corrupted ones, at 2 up to a fifth, while the mean average precision on
        planted errors fell from .944 to .936.
    n_draws : int, default=4
        Times that suites are drawn and a head is trained.

    Notes
    -----
    Wrong labels that name a nearby class look atypical here. On digits the agreement of neighbours
    found such ones better (average precision .97 against .93, `patches`); on noisy vectors it
    was the other way round.

    ``details`` has the `category` of each row, that is its likeliest suite (None without a label),
    `category_share`, the share of rows in each, and `probe_accuracy`, how often the suite of probes
    that did not vote was told right; one in four is chance. All suites are of one size, so the
    shares compare data sets and do not estimate how many rows are, say, corrupted.

    Raises
    ------
    ValueError
        Fewer than eight rows have a label.

    References
    ----------
    .. [1] Siddiqui, Rajkumar, Maharaj, Krueger, Hooker (2022), "Metadata Archaeology: Unearthing
       Data Subsets by Leveraging Training Dynamics". arXiv:2209.10015.
    """

    cost: ClassVar[str] = "a head for each fold, then a head trained 4 times, 10 epochs each"
    needs: ClassVar[tuple[str, ...]] = ("labels", "proba")

    n_epochs: int = 10
    k: int = 20
    n_probes: int = 500
    noise: float = 2.0
    n_draws: int = 4

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_integer("n_epochs", self.n_epochs, low=1)
        check_integer("k", self.k, low=1)
        check_integer("n_probes", self.n_probes, low=_FEWEST)
        check_real("noise", self.noise, low=0, high=10)
        check_integer("n_draws", self.n_draws, low=2)
        judged = np.flatnonzero(pool.is_labelled)
        fewest = len(_SUITES) * _FEWEST
        if len(judged) < fewest:
            rule = f"present for at least {fewest} rows, to make the probe suites of"
            raise ValueError(complain("labels", rule, what=f"{len(judged)} labels"))
        proba = np.asarray(pool.proba)
        votes, accuracy = self._votes(
            pool.embedding.points[judged], pool.codes[judged], proba[judged], rng
        )
        found, best = votes.argmax(axis=1), proba.argmax(axis=1)
        quality, is_error = np.ones(len(pool)), np.zeros(len(pool), dtype=bool)
        quality[judged] = 1 - votes[:, 2]
        is_error[judged] = votes[:, 2] > votes[:, :2].max(axis=1)
        is_error &= best != pool.codes
        is_error, rule = beyond_chance(is_error, _RULE, proba[judged], pool.codes[judged])
        category = np.full(len(pool), None, dtype=object)
        category[judged] = np.array(_SUITES, dtype=object)[found]
        details = {
            "is_error": is_error,
            "cut": {"rule": rule},
            "category": category,
            "category_share": {name: float((found == i).mean()) for i, name in enumerate(_SUITES)},
            "probe_accuracy": accuracy,
        }
        return quality, pool.classes[best], details

    def _votes(
        self, points: FloatArray, codes: IntArray, proba: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, float]:
        """Return each row's share of votes for each suite, (n, 4), and the accuracy on probes."""
        n = len(codes)
        size = max(_FEWEST, min(self.n_probes, n // _SHARE))
        order, total, n_scored = rng.permutation(n), np.zeros((n, len(_SUITES))), np.zeros((n, 1))
        right: list[float] = []
        for draw in range(self.n_draws):
            changed = order[(2 * size * draw + np.arange(2 * size)) % n]
            suites = np.stack(
                [
                    *_ends(np.setdiff1d(order, changed), codes, proba, size),
                    changed[:size],
                    changed[size:],
                ]
            )
            curves = self._curves(points, codes, proba.shape[1], suites, rng)
            votes, accuracy = _asked(curves, rng.permuted(suites, axis=1), self.k)
            right.append(accuracy)
            alone = np.ones((n, 1), dtype=bool)
            alone[changed] = False
            total += alone * votes
            n_scored += alone
        return total / n_scored, float(np.mean(right))

    def _curves(
        self,
        points: FloatArray,
        codes: IntArray,
        n_classes: int,
        suites: IntArray,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Relabel and corrupt the last two suites, train, and return the losses, (n, n_epochs)."""
        from scipy.special import logsumexp

        from curalab.heads import kernel_features, training_dynamics

        (_, _, relabelled, corrupted), rows = suites, np.arange(len(codes))
        codes, points = codes.copy(), points.copy()
        present = np.unique(codes)
        shift = rng.integers(1, len(present), len(relabelled))
        place = np.searchsorted(present, codes[relabelled])
        codes[relabelled] = present[(place + shift) % len(present)]
        grain = self.noise * points.std(axis=0)
        points[corrupted] += grain * rng.standard_normal((len(corrupted), points.shape[1]))
        features = kernel_features(points, rng=rng)
        epochs = training_dynamics(features, codes, n_classes, n_epochs=self.n_epochs, rng=rng)
        losses = [logsumexp(logits, axis=1) - logits[rows, codes] for logits in epochs]
        return np.stack(losses, axis=1).astype(np.float32)


def _ends(
    rows: IntArray, codes: IntArray, proba: FloatArray, size: int
) -> tuple[IntArray, IntArray]:
    """Return the typical and the atypical of the rows: their label fits well, or only just."""
    own = proba[rows, codes[rows]]
    fits = proba[rows].argmax(axis=1) == codes[rows]
    ranked = rows[np.lexsort((-own, ~fits))]
    last = max(2 * size, int(fits.sum()))  # where too few labels fit, those that nearly do
    return ranked[:size], ranked[last - size : last]


def _asked(curves: FloatArray, suites: IntArray, k: int) -> tuple[FloatArray, float]:
    """Let each half of the suites vote on all rows; return the mean share and the accuracy."""
    from curalab.neighbors import nearest

    half = suites.shape[1] // 2
    total, right = np.zeros((len(curves), len(suites))), []
    for voting, left in (
        (suites[:, :half], suites[:, half:]),
        (suites[:, half:], suites[:, :half]),
    ):
        probes = voting.ravel()
        near = nearest(curves[probes], min(k, len(probes)), metric="euclidean", queries=curves)
        distance = near.distance.astype(float)
        weight = np.exp(-np.square(distance / np.maximum(distance[:, -1:], np.finfo(float).tiny)))
        suite = near.indices // voting.shape[1]
        votes = np.stack([(weight * (suite == i)).sum(axis=1) for i in range(len(suites))], axis=1)
        total += votes / votes.sum(axis=1, keepdims=True) / 2
        is_right = votes[left].argmax(axis=2) == np.arange(len(suites))[:, None]
        right.append(float(is_right.mean()))
    return total, float(np.mean(right))
