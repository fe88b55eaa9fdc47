"""Localisation against loops, scikit-learn and stored numbers; nothing to be said is never a hit."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strict import STRICT, StrictArray

from lrp_ref import evaluate
from lrp_ref.arithmetic import rational
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.evaluate import (
    boxes,
    context_ratio,
    context_use,
    iou,
    localisation_accuracy,
    pointing_game,
    relevance_mass,
    relevance_rank,
    roc_auc,
    top_k_intersection,
)

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden-methods" / "metrics.npz"
RNG = np.random.default_rng(11)
R = RNG.normal(size=(12, 2, 7, 6))
R[3] = R[3].round()  # ties
MASKS = RNG.random((12, 7, 6)) < 0.3
for _k in (0, 4, 5, 9):  # hits
    MASKS[_k] |= R[_k].sum(axis=0) == R[_k].sum(axis=0).max()
FLAT, INSIDE = R.sum(axis=1).reshape(12, -1), MASKS.reshape(12, -1)
EMPTY, WHOLE = np.zeros((1, 7, 6), bool), np.ones((1, 7, 6), bool)
ZERO, CONSTANT = np.zeros((1, 2, 7, 6)), np.full((1, 2, 7, 6), 3.0)
MEASURES = [pointing_game, relevance_mass, relevance_rank, top_k_intersection, roc_auc, context_ratio]


@pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden-methods is not there")
def test_stored_numbers() -> None:
    stored = np.load(GOLDEN)
    maps, masks = stored["maps/attribution"], stored["maps/mask"]
    found = {
        "pointing_game_hit_of_first_argmax": pointing_game(maps, masks),
        "relevance_mass_signed": relevance_mass(maps, masks, part="signed"),
        "relevance_mass_positive": relevance_mass(maps, masks),
        "relevance_mass_abs": relevance_mass(maps, masks, part="absolute"),
        "rank_accuracy": relevance_rank(maps, masks),
        "top10_intersection": top_k_intersection(maps, masks, k=10),
        "outside_inside_ratio_positive": context_ratio(maps, masks),
        "outside_inside_ratio_signed": context_ratio(maps, masks, part="signed"),
        "roc_auc": roc_auc(maps, masks),
        "gini_abs": evaluate.gini(maps),
        "entropy_abs_nats": evaluate.entropy(maps),
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, stored[f"literal/{name}"], atol=1e-12, rtol=0, err_msg=name)


def parts(values: Any, part: str) -> list[float]:
    return [abs(v) if part == "absolute" else max(v, 0.0) if part == "positive" else v for v in values]


@pytest.mark.parametrize("part", ["positive", "signed", "absolute"])
def test_mass_and_ratio_are_those_of_loops(part: str) -> None:
    for k in range(12):
        values = parts(FLAT[k], part)
        within = [v for v, hit in zip(values, INSIDE[k], strict=True) if hit]
        without = [v for v, hit in zip(values, INSIDE[k], strict=True) if not hit]
        if sum(within) == 0:
            assert context_ratio(R, MASKS, part=part)[k] == math.copysign(math.inf, sum(without))
            continue
        mass = relevance_mass(R, MASKS, part=part)[k]
        assert mass == pytest.approx(sum(within) / sum(values), rel=1e-10)
        ratio = (sum(without) / len(without)) / (sum(within) / len(within))
        assert context_ratio(R, MASKS, part=part)[k] == pytest.approx(ratio, rel=1e-10)


def test_ranks_are_those_of_loops() -> None:
    for k in range(12):
        order = sorted(range(42), key=lambda unit: (-FLAT[k, unit], unit))
        size = int(INSIDE[k].sum())
        assert relevance_rank(R, MASKS)[k] == sum(INSIDE[k, unit] for unit in order[:size]) / size
        for count in (1, 10, 42):
            expected = sum(INSIDE[k, unit] for unit in order[:count]) / count
            assert top_k_intersection(R, MASKS, k=count)[k] == expected


def test_the_roc_area_is_the_chance_of_a_pair() -> None:
    for k in range(12):
        within, without = FLAT[k][INSIDE[k]], FLAT[k][~INSIDE[k]]
        pairs = [(a > b) + 0.5 * (a == b) for a in within for b in without]
        assert roc_auc(R, MASKS)[k] == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


def test_the_roc_area_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    expected = [metrics.roc_auc_score(INSIDE[k], FLAT[k]) for k in range(12)]
    np.testing.assert_allclose(roc_auc(R, MASKS), expected, atol=1e-12)


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
def test_the_pointing_game_is_that_of_loops(tolerance: float) -> None:
    for k in range(12):
        y, x = divmod(max(range(42), key=lambda unit: FLAT[k, unit]), 6)
        near = [math.dist((y, x), place) for place in np.argwhere(MASKS[k])]
        unique = (FLAT[k] == FLAT[k].max()).sum() == 1
        if unique:
            assert pointing_game(R, MASKS, tolerance=tolerance)[k] == float(min(near) <= tolerance)
    assert 0 < pointing_game(R, MASKS).sum() < 12


def test_a_tie_is_a_hit_only_if_all_of_it_lies_inside() -> None:
    maps = np.array([[[2.0, 2.0, 1.0]]] * 3)
    masks = np.array([[[1, 0, 0]], [[1, 1, 0]], [[0, 0, 1]]])
    assert pointing_game(maps, masks).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("maps", "mask", "expected"),
    [
        (R[:1], EMPTY, (0, 0, math.nan, 0, math.nan, math.nan)),
        (R[:1], WHOLE, (1, 1, 1, 1, math.nan, math.nan)),
        (ZERO, MASKS[:1], (0, math.nan, 0, 0, 0.5, math.nan)),
        (ZERO, WHOLE, (0, math.nan, 0, 0, math.nan, math.nan)),
        (ZERO, EMPTY, (0, math.nan, math.nan, 0, math.nan, math.nan)),
        (CONSTANT, MASKS[:1], (0, MASKS[0].mean(), 0, 0, 0.5, 1)),
        (-np.abs(R[:1]), MASKS[:1], (None, math.nan, None, None, None, math.nan)),
    ],
    ids=["no mask", "whole mask", "zeros", "zeros, whole", "zeros, none", "constant", "negative"],
)
def test_what_says_nothing_is_no_hit(maps: Any, mask: Any, expected: tuple[float | None, ...]) -> None:
    for measure, value in zip(MEASURES, expected, strict=True):
        if value is not None:
            np.testing.assert_allclose(measure(maps, mask), [value], atol=1e-12, err_msg=measure.__name__)


def test_relevance_outside_alone_is_endless_context() -> None:
    outside = np.where(MASKS[:1], 0.0, np.abs(FLAT[0].reshape(1, 7, 6)))
    assert context_ratio(outside, MASKS[:1]).tolist() == [math.inf]


@pytest.mark.parametrize("measure", MEASURES)
def test_masks_of_any_shape_and_boxes_say_the_same(measure: Any) -> None:
    flat = R.sum(axis=1)
    corners = np.array([[1, 2, 5, 5]] * 12)
    masks = np.zeros((12, 7, 6), bool)
    masks[:, 1:5, 2:5] = True
    expected = measure(R, masks)
    for maps in (R, flat, flat[:, None]):
        for mask in (masks, masks[:, None], masks.astype(float), corners, corners.astype(float)):
            np.testing.assert_array_equal(measure(maps, mask), expected)
    # A mask of the map's own shape is one for each number: the channels are not summed.
    both = np.stack([masks, masks], axis=1)
    np.testing.assert_array_equal(measure(R, both), measure(R.reshape(12, -1), both.reshape(12, -1)))


@pytest.mark.parametrize("measure", MEASURES)
def test_alone_none_dtype_and_device(measure: Any) -> None:
    full = measure(R, MASKS)
    for k in range(12):
        np.testing.assert_allclose(measure(R[k : k + 1], MASKS[k : k + 1])[0], full[k], atol=1e-12)
    assert measure(R[:0], MASKS[:0]).shape == (0,)
    assert measure(R.astype("f4"), MASKS).dtype == np.float32
    made = measure(STRICT.asarray(R), STRICT.asarray(MASKS))
    assert isinstance(made, StrictArray)
    np.testing.assert_array_equal(made.get(), full)


def test_rationals_stay_exact() -> None:
    maps, masks = rational(np.array([[3.0, 1.0, -2.0]])), np.array([[1, 0, 1]])
    assert relevance_mass(maps, masks).tolist() == [Fraction(3, 4)]
    assert context_ratio(maps, masks, part="absolute").tolist() == [Fraction(2, 5)]
    assert pointing_game(maps, masks).tolist() == [1]
    assert roc_auc(maps, masks).tolist() == [0.5]


# Boxes --------------------------------------------------------------------------------------------------------------


def flood(mask: Any) -> list[set[tuple[int, int]]]:
    """Regions connected by their sides, in the order of their first pixel."""
    left, found = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    for start in sorted(left):
        if start not in left:
            continue
        region, edge = set(), [start]
        while edge:
            y, x = edge.pop()
            if (y, x) in left:
                left.remove((y, x))
                region.add((y, x))
                edge += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        found.append(region)
    return found


@pytest.mark.parametrize("threshold", [0, 0.2, 0.5])
def test_a_box_is_that_around_the_largest_region(threshold: float) -> None:
    maps = RNG.normal(size=(30, 8, 9)).round(1)
    for k, found in enumerate(boxes(maps, threshold=threshold)):
        regions = flood(maps[k] > threshold * maps[k].max())
        largest = max(regions, key=len)  # the first of several
        ys, xs = zip(*largest, strict=True)
        assert found.tolist() == [min(ys), min(xs), max(ys) + 1, max(xs) + 1]


def test_overlap_is_counted_in_pixels() -> None:
    rng = np.random.default_rng(2)
    corners = [np.sort(rng.integers(0, 9, size=(2, 60, 2)), axis=0) for _ in range(2)]
    a, b = (np.concatenate([low, high], axis=1) for low, high in corners)
    for k, found in enumerate(iou(a, b)):
        first, second = (
            {(y, x) for y in range(one[k, 0], one[k, 2]) for x in range(one[k, 1], one[k, 3])} for one in (a, b)
        )
        both = len(first | second)
        assert found == (len(first & second) / both if both else math.nan) or (not both and math.isnan(found))
    assert iou(a[:0], b[:0]).shape == (0,)


def test_an_accuracy_is_a_share_of_overlaps() -> None:
    maps = np.zeros((4, 6, 6))
    maps[0, 1:5, 1:5] = 1.0
    maps[1, 0:2, 0:2] = 1.0
    maps[3] = -1.0
    truth = np.array([[1, 1, 5, 4], [4, 4, 6, 6], [0, 0, 0, 0], [0, 0, 6, 6]])
    assert localisation_accuracy(maps, truth).tolist() == [1, 0, 0, 0]
    assert localisation_accuracy(maps, truth, iou=0.75).tolist() == [1, 0, 0, 0]
    assert localisation_accuracy(maps, truth, iou=0.76).tolist() == [0, 0, 0, 0]
    assert boxes(maps)[2:].tolist() == [[0, 0, 0, 0]] * 2
    assert localisation_accuracy(maps[:0], truth[:0]).shape == (0,)
    several = np.stack([np.zeros_like(truth), truth[[1, 0, 2, 3]], truth], axis=1)  # any of the objects is enough
    several[1, 1] = [0, 0, 2, 2]
    assert localisation_accuracy(maps, several).tolist() == [1, 1, 0, 0]
    assert localisation_accuracy(maps, several[:, :1]).tolist() == [0, 0, 0, 0]


NAN = np.full((1, 7, 6), np.nan)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pointing_game(R, MASKS[:, :6]), ShapeError, r"masks have shape \(12, 6, 6\).*or boxes \(12, 4\)"),
        (lambda: pointing_game(R, MASKS * 2), ParameterError, "0 .outside. and 1 .inside."),
        (lambda: pointing_game(NAN, EMPTY), NonFiniteError, "relevance has 42 values"),
        (lambda: pointing_game(R, MASKS, tolerance=-1), ParameterError, "tolerance is -1"),
        (lambda: relevance_mass(R, MASKS, part="abs"), ParameterError, "unknown part 'abs'"),
        (lambda: top_k_intersection(R, MASKS, k=43), ParameterError, "from 1 to 42"),
        (lambda: top_k_intersection(R, MASKS, k=0), ParameterError, "k is 0"),
        (lambda: context_ratio(R, np.array([[0, 0, 8, 6]] * 12)), ParameterError, "the map has 7 × 6"),
        (lambda: context_ratio(R, np.array([[3, 0, 2, 6]] * 12)), ParameterError, "half-open"),
        (lambda: context_ratio(R, np.array([[0.5, 0, 2, 6]] * 12)), ParameterError, "whole numbers"),
        (lambda: boxes(R, threshold=1), ParameterError, "threshold is 1"),
        (lambda: boxes(R.reshape(12, -1)), ShapeError, r"maps \(N, H, W\)"),
        (lambda: iou(np.zeros((2, 3)), np.zeros((2, 3))), ShapeError, "expected .N, 4."),
        (lambda: iou(np.zeros((2, 4)), np.zeros((3, 4))), ShapeError, "2 boxes a and 3 boxes b"),
        (lambda: localisation_accuracy(R, np.zeros((1, 4), int)), ShapeError, "one per sample"),
        (lambda: localisation_accuracy(R, np.zeros((12, 4), int), iou=0), ParameterError, "iou is 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_context_use_is_both_ratios_by_hand() -> None:
    """Inside (2 − 1 + 2)/3 signed and 4/3 positive; outside (−3 + 6 + 0)/3 and 6/3."""
    maps = rational(np.array([[[2.0, -1.0, -3.0], [2.0, 6.0, 0.0]]]))
    mask = np.array([[[1, 1, 0], [1, 0, 0]]])
    used = context_use(maps, mask)
    assert (used.signed.tolist(), used.positive.tolist()) == ([Fraction(1)], [Fraction(3, 2)])
    boxes = np.array([[0, 0, 2, 1]])  # inside 2 + 2, outside −1 − 3 + 6 + 0 over four pixels
    used = context_use(maps, boxes)
    assert (used.signed.tolist(), used.positive.tolist()) == ([Fraction(1, 4)], [Fraction(3, 4)])


def test_context_use_of_what_has_no_context_is_nan() -> None:
    used = context_use(np.ones((2, 2, 2)), np.array([[[1, 1], [1, 1]], [[0, 0], [0, 0]]]))
    assert np.isnan(used.signed).all()
    assert np.isnan(used.positive).all()
