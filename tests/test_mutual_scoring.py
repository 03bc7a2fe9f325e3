import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import curalab as cl
from curalab.outliers import KNN, find_outliers
from curalab.outliers.mutual_scoring import MutualScoring


@pytest.fixture
def parts():
    return np.random.default_rng(0).normal(size=(20, 5, 7))


def flat(parts, metric="cosine"):
    return cl.Embedding(vectors=parts.reshape(len(parts), -1), metric=metric)


def judged(parts, *, metric="cosine", reference=None, **settings):
    method = MutualScoring(parts=parts, **settings)
    own = parts if reference is None else parts[: -len(reference)]
    return find_outliers(flat(own, metric), reference=reference, method=method, random_state=0)


def by_hand(own, others, k):
    """Mean distance of each part to the nearest part of the k closest of the other items."""
    found = np.empty(own.shape[:2])
    for i, item in enumerate(own):
        rest = np.delete(own, i, axis=0) if others is None else others
        gap = np.linalg.norm(item[:, None, None] - rest, axis=-1).min(axis=2)
        found[i] = np.sort(gap, axis=1)[:, :k].mean(axis=1)
    return found


def test_parts_are_compared_with_the_closest_share_of_the_other_items(parts):
    unit = parts / np.linalg.norm(parts, axis=2, keepdims=True)
    expected = by_hand(unit, None, 5)  # 30 % of 19
    found = judged(parts, k=1)
    np.testing.assert_allclose(found.details["part_oddness"], expected, rtol=1e-4)
    np.testing.assert_allclose(found.oddness, expected.max(axis=1), rtol=1e-4)
    long = judged(parts, k=1, metric="euclidean", share=1.0)
    np.testing.assert_allclose(long.details["part_oddness"], by_hand(parts, None, 19), rtol=1e-4)


def test_a_reference_is_what_parts_are_compared_with(parts):
    clean = flat(parts[12:], "euclidean")
    found = judged(parts, reference=clean, metric="euclidean", k=1, share=0.5)
    expected = by_hand(parts[:12], parts[12:], 4)
    np.testing.assert_allclose(found.details["part_oddness"], expected, rtol=1e-4)
    known = by_hand(parts[12:], None, 3).max(axis=1)
    assert found.details["cut"]["value"] == pytest.approx(known.max(), rel=1e-4)


def test_blocks_change_nothing(parts, monkeypatch):
    whole = judged(parts, k=1).oddness
    monkeypatch.setattr("curalab.outliers.mutual_scoring._ROWS", 7)
    np.testing.assert_allclose(judged(parts, k=1).oddness, whole, rtol=1e-6)


def test_oddness_is_shared_with_the_most_similar_items():
    x = cl.Embedding(vectors=np.array([[0.0], [1.0], [4.0]]), metric="euclidean")
    plain = find_outliers(x, method=MutualScoring(k=1, share=1.0)).oddness
    np.testing.assert_allclose(plain, [2.5, 2.0, 3.5], rtol=1e-6)
    shared = find_outliers(x, method=MutualScoring(k=2, share=1.0)).oddness
    # The nearest is at 1, 1 and 3: weights 1/2, 1/2 and 1/4 beside the 1 of the row itself.
    pairs = [(2.5 + 2.0 / 2) / 1.5, (2.0 + 2.5 / 2) / 1.5, (3.5 + 2.0 / 4) / 1.25]
    np.testing.assert_allclose(shared, (plain + pairs) / 2, rtol=1e-6)


def test_squares_of_parts_end_at_the_edge_of_the_grid():
    parts = np.zeros((4, 9, 1))
    parts[0, 0] = 9.0  # a corner, and the only thing there is
    found = judged(parts, metric="euclidean", k=1, grid=(3, 3)).details["part_oddness"]
    corner, side, middle = (9 + 9 / 4) / 2, (9 / 6) / 2, (9 / 9) / 2
    expected = [[corner, side, 0], [side, middle, 0], [0, 0, 0]]
    np.testing.assert_allclose(found[0].reshape(3, 3), expected, atol=1e-5)
    np.testing.assert_allclose(found[1:], 0, atol=1e-5)  # they are alike among themselves


def test_small_defects_in_items_that_differ_as_a_whole():
    """Pages of nine real digits, 0 to 4; on 3 % of the pages one digit is a 7."""
    items = cl.samples.digits()
    ink, label = np.stack(items["image"]).reshape(-1, 64) / 255, items["label"].astype(int)
    rng = np.random.default_rng(0)
    parts = ink[rng.choice(np.flatnonzero(label < 5), (300, 9))]
    truth = np.arange(300) < 9
    place = rng.integers(9, size=9)
    parts[np.arange(9), place] = ink[rng.choice(np.flatnonzero(label == 7), 9)]
    pages = flat(parts, "euclidean")
    found = find_outliers(pages, method=MutualScoring(parts=parts), random_state=0)
    whole = max(roc_auc_score(truth, KNN(k=k)(pages_pool(pages), rng=None)) for k in (3, 10))
    assert whole < 0.75
    assert roc_auc_score(truth, found.oddness) > 0.9
    shown = found.details["part_oddness"][:9].argmax(axis=1)
    assert (shown == place).mean() > 0.7


