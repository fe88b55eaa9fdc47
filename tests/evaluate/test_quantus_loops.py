"""What Quantus returns: against its stored numbers, against loops, and by hand where it departs from what is right."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import golden_methods as golden
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import evaluate
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Conv, Dense, Flatten, ReLU

PACKAGE = Path(lrp.__file__).parent
RNG = np.random.default_rng(17)
X = RNG.normal(size=(5, 2, 5, 6))
R = RNG.normal(size=X.shape)
TARGET = np.array([0, 2, 1, 2, 0])
W, B = RNG.normal(size=(60, 3)) / 4, RNG.normal(size=3)
FILLS = ["black", "white", "mean", 0.5]
Values = Any


def outputs(x: Values) -> Values:
    z = x.reshape(len(x), -1) @ W + B
    return z + np.maximum(z, 0) ** 2  # no linear f, in which the order of steps would not matter


def gradient(net: Any, x: Values, target: Any) -> Values:
    return lrp.attribute(net, x, "gradient", target=target).relevance


def gradient_x_input(net: Any, x: Values, target: Any) -> Values:
    return x * gradient(net, x, target)


# The stored numbers ---------------------------------------------------------------------------------------------------


def stored_maps() -> dict[str, Values]:
    """Return what is made of maps and masks, which Quantus keeps in float64."""
    stored = golden.arrays("metrics")
    maps, masks = stored["maps/attribution"], stored["maps/mask"]
    first = maps[:1], masks[:1]
    return {
        "maps/pointing_game": quantus.pointing_game(maps, masks),
        "maps/relevance_mass_accuracy": quantus.relevance_mass(maps, masks),
        "maps/relevance_mass_accuracy_abs": quantus.relevance_mass(maps, masks, absolute=True),
        "maps/top10_intersection": quantus.top_k_intersection(maps, masks, k=10),
        "maps/top10_intersection_concept": quantus.top_k_intersection(maps, masks, k=10, concept_influence=True),
        "maps/attribution_localisation": quantus.attribution_localisation(maps, masks),
        "maps/attribution_localisation_weighted": quantus.attribution_localisation(maps, masks, weighted=True),
        "maps_first_alone/attribution_localisation_weighted": quantus.attribution_localisation(*first, weighted=True),
        "maps/sparseness": quantus.sparseness(maps),
        "maps_first_alone/sparseness": quantus.sparseness(maps[:1]),
        "maps/complexity": quantus.complexity(maps),
        "maps/effective_complexity": quantus.effective_complexity(maps),
        "maps_first_alone/effective_complexity": quantus.effective_complexity(maps[:1]),
    }


def stored_model() -> dict[str, Values]:
    """Return what is made of a linear model, with fill 0 where no other is named; Quantus casts x to float32."""
    stored = golden.arrays("metrics")
    names = ("weight", "bias", "input", "target", "gradient_x_input")
    weight, bias, x, target, maps = (stored[f"linear/{name}"] for name in names)
    given: tuple[Any, ...] = (lambda x: x.reshape(len(x), -1) @ weight.T + bias, x, maps, target.astype(int))
    found: dict[str, Values] = {}
    for family, softmax in (("linear", False), ("linear_default_softmax", True)):
        of = {"softmax": softmax}
        for name, fill in (("zero", 0.0), ("black", "black"), ("mean", "mean")):
            found[f"{family}/pixel_flipping_{name}"] = quantus.pixel_flipping(*given, fill=fill, **of)
        found[f"{family}/pixel_flipping_auc"] = quantus.area(found[f"{family}/pixel_flipping_zero"])
        for order in ("morf", "lerf"):
            curve = quantus.region_perturbation(*given, size=2, fill=0.0, order=order, **of)
            found[f"{family}/region_perturbation_{order}"] = curve
        found[f"{family}/selectivity"] = quantus.selectivity(*given, size=2, fill=0.0, **of)
        found[f"{family}/sensitivity_n"] = np.array([quantus.sensitivity_n(*given, fill=0.0, **of)])
        for name, normalise in (("default", True), ("no_normalise", False)):
            answer = quantus.completeness(*given, fill=0.0, normalise=normalise, **of)
            found[f"{family}/completeness_{name}"] = answer
        found[f"{family}/non_sensitivity_default"] = quantus.non_sensitivity(*given, fill=0.0, **of)
    return found


@golden.needed
def test_stored_numbers_of_maps() -> None:
    stored = golden.arrays("metrics")
    for name, values in stored_maps().items():
        np.testing.assert_allclose(values, stored[f"quantus/{name}"], atol=1e-12, rtol=0, err_msg=name)


@golden.needed
def test_stored_numbers_of_a_model() -> None:
    stored = golden.arrays("metrics")
    for name, values in stored_model().items():
        # An area is a sum of 36 numbers that float32 has rounded, up to 317 in all.
        rtol = 1e-6 if name.endswith("auc") else 0
        np.testing.assert_allclose(values, stored[f"quantus/{name}"], atol=1e-6, rtol=rtol, err_msg=name)


@golden.needed
def test_stored_input_invariance() -> None:
    stored, model = golden.arrays("metrics"), golden.Golden("B")
    for explain in (gradient, gradient_x_input):
        found = quantus.input_invariance(model.net, explain, model.x, model.target.astype(int))
        assert np.array_equal(found, stored[f"quantus/B32/input_invariance_{explain.__name__}"])


@golden.needed
def test_stored_random_logit() -> None:
    pytest.importorskip("skimage")
    stored = golden.arrays("metrics")
    net = lrp.Network.sequential([Flatten(), Dense(stored["linear/weight"].T.copy(), stored["linear/bias"])])
    target = stored["linear/target"].astype(int)
    found = quantus.random_logit(net, gradient_x_input, stored["linear/input"], target, num_classes=3)
    np.testing.assert_allclose(found, stored["quantus/linear/random_logit_gxi"], atol=1e-12, rtol=0)


@golden.needed
def test_what_is_here_departs_from_the_right_answer_on_the_stored_maps() -> None:
    stored = golden.arrays("metrics")
    found = stored_maps() | stored_model()
    for theirs, right in (
        ("maps/pointing_game", "pointing_game_hit_of_first_argmax"),
        ("maps/relevance_mass_accuracy", "relevance_mass_positive"),
        ("maps/sparseness", "gini_abs"),
        ("maps/complexity", "entropy_abs_nats"),
        ("linear/completeness_no_normalise", "completeness_error"),
    ):
        assert not np.array_equal(found[theirs], stored[f"literal/{right}"], equal_nan=True), theirs
    assert found["linear/sensitivity_n"][0] < 0.05
    np.testing.assert_allclose(stored["literal/sensitivity_9_random_subsets"], 1, atol=1e-12)


# Curves against loops over samples, steps and numbers -----------------------------------------------------------------


def filled(row: list[float], fill: float | str) -> float:
    made = {"black": min, "white": max, "mean": lambda values: sum(values) / len(values)}
    return made[fill](row) if isinstance(fill, str) else fill


def measured(sample: Values, target: int, softmax: bool) -> float:
    z = outputs(sample[None])[0]
    return float(z[target] if not softmax else np.exp(z[target]) / np.exp(z).sum())


def going(sample: Values, order: list[list[int]], fill: float | str, target: int, softmax: bool) -> list[float]:
    """Return f after each step, with the fill of the sample as it has become."""
    row, found = sample.reshape(-1).tolist(), []
    for chosen in order:
        value = filled(row, fill)
        for k in chosen:
            row[k] = value
        found.append(measured(np.array(row).reshape(sample.shape), target, softmax))
    return found


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("step", [1, 3])
def test_pixel_flipping_is_that_of_a_loop(step: int, fill: float | str, softmax: bool) -> None:
    found = quantus.pixel_flipping(outputs, X, R, TARGET, fill=fill, step=step, softmax=softmax)
    assert found.shape == (5, 60 // step)
    for k in range(5):
        order = sorted(range(60), key=lambda i, k=k: -R[k].reshape(-1)[i])
        parts = [order[at : at + step] for at in range(0, 60, step)]
        np.testing.assert_allclose(found[k], going(X[k], parts, fill, TARGET[k], softmax), rtol=1e-10)


def test_the_mean_drifts() -> None:
    """Ours is the mean of the sample as it was given, and only the first step is the same."""
    mean = np.broadcast_to(X.mean(axis=(1, 2, 3), keepdims=True), X.shape)
    ours = evaluate.pixel_flipping(outputs, X, R, TARGET, fill=mean, per="number")
    theirs = quantus.pixel_flipping(outputs, X, R, TARGET, fill="mean", softmax=False)
    np.testing.assert_allclose(theirs[:, 0], ours.curve[:, 1], rtol=1e-10)
    assert (abs(theirs[:, 30] - ours.curve[:, 31]) > 1e-3).all()


def test_only_the_unperturbed_point_is_missing() -> None:
    ours = evaluate.pixel_flipping(outputs, X, R, TARGET, fill=0.5, per="number")
    theirs = quantus.pixel_flipping(outputs, X, R, TARGET, fill=0.5, softmax=False)
    np.testing.assert_allclose(theirs, ours.curve[:, 1:], rtol=1e-10)
    np.testing.assert_allclose(quantus.area(theirs), np.trapezoid(theirs, axis=1), rtol=1e-12)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_regions_are_those_of_a_loop(size: int, fill: float | str, softmax: bool) -> None:
    """Pictures of 5 × 6 are padded on both sides to a multiple of the size, the smaller half first."""
    above, left = (-5 % size) // 2, (-6 % size) // 2
    wide, high = (6 + size - 1) // size, (5 + size - 1) // size
    given = (outputs, X, R, TARGET)
    for order, sign in (("morf", -1), ("lerf", 1)):
        falls = quantus.region_perturbation(*given, size=size, fill=fill, order=order, softmax=softmax)
        assert falls.shape == (5, wide * high)
        for k in range(5):
            padded = np.pad(X[k], ((0, 0), (above, -5 % size - above), (left, -6 % size - left)), mode="edge")
            squares, sums = [], []
            for row in range(high):
                for column in range(wide):
                    places = [
                        (c, row * size + i, column * size + j)
                        for c in range(2) for i in range(size) for j in range(size)
                    ]  # fmt: skip
                    squares.append(places)
                    inner = [
                        R[k, c, i - above, j - left]
                        for c, i, j in places if 0 <= i - above < 5 and 0 <= j - left < 6
                    ]  # fmt: skip
                    sums.append(sign * sum(inner))
            whole, curve = measured(X[k], TARGET[k], softmax), []
            for number in sorted(range(len(squares)), key=sums.__getitem__):
                value = filled(padded.reshape(-1).tolist(), fill)
                for place in squares[number]:
                    padded[place] = value
                curve.append(measured(padded[:, above : above + 5, left : left + 6], TARGET[k], softmax))
            np.testing.assert_allclose(falls[k], [whole - value for value in curve], rtol=1e-9, atol=1e-12)
            if order == "morf":
                after = quantus.selectivity(*given, size=size, fill=fill, softmax=softmax)[k]
                np.testing.assert_allclose(after, curve, rtol=1e-10)


def test_only_so_many_regions() -> None:
    every = quantus.region_perturbation(outputs, X, R, TARGET, size=2)
    assert np.array_equal(quantus.region_perturbation(outputs, X, R, TARGET, size=2, regions=4), every[:, :4])


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("batch", [64, 3])
def test_sensitivity_n_correlates_samples(step: int, batch: int) -> None:
    """Cumulative falls against the sums of each step, over the samples of the first batch, for 0.8 of 30 pixels."""
    found = quantus.sensitivity_n(outputs, X, R, TARGET, fill="mean", step=step, softmax=False, batch=batch)
    n, steps = min(5, batch), 24 // step
    falls, sums = [], []
    scores = R / abs(R).max()
    for k in range(n):
        order = sorted(range(60), key=lambda i, k=k: -R[k].reshape(-1)[i])
        parts = [order[at : at + step] for at in range(0, 60, step)]
        whole = measured(X[k], TARGET[k], False)
        falls.append([whole - value for value in going(X[k], parts, "mean", TARGET[k], False)][:steps])
        sums.append([sum(scores[k].reshape(-1)[i] for i in part) for part in parts][:steps])
    each = [np.corrcoef([row[j] for row in falls], [row[j] for row in sums])[0, 1] for j in range(steps)]
    assert found == pytest.approx(np.mean(each), rel=1e-9)


def test_sensitivity_n_is_not_1_on_a_linear_model() -> None:
    def linear(x: Values) -> Values:
        return x.reshape(len(x), -1) @ W

    maps = X * W[:, 0].reshape(1, 2, 5, 6)
    theirs = quantus.sensitivity_n(linear, X, maps, 0, fill=0.0, softmax=False)
    ours = evaluate.sensitivity_n(linear, X, maps, 0, n=9, fill=0.0)
    np.testing.assert_allclose(ours, 1, atol=1e-12)
    assert theirs < 0.9


def test_a_map_of_one_channel_or_none_is_that_of_all() -> None:
    single = R[:, :1]
    full = np.broadcast_to(single, X.shape)
    for curve in (quantus.pixel_flipping, quantus.region_perturbation):
        wanted = curve(outputs, X, full, TARGET)
        assert np.array_equal(curve(outputs, X, single, TARGET), wanted)
        assert np.array_equal(curve(outputs, X, single[:, 0], TARGET), wanted)


# Axioms ---------------------------------------------------------------------------------------------------------------


def test_completeness_is_of_floats_that_are_equal() -> None:
    """Powers of two add up without rounding; ours is a number, and 0 where the last bit is not."""
    x, w = np.array([[0.5, 2.0, 1.0], [0.1, 0.2, 0.3]]), np.array([[1.0], [2.0], [4.0]])
    maps = x * w.T
    assert quantus.completeness(lambda x: x @ w, x[:1], maps[:1] / 4, 0, fill=0.0).tolist() == [False]
    assert quantus.completeness(lambda x: x @ w, x[:1], maps[:1], 0, fill=0.0).tolist() == [False]  # divided by 4
    assert quantus.completeness(lambda x: x @ w, x, maps, 0, fill=0.0, normalise=False).tolist()[0] is True
    tenths = np.full((1, 10), 0.1)

    def by_steps(x: Values) -> Values:
        return np.cumsum(x, axis=1)[:, -1:]

    # Ten tenths one after another are 0.9999…, and by pairs 1.
    assert by_steps(tenths)[0, 0] != tenths.sum()
    assert quantus.completeness(by_steps, tenths, tenths, 0, fill=0.0, normalise=False).tolist() == [False]
    assert evaluate.completeness(by_steps, tenths, tenths, 0)[0] < 1e-15


@pytest.mark.parametrize("fill", FILLS)
def test_completeness_is_of_the_whole_input_filled(fill: float | str) -> None:
    x = np.array([[[1.0, 3.0, 4.0, 8.0]]])
    value = filled([1.0, 3.0, 4.0, 8.0], fill)
    assert quantus.completeness(lambda x: x.sum(axis=2), x, x - value, 0, fill=fill, normalise=False).tolist() == [True]
    assert quantus.completeness(lambda x: x.sum(axis=2), x, x - 9, 0, fill=fill, normalise=False).tolist() == [False]


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
def test_non_sensitivity_is_that_of_a_loop(fill: float | str, softmax: bool) -> None:
    epsilon = 0.05
    found = quantus.non_sensitivity(outputs, X, R, TARGET, epsilon=epsilon, fill=fill, softmax=softmax)
    for k in range(5):
        count, whole = 0, measured(X[k], TARGET[k], softmax)
        for i in range(60):
            [value] = going(X[k], [[i]], fill, TARGET[k], softmax)
            silent = abs(R[k].reshape(-1)[i]) / abs(R).max() < epsilon
            count += silent != (abs(value - whole) < epsilon)
        assert found[k] == count
        assert 0 < count < 60


def test_non_sensitivity_of_what_is_already_black() -> None:
    """The smallest number is replaced by itself, and a right map is found to be wrong there; ours leaves it out."""
    x, w = np.array([[1.0, 2.0, 3.0]]), np.ones((3, 1))
    assert quantus.non_sensitivity(lambda x: x @ w, x, x, 0, softmax=False).tolist() == [1]
    assert evaluate.non_sensitivity(lambda x: x @ w, x, x, 0, fill=x.min()).tolist() == [0]


# Maps and masks -------------------------------------------------------------------------------------------------------

MASKS = RNG.random((6, 7)) < 0.4
MAPS = RNG.normal(size=(6, 7)).round(1)
MASKS[4] = False
MASKS[5], MAPS[5] = [True, False] * 3 + [True], 0.0
MASKS[:2, 0] = True
INF = math.inf


def test_the_batch_is_divided_by_its_largest_number() -> None:
    most = max(abs(value) for row in MAPS.tolist() for value in row)
    assert quantus.normalised(MAPS).tolist() == [[value / most for value in row] for row in MAPS.tolist()]
    assert quantus.normalised(MAPS[5:]).tolist() == [[0.0] * 7]
    assert np.array_equal(quantus.normalised(MAPS, absolute=True), abs(MAPS) / most)


def test_pointing_game_counts_ties_and_empty_masks() -> None:
    maps = np.array([[2.0, 2.0, 1.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [3.0, 1.0, 1.0]])
    masks = np.array([[0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]])
    assert quantus.pointing_game(maps, masks).tolist() == [1, 0, 1, 1]
    assert evaluate.pointing_game(maps, masks).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("absolute", [False, True])
def test_relevance_mass_is_that_of_a_loop(absolute: bool) -> None:
    found = quantus.relevance_mass(MAPS, MASKS, absolute=absolute)
    for k in range(4):
        values = [abs(v) if absolute else v for v in MAPS[k].tolist()]
        within = sum(v for v, inside in zip(values, MASKS[k], strict=True) if inside)
        assert found[k] == pytest.approx(within / sum(values), rel=1e-9)
    assert np.isnan(found[4:]).all()


def test_relevance_mass_is_no_part() -> None:
    maps, masks = np.array([[4.0, -2.0], [1.0, -3.0], [1.0, -1.0]]), np.array([[1, 0], [1, 0], [1, 0]])
    assert quantus.relevance_mass(maps, masks).tolist() == [2, -0.5, INF]
    assert evaluate.relevance_mass(maps, masks).tolist() == [1, 1, 1]


@pytest.mark.parametrize("concept", [False, True])
def test_top_k_is_that_of_a_loop(concept: bool) -> None:
    maps = RNG.permutation(42).reshape(6, 7) - 20.0
    found = quantus.top_k_intersection(maps, MASKS, k=3, concept_influence=concept)
    for k in range(6):
        top = sorted(range(7), key=lambda i, k=k: -maps[k, i])[:3]
        hits, size = sum(bool(MASKS[k, i]) for i in top), int(MASKS[k].sum())
        if not size:
            assert math.isnan(found[k])
            continue
        assert found[k] == pytest.approx(hits / 3 * (7 / size if concept else 1), rel=1e-12)


def test_the_weight_of_attribution_localisation_counts_all_samples_but_two() -> None:
    for n in (3, 4, 6):
        plain = quantus.attribution_localisation(MAPS[:n], MASKS[:n])
        found = quantus.attribution_localisation(MAPS[:n], MASKS[:n], weighted=True)
        for k in range(n):
            within = sum(abs(v) for v, inside in zip(MAPS[k], MASKS[k], strict=True) if inside)
            share = within / abs(MAPS[k]).sum() if abs(MAPS[k]).sum() else 0.0
            if not MASKS[k].any():
                assert math.isnan(plain[k])
                assert math.isnan(found[k])
                continue
            assert plain[k] == pytest.approx(share, abs=1e-8)
            assert found[k] == pytest.approx(share * MASKS[k].sum() / (7 * (n - 2)), abs=1e-8)
    assert quantus.attribution_localisation(MAPS[:2], MASKS[:2], weighted=True).tolist() == [INF, INF]
    assert quantus.attribution_localisation(MAPS[:1], MASKS[:1], weighted=True).tolist() == [INF]


def test_sparseness_is_that_of_the_batch_with_something_added() -> None:
    """G = Σ_ij |a_i − a_j| / (2 n² mean a), with a = |R|/max + 10⁻⁷."""
    for rows in (slice(0, 6), slice(2, 3)):
        maps = MAPS[rows]
        found = quantus.sparseness(maps)
        for k in range(len(maps)):
            a = abs(maps[k]) / abs(maps).max() + 1e-7
            assert found[k] == pytest.approx(abs(a[:, None] - a).sum() / (2 * 49 * a.mean()), rel=1e-9, abs=1e-12)
    assert np.isnan(evaluate.gini(MAPS)[5])
    assert abs(quantus.sparseness(MAPS)[5]) < 1e-12
    small = np.array([[1e-7, 0.0], [1.0, 0.0]])  # beside a large map, the small one seems even
    np.testing.assert_allclose(evaluate.gini(small), [0.5, 0.5])
    np.testing.assert_allclose(quantus.sparseness(small), [1 / 6, 0.5], atol=1e-6)


def test_complexity_is_the_entropy_but_of_zeros() -> None:
    found, ours = quantus.complexity(MAPS), evaluate.entropy(MAPS)
    np.testing.assert_allclose(found[:5], ours[:5], atol=1e-10)
    assert math.isnan(found[5])


def test_effective_complexity_depends_on_the_neighbours() -> None:
    small = np.array([[1e-4, 2e-4, 0.0]])
    both = np.concatenate([small, [[100.0, 0.0, 0.0]]])
    assert quantus.effective_complexity(small).tolist() == [2]
    assert quantus.effective_complexity(both).tolist() == [0, 1]
    assert evaluate.effective_complexity(both).tolist() == [2, 1]


# Explaining again -----------------------------------------------------------------------------------------------------


def detector(padding: int) -> Any:
    """Return Σ_i ReLU(x_{i−1} + x_i + x_{i+1}), or the sum over single ReLU(x_i) without padding."""
    kernel = np.ones((1, 1, 3 if padding else 1))
    return lrp.Network.sequential([Conv(kernel, padding=padding), ReLU(), Flatten(), Dense(np.ones((4, 1)))])


def test_input_invariance_does_not_shift_the_first_number() -> None:
    """ReLU(x_0) with x_0 = −½ has gradient 0; the bias that takes off the shift of −1 makes it ReLU(½)."""
    net, x = detector(0), np.array([[[-0.5, 2.0, -3.0, 2.0]], [[0.5, 2.0, -3.0, 2.0]]])
    assert quantus.input_invariance(net, gradient, x, 0).tolist() == [0, 1]
    np.testing.assert_allclose(evaluate.input_invariance(net, gradient, x, 0, shift=-1.0), 0, atol=1e-12)


def test_input_invariance_takes_off_the_smallest_shift_at_the_border_too() -> None:
    """The shift of −1 is −3 inside and −2 at the end; 3 are taken off, and x_2 + x_3 = −½ becomes ½."""
    net, x = detector(1), np.array([[[5.0, 2.0, 1.0, -1.5]], [[5.0, 2.0, 1.0, 1.5]]])
    assert quantus.input_invariance(net, gradient, x, 0).tolist() == [0, 1]


def test_input_invariance_of_a_bias_and_by_how_much() -> None:
    """A bias is kept, and numbers that differ by less than 10⁻⁴ agree."""
    conv = Conv(np.ones((1, 1, 1)), np.array([7.0]))
    biased = lrp.Network.sequential([conv, ReLU(), Flatten(), Dense(np.ones((4, 1)))])
    x = np.array([[[-6.5, 2.0, -3.0, 2.0]], [[-7.5, 2.0, -3.0, 2.0]]])
    assert quantus.input_invariance(biased, gradient, x, 0).tolist() == [1, 0]

    def nearly(by: float) -> Callable[..., Values]:
        return lambda net, x, target: x * 0 + by * (x[:, :, 1:2] < 1.5)

    assert quantus.input_invariance(detector(0), nearly(0.9e-4), x, 0).tolist() == [1, 1]
    assert quantus.input_invariance(detector(0), nearly(1.1e-4), x, 0).tolist() == [0, 0]


HIDDEN = Dense(RNG.normal(size=(60, 9)) / 4, RNG.normal(size=9))
NET = lrp.Network.sequential([Flatten(), HIDDEN, ReLU(), Dense(RNG.normal(size=(9, 3)), RNG.normal(size=3))])


def test_random_logit_is_of_vectors() -> None:
    """A window of seven goes from the end of a line into the next; ours is of pictures."""
    metrics = pytest.importorskip("skimage.metrics")
    x = RNG.normal(size=(3, 1, 8, 8))
    made = {0: RNG.normal(size=(8, 8)), 1: RNG.normal(size=(8, 8))}

    def explain(net: Any, x: Values, target: Any) -> Values:
        return np.stack([made[int(t)][None] * (k + 1) for k, t in enumerate(target)])

    net = lrp.Network.sequential([Flatten(), Dense(RNG.normal(size=(64, 2)))])
    found = quantus.random_logit(net, explain, x, 0, num_classes=2)
    for k in range(3):
        pair = [made[t].reshape(-1) * (k + 1) / (3 * abs(made[t]).max()) for t in (0, 1)]
        together = np.concatenate(pair)
        span = together.max() - together.min()
        assert found[k] == pytest.approx(metrics.structural_similarity(*pair, data_range=span), rel=1e-9)
        as_pictures = metrics.structural_similarity(*(p.reshape(8, 8) for p in pair), data_range=span)
        assert abs(found[k] - as_pictures) > 1e-3
    whole = quantus.random_logit(net, explain, x, 0, others=1, normalise=False)
    together = np.concatenate([made[0].reshape(-1), made[1].reshape(-1)])
    span = together.max() - together.min()
    raw = metrics.structural_similarity(made[0].reshape(-1), made[1].reshape(-1), data_range=span)
    assert whole[0] == pytest.approx(raw, rel=1e-9)


def test_random_logit_takes_another_class_than_the_target() -> None:
    pytest.importorskip("skimage")
    asked: list[Values] = []

    def explain(net: Any, x: Values, target: Any) -> Values:
        asked.append(np.array(target))
        return x

    x = RNG.normal(size=(40, 1, 3, 20))
    target = np.arange(40) % 3
    net = lrp.Network.sequential([Flatten(), Dense(W, B)])
    assert quantus.random_logit(net, explain, x, target, num_classes=3).tolist() == pytest.approx([1] * 40)
    first, other = asked
    assert np.array_equal(first, target)
    assert (other != target).all()
    assert set(other.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("normalise", [False, True])
def test_stability_is_that_of_a_loop(normalise: bool) -> None:
    noise = np.random.default_rng(3).uniform(-1, 1, size=(4, *X.shape))

    def maps(x: Values) -> Values:
        found = gradient_x_input(NET, x, TARGET)
        return found / abs(found).max() if normalise else found

    given = (NET, gradient_x_input, X, TARGET)
    steep = quantus.local_lipschitz(*given, noise=noise, sigma=0.3, normalise=normalise)
    moved = quantus.max_sensitivity(*given, noise=noise, radius=0.3, normalise=normalise)
    still = maps(X)
    again = [maps(X + 0.3 * one) for one in noise]
    for k in range(5):
        moves = [math.sqrt(((one[k] - still[k]) ** 2).sum()) for one in again]
        ways = [math.sqrt(((0.3 * one[k]) ** 2).sum()) for one in noise]
        assert steep[k] == pytest.approx(max(m / w for m, w in zip(moves, ways, strict=True)), rel=1e-8)
        assert moved[k] == pytest.approx(max(moves) / math.sqrt((still[k] ** 2).sum()), rel=1e-10)
    same = np.stack([noise[:, 0]] * 5, axis=1)
    if not normalise:  # without the division it is ours, when all samples have the same draws
        theirs = quantus.max_sensitivity(*given, noise=same, radius=0.3, normalise=False)
        ours = evaluate.max_sensitivity(*given, noise=noise[:, 0], radius=0.3)
        np.testing.assert_allclose(theirs, ours, rtol=1e-12)


def test_a_map_that_grows_does_not_move() -> None:
    x = np.array([[1.0, 2.0]])
    net = lrp.Network.sequential([Dense(np.ones((2, 1)))])

    def grows(net: Any, x: Values, target: Any) -> Values:
        return 3 * x

    theirs = quantus.max_sensitivity(net, grows, x, 0, noise=x[None] / 2, radius=1.0, normalise=True)
    ours = evaluate.max_sensitivity(net, grows, x, 0, noise=x / 2, radius=1.0)
    assert theirs[0] == pytest.approx(0, abs=1e-12)
    assert ours[0] == pytest.approx(0.5, rel=1e-12)
    silent = quantus.max_sensitivity(net, lambda net, x, target: 0 * x, x, 0, noise=x[None])
    assert np.isnan(silent).all()


# What is refused, and that nothing else takes a dialect ---------------------------------------------------------------


def refusals() -> list[tuple[Callable[[], Any], type[Exception], str]]:
    given = (outputs, X, R, TARGET)
    flat = lrp.Network.sequential([Dense(np.ones((3, 2)))])
    conv = detector(0)
    x = np.ones((2, 3))
    return [
        (lambda: quantus.pixel_flipping(*given, fill="blck"), ParameterError, "'black'"),
        (lambda: quantus.pixel_flipping(*given, step=4), ParameterError, "divisors of 30"),
        (lambda: quantus.pixel_flipping(*given, step=0), ParameterError, "divisors of 30"),
        (lambda: quantus.pixel_flipping(outputs, X, R, None), ParameterError, "give an output for each sample"),
        (lambda: quantus.pixel_flipping(outputs, X, R[:, :, :2], TARGET), ShapeError, r"\(5, 2, 2, 6\)"),
        (lambda: quantus.non_sensitivity(outputs, X, R[:1], TARGET), ShapeError, r"\(1, 2, 5, 6\)"),
        (lambda: quantus.region_perturbation(*given, order="up"), ParameterError, "morf"),
        (lambda: quantus.region_perturbation(*given, size=0), ParameterError, "size is 0"),
        (lambda: quantus.selectivity(outputs, X, R[:3], TARGET), ShapeError, r"\(3, 2, 5, 6\)"),
        (lambda: quantus.region_perturbation(lambda x: x, x, x, 0), ShapeError, "pictures"),
        (lambda: quantus.sensitivity_n(lambda x: x, x, x, 0), ShapeError, r"\(2, 3\)"),
        (lambda: quantus.sensitivity_n(outputs, X[:1], R[:1], 0), ParameterError, "it has 1"),
        (lambda: quantus.top_k_intersection(X, X > 0, k=30), ParameterError, "from 1 to 29"),
        (lambda: quantus.top_k_intersection(x, x > 0), ParameterError, "from 1 to 2"),
        (lambda: quantus.pointing_game(x, x[:1] > 0), ShapeError, r"\(1, 3\)"),
        (lambda: quantus.input_invariance(flat, gradient, x, 0), UnsupportedError, "'dense1' is a Dense"),
        (lambda: quantus.local_lipschitz(flat, gradient, x, 0, noise=x), ShapeError, r"give \(draws, 2, 3\)"),
        (lambda: quantus.max_sensitivity(conv, gradient, X[:, :1, 0], 0, noise=X[:0]), ShapeError, "give"),
    ]


@pytest.mark.parametrize("number", range(len(refusals())))
def test_what_is_refused(number: int) -> None:
    provoke, kind, says = refusals()[number]
    with pytest.raises(kind, match=says):
        provoke()


def test_a_class_that_the_network_does_not_have() -> None:
    pytest.importorskip("skimage")
    net = lrp.Network.sequential([Flatten(), Dense(W, B)])
    with pytest.raises(ParameterError, match="give num_classes=3"):
        quantus.random_logit(net, gradient, X, TARGET)
    assert quantus.random_logit(net, gradient, X, TARGET, num_classes=3).shape == (5,)


def test_dialects_are_taken_by_nothing_else() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "quantus" in path.parts or path == PACKAGE / "evaluate" / "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", None) or ""
            assert not any("quantus" in name for name in (*names, module)), path
            assert not (isinstance(node, ast.Attribute) and node.attr == "quantus"), path
    assert not any("quantus" in name for name in evaluate.MEASURES)
