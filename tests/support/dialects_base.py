"""A small relevance propagation of its own: plain NumPy on explicit matrices, what the wrong adapters are made from.

Nothing here knows the package: a layer's matrix is found by sending unit vectors through a direct forward
pass, and a rule is a list of groups, each with its edited inputs, weights and bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Spec = Mapping[str, Any]


class UnknownError(Exception):
    """A layer or rule that this implementation does not have."""


def up(x: Any) -> Any:
    return np.where(x > 0, x, 0)


def down(x: Any) -> Any:
    return np.where(x < 0, x, 0)


def sgn(x: Array) -> Array:
    return np.where(x < 0, -1.0, 1.0)


# Forward ---------------------------------------------------------------------------------------------------------


def per_axis(value: Any, axes: int) -> list[Any]:
    return [value] * axes if isinstance(value, int) else list(value)


def windows(spec: Spec, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[list[Any], ...]:
    """Stride, padding, dilation and number of windows, by axis."""
    axes = len(size)
    stride = per_axis(spec.get("stride") or kernel, axes)
    padding = per_axis(spec.get("padding") or [(0, 0)] * axes, axes)
    dilation = per_axis(spec.get("dilation") or 1, axes)
    counts = []
    for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + before + after - d * (k - 1) - 1
        count = room // s + 1
        if spec.get("ceil_mode") and room % s and count * s < n + before:
            count += 1
        counts.append(count)
    return stride, padding, dilation, counts


def spaced(tap: tuple[int, ...], dilation: list[int], counts: list[int], stride: list[int]) -> tuple[slice, ...]:
    """The positions of one tap in all windows."""
    cut = (slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, c, s in zip(tap, dilation, counts, stride, strict=True))
    return (slice(None), slice(None), *cut)


def patches(x: Array, spec: Spec, kernel: tuple[int, ...], fill: float) -> list[tuple[tuple[int, ...], Array]]:
    """(tap, what that tap sees in every window) for x (N, C, *space); outside the image it sees ``fill``."""
    stride, padding, dilation, counts = windows(spec, x.shape[2:], kernel)
    grown = []
    for n, k, s, (before, after), d, count in zip(x.shape[2:], kernel, stride, padding, dilation, counts, strict=True):
        end = (count - 1) * s + d * (k - 1) + 1
        grown.append((before, max(after, end - n - before)))
    x = np.pad(x, [(0, 0), (0, 0), *grown], constant_values=fill)
    found = []
    for tap in np.ndindex(*kernel):
        found.append((tap, x[spaced(tap, dilation, counts, stride)]))
    return found


def convolve(x: Array, spec: Spec) -> Array:
    w, groups = spec["weight"], spec.get("groups", 1)
    results = []
    for part, filters in zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True):
        seen = patches(part, spec, w.shape[2:], 0)
        results.append(sum(np.einsum("nc...,oc->no...", v, filters[(slice(None), slice(None), *t)]) for t, v in seen))
    return np.concatenate(results, axis=1)


def convolve_transposed(x: Array, spec: Spec) -> Array:
    w, groups, axes = spec["weight"], spec.get("groups", 1), x.ndim - 2
    stride, dilation = (per_axis(spec.get(k) or 1, axes) for k in ("stride", "dilation"))
    padding = per_axis(spec.get("padding") or [(0, 0)] * axes, axes)
    extra = per_axis(spec.get("output_padding") or 0, axes)
    kernel, results = w.shape[2:], []
    full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True)]
    for part, filters in zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True):
        y = np.zeros((len(x), w.shape[1], *(n + e for n, e in zip(full, extra, strict=True))))
        for t in np.ndindex(*kernel):
            tap = filters[(slice(None), slice(None), *t)]
            y[spaced(t, dilation, list(x.shape[2:]), stride)] += np.einsum("nc...,co->no...", part, tap)
        results.append(y)
    y = np.concatenate(results, axis=1)
    return y[(slice(None), slice(None), *(slice(b, y.shape[k + 2] - a) for k, (b, a) in enumerate(padding)))]


def sum_windows(x: Array, spec: Spec) -> Array:
    return np.asarray(sum(v for _, v in patches(x, spec, kernel_of(spec, x), 0)))


def kernel_of(spec: Spec, x: Array) -> tuple[int, ...]:
    return tuple(per_axis(spec["kernel"], x.ndim - 2))


def average_windows(x: Array, spec: Spec) -> Array:
    inside = np.ones((1, 1, *x.shape[2:]))
    if spec.get("count_include_pad", True):  # the padding counts, what hangs over it does not
        padding = per_axis(spec.get("padding") or [(0, 0)] * (x.ndim - 2), x.ndim - 2)
        inside = np.pad(inside, [(0, 0), (0, 0), *padding], constant_values=1)
        count = grown_count(inside, spec, x)
    else:
        count = sum_windows(inside, spec)
    return sum_windows(x, spec) / np.where(count == 0, 1, count)


def grown_count(inside: Array, spec: Spec, x: Array) -> Array:
    """How many positions of each window lie in the padded image."""
    counts = windows(spec, x.shape[2:], kernel_of(spec, x))[3]
    whole = sum_windows(inside, {**spec, "padding": None})
    return whole[(slice(None), slice(None), *(slice(0, n) for n in counts))]


def channelwise(value: Any, x: Array) -> Array:
    """A number, one per channel, or an array, made to broadcast against a batch x."""
    value = np.asarray(value, float)
    return value.reshape(-1, *(1,) * (x.ndim - 2)) if value.ndim == 1 else value


def normal_scale(spec: Spec) -> tuple[Array, Array]:
    scale = spec["gamma"] / np.sqrt(spec["variance"] + spec["epsilon"])
    return scale, spec["beta"] - spec["mean"] * scale


def no_bias(spec: Spec, xs: list[Array]) -> Array:
    """The linear part of a layer on a batch."""
    kind, x = spec["type"], xs[0]
    if kind == "Dense":
        return x @ spec["weight"]
    if kind == "GlobalAveragePool":
        return x.mean(axis=tuple(range(2, x.ndim)), keepdims=spec.get("keepdims", True))
    if kind in ("Affine", "BatchNorm"):
        return x * channelwise(spec["scale"] if kind == "Affine" else normal_scale(spec)[0], x)
    if kind == "Add":
        return np.asarray(sum(xs))
    pools = {"SumPool": sum_windows, "AveragePool": average_windows}
    return {"Conv": convolve, "ConvTranspose": convolve_transposed, **pools}[kind](x, spec)


LINEAR = ("Dense", "Conv", "ConvTranspose", "AveragePool", "SumPool", "GlobalAveragePool", "Affine", "BatchNorm", "Add")
ROUTES = ("Concat", "Flatten", "Slice", "Pad", "Transpose", "Upsample")


def bias_of(spec: Spec, z: Array) -> Array:
    """The bias of every output, in the shape of a batch of one."""
    if spec["type"] == "Dense":  # on the last axis, whatever stands before it
        return np.broadcast_to(0.0 if spec["bias"] is None else spec["bias"], z.shape)
    b = normal_scale(spec)[1] if spec["type"] == "BatchNorm" else spec.get("bias", spec.get("shift"))
    return np.zeros_like(z) if b is None else np.broadcast_to(channelwise(b, z), z.shape)


def moved(spec: Spec, xs: list[Array], fill: float) -> Array:
    """A layer that only moves numbers, on a batch."""
    kind, x = spec["type"], xs[0]
    if kind == "Concat":
        return np.concatenate(xs, axis=spec["axis"])
    if kind == "Flatten":
        return x.reshape(len(x), -1)
    if kind == "Transpose":
        return x.transpose(spec["axes"])
    if kind == "Slice":
        for axis, *cut in zip(spec["axes"], spec["starts"], spec["stops"], spec["steps"], strict=True):
            x = x[(slice(None),) * axis + (slice(*cut),)]
        return x
    if kind == "Upsample":
        for axis, factor in enumerate(spec["factors"]):
            x = x.repeat(factor, axis=axis + x.ndim - len(spec["factors"]))
        return x
    amounts = [(0, 0)] * (x.ndim - len(spec["amounts"])) + [tuple(p) for p in spec["amounts"]]
    more = {"constant_values": fill} if spec["mode"] == "constant" else {}
    return np.pad(x, amounts, mode=spec["mode"], **more)


FORWARD: dict[str, Callable[[Spec, list[Array]], Array]] = {}  # of layers whose files are their own


def forward(spec: Spec, xs: list[Array]) -> Array:
    kind = spec["type"]
    if kind in LINEAR:
        z = no_bias(spec, xs)
        return z + bias_of(spec, z[:1])
    if kind in ROUTES:
        return moved(spec, xs, spec.get("value", 0))
    if kind == "ReLU":
        return np.asarray(up(xs[0]))
    if kind == "MaxPool":
        return np.max([v for _, v in patches(xs[0], spec, kernel_of(spec, xs[0]), -np.inf)], axis=0)
    if kind == "Multiply":
        return xs[0] * xs[1]
    if kind in FORWARD:
        return FORWARD[kind](spec, xs)
    raise UnknownError(f"no forward pass of {kind}")


# Explicit matrices -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Linear:
    """z = a W + b of one sample: W (I, J), b (J,), taps (I, J) 1 where i and j are connected, else 0."""

    W: Array
    b: Array
    taps: Array
    output: tuple[int, ...]


def probe(spec: Spec, shapes: list[tuple[int, ...]]) -> Linear:
    """The matrix of a layer, found with unit vectors; shapes are those of the operands, without batch."""
    sizes = [int(np.prod(s)) for s in shapes]
    units = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    xs = [u.reshape(-1, *s) for u, s in zip(units, shapes, strict=True)]
    answer = no_bias(spec, xs)
    ones = {k: np.ones_like(v) if k in ("weight", "scale", "gamma") else v for k, v in spec.items()}
    taps = no_bias(ones, xs).reshape(len(answer), -1) != 0
    W = answer.reshape(len(answer), -1)
    return Linear(W, bias_of(spec, answer[:1]).reshape(-1), taps.astype(float), answer.shape[1:])


# Rules -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a linear layer: a (I,), R (J,); first is a of the batch's first sample, zs are z of the batch."""

    spec: Spec
    rule: Spec
    m: Linear
    a: Array
    R: Array
    shapes: list[tuple[int, ...]]
    first: Array
    zs: Array

    @property
    def name(self) -> str:
        return str(self.rule["name"])


