"""Labels handed out in given shares, and a head that learns them."""

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from curalab.clusters import KMeans, cluster
from curalab.clusters.sinkhorn import Sinkhorn, _Heads, sinkhorn_knopp


def noisy(sizes, d=64, seed=0):
    """Return clusters in other numbers of rows, most of whose spread is noise."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(sizes), d))[truth] + 2.2 * rng.normal(size=(len(truth), d))
    return x, truth


def ari(x, truth, method, seed=0):
    return adjusted_rand_score(truth, cluster(x, method=method, random_state=seed).labels)


def test_equal_clusters_in_noise():
    x, truth = noisy([60] * 8)
    found = cluster(x, method=Sinkhorn(n_clusters=8), random_state=0)
    assert adjusted_rand_score(truth, found.labels) > 0.85
    assert found.sizes().between(54, 66).all()


def test_known_sizes_in_noise():
    x, truth = noisy([240, 120, 60, 30])
    told = ari(x, truth, Sinkhorn(shares=[30, 60, 120, 240]))  # in any order
    assert told > 0.9
    assert told > ari(x, truth, KMeans(n_clusters=4)) + 0.2
    assert told > ari(x, truth, Sinkhorn(n_clusters=4)) + 0.2


def test_the_plan_keeps_to_rows_and_shares():
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)))
    plan = sinkhorn_knopp(scores, np.array([0.2, 0.5, 0.3])).numpy()
    assert plan.sum(axis=1) == pytest.approx(np.ones(40))
    assert sorted(plan.sum(axis=0)) == pytest.approx([8, 12, 20], rel=1e-6)


def test_the_plan_of_two_rows_by_hand():
    scores = torch.log(torch.tensor([[4.0, 1.0], [1.0, 1.0]]))
    plan = sinkhorn_knopp(scores, np.array([0.5, 0.5])).numpy()
    assert plan == pytest.approx(np.array([[2, 1], [1, 2]]) / 3, rel=1e-5)  # of equal odds ratio


def test_labels_come_from_the_mean_of_a_row_and_its_neighbours_in_little_memory():
    x, _ = noisy([1_000] * 2)
    x = torch.nn.functional.normalize(torch.from_numpy(x.astype(np.float32)))
    near = np.random.default_rng(0).integers(2_000, size=(2_000, 20))
    wanted = (x + x[near].mean(dim=1)) / 2
    tracemalloc.start()
    heads = _Heads(x, near, 1, np.full(2, 0.5), np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * x.numpy().nbytes
    torch.testing.assert_close(heads.mean_scores(), heads.scores(wanted), atol=1e-5, rtol=1e-5)


def test_new_rows_get_the_cluster_of_theirs():
    x, truth = noisy([60] * 6)
    found = cluster(x[::2], method=Sinkhorn(n_clusters=6), random_state=0)
    assert adjusted_rand_score(truth[1::2], found.predict(x[1::2])) > 0.7
    assert found.details["losses"].shape == (3,)


def test_the_number_is_chosen_where_it_is_not_given():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 60)
    x = 3 * rng.normal(size=(5, 16))[truth] + rng.normal(size=(300, 16))
    found = cluster(x, method=Sinkhorn(), random_state=0)
    assert found.n_clusters == 5
    assert adjusted_rand_score(truth, found.labels) > 0.95
    assert 5 in found.details["numbers"]["n_clusters"].tolist()


def test_the_same_seed_gives_the_same_clusters():
    x, _ = noisy([30] * 4)
    first, second = (cluster(x, method=Sinkhorn(n_clusters=4), random_state=3) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.strength, second.strength)


@pytest.mark.parametrize("n_clusters", [None, 1, 2])
@pytest.mark.parametrize("x", [np.eye(2), np.ones((30, 3)), np.repeat(np.eye(3), 2, axis=0)])
def test_few_rows_and_copies(x, n_clusters):
    found = cluster(x, method=Sinkhorn(n_clusters=n_clusters), random_state=0)
    assert 1 <= found.n_clusters <= len(x)
    assert np.isfinite(found.strength).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"n_clusters": 7},
            "The 'n_clusters' parameter must be an integer from 1 to 6. Got 7 instead.",
        ),
        (
            {"shares": [1, 0]},
            "The 'shares' parameter must be a list of numbers above 0. Got [1, 0] instead.",
        ),
        (
            {"shares": [1, 2], "n_clusters": 3},
            "The 'shares' parameter must be of 3 numbers, one for each cluster. "
            "Got 2 numbers instead.",
        ),
        (
            {"n_heads": 0},
            "The 'n_heads' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_bad_settings(settings, text):
    with pytest.raises(ValueError) as caught:
        cluster(np.eye(6), method=Sinkhorn(**settings))
    assert str(caught.value) == text
