"""Safetensors files: what the package of that name writes, what is half precision, and what is damaged or hostile."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_files as w

from lrp_ref.errors import ModelFormatError, UnsupportedError
from lrp_ref.loaders import load, safetensors
from lrp_ref.loaders.safetensors import read

FC = {"layers": [{"Linear": "fc"}]}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def entry(kind: str = "F32", shape: Any = (1,), places: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": list(places)}


def test_files_of_the_package_are_read(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(3)
    arrays = {
        str(dtype): (10 * rng.normal(size=(2, 3))).astype(dtype)
        for dtype in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    }
    arrays |= {"none": np.zeros((0, 3)), "number": np.array(2.5), "a.b:0/ü": np.ones(1)}
    package.save_file(arrays, tmp_path / "w.safetensors", metadata={"format": "pt"})
    found = read(tmp_path / "w.safetensors")
    assert set(found) == set(arrays)
    assert found.stored["f2"].kind == "float16"
    for name, array in arrays.items():
        expected = array.astype(np.float32) if name == "f2" else array
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


def test_bfloat16_is_the_upper_half_of_float32_and_this_is_said(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("safetensors.torch")
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2).bfloat16()
    package.save_file({f"fc.{k}": v for k, v in module.state_dict().items()}, path := tmp_path / "w.safetensors")
    net = load(path, architecture=FC)
    assert net.notes == ("2 of 2 tensors are bfloat16 in the file; they are computed with in float32",)
    np.testing.assert_array_equal(net.nodes[0].layer.weight, module.weight.detach().float().numpy().T)
    x = torch.randn(4, 3)
    np.testing.assert_allclose(net.forward(x.numpy()), module.float()(x).detach().numpy(), rtol=1e-6, atol=1e-6)


def test_bfloat16_by_hand(tmp_path: Path) -> None:
    bits = [0x3F80, 0xC020, 0x0000, 0x8000, 0x7F80, 0x0001]
    data = struct.pack("<6H", *bits)
    path = written(tmp_path / "w.safetensors", w.safetensors({"x": entry("BF16", (6,), (0, 12))}, data))
    expected = np.array([1, -2.5, 0, -0.0, np.inf, 2.0**-133], np.float32)
    np.testing.assert_array_equal(read(path)["x"], expected)


def test_eight_bit_floats_are_refused_where_they_are_needed(tmp_path: Path) -> None:
    header = {"fc.weight": entry("F8_E4M3", (1, 1), (0, 1)), "fc.bias": entry(places=(1, 5))}
    path = written(tmp_path / "w.safetensors", w.safetensors(header, b"\x38" + struct.pack("<f", 2)))
    with pytest.raises(UnsupportedError, match=r"'fc\.weight' has elements of type 'F8_E4M3'"):
        load(path, architecture=FC)
    net = load(path, architecture={"layers": [{"layer": "Affine", "shift": {"tensor": "fc.bias"}}], "ignore": ["*t"]})
    assert net.nodes[0].layer.shift == 2


HOSTILE = {
    "empty": b"",
    "seven bytes": b"\2\0\0\0\0\0\0",
    "no header": bytes(8),
    "a header beyond the file": struct.pack("<Q", 3) + b"{}",
    "a header of 2⁶³": struct.pack("<Q", 1 << 63) + b"{}",
    "a header of 100 MB": struct.pack("<Q", 100_000_001) + b"{}",
    "no JSON": w.safetensors(b"{"),
    "no object": w.safetensors(b"[]"),
    "no UTF-8": w.safetensors(b'{"\xff": 3}'),
    "deep": w.safetensors(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": w.safetensors(b'{"a":' * 1000 + b"1" + b"}" * 1000),
    "a name twice": w.safetensors(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), bytes(4)),
    "a key twice": w.safetensors(b'{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "a hole": w.safetensors({"a": entry(), "b": entry(places=(8, 12))}, bytes(12)),
    "a hole in front": w.safetensors({"a": entry(places=(4, 8))}, bytes(8)),
    "bytes behind": w.safetensors({"a": entry()}, bytes(8)),
    "bytes that are missing": w.safetensors({"a": entry()}, bytes(3)),
    "overlap": w.safetensors({"a": entry(shape=(2,), places=(0, 8)), "b": entry(places=(4, 8))}, bytes(8)),
    "the same place": w.safetensors({"a": entry(), "b": entry()}, bytes(4)),
    "places turned around": w.safetensors({"a": entry(places=(4, 0))}, bytes(4)),
    "negative places": w.safetensors({"a": entry(places=(-4, 0))}, bytes(4)),
    "places that are no integers": w.safetensors({"a": entry(places=(0.0, 4.0))}, bytes(4)),
    "places that are flags": w.safetensors({"a": entry("U8", (1,), (False, True))}, bytes(1)),
    "three places": w.safetensors({"a": entry(places=(0, 4, 8))}, bytes(4)),
    "a negative size": w.safetensors({"a": entry(shape=(-1,))}, bytes(4)),
    "negative sizes that multiply": w.safetensors({"a": entry(shape=(-1, -1))}, bytes(4)),
    "a size that is a flag": w.safetensors({"a": entry(shape=(True,))}, bytes(4)),
    "a size that is no integer": w.safetensors({"a": entry(shape=(1.0,))}, bytes(4)),
    "sizes that overflow": w.safetensors({"a": entry(shape=(1 << 32, 1 << 32, 0, 1), places=(0, 4))}, bytes(4)),
    "sizes that overflow to 4": w.safetensors({"a": entry(shape=((1 << 64) + 1,))}, bytes(4)),
    "a shape that is no list": w.safetensors({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}}, bytes(4)),
    "40 axes": w.safetensors({"a": entry(shape=(1,) * 40)}, bytes(4)),
    "another type": w.safetensors({"a": entry("F128")}, bytes(4)),
    "a type that is no text": w.safetensors({"a": {**entry(), "dtype": ["F32"]}}, bytes(4)),
    "more keys": w.safetensors({"a": {**entry(), "code": "x"}}, bytes(4)),
    "fewer keys": w.safetensors({"a": {"dtype": "F32"}}, bytes(4)),
    "no entry": w.safetensors({"a": 3}),
    "a long name": w.safetensors({"a" * 2000: entry()}, bytes(4)),
    "many names": w.safetensors({str(k): entry("F32", (0,), (0, 0)) for k in range(100_001)}),
    "long digits": w.safetensors(b'{"a":{"dtype":"F32","shape":[%b],"data_offsets":[0,4]}}' % (b"9" * 5000), bytes(4)),
    "control characters": w.safetensors({"a\x1b[2J\u202e\n": 3}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_file_is_one_line(case: str, tmp_path: Path) -> None:
    path = written(tmp_path / "w.safetensors", HOSTILE[case])
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError) as caught:
            read(path)  # and not later, because it does not fit an architecture
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "w.safetensors" in message
    assert len(message) <= 600
    assert message.isprintable()


def test_the_format_s_own_reader_agrees_on_which_files_are_none(tmp_path: Path) -> None:
    """But for what it lets pass: two tensors of one name, and sizes of any kind of an empty tensor."""
    package = pytest.importorskip("safetensors")
    lax = []
    for case, content in HOSTILE.items():
        try:
            package.deserialize(content)
            lax.append(case)
        except (package.SafetensorError, OverflowError):
            pass
    assert set(lax) <= {"a name twice", "many names", "a long name", "40 axes", "more keys"}
    assert "a name twice" in lax


def test_many_tensors_of_one_place_may_not_take_more_than_the_file_allows(tmp_path: Path) -> None:
    tensors = w.safetensors_of({"x": np.zeros(1 << 20, np.float32)})
    found = read(written(tmp_path / "w.safetensors", tensors))
    with pytest.raises(ModelFormatError, match="256000000 are allowed"):
        [found["x"] for _ in range(100)]


def test_a_file_that_becomes_shorter_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "w.safetensors", w.safetensors_of({"x": np.ones(4)}))
    found = read(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFormatError, match="shorter"):
        found["x"]
    path.unlink()
    with pytest.raises(ModelFormatError, match="cannot be read"):
        found["x"]
    with pytest.raises(ModelFormatError, match="cannot be read"):
        safetensors.read(path)


def test_what_a_file_has_is_shown(tmp_path: Path) -> None:
    found = read(written(tmp_path / "w.safetensors", w.safetensors_of({"x": np.ones((2, 3))})))
    assert repr(found).endswith("w.safetensors\n  x  float64[2, 3]")
