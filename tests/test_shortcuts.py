import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from curalab import AlignmentError, load_items
from curalab.results import StageResult
from curalab.samples import tables
from curalab.shift import shortcuts


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def planted(n=300, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.choice(["cat", "dog", "eel"], n, p=[0.5, 0.3, 0.2])
    other = rng.choice(["cat", "dog", "eel"], n)
    weak = np.where(rng.random(n) < 0.7, label, other)
    return pd.DataFrame(
        {
            "label": label,
            "site": pd.Series(weak).map({"cat": "Rome", "dog": "Oslo", "eel": "Kiel"}),
            "light": rng.normal(size=n),
            "size": rng.normal(size=n) + 2 * (label == "eel"),
            "day": rng.choice(list("mtwtfss"), n),
        }
    )


def of(items, **settings):
    return shortcuts(items, random_state=0, **{"labels": "label", **settings})


def by_column(found):
    return found.table.set_index("column")


# ---- what is found -------------------------------------------------------------------------------


def test_planted_shortcuts_come_first_and_noise_does_not_count():
    items = planted()
    found = of(items)
    assert found.table["column"][:2].tolist() == ["site", "size"]
    told = by_column(found)
    assert (told.loc[["site", "size"], "p_value"] < 1e-6).all()
    assert (told.loc[["light", "day", "(row order)"], "p_value"] > 0.05).all()
    share = (items["label"] == "cat").mean()
    assert np.allclose(told["baseline"], share)
    assert np.allclose(told["gap"], told["score"] - share)
    assert np.allclose(told["n_solved"], told["score"] * len(items))
    assert repr(found) == "Shortcuts(300 items, 2 shortcuts of 5 tried)"


def test_a_rule_is_counted_by_hand():
    items = pd.DataFrame({"text": list("aabbcabbba"), "label": list("xxyyyxyyyy")})
    rules = {"letter": lambda row: {"a": "x", "b": "y"}.get(row["text"])}
    found = of(items, heuristics=rules)
    told = by_column(found).loc["letter"]
    assert told[["kind", "n_solved", "score", "baseline"]].tolist() == ["rule", 8, 0.8, 0.7]
    # of x: 3 certain rows above 1 tie and 6 rows below it; of y: 5 certain, c half, a's below
    assert told["auc"] == pytest.approx(((3 * 6 + 3 * 0.5) / 21 + (5 * 3 + 3 + 1.5) / 21) / 2)
    hits = [True] * 4 + [False] + [True] * 4 + [False]
    assert found.solved["letter"].tolist() == hits


def test_rows_say_what_solves_them():
    items = planted()
    found = of(items)
    assert (found.is_solved == found.solved["site"]).all()
    assert (found.n_solved_by == found.solved[["site", "size"]].sum(axis=1)).all()
    by = pd.Series(found.solved_by)
    assert (by[found.solved["site"].to_numpy()] == "site").all()
    assert (by[(found.solved["size"] & ~found.solved["site"]).to_numpy()] == "size").all()
    assert by[found.n_solved_by == 0].isna().all()
    assert found.to_frame().columns.tolist() == [
        "shortcut_is_solved",
        "shortcut_n_solved_by",
        "shortcut_solved_by",
    ]


def test_copies_and_recodings_of_the_label_are_named():
    items = planted()
    items["again"] = items["label"]
    items["number"] = items["label"].map({"cat": 5, "dog": 1, "eel": 9})
    items["reviewed"] = items["label"].where(np.arange(300) != 7, "dog")
    note = by_column(of(items))["note"]
    assert note["again"] == "copy of the label"
    assert note["number"] == "recoding of the label"
    codes = items["number"].astype(float)
    same = shortcuts(items[["number", "light"]], labels=codes, random_state=0)
    assert by_column(same)["note"]["number"] == "copy of the label"
    n_off = int(items["label"][7] != "dog")
    assert note["reviewed"] == "copy of the label" + ", but for 1 rows" * n_off
    assert note["site"] == ""


def test_identifiers_are_named_and_taken_apart():
    items = planted().sort_values("label", ignore_index=True)
    items["serial"] = np.arange(300) + 1000
    items["code"] = [f"{label[0]}-{i:04d}" for i, label in enumerate(items["label"])]
    told = by_column(of(items))
    assert told["note"]["serial"] == "identifier: 300 different values in 300 rows"
    assert told["score"]["serial"] > 0.95
    assert told["score"]["(row order)"] > 0.95
    assert told["kind"]["(row order)"] == "order"
    assert told["score"]["code: part 1"] == 1
    assert told["note"]["code: part 1"] == "recoding of the label"
    assert told["note"]["code: part 2"] == "identifier: 300 different values in 300 rows"
    assert "code" not in told.index


def test_texts_by_length_and_by_first_and_last_word():
    rng = np.random.default_rng(0)
    label = rng.choice(["question", "answer"], 200)
    words = [" ".join(rng.choice(list("abcdefghij"), rng.integers(4, 12))) for _ in label]
    asked = label == "question"
    text = [
        ("Why " if one else "it ") + w + ("?" if one else "")
        for w, one in zip(words, asked, strict=True)
    ]
    text = [t + " z" * 9 if not one else t for t, one in zip(text, asked, strict=True)]
    told = by_column(of(pd.DataFrame({"text": text, "label": label})))
    assert told.loc[["text: first word", "text: last word"], "score"].tolist() == [1, 1]
    assert told.loc["text: length", "score"] > 0.9


def test_first_and_last_words_of_long_texts_take_little_memory():
    from curalab.shift._features import features_of

    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["one", "other"], 1_000)) + f" {i}" for i in range(300)] + [
        "",
        "A",
    ]
    tracemalloc.start()
    found = {feature.name: feature.values for feature in features_of(pd.DataFrame({"t": texts}))[0]}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["t: first word"].tolist() == [*[t.split()[0] for t in texts[:-2]], None, "a"]
    assert found["t: last word"].tolist() == [*map(str, range(300)), None, "a"]
    assert peak < 4 * sum(map(len, texts))


