"""Samples with known answers: the data, and what is planted in it."""

from __future__ import annotations

import hashlib
import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors

from curalab import samples
from curalab._check import AlignmentError
from curalab.heads import out_of_fold_proba
from curalab.items import check_items, load_items
from curalab.samples._data import _read

DATA = Path(__file__).parents[1] / "data"
PLANTS = {
    "label_errors": samples.plant_label_errors,
    "duplicates": samples.plant_duplicates,
    "outliers": samples.plant_outliers,
    "shift": samples.plant_shift,
}


def message(error: type[Exception], function, *args, **options) -> str:
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def flat(images: pd.Series) -> np.ndarray:
    return np.stack([np.ravel(image) for image in images]).astype(float)


def oddness(vectors, k: int = 10) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k + 1).fit(vectors).kneighbors(vectors)[0].mean(axis=1)


@pytest.fixture(scope="module")
def digits() -> pd.DataFrame:
    return samples.digits()


@pytest.fixture(scope="module")
def docstrings() -> pd.DataFrame:
    return samples.docstrings()


@pytest.fixture(scope="module")
def texts() -> pd.DataFrame:
    return load_items(DATA / "reviews.csv", id="id")


# ---- data ----------------------------------------------------------------------------------------


def test_digits_are_scikit_learns(digits):
    bunch = load_digits()
    assert digits.index[[0, -1]].tolist() == ["digit-0000", "digit-1796"]
    assert digits["label"].astype(int).tolist() == bunch.target.tolist()
    image = digits.loc["digit-0005", "image"]
    assert image.dtype == np.uint8
    assert image.shape == (8, 8)
    assert np.abs(image / 255 - bunch.images[5] / 16).max() < 1 / 510 + 1e-12
    assert check_items(digits).empty


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("wine", (178, 14), 3),
        ("breast_cancer", (569, 31), 2),
        ("iris", (150, 5), 3),
        ("diabetes", (442, 11), 214),
    ],
)
def test_tables(name, shape, classes):
    items = samples.tables(name)
    assert items.shape == shape
    assert items["label"].nunique() == classes
    assert items.index[0] == f"{name}-000"
    if name == "diabetes":  # in units of the measurement: years, not standard deviations
        assert 18 < items["age"].min() < items["age"].max() < 90


def test_unknown_table():
    assert message(ValueError, samples.tables, "wines") == (
        "The 'name' parameter must be one of 'breast_cancer', 'diabetes', 'iris', 'wine'. "
        "Got 'wines' instead. Did you mean 'wine'?"
    )


def test_docstrings_are_real_text_at_size(docstrings):
    assert len(docstrings) > 3000
    assert docstrings.index.is_unique
    assert docstrings["label"].value_counts().min() >= 10
    assert docstrings["label"].nunique() > 30
    assert docstrings["text"].str.split().str.len().min() == 8
    assert docstrings["text"].duplicated().sum() > 50  # natural duplicates stay
    inside = [id.startswith(f"{label}.") for id, label in docstrings["label"].items()]
    assert all(inside)
    assert not docstrings.index.str.contains(r"\.tests?\.|\.conftest\.|\._[^.]*$").any()
    text = docstrings.loc["scipy.stats._morestats.anderson", "text"]
    documented = " ".join(inspect.getdoc(scipy.stats.anderson).split())
    assert documented.startswith(f"{text} Parameters ---")


def test_docstrings_of_a_small_package(tmp_path):
    long = "one two three four five six seven"
    source = f'''
def public(x):
    """{long} eight.

    Parameters
    ----------
    x : int
    """
def short(): "{long}"
def _private(): "{long} eight"
class Thing:
    """{long} class."""
    async def method(self): "{long} method"
    def _hidden(self): "{long} hidden"
'''
    for name in ("pkg/sub/b.py", "pkg/sub/tests/a.py", "pkg/sub/test_c.py", "pkg/other/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert list(_read(tmp_path / "pkg", "pkg.sub")) == [
        ("pkg.sub.b.public", f"{long} eight."),
        ("pkg.sub.b.Thing", f"{long} class."),
        ("pkg.sub.b.Thing.method", f"{long} method"),
    ]


