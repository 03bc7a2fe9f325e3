"""What a map costs until it is seen, and what a hand waits for, in a real JupyterLab."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.lab import Lab
from browser.server import find_chromium, launch_browser, serve

SETUP = """
import numpy as np
import pandas as pd
import jscatter
from curalab_widgets import MapPanel

rng = np.random.default_rng(0)
kind = rng.integers(10, size={n})
xy = rng.normal(size=(10, 2))[kind] + 0.2 * rng.normal(size=({n}, 2))
items = pd.DataFrame({{"label": kind.astype(str), "size": rng.random({n})}})
bare = items.assign(x=xy[:, 0], y=xy[:, 1])
"""
BARE = """
jscatter.Scatter(
    data=bare, x="x", y="y", color_by="label", width=480, height=480
).show(buttons=[])
"""
KINDS = {"bare": BARE, "panel": "panel = MapPanel(xy, items, color='label')\npanel"}

HEAR = """
import time
heard = []
panel.observe(lambda change: heard.append(time.time()), "selected")
"""
AROUND = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.04)]

# Runs a cell and resolves to the milliseconds until its canvas shows colours, and then no change
# for a quarter of a second: jupyter-scatter draws on a WebGL canvas and copies it to this one.
DRAWN = """async ([number, wait]) => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cell = panel.content.widgets[number];
    panel.content.activeCellIndex = number;
    const small = new OffscreenCanvas(96, 96).getContext("2d", {willReadFrequently: true});
    const count = () => {
        let colours = 0;
        for (const canvas of cell.node.querySelectorAll("canvas")) {
            if (!canvas.width || !canvas.height) continue;
            small.clearRect(0, 0, 96, 96);
            small.drawImage(canvas, 0, 0, 96, 96);
            const bytes = small.getImageData(0, 0, 96, 96).data, seen = new Set();
            for (let i = 0; i < bytes.length; i += 4)
                if (bytes[i + 3] > 30)
                    seen.add((bytes[i] >> 4) << 8 | (bytes[i + 1] >> 4) << 4 | bytes[i + 2] >> 4);
            colours = Math.max(colours, seen.size);
        }
        return colours;
    };
    const began = performance.now();
    window.jupyterapp.commands.execute("notebook:run-cell");
    return await new Promise((yes, no) => {
        const look = now => {
            const late = performance.now() - began;
            if (count() >= 8) yes(late);
            else if (late > wait) no(new Error("nothing was drawn"));
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    });
}"""
WATCH = """() => {
    const card = document.querySelector(".curalab-side").children[1];
    const moved = () => { window.curalabMoved = performance.now(); };
    window.curalabTold = [];
    document.addEventListener("mousemove", moved, true);
    new MutationObserver(() => window.curalabTold.push(performance.now() - window.curalabMoved))
        .observe(card, {childList: true, subtree: true, characterData: true});
}"""
CLEAR = """number => window.jupyterapp.shell.currentWidget.content.widgets[number]
    .model.clearExecution()"""


@contextlib.contextmanager
def notebook(*cells):
    """Open a notebook of these cells in JupyterLab, the first one run."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with (
        tempfile.TemporaryDirectory() as folder,
        launch_browser(find_chromium()) as browser,
        serve(Path(folder)) as server,
    ):
        nbformat.write(made, server.root / "map.ipynb")
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        lab = Lab(page, server)
        lab.open("map.ipynb")
        lab.execute(cells[0], timeout=120)
        yield lab
        server.shut_down_kernels()


def bench_first_paint(quick):
    """Seconds from running a cell until its points are seen: the panel, and jupyter-scatter alone.

    In turn in one notebook whose imports are done, the first of each not counted; medians.
    `ratio` is of the panel to jupyter-scatter alone and is to be 1.2 at most.
    """
    rows = []
    for n in [10_000] if quick else [10_000, 100_000, 1_000_000]:
        times = {kind: [] for kind in KINDS}
        with notebook(SETUP.format(n=n), *KINDS.values()) as lab:
            for _ in range(3 if quick else 6):
                for number, kind in enumerate(KINDS, start=1):
                    taken = lab.page.evaluate(DRAWN, [number, 120_000])
                    times[kind].append(taken / 1000)
                    lab.page.evaluate(CLEAR, number)
        found = {kind: float(np.median(taken[1:])) for kind, taken in times.items()}
        found["ratio"] = found["panel"] / found["bare"]
        rows.append({"points": n, **found})
    return rows


def bench_hand(quick):
    """Milliseconds from the end of a lasso to `selected`, and from a resting pointer to its card.

    `lasso` is around nearly all points, until an observer of `selected` in the kernel is called.
    `hover` is until the card of another item is in the page; `hovered` is how often one was hit.
    """
    rows = []
    for n in [10_000] if quick else [10_000, 100_000]:
        with notebook(SETUP.format(n=n), KINDS["panel"], HEAR) as lab:
            lab.page.evaluate(DRAWN, [1, 120_000])
            lab.execute(HEAR)
            canvas = lab.output(1).locator("canvas").first
            lassos, hovers = [], []
            for _ in range(2 if quick else 7):
                lab.execute("panel.selected = []; heard.clear()")
                lab.drag(canvas, AROUND)
                let_go = time.time()
                heard = lab.wait_for("heard and [heard[0], len(panel.selected)]")
                assert heard[1] > 0.8 * n, heard
                lassos.append(1000 * (heard[0] - let_go))
            lab.execute("panel.selected = []")
            lab.page.evaluate(WATCH)
            box = canvas.bounding_box()
            rng = np.random.default_rng(0)
            spots = rng.uniform(0.2, 0.8, size=(10 if quick else 60, 2)).tolist()
            for x, y in spots:
                before = lab.page.evaluate("window.curalabTold.length")
                lab.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
                lab.page.wait_for_timeout(400)
                told = lab.page.evaluate("window.curalabTold")[before:]
                hovers += told[:1]
        rows.append(
            {
                "points": n,
                "lasso": float(np.median(lassos[1:])),
                "hover": float(np.median(hovers)),
                "hover_longest": float(np.max(hovers)),
                "hovered": len(hovers),
            }
        )
    return rows


def bench_build(quick):
    """Seconds and megabytes until a panel of so many points is built in the kernel."""
    from curalab_widgets import MapPanel

    rng = np.random.default_rng(0)
    rows = []
    for n in [10_000] if quick else [10_000, 100_000, 1_000_000]:
        xy = rng.normal(size=(n, 2))
        items = pd.DataFrame({"label": rng.integers(10, size=n).astype(str)})
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            panel = MapPanel(xy, items, color="label")
            taken.append(time.perf_counter() - began)
        rows.append({"points": n, "seconds": float(np.median(taken[1:])), **_sent(panel)})
    return rows


def _sent(panel):
    """Return the megabytes of all states of a panel, as binary and as JSON."""
    import json

    from ipywidgets.widgets.widget import _remove_buffers

    binary = text = 0
    seen, todo = set(), [panel]
    while todo:
        widget = todo.pop()
        if widget.model_id in seen:
            continue
        seen.add(widget.model_id)
        todo += list(getattr(widget, "children", ()))
        state, _, buffers = _remove_buffers(widget.get_state())
        binary += sum(memoryview(part).nbytes for part in buffers)
        scripts = ("_esm", "_css")  # of the engine: the same for any number of points
        told = {name: value for name, value in state.items() if name not in scripts}
        text += len(json.dumps(told, default=str))
    return {"binary_MB": binary / 1e6, "json_MB": text / 1e6}
