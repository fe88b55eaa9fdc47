"""The peers' sides: PyTorch's forward pass and gradient, zennit, captum; imported only when they are measured."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lrp_ref.peers.beside_torch import import_zennit

from .networks import BOUND, Graph, Op, Parameters
from .ours import EPSILON, TARGET


def available(name: str) -> bool:
    """Return whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as find

    try:
        return find(name)
    except PackageNotFoundError:
        return ""


def set_threads(threads: int) -> None:
    if available("torch"):
        import torch

        torch.set_num_threads(threads)


def module(graph: Graph, given: Parameters, *, plus: Callable[[], Any] | None = None) -> Any:
    """Return the network as a torch module in evaluation mode; it shares the arrays of ``given``.

    Args:
        plus: makes the module that adds its operands, stacked along the last axis; None for a plain addition.
    """
    import torch

    class Walk(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = {op.name: _layer(op, given.get(op.name, {}), plus) for op in graph.ops}
            self.steps = torch.nn.ModuleDict({k: v for k, v in made.items() if v is not None})

        def forward(self, x: Any) -> Any:
            values = {"input": x}
            last = {name: k for k, op in enumerate(graph.ops) for name in op.inputs}
            for k, op in enumerate(graph.ops):
                xs = [values[name] for name in op.inputs]
                values[op.name] = self._step(op, xs)
                for name in set(op.inputs):
                    if last[name] == k:
                        values.pop(name)
                del xs
            return values[graph.ops[-1].name]

        def _step(self, op: Op, xs: list[Any]) -> Any:
            if op.kind == "flatten":
                return torch.flatten(xs[0], 1)
            if op.kind == "concat":
                return torch.cat(xs, dim=1)
            if op.kind == "add":
                return xs[0] + xs[1] if plus is None else self.steps[op.name](torch.stack(xs, dim=-1))
            return self.steps[op.name](xs[0])

    return Walk().eval().requires_grad_(False)


def _layer(op: Op, arrays: dict[str, np.ndarray], plus: Callable[[], Any] | None) -> Any:
    from torch import nn

    if op.kind == "conv":
        made: Any = nn.Conv2d(1, 1, op.kernel, op.stride, op.padding, bias=op.bias)
        made.in_channels, made.out_channels = op.ins, op.outs
    elif op.kind == "dense":
        made = nn.Linear(1, 1)
        made.in_features, made.out_features = op.ins, op.outs
    elif op.kind == "batchnorm":
        made = nn.BatchNorm2d(op.outs, eps=0.0)
        _share(made, running_mean=arrays["mean"], running_var=arrays["variance"])
    elif op.kind == "maxpool":
        return nn.MaxPool2d(op.kernel, op.stride, op.padding)
    elif op.kind == "averagepool":
        return nn.AvgPool2d(op.kernel, op.stride, op.padding)
    elif op.kind == "add":
        return None if plus is None else plus()
    else:
        kinds: dict[str, Any] = {"relu": nn.ReLU, "average": lambda: nn.AdaptiveAvgPool2d(1)}
        return kinds[op.kind]() if op.kind in kinds else None
    _share(made, **{k: v for k, v in arrays.items() if k in ("weight", "bias")})
    return made


def _share(made: Any, **arrays: np.ndarray) -> None:
    import torch

    for name, array in arrays.items():
        getattr(made, name).data = torch.from_numpy(array)


def _tensor(x: np.ndarray, device: str) -> Any:
    import torch

    return torch.from_numpy(x).to(device)


def torch_forward(
    graph: Graph, given: Parameters, x: np.ndarray, name: str, *, device: str = "cpu"
) -> Callable[[], Any]:
    """Return a call of PyTorch's own forward pass, BatchNorm not merged: the unit of the ratios."""
    import torch

    net, inputs = module(graph, given).to(device), _tensor(x, device)

    def run() -> Any:
        with torch.inference_mode():
            return net(inputs)

    return run


def torch_gradient(
    graph: Graph,
    given: Parameters,
    x: np.ndarray,
    name: str,
    *,
    device: str = "cpu",
    targets: Sequence[int] | None = None,
) -> Callable[[], Any]:
    """Return a call of PyTorch's gradient of the target's output with respect to the input, BatchNorm not merged."""
    import torch

    net, inputs = module(graph, given).to(device), _tensor(_repeated(x, targets), device)
    units = _units(targets)

    def run() -> Any:
        leaf = inputs.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(leaf)[units].sum(), leaf)
        return gradient

    return run


