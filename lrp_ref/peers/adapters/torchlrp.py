"""TorchLRP, from the folder that the user names: its functions for dense layers and convolutions, else the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...layers import Unweighted
from ...network.network import Node
from ...rules import LRP0, AlphaBeta, Epsilon, Gamma, Pass, Rule
from ..installed import folder_of
from ..module_walk import WALK, walk_modules
from ..named_rules import strength
from ..peer import find
from ..source import package
from ..task import NoRule, Recording, Task

NOTE = "its ε and its γ, 0.1, are written into it; other numbers are given to its own functions"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Let torch walk back through the program's functions, layer by layer; see ``Adapter.record``."""
    with package(folder_of(find("torchlrp"), folder), "lrp") as part:

        def step(node: Node, module: Any, xs: Sequence[Any], r: Any) -> list[Any]:
            _function(part, node, module, task.rules.get(node.name))(*xs).backward(r)
            return [x.grad for x in xs]

        trace, left_out = walk_modules(task, step)
    return Recording(trace, "TorchLRP", "2021-02-19", left_out, (WALK, NOTE))


def _function(part: Any, node: Node, module: Any, rule: Any) -> Any:
    import torch

    kind = {torch.nn.Linear: "linear", torch.nn.Conv2d: "conv"}.get(type(module))
    if kind is None:
        if rule is None or isinstance(rule, Pass) or (isinstance(rule, Rule) and isinstance(node.layer, Unweighted)):
            return module  # torch's gradient, as for every layer that the program has nothing for
        raise NoRule(f"it has no {type(rule).__name__} for a {type(node.layer).__name__}")
    of, utils = part(f"functional.{kind}"), part("functional.utils")
    more = (module.stride, module.padding, module.dilation, module.groups) if kind == "conv" else ()
    match rule:
        case Epsilon() | LRP0():
            rho, epsilon = utils.identity_fn, strength(rule)
        case Gamma():
            rho, epsilon = utils.gamma_fn(float(rule.gamma)), strength(rule) or 1e-10
        case AlphaBeta(alpha=1 | 2):
            table = of.linear if kind == "linear" else of.conv2d
            return lambda x: table[f"alpha{rule.alpha}beta{rule.beta}"](x, module.weight, module.bias, *more)
        case _:
            raise NoRule(f"it has no {type(rule).__name__} for a {type(node.layer).__name__}")

    class Given(torch.autograd.Function):
        forward = staticmethod(lambda ctx, *xs: of._forward_rho(rho, utils.add_epsilon_fn(epsilon), ctx, *xs))
        backward = staticmethod(of._backward_rho)

    apply: Any = Given.apply
    return lambda x: apply(x, module.weight, module.bias, *more)
