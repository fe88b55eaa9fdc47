"""Faults of whole layers, linear or not: pools, merges, routes, BatchNorm."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal.scalars import positive
from lrp_ref.literal.windows import geometry as windows_of

from ..explain import received, zero_padding_wins
from ..formulas import parts
from ..layers import MATRIX_LAYERS, ROUTES, WINDOW, geometry
from ..values import Array, array, zeros
from .base import Call, Sample, also, dialect, linear, near_root, total

# Any layer -------------------------------------------------------------------------------------------------------


@dialect("relevance-uniform")
def _relevance_uniform(call: Call) -> Any:
    size = sum(np.asarray(x[0]).size for x in call.inputs)
    each = call.R.reshape(len(call.R), -1).sum(axis=1) / Fraction(size)
    return [zeros(x.shape) + each.reshape(-1, *(1,) * (x.ndim - 1)) for x in call.inputs]


@dialect("relevance-clipped")
def _relevance_clipped(call: Call) -> Any:
    """Relevance below 0 is taken for 0, as if it passed a ReLU."""
    return received(call.layer, call.rule, call.inputs, positive(call.R))


@dialect("operand-swapped")
def _operand_swapped(call: Call) -> Any:
    if len(call.inputs) != 2 or call.inputs[0].shape != call.inputs[1].shape:
        return None
    return received(call.layer, call.rule, call.inputs, call.R)[::-1]


@dialect("residual-forgotten")
def _residual_forgotten(call: Call) -> Any:
    """Every operand of a sum gets the whole relevance."""
    return [call.R for _ in call.inputs] if call.layer["type"] == "Add" else None


@linear("rule-ignored")
def _rule_ignored(s: Sample) -> Any:
    """Every rule computed as LRP-0."""
    if s.call.layer["type"] not in MATRIX_LAYERS or s.call.name == "LRP0":
        return None
    return total(parts({"name": "LRP0"}, s.matrix, s.a, s.R, s.shape))


@also("rule-ignored")
def _pass_ignored(call: Call) -> Any:
    if call.layer["type"] not in MATRIX_LAYERS or call.name != "Pass":
        return None
    return received(call.layer, {"name": "LRP0"}, call.inputs, call.R)


@dialect("layer-skipped")
def _layer_skipped(call: Call) -> Any:
    """Relevance is handed on as it is, without a look at the layer."""
    if len(call.inputs) != 1 or call.inputs[0].size != call.R.size:
        return None
    return [call.R.reshape(call.inputs[0].shape)]


@dialect("route-proportional")
def _route_proportional(call: Call) -> Any:
    """A layer that only moves numbers divides relevance by the value and multiplies by it: lost where it is 0."""
    if call.layer["type"] not in (*ROUTES, "ReLU"):
        return None
    right = received(call.layer, call.rule, call.inputs, call.R)
    return [np.where(x == 0, zeros(r.shape), r) for x, r in zip(call.inputs, right, strict=True)]


def _last_arrival(call: Call) -> list[Array]:
    """Return what each input keeps if every output's relevance overwrites what arrived before."""
    found = zeros(call.inputs[0].shape)
    for index in np.ndindex(*call.R.shape):
        only = zeros(call.R.shape)
        only[index] = call.R[index]
        arrived = received(call.layer, call.rule, call.inputs, only)[0]
        found = np.where(arrived != 0, arrived, found)
    return [found]


@dialect("copies-overwritten")
def _copies_overwritten(call: Call) -> Any:
    """Where a number was copied to several places, only the last copy's relevance arrives."""
    if call.layer["type"] not in ("Upsample", "Pad"):
        return None
    return _last_arrival(call)


# Pools -----------------------------------------------------------------------------------------------------------


