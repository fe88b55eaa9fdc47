"""``lrp.export_onnx``: an explanation written as one ONNX file, which any runtime computes without lrp_ref."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..arithmetic import Adjustable
from ..base import tables
from ..base.files import replace_file
from ..errors import ParameterError, UnsupportedError, require
from ..network.network import Network
from ..propagation import composites
from .program import Form, asking, program

MOST_BYTES = (1 << 31) - (1 << 20)  # of one file: what the format itself can hold


@dataclass(frozen=True, repr=False)
class Exported:
    """What was written: where, and what a program feeds and gets.

    Attributes:
        path: of the graph that explains.
        forward: of the graph of the forward pass alone; None where none was asked for.
        inputs, outputs: names, dtypes and shapes; N samples, M targets.
        nodes: operators of the graph.
        size: of the file, in bytes.
        composite, start: what is explained, as the metadata have it.
    """

    path: Path
    forward: Path | None
    inputs: tuple[tuple[str, str, str], ...]
    outputs: tuple[tuple[str, str, str], ...]
    nodes: int
    size: int
    composite: str
    start: str

    headers = ("", "name", "dtype", "shape")

    def rows(self) -> list[list[str]]:
        """Return a row of cells per input and output."""
        return [["input", *row] for row in self.inputs] + [["output", *row] for row in self.outputs]

    def __repr__(self) -> str:
        return f"{self.path}: {self.nodes} nodes, {self.size:,} bytes\n" + tables.text(self.headers, self.rows())

    def _repr_html_(self) -> str:
        return tables.html(self.headers, self.rows())


def export_onnx(
    net: Network,
    composite: Any = None,
    path: str | Path = "explanation.onnx",
    *,
    targets: Any = "argmax",
    start: Any = "logit",
    output: str | None = None,
    canonize: bool = True,
    shapes: Any = None,
    adjustable: Sequence[str] = (),
    ledger: bool = True,
    trace: bool = False,
    forward: bool = False,
    opset: int = 17,
    optimize: str = "size",
    dtype: str = "float32",
    **parameters: Any,
) -> Exported:
    """Write the explanation of a network as one graph of standard ONNX operators.

    The graph takes the network's inputs (N, ...), the samples in front and N free, and gives

    ===========  ====================================================================================
    output       of the network, as :func:`lrp_ref.explain` returns it (the logits below a softmax)
    probability  of the outputs, where the network ends in a sigmoid or softmax
    relevance    of the input, or ``relevance.NAME`` of several
    ledger       (N, nodes, columns): relevance_out, relevance_in, bias, stabiliser, dropped, residual
    explained    the outputs that are explained (N, 1)
    start        the relevance that started, of the output's shape
    ===========  ====================================================================================

    and with ``trace`` also ``value.NODE`` (N, ...) and ``relevance.NODE`` of the same shape for every node.
    Its metadata name the composite, the plan, the ledger's nodes and the network's SHA-256.

    Args:
        net: the network.
        composite: in any form that :func:`lrp_ref.explain` takes; None for the network's own.
        path: of the file.
        targets: which outputs are explained: "argmax", each sample's largest; "input", an input ``target`` (M,) of the
            graph, where a negative number stands for the largest and M is N, or N is 1: several targets of one sample;
            or a list of K numbers (or names of classes): the graph then takes one sample and explains each of them,
            by one forward pass. In place of a number stands a tuple with one for each axis of the output.
        start: start relevance, a name or a ``Start``.
        output, canonize: as :func:`lrp_ref.explain` takes them.
        shapes: of one sample, where the network leaves sizes free: a tuple, or a dict by name.
        adjustable: parameters of the preset, such as ("epsilon", "gamma"), that become inputs of the graph: scalars
            that have to be fed, for not every runtime can feed an input that has a default. The preset's numbers stand
            in the metadata. Rules of one's own take an ``lrp.arithmetic.Adjustable`` in their place.
        ledger: whether the graph makes the ledger.
        trace: whether every node's output and the relevance that arrived there are given as well.
        forward: whether the forward pass alone is written beside it, as NAME.forward.onnx: who asks a runtime for
            ``output`` alone waits for the whole graph.
        opset: of the operators, 17 to 23.
        optimize: "size" keeps one copy of the weights, "speed" a second one where the way back is faster by it.
        dtype: of the graph's floats. Constants are computed in float64 and rounded once.
        parameters: of the preset, ``bias`` and ``dialect``, as :func:`lrp_ref.explain` takes them.

    Raises:
        UnsupportedError: nodes that cannot be written, all of them named; a file of 2 GB and more.
        MissingExtraError: onnx is not installed.
        ShapeError: sizes of the input that are free.
        LrpError: any other of its kinds, as :func:`lrp_ref.explain`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.ones((2, 3)))])
        >>> folder = tempfile.TemporaryDirectory()
        >>> written = export_onnx(net, "epsilon", Path(folder.name) / "explained.onnx", shapes=(2,))
        >>> written.inputs, [name for name, _, _ in written.outputs]
        ((('input', 'float32', '(N, 2)'),), ['output', 'relevance', 'ledger', 'explained', 'start'])
        >>> folder.cleanup()
    """
    Network.required(net, "export_onnx")
    path = _path(path)
    require("onnx", extra="onnx", purpose="write a graph")
    if not isinstance(adjustable, Sequence):
        raise ParameterError(f"adjustable: {adjustable!r} is no name of a parameter, nor several: ('epsilon',)")
    adjustable = (adjustable,) if isinstance(adjustable, str) else tuple(adjustable)
    chosen = chosen_composite(net, composite, parameters, adjustable, export_onnx)
    form = Form(opset, optimize, dtype)
    asked = asking(
        net, composite=chosen, targets=targets, start=start, output=output, canonize=canonize, shapes=shapes,
        ledger=ledger, trace=trace,
    )  # fmt: skip
    made = program(asked, form)
    unused = [key for key in adjustable if key not in made.graph.adjustable]
    if unused:
        raise ParameterError(f"adjustable: {', '.join(unused)} has no part in what is computed for this network")
    model = made.model(net)
    size = write(model, path)
    beside = forward_path(path) if forward else None
    if beside is not None:
        write(made.forward(net), beside)
    said = {entry.key: entry.value for entry in model.metadata_props}
    return Exported(path, beside, _shown(made.inputs()), _shown([(o[0], *o[2:]) for o in made.outputs]),
                    len(model.graph.node), size, said["composite"], said["start"])  # fmt: skip


def forward_path(path: Path) -> Path:
    """Return where the forward pass alone is written, beside an explanation.

    Example:
        >>> forward_path(Path("digit.lrp.onnx")).name
        'digit.lrp.forward.onnx'
    """
    return path.with_suffix(".forward.onnx")


def _path(path: Any) -> Path:
    """Return the path of a file.

    Raises:
        ParameterError: what names none.
    """
    if not isinstance(path, str | Path) or not Path(path).name or "\0" in str(path):
        raise ParameterError(f"path {str(path)!r} names no file: give one, such as 'explanation.onnx'")
    return Path(path)


def _shown(described: Sequence[tuple[str, Any, Sequence[Any]]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((n, d.name, f"({', '.join(map(str, s))}{',' if len(s) == 1 else ''})") for n, d, s in described)


def chosen_composite(
    net: Network, composite: Any, parameters: Mapping[str, Any], adjustable: Sequence[str], caller: Any
) -> composites.Composite:
    """Return the composite with those of its parameters as inputs of the graph that should be.

    Raises:
        ParameterError: what is no parameter of a preset, or no number ε or γ.
    """
    composite = composites.usual(net) if composite is None else composite
    given = dict(parameters)
    for key in adjustable:
        takes = composites.takes(composite) if isinstance(composite, str) else []
        free = [name for name in ("epsilon", "gamma") if name in takes]
        if key not in free:
            said = f"composite {composite!r} has {', '.join(free) or 'none'} to adjust"
            if not isinstance(composite, str):
                said = "the composite is no preset: put lrp.arithmetic.Adjustable(1e-6, 'epsilon') into its rules"
            raise ParameterError(f"adjustable: {key!r} is none; {said}")
        number = given.get(key)
        number = composites.default(composite, key) if number is None else number
        if not number:
            raise ParameterError(
                f"adjustable: {key} is 0 in the composite, which leaves it out; give {key}=1e-6 (--{key} 1e-6)"
            )
        given[key] = Adjustable(number, key)
    return composites.resolve(composite, given, caller=caller)


def write(model: Any, path: Path) -> int:
    """Check a model, write it whole or not at all, and return its size in bytes.

    Raises:
        UnsupportedError: it is too large for one file.
        ParameterError: the file cannot be written.
    """
    import onnx

    size = int(model.ByteSize())
    if size > MOST_BYTES:
        raise UnsupportedError(
            f"{path}: the graph has {size:,} bytes, one file holds {MOST_BYTES:,}: leave the second copy of the "
            "weights out (optimize='size') or take a rule that edits fewer of them"
        )
    onnx.checker.check_model(model, full_check=True)
    try:
        replace_file(path, lambda stream: stream.write(model.SerializeToString()))
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder that is there"
        ) from error
    return size
