"""Blocks on Ray Data."""

from __future__ import annotations

import logging
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from curalab._check import complain, need_extra
from curalab.scale._attempt import Job, attempt
from curalab.scale._blocks import Blocks

__all__ = ["on_ray"]

_SECONDS = 10  # for a cluster to answer
_MOST = 2_000  # tasks; with more blocks than that, one task does several
_GCS = 6379


def on_ray(
    job: Job, blocks: Blocks, numbers: list[int], address: str | None, *, hint: str
) -> Iterator[tuple[int, Any]]:
    """Yield block numbers and what was made of them, in the order in which they are ready.

    `hint` says what becomes of it where Ray gives up.
    """
    ray = need_extra("ray", "ray", purpose='backend="ray"')
    from ray import data as ray_data
    from ray.exceptions import RayError

    _connect(ray, address)
    items = [
        {"number": i, "n": blocks.sizes[i], "read": ray.cloudpickle.dumps(blocks.reader(i))}
        for i in numbers
    ]
    work = partial(_one, job)
    with _quietly(ray):
        rows = ray_data.from_items(items, override_num_blocks=min(len(items), _MOST)).map(work)
        try:
            for row in rows.iter_rows():
                yield int(row["number"]), pickle.loads(row["made"])
        except RayError as error:
            said = str(error).strip().partition("\n")[0]
            raise RuntimeError(f"Ray gave up ({type(error).__name__}: {said}). {hint}") from error


def _one(job: Job, item: dict[str, Any]) -> dict[str, Any]:
    read: Callable[[], Any] = pickle.loads(item["read"])
    made = attempt(job, item["number"], read, item["n"])
    return {"number": item["number"], "made": pickle.dumps(made, protocol=5)}


def _connect(ray: Any, address: str | None) -> None:
    if ray.is_initialized():
        own = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", own):
            rule = f"that of the cluster that Ray is connected to, {own!r}"
            hint = "ray.shutdown() ends that connection."
            raise ValueError(complain("address", rule, address, hint))
        return
    if address not in (None, "auto", "local"):
        _refuse_silent(address)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except ConnectionError:
        raise
    except RuntimeError as error:
        raise ConnectionError(f"{_nobody(address)} ({error})") from error


def _refuse_silent(address: str) -> None:
    """Raise where no cluster answers: Ray itself would go on trying for minutes."""
    is_client = address.startswith("ray://")
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port or (10001 if is_client else _GCS)
    except ValueError:
        host = None
    if not host:
        rule = "'auto', 'host:port' or 'ray://host:port'"
        raise ValueError(complain("address", rule, address))
    try:
        socket.create_connection((host, port), timeout=_SECONDS / 2).close()
    except OSError as error:
        raise ConnectionError(f"{_nobody(address)} ({error}).") from error
    if is_client:
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    try:
        asked = subprocess.run(
            [*command, "--address", f"{host}:{port}"],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConnectionError(f"{_nobody(address)} (something else listens there).") from None
    if asked.returncode:
        raise ConnectionError(f"{_nobody(address)} (something else listens there).")


def _nobody(address: str | None) -> str:
    return f"No Ray cluster answers at {address!r}"


@contextmanager
def _quietly(ray: Any) -> Iterator[None]:
    """Leave the progress to our own bar, and Ray's account of its plans untold."""
    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, log.level
    context.enable_progress_bars = False
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = before[0]
        log.setLevel(before[1])
