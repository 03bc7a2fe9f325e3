import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_t

from curalab import Embedding, Pool, samples
from curalab.pseudo_labels import CategoryDiscovery, HiddenClassDiscovery, pseudo_label
from curalab.pseudo_labels._discovery import begin, blurred, compact, constrained, space_of
from curalab.pseudo_labels._matching import share_matched
from curalab.pseudo_labels._rehearsal import _calibrated, _oddness
from curalab.pseudo_labels._split_merge import Prior, _halves, _Sizes, _unlike

BOTH = [CategoryDiscovery(), HiddenClassDiscovery()]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def planted():
    """Nine round classes in eight dimensions; six are known by half of their rows."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(9), 60)
    x = 9 * rng.normal(size=(9, 8))[truth] + rng.normal(size=(540, 8))
    labels = np.array([f"c{code}" if code < 6 else None for code in truth], dtype=object)
    labels[rng.permutation(540)[:270]] = None
    return Embedding(vectors=x, metric="euclidean"), labels, truth


@pytest.fixture(scope="module", params=BOTH, ids=lambda method: type(method).__name__)
def found(planted, request):
    emb, labels, _ = planted
    return pseudo_label(emb, labels, method=request.param, random_state=0)


def test_planted_classes_and_their_number_are_found(planted, found):
    soft, truth = found, planted[2]
    assert soft.classes.tolist() == [*(f"c{i}" for i in range(6)), "new_0", "new_1", "new_2"]
    assert soft.details["n_new"] == 3
    assert (soft.is_new == (truth >= 6)).mean() > 0.99
    free = ~soft.given
    assert share_matched(truth[free], soft.proba.argmax(axis=1)[free]) > 0.98
    assert (soft.labels[free & (truth < 6)] == [f"c{c}" for c in truth[free & (truth < 6)]]).all()
    sizes = pd.Series(soft.labels[soft.is_new]).value_counts().reindex(["new_0", "new_1", "new_2"])
    assert sizes.is_monotonic_decreasing


def test_new_rows_are_labelled_as_those_beside_them(planted, found):
    soft, told = found, found.predict(planted[0].vectors + 1e-3)
    free = ~soft.given
    assert (told["pseudo_label"][free] == soft.labels[free]).mean() > 0.99


@pytest.mark.parametrize("method", BOTH)
def test_a_row_far_from_all_classes_is_set_aside_and_never_sure(planted, method):
    emb, labels, _ = planted
    far = np.zeros((3, 8))
    far[:, 0] = [300, -300, 400]
    x = np.concatenate([emb.vectors, far])
    soft = pseudo_label(
        Embedding(vectors=x, metric="euclidean"),
        np.append(labels, [None] * 3),
        method=method,
        random_state=0,
    )
    assert soft.details["set_aside"].shape == (543,)
    assert not soft.details["set_aside"][soft.given].any()
    assert soft.details["set_aside"][:540].mean() < 0.06
    aside = soft.details["set_aside"]
    assert aside[-3:].all()
    assert soft.confidence[-3:].max() < 0.4


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    x = np.stack([image.ravel() for image in table["image"]]).astype(float)
    return Embedding(vectors=x, metric="euclidean"), table["label"].to_numpy(object)


def test_digits_that_nobody_named_are_found_better_than_by_k_means_told_their_number(digits):
    from sklearn.cluster import KMeans

    emb, truth = digits
    rng = np.random.default_rng(0)
    codes = np.array([int(label) for label in truth])
    shown = np.array([code < 5 and rng.random() < 0.5 for code in codes])
    labels = np.where(shown, truth, None)
    soft = pseudo_label(emb, labels, method="category_discovery", random_state=0)
    free = ~soft.given
    plain = KMeans(10, n_init=3, random_state=0).fit_predict(emb.vectors)
    found = share_matched(codes[free], soft.proba.argmax(axis=1)[free])
    assert found > share_matched(codes[free], plain[free]) + 0.05
    assert 4 <= soft.details["n_new"] <= 7
    # What it says of being new is about what is so.
    chance = soft.details["is_new_proba"][free]
    assert abs(chance.mean() - (codes[free] >= 5).mean()) < 0.05
    assert ((chance > 0.5) == (codes[free] >= 5)).mean() > 0.93


def test_labelled_rows_stay_whatever_is_near():
    z = np.array([[0.0], [1.0], [10.0], [11.0], [10.5]])
    codes = np.array([0, -1, 0, -1, -1])
    cluster, centres = constrained(z, codes, np.array([[5.0], [10.6]]))
    assert cluster.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(centres[:, 0], [11 / 3, 10.75])


def test_all_distances_to_the_centres_are_never_there_at_once():
    z, codes = np.random.default_rng(0).normal(size=(40_000, 64)), np.full(40_000, -1)
    tracemalloc.start()
    constrained(z, codes, z[:300], n_steps=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000 * 300 * 8


def test_a_start_is_the_best_of_six_rows_drawn_by_their_squared_distance():
    z = np.random.default_rng(0).normal(size=(200, 5))
    codes = np.where(np.arange(200) < 20, np.arange(200) % 2, -1)
    free, rng = z[20:], np.random.default_rng(1)
    wanted = [z[:20:2].mean(axis=0), z[1:20:2].mean(axis=0)]
    for _ in range(3):
        gap = np.min([np.square(free - centre).sum(axis=1) for centre in wanted], axis=0)
        tried = rng.choice(180, size=6, p=gap / gap.sum())
        left = [np.minimum(gap, np.square(free - free[i]).sum(axis=1)).sum() for i in tried]
        wanted.append(free[tried[np.argmin(left)]])
    np.testing.assert_allclose(begin(z, codes, 5, np.random.default_rng(1)), wanted)


def test_an_empty_new_cluster_goes_and_a_known_one_stays():
    z = np.array([[0.0], [1.0], [2.0]])
    cluster, centres = constrained(z, np.array([0, -1, -1]), np.array([[0.0], [99.0]]))
    assert cluster.tolist() == [0, 0, 0]
    assert centres.tolist() == [[1.0]]


def test_the_evidence_of_one_row_is_the_prior_predictive():
    """Of a normal-inverse-Wishart: a multivariate t with nu - d + 1 degrees of freedom."""
    prior = Prior(n_dims=3, freedom=10.0, strength=0.5)
    row = np.array([[1.0, -2.0, 0.5]])
    free = prior.freedom + 2
    shape = prior.freedom * np.eye(3) * (1 + prior.strength) / (prior.strength * free)
    wanted = multivariate_t.logpdf(row[0], loc=np.zeros(3), shape=shape, df=free)
    assert prior.evidence(row) == pytest.approx(wanted)


def test_two_clusters_gain_from_being_two_and_one_does_not():
    rng = np.random.default_rng(0)
    prior = Prior(n_dims=4, freedom=30.0, strength=0.05)
    one = rng.normal(size=(100, 4))
    assert prior.gain(*_halves(one)) < 0
    both = np.concatenate([one, rng.normal(size=(100, 4)) + 4])
    a, b = _halves(both)
    assert sorted([len(a), len(b)]) == [100, 100]
    assert prior.gain(a, b) > 0.5


def test_labelled_rows_say_whether_a_group_beside_a_known_class_is_new():
    # By hand: the rate of 1 in 2 and 0 in 2 against 1 in 4 of one rate, with beta priors.
    apart = np.log(1 / 6) + np.log(50 / 52)
    alike = np.log(1 / 20)
    assert _unlike(1, 2, 0, 2) == pytest.approx(apart - alike)
    assert _unlike(50, 100, 0, 100) == 4  # no labelled row where there should be fifty
    assert _unlike(50, 100, 45, 100) == -4  # as many as in the rest: a part of the class
    assert abs(_unlike(0, 100, 0, 100)) < 2


def test_the_size_of_a_class_is_judged_by_those_of_the_known_classes():
    few, many = _Sizes.of(np.array([90, 100, 110])), _Sizes.of(np.full(40, 100))
    for sizes in (few, many):
        assert sizes.odds(100) == 0
        assert sizes.odds(200) == pytest.approx(sizes.odds(50))
    assert many.odds(200) < few.odds(200) < -0.3
    uneven = _Sizes.of(np.array([1000, 500, 333, 250, 200, 166]))
    assert uneven.odds(60) > few.odds(20)  # the same share of the middle one


def test_a_new_class_that_a_known_one_took_up_is_split_off():
    """Two classes so close that the known one takes both up; only the labels tell them apart."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(9), 100)
    centre = 9 * rng.normal(size=(9, 6))
    centre[8] = centre[0] + np.array([3.5, 0, 0, 0, 0, 0])
    x = centre[truth] + rng.normal(size=(900, 6))
    shown = rng.random(900) < 0.5

    def found(known):
        labels = np.where(shown & np.isin(truth, known), truth.astype(str), None)
        emb = Embedding(vectors=x, metric="euclidean")
        soft = pseudo_label(emb, labels, method="category_discovery", random_state=0)
        return soft.details["n_new"], soft.is_new[800:].mean()

    n_new, new = found(range(8))
    assert n_new == 1
    assert new > 0.85
    # Where its rows are labelled with the other's, they are one class, and none is new.
    truth[truth == 8] = 0
    assert found(range(8))[0] == 0


