"""Morphs: what a blend is, where it is, and of whom."""

from __future__ import annotations

import numpy as np

from lrp_ref.gallery.sources import faces, morphs


def test_a_blend_is_the_mean_of_both_where_the_mask_is_1() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 112, 92)).astype(np.float32)
    mask = np.zeros_like(a)
    mask[:, :50] = 1
    found = morphs.blended(a, b, mask)
    matched = (b - b.mean((1, 2), keepdims=True)) / b.std((1, 2), keepdims=True) * a.std((1, 2), keepdims=True)
    np.testing.assert_allclose(
        found[:, :50], ((matched + a.mean((1, 2), keepdims=True) + a) / 2)[:, :50], rtol=0, atol=1e-6
    )
    assert (found[:, 50:] == a[:, 50:]).all()


def test_two_of_a_blend_are_different_persons_and_half_are_genuine() -> None:
    images = np.stack([np.full((112, 92), 0.5, np.float32) for _ in range(4)])
    images += np.random.default_rng(1).normal(0, 0.1, images.shape).astype(np.float32)
    x, region = morphs.drawn(np.random.default_rng(0), images, np.array([0, 0, 1, 1]), 200, one_region=True)
    assert x.shape == (200, 1, 88, 72)
    assert set(region.tolist()) == {0, 1, 2, 3, 4}
    assert 70 < (region == 0).sum() < 130
    np.testing.assert_allclose(x.std(axis=(2, 3)), 1, rtol=1e-5)


def test_regions_lie_within_what_a_detector_sees() -> None:
    assert morphs.INSIDE.shape == (4, 88, 72)
    assert (morphs.INSIDE.sum(axis=(1, 2)) == (morphs.MASKS > 0).sum(axis=(1, 2))).all()
    parts = np.stack([faces.ellipse(*place) > 0 for place in faces.PARTS.values()])[:, *morphs.CROP]
    assert (morphs.INSIDE | ~parts).all()


def test_half_of_the_faces_are_mirrored() -> None:
    image = np.zeros((100, 112, 92), np.float32)
    image[:, :, :46] = 1
    left = morphs.varied(np.random.default_rng(0), image)
    mirrored = left[:, 0, 0] < left[:, 0, -1]
    assert 30 < mirrored.sum() < 70


def test_pictures_are_moved_by_up_to_two_pixels() -> None:
    x = np.arange(88 * 72, dtype=np.float32).reshape(1, 1, 88, 72)
    rng = np.random.default_rng(0)
    moves = {float(morphs.shifted(rng, x)[0, 0, 40, 40] - x[0, 0, 40, 40]) for _ in range(200)}
    assert moves == {72.0 * down + right for down in range(-2, 3) for right in range(-2, 3)}
