"""The second, independent computation: every linear layer as an explicit matrix, every rule as its messages.

Built on ``lrp_ref.literal``, which imports nothing from the layers and rules under test; what the literal has no
function for (reductions, broadcasting sums, dilated pools) is written out here by index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from lrp_ref import rules
from lrp_ref.literal import Matrix, lstm, matrices, stabilisers
from lrp_ref.literal import rules as textbook
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Rule, WithBias

Shape = tuple[int, ...]


def number(value: Any, exact: bool) -> Any:
    """Return a parameter as a rational or as a float."""
    return Fraction(value) if exact else float(value)


# Matrices ----------------------------------------------------------------------------------------------------


def connect(shape: Shape, out: Shape, pairs: Any, weight: Any, dtype: Any) -> Matrix:
    """Return the matrix without bias with ``weight`` at the flat (input, output) index pairs."""
    size = (int(np.prod(shape)), int(np.prod(out)))
    matrix, taps = np.zeros(size, dtype), np.zeros(size, bool)
    for i, j in pairs:
        matrix[i, j] = weight(j) if callable(weight) else weight
        taps[i, j] = True
    return Matrix(matrix, np.zeros(size[1], dtype), taps, out)


def _dense(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    (shape,) = shapes
    one = matrices.dense(layer.weight, layer.bias)
    places = int(np.prod(shape[:-1]))
    (inputs, outputs), taps = layer.weight.shape, np.zeros((places, shape[-1], places, layer.weight.shape[1]), bool)
    weight = np.zeros(taps.shape, dtype)
    for p in range(places):
        weight[p, :, p], taps[p, :, p] = one.weight, True
    size = (places * inputs, places * outputs)
    out = (*shape[:-1], outputs)
    return Matrix(weight.reshape(size), np.tile(one.bias, places), taps.reshape(size), out)


def _conv(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    options = {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "groups")}
    mapped = layer.bias is not None and layer.bias.ndim > 1
    found = matrices.conv(layer.weight, None if mapped else layer.bias, input_shape=shapes[0], **options)
    return Matrix(found.weight, layer.bias.reshape(-1), found.taps, found.output_shape) if mapped else found


def _conv_transpose(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    options = {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "groups", "output_padding")}
    return matrices.conv_transpose(layer.weight, layer.bias, input_shape=shapes[0], **options)


def _window_options(layer: Any) -> dict[str, Any]:
    return {k: getattr(layer, k) for k in ("stride", "padding", "ceil_mode")}


def _dilated(layer: Any, shape: Shape, dtype: Any, weight: Any) -> Matrix:
    """A dilated pool is a depthwise convolution with equal weights."""
    axes = len(shape) - 1
    kernel = (layer.kernel,) * axes if isinstance(layer.kernel, int) else layer.kernel
    bank = np.zeros((shape[0], 1, *kernel), dtype)
    bank[...] = weight(int(np.prod(kernel)))
    stride = kernel if layer.stride is None else layer.stride
    return matrices.conv(
        bank, input_shape=shape, stride=stride, padding=layer.padding, dilation=layer.dilation, groups=shape[0]
    )


def _scaled(matrix: Matrix, factor: Any) -> Matrix:
    return Matrix(matrix.weight * factor, matrix.bias, matrix.taps, matrix.output_shape)


def _sum_pool(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    factor = number(layer.factor, dtype is object)
    if layer.dilation != 1:
        return _scaled(_dilated(layer, shapes[0], dtype, lambda k: 1), factor)
    found = matrices.sum_pool(shapes[0], layer.kernel, dtype=dtype, **_window_options(layer))
    return _scaled(found, factor)


def _average_pool(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    if layer.dilation != 1:
        assert layer.count_include_pad
        assert not layer.ceil_mode
        return _dilated(layer, shapes[0], dtype, lambda k: number(Fraction(1, k), dtype is object))
    options = {**_window_options(layer), "count_include_pad": layer.count_include_pad}
    return matrices.average_pool(shapes[0], layer.kernel, dtype=dtype, **options)


def _reduction(layer: Any, shapes: Any, dtype: Any, *, mean: bool = False) -> Matrix:
    (shape,) = shapes
    axes = range(1, len(shape)) if layer.axes is None else [(a - 1 if a > 0 else a % len(shape)) for a in layer.axes]
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    target = np.broadcast_to(np.arange(int(np.prod(kept))).reshape(kept), shape).ravel()
    count = len(target) // int(np.prod(kept)) if mean else 1
    factor = number(Fraction(layer.factor) / count, dtype is object)
    out = kept if layer.keepdims else tuple(n for k, n in enumerate(shape) if k not in axes)
    return connect(shape, out, enumerate(target), factor, dtype)


def _affine(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    """y = s x + t by index; the parameters may enlarge the sample."""
    (shape,) = shapes

    def fit(value: Any, default: Any) -> Any:
        value = np.full((), number(default, dtype is object), dtype) if value is None else value
        return value.reshape(-1, *(1,) * (len(shape) - 1)) if value.ndim == 1 and len(shape) > 1 else value

    scale, shift = fit(layer.scale, 1), fit(layer.shift, 0)
    out = np.broadcast_shapes(shape, scale.shape, shift.shape)
    source = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), out).ravel()
    factors = np.broadcast_to(scale, out).ravel()
    found = connect(shape, out, zip(source, range(len(source)), strict=True), lambda j: factors[j], dtype)
    return Matrix(found.weight, np.broadcast_to(shift, out).ravel(), found.taps, out)


def _add(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    """A broadcasting sum by index: the inputs are the flattened operands in a row."""
    out = np.broadcast_shapes(*shapes)
    weights, taps = [], []
    for shape, c in zip(shapes, layer.coefficients or (1,) * len(shapes), strict=True):
        source = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), out).ravel()
        found = connect(shape, out, zip(source, range(len(source)), strict=True), number(c, dtype is object), dtype)
        weights.append(found.weight)
        taps.append(found.taps)
    return Matrix(np.concatenate(weights), found.bias, np.concatenate(taps), out)


def _pair_difference(layer: Any, shapes: Any, dtype: Any) -> Matrix:
    """h_ck = f_c − f_k for k ≠ c, by index: +1 at c and −1 at k."""
    ((many,),) = shapes
    found = np.zeros((many, many, many - 1), dtype)
    for c in range(many):
        for place, k in enumerate(k for k in range(many) if k != c):
            found[c, c, place], found[k, c, place] = number(1, dtype is object), number(-1, dtype is object)
    found = found.reshape(many, -1)
    return Matrix(found, np.zeros(found.shape[1], dtype), found != 0, (many, many - 1))


MATRICES: dict[str, Callable[[Any, Any, Any], Matrix]] = {
    "Dense": _dense, "Conv": _conv, "ConvTranspose": _conv_transpose, "SumPool": _sum_pool,
    "AveragePool": _average_pool, "Sum": _reduction, "Mean": partial(_reduction, mean=True),
    "GlobalAveragePool": partial(_reduction, mean=True), "Affine": _affine, "Add": _add,
    "PairDifference": _pair_difference,
}  # fmt: skip


def lstm_cell(layer: Any, k: int) -> Any:
    """Return direction k of an LSTM layer as the textbook's cell."""
    stacked = (a[k].reshape(8, -1) for a in (layer.weight_input, layer.weight_hidden))
    return lstm.split_gates(*stacked, layer.bias[k].reshape(-1), None, order="ifgo")


