"""What the pickles of one format may name and do: a table for :mod:`lrp_ref.loaders.opcodes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from ..errors import LrpError, ModelFormatError

Maker = Callable[..., Any]
RARE = frozenset(("NEWOBJ", "OBJ", "INST", "BYTEARRAY8"))  # instructions that few formats need


@dataclass(frozen=True)
class Named:
    """What a pickle names to call it, or to make an object of it: a module and a name in it."""

    name: str


@dataclass
class Record:
    """An object of a class that a format lets stand for itself: the class's name and the attributes.

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


def _never_called(name: str) -> LrpError:
    return ModelFormatError(f"it names {name[:60]!r}, which is never called; no code of a file is run")


@dataclass(frozen=True)
class Table:
    """What the pickles of one format may name and do.

    Attributes:
        makers: module and name, as in "numpy.dtype" → what to call in its place. It gets the arguments in the file,
            must trust none of them, and may return an object with a method ``accept``, which gets what the file has
            as the object's state.
        names: what else may be named, as an argument; it is never called.
        records: whether an object of this class is to become a :class:`Record`.
        persistent: returns what an identifier of something outside the pickle stands for; None to refuse them.
        instructions: those of ``RARE`` that it needs.
        unknown: the error of a name that is none of these.
        advice: how a file that is read is made; behind the error of an instruction that is not carried out.
    """

    makers: Mapping[str, Maker] = field(default_factory=dict)
    names: Set[str] = frozenset()
    records: Callable[[str], bool] = lambda name: False
    persistent: Callable[[Any], Any] | None = None
    instructions: Set[str] = frozenset()
    unknown: Callable[[str], LrpError] = _never_called
    advice: str = "no model needs it"
