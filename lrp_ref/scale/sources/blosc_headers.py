"""Chunks of Blosc, whose library believes the sizes that stand in them: one that lies would end the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import require

HEADER = 16  # bytes: versions, flags, size of an element, then three sizes of 4 bytes each
COPIED = 2  # the flag of bytes that are not compressed


def store_of(path: str | Path, blosc: bool, beside: tuple[str, ...]) -> Any:
    """Return the folder of a zarr array as zarr reads it.

    Args:
        path: of the folder.
        blosc: whether its chunks are of Blosc: each is then looked at before it is given out.
        beside: names of files that are no chunks.
    """
    storage = require("zarr.storage", extra="scale", purpose="read zarr arrays")
    local = storage.LocalStore(Path(path), read_only=True)
    if not blosc:
        return local

    async def get(self: Any, key: str, prototype: Any, byte_range: Any = None) -> Any:
        found = await self._store.get(key, prototype, byte_range)
        if found is not None and byte_range is None and Path(key).name not in beside:
            require_blosc(found[:HEADER].to_bytes(), len(found))
        return found

    return type("BloscStore", (storage.WrapperStore,), {"get": get})(local)


def require_blosc(head: bytes, size: int) -> None:
    """Raise unless the sizes that a chunk of Blosc states fit each other and the chunk.

    Args:
        head: its first 16 bytes, if it has so many.
        size: all its bytes.

    Raises:
        ValueError: they do not.

    Example:
        >>> require_blosc(bytes.fromhex("02 01 33 04 3c000000 3c000000 4c000000"), 76)
        >>> require_blosc(bytes.fromhex("02 01 33 04 3c00007f 3c000000 4c000000"), 76)
        Traceback (most recent call last):
            ...
        ValueError: a chunk of Blosc of 76 bytes states 2130706492 bytes in blocks of 60, 76 compressed
    """
    whole, block, compressed = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
    table = 0 if not whole else 4 * -(-whole // block) if block else size  # where each block begins
    copied = len(head) == HEADER and bool(head[2] & COPIED)
    needed = HEADER + (whole if copied else table)
    if len(head) < HEADER or compressed != size or needed > size or max(whole, block) >= 1 << 31:
        raise ValueError(
            f"a chunk of Blosc of {size} bytes states {whole} bytes in blocks of {block}, {compressed} compressed"
        )
