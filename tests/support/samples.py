"""Sample layers and inputs for the battery: at least one for every registered layer.

Numbers are multiples of 1/4 with zeros and ties, so that float64 sums are exact and the same sample can be
computed in rationals; ``normal`` draws take their place where generic floats are wanted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from textbook import MATRICES

from lrp_ref import layers
from lrp_ref.arithmetic import rational
from lrp_ref.layers.base import Layer, Linear
from lrp_ref.layers.functions import SMOOTH

Shape = tuple[int, ...]


class Draw:
    """Numbers for one sample, seeded by its name.

    kind "grid": multiples of 1/4 in [-3, 3], about one in five 0; "normal": generic floats of both signs.
    """

    def __init__(self, name: str, kind: str = "grid") -> None:
        self.rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
        self.kind = kind

    def __call__(self, *shape: int) -> Any:
        if self.kind == "normal":
            return self.rng.normal(size=shape)
        values = self.rng.integers(-12, 13, size=shape) / 4
        values = np.where(self.rng.random(shape) < 0.2, 0.0, values)
        if len(shape) == 1 and shape[0] > 1:  # a bias has both signs
            values[:2] = abs(values[0]) + 0.25, -abs(values[1]) - 0.25
        return values

    def positive(self, *shape: int) -> Any:
        """Return numbers in [1/4, 3]."""
        if self.kind == "normal":
            return 0.25 + self.rng.random(shape)
        return self.rng.integers(1, 13, size=shape) / 4


@dataclass(frozen=True)
class Sample:
    """A layer, the shapes of one sample of each operand, and what is known about it.

    exact: whether rationals have an exact value. positive: whether inputs must be positive (log, roots).
    into: maps the numbers drawn into the domain of a function.
    more: makes operands that are no floats or not of every sample's shape, after the ``shapes``.
    """

    name: str
    build: Callable[[Draw], Layer]
    shapes: tuple[Shape, ...]
    exact: bool = True
    positive: bool = False
    more: Callable[[Draw, int], tuple[Any, ...]] | None = field(default=None)
    into: Callable[[Any], Any] = field(default=lambda x: x)

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    def layer(self, kind: str = "grid") -> Layer:
        return self.build(Draw(self.name, kind))

    def inputs(self, n: int = 3, kind: str = "grid") -> tuple[Any, ...]:
        """Return operands for a batch of n."""
        draw = Draw(f"{self.name} inputs", kind)
        some = tuple(self.into((draw.positive if self.positive else draw)(n, *shape)) for shape in self.shapes)
        return some if self.more is None else some + self.more(draw, n)

    def relevances(self, n: int = 3, kind: str = "grid", xs: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """Return random relevance for every output, never a function of the output's values."""
        out = self.layer().forward(*(self.inputs(n) if xs is None else xs))
        draw = Draw(f"{self.name} relevance", kind)
        return tuple(draw(*o.shape) for o in (out if isinstance(out, tuple) else (out,)))

    def matrix(self, layer: Layer, *, exact: bool = False) -> Any:
        """Return the layer as the textbook's explicit matrix, of the layer's number system."""
        return MATRICES[self.kind](layer, self.shapes, object if exact else np.float64)


def arrays_of(layer: Layer) -> list[Any]:
    """Return all arrays of a layer."""
    found: list[Any] = []
    layer.map_arrays(lambda a: found.append(a) or a)
    return found


def exactly(values: Any) -> Any:
    """Return floats (arrays, tuples, layers) as rationals; integers stay indices."""
    if isinstance(values, tuple):
        return tuple(exactly(v) for v in values)
    if isinstance(values, np.ndarray) and values.dtype.kind != "f":
        return values
    return rational(values)


