import sys
import time

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab._check import MissingExtraError
from curalab.duplicates import RecordLinkage, find_duplicates, score_pairs
from curalab.duplicates._aliases import alias_communities, alias_model, name_features
from curalab.duplicates._blocks import candidate_pairs, cosine, gram_vectors, usual_similarity
from curalab.duplicates._mixture import fit_matches, match_probability
from curalab.duplicates._records import records_of

SYLLABLES = [a + b for a in "bdgklmnprstv" for b in "ao"]
NAMES = ["international business machines", "big blue", "alphabet", "google", "meta", "facebook"]


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value.args[0])


def pool_of(data):
    ids = data.index if isinstance(data, pd.DataFrame | pd.Series) else None
    return Pool(embedding=Embedding(vectors=np.ones((len(data), 2)), ids=ids, data=data))


def people(n, rng):
    """Rows of which each differs from any other by chance alone; towns and years repeat."""

    def word(k):
        return "".join(rng.choice(SYLLABLES, k))

    surnames, towns = [word(3) for _ in range(40)], [word(4) for _ in range(12)]
    return pd.DataFrame(
        {
            "name": [f"{word(3)} {surnames[rng.integers(40)]}" for _ in range(n)],
            "street": [f"{rng.integers(1, 200)} {word(4)} road" for _ in range(n)],
            "town": [towns[rng.integers(12)] for _ in range(n)],
            "born": rng.integers(1930, 2005, n),
            "phone": [str(rng.integers(10**6, 10**7)) for _ in range(n)],
        }
    )


def typed_again(table, rng):
    """The rows again, with a letter lost in two fields, one field missing, others as they were."""
    made = table.astype(object)
    for row in range(len(made)):
        for column in rng.choice(["name", "street", "phone"], 2, replace=False):
            text = made.loc[row, column]
            at = rng.integers(len(text))
            made.loc[row, column] = text[:at] + text[at + 1 :]
        made.loc[row, rng.choice(["town", "born"])] = None
    return made


@pytest.fixture(scope="module")
def planted():
    """300 people, of which the first 60 come twice."""
    rng = np.random.default_rng(0)
    table = people(300, rng)
    data = pd.concat([table, typed_again(table[:60], rng)], ignore_index=True)
    return data.set_axis([f"r{i}" for i in range(360)]), {
        (f"r{i}", f"r{300 + i}") for i in range(60)
    }


def pairs_of(found):
    return set(map(tuple, found.pairs()[["id_a", "id_b"]].to_numpy().tolist()))


# ---- planted truth -------------------------------------------------------------------------------


def test_people_typed_again_are_found(planted):
    data, true = planted
    found = find_duplicates(pool_of(data), method="record_linkage")
    right = len(pairs_of(found) & true)
    assert right >= 0.97 * len(true)
    assert right >= 0.97 * len(found.found)
    assert found.threshold == 0.5
    assert found.details["threshold"] == {"rule": "set by record_linkage", "threshold": 0.5}
    assert 0 < found.details["matching_share"] < 0.2


@pytest.mark.parametrize("compare", ["fields", "joined"])
def test_nobody_is_found_where_all_differ(compare):
    data = people(300, np.random.default_rng(1))
    method = RecordLinkage(compare=compare)
    assert len(find_duplicates(pool_of(data), method=method).found) == 0


