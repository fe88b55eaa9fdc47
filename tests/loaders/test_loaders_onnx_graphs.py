"""What is read from the graph as a whole: activations in several nodes, gates, biases, shapes as numbers, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, weight, whole, write

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load
from lrp_ref.network import Network


def kinds(net: Network) -> list[str]:
    return [type(n.layer).__name__ for n in net.nodes]


HALF, ONE, ROOT = number(0.5), number(1), number(np.sqrt(2))
GELUS: dict[str, list[Step]] = {
    "torchscript": [
        ("Div", ["x", "root"], {}), ("Erf", ["t0"], {}), ("Add", ["t1", "one"], {}), ("Mul", ["x", "t2"], {}),
        ("Mul", ["t3", "half"], {}),
    ],
    "half first": [
        ("Mul", ["x", "half"], {}), ("Mul", ["x", "reciprocal"], {}), ("Erf", ["t1"], {}), ("Add", ["one", "t2"], {}),
        ("Mul", ["t0", "t3"], {}),
    ],
    "half in the gate": [
        ("Mul", ["reciprocal", "x"], {}), ("Erf", ["t0"], {}), ("Mul", ["t1", "half"], {}), ("Add", ["t2", "half"], {}),
        ("Mul", ["t3", "x"], {}),
    ],
}  # fmt: skip
CONSTANTS = {"half": HALF, "one": ONE, "root": ROOT, "reciprocal": number(np.sqrt(0.5))}


@pytest.mark.parametrize("form", GELUS)
def test_gelu_written_as_several_nodes_is_one_activation(form: str, tmp_path: Path) -> None:
    x = np.linspace(-4, 4, 60, dtype=np.float32).reshape(2, 30)
    path = write(tmp_path / "gelu.onnx", GELUS[form], shape=("N", 30), weights=CONSTANTS)
    net = agrees(path, x)
    assert net.nodes[0].layer == layers.GELU()
    assert len(net) == 1


def test_tanh_gelu_written_as_several_nodes_is_one_activation(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Pow", ["x", "three"], {}), ("Mul", ["t0", "c"], {}), ("Add", ["x", "t1"], {}), ("Mul", ["t2", "r"], {}),
        ("Tanh", ["t3"], {}), ("Add", ["t4", "one"], {}), ("Mul", ["x", "t5"], {}), ("Mul", ["t6", "half"], {}),
    ]  # fmt: skip
    weights = {**CONSTANTS, "three": number(3), "c": number(0.044715), "r": number(np.sqrt(2 / np.pi))}
    path = write(tmp_path / "gelu.onnx", steps, shape=("N", 30), weights=weights)
    net = agrees(path, np.linspace(-4, 4, 60, dtype=np.float32).reshape(2, 30))
    assert [n.layer for n in net.nodes] == [layers.GELU("tanh")]


MINUS: list[Step] = [("Neg", ["x"], {}), ("Exp", ["t0"], {})]
SIGMOIDS: dict[str, tuple[list[Step], list[str]]] = {
    "reciprocal": ([*MINUS, ("Add", ["t1", "one"], {}), ("Reciprocal", ["t2"], {})], ["Sigmoid"]),
    "one over": ([*MINUS, ("Add", ["one", "t1"], {}), ("Div", ["one", "t2"], {})], ["Sigmoid"]),
    "power": ([*MINUS, ("Add", ["t1", "one"], {}), ("Pow", ["t2", "minus"], {})], ["Sigmoid"]),
    "product": (
        [("Mul", ["minus", "x"], {}), ("Exp", ["t0"], {}), ("Add", ["t1", "one"], {}), ("Reciprocal", ["t2"], {})],
        ["Sigmoid"],
    ),
    "half over": ([*MINUS, ("Add", ["one", "t1"], {}), ("Div", ["half", "t2"], {})], ["Sigmoid", "Affine"]),
    "of the negative": (
        [("Exp", ["x"], {}), ("Add", ["t0", "one"], {}), ("Reciprocal", ["t1"], {})], ["Affine", "Sigmoid"],
    ),
    "silu": ([*MINUS, ("Add", ["t1", "one"], {}), ("Reciprocal", ["t2"], {}), ("Mul", ["x", "t3"], {})], ["SiLU"]),
}  # fmt: skip


@pytest.mark.parametrize("form", SIGMOIDS)
def test_a_sigmoid_written_out_is_a_sigmoid(form: str, tmp_path: Path) -> None:
    """1/(1 + exp(−z)) is σ(z), whose logit is known, and which no large z overflows."""
    steps, expected = SIGMOIDS[form]
    path = write(tmp_path / "s.onnx", steps, shape=("N", 30), weights={**CONSTANTS, "minus": number(-1)})
    net = agrees(path, np.linspace(-20, 20, 60, dtype=np.float32).reshape(2, 30))
    assert kinds(net) == expected
    assert np.isfinite(net.forward(np.full((1, 30), -1000, dtype=np.float32))).all()


def test_the_logit_below_a_sigmoid_written_out(tmp_path: Path) -> None:
    """The relevance of σ(x·w) starts at x·w: x_i w_i."""
    w, x = weight(4, 1), weight(3, 4)
    steps: list[Step] = [
        ("MatMul", ["x", "w"], {}), ("Neg", ["t0"], {}), ("Exp", ["t1"], {}), ("Add", ["t2", "one"], {}),
        ("Reciprocal", ["t3"], {}),
    ]  # fmt: skip
    net = load(write(tmp_path / "s.onnx", steps, shape=("N", 4), weights={**CONSTANTS, "w": w}))
    e = lrp.explain(net, x, composite="lrp0")
    np.testing.assert_allclose(e.relevance, x * w[:, 0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.probability, 1 / (1 + np.exp(-x @ w)), rtol=1e-4)


@pytest.mark.parametrize(
    "steps",
    [
        [*MINUS, ("Add", ["t1", "half"], {}), ("Reciprocal", ["t2"], {})],
        [*MINUS, ("Mul", ["t1", "half"], {}), ("Add", ["t2", "one"], {}), ("Reciprocal", ["t3"], {})],
        [*MINUS, ("Reciprocal", ["t1"], {})],
        [("Abs", ["x"], {}), ("Add", ["t0", "one"], {}), ("Reciprocal", ["t1"], {})],
        [*MINUS, ("Sub", ["one", "t1"], {}), ("Sub", ["t2", "reciprocal"], {}), ("Reciprocal", ["t3"], {})],
    ],
)
def test_what_only_looks_like_a_sigmoid_is_left_as_it_is(steps: list[Step], tmp_path: Path) -> None:
    path = write(tmp_path / "almost.onnx", steps, shape=("N", 6), weights=CONSTANTS)
    net = agrees(path, np.linspace(0.5, 2, 12, dtype=np.float32).reshape(2, 6))
    assert "Sigmoid" not in kinds(net)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("Sigmoid", ["x"], {}), ("Mul", ["x", "t0"], {})], ["SiLU"]),
        ([("HardSigmoid", ["x"], {"alpha": 1 / 6}), ("Mul", ["t0", "x"], {})], ["HardSwish"]),
        ([("HardSigmoid", ["x"], {}), ("Mul", ["t0", "x"], {})], ["HardSigmoid", "Multiply"]),
        (
            [("Add", ["x", "three"], {}), ("Clip", ["t0", "zero", "six"], {}), ("Mul", ["x", "t1"], {}),
             ("Div", ["t2", "six"], {})],
            ["HardSwish"],
        ),
        (
            [("Mul", ["x", "six"], {}), ("Sigmoid", ["t0"], {}), ("Mul", ["x", "t1"], {})],
            ["Affine", "Sigmoid", "Multiply"],
        ),
        ([("Tanh", ["x"], {}), ("Sigmoid", ["t0"], {}), ("Mul", ["x", "t1"], {})], ["Tanh", "Sigmoid", "Multiply"]),
        ([("Clip", ["x", "zero", "inf"], {})], ["ReLU"]),
    ],
)  # fmt: skip
def test_products_with_a_gate(steps: list[Step], expected: list[str], tmp_path: Path) -> None:
    weights = {"three": number(3), "zero": number(0), "six": number(6), "inf": number(np.inf)}
    path = write(tmp_path / "gate.onnx", steps, shape=("N", 30), weights=weights)
    net = agrees(path, np.linspace(-6, 5, 60, dtype=np.float32).reshape(2, 30))
    assert kinds(net) == expected


def test_the_gate_is_the_operand_that_comes_from_a_sigmoid(tmp_path: Path) -> None:
    squeeze: list[Step] = [
        ("GlobalAveragePool", ["x"], {}), ("Sigmoid", ["t0"], {}), ("Squeeze", ["t1", "axes"], {}),
        ("Unsqueeze", ["t2", "axes"], {}), ("Mul", ["t3", "x"], {}),
    ]  # fmt: skip
    path = write(tmp_path / "se.onnx", squeeze, shape=("N", 3, 4, 5), weights={"axes": whole(2, 3)})
    net = agrees(path, np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32))
    assert net.nodes[-1].layer == layers.Multiply(gate=0)
    neither: list[Step] = [("Tanh", ["x"], {}), ("Relu", ["x"], {}), ("Mul", ["t0", "t1"], {})]
    assert load(write(tmp_path / "no.onnx", neither, shape=("N", 3))).nodes[-1].layer == layers.Multiply()


def test_an_added_constant_becomes_the_bias_only_where_nobody_else_reads_the_product(tmp_path: Path) -> None:
    weights = {"w": weight(3, 4, 1), "b": weight(3, 1), "m": weight(5, 2), "c": weight(2)}
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    steps: list[Step] = [
        ("Conv", ["x", "w"], {}), ("Add", ["t0", "b"], {}), ("MatMul", ["t1", "m"], {}), ("Add", ["c", "t2"], {}),
    ]  # fmt: skip
    net = agrees(write(tmp_path / "folded.onnx", steps, shape=("N", 4, 5), weights=weights), x)
    assert kinds(net) == ["Conv", "Dense"]
    shared = [*steps[:2], ("Mul", ["t0", "t1"], {})]
    net = agrees(write(tmp_path / "shared.onnx", shared, shape=("N", 4, 5), weights=weights), x)
    assert kinds(net) == ["Conv", "Affine", "Multiply"]
    hidden = [steps[0], ("Identity", ["t0"], {}), ("Add", ["t1", "b"], {}), ("Mul", ["t0", "t2"], {})]
    net = agrees(write(tmp_path / "hidden.onnx", hidden, shape=("N", 4, 5), weights=weights), x)
    assert kinds(net) == ["Conv", "Affine", "Multiply"]


SHAPE_CHAIN: list[Step] = [
    ("Relu", ["x"], {}), ("Shape", ["t0"], {}), ("Gather", ["t1", "zero"], {}), ("Unsqueeze", ["t2", "axes"], {}),
    ("Concat", ["t3", "rest"], {"axis": 0}), ("Reshape", ["t0", "t4"], {}),
]  # fmt: skip


@pytest.mark.parametrize("batch", [2, "N"])
def test_a_reshape_to_a_computed_shape(batch: Any, tmp_path: Path) -> None:
    weights = {"zero": np.array(0, np.int64), "axes": whole(0), "rest": whole(-1, 2)}
    path = write(tmp_path / "chain.onnx", SHAPE_CHAIN, shape=(batch, 3, 4), weights=weights)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    net = agrees(path, x)
    assert [n.layer for n in net.nodes] == [layers.ReLU(), layers.Reshape((6, 2))]
    assert net.inputs[0].shape == (None, 3, 4)
    assert net.forward(np.ones((5, 3, 4), dtype=np.float32)).shape == (5, 6, 2)


def test_free_sizes_keep_the_network_general(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Conv", ["x", "w"], {"strides": [2], "pads": [1, 1]}), ("Shape", ["t0"], {}),
        ("Slice", ["t1", "zero", "two"], {}), ("Concat", ["t2", "rest"], {"axis": 0}), ("Reshape", ["t0", "t3"], {}),
        ("ReduceMean", ["t4"], {"axes": [2]}),
    ]  # fmt: skip
    weights = {"w": weight(4, 3, 3), "zero": whole(0), "two": whole(2), "rest": whole(-1)}
    path = write(tmp_path / "free.onnx", steps, shape=("N", 3, "length"), weights=weights)
    for length in (10, 31):
        net = agrees(path, np.random.default_rng(0).normal(size=(2, 3, length)).astype(np.float32))
    assert net.inputs[0].shape == (None, 3, None)
    same: list[Step] = [("Conv", ["x", "w"], {"strides": [3], "auto_pad": "SAME_UPPER"})]
    path = write(tmp_path / "same.onnx", same, shape=("N", 3, "length"), weights={"w": weights["w"]})
    agrees(path, np.ones((2, 3, 9), np.float32), shapes={"x": (None, 3, 9)})
    with pytest.raises(NotImplementedError, match="depends on a free size"):
        load(path)


INNER: list[Step] = [
    ("Pow", ["x", "three"], {}), ("Mul", ["t0", "c"], {}), ("Add", ["x", "t1"], {}), ("Mul", ["t2", "r"], {}),
    ("Tanh", ["t3"], {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        ([*INNER, ("Mul", ["x", "t4"], {}), ("Mul", ["t5", "half"], {})], {}),
        ([*INNER, ("Add", ["t4", "one"], {}), ("Add", ["t5", "one"], {}), ("Mul", ["x", "t6"], {}),
          ("Mul", ["t7", "half"], {})], {}),
        ([*INNER, ("Add", ["t4", "one"], {}), ("Mul", ["x", "t5"], {}), ("Mul", ["t6", "one"], {})], {}),
        ([*INNER, ("Add", ["t4", "one"], {}), ("Mul", ["x", "t5"], {}), ("Mul", ["t6", "half"], {})],
         {"c": number(0.05)}),
        ([*INNER, ("Add", ["t4", "one"], {}), ("Mul", ["x", "t5"], {}), ("Mul", ["t6", "half"], {})],
         {"r": number(0.9)}),
        ([*INNER, ("Add", ["t4", "one"], {}), ("Relu", ["x"], {}), ("Mul", ["t6", "t5"], {}),
          ("Mul", ["t7", "half"], {})], {}),
        ([("Sigmoid", ["x"], {}), ("Add", ["t0", "one"], {}), ("Mul", ["x", "t1"], {})], {}),
        ([("Sigmoid", ["x"], {}), ("Mul", ["t0", "half"], {}), ("Mul", ["x", "t1"], {})], {}),
        ([("Sigmoid", ["x"], {}), ("Mul", ["x", "x"], {}), ("Mul", ["t0", "t1"], {})], {}),
    ],
)  # fmt: skip
def test_what_only_looks_like_an_activation_is_left_as_it_is(
    steps: list[Step], changes: dict[str, Any], tmp_path: Path
) -> None:
    weights = {**CONSTANTS, "three": number(3), "c": number(0.044715), "r": number(np.sqrt(2 / np.pi)), **changes}
    path = write(tmp_path / "almost.onnx", steps, shape=("N", 30), weights=weights)
    net = agrees(path, np.linspace(-3, 3, 60, dtype=np.float32).reshape(2, 30))
    assert not {"GELU", "SiLU", "HardSwish"} & set(kinds(net))


@pytest.mark.parametrize(
    "steps",
    [
        [("Erf", ["x"], {})],
        [("Mul", ["x", "half"], {}), ("Erf", ["t0"], {}), ("Add", ["t1", "one"], {}), ("Mul", ["x", "t2"], {})],
        [("Div", ["x", "root"], {}), ("Erf", ["t0"], {}), ("Mul", ["x", "t1"], {}), ("Mul", ["t2", "half"], {})],
        [*GELUS["torchscript"][:3], ("Relu", ["t2"], {})],
    ],
)
def test_an_erf_that_is_no_gelu_is_a_function(steps: list[Step], tmp_path: Path) -> None:
    path = write(tmp_path / "erf.onnx", steps, shape=("N", 3), weights=CONSTANTS)
    net = agrees(path, np.linspace(-2, 2, 12, dtype=np.float32).reshape(4, 3))
    assert "Function" in kinds(net)
    assert "GELU" not in kinds(net)


@pytest.mark.parametrize(
    ("shape", "target"),
    [(("N", 11, 2), (11, -1, 2)), (("N", 6), (3, -1))],
)
def test_a_reshape_that_mixes_samples_is_refused(shape: Any, target: tuple[int, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "mix.onnx", [("Reshape", ["x", "s"], {})], shape=shape, weights={"s": whole(*target)})
    with pytest.raises(NotImplementedError, match=r"merges the batch|does not fit"):
        load(path)


def test_a_batch_fixed_to_one_is_followed_and_becomes_free(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Transpose", ["x"], {"perm": [1, 0, 2]}), ("Unsqueeze", ["t0", "one"], {}), ("Reshape", ["t1", "same"], {}),
        ("Squeeze", ["t2", "one"], {}), ("Transpose", ["t3"], {"perm": [1, 0, 2]}), ("Tanh", ["t4"], {}),
    ]  # fmt: skip
    weights = {"one": whole(1), "same": whole(3, 1, 1, 4)}
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    net = agrees(write(tmp_path / "one.onnx", steps, shape=(1, 3, 4), weights=weights), x[:1])
    np.testing.assert_allclose(net.forward(x), np.tanh(x), rtol=1e-6)


@pytest.mark.parametrize("shape", [("N", "H", 3), ("N", 3, "H"), ("N", 2, "H", 3), ("N", 2, 3, "H", 2)])
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_sizes_rounded_to_a_multiple_are_not_taken_for_the_whole(shape: Any, parts: int, tmp_path: Path) -> None:
    axis = shape.index("H")
    steps: list[Step] = [
        ("Shape", ["x"], {}), ("Gather", ["t0", "axis"], {}), ("Div", ["t1", "parts"], {}),
        ("Mul", ["t2", "parts"], {}), ("Slice", ["x", "zero", "t3", "axis"], {}),
    ]  # fmt: skip
    weights = {"axis": whole(axis), "parts": whole(parts), "zero": whole(0)}
    path = write(tmp_path / "round.onnx", steps, shape=shape, weights=weights)
    with pytest.raises(NotImplementedError, match="depend on a free size"):
        load(path)
    size = 2 * parts + 1
    fixed = tuple(size if n == "H" else n for n in shape)
    x = np.random.default_rng(0).normal(size=(2, *fixed[1:])).astype(np.float32)
    agrees(path, x, shapes={"x": fixed})


def test_a_slice_that_starts_at_a_free_end_is_refused(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Shape", ["x"], {}), ("Gather", ["t0", "axis"], {}), ("Slice", ["x", "t1", "far", "axis"], {}),
    ]  # fmt: skip
    weights = {"axis": whole(2), "far": whole(2**40)}
    path = write(tmp_path / "empty.onnx", steps, shape=("N", 3, "T"), weights=weights)
    with pytest.raises(NotImplementedError, match="depend on a free size"):
        load(path)


def test_a_number_becomes_one_number_for_each_channel(tmp_path: Path) -> None:
    path = write(tmp_path / "s.onnx", [("Mul", ["x", "half"], {})], shape=("N", 3, 4, 5), weights=CONSTANTS)
    assert load(path).nodes[0].layer == layers.Affine(scale=np.full(3, 0.5, np.float32))


def test_an_index_computed_from_a_free_size_counts_from_the_end(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Relu", ["x"], {}), ("Shape", ["t0"], {}), ("Gather", ["t1", "two"], {}), ("Sub", ["t2", "one"], {}),
        ("Gather", ["t0", "t3"], {"axis": 2}),
    ]  # fmt: skip
    weights = {"two": np.array(2, np.int64), "one": np.array(1, np.int64)}
    path = write(tmp_path / "last.onnx", steps, shape=("N", 3, "T"), weights=weights)
    net = agrees(path, np.random.default_rng(0).normal(size=(2, 3, 9)).astype(np.float32))
    assert net.nodes[-1].layer == layers.Gather(-1, 2)
    halves = [*steps[:3], ("Div", ["t2", "two"], {}), ("Unsqueeze", ["t3", "axis"], {}),
              ("Slice", ["t0", "axis", "t4", "two_"], {})]  # fmt: skip
    more = {**weights, "axis": whole(0), "two_": whole(2)}
    path = write(tmp_path / "half.onnx", halves, shape=("N", 3, "T"), weights=more)
    with pytest.raises(NotImplementedError, match=r"depend on a free size of the input: fix it with load\("):
        load(path)
    agrees(path, np.random.default_rng(0).normal(size=(2, 3, 9)).astype(np.float32), shapes={"x": ("N", 3, 9)})


def test_batch_norm_as_a_product_and_a_sum_is_one_layer(tmp_path: Path) -> None:
    steps: list[Step] = [("Mul", ["x", "s"], {}), ("Add", ["t0", "b"], {}), ("Relu", ["t1"], {})]
    weights = {"s": weight(3, 1), "b": weight(1, 3, 1)}
    net = agrees(
        write(tmp_path / "bn.onnx", steps, shape=("N", 3, 4), weights=weights),
        np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32),
    )
    assert net.nodes[0].layer == layers.Affine(weights["s"].reshape(3), weights["b"].reshape(3))
    assert kinds(net) == ["Affine", "ReLU"]


def test_names_come_from_the_file_and_are_unique(tmp_path: Path) -> None:
    steps: list[Step] = [
        ("Conv", ["x", "w"], {"name": "/features/features.0/Conv"}),
        ("Relu", ["t0"], {"name": "/features/features.1/Relu"}),
        ("Relu", ["t1"], {"name": ""}),
        ("Relu", ["t2"], {"name": "node_relu_7"}),
        ("Tanh", ["t3"], {"name": "/block/Tanh"}),
        ("Relu", ["t4"], {"name": "/block/Relu"}),
        ("Relu", ["t5"], {"name": "x:1"}),
        ("Relu", ["t6"], {"name": "x"}),
        ("Relu", ["t7"], {"name": "StatefulPartitionedCall/model/act/Relu;model/act/Relu"}),
    ]
    net = load(write(tmp_path / "n.onnx", steps, shape=("N", 2, 3), weights={"w": weight(2, 2, 1)}))
    assert [n.name for n in net.nodes] == [
        "features.0", "features.1", "relu1", "relu_7", "block.Tanh", "block.Relu", "x_1", "x_2", "model.act",
    ]  # fmt: skip


def test_selu_of_the_paper_is_recognised(tmp_path: Path) -> None:
    net = load(write(tmp_path / "s.onnx", [("Selu", ["x"], {})], shape=("N", 2)))
    assert net.nodes[0].layer == layers.SELU()


def test_float64_stays_float64_and_mixed_files_are_promoted(tmp_path: Path) -> None:
    steps: list[Step] = [("Cast", ["x"], {"to": 11}), ("MatMul", ["t0", "w"], {})]
    w = np.random.default_rng(0).normal(size=(3, 2))
    path = write(tmp_path / "d.onnx", steps, shape=("N", 3), weights={"w": w})
    net = load(path)
    assert net.dtype == np.float64
    x = np.random.default_rng(1).normal(size=(4, 3))
    np.testing.assert_allclose(net.forward(x), x @ w, rtol=1e-14)


def test_a_constant_for_each_sample_is_one_if_all_are_the_same(tmp_path: Path) -> None:
    """Zeros of the batch's free size, moved by a constant; and numbers that count the samples, which are refused."""
    weights = {"zero": number(0.0), "half": number(0.5), "four": whole(4), "last": whole(0), "start": whole(0)}
    steps: list[Step] = [
        ("Shape", ["x"], {"start": 0, "end": 1}),
        ("Concat", ["t0", "four"], {"axis": 0}),
        ("Expand", ["zero", "t1"], {}),
        ("Add", ["t2", "half"], {}),
    ]
    for kind, reads in (("Add", ["x", "t3"]), ("Add", ["t3", "x"]), ("Sub", ["x", "t3"]), ("Sub", ["t3", "x"])):
        path = write(tmp_path / "m.onnx", [*steps, (kind, reads, {})], shape=("N", 4), weights=weights)
        for n in (1, 2, 5):
            agrees(path, weight(n, 4))
    counted: list[Step] = [
        ("Squeeze", ["t0", "last"], {}),
        ("Range", ["first", "t4", "step"], {}),
        ("Cast", ["t5"], {"to": 1}),
        ("Unsqueeze", ["t6", "one"], {}),
        ("Add", ["x", "t7"], {}),
    ]
    weights |= {"first": np.array(0, np.int64), "step": np.array(1, np.int64), "one": whole(1)}
    path = write(tmp_path / "m.onnx", [*steps, *counted], shape=("N", 4), weights=weights)
    with pytest.raises(UnsupportedError, match="depends on a free size"):
        load(path)
