"""The walk back for programs that have a step for each torch module: what one of them raises, it does not have."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..base.arrays import is_float
from ..layers import AveragePool, Flatten, GlobalAveragePool, MaxPool
from ..network.network import Node
from ..propagation.trace import Trace
from .layer_walk import walk_layers
from .task import NoRule, Task
from .torch_modules import module_of

WALK = "it is asked layer by layer: lrp_ref computes the values and hands the relevance from node to node"
# What programs raise where they were not made for a layer: a shape that does not fit, a table without an entry.
RAISED = (RuntimeError, NotImplementedError, LookupError, TypeError, ValueError, AttributeError, AssertionError)

Step = Callable[[Node, Any, Sequence[Any], Any], Sequence[Any]]


def walk_modules(task: Task, step: Step) -> tuple[Trace, dict[str, str]]:
    """Return values and relevances by name, and why nodes are left out.

    Args:
        task: what is asked.
        step: what a node's inputs receive, for the node, its torch module, its inputs (tensors that take gradients) and
            the relevance of its output.
    """
    import torch

    def parts(node: Node, xs: Sequence[Any], r: Any) -> list[Any]:
        tensors = [torch.tensor(x, requires_grad=is_float(x)) for x in xs]
        module = _module(node.layer, xs[0].ndim - 2)
        usual = torch.get_default_dtype()
        torch.set_default_dtype(torch.tensor(r).dtype)  # some make arrays of it, whatever they are given
        try:
            with warnings.catch_warnings():  # of torch, to who wrote the program
                warnings.simplefilter("ignore")
                received = step(node, module, tensors, torch.tensor(r))
            if [tuple(part.shape) for part in received] != [x.shape for x in xs]:
                raise NoRule("what it hands down has another shape than what the layer reads")
        except RAISED as error:
            said = str(error).strip().split("\n")[0]
            raise NoRule(f"it raises {type(error).__name__}: {said}") from error
        finally:
            torch.set_default_dtype(usual)
        return [part.detach().numpy() for part in received]

    return walk_layers(task, parts)


def _module(layer: Any, axes: int) -> Any:
    """Return torch's own module where there is one, as such programs know a module by its class."""
    from torch import nn

    options: tuple[Any, ...]
    match layer:
        case Flatten(start=1):
            return nn.Flatten()
        case MaxPool(ties="first", padding=int() | tuple() as padding) if _even(padding) and 1 <= axes <= 3:
            options = (layer.kernel, layer.stride, padding, layer.dilation)
            return getattr(nn, f"MaxPool{axes}d")(*options, ceil_mode=layer.ceil_mode)
        case AveragePool(factor=1, dilation=1, padding=int() | tuple() as padding) if _even(padding) and 1 <= axes <= 3:
            options = (layer.kernel, layer.stride, padding, layer.ceil_mode, layer.count_include_pad)
            return getattr(nn, f"AvgPool{axes}d")(*options)
        case GlobalAveragePool(axes=None, factor=1, keepdims=True) if 1 <= axes <= 3:
            return getattr(nn, f"AdaptiveAvgPool{axes}d")(1)
    return module_of(layer)


def _even(padding: Any) -> bool:
    """Return whether there is as much padding before as behind, so that torch can be told one number an axis."""
    return isinstance(padding, int) or all(isinstance(p, int) for p in padding)
