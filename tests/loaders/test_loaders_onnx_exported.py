"""What PyTorch's newer exporter writes, node for node: circular padding, uneven pooling, a softplus in two parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load
from lrp_ref.network import Network


def kinds(net: Network) -> list[str]:
    return [type(n.layer).__name__ for n in net.nodes]


def points(*axes: Any) -> np.ndarray[Any, Any]:
    """Indices as torch's index_put and index make them: broadcast against each other, one per axis at the end."""
    return np.stack(np.broadcast_arrays(*map(np.asarray, axes)), axis=-1).astype(np.int64)


def bins(size: int, out: int) -> np.ndarray[Any, Any]:
    """Positions of adaptive pooling: bin k goes from ⌊k·size/out⌋ to ⌈(k+1)·size/out⌉, filled up at its end."""
    first = np.arange(out) * size // out
    last = -(-(np.arange(out) + 1) * size // out)
    return np.minimum(first[:, None] + np.arange((last - first).max()), size - 1)


SIZE = np.array([3.0, 4.0, 4.0, 3.0], np.float32)  # of the bins of 11 values in 4 bins
UNEVEN_1D: list[Step] = [
    ("Unsqueeze", ["x", "minus2"], {}),
    ("Transpose", ["t0"], {"perm": [2, 3, 0, 1]}),
    ("GatherND", ["t1", "places"], {}),
    ("Transpose", ["t2"], {"perm": [4, 5, 0, 1, 2, 3]}),
    ("Where", ["mask", "zero", "t3"], {}),
    ("Gather", ["t4", "n0"], {"axis": 3}),
    *[("Gather", ["t5", f"n{k}"], {"axis": 4}) for k in range(4)],
    ("Add", ["t6", "t7"], {}),
    ("Add", ["t10", "t8"], {}),
    ("Add", ["t11", "t9"], {}),
    ("Div", ["t12", "sizes"], {}),
    ("Squeeze", ["t13", "minus2"], {}),
]
UNEVEN_1D_WEIGHTS = {
    "minus2": whole(-2),
    "places": points(np.zeros((1, 1, 1, 1)), bins(11, 4)[None, None]),
    "zero": number(0),
    "mask": np.arange(4) >= SIZE[:, None],
    "sizes": SIZE,
    **{f"n{k}": np.array(k, np.int64) for k in range(4)},
}

# name: steps, shape of x, weights, opset
LINEAR: dict[str, tuple[list[Step], tuple[int, ...], dict[str, Any], int]] = {
    "circular 1d": ([("Pad", ["x", "p"], {"mode": "wrap"})], (2, 3, 5), {"p": whole(0, 0, 2, 0, 0, 5)}, 19),
    "circular 2d": (
        [("Pad", ["x", "p"], {"mode": "wrap"})],
        (2, 3, 4, 5),
        {"p": whole(0, 0, 1, 2, 0, 0, 0, 3)},
        20,
    ),
    "circular channels": (
        [("Pad", ["x", "p", "", "a"], {"mode": "wrap"})],
        (2, 3, 4),
        {"p": whole(1, 2), "a": whole(1)},
        19,
    ),
    "list of positions": (
        [
            ("Transpose", ["x"], {"perm": [1, 0, 2]}),
            ("GatherND", ["t0", "i"], {}),
            ("Transpose", ["t1"], {"perm": [1, 0, 2]}),
        ],
        (2, 4, 3),
        {"i": points([0, 2, 2, -1])},
        18,
    ),
    "nearest exact": (
        [
            ("Transpose", ["x"], {"perm": [2, 3, 0, 1]}),
            ("GatherND", ["t0", "i"], {}),
            ("Transpose", ["t1"], {"perm": [2, 3, 0, 1]}),
        ],
        (2, 3, 2, 3),
        {"i": points(np.repeat([0, 1], 2)[:, None], np.repeat([0, 1, 2], 2))},
        18,
    ),
    "one axis with a matrix of positions": (
        [
            ("Transpose", ["x"], {"perm": [2, 0, 1]}),
            ("GatherND", ["t0", "i"], {}),
            ("Transpose", ["t1"], {"perm": [2, 3, 0, 1]}),
        ],
        (2, 3, 5),
        {"i": points([[0, 4, 1], [3, 3, 2]])},
        18,
    ),
    "repeated positions": (
        [
            ("Transpose", ["x"], {"perm": [1, 2, 0]}),
            ("GatherND", ["t0", "i"], {}),
            ("Transpose", ["t1"], {"perm": [3, 0, 1, 2]}),
        ],
        (2, 3, 4),
        {"i": points(np.array([2, 0])[:, None, None], np.zeros((1, 3, 1)) + 1).repeat(2, axis=2)},
        18,
    ),
    "uneven pooling 1d": (UNEVEN_1D, (2, 3, 11), UNEVEN_1D_WEIGHTS, 18),
    "uneven pooling 2d": (
        [
            ("Transpose", ["x"], {"perm": [2, 3, 0, 1]}),
            ("GatherND", ["t0", "places"], {}),
            ("Transpose", ["t1"], {"perm": [4, 5, 0, 1, 2, 3]}),
            ("ReduceMean", ["t2", "a"], {"keepdims": 0}),
        ],
        (2, 3, 9, 6),
        {"places": points(bins(9, 4)[:, :, None, None], bins(6, 4)), "a": whole(-3, -1)},
        18,
    ),
    "expand": ([("Expand", ["x", "s"], {})], (2, 3, 1, 4), {"s": whole(1, 1, 5, 1)}, 18),
    "expand and merge": (
        [("Unsqueeze", ["x", "a"], {}), ("Expand", ["t0", "s"], {}), ("Reshape", ["t1", "to"], {})],
        (2, 3, 4),
        {"a": whole(2), "s": whole(1, 1, 2, 1), "to": whole(-1, 6, 4)},
        18,
    ),
    "constant wider than the signal": ([("Mul", ["x", "c"], {})], (2, 3, 1, 4), {"c": weight(3, 5, 1)}, 18),
    "tile": ([("Tile", ["x", "r"], {})], (2, 3, 4), {"r": whole(1, 2, 3)}, 18),
    "mask of two signals": (
        [("Mul", ["x", "c"], {}), ("Where", ["m", "x", "t0"], {})],
        (2, 3, 4),
        {"c": number(-0.5), "m": np.array([[True], [False], [True]])},
        18,
    ),
    "pixel shuffle": ([("DepthToSpace", ["x"], {"blocksize": 2, "mode": "CRD"})], (2, 8, 3, 2), {}, 18),
    "depth to space": ([("DepthToSpace", ["x"], {"blocksize": 2})], (2, 8, 3, 2), {}, 18),
    "space to depth": ([("SpaceToDepth", ["x"], {"blocksize": 2})], (2, 3, 4, 6), {}, 18),
    **{
        f"linear {mode} {scale}": (
            [("Resize", ["x", "", "s"], {"mode": "linear", "coordinate_transformation_mode": mode})],
            (2, 3, 4, 5),
            {"s": np.array([1, 1, *scale], np.float32)},
            17,
        )
        for mode in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
        for scale in ((2, 1), (2, 3), (0.5, 2), (1.5, 0.25))
        if mode != "align_corners" or scale[1] >= 1
    },
    "linear to sizes": (
        [
            (
                "Resize",
                ["x", "", "", "s"],
                {"mode": "linear", "coordinate_transformation_mode": "align_corners", "axes": [2, 3]},
            )
        ],
        (2, 3, 4, 5),
        {"s": whole(7, 1)},
        18,
    ),
    "linear of some axes": (
        [("Resize", ["x", "", "", "s"], {"mode": "linear", "axes": [3]})],
        (2, 3, 4, 5),
        {"s": whole(8)},
        18,
    ),
    "linear 1d": (
        [("Resize", ["x", "", "s"], {"mode": "linear"})],
        (2, 3, 5),
        {"s": np.array([1, 1, 2], np.float32)},
        17,
    ),
    "linear 3d": (
        [("Resize", ["x", "", "s"], {"mode": "linear"})],
        (2, 2, 3, 2, 3),
        {"s": np.array([1, 1, 2, 2, 1], np.float32)},
        17,
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_map_agrees_and_its_relevance_is_that_of_its_matrix(name: str, tmp_path: Path) -> None:
    """R_i = Σ_j x_i w_ij/z_j · R_j, with the matrix w read off onnxruntime, one unit vector after the other."""
    steps, shape, weights, opset = LINEAR[name]
    x = np.abs(np.random.default_rng(len(name)).normal(size=shape)).astype(np.float32) + 0.5
    path = write(tmp_path / "m.onnx", steps, shape=("N", *shape[1:]), weights=weights, opset=opset)
    net = agrees(path, x)
    units = np.eye(x[0].size, dtype=np.float32).reshape(-1, *shape[1:])
    (matrix,) = run_ort(path, {"x": units})
    matrix = matrix.reshape(len(units), -1).astype(np.float64)
    flat = x.reshape(len(x), -1).astype(np.float64)
    z = flat @ matrix
    start = np.random.default_rng(1).normal(size=z.shape)
    # An output without any input (masked away) has no relevance to give.
    shares = np.divide(start, z, out=np.zeros_like(z), where=np.abs(z) > 1e-6)
    expected = flat * (shares @ matrix.T)
    out = net.astype(np.float64).forward(x.astype(np.float64))
    e = lrp.explain(
        net, x.astype(np.float64), composite="lrp0", start=np.where(np.abs(z) > 1e-6, start, 0).reshape(out.shape)
    )
    np.testing.assert_allclose(e.relevance.reshape(len(x), -1), expected, rtol=1e-5, atol=1e-5)
    assert e.ledger.residual < 1e-12


MISH_OLD: list[Step] = [("Softplus", ["x"], {}), ("Tanh", ["t0"], {}), ("Mul", ["x", "t1"], {})]


@pytest.mark.parametrize(("steps", "opset"), [(MISH_OLD, 17), ([("Mish", ["x"], {})], 18)], ids=["nodes", "operator"])
def test_mish_is_an_activation_whose_relevance_passes(steps: list[Step], opset: int, tmp_path: Path) -> None:
    x = np.linspace(-6, 6, 40, dtype=np.float32).reshape(2, 20)
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 20), opset=opset), x)
    assert net.nodes[-1].layer == layers.Multiply(gate=1)
    e = lrp.explain(net, x.astype(np.float64), start=np.ones((2, 20)))
    np.testing.assert_allclose(e.relevance, np.ones((2, 20)), rtol=1e-12)


