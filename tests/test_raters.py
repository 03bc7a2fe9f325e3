import json

import numpy as np
import pandas as pd
import pytest

from curalab._agreement import alpha_of, kappa_of
from curalab.label_errors import RaterConsensus, raters

FEW = "xxxyyyyx"


def message(error, *args, **options):
    with pytest.raises(error) as caught:
        raters(*args, **options)
    return str(caught.value)


def long(told, kind="label"):
    rows = [(i, who, value) for who, values in told.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["item", "rater", kind])


def alpha(rows, *, numeric=False):
    cells = [(i, int(v)) for row in rows for i, v in enumerate(row.split()) if v != "*"]
    item, value = (np.array(part) for part in zip(*cells, strict=True))
    return alpha_of(item, value.astype(float) if numeric else value, numeric=numeric)


def planted(seed, *, n_classes=4, n_items=200):
    """Eight raters, each of 120 of the items, 30 of them twice: r6 says 0 always, r7 anything."""
    rng = np.random.default_rng(seed)
    truth, rows = rng.integers(n_classes, size=n_items), []
    for r in range(8):
        seen = rng.permutation(n_items)[:120]
        for i in np.append(seen, seen[:30]):
            label = truth[i] if rng.random() < 0.7 else rng.integers(n_classes)
            label = {6: 0, 7: rng.integers(n_classes)}.get(r, label)
            rows.append((f"i{i}", f"r{r}", int(label)))
    return pd.DataFrame(rows, columns=["item", "rater", "label"]), pd.Series(
        truth, index=[f"i{n}" for n in range(n_items)]
    )


# ---- agreement -----------------------------------------------------------------------------------


def test_alpha_of_published_examples():
    # Krippendorff (2011), four observers, twelve units.
    four = [
        "1 2 3 3 2 1 4 1 2 * * *",
        "1 2 3 3 2 2 4 1 2 5 * 3",
        "* 3 3 3 2 3 4 2 2 5 1 *",
        "1 2 3 3 2 4 4 1 2 5 1 *",
    ]
    assert alpha(four) == pytest.approx(0.743, abs=5e-4)
    assert alpha(four, numeric=True) == pytest.approx(0.849, abs=5e-4)
    # The worked example of three coders and fifteen units.
    three = [
        "* * * * * 3 4 1 2 1 1 3 3 * 3",
        "1 * 2 1 3 3 4 3 * * * * * * *",
        "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
    ]
    assert alpha(three) == pytest.approx(0.691, abs=5e-4)
    assert alpha(three, numeric=True) == pytest.approx(0.811, abs=5e-4)


def test_alpha_at_its_ends():
    assert alpha(["1 2 3", "1 2 3"]) == 1
    assert np.isnan(alpha(["1 1 1", "1 1 1"]))
    assert np.isnan(alpha(["1 * 3", "* 2 *"]))
    assert alpha(["1 2", "2 1"]) == pytest.approx(-0.5)  # 1 - 1 / (2 * 2 * 2 / (4 * 3))


def test_kappa_by_hand_and_where_there_is_none():
    # 4 of 6 agree; expected 1/2: (4/6 - 1/2) / (1/2).
    assert kappa_of(np.array([*"aaabbb"]), np.array([*"aabbba"])) == pytest.approx(1 / 3)
    assert np.isnan(kappa_of(np.array([*"aaaa"]), np.array([*"aaab"])))
    assert np.isnan(kappa_of(np.array([*"aaaaa"]), np.array([*"aaaaa"])))
    assert kappa_of(np.array([*"aaaaa"]), np.array([*"aaabb"])) == 0


# ---- labels --------------------------------------------------------------------------------------


