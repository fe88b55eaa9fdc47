"""The opcodes of a pickle, carried out on plain values: nothing is imported, and nothing is called by its name.

A pickle is a program for a stack machine. Here its instructions make numbers, texts, lists, tuples and dicts; what it
calls is looked up in the caller's table of makers, and anything else that it names is refused. Python's own ``pickle``
module, which imports what a file names, is never used.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ModelFormatError

OPCODES = 1_000_000  # of one pickle; a network of a thousand layers takes some ten thousand
MEMO = 100_000
KEYS = (str, bytes, int, float, type(None))  # of dicts: the hash of a tuple goes as deep as the file nests it

Maker = Callable[..., Any]


@dataclass(frozen=True)
class Named:
    """What a pickle names to call it, or to make an object of it: a module and a name in it."""

    name: str


@dataclass
class Record:
    """An object of a class that the caller lets stand for itself: the class's name and the attributes.

    Attributes:
        kind: module and name of the class, as in "modules.linear.Linear".
        attributes: by name.
    """

    kind: str
    attributes: dict[Any, Any] = field(default_factory=dict)

    def accept(self, state: Any) -> None:
        """Take the attributes that the pickle has for this object."""
        if not isinstance(state, dict):
            raise ModelFormatError(f"the attributes of a {self.kind} are a {type(state).__name__}, not a dict")
        self.attributes.update(state)


def interpret(
    content: bytes,
    makers: Mapping[str, Maker],
    *,
    records: Callable[[str], bool] = lambda name: False,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Return the value that a pickle describes.

    Args:
        content: the pickle.
        makers: module and name, as in "numpy.dtype" → what to call in its place. It gets the arguments in the file,
            must trust none of them, and may return an object with a method ``accept``, which gets what the file has
            as the object's state.
        records: whether an object of this class is to become a :class:`Record`.
        persistent: returns what an identifier of something outside the pickle stands for; None to refuse them.

    Raises:
        ModelFormatError: not a pickle, damaged, too long, or it names what is neither a maker nor a record.

    Example:
        >>> import pickle
        >>> interpret(pickle.dumps({"sizes": [2, (3, 4.5)]}), {})
        {'sizes': [2, (3, 4.5)]}
        >>> interpret(b"cos\\nsystem\\n(S'true'\\ntR.", {})
        Traceback (most recent call last):
        lrp_ref.errors.ModelFormatError: it names 'os.system', which is never called; no code of a file is run
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts that Python does not know
            return _Machine(makers, records, persistent).run(content)
    except ModelFormatError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, EOFError) as error:
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelFormatError(f"not a pickle, or damaged: {text}") from error


_MARK = object()
# What the argument of an opcode is pushed as; each is in the file itself.
_PLAIN = frozenset(
    (
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
        "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
        "BINBYTES8", "BYTEARRAY8",
    )
)  # fmt: skip
_FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}


class _Machine:
    """The stack and the memo of one pickle; a method for each instruction that does more than push a constant."""

    def __init__(
        self,
        makers: Mapping[str, Maker],
        records: Callable[[str], bool],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self.makers, self.records, self.persistent = makers, records, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Return what is on top of the stack at the end."""
        for number, (opcode, argument, place) in enumerate(pickletools.genops(io.BytesIO(content))):
            if number >= OPCODES:
                raise ModelFormatError(f"more than {OPCODES} instructions")
            if opcode.name == "STOP":
                break
            self.step(opcode.name, argument, place or 0)
        return self.pop()

    def step(self, name: str, argument: Any, place: int) -> None:
        """Carry out one instruction."""
        if name in _PLAIN:
            self.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif name in _FIXED:
            self.stack.append(_FIXED[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ModelFormatError(f"the instruction {name} at byte {place}, which no model needs; refused")

    # -- the stack --------------------------------------------------------------------------------------------------

    def pop(self) -> Any:
        """Take the topmost value."""
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value is expected")
        return value

    def _top(self) -> Any:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where a value is expected")
        return self.stack[-1]

    def _since_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:  # an empty stack is an IndexError
            found.append(value)
        return found[::-1]

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self._top())

    # -- the memo ---------------------------------------------------------------------------------------------------

    def _put(self, argument: Any) -> None:
        if len(self.memo) >= MEMO:
            raise ModelFormatError(f"more than {MEMO} entries in its memo")
        self.memo[int(argument)] = self._top()

    _binput = _long_binput = _put

    def _put_next(self, _: Any) -> None:
        self._put(len(self.memo))

    def _get(self, argument: Any) -> None:
        self.stack.append(self.memo[int(argument)])

    _binget = _long_binget = _get

    # -- containers -------------------------------------------------------------------------------------------------

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: Any) -> None:
        self.stack.append((self.pop(),))

    def _tuple2(self, _: Any) -> None:
        second, first = self.pop(), self.pop()
        self.stack.append((first, second))

    def _tuple3(self, _: Any) -> None:
        third, second, first = self.pop(), self.pop(), self.pop()
        self.stack.append((first, second, third))

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _append(self, _: Any) -> None:
        self._extend([self.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._top(), list):
            raise ValueError("it appends to what is no list")
        self._top().extend(values)

    def _dict(self, _: Any) -> None:
        entries = self._since_mark()
        self.stack.append({})
        self._set(entries)

    def _setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def _setitems(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, entries: list[Any]) -> None:
        keys, values = entries[::2], entries[1::2]
        if not isinstance(self._top(), dict) or not all(isinstance(key, KEYS) for key in keys):
            raise ValueError("it sets entries of what is no dict, or by keys that are neither texts nor numbers")
        self._top().update(zip(keys, values, strict=True))

    # -- what the file names ----------------------------------------------------------------------------------------

    def _global(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        # A name with a dot would reach into what the module has imported.
        whole = f"{module}.{name}"
        if "." in name or not (whole in self.makers or self.records(whole)):
            raise ModelFormatError(f"it names {whole[:60]!r}, which is never called; no code of a file is run")
        self.stack.append(Named(whole))

    def _reduce(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        if not isinstance(called, Named) or called.name not in self.makers or not isinstance(arguments, tuple):
            raise ValueError("it calls what is no function")
        self.stack.append(self.makers[called.name](*arguments))

    def _newobj(self, _: Any) -> None:
        arguments, kind = self.pop(), self.pop()
        self._object(kind, arguments)

    def _obj(self, _: Any) -> None:
        kind, *arguments = self._since_mark()
        self._object(kind, arguments)

    def _inst(self, argument: Any) -> None:
        arguments = self._since_mark()
        self._global(argument)
        self._object(self.pop(), arguments)

    def _object(self, kind: Any, arguments: Any) -> None:
        if not isinstance(kind, Named) or not self.records(kind.name) or len(arguments):
            raise ValueError("an object that is made with arguments, or of what is no class")
        self.stack.append(Record(kind.name))

    def _build(self, _: Any) -> None:
        state = self.pop()
        accept = getattr(self._top(), "accept", None)
        if accept is None:
            raise ValueError("it sets the state of what has none")
        accept(state)

    def _binpersid(self, _: Any) -> None:
        if self.persistent is None:
            raise ModelFormatError("it refers to something outside itself; refused")
        self.stack.append(self.persistent(self.pop()))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    name: getattr(_Machine, f"_{name.lower()}")
    for name in (
        "POP", "POP_MARK", "DUP", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "TUPLE",
        "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "APPEND", "APPENDS", "DICT", "SETITEM", "SETITEMS", "GLOBAL",
        "STACK_GLOBAL", "REDUCE", "NEWOBJ", "OBJ", "INST", "BUILD", "BINPERSID",
    )
}  # fmt: skip
_STEPS[next(o.name for o in pickletools.opcodes if o.code == "\x94")] = (
    _Machine._put_next
)  # as PUT, with the next number