# ---- the reviews ---------------------------------------------------------------------------------


def test_checksums_and_list_of_samples():
    page = (DATA / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+\.csv) \| ([0-9a-f]{64}) \|$", page, re.MULTILINE))
    assert listed.keys() == {path.name for path in DATA.iterdir()} - {"README.md"}
    for name, digest in listed.items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest
    for name in ("digits", "docstrings", *("breast_cancer", "diabetes", "iris", "wine"), "reviews"):
        assert re.search(rf"^\| (tables: )?{name} \|", page, re.MULTILINE)


def test_reviews_hold_the_planted_truth(texts):
    truth = pd.read_csv(DATA / "reviews_truth.csv", index_col="id")
    assert texts.shape == (300, 3)
    assert truth.index.equals(texts.index)
    counts = (
        truth["is_error"].sum(),
        truth["duplicate_of"].notna().sum(),
        truth["is_off_topic"].sum(),
    )
    assert counts == (24, 10, 6)
    about = ~truth["is_off_topic"]
    wrong = truth["true_label"] != texts["label"]
    assert (wrong == truth["is_error"])[about].all()
    assert truth.loc[~about, "true_label"].isna().all()
    copies = truth["duplicate_of"].dropna()
    same = texts.loc[copies.index, "text"].to_numpy() == texts.loc[copies, "text"].to_numpy()
    assert same.sum() == 5
    assert texts["text"].duplicated().sum() == 5
    assert check_items(texts).empty


def test_reviews_show_their_errors_to_a_plain_baseline(texts):
    truth = pd.read_csv(DATA / "reviews_truth.csv", index_col="id")
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts["text"])
    model = LogisticRegression(C=10)
    positive = cross_val_predict(model, vectors, texts["label"], method="predict_proba")[:, 1]
    suspicion = np.where(texts["label"] == "positive", 1 - positive, positive)
    assert average_precision_score(truth["is_error"], suspicion) > 0.7
    assert roc_auc_score(truth["is_off_topic"], oddness(vectors)) > 0.95


# ---- what holds for everything planted -----------------------------------------------------------


