"""What differs between two embeddings, clusterings and tables: planted cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from curalab._check import AlignmentError
from curalab._differences import changed_cells, match_clusters, moved_rows
from curalab.clusters import Clustering
from curalab.embedding import Embedding


def line(places, ids, metric="euclidean"):
    return Embedding(vectors=np.asarray(places, dtype=float)[:, None], ids=ids, metric=metric)


def clusters(labels, ids=None):
    labels = np.asarray(labels)
    n = len(np.unique(labels[labels >= 0]))
    ids = pd.Index(list("abcdefghijkl"[: len(labels)])) if ids is None else ids
    return Clustering(ids=ids, labels=labels, strength=np.ones(len(labels)), n_clusters=n)


def test_the_row_that_moved_keeps_no_neighbour_and_is_farther():
    one = line([0, 1, 2, 3, 50, 51, 52, 53], list("abcdefgh"))
    other = line([0, 1, 2, 51.4, 50, 51, 52, 53], list("abcdefgh"))
    found = moved_rows(one, other.take(list("hgfedcba")), k=2)
    assert found.index.tolist() == list("abcdefgh")
    assert found["neighbors_kept"].idxmin() == found["farther"].idxmax() == "d"
    assert found.loc["d", "neighbors_kept"] == 0
    # b and c lie 1 and 2 from d on the left, 50.4 and 49.4 on the right; f and g lie 0.4 and 0.6.
    assert found.loc["d", "farther"] == pytest.approx((50.4 + 49.4) / (0.4 + 0.6), rel=1e-3)
    assert found.loc["a"].tolist() == [1, 1]


def test_nothing_moves_where_space_is_turned_or_scaled_and_copies_are_no_trouble():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    same = [Embedding(vectors=v, metric="euclidean") for v in (points, 7 * points @ turn)]
    found = moved_rows(*same)
    assert found["neighbors_kept"].min() == 1
    assert found["farther"].max() == pytest.approx(1)
    copies = Embedding(vectors=np.ones((20, 3)))
    assert np.isfinite(moved_rows(copies, copies)["farther"]).all()


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            lambda one: moved_rows(one, one, k=3),
            ValueError,
            "The 'k' parameter must be an integer from 1 to 2. Got 3 instead.",
        ),
        (
            lambda one: moved_rows(one.take(["a"]), one.take(["a"])),
            ValueError,
            "The 'left' parameter must be of at least 2 rows. Got 1 row instead.",
        ),
        (
            lambda one: moved_rows(one, line([0, 1, 2], list("abx"))),
            AlignmentError,
            "The ids of 'right' and of the items must name the same rows. Got 'c' only in the "
            "items; 'x' only in 'right'. Select the same rows on both sides, or pass an array to "
            "go by position.",
        ),
        (
            lambda one: changed_cells(one.to_frame(), 3),
            TypeError,
            "The 'right' parameter must be a DataFrame. Got int instead.",
        ),
    ],
)
def test_bad_input_is_named(wrong, error, text):
    with pytest.raises(error) as caught:
        wrong(line([0, 1, 2], list("abc")))
    assert caught.value.args[0] == text


def test_clusters_are_matched_whatever_their_numbers_and_order():
    one = clusters([0, 0, 0, 1, 1, 2, 2, 2, -1])
    other = clusters([5, 5, 5, 0, 0, 3, 3, 3, -1])
    rows = np.random.default_rng(0).permutation(9)
    found = match_clusters(one, clusters(other.labels[rows], ids=other.ids[rows]))
    assert found.matched == {-1: -1, 0: 5, 1: 0, 2: 3}
    assert not found.rows["changed"].any()
    assert found.rows["mates_kept"].eq(1).all()
    assert [found.ari, found.nmi] == pytest.approx([1, 1])


def test_a_split_a_merger_and_noise_are_told():
    one = clusters([0, 0, 0, 0, 0, 0, 1, 1, 2, 2, -1])
    other = clusters([7, 7, 7, 7, 4, 4, 9, 9, 9, 9, 9])
    found = match_clusters(one, other)
    assert found.matched[0] == 7
    assert [found.matched.get(c) for c in (1, 2)].count(9) == 1
    assert found.rows.loc[["a", "e"], "changed"].tolist() == [False, True]
    assert bool(found.rows.loc["k", "changed"])
    assert found.rows["mates_kept"].tolist() == pytest.approx(
        [3 / 5] * 4 + [1 / 5] * 2 + [1 / 4] * 4 + [0]
    )
    flow = found.flows.set_index(["left", "right"])
    assert flow.loc[(0, 4)].tolist() == [2, pytest.approx(1 / 3), 1]
    assert match_clusters(clusters([-1, -1]), clusters([0, 0])).rows["changed"].all()


def test_only_cells_that_differ_are_listed():
    image = np.arange(4.0).reshape(2, 2)
    one = pd.DataFrame(
        {
            "label": ["cat", None, "dog", "dog"],
            "size": [1, 2, 3, 4],
            "image": [image, image, image, None],
            "gone": 0,
        },
        index=list("abcd"),
    )
    other = pd.DataFrame(
        {
            "image": [image.copy(), image + 1, None, image],
            "size": [1.0, 2.0, 3.5, 4.0],
            "label": ["cat", np.nan, "fox", "dog"],
            "new": 1,
        },
        index=list("dbcx"),
    )
    other.loc["d", "label"] = None
    found = changed_cells(one, other)
    told = [(i, c) for i, c in zip(found.index, found["column"], strict=True)]
    assert told == [
        ("b", "image"),
        ("c", "label"),
        ("c", "size"),
        ("c", "image"),
        ("d", "label"),
        ("d", "size"),
        ("d", "image"),
    ]
    assert found.loc["c", "left"].tolist()[:2] == ["dog", 3]
    assert found.loc["c", "right"].tolist()[:2] == ["fox", 3.5]
    assert len(changed_cells(one, one.copy(deep=True))) == 0
    assert len(changed_cells(one[["size"]], other[["new"]])) == 0
    typed = one.assign(size=one["size"].astype(str))
    assert changed_cells(one, typed)["column"].unique().tolist() == ["size"]
