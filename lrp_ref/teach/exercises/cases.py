"""Cases of exercises: from the conformance vectors, and drawn with answers on exact rationals."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import vectors
from .exercise import Case

DRAWN = 12  # random cases of an exercise
Floats = NDArray[np.float64]


@cache
def _dense(rule: str) -> tuple[vectors.Case, ...]:
    """Return the vectors of one rule on dense layers, without those of another stabiliser."""
    found = vectors.load(groups=["core"], only=["core/dense/*", "core/small/*"])
    return tuple(
        c for c in found
        if c.body.get("layer", {}).get("type") == "Dense" and c.body["rule"]["name"] == rule
        and set(c.body["rule"]) <= {"name", "epsilon", "low", "high", "gamma", "alpha", "beta"}
        and not c.refuse and not c.option
    )  # fmt: skip


def of_vectors(
    rule: str,
    arguments: Callable[[dict[str, Any]], dict[str, Any]],
    keep: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> Iterator[Case]:
    """Yield the conformance vectors of a rule on dense layers, a case for each sample.

    Args:
        rule: its name in ``lrp_ref.rules``.
        arguments: from a, w, b, R of one sample and the rule's parameters to the function's arguments.
        keep: leaves out samples for which it is false.

    Example:
        >>> next(of_vectors("LRP0", lambda given: given)).name
        'core/small/E-2, sample 0'
    """
    for case in _dense(rule):
        asked = case.question()
        weight = asked["layer"]["weight"]
        bias = asked["layer"].get("bias")
        parameters = {k: v for k, v in asked["rule"].items() if k != "name"}
        expected, scale = case.expected()["0"]
        for n, (a, r) in enumerate(zip(asked["inputs"][0], asked["relevance_out"], strict=True)):
            given = {
                "a": a,
                "w": weight,
                "b": np.zeros(weight.shape[1]) if bias is None else bias,
                "R": r,
                **parameters,
            }
            if a.ndim == 1 and keep(given):
                faults = {
                    k: f.values.reshape(expected.shape)[n]
                    for k, f in case.faults.items()
                    if f.values.size == expected.size
                }
                yield Case(f"{case.id}, sample {n}", arguments(given), expected[n], scale[n], faults)


def random_layers(
    name: str,
    answer: Callable[..., Any],
    arguments: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given,
    *,
    inputs: Callable[[Floats], Floats] = lambda a: a,
    keep: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> Iterator[Case]:
    """Yield small dense layers whose numbers are multiples of 1/8, with the answer on exact rationals.

    Args:
        name: of the exercise, from which the numbers are drawn.
        answer: the same arguments as the learner's function, by name, as Fractions; returns an array of Fractions.
        arguments: from a, w, b, R to the arguments.
        inputs: changes a, such as ``abs``.
        keep: leaves out layers for which it is false.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    made = 0
    while made < DRAWN:
        i, j = rng.integers(1, 5, size=2)
        given = {
            "a": inputs(eighths(rng, i)), "w": eighths(rng, i, j), "b": eighths(rng, j), "R": eighths(rng, j),
        }  # fmt: skip
        if keep(given):
            yield drawn(f"random layer {made}", arguments(given), answer)
            made += 1


def drawn(name: str, arguments: Mapping[str, Any], answer: Callable[..., Any]) -> Case:
    """Return a case whose answer is computed on the exact rationals of its arguments."""
    told = answer(**{k: exact(v) for k, v in arguments.items()})
    return Case(name, arguments, np.asarray(told, dtype=object).astype(np.float64))


def eighths(rng: np.random.Generator, *shape: int, most: int = 24) -> Floats:
    """Return multiples of 1/8 up to ``most``/8, none of them 0."""
    drawn = rng.integers(1, most + 1, size=shape) * rng.choice([-1, 1], size=shape)
    return np.asarray(drawn / 8, dtype=np.float64)


def exact(value: Any) -> Any:
    """Return floats as Fractions: an object array, or one Fraction; integers stay integers."""
    if isinstance(value, np.ndarray):
        made = np.empty(value.shape, dtype=object)
        made.reshape(-1)[:] = [Fraction(float(v)) for v in value.reshape(-1)]
        return made
    return Fraction(value) if isinstance(value, float) else value


def active(given: Mapping[str, Any]) -> bool:
    """Return whether no unit's z_j is 0 or near it, so that LRP-0 has an answer for each."""
    z = given["a"] @ given["w"] + given["b"]
    return bool((abs(z) > 1e-6).all())


def all_of(*parts: Sequence[Case] | Iterator[Case]) -> tuple[Case, ...]:
    """Return the cases of several sources, one source after another."""
    return tuple(case for part in parts for case in part)
