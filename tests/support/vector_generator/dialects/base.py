"""What wrong or differing programs compute, each as a literal formula: the flags in ``catches`` come from here.

A dialect takes a :class:`Call` and returns the relevance of every operand, None where it does not apply to the call,
or NONFINITE where it divides by zero.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import isqrt
from typing import Any

import numpy as np

from lrp_ref.literal.matrices import Matrix

from ..direct import linear_of
from ..explain import Answer, split
from ..formulas import Part, Rule, parts, spread
from ..layers import MATRIX_LAYERS, Layer
from ..values import Array

NONFINITE = "nonfinite"
FLOAT32 = Fraction(1, 2**23)
VISIBLE = Fraction(1, 10**4)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer's relevance: layer, rule, operands with batch, relevance of the output."""

    layer: Layer
    rule: Rule
    inputs: list[Array]
    R: Array

    @property
    def name(self) -> str:
        """Name of the rule."""
        return str(self.rule["name"])


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a call on a linear layer: matrix, inputs a (I,), relevance R (J,), shape of the first operand."""

    call: Call
    matrix: Matrix
    a: Array
    R: Array
    shape: tuple[int, ...]
    number: int

    @property
    def rule(self) -> Rule:
        """The rule of the call."""
        return self.call.rule

    @property
    def parts(self) -> list[Part]:
        """The right parts of the rule."""
        return parts(self.rule, self.matrix, self.a, self.R, self.shape)

    @property
    def z(self) -> Array:
        """The pre-activation (J,)."""
        return self.matrix.forward(self.a)


@dataclass(frozen=True, eq=False)
class Told:
    """What a dialect hands to the inputs (I,), and whether it divides by 0.

    ``open`` (I,) says which numbers depend on what guards a division of something by 0: 0, NaN and a huge number are
    one fault. ``zero``: some denominator is 0. ``nonfinite``: and nothing guards it.
    """

    values: Array
    open: Array
    zero: bool = False
    nonfinite: bool = False

    def __add__(self, other: Array) -> Told:
        return replace(self, values=self.values + other)


class Found(list[Array]):
    """The relevance of every operand by a dialect, with what :class:`Told` says beside it; ``zero`` by sample."""

    def __init__(self, values: list[Array], open: list[Array], zero: list[bool], nonfinite: bool) -> None:  # noqa: A002
        super().__init__(values)
        self.open, self.zero, self.nonfinite = open, zero, nonfinite


Dialect = Callable[[Call], Any]
DIALECTS: dict[str, Dialect] = {}
ADDED = (  # by 1.3.0
    "add-by-magnitude",
    "beta-zero-nan",
    "bias-by-magnitude",
    "eps-twice",
    "eps-no-sign0",
    "gamma-small-as-epsilon",
    "matmul-half-epsilon",
    "mean-by-magnitude",
    "softmax-last-axis",
)
SINCE = dict.fromkeys(ADDED, "1.3.0")  # files of earlier versions do not name these in ``catches``


def dialect(name: str) -> Callable[[Dialect], Dialect]:
    """Register a function of a call under the id of its dialect."""

    def register(function: Dialect) -> Dialect:
        DIALECTS[name] = function
        return function

    return register


def also(name: str) -> Callable[[Dialect], Dialect]:
    """Register what the dialect of this id is on more layers: asked where what is there does not apply."""

    def register(function: Dialect) -> Dialect:
        known = DIALECTS[name]

        def either(call: Call) -> Any:
            theirs = known(call)
            return function(call) if theirs is None else theirs

        DIALECTS[name] = either
        return function

    return register


def linear(name: str, *rules: str) -> Callable[[Callable[[Sample], Any]], Callable[[Sample], Any]]:
    """Register a function of one sample of a linear layer, for these rules or for all."""

    def register(function: Callable[[Sample], Any]) -> Callable[[Sample], Any]:
        def whole(call: Call) -> Any:
            held = call.layer["type"] == "Normalize"  # linear with its deviation as a constant
            if not held and call.layer["type"] not in MATRIX_LAYERS:
                return None
            if call.name in ("Pass", "Zero") or (rules and call.name not in rules):
                return None
            found: list[Told] = []
            for n, R in enumerate(call.R):
                matrix = linear_of(call.layer, [x[n] for x in call.inputs])
                a = np.concatenate([x[n].reshape(-1) for x in call.inputs])
                sample = function(Sample(call, matrix, a, R.reshape(-1), call.inputs[0].shape[1:], n))
                if sample is None:
                    return None
                found.append(sample if isinstance(sample, Told) else Told(sample, np.zeros(a.shape, dtype=bool)))
            operands = [x[0] for x in call.inputs]
            rows = [split(f.values, operands) for f in found], [split(f.open, operands) for f in found]
            values, opened = ([np.stack([r[k] for r in row]) for k in range(len(operands))] for row in rows)
            return Found(values, opened, [f.zero for f in found], any(f.nonfinite for f in found))

        DIALECTS[name] = whole
        return function

    return register


def caught(layer: Layer, rule: Rule, inputs: list[Array], R: Array, answer: Answer) -> dict[str, Seen]:
    """Return what each dialect answers whose result differs visibly from the answer, by its id, sorted."""
    call = Call(layer, rule, inputs, R)
    return visible({name: partial(function, call) for name, function in DIALECTS.items()}, answer)


@dataclass(frozen=True)
class Seen:
    """What a dialect answers visibly otherwise.

    Attributes:
        numbers: of all operands in a row; None where they depend on what guards a division by 0.
        zero: samples in which it divides by 0.
    """

    numbers: list[Any]
    zero: list[int]


def visible(answers: dict[str, Callable[[], Any]], answer: Answer) -> dict[str, Seen]:
    """Return the answers that differ visibly, by their ids, sorted."""
    found = {}
    for name, ask in sorted(answers.items()):
        try:
            theirs = ask()
        except ZeroDivisionError:
            theirs = NONFINITE
        if theirs is None:
            continue
        if isinstance(theirs, str):
            unknown = [None for r in answer.relevance for _ in r.reshape(-1)]
            found[name] = Seen(unknown, list(range(len(answer.relevance[0]))))
        elif nonfinite(theirs) or differs(theirs, answer):
            found[name] = seen(theirs)
    return found


def nonfinite(theirs: Any) -> bool:
    """Return whether a dialect has nothing to guard a division by 0 that occurs."""
    return isinstance(theirs, str) or (isinstance(theirs, Found) and theirs.nonfinite)


def seen(theirs: list[Array]) -> Seen:
    """Return an answer as it is written."""
    if not isinstance(theirs, Found):
        return Seen([v for r in theirs for v in r.reshape(-1)], [])
    pairs = [(r.reshape(-1), s.reshape(-1)) for r, s in zip(theirs, theirs.open, strict=True)]
    values = [None if o else v for r, s in pairs for v, o in zip(r, s, strict=True)]
    return Seen(values, [n for n, zero in enumerate(theirs.zero) if zero])


def differs(theirs: list[Array], answer: Answer, ulp: int = 8) -> bool:
    """Return whether a result is outside the float32 tolerance, and by more than 1e-4 of the largest relevance."""
    largest = max(abs(r).max() for r in answer.relevance)
    for found, right, scale in zip(theirs, answer.relevance, answer.scale, strict=True):
        if (abs(found - right) > np.maximum(ulp * FLOAT32 * scale, VISIBLE * largest)).any():
            return True
    return False


def near_root(value: Fraction) -> Fraction:
    """Return the square root of a rational, rounded down to 30 decimals: more than a flag can feel."""
    return Fraction(isqrt(value.numerator * 10**60 // value.denominator), 10**30)


def total(found: list[Part]) -> Told:
    """Return the sum of what the parts hand to the inputs."""
    values = np.asarray(sum(spread(part) for part in found))
    opened = np.zeros(values.shape, dtype=bool)
    for part in found:
        opened |= (np.asarray(part.q != 0) & by_zero(part)).any(axis=1)
    return Told(values, opened, any(by_zero(part).any() for part in found))


def by_zero(part: Part) -> Array:
    """Return which denominators (J,) of a part are 0."""
    return np.asarray(part.stabiliser(part.q.sum(axis=0) + part.b) == 0)


def strict(part: Part, taps: Array) -> Told:
    """Return what a part hands to the inputs where nothing guards a division by 0: it spoils all inputs of the unit."""
    zero = by_zero(part)
    return Told(spread(part), np.asarray((taps & zero).any(axis=1)), bool(zero.any()), bool(zero.any()))


def spoiled(values: Array, found: list[Part], taps: Array) -> Told:
    """Return values with all that parts spoil whose divisions by 0 nothing guards."""
    told = [strict(part, taps) for part in found]
    bad = any(t.nonfinite for t in told)
    return Told(values, np.any([t.open for t in told], axis=0), bad, bad)