@pytest.mark.parametrize("name", PLANTS)
def test_planting_leaves_the_input_alone_and_repeats(name, texts):
    plant = PLANTS[name]
    before = texts.copy()
    first, again, other = (plant(texts, random_state=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(texts, before)
    pd.testing.assert_frame_equal(first.items, again.items)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not first.items.equals(other.items)
    assert first.items.index.name == "id"
    assert set(first.items.columns) - set(texts.columns) == (
        {"group"} if name == "shift" else set()
    )
    assert (first.items.dtypes[texts.columns] == texts.dtypes).all()


@pytest.mark.parametrize("seed", range(20))
def test_new_ids_are_not_those_of_rows_set_aside(seed, digits):
    test = digits.sample(frac=0.25, random_state=seed)
    planted = samples.plant_outliers(digits.drop(test.index), share=0.01, random_state=seed)
    assert not planted.items.index.isin(test.index).any()


@pytest.mark.parametrize("name", ["duplicates", "outliers"])
def test_position_and_id_of_new_rows_say_nothing(name, digits):
    changed = PLANTS[name](digits, share=0.2, random_state=0).items
    is_new = ~changed.index.isin(digits.index)
    assert changed.index[~is_new].equals(digits.index)  # the others keep their order
    at = np.flatnonzero(is_new) / len(changed)
    assert abs(at.mean() - 0.5) < 0.05
    assert at.min() < 0.02
    assert at.max() > 0.98
    assert set(changed.index[is_new]) == {f"digit-{i}" for i in range(2000, 2359)}
    assert not changed.index[is_new].is_monotonic_increasing


@pytest.mark.parametrize(
    ("ids", "new"),
    [
        ([5, 9, 7, -3], {10, 11}),
        (["a-08", "a-09", "a-1", "a-2"], {"a-10", "a-11"}),
        (["x", "new-0000", "y", "z"], {"new-0001", "new-0002"}),
    ],
)
def test_new_ids_go_on_counting(ids, new):
    items = pd.DataFrame({"text": list("abcd")}, index=ids)
    changed = samples.plant_duplicates(items, share=0.5, random_state=0).items
    assert set(changed.index) - set(ids) == new
    assert changed.index.dtype == items.index.dtype


@pytest.mark.parametrize("name", ["label_errors", "duplicates", "outliers"])
def test_nothing_planted_changes_nothing(name, texts):
    pd.testing.assert_frame_equal(PLANTS[name](texts, share=0.0).items, texts)


@pytest.mark.parametrize("name", PLANTS)
def test_refused_tables(name):
    assert message(TypeError, PLANTS[name], [1]) == (
        "The 'items' parameter must be a DataFrame. Got list instead."
    )
    assert message(ValueError, PLANTS[name], pd.DataFrame({"text": []})) == (
        "The 'items' parameter must be a table with rows. Got 0 rows instead."
    )


def test_refused_shares_and_columns(texts):
    assert message(ValueError, samples.plant_outliers, texts, share=2) == (
        "The 'share' parameter must be a number from 0 to 1. Got 2 instead."
    )
    assert message(ValueError, samples.plant_outliers, texts, column="txt") == (
        "The 'column' parameter must be one of the columns 'text', 'label', 'site'. "
        "Got 'txt' instead. Did you mean 'text'?"
    )
    assert message(ValueError, samples.plant_outliers, texts[["site", "label"]]) == (
        "The 'column' parameter must be named where there is no image or text. Got None instead. "
        "Name one: 'site', 'label'."
    )
    odd = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"] * 3)})
    assert message(TypeError, samples.plant_outliers, odd, column="when") == (
        "The 'column' parameter must be a column of images, texts or numbers. Got 'when' instead."
    )
    half = pd.DataFrame({"text": ["a", None, None, None]})
    assert message(ValueError, samples.plant_duplicates, half, share=0.5) == (
        "The 'share' parameter must be small enough for the 1 rows that have content. "
        "Got 2 rows instead."
    )


# ---- label errors --------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    codes=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=6, max_size=40),
    share=st.floats(0, 1),
    kind=st.sampled_from(["uniform", "class_conditional"]),
    seed=st.integers(0, 99),
)
def test_truth_of_label_errors(codes, share, kind, seed):
    items = pd.DataFrame({"label": pd.Series([*codes, "a", "b"], dtype=object)})
    planted = samples.plant_label_errors(items, share=share, kind=kind, random_state=seed)
    given_, truth = planted.items["label"], planted.truth
    assert truth["label"].equals(items["label"])
    differs = (given_ != truth["label"]) & truth["label"].notna()
    assert (differs == truth["is_error"]).all()
    assert given_.isna().equals(items["label"].isna())
    assert truth["is_error"].sum() == round(share * items["label"].notna().sum())
    assert set(given_.dropna()) <= {"a", "b", "c"}


def test_uniform_errors_fall_anywhere(digits):
    planted = samples.plant_label_errors(digits, share=0.5, random_state=0)
    wrong = planted.truth["is_error"]
    per_class = wrong.groupby(digits["label"]).mean()
    assert per_class.between(0.4, 0.6).all()
    step = (planted.items["label"].astype(int) - digits["label"].astype(int))[wrong] % 10
    assert step.value_counts(normalize=True).reindex(range(1, 10)).between(0.07, 0.16).all()


def test_pair_flips_are_the_default(digits):
    planted = samples.plant_label_errors(digits, kind="class_conditional", random_state=0)
    wrong = planted.truth["is_error"]
    assert wrong.sum() == 144
    step = (planted.items["label"].astype(int) - digits["label"].astype(int))[wrong] % 10
    assert (step == 1).all()


@pytest.mark.parametrize("named", [True, False])
def test_a_matrix_says_where_errors_fall(named):
    items = pd.DataFrame({"kind": np.repeat(["a", "b", "c"], 400)})
    matrix = np.array([[0.6, 0.3, 0.1], [0.0, 1.0, 0.0], [0.2, 0.0, 0.8]])
    if named:
        names = ["a", "b", "c"]
        matrix = pd.DataFrame(matrix, names, names).loc[["c", "a", "b"], ["b", "c", "a"]]
    planted = samples.plant_label_errors(
        items, share=0.2, column="kind", kind="class_conditional", matrix=matrix, random_state=0
    )
    table = pd.crosstab(items["kind"], planted.items["kind"])
    wrong = table.to_numpy()[~np.eye(3, dtype=bool)]  # ab ac ba bc ca cb
    assert wrong.sum() == 240
    assert wrong[[2, 3, 5]].tolist() == [0, 0, 0]
    assert np.abs(wrong[[0, 1, 4]] - [120, 40, 80]).max() < 25


def test_feature_dependent_errors_lie_between_the_classes():
    # Three classes on a line, at 0, 3 and 12: only the first two touch.
    rng = np.random.default_rng(0)
    label = np.repeat(["a", "b", "c"], 200)
    x = np.repeat([0.0, 3.0, 12.0], 200) + rng.normal(size=600)
    items = pd.DataFrame({"label": label}, index=[f"i{i}" for i in range(600)])
    embedding = pd.DataFrame({"x": x}, index=items.index)
    planted = samples.plant_label_errors(
        items,
        kind="feature_dependent",
        embedding=embedding.sample(frac=1, random_state=0),  # goes by id
        random_state=0,
    )
    wrong = planted.truth["is_error"].to_numpy()
    assert wrong.sum() == 48
    assert (planted.items["label"][wrong & (label == "a")] == "b").all()
    assert (label[wrong] == "c").mean() < 0.15
    from_border = np.abs(x - 1.5)[label != "c"]
    touching = wrong[label != "c"]
    assert from_border[touching].mean() < 0.8 * from_border[~touching].mean()


@pytest.mark.parametrize(
    ("kind", "least"), [("uniform", 0.95), ("class_conditional", 0.8), ("feature_dependent", 0.75)]
)
def test_label_errors_can_be_found(digits, kind, least):
    vectors = flat(digits["image"]) / 255
    embedding = vectors if kind == "feature_dependent" else None
    planted = samples.plant_label_errors(digits, kind=kind, embedding=embedding, random_state=0)
    codes = planted.items["label"].astype(int).to_numpy()
    proba, _ = out_of_fold_proba(vectors, codes, 10, rng=np.random.default_rng(0))
    found = average_precision_score(planted.truth["is_error"], -proba[np.arange(len(codes)), codes])
    assert found > least


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"kind": "pair"},
            "The 'kind' parameter must be one of 'uniform', 'class_conditional', "
            "'feature_dependent'. Got 'pair' instead.",
        ),
        (
            {"matrix": np.eye(2)},
            "The 'matrix' parameter must be None when kind is 'uniform'. Got a matrix instead.",
        ),
        (
            {"embedding": np.eye(4)},
            "The 'embedding' parameter must be None when kind is 'uniform'. "
            "Got an embedding instead.",
        ),
        (
            {"kind": "feature_dependent"},
            "The 'embedding' parameter must be an Embedding or an array of shape (n, d) when kind "
            "is 'feature_dependent'. Got None instead.",
        ),
        (
            {"kind": "class_conditional", "matrix": np.eye(3)},
            "The 'matrix' parameter must be of shape (2, 2). Got shape (3, 3) instead.",
        ),
        (
            {"kind": "class_conditional", "matrix": [[1, 1], [0, 1]]},
            "The 'matrix' parameter must be of rows that are 0 or more and sum to 1. "
            "Got sums 2.0, 1.0 instead.",
        ),
        (
            {"kind": "class_conditional", "matrix": pd.DataFrame(np.eye(2))},
            "The 'matrix' parameter must be named for the classes 'a', 'b'. Got 0, 1 instead.",
        ),
        (
            {"kind": "class_conditional", "matrix": np.eye(2), "share": 0.5},
            "The 'share' parameter must be at most 0 rows here. Got 2 rows instead.",
        ),
        (
            {"column": "same"},
            "The 'column' parameter must be a column of two classes or more. Got 'same' instead.",
        ),
        (
            {"column": "lone", "kind": "feature_dependent", "embedding": np.eye(4)},
            "The 'column' parameter must be of two rows or more in every class when kind is "
            "'feature_dependent'. Got a class of one row instead.",
        ),
    ],
)
def test_refused_label_errors(options, told):
    items = pd.DataFrame({"label": list("aabb"), "same": list("aaaa"), "lone": list("abbb")})
    assert message(ValueError, samples.plant_label_errors, items, **options) == told


