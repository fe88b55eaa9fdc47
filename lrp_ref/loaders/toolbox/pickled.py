"""The ``.nn`` files: pickled modules, read by their instructions, of which only arrays and plain values are made."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFormatError, UnsupportedError
from .. import opcodes
from ..allowed import RARE, Maker, Named, Record, Table
from ..limits import Budget, bound
from .modules import FORMS, Module, Numbers

LIMIT = 1 << 31  # bytes of one file, which is read at once
NESTED = 8  # networks in networks
MODULES = 10_000  # of one file, which may name one of them often
AXES = 8


def read_pickled(path: Path) -> list[Module]:
    """Return the modules of a pickled network.

    Raises:
        ModelFormatError: not such a file, damaged, or it names what is no module of the toolbox.
        UnsupportedError: with every module that lrp_ref does not read.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise ModelFormatError(f"{path}: more than {LIMIT} bytes; refused")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        whole = opcodes.interpret(content, TABLE)
        records = _chain(whole)
        _refuse_others(records, path)
        budget = Budget(bound(len(content)), "its weights")
        modules = [_module(record, f"module {k}", budget) for k, record in enumerate(records, 1)]
    except ModelFormatError as error:
        raise ModelFormatError(f"{path}: {error}") from error
    return _of_one_type(modules)


def _refuse_others(records: list[Record], path: Path) -> None:
    others = [f"module {k} ({_kind(r)})" for k, r in enumerate(records, 1) if _kind(r) not in FORMS]
    if others:
        raise UnsupportedError(f"{path}: not read: {', '.join(others)[:300]}; known: {', '.join(FORMS)}")


def _kind(record: Record) -> str:
    return record.kind.rpartition(".")[2]


