import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from curalab import Embedding, Pool, samples
from curalab.pseudo_labels import LowShotProbe, Propagation, PseudoLabels, pseudo_label
from curalab.pseudo_labels._balance import balance_of, calmed, rows_to_one, sinkhorn


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    return Embedding(vectors=pixels, ids=table.index), table["label"]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def hide(labels, per_class, seed=0):
    kept = labels.groupby(labels).sample(per_class, random_state=seed).index
    return labels.where(labels.index.isin(kept), None)


@pytest.mark.parametrize("method", [Propagation(), LowShotProbe()])
def test_hidden_labels_come_back(digits, method):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 10), method=method, random_state=0)
    new = ~soft.given
    assert (soft.labels[new] == truth.to_numpy()[new]).mean() > 0.87
    assert (soft.labels[soft.given] == truth.to_numpy()[soft.given]).all()
    assert (soft.confidence[soft.given] == 1).all()
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("per_class", [1, 5])
def test_propagation_beats_the_probe_where_labels_are_few(digits, per_class):
    emb, truth = digits
    accuracy = {}
    for method in ("propagation", "low_shot_probe"):
        right = []
        for seed in range(3):
            soft = pseudo_label(emb, hide(truth, per_class, seed), method=method, random_state=0)
            right.append((soft.labels == truth)[~soft.given].mean())
        accuracy[method] = np.mean(right)
    assert accuracy["propagation"] > accuracy["low_shot_probe"] + 0.05


def test_confidence_is_about_the_share_that_is_right(digits):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 20), random_state=0)
    new = ~soft.given
    right = (soft.labels == truth.to_numpy())[new].mean()
    assert abs(soft.confidence[new].mean() - right) < 0.05


def spread_by_hand(emb, labels, *, k, alpha, power, balance):
    """Zhou et al. on the graph of Iscen et al., with dense matrices."""
    near = emb.neighbors(k)
    one_way = np.zeros((len(emb), len(emb)))
    np.put_along_axis(one_way, near.indices, near.similarity.clip(0) ** power, axis=1)
    graph = one_way + one_way.T
    root = 1 / np.sqrt(graph.sum(axis=1))
    given = np.array([[label == c for c in ("a", "b")] for label in labels], dtype=float)
    solved = np.linalg.solve(np.eye(len(emb)) - alpha * root[:, None] * graph * root, given)
    solved /= solved.sum(axis=1, keepdims=True)
    for _ in range(200 if balance else 0):
        solved *= given[given.any(axis=1)].mean(axis=0) / solved.mean(axis=0)
        solved /= solved.sum(axis=1, keepdims=True)
    return solved


@pytest.fixture(scope="module")
def two_moons():
    """Two half circles that no line parts, a label at one end of each."""
    turn = np.linspace(0, np.pi, 50)
    upper = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    lower = np.stack([1 - np.cos(turn), 0.5 - np.sin(turn)], axis=1)
    labels = np.full(100, None, dtype=object)
    labels[0], labels[50] = "a", "b"
    return Embedding(vectors=np.concatenate([upper, lower]), metric="euclidean"), labels


@pytest.mark.parametrize("alpha", [0.5, 0.95])
@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_spreading_is_the_papers(alpha, balance):
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(30, 3)) + 1)
    labels = ["a", "a", "b"] + [None] * 27
    options = {"k": 4, "alpha": alpha, "power": 2, "balance": balance}
    soft = pseudo_label(emb, labels, method=Propagation(probe=False, **options))
    np.testing.assert_allclose(soft.proba, spread_by_hand(emb, labels, **options), atol=0.01)


def test_the_probe_joins_as_an_independent_witness():
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(30, 3)) + 1)
    labels = ["a", "a", "b"] + [None] * 27
    graph = pseudo_label(emb, labels, method=Propagation(probe=False)).proba
    probe = pseudo_label(emb, labels, method="low_shot_probe").proba
    both = graph * probe / [2 / 3, 1 / 3]
    wanted = both / both.sum(axis=1, keepdims=True)
    once = pseudo_label(emb, labels, method=Propagation(rounds=0, balance=0.0))
    np.testing.assert_allclose(once.proba, wanted, atol=1e-6)


def test_head_and_graph_teach_each_other(digits):
    emb, truth = digits
    emb = Embedding(vectors=emb.vectors, ids=emb.ids, metric="euclidean")
    right = {}
    for rounds in (0, 3):
        method = Propagation(rounds=rounds)
        soft = [pseudo_label(emb, hide(truth, 3, s), method=method) for s in range(3)]
        right[rounds] = np.mean([(each.labels == truth)[~each.given].mean() for each in soft])
        assert all(each.details["balance"] > 0.5 for each in soft)
    assert right[3] > right[0] + 0.01


