"""Fit an encoder where it must be, encode in batches, and look into the cache first."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_integer, check_seed, complain
from curalab.encoders import _cache, _contract
from curalab.encoders._key import UnhashableError, content_of, encoder_key
from curalab.encoders._opened import UnreadableError
from curalab.encoders._progress import Progress
from curalab.encoders._rows import cut

__all__: list[str] = []

_log = logging.getLogger(__name__)

_BATCH = {"image": 64, "audio": 64, "columns": 65_536}  # where the encoder does not say
_BATCH_ELSE = 256


class Job(NamedTuple):
    """What is to be embedded, and by what."""

    name: str
    encoder: Any
    takes: str | None
    rows: Any
    ids: pd.Index

    def only(self, rows: IntArray) -> Job:
        """Return the job for some of its rows."""
        return self._replace(rows=self.rows.only(rows), ids=self.ids[rows])


class Done(NamedTuple):
    """The vectors of the rows that can be read, the fitted encoder, and how they came about.

    `key` says where to keep the vectors; None where they need not or must not be kept. `failed`
    says of rows why they cannot be read.
    """

    entry: _cache.Entry
    encoder: Any
    params: dict[str, Any]
    key: str | None
    failed: dict[int, str]


def run(job: Job, *, seed: int | None, cache: bool, skip: bool) -> Done:
    """Return the vectors of a job.

    A row that turns out to be unreadable on the way does not end it: the vectors of the others
    are those of a job without it, under whose key they can be kept. What is seen to be unreadable
    before any work, by its header, is told at once, unless such rows are to be skipped.
    """
    try:
        return _run(job, seed=seed, cache=cache)
    except _AnewError as found:
        failed = found.failed
    except UnreadableError:
        failed = job.rows.unreadable()
        if not failed:  # all could be read this time
            raise
        if not skip:
            raise ValueError(unreadable_text(job, failed)) from None
    rest = np.setdiff1d(np.arange(len(job.ids)), list(failed))
    if not len(rest):
        raise ValueError(unreadable_text(job, failed))
    return run(job.only(rest), seed=seed, cache=cache, skip=skip)._replace(failed=failed)


class _AnewError(Exception):
    """An encoder learned among rows of which some turned out to be unreadable."""

    def __init__(self, failed: dict[int, str]) -> None:
        super().__init__()
        self.failed = failed


def unreadable_text(job: Job, failed: dict[int, str]) -> str:
    """Say which rows cannot be read, and what to do."""
    hint = "Drop these rows, or pass unreadable='skip'; check_items(items) lists all of them."
    rule = f"{job.rows.noun} that can be read"
    return complain("data", rule, what=named(job, failed), hint=hint)


def named(job: Job, failed: dict[int, str]) -> str:
    """Return how many rows cannot be read, and the first ones with their reasons."""
    told = [f"{job.ids[row]!r}: {reason}" for row, reason in failed.items()]
    listed = "; ".join(told[:5]) + (f" and {len(told) - 5:,} more" if len(told) > 5 else "")
    return f"{len(told):,} of {len(job.ids):,} rows that cannot be read ({listed})"


def _run(job: Job, *, seed: int | None, cache: bool) -> Done:
    learns = _contract.needs_fit(job.name, job.encoder)
    seed = seed if learns else None
    data, code = _hashes(job, cache)
    key = _key(data, code) if cache else None
    entry = _cache.find(key, seed, len(job.ids)) if key else None
    encoder, is_kept = job.encoder, entry is not None
    failed: dict[int, str] = {}
    if entry is None:
        progress = Progress(key, seed)
        seed = check_seed(progress.seed) if learns else None
        state = progress.learned or {}
        if learns and not state:
            rng = np.random.default_rng(seed)
            encoder = _contract.fitted(job.name, encoder, job.rows, rng)
            state = _contract.learned(encoder)
        elif learns:
            encoder = dataclasses.replace(encoder, **state)
        vectors, failed = _encoded(job, encoder, progress, state, seed)
        if failed:
            if learns:
                progress.remove()
                raise _AnewError(failed)
            job = job.only(np.setdiff1d(np.arange(len(job.ids)), list(failed)))
            vectors = vectors[np.isfinite(vectors[:, 0])]
            data, _ = _hashes(job, cache)
            key = _key(data, code) if cache else None
        progress.remove()
        entry = _cache.Entry(vectors, state, seed)
    elif entry.learned:
        encoder = dataclasses.replace(encoder, **entry.learned)
    told = _contract.record(job.name, job.encoder)
    params = {"verb": "embed", **told, "random_state": entry.seed, "data": data, "encoder": code}
    return Done(entry, encoder, params, None if is_kept else key, failed)


def _key(data: str | None, code: str | None) -> str | None:
    if not (data and code):
        return None
    return hashlib.blake2b(f"{data} {code}".encode(), digest_size=16).hexdigest()


def _hashes(job: Job, cache: bool) -> tuple[str | None, str | None]:
    """Return the hash of the data and of the encoder, None for one that has none."""
    told: list[str | None] = []
    for what, made, source in (
        ("the data", content_of, job.rows),
        (f"the encoder {job.name!r}", encoder_key, job.encoder),
    ):
        try:
            told.append(made(source))
        except UnhashableError as error:
            told.append(None)
            if cache:
                _log.warning("Not cached: in %s, %s cannot be hashed.", what, error)
    return told[0], told[1]


def _encoded(
    job: Job, encoder: Any, progress: Progress, state: dict[str, Any], seed: int | None
) -> tuple[FloatArray, dict[int, str]]:
    """Return the vectors of all rows, NaN for those that cannot be read, and why they cannot.

    Long texts come first, so that a batch is of one length.
    """
    from tqdm.auto import tqdm

    n, size = len(job.ids), _batch_size(job, encoder)
    order: IntArray = np.arange(n)
    rows = job.rows
    if job.takes == "text":
        order = np.argsort([-len(text) for text in rows], kind="stable")
        rows = [rows[i] for i in order]
    done, d = progress.rows.shape
    vectors = np.empty((n, d), dtype=np.float32)
    vectors[order[:done]] = progress.rows
    lost = np.flatnonzero(np.isnan(progress.rows[:, 0])) if d else np.empty(0, dtype=np.intp)
    failed = job.rows.unreadable(lost) if len(lost) else {}  # texts can always be read
    encode = encoder.encode if hasattr(encoder, "encode") else encoder
    with tqdm(total=n, initial=done, desc=f"embed {job.name}", delay=2, disable=None) as bar:
        for start in range(done, n, size):
            at = order[start : start + size]
            try:
                made = encode(cut(rows, start, start + len(at)))
                part = _contract.checked(job.name, made, len(at), vectors.shape[1], job.ids[at])
            except UnreadableError:
                part = _readable(job, encode, at, vectors.shape[1], failed)
            except BaseException:
                progress.write(state, seed)
                raise
            if not vectors.shape[1]:
                vectors = np.empty((n, part.shape[1]), dtype=np.float32)
            vectors[at] = part
            progress.add(part, state, seed)
            bar.update(len(at))
    return vectors, failed


def _readable(job: Job, encode: Any, at: IntArray, d: int, failed: dict[int, str]) -> FloatArray:
    """Return the vectors of a batch, NaN for rows that cannot be read, which go into `failed`."""
    bad = job.rows.unreadable(at)
    good = np.setdiff1d(at, list(bad))
    if not len(good):
        if not d:  # nothing says yet how long a vector is
            raise UnreadableError
        part = np.full((len(at), d), np.nan, dtype=np.float32)
    else:
        made = encode(job.rows.only(good)[:])
        made = _contract.checked(job.name, made, len(good), d, job.ids[good])
        part = np.full((len(at), made.shape[1]), np.nan, dtype=np.float32)
        part[np.isin(at, good)] = made
    failed |= bad
    return part


def _batch_size(job: Job, encoder: Any) -> int:
    size = getattr(encoder, "batch_size", None) or _BATCH.get(job.takes or "", _BATCH_ELSE)
    return check_integer("batch_size", size, low=1)
