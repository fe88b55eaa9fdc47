"""The files of a folder or of a list, in order: what they are called, where they are, how large they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelFormatError, ParameterError
from ...loaders.elsewhere import PICTURES
from .fingerprints import Entry
from .regular import fill, regular, unreadable

LONGEST = 1 << 30  # bytes of a list
MISSING = -1  # the size of a file that is not there, or no file


@dataclass(frozen=True)
class Listing:
    """Files in order.

    Attributes:
        kind: "folder" or "list".
        arrays: whether they are .npy files, not pictures.
        entries: of each file its name, where it is, and its size.
    """

    kind: str
    arrays: bool
    entries: list[Entry]


def listing(path: str | Path) -> Listing:
    """Return the files that a folder or a list has.

    Raises:
        ModelFormatError: it cannot be read.
        ParameterError: there is no file, or there are pictures and .npy files.
    """
    return _of_list(Path(path)) if Path(path).suffix.lower() == ".txt" and Path(path).is_file() else _of_folder(path)


def _of_folder(folder: str | Path) -> Listing:
    pictures: list[Entry] = []
    arrays: list[Entry] = []
    archives = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = entry.name[entry.name.rfind(".") :].lower()  # a Path would take longer than all the rest
                kind = pictures if suffix in PICTURES else arrays
                if (suffix in PICTURES or suffix == ".npy") and not _is_folder(entry):
                    kind.append((entry.name, entry.path, _size(entry.stat)))
                archives += suffix == ".npz"
    except (OSError, ValueError) as error:
        raise unreadable(folder, error) from error
    if pictures and arrays:
        raise ParameterError(
            f"{folder}: it has {len(pictures)} pictures and {len(arrays)} .npy files: which are the samples? "
            "Put the others elsewhere, or write the files into a list (.txt, one path a line)"
        )
    if not pictures and not arrays:
        more = "; .npz files are archives: save each array in them as an .npy file" if archives else ""
        raise ParameterError(
            f"{folder}: a folder without pictures or .npy files{more}; of files in folders inside it, write a list "
            "(.txt, one path a line)"
        )
    return Listing("folder", bool(arrays), sorted(pictures or arrays))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; a link that leads in a circle is none, and refused as a sample."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _size(look: Callable[[], os.stat_result]) -> int:
    """Return the size of a file; of what is no file, or not there, less than nothing."""
    try:
        status = look()
    except (OSError, ValueError):
        return MISSING
    return status.st_size if stat.S_ISREG(status.st_mode) else MISSING


def _of_list(file: Path) -> Listing:
    with regular(file) as (stream, size):
        if size > LONGEST:
            raise ModelFormatError(f"{file}: a list of {size} bytes; {LONGEST} are allowed")
        text = bytearray(size)
        fill(stream, 0, memoryview(text), file)
    # Names of files are bytes: what is no UTF-8 stands for itself.
    lines = [os.fsdecode(line).strip(" \t\r") for line in bytes(text).removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    given = [line for line in lines if line and not line.startswith("#")]
    if not given:
        raise ParameterError(f"{file}: a list of no file: write one path a line, relative to its folder or absolute")
    paths = [str(file.parent / line) for line in given]
    entries = [(name, path, _size(Path(path).stat)) for name, path in zip(_names(paths), paths, strict=True)]
    if all(size == MISSING for _, _, size in entries):
        raise ModelFormatError(
            f"{file}: none of the {len(entries)} files that it names is there, the first is '{given[0]}': a list has "
            "one path a line, relative to its own folder or absolute"
        )
    arrays = sum(path.lower().endswith(".npy") for path in paths)
    if arrays not in (0, len(paths)):
        raise ParameterError(
            f"{file}: it names {arrays} .npy files and {len(paths) - arrays} others: write a list of each kind"
        )
    return Listing("list", bool(arrays), entries)


def _names(paths: list[str]) -> list[str]:
    """Return paths from the last folder on that all have in common; those before are called otherwise elsewhere."""
    whole = [os.path.normpath(Path(path).absolute()) for path in paths]
    common = os.path.commonpath(whole)
    common = str(Path(common).parent) if common in whole else common
    return [path[len(common) :].lstrip(os.sep) for path in whole]
