import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curalab import Embedding
from curalab.neighbors import _rounded, nearest
from curalab.neighbors._short import Settings


def brute(points, k, metric, queries=None):
    points = np.asarray(points, dtype=np.float64)
    asked = points if queries is None else np.asarray(queries, dtype=np.float64)
    if metric == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    distance = np.linalg.norm(asked[:, None] - points[None], axis=2)
    if metric == "cosine":
        distance = distance**2 / 2
    if queries is None:
        np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distance, order, axis=1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("n", "d"), [(5, 3), (20, 40), (700, 2), (1_300, 40)])
def test_neighbours_are_exact(metric, n, d):
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    k = min(17, n - 1)
    found = Embedding(vectors=x, metric=metric).neighbors(k)
    indices, distance = brute(x, k, metric)
    assert (found.indices == indices).mean() > 0.9999  # ties in the last bit
    np.testing.assert_allclose(found.distance, distance, atol=2e-6)


def test_columns_beyond_one_block_are_seen(monkeypatch):
    for name, value in {"_COLUMNS": 150, "_TILE": 64, "ROWS": 48}.items():
        monkeypatch.setattr(f"curalab.neighbors._blocks.{name}", value)
    x = np.random.default_rng(1).normal(size=(500, 20)).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        found = Embedding(vectors=x, metric=metric).neighbors(5)
        assert (found.indices == brute(x, 5, metric)[0]).all()


@pytest.mark.parametrize("spread", [1.0, 0.05, 0.0])  # all rows proved, few, none
@pytest.mark.parametrize("asks", [False, True])
def test_rounded_products_change_nothing(monkeypatch, spread, asks):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 30))
    x = (centres[np.arange(1_200) % 12] + spread * rng.normal(size=(1_200, 30))).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    queries = x[::-4].copy() if asks else None
    plain = nearest(x, 9, metric="cosine", queries=queries)
    tried = []
    search = _rounded.Rounded._sure

    def spy(*given):
        found = search(*given)
        tried.append(found[2].float().mean().item())
        return found

    monkeypatch.setattr("curalab.neighbors._rounded.Rounded._sure", spy)
    monkeypatch.setattr("curalab.neighbors._rounded.rounding_pays", lambda: True)
    monkeypatch.setattr("curalab.neighbors._LARGE", 1)
    found = nearest(x, 9, metric="cosine", queries=queries)
    assert tried
    assert (tried[0] > 0.9) == (spread == 1.0)
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_array_equal(found.distance, plain.distance)


def test_far_from_the_origin_nothing_cancels():
    x = np.random.default_rng(2).normal(size=(400, 30)) + 3_000
    found = Embedding(vectors=x, metric="euclidean").neighbors(5)
    kept = x.astype(np.float32)
    assert (found.indices == brute(kept, 5, "euclidean")[0]).mean() > 0.995


def test_copies_have_distance_zero_and_no_row_is_its_own_neighbour():
    x = np.repeat(np.random.default_rng(3).normal(size=(6, 12)), 50, axis=0).astype(np.float32)
    for metric in ("cosine", "euclidean"):
        for vectors in (x, x[:, :3]):
            found = Embedding(vectors=vectors, metric=metric).neighbors(20)
            assert (found.distance == 0).all()
            assert not (found.indices == np.arange(300)[:, None]).any()
            assert (found.indices // 50 == np.arange(300)[:, None] // 50).all()
            assert all(len(set(row)) == 20 for row in found.indices.tolist())


def test_similarity_is_the_other_way_round():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    cosine = Embedding(vectors=x).neighbors(2)
    np.testing.assert_allclose(cosine.similarity[0], [np.sqrt(0.5), 0], atol=1e-6)
    euclidean = Embedding(vectors=x, metric="euclidean").neighbors(2)
    np.testing.assert_allclose(euclidean.similarity[0], [1 / 2, 1 / (1 + np.sqrt(2))], atol=1e-6)


def test_the_graph_is_computed_once_for_the_largest_k(monkeypatch):
    calls = []

    def counting(*arguments, **settings):
        calls.append(arguments[1])
        return nearest(*arguments, **settings)

    monkeypatch.setattr("curalab.embedding.nearest", counting)
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(50, 4)))
    ten = emb.neighbors(10)
    three = emb.neighbors(3)
    assert calls == [10]
    assert (three.indices == ten.indices[:, :3]).all()
    assert emb.neighbors(12).indices.shape == (50, 12)
    assert calls == [10, 12]


def test_arrays_cannot_be_written():
    found = Embedding(vectors=np.eye(4) + 0.1).neighbors(2)
    with pytest.raises(ValueError, match="read-only"):
        found.indices[0, 0] = 3


