"""Operators that move values, sum them in fixed windows, or are an Einsum: compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, onnx, run_ort, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Affine, Conv, Dense, Gather, MatMul, Multiply, Transpose
from lrp_ref.loaders import load
from lrp_ref.loaders.onnx.einsum import labelled

Case = tuple[Step, tuple[int, ...], dict[str, Any], int]
N = 3  # the batch, where the constants of a case have it too


def rows(array: Any) -> np.ndarray[Any, Any]:
    """Return the same integers for every sample of the batch."""
    return np.broadcast_to(np.asarray(array, dtype=np.int64), (N, *np.shape(array))).copy()


POINTS = np.stack(np.meshgrid(np.arange(N), [0, 2], [1], indexing="ij"), -1)  # of each sample (0, 1) and (2, 1)
LINEAR: dict[str, Case] = {
    "gather of a table of positions": (
        ("Gather", ["x", "i"], {"axis": 1}),
        (N, 4, 5),
        {"i": whole(3, -1, 0, 0, 1, 2).reshape(2, 3)},
        13,
    ),
    "gather of a table along the last axis": (
        ("Gather", ["x", "i"], {"axis": -1}),
        (N, 4, 5),
        {"i": whole(3, -1, 0, 0).reshape(2, 1, 2)},
        13,
    ),
    "gather elements": (
        ("GatherElements", ["x", "i"], {"axis": 2}),
        (N, 2, 4),
        {"i": rows([[3, -1, 0], [1, 1, 2]])},
        13,
    ),
    "gather elements of fewer rows": (
        ("GatherElements", ["x", "i"], {"axis": -1}),
        (N, 2, 4),
        {"i": rows([[3, -1, 0]])},
        13,
    ),
    "gather points with a shared batch": (
        ("GatherND", ["x", "i"], {"batch_dims": 1}),
        (N, 3, 4),
        {"i": rows([[2, -1], [0, 1], [1, 1]])},
        13,
    ),
    "gather points that name the batch": (("GatherND", ["x", "i"], {}), (N, 3, 4), {"i": POINTS.reshape(N, 2, 3)}, 13),
    "gather rows with a shared batch": (
        ("GatherND", ["x", "i"], {"batch_dims": 1}),
        (N, 3, 4),
        {"i": rows([[2], [0]])},
        13,
    ),
    "compress": (("Compress", ["x", "c"], {"axis": 2}), (N, 2, 4), {"c": np.array([True, False, True])}, 13),
    "reverse sequence": (
        ("ReverseSequence", ["x", "l"], {"batch_axis": 0, "time_axis": 1}),
        (N, 4, 2),
        {"l": rows(3)},
        13,
    ),
    "upper triangle": (("Trilu", ["x"], {}), (N, 3, 4), {}, 14),
    "lower triangle": (("Trilu", ["x", "k"], {"upper": 0}), (N, 3, 4), {"k": np.array(1, np.int64)}, 14),
    "upper triangle from below": (("Trilu", ["x", "k"], {}), (N, 2, 3, 3), {"k": np.array(-1, np.int64)}, 14),
    **{
        f"running sum {exclusive}{reverse} along {axis}": (
            ("CumSum", ["x", "a"], {"exclusive": exclusive, "reverse": reverse}),
            (N, 3, 4),
            {"a": np.array(axis, np.int64)},
            14,
        )
        for exclusive in (0, 1)
        for reverse in (0, 1)
        for axis in (1, -1)
    },
    "fold": (("Col2Im", ["x", "s", "b"], {}), (N, 12, 6), {"s": whole(3, 4), "b": whole(2, 2)}, 18),
    "fold with everything": (
        ("Col2Im", ["x", "s", "b"], {"strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]}),
        (N, 8, 6),
        {"s": whole(4, 4), "b": whole(2, 2)},
        18,
    ),
    "fold of a line": (("Col2Im", ["x", "s", "b"], {"strides": [2]}), (N, 6, 3), {"s": whole(8), "b": whole(3)}, 18),
    **{
        f"pad wrap {pads}": (
            ("Pad", ["x", "p"], {"mode": "wrap"}),
            (N, 2, 4),
            {"p": whole(0, 0, pads[0], 0, 1, pads[1])},
            19,
        )
        for pads in ((1, 2), (4, 0), (9, 5), (-1, 2), (3, -2), (-1, -1), (-1, 7))
    },
    **{
        f"pad {mode} {pads}": (("Pad", ["x", "p"], {"mode": mode}), (N, 5), {"p": whole(0, pads[0], 0, pads[1])}, 18)
        for mode in ("reflect", "edge", "constant")
        for pads in ((-1, 2), (3, -1), (-2, -1))
    },
    "tile": (("Tile", ["x", "r"], {}), (N, 2, 3), {"r": whole(1, 3, 2)}, 13),
    "expand with new axes": (("Expand", ["x", "s"], {}), (N, 1), {"s": whole(2, 1, 4)}, 13),
    "expand with axes of size 1": (("Expand", ["x", "s"], {}), (N, 3), {"s": whole(1, 1, 3)}, 13),
    "blocks to pixels": (("DepthToSpace", ["x"], {"blocksize": 3, "mode": "CRD"}), (N, 18, 2, 1), {}, 13),
    "pixels to blocks": (("SpaceToDepth", ["x"], {"blocksize": 3}), (N, 2, 6, 3), {}, 13),
    "scatter zeros": (
        ("ScatterElements", ["x", "i", "u"], {"axis": 1}),
        (N, 4),
        {"i": rows([2, -4]), "u": np.zeros((N, 2), np.float32)},
        13,
    ),
    "scatter into zeros": (
        ("ScatterElements", ["d", "i", "x"], {"axis": 1}),
        (N, 2),
        {"i": rows([2, 0]), "d": np.zeros((N, 4), np.float32)},
        13,
    ),
    "split of no values": (
        ("Split", ["x", "s"], {"axis": 1, "outputs": ["e", "y"]}),
        (N, 4, 2),
        {"s": whole(0, 4)},
        13,
    ),
    "concat of itself": (("Concat", ["x"], {"axis": 1}), (N, 4, 2), {}, 13),
    "slice backwards": (
        ("Slice", ["x", "s", "e", "a", "d"], {}),
        (N, 6),
        {"s": whole(-1), "e": whole(-100), "a": whole(1), "d": whole(-4)},
        13,
    ),
    "slice of nothing beyond": (
        ("Slice", ["x", "s", "e"], {}),
        (N, 6),
        {"s": whole(-100, -3), "e": whole(100, 50)},
        13,
    ),
}
EINSUMS = {
    "bij,jk->bik": Dense, "bij,jk": Dense, "...ij,jk->...ik": Dense, "bij,kj->bki": Dense, "bhi,hij->bhj": Conv,
    "bhi,hij->bjh": Conv, "bcij,c->bcij": Affine, "bcij,cj->bijc": Affine, "bij->bji": Transpose, "bij,ij->b": Dense,
    "bij,ij->bij": Affine, "bij,kd->bikdj": Dense, "bij,jikd->bkd": Dense, "bi,b->bi": Affine, "jk,bij->bik": Dense,
    "bhcd,hcde->bche": Conv, "cd,bhcd->bhc": Conv, "bcc,c->b": Dense, "bij,->bij": Affine, "bijj->bij": Gather,
}  # fmt: skip
SIZES = {"b": N, "c": 4, "d": 5, "e": 2, "h": 3, "i": 2, "j": 4, "k": 3}


def shapes(equation: str) -> list[tuple[int, ...]]:
    return [tuple(SIZES[c] for c in term) for term in equation.replace("...", "b").split("->")[0].split(",")]


def einsum(equation: str) -> Case:
    found = shapes(equation)
    x = next(k for k, term in enumerate(equation.replace("...", "b").split("->")[0].split(",")) if "b" in term)
    names = ["w"] * len(found)
    names[x] = "x"
    same = np.full((N,), 0.75, np.float32)
    used = {} if len(found) == 1 else {"w": same if equation == "bi,b->bi" else weight(*found[1 - x])}
    return ("Einsum", names, {"equation": equation}), found[x], used, 13


LINEAR |= {f"einsum {equation}": einsum(equation) for equation in EINSUMS}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_operator_agrees_and_its_relevance_is_that_of_its_matrix(name: str, tmp_path: Path) -> None:
    """R_i = x_i w_ij for output j, with the matrix w read off onnxruntime, one unit vector after the other."""
    step, shape, weights, opset = LINEAR[name]
    path = write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, opset=opset)
    x = weight(*shape)
    net = agrees(path, x)
    assert net.nodes[-1].name.count(".") == 0  # the last layer has the node's own name
    (size,) = {int(np.prod(shape[1:]))}
    axis = (net.output_axes or (0,))[0]
    matrix = []
    for start in range(0, size, N):
        block = np.zeros((N, size), np.float32)
        some = range(start, min(start + N, size))
        block[range(len(some)), some] = 1
        (out,) = run_ort(path, {"x": block.reshape(shape)})
        matrix += list(np.moveaxis(out, axis, 0).reshape(N, -1)[: len(some)])
    double = net.astype(np.float64)
    for j in range(0, len(matrix[0]), 3):
        sample = np.moveaxis(net.forward(x), axis, 0).shape[1:]
        target = tuple(int(k) for k in np.unravel_index(j, sample)) if sample else 0
        e = lrp.explain(double, x.astype(np.float64), target=target, composite="lrp0", start="output")
        assert e.ledger.residual < 1e-12
        expected = x.reshape(N, -1) * np.array(matrix)[:, j]
        np.testing.assert_allclose(e.relevance.reshape(N, -1), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("equation", "layer"), EINSUMS.items())
def test_what_an_einsum_with_a_constant_becomes(equation: str, layer: type, tmp_path: Path) -> None:
    step, shape, weights, opset = einsum(equation)
    net = load(write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, opset=opset))
    assert layer in [type(node.layer) for node in net.nodes]


@pytest.mark.parametrize(
    "equation",
    [
        "bij,bjk->bik", "bhic,bhjc->bhij", "bi,bj->bij", "bi,bi->bi", "bi,bi->b", "bij,bk->bikj", "bij,bij->bi",
        "bijh,bkih->bhjk", "bij,bjk->bki", "bij,bkd->b", "...ij,...jk->...ik", "bij,bjk->bkji", "bii,bi->bi",
        "bijj,bkj->bk",
    ],
)  # fmt: skip
def test_einsum_of_two_signals(equation: str, tmp_path: Path) -> None:
    first, second = shapes(equation)
    step: Step = ("Einsum", ["x", "z"], {"equation": equation})
    other = {"z": (onnx.TensorProto.FLOAT, ("N", *second[1:]))}
    path = write(tmp_path / "m.onnx", [step], shape=("N", *first[1:]), inputs=other, opset=13)
    given = {"x": weight(*first), "z": weight(*second)}
    net = load(path)
    (expected,) = run_ort(path, given)
    got = net.forward(given)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert any(isinstance(node.layer, MatMul | Multiply) for node in net.nodes)


@pytest.mark.parametrize(
    ("equation", "names", "layers"),
    [
        ("bij,jk,kd->bid", "xww", [Dense, Dense]),
        ("jk,kd,bij->bid", "wwx", [Dense, Dense]),
        ("bi,dij,bj->bd", "xwz", [Dense, MatMul]),
        ("bi,bj,dij->bd", "xzw", [Dense, MatMul]),
        ("dij,bi,bj->bd", "wxz", [Dense, MatMul]),
        ("bi,bi,bi->bi", "xzx", [Multiply, Multiply]),
        ("bij,bkj,bkj,kd->bid", "xzzw", [Multiply, MatMul, Dense]),
        ("...ij,jk,...ki->...i", "xwz", [Dense, MatMul]),
        ("bij,i,j->bij", "xww", [Affine, Affine]),
    ],
)  # fmt: skip
def test_einsum_of_more_operands(equation: str, names: str, layers: list[type], tmp_path: Path) -> None:
    reads = [f"w{k}" if name == "w" else name for k, name in enumerate(names)]
    arrays = {name: weight(*shape) for name, shape in zip(reads, shapes(equation), strict=True)}
    weights = {name: a for name, a in arrays.items() if name[0] == "w"}
    given = {name: a for name, a in arrays.items() if name[0] != "w"}
    others = {name: (onnx.TensorProto.FLOAT, ("N", *a.shape[1:])) for name, a in given.items() if name != "x"}
    step: Step = ("Einsum", reads, {"equation": equation})
    shape = ("N", *given["x"].shape[1:])
    path = write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, inputs=others, opset=13)
    net = load(path)
    (expected,) = run_ort(path, given)
    np.testing.assert_allclose(net.forward(given), expected, rtol=1e-5, atol=1e-5)
    found = [type(node.layer) for node in net.nodes]
    assert sorted(t.__name__ for t in found if t in layers) == sorted(t.__name__ for t in layers)
    assert net.nodes[-1].name.count(".") == 0


def test_the_labels_of_an_equation() -> None:
    assert labelled("ij,jk", (2, 2)) == ([("i", "j"), ("j", "k")], ("i", "k"))
    assert labelled("ba", (2,)) == ([("b", "a")], ("a", "b"))
    assert labelled("...a,a...", (3, 2)) == ([(".2", ".1", "a"), ("a", ".1")], (".2", ".1"))
    assert labelled("i...->...", (3,)) == ([("i", ".2", ".1")], (".2", ".1"))


@pytest.mark.parametrize(
    ("equation", "names", "reason"),
    [
        ("bij->ij", ["x"], "sums over the batch"),
        ("bij,bjk->ik", ["x", "x"], ""),
        (",".join(["bij"] * 17) + "->bij", ["x"] * 17, "17 operands with 3 labels"),
        ("bij,jk,kl->il", ["x", "w", "w"], "sums over the batch"),
        ("bij,jk,kl->bilz", ["x", "w", "w"], "the output's label 'z'"),
        ("bij,jq->biz", ["x", "w"], "the output's label 'z'"),
        ("bij,ik->bjk", ["x", "w"], "operands of shapes"),
        ("bi,jk->bik", ["x", "w"], "a tensor with 3 axes"),
        ("b1j->b1", ["x"], "the equation"),
    ],
)
def test_an_einsum_that_is_refused(equation: str, names: list[str], reason: str, tmp_path: Path) -> None:
    step: Step = ("Einsum", names, {"equation": equation})
    used = {"w": weight(4, 4)} if "w" in names else {}
    path = write(tmp_path / "m.onnx", [step], shape=("N", 2, 4), weights=used, opset=13)
    with pytest.raises(UnsupportedError, match=rf"Einsum 'y' \(.*{reason}"):
        load(path)


# What is not linear, or has constants -------------------------------------------------------------------------------

OTHER: dict[str, Case] = {
    **{
        f"p-norm {p} {k}": (("LpPool", ["x"], {"kernel_shape": [3, 2], "p": p, **attributes}), (N, 3, 6, 7), {}, 18)
        for p in (1, 2, 3)
        for k, attributes in enumerate(
            (
                {},
                {"strides": [2, 2], "pads": [1, 0, 1, 1]},
                {"dilations": [2, 1]},
                {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
            )
        )
    },
    "p-norm of everything": (("GlobalLpPool", ["x"], {"p": 3}), (N, 3, 4, 5), {}, 13),
    "p-norm of everything 2": (("GlobalLpPool", ["x"], {}), (N, 3, 4), {}, 13),
    "scatter numbers": (
        ("ScatterElements", ["x", "i", "u"], {"axis": -1}),
        (N, 4),
        {"i": rows([2, 0]), "u": rows([5, -7]).astype(np.float32)},
        13,
    ),
    "scatter among numbers": (
        ("ScatterElements", ["d", "i", "x"], {"axis": 1}),
        (N, 2),
        {"i": rows([2, 0]), "d": rows([1, 2, 3, 4]).astype(np.float32)},
        13,
    ),
    "scatter points": (
        ("ScatterND", ["x", "i", "u"], {}),
        (N, 3, 4),
        {
            "i": np.stack(np.meshgrid(np.arange(N), [2], indexing="ij"), -1),
            "u": rows([[5, -7, 0, 1]]).astype(np.float32),
        },
        13,
    ),
    "pad crop and number": (("Pad", ["x", "p", "v"], {}), (N, 5), {"p": whole(0, -2, 0, 3), "v": number(1.5)}, 13),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_operator_agrees_and_closes_its_ledger(name: str, tmp_path: Path) -> None:
    step, shape, weights, opset = OTHER[name]
    x = weight(*shape)
    net = agrees(write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, opset=opset), x)
    e = lrp.explain(net.astype(np.float64), x.astype(np.float64), composite="lrp0", start="output")
    assert e.ledger.residual < 1e-12


def test_a_signal_scattered_into_another(tmp_path: Path) -> None:
    places = np.stack(np.meshgrid(np.arange(N), [2], indexing="ij"), -1)
    steps: list[Step] = [("ReduceSum", ["x", "a"], {}), ("ScatterND", ["x", "i", "t0"], {})]
    path = write(tmp_path / "m.onnx", steps, shape=(N, 3, 4), weights={"a": whole(1), "i": places}, opset=13)
    x = weight(N, 3, 4)
    double, x = agrees(path, x).astype(np.float64), x.astype(np.float64)
    e = lrp.explain(double, x, target=(2, 1), composite="lrp0", start="output")
    # The preset stabilises the two sums on the way, each by the same number.
    z = x[:, :, 1].sum(axis=1, keepdims=True)
    expected = np.zeros_like(x)
    expected[:, :, 1] = x[:, :, 1] * (z / (z + np.copysign(1e-6, z))) ** 2
    np.testing.assert_allclose(e.relevance, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["CenterCropPad"])
@pytest.mark.parametrize("sizes", [(4, 5), (3, 7), (8, 2), (6, 6)])
def test_the_middle_is_cropped_and_padded(kind: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    step: Step = (kind, ["x", "s"], {"axes": [-1, 1]})
    path = write(tmp_path / "m.onnx", [step], shape=("N", 5, 3, 6), weights={"s": whole(*sizes)}, opset=18)
    agrees(path, weight(2, 5, 3, 6))


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("space", [(3, 4), (2, 3, 2), (1, 5)])
def test_a_grid_of_places_by_matrices_of_the_input(space: tuple[int, ...], corners: int, tmp_path: Path) -> None:
    step: Step = ("AffineGrid", ["x", "s"], {"align_corners": corners})
    shape = (N, len(space), len(space) + 1)
    path = write(tmp_path / "m.onnx", [step], shape=shape, weights={"s": whole(N, 3, *space)}, opset=20)
    if corners and 1 in space:
        with pytest.raises(UnsupportedError, match="of size 1, where programs differ"):
            load(path)
    else:
        agrees(path, weight(*shape))


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize("b", [2, 3])
def test_blocks_to_pixels_of_free_sizes(b: int, mode: str, tmp_path: Path) -> None:
    step: Step = ("DepthToSpace", ["x"], {"blocksize": b, "mode": mode})
    path = write(tmp_path / "m.onnx", [step], shape=("N", 2 * b * b, "H", "W"), opset=13)
    for size in ((2, 3), (1, 1), (4, 2)):
        x = weight(2, 2 * b * b, *size)
        net = agrees(path, x)
        assert lrp.explain(net, x, composite="lrp0", target=(1, 0, 0), start="output").relevance.astype(bool).sum() == 2


MIXED: dict[str, Case] = {
    "gather elements": (
        ("GatherElements", ["x", "i"], {"axis": 1}),
        (2, 3),
        {"i": whole(0, 1, 2, 0).reshape(2, 2)},
        13,
    ),
    "compress everything": (("Compress", ["x", "c"], {}), (2, 3), {"c": np.array([True, False, True, True])}, 13),
    "sequences of several lengths": (
        ("ReverseSequence", ["x", "l"], {"batch_axis": 0, "time_axis": 1}),
        (2, 4),
        {"l": whole(3, 2)},
        13,
    ),
    "running sum over rows": (("CumSum", ["x", "a"], {}), (2, 3), {"a": np.array(0)}, 14),
    "triangle of rows": (("Trilu", ["x"], {}), (3, 3), {}, 14),
    "einsum over rows": (("Einsum", ["x", "w"], {"equation": "ij,ik->jk"}), (2, 3), {"w": weight(2, 4)}, 13),
    "more rows": (("Expand", ["x", "s"], {}), (1, 3), {"s": whole(4, 3)}, 13),
    "other rows": (("Resize", ["x", "", "", "s"], {"mode": "linear"}), (2, 3), {"s": whole(4, 3)}, 13),
}


@pytest.mark.parametrize("name", MIXED)
def test_what_mixes_a_batch_of_fixed_size_is_a_map_of_the_whole_array(name: str, tmp_path: Path) -> None:
    step, shape, weights, opset = MIXED[name]
    net = agrees(write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, opset=opset), weight(*shape))
    assert net.inputs[0].batch_axis is None
    free = ("N", *shape[1:])
    with pytest.raises(UnsupportedError, match=f"{step[0]} 'y' "):
        load(write(tmp_path / "m.onnx", [step], shape=free, weights=weights, opset=opset))


@pytest.mark.parametrize(
    ("step", "shape", "weights", "reason"),
    [
        (
            ("GatherElements", ["x", "i"], {"axis": 1}),
            (2, 3),
            {"i": whole(0, 3).reshape(2, 1)},
            "outside an axis of size 3",
        ),
        (("GatherElements", ["x", "i"], {"axis": 5}), (2, 3), {"i": whole(0, 3).reshape(2, 1)}, "axis 5"),
        (("ReverseSequence", ["x", "l"], {"batch_axis": 0, "time_axis": 1}), (2, 4), {"l": whole(9, 9)}, "length 9"),
        (
            ("ScatterND", ["x", "i", "u"], {"reduction": "mul"}),
            (2, 3),
            {"i": whole(0, 1).reshape(2, 1), "u": weight(2, 3)},
            "reduction mul",
        ),
        (
            ("ScatterND", ["x", "i", "u"], {}),
            (2, 3),
            {"i": whole(0, 0).reshape(2, 1), "u": weight(2, 3)},
            "two updates",
        ),
        (("CumSum", ["x", "a"], {}), (2, 1 << 20), {"a": np.array(1)}, "a matrix of"),
        (("Trilu", ["x"], {}), (2, 1 << 23), {}, "positions; the limit"),
        (("Col2Im", ["x", "s", "b"], {}), (2, 10, 6), {"s": whole(3, 4), "b": whole(2, 2)}, "10 rows"),
        (("LpPool", ["x"], {"kernel_shape": [2]}), (2, 3, 4, 4), {}, "spatial axes"),
        (("Pad", ["x", "p"], {"mode": "reflect"}), (2, 5), {"p": whole(0, -4, 0, 3)}, "more than the 1 values"),
    ],
)
def test_what_is_refused_and_why(
    step: Step, shape: tuple[int, ...], weights: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "m.onnx", [step], shape=shape, weights=weights, opset=18)
    with pytest.raises(UnsupportedError, match=rf"{step[0]} 'y' \(.*{reason}"):
        load(path)