def test_three_labels_a_class_do_not_shatter_what_is_new(digits):
    emb, truth = digits
    rng = np.random.default_rng(0)
    labels = np.full(len(truth), None, dtype=object)
    for code in "02468":
        labels[rng.permutation(np.flatnonzero(truth == code))[:3]] = code
    soft = pseudo_label(emb, labels, method="category_discovery", random_state=0)
    assert 2 <= soft.details["n_new"] <= 8


def test_rows_of_no_class_are_set_aside_by_how_many_more_there_are():
    rng = np.random.default_rng(0)
    seen = np.sort(rng.chisquare(8, size=2000))
    clean = np.sort(rng.chisquare(8, size=3000))
    assert (_oddness(clean, seen)(clean) > 0.5).mean() < 0.005
    mixed = np.sort(np.concatenate([clean, 25 + rng.chisquare(8, size=500)]))
    odd = _oddness(mixed, seen)
    assert (odd(clean) > 0.5).mean() < 0.03
    assert (odd(np.array([30.0, 40.0])) > 0.7).all()
    assert odd(np.array([8.0]))[0, 0] < 0.2
    assert odd(np.array([1000.0]))[0, 0] == 0.9  # however few they are
    assert not _oddness(mixed, seen[:5])(mixed).any()  # too few to tell


