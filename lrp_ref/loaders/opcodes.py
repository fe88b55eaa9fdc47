"""The opcodes of a pickle, carried out on plain values: nothing is imported, and nothing is called by its name.

A pickle is a program for a stack machine. Here its instructions make numbers, texts, lists, tuples and dicts; what it
calls is looked up in the table of its format, and anything else that it names is refused. Python's own ``pickle``
module, which imports what a file names, is never used.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from typing import IO, Any

from ..errors import LrpError, ModelFormatError
from .allowed import RARE, Named, Record, Table
from .limits import Budget, bound

OPCODES = 1_000_000  # of one pickle; a network of a thousand layers takes some ten thousand
MEMO = 100_000  # values that it may name, to be used again
LARGEST = 1 << 63  # of integers; those of any length can be made to share a hash, and then a dict takes ages
ENTRY = 100  # bytes that an entry of a list or dict takes when it is copied


def interpret(content: bytes | IO[bytes], table: Table, size: int = 0) -> Any:
    """Return the value that a pickle describes.

    Args:
        content: the pickle, or a file that is left behind the pickle's end.
        table: what it may name and do.
        size: bytes of the whole file, by which memory is bounded, where ``content`` is a file.

    Raises:
        ModelFormatError: not a pickle, damaged, too long, or it does what is not allowed.
        LrpError: what ``table`` raises.

    Example:
        >>> import pickle
        >>> interpret(pickle.dumps({"sizes": [2, (3, 4.5)]}), Table())
        {'sizes': [2, (3, 4.5)]}
        >>> interpret(b"cos\\nsystem\\n(S'true'\\ntR.", Table())
        Traceback (most recent call last):
            ...
        lrp_ref.errors.ModelFormatError: byte 0: it names 'os.system', which is never called; no code of a file is run
    """
    whole = len(content) if isinstance(content, bytes) else size
    machine = _Machine(table, Budget(bound(whole), "its calls"))
    place: int | None = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts that Python does not know
            instructions = pickletools.genops(io.BytesIO(content) if isinstance(content, bytes) else content)
            for number, (opcode, argument, place) in enumerate(instructions):  # noqa: B007 - for the errors
                if number >= OPCODES:
                    raise ModelFormatError(f"more than {OPCODES} instructions")
                machine.step(opcode.name, argument)
    except LrpError as error:
        raise type(error)(f"byte {place}: {error}") from error
    # What pickletools raises on bytes that are no pickle, what a stack or memo lacks, and arguments that do not fit.
    except (ValueError, TypeError, LookupError, OverflowError, EOFError, MemoryError) as error:
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelFormatError(f"not a pickle, or damaged behind byte {place}: {text}") from error
    return machine.result


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
_KEYS = (str, bytes, int, float, bool, type(None))  # of dicts: the hash of a tuple goes as deep as the file nests it


class _Machine:
    """The stack and the memo of one pickle; a method for each instruction that does more than push a constant."""

    def __init__(self, table: Table, budget: Budget) -> None:
        self.table, self.budget = table, budget
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        rare = name in RARE and name not in self.table.instructions
        if name in _PLAIN and not rare:
            self._constant(argument)
        elif name in _FIXED:
            self.stack.append(_FIXED[name]())
        elif name in _STEPS and not rare:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ModelFormatError(f"the instruction {name} is refused; {self.table.advice}")

    def _constant(self, value: Any) -> None:
        if isinstance(value, int) and not -LARGEST <= value < 2 * LARGEST:
            raise ModelFormatError("an integer of more than 64 bits")
        self.stack.append(bytes(value) if isinstance(value, bytearray) else value)

    def _stop(self, _: Any) -> None:
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise ModelFormatError("it does not end with one value")
        self.result = self.stack.pop()

    # -- the stack --------------------------------------------------------------------------------------------------

    def _take(self, count: int) -> list[Any]:
        """Take the topmost values, none of which is a mark."""
        if len(self.stack) < count or any(value is _MARK for value in self.stack[-count:]):
            raise ModelFormatError("an instruction takes more values than there are")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _top(self) -> Any:
        (value,) = self._take(1)
        self.stack.append(value)
        return value

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
            raise ModelFormatError(f"more than {MEMO} named values")
        self.memo[int(argument)] = self._top()

    def _put_next(self, _: Any) -> None:
        self._put(len(self.memo))

    def _get(self, argument: Any) -> None:
        self.stack.append(self.memo[int(argument)])

    # -- containers -------------------------------------------------------------------------------------------------

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _append(self, _: Any) -> None:
        self._extend(self._take(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._top(), list):
            raise ModelFormatError("an element for what is no list")
        self._top().extend(values)

    def _dict(self, _: Any) -> None:
        self.stack.append(pairs(self._since_mark()))

    def _setitem(self, _: Any) -> None:
        self._set(self._take(2))

    def _setitems(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, entries: list[Any]) -> None:
        if not isinstance(self._top(), dict):
            raise ModelFormatError("an entry for what is no dictionary")
        self._top().update(pairs(entries))

    # -- what the file names ----------------------------------------------------------------------------------------

    def _global(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        if not isinstance(name, str) or not isinstance(module, str):
            raise ModelFormatError("a name that is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        # A name with a dot would reach into what the module has imported.
        table, whole = self.table, f"{module}.{name}"
        if "." in name or not (whole in table.makers or whole in table.names or table.records(whole)):
            raise table.unknown(whole)
        self.stack.append(Named(whole))

    def _reduce(self, _: Any) -> None:
        called, arguments = self._take(2)
        known = isinstance(called, Named) and called.name in self.table.makers
        if not known or not isinstance(arguments, tuple):
            raise ModelFormatError("a call of what is no function")
        self._count(arguments)
        self.stack.append(self.table.makers[called.name](*arguments))

    def _newobj(self, _: Any) -> None:
        kind, arguments = self._take(2)
        self._object(kind, arguments)

    def _obj(self, _: Any) -> None:
        kind, *arguments = self._since_mark()
        self._object(kind, arguments)

    def _inst(self, argument: Any) -> None:
        arguments = self._since_mark()
        self._global(argument)
        self._object(self.stack.pop(), arguments)

    def _object(self, kind: Any, arguments: Any) -> None:
        if not isinstance(kind, Named) or not self.table.records(kind.name) or len(arguments):
            raise ModelFormatError("an object that is made with arguments, or of what is no class")
        self.stack.append(Record(kind.name))

    def _build(self, _: Any) -> None:
        (state,) = self._take(1)
        accept = getattr(self._top(), "accept", None)
        if accept is None:
            raise ModelFormatError(f"the instruction BUILD sets the state of what has none; {self.table.advice}")
        self._count(state)
        accept(state)

    def _binpersid(self, _: Any) -> None:
        if self.table.persistent is None:
            raise ModelFormatError("it refers to something outside itself; refused")
        (described,) = self._take(1)
        self._count(described)
        self.stack.append(self.table.persistent(described))

    def _count(self, given: Any) -> None:
        """Count what a call may copy: a program can name one large value, and give it to many calls."""
        self.budget.take(_weight(given), "what is given to them")
        for value in given if isinstance(given, tuple) else ():
            self.budget.take(_weight(value), "what is given to them")


def pairs(values: list[Any]) -> dict[Any, Any]:
    """Return a dictionary of keys and values in turn.

    Raises:
        ModelFormatError: a key without a value, or one that is neither a text nor a number.

    Example:
        >>> pairs(["a", 1, "b", 2])
        {'a': 1, 'b': 2}
    """
    if len(values) % 2:
        raise ModelFormatError("a dictionary with a key without a value")
    if not all(type(key) in _KEYS for key in values[::2]):
        raise ModelFormatError("a dictionary with a key that is no text and no number")
    return dict(zip(values[::2], values[1::2], strict=True))


def _weight(value: Any) -> int:
    """Return about how many bytes a copy of a value takes, without what is inside it."""
    if not isinstance(value, str | bytes | list | tuple | dict):
        return 0
    return len(value) * (1 if isinstance(value, bytes) else 4 if isinstance(value, str) else ENTRY)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": _Machine._put, "BINPUT": _Machine._put, "LONG_BINPUT": _Machine._put,
    "GET": _Machine._get, "BINGET": _Machine._get, "LONG_BINGET": _Machine._get,
    "TUPLE1": lambda m, _: m.stack.append(tuple(m._take(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m._take(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m._take(3))),
    **{
        name: getattr(_Machine, f"_{name.lower()}")
        for name in (
            "POP", "POP_MARK", "DUP", "TUPLE", "LIST", "APPEND", "APPENDS", "DICT", "SETITEM", "SETITEMS", "GLOBAL",
            "STACK_GLOBAL", "REDUCE", "NEWOBJ", "OBJ", "INST", "BUILD", "BINPERSID", "STOP",
        )
    },
    next(o.name for o in pickletools.opcodes if o.code == "\x94"): _Machine._put_next,  # by the next number
}  # fmt: skip
