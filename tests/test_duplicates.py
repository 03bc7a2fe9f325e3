import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components

from curalab import Embedding, Pool
from curalab.duplicates import Duplicates, Exact, Leakage, Semantic, find_duplicates, find_leakage
from curalab.duplicates._graph import nearest_of
from curalab.samples import digits, plant_duplicates, plant_leakage


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def pixels(items):
    x = np.stack(items["image"].tolist()).reshape(len(items), -1)
    return Embedding(vectors=x.astype(np.float32), ids=items.index)


def pairs_of(frame):
    return {frozenset(pair) for pair in frame[["id_a", "id_b"]].to_numpy().tolist()}


def precision_and_recall(found, truth):
    right = len(pairs_of(found.pairs()) & pairs_of(truth))
    return right / len(found.found), right / len(truth)


def arc(*degrees):
    """Unit vectors at these angles."""
    angle = np.deg2rad(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def cos(degrees):
    return np.cos(np.deg2rad(degrees))


# ---- the default threshold -----------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_copies_and_jittered_copies_of_digits(share, seed):
    planted = plant_duplicates(digits(), share=share, kind=["exact", "jittered"], random_state=seed)
    found = find_duplicates(pixels(planted.items))
    precision, recall = precision_and_recall(found, planted.truth)
    assert precision >= 0.95
    assert recall >= 0.95
    only_exact = find_duplicates(pixels(planted.items), method="exact")
    assert precision_and_recall(only_exact, planted.truth) == (1.0, pytest.approx(0.5, abs=0.02))


@pytest.mark.parametrize("grey_levels", [3, 8])
def test_noise_of_a_few_grey_levels(grey_levels):
    rng = np.random.default_rng(grey_levels)
    x = np.stack(digits()["image"].tolist()).reshape(-1, 64).astype(float)
    rows = rng.choice(len(x), 90, replace=False)
    copies = np.clip(x[rows] + rng.normal(scale=grey_levels, size=(90, 64)), 0, 255)
    found = find_duplicates(np.concatenate([x, copies]))
    truth = pd.DataFrame({"id_a": rows, "id_b": len(x) + np.arange(90)})
    precision, recall = precision_and_recall(found, truth)
    assert precision >= 0.95
    assert recall >= 0.95


def test_digits_have_no_duplicates_though_many_pairs_are_alike():
    emb = pixels(digits())
    assert len(find_duplicates(emb).found) == 0
    assert (np.triu(emb.points @ emb.points.T, 1) > 0.95).sum() > 6000


@pytest.mark.parametrize("d", [2, 10, 100])
def test_independent_rows_are_hardly_ever_duplicates(d):
    draws = (np.random.default_rng([d, i]).normal(size=(300, d)) for i in range(10))
    n_pairs = [len(find_duplicates(Embedding(vectors=x, metric="euclidean")).found) for x in draws]
    assert sum(n_pairs) <= 2


def test_a_dense_cluster_is_ordinary_and_copies_in_it_are_not():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(300, 10)), 5 + 0.01 * rng.normal(size=(300, 10))])
    assert len(find_duplicates(Embedding(vectors=x, metric="euclidean")).found) == 0
    x[:5] = x[300:305] + 1e-4
    found = find_duplicates(Embedding(vectors=x, metric="euclidean"))
    assert pairs_of(found.pairs()) == {frozenset([i, 300 + i]) for i in range(5)}


def test_a_large_group_of_near_copies_stands_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 16))
    near = x[:1] + 0.01 * rng.normal(size=(50, 16))
    found = find_duplicates(np.concatenate([x, near]))
    assert found.n_groups == 1
    assert set(found.ids[found.group == 0]) == {0, *range(500, 550)}


def test_many_copies_up_to_rounding_leave_the_threshold_to_the_others():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 16))
    same = x[:1] * (1 + 1e-6 * rng.normal(size=(300, 16)))
    x[7] = x[3] + 0.01
    found = find_duplicates(np.concatenate([x, same]))
    assert np.bincount(found.group[found.group >= 0]).tolist() == [301, 2]