def test_fields_tell_copies_from_people_of_one_household():
    # People of a household share all but a first name, a year and a phone number. As a whole they
    # are more alike than a person is to a copy that lost the note; most copies are ordinary.
    rng = np.random.default_rng(3)
    table = people(300, rng)
    table["note"] = [
        " ".join("".join(rng.choice(SYLLABLES, 4)) for _ in range(4)) for _ in range(300)
    ]
    for row in range(1, 60, 2):
        table.loc[row, ["street", "town", "note"]] = table.loc[row - 1, ["street", "town", "note"]]
    again = typed_again(table, rng)
    again.loc[:59, "note"] = None
    data = pd.concat([table, again], ignore_index=True)
    heads = np.arange(0, 60, 2)
    others = [(heads, heads + 1), (heads, heads + 301), (heads + 1, heads + 300)]
    copies = [(heads, heads + 300), (heads + 1, heads + 301)]
    judged = np.concatenate([np.column_stack(pair) for pair in [*copies, *others]])
    true = np.arange(len(judged)) < 60
    ours = score_pairs(pool_of(data), judged, method="record_linkage")["similarity"].to_numpy()
    whole = gram_vectors([" ".join(map(str, row)) for row in data.fillna("").to_numpy()])
    assert average_precision(true, ours) >= 0.9
    assert average_precision(true, cosine(whole, judged)) <= 0.75


def average_precision(true, score):
    from sklearn.metrics import average_precision_score

    return average_precision_score(true, score)


def test_values_in_the_wrong_fields_are_compared_as_a_whole(planted):
    data, true = planted
    moved = data.astype(object)
    rows = moved.index[300:]
    moved.loc[rows, "name"] = moved.loc[rows, "name"] + " " + moved.loc[rows, "street"]
    moved.loc[rows, "street"] = None
    found = find_duplicates(pool_of(moved), method=RecordLinkage(compare="joined"))
    right = len(pairs_of(found) & true)
    assert right >= 0.9 * len(true)
    assert right >= 0.9 * len(found.found)


def test_the_order_of_rows_does_not_matter(planted):
    data, _ = planted
    order = np.random.default_rng(2).permutation(len(data))
    plain = find_duplicates(pool_of(data), method="record_linkage").pairs()
    moved = find_duplicates(pool_of(data.iloc[order]), method="record_linkage").pairs()
    as_sets = [
        {frozenset(row[:2]): row[2] for row in frame.itertuples(index=False)}
        for frame in (plain, moved)
    ]
    assert as_sets[0] == as_sets[1]


def test_score_pairs_gives_the_numbers_of_find_duplicates(planted):
    data, _ = planted
    found = find_duplicates(pool_of(data), method="record_linkage", threshold=0.2).pairs()
    scored = score_pairs(pool_of(data), found, method="record_linkage")
    pd.testing.assert_frame_equal(found, scored, rtol=1e-9)
    assert found["similarity"].between(0.2, 1).all()


def test_tables_dicts_and_texts():
    table = pd.DataFrame({"who": ["Ann Miller", "ann  miller", "Bob Stone", None]})
    dicts = [{"who": "Ann Miller"}, {"who": "ann  miller"}, {"who": "Bob Stone"}, {}]
    for data in (table, table["who"], table["who"].tolist(), dicts):
        found = find_duplicates(pool_of(data), method="record_linkage")
        assert found.pairs().to_numpy().tolist() == [[0, 1, 1.0]]


def test_rows_of_the_same_content_and_rows_without_any():
    data = pd.DataFrame({"a": ["x y", "X  Y", None, None, "z"], "b": [1.0, 1, None, None, 1]})
    asked = [(0, 1), (2, 3), (0, 2), (0, 4)]
    got = score_pairs(pool_of(data), asked, method="record_linkage")["similarity"]
    assert got[:3].tolist() == [1, 0, 0]
    assert got[3] < 0.5
    assert pairs_of(find_duplicates(pool_of(data), method="record_linkage")) == {(0, 1)}


def test_a_group_of_more_than_100_is_connected():
    rng = np.random.default_rng(0)
    table = people(150, rng)
    copies = pd.concat([table[:1]] * 130, ignore_index=True)
    found = find_duplicates(pool_of(pd.concat([table, copies], ignore_index=True)), method=LINKAGE)
    assert found.n_groups == 1
    assert (found.group >= 0).sum() == 131
    assert len(found.found) == 130


