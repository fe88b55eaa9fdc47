"""The own .npz format: exact round trips, and files that are damaged or forged."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import SAMPLES, Sample, arrays_of

from lrp_ref import arithmetic, layers
from lrp_ref.errors import ModelFormatError, UnsupportedError
from lrp_ref.loaders import limits, load, native, save
from lrp_ref.loaders.npy import npy
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import edits


def alone(layer: layers.Layer, operands: int) -> Network:
    names = tuple(f"in{k}" for k in range(operands))
    return Network((Node("only", layer, names),), tuple(Input(n) for n in names), ("only",))


def small() -> Network:
    net = Network.sequential(
        [layers.Conv(np.ones((2, 1, 2)), np.array([0.5, -0.5]), stride=2), layers.ReLU(), layers.Flatten()]
    )
    return dataclasses.replace(net, inputs=(Input("input", (None, 1, None)),))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_comes_back_exactly(sample: Sample, dtype: Any, tmp_path: Path) -> None:
    layer = sample.layer("normal").map_arrays(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a)
    net = alone(layer, len(sample.inputs()))
    save(net, tmp_path / "net.npz")
    back = load(tmp_path / "net.npz")
    assert back == net
    assert type(back.nodes[0].layer) is type(layer)
    for ours, theirs in zip(arrays_of(back.nodes[0].layer), arrays_of(layer), strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    for spec in dataclasses.fields(layer):
        assert type(getattr(back.nodes[0].layer, spec.name)) is type(getattr(layer, spec.name))


def test_every_registered_layer_is_among_the_samples() -> None:
    assert {s.kind for s in SAMPLES} == set(layers.LAYERS)


def test_names_inputs_and_outputs_come_back(tmp_path: Path) -> None:
    split = Node("Spalte ä", layers.Split((1, 2)), ("x",))
    net = Network((split,), (Input("x", (None, 3)),), ("Spalte ä:1", "Spalte ä"))
    save(net, tmp_path / "net.npz")
    assert load(tmp_path / "net.npz") == net


@pytest.mark.parametrize(
    "value", [0.1, -0.0, 1e-320, np.pi, float("inf"), 3, -(2**60), True, None, (1, (2.5, None)), "é"]
)
def test_field_values_keep_value_and_type(value: Any, tmp_path: Path) -> None:
    net = alone(layers.Power(exponent=value), 1)
    save(net, tmp_path / "net.npz")
    back = load(tmp_path / "net.npz").nodes[0].layer
    assert isinstance(back, layers.Power)
    assert repr(back.exponent) == repr(value)


def test_an_edited_layer_comes_back(tmp_path: Path) -> None:
    net = alone(layers.Mean(weight_edit=edits.SQUARE), 1)
    save(net, tmp_path / "net.npz")
    assert load(tmp_path / "net.npz") == net


def test_what_the_format_does_not_hold_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    with pytest.raises(UnsupportedError, match=r"node 'conv1': weight is an array of object"):
        save(arithmetic.rational(small()), path)
    boosted = alone(layers.Mean(weight_edit=edits.Boost(0.25, "pos")), 1)
    with pytest.raises(UnsupportedError, match=r"node 'only': weight_edit is a lrp_ref.rules.edits.Boost"):
        save(boosted, path)
    with pytest.raises(UnsupportedError, match="not a registered layer"):
        save(alone(Private(), 1), path)
    with pytest.raises(UnsupportedError, match=r"saved as \.npz or \.onnx files"):
        save(small(), tmp_path / "net.pth")
    assert list(tmp_path.iterdir()) == []


class Private(layers.ReLU):
    """A layer that is not registered."""


def test_an_existing_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(b"old")
    save(small(), path)
    assert load(path) == small()
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
    with pytest.raises(UnsupportedError):
        save(alone(Private(), 1), path)
    assert load(path) == small()


# Files of before layers got further fields ----------------------------------------------------------------------------

# The fields that files had when version 2 of the format began; a line that is indented goes on with the one before.
FIELDS = """
Abs:
Add: coefficients
Affine: scale shift
AveragePool: kernel stride padding dilation ceil_mode factor count_include_pad weight_edit
Bounds: low high
CELU: alpha
Clip: low high
Compare: comparison bound
Concat: axis
Constant: value
Conv: weight bias stride padding dilation groups
ConvTranspose: weight bias stride padding output_padding dilation groups
Dense: weight bias
ELU: alpha scale
Embedding: table
Exp:
Flatten: start
Function: name
GELU: approximate
GRU: weight_input weight_hidden bias direction returns lengths state bias_hidden reset_after gate activation
    clip
Gather: indices axis
GeneralLSTM: weight_input weight_hidden bias direction returns lengths state peephole coupled gate activation
    output_activation clip
