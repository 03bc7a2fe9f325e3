"""The bench: who wins where the winner is known, what is visible to whom, and what is refused."""

import logging

import numpy as np
import pandas as pd
import pytest

from curalab.clusters import KMeans
from curalab.embedding import Embedding
from curalab.leaderboard import Leaderboard, bench
from curalab.leaderboard._find import JUDGES
from curalab.leaderboard._runs import N_HALVES, Run, curve_of, halves_of, ranked, spread
from curalab.outliers import KNN
from curalab.pool import Pool
from curalab.selectors import top_k

CLASSES = np.array(["a", "b", "c", "d"], dtype=object)


def sample(n, seed, *, shares=(0.25, 0.25, 0.25, 0.25)):
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, size=n, p=shares)
    x = rng.normal(size=(n, 4)) + 3 * np.eye(4)[truth]
    ids = pd.Index([f"{seed}-{k}" for k in range(n)])
    return Pool(embedding=Embedding(vectors=x, ids=ids, metric="euclidean"), labels=CLASSES[truth])


@pytest.fixture(scope="module")
def pool():
    return sample(150, 0, shares=(0.85, 0.05, 0.05, 0.05))


@pytest.fixture(scope="module")
def test():
    return sample(200, 1)


def free(pool):
    return np.setdiff1d(np.arange(len(pool)), [] if pool.chosen is None else pool.chosen)


def oracle_of(pool):
    """Return a selector that knows the labels and takes the classes in turn."""
    rank = pd.Series(np.asarray(pool.labels)).groupby(np.asarray(pool.labels)).cumcount()

    def oracle(pool, k, *, rng):
        rows = free(pool)
        return rows[np.argsort(rank[rows], kind="stable")][:k]

    return oracle


def worst(pool, k, *, rng):
    """Rows of the largest class only: the nearest to the mean."""
    rows = free(pool)
    x = pool.embedding.vectors
    return rows[np.argsort(np.linalg.norm(x[rows] - x.mean(axis=0), axis=1))][:k]


# ---- selectors -----------------------------------------------------------------------------------


def test_an_oracle_is_above_random_is_above_the_worst(pool, test):
    board = bench(
        "selectors", [worst, "random", oracle_of(pool)],
        pool=pool, test=test, budgets=[8, 16], random_state=0,
    )  # fmt: skip
    assert board.ids.tolist() == ["oracle", "random", "worst"]
    frame = board.to_frame()
    assert frame["rank"].tolist() == [1, 2, 3]
    assert frame.loc["oracle", "over_random_low"] > 0
    assert frame.loc["worst", "over_random_high"] < 0
    assert frame.loc["random", ["over_random", "over_random_low", "over_random_high"]].eq(0).all()
    assert (frame["low"] < frame["accuracy"]).all()
    assert (frame["accuracy"] < frame["high"]).all()
    assert board.score[0] == pytest.approx(
        board.runs.query("method == 'oracle'")["accuracy"].mean()
    )
    assert "oracle" in board._repr_html_()
    assert repr(board) == "Leaderboard(3 methods, by accuracy, best 'oracle')"


def test_label_shows_the_labels_of_picked_rows_only(pool, test):
    seen = []

    def watch(pool, k, *, rng):
        seen.append((k, pool.labels, pool.classes, pool.proba, pool.chosen))
        return free(pool)[:k]

    with_proba = pool.replace(proba=np.full((len(pool), 4), 0.25), classes=CLASSES)
    bench("selectors", [watch], pool=with_proba, test=test, budgets=[5, 9], n_seeds=2)
    (k, labels, classes, proba, chosen), (then_k, then_labels, _, _, then_chosen) = seen[:2]
    assert (k, then_k) == (5, 4)
    assert labels is classes is proba is chosen is None
    assert then_chosen.tolist() == [0, 1, 2, 3, 4]
    assert then_labels[:5].tolist() == pool.labels[:5].tolist()
    assert pd.isna(then_labels[5:]).all()
    assert len(seen) == 4


def test_keep_shows_all_labels_and_picks_anew(pool, test):
    seen = []

    def watch(pool, k, *, rng):
        seen.append((k, pool.is_labelled.all(), pool.chosen))
        return free(pool)[:k]

    bench("selectors", [watch], pool=pool, test=test, budgets=[5, 9], n_seeds=2, protocol="keep")
    assert seen[:2] == [(5, True, None), (9, True, None)]


