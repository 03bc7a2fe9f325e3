"""Encoders of tables that are trained here: random_projectors and masked."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from curalab._networks import begun, generator_of, layers, shuffled, train
from curalab.encoders import Columns, embed
from curalab.encoders.masked import Masked, _cells
from curalab.encoders.random_projectors import RandomProjectors, _batch_twins, _diverse

BOTH = pytest.mark.parametrize("kind", [Masked, RandomProjectors])


def quick(kind, **settings):
    return kind(**{"n_steps": 3, "n_components": 4, **settings})


def crossed(n=1_000, n_noise=0, seed=0):
    """Return two hidden numbers as ten columns, noise beside them, and whether their signs agree.

    No linear rule tells the classes apart.
    """
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 2))
    seen = hidden @ rng.normal(size=(2, 10)) + 0.2 * rng.normal(size=(n, 10))
    values = np.hstack([seen, rng.normal(size=(n, n_noise))])
    table = pd.DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])])
    return table, (hidden.prod(axis=1) > 0).astype(int)


def scores(emb, y):
    """Return the accuracies of a linear head and of 10 neighbours on the second half."""
    half = len(y) // 2
    old, new = emb.vectors[:half], emb.vectors[half:]
    heads = LogisticRegression(max_iter=500), KNeighborsClassifier(10)
    return [head.fit(old, y[:half]).score(new, y[half:]) for head in heads]


@pytest.fixture
def mixed():
    """Return 40 rows with numbers, categories (one has rare ones), gaps and a boolean."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "town": rng.choice(["Ulm", "Bonn", None], 40),
            "age": np.where(rng.random(40) < 0.2, np.nan, rng.normal(size=40)),
            "code": rng.choice(list("aaaabbbbcdefg"), 40),
            "size": rng.normal(size=40),
            "member": rng.random(40) < 0.5,
        },
        index=[f"r{i}" for i in range(40)],
    )


# ---- parts by hand -------------------------------------------------------------------------------


def test_batch_twins_by_hand():
    eye = torch.eye(2)
    assert _batch_twins(3 * eye, eye) == 0
    assert _batch_twins(eye.flip(0), eye) == pytest.approx(1 + 0.01)  # each is like the other's
    assert _batch_twins(torch.ones(2, 2), eye) == pytest.approx(
        (1 - 0.5**0.5) ** 2 + 0.01 / 2, rel=1e-5
    )


def test_diverse_takes_no_projector_twice_in_another_dress():
    rng = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(30, 4, generator=rng) for _ in range(3))
    kept = _diverse([a, 2 * a, -a, b, 3 * b, c], 3)
    assert sorted({0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 2}[i] for i in kept) == [0, 1, 2]


def test_cells_are_columns_of_the_table(mixed):
    columns = Columns(max_categories=3).fit(mixed, rng=np.random.default_rng(0))
    cells = _cells(columns)
    x = columns.encode(mixed)
    assert cells.n == 5
    # Numbers (age, size), then which ages are missing, then the categories.
    assert cells.of.tolist() == [1, 3, 1, 0, 0, 0, 2, 2, 2, 4, 4]
    assert cells.categories == [slice(3, 6), slice(6, 9), slice(9, 11)]
    for block in cells.categories:
        assert ((x[:, block] > 0).sum(axis=1) == 1).all()


def test_how_wrong_by_hand(mixed):
    cells = _cells(Columns(max_categories=3).fit(mixed, rng=np.random.default_rng(0)))
    true = torch.zeros(1, 11)
    true[0, [3, 7, 9]] = 0.5**0.5
    made = torch.zeros(1, 11)
    made[0, :3] = torch.tensor([1.0, 2.0, 3.0])
    expected = [np.log(3), 1 + 9, np.log(3), 4, np.log(2)]
    assert torch.allclose(cells.wrong(made, true), torch.tensor([expected]).float())


def test_shuffled_gives_each_row_once_a_pass():
    batches = shuffled(10, 5, np.random.default_rng(0))
    both = [np.concatenate([next(batches), next(batches)]) for _ in range(2)]
    assert all(sorted(order) == list(range(10)) for order in both)
    assert not np.array_equal(*both)
    assert len(next(shuffled(3, 5, np.random.default_rng(0)))) == 3


def test_train_finds_a_line():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(64, 3)).astype(np.float32))
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    network = begun(lambda: layers(3, 1), generator_of(rng))

    def loss_of(rows):
        return (network(x[rows]) - y[rows]).square().mean()

    before = loss_of(np.arange(64)).item()
    train([network], loss_of, shuffled(64, 16, rng), 0, rate=0.1, name="a line")
    assert loss_of(np.arange(64)).item() == before
    train([network], loss_of, shuffled(64, 16, rng), 200, rate=0.1, name="a line")
    assert loss_of(np.arange(64)) < 1e-3


