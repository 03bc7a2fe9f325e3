import tracemalloc

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
    from curalab.audits import _cells, _problems

    images = cl.image_quality(np.random.default_rng(0).integers(0, 255, (4, 8, 8)).astype("uint8"))
    flags = {
        *images.select_dtypes(bool),
        *cl.text_quality(["one", "two words"]).select_dtypes(bool),
    }
    assert flags == set(_cells.LOOKS)
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


# ---- copies must agree in what they say ----------------------------------------------------------


WORDS = ["NASA", "NAFTA", "CPR", "HIV", "BTU", "EKG", "SIDS", "IOC", "OAS", "LASER", "NATO"]


def test_texts_of_one_kind_are_no_copies_but_the_same_words_are():
    """Vectors of a few dimensions cannot tell rare words; the words themselves can."""
    texts = [f"What does {word} stand for ?" for word in WORDS]
    texts += ["Who was the lawyer of Randy Craft ?", "Who was the lawyer for Randy Craft ?"]
    texts += ["Where is the Eiffel Tower ?"] * 2
    texts += [f"What does item{n} do for it ?" for n in range(105)]
    x = np.random.default_rng(0).normal(size=(len(texts), 16))
    x[: len(WORDS)] = x[0]  # one point
    x[12], x[14] = x[11], x[13]
    items = pd.DataFrame({"text": texts, "label": [f"c{n % 2}" for n in range(len(texts))]})
    emb = cl.Embedding(vectors=x, data=items["text"])
    split = items.assign(split=["train"] * 10 + ["test"] * 2 + ["train"] * (len(texts) - 12))
    report = cl.audit(split, embedding=emb, labels="label", split="split", random_state=0)
    assert report.errors == {}
    assert report.rows("duplicates").tolist() == [12, 14]
    assert report.rows("leakage").tolist() == [11]
    told = report.problems.set_index("problem").loc["leakage"]
    assert told["beside"] == [12]
    assert told["why"] == ["like training row 12, similarity 1.00"]
    assert "of 2 test rows, 1 are copies" in told["evidence"]


def test_a_test_row_leaks_though_other_training_rows_are_nearer_than_its_copy():
    texts = [f"What does {word} stand for ?" for word in WORDS] + [
        "What does CPR stand for , then ?"
    ]
    texts += [f"item{n} goes with part{n * 7} here" for n in range(108)]
    x = np.random.default_rng(0).normal(size=(120, 16))
    x[:12] = x[0]  # all as near as row 2, whose words row 11 has
    items = pd.DataFrame({"text": texts, "split": ["train"] * 120})
    items.loc[11, "split"] = "test"
    emb = cl.Embedding(vectors=x, data=items["text"])
    assert emb.search(emb.take([11]), 1).indices[0, 0] != 2
    report = cl.audit(items, embedding=emb, split="split", random_state=0)
    assert report.rows("leakage").tolist() == [11]
    assert report.problems.set_index("problem").loc["leakage", "beside"] == [2]


def test_people_of_one_kind_are_no_copies_but_the_same_cells_are():
    rng = np.random.default_rng(0)
    n = 200
    people = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "weight": rng.normal(2e5, 5e4, n).round(),
            "trade": rng.choice(["craft", "sales"], n),
            "town": rng.choice(["Rome", "Oslo"], n, p=[0.9, 0.1]),
            "note": None,
        }
    )
    people.loc[11] = people.loc[10]
    people.loc[13] = people.loc[12].replace({people.loc[12, "age"]: people.loc[12, "age"] + 30})
    x = people[["trade", "town"]].eq(["craft", "Rome"]).to_numpy(float) + 1e-5 * rng.normal(
        size=(n, 2)
    )
    emb = cl.Embedding(vectors=x, data=people, metric="euclidean")
    close = cl.find_duplicates(emb, threshold=0.99).pairs()
    pairs = close[["id_a", "id_b"]].to_numpy()
    from curalab.audits._copies import is_same

    same = {tuple(sorted(pair)) for pair in pairs[is_same(people, pairs)].tolist()}
    assert (10, 11) in set(map(tuple, np.sort(pairs)))
    assert (10, 11) in same
    assert same == {(10, 11)}


def test_agreement_by_hand():
    from curalab.audits._copies import agreement

    texts = ["a b", "a c", "A, b!", None, "d"]
    pairs = np.array([[0, 1], [0, 2], [3, 4]])
    rare, usual = 1 + np.log(6 / 2), 1 + np.log(6 / 4)  # of five distinct texts
    c, b = rare, 1 + np.log(6 / 3)
    assert agreement(texts, pairs) == pytest.approx([usual / (usual + b + c), 1, 0])
    table = pd.DataFrame({"n": [1.0, 1.0, np.nan], "s": ["x", "y", "y"]})
    both, either = 1 + np.log(4 / 3), 1 + np.log(4 / 3) + (1 + np.log(2)) + (1 + np.log(4 / 3))
    assert agreement(table, np.array([[0, 1]])) == pytest.approx([both / either])
    assert agreement(None, pairs).tolist() == [1, 1, 1]
    assert agreement(["a/1.png", "b/2.png", "b/3.wav"], pairs[:2]).tolist() == [1, 1]


