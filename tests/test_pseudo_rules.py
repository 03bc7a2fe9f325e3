import logging

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.pseudo_labels import LabelModel, apply_rules, fuse, labeling_function, pseudo_label

TEXTS = pd.Series(["a great film", "bad", "great but bad", "so so"], index=list("wxyz"))


@labeling_function
def great(text):
    return "good" if "great" in text else None


@labeling_function("says bad")
def bad(text):
    return "poor" if "bad" in text else None


def short(text):
    return np.str_("poor") if len(text) < 4 else np.nan


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


# ---- rules ---------------------------------------------------------------------------------------


def test_the_table_of_rules_by_hand():
    labels = pd.Series(["poor", None, "poor", "good"], index=list("zyxw"))
    found = apply_rules(TEXTS, [great, bad, short], labels=labels)
    assert found.votes["great"].tolist() == ["good", None, "good", None]
    assert found.votes["says bad"].tolist() == [None, "poor", "poor", None]
    assert found.votes["short"].tolist() == [None, "poor", None, None]
    assert found.votes.index.equals(TEXTS.index)
    table = found.table
    assert table["classes"].tolist() == ["good", "poor", "poor"]
    assert table["coverage"].tolist() == [0.5, 0.5, 0.25]
    assert table["overlap"].tolist() == [0.25, 0.5, 0.25]
    assert table["conflict"].tolist() == [0.25, 0.25, 0]
    assert table["n_checked"].tolist() == [1, 1, 1]
    assert table["accuracy"].tolist() == [1, 1, 1]
    assert repr(found) == "RuleVotes(4 items, 3 rules, 75.0% covered)"


def test_a_rule_that_raises_is_named_and_counted_and_the_others_go_on(caplog):
    def breaks(text):
        return {"bad": "poor"}[text]

    with caplog.at_level(logging.WARNING):
        found = apply_rules(TEXTS, [breaks, great])
    assert found.votes["breaks"].tolist() == [None, "poor", None, None]
    assert found.votes["great"].tolist() == ["good", None, "good", None]
    assert found.table["n_errors"].tolist() == [3, 0]
    assert found.table["first_error"].tolist() == ["KeyError: 'a great film'", ""]
    told = "the rule 'breaks' raised on 3 items, first KeyError: 'a great film'"
    assert repr(found) == f"RuleVotes(4 items, 2 rules, 75.0% covered; {told})"
    assert caplog.messages == [told]
    pool = cl.Pool(embedding=np.eye(4), data=TEXTS, classes=["good", "poor"])
    method = LabelModel(rules=[breaks, great], end_model=False)
    soft = pseudo_label(pool, method=method, random_state=0)
    assert soft.details["rules"]["n_errors"].tolist() == [3, 0]


def test_a_row_of_a_table_is_a_dict_with_its_own_types():
    table = pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5], "t": ["a", "b"]})
    seen = []
    apply_rules(table, [seen.append])
    assert seen == [{"n": 1, "x": 0.5, "t": "a"}, {"n": 2, "x": 1.5, "t": "b"}]


def test_rules_of_one_name_are_numbered():
    found = apply_rules(["a"], [lambda text: "x", lambda text: "y", great])
    assert found.table.index.tolist() == ["<lambda> 0", "<lambda> 1", "great"]


def test_errors_name_the_rule_and_the_item():
    assert message(ValueError, apply_rules, TEXTS, [great, bad], classes=["good", "awful"]) == (
        "The 'rules' parameter must be functions that return None or a class out of 'good', "
        "'awful'. Got 'poor' by the rule 'says bad' for the item 'x' instead."
    )
    assert message(ValueError, apply_rules, [0], [lambda item: item == 0], classes=[0, 1]) == (
        "The 'rules' parameter must be functions that return None or a class out of 0, 1. "
        "Got True by the rule '<lambda>' for the item 0 instead."
    )
    form = "a list of functions that take one item and return a class or None"
    for rules, got in (([], "no function"), (great, "function"), ([great, "bad"], "'bad'")):
        told = f"The 'rules' parameter must be {form}. Got {got} instead."
        assert message(TypeError, apply_rules, TEXTS, rules) == told
    assert message(TypeError, labeling_function, 3) == (
        "The 'name' parameter must be a str. Got 3 instead. Decorate with @labeling_function."
    )


