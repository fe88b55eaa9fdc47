"""Zip files from anywhere: what their entries claim is checked before one is read; nothing is unpacked to disk.

with Archive(path) as archive:
    archive.sizes                          # name → bytes that it claims
    archive.read("config.json", 1 << 20)   # at most so many bytes
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ..errors import ModelFormatError
from .limits import bound

MEMBERS = 100_000
DIRECTORY = 16 << 20  # bytes of the list of entries
RATIO = 200  # of an entry's bytes to those in the file
SMALL = 1 << 20  # an entry up to this size may have any ratio: a bias of zeros shrinks to a thousandth
CHUNK = 1 << 20
ENCRYPTED = 0x1 | 0x40
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile and zlib raise on damaged files.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError, NotImplementedError,
    RuntimeError, LookupError,
)  # fmt: skip


class _File(io.FileIO):
    """A file of which no single read may be longer than ``most`` bytes; None for as long as one likes."""

    most: int | None = DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None:
            left = os.fstat(self.fileno()).st_size - self.tell()
            if self.most < (left if size is None or size < 0 else min(size, left)):
                raise ValueError(f"its list of entries has more than {self.most} bytes")
        return super().read(size)


class Archive:
    """The entries of a zip file, by name; a context manager that closes the file.

    Refused are: more than 10⁵ entries, two of one name, entries that overlap, encrypted ones, methods other than
    stored and deflated, one above 1 MB that claims more than 200 times its bytes in the file, and all together more
    than :func:`~lrp_ref.loaders.limits.bound` of the file's size.

    Args:
        path: the file.
        content: its bytes, for a file that lies in another one; None to read it from disk.
        name: what errors call it; None for the path.

    Attributes:
        path: the file.
        size: its bytes.
        sizes: name → bytes of the entry, as the file claims.

    Raises:
        ModelFormatError: not a zip file, or one of the above; the message names the file and the entry.
    """

    def __init__(self, path: Path, content: bytes | bytearray | None = None, name: str | None = None) -> None:
        self.path, self.name = path, name or str(path)
        try:
            self._file = _File(path) if content is None else io.BytesIO(content)
        except OSError as error:
            raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            self.size = self._file.seek(0, os.SEEK_END)
            self._zip = zipfile.ZipFile(self._file)
            if isinstance(self._file, _File):
                self._file.most = None
            members = self._zip.infolist()
            self._check(members)
        except DAMAGED as error:
            self._file.close()
            if isinstance(error, ModelFormatError):
                raise
            raise ModelFormatError(f"{self.name}: not a zip file, or damaged: {_reason(error)}") from error
        self._members = {m.filename: m for m in members}
        self.sizes = {m.filename: m.file_size for m in members}

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str, limit: int | None = None) -> bytearray:
        """Return the bytes of an entry, which are as many as it claims.

        Args:
            name: of the entry.
            limit: most bytes; None for those that the archive as a whole may have.

        Raises:
            ModelFormatError: no such entry, one that claims more than the limit, or has more or fewer bytes than it
                claims, or other ones than were written.
        """
        what = f"{self.name}: entry '{name}'"
        if name not in self.sizes:
            raise ModelFormatError(f"{what} is missing")
        size = self.sizes[name]
        if limit is not None and size > limit:
            raise ModelFormatError(f"{what} claims {size} bytes; {limit} are allowed")
        data = bytearray()
        try:
            with self._zip.open(self._members[name]) as stream:
                while chunk := stream.read(CHUNK):
                    data += chunk
                    if len(data) > size:
                        break
        except DAMAGED as error:
            raise ModelFormatError(f"{what} is damaged: {_reason(error)}") from error
        if len(data) != size:
            raise ModelFormatError(f"{what} claims {size} bytes and has {'more' if len(data) > size else len(data)}")
        return data

    def _check(self, members: Sequence[zipfile.ZipInfo]) -> None:
        if len(members) > MEMBERS:
            raise ModelFormatError(f"{self.name}: {len(members)} entries; {MEMBERS} are allowed")
        names: set[str] = set()
        for member in members:
            what = f"{self.name}: entry '{member.filename}'"
            if member.filename in names:
                raise ModelFormatError(f"{what} is there twice")
            names.add(member.filename)
            if member.flag_bits & ENCRYPTED:
                raise ModelFormatError(f"{what} is encrypted")
            if member.compress_type not in METHODS:
                raise ModelFormatError(f"{what} is compressed by method {member.compress_type}; only deflate is read")
            if member.file_size > max(RATIO * member.compress_size, SMALL):
                raise ModelFormatError(
                    f"{what} claims {member.file_size} bytes in {member.compress_size}; refused above {RATIO} times"
                )
        total, allowed = sum(m.file_size for m in members), bound(self.size)
        if total > allowed:
            raise ModelFormatError(f"{self.name}: its entries claim {total} bytes; {allowed} are allowed")
        self._check_places(members)

    def _check_places(self, members: Sequence[zipfile.ZipInfo]) -> None:
        """Refuse entries of which one lies in another: a few bytes would be read as many large entries."""
        placed = sorted(members, key=lambda member: member.header_offset)
        starts = [*(m.header_offset for m in placed[1:]), self._zip.start_dir]
        for member, end in zip(placed, starts, strict=True) if placed else ():
            header = zipfile.sizeFileHeader  # type: ignore[attr-defined]  # 30 bytes, then the name
            if member.header_offset < 0 or member.header_offset + header + member.compress_size > end:
                raise ModelFormatError(f"{self.name}: entry '{member.filename}' overlaps what follows it")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