def test_search_finds_neighbours_of_other_rows():
    rng = np.random.default_rng(0)
    x, q = rng.normal(size=(300, 16)), rng.normal(size=(40, 16))
    for metric in ("cosine", "euclidean"):
        found = Embedding(vectors=x, metric=metric).search(q, 4)
        indices, distance = brute(np.float32(x), 4, metric, np.float32(q))
        assert (found.indices == indices).all()
        np.testing.assert_allclose(found.distance, distance, atol=2e-6)


def test_k_at_the_door():
    emb = Embedding(vectors=np.eye(4) + 0.1)
    with pytest.raises(ValueError) as caught:
        emb.neighbors(4)
    assert str(caught.value) == (
        "The 'k' parameter must be an integer from 1 to 3. Got 4 instead. "
        "There are 4 rows, and a row is not its own neighbour."
    )
    with pytest.raises(ValueError) as caught:
        emb.search(np.ones((2, 3)), 1)
    assert str(caught.value) == (
        "The 'queries' parameter must be of 4 dimensions, as the embedding is. Got 3 instead."
    )
    with pytest.raises(ValueError) as caught:
        Embedding(vectors=np.ones((1, 3))).neighbors(1)
    assert str(caught.value) == (
        "The embedding must have 2 rows or more for neighbours. Got 1 instead."
    )


def test_queries_of_another_metric_or_without_direction_are_refused():
    x = np.eye(4) + 0.1
    for own, other in (("cosine", "euclidean"), ("euclidean", "cosine")):
        with pytest.raises(ValueError) as caught:
            Embedding(vectors=x, metric=own).search(Embedding(vectors=x, metric=other), 1)
        assert str(caught.value) == (
            f"The 'queries' parameter must be of metric {own!r}. Got {other!r} instead."
        )
    with pytest.raises(ValueError) as caught:
        Embedding(vectors=x).search(np.zeros((1, 4)), 1)
    assert str(caught.value) == (
        "The 'queries' parameter must be different from zero under metric=\"cosine\". "
        "Got 1 of 1 rows of zeros (ids 0) instead. "
        'Drop these rows, or use Embedding(vectors=…, metric="euclidean").'
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [3, 700])
def test_a_search_block_by_block_finds_the_same(monkeypatch, metric, k):
    """Blocks of 512 points; rows 900 and 1,300 are copies of row 5, ordered by number."""
    x = np.random.default_rng(0).normal(size=(1_400, 12)) + 5
    x[[900, 1_300]] = x[5]
    emb = Embedding(vectors=x, metric=metric)
    asked = np.concatenate([x[5:6], x[:700] + 0.01])
    whole = emb.search(asked, k)
    monkeypatch.setattr("curalab.neighbors._HELD", 1)
    parts = emb.search(asked, k)
    np.testing.assert_array_equal(parts.indices, whole.indices)
    np.testing.assert_allclose(parts.distance, whole.distance, atol=1e-6)
    assert parts.indices[0, :3].tolist() == [5, 900, 1_300]


def test_the_precision_of_products_is_given_back():
    torch = pytest.importorskip("torch")
    torch.set_float32_matmul_precision("highest")
    Embedding(vectors=np.random.default_rng(0).normal(size=(50, 20))).neighbors(3)
    assert torch.get_float32_matmul_precision() == "highest"


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 60), st.integers(1, 12), st.integers(0, 2**31), st.booleans())
def test_neighbours_follow_a_permutation(n, d, seed, cosine):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32) + 0.01
    metric = "cosine" if cosine else "euclidean"
    k = min(4, n - 1)
    order = rng.permutation(n)
    plain = nearest_distances(x, k, metric)
    np.testing.assert_allclose(nearest_distances(x[order], k, metric), plain[order], atol=1e-5)


def nearest_distances(x, k, metric):
    return Embedding(vectors=x, metric=metric).neighbors(k).distance


# ---- approximate ---------------------------------------------------------------------------------


@pytest.fixture
def from_few_rows_on(monkeypatch):
    """Approximate searches of 1,000 rows, where looking again at candidates costs little."""
    monkeypatch.setattr("curalab.neighbors._MANY", 1_000)
    monkeypatch.setattr("curalab.neighbors._short._LOOK_COST", 2)


