import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from curalab import Embedding, Pool, samples
from curalab.heads import with_proba
from curalab.label_errors import LinearSeparation, find_label_errors
from curalab.label_errors.linear_separation import _large_mode, _log_odds, _standardised

KINDS = np.array(["clean", "wrong label", "foreign"], dtype=object)


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def found(pool, seed=0, **settings):
    return find_label_errors(pool, method=LinearSeparation(**settings), random_state=seed)


@pytest.fixture(scope="module")
def blobs():
    """Three classes of 50 rows and 50 of no class; five of class a are called b, two have none."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2, 3], 50)
    labels = np.array(["a", "b", "c", "a"], dtype=object)[codes]
    labels[150:] = rng.choice(["a", "b", "c"], 50)
    labels[:5], labels[[40, 170]] = "b", None
    x = rng.normal(size=(200, 8)) + 6 * np.eye(8)[codes]
    emb = Embedding(vectors=x, ids=[f"r{i}" for i in range(200)], metric="euclidean")
    return Pool(embedding=emb, labels=labels)


def web(seed, foreign=("0", "1", "6"), share=0.1):
    """Digits of which some are no class and labelled at random; others called another digit."""
    table, rng = samples.digits(), np.random.default_rng(seed)
    x = np.stack([image.ravel() for image in table["image"]]).astype(float)
    truth = table["label"].astype(str).to_numpy()
    classes, given = np.setdiff1d(truth, foreign), truth.copy()
    kind = np.where(np.isin(truth, foreign), 2, rng.random(len(truth)) < share)
    for i in np.flatnonzero(kind):
        given[i] = rng.choice(classes[classes != truth[i]])
    return with_proba(Pool(embedding=Embedding(vectors=x), labels=given), 0)[0], kind


@pytest.fixture(scope="module")
def webs():
    return [web(seed) for seed in range(2)]


# ---- what it computes ----------------------------------------------------------------------------


def test_parts_by_hand():
    assert np.allclose(_log_odds([0.5, 0.75, 0, 1]), [0, np.log(3), -13.8155, 13.8155], atol=1e-3)
    assert _standardised(np.array([[1.0, 7], [3, 7]])).tolist() == [[-1, 0], [1, 0]]
    rng = np.random.default_rng(0)
    large = _large_mode(np.concatenate([rng.random(80) / 9, 4 + rng.random(20)]), rng)
    assert (large > 0.5).tolist() == [False] * 80 + [True] * 20
    assert not _large_mode(np.full(9, 1.1), rng).any()


def test_the_three_kinds_are_told_apart(blobs):
    bad = found(blobs)
    kind, foreign = bad.details["kind"], bad.details["foreign"]
    assert (kind[:5] == "wrong label").all()
    assert (bad.suggested[:5] == "a").all()
    in_scope = np.delete(np.arange(5, 150), 35)
    assert (kind[in_scope] == "clean").mean() > 0.95
    out = np.delete(np.arange(150, 200), 20)
    assert (kind[out] == "foreign").mean() > 0.95
    assert kind[[40, 170]].tolist() == [None, None]
    assert np.isnan(foreign[[40, 170]]).all()
    assert np.isnan(bad.quality[[40, 170]]).all()
    assert (bad.is_error == np.isin(kind, ["wrong label", "foreign"])).all()
    assert foreign[out].min() > np.median(foreign[:5])
    assert bad.details["cut"]["marked"] == bad.is_error.sum()


def test_a_small_loss_keeps_a_row_clean_whatever_the_separator_says(blobs):
    third = np.full((200, 3), 1 / 3)
    third[:150] = 0.02
    given = np.maximum(blobs.codes, 0)
    third[np.arange(150), given[:150]] = 0.96
    third[199] = 0.02
    third[199, given[199]] = 0.96
    bad = found(blobs.replace(proba=third))
    kind = bad.details["kind"]
    assert bad.quality[199] < bad.quality[5:150][kind[5:150] == "clean"].min()
    assert kind[199] == "clean"
    assert (np.delete(kind[150:199], 20) == "foreign").all()


def test_quality_is_the_given_label_s_probability_where_nothing_separates(blobs):
    x = np.random.default_rng(0).normal(size=(12, 3))
    proba = np.array([[0.9, 0.1], [0.2, 0.8]] * 6)
    bad = found(Pool(embedding=x, labels=["a", "a"] + ["a", "b"] * 5, proba=proba))
    assert np.allclose(bad.quality, [0.9, 0.2] + [0.9, 0.8] * 5)
    assert bad.details["kind"][1] == "wrong label"


def test_web_noise_is_ranked_better_than_by_the_plain_baselines(webs):
    gap = {}
    for pool, kind in webs:
        for method in ("linear_separation", "knn_agreement", "confident_learning"):
            bad = find_label_errors(pool, method=method, random_state=0)
            missed = 1 - average_precision_score(kind > 0, -bad.quality)
            gap.setdefault(method, []).append(missed)
    ours = np.mean(gap.pop("linear_separation"))
    assert ours < 0.7 * min(np.mean(missed) for missed in gap.values()), (ours, gap)


def test_web_noise_is_marked_where_the_plain_cut_misses_most(webs):
    for pool, kind in webs:
        score = {}
        for method in ("linear_separation", "knn_agreement", "confident_learning"):
            bad = find_label_errors(pool, method=method, random_state=0)
            score[method] = f1_score(kind > 0, bad.is_error)
        ours = score.pop("linear_separation")
        assert ours > 0.93 > 0.6 > max(score.values()), score


def test_foreign_rows_are_told_from_wrong_labels_and_clean_rows(webs):
    ours, plain = [], []
    for pool, kind in webs:
        bad, most = found(pool), np.asarray(pool.proba).max(axis=1)
        ours.append(average_precision_score(kind == 2, bad.details["foreign"]))
        plain.append(average_precision_score(kind == 2, -most))
        told = bad.details["kind"]
        assert f1_score(KINDS[kind].astype(str), told.astype(str), average="macro") > 0.9
    assert np.mean(ours) > np.mean(plain) + 0.01, (ours, plain)


def test_hardly_any_row_is_foreign_where_none_is():
    table = samples.digits()
    planted = samples.plant_label_errors(table, kind="uniform", random_state=0)
    x = np.stack([image.ravel() for image in table["image"]]).astype(float)
    bad = found(Pool(embedding=Embedding(vectors=x), labels=planted.items["label"].to_numpy()))
    wrong = planted.truth["is_error"].to_numpy()
    assert (bad.details["kind"][~wrong] == "foreign").mean() < 0.03
    assert bad.is_error[wrong].mean() > 0.95


# ---- edges ---------------------------------------------------------------------------------------


def test_same_seed_same_answer_and_another_seed_hardly_another(blobs):
    one, same, other = found(blobs), found(blobs), found(blobs, seed=1)
    assert np.array_equal(one.quality, same.quality, equal_nan=True)
    assert (one.details["kind"] == other.details["kind"]).mean() > 0.97


def test_a_higher_threshold_marks_no_more(webs):
    pool = webs[0][0]
    assert found(pool, threshold=0.95).is_error.sum() <= found(pool).is_error.sum()
    assert not found(pool, threshold=1).is_error.any()


@pytest.mark.filterwarnings("error")
def test_constant_rows_and_copies_say_nothing():
    labels = np.array(["a"] * 12 + ["b"] * 5)
    same = found(Pool(embedding=np.ones((17, 3)), labels=labels))
    assert np.isfinite(same.quality).all()
    assert "foreign" not in same.details["kind"]
    x = np.repeat([[0.0, 1], [1, 0]], [12, 5], axis=0)
    copies = found(Pool(embedding=x, labels=labels))
    assert (copies.details["kind"] == "clean").all()


def test_a_class_without_rows(blobs):
    wider = Pool(embedding=blobs.embedding, labels=blobs.labels, classes=["0", "a", "b", "c"])
    kind = found(wider).details["kind"]
    assert (kind[:5] == "wrong label").all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_rounds": 0}, "'n_rounds' parameter must be an integer of 1 or more. Got 0"),
        ({"threshold": 1.5}, "'threshold' parameter must be a number from 0 to 1. Got 1.5"),
        ({"penalty": 0}, "'penalty' parameter must be a number from 0.0001 to 100. Got 0"),
    ],
)
def test_settings_that_make_no_sense(blobs, settings, text):
    assert message(ValueError, found, blobs, **settings) == f"The {text} instead."
