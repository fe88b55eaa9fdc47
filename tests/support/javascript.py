"""Programs for Node that import the modules of pages; what they are given and what they return is JSON."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ASSETS = Path(__file__).parents[2] / "lrp_ref" / "pages" / "assets"
LEAST = 18  # the first version with all that the modules use


def node() -> str:
    """Return where Node is, or skip."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed: the modules of pages are only run in browsers")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"v(\d+)\.", told)
    if version is None or int(version[1]) < LEAST:
        pytest.skip(f"node is {told.strip()}, older than {LEAST}")
    return found


def run(program: str, given: Any) -> Any:
    """Return what a module exports as ``default``, a function, makes of a JSON value.

    Args:
        program: text of a module that imports others as ``"lrp/NAME.js"``.
        given: a JSON value.
    """
    body = program.replace("export default", "const work =")
    tail = """
    import { readFileSync as read__ } from "node:fs";
    process.stdout.write(JSON.stringify(await work(JSON.parse(read__(0, "utf-8")))));
    """
    done = subprocess.run(
        [node(), "--input-type=module", "--eval", body + tail],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=ASSETS,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
