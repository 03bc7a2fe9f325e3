import numpy as np
import pytest
from sklearn.manifold import trustworthiness

import curalab as cl
from curalab.maps import _quality
from curalab.maps._quality import MapQuality, map_quality


def euclidean(x, **parts):
    return cl.Embedding(vectors=x, metric="euclidean", **parts)


@pytest.fixture(scope="module")
def groups():
    """Ten groups in ten dimensions, a fair map of them, and rows that it puts elsewhere."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(10), 40))
    x = rng.normal(size=(400, 10)) + 8 * np.eye(10)[group]
    spread = np.stack([np.cos(group * 0.628), np.sin(group * 0.628)], axis=1) * 20
    view = spread + x[:, :2] - 8 * np.eye(10)[group][:, :2]
    moved = np.zeros(400, dtype=bool)
    moved[rng.permutation(400)[:12]] = True
    view[moved] = -view[moved]  # into the group on the other side
    return euclidean(view), euclidean(x), moved


def test_by_hand():
    # With n = 5 and k = 1 a neighbour of rank r costs (r - 1) / 3.
    origin = euclidean(np.array([[0.0], [1], [3], [6], [10]]))
    view = euclidean(np.array([[0.0], [10], [3], [6], [1]]))
    found = map_quality(view, origin, k=1)
    np.testing.assert_allclose(found.trustworthiness, [0, 1 / 3, 0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found.continuity, [0, 0, 0, 1, 1 / 3], atol=1e-12)
    assert found.recall.tolist() == [0, 0, 0, 1, 0]
    assert found.details["trustworthiness"] == pytest.approx(4 / 15)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 7, 74])
def test_the_mean_is_that_of_scikit_learn(metric, k):
    rng = np.random.default_rng(k)
    x = (rng.normal(size=(150, 12)) + 3).astype(np.float32)
    origin = cl.Embedding(vectors=x, metric=metric)
    view = cl.reduce(origin, method="pca")
    found = map_quality(view, origin, k=k)
    wide, flat = x.astype(float), view.vectors.astype(float)
    theirs = trustworthiness(wide, flat, n_neighbors=k, metric=metric)
    assert found.details["trustworthiness"] == pytest.approx(theirs, abs=1e-7)
    if metric == "cosine":
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    back = trustworthiness(flat, wide, n_neighbors=k)
    assert found.details["continuity"] == pytest.approx(back, abs=1e-7)


def test_rows_put_among_strangers_are_found(groups):
    view, origin, moved = groups
    found = map_quality(view, origin)
    assert found.misplaced[moved].all()
    assert found.misplaced[~moved].mean() < 0.01
    assert found.trustworthiness[moved].max() < found.trustworthiness[~moved].min()
    assert found.details["rule"] == (
        "more than half of its 15 map neighbours are not among its 40 nearest rows"
    )


def test_the_same_rows_are_a_perfect_map_and_random_ones_are_not(groups):
    _, origin, _ = groups
    same = map_quality(origin, origin)
    for name in ("trustworthiness", "continuity", "recall"):
        assert getattr(same, name).min() == 1
    assert not same.misplaced.any()
    noise = map_quality(np.random.default_rng(0).normal(size=(400, 2)), origin)
    assert noise.details["trustworthiness"] == pytest.approx(0.5, abs=0.03)
    assert noise.details["continuity"] == pytest.approx(0.5, abs=0.03)
    assert noise.misplaced.mean() > 0.98
    assert noise.summary.startswith("much of what lies together is not alike")


def test_the_summary_is_one_sentence_with_the_numbers(groups):
    view, origin, _ = groups
    found = map_quality(view, origin)
    trust, kept = found.trustworthiness.mean(), found.continuity.mean()
    assert found.summary == (
        f"what lies together is alike (trustworthiness {trust:.2f}, continuity {kept:.2f}); of a "
        f"row's 15 nearest {found.recall.mean():.0%} are its nearest on the map, and "
        f"{found.misplaced.sum()} rows lie among strangers"
    )


def test_many_rows_are_estimated_from_a_sample(groups, monkeypatch):
    view, origin, moved = groups
    exact = map_quality(view, origin)
    monkeypatch.setattr(_quality, "_EXACT", 399)
    monkeypatch.setattr(_quality, "_SAMPLE", 200)
    monkeypatch.setattr(_quality, "_CELLS", 3_000)  # blocks of 15 rows
    found = map_quality(view, origin)
    assert np.abs(found.trustworthiness - exact.trustworthiness).max() < 0.1
    assert found.details["trustworthiness"] == pytest.approx(
        exact.details["trustworthiness"], abs=0.01
    )
    assert found.misplaced[moved].all()
    assert exact.details["ranks"] == "counted among all rows"
    assert found.details["ranks"] == "counted among 200 rows drawn with seed 0"


def test_copies_are_no_fault_of_the_map():
    x = np.repeat(np.random.default_rng(0).normal(size=(5, 8)) * 1e-2 + 100, 20, axis=0)
    view = np.random.default_rng(1).normal(size=(100, 2)) * 1e-3 + 50 * x[:, :2]
    assert map_quality(euclidean(view), euclidean(x), k=5).trustworthiness.min() == 1


def test_rows_go_by_id(groups):
    view, origin, _ = groups
    ids = np.array([f"i{n}" for n in range(400)])
    plain = map_quality(view, origin)
    order = np.random.default_rng(0).permutation(400)
    named = euclidean(view.vectors, ids=ids)
    found = map_quality(named, euclidean(origin.vectors[order], ids=ids[order]))
    assert found.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(found.trustworthiness, plain.trustworthiness, atol=1e-9)
    assert map_quality(view, euclidean(origin.vectors, ids=ids)).ids.tolist() == ids.tolist()
    assert map_quality(named, origin).ids.tolist() == ids.tolist()
    with pytest.raises(cl.AlignmentError, match="'i0' only in the items"):
        map_quality(named, euclidean(origin.vectors[1:], ids=ids[1:]))


def test_shows_and_keeps(groups, tmp_path):
    found = map_quality(groups[0], cl.Pool(embedding=groups[1]))
    assert found.to_frame().columns.tolist() == [
        "map_trustworthiness",
        "map_continuity",
        "map_recall",
        "map_misplaced",
    ]
    found.save(tmp_path / "q")
    again = MapQuality.open(tmp_path / "q")
    assert again.summary == found.summary
    assert np.array_equal(again.misplaced, found.misplaced)


@pytest.mark.parametrize("n", [3, 5, 20, 60])
def test_few_rows_count_fewer_neighbours(n):
    x = np.random.default_rng(0).normal(size=(n, 4))
    found = map_quality(x[:, :2], x)
    assert found.params["k"] == max(1, n // 10)
    for name in ("trustworthiness", "continuity", "recall"):
        assert ((getattr(found, name) >= 0) & (getattr(found, name) <= 1)).all()


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(ValueError) as caught:
        map_quality(x, x, k=10)
    assert str(caught.value) == (
        "The 'k' parameter must be an integer from 1 to 9. Got 10 instead. "
        "It must be below half the rows."
    )
    with pytest.raises(ValueError) as caught:
        map_quality(x[:2], x[:2])
    assert str(caught.value) == (
        "The 'map' parameter must be of at least 3 rows. Got 2 rows instead."
    )
    with pytest.raises(ValueError) as caught:
        map_quality(x, x[1:])
    assert str(caught.value) == (
        "The 'embedding' parameter must be 20 rows, one for each item. Got 19 rows instead."
    )
    with pytest.raises(ValueError) as caught:
        map_quality(np.full((20, 2), np.nan), x)
    assert str(caught.value) == (
        "The 'map' parameter must be finite. "
        "Got 20 of 20 rows NaN or infinite (ids 0, 1, 2, 3, 4 and 15 more) instead."
    )
