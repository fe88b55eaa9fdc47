"""Generated videos of paths: where the shape is, what a clip takes of them, and what is summed of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.sources import clips


def _places(frames):
    """Return the brightest region's middle, row and column, of each frame of one video."""
    bright = np.where(frames > 0.5, frames, 0)
    total = bright.sum(axis=(1, 2))
    at = np.arange(clips.SIZE)
    return np.stack(
        [(bright.sum(axis=2) * at).sum(axis=1) / total, (bright.sum(axis=1) * at).sum(axis=1) / total], axis=1
    )


@pytest.mark.parametrize("kind", range(len(clips.PATHS)))
def test_a_path_closes_after_one_turn(kind):
    phase = np.linspace(0, 2 * np.pi, 9)
    places = clips.path(np.full(9, kind), phase)
    assert places.shape == (9, 2)
    np.testing.assert_allclose(places[0], places[-1], atol=1e-12)
    assert np.abs(places).max() == pytest.approx(1)


def test_paths_are_what_they_are_called():
    phase = np.linspace(0, 2 * np.pi, 100)
    line, circle, eight, square = (clips.path(np.full(100, kind), phase) for kind in range(4))
    assert not line[:, 1].any()
    np.testing.assert_allclose(np.hypot(*circle.T), 1)
    assert np.abs(square).max(axis=1) == pytest.approx(np.ones(100))
    middle = clips.path(np.array([2, 2]), np.array([np.pi / 2, -np.pi / 2]))
    np.testing.assert_allclose(middle, 0, atol=1e-12)  # it runs through its middle twice
    assert np.abs(eight[:, 1]).max() < 0.51


def test_the_shape_in_a_video_moves_on_a_line_or_round_a_middle():
    made = clips.videos(np.random.default_rng(0), 60, 64)
    assert made.frames.shape == (60, 64, clips.SIZE, clips.SIZE)
    assert made.frames.dtype == np.float32
    assert made.frames.min() >= 0 <= made.frames.max() <= 1
    for frames in made.frames[made.kind == 0][:5]:
        places = _places(frames)
        _, spread, _ = np.linalg.svd(places - places.mean(axis=0))
        assert spread[1] < 0.15 * spread[0]
    whole = (made.kind == 1) & (made.period < 40)
    for frames in made.frames[whole][:5]:
        places = _places(frames)
        middle = (places.max(axis=0) + places.min(axis=0)) / 2
        distance = np.hypot(*(places - middle).T)
        assert distance.std() < 0.1 * distance.mean()


def test_videos_of_one_seed_are_equal():
    one, other = (clips.videos(np.random.default_rng(3), 4, 8) for _ in range(2))
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.kind, other.kind)


def test_a_clip_takes_every_so_many_frames():
    frames = np.arange(64.0).reshape(1, 64, 1, 1)
    assert clips.clips(frames, 1).ravel().tolist() == list(range(16))
    assert clips.clips(frames, 4).ravel().tolist() == list(range(0, 64, 4))


def test_mirrored_clips_keep_what_is_in_them():
    batch = np.random.default_rng(0).random((20, 1, 4, 5, 5))
    seen = clips.mirrored(np.random.default_rng(1), batch)
    assert seen.shape == batch.shape
    np.testing.assert_allclose(np.sort(seen.reshape(20, -1)), np.sort(batch.reshape(20, -1)))
    same = (seen == batch).all(axis=(1, 2, 3, 4))
    assert 0 <= same.sum() < 8


def test_networks_take_clips_whether_padded_or_not():
    x = clips.clips(clips.videos(np.random.default_rng(0), 2, 16).frames)
    for padded in (True, False):
        net = clips.network(np.random.default_rng(0), padded=padded)
        assert net.forward(x).shape == (2, len(clips.PATHS))


def test_negative_relevance_is_not_counted_and_a_blank_map_is_zero():
    relevance = np.zeros((2, 1, 3, 2, 2))
    relevance[0, 0, 0], relevance[0, 0, 1, 0, 0], relevance[0, 0, 2] = 1, 4, -9
    assert clips.part_of_frames(relevance).tolist() == [[0.5, 0.5, 0], [0, 0, 0]]
