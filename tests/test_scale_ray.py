"""map_batches on Ray: the same results as here, workers and drivers that are killed, addresses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.app import main

ray = pytest.importorskip("ray")
REVIEWS = Path(__file__).parents[1] / "data" / "reviews.csv"
X = np.random.default_rng(0).normal(size=(600, 4))


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of two cores that this process is connected to."""
    told = {"logging_level": "error", "log_to_driver": False, "include_dashboard": False}
    try:
        ray.init(num_cpus=2, **told)
    except Exception:  # on a busy machine it gives up after 30 seconds
        ray.shutdown()
        ray.init(num_cpus=2, **told)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_a_cluster_that_is_not_there():  # first: the others share one
    from ray._private.services import find_gcs_addresses

    if find_gcs_addresses():
        pytest.skip("a Ray runs on this machine")
    said, _ = asked("auto")
    assert said.startswith("ConnectionError: No Ray cluster answers at 'auto' (Could not find any ")


def test_an_address_of_a_client_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"ray://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(cl.MissingExtraError) as caught:
            cl.map_batches(np.copy, X, backend="ray", address=address)
    assert str(caught.value) == (
        "An address of ray:// needs the package 'grpc', which is not installed. Install it with: "
        "pip install 'curalab[ray]'"
    )


def test_results_equal_those_of_this_machine(cluster, tmp_path):
    def noisy(batch, rng):
        return batch + rng.normal(size=batch.shape)

    def large(batch):
        return batch[batch["a"] > 0].assign(pid=os.getpid())

    here = cl.map_batches(noisy, X, batch_size=50, random_state=7)
    there = cl.map_batches(noisy, X, batch_size=50, random_state=7, backend="ray")
    assert (here == there).all()
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=50)
    table = cl.map_batches(large, tmp_path / "x.parquet", backend="ray")
    pd.testing.assert_frame_equal(
        table.drop(columns="pid"), cl.map_batches(large, frame).drop(columns="pid")
    )
    assert os.getpid() not in set(table["pid"])


def test_methods_give_the_same_on_both(cluster):
    texts = pd.Series(
        [f"the {a} {b}" for a in ("red", "old", "new") for b in ("car", "cat", "tea")]
    )
    here = cl.scale.embed(texts, encoder="tfidf", random_state=0)
    there = cl.scale.embed(texts, encoder="tfidf", random_state=0, backend="ray")
    assert np.allclose(here.vectors, there.vectors, atol=1e-6)
    assert here.params == there.params
    groups, pairs = [], []
    for backend in ("local", "ray"):
        method = cl.scale.HierarchicalKMeans(n_clusters=9, backend=backend)
        groups.append(cl.cluster(X, method=method, random_state=0).labels)
        alike = cl.scale.PartitionedDuplicates(n_partitions=3, backend=backend)
        pairs.append(cl.find_duplicates(X, threshold=0.9, method=alike, random_state=0).pairs())
    assert (groups[0] == groups[1]).all()
    pd.testing.assert_frame_equal(*pairs)
    assert len(pairs[0])


def test_a_batch_that_fails_is_named_and_the_others_are_kept(cluster, tmp_path):
    log, mended = str(tmp_path / "log"), str(tmp_path / "mended")

    def careful(batch):
        with Path(log).open("a") as stream:
            stream.write(f"{batch[0, 0]:.6f}\n")
        if batch[0, 0] == X[100, 0] and not Path(mended).exists():
            raise ValueError("not yet")
        return batch

    with pytest.raises(cl.BatchError) as caught:
        cl.map_batches(careful, X, batch_size=50, backend="ray")
    assert caught.value.failed == {2: "ValueError: not yet"}
    Path(mended).touch()
    assert (cl.map_batches(careful, X, batch_size=50, backend="ray") == X).all()
    begun = Path(log).read_text().split()
    assert (len(begun), len(set(begun)), begun.count(f"{X[100, 0]:.6f}")) == (14, 12, 3)