def cut_softplus(threshold: float, beta: float | None = None, *, other: str = "x", outer: float = 1.0) -> list[Step]:
    """softplus(β·x)/β as the exporter writes it: x itself where β·x is above the threshold."""
    if beta is None:
        return [("Softplus", ["x"], {}), ("Greater", ["x", "t"], {}), ("Where", ["t1", other, "t0"], {})]
    return [
        ("Mul", ["x", "beta"], {}),
        ("Softplus", ["t0"], {}),
        ("Div", ["t1", "beta"], {}),
        ("Greater", ["t0", "t"], {}),
        ("Where", ["t3", other, "t2"], {}),
    ]


@pytest.mark.parametrize("beta", [None, 1.0, 0.5, 3.0])
def test_a_softplus_with_a_threshold_is_a_softplus(beta: float | None, tmp_path: Path) -> None:
    x = np.array([[-90, -3, 0, 1.5], [6.6, 19.9, 20.1, 80]], dtype=np.float32)
    weights = {"t": number(20), **({} if beta is None else {"beta": number(beta)})}
    net = agrees(write(tmp_path / "m.onnx", cut_softplus(20, beta), shape=("N", 4), weights=weights), x)
    assert kinds(net) == (["Softplus"] if beta is None else ["Affine", "Softplus", "Affine"])


