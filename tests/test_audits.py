import numpy as np
import pandas as pd
import pytest

import curalab as cl


@pytest.fixture(scope="module")
def made():
    """Two classes with a copy under another label, a wrong label, an outlier and a leak."""
    rng = np.random.default_rng(0)
    n = 120
    x = rng.normal(size=(n, 8)) + np.repeat([[6] + [0] * 7, [0] * 7 + [6]], n // 2, axis=0)
    label = np.repeat(["a", "b"], n // 2).astype(object)
    x[10], label[10] = x[70], "a"
    label[20] = "b"
    x[30] = 60
    x[100] = x[101] + 1e-4
    split = np.where(np.arange(n) % 4 == 0, "test", "train")
    ids = [f"i{i}" for i in range(n)]
    items = pd.DataFrame({"label": label, "split": split, "site": ["n", "s"] * (n // 2)}, index=ids)
    items.loc["i50", "label"] = None
    return items, cl.Embedding(vectors=x, ids=ids, metric="euclidean")


def test_planted_problems_are_ranked_with_their_rows(made):
    items, emb = made
    report = cl.audit(items, embedding=emb, labels="label", split="split", random_state=0)
    assert report.errors == {}
    problems = report.problems["problem"].tolist()
    assert problems[0] == "leakage"
    assert "i100" in report.rows("leakage")
    assert set(report.rows("label conflicts")) == {"i10", "i70"}
    assert "i20" in report.rows("label errors")
    assert "i30" in report.rows("outliers")
    assert report.rows("missing labels").tolist() == ["i50"]
    assert set(report.rows("duplicates")) <= {"i10", "i70", "i100", "i101"}
    assert report["outliers"].top(1).tolist() == ["i30"]


def test_rows_go_by_id_not_by_place(made):
    items, emb = made
    plain = cl.audit(items, embedding=emb, labels="label", random_state=0)
    mixed = cl.audit(
        items.sample(frac=1, random_state=1), embedding=emb, labels="label", random_state=0
    )
    assert mixed.rows("label errors").tolist() == plain.rows("label errors").tolist()


def test_items_come_back_with_every_finding(made):
    items, emb = made
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    table = cl.join(items, report)
    assert {"label_quality", "outlier_oddness", "duplicate_group"} <= set(table.columns)
    assert table.index.equals(items.index)


def test_a_finder_that_fails_is_told_not_skipped(made, monkeypatch):
    items, emb = made

    def fails(*arguments, **settings):
        raise RuntimeError("<b>no</b>")

    monkeypatch.setattr("curalab.audits._finders.find_outliers", fails)
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report.errors == {"outliers": "RuntimeError: <b>no</b>"}
    assert "label_errors" in report.results
    html = report._repr_html_()
    assert "The finder outliers failed." in html
    assert "<b>no</b>" not in html
    assert repr(report).endswith("1 finders failed)")


def test_groups_that_differ_are_found(made):
    items, emb = made
    shifted = cl.Embedding(
        vectors=emb.vectors + 9 * (items["site"] == "s").to_numpy()[:, None],
        ids=emb.ids,
        metric="euclidean",
    )
    report = cl.audit(items, embedding=shifted, groups="site", random_state=0)
    assert "shift" in report.problems["problem"].tolist()
    assert report["shift"].p_value <= 0.01


def test_nothing_but_vectors():
    x = np.random.default_rng(0).normal(size=(80, 5))
    report = cl.audit(pd.DataFrame({"n": range(80)}), embedding=x, random_state=0)
    assert "label_errors" not in report.results
    assert report.errors == {}


def test_bad_input(made):
    items, emb = made
    with pytest.raises(ValueError, match="The 'labels' parameter must be one of 'label'"):
        cl.audit(items, embedding=emb, labels="lable")
    with pytest.raises(ValueError) as caught:
        cl.audit(items.head(1), embedding=emb.take(["i0"]))
    assert str(caught.value) == (
        "The 'items' parameter must be a table of at least 2 rows, to compare them with each "
        "other. Got 1 row instead."
    )
    with pytest.raises(cl.AlignmentError):
        cl.audit(items.rename(index={"i0": "x"}), embedding=emb)
    with pytest.raises(TypeError, match="The 'items' parameter must be a DataFrame. Got list"):
        cl.audit([1], embedding=emb)
    report = cl.audit(items.assign(split="train"), embedding=emb, split="split", random_state=0)
    assert report.errors["leakage"].startswith("ValueError: The 'split' parameter must be a column")


def test_labels_that_the_vectors_cannot_tell_are_one_problem_and_no_errors():
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"label": rng.choice(["a", "b"], 200)})
    report = cl.audit(items, embedding=rng.normal(size=(200, 5)), labels="label", random_state=0)
    assert "label errors" not in report.problems["problem"].tolist()
    assert len(report.rows("labels that vectors cannot tell")) == 200


def test_a_pool_brings_probabilities(made):
    items, emb = made
    proba = np.where(items[["label"]].to_numpy() == np.array(["a", "b"]), 0.9, 0.1)
    proba[50] = 0.5
    pool = cl.Pool(embedding=emb, proba=proba, classes=["a", "b"])
    report = cl.audit(items, embedding=pool, labels="label", random_state=0)
    assert report.errors == {}
    assert report["label_errors"].pool.proba[0].tolist() == [0.9, 0.1]


def test_leaks_of_groups_and_times_shortcuts_and_poor_items_are_told():
    rng = np.random.default_rng(0)
    n = 120
    label = rng.choice(["a", "b"], n)
    texts = [f"a short note on {word} and {n - i} things" for i, word in enumerate(label)]
    texts[5] = ""
    items = pd.DataFrame(
        {
            "label": label,
            "code": np.where(label == "a", 7, 8),
            "user": [f"u{i % 40}" for i in range(n)],
            "when": np.arange(n),
            "part": np.where(np.arange(n) % 3 == 0, "test", "train"),
        }
    )
    emb = cl.Embedding(vectors=rng.normal(size=(n, 6)), data=pd.Series(texts))
    report = cl.audit(
        items,
        embedding=emb,
        labels="label",
        groups="user",
        order="when",
        split="part",
        random_state=0,
    )
    assert report.errors == {}
    told = report.problems.set_index("problem")
    assert told.loc["groups on both sides", "n_items"] == 40
    assert "40 groups" in told.loc["groups on both sides", "evidence"]
    assert "times out of order" in told.index
    assert told.loc["shortcut: code", "n_items"] == n
    assert report.rows("quality: empty").tolist() == [5]
    assert report["quality"].index.equals(report.ids)
    assert "shortcut_is_solved" in report.to_frame().columns


def test_every_flag_and_view_has_words():
    from curalab.audits import _problems

    images = cl.image_quality(np.random.default_rng(0).integers(0, 255, (4, 8, 8)).astype("uint8"))
    flags = {
        *images.select_dtypes(bool),
        *cl.text_quality(["one", "two words"]).select_dtypes(bool),
    }
    assert flags == set(_problems._LOOKS)
    x = np.random.default_rng(0).normal(size=(30, 4))
    for metric in ("cosine", "euclidean"):
        odd = cl.find_outliers(cl.Embedding(vectors=x, metric=metric), random_state=0)
        assert set(odd.details["views"]) <= set(_problems._FAR)


def test_folders_that_labels_come_from_are_no_shortcuts():
    rng = np.random.default_rng(0)
    label = rng.choice(["cat", "dog"], 60)
    ids = [f"{name}/{i}.png" for i, name in enumerate(label)]
    images = [rng.integers(0, 255, (8, 8)).astype("uint8") for _ in label]
    items = pd.DataFrame({"image": images, "file": ids, "label": label}, index=ids)
    emb = cl.Embedding(vectors=rng.normal(size=(60, 4)), ids=ids)
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report.errors == {}
    assert not report.problems["problem"].str.startswith("shortcut").any()
    assert report["shortcuts"].ids.equals(items.index)