# ---- what they learn -----------------------------------------------------------------------------


def test_masked_finds_what_columns_share_among_noise():
    table, y = crossed(n_noise=20)
    made = (Columns(), Masked(n_steps=0), Masked(n_steps=250))
    raw, untrained, trained = (
        scores(embed(table, encoder=encoder, cache=False, random_state=0), y)[1] for encoder in made
    )
    assert trained > max(raw, untrained) + 0.04


def test_random_projectors_keep_what_is_not_linear():
    table, y = crossed(n_noise=5)
    made = (Columns(), RandomProjectors(n_steps=0), RandomProjectors(n_steps=250))
    raw, untrained, trained = (
        scores(embed(table, encoder=encoder, cache=False, random_state=0), y)[0] for encoder in made
    )
    assert raw < 0.6
    assert trained > untrained + 0.02


# ---- the encoders --------------------------------------------------------------------------------


@BOTH
def test_vectors_ids_and_scale(kind, mixed):
    emb = embed(mixed, encoder=quick(kind), cache=False, random_state=0)
    assert emb.ids.equals(mixed.index)
    assert emb.shape == (40, 4)
    assert emb.metric == "euclidean"
    assert np.allclose(emb.vectors.mean(axis=0), 0, atol=1e-5)
    assert np.isclose(emb.vectors.var(axis=0).mean(), 1, atol=1e-5)
    new = embed(mixed.iloc[[7, 3]].assign(code="unseen"), encoder=emb.encoder, cache=False)
    assert np.isfinite(new.vectors).all()
    again = embed(mixed.iloc[[7, 3]], encoder=emb.encoder, cache=False)
    assert np.allclose(again.vectors, emb.vectors[[7, 3]], atol=1e-5)


@BOTH
def test_a_seed_decides_all_and_the_global_one_nothing(kind, mixed):
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(made))
        before = torch.get_rng_state()
        made.append(embed(mixed, encoder=quick(kind), cache=False, random_state=seed).vectors)
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(made[0], made[1])
    assert not np.allclose(made[0], made[2], atol=1e-3)


@BOTH
def test_what_was_learned_is_kept(kind, mixed, tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path))
    first = embed(mixed, encoder=quick(kind), random_state=0)
    monkeypatch.setattr(kind, "_trained", None)  # nothing may be learned again
    again = embed(mixed, encoder=quick(kind), random_state=0)
    assert np.array_equal(first.vectors, again.vectors)
    one, other = (embed(mixed[:4], encoder=made.encoder) for made in (first, again))
    assert np.array_equal(one.vectors, other.vectors)


@BOTH
@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": [1.0, 1.0, 1e6], "b": [None, 2.0, 3.0]}),
        pd.DataFrame({"a": list("xyx")}),
    ],
)
def test_tiny_tables(kind, table):
    emb = embed(table, encoder=quick(kind), cache=False, random_state=0)
    assert np.isfinite(emb.vectors).all()
    emb = embed(table, encoder=quick(kind, n_components=1), cache=False, random_state=0)
    assert emb.shape == (len(table), 1)


@BOTH
def test_data_stay_as_they_were(kind, mixed):
    before = mixed.copy()
    embed(mixed, encoder=quick(kind), cache=False)
    pd.testing.assert_frame_equal(mixed, before)


@BOTH
def test_tables_that_cannot_be_placed_are_refused_as_columns_does(kind):
    with pytest.raises(ValueError) as error:
        embed(pd.DataFrame({"a": [1.0, 1.0]}), encoder=quick(kind))
    assert str(error.value) == (
        "The 'data' parameter must be a table with columns that vary. Got none: 'a' (a single "
        "value) instead."
    )


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            Masked,
            {"share": 0},
            "The 'share' parameter must be a number from 0.01 to 0.99. Got 0 instead.",
        ),
        (
            Masked,
            {"n_components": 0},
            "The 'n_components' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            RandomProjectors,
            {"n_projectors": 0},
            "The 'n_projectors' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_settings_are_checked(kind, settings, message):
    with pytest.raises(ValueError) as error:
        kind(**settings)
    assert str(error.value) == message


@BOTH
def test_encoding_before_the_fit_says_so(kind, mixed):
    with pytest.raises(ValueError, match=f"{kind.__name__} must be fitted before it encodes"):
        kind().encode(mixed)
