"""Layers with several inputs, and sums and products that are written as functions of Keras or TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...layers import Add, Affine, Concat, Function, Layer, Max, Multiply, Power, Unsqueeze
from .activations import activated
from .build import Refusal, Signal, Site, layer, number
from .config import shown


def alike(site: Site, xs: Sequence[Signal]) -> list[Signal]:
    """Return signals in one layout: with channels in front where all are of one rank and one of them is."""
    if len(xs) < 2:
        raise Refusal(f"{len(xs)} inputs")
    same = len({x.rank for x in xs}) == 1
    turn = site.first if same and any(x.moved for x in xs) else site.last
    if not same:
        return _of_one_rank(site, [site.last(x) for x in xs])
    return [turn(x) for x in xs]


def _of_one_rank(site: Site, xs: Sequence[Signal]) -> list[Signal]:
    """Return signals with axes of size 1 behind the batch, as many as Keras gives the shorter ones."""
    rank = max(x.rank for x in xs)
    return [
        x if x.rank == rank else site.emit(Unsqueeze(tuple(range(1, 1 + rank - x.rank))), [x], "unsqueeze") for x in xs
    ]


@layer("Add")
def _add(site: Site) -> Sequence[Signal]:
    return [site.emit(Add(), alike(site, site.inputs))]


@layer("Subtract")
def _subtract(site: Site) -> Sequence[Signal]:
    return [site.emit(Add((1, -1)), alike(site, site.inputs))]


@layer("Average")
def _average(site: Site) -> Sequence[Signal]:
    xs = alike(site, site.inputs)
    return [site.emit(Add((1 / len(xs),) * len(xs)), xs)]


@layer("Multiply")
def _multiply(site: Site) -> Sequence[Signal]:
    first, *others = alike(site, site.inputs)
    for k, x in enumerate(others, 1):
        first = site.emit(Multiply(), [first, x], "" if k == len(others) else f"part{k}")
    return [first]


@layer("Maximum", "Minimum")
def _extremum(site: Site) -> Sequence[Signal]:
    """The largest, or the smallest, along a new axis over which the inputs lie side by side; the winner takes all."""
    xs, least = alike(site, site.inputs), site.spec.kind == "Minimum"
    if len({x.sizes for x in xs}) > 1:
        raise Refusal(f"inputs of shapes {[x.sizes[0] for x in xs]}; only equal ones are supported")
    if least:
        xs = [site.each(Function("negative"), x, "negative") for x in xs]
    beside = site.emit(Concat(1), [site.emit(Unsqueeze((1,)), [x], "unsqueeze") for x in xs], "concat")
    best = site.emit(Max((1,), keepdims=False), [beside], "max" if least else "")
    return [site.each(Function("negative"), best) if least else best]


@layer("Concatenate")
def _concatenate(site: Site) -> Sequence[Signal]:
    xs = alike(site, site.inputs)
    return [site.emit(Concat(xs[0].axis(site.setting("axis", -1))), xs)]


# -- functions ------------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "ops.Add": "add", "ops.Subtract": "subtract", "ops.Multiply": "multiply", "ops.TrueDivide": "divide",
    "ops.Divide": "divide", "__operators__.add": "add", "math.add": "add", "math.subtract": "subtract",
    "math.multiply": "multiply", "math.truediv": "divide", "math.divide": "divide",
}  # fmt: skip
ACTIVATIONS = {
    "ops.Relu": "relu", "ops.Relu6": "relu6", "ops.Sigmoid": "sigmoid", "ops.Tanh": "tanh", "ops.Silu": "silu",
    "ops.Softplus": "softplus", "nn.relu": "relu", "nn.relu6": "relu6", "math.sigmoid": "sigmoid",
    "math.tanh": "tanh", "nn.silu": "silu", "nn.sigmoid": "sigmoid",
}  # fmt: skip


@layer(*(kind for kind in FUNCTIONS if kind.startswith("ops.")))
def _function(site: Site) -> Sequence[Signal]:
    return [_computed(site, FUNCTIONS[site.spec.kind])]


@layer(*(kind for kind in ACTIVATIONS if kind.startswith("ops.")))
def _activation(site: Site) -> Sequence[Signal]:
    return [activated(site, site.only, ACTIVATIONS[site.spec.kind], "")]


@layer("TFOpLambda")
def _old_function(site: Site) -> Sequence[Signal]:
    """A function of TensorFlow; its name is a key of the tables above, and nothing is called by it."""
    name = site.setting("function")
    if name in ACTIVATIONS:
        return [activated(site, site.only, ACTIVATIONS[name], "")]
    if name not in FUNCTIONS:
        raise Refusal(f"the function {shown(name)}")
    return [_computed(site, FUNCTIONS[name])]


def _computed(site: Site, what: str) -> Signal:
    """Return a sum or product of two operands, one of which may be a number."""
    a, b = _operands(site)
    if isinstance(a, Signal) and isinstance(b, Signal):
        return site.emit(*_of_signals(site, what, a, b))
    x, value = (a, b) if isinstance(a, Signal) else (b, a)
    if not isinstance(x, Signal):
        raise Refusal("a function of numbers alone")
    c, behind = number(value, "its operand"), x is a
    if what == "divide":
        if not behind:
            return site.each(_scaled(site, c), site.each(Power(-1), x, "inverse"))
        if c == 0:
            raise Refusal("a division by 0")
    return site.each(_with_number(site, what, c, behind=behind), x)


def _operands(site: Site) -> tuple[Any, Any]:
    values = [*site.arguments, *(site.named[k] for k in ("x", "x1", "y", "x2") if k in site.named)]
    if len(values) != 2:
        raise Refusal(f"{len(values)} operands")
    return values[0], values[1]


def _of_signals(site: Site, what: str, a: Signal, b: Signal) -> tuple[Layer, list[Signal]]:
    a, b = alike(site, [a, b])
    if what == "divide":
        b = site.each(Power(-1), b, "inverse")
    made: dict[str, Callable[[], Layer]] = {"add": Add, "subtract": lambda: Add((1, -1))}
    return made.get(what, Multiply)(), [a, b]


def _scaled(site: Site, c: float) -> Affine:
    return Affine(site.parameter([c]))


def _with_number(site: Site, what: str, c: float, *, behind: bool) -> Affine:
    """Return x + c, x − c, c − x, c·x or x/c."""
    if what == "add":
        return Affine(None, site.parameter([c]))
    if what == "subtract":
        return Affine(None, site.parameter([-c])) if behind else Affine(site.parameter([-1.0]), site.parameter([c]))
    return _scaled(site, c if what == "multiply" else 1 / c)