def test_classes_of_unequal_size_are_not_made_equal(digits):
    emb, truth = digits
    kept = np.concatenate(
        [truth.index[truth == c][: 178 // (rank + 1)] for rank, c in enumerate(truth.unique())]
    )
    few, truth = emb.take(kept), truth[kept]
    labels = hide(truth, 5)
    accuracy = {}
    for name, method in {
        "default": "propagation",
        "forced": Propagation(balance=1.0),
        "probe": "low_shot_probe",
    }.items():
        soft = pseudo_label(few, labels, method=method)
        accuracy[name] = (soft.labels == truth)[~soft.given].mean()
    soft = pseudo_label(few, labels)
    assert soft.details["balance"] == 0
    told = soft.predict(few)["pseudo_label"].to_numpy()  # by the sizes found here
    assert (told == soft.labels)[~soft.given].mean() > 0.97
    assert accuracy["default"] > accuracy["probe"] > accuracy["forced"]


def test_sinkhorn_gives_classes_their_shares():
    proba = np.random.default_rng(0).dirichlet([1, 2, 3], size=50)
    share = np.array([0.5, 0.3, 0.2])
    even, factor = sinkhorn(proba, share)
    np.testing.assert_allclose(even.mean(axis=0), share, atol=1e-3)
    np.testing.assert_allclose(rows_to_one(proba * factor), even)
    half, _ = sinkhorn(proba, share, strength=0.5)
    gap = [np.abs(p.mean(axis=0) - share).sum() for p in (proba, half, even)]
    assert gap[0] > gap[1] > gap[2]
    np.testing.assert_array_equal(sinkhorn(proba, share, strength=0)[0], rows_to_one(proba))


def test_balance_is_let_go_where_it_cuts_through_a_group():
    rng = np.random.default_rng(0)
    near = np.array(
        [rng.choice(np.flatnonzero(np.arange(60) // 10 == i // 10), 5) for i in range(60)]
    )
    split = np.where(np.arange(60)[:, None] < 30, [0.9, 0.1], [0.2, 0.8])
    first = np.where(np.arange(60) < 50, rng.uniform(0.52, 0.98, 60), 0.1)
    uneven = np.stack([first, 1 - first], axis=1)
    half = np.array([0.5, 0.5])
    assert balance_of(split, half, near) == 1
    assert balance_of(uneven, half, near) == 0


def test_confidence_is_taken_halfway_back():
    before = np.tile([0.6, 0.4], (10, 1))
    exponent = calmed(np.tile([0.9, 0.1], (10, 1)), before)
    flat = rows_to_one(np.array([[0.9, 0.1]]) ** exponent)
    assert flat[0, 0] == pytest.approx(0.75, abs=0.01)
    assert calmed(before, np.tile([0.9, 0.1], (10, 1))) == 1


def test_labels_follow_the_shape_of_the_data(two_moons):
    emb, labels = two_moons
    soft = pseudo_label(emb, labels, method=Propagation(k=4, probe=False))
    assert soft.labels.tolist() == ["a"] * 50 + ["b"] * 50
    straight = pseudo_label(emb, labels, method="low_shot_probe")
    assert (straight.labels != soft.labels).sum() > 10


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_probe_is_scikit_learns(metric):
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 10)
    emb = Embedding(vectors=rng.normal(size=(30, 6)) + 3 * np.eye(6)[codes], metric=metric)
    labels = np.where(np.arange(30) % 2 == 0, np.array(["a", "b", "c"], dtype=object)[codes], None)
    scale = 1 if metric == "cosine" else np.sqrt(emb.points.var(axis=0).sum())
    known = np.arange(0, 30, 2)
    plain = LogisticRegression(C=10, tol=1e-8, max_iter=10_000)
    plain.fit(emb.points[known] / scale, labels[known])
    soft = pseudo_label(emb, labels, method="low_shot_probe")
    np.testing.assert_allclose(soft.proba, plain.predict_proba(emb.points / scale), atol=0.01)


def test_new_rows_at_old_places_are_labelled_alike(two_moons):
    emb, labels = two_moons
    soft = pseudo_label(emb, labels, method=Propagation(k=4, probe=False))
    told = soft.predict(emb.vectors + 1e-3)
    assert (told["pseudo_label"] == soft.labels).all()
    assert message(ValueError, soft.predict, np.eye(3)) == (
        "The 'new' parameter must be of 2 dimensions, as the embedding is. Got 3 instead."
    )


def test_a_class_that_nobody_was_given_is_possible_but_unlikely():
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(12, 3)) + 1)
    pool = Pool(embedding=emb, labels=["a", "b"] + [None] * 10, classes=["a", "b", "c"])
    for method in ("propagation", "low_shot_probe"):
        soft = pseudo_label(pool, method=method)
        assert soft.proba.shape == (12, 3)
        assert soft.proba[:, 2].max() < 0.2
        assert not soft.is_new.any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 25), share=st.floats(0.1, 1))
