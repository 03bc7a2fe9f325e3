"""Reducers × clusterers, their validity indices and ranks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import davies_bouldin_score, silhouette_score

from curalab import Embedding
from curalab.clusters import HDBSCAN, KMeans
from curalab.clusters._sweep import _dbcv, _indices, _ranked, sweep

COLUMNS = [
    "reducer",
    "clusterer",
    "n_clusters",
    "noise",
    "silhouette",
    "calinski_harabasz",
    "davies_bouldin",
    "dbcv",
    "mean_rank",
    "seconds",
    "error",
]


def blobs(n_clusters, size, d, spread, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_clusters), size)
    centres = rng.normal(size=(n_clusters, d))
    return centres[truth] + spread * rng.normal(size=(len(truth), d)), truth


def test_the_planted_number_ranks_first():
    x, truth = blobs(4, 40, 12, 0.4)
    ids = [f"i{n}" for n in range(160)]
    found = sweep(
        Embedding(vectors=x, ids=ids),
        clusterers=[KMeans(n_clusters=2), KMeans(n_clusters=4), KMeans(n_clusters=9)],
        random_state=0,
    )
    frame = found.to_frame()
    assert frame.columns.tolist() == COLUMNS
    assert frame["clusterer"].iloc[0] == "kmeans(n_clusters=4)"
    assert frame["mean_rank"].is_monotonic_increasing
    assert (frame["noise"] == 0).all()
    assert found.labels.index.tolist() == ids
    assert found.labels.columns.tolist() == frame.index.tolist()
    best = found.labels[frame.index[0]].to_numpy()
    assert (best == truth).all()  # clusters are numbered as they appear
    grid = found.pivot("n_clusters")
    assert grid.index.tolist() == ["none", "pca"]
    assert grid.to_numpy().tolist() == [[2, 4, 9], [2, 4, 9]]
    assert found.pivot().loc["none", "kmeans(n_clusters=4)"] == frame["mean_rank"].min()


def test_a_combination_that_fails_is_a_row_with_its_error():
    def broken(pool, *, rng):
        raise RuntimeError("out of luck")

    def no_map(pool, n_components, *, rng):
        return np.zeros((len(pool), 1))

    x, _ = blobs(2, 30, 6, 0.3)
    found = sweep(x, reducers=["none", no_map], clusterers=["kmeans", broken], random_state=0)
    frame = found.to_frame()
    assert frame.index[0] == "none + kmeans"
    errors = frame["error"]
    assert errors["none + broken"] == "RuntimeError: out of luck"
    assert "must return 'vectors'" in errors["no_map + kmeans"]
    assert frame["mean_rank"].notna().tolist() == [True, False, False, False]
    assert np.isnan(found.pivot().loc["no_map", "broken"])
    assert found.labels.columns.tolist() == ["none + kmeans"]
    assert repr(found) == "Sweep(4 combinations, best: none + kmeans, 3 failed)"


def test_indices_leave_noise_out_and_pay_for_it():
    x, truth = blobs(3, 30, 4, 0.2)
    labels = np.where(np.arange(90) % 9 == 0, -1, truth)
    share, kept = (labels >= 0).mean(), labels >= 0
    found = _indices(x, labels, np.arange(90))
    assert found["silhouette"] == pytest.approx(silhouette_score(x[kept], labels[kept]) * share)
    assert found["davies_bouldin"] == pytest.approx(
        davies_bouldin_score(x[kept], labels[kept]) / share
    )
    assert found["dbcv"] < _dbcv(x, truth)


def test_dbcv_is_that_of_the_package_and_survives_many_dimensions():
    from hdbscan.validity import validity_index

    x, truth = blobs(3, 40, 3, 0.2)
    assert _dbcv(x, truth) == pytest.approx(validity_index(x, truth), abs=1e-6)
    wide, truth = blobs(3, 40, 400, 0.2)
    assert 0 < _dbcv(wide, truth) <= 1
    assert np.isnan(_dbcv(x, np.zeros(120, dtype=int)))


def test_mean_rank_by_hand():
    def row(a, b, c, d):
        return {
            "reducer": "none",
            "clusterer": "",
            "n_clusters": 2,
            "noise": 0.0,
            "silhouette": a,
            "calinski_harabasz": b,
            "davies_bouldin": c,
            "dbcv": d,
            "seconds": 0.0,
            "error": "",
        }

    table = _ranked(
        {
            "x": row(0.5, 10, 2.0, 0.1),  # 2, 1, 2, 2
            "y": row(0.6, 9, 1.0, 0.3),  # 1, 2, 1, 1
            "one": row(np.nan, np.nan, np.nan, np.nan),  # last everywhere
            "bad": {"reducer": "none", "clusterer": "", "error": "E"},
        }
    )
    assert table["mean_rank"].tolist()[:3] == [1.25, 1.75, 3.0]
    assert table.index.tolist() == ["y", "x", "one", "bad"]
    assert np.isnan(table["mean_rank"]["bad"])


def test_only_noise_and_one_cluster_have_no_indices():
    x = np.random.default_rng(0).normal(size=(40, 3))
    found = sweep(
        x, reducers=["none"], clusterers=[HDBSCAN(min_cluster_size=40), KMeans(n_clusters=1)]
    )
    assert found.to_frame()["silhouette"].isna().all()
    assert (found.to_frame()["error"] == "").all()


def test_the_same_seed_gives_the_same_table_and_it_survives_the_disk(tmp_path):
    x, _ = blobs(3, 20, 5, 0.5)
    settings = {"clusterers": ["kmeans", "hdbscan"], "random_state": 3}
    first, second = sweep(x, **settings), sweep(x, **settings)
    pd.testing.assert_frame_equal(
        first.to_frame().drop(columns="seconds"), second.to_frame().drop(columns="seconds")
    )
    first.save(tmp_path / "sweep")
    opened = type(first).open(tmp_path / "sweep")
    pd.testing.assert_frame_equal(opened.pivot("silhouette"), first.pivot("silhouette"))
    assert first._repr_html_()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"clusterers": "kmeans"},
            TypeError,
            "The 'clusterers' parameter must be a list of at least one method. "
            "Got 'kmeans' instead.",
        ),
        (
            {"reducers": []},
            TypeError,
            "The 'reducers' parameter must be a list of at least one method. Got [] instead.",
        ),
        (
            {"clusterers": ["kmeans", KMeans()]},
            ValueError,
            "The 'clusterers' parameter must be different methods. Got 'kmeans' twice instead.",
        ),
        (
            {"n_components": 0},
            ValueError,
            "The 'n_components' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
    ],
)
def test_bad_settings(settings, error, text):
    with pytest.raises(error) as caught:
        sweep(np.eye(8), **settings)
    assert str(caught.value) == text


def test_bad_input():
    with pytest.raises(ValueError) as caught:
        sweep(np.eye(2))
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 3 rows. Got 2 rows instead."
    )
    found = sweep(np.eye(8), reducers=["none"], clusterers=[KMeans(n_clusters=2)])
    with pytest.raises(ValueError, match="^The 'index' parameter must be one of 'n_clusters', "):
        found.pivot("error")
