"""onnx's own evaluator in float64, with the three operators that it computes otherwise than the standard says.

Its transposed convolution takes groups of one channel only, its places of maxima are those of two axes at most, and
its error function has nine digits. Here they are by their definition, number by number.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

pytest.importorskip("onnx")

from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class ConvTranspose(OpRun):
    """Every number of the input, times the kernel, laid where its window is; then cropped, or filled up with zeros."""

    def _run(self, x: Any, w: Any, b: Any = None, **how: Any) -> tuple[Any]:
        assert b is None
        assert how.get("auto_pad") in (None, "NOTSET")
        axes, kernel = x.ndim - 2, w.shape[2:]
        stride, dilation = (how.get(key) or [1] * axes for key in ("strides", "dilations"))
        pads, more = how.get("pads") or [0] * 2 * axes, how.get("output_padding") or [0] * axes
        groups = how.get("group") or 1
        rows = list(zip(x.shape[2:], stride, dilation, kernel, strict=True))
        sizes = [(m - 1) * s + d * (k - 1) + 1 + p for (m, s, d, k), p in zip(rows, more, strict=True)]
        outs, ins = w.shape[1], len(w) // groups
        whole = np.zeros((len(x), groups * outs, *sizes), dtype=x.dtype)
        for p, k in itertools.product(np.ndindex(x.shape[2:]), np.ndindex(kernel)):
            q = tuple(i * s + j * d for i, s, j, d in zip(p, stride, k, dilation, strict=True))
            for g in range(groups):
                some, taken = slice(g * outs, (g + 1) * outs), slice(g * ins, (g + 1) * ins)
                whole[(slice(None), some, *q)] += x[(slice(None), taken, *p)] @ w[(taken, slice(None), *k)]
        inner = (slice(a, n - z) for n, a, z in zip(sizes, pads[:axes], pads[axes:], strict=True))
        return (whole[(slice(None), slice(None), *inner)],)


class MaxPool(OpRun):
    """The largest number of every window, and its place, counted over the whole input; the first of several."""

    def _run(self, x: Any, **how: Any) -> tuple[Any, Any]:
        axes, kernel = x.ndim - 2, how["kernel_shape"]
        stride, dilation = (how.get(key) or [1] * axes for key in ("strides", "dilations"))
        pads = how.get("pads") or [0] * 2 * axes
        assert not how.get("ceil_mode")
        assert not how.get("storage_order")
        rows = zip(x.shape[2:], kernel, stride, dilation, pads[:axes], pads[axes:], strict=True)
        out = [(n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, d, a, b in rows]
        z, places = np.zeros((*x.shape[:2], *out), x.dtype), np.zeros((*x.shape[:2], *out), np.int64)
        numbers = np.arange(x.size).reshape(x.shape)
        for p in np.ndindex(*out):
            lie = [
                [i for i in (o * s - a + j * d for j in range(k)) if 0 <= i < n]
                for o, s, a, k, d, n in zip(p, stride, pads, kernel, dilation, x.shape[2:], strict=False)
            ]
            window = (slice(None), slice(None), *np.ix_(*lie))
            taps, at = (array[window].reshape(*x.shape[:2], -1) for array in (x, numbers))
            won = taps.argmax(axis=2)[..., None]
            z[(..., *p)] = np.take_along_axis(taps, won, 2)[..., 0]
            places[(..., *p)] = np.take_along_axis(at, won, 2)[..., 0]
        return z, places


class Erf(OpRun):
    """SciPy's error function."""

    def _run(self, x: Any) -> tuple[Any]:
        return (erf(x),)


def evaluate(model: Any, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a model."""
    made = ReferenceEvaluator(model, new_ops=[ConvTranspose, MaxPool, Erf])
    with np.errstate(all="ignore"):
        found: list[np.ndarray] = made.run(None, feeds)
    return found
