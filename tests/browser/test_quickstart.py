"""The front door: the quickstart in JupyterLab, run whole, used, killed, and opened again."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "00_quickstart.ipynb"


@pytest.mark.parametrize("engine", ["scatter", "plotly"])
def test_the_quickstart_is_seen_used_killed_and_goes_on(lab, tmp_path, engine):
    book = nbformat.read(QUICKSTART, as_version=4)
    for cell in book.cells:
        cell.source = cell.source.replace('color="label")', f'color="label", engine="{engine}")')
        cell.source = cell.source.replace("quickstart", f"quickstart_{engine}")
    nbformat.write(book, path := tmp_path / f"quickstart_{engine}.ipynb")
    at = next(i for i, cell in enumerate(book.cells) if cell.source.startswith("panel ="))
    reviewing = next(i for i, cell in enumerate(book.cells) if "ReviewPanel(bad" in cell.source)

    lab.open(path)
    lab.run_all()
    assert lab.errors() == []
    panel = lab.output(at).locator(".curalab-panel")
    canvas = panel.locator(".curalab-points canvas").first
    lab.wait_drawn(canvas, colors=50)
    plot = canvas if engine == "scatter" else panel.locator(".nsewdrag").first
    lasso = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.72)]
    lab.drag_until(plot, lasso, "len(panel.selected)")
    assert lab.value("set(panel.selected) <= set(items.index)")
    lab.screenshot(f"quickstart-{engine}-map", of=panel)

    suspect = lab.value("bad.worst(1)[0]")
    review = lab.output(reviewing).locator(".curalab-panel")
    review.get_by_text(suspect, exact=True).wait_for()
    lab.screenshot(f"quickstart-{engine}-review", of=review)
    n = lab.value("len(ledger)")
    review.get_by_role("button", name=re.compile(r"\(R\)$")).click()
    lab.wait_for(f"len(ledger) == {n + 1}")
    lab.save()

    lab.kill_kernel()
    lab.open(path.name)
    lab.run_all()
    assert lab.errors() == []
    decided = "ledger.decisions().loc[[bad.worst(1)[0]], ['action', 'actor']].to_numpy()"
    [(action, actor)] = lab.value(decided)
    assert action == "relabel"
    assert not actor.endswith("rule")
    review = lab.output(reviewing).locator(".curalab-panel")
    review.get_by_text(lab.value("bad.worst(2)[1]"), exact=True).wait_for()
