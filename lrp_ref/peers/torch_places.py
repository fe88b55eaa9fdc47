"""What arrives where in a torch model while a program walks back through it: values and relevances by name.

A place is an identity in torch's graph, put behind whatever the program does there: what comes back through it is the
relevance that arrived, after all hooks of those that read the value and before any of what made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..propagation.trace import Trace
from .incomplete import below
from .task import Task
from .torch_calls import tensor


class Places:
    """Values and relevances of tensors by name, as a model runs forward and a program walks back.

    Attributes:
        values: of the first pass, in the order of execution: a program may run the model again with changed weights.
        relevance: what arrived last, in the order of the walk back.
        open: names of the values that take gradients, so that relevance can arrive.
    """

    def __init__(self) -> None:
        self.values: dict[str, np.ndarray[Any, Any]] = {}
        self.relevance: dict[str, np.ndarray[Any, Any]] = {}
        self.open: set[str] = set()

    def put(self, name: str, tensor: Any) -> Any:
        """Return the tensor behind a new place, where it takes gradients; its value is kept."""
        self.values.setdefault(name, _copy(tensor))
        if not tensor.requires_grad:
            return tensor
        self.open.add(name)
        return _identity().apply(tensor, name, self.relevance)

    def trace(self) -> Trace:
        """Return what was recorded; nothing arrived at a value of which no relevance is known, or nobody asked."""
        order = [name for name in reversed(self.values) if name in self.relevance]
        return Trace(self.values, {name: self.relevance[name] for name in order})


def _copy(tensor: Any) -> np.ndarray[Any, Any]:
    found = tensor.detach().cpu()
    found = found.float() if found.dtype.itemsize == 2 and found.is_floating_point() else found
    return np.array(found.numpy())


@cache
def _identity() -> Any:
    import torch

    class Place(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, tensor: Any, name: str, relevance: dict[str, Any]) -> Any:
            ctx.place, ctx.relevance = name, relevance  # a node's name is a method of it
            return tensor.view_as(tensor)

        @staticmethod
        def backward(ctx: Any, arrived: Any) -> Any:
            ctx.relevance[ctx.place] = _copy(arrived)
            return arrived, None, None

    return Place


@contextmanager
def watched(model: Any, x: Any = None) -> Iterator[Places]:
    """Record every module without children of a model of the user's while the body runs; then all is as it was.

    Names are the modules' ("features.0"), in the order in which they run; a module that runs again in the same pass is
    ``name#2``. Inputs are "input", further ones "input#2". Where a model cannot take a place (a module that returns no
    tensor), nothing is recorded.

    Args:
        model: a ``torch.nn.Module``.
        x: an input, which is given back without a gradient if it had none.

    Raises:
        ParameterError: no torch module.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ParameterError(f"record: the model is a {type(model).__name__}, not a torch.nn.Module")
    places, used = Places(), dict[str, int]()
    before, attributes = _state(model, x), {module: set(vars(module)) for module in model.modules()}

    def next_name(name: str) -> str:
        used[name] = used.get(name, 0) + 1
        return name if used[name] == 1 else f"{name}#{used[name]}"

    with ExitStack() as stack:

        def start(module: Any, args: tuple[Any, ...]) -> Any:
            used.clear()
            return tuple(places.put(next_name("input"), a) if isinstance(a, torch.Tensor) else a for a in args)

        stack.callback(model.register_forward_pre_hook(start).remove)
        for name, module in model.named_modules():
            if module is not model and not any(True for _ in module.children()):
                _follow(stack, module, partial(_named, places, next_name, name))
        try:
            yield places
        finally:
            stack.close()
            _restore(before)
            for module, own in attributes.items():  # Captum leaves its activations on the modules
                for name in set(vars(module)) - own:
                    delattr(module, name)


def _follow(stack: ExitStack, module: Any, put: Any) -> None:
    """Let ``put`` see a module's output after all other forward hooks, those registered later included."""
    last: list[Any] = []

    def forget() -> None:
        for handle in last:
            handle.remove()
        last.clear()

    def before(module: Any, args: Any) -> None:
        forget()  # registered again, it is the last one
        last.append(module.register_forward_hook(lambda module, args, out: put(out)))

    stack.callback(forget)
    stack.callback(module.register_forward_pre_hook(before).remove)


def _named(places: Places, next_name: Callable[[str], str], name: str, out: Any) -> Any:
    return _behind(places, next_name(name), out)


def _behind(places: Places, name: str, out: Any) -> Any:
    import torch

    if isinstance(out, torch.Tensor):
        return places.put(name, out)
    if isinstance(out, tuple) and out and isinstance(out[0], torch.Tensor):  # such as a recurrent layer's states
        return (places.put(name, out[0]), *out[1:])
    return out


def _state(model: Any, x: Any) -> Sequence[tuple[Any, bool, Any]]:
    import torch

    tensors = [*model.parameters(), *([x] if isinstance(x, torch.Tensor) else [])]
    return [(t, t.requires_grad, t.grad) for t in tensors]


def _restore(before: Sequence[tuple[Any, bool, Any]]) -> None:
    for own, asked, gradient in before:
        if own.is_leaf:
            own.requires_grad_(asked)
        own.grad = gradient


def walk(task: Task, model: Any, left_out: Mapping[str, str], back: Any = None) -> Trace:
    """Return values and relevances of all nodes of a model of ``to_torch`` that a program has put its rules into.

    Args:
        task: what is asked.
        model: with the program's hooks.
        left_out: nodes that the program has no rule for: what lies below them is not recorded.
        back: called with the model, its inputs and the start relevance, runs it and walks back; None for torch's own
            gradient of the output with the start relevance.
    """
    import torch

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