def test_the_threshold_is_recorded_and_lies_in_the_gap():
    x = np.random.default_rng(0).normal(size=(200, 8))
    x[7] = x[3] + 0.001
    found = find_duplicates(x)
    record = found.details["threshold"]
    assert record["rule"] == "at most 5% of the rows with a duplicate by chance"
    assert record["rows_found"] == 2
    assert record["rows_by_chance"] < 0.1
    assert found.threshold == record["threshold"] == 1 - record["distance"]
    distance = Embedding(vectors=x).neighbors(1).distance[:, 0]
    by_size = np.unique(distance)
    assert by_size[0] < record["distance"] < by_size[1]
    assert found.params["threshold"] == found.threshold


def test_where_rows_repeat_only_copies_are_found():
    table = np.random.default_rng(0).integers(0, 3, size=(400, 3)).astype(float)
    found = find_duplicates(Embedding(vectors=table, metric="euclidean"))
    expected = pd.DataFrame(table).groupby([0, 1, 2]).ngroup()
    assert found.n_groups == expected.nunique()
    assert (pd.Series(found.group).groupby(expected).nunique() == 1).all()


# ---- groups, keep, similarity --------------------------------------------------------------------


def test_a_group_by_hand():
    found = find_duplicates(arc(90, 10, 0, 20), threshold=cos(12))
    assert found.group.tolist() == [-1, 0, 0, 0]
    assert found.keep.tolist() == [True, True, False, False]
    np.testing.assert_allclose(found.similarity, [np.nan, 1, cos(10), cos(10)], rtol=1e-6)
    assert found.pairs()[["id_a", "id_b"]].to_numpy().tolist() == [[1, 2], [1, 3]]
    np.testing.assert_allclose(found.pairs()["similarity"], [cos(10)] * 2, rtol=1e-6)
    assert found.n_groups == 1
    assert repr(found) == "Duplicates(4 items, 2 duplicates in 1 group, method=semantic)"


def test_a_row_linked_through_others_has_no_similarity_to_the_row_kept():
    found = find_duplicates(arc(0, 10, 20, 30), threshold=cos(12))
    assert found.group.tolist() == [0, 0, 0, 0]
    assert found.keep.tolist() == [False, True, False, False]
    np.testing.assert_allclose(found.similarity, [cos(10), 1, cos(10), np.nan], rtol=1e-6)


def test_of_equals_the_first_is_kept_and_groups_are_numbered_by_their_first_row():
    x = np.eye(4)[[2, 0, 3, 0, 2, 0]]
    found = find_duplicates(x)
    assert found.group.tolist() == [0, 1, -1, 1, 0, 1]
    assert found.keep.tolist() == [True, True, True, False, False, False]
    np.testing.assert_array_equal(found.similarity, [1, 1, np.nan, 1, 1, 1])
    assert found.to_frame().columns.tolist() == [
        "duplicate_group",
        "duplicate_keep",
        "duplicate_similarity",
    ]


def test_euclidean_similarity():
    found = find_duplicates(
        Embedding(vectors=np.array([[0.0], [1.0], [9.0]]), metric="euclidean"), threshold=0.5
    )
    assert found.pairs().to_numpy().tolist() == [[0, 1, 0.5]]


def test_ids_name_the_pairs():
    emb = Embedding(vectors=np.eye(3)[[0, 1, 0]], ids=["x", "y", "z"])
    assert find_duplicates(emb).pairs()[["id_a", "id_b"]].to_numpy().tolist() == [["x", "z"]]


