"""Perturbation curves against plain loops, closed forms on rationals, and stored numbers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import flipping
import numpy as np
import pytest
from strict import STRICT, StrictArray

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.arithmetic import rational
from lrp_ref.errors import BackendError, LrpError, NonFiniteError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import Curve, abpc, deletion, insertion, pixel_flipping, region_perturbation

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden-methods" / "metrics.npz"
RNG = np.random.default_rng(20)
W = RNG.normal(size=(2 * 5 * 4, 3))
B = RNG.normal(size=3)
X = RNG.normal(size=(5, 2, 5, 4))
R = RNG.normal(size=X.shape)
R[1] = R[1].round()  # ties
R[2] = 0
TARGET = [0, 2, 1, 1, 0]


def f(x: Any) -> Any:
    """Not linear, and of both signs."""
    z = x.reshape(len(x), -1) @ W.astype(x.dtype) + B.astype(x.dtype)
    return z + np.abs(z[:, ::-1])


def one(k: int) -> Any:
    """f's target on a single sample."""
    return lambda sample: f(sample[None])[0, TARGET[k]]


def literal(groups: Any, scores: Any, counts: Any, fill: Any, order: str = "morf", insert: bool = False) -> Any:
    rows = [
        flipping.curve(one(k), X[k], groups, list(scores[k]), counts, np.broadcast_to(fill, X.shape)[k], order, insert)
        for k in range(len(X))
    ]
    return np.array(rows)


@pytest.mark.parametrize("order", ["morf", "lerf"])
@pytest.mark.parametrize("fill", [0.0, 0.7, RNG.normal(size=X.shape)], ids=["zero", "number", "array"])
def test_a_curve_is_that_of_plain_loops(order: str, fill: Any) -> None:
    pixel = literal(flipping.pixels(X.shape[1:]), R.sum(axis=1).reshape(5, -1), range(21), fill, order)
    np.testing.assert_allclose(pixel_flipping(f, X, R, TARGET, fill=fill, order=order).curve, pixel, atol=1e-12)
    single = literal(flipping.numbers(X.shape[1:]), R.reshape(5, -1), range(41), fill, order)
    made = pixel_flipping(f, X, R, TARGET, fill=fill, order=order, per="number")
    np.testing.assert_allclose(made.curve, single, atol=1e-12)
    assert made.counts == tuple(range(41))
    assert made.units == 40


def test_insertion_is_that_of_plain_loops() -> None:
    expected = literal(flipping.pixels(X.shape[1:]), R.sum(axis=1).reshape(5, -1), range(21), 0.5, insert=True)
    made = insertion(f, X, R, TARGET, fill=0.5)
    np.testing.assert_allclose(made.curve, expected, atol=1e-12)
    np.testing.assert_allclose(made.curve[:, -1], f(X)[range(5), TARGET], atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 9])
@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_regions_are_those_of_plain_loops(size: int, order: str) -> None:
    groups = flipping.squares(X.shape[1:], size)
    scores = [[sum(R[k][index] for index in group) for group in groups] for k in range(5)]
    expected = literal(groups, scores, range(len(groups) + 1), 0.3, order)
    made = region_perturbation(f, X, R, TARGET, size=size, fill=0.3, order=order)
    # Sums in another order may tie differently: the map that is rounded and the one of zeros are exact.
    np.testing.assert_allclose(made.curve, expected, atol=1e-12)
    assert made.units == len(groups)


def test_the_first_regions_alone() -> None:
    full = region_perturbation(f, X, R, TARGET, size=2)
    np.testing.assert_array_equal(region_perturbation(f, X, R, TARGET, size=2, steps=4).counts, range(5))
    some = region_perturbation(f, X, R, TARGET, size=2, steps=[1, 3])
    np.testing.assert_allclose(some.curve, full.curve[:, [0, 1, 3]], atol=1e-12)


def test_unequal_steps_have_their_own_places() -> None:
    full, some = pixel_flipping(f, X, R, TARGET), pixel_flipping(f, X, R, TARGET, steps=[1, 5, 20])
    np.testing.assert_allclose(some.curve, full.curve[:, [0, 1, 5, 20]], atol=1e-12)
    np.testing.assert_allclose(some.auc, np.trapezoid(some.curve, [0, 1 / 20, 5 / 20, 1], axis=1), atol=1e-12)
    assert some.fractions == (0, 0.05, 0.25, 1)
    part = pixel_flipping(f, X, R, TARGET, steps=[5, 10])
    np.testing.assert_allclose(part.auc, np.trapezoid(part.curve, [0, 0.5, 1], axis=1), atol=1e-12)