def test_rows_chosen_before_come_on_top(pool, test):
    started = pool.replace(chosen=pool.ids[:10])
    sizes = []

    def watch(pool, k, *, rng):
        sizes.append((len(pool.chosen), k))
        return free(pool)[:k]

    bench("selectors", [watch], pool=started, test=test, budgets=[4, 6], n_seeds=2)
    assert sizes[:2] == [(10, 4), (14, 2)]


def test_a_method_that_needs_labels_starts_as_random_does(pool, test):
    board = bench(
        "selectors", ["random", "margin"], pool=pool, test=test, budgets=[10, 20], n_seeds=3
    )
    start = board.runs.set_index(["method", "budget"])["start"]
    assert set(start["margin"]) == {"random"}
    assert set(start["random"]) == {""}
    first = board.curve[board.curve["budget"] == 10].set_index("method")
    assert first.loc["margin", "over_random"] == 0
    later = board.curve[board.curve["budget"] == 20].set_index("method")
    assert later.loc["margin", "over_random"] != 0


def test_budgets_have_a_default(pool, test):
    board = bench("selectors", ["random"], pool=pool, test=test, n_seeds=2)
    assert board.curve["budget"].tolist() == [4, 8, 20, 40]
    board = bench("selectors", ["random"], pool=pool, test=test, n_seeds=2, protocol="keep")
    assert board.curve["budget"].tolist() == [15, 37, 75]


def test_a_method_that_raises_says_so_and_the_rest_finishes(pool, test, caplog):
    calls = []

    def fragile(pool, k, *, rng):
        calls.append(k)
        if len(calls) == 4:
            raise RuntimeError("no more")
        return free(pool)[:k]

    def lawless(pool, k, *, rng):
        return np.zeros(k, dtype=int)

    with caplog.at_level(logging.WARNING, logger="curalab.leaderboard"):
        board = bench(
            "selectors", [fragile, "random", lawless, "k_center"],
            pool=pool, test=test, budgets=[5, 10], n_seeds=3, random_state=0,
        )  # fmt: skip
    frame = board.to_frame()
    assert set(frame.index[:2]) == {"random", "k_center"}
    assert frame["rank"].isna().tolist() == [False, False, True, True]
    assert frame.loc["fragile", "error"] == "RuntimeError: no more"
    assert frame.loc["lawless", "error"].endswith(
        "broke its contract: it returned 0 more than once"
    )
    assert np.isnan(frame.loc["fragile", "accuracy"])
    assert (board.runs["method"] == "fragile").sum() == 2  # the seed that finished
    said = "The method 'fragile' failed in the bench: RuntimeError: no more"
    assert said in caplog.messages


def test_when_all_methods_fail(pool, test):
    def none(pool, k, *, rng):
        raise RuntimeError("never")

    board = bench("selectors", [none], pool=pool, test=test, budgets=[5], n_seeds=2)
    assert board.to_frame()["error"].tolist() == ["RuntimeError: never"]
    assert len(board.curve) == len(board.runs) == 0
    assert repr(board) == "Leaderboard(1 methods, by accuracy, none finished)"


def test_names_are_readable_and_distinct(pool, test):
    def first(pool):
        return pool.embedding.vectors[:, 0]

    board = bench(
        "selectors", ["random", "random", top_k(first), "random"],
        pool=pool, test=test, budgets=[5], n_seeds=2,
    )  # fmt: skip
    assert set(board.ids) == {"random", "random #2", "random #3", "top_k(first)"}
    assert len(set(board.score[board.ids.str.startswith("random")])) == 1
    assert board.params["methods"]["random #2"]["method"] == "random"


def test_same_seed_same_board(pool, test, tmp_path):
    def board(seed):
        return bench(
            "selectors", ["random", "margin"],
            pool=pool, test=test, budgets=[6, 12], n_seeds=2, random_state=seed,
        )  # fmt: skip

    first, again, other = board(3), board(3), board(4)
    drop = ["seconds", "peak_mib"]
    pd.testing.assert_frame_equal(
        first.to_frame().drop(columns=drop), again.to_frame().drop(columns=drop)
    )
    pd.testing.assert_frame_equal(first.curve, again.curve)
    assert not first.curve.equals(other.curve)
    first.save(tmp_path / "board")
    opened = Leaderboard.open(tmp_path / "board")
    pd.testing.assert_frame_equal(opened.to_frame(), first.to_frame(), check_dtype=False)


