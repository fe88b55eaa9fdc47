"""The program in a file of ``torch.save``, read without being run: it can make tensors, and nothing else.

Of the instructions of a pickle those are known that make plain values. Names of classes are looked up in ``NAMES``,
never imported; the only calls are those of ``_called``, and what these "call" are functions of this file.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any

from ...errors import LrpError, ModelFormatError, UnsupportedError
from ..described.tensors import AXES, LONGEST_NAME, shown
from ..limits import DEEPEST

OPCODES = 1_000_000  # instructions of one program
NAMED = 100_000  # values that it may name, to be used again
LARGEST = 1 << 63
VALUES = 1_000_000  # that are looked through for tensors
INNER = 100_000  # tensors, lists and dictionaries among them
CHARACTERS = 1 << 24  # of all paths together

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
_DICT, _TENSOR, _PARAMETER = (
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
)
NAMES = (_DICT, _TENSOR, _PARAMETER, *(f"torch.{name}" for name in STORAGES))
SAVE = "torch.save(model.state_dict(), FILE) writes the tensors alone"


@dataclass(frozen=True)
class Named:
    """A name of ``NAMES``: what stands for a class or a function."""

    name: str


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
    """What ``OrderedDict()`` stands for. PyTorch sets an attribute on it; what it would be set to is left out."""


_MARK = Named("")
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_PLAIN = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "FLOAT", "BINFLOAT", "BINUNICODE", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING", "STRING", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
_PUT, _GET = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NAME_NEXT = "\x94"  # the code of the instruction that names the top of the stack by the next number


def load(file: IO[bytes], what: str) -> Any:
    """Return what the next program of a file makes: plain values and :class:`View`.

    Args:
        file: is left behind the program's end.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: no program, one that is damaged, or that does what is not allowed.
        UnsupportedError: it would make an object of some class.
    """
    machine = Machine()
    place: int | None = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pickletools decodes names with escapes that are none
        try:
            for count, (opcode, argument, place) in enumerate(pickletools.genops(file)):  # noqa: B007 - for the errors
                if count >= OPCODES:
                    raise ModelFormatError(f"more than {OPCODES} instructions")
                if opcode.name == "STOP":
                    return machine.result()
                machine.step(opcode.name, opcode.code, argument)
        except LrpError as error:
            raise type(error)(f"{what}: byte {place} of its description: {error}") from error
        # What pickletools raises on bytes that are no program, and a stack or table that lacks what is asked for.
        except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
            raise ModelFormatError(f"{what}: not a description of tensors, damaged behind byte {place}") from error
    raise ModelFormatError(f"{what}: its description does not end")


class Machine:
    """A stack, and values that have a name; every step of a program changes them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.named: dict[int, Any] = {}

    def result(self) -> Any:
        """Return the one value that is left.

        Raises:
            ModelFormatError: none, or several.
        """
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise ModelFormatError("it does not end with one value")
        return self.stack.pop()

    def step(self, name: str, code: str, argument: Any) -> None:
        """Carry out one instruction.

        Raises:
            ModelFormatError, UnsupportedError: an instruction that is not allowed, or its operands.
        """
        if name in _PLAIN:
            self.stack.append(_plain(argument))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _PUT or code == _NAME_NEXT:
            self._name(argument if name in _PUT else len(self.named))
        elif name in _GET:
            self.stack.append(self.named[argument])
        elif name in _TUPLES:
            self.stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in _STEPS:
            _STEPS[name](self)
        elif name == "GLOBAL":
            self.stack.append(_name(argument.replace(" ", ".", 1)))
        elif name not in ("PROTO", "FRAME"):
            raise ModelFormatError(f"the instruction {name} is not among those that make tensors; {SAVE}")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count or any(value is _MARK for value in self.stack[-count:]):
            raise ModelFormatError("an instruction takes more values than there are")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _marked(self) -> list[Any]:
        """Take the values above the last mark, and the mark."""
        taken = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def _name(self, number: int) -> None:
        (value,) = self._pop(1)
        self.stack.append(value)
        self.named[number] = value
        if len(self.named) > NAMED:
            raise ModelFormatError(f"more than {NAMED} named values")

    def _discard(self) -> None:
        self.stack.pop()

    def _insert(self, keys_and_values: list[Any]) -> None:
        (target,) = self._pop(1)
        self.stack.append(target)
        if not isinstance(target, dict):
            raise ModelFormatError("an entry for what is no dictionary")
        target.update(_pairs(keys_and_values))

    def _extend(self, values: list[Any]) -> None:
        (target,) = self._pop(1)
        self.stack.append(target)
        if not isinstance(target, list):
            raise ModelFormatError("an element for what is no list")
        target.extend(values)

    def _reduce(self) -> None:
        function, arguments = self._pop(2)
        self.stack.append(_called(function, arguments))

    def _attributes(self) -> None:
        target, _ = self._pop(2)
        if not isinstance(target, Ordered):
            raise ModelFormatError(f"the instruction BUILD, for what is no ordered dictionary; {SAVE}")
        self.stack.append(target)

    def _storage(self) -> None:
        (described,) = self._pop(1)
        self.stack.append(_storage(described))

    def _name_of_two(self) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ModelFormatError("a class whose name is no text")
        self.stack.append(_name(f"{module}.{name}"))


