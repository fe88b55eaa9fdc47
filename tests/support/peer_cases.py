"""Relevances that other programs computed on small networks: reading them, and building the networks here.

The stored numbers are not part of the project; tests that need them are skipped where they are absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.layers import LSTM, AveragePool, Concat, Conv, Dense, Flatten, Identity, Layer, MaxPool, Pad, ReLU

FOLDER = Path(__file__).parents[3] / "shared" / "peer-vectors"


@dataclass(frozen=True, eq=False)
class Case:
    """One stored computation of another program."""

    model: str
    rule: str
    peer: str
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        return f"{self.model}__{self.rule}__{self.peer}"

    @property
    def tolerance(self) -> float:
        """The largest :func:`difference` that counts as reproduced."""
        return 1e-12 if self.model == "G" else 1e-10

    @property
    def layers(self) -> list[tuple[str, str, dict[str, int]]]:
        return [tuple(entry) for entry in self.about["architecture"]["layers"]]

    @property
    def parameters(self) -> dict[str, Any]:
        return self.about["parameters"]

    def relevances(self) -> dict[str, np.ndarray]:
        """Return what arrived at each layer's output, by layer, in this package's axis order."""
        stored = {k.split("/")[1]: v for k, v in self.arrays.items() if k.startswith("layer/")}
        for key, alias in (self.about.get("layer_alias") or {}).items():
            stored[key.split("/")[1]] = self.arrays[alias["same_values_as"]].reshape(alias["shape"])
        if self.model == "G":
            for side in ("Left", "Right"):
                stored[f"words_{side}"] = self.arrays[f"Rx_{side.lower()}"][None]
                stored[side] = self.arrays[f"local/Rh_{side}"][None, self.arrays["input"].shape[1] - 1]
        if "flatten_order" in self.about and "flatten" in stored:  # there the channels run fastest
            samples, channels, *size = stored["maxpool"].shape
            channels_last = stored["flatten"].reshape(samples, *size, channels)
            stored["flatten"] = np.moveaxis(channels_last, -1, 1).reshape(samples, -1)
        return stored


def names() -> list[str]:
    """Return the names of all stored cases, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def read(name: str) -> Case:
    """Read one case."""
    model, rule, peer = name.split("__")
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = dict(stored)
    return Case(model, rule, peer, json.loads((FOLDER / f"{name}.json").read_text()), arrays)


def network(case: Case, *, padding_layer: bool = False) -> lrp.Network:
    """Build the case's network, its nodes called as in the stored architecture.

    Args:
        case: with architecture and parameters.
        padding_layer: whether zeros around a convolution's input are a layer of their own ("pad_conv1").
    """
    entries: list[tuple[str, Layer]] = []
    for name, kind, spec in case.layers:
        weight, bias = case.arrays.get(f"param/{name}.weight"), case.arrays.get(f"param/{name}.bias")
        if kind == "linear":
            entries.append((name, Dense(np.ascontiguousarray(weight.T), bias)))
        elif kind.startswith("conv"):
            pad = spec.get("pad", 0)
            if padding_layer and pad:
                entries.append((f"pad_{name}", Pad(((0, 0), *((pad, pad),) * (weight.ndim - 2)))))
                pad = 0
            entries.append((name, Conv(weight, bias, stride=spec.get("stride", 1), padding=pad)))
        elif kind == "relu":
            entries.append((name, ReLU()))
        elif kind.startswith("avgpool"):
            entries.append((name, AveragePool(spec["k"], spec["stride"])))
        elif kind.startswith("maxpool"):
            entries.append((name, MaxPool(spec["k"], spec["stride"])))
        else:
            assert kind == "flatten", kind
            entries.append((name, Flatten()))
    return lrp.Network.sequential(entries)


def lstm_network(case: Case) -> lrp.Network:
    """Build the bidirectional LSTM with its output layer, each direction reading its own copy of the words."""
    nodes = []
    for side, direction in (("Left", "forward"), ("Right", "reverse")):
        wx, wh, bx, bh = (case.arrays[f"param/{key}_{side}"] for key in ("Wxh", "Whh", "bxh", "bhh"))
        size = wh.shape[1]
        order = [0, 2, 1, 3]  # there the gates are i, g, f, o
        layer = LSTM(
            wx.reshape(1, 4, size, -1)[:, order],
            wh.reshape(1, 4, size, size)[:, order],
            (bx + bh).reshape(1, 4, size)[:, order],
            direction=direction,
            returns="last",
        )
        nodes += [lrp.Node(f"words_{side}", Identity(), ("input",)), lrp.Node(side, layer, (f"words_{side}",))]
    weight = np.concatenate([case.arrays["param/Why_Left"], case.arrays["param/Why_Right"]], axis=1).T
    nodes += [lrp.Node("states", Concat(), ("Left", "Right")), lrp.Node("scores", Dense(weight), ("states",))]
    return lrp.Network(tuple(nodes), (lrp.Input("input"),), ("scores",))
