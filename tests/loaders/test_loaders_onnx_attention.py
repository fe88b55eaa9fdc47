"""onnxruntime's own operators of transformers, against onnxruntime: attention of two kinds, and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import helper, onnx, run_ort, weight

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import MatMul
from lrp_ref.loaders import load

FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
RNG = np.random.default_rng(7)
QKV = {"w": weight(8, 24), "b": weight(24)}
KINDS = {"w": weight(8, 24), "b": weight(24), "v": weight(8, 20), "c": weight(20), "bias": weight(1, 2, 5, 5),
         "mask": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32), "words": weight(11, 8), "places": weight(9, 8),
         "kinds": weight(2, 8), "gamma": weight(8), "beta": weight(8)}  # fmt: skip


def save(
    kind: str,
    reads: list[str],
    inputs: dict[str, tuple[int, tuple[str | int, ...]]],
    folder: Path,
    *,
    outputs: tuple[str, ...] = ("y",),
    **attributes: Any,
) -> Path:
    """Write a graph of one of onnxruntime's operators."""
    node = helper.make_node(kind, reads, list(outputs), name="node", domain="com.microsoft", **attributes)
    weights = [onnx.numpy_helper.from_array(KINDS[n], n) for n in reads if n in KINDS and n not in inputs]
    given = [helper.make_tensor_value_info(n, dtype, list(shape)) for n, (dtype, shape) in inputs.items()]
    types = [helper.make_tensor_value_info(n, INT if n == "count" else FLOAT, None) for n in outputs if n]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", given, types, weights), opset_imports=opsets, ir_version=8)
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def agrees(path: Path, feeds: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Assert that a file gives what onnxruntime gives, and that an explanation's ledger closes."""
    theirs, net = run_ort(path, feeds), load(path)
    found = net.forward(feeds)
    ours = [found[n] for n in net.outputs] if isinstance(found, dict) else [found]
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    one = net.until(net.outputs[0]).astype("float64")
    xs = {
        n: x.astype("f8") if x.dtype.kind == "f" else x for n, x in feeds.items() if n in {i.name for i in one.inputs}
    }
    start = RNG.normal(size=ours[0].shape)
    assert lrp.explain(one, xs, composite="epsilon", start=start).ledger.residual < 1e-10
    return net


X: dict[str, tuple[int, tuple[str | int, ...]]] = {"x": (FLOAT, ("N", "T", 8))}
MASKS: dict[str, tuple[int, tuple[str | int, ...]]] = {"mask": (INT, ("N", "T"))}


@pytest.mark.parametrize(
    ("reads", "attributes"),
    [
        (["x", "w", "b"], {}),
        (["x", "w", ""], {"scale": 0.3}),
        (["x", "w", "b"], {"unidirectional": 1}),
        (["x", "w", "b", "mask"], {}),
        (["x", "w", "b", "mask"], {"unidirectional": 1, "mask_filter_value": -50.0}),
        (["x", "v", "c"], {"qkv_hidden_sizes": [8, 8, 4]}),
        (["x", "w", "b", "", "", "bias"], {}),
    ],
)
def test_self_attention(reads: list[str], attributes: dict[str, Any], tmp_path: Path) -> None:
    inputs = {**X, **(MASKS if "mask" in reads else {})}
    fixed = "bias" in reads
    inputs = {n: (t, tuple(5 if fixed and a == "T" else a for a in shape)) for n, (t, shape) in inputs.items()}
    path = save("Attention", reads, inputs, tmp_path, num_heads=2, **attributes)
    for n, time in ((2, 5),) if fixed else ((2, 5), (1, 1), (3, 9)):
        feeds = {"x": weight(n, time, 8)}
        if "mask" in reads:
            feeds["mask"] = (np.arange(time) < RNG.integers(1, time + 1, (n, 1))).astype(np.int32)
        net = agrees(path, feeds)
    assert [node.layer.gate for node in net.nodes if isinstance(node.layer, MatMul)] == [None, 0]


def test_lengths_of_the_samples_hide_the_keys_behind_them(tmp_path: Path) -> None:
    path = save("Attention", ["x", "w", "b", "lengths"], {**X, "lengths": (INT, ("N",))}, tmp_path, num_heads=2)
    for lengths in ([5, 2, 1], [4, 4, 4]):
        agrees(path, {"x": weight(3, 5, 8), "lengths": np.array(lengths, np.int32)})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_to_another_sequence(bias: bool, masked: bool, tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"q": (FLOAT, ("N", "T", 8)), "k": (FLOAT, ("N", "S", 8)), "u": (FLOAT, ("N", "S", 8))}
    reads = ["q", "k", "u", "b" if bias else "", *(["mask"] if masked else [])]
    inputs |= {"mask": (INT, ("N", "S"))} if masked else {}
    path = save("MultiHeadAttention", reads, inputs, tmp_path, num_heads=2)
    for n, time, other in ((2, 5, 3), (1, 2, 7)):
        feeds = {"q": weight(n, time, 8), "k": weight(n, other, 8), "u": weight(n, other, 8)}
        if masked:
            feeds["mask"] = (np.arange(other) < RNG.integers(1, other + 1, (n, 1))).astype(np.int32)
        agrees(path, feeds)


@pytest.mark.parametrize("kinds", [False, True])
def test_embeddings_and_how_many_words_there_are(kinds: bool, tmp_path: Path) -> None:
    ids: dict[str, Any] = {"ids": (INT, ("N", "T")), "mask": (INT, ("N", "T"))}
    ids |= {"types": (INT, ("N", "T"))} if kinds else {}
    reads = ["ids", "types" if kinds else "", "words", "places", "kinds" if kinds else "", "gamma", "beta", "mask"]
    path = save("EmbedLayerNormalization", reads, ids, tmp_path, outputs=("y", "count"))
    for n, time in ((2, 5), (3, 9), (1, 1)):
        feeds = {"ids": RNG.integers(0, 11, (n, time)).astype(np.int32), "mask": np.ones((n, time), np.int32)}
        feeds["mask"][0, (time + 1) // 2 :] = 0
        if kinds:
            feeds["types"] = RNG.integers(0, 2, (n, time)).astype(np.int32)
        agrees(path, feeds)


@pytest.mark.parametrize(
    ("kind", "reads", "attributes", "reason"),
    [
        ("Attention", ["x", "w", "b", "", "past"], {"num_heads": 2}, "use_cache=False"),
        ("Attention", ["x", "w", "b"], {"num_heads": 2, "do_rotary": 1}, "before onnxruntime's optimizer"),
        ("Attention", ["x", "w", "b"], {"num_heads": 3}, "8 features for 3 heads"),
        ("Attention", ["x", "v", "c"], {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 8]}, "weights of shape"),
        ("MultiHeadAttention", ["x"], {"num_heads": 2}, "in one tensor"),
        ("MultiHeadAttention", ["x", "x", "x", "gamma"], {"num_heads": 2}, "a bias of shape"),
        ("GroupQueryAttention", ["x", "x", "x"], {"num_heads": 2}, "before onnxruntime's optimizer"),
        ("RotaryEmbedding", ["x", "x", "w", "v"], {}, "before onnxruntime's optimizer"),
    ],
)
def test_what_is_not_read_is_refused_with_a_way_out(
    kind: str, reads: list[str], attributes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    inputs = {**X, **({"past": (FLOAT, (2, "N", 2, "P", 4))} if "past" in reads else {})}
    path = save(kind, reads, inputs, tmp_path, **attributes)
    with pytest.raises(UnsupportedError, match=reason) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_width_is_refused(tmp_path: Path) -> None:
    path = save("Attention", ["x", "w", "b", "mask"], {**X, "mask": (INT, ("N", "T", "T"))}, tmp_path, num_heads=2)
    with pytest.raises(UnsupportedError, match="only \\(N, keys\\)"):
        load(path)
