"""What wrong or differing programs compute, each as a literal formula: the flags in ``catches`` come from here.

A dialect takes a :class:`Call` and returns the relevance of every operand, None where it does not apply to the call,
or NONFINITE where it divides by zero.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from lrp_ref.literal import stabilisers
from lrp_ref.literal.matrices import Matrix
from lrp_ref.literal.scalars import negative, positive

from . import formulas
from .explain import Answer, explain, split
from .formulas import Part, Rule, parts, spread
from .layers import MATRIX_LAYERS, ROUTES, Layer, matrix_of, root
from .values import Array, zeros

NONFINITE = "nonfinite"
FLOAT32 = Fraction(1, 2**23)
VISIBLE = Fraction(1, 10**4)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer's relevance: layer, rule, operands with batch, relevance of the output."""

    layer: Layer
    rule: Rule
    inputs: list[Array]
    R: Array

    @property
    def name(self) -> str:
        """Name of the rule."""
        return str(self.rule["name"])


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a call on a linear layer: matrix, flat inputs a (I,), relevance R (J,), shape of the first operand."""

    call: Call
    matrix: Matrix
    a: Array
    R: Array
    shape: tuple[int, ...]
    number: int

    @property
    def rule(self) -> Rule:
        """The rule of the call."""
        return self.call.rule

    @property
    def parts(self) -> list[Part]:
        """The right parts of the rule."""
        return parts(self.rule, self.matrix, self.a, self.R, self.shape)

    @property
    def z(self) -> Array:
        """The pre-activation (J,)."""
        return self.matrix.forward(self.a)


Dialect = Callable[[Call], Any]
DIALECTS: dict[str, Dialect] = {}


def dialect(name: str) -> Callable[[Dialect], Dialect]:
    """Register a function of a call under the id of its dialect."""

    def register(function: Dialect) -> Dialect:
        DIALECTS[name] = function
        return function

    return register


def linear(name: str, *rules: str) -> Callable[[Callable[[Sample], Any]], Callable[[Sample], Any]]:
    """Register a function of one sample of a linear layer, for these rules or for all."""

    def register(function: Callable[[Sample], Any]) -> Callable[[Sample], Any]:
        def whole(call: Call) -> Any:
            if call.layer["type"] not in MATRIX_LAYERS or call.name == "Pass" or (rules and call.name not in rules):
                return None
            matrix = matrix_of(call.layer, [x.shape[1:] for x in call.inputs])
            found = []
            for n, R in enumerate(call.R):
                a = np.concatenate([x[n].reshape(-1) for x in call.inputs])
                sample = function(Sample(call, matrix, a, R.reshape(-1), call.inputs[0].shape[1:], n))
                if sample is None or isinstance(sample, str):
                    return sample
                found.append(split(sample, [x[n] for x in call.inputs]))
            return [np.stack([f[k] for f in found]) for k in range(len(call.inputs))]

        DIALECTS[name] = whole
        return function

    return register


def caught(layer: Layer, rule: Rule, inputs: list[Array], R: Array, answer: Answer) -> list[str]:
    """Return the ids of all dialects whose result differs visibly from the answer, sorted."""
    call, found = Call(layer, rule, inputs, R), []
    for name, function in DIALECTS.items():
        try:
            theirs = function(call)
        except ZeroDivisionError:
            theirs = NONFINITE
        if theirs is not None and (isinstance(theirs, str) or differs(theirs, answer)):
            found.append(name)
    return sorted(found)


def differs(theirs: list[Array], answer: Answer, ulp: int = 8) -> bool:
    """Return whether a result is outside the float32 tolerance, and by more than 1e-4 of the largest relevance."""
    largest = max(abs(r).max() for r in answer.relevance)
    for found, right, scale in zip(theirs, answer.relevance, answer.scale, strict=True):
        if (abs(found - right) > np.maximum(ulp * FLOAT32 * scale, VISIBLE * largest)).any():
            return True
    return False


def total(found: list[Part]) -> Array:
    """Return the sum of what the parts hand to the inputs."""
    return np.asarray(sum(spread(part) for part in found))


def strict(part: Part) -> Any:
    """Return what a part hands to the inputs where nothing guards a division by zero."""
    return NONFINITE if (part.stabiliser(part.q.sum(axis=0) + part.b) == 0).any() else spread(part)


# αβ and z⁺ -------------------------------------------------------------------------------------------------------


@linear("ab-bias-both", "AlphaBeta")
def _ab_bias_both(s: Sample) -> Any:
    return total([replace(part, b=s.matrix.bias) for part in s.parts])


@linear("ab-bias-full", "AlphaBeta")
def _ab_bias_full(s: Sample) -> Any:
    q = s.a[:, None] * positive(s.matrix.weight)
    return total([Part(q, s.matrix.bias, s.R, s.parts[0].stabiliser, q)]) if s.rule["beta"] == 0 else None


@linear("ab-no-bias", "AlphaBeta")
def _ab_no_bias(s: Sample) -> Any:
    return total([replace(part, b=part.b * 0) for part in s.parts])


@linear("ab-split-denominators", "AlphaBeta", "ZPlus")
def _ab_split(s: Sample) -> Any:
    above = (s.a > 0)[:, None].astype(int)
    return total([replace(p, q=p.q * side, b=p.b * k) for p in s.parts for k, side in ((1, above), (0, 1 - above))])


@linear("ab-weights-only", "AlphaBeta", "ZPlus")
def _unsplit_parts(s: Sample) -> Any:
    """Inputs not split by sign: a·w⁺ and a·w⁻ as published for a >= 0."""
    a, w = s.a[:, None], s.matrix.weight
    return total([replace(p, q=a * half(w)) for p, half in zip(s.parts, (positive, negative), strict=False)])


DIALECTS["unsplit"] = DIALECTS.pop("ab-weights-only")


@linear("zplus-bias", "ZPlus")
def _zplus_bias(s: Sample) -> Any:
    return total([replace(part, b=positive(s.matrix.bias)) for part in s.parts])


@linear("deep-taylor-input", "WSquare", "ZBox")
def _deep_taylor_input(s: Sample) -> Any:
    return total(parts({"name": "ZPlus"}, s.matrix, s.a, s.R, s.shape))


# ε ---------------------------------------------------------------------------------------------------------------


def _with_stabiliser(s: Sample, stabiliser: Any) -> Any:
    if s.rule.get("bias_share") or s.rule.get("stabiliser_share"):
        return None
    return strict(replace(s.parts[0], stabiliser=stabiliser))


@linear("eps-unsigned", "Epsilon")
def _eps_unsigned(s: Sample) -> Any:
    return _with_stabiliser(s, lambda d: d + s.rule["epsilon"])


@linear("eps-sign0", "Epsilon")
def _eps_sign0(s: Sample) -> Any:
    return _with_stabiliser(s, lambda d: d + s.rule["epsilon"] * np.where(d > 0, 1, -1))


@linear("eps-rms", "Epsilon")
def _eps_rms(s: Sample) -> Any:
    batch = [s.matrix.forward(np.concatenate([x[n].reshape(-1) for x in s.call.inputs])) for n in range(len(s.call.R))]
    square = Fraction(sum((z * z).sum() for z in batch)) / sum(z.size for z in batch)
    rms = Fraction(isqrt(square.numerator * 10**60 // square.denominator), 10**30)
    return _with_stabiliser(s, stabilisers.add(rms / 4))


@linear("eps-default", "Epsilon")
def _eps_default(s: Sample) -> Any:
    return _with_stabiliser(s, stabilisers.add(Fraction(1, 10)))


@linear("epsilon-ignored", "Epsilon")
def _epsilon_ignored(s: Sample) -> Any:
    return _with_stabiliser(s, stabilisers.exact)


# γ ---------------------------------------------------------------------------------------------------------------


@linear("gamma-bias", "Gamma", "GeneralizedGamma")
def _gamma_bias(s: Sample) -> Any:
    return total([replace(part, b=s.matrix.bias) for part in s.parts])


@linear("gamma-square", "Gamma")
def _gamma_square(s: Sample) -> Any:
    w, b, gamma = s.matrix.weight, s.matrix.bias, s.rule["gamma"]
    q = s.a[:, None] * (w + gamma * positive(w) ** 2)
    return total([replace(s.parts[0], q=q, b=b + gamma * positive(b) ** 2)])


@linear("gamma-generalised", "Gamma")
def _gamma_generalised(s: Sample) -> Any:
    return formulas.relevance({**s.rule, "name": "GeneralizedGamma"}, s.matrix, s.a, s.R, s.shape)


@linear("gamma-plain", "GeneralizedGamma")
def _gamma_plain(s: Sample) -> Any:
    return formulas.relevance({**s.rule, "name": "Gamma"}, s.matrix, s.a, s.R, s.shape)


@linear("gamma-ignored", "Gamma", "GeneralizedGamma")
def _gamma_ignored(s: Sample) -> Any:
    return formulas.relevance({**s.rule, "name": "LRP0"}, s.matrix, s.a, s.R, s.shape)


# First layers ----------------------------------------------------------------------------------------------------


@linear("wsquare-bias", "WSquare")
def _wsquare_bias(s: Sample) -> Any:
    return total([replace(part, b=s.matrix.bias**2) for part in s.parts])


@linear("flat-border", "Flat")
def _flat_border(s: Sample) -> Any:
    """Flat divided by the positions of the kernel alone: not by the channels, not by the taps that exist."""
    kind, layer = s.call.layer["type"], s.call.layer
    if kind != "Conv":
        return None
    size = Fraction(int(np.prod(layer["weight"].shape[2:])))
    return np.asarray((s.matrix.taps.astype(int) * (s.R / size)).sum(axis=1))


@linear("padding-counts", "Flat", "WSquare")
def _padding_counts(s: Sample) -> Any:
    """Taps that lie in the padding count in the denominator."""
    layer = s.call.layer
    if layer["type"] != "Conv":
        return None
    weight = layer["weight"] ** 2 if s.call.name == "WSquare" else layer["weight"] * 0 + 1
    per_channel = weight.reshape(len(weight), -1).sum(axis=1)
    whole = np.repeat(per_channel, len(s.R) // len(weight))
    if (whole == 0).any():
        return None
    return np.asarray((s.parts[0].q * (s.R / whole)).sum(axis=1))


@linear("zbox-bounds-swapped", "ZBox")
def _zbox_swapped(s: Sample) -> Any:
    swapped = {**s.rule, "low": s.rule["high"], "high": s.rule["low"]}
    return total(parts(swapped, s.matrix, s.a, s.R, s.shape))


@linear("zbox-bias", "ZBox")
def _zbox_bias(s: Sample) -> Any:
    return total([replace(part, b=s.matrix.bias) for part in s.parts])


@linear("zbox-activated", "ZBox")
def _zbox_activated(s: Sample) -> Any:
    """The layer is run with its ReLU: every term of the denominator is clipped at zero."""
    part, w, b = s.parts[0], s.matrix.weight, s.matrix.bias
    low, high = (formulas.bound(s.rule[name], s.shape)[:, None] for name in ("low", "high"))
    d = positive(s.a @ w + b) - positive((low * positive(w)).sum(axis=0) + positive(b))
    d = d - positive((high * negative(w)).sum(axis=0) + negative(b))
    missing = d - part.q.sum(axis=0)
    return total([replace(part, b=missing)])


# Any linear layer ------------------------------------------------------------------------------------------------

BIASED = ("LRP0", "Epsilon", "Gamma", "GeneralizedGamma")


@linear("no-bias-in-denominator", *BIASED)
def _no_bias(s: Sample) -> Any:
    return total([replace(part, b=part.b * 0) for part in s.parts])


@linear("bias-to-inputs", *BIASED, "AlphaBeta")
def _bias_to_inputs(s: Sample) -> Any:
    """What belongs to the bias is spread evenly over the inputs of the unit."""
    taps = s.matrix.taps.astype(int)
    even = np.array([[Fraction(int(t), max(int(n), 1)) for t, n in zip(row, taps.sum(axis=0), strict=True)] for row in taps])
    found = [replace(p, q=p.q + p.b * even, b=p.b * 0) for p in s.parts]
    return None if s.rule.get("bias_share") else total(found)


@linear("zero-division-nan")
def _zero_division(s: Sample) -> Any:
    return NONFINITE if any(isinstance(strict(part), str) for part in s.parts) else None


@linear("dead-unit-kept")
def _dead_unit_kept(s: Sample) -> Any:
    """A unit whose denominator is 0 hands its relevance to its inputs in equal parts."""
    taps, found = s.matrix.taps.astype(int), []
    for part in s.parts:
        d = part.stabiliser(part.q.sum(axis=0) + part.b)
        found.append(replace(part, q=np.where(d == 0, taps, part.q), b=np.where(d == 0, 0, part.b)))
    return total(found)


@linear("transpose-forgotten", "LRP0", "Epsilon", "Gamma")
def _transpose_forgotten(s: Sample) -> Any:
    """The messages go back through the weights of the forward direction: a_i sum_j w_ji R_j / st_j."""
    if s.call.layer["type"] != "Dense" or s.matrix.weight.shape[0] != s.matrix.weight.shape[1]:
        return None
    part = s.parts[0]
    d, w = part.stabiliser(part.q.sum(axis=0) + part.b), s.matrix.weight
    if s.call.name == "Gamma":
        w = w + s.rule["gamma"] * positive(w)
    return np.asarray(s.a * (w.T @ np.array([0 if x == 0 else r / x for r, x in zip(s.R, d, strict=True)])))


@linear("kernel-not-flipped", "LRP0", "Epsilon")
def _kernel_not_flipped(s: Sample) -> Any:
    """The pull-back of a convolution with the mirrored kernel."""
    layer = s.call.layer
    if layer["type"] not in ("Conv", "ConvTranspose"):
        return None
    mirrored = layer["weight"][(slice(None), slice(None), *(slice(None, None, -1),) * (layer["weight"].ndim - 2))]
    other = matrix_of({**layer, "weight": mirrored}, [s.shape])
    part = s.parts[0]
    d = part.stabiliser(part.q.sum(axis=0) + part.b)
    factor = np.array([0 if x == 0 else r / x for r, x in zip(s.R, d, strict=True)])
    return np.asarray(((s.a[:, None] * other.weight) * factor).sum(axis=1))


def _other_layer(s: Sample, layer: Layer) -> Any:
    """Relevance of another layer in place of the right one, whose first outputs are those that exist."""
    right, wrong = s.matrix.output_shape, matrix_of(layer, [s.shape])
    index = np.arange(wrong.weight.shape[1]).reshape(wrong.output_shape)
    if any(n < m for n, m in zip(wrong.output_shape, right, strict=True)):
        return None
    kept = index[tuple(slice(0, n) for n in right)].reshape(-1)
    cut = Matrix(wrong.weight[:, kept], wrong.bias[kept], wrong.taps[:, kept], right)
    return formulas.relevance(s.rule, cut, s.a, s.R, s.shape)


@linear("dilation-ignored")
def _dilation_ignored(s: Sample) -> Any:
    layer = s.call.layer
    if layer["type"] != "Conv" or set(layer["dilation"]) == {1}:
        return None
    return _other_layer(s, {**layer, "dilation": [1] * len(layer["dilation"])})


@linear("stride-ignored")
def _stride_ignored(s: Sample) -> Any:
    layer = s.call.layer
    if layer["type"] != "Conv" or set(layer["stride"]) == {1}:
        return None
    return _other_layer(s, {**layer, "stride": [1] * len(layer["stride"])})


@linear("padding-shifted")
def _padding_shifted(s: Sample) -> Any:
    """Padding before and after are exchanged."""
    layer = s.call.layer
    if layer["type"] not in ("Conv", "ConvTranspose", "AveragePool", "SumPool") or "padding" not in layer:
        return None
    if all(a == b for a, b in layer["padding"]):
        return None
    return _other_layer(s, {**layer, "padding": [[b, a] for a, b in layer["padding"]]})


@linear("groups-ignored")
def _groups_ignored(s: Sample) -> Any:
    """Every output channel of a grouped convolution reads the channels of the first group."""
    layer = s.call.layer
    if layer["type"] != "Conv" or layer["groups"] == 1:
        return None
    per_group = layer["weight"].shape[1]
    first = matrix_of({**layer, "groups": 1}, [(per_group, *s.shape[1:])])
    w, taps = zeros(s.matrix.weight.shape), np.zeros(s.matrix.taps.shape, dtype=bool)
    w[: len(first.weight)], taps[: len(first.weight)] = first.weight, first.taps
    return formulas.relevance(s.rule, Matrix(w, s.matrix.bias, taps, s.matrix.output_shape), s.a, s.R, s.shape)


@linear("batch-mixed")
def _batch_mixed(s: Sample) -> Any:
    """Every sample is explained with the activations of the first one, times its own inputs."""
    if s.number == 0:
        return formulas.relevance(s.rule, s.matrix, s.a, s.R, s.shape)
    first = np.concatenate([x[0].reshape(-1) for x in s.call.inputs])
    return formulas.relevance(s.rule, s.matrix, first, s.R, s.shape)


@linear("gradient")
def _gradient(s: Sample) -> Any:
    return np.asarray(s.matrix.weight @ s.R)


@linear("gradient-times-input")
def _gradient_times_input(s: Sample) -> Any:
    """Not divided by the denominator: a_i sum_j w_ij R_j."""
    return np.asarray(s.a * (s.matrix.weight @ s.R))


@linear("input-factor-missing", "LRP0", "Epsilon")
def _input_factor_missing(s: Sample) -> Any:
    return total([replace(p, q=s.matrix.weight, b=p.q.sum(axis=0) + p.b - s.matrix.weight.sum(axis=0)) for p in s.parts])


@linear("absolute")
def _absolute(s: Sample) -> Any:
    """In proportion to |z_ij|."""
    z = abs(s.a[:, None] * s.matrix.weight)
    return total([Part(z, zeros(len(s.R)), s.R, stabilisers.exact, z)])


# Any layer -------------------------------------------------------------------------------------------------------


@dialect("relevance-uniform")
def _relevance_uniform(call: Call) -> Any:
    size = sum(x[0].size for x in call.inputs)
    each = call.R.reshape(len(call.R), -1).sum(axis=1) / Fraction(size)
    return [zeros(x.shape) + each.reshape(-1, *(1,) * (x.ndim - 1)) for x in call.inputs]


@dialect("relevance-clipped")
def _relevance_clipped(call: Call) -> Any:
    """Relevance below 0 is taken for 0, as if it passed a ReLU."""
    return explain(call.layer, call.rule, call.inputs, positive(call.R)).relevance


@dialect("operand-swapped")
def _operand_swapped(call: Call) -> Any:
    if len(call.inputs) != 2 or call.inputs[0].shape != call.inputs[1].shape:
        return None
    return explain(call.layer, call.rule, call.inputs, call.R).relevance[::-1]


@dialect("residual-forgotten")
def _residual_forgotten(call: Call) -> Any:
    """Every operand of a sum gets the whole relevance."""
    return [call.R for _ in call.inputs] if call.layer["type"] == "Add" else None


@dialect("rule-ignored")
def _rule_ignored(call: Call) -> Any:
    """Every rule computed as LRP-0."""
    if call.layer["type"] not in MATRIX_LAYERS or call.name == "LRP0":
        return None
    return explain(call.layer, {"name": "LRP0"}, call.inputs, call.R).relevance
