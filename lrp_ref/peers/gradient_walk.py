"""Record a program whose relevances are the gradients of torch's own walk back, as it replaces them on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.arrays import is_float
from ..propagation.trace import Trace
from .incomplete import below
from .task import Task
from .torch_calls import tensor

Arrays = dict[str, np.ndarray[Any, Any]]


def record_gradients(
    task: Task,
    model: Any,
    left_out: dict[str, str],
    wrap: Callable[[Any], Any],
    walk: Callable[[Any, Any, list[Any]], None],
) -> Trace:
    """Return values and relevances of all nodes.

    Args:
        task: what is asked.
        model: of ``to_torch``, with the program's rules in it.
        left_out: nodes that the program has no rule for: what lies below them is not recorded.
        wrap: makes the program's input of a tensor; it takes gradients.
        walk: called with the output, the start relevance and the inputs that take relevance; it walks back.
    """
    values: Arrays = {k: np.asarray(x) for k, x in task.inputs.items()}
    relevance: Arrays = {}  # of all that takes gradients: 0 until something arrives
    handles = [
        getattr(model, child).register_forward_hook(_keeper(name, values, relevance))
        for name, child in model.child.items()
    ]
    fed = {name: wrap(tensor(x)) if is_float(x) else tensor(x) for name, x in values.items()}
    inputs = [x for x in fed.values() if x.requires_grad]
    for name, x in fed.items():
        if x.requires_grad:
            handles.append(_follow(name, x, relevance))
    try:
        walk(model(fed), tensor(task.start), inputs)
    finally:
        for handle in handles:
            handle.remove()
    relevance[task.network.outputs[0]] = np.asarray(task.start)
    known = set(relevance) - below(task.network, left_out)
    return Trace(values, {name: relevance[name] for name in reversed(values) if name in known})


def _follow(name: str, x: Any, relevance: Arrays) -> Any:
    """Record what arrives at a tensor; return the handle of the hook."""
    relevance[name] = np.zeros(tuple(x.shape), dtype=x.detach().numpy().dtype)

    def keep(gradient: Any) -> None:
        if gradient is not None:  # None stands for nothing that arrives
            relevance[name] = gradient.detach().numpy().copy()

    return x.register_hook(keep)


def _keeper(name: str, values: Arrays, relevance: Arrays) -> Callable[..., Any]:
    def hook(module: Any, xs: tuple[Any, ...], out: Any) -> Any:
        if any(out is x for x in xs):  # a place of its own for what arrives here
            out = out.view_as(out)
        values[name] = out.detach().numpy().copy()
        if out.requires_grad:
            _follow(name, out, relevance)
        return out

    return hook
