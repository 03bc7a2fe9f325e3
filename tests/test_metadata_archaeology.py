import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from curalab import Embedding, Pool, samples
from curalab.heads import with_proba
from curalab.label_errors import MetadataArchaeology, find_label_errors
from curalab.label_errors.metadata_archaeology import _asked, _ends

DIG = "metadata_archaeology"
SUITES = ["typical", "atypical", "relabelled", "corrupted"]


def found(pool, method=DIG, **options):
    return find_label_errors(pool, method=method, random_state=0, **options)


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def blobs():
    """Three classes of 20 rows, one wrong label (row 5: class a, called b) and two missing."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 20)
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[5], labels[[30, 59]] = "b", None
    x = rng.normal(size=(60, 4)) + 5 * np.eye(4)[codes]
    return with_proba(Pool(embedding=Embedding(vectors=x), labels=labels), 0)[0]


@pytest.fixture(scope="module")
def troubled():
    """Digits with 8 % wrong labels and, among the right ones, 10 % drowned in noise."""
    table = samples.digits()
    wrong = samples.plant_label_errors(table, kind="uniform", random_state=1)
    is_error = wrong.truth["is_error"].to_numpy()
    x = np.stack([i.ravel() for i in table["image"]]).astype(float)
    rng = np.random.default_rng(1)
    noisy = rng.choice(np.flatnonzero(~is_error), 180, replace=False)
    x[noisy] += 2 * x.std(axis=0) * rng.normal(size=(180, x.shape[1]))
    pool = Pool(embedding=Embedding(vectors=x), labels=wrong.items["label"].to_numpy())
    return with_proba(pool, 0)[0], is_error, noisy


# ---- by hand -------------------------------------------------------------------------------------


def test_typical_and_atypical_rows_are_the_ends_of_those_whose_label_fits():
    own = np.array([0.9, 0.6, 0.7, 0.99, 0.51, 0.1, 0.8])
    proba, codes = np.stack([own, 1 - own], axis=1), np.zeros(7, dtype=int)
    typical, atypical = _ends(np.arange(7), codes, proba, 2)
    assert typical.tolist() == [3, 0]
    assert atypical.tolist() == [1, 4]  # not row 5: its label does not fit
    typical, atypical = _ends(np.array([5, 1, 0, 3]), codes, proba, 2)
    assert (typical.tolist(), atypical.tolist()) == ([3, 0], [1, 5])  # no other is left


def test_the_probes_nearest_by_their_curve_vote():
    curves = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1], [20.0], [20.1], [0.2], [8.8]])
    suites = np.arange(8).reshape(4, 2)
    votes, accuracy = _asked(curves.astype(np.float32), suites, 1)
    assert accuracy == 1
    np.testing.assert_allclose(votes[8:], [[1, 0, 0, 0], [0, 0, 1, 0]])


def test_a_vote_falls_with_the_distance():
    curves = np.array([[0.0], [0.0], [2.0], [2.0], [90.0], [90.0], [99.0], [99.0], [0.5]])
    votes, _ = _asked(curves.astype(np.float32), np.arange(8).reshape(4, 2), 2)
    weight = np.exp(-(np.array([0.5 / 1.5, 1.5 / 1.5]) ** 2))
    np.testing.assert_allclose(votes[8], [*weight / weight.sum(), 0, 0], rtol=1e-6)


def test_a_probe_is_tested_by_the_half_that_it_is_not_in():
    # Each suite's halves lie apart, next to the half of another suite: all tests fail.
    curves = np.array([[0.0], [9.0], [9.1], [0.1], [30.0], [50.0], [50.1], [30.1]])
    _, accuracy = _asked(curves.astype(np.float32), np.arange(8).reshape(4, 2), 1)
    assert accuracy == 0


def test_suites_are_drawn_apart_and_their_rows_changed(monkeypatch, blobs):
    import curalab.heads

    seen, real = [], curalab.heads.training_dynamics

    def watched(points, codes, n_classes, **options):
        seen.append(codes)
        return real(points, codes, n_classes, **options)

    monkeypatch.setattr("curalab.heads.training_dynamics", watched)
    found(blobs, MetadataArchaeology(n_draws=3))
    given = blobs.codes[blobs.is_labelled]
    relabelled = [set(np.flatnonzero(codes != given)) for codes in seen]
    assert [len(rows) for rows in relabelled] == [2, 2, 2]  # 58 rows: at least two
    assert not relabelled[0] & relabelled[1]
    assert not relabelled[1] & relabelled[2]


# ---- planted truth -------------------------------------------------------------------------------


def test_a_wrong_label_is_worst_and_gets_its_right_name(blobs):
    bad = found(blobs)
    assert bad.worst(1).tolist() == [5]
    assert bad.suggested[5] == "a"
    assert bad.is_error[5]
    assert bad.details["category"][5] == "relabelled"
    assert bad.is_error.sum() <= 3


def test_wrong_labels_are_told_from_noisy_rows_better_than_by_neighbours(troubled):
    pool, wrong, noisy = troubled
    bad = found(pool)
    of = average_precision_score(wrong, -bad.quality)
    by_neighbours = average_precision_score(wrong, -found(pool, "knn_agreement").quality)
    assert of > by_neighbours + 0.05
    assert of > 0.94
    category = bad.details["category"]
    assert (category[wrong] == "relabelled").mean() > 0.8
    assert (category[noisy] == "relabelled").mean() < 0.1
    assert (category[noisy] == "typical").mean() < 0.3
    plain = np.setdiff1d(np.flatnonzero(~wrong), noisy)
    assert (category[plain] == "typical").mean() > 0.5


def test_the_account_of_suites_and_their_accuracy(troubled):
    pool, _, _ = troubled
    bad = found(pool)
    share = bad.details["category_share"]
    assert list(share) == SUITES
    assert sum(share.values()) == pytest.approx(1)
    for name in SUITES:
        assert share[name] == pytest.approx((bad.details["category"] == name).mean())
    assert 0.7 < bad.details["probe_accuracy"] < 1
    assert bad.details["cut"]["rule"] == (
        "likelier of the relabelled suite than typical and than atypical, where another label is "
        "suggested"
    )
    assert (bad.suggested[bad.is_error] != np.asarray(pool.labels)[bad.is_error]).all()


def test_labels_that_mean_nothing_are_told_badly():
    rng = np.random.default_rng(0)
    pool = Pool(
        embedding=Embedding(vectors=rng.normal(size=(400, 20)), metric="euclidean"),
        labels=rng.integers(0, 3, 400),
    )
    assert found(pool).details["probe_accuracy"] < 0.7


# ---- edges ---------------------------------------------------------------------------------------


def test_rows_without_a_label_are_not_judged(blobs):
    bad = found(blobs)
    hidden = [30, 59]
    assert np.isnan(bad.quality[hidden]).all()
    assert not bad.is_error[hidden].any()
    assert bad.details["category"][hidden].tolist() == [None, None]
    assert set(np.delete(bad.details["category"], hidden)) <= set(SUITES)


def test_the_same_seed_gives_the_same_bits(blobs):
    first, second = found(blobs), found(blobs)
    np.testing.assert_array_equal(first.quality, second.quality)
    assert first.details["probe_accuracy"] == second.details["probe_accuracy"]


def test_classes_of_one_row_and_of_none_do_not_stop_it(blobs):
    labels = blobs.labels.copy()
    labels[0] = "d"
    bad = found(Pool(embedding=blobs.embedding, labels=labels, classes=list("abcde")))
    assert bad.details["not_judged"] == {"d": 1}
    assert np.isfinite(np.delete(bad.quality, [0, 30, 59])).all()


def test_rows_that_are_all_alike():
    bad = found(Pool(embedding=np.ones((40, 3)), labels=list("ab") * 20))
    assert np.isfinite(bad.quality).all()


def test_eight_rows_are_enough():
    x = np.repeat(np.eye(2), 4, axis=0) + np.random.default_rng(0).normal(0, 0.1, (8, 2))
    assert np.isfinite(found(Pool(embedding=x, labels=list("aaaabbbb"))).quality).all()


# ---- errors --------------------------------------------------------------------------------------


def test_seven_labels_are_too_few():
    pool = Pool(embedding=np.eye(8), labels=[*"aaaabbb", None])
    assert message(ValueError, found, pool) == (
        "The 'labels' parameter must be present for at least 8 rows, to make the probe suites of. "
        "Got 7 labels instead."
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"n_epochs": 0},
            "The 'n_epochs' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        ({"k": 0}, "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (
            {"n_probes": 1},
            "The 'n_probes' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
        ({"noise": -1.0}, "The 'noise' parameter must be a number from 0 to 10. Got -1.0 instead."),
        ({"n_draws": 1}, "The 'n_draws' parameter must be an integer of 2 or more. Got 1 instead."),
    ],
)
def test_bad_settings(blobs, settings, text):
    assert message(ValueError, found, blobs, MetadataArchaeology(**settings)) == text
