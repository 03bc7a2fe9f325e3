import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from curalab import samples
from curalab.heads import kernel_features, training_dynamics


def rng(seed=0):
    return np.random.default_rng(seed)


def logged(points, codes, n_classes, n_epochs=5, seed=0, **options):
    epochs = training_dynamics(
        points, codes, n_classes, n_epochs=n_epochs, rng=rng(seed), **options
    )
    return np.stack(list(epochs))


@pytest.fixture(scope="module")
def blobs():
    codes = np.repeat([0, 1, 2], 40)
    return rng().normal(size=(120, 5)) + 2 * np.eye(5)[codes], codes


# ---- what is computed ----------------------------------------------------------------------------


def test_one_row_moves_the_bias_alone():
    # Centred, the row is 0. The gradient of the bias is p - y: -1/2 and 1/2, then p(0.5, -0.5) - y.
    made = logged(np.array([[3.0, 4.0]]), np.array([0]), 2, n_epochs=2)
    np.testing.assert_allclose(made[0], [[0.5, -0.5]], rtol=1e-6)
    second = 0.9 * 0.5 + (1 - 1 / (1 + np.exp(-1))) - 1e-4 * 0.5
    np.testing.assert_allclose(made[1], [[0.5 + second, -0.5 - second]], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.3, 2.0])
def test_it_is_torchs_gradient_descent_with_momentum(blobs, rate):
    x, codes = blobs
    made = logged(x, codes, 3, n_epochs=4, rate=rate)
    gap = x - x.mean(axis=0)
    points = torch.from_numpy(gap / np.sqrt(np.square(gap).sum(axis=1).mean()))
    head = torch.nn.Linear(5, 3, dtype=torch.float64)
    for part in head.parameters():
        torch.nn.init.zeros_(part)
    descent = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    draws = rng()
    for epoch in made:
        order = draws.permutation(120)
        for at in range(0, 120, 15):  # 120 rows: eight batches an epoch
            rows = order[at : at + 15]
            descent.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                head(points[rows]), torch.from_numpy(codes[rows])
            )
            loss.backward()
            descent.step()
        np.testing.assert_allclose(epoch, head(points).detach().numpy(), atol=1e-4)


def test_where_the_points_lie_and_how_large_they_are_does_not_matter(blobs):
    x, codes = blobs
    np.testing.assert_allclose(
        logged(40 * x + 7, codes, 3), logged(x, codes, 3), rtol=1e-3, atol=1e-4
    )


def test_right_labels_are_learned_before_wrong_ones():
    table = samples.digits()
    wrong = samples.plant_label_errors(table, kind="uniform", random_state=0)
    is_error = wrong.truth["is_error"].to_numpy()
    points = kernel_features(np.stack([i.ravel() for i in table["image"]]), rng=rng())
    codes = wrong.items["label"].to_numpy().astype(int)

    def precision(rate, n_epochs):
        logits = logged(points, codes, 10, n_epochs=n_epochs, rate=rate)[-1]
        own = logits[np.arange(len(codes)), codes].copy()
        logits[np.arange(len(codes)), codes] = -np.inf
        return average_precision_score(is_error, logits.max(axis=1) - own)

    assert precision(rate=1.0, n_epochs=10) > 0.97
    assert precision(rate=30.0, n_epochs=30) < 0.85  # learned by heart


# ---- memory and repetition -----------------------------------------------------------------------


def test_one_epoch_is_held_at_a_time():
    x, codes = rng().normal(size=(4_000, 4)), rng(1).integers(0, 77, 4_000)
    epoch = 4_000 * 77 * 4  # bytes
    tracemalloc.start()
    for _ in training_dynamics(x, codes, 77, n_epochs=12, rng=rng()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * epoch


def test_an_epoch_may_be_written_into(blobs):
    x, codes = blobs
    made = []
    for logits in training_dynamics(x, codes, 3, n_epochs=4, rng=rng()):
        made.append(logits.copy())
        logits[:] = np.inf
    assert (np.stack(made) == logged(x, codes, 3, n_epochs=4)).all()


def test_the_same_generator_gives_the_same_bits_and_leaves_its_input_alone(blobs):
    x, codes = blobs
    before = x.copy(), codes.copy()
    assert (logged(x, codes, 3, seed=4) == logged(x, codes, 3, seed=4)).all()
    assert (logged(x, codes, 3, seed=4) != logged(x, codes, 3, seed=5)).any()
    assert (x == before[0]).all()
    assert (codes == before[1]).all()


# ---- edges ---------------------------------------------------------------------------------------


def test_rows_without_a_label_are_not_trained_on(blobs):
    x, codes = blobs
    twice, hidden = np.concatenate([x, x]), np.concatenate([codes, np.full(120, -1)])
    made = logged(twice, hidden, 3)
    np.testing.assert_allclose(made[:, 120:], made[:, :120], atol=1e-5)
    # The copies move neither the mean nor the scale, so all is as without them.
    np.testing.assert_allclose(made[:, :120], logged(x, codes, 3), rtol=1e-3, atol=1e-4)


def test_no_label_at_all_teaches_nothing(blobs):
    assert not logged(blobs[0], np.full(120, -1), 3).any()


def test_rows_that_are_all_alike_get_the_same_logits():
    made = logged(np.ones((80, 3)), np.repeat([0, 1], [60, 20]), 2, n_epochs=20, rate=0.1)
    assert np.ptp(made[-1], axis=0).max() == 0
    assert made[-1][0, 0] > made[-1][0, 1]


def test_classes_of_one_row_and_of_none(blobs):
    x, codes = blobs[0], blobs[1].copy()
    codes[0] = 3
    made = logged(x, codes, 5)
    assert made.shape == (5, 120, 5)
    assert np.isfinite(made).all()
    assert (made[-1, :, 4] < 0).all()
