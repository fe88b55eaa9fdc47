"""Units on data of odd kinds: right numbers, or one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.methods import upsampled

OF: Any = lrp.units  # of any arguments
NET = lrp.Network.sequential([("units", lrp.layers.Identity())])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3, 4, 4))
LABELS = RNG.integers(0, 3, (5, 4, 4))
MADE = lrp.Network.sequential([("units", lrp.layers.ReLU()), ("paint", lrp.layers.Conv(np.ones((1, 3, 1, 1)), None))])


def once(*values: Any) -> Iterator[Any]:
    yield from values


def bright(pictures: Any) -> Any:
    return pictures.mean(axis=(1, 2, 3))


def effect(**options: Any) -> Any:
    asked = {"x": X, "measure": bright, "at": "units", "units": [0], "draws": 1} | options
    return OF.causal_effect(MADE, asked.pop("x"), asked.pop("measure"), **asked)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool])
@pytest.mark.parametrize("convention", ["half_pixel", "corners", "nearest"])
def test_maps_of_whole_numbers_do_not_wrap_around(dtype: Any, convention: str) -> None:
    maps = RNG.integers(0, 200, (2, 3, 4, 5)).astype(dtype)
    np.testing.assert_array_equal(
        upsampled(maps, (9, 7), convention), upsampled(maps.astype(float), (9, 7), convention)
    )
    size, limits = (9, 7), np.full(3, 0.5 if dtype is bool else 99.5)
    expected = upsampled(maps.astype(float), size, convention) > limits[:, None, None]
    np.testing.assert_array_equal(OF.activated(maps, limits, size, upsample=convention), expected)
    labels = np.tile(np.arange(9) % 2, (2, 7, 1)).transpose(0, 2, 1)
    ints, floats = (OF.dissect(NET, a, labels, at="input", quantile=0.4) for a in (maps, maps.astype(float)))
    assert ints == floats


def test_a_threshold_of_whole_numbers_lies_between_them() -> None:
    found = OF.thresholds(NET, np.array([[-5], [-4]]), at="input", quantile=0.5)
    assert (found.dtype, found.tolist()) == (np.float64, [-4.5])
    assert OF.Largest(Fraction(1, 2), 2).quantile == 0.5


def test_a_threshold_between_numbers_further_apart_than_the_largest() -> None:
    far = np.array([[-1.7e308], [1.7e308], [1.7e308]])
    assert OF.thresholds(NET, far, at="units", quantile=0.25).tolist() == [0.0]


def test_an_input_that_is_called_as_inputs_are() -> None:
    expected = X.max(axis=(2, 3)).argmax(axis=0)[None]
    for given in (X, {"input": X}, [X[:2], X[2:]], [{"input": X[:4]}, {"input": X[4:]}]):
        np.testing.assert_array_equal(OF.top_samples(NET, given, at="input", k=1).samples, expected)
    (card,) = OF.unit_cards(NET, X, [1], at="input", k=1)
    place = np.unravel_index(X[card.samples[0], 1].argmax(), (4, 4))
    assert card.boxes == (tuple(slice(int(n), int(n) + 1) for n in place),)


def test_what_can_be_read_once_only_is_read_once() -> None:
    named = OF.dissect(NET, X, LABELS, at="units", concepts=once("a", "b", "c"), permuted=once(1, 2), ignore=once(2))
    assert named == OF.dissect(NET, X, LABELS, at="units", concepts=["a", "b", "c"], permuted=[1, 2], ignore=2)
    assert [card.unit for card in OF.unit_cards(NET, X, once(2, 0), at="units")] == [2, 0]
    assert effect(units=once(1, 2), counts=once(1, 2)).counts == (1, 2)


def test_categories_of_several_kinds() -> None:
    found = [OF.dissect(NET, X, LABELS, at="units", categories=names) for names in (["a", 1, None], ["x", "y", "z"])]
    np.testing.assert_array_equal(found[0].iou_images_with_category, found[1].iou_images_with_category)


def test_the_batch_is_in_front_wherever_the_network_has_it() -> None:
    nodes = (lrp.Node("relu", lrp.layers.ReLU(), ("x",)),)
    net = lrp.Network(nodes, (lrp.Input("x", (7, None, 3), batch_axis=1),), ("relu",), output_axes=(1,))
    x, labels = RNG.standard_normal((5, 7, 3)), LABELS[:, 0, :3]
    expected = np.quantile(np.maximum(x, 0).transpose(1, 0, 2).reshape(7, -1), 0.9, axis=1)
    for batch in (2, 99):
        np.testing.assert_array_equal(OF.thresholds(net, x, at="relu", quantile=0.9, batch=batch), expected)
    assert OF.top_samples(net, x, at="relu", k=1, batch=2).samples.tolist() == [x.max(axis=2).argmax(axis=0).tolist()]
    plain = lrp.Network(nodes, (lrp.Input("x", (None, 7, 3)),), ("relu",))
    assert OF.dissect(net, x, labels, at="relu", batch=2) == OF.dissect(plain, x, labels, at="relu", batch=2)
    found = [OF.agreement(n, x, lambda y: y[:, :1] > 1, at="relu", concepts=["c"], batch=2) for n in (net, plain)]
    assert found[0] == found[1]


def test_exact_numbers_stay_exact() -> None:
    third = Fraction(1, 3)
    a, b = np.array([[Fraction(1), Fraction(2)]], dtype=object), np.array([[Fraction(1)], [third]], dtype=object)
    net = lrp.Network.sequential([("a", lrp.layers.Dense(a)), lrp.layers.Dense(b)])
    x = np.array([[Fraction(1, 7)]], dtype=object)
    assert OF.insert(net, "a", [0], 0).forward(x).tolist() == [[Fraction(2, 21)]]
    assert OF.insert(net, "a", [0], third).forward(x).tolist() == [[Fraction(3, 7)]]


def test_an_infinite_threshold_is_exceeded_nowhere_and_lists_are_arrays() -> None:
    found = OF.dissect(NET, X, LABELS, at="units", threshold=[np.inf, 0.0, 0.0])
    assert (found.iou[0].any(), found.iou[1].any()) == (False, True)
    assert OF.activated([[[0.0, 4.0]]], [0.5], (4,)).tolist() == [[[False, True, True, True]]]
    masks = [[[0, 1, 1]]]
    assert OF.overlap([[[True, True, False]]], masks, [[1, 1, 1]]).iou.tolist() == [[1 / 3]]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: OF.thresholds(NET, X, at="units", batch=1.5), ParameterError, "batch is 1.5: give a whole number"),
        (lambda: OF.thresholds(NET, X, at="units", samples=5.0), ParameterError, "samples is 5.0: give a whole"),
        (lambda: OF.thresholds(NET, X, at=None), ParameterError, "at is None: give the name"),
        (lambda: OF.thresholds(NET, 5, at="units"), ParameterError, "the data set is 5: give an array"),
        (lambda: OF.thresholds(NET, "file.npy", at="units"), ParameterError, "the data set is 'file.npy'"),
        (lambda: OF.thresholds(NET, np.array(1.0), at="units"), ShapeError, "the samples are one number"),
        (lambda: OF.thresholds(NET, {}, at="units"), ParameterError, "arrays by name, and there is none"),
        (lambda: OF.thresholds(NET, X[:, :0], at="units"), ShapeError, "has no units, or no positions"),
        (lambda: OF.top_samples(NET, X, at="units", k=1.5), ParameterError, "k is 1.5"),
        (lambda: OF.dissect(NET, X[:0], LABELS[:0], at="units"), ParameterError, "masks of no image"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", permuted=-1), ParameterError, "permuted is -1: give a whole"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", permuted=[1.5]), ParameterError, "one of permuted is 1.5"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", ignore=0.5), ParameterError, "ignore is 0.5"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", memory="1 GB"), ParameterError, "memory is '1 GB'"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", concepts=5), ParameterError, "concepts: 5 given"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", concepts={"sky": 1}), ParameterError, "concepts is 'sky'"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", concepts="aab"), ParameterError, "'a' is the name of several"),
        (lambda: OF.dissect(NET, X, X[:, :2] > 0, at="units", concepts=[None, "a"]), ParameterError, "without a name"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", threshold=[np.nan, 0, 0]), ParameterError, "threshold: NaN"),
        (lambda: OF.dissect(NET, X, LABELS, at="units", threshold="abc"), ParameterError, "expected an array of real"),
        (lambda: OF.unit_cards(NET, X, [1.5], at="units"), ParameterError, "one of units is 1.5"),
        (lambda: OF.unit_cards(NET, X, 1, at="units"), ParameterError, "units: 1 given; expected several"),
        (lambda: OF.unit_cards(NET, X[..., 0], [1], at="units"), ShapeError, "and these are .5, 3, 4.: give shown="),
        (lambda: OF.unit_cards(NET, X, [1], at="units", shown=X * np.nan), NonFiniteError, "shown has 240 values"),
        (lambda: OF.unit_cards(NET, X, [1], at="units")[0].picture(size=0), ParameterError, "size is 0"),
        (lambda: OF.activated(np.zeros((1, 1, 2)), np.ones(1), (1,)), ShapeError, "which is smaller or has other axes"),
        (lambda: OF.activated(np.array([[[np.nan, 4.0]]]), np.ones(1), (2,)), NonFiniteError, "maps has 1 values"),
        (lambda: OF.activated(np.zeros((1, 1, 2)), np.ones(1), (2.0,)), ParameterError, "one of size is 2.0"),
        (lambda: OF.overlap(np.full((1, 1, 2), 0.5), np.ones((1, 1, 2))), ParameterError, "active: True and False"),
        (lambda: OF.overlap(np.ones((1, 1, 2)), np.ones((1, 1, 2)), carried=np.ones((1, 2))), ShapeError, "carried of"),
        (lambda: OF.Overlap.none(1, 2) + OF.Overlap.none(2, 2), ShapeError, "do not add up"),
        (lambda: effect(batch=-1), ParameterError, "batch=-1: take at least one"),
        (lambda: effect(draws=1.5), ParameterError, "draws is 1.5"),
        (lambda: effect(seed=-1), ParameterError, "seed is -1"),
        (lambda: effect(counts=[1.5]), ParameterError, "one of counts is 1.5"),
        (lambda: effect(units=np.array([True, False, True])), ParameterError, "one of units of 'units' is True"),
        (lambda: effect(units=["0"]), ParameterError, "one of units of 'units' is '0'"),
        (lambda: effect(x=X[:0]), ParameterError, "there are no samples"),
        (lambda: effect(values="high"), ParameterError, "values: 'high' given"),
        (lambda: effect(values=np.nan), NonFiniteError, "values has 1 values that are not finite"),
        (lambda: effect(measure=lambda y: bright(y) * np.nan), NonFiniteError, "what the measure returns has 5"),
        (lambda: effect(measure=lambda y: bright(y) * 1j), ParameterError, "what the measure returns: complex128"),
        (lambda: effect().confidence(95), ParameterError, "level is 95: give a part"),
        (lambda: OF.insert(MADE, "units", [1], 1j), ParameterError, "values: 1j given"),
        (lambda: OF.insert(MADE, "units", [1], 1.0, "all"), ParameterError, "where: 'all' given"),
        (lambda: OF.sign_test([1.0, np.nan]), ParameterError, "differences: NaN among them"),
        (lambda: OF.agreement(MADE, X[:0], lambda y: y > 1, at="units", concepts=["a"]), ParameterError, "no samples"),
        (lambda: OF.agreement(MADE, once(X), lambda y: y > 1, at="units", concepts=["a"]), ParameterError, "read once"),
        (lambda: OF.agreement(MADE, X, lambda y: None, at="units", concepts=["a"]), ShapeError, "segment returns"),
    ],
)  # fmt: skip
def test_what_is_refused_in_one_line(call: Any, error: type[LrpError], said: str) -> None:
    with pytest.raises(error, match=said) as told:
        call()
    assert "\n" not in str(told.value)