def _over_windows(call: Call, share: Any) -> list[Array]:
    """Return the relevance of a max pool under share(values of the window's pixels, R) -> parts."""
    x, how, pads = call.inputs[0], geometry(call.layer, *WINDOW), []
    if call.layer.get("_padding_wins"):  # padding is a value like any other
        pads = [(0, 0), (0, 0), *map(tuple, call.layer["padding"])]
        x, how = np.pad(x, pads, constant_values=zeros(())[()]), {**how, "padding": 0}
    windows, found = windows_of(x.shape[2:], call.layer["kernel"], **how), zeros(x.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        for o in windows.positions():
            pixels = [(n, c, *pixel) for _, pixel in windows.pixels(o)]
            for pixel, part in zip(pixels, share([x[p] for p in pixels], call.R[(n, c, *o)]), strict=True):
                found[pixel] += part
    return [found[tuple(slice(a, n - b) for n, (a, b) in zip(x.shape, pads, strict=True))] if pads else found]


@dialect("maxpool-flat")
def _maxpool_flat(call: Call) -> Any:
    if call.layer["type"] != "MaxPool":
        return None
    return _over_windows(call, lambda values, r: [r / len(values) for _ in values])


@dialect("maxpool-zero")
def _maxpool_zero(call: Call) -> Any:
    """Relevance is multiplied by a / (a ± ε): lost where the maximum is 0."""
    if call.layer["type"] != "MaxPool":
        return None
    return _over_windows(call, lambda values, r: _winner(values, r if max(values) != 0 else Fraction(0)))


@dialect("maxpool-last")
def _maxpool_last(call: Call) -> Any:
    """Among equal winners the last one in row-major order."""
    if call.layer["type"] != "MaxPool":
        return None
    return _over_windows(call, lambda values, r: _winner(values[::-1], r)[::-1])


@dialect("maxpool-proportional")
def _maxpool_proportional(call: Call) -> Any:
    """A max pool treated as an average: in proportion to the values of the window."""
    if call.layer["type"] != "MaxPool":
        return None
    return _over_windows(call, lambda v, r: [Fraction(x) * r / sum(v) if sum(v) else Fraction(0) for x in v])


@dialect("maxpool-ties")
def _maxpool_ties(call: Call) -> Any:
    """The other treatment of ties: shared in place of the first, the first in place of shared."""
    if call.layer["type"] != "MaxPool":
        return None
    other = "first" if call.layer.get("ties") == "share" else "share"
    return received({**call.layer, "ties": other}, call.rule, call.inputs, call.R)


@dialect("maxpool-overlap")
def _maxpool_overlap(call: Call) -> Any:
    """A pixel that wins several windows keeps the relevance of the last of them."""
    if call.layer["type"] != "MaxPool":
        return None
    return _last_arrival(call)


@dialect("maxpool-padding-wins")
def _maxpool_padding_wins(call: Call) -> Any:
    """Padding is 0 and takes the relevance of windows without a positive value."""
    if call.layer["type"] != "MaxPool" or not any(map(any, call.layer["padding"])):
        return None
    return [np.stack([zero_padding_wins(call.layer, x, r) for x, r in zip(call.inputs[0], call.R, strict=True)])]


def _winner(values: list[Any], r: Any) -> list[Any]:
    best = values.index(max(values))
    return [r if k == best else Fraction(0) for k in range(len(values))]


@dialect("avgpool-uniform")
def _avgpool_uniform(call: Call) -> Any:
    if call.layer["type"] not in ("AveragePool", "SumPool", "GlobalAveragePool") or call.name == "Flat":
        return None
    return received(call.layer, {"name": "Flat"}, call.inputs, call.R)


@dialect("sumpool-scale")
def _sumpool_scale(call: Call) -> Any:
    """The sum of a window of n pixels is divided by sqrt(n), which ε feels."""
    if call.layer["type"] != "SumPool" or call.name != "Epsilon":
        return None
    factor = near_root(Fraction(int(np.prod(call.layer["kernel"]))))
    rule = {**call.rule, "epsilon": call.rule["epsilon"] * factor}
    return received(call.layer, rule, call.inputs, call.R)


@dialect("toolbox-sumpool-ab")
def _toolbox_sumpool_ab(call: Call) -> Any:
    """The negative part of a sum pool is multiplied by R a second time."""
    if call.layer["type"] != "SumPool" or call.name != "AlphaBeta" or call.rule["beta"] == 0:
        return None
    once, twice = (received(call.layer, call.rule, call.inputs, r)[0] for r in (call.R, call.R * call.R))
    return [np.where(call.inputs[0] < 0, twice, once)]


# BatchNorm -------------------------------------------------------------------------------------------------------


@dialect("bn-fused")
def _bn_fused(call: Call) -> Any:
    """scale γ/sqrt(var² + eps), shift β − μ/sqrt(var² + eps)."""
    layer = call.layer
    if layer["type"] != "BatchNorm" or call.name == "Pass":
        return None
    roots = array([near_root(v * v + layer["epsilon"]) for v in layer["variance"]])
    wrong = {"type": "Affine", "scale": layer["gamma"] / roots, "shift": layer["beta"] - layer["mean"] / roots}
    return received(wrong, call.rule, call.inputs, call.R)


@dialect("bn-kind")
def _bn_kind(call: Call) -> Any:
    """The other treatment: pass in place of the z-rule, the z-rule in place of pass."""
    if call.layer["type"] not in ("BatchNorm", "Affine"):
        return None
    other = {"name": "LRP0" if call.name == "Pass" else "Pass"}
    return received(call.layer, other, call.inputs, call.R)