# Rules -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RuleSample:
    """A rule with its parameters, and the textbook's function of (a, matrix, r, exact) for the same.

    exact: whether it has exact values on rationals. main: whether it runs on rationals in the large battery.
    """

    name: str
    rule: Rule
    messages: Callable[[Any, Matrix, Any, bool], Any]
    exact: bool = True
    main: bool = True

    @property
    def kind(self) -> str:
        return type(self.rule.rule if isinstance(self.rule, WithBias) else self.rule).__name__


BIAS_FREE = (textbook.zplus, textbook.wsquare, textbook.flat, textbook.zbox, textbook.reference)
STABILISERS = {
    "exact": (edits.EXACT, lambda exact: stabilisers.exact),
    "add": (edits.add(0.125), lambda exact: stabilisers.add(number(0.125, exact))),
    "clip": (edits.clip(0.75), lambda exact: stabilisers.clip(number(0.75, exact))),
    "relative": (edits.relative(0.25), lambda exact: stabilisers.relative(number(0.25, exact))),
}


def _stabilised(policy: str = "") -> list[RuleSample]:
    """Every rule that takes a stabiliser with each of them; under a bias policy those that have a bias."""
    table: list[tuple[str, Any, Any, tuple[Any, ...], dict[str, Any]]] = [
        ("LRP0", rules.LRP0, textbook.lrp0, (), {}),
        ("Gamma", rules.Gamma, textbook.gamma, (0.25,), {}),
        ("Gamma0", rules.Gamma, textbook.gamma, (0,), {}),
        ("Gamma8", rules.Gamma, textbook.gamma, (8,), {}),
        ("GeneralizedGamma", rules.GeneralizedGamma, textbook.generalized_gamma, (0.25,), {}),
        ("AlphaBeta21", rules.AlphaBeta, textbook.alpha_beta, (2, 1), {}),
        ("AlphaBeta10", rules.AlphaBeta, textbook.alpha_beta, (1, 0), {}),
        ("AlphaBetaHalf", rules.AlphaBeta, textbook.alpha_beta, (1.5, 0.5), {}),
        ("ZPlus", rules.ZPlus, textbook.zplus, (), {}),
        ("WSquare", rules.WSquare, textbook.wsquare, (), {}),
        ("Flat", rules.Flat, textbook.flat, (), {}),
        ("ZBox", rules.ZBox, textbook.zbox, (-3, 3), {}),
        ("Reference", rules.Reference, textbook.reference, (0.71875,), {}),
        ("ZBoxPositive", rules.ZBox, textbook.zbox, (0, 3.25), {}),
    ]
    found, more = [], {"bias": policy} if policy else {}
    for name, rule, literal, parameters, _ in table:
        if policy and literal in BIAS_FREE:
            continue
        for kind, (stabiliser, twin) in STABILISERS.items():
            if kind != "exact" and name in ("Gamma0", "Gamma8", "AlphaBeta10", "ZBoxPositive"):
                continue

            def messages(a: Any, m: Matrix, r: Any, exact: bool, f: Any = literal, p: Any = parameters, t: Any = twin):
                return f(a, m, r, *(number(v, exact) for v in p), stabiliser=t(exact), **more)

            stated = rule(*parameters, stabiliser=stabiliser)
            found.append(
                RuleSample(
                    f"{name}-{kind}{'-' * bool(policy)}{policy}",
                    stated.with_bias(policy or "absorb"),
                    messages,
                    exact=kind != "relative",
                    main=kind == "exact" or name in ("LRP0", "AlphaBeta21"),
                )
            )
    return found


