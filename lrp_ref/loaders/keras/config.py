"""The config of a Keras model, as JSON in its file: which layers there are, and which reads what.

A class is a name here, looked up in a table of the package and nowhere else. Keras 2 and 3 write calls of layers
differently; both become :class:`Call`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ModelFormatError

MODELS = ("Sequential", "Functional", "Model")
LAYERS = 100_000  # of one file
TENSOR, SLICE = "__keras_tensor__", "__slice__"  # how Keras 3 writes the arguments of a call


@dataclass(frozen=True)
class Ref:
    """A value inside a model: the output ``output`` of the call ``call`` of a layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """The arguments with which a layer is called: refs, numbers, slices, and lists of them."""

    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """One layer as the config has it.

    Attributes:
        kind: its class, "Conv2D" or "ops.Add" for a function of Keras that was called on a value.
        name: of the layer, in the model that it is in.
        settings: its arguments.
        names: its name, behind those of the models that it is in.
        stored: where a .keras file has its weights.
        calls: one for each time that it is used.
        model: what is inside, if it is a model.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    names: tuple[str, ...]
    stored: str
    calls: tuple[Call, ...] = ()
    model: Model | None = None


@dataclass(frozen=True)
class Model:
    """Layers, each after those that it reads, unless they are a chain; inputs and outputs by name, in their order."""

    layers: tuple[Spec, ...]
    inputs: tuple[tuple[str, Ref], ...]
    outputs: tuple[tuple[str, Ref], ...]

    def spec(self, name: str) -> Spec | None:
        """Return the layer of a name."""
        return next((s for s in self.layers if s.name == name), None)


@dataclass(frozen=True)
class Reader:
    """Reads one config, whose file errors name."""

    what: str

    def model(self, config: Any) -> Model:
        """Return the model of a whole config.

        Raises:
            ModelFormatError: no model, or one whose layers do not fit together.
        """
        kind, settings = self._class(config, "the model")
        if kind not in MODELS:
            raise ModelFormatError(f"{self.what}: the config is that of a {shown(kind)}, not of a model of layers")
        found = self._model(kind, settings, (), "layers")
        if sum(1 for _ in _all(found)) > LAYERS:
            raise ModelFormatError(f"{self.what}: more than {LAYERS} layers")
        return found

    def _model(self, kind: str, settings: Any, names: tuple[str, ...], stored: str) -> Model:
        if kind == "Sequential":
            return self._sequential(settings, names, stored)
        settings = self._dict(settings, "the config of a model")
        entries = self._list(settings.get("layers"), "layers")
        specs = self._specs(entries, names, stored, [self._calls(entry) for entry in entries])
        model = Model(
            tuple(specs),
            tuple(self._ends(settings.get("input_layers"), "input_layers")),
            tuple(self._ends(settings.get("output_layers"), "output_layers")),
        )
        return self._from_the_first_call(model)

    def _sequential(self, settings: Any, names: tuple[str, ...], stored: str) -> Model:
        """Return a chain; its input is a layer of it, or the shape that its first layer or the chain is built for."""
        given = settings if isinstance(settings, list) else self._dict(settings, "a Sequential").get("layers")
        entries = [e for e in self._list(given, "layers") if isinstance(e, dict)]
        if not entries:
            raise ModelFormatError(f"{self.what}: a Sequential without layers")
        if entries[0].get("class_name") != "InputLayer":
            entries.insert(0, self._input_for(entries[0], settings))
        specs = self._specs(entries, names, stored, [()] * len(entries))
        chain, before = [specs[0]], specs[0].name
        for spec in specs[1:]:
            chain.append(_called(spec, (Call((Ref(before, 0, 0),)),)))
            before = spec.name
        ends = ((specs[0].name, Ref(specs[0].name, 0, 0)),), ((before, Ref(before, 0, 0)),)
        return Model(tuple(chain), *ends)

    def _input_for(self, first: Mapping[str, Any], settings: Any) -> dict[str, Any]:
        _, its = self._class(first, "the first layer")
        its = its if isinstance(its, dict) else {}
        shape = its.get("batch_input_shape") or its.get("batch_shape")
        if shape is None and isinstance(settings, dict):
            shape = settings.get("build_input_shape")
        if shape is None and first.get("class_name") in MODELS:
            shape = self._inner_shape(first)
        name = f"{its.get('name') or 'model'}_input"
        return {
            "class_name": "InputLayer",
            "config": {"batch_shape": shape, "name": name, "dtype": its.get("dtype") or "float32"},
        }

    def _inner_shape(self, entry: Mapping[str, Any]) -> Any:
        """Return the shape that a model inside declares for its own input."""
        kind, settings = self._class(entry, "the first layer")
        inner = self._model(str(kind), settings, (), "")
        first = inner.spec(inner.inputs[0][1].layer) if inner.inputs else None
        return None if first is None else first.settings.get("batch_shape") or first.settings.get("batch_input_shape")

    # -- layers ---------------------------------------------------------------------------------------------------

    def _specs(
        self, entries: Sequence[Any], names: tuple[str, ...], stored: str, calls: Sequence[tuple[Call, ...]]
    ) -> list[Spec]:
        """Return the layers of one model; a .keras file has them by class, with a number from the second of one on."""
        found: list[Spec] = []
        used: Counter[str] = Counter()
        for entry, its in zip(entries, calls, strict=True):
            kind, settings = self._class(entry, "a layer")
            name = entry.get("name") or (settings.get("name") if isinstance(settings, dict) else None)
            module = entry.get("module")
            inside = isinstance(module, str) and ".ops." in module
            if not isinstance(name, str) or not name:
                raise ModelFormatError(f"{self.what}: a {shown(kind)} without a name")
            place = ""
            if not inside:
                snake = snake_case(kind)
                place = f"{stored}/{snake}_{used[snake]}" if used[snake] else f"{stored}/{snake}"
                used[snake] += 1
            whole = (*names, name)
            model = self._model(kind, settings, whole, f"{place}/layers") if kind in MODELS else None
            its_settings = settings if isinstance(settings, dict) else {}
            found.append(Spec(f"ops.{kind}" if inside else kind, name, its_settings, whole, place, its, model))
        twice = [name for name, number in Counter(s.name for s in found).items() if number > 1]
        if twice:
            raise ModelFormatError(f"{self.what}: two layers of one model are called {shown(twice[0])}")
        return found

    def _class(self, entry: Any, what: str) -> tuple[str, Any]:
        entry = self._dict(entry, what)
        kind = entry.get("class_name")
        if not isinstance(kind, str) or "config" not in entry:
            raise ModelFormatError(f"{self.what}: the config of {what} has no class_name or no config")
        return kind, entry["config"]

    # -- calls ----------------------------------------------------------------------------------------------------

    def _calls(self, entry: Any) -> tuple[Call, ...]:
        nodes = self._dict(entry, "a layer").get("inbound_nodes") or []
        return tuple(self._call(node) for node in self._list(nodes, "inbound_nodes"))

    def _call(self, node: Any) -> Call:
        if isinstance(node, dict):
            named = self._dict(node.get("kwargs") or {}, "kwargs")
            arguments = self._list(node.get("args") or [], "args")
            return Call(tuple(map(self._argument, arguments)), {k: self._argument(v) for k, v in named.items()})
        entries = self._list(node, "a call")
        # Of one input, the functions of TensorFlow are written without the list around it.
        if entries and isinstance(entries[0], str):
            entries = [entries]
        named = {}
        for entry in entries:
            if isinstance(entry, list) and len(entry) > 3 and isinstance(entry[3], dict):
                named.update({k: self._old_argument(v) for k, v in entry[3].items()})
        return Call(tuple(self._ref(entry[:3] if isinstance(entry, list) else entry) for entry in entries), named)

    def _argument(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._argument(v) for v in value]
        if isinstance(value, dict) and value.get("class_name") == TENSOR:
            return self._ref(self._dict(value.get("config"), "a tensor").get("keras_history"))
        if isinstance(value, dict) and value.get("class_name") == SLICE:
            its = self._dict(value.get("config"), "a slice")
            return slice(*(self._place(its.get(key)) for key in ("start", "stop", "step")))
        return value

    def _old_argument(self, value: Any) -> Any:
        """Return an argument as Keras 2 writes it: a tensor is [layer, call, output]."""
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            return self._ref(value)
        return [self._old_argument(v) for v in value] if isinstance(value, list) else value

    def _place(self, value: Any) -> int | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise ModelFormatError(f"{self.what}: a slice from {shown(value)}")
        return value

    def _ref(self, value: Any) -> Ref:
        fits = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
        if not fits or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value[1:]):
            raise ModelFormatError(f"{self.what}: {shown(value)} is no layer with a call and an output")
        return Ref(*value)

    def _ends(self, value: Any, what: str) -> Iterator[tuple[str, Ref]]:
        """Yield the inputs or outputs of a model: one, a list of them, or a dict by name."""
        if isinstance(value, dict):
            for name, entry in value.items():
                yield str(name), self._ref(entry)
            return
        entries = self._list(value, what)
        for entry in [entries] if entries and isinstance(entries[0], str) else entries:
            ref = self._ref(entry[:3] if isinstance(entry, list) else entry)
            yield ref.layer, ref

    def _from_the_first_call(self, model: Model) -> Model:
        """Return a model whose calls count from 0; Keras 2 counts those of a model inside from 1."""
        refs = list(_refs([model.outputs, *(call for spec in model.layers for call in spec.calls)]))
        inner = [s.name for s in model.layers if s.model is not None]
        least = {name: min((r.call for r in refs if r.layer == name), default=0) for name in inner}
        if not any(least.values()):
            return model

        def moved(value: Any) -> Any:
            if isinstance(value, Ref):
                return Ref(value.layer, value.call - least.get(value.layer, 0), value.output)
            if isinstance(value, Call):
                return Call(moved(value.arguments), {k: moved(v) for k, v in value.named.items()})
            return type(value)(map(moved, value)) if isinstance(value, tuple | list) else value

        return Model(tuple(_called(s, moved(s.calls)) for s in model.layers), model.inputs, moved(model.outputs))

    # -- JSON -----------------------------------------------------------------------------------------------------

    def _dict(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ModelFormatError(f"{self.what}: {what} is {shown(value)}, not an object")
        return value

    def _list(self, value: Any, what: str) -> list[Any]:
        if not isinstance(value, list):
            raise ModelFormatError(f"{self.what}: {what} is {shown(value)}, not a list")
        return value


def _called(spec: Spec, calls: tuple[Call, ...]) -> Spec:
    return Spec(spec.kind, spec.name, spec.settings, spec.names, spec.stored, calls, spec.model)


def _all(model: Model) -> Iterator[Spec]:
    for spec in model.layers:
        yield spec
        if spec.model is not None:
            yield from _all(spec.model)


def _refs(value: Any) -> Iterator[Ref]:
    """Yield the refs in an argument, or in a list of calls."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Call):
        yield from _refs([*value.arguments, *value.named.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _refs(one)


def refs(value: Any) -> tuple[Ref, ...]:
    """Return the refs in an argument, in their order."""
    return tuple(_refs(value))


def snake_case(name: str) -> str:
    """Return a class as a .keras file writes it.

    Example:
        >>> snake_case("Conv2DTranspose"), snake_case("PReLU"), snake_case("LSTM")
        ('conv2d_transpose', 'p_re_lu', 'lstm')
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def shown(value: Any, most: int = 60) -> str:
    """Return a value out of a file as errors print it: on one line, and not too long."""
    text = ascii(value)
    return text if len(text) <= most else f"{text[:most]}…"
