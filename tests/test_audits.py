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

    monkeypatch.setattr("curalab.audits.find_outliers", fails)
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
