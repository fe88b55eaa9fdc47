"""Generated actions: what moves, when, and what block matching makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.applications import motion_fisher_vectors as application
from lrp_ref.gallery.sources import actions


@pytest.fixture(scope="module")
def made():
    return actions.actions(np.random.default_rng(0), 12)


def test_the_figure_moves_only_while_it_acts(made):
    count = actions.SIZE // actions.BLOCK
    assert made.moving.shape == (12, actions.FRAMES - 1, count, count)
    still = made.moving.any(axis=(2, 3)) & ~made.during
    before = np.roll(made.during, 1, axis=1)  # the step in which it comes back to rest
    assert not (still & ~before).any()
    assert made.moving.any(axis=(2, 3))[made.during].mean() > 0.7
    assert (made.during.sum(axis=1) >= actions.ACTS[0]).all()
    assert (made.during.sum(axis=1) < actions.ACTS[1]).all()


def test_frames_are_pictures_with_a_figure_and_a_ball(made):
    assert made.frames.dtype == np.float32
    assert made.frames.min() >= 0 <= made.frames.max() <= 1
    bright = (made.frames > 0.5).mean(axis=(2, 3))
    assert (bright > 0.03).all()
    assert (bright < 0.2).all()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (2, 0), (0, -3), (-1, 2), (3, 3)])
def test_a_shifted_texture_has_the_motion_of_its_shift(x, y):
    texture = np.random.default_rng(0).random((24, 24))
    frames = np.stack([texture, np.roll(texture, (y, x), axis=(0, 1))])
    vectors = actions.motion_vectors(frames)
    assert vectors.shape == (1, 6, 6, 2)
    assert (vectors[0, 1:-1, 1:-1] == (x, y)).all()


def test_noise_does_not_move():
    frames = 0.02 * np.random.default_rng(0).standard_normal((3, 24, 24))
    assert not actions.motion_vectors(frames).any()


def test_descriptors_count_directions_around_each_moving_block():
    vectors = np.zeros((4, 5, 5, 2), int)
    vectors[1, 2, 2] = 3, 0  # to the right, three pixels
    vectors[2, 2, 3] = 0, 1  # downwards
    places, numbers, speed = application.descriptors(vectors)
    assert places.tolist() == [[1, 2, 2], [2, 2, 3]]
    assert speed.tolist() == [3, 1]
    expected = np.zeros(10)
    expected[[0, 2, 8, 9]] = np.sqrt(3), 1, np.sqrt(25), 2 / 5 * 3
    np.testing.assert_allclose(numbers[0], expected)
