"""The browser, the JupyterLab server and the page that the tests here drive; see lab.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.lab import Lab
from browser.server import Server, find_chromium, launch_browser, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# Both live for one file of tests: while playwright runs, its event loop does, and other tests that
# start one of their own (a notebook executed with nbclient, say) had better not meet it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    pytest.importorskip("playwright")
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome found: install one, or name it in CHROMIUM")
    with launch_browser(executable) as started:
        yield started


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab, serving an empty folder."""
    with serve(tmp_path_factory.mktemp("jupyterlab")) as started:
        yield started


@pytest.fixture
def lab(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """One tab; a test that fails leaves the picture out/screenshots/failed-NAME.png."""
    failures = request.session.testsfailed
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    started = Lab(context.new_page(), server)
    yield started
    if request.session.testsfailed > failures:
        started.screenshot(f"failed-{request.node.name}")
    context.close()
    server.shut_down_kernels()


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