LINKAGE = RecordLinkage()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n):
    data = ["Ann Miller, 12 Long Road", "Ann Miler, 12 Long Road", "Bob Stone, 3 Elm"][:n]
    found = find_duplicates(pool_of(data), method="record_linkage")
    assert len(found) == n
    assert pairs_of(found) <= {(0, 1)}


def test_all_missing_but_one_and_all_equal():
    assert len(find_duplicates(pool_of(["a", None, None]), method=LINKAGE).found) == 0
    assert find_duplicates(pool_of(["a"] * 4), method=LINKAGE).group.tolist() == [0] * 4


def test_many_rows_make_few_candidates():
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    found = find_duplicates(pool_of(people(3000, rng)), method=RecordLinkage(partners=5))
    assert found.details["candidates"] <= 15_000
    assert time.perf_counter() - began < 30


# ---- the parts -----------------------------------------------------------------------------------


def test_records_by_hand():
    data = pd.DataFrame(
        {
            "name": ["B", " a ", "b", None],
            "year": [1999.0, np.nan, 1999, np.nan],
            "price": [1.5, np.inf, 1.5, np.nan],
            "vector": [np.ones(2)] * 4,
        }
    )
    records = records_of(pool_of(data), name="record_linkage")
    assert records.label.tolist() == [1, 0, 1, -1]
    assert list(records.texts.values()) == [["a", "b"], ["", "1999"]]
    assert [values.tolist() for values in records.numbers.values()] == [[np.inf, 1.5]]


def test_blocks_that_are_too_large_make_no_candidates():
    vectors = gram_vectors(["one apple", "two apple", "six apple", "six pears", "qqq"])
    assert candidate_pairs(vectors, 9, 9).tolist() == [[0, 1], [0, 2], [1, 2], [2, 3], [3, 2]][:4]
    assert candidate_pairs(vectors, 9, 2).tolist() == [[2, 3]]
    assert len(candidate_pairs(gram_vectors(["same text"] * 50), 3, 50)) <= 150
    assert candidate_pairs(gram_vectors(["", ""]), 3, 50).shape == (0, 2)


def test_usual_similarity_by_hand():
    pairs, similarity = np.array([[0, 1], [0, 2], [1, 2]]), np.array([0.9, 0.5, 0.1])
    assert usual_similarity(4, pairs, similarity, 2) == pytest.approx([0.7, 0.5, 0.3, 0])
    assert usual_similarity(2, pairs[:1], similarity[:1], 9) == pytest.approx([0.9, 0.9])


def test_the_mixture_recovers_what_was_planted():
    rng = np.random.default_rng(0)
    is_match = rng.random(4000) < 0.1
    agrees = rng.random((4000, 3)) < np.where(is_match[:, None], 0.9, [0.05, 0.3, 0.9])
    similarity = np.where(agrees, 1.0, 0.1)
    similarity[rng.random((4000, 3)) < 0.05] = np.nan
    model = fit_matches(similarity, agrees[:, 0] & agrees[:, 1])
    told = model.ratio[:, -1]
    assert told[0] == pytest.approx(np.log(0.9 / 0.05), abs=0.4)
    assert told[1] == pytest.approx(np.log(0.9 / 0.3), abs=0.4)
    assert abs(told[2]) < 0.2
    chance = match_probability(similarity, model)
    assert chance.mean() == pytest.approx(0.1, abs=0.03)
    assert match_probability(np.full((1, 3), np.nan), model) == pytest.approx(
        1 / (1 + np.exp(-model.odds))
    )
    assert (np.diff(model.ratio, axis=1) >= -1e-12).all()


# ---- aliases -------------------------------------------------------------------------------------


def test_aliases_join_what_no_letters_do():
    data = [*NAMES, "Big Blue", "oracle"]
    aliases = [(NAMES[0], "Big  Blue"), ("Google", "Alphabet")]
    plain = find_duplicates(pool_of(data), method="record_linkage")
    known = find_duplicates(pool_of(data), method=RecordLinkage(aliases=aliases))
    assert plain.group.tolist() == [-1, 0, -1, -1, -1, -1, 0, -1]
    assert known.group.tolist() == [0, 0, 1, 1, -1, -1, 0, -1]


