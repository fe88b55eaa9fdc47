"""Neighbours and variance between groups, on points whose answers are known."""

from __future__ import annotations

import numpy as np

from lrp_ref.gallery.applications import document_vectors as application


def test_the_nearest_first_and_from_the_other_half() -> None:
    rng = np.random.default_rng(3)
    points = application.unit(rng.normal(size=(60, 4)))
    one, near = application.nearest(points, np.random.default_rng(0))
    others = np.setdiff1d(np.arange(60), one)
    assert len(one) == 30
    for k, neighbours in zip(one, near, strict=True):
        alike = points[others] @ points[k]
        assert neighbours.tolist() == others[np.argsort(-alike)[: application.NEIGHBOURS[-1]]].tolist()


def test_votes_are_for_the_most_frequent_and_then_the_nearest() -> None:
    near = np.array([[1, 2, 2, 3], [3, 1, 1, 3]])
    assert application.voted(near, 1).tolist() == [1, 3]
    assert application.voted(near, 3).tolist() == [2, 1]
    assert application.voted(near, 4).tolist() == [2, 3]


def test_variance_between_groups_is_all_or_nothing() -> None:
    groups = np.array([0, 0, 1, 1])
    assert application.between(np.array([[1.0], [1.0], [5.0], [5.0]]), groups) == 1
    assert application.between(np.array([[1.0], [5.0], [1.0], [5.0]]), groups) == 0