def test_labels_by_hand():
    found = raters(long({"ann": FEW, "bob": FEW, "cat": "xyxyyyyx", "eve": "xxxxxxxx"}))
    assert isinstance(found, RaterConsensus)
    assert found.raters["kept"].to_dict() == {"ann": True, "bob": True, "cat": True, "eve": False}
    assert found.raters["n_ratings"].tolist() == [8, 8, 8, 8]
    assert found.raters["agreement"].tolist() == [1, 1, 0.75, 0]  # cat: (7/8 - 1/2) / (1/2)
    assert found.raters["self_consistency"].isna().all()
    assert "".join(found.consensus) == FEW
    assert found.n_ratings.tolist() == [3] * 8
    assert found.agreement.tolist() == [1, 2 / 3, *[1] * 6]
    assert found.quality.argmin() == 1
    assert ((found.quality > 0.5) & (found.quality <= 1)).all()
    assert found.details["alpha_all"] < found.alpha
    assert found.to_frame().columns.tolist() == [
        "consensus",
        "consensus_quality",
        "consensus_agreement",
        "consensus_n_ratings",
    ]


def test_two_spammers_of_eight_are_left_out_and_the_consensus_beats_the_majority():
    right = []
    for seed in range(3):
        table, truth = planted(seed)
        found = raters(table)
        assert found.raters["kept"].tolist() == [True] * 6 + [False] * 2
        assert (found.raters["agreement"].abs() < 0.2).tolist() == [False] * 6 + [True] * 2
        assert found.raters["self_consistency"][:6].min() > 0.2
        most = table.groupby("item")["label"].agg(lambda labels: labels.mode()[0])
        said = pd.Series(found.consensus, index=found.ids)
        right.append([(said == truth[said.index]).mean(), (most == truth[most.index]).mean()])
    ours, majority = np.mean(right, axis=0)
    assert ours > majority + 0.02


def test_quality_ranks_wrong_consensus_labels_below_right_ones():
    table, truth = planted(0)
    found = raters(table)
    right = found.consensus == truth[found.ids].to_numpy()
    assert found.quality[right].mean() > found.quality[~right].mean() + 0.1


def test_with_probabilities_the_consensus_is_crowdlab_s():
    from cleanlab.multiannotator import get_label_quality_multiannotator

    table, truth = planted(1)
    rng = np.random.default_rng(0)
    proba = 0.5 * np.eye(4)[truth] + 0.5 * rng.dirichlet(np.ones(4), len(truth))
    frame = pd.DataFrame(proba, index=truth.index, columns=range(4))
    items = table["item"].unique()
    found = raters(table, proba=frame.loc[items].sample(frac=1, random_state=0), least=-1)
    wide = table.drop_duplicates(["item", "rater"], keep="last")
    wide = wide.pivot(index="item", columns="rater", values="label").loc[items]
    theirs = get_label_quality_multiannotator(
        wide.reset_index(drop=True), frame.loc[items].to_numpy(), verbose=False
    )["label_quality"]
    assert found.consensus.tolist() == theirs["consensus_label"].tolist()
    assert np.allclose(found.quality, theirs["consensus_quality_score"], atol=1e-6)
    with_head = (found.consensus == truth[items].to_numpy()).mean()
    assert with_head > (raters(table).consensus == truth[items].to_numpy()).mean()


def test_items_that_only_dropped_raters_saw_have_no_consensus():
    told = long({"ann": FEW, "bob": FEW, "cat": FEW, "eve": "xxxxxxxx"})
    told = pd.concat([told, pd.DataFrame({"item": [99], "rater": ["eve"], "label": ["y"]})])
    found = raters(told)
    assert found.ids[-1] == 99
    assert found.consensus[-1] is None
    assert np.isnan(found.quality[-1])
    assert np.isnan(found.agreement[-1])
    assert found.n_ratings[-1] == 0


def test_raters_of_few_items_are_kept_unjudged():
    told = long({"ann": FEW, "bob": FEW, "new": "yyy"})
    found = raters(told)
    assert found.raters["kept"].all()
    assert np.isnan(found.raters.loc["new", "agreement"])
    assert "".join(found.consensus) == FEW


# ---- scores --------------------------------------------------------------------------------------


