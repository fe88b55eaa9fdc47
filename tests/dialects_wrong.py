"""The planted dialects: small implementations, each wrong in one piece, by the ids of the flags ``catches``.

A fault is a function of a call (any layer) or of one sample of a linear layer; it returns None where it does not
apply, and there the right answer is given.
"""

# ruff: noqa: N803  (R and W are the letters of the papers)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from dialects_base import (
    LINEAR,
    ROUTES,
    Array,
    Group,
    Linear,
    Sample,
    Spec,
    UnknownError,
    bound,
    convolve,
    down,
    groups_of,
    hand_back,
    kernel_of,
    moved,
    patches,
    probe,
    sgn,
    shared,
    stabiliser,
    up,
)


@dataclass(frozen=True, eq=False)
class Call:
    """A layer, its rule, the operands and the relevance of the output, with batch."""

    spec: Spec
    rule: Spec
    xs: list[Array]
    R: Array

    @property
    def kind(self) -> str:
        return str(self.spec["type"])

    @property
    def name(self) -> str:
        return str(self.rule["name"])


OnCall = Callable[[Call], "list[Array] | None"]
OnSample = Callable[[Sample], "Array | None"]
CALLS: dict[str, OnCall] = {}
SAMPLES: dict[str, OnSample] = {}
MATRICES: dict[tuple[int, Any], tuple[Spec, Linear]] = {}


def on_call(name: str, *kinds: str) -> Callable[[OnCall], OnCall]:
    def register(function: OnCall) -> OnCall:
        CALLS[name] = lambda c: function(c) if not kinds or c.kind in kinds else None
        return function

    return register


def on_sample(name: str, *rules: str, kinds: tuple[str, ...] = LINEAR) -> Callable[[OnSample], OnSample]:
    def register(function: OnSample) -> OnSample:
        SAMPLES[name] = lambda s: function(s) if (not rules or s.name in rules) and s.spec["type"] in kinds else None
        return function

    return register


# The right answers -----------------------------------------------------------------------------------------------


def right(c: Call, fault: OnSample | None = None) -> list[Array]:
    """The relevance of every operand."""
    if c.name == "Pass":
        return [c.R.reshape(c.xs[0].shape)]
    if c.kind == "ReLU":
        return [c.R]
    if c.kind in ROUTES:
        return route_back(c.spec, c.xs, c.R)
    if c.kind == "MaxPool":
        share = first_winner if c.spec.get("ties", "first") == "first" else all_winners
        return [over_windows(c, share)]
    if c.kind == "Multiply":
        return product(c)
    if c.kind not in LINEAR:
        raise UnknownError(f"no {c.kind}")
    return linear(c, fault)


def matrix(spec: Spec, shapes: list[tuple[int, ...]]) -> Linear:
    key = (id(spec), tuple(shapes))
    if key not in MATRICES:
        MATRICES[key] = (spec, probe(spec, shapes))  # the spec is kept, so that its id stays its own
    return MATRICES[key][1]


def linear(c: Call, fault: OnSample | None) -> list[Array]:
    shapes = [x.shape[1:] for x in c.xs]
    m, flat = matrix(c.spec, shapes), np.concatenate([x.reshape(len(x), -1) for x in c.xs], axis=1)
    received = []
    for a, R in zip(flat, c.R, strict=True):
        s = Sample(c.spec, c.rule, m, a, R.reshape(-1), shapes, flat[0], flat @ m.W + m.b)
        wrong = fault(s) if fault else None
        received.append(relevance(s) if wrong is None else wrong)
    cuts = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    return [p.reshape(-1, *s) for p, s in zip(np.split(np.stack(received), cuts, axis=1), shapes, strict=True)]


def relevance(s: Sample) -> Array:
    return total(groups_of(s)) + shared(s)


def total(groups: list[Group]) -> Array:
    return np.asarray(sum(hand_back(g) for g in groups))


def route_back(spec: Spec, xs: list[Array], R: Array, copies: str = "add") -> list[Array]:
    """Send a number per place through the layer (0 is nowhere), then every relevance where its number came from."""
    places, start = [], 1
    for x in xs:
        places.append(np.arange(start, start + x.size).reshape(x.shape))
        start += x.size
    source, received = moved(spec, places, 0).reshape(-1), np.zeros(start)
    if copies == "add":
        np.add.at(received, source, R.reshape(-1))
    else:
        for i, r in zip(source, R.reshape(-1), strict=True):
            received[i] = r if r != 0 else received[i]
    return [received[p] for p in places]


Share = Callable[[Array, Array], Array]


def over_windows(c: Call, share: Share, copies: str = "add") -> Array:
    """Relevance of a pool: share(values of every tap, R) gives what every tap gets; the padding's is lost."""
    x, fill = c.xs[0], 0.0 if c.spec.get("padding_wins") else -np.inf
    values = np.stack([v for _, v in patches(x, c.spec, kernel_of(c.spec, x), fill)])
    numbers = np.arange(1, x.size + 1).reshape(x.shape)
    places = np.stack([v for _, v in patches(numbers, c.spec, kernel_of(c.spec, x), 0)])
    parts, received = share(values, c.R), np.zeros(x.size + 1)
    if copies == "add":
        np.add.at(received, places.reshape(-1), parts.reshape(-1))
    else:
        order = np.moveaxis(places, 0, -1).reshape(-1), np.moveaxis(parts, 0, -1).reshape(-1)
        for i, r in zip(*order, strict=True):
            received[i] = r if r != 0 else received[i]
    return received[1:].reshape(x.shape)


def all_winners(values: Array, R: Array) -> Array:
    winners = values == values.max(axis=0)
    return winners * R / winners.sum(axis=0)


def first_winner(values: Array, R: Array) -> Array:
    return (np.arange(len(values)).reshape(-1, *(1,) * R.ndim) == values.argmax(axis=0)) * R


def product(c: Call) -> list[Array]:
    how, gate = c.rule["product"], c.spec.get("gate") or 0
    g, s = c.xs[gate], c.xs[1 - gate]
    if how == "signal":
        parts = [0 * c.R, c.R]
    elif how == "half":
        parts = [c.R / 2, c.R / 2]
    else:
        g, s = (abs(g), abs(s)) if how == "abs" else (g, s)
        st = stabiliser({"name": "", "stabiliser": c.rule.get("stabiliser")})(g + s)
        ratio = np.divide(c.R, st, out=np.zeros_like(st), where=st != 0)
        parts = [g * ratio, s * ratio]
    return parts if gate == 0 else parts[::-1]


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
