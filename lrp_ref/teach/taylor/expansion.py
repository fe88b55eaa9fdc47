"""Taylor decomposition of a whole network at one root of its own: what Deep Taylor improves on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arithmetic import to_float
from ...base.arrays import Array, is_float, like, namespace
from ...base.frozen import Value
from ...errors import BackendError, ParameterError, ShapeError
from ...network.network import Network
from .pieces import Piece, piece, require_pieces
from .root import NoRootError

SEARCHES = ("nearest", "gradient", "origin")


@dataclass(frozen=True, eq=False, repr=False)
class TaylorDecomposition(Value):
    """The first-order expansion of f at a root x̃, for each sample of a batch.

    Formula: f(x) = f(x̃) + Σ_i ∂f/∂x_i(x̃)·(x_i − x̃_i) + residual.

    Attributes:
        point: x̃ (N, ...), in the unit of the input.
        relevance: the first-order terms (N, ...), in the unit of the output.
        gradient: of f at x̃, of the linear piece in which the segment from x ends (N, ...).
        output: f(x) (N,).
        at_root: f(x̃) (N,): 0, in floats to rounding.
        residual: what the higher orders hold (N,); 0 if f is linear between x and x̃.
        pieces: how many linear pieces the segment from x to x̃ crosses (N,).
        distance: the Euclidean |x − x̃| (N,), as floats.
        norm: |x| (N,), as floats.
        target: index of the output (N,).
        search: how the root was found.
    """

    point: Array
    relevance: Array
    gradient: Array
    output: Array
    at_root: Array
    residual: Array
    pieces: Array
    distance: Array
    norm: Array
    target: Array
    search: str


def decompose(
    net: Network, x: Array, target: int | None = None, *, search: Any = "nearest", steps: int = 10_000
) -> TaylorDecomposition:
    """Expand one output of a small ReLU network at a root, and say what the first-order terms leave over.

    The root is the first one on a straight line from x, found piece by piece, so that none is missed; on rationals it
    is exact. The direction of the line:

    =========  ==========================================================================
    nearest    to the root that Newton's steps y ← y − f(y)·∇f(y)/|∇f(y)|² arrive at
    gradient   down the gradient at x
    origin     towards 0
    an array   towards this point, of a sample's shape or the shape of x, and no further
    =========  ==========================================================================

    Args:
        net: of linear layers, routes and ReLUs, with one input and an output (N, K).
        x: inputs (N, ...), floats or exact rationals, as the network's parameters.
        target: index of the output f; None for each sample's largest.
        search: nearest, gradient, origin, or a point to go to.
        steps: the line may cross so many pieces.

    Raises:
        NoRootError: there is none on the line, or Newton's steps do not settle.
        UnsupportedError: a layer that is not piecewise linear.
        ParameterError, ShapeError: a search or an output that does not exist.

    Source: Bach et al. 2015 (Taylor-type decomposition); Montavon et al. 2018, §4.1; Newton's steps as in
    Moosavi-Dezfooli et al. 2016.

    Example:
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.array([[1.0, 1.0]]), np.array([0.0, -1.0])), ReLU(),
        ...                           Dense(np.ones((2, 1)))])
        >>> d = decompose(net, np.array([[3.0]]), search="origin")
        >>> d.output, d.point, d.relevance, d.residual, d.pieces
        (array([5.]), array([[0.]]), array([[3.]]), array([2.]), array([2]))
    """
    require_pieces(net)
    if not is_float(x):
        raise BackendError(f"the input holds {x.dtype}, not floats or exact numbers: cast it")
    out = net.forward(x)
    if out.ndim != 2 or not (target is None or 0 <= target < out.shape[1]):
        raise ParameterError(f"target {target!r} is not an output of a network whose output has shape {out.shape}")
    targets = [int(np.argmax(row)) if target is None else target for row in out]
    fitted = net.like_input({net.inputs[0].name: x})
    singles = []
    for k, chosen in enumerate(targets):
        try:
            singles.append(_one(fitted, x[k : k + 1], chosen, _goal(search, x, k), steps))
        except NoRootError as error:
            raise NoRootError(f"sample {k}: {error}") from error
    name = search if isinstance(search, str) else "point"
    fields: dict[str, Any] = {key: namespace(x).concatenate([one[key] for one in singles]) for key in singles[0]}
    return TaylorDecomposition(**fields, search=name)


def _one(net: Network, x: Array, target: int, search: Any, steps: int) -> dict[str, Array]:
    """Return the fields of the decomposition of one sample."""
    f = net.forward(x)[:, target]
    direction, reach = _line(net, x, target, search)
    t, crossed = _first_root(net, x, direction, target, reach, steps)
    point = x + t * direction
    ending = piece(net, point, -direction)
    gradient = ending.gradient(target)
    terms = gradient * (-t * direction)
    at_root = ending.values[net.outputs[0]][:, target]
    return {
        "point": point,
        "relevance": terms,
        "gradient": gradient,
        "output": f,
        "at_root": at_root,
        "residual": f - at_root - like([terms.sum()], x),
        "pieces": np.array([crossed]),
        "distance": _norm(t * direction),
        "norm": _norm(x),
        "target": np.array([target]),
    }


def _norm(x: Array) -> Array:
    """Return the Euclidean norm (1,) of one sample, as a float."""
    return np.array([np.linalg.norm(to_float(x).ravel())])


def _goal(search: Any, x: Array, k: int) -> Any:
    """Return the search of sample k: a name, or a point (1, ...)."""
    if isinstance(search, str):
        if search not in SEARCHES:
            raise ParameterError(f"search '{search}' is not known: use {', '.join(SEARCHES)}, or a point")
        return search
    point = like(search, x)
    if point.shape not in (x.shape, x.shape[1:], (1, *x.shape[1:])):
        raise ShapeError(f"the point to go to has shape {point.shape}, the input has shape {x.shape}")
    return point.reshape((-1, *x.shape[1:]))[k if point.shape == x.shape else 0][None]


def _line(net: Network, x: Array, target: int, search: Any) -> tuple[Array, Any]:
    """Return the direction in which the root is looked for, and how many times it the line may go; None for any."""
    if not isinstance(search, str):
        return search - x, 1
    if search == "origin":
        return -x, 1
    if search == "gradient":
        here = piece(net, x, 0 * x)
        gradient = here.gradient(target)
        return (gradient if here.values[net.outputs[0]][0, target] < 0 else -gradient), None
    return newton_root(net, x, target) - x, None


def newton_root(net: Network, x: Array, target: int, steps: int = 100) -> Array:
    """Return a root of output ``target`` near ``x`` (1, ...): y ← y − f(y)·∇f(y)/|∇f(y)|² until f(y) is 0.

    In floats |f(y)| ≤ 1e-12·|f(x)| counts as 0.

    Raises:
        NoRootError: the gradient vanishes, or the steps do not settle.

    Source: Moosavi-Dezfooli et al. 2016 (DeepFool).
    """
    y, goal = x, None
    for _ in range(steps):
        here = piece(net, y, 0 * y)
        f = here.values[net.outputs[0]][0, target]
        goal = _smallest(here, abs(f)) if goal is None else goal
        if abs(f) <= goal:
            return y
        gradient = here.gradient(target)
        square = (gradient * gradient).sum()
        if square == 0:
            raise NoRootError("Newton's steps came to a point without gradient: try search='gradient' or a point")
        y = y - f / square * gradient
    raise NoRootError("Newton's steps do not settle on a root: try search='gradient' or a point")


def _smallest(here: Piece, size: Any) -> Any:
    return 1e-12 * size if here.values[here.net.outputs[0]].dtype.kind == "f" else 0


def _first_root(net: Network, x: Array, direction: Array, target: int, reach: Any, steps: int) -> tuple[Any, int]:
    """Return the step t ≥ 0 to the first root on x + t·direction, and the number of linear pieces up to there."""
    t, begin = like(0, x).reshape(-1)[0], None
    for count in range(1, steps + 1):
        here = piece(net, x + t * direction, direction)
        f, slope = (table[net.outputs[0]][0, target] for table in (here.values, here.slopes))
        begin = f if begin is None else begin
        if f == 0 or (f > 0) != (begin > 0):  # in floats a root at a border may lie just behind it
            return t, max(count - 1, 1)
        length = here.length()
        root = -f / slope if slope != 0 and (f > 0) != (slope > 0) else None
        if root is not None and (length is None or root <= length):
            return _within(t + root, reach), count
        if length is None:
            break
        t = _within(t + length, reach)
    raise NoRootError(f"f is {float(begin or 0):.4g} at x and has no root on the line, over {count} linear pieces")


def _within(t: Any, reach: Any) -> Any:
    if reach is not None and t > reach * (1 + 1e-9):
        raise NoRootError("the line ends at its goal before f has a root")
    return t if reach is None else min(t, reach)
