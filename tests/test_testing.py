"""What check_method and check_encoder find broken, and what they let pass."""

import random
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from curalab.pool import Pool
from curalab.testing import check_encoder, check_method

RETURNS = "returns what its contract says"
SAME = "gives the same answer for the same generator"
OWN = "draws from rng only"
UNTOUCHED = "leaves the pool as it was"
FRANK = "says what it needs"
PERMUTED = "follows a permutation of the pool"
CHOSEN = "leaves chosen rows alone"


def broken(stage, method, **settings):
    """Return the broken promises and their notes, as the error lists them."""
    with pytest.raises(ValueError, match="breaks") as error:
        check_method(stage, method, **settings)
    lines = str(error.value).splitlines()[1:-1]
    return dict(line.removeprefix("- ").split(": ", 1) for line in lines)


def free(pool):
    return np.setdiff1d(np.arange(len(pool)), [] if pool.chosen is None else pool.chosen)


def good(pool, k, *, rng):
    """Rows of the largest first coordinate."""
    rows = free(pool)
    return rows[np.argsort(-pool.embedding.vectors[rows, 0])][:k]


# ---- selectors -----------------------------------------------------------------------------------


def test_a_good_selector_keeps_all_promises():
    report = check_method("selectors", good)
    assert report["promise"].tolist() == [
        RETURNS, SAME, OWN, UNTOUCHED, FRANK, PERMUTED,
        "works for k = 1", "works for k = n", CHOSEN,
    ]  # fmt: skip
    assert report["kept"].tolist() == [True] * 9
    assert report["note"].tolist() == [""] * 9


