"""The tests of recorded graphs can fail: faults that were met elsewhere, planted one by one, are all found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from convolutions import GEOMETRIES, Geometry
from graphs import Sheet, onnx, runtime
from test_functions import WHOLE, same
from test_geometries import ALL, Recording
from test_geometries import test_forward_and_back_are_the_matrix_and_its_transpose as right_geometries
from test_pools import are_their_windows, expected

from lrp_ref.export import functions, indexing, recorded, values
from lrp_ref.export.graph import Graph
from lrp_ref.export.kernels import Kernels

# An answer that is wrong, a graph that the checker refuses, or one that does not run.
FOUND = (AssertionError, onnx.shape_inference.InferenceError, runtime.capi.onnxruntime_pybind11_state.Fail,
         runtime.capi.onnxruntime_pybind11_state.InvalidArgument,
         runtime.capi.onnxruntime_pybind11_state.RuntimeException)  # fmt: skip
SOME = [*GEOMETRIES, *ALL[len(GEOMETRIES) : len(GEOMETRIES) + 80]]
Change = Callable[[dict[str, Any]], dict[str, Any]]


def planted(patch: pytest.MonkeyPatch, operator: str, change: Change) -> None:
    """Let every node of an operator have other attributes."""
    call = Graph.call

    def faulty(self: Graph, name: str, *inputs: str, outputs: int = 1, **attributes: Any) -> tuple[str, ...]:
        attributes = change(attributes) if name == operator else attributes
        return call(self, name, *inputs, outputs=outputs, **attributes)

    patch.setattr(Graph, "call", faulty)


def without(key: str) -> Change:
    return lambda how: {k: v for k, v in how.items() if k != key}


def swapped(how: dict[str, Any]) -> dict[str, Any]:
    half = len(how["pads"]) // 2
    return {**how, "pads": how["pads"][half:] + how["pads"][:half]}


def geometries(*, flips: bool = False, some: list[Geometry] | None = None) -> None:
    right_geometries(Recording(some or SOME, flips=flips))


CONVOLUTIONS = {
    "no output padding": ("ConvTranspose", without("output_padding"), False),
    "pads of a transposed convolution swapped": ("ConvTranspose", swapped, False),
    "pads of a convolution swapped": ("Conv", swapped, False),
    "pads of a flipped kernel swapped": ("Conv", swapped, True),
    "no dilation": ("ConvTranspose", without("dilations"), False),
    "one group": ("ConvTranspose", without("group"), False),
    "one group of a flipped kernel": ("Conv", without("group"), True),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_wrong_convolutions_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operator, change, flips = CONVOLUTIONS[name]
    planted(monkeypatch, operator, change)
    with pytest.raises(FOUND):
        geometries(flips=flips)


def test_right_convolutions_are_right() -> None:
    geometries()
    geometries(flips=True)


def test_a_kernel_that_is_not_flipped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "flip", lambda array, axes: array)
    with pytest.raises(AssertionError):
        geometries(flips=True, some=GEOMETRIES[:1])


def _first(how: dict[str, Any]) -> dict[str, Any]:
    """One winner's relevance where several windows have the same: as MaxUnpool, which loses the others'."""
    return {**how, "reduction": "none"}


POOLS = {
    "lost where windows overlap": ("MaxPool", "ScatterElements", _first),
    "pads of a maximum swapped": ("MaxPool", "MaxPool", swapped),
    "stride of a maximum": ("MaxPool", "MaxPool", without("strides")),
    "pads of a mean swapped": ("AveragePool", "AveragePool", swapped),
    "padding does not count": ("AveragePool", "AveragePool", without("count_include_pad")),
    "no dilation of a sum": ("SumPool", "AveragePool", without("dilations")),
    "pads of a sum's transpose swapped": ("SumPool", "ConvTranspose", swapped),
    "no output padding of a sum's transpose": ("SumPool", "ConvTranspose", without("output_padding")),
}


@pytest.mark.parametrize("name", POOLS)
def test_wrong_pools_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, operator, change = POOLS[name]
    planted(monkeypatch, operator, change)
    with pytest.raises(FOUND):
        are_their_windows(expected(kind, 80), 19)


def test_places_of_another_sample_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The places of maxima count over all samples: without the remainder they lie beyond the first."""
    elementwise = values.elementwise
    monkeypatch.setattr(
        values,
        "elementwise",
        lambda name, host, *of, **how: of[0] if name == "Mod" else elementwise(name, host, *of, **how),
    )
    with pytest.raises(FOUND):
        are_their_windows(expected("MaxPool", 80), 19)