def first(value: Any) -> Any:
    """Return the only entry of a tuple of one, for layers with one output."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _dense() -> list[Sample]:
    return [
        Sample("Dense", lambda d: layers.Dense(d(5, 4), d(4)), ((5,),)),
        Sample("Dense-no-bias", lambda d: layers.Dense(d(4, 3)), ((4,),)),
        Sample("Dense-time", lambda d: layers.Dense(d(3, 2), d(2)), ((4, 3),)),
        Sample("Dense-one-unit", lambda d: layers.Dense(d(6, 1), d(1)), ((6,),)),
        Sample("Dense-dead-unit", lambda d: layers.Dense(d(3, 3) * np.array([1.0, 0.0, 1.0]), d(3) * 0), ((3,),)),
    ]


def _conv() -> list[Sample]:
    def conv(name: str, weight: Shape, shape: Shape, bias: Shape | None = None, **options: Any) -> Sample:
        size = weight[:1] if bias is None else bias
        return Sample(f"Conv-{name}", lambda d: layers.Conv(d(*weight), d(*size), **options), (shape,))

    return [
        conv("1d", (2, 2, 3), (2, 6)),
        conv("2d", (2, 2, 2, 3), (2, 4, 4)),
        conv("3d", (2, 1, 2, 2, 2), (1, 3, 3, 3)),
        conv("3d-channels", (2, 2, 2, 1, 2), (2, 2, 2, 3), stride=(1, 2, 1)),
        conv("stride", (3, 2, 2, 2), (2, 5, 4), stride=(2, 1)),
        conv("stride-over-kernel", (2, 1, 2, 1), (1, 5, 4), stride=3),
        conv("asymmetric", (2, 2, 3, 2), (2, 3, 4), padding=((2, 0), (0, 1)), stride=(1, 2)),
        conv("dilation", (2, 2, 2, 2), (2, 4, 4), dilation=(2, 3), padding=1),
        conv("groups", (4, 2, 2, 2), (4, 2, 3), groups=2, padding=((1, 0), (0, 0))),
        conv("depthwise", (3, 1, 2, 2), (3, 3, 4), groups=3, stride=(1, 2)),
        conv("depthwise-multiplier", (4, 1, 3), (2, 5), groups=2, padding=((0, 2),), dilation=2),
        conv("pointwise", (3, 2, 1, 1), (2, 3, 2)),
        conv("pointwise-stride", (2, 3, 1, 1), (3, 3, 4), stride=2),
        conv("whole-input", (3, 2, 3, 2), (2, 3, 2)),
        conv("windows-in-padding", (2, 2, 1, 2), (2, 2, 3), padding=2),
        conv("map-bias", (2, 1, 2, 2), (1, 3, 3), bias=(2, 2, 2)),
        Sample("Conv-no-bias", lambda d: layers.Conv(d(2, 2, 2)), ((2, 5),)),
    ]


def _conv_transpose() -> list[Sample]:
    def conv(name: str, weight: Shape, shape: Shape, outs: int, **options: Any) -> Sample:
        return Sample(f"ConvTranspose-{name}", lambda d: layers.ConvTranspose(d(*weight), d(outs), **options), (shape,))

    return [
        conv("1d", (2, 2, 3), (2, 4), 2),
        conv("2d", (2, 2, 2, 3), (2, 3, 2), 2, stride=(2, 1)),
        conv("3d", (1, 2, 2, 1, 2), (1, 2, 2, 2), 2, stride=2),
        conv("asymmetric", (2, 1, 3, 2), (2, 2, 3), 1, padding=((1, 0), (0, 2)), stride=(2, 2)),
        conv("output-padding", (2, 2, 2), (2, 3), 2, stride=3, output_padding=2),
        conv("output-padding-dilation", (2, 2, 2), (2, 3), 2, dilation=2, output_padding=1),
        conv("dilation", (2, 2, 2, 2), (2, 2, 2), 2, dilation=(2, 3), padding=1),
        conv("groups", (4, 2, 2), (4, 3), 4, groups=2, stride=2),
        conv("depthwise", (3, 1, 2, 2), (3, 2, 2), 3, groups=3, padding=1, stride=2),
        Sample("ConvTranspose-no-bias", lambda d: layers.ConvTranspose(d(2, 2, 2)), ((2, 3),)),
    ]


def _pools() -> list[Sample]:
    def pool(kind: str, name: str, shape: Shape, *args: Any, **options: Any) -> Sample:
        return Sample(f"{kind}-{name}", lambda d: getattr(layers, kind)(*args, **options), (shape,))

    found = []
    for kind in ("SumPool", "AveragePool", "MaxPool"):
        found += [
            pool(kind, "1d", (2, 6), 2),
            pool(kind, "overlap", (2, 4, 5), (2, 3), stride=(1, 2)),
            pool(kind, "3d", (1, 3, 3, 2), 2, stride=1),
            pool(kind, "padding", (1, 4, 3), 3, stride=2, padding=1),
            pool(kind, "asymmetric", (2, 3, 4), 2, stride=2, padding=((1, 0), (0, 1))),
            pool(kind, "ceil", (1, 5, 4), (2, 3), stride=2, ceil_mode=True),
            pool(kind, "ceil-padding", (1, 4, 6), 3, stride=2, padding=1, ceil_mode=True),
            pool(kind, "ceil-start-in-padding", (1, 3, 4), 2, stride=2, padding=1, ceil_mode=True),
            pool(kind, "dilation", (1, 5, 5), 2, stride=1, dilation=2, padding=((1, 0), (0, 1))),
        ]
    for name, options in {
        "padding": {"kernel": 3, "stride": 2, "padding": 1},
        "ceil-padding": {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        "asymmetric": {"kernel": 2, "stride": 2, "padding": ((1, 0), (0, 1))},
    }.items():
        found.append(pool("AveragePool", f"valid-{name}", (1, 4, 6), count_include_pad=False, **options))
        found.append(pool("MaxPool", f"share-{name}", (1, 4, 6), ties="share", **options))
    found += [
        pool("SumPool", "factor", (2, 4, 4), 2, factor=0.5),
        pool("MaxPool", "share-overlap", (2, 5), 3, stride=1, ties="share"),
        pool("MaxPool", "window-in-padding", (2, 1), 2, stride=1, padding=2, dilation=3),
        pool("GlobalAveragePool", "2d", (2, 2, 3)),
        pool("GlobalAveragePool", "flat", (2, 4), keepdims=False),
        pool("GlobalMaxPool", "first", (2, 2, 4)),
        pool("GlobalMaxPool", "share", (3, 6), keepdims=False, ties="share"),
        pool("Sum", "spatial", (2, 2, 3)),
        pool("Sum", "channels", (3, 2), axes=(1,), keepdims=False),
        pool("Sum", "all", (2, 3), axes=(1, -1), keepdims=False, factor=0.5),
        pool("Mean", "spatial", (2, 3, 2)),
        pool("Mean", "last", (3, 3), axes=(-1,), keepdims=False),
        pool("Mean", "features", (3,), axes=(1,)),
    ]
    return found


def _affine() -> list[Sample]:
    return [
        Sample("Affine-features", lambda d: layers.Affine(d(4), d(4)), ((4,),)),
        Sample("Affine-channels", lambda d: layers.Affine(d(3), d(3)), ((3, 2, 2),)),
        Sample("Affine-scale", lambda d: layers.Affine(scale=d(2)), ((2, 3),)),
        Sample("Affine-shift", lambda d: layers.Affine(shift=d(2)), ((2, 3),)),
        Sample("Affine-elements", lambda d: layers.Affine(d(2, 2, 3), d(2, 1, 3)), ((2, 2, 3),)),
        Sample("Affine-enlarging", lambda d: layers.Affine(d(3, 1), d(3, 4)), ((1, 4),)),
        Sample("Affine-enlarging-shift", lambda d: layers.Affine(shift=d(3, 4)), ((1, 4),)),
        Sample("Affine-number", lambda d: layers.Affine(d(), d()), ((2, 3),)),
    ]


def _distances() -> list[Sample]:
    def distance(name: str, precision: Shape | None = None, offset: bool = False, **options: Any) -> Sample:
        def build(d: Draw) -> Layer:
            centers, weights = d(3, 4), None if precision is None else d(*precision)
            return layers.SquaredDistance(centers, weights, d(3) if offset else None, **options)

        return Sample(f"SquaredDistance-{name}", build, ((4,),))

    return [
        distance("plain"),
        distance("offset", None, True),
        distance("diagonal", (3, 4), True, factor=-0.5),
        distance("diagonal-tied", (1, 4)),
        distance("spherical", (3, 1), True),
        distance("full", (3, 4, 4), True, factor=0.5),
        distance("full-tied", (1, 4, 4)),
        Sample("SquaredDistance-one", lambda d: layers.SquaredDistance(d(1, 1)), ((1,),)),
        Sample("SquaredDistance-as-many", lambda d: layers.SquaredDistance(d(3, 3), d(3, 3)), ((3,),)),
    ]


def _contrasts() -> list[Sample]:
    def softmin(name: str, shape: Shape, *args: Any, exact: bool = False, **options: Any) -> Sample:
        return Sample(f"SoftMin-{name}", lambda d: layers.SoftMin(*args, **options), (shape,), exact=exact)

    return [
        *(Sample(f"PairDifference-{k}", lambda d: layers.PairDifference(), ((k,),)) for k in (2, 3, 5)),
        softmin("most", (5,)),
        softmin("rows", (3, 4), 0.5),
        softmin("one", (1,)),
        softmin("mean", (5,), 2.0, share="mean"),
        softmin("mean-rows", (3, 2), share="mean"),
        softmin("hard", (3, 4), 0.75, hard=True),
        softmin("hard-mean", (4,), hard=True, share="mean"),
        softmin("infinite", (5,), np.inf, exact=True),
        softmin("infinite-rows", (2, 4), np.inf, exact=True, hard=True),
        softmin("infinite-mean", (4,), np.inf, exact=True, share="mean"),
    ]


def _merge() -> list[Sample]:
    return [
        Sample("Add-two", lambda d: layers.Add(), ((2, 3), (2, 3))),
        Sample("Add-three", lambda d: layers.Add(), ((4,), (4,), (4,))),
        Sample("Add-one", lambda d: layers.Add(), ((4,),)),
        Sample("Add-subtract", lambda d: layers.Add((1, -1)), ((2, 3), (2, 3))),
        Sample("Add-coefficients", lambda d: layers.Add((0.5, -2, 0)), ((3,), (3,), (3,))),
        Sample("Add-broadcast", lambda d: layers.Add(), ((2, 3), (2, 1))),
        Sample("Multiply-gate-first", lambda d: layers.Multiply(gate=0), ((2, 3), (2, 3))),
        Sample("Multiply-gate-second", lambda d: layers.Multiply(gate=1), ((5,), (5,))),
        Sample("Multiply-no-gate", lambda d: layers.Multiply(), ((5,), (5,))),
        Sample("Multiply-broadcast", lambda d: layers.Multiply(gate=0), ((3, 1, 1), (3, 2, 2))),
        Sample("MatMul-weights", lambda d: layers.MatMul(gate=0), ((3, 4), (4, 2))),
        Sample("MatMul-gate-second", lambda d: layers.MatMul(gate=1), ((2, 3, 2), (2, 2, 1))),
        Sample("MatMul-no-gate", lambda d: layers.MatMul(), ((2, 3, 2), (2, 2, 3))),
        Sample("MatMul-broadcast", lambda d: layers.MatMul(), ((2, 3, 2), (1, 2, 2))),
        Sample("Where-masks", lambda d: layers.Where(), ((2, 3), (2, 3), (2, 3))),
        Sample("Where-broadcast", lambda d: layers.Where(), ((2, 1), (2, 3), (1, 3))),
        Sample("Compare-bound", lambda d: layers.Compare("greater", d(3)), ((2, 3),)),
        Sample("Compare-number", lambda d: layers.Compare("greater_equal", np.zeros(())), ((2, 3),)),
        *(
            Sample(f"Compare-{how}", lambda d, how=how: layers.Compare(how, d(3)), ((2, 3),))
            for how in ("equal", "not_equal", "less", "less_equal")
        ),
        Sample("Compare-signals", lambda d: layers.Compare("equal"), ((2, 3), (1, 3))),
        Sample("Concat-channels", lambda d: layers.Concat(), ((2, 3), (1, 3), (3, 3))),
        Sample("Concat-last", lambda d: layers.Concat(axis=-1), ((2, 2), (2, 3))),
        Sample("Concat-one", lambda d: layers.Concat(), ((2, 2),)),
    ]


def _elementwise() -> list[Sample]:
    kinked = {
        "ReLU": [{}], "Abs": [{}], "Identity": [{}], "HardTanh": [{}], "HardSwish": [{}],
        "LeakyReLU": [{}, {"alpha": 0.25}], "Clip": [{"low": 0, "high": 1}, {"low": -1}, {"high": 1}, {}],
        "HardSigmoid": [{"alpha": 0.25}, {}], "Function": [{"name": n} for n in ("negative", "sign", "softsign")],
        "Shrink": [{"bias": 0.25}, {"threshold": 1, "bias": 1}],
        "ThresholdedReLU": [{}, {"alpha": -0.5}],
    }  # fmt: skip
    smooth = {
        "ELU": [{}, {"alpha": 0.5, "scale": 2.0}], "SELU": [{}], "GELU": [{}, {"approximate": "tanh"}],
        "Sigmoid": [{}], "SiLU": [{}], "Tanh": [{}], "Softplus": [{}, {"beta": 3.0}], "Exp": [{}],
        "CELU": [{}, {"alpha": 0.5}], "Swish": [{}, {"alpha": 1.702}],
    }  # fmt: skip
    found = []
    for table, exact in ((kinked, True), (smooth, False)):
        for kind, variants in table.items():
            for k, options in enumerate(variants):
                build = getattr(layers, kind)
                found.append(Sample(f"{kind}-{k}", lambda d, b=build, o=options: b(**o), ((2, 3),), exact=exact))
    return [
        *found,
        Sample("LeakyReLU-channels", lambda d: layers.LeakyReLU(d(3)), ((3, 2, 2),)),
        Sample("LeakyReLU-features", lambda d: layers.LeakyReLU(d(4)), ((4,),)),
        *[
            Sample(f"Function-{name}", lambda d, n=name: layers.Function(n), ((2, 3),), exact=False,
                   into=DOMAINS.get(name, lambda x: x))
            for name in SMOOTH
        ],
        Sample("Bounds-channels", lambda d: layers.Bounds(low=d(3) - 1, high=d(3) * 0 + 0.5), ((3, 2),)),
        Sample("Bounds-elements", lambda d: layers.Bounds(high=d(2, 3) - 1), ((2, 3),)),
        Sample("Bounds-low", lambda d: layers.Bounds(low=d(1, 3)), ((2, 3),)),
        Sample("LogCount", lambda d: layers.LogCount(), ((5,),), exact=False, into=abs),
        Sample("Step", lambda d: layers.Step(), ((2, 3),)),
        Sample("Step-half", lambda d: layers.Step(0.5), ((5,),)),
        Sample("Centred-features", lambda d: layers.Centred(d(4), d.positive(4)), ((4,),)),
        Sample("Centred-channels", lambda d: layers.Centred(d(3), d(3)), ((3, 2),)),
        Sample("Centred-elements", lambda d: layers.Centred(d(2, 3)), ((2, 3),)),
        Sample("Log-positive", lambda d: layers.Log(), ((2, 3),), exact=False, positive=True),
        Sample("Power-square", lambda d: layers.Power(), ((5,),)),
        Sample("Power-root", lambda d: layers.Power(0.5), ((5,),), exact=False, positive=True),
        Sample("Power-cube", lambda d: layers.Power(3), ((5,),), exact=False),
        Sample("Power-inverse", lambda d: layers.Power(-1.0), ((5,),), exact=False, positive=True),
        Sample("Power-channels", lambda d: layers.Power(d(3)), ((3, 2),), exact=False, positive=True),
    ]  # fmt: skip


DOMAINS: dict[str, Callable[[Any], Any]] = {
    "asin": lambda x: x / 8, "acos": lambda x: x / 8, "atanh": lambda x: x / 8, "acosh": lambda x: np.abs(x) + 1.25,
    "tan": lambda x: x / 4,
}  # fmt: skip


def _normalizations() -> list[Sample]:
    def normal(name: str, shape: Shape, **options: Any) -> Sample:
        return Sample(f"Normalize-{name}", lambda d: layers.Normalize(**options), (shape,), exact=False)

    def local(name: str, shape: Shape, size: int, **options: Any) -> Sample:
        whole = float(options.get("beta", 0.75)).is_integer()  # other powers have no exact value
        return Sample(f"LocalResponseNorm-{name}", lambda d: layers.LocalResponseNorm(size, **options), (shape,),
                      exact=whole)  # fmt: skip

    def unit(norm: str, shape: Shape) -> Sample:
        return Sample(f"UnitNorm-{norm}", lambda d: layers.UnitNorm(norm), (shape,), exact=norm != "l2")

    return [
        *(unit(norm, (5,)) for norm in ("l1", "l2", "max")),
        normal("features", (5,), epsilon=0.5),
        normal("last", (2, 4)),
        normal("spatial", (2, 3, 2), axes=(2, 3), epsilon=0.25),
        normal("channels", (3, 2), axes=(1,), centre=False),
        normal("all", (2, 3), axes=(1, -1), centre=False, epsilon=0.125),
        normal("groups", (4, 3), axes=(1, 2), groups=2, epsilon=0.125),
        normal("groups-not-centred", (4, 2), axes=(1,), groups=2, centre=False),
        local("odd", (4, 2), 3, alpha=0.5, beta=0.75, bias=2.0),
        local("even", (5, 2, 2), 4, alpha=2.0, beta=1.0),
        local("torch", (5, 3), 4, alpha=2.0, beta=2.0, bias=0.5, window="torch"),
        local("wide", (2, 3), 5, alpha=1.0),
        local("one", (3,), 1, alpha=1.0, beta=0.5),
    ]


def _kernels() -> list[Sample]:
    def additive(kernel: str, name: str = "", outputs: int = 2, **options: Any) -> Sample:
        positive = kernel not in ("linear", "signed_hellinger")

        def build(d: Draw) -> Layer:
            supports = d.positive(5, 3) if positive else d(5, 3)
            return layers.AdditiveKernel(supports, d(5, outputs), d(outputs) if outputs > 1 else None, kernel)

        exact = "hellinger" not in kernel
        return Sample(f"AdditiveKernel-{kernel}{name}", build, ((3,),), exact=exact, positive=positive)

    def distance(kind: str, *, offset: bool) -> Sample:
        def build(d: Draw) -> Layer:
            centers = d.positive(4, 3) if kind == "chi2" else d(4, 3)
            return layers.FeatureDistance(centers, kind, d(4) if offset else None)

        return Sample(f"FeatureDistance-{kind}", build, ((3,),), positive=kind == "chi2")

    def machine(kernel: str, name: str = "", *, exact: bool = False, **options: Any) -> Sample:
        positive = kernel == "chi2_rbf"

        def build(d: Draw) -> Layer:
            supports = d.positive(4, 3) if positive else d(4, 3)
            # Either side of 0 has reference points: far out, odd kernels have the other sign on the other side.
            coefficients = d(4, 2) + np.array([[4.0, -4.0], [-4.0, 4.0], [4.0, 4.0], [-4.0, -4.0]])
            far = None if positive else np.concatenate([supports, 10 * supports, -10 * supports])
            return layers.KernelMachine(supports, coefficients, kernel=kernel, reference=far, **options)

        return Sample(f"KernelMachine-{kernel}{name}", build, ((3,),), exact=exact, positive=positive)

    return [
        *map(additive, ("linear", "intersection", "hellinger", "signed_hellinger", "chi2", "additive_chi2")),
        additive("intersection", "-one", 1),
        distance("absolute", offset=False),
        distance("chi2", offset=True),
        machine("rbf", gamma=0.5),
        machine("rbf", "-taylor", gamma=0.5, way="taylor"),
        machine("poly", "-taylor", exact=True, gamma=0.5, degree=2, coef0=0.25, way="taylor"),
        machine("sigmoid", gamma=0.5, coef0=0.25),
        machine("chi2_rbf", gamma=2.0),
        machine("laplacian", gamma=0.5),
        machine("cosine"),
    ]


def _scans() -> list[Sample]:
    def scan(name: str, shape: tuple[int, int, int], *, skip: bool = True, decay: str = "linear", state: bool = False,
             ) -> Sample:  # fmt: skip
        steps, channels, states = shape
        shapes = ((steps, channels),) * 2 + ((steps, states),) * 2 + ((channels, states),) * state

        def build(d: Draw) -> Layer:
            a = -np.abs(d(channels, states)) / 2
            return layers.SelectiveScan(a, d(channels) if skip else None, decay, state)

        return Sample(f"SelectiveScan-{name}", build, shapes, exact=decay == "linear", into=lambda x: x / 2)

    return [
        scan("exp", (4, 3, 2), decay="exp"),
        scan("exp-state", (3, 2, 3), decay="exp", skip=False, state=True),
        scan("linear", (4, 3, 2)),
        scan("linear-state", (3, 2, 2), state=True),
        scan("linear-plain", (2, 1, 1), skip=False),
        scan("one-step", (1, 2, 3), state=True),
    ]


def _aggregates() -> list[Sample]:
    def of(kind: str, name: str, shape: Shape, *, exact: bool = True, **options: Any) -> Sample:
        return Sample(f"{kind}-{name}", lambda d: getattr(layers, kind)(**options), (shape,), exact=exact)

    return [
        of("Max", "channels", (3, 2), axes=(1,), keepdims=False),
        of("Max", "share", (3, 2, 2), axes=(1, -1), ties="share"),
        of("Max", "spatial", (2, 2, 3)),
        of("Max", "features", (4,), axes=(1,), keepdims=False),
        of("Prod", "spatial", (2, 2, 2)),
        of("Prod", "channels", (3, 2), axes=(1,), keepdims=False),
        of("Prod", "all", (2, 3), axes=(2, 1)),
        of("LogSumExp", "one", (1, 2), axes=(1,), exact=False),
        of("LogSumExp", "spatial", (2, 2, 3), exact=False),
        of("LogSumExp", "channels", (3, 2), axes=(1,), keepdims=False, exact=False),
    ]


def _route() -> list[Sample]:
    def route(name: str, shape: Shape, *args: Any, **options: Any) -> Sample:
        kind = name.partition("-")[0]
        return Sample(name, lambda d: getattr(layers, kind)(*args, **options), (shape,))

    return [
        route("Flatten-all", (2, 3, 2)),
        route("Flatten-from-two", (2, 3, 2), start=2),
        route("Flatten-features", (4,)),
        route("Reshape-known", (2, 6), (3, 4)),
        route("Reshape-open", (2, 3, 2), (-1, 3)),
        route("Squeeze-two", (1, 3, 1), (1, -1)),
        route("Unsqueeze-two", (3, 2), (1, -1)),
        route("Transpose-image", (2, 3, 4), (0, 3, 1, 2)),
        route("Transpose-default", (2, 3)),
        route("Slice-one", (5, 3), axes=(1,), starts=(1,), stops=(4,), steps=(2,)),
        route("Slice-backwards", (2, 5), axes=(2, 1), starts=(None, 0), stops=(None, 1), steps=(-2, 1)),
        route("Split-three", (6, 2), (1, 3, 2)),
        route("Split-last", (2, 4), (3, 1), axis=-1),
        route("Split-one", (4, 2), (4,)),
        route("Gather-repeated", (4, 2), (2, 0, 2, -1)),
        route("Gather-one", (2, 4), -2, axis=2),
        route("Pad-constant", (2, 3), ((0, 0), (2, 1))),
        route("Pad-value", (2, 2, 2), ((0, 0), (1, 0), (0, 2)), value=0.5),
        route("Pad-channels", (1, 3), ((1, 2), (0, 0)), value=-1.5),
        route("Pad-crop", (2, 4, 3), ((0, 0), (-1, 2), (1, -2))),
        route("Pad-reflect", (2, 3, 4), ((0, 0), (2, 1), (0, 3)), mode="reflect"),
        route("Pad-reflect-crop", (1, 5), ((0, 0), (-1, 2)), mode="reflect"),
        route("Pad-edge", (2, 2, 3), ((1, 0), (0, 2), (3, 0)), mode="edge"),
        route("Pad-edge-crop", (1, 5), ((0, 0), (2, -2)), mode="edge"),
        Sample("Pad-value-per-channel", lambda d: layers.Pad(((0, 0), (1, 2)), value=d(2)), ((2, 3),)),
        route("Upsample-1d", (2, 3), (2,)),
        route("Upsample-2d", (1, 2, 3), (3, 2)),
    ]


def _cells() -> list[Sample]:
    """Cells with a plain loop; those whose functions have exact values on rationals have them themselves."""
    exactly = {"gate": ("hardsigmoid", 0.25, 0.5), "activation": "relu"}
    plainly = {"reset_after": False}

    def lengths(d: Draw, n: int) -> tuple[Any, ...]:
        return ((np.arange(n) * 2 + 3) % 5,)

    def cell(kind: str, name: str, gates: int, more: Any = None, count: int = 1, **options: Any) -> Sample:
        def build(d: Draw) -> Layer:
            weights = d(count, gates, 2, 3) / 2, d(count, gates, 2, 2) / 2, d(count, gates, 2) / 2
            own = {key: d(*value[0]) / 2 if isinstance(value, list) else value for key, value in options.items()}
            return getattr(layers, kind)(*weights, **own)

        exact = options.get("activation") == "relu"
        return Sample(f"{kind}-{name}", build, ((4, 3),), exact=exact, more=more)

    def operands(states: int, count: int, given: bool = True) -> Callable[[Draw, int], tuple[Any, ...]]:
        return lambda d, n: (*(lengths(d, n) if given else ()), *(d(n, count, 2) for _ in range(states)))

    whole = {"direction": "bidirectional", "returns": "all", "lengths": True, "state": True}
    return [
        cell("RNN", "sequence", 1),
        cell("RNN", "exact", 1, activation="relu", returns="last"),
        cell("RNN", "everything", 1, operands(1, 2), 2, activation="relu", clip=1.5, **whole),
        cell("GRU", "sequence", 3, bias_hidden=[(1, 2)]),
        cell("GRU", "reset-before", 3, reset_after=False, returns="last"),
        cell("GRU", "reverse-lengths", 3, lengths, direction="reverse", lengths=True, bias_hidden=[(1, 2)]),
        cell("GRU", "exact", 3, returns="last", bias_hidden=[(1, 2)], **exactly),
        cell("GRU", "exact-reset-before", 3, operands(1, 1, False), state=True, **exactly, **plainly),
        cell("GRU", "everything", 3, operands(1, 2), 2, bias_hidden=[(2, 2)], clip=2.0, **whole),
        cell("GeneralLSTM", "peepholes", 4, peephole=[(1, 3, 2)]),
        cell("GeneralLSTM", "coupled", 4, coupled=True, returns="last", output_activation="linear"),
        cell("GeneralLSTM", "exact", 4, peephole=[(1, 3, 2)], output_activation="relu", **exactly),
        cell("GeneralLSTM", "everything", 4, operands(2, 2), 2, peephole=[(2, 3, 2)], coupled=True, clip=1.25, **whole),
    ]


def _lstm() -> list[Sample]:
    def lengths(d: Draw, n: int) -> tuple[Any, ...]:
        return ((np.arange(n) * 2 + 3) % 5,)  # 3, 0, 2, 4, 1, ... of 4 steps

    def state(count: int) -> Callable[[Draw, int], tuple[Any, ...]]:
        return lambda d, n: (d(n, count, 2), d(n, count, 2))

    def both(count: int) -> Callable[[Draw, int], tuple[Any, ...]]:
        return lambda d, n: lengths(d, n) + state(count)(d, n)

    def lstm(name: str, extra: Any = None, count: int = 1, **options: Any) -> Sample:
        def build(d: Draw) -> Layer:
            return layers.LSTM(d(count, 4, 2, 3) / 2, d(count, 4, 2, 2) / 2, d(count, 4, 2) / 2, **options)

        return Sample(f"LSTM-{name}", build, ((4, 3),), exact=False, more=extra)

    return [
        lstm("sequence"),
        lstm("last", returns="last"),
        lstm("all", returns="all"),
        lstm("reverse", direction="reverse"),
        lstm("both-ways", count=2, direction="bidirectional"),
        lstm("both-ways-all-state", state(2), count=2, direction="bidirectional", returns="all", state=True),
        lstm("lengths", lengths, lengths=True),
        lstm("lengths-reverse-last", lengths, direction="reverse", returns="last", lengths=True),
        lstm("everything", both(2), 2, direction="bidirectional", returns="all", lengths=True, state=True),
    ]


def _lookup() -> list[Sample]:
    def tokens(*shape: int) -> Callable[[Draw, int], tuple[Any, ...]]:
        return lambda d, n: (np.arange(n * int(np.prod(shape))).reshape(n, *shape) * 3 % 9 - 4,)  # -4 … 4 of 5 rows

    return [
        Sample("Embedding-words", lambda d: layers.Embedding(d(5, 3)), (), more=tokens(4)),
        Sample("Number-counts", lambda d: layers.Number(np.ones(1)), (), more=tokens(2, 3)),
        Sample("Constant-token", lambda d: layers.Constant(d(1, 3)), ((2, 2),)),
        Sample("Constant-number", lambda d: layers.Constant(d()), ((3,),)),
        Sample("Embedding-one-number", lambda d: layers.Embedding(d(5, 2)), (), more=tokens()),
    ]


def _softmax() -> list[Sample]:
    return [
        Sample("Softmax-classes", lambda d: layers.Softmax(), ((4,),), exact=False),
        Sample("Softmax-last", lambda d: layers.Softmax(axis=-1), ((2, 3),), exact=False),
        Sample("Softmax-log", lambda d: layers.Softmax(log=True), ((4,),), exact=False),
    ]


def _lengths() -> list[Sample]:
    def on_a_centre(d: Draw) -> Layer:
        return layers.Distance(np.zeros((2, 1)) + np.arange(1, 3).reshape(2, 1) / 4, d(2), factor=0.5)

    return [
        Sample("Distance", lambda d: layers.Distance(d(4, 3), d(4) - 9, factor=2.0), ((3,),), exact=False),
        Sample("Distance-bare", lambda d: layers.Distance(d(3, 2)), ((2,),), exact=False),
        Sample("Distance-on-a-centre", on_a_centre, ((1,),), exact=False, into=lambda x: np.clip(x, 0.25, 0.5)),
    ]


def _encodings() -> list[Sample]:
    def fisher(name: str, images: Shape, components: int, **options: Any) -> Sample:
        def build(d: Draw) -> Layer:
            weights, shape = d.positive(components), (components, images[1])
            return layers.FisherVector(weights / weights.sum(), d(*shape) / 2, d.positive(*shape), **options)

        return Sample(f"FisherVector-{name}", build, (images,), exact=False, into=lambda x: x / 2)

    def words(name: str, images: Shape, many: int, **options: Any) -> Sample:
        exact = bool(options.get("hard"))  # a soft assignment has exponential functions
        return Sample(f"SoftAssign-{name}", lambda d: layers.SoftAssign(d(many, images[1]) / 2, **options), (images,),
                      exact=exact, into=lambda x: x / 2)  # fmt: skip

    return [
        fisher("image", (4, 2), 3),
        fisher("one-descriptor", (1, 3), 2, convention="skimage"),
        fisher("one-component", (3, 2), 1),
        words("soft", (4, 2), 3, beta=0.75),
        words("hard", (5, 2), 3, hard=True),
        words("one-descriptor", (1, 2), 2),
        Sample("SignedRoot-features", lambda d: layers.SignedRoot(), ((5,),), exact=False),
    ]


SAMPLES = [
    sample
    for some in (
        _dense,
        _conv,
        _conv_transpose,
        _pools,
        _affine,
        _distances,
        _contrasts,
        _merge,
        _elementwise,
        _route,
        _lookup,
        _normalizations,
        _kernels,
        _scans,
        _aggregates,
        _lstm,
        _cells,
        _softmax,
        _lengths,
        _encodings,
    )
    for sample in some()
]
BY_NAME = {sample.name: sample for sample in SAMPLES}
LINEAR = [s for s in SAMPLES if isinstance(s.layer(), Linear)]


def some(*names: str) -> list[Sample]:
    """Return the samples of these names."""
    return [BY_NAME[name] for name in names]
