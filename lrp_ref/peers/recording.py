"""Record what another program computes on a torch model of the user's own, as a trace that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from ..propagation.targets import indices
from ..propagation.trace import Trace
from .torch_watch import watched

HOW = (
    "give a zennit Attributor or Composite, a captum.attr.LRP, or a function of (model, x) that runs the model and "
    "walks back"
)


def record(explainer: Any, model: Any, x: Any, *, target: Any = None, start: Any = None) -> Trace:
    """Return values and relevances of every module of a torch model, while a program explains it.

    The model and the inputs are afterwards what they were, whatever happens: numbers, gradients, flags, hooks and
    attributes. Meanwhile a copy of the model's numbers is kept.

    Args:
        explainer: a zennit ``Attributor`` (or a ``Composite``), a ``captum.attr.LRP``, or a function of (model, x) that
            runs the model and walks back once.
        model: a ``torch.nn.Module``, best in evaluation mode.
        x: input (N, ...), a tensor or an array; a tuple of several.
        target: index of the output that is explained, or one per sample; None for each sample's largest.
        start: relevance of the output, of its shape, in place of the output itself at ``target``. Captum has none, and
            a function has its own.

    Returns:
        A trace by the names of modules, "input" for the input, and ``name#2`` for a module that runs a second time.
        What is computed between modules has the function's name, such as ``blocks.0.add()`` for a sum written as ``+``:
        neither program gives it a rule, and relevance goes through it as a gradient. ``trace.save("theirs.npz")`` is
        for ``lrp-ref diff``. Captum multiplies by the output at its end: its relevances are given in that unit.

    Raises:
        ParameterError: no torch module, an explainer of another kind or of another model, a target that is not there,
            nothing that was walked back, or several walks.
        ShapeError: a start relevance of another shape than the output's.

    Example:
        >>> trace = record(attributor, model, x)  # doctest: +SKIP
        >>> trace.save("theirs.npz")  # doctest: +SKIP
    """
    import torch

    run = _way(explainer, target, start)
    with torch.inference_mode(False), torch.enable_grad():
        xs = tuple(_tensor(value) for value in (x if isinstance(x, tuple | list) else (x,)))
        with watched(model, *xs) as places:
            scale = run(model, xs)
    if not places.relevance:
        raise ParameterError("record: no relevance came back: the explainer ran the model without a walk back")
    name, walks = places.arrivals.most_common(1)[0]
    if walks > 1:
        raise ParameterError(
            f"record: the explainer walked back through '{name}' {walks} times, and a trace is one walk: give one that "
            "explains all samples at once"
        )
    trace = places.trace()
    return trace if scale is None else Trace(trace.values, {k: _scaled(r, scale) for k, r in trace.relevance.items()})


Run = Callable[[Any, tuple[Any, ...]], Any]  # model and inputs → what the relevances are to be multiplied with, or None


def _way(explainer: Any, target: Any, start: Any) -> Run:
    """Return the function that runs an explainer."""
    if isinstance(explainer, type):
        raise ParameterError(f"record: {explainer.__name__} is a class: {HOW}")
    if target is not None and start is not None:
        raise ParameterError("record: give target or start, not both: a start relevance says where it is")
    kinds = [f"{c.__module__}.{c.__name__}" for c in type(explainer).__mro__]
    if any(k == "captum.attr._core.lrp.LRP" for k in kinds):
        if start is not None:
            raise ParameterError("record: captum starts with the output at target; leave start out")
        return lambda model, xs: _captum(explainer, model, xs, target)
    if any(k.startswith("captum.") for k in kinds):
        raise ParameterError(f"record: captum's {type(explainer).__name__} is not its LRP: {HOW}")
    if any(k.startswith("zennit.attribution.") for k in kinds):
        return lambda model, xs: _zennit(explainer, model, xs, target, start)
    if any(k.startswith(("zennit.composites.", "zennit.core.")) for k in kinds):
        return lambda model, xs: _composite(explainer, model, xs, target, start)
    if callable(explainer):
        if target is not None or start is not None:
            raise ParameterError("record: a function has its own target and start; leave them out")
        return lambda model, xs: (explainer(model, xs if len(xs) > 1 else xs[0]), None)[1]
    raise ParameterError(f"record: {type(explainer).__name__} is no explainer: {HOW}")


def _tensor(x: Any) -> Any:
    """Return a tensor as it is, and one with the numbers of anything else, or of one that no gradient can reach."""
    import torch

    if isinstance(x, torch.Tensor):
        return x.clone() if x.is_inference() else x
    return torch.tensor(np.asarray(x))


def _asked(x: Any) -> Any:
    """Return a copy of an input that asks for a gradient.

    Raises:
        ParameterError: it cannot.
    """
    if not x.is_floating_point():
        raise ParameterError(
            f"record: an input of {str(x.dtype).removeprefix('torch.')} takes no gradient: give a function of (model, "
            "x) that walks back to what the model looks up"
        )
    return x.detach().clone().requires_grad_()


def _output(out: Any) -> Any:
    """Return the output of a model.

    Raises:
        ParameterError: it is no tensor with samples.
    """
    import torch

    if not isinstance(out, torch.Tensor) or not out.ndim:
        what = "one number" if isinstance(out, torch.Tensor) else f"a {type(out).__name__}"
        raise ParameterError(f"record: the model returns {what}, not a tensor (N, ...): give a function of (model, x)")
    return out


def _chosen(out: Any, target: Any) -> Any:
    """Return the number of the explained output of each sample (N,).

    Raises:
        ParameterError: no such output, or another number of targets.
    """
    import torch

    flat = _output(out).detach().reshape(len(out), -1 if len(out) else int(np.prod(out.shape[1:])))
    if target is None:
        return flat.argmax(dim=1)
    host = target.detach().cpu().numpy() if isinstance(target, torch.Tensor) else target
    found = indices(host, len(out), tuple(out.shape[1:]) or (1,))
    if found.shape[1] != 1:
        raise ParameterError(f"record: {found.shape[1]} targets for each sample, expected one")
    return torch.as_tensor(found[:, 0]).to(out.device).expand(len(out))


def _start(out: Any, target: Any, start: Any) -> Any:
    """Return the relevance of the output: what was given, or the output itself at the target."""
    import torch

    if start is not None:
        given = _tensor(start)
        if given.shape != _output(out).shape:
            raise ShapeError(
                f"record: the start relevance has shape {tuple(given.shape)}, the output {tuple(out.shape)}"
            )
        return given.to(out)
    chosen = _chosen(out, target)
    flat, rows = out.detach().reshape(len(out), out[:1].numel() if len(out) else 1), torch.arange(len(out))
    only = torch.zeros_like(flat)
    only[rows, chosen] = flat[rows, chosen]
    return only.reshape(out.shape) if len(out) else torch.zeros_like(out)


def _zennit(attributor: Any, model: Any, xs: tuple[Any, ...], target: Any, start: Any) -> None:
    if attributor.model is not model:
        raise ParameterError("record: the attributor explains another model")
    if len(xs) > 1:
        raise ParameterError(f"record: an attributor takes one input, not {len(xs)}: give its composite")
    attributor(_asked(xs[0]).detach(), lambda out: _start(out, target, start))


def _composite(composite: Any, model: Any, xs: tuple[Any, ...], target: Any, start: Any) -> None:
    import torch

    asked = [_asked(x) for x in xs]
    with composite.context(model) as modified:
        out = modified(*asked)
        torch.autograd.grad(out, asked, _start(out, target, start), allow_unused=True)


def _captum(explainer: Any, model: Any, xs: tuple[Any, ...], target: Any) -> Any:
    import torch

    if explainer.model is not model:
        raise ParameterError("record: captum's object explains another model")
    asked = [_asked(x) for x in xs]
    out = model(*asked)
    chosen = _chosen(out, target)
    explainer.attribute(tuple(asked), target=_captums(chosen, out))
    return out.detach().reshape(len(out), -1)[torch.arange(len(out)), chosen].cpu().numpy()


def _captums(chosen: Any, out: Any) -> Any:
    """Return the explained outputs as captum takes them: none, one number a sample, or one tuple."""
    if out.ndim < 3:
        return None if out.ndim == 1 else chosen
    places = np.unravel_index(chosen.cpu().numpy(), tuple(out.shape[1:]))
    return list(zip(*(p.tolist() for p in places), strict=True))


def _scaled(relevance: Any, scale: Any) -> Any:
    return relevance * scale.reshape(-1, *(1,) * (relevance.ndim - 1))
