"""Rules that public programs compute otherwise under the same name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal import stabilisers
from lrp_ref.literal.scalars import negative, positive

from .. import formulas
from ..formulas import Part, Rule, parts
from ..values import zeros
from .base import Sample, Told, linear, near_root, spoiled, strict, total

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


@linear("unsplit", "AlphaBeta", "ZPlus")
def _unsplit_parts(s: Sample) -> Any:
    """Inputs not split by sign: a·w⁺ and a·w⁻ as published for a >= 0."""
    a, w = s.a[:, None], s.matrix.weight
    return total([replace(p, q=a * half(w)) for p, half in zip(s.parts, (positive, negative), strict=False)])


@linear("beta-zero-nan", "AlphaBeta")
def _beta_zero_nan(s: Sample) -> Any:
    """The part of β is computed where β is 0 as well, and nothing guards its division by 0."""
    if s.rule["beta"] != 0:
        return None
    both = parts({**s.rule, "beta": Fraction(1)}, s.matrix, s.a, s.R, s.shape)
    return spoiled(formulas.relevance(s.rule, s.matrix, s.a, s.R, s.shape), both, s.matrix.taps)


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
    return strict(replace(s.parts[0], stabiliser=stabiliser), s.matrix.taps)


@linear("eps-unsigned", "Epsilon")
def _eps_unsigned(s: Sample) -> Any:
    return _with_stabiliser(s, lambda d: d + s.rule["epsilon"])


@linear("eps-sign0", "Epsilon")
def _eps_sign0(s: Sample) -> Any:
    return _with_stabiliser(s, lambda d: d + s.rule["epsilon"] * np.where(d > 0, 1, -1))


@linear("eps-no-sign0", "Epsilon")
def _eps_no_sign0(s: Sample) -> Any:
    """sgn 0 = 0: a denominator of 0 stays 0, and nothing guards it."""
    return _with_stabiliser(s, lambda d: d + s.rule["epsilon"] * ((d > 0).astype(int) - (d < 0).astype(int)))


@linear("eps-rms", "Epsilon")
def _eps_rms(s: Sample) -> Any:
    batch = [s.matrix.forward(np.concatenate([x[n].reshape(-1) for x in s.call.inputs])) for n in range(len(s.call.R))]
    square = Fraction(sum((z * z).sum() for z in batch)) / sum(z.size for z in batch)
    return _with_stabiliser(s, stabilisers.add(near_root(square) / 4))


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
    return total(parts({**s.rule, "name": "GeneralizedGamma"}, s.matrix, s.a, s.R, s.shape))


@linear("gamma-plain", "GeneralizedGamma")
def _gamma_plain(s: Sample) -> Any:
    return total(parts({**s.rule, "name": "Gamma"}, s.matrix, s.a, s.R, s.shape))


@linear("gamma-ignored", "Gamma", "GeneralizedGamma")
def _gamma_ignored(s: Sample) -> Any:
    return total(parts({**s.rule, "name": "LRP0"}, s.matrix, s.a, s.R, s.shape))


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


# By magnitude ----------------------------------------------------------------------------------------------------

WEIGHTED = ("Dense", "Conv", "ConvTranspose")
POOLS = ("AveragePool", "SumPool", "GlobalAveragePool")


def _epsilon(rule: Rule) -> Any:
    """Return the ε that a rule adds to its denominators."""
    told = rule if rule["name"] == "Epsilon" else rule.get("stabiliser", {})
    return told.get("epsilon", 0) if told.get("kind", "add") == "add" else 0


def _quotient(a: Any, b: Any) -> Any:
    """Return a / b, and 0 where both are 0."""
    return np.array([Fraction(x) / y if y else Fraction(0) for x, y in zip(a, b, strict=True)], dtype=object)


SPLIT = ("LRP0", "Epsilon", "Gamma", "GeneralizedGamma", "AlphaBeta", "ZPlus", "ZBox")


def _after_the_bias(s: Sample, epsilon: Any) -> Any:
    """The inputs get |z| / (|z| + |b| + ε) of the relevance, z without bias; they share it as if there were no bias."""
    layer, share = s.call.layer, s.rule.get("bias_share") or s.rule.get("stabiliser_share")
    if layer["type"] not in WEIGHTED or layer["bias"] is None or share:
        return None
    z = abs(s.a @ s.matrix.weight)
    R = s.R * _quotient(z, z + abs(s.matrix.bias) + epsilon)
    told = total(parts(s.rule, replace(s.matrix, bias=s.matrix.bias * 0), s.a, R, s.shape))
    return replace(told, zero=told.zero or bool((z + abs(s.matrix.bias) + epsilon == 0).any()))


@linear("bias-by-magnitude", *SPLIT)
def _bias_by_magnitude(s: Sample) -> Any:
    """The bias takes |b| / (|z| + |b|) first."""
    return _after_the_bias(s, 0)


@linear("eps-twice", *SPLIT)
def _eps_twice(s: Sample) -> Any:
    """So it does, with ε beside |z| + |b|, which the rule then has in its denominators as well."""
    return _after_the_bias(s, _epsilon(s.rule)) if _epsilon(s.rule) else None


@linear("add-by-magnitude")
def _add_by_magnitude(s: Sample) -> Any:
    """The operands of a sum share by their size, two at a time: a + b + c is (a + b) + c."""
    if s.call.layer["type"] != "Add":
        return None
    xs, epsilon = list(s.a.reshape(len(s.call.inputs), -1)), _epsilon(s.rule)
    sums, left, found, zero = np.cumsum(xs, axis=0), s.R, [], False
    for k in range(len(xs) - 1, 0, -1):
        a, b = abs(sums[k - 1]), abs(xs[k])
        zero = zero or bool((a + b + epsilon == 0).any())
        found.append(_quotient(b * left, a + b + epsilon))
        left = _quotient(a * left, a + b + epsilon)
    return Told(np.concatenate([left, *found[::-1]]), np.zeros(s.a.shape, dtype=bool), zero)


@linear("mean-by-magnitude")
def _mean_by_magnitude(s: Sample) -> Any:
    """What a mean or a sum runs over shares by its size."""
    if s.call.layer["type"] not in POOLS:
        return None
    z = abs(s.a[:, None] * s.matrix.weight)
    return total([Part(z, zeros(len(s.R)), s.R, stabilisers.add(_epsilon(s.rule)), z)])


@linear("gamma-small-as-epsilon", "Gamma", "GeneralizedGamma")
def _gamma_small(s: Sample) -> Any:
    """γ ≤ 0.01 taken for 0."""
    if s.rule["gamma"] > Fraction(1, 100):
        return None
    return total(parts({**s.rule, "name": "LRP0"}, s.matrix, s.a, s.R, s.shape))
