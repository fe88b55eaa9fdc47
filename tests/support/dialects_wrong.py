"""The planted dialects: small implementations, each wrong in one piece, by the ids of the flags ``catches``.

A fault is a function of a call (any layer) or of one sample of a linear layer; it returns None where it does not
apply, and there the right answer is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from dialects_base import (
    LINEAR,
    Array,
    Group,
    Linear,
    Sample,
    Spec,
    bound,
    convolve,
    down,
    groups_of,
    hand_back,
    probe,
    sgn,
    shared,
    up,
)
from dialects_right import Call, OnSample, relevance, total

OnCall = Callable[[Call], "list[Array] | None"]
CALLS: dict[str, OnCall] = {}
SAMPLES: dict[str, OnSample] = {}


def on_call(name: str, *kinds: str) -> Callable[[OnCall], OnCall]:
    def register(function: OnCall) -> OnCall:
        CALLS[name] = lambda c: function(c) if not kinds or c.kind in kinds else None
        return function

    return register


HELD = (*LINEAR, "Normalize")  # which is linear with its deviation as a constant


def on_sample(name: str, *rules: str, kinds: tuple[str, ...] = HELD) -> Callable[[OnSample], OnSample]:
    def register(function: OnSample) -> OnSample:
        SAMPLES[name] = lambda s: function(s) if (not rules or s.name in rules) and s.spec["type"] in kinds else None
        return function

    return register


# αβ and z⁺ -------------------------------------------------------------------------------------------------------


def with_bias(s: Sample, bias: Any) -> Array:
    return total([replace(g, b=bias + 0 * g.b) for g in groups_of(s)])


@on_sample("ab-bias-both", "AlphaBeta")
def ab_bias_both(s: Sample) -> Array:
    return with_bias(s, up(s.m.b) + down(s.m.b))


@on_sample("ab-bias-full", "AlphaBeta")
def ab_bias_full(s: Sample) -> Array | None:
    clamped = replace(groups_of(s)[0], runs=[(s.a, up(s.m.W))], b=s.m.b)
    return hand_back(clamped) if s.rule["beta"] == 0 else None


@on_sample("ab-no-bias", "AlphaBeta")
def ab_no_bias(s: Sample) -> Array:
    return with_bias(s, 0)


@on_sample("ab-split-denominators", "AlphaBeta", "ZPlus")
def ab_split_denominators(s: Sample) -> Array:
    groups = groups_of(s)  # one run has the positive inputs, the other the negative ones
    return total([replace(g, runs=[run], b=g.b * (k == 0)) for g in groups for k, run in enumerate(g.runs)])


@on_sample("unsplit", "AlphaBeta", "ZPlus")
def unsplit(s: Sample) -> Array:
    weights = [up(s.m.W), down(s.m.W)]
    return total([replace(g, runs=[(s.a, w)]) for g, w in zip(groups_of(s), weights, strict=False)])


@on_sample("beta-zero-nan", "AlphaBeta")
def beta_zero_nan(s: Sample) -> Array | None:
    if s.rule["beta"] != 0:
        return None
    whole = groups_of(replace(s, rule={**s.rule, "beta": 1.0}))
    factors = [f * g.R / g.st(g.d) for f, g in zip((1, 0), whole, strict=True)]
    return np.asarray(sum(a * (W @ f) for f, g in zip(factors, whole, strict=True) for a, W in g.runs))


@on_sample("zplus-bias", "ZPlus")
def zplus_bias(s: Sample) -> Array:
    return with_bias(s, up(s.m.b))


@on_sample("deep-taylor-input", "WSquare", "ZBox")
def deep_taylor_input(s: Sample) -> Array:
    return relevance(replace(s, rule={"name": "ZPlus"}))


# ε ---------------------------------------------------------------------------------------------------------------


def unguarded(s: Sample, st: Callable[[Array], Array]) -> Array | None:
    """The epsilon rule over st(z), with nothing that prevents a division by zero."""
    if s.rule.get("bias_share") or s.rule.get("stabiliser_share"):
        return None
    (group,) = groups_of(s)
    return s.a * (s.m.W @ (s.R / st(group.d)))


@on_sample("eps-unsigned", "Epsilon")
def eps_unsigned(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z + s.rule["epsilon"])


@on_sample("eps-sign0", "Epsilon")
def eps_sign0(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z - s.rule["epsilon"] * sgn(-z))


@on_sample("eps-no-sign0", "Epsilon")
def eps_no_sign0(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z + s.rule["epsilon"] * np.sign(z))


@on_sample("eps-rms", "Epsilon")
def eps_rms(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z + 0.25 * np.sqrt((s.zs**2).mean()) * sgn(z))


@on_sample("eps-default", "Epsilon")
def eps_default(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z + 0.1 * sgn(z))


@on_sample("epsilon-ignored", "Epsilon")
def epsilon_ignored(s: Sample) -> Array | None:
    return unguarded(s, lambda z: z)


# γ ---------------------------------------------------------------------------------------------------------------


@on_sample("gamma-bias", "Gamma", "GeneralizedGamma")
def gamma_bias(s: Sample) -> Array:
    return with_bias(s, s.m.b)


@on_sample("gamma-square", "Gamma")
def gamma_square(s: Sample) -> Array:
    edited = [x + s.rule["gamma"] * up(x) * up(x) for x in (s.m.W, s.m.b)]
    return hand_back(replace(groups_of(s)[0], runs=[(s.a, edited[0])], b=edited[1]))


def under(name: str) -> OnSample:
    return lambda s: relevance(replace(s, rule={**s.rule, "name": name}))


on_sample("gamma-generalised", "Gamma")(under("GeneralizedGamma"))
on_sample("gamma-plain", "GeneralizedGamma")(under("Gamma"))
on_sample("gamma-ignored", "Gamma", "GeneralizedGamma")(under("LRP0"))


# First layers ----------------------------------------------------------------------------------------------------


@on_sample("wsquare-bias", "WSquare")
def wsquare_bias(s: Sample) -> Array:
    return with_bias(s, s.m.b**2)


@on_sample("flat-border", "Flat", kinds=("Conv",))
def flat_border(s: Sample) -> Array:
    return s.m.taps @ s.R / np.prod(s.spec["weight"].shape[2:])


@on_sample("padding-counts", "Flat", "WSquare", kinds=("Conv",))
def padding_counts(s: Sample) -> Array:
    w = s.spec["weight"] ** 2 if s.name == "WSquare" else np.ones_like(s.spec["weight"])
    # every window of an unpadded image of ones sees all taps
    one = convolve(np.ones((1, s.shapes[0][0], *w.shape[2:])), {"weight": w, "groups": s.spec.get("groups", 1)})
    taps = s.m.W**2 if s.name == "WSquare" else s.m.taps
    return taps @ (s.R / np.repeat(one.reshape(-1), len(s.R) // one.size))


@on_sample("zbox-bounds-swapped", "ZBox")
def zbox_bounds_swapped(s: Sample) -> Array:
    return total(groups_of(replace(s, rule={**s.rule, "low": s.rule["high"], "high": s.rule["low"]})))


@on_sample("zbox-bias", "ZBox")
def zbox_bias(s: Sample) -> Array:
    return with_bias(s, s.m.b)


@on_sample("zbox-activated", "ZBox")
def zbox_activated(s: Sample) -> Array:
    W, b = s.m.W, s.m.b
    low, high = bound(s.rule["low"], s.shapes), bound(s.rule["high"], s.shapes)
    d = up(s.a @ W + b) - up(low @ up(W) + up(b)) - up(high @ down(W) + down(b))
    (group,) = groups_of(s)
    return hand_back(replace(group, b=d - group.d))


# Any linear layer ------------------------------------------------------------------------------------------------

BIASED = ("LRP0", "Epsilon", "Gamma", "GeneralizedGamma")


@on_sample("no-bias-in-denominator", *BIASED)
def no_bias_in_denominator(s: Sample) -> Array:
    return with_bias(s, 0)


@on_sample("bias-to-inputs", *BIASED, "AlphaBeta")
def bias_to_inputs(s: Sample) -> Array | None:
    if s.rule.get("bias_share"):
        return None
    received = np.zeros_like(s.a)
    for g in groups_of(s):
        d = g.st(g.d)
        factor = np.divide(g.R, d, out=np.zeros_like(d), where=d != 0)
        received += hand_back(g) + s.m.taps @ (g.b * factor / np.maximum(s.m.taps.sum(axis=0), 1))
    return received


@on_sample("zero-division-nan")
def zero_division_nan(s: Sample) -> Array:
    return np.asarray(sum(a * (W @ (g.R / g.st(g.d))) for g in groups_of(s) for a, W in g.runs)) + shared(s)


@on_sample("dead-unit-kept")
def dead_unit_kept(s: Sample) -> Array:
    received = relevance(s)
    for g in groups_of(s):
        dead = g.st(g.d) == 0
        received = received + s.m.taps @ (g.R * dead / np.maximum(s.m.taps.sum(axis=0), 1))
    return received


@on_sample("transpose-forgotten", "LRP0", "Epsilon", "Gamma", kinds=("Dense",))
def transpose_forgotten(s: Sample) -> Array | None:
    (group,) = groups_of(s)
    W = group.runs[0][1]
    return s.a * (group.R / group.st(group.d) @ W) if len(W) == len(W.T) else None


@on_sample("kernel-not-flipped", "LRP0", "Epsilon", kinds=("Conv", "ConvTranspose"))
def kernel_not_flipped(s: Sample) -> Array:
    w = s.spec["weight"]
    mirrored = np.flip(w, axis=tuple(range(2, w.ndim)))
    (group,) = groups_of(s)
    return s.a * (probe({**s.spec, "weight": mirrored}, s.shapes).W @ (group.R / group.st(group.d)))


def with_matrix(s: Sample, spec: Spec) -> Array:
    """The rule on another layer, of whose outputs the first ones are taken."""
    wrong = probe(spec, s.shapes)
    cut = tuple(slice(0, n) for n in s.m.output)
    W, taps = (v.reshape(len(v), *wrong.output)[(slice(None), *cut)].reshape(len(v), -1) for v in (wrong.W, wrong.taps))
    b = wrong.b.reshape(wrong.output)[cut].reshape(-1)
    return relevance(replace(s, m=Linear(W, b, taps, s.m.output)))


@on_sample("dilation-ignored", kinds=("Conv",))
def dilation_ignored(s: Sample) -> Array:
    return with_matrix(s, {**s.spec, "dilation": 1})


@on_sample("stride-ignored", kinds=("Conv",))
def stride_ignored(s: Sample) -> Array:
    return with_matrix(s, {**s.spec, "stride": 1})


@on_sample("padding-shifted", kinds=("Conv", "ConvTranspose", "AveragePool", "SumPool"))
def padding_shifted(s: Sample) -> Array:
    return with_matrix(s, {**s.spec, "padding": [pair[::-1] for pair in s.spec.get("padding") or ()] or None})


@on_sample("groups-ignored", kinds=("Conv",))
def groups_ignored(s: Sample) -> Array | None:
    if s.spec["groups"] == 1:
        return None
    channels = s.spec["weight"].shape[1]
    first = probe({**s.spec, "groups": 1}, [(channels, *s.shapes[0][1:])])
    W, taps = np.zeros_like(s.m.W), np.zeros_like(s.m.W)
    W[: len(first.W)], taps[: len(first.W)] = first.W, first.taps
    return relevance(replace(s, m=replace(s.m, W=W, taps=taps)))


@on_sample("batch-mixed")
def batch_mixed(s: Sample) -> Array:
    return relevance(replace(s, a=s.first))


@on_sample("gradient")
def gradient(s: Sample) -> Array:
    return s.m.W @ s.R


@on_sample("gradient-times-input")
def gradient_times_input(s: Sample) -> Array:
    return s.a * (s.m.W @ s.R)


@on_sample("input-factor-missing", "LRP0", "Epsilon")
def input_factor_missing(s: Sample) -> Array:
    (g,) = groups_of(s)
    d = g.st(g.d)
    return s.m.W @ np.divide(g.R, d, out=np.zeros_like(d), where=d != 0)


@on_sample("absolute")
def absolute(s: Sample) -> Array:
    return hand_back(Group([(abs(s.a), abs(s.m.W))], 0 * s.m.b, s.R))


# By magnitude ----------------------------------------------------------------------------------------------------

WEIGHTED = ("Dense", "Conv", "ConvTranspose")


def epsilon_of(rule: Spec) -> float:
    told = rule if rule["name"] == "Epsilon" else rule.get("stabiliser") or {}
    return float(told.get("epsilon", 0)) if told.get("kind", "add") == "add" else 0.0


def part_of(x: Array, y: Any) -> Array:
    return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def shares(s: Sample) -> bool:
    return bool(s.rule.get("bias_share") or s.rule.get("stabiliser_share"))


SPLIT = ("LRP0", "Epsilon", "Gamma", "GeneralizedGamma", "AlphaBeta", "ZPlus", "ZBox")


def split_first(s: Sample, epsilon: float) -> Array | None:
    if s.spec["bias"] is None or shares(s):
        return None
    size = abs(s.a @ s.m.W)
    left = s.R * part_of(size, size + abs(s.m.b) + epsilon)
    return relevance(replace(s, R=left, m=replace(s.m, b=np.zeros_like(s.m.b))))


@on_sample("bias-by-magnitude", *SPLIT, kinds=WEIGHTED)
def bias_by_magnitude(s: Sample) -> Array | None:
    return split_first(s, 0.0)


@on_sample("eps-twice", *SPLIT, kinds=WEIGHTED)
def eps_twice(s: Sample) -> Array | None:
    return split_first(s, epsilon_of(s.rule)) if epsilon_of(s.rule) else None


@on_sample("add-by-magnitude", kinds=("Add",))
def add_by_magnitude(s: Sample) -> Array:
    """From the last operand back: what is left belongs to the sum of those before it."""
    xs, left, found = s.a.reshape(len(s.shapes), -1), s.R, []
    for k in range(len(xs) - 1, 0, -1):
        rest = abs(xs[:k].sum(axis=0))
        whole = rest + abs(xs[k]) + epsilon_of(s.rule)
        found.append(part_of(abs(xs[k]) * left, whole))
        left = part_of(rest * left, whole)
    return np.concatenate([left, *reversed(found)])


@on_sample("mean-by-magnitude", kinds=("AveragePool", "SumPool", "GlobalAveragePool"))
def mean_by_magnitude(s: Sample) -> Array:
    z = abs(s.a)[:, None] * abs(s.m.W)
    whole = z.sum(axis=0) + epsilon_of(s.rule)
    return np.asarray(z @ part_of(s.R, whole))


@on_sample("gamma-small-as-epsilon", "Gamma", "GeneralizedGamma")
def gamma_small(s: Sample) -> Array | None:
    return relevance(replace(s, rule={**s.rule, "name": "LRP0"})) if s.rule["gamma"] <= 0.01 else None
