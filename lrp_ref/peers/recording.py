"""Record what another program computes on a torch model of the user's own, as a trace that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ParameterError
from ..propagation.trace import Trace
from .torch_places import watched

HOW = (
    "give a zennit Attributor or Composite, a captum.attr.LRP, or a function of (model, x) that runs the model and "
    "walks back"
)


def record(explainer: Any, model: Any, x: Any, *, target: Any = None, start: Any = None) -> Trace:
    """Return values and relevances of every module of a torch model, while a program explains it.

    The model, its hooks, gradients and flags are afterwards what they were, whatever happens.

    Args:
        explainer: a zennit ``Attributor`` (or a ``Composite``), a ``captum.attr.LRP``, or a function of (model, x) that
            runs the model and walks back.
        model: a ``torch.nn.Module``.
        x: input (N, ...), a tensor or an array.
        target: index of the output that is explained, or one per sample; None for each sample's largest.
        start: relevance of the output, of its shape, in place of the output itself at ``target``. Captum has none.

    Returns:
        A trace by the names of modules, "input" for the input: ``trace.save("theirs.npz")`` is for ``lrp-ref diff``.
        Captum multiplies by the output at its end: its relevances are given in that unit.

    Raises:
        ParameterError: no torch module, an explainer of another kind, or nothing that was walked back.

    Example:
        >>> trace = record(attributor, model, x)  # doctest: +SKIP
        >>> trace.save("theirs.npz")  # doctest: +SKIP
    """
    import torch

    tensor = torch.as_tensor(x)
    run = _way(explainer, target, start)
    with watched(model, tensor) as places, torch.enable_grad():
        scale = run(model, tensor)
    if not places.relevance:
        raise ParameterError("record: no relevance came back: the explainer ran the model without a walk back")
    trace = places.trace()
    return trace if scale is None else Trace(trace.values, {k: _scaled(r, scale) for k, r in trace.relevance.items()})


def _way(explainer: Any, target: Any, start: Any) -> Callable[[Any, Any], Any]:
    """Return the function that runs an explainer; it returns what the relevances are to be multiplied with, or None."""
    kinds = [f"{c.__module__}.{c.__name__}" for c in type(explainer).__mro__]
    if any(k.startswith("captum.") for k in kinds):
        if start is not None:
            raise ParameterError("record: captum starts with the output at target; leave start out")
        return lambda model, x: _captum(explainer, model, x, target)
    if any(k.startswith("zennit.attribution.") for k in kinds):
        return lambda model, x: _zennit(explainer, model, x, target, start)
    if any(k.startswith(("zennit.composites.", "zennit.core.")) for k in kinds):
        return lambda model, x: _composite(explainer, model, x, target, start)
    if callable(explainer):
        return lambda model, x: (explainer(model, x), None)[1]
    raise ParameterError(f"record: {type(explainer).__name__} is no explainer: {HOW}")


def _chosen(out: Any, target: Any) -> Any:
    """Return the index of the explained output of each sample."""
    import torch

    if target is None:
        return out.reshape(len(out), -1).argmax(dim=1)
    return torch.as_tensor(target).reshape(-1).expand(len(out))


def _start(out: Any, target: Any, start: Any) -> Any:
    import torch

    if start is not None:
        return torch.as_tensor(start).to(out)
    only = torch.zeros_like(out).reshape(len(out), -1)
    chosen = _chosen(out, target)
    only[torch.arange(len(out)), chosen] = out.detach().reshape(len(out), -1)[torch.arange(len(out)), chosen]
    return only.reshape(out.shape)


def _zennit(attributor: Any, model: Any, x: Any, target: Any, start: Any) -> None:
    if attributor.model is not model:
        raise ParameterError("record: the attributor explains another model")
    attributor(x, lambda out: _start(out, target, start))


def _composite(composite: Any, model: Any, x: Any, target: Any, start: Any) -> None:
    import torch

    asked = x.detach().clone().requires_grad_()
    with composite.context(model) as modified:
        out = modified(asked)
        torch.autograd.grad(out, asked, _start(out, target, start))


def _captum(explainer: Any, model: Any, x: Any, target: Any) -> Any:
    import torch

    if getattr(explainer, "model", model) is not model:
        raise ParameterError("record: captum's object explains another model")
    with torch.no_grad():
        out = model(x)
    chosen = _chosen(out, target)
    explainer.attribute(x, target=chosen)
    return out.reshape(len(out), -1)[torch.arange(len(out)), chosen].numpy()


def _scaled(relevance: Any, scale: Any) -> Any:
    return relevance * scale.reshape(-1, *(1,) * (relevance.ndim - 1))
