"""What is planted: dialects that have to be named, and departures that have no name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import planted
from dialects_base import groups_of, hand_back
from dialects_right import Call, OnSample, right
from planted import Net, Plant, named, ruled, trace

import lrp_ref as lrp
from lrp_ref.peers.diagnosis import Diagnosis, diagnose

ZERO_PLUS = {"name": "ZPlus"}
ALPHA2 = {"name": "AlphaBeta", "alpha": 2.0, "beta": 1.0}
ALPHA1 = {"name": "AlphaBeta", "alpha": 1.0, "beta": 0.0}
GAMMA = {"name": "Gamma", "gamma": 0.25}
BIG = {"name": "Epsilon", "epsilon": 0.1}


def of_sample(function: OnSample) -> Callable[[Call], list[Any]]:
    """The step in which each sample of a linear layer goes through a literal formula."""
    return lambda c: right(c, function)


def ours(net: Net) -> lrp.Trace:
    """The package's own trace, of the same rules."""
    composite = lrp.Composite([(name, rule) for name, rule in net.asked.items()])
    return lrp.explain(net.network, net.x, composite=composite, start=net.start, canonize=False).trace


def diagnosed(net: Net, plant: Plant) -> Diagnosis:
    return diagnose(net.network, net.asked, ours(net), trace(net, plant))


@dataclass(frozen=True)
class Case:
    """What is planted at which node of which network, and what has to be named; () for nothing."""

    net: Net
    node: str
    wrong: Any
    switches: tuple[str, ...]
    numbers: dict[str, float] | None = None


def magnitude_of_bias(s: Any) -> Any:
    """autoLRP: the bias takes |b|/(|z| + |b| + ε) of R_j, the rest is shared over z without it."""
    z, epsilon = s.a @ s.m.W, s.rule["epsilon"]
    left = s.R * abs(z) / (abs(z) + abs(s.m.b) + epsilon)
    return s.a * (s.m.W @ (left / (z + epsilon * np.where(z < 0, -1, 1))))


def mean_by_magnitude(s: Any) -> Any:
    sizes = abs(s.a)[:, None] * s.m.W
    return (sizes / (sizes.sum(axis=0) + s.rule["epsilon"])) @ s.R


def by_magnitude(c: Call) -> list[Any]:
    total = sum(abs(x) for x in c.xs) + c.rule["epsilon"]
    return [c.R * abs(x) / total for x in c.xs]


def shares(s: Any) -> Any:
    """The ε-rule that spreads half of the bias' share."""
    d = s.a @ s.m.W + s.m.b
    d = d + s.rule["epsilon"] * np.where(d < 0, -1, 1)
    return s.a * (s.m.W @ (s.R / d)) + s.m.taps @ (0.5 * s.m.b * s.R / d / s.m.taps.sum(axis=0))


def mixed_alpha(s: Any) -> Any:
    """α = 1.5, β = 0.5 in place of 2 and 1."""
    parts = []
    for g, factor in zip(groups_of(replace(s, rule=ALPHA2)), (0.75, 0.5), strict=True):
        parts.append(factor * hand_back(g))
    return sum(parts)


def clipped_epsilon(s: Any) -> Any:
    z = s.a @ s.m.W + s.m.b
    return s.a * (s.m.W @ (s.R / (np.maximum(abs(z), 0.1) * np.where(z < 0, -1, 1))))


def tied() -> Net:
    """The network of images on small integers, whose max pool has ties and windows of zeros only."""
    net = planted.image()
    nodes = tuple(
        (n, {**s, "weight": np.round(s["weight"]), "bias": np.round(s["bias"]) - 2} if n == "c1" else s, i)
        for n, s, i in net.nodes
    )
    return replace(net, nodes=nodes, x=np.round(net.x))


L, IMAGE, RESIDUAL, NORMALISED, TIED, POOLED = (
    planted.layers(), planted.image(), planted.residual(), planted.normalised(), tied(), planted.pooled(),
)  # fmt: skip
BOX = {"name": "ZBox", "low": -3.0, "high": 3.0}

