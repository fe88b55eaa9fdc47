"""Network → Network: merge BatchNorm into its neighbours, leave out a final sigmoid or softmax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ..base.arrays import Array, namespace, unwarned
from ..errors import LrpError
from ..layers import Affine
from .gates import gated
from .heads import Bare, bare, heads
from .network import Network, Node, value_name
from .pairs import Shape, merged


def canonize(net: Network, *, merge: bool = True, drop_softmax: bool = True) -> Network:
    """Return an equivalent network on which the rules mean what the papers mean.

    - An Affine (BatchNorm) behind a dense, convolution or transposed convolution layer that only it reads is merged
      into that layer; the merged node keeps the weighted layer's name.
    - An Affine in front of one is merged too, if the layer alone reads it. Where its shift does not meet every output
      alike (zero padding around a convolution; taps, borders and output padding of a transposed one), the bias becomes
      one per output position, which needs the input size to be known (``explain`` knows it from its inputs). Where it
      is not, the Affine stays.
    - Beside a dense layer over more axes than (N, features), where channels and features differ, an Affine stays; a
      dense layer whose input has an unknown number of axes counts as one over (N, features).
    - Consecutive Affines, of which only the second reads the first, become one if their parameters have one shape,
      single numbers aside.
    - An Affine whose parameters are not one number, or one per channel, stays; so does one in front of a layer that
      enlarges its input. Behind a layer with one output channel, one per channel gives the layer that many.
    - A final softmax (or its logarithm) or sigmoid is left out, also behind layers that only move values or keep their
      order: the output becomes the logits, and 1 − σ(z) becomes −z (:mod:`lrp_ref.network.heads`). The names of
      outputs may change, their order does not.
    - A product of a signal with what comes out of a sigmoid or softmax gets that as its declared gate, and one with a
      constant, a mask or a divisor gets that as a gate that is held.

    Args:
        net: the network.
        merge: whether Affines are merged.
        drop_softmax: whether a final softmax or sigmoid is left out.

    Source: merging as used throughout the LRP literature, e.g. Montavon et al. 2019, §10.3 (BatchNorm).

    Raises:
        GraphError: a merged layer does not reproduce the pair's output.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, Softmax
        >>> one = np.ones(1)
        >>> net = Network.sequential([Dense(np.ones((2, 1)), one), Affine(2 * one, one), Softmax()])
        >>> canonize(net)
        Network input → output dense1
          dense1  Dense(weight=float64[2, 1], bias=float64[1])  ← input
        >>> canonize(net)["dense1"].layer.bias
        array([3.])
    """
    return canonized(net, merge=merge, leave_out=drop_softmax).net


def canonized(
    net: Network,
    *,
    merge: bool = True,
    leave_out: bool = True,
    chance: int | None = None,
    counts: frozenset[str] = frozenset(),
) -> Bare:
    """Return the canonized network with what was found at its outputs.

    Args:
        net, merge: as for :func:`canonize`.
        leave_out, chance: as for :func:`.heads.bare`.
        counts: as for :func:`.gates.gated`.
    """
    # BatchNorms first, so that the head is a sigmoid of what the weighted layer gives; then what turns signs there.
    found = bare(gated(_merged(net, frozenset()) if merge else net, counts), leave_out=leave_out, chance=chance)
    if not merge:
        return found
    stated = zip(heads(net), found.heads, strict=True)  # with the nodes that the network has
    found = replace(found, heads=tuple(a if bool(a.lost) == bool(b.lost) else b for a, b in stated))
    return replace(found, net=_merged(found.net, found.signs)) if found.signs else found


def _merged(net: Network, signs: frozenset[str]) -> Network:
    """Return the network with all pairs merged; ``signs`` are Affines that take a copy of a layer that others read."""
    merging = _Merging(net, signs, _Shapes(net))
    while merging.copied:  # a layer that was copied has one reader less, and may be merged with the last one now
        merging = _Merging(merging.result(), signs, merging.shapes)
    return merging.result()


class _Shapes:
    """The shapes of a network's values for a batch of one: of all of them from one pass, when one is asked for."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.declared = {i.name: None if i.shape is None else (1, *i.shape[1:]) for i in net.inputs}
        self.found: dict[str, Shape] | None = None
        self.was: dict[str, str] = {}  # what a value was called in the network

    def __getitem__(self, name: str) -> Shape | None:
        """Return a value's shape, None where it depends on an input of unknown size.

        Of an input whose shape is known in part, None stands for each size that is not.
        """
        if name in self.declared:
            return self.declared[name]
        if self.found is None:
            self.found = dict(self._walk())
        return self.found.get(self.was.get(name, name))

    def renamed(self, old: str, new: str) -> None:
        """Say that the value ``old`` is called ``new`` from now on."""
        self.was[new] = self.was.get(old, old)

    def _walk(self) -> Iterator[tuple[str, Shape]]:
        like, values = self.net.parameters[0], dict[str, Array]()
        for spec in self.net.inputs:
            if spec.sample is not None and None not in spec.sample:
                values[spec.name] = namespace(like).zeros((0, *spec.sample), dtype=like.dtype)
        for node in self.net.nodes:
            if not all(name in values for name in node.inputs):
                continue
            try:
                with unwarned():
                    out = node.layer.forward(*(values[name] for name in node.inputs))
            except (LrpError, IndexError):
                # Zeros are no valid input of every layer (an LSTM's lengths are integers): the size stays unknown.
                continue
            for k, array in enumerate(out if isinstance(out, tuple) else (out,)):
                values[value_name(node.name, k)] = array
                yield value_name(node.name, k), (1, *array.shape[1:])


