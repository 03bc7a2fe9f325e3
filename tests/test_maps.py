import numpy as np
import pytest

from curalab import Embedding
from curalab.maps import PCA, TSNE, UMAP, reduce


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 20)) * 8
    x = np.concatenate([rng.normal(size=(40, 20)) + c for c in centres])
    return Embedding(vectors=x, ids=[f"i{i}" for i in range(120)], metric="euclidean")


@pytest.mark.parametrize("method", [PCA(), TSNE(perplexity=15), UMAP()])
def test_groups_stay_together(three, method):
    view = reduce(three, method=method, random_state=0)
    assert view.shape == (120, 2)
    assert view.metric == "euclidean"
    assert view.ids.equals(three.ids)
    group = np.repeat([0, 1, 2], 40)
    near = view.neighbors(10).indices
    assert (group[near] == group[:, None]).mean() > 0.98
    assert view.params["ancestors"] == [three.fingerprint]
    again = reduce(three, method=method, random_state=0)
    assert np.array_equal(view.vectors, again.vectors)


def test_maps_remember_all_their_ancestors(three):
    first = reduce(three, method="pca", n_components=5)
    second = reduce(first, method="pca")
    assert second.params["ancestors"] == [three.fingerprint, first.fingerprint]


def test_pca_by_hand():
    x = np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])
    view = reduce(Embedding(vectors=x, metric="euclidean"), method="pca", n_components=1)
    np.testing.assert_allclose(np.abs(view.vectors[:, 0]), [np.sqrt(8), 0, np.sqrt(8)], atol=1e-5)
    assert view.details["explained_variance_ratio"][0] == pytest.approx(1)


def test_pca_places_new_rows(three):
    view = reduce(three, method="pca")
    np.testing.assert_allclose(view.transform(three).vectors, view.vectors, atol=1e-4)
    with pytest.raises(TypeError, match="The method 'umap' cannot transform new rows"):
        reduce(three, method="umap").transform(three)


def test_tsne_places_new_rows_among_their_likes(three):
    known = np.r_[0:35, 40:75, 80:115]
    left = np.setdiff1d(np.arange(120), known)
    view = reduce(three.take(three.ids[known]), method="tsne", random_state=0)
    placed = view.transform(three.take(three.ids[left]))
    assert placed.ids.equals(three.ids[left])
    gap = np.linalg.norm(placed.vectors[:, None] - view.vectors[None], axis=2)
    assert (known[gap.argmin(axis=1)] // 40 == left // 40).all()


def test_exaggeration_draws_groups_together(three):
    """The spread within groups against that of their middles; three groups of 40."""

    def tightness(exaggeration):
        made = reduce(three, method=TSNE(perplexity=15, exaggeration=exaggeration), random_state=0)
        groups = made.vectors.reshape(3, 40, 2)
        return groups.std(axis=1).mean() / groups.mean(axis=1).std()

    assert tightness(4) < 0.7 * tightness(1)


def test_more_components_than_dimensions_are_zero():
    x = Embedding(vectors=np.random.default_rng(0).normal(size=(9, 1)), metric="euclidean")
    assert (reduce(x, method="pca").vectors[:, 1] == 0).all()
    assert np.isfinite(reduce(x, method="tsne", random_state=0)).all()


def test_copies_do_not_break_a_map():
    x = np.repeat(np.random.default_rng(0).normal(size=(4, 6)), 10, axis=0)
    for method in ("pca", "tsne"):  # fewer distinct rows than a perplexity has neighbours
        assert np.isfinite(reduce(Embedding(vectors=x), method=method, random_state=0)).all()


def test_bad_input(three):
    with pytest.raises(ValueError) as caught:
        reduce(np.eye(2))
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 3 rows. Got 2 rows instead."
    )
    with pytest.raises(
        ValueError, match="'n_components' parameter must be an integer of 1 or more"
    ):
        reduce(three, n_components=0)
    with pytest.raises(ValueError) as caught:
        reduce(three, method=TSNE(perplexity=0.5))
    assert str(caught.value) == (
        "The 'perplexity' parameter must be a number from 1 to 1000. Got 0.5 instead."
    )
    with pytest.raises(ValueError) as caught:
        reduce(three, method="tsne", n_components=4)
    assert str(caught.value) == (
        "The 'n_components' parameter must be from 1 to 3 for 'tsne'. Got 4 instead."
    )
