import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score

from curalab import Embedding, Pool, samples
from curalab.label_errors import Judges, find_label_errors

VOTES = pd.DataFrame(
    {"strict": list("aaabbb"), "mild": list("aaabbb"), "third": list("abbbbb")},
    index=[f"i{n}" for n in range(6)],
)
TEXTS = ["one", "two", "seventeen", "one", "eleven", "thirteen"]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def pool_of(labels="aabbba", data=None, **parts):
    emb = Embedding(vectors=np.eye(6), ids=VOTES.index, data=data)
    return Pool(embedding=emb, labels=[None if x == "-" else x for x in labels], **parts)


def found(votes, pool=None, **settings):
    method = Judges(votes=votes, **settings)
    return find_label_errors(pool_of() if pool is None else pool, method=method, random_state=0)


def short(items, classes):
    return [classes[int(len(text) > 4)] for text in items]


# ---- what it computes ----------------------------------------------------------------------------


def test_labels_by_hand():
    bad = found(VOTES)
    # 3 votes of 3: (3 + 1/2) / 4; 2 of 3: (2 + 1/2) / 4; 1 of 3: (1 + 1/2) / 4.
    assert bad.quality.tolist() == [0.875, 0.625, 0.375, 0.875, 0.875, 0.125]
    assert bad.suggested.tolist() == list("aaabbb")
    assert np.flatnonzero(bad.is_error).tolist() == [5]
    assert np.flatnonzero(found(VOTES, confidence=0.6).is_error).tolist() == [2, 5]


def test_probabilities_by_hand_and_a_mixed_ensemble():
    one = np.array([[0.9, 0.1]] * 6)
    two = pd.DataFrame([[0.3, 0.7]] * 6, columns=["b", "a"], index=VOTES.index)[::-1]
    both = found({"one": one, "two": two})
    assert np.allclose(both.details["proba"], [[0.8, 0.2]] * 6)
    pool = pool_of(data=pd.Series(TEXTS, index=VOTES.index))
    mixed = found({"one": one, "short": short}, pool)
    # the bare label counts as (2 * 1 + 1/2) / 3 = 5/6
    assert np.allclose(mixed.details["proba"][0], [(0.9 + 5 / 6) / 2, (0.1 + 1 / 6) / 2])


def test_agreement_by_hand():
    bad = found(VOTES)
    share, kappa = bad.details["agreement"], bad.details["kappa"]
    assert share.loc["strict"].tolist() == [1, 1, 4 / 6]
    assert kappa.loc["strict", "third"] == cohen_kappa_score(list("aaabbb"), list("abbbbb"))
    table = bad.details["judges"]
    assert table["n_votes"].tolist() == [6, 6, 6]
    assert table["agreement_with_labels"].tolist() == [4 / 6, 4 / 6, 4 / 6]
    assert table.loc["third", "kappa_with_labels"] == cohen_kappa_score(
        list("abbbbb"), list("aabbba")
    )
    # Krippendorff: 4 of 18 pairs differ; 7 a and 11 b: expected 2 * 7 * 11 / (18 * 17).
    assert bad.details["alpha"] == pytest.approx(1 - (4 / 18) / (2 * 7 * 11 / (18 * 17)))


def test_missing_votes_do_not_count():
    votes = VOTES.astype(object).copy()
    votes.loc["i0"] = None
    votes.loc["i1", ["strict", "mild"]] = [None, np.nan]
    bad = found(votes)
    assert bad.details["n_votes"].tolist() == [0, 1, 3, 3, 3, 3]
    assert np.isnan(bad.details["proba"][0]).all()
    assert (bad.quality[0], bad.suggested[0], bad.is_error[0]) == (1, "a", False)
    assert bad.quality[1] == 0.25  # one vote for b: (0 + 1/2) / 2
    assert bad.details["judges"]["n_votes"].tolist() == [4, 4, 5]
    proba = np.array([[0.9, 0.1]] * 6)
    proba[3] = np.nan
    assert found({"one": proba}).details["n_votes"].tolist() == [1, 1, 1, 0, 1, 1]


def test_a_tie_leaves_the_label_alone():
    bad = found({"one": np.full((6, 2), 0.5)}, confidence=0.5)
    assert (bad.suggested == list("aabbba")).all()
    assert not bad.is_error.any()


