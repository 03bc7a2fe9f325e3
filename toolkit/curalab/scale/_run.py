"""Blocks done where they are asked to be, and their results put together."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from curalab._check import check_choice, complain
from curalab.encoders._key import UnhashableError, encoder_key
from curalab.scale._attempt import Failed, Job, attempt, takes_rng
from curalab.scale._blocks import Blocks
from curalab.scale._kept import Kept
from curalab.scale._place import kept_in

__all__ = ["BatchError", "Where", "mapped"]

_log = logging.getLogger(__name__)
_BACKENDS = ("local", "ray")
_LASTS = "What was done so far is kept: the same call goes on."
_LOST = "What was done so far is lost"
_KEPT = "with folder=, and data and a function that can be hashed, it is kept."


class BatchError(RuntimeError):
    """Some batches failed, each of them twice.

    Attributes
    ----------
    failed : dict of int to str
        What went wrong, by the number of the batch.
    """

    def __init__(self, message: str, failed: dict[int, str]) -> None:
        super().__init__(message)
        self.failed = failed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.failed)


class Where(NamedTuple):
    """The backend, and the address of its cluster."""

    backend: str
    address: str | None


def mapped(
    function: Callable[..., Any],
    blocks: Blocks,
    where: Where,
    *,
    seed: int | None,
    code: Any = None,
    folder: str | os.PathLike[str] | None = None,
) -> Any:
    """Return what a function makes of blocks; `code` is what it is recognised by, else itself."""
    check_choice("backend", where.backend, _BACKENDS)
    if where.address is not None and where.backend != "ray":
        raise ValueError(complain("address", 'left out unless backend="ray"', where.address))
    with kept_in(folder, blocks, _hash_of(function if code is None else code), seed) as (
        kept,
        is_lasting,
    ):
        job = Job(function, takes_rng(function), kept.seed)
        left = [number for number in range(len(blocks.sizes)) if number not in kept.done]
        hint = _LASTS if is_lasting else f"{_LOST}; {_KEPT}"
        failed = _fill(kept, blocks, _results(job, blocks, left, where, hint)) if left else {}
        if failed:
            raise BatchError(_text(failed, blocks, is_lasting), failed)
        made = kept.result()
        return np.array(made) if folder is None and isinstance(made, np.ndarray) else made


def _results(
    job: Job, blocks: Blocks, numbers: list[int], where: Where, hint: str
) -> Iterable[tuple[int, Any]]:
    if where.backend == "ray":
        from curalab.scale._ray import on_ray

        return on_ray(job, blocks, numbers, where.address, hint=hint)
    return ((i, attempt(job, i, blocks.reader(i), blocks.sizes[i])) for i in numbers)


def _fill(kept: Kept, blocks: Blocks, results: Iterable[tuple[int, Any]]) -> dict[int, str]:
    """Keep results as they come; return what went wrong, by batch."""
    from tqdm.auto import tqdm

    failed = {}
    had = sum(blocks.sizes[number] for number in kept.done)
    with tqdm(
        total=blocks.n_rows, initial=had, desc="batches", unit=" rows", delay=2, disable=None
    ) as bar:
        for number, made in results:
            if isinstance(made, Failed):
                failed[number] = made.said
            else:
                try:
                    kept.add(number, made)
                except ValueError as error:  # not of the form that other batches have
                    failed[number] = str(error)
            bar.update(blocks.sizes[number])
    return dict(sorted(failed.items()))


def _text(failed: dict[int, str], blocks: Blocks, is_lasting: bool) -> str:
    told = [f"batch {number} ({blocks.named(number)}): {said}" for number, said in failed.items()]
    more = f"; and {len(told) - 5:,} more" if len(told) > 5 else ""
    hint = (
        "The others are done and kept: the same call does only these again."
        if is_lasting
        else f"What the others gave is lost; {_KEPT}"
    )
    return (
        f"{len(failed):,} of {len(blocks.sizes):,} batches failed, each of them twice: "
        f"{'; '.join(told[:5])}{more}. {hint}"
    )


def _hash_of(function: Any) -> str | None:
    """Return a hash of the function and all that it refers to; None where there is none."""
    try:
        return encoder_key(function)
    except UnhashableError as error:
        _log.warning("No run can go on with what this one does: %s cannot be hashed.", error)
        return None