def test_scores_by_hand():
    told = {"ann": [1, 2, 3, 4, 5], "bob": [2, 3, 4, 5, 6], "eve": [3, 3, 3, 3, 3]}
    found = raters(long(told, "score"))
    assert found.raters["kept"].tolist() == [True, True, False]
    assert np.allclose(found.raters["agreement"], [1, 1, 0])
    assert found.consensus.tolist() == [1.5, 2.5, 3.5, 4.5, 5.5]
    # Each item: squares 1/2 around its mean, pooled 1/2, error of the mean (1/2 + 1/2) / 2 / 2;
    # the means vary by 2, of which 2 - 1/4 is between items.
    assert np.allclose(found.quality, 1.75 / 2)
    spread = np.var([1, 2, 3, 4, 5, 2, 3, 4, 5, 6], ddof=1)
    assert np.allclose(found.agreement, 1 - 0.5 / spread)


def test_who_rates_twice_and_differently_is_left_out_and_time_orders_ratings():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=60)
    rows = [
        (i, r, t, truth[i] + rng.normal() * (0.4 if r != "odd" or t == 1 else 9))
        for r in ("a", "b", "c", "odd")
        for i in range(60)
        for t in (2, 1)
    ]
    table = pd.DataFrame(rows, columns=["item", "rater", "time", "score"])
    found = raters(table)
    assert found.raters["kept"].tolist() == [True, True, True, False]
    assert found.raters["self_consistency"][:3].min() > 0.7
    assert np.corrcoef(found.consensus, truth)[0, 1] > 0.95
    assert found.n_ratings.tolist() == [6] * 60
    shuffled = raters(table.sample(frac=1, random_state=1))
    assert np.allclose(shuffled.raters["self_consistency"], found.raters["self_consistency"])
    assert np.allclose(pd.Series(shuffled.consensus, shuffled.ids)[found.ids], found.consensus)


def test_a_rater_who_repeats_counts_once():
    told = [("i", "ann", 1.0), ("i", "ann", 1.0), ("i", "ann", 1.0), ("i", "bob", 3.0)]
    assert raters(pd.DataFrame(told, columns=["item", "rater", "score"])).consensus.tolist() == [2]


def test_all_scores_alike_are_sure():
    found = raters(long({"ann": [2, 2, 2, 2, 2], "bob": [2, 2, 2, 2, 2]}, "score"))
    assert found.quality.tolist() == [1] * 5
    assert found.agreement.tolist() == [1] * 5
    assert np.isnan(found.alpha)


# ---- results and errors --------------------------------------------------------------------------


def test_the_order_of_rows_does_not_matter_and_the_table_is_left_alone():
    table, _ = planted(2)
    before = table.copy()
    plain = raters(table)
    moved = raters(table.drop_duplicates(["item", "rater"]).sample(frac=1, random_state=0))
    once = raters(table.drop_duplicates(["item", "rater"]))
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(
        moved.to_frame().loc[once.ids], once.to_frame(), rtol=1e-6, check_dtype=False
    )
    assert plain.raters.index.tolist() == once.raters.index.tolist()


def test_the_result_survives_the_disk(tmp_path):
    found = raters(planted(0)[0])
    assert repr(found) == "RaterConsensus(200 items, 6 of 8 raters kept)"
    assert json.dumps(found.params)
    found.save(tmp_path / "found")
    opened = RaterConsensus.open(tmp_path / "found")
    pd.testing.assert_frame_equal(opened.to_frame(), found.to_frame(), check_dtype=False)
    pd.testing.assert_frame_equal(opened.raters, found.raters)
    assert opened.alpha == found.alpha


TWO = long({"ann": FEW, "bob": FEW})