@pytest.mark.parametrize("name", ["random", "k_center", "margin"])
def test_the_selectors_of_the_toolkit_keep_theirs(name):
    report = check_method("selectors", name).set_index("promise")
    draws = name == "random"
    assert report["kept"].tolist() == [True] * 5 + [None if draws else True] + [True] * 3
    said = "Not checked: the method draws (two seeds give different answers)."
    assert report.loc[PERMUTED, "note"] == (said if draws else "")


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (lambda pool, k: np.zeros(k, dtype=int), "it returned 0 more than once"),
        (
            lambda pool, k: 55 + np.arange(k),
            "it returned 60, 61, 62, 63, 64, and row numbers go from 0 to 59",
        ),
        (
            lambda pool, k: free(pool)[: k - 1],
            "must return 'rows' as an array of shape (10,). Got shape (9,) instead.",
        ),
        (
            lambda pool, k: free(pool)[:k].astype(float),
            "must return 'rows' as whole numbers (an integer dtype). Got dtype float64 instead.",
        ),
        (lambda pool, k: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_an_answer_against_the_contract(rows, note):
    def method(pool, k, *, rng):
        return rows(pool, k)

    found = broken("selectors", method)
    assert list(found) == [RETURNS]
    assert found[RETURNS].endswith(note)


def test_the_whole_error():
    def lazy(pool, k, *, rng):
        return np.arange(k)

    with pytest.raises(ValueError, match="lazy") as error:
        check_method("selectors", lazy)
    assert str(error.value) == (
        "The method 'lazy' of the stage 'selectors' breaks 2 promises:\n"
        "- follows a permutation of the pool: With the rows in another order 'rows' changes. The "
        "order of rows must not matter: look at the vectors, and break ties with rng.\n"
        "- leaves chosen rows alone: it returned 0, which pool.chosen holds already\n"
        "Contract: A selector gets (pool, k, *, rng) and returns k distinct row numbers, best "
        "first."
    )


def test_draws_that_no_seed_reaches():
    def legacy(pool, k, *, rng):
        return np.random.permutation(free(pool))[:k]  # noqa: NPY002

    def stdlib(pool, k, *, rng):
        return np.array(random.sample(free(pool).tolist(), k))

    def fresh(pool, k, *, rng):
        return np.random.default_rng().permutation(free(pool))[:k]

    assert list(broken("selectors", legacy)) == [SAME, OWN]
    assert broken("selectors", stdlib)[OWN] == (
        "It drew from np.random or random, which no seed reaches. Draw from rng."
    )
    assert broken("selectors", fresh) == {
        SAME: "Two runs with the same generator differ. Draw everything from rng, and pass "
        "random_state=int(rng.integers(2**31)) to what asks for a seed."
    }


def test_a_selector_that_writes_into_the_pool():
    def writes(pool, k, *, rng):
        pool.embedding.vectors[0] = 0
        return good(pool, k, rng=rng)

    def hidden(pool, k, *, rng):
        pool.data.iloc[0] = "changed"
        return good(pool, k, rng=rng)

    assert broken("selectors", writes)[UNTOUCHED] == (
        "It tried to write into its input. Work on a copy: x = array.copy()."
    )
    assert broken("selectors", hidden)[UNTOUCHED] == "It changed data. Work on a copy."


def test_a_need_that_is_not_declared():
    def by_labels(pool, k, *, rng):
        rows = free(pool)
        is_other = pool.labels[rows] != "a"
        return rows[np.lexsort((-pool.embedding.vectors[rows, 0], is_other))][:k]

    said = broken("selectors", by_labels)
    assert list(said) == [FRANK]
    assert said[FRANK] == (
        "On a pool with nothing but what `needs` names it says: 'NoneType' object is not "
        'subscriptable. Name what it needs, such as needs = ("labels",), or do without.'
    )

    def by_hand(pool, k, *, rng):
        if pool.labels is None:
            raise ValueError("It goes by labels, and the pool has none.")
        return by_labels(pool, k, rng=rng)

    assert check_method("selectors", by_hand)["kept"].tolist() == [True] * 9

    def by_chance_of_words(pool, k, *, rng):
        if pool.labels is None:
            raise ValueError("This solver needs samples of at least 2 classes in the data.")
        return by_labels(pool, k, rng=rng)

    assert list(broken("selectors", by_chance_of_words)) == [FRANK]
    by_labels.needs = ("labels",)
    assert check_method("selectors", by_labels)["kept"].tolist() == [True] * 9


def test_edges_of_k():
    def not_one(pool, k, *, rng):
        return good(pool, k, rng=rng) if k > 1 else np.array([], dtype=int)

    def not_all(pool, k, *, rng):
        return good(pool, min(k, 50), rng=rng)

    assert list(broken("selectors", not_one)) == ["works for k = 1", CHOSEN]
    assert list(broken("selectors", not_all)) == ["works for k = n"]


def test_on_a_pool_of_ones_own():
    pool = Pool(embedding=np.random.default_rng(0).normal(size=(20, 3)), chosen=[0, 1])
    assert check_method("selectors", good, pool=pool)["kept"].tolist() == [True] * 9
    said = "The method 'margin' needs 'labels or proba', and the pool has none."
    assert broken("selectors", "margin", pool=pool)[RETURNS].startswith(said)


def test_proba_is_made_where_it_is_needed():
    pool = Pool(embedding=np.random.default_rng(0).normal(size=(20, 3)), labels=list("ab") * 10)
    assert check_method("selectors", "margin", pool=pool)["kept"].tolist() == [True] * 9


# ---- other stages --------------------------------------------------------------------------------


def test_a_finder_that_looks_at_the_order_of_rows():
    def by_position(pool, *, rng):
        return np.arange(len(pool), dtype=float)

    assert list(broken("outliers", by_position)) == [PERMUTED]


def test_a_finder_that_returns_nan():
    def nan(pool, *, rng):
        return np.full(len(pool), np.nan)

    assert broken("outliers", nan)[RETURNS].endswith(
        "Got nan, nan, nan and 57 more in rows 0, 1, 2, 3, 4 and 55 more instead."
    )


def test_clusters_may_be_numbered_anew_but_not_dealt_anew():
    def blobs(pool, *, rng):
        nearest = np.argmax(pool.embedding.vectors[:, :3], axis=1)
        first = {kind: at for at, kind in enumerate(dict.fromkeys(nearest))}
        return np.array([first[kind] for kind in nearest]), np.ones(len(pool))

    def by_turns(pool, *, rng):
        return np.arange(len(pool)) % 3, np.ones(len(pool))

    assert check_method("clusters", blobs)["kept"].tolist() == [True] * 6
    assert list(broken("clusters", by_turns)) == [PERMUTED]


def test_a_map_may_be_turned_but_not_shuffled():
    def mirrored(pool, n_components, *, rng):
        x = pool.embedding.vectors[:, :n_components]
        return x * np.sign(x[0])

    def dealt(pool, n_components, *, rng):
        return np.random.default_rng(0).normal(size=(len(pool), n_components))

    assert check_method("maps", mirrored)["kept"].tolist() == [True] * 6
    assert list(broken("maps", dealt)) == [PERMUTED]


def test_pairs_of_duplicates_are_compared_by_row():
    def close(pool, threshold, *, rng):
        cosine = pool.embedding.points @ pool.embedding.points.T
        a, b = np.nonzero(np.triu(cosine >= threshold, 1))
        return np.c_[a, b], cosine[a, b]

    def first_two(pool, threshold, *, rng):
        return np.array([[0, 1]]), np.array([0.95])

    assert check_method("duplicates", close)["kept"].tolist() == [True] * 6
    assert list(broken("duplicates", first_two)) == [PERMUTED]


def test_a_stage_that_has_no_methods():
    with pytest.raises(ValueError, match="stage") as error:
        check_method("encoders", good)
    assert str(error.value).endswith("Got 'encoders' instead. For encoders there is check_encoder.")


def test_a_class_is_no_method():
    class Mine:
        pass

    with pytest.raises(TypeError, match="Add parentheses"):
        check_method("selectors", Mine)


# ---- encoders ------------------------------------------------------------------------------------

TEXTS = ["one", "two words", "three words here", "and then there were four"]


def counts(batch):
    return np.array([[len(text), text.count(" ")] for text in batch], dtype=np.float32)


@dataclass(frozen=True)
class Vocabulary:
    """Counts of the words that the fit has seen."""

    takes: ClassVar[str] = "text"
    words: tuple | None = field(default=None, repr=False)

    def fit(self, data, *, rng):
        return replace(self, words=tuple(sorted({w for text in data for w in text.split()})))

    def encode(self, batch):
        return np.array([[t.split().count(w) for w in self.words] for t in batch], np.float32)


def broken_encoder(encoder, data=TEXTS):
    with pytest.raises(ValueError, match="breaks") as error:
        check_encoder(encoder, data)
    lines = str(error.value).splitlines()[1:-1]
    return dict(line.removeprefix("- ").split(": ", 1) for line in lines)


def test_a_function_and_an_encoder_that_learns():
    report = check_encoder(counts, pd.Series(TEXTS, index=list("abcd")))
    assert report["kept"].tolist() == [None, None, True, True, True, True]
    report = check_encoder(Vocabulary(), TEXTS)
    assert report["promise"].tolist() == [
        "says what it takes",
        "fit returns a new, fitted encoder",
        "returns one row an item",
        "returns finite float32",
        "gives the same answer twice",
        "does not depend on the batch",
    ]
    assert report["kept"].tolist() == [True] * 6
    fitted = Vocabulary().fit(TEXTS, rng=None)
    assert check_encoder(fitted, TEXTS)["kept"].tolist() == [True, None, True, True, True, True]


@pytest.mark.parametrize(
    ("function", "promise", "note"),
    [
        (
            lambda batch: np.zeros((len(batch) + 1, 2), np.float32),
            "returns one row an item",
            "The shape must be (4, d) for 4 items. Got (5, 2).",
        ),
        (
            lambda batch: np.full((len(batch), 2), np.nan, np.float32),
            "returns finite float32",
            "All numbers must be finite. Got others in rows 0, 1, 2, 3.",
        ),
        (
            lambda batch: np.array([["a", "b"]] * len(batch)),
            "returns finite float32",
            "It must return numbers. Got dtype <U1.",
        ),
        (
            lambda batch: np.random.default_rng().normal(size=(len(batch), 2)).astype("f4"),
            "gives the same answer twice",
            "It draws when it encodes. Draw in fit, from rng; switch dropout off.",
        ),
        (
            lambda batch: counts(batch) - counts(batch).mean(axis=0),
            "does not depend on the batch",
            "A batch encoded in parts differs from the whole. What depends on the other items "
            "(means, vocabularies, padding) belongs into fit, or behind a mask.",
        ),
    ],
)
def test_a_function_that_is_no_encoder(function, promise, note):
    assert broken_encoder(function)[promise] == note


def test_double_precision_is_a_remark():
    report = check_encoder(lambda batch: counts(batch).astype(float), TEXTS)
    said = report.set_index("promise").loc["returns finite float32"]
    assert said["kept"] is None
    assert said["note"] == "It returns float64, which embed turns into float32."


def test_a_fit_that_changes_the_encoder_itself():
    class Itself(Vocabulary):
        def fit(self, data, *, rng):
            object.__setattr__(self, "words", ("one",))
            return self

    assert broken_encoder(Itself()) == {
        "fit returns a new, fitted encoder": "It returned itself. dataclasses.replace(self, …) "
        "makes a copy that holds what was learned."
    }


def test_an_encoder_that_takes_something_unknown():
    @dataclass(frozen=True)
    class Odd:
        takes: ClassVar[str] = "smell"

        def encode(self, batch):
            return counts(batch)

    assert "says what it takes" in broken_encoder(Odd())


def test_too_few_items():
    with pytest.raises(ValueError, match="data") as error:
        check_encoder(counts, ["a", "b"])
    assert str(error.value) == "The 'data' parameter must be 4 items or more. Got 2 instead."