def test_to_compare_few_texts_takes_little_memory_and_weighs_words_as_in_one_go(monkeypatch):
    from curalab.audits import _copies

    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(5_000)]
    texts = [" ".join(rng.choice(words, rng.integers(100, 200))) for _ in range(2_000)]
    texts[1], texts[7] = texts[0] + " more", texts[6]
    pairs = np.array([[0, 1], [6, 7], [7, 8], *rng.integers(0, 2_000, (500, 2))])
    whole = _copies.agreement(texts, pairs)
    monkeypatch.setattr(_copies, "_BLOCK", 100)
    np.testing.assert_array_equal(_copies.agreement(texts, pairs), whole)
    assert np.flatnonzero(whole[:3] >= 0.6).tolist() == [0, 1]
    tracemalloc.start()
    _copies.agreement(texts, pairs[:3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * sum(map(len, texts))


# ---- what each flag says -------------------------------------------------------------------------


def test_every_item_of_a_problem_has_its_reason(made):
    items, emb = made
    report = cl.audit(items, embedding=emb, labels="label", split="split", random_state=0)
    told = report.problems.set_index("problem")
    for row in told.itertuples():
        assert len(row.why) in (0, len(row.ids)), row.Index
        assert len(row.beside) in (0, len(row.ids)), row.Index
    assert {len(told.loc[p, "why"]) > 0 for p in ("label errors", "outliers", "duplicates")} == {
        True
    }
    at = told.loc["label errors", "ids"].index("i20")
    said = told.loc["label errors", "why"][at]
    assert said.startswith("of the 10 nearest rows 10 are 'a', 0 'b'; model: 'a' ")
    assert set(told.loc["label conflicts", "why"]) == {"group 0: 1 'a', 1 'b'"}


def test_an_odd_row_of_a_table_says_by_which_cells():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"sugar": rng.normal(5, 1, 100), "colour": ["red"] * 99 + ["blue"]})
    table.loc[7, "sugar"] = 65.8
    table["note"] = [f"no {n} of them" for n in range(100)]
    emb = cl.embed(table, encoder="columns", random_state=0)
    report = cl.audit(table, embedding=emb, random_state=0)
    told = report.problems.set_index("problem").loc["outliers"]
    said = dict(zip(told["ids"], told["why"], strict=True))
    assert said[7].startswith("sugar 65.8 (1.0% so rare); colour red")
    assert said[99].startswith("colour blue (1.0% so rare)")


def test_the_empty_cells_of_many_rows_are_told_without_an_index_for_each(monkeypatch):
    from curalab.audits._cells import of_table

    n = 20_000
    cells = np.random.default_rng(0).random((n, 20))
    cells[cells < 0.1] = np.nan
    table = pd.DataFrame(cells, columns=[f"c{i}" for i in range(20)])
    asked, getitem = [], pd.Index.__getitem__
    monkeypatch.setattr(pd.Index, "__getitem__", lambda *given: asked.append(1) or getitem(*given))
    (told,) = of_table(table, None, None)
    assert len(asked) < n / 10
    monkeypatch.undo()
    why = dict(zip(told.ids, told.why, strict=True))
    assert len(why) == table.isna().any(axis=1).sum()
    empty = [f"c{at}" for at in np.flatnonzero(np.isnan(cells[told.ids[-1]]))]
    assert why[told.ids[-1]] == f"no {empty[0]}"
    assert told.why[0].endswith("more")


def test_many_flags_are_doubts_about_the_vectors():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6))
    grade = np.digitize(x[:, 0] + 0.9 * rng.normal(size=600), [-1.5, -0.5, 0.5, 1.5])
    items = pd.DataFrame({"grade": grade + 3})
    emb = cl.Embedding(vectors=x, metric="euclidean")
    report = cl.audit(items, embedding=emb, labels="grade", random_state=0)
    told = report.problems.set_index("problem").loc["label errors"]
    assert told["n_items"] > 60
    assert "these vectors tell the classes poorly: a held-out model gives" in told["evidence"]
    assert "labels are numbers: of grades" in told["evidence"]
    assert told["action"] == "judge some 50 first: a flag may be a limit of the vectors"


def test_a_blank_label_is_a_missing_one_and_rare_classes_are_told(made):
    items, emb = made
    items = items.copy()
    items.loc[["i51", "i52"], "label"] = ["", " "]
    items.loc["i60", "label"] = "rare"
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report.errors == {}
    assert set(report.rows("missing labels")) == {"i50", "i51", "i52"}
    told = report.problems.set_index("problem").loc["rare classes"]
    assert told["evidence"] == "too few rows to judge: 'rare'"
    assert told["ids"] == ["i60"]
    assert not report.problems["problem"].str.startswith("table").any()


def test_labels_in_several_spellings_are_told(made):
    items, emb = made
    items = items.copy()
    items.loc[["i2", "i3", "i4"], "label"] = "A "
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report.rows("table: one name in several spellings").tolist() == ["i2", "i3", "i4"]


