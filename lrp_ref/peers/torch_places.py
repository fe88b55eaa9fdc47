"""What arrives where in a torch model while a program walks back through it: values and relevances by name.

A place is an identity in torch's graph, put behind whatever the program does there: what comes back through it is the
relevance that arrived, after all hooks of those that read the value and before any of what made it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..propagation.trace import Trace
from .incomplete import below
from .task import Task
from .torch_calls import tensor


class Places:
    """Values and relevances of tensors by name, as a model runs forward and a program walks back.

    Attributes:
        values: of the first pass, in the order of execution: a program may run the model again with changed weights.
        relevance: what arrived last, in the order of the walk back.
        arrivals: how often something arrived.
        open: names of the values that take gradients, so that relevance can arrive.
        newest: the tensor that was returned last.
    """

    def __init__(self) -> None:
        self.values: dict[str, np.ndarray[Any, Any]] = {}
        self.relevance: dict[str, np.ndarray[Any, Any]] = {}
        self.arrivals, self.open = Counter[str](), set[str]()
        self.newest: Any = None

    def put(self, name: str, tensor: Any) -> Any:
        """Return the tensor behind a new place, where it takes gradients; its value is kept."""
        self.values.setdefault(name, _copy(tensor))
        self.newest = tensor
        if tensor.requires_grad:
            self.open.add(name)
            self.newest = _identity().apply(tensor, name, self.arrive)
        return self.newest

    def arrive(self, name: str, relevance: Any) -> None:
        """Keep what comes back through a place."""
        self.relevance[name] = _copy(relevance)
        self.arrivals[name] += 1

    def trace(self) -> Trace:
        """Return what was recorded; nothing arrived at a value of which no relevance is known, or nobody asked."""
        order = [name for name in reversed(self.values) if name in self.relevance]
        return Trace(self.values, {name: self.relevance[name] for name in order})


def _copy(tensor: Any) -> np.ndarray[Any, Any]:
    import torch

    found = tensor.detach().cpu()
    return np.array((found.float() if found.dtype == torch.bfloat16 else found).numpy())  # NumPy has no bfloat16


@cache
def _identity() -> Any:
    import torch

    class Place(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, tensor: Any, name: str, arrive: Callable[[str, Any], None]) -> Any:
            ctx.place, ctx.arrive = name, arrive  # a node's name is a method of it
            return tensor.clone()  # a view could not be written over, as nn.ReLU(inplace=True) does

        @staticmethod
        def backward(ctx: Any, arrived: Any) -> Any:
            ctx.arrive(ctx.place, arrived)
            return arrived, None, None

    return Place


def walk(task: Task, model: Any, left_out: dict[str, str], back: Any = None) -> Trace:
    """Return values and relevances of all nodes of a model of ``to_torch`` that a program has put its rules into.

    Args:
        task: what is asked.
        model: with the program's hooks.
        left_out: nodes that the program has no rule for, to which those are added that torch does not have: what lies
            below them is not recorded.
        back: called with the model, its inputs and the start relevance, runs it and walks back; None for torch's own
            gradient of the output with the start relevance.
    """
    import torch

    for name, why in model.without.items():
        left_out.setdefault(name, why)
    places = Places()
    fed = [tensor(task.inputs[name]) for name in model.reads]
    fed = [x.requires_grad_() if x.is_floating_point() else x for x in fed]
    start = tensor(task.start)
    model.tap = places.put
    try:
        if back is None:
            asked = [x for x in fed if x.requires_grad]
            torch.autograd.grad(model(*fed), asked, start, allow_unused=True)
        else:
            back(model, fed, start)
    finally:
        model.tap = None
    trace = places.trace()
    arrived = {**{name: np.zeros_like(trace.values[name]) for name in places.open}, **trace.relevance}
    unknown = below(task.network, left_out)
    order = [n for n in reversed(list(trace.values)) if n in arrived and n not in unknown]
    return Trace(trace.values, {name: arrived[name] for name in order})
