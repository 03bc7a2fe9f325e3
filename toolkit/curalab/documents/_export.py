"""A curated table in a folder of its own, with all that a reviewer asks for."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import check_choice, complain, first_few
from curalab._hidden import is_metrics_only
from curalab.documents._card import card
from curalab.documents._formats import FORMATS
from curalab.documents._privacy import (
    copy_ledger,
    metrics_of,
    refuse_cells,
    refuse_said,
    secrets_of,
)
from curalab.documents._reading import metrics_text, reading_text
from curalab.documents._verify import check_source, check_written
from curalab.items._schema import laid_out
from curalab.items._stored import MANIFEST, SCHEMA, VERSION, checksum
from curalab.items._table import check_table
from curalab.ledger import Ledger

__all__ = ["export"]

_PARTS = ("people", "notes", "rows")
_LEDGER, _CARD, _METRICS = "decisions.ledger", "README.md", "metrics.json"
_OURS = (_LEDGER, _METRICS, MANIFEST, SCHEMA, "items", "source")


def export(
    items: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    ledger: Ledger | None = None,
    format: str = "parquet",
    source: pd.DataFrame | None = None,
    documents: Mapping[str, Any] | None = None,
    leave_out: str | Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write a table into a folder that says how it came about, and that gives the same table again.

    The folder holds the table (`items/`), its card (`README.md`), a copy of the ledger
    (`decisions.ledger`), dtypes (`schema.json`) and the SHA-256 of every file (`export.json`).
    ``cl.load_items(path)`` checks the files and returns the table with its dtypes and ids. The
    folder gets its name when all of it was written, and the table read back and found equal
    (images and sounds are not read again). A killed export leaves a folder without
    `export.json` under a name with a dot, which ``cl.load_items`` refuses.

    Parameters
    ----------
    items : DataFrame
        The curated table, its index holding the ids.
    path : str or path
        The folder; made here. A link is followed.
    ledger : Ledger, default=None
        The decisions that made the table. Others may write to it meanwhile.
    format : {"parquet", "csv", "huggingface", "imagefolder", "webdataset"}, default="parquet"
        Images and sounds (PIL images, arrays of two or three axes, pairs of rate and samples,
        bytes, and paths of files that exist) go into the table in "parquet" and "huggingface",
        into files beside it in "csv" and "imagefolder", and into tar files in "webdataset". Files
        and bytes stay as they are, what they say of camera and author included; arrays lose
        nothing. A path comes back as the path of the copy, or as what is in it where there is no
        such file.
    source : DataFrame, default=None
        The table before curation. It is written beside the other (`source/`, read by
        ``cl.load_items(path / "source")``), after a check that ``ledger.apply(source)`` is `items`.
        Without it a reviewer reads what was dropped and why, and not the rows that were.
    documents : mapping of str to object, default=None
        More files by their names: text, or anything with ``save(path)`` such as a card, a lineage
        or an audit. A "README.md" takes the place of the card that is made here.
    leave_out : str or sequence of {"people", "notes", "rows"}, default=()
        "people": in a new ledger those who decided are annotator_1, annotator_2, …, and so are
        their names in reasons. "notes": reasons are empty. Either way parameters lose their texts.
        The table stays as it is, and is refused where an id, the name of a column or all of a cell
        is such a name or note. "rows": neither table nor ledger, only counts, in
        which no cell, id, name, note or class name occurs; names of columns do. Of `documents`
        it takes audits, and counts what they found. ``cl.metrics_only()`` asks for it.
    overwrite : bool, default=False
        Whether an older export at `path` is replaced. Any other folder is refused.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        A cell cannot be written without loss or an image not be read (the error names it); `items`
        is not what the ledger makes of `source`; names are left in what should have none.
    FileExistsError
        Something else is at `path`.
    OSError
        The disk is full or cannot be written. Nothing is left behind.

    Examples
    --------
    >>> import curalab as cl, pandas as pd, tempfile
    >>> items = pd.DataFrame({"label": ["cat", "dog"]}, index=["a", "b"])
    >>> with tempfile.TemporaryDirectory() as folder, cl.Ledger(f"{folder}/pets.ledger") as ledger:
    ...     event = ledger.record("b", action="drop", actor="Ann", reason="blurred")
    ...     made = cl.export(ledger.apply(items), f"{folder}/pets", ledger=ledger, source=items)
    ...     again = cl.load_items(made)
    ...     files = sorted(file.name for file in made.iterdir())
    >>> again
      label
    a   cat
    >>> files
    ['README.md', 'decisions.ledger', 'export.json', 'items', 'schema.json', 'source']
    """
    check_table("items", items)
    check_choice("format", format, FORMATS)
    left_out, given = _left_out(leave_out), _named(documents)
    left_out += ["rows"] * (is_metrics_only() and "rows" not in left_out)
    tables = {"items": items}
    if not isinstance(ledger, Ledger | None):
        raise TypeError(complain("ledger", "a Ledger", what=type(ledger).__name__))
    _check_place(path, overwrite, ledger)
    with _decisions(ledger) as decided, _new_folder(Path(path).resolve()) as folder:
        if source is not None:
            tables["source"] = check_table("source", source)
            check_source(source, items, decided)
        if "rows" in left_out:
            metrics = metrics_of(items, decided, given)
            (folder / _METRICS).write_text(json.dumps(metrics, indent=1), encoding="utf-8")
            (folder / _CARD).write_text(metrics_text(metrics), encoding="utf-8")
        else:
            secrets = secrets_of(decided, left_out)
            for name, table in tables.items():
                refuse_cells(name, table, secrets)
            _write_tables(folder, tables, format)
            copy_ledger(decided, folder / _LEDGER, left_out=left_out)
            _write_documents(folder, items, given, reading_text(tables, format, [*given], left_out))
            refuse_said(_texts_of(folder, given), secrets)
        _write_manifest(folder, format, left_out)
    return Path(path)


