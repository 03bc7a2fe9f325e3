"""What lab.py stands on: headless Chromium, and a server of its own for Lab, Notebook and Voila."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TIMEOUT = 60.0

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_FLAGS = (
    # WebGL in software: headless machines have no GPU
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    # no calls home, and none of the pages to anywhere else
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"autoStartDefaultKernel": True},
}


def find_chromium() -> str | None:
    """Path of Chromium or Chrome on this machine: `CHROMIUM` of the environment, else searched."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [*map(shutil.which, _NAMES), _MAC]
    return next((path for path in found if path and Path(path).exists()), None)


@contextlib.contextmanager
def launch_browser(executable: str) -> Iterator[Browser]:
    """Start headless Chromium with WebGL drawn in software."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(_FLAGS),
            chromium_sandbox=sys.platform != "linux",  # root and containers cannot have it
        )
        yield browser
        browser.close()


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running Jupyter server: its address, its secret, the folder it serves."""

    url: str
    token: str
    root: Path
    folder: str = ""
    """Where `root` lies below the folder that the server was started in; ends in a slash."""

    def within(self, name: str) -> Server:
        """Return the same server for a new folder of that name."""
        (root := self.root / name).mkdir()
        return replace(self, root=root, folder=f"{self.folder}{name}/")

    def page(self, app: str, notebook: str) -> str:
        """Return the address of a notebook in an app: "lab/tree", "notebooks", "voila/render"."""
        return f"{self.url}{app}/{self.folder}{notebook}?token={self.token}"

    def request(self, path: str, *, method: str = "GET") -> bytes:
        """Ask the server's REST interface."""
        headers = {"Authorization": f"token {self.token}"}
        asked = urllib.request.Request(self.url + path, headers=headers, method=method)
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
            return bytes(answer.read())

    def shut_down_kernels(self) -> None:
        """End every kernel; those of Voila belong to no session."""
        for kind in ("sessions", "kernels"):
            for one in json.loads(self.request(f"api/{kind}")):
                self.request(f"api/{kind}/{one['id']}", method="DELETE")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run a server on a free port of this machine, with nothing of the user's configuration.

    JupyterLab starts it; Notebook and Voila, where they are installed, are its extensions.
    """
    root = folder / "root"
    root.mkdir(parents=True)
    for name, values in _SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, log = secrets.token_hex(16), folder / "server.log"
    homes = {
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "IPYTHONDIR": folder / "ipython",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root,
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
        "JupyterNotebookApp.expose_app_in_browser": True,
        "VoilaConfiguration.show_tracebacks": True,
    }
    with log.open("w") as sink:
        process = subprocess.Popen(
            command + [f"--{name}={value}" for name, value in options.items()],
            env=os.environ | {name: str(value) for name, value in homes.items()},
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    server = Server(url=f"http://127.0.0.1:{port}/", token=token, root=root)
    try:
        until(
            lambda: _answers(server, process),
            what=lambda: f"JupyterLab:\n{log.read_text()}",
        )
        yield server
    finally:
        _stop(process)


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"JupyterLab ended with exit status {process.returncode}.")
    try:
        server.request("api/status")
    except OSError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # the server shuts its kernels down
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(
    condition: Callable[[], Any], *, what: str | Callable[[], str], timeout: float = TIMEOUT
) -> Any:
    """Ask until the answer is true and return it; after `timeout` seconds say what for."""
    end = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > end:
            name = what if isinstance(what, str) else what()
            raise TimeoutError(f"Waited {timeout:.0f} s for {name}")
        time.sleep(0.1)
    return answer
