"""Groups of near rows whose labels a held-out model contradicts."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.label_errors import weak_groups


@pytest.fixture(scope="module")
def digits():
    items = cl.samples.digits()
    pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
    return items, cl.Embedding(vectors=pixels, ids=items.index)


def slice_of(emb, rng, size):
    """Return a row drawn at random and those nearest to it."""
    first = rng.integers(len(emb))
    return np.append(first, emb.neighbors(size).indices[first, : size - 1])


@pytest.mark.parametrize("seed", range(2))
def test_a_slice_with_labels_at_random_is_found_and_little_else(digits, seed):
    items, emb = digits
    rng, given = np.random.default_rng(seed), items["label"].to_numpy(copy=True)
    planted = slice_of(emb, rng, 100)
    given[planted[::2]] = rng.choice(np.unique(given), 50)
    bad = cl.find_label_errors(emb, given, random_state=0)
    found = weak_groups(bad.pool)
    assert found["group"].unique().tolist() == [0]
    hit = found.index.isin(emb.ids[planted])
    assert hit.sum() >= 60
    assert hit.mean() >= 0.6
    against = found["given"] != found["predicted"]
    assert against.mean() > 0.25
    assert against.tolist() == sorted(against, reverse=True)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_errors_anywhere_are_no_group(digits, share):
    items, emb = digits
    classes, codes = np.unique(items["label"], return_inverse=True)
    for seed in range(10):
        wrong = np.random.default_rng(seed).random(len(codes)) < share
        proba = np.eye(len(classes))[(codes + wrong) % len(classes)]
        pool = cl.Pool(embedding=emb, labels=items["label"], proba=proba, classes=classes)
        assert weak_groups(pool).empty


def test_the_worst_group_comes_first_and_rows_without_a_label_are_in_none():
    rng = np.random.default_rng(0)
    which = np.repeat([0, 1, 2, 3, 4, 5], 100)
    x = 9 * np.eye(6)[which] + rng.normal(size=(600, 6))
    proba = np.eye(6)[which]
    labels = which.astype(float)
    labels[100:160] = 0  # 60 of 100 contradicted
    labels[200:290] = 3  # 90 of 100
    labels[205:210] = np.nan
    pool = cl.Pool(embedding=x, labels=labels, proba=proba, classes=range(6))
    found = weak_groups(pool)
    assert found["group"].value_counts(sort=False).between(90, 100).tolist() == [True, True]
    assert found.index[:80].isin(range(200, 290)).all()
    assert (found.loc[found["group"] == 0, "predicted"] == 2).all()
    assert not found.index.isin(range(205, 210)).any()


@pytest.mark.parametrize("n", [2, 20, 40])
def test_few_or_equal_rows_give_no_group_of_their_own(n):
    labels = np.arange(n) % 2
    pool = cl.Pool(embedding=np.ones((n, 3)), labels=labels, proba=np.eye(2)[labels])
    assert weak_groups(pool).columns.tolist() == ["group", "given", "predicted"]
    assert weak_groups(pool).empty


def test_without_labels_and_probabilities_it_says_what_it_needs():
    for given in (cl.Pool(embedding=np.eye(4)), np.eye(4)):
        with pytest.raises(ValueError, match="must be a Pool with labels and probabilities"):
            weak_groups(given)
    pool = cl.Pool(embedding=np.eye(4), labels=[0, 0, 1, 1], proba=np.eye(2)[[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="'k' parameter"):
        weak_groups(pool, k=0)


def test_the_audit_tells_them_with_their_rows():
    rng = np.random.default_rng(0)
    which = np.repeat([0, 1, 2, 3], 150)
    x = 4 * np.eye(8)[which] + rng.normal(size=(600, 8))
    label = np.array(["a", "b", "c", "d"], dtype=object)[which]
    label[450:] = rng.choice(["a", "b", "c", "d"], 150)
    items = pd.DataFrame({"label": label})
    report = cl.audit(items, embedding=x, labels="label", random_state=0)
    rows = report.rows("weak groups")
    assert (rows >= 450).mean() > 0.95
    assert len(rows) > 130
    told = report.problems.set_index("problem").loc["weak groups"]
    assert told["evidence"].startswith("in 1 group of near rows, a model that did not see")
    assert told["why"][0].startswith(f"group 0: {len(rows)} rows, ")
    clean = cl.audit(items.assign(label=which), embedding=x, labels="label", random_state=0)
    assert "weak groups" not in clean.problems["problem"].tolist()
    assert clean["weak_groups"].empty