# ---- stages with a truth -------------------------------------------------------------------------


def by_chance(pool, *, rng):
    return rng.random(len(pool))


def test_outliers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    is_odd = np.arange(200) < 15
    x[is_odd] += rng.normal(size=(15, 5)) * 4
    emb = Embedding(vectors=x, metric="euclidean")
    board = bench("outliers", [by_chance, "knn", KNN(k=3)], pool=emb, truth=is_odd, random_state=0)
    frame = board.to_frame()
    assert set(frame.index[:2]) == {"knn", "KNN(k=3)"}
    assert frame.columns.tolist() == [
        "rank", "top", "auroc", "low", "high", "average_precision", "seconds", "peak_mib", "error",
    ]  # fmt: skip
    assert frame.loc["knn", "low"] > frame.loc["by_chance", "high"]
    assert 0.3 < frame.loc["by_chance", "auroc"] < 0.7


def test_clusters():
    pool = sample(200, 3)
    truth = pd.Series(pool.labels, index=pool.ids).sample(frac=1, random_state=0)

    def by_turns(pool, *, rng):
        return np.arange(len(pool)) % 4, np.ones(len(pool))

    board = bench("clusters", [by_turns, KMeans(n_clusters=4)], pool=pool, truth=truth, n_seeds=2)
    assert board.ids.tolist() == ["KMeans(n_clusters=4)", "by_turns"]
    assert board.low[0] > board.high[1]
    assert board.metrics == ("adjusted_rand", "mutual_information")


class Result:
    def __init__(self, **arrays):
        vars(self).update(arrays)


def judged(stage, pool, truth, **answer):
    """Return the metrics that a stage's judge gives an answer, on all judged rows."""
    judge = JUDGES[stage]
    right, rows = judge.prepare(pool, np.asarray(truth))
    said = judge.answer(Result(**answer))
    return tuple(metric(right[rows], said[rows]) for metric in judge.metrics.values())


LABELS = ["x", "y", "x", "y", None]
EYE = Pool(embedding=np.eye(5), labels=LABELS)


def test_label_errors_by_hand():
    quality = np.array([0.9, 0.1, 0.5, 0.6, np.nan])
    # Worst first: rows 1, 2, 3, 0. Wrong are 1 and 3: precision 1/1 and 2/3 where they come.
    expected = ((1 + 2 / 3) / 2, 0.5)
    wrong = np.array([False, True, False, True, False])
    assert judged("label_errors", EYE, wrong, quality=quality) == pytest.approx(expected)
    names = ["x", "x", "x", "x", "y"]
    assert judged("label_errors", EYE, names, quality=quality) == pytest.approx(expected)


def test_pseudo_labels_by_hand():
    pool = Pool(embedding=np.eye(6), labels=["x", None, None, None, None, "y"])
    truth = np.array(["y", "x", "x", "x", "y", "x"], dtype=object)
    answer = np.array(["x", "x", "x", "y", "y", "y"], dtype=object)
    accuracy, balanced = judged("pseudo_labels", pool, truth, labels=answer)
    assert accuracy == 0.75
    assert balanced == pytest.approx((2 / 3 + 1) / 2)


def test_duplicates_by_hand():
    truth = np.array([0, 0, 0, -1, -1])  # pairs 01, 02, 12
    group = np.array([7, 7, -1, 3, 3])  # pairs 01, 34
    assert judged("duplicates", EYE, truth, group=group) == pytest.approx((0.4, 0.5, 1 / 3))
    nothing = judged("duplicates", EYE, truth, group=np.full(5, -1))
    assert nothing == pytest.approx((0, np.nan, 0), nan_ok=True)


# ---- intervals -----------------------------------------------------------------------------------


def test_halves_vary_as_a_bootstrap_does():
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_001)
    whole, *halves = halves_of(np.arange(1_001))
    assert len(halves) == N_HALVES
    assert whole.tolist() == list(range(1_001))
    assert {len(half) for half in halves} == {500}
    spread = np.std([values[half].mean() for half in halves])
    assert spread == pytest.approx(values.std() / np.sqrt(1_001), rel=0.15)