def test_the_ensemble_is_better_than_each_judge_and_than_the_neighbours():
    """Five judges right for 75 % of 600 items, on vectors that say little."""
    score = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = rng.integers(4, size=600)
        given = np.where(rng.random(600) < 0.1, (truth + rng.integers(1, 4, 600)) % 4, truth)
        votes = pd.DataFrame(
            {
                f"j{i}": np.where(rng.random(600) < 0.75, truth, rng.integers(4, size=600))
                for i in range(5)
            }
        )
        x = rng.normal(size=(600, 4)) + np.eye(4)[truth]
        run = {"all": votes, **{name: votes[[name]] for name in votes}}
        results = {key: Judges(votes=part) for key, part in run.items()} | {"knn": "knn_agreement"}
        score.append(
            {
                key: average_precision_score(
                    given != truth, -find_label_errors(x, given, method=method).quality
                )
                for key, method in results.items()
            }
        )
    mean = pd.DataFrame(score).mean()
    assert mean["all"] > mean.drop("all").max() + 0.2


# ---- functions -----------------------------------------------------------------------------------


def test_a_function_is_asked_once_about_each_distinct_item_that_is_judged():
    asked = []

    def judge(items, classes):
        asked.append((items, classes))
        return [{"a": 0.75, "b": 0.25} if len(text) < 4 else "b" for text in items]

    bad = found([judge], pool_of("aabba-", data=pd.Series(TEXTS, index=VOTES.index)))
    assert asked == [(["one", "two", "seventeen", "eleven"], ["a", "b"])]
    assert bad.quality[[0, 1, 4]].tolist() == [0.75, 0.75, 0.25]  # b has too few rows
    assert bad.details["n_votes"].tolist() == [1, 1, 1, 1, 1, 0]


def test_functions_see_rows_of_a_table_as_dicts_and_pictures_as_they_are():
    seen = []

    def judge(items, classes):
        seen.append(items)
        return [None] * len(items)

    table = pd.DataFrame({"text": TEXTS, "size": [1, 1, 2, 1, 2, 2]}, index=VOTES.index)
    found([judge], pool_of(data=table))
    assert seen[0][0] == {"text": "one", "size": 1}
    assert len(seen[0]) == 5
    found([judge], pool_of(data=[np.zeros((2, 2))] * 5 + [np.ones((2, 2))]))
    assert len(seen[1]) == 2


def test_functions_get_their_names_and_those_of_one_name_a_number():
    pool = pool_of(data=pd.Series(TEXTS, index=VOTES.index))
    bad = found([short, lambda i, c: ["a"] * len(i), lambda i, c: ["b"] * len(i)], pool)
    assert bad.details["judges"].index.tolist() == ["short", "<lambda> 1", "<lambda> 2"]


def test_a_function_that_fails_is_named():
    def strict(items, classes):
        raise OSError("no answer")

    pool = pool_of(data=pd.Series(TEXTS, index=VOTES.index))
    assert message(RuntimeError, found, [strict], pool) == (
        "The judge 'strict' failed on 5 items (ids 'i0', 'i1', 'i2', 'i4', 'i5'): "
        "OSError: no answer"
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("zebra", "'zebra'"),
        ({"a": 0.5, "c": 0.5}, "{'a': 0.5, 'c': 0.5}"),
        ({"a": 0.5, "b": 0.6}, "{'a': 0.5, 'b': 0.6}"),
        ({"a": 1.5, "b": -0.5}, "{'a': 1.5, 'b': -0.5}"),
    ],
)
def test_an_answer_that_is_none_is_named_with_judge_and_item(answer, text):
    def strict(items, classes):
        return ["a", answer, *["b"] * (len(items) - 2)]

    pool = pool_of(data=pd.Series(TEXTS, index=VOTES.index))
    assert message(ValueError, found, [strict], pool) == (
        "The 'votes' parameter must be judges that answer with a class, or with probabilities of "
        f"classes that sum to 1. Got {text} by the judge 'strict' for the item 'i1' instead."
    )


def test_too_few_answers():
    pool = pool_of(data=pd.Series(TEXTS, index=VOTES.index))

    def strict(items, classes):
        return ["a"]

    assert message(ValueError, found, [strict], pool) == (
        "The 'votes' parameter must be 5 answers, one an item. Got 1 by the judge 'strict' instead."
    )


# ---- a value, and errors -------------------------------------------------------------------------


