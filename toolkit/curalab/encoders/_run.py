"""Fit an encoder where it must be, encode in batches, and look into the cache first."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_integer, check_seed
from curalab.encoders import _cache, _contract
from curalab.encoders._key import UnhashableError, content_of, encoder_key
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


class Done(NamedTuple):
    """The vectors and the fitted encoder, how they came about, and where to keep them."""

    entry: _cache.Entry
    encoder: Any
    params: dict[str, Any]
    key: str | None


def run(job: Job, *, seed: int | None, cache: bool) -> Done:
    """Return the vectors of a job; `key` is None where they need not or must not be kept."""
    learns = _contract.needs_fit(job.name, job.encoder)
    seed = seed if learns else None
    data, code = _hashes(job, cache)
    key = None
    if cache and data and code:
        key = hashlib.blake2b(f"{data} {code}".encode(), digest_size=16).hexdigest()
    entry = _cache.find(key, seed, len(job.ids)) if key else None
    encoder, is_kept = job.encoder, entry is not None
    if entry is None:
        seed = check_seed(seed) if learns else None
        if learns:
            rng = np.random.default_rng(seed)
            encoder = _contract.fitted(job.name, encoder, job.rows, rng)
        state = _contract.learned(encoder) if learns else {}
        entry = _cache.Entry(_encoded(job, encoder), state, seed)
    elif entry.learned:
        encoder = dataclasses.replace(encoder, **entry.learned)
    told = _contract.record(job.name, job.encoder)
    params = {"verb": "embed", **told, "random_state": entry.seed, "data": data, "encoder": code}
    return Done(entry, encoder, params, None if is_kept else key)


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


def _encoded(job: Job, encoder: Any) -> FloatArray:
    """Return the vectors of all rows; long texts first, so that a batch is of one length."""
    from tqdm.auto import tqdm

    n, size = len(job.ids), _batch_size(job, encoder)
    order: IntArray = np.arange(n)
    rows = job.rows
    if job.takes == "text":
        order = np.argsort([-len(text) for text in rows], kind="stable")
        rows = [rows[i] for i in order]
    encode = encoder.encode if hasattr(encoder, "encode") else encoder
    vectors = np.empty((n, 0), dtype=np.float32)
    with tqdm(total=n, desc=f"embed {job.name}", delay=2, disable=None) as bar:
        for start in range(0, n, size):
            at = order[start : start + size]
            made = encode(cut(rows, start, start + len(at)))
            part = _contract.checked(job.name, made, len(at), vectors.shape[1], job.ids[at])
            if not start:
                vectors = np.empty((n, part.shape[1]), dtype=np.float32)
            vectors[at] = part
            bar.update(len(at))
    return vectors


def _batch_size(job: Job, encoder: Any) -> int:
    size = getattr(encoder, "batch_size", None) or _BATCH.get(job.takes or "", _BATCH_ELSE)
    return check_integer("batch_size", size, low=1)
