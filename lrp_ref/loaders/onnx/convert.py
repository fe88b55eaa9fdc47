"""The walk over a graph's nodes: every tensor becomes a constant or a signal, every operator one or more layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError
from ...layers import Compare, Flatten, Identity, Layer, Number, Reshape, Route, Unsqueeze
from ...network.network import value_name
from ..notes import HALF, OF_HALF, of_quantised
from ..shapes import shapes_of
from .batches import AXES, Axes, Choices, FreeSizes, axis_names, batch_axes
from .build import Built, Conversion, assemble
from .captured import reads
from .deviations import Deviations
from .file import Graph, Op
from .fold import SIZES, Allowance, TooLarge, evaluate, longest_of
from .kinds import Kinds, moves_integers
from .merged import SHAPING, taken_apart
from .names import Origin
from .patterns import Patterns
from .reasons import why_not
from .starts import constant_value, input_signal, network_dtype
from .values import PROBES, WHOLE, Above, Constant, Refusal, Refused, Signal, Special, Tensor, merge_sizes, owner_of

Handler = Callable[["Converter", Op], Sequence[Tensor]]
HANDLERS: dict[str, Handler] = {}
# What NumPy and Python raise on a node whose numbers make no sense: counts, axes, or sizes beyond every memory.
DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
# Operators of constants that their handlers evaluate.
TAKES_CONSTANTS = {"DequantizeLinear", "com.microsoft.DequantizeLinear"}
OF_ML = ("LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor")
TREES = ("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor")
WEIGHTED = (
    "Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "BatchNormalization", "TfIdfVectorizer",
    *(f"ai.onnx.ml.{kind}" for kind in (*OF_ML, *TREES)),
)  # fmt: skip


def operator(*kinds: str, axes: Axes) -> Callable[[Handler], Handler]:
    """Register a function as the converter of some operators, which do the same with the axes of their input."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        AXES.update(dict.fromkeys(kinds, axes))
        return handler

    return register


