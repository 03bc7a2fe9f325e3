"""Prototypes that move, by hand and where the plain probe cannot; links that are kept."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from curalab import Embedding, Pool, samples
from curalab.pseudo_labels import Transductive, pseudo_label
from curalab.pseudo_labels._held import Held


@pytest.fixture(scope="module")
def groups():
    """Four round groups; the one labelled row of each lies at its border."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 50)
    middle = 4 * np.eye(4)[np.repeat(np.arange(4), 50)]
    x = middle + rng.normal(size=(200, 4))
    labels = np.full(200, None, dtype=object)
    for c in "abcd":
        rows = np.flatnonzero(truth == c)
        edge = rows[np.square(x[rows] - middle[rows]).sum(axis=1).argmax()]
        labels[edge] = c
    return Embedding(vectors=x, metric="euclidean"), labels, truth


def accuracy(emb, labels, truth, method):
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    return (soft.labels == truth)[~soft.given].mean()


def test_labels_at_the_border_are_enough(groups):
    assert accuracy(*groups, Transductive()) > 0.97
    assert accuracy(*groups, "low_shot_probe") < 0.95


def test_without_neighbours_it_is_seeded_k_means(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method=Transductive(smooth=0, balance=0.0, sharpness=1e4))
    codes = np.searchsorted(list("abcd"), soft.labels.astype(str))
    means = np.stack([emb.vectors[codes == c].mean(axis=0) for c in range(4)])
    far = np.square(emb.vectors[:, None] - means).sum(axis=2)
    moved = far.argmin(axis=1) != codes
    assert not moved[~soft.given].any()


def test_balance_holds_classes_to_their_shares(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method=Transductive(balance=1.0))
    np.testing.assert_allclose(soft.proba.mean(axis=0), 0.25, atol=0.01)
    assert soft.details["balance"] == 1


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    emb = Embedding(vectors=np.stack([i.ravel() for i in table["image"]]).astype(float))
    return emb, table["label"]


def gained(digits, per_class, first, second):
    emb, truth = digits
    gains = []
    for seed in range(3):
        kept = truth.groupby(truth).sample(per_class, random_state=seed).index
        labels = np.where(truth.index.isin(kept), truth, None)
        both = [accuracy(emb, labels, truth.to_numpy(), m) for m in (first, second)]
        gains.append(both[0] - both[1])
    return gains


def test_one_label_a_class_beats_the_probe(digits):
    gains = gained(digits, 1, Transductive(), "low_shot_probe")
    assert np.mean(gains) > 0.08
    assert min(gains) > 0


def test_neighbours_help_where_classes_are_not_round(digits):
    assert min(gained(digits, 10, Transductive(), Transductive(smooth=0.0))) > 0.03


def test_new_rows_are_labelled_alike(groups):
    emb, labels, _ = groups
    soft = pseudo_label(emb, labels, method="transductive")
    told = soft.predict(emb.vectors)["pseudo_label"].to_numpy()
    assert (told == soft.labels)[~soft.given].mean() > 0.98


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"k": 0}, "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"smooth": -1},
            "The 'smooth' parameter must be a number from 0 to 1e+06. Got -1 instead.",
        ),
        (
            {"sharpness": -1},
            "The 'sharpness' parameter must be a number from 0 to 1e+06. Got -1 instead.",
        ),
        (
            {"balance": 1.5},
            "The 'balance' parameter must be a number from 0 to 1. Got 1.5 instead.",
        ),
    ],
)
def test_refused_settings(settings, told):
    with pytest.raises(ValueError) as caught:
        pseudo_label(np.eye(3), ["a", "b", None], method=Transductive(**settings))
    assert str(caught.value) == told


def test_a_class_without_labels_gets_no_row(groups):
    emb, labels, _ = groups
    plain = pseudo_label(emb, labels, method="transductive")
    pool = Pool(embedding=emb, labels=labels, classes=list("abcde"))
    soft = pseudo_label(pool, method="transductive")
    np.testing.assert_allclose(soft.proba[:, :4], plain.proba, atol=1e-6)
    assert not soft.proba[:, 4].any()
    told = soft.predict(emb.vectors)["pseudo_label"]
    assert told.tolist() == plain.predict(emb.vectors)["pseudo_label"].tolist()


def test_links_may_call_for_classes_without_labels(groups):
    emb, labels, _ = groups
    of = {label: at for at, label in enumerate(labels) if label is not None}
    row = next(at for at, label in enumerate(labels) if label is None)
    pool = Pool(embedding=emb, labels=labels, classes=list("abcdef"))
    cannot = [(row, at) for at in of.values()]
    soft = pseudo_label(pool, method=Transductive(cannot_link=cannot))
    np.testing.assert_allclose(soft.proba[row], [0, 0, 0, 0, 0.5, 0.5])