def test_given_labels_stay_and_probabilities_are_probabilities(seed, n, share):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < share, rng.integers(0, 3, n).astype(object), None)
    labels[:2] = 0, 1
    soft = pseudo_label(rng.normal(size=(n, 2)), labels)
    assert soft.labels[soft.given].tolist() == [label for label in labels if label is not None]
    assert (soft.confidence[soft.given] == 1).all()
    assert (soft.proba >= 0).all()
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1)
    best = soft.proba.max(axis=1)[~soft.given]
    np.testing.assert_array_equal(soft.confidence[~soft.given], best)


def test_two_labels_on_a_line_by_hand():
    x = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    soft = pseudo_label(
        Embedding(vectors=x, metric="euclidean"),
        ["a", None, None, None, None, "b"],
        method=Propagation(k=2),
    )
    assert soft.labels.tolist() == ["a", "a", "a", "b", "b", "b"]
    assert soft.details["unreached"] == 0


def test_rows_that_no_label_reaches_get_the_shares_of_the_classes():
    x = np.concatenate([np.arange(4), np.arange(4) + 1e3, np.arange(4) + 1e6])[:, None]
    labels = ["a", None, None, "a", None, "b", None, None, None, None, None, None]
    emb = Embedding(vectors=x, metric="euclidean")
    soft = pseudo_label(emb, labels, method=Propagation(k=3))
    assert soft.details["unreached"] == 4
    np.testing.assert_allclose(soft.proba[-1], [2 / 3, 1 / 3], atol=1e-6)
    assert soft.labels[4] == "b"


@pytest.mark.parametrize("method", ["propagation", "low_shot_probe"])
def test_new_rows_are_labelled(digits, method):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 20), method=method, random_state=0)
    told = soft.predict(Embedding(vectors=emb.vectors[:200], ids=emb.ids[:200]))
    assert (told["pseudo_label"] == truth.iloc[:200]).mean() > 0.85
    assert told["pseudo_confidence"].between(0, 1).all()


def test_discovered_classes_come_last_and_are_new():
    x = np.random.default_rng(0).normal(size=(6, 2))

    def finds_another(pool, *, rng):
        proba = np.zeros((6, 3))
        proba[:3, 0], proba[3:, 2] = 1, 1
        return proba

    soft = pseudo_label(x, ["a", "b", None, None, None, None], method=finds_another)
    assert soft.classes.tolist() == ["a", "b", "new_0"]
    assert soft.labels.tolist() == ["a", "b", "a", "new_0", "new_0", "new_0"]
    assert soft.is_new.tolist() == [False, False, False, True, True, True]


def test_frame_and_disk(digits, tmp_path):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 3), random_state=0)
    frame = soft.to_frame()
    assert frame.columns.tolist() == [
        "pseudo_label",
        "pseudo_confidence",
        "pseudo_given",
        "pseudo_is_new",
    ]
    soft.save(tmp_path / "soft")
    opened = PseudoLabels.open(tmp_path / "soft")
    pd.testing.assert_frame_equal(opened.to_frame(), frame)
    np.testing.assert_array_equal(opened.proba, soft.proba)


def test_all_labelled_leaves_nothing_to_propose(digits):
    emb, truth = digits
    soft = pseudo_label(emb, truth, random_state=0)
    assert soft.given.all()
    assert (soft.labels == truth).all()


@pytest.mark.parametrize(
    ("labels", "got"),
    [(None, "no label"), ([None] * 4, "no label"), (["a", None, None, "a"], "labels of 1 class")],
)
def test_too_few_classes(labels, got):
    assert message(ValueError, pseudo_label, np.eye(4), labels) == (
        f"The 'labels' parameter must be of at least 2 classes. Got {got} instead."
    )


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (Propagation(k=0), "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            Propagation(alpha=1),
            "The 'alpha' parameter must be a number from 0 to 0.999. Got 1 instead.",
        ),
        (
            Propagation(power=-1),
            "The 'power' parameter must be a number from 0 to 100. Got -1 instead.",
        ),
        (
            Propagation(rounds=-1),
            "The 'rounds' parameter must be an integer of 0 or more. Got -1 instead.",
        ),
        (
            Propagation(balance=2),
            "The 'balance' parameter must be a number from 0 to 1. Got 2 instead.",
        ),
        (
            LowShotProbe(C=0),
            "The 'C' parameter must be a number from 1e-06 to 1e+06. Got 0 instead.",
        ),
    ],
)
def test_refused_settings(method, told):
    assert message(ValueError, pseudo_label, np.eye(3), ["a", "b", None], method=method) == told


def test_rows_must_sum_to_one():
    with pytest.raises(ValueError, match="rows that sum to 1. Got sums from 0.5 to 0.5 instead"):
        pseudo_label(np.eye(2), ["a", "b"], method=lambda pool, *, rng: np.full((2, 2), 0.25))
