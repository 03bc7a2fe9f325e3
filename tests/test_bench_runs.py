"""The bench at work: protocols, several processes, runs that are kept, and who is better."""

import importlib
import json
import os
import sys
import threading
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from bench.recorded import compared as against
from bench.recorded import timed_rows
from curalab.encoders._cache import runs_folder
from curalab.leaderboard import PROTOCOLS, _cost, _work
from curalab.leaderboard._compare import _holm, _p_value, pairs_of
from curalab.leaderboard._models import MODELS, trained
from curalab.leaderboard._runs import N_HALVES, Run, spread
from curalab.leaderboard._select import _evenness

CLASSES = np.array(["a", "b", "c"], dtype=object)


def sample(n, seed, *, groups=False):
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    x = rng.normal(size=(n, 6)) + 2.5 * np.eye(6)[truth]
    ids = pd.Index([f"{seed}-{k}" for k in range(n)])
    emb = cl.Embedding(vectors=x, ids=ids, metric="euclidean")
    site = np.where(np.arange(n) % 2, "north", "south") if groups else None
    return cl.Pool(embedding=emb, labels=CLASSES[truth], groups=site)


POOL, TEST = sample(120, 0), sample(150, 1)


def first_free(pool, k, *, rng):
    chosen = [] if pool.chosen is None else pool.chosen
    return np.setdiff1d(np.arange(len(pool)), chosen)[:k]


def run(methods, **settings):
    given = {"pool": POOL, "test": TEST, "budgets": [6, 12], "n_seeds": 3, "random_state": 7}
    return cl.bench("selectors", methods, **{**given, **settings})


def answers(board):
    return board.runs.drop(columns=["seconds", "peak_mib"])


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path))
    return tmp_path / "bench"


# ---- models and protocols ------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_seen", [None, 2_000])
def test_every_model_learns(model, n_seen):
    codes = pd.factorize(TEST.labels, sort=True)[0]
    answer = trained(model, TEST.embedding.points, codes, 3, n_seen)
    right = answer(POOL.embedding.points) == pd.factorize(POOL.labels, sort=True)[0]
    assert right.mean() > 0.8


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_one_row(model):
    answer = trained(model, np.ones((1, 4), dtype=np.float32), np.array([2]), 3, None)
    assert answer(np.eye(4, dtype=np.float32)).tolist() == [2] * 4


def test_knn_by_hand():
    line = np.array([[0.0], [1], [10], [11], [12], [13]], dtype=np.float32)
    codes = np.array([0, 0, 1, 1, 1, 1])
    answer = trained("knn", line, codes, 2, None)
    # Of the five nearest to .5, two are .5 away (weight 4), three more than 9 (weight .31).
    assert answer(np.array([[0.5], [11.5]], dtype=np.float32)).tolist() == [0, 1]


def test_the_protocol_says_what_is_measured():
    board = run(["random", "k_center"], protocol="select", budgets=[20], test=sample(90, 2))
    assert board.metrics == (
        "accuracy", "balanced_accuracy", "worst_class", "balance", "accuracy_mlp", "accuracy_knn",
    )  # fmt: skip
    assert (board.to_frame()[["accuracy_mlp", "accuracy_knn"]] > 0.5).all(axis=None)
    assert board.params["protocol"] == "select"
    own = cl.Protocol(labels="all", models=("knn",))
    board = run(["random"], protocol=own, budgets=[20])
    assert board.metrics == ("accuracy", "balanced_accuracy", "worst_class", "balance")
    assert board.params["protocol"] == {"labels": "all", "models": ["knn"], "passes": None}


def test_the_worst_group_is_of_the_groups_of_the_test():
    test = sample(150, 1, groups=True)
    board = run(["random"], test=test, budgets=[30])
    assert board.metrics[2] == "worst_group"
    runs = board.runs
    assert (runs["worst_group"] <= runs["accuracy"]).all()
    assert (runs["worst_group"] > 0).all()


def test_balance_by_hand():
    assert _evenness(np.array([0, 1, 2]), 3) == pytest.approx(1)
    assert _evenness(np.array([0, 0, 0]), 3) == 0
    assert _evenness(np.array([0, 0, 1, 1]), 4) == pytest.approx(0.5)
    assert _evenness(np.array([1]), 4) == 1