@pytest.mark.parametrize("kind", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("order", [["x", "c"], ["c", "x"]])
@pytest.mark.parametrize("t", [0.0, 0.25])
def test_a_choice_between_a_signal_and_its_threshold_is_a_bound(
    kind: str, turned: bool, order: list[str], t: float, tmp_path: Path
) -> None:
    steps: list[Step] = [(kind, ["t", "x"] if turned else ["x", "t"], {}), ("Where", ["t0", *order], {})]
    x = np.linspace(-1, 1, 9, dtype=np.float32).reshape(1, 9)
    net = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 9), weights={"t": number(t), "c": number(t)}), x)
    low = (order[0] == "x") == (kind.startswith("Greater") != turned)
    assert [n.layer for n in net.nodes] == [
        layers.Clip(None, t) if not low else layers.ReLU() if t == 0 else layers.Clip(t)
    ]
    for weights in ({"t": number(t), "c": number(0.5)}, {"t": number(t), "c": np.full(9, t, np.float32)}):
        made = agrees(write(tmp_path / "m.onnx", steps, shape=("N", 9), weights=weights), x)
        assert [type(n.layer).__name__ for n in made.nodes] == ["Compare", "Constant", "Where"]


CHOICES: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "softplus cut where it is not linear": (cut_softplus(5), {"t": number(5)}),
    "softplus of another beta": (cut_softplus(20, 2.0), {"t": number(20), "beta": number(2), "swap": number(1)}),
    "relu instead": (
        [("Relu", ["x"], {}), ("Greater", ["x", "t"], {}), ("Where", ["t1", "x", "t0"], {})],
        {"t": number(1)},
    ),
    "another signal compared": (
        [("Softplus", ["x"], {}), ("Neg", ["x"], {}), ("Greater", ["t1", "t"], {}), ("Where", ["t2", "x", "t0"], {})],
        {"t": number(1)},
    ),
    "another constant": (
        [("Greater", ["x", "t"], {}), ("Where", ["t0", "x", "c"], {})],
        {"t": number(0), "c": number(1)},
    ),
    "a truth value as a factor": (
        [("Less", ["x", "t"], {}), ("Cast", ["t0"], {"to": 1}), ("Mul", ["x", "t1"], {})],
        {"t": number(0)},
    ),
    "bounds of each column": (
        [("Greater", ["x", "t"], {}), ("Where", ["t0", "x", "m"], {})],
        {"t": weight(4), "m": number(-1)},
    ),
    "two signals": ([("Neg", ["x"], {}), ("LessOrEqual", ["x", "t0"], {}), ("Where", ["t1", "x", "t0"], {})], {}),
    "logic": (
        [
            ("Greater", ["x", "t"], {}),
            ("Less", ["x", "c"], {}),
            ("And", ["t0", "t1"], {}),
            ("Or", ["t0", "t1"], {}),
            ("Xor", ["t2", "t3"], {}),
            ("Not", ["t4"], {}),
            ("Where", ["t5", "x", "t"], {}),
        ],
        {"t": number(-0.5), "c": number(0.5)},
    ),
    "logic with masks": (
        [
            ("Greater", ["x", "t"], {}),
            ("And", ["t0", "m"], {}),
            ("Or", ["m2", "t1"], {}),
            ("Xor", ["t2", "m"], {}),
            ("Where", ["t3", "t", "x"], {}),
        ],
        {"t": number(0), "m": np.array([True, False, True, True]), "m2": np.array([False, False, True, False])},
    ),
    "equality": ([("Equal", ["x", "t"], {}), ("Where", ["t0", "c", "x"], {})], {"t": number(0.5), "c": number(3)}),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_is_no_rectifier_is_made_as_the_file_says(name: str, tmp_path: Path) -> None:
    steps, weights = CHOICES[name]
    if "swap" in weights:  # β in one place and not in the other
        weights = {k: v for k, v in weights.items() if k != "swap"} | {"b2": number(3)}
        steps = [(k, ["t1", "b2"] if k == "Div" else r, a) for k, r, a in steps]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights, opset=19)
    agrees(path, np.array([[0.5, -0.5, 0, 3], [-2, 0.25, 7, 0.5], [25, 1, -30, 20]], dtype=np.float32))