def test_equal_steps_are_floors() -> None:
    assert pixel_flipping(f, X, R, TARGET, steps=3).counts == (0, 6, 13, 20)


# Known answers ------------------------------------------------------------------------------------------------------


def test_a_linear_model_has_its_areas_in_closed_form_exactly() -> None:
    """f(x⁽ᵏ⁾) = f(x) − Σ of the k largest w_i x_i: AOPC and AUC follow, with no rounding on rationals."""
    rng = np.random.default_rng(3)
    weight = rational(rng.integers(-9, 9, size=(7, 2)))
    bias = rational(np.array([0.5, -0.25]))
    x = rational(rng.integers(-5, 5, size=(4, 7)) / 4)
    net = lrp.Network.sequential([layers.Dense(weight, bias)])
    relevance = x * weight[:, 1]
    for order, sign in (("morf", -1), ("lerf", 1)):
        made = pixel_flipping(net.forward, x, relevance, 1, order=order)
        for k in range(4):
            shares = sorted((Fraction(x[k, i]) * Fraction(weight[i, 1]) for i in range(7)), key=lambda s: sign * s)
            total = [sum(shares[count:], Fraction(bias[1])) for count in range(8)]
            assert list(made.curve[k]) == total
            assert made.aopc[k] == sum(total[0] - t for t in total) / 8
            assert made.aopc[k] == sum((7 - i) * share for i, share in enumerate(shares)) / 8
            assert made.auc[k] == sum((a + b) / 2 for a, b in itertools.pairwise(total)) / 7
    between = abpc(net.forward, x, relevance, 1)
    lerf, morf = (pixel_flipping(net.forward, x, relevance, 1, order=o).curve for o in ("lerf", "morf"))
    assert list(between) == [
        sum(a - b for a, b in zip(*pair, strict=True)) / 8 for pair in zip(lerf, morf, strict=True)
    ]
    assert isinstance(between[0], Fraction)


def test_the_right_order_has_the_largest_area_of_all_orders() -> None:
    """On a linear model no order falls faster than that of w·x."""
    x, weight = X[:2].reshape(2, -1)[:, :8], W[:8, :1]

    def linear(batch: Any) -> Any:
        return batch @ weight

    best = pixel_flipping(linear, x, x * weight.T, 0).aopc
    rng = np.random.default_rng(1)
    others = [pixel_flipping(linear, x, rng.normal(size=x.shape), 0).aopc for _ in range(30)]
    assert (np.array(others) < best).all()


@pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden-methods is not there")
def test_stored_curves() -> None:
    stored = np.load(GOLDEN)
    weight, bias, x, target, relevance = (
        stored[f"linear/{name}"] for name in ("weight", "bias", "input", "target", "gradient_x_input")
    )

    def linear(batch: Any) -> Any:
        return batch.reshape(len(batch), -1) @ weight.T + bias

    given = (linear, x, relevance, target.astype(int))
    morf, lerf = pixel_flipping(*given, fill=0.0, order="morf"), pixel_flipping(*given, fill=0.0, order="lerf")
    regions = region_perturbation(*given, size=2, fill=0.0)
    found = {
        "pixel_flipping_morf_zero": morf.curve, "pixel_flipping_lerf_zero": lerf.curve, "aopc_morf": morf.aopc,
        "aopc_lerf": lerf.aopc, "abpc": abpc(*given), "deletion_auc_trapezoid_unit_interval": deletion(*given).auc,
        "insertion_curve": insertion(*given).curve, "insertion_auc_trapezoid_unit_interval": insertion(*given).auc,
        "region_perturbation_curve": regions.curve, "region_aopc": regions.aopc,
    }  # fmt: skip
    for name, values in found.items():
        np.testing.assert_allclose(values, stored[f"literal/{name}"], atol=1e-12, rtol=0, err_msg=name)


# What must not change the numbers -------------------------------------------------------------------------------------

FILLS = [0.2, "mean", "noise", "blur", X[::-1].copy(), [0.5, -1.0]]


@pytest.mark.parametrize("measure", [pixel_flipping, insertion, region_perturbation, deletion])
@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: fill if isinstance(fill, str) else "given")
def test_a_sample_alone_is_that_sample_in_a_batch(measure: Any, fill: Any) -> None:
    full = measure(f, X, R, TARGET, fill=fill).curve
    for k in range(5):
        some = fill[k : k + 1] if isinstance(fill, np.ndarray) else fill
        alone = measure(f, X[k : k + 1], R[k : k + 1], TARGET[k], fill=some).curve
        np.testing.assert_allclose(alone[0], full[k], atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 7, 20, 1000])
