"""Resize and Upsample: every mode, rounding and way of counting positions, compared with onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, weight, whole, write

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Dense, Gather, Transpose, Upsample
from lrp_ref.loaders import load

reference = pytest.importorskip("onnx.reference")

COUNTED = (
    "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric", "tf_crop_and_resize",
    "tf_half_pixel_for_nn",
)  # fmt: skip
ROUNDED = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
CHOICES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "nearest": lambda rng: {"nearest_mode": str(rng.choice(ROUNDED))},
    "linear": lambda rng: {},
    "cubic": lambda rng: {
        "cubic_coeff_a": float(rng.choice([-0.75, -0.5])),
        "exclude_outside": int(rng.integers(2)),
    },
    "linear antialias": lambda rng: {"antialias": 1, "exclude_outside": int(rng.integers(2))},
    "cubic antialias": lambda rng: {"antialias": 1, "exclude_outside": int(rng.integers(2))},
}


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize("kind", CHOICES)
def test_random_sizes_and_scales_agree(kind: str, counted: str, tmp_path: Path) -> None:
    """A random picture to random sizes, or by random scales; in a crop, of a random region."""
    rng = np.random.default_rng(COUNTED.index(counted))
    agreed = 0
    old, crop = counted == "tf_half_pixel_for_nn", counted == "tf_crop_and_resize"
    if "antialias" in kind and (old or crop):
        pytest.skip("refused, or newer than the mode")
    for _ in range(12):
        attributes = {"mode": kind.split()[0], "coordinate_transformation_mode": counted, **CHOICES[kind](rng)}
        shape = (2, 3, *(int(n) for n in rng.integers(2, 9, 2)))
        weights: dict[str, Any] = {"r": np.zeros(0, np.float32), "e": np.zeros(0, np.float32)}
        if crop:
            low, high = rng.uniform(-0.3, 0.4, 2), rng.uniform(0.5, 1.3, 2)
            weights["r"] = np.array([0, 0, *low, 1, 1, *high], np.float32)
            attributes["extrapolation_value"] = float(rng.choice([0, 1.5]))
        if rng.integers(2) and counted not in ("align_corners", "tf_crop_and_resize"):
            weights["s"] = np.array([1, 1, *rng.choice([0.3, 0.5, 0.6, 1, 1.5, 1.7, 2, 3], 2)], np.float32)
            reads = ["x", "r", "s"]
        else:
            sizes = [int(n) for n in rng.integers(1, 14, 2)]
            # A crop of an axis that keeps its size is refused.
            weights["s"] = whole(2, 3, *(n + (n == old) for n, old in zip(sizes, shape[2:], strict=True)))
            reads = ["x", "r", "e", "s"]
        used = {name: weights[name] for name in reads[1:]}
        step: Step = ("Resize", reads, attributes)
        path = write(tmp_path / "m.onnx", [step], shape=shape, weights=used, opset=11 if old else 19)
        agrees(path, rng.normal(size=shape).astype(np.float32))
        agreed += 1
    assert agreed == 12


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [(2, 3), (0.5, 0.6), (1.5, 1), (0.3, 2)])
@pytest.mark.parametrize(("kind", "opset"), [("Upsample", 7), ("Upsample", 9), ("Resize", 10)])
def test_older_operators_count_from_the_corner(
    kind: str, opset: int, scales: tuple[float, ...], mode: str, tmp_path: Path
) -> None:
    if kind == "Upsample" and min(scales) < 1:
        pytest.skip("it only enlarges")
    numbers = np.array([1, 1, *scales], np.float32)
    attributes: dict[str, Any] = {"mode": mode}
    weights = {"s": numbers}
    if opset == 7:
        attributes["scales"], weights = numbers.tolist(), {}
    step: Step = (kind, ["x", *weights], attributes)
    agrees(write(tmp_path / "m.onnx", [step], shape=(2, 3, 4, 5), weights=weights, opset=opset), weight(2, 3, 4, 5))


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [(9, 8), (3, 4), (7, 2), (5, 11)])
def test_one_scale_for_all_axes(mode: str, policy: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    step: Step = (
        "Resize", ["x", "", "", "s"], {"mode": mode, "keep_aspect_ratio_policy": policy, "axes": [3, 2]},
    )  # fmt: skip
    path = write(tmp_path / "m.onnx", [step], shape=("N", 3, 4, 5), weights={"s": whole(*sizes)}, opset=18)
    agrees(path, weight(2, 3, 4, 5))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scale", [2, 1.5, 0.5])
def test_axis_1_is_an_axis_like_others(mode: str, scale: float, tmp_path: Path) -> None:
    """onnxruntime does not resize the channels in every mode; the definition, as onnx evaluates it, does."""
    step: Step = ("Resize", ["x", "", "s"], {"mode": mode})
    numbers = np.array([1, scale, 1, 2], np.float32)
    path = write(tmp_path / "m.onnx", [step], shape=("N", 4, 3, 2), weights={"s": numbers}, opset=18)
    x = weight(2, 4, 3, 2)
    (expected,) = reference.ReferenceEvaluator(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(load(path).forward(x), expected, rtol=1e-5, atol=1e-5)


def test_what_a_resize_becomes(tmp_path: Path) -> None:
    """Whole factors repeat values, other sizes take them by position, interpolation is a matrix for each axis."""

    def layers(attributes: dict[str, Any], *scales: float) -> list[Any]:
        step: Step = ("Resize", ["x", "", "s"], attributes)
        numbers = np.array([1, 1, *scales], np.float32)
        path = write(tmp_path / "m.onnx", [step], shape=("N", 3, 4, 5), weights={"s": numbers}, opset=18)
        return [node.layer for node in load(path).nodes]

    floor = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    assert layers(floor, 2, 1) == [Upsample((2, 1))]
    assert layers(floor, 1.5, 1) == [Gather((0, 0, 1, 2, 2, 3), 2)]
    assert layers({**floor, "nearest_mode": "ceil"}, 2, 1) == [Gather((0, 1, 1, 2, 2, 3, 3, 3), 2)]
    (dense,) = layers({"mode": "linear"}, 1, 2)
    assert isinstance(dense, Dense)
    # Halfway between the outputs: a quarter and three quarters of the neighbours, and the ends twice.
    np.testing.assert_allclose(dense.weight[:2, :4], [[1, 0.75, 0.25, 0], [0, 0.25, 0.75, 0.75]])
    assert [type(layer) for layer in layers({"mode": "cubic"}, 2, 1)] == [Transpose, Dense, Transpose]


def test_outside_of_a_crop_is_the_extrapolated_value(tmp_path: Path) -> None:
    """By hand: of five values, the places −2, 0, 2, 4, 6."""
    weights = {"r": np.array([0, 0, -0.5, 1, 1, 1.5], np.float32), "e": np.zeros(0, np.float32), "s": whole(1, 1, 5)}
    found = {}
    for mode in ("nearest", "linear"):
        attributes = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0}
        weights["s"] = whole(1, 1, 9)
        path = write(
            tmp_path / "m.onnx", [("Resize", ["x", "r", "e", "s"], attributes)], shape=(1, 1, 5), weights=weights
        )
        net = load(path)
        found[mode] = net.forward(np.array([[[1, 2, 3, 4, 5]]], np.float32))[0, 0].tolist()
        e = lrp.explain(net, np.array([[[1, 2, 3, 4, 5]]], np.float32), target=(0, 4), composite="lrp0")
        assert e.relevance.tolist() == [[[0, 0, 3, 0, 0]]]
        # What lies outside has no source: the share of the bias, or of the padding.
        assert lrp.explain(net, np.ones((1, 1, 5), np.float32), target=(0, 0), composite="lrp0").relevance.sum() == 0
    assert found["linear"] == found["nearest"] == [7, 7, 1, 2, 3, 4, 5, 7, 7]
    assert isinstance(load(path).nodes[0].layer, Dense)


@pytest.mark.parametrize(
    ("attributes", "scales", "reason"),
    [
        ({}, (2, 1, 2, 2), "resizes the batch"),
        ({"mode": "linear"}, (2, 1, 2, 2), "resizes the batch"),
        ({"mode": "linear", "coordinate_transformation_mode": "align_corners"}, (1, 1, 0.6, 1), "not a whole number"),
        ({"coordinate_transformation_mode": "align_corners"}, (1, 1, 0.6, 1), "not a whole number"),
        ({"coordinate_transformation_mode": "other"}, (1, 1, 0.6, 1), "transformation_mode other"),
        ({"nearest_mode": "other"}, (1, 1, 0.6, 1), "nearest_mode other"),
        ({"mode": "other"}, (1, 1, 0.6, 1), "mode other"),
        ({}, (1, 1, 0, 1), "a scale of 0"),
        ({}, (1, 1, 1e30, 1), ""),
        ({"mode": "cubic"}, (1, 1, 1e8, 1), "a matrix of"),
        ({"mode": "linear", "antialias": 1}, (1, 1, 0.01, 1), ""),
    ],
)
def test_a_resize_that_is_refused(
    attributes: dict[str, Any], scales: tuple[float, ...], reason: str, tmp_path: Path
) -> None:
    step: Step = ("Resize", ["x", "", "s"], attributes)
    numbers = np.array(scales, np.float32)
    path = write(tmp_path / "m.onnx", [step], shape=("N", 3, 4, 5), weights={"s": numbers}, opset=19)
    with pytest.raises(UnsupportedError, match=rf"Resize 'y' \(.*{reason}"):
        load(path)


def test_a_free_size_has_whole_factors_only(tmp_path: Path) -> None:
    def path(mode: str, scale: float) -> Path:
        step: Step = ("Resize", ["x", "", "s"], {"mode": mode})
        numbers = np.array([1, 1, scale, 1], np.float32)
        return write(tmp_path / "m.onnx", [step], shape=("N", 3, "H", 5), weights={"s": numbers}, opset=18)

    agrees(path("nearest", 2), weight(2, 3, 4, 5))
    for mode, scale in (("nearest", 1.5), ("linear", 2), ("cubic", 2)):
        with pytest.raises(UnsupportedError, match="depends on a free size"):
            load(path(mode, scale))
        agrees(path(mode, scale), weight(2, 3, 4, 5), shapes={"x": (None, 3, 4, 5)})