GlobalAveragePool: axes keepdims factor weight_edit
GlobalMaxPool: keepdims ties
HardSigmoid: alpha beta
HardSwish:
HardTanh: low high
Identity:
LSTM: weight_input weight_hidden bias direction returns lengths state
LeakyReLU: alpha
LocalResponseNorm: size alpha beta bias
Log:
LogSumExp: axes keepdims
MatMul: gate
Max: axes keepdims ties
MaxPool: kernel stride padding dilation ceil_mode ties
Mean: axes keepdims factor weight_edit
Multiply: gate
Normalize: axes epsilon centre groups
Number: unit
Pad: amounts mode value
Power: exponent
Prod: axes keepdims
RNN: weight_input weight_hidden bias direction returns lengths state activation clip
ReLU:
Reshape: shape
SELU: alpha scale
Shrink: threshold bias
SiLU:
Sigmoid:
Slice: axes starts stops steps
Softmax: axis log
Softplus: beta
Split: sizes axis
Squeeze: axes
Sum: axes keepdims factor
SumPool: kernel stride padding dilation ceil_mode factor
Swish: alpha
Tanh:
ThresholdedReLU: alpha
Transpose: axes
Unsqueeze: axes
Upsample: factors
Where:
"""
FIRST = {
    name: fields for name, _, fields in (line.partition(":") for line in FIELDS.replace("\n    ", " ").split("\n"))
}


def without(path: Path, keep: str) -> None:
    """Take out of the only node of a file all fields but these."""
    found = entries(path)
    header = json.loads(found.pop("header").tobytes())
    (node,) = header["nodes"]
    node["fields"] = {name: value for name, value in node["fields"].items() if name in keep.split()}
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **found)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind in FIRST], ids=lambda s: s.name)
def test_a_file_of_before_a_layer_got_further_fields_is_what_the_layer_was(sample: Sample, tmp_path: Path) -> None:
    layer, first = sample.layer("normal"), FIRST[sample.kind]
    further = [f for f in dataclasses.fields(layer) if f.name not in first.split()]
    net = alone(layer, len(sample.inputs()))
    save(net, tmp_path / "net.npz")
    without(tmp_path / "net.npz", first)
    then = dataclasses.replace(layer, **{f.name: f.default for f in further})
    assert load(tmp_path / "net.npz") == alone(then, len(sample.inputs()))


def test_fields_that_later_layers_always_had_are_not_left_out_of_a_file(tmp_path: Path) -> None:
    for kind, fields in native.LATER.items():
        assert not fields & set(FIRST[kind].split())
    save(alone(layers.Multiply(gate=0), 2), tmp_path / "net.npz")
    without(tmp_path / "net.npz", "held")
    refused(tmp_path / "net.npz", "node 'only'", "missing or not known: gate")


# Damaged and forged files --------------------------------------------------------------------------------------------


def entries(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return {k: archive[k] for k in archive.files}


def forge(path: Path, change: Any) -> None:
    """Save a network and rewrite the file with a changed header or arrays."""
    save(small(), path)
    found = entries(path)
    header = json.loads(found.pop("header").tobytes())
    change(header, found)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **found)


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    for part in (str(path), *parts):
        assert part in text


def conv(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = header["nodes"][0]["fields"]
    return found


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda h, a: h.update(version=3), ["version 3"]),
        (lambda h, a: h.update(format="other"), ["not one that lrp_ref.save wrote"]),
        (lambda h, a: h.pop("nodes"), ["header is damaged", "nodes"]),
        (lambda h, a: h.update(nodes=[]), ["at least one node"]),
        (lambda h, a: h.update(inputs=3), ["header is damaged"]),
        (lambda h, a: h["inputs"][0].update(shape=["many"]), ["header is damaged"]),
        (lambda h, a: h.update(outputs=["elsewhere"]), ["elsewhere"]),
        (lambda h, a: h["nodes"][0].update(layer="Evil"), ["node 'conv1'", "'Evil' is not known"]),
        (lambda h, a: h["nodes"][0].update(layer="__import__"), ["node 'conv1'", "is not known"]),
        (lambda h, a: h["nodes"][1].update(inputs=["nowhere"]), ["node 'relu1' reads 'nowhere'"]),
        (lambda h, a: a.pop("a0"), ["node 'conv1'", "'a0' is not in the file"]),
        (lambda h, a: conv(h).pop("stride"), ["node 'conv1'", "stride"]),
        (lambda h, a: conv(h).update(colour=1), ["node 'conv1'", "colour"]),
        (lambda h, a: conv(h).update(groups=3), ["node 'conv1'", "3 groups"]),
        (lambda h, a: conv(h).update(weight=None), ["node 'conv1'"]),
        (lambda h, a: conv(h).update(stride=[1]), ["node 'conv1'", "bare list"]),
        (lambda h, a: conv(h).update(stride={"edit": "eval"}), ["node 'conv1'", "eval"]),
        (lambda h, a: conv(h).update(stride={"a": 1, "b": 2}), ["node 'conv1'", "no value of this format"]),
        (lambda h, a: a.update(a1=np.ones((3,))), ["node 'conv1'", "bias"]),
    ],
)  # fmt: skip
def test_a_damaged_header_names_file_and_node(change: Any, parts: list[str], tmp_path: Path) -> None:
    forge(tmp_path / "net.npz", change)
    refused(tmp_path / "net.npz", *parts)


def test_files_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(b"")
    refused(path, "not a zip file")
    path.write_bytes(b"text, not a zip file")
    refused(path, "not a zip file")
    np.savez(path, weights=np.ones(3))
    refused(path, "not one that lrp_ref.save wrote")
    np.savez(path, header=np.frombuffer(b"\xff{", dtype=np.uint8))
    refused(path, "not a readable network file")
    np.savez(path, header=np.frombuffer(b"[" * 100_000, dtype=np.uint8))
    refused(path, "not a readable network file", "nested more than 64 deep")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    save(small(), path)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        refused(path)


class Bomb:
    """An object whose pickle would run a function."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was executed",))