def test_the_size_of_the_micro_batches_changes_nothing(batch: int) -> None:
    sizes: list[int] = []

    def seen(x: Any) -> Any:
        sizes.append(len(x))
        return f(x)

    expected = pixel_flipping(f, X, R, TARGET, fill="mean").curve
    found = pixel_flipping(seen, X, R, TARGET, fill="mean", batch=batch).curve
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert max(sizes) <= batch
    assert sum(sizes) == expected.size


def test_more_samples_than_go_together() -> None:
    x, relevance = RNG.normal(size=(2, 70, 6))
    weight = RNG.normal(size=(6, 1))
    made = pixel_flipping(lambda batch: batch @ weight, x, relevance, 0).curve
    for k in (0, 31, 32, 69):
        expected = flipping.curve(
            lambda s: (s @ weight)[0], x[k], flipping.numbers((6,)), list(relevance[k]), range(7), 0 * x[k]
        )
        np.testing.assert_allclose(made[k], expected, atol=1e-12)


def test_more_points_than_a_byte_counts() -> None:
    """Steps are kept in the smallest integers that hold them."""
    x, relevance = RNG.normal(size=(2, 2, 300))
    made = pixel_flipping(lambda batch: batch, x, relevance, 0, steps=300)
    assert made.curve.shape == (2, 301)
    for k in range(2):
        gone = flipping.ranks(list(relevance[k]), "morf").index(0)
        np.testing.assert_array_equal(made.curve[k], [x[k, 0]] * (gone + 1) + [0.0] * (300 - gone))


def test_what_was_given_stays_as_it_was() -> None:
    x, relevance = X.copy(), R.copy()
    x.flags.writeable = relevance.flags.writeable = False
    pixel_flipping(f, x, relevance, TARGET)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("measure", [pixel_flipping, insertion, deletion, region_perturbation])
def test_float32_stays_float32_and_a_batch_of_none_is_one(measure: Any) -> None:
    made = measure(f, X.astype("f4"), R.astype("f4"), TARGET)
    assert made.curve.dtype == made.aopc.dtype == made.auc.dtype == np.float32
    none = measure(f, X[:0], R[:0])
    assert none.curve.shape == (0, len(made.counts))
    assert none.aopc.shape == none.auc.shape == (0,)
    assert "0 sample(s)" in repr(none)


def test_a_map_without_channels_or_with_one_ranks_pixels() -> None:
    flat = R.sum(axis=1)
    expected = pixel_flipping(f, X, R, TARGET).curve
    np.testing.assert_array_equal(pixel_flipping(f, X, flat, TARGET).curve, expected)
    np.testing.assert_array_equal(pixel_flipping(f, X, flat[:, None], TARGET).curve, expected)
    signal, weights = X.reshape(5, 2, 20), R.reshape(5, 2, 20)
    assert pixel_flipping(f, signal, weights, TARGET).units == 40
    assert pixel_flipping(f, signal, weights.sum(axis=1), TARGET).units == 20


def test_the_target_is_that_of_explain() -> None:
    assert f(X).argmax(axis=1).tolist() != TARGET
    predicted = pixel_flipping(f, X, R)
    np.testing.assert_array_equal(predicted.target[:, 0], f(X).argmax(axis=1))
    np.testing.assert_allclose(predicted.curve, pixel_flipping(f, X, R, f(X).argmax(axis=1)).curve, atol=1e-12)
    both = pixel_flipping(f, X, R, [[0, 2]] * 5).curve
    single = [pixel_flipping(f, X, R, k).curve for k in (0, 2)]
    np.testing.assert_allclose(both, sum(single), atol=1e-12)
    np.testing.assert_allclose(
        pixel_flipping(lambda x: f(x).reshape(len(x), 3, 1), X, R, (2, 0)).curve, single[1], atol=1e-12
    )
    np.testing.assert_allclose(pixel_flipping(lambda x: f(x)[:, 2], X, R).curve, single[1], atol=1e-12)


def test_the_prediction_of_an_insertion_is_that_of_the_whole_input() -> None:
    made = insertion(f, X, R, fill=3.0)
    np.testing.assert_array_equal(made.target[:, 0], f(X).argmax(axis=1))


