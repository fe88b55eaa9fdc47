"""Weights files written by hand: safetensors, and what ``torch.save`` writes, instruction by instruction."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "bool": "BOOL", "uint8": "U8"}
STORAGES = {"float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage",
            "bool": "BoolStorage", "uint8": "ByteStorage"}  # fmt: skip

# -- safetensors -----------------------------------------------------------------------------------------------------


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors_of(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    header, data = {}, b""
    for name, array in arrays.items():
        places = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape), "data_offsets": places}
        data += array.tobytes()
    return safetensors(header, data)


# -- the instructions of torch.save ------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def listed(*parts: bytes) -> bytes:
    return b"](" + b"".join(parts) + b"e"


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def entries(values: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + several(*arguments) + b"R"


ORDERED = call(name("collections", "OrderedDict"))
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def storage(kind: str, key: str, elements: int, *, older: bool = False) -> bytes:
    parts = text("storage"), name("torch", kind), text(key), text("cpu"), number(elements)
    return several(*parts, *([b"N"] if older else [])) + b"Q"


def tensor(
    kind: str,
    key: str,
    elements: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
    *,
    older: bool = False,
) -> bytes:
    sizes = (several(*map(number, part)) for part in (shape, strides))
    return call(REBUILD, storage(kind, key, elements, older=older), number(offset), *sizes, b"\x89", ORDERED)


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def torch_zip(
    path: Path, code: bytes, storages: Mapping[str, bytes], *, folder: str = "archive", **options: Any
) -> None:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr(f"{folder}/data.pkl", code)
        archive.writestr(f"{folder}/byteorder", "little")
        for key, data in storages.items():
            archive.writestr(f"{folder}/data/{key}", data)
        archive.writestr(f"{folder}/version", "3\n")


def described_state(
    arrays: Mapping[str, np.ndarray[Any, Any]], *, older: bool = False
) -> tuple[bytes, dict[str, bytes]]:
    """The program and the storages of a state dict."""
    values, storages = {}, {}
    for k, (key, array) in enumerate(arrays.items()):
        strides = tuple(s // array.itemsize for s in array.strides)
        values[key] = tensor(STORAGES[str(array.dtype)], str(k), array.size, array.shape, strides, older=older)
        storages[str(k)] = array.tobytes()
    return program(entries(values)), storages


def torch_file(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    torch_zip(path, *described_state(arrays))


def older_torch_file(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """As before PyTorch 1.6."""
    code, storages = described_state(arrays, older=True)
    system = entries({"little_endian": b"\x88"})
    head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + program(number(1001)) + program(system)
    keys = program(listed(*map(text, storages)))
    sizes = [array.size for array in arrays.values()]
    data = b"".join(struct.pack("<Q", n) + d for n, d in zip(sizes, storages.values(), strict=True))
    path.write_bytes(head + code + keys + data)
