"""What an exercise is: cases with their answers, and the mistakes that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR = 1e-9  # of a number's scale: far above rounding, far below every mistake


@dataclass(frozen=True, eq=False)
class Case:
    """One call, and what it has to return.

    Attributes:
        name: id of a conformance vector with the sample, or how the case was drawn.
        arguments: by name, in the order in which they are passed.
        expected: the answer, as float64.
        scale: of rounding, as ``expected`` or one number; ``NEAR`` times it is allowed.
        faults: what known faults of programs answer, by id, where the vectors have it.
    """

    name: str
    arguments: Mapping[str, Any]
    expected: NDArray[np.float64]
    scale: Any = None
    faults: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def near(self, got: NDArray[np.float64]) -> bool:
        """Return whether every number is the expected one, but for rounding."""
        largest = float(np.max(np.abs(self.expected), initial=0))
        scale = 1 + largest if self.scale is None else self.scale
        return bool(np.all(np.abs(got - self.expected) <= NEAR * scale + 1e-12 * largest))


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function to write.

    Attributes:
        name: by which ``check`` finds it.
        lesson: number of the lesson that asks it.
        arguments: of the function, as in its signature.
        asked: what it returns, in one sentence.
        cases: makes the cases.
        wrong: known mistakes, each a sentence and the function that makes it.
    """

    name: str
    lesson: int
    arguments: str
    asked: str
    cases: Callable[[], Sequence[Case]]
    wrong: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """The function's first line, such as ``lrp0(a, w, b, R)``."""
        return f"{self.name}({self.arguments})"