class _Merging:
    """One way through the nodes of a network: each is merged with what it reads, as long as there is something.

    Attributes:
        net, signs, shapes: as above; no merge changes a value that is left.
        kept: the nodes that are left so far, by name.
        now: the name of a merged node by that of the node whose value it has.
        readers: how many nodes read a value.
        copied: whether a layer with several readers was copied into one of them.
    """

    def __init__(self, net: Network, signs: frozenset[str], shapes: _Shapes) -> None:
        self.net, self.signs, self.shapes = net, signs, shapes
        self.kept: dict[str, Node] = {}
        self.now: dict[str, str] = {}
        self.readers = Counter(name for node in net.nodes for name in set(node.inputs))
        self.outputs = set(net.outputs)
        self.copied, self.changed = False, False
        for node in net.nodes:
            self._take(node)

    def result(self) -> Network:
        """Return the network of the nodes that are left."""
        if not self.changed:
            return self.net
        return replace(self.net, nodes=tuple(self.kept.values()), outputs=tuple(map(self._name, self.net.outputs)))

    def _name(self, name: str) -> str:
        while name in self.now:
            name = self.now[name]
        return name

    def _take(self, node: Node) -> None:
        if any(name in self.now for name in node.inputs):
            node = replace(node, inputs=tuple(map(self._name, node.inputs)))
        while (source := self.kept.get(node.inputs[0])) is not None:
            alone = self.readers[source.name] == 1 and source.name not in self.outputs
            if not alone and node.name not in self.signs:
                break
            layer = merged(
                source.layer, node.layer, partial(self.shapes.__getitem__, source.inputs[0]),
                f"{source.name} + {node.name}",
            )  # fmt: skip
            if layer is None:
                break
            self.changed = True
            # The merged node keeps the name of the weighted layer.
            keeps = source if alone and isinstance(node.layer, Affine) else node
            if alone:
                del self.kept[source.name]
                self._rename(node.name, keeps.name)
            else:
                self.copied = True
                self.readers[source.name] -= 1
                self.readers.update(set(source.inputs))
            node = Node(keeps.name, layer, source.inputs)
        self.kept[node.name] = node

    def _rename(self, old: str, new: str) -> None:
        """Let who reads the value ``old`` read ``new``, which is that value from now on."""
        if old == new:
            return
        self.now[old] = new
        self.readers[new] = self.readers[old]
        self.shapes.renamed(old, new)
        if old in self.outputs:
            self.outputs.add(new)
