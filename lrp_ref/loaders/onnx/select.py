"""Which outputs of a file are loaded: those that are asked for, or else all that can be computed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import LONGEST, ParameterError, UnsupportedError, one_line
from ..outputs import asked_for
from .batches import Choices
from .build import Conversion
from .captured import reads
from .convert import Converter
from .file import Graph
from .values import Refusal
from .votes import COUNTED, voted

CHOOSING = ("ArgMax", "ArgMin", "Hardmax", "TopK")
PASSING = ("Cast", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
ZIPMAP = "ai.onnx.ml.ZipMap"  # scikit-learn's tables from class to probability: the same numbers under other names
SHORTEST = 4  # rows of a table whose length may stand for a free size
ATTEMPTS = 5
TRIED = 50_000  # nodes that are converted at most to find out which of several outputs can be computed


def convert_outputs(graph: Graph, choices: Choices, wanted: str | Sequence[str] | None) -> Conversion:
    """Convert what the wanted outputs need; without a choice, leave out the outputs that cannot be computed.

    Where no output can be, since they are labels or the largest numbers, the numbers that these are chosen from are the
    outputs.

    Args:
        graph: the file.
        choices: shapes and batch axes that the caller fixed.
        wanted: tensors of the file or nodes of the network, by name; None for all outputs.

    Raises:
        UnsupportedError: no output, or not every wanted one, can be computed; the nodes that stand in the way.
        ParameterError: a name that is not there.
    """
    if wanted is not None:
        return _only(graph, choices, [_tensor(graph, choices, name) for name in asked_for(wanted, graph.path)])
    outputs = [_unzipped(graph, name) for name in graph.outputs]
    scores = {name: pairs for name in outputs if (pairs := voted(graph, name)) is not None}
    made = _all(graph, choices, [scores.get(name, name) for name in outputs])
    if not scores:
        return made
    names = zip(graph.outputs, outputs, strict=True)
    counted = ((name, COUNTED.format(scores[tensor])) for name, tensor in names if tensor in scores)
    return replace(made, network=replace(made.network, left_out=(*made.network.left_out, *counted)))


def _all(graph: Graph, choices: Choices, outputs: Sequence[str]) -> Conversion:
    """Convert what can be computed of all outputs, which stand for the file's own in their order.

    Raises:
        UnsupportedError: none can be.
    """
    try:
        return _converted(graph, choices, outputs)
    except Refusal as refusal:
        if len(outputs) * len(graph.ops) > TRIED:
            raise _unsupported(graph, choices, outputs, refusal) from refusal
        whole = refusal
    kept, left = [], []
    for name, tensor in zip(graph.outputs, outputs, strict=True):
        try:
            if len(outputs) == 1:
                raise whole
            _converted(graph, choices, [tensor])
            kept.append(tensor)
        except Refusal as refusal:
            left.append((name, refusal.told()))
    if not kept:
        chosen = {name: from_ for name in outputs if (from_ := _chosen_from(graph, name)) is not None}
        try:
            if not chosen:
                raise whole
            found = _converted(graph, choices, list(dict.fromkeys(chosen.values())))
        except Refusal:
            raise _unsupported(graph, choices, outputs, whole) from whole
        left = [
            (name, f"{why}{_in_its_place(chosen, tensor)}") for (name, why), tensor in zip(left, outputs, strict=True)
        ]
    else:
        found = _only(graph, choices, kept)
    return replace(found, network=replace(found.network, left_out=tuple(left)))


def _chosen_from(graph: Graph, name: str) -> str | None:
    """Return the numbers that an output is chosen from, if nothing but their order decides what it is.

    Behind the choice there may be nodes that reshape or cast it, and none with a weight; in front there is some node.
    """
    while (op := graph.makers.get(name)) is not None and op.inputs:
        if op.kind in CHOOSING:
            return op.inputs[0] if op.inputs[0] in graph.makers else None
        if op.kind not in PASSING:
            return None
        name = op.inputs[0]
    return None


def _in_its_place(chosen: Mapping[str, str], tensor: str) -> str:
    return f"; in its place stands '{chosen[tensor]}', which it is chosen from" if tensor in chosen else ""


def pruned(graph: Graph, outputs: Sequence[str]) -> Graph:
    """Return the graph with these tensors as outputs, and only the nodes that they need."""
    needed, kept = set(outputs), []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(reads(op))
    return replace(graph, ops=tuple(reversed(kept)), outputs=tuple(dict.fromkeys(outputs)))


def _converted(graph: Graph, choices: Choices, outputs: Sequence[str]) -> Conversion:
    """Convert what the outputs need; a file that mixes the samples of a batch of fixed size is read as without one."""
    part = pruned(graph, outputs)
    try:
        return _run(part, choices)
    except Refusal as refusal:
        whole = choices.without_batch(graph)
        if whole is None:
            raise
        try:
            return _run(part, whole)
        except Refusal as other:
            raise min(refusal, other, key=lambda r: len(str(r))) from None  # that of fewer nodes


def _run(part: Graph, choices: Choices) -> Conversion:
    """Convert a graph; again with smaller sizes for those that it leaves free, where those are beyond its tables."""
    for attempt in range(1, ATTEMPTS + 1):
        converter = Converter(part, choices)
        try:
            return converter.run()
        except Refusal:
            longest = converter.longest
            if longest is None or longest < SHORTEST or attempt == ATTEMPTS:
                raise
            if choices.longest is not None and longest >= choices.longest:
                raise
        choices = replace(choices, longest=longest)
    raise AssertionError("an attempt returns or raises")


def _only(graph: Graph, choices: Choices, outputs: Sequence[str]) -> Conversion:
    try:
        return _converted(graph, choices, outputs)
    except Refusal as refusal:
        raise _unsupported(graph, choices, outputs, refusal) from refusal


def _unzipped(graph: Graph, name: str) -> str:
    maker = graph.makers.get(name)
    return maker.inputs[0] if maker is not None and maker.kind == ZIPMAP and maker.inputs else name


def _tensor(graph: Graph, choices: Choices, name: str) -> str:
    """Return the tensor of a name: a tensor of the file, or the one that a node of the network makes."""
    tensors = {*graph.makers, *(i.name for i in graph.inputs)}
    if name in tensors:
        return _unzipped(graph, name)
    try:
        made = convert_outputs(graph, choices, None).made
    except UnsupportedError:
        made = {}  # no output can be computed, so the network has no nodes that a name could mean
    if name in made:
        return made[name]
    known = sorted({*tensors, *made})
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    outputs = ", ".join(graph.outputs)
    raise ParameterError(
        f"{graph.path}: no output, tensor or node is called '{name}': {hint}the file's outputs are {outputs}; it has "
        f"{len(known)} names in all"
    )


def _unsupported(graph: Graph, choices: Choices, outputs: Sequence[str], refusal: Refusal) -> UnsupportedError:
    """Return the error, with the tensors to ask for instead where only the end of the graph is refused."""
    first: BaseException | None = refusal
    while first is not None:  # what led here holds a converter with all its constants, and another one is made
        first.__traceback__, first = None, first.__context__
    ends = Converter(pruned(graph, outputs), choices).ends()
    hint = ""
    if ends:
        names = " or ".join(f"'{one_line(name, 60)}'" for name in ends[:3])
        hint = f"; what comes before can be loaded: output={names} (on the command line --output)"
    room = LONGEST - len(f"{graph.path}: {hint}")
    return UnsupportedError(f"{graph.path}: {refusal.told(max(room, LONGEST // 4))}{hint}")
