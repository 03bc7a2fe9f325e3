from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.outliers import KNN, STAGE, find_outliers
from curalab.outliers import STAGE as OUTLIERS
from curalab.pool import Array, Pool, Stage, as_pool, run

IDS = list("abcd")


@pytest.fixture
def emb():
    x = np.array([[1, 0.1], [0.9, 0.2], [0.1, 1], [0.2, 0.9]])
    return cl.Embedding(vectors=x, ids=IDS)


def says(error, call, *arguments, **settings):
    with pytest.raises(error) as caught:
        call(*arguments, **settings)
    return str(caught.value.args[0])


# ---- the pool ------------------------------------------------------------------------------------


def test_parts_are_put_in_the_order_of_the_embedding(emb):
    labels = pd.Series({"d": "y", "a": "x", "c": "y", "b": None})
    pool = Pool(embedding=emb, labels=labels, groups=["p", "q", "p", "q"])
    assert pool.codes.tolist() == [0, -1, 1, 1]
    assert pool.classes.tolist() == ["x", "y"]
    assert pool.is_labelled.tolist() == [True, False, True, True]
    assert pool.groups.tolist() == ["p", "q", "p", "q"]
    assert pool.proba is None


def test_an_array_takes_the_ids_of_the_labels():
    labels = pd.Series(["x", "y"], index=["m", "n"])
    assert Pool(embedding=np.eye(2), labels=labels).ids.tolist() == ["m", "n"]
    text = says(ValueError, Pool, embedding=np.eye(3), labels=labels)
    assert text == "The 'labels' parameter must be 3 rows, one for each item. Got 2 rows instead."


def test_other_ids_are_refused(emb):
    labels = pd.Series("x", index=["a", "b", "c", "z"])
    with pytest.raises(cl.AlignmentError, match="'d' only in the items; 'z' only in 'labels'"):
        Pool(embedding=emb, labels=labels)


def test_arrays_of_a_pool_are_read_only(emb):
    pool = Pool(embedding=emb, labels=["x"] * 4, proba=np.ones((4, 1)), groups=[1, 1, 2, 2])
    for array in (pool.labels, pool.codes, pool.classes, pool.proba, pool.groups):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[-1]


def test_proba_must_fit_the_classes(emb):
    proba = np.full((4, 3), 1 / 3)
    assert says(ValueError, Pool, embedding=emb, labels=list("xyxy"), proba=proba) == (
        "The 'proba' parameter must be of 2 columns, one for each class. Got 3 columns instead. "
        "Name the columns with classes=…."
    )
    pool = Pool(embedding=emb, labels=list("xyxy"), proba=proba, classes=list("xyz"))
    assert pool.classes.tolist() == list("xyz")
    named = pd.DataFrame(proba, index=IDS, columns=list("zyx"))
    assert Pool(embedding=emb, labels=list("xyxy"), proba=named).codes.tolist() == [2, 1, 2, 1]
    assert says(ValueError, Pool, embedding=emb, proba=proba * 2) == (
        "The 'proba' parameter must be probabilities that sum to 1 in each row. "
        "Got 4 rows that are not (ids 'a', 'b', 'c', 'd') instead."
    )
    with pytest.raises(ValueError, match=r"of shape \(n, n_classes\). Got shape \(4,\) instead"):
        Pool(embedding=emb, proba=np.ones(4))


@pytest.mark.parametrize("labels", [None, list("xyxy")])
def test_classes_are_distinct(emb, labels):
    assert says(ValueError, Pool, embedding=emb, labels=labels, classes=list("xyx")) == (
        "The 'classes' parameter must be of distinct classes. Got 'x' twice instead."
    )


def test_chosen_rows_are_named_by_id_or_by_mask(emb):
    assert Pool(embedding=emb, chosen=["c", "a"]).chosen.tolist() == [0, 2]
    mask = np.array([True, False, True, False])
    assert Pool(embedding=emb, chosen=mask).chosen.tolist() == [0, 2]
    again = Pool(embedding=emb, chosen=["c", "a"]).replace(labels=list("xyxy"))
    assert again.chosen.tolist() == [0, 2]
    with pytest.raises(KeyError, match="unknown ids 'z'"):
        Pool(embedding=emb, chosen=["z"])


def test_a_reference_becomes_a_pool_and_a_target_an_embedding(emb):
    pool = Pool(embedding=emb, reference=emb, target=np.eye(2))
    assert isinstance(pool.reference, Pool)
    assert pool.target.shape == (2, 2)


def test_keywords_are_shorthand_for_fields(emb):
    pool = Pool(embedding=emb, labels=list("xyxy"))
    assert as_pool(pool) is pool
    assert as_pool(pool, labels=list("uvuv")).classes.tolist() == ["u", "v"]
    assert as_pool(pool, labels=None).classes.tolist() == ["x", "y"]


