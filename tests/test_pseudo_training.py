"""Methods that train on pseudo-labels, that bend the kernel's spectrum, or hear several others."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_swiss_roll
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor

from curalab import Embedding, Pool, samples
from curalab.pseudo_labels import (
    Ensemble,
    LowShotProbe,
    Propagation,
    PseudoTargets,
    SelfTraining,
    SpectralKernel,
    StagedSelfTraining,
    pseudo_label,
    spectral_regression,
)
from curalab.pseudo_labels import ensemble as ensemble_module
from curalab.pseudo_labels.ensemble import _some_of_each
from curalab.pseudo_labels.low_shot_probe import variance_of
from curalab.pseudo_labels.self_training import surest_of_each_class
from curalab.pseudo_labels.spectral_kernel import _kernel, _largest

FOUR = [
    SelfTraining(),
    StagedSelfTraining(),
    SpectralKernel(),
    Ensemble(modules=["propagation", "self_training"]),
]


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    emb = Embedding(vectors=pixels[:900], ids=table.index[:900], metric="euclidean")
    return emb, table["label"].iloc[:900]


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    truth = np.repeat(["a", "b", "c"], 20)
    x = rng.normal(size=(60, 6)) + 5 * np.eye(6)[np.repeat([0, 1, 2], 20)]
    labels = np.where(np.arange(60) % 20 < 2, truth.astype(object), None)
    return Embedding(vectors=x, metric="euclidean"), labels, truth


@pytest.fixture(scope="module")
def two_moons():
    turn = np.linspace(0, np.pi, 50)
    upper = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    lower = np.stack([1 - np.cos(turn), 0.5 - np.sin(turn)], axis=1)
    labels = np.full(100, None, dtype=object)
    labels[0], labels[50] = "a", "b"
    return Embedding(vectors=np.concatenate([upper, lower]), metric="euclidean"), labels


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


def accuracy(emb, truth, method, per_class):
    right = []
    for seed in range(3):
        kept = truth.groupby(truth).sample(per_class, random_state=seed).index
        labels = truth.where(truth.index.isin(kept), None)
        soft = pseudo_label(emb, labels, method=method, random_state=0)
        right.append((soft.labels == truth)[~soft.given].mean())
    return float(np.mean(right))


# ---- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FOUR)
def test_hidden_labels_come_back_and_new_rows_are_labelled(blobs, method):
    emb, labels, truth = blobs
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    assert (soft.labels == truth).mean() > 0.95
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)
    again = soft.predict(emb.vectors)
    assert (again["pseudo_label"] == truth).mean() > 0.95


SMALL = {
    "two rows": (np.eye(2), ["a", "b"], None),
    "three rows": (np.eye(3), ["a", "b", None], None),
    "all labelled": (np.eye(6), list("aabbcc"), None),
    "identical rows": (np.ones((8, 3)), ["a", "b", *[None] * 6], None),
    "a class without a label": (np.eye(6), ["a", "b", *[None] * 4], ["a", "b", "z"]),
    "a class with one label": (np.eye(6), ["a", "a", "b", None, None, None], None),
}


@pytest.mark.parametrize("case", SMALL)
@pytest.mark.parametrize("method", FOUR)
def test_small_and_odd_pools(method, case):
    x, labels, classes = SMALL[case]
    pool = Pool(embedding=Embedding(vectors=x), labels=labels, classes=classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        soft = pseudo_label(pool, method=method, random_state=0)
        soft.predict(x + 0.1)
    assert soft.proba.shape == (len(x), len(pool.classes))
    assert np.isfinite(soft.proba).all()
    if case == "identical rows":
        np.testing.assert_allclose(soft.proba[2:], soft.proba[2:3].repeat(6, axis=0), atol=1e-4)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (
            SelfTraining(rounds=0),
            "The 'rounds' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            SelfTraining(share=0),
            "The 'share' parameter must be a number from 0.001 to 1. Got 0 instead.",
        ),
        (
            SelfTraining(gold=1),
            "The 'gold' parameter must be a number from 0 to 0.99. Got 1 instead.",
        ),
        (
            StagedSelfTraining(pull=0),
            "The 'pull' parameter must be a number from 1e-06 to 1e+06. Got 0 instead.",
        ),
        (
            SpectralKernel(transform="polynom"),
            "The 'transform' parameter must be one of 'polynomial', 'inverse_laplacian', 'pca'. "
            "Got 'polynom' instead. Did you mean 'polynomial'?",
        ),
        (
            SpectralKernel(eta=1),
            "The 'eta' parameter must be a number from 0 to 0.9999. Got 1 instead.",
        ),
        (
            Ensemble(modules=["propagation"]),
            "The 'modules' parameter must be a list of 2 methods or more. "
            "Got ['propagation'] instead.",
        ),
        (
            Ensemble(modules="propagation"),
            "The 'modules' parameter must be a list of 2 methods or more. "
            "Got 'propagation' instead.",
        ),
        (
            Ensemble(modules=["propagation", "ensemble"]),
            "The 'modules' parameter must be methods other than itself. Got 'ensemble' instead.",
        ),
        (
            Ensemble(weights="accuracy"),
            "The 'folds' parameter must be 2 or more. Got 0 instead.",
        ),
        (Ensemble(folds=1), "The 'folds' parameter must be 0, or 2 or more. Got 1 instead."),
        (
            Ensemble(folds=2),
            "The 'folds' parameter must be 0 where no class has two labels. Got 2 instead.",
        ),
    ],
)
def test_refused_settings(method, told):
    assert message(ValueError, pseudo_label, np.eye(3), ["a", "b", None], method=method) == told


@pytest.mark.parametrize("modules", ["propagatio", ["propagatio"]])
def test_a_module_that_is_not_there(modules):
    with pytest.raises(ValueError, match="Did you mean 'propagation'?"):
        pseudo_label(np.eye(3), ["a", "b", None], method=Ensemble(modules=modules))


def finds_another(pool, *, rng):
    return np.full((len(pool), 3), 1 / 3)


def test_methods_that_find_classes_cannot_teach():
    labels = ["a", "b", None]
    staged = StagedSelfTraining(teacher=finds_another)
    assert message(ValueError, pseudo_label, np.eye(3), labels, method=staged).startswith(
        "The 'teacher' parameter must be a method that finds no classes of its own. Got "
    )
    both = Ensemble(modules=["propagation", finds_another])
    assert message(ValueError, pseudo_label, np.eye(3), labels, method=both).startswith(
        "The 'modules' parameter must be methods that find no classes of their own. Got "
    )


# ---- self-training -------------------------------------------------------------------------------


def test_the_surest_of_each_class_by_hand():
    best = np.array([0, 0, 0, 0, 1, 1, 1, 0])
    sure = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.3, 1.0])
    among = np.array([True] * 7 + [False])
    half = surest_of_each_class(best, sure, among, 0.5)
    assert np.flatnonzero(half).tolist() == [0, 1, 4, 5]
    least = surest_of_each_class(best, sure, among, 0.01)
    assert np.flatnonzero(least).tolist() == [0, 4, 5]  # equal ones are accepted together
    assert not surest_of_each_class(best, sure, np.zeros(8, dtype=bool), 0.5).any()


def test_self_training_beats_the_probe_where_labels_are_few(digits):
    emb, truth = digits
    gain = accuracy(emb, truth, SelfTraining(), 1) - accuracy(emb, truth, LowShotProbe(), 1)
    assert gain > 0.05


def test_each_round_accepts_more_until_nothing_changes(blobs):
    emb, labels, _ = blobs
    soft = pseudo_label(emb, labels, method=SelfTraining(rounds=3))
    rounds = soft.details["rounds"]
    assert rounds["round"].tolist() == [1, 2, 3]
    assert rounds["accepted"].tolist() == [18, 36, 54]
    assert rounds["mean_confidence"].between(1 / 3, 1).all()
    source = pd.Series(soft.details["source"])
    assert source.value_counts().to_dict() == {
        "round 1": 18, "round 2": 18, "round 3": 18, "given": 6,
    }  # fmt: skip
    whole = pseudo_label(emb, labels, method=SelfTraining(rounds=200, share=0.02))
    assert len(whole.details["rounds"]) == 1  # one row of each class, and no more
    assert whole.details["rounds"]["accepted"].tolist() == [3]


def test_a_threshold_that_nothing_reaches_leaves_the_probe(blobs):
    emb, labels, _ = blobs
    soft = pseudo_label(emb, labels, method=SelfTraining(threshold=1))
    assert soft.details["rounds"].empty
    assert set(soft.details["source"]) == {"given", "probe"}
    plain = pseudo_label(emb, labels, method="low_shot_probe")
    np.testing.assert_allclose(soft.proba, plain.proba, atol=1e-4)


def test_classes_of_unequal_sizes_stay_so():
    sizes = [120, 40, 12]
    truth = np.repeat(["a", "b", "c"], sizes)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(172, 8)) + 5 * np.eye(8)[np.repeat([0, 1, 2], sizes)]
    labels = np.full(172, None, dtype=object)
    labels[[0, 120, 160]] = ["a", "b", "c"]
    emb = Embedding(vectors=x, metric="euclidean")
    soft = pseudo_label(emb, labels, method="self_training")
    assert (soft.labels == truth).mean() > 0.97


# ---- staged self-training ------------------------------------------------------------------------


def test_staged_self_training_beats_the_probe_and_one_stage(digits):
    emb, truth = digits
    told = {
        name: accuracy(emb, truth, method, 1)
        for name, method in {
            "probe": LowShotProbe(),
            "staged": StagedSelfTraining(),
            "on images": StagedSelfTraining(teacher="propagation"),
        }.items()
    }
    assert told["staged"] > told["probe"] + 0.02
    assert told["on images"] > told["staged"] + 0.05


def wrong_way_round(pool, *, rng):
    """A teacher that says "b" where "a" is meant."""
    proba = np.full((len(pool), 2), 0.2)
    proba[np.arange(len(pool)), np.where(pool.embedding.vectors[:, 0] > 0, 1, 0)] = 0.8
    return proba


def test_the_labels_given_come_last_as_far_as_the_pull_lets_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)) + np.repeat([[4, 0], [-4, 0]], 30, axis=0)
    labels = np.where(np.arange(60) % 30 < 10, np.repeat(["a", "b"], 30).astype(object), None)
    emb = Embedding(vectors=x, metric="euclidean")
    stages = {}
    for pull in (1e-4, 1e4):
        method = StagedSelfTraining(teacher=wrong_way_round, share=1, pull=pull)
        stages[pull] = pseudo_label(emb, labels, method=method).details["stages"]
        assert stages[pull]["rows"].tolist() == [20, 40, 20]
        assert stages[pull]["agreement"].tolist()[:2] == [0, 0]
    assert stages[1e-4]["agreement"].iloc[2] == 1
    assert stages[1e4]["agreement"].iloc[2] == 0


def test_staged_self_training_says_what_it_learned_from(blobs):
    emb, labels, _ = blobs
    soft = pseudo_label(emb, labels, method="staged_self_training")
    assert pd.Series(soft.details["source"]).value_counts().to_dict() == {
        "pseudo": 27, "probe": 27, "given": 6,
    }  # fmt: skip
    assert soft.details["stages"]["stage"].tolist() == ["teacher", "pseudo-labels", "tuned"]


def peak(function):
    """Return the most bytes that there were at a time."""
    tracemalloc.start()
    function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_the_variance_is_numpys_without_a_copy_in_double_precision():
    x = 1e3 + np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    wanted = x.var(axis=0, dtype=np.float64).sum()
    assert variance_of(x) == pytest.approx(wanted, rel=1e-12)
    assert peak(lambda: variance_of(np.tile(x, (4, 1)))) < 6 * x.nbytes  # with the copies made here


# ---- the spectral kernel -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "bend"),
    [
        ({"degree": 1}, lambda v: v),
        ({"degree": 4}, lambda v: v**4),
        ({"transform": "inverse_laplacian", "eta": 0.9}, lambda v: v / (1 - 0.9 * v)),
        ({"transform": "pca", "rank": 5}, lambda v: np.where(v >= np.sort(v)[-5], v, 0)),
    ],
)
def test_the_ridge_is_the_papers(settings, bend):
    emb = Embedding(vectors=np.random.default_rng(0).normal(size=(40, 3)), metric="euclidean")
    near = emb.neighbors(15)
    one_way = np.zeros((40, 40))
    np.put_along_axis(one_way, near.indices, near.similarity**3, axis=1)
    graph = one_way + one_way.T
    root = np.sqrt(graph.sum(axis=1))
    value, vector = np.linalg.eigh(graph / root / root[:, None])
    kernel = (vector * np.where(value > 1e-6, bend(np.maximum(value, 0)), 0)) @ vector.T
    kernel /= np.trace(kernel) / 40
    y = np.full(40, np.nan)
    y[:8] = np.arange(8.0)
    solved = np.linalg.solve(kernel[:8, :8] + 0.5 * np.eye(8), y[:8] - 3.5)
    wanted = kernel[:, :8] @ solved + 3.5
    told = spectral_regression(emb, y, method=SpectralKernel(ridge=0.5, **settings))
    np.testing.assert_allclose(told.fitted, wanted, atol=2e-3)


def test_where_many_rows_have_a_number_there_is_no_matrix_of_all_their_pairs():
    x = np.random.default_rng(0).normal(size=(3_000, 3))
    emb = Embedding(vectors=x, metric="euclidean")
    emb.neighbors(15)
    method = SpectralKernel(rank=50)
    assert peak(lambda: spectral_regression(emb, x[:, 0], method=method)) < 3_000**2 * 8 / 4


def test_labels_follow_the_shape_of_the_data(two_moons):
    emb, labels = two_moons
    method = SpectralKernel(transform="inverse_laplacian", eta=0.999, probe=False)
    soft = pseudo_label(emb, labels, method=method)
    plain = pseudo_label(emb, labels, method="low_shot_probe")
    truth = np.repeat(["a", "b"], 50)
    assert (soft.labels == truth).mean() > (plain.labels == truth).mean() + 0.1


def test_the_spectral_kernel_beats_the_probe_and_its_own_base_kernel(digits):
    emb, truth = digits
    told = accuracy(emb, truth, SpectralKernel(), 3)
    assert told > accuracy(emb, truth, "low_shot_probe", 3) + 0.04
    assert told > accuracy(emb, truth, SpectralKernel(degree=1), 3) + 0.02


def test_block_iteration_finds_the_largest_eigenvalues():
    from scipy.sparse.linalg import eigsh

    x = np.random.default_rng(0).normal(size=(1_600, 3))
    graph, _ = _kernel(Embedding(vectors=x, metric="euclidean"))
    value, vector = _largest(graph, 100, np.random.default_rng(0))
    wanted = np.sort(eigsh(graph.astype(float), k=10, which="LA", v0=np.ones(1_600))[0])[::-1]
    np.testing.assert_allclose(value[:10], wanted, atol=2e-3)
    np.testing.assert_allclose(vector.T @ vector, np.eye(100), atol=1e-4)


def test_numbers_along_a_rolled_up_sheet():
    x, along = make_swiss_roll(1_200, noise=0.2, random_state=0)
    emb = Embedding(vectors=x, metric="euclidean", ids=[f"r{i}" for i in range(1_200)])
    off = {"ridge": [], "nearest": [], "ours": []}
    for seed in range(2):
        known = np.random.default_rng(seed).choice(1_200, 25, replace=False)
        y = np.full(1_200, np.nan)
        y[known] = along[known]
        told = spectral_regression(emb, pd.Series(y, index=emb.ids))
        others = {"ridge": RidgeCV(), "nearest": KNeighborsRegressor(3, weights="distance")}
        fitted = {n: m.fit(x[known], y[known]).predict(x) for n, m in others.items()}
        for name, guess in {**fitted, "ours": told.targets}.items():
            off[name].append(np.sqrt(np.square(guess - along).mean()))
        assert told.targets[known].tolist() == y[known].tolist()
        again = told.predict(Embedding(vectors=x[:50], ids=emb.ids[:50], metric="euclidean"))
        assert again.index.equals(emb.ids[:50])
        assert np.abs(again - told.fitted[:50]).mean() < 0.3
    assert np.mean(off["ours"]) < 0.7 * min(np.mean(off["ridge"]), np.mean(off["nearest"]))


def test_regression_frame_and_disk(tmp_path):
    told = spectral_regression(np.eye(4) + 1, [0.0, 1.0, None, np.nan], random_state=3)
    frame = told.to_frame()
    assert frame.columns.tolist() == ["pseudo_target", "pseudo_fitted", "pseudo_given"]
    assert told.params["settings"]["transform"] == "inverse_laplacian"
    assert repr(told) == "PseudoTargets(4 items, 2 proposed, method=spectral_kernel)"
    told.save(tmp_path / "told")
    pd.testing.assert_frame_equal(PseudoTargets.open(tmp_path / "told").to_frame(), frame)


@pytest.mark.parametrize(
    ("targets", "error", "told"),
    [
        (
            [1, None, None],
            ValueError,
            "The 'targets' parameter must be there for at least 2 rows. Got 1 instead.",
        ),
        (
            [1, np.inf, 2],
            ValueError,
            "The 'targets' parameter must be finite, or missing. "
            "Got infinite values (ids 1) instead.",
        ),
        (
            ["a", "b", None],
            TypeError,
            "The 'targets' parameter must be numbers. Got other values instead.",
        ),
        (
            [1, 2],
            ValueError,
            "The 'targets' parameter must be 3 rows, one for each item. Got 2 rows instead.",
        ),
    ],
)
def test_refused_targets(targets, error, told):
    assert message(error, spectral_regression, np.eye(3), targets) == told


def test_regression_takes_the_method_only():
    assert message(TypeError, spectral_regression, np.eye(3), [1, 2, None], method="pca") == (
        "The 'method' parameter must be a SpectralKernel with its settings. Got 'pca' instead."
    )


# ---- the ensemble --------------------------------------------------------------------------------


def always(code):
    def module(pool, *, rng):
        proba = np.full((len(pool), 3), 0.1)
        proba[:, code] = 0.8
        return proba

    return module


def test_the_ensemble_is_the_mean_of_its_modules(blobs):
    emb, labels, _ = blobs
    modules = [Propagation(k=5), Propagation(k=10), "low_shot_probe"]
    alone = [pseudo_label(emb, labels, method=m, random_state=0).proba for m in modules]
    method = Ensemble(modules=modules, level=False)
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    np.testing.assert_allclose(soft.proba, np.mean(alone, axis=0), atol=1e-6)
    table = soft.details["modules"]
    assert table.index.tolist() == ["propagation", "propagation #2", "low_shot_probe"]
    np.testing.assert_allclose(table["weight"], 1 / 3)
    assert set(soft.details["source"]) <= {"given", *table.index}
    assert (soft.details["source"][soft.given] == "given").all()


def test_a_module_that_overrates_itself_is_levelled(blobs):
    emb, labels, _ = blobs

    def saying(code, sure):
        row = np.full(3, (1 - sure) / 2)
        row[code] = sure
        return lambda pool, *, rng: np.tile(row, (len(pool), 1))

    modules = [saying(1, 0.4), saying(1, 0.4), saying(0, 0.998)]
    for level, wanted in ((True, "b"), (False, "a")):
        method = Ensemble(modules=modules, level=level)
        soft = pseudo_label(emb, labels, method=method, random_state=0)
        assert set(soft.labels[~soft.given]) == {wanted}
    levelled = pseudo_label(emb, labels, method=Ensemble(modules=modules), random_state=0)
    same = (0.4 + 0.4 + 0.998) / 3
    wanted = [[2 * (1 - same) / 2 + same, 2 * same + (1 - same) / 2, 3 * (1 - same) / 2]]
    np.testing.assert_allclose(levelled.proba, np.repeat(wanted, 60, axis=0) / 3, atol=1e-3)


@pytest.mark.parametrize("weights", ["agreement", "accuracy"])
def test_a_module_that_knows_nothing_weighs_little(blobs, weights):
    emb, labels, truth = blobs
    modules = ["propagation", "low_shot_probe", always(0)]
    method = Ensemble(modules=modules, weights=weights, folds=2)
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    table = soft.details["modules"].reset_index(drop=True)
    assert table["weight"].sum() == pytest.approx(1)
    assert table["weight"].iloc[2] < 0.6 * table["weight"].iloc[0]
    assert table["accuracy"].tolist()[:2] == [1, 1]
    assert table["accuracy"].iloc[2] == pytest.approx(1 / 3)
    assert soft.details["accuracy"] == 1
    assert table["agreement"].iloc[2] == pytest.approx((soft.labels[~soft.given] == "a").mean())
    assert (soft.labels == truth).mean() > 0.95


def test_ablation_says_what_a_module_changes(blobs):
    emb, labels, _ = blobs
    method = Ensemble(modules=[always(0), always(1), always(1)])
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    assert set(soft.labels[~soft.given]) == {"b"}
    table = soft.details["modules"]
    assert table["agreement"].tolist() == [0, 1, 1]
    assert table["ablation"].tolist() == [0, 1, 1]  # a tie then, and the first class is taken


def test_the_head_has_learned_what_the_modules_say(digits):
    emb, truth = digits
    kept = truth.groupby(truth).sample(3, random_state=0).index
    labels = truth.where(truth.index.isin(kept), None)
    method = Ensemble(modules=["propagation", SpectralKernel(rank=50)])
    soft = pseudo_label(emb, labels, method=method, random_state=0)
    told = soft.predict(emb)
    plain = pseudo_label(emb, labels, method="low_shot_probe").predict(emb)
    right = (told["pseudo_label"] == truth).mean()
    assert right > (plain["pseudo_label"] == truth).mean() + 0.05
    assert (told["pseudo_label"] == soft.labels).mean() > 0.9


def test_a_share_of_each_class_is_drawn_and_small_ones_whole(monkeypatch):
    monkeypatch.setattr(ensemble_module, "_LESSONS", 1_000)
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 3], [8_000, 1_950, 50]))
    some, stands_for = _some_of_each(codes, np.random.default_rng(0))
    assert (np.diff(some) > 0).all()
    assert np.bincount(codes[some]).tolist() == [800, 195, 0, 50]
    told = [stands_for[codes[some] == code].tolist() for code in (0, 1, 3)]
    assert told == [[10] * 800, [10] * 195, [1] * 50]


def test_a_head_that_learned_from_a_share_says_what_one_says_that_learned_from_all(monkeypatch):
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(6), [2_500, 1_500, 1_000, 700, 200, 100])
    x = rng.normal(size=(6_000, 12)) + 3 * rng.normal(size=(6, 12))[truth]
    labels = np.where(rng.random(6_000) < 0.05, truth.astype(object), None)
    emb, sure = Embedding(vectors=x, metric="euclidean"), np.eye(6)[truth]

    def module(pool, *, rng):
        return (sure + 0.4 * rng.random(sure.shape)) / 3.2

    def learned():
        soft = pseudo_label(emb, labels, method=Ensemble(modules=[module, module]), random_state=0)
        return soft.predict(emb)

    whole = learned()
    monkeypatch.setattr(ensemble_module, "_LESSONS", 4_000)  # of 18,000 pairs
    drawn = learned()
    right = [(told["pseudo_label"] == truth).mean() for told in (whole, drawn)]
    assert right[0] > 0.98
    assert right[1] > right[0] - 0.005
    assert (drawn["pseudo_label"][truth == 5] == 5).mean() > 0.95  # the smallest class stays
    assert not drawn.equals(whole)
