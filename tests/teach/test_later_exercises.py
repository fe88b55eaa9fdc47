"""Exercises of lessons 10 to 13: solutions pass; that mistakes fail is tested with those of the other lessons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp


def product(g: Any, s: Any, r: Any, rule: str) -> Any:
    if rule == "signal":
        return np.stack([0 * r, r])
    if rule == "half":
        return np.stack([r / 2, r / 2])
    per_unit = np.divide(r, g + s, out=np.zeros_like(r), where=g + s != 0)
    return np.stack([g * per_unit, s * per_unit])


def through_softmax(x: Any, r: Any) -> Any:
    w = np.exp(x - x.max())
    return x * (r - w / w.sum() * r.sum())


def integrated(gradient: Any, x: Any, baseline: Any, n: int) -> Any:
    return (x - baseline) * np.mean([gradient(baseline + (k + 0.5) / n * (x - baseline)) for k in range(n)], axis=0)


def occlude(f: Any, x: Any, baseline: Any) -> Any:
    lost = np.zeros_like(x)
    for i in range(len(x)):
        without = x.copy()
        without[i] = baseline[i]
        lost[i] = f(x) - f(without)
    return lost


def mass(r: Any, mask: Any) -> Any:
    positive = np.maximum(r, 0)
    return positive[mask].sum() / positive.sum() if positive.any() else 0.0


def first_departing(ours: Any, theirs: Any, tolerance: float) -> int:
    for node, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if not np.abs(a - b).max() <= tolerance * np.abs(a).max():
            return node
    return -1


SOLUTIONS: dict[str, Callable[..., Any]] = {
    "integrated": integrated,
    "aopc": lambda curve: (curve[0] - curve).mean(),
    "occlude": occlude,
    "product": product,
    "through_softmax": through_softmax,
    "memory_back": lambda brings, forget: brings * np.append(np.cumprod(forget[::-1])[::-1][1:], 1),
    "mass": mass,
    "assign": lambda points, centres: ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1),
    "flips": lambda before, after: (before.argmax(axis=1) != after.argmax(axis=1)).mean(),
    "first_departing": first_departing,
    "blind_weight": lambda a, b, eps: -(eps + b) / a,
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_solution_passes_every_case(name: str) -> None:
    result = lrp.exercises.check(name, SOLUTIONS[name])
    assert result, result
    assert result.passed == result.of >= 6


def test_the_last_lessons_have_their_exercises() -> None:
    assert set(SOLUTIONS) == {e.name for e in lrp.exercises.sheet().exercises if e.lesson >= 10}


def test_every_lesson_from_the_tenth_has_two_or_more() -> None:
    for lesson in (10, 11, 12, 13):
        assert len(lrp.exercises.sheet(lesson).exercises) >= 2


def test_a_function_that_is_handed_out_is_shown_by_its_formula() -> None:
    told = lrp.exercises.check("occlude", lambda f, x, baseline: np.ones(2))
    assert "min(x[0] + x[1], 1)" in repr(told)
