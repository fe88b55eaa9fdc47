"""Files that a user gives and that come from anywhere: arrays and archives, checked before anything is made of them.

with given.tar("faces.tar.xz") as archive:
    for member in archive:
        archive.content(member, 1 << 20)

given.arrays("garments.npz", images="N 28 28", labels="N")["images"]

What is no such file, damaged, cut off or larger than it may be is refused in one line that names the file. Nothing is
unpacked to disk, nothing is unpickled, and no name in an archive is used as a place.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import warnings
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LrpError, ModelFormatError
from ...loaders.archive import Archive
from ...loaders.npy import npy

if TYPE_CHECKING:
    from PIL import Image

MEMBERS = 100_000  # of an archive
UNPACKED = 1 << 30  # bytes of an archive
NAMES = 1 << 16  # bytes of a header that holds a name or other remarks
BLOCK = 512  # bytes; an archive ends with a block of zeros
CLASSES = 10
# What readers raise on files that are damaged, or none of what they are called.
DAMAGED = (
    tarfile.TarError, lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, TypeError, LookupError, OverflowError,
    RecursionError, SyntaxError, NotImplementedError, StopIteration,
)  # fmt: skip


@contextmanager
def refusing(path: str | Path, what: str) -> Iterator[None]:
    """Say of whatever a reader raises within that a file is not what it should be.

    Args:
        path: of the file.
        what: it should be, with its article.

    Raises:
        ModelFormatError: anything was raised that a damaged file may lead to.

    Example:
        >>> with refusing("a.txt", "a list of numbers"):
        ...     int("one")
        Traceback (most recent call last):
            ...
        lrp_ref.errors.ModelFormatError: a.txt: not a list of numbers, or damaged: invalid literal for int() with base \
10: 'one'
    """
    try:
        yield
    except LrpError:
        raise
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelFormatError(f"{path}: not {what}, or damaged: {reason}") from error


class Tar:
    """The regular files of a tar archive, in their order; links, devices and folders are passed over.

    Args:
        path: of the archive.
        stream: its bytes.

    Attributes:
        path: of the archive.
    """

    def __init__(self, path: str | Path, stream: IO[bytes]) -> None:
        class Header(tarfile.TarInfo):
            """A header; what tarfile would read into memory as a whole is bounded, and the end is noticed."""

            ended = False

            @classmethod
            def frombuf(cls, buf: Any, *rest: Any) -> Any:
                Header.ended = len(buf) == BLOCK and not any(buf)
                made = super().frombuf(buf, *rest)
                if made.size < 0 or (made.size > NAMES and made.type in b"xgXLK"):
                    raise tarfile.ReadError(f"a header that claims {made.size} bytes; {NAMES} are read")
                return made

        self.path, self._header = path, Header
        try:
            self._file = tarfile.open(fileobj=stream, tarinfo=Header)  # noqa: SIM115 - who opened the stream closes it
        except tarfile.ReadError as error:  # which tells of every way to compress
            raise ModelFormatError(f"{path}: not a tar archive that can be read, or damaged") from error

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Yield the files.

        Raises:
            ModelFormatError: more of them, or more bytes, than an archive may have; one that is damaged or cut off.
        """
        for count, member in enumerate(self._file):
            if member.size < 0 or count >= MEMBERS or member.offset_data + member.size > UNPACKED:
                raise ModelFormatError(f"{self.path}: more than {MEMBERS} files or {UNPACKED} bytes in the archive")
            if member.isreg():
                yield member
        if not self._header.ended:
            raise ModelFormatError(f"{self.path}: the archive is damaged or cut off at its byte {self._file.offset}")

    def content(self, member: tarfile.TarInfo, most: int) -> bytes:
        """Return the bytes of a file, of which there are ``most`` at most.

        Raises:
            ModelFormatError: there are more.
        """
        if member.size > most:
            raise ModelFormatError(f"{self.path}: {member.name} has {member.size} bytes; {most} at most are read")
        stream = self._file.extractfile(member)
        assert stream is not None, "a regular file"
        content = stream.read()
        if len(content) != member.size:
            raise ModelFormatError(f"{self.path}: {member.name} is cut off")
        return content


