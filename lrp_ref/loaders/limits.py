"""What an untrusted file may take: bytes of memory by its own size, and levels of nesting.

Sizes are counted in Python integers, which cannot overflow, before anything of that size is allocated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from ..errors import ModelFormatError

TIMES = 20
LEAST = 256_000_000  # a small file may well need some memory, and this much is there everywhere
DEEPEST = 64
LARGEST = 1 << 58  # elements of up to 16 bytes, of an array with a byte for each address

# What is no bracket, strings as a whole, and then a bracket or the end. It is possessive and always fits, also where a
# string lacks its end: nothing is read twice and no place to return to is kept, in whatever was made to be slow.
_BRACKET = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++)*+([\[\]{}]|\Z)', re.S)


def bound(size: int) -> int:
    """Return how many bytes a file of ``size`` bytes may take in memory: 20 times as many, or 256 MB if that is more.

    Example:
        >>> bound(10_000), bound(100_000_000)
        (256000000, 2000000000)
    """
    return max(TIMES * size, LEAST)


def size_of(shape: Iterable[Any], itemsize: int, what: str) -> int:
    """Return the bytes of an array that a file declares.

    Args:
        shape: its sizes.
        itemsize: bytes of one element.
        what: the file and the array, as errors have it.

    Raises:
        ModelFormatError: a size that is negative or no integer, or a shape that NumPy cannot describe even if a 0 in it
            makes it empty.

    Example:
        >>> size_of((1 << 40, 1 << 10), 4, "model.x: tensor 'w'")
        4503599627370496
    """
    sizes = tuple(shape)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in sizes):
        raise ModelFormatError(f"{what} has the shape {sizes}: sizes are integers from 0 on")
    if math.prod(n or 1 for n in sizes) > LARGEST:
        raise ModelFormatError(f"{what} has the shape {sizes}, which no array can have")
    elements: int = math.prod(sizes)
    return elements * itemsize


class Budget:
    """A running total of bytes that may not exceed a limit.

    Args:
        limit: such as :func:`bound` of the file's size.
        what: the file, as errors have it.

    Example:
        >>> budget = Budget(100, "model.x")
        >>> budget.take(60, "tensor 'v'")
        >>> budget.take(60, "tensor 'w'")
        Traceback (most recent call last):
            ...
        lrp_ref.errors.ModelFormatError: model.x: tensor 'w' needs 60 bytes, 120 with those before it; 100 are allowed
    """

    def __init__(self, limit: int, what: str) -> None:
        self.limit = limit
        self.taken = 0
        self._what = what

    def take(self, size: int, name: str) -> None:
        """Count ``size`` more bytes.

        Raises:
            ModelFormatError: the total is above the limit.
        """
        total = self.taken + size
        if total > self.limit:
            raise ModelFormatError(
                f"{self._what}: {name} needs {size} bytes, {total} with those before it; {self.limit} are allowed"
            )
        self.taken = total


def json_value(text: bytes | bytearray, what: str, *, longest: int, deepest: int = DEEPEST) -> Any:
    """Return what JSON in UTF-8 says.

    Args:
        text: the JSON.
        what: the file and the place in it, as errors have it.
        longest: most bytes.
        deepest: most lists and objects inside each other; counted before anything is parsed.

    Raises:
        ModelFormatError: no JSON, too long, too deep, or an object that has a key twice.

    Example:
        >>> json_value(b'{"a": [1, 2.5]}', "model.x: header", longest=100)
        {'a': [1, 2.5]}
    """
    if len(text) > longest:
        raise ModelFormatError(f"{what} has {len(text)} bytes; {longest} are allowed")
    if _depth(text) > deepest:
        raise ModelFormatError(f"{what} is nested more than {deepest} deep")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("an object has a key twice")
        return made

    try:
        return json.loads(text.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{what} is no JSON that can be read: {error or type(error).__name__}") from error


def _depth(text: bytes | bytearray) -> int:
    """Return how many lists and objects of a JSON text are inside each other, at most."""
    depth = deepest = 0
    for found in _BRACKET.finditer(text):
        depth += (found[1] in (b"[", b"{")) - (found[1] in (b"]", b"}"))
        deepest = max(deepest, depth)
    return deepest