@given(
    st.integers(2, 25),
    st.integers(1, 3),
    st.floats(0, 1),
    st.sampled_from(["cosine", "euclidean"]),
    st.integers(0, 2**32 - 1),
)
def test_pairs_and_groups_are_those_of_the_definition(n, d, threshold, metric, seed):
    # A few values only, so that there are ties; one decimal off any value that similarity takes.
    x = np.random.default_rng(seed).integers(1, 4, size=(n, d)).astype(float)
    emb = Embedding(vectors=x, metric=metric)
    threshold = round(threshold, 1) + 0.00137 if threshold < 0.95 else 0.9999
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    gap = np.linalg.norm(unit[:, None] - unit, axis=2)
    alike = 1 - gap**2 / 2 if metric == "cosine" else 1 / (1 + gap)
    near = alike >= threshold
    found = find_duplicates(emb, threshold=threshold)
    expected = {frozenset(p) for p in itertools.combinations(range(n), 2) if near[p]}
    assert pairs_of(found.pairs()) == expected
    part = connected_components(near)[1]
    alone = np.bincount(part)[part] == 1
    assert ((found.group == -1) == alone).all()
    for group in range(found.n_groups):
        members = np.flatnonzero(found.group == group)
        assert len(set(part[members])) == 1
        assert found.keep[members].sum() == 1
        closeness = (alike * near)[np.ix_(members, members)].sum(axis=1)
        kept = members[found.keep[members]][0]
        assert members[closeness > closeness.max() - 1e-5][0] == kept
    assert found.keep[alone].all()


# ---- large groups --------------------------------------------------------------------------------


def test_groups_of_up_to_100_come_with_all_their_pairs():
    rng = np.random.default_rng(0)
    x = np.repeat(np.eye(8)[:3], [100, 60, 2], axis=0) + 0.001 * rng.normal(size=(162, 8))
    found = find_duplicates(x, threshold=0.99)
    assert np.bincount(found.group).tolist() == [100, 60, 2]
    assert len(found.found) == 100 * 99 / 2 + 60 * 59 / 2 + 1


def test_of_rows_with_more_copies_than_neighbours_only_these_are_looked_at_again(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(1_000, 30)), np.repeat(rng.normal(size=(2, 30)), 60, 0)])
    emb = Embedding(vectors=x + 0.001 * rng.normal(size=x.shape))
    graph, asked = emb.neighbors(30), []
    search = Embedding.search
    monkeypatch.setattr(
        Embedding, "search", lambda *given: asked.append(len(given[1])) or search(*given)
    )
    found = find_duplicates(emb, threshold=0.99)
    assert len(found.found) == 2 * 60 * 59 / 2
    assert asked == [120]
    assert np.shares_memory(emb.neighbors(30).indices, graph.indices)


def test_the_threshold_is_judged_by_some_rows_where_there_are_many(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3_000, 20))
    x[-300:] = x[:300] + 1e-4 * rng.normal(size=(300, 20))
    whole = find_duplicates(x)
    monkeypatch.setattr("curalab.duplicates._threshold._ROWS", 500)
    assert pairs_of(find_duplicates(x).pairs()) == pairs_of(whole.pairs())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_of_few_rows_are_found_without_the_graph_of_all(metric):
    x = np.random.default_rng(0).normal(size=(600, 12))
    x[1:21] = x[0]  # among many copies a row may not be in its own list
    emb = Embedding(vectors=x, metric=metric)
    rows = np.arange(0, 600, 10)
    some = nearest_of(emb, rows, 12)
    assert not emb.has_graph
    graph = emb.neighbors(12)
    np.testing.assert_array_equal(some.distance, graph.distance[rows])
    # Which of equals is among the nearest is a toss.
    is_plain = ~np.isin(graph.indices[rows], np.arange(21)).any(axis=1)
    np.testing.assert_array_equal(some.indices[is_plain], graph.indices[rows[is_plain]])
    assert not (some.indices == rows[:, None]).any()


def test_a_larger_group_is_connected_to_its_centre():
    rng = np.random.default_rng(0)
    x = np.eye(8)[[0] * 250 + [1, 1]] + 0.001 * rng.normal(size=(252, 8))
    found = find_duplicates(x, threshold=0.99)
    assert np.bincount(found.group).tolist() == [250, 2]
    assert len(found.found) == 249 + 1
    assert not np.isnan(found.similarity).any()
    kept = found.ids[found.keep & (found.group == 0)][0]
    pairs = found.pairs()
    assert ((pairs["id_a"] == kept) | (pairs["id_b"] == kept)).sum() == 249


def test_two_dense_halves_of_one_group_are_one():
    rng = np.random.default_rng(0)
    halves = np.repeat(arc(0, 5), 150, axis=0)
    found = find_duplicates(halves + 1e-4 * rng.normal(size=(300, 2)), threshold=cos(6))
    assert found.n_groups == 1
    assert len(found.found) == 299


