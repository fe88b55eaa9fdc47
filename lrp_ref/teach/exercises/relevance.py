"""Exercises of lessons 1 to 3: contributions, conservation, LRP-0 and ε."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ... import literal
from .cases import DRAWN, active, all_of, drawn, eighths, of_vectors, random_layers
from .exercise import Case, Exercise

book = literal.rules


def _linear_models(name: str, classes: int) -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for n in range(DRAWN):
        i, k = int(rng.integers(1, 6)), int(rng.integers(2, 5))
        chosen = rng.permutation(k)[:classes].tolist()
        given = {"x": eighths(rng, i), "w": eighths(rng, i, k), **dict(zip("cd", chosen, strict=False))}
        yield drawn(f"random model {n}", given, _contributions if classes == 1 else _contrast)


def _contributions(x: Any, w: Any, c: int) -> Any:
    return [xi * row[c] for xi, row in zip(x, w, strict=True)]


def _contrast(x: Any, w: Any, c: int, d: int) -> Any:
    return [xi * (row[c] - row[d]) for xi, row in zip(x, w, strict=True)]


def _proportions() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"proportions"))
    for n in range(DRAWN):
        q = eighths(rng, int(rng.integers(1, 6)))
        if abs(q.sum()) > 0.1:
            yield drawn(f"random contributions {n}", {"q": q, "R": float(eighths(rng, 1)[0])}, _proportional)
    yield Case("contributions that cancel, 0/0 := 0", {"q": np.array([1.0, -1.0]), "R": 2.0}, np.zeros(2))
    yield Case("no contribution at all, 0/0 := 0", {"q": np.zeros(3), "R": 2.0}, np.zeros(3))


def _proportional(q: Any, R: Fraction) -> Any:
    return [qi / sum(q) * R for qi in q]


def _tables() -> Iterator[Case]:
    """Message tables of the ε-rule; in every second one a message is wrong by a known amount."""
    rng = np.random.default_rng(zlib.crc32(b"conservation"))
    for n in range(DRAWN):
        i, j = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        a, w, b, r = eighths(rng, i), eighths(rng, i, j), eighths(rng, j), eighths(rng, j)
        told = book.epsilon(a, literal.matrices.dense(w, b), r, 0.25)
        messages, taken = told.messages.copy(), np.zeros(j)
        if n % 2:
            messages[int(rng.integers(i)), 0] -= 0.5
            taken[0] = 0.5
        given = {
            "R": r,
            "messages": messages,
            "bias": told.bias,
            "stabiliser": told.stabiliser,
            "dropped": told.dropped,
        }
        size = np.abs(messages).sum(axis=0) + abs(told.bias) + abs(told.stabiliser) + abs(r)
        yield Case(f"random table {n}" + (", 1/2 of it lost" if n % 2 else ""), given, taken, size)


def _lrp0(a: Any, w: Any, b: Any, R: Any) -> Any:
    return book.lrp0(a, literal.matrices.dense(w, b), R).relevance


def _messages(a: Any, w: Any, b: Any, R: Any) -> Any:
    return book.lrp0(a, literal.matrices.dense(w, b), R).messages


def _epsilon(a: Any, w: Any, b: Any, R: Any, eps: Any) -> Any:
    return book.epsilon(a, literal.matrices.dense(w, b), R, eps).relevance


def _abwr(given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: given[k] for k in ("a", "w", "b", "R")}


def _with_epsilon(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**_abwr(given), "eps": float(given.get("epsilon", 0.25))}


def _unit_at_zero() -> Case:
    """a₁ − a₂ = 0: sgn(0) = +1, so that ε = 1/4 divides, and 2/(1/4) = 8 times ±1 arrive."""
    given = {"a": np.array([1.0, 1.0]), "w": np.array([[1.0], [-1.0]]), "b": np.zeros(1), "R": np.array([2.0])}
    return Case("a unit with z = 0", {**given, "eps": 0.25}, np.array([8.0, -8.0]))


def _stable(z: Any, eps: float) -> Any:
    return z + eps * np.where(z >= 0, 1, -1)


NO_BIAS = "your denominators leave the bias out: z_j = Σ_i a_i w_ij + b_j"
SPREAD = "you give the bias's part to the inputs: LRP-0 leaves it in the column of the bias"
NO_INPUT = "the factor a_i is missing: a message is a_i w_ij / z_j · R_j"
ABSOLUTE = "you take absolute values: messages have signs"

EXERCISES = (
    Exercise(
        "contributions", 1, "x, w, c",
        "what each input adds to the score of class c of a linear model f_c = Σ_i x_i w_ic + b_c, shape (I,)",
        lambda: tuple(_linear_models("contributions", 1)),
        {
            "these are the weights of the class (its gradient): multiply them by the inputs": lambda x, w, c: w[:, c],
            ABSOLUTE: lambda x, w, c: abs(x * w[:, c]),
        },
    ),
    Exercise(
        "contrast", 1, "x, w, c, d",
        "what each input adds to f_c − f_d, the reason for class c rather than d, shape (I,)",
        lambda: tuple(_linear_models("contrast", 2)),
        {
            "you explain f_c alone; subtract the contributions to d": lambda x, w, c, d: x * w[:, c],
            "you add the two classes instead of subtracting d": lambda x, w, c, d: x * (w[:, c] + w[:, d]),
            "these are weights: multiply their difference by the inputs": lambda x, w, c, d: w[:, c] - w[:, d],
            "this is d rather than c": lambda x, w, c, d: x * (w[:, d] - w[:, c]),
        },
    ),
    Exercise(
        "proportions", 2, "q, R",
        "R divided in proportion to the contributions q (I,); zeros where Σ_i q_i = 0, shape (I,)",
        lambda: tuple(_proportions()),
        {
            "you divide by the sum of absolute values: signs take part in the sum": lambda q, R: q / abs(q).sum() * R,
            "you take absolute values above the line": lambda q, R: abs(q) / q.sum() * R,
            "you multiply by R but do not divide by the sum": lambda q, R: q * R,
            "you give every input the same": lambda q, R: np.full(len(q), R / len(q)),
        },
    ),
    Exercise(
        "conservation", 2, "R, messages, bias, stabiliser, dropped",
        "what of each R_j (J,) is nowhere in the table: not in messages (I, J), nor in a column (J,); shape (J,)",
        lambda: tuple(_tables()),
        {
            "you forget bias, stabiliser and dropped": lambda R, m, b, s, d: R - m.sum(axis=0),
            "you forget the bias": lambda R, m, b, s, d: R - m.sum(axis=0) - s - d,
            "you forget the stabiliser": lambda R, m, b, s, d: R - m.sum(axis=0) - b - d,
            "your sum is over the outputs: take axis 0": lambda R, m, b, s, d: R - m.sum(axis=1) - b - s - d,
            "reversed: R minus what is in the table": lambda R, m, b, s, d: m.sum(axis=0) + b + s + d - R,
        },
    ),
    Exercise(
        "lrp0", 3, "a, w, b, R",
        "the relevance of the inputs of a dense layer by LRP-0, Σ_j a_i w_ij / z_j · R_j with z_j ≠ 0, shape (I,)",
        lambda: all_of(of_vectors("LRP0", _abwr, active), random_layers("lrp0", _lrp0, keep=active)),
        {
            NO_BIAS: lambda a, w, b, R: a * (w @ (R / (a @ w))),
            SPREAD: lambda a, w, b, R: ((a[:, None] * w + b / len(a)) / (a @ w + b)) @ R,
            NO_INPUT: lambda a, w, b, R: w @ (R / (a @ w + b)),
            "you do not divide by z_j": lambda a, w, b, R: a * (w @ R),
            ABSOLUTE: lambda a, w, b, R: abs(a[:, None] * w) / abs(a[:, None] * w).sum(axis=0) @ R,
        },
    ),
    Exercise(
        "messages", 3, "a, w, b, R",
        "every message R_{i←j} = a_i w_ij / z_j · R_j of LRP-0, with z_j ≠ 0, shape (I, J)",
        lambda: tuple(random_layers("messages", _messages, keep=active)),
        {
            NO_BIAS: lambda a, w, b, R: a[:, None] * w / (a @ w) * R,
            "you divide by the sum over outputs": lambda a, w, b, R: a[:, None] * w / (w @ a)[:, None] * R,
            NO_INPUT: lambda a, w, b, R: w / (a @ w + b) * R,
        },
    ),
    Exercise(
        "epsilon", 3, "a, w, b, R, eps",
        "the relevance of the inputs by the ε-rule, Σ_j a_i w_ij / (z_j + ε·sgn z_j) · R_j with sgn 0 = +1, shape (I,)",
        lambda: all_of(
            of_vectors("Epsilon", _with_epsilon),
            random_layers("epsilon", _epsilon, lambda given: {**_abwr(given), "eps": 0.25}),
            [_unit_at_zero()],
        ),
        {
            "you divide by z without ε": lambda a, w, b, R, eps: a * (w @ (R / (a @ w + b))),
            "ε needs the sign of z: z − ε where z < 0": lambda a, w, b, R, eps: a * (w @ (R / (a @ w + b + eps))),
            "sgn(0) is +1 here, and np.sign(0) is 0": lambda a, w, b, R, eps: (
                a * (w @ np.nan_to_num(R / (a @ w + b + eps * np.sign(a @ w + b)), posinf=0, neginf=0))
            ),
            NO_BIAS: lambda a, w, b, R, eps: a * (w @ (R / _stable(a @ w, eps))),
            NO_INPUT: lambda a, w, b, R, eps: w @ (R / _stable(a @ w + b, eps)),
            SPREAD: lambda a, w, b, R, eps: ((a[:, None] * w + b / len(a)) / _stable(a @ w + b, eps)) @ R,
        },
    ),
)  # fmt: skip
