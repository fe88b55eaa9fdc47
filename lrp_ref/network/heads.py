"""A network's head: the sigmoid or softmax that makes probabilities of logits, and the network without it.

Every value is read from the inputs up: is it a number like any other, or does it come out of a sigmoid or softmax by
steps that only move values or keep their order? Then the logit is known, and the same steps lead from it to an
equivalent output without the nonlinearity. The same reading says which operand of a product is its gate ("gates").

=======================================================  =============================================================
σ(z), also clipped, scaled by c > 0, shifted, log σ(z)   z
1 − σ(z), and falling functions of it                    −z
a hard sigmoid (its pieces are straight, not its ends)   z, as of a sigmoid
softmax(z), log softmax(z), c·softmax(z), clipped        z
moved, cut or joined by routes                           the logits, moved, cut or joined likewise
the largest of several σ(z) (max pools)                  the largest z
σ(σ(z)), softmax(σ(z))                                   the innermost z: what lies above keeps the order
several such added up, averaged, or multiplied; σ(z)·v   no logit: start at the output as it is
v·softmax(z)                                             a number like any other, weighted
=======================================================  =============================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..layers import Identity, Softmax
from .network import Network, Node, owner
from .readings import RAW, SIGMOID, Reader, Reading, listed


@dataclass(frozen=True)
class Head:
    """What an output of a network is made of.

    Attributes:
        output: its name.
        kinds: of its numbers: "sigmoid", "softmax", "raw" (neither); () where there is no logit.
        text: where an explanation starts, if that is below the output: "the logit below sigmoid 'act'"; else "".
        lost: why there is no logit to start at, or "".
        softmax: whether what is above the lost logit includes a softmax, which has no rule of its own.
    """

    output: str
    kinds: tuple[str, ...]
    text: str = ""
    lost: str = ""
    softmax: bool = False

    @property
    def squashed(self) -> bool:
        """Whether the network's own output is above a sigmoid or softmax."""
        return bool(self.lost) or any(kind != RAW for kind in self.kinds)


NO_HEAD = Head("", (RAW,))


@dataclass(frozen=True, eq=False)
class Bare:
    """A network whose outputs are logits.

    Attributes:
        net: the network; with a probability asked for, that is one more output.
        heads: what was found at each output.
        signs: names of the Affines that only turn signs (1 − σ(z) becomes −z).
    """

    net: Network
    heads: tuple[Head, ...]
    signs: frozenset[str] = frozenset()


def heads(net: Network) -> tuple[Head, ...]:
    """Return what each output of a network is made of.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, Sigmoid
        >>> net = Network.sequential([("fc", Dense(np.ones((2, 1)))), ("act", Sigmoid())])
        >>> heads(net)[0].text
        "the logit below sigmoid 'act'"
    """
    return bare(net).heads


def bare(net: Network, *, leave_out: bool = True, chance: int | None = None) -> Bare:
    """Return an equivalent network without final sigmoids and softmaxes.

    Outputs with the same logit stay outputs of their own: all but the logit itself keep their names.

    Args:
        net: the network.
        leave_out: whether to do so; otherwise the outputs stay what they are.
        chance: index of the output whose probability shall be one more output, if it has one.
    """
    reader = Reader(net)
    readings = [reader.of(name) for name in net.outputs]
    outputs = [
        r.logit if leave_out and not r.lost and not r.plain else n for r, n in zip(readings, net.outputs, strict=True)
    ]
    if leave_out:
        free = {i.name for i in net.inputs}
        outputs = [
            reader.emit(Identity(), (name,), r.ends[-1].name) if name in free and r.ends else name
            for name, r in zip(outputs, readings, strict=True)
        ]
        if chance is None:  # else one output is of interest, and needs no name of its own
            twice = [outputs.count(name) > 1 for name in outputs]
            outputs = [
                reader.emit(Identity(), (name,), given) if again and name != given else name
                for name, given, again in zip(outputs, net.outputs, twice, strict=True)
            ]
    wanted = list(outputs)
    if chance is not None:
        wanted += [name for name in (reader.chance(readings[chance]),) if name]
    found = tuple(_head(n, r) for n, r in zip(net.outputs, readings, strict=True))
    if tuple(wanted) == net.outputs:
        return Bare(net, found)
    axes = (*net.output_axes, *(0,) * (len(wanted) - len(net.outputs))) if net.output_axes else ()
    whole = replace(net, nodes=(*net.nodes, *reader.new), outputs=tuple(wanted), output_axes=axes).until(wanted)
    renamed, names = _named(whole, reader.origins)
    return Bare(renamed, found, frozenset(names[n] for n in reader.signs if n in names))


def _head(output: str, r: Reading) -> Head:
    """Return what a reading says of an output."""
    if r.lost:
        return Head(output, (), lost=r.lost, softmax=any(isinstance(n.layer, Softmax) for n in r.ends))
    if r.plain:
        return Head(output, (RAW,))
    text = f"the logit{'s' if r.kinds != {SIGMOID} or len(r.ends) > 1 else ''} below {listed(r.ends)}"
    if r.over:
        text += f", left out with {listed(r.over)}"
    text += "; 1 − σ(z) became −z" if r.negated else ""
    text += "; other numbers of the output stay what they are" if RAW in r.kinds else ""
    return Head(output, tuple(sorted(r.kinds)), text)


def _named(net: Network, origins: dict[str, str]) -> tuple[Network, dict[str, str]]:
    """Return the network with emitted nodes under the names that they stand for, or near ones, and these names."""
    taken = {i.name for i in net.inputs} | {n.name for n in net.nodes if n.name not in origins}
    names = {}
    for node in net.nodes:
        if node.name in origins:
            name, k = origins[node.name], 1
            while name in taken:
                k += 1
                name = f"{origins[node.name]}_{'logit' if k == 2 else k}"
            taken.add(name)
            names[node.name] = name

    def renamed(value: str) -> str:
        base = owner(value, names)
        return names.get(base, base) + value[len(base) :] if base in names else value

    nodes = tuple(Node(names.get(n.name, n.name), n.layer, tuple(map(renamed, n.inputs))) for n in net.nodes)
    return replace(net, nodes=nodes, outputs=tuple(map(renamed, net.outputs))), names
