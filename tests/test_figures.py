"""Figures of a bench: what they draw, and of what."""

import numpy as np
import pytest

import curalab as cl
from curalab_widgets import figures


def pool(n, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    x = rng.normal(size=(n, 3)) + 2 * truth[:, None]
    return cl.Pool(embedding=cl.Embedding(vectors=x, metric="euclidean"), labels=truth.astype(str))


@pytest.fixture(scope="module")
def board():
    return cl.bench(
        "selectors", ["random", "k_center", "margin"],
        pool=pool(80, 0), test=pool(60, 1), budgets=[4, 8], n_seeds=2, random_state=0,
    )  # fmt: skip


def test_learning_curves(board):
    figure = figures.learning_curves(board)
    assert [trace.name for trace in figure.data] == board.ids.tolist()
    best = figure.data[0]
    seen = board.curve[board.curve["method"] == board.ids[0]]
    assert list(best.x) == [4, 8]
    assert np.allclose(best.y, 100 * seen["score"])
    assert np.allclose(best.y + best.error_y.array, 100 * seen["high"])
    assert np.allclose(best.y - best.error_y.arrayminus, 100 * seen["low"])
    dashed = [trace.name for trace in figure.data if trace.line.dash == "dash"]
    assert dashed == ["random"]


def test_rank_intervals(board):
    (dots,) = figures.rank_intervals(board).data
    assert list(dots.y) == board.ids.tolist()
    assert np.allclose(dots.x, board.score)
    assert dots.marker.symbol[0] == "circle"


def test_a_board_without_budgets_has_no_curves():
    emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(50, 3)))
    board = cl.bench("outliers", ["knn"], pool=emb, truth=np.arange(50) < 3, n_seeds=2)
    with pytest.raises(ValueError) as error:
        figures.learning_curves(board)
    assert str(error.value) == (
        "The 'board' parameter must be a Leaderboard of selectors, of which one finished. "
        "Got Leaderboard(1 methods, by auroc, best 'knn') instead."
    )
    assert list(figures.rank_intervals(board).data[0].y) == ["knn"]
