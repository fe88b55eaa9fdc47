"""From the config of a model to a network: every layer is converted, and all that cannot be is one error."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import LrpError, ModelFormatError, UnsupportedError, unknown
from ...layers import Identity, Transpose
from ...network.inputs import Input
from ...network.network import Network, owner
from ..outputs import asked_for
from ..shapes import LARGEST
from .build import HANDLERS, PROBES, Builder, Refusal, Signal, Site, back, integer
from .config import Call, Model, Ref, Spec, refs, shown
from .masks import STEPWISE
from .recurrent import RECURRENT

# What NumPy and Python raise on a layer whose numbers make no sense: counts, axes, or sizes beyond every memory.
DAMAGED = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError, AttributeError)
LONGEST = 480  # characters of what is refused, so that the line with the file's name stays short
NAMES = 6  # layers of one class and reason that are named


@dataclass
class Converter:
    """The state of one conversion.

    Attributes:
        builder: what is made.
        shapes: the shapes that the caller fixed, by input.
        refused: class, names and reason of what cannot be converted, in order.
        before: what refused layers read.
    """

    builder: Builder
    shapes: Mapping[str, Sequence[int | None]]
    refused: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)

    def network(self, model: Model, path: Path, output: str | Sequence[str] | None) -> Network:
        """Return the network of a whole model.

        Raises:
            UnsupportedError: with every layer that is not supported, and why.
            ModelFormatError: layers that read what is not there.
            ParameterError: no value is called as ``output`` says, or ``shapes`` names no input.
        """
        inputs = [self._input(model, ref, k) for k, (_, ref) in enumerate(model.inputs)]
        if strange := set(self.shapes) - {spec.name for spec, _ in inputs}:
            raise unknown("input in shapes", min(strange), {spec.name for spec, _ in inputs})
        outputs = self.model(model, [signal for _, signal in inputs], "")
        if output is not None:
            return self._chosen([spec for spec, _ in inputs], asked_for(output, path), path)
        if self.refused:
            raise UnsupportedError(f"{path}: {self._told()}")
        found = tuple(self._output(model, k, y) for k, y in enumerate(outputs) if y is not None)
        return self._until([spec for spec, _ in inputs], tuple(dict.fromkeys(found)))

    def _chosen(self, inputs: Sequence[Input], wanted: tuple[str, ...], path: Path) -> Network:
        names = {node.name for node in self.builder.nodes}
        for name in wanted:
            if owner(name, names) not in names:
                behind = f" ({self._told()})" if self.refused else ""
                raise unknown(f"output of {path}{behind}", name, names)
        return self._until(inputs, wanted)

    def _until(self, inputs: Sequence[Input], wanted: tuple[str, ...]) -> Network:
        notes = self.builder.weights.notes
        return Network(tuple(self.builder.nodes), tuple(inputs), wanted, notes=notes).until(wanted)

    def _told(self) -> str:
        """Return what is refused, as one line."""
        parts = []
        for (kind, reason), names in self.refused.items():
            more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            parts.append(f"{shown(kind)[1:-1]} {', '.join(map(shown, names[:NAMES]))}{more} ({reason})")
        number = sum(map(len, self.refused.values()))
        text = f"{number} unsupported layer{'s' if number > 1 else ''}: {'; '.join(parts)}"
        text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        if not self.before:
            return text
        return f"{text}; what comes before can be loaded: output={shown(self.before[0])} (--output)"

    # -- inputs and outputs ---------------------------------------------------------------------------------------

    def _input(self, model: Model, ref: Ref, k: int) -> tuple[Input, Signal]:
        spec = model.spec(ref.layer)
        if spec is None or spec.kind != "InputLayer":
            raise ModelFormatError(f"{self.builder.weights.what}: input {shown(ref.layer)} is no InputLayer")
        name = self.builder.unique(clean(spec.name) or f"input{k + 1}", clean(spec.name))
        given = spec.settings.get("batch_shape") or spec.settings.get("batch_input_shape")
        if name in self.shapes:
            given = list(self.shapes[name])
        if not isinstance(given, list) or len(given) < 2:
            raise UnsupportedError(
                f"{self.builder.weights.what}: input '{name}' has the shape {shown(given)}, without axes behind the "
                "batch: give it with load(..., shapes={name: shape})"
            )
        sizes = given[1:]
        try:
            fixed = [None if n is None else integer(n, "a size") for n in sizes]
        except Refusal as refusal:
            raise ModelFormatError(f"{self.builder.weights.what}: input '{name}': {refusal}") from refusal
        if any(n is not None and not 0 < n <= LARGEST for n in fixed):
            raise ModelFormatError(f"{self.builder.weights.what}: input '{name}' has the shape {shown(given)}")
        dtype = spec.settings.get("dtype")
        kind = dtype if dtype in ("float32", "float64", "int32", "int64", "uint8", "int8", "int16") else ""
        probes = tuple(tuple(free(j, k) if n is None else n for j, n in enumerate(fixed)) for k in range(PROBES))
        return Input(name, (None, *fixed), element_type=str(kind)), Signal(name, probes)

    def _output(self, model: Model, k: int, y: Signal) -> str:
        """Return the value of an output as Keras has it, made by a node: one that is an input gets a node too."""
        name = model.outputs[k][0]
        site = Site(self.builder, Spec("Output", name, {}, (name,), ""), f"{clean(name) or 'output'}.output", (y,))
        if y.moved and y.rank > 2:
            return site.emit(Transpose(back(y.rank)), [y]).value
        made = {node.name for node in self.builder.nodes}
        return y.value if owner(y.value, made) in made else site.emit(Identity(), [y]).value

    # -- layers ---------------------------------------------------------------------------------------------------

    def model(self, model: Model, inputs: Sequence[Signal | None], above: str) -> list[Signal | None]:
        """Convert the layers of a model, and return its outputs; None for one that cannot be computed."""
        made: dict[tuple[str, int, int], Signal | None] = {}
        if len(inputs) != len(model.inputs):
            raise Refusal(f"{len(inputs)} inputs for a model with {len(model.inputs)}")
        for (_, ref), signal in zip(model.inputs, inputs, strict=True):
            made[ref.layer, 0, 0] = signal
        known = {spec.name for spec in model.layers}
        for spec, k, call in self._in_order(model):
            needed = refs([*call.arguments, *call.named.values()])
            for ref in needed:
                if (ref.layer, ref.call, ref.output) not in made:
                    where = "a layer that is not there" if ref.layer not in known else "a call that is not there"
                    raise ModelFormatError(f"{self.builder.weights.what}: layer {shown(spec.name)} reads {where}")
            read = [made[ref.layer, ref.call, ref.output] for ref in needed]
            name = clean(spec.name) or clean(spec.kind)
            name = f"{above}{name}" if k == 0 else f"{above}{name}.{k + 1}"
            outputs = self._converted(spec, call, read, made, name)
            for j, signal in enumerate(outputs):
                made[spec.name, k, j] = signal
        ends = [(ref.layer, ref.call, ref.output) for _, ref in model.outputs]
        if any(end not in made for end in ends):
            raise ModelFormatError(f"{self.builder.weights.what}: an output is made by no layer")
        return [made[end] for end in ends]

    def _in_order(self, model: Model) -> Iterator[tuple[Spec, int, Call]]:
        """Yield the calls of layers, each after those that it reads.

        Raises:
            ModelFormatError: calls that wait for each other, or for one that is not there.
        """
        calls = {(s.name, k): (s, k, call) for s in model.layers for k, call in enumerate(s.calls)}
        places = {key: place for place, key in enumerate(calls)}
        inputs = {(ref.layer, 0) for _, ref in model.inputs}
        waits = {
            key: {(r.layer, r.call) for r in refs([*call.arguments, *call.named.values()])} - inputs
            for key, (_, _, call) in calls.items()
        }
        readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for key, before in waits.items():
            for one in before:
                readers.setdefault(one, []).append(key)
        ready = [(places[key], key) for key, before in waits.items() if not before]
        done = 0
        while ready:
            _, key = heapq.heappop(ready)
            done += 1
            yield calls[key]
            for reader in readers.get(key, ()):
                waits[reader].discard(key)
                if not waits[reader]:
                    heapq.heappush(ready, (places[reader], reader))
        if done < len(calls):
            left = next(key for key, before in waits.items() if before)
            raise ModelFormatError(
                f"{self.builder.weights.what}: layer {shown(left[0])} reads itself, or what is made by no layer"
            )

    def _converted(
        self,
        spec: Spec,
        call: Call,
        read: Sequence[Signal | None],
        made: Mapping[tuple[str, int, int], Signal | None],
        name: str,
    ) -> Sequence[Signal | None]:
        try:
            if spec.model is not None:
                return self.model(spec.model, read, f"{name}.")
            if spec.kind not in HANDLERS:
                raise Refusal("not supported")
            signals = tuple(s for s in read if s is not None)
            if len(signals) < len(read):
                return _Nothing()

            def resolved(value: Any) -> Any:
                if isinstance(value, Ref):
                    return made[value.layer, value.call, value.output]
                return [resolved(v) for v in value] if isinstance(value, list) else value

            arguments = tuple(map(resolved, call.arguments))
            named = {k: resolved(v) for k, v in call.named.items()}
            return _with_mask(
                spec, signals, HANDLERS[spec.kind](Site(self.builder, spec, name, signals, arguments, named))
            )
        except ModelFormatError:
            raise
        except (Refusal, LrpError) as refusal:
            reason = str(refusal)
        except DAMAGED as error:
            text = " ".join(str(error).split())[:120] or type(error).__name__
            reason = f"its config, weights and shapes do not fit each other: {text}"
        names = self.refused.setdefault((spec.kind, reason), [])
        if name not in names:
            names.append(name)
        self.before += [s.value for s in read if s is not None and self._makes(s.value)]
        return _Nothing()

    def _makes(self, value: str) -> bool:
        names = {node.name for node in self.builder.nodes}
        return owner(value, names) in names


def _with_mask(spec: Spec, read: Sequence[Signal], made: Sequence[Signal]) -> Sequence[Signal]:
    """Return outputs that are masked as the inputs are, or of which it is not known."""
    mask = next((x.masked for x in read if x.masked), None)
    if mask is None or spec.kind in RECURRENT:
        return made
    kept = mask if spec.kind in STEPWISE else "lost"
    return [replace(y, masked=kept if y.rank > 2 else None) for y in made]


class _Nothing(list[None]):
    """The outputs of a layer that is refused: as many as somebody reads."""

    def __iter__(self) -> Iterator[None]:
        return iter((None,) * 8)


def free(axis: int, probe: int) -> int:
    """Return the size that an axis of free size has in a probe."""
    return 97 + 2 * axis + 34 * probe


def clean(name: str) -> str:
    """Return a layer's name as a node's name.

    Example:
        >>> clean("Noise Input"), clean("block1/conv")
        ('Noise_Input', 'block1_conv')
    """
    return re.sub(r"[^\w.\-]+", "_", name, flags=re.ASCII).strip("._")