def test_pickled_objects_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    save(small(), path)
    found = entries(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in found.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)
        with archive.open("a9.npy", "w") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (1,)})
            stream.write(pickle.dumps(Bomb()))
    refused(path, "a9.npy", "pickled objects")


def with_member(path: Path, member: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    save(small(), path)
    found = entries(path)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in found.items():
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f"{name}.npy", member if name == "a0" else stream.getvalue())


def test_a_huge_declared_shape_is_refused_without_allocating(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**7)})
    with_member(tmp_path / "net.npz", stream.getvalue() + bytes(64))
    refused(tmp_path / "net.npz", "a0.npy", "does not fit its")


def test_a_forged_size_is_refused_without_allocating(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    save(small(), path)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"a0.npy") - 46 + 24  # the uncompressed size in the central directory
    content[place : place + 4] = (3_000_000_000).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    refused(path, "a0.npy", "3000000000 bytes")


def test_what_takes_more_than_the_limit_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.npz"
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(4_000_000))
    with_member(path, zeros.getvalue(), zipfile.ZIP_DEFLATED)  # 32 MB in a few thousand bytes
    refused(path, "a0.npy", "refused above 200 times")
    save(small(), path)
    monkeypatch.setattr(limits, "LEAST", 100)
    monkeypatch.setattr(limits, "TIMES", 0)
    refused(path, "its entries claim", "100 are allowed")


def written(shape: tuple[Any, ...], dtype: str, data: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    write = np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    write(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


def headed(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (written((-2, -1), "<f8", bytes(16)), "sizes are integers from 0 on"),
        (written((1 << 40, 1 << 40, 0), "<f8", bytes(16)), "which no array can have"),
        (written((1 << 40, 0), "<f8", bytes(16)), "does not fit its 16 bytes"),
        (written((1,) * 33, "<f8", bytes(8)), "33 axes; 32 are allowed"),
        (written((2,), "<U4", bytes(32)), "no numbers"),
        (written((2,), "<c8", bytes(16)), "no numbers"),
        (written((2,), "<m8[s]", bytes(16)), "no numbers"),
        (written((2,), "<f8", bytes(15)), "does not fit its 15 bytes"),
        (headed(b"{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}\n") + bytes(8), "no numbers"),
        (headed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}" + b" " * 10_000) + bytes(8), "no array"),
        (headed(b"{'descr': " + b"(" * 5000 + b"\n"), "no array"),
        (headed(b"__import__('os').system('false')\n"), "no array"),
        (b"\x93NUMPY\x09\x00" + bytes(80), "no array"),
        (b"", "no array"),
    ],
)
def test_an_entry_that_is_no_array_of_numbers_is_refused(member: bytes, reason: str, tmp_path: Path) -> None:
    with_member(tmp_path / "net.npz", member)
    refused(tmp_path / "net.npz", "a0.npy", reason)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "?", "<i2"])
@pytest.mark.parametrize("pad", [0, 3])
def test_arrays_are_read_as_numpy_reads_them(order: Any, dtype: str, pad: int, tmp_path: Path) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 7, dtype=dtype, order=order)
    for one in (array, array[:0], array[0, 0, 0]):
        stream = io.BytesIO()
        np.save(stream, one)
        data = stream.getvalue()
        if pad:  # a header whose length is not a multiple of 64: its numbers are not aligned
            data = headed(data[10 : data.index(b"}") + 1] + b" " * pad + b"\n") + data[len(data) - one.nbytes :]
        found = npy(data, "array")
        assert found.dtype == one.dtype
        assert found.flags.aligned
        np.testing.assert_array_equal(found, np.load(io.BytesIO(data)))


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    save(small(), path)
    content, rng, refusals = path.read_bytes(), np.random.default_rng(1), 0
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), size=4):
            damaged[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(damaged))
        try:
            load(path)
        except ModelFormatError:
            refusals += 1
    assert refusals > 150  # the checksums of the zip file find most