def test_a_long_chain_stays_connected():
    found = find_duplicates(arc(*np.arange(150) * 0.5), threshold=cos(0.7))
    assert found.n_groups == 1
    assert len(found.found) == 149
    assert found.found["similarity"].min() >= cos(0.7)


@pytest.mark.parametrize("method", ["semantic", "exact"])
def test_copies_of_one_row_make_as_many_pairs_as_rows(method):
    found = find_duplicates(np.ones((3000, 4)), method=method)
    assert len(found.found) == 2999
    assert found.group.tolist() == [0] * 3000
    assert np.flatnonzero(found.keep).tolist() == [0]
    assert found.similarity.tolist() == [1.0] * 3000
    assert found.threshold == 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_rows(n):
    alone = find_duplicates(np.eye(4)[:n])
    assert alone.group.tolist() == [-1] * n
    assert alone.keep.all()
    assert alone.pairs().columns.tolist() == ["id_a", "id_b", "similarity"]
    assert len(alone.pairs()) == 0
    if n > 1:
        same = find_duplicates(np.eye(4)[[0, *range(n - 1)]])
        assert same.keep.tolist() == [True, False, *[True] * (n - 2)]


# ---- at ------------------------------------------------------------------------------------------


def test_at_cuts_again_as_a_new_search_would():
    x = np.random.default_rng(0).normal(size=(300, 3))
    loose = find_duplicates(x, threshold=0.999)
    for threshold in (0.999, 0.9995, 0.99995, 1.0):
        pd.testing.assert_frame_equal(
            loose.at(threshold).to_frame(), find_duplicates(x, threshold=threshold).to_frame()
        )
        assert loose.at(threshold).threshold == threshold
    assert len(loose.at(0.9995).found) < len(loose.found)
    assert loose.threshold == 0.999
    found = find_duplicates(x)
    pd.testing.assert_frame_equal(found.at(found.threshold).to_frame(), found.to_frame())


def test_at_refuses_a_lower_threshold():
    found = find_duplicates(np.eye(3), threshold=0.9)
    assert message(ValueError, found.at, 0.8) == (
        "The 'threshold' parameter must be a number from 0.9 to 1. Got 0.8 instead. "
        "Pairs below were not computed: call find_duplicates with a lower threshold=…."
    )
    assert message(ValueError, found.at(0.95).at, 0.9) == (
        "The 'threshold' parameter must be a number from 0.95 to 1. Got 0.9 instead. "
        "Pairs below were not computed: call find_duplicates with a lower threshold=…."
    )


def test_pairs_survive_the_disk(tmp_path):
    found = find_duplicates(arc(0, 1, 50, 51, 51.5), threshold=0.99)
    found.save(tmp_path / "found")
    opened = Duplicates.open(tmp_path / "found")
    pd.testing.assert_frame_equal(opened.pairs(), found.pairs())
    assert opened.threshold == 0.99
    assert opened.at(0.9999).n_groups == 1


# ---- methods -------------------------------------------------------------------------------------


def test_partitions_find_the_pairs_within():
    x = np.random.default_rng(0).normal(size=(300, 5))
    x[200:250] = x[:50]
    everything = pairs_of(find_duplicates(x, threshold=0.9).pairs())
    apart = find_duplicates(x, method=Semantic(partitions=6), threshold=0.9, random_state=0)
    assert pairs_of(apart.pairs()) < everything
    assert {frozenset([i, 200 + i]) for i in range(50)} <= pairs_of(apart.pairs())
    assert message(
        ValueError, find_duplicates, x, method=Semantic(partitions=301), threshold=0.9
    ) == ("The 'partitions' parameter must be an integer from 1 to 300. Got 301 instead.")


def groups_of_data(data, **settings):
    emb = Embedding(vectors=np.eye(len(data)) + 1, data=data)
    return find_duplicates(emb, method=Exact(**settings)).group.tolist()