def test_items_come_one_by_one():
    rule = "a DataFrame, a Series or a sequence of items"
    for items, got in ((None, "NoneType"), ("hello", "str"), (map(str, TEXTS), "map")):
        told = f"The 'items' parameter must be {rule}. Got {got} instead."
        assert message(TypeError, apply_rules, items, [great]) == told
    assert repr(apply_rules([], [great])) == "RuleVotes(0 items, 1 rules, 0.0% covered)"


@pytest.mark.parametrize("vote", [["good"], np.array(["good", "poor"])])
def test_a_list_is_no_class(vote):
    def listed(text):
        return vote

    told = message(ValueError, apply_rules, TEXTS, [listed])
    assert told.startswith("The 'rules' parameter must be functions that return None or a class. ")
    assert told.endswith("by the rule 'listed' for the item 'w' instead.")
    told = message(ValueError, apply_rules, TEXTS, [great, listed])
    assert "a class out of 'good'. Got" in told


def test_classes_named_twice():
    told = "The 'classes' parameter must be of distinct classes. Got 'good' twice instead."
    twice = ["good", "poor", "good"]
    labels = ["good", "poor", None, None]
    assert message(ValueError, apply_rules, TEXTS, [great], labels=labels, classes=twice) == told
    assert message(ValueError, LabelModel, rules=[great], classes=twice) == told
    half = np.full((4, 2), 0.5)
    told = "The 'classes' parameter must be of distinct classes. Got 'a' twice instead."
    assert message(ValueError, fuse, [half, half], classes=["a", "a"]) == told
    frame = pd.DataFrame(half, columns=["a", "a"])
    assert message(ValueError, fuse, [frame, frame]) == told.replace("classes'", "opinions'")


# ---- the label model -----------------------------------------------------------------------------


