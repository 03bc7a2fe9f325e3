"""Pairs that belong together: hand-computed cosines, planted wrong captions, limits, errors."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.selectors._cascade import cascade
from curalab.selectors.pair_alignment import PairAlignment

IMAGES = cl.Embedding(vectors=np.array([[3.0, 0], [1, 0], [0, 1]]), ids=list("abc"))
CAPTIONS = cl.Embedding(vectors=np.array([[1.0, 1], [5, 0], [0, 2]]), ids=list("cba"))


def test_cosines_by_hand_and_partners_by_id():
    pick = cl.select(IMAGES, 3, method=PairAlignment(other=CAPTIONS))
    assert pick.ids.tolist() == ["b", "c", "a"]
    assert pick.gain == pytest.approx([1, 0.5**0.5, 0], abs=1e-6)


def test_the_metric_of_the_pool_does_not_matter():
    plain = cl.Embedding(vectors=IMAGES.vectors, ids=IMAGES.ids, metric="euclidean")
    pick = cl.select(plain, 1, method=PairAlignment(other=CAPTIONS))
    assert pick.gain == pytest.approx([1])


def test_rows_that_do_not_pass_come_last():
    limits = cascade(
        pd.DataFrame({"nsfw": [0.1, 0.9, 0.2]}, index=list("abc")), {"s": "nsfw < 0.5"}
    )
    method = PairAlignment(other=CAPTIONS, least=0.5, limits=limits)
    pick = cl.select(IMAGES, 3, method=method)
    assert pick.ids.tolist() == ["c", "b", "a"]
    assert pick.details["passing"].tolist() == [True, False, False]
    assert pick.details["n_passing"] == 1
    mask = pd.Series([True, False, True], index=list("cba"))
    alike = cl.select(IMAGES, 3, method=PairAlignment(other=CAPTIONS, least=0.5, limits=mask))
    assert alike.ids.tolist() == ["c", "b", "a"]


def test_planted_wrong_captions_are_left_out():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(300, 16))
    caption = image + rng.normal(size=(300, 16))
    wrong = rng.random(300) < 0.4
    caption[wrong] = caption[wrong][rng.permutation(wrong.sum())]
    pool = cl.Embedding(vectors=image)
    shares = {}
    for name, method in {
        "ours": PairAlignment(other=cl.Embedding(vectors=caption)),
        "random": "random",
    }.items():
        pick = cl.select(pool, 150, method=method, random_state=0)
        shares[name] = wrong[pick.rows].mean()
    assert shares["ours"] < 0.03
    assert shares["random"] > 0.25


def test_it_keeps_the_promises_of_a_selector():
    from curalab.testing._pools import planted

    frame = cl.testing.check_method("selectors", PairAlignment(other=planted().embedding))
    assert frame["kept"].all()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"other": np.eye(3)},
            TypeError,
            "The 'other' parameter must be an Embedding. Got ndarray instead.",
        ),
        (
            {"other": cl.Embedding(vectors=np.eye(3))},
            ValueError,
            "The 'other' parameter must be of 2 dimensions, as the embedding is. Got 3 instead.",
        ),
        (
            {"other": CAPTIONS, "least": 2},
            ValueError,
            "The 'least' parameter must be a number from -1 to 1. Got 2 instead.",
        ),
        (
            {"other": CAPTIONS, "limits": [0, 1, 2]},
            TypeError,
            "The 'limits' parameter must be a Cascade, or True and False, one a row. "
            "Got dtype int64 instead.",
        ),
    ],
)
def test_errors_say_what_to_do(settings, error, text):
    with pytest.raises(error) as caught:
        cl.select(IMAGES, 1, method=PairAlignment(**settings))
    assert str(caught.value) == text


def test_partners_of_other_rows_are_refused():
    other = cl.Embedding(vectors=np.eye(2), ids=["a", "x"])
    with pytest.raises(cl.AlignmentError, match="only in 'other'"):
        cl.select(IMAGES, 1, method=PairAlignment(other=other))