def test_methods_compare_by_what_their_judges_say():
    proba = {"one": np.eye(6), "two": VOTES}
    for votes, same, other in (
        (VOTES, VOTES.copy(), VOTES[::-1]),
        (proba, {"one": np.eye(6), "two": VOTES.copy()}, {"one": np.eye(6)}),
        ([short], (short,), [short, short]),
    ):
        assert Judges(votes=votes) == Judges(votes=same)
        assert hash(Judges(votes=votes)) == hash(Judges(votes=same))
        assert Judges(votes=votes) != Judges(votes=other)
        assert Judges(votes=votes) != Judges(votes=votes, confidence=0.5)
    assert Judges(votes=VOTES) != Judges(votes=[short])
    assert Judges(votes=VOTES) != 7


def test_votes_are_aligned_by_id_and_the_result_is_kept(tmp_path):
    bad = found(VOTES[::-1])
    assert bad.quality.tolist() == found(VOTES).quality.tolist()
    assert json.dumps(bad.params)
    bad.save(tmp_path / "bad")
    opened = type(bad).open(tmp_path / "bad")
    pd.testing.assert_frame_equal(opened.details["agreement"], bad.details["agreement"])


def test_integer_labels():
    votes = pd.DataFrame({"one": [1, 1, 2, None], "two": [1, 2, 2, 2]})
    bad = find_label_errors(np.eye(4), [1, 1, 1, 2], method=Judges(votes=votes))
    assert bad.suggested[:3].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("votes", "error", "text"),
    [
        (
            VOTES.replace("b", "x"),
            ValueError,
            "The 'votes' parameter must be judges that answer with a class, or with probabilities "
            "of classes that sum to 1. Got 'x' by the judge 'strict' for the item 'i3' instead.",
        ),
        (
            {"one": np.full((6, 2), 0.4)},
            ValueError,
            "The 'votes' parameter must be judges that answer with a class, or with probabilities "
            "of classes that sum to 1. Got [0.4, 0.4] by the judge 'one' for the item 'i0' "
            "instead.",
        ),
        (
            {"one": np.ones((6, 3))},
            ValueError,
            "The 'votes' parameter must be of shape (6, 2), items by classes. Got shape (6, 3) by "
            "the judge 'one' instead.",
        ),
        (
            {"one": pd.DataFrame(np.eye(6)[:, :2], columns=["a", "x"])},
            ValueError,
            "The 'votes' parameter must be with the classes as columns: 'a', 'b'. Got 'a', 'x' by "
            "the judge 'one' instead.",
        ),
        (
            {},
            ValueError,
            "The 'votes' parameter must be of at least one judge. Got no judge instead.",
        ),
        (
            "strict",
            TypeError,
            "The 'votes' parameter must be a DataFrame of labels, a column a judge; a mapping of "
            "names to probabilities or functions; or a sequence of functions. Got str instead.",
        ),
        (
            VOTES.set_axis(["one", "one", "two"], axis=1),
            ValueError,
            "The 'votes' parameter must be a table with distinct columns. Got 'one' more than once "
            "instead.",
        ),
    ],
)
def test_votes_that_cannot_be_read(votes, error, text):
    assert message(error, found, votes) == text


def test_functions_need_data():
    assert message(ValueError, found, [short]) == (
        "The 'votes' parameter must be labels or probabilities where the pool has no data. Got the "
        "function 'short' instead. Pass Pool(embedding=…, data=…, labels=…), or an embedding made "
        "by embed."
    )


def test_confidence_out_of_range():
    assert message(ValueError, found, VOTES, confidence=2) == (
        "The 'confidence' parameter must be a number from 0 to 1. Got 2 instead."
    )


def test_its_name_alone_says_what_it_must_be_told():
    assert message(TypeError, find_label_errors, pool_of(), method="judges") == (
        "The 'method' parameter must be a method with its settings. Got 'judges' instead. "
        "Pass Judges(votes=…)."
    )


@pytest.mark.data
def test_three_people_find_planted_errors_better_than_one(bench_data):
    table = pd.read_csv(bench_data / "cifar10_shared" / "train_labels.csv").set_index("file")
    items = table[["clean_label"]].rename(columns={"clean_label": "label"})
    planted = samples.plant_label_errors(items, share=0.1, random_state=0)
    wrong = planted.truth["is_error"]
    people = table[["random_label1", "random_label2", "random_label3"]]
    pool = Pool(
        embedding=Embedding(vectors=np.ones((len(table), 1)), ids=table.index),
        labels=planted.items["label"],
    )
    score = [
        average_precision_score(wrong, -found(part, pool).quality)
        for part in (people, people[["random_label1"]])
    ]
    assert score[0] > score[1] + 0.3