def planted(accuracy, coverage, n=2000, n_classes=3, seed=0):
    """Return the truth and independent weak labels of it, None where a rule abstains."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    votes = np.full((n, len(accuracy)), None, dtype=object)
    for j, (right, voted) in enumerate(zip(accuracy, coverage, strict=True)):
        wrong = (truth + rng.integers(1, n_classes, size=n)) % n_classes
        said = np.where(rng.random(n) < right, truth, wrong)
        some = rng.random(n) < voted
        votes[some, j] = np.array(list("abcd"), dtype=object)[said[some]]
    return np.array(list("abcd"), dtype=object)[truth], votes


def majority(votes):
    count = np.stack([(votes == c).sum(axis=1) for c in "abc"], axis=1)
    return np.array(list("abc"), dtype=object)[count.argmax(axis=1)]


def blind(n):
    return np.ones((n, 2)) + np.arange(n)[:, None] % 2 * [[0, 1e-3]]


def labelled(votes, labels=None, **settings):
    method = LabelModel(votes=votes, end_model=False, **settings)
    return pseudo_label(blind(len(votes)), labels, method=method, random_state=0)


@pytest.mark.parametrize("confusion", [False, True])
def test_planted_accuracies_are_found_and_beat_the_majority(confusion):
    accuracy = [0.9, 0.55, 0.5, 0.45, 0.5]
    truth, votes = planted(accuracy, [0.9, 0.9, 0.8, 0.9, 0.7])
    soft = labelled(votes, confusion=confusion)
    estimate = soft.details["rules"]["estimated_accuracy"]
    np.testing.assert_allclose(estimate, accuracy, atol=0.06)
    ours, plain = (soft.labels == truth).mean(), (majority(votes) == truth).mean()
    assert ours > plain + 0.05
    assert abs(soft.confidence.mean() - ours) < 0.05


def test_one_vote_is_the_expected_accuracy_by_hand():
    """One vote of one rule that names one class: prior 10 + 1 votes of .8, and itself."""
    soft = labelled([["a"], [None]], classes=["a", "b"])
    told = soft.details["rules"]["estimated_accuracy"].iloc[0]
    assert soft.proba[0, 0] == pytest.approx(told, abs=1e-4)
    assert told == pytest.approx((told + 11 * 0.8) / 12, abs=1e-4)
    assert soft.proba[1].tolist() == [0.5, 0.5]
    assert soft.details["source"].tolist() == ["0", "nobody"]


def test_a_confusion_is_learned_that_one_accuracy_cannot_hold():
    """Three raters take a quarter of the classes b for a, in a way of their own."""
    rng = np.random.default_rng(1)
    truth = rng.choice(list("abc"), size=3000)
    votes = np.stack([truth] * 5, axis=1).astype(object)
    for j in range(5):
        votes[(truth == "b") & (rng.random(3000) < (0.65 if j < 3 else 0.1)), j] = "a"
    accuracy = {c: (labelled(votes, confusion=c).labels == truth).mean() for c in (False, True)}
    assert accuracy[True] > accuracy[False] + 0.02
    assert accuracy[True] > 0.88


def test_one_sided_rules_do_not_drive_all_rows_into_one_class():
    rng = np.random.default_rng(0)
    truth = np.repeat(["ham", "spam"], 500)
    votes = np.full((1000, 8), None, dtype=object)
    for j in range(8):
        label = "spam" if j < 5 else "ham"
        rate = np.where(truth == label, 0.3, 0.3 * (0.03 if j < 5 else 0.4))
        votes[rng.random(1000) < rate, j] = label
    soft = labelled(votes)
    some = pd.DataFrame(votes).notna().any(axis=1).to_numpy()
    assert (soft.labels == truth)[some].mean() > 0.87
    estimate = soft.details["rules"]["estimated_accuracy"]
    assert estimate[:5].min() > estimate[5:].max()


def test_copies_of_a_rule_count_once_and_are_reported(caplog):
    truth, votes = planted([0.8, 0.8, 0.6], [1, 1, 1])
    copied = pd.DataFrame(votes[:, [0, 1, 2, 2, 2, 2]], columns=list("pqrstu"))
    with caplog.at_level(logging.WARNING):
        many = labelled(copied)
    assert many.details["rules"]["copies"].tolist() == [1, 1, 4, 4, 4, 4]
    assert caplog.messages[0] == "the rules 'r', 's', 't', 'u' say the same and count as one"
    np.testing.assert_allclose(many.proba, labelled(votes).proba, atol=1e-3)
    assert (many.labels == truth).mean() > (majority(copied.to_numpy()) == truth).mean() + 0.1


def test_given_labels_stay_and_show_which_rule_is_wrong():
    truth, votes = planted([0.9, 0.9, 0.9], [1, 1, 1], n=400)
    votes[:, 2] = np.where(truth == "a", "b", "a")
    labels = pd.Series(truth).where(np.arange(400) < 40, None)
    soft = labelled(votes, labels)
    assert (soft.labels[:40] == truth[:40]).all()
    assert (soft.details["source"][:40] == "given").all()
    table = soft.details["rules"]
    assert table["n_checked"].tolist() == [40, 40, 40]
    assert table["accuracy"].iloc[2] == 0
    assert table["estimated_accuracy"].iloc[2] < 0.25


def blobs(n=600, seed=0):
    """Two classes in five dimensions; a rule for each, that votes on a fifth, .9 of it right."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(["a", "b"], n // 2).astype(object)
    x = rng.normal(size=(n, 5)) + np.where(truth == "a", 0, 3)[:, None] * [1, 0, 0, 0, 0]
    votes = np.full((n, 2), None, dtype=object)
    for j, label in enumerate("ab"):
        votes[rng.random(n) < np.where(truth == label, 0.36, 0.04), j] = label
    return x, truth, votes


