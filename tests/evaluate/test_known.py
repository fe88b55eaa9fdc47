"""The networks set by hand compute what they say, their maps are right, and every measure ranks them first."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from lrp_ref import evaluate
from lrp_ref.errors import ParameterError
from lrp_ref.evaluate import known
from lrp_ref.evaluate.control import random_map
from lrp_ref.evaluate.detection import mask_boxes

ALL = known.networks(samples=16, seed=3)


def value(made: known.Truth, x: Any) -> Any:
    return made.net.forward(x)[:, 0]


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.name)
def test_the_map_sums_to_what_the_input_adds(made: known.Truth) -> None:
    total = value(made, made.x) - value(made, np.zeros_like(made.x))
    np.testing.assert_allclose(made.relevance.sum(axis=(1, 2, 3)), total, atol=1e-12)
    assert ((made.relevance != 0) == made.masks).all()
    assert (total > 0.5).all()


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.name)
def test_what_lies_outside_of_the_mask_adds_nothing(made: known.Truth) -> None:
    """Whatever of the mask is there: a pixel outside may go."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        some = np.where(made.masks & (rng.random(made.x.shape) < 0.5), 0.0, made.x)
        without = np.where(made.masks, some, np.where(rng.random(made.x.shape) < 0.5, 0.0, some))
        np.testing.assert_allclose(value(made, some), value(made, without), atol=1e-12)


def shapley(f: Any, x: Any, players: list[tuple[int, ...]]) -> list[float]:
    """Shapley values of some pixels of one input (1, 1, H, W) against 0, by all subsets."""
    n = len(players)
    subsets = list(itertools.product((0, 1), repeat=n))
    rows = np.repeat(x, len(subsets), axis=0)
    for row, subset in zip(rows, subsets, strict=True):
        for there, place in zip(subset, players, strict=True):
            row[place] *= there
    worth = dict(zip(subsets, f(rows), strict=True))
    found = []
    for k in range(n):
        total = 0.0
        for subset in subsets:
            if not subset[k]:
                size = sum(subset)
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                total += weight * (worth[(*subset[:k], 1, *subset[k + 1 :])] - worth[subset])
        found.append(total)
    return found


@pytest.mark.parametrize("name", ["pattern", "two_objects"])
def test_each_pixel_of_an_object_has_its_shapley_value(name: str) -> None:
    made = next(one for one in ALL if one.name == name)
    for k in range(4):
        cells = [(y, x) for y in range(0, 12, 4) for x in range(0, 12, 4)]
        alone = np.zeros((9, 1, 12, 12))
        for row, (y, x) in zip(alone, cells, strict=True):
            row[:, y : y + 4, x : x + 4] = made.x[k, :, y : y + 4, x : x + 4]
        # The game is a sum of one game for each cell …
        np.testing.assert_allclose(value(made, alone).sum(), value(made, made.x[k : k + 1])[0], atol=1e-12)
        for row in alone:
            lit = [(0, int(a), int(b)) for a, b in np.argwhere(row[0] != 0)]
            if lit:  # … in which all subsets can be asked for.
                values = shapley(lambda rows: value(made, rows), row[None], lit)
                np.testing.assert_allclose(values, [made.relevance[(k, *place)] for place in lit], atol=1e-12)


@pytest.mark.parametrize("name", ["conjunction", "exclusive"])
def test_of_pixels_that_are_all_alike_each_has_the_same(name: str) -> None:
    """f is a function of how many pixels of the mask are there, so that none is more than another."""
    made = next(one for one in ALL if one.name == name)
    rng = np.random.default_rng(1)
    for count in (1, 7, 12):
        found = []
        for _ in range(6):
            x = made.x[:1].copy()
            places = np.flatnonzero(made.masks[0].ravel())
            x.reshape(-1)[rng.permutation(places)[:count]] = 0
            found.append(value(made, x)[0])
        np.testing.assert_allclose(found, found[0], atol=1e-12)


def middling(made: known.Truth) -> Any:
    """The right map in noise of one and a half times its size."""
    noise = np.random.default_rng(9).normal(size=made.x.shape)
    return made.relevance / made.relevance.max() + 1.5 * noise


ONE_OBJECT = ("patch", "exclusive")  # a box has one region
FAITHFUL = [name for name, m in evaluate.MEASURES.items() if m.kind in ("faithfulness", "localisation")]


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.name)
@pytest.mark.parametrize("name", FAITHFUL)
def test_the_right_map_ranks_first_and_a_random_one_last(name: str, made: known.Truth) -> None:
    measure = evaluate.MEASURES[name]
    if name == "region_perturbation":
        measure = measure.with_options(size=3)
    masks, boxes = made.masks, mask_boxes(made.masks)
    means = []
    for relevance in (made.relevance, middling(made), random_map(made.x, 5)):
        given = evaluate.measures.Given(
            made.net.forward, made.x, relevance, made.target, masks, boxes, made.net, None, 0, None
        )
        means.append(measure(given)[0].mean() * (1 if measure.better == "larger" else -1))
    right, noisy, random = means
    if name == "localisation_accuracy" and made.name not in ONE_OBJECT:
        assert right >= random  # of several objects no map has one box
        return
    assert right > random, (right, noisy, random)
    assert right > noisy >= random, (right, noisy, random)


def test_the_report_says_so() -> None:
    for made in ALL:
        found = evaluate.report(
            made.net, made.x, {"noisy": middling(made), "right": made.relevance}, masks=made.masks, target=0,
            measures=["pixel_flipping", "insertion", "relevance_mass", "roc_auc"],
        )  # fmt: skip
        assert found.best[1].all()
        assert not found.best[2].any()
        assert found.undecided == ()


def test_samples_and_seeds() -> None:
    for none, made, other in zip(
        known.networks(samples=0), known.networks(samples=3, seed=1), known.networks(samples=3, seed=2), strict=True
    ):
        assert none.x.shape == none.relevance.shape == none.masks.shape == (0, 1, 12, 12)
        assert (made.x != other.x).any()
        again = getattr(known, made.name)(samples=3, seed=1)
        assert (again.x == made.x).all()
        assert made.name in repr(made)
    with pytest.raises(ParameterError, match="samples is -1"):
        known.patch(samples=-1)
