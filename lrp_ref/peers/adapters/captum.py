"""captum: LRP rules as attributes of modules; the model runs twice, the second time with changed weights."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ... import layers as of
from ...layers.base import Route
from ..task import NoRule, Recording, Task
from ..torch_calls import tensor
from ..torch_graph import to_torch
from ..torch_taps import taps, trace
from .captum_rules import named_rule

ACTIVATIONS = (of.ReLU, of.Tanh)  # those that captum passes


def record(task: Task, folder: Path | None = None) -> Recording:
    """Give captum's rules to the modules and attribute; see ``Adapter.record``."""
    import torch
    from captum.attr import LRP

    model, left_out, hidden = to_torch(task.network, functional_add=task.functional_add), dict[str, str](), set[str]()
    for node in task.network.nodes:
        rule = task.rules.get(node.name)
        if isinstance(node.layer, Route | of.Constant) and rule is None:
            hidden.add(node.name)  # moves values, and is a function in most models
        elif node.name in model.child and not (isinstance(node.layer, ACTIVATIONS) and rule is None):
            try:
                getattr(model, model.child[node.name]).rule = named_rule(node.layer, rule)
            except NoRule as error:
                left_out[node.name] = str(error)
                hidden.add(node.name)
    tapped, start = taps(model, hidden), tensor(task.start)
    explainer = LRP(tapped)
    explainer.gradient_func = lambda forward, inputs, *_: torch.autograd.grad(
        forward(*inputs), inputs, start, allow_unused=True, materialize_grads=True
    )
    place = (0,) * (start.ndim - 1)  # what is attributed only scales captum's own answer, which is not looked at
    inputs = tuple(tensor(task.inputs[name]).requires_grad_() for name in tapped.reads)
    explainer.attribute(inputs, target=None if not place else place[0] if len(place) == 1 else place)
    return Recording(trace(tapped, task.network, task.start, left_out), "Captum", version("captum"), left_out)
