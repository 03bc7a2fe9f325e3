"""A method of another package: installed, listed, run by name, checked; and what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "plugin_example"

OTHERS = '''
def needy(pool, k, *, rng):
    """Deal rows, and need the groups for it."""
    return rng.permutation(len(pool))[:k]

needy.needs = ("groups",)
needy.cost = "nothing"

def forgetful(pool, k, *, rng):
    """Look at no chosen rows."""
    return pool.embedding.vectors[:, 0].argsort()[:k]
'''

PROGRAM = """
import json
import numpy as np
import curalab as cl

def said(call):
    try:
        return call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

told = {"listed": cl.methods("selectors").set_index("name").to_dict("index")}

rng = np.random.default_rng(0)
labels = np.repeat(["a", "b"], 60)
x = rng.normal(size=(120, 4)) + 3 * (labels == "a")[:, None]
ids = [f"r{i}" for i in range(120)]
pool, test = (
    cl.Pool(embedding=cl.Embedding(vectors=x[s], ids=ids[s]), labels=labels[s])
    for s in (slice(0, None, 2), slice(1, None, 2))
)
line = cl.Embedding(vectors=np.array([[0.0], [1], [2], [9]]), metric="euclidean")
pick = cl.select(line, 2, method="loneliest", chosen=[0], random_state=0)
told["pick"], told["params"] = pick.ids.tolist(), pick.params["settings"]
told["k_center"] = cl.select(line, 1, method="k_center").params["settings"]
board = cl.bench(
    "selectors", ["loneliest", "random"], pool=pool, test=test, budgets=[4, 8],
    n_seeds=2, random_state=0,
)
with_broken = cl.bench(
    "selectors", ["broken", "random"], pool=pool, test=test, budgets=[4, 8], n_seeds=2,
    random_state=0,
)
told["with_broken"] = with_broken.to_frame()["error"].to_dict()
told["described"] = with_broken.params["methods"]["broken"]
told["board"] = board.to_frame()[["accuracy", "error"]].to_dict("index")
told["kept"] = cl.testing.check_method("selectors", "loneliest")["kept"].tolist()
told["breaks"] = said(lambda: cl.testing.check_method("selectors", "forgetful"))
told["needy"] = said(lambda: cl.select(line, 1, method="needy"))
told["broken"] = said(lambda: cl.select(line, 1, method="broken"))
told["typo"] = said(lambda: cl.select(line, 1, method="lonliest"))
print(json.dumps(told, default=str))
"""


def install(folder, name, entries):
    """Write what an installer leaves of a package's registration."""
    made = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    lines = [f"{key} = {value}" for key, value in entries.items()]
    (made / "entry_points.txt").write_text("\n".join(["[curalab.methods]", *lines, ""]))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return what a Python says in which the example and a careless package are installed."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLE / "curalab_loneliest.py", folder)
    install(folder, project["name"], project["entry-points"]["curalab.methods"])
    (folder / "careless.py").write_text(OTHERS)
    entries = {
        "selectors.needy": "careless:needy",
        "selectors.forgetful": "careless:forgetful",
        "selectors.k_center": "careless:forgetful",
        "selectors.broken": "no_such_module:Method",
    }
    install(folder, "careless", entries)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning:curalab", "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_it_is_listed_with_what_it_says_of_itself(told):
    assert told["listed"]["loneliest"] == {
        "stage": "selectors",
        "kind": "plugin",
        "start_here": False,
        "needs": "",
        "cost": "the neighbour graph",
        "paper": 'Ramaswamy, Rastogi, Shim (2000), "Efficient Algorithms for Mining Outliers '
        'from Large Data Sets", SIGMOD.',
        "summary": "Take the rows whose nearest neighbours are farthest away.",
    }
    assert told["listed"]["needy"]["needs"] == "groups"
    assert told["listed"]["needy"]["kind"] == "plugin"


def test_it_is_run_by_its_name(told):
    assert told["pick"] == [3, 2]
    assert told["params"] == {"n_neighbors": 5}


def test_it_stands_in_a_bench_beside_the_others(told):
    board = told["board"]
    assert set(board) == {"loneliest", "random"}
    assert board["loneliest"]["error"] == board["random"]["error"] == ""
    assert 0 < board["loneliest"]["accuracy"] <= 1


def test_one_that_does_not_load_gets_a_row_of_a_bench_that_says_so(told):
    said = "ModuleNotFoundError: No module named 'no_such_module'"
    assert told["with_broken"] == {"random": "", "broken": said}
    assert told["described"] == {"method": "broken", "broken": said}


def test_it_keeps_the_promises_of_a_selector(told):
    assert told["kept"] == [True] * 9


def test_one_that_breaks_a_promise_is_told_which(told):
    assert told["breaks"].splitlines() == [
        "ValueError: The method 'forgetful' of the stage 'selectors' breaks a promise:",
        "- leaves chosen rows alone: it returned 10, which pool.chosen holds already",
        "Contract: A selector gets (pool, k, *, rng) and returns k distinct row numbers, best "
        "first.",
    ]


def test_a_need_that_is_not_met(told):
    assert told["needy"] == (
        "ValueError: The method 'needy' needs 'groups', and the pool has none. Pass groups=… to "
        "select, or choose another method."
    )


def test_a_built_in_cannot_be_replaced(told):
    assert told["listed"]["k_center"]["kind"] == "method"
    assert told["k_center"] == {}


def test_one_that_does_not_load_is_listed_as_broken_and_says_why(told):
    row = told["listed"]["broken"]
    assert row["kind"] == "broken"
    assert row["summary"] == (
        "no_such_module:Method: ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert told["broken"] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_mistyped_name_finds_it(told):
    assert "Did you mean 'loneliest'?" in told["typo"]