def test_times_as_dates_or_texts():
    items = planted().sort_values("label", ignore_index=True)
    items["at"] = pd.date_range("2020-01-01", periods=300, freq="h")
    items["text"] = items["at"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    items["at"] = items["at"].dt.tz_localize("Asia/Tokyo")
    items = items.sample(frac=1, random_state=0)
    items["since"] = items["at"] - items["at"].min()
    told = by_column(of(items))
    assert told.loc[["at", "text", "since"], "kind"].tolist() == ["time"] * 3
    assert (told.loc[["at", "text", "since"], "score"] > 0.95).all()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(60):
        kind = ("cat", "dog")[i % 2]
        side, light = (12, 60) if kind == "cat" else (16, 160)
        path = tmp_path / kind / f"cam{rng.integers(3)}_{i:03d}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, light, (side, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path


def test_images_by_folder_name_and_look(folder):
    items = load_items(folder).sample(frac=1, random_state=0)
    told = by_column(of(items))
    for name in ("folder", "brightness", "height", "aspect ratio"):
        assert told["score"][f"image: {name}"] > 0.9
    assert told["note"]["id (id): folder"] == "copy of the label"
    assert told["p_value"]["image: part 2"] > 0.05
    assert "image: suffix" not in told.index
    assert told["score"]["image: file size"] > 0.9
    (folder / items["image"].iloc[0]).write_bytes(b"no image")
    assert by_column(of(items))["score"]["image: height"] > 0.95


def test_images_in_memory_and_names_of_files_that_are_not_there():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 20)
    images = [rng.integers(0, 100 + 100 * k, (8, 8)).astype(np.uint8) for k in label]
    items = pd.DataFrame({"picture": images, "label": label})
    items["path"] = [f"/no/where/{k}/{i}.jpg" for i, k in enumerate(label)]
    told = by_column(of(items))
    assert told["score"]["picture: brightness"] > 0.9
    assert told["note"]["path: folder"] == "recoding of the label"
    assert not any("file size" in name or name == "path: width" for name in told.index)


