"""Exercises of lessons 7 and 8: two layers, a max pool, a BatchNorm, a residual connection."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import literal
from .cases import DRAWN, drawn, eighths
from .exercise import Case, Exercise

book = literal.rules


def _networks() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"two_layers"))
    for n in range(DRAWN):
        i, h, j = (int(k) for k in rng.integers(2, 5, size=3))
        given = {
            "a": eighths(rng, i), "w1": eighths(rng, i, h), "b1": eighths(rng, h), "w2": eighths(rng, h, j),
            "b2": eighths(rng, j), "R": eighths(rng, j), "eps": 0.25,
        }  # fmt: skip
        yield drawn(f"random network {n}", given, _two_layers)


def _two_layers(a: Any, w1: Any, b1: Any, w2: Any, b2: Any, R: Any, eps: Any) -> Any:
    hidden = np.array([max(z, 0 * z) for z in a @ w1 + b1], dtype=object)
    above = book.epsilon(hidden, literal.matrices.dense(w2, b2), R, eps).relevance
    return book.epsilon(a, literal.matrices.dense(w1, b1), above, eps).relevance


def _down(x: Any, w: Any, b: Any, r: Any, eps: float) -> Any:
    z = x @ w + b
    return x * (w @ (r / (z + np.where(z < 0, -eps, eps))))


def _not_rectified(a: Any, w1: Any, b1: Any, w2: Any, b2: Any, r: Any, eps: float) -> Any:
    return _down(a, w1, b1, _down(a @ w1 + b1, w2, b2, r, eps), eps)


def _masked(a: Any, w1: Any, b1: Any, w2: Any, b2: Any, r: Any, eps: float) -> Any:
    hidden = np.maximum(a @ w1 + b1, 0)
    return _down(a, w1, b1, w2 @ r * (hidden > 0), eps)


def _pools() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"max_pool"))
    for n in range(DRAWN):
        a = eighths(rng, 2 * int(rng.integers(1, 5)))
        r = eighths(rng, len(a) // 2)
        winner = [2 * k + (a[2 * k + 1] > a[2 * k]) for k in range(len(r))]
        expected = np.zeros(len(a))
        expected[winner] = r
        yield Case(f"random windows {n}", {"a": a, "R": r}, expected)
    ties = {"a": np.array([2.0, 2.0, 0.0, 0.0]), "R": np.array([1.0, -4.0])}
    yield Case("equal inputs: the first", ties, np.array([1.0, 0.0, -4.0, 0.0]))


def _equal_ones(a: Any, r: Any) -> Any:
    pairs = a.reshape(-1, 2)
    return ((pairs == pairs.max(axis=1, keepdims=True)) * r[:, None]).reshape(-1)


def _norms() -> Iterator[Case]:
    """BatchNorm behind a dense layer; the answer is read off what both make of 0 and of the unit vectors."""
    rng = np.random.default_rng(zlib.crc32(b"merge_batch_norm"))
    for n in range(DRAWN):
        i, j = (int(k) for k in rng.integers(1, 4, size=2))
        given = {
            "w": eighths(rng, i, j), "b": eighths(rng, j), "mean": eighths(rng, j), "var": abs(eighths(rng, j)),
            "scale": eighths(rng, j), "shift": eighths(rng, j), "eps": (1e-5, 1e-3, 0.25)[n % 3],
        }  # fmt: skip
        points = np.concatenate([np.zeros((1, i)), np.eye(i)])
        outputs = np.array([_normalised(point, **given) for point in points])
        yield Case(f"random layer {n}", given, np.concatenate([outputs[1:] - outputs[0], outputs[:1]]))


def _normalised(x: Any, w: Any, b: Any, mean: Any, var: Any, scale: Any, shift: Any, eps: Any) -> Any:
    return scale * (x @ w + b - mean) / np.sqrt(var + eps) + shift


def _merged(w: Any, b: Any, mean: Any, var: Any, scale: Any, shift: Any, eps: float) -> Any:
    factor = scale / np.sqrt(var + eps)
    return np.concatenate([w * factor, [(b - mean) * factor + shift]])


def _additions() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"residual"))
    for n in range(DRAWN):
        k = int(rng.integers(1, 4))
        x, branch, r = eighths(rng, k), eighths(rng, k), eighths(rng, k)
        if (abs(x + branch) > 0.1).all():
            yield drawn(f"random sum {n}", {"x": x, "branch": branch, "R": r}, _added)
    zero = {"x": np.array([0.0, 3.0]), "branch": np.array([0.0, 1.0]), "R": np.array([8.0, 8.0])}
    yield Case("0 + 0, 0/0 := 0", zero, np.array([[0.0, 6.0], [0.0, 2.0]]))


def _added(x: Any, branch: Any, R: Any) -> Any:
    return [[a / (a + b) * r for a, b, r in zip(*three, R, strict=True)] for three in ((x, branch), (branch, x))]


def _by_magnitude(x: Any, f: Any, r: Any) -> Any:
    size = np.maximum(abs(x) + abs(f), 1e-300)
    return np.stack([abs(x) / size * r, abs(f) / size * r])


EXERCISES = (
    Exercise(
        "two_layers", 7, "a, w1, b1, w2, b2, R, eps",
        "the relevance of the inputs of a network dense, ReLU, dense by the ε-rule in both dense layers, R (J,) at the "
        "outputs, shape (I,)",
        lambda: tuple(_networks()),
        {
            "the upper layer reads what the ReLU returns, not z of the lower one": _not_rectified,
            "between the layers you hand back a gradient: the upper layer needs the ε-rule too": _masked,
        },
    ),
    Exercise(
        "max_pool", 8, "a, R",
        "the relevance of the inputs a (2·J,) of a max pool over pairs of neighbours: the larger one takes all, of "
        "equal ones the first, shape (2·J,)",
        lambda: tuple(_pools()),
        {
            "both inputs of a pair get half": lambda a, R: np.repeat(R / 2, 2),
            "of equal inputs only the first gets it: yours get it twice": _equal_ones,
            "you look for the largest absolute value": lambda a, R: (
                np.eye(2)[abs(a.reshape(-1, 2)).argmax(axis=1)] * R[:, None]
            ).reshape(-1),
        },
    ),
    Exercise(
        "merge_batch_norm", 8, "w, b, mean, var, scale, shift, eps",
        "the one dense layer that does what a dense layer w (I, J), b (J,) and the BatchNorm behind it do, "
        "scale·(z − mean)/√(var + eps) + shift: its weights with its bias as one more row, shape (I + 1, J)",
        lambda: tuple(_norms()),
        {
            "you forget the bias of the dense layer": lambda w, b, *rest: _merged(w, 0 * b, *rest),
            "eps belongs under the root": lambda w, b, mean, var, scale, shift, eps: (
                _merged(w, b, mean, var, scale, shift, 0.0)
            ),
            "the mean is divided by the deviation and scaled too": lambda w, b, mean, var, scale, shift, eps: (
                np.concatenate([w * scale / np.sqrt(var + eps), [b * scale / np.sqrt(var + eps) - mean + shift]])
            ),
            "you divide by the variance, not by its root": lambda w, b, mean, var, scale, shift, eps: (
                np.concatenate([w * scale / (var + eps), [(b - mean) * scale / (var + eps) + shift]])
            ),
        },
    ),
    Exercise(
        "residual", 8, "x, branch, R",
        "what x + branch hands to its two operands (I,), to each its part of the sum, 0/0 := 0, shape (2, I)",
        lambda: tuple(_additions()),
        {
            "both operands get all of it: the relevance has doubled": lambda x, f, R: np.stack([R, R]),
            "you forget the way around the branch": lambda x, f, R: np.stack([0 * R, R]),
            "you divide it by absolute values: the operands have signs": _by_magnitude,
            "you divide it in halves": lambda x, f, R: np.stack([R / 2, R / 2]),
        },
    ),
)  # fmt: skip
