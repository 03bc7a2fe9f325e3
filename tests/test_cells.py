"""k-means cells in blocks, against plain computations."""

import numpy as np
import pytest

from curalab import _cells
from curalab._cells import Rows, k_means, nearest_centre, rank_within
from curalab.embedding import Embedding


def blobs(n=300, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    return (rng.normal(size=(n, 4)) + 9 * np.eye(4)[kind] + shift).astype(np.float32), kind


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rows_are_those_that_the_metric_sees(metric):
    emb = Embedding(vectors=blobs()[0] * 3, metric=metric)
    rows = Rows.of(emb)
    assert len(rows) == 300
    assert np.array_equal(rows[5:9], emb.points[5:9])
    assert np.array_equal(rows[np.array([7, 3])], emb.points[[7, 3]])
    assert rows.mean() == pytest.approx(emb.points.mean(axis=0), abs=1e-5)


@pytest.mark.parametrize("shift", [0, 3000])
def test_centres_are_the_means_of_the_groups(shift):
    x, kind = blobs(shift=shift)
    centres = k_means(x, 3, rng=np.random.default_rng(0))
    means = np.stack([x[kind == i].mean(axis=0) for i in range(3)])
    order = [np.abs(centres - mean).sum(axis=1).argmin() for mean in means]
    assert sorted(order) == [0, 1, 2]
    assert centres[order] == pytest.approx(means, abs=0.01)


@pytest.mark.parametrize("shift", [0, 3000])
def test_nearest_centre_is_exact_across_blocks_and_far_from_the_origin(monkeypatch, shift):
    monkeypatch.setattr(_cells, "_BLOCK", 7)
    x, _ = blobs(50, shift)
    centres = x[:6]
    cell, square = nearest_centre(x, centres, offset=x.mean(axis=0))
    exact = ((x[:, None].astype(float) - centres[None]) ** 2).sum(axis=2)
    assert np.array_equal(cell, exact.argmin(axis=1))
    assert square == pytest.approx(exact.min(axis=1), abs=1e-3)


def test_many_rows_are_sampled(monkeypatch):
    monkeypatch.setattr(_cells, "_ROWS_A_CENTRE", 10)
    x, kind = blobs(900)
    centres = k_means(x, 3, rng=np.random.default_rng(0))
    cell, _ = nearest_centre(x, centres)
    assert all(len(set(cell[kind == i])) == 1 for i in range(3))


def test_fewer_distinct_rows_than_centres():
    x = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    cell, square = nearest_centre(x, k_means(x, 4, rng=np.random.default_rng(0)))
    assert square.max() == 0
    assert cell[0] != cell[9]


def test_rank_within_a_cell():
    cell, key, tie = np.array([1, 0, 1, 1, 0]), np.array([5, 2, 5, 1, 9]), np.array([1, 0, 0, 0, 0])
    assert rank_within(cell, key, tie).tolist() == [2, 0, 1, 0, 1]
