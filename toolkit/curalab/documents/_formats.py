"""Tables as files of every format that `load_items` reads back."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curalab._check import complain, need_extra
from curalab.items._rows import text_type, to_rows
from curalab.items._schema import Layout, arrow_schema
from curalab.items._stored import FILES, checksum

__all__ = ["FORMATS"]

_SHARD = 2**28  # bytes

# ---- formats that hold images and sounds in the table --------------------------------------------


def _parquet(layout: Layout, folder: Path) -> None:
    import pyarrow.parquet as pq

    schema = _embedded(layout)
    with pq.ParquetWriter(folder / f"{folder.name}.parquet", schema) as writer:
        for table in _tables(layout, schema):
            writer.write_table(table)


def _huggingface(layout: Layout, folder: Path) -> None:
    """Write what `save_to_disk` would, which holds 100 rows at a time however large they are."""
    import pyarrow as pa

    datasets = need_extra("datasets", "documents", purpose="Writing a Hugging Face Dataset")
    features = datasets.Features.from_arrow_schema(_embedded(layout))
    features |= {name: datasets.Image() for name in layout.media if layout.holds_images(name)}
    schema = datasets.Features(features).arrow_schema
    with _quiet(datasets):
        datasets.Dataset(schema.empty_table()).save_to_disk(str(folder))
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    rows = folder / "data-00000-of-00001.arrow"
    with pa.ipc.new_stream(rows, schema) as writer:
        for table in _tables(layout, schema):
            writer.write_table(table)
    # By its fingerprint Hugging Face keeps what is made of a Dataset.
    state |= {"_data_files": [{"filename": rows.name}], "_fingerprint": checksum(rows)[:16]}
    (folder / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    has_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if has_bars:
            datasets.enable_progress_bars()


def _embedded(layout: Layout) -> Any:
    """Return the Arrow types where images and sounds are kept as Hugging Face does."""
    import pyarrow as pa

    stored = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema([*arrow_schema(layout.schema), *((name, stored) for name in layout.media)])


def _tables(layout: Layout, schema: Any) -> Iterator[Any]:
    import pyarrow as pa

    for arrays, files in layout.batches():
        held = {
            name: [cell and {"path": cell[0], "bytes": cell[1]} for cell in cells]
            for name, cells in files.items()
        }
        yield pa.table({**arrays, **held}, schema=schema)


# ---- formats that hold them in files -------------------------------------------------------------


def _csv(layout: Layout, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv as csv

    types = [(field.name, text_type(field.type)) for field in arrow_schema(layout.schema)]
    schema = pa.schema([*types, *((name, pa.string()) for name in layout.media)])
    with csv.CSVWriter(folder / f"{folder.name}.csv", schema) as writer:
        for arrays, names in _with_files(layout, folder):
            plain = {name: array.cast(schema.field(name).type) for name, array in arrays.items()}
            writer.write_table(pa.table({**plain, **names}, schema=schema))


def _imagefolder(layout: Layout, folder: Path) -> None:
    if not layout.media:
        rule = "a table with images or sounds for the format 'imagefolder'"
        hint = "Choose another format, such as 'parquet'."
        raise ValueError(complain("items", rule, hint=hint, what="none"))
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for arrays, names in _with_files(layout, folder):
            for at, row in enumerate(to_rows(arrays, layout.schema)):
                named = {k: cells[at] and f"{FILES}/{cells[at]}" for k, cells in names.items()}
                lines.write(json.dumps({**named, **row}) + "\n")


def _with_files(
    layout: Layout, folder: Path
) -> Iterator[tuple[dict[str, Any], dict[str, list[str | None]]]]:
    """Write images and sounds into files, and yield the arrays and the names of the files."""
    if layout.media:
        (folder / FILES).mkdir()
    for arrays, files in layout.batches():
        for name, raw in filter(None, (cell for cells in files.values() for cell in cells)):
            (folder / FILES / name).write_bytes(raw)
        yield arrays, {k: [cell and cell[0] for cell in cells] for k, cells in files.items()}


def _webdataset(layout: Layout, folder: Path) -> None:
    samples = _samples(layout)
    sample = next(samples, None)
    for shard in itertools.count():
        with tarfile.open(folder / f"{shard:06d}.tar", "w") as tar:
            while sample is not None and tar.offset <= _SHARD:
                for name, raw in sample:
                    member = tarfile.TarInfo(name)
                    member.size = len(raw)
                    tar.addfile(member, io.BytesIO(raw))
                sample = next(samples, None)
        if sample is None:
            return


def _samples(layout: Layout) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the files of each row. Ids stand in the JSON: a key has neither dots nor slashes."""
    keys = (f"{row:09d}" for row in itertools.count())
    for arrays, files in layout.batches():
        for at, row in enumerate(to_rows(arrays, layout.schema)):
            stored = {name: cells[at] for name, cells in files.items()}
            named = {name: cell and cell[0] for name, cell in stored.items()}
            text = json.dumps({**row, **named}).encode()
            yield [(f"{next(keys)}.json", text), *filter(None, stored.values())]


FORMATS: dict[str, Callable[[Layout, Path], None]] = {
    "parquet": _parquet,
    "csv": _csv,
    "huggingface": _huggingface,
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
}