# ---- which method --------------------------------------------------------------------------------


def test_a_method_is_a_name_a_value_or_a_function(emb):
    def mine(pool, *, rng):
        return np.arange(len(pool))

    assert find_outliers(emb, method="knn").params["settings"] == {"k": 10}
    assert find_outliers(emb, method=KNN(k=2)).params["settings"] == {"k": 2}
    found = find_outliers(emb, method=mine)
    assert found.top(1).tolist() == ["d"]
    assert found.params["method"].endswith("mine")
    assert len(found.params["source"]) == 16


def test_what_is_no_method(emb):
    assert says(ValueError, find_outliers, emb, method="knm") == (
        f"The 'method' parameter must be one of {', '.join(map(repr, STAGE.methods))}. "
        "Got 'knm' instead. Did you mean 'knn'? Contract: A method gets (pool, *, rng) and "
        "returns oddness, one number a row, higher is odder."
    )
    assert says(TypeError, find_outliers, emb, method=KNN) == (
        "The 'method' parameter must be a method, not its class. Got KNN instead. "
        "Add parentheses: KNN()."
    )
    assert says(TypeError, find_outliers, emb, method=3).startswith(
        "The 'method' parameter must be a name, a method such as KNN(k=20), or a function. "
        "Got 3 instead."
    )


def test_a_name_whose_settings_have_no_defaults(emb):
    @dataclass(frozen=True, kw_only=True)
    class Parts:
        parts: int

        def __call__(self, pool, *, rng):
            return np.zeros(len(pool))

    stage = Stage(name="outliers", verb="find", returns=OUTLIERS.returns, methods={"parts": Parts})
    assert says(TypeError, run, stage, "parts", Pool(embedding=emb), random_state=0) == (
        "The 'method' parameter must be a method with its settings. Got 'parts' instead. "
        "Pass Parts(parts=…)."
    )


# ---- what it needs -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Needy:
    needs: ClassVar[tuple[str, ...]] = ("groups",)

    def __call__(self, pool, *, rng):
        return np.zeros(len(pool))


def test_a_missing_need_is_an_error(emb):
    text = says(ValueError, find_outliers, emb, method=Needy())
    assert text.endswith(
        "needs 'groups', and the pool has none. Pass groups=… to find_outliers, or choose another "
        "method."
    )
    pool = Pool(embedding=emb, groups=[1, 1, 2, 2])
    assert len(find_outliers(pool, method=Needy())) == 4


def test_proba_is_made_from_labels_and_recorded():
    x = np.concatenate([np.random.default_rng(0).normal(size=(20, 3)) + c for c in (0, 5)])

    def uses_proba(pool, *, rng):
        return 1 - pool.proba[np.arange(len(pool)), pool.codes]

    uses_proba.needs = "proba"
    emb = cl.Embedding(vectors=x, metric="euclidean")
    found = find_outliers(emb, labels=["u"] * 20 + ["v"] * 20, method=uses_proba, random_state=0)
    assert found.params["made"]["proba"]["folds"] == 5
    assert found.oddness.max() < 0.5
    text = says(ValueError, find_outliers, emb, method=uses_proba)
    assert "needs 'labels or proba'" in text


# ---- what it returns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (np.zeros(3), "as an array of shape (4,). Got shape (3,) instead."),
        (np.zeros((4, 1)), "as an array of shape (4,). Got shape (4, 1) instead."),
        (np.array(list("abcd")), "as numbers (a float dtype). Got dtype <U1 instead."),
        (
            np.array([0, np.nan, 1, np.inf]),
            "as finite numbers. Got nan, inf in rows 1, 3 instead.",
        ),
    ],
)
def test_a_broken_answer_is_refused(emb, answer, text):
    def broken(pool, *, rng):
        return answer

    said = says(ValueError, find_outliers, emb, method=broken)
    assert said.endswith(f"must return 'oddness' {text}")


def test_too_many_values(emb):
    def broken(pool, *, rng):
        return np.zeros(4), np.zeros(4)

    said = says(TypeError, find_outliers, emb, method=broken)
    assert "must return oddness, then at most one mapping. Got 2 values instead." in said


