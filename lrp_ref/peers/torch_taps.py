"""A torch network with a tap at every value: what is there, and what arrives there on the way back.

Programs that change gradients put their hooks on modules and on the tensors that modules read. A tap stands behind a
module's own hooks and before those of its readers, and what readers get is one view for all of them: it sees the
relevance that the readers' hooks make, and changes nothing of what they do.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np

from ..network.network import Network
from ..propagation.trace import Trace
from .incomplete import below

Arrays = dict[str, np.ndarray[Any, Any]]


def taps(model: Any, hidden: Collection[str] = ()) -> Any:
    """Return a network of ``to_torch`` with taps; it takes a tensor for each input.

    Args:
        model: the network.
        hidden: nodes that are computed as functions, without a module that a program would ask for a rule.

    Returns:
        A module with ``values`` and ``relevance`` by name; the values are those of the first forward pass, before any
        program changes weights.
    """
    return _taps()(model, hidden)


@cache
def _taps() -> Any:
    from torch import nn

    class Taps(nn.Module):
        def __init__(self, model: Any, hidden: Collection[str]) -> None:
            super().__init__()
            self.reads, self.makes, self.order = model.reads, model.makes, model.order
            self.parts = {name: getattr(model, child) for name, child in model.child.items()}  # no modules of this one
            for name, child in model.child.items():
                if name not in hidden:
                    self.add_module(child, self.parts[name])
            self.values: Arrays = {}
            self.relevance: Arrays = {}
            self.eval()

        def forward(self, *xs: Any) -> Any:
            values = {name: self.tap(name, x) for name, x in zip(self.reads, xs, strict=True)}
            for name, inputs in self.order:
                given = [values[n] for n in inputs]
                values[name] = self.tap(
                    name, self.parts[name](*given) if name in self.parts else sum(given[1:], given[0])
                )
            return values[self.makes]

        def tap(self, name: str, x: Any) -> Any:
            self.values.setdefault(name, x.detach().numpy().copy())
            if not x.requires_grad:
                return x
            self.relevance[name] = np.zeros(tuple(x.shape), dtype=x.detach().numpy().dtype)
            own = x.view_as(x)  # so that the hook is on no tensor of others
            own.register_hook(lambda arrived: self.relevance.__setitem__(name, arrived.detach().numpy().copy()))
            return own.view_as(own)

    return Taps


def trace(model: Any, network: Network, start: Any, left_out: Collection[str]) -> Trace:
    """Return what the taps saw.

    Args:
        model: with taps, after the walk back.
        network: whose nodes they are at.
        start: relevance of the output.
        left_out: nodes without a rule, below which nothing is known.
    """
    found = {**model.relevance, network.outputs[0]: np.asarray(start)}
    known = set(found) - below(network, left_out)
    return Trace(dict(model.values), {name: found[name] for name in reversed(model.values) if name in known})
