"""Clusters from shares that shift between domains."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

import curalab as cl
from curalab.clusters.latent_shift import LatentShift, _mixed, _Rows
from curalab.heads import out_of_fold_proba

SHARES = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])


def planted(shares=SHARES, size=400, seed=0):
    """Return rows, classes and domains; each class lies in two places, beside the other two.

    Six places on a line, 0 1 2 0 1 2: neighbouring places are of other classes, and overlap.
    """
    rng = np.random.default_rng(seed)
    n_domains, n_classes = shares.shape
    domain = np.repeat(np.arange(n_domains), size)
    truth = np.concatenate([rng.choice(n_classes, size, p=row) for row in shares])
    place = truth + n_classes * rng.integers(2, size=len(truth))
    x = rng.normal(size=(len(truth), 3))
    x[:, 0] += 2.5 * place
    return x, truth, domain


def pool_of(x, domain, **parts):
    return cl.Pool(embedding=cl.Embedding(vectors=x, metric="euclidean"), groups=domain, **parts)


def matched(table):
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].sum(), columns


def accuracy(truth, labels):
    return matched(np.asarray(pd.crosstab(truth, labels)))[0] / len(truth)


@pytest.fixture(scope="module")
def found():
    x, truth, domain = planted()
    clusters = cl.cluster(pool_of(x, domain), method=LatentShift(n_clusters=3), random_state=0)
    return x, truth, domain, clusters


def test_planted_classes_in_two_places_each(found):
    x, truth, domain, clusters = found
    kmeans = KMeans(3, n_init=5, random_state=0)
    proba, _ = out_of_fold_proba(x.astype(np.float32), domain, 4, rng=np.random.default_rng(0))
    ours = accuracy(truth, clusters.labels)
    assert ours > 0.8  # with all known, 0.86
    assert ours > accuracy(truth, kmeans.fit_predict(x)) + 0.3
    assert ours > accuracy(truth, kmeans.fit_predict(proba)) + 0.02


def test_shares_of_the_classes_in_each_domain(found):
    _, truth, _, clusters = found
    share = clusters.details["domain_share"]
    assert share.shape == (4, 3)
    assert share.index.tolist() == [0, 1, 2, 3]
    assert share.index.name == "domain"
    assert share.sum(axis=1).to_numpy() == pytest.approx(np.ones(4))
    _, order = matched(np.asarray(pd.crosstab(truth, clusters.labels)))
    assert np.abs(share.to_numpy()[:, order] - SHARES).max() < 0.08


def test_strength_is_the_chance_to_be_right(found):
    _, truth, _, clusters = found
    _, order = matched(np.asarray(pd.crosstab(truth, clusters.labels)))
    right = order[truth] == clusters.labels
    assert clusters.strength.mean() == pytest.approx(right.mean(), abs=0.05)
    sure = clusters.strength > 0.95
    assert right[sure].mean() > right[~sure].mean() + 0.1


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_number_is_found(n_classes):
    shares = SHARES[:, :n_classes] / SHARES[:, :n_classes].sum(axis=1, keepdims=True)
    x, truth, domain = planted(shares)
    clusters = cl.cluster(pool_of(x, domain), method=LatentShift(), random_state=0)
    assert clusters.n_clusters == n_classes
    assert accuracy(truth, clusters.labels) > 0.8
    table = clusters.details["numbers"]
    assert table["n_clusters"].tolist() == [1, 2, 3, 4]
    assert table["log_likelihood"].idxmax() == n_classes - 1


def test_domains_that_are_alike_have_one_cluster():
    x, _, domain = planted(np.full((4, 3), 1 / 3))
    clusters = cl.cluster(pool_of(x, domain), method=LatentShift(), random_state=0)
    assert clusters.n_clusters == 1
    assert (clusters.strength == 1).all()


def test_domains_of_unlike_size():
    x, truth, domain = planted()
    kept = (domain > 0) | (np.arange(len(x)) % 4 == 0)
    clusters = cl.cluster(
        pool_of(x[kept], domain[kept]), method=LatentShift(n_clusters=3), random_state=0
    )
    assert accuracy(truth[kept], clusters.labels) > 0.8
    _, order = matched(np.asarray(pd.crosstab(truth[kept], clusters.labels)))
    assert np.abs(clusters.details["domain_share"].to_numpy()[:, order] - SHARES).max() < 0.12


def test_new_rows(found):
    _, truth, _, clusters = found
    _, order = matched(np.asarray(pd.crosstab(truth, clusters.labels)))
    new, known, _ = planted(np.full((1, 3), 1 / 3), seed=1)
    assert np.mean(clusters.predict(new) == order[known]) > 0.75


def test_the_same_seed_gives_the_same_clusters():
    x, _, domain = planted(size=60)
    named = np.array(["north", "south", "east", "west"])[domain]
    first, second = (
        cl.cluster(pool_of(x, named), method=LatentShift(n_clusters=2), random_state=3)
        for _ in range(2)
    )
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.strength, second.strength)
    assert first.details["domain_share"].index.tolist() == ["east", "north", "south", "west"]


def test_a_mixture_by_hand():
    of_domain = np.array([[0.75, 0.25], [0.25, 0.75]])
    flat = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    expected = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    assert _mixed(flat, of_domain) == pytest.approx(expected, abs=0.01)  # it creeps to a corner


def test_shares_of_bins_that_one_class_has_to_itself():
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1], 500)
    truth = (rng.random(1000) < np.where(domain == 0, 0.2, 0.7)).astype(int)
    of_domain = np.array([[0.8 / 1.1, 0.3 / 1.1], [0.2 / 0.9, 0.7 / 0.9]])
    rows = _Rows(of_domain[truth], domain, seed=0)
    share = rows.domain_share(2, 4)
    counted = np.array([np.bincount(truth[domain == d], minlength=2) for d in (0, 1)]) / 500
    assert share[:, np.argsort(share[0])[::-1]] == pytest.approx(counted, abs=1e-3)


def test_each_number_of_bins_is_made_once():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    rows = _Rows(proba, np.arange(50) % 3, seed=0)
    assert rows._cut(4) is rows._cut(4)
    assert [len(np.unique(rows._cut(n))) for n in (4, 5, 4)] == [4, 5, 4]


@pytest.mark.parametrize("n", [4, 6, 20])
def test_few_rows_and_copies(n):
    x = np.random.default_rng(0).normal(size=(n, 3))
    for vectors in (x, np.ones((n, 3)), np.repeat(x[:2], n // 2, axis=0)):
        clusters = cl.cluster(
            pool_of(vectors, np.arange(n) % 2), method=LatentShift(), random_state=0
        )
        assert 1 <= clusters.n_clusters <= 2


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"n_clusters": 5},
            ValueError,
            "The 'n_clusters' parameter must be an integer from 1 to 4. Got 5 instead. Clusters "
            "are told apart by their shares of the domains: there can be no more of them than "
            "domains, or than rows that differ.",
        ),
        (
            {"n_clusters": 3, "n_bins": 2},
            ValueError,
            "The 'n_bins' parameter must be an integer of 3 or more. Got 2 instead.",
        ),
        (
            {"n_bins": 2.5},
            TypeError,
            "The 'n_bins' parameter must be an integer of 1 or more. Got 2.5 instead.",
        ),
    ],
)
def test_bad_settings(settings, error, text):
    with pytest.raises(error) as caught:
        cl.cluster(pool_of(np.eye(12), np.arange(12) % 4), method=LatentShift(**settings))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (
            ["a", "b", None, "a"],
            "The 'groups' parameter must be present for every row. Got none in 1 rows (ids 2) "
            "instead. Drop these rows, or give them a group of their own.",
        ),
        (
            ["a"] * 4,
            "The 'groups' parameter must be of at least two groups. Got one group, 'a' instead.",
        ),
        (
            ["a", "b", "c", "a"],
            "The 'groups' parameter must be of two rows or more on average. Got 3 groups for 4 "
            "rows instead.",
        ),
    ],
)
def test_bad_groups(groups, text):
    with pytest.raises(ValueError) as caught:
        cl.cluster(pool_of(np.eye(4), groups), method=LatentShift())
    assert str(caught.value) == text


def test_a_pool_without_groups():
    with pytest.raises(ValueError, match="needs 'groups', and the pool has none"):
        cl.cluster(np.eye(4), method=LatentShift())
