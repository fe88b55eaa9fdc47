"""Exercises of lessons 4 and 5: Taylor terms, root points, and the rules that follow from them."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ... import literal
from .cases import DRAWN, all_of, drawn, eighths, of_vectors, random_layers
from .exercise import Case, Exercise

book = literal.rules


def _neurons(name: str, answer: Callable[..., Any], *letters: str) -> Iterator[Case]:
    """Yield neurons of up to 4 inputs: w and b, a point and a second one, in the order of ``letters``."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    made = 0
    while made < DRAWN:
        i = int(rng.integers(1, 5))
        w, v = eighths(rng, i), eighths(rng, i)
        known: dict[str, Any] = {"w": w, "v": v, "x": eighths(rng, i), "a": eighths(rng, i), "root": eighths(rng, i)}
        if abs(float(w @ v)) > 0.1:
            known["b"] = float(eighths(rng, 1)[0])
            yield drawn(f"random neuron {made}", {k: known[k] for k in letters}, answer)
            made += 1


def _taylor_terms(w: Any, x: Any, root: Any) -> Any:
    return [wi * (xi - ri) for wi, xi, ri in zip(w, x, root, strict=True)]


def _root_on_line(a: Any, w: Any, b: Any, v: Any) -> Any:
    t = (sum(a * w) + b) / sum(w * v)
    return [ai - t * vi for ai, vi in zip(a, v, strict=True)]


def _nearest_root(x: Any, w: Any, b: Any) -> Any:
    return _root_on_line(x, w, b, w)


def _matrix(w: Any) -> literal.Matrix:
    return literal.matrices.dense(w)


def _zplus(a: Any, w: Any, R: Any) -> Any:
    return book.zplus(a, _matrix(w), R).relevance


def _wsquare(w: Any, R: Any) -> Any:
    return book.wsquare(np.array([0 * row[0] for row in w], dtype=w.dtype), _matrix(w), R).relevance


def _zbox(a: Any, w: Any, R: Any, low: Any, high: Any) -> Any:
    return book.zbox(a, _matrix(w), R, low, high).relevance


def _named(*letters: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda given: {k: given[k] for k in letters}


def _box(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**_named("a", "w", "R")(given), "low": float(given.get("low", -4.0)), "high": float(given.get("high", 4.0))}


def _dead_unit() -> Case:
    """Two inputs that both contribute less than 0: z⁺ has nobody to give to."""
    given = {"a": np.array([1.0, 2.0]), "w": np.array([[-1.0], [-0.5]]), "R": np.array([3.0])}
    return Case("a unit without positive contribution, 0/0 := 0", given, np.zeros(2))


def _over(q: Any, R: Any) -> Any:
    """Return Σ_j q_ij / Σ_i q_ij · R_j, 0/0 := 0."""
    total = q.sum(axis=0)
    return q @ np.divide(R, total, out=np.zeros(len(R)), where=total != 0)


ABSOLUTE = "you take absolute values: negative contributions are cut off, not turned around"

EXERCISES = (
    Exercise(
        "taylor_terms", 4, "w, x, root",
        "the first-order terms ∂f/∂x_i·(x_i − x̃_i) of f = w·x + b at the point x̃ (root), shape (I,)",
        lambda: tuple(_neurons("taylor_terms", _taylor_terms, "w", "x", "root")),
        {
            "you expand at 0: the terms at x̃ have x − x̃": lambda w, x, root: w * x,
            "these are the values of the gradient: multiply them by x − x̃": lambda w, x, root: w,
            "reversed: the step goes from the root to x": lambda w, x, root: w * (root - x),
        },
    ),
    Exercise(
        "nearest_root", 4, "x, w, b",
        "the point nearest to x where f = w·x + b is 0: go along w, shape (I,)",
        lambda: tuple(_neurons("nearest_root", _nearest_root, "x", "w", "b")),
        {
            "you forget the bias: f is w·x + b": lambda x, w, b: x - (w @ x) / (w @ w) * w,
            "divide by w·w, the squared length": lambda x, w, b: x - (w @ x + b) / np.sqrt(w @ w) * w,
            "the step is not divided by w·w": lambda x, w, b: x - (w @ x + b) * w,
            "this is the step, not the point": lambda x, w, b: (w @ x + b) / (w @ w) * w,
            "you go uphill: subtract the step": lambda x, w, b: x + (w @ x + b) / (w @ w) * w,
        },
    ),
    Exercise(
        "root_on_line", 5, "a, w, b, v",
        "the root of z = w·x + b on the line a − t·v, shape (I,)",
        lambda: tuple(_neurons("root_on_line", _root_on_line, "a", "w", "b", "v")),
        {
            "you forget the bias: z is w·a + b": lambda a, w, b, v: a - (w @ a) / (w @ v) * v,
            "t is z / (w·v), not z / (v·v)": lambda a, w, b, v: a - (w @ a + b) / (v @ v) * v,
            "you go away from the root: subtract t·v": lambda a, w, b, v: a + (w @ a + b) / (w @ v) * v,
            "you go along w: the direction is v": lambda a, w, b, v: a - (w @ a + b) / (w @ w) * w,
        },
    ),
    Exercise(
        "zplus", 5, "a, w, R",
        "the relevance of the inputs by z⁺, Σ_j (a_i w_ij)⁺ / Σ_i (a_i w_ij)⁺ · R_j with 0/0 := 0, shape (I,)",
        lambda: all_of(of_vectors("ZPlus", _named("a", "w", "R")),
                       random_layers("zplus", _zplus, _named("a", "w", "R")), [_dead_unit()]),
        {
            "cut the products a_i w_ij at 0, not the weights: inputs can be negative":
                lambda a, w, R: _over(a[:, None] * np.maximum(w, 0), R),
            "cut at 0 before the sum": lambda a, w, R: _over(a[:, None] * w, R),
            ABSOLUTE: lambda a, w, R: _over(abs(a[:, None] * w), R),
        },
    ),
    Exercise(
        "wsquare", 5, "w, R",
        "the relevance of the inputs by w², Σ_j w_ij² / Σ_i w_ij² · R_j, shape (I,)",
        lambda: all_of(of_vectors("WSquare", _named("w", "R")), random_layers("wsquare", _wsquare, _named("w", "R"))),
        {
            "square the weights": lambda w, R: _over(w, R),
            "squares, not absolute values": lambda w, R: _over(abs(w), R),
            "sum over the inputs, axis 0": lambda w, R: (w**2 / (w**2).sum(axis=1, keepdims=True)) @ R,
        },
    ),
    Exercise(
        "zbox", 5, "a, w, R, low, high",
        "the relevance by z^B, with q_ij = a_i w_ij − low·w_ij⁺ − high·w_ij⁻ (w⁻ ≤ 0) in proportion, shape (I,)",
        lambda: all_of(of_vectors("ZBox", _box), random_layers("zbox", _zbox, _box)),
        {
            "low belongs to the positive weights and high to the negative ones": lambda a, w, R, low, high: _over(
                a[:, None] * w - high * np.maximum(w, 0) - low * np.minimum(w, 0), R
            ),
            "w⁻ is min(w, 0), not max(−w, 0)": lambda a, w, R, low, high: _over(
                a[:, None] * w - low * np.maximum(w, 0) - high * np.maximum(-w, 0), R
            ),
            "the bounds are missing: this is a_i w_ij alone": lambda a, w, R, low, high: _over(a[:, None] * w, R),
        },
    ),
)  # fmt: skip
