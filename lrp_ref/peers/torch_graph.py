"""A network as a torch module: one child a node, under the node's name, with identical numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..layers import Add
from ..network.network import Network, value_name
from .task import NoRule
from .torch_calls import opaque
from .torch_modules import module_of


def to_torch(network: Network, *, functional_add: bool = False) -> Any:
    """Return a network as a torch module in evaluation mode.

    Its children are named after the nodes, with dots and slashes made harmless; ``model.child`` says which is which.
    ``model(x)`` takes a tensor or a dict by the names of the inputs, or one tensor for each of them, the batch in
    front, and returns the first output. ``model.tap``, where it is set, is a function of a name and a value that puts
    what it returns in the value's place.

    A layer that torch does not have is computed by this package and hands no gradient down, so that what lies above it
    can still be compared: ``model.without`` has the node and the reason.

    Args:
        network: with the batch in front, of NumPy arrays; the module has copies of them, and asks for no gradients.
        functional_add: whether sums are a bare ``+`` instead of a module that a rule can be given to.

    Raises:
        NoRule: when the module runs, a layer that torch does not have over so many axes; the node is named.
        PeerError: exact numbers, which torch does not have.
    """
    import torch

    made, without = dict[str, Any](), dict[str, str]()
    for node in network.nodes:
        try:
            bare = functional_add and isinstance(node.layer, Add) and not node.layer.coefficients
            with torch.random.fork_rng(devices=[]):  # torch's modules draw weights first, from the user's generator
                made[node.name] = None if bare else module_of(node.layer)
        except NoRule as error:
            made[node.name], without[node.name] = None, str(error)
    return _graphs()(network, made, without)


@cache
def _graphs() -> Any:
    from torch import nn

    class Graph(nn.Module):
        def __init__(self, network: Network, made: Mapping[str, Any], without: Mapping[str, str]) -> None:
            super().__init__()
            self.without = dict(without)
            self.own = {node.name: opaque(node.layer) for node in network.nodes if node.name in without}
            self.child: dict[str, str] = {}
            self.order = [(node.name, node.inputs) for node in network.nodes]
            self.reads, self.makes = [i.name for i in network.inputs], network.outputs[0]
            self.tap: Any = None
            for name, module in made.items():
                if module is not None:
                    self.child[name] = _harmless(name, self)
                    self.add_module(self.child[name], module)
            self.eval()

        def forward(self, *given: Any) -> Any:
            named = given[0] if isinstance(given[0], Mapping) else dict(zip(self.reads, given, strict=False))
            tap = self.tap or (lambda name, value: value)
            values = {name: tap(name, value) for name, value in named.items()}
            for name, inputs in self.order:
                xs = [values[n] for n in inputs]
                try:
                    made = self.made(name, xs)
                except NoRule as error:  # known only now, since layers run over any number of axes
                    raise NoRule(f"node '{name}': {error}") from error
                for k, part in enumerate(made if isinstance(made, tuple) else (made,)):
                    values[value_name(name, k)] = tap(value_name(name, k), part)
            return values[self.makes]

        def made(self, name: str, xs: list[Any]) -> Any:
            if name in self.own:
                return self.own[name](*xs)
            return getattr(self, self.child[name])(*xs) if name in self.child else sum(xs[1:], xs[0])

    return Graph


def _harmless(name: str, model: Any) -> str:
    """Return a name that a child of a torch module can have."""
    found = "".join(c if c.isalnum() or c == "_" else "_" for c in name) or "_"
    while hasattr(model, found):
        found += "_"
    return found
