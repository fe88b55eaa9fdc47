"""Files that may be anything: opened without waiting, and only if they are files; every failure is one line."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ...errors import ModelFormatError

# A pipe that nobody writes to would be waited for without an end.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def unreadable(where: str | Path, error: BaseException) -> ModelFormatError:
    """Return the error for a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return ModelFormatError(f"{where}: there is no such file")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return ModelFormatError(f"{where}: it cannot be read: {reason}")


def kind_of(path: str | Path, where: str = "") -> str:
    """Return "file", "folder" or "other" (a pipe, a device, a socket); links are followed.

    Raises:
        ModelFormatError: there is nothing, or it may not be looked at.
    """
    try:
        return _kind(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        raise unreadable(where or path, error) from error


def file_size(path: str | Path, where: str) -> int:
    """Return the bytes of a file.

    Raises:
        ModelFormatError: there is none, or it is a folder, a pipe or a device.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise unreadable(where, error) from error
    require_file(_kind(status.st_mode), where)
    return status.st_size


def _kind(mode: int) -> str:
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


@contextmanager
def regular(path: str | Path, where: str = "") -> Iterator[tuple[FileIO, int]]:
    """Open a file meanwhile; yields what reads it, and its size.

    Args:
        path: of the file.
        where: as errors have it; "" for the path.

    Raises:
        ModelFormatError: it cannot be opened, or is a folder, a pipe or a device.
    """
    where = where or str(path)
    try:
        descriptor = os.open(path, _READ)
    except (OSError, ValueError) as error:
        raise unreadable(where, error) from error
    try:
        status = os.fstat(descriptor)
        require_file(_kind(status.st_mode), where)
        yield FileIO(descriptor, "rb", closefd=False), status.st_size
    finally:
        os.close(descriptor)


def require_file(kind: str, where: str | Path) -> None:
    """Raise unless something is a file.

    Raises:
        ModelFormatError: it is a folder, a pipe or a device.
    """
    if kind != "file":
        raise ModelFormatError(f"{where}: {'a folder' if kind == 'folder' else 'a pipe or a device'}, not a file")


def fill(stream: FileIO, start: int, room: memoryview, where: str | Path) -> None:
    """Read as many bytes as there is room for, from a place of a file.

    Raises:
        ModelFormatError: the file ends before, or cannot be read.
    """
    try:
        stream.seek(start)
        done = 0
        while done < len(room):
            got = stream.readinto(room[done:])
            if not got:
                raise ModelFormatError(f"{where}: the file ends {len(room) - done} bytes too early: it was cut off")
            done += got
    except OSError as error:
        raise unreadable(where, error) from error