def test_the_interval_has_the_width_of_the_standard_error():
    rng = np.random.default_rng(1)
    right = rng.random(2_000) < 0.8
    values = np.array([right[half].mean() for half in halves_of(np.arange(2_000))])
    low, high = spread(np.tile(values, (5, 1)))
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.16 / 2_000), rel=0.15)
    of_seeds = np.repeat(np.array([[0.5], [0.6], [0.7]]), 1 + N_HALVES, axis=1)
    student = 4.303 * 0.1 / np.sqrt(3)
    assert spread(of_seeds) == pytest.approx((0.6 - student, 0.6 + student), abs=1e-3)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    halves = halves_of(np.arange(200))
    for _ in range(300):
        of_row = rng.normal(scale=0.3, size=200)
        rows = 0.1 + rng.normal(scale=0.03, size=(4, 1)) + of_row + rng.normal(size=(4, 200)) * 0.1
        low, high = spread(np.array([[row[half].mean() for half in halves] for row in rows]))
        hits += low <= 0.1 <= high
    assert 0.9 <= hits / 300 <= 0.99


def test_methods_are_ranked_by_their_mean_over_the_budgets():
    def run(budget, value):
        return Run(budget, {"accuracy": value}, np.full(1 + N_HALVES, value), seconds=budget)

    ran = {
        "early": [[run(1, 0.5), run(2, 0.6)]] * 2,
        "late": [[run(1, 0.2), run(2, 0.8)]] * 2,
        "random": [[run(1, 0.1), run(2, 0.3)]] * 2,
        "gone": [],
    }
    ranks = ranked(ran, {"gone": "why"})
    assert ranks.index.tolist() == ["early", "late", "random", "gone"]
    assert ranks["score"].tolist()[:3] == pytest.approx([0.55, 0.5, 0.2])
    assert ranks["over_random"].tolist()[:3] == pytest.approx([0.35, 0.3, 0])
    assert ranks["seconds"].tolist()[:3] == [2, 2, 2]
    assert ranks["error"].tolist() == ["", "", "", "why"]
    curve = curve_of(ran, {"gone": "why"})
    late = curve[curve["method"] == "late"]
    assert late["budget"].tolist() == [1, 2]
    assert late["over_random"].tolist() == pytest.approx([0.1, 0.5])


# ---- what is refused -----------------------------------------------------------------------------


def refused(said, kind=ValueError, stage="selectors", methods=("random",), **settings):
    with pytest.raises(kind) as error:
        bench(stage, list(methods) if isinstance(methods, tuple) else methods, **settings)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ([], "The 'budgets' parameter must be one or more numbers, each above the last. "
             "Got [] instead."),
        ([5, 5], "The 'budgets' parameter must be one or more numbers, each above the last. "
                 "Got [5, 5] instead."),
        ([9, 5], "The 'budgets' parameter must be one or more numbers, each above the last. "
                 "Got [9, 5] instead."),
        ([5, 151], "The 'budgets' parameter must be an integer from 1 to 150. Got 151 instead."),
        ([0, 5], "The 'budgets' parameter must be an integer from 1 to 150. Got 0 instead."),
    ],
)  # fmt: skip
def test_budgets(pool, test, budgets, said):
    refused(said, pool=pool, test=test, budgets=budgets)


def test_budgets_that_are_no_list(pool, test):
    said = "The 'budgets' parameter must be one or more numbers, each above the last. "
    refused(f"{said}Got 5 instead.", TypeError, pool=pool, test=test, budgets=5)


def test_methods(pool, test):
    given = {"pool": pool, "test": test, "kind": TypeError}
    refused(
        "The 'methods' parameter must be a list of methods. Got a single one instead.",
        methods="random",
        **given,
    )
    refused(
        "The 'methods' parameter must be a list of methods. Got none instead.", methods=(), **given
    )
    with pytest.raises(TypeError, match="must be a list of methods. Got {'mine'"):
        bench("selectors", {"mine": "random"}, pool=pool, test=test)
    with pytest.raises(ValueError, match="Did you mean 'random'"):
        bench("selectors", ["k_center", "randon"], pool=pool, test=test)


def test_methods_may_come_one_by_one(pool, test):
    names = (name for name in ("random", "k_center"))
    board = bench("selectors", names, pool=pool, test=test, budgets=[5], n_seeds=2)
    assert set(board.ids) == {"random", "k_center"}


