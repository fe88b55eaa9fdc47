"""The domain of the z^B-rule: the range that an input declares, and whether its values keep to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, to_numpy
from ..base.tables import number
from ..errors import ParameterError
from ..layers import Layer
from ..network.inputs import Input
from ..network.network import Network, Node, owner
from ..rules import ZBox
from ..rules.edits import Const


def bounded(rule: ZBox, node: Node, net: Network, composite: str) -> ZBox:
    """Return the z^B-rule of a node with the bounds that it was not given, from the input that the node reads.

    Args:
        rule: without low, high or both.
        node: whose rule it is; between it and the input there are only layers that move values.
        net: the network as it is explained.
        composite: its name, for the message.

    Raises:
        ParameterError: the node reads no input, or one without a declared range.
    """
    source, between = _source(node, net)
    found = {key: getattr(rule, key) for key in ("low", "high")}
    for key in found:
        if found[key] is None and source is not None:
            found[key] = _through(getattr(source, key), between)
    if any(bound is None for bound in found.values()):
        if source is None:
            why = f"'{node.inputs[0]}' is no input of the network"
        elif source.low is None or source.high is None:
            why = f"input '{source.name}' declares no range"
        else:
            why = f"the channels of input '{source.name}' are mixed before it"
        raise ParameterError(
            f"composite '{composite}' needs low= and high= (--low and --high), the bounds of what node '{node.name}' "
            f"reads: {why}"
        )
    return replace(rule, **found)


def _source(node: Node, net: Network) -> tuple[Input | None, list[Layer]]:
    """Return the input whose values a node reads, and the layers between them, which only move values."""
    inputs, nodes = {i.name: i for i in net.inputs}, {n.name: n for n in net.nodes}
    name, between = node.inputs[0], list[Layer]()
    while name not in inputs:
        above = nodes[owner(name, nodes)]
        if not above.layer.moves or len(above.inputs) != 1 or name != above.name:
            return None, []
        between.insert(0, above.layer)
        name = above.inputs[0]
    return inputs[name], between


def _through(bound: Any, between: list[Layer]) -> Any:
    """Return the bound of an input as that of what a node reads behind some layers; None where it is not known."""
    values = np.asarray(bound)
    if bound is None or not values.ndim:
        return bound
    if values.size and (values == values.flat[0]).all():  # wherever the values go
        return values.flat[0].item() if values.dtype.kind == "f" else values.flat[0]
    if not between:
        return values
    follows = values.ndim == 1 and all(layer.keeps_channels for layer in between)
    return values if follows else None


def outside(net: Network, plan: Iterable[Any], fed: Mapping[str, Array]) -> tuple[str, ...]:
    """Return a note for every z^B-rule that reads an input with values beyond its bounds.

    With l ≤ a ≤ h every message of the rule has the sign of its R_j: a_i w_ij − l_i w_ij⁺ − h_i w_ij⁻ ≥ 0. Beyond the
    bounds the formula still conserves, but that does not hold.

    Args:
        net: the network as it is explained.
        plan: the rule of every node.
        fed: the inputs by name (N, ...); only floats are compared, in their own precision.
    """
    nodes, notes = {n.name: n for n in net.nodes}, []
    for planned in plan:
        source, between = _source(nodes[planned.node], net) if isinstance(planned.rule, ZBox) else (None, [])
        if source is None or fed[source.name].dtype.kind != "f" or not fed[source.name].size:
            continue
        x = fed[source.name]
        for layer in between:
            x = layer.forward(x)
        bounds = (Const(bound, "")(x) for bound in (planned.rule.low, planned.rule.high))
        values, low, high = (to_numpy(a) for a in (x, *bounds))
        beyond = int(((values < low) | (values > high)).sum())
        if beyond:
            ends = (number(float(end)) for end in (values.min(), values.max(), low.min(), high.max()))
            notes.append(
                "{} of {} values that node '{}' reads ({} to {}) are beyond the bounds {} to {} of its z^B-rule: "
                "messages may have the wrong sign there".format(beyond, values.size, planned.node, *ends)
            )
    return tuple(notes)
