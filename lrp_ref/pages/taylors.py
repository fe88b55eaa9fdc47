"""The Taylor expansion of one neuron at a point that one moves, as a page in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import tables
from ..errors import ParameterError, ShapeError
from ..layers import Dense
from ..teach.taylor import NoRootError, root_point
from .assembling import document, framed, plain
from .neurons import Prediction, numbers, question

MOST = 1e10  # of a number: products of two are written without an exponent, as a slider's ends must be
NAMES = {"real": "w²: in any direction", "positive": "z⁺: inputs ≥ 0", "box": "zᴮ: inputs within bounds"}


@dataclass(frozen=True, eq=False, repr=False)
class Expansion:
    """The first-order Taylor expansion of f(x) = max(0, Σ_i w_i x_i + b) of one or two inputs at a point x̃.

    In a notebook it shows its page, in which x̃ can be moved. :func:`taylor` makes it.

    Attributes:
        a: what is explained (I,).
        weights: (I,).
        bias: a number.
        root: x̃ (I,).
        bounds: of the inputs, for the root of z^B; or None.
        title: plain text.
        predict: what is asked first, or None.
    """

    a: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float
    root: NDArray[np.float64]
    bounds: tuple[float, float] | None
    title: str
    predict: Prediction | None = None

    def value(self, x: NDArray[np.float64]) -> float:
        """Return f(x)."""
        return max(0.0, float(self.weights @ x) + self.bias)

    @property
    def slope(self) -> NDArray[np.float64]:
        """The derivative at x̃ (I,); at the kink, where f begins to rise, it is that of the side that rises."""
        z, size = float(self.weights @ self.root) + self.bias, float(abs(self.weights) @ abs(self.root))
        rises = z >= -1e-9 * (1 + size + abs(self.bias))
        return self.weights if rises else 0 * self.weights

    @property
    def terms(self) -> NDArray[np.float64]:
        """∂f/∂x_i(x̃)·(a_i − x̃_i) (I,)."""
        return self.slope * (self.a - self.root)

    def roots(self) -> list[tuple[str, NDArray[np.float64]]]:
        """Return the roots that are rules: for each its name and its point (I,)."""
        layer, found = Dense(self.weights[:, None], np.array([self.bias])), []
        low, high = self.bounds or (0.0, 0.0)
        for domain, options in (("real", {}), ("positive", {}), ("box", {"low": low, "high": high})):
            if domain == "box" and self.bounds is None:
                continue
            try:
                with np.errstate(all="ignore"):
                    point = root_point(layer, self.a[None], 0, domain, **options).point[0]
            except (NoRootError, ParameterError):  # none in this direction, or a outside of the domain
                continue
            if (abs(point) <= MOST).all():
                found.append((NAMES[domain], point))
        return found

    def page(self) -> str:
        """Return the page as text: one HTML file, which asks the network for nothing."""
        return document(
            title=self.title,
            body=f'<main id="taylor" class="neuron"><h1>{escape(self.title)}</h1>{self._before()}</main>',
            start="taylor.js",
            header=self._header(),
            styles=("page.css", "unit.css", "neuron.css", "taylor.css"),
        )

    def _rows(self) -> list[list[str]]:
        there = self.value(self.root)
        rest = self.value(self.a) - there - float(self.terms.sum())
        terms = [(f"term of x_{i}", t) for i, t in enumerate(self.terms, 1)]
        rows = [("f(a)", self.value(self.a)), ("f(x̃)", there), *terms, ("left over", rest)]
        return [[name, tables.number(float(value))] for name, value in rows]

    def _before(self) -> str:
        """Return what is shown until the page's program runs."""
        table = tables.html(["", "value"], self._rows(), right=[1])
        return table if self.predict is None else f"<details><summary>The terms</summary>{table}</details>"

    def _header(self) -> dict[str, Any]:
        roots = self.roots()
        shown = np.concatenate([self.a, self.root, *(point for _, point in roots), self.bounds or ()])
        reach = max(1.0, self.value(self.a) if len(self.a) == 1 else 0.0)
        low, high = min(-1.0, float(shown.min()) - 0.5), max(reach, float(shown.max())) + 0.5
        return {
            "title": self.title,
            "a": self.a.tolist(),
            "w": self.weights.tolist(),
            "b": self.bias,
            "root": self.root.tolist(),
            "roots": [{"name": name, "point": point.tolist()} for name, point in roots],
            "box": None if self.bounds is None else list(self.bounds),
            "span": [low, high],
            "predict": None if self.predict is None else {**vars(self.predict), "options": list(self.predict.options)},
        }

    def _repr_html_(self) -> str:
        return framed(self.page(), title=self.title, height=640)

    def __repr__(self) -> str:
        return tables.text(["", "value"], self._rows(), right=[1])


def taylor(
    a: Any,
    weights: Any,
    bias: float = 0.0,
    *,
    root: Any = None,
    bounds: Sequence[float] | None = None,
    title: str = "",
    predict: Prediction | None = None,
) -> Expansion:
    """Return the Taylor expansion of one neuron f(x) = max(0, Σ_i w_i x_i + b), at a point that can be moved.

    Args:
        a: the inputs, one or two.
        weights: as many.
        bias: b.
        root: x̃ at first; the nearest root of z by default.
        bounds: (low, high) of the inputs, for the root of z^B.
        title: plain text.
        predict: what is asked before the terms are shown.

    Raises:
        ShapeError: not one or two inputs with as many weights and coordinates of x̃.
        ParameterError: numbers that are not finite, weights that are all 0, or bounds that are none.

    Example:
        >>> import lrp_ref as lrp
        >>> lrp.pages.taylor([1, 2], [1, 0.5], -1)
                     value
        ──────────────────
        f(a)             1
        f(x̃)             0
        term of x_1    0.8
        term of x_2    0.2
        left over        0
    """
    x, w = numbers("taylor", "a", a, MOST).reshape(-1), numbers("taylor", "weights", weights, MOST).reshape(-1)
    if x.size not in (1, 2) or w.shape != x.shape:
        raise ShapeError(f"taylor: {x.size} inputs and {w.size} weights; one or two of each can be drawn")
    if not w.any():
        raise ParameterError("taylor: all weights are 0, so that there is nothing to expand")
    given = numbers("taylor", "bias", bias, MOST)
    if given.size != 1:
        raise ShapeError(f"taylor: the bias has {given.size} numbers; it is one")
    b = float(given.reshape(()))
    if abs(w).max() < 1 / MOST:
        raise ParameterError(
            f"taylor: the weights are below {1 / MOST:g}, so that the nearest root lies beyond all numbers"
        )
    start = x - w * (w @ x + b) / (w @ w) if root is None else numbers("taylor", "root", root, MOST).reshape(-1)
    if start.shape != x.shape:
        raise ShapeError(f"taylor: x̃ has {start.size} coordinates, a has {x.size}")
    limits = None if bounds is None else tuple(float(v) for v in numbers("taylor", "bounds", bounds, MOST).reshape(-1))
    if limits is not None and (len(limits) != 2 or not limits[0] <= limits[1]):
        raise ParameterError(f"taylor: bounds must be (low, high), got {bounds}")
    pair = None if limits is None else (limits[0], limits[1])
    named = plain("title", title or "") or "Taylor expansion of one neuron"
    return Expansion(x, w, b, start, pair, named, question("taylor", predict))
