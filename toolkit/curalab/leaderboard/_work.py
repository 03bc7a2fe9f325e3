"""Run every method under every seed: here while it is quick, on all cores when it is not."""

from __future__ import annotations

import dataclasses
import functools
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from curalab.leaderboard._kept import Kept, read, write
from curalab.leaderboard._runs import Run

__all__ = ["run_all"]

_log = logging.getLogger(__name__)

_QUICK = 5.0  # seconds in which nobody waits for other processes to start
_MOST_PROCESSES = 16

Attempt = Callable[[Any, int], list[Run]]


class _Task(NamedTuple):
    """One method under one seed."""

    name: str
    method: Any
    seed: int
    place: Path | None


def run_all(
    named: Mapping[str, Any], attempt: Attempt, seeds: list[int], *, keep: bool
) -> tuple[dict[str, list[list[Run]]], dict[str, str]]:
    """Return the runs of each method, a list for each seed, and why methods failed.

    A method that fails is not run under later seeds; its earlier ones stay. Every run has one
    thread, wherever it runs, so that answers do not depend on where that is.
    """
    from tqdm.auto import tqdm

    kept = Kept(attempt) if keep else None
    tasks = [
        _Task(name, method, seed, kept.place(method, seed) if kept else None)
        for seed in seeds  # all methods under the first seed, then under the next
        for name, method in named.items()
    ]
    done: dict[tuple[str, int], list[Run]] = {}
    errors: dict[str, str] = {}
    with tqdm(total=len(tasks), desc="bench", delay=2, disable=None) as bar:
        for task, answer in _answers(tasks, attempt, errors):
            bar.set_postfix_str(task.name)
            bar.update()
            if isinstance(answer, str):
                if task.name not in errors:
                    _log.warning("The method %r failed in the bench: %s", task.name, answer)
                errors.setdefault(task.name, answer)
            else:
                done[task.name, task.seed] = answer
    ran: dict[str, list[list[Run]]] = {name: [] for name in named}
    for name, own in ran.items():
        for seed in seeds:
            if (name, seed) not in done:
                break
            own.append(done[name, seed])
    return ran, errors


def _answers(
    tasks: list[_Task], attempt: Attempt, errors: Mapping[str, str]
) -> Iterator[tuple[_Task, list[Run] | str]]:
    """Yield each task with its runs, or with why it failed."""
    left = []
    for task in tasks:
        known = read(task.place)
        if known is None:
            left.append(task)
        else:
            yield task, known
    began = time.perf_counter()
    with _one_thread():
        while left and time.perf_counter() - began < _QUICK:
            task = left.pop(0)
            if task.name not in errors:
                yield task, _tried(attempt, task)
        left = [task for task in left if task.name not in errors]
        if len(left) > 1 and _processes(len(left)) > 1:
            yield from _on_all_cores(left, attempt, errors)
        else:
            for task in left:
                if task.name not in errors:
                    yield task, _tried(attempt, task)


def _tried(attempt: Attempt, task: _Task) -> list[Run] | str:
    try:
        runs = attempt(task.method, task.seed)
    except (Exception, SystemExit) as error:  # a method under test may raise anything
        return f"{type(error).__name__}: {error}"
    write(task.place, runs)
    return runs


def _on_all_cores(
    tasks: list[_Task], attempt: Attempt, errors: Mapping[str, str]
) -> Iterator[tuple[_Task, list[Run] | str]]:
    """Run the tasks in processes, which read what they share from a file mapped into memory."""
    import joblib

    with tempfile.TemporaryDirectory(prefix="curalab-bench-", ignore_cleanup_errors=True) as made:
        file = Path(made) / "attempt.joblib"
        try:
            joblib.dump(attempt, file)
        except Exception as error:  # pickling what the user holds may raise anything
            _log.info("The bench runs in one process: its input cannot be sent (%s).", error)
            for task in tasks:
                if task.name not in errors:
                    yield task, _tried(attempt, task)
            return
        n = _processes(len(tasks))
        with joblib.parallel_config("loky", n_jobs=n, inner_max_num_threads=1):
            work = joblib.Parallel(
                return_as="generator_unordered", pre_dispatch=2 * n, batch_size=1
            )
            sent = (task for task in tasks if task.name not in errors)  # asked as they are sent
            left = {(task.name, task.seed): task for task in tasks}
            try:
                for task, answer in work(joblib.delayed(_elsewhere)(file, task) for task in sent):
                    del left[task.name, task.seed]
                    yield task, answer
            except BrokenExecutor:  # a process died, and nobody knows under which method
                for task in left.values():
                    if task.name not in errors:
                        yield _alone(file, task)


def _processes(n_tasks: int) -> int:
    import joblib

    return min(int(joblib.cpu_count()), n_tasks, _MOST_PROCESSES)


def _alone(file: Path, task: _Task) -> tuple[_Task, list[Run] | str]:
    """Run a task while no other runs: if a process dies now, this method ended it."""
    import joblib

    try:
        answer: tuple[_Task, list[Run] | str]
        (answer,) = joblib.Parallel()([joblib.delayed(_elsewhere)(file, task)])
    except BrokenExecutor:
        return task, "Its process died: it took too much memory, or was ended from outside."
    return answer


def _elsewhere(file: Path, task: _Task) -> tuple[_Task, list[Run] | str]:
    with _one_thread():
        return task, _tried(_opened(file), task)


@functools.lru_cache(maxsize=1)
def _opened(file: Path) -> Attempt:
    """Return the attempt, the same for all tasks of a process: its graph is computed once."""
    import joblib

    attempt = joblib.load(file, mmap_mode="r")
    sealed: Attempt = dataclasses.replace(attempt, pool=attempt.pool.replace())  # read-only again
    return sealed


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    with ExitStack() as undone:
        undone.enter_context(threadpool_limits(limits=1))
        torch.set_num_threads(1)
        undone.callback(torch.set_num_threads, threads)
        yield
