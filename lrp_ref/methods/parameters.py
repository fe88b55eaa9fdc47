"""Parameters of methods as values: nobody can write into them, and they can be compared and printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.frozen import Value, frozen, short


@dataclass(frozen=True, eq=False, repr=False)
class ByInput(Value):
    """A parameter that says something else of every input, as pairs of an input's name and what holds of it."""

    pairs: tuple[tuple[str, Any], ...]

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {short(value)}' for name, value in self.pairs)}}}"


def comparable(value: Any) -> Any:
    """Return a parameter as a value that nobody can write into and that can be compared; a dict by input likewise.

    Example:
        >>> comparable([0, 1]), comparable({"x": 0.5})
        ((0, 1), {'x': 0.5})
    """
    if isinstance(value, Mapping):
        return ByInput(tuple((str(name), frozen(one)) for name, one in value.items()))
    return frozen(value)
