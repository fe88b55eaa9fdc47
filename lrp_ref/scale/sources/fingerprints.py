"""Which data are they? A hash that is quick also of a hundred gigabytes, and the same wherever the data lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import ModelFormatError
from .regular import fill, regular

BLOCK = 1 << 16  # bytes
BLOCKS = 64  # of a file that stands alone
FEW = 4  # blocks of one file of many, at least
FILES = 64  # whose contents are looked at

Entry = tuple[str, str, int]  # name, path, bytes of the file; −1 where it cannot be read


def fingerprint(about: Iterable[Any], files: Sequence[Entry]) -> str:
    """Return a hash of data in files: their names and sizes, and of what is in them evenly spaced blocks.

    Of one file 64 blocks of 64 kB are read, from its beginning to its end; it is read whole where it is no longer than
    that. Of several files all names and sizes count, and of 64 of them, evenly spaced in their order, the contents: 4
    blocks or more, 64 in all, or the whole of a file that is no longer. Neither the folder that they are in counts, nor
    when they were written.

    It does not see a change between two blocks that leaves the size as it was, nor one in a file of many whose contents
    are not looked at; it is no protection against somebody who means to deceive.

    Args:
        about: what counts besides, as text.
        files: each with the name that counts, where it is, and its size.

    Example:
        >>> fingerprint(["arrays"], []) == fingerprint(["arrays"], []), fingerprint(["arrays"], [("x", "", -1)])[:6]
        (True, 'd7b381')
    """
    digest = hashlib.sha256()
    for one in about:
        _text(digest, str(one).encode())
    digest.update(len(files).to_bytes(8, "little"))
    for name, _, size in files:
        _text(digest, os.fsencode(name))
        digest.update(size.to_bytes(8, "little", signed=True))
    looked_at = _spaced(files, FILES)
    for _, path, size in looked_at:
        if size > 0:
            try:
                _contents(digest, path, size, max(FEW, BLOCKS // len(looked_at)))
            except ModelFormatError:
                _text(digest, b"unreadable")  # a sample of many, which is refused when it is read
    return digest.hexdigest()


def _text(digest: Any, raw: bytes) -> None:
    """Add text so that two texts never read like one."""
    digest.update(len(raw).to_bytes(8, "little") + raw)


def _spaced(files: Sequence[Entry], most: int) -> Sequence[Entry]:
    if len(files) <= most:
        return files
    return [files[k * (len(files) - 1) // (most - 1)] for k in range(most)]


def _contents(digest: Any, path: str, size: int, blocks: int) -> None:
    starts = range(0, size, BLOCK)
    if size > blocks * BLOCK:
        starts = [k * (size - BLOCK) // (blocks - 1) for k in range(blocks)]  # type: ignore[assignment]
    with regular(path) as (stream, _):
        for start in starts:
            block = bytearray(min(BLOCK, size - start))
            fill(stream, start, memoryview(block), path)
            digest.update(block)
