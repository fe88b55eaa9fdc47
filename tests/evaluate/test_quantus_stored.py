"""The numbers that Quantus 0.6.0 gave once are reproduced, and are not the right ones."""

from __future__ import annotations

from typing import Any

import golden_methods as golden
import numpy as np
import pytest
from quantus_case import (
    Values,
    gradient,
    gradient_x_input,
)

import lrp_ref as lrp
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Dense, Flatten


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
    """Return what is made of a linear model, with fill 0 where no other is named; in float32 there."""
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