def test_rows_on_which_all_rules_abstain_are_labelled_by_their_likes():
    x, truth, votes = blobs()
    emb = cl.Embedding(vectors=x, metric="euclidean")
    soft = pseudo_label(emb, method=LabelModel(votes=votes), random_state=0)
    nobody = pd.DataFrame(votes).isna().all(axis=1).to_numpy()
    assert nobody.mean() > 0.5
    assert (soft.labels == truth)[nobody].mean() > 0.9
    assert (soft.details["source"][nobody] == "end model").all()
    named = pd.Series(soft.details["source"])[~nobody]
    assert set(named) <= {"0", "1", "end model"}
    assert 0.8 < soft.confidence.mean() < (soft.labels == truth).mean() + 0.02
    new = soft.predict([[0, 0, 0, 0, 0], [3, 0, 0, 0, 0]])
    assert new["pseudo_label"].tolist() == ["a", "b"]


def test_votes_are_aligned_by_id_and_arrays_go_by_position():
    x, _, votes = blobs(60)
    ids = [f"i{n}" for n in range(60)]
    emb = cl.Embedding(vectors=x, ids=ids, metric="euclidean")
    frame = pd.DataFrame(votes, index=ids)
    by_id = pseudo_label(emb, method=LabelModel(votes=frame.iloc[::-1]), random_state=0)
    by_place = pseudo_label(emb, method=LabelModel(votes=votes.tolist()), random_state=0)
    assert np.array_equal(by_id.proba, by_place.proba)
    one = pseudo_label(emb, method=LabelModel(votes=frame[0], classes="ab"), random_state=0)
    assert one.details["rules"].index.tolist() == ["0"]


@pytest.mark.parametrize("end_model", [False, True])
def test_hard_pools(end_model):
    def label(x, votes, labels=None, **settings):
        method = LabelModel(votes=votes, end_model=end_model, **settings)
        return pseudo_label(np.asarray(x), labels, method=method, random_state=0)

    assert label(np.eye(2), [["a"], ["b"]]).labels.tolist() == ["a", "b"]
    same = label(np.ones((6, 2)), [["a"], ["a"], ["b"], [None], [None], [None]])
    assert same.labels[:2].tolist() == ["a", "a"]
    assert np.ptp(same.proba[3:], axis=0).max() < 1e-6
    one = label(np.eye(4), [["a"], ["a"], [None], [None]], classes=["a", "b", "c"])
    assert one.labels[:2].tolist() == ["a", "a"]
    assert one.confidence[2] == pytest.approx(1 / 3)
    full = label(np.eye(4), [["a"], ["b"], ["a"], [None]], list("abba"))
    assert full.labels.tolist() == list("abba")


def test_what_the_label_model_refuses():
    x = np.eye(4)
    pool = cl.Pool(embedding=x, classes=["good", "poor"])
    assert message(ValueError, pseudo_label, pool, method=LabelModel()) == (
        "The 'rules' parameter must be labeling functions, or 'votes' what they said. "
        "Got neither instead."
    )
    assert message(ValueError, pseudo_label, pool, method=LabelModel(rules=[great])) == (
        "The 'rules' parameter must be None without data. Got rules instead. "
        "Pass Pool(embedding=…, data=…), or an embedding made by embed."
    )
    assert message(ValueError, pseudo_label, x, method=LabelModel(rules=[great])) == (
        "The 'labels' parameter must be of at least 2 classes. Got no label instead. "
        "Or name them: classes=… of the method."
    )
    silent = LabelModel(rules=[lambda text: None])
    with_data = pool.replace(data=TEXTS)
    assert message(ValueError, pseudo_label, with_data, method=silent) == (
        "The 'rules' parameter must be such that a rule votes. Got no vote on 4 rows instead."
    )
    assert message(ValueError, LabelModel, votes=[[0, -1], [1, 1]]) == (
        "The 'votes' parameter must be classes, or None or NaN, unless classes=… has -1. "
        "Got -1 instead. Where it means that a rule abstains: votes.where(votes != -1)."
    )
    odd = LabelModel(votes=pd.DataFrame({"r": ["good", "x", None, None]}), classes=["good", "poor"])
    assert message(ValueError, pseudo_label, x, method=odd) == (
        "The 'votes' parameter must be missing (None or NaN) or a class out of 'good', 'poor'. "
        "Got 'x' by the rule 'r' for the item 1 instead."
    )


