"""What Quantus returns for maps and masks, by hand and as loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrp_ref import evaluate
from lrp_ref.evaluate import quantus

RNG = np.random.default_rng(3)
MASKS = RNG.random((6, 7)) < 0.4
MAPS = RNG.normal(size=(6, 7)).round(1)
MASKS[4] = False
MASKS[5], MAPS[5] = [True, False] * 3 + [True], 0.0
MASKS[:4, 0] = True
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