def test_embedding_of_other_rows(digits):
    other = pd.DataFrame(np.eye(4), index=list("abcd"))
    items = pd.DataFrame({"label": list("aabb")}, index=list("abce"))
    with pytest.raises(AlignmentError):
        samples.plant_label_errors(items, kind="feature_dependent", embedding=other)


# ---- duplicates and leakage ----------------------------------------------------------------------


def test_copies_of_images(digits):
    planted = samples.plant_duplicates(digits, kind=["exact", "jittered"], random_state=0)
    truth, items = planted.truth, planted.items
    assert len(truth) == 90
    assert truth["kind"].value_counts().to_dict() == {"exact": 45, "jittered": 45}
    assert truth["id_a"].is_unique
    assert (items.loc[truth["id_a"], "label"].tolist()) == items.loc[
        truth["id_b"], "label"
    ].tolist()
    a, b = (flat(items.loc[truth[side], "image"]) for side in ("id_a", "id_b"))
    exact = (truth["kind"] == "exact").to_numpy()
    assert (a == b).all(axis=1).tolist() == exact.tolist()
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine[~exact].min() > 0.995  # ordinary nearest neighbours: half above 0.982
    assert {image.dtype for image in items["image"]} == {np.dtype(np.uint8)}


def test_copies_of_texts(texts):
    planted = samples.plant_duplicates(
        texts, share=0.3, kind=["exact", "jittered", "paraphrase"], random_state=0
    )
    truth = planted.truth.assign(
        a=planted.items.loc[planted.truth["id_a"], "text"].to_numpy(),
        b=planted.items.loc[planted.truth["id_b"], "text"].to_numpy(),
    )
    assert ((truth["a"] == truth["b"]) == (truth["kind"] == "exact")).all()
    assert truth["kind"].value_counts().tolist() == [30, 30, 30]
    words = [
        (set(a.lower().split()), set(b.lower().split()))
        for a, b in zip(truth["a"], truth["b"], strict=True)
    ]
    kept = pd.Series([len(a & b) / len(a | b) for a, b in words]).groupby(truth["kind"]).mean()
    assert kept["exact"] == 1
    assert kept[["jittered", "paraphrase"]].between(0.6, 0.95).all()


