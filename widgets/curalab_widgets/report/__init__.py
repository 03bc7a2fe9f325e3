"""Pages to show to a colleague: an audit as HTML, and an executed notebook as HTML."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._hidden import is_metrics_only
from curalab_widgets._cards import Cards, plain
from curalab_widgets._page import page
from curalab_widgets.report._look import look

__all__ = ["audit_page", "notebook_page", "run_notebook"]

_SHOWN = 12


def audit_page(
    report: Any, items: pd.DataFrame, embedding: Any, *, label: str | None, note: str = ""
) -> str:
    """Return an audit as one self-contained HTML page.

    Parameters
    ----------
    report : Audit
        What was found.
    items : DataFrame
        The table that was audited.
    embedding : Embedding
        Its vectors; they are mapped for the picture.
    label : str or None
        The column that colours the map.
    note : str, default=""
        A line to put on top.

    Returns
    -------
    str
        HTML without scripts and without addresses of other files.
    """
    if is_metrics_only():
        return page("Audit", f"<h1>Audit of {len(items):,} items</h1>{report._repr_html_()}")
    parts = [
        f"<h1>Audit of {len(items):,} items</h1>",
        *(
            f'<p class="failed"><b>The finder {escape(name)} failed.</b> {escape(said)}</p>'
            for name, said in report.errors.items()
        ),
        f'<p class="failed">{escape(note)}</p>' if note else "",
        _overview(report),
        _map_part(report, items, embedding, label),
        *_problems(report, items, embedding, label),
        _how(report, embedding),
    ]
    return page("Audit", "".join(parts))


def _overview(report: Any) -> str:
    if report.problems.empty:
        return "<p>No problems found.</p>"
    rows = "".join(
        f"<tr><td><a href='#p{row.Index}'>{escape(row.problem)}</a></td><td>{_number(row)}</td>"
        f"<td>{f'{row.share:.1%}' if row.n_items else ''}</td><td>{escape(row.evidence)}</td>"
        f"<td>{escape(row.action)}</td></tr>"
        for row in report.problems.itertuples()
    )
    head = "".join(f"<th>{name}</th>" for name in ("problem", "items", "share", "evidence", "do"))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _map_part(report: Any, items: pd.DataFrame, embedding: Any, label: str | None) -> str:
    try:
        return look(report, items, embedding, label, Cards(items))
    except Exception as error:  # told in red: without a picture the findings are still of use
        said = escape(f"{type(error).__name__}: {error}")
        return f'<p class="failed"><b>The map and the groups failed.</b> {said}</p>'


def _number(row: Any) -> str:
    """Return how many items; of what is about whole columns, nothing."""
    return f"{row.n_items:,}" if row.n_items else "–"


def _problems(report: Any, items: pd.DataFrame, embedding: Any, label: str | None) -> list[str]:
    seen = _seen(items, embedding, label)
    rows = report.problems.itertuples()
    return [_problem(row, report, items, seen, label) for row in rows]


def _seen(items: pd.DataFrame, embedding: Any, label: str | None) -> Cards:
    """Return the items as what was embedded shows them: one column, or the values of a table."""
    data = embedding.data
    if isinstance(data, pd.DataFrame) and data.columns.isin(items.columns).all():
        return Cards(items[data.columns], as_values=True)
    if isinstance(data, pd.Series) and data.name in items:
        return Cards(items[[data.name]])
    return Cards(items.drop(columns=label) if label and items.shape[1] > 1 else items)


def _problem(row: Any, report: Any, items: pd.DataFrame, seen: Cards, label: str | None) -> str:
    ids, beside = list(row.ids)[:_SHOWN], list(row.beside)[:_SHOWN]
    place, near = (items.index.get_indexer(pd.Index(some)).tolist() for some in (ids, beside))
    told: dict[str, Sequence[object]] = {}
    if label:
        told["label"] = items[label].iloc[place].tolist()
    if row.problem == "label errors":
        told["suggested"] = report["label_errors"].to_frame().loc[ids, "label_suggested"].tolist()
    table = _items(seen, ids, place, near, told, row.why)
    more = (
        f"<p><small>{_SHOWN} of {row.n_items:,} shown.</small></p>" if row.n_items > _SHOWN else ""
    )
    call = f"<p>Record it: <code>{escape(row.call)}</code></p>" if row.call else ""
    return (
        f"<h2 id='p{row.Index}'>{escape(row.problem)} <small>{_number(row)} items</small></h2>"
        f"<p>{escape(row.evidence)}. Do: {escape(row.action)}.</p>{call}"
        f"{table if ids else ''}{more}"
    )


def _items(
    cards: Cards,
    ids: Sequence[object],
    rows: Sequence[int],
    beside: Sequence[int],
    told: dict[str, Sequence[object]],
    why: Sequence[str],
) -> str:
    """Return a table of items: what each is, what it is like, and what was seen of it."""
    head = ["id", "item", *(["is like"] if beside else []), *told, *(["why"] if why else [])]
    body = []
    for at, row in enumerate(rows):
        cells = [plain(ids[at]), cards.brief(row)]
        cells += [cards.brief(beside[at])] if beside else []
        cells += [plain(values[at]) for values in told.values()]
        cells += [plain(why[at], limit=300)] if why else []
        body.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    names = "".join(f"<th>{plain(name)}</th>" for name in head)
    return f"<table><tr>{names}</tr>{''.join(body)}</table>"


def _how(report: Any, embedding: Any) -> str:
    encoder = escape(str(embedding.params.get("method", "given")))
    lines = [
        f"<li>{escape(name)}: {escape(_short(result))}</li>"
        for name, result in report.results.items()
    ]
    return (
        f"<h2>How</h2><p>Vectors: {encoder}, {embedding.shape[1]} dimensions, "
        f"{embedding.metric}. Seed {report.params['random_state']}.</p><ul>{''.join(lines)}</ul>"
        f"{_unused(report, embedding)}"
    )


def _unused(report: Any, embedding: Any) -> str:
    """Name the columns that the vectors, or the search for shortcuts, could not use."""
    left: dict[str, str] = {}
    used = getattr(embedding.encoder, "fitted", None)
    if isinstance(embedding.data, pd.DataFrame) and isinstance(used, tuple):
        left |= {str(column): "vectors" for column in embedding.data if column not in used[0]}
    if "shortcuts" in report.results:
        why = report["shortcuts"].details["left_out"]
        left |= {column: f"shortcuts: {said}" for column, said in why.items()}
    lines = [f"<li>{escape(column)} (for {escape(said)})</li>" for column, said in left.items()]
    return f"<p>Columns that could not be used:</p><ul>{''.join(lines)}</ul>" if lines else ""


def _short(result: Any) -> str:
    return f"{len(result):,} rows" if isinstance(result, pd.DataFrame) else repr(result)


# ---- notebooks -----------------------------------------------------------------------------------


def run_notebook(notebook: Path, out: Path, *, tell: Callable[[int, int, str, float], None]) -> str:
    """Execute a notebook in the folder `out`, and write it there as HTML.

    Parameters
    ----------
    notebook : Path
        The notebook; it is not changed.
    out : Path
        Where its kernel works, and where ``<name without number>.html`` goes.
    tell : callable
        Called after each code cell with its number, their number, what it is about, and seconds.

    Returns
    -------
    str
        The text that the cell tagged "summary" shows.
    """
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    code = [i for i, cell in enumerate(book.cells) if cell.cell_type == "code"]
    begun: dict[int, float] = {}

    def started(cell: Any, cell_index: int) -> None:
        begun[cell_index] = time.monotonic()

    def executed(cell: Any, cell_index: int, execute_reply: Any) -> None:
        seconds = time.monotonic() - begun.get(cell_index, time.monotonic())
        tell(code.index(cell_index) + 1, len(code), _about(book.cells, cell_index), seconds)

    client = NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(out)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # its remarks about sockets help nobody
        on_cell_execute=started,
        on_cell_executed=executed,
    )
    client.execute()
    name = notebook.stem.split("_", 1)[-1]
    (out / f"{name}.html").write_text(notebook_page(book), encoding="utf-8")
    return "\n".join(_shown(cell) for cell in book.cells if "summary" in _tags(cell))


def notebook_page(book: Any) -> str:
    """Return an executed notebook as one HTML page that needs no network and no kernel."""
    from nbconvert import HTMLExporter

    logging.getLogger("traitlets").setLevel(logging.ERROR)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="lab",
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
        embed_images=True,
    )
    # A widget needs its kernel; the picture beside it does not.
    shown = ["text/html", "image/png", "text/markdown", "text/plain"]
    exporter.display_data_priority = shown  # type: ignore[attr-defined]
    for cell in book.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    book.metadata.pop("widgets", None)
    page: str = exporter.from_notebook_node(book)[0]
    return page


def _about(cells: list[Any], index: int) -> str:
    """Return the heading that a code cell stands under, or its first line."""
    for cell in reversed(cells[:index]):
        if cell.cell_type == "markdown":
            heads = [line for line in cell.source.splitlines() if line.startswith("#")]
            if heads:
                return str(heads[-1].lstrip("# "))
    return str(cells[index].source.partition("\n")[0])


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _shown(cell: Any) -> str:
    texts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            texts.append(output.text)
        elif "data" in output:
            texts.append(output.data.get("text/plain", ""))
    return "\n".join(texts).strip()