def test_a_training_budget_is_the_same_for_all(monkeypatch):
    seen = []
    learn = trained

    def watch(model, points, codes, n_classes, n_seen):
        seen.append((len(points), n_seen))
        return learn(model, points, codes, n_classes, n_seen)

    monkeypatch.setattr("curalab.leaderboard._select.trained", watch)
    run(["random"], protocol="datacomp", n_seeds=2)
    assert set(seen) == {(6, 120), (12, 120)}


def refused(said, kind, **settings):
    with pytest.raises(kind) as error:
        cl.Protocol(**settings)
    assert str(error.value) == said


def test_protocols_that_are_none():
    known = "one of 'linear', 'mlp', 'knn'"
    said = "The 'labels' parameter must be one of 'picked', 'all'. Got 'none' instead."
    refused(said, ValueError, labels="none")
    refused(
        f"The 'models' parameter must be {known}. Got 'tree' instead.",
        ValueError,
        models=("linear", "tree"),
    )
    said = (
        "The 'models' parameter must be one or more of 'linear', 'mlp', 'knn'. Got 'knn' instead."
    )
    refused(said, TypeError, models="knn")
    said = "The 'passes' parameter must be a number from 0.01 to 10000. Got 0 instead."
    refused(said, ValueError, passes=0)
    assert PROTOCOLS["label"] == cl.Protocol()


# ---- several processes ---------------------------------------------------------------------------


def test_processes_answer_as_one_does(own_cache, monkeypatch):
    def near_mean(pool, k, *, rng):
        free = first_free(
            pool, len(pool) - (0 if pool.chosen is None else len(pool.chosen)), rng=rng
        )
        x = pool.embedding.points
        return free[np.argsort(np.linalg.norm(x[free] - x.mean(axis=0), axis=1))][:k]

    def broken(pool, k, *, rng):
        raise RuntimeError("never")

    methods = [near_mean, "random", "margin", "k_center", broken]
    here = run(methods)
    cl.clear_cache()
    monkeypatch.setattr(_work, "_QUICK", -1.0)
    monkeypatch.setattr(_work, "_processes", lambda n_tasks: 2)
    there = run(methods)
    pd.testing.assert_frame_equal(answers(there), answers(here))
    assert there.error.tolist() == here.error.tolist() == ["", "", "", "", "RuntimeError: never"]
    assert there.seconds[:4].min() > 0


def test_a_pool_cannot_be_changed_wherever_a_method_runs(own_cache, monkeypatch):
    def vandal(pool, k, *, rng):
        pool.labels[:] = "a"
        return first_free(pool, k, rng=rng)

    for quick in (60.0, -1.0):
        monkeypatch.setattr(_work, "_QUICK", quick)
        monkeypatch.setattr(_work, "_processes", lambda n_tasks: 2)
        board = run([vandal], protocol="keep")
        assert "read-only" in board.error[0]


def test_what_cannot_be_sent_runs_here(own_cache, monkeypatch):
    monkeypatch.setattr(_work, "_QUICK", -1.0)
    monkeypatch.setattr(_work, "_processes", lambda n_tasks: 2)
    held = POOL.replace(data=[(k for k in ()) for _ in range(len(POOL))])  # no generator pickles
    assert run(["random"], pool=held).score == pytest.approx(run(["random"]).score)


def test_a_method_that_ends_its_process_gets_a_row_and_the_rest_finishes(own_cache, monkeypatch):
    def deadly(pool, k, *, rng):
        os._exit(9)  # as the system ends what takes too much memory

    monkeypatch.setattr(_work, "_QUICK", -1.0)
    monkeypatch.setattr(_work, "_processes", lambda n_tasks: 2)
    board = run(["random", deadly, "k_center"], n_seeds=2)
    assert board.to_frame()["error"].to_dict() == {
        "random": "",
        "k_center": "",
        "deadly": "Its process died: it took too much memory, or was ended from outside.",
    }
    assert len(board.runs) == 8


def test_a_method_that_exits_gets_a_row():
    def leaves(pool, k, *, rng):
        raise SystemExit(3)

    assert run([leaves, "random"], random_state=None).error.tolist() == ["", "SystemExit: 3"]


def test_memory_is_measured():
    with _cost.Cost() as cost:
        held = np.ones((16, 1024, 1024))  # 128 MiB
    assert held.sum() > 0
    assert np.isnan(cost.peak_mib) or 100 < cost.peak_mib < 160
    assert cost.seconds > 0


# ---- runs that are kept --------------------------------------------------------------------------


