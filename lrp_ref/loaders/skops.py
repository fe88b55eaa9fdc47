"""Estimators of scikit-learn that skops saved (``.skops``), without either: nothing is imported or made but data.

Such a file is a zip archive of ``schema.json`` and arrays as .npy files. The schema is a tree of nodes: ``__loader__``
says how one is read, ``__class__`` and ``__module__`` what it was, ``__id__`` which object: a second node of the same
number stands for the first. What needs code to be read, a function or a state of a random generator, is known by its
name afterwards and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from ..network.network import Network
from ..neuralise.fitted import NUMBERS, TREES, Fitted, Opaque, array, is_of_library, tree
from .archive import Archive
from .limits import Budget, bound, json_value
from .npy import npy
from .outputs import asked_for
from .sparse import sparse

SCHEMA = "schema.json"
PROTOCOL = 2  # the newest that is read
DEEPEST = 64  # values inside each other
VALUE = 100  # bytes of memory that a value takes, counted as often as it is inside others
LONGEST = 200  # characters of the name of a class or a module
TEXT = 1 << 20  # bytes of one number or text
READ = f"{NUMBERS}UScMmV"  # NumPy's kinds of arrays that may be there, most of which no converter needs
VERSION = "_sklearn_version"  # skops adds it to every estimator
# Bytes of memory that the parsed schema takes for each of these in it, about; and its text while it is parsed.
TAKEN = {b"{": 300, b"[": 100, b",": 150}
# What Python, NumPy and the layers raise on attributes of another kind or shape than scikit-learn makes.
DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
KEYS: dict[str, Callable[[str], Any]] = {
    "str": str, "int": int, "float": float, "bool": {"true": True, "false": False}.__getitem__,
    "NoneType": {"null": None}.__getitem__, "str_": str, "bool_": {"true": True, "false": False}.__getitem__,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": float for bits in (16, 32, 64)},
}  # fmt: skip


def load(path: Path, *, output: Any = None, **options: Any) -> Network:
    """Read an estimator and return it as a network; see :func:`lrp_ref.neuralise.from_sklearn`.

    Args:
        path: a file of ``skops.io.dump``.
        output: what of the estimator is explained, such as "decision" or "logodds", or names of nodes, whose values are
            returned; None for the usual.
        options: of the estimator's converter.

    Raises:
        ModelFormatError: damaged, or not a file of skops.
        UnsupportedError: an estimator, or a part of one, that is not supported; a newer version of the format.
        ParameterError: an output or an option that this estimator does not have.
    """
    if isinstance(output, list | tuple) and (not output or output[0] != "pair"):
        names = asked_for(output, path)
        output = names[0] if len(names) == 1 else names
    fitted = read(path)
    try:
        return _network(fitted, output, options)
    except LrpError as error:
        raise type(error)(f"{path}: {error}") from error
    except DAMAGED as error:
        said = error or type(error).__name__
        raise ModelFormatError(
            f"{path}: a {fitted.kind} whose attributes are not those of a fitted one: {said}"
        ) from error


def _network(fitted: Fitted, output: Any, options: dict[str, Any]) -> Network:
    """Return the network of what is asked for, which may also be the value of a node."""
    from ..neuralise import from_fitted  # the reader alone needs no converters

    try:
        return from_fitted(fitted, output, **options)
    except ParameterError:
        names = (output,) if isinstance(output, str) else output
        whole = from_fitted(fitted, None, **options)
        if not names or not {*names} <= {node.name for node in whole.nodes}:
            raise
        return whole.until(names)


def read(path: str | Path) -> Fitted:
    """Return the estimator in a file as plain data.

    Raises:
        ModelFormatError: damaged, or not a file of skops; nodes that hold themselves, or are nested too deep; more
            values or bytes than a file of its size may have.
        UnsupportedError: it holds something else than an estimator of scikit-learn; a newer version of the format.
    """
    path = Path(path)
    with Archive(path) as archive:
        if SCHEMA not in archive.sizes:
            raise ModelFormatError(f"{path}: a zip file without {SCHEMA}, which skops did not write")
        budget = Budget(bound(archive.size), str(path))
        schema = _schema(archive, budget)
        made = _Reader(archive, budget).value(schema, "", 0)
    if isinstance(made, Fitted):
        return made
    what = made.name if isinstance(made, Opaque) else type(made).__name__
    raise UnsupportedError(f"{path}: holds a {what}, not an estimator of scikit-learn")


def _schema(archive: Archive, budget: Budget) -> dict[str, Any]:
    what = f"{archive.path}: {SCHEMA}"
    text = archive.read(SCHEMA)
    # An empty list has two bytes in the file and some dozen in memory; this is known before anything is parsed.
    taken = sum(size * text.count(sign) for sign, size in TAKEN.items())
    Budget(budget.limit, str(archive.path)).take(taken + (2 if text.isascii() else 9) * len(text), SCHEMA)
    budget.take(taken, SCHEMA)
    schema = json_value(text, what, longest=budget.limit)
    if not isinstance(schema, dict):
        raise ModelFormatError(f"{what} is no object")
    protocol = schema.get("protocol")
    if not isinstance(protocol, int) or isinstance(protocol, bool) or protocol < 0:
        raise ModelFormatError(f"{what} has no protocol number; skops did not write it")
    if protocol > PROTOCOL:
        raise UnsupportedError(
            f"{what} has protocol {str(protocol)[:LONGEST]} of skops; {PROTOCOL} is the newest that is read"
        )
    return schema


class _Reader:
    """Nodes to values, each object once.

    Args:
        archive: the file.
        budget: takes what is read.
    """

    def __init__(self, archive: Archive, budget: Budget) -> None:
        self.archive, self.budget = archive, budget
        self.arrays: dict[tuple[str, str], Any] = {}  # kind and entry → array, as many nodes may name one
        self.memory: dict[int, tuple[Any, int, int]] = {}  # number of an object → value, values in it, depth of them
        self.open: set[int] = set()  # objects that are being read
        self.count = 0
        self.reached = 0  # depth

    def value(self, node: Any, where: str, depth: int) -> Any:
        """Return what a node stands for.

        Args:
            node: the JSON.
            where: its place, as errors have it, such as "steps[1][1].coef_".
            depth: values that it is inside.
        """
        what = self._what(where)
        if not isinstance(node, dict) or not isinstance(loader := node.get("__loader__"), str):
            raise ModelFormatError(f"{what} is no node of skops")
        key = node.get("__id__")
        if key is not None and (not isinstance(key, int) or isinstance(key, bool)):
            raise ModelFormatError(f"{what} has an __id__ that is no integer")
        if key in self.open:
            raise ModelFormatError(f"{what} is inside itself")
        if key in self.memory:
            made, count, height = self.memory[key]
            self._enter(count, depth + height, what)
            return made
        if loader == "CachedNode":
            raise ModelFormatError(f"{what} stands for an object that is not there before it")
        before, outer, self.reached = self.count, self.reached, depth
        self._enter(1, depth, what)
        if key:
            self.open.add(key)
        read = READERS.get(loader)
        made = self.opaque(node, what) if read is None else read(self, node, where, depth + 1)
        if key:
            self.open.discard(key)
            self.memory[key] = made, self.count - before, self.reached - depth
        self.reached = max(outer, self.reached)
        return made

    def _enter(self, count: int, depth: int, what: str) -> None:
        self.count += count
        self.reached = max(self.reached, depth)
        if depth > DEEPEST:
            raise ModelFormatError(f"{what} is nested more than {DEEPEST} deep")
        self.budget.take(VALUE * count, what)

    def _what(self, where: str) -> str:
        return f"{self.archive.path}: {SCHEMA}{' at ' if where else ''}{where}"

    def opaque(self, node: dict[str, Any], what: str) -> Opaque:
        return Opaque(f"{self._name(node, '__module__', what)}.{self._name(node, '__class__', what)}")

    def _name(self, node: dict[str, Any], key: str, what: str) -> str:
        if not isinstance(name := node.get(key), str):
            raise ModelFormatError(f"{what} has no {key}")
        if len(name) > LONGEST:
            raise ModelFormatError(f"{what} has a {key} of {len(name)} characters, as no class has")
        return name

    # One kind of nodes each ------------------------------------------------------------------------------------------

    def json(self, node: dict[str, Any], where: str, depth: int) -> Any:
        content, what = node.get("content"), self._what(where)
        if not isinstance(content, str):
            raise ModelFormatError(f"{what} is no JSON in a text")
        return json_value(content.encode("utf-8", "surrogatepass"), what, longest=TEXT, deepest=0)

    def sequence(self, node: dict[str, Any], where: str, depth: int) -> tuple[Any, ...]:
        content = node.get("content")
        if not isinstance(content, list):
            raise ModelFormatError(f"{self._what(where)} has no list of nodes")
        return tuple(self.value(one, f"{where}[{k}]", depth) for k, one in enumerate(content))

    def set(self, node: dict[str, Any], where: str, depth: int) -> Any:
        made = self.sequence(node, where, depth)
        try:
            return frozenset(made)
        except TypeError as error:
            raise ModelFormatError(f"{self._what(where)} is a set of what no set can hold") from error

    def dictionary(self, node: dict[str, Any], where: str, depth: int) -> dict[Any, Any]:
        what, content, kinds = self._what(where), node.get("content"), node.get("key_types")
        if not isinstance(content, dict) or not isinstance(kinds, dict):
            raise ModelFormatError(f"{what} has no object of nodes, or no types of its keys")
        types = kinds.get("content")
        if not isinstance(types, list) or len(types) != len(content):
            raise ModelFormatError(f"{what} has {len(content)} keys and types of other ones")
        made = {}
        for (text, one), kind in zip(content.items(), types, strict=True):
            name = kind.get("__class__") if isinstance(kind, dict) else None
            try:
                key = KEYS[name](text) if isinstance(name, str) else None
            except (LookupError, ValueError):
                name = None
            if not isinstance(name, str):
                raise ModelFormatError(f"{what}: its key {text[:60]!r} is not of the type that is declared")
            made[key] = self.value(one, f"{where}.{text}" if where else text, depth)
        if len(made) != len(content):
            raise ModelFormatError(f"{what} has a key twice")
        return made

    def counted(self, node: dict[str, Any], where: str, depth: int) -> Any:
        """A dictionary with a default: the dictionary."""
        content = node.get("content")
        if not isinstance(content, dict):
            raise ModelFormatError(f"{self._what(where)} has no content")
        return self.value(content.get("main"), where, depth)

    def object(self, node: dict[str, Any], where: str, depth: int) -> Any:
        known = self.opaque(node, self._what(where))
        state = None if node.get("content") is None else self.value(node["content"], where, depth)
        if not is_of_library(node["__module__"]):
            return known
        kind, state = node["__class__"], {} if state is None else state
        if isinstance(state, dict) and all(isinstance(name, str) for name in state):
            return Fitted(kind, {name: value for name, value in state.items() if name != VERSION})
        if kind in TREES and isinstance(state, tuple) and state:
            points, weight = state[0], state[-1]
            if _numbers(points, 2) and (weight is None or _numbers(weight, 1)):
                return tree(kind, points, weight)
        return known

    def array(self, node: dict[str, Any], where: str, depth: int) -> Any:
        what, stored = self._what(where), node.get("type")
        if stored == "json":
            return self._objects(node, where, depth)
        if stored != "numpy":
            raise ModelFormatError(f"{what} is an array of type {str(stored)[:60]!r}, which skops does not write")
        made = self._entry(node, what, self._numbers)
        return made[()] if isinstance(made, np.ndarray) and node.get("__class__") != "ndarray" else made

    def _objects(self, node: dict[str, Any], where: str, depth: int) -> Any:
        """An array of objects, of which those with one axis of numbers and texts are read."""
        shape = self.value(node.get("shape"), f"{where}.shape", depth)
        if not isinstance(shape, tuple) or len(shape) != 1:
            return Opaque("numpy.ndarray of object")
        items = self.sequence(node, where, depth)
        if shape != (len(items),):
            raise ModelFormatError(f"{self._what(where)} has {len(items)} items and the shape {shape}")
        made = np.empty(len(items), dtype=object)
        for k, item in enumerate(items):
            made[k] = item
        return array(made, own=True)

    def sparse(self, node: dict[str, Any], where: str, depth: int) -> Any:
        what = self._what(where)

        def parsed(data: bytearray, entry: str) -> Any:
            return sparse(data, self.archive.path, f"{what}: {entry}", self.budget)

        made = self._entry(node, what, parsed)
        return self.opaque(node, what) if made is None else made

    def _entry(self, node: dict[str, Any], what: str, parsed: Callable[[bytearray, str], Any]) -> Any:
        name = node.get("file")
        if not isinstance(name, str) or name == SCHEMA:
            raise ModelFormatError(f"{what} names no file of the archive")
        if len(name) > LONGEST and name not in self.archive.sizes:
            raise ModelFormatError(f"{what} names a file of {len(name)} characters, which the archive has not")
        key = node["__loader__"], name
        if key not in self.arrays:
            if name in self.archive.sizes:
                self.budget.take(self.archive.sizes[name], f"entry '{name}'")
            self.arrays[key] = parsed(self.archive.read(name), f"entry '{name}'")
        return self.arrays[key]

    def _numbers(self, data: bytearray, entry: str) -> Any:
        made = npy(data, f"{self.archive.path}: {entry}", kinds=READ)
        if not made.dtype.isnative:
            made = made.astype(made.dtype.newbyteorder("="))
        made.flags.writeable = False
        return array(made, own=True)


def _numbers(value: Any, axes: int) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == axes and value.dtype.kind == "f"


Read = Callable[[_Reader, dict[str, Any], str, int], Any]
READERS: dict[str, Read] = {
    "DefaultDictNode": _Reader.counted,
    "DictNode": _Reader.dictionary,
    "JsonNode": _Reader.json,
    "ListNode": _Reader.sequence,
    "NdArrayNode": _Reader.array,
    "ObjectNode": _Reader.object,
    "SetNode": _Reader.set,
    "SparseMatrixNode": _Reader.sparse,
    "TupleNode": _Reader.sequence,
}