class Converter:
    """The state of one conversion; the handlers of the operators call its methods.

    Args:
        graph: what to convert.
        choices: shapes and batch axes that the caller fixed.
    """

    def __init__(self, graph: Graph, choices: Choices) -> None:
        self.graph = graph
        self.opset = graph.opset
        self.allowance = Allowance(graph.size)
        self.patterns = Patterns()
        self.deviations = Deviations()
        self.built: list[Built] = []
        self.dtype = network_dtype(graph)
        self.consumers = Counter(name for op in graph.ops for name in reads(op))
        self.consumers.update(graph.outputs)
        self._numbers: dict[str, Signal] = {}  # of a value of integers: the same as floats
        self.kinds = Kinds(self.dtype)
        self._refused: list[tuple[Op, str]] = []
        self.longest: int | None = None  # what a free size may be at most, by the tables that it looks up
        self.notes = list(graph.notes)
        self.steps: dict[str, float | None] = {}  # of quantised values: the size of their steps, None where it varies
        self._tensors: dict[str, Tensor] = {
            n: Constant.fixed(self.single(a) if n in self.consumers else a) for n, a in graph.constants.items()
        }
        axes = batch_axes(graph, choices)
        self.axis_names = axis_names(graph, axes)
        free = FreeSizes(graph, choices, axes)
        self.samples = free.samples
        self.batches = {name: n for name, n in free.declared.items() if name in self.consumers}
        self.whole = WHOLE in axes.values()
        self.squeezed: dict[str, Signal] = {}  # of a signal that is one sample: the same with axis 0 as its batch
        self.inputs = {i.name: input_signal(i, axes[i.name], free) for i in graph.inputs}
        if any(i.dtype.name in HALF and i.name in self.consumers for i in graph.inputs):
            self.note(OF_HALF)
        for spec in self.graph.inputs:
            if spec.dtype.kind == "b" and isinstance(x := self.inputs[spec.name], Signal):
                self.kinds.mark_truth(x)
        self._tensors.update(self.inputs)

    # -- reading tensors ------------------------------------------------------------------------------------------

    def tensor(self, name: str) -> Tensor:
        """Return what a tensor is."""
        if name not in self._tensors:
            raise ModelFormatError(f"{self.graph.path}: tensor '{name}' is read before any node makes it")
        return self._tensors[name]

    def raw_signal(self, name: str, *, merged: bool = False) -> Signal:
        """Return a tensor that must depend on the input; a reshape may be pending, its batch ``merged`` if allowed."""
        tensor = self.tensor(name)
        if isinstance(tensor, Above):
            tensor = self._tensors[name] = self.answered(self.graph.makers[tensor.maker], tensor)
        if isinstance(tensor, Special):
            raise Refusal(f"'{name}' {tensor.described}")
        if not isinstance(tensor, Signal):
            raise Refusal(f"'{name}' is a constant where a signal is expected")
        if tensor.merged is not None and not merged:
            raise Refusal(
                f"'{name}' of shape {tensor.file_shape(0, self.samples[0])} has its batch in one axis with others"
            )
        return tensor

    def signal(self, op: Op, name: str) -> Signal:
        """Return a tensor that must depend on the input, after any pending reshape."""
        signal = self.raw_signal(name)
        done = self._tensors[name] = self.settled(op, signal)
        return done

    def settled(self, op: Op, signal: Signal) -> Signal:
        """Return a signal after its pending reshape."""
        if not signal.pending:
            return signal
        shape = merge_sizes(signal.sizes)
        layer = Flatten() if len(shape) == 1 else Reshape(shape)
        owner = op
        if signal.value.startswith("#"):
            origin = self.built[int(owner_of(signal.value)[1:])].origin
            owner = replace(op, kind=origin.kind, name=origin.name)
        return self.emit(owner, layer, [replace(signal, sizes=signal.stored)], batch=signal.batch, tag="reshape")

    def define(self, name: str, tensor: Tensor) -> str:
        """Give a tensor a name by which handlers find it, and return the name."""
        self._tensors[name] = tensor
        return name

    def constant(self, name: str) -> Constant:
        """Return a tensor that must not depend on the input's values."""
        tensor = self.tensor(name)
        if not isinstance(tensor, Constant):
            raise Refusal(f"'{name}' is computed from the input where a constant is expected")
        return tensor

    def weight(self, name: str) -> np.ndarray[Any, Any]:
        """Return a parameter in the network's dtype."""
        return self.parameter(self.constant(name).array(), name)

    def single(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return an array of half precision in single precision, and any other as it is."""
        if array.dtype.name not in HALF:
            return array
        self.note(OF_HALF)
        return array.astype(np.float32)

    def parameter(self, array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        """Return a constant in the network's dtype; integers that it cannot hold are refused."""
        if array.dtype.kind in "iub":
            exact = 1 << (np.finfo(self.dtype).nmant + 1)
            if array.size and max(abs(int(array.max())), abs(int(array.min()))) > exact:
                raise Refusal(f"'{name}' holds integers beyond {exact}, which {self.dtype} does not hold")
            return array.astype(self.dtype)
        if array.dtype not in (np.dtype("float32"), np.dtype("float64")):
            raise Refusal(f"'{name}' is {array.dtype}; only float32 and float64 are supported")
        if not np.isfinite(array).all():
            raise Refusal(f"'{name}' has values that are not finite")
        return array.astype(self.dtype, copy=False)

    def named(self, tensor: Tensor) -> str:
        """Return a name under which a tensor that the file does not have can be read."""
        k = len(self._tensors)
        while (name := f"value {k}") in self._tensors or name in self.graph.makers:
            k += 1
        return self.define(name, tensor)

    def rank(self, name: str) -> int:
        """Return the number of axes of an ONNX tensor."""
        tensor = self.tensor(name)
        if isinstance(tensor, Constant):
            return int(tensor.probes[0].ndim)
        return self.raw_signal(name).rank

    def note(self, text: str) -> None:
        """Say something of the network that it differs in from the file, once."""
        if text not in self.notes:
            self.notes.append(text)

    def has(self, op: Op, k: int) -> bool:
        """Return whether the node has its k-th input."""
        return k < len(op.inputs) and op.inputs[k] != ""

    def require_rows(self, rows: int) -> None:
        """Raise unless a constant has one row, or as many as there are samples, where the file fixes their number.

        A batch of one is repeated by a constant with more. Where the number is free, rows that are alike are those of
        the exporter's example.
        """
        fixed = set(self.samples)
        if len(fixed) == 1 and rows not in (1, *fixed):
            raise Refusal(f"a constant of {rows} rows beside a batch of {fixed.pop()}")

    def integers(self, op: Op, attribute: str, k: int) -> list[int] | None:
        """Return a list of integers that older opsets have as an attribute and newer ones as input k."""
        if attribute in op.attributes:
            return [int(v) for v in op.attributes[attribute]]
        return self.constant(op.inputs[k]).integers() if self.has(op, k) else None

    # -- writing layers -------------------------------------------------------------------------------------------

    def emit(
        self,
        op: Op,
        layer: Layer,
        reads: Sequence[Signal],
        *,
        batch: int | None = None,
        outputs: int = 1,
        tag: str = "",
    ) -> Signal:
        """Add a layer and return its (first) output; see :meth:`emit_all`."""
        return self.emit_all(op, layer, reads, batch=batch, outputs=outputs, tag=tag)[0]

    def emit_all(
        self,
        op: Op,
        layer: Layer,
        reads: Sequence[Signal],
        *,
        batch: int | None = None,
        outputs: int = 1,
        tag: str = "",
    ) -> list[Signal]:
        """Add a layer and return its outputs.

        Args:
            op: the node that it comes from.
            layer: what to add; it is run on an empty batch, so that shapes that do not fit are found here.
            reads: its operands; none may be pending.
            batch: the batch axis of the ONNX outputs; that of the first operand by default.
            outputs: how many outputs the layer has.
            tag: of a helper layer, for its name.
        """
        reads = self._read_as_numbers(op, layer, reads)
        shapes = shapes_of(layer, [s.sizes for s in reads], self.dtype)
        value = f"#{len(self.built)}"
        makes = op.outputs[0] if not tag and op.outputs else ""
        self.built.append(Built(layer, tuple(s.value for s in reads), Origin(op.name, op.kind, tag), makes))
        where = reads[0].batch if batch is None else batch
        made = []
        integer = moves_integers(layer) and all(s.integer for s in reads)
        for k in range(outputs):
            sizes = tuple(shape[k] for shape in shapes)
            made.append(Signal(value_name(value, k), where, sizes, sizes, integer))
        self.kinds.note(layer, reads, made)
        if isinstance(layer, Route) and len(reads) == 1 and self.patterns.is_gate(reads[0]):
            for signal in made:
                self.patterns.mark_gate(signal)
        return made

    def unbatched(self, op: Op, x: Signal) -> Signal:
        """Return a signal of a file without a batch as one sample, with what was its batch as an axis of size 1."""
        if x.batch == WHOLE:
            return x
        whole = self.emit(op, Unsqueeze((x.batch + 1,)), [x], batch=WHOLE, tag="unsqueeze")
        if x.batch == 0:
            self.squeezed[whole.value] = x
        return whole

    def _read_as_numbers(self, op: Op, layer: Layer, reads: Sequence[Signal]) -> list[Signal]:
        """Return what a layer reads, integers as numbers unless it looks them up, moves them, or counts steps."""
        if layer.tokens or layer.recurrent or (moves_integers(layer) and all(s.integer for s in reads)):
            return list(reads)
        return [self.number(op, s) for s in reads]

    def number(self, op: Op, x: Signal) -> Signal:
        """Return a signal as numbers of the network's dtype."""
        if not x.integer:
            return x
        if x.value not in self._numbers:
            made = self.emit(op, Number(np.ones(1, self.dtype)), [x], tag="number")
            self._numbers[x.value] = replace(made, integer=False)
            self.kinds.mark_whole(made)
        return replace(self._numbers[x.value], batch=x.batch, sizes=x.sizes)

    def holds_bytes(self, x: Signal) -> bool:
        """Return whether a signal is an input of small integers, as pictures have them."""
        return any(
            f"@{i.name}" == x.value and i.dtype.itemsize == 1 and i.dtype.kind in "iu" for i in self.graph.inputs
        )

    def answered(self, op: Op, condition: Above) -> Signal:
        """Return a comparison as a signal of 0 and 1."""
        bound = np.full(1, condition.threshold, self.dtype)
        return self.compared(op, condition.comparison, [condition.signal], bound)

    def compared(
        self, op: Op, comparison: str, reads: Sequence[Signal], bound: np.ndarray[Any, Any] | None = None, tag: str = ""
    ) -> Signal:
        """Return where signals are equal, above or below each other, or a bound, as a signal of 0 and 1."""
        made = self.emit(op, Compare(comparison, bound), reads, tag=tag)
        self.kinds.mark_truth(made)
        return made

    def only_consumer(self, name: str) -> Built | None:
        """Return the layer that computes exactly this tensor, if only one node reads it."""
        signal = self._tensors.get(name)
        if self.consumers[name] != 1 or not isinstance(signal, Signal) or not signal.value.startswith("#"):
            return None
        built = self.built[int(signal.value[1:])] if ":" not in signal.value else None
        return built if built is not None and built.makes == name else None

    def maker(self, x: Signal) -> Built | None:
        """Return the layer that computes a signal, if it is its only output."""
        return self.built[int(x.value[1:])] if x.value.startswith("#") and ":" not in x.value else None

    def rewrite(self, name: str, layer: Layer) -> Signal:
        """Put another layer in place of the one that computes the tensor ``name``."""
        signal = self.raw_signal(name)
        k = int(signal.value[1:])
        self.built[k] = replace(self.built[k], layer=layer)
        return signal

    # -- the walk -------------------------------------------------------------------------------------------------

    def run(self) -> Conversion:
        """Convert every node.

        Raises:
            Refusal: with every node that is not supported, and why.
        """
        self._walk()
        if len(set(self.batches.values())) > 1:
            told = ", ".join(f"{n} of '{name}'" for name, n in self.batches.items())
            raise Refusal(f"its inputs have batches of different sizes: {told}")
        if self._refused:
            raise Refusal(nodes=[(op.kind, op.label, why) for op, why in self._refused])
        return self._finish()

    def _answers(self, x: Signal) -> bool:
        """Return whether a value is one of truth."""
        return x.value.startswith("#") and isinstance(self.built[int(owner_of(x.value)[1:])].layer, Compare)

    def ends(self) -> list[str]:
        """Return the tensors that refused nodes read, if what comes after them has no weights: the end of a graph."""
        self._walk()
        behind = [op for op in self.graph.ops if any(isinstance(self._tensors.get(n), Refused) for n in op.outputs)]
        if any(op.kind in WEIGHTED for op in behind):
            return []
        signals = {n: self._tensors.get(n) for op, _ in self._refused for n in op.inputs}
        computed = [n for n, t in signals.items() if isinstance(t, Signal) and t.value.startswith("#")]
        return [n for n in computed if not self._tensors[n].integer]  # type: ignore[union-attr]

    def _walk(self) -> None:
        for op in self.graph.ops:
            self.convert(op)

    def convert(self, op: Op) -> None:
        """Convert one node, and give its outputs their names."""
        for name, tensor in zip(op.outputs, self._convert(op), strict=False):
            if name:
                self._tensors[name] = tensor

    def _convert(self, op: Op) -> Sequence[Tensor]:
        inputs = [self.tensor(name) if name else None for name in op.inputs]
        foreign = [t for t in inputs if isinstance(t, Refused)]
        try:
            if op.kind == "Constant":
                return [Constant.fixed(self.single(constant_value(op)))]
            constant = all(t is None or isinstance(t, Constant) for t in inputs) and (inputs or op.kind in SIZES)
            if constant and op.kind not in TAKES_CONSTANTS:
                return self._fold(op, inputs)
            if op.kind not in HANDLERS:
                raise Refusal(why_not(op.kind))
            if foreign:
                for tensor in foreign:
                    if tensor.reason:
                        raise Refusal(tensor.reason)
                return [Refused()] * len(op.outputs)
            return self._handled(op)
        except ModelFormatError:
            raise
        except (Refusal, LrpError) as refusal:
            reason = str(refusal)
        except DAMAGED as error:
            text = " ".join(str(error).split())[:120] or type(error).__name__
            reason = f"its inputs, attributes and shapes do not fit each other: {text}"
        self._refused.append((op, reason))
        return [Refused()] * len(op.outputs)

    def _handled(self, op: Op) -> Sequence[Tensor]:
        """Convert a node; in a file without a batch, one that refuses an axis of samples is given none."""
        special = next((t for n in op.inputs if isinstance(t := self._tensors.get(n), Special)), None)
        try:
            return self._apart(op) if special is None else list(special.read_by(self, op))
        except (Refusal, LrpError):
            batched = {n: t for n in op.inputs if isinstance(t := self._tensors.get(n), Signal) and t.batch != WHOLE}
            if not self.whole or not batched:
                raise
            for name in batched:
                self._tensors[name] = self.unbatched(op, self.signal(op, name))
            return HANDLERS[op.kind](self, op)

    def _apart(self, op: Op) -> Sequence[Tensor]:
        """Convert a node whose operands may have a batch that is merged with other axes: apart, and merged again."""
        merged = {n: t for n in op.inputs if isinstance(t := self._tensors.get(n), Signal) and t.merged is not None}
        if not merged or op.kind in SHAPING:
            return HANDLERS[op.kind](self, op)
        given = {n: self._tensors[n] for n in op.inputs if n}
        apart = taken_apart(op, given, AXES[op.kind])
        try:
            self._tensors.update(apart.tensors)
            made = HANDLERS[op.kind](self, apart.op)
        finally:
            self._tensors.update(given)
        return [apart.merged(tensor) for tensor in made]

    def _fold(self, op: Op, inputs: Sequence[Any]) -> Sequence[Tensor]:
        fixed = all(t is None or t.is_fixed for t in inputs)
        if not fixed and (table := longest_of(op, inputs)) is not None:
            self.longest = min(table, self.longest or table)
        try:
            runs = [
                evaluate(op, [None if t is None else t.probes[k] for t in inputs], self.opset, self.allowance)
                for k in range(1 if fixed else PROBES)
            ]
        except TooLarge:
            if not fixed:  # a mask of all pairs of positions, of which there may be fewer
                free = [
                    max(p)
                    for x in self.inputs.values()
                    if isinstance(x, Signal)
                    for p in zip(*x.sizes, strict=True)
                    if len(set(p)) > 1
                ]
                shorter = max(free, default=0) // 4
                self.longest = min(shorter, self.longest or shorter)
            raise
        by_output = zip(*([self.single(a) for a in run] for run in runs), strict=True)
        return [Constant.fixed(arrays[0]) if fixed else Constant(tuple(arrays)) for arrays in by_output]

    def _finish(self) -> Conversion:
        outputs = []
        for name in self.graph.outputs:
            tensor = self.tensor(name)
            if isinstance(tensor, Above) or (isinstance(tensor, Signal) and self._answers(tensor)):
                raise Refusal(f"output '{name}' holds truth values")
            if isinstance(tensor, Signal) and tensor.merged is not None:
                op, shape = self.graph.makers[name], tensor.file_shape(0, self.samples[0])
                raise Refusal(
                    f"output '{name}' of shape {shape}: {op.kind} '{op.label}' merges the batch with other axes"
                )
            if isinstance(tensor, Signal) and self.kinds.is_masked(tensor):
                raise Refusal(f"output '{name}' has −∞ in it, which no network returns")
            if isinstance(tensor, Special):
                raise Refusal(f"output '{name}' {tensor.described}")
            if isinstance(tensor, Refused) and tensor.reason:
                raise Refusal(tensor.reason)
            if not isinstance(tensor, Signal):
                raise Refusal(f"output '{name}' does not depend on the input")
            outputs.append(name)
        last = Op("Identity", "", (), (), {}, None)
        signals: list[tuple[str, Signal]] = []
        places: dict[str, int] = {}
        for name in outputs:
            signal = self.signal(last, name)
            # An output that is an input (all its nodes were no-ops) needs a layer, so that it is computed by something;
            # so does one that another output shows with its batch elsewhere.
            if signal.value.startswith("@") or places.get(signal.value, signal.batch) != signal.batch:
                signal = self.emit(last, Identity(), [signal])
            places[signal.value] = signal.batch
            signals.append((name, signal))
        if self.steps:
            self.note(of_quantised(self.steps))
        tensors = ((name, self._tensors.get(name)) for op in self.graph.ops for name in op.outputs)
        computed = {
            name: tensor
            for name, tensor in tensors
            if isinstance(tensor, Signal) and tensor.value.startswith("#") and not tensor.pending and not tensor.merged
        }
        notes = tuple(self.notes)
        found = assemble(self.graph, self.built, self.inputs, signals, self.axis_names, computed, notes)
        return replace(found, rounding="quantised" if self.steps else "half" if OF_HALF in self.notes else "")