def test_a_finished_run_is_not_run_again(own_cache):
    first = run(["random", "k_center"])
    files = sorted(own_cache.iterdir())
    assert len(files) == 6
    times = [file.stat().st_mtime_ns for file in files]
    again = run(["random", "k_center", "margin"])
    assert [file.stat().st_mtime_ns for file in files] == times
    assert len(list(own_cache.iterdir())) == 9
    shared = again.runs[again.runs["method"] != "margin"].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, first.runs)  # the seconds are those of the first time
    assert cl.cache_info().entries == 9
    cl.clear_cache()
    assert list(own_cache.iterdir()) == []


def test_a_bench_that_was_cut_off_goes_on(own_cache):
    class CutOffError(BaseException):
        pass

    def cut():
        begun = []

        def method(pool, k, *, rng):
            begun.append(k)
            if len(begun) > 3:
                raise CutOffError
            return first_free(pool, k, rng=rng)

        return method

    for finished in (1, 2):  # two calls a seed: each time one seed more is done
        with pytest.raises(CutOffError):
            run([cut()])
        assert len(list(own_cache.iterdir())) == finished
    assert len(run([cut()]).runs) == 6


def with_rank(power):
    def method(pool, k, *, rng):
        return first_free(pool, k, rng=rng)[:: 1 if power else -1]

    return method


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 8},
        {"budgets": [6, 13]},
        {"pool": sample(120, 3)},
        {"test": sample(150, 4)},
        {"test": sample(150, 1, groups=True)},
        {"protocol": "keep"},
        {"pool": POOL.replace(chosen=["0-119"])},
        {"methods": [with_rank(1)]},
    ],
)
def test_what_changes_the_answer_is_run_anew(own_cache, change):
    run([with_rank(0)])
    run([with_rank(0)])
    assert len(list(own_cache.iterdir())) == 3
    run(
        change.get("methods", [with_rank(0)]), **{k: v for k, v in change.items() if k != "methods"}
    )
    assert len(list(own_cache.iterdir())) == 6


def test_a_plug_in_whose_code_has_changed_is_run_anew(own_cache, tmp_path, monkeypatch):
    point = EntryPoint("selectors.mine", "plug_of_test:mine", "curalab.methods")
    monkeypatch.setattr("curalab.pool._methods.entry_points", lambda group: [point])
    monkeypatch.syspath_prepend(tmp_path)
    written = tmp_path / "plug_of_test.py"
    for body in ("return order[:k]", "return order[-k:]", "raise OSError('no licence')"):
        written.write_text(
            "import numpy as np\n"
            "def mine(pool, k, *, rng):\n"
            "    chosen = [] if pool.chosen is None else pool.chosen\n"
            f"    order = np.setdiff1d(np.arange(len(pool)), chosen)\n    {body}\n"
        )
        sys.modules.pop("plug_of_test", None)
        importlib.invalidate_caches()
        board = run(["mine"], n_seeds=2)
    assert board.error.tolist() == ["OSError: no licence"]
    assert len(list(own_cache.iterdir())) == 4


def test_a_damaged_file_is_run_again(own_cache):
    first = run(["random"])
    for file in own_cache.iterdir():
        file.write_text("{", encoding="utf-8")
    pd.testing.assert_frame_equal(answers(run(["random"])), answers(first))
    assert all(json.loads(file.read_text()) for file in own_cache.iterdir())


def test_what_cannot_be_compared_is_not_kept(own_cache):
    state = threading.Lock()

    def stateful(pool, k, *, rng):
        return first_free(pool, k, rng=rng) if state else None

    run([stateful])
    assert not own_cache.exists()


def test_without_a_seed_nothing_is_kept(own_cache):
    run(["random"], random_state=None)
    assert not own_cache.exists()


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "file"))
    assert len(run(["random"])) == 1


# ---- who is better -------------------------------------------------------------------------------


