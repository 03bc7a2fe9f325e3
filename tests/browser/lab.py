"""Drive JupyterLab, Notebook and Voila in a real browser.

What a browser test needs, in the order it needs it (see `test_lab.py` for a whole one)::

    def test_something(lab):                      # a fixture of tests/browser/conftest.py
        lab.open(ROOT / "notebooks/x.ipynb")      # a path is copied first: the original is safe
        lab.run_all()                             # waits; an error in a cell fails the test
        picture = lab.output(2)                   # a playwright locator: what cell 2 shows
        lab.wait_drawn(picture.locator("canvas").first)
        lab.drag(picture, [(0.2, 0.2), (0.8, 0.8)])
        lab.wait_for("len(panel.selected) > 0")   # asks the kernel until it is true
        lab.value("panel.selected")               # any expression, back as JSON
        lab.execute("panel.selected = []")        # any code, back as what it printed
        lab.kill_kernel()                         # as a crash does it; JupyterLab starts a new one
        lab.screenshot("something")               # out/screenshots/something.png
        lab.theme("dark")                         # or "light"

`lab.page` is the playwright page for everything else. Nothing here sleeps for a fixed time: every
step waits for its condition and says after `TIMEOUT` seconds what it was waiting for. Kernel code
runs beside the notebook, through the page's own connection, so no cell appears or changes.

`Notebook` is the same for Notebook 7. `Voila` shows what the notebook shows and lets nobody at its
kernel: it has `open`, which runs the notebook, and the steps of `Tab`.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from browser.server import TIMEOUT, Server, until

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

SCREENSHOTS = Path(__file__).parents[2] / "out" / "screenshots"

# The open notebook, for the scripts below: the panel of the tab in front.
_PANEL = """
    const panel = window.jupyterapp?.shell?.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
