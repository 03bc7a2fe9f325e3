import itertools

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab.results import StageResult
from curalab.shift import rephrased


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def side(vectors, data, ids=None):
    return Embedding(vectors=np.array(vectors, dtype=float), metric="euclidean", data=data, ids=ids)


TRAIN = side([[0], [1], [2], [10]], ["zero", "one", "two", "ten"], list("abcd"))
TEST = side([[0.1], [9]], ["nought", "nine"], ["x", "y"])


def test_the_nearest_are_judged_by_hand():
    asked = []

    def judge(test, train):
        asked.append((test, train))
        return (test, train) == ("nought", "one")

    found = rephrased(TRAIN, TEST, judge=judge, k=2)
    assert asked == [("nought", "zero"), ("nine", "ten"), ("nought", "one"), ("nine", "two")]
    assert found.is_rephrased.tolist() == [True, False]
    assert found.source.tolist() == ["b", "d"]
    assert found.confidence.tolist() == [1.0, 0.0]
    assert found.n_judged.tolist() == [2, 2]
    assert found.pairs.drop(columns="similarity").to_numpy().tolist() == [
        ["x", "a", 1, 0.0],
        ["x", "b", 2, 1.0],
        ["y", "d", 1, 0.0],
        ["y", "c", 2, 0.0],
    ]
    assert np.allclose(found.pairs["similarity"], [1 / 1.1, 1 / 1.9, 1 / 2, 1 / 8])
    assert repr(found) == "Rephrased(2 items, 1 rephrased, 4 pairs judged)"
    assert found.to_frame()["is_rephrased"].to_dict() == {"x": True, "y": False}
    assert found.details == {"n_calls": 4, "n_left": 0}


def test_numbers_are_cut_at_the_threshold():
    verdict = {("nought", "zero"): 0.6, ("nine", "ten"): 0.59}
    judge = lambda test, train: verdict[test, train]  # noqa: E731
    found = rephrased(TRAIN, TEST, judge=judge, k=1, threshold=0.6)
    assert found.is_rephrased.tolist() == [True, False]
    assert found.confidence.tolist() == [0.6, 0.59]


def test_each_distinct_pair_of_texts_is_judged_once():
    calls = itertools.count()
    train = side([[0], [0], [0], [5]], ["a", "a", "b", "c"])
    test = side([[0], [0]], ["q", "q"])
    found = rephrased(train, test, judge=lambda *pair: not next(calls) < 0 and pair[1] == "b", k=3)
    assert next(calls) == 2
    assert found.details["n_calls"] == 2
    assert len(found.pairs) == 6
    assert found.source.tolist() == [2, 2]


def test_items_that_are_no_texts_are_judged_pair_by_pair():
    train, test = side([[0], [0]], [np.zeros(2), np.zeros(2)]), side([[0]], [np.zeros(2)])
    found = rephrased(train, test, judge=np.array_equal, k=2)
    assert found.details["n_calls"] == 2
    assert found.is_rephrased.all()
    assert np.isnan(found.ngram_overlap).all()
    table = Embedding(vectors=np.eye(2), data=pd.DataFrame({"a": [1, 2]}))
    assert rephrased(table, table, judge=lambda one, other: one == other).is_rephrased.all()


def test_the_nearest_pairs_come_first_where_calls_are_few():
    asked = []
    found = rephrased(TRAIN, TEST, judge=lambda *p: bool(asked.append(p)), k=4, max_calls=3)
    assert asked == [("nought", "zero"), ("nine", "ten"), ("nought", "one")]
    assert found.n_judged.tolist() == [2, 1]
    assert found.details == {"n_calls": 3, "n_left": 5}
    none = rephrased(TRAIN, TEST, judge=lambda *p: True, max_calls=0)
    assert none.source.tolist() == [None, None]
    assert np.isnan(none.confidence).all()
    assert not none.is_rephrased.any()
    assert len(none.pairs) == 0


def test_k_is_cut_at_the_size_of_the_training_set():
    assert rephrased(TRAIN, TEST, judge=lambda *p: False, k=99).n_judged.tolist() == [4, 4]


def test_overlap_of_words_by_hand():
    words = [f"word{i}" for i in range(30)]
    train = ["before " + " ".join(words[:15]) + " after", "Short, text!", "something else"]
    test = [
        " ".join(words[:14]).upper(),  # both 13-grams, in another case
        " ".join(words[2:18]),  # 13-grams from 2, 3 and 4; only that from 2 is known
        "short text",  # a short text is one n-gram
        "short text more",
        "...",
    ]
    found = rephrased(
        side(np.zeros((3, 1)), train), side(np.zeros((5, 1)), test), judge=lambda *p: False
    )
    assert np.allclose(found.ngram_overlap, [1, 1 / 4, 1, 0, 0])
    letters = len("".join(words[2:18]))
    shared = len("".join(words[2:15])) - 50 + 1
    # and the letters after those that are shared may go on alike: word1|5, after
    assert found.substring_overlap[1] == pytest.approx(shared / (letters - 50 + 1), abs=0.02)
    assert found.substring_overlap[[0, 2, 3, 4]].tolist() == [1, 1, 0, 0]


