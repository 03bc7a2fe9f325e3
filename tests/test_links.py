"""Must-links and cannot-links: kept, whatever follows, and handed on to the rows around."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from curalab import Embedding
from curalab.clusters import Spectral, cluster


@pytest.fixture(scope="module")
def blobs():
    """Three blobs of 60, far apart; ids r0 to r179."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(60, 2)) + at for at in ([0, 0], [9, 0], [4.5, 9])])
    return Embedding(vectors=x, ids=[f"r{n}" for n in range(180)], metric="euclidean")


def sizes(emb, **settings):
    return sorted(cluster(emb, method=Spectral(**settings), random_state=0).sizes())


def test_a_must_link_joins_clusters(blobs):
    assert sizes(blobs) == [60, 60, 60]
    assert sizes(blobs, must_link=[("r0", "r60")]) == [60, 120]


def test_a_cannot_link_splits_a_cluster_between_its_rows(blobs):
    found = sizes(blobs, cannot_link=[("r0", "r1")])
    assert found[2:] == [60, 60]
    assert found[0] >= 15  # the rows around r0 or r1, and not one alone


def test_links_reach_the_rows_around():
    """Noisy moons, five rows known of each: the others follow."""
    x, truth = make_moons(400, noise=0.2, random_state=0)
    emb = Embedding(vectors=x, metric="euclidean")
    known = [np.flatnonzero(truth == one)[:5].tolist() for one in range(2)]
    others = ~np.isin(np.arange(400), np.concatenate(known))
    linked = Spectral(n_clusters=2, must_link=known, cannot_link=[[one[0] for one in known]])

    def score(method):
        labels = cluster(emb, method=method, random_state=0).labels
        return adjusted_rand_score(truth[others], labels[others])

    assert score(linked) > score(Spectral(n_clusters=2)) + 0.15


def test_links_do_little_harm_where_classes_overlap():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 150)
    emb = Embedding(vectors=2.2 * np.eye(4)[truth] + rng.normal(size=(600, 4)), metric="euclidean")
    known = [np.flatnonzero(truth == one)[:15].tolist() for one in range(4)]
    others = ~np.isin(np.arange(600), np.concatenate(known))
    linked = Spectral(n_clusters=4, must_link=known, cannot_link=[[one[0] for one in known]])

    def score(method):
        labels = cluster(emb, method=method, random_state=0).labels
        return adjusted_rand_score(truth[others], labels[others])

    assert score(linked) > score(Spectral(n_clusters=4)) - 0.05


@settings(max_examples=15, deadline=None)
@given(
    truth=st.lists(st.integers(0, 3), min_size=4, max_size=20),
    told=st.booleans(),
    seed=st.integers(0, 99),
)
def test_all_links_are_kept(blobs, truth, told, seed):
    """Whatever partition the links come from, and wherever its rows lie."""
    rows = np.random.default_rng(seed).permutation(180)[: len(truth)]
    must, cannot = [], []
    for (one, of_one), (other, of_other) in combinations(zip(rows, truth, strict=True), 2):
        (must if of_one == of_other else cannot).append((f"r{one}", f"r{other}"))
    method = Spectral(n_clusters=4 if told else None, must_link=must, cannot_link=cannot)
    of = dict(zip(blobs.ids, cluster(blobs, method=method, random_state=0).labels, strict=True))
    assert all(of[one] == of[other] for one, other in must)
    assert all(of[one] != of[other] for one, other in cannot)


def test_a_must_link_holds_over_others(blobs):
    method = Spectral(must_link=[("r0", "r60"), ("r60", "r120")])
    of = cluster(blobs, method=method, random_state=0).to_frame()["cluster"]
    assert of["r0"] == of["r60"] == of["r120"]


def test_links_are_in_params(blobs):
    made = cluster(blobs, method=Spectral(must_link=[("r0", "r60")]), random_state=0)
    assert made.params["settings"]["must_link"] == [["r0", "r60"]]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"must_link": [("r0", "r1"), ("r1", "r2")], "cannot_link": [("r2", "r0")]},
            ValueError,
            "The 'cannot_link' parameter must not part rows that 'must_link' joins. "
            "Got 'r2' and 'r0'.",
        ),
        (
            {"must_link": [("r0", "nobody")]},
            ValueError,
            "The 'must_link' parameter must be made of ids of the embedding. "
            "Got ['nobody'] instead.",
        ),
        (
            {"cannot_link": [("r0",)]},
            ValueError,
            "The 'cannot_link' parameter must be groups of two or more ids. Got ['r0'] instead.",
        ),
        (
            {"must_link": "r0"},
            TypeError,
            "The 'must_link' parameter must be groups of two or more ids. Got 'r0' instead.",
        ),
        (
            {"must_link": ["r0", "r1"]},
            TypeError,
            "The 'must_link' parameter must be groups of two or more ids. Got 'r0' instead.",
        ),
        (
            {"n_clusters": 2, "cannot_link": [("r0", "r1", "r2")]},
            ValueError,
            "The 'n_clusters' parameter must be large enough to keep all of 'cannot_link'. "
            "Got 2 instead.",
        ),
    ],
)
def test_errors(blobs, settings, error, message):
    with pytest.raises(error) as raised:
        cluster(blobs, method=Spectral(**settings), random_state=0)
    assert str(raised.value) == message