# ---- what is asked for ---------------------------------------------------------------------------


def _left_out(parts: object) -> list[str]:
    is_one = isinstance(parts, str) or not isinstance(parts, Iterable)
    listed = [parts] if is_one else list(parts)  # type: ignore[call-overload]
    return sorted({check_choice("leave_out", part, _PARTS) for part in listed})


def _named(documents: Mapping[str, Any] | None) -> dict[str, Any]:
    given: Any = {} if documents is None else documents
    if not isinstance(given, Mapping):
        rule = "a mapping of file names to documents"
        raise TypeError(complain("documents", rule, what=type(given).__name__))
    for name, document in given.items():
        is_own = isinstance(name, str) and name not in ("", "..", *_OURS) and "\0" not in name
        if not is_own or Path(name).name != name:
            hint = f"The export itself writes {first_few(_OURS, 9)}."
            raise ValueError(complain("documents", "named as files of their own", name, hint))
        if not isinstance(document, str) and not hasattr(document, "save"):
            got = f"{type(document).__name__} for {name!r}"
            raise TypeError(complain("documents", "text, or to have save(path)", what=got))
    return dict(given)


@contextmanager
def _decisions(ledger: Ledger | None) -> Iterator[Ledger]:
    """Yield the ledger, or one without decisions where there is none."""
    if ledger is not None:
        yield ledger
        return
    with tempfile.TemporaryDirectory() as folder, Ledger(f"{folder}/none.ledger") as empty:
        yield empty


# ---- the folder ----------------------------------------------------------------------------------


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when it is full."""
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as made:
            fresh, old = Path(made) / target.name, Path(made) / "old"
            fresh.mkdir()
            yield fresh
            if target.exists():
                os.replace(target, old)
            try:
                os.replace(fresh, target)
            except OSError:
                if old.exists():
                    os.replace(old, target)
                raise
    except OSError as error:
        if str(error).startswith("The "):  # it was said already
            raise
        rule = "a folder on a disk that takes what is written"
        got = f"{error.strerror or str(error)!r} at {str(target)!r}"
        hint = "Nothing was left there: make room, or choose another path."
        raise OSError(complain("path", rule, hint=hint, what=got)) from error


def _check_place(path: Any, overwrite: bool, ledger: Ledger | None) -> None:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(complain("path", "the path of a folder", path))
    target = Path(path).resolve()
    if not target.parent.is_dir():
        raise ValueError(complain("path", "in a folder that is there", what=repr(str(target))))
    if target.exists() and not target.is_dir():
        got = f"the file {str(target)!r}"
        raise FileExistsError(complain("path", "a new folder", what=got))
    if target == Path.cwd().resolve():  # it would be replaced below the feet of this process
        got = f"{str(target)!r}, in which this process works,"
        raise FileExistsError(complain("path", "a new folder", hint="Choose another.", what=got))
    if not target.is_dir() or not any(target.iterdir()):
        return
    holds, hint = "other files", "Choose another."
    if ledger is not None and target in ledger.path.parents:
        holds = "the ledger itself"
    elif (target / MANIFEST).is_file():
        if overwrite:
            return
        holds, hint = "an export", "Choose another, or replace that one with overwrite=True."
    got = f"{str(target)!r}, which holds {holds},"
    raise FileExistsError(complain("path", "a new or empty folder", hint=hint, what=got))


def _write_tables(folder: Path, tables: Mapping[str, pd.DataFrame], form: str) -> None:
    schemas = {}
    for name, table in tables.items():
        (folder / name).mkdir()
        layout = laid_out(table, form)
        FORMATS[form](layout, folder / name)
        schemas[name] = json.loads(json.dumps(layout.schema))
        check_written(table, folder / name, form, schemas[name])
    (folder / SCHEMA).write_text(json.dumps(schemas, indent=1), encoding="utf-8")


def _write_documents(
    folder: Path, items: pd.DataFrame, documents: Mapping[str, Any], guide: str
) -> None:
    with Ledger(folder / _LEDGER) as ledger:  # a copy, which names nobody who is left out
        written = {_CARD: card(items, ledger), **documents}
    for name, document in written.items():
        if isinstance(document, str):
            (folder / name).write_text(document, encoding="utf-8")
        else:
            document.save(folder / name)
    with (folder / _CARD).open("a", encoding="utf-8") as readme:
        readme.write(guide)


def _texts_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    found = (file for name in names for file in [folder / name, *(folder / name).rglob("*")])
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8", errors="replace")
        for file in found
        if file.is_file()
    }


def _write_manifest(folder: Path, form: str, left_out: list[str]) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    manifest = {
        "version": VERSION,
        "written by": f"curalab {version('curalab')}",
        "format": form,
        "left_out": left_out,
        "files": {file.relative_to(folder).as_posix(): checksum(file) for file in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