def pages_pool(pages):
    return cl.Pool(embedding=pages)


def test_rows_without_parts_are_their_own_part():
    x = np.random.default_rng(1).normal(size=(60, 4))
    x[7] += 20
    found = find_outliers(cl.Embedding(vectors=x, metric="euclidean"), method=MutualScoring())
    assert found.top(1).tolist() == [7]
    one = cl.Embedding(vectors=x[:1], metric="euclidean")
    clean = cl.Embedding(vectors=x[1:3], metric="euclidean")
    gap = np.linalg.norm(x[0] - x[1:3], axis=1).min()  # 30 % of two rows is one
    got = find_outliers(one, reference=clean, method=MutualScoring()).oddness
    np.testing.assert_allclose(got, [gap], rtol=1e-5)


def test_the_order_of_rows_and_copies_change_nothing(parts):
    plain = judged(parts).oddness
    order = np.random.default_rng(2).permutation(len(parts))
    np.testing.assert_allclose(judged(parts[order]).oddness, plain[order], rtol=1e-5)
    same = judged(np.ones((6, 2, 3)))
    assert (same.oddness < 1e-3).all()


def test_methods_compare_by_value(parts):
    assert MutualScoring() == MutualScoring()
    assert MutualScoring(parts=parts) == MutualScoring(parts=parts.copy())
    assert hash(MutualScoring(parts=parts)) == hash(MutualScoring(parts=parts.copy()))
    assert MutualScoring(parts=parts) != MutualScoring(parts=parts + 1)
    assert MutualScoring(parts=parts) != MutualScoring()
    assert MutualScoring(k=1) != MutualScoring()
    assert MutualScoring() != 3


def test_params_tell_the_parts_by_their_hash(parts):
    a, b = judged(parts).params["settings"], judged(parts + 1).params["settings"]
    assert a["parts"].startswith("float64[20, 5, 7]#")
    assert a["parts"] != b["parts"]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"share": 0},
            ValueError,
            "The 'share' parameter must be above 0. Got 0 instead.",
        ),
        (
            {"share": 1.1},
            ValueError,
            "The 'share' parameter must be a number from 0 to 1. Got 1.1 instead.",
        ),
        ({"k": 0}, ValueError, "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"grid": (2, 2)},
            ValueError,
            "The 'grid' parameter must be two integers whose product is 5, the number of parts. "
            "Got (2, 2) instead.",
        ),
    ],
)
def test_settings_are_checked(parts, settings, error, message):
    with pytest.raises(error) as caught:
        judged(parts, **settings)
    assert str(caught.value) == message


def test_parts_are_checked(parts):
    x = flat(parts)
    for given, message in (
        (
            parts[:-1],
            "The 'parts' parameter must be of shape (n_items, n_parts, d), with n_items = 20. "
            "Got shape (19, 5, 7) instead.",
        ),
        (
            np.where(np.arange(20)[:, None, None] == 3, np.nan, parts),
            "The 'parts' parameter must be finite. Got NaN or infinite numbers in rows 3 instead.",
        ),
        (
            parts * (np.arange(5) != 2)[:, None] ** (np.arange(20) == 4)[:, None, None],
            "The 'parts' parameter must be different from zero under metric=\"cosine\". "
            "Got parts of zeros in rows 4 instead. "
            'Leave these parts out, or use Embedding(vectors=…, metric="euclidean").',
        ),
    ):
        with pytest.raises(ValueError) as caught:
            find_outliers(x, method=MutualScoring(parts=given))
        assert str(caught.value) == message
    with pytest.raises(TypeError) as caught:
        find_outliers(x, method=MutualScoring(parts=[*parts[:-1], parts[-1, :3]]))
    assert str(caught.value) == (
        "The 'parts' parameter must be numbers of shape (n_items, n_parts, d), as many parts for "
        "each item. Got list instead."
    )
    with pytest.raises(ValueError) as caught:
        find_outliers(x, reference=x, method=MutualScoring(parts=parts))
    assert str(caught.value) == (
        "The 'parts' parameter must be of shape (n_items, n_parts, d), with n_items = 20 + 20 of "
        "the reference. Got shape (20, 5, 7) instead."
    )
    with pytest.raises(ValueError) as caught:
        find_outliers(x, reference=np.ones((4, 3)), method=MutualScoring())
    assert str(caught.value) == (
        "The 'reference' parameter must be of 35 dimensions, as the embedding is. Got 3 instead."
    )
