"""A network restricted to some columns of its input: what it does to samples in which all other columns are 0.

Up to its first dense layers a network of bags of words goes column by column, and a column that is 0 stays 0. There
the parameters of the other columns are left out; behind it nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, to_numpy
from ..errors import UnsupportedError
from ..layers import Affine, Centred, Dense, Elementwise, Gather, Layer, UnitNorm
from ..network.inputs import Input
from ..network.network import Network, Node
from ..propagation.plan import Planned
from ..rules.edits import Edit
from ..rules.rule import Rule
from ..rules.universal import Pass, Zero

Columns = NDArray[np.intp]
DENSE = "lrp.explain(net, matrix.toarray()) explains it, with an array of all columns"


@dataclass(frozen=True, eq=False)
class Front:
    """The part of a network that goes column by column.

    Attributes:
        net: the network.
        width: the number of columns of its input, as far as its layers tell; else None.
    """

    net: Network
    width: int | None

    @staticmethod
    def of(net: Network) -> Front:
        """Return the front of a network.

        Raises:
            UnsupportedError: a network of several inputs, or one in which a column that is 0 does not stay 0.
        """
        if len(net.inputs) != 1 or net.inputs[0].batch_axis != 0:
            raise UnsupportedError(
                "a sparse matrix is for networks of one input (N, columns); this one takes "
                + ", ".join(i.name for i in net.inputs)
            )
        found = Front(net, _width(net))
        found._walk(None)
        return found

    @cached_property
    def nodes(self) -> frozenset[str]:
        """The names of the nodes that read columns."""
        return frozenset(node.name for node, _ in self._walk(None))

    @cached_property
    def needed(self) -> Columns:
        """Columns that every block has, so that no dense layer is left without any."""
        if self.width == 0:
            return np.zeros(0, dtype=np.intp)
        found, taken = [], dict[str, tuple[Gather, ...]]()
        for node, _ in self._walk(None):
            path = taken.get(node.inputs[0], ())
            taken[node.name] = (*path, node.layer) if isinstance(node.layer, Gather) else path
            if isinstance(node.layer, Dense):
                place = 0
                for layer in reversed(path):
                    place = int(layer.indices[place])
                found.append(place)
        return np.unique(np.array(found or [0], dtype=np.intp))

    def narrowed(self, columns: Columns) -> Network:
        """Return the network that reads these columns of the input alone, which are in order."""
        changes = {node.name: _narrowed(node, at) for node, at in self._walk(columns)}
        changed = self.net.replaced(changes)
        return replace(changed, inputs=(_narrow_input(self.net.inputs[0], columns),))

    def _walk(self, columns: Columns | None) -> list[tuple[Node, Any]]:
        """Return the nodes that read columns, each with the places of those that are left of its input.

        Raises:
            UnsupportedError: as of :meth:`of`.
        """
        at: dict[str, Any] = {self.net.inputs[0].name: columns}
        found = []
        for node in self.net.nodes:
            if not any(name in at for name in node.inputs):
                continue
            if len(node.inputs) != 1:
                raise _refused(node, "it puts several values together")
            found.append((node, at[node.inputs[0]]))
            if columns is None:
                _narrowed(node, None)
            if not isinstance(node.layer, Dense):
                at[node.name] = _behind(node.layer, at[node.inputs[0]])
        for name in self.net.outputs:
            if name in at:
                raise UnsupportedError(f"output '{name}' has a number for every column, so it is no score; {DENSE}")
        return found


def require_rules(plan: Any, front: Front) -> None:
    """Refuse rules that give relevance to a column that is 0, for which a sparse matrix has no place.

    Args:
        plan: of the restricted network.
        front: the part that reads columns.

    Raises:
        UnsupportedError: a derivative, w², flat, z^B, or a bias that is spread over all columns.
    """
    for planned in plan:
        if planned.node in front.nodes and (reason := _reaches_zeros(planned)):
            raise UnsupportedError(
                f"node '{planned.node}': {planned.label} gives relevance to columns that are 0, {reason}; "
                "a sparse matrix has no place for it"
            )


def _reaches_zeros(planned: Planned) -> str:
    """Return why a rule gives relevance to inputs that are 0, and what would not; "" for one that does not."""
    rule = planned.rule
    if rule is None or isinstance(rule, Pass | Zero):
        return ""
    if not isinstance(rule, Rule):
        return "take composite='lrp0'"
    for group in rule.groups:
        if any(not isinstance(run.inputs, Edit) or run.inputs.name == "ones" for run in group.runs):
            return "take composite='lrp0'"
        if (group.bias_share or group.stabiliser_share) and not group.present and isinstance(planned.layer, Dense):
            return "take bias='nonzero'" if group.bias_share else "take composite='lrp0'"
    return ""


def _width(net: Network) -> int | None:
    """Return how many columns the input has: as it is declared, or as its first layers tell."""
    sample = net.inputs[0].sample
    if sample is not None and (len(sample) != 1 or sample[0] is not None):
        if len(sample) != 1:
            raise UnsupportedError(f"a sparse matrix is for inputs (N, columns); this one takes {sample}")
        return sample[0]
    name = net.inputs[0].name
    for node in net.nodes:
        if node.inputs != (name,):
            continue
        if isinstance(node.layer, Dense):
            return int(node.layer.weight.shape[0])
        if isinstance(node.layer, Affine) and node.layer.scale is not None and node.layer.scale.size > 1:
            return int(node.layer.scale.size)
        if isinstance(node.layer, Gather):
            return None
        name = node.name
    return None


def _behind(layer: Layer, columns: Any) -> Any:
    """Return which places are left of a layer's output, where these are left of its input."""
    if columns is None or not isinstance(layer, Gather):
        return columns
    return np.nonzero(_taken(layer, columns)[0])[0]