def test_a_killed_worker_costs_its_own_batch_only(cluster, tmp_path):
    log = str(tmp_path / "log")

    def deadly(batch):
        is_first = f"{batch[0, 0]:.6f}" not in (Path(log).read_text() if Path(log).exists() else "")
        with Path(log).open("a") as stream:
            stream.write(f"{batch[0, 0]:.6f}\n")
        if is_first and batch[0, 0] == X[200, 0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch * 2

    made = cl.map_batches(deadly, X, batch_size=50, backend="ray", folder=tmp_path / "out")
    assert (made == X * 2).all()
    begun = Path(log).read_text().split()
    assert begun.count(f"{X[200, 0]:.6f}") >= 2
    assert len(set(begun)) == 12


@pytest.mark.parametrize(
    "end",
    [lambda: os.kill(os.getpid(), signal.SIGSEGV), lambda: sys.exit(3), lambda: os._exit(3)],
    ids=["crash", "exit", "hard exit"],
)
def test_a_batch_that_ends_its_worker_is_tried_once_more(cluster, tmp_path, end):
    log = str(tmp_path / "log")

    def deadly(batch):
        with Path(log).open("a") as stream:
            stream.write(f"{batch[0, 0]:.6f}\n")
        if batch[0, 0] == X[200, 0]:
            end()
        return batch * 2

    with pytest.raises(cl.BatchError) as caught:
        cl.map_batches(deadly, X, batch_size=100, backend="ray")
    said = "its worker ended: it was killed, ran out of memory, crashed or called exit"
    assert caught.value.failed == {2: f"{said} (WorkerCrashedError)"}
    begun = Path(log).read_text().split()
    assert begun.count(f"{X[200, 0]:.6f}") == 2
    assert (len(begun), len(set(begun))) == (7, 6)  # the others are done, once


def test_a_batch_is_a_copy_at_each_try(cluster, tmp_path):
    def change(batch):
        batch += 1
        if not Path(tried).exists():
            Path(tried).touch()
            raise OSError("the first try")
        return batch

    tried = str(tmp_path / "tried")
    assert (cl.map_batches(change, X, backend="ray") == X + 1).all()


def test_a_function_that_cannot_be_sent(cluster):
    with pytest.raises(TypeError) as caught:
        cl.map_batches(of_a_lock(threading.Lock()), X, backend="ray")
    assert str(caught.value).startswith(
        "The 'function' parameter must be one that can be sent to other processes (TypeError: "
        "cannot pickle '_thread.lock' object). Got <function of_a_lock.<locals>."
    )
    assert str(caught.value).endswith(" instead. Make within the function what cannot be sent.")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def of_a_lock(lock):
    def waits(batch):
        with lock:
            return batch

    return waits


DRIVER = """
import sys, time
import numpy as np
import curalab as cl

def slow(batch):
    with open(sys.argv[1], "a") as log:
        log.write(f"{batch[0]:.0f}\\n")
    time.sleep(0.2)
    return batch * 2

x = np.arange(300.0)
where = {"backend": "ray", "address": sys.argv[2], "folder": sys.argv[3]}
made = cl.map_batches(slow, x, batch_size=10, **where)
assert (made == x * 2).all()
"""


def test_a_killed_driver_goes_on_where_it_was(cluster, tmp_path):
    log, done = tmp_path / "log", tmp_path / "out" / "_done.txt"
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER).replace("sys.argv[1]", repr(str(log))))
    command = [sys.executable, str(script), str(log), cluster, str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not done.exists() or len(done.read_text().split()) < 6:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    time.sleep(2)  # its workers end with it
    finished = {str(10 * int(number)) for number in done.read_text().split()}
    log.unlink()
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    begun = set(log.read_text().split())
    assert not begun & finished
    assert begun | finished == {str(10 * i) for i in range(30)}


def test_the_command_line_works_there_as_here(cluster, tmp_path, capsys):
    call = [str(REVIEWS), "--id", "id", "--text", "text", "--encoder", "tfidf"]
    for backend in ("local", "ray"):
        where = ["--backend", backend]
        assert main(["embed", *call, *where, "--out", str(tmp_path / backend)]) == 0
        out = ["--threshold", "0.9", "--out", str(tmp_path / f"dedup-{backend}")]
        assert main(["dedup", *call, *where, *out]) == 0
    here, there = (cl.Embedding.open(tmp_path / backend) for backend in ("local", "ray"))
    assert here.ids.equals(there.ids)
    assert np.allclose(here.vectors, there.vectors, atol=1e-6)
    pairs = [pd.read_csv(tmp_path / f"dedup-{name}" / "pairs.csv") for name in ("local", "ray")]
    key = ["id_a", "id_b"]
    pd.testing.assert_frame_equal(*(p.sort_values(key, ignore_index=True) for p in pairs))
    assert len(pairs[0])
    capsys.readouterr()
    assert main(["audit", *call, "--backend", "ray", "--out", str(tmp_path / "audit")]) == 0
    assert "Report:" in capsys.readouterr().out


def test_an_address_of_another_cluster_than_the_one_connected_to(cluster):
    with pytest.raises(ValueError) as caught:
        cl.map_batches(np.copy, X, backend="ray", address="127.0.0.1:1")
    assert str(caught.value) == (
        f"The 'address' parameter must be that of the cluster that Ray is connected to, "
        f"{cluster!r}. Got '127.0.0.1:1' instead. ray.shutdown() ends that connection."
    )


ASKING = """
import sys, time
import numpy as np
import curalab as cl
cl.map_batches(np.copy, np.eye(3), backend="ray", address=sys.argv[1])
"""


def asked(address):
    began = time.monotonic()
    command = [sys.executable, "-c", ASKING, address]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stderr.strip().splitlines()[-1], time.monotonic() - began


def test_a_cluster_is_known_again_by_the_name_it_was_given(cluster):
    twice = ASKING.replace("cl.map", "for _ in range(2): cl.map") + "print('done')"
    command = [sys.executable, "-c", twice, f"localhost:{cluster.rpartition(':')[2]}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr


def test_an_address_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said, _ = asked(f"127.0.0.1:{port}")
    assert said.startswith(f"ConnectionError: No Ray cluster answers at '127.0.0.1:{port}' (")
    assert "refused" in said
    said, _ = asked(f"ray://127.0.0.1:{port}")
    assert said.startswith(f"ConnectionError: No Ray cluster answers at 'ray://127.0.0.1:{port}'")


def test_an_address_where_something_else_listens():
    with socket.create_server(("127.0.0.1", 0)) as other:
        held = []
        threading.Thread(target=lambda: held.append(other.accept()), daemon=True).start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        said, _ = asked(address)
    assert said == (
        f"ConnectionError: No Ray cluster answers at {address!r} (something else listens there)."
    )


def test_an_address_that_is_none():
    said, _ = asked("ray://")
    assert said == (
        "ValueError: The 'address' parameter must be 'auto', 'host:port' or 'ray://host:port'. "
        "Got 'ray://' instead."
    )


def test_an_address_that_is_no_text():
    with pytest.raises(TypeError) as caught:
        cl.map_batches(np.copy, X, backend="ray", address=6379)
    said = "The 'address' parameter must be 'auto', 'host:port' or 'ray://host:port'. Got 6379"
    assert str(caught.value) == f"{said} instead."


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(cl.MissingExtraError) as caught:
        cl.map_batches(np.copy, X, backend="ray")
    assert "pip install 'curalab[ray]'" in str(caught.value)