def test_exact_texts():
    texts = ["Ein Café  am Markt", "ein cafe\u0301 am\nmarkt ", "STRASSE", "straße", "Markt", None]
    assert groups_of_data(texts) == [0, 0, 1, 1, -1, -1]
    assert groups_of_data(pd.Series([*texts, texts[0], None]), normalise=False) == (
        [0, -1, -1, -1, -1, -1, 0, -1]
    )


def test_exact_images(tmp_path):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    other = image.copy()
    other[0, 0, 0] += 1
    assert groups_of_data([image, other, image.copy(), image.reshape(4, 3, 4)]) == [0, -1, 0, -1]
    assert groups_of_data([Image.fromarray(image), Image.fromarray(other), image]) == [0, -1, 0]
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).save(tmp_path / "b.bmp")
    Image.fromarray(other).save(tmp_path / "c.png")
    paths = [str(tmp_path / name) for name in ("a.png", "b.bmp", "c.png")]
    assert groups_of_data(paths) == [0, 0, -1]
    assert groups_of_data(paths, normalise=False) == [-1, -1, -1]
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert groups_of_data([*paths, str(tmp_path / "d.png")], normalise=False) == [0, -1, -1, 0]


def test_exact_tables():
    table = pd.DataFrame(
        {"n": [1.0, 1.0, np.nan, 2.0, np.nan, np.nan], "t": ["a", " A", "b", "a", "b", None]}
    )
    assert groups_of_data(table) == [0, 0, 1, -1, 1, -1]


def test_exact_rows_of_vectors_where_there_is_no_data():
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [1.0, 1e-7]])
    found = find_duplicates(x, method="exact")
    assert found.group.tolist() == [0, 0, -1, -1]
    assert found.details["threshold"] == {"rule": "set by exact", "threshold": 1.0}


