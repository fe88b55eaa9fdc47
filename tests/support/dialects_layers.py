"""Planted dialects of whole layers: pools, merges, routes, BatchNorm; and all dialects as adapters."""

# ruff: noqa: N803  (R and W are the letters of the papers)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import dialects_attention
import dialects_cells
import numpy as np
from dialects_base import LINEAR, ROUTES, Array, UnknownError, forward, kernel_of, up
from dialects_lstm import WRONG, Ways, lstm
from dialects_right import Call, all_winners, first_winner, over_windows, right, route_back
from dialects_wrong import CALLS, SAMPLES, on_call

from lrp_ref.vectors import Unsupported

OVERWRITTEN = "branch-overwritten"  # where a value is used twice, the relevance of one use overwrites the other's
MODULES = (dialects_attention, dialects_cells)  # whose layers and faults register themselves
POOLS = ("AveragePool", "SumPool", "GlobalAveragePool")

# Any layer -------------------------------------------------------------------------------------------------------


@on_call("relevance-uniform")
def relevance_uniform(c: Call) -> list[Array]:
    size = sum(x[:1].size for x in c.xs)
    each = c.R.reshape(len(c.R), -1).sum(axis=1) / size
    return [np.zeros_like(x) + each.reshape(-1, *(1,) * (x.ndim - 1)) for x in c.xs]


@on_call("relevance-clipped")
def relevance_clipped(c: Call) -> list[Array]:
    return right(replace(c, R=up(c.R)))


@on_call("operand-swapped")
def operand_swapped(c: Call) -> list[Array] | None:
    same = len(c.xs) == 2 and c.xs[0].shape == c.xs[1].shape
    return right(c)[::-1] if same else None


@on_call("residual-forgotten", "Add")
def residual_forgotten(c: Call) -> list[Array]:
    return [c.R for _ in c.xs]


@on_call("rule-ignored", *LINEAR)
def rule_ignored(c: Call) -> list[Array] | None:
    return None if c.name == "LRP0" else right(replace(c, rule={"name": "LRP0"}))


@on_call("layer-skipped")
def layer_skipped(c: Call) -> list[Array] | None:
    return [c.R.reshape(c.xs[0].shape)] if len(c.xs) == 1 and c.xs[0].size == c.R.size else None


@on_call("route-proportional", *ROUTES, "ReLU")
def route_proportional(c: Call) -> list[Array]:
    return [r * (x != 0) for x, r in zip(c.xs, right(c), strict=True)]


@on_call("copies-overwritten", "Upsample", "Pad")
def copies_overwritten(c: Call) -> list[Array]:
    return route_back(c.spec, c.xs, c.R, copies="overwrite")


# Pools -----------------------------------------------------------------------------------------------------------


@on_call("maxpool-flat", "MaxPool")
def maxpool_flat(c: Call) -> list[Array]:
    return [over_windows(c, lambda v, R: np.isfinite(v) * R / np.isfinite(v).sum(axis=0))]


@on_call("maxpool-zero", "MaxPool")
def maxpool_zero(c: Call) -> list[Array]:
    return [over_windows(c, lambda v, R: first_winner(v, R * (v.max(axis=0) != 0)))]


@on_call("maxpool-last", "MaxPool")
def maxpool_last(c: Call) -> list[Array]:
    return [over_windows(c, lambda v, R: first_winner(v[::-1], R)[::-1])]


def proportional(values: Array, R: Array) -> Array:
    values = np.where(np.isfinite(values), values, 0)
    whole = values.sum(axis=0)
    return values * np.divide(R, whole, out=np.zeros_like(whole), where=whole != 0)


@on_call("maxpool-proportional", "MaxPool")
def maxpool_proportional(c: Call) -> list[Array]:
    return [over_windows(c, proportional)]


def winner_of(c: Call, other: bool = False) -> Callable[[Array, Array], Array]:
    return first_winner if (c.spec.get("ties", "first") == "first") != other else all_winners


@on_call("maxpool-ties", "MaxPool")
def maxpool_ties(c: Call) -> list[Array]:
    return [over_windows(c, winner_of(c, other=True))]


@on_call("maxpool-overlap", "MaxPool")
def maxpool_overlap(c: Call) -> list[Array]:
    return [over_windows(c, winner_of(c), copies="overwrite")]


@on_call("maxpool-padding-wins", "MaxPool")
def maxpool_padding_wins(c: Call) -> list[Array] | None:
    if c.spec.get("ceil_mode"):
        return None  # what hangs over the image is no padding
    return [over_windows(replace(c, spec={**c.spec, "padding_wins": True}), winner_of(c))]


@on_call("avgpool-uniform", *POOLS)
def avgpool_uniform(c: Call) -> list[Array] | None:
    return None if c.name == "Flat" else right(replace(c, rule={"name": "Flat"}))


@on_call("sumpool-scale", "SumPool")
def sumpool_scale(c: Call) -> list[Array] | None:
    if c.name != "Epsilon":
        return None
    root = np.sqrt(np.prod(kernel_of(c.spec, c.xs[0])))  # z / root + ε is (z + root ε) / root
    return right(replace(c, rule={**c.rule, "epsilon": c.rule["epsilon"] * root}))


