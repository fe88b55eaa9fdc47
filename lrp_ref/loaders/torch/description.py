"""The program in a file of ``torch.save``: what it may name, and what stands for it. It makes tensors, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any

from ...errors import LrpError, ModelFormatError, UnsupportedError
from .. import opcodes
from ..allowed import Named, Table
from ..described.tensors import shown

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
SAVE = "torch.save(model.state_dict(), FILE) writes the tensors alone"


@dataclass(frozen=True)
class Storage:
    """Where the numbers of tensors lie.

    Attributes:
        key: its name in the file.
        kind: the type of its elements.
        elements: how many they are.
    """

    key: str
    kind: str
    elements: int


@dataclass(frozen=True)
class View:
    """A tensor: places of a storage, offset + Σ_k index_k · stride_k."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Ordered(dict[Any, Any]):
    """What ``OrderedDict()`` stands for."""

    def accept(self, state: Any) -> None:
        """Leave out the attributes that PyTorch sets on it."""


def load(file: IO[bytes], what: str, size: int) -> Any:
    """Return what the next program of a file makes: plain values and :class:`View`.

    Args:
        file: is left behind the program's end.
        what: the file, as errors have it.
        size: bytes of the whole file.

    Raises:
        ModelFormatError: no program, one that is damaged, or that does what is not allowed.
        UnsupportedError: it would make an object of some class.
    """
    try:
        return opcodes.interpret(file, TABLE, size)
    except LrpError as error:
        raise type(error)(f"{what}: its description: {error}") from error


# -- what such a program calls --------------------------------------------------------------------------------------


def _ordered(*arguments: Any) -> Ordered:
    """Return the dictionary of a list of pairs, or an empty one."""
    if not arguments:
        return Ordered()
    entries = arguments[0]
    fits = isinstance(entries, list) and all(isinstance(e, list | tuple) and len(e) == 2 for e in entries)
    if len(arguments) > 1 or not fits:
        raise ModelFormatError("an ordered dictionary that is not made of pairs")
    return Ordered(opcodes.pairs([part for entry in entries for part in entry]))


def _parameter(*arguments: Any) -> View:
    """Return the tensor of (tensor, whether it is trained, hooks)."""
    if len(arguments) != 3 or not isinstance(arguments[0], View):
        raise ModelFormatError("a parameter that is made of other things than a tensor")
    return arguments[0]


def _view(*arguments: Any) -> View:
    """Return the tensor of (storage, offset, sizes, strides, ...), all of whose places lie in the storage."""
    if not 6 <= len(arguments) <= 7:
        raise ModelFormatError(f"a tensor of {len(arguments)} arguments")
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise ModelFormatError("a tensor without a storage")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or not _sizes((offset, *shape, *strides)):
        raise ModelFormatError("a tensor whose offset, sizes or strides are no integers from 0 on")
    if len(shape) != len(strides):
        raise ModelFormatError(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.elements:
        raise ModelFormatError(f"a tensor that reaches to place {last} of a storage of {storage.elements} elements")
    return View(storage, offset, shape, strides)


def _storage(described: Any) -> Storage:
    """Return the storage that ("storage", class, key, device, elements) describes; older files have one entry more."""
    if not isinstance(described, tuple) or len(described) not in (5, 6) or described[0] != "storage":
        raise ModelFormatError("a reference to what is no storage of a tensor")
    _, kind, key, _, elements = described[:5]
    if len(described) == 6 and described[5] is not None:
        raise UnsupportedError("a storage that is part of another one; save the state dict with a newer PyTorch")
    if not isinstance(kind, Named) or kind.name.removeprefix("torch.") not in STORAGES:
        raise ModelFormatError("a storage whose class is none")
    if not isinstance(key, str) or not _sizes((elements,)):
        raise ModelFormatError("a storage whose key is no text, or whose number of elements is no size")
    return Storage(key, STORAGES[kind.name.removeprefix("torch.")], elements)


def _sizes(values: Iterable[Any]) -> bool:
    return all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < opcodes.LARGEST for n in values)


def _unknown(name: str) -> LrpError:
    return UnsupportedError(f"it would make an object of {shown(name)}, which needs code to run; {SAVE}")


TABLE = Table(
    makers={
        "collections.OrderedDict": _ordered,
        "torch._utils._rebuild_tensor_v2": _view,
        "torch._utils._rebuild_parameter": _parameter,
    },
    names=frozenset(f"torch.{name}" for name in STORAGES),
    persistent=_storage,
    unknown=_unknown,
    advice=SAVE,
)