def test_exact_lists_the_files_it_cannot_read(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [str(tmp_path / "broken.png"), str(tmp_path / "absent.png")]
    emb = Embedding(vectors=np.eye(2), data=paths, ids=["a", "b"])
    assert message(ValueError, find_duplicates, emb, method="exact") == (
        "The files of the data must be readable. Got 2 that are not (ids 'a', 'b') instead. "
        "Drop these rows, or mend the files."
    )


def test_exact_groups_of_more_than_100():
    texts = ["same"] * 150 + ["other"] * 3
    found = find_duplicates(Embedding(vectors=np.ones((153, 2)), data=texts), method="exact")
    assert np.bincount(found.group).tolist() == [150, 3]
    assert len(found.found) == 149 + 3
    assert np.flatnonzero(found.keep).tolist() == [0, 150]


# ---- the contract --------------------------------------------------------------------------------


def test_a_function_is_a_method_and_gets_a_number():
    given = []

    def halves(pool, threshold, *, rng):
        given.append(threshold)
        n = len(pool) // 2
        return np.column_stack([np.arange(n) + n, np.arange(n)]), np.full(n, 0.99), {"by": "half"}

    found = find_duplicates(np.random.default_rng(0).normal(size=(6, 3)), method=halves)
    assert found.group.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.details["by"] == "half"
    assert 0 < given[0] < 1


@pytest.mark.parametrize(
    ("pairs", "similarity", "complaint"),
    [
        ([[0, 3]], [1.0], "row number 3 in 3 rows."),
        ([[1, 1]], [1.0], "row 1 paired with itself."),
        ([[0, 1]], [0.5], "a similarity of 0.5 below the threshold of 0.9."),
    ],
)
def test_broken_promises(pairs, similarity, complaint):
    def mine(pool, threshold, *, rng):
        return np.array(pairs), np.array(similarity)

    told = message(ValueError, find_duplicates, np.eye(3), method=mine, threshold=0.9)
    assert told.endswith(f"mine' broke its contract: {complaint}")


def test_a_threshold_is_a_number_from_0_to_1():
    assert message(ValueError, find_duplicates, np.eye(3), threshold=1.5) == (
        "The 'threshold' parameter must be a number from 0 to 1. Got 1.5 instead."
    )
    assert message(TypeError, find_leakage, np.eye(3), np.eye(3), threshold="high") == (
        "The 'threshold' parameter must be a number from 0 to 1. Got 'high' instead."
    )


# ---- leakage -------------------------------------------------------------------------------------


def test_leaked_digits_are_found():
    train, test = digits()[:1200], digits()[1200:]
    kinds = ["exact", "jittered"]
    planted = plant_leakage(train, test, share=0.1, kind=kinds, random_state=0)
    leak = find_leakage(pixels(train), pixels(planted.items))
    origin = planted.truth.set_index("test_id")["train_id"]
    right = leak.ids.isin(origin.index)
    assert right.mean() >= 0.95
    assert right.sum() >= 0.95 * len(origin)
    assert (leak.nearest[right] == origin[leak.ids[right]].to_numpy()).all()
    assert (np.diff(leak.similarity) <= 0).all()
    assert repr(leak) == f"Leakage({len(leak)} items, of {len(planted.items)} test rows)"


def test_leakage_by_hand(tmp_path):
    train = Embedding(vectors=arc(0, 40, 80), ids=["a", "b", "c"])
    test = Embedding(vectors=arc(20, 42, 81), ids=["x", "y", "z"])
    leak = find_leakage(train, Pool(embedding=test), threshold=cos(5))
    assert leak.ids.tolist() == ["z", "y"]
    assert leak.nearest.tolist() == ["c", "b"]
    np.testing.assert_allclose(leak.similarity, [cos(1), cos(2)], rtol=1e-6)
    assert leak.details["threshold"] == {"rule": "given", "threshold": cos(5)}
    leak.save(tmp_path / "leak")
    pd.testing.assert_frame_equal(Leakage.open(tmp_path / "leak").to_frame(), leak.to_frame())


def test_no_leakage():
    rng = np.random.default_rng(0)
    leak = find_leakage(rng.normal(size=(200, 6)), rng.normal(size=(50, 6)))
    assert len(leak) == 0
    assert leak.to_frame().columns.tolist() == ["leak_nearest", "leak_similarity"]


def test_sides_of_different_spaces_are_refused():
    table = Embedding(vectors=np.eye(3), metric="euclidean")
    assert message(ValueError, find_leakage, table, Embedding(vectors=np.eye(3))) == (
        "The 'test' parameter must be of metric 'euclidean'. Got 'cosine' instead. "
        "Make both with the same metric=…."
    )
    assert message(ValueError, find_leakage, np.eye(3), np.eye(4)) == (
        "The 'test' parameter must be of 3 dimensions, as 'train' is. Got 4 instead. "
        "Embed both with the same encoder: embed(test, encoder=train.encoder)."
    )


# ---- leakage by other methods --------------------------------------------------------------------


def sides(train, test):
    return tuple(
        Embedding(vectors=np.eye(5)[: len(data)] + 0.1, data=data) for data in (train, test)
    )


def test_leakage_of_texts_though_both_sides_have_the_same_ids():
    train, test = sides(
        ["a b c d e", "f g h", "i j k"], ["x y z", "F  g h", "a b c d e f", "x y z"]
    )
    leak = find_leakage(train, test, method="exact")
    assert (leak.ids.tolist(), leak.nearest.tolist(), leak.similarity.tolist()) == ([1], [1], [1.0])
    assert leak.params["method"] == "exact"
    assert leak.params["n_test"] == 4
    assert leak.details["linked_through_others"] == 0
    leak = find_leakage(train, test, method="near_text", threshold=0.6)
    assert (leak.ids.tolist(), leak.nearest.tolist()) == ([1, 2], [1, 0])
    np.testing.assert_allclose(leak.similarity, [1, 4 / 5])


def test_leakage_of_images_and_of_records():
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, size=(4, 32, 32)).astype(np.uint8))
    train, test = sides(pictures[:2], [pictures[3], pictures[1] // 2])
    leak = find_leakage(train, test, method="perceptual")
    assert (leak.ids.tolist(), leak.nearest.tolist()) == ([1], [1])
    train = pd.DataFrame({"who": ["Ann Miller", "Bob Stone"]}, index=["a", "b"])
    test = pd.DataFrame({"who": ["ann  miller"]}, index=["a"])
    train, test = (
        Embedding(vectors=np.eye(2)[: len(t)], ids=t.index, data=t) for t in (train, test)
    )
    leak = find_leakage(train, test, method="record_linkage")
    assert (leak.ids.tolist(), leak.nearest.tolist()) == (["a"], ["a"])


def test_a_method_with_settings_finds_the_leaks_of_the_default():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(200, 8)), rng.normal(size=(60, 8))
    test[:20] = train[:20] + 0.01
    plain = find_leakage(train, test, threshold=0.99)
    other = find_leakage(train, test, method=Semantic(partitions=1), threshold=0.99)
    pd.testing.assert_frame_equal(plain.to_frame(), other.to_frame())
    assert len(plain) == 20


def test_test_rows_linked_through_others_only_are_counted():
    def chain(pool, threshold, *, rng):
        return np.array([[0, 3], [3, 4]]), np.ones(2)

    leak = find_leakage(*sides(["a", "b", "c"], ["a", "b"]), method=chain, threshold=0.9)
    assert leak.ids.tolist() == [0]
    assert leak.details["linked_through_others"] == 1


def test_sides_of_different_data_are_refused():
    table = pd.DataFrame({"a": ["x"], "b": ["y"]})
    assert message(ValueError, find_leakage, *sides(table, table[["a"]]), method="exact") == (
        "The 'test' parameter must be with data of the same kind as 'train' has, a table with the "
        "columns 'a', 'b'. Got a table with the columns 'a' instead."
    )
    assert message(ValueError, find_leakage, *sides(["a"], None or table), method="exact") == (
        "The 'test' parameter must be with data of the same kind as 'train' has, one value a row. "
        "Got a table with the columns 'a', 'b' instead."
    )
    bare = Embedding(vectors=np.eye(5)[:1] + 0.1)
    assert message(ValueError, find_leakage, sides(["a"], ["a"])[0], bare, method="exact") == (
        "The 'test' parameter must be with data of the same kind as 'train' has, one value a row. "
        "Got no data instead."
    )


# ---- label conflicts -----------------------------------------------------------------------------


def test_conflicts_by_hand():
    # Groups: a b c (two labels), d e (two labels), f g (one label), h i (one without a label).
    x = arc(0, 0.1, 0.2, 40, 40.4, 80, 80.1, 120, 120.1, 160)
    found = find_duplicates(Embedding(vectors=x, ids=list("abcdefghij")), threshold=cos(1))
    labels = pd.Series(
        ["k", "m", "k", "m", "k", "k", "k", "m", None, "k"], index=list("abcdefghij")
    )
    told = found.conflicts(labels[::-1])
    assert told.columns.tolist() == ["group", "id", "label", "similarity", "majority"]
    assert told["id"].tolist() == ["a", "b", "c", "d", "e"]
    assert told["group"].tolist() == [0, 0, 0, 1, 1]
    assert told["label"].tolist() == ["k", "m", "k", "m", "k"]
    assert told["majority"].tolist() == ["k", "k", "k", None, None]
    np.testing.assert_allclose(told["similarity"], [cos(0.1), 1, cos(0.1), 1, cos(0.4)], rtol=1e-6)


def test_the_group_with_most_other_labels_comes_first():
    x = arc(0, 0.1, 40, 40.1, 40.2, 40.3)
    found = find_duplicates(x, threshold=cos(1))
    told = found.conflicts([1, 2, 1, 2, 3, 3])
    assert told["group"].tolist() == [1, 1, 1, 1, 0, 0]
    assert told["majority"].tolist() == [3, 3, 3, 3, None, None]


def test_no_conflicts():
    found = find_duplicates(arc(0, 0.1, 40), threshold=cos(1))
    for labels in (["a", "a", "b"], ["a", None, "b"], [None, None, None]):
        assert len(found.conflicts(labels)) == 0
    assert len(find_duplicates(arc(0, 40), threshold=cos(1)).conflicts(["a", "b"])) == 0


def test_conflicts_take_a_label_for_each_row():
    found = find_duplicates(arc(0, 0.1, 40), threshold=cos(1))
    with pytest.raises(ValueError, match="The 'labels' parameter must"):
        found.conflicts(["a", "b"])
