"""A network: a frozen list of named nodes in execution order (a DAG), values between them found by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic import settled
from ..base.arrays import Array, by_name, convert, is_float, namespace, require_finite, unwarned
from ..base.frozen import Value
from ..errors import BackendError, GraphError, LrpError, ParameterError, ShapeError, UndecidedError
from ..layers.base import Layer
from .inputs import Input, batch_back, checked


@dataclass(frozen=True, eq=False, repr=False)
class Node(Value):
    """One use of a layer.

    Attributes:
        name: unique in its network; also the name of its output value (``name:k`` for output k of several).
        layer: the layer; the same layer may be used by several nodes.
        inputs: names of the values it reads: network inputs, or earlier nodes' outputs.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Network(Value):
    """Named nodes in execution order, with named inputs and outputs.

    Args:
        nodes: every node after the nodes that it reads.
        inputs: the network's inputs.
        outputs: names of the values that are returned.
        output_axes: for each output, the axis of its array that counts the samples, None where the array is one
            sample; empty where it is the first of all. Inside the network the batch is the first axis of every value.
        left_out: outputs that the file has and the network has not, with the reason.
        notes: in what else the network differs from its file: sentences for whoever reads its results.
        composite: name of the preset that it is explained with unless another is asked for; "" for the usual one.
        classes: names of the numbers of its first output, as far as the file tells them.

    Raises:
        GraphError: a name that is not there or not unique, or a node before what it reads.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.eye(2)), ReLU(), Dense(np.ones((2, 1)))])
        >>> net
        Network input → output dense2
          dense1  Dense(weight=float64[2, 2])  ← input
          relu1   ReLU()                       ← dense1
          dense2  Dense(weight=float64[2, 1])  ← relu1
        >>> net.forward(np.array([[1.0, -2.0]]))
        array([[1.]])
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    output_axes: tuple[int | None, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    composite: str = ""
    classes: tuple[str, ...] = ()

    @staticmethod
    def required(given: Any, caller: str) -> None:
        """Refuse what is no network, with what makes one of it.

        Raises:
            ParameterError: it is none: a model of scikit-learn, or of another library.
        """
        if isinstance(given, Network):
            return
        module, kind = type(given).__module__.partition(".")[0], type(given).__qualname__
        if isinstance(given, str):
            way = f"lrp.load({given!r}) reads a model file"
        elif hasattr(given, "get_params") and hasattr(given, "fit"):
            way = "lrp.neuralise.from_sklearn(model) makes one of it"
        else:
            way = "lrp.load(path) reads one from a file"
        raise ParameterError(f"{caller} takes a Network, got a {module}.{kind}: {way}".replace("builtins.", ""))

    def __post_init__(self) -> None:
        known = {i.name for i in self.inputs}
        if self.output_axes and len(self.output_axes) != len(self.outputs):
            raise GraphError(f"{len(self.outputs)} outputs, and batch axes for {len(self.output_axes)} of them")
        if not self.nodes or not self.inputs or not self.outputs:
            raise GraphError("a network needs at least one node, one input and one output")
        for node in self.nodes:
            if not node.inputs:
                raise GraphError(f"node '{node.name}' reads nothing")
            takes = node.layer.operands
            if takes is not None and len(node.inputs) != takes:
                kind = type(node.layer).__name__
                raise GraphError(f"node '{node.name}' ({kind}) takes {takes} inputs, it reads {len(node.inputs)}")
            for name in node.inputs:
                if owner(name, known) not in known:
                    raise GraphError(f"node '{node.name}' reads '{name}', which no earlier node or input provides")
            if node.name in known:
                raise GraphError(f"the name '{node.name}' is used twice")
            known.add(node.name)
        for name in known:
            if (other := owner(name, ())) != name and other in known:
                raise GraphError(f"the name '{name}' is that of an output of node '{other}'")
        for name in self.outputs:
            if owner(name, known) not in known:
                raise GraphError(f"output '{name}' is provided by no node")

    @staticmethod
    def sequential(layers: Sequence[Layer | tuple[str, Layer]], *, input_name: str = "input") -> Network:
        """Return a chain of layers, named by kind and number (conv1, relu1, conv2, ...) or by given names.

        Args:
            layers: layers, or (name, layer) pairs.
            input_name: name of the input.
        """
        nodes: list[Node] = []
        counts: Counter[str] = Counter()
        previous = input_name
        for entry in layers:
            if isinstance(entry, tuple):
                name, layer = entry
            else:
                kind = type(entry).__name__.lower()
                counts[kind] += 1
                name, layer = f"{kind}{counts[kind]}", entry
            nodes.append(Node(name, layer, (previous,)))
            previous = name
        return Network(tuple(nodes), (Input(input_name),), (previous,))

    # -- looking ------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Node:
        if "by name" not in self.cache:
            self.cache["by name"] = {node.name: node for node in self.nodes}
        found: Node | None = self.cache["by name"].get(name)
        if found is None:
            raise GraphError(f"no node is called '{name}'; there are: {', '.join(n.name for n in self.nodes)}")
        return found

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        rows = [(n.name, repr(n.layer), ", ".join(n.inputs)) for n in self.nodes]
        wide = [max(len(r[k]) for r in rows) for k in (0, 1)]
        head = f"Network {', '.join(i.name for i in self.inputs)} → output {', '.join(self.outputs)}"
        nodes = [f"  {a:<{wide[0]}}  {b:<{wide[1]}}  ← {c}" for a, b, c in rows]
        moved = [f"  input {i.name}: {i.described()}" for i in self.inputs if i.batch_axis != 0]
        left = [f"  left out: output {name}: {reason}" for name, reason in self.left_out]
        with_ = [f"  explained with: {self.composite}"] if self.composite else []
        return "\n".join([head, *nodes, *moved, *left, *with_, *(f"  note: {text}" for text in self.notes)])

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(n.name)}</td><td>{escape(repr(n.layer))}</td><td>{escape(', '.join(n.inputs))}</td></tr>"
            for n in self.nodes
        )
        return f"<table><thead><tr><th>node</th><th>layer</th><th>reads</th></tr></thead><tbody>{rows}</tbody></table>"

    @property
    def parameters(self) -> tuple[Array, ...]:
        """All float arrays of all layers."""
        if "parameters" not in self.cache:
            self.cache["parameters"] = tuple(a for a in self.arrays() if is_float(a))
        parameters: tuple[Array, ...] = self.cache["parameters"]
        return parameters

    @property
    def dtype(self) -> Any:
        """The dtype of the parameters, or None for a network without any."""
        return self.parameters[0].dtype if self.parameters else None

    @property
    def tokens(self) -> frozenset[str]:
        """The inputs whose integers receive relevance: those that a layer looks up, possibly after they were moved."""
        if "tokens" not in self.cache:
            found: set[str] = set()
            for node in reversed(self.nodes):
                if node.layer.tokens or (node.layer.moves and node.name in found):
                    found.update(node.inputs)
            self.cache["tokens"] = frozenset(found.intersection(i.name for i in self.inputs))
        tokens: frozenset[str] = self.cache["tokens"]
        return tokens

    @property
    def cache(self) -> dict[Any, Any]:
        """Work that is made once for this network (canonized copies, edited weights); no part of its value.

        It ends with the network, is not saved or copied with it, and holds for as long as nobody writes into the
        network's arrays: a changed network is a new one.
        """
        found: dict[Any, Any] | None = self.__dict__.get("_cache")
        if found is None:
            object.__setattr__(self, "_cache", found := {})
        return found

    def keep(self, key: Any, value: Any, *, most: int) -> None:
        """Put a value into the cache as the newest of its kind, and forget the oldest beyond ``most``."""
        self.cache[key] = value
        same = [k for k, v in list(self.cache.items()) if type(v) is type(value)]
        for old in same[:-most]:
            self.cache.pop(old, None)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_cache"}

    def consumers(self, name: str) -> list[Node]:
        """Return the nodes that read the value ``name``."""
        if "readers" not in self.cache:
            readers: dict[str, list[Node]] = {}
            for node in self.nodes:
                for read in dict.fromkeys(node.inputs):
                    readers.setdefault(read, []).append(node)
            self.cache["readers"] = readers
        return list(self.cache["readers"].get(name, ()))

    # -- new networks -------------------------------------------------------------------------------------------

    def to(self, xp: Any) -> Network:
        """Return the network with its arrays in another array module ("numpy", "cupy", or a module)."""
        module = by_name(xp)
        if all(namespace(p) is module for p in self.parameters):
            return self
        return self.map_arrays(lambda a: convert(a, module))

    def astype(self, dtype: Any) -> Network:
        """Return the network with its float parameters as ``dtype``; indices stay integers."""
        return self.map_arrays(lambda a: a.astype(dtype) if is_float(a) else a)

    def until(self, outputs: str | Iterable[str]) -> Network:
        """Return the part of the network that the named values need, with these values as outputs."""
        wanted = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        axes = dict(zip(self.outputs, self.output_axes, strict=False))
        names = {i.name for i in self.inputs} | {n.name for n in self.nodes}
        for name in wanted:
            if owner(name, names) not in names:
                raise GraphError(f"no value is called '{name}'; there are: {', '.join(n.name for n in self.nodes)}")
        needed, kept = {owner(n, names) for n in wanted}, []
        for node in reversed(self.nodes):
            if node.name in needed:
                kept.append(node)
                needed.update(owner(n, names) for n in node.inputs)
        inputs = tuple(i for i in self.inputs if i.name in needed)
        found = tuple(axes.get(name, 0) for name in wanted)
        found = found if any(axis != 0 for axis in found) else ()
        classes = self.classes if wanted[:1] == self.outputs[:1] else ()
        return Network(tuple(reversed(kept)), inputs, wanted, found, self.left_out, self.notes, self.composite, classes)

    def since(self, names: str | Iterable[str]) -> Network:
        """Return the part of the network above the named values, which become its first inputs.

        What else is read above them, along paths around them, stays an input of the network.

        Raises:
            GraphError: a value that is not there, or that no output depends on.

        Example:
            >>> import numpy as np
            >>> from lrp_ref.layers import Dense, ReLU
            >>> net = Network.sequential([Dense(np.eye(2)), ReLU(), Dense(np.ones((2, 1)))])
            >>> net.since("relu1")
            Network relu1 → output dense2
              dense2  Dense(weight=float64[2, 1])  ← relu1
        """
        cut = (names,) if isinstance(names, str) else tuple(names)
        known = {i.name for i in self.inputs} | {n.name for n in self.nodes}
        for name in cut:
            if owner(name, known) not in known:
                raise GraphError(f"no value is called '{name}'; there are: {', '.join(n.name for n in self.nodes)}")
        wanted, read, kept = set(self.outputs) - set(cut), set[str](), list[Node]()
        for node in reversed(self.nodes):
            if any(owner(name, known) == node.name for name in wanted):
                kept.append(node)
                read.update(node.inputs)
                wanted.update(set(node.inputs) - set(cut))
        for name in cut:
            if name not in read:
                raise GraphError(f"no node above '{name}' is needed for output {', '.join(self.outputs)}")
        below = tuple(i for i in self.inputs if i.name in wanted and i.name not in cut)
        specs = {i.name: i for i in self.inputs}
        inputs = tuple(specs.get(name, Input(name)) for name in cut)
        return replace(self, nodes=tuple(reversed(kept)), inputs=(*inputs, *below))

    def batch_first(self) -> Network:
        """Return the network whose arrays all have the batch as their first axis, inputs and outputs alike.

        Example:
            >>> import numpy as np
            >>> from lrp_ref.layers import ReLU
            >>> x = Input("x", (7, None, 3), batch_axis=1)
            >>> net = Network((Node("relu", ReLU(), ("x",)),), (x,), ("relu",), output_axes=(1,))
            >>> net.forward(np.ones((7, 2, 3))).shape, net.batch_first().forward(np.ones((2, 7, 3))).shape
            ((7, 2, 3), (2, 7, 3))
        """
        if all(i.batch_axis == 0 for i in self.inputs) and not self.output_axes:
            return self
        return replace(self, inputs=tuple(i.batch_first() for i in self.inputs), output_axes=())

    def replaced(self, changes: Mapping[str, Layer]) -> Network:
        """Return the network with other layers at the named nodes."""
        for name in changes:
            self[name]
        return replace(self, nodes=tuple(replace(n, layer=changes.get(n.name, n.layer)) for n in self.nodes))

    # -- running ------------------------------------------------------------------------------------------------

    def feed(self, x: Any) -> dict[str, Array]:
        """Return the inputs by name, the batch in front, after checking names, shapes, library and finiteness.

        Args:
            x: an array in the layout of the input, or a dict name → array for several inputs.

        Returns:
            What :meth:`values` takes, and :meth:`forward` of the network :meth:`batch_first`.

        Raises:
            GraphError: inputs that are missing or not known.
            ShapeError: an array of the wrong shape, or batches of different size.
            BackendError: arrays of several libraries.
            NonFiniteError: NaN or infinity.
        """
        named = dict(x) if isinstance(x, Mapping) else {self.inputs[0].name: x}
        expected = [i.name for i in self.inputs]
        if set(named) != set(expected):
            raise GraphError(f"the network's inputs are {', '.join(expected)}; given: {', '.join(map(str, named))}")
        for name, array in named.items():
            if array is None:  # which stands for a parameter that is not there, and is no input
                raise BackendError(f"input '{name}' is None, not an array")
        namespace(*named.values(), *self.parameters)
        return checked(named, self.inputs)

    def receives(self, name: str, array: Array) -> bool:
        """Return whether an input receives relevance: floats and exact numbers, and the integers of tokens."""
        return is_float(array) or name in self.tokens

    def like(self, fed: Mapping[str, Array]) -> Any:
        """Return an array of the number system that is computed in: an input, or a parameter where all are integers."""
        return next((a for a in (*fed.values(), *self.parameters) if is_float(a)), None)

    def like_input(self, x: Mapping[str, Array]) -> Network:
        """Return the network in the dtype of the inputs: float64 in, float64 out; float32 in, float32 out."""
        floats = {a.dtype for a in x.values() if is_float(a)}
        if len(floats) > 1:
            raise ShapeError(f"the inputs have different dtypes: {sorted(map(str, floats))}")
        if not floats or {a.dtype for a in self.parameters} <= floats:
            return self
        (dtype,) = floats
        if dtype.kind == "O":
            raise ShapeError("the inputs are exact numbers and the network's are not: lrp.arithmetic.rational(net)")
        return self.astype(dtype)

    def values(
        self,
        x: Mapping[str, Array],
        *,
        check: bool = True,
        keep: Callable[[str], bool] | None = None,
        tapes: dict[str, Any] | None = None,
    ) -> dict[str, Array]:
        """Run the nodes and return every value by name (several outputs as ``name``, ``name:1``, ...).

        Args:
            x: checked inputs by name.
            check: whether to look for NaN and infinity after each node.
            keep: which values to keep until the end; None for all. Others are freed after their last use.
            tapes: where to put what each layer leaves for the way back, by the names it holds already.
        """
        values = dict(x)
        last = {name: k for k, node in enumerate(self.nodes) for name in node.inputs}
        over = {} if any(a.dtype == object for a in x.values()) else self._written_over(keep)
        for k, node in enumerate(self.nodes):
            done = {name for name in node.inputs if last[name] == k and name not in self.outputs}
            done = set() if keep is None else {name for name in done if not keep(name)}
            look = check and not node.layer.promises.stays_finite
            try:
                with unwarned():
                    xs = tuple(_value(values, name) for name in node.inputs)
                    if node.name in over:
                        out, look = _then(node.layer, over[node.name], xs, look), False
                    elif node.inputs[0] in over:
                        (out,) = xs
                    elif tapes is not None and node.name in tapes:
                        out, tapes[node.name] = node.layer.forward_taped(*xs)
                    else:
                        out = node.layer.forward(*xs)
                for j, array in enumerate(out if isinstance(out, tuple) else (out,)):
                    values[value_name(node.name, j)] = array
                    if look:
                        require_finite(array, "the output")
            except UndecidedError as error:
                raise located(error, node, values) from error
            except LrpError as error:
                raise error.at(node.name) from error
            for name in done:
                values.pop(name)
        return values

    def _written_over(self, keep: Callable[[str], bool] | None) -> dict[str, Layer]:
        """Return the values that are needed once more only, by a layer that can write its output over them."""
        if keep is None:
            return {}
        uses = Counter(name for node in self.nodes for name in node.inputs)
        made = {
            n.name
            for n in self.nodes
            if n.layer.promises.makes_new and uses[n.name] == 1 and n.name not in self.outputs
        }
        readers = [
            n for n in self.nodes if n.layer.promises.writes_over and n.inputs[0] in made and not keep(n.inputs[0])
        ]
        return {n.inputs[0]: n.layer for n in readers}

    def forward(self, x: Any) -> Any:
        """Return the outputs for a batch of inputs.

        Args:
            x: an array (N, ...), or a dict name → array for several inputs; with the batch at ``Input.batch_axis``
                where that is not the first: the array that the file takes. The parameters are cast to its dtype.

        Returns:
            An array, or a dict name → array for several outputs, in the layout that the file returns.
        """
        fed = self.feed(x)
        with settled(*fed.values()):
            values = self.like_input(fed).values(fed, keep=lambda name: False)
        axes = self.output_axes or (0,) * len(self.outputs)
        outputs = {n: batch_back(_value(values, n), axis) for n, axis in zip(self.outputs, axes, strict=True)}
        return outputs if len(outputs) > 1 else outputs[self.outputs[0]]


def _then(layer: Layer, reader: Layer, xs: tuple[Array, ...], check: bool) -> Array:
    """Return the output of ``reader``, which reads that of ``layer`` and writes over it, part by part as it is made."""
    totals = []

    def finish(part: Array) -> None:
        if check:
            totals.append(part.sum())
        reader.forward_over(part)

    out: Array = layer.forward_then(finish, *xs)
    if not math.isfinite(sum(totals)):
        require_finite(layer.forward(*xs), "the output")  # the sum alone may overflow
    return out


def located(error: UndecidedError, node: Node, values: Mapping[str, Array]) -> LrpError:
    """Return the error of a comparison with the node's name and, if it is a unit of a value, with its index."""
    for name in (*node.inputs, node.name):
        error = error.among(f"'{name}'", values.get(name))
    return error.at(node.name)


def value_name(node: str, output: int) -> str:
    """Return the name of a node's k-th output value: ``node`` for the first, ``node:k`` for the others."""
    return node if output == 0 else f"{node}:{output}"


def owner(name: str, known: Container[str]) -> str:
    """Return the node (or input) that provides the value ``name``; a node may itself be called ``Conv:0``."""
    if name in known or ":" not in name:  # as nearly all are
        return name
    base, _, index = name.rpartition(":")
    return base if base and index.isascii() and index.isdigit() and index.strip("0") else name


def _value(values: Mapping[str, Array], name: str) -> Array:
    """Return the value ``name``, or say that its node has fewer outputs."""
    if name not in values:
        raise GraphError(f"there is no value '{name}': node '{name.rpartition(':')[0]}' has fewer outputs")
    return values[name]
