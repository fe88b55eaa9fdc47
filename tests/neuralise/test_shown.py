"""What the page on outliers and clusters shows, measured again: faces that are none, digits that leave a cluster."""

import sys
from pathlib import Path

import numpy as np
import pytest

import lrp_ref as lrp

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is no part of the package

from benchmarks import digits as digits_shown
from benchmarks import faces as faces_shown


def test_ranks_by_hand() -> None:
    assert faces_shown.ranked(np.array([1.0, 2.0]), np.array([2.0, 3.0])) == 0.875
    assert faces_shown.ranked(np.array([3.0]), np.array([1.0, 2.0])) == 0.0


def test_faces_that_are_none_and_a_patch_on_a_face() -> None:
    pytest.importorskip("sklearn")
    pictures = pytest.importorskip("skimage.data").lfw_subset().astype(float)
    found = faces_shown.measure(pictures, 0.005)
    assert found.auc >= 0.93
    assert found.kept >= 0.85
    assert found.caught >= 0.9
    assert found.after > 1.2 * found.before
    assert found.patch >= 2 * found.area
    # The place has no such share without the patch: it is the patch that is found.
    plain = lrp.explain(found.net, pictures[50:100].reshape(50, -1), bias="ignore").relevance.reshape(50, 25, 25)
    share = plain[:, *faces_shown.PATCH].sum(axis=(1, 2)) / plain.sum(axis=(1, 2))
    assert np.median(share) < found.area
    foreign = faces_shown.measure(pictures[::-1], 0.005)  # a machine of what is no face finds no faces strange
    assert foreign.auc < 0.8


def test_digits_leave_their_cluster_by_relevance_first() -> None:
    x = pytest.importorskip("sklearn.datasets").load_digits().data / 16
    model = pytest.importorskip("sklearn.cluster").KMeans(10, n_init=10, random_state=0).fit(x)
    net = lrp.neuralise.from_sklearn(model, data=x)
    left = {
        name: digits_shown.stays(net, x, order)[1]
        for name, order in digits_shown.orders(net, x, model.cluster_centers_).items()
    }
    assert left["relevance"] <= 0.4
    assert min(v for name, v in left.items() if name != "relevance") >= 0.7
    assert left["random"] >= 0.9
    assert left["nearness to the centre"] >= 0.9


def test_replacing_nothing_leaves_all_and_everything_leaves_one_cluster() -> None:
    rng = np.random.default_rng(0)
    centers, x = rng.normal(size=(3, 4)), rng.normal(size=(20, 4))
    net = lrp.neuralise.kmeans(centers)
    before, mean = net.forward(x).argmax(axis=1), net.forward(x.mean(axis=0, keepdims=True)).argmax()
    assert digits_shown.stays(net, x, rng.random(x.shape), (0, 4)) == [1.0, float((before == mean).mean())]
