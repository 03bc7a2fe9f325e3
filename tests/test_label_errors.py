import json

import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from curalab import Embedding, Pool, samples
from curalab.label_errors import (
    ConfidentLearning,
    Consensus,
    KNNAgreement,
    LabelErrors,
    RelationGraph,
    find_label_errors,
    relation_graph,
)
from curalab.label_errors._noise import likeness, sharpened

METHODS = ["consensus", "confident_learning", "relation_graph", "knn_agreement"]
LINE = Embedding(vectors=np.array([[0.0], [1.0], [2.1], [3.3], [10.0], [11.0]]), metric="euclidean")


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def planted():
    """Digits, each class at times called the next one: embedding, labels, is_error, truth, pool."""
    table = samples.digits()
    emb = Embedding(vectors=np.stack([i.ravel() for i in table["image"]]), ids=table.index)
    wrong = samples.plant_label_errors(table, kind="class_conditional", random_state=0)
    bad = find_label_errors(emb, wrong.items["label"], random_state=0)
    return bad, wrong.truth["is_error"].to_numpy(), wrong.truth["label"].to_numpy()


@pytest.fixture(scope="module")
def blobs():
    """Three classes of 20 rows, one wrong label (row 5: class a, called b) and two missing."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 20)
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[5], labels[[30, 59]] = "b", None
    x = rng.normal(size=(60, 4)) + 5 * np.eye(4)[codes]
    return Pool(embedding=Embedding(vectors=x, ids=[f"r{i}" for i in range(60)]), labels=labels)


def found(pool, method, **options):
    return find_label_errors(pool, method=method, random_state=0, **options)


# ---- the verb ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_label_is_worst_and_gets_its_right_name(blobs, method):
    bad = found(blobs, method)
    assert bad.worst(1).tolist() == ["r5"]
    assert bad.suggested[5] == "a"
    assert bad.is_error[5]
    assert bad.is_error.sum() <= 3


@pytest.mark.parametrize("method", METHODS)
def test_rows_without_a_label_are_not_judged(blobs, method):
    bad = found(blobs, method)
    assert np.isnan(bad.quality[[30, 59]]).all()
    assert bad.suggested[[30, 59]].tolist() == [None, None]
    assert not bad.is_error[[30, 59]].any()
    assert np.isfinite(np.delete(bad.quality, [30, 59])).all()
    assert len(bad.worst(58)) == 58


@pytest.mark.parametrize("method", METHODS)
def test_other_names_for_the_classes_change_nothing(blobs, method):
    names = {"a": 30, "b": 10, "c": 20}
    pool = found(blobs, "consensus").pool
    renamed = [names.get(label) for label in pool.labels]
    columns = pd.DataFrame(pool.proba, columns=[30, 10, 20])[[10, 20, 30]].to_numpy()
    plain = found(pool, method)
    other = find_label_errors(pool.embedding, renamed, proba=columns, method=method)
    np.testing.assert_allclose(other.quality, plain.quality, atol=0.02)
    assert [names.get(label) for label in plain.suggested] == other.suggested.tolist()
    assert (plain.is_error == other.is_error).all()


def test_labels_come_by_id(blobs):
    series = pd.Series(blobs.labels, index=blobs.ids)
    plain = found(blobs, "knn_agreement")
    moved = find_label_errors(blobs.embedding, series[::-1], method="knn_agreement")
    assert moved.ids.equals(blobs.ids)
    np.testing.assert_array_equal(moved.quality, plain.quality)


def test_made_probabilities_are_recorded_and_given_ones_used(blobs):
    made = found(blobs, "consensus")
    assert made.params["made"]["proba"]["folds"] == 5
    assert made.pool.proba.shape == (60, 3)
    sure = np.full((60, 3), 0.01)
    sure[np.arange(60), np.repeat([0, 1, 2], 20)] = 0.98
    told = found(blobs, "consensus", proba=sure)
    assert "made" not in told.params
    assert (told.pool.proba == sure).all()
    assert json.loads(json.dumps(told.params)) == told.params


def test_without_a_cut_of_its_own_the_joint_says_how_many():
    proba = np.array([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5)
    labels = ["a"] * 4 + ["b"] + ["b"] * 4 + ["a"]

    def first_is_worst(pool, *, rng):
        return np.linspace(0, 1, 10), np.array(["b"] * 5 + ["a"] * 5)

    bad = find_label_errors(np.eye(10), labels, proba=proba, method=first_is_worst)
    assert bad.details["cut"] == {
        "rule": "least quality, as many as the confident joint of labels and probabilities "
        "estimates, where another label is suggested",
        "estimated": 2,
        "marked": 2,
    }
    assert np.flatnonzero(bad.is_error).tolist() == [0, 1]


def test_without_probabilities_the_cut_is_at_one_half():
    def by_hand(pool, *, rng):
        return np.array([0.2, 0.4, 0.6, 0.3, 0.9, 1.0]), np.array(list("babbbb"))

    bad = find_label_errors(LINE, list("aaabbb"), method=by_hand)
    assert bad.is_error.tolist() == [True, False, False, False, False, False]
    rule = "quality below 1/2, where another label is suggested"
    assert bad.details["cut"] == {"rule": rule, "marked": 1}


def test_a_cut_of_its_own_is_kept():
    def by_hand(pool, *, rng):
        return np.ones(6), pool.labels, {"is_error": [True] * 6, "seen": 6}

    bad = find_label_errors(LINE, ["a", "a", "a", "b", "b", None], method=by_hand)
    assert bad.is_error.tolist() == [True, True, True, False, False, False]
    assert bad.details["cut"] == {"rule": "the method's own", "marked": 3}
    assert bad.details["seen"] == 6


def test_classes_of_one_and_two_rows_are_not_judged(blobs, caplog):
    labels = blobs.labels.copy()
    labels[0], labels[[40, 41]] = "d", "e"
    bad = find_label_errors(blobs.embedding, labels, method="knn_agreement")
    assert bad.details["not_judged"] == {"d": 1, "e": 2}
    assert np.isnan(bad.quality[[0, 40, 41]]).all()
    assert not bad.is_error[[0, 40, 41]].any()
    assert caplog.messages == [
        "find_label_errors: the classes 'd', 'e' have fewer than 3 rows, which are not judged."
    ]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (None, "of at least 2 classes. Got no label instead."),
        ([None] * 6, "of at least 2 classes. Got no label instead."),
        (["a", "a", None, "a", "a", "a"], "of at least 2 classes. Got labels of 1 class instead."),
        (list("aabbcc"), "of a class with at least 3 rows. Got 2 rows in the largest instead."),
    ],
)
def test_refused_labels(labels, told):
    assert message(ValueError, find_label_errors, LINE, labels) == (
        f"The 'labels' parameter must be {told}"
    )


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (ConfidentLearning(rank="margin"), "The 'rank' parameter must be one of 'self_confidence', "
         "'normalized_margin', 'confidence_weighted_entropy'. Got 'margin' instead."),
        (ConfidentLearning(filter_by="prune"), "The 'filter_by' parameter must be one of "
         "'prune_by_noise_rate', 'confident_learning', 'prune_by_class', 'both'. "
         "Got 'prune' instead."),
        (RelationGraph(power=0.5), "The 'power' parameter must be a number from 1 to 100. "
         "Got 0.5 instead."),
        (RelationGraph(threshold=2), "The 'threshold' parameter must be a number from 0 to 1. "
         "Got 2 instead."),
        (KNNAgreement(k=0), "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (Consensus(k=0), "The 'k' parameter must be an integer of 1 or more. Got 0 instead."),
        (Consensus(confusions=-1), "The 'confusions' parameter must be a number from 0 to 1. "
         "Got -1 instead."),
    ],
)  # fmt: skip
def test_refused_settings(method, told):
    proba = np.full((6, 2), 0.5)
    options = {"proba": proba, "method": method}
    assert message(ValueError, find_label_errors, LINE, list("aaabbb"), **options) == told


def test_refused_probabilities():
    proba = np.full((6, 3), 1 / 3)
    assert message(ValueError, find_label_errors, LINE, list("aaabbb"), proba=proba) == (
        "The 'proba' parameter must be of 2 columns, one for each class. Got 3 columns instead. "
        "Name the columns with classes=…."
    )


def test_refused_answers():
    def outside(pool, *, rng):
        return np.array([0, 0.5, 1, 1.5, 1, 2]), pool.labels

    assert message(ValueError, find_label_errors, LINE, list("aaabbb"), method=outside) == (
        f"The method {f'{__name__}.{outside.__qualname__}'!r} must return 'quality' as finite "
        "numbers from 0 to 1. Got 1.5, 2.0 in rows 3, 5 instead."
    )


# ---- the result ----------------------------------------------------------------------------------


def test_why_shows_what_speaks_against_the_label(blobs):
    bad = found(blobs, "consensus")
    why = bad.why("r5")
    assert (why["given"], why["suggested"], why["is_error"]) == ("b", "a", True)
    assert why["quality"] == bad.quality[5] < 0.1
    assert why["rule"] == bad.details["cut"]["rule"]
    assert why["proba"].index[0] == "a"
    assert why["proba"].is_monotonic_decreasing
    assert why["proba"].sum() == pytest.approx(1)
    near = why["neighbors"]
    assert near["label"].tolist() == ["a"] * 10
    assert near["similarity"].is_monotonic_decreasing
    assert (near["quality"] == bad.quality[bad.ids.get_indexer(near.index)]).all()
    assert "r5" not in near.index
    assert found(blobs, "knn_agreement").why("r5")["proba"] is None


def test_what_the_result_cannot_tell(blobs, tmp_path):
    bad = found(blobs, "knn_agreement")
    assert "unknown ids 'r99'" in message(KeyError, bad.why, "r99")
    assert message(ValueError, bad.worst, 59) == (
        "The 'n' parameter must be an integer from 0 to 58. Got 59 instead. 58 labels were judged."
    )
    bad.save(tmp_path / "bad")
    opened = LabelErrors.open(tmp_path / "bad")
    assert opened.worst(3).equals(bad.worst(3))
    assert message(ValueError, opened.why, "r5") == (
        "This result was opened from disk, which keeps neither vectors nor labels, so it cannot "
        "tell why. Call find_label_errors again on the same rows."
    )


def test_frame_repr_and_input(blobs):
    before = blobs.labels.copy(), blobs.embedding.vectors.copy()
    bad = found(blobs, "knn_agreement")
    assert bad.to_frame().columns.tolist() == ["label_quality", "label_suggested", "label_is_error"]
    assert repr(bad) == "LabelErrors(60 items, 1 label error, method=knn_agreement)"
    assert before[0].tolist() == blobs.labels.tolist()
    assert (before[1] == blobs.embedding.vectors).all()


# ---- knn_agreement -------------------------------------------------------------------------------


def test_agreement_by_hand():
    bad = find_label_errors(LINE, ["a", "b", "a", "a", "b", "b"], method=KNNAgreement(k=2))
    # neighbours: 0: 1 2, 1: 0 2, 2: 1 3, 3: 2 1, 4: 5 3, 5: 4 3
    assert bad.quality.tolist() == [0.5, 0, 0.5, 0.5, 0.5, 0.5]
    assert bad.suggested[1] == "a"
    assert bad.is_error.tolist() == [False, True, False, False, False, False]


def test_neighbours_without_a_label_do_not_vote():
    x = np.array([0.0, 1, 2, 3, 10, 11, 12, 13])[:, None]
    labels = ["a", None, "a", "b", "b", "b", None, "a"]
    bad = find_label_errors(
        Embedding(vectors=x, metric="euclidean"), labels, method=KNNAgreement(k=2)
    )
    np.testing.assert_array_equal(bad.quality, [1, np.nan, 0, 0, 1, 1, np.nan, 0])
    assert bad.suggested.tolist() == ["a", None, "b", "a", "b", "b", None, "b"]


# ---- confident_learning --------------------------------------------------------------------------


@pytest.mark.parametrize("rank", ["self_confidence", "normalized_margin"])
@pytest.mark.parametrize("filter_by", ["prune_by_noise_rate", "confident_learning", "both"])
def test_all_numbers_are_cleanlabs(planted, rank, filter_by):
    pool = planted[0].pool
    bad = found(pool, ConfidentLearning(rank=rank, filter_by=filter_by))
    wanted = get_label_quality_scores(pool.codes, pool.proba, method=rank)
    np.testing.assert_allclose(bad.quality, wanted)
    issues = find_label_issues(pool.codes, pool.proba, filter_by=filter_by, n_jobs=1)
    assert (bad.is_error == issues).all()
    assert (bad.suggested == pool.classes[pool.proba.argmax(axis=1)]).all()


# ---- relation_graph ------------------------------------------------------------------------------


def reliability(f, p, codes, power=4, threshold=0.03):
    """The paper's formula, pair by pair; a row's relation with itself left out."""
    n = len(f)
    r = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            near = max(f[i] @ f[j], 0) * (p[i] @ p[j]) if i != j else 0
            if near > threshold:
                r[i, j] = near**power * (1 if codes[i] == codes[j] else -1)
    first = r.sum(axis=1)
    noisy = first / np.abs(first).max() < -0.05
    return first - 2 * r[:, noisy].sum(axis=1), noisy


@pytest.mark.parametrize("exact", [20_000, 0])
def test_relations_by_the_formula(blobs, exact, monkeypatch):
    monkeypatch.setattr(relation_graph, "_EXACT", exact)
    bad = found(blobs, "relation_graph")
    judged = blobs.is_labelled
    f = blobs.embedding.points[judged].astype(float)
    wanted, noisy = reliability(f, bad.pool.proba[judged], blobs.codes[judged])
    assert noisy.any()
    rank = pd.Series(wanted).rank().to_numpy()
    np.testing.assert_allclose(bad.quality[judged], (rank - 1) / (len(rank) - 1), atol=0.02)
    assert bad.quality[judged].min() == 0
    assert bad.quality[judged].max() == 1


def test_blocks_do_not_show(blobs, monkeypatch):
    whole = found(blobs, "relation_graph").quality
    monkeypatch.setattr(relation_graph, "_BLOCK", 7)
    np.testing.assert_allclose(found(blobs, "relation_graph").quality, whole, atol=0.02)


def test_relations_beat_plain_agreement_where_classes_flip_one_way(planted):
    bad, is_error, _ = planted
    scores = {
        name: average_precision_score(is_error, -found(bad.pool, name).quality)
        for name in ("relation_graph", "knn_agreement")
    }
    assert scores["relation_graph"] > scores["knn_agreement"] + 0.03


# ---- consensus -----------------------------------------------------------------------------------


def test_consensus_beats_its_parts(planted):
    bad, is_error, truth = planted
    score = average_precision_score(is_error, -bad.quality)
    for part in ("confident_learning", "knn_agreement"):
        assert score > average_precision_score(is_error, -found(bad.pool, part).quality) + 0.03
    estimated = bad.details["estimated_errors"]
    assert estimated["low"] <= is_error.sum() <= 1.1 * estimated["high"]
    marked = is_error & bad.is_error
    assert (bad.suggested[marked] == truth[marked]).mean() > 0.95


def test_confusions_that_go_one_way_count(planted):
    bad, is_error, _ = planted
    without = found(bad.pool, Consensus(confusions=0)).quality
    assert average_precision_score(is_error, -bad.quality) > average_precision_score(
        is_error, -without
    )


def test_consensus_by_hand():
    """Four rows at one spot, three at another; uniform probabilities."""
    x = np.array([[0.0], [0.0], [0.0], [0.0], [9.0], [9.0], [9.0]])
    bad = find_label_errors(
        Embedding(vectors=x, metric="euclidean"),
        list("aaabbbb"),
        proba=np.full((7, 2), 0.5),
        method=Consensus(k=2, confusions=0),
    )
    assert bad.suggested.tolist() == list("aaaabbb")
    assert np.flatnonzero(bad.quality < 0.5).tolist() == [3]
    np.testing.assert_allclose(bad.quality[[4, 5]], bad.quality[6])


def test_clean_labels_are_left_alone():
    rng = np.random.default_rng(0)
    which = rng.integers(4, size=400)
    x = 4 * rng.normal(size=(4, 8))[which] + rng.normal(size=(400, 8))
    bad = find_label_errors(Embedding(vectors=x, metric="euclidean"), which, random_state=0)
    assert bad.is_error.sum() <= 2
    assert bad.details["estimated_errors"]["low"] == 0


def test_estimates_by_hand():
    """Twenty rows predicted clearly, ten of each class; the five clearest of each are counted."""
    from curalab.label_errors._noise import estimated_errors, transition

    sure = np.linspace(0.99, 0.6, 25)
    belief = np.concatenate([np.column_stack([sure, 1 - sure]), np.column_stack([1 - sure, sure])])
    codes = np.repeat([0, 1], 25)
    codes[[0, 1, 24]] = 1  # two clear rows of class 0 are labelled 1, and a doubtful one
    # 10 of 50 rows are clear; the mean rate 0.2 counts as ten rows of each class
    np.testing.assert_allclose(transition(belief, codes), [[11 / 15, 4 / 15], [2 / 15, 13 / 15]])
    assert estimated_errors(belief, codes) == {"n": 10, "low": 3, "high": 25}


def test_confusions_of_many_classes_are_told_from_few_counts():
    """Each class is called the next one or, in the second case, any other: 5 of 50 clear rows."""
    from curalab.label_errors._noise import transition

    belief = np.repeat(0.9 * np.eye(20) + 0.005, 250, axis=0)
    truth = np.repeat(np.arange(20), 250)
    for next_only in (True, False):
        codes = truth.copy()
        wrong = np.arange(5000) % 10 == 0
        step = 1 if next_only else 1 + np.arange(wrong.sum()) * 7 % 19
        codes[wrong] = (codes[wrong] + step) % 20
        chance = transition(belief, codes)
        np.testing.assert_allclose(chance.sum(axis=1), 1)
        np.testing.assert_allclose(np.diag(chance), 0.9)
        to_next = chance[np.arange(20), (np.arange(20) + 1) % 20]
        assert (to_next > 0.09).all() if next_only else (to_next < 0.01).all()


def test_a_row_left_out_by_ridge_has_no_say_in_what_it_is_told():
    from curalab.label_errors._second_head import left_out_ridge

    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    x = rng.normal(size=(90, 5)) + 2 * np.eye(5)[truth]
    sure, trust = 0.9 * np.eye(3) + 0.1 / 3, np.ones(90)
    trust[60:] = 0.5
    before = left_out_ridge(x, truth, trust, sure)
    assert (before.argmax(axis=1) == truth).mean() > 0.8
    np.testing.assert_allclose(np.exp(before).sum(axis=1), 1, atol=1e-5)
    other = truth.copy()
    other[7] = 2
    after = left_out_ridge(x, other, trust, sure)
    gap = np.abs(after - before).max(axis=1)
    assert gap[7] < 1e-3 < 0.02 < np.delete(gap, 7).max()
    alone = left_out_ridge(x, other, np.where(np.arange(90) == 7, 0, trust), sure)
    np.testing.assert_allclose(alone[7], after[7], atol=0.05)  # a row of no trust teaches nothing


def test_weights_of_a_pool_are_those_under_which_labels_are_likely():
    from curalab.label_errors._second_head import weights_of

    rng = np.random.default_rng(0)
    told, chatter = rng.normal(size=(2, 3000, 3))
    proba = np.exp(2 * told)
    codes = (proba.cumsum(axis=1) < rng.random((3000, 1)) * proba.sum(axis=1, keepdims=True)).sum(1)
    found = weights_of([told, chatter], codes, np.eye(3))
    np.testing.assert_allclose(found, [2, 0], atol=0.15)
    assert found.min() >= 0


def test_two_heads_rank_better_than_one_where_labels_are_few(monkeypatch):
    """Six classes in eight of 68 columns; the rest is noise."""
    from curalab.label_errors import consensus

    gain = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = rng.integers(6, size=1000)
        x = 1.3 * rng.normal(size=(6, 8))[truth] + rng.normal(size=(1000, 8))
        x = np.hstack([x, rng.normal(size=(1000, 60))])
        wrong = rng.random(1000) < 0.1
        labels = (truth + wrong * rng.integers(1, 6, 1000)) % 6
        emb = Embedding(vectors=x, metric="euclidean")
        scores = []
        for few in (5_000, 0):
            monkeypatch.setattr(consensus, "_FEW", few)
            bad = find_label_errors(emb, labels, random_state=0)
            scores.append(average_precision_score(wrong, -bad.quality))
        gain.append(scores[0] - scores[1])
    assert np.mean(gain) > 0.001


def test_doubted_rows_vote_for_what_they_may_be_and_rows_of_no_label_not_at_all():
    from curalab.label_errors._votes import corrected, votes

    pool = Pool(embedding=np.array([[1.0, 0], [1, 0], [1, 0]]), labels=["a", "b", None])
    likely = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    said = corrected(pool, likely, np.array([0.9, 0.4, 0.0]))
    np.testing.assert_allclose(said, [[0.9, 0.005], [0.18, 0.4], [0, 0]])
    usual = said.sum(axis=0) / said.sum()
    told = [said[others].sum(axis=0) + usual for others in ([1, 2], [0, 2], [0, 1])]
    told = np.array(told) / np.sum(told, axis=1, keepdims=True) / 0.5
    np.testing.assert_allclose(np.exp(votes(pool, said, [2])), told)
    np.testing.assert_allclose(votes(pool, said, [2, 2]), votes(pool, said, [2]))


def test_wide_votes_reach_a_tenth_of_a_class_and_no_further_than_three_times_k():
    for rows, reach in ((30, [10]), (150, [10, 15]), (800, [10, 30])):
        pool = Pool(embedding=np.ones((2 * rows, 2)), labels=np.arange(2 * rows) % 2)
        assert Consensus()._reach(pool) == reach


def test_two_classes_that_come_close_speak_against_a_label_more_than_one():
    from curalab.label_errors.consensus import _odds

    quality = _odds(np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.0]]), np.zeros(2, dtype=int))
    np.testing.assert_allclose(quality, [0.4 / (0.4 + 0.18**0.5), 4 / 7])


def test_labels_that_have_nothing_to_do_with_the_rows_are_not_called_errors():
    rng = np.random.default_rng(0)
    for share in (0.5, 0.1):
        labels = rng.random(300) < share
        bad = find_label_errors(rng.normal(size=(300, 6)), labels, random_state=0)
        assert not bad.is_error.any()
        assert bad.details["cut"]["rule"] == (
            "none: the labels agree with what is held out no more than by chance"
        )


def test_a_weak_model_does_not_make_every_doubt_an_error():
    """Half of the rows look like two classes; 5 % of the labels are wrong."""
    rng = np.random.default_rng(0)
    which = rng.integers(3, size=1500)
    x = np.array([[2.0, 0], [0, 2], [1, 1]])[which] + 0.6 * rng.normal(size=(1500, 2))
    wrong = rng.random(1500) < 0.05
    given = np.where(wrong, (which + rng.integers(1, 3, 1500)) % 3, which)
    emb = Embedding(vectors=x, metric="euclidean")
    bad = find_label_errors(emb, given, random_state=0)
    doubted = found(bad.pool, Consensus(confusions=0)).is_error
    assert doubted.sum() > 4 * wrong.sum()
    assert bad.is_error.sum() < 0.7 * doubted.sum()
    assert bad.details["estimated_errors"]["n"] < 2 * wrong.sum()


@pytest.mark.parametrize(("power", "low", "high"), [(0, 0.0, 0.2), (0.5, 0.3, 0.7), (1, 0.8, 1.0)])
def test_likeness_is_how_far_wrong_labels_fall_on_rows_that_look_like_them(power, low, high):
    rng = np.random.default_rng(0)
    belief = rng.dirichlet([8, 1, 1, 1], 20_000)[:, rng.permutation(4)]
    odds = belief**power
    np.put_along_axis(odds, belief.argmax(axis=1)[:, None], 0, axis=1)
    other = (
        odds.cumsum(axis=1) / odds.sum(axis=1, keepdims=True) > rng.random((20_000, 1))
    ).argmax(1)
    share = odds.max(axis=1) / odds.max()  # the more another class is like it, the likelier wrong
    codes = np.where(rng.random(20_000) < 0.3 * share, other, belief.argmax(axis=1))
    assert low <= likeness(belief, codes) <= high


def test_beliefs_are_sharpened_to_the_power_that_the_labels_ask_for():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1, 1], 5_000)
    codes = (true.cumsum(axis=1) > rng.random((5_000, 1))).argmax(axis=1)
    flat = true**0.5 / (true**0.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sharpened(flat, flat, codes, np.eye(3)), true, atol=1e-9)
    np.testing.assert_allclose(sharpened(true, true, codes, np.eye(3)), true, atol=1e-9)


def test_a_number_of_confusions_is_used_and_none_estimates_it(planted):
    bad, _, _ = planted
    assert 0 < bad.details["confusions"] < 1
    none, all_of_it = (found(bad.pool, Consensus(confusions=c)) for c in (0, 1))
    assert (none.details["confusions"], all_of_it.details["confusions"]) == (0, 1)
    assert (none.quality != all_of_it.quality).mean() > 0.9


def test_the_transition_is_how_labels_go_wrong(planted):
    bad, _, truth = planted
    chance = bad.details["transition"]
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    assert chance.index.tolist() == chance.columns.tolist() == bad.pool.classes.tolist()
    seen = pd.crosstab(pd.Series(truth), pd.Series(bad.pool.labels), normalize="index")
    seen = seen.reindex(index=chance.index, columns=chance.columns, fill_value=0)
    assert np.corrcoef(chance.to_numpy().ravel(), seen.to_numpy().ravel())[0, 1] > 0.98


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n_classes=st.integers(2, 4), n=st.integers(12, 30))
def test_quality_below_one_half_is_another_suggestion(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(n_classes).repeat(3), rng.integers(0, n_classes, n))
    proba = rng.dirichlet(np.ones(n_classes), len(labels))
    x = rng.normal(size=(len(labels), 3))
    bad = find_label_errors(x, labels, proba=proba, random_state=0)
    assert ((bad.quality >= 0) & (bad.quality <= 1)).all()
    other = bad.suggested.astype(int) != labels
    assert (other == (bad.quality < 0.5)).all()
    assert other[bad.is_error].all()