def _chain(whole: Any) -> list[Record]:
    """Return the modules of a network, which may be a part of another."""
    found: list[Record] = []
    waiting, seen = [(whole, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if not isinstance(value, Record):
            raise ModelFormatError("no module of the LRP toolbox")
        if _kind(value) != "Sequential":
            found.append(value)
            continue
        modules = value.attributes.get("modules")
        if not isinstance(modules, list | tuple) or depth > NESTED:
            raise ModelFormatError("a Sequential without a list of modules, or inside itself")
        if seen + len(waiting) + len(modules) > MODULES:  # one list may stand a thousand times in another
            raise ModelFormatError(f"more than {MODULES} modules")
        waiting += [(module, depth + 1) for module in reversed(modules)]
    return found


def _module(record: Record, place: str, budget: Budget) -> Module:
    kind, found = _kind(record), record.attributes
    count, strides, weighted = FORMS[kind]
    where = f"{place} ({kind})"
    if not weighted:
        sizes = _sizes(found.get("pool"), count, f"{where}: pool") if count else ()
        return Module(kind, where, sizes, _sizes(found.get("stride"), strides, f"{where}: stride") if strides else ())
    weight, bias = (_numbers(found.get(name), f"{where}: {name}", budget) for name in ("W", "B"))
    if weight.ndim != count or 0 in weight.shape:
        raise ModelFormatError(f"{where}: weights of shape {weight.shape}; {count} axes are expected")
    if bias.size != weight.shape[-1]:
        raise ModelFormatError(f"{where}: {bias.size} biases for {weight.shape[-1]} outputs")
    stride = _sizes(found.get("stride"), strides, f"{where}: stride") if strides else ()
    return Module(kind, where, weight.shape, stride, weight, bias.reshape(-1))


def _sizes(value: Any, count: int, what: str) -> tuple[int, ...]:
    values = tuple(v.number() if isinstance(v, Scalar) else v for v in value) if isinstance(value, tuple | list) else ()
    if len(values) != count or not all(type(v) is int and 0 < v < 1 << 30 for v in values):
        raise ModelFormatError(f"{what} is not {count} whole numbers from 1")
    return values


def _numbers(value: Any, what: str, budget: Budget) -> Numbers:
    """Return an array of float32 or float64 in the machine's order of bytes, which may be a copy."""
    if not isinstance(value, Array) or value.array is None:
        raise ModelFormatError(f"{what} is no array")
    if value.array.dtype.kind != "f" or value.array.dtype.itemsize not in (4, 8):
        raise ModelFormatError(f"{what} is {value.array.dtype}; float32 and float64 are read")
    budget.take(value.array.size * 8, what)
    if not np.isfinite(value.array).all():
        raise ModelFormatError(f"{what} has values that are not finite")
    return np.ascontiguousarray(value.array, dtype=value.array.dtype.newbyteorder("="))


def _of_one_type(modules: list[Module]) -> list[Module]:
    """Return the modules with all weights in float64, unless all are in float32."""
    types = {a.dtype for m in modules for a in (m.weight, m.bias) if a is not None}
    if len(types) < 2:
        return modules
    wide = [(None if a is None else a.astype(np.float64) for a in (m.weight, m.bias)) for m in modules]
    return [replace(m, weight=weight, bias=bias) for m, (weight, bias) in zip(modules, wide, strict=True)]


# -- what a pickle of NumPy's arrays calls --------------------------------------------------------------------------


class Dtype:
    """The type of an array's elements: a kind and a size, then the order of bytes."""

    def __init__(self, text: Any = "", *_: Any) -> None:
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        if not isinstance(text, str) or not 2 <= len(text) <= 3 or text.strip("<>=|")[:1] not in tuple("fiub"):
            raise ModelFormatError("an array of something else than real numbers")
        self.dtype = np.dtype(text)

    def accept(self, state: Any) -> None:
        """Take the order of bytes."""
        order: Any = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        order = order.decode("latin-1") if isinstance(order, bytes) else order
        if order not in ("<", ">", "=", "|"):
            raise ModelFormatError("an array without an order of its bytes")
        self.dtype = self.dtype.newbyteorder(order)


class Array:
    """An array, which is there once its shape, type and bytes have been read."""

    def __init__(self, *_: Any) -> None:
        self.array: Numbers | None = None

    def accept(self, state: Any) -> None:
        """Take (version, shape, type, whether the first axis is innermost, bytes)."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ModelFormatError("an array that is not described by its shape, type and bytes")
        shape, kind, fortran, content = state[-4:]
        self.fill(content, kind, shape, "F" if fortran is True or fortran == 1 else "C")

    def fill(self, content: Any, kind: Any, shape: Any, order: Any) -> Array:
        """Take the bytes, once they are as many as shape and type need."""
        content = _bytes(content)
        if not isinstance(kind, Dtype) or not isinstance(shape, tuple) or len(shape) > AXES or order not in ("C", "F"):
            raise ModelFormatError("an array without a type or a shape")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ModelFormatError("an array whose sizes are not whole numbers")
        if math.prod(shape) * kind.dtype.itemsize != len(content):
            raise ModelFormatError(f"an array of shape {shape} with {len(content)} bytes")
        self.array = np.frombuffer(content, dtype=kind.dtype).reshape(shape, order=order)
        return self


class Scalar:
    """One number with a type of its own."""

    def __init__(self, kind: Any = None, content: Any = b"") -> None:
        self.array = Array().fill(content, kind, (), "C").array

    def number(self) -> Any:
        """Return it as a number of Python."""
        return None if self.array is None else self.array.item()


def _bytes(content: Any) -> bytes:
    """Return bytes, which Python 2 wrote as a text."""
    if isinstance(content, str):
        return content.encode("latin-1")
    if not isinstance(content, bytes):
        raise ModelFormatError("an array without bytes")
    return content


def _encode(text: Any = "", encoding: Any = "latin1", *_: Any) -> bytes:
    """Return bytes as older protocols write them: a text in Latin-1."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ModelFormatError("bytes in another encoding than Latin-1")
    return text.encode("latin-1")


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> Array:
    return Array().fill(content, kind, shape, order)


def _reconstructed(kind: Any, *_: Any) -> Record:
    """Return a module as protocols before the second make it."""
    if not isinstance(kind, Named) or not _is_module(kind.name):
        raise ModelFormatError("an object of what is no module")
    return Record(kind.name)


def _is_module(name: str) -> bool:
    return name.startswith("modules.")


_NUMPY: tuple[tuple[str, Maker], ...] = (
    ("multiarray._reconstruct", Array),
    ("multiarray.scalar", Scalar),
    ("numeric._frombuffer", _from_buffer),
)
TABLE = Table(
    makers={
        "numpy.dtype": Dtype,
        "_codecs.encode": _encode,
        "copy_reg._reconstructor": _reconstructed,
        **{f"numpy.{core}.{name}": maker for core in ("core", "_core") for name, maker in _NUMPY},
    },
    names=frozenset(("numpy.ndarray", "__builtin__.object")),
    records=_is_module,
    instructions=RARE,  # objects of the older protocols, and arrays of the newest
)