def _repeated(x: np.ndarray, targets: Sequence[int] | None) -> np.ndarray:
    """Return the image of ``x`` once for each of several targets."""
    return x if targets is None else np.repeat(x, len(targets), axis=0)


def _units(targets: Sequence[int] | None) -> tuple[Any, Any]:
    """Return the index of the outputs (N, K) that are explained: the usual target, or each sample's own."""
    return (slice(None), TARGET) if targets is None else (list(range(len(targets))), list(targets))


def _zennit_composite(name: str, shape: tuple[int, ...], dtype: Any, device: str, canonizers: list[Any]) -> Any:
    import torch

    zennit = import_zennit()
    composites = zennit.composites
    if name == "epsilon":
        from zennit.rules import Epsilon
        from zennit.types import Linear

        layers = [*composites.layer_map_base(EPSILON), (Linear, Epsilon(EPSILON))]
        return composites.LayerMapComposite(layers, canonizers=canonizers)
    if name == "epsilon_gamma_box":
        low, high = (torch.full(shape, bound, dtype=dtype, device=device) for bound in (-BOUND, BOUND))
        return composites.EpsilonGammaBox(low=low, high=high, canonizers=canonizers)
    known = {"epsilon_plus": composites.EpsilonPlus, "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1}
    return known[name](canonizers=canonizers)


def zennit(
    graph: Graph,
    given: Parameters,
    x: np.ndarray,
    name: str,
    *,
    device: str = "cpu",
    merge: bool = True,
    targets: Sequence[int] | None = None,
) -> Callable[[], Any]:
    """Return a call of zennit's composite of this name, registered beforehand.

    Args:
        merge: whether BatchNorm is merged (SequentialMergeBatchNorm); otherwise relevance passes it unchanged, which
            gives other numbers. Additions are zennit's Sum module in both cases.
        targets: several, each explained for itself on the one image of ``x``; None for the usual one.
    """
    import torch

    loaded = import_zennit()
    net = module(graph, given, plus=loaded.layer.Sum).to(device)
    inputs, units = _tensor(_repeated(x, targets), device), _units(targets)
    canonizers = [loaded.canonizers.SequentialMergeBatchNorm()] if merge else []
    composite = _zennit_composite(name, inputs.shape, inputs.dtype, device, canonizers)
    composite.register(net)

    def run(registered: Any = composite) -> Any:  # held as long as this call is
        leaf = inputs.detach().clone().requires_grad_()
        out = net(leaf)
        start = torch.zeros_like(out)
        start[units] = out.detach()[units]
        (relevance,) = torch.autograd.grad(out, leaf, start)
        return relevance

    return run


def captum(graph: Graph, given: Parameters, x: np.ndarray, name: str, *, device: str = "cpu") -> Callable[[], Any]:
    """Return a call of captum's LRP with the ε-rule; its other rules differ in the bias, and it knows no additions."""
    import torch
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    net, inputs = module(graph, given).to(device), _tensor(x, device)
    lrp = LRP(net)

    def run() -> Any:
        for layer in net.modules():  # captum deletes rules after each call
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.rule = EpsilonRule(epsilon=EPSILON)
        return lrp.attribute(inputs.detach().clone().requires_grad_(), target=TARGET).detach()

    return run


def to_numpy(value: Any) -> np.ndarray:
    """Return a NumPy, CuPy or torch array on the host."""
    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value.get() if hasattr(value, "get") else value.detach().cpu().numpy())