@on_call("toolbox-sumpool-ab", "SumPool")
def toolbox_sumpool_ab(c: Call) -> list[Array] | None:
    if c.name != "AlphaBeta" or c.rule["beta"] == 0:
        return None
    return [np.where(c.xs[0] < 0, right(replace(c, R=c.R**2))[0], right(c)[0])]


# BatchNorm and products ------------------------------------------------------------------------------------------


@on_call("bn-fused", "BatchNorm")
def bn_fused(c: Call) -> list[Array] | None:
    root = np.sqrt(c.spec["variance"] ** 2 + c.spec["epsilon"])
    wrong = {"type": "Affine", "scale": c.spec["gamma"] / root, "shift": c.spec["beta"] - c.spec["mean"] / root}
    return None if c.name == "Pass" else right(replace(c, spec=wrong))


@on_call("bn-kind", "BatchNorm", "Affine")
def bn_kind(c: Call) -> list[Array]:
    return right(replace(c, rule={"name": "LRP0" if c.name == "Pass" else "Pass"}))


@on_call("product-to-both", "Multiply", "MatMul")
def product_to_both(c: Call) -> list[Array]:
    if c.kind == "Multiply":
        return [c.R, c.R]
    return [2 * part for part in right(replace(c, rule={**c.rule, "product": "half"}))]


PRODUCTS = ("Multiply", "MatMul", "GRU", "GeneralLSTM", "LSTM", "SelectiveScan")


@on_call("product-rule", *PRODUCTS)
def product_rule(c: Call) -> list[Array] | None:
    if "product" not in c.rule:
        return None
    other = {**c.rule, "product": "signal" if c.rule["product"] == "half" else "half"}
    if c.kind == "Multiply":  # which forgets the stabiliser as well
        other = {"name": "Product", "product": other["product"]}
    undeclared = c.kind == "MatMul" and c.spec["gate"] is None and c.rule.get("gate") is None
    return right(replace(c, rule=other, spec={**c.spec, "gate": 0} if undeclared else c.spec))


@on_call("gate-takes-signal", "Multiply", "MatMul")
def gate_takes_signal(c: Call) -> list[Array] | None:
    return None if c.spec["gate"] is None else right(replace(c, spec={**c.spec, "gate": 1 - c.spec["gate"]}))


@on_call("product-unsigned", *PRODUCTS)
def product_unsigned(c: Call) -> list[Array] | None:
    other = {"prop": "abs", "abs": "prop"}.get(c.rule.get("product", ""))
    return right(replace(c, rule={**c.rule, "product": other})) if other else None


# Adapters --------------------------------------------------------------------------------------------------------


def layer(spec: Any, rule: Any, xs: list[Array], R: Array, name: str) -> list[Array]:
    """The relevance of a layer's operands by a dialect."""
    c = Call(spec, rule or {"name": "own"}, xs, R)
    if c.kind == "LSTM" and c.name == "Epsilon":
        return lstm(c, WRONG.get(name, Ways()))
    wrong = CALLS[name](c) if name in CALLS else None
    return right(c, SAMPLES.get(name)) if wrong is None else wrong


def network(case: Mapping[str, Any], step: Callable[..., list[Array]], name: str) -> dict[str, Array]:
    """Values forward, then relevance backward, summed where a value is used more than once.

    A dialect tells the inputs' relevance alone, which is what flags are about.
    """
    net, values = case["network"], dict(case["inputs"])
    for n in net["nodes"]:
        values[n["name"]] = forward(n["layer"], [values[i] for i in n["inputs"]])
    found: dict[str, Array] = {net["output"]: case["start"]}
    for n in reversed(net["nodes"]):
        if n["name"] not in found:
            continue
        xs = [values[i] for i in n["inputs"]]
        for i, r in zip(n["inputs"], step(n["layer"], case["rules"].get(n["name"]), xs, found[n["name"]]), strict=True):
            found[i] = r if name == OVERWRITTEN else found.get(i, 0) + r
    return {n: found.get(n, np.zeros_like(v)) for n, v in (case["inputs"] if name else values).items()}


def chosen(case: Mapping[str, Any]) -> tuple[Any, Any]:
    """Layer and rule of a case, with the option of a topic that neither of them says."""
    spec, rule, choice = case["layer"], case["rule"], case.get("choice") or {}
    topic, option = choice.get("topic"), choice.get("option")
    if topic == "sign-of-zero":
        rule = {**rule, "zero": option}
    if (topic, option) == ("bias", "ignored"):
        rule = {**rule, "without_bias": True}
    if topic == "bias-policy":
        rule = {**rule, "bias": option}
    if (topic, option) == ("max-pool-padding", "zero"):
        spec = {**spec, "padding_wins": True}
    return spec, rule


def answer(case: Mapping[str, Any], name: str = "") -> Any:
    """The adapter: the right answer, or that of a dialect."""
    if name and (case.get("choice") or {}).get("topic") == "bias-policy":
        raise Unsupported("no flags are set there")
    step = partial(layer, name=name)
    try:
        with np.errstate(all="ignore"):
            if "network" in case:
                return network(case, step, name)
            return step(*chosen(case), list(case["inputs"]), case["relevance_out"])
    except UnknownError as reason:
        raise Unsupported(str(reason)) from reason


DIALECTS = {name: partial(answer, name=name) for name in {**CALLS, **SAMPLES, **WRONG, OVERWRITTEN: None}}