@pytest.mark.parametrize("kind", ["jittered", "paraphrase"])
@pytest.mark.parametrize("text", ["x", "the", "A. B.", "ok", " word "])
def test_short_texts_still_change(kind, text):
    items = pd.DataFrame({"text": [text]})
    planted = samples.plant_duplicates(items, share=1.0, kind=kind, random_state=0)
    assert planted.items["text"].nunique() == 2
    assert planted.items["text"].str.strip().str.len().min() > 0


def test_copies_of_numbers():
    items = samples.tables("wine")
    planted = samples.plant_duplicates(items, share=0.2, kind="jittered", random_state=0)
    a, b = (planted.items.loc[planted.truth[side]] for side in ("id_a", "id_b"))
    assert a["label"].tolist() == b["label"].tolist()
    measured = items.columns.drop("label")
    apart = (a[measured].to_numpy() - b[measured].to_numpy()) / items[measured].std(
        ddof=0
    ).to_numpy()
    assert (apart != 0).any(axis=1).all()
    assert 0.005 < apart.std() < 0.015
    assert (planted.items.dtypes == items.dtypes).all()


def test_missing_numbers_stay_missing():
    items = pd.DataFrame({"x": [1.0, np.nan, 3.0, 4.0], "n": pd.array([1, 2, None, 4], "Int64")})
    planted = samples.plant_duplicates(items, share=1.0, kind="jittered", random_state=0)
    assert planted.items["x"].isna().sum() == 2
    assert planted.items["n"].isna().sum() == 2
    assert planted.items["n"].dtype == "Int64"


