"""Quick runs of the gallery's applications, on whatever data are here."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from lrp_ref import gallery

DATA = Path(__file__).parents[3] / "shared" / "data"


def asked(name: str, *, quick: bool = True) -> gallery.Run:
    """Return the run of an application, which is skipped where something is missing for it."""
    run = gallery.Run(gallery.find(name), (DATA,) if DATA.is_dir() else (), quick=quick)
    lacking = gallery.missing(run)
    if lacking:
        pytest.skip(f"not here: {', '.join(lacking)}")
    return run


@functools.cache
def result(name: str) -> tuple[gallery.Found, gallery.Record]:
    """Return what a quick run of an application finds, once for all tests."""
    return gallery.run(asked(name))