@pytest.mark.parametrize(("factor", "shift"), [(1, 1e5), (1, -1e6), (1e17, 0), (1e-17, 0)])
def test_where_the_origin_is_and_the_unit_do_not_matter(groups, factor, shift):
    emb, labels, _ = groups
    x = emb.vectors.astype(float)
    moved = Embedding(vectors=factor * x + shift, metric="euclidean")
    plain = pseudo_label(emb, labels, method=Transductive(smooth=0.0))
    soft = pseudo_label(moved, labels, method=Transductive(smooth=0.0))
    assert (soft.labels == plain.labels).mean() > 0.98
    np.testing.assert_allclose(soft.confidence.mean(), plain.confidence.mean(), atol=0.01)
    told = soft.predict(moved.vectors)["pseudo_label"].to_numpy()
    assert (told == soft.labels)[~soft.given].mean() > 0.98


# ---- links ---------------------------------------------------------------------------------------


def broken(soft, must=(), cannot=()):
    """How many links the labels break."""
    of = dict(zip(soft.ids, soft.labels, strict=True))
    apart = sum(of[one] != of[other] for one, other in must)
    return apart + sum(of[one] == of[other] for one, other in cannot)


def holds(soft, labels):
    """Check what holds whatever the links are."""
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-9)
    assert soft.proba.min() >= 0
    known = np.array([label is not None for label in labels])
    assert soft.labels[known].tolist() == np.asarray(labels, dtype=object)[known].tolist()
    best = soft.classes[soft.proba.argmax(axis=1)]
    assert (soft.labels == best).all()


def one_label_a_class(truth, seed):
    kept = truth.groupby(truth).sample(1, random_state=seed).index
    return np.where(truth.index.isin(kept), truth, None)


def true_links(truth, labels, n_must, n_cannot, seed):
    """Pairs of rows without labels."""
    rng, must, cannot = np.random.default_rng(seed), [], []
    truth = np.asarray(truth)
    free = np.flatnonzero([label is None for label in labels])
    while len(must) < n_must or len(cannot) < n_cannot:
        one, other = (int(row) for row in rng.choice(free, 2, replace=False))
        same = truth[one] == truth[other]
        if same and len(must) < n_must:
            must.append((one, other))
        elif not same and len(cannot) < n_cannot:
            cannot.append((one, other))
    return must, cannot


def test_true_must_links_make_the_other_rows_better(digits):
    emb, truth = digits
    gains = []
    for seed in range(10):
        labels = one_label_a_class(truth, seed)
        must, _ = true_links(truth, labels, 200, 0, seed)
        others = np.array([label is None for label in labels])
        others[np.ravel(must)] = False
        right = [
            (pseudo_label(emb, labels, method=method).labels == truth)[others].mean()
            for method in (Transductive(must_link=must), Transductive())
        ]
        gains.append(right[0] - right[1])
    assert np.median(gains) > 0.01  # a draw may lose: a link to a row that is wrong misleads
    assert np.mean(gains) > 0.02


def test_what_is_returned_keeps_every_link(digits):
    emb, truth = digits
    labels = one_label_a_class(truth, 0)
    must, cannot = true_links(truth, labels, 200, 200, 0)
    free = pseudo_label(emb, labels, method="transductive")
    assert broken(free, must) > 10
    assert broken(free, cannot=cannot) > 3
    assert "violated" not in free.details
    soft = pseudo_label(emb, labels, method=Transductive(must_link=must, cannot_link=cannot))
    assert broken(soft, must, cannot) == soft.details["violated"] == 0
    for one, other in must:
        assert (soft.proba[one] == soft.proba[other]).all()
    holds(soft, labels)
    told = soft.predict(emb.vectors)["pseudo_label"].to_numpy()
    assert (told == soft.labels).mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(
    of=st.lists(st.integers(0, 3), min_size=4, max_size=14),
    by_cannot=st.booleans(),
    seed=st.integers(0, 99),
    balance=st.sampled_from([None, 0.0, 1.0]),
)
def test_links_of_any_partition_are_kept(groups, of, by_cannot, seed, balance):
    """Wherever its rows lie, and where all is said by cannot-links alone."""
    emb, labels, _ = groups
    free = np.flatnonzero([label is None for label in labels])
    rows = np.random.default_rng(seed).choice(free, len(of), replace=False).tolist()
    must, cannot = [], []
    for one, other in combinations(range(len(of)), 2):
        (must if of[one] == of[other] else cannot).append((rows[one], rows[other]))
    must = [] if by_cannot else must
    assume(must or cannot)
    method = Transductive(balance=balance, must_link=must, cannot_link=cannot)
    soft = pseudo_label(emb, labels, method=method)
    assert broken(soft, must, cannot) == soft.details["violated"] == 0
    holds(soft, labels)


