import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import curalab as cl
from curalab.outliers import KNN, find_outliers
from curalab.outliers.prototype_mixture import PrototypeMixture, _assigned, _contrast


def planted(*, seed=0, n_classes=12, noise=1.0, wide=150):
    """Classes that 6 of 150 columns tell apart, rows between classes, and a clean reference."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((n_classes, wide))
    centres[:, :6] = 3 * rng.choice([-1.0, 1.0], size=(n_classes, 6))
    known, own = np.arange(480) % n_classes, np.arange(200) % n_classes
    truth = np.arange(200) < 40
    means = centres[own]
    means[truth] = (centres[own] + centres[(own + 1) % n_classes])[truth] / 2
    pool = cl.Embedding(vectors=rng.normal(means, noise), metric="euclidean")
    clean = cl.Embedding(vectors=rng.normal(centres[known], noise), metric="euclidean")
    return pool, cl.Pool(embedding=clean, labels=known), truth


def oddness(pool, seed=0, *, labels=None, reference=None, **settings):
    method = PrototypeMixture(**settings)
    found = find_outliers(
        pool, labels=labels, reference=reference, method=method, random_state=seed
    )
    return found.oddness


def test_rows_belong_to_their_closest_prototypes_of_their_class():
    cosine = torch.tensor([[0.9, 0.1, 0.8], [0.2, 0.9, 0.1]])
    is_own = torch.tensor([[True, False, True], [False, True, False]])
    share = _assigned(cosine, is_own)
    assert share[1].tolist() == [0, 1, 0]
    assert share[0, 1] == 0
    torch.testing.assert_close(share.sum(dim=1), torch.ones(2))
    many = _assigned(torch.linspace(-1, 1, 8).repeat(3, 1), torch.ones(3, 8, dtype=torch.bool))
    assert (many > 0).sum(dim=1).tolist() == [5, 5, 5]


def test_prototypes_take_equal_shares():
    """Two prototypes of one class: the rows nearer to the first do not all go to it."""
    cosine = torch.tensor([[0.95, 0.90], [0.95, 0.80], [0.95, 0.70], [0.95, 0.60]])
    share = _assigned(cosine, torch.ones(4, 2, dtype=torch.bool))
    assert share.argmax(dim=1).tolist() == [1, 1, 0, 0]


def test_contrast_by_hand():
    prototypes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    kind = torch.tensor([0, 0, 1, 1])
    # Each has cosine 0 with its own and one other, -1 with the last: over a temperature of 0.5.
    expected = np.log(2 + np.exp(-2)) - 0
    assert float(_contrast(prototypes, kind)) == pytest.approx(expected, rel=1e-5)
    assert float(_contrast(prototypes, torch.zeros(4, dtype=torch.long))) == 0
    assert float(_contrast(prototypes, torch.arange(4))) == 0


def test_what_tells_classes_apart_counts():
    """144 of 150 columns are noise: between rows it hides what lies between the classes."""
    pool, reference, truth = planted()
    near = find_outliers(pool, reference=reference, method=KNN(), random_state=0).oddness
    assert roc_auc_score(truth, near) < 0.7
    assert roc_auc_score(truth, oddness(pool, reference=reference)) > 0.8


def test_several_prototypes_suit_classes_of_several_kinds():
    """Each class consists of two groups; what is odd lies between them, where its mean is."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, size=(6, 12))
    group, between = np.arange(480) % 6, (centres[:3] + centres[3:]) / 2
    x = rng.normal(np.vstack([centres[group], between[np.arange(20) % 3]]), 0.7)
    clean = cl.Embedding(vectors=x[:380], metric="euclidean")
    reference = cl.Pool(embedding=clean, labels=group[:380] % 3)
    pool, truth = cl.Embedding(vectors=x[380:], metric="euclidean"), np.arange(120) >= 100
    one, many = (
        roc_auc_score(truth, oddness(pool, reference=reference, n_prototypes=n)) for n in (1, 6)
    )
    assert one < 0.6
    assert many > 0.75


@pytest.mark.parametrize("labelled", [True, False])
def test_rows_are_judged_among_themselves(labelled):
    _, reference, _ = planted(noise=0.3, wide=40)
    x = reference.embedding.vectors.copy()
    x[:5] = 5 * np.random.default_rng(1).normal(size=(5, x.shape[1]))
    labels = np.where(np.arange(len(x)) % 7, reference.labels.astype(object), None)
    found = oddness(x, labels=labels if labelled else None)
    assert roc_auc_score(np.arange(len(x)) < 5, found) > 0.9
    assert found.min() >= -1e-6
    assert found.max() <= 2


def test_unseen_clean_rows_set_the_cut():
    pool, reference, truth = planted()
    found = find_outliers(pool, reference=reference, method=PrototypeMixture(), random_state=0)
    assert found.is_outlier[~truth].mean() < 0.12
    assert "unseen" in found.details["cut"]["rule"]


def test_small_classes_one_class_and_one_row():
    pool, reference, _ = planted()
    labels = np.where(np.arange(480) == 3, 99, 1)
    lone = reference.replace(labels=labels, classes=None)
    for known in (lone, reference.replace(labels=np.ones(480)), reference.embedding):
        assert np.isfinite(oddness(pool, reference=known, steps=5)).all()
    assert oddness(pool.take([4]), reference=reference, steps=5).shape == (1,)
    same = oddness(np.ones((30, 3)), steps=5)
    assert np.ptp(same) == 0


def test_the_same_seed_gives_the_same_answer():
    pool, reference, _ = planted()
    state = torch.random.get_rng_state()
    first, second = (oddness(pool, 3, reference=reference, steps=20) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"n_prototypes": 0},
            "The 'n_prototypes' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"temperature": 0},
            "The 'temperature' parameter must be a number from 0.01 to 10. Got 0 instead.",
        ),
        ({"steps": 0}, "The 'steps' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"device": "abacus"},
            "The 'device' parameter must be 'auto' or a device that torch has here, such as 'cpu'. "
            "Got 'abacus' instead.",
        ),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError) as caught:
        oddness(np.eye(6), **settings)
    assert str(caught.value) == message
