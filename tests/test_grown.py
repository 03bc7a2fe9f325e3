"""The neighbour graph that is kept with the vectors, and grows with them."""

import numpy as np
import pytest

import curalab as cl
from curalab import Embedding
from curalab.neighbors import _grown


@pytest.fixture
def no_search(monkeypatch):
    """Searching all rows anew is an error."""

    def refuse(points, k, **more):
        raise AssertionError(f"searched {len(points)} rows anew")

    return lambda: monkeypatch.setattr("curalab.embedding.nearest", refuse)


def rows(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_the_graph_is_kept_with_the_vectors(tmp_path, no_search):
    emb = Embedding(vectors=rows(50))
    near = emb.neighbors(12)
    emb.save(tmp_path / "emb")
    no_search()
    again = Embedding.open(tmp_path / "emb")
    assert again.has_graph
    found = again.neighbors(5)
    np.testing.assert_array_equal(found.indices, near.indices[:, :5])
    np.testing.assert_array_equal(found.distance, near.distance[:, :5])
    assert again.fingerprint == emb.fingerprint
    assert cl.find_outliers(again, method="knn").ids.equals(again.ids)


def test_without_a_graph_none_is_kept(tmp_path):
    Embedding(vectors=rows(50)).save(tmp_path / "emb")
    assert not [path for path in (tmp_path / "emb").iterdir() if "neighbors" in path.name]
    assert not Embedding.open(tmp_path / "emb").has_graph


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("d", [3, 12])
def test_it_grows_with_the_rows_as_if_searched_anew(tmp_path, no_search, metric, d):
    x = rows(260, d)
    x[255] = x[3]  # a copy, of which there are many
    x[[250, 251, 10, 11]] = x[9]
    first = Embedding(vectors=x[:245], metric=metric)
    first.neighbors(9)
    first.save(tmp_path / "emb")
    Embedding(vectors=x[245:250], metric=metric).append_to(tmp_path / "emb")
    Embedding(vectors=x[250:], metric=metric).append_to(tmp_path / "emb")
    true = Embedding(vectors=x, metric=metric).neighbors(9)
    no_search()
    emb = Embedding.open(tmp_path / "emb")
    assert not emb.has_graph
    found = emb.neighbors(9)
    assert emb.has_graph
    np.testing.assert_allclose(found.distance, true.distance, atol=1e-6)
    assert not (found.indices == np.arange(260)[:, None]).any()
    same = [len(set(a) & set(b)) for a, b in zip(found.indices, true.indices, strict=True)]
    assert np.mean(same) > 8.9  # of equally near rows, either


def test_more_neighbours_than_new_rows(tmp_path):
    x = rows(40)
    emb = Embedding(vectors=x[:39])
    emb.neighbors(30)
    emb.save(tmp_path / "emb")
    Embedding(vectors=x[39:]).append_to(tmp_path / "emb")
    found = Embedding.open(tmp_path / "emb").neighbors(30)
    np.testing.assert_array_equal(found.indices, Embedding(vectors=x).neighbors(30).indices)


def test_many_new_rows_are_a_new_search(tmp_path):
    x = rows(60)
    emb = Embedding(vectors=x[:40])
    emb.neighbors(5)
    emb.save(tmp_path / "emb")
    Embedding(vectors=x[40:]).append_to(tmp_path / "emb")
    again = Embedding.open(tmp_path / "emb")
    assert _grown.grown(again._graph["neighbors"], again.points) is None
    np.testing.assert_array_equal(
        again.neighbors(5).indices, Embedding(vectors=x).neighbors(5).indices
    )


def test_asking_for_more_of_a_kept_graph_is_a_new_search(tmp_path):
    x = rows(60)
    emb = Embedding(vectors=x)
    emb.neighbors(5)
    emb.save(tmp_path / "emb")
    again = Embedding.open(tmp_path / "emb")
    np.testing.assert_array_equal(again.neighbors(9).indices, emb.neighbors(9).indices)
    assert again.neighbors(3).k == 3


def test_a_graph_of_which_a_part_is_gone_is_named(tmp_path):
    emb = Embedding(vectors=rows(60))
    emb.neighbors(5)
    emb.save(tmp_path / "emb")
    (tmp_path / "emb" / "neighbors.distance.npy").unlink()
    with pytest.raises(ValueError, match="is damaged"):
        Embedding.open(tmp_path / "emb")


def test_a_graph_of_more_rows_than_there_are_is_damage(tmp_path):
    emb = Embedding(vectors=rows(60))
    emb.neighbors(5)
    emb.save(tmp_path / "emb")
    for name in ("indices", "distance"):
        path = tmp_path / "emb" / f"neighbors.{name}.npy"
        np.save(path, np.concatenate([np.load(path)] * 2))
    with pytest.raises(ValueError, match="60 ids, and a graph of other rows"):
        Embedding.open(tmp_path / "emb")