def test_rules_that_return_numbers_are_cut_where_the_classes_differ():
    items = planted()
    found = of(items, heuristics={"twice": lambda row: 2 * row["size"]})
    told = by_column(found)
    assert told["kind"]["twice"] == "score"
    assert told["auc"]["twice"] == told["auc"]["size"]
    assert found.details["left_out"] == {}


def test_rules_do_not_see_the_labels():
    items = planted()

    def peek(row):
        assert "label" not in row
        return row["site"] == "Rome"

    assert by_column(of(items, heuristics=[peek]))["kind"]["peek"] == "score"


def test_a_rule_named_like_a_column_keeps_its_own_row():
    items = planted()
    found = of(items, heuristics={"site": lambda row: "cat"})
    assert {"site", "site (2)"} <= set(found.table["column"])
    assert found.solved["site (2)"].sum() == (items["label"] == "cat").sum()


def test_what_is_rare_counts_by_the_ranks():
    """A column that marks half of a rare class solves no more rows than the largest class does."""
    rng = np.random.default_rng(0)
    label = np.where(np.arange(1_000) < 60, "rare", "usual")
    sign = (label == "rare") & (rng.random(1_000) < 0.5) | (rng.random(1_000) < 0.05)
    items = pd.DataFrame({"sign": sign, "noise": rng.random(1_000), "label": label})
    told = by_column(of(items.sample(frac=1, random_state=0)))
    assert told["gap"]["sign"] <= 0.01
    assert told["p_value"]["sign"] < 1e-4
    assert told["p_value"]["noise"] > 0.05


# ---- chance --------------------------------------------------------------------------------------


def test_noise_is_called_a_shortcut_as_rarely_as_it_says():
    found = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        items = pd.DataFrame({"a": rng.normal(size=120), "b": rng.integers(0, 40, 120)})
        items["c"] = rng.choice(list("uvwxyz"), 120)
        labels = rng.choice(3, 120, p=[0.6, 0.3, 0.1])
        found += (shortcuts(items, labels=labels, random_state=0).table["p_value"] <= 0.05).any()
    assert found <= 10  # 4 expected; 11 or more would be seen in one of 500 runs


def test_without_what_it_finds_a_model_holds_where_the_shortcut_breaks():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 800)
    is_train = np.arange(800) < 400
    camera = np.where(is_train & (rng.random(800) < 0.97), label, rng.integers(0, 2, 800))
    x = rng.normal(size=(800, 4)) + 0.7 * label[:, None]
    names = ["w", "x", "y", "z"]
    items = pd.DataFrame(x, columns=names).assign(camera=camera, label=label)
    found = of(items[is_train])
    assert found.table["column"][0] == "camera"
    cut = [name for name in [*names, "camera"] if found.solved[name].mean() < 0.95]
    assert cut == names

    def accuracy(columns):
        model = LogisticRegression().fit(items.loc[is_train, columns], label[is_train])
        return model.score(items.loc[~is_train, columns], label[~is_train])

    assert accuracy(cut) > accuracy([*names, "camera"]) + 0.1


# ---- edges ---------------------------------------------------------------------------------------


def test_rows_without_a_label_are_not_judged():
    items = planted()
    given = items["label"].where(np.arange(300) % 3 > 0)
    found = shortcuts(items.drop(columns="label"), labels=given, random_state=0)
    assert not found.solved[given.isna()].to_numpy().any()
    assert not found.is_solved[given.isna()].any()
    assert found.table["n_solved"].max() <= given.notna().sum()


def test_missing_infinite_and_single_values():
    items = planted()
    items["size"] = items["size"].where(items["label"] != "dog")
    items.loc[items["label"] == "eel", "size"] = np.inf
    items["none"], items["one"], items["lists"] = None, 1, [[1]] * 300
    items["mixed"] = [1, "a", (2,)] * 100
    items["site"] = items["site"].where(items["label"] != "eel")
    found = of(items)
    assert by_column(found)["score"]["size"] == 1
    assert found.details["left_out"] == {
        "none": "no value",
        "one": "a single value",
        "lists": "holds list",
        "mixed": "nothing to read off mixed-integer values",
    }


