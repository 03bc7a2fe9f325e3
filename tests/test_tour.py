from itertools import permutations

import numpy as np
import pytest

import curalab as cl
from curalab.maps._tour import _greedy, _Search, tour


def walk(x, order):
    return np.linalg.norm(np.diff(x[order], axis=0), axis=1).sum()


def trip(x, order):
    return np.linalg.norm(x[order] - np.roll(x[order], -1, axis=0), axis=1).sum()


def rows(emb, **settings):
    return emb.ids.get_indexer(tour(emb, **settings))


def euclidean(x, **parts):
    return cl.Embedding(vectors=x, metric="euclidean", **parts)


def test_points_on_a_line_come_in_their_order():
    x = np.random.default_rng(0).permutation(50)[:, None] / 7
    order = rows(euclidean(x), random_state=0)
    assert np.array_equal(np.sort(x[:, 0]), x[order, 0][:: 1 if x[order[0]] == 0 else -1])


def test_a_circle_is_cut_at_its_longest_gap():
    angle = np.sort(np.random.default_rng(1).random(80)) * 2 * np.pi
    angle = angle[(angle < 2) | (angle > 2.5)]  # the gap
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    shuffled = np.random.default_rng(2).permutation(len(x))
    found = shuffled[rows(euclidean(x[shuffled]), random_state=0)]
    start = int((angle < 2).sum())
    wanted = np.roll(np.arange(len(x)), -start)
    assert found.tolist() in (wanted.tolist(), wanted[::-1].tolist())


@pytest.mark.parametrize("seed", range(12))
def test_few_rows_are_solved_exactly(seed):
    rng = np.random.default_rng(seed)
    n = 4 + seed % 5
    x = rng.normal(size=(n, 3)).astype(np.float32)
    best = min(trip(x, [0, *rest]) for rest in permutations(range(1, n)))
    order = rows(euclidean(x), random_state=seed)
    assert trip(x, order) == pytest.approx(best, rel=1e-5)
    gaps = np.linalg.norm(x[order] - np.roll(x[order], -1, axis=0), axis=1)
    assert gaps.argmax() == n - 1


def test_beats_one_component_and_chance_by_far():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 16)) * 3
    x = (centres[rng.integers(20, size=600)] + rng.normal(size=(600, 16))).astype(np.float32)
    emb = euclidean(x)
    one = np.argsort(cl.reduce(emb, method="pca", n_components=1).vectors[:, 0])
    length = walk(x, rows(emb, random_state=0))
    assert length < 0.75 * walk(x, one)
    assert length < 0.6 * walk(x, rng.permutation(600))


def test_moves_shorten_the_first_tour_by_what_they_say():
    x = np.random.default_rng(0).random((1500, 2)).astype(np.float32)
    near = euclidean(x).neighbors(8).indices
    first = _greedy(x, near)
    order, gained = _Search(x, near, np.random.default_rng(0)).improve(first, np.arange(1500))
    assert np.array_equal(np.sort(first), np.arange(1500))
    assert np.array_equal(np.sort(order), np.arange(1500))
    assert trip(x, first) - trip(x, order) == pytest.approx(gained, abs=1e-3)
    # The shortest tour of random points in the unit square is 0.7124 √n (1 + 0.33 / n) or so.
    assert trip(x, order) < 1.1 * 0.7124 * np.sqrt(1500)


def test_copies_stay_together_and_cost_nothing():
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(4), 400))
    x = rng.normal(size=(4, 3))[group]
    order = rows(euclidean(x), random_state=0)
    assert (np.diff(group[order]) != 0).sum() == 3


def test_carries_ids_and_does_not_care_for_their_order():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 4))
    ids = np.array([f"i{n}" for n in range(40)])
    plain = tour(cl.Embedding(vectors=x, ids=ids), random_state=0)
    assert sorted(plain) == sorted(ids)
    order = rng.permutation(40)
    moved = tour(cl.Embedding(vectors=x[order], ids=ids[order]), random_state=0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    lengths = [trip(unit, [int(i[1:]) for i in found]) for found in (plain, moved)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)


def test_the_same_seed_gives_the_same_order():
    x = np.random.default_rng(0).normal(size=(100, 5))
    assert tour(x, random_state=4).equals(tour(x, random_state=4))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_few_rows(n):
    assert sorted(tour(np.eye(3)[:n] + 0.1)) == list(range(n))


def test_only_copies():
    assert sorted(tour(np.ones((6, 2)))) == list(range(6))


def test_bad_input():
    with pytest.raises(ValueError) as caught:
        tour(np.array([[1.0, 2.0], [np.nan, 1.0]]))
    assert str(caught.value) == (
        "The 'embedding' parameter must be finite. Got 1 of 2 rows NaN or infinite (ids 1) instead."
    )
    with pytest.raises(ValueError) as caught:
        tour(np.eye(3), random_state=-1)
    assert str(caught.value) == (
        "The 'random_state' parameter must be an integer from 0 to 4294967295. Got -1 instead."
    )
