import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score

from curalab import Embedding, Pool, samples
from curalab.label_errors import AreaUnderMargin, find_label_errors

AREA = "area_under_margin"


def found(pool, method=AREA, **options):
    return find_label_errors(pool, method=method, random_state=0, **options)


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def planted(kind, seed=0):
    table = samples.digits()
    emb = Embedding(vectors=np.stack([i.ravel() for i in table["image"]]), ids=table.index)
    near = {"embedding": emb} if kind == "feature_dependent" else {}
    wrong = samples.plant_label_errors(table, kind=kind, random_state=seed, **near)
    return Pool(embedding=emb, labels=wrong.items["label"]), wrong.truth


@pytest.fixture(scope="module")
def blobs():
    """Three classes of 20 rows, one wrong label (row 5: class a, called b) and two missing."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 20)
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[5], labels[[30, 59]] = "b", None
    x = rng.normal(size=(60, 4)) + 5 * np.eye(4)[codes]
    return Pool(embedding=Embedding(vectors=x), labels=labels)


# ---- by hand -------------------------------------------------------------------------------------


def test_two_epochs_by_hand(monkeypatch):
    """Six rows of two classes: two at a time carry the fake class, the third column."""
    first = np.array([[3, 1, 0], [1, 0, 0], [0, 2, 1], [1, 4, 0], [2, 0, 0], [0, 0, 3]], float)
    second = np.array([[5, 1, 2], [3, 0, 0], [0, 6, 1], [4, 2, 0], [4, 0, 0], [0, 2, 1]], float)
    runs = []

    def told(points, codes, n_classes, *, n_epochs, rate, rng):
        runs.append(codes)
        assert (n_classes, n_epochs, rate) == (3, 2, 0.5)
        return iter([first.copy(), second.copy()])

    monkeypatch.setattr("curalab.heads.training_dynamics", told)
    pool = Pool(embedding=np.eye(6), labels=list("aabbab"))
    bad = found(pool, AreaUnderMargin(n_epochs=2, rate=0.5, percentile=100))
    fakes = [np.flatnonzero(codes == 2) for codes in runs]
    assert [len(fake) for fake in fakes] == [2, 2]  # 6 / (2 + 1)
    assert not set(fakes[0]) & set(fakes[1])

    aum = np.array([(2 + 3) / 2, (1 + 3) / 2, (1 + 5) / 2, (3 - 2) / 2, (2 + 4) / 2, (-3 + 1) / 2])
    np.testing.assert_allclose(bad.details["aum"], aum)
    of_fake = np.array([(-3 - 3) / 2, (-1 - 3) / 2, (-1 - 5) / 2, (-4 - 4) / 2, (-2 - 4) / 2, 1])
    of_fake[5] = (3 - 1) / 2
    cuts = [of_fake[fake].max() for fake in fakes]
    np.testing.assert_allclose(bad.details["cut"]["aum"], cuts)
    assert bad.details["cut"]["threshold_rows"] == 2
    cut = [np.mean([c for c, f in zip(cuts, fakes, strict=True) if i not in f]) for i in range(6)]
    np.testing.assert_allclose(bad.quality, expit(aum - np.array(cut)))

    given = expit([[2, 1, 2, 3, 2, 0], [4, 3, 6, -2, 4, 2]])  # softmax over the two real classes
    np.testing.assert_allclose(bad.details["confidence"], given.mean(axis=0))
    np.testing.assert_allclose(bad.details["variability"], given.std(axis=0), atol=1e-9)
    assert bad.suggested.tolist() == list("aabbab")


def test_a_row_below_the_cut_is_marked_only_with_another_suggestion(monkeypatch):
    own = [[0.0, 4, -9], [4, 0, 5], [4, 0, 5], [0, 4, 5], [0, 4, 5], [0, 4, 5]]
    logits = np.array(own)
    monkeypatch.setattr(
        "curalab.heads.training_dynamics", lambda *_, **__: iter([logits.copy() for _ in range(2)])
    )
    pool = Pool(embedding=np.eye(6), labels=list("aaabbb"))
    bad = found(pool, AreaUnderMargin(n_epochs=2))
    assert (bad.quality < 0.5).all()  # the fake class leads everywhere else
    assert bad.suggested.tolist() == list("baabbb")
    assert bad.is_error.tolist() == [True] + [False] * 5
    assert bad.details["cut"]["rule"] == (
        "area under the margin at or below that of the threshold rows' percentile, where another "
        "label is suggested"
    )


# ---- planted truth -------------------------------------------------------------------------------


def test_a_wrong_label_is_worst_and_gets_its_right_name(blobs):
    bad = found(blobs)
    assert bad.worst(1).tolist() == [5]
    assert bad.suggested[5] == "a"
    assert bad.is_error[5]
    assert bad.is_error.sum() <= 3
    assert bad.details["confidence"][5] == np.nanmin(bad.details["confidence"])


def test_random_noise_in_digits_is_found_and_cut_off():
    pool, truth = planted("uniform")
    bad, wrong = found(pool), truth["is_error"].to_numpy()
    assert average_precision_score(wrong, -bad.quality) > 0.98
    assert wrong[bad.is_error].mean() > 0.7
    assert bad.is_error[wrong].mean() > 0.95
    assert (bad.suggested[wrong] == truth["label"].to_numpy()[wrong]).mean() > 0.95


def test_it_beats_the_neighbours_where_classes_are_confused():
    pool, truth = planted("class_conditional")
    wrong = truth["is_error"].to_numpy()
    of = {
        m: average_precision_score(wrong, -found(pool, m).quality) for m in (AREA, "knn_agreement")
    }
    assert of[AREA] > of["knn_agreement"] + 0.01


def test_a_lower_percentile_marks_fewer():
    pool, _ = planted("feature_dependent")
    marked = [found(pool, AreaUnderMargin(percentile=p)).is_error.sum() for p in (50, 99)]
    assert marked[0] < marked[1]


# ---- edges ---------------------------------------------------------------------------------------


def test_rows_without_a_label_are_not_judged(blobs):
    bad = found(blobs)
    hidden = [30, 59]
    assert np.isnan(bad.quality[hidden]).all()
    assert not bad.is_error[hidden].any()
    for name in ("aum", "confidence", "variability"):
        assert bad.details[name].shape == (60,)
        assert np.flatnonzero(np.isnan(bad.details[name])).tolist() == hidden


def test_they_change_nothing_for_the_others(blobs):
    keep = np.flatnonzero(blobs.is_labelled)
    alone = Pool(embedding=blobs.embedding.vectors[keep], labels=blobs.labels[keep])
    np.testing.assert_array_equal(found(alone).quality, found(blobs).quality[keep])


def test_names_of_the_classes_change_nothing(blobs):
    names = {"a": 10, "b": 20, "c": 30}
    renamed = pd.Series([names.get(label) for label in blobs.labels])
    plain, other = found(blobs), found(blobs.embedding, labels=renamed)
    np.testing.assert_array_equal(other.quality, plain.quality)
    assert [names.get(label) for label in plain.suggested] == other.suggested.tolist()


def test_the_same_seed_gives_the_same_bits(blobs):
    first, second = found(blobs), found(blobs)
    for name in ("aum", "confidence", "variability"):
        np.testing.assert_array_equal(first.details[name], second.details[name])


def test_classes_of_one_row_and_of_none_do_not_stop_it(blobs):
    labels = blobs.labels.copy()
    labels[0] = "d"
    bad = find_label_errors(
        Pool(embedding=blobs.embedding, labels=labels, classes=list("abcde")),
        method=AREA,
        random_state=0,
    )
    assert bad.details["not_judged"] == {"d": 1}
    assert np.isfinite(np.delete(bad.quality, [0, 30, 59])).all()


def test_more_classes_than_rows_for_a_threshold():
    bad = found(Pool(embedding=np.eye(5), labels=list("aaabc")))
    assert bad.details["cut"]["threshold_rows"] == 1
    assert np.isfinite(bad.quality[:3]).all()


def test_rows_that_are_all_alike():
    bad = found(Pool(embedding=np.ones((40, 3)), labels=list("ab") * 20))
    assert np.isfinite(bad.quality).all()


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"n_epochs": 0},
            "The 'n_epochs' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"rate": 0.0},
            "The 'rate' parameter must be a number from 0.001 to 100. Got 0.0 instead.",
        ),
        (
            {"percentile": 101},
            "The 'percentile' parameter must be a number from 0 to 100. Got 101 instead.",
        ),
    ],
)
def test_bad_settings(blobs, settings, text):
    assert message(ValueError, found, blobs, AreaUnderMargin(**settings)) == text
