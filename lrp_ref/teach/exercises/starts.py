"""Exercises of lesson 9: where an explanation starts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import DRAWN, eighths
from .exercise import Case, Exercise


def _differences() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"difference"))
    for n in range(DRAWN):
        z = eighths(rng, int(rng.integers(2, 7)))
        target, against = (int(k) for k in rng.permutation(len(z))[:2])
        expected = [value if k == target else -value if k == against else 0.0 for k, value in enumerate(z)]
        yield Case(f"random logits {n}", {"logits": z, "target": target, "against": against}, np.array(expected))


def _log_odds() -> Iterator[Case]:
    """Cases that need no exponential: of two classes the difference, of K equal ones −log(K − 1)."""
    for first, second in ((3.0, 1.0), (-2.0, 5.5), (1000.0, 998.0), (-1000.0, 1000.0)):
        for target, value in ((0, first - second), (1, second - first)):
            yield Case(
                f"two classes, {first:g} and {second:g}",
                {"logits": np.array([first, second]), "target": target},
                np.array(value),
            )
    for classes, level in ((4, 0.0), (10, -7.0), (3, 800.0)):
        given = {"logits": np.full(classes, level), "target": 1}
        yield Case(f"{classes} equal logits", given, np.array(-np.log(classes - 1.0)))


def _log_probability(z: Any, target: int) -> Any:
    return z[target] - z.max() - np.log(np.exp(z - z.max()).sum())


EXERCISES = (
    Exercise(
        "difference", 9, "logits, target, against",
        "the start relevance of f_target − f_against: what each output puts in, with its sign, shape (K,)",
        lambda: tuple(_differences()),
        {
            "1 and −1 start whatever the logits: their values belong there": lambda z, t, a: (
                np.eye(len(z))[t] - np.eye(len(z))[a]
            ),
            "the other output starts with −f_against": lambda z, t, a: z * (np.eye(len(z))[t] + np.eye(len(z))[a]),
            "only the target starts: put −f_against in too": lambda z, t, a: z * np.eye(len(z))[t],
        },
    ),
    Exercise(
        "log_odds", 9, "logits, target",
        "log p/(1 − p) of the target's probability under softmax, also where exp(logits) overflows, one number",
        lambda: tuple(_log_odds()),
        {"this is log p: the target stands in the sum too": _log_probability},
    ),
)  # fmt: skip
