import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from curalab import Embedding, samples
from curalab.maps import PCA, TSNE, UMAP, UMAPLearn, map_quality, reduce
from curalab.maps._layout import Ties, curve, joined, strengths
from curalab.neighbors import Neighbors


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 20)) * 8
    x = np.concatenate([rng.normal(size=(40, 20)) + c for c in centres])
    return Embedding(vectors=x, ids=[f"i{i}" for i in range(120)], metric="euclidean")


@pytest.mark.parametrize("method", [PCA(), TSNE(perplexity=15), UMAP(), UMAPLearn()])
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


OTHER = {"cosine": "euclidean", "euclidean": "cosine"}


def test_pca_places_new_rows(three):
    view = reduce(three, method="pca")
    np.testing.assert_allclose(view.transform(three).vectors, view.vectors, atol=1e-4)
    with pytest.raises(TypeError, match="The method 'umap_learn' cannot transform new rows"):
        reduce(three, method="umap_learn").transform(three)
    with pytest.raises(ValueError) as caught:
        view.transform(Embedding(vectors=three.vectors, metric=OTHER[three.metric]))
    assert str(caught.value) == (
        f"The 'new' parameter must be of metric {three.metric!r}. "
        f"Got {OTHER[three.metric]!r} instead."
    )


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_new_rows_are_placed_among_their_likes(three, method):
    known = np.r_[0:35, 40:75, 80:115]
    left = np.setdiff1d(np.arange(120), known)
    view = reduce(three.take(three.ids[known]), method=method, random_state=0)
    placed = view.transform(three.take(three.ids[left]))
    assert placed.ids.equals(three.ids[left])
    gap = np.linalg.norm(placed.vectors[:, None] - view.vectors[None], axis=2)
    assert (known[gap.argmin(axis=1)] // 40 == left // 40).all()


def test_strengths_by_hand():
    """A row of four neighbours, the nearest of which counts fully, and one of copies alone."""
    near = Neighbors(
        indices=np.array([[1, 2, 3, 4], [0, 2, 3, 4]]),
        distance=np.array([[1.0, 2.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0]], dtype=np.float32),
        metric="euclidean",
    )
    found = strengths(near, 5).toarray()
    first = found[0, 1:]
    assert first[0] == 1
    assert first.sum() == pytest.approx(np.log2(5), rel=1e-5)
    assert first[1] ** 2 == pytest.approx(first[2], rel=1e-5)  # twice the gap
    assert first[2] == first[3]
    np.testing.assert_array_equal(found[1], [1, 0, 1, 1, 1])


def test_joined_strengths_are_a_probabilistic_or():
    graph = csr_matrix(np.array([[0, 0.5], [0.2, 0]]))
    np.testing.assert_allclose(joined(graph).toarray(), [[0, 0.6], [0.6, 0]])


def test_forces_are_the_gradient_of_the_curve():
    """Of ln(1 / (1 + a d^2b)) at a pull, and of ln(1 - …) at a push, by differences."""
    a, b = curve(0.1)
    assert (a, b) == (pytest.approx(1.577, abs=1e-3), pytest.approx(0.895, abs=1e-3))
    two = csr_matrix(np.array([[0, 1.0]]))
    ties = Ties(two, 10, both_move=False)
    at, others = torch.tensor([[0.0], [0.0]]), torch.tensor([[5.0, 0.6], [5.0, 0.8]])
    close = lambda d: np.log(1 / (1 + a * d ** (2 * b)))  # noqa: E731
    slope = (close(1 + 1e-6) - close(1 - 1e-6)) / 2e-6
    pull = ties.pull(at, others, (a, b))
    np.testing.assert_allclose(pull[:, 0], [-0.6 * slope, -0.8 * slope], rtol=1e-4)
    same = torch.tensor([[0.6], [0.8]])
    push = ties.push(at, same, (a, b), torch.Generator().manual_seed(0))
    away = lambda d: np.log(1 - 1 / (1 + a * d ** (2 * b)))  # noqa: E731
    slope = (away(1 + 1e-6) - away(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(push[:, 0], [-5 * 0.6 * slope, -5 * 0.8 * slope], rtol=2e-3)


def test_umap_keeps_neighbours_as_umap_learn_does():
    x = np.stack([image.ravel() for image in samples.digits()["image"]])
    emb = Embedding(vectors=x, metric="euclidean")
    kept = {
        method: map_quality(reduce(emb, method=method, random_state=0), emb, k=15).details
        for method in ("umap", "umap_learn")
    }
    assert kept["umap"]["trustworthiness"] > kept["umap_learn"]["trustworthiness"] - 0.005
    assert kept["umap"]["recall"] > kept["umap_learn"]["recall"] - 0.02


def test_umap_of_three_rows_and_of_parts_without_an_edge():
    tiny = Embedding(vectors=np.eye(3), metric="euclidean")
    assert np.isfinite(reduce(tiny, method="umap", random_state=0)).all()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)) + np.repeat([0, 1000], 100)[:, None]
    view = np.asarray(reduce(Embedding(vectors=x, metric="euclidean"), random_state=0))
    gap = np.linalg.norm(view[:100].mean(axis=0) - view[100:].mean(axis=0))
    assert gap > 2 * np.linalg.norm(view[:100] - view[:100].mean(axis=0), axis=1).max()


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
    assert np.isfinite(reduce(x, method="umap", random_state=0)).all()


def test_copies_do_not_break_a_map():
    x = np.repeat(np.random.default_rng(0).normal(size=(4, 6)), 10, axis=0)
    for method in ("pca", "tsne", "umap"):  # fewer distinct rows than a perplexity has neighbours
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