@contextmanager
def tar(path: str | Path) -> Iterator[Tar]:
    """Yield the files of a tar archive, which may be compressed.

    Raises:
        ModelFormatError: it is no archive, or damaged; also if that comes out while it is read.
    """
    with refusing(path, "a tar archive that can be read"), Path(path).open("rb") as stream:
        yield Tar(path, stream)


def picture(content: bytes, what: str, kind: str, pixels: int) -> Image.Image:
    """Return a picture, decoded.

    Args:
        content: of the file.
        what: the file, as errors have it.
        kind: its format, as Pillow calls it: no other one is read.
        pixels: that it may have.

    Raises:
        ModelFormatError: another format, a damaged file, or one of more pixels.
    """
    from PIL import Image

    with refusing(what, f"a picture ({kind})"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks about metadata
        try:
            found = Image.open(io.BytesIO(content), formats=(kind,))
        except Image.DecompressionBombError as error:
            raise ModelFormatError(f"{what}: more than {pixels} pixels") from error
        if found.width * found.height > pixels:
            raise ModelFormatError(f"{what}: {found.width} × {found.height} pixels; {pixels} at most are read")
        found.load()
        return found


def arrays(path: str | Path, *, texts: Container[str] = (), **shapes: str) -> dict[str, NDArray[Any]]:
    """Return arrays of an .npz file by name, finite numbers of the shapes that are asked for.

    Args:
        path: of the file.
        texts: names of arrays that hold texts.
        shapes: of each array, sizes with spaces between them: numbers, or letters for any size above 0, which is the
            same wherever the letter stands.

    Raises:
        ModelFormatError: no such file, an array that is missing, holds no numbers or has another shape; says which.
    """
    sizes: dict[str, int] = {}
    found = {}
    with Archive(Path(path)) as archive:
        for name, shape in shapes.items():
            held = npy(archive.read(f"{name}.npy"), f"{path}: entry '{name}.npy'", kinds="U" if name in texts else "")
            asked = shape.split()
            if len(asked) != held.ndim or any(
                not n or n != (sizes.setdefault(a, n) if a.isalpha() else int(a))
                for a, n in zip(asked, held.shape, strict=True)
            ):
                known = ", ".join(f"{a} = {n}" for a, n in sizes.items())
                raise ModelFormatError(
                    f"{path}: '{name}' has the shape {held.shape}; needed: ({', '.join(asked)})"
                    + (f" with {known}" if known else "")
                )
            if held.dtype.kind == "f" and not np.isfinite(held).all():
                raise ModelFormatError(f"{path}: '{name}' holds numbers that are not finite")
            found[name] = held
    return found


def pictures(path: str | Path, *parts: str) -> dict[str, NDArray[Any]]:
    """Return grey pictures of 28 × 28 bytes and their classes, of which each of 0…9 is there.

    Args:
        path: of an .npz file with ``images`` and ``labels``.
        parts: what stands before these names, such as "train".

    Returns:
        The arrays by their names.

    Raises:
        ModelFormatError: not such a file; says which array is not what it should be.
    """
    wanted: dict[str, str] = {}
    for k, part in enumerate(f"{p}_" for p in parts) if parts else enumerate([""]):
        wanted |= {f"{part}images": f"{'NM'[k]} 28 28", f"{part}labels": "NM"[k]}
    found = arrays(path, **wanted)
    for name, held in found.items():
        if name.endswith("images") and held.dtype != np.uint8:
            raise ModelFormatError(f"{path}: '{name}' holds {held.dtype}; pictures are of bytes (uint8)")
        if name.endswith("labels") and (held.dtype.kind not in "iu" or set(held.tolist()) != set(range(CLASSES))):
            raise ModelFormatError(f"{path}: '{name}' are not the classes 0 to {CLASSES - 1}, each of which is needed")
    return found
