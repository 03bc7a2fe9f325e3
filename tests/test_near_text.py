import itertools
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curalab import Embedding, MissingExtraError, Pool
from curalab.duplicates import NearText, find_duplicates
from curalab.duplicates._bands import near_pairs
from curalab.duplicates._pairs import expanded
from curalab.duplicates._shingles import _numbered, jaccard, shingle_sets, words_of
from curalab.duplicates.near_text import _bands
from curalab.samples import docstrings, plant_duplicates

pytest.importorskip("datasketch")

WORDS = np.array([f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "ar", "en")])


def holding(data, ids=None):
    return Embedding(vectors=np.ones((len(data), 2)), data=data, ids=ids)


def found_in(data, threshold=0.5, **settings):
    return find_duplicates(holding(data), method=NearText(**settings), threshold=threshold)


def pairs_in(data, threshold=0.5, **settings):
    found = found_in(data, threshold, **settings).pairs()
    return {
        (a, b): s for a, b, s in zip(found["id_a"], found["id_b"], found["similarity"], strict=True)
    }


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def brute(texts, threshold, n=2):
    """All pairs, by sets of Python."""
    sets = []
    for text in texts:
        words = words_of(text)
        sets.append({tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))})
    similar = {}
    for a, b in itertools.combinations(range(len(sets)), 2):
        shared = len(sets[a] & sets[b])
        if shared >= threshold * (len(sets[a]) + len(sets[b]) - shared):
            similar[a, b] = shared / (len(sets[a]) + len(sets[b]) - shared)
    return similar


def random_texts(n, rng, length=20):
    return [" ".join(rng.choice(WORDS, length)) for _ in range(n)]


# ---- by hand -------------------------------------------------------------------------------------


def test_two_of_four_pairs_of_words_are_shared():
    texts = ["one two three four", "One, two  three FIVE!", "four three two one", "six"]
    assert pairs_in(texts) == {(0, 1): 0.5}
    assert pairs_in(texts, n_words=1) == {(0, 1): 3 / 5, (0, 2): 1.0, (1, 2): 3 / 5}
    assert pairs_in(texts, n_words=3, threshold=0.3) == {(0, 1): 1 / 3}


def test_a_short_text_is_one_n_gram():
    assert pairs_in(["Good song", "good song!", "good", "song good", "a good song"]) == {
        (0, 1): 1.0,
        (0, 4): 0.5,
        (1, 4): 0.5,
    }


def test_repeated_n_grams_count_once():
    assert pairs_in(["ha ha ha ha", "ha ha"]) == {(0, 1): 1.0}


def test_scripts_without_spaces_go_by_character():
    assert words_of("酒店很好Wi-Fi") == ["酒", "店", "很", "好", "wi", "fi"]
    assert len(words_of("โรงแรมดี")) == 8
    texts = ["这家酒店的早餐非常好吃", "这家酒店的早餐非常难吃", "我们明天再去那里看看"]
    assert pairs_in(texts) == {(0, 1): 8 / 12}


def test_texts_without_letters_go_by_character():
    assert pairs_in(["👍👍 👎", "👍👍👎", "!!! ???", "👍👍"]) == {
        (0, 1): 1.0,
        (0, 3): 0.5,
        (1, 3): 0.5,
    }


def test_case_accents_and_width_do_not_count():
    assert pairs_in(["Ein Café", "ein cafe\u0301", "ＥＩＮ CAFÉ", "STRASSE 1", "straße 1"]) == {
        (0, 1): 1.0,
        (0, 2): 1.0,
        (1, 2): 1.0,
        (3, 4): 1.0,
    }


def test_missing_texts_are_like_no_other_and_empty_ones_are_equal():
    assert pairs_in(["", None, " ", np.nan, None, "a b"]) == {(0, 2): 1.0}
    assert pairs_in([None, None]) == {}
    assert pairs_in(["one"]) == {}


def test_text_columns_of_a_table_are_joined():
    table = pd.DataFrame(
        {
            "title": ["the red house", "the red", None, None],
            "price": [1.0, 2.0, 3.0, 4.0],
            "body": ["is big", "house is big", "is big", None],
            "photo": ["a.png", "b.png", "a.png", "a.png"],
        }
    )
    assert pairs_in(table) == {(0, 1): 1.0}
    frame = table.set_index(pd.Index(list("abcd")))
    found = find_duplicates(holding(frame, ids=list("abcd")), method="near_text")
    assert found.pairs()[["id_a", "id_b"]].to_numpy().tolist() == [["a", "b"]]


def test_data_that_carry_ids_go_by_id():
    texts = pd.Series(["x y z", "p q r", "x y z"], index=["a", "b", "c"])
    pool = Pool(embedding=Embedding(vectors=np.ones((3, 2)), ids=["b", "a", "c"]), data=texts)
    assert find_duplicates(pool, method="near_text").group.tolist() == [-1, 0, 0]