"""
_READY = f"""path => {{ {_PANEL}
    return panel?.context?.path === path && panel.context.isReady && panel.isVisible
        && panel.sessionContext.isReady && kernel?.connectionStatus === "connected"
        && kernel.status === "idle";
}}"""
_RUN_ALL = """() => {
    window.curalabRun = "running";
    window.jupyterapp.commands.execute("notebook:run-all-cells").then(
        () => { window.curalabRun = "done"; }, problem => { window.curalabRun = String(problem); });
}"""
_ERRORS = f"""() => {{ {_PANEL}
    return panel.content.model.toJSON().cells.flatMap(cell => cell.outputs || [])
        .filter(output => output.output_type === "error")
        .map(output => output.traceback.join("\\n") || output.ename + ": " + output.evalue);
}}"""
_ASK = f"""async ([code, expression, timeout]) => {{ {_PANEL}
    if (!kernel) throw new Error("no kernel is connected");
    let printed = "";
    const future = kernel.requestExecute({{code, store_history: false, stop_on_error: false,
        user_expressions: expression ? {{value: expression}} : {{}}}});
    future.onIOPub = message => {{
        if (message.header.msg_type === "stream") printed += message.content.text;
    }};
    const late = new Promise((_, no) => setTimeout(
        () => no(new Error("the kernel did not answer: it is " + kernel.status)), timeout));
    const reply = (await Promise.race([future.done, late])).content;
    return {{printed, problem: reply.status === "ok" ? null : reply,
             value: reply.user_expressions?.value ?? null}};
}}"""
_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


class Tab:
    """One browser tab, and what it shows after `open`."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.name = ""
        self.problems: list[str] = []
        """What the browser's console reported as errors."""
        page.set_default_timeout(TIMEOUT * 1000)
        page.on("pageerror", lambda problem: self.problems.append(str(problem)))
        page.on("console", self._heard)

    def _heard(self, line: ConsoleMessage) -> None:
        if line.type == "error":
            self.problems.append(f"{line.text} {line.location.get('url', '')}".strip())

    def _copied(self, notebook: Path | str) -> str:
        """Return the name of the copy of a notebook where the server finds it."""
        if isinstance(notebook, Path):
            shutil.copy(notebook, self.server.root / notebook.name)
            notebook = notebook.name
        self.name = notebook
        return notebook

    def _wait(self, script: str, *, what: str, arg: Any = None, timeout: float = TIMEOUT) -> None:
        from playwright.sync_api import TimeoutError as Late

        try:
            self.page.wait_for_function(script, arg=arg, timeout=timeout * 1000)
        except Late as late:
            raise TimeoutError(f"Waited {timeout:.0f} s for {what}") from late

    # ---- the picture -----------------------------------------------------------------------------

    def screenshot(self, name: str, *, of: Locator | None = None) -> Path:
        """Save a picture of the page, or of one element, as out/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (of or self.page).screenshot(path=path)
        return path

    def count_colors(self, element: Locator) -> int:
        """Number of distinct colors in the picture of an element: 1 is an empty canvas."""
        image = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
        return len(image.getcolors(image.width * image.height) or [])

    def wait_drawn(self, element: Locator, *, colors: int = 20, timeout: float = TIMEOUT) -> None:
        """Wait until an element shows at least so many colors."""
        element.wait_for()
        until(
            lambda: self.count_colors(element) >= colors,
            what=lambda: f"{colors} colors, there are {self.count_colors(element)}",
            timeout=timeout,
        )

    def drag(
        self, element: Locator, path: Sequence[tuple[float, float]], *, key: str | None = None
    ) -> None:
        """Drag the mouse along points given as shares of the element's width and height.

        `key` is held meanwhile ("Shift", say).
        """
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        if box is None:
            raise RuntimeError("The element is not visible.")
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
        mouse = self.page.mouse
        mouse.move(*points[0])
        with self._held(key) if key else contextlib.nullcontext():
            mouse.down()
            for (x, y), (next_x, next_y) in pairwise(points):
                for step in range(1, 9):  # a frame each, as a hand does it: plots throttle
                    mouse.move(x + (next_x - x) * step / 8, y + (next_y - y) * step / 8)
                    self.page.evaluate("() => new Promise(requestAnimationFrame)")
            mouse.up()

    def drag_until(
        self, element: Locator, path: Sequence[tuple[float, float]], what: Locator | str
    ) -> None:
        """Drag until something is to be seen; a drag that was missed is repeated.

        In Lab, `what` may be an expression instead, which is true in the kernel then.
        """
        for timeout in (15, 15, TIMEOUT):
            self.drag(element, path)
            with contextlib.suppress(TimeoutError):
                self._seen(what, timeout)
                return
        raise TimeoutError(f"Dragged three times in vain for {what}")

    def _seen(self, what: Locator, timeout: float) -> None:
        until(what.is_visible, what=str(what), timeout=timeout)

    @contextlib.contextmanager
    def _held(self, key: str) -> Iterator[None]:
        self.page.keyboard.down(key)
        try:
            yield
        finally:
            self.page.keyboard.up(key)


class Lab(Tab):
    """JupyterLab and, after `open`, one notebook."""

    _app = "lab/tree"

    # ---- the notebook ----------------------------------------------------------------------------

    def open(self, notebook: Path | str) -> None:
        """Open a notebook and wait for its kernel: a copy of a path, or a name opened before."""
        self.page.goto(self.server.page(self._app, self._copied(notebook)) + "&reset")
        self._wait_ready()

    def _wait_ready(self) -> None:
        path = self.server.folder + self.name
        self._wait(_READY, arg=path, what=f"{path} to be open, its kernel idle")

    def run_all(self, *, timeout: float = 5 * TIMEOUT) -> None:
        """Run all cells and wait for the end; a failed one is a RuntimeError with its traceback."""
        self.page.evaluate(_RUN_ALL)
        what = f"all cells of {self.name} to end"
        self._wait('window.curalabRun !== "running"', what=what, timeout=timeout)
        problem = self.page.evaluate("window.curalabRun")
        if errors := self.errors():
            raise RuntimeError(f"A cell of {self.name} failed:\n{errors[0]}")
        if problem != "done":
            raise RuntimeError(f"JupyterLab could not run {self.name}: {problem}")
        self._wait_ready()

    def errors(self) -> list[str]:
        """Tracebacks that the notebook's cells show."""
        return list(self.page.evaluate(_ERRORS))

    def save(self) -> Path:
        """Save the notebook and return the path of the saved copy."""
        self.page.evaluate('window.jupyterapp.commands.execute("docmanager:save")')
        return self.server.root / self.name

    def cell(self, index: int) -> Locator:
        """The cell of this number, counted from 0 over code and text, scrolled into view."""
        cell = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").nth(
            index
        )
        cell.scroll_into_view_if_needed()
        return cell

    def output(self, index: int) -> Locator:
        """What the cell of this number shows below itself."""
        return self.cell(index).locator(".jp-Cell-outputWrapper")

    # ---- the kernel ------------------------------------------------------------------------------

    def execute(self, code: str, *, timeout: float = TIMEOUT) -> str:
        """Run code in the kernel, behind what it is running, and return what it printed."""
        return str(self._ask(code, "", timeout)["printed"])

    def value(self, expression: str, *, timeout: float = TIMEOUT) -> Any:
        """Evaluate an expression in the kernel: its value through JSON, arrays as lists."""
        plain = "lambda it: it.tolist() if hasattr(it, 'tolist') else str(it)"
        wrapped = f"__import__('json').dumps({expression}, default={plain})"
        answer = self._ask("", wrapped, timeout)["value"]
        if answer["status"] != "ok":
            raise RuntimeError(f"{expression}: {answer['ename']}: {answer['evalue']}")
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def _ask(self, code: str, expression: str, timeout: float) -> dict[str, Any]:
        answer: dict[str, Any] = self.page.evaluate(_ASK, [code, expression, timeout * 1000])
        if problem := answer["problem"]:
            raise RuntimeError(f"{code}: {problem.get('ename')}: {problem.get('evalue')}")
        return answer

    def wait_for(self, expression: str, *, timeout: float = TIMEOUT) -> Any:
        """Evaluate an expression in the kernel until it is true, and return its value."""
        return until(
            lambda: self.value(expression, timeout=timeout),
            what=lambda: f"{expression} in the kernel",
            timeout=timeout,
        )

    def restart(self) -> None:
        """Restart the kernel, as the menu does; the notebook keeps what it shows."""
        self.page.evaluate(f"() => {{ {_PANEL} return kernel.restart(); }}")
        self._wait_ready()

    def kill_kernel(self) -> None:
        """Kill the kernel's process without warning and wait for the one that replaces it."""
        pid = self.value("__import__('os').getpid()")
        os.kill(pid, signal.SIGKILL)
        self.page.locator(".jp-Dialog .jp-mod-accept").click()  # "appears to have died"
        until(lambda: self._pid() not in (None, pid), what="a new kernel")
        self._wait_ready()

    def _pid(self) -> int | None:
        from playwright.sync_api import Error

        try:
            return int(self.value("__import__('os').getpid()", timeout=2))
        except Error:  # between two kernels nobody answers
            return None

    def _seen(self, what: Locator | str, timeout: float) -> None:
        if isinstance(what, str):
            self.wait_for(what, timeout=timeout)
        else:
            super()._seen(what, timeout)

    def theme(self, name: str) -> None:
        """Change to the "light" or the "dark" theme."""
        self.page.evaluate(_THEME, f"JupyterLab {name.title()}")
        self._wait(
            f"document.body.dataset.jpThemeLight === '{str(name == 'light').lower()}'",
            what=f"the {name} theme",
        )
        # Colours fade over, those of plots last: the page is at rest when no transition runs.
        self._wait(
            "document.getAnimations().every(one => !(one instanceof CSSTransition))",
            what="colours to fade over",
        )


class Notebook(Lab):
    """Notebook 7, which is made of JupyterLab's parts, with one notebook."""

    _app = "notebooks"


class Voila(Tab):
    """A notebook as Voila shows it: run, without its code."""

    def open(self, notebook: Path | str, *, theme: str = "light") -> None:
        """Show a notebook; an error in a cell fails the test."""
        address = self.server.page("voila/render", self._copied(notebook))
        self.page.goto(f"{address}&theme={theme}", timeout=5 * TIMEOUT * 1000)  # runs it meanwhile
        self.page.locator("#rendered_cells").wait_for()
        errors = self.page.locator("[data-mime-type='application/vnd.jupyter.error']")
        if errors.count():
            raise RuntimeError(f"A cell of {self.name} failed:\n{errors.first.inner_text()}")
