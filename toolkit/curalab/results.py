"""What every stage returns: arrays with ids, how they were made, ways to show and keep them."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from curalab._check import check_ids, read_only
from curalab._hidden import is_metrics_only
from curalab._saved import (
    BROKEN,
    IDS,
    META,
    VERSION,
    check_kept,
    damaged,
    exchange,
    locked,
    path_of,
    read_meta,
    whole,
)

__all__ = ["StageResult"]

_NOT_ROWS = ("ids", "params", "details")


@dataclass(frozen=True, kw_only=True, eq=False)
class StageResult:
    """Arrays whose row i belongs to `ids[i]`, and how they were made.

    Attributes
    ----------
    ids : pandas.Index of shape (n_items,)
        Distinct ids of the rows.
    params : mapping
        Plain JSON: verb, method, settings, seed and the fingerprints of what went in.
    details : mapping
        What the method added beside its arrays.
    """

    prefix: ClassVar[str] = ""
    columns: ClassVar[Mapping[str, str]] = {}

    ids: pd.Index
    params: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", check_ids(self.ids))
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, read_only(value))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def summary(self) -> str:
        """What was found, in a few words."""
        return ""

    def __repr__(self) -> str:
        made = self.params.get("method")
        parts = [f"{len(self):,} items", self.summary, f"method={made}" if made else ""]
        return f"{type(self).__name__}({', '.join(part for part in parts if part)})"

    def _repr_html_(self) -> str:
        from html import escape

        if is_metrics_only():
            return f"<p><code>{escape(repr(self))}</code></p>"
        table = self._first(8).to_html(max_cols=12, notebook=True, border=0)
        return f"<p><code>{escape(repr(self))}</code></p>{table}"

    def to_frame(self) -> pd.DataFrame:
        """Return one row an item, indexed by id, with columns named for the stage."""
        columns = {
            self.columns.get(name, f"{self.prefix}_{name}"): value
            for name, value in self._arrays().items()
            if value.ndim == 1
        }
        return pd.DataFrame(columns, index=self.ids)

    def _first(self, n: int) -> pd.DataFrame:
        """Return the first `n` rows of the frame."""
        return self.to_frame().head(n)

    def _arrays(self) -> dict[str, np.ndarray]:
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            name: value
            for name, value in own.items()
            if name not in _NOT_ROWS and isinstance(value, np.ndarray)
        }

    def transform(self, new: Any) -> Any:
        """Place new rows in the result's space, where the method learned how to."""
        return self._learned("transform")(new)

    def predict(self, new: Any) -> Any:
        """Decide new rows as these were decided, where the method learned how to."""
        return self._learned("predict")(new)

    def _learned(self, what: str) -> Any:
        if what not in self.details:
            kept = "; open() does not bring it back" if self.params.get("opened") else ""
            raise TypeError(
                f"The method {self.params.get('method')!r} cannot {what} new rows{kept}."
            )
        return self.details[what]

    # ---- on disk ---------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result into the folder `path`, all of it or nothing.

        An older result at the same place is replaced, and is there until the new one is; any other
        folder is refused, as is one that another process writes to (BlockingIOError). Functions in
        `details` are left out.
        """
        target = path_of(path)
        if target.exists() and not (target / META).is_file():
            raise FileExistsError(
                f"{str(target)!r} exists and is not a saved result. Choose another path."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        older = whole(target)
        with (
            locked(older) if older.exists() else nullcontext(),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as made,
        ):
            fresh = Path(made) / "new"
            fresh.mkdir()
            self._write(fresh)
            exchange(fresh, target)

    def _write(self, folder: Path) -> None:
        rows: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for name, value in self._parts().items():
            if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) == len(self):
                rows[name] = value
            else:
                _put(folder, name, value, plain)
        frame = pd.DataFrame(rows, index=check_kept(self.ids).rename("id"))
        frame.reset_index().to_parquet(folder / IDS)
        details: dict[str, Any] = {}
        left_out = [
            k for k, v in self.details.items() if not _put(folder, f"details.{k}", v, details)
        ]
        meta = {
            "version": VERSION,
            "class": f"{type(self).__module__}:{type(self).__qualname__}",
            "ids_name": self.ids.name,
            "range": [len(self)] if isinstance(self.ids, pd.RangeIndex) else None,
            "params": dict(self.params),
            "plain": plain,
            "details": {k.removeprefix("details."): v for k, v in details.items()},
            "left_out": left_out,
        }
        (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")

    def _parts(self) -> dict[str, Any]:
        """Return what is kept on disk beside ids, params and details, by name."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in _NOT_ROWS and f.init and not f.metadata.get("unsaved")
        }

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; large arrays stay on disk and are mapped into memory."""
        folder = whole(path_of(path))
        meta, made = read_meta(folder, cls)
        try:
            return made._read(folder, meta)  # type: ignore[no-any-return]
        except BROKEN as error:  # a part is missing, was cut off, or does not fit the others
            raise damaged(folder, error) from error

    @classmethod
    def _read(cls, folder: Path, meta: dict[str, Any]) -> Self:
        frame = pd.read_parquet(folder / IDS).set_index("id")
        plain = {k: _get(folder, v) for k, v in meta["plain"].items()}
        details = {k: _get(folder, v) for k, v in meta["details"].items()}
        ids = frame.index
        if meta["range"] and np.array_equal(ids, np.arange(len(ids))):
            ids = pd.RangeIndex(len(ids))
        rows = {str(k): frame[k].to_numpy() for k in frame}
        params = {**meta["params"], "opened": True}
        ids = ids.rename(meta["ids_name"])
        kept = cls._restored(plain, len(ids))
        return cls(ids=ids, params=params, details=details, **rows, **kept)

    @classmethod
    def _restored(cls, plain: dict[str, Any], n: int) -> dict[str, Any]:
        """Return what lies beside the `n` rows, as the class takes it."""
        return plain


def _put(folder: Path, name: str, value: Any, plain: dict[str, Any]) -> bool:
    """Write one value beside the rows and note where; False where it cannot be kept."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        is_by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
        np.save(folder / f"{name}.npy", value.copy() if is_by_columns else value)
        plain[name] = {"npy": f"{name}.npy"}
    elif isinstance(value, np.ndarray):
        plain[name] = {"objects": value.tolist()}
    elif isinstance(value, pd.DataFrame):
        value.to_parquet(folder / f"{name}.parquet")
        plain[name] = {"parquet": f"{name}.parquet"}
    else:
        try:
            plain[name] = {"json": json.loads(json.dumps(value))}
        except TypeError:
            return False
    return True


def _get(folder: Path, where: dict[str, Any]) -> Any:
    if "npy" in where:
        return np.lib.format.open_memmap(folder / where["npy"], mode="r")
    if "parquet" in where:
        return pd.read_parquet(folder / where["parquet"])
    if "objects" in where:
        return np.array(where["objects"], dtype=object)
    return where["json"]
