"""Faults of products, of numbers and of matrices, of the softmax, and of norms."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..cells import CELLS
from ..explain import received, value
from ..formulas import Rule
from ..values import Array, square_root, zeros
from . import faults, rules
from .base import Call, also, dialect

PRODUCTS = ("Multiply", "MatMul")
EXTENDED = (faults, rules)  # what ``also`` extends is registered there

# Products --------------------------------------------------------------------------------------------------------


def shares(call: Call) -> str | None:
    """Return how the products of a layer share relevance, None where it has none."""
    if call.layer["type"] == "RNN" or call.name not in ("Product", "Recurrent", "Selection"):
        return None
    return str(call.rule["product"])


@dialect("product-to-both")
def _product_to_both(call: Call) -> Any:
    """Both factors of a product get the whole relevance, as gradient x input gives it."""
    if call.layer["type"] == "MatMul":
        half = received(call.layer, {**call.rule, "product": "half"}, call.inputs, call.R)
        return [part * 2 for part in half]
    return [call.R, call.R] if call.layer["type"] == "Multiply" else None


@dialect("product-rule")
def _product_rule(call: Call) -> Any:
    """Half to each factor, whatever the rule, or all to the signal where the rule is half."""
    if call.layer["type"] == "Multiply":
        other = {"name": "Product", "product": "signal" if call.rule["product"] == "half" else "half"}
        return received(call.layer, other, call.inputs, call.R)
    how = shares(call)
    if how is None:
        return None
    rule, layer = {**call.rule, "product": "signal" if how == "half" else "half"}, call.layer
    if layer["type"] == "MatMul" and layer["gate"] is None and rule.get("gate") is None:
        layer = {**layer, "gate": 0}  # the first one is taken for the gate
    return received(layer, rule, call.inputs, call.R)


@dialect("gate-takes-signal")
def _gate_takes_signal(call: Call) -> Any:
    """Gate and signal of a product are confused."""
    if call.layer["type"] not in PRODUCTS or call.layer["gate"] is None:
        return None
    return received({**call.layer, "gate": 1 - call.layer["gate"]}, call.rule, call.inputs, call.R)


@dialect("product-unsigned")
def _product_unsigned(call: Call) -> Any:
    """Shares by |value| where the rule says by value, or the other way round."""
    how = shares(call)
    if how not in ("prop", "abs"):
        return None
    other = {**call.rule, "product": "abs" if how == "prop" else "prop"}
    return received(call.layer, other, call.inputs, call.R)


# Stabilisers -----------------------------------------------------------------------------------------------------


def with_epsilon(rule: Rule, epsilon: Fraction) -> Rule:
    """Return a rule with another ε wherever it has one that is not 0; its stabilisers stay."""
    changed = {"epsilon": epsilon} if rule.get("epsilon") else {}
    return {**rule, **{k: with_epsilon(rule[k], epsilon) for k in ("dense", "state") if k in rule}, **changed}


@also("epsilon-ignored")
def _epsilon_ignored(call: Call) -> Any:
    other = with_epsilon(call.rule, Fraction(0))
    if call.layer["type"] not in (*CELLS, "SelectiveScan") or other == call.rule:
        return None
    return received(call.layer, other, call.inputs, call.R)


@also("eps-default")
def _eps_default(call: Call) -> Any:
    other = with_epsilon(call.rule, Fraction(1, 10))
    if call.layer["type"] not in (*CELLS, "SelectiveScan") or other == call.rule:
        return None
    return received(call.layer, other, call.inputs, call.R)


@dialect("stabiliser-ignored")
def _stabiliser_ignored(call: Call) -> Any:
    """A product of matrices divided by its value as it is."""
    if call.layer["type"] != "MatMul" or "stabiliser" not in call.rule:
        return None
    return received(call.layer, {k: v for k, v in call.rule.items() if k != "stabiliser"}, call.inputs, call.R)


@dialect("matmul-half-epsilon")
def _matmul_half_epsilon(call: Call) -> Any:
    """Half a product's relevance to each factor over 2 y + ε, whatever the sign of y: the ε is halved."""
    told = call.rule.get("stabiliser", {})
    if call.layer["type"] != "MatMul" or call.rule["product"] != "half" or told.get("kind") != "add":
        return None
    a, b = call.inputs
    s = call.R / (a @ b * 2 + told["epsilon"])
    return [_summed(a * (s @ b.swapaxes(-1, -2)), a), _summed(b * (a.swapaxes(-1, -2) @ s), b)]


def _summed(x: Array, like: Array) -> Array:
    """Return the sum over the axes that a factor was repeated on."""
    axes = tuple(k for k, (n, m) in enumerate(zip(x.shape, like.shape, strict=True)) if n != m)
    return np.asarray(x.sum(axis=axes, keepdims=True)) if axes else x


