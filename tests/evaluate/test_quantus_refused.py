"""What the numbers of Quantus are not asked for, and that nothing else takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from quantus_case import (
    TARGET,
    B,
    R,
    W,
    X,
    detector,
    gradient,
    outputs,
)

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Dense, Flatten


def refusals() -> list[tuple[Callable[[], Any], type[Exception], str]]:
    given = (outputs, X, R, TARGET)
    flat = lrp.Network.sequential([Dense(np.ones((3, 2)))])
    conv = detector(0)
    x = np.ones((2, 3))
    return [
        (lambda: quantus.pixel_flipping(*given, fill="blck"), ParameterError, "'black'"),
        (lambda: quantus.pixel_flipping(*given, step=4), ParameterError, "divisors of 30"),
        (lambda: quantus.pixel_flipping(*given, step=0), ParameterError, "divisors of 30"),
        (lambda: quantus.pixel_flipping(outputs, X, R, None), ParameterError, "give an output for each sample"),
        (lambda: quantus.pixel_flipping(outputs, X, R[:, :, :2], TARGET), ShapeError, r"\(5, 2, 2, 6\)"),
        (lambda: quantus.non_sensitivity(outputs, X, R[:1], TARGET), ShapeError, r"\(1, 2, 5, 6\)"),
        (lambda: quantus.region_perturbation(*given, order="up"), ParameterError, "morf"),
        (lambda: quantus.region_perturbation(*given, size=0), ParameterError, "size is 0"),
        (lambda: quantus.selectivity(outputs, X, R[:3], TARGET), ShapeError, r"\(3, 2, 5, 6\)"),
        (lambda: quantus.region_perturbation(lambda x: x, x, x, 0), ShapeError, "pictures"),
        (lambda: quantus.sensitivity_n(lambda x: x, x, x, 0), ShapeError, r"\(2, 3\)"),
        (lambda: quantus.sensitivity_n(outputs, X[:1], R[:1], 0), ParameterError, "it has 1"),
        (lambda: quantus.top_k_intersection(X, X > 0, k=30), ParameterError, "from 1 to 29"),
        (lambda: quantus.top_k_intersection(x, x > 0), ParameterError, "from 1 to 2"),
        (lambda: quantus.pointing_game(x, x[:1] > 0), ShapeError, r"\(1, 3\)"),
        (lambda: quantus.input_invariance(flat, gradient, x, 0), UnsupportedError, "'dense1' is a Dense"),
        (lambda: quantus.local_lipschitz(flat, gradient, x, 0, noise=x), ShapeError, r"give \(draws, 2, 3\)"),
        (lambda: quantus.max_sensitivity(conv, gradient, X[:, :1, 0], 0, noise=X[:0]), ShapeError, "give"),
    ]


@pytest.mark.parametrize("number", range(len(refusals())))
def test_what_is_refused(number: int) -> None:
    provoke, kind, says = refusals()[number]
    with pytest.raises(kind, match=says):
        provoke()


def test_a_class_that_the_network_does_not_have() -> None:
    pytest.importorskip("skimage")
    net = lrp.Network.sequential([Flatten(), Dense(W, B)])
    with pytest.raises(ParameterError, match="give num_classes=3"):
        quantus.random_logit(net, gradient, X, TARGET)
    assert quantus.random_logit(net, gradient, X, TARGET, num_classes=3).shape == (5,)
