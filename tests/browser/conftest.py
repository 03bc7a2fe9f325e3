"""The browser, the server and the page that the tests here drive; see lab.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.lab import Lab, Tab
from browser.server import Server, find_chromium, launch_browser, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# anywidget gives a widget's script two seconds to load and lets all news of a later one go lost:
# enough for a person's machine, not for one that runs these tests beside others.
PATIENCE = """
const timeout = AbortSignal.timeout;
AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, Math.max(milliseconds, 60000));
"""


# One browser and one server for all tests here. While playwright runs, its event loop does, and
# tests that start one of their own (a notebook executed with nbclient, say) had better not meet it:
# tests/conftest.py runs those here last.
@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    pytest.importorskip("playwright")
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome found: install one, or name it in CHROMIUM")
    with launch_browser(executable) as started:
        yield started


@pytest.fixture(scope="session")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve an empty folder to JupyterLab, Notebook and Voila."""
    with serve(tmp_path_factory.mktemp("jupyter")) as started:
        yield started


@pytest.fixture
def tab(
    browser: Browser, server: Server, request: pytest.FixtureRequest
) -> Iterator[Callable[[type[Tab]], Tab]]:
    """Return a function that opens a tab of a class of lab.py; each test has a folder of its own.

    A test that fails leaves the picture out/screenshots/failed-NAME.png.
    """
    failures = request.session.testsfailed
    own = server.within(re.sub(r"\W+", "-", f"{request.path.stem}-{request.node.name}"))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(PATIENCE)
    tabs: list[Tab] = []

    def opened(kind: type[Tab]) -> Tab:
        tabs.append(kind(context.new_page(), own))
        return tabs[-1]

    yield opened
    if request.session.testsfailed > failures:
        for number, one in enumerate(tabs):
            one.screenshot(f"failed-{request.node.name}" + f"-{number}" * (number > 0))
    context.close()
    server.shut_down_kernels()


@pytest.fixture
def lab(tab: Callable[[type[Tab]], Tab]) -> Tab:
    """Open a tab for JupyterLab."""
    return tab(Lab)


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes code cells to a notebook NAME.ipynb and returns its path."""

    def write(name: str, *cells: str) -> Path:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    return write
