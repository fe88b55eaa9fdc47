"""Patches on a grid, and maps put together from them."""

from __future__ import annotations

import numpy as np

from lrp_ref.gallery.sources import patches


def test_patches_of_a_picture_put_together_are_the_picture() -> None:
    image = np.random.default_rng(0).random((12, 17))
    places = patches.corners(image.shape, 4, 2)
    assert len(places) == 5 * 7
    back = patches.assembled(patches.cut(image, places, 4), places, image.shape)
    np.testing.assert_allclose(back[:, :16], image[:, :16], rtol=1e-12)
    assert (back[:, 16] == 0).all()


def test_where_patches_overlap_is_their_mean() -> None:
    two = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 5.0)])
    assert patches.assembled(two, [(0, 0), (0, 1)], (2, 3)).tolist() == [[1, 3, 5], [1, 3, 5]]
