"""Label errors planted in digits are found, as the project promises of its default call."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from curalab import Embedding, samples
from curalab.label_errors import find_label_errors


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    return table, Embedding(vectors=pixels, ids=table.index)


def found(digits, kind, seed, **settings):
    table, emb = digits
    given = {"embedding": emb.vectors} if kind == "feature_dependent" else {}
    planted = samples.plant_label_errors(table, kind=kind, random_state=seed, **given)
    bad = find_label_errors(emb, planted.items["label"], random_state=0, **settings)
    return bad, planted.truth


@pytest.mark.parametrize(("kind", "least"), [("uniform", 0.97), ("class_conditional", 0.92)])
def test_the_default_call_finds_them(digits, kind, least):
    precision = []
    for seed in range(3):
        bad, truth = found(digits, kind, seed)
        precision.append(average_precision_score(truth["is_error"], -bad.quality))
    assert np.mean(precision) >= least


def test_those_that_look_like_another_class_better_than_by_plain_agreement(digits):
    gain = []
    for seed in range(3):
        bad, truth = found(digits, "feature_dependent", seed)
        plain, _ = found(digits, "feature_dependent", seed, method="knn_agreement")
        score = [average_precision_score(truth["is_error"], -r.quality) for r in (bad, plain)]
        gain.append(score[0] - score[1])
    assert np.mean(gain) >= 0.02


def test_what_is_marked_is_wrong_and_the_suggestion_right(digits):
    bad, truth = found(digits, "uniform", 0)
    wrong = truth["is_error"].to_numpy()
    assert wrong[bad.is_error].mean() > 0.85
    assert bad.is_error[wrong].mean() > 0.75
    suggested = bad.to_frame().loc[bad.is_error & wrong, "label_suggested"]
    assert (suggested == truth.loc[suggested.index, "label"]).mean() > 0.95
