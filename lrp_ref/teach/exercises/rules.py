"""Exercises of lesson 6: the γ-rule and the αβ-rule."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import literal
from .cases import all_of, of_vectors, random_layers
from .exercise import Case, Exercise
from .relevance import NO_BIAS, NO_INPUT

book = literal.rules
GAMMA = 0.25


def _gamma(a: Any, w: Any, b: Any, R: Any, gamma: Any) -> Any:
    return book.gamma(a, literal.matrices.dense(w, b), R, gamma).relevance


def _alpha_beta(a: Any, w: Any, b: Any, R: Any, alpha: Any, beta: Any) -> Any:
    return book.alpha_beta(a, literal.matrices.dense(w, b), R, alpha, beta).relevance


def _with(names: Mapping[str, float]) -> Any:
    def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
        first = {k: given[k] for k in ("a", "w", "b", "R")}
        return first | {name: float(given.get(name, usual)) for name, usual in names.items()}

    return arguments


def _alive(given: Mapping[str, Any]) -> bool:
    w, b = (x + GAMMA * np.maximum(x, 0) for x in (given["w"], given["b"]))
    return bool((abs(given["a"] @ w + b) > 1e-3).all())


def _dead_side() -> Case:
    """Contributions 1 and 3 and no negative one: α = 2 goes to the inputs as 1/2 and 3/2, and β has no carrier."""
    given = {"a": np.array([1.0, 1.0]), "w": np.array([[1.0], [3.0]]), "b": np.zeros(1), "R": np.array([1.0])}
    return Case("a unit without negative part", {**given, "alpha": 2.0, "beta": 1.0}, np.array([0.5, 1.5]))


def _raised(x: Any, gamma: float) -> Any:
    return x + gamma * np.maximum(x, 0)


def _sides(a: Any, w: Any, r: Any, factors: Any, biases: Any) -> Any:
    """Return the αβ-rule with biases of one's own, 0/0 := 0."""
    z, total = a[:, None] * w, np.zeros(len(a))
    for factor, cut, bias in zip(factors, (np.maximum, np.minimum), biases, strict=True):
        q = cut(z, 0)
        below = q.sum(axis=0) + bias
        total = total + q @ np.divide(factor * r, below, out=np.zeros(len(below)), where=below != 0)
    return total


EXERCISES = (
    Exercise(
        "gamma", 6, "a, w, b, R, gamma",
        "the relevance of the inputs by LRP-γ: w_ij + γ w_ij⁺ in the place of w_ij, b_j + γ b_j⁺ in that of b_j, "
        "shape (I,)",
        lambda: all_of(
            of_vectors("Gamma", _with({"gamma": GAMMA})),
            random_layers("gamma", _gamma, _with({"gamma": GAMMA}), keep=_alive),
        ),
        {
            "γ raises your weights, but not the bias: b_j + γ b_j⁺": lambda a, w, b, R, g: (
                a * (_raised(w, g) @ (R / (a @ _raised(w, g) + b)))
            ),
            "you raise the numerator alone": lambda a, w, b, R, g: a * (_raised(w, g) @ (R / (a @ w + b))),
            "γ multiplies w_ij, not w_ij⁺: nothing changes": lambda a, w, b, R, g: a * (w @ (R / (a @ w + b))),
            NO_BIAS: lambda a, w, b, R, g: a * (_raised(w, g) @ (R / (a @ _raised(w, g)))),
            NO_INPUT: lambda a, w, b, R, g: _raised(w, g) @ (R / (a @ _raised(w, g) + _raised(b, g))),
        },
    ),
    Exercise(
        "alpha_beta", 6, "a, w, b, R, alpha, beta",
        "the relevance of the inputs by LRP-αβ for inputs of any sign, z_ij = a_i w_ij, with b_j⁺ and b_j⁻ in the two "
        "denominators; a side whose denominator is 0 hands nothing on, shape (I,)",
        lambda: all_of(
            of_vectors("AlphaBeta", _with({"alpha": 2, "beta": 1})),
            random_layers("alpha_beta", _alpha_beta, _with({"alpha": 2, "beta": 1})),
            [_dead_side()],
        ),
        {
            "your denominators leave the bias out": lambda a, w, b, R, x, y: _sides(a, w, R, (x, -y), (0 * b, 0 * b)),
            "the whole bias stands in both denominators: b_j⁺ belongs to one, b_j⁻ to the other": (
                lambda a, w, b, R, x, y: _sides(a, w, R, (x, -y), (b, b))
            ),
            "you add the negative side: it is taken off": lambda a, w, b, R, x, y: (
                _sides(a, w, R, (x, y), (np.maximum(b, 0), np.minimum(b, 0)))
            ),
            "you cut the weights at 0, not the contributions a_i w_ij": lambda a, w, b, R, x, y: (
                x * a * (np.maximum(w, 0) @ (R / (a @ np.maximum(w, 0) + np.maximum(b, 0))))
                - y * a * (np.minimum(w, 0) @ (R / (a @ np.minimum(w, 0) + np.minimum(b, 0))))
            ),
        },
    ),
)  # fmt: skip