def test_one_odd_link_does_not_make_two_communities_one():
    def clique(names):
        return [(a, b) for a in names for b in names if a < b]

    one, other = list("abcd"), list("wxyz")
    found = alias_communities([*clique(one), *clique(other), ("d", "w")])
    assert {found[name] for name in one} == {"a"}
    assert {found[name] for name in other} == {"w"}
    assert alias_communities([("A", "b"), ("b ", "c")]) == dict.fromkeys("abc", "a")
    assert alias_communities([]) == {}


def test_what_aliases_have_in_common_is_learnt():
    # Aliases here are initials: characters in common say little of it, and word order nothing.
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(SYLLABLES, 3)) for _ in range(400)]
    firms = [f"{words[i]} {words[i + 1]} holding" for i in range(0, 400, 2)]
    turned = [f"the {words[i + 1]} {words[i]}" for i in range(0, 400, 2)]
    aliases = list(zip(firms, turned, strict=True))
    model = alias_model(aliases[:100], alias_communities(aliases[:100]))
    names = firms[100:] + turned[100:]
    pairs = np.array([(i, 100 + (i + s) % 100) for s in range(3) for i in range(100)])
    shown = name_features(names, pairs, cosine(gram_vectors(names), pairs))
    chance = model.predict_proba(shown)[:, 1]
    assert average_precision(np.arange(300) < 100, chance) >= 0.98
    assert chance[:100].mean() > 0.9
    assert alias_model(aliases[:19], alias_communities(aliases[:19])) is None


def test_the_method_is_a_value_that_hashes():
    one = RecordLinkage(aliases=[["a", "b"]])
    assert one == RecordLinkage(aliases=(("a", "b"),))
    assert hash(one) == hash(RecordLinkage(aliases=[("a", "b")]))


# ---- errors --------------------------------------------------------------------------------------


def test_settings_are_checked():
    assert message(
        ValueError, find_duplicates, pool_of(["a"]), method=RecordLinkage(compare="x")
    ) == ("The 'compare' parameter must be one of 'fields', 'joined'. Got 'x' instead.")
    assert message(
        ValueError, find_duplicates, pool_of(["a"]), method=RecordLinkage(partners=0)
    ) == ("The 'partners' parameter must be an integer from 1 to 1000. Got 0 instead.")
    asked = RecordLinkage(largest_block=1)
    assert message(ValueError, find_duplicates, pool_of(["a"]), method=asked) == (
        "The 'largest_block' parameter must be an integer from 2 to 1000000. Got 1 instead."
    )
    assert message(TypeError, RecordLinkage, aliases="ab") == (
        "The 'aliases' parameter must be a sequence of pairs of names. Got 'ab' instead."
    )
    assert message(TypeError, RecordLinkage, aliases=[("a", "b"), "cd"]) == (
        "The 'aliases' parameter must be a sequence of pairs of names. Got 'cd' among them instead."
    )


def test_data_without_texts():
    numbers = pd.DataFrame({"x": [1.5, 2.5], "y": [0.5, 1]})
    assert message(TypeError, find_duplicates, pool_of(numbers), method="record_linkage") == (
        "The 'data' parameter must be texts, dicts or a table with a column of texts for the "
        "method 'record_linkage'. Got a table with the columns 'x', 'y' instead."
    )


class _Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rapidfuzz":
            raise ModuleNotFoundError(f"No module named {name!r}", name="rapidfuzz")


def test_a_missing_package_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rapidfuzz"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    pairs = np.array([[0, 1]])
    assert message(MissingExtraError, name_features, ["a", "b"], pairs, np.ones(1)) == (
        "The method 'record_linkage' with 'aliases' needs the package 'rapidfuzz', which is not "
        "installed. Install it with: pip install 'curalab[duplicates]'"
    )