def test_a_hidden_class_that_was_halved_is_one_event_and_not_as_many_as_it_has_rows():
    rng = np.random.default_rng(0)
    gap = rng.uniform(60, 80, size=(200, 5))  # two known classes, three new clusters
    right = np.repeat([0, 2, 3], [100, 50, 50])
    gap[np.arange(200), right] = rng.uniform(0, 5, size=200)
    gap[190:, 3], gap[190:, 4] = 70, 1  # ten rows of a class are a cluster of their own
    few, many = (_calibrated([(gap, right, 2)], 0.5, n) for n in (2, 1_000))
    assert few.new[1] < many.new[1]
    assert few.known == many.known
    whole = _calibrated([(gap[:190], right[:190], 2)], 0.5, 2)
    assert whole.new[1] < few.new[1]  # yet it is heard


def test_in_the_space_a_class_is_round_and_the_telling_direction_is_first():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(10), 200)
    x = rng.normal(size=(2000, 3)) * [3.0, 1.0, 1.0]  # wide, and says nothing
    x[:, 2] += 4 * codes
    space = space_of(x, codes, n_dims=3, shrink=0.0)
    z = space.of(x)
    means = np.stack([z[codes == code].mean(axis=0) for code in range(10)])
    within = np.cov((z - means[codes]).T)
    np.testing.assert_allclose(np.diag(within), 1, atol=0.2)
    assert means[:, 0].std() > 10 * means[:, 1].std()


def test_blurring_takes_the_mean_with_the_neighbours():
    pool = Pool(embedding=Embedding(vectors=[[0.0], [1.0], [5.0], [6.0]], metric="euclidean"))
    assert blurred(pool, 1)[:, 0].tolist() == [0.5, 0.5, 5.5, 5.5]
    assert blurred(pool, 0)[:, 0].tolist() == [0, 1, 5, 6]
    assert blurred(pool, 1, np.array([[5.2]], dtype=np.float32))[0, 0] == pytest.approx(5.1)


def test_codes_are_numbered_anew():
    codes, n = compact(np.array([4, -1, 2, 4]))
    assert (codes.tolist(), n) == ([1, -1, 0, 1], 2)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b"],
        ["a", "b", None],
        ["a"] * 10 + ["b"] * 10,
        ["a", "b"] + [None] * 18,
        ["a"] * 9 + ["b"] + [None] * 20,
    ],
)
@pytest.mark.parametrize("same", [False, True])
def test_small_and_odd_pools_have_an_answer(method, labels, same):
    x = np.random.default_rng(0).normal(size=(len(labels), 4)) + 1
    x = np.ones_like(x) if same else x
    pool = Pool(embedding=Embedding(vectors=x), labels=labels, classes=["a", "b", "c"])
    soft = pseudo_label(pool, method=method, random_state=0)
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1)
    assert (soft.proba[:, 2] == 0).all()
    again = pseudo_label(pool, method=method, random_state=0)
    assert np.array_equal(soft.proba, again.proba)


def test_settings_out_of_range_are_refused(planted):
    emb, labels, _ = planted
    assert message(ValueError, pseudo_label, emb, labels, method=CategoryDiscovery(k=-1)) == (
        "The 'k' parameter must be an integer of 0 or more. Got -1 instead."
    )
    assert message(ValueError, pseudo_label, emb, labels, method=CategoryDiscovery(start=0.5)) == (
        "The 'start' parameter must be a number from 1 to 10. Got 0.5 instead."
    )
    assert message(
        ValueError, pseudo_label, emb, labels, method=HiddenClassDiscovery(max_new=0)
    ) == ("The 'max_new' parameter must be an integer of 1 or more. Got 0 instead.")
