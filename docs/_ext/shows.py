"""The pages of the site that are programs: the live page, and explanations of a digit and a photograph."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from lrp_ref.pages import live

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "docs" / "node_modules" / "onnxruntime-web" / "dist"
EXPLAINED = {
    "inspector-digit.html": ["models/digits_cnn.onnx", "models/samples/digit_3.png", "-c", "epsilon_gamma_box"],
    "inspector-cat.html": ["models/efficientnet_lite0.onnx", "models/samples/chelsea.png"],
}


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    target = Path(app.outdir).resolve()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # The live page is made while other processes make the explanations.
    running = {
        name: subprocess.Popen(  # noqa: S603  this package
            [sys.executable, "-m", "lrp_ref", "explain", *given, "--html", str(target / name)],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for name, given in EXPLAINED.items()
    }  # fmt: skip
    live.write(target / "live.html", runtime=RUNTIME)
    for name, process in running.items():
        _, said = process.communicate()
        if process.returncode:
            raise ExtensionError(f"{name}: {said.strip()}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages when all others are."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
