"""A value inside the network: what it is for the samples, and the score as a function of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..base.arrays import Array, is_float
from ..errors import GraphError, ParameterError, ShapeError, UnsupportedError, unknown
from ..network.network import Network, owner
from ..propagation.parts import in_parts
from ..propagation.prepare import Question, prepare
from .scored import Scored, joined


@dataclass(frozen=True, eq=False)
class Inside:
    """A named value, and the score above it.

    Attributes:
        at: its name.
        value: of the samples (N, ...).
        above: the same score, of which the value is an input; what else is read above it is held as it is.
    """

    at: str
    value: Array
    above: Scored

    @staticmethod
    def of(scored: Scored, at: str) -> Inside:
        """Return the value of a node, or of an input, of the network as it is explained.

        Args:
            scored: the samples.
            at: the value's name.

        Raises:
            ParameterError: no such value, or one that no path to the output leads through.
            UnsupportedError: a value of integers, or one of several outputs of a node that are read together.
            ShapeError: one that does not have the batch in front.
        """
        net = scored.prepared.net
        require_value(at, net, scored.net)
        if at in scored.fed:
            value, part_above = scored.fed[at], scored
        else:
            beside = around(net, at)
            values = values_of(scored, (at, *beside))
            value = values[at]
            if value.ndim < 1 or len(value) != len(scored):
                raise ShapeError(
                    f"value '{at}' of shape {value.shape} is the same for all samples: name one that is not"
                )
            part = _since(net, at, beside)
            fed = {i.name: values[i.name] if i.name in values else scored.fed[i.name] for i in part.inputs}
            question = Question("gradient", canonize=False, start="output")
            ready = prepare(part, fed, question)
            part_above = replace(scored, net=part, fed=fed, question=question, prepared=ready, done=[0, 0])
        if not is_float(value):
            raise UnsupportedError(f"value '{at}' holds integers: name one of real numbers, above it")
        return Inside(at, value, part_above)


def require_value(at: str, net: Network, whole: Network) -> None:
    """Raise unless the explained network has the value, and something between it and the output.

    Args:
        at: the value's name.
        net: the network as it is explained.
        whole: as it was given, for the names that canonizing took away.

    Raises:
        ParameterError: with the nearest names, or with what canonizing made of the name.
    """
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    if owner(at, names) not in names:
        given = {n.name: n for n in whole.nodes}
        below = at
        while below in given and owner(below, names) not in names:
            below = owner(given[below].inputs[0], given)
        if at in given and owner(below, names) in names:
            raise ParameterError(
                f"at='{at}' is no value of the network as it is explained, in which BatchNorm is merged and a final "
                f"softmax left out: name '{below}', or give canonize=False"
            )
        raise unknown("value at=", at, [i.name for i in net.inputs] + [n.name for n in net.nodes])
    if owner(net.outputs[0], names) not in above(net, at):
        raise ParameterError(
            f"at='{at}': no node between it and output '{net.outputs[0]}': name a value that the output is made of"
        )


def around(net: Network, at: str) -> tuple[str, ...]:
    """Return the values that are read above ``at`` and do not depend on it: the ends of the paths around it.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Add, ReLU
        >>> from lrp_ref.network import Input, Node
        >>> nodes = (Node("a", ReLU(), ("x",)), Node("b", ReLU(), ("a",)), Node("sum", Add(), ("a", "b")))
        >>> around(Network(nodes, (Input("x"),), ("sum",)), "b")
        ('a',)
    """
    known = {n.name for n in net.nodes} | {i.name for i in net.inputs}
    depends, beside = above(net, at), dict[str, None]()
    for node in net.nodes:
        if node.name in depends:
            beside |= {name: None for name in node.inputs if name != at and owner(name, known) not in depends}
    return tuple(beside)


def above(net: Network, at: str) -> set[str]:
    """Return the names of the nodes whose values depend on the value ``at``."""
    known = {n.name for n in net.nodes} | {i.name for i in net.inputs}
    found = set[str]()
    for node in net.nodes:
        if any(name == at or owner(name, known) in found for name in node.inputs):
            found.add(node.name)
    return found


def _since(net: Network, at: str, beside: tuple[str, ...]) -> Network:
    """Return the part of the network above a value, in which what is read beside it is an input too."""
    try:
        return net.since((at, *beside))
    except GraphError as error:
        raise UnsupportedError(
            f"at='{at}' is one of several outputs of a node, which are read beside each other: name a value above it"
        ) from error


def values_of(scored: Scored, names: tuple[str, ...]) -> Mapping[str, Array]:
    """Return the named values of the samples (N, ...)."""
    net, found = scored.prepared.net, {name: scored.fed[name] for name in names if name in scored.fed}
    wanted = tuple(name for name in names if name not in found)
    if not wanted:
        return found
    below = net.until(wanted)

    def forward(few: dict[str, Array], cut: slice) -> dict[str, Array]:
        values = below.values({i.name: few[i.name] for i in below.inputs}, keep=lambda name: False)
        return {name: values[name] for name in wanted}

    parts = in_parts(scored.prepared, scored.fed, forward)
    return found | {name: joined([part[name] for part in parts]) for name in wanted}