_STEPS: dict[str, Callable[[Machine], None]] = {
    "MARK": lambda m: m.stack.append(_MARK),
    "POP": Machine._discard,
    "POP_MARK": lambda m: m._marked().clear(),
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "TUPLE": lambda m: m.stack.append(tuple(m._marked())),
    "LIST": lambda m: m.stack.append(m._marked()),
    "DICT": lambda m: m.stack.append(_pairs(m._marked())),
    "SETITEM": lambda m: m._insert(m._pop(2)),
    "SETITEMS": lambda m: m._insert(m._marked()),
    "APPEND": lambda m: m._extend(m._pop(1)),
    "APPENDS": lambda m: m._extend(m._marked()),
    "REDUCE": Machine._reduce,
    "BUILD": Machine._attributes,
    "BINPERSID": Machine._storage,
    "STACK_GLOBAL": Machine._name_of_two,
}


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not -LARGEST <= value < 2 * LARGEST:
        raise ModelFormatError("an integer of more than 64 bits")
    return value


def _name(name: str) -> Named:
    if name not in NAMES:
        raise UnsupportedError(f"it would make an object of {shown(name)}, which needs code to run; {SAVE}")
    return Named(name)


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ModelFormatError("a dictionary with a key without a value")
    keys = values[::2]
    # Of other values the hash may take longer than anybody waits: tuples of tuples.
    if not all(key is None or type(key) in (str, int, float, bool, bytes) for key in keys):
        raise ModelFormatError("a dictionary with a key that is no text and no number")
    return dict(zip(keys, values[1::2], strict=True))


def _called(function: Any, arguments: Any) -> Any:
    """Return what a call stands for."""
    if not isinstance(function, Named) or function is _MARK or not isinstance(arguments, tuple):
        raise ModelFormatError("a call of what is no function")
    if function.name == _DICT:
        return Ordered(_items(arguments))
    if function.name == _TENSOR:
        return _view(arguments)
    if function.name == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], View):
        return arguments[0]
    raise ModelFormatError(f"a call of {function.name} with other arguments than it has")


def _items(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if not arguments:
        return {}
    entries = arguments[0]
    pairs = isinstance(entries, list) and all(isinstance(e, list | tuple) and len(e) == 2 for e in entries)
    if len(arguments) > 1 or not pairs:
        raise ModelFormatError("an ordered dictionary that is not made of pairs")
    return _pairs([part for entry in entries for part in entry])


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


def _view(arguments: tuple[Any, ...]) -> View:
    """Return the tensor of (storage, offset, sizes, strides, ...), all of whose places lie in the storage."""
    if not 6 <= len(arguments) <= 7:
        raise ModelFormatError(f"a tensor of {len(arguments)} arguments")
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise ModelFormatError("a tensor without a storage")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or not _sizes((offset, *shape, *strides)):
        raise ModelFormatError("a tensor whose offset, sizes or strides are no integers from 0 on")
    if len(shape) != len(strides) or len(shape) > AXES:
        raise ModelFormatError(f"a tensor of {len(shape)} sizes and {len(strides)} strides; {AXES} axes are allowed")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.elements:
        raise ModelFormatError(f"a tensor that reaches to place {last} of a storage of {storage.elements} elements")
    return View(storage, offset, shape, strides)


def _sizes(values: Iterable[Any]) -> bool:
    return all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < LARGEST for n in values)


def tensors(made: Any, what: str) -> dict[str, View]:
    """Return the tensors among plain values by their path, such as ``state_dict.conv1.weight``.

    Args:
        made: what :func:`load` returned.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: two tensors of one path; more values than ``VALUES``, as one list may stand in another a
            thousand times, and that in a third; nested deeper than ``DEEPEST``, as it may stand in itself.

    Example:
        >>> w = View(Storage("0", "float32", 4), 0, (4,), (1,))
        >>> list(tensors({"state_dict": {"fc": w}, "epoch": 3, "more": [w]}, "w.pth"))
        ['state_dict.fc', 'more.0']
    """
    found: dict[str, View] = {}
    values = entered = characters = 0
    waiting: list[tuple[str, Any, int]] = [("", made, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, View):
            if path in found:
                raise ModelFormatError(f"{what}: two tensors are called {shown(path)}")
            found[path] = value
            continue
        values += len(value) if isinstance(value, _INSIDE) else 0
        within = _inside(value) if values <= VALUES else []
        entered += len(within)
        if values > VALUES or entered > INNER or depth > DEEPEST:
            raise ModelFormatError(
                f"{what}: more than {VALUES} values or {INNER} lists and tensors, or nested more than {DEEPEST} deep"
            )
        for key, inner in reversed(within):
            if len(path) + len(str(key)) > LONGEST_NAME:
                raise ModelFormatError(f"{what}: a path of more than {LONGEST_NAME} characters")
            waiting.append((f"{path}.{key}" if path else str(key), inner, depth + 1))
            characters += len(waiting[-1][0])
            if characters > CHARACTERS:
                raise ModelFormatError(f"{what}: the names of its tensors have more than {CHARACTERS} characters")
    return found


_INSIDE = (dict, list, tuple)


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """Return key and value of what lies in a dictionary or list and is or may have tensors."""
    entries = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, _INSIDE) else ())
    return [(key, inner) for key, inner in entries if isinstance(inner, (View, *_INSIDE))]