@dataclass(frozen=True, eq=False)
class Group:
    """Runs (inputs, weights) that share the denominator st(sum over runs of inputs @ weights + b)."""

    runs: list[tuple[Array, Array]]
    b: Array
    R: Array
    st: Callable[[Array], Array] = field(default=lambda d: d)

    @property
    def d(self) -> Array:
        return np.asarray(sum(a @ W for a, W in self.runs) + self.b)


def stabiliser(rule: Spec) -> Callable[[Array], Array]:
    told = {"kind": "add", "epsilon": rule["epsilon"]} if rule["name"] == "Epsilon" else rule.get("stabiliser")
    if not told or told["kind"] == "exact":
        return lambda d: d
    if told["kind"] == "add":
        at_zero = {"plus": 1, "minus": -1, "dropped": 0}[rule.get("zero", "plus")]
        return lambda d: d + told["epsilon"] * np.where(d == 0, at_zero, sgn(d))
    if told["kind"] == "clip":
        return lambda d: np.maximum(abs(d), told["epsilon"]) * sgn(d)
    raise UnknownError(f"stabiliser {told['kind']}")


def bound(value: Any, shapes: list[tuple[int, ...]]) -> Array:
    return np.broadcast_to(channelwise(value, np.zeros((1, *shapes[0]))), (1, *shapes[0])).reshape(-1)