@pytest.mark.parametrize(
    ("table", "options", "error", "text"),
    [
        (
            [1, 2],
            {},
            TypeError,
            "The 'ratings' parameter must be a DataFrame. Got list instead.",
        ),
        (
            TWO[:0],
            {},
            ValueError,
            "The 'ratings' parameter must be a table with rows. Got 0 rows instead.",
        ),
        (
            TWO.rename(columns={"rater": "who"}),
            {},
            ValueError,
            "The 'ratings' parameter must be a table with the columns 'item', 'rater', and 'label' "
            "or 'score'. Got the columns 'item', 'who', 'label' instead.",
        ),
        (
            TWO.assign(score=1),
            {},
            ValueError,
            "The 'ratings' parameter must be a table with the columns 'item', 'rater', and 'label' "
            "or 'score'. Got the columns 'item', 'rater', 'label', 'score' instead.",
        ),
        (
            TWO.replace("y", None),
            {},
            ValueError,
            "The 'ratings' parameter must be complete. Got missing cells in 8 rows (rows 3, 4, 5, "
            "6, 11 and 3 more) instead. Leave these rows out: ratings.dropna().",
        ),
        (
            TWO[:8],
            {},
            ValueError,
            "The 'ratings' parameter must be by at least 2 raters. Got 1 instead.",
        ),
        (
            TWO.rename(columns={"label": "score"}),
            {},
            TypeError,
            "The 'score' parameter must be numbers. Got dtype "
            f"{TWO['label'].dtype} instead. Labels go in a column 'label'.",
        ),
        (
            long({"ann": [1.0, np.inf], "bob": [1, 2]}, "score"),
            {},
            ValueError,
            "The 'score' parameter must be finite. Got infinite scores instead.",
        ),
        (
            long({"ann": FEW, "bob": "yyyxxxxy"}),
            {},
            ValueError,
            "The 'least' parameter must be low enough to keep 2 raters. Got 0.2, which keeps 0 of "
            "2 raters instead. least=-1 keeps all, and shows how they agree.",
        ),
        (
            TWO,
            {"least": 2},
            ValueError,
            "The 'least' parameter must be a number from -1 to 1. Got 2 instead.",
        ),
        (
            TWO,
            {"proba": np.full((8, 3), 1 / 3)},
            ValueError,
            "The 'proba' parameter must be of 2 columns, one for each class. Got 3 columns "
            "instead.",
        ),
        (
            TWO,
            {"proba": np.full((7, 2), 0.5)},
            ValueError,
            "The 'proba' parameter must be 8 rows, one for each item. Got 7 rows instead.",
        ),
        (
            long({"ann": [1, 2], "bob": [1, 2]}, "score"),
            {"proba": np.full((2, 2), 0.5)},
            ValueError,
            "The 'proba' parameter must be None where the ratings are scores. Got an array "
            "instead.",
        ),
    ],
)
def test_tables_that_cannot_be_read(table, options, error, text):
    assert message(error, table, **options) == text


# ---- real ratings --------------------------------------------------------------------------------


@pytest.mark.data
def test_people_who_label_abuse_agree_and_two_who_guess_are_left_out(bench_data):
    table = pd.read_parquet(bench_data / "convabuse" / "all.parquet")
    rows = [
        (f"{split}-{id}", who, int(value) < 0)
        for id, split, names, values in table[
            ["id", "split", "annotators", "annotations"]
        ].itertuples(index=False)
        for who, value in zip(names.split(","), values.split(","), strict=True)
    ]
    ratings = pd.DataFrame(rows, columns=["item", "rater", "label"])
    found = raters(ratings)
    assert found.raters["kept"].all()
    assert found.alpha == pytest.approx(0.65, abs=0.01)
    guess = ratings["rater"].isin(["Ann3", "Ann6"])
    shuffled = np.random.default_rng(0).permutation(ratings.loc[guess, "label"].to_numpy())
    ratings.loc[guess, "label"] = shuffled
    again = raters(ratings)
    assert again.raters.index[~again.raters["kept"]].tolist() == ["Ann3", "Ann6"]
    most = ratings.groupby("item", sort=False)["label"].mean().round().astype(bool)
    same = [(said == found.consensus).mean() for said in (again.consensus, most.to_numpy())]
    assert same[0] > same[1] + 0.02


@pytest.mark.data
def test_three_people_s_labels_of_pictures_combine_better_than_the_majority(bench_data):
    table = pd.read_csv(bench_data / "cifar10_shared" / "train_labels.csv")
    columns = ["random_label1", "random_label2", "random_label3"]
    ratings = table.melt("file", columns, "rater", "label").rename(columns={"file": "item"})
    found = raters(ratings)
    true = table.set_index("file").loc[found.ids]
    right = (found.consensus == true["clean_label"]).mean()
    assert right > (true["aggre_label"] == true["clean_label"]).mean() + 0.005