def test_ties_that_are_not_shared_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.layers.pooling import MaxPool

    monkeypatch.setattr(MaxPool, "_shared", MaxPool._first)
    with pytest.raises(AssertionError):
        are_their_windows(expected("MaxPool", 80), 19)


def test_a_view_that_is_stale_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.0
        view = array[0]
        array *= 2.0
        return view

    same(call, np.ones((2, 3)))
    monkeypatch.setattr(recorded.Recorded, "_version", property(lambda self: 0))
    with pytest.raises(AssertionError):
        same(call, np.ones((2, 3)))


def test_a_write_that_reaches_no_base_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.0
        view = array.transpose(1, 0)
        view[0] = 5.0
        return array

    same(call, np.ones((2, 3)))
    monkeypatch.setitem(recorded._WRITES, "axes", lambda whole, key, new: whole)
    with pytest.raises(AssertionError):
        same(call, np.ones((2, 3)))


def test_a_division_that_rounds_to_zero_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    by = np.full(WHOLE.shape, 3)
    same(lambda xp, given: given[0] // given[1], WHOLE, by)
    planted(monkeypatch, "Mod", lambda how: {**how, "fmod": 1})
    with pytest.raises(AssertionError):
        same(lambda xp, given: given[0] // given[1], WHOLE, by)


def test_a_sum_that_counts_once_what_is_repeated_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(xp: Any, given: Any) -> Any:
        return xp.broadcast_to(given[0], (4, 3)).sum(axis=0)

    same(call, np.ones((1, 3)))
    monkeypatch.setattr(values.math, "prod", lambda sizes: 1)
    with pytest.raises(AssertionError):
        same(call, np.ones((1, 3)))


def test_a_kernel_that_serves_where_it_should_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before opset 19 the mean of windows with gaps is no operator's, which the full checker says."""
    serves = Kernels.sum_windows

    def always(self: Kernels, x: Any, windows: Any) -> Any:
        opset, self.xp.graph.opset = self.xp.graph.opset, 19
        made = serves(self, x, windows)
        self.xp.graph.opset = opset
        return made

    monkeypatch.setattr(Kernels, "sum_windows", always)
    with pytest.raises((onnx.checker.ValidationError, *FOUND)):
        are_their_windows(expected("SumPool", 80), 17)


def test_a_sign_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference that counts as nonnegative: what is made of it leaves out its absolute value."""
    elementwise, a = functions.elementwise, np.arange(4.0)

    def call(xp: Any, given: Any) -> Any:
        return xp.abs(given[0] - given[1])

    def faulty(operator: str, *operands: Any, **how: Any) -> Any:
        return elementwise(operator, *operands, **({**how, "nonnegative": True} if operator == "Sub" else how))

    same(call, a, a[::-1])
    monkeypatch.setattr(functions, "elementwise", faulty)
    with pytest.raises(AssertionError):
        same(call, a, a[::-1])


def test_a_slice_that_forgets_its_step_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = Sheet(dtype=np.float64)
    assert sheet.feed(np.ones((4, 2)), samples=False)[::2].shape == (2, 2)
    cut = indexing._cut
    monkeypatch.setattr(
        indexing, "_cut", lambda x, slices: cut(x, [slice(s.start, s.stop) if s.step == 2 else s for s in slices])
    )
    with pytest.raises((AssertionError, ValueError)):
        same(lambda xp, given: given[0][::2], np.arange(8.0).reshape(4, 2))