def runs_of(means, *, noise=0.01, n_seeds=5):
    """Return runs of methods with these means, that share the rows' part of the noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(scale=0.005, size=N_HALVES)
    made = {}
    for name, mean in means.items():
        own = mean + rng.normal(scale=noise, size=n_seeds)
        values = [np.r_[value, value + rows] for value in own]
        made[name] = [[Run(None, {"accuracy": v[0]}, v, 0.1)] for v in values]
    return made


def test_pairs_are_paired_and_corrected():
    ran = runs_of({"good": 0.8, "near": 0.795, "poor": 0.6})
    pairs = pairs_of(ran, ["good", "near", "poor"])
    assert pairs[["method", "other"]].to_numpy().tolist() == [
        ["good", "near"], ["good", "poor"], ["near", "poor"],
    ]  # fmt: skip
    assert (pairs["p_adjusted"] >= pairs["p_value"]).all()
    assert pairs["p_adjusted"].iloc[0] > 0.05 > pairs["p_adjusted"].iloc[1]
    assert pairs["gap"].iloc[1] == pytest.approx(0.2, abs=0.02)
    assert (pairs["low"] < pairs["gap"]).all()


def test_holm_by_hand():
    assert _holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert _holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    assert len(_holm(np.array([]))) == 0


def test_p_values_are_right_where_nothing_differs():
    rng = np.random.default_rng(0)
    halves = np.zeros(N_HALVES)
    p = []
    for _ in range(400):  # Student's test, where the judged rows add nothing
        of_seeds = rng.normal(scale=0.02, size=5)
        p.append(_p_value(of_seeds[:, None] + np.r_[0, halves]))
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert _p_value(np.zeros((3, 1 + N_HALVES))) == 1
    assert _p_value(np.full((3, 1 + N_HALVES), 0.1)) == 1e-9  # no noise at all
    gap = np.array([0.01, 0.03, 0.02])[:, None] + np.r_[0, rng.normal(scale=0.004, size=N_HALVES)]
    p = _p_value(gap)
    assert spread(gap, level=1 - p)[0] == pytest.approx(0, abs=1e-6)


def test_the_board_tells_the_top():
    def poor(pool, k, *, rng):
        rows = first_free(pool, len(pool), rng=rng)
        return rows[np.argsort(np.asarray(pool.embedding.vectors)[rows, 0])][:k]

    board = run(["random", "k_center", poor], n_seeds=8, budgets=[12])
    frame = board.to_frame()
    assert frame["top"].iloc[0]
    assert not frame.loc["poor", "top"]
    assert len(board.pairs) == 3
    html = board._repr_html_()
    assert html.count("<svg") == 3
    assert "Holm" in html


def test_markup_in_names_and_errors_is_shown_as_text():
    def broken(pool, k, *, rng):
        raise RuntimeError("<script>alert(1)</script>")

    broken.__name__ = "<b>"
    html = run(["random", broken])._repr_html_()
    assert "<script>" not in html
    assert "&lt;b&gt;" in html
    assert "&lt;script&gt;" in html


def test_the_board_is_saved_with_its_pairs(tmp_path):
    board = run(["random", "k_center"])
    board.save(tmp_path / "board")
    opened = cl.Leaderboard.open(tmp_path / "board")
    pd.testing.assert_frame_equal(opened.pairs, board.pairs)
    pd.testing.assert_frame_equal(opened.to_frame(), board.to_frame(), check_dtype=False)


def test_runs_lie_in_the_cache_folder(own_cache):
    assert runs_folder() == own_cache


# ---- the recorded times of tests/bench -----------------------------------------------------------


def measured(seconds, ratio, contender="curalab", n=5_000, said=""):
    row = {"contender": contender, "n": n, "seconds": seconds, "ratio": ratio, "said": said}
    return timed_rows([{"name": "sizes:maps", "rows": [row, {**row, "contender": "umap-learn"}]}])


def test_a_loss_of_over_30_percent_is_told():
    then = measured(2.0, 10.0)
    for ratio, lost in ((5.0, 0), (12.9, 0), (13.1, 1), (40.0, 1)):
        told = against(measured(0.5, ratio), then)
        assert told[0] == lost
        assert told[1][-1] == "Against the recording: 1 compared."
    assert told[1][0] == "LOST sizes:maps, curalab, 5,000 rows: 4.00 times."


def test_what_cannot_be_compared_is_no_loss():
    then = measured(2.0, 10.0)
    for now, said in (
        (measured(0.19, 40.0), "1 under 0.2 s"),
        (measured(2.0, 40.0, said="unquiet: other work was in the way"), "1 unquiet"),
        (measured(2.0, 40.0, n=20_000), "1 not recorded"),
        (measured(2.0, 40.0, contender="curalab, exact"), "1 not recorded"),
    ):
        assert against(now, then) == (0, [f"Against the recording: {said}."])


def test_a_time_that_is_gone_is_a_loss():
    lost, said = against(measured(None, None), measured(2.0, 10.0))
    assert (lost, said[0]) == (1, "LOST sizes:maps, curalab, 5,000 rows: no time now.")
