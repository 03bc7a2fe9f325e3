import json
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Outliers, find_outliers
from curalab.results import StageResult


@pytest.fixture
def odd():
    x = np.random.default_rng(0).normal(size=(40, 5))
    x[7] += 30
    emb = Embedding(vectors=x, ids=[f"r{i}" for i in range(40)], metric="euclidean")
    return find_outliers(emb, method="knn", random_state=3)


def test_a_result_shows_itself_in_one_line(odd):
    assert repr(odd) == "Outliers(40 items, 1 outlier, method=knn)"
    assert len(odd) == 40
    html = odd._repr_html_()
    assert "outlier_oddness" in html
    assert "r0" in html


def test_what_is_shown_of_an_embedding_takes_no_copy_of_it():
    emb = Embedding(vectors=np.ones((20_000, 20)), metric="euclidean")
    emb._repr_html_()  # what it imports
    tracemalloc.start()
    html = emb._repr_html_()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "<th>7</th>" in html
    assert "<th>8</th>" not in html
    assert peak < emb.vectors.nbytes / 4


def test_html_escapes_ids():
    ids = ["<script>alert(1)</script>", "b", "c"]
    found = find_outliers(Embedding(vectors=np.eye(3) + 0.1, ids=ids))
    assert "<script>" not in found._repr_html_()


def test_frames_are_indexed_by_id(odd):
    frame = odd.to_frame()
    assert frame.columns.tolist() == ["outlier_oddness", "is_outlier"]
    assert frame.index.tolist() == odd.ids.tolist()
    assert frame.loc["r7", "is_outlier"]


def test_params_are_plain_json_and_repeat_the_result(odd):
    params = json.loads(json.dumps(odd.params))
    assert params["verb"] == "find_outliers"
    assert params["method"] == "knn"
    assert params["settings"] == {"k": 10}
    assert params["random_state"] == 3
    assert len(params["embedding"]) == 32


def test_save_and_open_bring_everything_back(odd, tmp_path):
    odd.save(tmp_path / "a" / "odd")
    opened = Outliers.open(tmp_path / "a" / "odd")
    assert opened.ids.equals(odd.ids)
    assert np.array_equal(opened.oddness, odd.oddness)
    assert np.array_equal(opened.is_outlier, odd.is_outlier)
    assert opened.details == odd.details
    assert {**opened.params, "opened": True} == {**odd.params, "opened": True}
    assert StageResult.open(tmp_path / "a" / "odd").ids.equals(odd.ids)


def test_saving_again_replaces_and_leaves_nothing_behind(odd, tmp_path):
    odd.save(tmp_path / "odd")
    odd.save(tmp_path / "odd")
    assert [p.name for p in tmp_path.iterdir()] == ["odd"]


def test_a_failed_save_leaves_the_old_one(odd, tmp_path, monkeypatch):
    odd.save(tmp_path / "odd")
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda *a, **k: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        odd.save(tmp_path / "odd")
    monkeypatch.undo()
    assert Outliers.open(tmp_path / "odd").ids.equals(odd.ids)
    assert [p.name for p in tmp_path.iterdir()] == ["odd"]


KILLED = """
import os, signal, sys
import numpy as np
from curalab import Embedding, find_outliers

found, real, calls = find_outliers(np.eye(5) + 0.1, random_state=0), os.replace, []

def replace(*names):
    calls.append(names)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(*names)

os.replace = replace
found.save(sys.argv[1])
"""


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_save_that_is_killed_leaves_the_old_one_or_the_new_one(odd, tmp_path, call):
    path = tmp_path / "odd"
    odd.save(path)
    command = [sys.executable, "-c", KILLED, str(path), str(call)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert len(Outliers.open(path)) == (5 if call == 3 else 40)
    odd.save(path)
    assert len(Outliers.open(path)) == 40
    assert not list(tmp_path.glob(".*.old"))


def test_rows_are_added_where_a_save_was_killed(tmp_path):
    path, x = tmp_path / "emb", np.eye(3)
    Embedding(vectors=x, ids=list("abc")).save(path)
    subprocess.run([sys.executable, "-c", KILLED, str(path), "2"])
    assert not path.exists()
    Embedding(vectors=x[:1], ids=["d"]).append_to(path)
    assert Embedding.open(path).ids.tolist() == list("abcd")
    assert path.exists()


def test_other_folders_are_not_touched(odd, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError) as caught:
        odd.save(tmp_path / "mine")
    assert str(caught.value).endswith("exists and is not a saved result. Choose another path.")
    with pytest.raises(ValueError, match="does not hold a saved result"):
        Outliers.open(tmp_path / "mine")
    odd.save(tmp_path / "odd")
    with pytest.raises(TypeError, match=r"holds 'curalab\.outliers:Outliers', not Embedding"):
        Embedding.open(tmp_path / "odd")


def test_results_cannot_be_changed_and_compare_by_identity(odd):
    with pytest.raises(ValueError, match="read-only"):
        odd.oddness[0] = 0
    with pytest.raises(AttributeError):
        odd.oddness = None
    assert odd == odd
    assert odd != find_outliers(np.eye(3) + 0.1)


def test_methods_that_cannot_place_new_rows_say_so(odd):
    with pytest.raises(TypeError, match="The method 'knn' cannot transform new rows"):
        odd.transform(np.ones((1, 5)))
    with pytest.raises(TypeError, match="The method 'knn' cannot predict new rows"):
        odd.predict(np.ones((1, 5)))
