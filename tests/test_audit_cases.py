"""Troubles of real datasets, planted one at a time: what an audit says of each.

The kinds are those of DCA-Bench (Huang et al. 2024, arXiv:2406.07275), collected from the issues of
public datasets, and of Re-TACRED (Stoica et al. 2021, AAAI), which re-annotated a benchmark.
"""

import numpy as np
import pandas as pd
import pytest

import curalab as cl

N = 300


@pytest.fixture(scope="module")
def clean():
    """A table of people with vectors that tell their three classes: nothing wrong with it."""
    rng = np.random.default_rng(0)
    which = rng.integers(3, size=N)
    x = 5 * np.eye(3, 8)[which] + rng.normal(size=(N, 8))
    items = pd.DataFrame(
        {
            "label": np.array(["none", "works for", "lives in"])[which],
            "age": rng.normal(40, 9, N).round(1),
            "site": rng.choice(["Rome", "Oslo", "Bern"], N),
            "split": np.where(np.arange(N) % 5 == 0, "test", "train"),
        },
        index=[f"i{n}" for n in range(N)],
    )
    return items, x


def told(items, x, **columns):
    """Return the problems that an audit tells, and the report."""
    emb = cl.Embedding(vectors=x, ids=items.index, metric="euclidean")
    report = cl.audit(items, embedding=emb, labels="label", random_state=0, **columns)
    assert report.errors == {}
    return report.problems.set_index("problem"), report


def test_nothing_is_told_of_a_clean_table_but_a_few_odd_rows(clean):
    items, x = clean
    problems, _ = told(items, x, split="split")
    assert set(problems.index) <= {"outliers", "label errors"}
    assert problems["n_items"].sum() < 0.05 * N


def test_wrong_value(clean):
    items, x = clean
    items = items.copy()
    items.loc["i7", "age"] = 999.0
    problems, report = told(items, x)
    assert report.rows("table: far numbers").tolist() == ["i7"]
    said = "age: far from all other numbers: 999"
    assert problems.loc["table: far numbers", ["evidence", "why"]].tolist() == [said, [said]]


def test_missing_values(clean):
    items, x = clean
    items = items.copy()
    items.loc[["i3", "i4"], "age"] = np.nan
    items["note"] = pd.Series("seen once", index=["i9"]).reindex(items.index)
    problems, report = told(items, x)
    assert report.rows("table: missing values").tolist() == ["i3", "i4"]
    said = problems.loc["table: missing values"]
    assert said["evidence"] == "empty cells in age (2); mostly empty: note (100%)"
    assert said["why"] == ["no age", "no age"]


def test_wrong_format(clean):
    items, x = clean
    problems, _ = told(items.assign(age=items["age"].astype(str)), x)
    assert "table: numbers written as text" in problems.index


def test_one_name_in_several_spellings(clean):
    items, x = clean
    items = items.copy()
    items.loc[["i1", "i2"], "site"] = ["oslo ", "OSLO"]
    problems, report = told(items, x)
    assert report.rows("table: one name in several spellings").tolist() == ["i1", "i2"]
    assert problems.loc["table: one name in several spellings", "why"] == [
        "site: 'oslo ' where most have 'Oslo'",
        "site: 'OSLO' where most have 'Oslo'",
    ]


def test_data_leakage(clean):
    items, x = clean
    x = x.copy()
    x[[0, 5, 10]] = x[[1, 6, 11]]  # every fifth row is a test row
    _, report = told(items, x, split="split")
    assert {"i0", "i5", "i10"} <= set(report.rows("leakage"))


def test_a_column_that_gives_the_label_away(clean):
    items, x = clean
    code = items["label"].map({"none": 0, "works for": 17, "lives in": 23})
    problems, _ = told(items.assign(relation_code=code), x)
    assert "shortcut: relation_code" in problems.index


def test_apparent_corruption(clean):
    items, x = clean
    texts = [f"person {n} with {n % 7} friends in a town" for n in range(N)]
    texts[9], texts[11] = "", "FranÃ§ois cafÃ© dÃ©jÃ  vu Ã©tÃ© naÃ¯ve"
    emb = cl.Embedding(vectors=x, ids=items.index, data=pd.Series(texts, index=items.index))
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report.rows("quality: empty").tolist() == ["i9"]
    assert report.rows("quality: mojibake").tolist() == ["i11"]


def test_hidden_corruption_vectors_of_another_row(clean):
    items, x = clean
    x = x.copy()
    x[40] = 30 * np.ones(8)
    _, report = told(items, x)
    assert "i40" in report.rows("outliers")


def test_internal_discrepancy_copies_under_different_labels(clean):
    items, x = clean
    items, x = items.copy(), x.copy()
    x[20] = x[21]
    items.loc[["i20", "i21"], "label"] = ["none", "lives in"]
    _, report = told(items, x)
    assert {"i20", "i21"} <= set(report.rows("label conflicts"))


def test_rare_relations_called_none_as_in_a_crowdsourced_benchmark(clean):
    """Most wrong labels are the catch-all class, which is also the largest."""
    rng = np.random.default_rng(1)
    sizes = {"none": 600, "works for": 80, "lives in": 60, "born in": 40}
    which = np.repeat(np.arange(4), list(sizes.values()))
    x = 4 * np.eye(4, 12)[which] + rng.normal(size=(len(which), 12))
    truth = np.repeat(list(sizes), list(sizes.values()))
    given = truth.copy()
    swapped = rng.permutation(np.flatnonzero(which > 0))[:36]  # a fifth of the relations
    given[swapped] = "none"
    items = pd.DataFrame({"label": given})
    _, report = told(items, x)
    marked = set(report.rows("label errors"))
    assert len(marked & set(swapped)) > 0.9 * len(marked)
    assert len(marked) > 0.4 * len(swapped)
    worst = set(report["label_errors"].worst(len(swapped)))
    assert len(worst & set(swapped)) > 0.85 * len(swapped)
    chance = report["label_errors"].details["transition"]
    assert chance.loc["lives in", "none"] > 3 * chance.loc["none", "lives in"]


def test_groups_that_differ(clean):
    items, x = clean
    x = x + np.where(items["site"] == "Rome", 1.5, 0.0)[:, None] * np.eye(8)[7]
    problems, _ = told(items, x, groups="site")
    assert "shift" in problems.index