def falling(n, d, rng):
    """Rows whose coordinates matter less and less."""
    return (rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.8).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_what_an_approximate_search_finds_is_what_it_says(from_few_rows_on, metric):
    x = falling(3_000, 120, np.random.default_rng(0)) + 2
    found = Embedding(vectors=x, metric=metric).neighbors(32)
    true = Embedding(vectors=x, metric=metric).neighbors(32, recall=1)
    assert 0.98 <= found.recall < 1 == true.recall
    hits = [np.isin(*pair).mean() for pair in zip(true.indices, found.indices, strict=True)]
    assert abs(np.mean(hits) - found.recall) < 0.01
    nearest_hit = found.indices[:, 0] == true.indices[:, 0]
    assert nearest_hit.mean() > 0.99 > np.mean(hits)  # what is missed is mostly far
    np.testing.assert_allclose(found.distance[nearest_hit, 0], true.distance[nearest_hit, 0])
    assert not (found.indices == np.arange(len(x))[:, None]).any()
    assert (np.diff(found.distance, axis=1) >= 0).all()


def test_where_coordinates_matter_alike_the_search_is_exact(from_few_rows_on):
    x = np.random.default_rng(0).normal(size=(2_000, 60)).astype(np.float32)
    assert Embedding(vectors=x).neighbors(10).recall == 1


def test_few_neighbours_are_the_first_of_many(from_few_rows_on):
    x = falling(2_000, 120, np.random.default_rng(1))
    few, many = Embedding(vectors=x).neighbors(5), Embedding(vectors=x).neighbors(30)
    assert few.recall < 1
    np.testing.assert_array_equal(few.indices, many.indices[:, :5])


def test_many_rows_are_searched_once_for_the_neighbours_that_most_stages_ask_for(from_few_rows_on):
    emb = Embedding(vectors=falling(2_000, 120, np.random.default_rng(1)))
    few = emb.neighbors(5)
    assert few.indices.shape == (2_000, 5)
    assert np.shares_memory(emb.neighbors(32).indices, few.indices)


def test_more_recall_is_searched_for_only_where_it_lacks(from_few_rows_on):
    emb = Embedding(vectors=falling(2_000, 120, np.random.default_rng(2)))
    first = emb.neighbors(30)
    assert np.shares_memory(emb.neighbors(10, recall=first.recall).indices, first.indices)
    assert emb.neighbors(10, recall=1).recall == 1
    assert emb.neighbors(30).recall == 1  # what is known is kept


def test_near_copies_are_found(from_few_rows_on):
    rng = np.random.default_rng(3)
    x = falling(3_000, 120, rng)
    away = rng.normal(size=(300, 120))
    x[-300:] = x[:300] + 0.2 * np.linalg.norm(x[:300], axis=1)[:, None] * (
        away / np.linalg.norm(away, axis=1)[:, None]
    )
    found = Embedding(vectors=x).neighbors(10)
    assert found.recall < 1
    assert (found.indices[:300] == np.arange(2_700, 3_000)[:, None]).any(axis=1).all()


def test_more_cells_are_looked_into_where_few_hold_too_few_rows(from_few_rows_on, monkeypatch):
    """Forty neighbours in groups of sixty, of which the nearest cell alone has some fifteen."""
    monkeypatch.setattr("curalab.neighbors._short._TOGETHER", 16)
    monkeypatch.setattr(
        "curalab.neighbors._short._options", lambda *_: [(0.1, 0.0, Settings(40, 16, 1))]
    )
    rng = np.random.default_rng(4)
    x = np.repeat(rng.normal(size=(50, 40)), 60, axis=0) + 0.1 * rng.normal(size=(3_000, 40))
    found = Embedding(vectors=x).neighbors(40, recall=0.01)
    assert np.isfinite(found.distance).all()
    assert all(len(set(row)) == 40 for row in found.indices.tolist())


def test_where_too_much_is_lost_more_is_looked_into_before_all_is(from_few_rows_on, monkeypatch):
    x = falling(3_000, 120, np.random.default_rng(5))
    monkeypatch.setattr("curalab.neighbors._short._SPARES", (-20, 0.3))  # the first is far off
    found = Embedding(vectors=x).neighbors(10, recall=0.95)
    assert 0.95 <= found.recall < 1
    monkeypatch.setattr("curalab.neighbors._short._SPARES", (-20,))
    assert Embedding(vectors=x).neighbors(10, recall=0.95).recall == 1


def test_what_was_asked_for_once_is_enough_for_all_stages(from_few_rows_on):
    emb = Embedding(vectors=falling(2_000, 120, np.random.default_rng(6)))
    rough = emb.neighbors(30, recall=0.6)
    assert rough.recall < 0.98
    assert np.shares_memory(emb.neighbors(10).indices, rough.indices)
    assert emb.neighbors(10, recall=0.98).recall >= 0.98


@pytest.mark.parametrize("recall", [-0.1, 1.1, "all"])
def test_recall_is_a_share(recall):
    with pytest.raises((ValueError, TypeError), match="recall"):
        Embedding(vectors=np.eye(4) + 0.1).neighbors(2, recall=recall)
