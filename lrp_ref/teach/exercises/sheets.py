"""The list of all exercises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ...base import tables
from ...errors import ParameterError, unknown
from .exercise import Exercise

# Files of this folder, each with a tuple EXERCISES.
GROUPS = ("relevance", "roots", "rules", "networks", "starts", "comparing", "products")


@cache
def _all() -> dict[str, Exercise]:
    found = [e for group in GROUPS for e in import_module(f".{group}", __package__).EXERCISES]
    return {e.name: e for e in sorted(found, key=lambda e: e.lesson)}


def exercise(name: str) -> Exercise:
    """Return an exercise by its name.

    Raises:
        ParameterError: there is none of this name; the message has the nearest one.

    Example:
        >>> exercise("epsilon").signature
        'epsilon(a, w, b, R, eps)'
    """
    if not isinstance(name, str):
        raise ParameterError(f"an exercise is named by a text, such as 'lrp0', got {name!r:.60}")
    if name not in _all():
        raise unknown("exercise", name, _all())
    return _all()[name]


@dataclass(frozen=True, eq=False, repr=False)
class Sheet:
    """Exercises as a table.

    Attributes:
        exercises: in the order of the lessons.
    """

    exercises: tuple[Exercise, ...]

    def _rows(self) -> list[list[str]]:
        return [[str(e.lesson), e.signature, e.asked] for e in self.exercises]

    def __repr__(self) -> str:
        return tables.text(["lesson", "function", "returns"], self._rows(), right=[0], width=118)

    def _repr_html_(self) -> str:
        return tables.html(["lesson", "function", "returns"], self._rows(), right=[0])


def sheet(lesson: int | None = None) -> Sheet:
    """Return the exercises of the course, or of one lesson, as a table.

    Args:
        lesson: its number; None for all.

    Raises:
        ParameterError: a lesson without exercises.

    Example:
        >>> sheet(3).exercises[0].name
        'lrp0'
    """
    known = sorted({e.lesson for e in _all().values()})
    found = tuple(e for e in _all().values() if lesson is None or e.lesson == lesson)
    if not found:
        raise ParameterError(f"lesson {lesson!r:.60} has no exercises; there are {', '.join(map(str, known))}")
    return Sheet(found)
