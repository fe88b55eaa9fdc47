"""Where programs are that do not run in this interpreter, or are no packages: environment variables say so.

``LRP_REF_PEER_PYTHON_NAME`` is the interpreter that has program NAME, ``LRP_REF_PEER_FOLDER_NAME`` the folder of one
that is no package, such as ``LRP_REF_PEER_FOLDER_TOOLBOX=~/lrp_toolbox``. Tests of other programs are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def python_of(peer: str) -> str:
    """Return the interpreter of a program, or skip the test."""
    return _named(f"LRP_REF_PEER_PYTHON_{peer.upper()}", f"the interpreter that has {peer}")


def folder_of(peer: str) -> Path:
    """Return the folder of a program, or skip the test."""
    return Path(_named(f"LRP_REF_PEER_FOLDER_{peer.upper()}", f"the folder of {peer}")).expanduser()


def _named(variable: str, what: str) -> str:
    if variable not in os.environ:
        pytest.skip(f"{variable} does not name {what}")
    return os.environ[variable]
