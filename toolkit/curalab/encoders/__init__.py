"""Embeddings: items become vectors whose distances mean something."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_choice, check_seed
from curalab.embedding import Embedding, take_rows
from curalab.encoders import health
from curalab.encoders._cache import CacheInfo, cache_info, clear_cache, keep
from curalab.encoders._compare import compare_encoders
from curalab.encoders._contract import find_encoder, takes_of
from curalab.encoders._rows import ids_of, kind_of_data, rows_for
from curalab.encoders._run import Job, named, run, unreadable_text
from curalab.encoders.clap import CLAP
from curalab.encoders.clip import CLIP
from curalab.encoders.columns import Columns
from curalab.encoders.contrastive import Contrastive
from curalab.encoders.dinov2 import DINOv2
from curalab.encoders.log_mel import LogMel
from curalab.encoders.masked import Masked
from curalab.encoders.minilm import MiniLM
from curalab.encoders.patches import Patches
from curalab.encoders.random_projectors import RandomProjectors
from curalab.encoders.series import SeriesFeatures
from curalab.encoders.siglip import SigLIP
from curalab.encoders.tfidf import TfIdf
from curalab.encoders.wav2vec2 import Wav2Vec2
from curalab.pool import Stage

__all__ = [
    "CLAP",
    "CLIP",
    "STAGE",
    "CacheInfo",
    "Columns",
    "Contrastive",
    "DINOv2",
    "LogMel",
    "Masked",
    "MiniLM",
    "Patches",
    "RandomProjectors",
    "SeriesFeatures",
    "SigLIP",
    "TfIdf",
    "Wav2Vec2",
    "cache_info",
    "clear_cache",
    "compare_encoders",
    "embed",
    "health",
]

_log = logging.getLogger(__name__)

STAGE = Stage(
    name="encoders",
    verb="embed",
    contract=(
        "An encoder has encode(batch), which returns an array (b, d), and says what it takes: "
        "text, image, audio or columns; or it is a function of a batch."
    ),
    methods={
        "tfidf": TfIdf,
        "minilm": MiniLM,
        "patches": Patches,
        "dinov2": DINOv2,
        "clip": CLIP,
        "siglip": SigLIP,
        "contrastive": Contrastive,
        "log_mel": LogMel,
        "wav2vec2": Wav2Vec2,
        "clap": CLAP,
        "columns": Columns,
        "masked": Masked,
        "random_projectors": RandomProjectors,
        "series": SeriesFeatures,
    },
    functions={
        "compare_encoders": compare_encoders,
        "health.report": health.report,
        "health.spread": health.spread,
        "health.local_dimension": health.local_dimension,
        "health.separability": health.separability,
        "health.hubness": health.hubness,
    },
    start_here="tfidf",
)


def embed(
    data: Any,
    *,
    encoder: Any = None,
    cache: bool = True,
    unreadable: str = "raise",
    random_state: int | None = None,
) -> Embedding:
    """Turn texts, images, sounds or rows of a table into vectors.

    Parameters
    ----------
    data : Series, sequence, array or DataFrame
        Texts; images as PIL images, arrays (h, w) or (h, w, 3), an array (n, h, w[, 3]) or paths;
        sounds as paths of wav files, pairs (rate, samples) or samples; a table, for
        ``encoder="columns"``. A Series or DataFrame brings its index as ids.
    encoder : str, encoder or callable
        A name in ``cl.methods("encoders")``, an encoder with settings, or a function of a batch
        of rows that returns an array of shape (b, d). There is no default: the error names the
        encoders for the data. One that learns is fitted on `data`, unless it is fitted already:
        ``embed(test, encoder=embedding.encoder)`` is the same space.
    cache : bool, default=True
        Keep the vectors on disk and take them from there when the same data meet the same
        encoder. False reads and writes nothing. See `cache_info`.
    unreadable : {"raise", "skip"}, default="raise"
        What to do with images and sounds that cannot be read: one error that names them all, or
        leave them out, with a warning and a table in ``details["unreadable"]``. Where that shows
        on the way only, the others are embedded and kept first: the call without these rows, or
        with "skip", finds them.
    random_state : int, default=None
        Seed for encoders that learn. None draws one and records it, or takes what is cached for
        any seed.

    Returns
    -------
    Embedding
        Its metric is what the encoder says, else "euclidean" for tables and "cosine" for the
        rest; `encoder` is the fitted encoder and `data` the data themselves.

    Raises
    ------
    TypeError, ValueError
        The data are not what the encoder takes (all rows that are not are named in one error,
        unreadable images and sounds too), or the encoder does not return finite numbers, a row
        each.
    MissingExtraError
        The encoder needs a package that is not installed.

    Notes
    -----
    Data are encoded in batches of the encoder's `batch_size`; images and sounds are opened batch
    by batch. A function is recognised in the cache by its code and by all that it refers to.
    Where that cannot be hashed, a log line says so and nothing is cached. What is cached is
    written every ten seconds: after a crash the same call goes on where it was.

    Examples
    --------
    >>> import pandas as pd, curalab as cl
    >>> texts = pd.Series(["a red car", "the red cars", "green tea"], index=["x", "y", "z"])
    >>> emb = cl.embed(texts, encoder="tfidf", random_state=0)
    >>> emb.ids[emb.neighbors(1).indices[0, 0]]
    'y'
    >>> cl.embed(["red car"], encoder=emb.encoder).shape == (1, emb.shape[1])
    True
    """
    ids = ids_of(data)
    name, made = find_encoder(STAGE, encoder, kind_of_data(data))
    takes = takes_of(name, made, kind_of_data(data))
    rows = rows_for(takes, data, ids, name=name)
    job = Job(name, made, takes, rows, ids)
    skip = check_choice("unreadable", unreadable, ("raise", "skip")) == "skip"
    seed = None if random_state is None else check_seed(random_state)
    done = run(job, seed=seed, cache=cache, skip=skip)
    if done.failed and not skip:
        if done.key:
            keep(done.key, done.entry)
        raise ValueError(unreadable_text(job, done.failed))
    details = {}
    if done.failed:
        _log.warning("Left out %s.", named(job, done.failed))
        data, ids = _without(data, ids, list(done.failed))
        told = {"id": job.ids[list(done.failed)], "reason": list(done.failed.values())}
        details["unreadable"] = pd.DataFrame(told)
    made = done.encoder
    metric = "euclidean" if takes == "columns" or isinstance(data, pd.DataFrame) else "cosine"
    embedding = Embedding(
        ids=ids,
        vectors=done.entry.vectors,
        metric=getattr(made, "metric", metric),
        params=done.params,
        details=details,
        data=data,
        encoder=made,
    )
    if done.key:
        keep(done.key, done.entry)
    return embedding


def _without(data: Any, ids: pd.Index, rows: list[int]) -> tuple[Any, pd.Index]:
    kept = np.setdiff1d(np.arange(len(ids)), rows)
    return take_rows(data, kept), ids[kept]