DIALECTS = {
    "epsilon": Case(L, "d2", ruled(name="Epsilon", epsilon=0.01), ("eps-default",), {"epsilon": 0.01}),
    "epsilon-odd": Case(L, "d2", ruled(name="Epsilon", epsilon=0.0373), ("eps-default",), {"epsilon": 0.0373}),
    "epsilon-conv": Case(IMAGE, "c2", ruled(name="Epsilon", epsilon=0.37), ("eps-default",), {"epsilon": 0.37}),
    "epsilon-clipped": Case(L, "d1", of_sample(clipped_epsilon), ("eps-default",), {"epsilon": 0.1}),
    "epsilon-none": Case(L, "d3", ruled(name="LRP0"), ("epsilon-ignored",)),
    "epsilon-unsigned": Case(L.ruled(d3=BIG), "d3", named("eps-unsigned"), ("eps-unsigned",)),
    "epsilon-rms": Case(L, "d1", named("eps-rms"), ("eps-rms",)),
    "ab-bias-both": Case(L.ruled(d2=ALPHA2), "d2", named("ab-bias-both"), ("ab-bias-both",)),
    "ab-bias-both-conv": Case(IMAGE.ruled(c2=ALPHA2), "c2", named("ab-bias-both"), ("ab-bias-both",)),
    "ab-bias-full": Case(L.ruled(d1=ALPHA1), "d1", named("ab-bias-full"), ("ab-bias-full",)),
    "ab-no-bias": Case(L.ruled(d2=ALPHA2), "d2", named("ab-no-bias"), ("ab-no-bias",)),
    "ab-split": Case(L.ruled(d1=ALPHA2), "d1", named("ab-split-denominators"), ("ab-split-denominators",)),
    "ab-weights": Case(L.ruled(d2=ALPHA2), "d2", of_sample(mixed_alpha), ("ab-weights",), {"alpha": 1.5, "beta": 0.5}),
    "unsplit": Case(L.ruled(d1=ZERO_PLUS), "d1", named("unsplit"), ("unsplit",)),
    "zplus-bias": Case(L.ruled(d2=ZERO_PLUS), "d2", named("zplus-bias"), ("zplus-bias",)),
    "zplus-bias-conv": Case(IMAGE.ruled(c1=ZERO_PLUS), "c1", named("zplus-bias"), ("zplus-bias",)),
    "gamma": Case(L.ruled(d2=GAMMA), "d2", ruled(name="Gamma", gamma=0.3), ("gamma-value",), {"gamma": 0.3}),
    "gamma-bias": Case(IMAGE.ruled(c2=GAMMA), "c2", named("gamma-bias"), ("gamma-bias",)),
    "gamma-square": Case(L.ruled(d2=GAMMA), "d2", named("gamma-square"), ("gamma-square",)),
    "gamma-generalised": Case(L.ruled(d1=GAMMA), "d1", named("gamma-generalised"), ("gamma-generalised",)),
    "gamma-plain": Case(
        L.ruled(d1={**GAMMA, "name": "GeneralizedGamma"}), "d1", named("gamma-plain"), ("gamma-plain",)
    ),
    "wsquare-bias": Case(IMAGE.ruled(c1={"name": "WSquare"}), "c1", named("wsquare-bias"), ("wsquare-bias",)),
    "flat-border": Case(IMAGE.ruled(c1={"name": "Flat"}), "c1", named("flat-border"), ("flat-border",)),
    "zbox-bias": Case(L.ruled(d1=BOX), "d1", named("zbox-bias"), ("zbox-bias",)),
    "deep-taylor-input": Case(
        L.ruled(d1={"name": "WSquare"}), "d1", named("deep-taylor-input"), ("deep-taylor-input",)
    ),
    "first-layer": Case(L.ruled(d1={"name": "Flat"}), "d1", ruled(name="Epsilon", epsilon=1e-6), ("first-layer",)),
    "no-bias": Case(L, "d2", named("no-bias-in-denominator"), ("no-bias-in-denominator",)),
    "bias-to-inputs": Case(L, "d2", named("bias-to-inputs"), ("bias-to-inputs",)),
    "bias-share": Case(L, "d2", of_sample(shares), ("bias-share",), {"bias_share": 0.5}),
    "eps-twice": Case(L.ruled(d2=BIG), "d2", of_sample(magnitude_of_bias), ("eps-twice",)),
    "rule-ignored": Case(L.ruled(d2=ALPHA2), "d2", named("rule-ignored"), ("rule-ignored",)),
    "other-rule": Case(L.ruled(d2=ALPHA2), "d2", ruled(name="Flat"), ("other-rule",)),
    "gradient-times-input": Case(L, "d2", named("gradient-times-input"), ("gradient-times-input",)),
    "input-factor": Case(L, "d2", named("input-factor-missing"), ("input-factor-missing",)),
    "absolute": Case(L, "d2", named("absolute"), ("absolute",)),
    "maxpool-ties": Case(TIED, "max", named("maxpool-ties"), ("maxpool-ties",)),
    "maxpool-zero": Case(TIED.ruled(c2={"name": "Flat"}), "max", named("maxpool-zero"), ("maxpool-zero",)),
    "maxpool-flat": Case(IMAGE, "max", named("maxpool-flat"), ("maxpool-flat",)),
    "mean-uniform": Case(IMAGE, "mean", named("avgpool-uniform"), ("avgpool-uniform",)),
    "mean-by-magnitude": Case(POOLED, "mean", of_sample(mean_by_magnitude), ("mean-by-magnitude",)),
    "bn-kind": Case(NORMALISED, "bn", named("bn-kind"), ("bn-kind",)),
    "residual-forgotten": Case(RESIDUAL, "sum", named("residual-forgotten"), ("residual-forgotten",)),
    "add-by-magnitude": Case(RESIDUAL, "sum", by_magnitude, ("add-by-magnitude",)),
    "add-epsilon": Case(RESIDUAL, "sum", ruled(name="Epsilon", epsilon=0.2), ("eps-default",), {"epsilon": 0.2}),
    "at-a-fork": Case(RESIDUAL.ruled(a=ALPHA1), "a", named("ab-no-bias"), ("ab-no-bias",)),
}


