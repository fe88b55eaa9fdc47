"""One run at a time on a store: a lock beside it, which the system frees when its process ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ParameterError


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of a store meanwhile; the system frees it when the process ends, however it ends.

    Raises:
        ParameterError: another process holds it, or the folder that the store is to be in is not there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with locked(Path(folder) / "out"):
        ...         during = [file.name for file in Path(folder).iterdir()]
        ...     during, list(Path(folder).iterdir())
        (['.out.lock'], [])
    """
    from filelock import FileLock, Timeout

    goal = Path(os.path.realpath(path))  # also of a link in a circle; of two names of one store there is one lock
    if not goal.parent.is_dir():  # filelock would make it
        raise ParameterError(f"cannot write {path}: the folder {Path(path).parent} does not exist")
    if not os.access(goal.parent, os.W_OK):
        raise ParameterError(f"cannot write {path}: the folder {Path(path).parent} is not writable")
    file = goal.parent / f".{goal.name}.lock"
    before = _holder(file)  # older versions of filelock empty the file of a lock that they do not get
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = before or _holder(file)
        raise ParameterError(f"{path}: another run is at work on it{who}: wait for it, or end it") from None
    try:
        file.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
        yield
    finally:
        # While it is held: whoever gets the lock of a file that is no more there is refused by filelock.
        with suppress(OSError):
            file.unlink()
        lock.release()


def _holder(file: Path) -> str:
    """Return who holds a lock, as far as its file tells."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(file.read_text(encoding="utf-8"))
        return f" (process {int(told['pid'])} on {told['host']})"
    return ""