def _taken(layer: Gather, columns: Columns) -> tuple[NDArray[np.bool_], Columns]:
    """Return for each position that a layer takes whether it is left, and where it then is among those that are."""
    asked = np.asarray(layer.indices, dtype=np.intp)
    places = np.searchsorted(columns, asked)
    return columns[np.minimum(places, len(columns) - 1)] == asked, places


def _narrowed(node: Node, columns: Any) -> Layer:
    """Return the layer of a node as it is for some columns; of None it is only looked whether it can be."""
    layer = node.layer
    if isinstance(layer, Dense):
        return layer if columns is None else replace(layer, weight=layer.weight[columns])
    if isinstance(layer, Affine):
        return _affine(node, layer, columns)
    if isinstance(layer, Gather):
        if isinstance(layer.indices, int) or layer.axis not in (1, -1) or min(layer.indices, default=-1) < 0:
            raise _refused(node, "it takes no columns, or counts them from the last")
        if columns is None:
            return layer
        there, places = _taken(layer, columns)
        return replace(layer, indices=tuple(int(place) for place in places[there]))
    if isinstance(layer, Centred):
        return _centred(node, layer, columns)
    if isinstance(layer, UnitNorm):
        return layer
    if isinstance(layer, Elementwise):
        if layer.arrays():
            raise _refused(node, "its parameters are arrays")
        if bool((to_numpy(layer.forward(np.zeros((1, 1)))) != 0).any()):
            raise _refused(node, "it makes something of a column that is 0")
        return layer
    raise _refused(node, "a column that is 0 counts there too")


def _affine(node: Node, layer: Affine, columns: Any) -> Layer:
    """Return a scale of some columns."""
    if layer.shift is not None and bool((to_numpy(layer.shift) != 0).any()):
        raise _refused(node, "its shift makes something of a column that is 0")
    for array in (layer.scale, layer.shift):
        if array is not None and array.ndim != 1:
            raise _refused(node, "its parameters are no row of columns")
    return replace(layer, scale=_some(layer.scale, columns), shift=_some(layer.shift, columns))


def _centred(node: Node, layer: Centred, columns: Any) -> Layer:
    """Return a scaler of some columns, whose reference is 0."""
    if bool((to_numpy(layer.reference) != 0).any()):
        raise _refused(node, "its reference makes something of a column that is 0; neuralise with reference='zero'")
    return replace(layer, reference=_some(layer.reference, columns), scale=_some(layer.scale, columns))


def _some(array: Array | None, columns: Any) -> Array | None:
    """Return the numbers of some columns; one number is that of all."""
    return array if array is None or columns is None or array.size == 1 else array[columns]


def _narrow_input(spec: Input, columns: Columns) -> Input:
    """Return the declaration of an input of fewer columns; bounds of each column are of no rule that runs there."""
    shape = None if spec.shape is None else (spec.shape[0], len(columns))
    return replace(spec, shape=shape, low=None, high=None)


def _refused(node: Node, why: str) -> UnsupportedError:
    kind = type(node.layer).__name__
    return UnsupportedError(f"node '{node.name}' ({kind}) is not for sparse matrices: {why}; {DENSE}")