def test_minus_infinity_beside_a_mask_becomes_nothing_below_a_softmax(tmp_path: Path) -> None:
    steps: list[Step] = [("Where", ["m", "x", "t"], {}), ("Add", ["t0", "a"], {}), ("Softmax", ["t1"], {})]
    weights = {"t": number(-np.inf), "m": np.array([True, False, True, True]), "a": np.array([0, 0, -np.inf, 0], "f4")}
    agrees(write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights), weight(3, 4))


@pytest.mark.parametrize(
    ("steps", "weights", "reason"),
    [
        ([("Greater", ["x", "t"], {})], {"t": number(0)}, "output 'y' holds truth values"),
        ([("Where", ["m", "x", "t"], {})], {"t": number(np.nan), "m": np.array([True, False, True, True])}, "finite"),
        ([("GatherND", ["x", "i"], {})], {"i": points([0, 1])}, "samples would be mixed"),
        ([("Tile", ["x", "r"], {})], {"r": whole(2, 1)}, "axis 0 is the batch"),
    ],
)
def test_what_is_refused_says_why(steps: list[Step], weights: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights=weights, opset=19)
    with pytest.raises(UnsupportedError, match=reason):
        load(path)


def test_positions_that_are_no_grid_are_taken_one_by_one(tmp_path: Path) -> None:
    turn: Step = ("Transpose", ["x"], {"perm": [1, 2, 0]})
    for i in (
        points([0, 1, 2], [0, 1, 2]),  # a diagonal
        points(np.array([0, 1]), np.array([[0], [1]])),  # axes in the other order
        points(1, -1),  # a single position
    ):
        path = write(tmp_path / "m.onnx", [turn, ("GatherND", ["t0", "i"], {})], shape=("N", 3, 4), weights={"i": i})
        agrees(path, weight(2, 3, 4))
    i = points(np.array([[0], [3]]), np.array([0, 1]))
    path = write(tmp_path / "m.onnx", [turn, ("GatherND", ["t0", "i"], {})], shape=("N", 3, 4), weights={"i": i})
    with pytest.raises(UnsupportedError, match="outside an axis of size 3"):
        load(path)
    path = write(
        tmp_path / "f.onnx", [turn, ("GatherND", ["t0", "i"], {})], shape=("N", "C", 4), weights={"i": points([0])}
    )
    with pytest.raises(UnsupportedError, match="free"):
        load(path)


