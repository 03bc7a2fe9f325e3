"""Guides for annotators: exemplars that find their class, what is confused, and safe pictures."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import curalab as cl
from curalab.documents._exemplars import (
    average_precision,
    chosen_exemplars,
    retrieval_precision,
)
from curalab.documents._guide import _cross_fitted, labeling_guide
from curalab.pool import as_pool


def kinds(n=30, seed=0):
    """Return vectors, labels and kinds of rows: each of two classes is of three kinds."""
    kind = np.repeat(np.arange(6), [n, n, n // 2, n, n, n // 2])
    rng = np.random.default_rng(seed)
    x = np.eye(6, 12)[kind] + 0.15 * rng.normal(size=(len(kind), 12))
    return x, np.where(kind < 3, "a", "b"), kind


def sure(labels):
    """Return probabilities that give each row its own label."""
    return pd.get_dummies(pd.Series(labels)).to_numpy(dtype=float)


def test_average_precision_by_hand():
    score = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    is_member = np.array([True, False, True, False])
    assert average_precision(score, is_member).tolist() == [
        pytest.approx((1 + 2 / 3) / 2),
        pytest.approx((1 / 2 + 2 / 4) / 2),
    ]
    assert average_precision(score, np.zeros(4, dtype=bool)).tolist() == [0.0, 0.0]


def test_precision_of_given_exemplars_by_hand():
    points = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]])
    codes = np.array([-1, 1, 0, 0])
    found = retrieval_precision(
        points, codes, [np.array([0]), np.array([3]), np.array([0])], rng=np.random.default_rng(0)
    )
    assert found[0] == pytest.approx((1 / 2 + 2 / 3) / 2)  # second and third, behind the other
    assert found[1] == pytest.approx(1 / 3)
    assert np.isnan(found[2])


def test_all_kinds_of_a_class_are_shown():
    x, labels, kind = kinds()
    guide = labeling_guide(x, labels, proba=sure(labels), random_state=0)
    assert set(kind[guide.exemplars[0]]) == {0, 1, 2}
    assert set(kind[guide.exemplars[1]]) == {3, 4, 5}
    assert guide.quality.min() > 0.95
    assert guide.ids.tolist() == ["a", "b"]
    assert guide.size.tolist() == [75, 75]


def test_an_odd_item_does_not_stand_for_its_class():
    x, labels, _ = kinds()
    x[0] = -np.eye(6, 12)[3:].sum(axis=0)  # an "a" that is least like all "b", and like no "a"
    points = cl.Embedding(vectors=x).points
    codes = (labels == "b").astype(int)
    for seed in range(5):
        picked = chosen_exemplars(points, codes, 2, 5, rng=np.random.default_rng(seed))
        assert 0 not in picked[0]


def baselines(points, codes, n, rng):
    """Return the members nearest to the mean of each class, and 20 draws of random ones."""
    members = [np.flatnonzero(codes == c) for c in range(codes.max() + 1)]
    near = []
    for rows in members:
        away = np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1)
        near.append(rows[np.argsort(away)[:n]])
    return [near, *([rng.permutation(rows)[:n] for rows in members] for _ in range(20))]


@pytest.mark.parametrize("data", ["planted", "digits"])
def test_exemplars_beat_random_members_and_the_centre(data):
    x, labels, _ = kinds()
    if data == "digits":
        items = cl.samples.digits()
        x, labels = np.stack(items["image"].tolist()).reshape(len(items), -1), items["label"]
    points, codes = cl.Embedding(vectors=x).points, pd.factorize(labels, sort=True)[0]
    rng = np.random.default_rng(0)
    is_held = rng.random(len(codes)) < 1 / 3
    seen, held = np.where(is_held, -1, codes), np.where(is_held, codes, -1)
    ours = chosen_exemplars(points, seen, codes.max() + 1, 3, rng=rng)
    assert not is_held[np.concatenate(ours)].any()
    near, *drawn = baselines(points, seen, 3, rng)
    gains = [
        retrieval_precision(points, held, rows, rng=np.random.default_rng(1)).mean()
        for rows in (ours, near, *drawn)
    ]
    assert gains[0] > gains[1] + 0.05
    assert gains[0] > np.mean(gains[2:]) + 0.05


def test_quality_is_of_rows_that_were_not_looked_at():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(300, 20)), np.repeat(["a", "b", "c"], 100)
    proba = np.full((300, 3), 1 / 3)
    noise = labeling_guide(x, rng.permutation(labels), proba=proba, random_state=0)
    assert noise.quality.max() < 0.45  # a third is chance; on the rows seen it would be more


def test_borderline_items_and_confused_pairs_come_from_the_probabilities():
    labels = list("aaabbbcc")
    proba = np.array(
        [
            [0.9, 0.1, 0.0],
            [0.6, 0.4, 0.0],
            [0.5, 0.45, 0.05],
            [0.1, 0.9, 0.0],
            [0.3, 0.7, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.2, 0.8],
        ]
    )
    ids = [f"i{n}" for n in range(8)]
    emb = cl.Embedding(vectors=np.eye(8) + 0.1, ids=ids)
    guide = labeling_guide(emb, labels, proba=proba, n=1, random_state=0)
    assert guide.confused.values.tolist()[0] == ["a", "b", pytest.approx((0.95 / 3 + 0.4 / 3) / 2)]
    assert guide.confused.values.tolist()[1][:2] == ["b", "c"]
    (stands,), (torn,) = guide.exemplars[0], guide.borderline[0]
    assert torn == ("i1" if stands == "i2" else "i2")


def test_words_of_texts_and_what_annotators_read():
    texts = ["red apple <b>", "green apple", "ripe apple", "fast car", "old car", "slow *car*"]
    emb = cl.Embedding(
        vectors=[[1, 0.1], [1, 0.2], [1, 0.15], [0.1, 1], [0.2, 1], [0.15, 1]],
        ids=[f"i|{n}" for n in range(6)],
        data=texts,
    )
    labels = ["fruit|", "fruit|", "fruit|", "<car>", "<car>", "<car>"]
    guide = labeling_guide(emb, labels, n=2, random_state=0)
    assert [words[0] for words in guide.words] == ["car", "apple"]
    shown = guide.to_markdown()
    assert (
        "## fruit\\|\n\n3 items; the typical ones find others at average precision 1.00." in shown
    )
    assert "Words: apple" in shown
    assert "| &lt;car&gt; | fruit\\| |" in shown
    assert "<" not in shown
    html = guide._repr_html_()
    assert "<car>" not in html
    assert "&lt;car&gt;" in html
    assert "<b>" not in html
    frame = guide.to_frame()
    assert frame.columns.tolist() == [
        "class_size",
        "class_quality",
        "class_exemplars",
        "class_borderline",
        "class_words",
    ]
    assert repr(guide) == "LabelingGuide(2 classes, retrieval mAP 1.000)"


def test_images_are_thumbnails_in_html():
    items = cl.samples.digits()[:60]
    x = np.stack(items["image"].tolist()).reshape(60, -1)
    emb = cl.Embedding(vectors=x, ids=items.index)
    proba = pd.get_dummies(items["label"]).to_numpy(dtype=float)
    guide = labeling_guide(emb, items["label"], items=items["image"], proba=proba, random_state=0)
    html = guide._repr_html_()
    assert html.count("<img src='data:image/png;base64,") == html.count("<figure>") > 40
    assert len(html) < 100_000
    assert guide.words == [[]] * 10
    assert "digit-0" in guide.to_markdown()


def test_a_folder_of_images_is_shown_and_no_path(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    items = cl.load_items(tmp_path)
    (tmp_path / "cat" / "2.png").write_bytes(b"no image")
    (tmp_path / "dog" / "1.png").unlink()
    emb = cl.Embedding(vectors=rng.normal(size=(6, 4)), ids=items.index)
    guide = labeling_guide(emb, items["label"], items=items["image"], random_state=0)
    shown = {i for ids in guide.exemplars + guide.borderline for i in ids}
    assert shown == set(items.index)
    html = guide._repr_html_()
    assert html.count("<img src='data:image/png;base64,") == 4
    assert "<p>not an image <small>cat/2.png</small></p>" in html
    assert "<p>no such file <small>dog/1.png</small></p>" in html
    assert str(tmp_path) not in html + guide.to_markdown()
    assert guide.words == [[], []]


def test_heads_that_did_not_see_the_row_find_the_confused_pair_and_the_borderline_item():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 40)
    x = np.repeat([[1.0, 0, 0], [0.6, 0.6, 0], [0, 0, 1]], 40, axis=0)
    x = x + 0.15 * rng.normal(size=(120, 3))
    x[7] = [0.8, 0.3, 0]  # half way between a and b
    x[50], labels = [0, 0, 1], labels.astype(object)  # b by name, c by look
    labels[100:] = None
    guide = labeling_guide(cl.Embedding(vectors=x, metric="euclidean"), labels, random_state=0)
    assert guide.confused[["class", "other"]].values.tolist()[0] == ["a", "b"]
    proba = _cross_fitted(
        as_pool(cl.Embedding(vectors=x, metric="euclidean"), labels=labels),
        np.random.default_rng(0),
    )
    assert np.allclose(proba.sum(axis=1), 1)
    assert proba[50].argmax() == 2  # a head that had seen the row would believe its label more
    assert (proba[:40].argmax(axis=1) == 0).mean() > 0.8
    assert (proba[100:].argmax(axis=1) == 2).all()
    assert 7 in guide.borderline[0]


def test_rows_without_a_label_and_classes_of_one():
    x, labels, _ = kinds()
    proba = np.pad(sure(labels), [(0, 0), (0, 1)])
    labels = labels.astype(object)
    labels[:5] = None
    labels[5] = "only"
    guide = labeling_guide(x, labels, proba=proba, random_state=0)
    assert guide.ids.tolist() == ["a", "b", "only"]
    assert guide.exemplars[2] == [5]
    assert guide.borderline[2] == []
    assert np.isnan(guide.quality[2])
    assert not {0, 1, 2, 3, 4} & {i for ids in guide.exemplars + guide.borderline for i in ids}


def test_the_same_seed_gives_the_same_guide(tmp_path):
    x, labels, _ = kinds()
    proba = sure(labels)
    one, two = (labeling_guide(x, labels, proba=proba, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    one.save(tmp_path / "guide")
    back = type(one).open(tmp_path / "guide")
    pd.testing.assert_frame_equal(one.to_frame(), back.to_frame())
    assert back.to_markdown() == one.to_markdown()
    assert one.params["random_state"] == 3


def test_bad_input():
    x, labels, _ = kinds()
    with pytest.raises(ValueError) as error:
        labeling_guide(x, ["a"] * len(x))
    assert str(error.value) == (
        "The 'labels' parameter must be of at least two classes. Got labels of 'a' instead."
    )
    with pytest.raises(ValueError) as error:
        labeling_guide(x, labels, n=0)
    assert str(error.value) == ("The 'n' parameter must be an integer of 1 or more. Got 0 instead.")