def test_rephrasings_that_overlap_misses():
    """What the paper is about: other words, the same item."""
    swap = {"big": "large", "dog": "hound", "fast": "quickly", "house": "home", "old": "aged"}
    swap |= {"bought": "purchased", "near": "beside", "river": "stream", "child": "kid"}
    rng = np.random.default_rng(0)
    fixed = ["the", "a", "one", "this", "my", "her", "his", "some"]
    nouns, others = ["dog", "house", "river", "child"], ["big", "fast", "old", "bought", "near"]
    texts = [
        " ".join(f"{rng.choice(fixed)} {rng.choice(others)} {rng.choice(nouns)}" for _ in range(6))
        for _ in range(60)
    ]
    own = np.array([[text.split().count(word) for word in swap] for text in texts], dtype=float)
    test = [" ".join(swap.get(word, word) for word in text.split()) for text in texts[:10]]
    test += [" ".join(rng.permutation(text.split())[:9]) for text in texts[10:20]]
    back = {new: word for word, new in swap.items()}
    plain = [[back.get(word, word) for word in text.split()] for text in test]
    seen = np.array([[words.count(word) for word in swap] for words in plain], dtype=float)
    judge = lambda a, b: [back.get(w, w) for w in a.split()] == b.split()  # noqa: E731
    found = rephrased(side(own, texts), side(seen, test), judge=judge)
    assert found.ngram_overlap.max() == 0
    assert found.substring_overlap.max() == 0
    assert found.is_rephrased.tolist() == [True] * 10 + [False] * 10
    assert found.source[:10].tolist() == list(range(10))


def test_a_result_is_kept_on_disk(tmp_path):
    found = rephrased(TRAIN, TEST, judge=lambda test, train: 0.7)
    found.save(tmp_path / "kept")
    again = StageResult.open(tmp_path / "kept")
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame())
    pd.testing.assert_frame_equal(again.pairs, found.pairs)


def test_a_pool_brings_its_items():
    data = ["zero", "one", "two", "ten"]
    pool = Pool(embedding=np.eye(4), data=data)
    assert rephrased(pool, pool, judge=lambda a, b: a == b, k=1).source.tolist() == [0, 1, 2, 3]


# ---- errors --------------------------------------------------------------------------------------


def test_errors_of_the_judge_name_the_pair():
    def broken(test, train):
        raise KeyError("no answer")

    assert message(RuntimeError, rephrased, TRAIN, TEST, judge=broken) == (
        "The judge failed on the pair (test id 'x', train id 'a'): KeyError('no answer')"
    )
    assert message(TypeError, rephrased, TRAIN, TEST, judge=lambda *p: "yes") == (
        "The 'judge' parameter must be a function that returns a bool, or a number from 0 to 1. "
        "Got 'yes' for the pair (test id 'x', train id 'a') instead."
    )
    assert message(ValueError, rephrased, TRAIN, TEST, judge=lambda *p: float("nan")) == (
        "The 'judge' parameter must be a function that returns a bool, or a number from 0 to 1. "
        "Got nan for the pair (test id 'x', train id 'a') instead."
    )


def test_errors():
    judge = bool
    assert message(TypeError, rephrased, TRAIN, TEST, judge="gpt") == (
        "The 'judge' parameter must be a function judge(test_item, train_item). Got 'gpt' instead."
    )
    assert message(ValueError, rephrased, np.eye(2), TEST, judge=judge) == (
        "The 'train' parameter must be an Embedding with the items that were embedded, for the "
        "judge. Got vectors only instead. Make it with embed(items), or pass "
        "Embedding(vectors=…, data=items)."
    )
    wide = side(np.zeros((2, 3)), ["a", "b"])
    assert message(ValueError, rephrased, TRAIN, wide, judge=judge) == (
        "The 'test' parameter must be of 1 dimensions, as 'train' is. Got 3 instead."
    )
    cosine = Embedding(vectors=np.eye(1), data=["a"])
    assert message(ValueError, rephrased, TRAIN, cosine, judge=judge) == (
        "The 'test' parameter must be of metric 'euclidean'. Got 'cosine' instead."
    )
    assert message(ValueError, rephrased, TRAIN, TEST, judge=judge, k=0) == (
        "The 'k' parameter must be an integer of 1 or more. Got 0 instead."
    )
    assert message(ValueError, rephrased, TRAIN, TEST, judge=judge, threshold=2) == (
        "The 'threshold' parameter must be a number from 0 to 1. Got 2 instead."
    )
    assert message(ValueError, rephrased, TRAIN, TEST, judge=judge, max_calls=-1) == (
        "The 'max_calls' parameter must be an integer of 0 or more. Got -1 instead."
    )