@pytest.mark.parametrize(
    ("attributes", "scales", "reason"),
    [
        ({}, (2, 1, 2, 2), "resizes the batch"),
        ({"coordinate_transformation_mode": "align_corners"}, (1, 1, 0.6, 1), "not a whole number"),
    ],
)
def test_interpolation_that_is_refused(
    attributes: dict[str, Any], scales: tuple[float, ...], reason: str, tmp_path: Path
) -> None:
    step: Step = ("Resize", ["x", "", "s"], {"mode": "linear", **attributes})
    path = write(
        tmp_path / "m.onnx", [step], shape=("N", 3, 4, 5), weights={"s": np.array(scales, np.float32)}, opset=19
    )
    with pytest.raises(UnsupportedError, match=reason):
        load(path)
    step = ("Resize", ["x", "", "s"], {"mode": "linear"})
    path = write(tmp_path / "f.onnx", [step], shape=("N", 3, "H", 5), weights={"s": np.array([1, 1, 2, 1], np.float32)})
    with pytest.raises(UnsupportedError, match="depends on a free size"):
        load(path)
    fixed = load(path, shapes={"x": (None, 3, 4, 5)})
    assert fixed.forward(np.ones((1, 3, 4, 5), np.float32)).shape == (1, 3, 8, 5)


def test_interpolation_to_sizes_that_name_the_batch_too(tmp_path: Path) -> None:
    step: Step = ("Resize", ["x", "", "", "s"], {"mode": "linear"})
    path = write(tmp_path / "m.onnx", [step], shape=(2, 3, 4, 5), weights={"s": whole(2, 3, 6, 9)})
    agrees(path, weight(2, 3, 4, 5))


BUG = Path(__file__).parents[3] / "shared" / "bug-inputs"


@pytest.mark.skipif(not BUG.exists(), reason="../shared is absent")
def test_the_stored_relevance_through_a_bilinear_resize() -> None:
    right = np.load(BUG / "bilinear_small_right.npz")
    net = load(BUG / "bilinear_small.onnx")
    x = right["x"].astype(np.float64)
    e = lrp.explain(net, x, composite="lrp0", target=9)
    stored = right["relevance_lrp0_target9"]
    np.testing.assert_allclose(e.relevance, stored, atol=1e-5 * np.abs(stored).max())
    assert e.ledger.residual < 1e-12


STORED = [
    "attention",
    "ecg_gru",
    "fp16_inside",
    "groupnorm",
    "layernorm",
    "masked_mean",
    "pixelshuffle",
    "textcnn_embedding",
]


@pytest.mark.skipif(not BUG.exists(), reason="../shared is absent")
@pytest.mark.parametrize("file", STORED)
def test_stored_files_compute_what_onnxruntime_computes_and_are_explained(file: str) -> None:
    net, rng = load(BUG / f"{file}.onnx"), np.random.default_rng(0)
    fed: dict[str, Any] = {}
    for spec in net.inputs:
        shape = tuple(2 if k == spec.batch_axis else n or 7 for k, n in enumerate(spec.shape or ()))
        whole_numbers = spec.element_type.startswith("int")
        fed[spec.name] = rng.integers(0, 2, shape) if whole_numbers else rng.normal(size=shape).astype(np.float32)
    (theirs,) = run_ort(BUG / f"{file}.onnx", fed)
    ours = net.forward(fed)
    rough = 2e-3 if file == "fp16_inside" else 1e-5  # half precision is computed in single precision here
    np.testing.assert_allclose(ours, theirs, rtol=rough, atol=rough * np.abs(theirs).max())
    exact = {k: a if a.dtype.kind == "i" else a.astype(np.float64) for k, a in fed.items()}
    assert lrp.explain(net.astype("float64"), exact).ledger.residual < 1e-10