# ---- planted copies ------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_nearly_all_pairs_are_found_and_none_is_false(threshold):
    rng = np.random.default_rng(0)
    texts = random_texts(300, rng, length=30)
    texts += [f"{text} {' '.join(rng.choice(WORDS, i % 25))}" for i, text in enumerate(texts)]
    true, found = brute(texts, threshold), pairs_in(texts, threshold)
    assert found.items() <= true.items()
    assert len(found) >= 0.97 * len(true)
    assert len(true) > 40


def test_edited_copies_are_found_where_equal_ones_are_not():
    planted = plant_duplicates(docstrings()[:200], share=0.3, kind="paraphrase", random_state=0)
    pool = holding(planted.items["text"].tolist(), ids=planted.items.index)
    true = {frozenset(pair) for pair in zip(planted.truth.id_a, planted.truth.id_b, strict=True)}
    by = {}
    for method in ("exact", "near_text"):
        found = find_duplicates(pool, method=method).pairs()
        by[method] = {frozenset(p) for p in zip(found["id_a"], found["id_b"], strict=True)}
    assert len(by["exact"] & true) == 0
    assert len(by["near_text"] & true) >= 0.6 * len(true)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text("ab !", max_size=12), min_size=1, max_size=12))
def test_any_texts(texts):
    assert pairs_in(texts, 0.5, n_words=2).items() <= brute(texts, 0.5).items()
    equal = {pair for pair, similarity in brute(texts, 0.5).items() if similarity == 1}
    assert equal <= set(pairs_in(texts, 0.5))


# ---- groups --------------------------------------------------------------------------------------


def test_all_pairs_of_a_group_of_100():
    rng = np.random.default_rng(0)
    core = " ".join(rng.choice(WORDS, 40))
    texts = [f"{core} {extra}" for extra in rng.choice(WORDS, (45, 2)).tolist()]
    texts = [*texts, *texts, *random_texts(50, rng)]
    found = pairs_in(texts, 0.8)
    assert found == brute(texts, 0.8)
    assert len(found) > 4_000


def test_many_copies_make_few_pairs():
    found = found_in(["the same text", *["The same text!"] * 4_999, "another one"], 0.8)
    assert found.n_groups == 1
    assert (~found.keep).sum() == 4_999
    assert len(found.found) == 4_999


def test_many_near_copies_make_few_pairs():
    rng = np.random.default_rng(0)
    core = " ".join(rng.choice(WORDS, 60))
    texts = [f"{core} {' '.join(rng.choice(WORDS, 3))}" for _ in range(2_000)]
    found = found_in([*texts, *random_texts(200, rng)], 0.8)
    assert found.n_groups == 1
    assert (found.group == 0).sum() == 2_000
    assert len(found.found) < 20_000


def test_texts_that_share_half_are_not_compared_all_with_all(monkeypatch):
    tried = []

    def counted(sets, pairs):
        tried.append(len(pairs))
        return jaccard(sets, pairs)

    monkeypatch.setitem(near_pairs.__globals__, "jaccard", counted)
    rng = np.random.default_rng(0)
    core = " ".join(rng.choice(WORDS, 30))
    texts = [f"{core} {tail}" for tail in random_texts(3_000, rng, length=25)]
    texts[-1] = texts[0] + " more"
    found = found_in(texts, 0.8)
    assert found.pairs()[["id_a", "id_b"]].to_numpy().tolist() == [[0, 2_999]]
    assert sum(tried) < 3_000**2 / 4


def test_rows_of_equal_content_stand_for_each_other():
    label = np.array([1, 0, 1, -1, 2, 0])
    pairs, similarity = expanded(label, np.array([[0, 1]]), np.array([0.9]))
    told = {frozenset(p): s for p, s in zip(pairs.tolist(), similarity, strict=True)}
    cross = {frozenset([a, b]): 0.9 for a in (1, 5) for b in (0, 2)}
    assert told == cross | {frozenset([1, 5]): 1.0, frozenset([0, 2]): 1.0}
    large = np.repeat([0, 1], [70, 60])
    pairs, similarity = expanded(large, np.array([[0, 1]]), np.array([0.9]))
    assert pairs[similarity < 1].tolist() == [[0, 70]]
    assert (similarity == 1).sum() == 70 * 69 / 2 + 60 * 59 / 2


