import numpy as np
import pandas as pd
import pytest

from curalab import Embedding
from curalab.embedding import as_embedding


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def test_ids_come_from_the_frame_or_are_made_up(x):
    frame = pd.DataFrame(x, index=list("abcdef"))
    assert Embedding(vectors=frame).ids.tolist() == list("abcdef")
    assert Embedding(vectors=x).ids.tolist() == list(range(6))
    assert as_embedding(frame).ids.tolist() == list("abcdef")


def test_an_embedding_is_an_array(x):
    emb = Embedding(vectors=x)
    assert emb.shape == (6, 3)
    assert len(emb) == 6
    assert np.array_equal(np.asarray(emb), x)
    assert np.asarray(emb, dtype=np.float64).dtype == np.float64
    assert repr(emb) == "Embedding(6 items, 3 dimensions, cosine)"
    with pytest.raises(ValueError, match="read-only"):
        emb.vectors[0, 0] = 1


def test_points_have_unit_length_under_cosine(x):
    np.testing.assert_allclose(np.linalg.norm(Embedding(vectors=x).points, axis=1), 1, atol=1e-6)
    euclidean = Embedding(vectors=x, metric="euclidean")
    assert euclidean.points is euclidean.vectors


def test_take_keeps_ids_data_and_order(x):
    emb = Embedding(vectors=x, ids=list("abcdef"), data=pd.Series(list("ABCDEF")))
    part = emb.take(["d", "a"])
    assert part.ids.tolist() == ["d", "a"]
    assert part.data.tolist() == ["D", "A"]
    assert np.array_equal(part.vectors, x[[3, 0]])


def test_the_fingerprint_tells_ids_vectors_and_metric_apart(x):
    base = Embedding(vectors=x)
    assert base.fingerprint == Embedding(vectors=x.copy()).fingerprint
    others = [
        Embedding(vectors=x, ids=list("abcdef")),
        Embedding(vectors=x, metric="euclidean"),
        Embedding(vectors=x + np.float32(1e-3)),
        Embedding(vectors=x[::-1]),
    ]
    assert len({base.fingerprint, *(e.fingerprint for e in others)}) == 5


def test_saved_vectors_are_mapped_not_loaded(x, tmp_path):
    emb = Embedding(vectors=x, ids=list("abcdef"), params={"encoder": "mine"})
    emb.save(tmp_path / "emb")
    opened = Embedding.open(tmp_path / "emb")
    assert isinstance(opened.vectors, np.memmap) or isinstance(opened.vectors.base, np.memmap)
    assert opened.fingerprint == emb.fingerprint
    assert opened.params["encoder"] == "mine"
    assert (opened.neighbors(2).indices == emb.neighbors(2).indices).all()


def test_to_frame_names_dimensions(x):
    assert Embedding(vectors=x).to_frame().columns.tolist() == [f"embedding_{i}" for i in range(3)]
    view = Embedding(vectors=x, params={"verb": "reduce"})
    assert view.to_frame().columns.tolist() == ["map_0", "map_1", "map_2"]


def test_zero_rows_are_refused_under_cosine_only(x):
    x[[1, 4]] = 0
    with pytest.raises(ValueError) as caught:
        Embedding(vectors=x, ids=list("abcdef"))
    assert str(caught.value) == (
        "The 'vectors' parameter must be different from zero under metric=\"cosine\". "
        "Got 2 of 6 rows of zeros (ids 'b', 'e') instead. "
        'Drop these rows, or use Embedding(vectors=…, metric="euclidean").'
    )
    assert len(Embedding(vectors=x, metric="euclidean")) == 6


def test_what_is_no_embedding():
    with pytest.raises(TypeError) as caught:
        as_embedding("reviews.csv")
    assert str(caught.value) == (
        "The 'embedding' parameter must be an Embedding or an array of shape (n, d). "
        "Got str instead. Make one with embed(data, encoder=…)."
    )
    with pytest.raises(ValueError, match="one of 'cosine', 'euclidean'"):
        Embedding(vectors=np.ones((2, 2)), metric="l2")
    with pytest.raises(ValueError, match="2 ids, one for each row. Got 3 ids instead"):
        Embedding(vectors=np.ones((2, 2)), ids=[1, 2, 3])


def test_tiny_and_huge_vectors_keep_their_direction():
    small = Embedding(vectors=np.full((2, 2), 1e-30))
    np.testing.assert_allclose(np.linalg.norm(small.points, axis=1), 1, atol=1e-6)
    large = Embedding(vectors=np.full((2, 2), 1e30))
    np.testing.assert_allclose(np.linalg.norm(large.points, axis=1), 1, atol=1e-6)
