"""Garments with marks beside them: where they lie, and how often the mark tells the class."""

from __future__ import annotations

import numpy as np

from lrp_ref.gallery.sources import beside


def test_a_scene_has_a_garment_in_its_box_and_one_mark_outside() -> None:
    images, labels = np.full((40, 28, 28), 255, np.uint8), np.arange(40) % 10
    scenes = beside.Scenes.made(np.random.default_rng(1), images, labels, 1.0)
    assert (scenes.marks == labels).all()
    for x, (y0, x0, y1, x1), mark in zip(scenes.x[:, 0], scenes.boxes, scenes.marks, strict=True):
        assert (y0, y1, x1 - x0) == (0, 28, 28)
        assert (x[y0:y1, x0:x1] == 1).all()
        assert np.delete(x, np.arange(x0, x1), axis=1).sum() == beside.marks()[mark].sum()
    assert set(scenes.boxes[:, 1].tolist()) == {0, 16}


def test_the_chance_of_the_right_mark_is_p_and_a_tenth_of_the_rest() -> None:
    images, labels = np.zeros((4000, 28, 28), np.uint8), np.arange(4000) % 10
    for p in (0.0, 0.7):
        scenes = beside.Scenes.made(np.random.default_rng(0), images, labels, p)
        assert abs((scenes.marks == labels).mean() - (p + (1 - p) / 10)) < 0.02


def test_no_two_marks_are_alike() -> None:
    marks = beside.marks()
    assert marks.shape == (10, 12, 12)
    assert len({mark.tobytes() for mark in marks}) == 10