def test_copies_of_image_files(tmp_path):
    for i in range(4):
        pixels = np.random.default_rng(i).integers(0, 255, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    items = load_items(tmp_path)
    planted = samples.plant_duplicates(items, share=0.5, kind="jittered", random_state=0)
    copies = planted.items.loc[planted.truth["id_b"], "image"]
    assert [copy.shape for copy in copies] == [(16, 20, 3)] * 2
    odd = samples.plant_outliers(items, share=1.0, random_state=0)
    assert {image.shape for image in odd.items["image"] if not isinstance(image, str)} == {
        (16, 20, 3)
    }


def test_leakage(digits):
    train, test = digits[:1200], digits[1200:]
    planted = samples.plant_leakage(train, test, share=0.1, kind="jittered", random_state=0)
    truth = planted.truth
    assert len(truth) == 60
    assert not set(truth["test_id"]) & set(digits.index)
    assert set(truth["train_id"]) <= set(train.index)
    assert planted.items.index.difference(test.index).tolist() == sorted(truth["test_id"])
    a, b = (
        flat(train.loc[truth["train_id"], "image"]),
        flat(planted.items.loc[truth["test_id"], "image"]),
    )
    assert 0 < np.abs(a - b).max() < 80
    assert message(ValueError, samples.plant_leakage, train, test.assign(site="x")) == (
        "The 'test' parameter must be a table with the columns of 'train'. "
        "Got 'site' on one side only instead."
    )


def test_kinds_that_do_not_fit(digits):
    assert message(ValueError, samples.plant_duplicates, digits, kind="paraphrase") == (
        "The 'kind' parameter must be one of 'exact', 'jittered'. Got 'paraphrase' instead. "
        "These fit a column of images."
    )
    assert message(ValueError, samples.plant_duplicates, digits, kind=[]) == (
        "The 'kind' parameter must be one of 'exact', 'jittered'. Got '' instead. "
        "These fit a column of images."
    )


# ---- outliers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_foreign_images_are_far_from_the_digits(digits, seed):
    planted = samples.plant_outliers(digits, random_state=seed)
    truth = planted.truth["is_outlier"]
    assert truth.index.equals(planted.items.index)
    assert truth.sum() == 90
    assert roc_auc_score(truth, oddness(flat(planted.items["image"]))) > 0.95
    light = flat(planted.items["image"]).mean(axis=1)  # brightness alone must not tell
    assert 0.3 < roc_auc_score(truth, light) < 0.7


def test_foreign_texts_are_far_from_the_others(docstrings):
    planted = samples.plant_outliers(docstrings[::3], random_state=0)
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(planted.items["text"])
    truth = planted.truth["is_outlier"]
    assert roc_auc_score(truth, oddness(vectors)) > 0.95
    length = planted.items["text"].str.split().str.len()
    assert 0.35 < roc_auc_score(truth, length) < 0.65


def test_foreign_numbers_are_far_from_the_others():
    planted = samples.plant_outliers(samples.tables("wine"), random_state=0)
    measured = planted.items.drop(columns="label")
    standard = (measured - measured.mean()) / measured.std()
    assert roc_auc_score(planted.truth["is_outlier"], oddness(standard)) > 0.95
    assert set(planted.items["label"]) == {"class_0", "class_1", "class_2"}


def test_whole_numbers_stay_whole():
    items = pd.DataFrame({"n": range(20), "m": np.linspace(0, 1, 20)})
    planted = samples.plant_outliers(items, share=1.0, random_state=0)
    assert planted.items["n"].dtype == np.int64
    assert planted.items["n"].between(-2, 21).all()


def test_outliers_from_a_source(texts, docstrings):
    planted = samples.plant_outliers(texts, source=docstrings, random_state=0)
    odd = planted.items[planted.truth["is_outlier"]]
    assert len(odd) == 15
    assert odd["text"].isin(docstrings["text"]).all()
    assert odd["label"].isin(["positive", "negative"]).all()
    assert message(ValueError, samples.plant_outliers, texts, source=samples.tables("iris")) == (
        "The 'source' parameter must be one of the columns 'sepal length (cm)', 'sepal width (cm)'"
        ", 'petal length (cm)', 'petal width (cm)', 'label'. Got 'text' instead."
    )


# ---- shift ---------------------------------------------------------------------------------------


def test_one_group_of_images_is_paler(digits):
    planted = samples.plant_shift(digits, random_state=0)
    sizes = planted.items["group"].value_counts()
    assert sizes.index.sort_values().tolist() == ["a", "b", "c", "d"]
    assert sizes.max() - sizes.min() <= 1
    assert planted.truth["is_shifted"].sum() == 1
    shifted = planted.truth.index[planted.truth["is_shifted"]][0]
    same = [
        np.array_equal(a, b) for a, b in zip(digits["image"], planted.items["image"], strict=True)
    ]
    assert np.array_equal(same, planted.items["group"] != shifted)
    pixels = flat(planted.items["image"])
    paler = (planted.items["group"] == shifted).to_numpy()
    assert pixels[paler].mean() > pixels[~paler].mean() + 20
    assert pixels[paler].std() < 0.85 * pixels[~paler].std()


def test_one_group_of_texts_ends_alike(texts):
    planted = samples.plant_shift(texts, n_groups=3, strength=1.0, random_state=0)
    shifted = planted.items["group"].map(planted.truth["is_shifted"])
    assert (planted.items["text"] != texts["text"]).equals(shifted)
    assert planted.items["text"][shifted].str.endswith("Read the full terms on our website.").all()


def test_one_group_of_numbers_is_moved():
    items = samples.tables("breast_cancer")
    planted = samples.plant_shift(items, strength=0.5, random_state=0)
    shifted = planted.items["group"].map(planted.truth["is_shifted"])
    measured = items.columns.drop("label")
    moved = (planted.items[measured] - items[measured]) / items[measured].std(ddof=0)
    assert np.allclose(moved[shifted].abs(), 0.5)
    assert np.allclose(moved[~shifted], 0)
    assert len(set(np.sign(moved[shifted].iloc[0]))) == 2


def test_one_group_has_other_classes(digits):
    planted = samples.plant_shift(digits, kind="classes", n_groups=3, random_state=0)
    assert planted.items["image"].tolist() == digits["image"].tolist()
    mix = pd.crosstab(planted.items["group"], planted.items["label"], normalize="index")
    shifted = planted.truth["is_shifted"]
    from_even = (mix - 0.1).abs().sum(axis=1)
    assert from_even[shifted].min() > 1.3 * from_even[~shifted].max()
    assert planted.items["group"].value_counts().tolist() == [599, 599, 599]
    none = samples.plant_shift(digits, kind="classes", strength=0.0, random_state=0)
    mix = pd.crosstab(none.items["group"], none.items["label"], normalize="index")
    assert (mix - 0.1).abs().sum(axis=1).max() < 0.35


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"kind": "colour"},
            "The 'kind' parameter must be one of 'content', 'classes'. Got 'colour' instead.",
        ),
        (
            {"n_groups": 1},
            "The 'n_groups' parameter must be an integer from 2 to 26. Got 1 instead.",
        ),
        (
            {"strength": 1.5},
            "The 'strength' parameter must be a number from 0 to 1. Got 1.5 instead.",
        ),
        (
            {"group": "site"},
            "The 'group' parameter must be the name of a new column. Got 'site' instead.",
        ),
    ],
)
def test_refused_shifts(texts, options, told):
    assert message(ValueError, samples.plant_shift, texts, **options) == told


def test_one_class_has_no_mix():
    items = pd.DataFrame({"text": list("abcd"), "label": ["x"] * 4})
    assert message(ValueError, samples.plant_shift, items, kind="classes") == (
        "The 'column' parameter must be a column of two classes or more. Got 'label' instead."
    )
