"""LSTM, GRU and simple recurrent layers, in one direction and both, with the steps that a mask skips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...layers import GRU, LSTM, RNN, Add, GeneralLSTM, Multiply, Reshape, Slice
from .activations import activation_name
from .build import Array, Refusal, Signal, Site, layer
from .config import shown
from .masks import Packing, packed, packing, unpacked

RECURRENT = ("Bidirectional", "GRU", "LSTM", "SimpleRNN")
MERGES = ("concat", "sum", "ave", "mul")
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
FUNCTIONS = {
    "elu": "elu", "gelu": "gelu", "linear": "linear", "relu": "relu", "selu": "selu", "sigmoid": "sigmoid",
    "silu": "silu", "softplus": "softplus", "swish": "silu", "tanh": "tanh",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The settings of one recurrent layer, and where its weights are."""

    kind: str
    settings: Mapping[str, Any]
    inside: tuple[str, ...]

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a setting that is true or false."""
        value = self.settings.get(key, default)
        if not isinstance(value, bool):
            raise Refusal(f"{key} is {shown(value)}, neither true nor false")
        return value

    def function(self, key: str, default: str, version: int) -> Any:
        """Return an activation as recurrent layers name it."""
        name = activation_name(self.settings.get(key, default))
        if name == "hard_sigmoid":
            return "hardsigmoid" if version >= 3 else ("hardsigmoid", 0.2, 0.5)
        if name == "leaky_relu":
            return ("leakyrelu", 0.2)
        if name not in FUNCTIONS:
            raise Refusal(f"{key} {shown(name)}")
        return FUNCTIONS[name]


@layer("LSTM", "GRU", "SimpleRNN")
def _recurrent(site: Site) -> Sequence[Signal]:
    cell = Cell(site.spec.kind, site.spec.settings, ("cell",))
    x, states, mask = _read(site, cell)
    sequence, with_states = cell.flag("return_sequences"), cell.flag("return_state")
    returns = "all" if with_states else "sequence" if sequence else "last"
    backwards = cell.flag("go_backwards")
    direction = "reverse" if backwards else "forward"
    made = _made(site, [cell], direction, returns, lengths=mask is not None, state=bool(states))
    outputs = site.emit_all(made, [x, *([mask.lengths] if mask else []), *states])
    if not with_states:
        return [_placed(site, cell, outputs[0], mask, backwards=backwards) if sequence else outputs[0]]
    hidden = made.weight_input.shape[2]
    last = [site.emit(Reshape((hidden,)), [y], f"state{k}") for k, y in enumerate(outputs[1:], 1)]
    first = _placed(site, cell, outputs[0], mask, backwards=backwards) if sequence else last[0]
    return [first, *last]


@layer("Bidirectional")
def _bidirectional(site: Site) -> Sequence[Signal]:
    cells = [_inner(site, "layer", "forward_layer"), _inner(site, "backward_layer", "backward_layer")]
    forward, backward = cells
    x, states, mask = _read(site, forward)
    if states or any(cell.flag("return_state") for cell in cells):
        raise Refusal("initial or returned states in both directions")
    if forward.flag("go_backwards") or not backward.flag("go_backwards") or forward.kind != backward.kind:
        raise Refusal("directions that are not forward and backward")
    if any(cell.flag("return_sequences") != forward.flag("return_sequences") for cell in cells):
        raise Refusal("directions that do not return the same")
    returns = "sequence" if forward.flag("return_sequences") else "last"
    merge = site.text("merge_mode", "concat", MERGES)
    made = _made(site, cells, "bidirectional", returns, lengths=mask is not None, state=False)
    hidden = made.weight_input.shape[2]
    tag = "" if merge == "concat" and not (mask and returns == "sequence") else "both"
    both = site.emit(made, [x, *([mask.lengths] if mask else [])], tag)
    if returns == "sequence":
        both = _placed(site, forward, both, mask, backwards=True, turned=True)
    return [both if merge == "concat" else replace(_merged(site, both, merge, hidden), masked=both.masked)]


def _merged(site: Site, both: Signal, merge: str, hidden: int) -> Signal:
    axis = both.rank - 1
    halves = [
        site.emit(Slice((axis,), (start,), (start + hidden,), (1,)), [both], tag)
        for start, tag in ((0, "half1"), (hidden, "half2"))
    ]
    if merge == "mul":
        return site.emit(Multiply(), halves)
    return site.emit(Add() if merge == "sum" else Add((0.5, 0.5)), halves)


def _inner(site: Site, key: str, part: str) -> Cell:
    """Return the layer of one direction; without a config of its own, the backward one has that of the other."""
    entry = site.setting(key, site.setting("layer"))
    kind, settings = (entry.get("class_name"), entry.get("config")) if isinstance(entry, dict) else (None, None)
    if kind not in GATES or not isinstance(settings, dict):
        raise Refusal(f"{shown(kind)} in both directions")
    if site.spec.settings.get(key) is None:
        settings = {**settings, "go_backwards": True}
    return Cell(str(kind), settings, (part, "cell"))


def _read(site: Site, cell: Cell) -> tuple[Signal, list[Signal], Packing | None]:
    """Return the sequence, the initial states as the layer takes them, and what moves its steps if some are skipped."""
    x, *states = (site.last(x) for x in site.inputs)
    if x.rank != 3:
        raise Refusal(f"an input with {x.rank} axes instead of (samples, steps, features)")
    if isinstance(x.masked, str):
        raise Refusal("steps that Keras may skip (mask_zero), behind a layer that hides which")
    if cell.flag("stateful") and not states:
        raise Refusal("stateful: its answer depends on the calls before")
    if cell.flag("time_major"):
        raise Refusal("time_major: its first axis is not the batch")
    if states and len(states) != STATES[cell.kind]:
        raise Refusal(f"{len(states)} initial states")
    started = [site.emit(Reshape((1, s.channels)), [s], f"start{k}") for k, s in enumerate(states, 1)]
    if x.masked is None:
        return x, started, None
    mask = packing(site, x.masked)
    return replace(packed(site, x, mask), masked=x.masked), started, mask


def _placed(
    site: Site, cell: Cell, y: Signal, mask: Packing | None, *, backwards: bool, turned: bool = False
) -> Signal:
    """Return a sequence of outputs with its steps where Keras has them.

    Args:
        site, cell: of the layer.
        y: its outputs, in the order of time, and those that count in front where there is a mask.
        mask: what moved them.
        backwards: whether the last step is read first.
        turned: whether Keras brings them back into the order of time.
    """
    if mask is not None:
        zeros = cell.flag("zero_output_for_mask")
        if backwards and not (zeros and turned):
            raise Refusal("outputs of each step, read backwards, of which Keras skips some (mask_zero)")
        y = replace(unpacked(site, y, mask, zeros=zeros), masked=site.inputs[0].masked)
    if not backwards or turned:
        return y
    return site.emit(Slice((1,), (None,), (None,), (-1,)), [y], "turned")


def _made(
    site: Site, cells: Sequence[Cell], direction: str, returns: str, *, lengths: bool, state: bool
) -> LSTM | GeneralLSTM | GRU | RNN:
    """Return the layer of one or two directions."""
    kind, version = cells[0].kind, site.builder.version
    parts = [_weights(site, cell) for cell in cells]
    functions = [
        (cell.function("activation", "tanh", version), cell.function("recurrent_activation", "sigmoid", version))
        for cell in cells
    ]
    after = [cell.flag("reset_after") for cell in cells]
    if len(set(functions)) > 1 or len(set(after)) > 1 or len({p["bias"].shape for p in parts}) > 1:
        raise Refusal("directions with different settings")
    common: dict[str, Any] = {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    common |= {"direction": direction, "returns": returns, "lengths": lengths, "state": state}
    inner, gate = functions[0]
    if kind == "SimpleRNN":
        return RNN(**common, activation=inner)
    if kind == "GRU":
        return GRU(**common, reset_after=after[0], activation=inner, gate=gate)
    if (inner, gate) == ("tanh", "sigmoid"):
        return LSTM(**common)
    return GeneralLSTM(**common, activation=inner, gate=gate, output_activation=inner)


def _weights(site: Site, cell: Cell) -> dict[str, Array]:
    """Return the weights of one direction as the layers have them.

    Keras has the gates of an LSTM in the same order, i, f, g, o; those of a GRU are z, r, n there and r, z, n here.
    """
    names = ["kernel", "recurrent_kernel", *(["bias"] if cell.flag("use_bias", True) else [])]
    kernel, recurrent, *bias = site.weights(*names, inside=cell.inside)
    gates = GATES[cell.kind]
    hidden = recurrent.shape[0]
    if kernel.ndim != 2 or recurrent.shape != (hidden, gates * hidden) or kernel.shape[1] != gates * hidden:
        raise Refusal(f"weights of shapes {kernel.shape} and {recurrent.shape}")
    order = [1, 0, 2] if cell.kind == "GRU" else list(range(gates))
    twice = cell.kind == "GRU" and cell.flag("reset_after")
    shift = bias[0] if bias else np.zeros((1 + twice) * gates * hidden, site.builder.dtype)
    shift = shift.reshape(1 + twice, gates, hidden)[:, order]
    found = {
        "weight_input": _by_gate(kernel, gates)[:, order],
        "weight_hidden": _by_gate(recurrent, gates)[:, order],
        "bias": shift[:1],
    }
    if twice:  # of n, the second bias stands inside what the reset gate multiplies
        found["bias"] = np.concatenate([shift[:1, :2] + shift[1:, :2], shift[:1, 2:]], axis=1)
        found["bias_hidden"] = shift[1:, 2]
    return {key: np.ascontiguousarray(value) for key, value in found.items()}


def _by_gate(kernel: Array, gates: int) -> Array:
    """Return a kernel (features, gates·hidden) as (1, gates, hidden, features)."""
    return kernel.reshape(len(kernel), gates, -1).transpose(1, 2, 0)[None]
