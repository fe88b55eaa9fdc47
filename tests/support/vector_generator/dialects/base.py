"""What wrong or differing programs compute, each as a literal formula: the flags in ``catches`` come from here.

A dialect takes a :class:`Call` and returns the relevance of every operand, None where it does not apply to the call,
or NONFINITE where it divides by zero.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
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


Dialect = Callable[[Call], Any]
DIALECTS: dict[str, Dialect] = {}


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
            found = []
            for n, R in enumerate(call.R):
                matrix = linear_of(call.layer, [x[n] for x in call.inputs])
                a = np.concatenate([x[n].reshape(-1) for x in call.inputs])
                sample = function(Sample(call, matrix, a, R.reshape(-1), call.inputs[0].shape[1:], n))
                if sample is None or isinstance(sample, str):
                    return sample
                found.append(split(sample, [x[n] for x in call.inputs]))
            return [np.stack([f[k] for f in found]) for k in range(len(call.inputs))]

        DIALECTS[name] = whole
        return function

    return register


def caught(layer: Layer, rule: Rule, inputs: list[Array], R: Array, answer: Answer) -> list[str]:
    """Return the ids of all dialects whose result differs visibly from the answer, sorted."""
    call, found = Call(layer, rule, inputs, R), []
    for name, function in DIALECTS.items():
        try:
            theirs = function(call)
        except ZeroDivisionError:
            theirs = NONFINITE
        if theirs is not None and (isinstance(theirs, str) or differs(theirs, answer)):
            found.append(name)
    return sorted(found)


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


def total(found: list[Part]) -> Array:
    """Return the sum of what the parts hand to the inputs."""
    return np.asarray(sum(spread(part) for part in found))


def strict(part: Part) -> Any:
    """Return what a part hands to the inputs where nothing guards a division by zero."""
    return NONFINITE if (part.stabiliser(part.q.sum(axis=0) + part.b) == 0).any() else spread(part)