def test_classes_of_one_and_two_rows():
    items = planted()
    items.loc[0, "label"], items.loc[1:2, "label"] = "once", "twice"
    found = of(items)
    assert np.isfinite(found.table[["score", "auc", "p_value"]].to_numpy()).all()


def test_same_seed_same_answer_and_order_of_columns_does_not_count():
    items = planted()
    one, again = of(items), of(items)
    pd.testing.assert_frame_equal(one.table, again.table)
    turned = of(items[items.columns[::-1]])
    pd.testing.assert_frame_equal(by_column(one), by_column(turned).loc[one.table["column"]])
    drawn = shortcuts(items, labels="label")
    assert drawn.params["random_state"] != shortcuts(items, labels="label").params["random_state"]


def test_the_table_is_left_as_it_is_and_labels_go_by_id():
    items = planted()
    before = items.copy()
    by_name = of(items)
    mixed = items["label"].sample(frac=1, random_state=1)
    by_id = of(items.drop(columns="label"), labels=mixed)
    pd.testing.assert_frame_equal(items, before)
    pd.testing.assert_frame_equal(by_name.table, by_id.table)


def test_a_result_is_kept_on_disk(tmp_path):
    found = of(planted(), heuristics=[lambda row: "cat"])
    found.save(tmp_path / "kept")
    again = StageResult.open(tmp_path / "kept")
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame())
    pd.testing.assert_frame_equal(again.table, found.table)
    pd.testing.assert_frame_equal(again.solved, found.solved)


def test_a_real_table():
    told = by_column(of(tables("iris")))
    assert told["score"].drop("(row order)").max() > 0.9


# ---- errors --------------------------------------------------------------------------------------


def test_errors():
    items = planted()
    assert message(TypeError, shortcuts, [1], labels="label") == (
        "The 'items' parameter must be a DataFrame. Got list instead."
    )
    assert message(ValueError, shortcuts, items, labels="labels") == (
        "The 'labels' parameter must be one of the columns 'label', 'site', 'light', 'size', "
        "'day'. Got 'labels' instead. Did you mean 'label'?"
    )
    assert message(ValueError, shortcuts, items[:5], labels="label") == (
        "The 'labels' parameter must be present for at least 10 rows. Got labels of 5 rows instead."
    )
    assert message(ValueError, shortcuts, items.assign(label="a"), labels="label") == (
        "The 'labels' parameter must be of at least two classes. Got one class instead."
    )
    assert message(ValueError, shortcuts, items, labels="light") == (
        "The 'labels' parameter must be classes, of two rows or more. Got 300 different labels "
        "for 300 rows instead. Cut numbers into classes with pandas.cut."
    )
    with pytest.raises(AlignmentError):
        shortcuts(items, labels=items["label"].rename(lambda i: i + 1))


def test_errors_of_rules():
    items = planted()

    def broken(row):
        return row["no such column"]

    assert message(RuntimeError, of, items, heuristics=[broken]) == (
        "The rule 'broken' failed on id 0: KeyError('no such column')"
    )
    assert message(TypeError, of, items, heuristics={"odd": lambda row: "horse"}) == (
        "The 'heuristics' parameter must be functions that return a class, a number or None. Got "
        "'horse' by 'odd' instead."
    )
    assert message(TypeError, of, items, heuristics=broken) == (
        "The 'heuristics' parameter must be a mapping of names to functions, or a sequence of "
        "functions. Got function instead."
    )
    assert message(TypeError, of, items, heuristics={"a": 1}) == (
        "The 'heuristics' parameter must be a mapping of names to functions, or a sequence of "
        "functions. Got 1 instead."
    )
    assert message(ValueError, of, items, heuristics=[broken, broken]) == (
        "The 'heuristics' parameter must be of different names. Got the names 'broken', 'broken' "
        "instead."
    )
