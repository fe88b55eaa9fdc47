"""Deletion of words: on a network whose answers are known, and the sign test against its definition."""

from __future__ import annotations

from math import comb

import numpy as np

from lrp_ref import Network, layers
from lrp_ref.gallery.analysis.deletion import right_after, sign_test


def adding() -> Network:
    """Two logits that are the sums of the first and of the second number of each word."""
    return Network.sequential([layers.Sum(axes=(1,), keepdims=False)])


def test_an_answer_is_lost_when_what_speaks_for_it_goes() -> None:
    # words: +3, +1 and −2 for class 0 against class 1, together +2
    vectors = np.array([[[3.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    lead = np.array([[3.0, 1.0, -2.0]])
    counts = (0, 1, 2)
    assert right_after(adding(), vectors, lead, np.array([0]), counts, "morf").tolist() == [[True, False, False]]
    assert right_after(adding(), vectors, lead, np.array([0]), counts, "lerf").tolist() == [[True, True, True]]
    assert right_after(adding(), vectors, lead, np.array([1]), counts, "morf").tolist() == [[False, True, True]]


def test_the_sign_test_leaves_out_what_is_equal() -> None:
    more = np.array([[True]] * 9 + [[False]] * 3 + [[True]] * 5)
    less = np.array([[False]] * 9 + [[True]] * 3 + [[True]] * 5)
    expected = sum(comb(12, k) for k in range(9, 13)) / 2**12
    assert abs(sign_test(more, less) - expected) < 1e-12
    assert sign_test(more, more) == 1.0
