"""A page in Chromium without a window, by the WebDriver protocol (chromedriver), of which five commands are enough."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# What asks the network for anything but the page is off.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


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

    def wait(self, code: str, enough: Callable[[Any], Any], seconds: float = 60) -> Any:
        """Return the first value of a function body that is enough; the last one when the time is over."""
        end = time.monotonic() + seconds
        while not enough(found := self.run(code)) and time.monotonic() < end:
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def page(chromium: str, driver: str, profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile, and end it."""
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        root = f"http://127.0.0.1:{port}/session"
        arguments = [*ARGUMENTS, f"--user-data-dir={profile}"]
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": chromium, "args": arguments}}
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