def test_a_column_that_narrows_the_choice_a_little_is_no_shortcut():
    rng = np.random.default_rng(0)
    which = rng.integers(40, size=1200)
    items = pd.DataFrame(
        {"label": [f"c{i}" for i in which], "domain": [f"d{i // 5}" for i in which]}
    )
    emb = cl.Embedding(vectors=rng.normal(size=(1200, 4)))
    report = cl.audit(items, embedding=emb, labels="label", random_state=0)
    assert report["shortcuts"].table["column"][0] == "domain"
    assert report["shortcuts"].table["auc"][0] > 0.9
    assert not report.problems["problem"].str.startswith("shortcut").any()


# ---- order ---------------------------------------------------------------------------------------


def test_a_folder_in_the_order_of_its_names_has_no_order_and_a_sorted_file_says_so():
    rng = np.random.default_rng(0)
    which = np.repeat([0, 1, 2], 40)
    x = 6 * np.eye(3, 5)[which] + rng.normal(size=(120, 5))
    items = pd.DataFrame({"label": np.array(["a", "b", "c"])[which]})
    report = cl.audit(items, embedding=x, labels="label", random_state=0)
    told = report.problems.set_index("problem").loc["shift"]
    assert "it is sorted by label: 98% of the rows have that of the row before" in told.evidence
    assert told.action == "shuffle before you split"
    named = items.set_index(pd.Index([f"{n:03}.png" for n in range(120)]))
    emb = cl.Embedding(vectors=x, ids=named.index)
    assert "shift" not in cl.audit(named, embedding=emb, labels="label", random_state=0).results


def test_dates_written_as_text_are_read_as_dates_or_refused():
    rng = np.random.default_rng(0)
    n = 120
    day = pd.date_range("2014-01-01", periods=n)
    x = rng.normal(size=(n, 4)) + np.linspace(0, 4, n)[:, None]
    mixed = rng.permutation(n)
    items = pd.DataFrame({"day": day.strftime("%d/%m/%Y"), "week": [f"week {i}" for i in range(n)]})
    emb = cl.Embedding(vectors=x[mixed], ids=mixed, metric="euclidean")
    by_text = cl.audit(items, embedding=emb, order="day", random_state=0)
    by_time = cl.audit(items.assign(day=day), embedding=emb, order="day", random_state=0)
    assert by_text["shift"].p_value == by_time["shift"].p_value <= 0.01
    assert "in the order of the day" in by_text.problems.set_index("problem").loc["shift"].evidence
    failed = cl.audit(items, embedding=emb, order="week", random_state=0)
    assert failed.errors["shift"].startswith(
        "ValueError: The 'order' parameter must be a column of times or numbers. Got 120 values"
    )


def test_a_blank_image_is_one_problem():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (9, 9)).astype("uint8") for _ in range(40)]
    images[3] = np.zeros((9, 9), dtype="uint8")
    items = pd.DataFrame({"image": images})
    emb = cl.Embedding(vectors=rng.normal(size=(40, 4)), data=items["image"])
    report = cl.audit(items, embedding=emb, random_state=0)
    told = report.problems[[3 in ids for ids in report.problems["ids"]]]["problem"].tolist()
    assert [name for name in told if name not in ("outliers", "shift")] == ["quality: blank"]


def test_a_flag_that_most_rows_have_is_no_exception():
    rng = np.random.default_rng(0)
    texts = [
        f'{{"agent": "a bot that asks", "user": "{rng.integers(1e9)} {n}"}}' for n in range(90)
    ]
    emb = cl.Embedding(vectors=rng.normal(size=(90, 4)), data=pd.Series(texts))
    report = cl.audit(pd.DataFrame({"text": texts}), embedding=emb, random_state=0)
    told = report.problems.set_index("problem").loc["quality: boilerplate"]
    assert told["n_items"] > 45
    assert told[["evidence", "action", "call"]].tolist() == [
        "mostly stretches that many others share: so are most, it is how the set is made",
        "look at a few",
        "",
    ]


def test_of_many_test_rows_the_graph_tells_which_are_searched_for(monkeypatch):
    from curalab import Embedding
    from curalab.audits import _copies

    x = np.random.default_rng(0).normal(size=(1_200, 16))
    is_test = np.arange(1_200) >= 800
    x[800:820] = x[:20] + 0.01
    x[820:860] = x[20] + 1e-3 * x[860:900]  # forty copies in the way of the one to train on
    emb = Embedding(vectors=x)
    emb.neighbors(30)
    pool = cl.Pool(embedding=emb)
    every = _copies.leaks(pool, is_test)
    asked = []
    search = Embedding.search
    monkeypatch.setattr(
        Embedding, "search", lambda own, rows, k: asked.append(len(rows)) or search(own, rows, k)
    )
    monkeypatch.setattr(_copies, "_JUDGED", 200)
    some = _copies.leaks(pool, is_test)
    assert set(every.ids) == set(range(800, 860))
    assert set(some.ids) == set(every.ids)
    assert dict(zip(some.ids, some.nearest, strict=True)) == dict(
        zip(every.ids, every.nearest, strict=True)
    )
    assert max(asked) == 200  # of 400
    assert some.params["n_test"] == 400
    assert some.params["test"] == every.params["test"]