def test_the_probability_is_measured_where_it_is_asked_for() -> None:
    from scipy.special import softmax

    made = pixel_flipping(f, X, R, TARGET, softmax=True)
    expected = pixel_flipping(lambda x: softmax(f(x), axis=1), X, R, TARGET)
    np.testing.assert_allclose(made.curve, expected.curve, atol=1e-12)
    assert "softmax" in repr(made)
    assert "softmax" not in repr(expected)
    assert abs(made.curve - pixel_flipping(f, X, R, TARGET).curve).max() > 0.1


def test_draws_of_noise_are_averaged() -> None:
    single = [region_perturbation(f, X, R, TARGET, size=2, fill="noise", seed=(3, k)).curve for k in range(4)]
    made = region_perturbation(f, X, R, TARGET, size=2, fill="noise", draws=4, seed=3)
    np.testing.assert_allclose(made.curve, sum(single) / 4, atol=1e-12)
    np.testing.assert_array_equal(
        made.curve, region_perturbation(f, X, R, TARGET, size=2, fill="noise", draws=4, seed=3).curve
    )
    assert abs(made.curve - region_perturbation(f, X, R, TARGET, size=2, fill="noise", draws=4).curve).max() > 1e-3


def test_abpc_is_the_difference_of_the_areas() -> None:
    lerf, morf = (pixel_flipping(f, X, R, TARGET, fill="mean", order=o, steps=7).curve for o in ("lerf", "morf"))
    np.testing.assert_allclose(abpc(f, X, R, TARGET, fill="mean", steps=7), (lerf - morf).mean(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "rows"),
    [
        (lambda told: pixel_flipping(f, X, R, TARGET, batch=6, progress=told), 5 * 21),
        (lambda told: pixel_flipping(f, X, R, batch=6, progress=told), 5 * 22),
        (lambda told: abpc(f, X, R, TARGET, progress=told), 2 * 5 * 21),
        (lambda told: region_perturbation(f, X, R, TARGET, size=2, fill="noise", draws=3, progress=told), 3 * 5 * 7),
    ],
)
def test_progress_ends_where_all_is_done(measure: Any, rows: int) -> None:
    seen: list[tuple[int, int]] = []
    measure(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (rows, rows)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {total for _, total in seen} == {rows}


def test_a_curve_prints_what_it_is() -> None:
    made = pixel_flipping(f, X, R, TARGET, fill="mean", order="lerf")
    assert repr(made).startswith(
        "Curve(pixel_flipping, lerf, fill mean: 5 sample(s), 20 steps to 20 of 20 units; aopc "
    )
    assert "<table>" in made._repr_html_()
    middle = np.median(made.curve, axis=0)
    assert f"{middle[0]:.4g}" in repr(made)
    assert made == pixel_flipping(f, X, R, TARGET, fill="mean", order="lerf")
    with pytest.raises(AttributeError):
        made.curve = X  # type: ignore[misc]


def test_a_curve_is_drawn() -> None:
    made = pixel_flipping(f, X, R, TARGET)
    assert made.picture().size[0] > 500


# Other array libraries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [0.2, "mean", "noise", "blur", [0.5, -1.0]], ids=str)
@pytest.mark.parametrize("measure", [pixel_flipping, insertion, region_perturbation])
def test_arrays_of_a_device_stay_there(measure: Any, fill: Any) -> None:
    """And the choice of numbers that a device makes is that of the host."""
    weight, bias = STRICT.asarray(W), STRICT.asarray(B)

    def on_device(x: StrictArray) -> StrictArray:
        z = STRICT.matmul(x.reshape(x.shape[0], 40), weight) + bias
        return z + STRICT.abs(STRICT.take(z, STRICT.asarray(np.array([2, 1, 0])), axis=1))

    x, relevance = STRICT.asarray(X), STRICT.asarray(R)
    made = measure(on_device, x, relevance, TARGET, fill=fill)
    assert isinstance(made.curve, StrictArray)
    assert isinstance(made.aopc, StrictArray)
    np.testing.assert_allclose(made.curve.get(), measure(f, X, R, TARGET, fill=fill).curve, atol=1e-12)


# Refusals -----------------------------------------------------------------------------------------------------------

NAN = np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, R)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pixel_flipping(f, X, NAN, 0), NonFiniteError, "relevance has 1 values that are not finite"),
        (lambda: pixel_flipping(f, NAN, R, 0), NonFiniteError, "x has 1 values"),
        (lambda: pixel_flipping(lambda x: f(x) * np.nan, X, R, 0), NonFiniteError, "the output of f"),
        (
            lambda: pixel_flipping(f, X, R[:4], 0),
            ShapeError,
            r"relevance has shape \(4, 2, 5, 4\), and x \(5, 2, 5, 4\)",
        ),
        (lambda: pixel_flipping(f, X, R[:, :, :4], 0), ShapeError, r"expected \(5, 2, 5, 4\), \(5, 1, 5, 4\) or"),
        (lambda: pixel_flipping(f, X.astype(int), R, 0), ParameterError, r"x.astype\('float64'\)"),
        (lambda: pixel_flipping(f, X[0, 0, 0], R, 0), ShapeError, "a batch is"),
        (lambda: pixel_flipping(f, X, R, 3), ParameterError, "target 3 is out of range"),
        (lambda: pixel_flipping(f, X, R, [0, 1]), ParameterError, "2 targets for 5 samples"),
        (lambda: pixel_flipping(f, X, R, 0, order="most"), ParameterError, "did you mean|known: lerf, morf"),
        (lambda: pixel_flipping(f, X, R, 0, per="pixels"), ParameterError, "did you mean 'pixel'"),
        (lambda: pixel_flipping(f, X, R.sum(axis=1), 0, per="number"), ParameterError, "give per='pixel'"),
        (lambda: pixel_flipping(f, X.reshape(5, -1), R.reshape(5, -1), 0, per="pixel"), ParameterError, "per='number'"),
        (lambda: pixel_flipping(f, X, R, 0, steps=21), ParameterError, "steps is 21, and a sample has 20 units"),
        (lambda: pixel_flipping(f, X, R, 0, steps=0), ParameterError, "from 1 to 20"),
        (lambda: pixel_flipping(f, X, R, 0, steps=[3, 2]), ParameterError, "rise"),
        (lambda: pixel_flipping(f, X, R, 0, steps=[3, 21]), ParameterError, "from 1 to 20"),
        (lambda: pixel_flipping(f, X, R, 0, steps=[]), ParameterError, "rise"),
        (lambda: pixel_flipping(f, X, R, 0, batch=0), ParameterError, "batch is 0"),
        (lambda: pixel_flipping(f, X, R, 0, fill="zeros"), ParameterError, "unknown fill 'zeros'"),
        (lambda: pixel_flipping(f, X, R, 0, fill=np.nan), ParameterError, "fill"),
        (lambda: pixel_flipping(f, X, R, 0, fill=np.ones(3)), ShapeError, r"\(2,\) for the channels"),
        (lambda: pixel_flipping(f, X, R, 0, fill=np.ones((4, 2, 5, 4))), ShapeError, "fill has shape"),
        (lambda: pixel_flipping(lambda x: f(x)[:1], X, R, 0), ShapeError, "f returned shape"),
        (lambda: pixel_flipping(lambda x: f(x).argmax(axis=1), X, R, 0), ParameterError, "not as decisions"),
        (lambda: pixel_flipping(lambda x: {"a": f(x)}, X, R, 0), BackendError, "f returned a dict"),
        (lambda: pixel_flipping(lambda x: f(x)[:, 0], X, R, 0, softmax=True), ShapeError, "softmax=True is of outputs"),
        (lambda: pixel_flipping(f, X, STRICT.asarray(R), 0), BackendError, "one library"),
        (lambda: region_perturbation(f, X.reshape(5, -1), R.reshape(5, -1), 0), ShapeError, "spatial axes"),
        (lambda: region_perturbation(f, X, R, 0, size=0), ParameterError, "size is 0"),
        (lambda: region_perturbation(f, X, R, 0, size=(2, 2, 2)), ShapeError, "give one number, or 2"),
        (lambda: region_perturbation(f, X, R, 0, draws=2), ParameterError, "fill='noise'"),
        (lambda: region_perturbation(f, X, R, 0, draws=0, fill="noise"), ParameterError, "draws is 0"),
        (lambda: abpc(f, X, R, 0, order="morf"), ParameterError, "leave order out"),
        (lambda: pixel_flipping(f, rational(X), rational(R), 0, fill="noise"), UnsupportedError, "'mean'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_summary_of_a_curve_by_hand() -> None:
    made = Curve(np.array([[4.0, 2.0, 1.0]]), (0, 1, 4), 4)
    assert made.aopc.tolist() == [(0 + 2 + 3) / 3]
    assert made.auc.tolist() == [(3.0 * 1 + 1.5 * 3) / 4]