def test_stage_and_protocol(pool, test):
    with pytest.raises(ValueError, match="Did you mean 'selectors'"):
        bench("selector", ["random"], pool=pool, test=test)
    refused(
        "The 'protocol' parameter must be one of 'label', 'keep', 'select', 'datacomp'. "
        "Got 'prune' instead. Or pass a Protocol(…).",
        pool=pool,
        test=test,
        protocol="prune",
    )
    refused(
        "The 'n_seeds' parameter must be an integer of 2 or more. Got 1 instead.",
        pool=pool,
        test=test,
        n_seeds=1,
    )


def test_what_a_stage_does_not_use(pool, test):
    refused(
        "The 'truth' parameter must be None for the stage 'selectors'. Got a value instead.",
        pool=pool,
        test=test,
        truth=[1],
    )
    truth = np.arange(150) < 3
    refused(
        "The 'test' parameter must be None for the stage 'outliers'. Got a value instead.",
        stage="outliers",
        methods=("knn",),
        pool=pool,
        test=test,
        truth=truth,
    )
    refused(
        "The 'budgets' parameter must be None for the stage 'outliers'. Got a value instead.",
        stage="outliers",
        methods=("knn",),
        pool=pool,
        budgets=[5],
        truth=truth,
    )


def test_what_a_stage_needs(pool):
    refused(
        "The 'test' parameter must be a Pool of test rows with labels. Got None instead.",
        TypeError,
        pool=pool,
    )
    refused(
        "The 'truth' parameter must be the right answer of each row. Got None instead.",
        TypeError,
        stage="outliers",
        methods=("knn",),
        pool=pool,
    )


def test_pools_that_do_not_fit(pool, test):
    refused(
        "The 'test' parameter must be a Pool with labels. Got one without instead.",
        pool=pool,
        test=Pool(embedding=test.embedding),
    )
    some = pool.replace(labels=[None, *pool.labels[1:]])
    refused(
        "The 'pool' parameter must be a Pool with a label for every row. "
        "Got none for the ids '0-0' instead.",
        pool=some,
        test=test,
    )
    flat = Pool(embedding=np.ones((2, 3)), labels=["a", "b"])
    refused(
        "The 'test' parameter must be of the pool's space (4 dimensions, euclidean). "
        "Got 3 dimensions, cosine instead.",
        pool=pool,
        test=flat,
    )
    refused(
        "The 'test' parameter must be of rows that are not in the pool. "
        "Got shared ids '0-0', '0-1', '0-2', '0-3', '0-4' and 145 more instead.",
        pool=pool,
        test=pool,
    )
    refused(
        "The 'test' parameter must be labelled with classes of the pool ('a', 'b', 'c', 'd'). "
        "Got 0, 1, 2, 3 instead.",
        pool=pool,
        test=test.replace(labels=test.codes, classes=None),
    )


def test_test_rows_that_the_pool_holds_too_are_told(pool, test, caplog):
    vectors = np.concatenate([test.embedding.vectors, pool.embedding.vectors[:3]])
    both = Pool(
        embedding=Embedding(vectors=vectors, metric="euclidean"),
        labels=np.append(test.labels, pool.labels[:3]),
    )
    with caplog.at_level(logging.WARNING, logger="curalab.leaderboard"):
        board = bench("selectors", ["random"], pool=pool, test=both, budgets=[5], n_seeds=2)
    assert board.details["leaked"] == [200, 201, 202]
    said = "3 test rows equal a row of the pool (ids 200, 201, 202), which favours whoever picks it"
    assert said in caplog.text
    assert "<p>3 test rows equal a row of the pool" in board._repr_html_()
    clean = bench("selectors", ["random"], pool=pool, test=test, budgets=[5], n_seeds=2)
    assert clean.details["leaked"] == []
    assert "equal a row" not in clean._repr_html_()


def test_truths_that_do_not_fit(pool):
    odd = {"stage": "outliers", "methods": ("knn",), "pool": pool}
    refused(
        "The 'truth' parameter must be a bool for each row: whether it is an outlier. "
        "Got dtype int64 instead.",
        TypeError,
        truth=np.arange(150),
        **odd,
    )
    refused(
        "The 'truth' parameter must be true for some rows, and not for all. Got 0 of 150 instead.",
        truth=np.zeros(150, dtype=bool),
        **odd,
    )
    refused(
        "The 'truth' parameter must be 150 rows, one for each item. Got 3 rows instead.",
        truth=[True, False, True],
        **odd,
    )
