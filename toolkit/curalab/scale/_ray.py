"""Blocks on Ray."""

from __future__ import annotations

import logging
import pickle
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from curalab._check import complain, need_extra
from curalab.scale._attempt import Failed, Job, attempt
from curalab.scale._blocks import Blocks

__all__ = ["on_ray"]

_ADDRESSES = "'auto', 'host:port' or 'ray://host:port'"
_SECONDS = 10  # for a cluster to answer
_AHEAD = 2  # blocks sent to each core, so that none has to wait
_GCS = 6379
_DIED = "its worker ended: it was killed, ran out of memory, crashed or called exit"

_reached: dict[str, str] = {}  # clusters, and the address by which each was asked for


def on_ray(
    job: Job, blocks: Blocks, numbers: list[int], address: str | None, *, hint: str
) -> Iterator[tuple[int, Any]]:
    """Yield block numbers and what was made of them, in the order in which they are ready.

    A block whose worker ends is given to another one, once. `hint` says what becomes of what is
    done where Ray gives up.
    """
    ray = need_extra("ray", "ray", purpose='backend="ray"')
    from ray.exceptions import RayError

    _connect(ray, address)
    # Ray itself would give what ends its worker to one after the other, for ever.
    task = ray.remote(num_cpus=1, max_retries=0)(_one)
    waiting, lost, begun = deque(numbers), set[int](), dict[Any, int]()
    try:
        sent = ray.put(_sent(ray, job))
        while waiting or begun:
            ahead = max(_AHEAD, _AHEAD * int(ray.cluster_resources().get("CPU", 1)))
            while waiting and len(begun) < ahead:
                number = waiting.popleft()
                read = ray.cloudpickle.dumps(blocks.reader(number))
                begun[task.remote(sent, number, read, blocks.sizes[number])] = number
            (ready, *_), _ = ray.wait(list(begun), num_returns=1)
            number = begun.pop(ready)
            try:
                made = pickle.loads(ray.get(ready))
            except RayError as error:
                if number not in lost:
                    lost.add(number)
                    waiting.append(number)
                    continue
                made = Failed(f"{_DIED} ({type(error).__name__})")
            yield number, made
    except RayError as error:
        said = str(error).strip().partition("\n")[0]
        raise RuntimeError(f"Ray gave up ({type(error).__name__}: {said}). {hint}") from error
    finally:
        for ref in begun:
            ray.cancel(ref)


def _sent(ray: Any, job: Job) -> bytes:
    """Return the job as bytes, which workers make it from."""
    try:
        return bytes(ray.cloudpickle.dumps(job))
    except Exception as error:  # what the user's function refers to may raise anything
        said = str(error).strip().partition("\n")[0]
        hint = "Make within the function what cannot be sent."
        rule = f"one that can be sent to other processes ({type(error).__name__}: {said})"
        raise TypeError(complain("function", rule, job.function, hint)) from None


def _one(sent: bytes, number: int, read: bytes, n: int) -> bytes:
    """Return, pickled, what is made of a block."""
    try:
        return pickle.dumps(attempt(pickle.loads(sent), number, pickle.loads(read), n), protocol=5)
    except Exception as error:  # a module that is not there, say
        return pickle.dumps(Failed(f"{type(error).__name__}: {error}"))


def _connect(ray: Any, address: str | None) -> None:
    if not isinstance(address, str | None):
        raise TypeError(complain("address", _ADDRESSES, address))
    if ray.is_initialized():
        own = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", own, _reached.get(own)):
            rule = f"that of the cluster that Ray is connected to, {own!r}"
            hint = "ray.shutdown() ends that connection."
            raise ValueError(complain("address", rule, address, hint))
        return
    if address not in (None, "auto", "local"):
        _refuse_silent(address)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0]
        raise ConnectionError(f"{_nobody(address)} ({said})") from error
    if address is not None:
        _reached[ray.get_runtime_context().gcs_address] = address


def _refuse_silent(address: str) -> None:
    """Raise where no cluster answers: Ray itself would go on trying for minutes."""
    is_client = address.startswith("ray://")
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port or (10001 if is_client else _GCS)
    except ValueError:
        host = None
    if not host:
        raise ValueError(complain("address", _ADDRESSES, address))
    try:
        socket.create_connection((host, port), timeout=_SECONDS / 2).close()
    except OSError as error:
        raise ConnectionError(f"{_nobody(address)} ({error}).") from error
    if is_client:
        need_extra("grpc", "ray", purpose="An address of ray://")
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
