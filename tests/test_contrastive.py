"""Contrastive: views, loss, batches, and whether training helps."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from curalab.encoders import embed
from curalab.encoders.contrastive import Contrastive, _apart, _nt_xent, _view

QUICK = Contrastive(n_steps=3, batch_size=8)


def shapes(n, seed=0):
    """Return pictures of a cross, a frame, stripes or a disc, in any two colours; and which."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(4, size=n)
    rows, columns = np.indices((16, 16))
    made = np.empty((n, 16, 16, 3), dtype=np.uint8)
    for at, kind in enumerate(kinds):
        a, b = np.abs(rows - rng.uniform(5.5, 9.5)), np.abs(columns - rng.uniform(5.5, 9.5))
        near, far = np.minimum(a, b), np.maximum(a, b)
        masks = [
            (near < 1.2) & (far < 5.5),
            (far < 5) & (far >= 3),
            (rows + columns) % 4 < 2,
            np.hypot(a, b) < 4,
        ]
        fore, back = rng.integers(256, size=(2, 3))
        made[at] = np.where(masks[kind][:, :, None], fore, back)
    return made, kinds


def agreement(emb, kinds):
    """Share of the 5 nearest images that are of the same kind."""
    return np.mean(kinds[emb.neighbors(5).indices] == kinds[:, None])


# ---- parts by hand -------------------------------------------------------------------------------


def test_the_loss_by_hand():
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    # Rows 0 and 2 are partners, and so are 1 and 3; angles count, lengths do not.
    right = _nt_xent(torch.cat([a, b, 5 * a, b]), 0.5)
    wrong = _nt_xent(torch.cat([a, b, b, a]), 0.5)
    assert math.isclose(right, math.log((math.exp(2) + 2) / math.exp(2)), rel_tol=1e-5)
    assert math.isclose(wrong, math.log(math.exp(2) + 2), rel_tol=1e-5)
    assert _nt_xent(torch.cat([a, b]), 0.5) == 0  # one image has no others


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_other_pictures_of_the_same_shape(channels):
    seed = torch.Generator().manual_seed(0)
    x = torch.rand(6, channels, 12, 16, generator=seed)
    one, other = _view(x, seed), _view(x, seed)
    assert one.shape == other.shape == x.shape
    assert torch.isfinite(one).all()
    assert not torch.equal(one, other)


def test_a_view_of_one_colour_keeps_its_flatness_and_some_are_grey():
    seed = torch.Generator().manual_seed(0)
    x = torch.tensor([0.9, 0.2, 0.4])[None, :, None, None].expand(400, 3, 8, 8)
    made = _view(x, seed)
    assert torch.allclose(made.std(dim=(2, 3)), torch.zeros(400, 3), atol=1e-5)
    colours = made.mean(dim=(2, 3))
    is_grey = colours.std(dim=1) < 1e-4
    assert 0.1 < is_grey.float().mean() < 0.3
    assert colours[~is_grey].std(dim=0).min() > 0.05


def test_views_are_mirrored_in_half_of_the_cases():
    seed = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, 16).expand(400, 1, 16, 16)
    made = _view(x, seed)
    left_is_darker = made[:, 0, :, 0].mean(dim=1) < made[:, 0, :, -1].mean(dim=1)
    assert 0.4 < left_is_darker.float().mean() < 0.6


def test_a_batch_has_no_two_rows_of_a_cluster():
    clusters = np.repeat(np.arange(5), [50, 20, 5, 1, 1])
    batches = _apart(clusters, 4, np.random.default_rng(0))
    seen = [next(batches) for _ in range(300)]
    for batch in seen:
        assert len(batch) == 4 == len(set(clusters[batch]))
    assert len(next(_apart(clusters, 64, np.random.default_rng(0)))) == 5
    counts = np.bincount(np.concatenate(seen), minlength=77)
    assert counts.min() > 0  # every row has its turn


# ---- the encoder ---------------------------------------------------------------------------------


def test_training_sees_shapes_through_colours():
    images, kinds = shapes(240)
    untrained, trained = (
        embed(images, encoder=made, cache=False, random_state=0)
        for made in (Contrastive(n_steps=0), Contrastive(n_steps=90, batch_size=64))
    )
    assert agreement(trained, kinds) > agreement(untrained, kinds) + 0.06


def test_vectors_have_unit_length_and_stay_in_their_space():
    images, _ = shapes(20)
    emb = embed(images, encoder=QUICK, cache=False, random_state=0)
    assert emb.shape == (20, 193)
    assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-6)
    assert emb.metric == "cosine"
    again = embed(list(images[5:9]), encoder=emb.encoder, cache=False)
    assert np.allclose(again.vectors, emb.vectors[5:9], atol=1e-5)


def test_a_seed_decides_all_and_the_global_one_nothing():
    images, _ = shapes(20)
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(made))
        before = torch.get_rng_state()
        made.append(embed(images, encoder=QUICK, cache=False, random_state=seed).vectors)
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(made[0], made[1])
    assert not np.allclose(made[0], made[2], atol=1e-3)


def test_what_was_learned_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path))
    images, _ = shapes(20)
    first = embed(images, encoder=QUICK, random_state=0)
    monkeypatch.setattr(Contrastive, "_trained", None)  # nothing may be learned again
    again = embed(images, encoder=QUICK, random_state=0)
    assert np.array_equal(first.vectors, again.vectors)
    one, other = (embed(images[:4], encoder=made.encoder) for made in (first, again))
    assert np.array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize(
    ("images", "avoid_clusters"),
    [
        (np.zeros((1, 16, 16), dtype=np.uint8), None),
        (np.zeros((1, 8, 8), dtype=np.uint8), 6),
        (np.zeros((5, 16, 16, 3), dtype=np.uint8), None),
        (np.random.default_rng(0).integers(256, size=(7, 8, 9), dtype=np.uint8), 400),
        (np.random.default_rng(0).integers(256, size=(12, 8, 8, 3), dtype=np.uint8), 6),
    ],
)
def test_few_small_grey_and_equal_images(images, avoid_clusters):
    made = dataclasses.replace(QUICK, avoid_clusters=avoid_clusters)
    emb = embed(images, encoder=made, cache=False, random_state=0)
    assert np.isfinite(emb.vectors).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 4}, "The 'size' parameter must be an integer from 8 to 1024. Got 4 instead."),
        (
            {"n_steps": -1},
            "The 'n_steps' parameter must be an integer of 0 or more. Got -1 instead.",
        ),
        (
            {"temperature": 0.0},
            "The 'temperature' parameter must be a number from 0.01 to 10. Got 0.0 instead.",
        ),
        (
            {"avoid_clusters": 1},
            "The 'avoid_clusters' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        (
            {"batch_size": 0},
            "The 'batch_size' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError) as error:
        Contrastive(**settings)
    assert str(error.value) == message


def test_encoding_before_the_fit_says_so():
    with pytest.raises(ValueError, match="Contrastive must be fitted before it encodes"):
        QUICK.encode([])
