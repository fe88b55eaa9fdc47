"""What is counted of units before and after training: kinds of detectors, and those that keep their concept."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrp_ref import Network, layers, units
from lrp_ref.gallery.applications import dissection_scenes, emergence, transfer
from lrp_ref.gallery.sources.scenes import CONCEPTS, KINDS, UNITS, card, detector, lit, right, scenes


def dissection(best: dict[int, tuple[str, float]], count: int = 6) -> units.Dissection:
    """Units of which some have a large IoU with a concept, and the others none."""
    iou = np.zeros((count, len(CONCEPTS)))
    for unit, (concept, value) in best.items():
        iou[unit, CONCEPTS.index(concept)] = value
    numbers: Any = np.zeros(count)
    return units.Dissection(
        "relu4", 0.99, CONCEPTS, numbers, iou, iou, numbers, np.zeros(len(CONCEPTS)), 1, control=iou * 0, permuted=(0,)
    )


def test_detectors_are_counted_by_kind() -> None:
    found = dissection({0: ("ring", 0.1), 1: ("disc", 0.05), 2: ("red", 0.2), 3: ("red", 0.03), 4: ("dotted", 0.04)})
    assert emergence._by_kind(found) == [2, 1, 1]
    assert [transfer._detectors(found, kind) for kind in KINDS] == [2, 1, 1]
    assert transfer._best(found, "colour").tolist() == [0, 0, 0.2, 0.03, 0, 0]


def test_units_that_keep_their_concept_are_compared_with_random_pairs() -> None:
    before = dissection({0: ("ring", 0.1), 1: ("disc", 0.1), 2: ("red", 0.2), 3: ("red", 0.2)})
    after = dissection({0: ("ring", 0.1), 1: ("ring", 0.1), 2: ("red", 0.2), 4: ("red", 0.2)})
    same, expected = transfer._kept(before, after, np.random.default_rng(0))
    assert same == 2
    assert abs(expected - (1 * 2 + 2 * 2) / 6) < 0.2  # of 36 pairs one ring meets two, two reds meet two
    nothing = dissection({})
    assert transfer._kept(nothing, nothing, np.random.default_rng(0))[0] == 0  # no detector keeps nothing


def test_the_last_layer_is_replaced_and_the_rest_is_the_same() -> None:
    first, second = (detector(np.random.default_rng(k), outputs) for k, outputs in ((0, 6), (1, 4)))
    joined = transfer._with_head(first, second)
    assert joined.nodes[:-1] == first.nodes[:-1]
    assert joined.nodes[-1] == second.nodes[-1]
    made = scenes(np.random.default_rng(2), 3)
    assert joined.forward(made.x).shape == (3, 4)
    assert joined.until(UNITS).forward(made.x).shape == (3, 48, 10, 10)


def test_answers_are_right_where_more_than_a_half_says_yes() -> None:
    made = scenes(np.random.default_rng(3), 20)
    pixels = 3 * made.images[0, 0].size

    def always(value: float) -> Network:
        answer = layers.Dense(np.zeros((pixels, 6), np.float32), np.full(6, value, np.float32))
        return Network.sequential([layers.Flatten(), answer])

    assert right(always(1.0), made, "shape") == made.present("shape").mean()
    assert right(always(0.0), made, "shape") == 1 - made.present("shape").mean()


def test_a_card_has_the_strongest_scenes_dark_where_the_unit_is_not_active() -> None:
    made = scenes(np.random.default_rng(4), 12)
    net = detector(np.random.default_rng(5), 6)
    maps = net.until(UNITS).forward(made.x)[:, 7]
    order = np.argsort(-maps.max(axis=(1, 2)), kind="stable")
    whole, dark = card(net, made, 7, -1.0, 3), card(net, made, 7, 1e9, 3)
    np.testing.assert_array_equal(whole, made.images[order[:3]].transpose(0, 2, 3, 1))
    np.testing.assert_allclose(dark, np.repeat(0.55 * whole.mean(axis=3, keepdims=True), 3, axis=3), rtol=1e-6)
    assert lit(made.images, made.top >= 0).shape == (12, 40, 40, 3)


def test_a_part_of_a_rotation_is_a_rotation_and_parts_follow_one_another() -> None:
    whole, half, none = (dissection_scenes.rotation(np.random.default_rng(6), 12, turn) for turn in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(none, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(half @ half, whole, atol=1e-10)
    for q in (whole, half):
        np.testing.assert_allclose(q @ q.T, np.eye(12), atol=1e-10)
        assert np.linalg.det(q) > 0
    assert np.abs(whole - np.eye(12)).max() > 0.5


def test_rotated_units_are_sums_of_the_units() -> None:
    net, made = detector(np.random.default_rng(7), 16), scenes(np.random.default_rng(8), 2)
    q = dissection_scenes.rotation(np.random.default_rng(3), 48, 0.5)
    expected = np.einsum("uv,nvyx->nuyx", q, net.until(UNITS).forward(made.x))
    np.testing.assert_allclose(dissection_scenes._rotated(net, 3, 0.5).forward(made.x), expected, atol=1e-4)
    assert dissection_scenes._answers(made).shape == (2, 16)
