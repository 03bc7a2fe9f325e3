import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab.explanations._prototypes import shared_prototypes

ONLY = {"old": [5], "new": [6, 7]}  # blobs 0 to 4 are in both


def blobs(n_old, n_new, *, seed=0):
    """Two datasets that share five of eight blobs, with the blob of each row."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, 16))
    parts = {}
    for name, n in (("old", n_old), ("new", n_new)):
        blob = np.arange(n) % (5 + len(ONLY[name]))
        blob = np.where(blob < 5, blob, np.array(ONLY[name])[np.maximum(blob - 5, 0)])
        x = centres[blob] + rng.normal(size=(n, 16)) * 0.5
        ids = [f"{name}-{i}-blob{b}" for i, b in enumerate(blob)]
        parts[name] = Embedding(vectors=x, ids=ids)
    return parts


def blob_of(ids):
    return {int(str(i)[-1]) for i in ids}


@pytest.mark.parametrize("sizes", [(420, 420), (1200, 140)])
@pytest.mark.parametrize("n_prototypes", [8, 16])
def test_what_one_dataset_has_alone_is_found(sizes, n_prototypes):
    found = shared_prototypes(blobs(*sizes), n_prototypes=n_prototypes, random_state=0)
    blob = found.assigned["id"].map(lambda i: int(i[-1]))
    specific = found.is_specific[found.assigned["prototype"]]
    assert specific[blob >= 5].mean() > 0.97
    assert specific[blob < 5].mean() < 0.03
    for name, own in ONLY.items():
        rows = found.only_in(name)
        assert (rows["prototype_dataset"] == name).all()
        nearest = set().union(*(blob_of(found.nearest[i][name]) for i in rows.index))
        assert nearest == set(own)


def test_shares_by_hand():
    x, y, z = np.eye(3)
    found = shared_prototypes(
        {"a": np.array([x] * 30 + [y] * 10), "b": np.array([x] * 10 + [y] * 10 + [z] * 20)},
        n_prototypes=3,
        random_state=0,
    )
    frame = found.to_frame().set_index(found.share["a"])
    assert sorted(frame.index) == [0.0, 0.25, 0.75]
    assert frame["share_b"].to_dict() == {0.0: 0.5, 0.25: 0.25, 0.75: 0.25}
    # (largest part of the shares - 1/2) / (1 - 1/2)
    assert frame["prototype_specificity"].to_dict() == {0.0: 1.0, 0.25: 0.0, 0.75: 0.5}
    assert frame["prototype_dataset"].to_dict()[0.75] == "a"
    assert frame["is_specific"].to_dict() == {0.0: True, 0.25: False, 0.75: True}
    assert found.ids.tolist() == [0, 1, 2]
    assert found.specificity.tolist() == [1.0, 0.5, 0.0]
    assert repr(found) == "Prototypes(3 of a, b; 2 specific)"


def test_one_dataset_cut_in_two_has_nothing_specific():
    x = np.random.default_rng(1).normal(size=(600, 8))
    found = shared_prototypes(x, groups=np.arange(600) % 3, n_prototypes=20, random_state=0)
    assert not found.is_specific.any()
    assert found.share.columns.tolist() == ["0", "1", "2"]
    assert found.share.sum().tolist() == pytest.approx([1, 1, 1])


def test_a_mapping_a_pool_and_groups_say_the_same():
    parts = blobs(140, 140)
    ids = parts["old"].ids.append(parts["new"].ids)
    one = Embedding(vectors=np.concatenate([p.vectors for p in parts.values()]), ids=ids)
    groups = pd.Series(["old"] * 140 + ["new"] * 140, index=ids)
    by_groups = shared_prototypes(one, groups=groups.sample(frac=1), random_state=3)
    by_pool = shared_prototypes(Pool(embedding=one, groups=groups), random_state=3)
    by_name = shared_prototypes(parts, random_state=3)
    for other in (by_pool, by_name):
        pd.testing.assert_frame_equal(by_groups.to_frame(), other.to_frame())
    assert by_groups.params["random_state"] == 3


def test_more_prototypes_than_distinct_rows():
    rows = np.array([[1.0, 0], [0, 1.0]] * 4)
    found = shared_prototypes(rows, groups=list("aabbaabb"), n_prototypes=8, random_state=0)
    assert len(found) == 2


def test_the_result_survives_the_disk(tmp_path):
    found = shared_prototypes(blobs(70, 70), n_prototypes=8, random_state=0)
    found.save(tmp_path / "found")
    opened = type(found).open(tmp_path / "found")
    pd.testing.assert_frame_equal(opened.to_frame(), found.to_frame(), check_dtype=False)
    assert found._repr_html_()


def test_errors():
    x = np.eye(4)
    cases = [
        (
            lambda: shared_prototypes(x),
            "The 'groups' parameter must be the dataset of each row. Got None instead. "
            'Pass groups=…, or the datasets by name: {"a": …, "b": …}.',
        ),
        (
            lambda: shared_prototypes({"a": x}),
            "The 'groups' parameter must be the names of two datasets or more. Got 1 dataset "
            "instead.",
        ),
        (
            lambda: shared_prototypes({}),
            "The 'embedding' parameter must be the names of two datasets or more. Got an empty "
            "mapping instead.",
        ),
        (
            lambda: shared_prototypes(x, groups=["a", "b", None, "a"]),
            "The 'groups' parameter must be the dataset of each row. Got 1 rows without one "
            "instead.",
        ),
        (
            lambda: shared_prototypes({"a": x, "b": x[:, :3] + 1}),
            "The 'embedding' parameter must be datasets of one space. Got a: 4 dimensions, "
            "cosine; b: 3 dimensions, cosine instead.",
        ),
        (
            lambda: shared_prototypes(x, groups=list("abab"), n_prototypes=5),
            "The 'n_prototypes' parameter must be an integer from 1 to 4. Got 5 instead.",
        ),
        (
            lambda: shared_prototypes(x, groups=list("abab"), n_prototypes=2).only_in("c"),
            "The 'dataset' parameter must be one of 'a', 'b'. Got 'c' instead.",
        ),
    ]
    for call, says in cases:
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == says
    with pytest.raises(TypeError, match="must be None where datasets come by name"):
        shared_prototypes({"a": x, "b": x}, groups=list("abab"))
    with pytest.raises(ValueError, match="NaN or infinite"):
        shared_prototypes({"a": x, "b": x * np.nan})