def _epsilon(policy: str = "") -> list[RuleSample]:
    found, more = [], {"bias": policy} if policy else {}
    for name, epsilon, share, of_epsilon in (
        ("small", 0.125, 0, None),
        ("zero", 0, 0, None),
        ("share", 0.125, 1, None),
        ("half", 0.5, 0.5, None),
        ("arras-2017", 0.25, 0, 1),
    ):

        def messages(a: Any, m: Matrix, r: Any, exact: bool, e: Any = epsilon, b: Any = share, s: Any = of_epsilon):
            s = None if s is None else number(s, exact)
            return textbook.epsilon(a, m, r, number(e, exact), number(b, exact), s, **more)

        rule = rules.Epsilon(epsilon, share, of_epsilon).with_bias(policy or "absorb")
        found.append(RuleSample(f"Epsilon-{name}{'-' * bool(policy)}{policy}", rule, messages))
    return found


def _policies() -> list[RuleSample]:
    """Every rule with a bias under the policies that are not its own, and stabilisers of each kind."""
    main = ("LRP0-exact", "AlphaBeta21-exact", "GeneralizedGamma-exact")
    wanted = (
        *main, "LRP0-relative", "Gamma-exact", "GeneralizedGamma-add", "AlphaBeta21-clip", "AlphaBeta10-exact",
        "Epsilon-small", "Epsilon-half", "Epsilon-arras-2017",
    )  # fmt: skip
    found = [s for policy in ("ignore", "spread", "nonzero") for s in (*_stabilised(policy), *_epsilon(policy))]
    return [replace(s, main=s.name.startswith(main)) for s in found if s.name.startswith(wanted)]


LINEAR_RULES = [
    *_stabilised(),
    *_epsilon(),
    *_policies(),
    RuleSample("Natural", rules.Natural(), lambda a, m, r, exact: textbook.lrp0(a, m, r), main=False),
]
MAIN_RULES = [r for r in LINEAR_RULES if r.main and r.exact]
RELATIVE = [r for r in LINEAR_RULES if not r.exact][:1]

# One universal or particular rule each, so that every registered rule has a sample.
OTHER_RULES = {
    "AllToOne": rules.AllToOne(1), "BetaSmooth": rules.BetaSmooth(2.0), "Deconv": rules.Deconv(),
    "Gradient": rules.Gradient(), "Guided": rules.Guided(), "Pass": rules.Pass(), "Uniform": rules.Uniform(),
    "Zero": rules.Zero(), "Product": rules.Product("abs"), "Recurrent": rules.Recurrent(),
    "Taylor": rules.Taylor(),
    "ResponseNorm": rules.ResponseNorm("path"), "Selection": rules.Selection("half", 0.5),
}  # fmt: skip
