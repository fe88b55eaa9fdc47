"""Exercises of lessons 10, 12 and 13: other methods, measures, what a model looks at, how a program is checked."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .cases import DRAWN, drawn, eighths, exact
from .exercise import Case, Exercise


class Written:
    """A function that an exercise hands out, shown by its formula.

    Args:
        formula: how it is shown.
        of: the function.
    """

    def __init__(self, formula: str, of: Callable[[Any], Any]) -> None:
        self.formula, self.of = formula, of

    def __call__(self, x: Any) -> Any:
        return self.of(x)

    def __deepcopy__(self, memo: Any) -> Written:
        return self

    def __repr__(self) -> str:
        return self.formula


def _slopes() -> Iterator[Case]:
    """Yield f = Σ_i w_i x_i + q_i x_i² + c_i x_i³ + s (Σ_i x_i)²/2: its gradient, and the sum by a formula."""
    rng = np.random.default_rng(zlib.crc32(b"integrated"))
    for k in range(DRAWN):
        i, n = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        x, b, w, q, c = (exact(eighths(rng, i)) for _ in range(5))
        s, d = exact(eighths(rng, 1))[0], x - b
        cubed = b**2 + b * d + d**2 * (4 * n * n - 1) / (12 * n * n)  # the mean of ((k + ½)/n)² is 1/3 − 1/(12 n²)
        told = d * (w + 2 * q * (b + d / 2) + 3 * c * cubed + s * (b + d / 2).sum())
        w, q, c = (v.astype(np.float64) for v in (w, q, c))
        gradient = Written("∂f/∂x of a cubic f", _cubic(w, q, c, float(s)))
        given = {"gradient": gradient, "x": x.astype(np.float64), "baseline": b.astype(np.float64), "n": n}
        yield Case(f"random cubic {k}", given, told.astype(np.float64))


def _cubic(w: Any, q: Any, c: Any, s: float) -> Callable[[Any], Any]:
    return lambda x: w + 2 * q * x + 3 * c * x**2 + s * np.sum(x)


def _at(gradient: Any, x: Any, baseline: Any, positions: Any) -> Any:
    return (x - baseline) * sum(gradient(baseline + p * (x - baseline)) for p in positions) / len(positions)


def _curves() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"aopc"))
    for n in range(DRAWN):
        given = {"curve": eighths(rng, int(rng.integers(2, 8)))}
        yield drawn(f"random curve {n}", given, lambda curve: curve[0] - sum(curve) / len(curve))


def _hinges() -> Iterator[Case]:
    """Yield f = max(w·x + c, 0), whose losses are known; the first one is the alarm of lesson 10."""
    alarm = Written("min(x[0] + x[1], 1)", lambda x: min(x[0] + x[1], 1.0))
    yield Case("the alarm", {"f": alarm, "x": np.ones(2), "baseline": np.zeros(2)}, np.zeros(2))
    rng = np.random.default_rng(zlib.crc32(b"occlude"))
    for n in range(DRAWN):
        i = int(rng.integers(1, 5))
        x, b, w = (eighths(rng, i) for _ in range(3))
        c = float(eighths(rng, 1)[0])
        z = sum(exact(w) * exact(x)) + exact(c)
        told = [max(z, 0) - max(z - wi * (xi - bi), 0) for wi, xi, bi in zip(*map(exact, (w, x, b)), strict=True)]
        f = Written(f"max(w·x + {c}, 0) with w = {w.tolist()}", _hinge(w, c))
        yield Case(f"random hinge {n}", {"f": f, "x": x, "baseline": b}, np.array(told, dtype=np.float64))


def _hinge(w: Any, c: float) -> Callable[[Any], Any]:
    return lambda x: max(float(w @ x) + c, 0.0)


def _without(f: Any, x: Any, put: Any) -> Any:
    return np.array([f(x) - f(np.where(np.arange(len(x)) == i, put[i], x)) for i in range(len(x))])


def _masks() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"mass"))
    for n in range(DRAWN):
        shape = tuple(int(k) for k in rng.integers(2, 5, size=2))
        relevance, mask = eighths(rng, *shape), rng.random(shape) < 0.5
        relevance[0, 0], mask[0, 0] = abs(relevance[0, 0]), n % 2 == 0
        yield drawn(f"random map {n}", {"R": relevance, "mask": mask}, _mass)
    yield Case("no positive relevance: 0", {"R": -np.ones((2, 2)), "mask": np.eye(2, dtype=bool)}, np.zeros(()))


def _mass(R: Any, mask: Any) -> Any:
    positive = [(r, inside) for r, inside in zip(R.ravel(), mask.ravel(), strict=True) if r > 0]
    return sum(r for r, inside in positive if inside) / sum(r for r, _ in positive)


def _clouds() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"assign"))
    for n in range(DRAWN):
        many, k, d = (int(v) for v in rng.integers(2, 6, size=3))
        given = {"points": eighths(rng, many, d), "centres": eighths(rng, k, d)}
        yield drawn(f"random points {n}", given, _assign)
    given = {"points": np.array([[0.0, 0.0]]), "centres": np.array([[2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])}
    yield Case("two centres equally near: the first of them", given, np.ones(1))


def _assign(points: Any, centres: Any) -> Any:
    squares = [[sum((p - c) ** 2) for c in centres] for p in points]
    return [row.index(min(row)) for row in squares]


def _answers() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"flips"))
    for n in range(DRAWN):
        many, k = (int(v) for v in rng.integers(2, 7, size=2))
        before = np.stack([rng.permutation(k) for _ in range(many)]) / 8.0
        after = np.where(rng.random((many, 1)) < 0.5, before + 1.0, rng.permuted(before, axis=1))
        yield drawn(f"random outputs {n}", {"before": before, "after": after}, _flips)


def _flips(before: Any, after: Any) -> Any:
    changed = [list(a).index(max(a)) != list(b).index(max(b)) for a, b in zip(before, after, strict=True)]
    return exact(1.0) * sum(changed) / len(changed)


def _traces() -> Iterator[Case]:
    """Yield the relevances of some nodes in two programs, which depart from a known one on, or nowhere."""
    rng = np.random.default_rng(zlib.crc32(b"first_departing"))
    for n in range(DRAWN):
        nodes, units = (int(v) for v in rng.integers(2, 6, size=2))
        ours = eighths(rng, nodes, units)
        largest = np.abs(ours).max(axis=1, keepdims=True)
        first = int(rng.integers(-1, nodes))
        theirs = ours + 2.0**-12 * largest * rng.choice([-1, 1], size=ours.shape)  # within the tolerance
        if first >= 0:
            theirs[first:, 0] += (-1) ** n * largest[first:, 0] / 4
        given = {"ours": ours, "theirs": theirs, "tolerance": 0.01}
        yield Case(f"random traces {n}", given, np.array(float(first)))


def _departing(ours: Any, theirs: Any, allowed: Any) -> Any:
    found = np.flatnonzero(np.abs(ours - theirs).max(axis=1) > allowed)
    return found[0] if found.size else -1


def _blind() -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(b"blind_weight"))
    for n in range(DRAWN):
        a, b, eps = (float(v) for v in eighths(rng, 3))
        given = {"a": a, "b": b, "eps": abs(eps)}
        yield drawn(f"random unit {n}", given, lambda a, b, eps: -(eps + b) / a)


EXERCISES = (
    Exercise(
        "integrated", 10, "gradient, x, baseline, n",
        "integrated gradients, with the gradient at the n midpoints α = (k + ½)/n between baseline and x, shape (I,)",
        lambda: tuple(_slopes()),
        {
            "left ends: the positions are (k + ½)/n, not k/n":
                lambda g, x, b, n: _at(g, x, b, [k / n for k in range(n)]),
            "right ends: the positions are (k + ½)/n, not (k + 1)/n":
                lambda g, x, b, n: _at(g, x, b, [(k + 1) / n for k in range(n)]),
            "multiply by x − baseline, not by x":
                lambda g, x, b, n: x * sum(g(b + (k + 0.5) / n * (x - b)) for k in range(n)) / n,
            "the way begins at the baseline, not at 0":
                lambda g, x, b, n: (x - b) * sum(g((k + 0.5) / n * x) for k in range(n)) / n,
        },
    ),
    Exercise(
        "aopc", 10, "curve",
        "the area over a perturbation curve f(x⁽⁰⁾), …, f(x⁽ᴷ⁾): the mean of f(x⁽⁰⁾) − f(x⁽ᵏ⁾) over all K + 1 points",
        lambda: tuple(_curves()),
        {
            "the point k = 0 counts, too: divide by K + 1": lambda curve: np.mean(curve[0] - curve[1:]),
            "this is the mean height, the area under the curve": lambda curve: np.mean(curve),
        },
    ),
    Exercise(
        "occlude", 10, "f, x, baseline",
        "what f(x) loses when x_i alone becomes baseline_i, for each i, shape (I,)",
        lambda: tuple(_hinges()),
        {
            "what goes becomes the baseline, not 0": lambda f, x, b: _without(f, x, 0 * x),
            "one input at a time: the ones before it come back":
                lambda f, x, b: np.array([f(x) - f(np.where(np.arange(len(x)) <= i, b, x)) for i in range(len(x))]),
        },
    ),
    Exercise(
        "mass", 12, "R, mask",
        "the part of the positive relevance of a map (H, W) that lies inside the mask (H, W); 0 where none is positive",
        lambda: tuple(_masks()),
        {
            "positive relevance only: the rest is cut off, not turned around":
                lambda R, mask: np.abs(R)[mask].sum() / np.abs(R).sum(),
            "divide by the relevance, not by the number of pixels":
                lambda R, mask: (np.maximum(R, 0) * mask).sum() / mask.sum(),
        },
    ),
    Exercise(
        "assign", 12, "points, centres",
        "the number of the centre (K, D) that is nearest to each of the points (N, D), of equally near ones the first",
        lambda: tuple(_clouds()),
        {
            "the nearest, not the farthest":
                lambda points, centres: ((points[:, None] - centres) ** 2).sum(axis=2).argmax(axis=1),
            "a distance, not a scalar product": lambda points, centres: (points @ centres.T).argmax(axis=1),
        },
    ),
    Exercise(
        "flips", 12, "before, after",
        "the part of the samples whose largest output is another one in after (N, K) than it was in before (N, K)",
        lambda: tuple(_answers()),
        {
            "the ones that change, not the ones that stay":
                lambda before, after: np.mean(before.argmax(axis=1) == after.argmax(axis=1)),
            "the class has to change, not the number":
                lambda before, after: np.mean(before.max(axis=1) != after.max(axis=1)),
        },
    ),
    Exercise(
        "first_departing", 13, "ours, theirs, tolerance",
        "the first row (a node on the way back) with max |ours − theirs| above tolerance · max |ours| there; else −1",
        lambda: tuple(_traces()),
        {
            "small numbers differ, too: allow the tolerance times the row's largest":
                lambda ours, theirs, tolerance: _departing(ours, theirs, 0),
            "the first one, not the one that departs most":
                lambda ours, theirs, tolerance: np.abs(ours - theirs).max(axis=1).argmax(),
        },
    ),
    Exercise(
        "blind_weight", 13, "a, b, eps",
        "the weight w for which an ε without its sign divides by exactly 0, with one input a and z = a·w + b",
        lambda: tuple(_blind()),
        {
            "the bias belongs to z": lambda a, b, eps: -eps / a,
            "z has to be −ε, so that z + ε is 0": lambda a, b, eps: (eps - b) / a,
            "z = 0 is another case: there the right rule divides by ε": lambda a, b, eps: -b / a,
        },
    ),
)  # fmt: skip
