"""LXT, its explicit side: modules and functions that hand relevance back in place of gradients.

It has ε for anything linear, and rules for sums, products, softmax and normalisation; all others it takes from zennit.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...layers import Add, Bilinear, Constant, Elementwise, Linear, MatMul, MaxPool, Normalize, Softmax
from ...layers.base import Route
from ...rules import LRP0, Epsilon, Pass, Product, Taylor, Zero
from ..gradient_walk import record_gradients
from ..named_rules import strength
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch
from ..torch_modules import calls


def record(task: Task, folder: Path | None = None) -> Recording:
    """Put LXT's rules around the modules and walk back; see ``Adapter.record``."""
    import torch

    model, left_out = to_torch(task.network), dict[str, str]()
    for node in task.network.nodes:
        try:
            rule, child = task.rules.get(node.name), model.child[node.name]
            setattr(model, child, _wrapped(node.layer, rule, getattr(model, child), len(node.inputs)))
        except NoRule as error:
            left_out[node.name] = str(error)

    def walk(out: Any, start: Any, inputs: list[Any]) -> None:
        torch.autograd.grad(out, inputs, start, allow_unused=True)

    trace = record_gradients(task, model, left_out, lambda x: x.requires_grad_(), walk)
    return Recording(trace, "LXT", version("lxt"), left_out)


def _wrapped(layer: Any, rule: Any, module: Any, operands: int) -> Any:
    """Return the module under a rule of LXT's."""
    import torch
    from lxt.explicit import functional, rules

    if isinstance(layer, Route | MaxPool | Constant) and rule is None:
        return module
    if isinstance(layer, Elementwise | Softmax) and (isinstance(rule, Pass) or (rule is None and layer.own_rule)):
        return rules.IdentityRule(module)
    if isinstance(layer, Softmax) and isinstance(rule, Taylor) and not layer.log:
        return calls()(lambda x: functional.softmax(x, layer.axis))
    if isinstance(layer, Softmax) and isinstance(rule, Zero):
        return rules.StopRelevanceRule(module)
    if isinstance(layer, Bilinear) and isinstance(rule, Product):
        gate, e = layer.gate if rule.gate is None else rule.gate, strength(rule)
        if rule.product == "half":
            return calls()((lambda a, b: functional.matmul(a, b, False, e)) if isinstance(layer, MatMul) else functional.mul2)
        if rule.product == "signal" and gate is not None:  # conservative propagation: the gate is a constant
            run = (lambda a, b: rules.epsilon_lrp(torch.matmul, e, a, b)) if isinstance(layer, MatMul) else functional.mul2
            return calls()((lambda a, b: run(a.detach(), b)) if gate == 0 else (lambda a, b: run(a, b.detach())))
    if isinstance(rule, Epsilon | LRP0):
        epsilon = strength(rule)
        if isinstance(layer, Normalize) and not layer.centre and not epsilon:
            return rules.IdentityRule(module)
        if isinstance(layer, Normalize) and layer.centre and layer.axes == (-1,) and layer.groups == 1:
            return calls()(lambda x: functional.layer_norm_grad_fn.apply(x, None, None, layer.epsilon, epsilon))
        if isinstance(layer, Add) and operands == 2 and not layer.coefficients:
            return calls()(lambda a, b: functional.add2(a, b, False, epsilon))
        if isinstance(layer, Linear) and operands == 1:
            return rules.EpsilonRule(module, epsilon)
    raise NoRule(f"LXT has no {type(rule).__name__} for a {type(layer).__name__}")
