"""A rule as JSON, which ``assets/rules.js`` executes on one unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import to_numpy
from ..errors import UnsupportedError
from ..layers import Elementwise, Flatten, Layer, Linear, MaxPool
from ..rules import Pass, Zero
from ..rules.edits import Boost, Const, Edit, Less, Stabiliser
from ..rules.rule import Group, Rule, Run


def rule_json(rule: Any, layer: Layer | None = None, shape: Sequence[int] = ()) -> dict[str, Any]:
    """Return a rule as a JSON value: its ``kind`` (groups, pass, zero, winner), its ``name`` and its ``formula``.

    Args:
        rule: of ``lrp_ref.rules``; None for the layer's own way.
        layer: whose own way None stands for.
        shape: of one sample of the layer's input; only bounds and references with several numbers need it.

    Raises:
        UnsupportedError: the rule, or the layer's own way, is none that a page executes.

    Example:
        >>> from lrp_ref import rules
        >>> rule_json(rules.Gamma(0.25))["groups"][0]["runs"]
        [{'inputs': 'keep', 'weights': {'boost': 0.25, 'part': 'pos'},
          'bias': {'boost': 0.25, 'part': 'pos'}, 'sign': 1}]
        >>> rule_json(rules.Pass())
        {'kind': 'pass', 'name': 'Pass()', 'formula': 'R_i = R_j'}
    """
    if rule is None and isinstance(layer, Linear):
        rule = layer.default()
    if rule is None and isinstance(layer, MaxPool):
        formula = "R_i = Σ_j [a_i is the largest] R_j"
        return {"kind": "winner", "name": "the winner takes all", "formula": formula, "ties": layer.ties}
    passes = isinstance(layer, Flatten) or (isinstance(layer, Elementwise) and layer.own_rule == "R_i = R_j")
    if isinstance(rule, Pass) or (rule is None and passes):
        return {"kind": "pass", "name": "Pass()", "formula": "R_i = R_j"}
    if isinstance(rule, Zero):
        return {"kind": "zero", "name": "Zero()", "formula": "R_i = 0"}
    if isinstance(rule, Rule):
        groups = [_group(group, tuple(shape)) for group in rule.groups]
        return {"kind": "groups", "name": repr(rule), "formula": rule.formula(), "groups": groups}
    raise UnsupportedError(f"{rule!r} of {type(layer).__name__}: a page has its messages only as they were computed")


def _group(group: Group, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "runs": [_run(run, shape) for run in group.runs],
        "weight": float(group.weight),
        "gate": group.gate,
        "stabiliser": _stabiliser(group.stabiliser),
        "bias_share": float(group.bias_share),
        "stabiliser_share": float(group.stabiliser_share),
        "present": group.present,
    }


def _stabiliser(stabiliser: Stabiliser) -> dict[str, Any]:
    return {"kind": stabiliser.kind, "epsilon": float(stabiliser.epsilon)}


def _run(run: Run, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "inputs": _edit(run.inputs, shape),
        "weights": _edit(run.weights, shape),
        "bias": _edit(run.bias, shape),
        "sign": run.sign,
    }


def _edit(edit: Edit | Const | Less, shape: tuple[int, ...]) -> Any:
    if isinstance(edit, Boost):
        return {"boost": float(edit.gamma), "part": edit.part.name}
    if isinstance(edit, Edit):
        return edit.name
    value = edit.value
    key = "const" if isinstance(edit, Const) else "less"
    return {key: _numbers(value, edit.label, shape), "label": edit.label}


def _numbers(value: Any, label: str, shape: tuple[int, ...]) -> Any:
    """Return a constant for all inputs as one number, or as values, each of which holds for ``each`` inputs."""
    if value is None:
        raise UnsupportedError(f"{label} is not known: give the rule its bounds")
    array = np.asarray(to_numpy(value), dtype=np.float64)
    if array.size == 1:
        return float(array.reshape(()))
    if array.ndim == 1 and len(shape) > 1:  # one per channel
        return {"values": array.tolist(), "each": math.prod(shape[1:])}
    whole = np.broadcast_to(array.reshape(array.shape[-len(shape) :]) if array.ndim > len(shape) else array, shape)
    return {"values": whole.reshape(-1).tolist(), "each": 1}