def test_links_at_labelled_rows_are_hard(groups):
    emb, labels, truth = groups
    given_ = {label: at for at, label in enumerate(labels) if label is not None}
    a, b, c, d = (given_[label] for label in "abcd")
    rows = [int(row) for row in np.flatnonzero(truth == "a") if row != a][:5]
    must = [(rows[0], rows[1]), (rows[1], b)]
    cannot = [(rows[2], a), (a, rows[3]), (b, rows[3]), (d, rows[3]), (rows[3], c + 1)]
    soft = pseudo_label(emb, labels, method=Transductive(must_link=must, cannot_link=cannot))
    assert soft.proba[rows[:2], 1].tolist() == [1, 1]
    assert not soft.given[rows[:2]].any()
    assert soft.proba[rows[2], 0] == 0
    assert soft.proba[rows[3]].tolist() == [0, 0, 1, 0]  # the one class that is left
    assert soft.proba[c + 1, 2] == 0  # which is then taken
    assert soft.labels[rows[4]] == "a"
    holds(soft, labels)


def test_a_link_moves_the_rows_around():
    """A group between two goes to the nearer one, until two of its rows may not."""
    rng = np.random.default_rng(0)
    x = np.repeat([[0.0, 0], [5.5, 0], [11, 0]], 40, axis=0) + rng.normal(size=(120, 2))
    labels = np.full(120, None, dtype=object)
    labels[0], labels[80] = "a", "b"
    emb = Embedding(vectors=x, metric="euclidean")
    cannot = [(0, 40), (0, 41)]
    share = [
        (pseudo_label(emb, labels, method=method).labels[42:80] == "b").mean()
        for method in (Transductive(balance=0.0), Transductive(balance=0.0, cannot_link=cannot))
    ]
    assert share[0] < 0.1
    assert share[1] > 0.8


def test_a_pair_to_keep_apart_gets_its_exact_probabilities():
    chance = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.5, 0.2, 0.3]])
    none = np.zeros(0, dtype=int)
    held = Held(
        known=none,
        codes=none,
        rows=np.array([0, 2]),
        part=np.array([0, 1]),
        apart=csr_array(np.array([[0.0, 1], [1, 0]])),
        barred=np.zeros((2, 3), dtype=bool),
        has_links=True,
    )
    joint = np.outer(chance[0], chance[2]) * ~np.eye(3, dtype=bool)
    found = np.exp(held.linked(np.log(chance), np.ones(3)))
    found /= found.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[0], joint.sum(axis=1) / joint.sum())
    np.testing.assert_allclose(found[1], chance[1])
    np.testing.assert_allclose(found[2], joint.sum(axis=0) / joint.sum())


def test_the_less_sure_row_moves_to_its_next_class(groups):
    """Both are of "a" by their places; "b" is next for the one toward it."""
    emb, labels, _ = groups
    x = np.concatenate([emb.vectors, [[4, 0, 0, 0], [2.5, 1.2, 0, 0], [2.5, 1.2, 0, 0]]])
    labels = [*labels, None, None, None]
    emb = Embedding(vectors=x, metric="euclidean")
    before = pseudo_label(emb, labels, method="transductive")
    assert before.labels[200:].tolist() == ["a", "a", "a"]
    soft = pseudo_label(emb, labels, method=Transductive(cannot_link=[(200, 201)]))
    assert soft.labels[200:202].tolist() == ["a", "b"]
    alike = pseudo_label(emb, labels, method=Transductive(cannot_link=[(201, 202)]))
    assert sorted(alike.labels[201:]) == ["a", "b"]
    holds(alike, labels)


def test_links_said_twice_or_of_a_row_with_itself_add_nothing(groups):
    emb, labels, _ = groups
    must, cannot = [(5, 60)], [(70, 71)]
    once = pseudo_label(emb, labels, method=Transductive(must_link=must, cannot_link=cannot))
    again = Transductive(must_link=[*must, (60, 5), (5, 60)], cannot_link=[*cannot, (71, 70)])
    assert np.array_equal(once.proba, pseudo_label(emb, labels, method=again).proba)
    plain = pseudo_label(emb, labels, method=Transductive())
    assert not np.array_equal(once.proba, plain.proba)
    own = pseudo_label(emb, labels, method=Transductive(must_link=[(5, 5)]))
    np.testing.assert_allclose(own.proba, plain.proba, atol=1e-9)


