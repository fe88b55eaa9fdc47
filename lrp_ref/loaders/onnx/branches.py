"""Branches whose condition is known: the nodes of the one that is taken stand in place of the choice."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import require
from .batches import Axes
from .convert import TAKES_CONSTANTS, Converter, operator
from .file import Op, node_of
from .values import Constant, Refusal, Tensor

TAKES_CONSTANTS.add("If")


@operator("If", axes=Axes.OTHER)
def _branch(ctx: Converter, op: Op) -> Sequence[Tensor]:
    condition = ctx.tensor(op.inputs[0])
    if not isinstance(condition, Constant):
        raise Refusal("which branch it takes depends on the input")
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    taken = op.attributes["then_branch" if condition.array().reshape(-1)[0] else "else_branch"]
    path = ctx.graph.path
    weights = [onnx.helper.make_node("Constant", [], [t.name], value=t) for t in taken.initializer]
    for node in (*weights, *taken.node):
        ctx.convert(node_of(node, path, onnx))
    return [ctx.tensor(value.name) for value in taken.output]
