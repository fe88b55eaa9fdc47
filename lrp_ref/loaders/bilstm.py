"""Bidirectional LSTMs in the layout of LRP_for_LSTM (Arras et al. 2017): arrays in an .npz file, by their names.

==========================================  =====================================================================
``Wxh_Left``, ``Wxh_Right``                 (4·hidden, features), gates in the order i, g, f, o
``Whh_Left``, ``Whh_Right``                 (4·hidden, hidden)
``bxh_…``, ``bhh_…``                        (4·hidden,), added up; one that is missing is 0
``Why_Left``, ``Why_Right``                 (classes, hidden), for the last state of each direction; there is no bias
``E``                                       (words, features): the rows that the integers of a text look up
==========================================  =====================================================================

"Left" reads from left to right, "Right" from right to left.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..layers import LSTM, Dense, Embedding, Layer
from ..network.inputs import Input
from ..network.network import Network

Numbers = np.ndarray[Any, Any]
SIDES = ("Left", "Right")
NEEDED = tuple(f"{kind}_{side}" for kind in ("Wxh", "Whh", "Why") for side in SIDES)
OPTIONAL = (*(f"{kind}_{side}" for kind in ("bxh", "bhh") for side in SIDES), "E")
GATES = (0, 2, 1, 3)  # the layer has i, f, g, o


def recognises(names: Container[str]) -> bool:
    """Return whether these are the names of such a network's arrays.

    Example:
        >>> recognises({*NEEDED, "vocab"}), recognises({"header"})
        (True, False)
    """
    return all(name in names for name in NEEDED)


def network(arrays: Mapping[str, Numbers], path: Path, *, embedded: bool = False) -> Network:
    """Return the network.

    Args:
        arrays: those of :data:`NEEDED` and :data:`OPTIONAL` that the file has.
        path: of the file.
        embedded: whether the network takes vectors (N, time, features) though the file has the rows that integers
            (N, time) look up.

    Raises:
        ModelFormatError: shapes that do not fit each other, or arrays that are not of floats.
    """
    dtypes = {arrays[name].dtype for name in arrays}
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8) or not np.isfinite(array).all():
            raise ModelFormatError(f"{path}: '{name}' is no array of finite float32 or float64")
    dtype = np.result_type(*dtypes).newbyteorder("=")
    held = {name: array.astype(dtype, order="C", copy=False) for name, array in arrays.items()}
    if held["Whh_Left"].ndim != 2 or held["Wxh_Left"].ndim != 2 or held["Why_Left"].ndim != 2:
        raise ModelFormatError(f"{path}: its weights are no matrices")
    hidden, features, classes = held["Whh_Left"].shape[1], held["Wxh_Left"].shape[1], held["Why_Left"].shape[0]
    shapes = {"Wxh": (4 * hidden, features), "Whh": (4 * hidden, hidden), "Why": (classes, hidden)}
    for name, array in held.items():
        wanted = shapes.get(name[:3], (4 * hidden,))
        if name == "E":
            wanted = (array.shape[0] if array.ndim else 0, features)
        if array.shape != wanted:
            raise ModelFormatError(f"{path}: '{name}' has shape {array.shape}; {wanted} fits the others")
    layers: list[Layer | tuple[str, Layer]] = [("lstm", _lstm(held, hidden)), ("output", _output(held))]
    tokens = "E" in held and not embedded
    if tokens:
        layers.insert(0, ("embedding", Embedding(held["E"])))
    whole = Network.sequential(layers)
    spec = Input("input", (None, None, features), axes=("batch", "time", "features"), element_type=dtype.name)
    if tokens:
        spec = Input("input", (None, None), axes=("batch", "time"), element_type="int64")
    return replace(whole, inputs=(spec,))


def _lstm(held: Mapping[str, Numbers], hidden: int) -> LSTM:
    def gates(array: Numbers) -> Numbers:
        return array.reshape(4, hidden, *array.shape[1:])[list(GATES)]

    zero = np.zeros(4 * hidden, dtype=held["Wxh_Left"].dtype)
    biases = [held.get(f"bxh_{side}", zero) + held.get(f"bhh_{side}", zero) for side in SIDES]
    return LSTM(
        np.stack([gates(held[f"Wxh_{side}"]) for side in SIDES]),
        np.stack([gates(held[f"Whh_{side}"]) for side in SIDES]),
        np.stack([gates(bias) for bias in biases]),
        direction="bidirectional",
        returns="last",
    )


def _output(held: Mapping[str, Numbers]) -> Dense:
    return Dense(np.ascontiguousarray(np.concatenate([held[f"Why_{side}"] for side in SIDES], axis=1).T))