@pytest.mark.parametrize(
    ("spec", "answer", "text"),
    [
        (Array(name="x", kind="int", low=-1), np.array([0, -2, 0, 0]), "whole numbers from -1"),
        (Array(name="x", kind="int"), np.zeros(4), "whole numbers (an integer dtype)"),
        (Array(name="x", low=0, high=1), np.array([0, 2, 0, 0]), "finite numbers from 0 to 1"),
        (Array(name="x", rows="one", low=0, high=1), np.zeros(1), "a number"),
        (Array(name="x", columns="classes"), np.ones((4, 1)), "shape (4, n_classes or more)"),
        (Array(name="x", rows="any", columns="pair", kind="int"), np.zeros((3, 3), int), "(m, 2)"),
        (Array(name="x", kind="class", rows="labelled"), np.array(list("xyzz")), "pool's classes"),
    ],
)
def test_the_promises_of_other_stages(emb, spec, answer, text):
    stage = Stage(name="outliers", verb="find", returns=(spec,))
    pool = Pool(embedding=emb, labels=list("xyxy"))
    assert text in says(ValueError, run, stage, lambda pool, *, rng: answer, pool, random_state=0)


def test_details_travel_and_the_own_cut_counts(emb):
    def mine(pool, *, rng):
        return np.zeros(4), {"is_outlier": [True, False, False, False], "note": "x"}

    found = find_outliers(emb, method=mine)
    assert found.is_outlier.tolist() == [True, False, False, False]
    assert found.details == {"note": "x", "cut": {"rule": "the method's own"}}


def test_the_seed_is_recorded_and_repeats(emb):
    def draws(pool, *, rng):
        return rng.random(len(pool))

    first = find_outliers(emb, method=draws)
    again = find_outliers(emb, method=draws, random_state=first.params["random_state"])
    assert np.array_equal(first.oddness, again.oddness)


# ---- the list ------------------------------------------------------------------------------------


def test_methods_lists_every_stage_with_one_start():
    found = cl.methods()
    verbs = found[found["kind"] == "method"]
    assert (verbs.groupby("stage")["start_here"].sum() <= 1).all()
    assert (verbs["summary"].str.len() > 10).all()
    assert (verbs["paper"].str.len() > 10).all(), verbs[verbs["paper"].str.len() <= 10]
    assert (verbs["cost"].str.len() > 3).all(), verbs[verbs["cost"].str.len() <= 3]
    with pytest.raises(ValueError, match="Did you mean 'outliers'"):
        cl.methods("outlier")


def test_other_packages_add_methods(emb, monkeypatch):
    class Point:
        name, value = "outliers.theirs", "theirs:Method"

        def load(self):
            return KNN

    class Broken(Point):
        name, value = "outliers.broken", "broken:Method"

        def load(self):
            raise ImportError("no such thing")

    class Builtin(Point):
        name = "outliers.knn"

        def load(self):
            raise AssertionError

    points = [Point(), Broken(), Builtin()]
    monkeypatch.setattr("curalab.pool._methods.entry_points", lambda group: points)
    kinds = cl.methods("outliers").set_index("name")["kind"]
    assert kinds["theirs"] == "plugin"
    assert kinds["broken"] == "broken"
    assert kinds["knn"] == "method"
    assert find_outliers(emb, method="theirs").top(1).tolist()
    with pytest.raises(ImportError, match="no such thing"):
        find_outliers(emb, method="broken")


def test_built_in_methods_are_found_without_a_look_at_what_is_installed(emb, monkeypatch):
    def looked(group):
        raise AssertionError("looked through all installed packages")

    monkeypatch.setattr("curalab.pool._methods.entry_points", looked)
    assert find_outliers(emb, method="knn", random_state=0).top(1).tolist()
    with pytest.raises(AssertionError):
        find_outliers(emb, method="theirs")


def test_lists_keep_what_is_in_them_and_tables_are_no_column():
    x = np.random.default_rng(0).normal(size=(4, 3))
    groups = cl.Pool(embedding=x, groups=[np.nan, "a", None, "b"]).groups
    assert pd.isna(groups).tolist() == [True, False, True, False]
    assert cl.Pool(embedding=x, order=[3, 1, 2, 0]).order.dtype.kind == "i"
    with pytest.raises(ValueError, match="present for every row"):
        cl.find_shift(x, groups=[np.nan, "a", "a", "b"])
    for name in ("labels", "groups", "order"):
        for value in (pd.DataFrame({"a": [1, 2, 1, 2]}), np.ones((4, 2))):
            with pytest.raises(ValueError, match=f"The '{name}' parameter must be one column"):
                cl.Pool(embedding=x, **{name: value})


def test_ids_of_labels_come_without_another_look_at_the_vectors():
    emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(6, 3)))
    points, known = emb.points, emb.fingerprint
    pool = Pool(embedding=emb, labels=pd.Series(list("aabbcc"), index=list("uvwxyz")))
    assert pool.ids.tolist() == list("uvwxyz")
    assert pool.embedding.points is points
    assert pool.embedding.fingerprint != known == emb.fingerprint
    assert emb.ids.tolist() == [0, 1, 2, 3, 4, 5]