def test_votes_name_classes_beside_those_of_the_pool():
    x, truth, votes = blobs(60)
    only_b = np.where(votes == "b", "b", None)
    labels = np.where(np.arange(60) % 3 == 0, truth, None)
    soft = pseudo_label(x, labels, method=LabelModel(votes=only_b), random_state=0)
    assert soft.classes.tolist() == ["a", "b"]
    by_rules = cl.Pool(embedding=x, labels=labels, data=[*range(60)])
    rules = [lambda at, j=j: only_b[at, j] for j in range(only_b.shape[1])]
    again = pseudo_label(by_rules, method=LabelModel(rules=rules), random_state=0)
    assert np.array_equal(soft.proba, again.proba)
    only_a = np.where(truth == "a", labels, None)
    soft = pseudo_label(x, only_a, method=LabelModel(votes=only_b), random_state=0)
    assert soft.classes.tolist() == ["a", "b"]
    stated = LabelModel(votes=only_b, classes=["b", "c"])
    assert message(ValueError, pseudo_label, x, labels, method=stated) == (
        "The 'labels' parameter must be of the classes that the method names ('b', 'c'). "
        "Got 'a' instead."
    )


def test_votes_of_three_dimensions():
    assert message(ValueError, LabelModel, votes=np.full((2, 2, 2), "a")) == (
        "The 'votes' parameter must be of shape (n_items, n_rules). Got shape (2, 2, 2) instead."
    )


def test_label_models_are_values():
    frame = pd.DataFrame({"r": ["a", "b"]})
    assert LabelModel(votes=frame) == LabelModel(votes=frame.copy())
    assert LabelModel(votes=frame) != LabelModel(votes=frame[::-1].reset_index(drop=True))
    assert LabelModel(rules=[great]) != LabelModel(rules=[bad])
    assert LabelModel(votes=frame).told == ("a", "b")
    assert LabelModel(rules=[great]) != "label_model"


# ---- fuse ----------------------------------------------------------------------------------------


def model(truth, accuracy, confidence, rng):
    wrong = (truth + rng.integers(1, 3, size=len(truth))) % 3
    said = np.where(rng.random(len(truth)) < accuracy, truth, wrong)
    return np.where(np.eye(3)[said] > 0, confidence, (1 - confidence) / 2)


def test_auto_filters_by_agreement_where_models_overrate_themselves():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=2000)
    honest = fuse([model(truth, 0.9, 0.9, rng), model(truth, 0.9, 0.9, rng)])
    assert honest.details == {"how": "entropy", "gap": 0}
    assert honest.keep.all()
    parts = [model(truth, 0.6, 0.95, rng), model(truth, 0.6, 0.95, rng)]
    proud = fuse(parts)
    agreed = (parts[0].argmax(axis=1) == parts[1].argmax(axis=1)).mean()
    assert proud.details["how"] == "agreement"
    assert proud.details["gap"] == pytest.approx(0.9 - agreed)
    assert (proud.labels == truth)[proud.keep].mean() > 0.8
    assert (proud.labels == truth).mean() < 0.65


def test_the_surer_opinion_weighs_more_and_a_missing_one_nothing():
    one = np.array([[0.55, 0.45], [0.5, 0.5], [np.nan, np.nan], [np.nan, np.nan]])
    two = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3], [np.nan, np.nan]])
    fused = fuse({"p": one, "q": two}, how="entropy", classes=["a", "b"])
    weigh = [1 + (p * np.log2(p)).sum() for p in (one[0], two[0])]
    np.testing.assert_allclose(fused.proba[0], np.average([one[0], two[0]], axis=0, weights=weigh))
    np.testing.assert_allclose(fused.proba[1:3], two[1:3], atol=1e-6)
    assert fused.labels.tolist() == ["b", "a", "a", None]
    assert fused.keep.tolist() == [True, True, True, False]
    assert fused.source.tolist() == ["q", "p, q", "q", ""]
    assert fuse([one, two], how="agreement").keep.tolist() == [False, True, False, False]
    assert fuse([one, two], how="entropy", least=0.75).keep.tolist() == [True, True, False, False]


