"""Exercises of lesson 11: products of gate and signal, a softmax, and a memory that is walked back through time."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import vectors
from .cases import DRAWN, all_of, drawn, eighths
from .exercise import Case, Exercise

RULES = ("signal", "half", "prop")


def _product_vectors() -> Iterator[Case]:
    """Yield the conformance vectors of products whose first factor is the gate, a case for each sample."""
    for rule in RULES:
        for case in vectors.load(only=[f"core/multiply/{rule}/gate-0"]):
            asked, told = case.question(), case.expected()
            (gates, signals), relevance = asked["inputs"], asked["relevance_out"]
            for n, (g, s, r) in enumerate(zip(gates, signals, relevance, strict=True)):
                expected, scale = (np.stack([told[k][part][n] for k in "01"]) for part in (0, 1))
                yield Case(f"{case.id}, sample {n}", {"g": g, "s": s, "R": r, "rule": rule}, expected, scale)


def _drawn_products() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"product"))
    for n in range(DRAWN):
        units = int(rng.integers(1, 5))
        g, s, r = (eighths(rng, units) for _ in range(3))
        s = np.where(g + s == 0, s + 0.125, s)
        yield drawn(f"random product {n}", {"g": g, "s": s, "R": r, "rule": RULES[n % 3]}, _product)
    given = {"g": np.array([0.5, 1.0]), "s": np.array([-0.5, 1.0]), "R": np.array([1.0, 1.0]), "rule": "prop"}
    yield Case("gate and signal that cancel, 0/0 := 0", given, np.array([[0.0, 0.5], [0.0, 0.5]]))


def _product(g: Any, s: Any, R: Any, rule: str) -> Any:
    told = []
    for gate, signal, r in zip(g, s, R, strict=True):
        parts = {"signal": (0, 1), "half": (1, 1), "prop": (gate, signal)}[rule]
        told.append([part * r / sum(parts) for part in parts])
    return np.array(told, dtype=object).T


def _softmax_vectors() -> Iterator[Case]:
    for case in vectors.load(only=["core/softmax/taylor/classes", "core/softmax/taylor/extremes"]):
        asked, (expected, scale) = case.question(), case.expected()["0"]
        for n, (x, r) in enumerate(zip(asked["inputs"][0], asked["relevance_out"], strict=True)):
            yield Case(f"{case.id}, sample {n}", {"x": x, "R": r}, expected[n], scale[n])
    large = {"x": np.array([1000.0, 1000.0]), "R": np.array([1.0, 0.0])}
    yield Case("equal scores of 1000", large, np.array([500.0, -500.0]))
    none = {"x": np.zeros(3), "R": np.array([1.0, 2.0, 3.0])}
    yield Case("scores of 0", none, np.zeros(3))


def _weights(x: Any) -> Any:
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def _steps_in_time() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"memory_back"))
    for n in range(DRAWN):
        steps = int(rng.integers(2, 7))
        given = {"brings": eighths(rng, steps), "forget": eighths(rng, steps, most=8)}
        yield drawn(f"random memory of {steps} steps, {n}", given, _memory_back)


def _memory_back(brings: Any, forget: Any) -> Any:
    """Return each step's term of c, from the recurrence with all that the other steps bring left out."""
    told = []
    for k in range(len(brings)):
        c = 0 * brings[0]
        for t, (s, keep) in enumerate(zip(brings, forget, strict=True)):
            c = keep * c + (s if t == k else 0)
        told.append(c)
    return told


def _later(forget: Any) -> Any:
    return np.append(np.cumprod(forget[:0:-1])[::-1], 1)


EXERCISES = (
    Exercise(
        "product", 11, "g, s, R, rule",
        "what gate and signal get of R at y = g·s by rule “signal”, “half” or “prop” with 0/0 := 0, shape (2, I)",
        lambda: all_of(_product_vectors(), _drawn_products()),
        {
            "the gate is the first of the two, and gets nothing under “signal”":
                lambda g, s, R, rule: np.stack(_product(g, s, R, rule).astype(float)[::-1]),
            "both get all of R: that is gradient × input, and counts it twice": lambda g, s, R, rule: np.stack([R, R]),
        },
    ),
    Exercise(
        "through_softmax", 11, "x, R",
        "the relevance of the scores x by the Taylor term, x_i (R_i − w_i Σ_j R_j) with w = softmax(x), shape (K,)",
        lambda: all_of(_softmax_vectors()),
        {
            "you forget the Σ_j R_j behind the weight": lambda x, R: x * (R - _weights(x)),
            "the score x_i in front is missing: this is the gradient's part": lambda x, R: R - _weights(x) * R.sum(),
            "w_i multiplies the sum, not R_i": lambda x, R: x * (R - _weights(x) * R),
        },
    ),
    Exercise(
        "memory_back", 11, "brings, forget",
        "the relevance of each step where c_t = forget_t·c_{t−1} + brings_t and the signal takes all, shape (T,)",
        lambda: tuple(_steps_in_time()),
        {
            "a step's own forget gate acts on what was there before it, not on what it brings":
                lambda brings, forget: brings * np.cumprod(forget[::-1])[::-1],
            "the later gates, not the earlier ones":
                lambda brings, forget: brings * np.append(1, np.cumprod(forget[1:])),
            "the forget gates are missing": lambda brings, forget: brings,
            "half of each product goes to its gate: that is another rule":
                lambda brings, forget: brings * _later(forget / 2),
        },
    ),
)  # fmt: skip
