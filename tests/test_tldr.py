import numpy as np
import pytest

import curalab as cl
from curalab.maps.tldr import TLDR


def label_accuracy(view, labels, k=5):
    near = cl.Embedding(vectors=view, metric="euclidean").neighbors(k).indices
    votes = (labels[near][:, :, None] == np.unique(labels)).sum(axis=1)
    return (np.unique(labels)[votes.argmax(axis=1)] == labels).mean()


@pytest.fixture(scope="module")
def planted():
    """Twelve groups in 20 dimensions, and 4 directions of more variance that say nothing."""
    rng = np.random.default_rng(0)
    group = rng.integers(12, size=400)
    signal = rng.normal(size=(12, 20))[group] + 0.3 * rng.normal(size=(400, 20))
    x = np.hstack([signal, 2.5 * rng.normal(size=(400, 4))])
    x = x @ np.linalg.qr(rng.normal(size=(24, 24)))[0] * 5 + 40
    return cl.Embedding(vectors=x, metric="euclidean"), group


@pytest.fixture(scope="module")
def made(planted):
    return cl.reduce(planted[0], method=TLDR(projector=64), n_components=4, random_state=0)


def test_sees_past_directions_of_high_variance(planted, made):
    emb, group = planted
    plain = cl.reduce(emb, method="pca", n_components=4)
    ours = label_accuracy(made.vectors, group)
    assert ours > 0.95
    assert ours > label_accuracy(plain.vectors, group) + 0.5


def test_a_hidden_layer_does_too(planted):
    emb, group = planted
    method = TLDR(hidden=64, projector=64)
    plain = label_accuracy(cl.reduce(emb, method="pca", n_components=4).vectors, group)
    found = cl.reduce(emb, method=method, n_components=4, random_state=0)
    assert label_accuracy(found.vectors, group) > plain + 0.5


def test_places_new_rows(planted, made):
    emb, _ = planted
    np.testing.assert_allclose(made.transform(emb).vectors, made.vectors, atol=1e-4)
    assert made.transform(emb.vectors[:3]).shape == (3, 4)
    assert np.isfinite(made.details["loss"])


def test_one_seed_one_map(planted):
    emb, _ = planted
    small = cl.Embedding(vectors=emb.vectors[:50], metric="euclidean")
    first, again, other = (
        cl.reduce(small, method=TLDR(projector=32), random_state=seed).vectors for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_keeps_the_promises_of_its_stage():
    cl.testing.check_method("maps", TLDR(projector=16))


@pytest.mark.parametrize("x", [np.eye(3), np.ones((10, 4)), np.repeat(np.eye(4), 5, axis=0)])
def test_few_rows_and_copies(x):
    found = cl.reduce(x, method=TLDR(projector=16), random_state=0)
    assert np.isfinite(found.vectors).all()


def test_more_components_than_dimensions():
    x = np.random.default_rng(0).normal(size=(30, 2))
    assert cl.reduce(x, method=TLDR(projector=16), n_components=5, random_state=0).shape == (30, 5)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            {"n_neighbors": 0},
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"hidden": -1},
            "The 'hidden' parameter must be an integer of 0 or more. Got -1 instead.",
        ),
        (
            {"projector": 0},
            "The 'projector' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"n_epochs": 0},
            "The 'n_epochs' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_bad_settings(setting, text):
    with pytest.raises(ValueError) as caught:
        cl.reduce(np.eye(5), method=TLDR(**setting))
    assert str(caught.value) == text