def groups_of(s: Sample) -> list[Group]:
    """The groups of a rule, and of their biases those that it sees."""
    groups = stated(s)
    return [replace(g, b=np.zeros_like(g.b)) for g in groups] if s.rule.get("bias") == "ignore" else groups


def stated(s: Sample) -> list[Group]:
    """The groups of a rule with their biases."""
    a, W, R, st, rule = s.a, s.m.W, s.R, stabiliser(s.rule), s.rule
    b = s.m.b * (not rule.get("without_bias"))
    none, one = np.zeros_like(b), np.ones_like(a)
    if s.name in ("LRP0", "Epsilon"):
        return [Group([(a, W)], b, R, st)]
    if s.name == "Gamma":
        return [Group([(a, W + rule["gamma"] * up(W))], b + rule["gamma"] * up(b), R, st)]
    if s.name == "GeneralizedGamma":
        more, less, z = W + rule["gamma"] * up(W), W + rule["gamma"] * down(W), a @ W + b
        return [
            Group([(up(a), more), (down(a), less)], b + rule["gamma"] * up(b), np.where(z > 0, R, 0), st),
            Group([(up(a), less), (down(a), more)], b + rule["gamma"] * down(b), np.where(z < 0, R, 0), st),
        ]
    plus, minus = [(up(a), up(W)), (down(a), down(W))], [(up(a), down(W)), (down(a), up(W))]
    if s.name == "AlphaBeta":
        both = [Group(plus, up(b), rule["alpha"] * R, st), Group(minus, down(b), -rule["beta"] * R, st)]
        return both if rule["beta"] else both[:1]
    if s.name == "ZPlus":
        return [Group(plus, none, R, st)]
    if s.name in ("WSquare", "Flat"):
        return [Group([(one, W * W if s.name == "WSquare" else s.m.taps)], none, R, st)]
    if s.name == "ZBox":
        low, high = bound(rule["low"], s.shapes), bound(rule["high"], s.shapes)
        return [Group([(a, W), (-low, up(W)), (-high, down(W))], none, R, st)]
    raise UnknownError(f"rule {s.name}")


def hand_back(group: Group) -> Array:
    """Relevance of the inputs: each run's input times its weights times R / denominator; nothing at 0."""
    d = group.st(group.d)
    factor = np.divide(group.R, d, out=np.zeros_like(d), where=d != 0)
    return np.asarray(sum(a * (W @ factor) for a, W in group.runs))


def shared(s: Sample) -> Array | float:
    """What is added where the bias, or epsilon, is shared among the inputs of a unit."""
    if s.rule.get("bias") == "spread":
        fan_in, received = s.m.taps.sum(axis=0), np.zeros_like(s.a)
        for g in groups_of(s):
            alive = (fan_in > 0) & (g.st(g.d) != 0)
            received[:] += s.m.taps[:, alive] @ (g.b * g.R / (g.st(g.d) * fan_in))[alive]
        return received
    share = s.rule.get("bias_share") or 0
    more = s.rule.get("stabiliser_share")
    if s.name != "Epsilon" or not (share or more):
        return 0.0
    z = s.a @ s.m.W + s.m.b
    added = s.rule["epsilon"] * sgn(z)
    whole = share * s.m.b + (share if more is None else more) * added
    d = z + added
    return (s.m.taps / s.m.taps.sum(axis=0)) @ (whole * np.divide(s.R, d, out=np.zeros_like(d), where=d != 0))
