"""With and without pretraining: the splits of networks, and garments of the size of faces."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.analysis import agreement
from lrp_ref.gallery.applications import faces_pretraining as page


def test_the_first_split_is_the_given_one_and_the_largest_where_kinds_differ() -> None:
    values = np.array([[1.0, 0.0], [1.1, 0.0], [0.9, 0.0], [3.0, 1.0], [3.2, 1.0], [2.8, 1.0]])
    found = agreement.halves(values)
    assert len(found) == 10
    assert found[0] == pytest.approx((2 + 1) / 2)
    assert found.argmax() == 0


def test_garments_are_enlarged_and_cut() -> None:
    garment = np.zeros((1, 28, 28), np.uint8)
    garment[0, 3, 10] = 255
    found = page.enlarged(garment)
    assert found.shape == (1, 1, 56, 46)
    assert np.argwhere(found[0, 0]).tolist() == [[6, 15], [6, 16], [7, 15], [7, 16]]