# What has no name -------------------------------------------------------------------------------------------------


def one_lost(c: Call) -> list[Any]:
    """The largest relevance of every sample is lost."""
    found = []
    for r in right(c):
        flat = r.reshape(len(r), -1).copy()
        flat[np.arange(len(flat)), abs(flat).argmax(axis=1)] = 0
        found.append(flat.reshape(r.shape))
    return found


def times(factor: float) -> Callable[[Call], list[Any]]:
    return lambda c: [factor * r for r in right(c)]


def softmaxed(c: Call) -> list[Any]:
    """Relevance is shared by the softmax of the contributions."""
    (x,) = c.xs
    e = np.exp(x)
    return [e / e.sum(axis=1, keepdims=True) * c.R.sum(axis=1, keepdims=True)]


UNKNOWN: dict[str, Any] = {
    "kernel-not-flipped": (IMAGE, "c2", named("kernel-not-flipped")),
    "padding-shifted-back": (IMAGE, "c1", of_sample(lambda s: np.roll(right_of(s), 1))),
    "transpose-forgotten": (L, "d2", named("transpose-forgotten")),
    "batch-mixed": (L, "d1", named("batch-mixed")),
    "uniform": (L, "d2", named("relevance-uniform")),
    "clipped": (L, "d2", named("relevance-clipped")),
    "factor": (L, "d2", times(1.1)),
    "factor-image": (IMAGE, "c2", times(2.0)),
    "one-lost": (L, "d1", one_lost),
    "softmaxed": (L, "d2", softmaxed),
    "operands-swapped": (RESIDUAL, "sum", named("operand-swapped")),
    "product-of-signs": (L, "d1", of_sample(lambda s: right_of(s) * np.where(s.a > 0, 1, 0.5))),
    "relu-gated": (L.ruled(d2={"name": "Flat"}), "r1", lambda c: [c.R * (c.xs[0] > 0) * 0.5 + c.R * 0.5]),
    "max-pool-last-wins": (TIED, "max", named("maxpool-last")),
}


def regularised(s: Any) -> Any:
    """Divided by z² + c as in a least-squares fit: R_j z_j/(z_j² + c)."""
    z = s.a @ s.m.W + s.m.b
    return s.a * (s.m.W @ (s.R * z / (z * z + 1e-3)))


def three_largest(s: Any) -> Any:
    """Only the three largest contributions of each unit take part."""
    terms = s.a[:, None] * s.m.W
    terms = terms * (abs(terms) >= np.sort(abs(terms), axis=0)[-3])
    return (terms / (terms.sum(axis=0) + s.m.b)) @ s.R


def dented(c: Call) -> list[Any]:
    """Every relevance to the power of 1.01."""
    return [np.sign(r) * abs(r) ** 1.01 for r in right(c)]


# Thought of after the diagnosis was finished: no name may be given.
INVENTED = {
    "regularised": (L, "d3", of_sample(regularised)),
    "three-largest": (L, "d1", of_sample(three_largest)),
    "dented": (IMAGE, "c2", dented),
    "rescaled-to-conserve": (L, "d1", lambda c: [conserving(r, c.R) for r in right(c)]),
    "half-and-half": (RESIDUAL, "sum", lambda c: [c.R / 2, c.R / 2]),
    "negated": (L, "d2", times(-1)),
    "nothing": (L, "d2", times(0)),
    "another-sample": (L, "d2", lambda c: [r[::-1] for r in right(c)]),
    "channels-reversed": (IMAGE, "c2", lambda c: [r[:, ::-1] for r in right(c)]),
    "one-pixel-down": (IMAGE, "max", lambda c: [np.roll(r, 1, axis=2) for r in right(c)]),
    "half-floats": (L, "d2", of_sample(lambda s: half_floats(s))),
    "other-bounds": (L.ruled(d1=BOX), "d1", ruled(name="ZBox", low=-2.0, high=3.0)),
}
UNKNOWN |= INVENTED


def conserving(r: Any, above: Any) -> Any:
    return r * (above.sum(axis=1) / r.sum(axis=1))[:, None]


def half_floats(s: Any) -> Any:
    W = s.m.W.astype(np.float16).astype(float)
    return s.a * (W @ (s.R / (s.a @ W + s.m.b)))


def right_of(s: Any) -> Any:
    """The right relevance of a sample of a linear layer."""
    return sum(hand_back(g) for g in groups_of(replace(s, rule={"name": "LRP0"})))
