"""Weights files and descriptions with random changes: a network or one line, soon, and nothing else.

The seconds-long version of a long run: ``LRP_REF_MUTATIONS=20000 pytest -n 0 tests/loaders/test_weights_mutated.py``.
"""

from __future__ import annotations

import json
import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_files as w

from lrp_ref.errors import LrpError
from lrp_ref.loaders import load

COUNT = int(os.environ.get("LRP_REF_MUTATIONS", "400"))
RNG = np.random.default_rng(5)
ARRAYS = {
    "conv.weight": RNG.normal(size=(2, 1, 3, 3)).astype(np.float32),
    "conv.bias": RNG.normal(size=2).astype(np.float16),
    "norm.weight": np.ones(2, np.float32),
    "norm.bias": np.zeros(2, np.float32),
    "norm.running_mean": np.zeros(2, np.float32),
    "norm.running_var": np.ones(2, np.float32),
    "fc.weight": RNG.normal(size=(3, 8)).astype(np.float32),
    "fc.bias": np.zeros(3, np.float32),
}
DESCRIBED = {
    "input": [1, 4, 4],
    "layers": [
        {"Conv2d": "conv", "stride": 1, "padding": [[1, 1], [1, 1]], "dilation": 1},
        {"BatchNorm2d": "norm", "eps": 1e-3},
        {"LeakyReLU": 0.1, "name": "a"},
        {"AvgPool2d": 2, "inputs": ["a"]},
        {"layer": "Flatten", "start": 1},
        {
            "layer": "Dense",
            "weight": {"tensor": "fc.weight", "transpose": [1, 0]},
            "bias": {"sum": [{"tensor": "fc.bias"}]},
        },
    ],
    "ignore": ["x*"],
}
TELLING = (0, 1, 0x7F, 0x80, 0xFF, *b"().0\x89\x88QRbcoi\x93\x81}]het", *b'{}[]",:-9\\')
NUMBERS = (0, 1, -1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 62)


def mutated(data: bytes, random_: random.Random) -> bytes:
    """One to four changes: bytes, numbers, parts that are cut, moved or repeated."""
    changed = bytearray(data)
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        k = random_.randrange(len(changed)) if changed else 0
        n = min(random_.choice((1, 2, 8, 40)), len(changed) - k)
        kind = random_.randrange(7)
        if kind == 0 and changed:
            changed[k] ^= 1 << random_.randrange(8)
        elif kind == 1 and changed:
            changed[k] = random_.choice(TELLING)
        elif kind == 2:
            del changed[k : k + n]
        elif kind == 3:
            changed[k:k] = changed[k : k + n] * random_.choice((1, 2, 50))
        elif kind == 4:
            del changed[k:]
        elif kind == 5:
            changed[k : k + 8] = struct.pack("<q", random_.choice(NUMBERS))
        else:
            other = random_.randrange(len(changed) + 1)
            changed[k : k + n] = changed[other : other + n]
    return bytes(changed)


def value_mutated(value: Any, random_: random.Random) -> Any:
    """A description with one value that is another, is gone, or stands twice."""
    value = json.loads(json.dumps(value))
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return value
        key = random_.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and random_.random() < 0.8:
            place = place[key]
            continue
        odd = (None, True, -1, 0, 1.5, 1 << 40, 60000, "", "x", "conv", [], [1], {}, {"tensor": "fc.bias"}, "ReLU")
        kind = random_.randrange(4)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, dict):
            place[random_.choice(("stride", "name", "inputs", "layer", "groups", "x"))] = place.pop(key)
        else:
            place[key] = random_.choice(odd)
        return value


def of_zip(path: Path, random_: random.Random) -> None:
    code, storages = w.described_state(ARRAYS)
    if random_.random() < 0.7:  # a checksum would tell of changes in it
        w.torch_zip(path, mutated(code, random_), storages)
    else:
        w.torch_file(path, ARRAYS)
        path.write_bytes(mutated(path.read_bytes(), random_))


def of_older(path: Path, random_: random.Random) -> None:
    w.older_torch_file(path, ARRAYS)
    data = path.read_bytes()
    head = len(data) - sum(a.nbytes + 8 for a in ARRAYS.values())
    path.write_bytes(mutated(data[:head], random_) + data[head:] if random_.random() < 0.8 else mutated(data, random_))


def of_safetensors(path: Path, random_: random.Random) -> None:
    data = w.safetensors_of(ARRAYS)
    end = 8 + int.from_bytes(data[:8], "little")
    if random_.random() < 0.6:  # with the length that the changed header has
        header = mutated(data[8:end], random_)
        path.write_bytes(struct.pack("<Q", len(header)) + header + data[end:])
    else:
        path.write_bytes(mutated(data, random_))


def of_description(path: Path, random_: random.Random) -> None:
    path.write_bytes(w.safetensors_of(ARRAYS))
    text = json.dumps(value_mutated(DESCRIBED, random_)).encode()
    path.with_suffix(".json").write_bytes(mutated(text, random_) if random_.random() < 0.3 else text)


KINDS: dict[str, tuple[str, Callable[[Path, random.Random], None]]] = {
    "zip": ("w.pth", of_zip),
    "older": ("w.pt", of_older),
    "safetensors": ("w.safetensors", of_safetensors),
    "description": ("w.safetensors", of_description),
}


def outcome(path: Path, architecture: Any) -> LrpError | None:
    """Load the file and run its network; return the error that says why not."""
    try:
        net = load(path, architecture=architecture)
        net.values({i.name: np.zeros((1, 1, 4, 4), np.float32) for i in net.inputs}, check=False)
    except LrpError as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_is_a_network_or_one_line(kind: str, tmp_path: Path) -> None:
    name, write = KINDS[kind]
    path, read = tmp_path / name, 0
    for seed in range(COUNT):
        write(path, random.Random(f"{kind} {seed}"))
        start = time.process_time()
        beside = path.with_suffix(".json")
        try:
            error = outcome(path, beside if beside.exists() else DESCRIBED)
        except Exception as other:
            raise AssertionError(f"{kind}, seed {seed}") from other
        read += error is None
        assert len(str(error)) <= 600, seed
        assert str(error).isprintable(), seed
        assert time.process_time() - start < 5, seed
    assert 0 < read < COUNT