def test_opinions_are_aligned_by_id_and_class_and_given_labels_stay():
    x, truth, _ = blobs(60)
    ids = pd.Index([f"i{n}" for n in range(60)])
    labels = pd.Series(truth, index=ids).where(np.arange(60) % 6 == 0, None)
    soft = pseudo_label(cl.Embedding(vectors=x, ids=ids), labels, random_state=0)
    other = pd.DataFrame({"b": np.ones(60), "a": np.zeros(60)}, index=ids)
    fused = fuse([other.iloc[::-1], soft], how="entropy")
    assert fused.ids.equals(ids[::-1])
    again = fused.to_frame().loc[ids]
    assert (again["fused_label"] == truth)[soft.given].all()
    assert (again["fused_source"] == "given").equals(pd.Series(soft.given, index=ids))
    assert fuse([fused, soft], how="agreement").classes.tolist() == ["b", "a"]


def test_what_fuse_refuses(tmp_path):
    one = np.array([[0.5, 0.5]])
    form = "a list of two or more arrays, DataFrames or PseudoLabels"
    told = f"The 'opinions' parameter must be {form}. Got 1 instead."
    assert message(ValueError, fuse, [one]) == told
    told = f"The 'opinions' parameter must be {form}. Got ndarray instead."
    assert message(TypeError, fuse, one) == told
    assert message(ValueError, fuse, [one, one * 2]) == (
        "The 'opinions' parameter must be probabilities that sum to 1 in a row. "
        "Got 1 rows that do not (ids 0) instead."
    )
    assert message(ValueError, fuse, [one, np.ones((1, 1))]) == (
        "The 'opinions' parameter must be of shape (1, 2), rows by classes. "
        "Got shape (1, 1) instead."
    )
    frames = [pd.DataFrame(one, columns=list(names)) for names in ("ab", "ac")]
    assert message(ValueError, fuse, frames) == (
        "The 'opinions' parameter must be of the same classes: 'a', 'b'. Got 'a', 'c' instead."
    )
    with pytest.raises(ValueError, match="one of 'auto', 'agreement', 'entropy'"):
        fuse([one, one], how="mean")
    kept = fuse([one, one])
    kept.save(tmp_path / "fused")
    opened = type(kept).open(tmp_path / "fused").to_frame()
    pd.testing.assert_frame_equal(opened, kept.to_frame(), check_dtype=False)


@pytest.mark.parametrize("opinions", [["a", "b"], [None, None], [[], []], [[["x"]], [["y"]]]])
def test_what_is_no_opinion(opinions):
    with pytest.raises((TypeError, ValueError), match="The 'opinions' parameter must be "):
        fuse(opinions)


def test_discovered_classes_of_two_opinions_are_not_joined_by_name():
    x, truth, _ = blobs(60)
    labels = np.where(np.arange(60) % 2, truth, None)

    def discovering(pool, *, rng):
        return np.tile([0.1, 0.1, 0.8], (len(pool), 1))

    soft = pseudo_label(x, labels, method=discovering)
    named = pd.DataFrame(soft.proba, columns=soft.classes)
    assert fuse([soft, named]).classes.tolist() == ["a", "b", "new_0"]
    assert message(ValueError, fuse, {"text": soft, "image": soft, "sound": named}) == (
        "The 'opinions' parameter must be such that at most one of them discovered classes. "
        "Got discovered classes of 'text', 'image' instead. "
        "Name the classes: pass DataFrames of `proba` whose columns are the same classes."
    )
