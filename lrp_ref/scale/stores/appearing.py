"""Files and folders that appear whole or not at all, and what killed processes have left of such."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...base.files import PART
from ...errors import ParameterError

HOUR = 3600.0
_LEFT = re.compile(r"(?P<pid>\d{1,9})-(?P<host>[0-9a-f]{8})\.\w+" + re.escape(PART))


@contextmanager
def appearing(goal: Path, *, file: bool = False) -> Iterator[Path]:
    """Give a folder beside ``goal`` that takes its place at the end; after an error nothing of it is left.

    What an earlier call left that was killed is removed first.

    Args:
        goal: a path at which nothing is.
        file: whether not the folder but the file in it that has the name of ``goal`` takes the place.

    Raises:
        ParameterError: there is something already, or it cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with appearing(Path(folder) / "new") as part:
        ...         _ = (part / "numbers").write_bytes(b"123")
        ...     [path.name for path in Path(folder).rglob("*")]
        ['new', 'numbers']
    """
    try:
        place = goal.absolute()
        missing, there = not place.parent.is_dir(), place.exists() or place.is_symlink()
        if not missing and not there:
            sweep_beside(goal)
            # Who made it stands in its name: only so can another process tell whether it is still at work.
            mark = f".{goal.name}.{os.getpid()}-{_host()}."
            part = Path(tempfile.mkdtemp(dir=place.parent, prefix=mark, suffix=PART))
    except (OSError, ValueError) as error:
        raise _unwritten(goal, error) from error
    if missing:
        raise ParameterError(f"cannot write {goal}: the folder {goal.parent} does not exist")
    if there:
        raise ParameterError(f"cannot write {goal}: it is there already; give another name")
    try:
        yield part
        made = part / goal.name if file else part
        made.chmod(0o644 if file else 0o755)
        made.replace(goal)
    except OSError as error:
        raise _unwritten(goal, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unwritten(goal: Path, error: OSError | ValueError) -> ParameterError:
    return ParameterError(f"cannot write {goal}: {getattr(error, 'strerror', None) or error}")


def sweep_beside(goal: Path) -> None:
    """Remove the folders that :func:`appearing` made for ``goal`` in processes that have been killed.

    A process of this machine is asked for by its number; of other machines only folders of an hour ago are taken for
    abandoned, for nothing is made for so long.
    """
    start = f".{goal.name}."
    with os.scandir(goal.absolute().parent) as entries:
        for entry in entries:
            found = _LEFT.fullmatch(entry.name, len(start)) if entry.name.startswith(start) else None
            if found and entry.is_dir(follow_symlinks=False) and not _at_work(found, entry):
                shutil.rmtree(entry.path, ignore_errors=True)


def _at_work(found: re.Match[str], entry: os.DirEntry[str]) -> bool:
    if found["host"] != _host() or os.name != "posix":
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < HOUR
    try:
        os.kill(int(found["pid"]), 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        pass
    return True


def _host() -> str:
    """Return which machine this is, in characters that any file system takes."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
