"""Work on data in blocks: on this machine, or on many with Ray; what is done is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import check_seed, complain
from curalab.encoders._contract import needs_fit, takes_of
from curalab.encoders._rows import ids_of, kind_of_data, rows_for
from curalab.scale._blocks import blocks_of
from curalab.scale._embed import Encode, embed
from curalab.scale._partitions import HierarchicalKMeans, PartitionedDuplicates
from curalab.scale._run import BatchError, Where, mapped

__all__ = ["BatchError", "HierarchicalKMeans", "PartitionedDuplicates", "embed", "map_batches"]


def map_batches(
    function: Any,
    data: Any,
    *,
    backend: str = "local",
    batch_size: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    address: str | None = None,
    random_state: int | None = None,
) -> Any:
    """Call a function on data batch by batch, on this machine or on many.

    What a batch gives depends on nothing but the function, the rows in it, its number and the
    seed, so the backends agree. A run that was stopped, however it was, goes on where it was when
    the same call is made again.

    Parameters
    ----------
    function : callable or encoder
        Gets a batch: a copy of a part of `data`, of the same kind. Returns an array with one row
        (or number) for each row of it, the same dtype and shape in every batch, or a DataFrame of
        any length, the same columns in every batch.
        With a parameter `rng` it gets a generator of its own for each batch. An encoder that
        learns must be fitted.
    data : array, Series, DataFrame, list, Embedding or path
        A path is that of a ``.npy`` file, which is mapped into memory, or of a Parquet file or a
        folder of them, each row group of which is a batch, as a DataFrame.
    backend : {"local", "ray"}, default="local"
        One batch after the other here, with all cores that the function uses; or on Ray, a batch
        a core, with the extra ``ray``.
    batch_size : int, default=None
        Rows a batch. None takes 4,096 (256 of images and sounds).
    folder : path, default=None
        Where to keep the results: ``rows.npy`` or parts of Parquet, and ``_manifest.json``. None
        keeps them in the cache until all are done. A run goes on with what is there if data and
        function can be hashed: what a function refers to can be given an attribute `fingerprint`.
    address : str, default=None
        Of a Ray cluster: "auto", "host:port" or "ray://host:port". None takes the one that Ray is
        connected to, else starts Ray on this machine; it stays until ``ray.shutdown()``.
    random_state : int, default=None
        Seed. None draws one, or takes that of the run that is gone on with.

    Returns
    -------
    ndarray or DataFrame
        What the batches gave, in the order of the rows. With `folder` an array is mapped from its
        file.

    Raises
    ------
    BatchError
        The function failed twice on some batches. It names them; all others were done, and the
        same call does only these again.
    ConnectionError
        No Ray cluster answers at `address`.
    ValueError, FileExistsError, BlockingIOError
        `folder` holds other results, or results that may be of another function, something else,
        or is being written to.
    OSError
        The disk is full. What was done before is kept.

    Notes
    -----
    Files are recognised by their path, size and time; functions by their code and all that they
    refer to. Files must lie at the same path on all machines of a cluster.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> cl.map_batches(lambda batch: batch.sum(axis=1), np.eye(5), batch_size=2)
    array([1., 1., 1., 1., 1.])
    """
    seed = None if random_state is None else check_seed(random_state)
    _refuse_inside(folder, data)
    work, rows, ids = _work(function, data)
    blocks = blocks_of(rows, batch_size, ids=ids)
    where = Where(backend, address)
    return mapped(work, blocks, where, seed=seed, code=function, folder=folder)


def _refuse_inside(folder: Any, data: Any) -> None:
    """Raise where results would be written among the data, and be read as such the next time."""
    if not all(isinstance(path, str | os.PathLike) for path in (folder, data)):
        return
    inside, around = (Path(path).expanduser().resolve() for path in (folder, data))
    if around.is_dir() and inside.is_relative_to(around):
        rule = f"outside of the folder of the data, {os.fspath(data)!r}"
        raise ValueError(complain("folder", rule, os.fspath(folder)))


def _work(function: Any, data: Any) -> tuple[Callable[..., Any], Any, pd.Index | None]:
    """Return a function of a batch, the data as it wants them, and their ids."""
    if isinstance(function, type):
        got, hint = function.__name__, f"Add parentheses: {function.__name__}()."
        raise TypeError(complain("function", "a value, not a class", what=got, hint=hint))
    is_encoder = callable(getattr(function, "encode", None)) and not isinstance(function, str)
    if not is_encoder and not callable(function):
        raise TypeError(complain("function", "a function of a batch, or an encoder", function))
    if not is_encoder:
        return function, data, None
    name = type(function).__name__
    if needs_fit(name, function):
        got, hint = f"{name}, not fitted", "Fit it: embed(some_rows, encoder=…).encoder."
        raise ValueError(complain("function", "a fitted encoder", what=got, hint=hint))
    takes, ids = takes_of(name, function, kind_of_data(data)), ids_of(data)
    return Encode(function, name), rows_for(takes, data, ids, name=name), ids
