"""Prototypes that move, by hand and where the plain probe cannot."""

import numpy as np
import pytest

from curalab import Embedding, samples
from curalab.pseudo_labels import Transductive, pseudo_label


@pytest.fixture(scope="module")
def groups():
    """Four round groups; the one labelled row of each lies at its border."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 50)
    middle = 4 * np.eye(4)[np.repeat(np.arange(4), 50)]
    x = middle + rng.normal(size=(200, 4))
    labels = np.full(200, None, dtype=object)
    for c in "abcd":
        rows = np.flatnonzero(truth == c)
        edge = rows[np.square(x[rows] - middle[rows]).sum(axis=1).argmax()]
        labels[edge] = c
    return Embedding(vectors=x, metric="euclidean"), labels, truth


def accuracy(emb, labels, truth, method):
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    return (soft.labels == truth)[~soft.given].mean()


def test_labels_at_the_border_are_enough(groups):
    assert accuracy(*groups, Transductive()) > 0.97
    assert accuracy(*groups, "low_shot_probe") < 0.95


def test_without_neighbours_it_is_seeded_k_means(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method=Transductive(smooth=0, balance=0.0, sharpness=1e4))
    codes = np.searchsorted(list("abcd"), soft.labels.astype(str))
    means = np.stack([emb.vectors[codes == c].mean(axis=0) for c in range(4)])
    far = np.square(emb.vectors[:, None] - means).sum(axis=2)
    moved = far.argmin(axis=1) != codes
    assert not moved[~soft.given].any()


def test_balance_holds_classes_to_their_shares(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method=Transductive(balance=1.0))
    np.testing.assert_allclose(soft.proba.mean(axis=0), 0.25, atol=0.01)
    assert soft.details["balance"] == 1


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    emb = Embedding(vectors=np.stack([i.ravel() for i in table["image"]]).astype(float))
    return emb, table["label"]


def gained(digits, per_class, first, second):
    emb, truth = digits
    gains = []
    for seed in range(3):
        kept = truth.groupby(truth).sample(per_class, random_state=seed).index
        labels = np.where(truth.index.isin(kept), truth, None)
        both = [accuracy(emb, labels, truth.to_numpy(), m) for m in (first, second)]
        gains.append(both[0] - both[1])
    return gains


def test_one_label_a_class_beats_the_probe(digits):
    gains = gained(digits, 1, Transductive(), "low_shot_probe")
    assert np.mean(gains) > 0.08
    assert min(gains) > 0


def test_neighbours_help_where_classes_are_not_round(digits):
    assert min(gained(digits, 10, Transductive(), Transductive(smooth=0.0))) > 0.03


def test_new_rows_are_labelled_alike(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method="transductive")
    told = soft.predict(emb.vectors)["pseudo_label"].to_numpy()
    assert (told == soft.labels)[~soft.given].mean() > 0.98


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"k": 0}, "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"smooth": -1},
            "The 'smooth' parameter must be a number from 0 to 1e+06. Got -1 instead.",
        ),
        (
            {"sharpness": -1},
            "The 'sharpness' parameter must be a number from 0 to 1e+06. Got -1 instead.",
        ),
        (
            {"balance": 1.5},
            "The 'balance' parameter must be a number from 0 to 1. Got 1.5 instead.",
        ),
    ],
)
def test_refused_settings(settings, told):
    with pytest.raises(ValueError) as caught:
        pseudo_label(np.eye(3), ["a", "b", None], method=Transductive(**settings))
    assert str(caught.value) == told