# Softmax and norms -----------------------------------------------------------------------------------------------


@dialect("softmax-kind")
def _softmax_kind(call: Call) -> Any:
    """A softmax as a constant in place of its Taylor terms, or the reverse."""
    if call.layer["type"] != "Softmax":
        return None
    other = {"name": "Taylor" if call.name == "Zero" else "Zero"}
    return received(call.layer, other, call.inputs, call.R)


@dialect("softmax-last-axis")
def _softmax_last_axis(call: Call) -> Any:
    """The relevances are summed over the last axis, whichever the softmax runs over."""
    if call.layer["type"] != "Softmax" or call.name != "Taylor" or call.layer["axis"] == call.R.ndim - 1:
        return None
    y = value(call.layer, call.inputs)
    return [call.inputs[0] * (call.R - y * call.R.sum(axis=-1, keepdims=True))]


@dialect("norm-not-held")
def _norm_not_held(call: Call) -> Any:
    """The deviation of a norm is differentiated too: a_i sum_j dy_j/da_i R_j / y_j, of y = 0 nothing."""
    if call.layer["type"] != "Normalize" or call.name != "LRP0" or "stabiliser" in call.rule:
        return None
    x, layer, y = call.inputs[0], call.layer, value(call.layer, call.inputs)
    message = np.array(
        [Fraction(0) if v == 0 else r / v for r, v in zip(call.R.reshape(-1), y.reshape(-1), strict=True)], dtype=object
    ).reshape(y.shape)
    # y_i = (x_i − μ)/s, so that dy/dx pulls m back to (m − mean of m − y · mean of (y m)) / s.
    away = _grouped(layer, message) if layer["centre"] else zeros(message.shape)
    return [x * (message - away - y * _grouped(layer, y * message)) / _deviation(layer, x)]


@dialect("norm-centre")
def _norm_centre(call: Call) -> Any:
    """Relevance as if no mean were taken away: it passes where the rule is LRP-0."""
    if call.layer["type"] != "Normalize" or call.name != "LRP0" or not call.layer["centre"]:
        return None
    return [call.R] if "stabiliser" not in call.rule else None


def _grouped(layer: Any, x: Array) -> Array:
    """Return the mean of every group, in the shape of x."""
    groups = layer.get("groups", 1)
    axes = tuple(a % x.ndim for a in layer["axes"])
    if groups > 1:
        apart = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
        axes = tuple(a + 1 for a in axes)
        return (apart * 0 + _mean(apart, axes)).reshape(x.shape)
    return np.asarray(x * 0 + _mean(x, axes))


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(x.sum(axis=axes, keepdims=True) / Fraction(int(np.prod([x.shape[a] for a in axes]))))


def _deviation(layer: Any, x: Array) -> Array:
    """Return the deviation of every number's group."""
    centred = x - _grouped(layer, x) if layer["centre"] else x
    squares = _grouped(layer, centred * centred) + layer["epsilon"]
    roots = [square_root(v) for v in squares.reshape(-1)]
    return np.array(roots, dtype=object).reshape(x.shape)


# Local response normalisation ------------------------------------------------------------------------------------


@dialect("lrn-kind")
def _lrn_kind(call: Call) -> Any:
    """The Taylor terms undivided, as the LRP toolbox has them, or another rule divided where those are asked for."""
    if call.name != "ResponseNorm":
        return None
    other = {**call.rule, "kind": "taylor" if call.rule["kind"] == "toolbox" else "toolbox"}
    return received(call.layer, other, call.inputs, call.R)


@dialect("lrn-terms")
def _lrn_terms(call: Call) -> Any:
    """The terms along the path in place of Taylor's, or the reverse."""
    if call.name != "ResponseNorm" or call.rule["kind"] == "toolbox":
        return None
    other = {**call.rule, "kind": "path" if call.rule["kind"] == "taylor" else "taylor"}
    return received(call.layer, other, call.inputs, call.R)


@dialect("lrn-window")
def _lrn_window(call: Call) -> Any:
    """A window of even size has its additional channel on the other side."""
    if call.name != "ResponseNorm" or call.layer["size"] % 2:
        return None
    other = {**call.layer, "window": "torch" if call.layer["window"] == "onnx" else "onnx"}
    return received(other, call.rule, call.inputs, call.R)


@dialect("lrn-alpha")
def _lrn_alpha(call: Call) -> Any:
    """α is not divided by the size of the window."""
    if call.name != "ResponseNorm":
        return None
    other = {**call.layer, "alpha": call.layer["alpha"] * call.layer["size"]}
    return received(other, call.rule, call.inputs, call.R)
