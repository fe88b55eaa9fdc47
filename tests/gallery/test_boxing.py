"""Boxes of maps at several blurs and thresholds."""

from __future__ import annotations

import numpy as np

from lrp_ref.gallery.analysis import boxing


def test_hits_of_a_square_are_those_of_its_box() -> None:
    maps, boxes = np.zeros((2, 64, 64)), np.zeros((2, 2, 4), dtype=int)
    maps[0, 10:40, 20:50] = 1
    maps[1, :8, :8] = 1
    boxes[0, 1] = 10, 20, 40, 50
    boxes[1, 0] = 30, 30, 60, 60
    found = boxing.hits(maps, boxes)
    assert found.shape == (len(boxing.BLURS), len(boxing.THRESHOLDS), 2)
    assert found[0, :, 0].all()
    assert not found[..., 1].any()


def test_what_is_best_is_chosen_on_the_other_photos() -> None:
    found = np.zeros((3, 7, 6))
    found[1, 2, ::2] = 1  # suits the even photos
    found[2, 3, 1::2] = 1  # suits the odd ones
    found[0, 0, [0, 1]] = 1
    assert boxing.best(found) == (1, 2)
    assert boxing.best_of_other_half(found).tolist() == [0, 0, 0, 0, 0, 0]
    assert boxing.best_of_other_half(np.ones((3, 7, 6))).all()


def test_a_box_that_needs_no_network() -> None:
    boxes = np.array([[[0, 0, 100, 100], [0, 0, 0, 0]], [[24, 24, 76, 76], [0, 0, 9, 9]], [[0, 0, 9, 9], [1, 1, 2, 2]]])
    assert boxing.no_network(boxes, (100, 100), 1) == 1 / 3
    assert boxing.no_network(boxes, (100, 100), 0.5) == 1 / 3
    assert boxing.no_network(boxes, (100, 100), 0.8) == 1 / 3
    assert boxing.no_network(boxes, (100, 100), 0.72) == 2 / 3