def test_links_that_no_classes_can_keep_are_counted():
    """A ring of five rows and two classes: one link must give."""
    x = np.random.default_rng(0).normal(size=(7, 3))
    ring = [(2, 3), (3, 4), (4, 5), (5, 6), (6, 2)]
    labels = ["a", "b", *[None] * 5]
    soft = pseudo_label(x, labels, method=Transductive(cannot_link=ring))
    assert broken(soft, cannot=ring) == soft.details["violated"] == 1
    holds(soft, labels)


def test_two_and_three_rows_with_links():
    x = np.random.default_rng(0).normal(size=(3, 4))
    two = pseudo_label(x[:2], ["a", "b"], method=Transductive(cannot_link=[(0, 1)]))
    assert two.proba.tolist() == [[1, 0], [0, 1]]
    for at, label in enumerate("ab"):
        method = Transductive(must_link=[(at, 2)])
        assert pseudo_label(x, ["a", "b", None], method=method).labels[2] == label
        method = Transductive(cannot_link=[(1 - at, 2)])
        assert pseudo_label(x, ["a", "b", None], method=method).labels[2] == label


A, B = "'must_link' parameter must be", "'cannot_link' parameter must be"


@pytest.mark.parametrize(
    ("must", "cannot", "told"),
    [
        (
            [("r0", "r5"), ("r5", "r1")],
            [],
            f"The {A} groups of rows of one label. "
            "Got 'r0' labelled 'a' and 'r1' labelled 'b' instead.",
        ),
        (
            [("r2", "r5")],
            [("r5", "r0")],
            f"The {B} groups of rows of different labels. "
            "Got 'r0' labelled 'a' and 'r2' labelled 'a' instead.",
        ),
        (
            [("r5", "r6")],
            [("r6", "r5")],
            "The 'cannot_link' parameter must not part rows that 'must_link' joins. "
            "Got 'r6' and 'r5'.",
        ),
        (
            [],
            [("r5", "r5")],
            "The 'cannot_link' parameter must not part rows that 'must_link' joins. "
            "Got 'r5' and 'r5'.",
        ),
        (
            [],
            [("r5", "r0"), ("r5", "r1"), ("r3", "r5")],
            f"The {B} rows that 3 classes are enough to keep apart. "
            "Got 'r5', with 0 classes left for them instead.",
        ),
        (
            [],
            [("r4", "r5"), ("r4", "r6"), ("r5", "r6", "r7"), ("r7", "r4")],
            f"The {B} rows that 3 classes are enough to keep apart. "
            "Got 'r4', 'r5', 'r6', 'r7', with 3 classes left for them instead.",
        ),
        (
            [],
            [("r4", "r5", "r6"), ("r0", "r4"), ("r0", "r5"), ("r2", "r6")],
            f"The {B} rows that 3 classes are enough to keep apart. "
            "Got 'r4', 'r5', 'r6', with 2 classes left for them instead.",
        ),
        (
            [("r5", "nobody")],
            [],
            f"The {A} made of ids of the embedding. Got ['nobody'] instead.",
        ),
        (
            [],
            [("r5",)],
            f"The {B} groups of two or more ids. Got ['r5'] instead.",
        ),
    ],
)
def test_links_that_contradict(must, cannot, told):
    emb = Embedding(
        vectors=np.random.default_rng(0).normal(size=(8, 3)), ids=[f"r{n}" for n in range(8)]
    )
    labels = ["a", "b", "a", "c", *[None] * 4]
    with pytest.raises(ValueError) as caught:
        pseudo_label(emb, labels, method=Transductive(must_link=must, cannot_link=cannot))
    assert str(caught.value) == told


def test_two_rows_that_contradict():
    with pytest.raises(ValueError) as caught:
        pseudo_label(np.eye(2), ["a", "b"], method=Transductive(must_link=[(0, 1)]))
    assert str(caught.value) == (
        "The 'must_link' parameter must be groups of rows of one label. "
        "Got 0 labelled 'a' and 1 labelled 'b' instead."
    )


def test_links_that_are_no_groups():
    with pytest.raises(TypeError, match="must be groups of two or more ids. Got 'r0' instead."):
        pseudo_label(np.eye(3), ["a", "b", None], method=Transductive(must_link=["r0"]))


def test_a_class_without_rows_can_be_the_one_left():
    pool = Pool(embedding=np.eye(4), labels=["a", "b", None, None], classes=list("abc"))
    soft = pseudo_label(pool, method=Transductive(cannot_link=[(0, 2), (1, 2)]))
    assert soft.proba[2].tolist() == [0, 0, 1]
    holds(soft, ["a", "b", None, None])
