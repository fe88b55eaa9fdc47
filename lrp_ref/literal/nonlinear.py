"""Layers that are not linear: max pooling, and the product and the sum of signals, one sample at a time."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import stabilisers
from .scalars import Array, common_dtype, divide
from .stabilisers import Stabiliser
from .windows import Pairs, PerAxis, geometry


@dataclass(frozen=True, eq=False)
class Shares:
    """What became of the relevance of a layer's output: inputs is one array per operand, each in its shape.

    stabiliser and dropped have the shape of the output; the sum of everything is the output's relevance.
    """

    inputs: tuple[Array, ...]
    stabiliser: Array
    dropped: Array


def max_pool(
    x: Array,
    R: Array,
    kernel: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Pairs = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    ties: Literal["first", "share"] = "first",
) -> Shares:
    """Return the relevance of x under winner takes all: each window gives all of R to its largest pixel.

    x (channels, *space), R (channels, *windows), stride None = kernel. Among equal winners the first one in
    row-major order gets it ("first"), or all get equal parts ("share", as Bach et al. 2015 for equal
    contributions). Padding never wins; the relevance of a window without any pixel is dropped. Raises
    ValueError where shapes do not fit.

    >>> x, R = np.array([[3.0, 3.0, 1.0]]), np.array([[2.0, 1.0]])
    >>> for ties in ("first", "share"):
    ...     print(max_pool(x, R, 2, stride=1, ties=ties).inputs[0].tolist())
    [[2.0, 1.0, 0.0]]
    [[1.0, 2.0, 0.0]]
    """
    if ties not in ("first", "share"):
        raise ValueError(f"ties must be 'first' or 'share', got {ties!r}")
    x, R = np.asarray(x), np.asarray(R)
    windows = geometry(x.shape[1:], kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    if R.shape != (x.shape[0], *windows.counts):
        raise ValueError(f"R has shape {R.shape}, expected {(x.shape[0], *windows.counts)}")
    dtype = common_dtype(x=x, R=R)
    relevance, dropped = np.zeros(x.shape, dtype), np.zeros(R.shape, dtype)
    for c in range(x.shape[0]):
        for o in windows.positions():
            pixels = [(c, *pixel) for _, pixel in windows.pixels(o)]
            if not pixels:
                dropped[(c, *o)] = R[(c, *o)]
                continue
            largest = max(x[pixel] for pixel in pixels)
            winners = [pixel for pixel in pixels if x[pixel] == largest]
            winners = winners[:1] if ties == "first" else winners
            for pixel in winners:
                relevance[pixel] += divide(R[(c, *o)], len(winners))
    return Shares((relevance,), np.zeros(R.shape, dtype), dropped)


def max_pool_forward(
    x: Array,
    kernel: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Pairs = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the maximum of each window over the pixels inside the image; x (channels, *space).

    Raises ValueError for a window without any pixel, which has no maximum.
    """
    x = np.asarray(x)
    windows = geometry(x.shape[1:], kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    y = np.zeros((x.shape[0], *windows.counts), common_dtype(x=x))
    for c in range(x.shape[0]):
        for o in windows.positions():
            values = [x[(c, *pixel)] for _, pixel in windows.pixels(o)]
            if not values:
                raise ValueError(f"window {o} has no pixel inside the image {x.shape[1:]}, hence no maximum")
            y[(c, *o)] = max(values)
    return y


def product(
    gate: Array,
    signal: Array,
    R: Array,
    rule: Literal["signal", "prop", "abs", "half"],
    stabiliser: Stabiliser = stabilisers.exact,
) -> Shares:
    """Return (R_g, R_s) for z = g s, elementwise, all arrays of one shape, under one of four rules.

    signal: R_s = R, R_g = 0 ("LRP-all", Arras et al. 2017 and 2019); prop: R_g = g / st(g + s) R, R_s = s /
    st(g + s) R; abs: R_g = |g| / st(|g| + |s|) R, R_s likewise; half: R / 2 each. Where the stabilised
    denominator is 0, R is dropped. Which operand is the gate is the caller's to say.

    >>> gate, signal, R = np.array([1.0]), np.array([-3.0]), np.array([8.0])
    >>> for rule in ("signal", "prop", "abs", "half"):
    ...     print([float(r[0]) for r in product(gate, signal, R, rule).inputs])
    [0.0, 8.0]
    [-4.0, 12.0]
    [2.0, 6.0]
    [4.0, 4.0]
    """
    gate, signal, R = np.asarray(gate), np.asarray(signal), np.asarray(R)
    if rule == "prop":
        return _split((gate, signal), R, stabiliser)
    if rule == "abs":
        return _split((abs(gate), abs(signal)), R, stabiliser)
    same = np.zeros(R.shape, common_dtype(gate=gate, signal=signal, R=R))
    if rule == "signal":
        return Shares((same.copy(), same + R), same.copy(), same.copy())
    if rule == "half":
        return _split((same + 1, same + 1), R, stabilisers.exact)
    raise ValueError(f"product rule must be 'signal', 'prop', 'abs' or 'half', got {rule!r}")


def add(operands: Sequence[Array], R: Array, stabiliser: Stabiliser = stabilisers.exact) -> Shares:
    """Return R_k = x_k / st(sum_k x_k) R for y = x_1 + ... + x_n, elementwise, all arrays of one shape.

    It is LRP-0 on a linear layer with unit weights over its operands (Bach et al. 2015, eq. 56).
    """
    return _split(tuple(np.asarray(x) for x in operands), np.asarray(R), stabiliser)


def _split(parts: tuple[Array, ...], R: Array, stabiliser: Stabiliser) -> Shares:
    """Return R in proportion to the parts, element by element: p_k / st(sum_k p_k) R."""
    if any(part.shape != R.shape for part in parts):
        raise ValueError(f"operands have shapes {[part.shape for part in parts]}, relevance {R.shape}")
    dtype = common_dtype(R=R, **{f"operand {k}": part for k, part in enumerate(parts)})
    flat = [part.reshape(-1) for part in parts]
    d: Any = sum(flat)
    stabilised, relevance = stabiliser(d), R.reshape(-1)
    shares = [np.zeros(len(d), dtype) for _ in parts]
    taken, dropped = np.zeros(len(d), dtype), np.zeros(len(d), dtype)
    for j in range(len(d)):
        if stabilised[j] == 0:
            dropped[j] = relevance[j]
            continue
        for share, part in zip(shares, flat, strict=True):
            share[j] = divide(part[j] * relevance[j], stabilised[j])
        taken[j] = divide((stabilised[j] - d[j]) * relevance[j], stabilised[j])
    inputs = tuple(share.reshape(R.shape) for share in shares)
    return Shares(inputs, taken.reshape(R.shape), dropped.reshape(R.shape))
