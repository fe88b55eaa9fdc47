"""The site of docs/, built for tests: once a process, into a temporary folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from browser import node_modules

ROOT = Path(__file__).parents[2]
NEEDED = ("sphinx", "myst_nb", "furo", "sphinx_design", "sphinx_copybutton", "ipykernel", "onnx")


def require() -> None:
    """Skip where the site cannot be built: packages of Python, of npm, or Node."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (pip install -e '.[docs]')")
    if not (node_modules() / "katex").is_dir():
        pytest.skip("KaTeX is not installed (npm ci --prefix docs)")


def build(source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run sphinx-build as ``make site`` does."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-j2", "-d", str(target.parent / "doctrees"), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, str(source), str(target)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
