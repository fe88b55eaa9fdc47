"""Tensors whose data lie in another file: one in the model's folder, and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ...errors import ModelFormatError

NAMES = 1  # of a file: another one may be anywhere on the disk
LONGEST = 255  # bytes of a file's name


class Folder:
    """The files beside a model, found by the paths that stand in it.

    Args:
        model: the model's file.
    """

    def __init__(self, model: Path) -> None:
        self._folder = model.parent
        self._sizes: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all files that were measured so far, each once."""
        return sum(self._sizes.values())

    def measure(self, entries: Mapping[str, str], what: str) -> None:
        """Look at the file of a tensor without reading it.

        Args:
            entries: what the model says of the data: location, offset and length.
            what: file and tensor, as errors have it.

        Raises:
            ModelFormatError: the path leads outside the folder, or to what is no file of the model's own.
        """
        location = entries.get("location", "")
        if location not in self._sizes:
            with os.fdopen(self._open(location, what), "rb") as stream:
                self._sizes[location] = os.fstat(stream.fileno()).st_size

    def read(self, entries: Mapping[str, str], needed: int, what: str) -> bytes:
        """Return the data of a tensor.

        Args:
            entries: as for :meth:`measure`.
            needed: bytes of the tensor.
            what: file and tensor, as errors have it.

        Raises:
            ModelFormatError: as for :meth:`measure`, or the bytes are not in the file.
        """
        location = entries.get("location", "")
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
        except ValueError as error:
            raise ModelFormatError(f"{what}: offset and length of its data are no integers") from error
        with os.fdopen(self._open(location, what), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if offset < 0 or length != needed or offset + needed > size:
                raise ModelFormatError(f"{what} needs {needed} bytes at {offset} of '{location}', which has {size}")
            stream.seek(offset)
            data = stream.read(needed)
        if len(data) != needed:
            raise ModelFormatError(f"{what} needs {needed} bytes of '{location}', which has changed meanwhile")
        return data

    def _open(self, location: str, what: str) -> int:
        """Return a descriptor of a regular file, which no link led to: neither on its way, nor its own."""
        parts = self._parts(location, what)
        refused = f"{what} refers to '{location}'"
        path = self._folder
        try:
            for part in parts:
                path = path / part
                if stat.S_ISLNK(os.lstat(path).st_mode):
                    raise ModelFormatError(f"{refused}: a link, which may lead outside the model's folder; refused")
            # Neither a link nor a pipe that was put there a moment ago.
            found = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError as error:
            raise ModelFormatError(f"{what} lies in '{location}', which is not in the model's folder") from error
        except OSError as error:
            raise ModelFormatError(f"{refused}, which cannot be read: {error.strerror}") from error
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode):
            os.close(found)
            raise ModelFormatError(f"{refused}, which is not a file")
        if status.st_nlink > NAMES:
            os.close(found)
            raise ModelFormatError(
                f"{refused}: a file with {status.st_nlink} names, which may lie outside the model's folder; copy it"
            )
        return found

    def _parts(self, location: str, what: str) -> tuple[str, ...]:
        if "\0" in location or any(len(part.encode()) > LONGEST for part in location.split("/")):
            raise ModelFormatError(f"{what} refers to '{location[:60]}', which cannot be a file")
        parts = Path(location).parts
        if not parts or Path(location).anchor or ".." in parts or "\\" in location:
            raise ModelFormatError(f"{what} refers to '{location}', a path outside the model's folder; refused")
        return parts
