import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cleanlab.multilabel_classification.rank import get_label_quality_scores
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

import curalab as cl
from curalab import AlignmentError, Embedding, Pool
from curalab.label_errors import MultilabelErrors, find_label_errors, multilabel_errors
from curalab.label_errors._multilabel import _together

SHAPE_RULE = "The 'labels' parameter must be a table of 0, 1 and NaN, or the classes of each item."


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def corners():
    """Eighty items at the four corners of a square: `east` and `north` are tags; two are wrong."""
    rng = np.random.default_rng(0)
    tags = np.stack([np.arange(80) % 2, np.arange(80) // 2 % 2], axis=1)
    x = 6.0 * tags + rng.normal(size=(80, 2))
    given = pd.DataFrame(
        tags, columns=["east", "north"], index=[f"i{n}" for n in range(80)], dtype=float
    )
    given.iloc[3, 0] = 0  # has it: missing
    given.iloc[8, 1] = 1  # has it not: wrong
    return Embedding(vectors=x, metric="euclidean", ids=given.index), given


@pytest.fixture(scope="module")
def found(corners):
    return multilabel_errors(*corners, random_state=0)


def test_a_missing_and_a_wrong_tag_are_named(found):
    assert isinstance(found, MultilabelErrors)
    assert sorted(found.worst(2)) == ["i3", "i8"]
    assert found.missing[3] == ["east"]
    assert found.wrong[8] == ["north"]
    assert found.wrong[3] == found.missing[8] == []
    assert found.is_error[[3, 8]].all()
    assert found.is_error.sum() <= 4
    named = [bool(m or w) for m, w in zip(found.missing, found.wrong, strict=True)]
    assert named == found.is_error.tolist()


def test_each_class_is_judged_by_the_stages_verb(corners, found):
    emb, given = corners
    alone = find_label_errors(emb, given["north"], random_state=0)
    table = found.details["class_quality"]
    assert table.columns.tolist() == ["east", "north"]
    assert table.index.equals(emb.ids)
    np.testing.assert_array_equal(table["north"], alone.quality)
    np.testing.assert_array_equal(found.details["class_proba"]["north"], alone.pool.proba[:, 1])


def test_together_by_hand():
    quality = np.array([[0.0, 1.0], [0.5, 0.5], [np.nan, 0.3], [np.nan, np.nan]])
    wanted = [1 / (1 + np.exp(10)), 0.5, 0.3, np.nan]
    np.testing.assert_allclose(_together(quality), wanted)


def test_one_graph_serves_all_classes(corners, monkeypatch):
    from curalab import embedding as module

    emb, given = corners
    calls = []
    plain = module.nearest
    monkeypatch.setattr(module, "nearest", lambda *a, **o: calls.append(1) or plain(*a, **o))
    fresh = Embedding(vectors=emb.vectors, metric="euclidean")
    multilabel_errors(fresh, given, method="knn_agreement")
    assert len(calls) == 1


def test_lists_of_names_tables_and_pools_say_the_same(corners, found):
    emb, given = corners
    names = [[c for c in given if given.loc[i, c]] for i in given.index]
    calls = [
        (emb, names),
        (emb, [set(row) for row in names]),
        (emb, pd.Series(names, index=given.index)[::-1]),
        (emb, given[::-1]),
        (Pool(embedding=emb, labels=["x"] * 80), given),
        (emb.vectors, given.to_numpy()),
    ]
    for items, labels in calls[:-1]:
        same = multilabel_errors(items, labels, random_state=0)
        np.testing.assert_array_equal(same.quality, found.quality)
        assert same.missing.tolist() == found.missing.tolist()
    bare = multilabel_errors(Embedding(vectors=emb.vectors, metric="euclidean"), calls[-1][1])
    assert bare.missing[3] == [0]
    named = multilabel_errors(Embedding(vectors=emb.vectors, metric="euclidean"), given)
    assert named.ids.equals(emb.ids)


def test_what_nobody_looked_at_is_not_judged(corners):
    emb, given = corners
    given = given.copy()
    given.iloc[0] = np.nan
    given.iloc[1, 1] = np.nan
    bad = multilabel_errors(emb, given, random_state=0)
    assert np.isnan(bad.quality[0])
    assert not bad.is_error[0]
    assert bad.missing[0] == bad.wrong[0] == []
    table = bad.details["class_quality"]
    assert np.isnan(table.iloc[1, 1])
    assert bad.quality[1] == pytest.approx(table.iloc[1, 0])
    assert len(bad.worst(79)) == 79
    assert message(ValueError, bad.worst, 80) == (
        "The 'n' parameter must be an integer from 0 to 79. Got 80 instead. 79 items were judged."
    )
    names = [None] + [[c for c in given if given.loc[i, c] == 1] for i in given.index[1:]]
    listed = multilabel_errors(emb, names, random_state=0)
    assert np.isnan(listed.quality[0])


def test_classes_of_few_items_are_listed(corners):
    emb, given = corners
    rare, common = np.zeros(80), np.ones(80)
    rare[:2], common[:2] = 1, 0
    bad = multilabel_errors(emb, given.assign(rare=rare, common=common), random_state=0)
    assert bad.details["not_judged"] == {
        "rare": {"given": 2, "not_given": 78},
        "common": {"given": 78, "not_given": 2},
    }
    assert bad.details["class_quality"][["rare", "common"]].isna().all(axis=None)
    told = message(ValueError, multilabel_errors, emb, given.assign(rare=rare)[["rare"]])
    assert told == (
        "The 'labels' parameter must be of a class that at least 3 items have and 3 have not. Got "
        "none instead."
    )


def test_probabilities_given_are_used(corners):
    emb, given = corners
    proba = pd.DataFrame(np.where(given == 1, 0.9, 0.2), columns=given.columns, index=given.index)
    bad = multilabel_errors(emb, given, proba=proba[["north", "east"]], method="confident_learning")
    np.testing.assert_allclose(bad.details["class_quality"], np.where(given == 1, 0.9, 0.8))
    np.testing.assert_allclose(bad.details["class_proba"], proba)


def test_the_same_seed_gives_the_same_and_the_record_is_json(corners, found):
    again = multilabel_errors(*corners, random_state=0)
    np.testing.assert_array_equal(again.quality, found.quality)
    params = json.loads(json.dumps(found.params))
    assert params["verb"] == "multilabel_errors"
    assert params["method"] == "consensus"
    assert params["random_state"] == 0
    assert repr(found).startswith("MultilabelErrors(80 items, ")
    one = replace(found, is_error=np.arange(80) == 7)
    assert repr(one) == "MultilabelErrors(80 items, 1 item with label errors, method=consensus)"


def test_the_disk_keeps_it(found, tmp_path):
    found.save(tmp_path / "kept")
    opened = MultilabelErrors.open(tmp_path / "kept")
    np.testing.assert_array_equal(opened.quality, found.quality)
    assert [list(row) for row in opened.missing] == found.missing.tolist()
    pd.testing.assert_frame_equal(
        opened.details["class_quality"], found.details["class_quality"], check_names=False
    )


def test_classes_without_names_survive_the_disk_too(corners, tmp_path):
    emb, given = corners
    bad = multilabel_errors(emb, given.to_numpy(), method="knn_agreement")
    bad.save(tmp_path / "kept")
    opened = MultilabelErrors.open(tmp_path / "kept")
    assert [list(row) for row in opened.missing] == bad.missing.tolist()
    assert opened.details["class_quality"].shape == (80, 2)


def test_it_is_listed():
    listed = cl.methods("label_errors").set_index("name")
    assert listed.loc["multilabel_errors", "kind"] == "function"


def test_better_than_cleanlab_on_the_same_probabilities():
    """Pictures of digits with five tags; one in ten lacks a tag or has one too many."""
    digits = load_digits()
    which = digits.target[:700]
    groups = [[0, 2, 4, 6, 8], [0, 6, 8, 9], [2, 3, 5, 7], [5, 6, 7, 8, 9], [1, 4, 7]]
    tags = np.column_stack([np.isin(which, g) for g in groups]).astype(int)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(700)[:70]
    given = tags.copy()
    for i in chosen:
        given[i, rng.integers(5)] ^= 1
    wrong = (given != tags).any(axis=1)
    bad = multilabel_errors(digits.data[:700], given, random_state=0)
    proba = bad.details["class_proba"].to_numpy()
    lists = [np.flatnonzero(row).tolist() for row in given]
    ours = average_precision_score(wrong, -bad.quality)
    for options in ({}, {"method": "confidence_weighted_entropy"}):
        theirs = get_label_quality_scores(lists, proba, **options)
        assert ours > average_precision_score(wrong, -theirs) + 0.05
    soft = get_label_quality_scores(lists, proba, aggregator_kwargs={"method": "softmin"})
    assert ours > average_precision_score(wrong, -soft)


@pytest.mark.parametrize(
    ("labels", "error", "told"),
    [
        (["east", "north"], TypeError, f"{SHAPE_RULE} Got str in row 0 instead."),
        ([["east"], 3], TypeError, f"{SHAPE_RULE} Got int in row 1 instead."),
        (
            [["east", 3]],
            TypeError,
            f"{SHAPE_RULE} Got classes of types int, str instead.",
        ),
        (np.full((80, 2), 2), ValueError, f"{SHAPE_RULE} Got a table with 2.0 instead."),
        (
            np.full((80, 2), "yes"),
            TypeError,
            f"{SHAPE_RULE} Got a table of other values instead.",
        ),
        (
            [[]] * 80,
            ValueError,
            "The 'labels' parameter must be of at least 1 class. Got none instead.",
        ),
        (
            [["east"]] * 79,
            ValueError,
            "The 'labels' parameter must be 80 rows, one for each item. Got 79 rows instead.",
        ),
        (
            pd.DataFrame(np.ones((80, 2)), columns=["a", "a"]),
            ValueError,
            "The 'labels' parameter must be of distinct columns. Got 'a' instead.",
        ),
    ],
)
def test_refused_labels(corners, labels, error, told):
    assert message(error, multilabel_errors, corners[0], labels) == told


def test_refused_ids_and_probabilities(corners):
    emb, given = corners
    assert message(AlignmentError, multilabel_errors, emb, given.rename(index={"i0": "x"})) == (
        "The ids of 'labels' and of the items must name the same rows. Got 'i0' only in the "
        "items; 'x' only in 'labels'. Select the same rows on both sides, or pass an array to go "
        "by position."
    )
    told = message(ValueError, multilabel_errors, emb, given, proba=np.ones((80, 3)))
    assert told == "The 'proba' parameter must be of shape (80, 2). Got shape (80, 3) instead."
    for value in (1.5, np.nan):
        told = message(ValueError, multilabel_errors, emb, given, proba=np.full((80, 2), value))
        assert told == (
            "The 'proba' parameter must be from 0 to 1. Got values that are not instead."
        )
