import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from curalab import Embedding, Pool, samples
from curalab.heads import with_proba
from curalab.label_errors import TrustedPrototypes, find_label_errors
from curalab.label_errors.trusted_prototypes import _cosines, _means, _scaled

IDS = [f"r{i}" for i in range(90)]
TRUSTED = ["r0", "r1", "r30", "r31", "r60", "r61"]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def found(pool, seed=0, trusted=TRUSTED, **settings):
    method = TrustedPrototypes(trusted=trusted, **settings)
    return find_label_errors(pool, method=method, random_state=seed)


@pytest.fixture(scope="module")
def blobs():
    """Three classes of 30 rows; 20 of class a are called b, and two rows have no label."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 30)
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[5:25], labels[[40, 80]] = "b", None
    x = rng.normal(size=(90, 4)) + 6 * np.eye(4)[codes]
    return Pool(embedding=Embedding(vectors=x, ids=IDS, metric="euclidean"), labels=labels)


# ---- what it computes ----------------------------------------------------------------------------


def test_parts_by_hand():
    x = _scaled(np.array([[3.0, 9], [7, 9]]))
    assert x.tolist() == [[-1, 0], [1, 0]]
    assert not _scaled(np.ones((3, 2))).any()
    rows = np.array([[1.0, 0], [3, 0], [0, 8]], dtype=np.float32)
    chosen, other = np.array([True, True, False]), np.full((2, 2), 5, dtype=np.float32)
    assert _means(rows, np.array([0, 0, 1]), chosen, other).tolist() == [[2, 0], [5, 5]]
    assert np.allclose(_cosines(np.array([[2.0, 0], [0, 0]]), np.eye(2)), [[1, 0], [0, 0]])


def test_rows_keep_their_label_get_another_or_teach_nothing():
    proba = np.array([[0.6, 0.4], [0.4, 0.6], [0.05, 0.95], [0.97, 0.03], [1.0, 0.0]])
    trusted = np.array([False, False, False, False, True])
    told, teaches, is_near = TrustedPrototypes(trusted=[0])._told(
        proba, np.array([0, 0, 0, 0, 0]), trusted
    )
    assert told.tolist() == [0, 0, 1, 0, 0]
    assert teaches.tolist() == [True, False, True, True, True]
    assert is_near.tolist() == [False, False, False, True, False]


def test_two_thirds_of_a_class_mislabelled_alike_are_found(blobs):
    bad = found(blobs)
    assert np.flatnonzero(bad.is_error).tolist() == list(range(5, 25))
    assert (bad.suggested[5:25] == "a").all()
    assert np.isnan(bad.quality[[40, 80]]).all()
    assert np.isnan(bad.details["distance"][[40, 80]]).all()
    without = find_label_errors(blobs, method="confident_learning", random_state=0)
    assert without.is_error[5:25].sum() < 10


def test_trusted_rows_are_right_whatever_they_look_like(blobs):
    labels = np.array(blobs.labels, dtype=object)
    labels[31] = "c"
    bad = found(blobs.replace(labels=labels))
    assert bad.quality[31] == 1
    assert bad.suggested[31] == "c"
    assert not bad.details["is_foreign"][31]


def test_rows_of_no_class_are_foreign():
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], 60)
    x = rng.normal(size=(200, 16)) + 8 * np.eye(16)[np.append(codes, np.full(20, 9))]
    labels = np.array(["a", "b", "c"])[np.append(codes, rng.integers(3, size=20))]
    bad = found(
        Pool(embedding=Embedding(vectors=x, metric="euclidean"), labels=labels),
        trusted=[0, 1, 60, 61, 120, 121],
    )
    foreign = bad.details["is_foreign"]
    assert foreign[180:].all()
    assert foreign[:180].mean() < 0.05
    assert bad.details["distance"][foreign].min() > bad.details["cut"]["far"]


def test_a_few_trusted_rows_beat_what_labels_alone_can_say():
    table = samples.digits()
    x = np.stack([image.ravel() for image in table["image"]]).astype(float)
    kind = "class_conditional"
    planted = samples.plant_label_errors(table, kind=kind, share=0.5, random_state=0)
    truth, rng = planted.truth, np.random.default_rng(0)
    trusted = np.concatenate(
        [rng.permutation(np.flatnonzero(truth["label"] == c))[:5] for c in truth["label"].unique()]
    )
    labels = planted.items["label"].to_numpy(dtype=object, copy=True)
    labels[trusted] = truth["label"].to_numpy()[trusted]
    wrong = labels != truth["label"].to_numpy()
    free = np.delete(np.arange(len(x)), trusted)
    pool, _ = with_proba(Pool(embedding=Embedding(vectors=x), labels=labels), 0)
    score = {}
    method = TrustedPrototypes(trusted=trusted)
    for name in ("knn_agreement", "confident_learning", "consensus", method):
        bad = find_label_errors(pool, method=name, random_state=0)
        key = name if isinstance(name, str) else "ours"
        score[key] = average_precision_score(wrong[free], -bad.quality[free])
    best = max(value for key, value in score.items() if key != "ours")
    assert score["ours"] > best + 0.03, score


# ---- edges ---------------------------------------------------------------------------------------


def test_same_seed_same_answer(blobs):
    one, same = found(blobs), found(blobs)
    assert np.array_equal(one.quality, same.quality, equal_nan=True)


def test_rows_are_found_by_id_in_any_order(blobs):
    order = np.random.default_rng(3).permutation(90)
    x = blobs.embedding.vectors[order]
    emb = Embedding(vectors=x, ids=np.array(IDS)[order], metric="euclidean")
    bad = found(Pool(embedding=emb, labels=np.array(blobs.labels, dtype=object)[order]))
    assert sorted(order[bad.is_error].tolist()) == list(range(5, 25))


def test_constant_rows_and_a_class_without_rows():
    pool = Pool(embedding=np.ones((12, 3)), labels=["a", "b"] * 6, classes=["0", "a", "b"])
    bad = found(pool, trusted=[0, 1])
    assert np.allclose(np.delete(bad.quality, [0, 1]), 0.5)
    assert not bad.details["is_foreign"].any()


def test_a_single_trusted_row_a_class_and_one_dimension(blobs):
    assert found(blobs, trusted=["r0", "r30", "r60"]).is_error[5:25].mean() > 0.9
    line = Pool(
        embedding=Embedding(vectors=np.array([[0.0], [1], [9], [8], [0], [1]]), metric="euclidean"),
        labels=["a", "a", "b", "b", "a", "b"],
    )
    bad = found(line, trusted=[0, 2])
    assert bad.worst(1).tolist() == [5]


def test_trusted_ids_are_a_value_in_any_container():
    one, other = TrustedPrototypes(trusted=[3, 1]), TrustedPrototypes(trusted=np.array([3, 1]))
    assert one == other
    assert hash(one) == hash(other)
    assert one.trusted == (3, 1)


def test_its_name_alone_says_what_it_must_be_told(blobs):
    assert message(TypeError, find_label_errors, blobs, method="trusted_prototypes") == (
        "The 'method' parameter must be a method with its settings. Got 'trusted_prototypes' "
        "instead. Pass TrustedPrototypes(trusted=…)."
    )


@pytest.mark.parametrize("trusted", ["r0", 7])
def test_one_id_is_no_sequence_of_ids(trusted):
    assert message(TypeError, TrustedPrototypes, trusted=trusted) == (
        f"The 'trusted' parameter must be a sequence of ids. Got {trusted!r} instead."
    )


@pytest.mark.parametrize(
    ("trusted", "error", "text"),
    [
        (
            ["r0", "r30"],
            ValueError,
            "The 'trusted' parameter must be ids of rows of every class. Got none of 'c' instead. "
            "Certify a row of each, or drop their rows.",
        ),
        (
            [*TRUSTED, "r40"],
            ValueError,
            "The 'trusted' parameter must be ids of rows with a label. Got none in 1 rows "
            "(ids 'r40') instead.",
        ),
        (
            ["r0", "x"],
            KeyError,
            "\"The 'trusted' parameter must be ids of the items. Got unknown ids 'x' instead.\"",
        ),
    ],
)
def test_trusted_rows_that_cannot_be_used(blobs, trusted, error, text):
    assert message(error, found, blobs, trusted=trusted) == text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_components": 0}, "'n_components' parameter must be an integer of 1 or more. Got 0"),
        ({"n_rounds": 0}, "'n_rounds' parameter must be an integer of 1 or more. Got 0"),
        ({"n_steps": 0}, "'n_steps' parameter must be an integer of 1 or more. Got 0"),
        ({"temperature": 0}, "'temperature' parameter must be a number from 0.01 to 10. Got 0"),
        ({"keep": 2}, "'keep' parameter must be a number from 0 to 1. Got 2"),
    ],
)
def test_settings_that_make_no_sense(blobs, settings, text):
    assert message(ValueError, found, blobs, **settings) == f"The {text} instead."
