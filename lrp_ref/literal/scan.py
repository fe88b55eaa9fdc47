"""A selective scan (Mamba), state by state: forward pass and relevance, one sample at a time.

Gu and Dao 2023 ("Mamba: linear-time sequence modeling with selective state spaces"), T steps of D channels with S
states each: h_t[d,s] = decay(delta_t[d] a[d,s]) h_{t-1}[d,s] + (delta_t[d] x_t[d]) B_t[s], y_t[d] = sum_s C_t[s]
h_t[d,s] + skip[d] x_t[d], where decay is the exponential. The relevance of Jafari et al. 2024 ("MambaLRP") takes
delta, B, C and the decay for constants; the other choice gives half to each factor of every product.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import stabilisers
from .scalars import Array, common_dtype, divide
from .stabilisers import Stabiliser


@dataclass(frozen=True, eq=False)
class Scan:
    """What a scan reads: x and delta (T, D), b and c (T, S), a (D, S), skip (D,), and the initial state (D, S)."""

    x: Array
    delta: Array
    b: Array
    c: Array
    a: Array
    skip: Array
    state: Array
    decay: Callable[[Any], Any] = math.exp


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the relevance of y (T, D) went: to each of what the scan reads, to the stabiliser, or nowhere."""

    x: Array
    delta: Array
    b: Array
    c: Array
    state: Array
    stabiliser: Any
    dropped: Any

    @property
    def total(self) -> Any:
        """Return the sum of everything, which is the relevance put in, in exact arithmetic."""
        arrived = sum(part.sum() for part in (self.x, self.delta, self.b, self.c, self.state))
        return arrived + self.stabiliser + self.dropped


def forward(scan: Scan) -> tuple[Array, Array]:
    """Return y (T, D) and the states h (T + 1, D, S), of which entry 0 is the initial one."""
    steps, channels = scan.x.shape
    states = scan.a.shape[1]
    dtype = common_dtype(x=scan.x, a=scan.a)
    y, h = np.zeros((steps, channels), dtype), np.zeros((steps + 1, channels, states), dtype)
    h[0] = scan.state
    for t in range(steps):
        for d in range(channels):
            y[t, d] = scan.skip[d] * scan.x[t, d]
            for s in range(states):
                kept = scan.decay(scan.delta[t, d] * scan.a[d, s]) * h[t, d, s]
                h[t + 1, d, s] = kept + scan.delta[t, d] * scan.x[t, d] * scan.b[t, s]
                y[t, d] += scan.c[t, s] * h[t + 1, d, s]
    return y, h


def relevance(
    scan: Scan,
    R: Array,
    product: Literal["signal", "half"] = "signal",
    stabiliser: Stabiliser = stabilisers.exact,
) -> Explanation:
    """Return where the relevance R (T, D) of y goes, from the last step to the first.

    Sums share in proportion to their parts, R_part = part / st(sum) R, and R is dropped where st(sum) = 0. signal:
    of C h the state takes all, of decay h_{t-1} the state, of (delta x) B the x. half: each factor takes half, the
    decay's half goes to delta; delta x has half of the last product, of which x and delta take half each.

    >>> one = np.ones((2, 1))
    >>> scan = Scan(np.array([[4.0], [1.0]]), one, one, one, -np.ones((1, 1)) / 2, np.zeros(1), np.zeros((1, 1)),
    ...             lambda v: 1 + v)
    >>> relevance(scan, np.array([[0.0], [3.0]])).x.ravel().tolist()
    [2.0, 1.0]
    """
    y, h = forward(scan)
    dtype = common_dtype(x=scan.x, R=R)
    r_x, r_delta = np.zeros(scan.x.shape, dtype), np.zeros(scan.x.shape, dtype)
    r_b, r_c, r_h = np.zeros(scan.b.shape, dtype), np.zeros(scan.c.shape, dtype), np.zeros(h.shape, dtype)
    taken: Any = 0
    dropped: Any = 0
    steps, channels = scan.x.shape
    half = product == "half"
    for t in reversed(range(steps)):
        for d in range(channels):
            parts = [scan.c[t, s] * h[t + 1, d, s] for s in range(len(scan.c[t]))]
            shares, offset, lost = _shares([*parts, scan.skip[d] * scan.x[t, d]], y[t, d], R[t, d], stabiliser)
            taken, dropped = taken + offset, dropped + lost
            r_x[t, d] += shares.pop()
            for s, share in enumerate(shares):
                r_h[t + 1, d, s] += divide(share, 2) if half else share
                r_c[t, s] += divide(share, 2) if half else 0
        for d in range(channels):
            for s in range(scan.a.shape[1]):
                kept = scan.decay(scan.delta[t, d] * scan.a[d, s]) * h[t, d, s]
                fed = scan.delta[t, d] * scan.x[t, d] * scan.b[t, s]
                (of_kept, of_fed), offset, lost = _shares([kept, fed], h[t + 1, d, s], r_h[t + 1, d, s], stabiliser)
                taken, dropped = taken + offset, dropped + lost
                if half:
                    r_h[t, d, s] += divide(of_kept, 2)
                    r_delta[t, d] += divide(of_kept, 2) + divide(of_fed, 4)
                    r_x[t, d] += divide(of_fed, 4)
                    r_b[t, s] += divide(of_fed, 2)
                else:
                    r_h[t, d, s] += of_kept
                    r_x[t, d] += of_fed
    return Explanation(r_x, r_delta, r_b, r_c, r_h[0], taken, dropped)


def _shares(parts: list[Any], z: Any, R: Any, stabiliser: Stabiliser) -> tuple[list[Any], Any, Any]:
    """Return what each part of the sum z gets of R, what the stabiliser takes, and what is dropped."""
    (stable,) = stabiliser(np.array([z], dtype=object if not isinstance(z, float) else float))
    if stable == 0:
        return [R * 0 for _ in parts], R * 0, R
    return [divide(part * R, stable) for part in parts], divide((stable - z) * R, stable), R * 0
