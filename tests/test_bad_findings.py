"""What people bring: every finder either answers or says in one sentence what is wrong."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.duplicates import STAGE as DUPLICATES
from curalab.label_errors import STAGE as LABEL_ERRORS
from curalab.label_errors import Judges, TrustedPrototypes
from curalab.outliers import STAGE as OUTLIERS

N = 30
KIND = np.repeat(["a", "b", "c"], 10).astype(object)


def vectors(n=N):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)) + np.repeat(np.eye(4)[:3] * 5, -(-n // 3), axis=0)[:n]


def with_labels(rows, label):
    made = KIND.copy()
    made[rows] = label
    return made


LABELS = {
    "a class of one row": with_labels([0], "lone"),
    "a class of two rows": with_labels([0, 1], "pair"),
    "fewer of a class than folds": with_labels(np.arange(7), "b"),
    "half without a label": with_labels(np.arange(0, N, 2), None),
    "labels of six rows": np.where(np.isin(np.arange(N), [0, 1, 2, 10, 11, 12]), KIND, None),
    "missing as NaN": np.where(np.arange(N) % 3, np.repeat([0.0, 1, 2], 10), np.nan),
    "true or false": np.arange(N) < 15,
}

HARDEST = ("a class of one row", "half without a label")
SLOW = ("consensus", "area_under_margin", "metadata_archaeology")  # which train heads


def first_class(items, classes):
    return [classes[0]] * len(items)


def second_class(items, classes):
    return [classes[1]] * len(items)


def method_of(name, labels):
    """A method under its name, told what it cannot do without."""
    if name == "trusted_prototypes":
        first = pd.Series(labels).dropna().drop_duplicates()
        return TrustedPrototypes(trusted=first.index.tolist())
    return Judges(votes=[first_class, second_class]) if name == "judges" else name


def embedding(x, metric="cosine"):
    return cl.Embedding(vectors=x, metric=metric)


def found_in(labels, method, *, x=None, **parts):
    x = vectors(len(labels)) if x is None else x
    pool = cl.Pool(embedding=x, data=[f"text {i}" for i in range(len(x))], labels=labels, **parts)
    return cl.find_label_errors(pool, method=method_of(method, labels), random_state=0)


def said(call):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    return str(caught.value)


# ---- label errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "what"),
    [(m, what) for m in LABEL_ERRORS.methods for what in (HARDEST if m in SLOW else LABELS)]
    + [("metadata_archaeology", "labels of six rows")],
)
def test_labels_as_they_come(method, what):
    labels = LABELS[what]
    if method == "metadata_archaeology" and what == "labels of six rows":
        assert said(lambda: found_in(labels, method)) == (
            "The 'labels' parameter must be present for at least 8 rows, to make the probe suites "
            "of. Got 6 labels instead."
        )
        return
    found = found_in(labels, method)
    sizes = pd.Series(labels).map(pd.Series(labels).value_counts())
    judged = (pd.notna(labels) & (sizes >= 3)).to_numpy()
    assert (np.isfinite(found.quality) == judged).all()
    assert not found.is_error[~judged].any()


@pytest.mark.parametrize("method", LABEL_ERRORS.methods)
def test_rows_all_alike(method):
    for labels in (KIND, np.random.default_rng(0).choice(["a", "a", "b"], 60)):
        found = found_in(labels, method, x=np.ones((len(labels), 4)))
        assert np.isfinite(found.quality).all()
        if method not in ("judges", "confident_learning"):  # votes; what cleanlab marks
            assert not found.is_error.any()  # nothing gives a reason to doubt a label


NOT_TOLD = [m for m in LABEL_ERRORS.methods if m not in ("judges", "trusted_prototypes")]


@pytest.mark.parametrize("method", sorted({*NOT_TOLD} - {"confident_learning"}))
def test_labels_that_have_nothing_to_do_with_the_vectors(method):
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], 150)
    chance = found_in(labels, method, x=rng.normal(size=(150, 4)))
    if method != "area_under_margin":  # whose head has seen the labels
        assert not chance.is_error.any()
        assert "no more than by chance" in chance.details["cut"]["rule"]
    labels = np.repeat(["a", "b", "c"], 50)
    labels[[4, 60]] = ["b", "c"]
    real = found_in(labels, method, x=vectors(150))
    assert real.is_error[[4, 60]].any()


@pytest.mark.parametrize("method", ["consensus", "confident_learning", "relation_graph", "judges"])
def test_probabilities_that_are_none(method):
    third = np.full((N, 3), 1 / 3)
    assert said(lambda: found_in(KIND, method, proba=2 * third)) == (
        "The 'proba' parameter must be probabilities that sum to 1 in each row. Got 30 rows that "
        "are not (ids 0, 1, 2, 3, 4 and 25 more) instead."
    )
    assert said(lambda: found_in(KIND, method, proba=np.full((N, 2), 0.5))) == (
        "The 'proba' parameter must be of 3 columns, one for each class. Got 2 columns instead. "
        "Name the columns with classes=…."
    )
    assert said(lambda: found_in(KIND, method, proba=third[:10])) == (
        "The 'proba' parameter must be 30 rows, one for each item. Got 10 rows instead."
    )
    missing = np.where(np.arange(N)[:, None] == 4, np.nan, third)
    assert said(lambda: found_in(KIND, method, proba=missing)) == (
        "The 'proba' parameter must be probabilities that sum to 1 in each row. Got 1 rows that "
        "are not (ids 4) instead."
    )
    wide = np.column_stack([third, np.zeros(N)])
    found = found_in(KIND, method, proba=wide, classes=["a", "b", "c", "never seen"])
    assert np.isfinite(found.quality).all()


@pytest.mark.parametrize("method", LABEL_ERRORS.methods)
def test_too_few_rows_to_doubt_a_label(method):
    assert said(lambda: found_in(np.array(["a"]), method)) == (
        "The 'labels' parameter must be of at least 2 classes. Got labels of 1 class instead."
    )
    assert said(lambda: found_in(np.array(["a", "b"]), method)) == (
        "The 'labels' parameter must be of a class with at least 3 rows. Got 1 row in the largest "
        "instead."
    )
    pairs = np.repeat(np.arange(15), 2)
    assert said(lambda: found_in(pairs, method)) == (
        "The 'labels' parameter must be of a class with at least 3 rows. Got 2 rows in the largest "
        "instead."
    )


def test_a_million_rows_with_probabilities():
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=1_000_000)
    proba = np.full((len(codes), 3), 0.05, dtype=np.float32)
    proba[np.arange(len(codes)), codes] = 0.9
    wrong = np.arange(0, len(codes), 1_000)
    codes[wrong] = (codes[wrong] + 1) % 3
    pool = cl.Pool(embedding=proba, labels=codes, proba=proba)
    found = cl.find_label_errors(pool, method="confident_learning", random_state=0)
    assert np.flatnonzero(found.is_error).tolist() == wrong.tolist()


# ---- outliers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "metric"), [("consensus", "euclidean"), *((m, "cosine") for m in OUTLIERS.methods)]
)
def test_a_reference_as_it_comes(method, metric):
    x, far = vectors(), embedding(vectors() + 0.1, metric)
    small = [0, 1, 10]
    references = {
        **{what: cl.Pool(embedding=far, labels=LABELS[what]) for what in HARDEST},
        "no label": cl.Pool(embedding=far, labels=[None] * N),
        "one class": cl.Pool(embedding=far, labels=["a"] * N),
        "all alike": cl.Pool(embedding=embedding(np.ones((N, 4)), metric), labels=KIND),
        "two rows": cl.Pool(embedding=embedding(x[[0, 10]], metric), labels=["a", "b"]),
        "three rows": cl.Pool(embedding=embedding(x[small], metric), labels=KIND[small]),
    }
    for what in references if method == "consensus" else ["all alike"]:
        pool = embedding(x if len(what) % 2 else x[:1], metric)
        share = None if method == "consensus" else 0.1  # which spares the others a cut of their own
        found = cl.find_outliers(
            pool, reference=references[what], expected_share=share, method=method, random_state=0
        )
        assert np.isfinite(found.oddness).all(), what


@pytest.mark.parametrize("method", ["consensus", "mahalanobis"])
def test_labels_of_the_rows_judged_as_they_come(method):
    for what in HARDEST:
        found = cl.find_outliers(vectors(), labels=LABELS[what], method=method, random_state=0)
        assert np.isfinite(found.oddness).all(), what
    uneven = np.random.default_rng(0).choice(["a", "b"], 60)
    for labels in (KIND, uneven):
        same = cl.find_outliers(
            np.ones((len(labels), 4)), labels=labels, method=method, random_state=0
        )
        assert not same.is_outlier.any()


@pytest.mark.parametrize("method", ["consensus", "isolation_forest", "relation_graph"])
def test_rows_and_a_reference_all_alike(method):
    same = embedding(np.ones((60, 4)), "euclidean")
    assert not cl.find_outliers(
        same, reference=same, method=method, random_state=0
    ).is_outlier.any()
    every = cl.find_outliers(same, reference=same, false_alarms=1, method=method, random_state=0)
    assert every.is_outlier.all()


# ---- duplicates ----------------------------------------------------------------------------------


def test_one_giant_group_of_copies_makes_no_more_pairs_than_rows():
    rng = np.random.default_rng(0)
    others = rng.normal(size=(500, 16)).astype(np.float32)
    others[7] = others[3] + 1e-3
    x = np.concatenate([others, np.repeat(others[:1], 100_000, axis=0)])
    tracemalloc.start()
    found = cl.find_duplicates(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.found) == 100_001
    assert found.n_groups == 2
    assert found.group[3] == found.group[7] != found.group[0] == found.group[-1]
    assert found.keep.sum() == 499
    assert peak < 2**29


def test_most_rows_are_copies_of_some():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(20, 5)), 4, axis=0)
    x[4:8] += 1e-9  # rounding, so no exact copy of another row
    shuffled = rng.permutation(80)
    found = cl.find_duplicates(x[shuffled])
    assert found.n_groups == 20
    assert len(found.found) == 20 * 6
    assert pd.Series(found.group).groupby(shuffled // 4).nunique().eq(1).all()
    given = cl.find_duplicates(x[shuffled], threshold=found.threshold)
    assert (given.group == found.group).all()
    assert cl.find_duplicates(np.ones((3, 2))).details["threshold"] == {
        "rule": "all rows are copies of one",
        "threshold": 1.0,
    }


@pytest.mark.parametrize("method", ["exact", "near_text", "record_linkage"])
@pytest.mark.parametrize("texts", [[""] * 4, ["", "   ", "\n", ""]])
def test_texts_without_any_content(method, texts):
    pool = cl.Pool(embedding=vectors(4), data=texts)
    found = cl.find_duplicates(pool, method=method, random_state=0)
    assert found.n_groups == (0 if method == "record_linkage" else 1)


@pytest.mark.parametrize("method", DUPLICATES.methods)
def test_one_row_has_no_copy(method):
    image = np.zeros((16, 16, 3), dtype=np.uint8)
    pool = cl.Pool(embedding=vectors(1), data=[image if method == "perceptual" else "a text"])
    found = cl.find_duplicates(pool, method=method, random_state=0)
    assert found.group.tolist() == [-1]


# ---- shift ---------------------------------------------------------------------------------------


def shifted(x, **parts):
    return said(lambda: cl.find_shift(x, random_state=0, **parts))


def test_groups_and_orders_that_tell_nothing():
    assert shifted(vectors(), groups=["a"] * N) == (
        "The 'groups' parameter must be of at least two groups. Got one group, 'a' instead."
    )
    assert shifted(vectors(), groups=[None, *KIND[1:]]) == (
        "The 'groups' parameter must be present for every row. Got none in 1 rows (ids 0) instead. "
        "Drop these rows, or give them a group of their own."
    )
    assert shifted(vectors(), order=[np.nan, *range(1, N)], method="order") == (
        "The 'order' parameter must be present for every row. Got none in 1 rows (ids 0) instead."
    )
    assert cl.find_shift(vectors(), groups=with_labels([0], "lone"), random_state=0).p_value < 0.05
    assert cl.find_shift(vectors(), order=[1] * N, method="order", random_state=0).p_value == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"groups": KIND},
        {"method": "order"},
        {"method": "reference_test", "reference": np.ones((N, 4))},
    ],
)
def test_rows_all_alike_have_not_shifted(parts):
    assert cl.find_shift(np.ones((N, 4)), random_state=0, **parts).p_value == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_rows_for_a_shift(n):
    short = (
        "The 'embedding' parameter must be of at least 4 rows, to test for a shift. "
        f"Got {n} row{'s' * (n > 1)} instead."
    )
    assert shifted(vectors(n), groups=KIND[:n]) == short
    assert shifted(vectors(n), method="order") == short
    assert shifted(vectors(n), method="reference_test", reference=vectors()) == short


# ---- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_no_numbers(bad):
    x = vectors()
    x[4, 2] = bad
    for call in (
        lambda: cl.find_label_errors(x, KIND),
        lambda: cl.find_outliers(x),
        lambda: cl.find_duplicates(x),
        lambda: cl.find_shift(x, groups=KIND),
        lambda: cl.find_leakage(x, vectors()),
        lambda: cl.find_leakage(vectors(), x),
    ):
        assert "ids 4" in said(call)