def test_the_order_of_rows_and_the_seed_do_not_matter():
    rng = np.random.default_rng(1)
    texts = random_texts(60, rng)
    texts += [text + " and more" for text in texts[:30]]
    order = rng.permutation(len(texts))
    plain, moved = pairs_in(texts, 0.6), pairs_in([texts[i] for i in order], 0.6)
    assert {tuple(sorted((order[a], order[b]))): s for (a, b), s in moved.items()} == plain
    method = NearText()
    runs = [
        find_duplicates(holding(texts), method=method, random_state=s).to_frame() for s in (0, 1)
    ]
    pd.testing.assert_frame_equal(*runs)


# ---- bands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold):
    n, width, recall = _bands(threshold, 128)
    assert n * width <= 128
    assert recall == pytest.approx(1 - (1 - threshold**width) ** n)
    assert recall >= 0.95
    assert width == 128 or 1 - (1 - threshold ** (width + 1)) ** (128 // (width + 1)) < 0.95


def test_the_default_and_the_details():
    found = find_duplicates(holding(["a b", "c d"]), method="near_text", random_state=0)
    assert found.threshold == 0.7
    assert found.details["threshold"] == {"rule": "set by near_text", "threshold": 0.7}
    assert found.details["bands"] == 25
    assert found.details["hashes_a_band"] == 5
    assert found.details["recall"] == pytest.approx(1 - (1 - 0.7**5) ** 25)


def test_sets_of_many_texts_need_few_bytes_a_word():
    texts = random_texts(12_000, np.random.default_rng(0), length=40)
    shingle_sets(texts[:10], 2)
    tracemalloc.start()
    sets, hashes = shingle_sets(texts, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 45 * 12_000 * 40  # twice what it keeps; all words side by side take 90
    part, known = shingle_sets(texts[8_000:8_003], 2)
    for own, row in zip(part, sets[8_000:8_003], strict=True):
        assert known[own.indices].tolist() == hashes[row.indices].tolist()


def test_hashes_are_numbered_as_unique_does():
    rng = np.random.default_rng(0)
    values = np.r_[0, 2**64 - 1, 2**60, 2**60 - 1, rng.integers(2**64, size=500, dtype=np.uint64)]
    values = np.r_[values, values[::3]].astype(np.uint64)
    found, number = np.unique(values, return_inverse=True)
    for known, wanted in zip(_numbered(values), (number, found), strict=True):
        np.testing.assert_array_equal(known, wanted)


def test_similarity_of_a_set_with_nothing():
    sets, hashes = shingle_sets([None, None], 2)
    assert hashes.tolist() == []
    assert jaccard(sets, np.array([[0, 1]])).tolist() == [0.0]


# ---- errors --------------------------------------------------------------------------------------


def test_data_that_are_no_texts():
    assert message(ValueError, find_duplicates, np.eye(3), method="near_text") == (
        "The method 'near_text' needs 'data', and the pool has none. "
        "Pass Pool(embedding=…, data=…) to find_duplicates, or choose another method."
    )
    assert message(TypeError, found_in, ["a", 3, None, 2.5, 4]) == (
        "The 'data' parameter must be texts for the method 'near_text'. Got 3 of 5 rows that are "
        "none but float, int (ids 1, 3, 4) instead."
    )
    assert message(TypeError, found_in, ["a.png", None, "b.jpg"]) == (
        "The 'data' parameter must be texts for the method 'near_text'. Got names of image files, "
        "such as 'a.png' instead."
    )
    table = pd.DataFrame({"n": [1, 2], "photo": ["a.png", "b.png"]})
    assert message(TypeError, found_in, table) == (
        "The 'data' parameter must be a table with a column of texts. Got a DataFrame with the "
        "columns 'n', 'photo' instead."
    )
    short = Embedding(vectors=np.ones((2, 2)), data=["a"])
    assert message(ValueError, find_duplicates, short, method="near_text") == (
        "The 'data' parameter must be 2 rows, one for each item. Got 1 rows instead."
    )


def test_settings_out_of_range():
    assert message(ValueError, found_in, ["a"], n_words=0) == (
        "The 'n_words' parameter must be an integer from 1 to 100. Got 0 instead."
    )
    assert message(ValueError, found_in, ["a"], permutations=8) == (
        "The 'permutations' parameter must be an integer from 16 to 4096. Got 8 instead."
    )
    assert message(ValueError, found_in, ["a"], 0.02) == (
        "The 'threshold' parameter must be a number from 0.024 to 1 for 128 permutations of the "
        "method 'near_text'. Got 0.02 instead."
    )
    assert pairs_in(["a b", "c d"], 0.024) == {}


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "datasketch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    assert message(MissingExtraError, found_in, ["a"]) == (
        "The method 'near_text' needs the package 'datasketch', which is not installed. "
        "Install it with: pip install 'curalab[duplicates]'"
    )


class _Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "datasketch":
            raise ModuleNotFoundError(name=name)
