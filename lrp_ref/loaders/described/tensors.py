"""The tensors of a weights file by name: what it declares of each, and their values when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelFormatError, UnsupportedError
from ..limits import Budget, bound, size_of
from ..notes import HALF

Floats = np.ndarray[Any, Any]

# The bytes of an element of each type that has an array type of its own here.
PLAIN = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1,
}  # fmt: skip
LONGEST_NAME = 1000
MOST = 100_000  # tensors of one file
AXES = 32


@dataclass(frozen=True)
class Stored:
    """A tensor as its file declares it.

    Attributes:
        kind: the type of its elements, one of ``PLAIN``, or the file's own name of another.
        shape: its sizes.
        read: makes an array of its shape; bfloat16 is read as uint16.
    """

    kind: str
    shape: tuple[int, ...]
    read: Callable[[], Floats]


class Tensors(Mapping[str, Floats]):
    """Name → array of the tensors of one file; each is read when it is asked for. Half precision becomes float32.

    Args:
        what: the file, as errors have it.
        stored: what the file declares, by name.
        size: bytes of the file; the arrays that are read may together have as many as
            :func:`~lrp_ref.loaders.limits.bound` allows for it.

    Raises:
        ModelFormatError: more than 10⁵ tensors, a name of more than 1,000 characters, a size that is no size.
    """

    def __init__(self, what: str, stored: Mapping[str, Stored], size: int) -> None:
        if len(stored) > MOST:
            raise ModelFormatError(f"{what}: {len(stored)} tensors; {MOST} are allowed")
        for name, one in stored.items():
            if len(name) > LONGEST_NAME:
                raise ModelFormatError(f"{what}: a name of {len(name)} characters; {LONGEST_NAME} are allowed")
            if len(one.shape) > AXES:
                raise ModelFormatError(f"{what}: tensor {shown(name)} has {len(one.shape)} axes; {AXES} are allowed")
            size_of(one.shape, 1, f"{what}: tensor {shown(name)}")
        self.what = what
        self.stored = dict(stored)
        self._budget = Budget(bound(size), what)

    def __getitem__(self, name: str) -> Floats:
        """Return the values of a tensor.

        Raises:
            KeyError: no tensor has the name.
            ModelFormatError: damaged, or more than the file may take.
            UnsupportedError: elements of a type that is no number with a meaning of its own.
        """
        one = self.stored[name]
        if one.kind not in PLAIN:
            raise UnsupportedError(
                f"{self.what}: tensor {shown(name)} has elements of type {shown(one.kind)}, which mean nothing without "
                "scales or rules beside them; save the model in float32"
            )
        width = max(PLAIN[one.kind], 4) if one.kind in HALF else PLAIN[one.kind]
        self._budget.take(size_of(one.shape, width, self.what), f"tensor {shown(name)}")
        array = one.read()
        if one.kind == "bfloat16":
            # The upper half of a float32.
            upper: Floats = np.asarray(np.left_shift(array, 16, dtype=np.uint32)).view(np.float32)
            return upper
        if one.kind == "bool":
            return np.asarray(array.view(np.uint8) != 0)  # any byte may stand in the file
        return array.astype(np.float32) if one.kind == "float16" else array

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def __repr__(self) -> str:
        rows = (f"  {name}  {one.kind}{list(one.shape)}" for name, one in self.stored.items())
        return "\n".join([f"{len(self)} tensors of {self.what}", *rows])


def shown(name: object, most: int = 80) -> str:
    """Return a name out of a file as errors print it: in quotes, control characters as escapes, not too long.

    Example:
        >>> print(shown("conv1.weight"), shown("a" * 100, most=8), shown("no\\nline"))
        'conv1.weight' 'aaaaaaaa…' 'no\\nline'
    """
    text = name if isinstance(name, str) else type(name).__name__
    quoted = repr(text if len(text) <= most else f"{text[:most]}…")
    return quoted if len(quoted) <= 2 * most else f"{quoted[:most]}…'"
