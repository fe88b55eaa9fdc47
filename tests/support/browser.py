"""A page in Chromium without a window, by the WebDriver protocol (chromedriver): looked at, driven, and listened to."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# What asks the network for anything but the page is off.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


KEYS = {
    "Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Escape": "\ue00c", "Left": "\ue012", "Up": "\ue013",
    "Right": "\ue014", "Down": "\ue015", "Home": "\ue011", "End": "\ue010", "Shift": "\ue008",
}  # fmt: skip


def node_modules() -> Path:
    """Return the folder with packages of npm, or skip: where LRP_REF_NODE_MODULES says, or docs/node_modules."""
    given = os.environ.get("LRP_REF_NODE_MODULES")
    folder = Path(given) if given else Path(__file__).parents[2] / "docs" / "node_modules"
    if not folder.is_dir():
        pytest.skip(f"no packages of npm: {folder} does not exist (npm ci --prefix docs)")
    return folder


def axe_source() -> str:
    """Return axe-core's program, or skip."""
    path = node_modules() / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core is not installed (npm ci --prefix docs)")
    return path.read_text(encoding="utf-8")


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start Debian's Chromium, or skip where it is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    with page(browser, driver, profile) as opened:
        yield opened


class Page:
    """What a test does with a page: opens it, and runs JavaScript in it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def _ask(self, command: str, **given: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310  the driver's own address
            f"{self._address}{command}", json.dumps(given).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)["value"]

    def open(self, url: str) -> None:
        self._ask("/url", url=url)

    def run(self, code: str) -> Any:
        """Return what a function body returns, or the promise that it returns."""
        return self._ask("/execute/sync", script=code, args=[])

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other: a character, or a name out of ``KEYS``."""
        names = [KEYS.get(key, key) for key in keys]
        self._do("key", "keyboard", *({"type": kind, "value": k} for k in names for kind in ("keyDown", "keyUp")))

    def stroke(self, points: Sequence[tuple[float, float]]) -> None:
        """Move the mouse to the first point of the window, press it, go through the others, and release it."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 2} for x, y in points]
        pressed = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self._do("pointer", "mouse", moves[0], pressed[0], *moves[1:], pressed[1])

    def click(self, selector: str) -> None:
        """Click on the middle of the first element that a CSS selector finds."""
        found = self._ask("/element", using="css selector", value=selector)
        self._ask(f"/element/{next(iter(found.values()))}/click")

    def _do(self, kind: str, name: str, *actions: dict[str, Any]) -> None:
        self._ask("/actions", actions=[{"type": kind, "id": name, "actions": list(actions)}])

    def command(self, name: str, **given: Any) -> Any:
        """Return what a command of the DevTools protocol returns, such as Emulation.setEmulatedMedia."""
        return self._ask("/goog/cdp/execute", cmd=name, params=given)

    def resize(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        """Write what the page looks like as PNG; ``whole`` has what lies below the window's edge too."""
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def said(self) -> list[str]:
        """Return what stands in the console since the last call: errors and warnings, also of refused loads."""
        return [entry["message"] for entry in self._ask("/se/log", type="browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call, but data:, blob: and files."""
        events = [json.loads(entry["message"])["message"] for entry in self._ask("/se/log", type="performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "blob:", "file:", "about:", "chrome:"))]

    def axe(self) -> list[str]:
        """Return the violations of WCAG 2 A and AA that axe-core finds, a line each."""
        self.run(axe_source())
        standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
        found = self.run(f"return axe.run({{preload: false, runOnly: {standards}}}).then(r => r.violations)")
        return [f"{v['id']}: {v['help']}: {n['html'][:120]}" for v in found for n in v["nodes"]]

    def wait(self, code: str, enough: Callable[[Any], Any], seconds: float = 60) -> Any:
        """Return the first value of a function body that is enough; the last one when the time is over."""
        end = time.monotonic() + seconds
        while not enough(found := self.run(code)) and time.monotonic() < end:
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def page(binary: str, driver: str, profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile, and end it."""
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        root = f"http://127.0.0.1:{port}/session"
        arguments = [*ARGUMENTS, f"--user-data-dir={profile}"]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": binary, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = Page(root)._ask("", capabilities={"alwaysMatch": wanted})
        address = f"{root}/{made['sessionId']}"
        try:
            yield Page(address)
        finally:
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30).close()  # noqa: S310
    finally:
        process.terminate()
        process.communicate(timeout=30)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that the base class has
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, as ``python -m http.server`` does, at the address that is returned."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
