"""Running an application: what it lacks, what it found, how long that took and how much memory."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Sequence
from importlib import metadata

from ..errors import LrpError, MissingExtraError, ModelFormatError, ParameterError, require
from .application import Found, Run
from .record import Record


def missing(run: Run) -> list[str]:
    """Return the files and packages that an application needs and this machine lacks."""
    lacking = []
    for need in run.application.needs:
        try:
            run.file(need.file)
        except ParameterError:
            lacking.append(need.file)
    for package in (*run.application.extras, "matplotlib"):
        try:
            require(package, extra="gallery", purpose="run")
        except ImportError:
            lacking.append(package)
    return lacking


def run(asked: Run) -> tuple[Found, Record]:
    """Run an application, and return what it found, with a record of it.

    Raises:
        LrpError: a file or a package that is missing; says which, and where it can be had. Or files that are what they
            should be by their form, and hold what the application can do nothing with.
    """
    for package in (*asked.application.extras, "matplotlib"):
        require(package, extra="gallery", purpose=f"run {asked.application.name}")
    for need in asked.application.needs:
        asked.file(need.file)
    begun = time.perf_counter()
    found = _found(asked)
    seconds = time.perf_counter() - begun
    return found, Record.of(
        asked.application, found, quick=asked.quick, withheld=asked.withheld, seed=asked.seed,
        seconds=round(seconds, 1), peak_memory_mb=peak_memory(), versions=versions(asked.application.extras),
    )  # fmt: skip


def _found(asked: Run) -> Found:
    """Return what an application finds; what it cannot do names the files that it read, of which one may be why."""
    paths = [str(asked.file(need.file)) for need in asked.application.needs]
    read = ", ".join(paths)
    try:
        found = asked.application.run(asked)
    except LrpError as error:
        if not read or isinstance(error, MissingExtraError) or any(path in str(error) for path in paths):
            raise
        raise error.adding(f" ({asked.application.name} read {read})") from error
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        if not read:
            raise
        reason = " ".join(str(error).split())
        raise ModelFormatError(
            f"{asked.application.name} can do nothing with what is in {read}: {type(error).__name__}: {reason}"
        ) from error
    if read and not asked.quick and re.search(r"\bnan\b", found.sentence):
        raise ModelFormatError(f"{asked.application.name} finds no number in what is in {read}: {found.sentence}")
    return found


def peak_memory() -> int | None:
    """Return the most memory that this process has held, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / (1e6 if platform.system() == "Darwin" else 1e3))


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of what a result depends on, by name."""
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
    found = {"python": platform.python_version()}
    for package in ("lrp-ref", "numpy", "scipy", *(names.get(p, p) for p in packages)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
