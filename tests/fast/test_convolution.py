"""The kernels of convolution against their definition, in strips of every size, and what convolutions refuse."""

from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from convolutions import GEOMETRIES, Geometry
from exact_numbers import exact
from strict import STRICT

from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.fast import convolution as kernels
from lrp_ref.fast import windows
from lrp_ref.layers import Conv, ConvTranspose
from lrp_ref.rules.edits import NEG, POS

each_geometry = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: g.name)


def poisoned(shape: Any, dtype: Any) -> Any:
    """np.empty, with nothing in it that could be right by chance."""
    return np.full(shape, np.nan, dtype)


NUMPY = SimpleNamespace(**{**vars(np), "empty": poisoned})
NUMPY.__name__ = "numpy"
OTHER = SimpleNamespace(**{**vars(NUMPY), "__name__": "other"})


@functools.cache
def definition(geometry: Geometry) -> tuple[Any, ...]:
    x, w, b, g = geometry.draw()
    return x, w, b, g, geometry.convolved(x, w, b), geometry.transposed(g, w)


def spread(bias: Any, z: Any) -> Any:
    return bias.reshape((-1,) + (1,) * (z.ndim - 2))


@each_geometry
@pytest.mark.parametrize("strip", [1, 500, 1100, 2600, 9000, 1 << 21])
def test_convolution_and_its_transpose_are_their_definitions(
    geometry: Geometry, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a strip holds a row, some rows, or some samples, and the last one less than the others."""
    x, w, b, g, z, y = definition(geometry)
    monkeypatch.setattr(kernels, "STRIP_BYTES", strip)
    assert np.array_equal(kernels.convolve(x, w, geometry.lies, NUMPY, kernels.Ending(b)), z)
    assert np.array_equal(kernels.convolve(x, w, geometry.lies, NUMPY) + spread(b, z), z)
    back = kernels.convolve_adjoint(g, w, geometry.lies, x.shape[2:], NUMPY)
    assert back.shape == y.shape
    assert np.array_equal(back, y)


@each_geometry
def test_another_array_module_has_its_own_strips(geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b, g, z, y = definition(geometry)
    monkeypatch.setattr(kernels, "STRIP_BYTES", 0)
    monkeypatch.setattr(kernels, "DEVICE_STRIP_BYTES", 700)
    assert np.array_equal(kernels.convolve(x, w, geometry.lies, OTHER, kernels.Ending(b)), z)
    assert np.array_equal(kernels.convolve_adjoint(g, w, geometry.lies, x.shape[2:], OTHER), y)


@each_geometry
def test_an_array_module_that_only_has_what_is_asked_of_it_is_enough(geometry: Geometry) -> None:
    x, w, b, g, z, y = definition(geometry)
    strict = [STRICT.asarray(a) for a in (x, w, b, g)]
    found = kernels.convolve(*strict[:2], geometry.lies, STRICT, kernels.Ending(strict[2]))
    assert np.array_equal(found.get(), z)
    back = kernels.convolve_adjoint(strict[3], strict[1], geometry.lies, x.shape[2:], STRICT)
    assert np.array_equal(back.get(), y)


@each_geometry
def test_layers_hand_their_geometry_on(geometry: Geometry) -> None:
    x, w, b, g, z, y = definition(geometry)
    options = {"stride": geometry.stride, "padding": geometry.pads, "dilation": geometry.dilation}
    conv = Conv(w, b, groups=geometry.groups, **options)
    assert np.array_equal(conv.forward(x), z)
    assert np.array_equal(conv.vjp(x, g), y)
    each = np.arange(float(z[0].size)).reshape(z[0].shape)
    assert np.array_equal(Conv(w, each, groups=geometry.groups, **options).forward(x), z - spread(b, z) + each)
    # Sizes that leave a remainder over the stride are reached with output padding.
    tight = [(m - 1) * s + d * (k - 1) + 1 - a - c for m, s, d, k, (a, c) in zip(
        z.shape[2:], geometry.stride, geometry.dilation, geometry.kernel, geometry.pads, strict=True)]  # fmt: skip
    extra = tuple(n - t for n, t in zip(geometry.image, tight, strict=True))
    shift = np.arange(1.0, y.shape[1] + 1)
    back = ConvTranspose(w, shift, groups=geometry.groups, output_padding=extra, **options)
    assert np.array_equal(back.forward(g), y + spread(shift, y))
    assert back.bias_map(y).ravel().tolist() == shift.tolist()
    assert np.array_equal(back.vjp(g, x), z - spread(b, z))


def test_output_padding_beyond_the_stride_adds_empty_positions() -> None:
    """Its positions are the input of the matching convolution, whose windows may be more than the layer has."""
    layer = ConvTranspose(np.array([[[1.0, 10.0]]]), np.array([0.5]), stride=2, output_padding=3)
    x, g = np.array([[[2.0, 3.0]]]), np.arange(1.0, 8.0).reshape(1, 1, 7)
    assert layer.forward(x).tolist() == [[[2.5, 20.5, 3.5, 30.5, 0.5, 0.5, 0.5]]]
    assert layer.vjp(x, g).tolist() == [[[21.0, 43.0]]]


# Windows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ceil", [False, True])
def test_window_positions_are_counted(ceil: bool) -> None:
    """A window counts if it lies in the padded input; in ceil mode also if it only starts in the input."""
    for size, kernel, stride, dilation in itertools.product(range(7), range(1, 4), range(1, 5), range(1, 4)):
        reach = dilation * (kernel - 1)
        for pads in itertools.product(range(min(kernel, 3)), repeat=2):
            end, count = size + sum(pads), 0
            for start in range(0, end, stride):
                whole = start + reach < end
                counts = whole or (ceil and start < size + pads[0] and start - stride + reach < end - 1)
                count += counts and reach < end
            found = windows.output_size(size, kernel, stride, pads, dilation, ceil)
            assert found == count, (size, kernel, stride, pads, dilation)


def test_windows_take_one_number_per_axis() -> None:
    found = list(windows.windows((2, 1), (3, 2), (2, 5), (3, 4)))
    assert found == [(slice(0, 7, 3), slice(0, 7, 2)), (slice(2, 9, 3), slice(0, 7, 2))]
    for wrong in (((2,), (1, 1), (1,), (1,)), ((2,), (1,), (1, 1), (1,)), ((2,), (1,), (1,), (1, 1))):
        with pytest.raises(ValueError, match="zip"):
            list(windows.windows(*wrong))


@pytest.mark.parametrize("value", [0, 1, -1, 2.5, -np.inf])
def test_padding_and_cropping(value: float) -> None:
    """As np.pad by what is positive, cut by what is negative."""
    x = np.arange(1.0, 41.0).reshape(2, 1, 4, 5)
    for first, second in itertools.product(itertools.product((-2, -1, 0, 1, 2), repeat=2), ((0, 0), (1, -2), (-1, 0))):
        sides = ((0, 0), (0, 0), first, second)
        expected = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in sides], constant_values=value)
        cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(expected.shape, sides, strict=True))
        found = windows.pad_spatial(x, (first, second), value, np)
        assert np.array_equal(found, expected[cut]), sides
    assert windows.pad_spatial(x, ((0, 0), (0, 0)), value, np) is x
    with pytest.raises(ValueError, match="zip"):
        windows.pad_spatial(x, ((0, 1),), value, np)


# Borders -----------------------------------------------------------------------------------------------------


def conv(**options: Any) -> Conv:
    return Conv(np.ones((4, 2, 3, 2)), **options)


@pytest.mark.parametrize("key", ["stride", "dilation"])
def test_steps_are_at_least_one(key: str) -> None:
    for wrong in (0, -1, (1, 0), (-2, 1)):
        with pytest.raises(ParameterError, match=f"{key} must be at least 1"):
            conv(**{key: wrong})
    for given, expected in ((1, (1, 1)), ([3, 1], (3, 1)), (np.int64(2), (2, 2)), ((np.int64(1), 2), (1, 2))):
        found = getattr(conv(**{key: given}), key)
        assert found == expected
        assert all(type(n) is int for n in found)
    for wrong in ((1,), (1, 1, 1)):
        with pytest.raises(ShapeError, match="one number for each of 2"):
            conv(**{key: wrong})


def test_paddings() -> None:
    for wrong in (-1, (0, -1), ((0, -1), (0, 0)), ((0, 0), (-1, 0))):
        with pytest.raises(ParameterError, match="must not be negative"):
            conv(padding=wrong)
    for given, expected in (
        (0, ((0, 0), (0, 0))), (np.int64(3), ((3, 3), (3, 3))), ([1, 2], ((1, 1), (2, 2))),
        ([[1, 2], [0, np.int64(3)]], ((1, 2), (0, 3))), ((1, (0, 2)), ((1, 1), (0, 2))),
    ):  # fmt: skip
        found = conv(padding=given).padding
        assert found == expected
        assert all(type(n) is int for pair in found for n in pair)
    for wrong in ((1,), (1, 1, 1), ((1, 2, 3), 1), ((1,), 1), ()):
        with pytest.raises(ShapeError, match="one entry for each of 2"):
            conv(padding=wrong)


def test_output_paddings() -> None:
    for wrong in (-1, (0, -1), (-3, 2)):
        with pytest.raises(ParameterError, match="must not be negative"):
            ConvTranspose(np.ones((1, 1, 1, 1)), output_padding=wrong)
    assert ConvTranspose(np.ones((1, 1, 1, 1)), output_padding=[0, 2]).output_padding == (0, 2)


@pytest.mark.parametrize("groups", [0, -1, -2, 3, 5])
def test_groups_split_the_channels(groups: int) -> None:
    for kind in (Conv, ConvTranspose):
        with pytest.raises(ShapeError, match="do not split into"):
            kind(np.ones((4, 2, 3)), groups=groups)
        assert kind(np.ones((4, 2, 3)), groups=4).groups == 4


@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (3, 2, 0), (3, 2, 1, 0)])
def test_weights_have_a_kernel(shape: tuple[int, ...]) -> None:
    for kind in (Conv, ConvTranspose):
        with pytest.raises(ShapeError, match="at least one kernel axis"):
            kind(np.ones(shape))


def test_biases_have_one_entry_per_output() -> None:
    weight = np.ones((4, 3, 2))
    for kind, outs in ((Conv, 4), (ConvTranspose, 6)):
        for right in ((outs,), (outs, 5)):
            assert kind(weight, np.ones(right), groups=2).bias.shape == right
        for wrong in ((outs - 1,), (outs + 1,), (1,), (), (outs, 2, 2), (2, outs)):
            with pytest.raises(ShapeError, match=f"does not fit {outs} output channels"):
                kind(weight, np.ones(wrong), groups=2)


@pytest.mark.parametrize("kind", [Conv, ConvTranspose])
def test_edits_take_weight_and_bias_apart(kind: Any) -> None:
    w, b, z = np.array([[[1.0, -2.0]], [[-3.0, 4.0]]]), np.array([-5.0, 6.0]), np.zeros((3, 2, 7))
    found = kind(w, b, groups=2).edited(POS, NEG)
    assert found.weight.tolist() == [[[1.0, 0.0]], [[0.0, 4.0]]]
    assert found.bias.tolist() == [-5.0, 0.0]
    assert found.bias_map(z).tolist() == [[-5.0], [0.0]]
    each = np.arange(14.0).reshape(2, 7)
    assert kind(w, each, groups=2).bias_map(z).tolist() == each.tolist()
    bare = kind(w, groups=2)
    assert bare.edited(POS, NEG).bias is None
    assert bare.bias_map(z) is None


def test_inputs_have_the_weights_channels() -> None:
    for layer, channels in ((Conv(np.ones((4, 3, 2)), groups=2), 6), (ConvTranspose(np.ones((4, 3, 2)), groups=2), 4)):
        assert layer.forward(np.ones((1, channels, 3))).shape[0] == 1
        for wrong in ((1, channels - 1, 3), (1, channels + 1, 3), (1, channels), (1, channels, 3, 3), (channels,)):
            with pytest.raises(ShapeError, match="input of shape"):
                layer.forward(np.ones(wrong))
        with pytest.raises(LrpError, match="float32"):
            layer.forward(np.ones((1, channels, 3), np.float32))


@pytest.mark.parametrize(("size", "kernel"), [(1, 2), (1, 3), (2, 3), (4, 5)])
def test_inputs_cover_the_kernel(size: int, kernel: int) -> None:
    with pytest.raises(ShapeError, match="smaller than the kernel"):
        Conv(np.ones((1, 2, kernel))).forward(np.ones((1, 2, size)))
    with pytest.raises(ShapeError, match="smaller than the kernel"):
        Conv(np.ones((1, 2, 1, kernel))).forward(np.ones((1, 2, 1, size)))
    assert Conv(np.ones((1, 2, kernel))).forward(np.ones((1, 2, kernel))).tolist() == [[[2.0 * kernel]]]
    padded = Conv(np.ones((1, 2, kernel)), padding=((0, kernel - size),))
    assert padded.forward(np.ones((1, 2, size))).tolist() == [[[2.0 * size]]]


@pytest.mark.parametrize("inner", [1, 2])
def test_nothing_comes_of_nothing(inner: int) -> None:
    """No samples, an axis without positions, no output channels."""
    weight = np.ones((2, inner, 2, 1))
    assert Conv(weight).forward(np.ones((0, inner, 3, 3))).shape == (0, 2, 2, 3)
    assert Conv(weight).forward(np.ones((3, inner, 0, 3))).shape == (3, 2, 0, 3)
    assert Conv(weight).forward(np.ones((3, inner, 3, 0))).shape == (3, 2, 2, 0)
    assert Conv(weight).vjp(np.ones((3, inner, 0, 3)), np.ones((3, 2, 0, 3))).shape == (3, inner, 0, 3)
    back = ConvTranspose(weight, stride=2)
    assert back.forward(np.ones((0, 2, 3, 3))).shape == (0, inner, 6, 5)
    assert back.forward(np.ones((3, 2, 0, 3))).shape == (3, inner, 0, 5)  # (0 − 1)·2 + 2
    with pytest.raises(ShapeError, match="crops the whole output"):
        back.forward(np.ones((3, 2, 3, 0)))  # (0 − 1)·2 + 1 < 0
    assert ConvTranspose(np.ones((2, 0, 3))).forward(np.ones((1, 2, 4))).shape == (1, 0, 6)
    assert Conv(np.ones((2, 0, 3)), np.array([1.0, 2.0])).forward(np.ones((1, 0, 4))).tolist() == [[[1, 1], [2, 2]]]
    assert Conv(np.ones((2, 0, 3))).vjp(np.ones((1, 0, 4)), np.ones((1, 2, 2))).shape == (1, 0, 4)
    assert not Conv(np.ones((0, 2, 3))).vjp(np.ones((1, 2, 4)), np.ones((1, 0, 2))).any()
    with pytest.raises(ShapeError, match="crops the whole output"):
        ConvTranspose(np.ones((0, 1, 2)), padding=1).forward(np.ones((1, 0, 1)))


def test_a_crop_leaves_something() -> None:
    for size, padding in ((2, 1), (3, 1), (4, ((2, 1),))):
        kept = (size - 1) + 2 - (2 * padding if isinstance(padding, int) else 3)
        found = ConvTranspose(np.ones((1, 1, 2)), padding=padding).forward(np.ones((1, 1, size)))
        assert found.shape == (1, 1, kept)
        assert kept > 0
    for size, padding in ((1, 1), (1, 2), (2, ((3, 0),)), (2, ((0, 4),))):
        with pytest.raises(ShapeError, match="crops the whole output"):
            ConvTranspose(np.ones((1, 1, 2)), padding=padding).forward(np.ones((1, 1, size)))
    with pytest.raises(ShapeError, match="crops the whole output"):
        ConvTranspose(np.ones((1, 1, 2, 2)), padding=((1, 1), (0, 0))).forward(np.ones((1, 1, 1, 5)))


# Sums in parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3)])
@pytest.mark.parametrize("summands", [1, 9, 17, 18, 24, 1000])
def test_sums_in_parts_are_the_same_sums(
    summands: int, kernel: tuple[int, int], groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of integers, whose sums are exact in every order; with padding, and channels that the parts do not divide."""
    random = np.random.default_rng(summands)
    weight = random.integers(-3, 4, size=(4, 7, *kernel)).astype(float)
    layer = Conv(weight, random.integers(-3, 4, size=4).astype(float), padding=kernel[0] - 1, groups=groups)
    x = random.integers(-3, 4, size=(3, 7 * groups, 5, 4)).astype(float)
    whole = layer.forward(x)
    monkeypatch.setattr(kernels, "SUMMANDS", summands)
    inner, multiply = [], kernels.matmul_into
    monkeypatch.setattr(kernels, "matmul_into", lambda a, *rest: (inner.append(a.shape[-1]), multiply(a, *rest)))
    for strip in (4 << 20, 512):
        monkeypatch.setattr(kernels, "STRIP_BYTES", strip)
        inner.clear()
        assert np.array_equal(layer.forward(x), whole)
        taps = kernel[0] * kernel[1]
        assert max(inner) <= max(summands, taps)
        assert sum(inner) % (7 * taps) == 0


def test_a_tap_that_meets_only_padding_reads_and_writes_nothing() -> None:
    """A kernel of three taps, three apart, over two positions: only the tap in the middle meets them."""
    meets = windows.Windows((2,), (2,), (3,), (1,), ((3, 3),), (3,))
    found = [(range(2)[out], range(2)[source]) for (out,), (source,) in meets.taps(slice(0, 2))]
    assert [(len(out), len(source)) for out, source in found] == [(0, 0), (2, 2), (0, 0)]


@pytest.mark.parametrize(
    ("kernel", "pads", "pointwise"),
    [((1, 1), 0, True), ((1, 1), 1, False), ((1, 2), 0, False), ((2, 1), 0, False), ((2, 2), 1, False)],
)
def test_a_window_of_one_position_needs_no_room(kernel: tuple[int, int], pads: int, pointwise: bool) -> None:
    out = tuple(4 + 2 * pads - k + 1 for k in kernel)
    meets = windows.Windows((4, 4), out, kernel, (1, 1), ((pads, pads),) * 2, (1, 1))
    assert meets.pointwise == pointwise
    assert meets.reach == kernel


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("n", [1, 3])
def test_the_adjoint_of_single_positions_is_the_transposed_matrix(n: int, groups: int) -> None:
    """In rationals as in floats, without a place that only zeros were written to."""
    random = np.random.default_rng(n)
    weight = random.integers(-3, 4, size=(6, 4 // groups, 1, 1)).astype(float)
    g = random.integers(-3, 4, size=(n, 6, 2, 3)).astype(float)
    per, ins = 6 // groups, 4 // groups
    expected = np.zeros((n, 4, 2, 3))
    for o in range(6):
        for c in range(ins):
            expected[:, (o // per) * ins + c] += weight[o, c, 0, 0] * g[:, o]
    lies = kernels.Geometry((1, 1), ((0, 0),) * 2, (1, 1), groups)
    assert np.array_equal(kernels.convolve_adjoint(g, weight, lies, (2, 3), np), expected)
    found = kernels.convolve_adjoint(
        exact(*g.astype(int).tolist()), exact(*weight.astype(int).tolist()), lies, (2, 3), np
    )
    assert found.dtype == object
    assert np.array_equal(found.astype(float), expected)
