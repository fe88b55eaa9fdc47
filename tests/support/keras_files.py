"""Keras files in the layout that Keras writes, made with h5py and zipfile: a config and its weights."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray[Any, Any]]
KERAS_3, KERAS_2 = "3.15.1", "2.8.0"


def entry(kind: str, name: str, reads: Any = None, **settings: Any) -> dict[str, Any]:
    """A layer as the config has it; ``reads``: the calls in the way of Keras 3, lists of the names that they read."""
    made = {"module": "keras.layers", "class_name": kind, "config": {"name": name, **settings}, "name": name}
    calls = [{"args": [tensor(one) if isinstance(one, str) else list(map(tensor, one))]} for one in reads or ()]
    return {**made, "inbound_nodes": calls}


def tensor(name: str) -> dict[str, Any]:
    """A value in a call: of a layer, or its call "dense:1"."""
    layer, _, call = name.partition(":")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, int(call or 0), 0]}}


def sequential(*layers: dict[str, Any], name: str = "sequential") -> dict[str, Any]:
    """The config of a chain of layers."""
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def functional(inputs: list[str], outputs: list[str], *layers: dict[str, Any], name: str = "model") -> dict[str, Any]:
    """The config of a graph of layers."""
    ends = {"input_layers": [[n, 0, 0] for n in inputs], "output_layers": [[n, 0, 0] for n in outputs]}
    return {"class_name": "Functional", "config": {"name": name, "layers": list(layers), **ends}}


def hdf5(weights: Arrays, attributes: Mapping[str, Any] | None = None, **how: Any) -> bytes:
    """The bytes of an HDF5 file with these datasets; ``how``: for h5py's create_dataset."""
    import h5py

    with h5py.File(stream := io.BytesIO(), "w") as file:
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
        for name, array in weights.items():
            file.create_dataset(name, data=array, **how)
    return stream.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """The bytes of a zip file, stored as Keras does."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def keras_bytes(config: Any, weights: Arrays, version: str = KERAS_3) -> bytes:
    """The bytes of a .keras file."""
    metadata = json.dumps({"keras_version": version}).encode()
    return zipped({
        "metadata.json": metadata, "config.json": json.dumps(config).encode(), "model.weights.h5": hdf5(weights),
    })  # fmt: skip


def h5_bytes(config: Any, weights: Arrays, version: str = KERAS_2) -> bytes:
    """The bytes of an .h5 file with its model; weights by "layer/layer/kernel:0"."""
    named = {f"model_weights/{name}": array for name, array in weights.items()}
    return hdf5(named, {"keras_version": version, "backend": "tensorflow", "model_config": json.dumps(config)})


def write_keras(path: Path, config: Any, weights: Arrays, version: str = KERAS_3) -> Path:
    """Write a .keras file."""
    path.write_bytes(keras_bytes(config, weights, version))
    return path
