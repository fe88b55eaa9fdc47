"""What Quantus returns for axioms, by hand and as loops."""

from __future__ import annotations

import numpy as np
import pytest
from quantus_case import (
    FILLS,
    TARGET,
    R,
    Values,
    X,
    filled,
    going,
    measured,
    outputs,
)

from lrp_ref import evaluate
from lrp_ref.evaluate import quantus


def test_completeness_is_of_floats_that_are_equal() -> None:
    """Powers of two add up without rounding; ours is a number, and 0 where the last bit is not."""
    x, w = np.array([[0.5, 2.0, 1.0], [0.1, 0.2, 0.3]]), np.array([[1.0], [2.0], [4.0]])
    maps = x * w.T
    assert quantus.completeness(lambda x: x @ w, x[:1], maps[:1] / 4, 0, fill=0.0).tolist() == [False]
    assert quantus.completeness(lambda x: x @ w, x[:1], maps[:1], 0, fill=0.0).tolist() == [False]  # divided by 4
    assert quantus.completeness(lambda x: x @ w, x, maps, 0, fill=0.0, normalise=False).tolist()[0] is True
    tenths = np.full((1, 10), 0.1)

    def by_steps(x: Values) -> Values:
        return np.cumsum(x, axis=1)[:, -1:]

    # Ten tenths one after another are 0.9999…, and by pairs 1.
    assert by_steps(tenths)[0, 0] != tenths.sum()
    assert quantus.completeness(by_steps, tenths, tenths, 0, fill=0.0, normalise=False).tolist() == [False]
    assert evaluate.completeness(by_steps, tenths, tenths, 0)[0] < 1e-15


@pytest.mark.parametrize("fill", FILLS)
def test_completeness_is_of_the_whole_input_filled(fill: float | str) -> None:
    x = np.array([[[1.0, 3.0, 4.0, 8.0]]])
    value = filled([1.0, 3.0, 4.0, 8.0], fill)
    assert quantus.completeness(lambda x: x.sum(axis=2), x, x - value, 0, fill=fill, normalise=False).tolist() == [True]
    assert quantus.completeness(lambda x: x.sum(axis=2), x, x - 9, 0, fill=fill, normalise=False).tolist() == [False]


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", FILLS)
def test_non_sensitivity_is_that_of_a_loop(fill: float | str, softmax: bool) -> None:
    epsilon = 0.05
    found = quantus.non_sensitivity(outputs, X, R, TARGET, epsilon=epsilon, fill=fill, softmax=softmax)
    for k in range(5):
        count, whole = 0, measured(X[k], TARGET[k], softmax)
        for i in range(60):
            [value] = going(X[k], [[i]], fill, TARGET[k], softmax)
            silent = abs(R[k].reshape(-1)[i]) / abs(R).max() < epsilon
            count += silent != (abs(value - whole) < epsilon)
        assert found[k] == count
        assert 0 < count < 60


def test_non_sensitivity_of_what_is_already_black() -> None:
    """The smallest number is replaced by itself, and a right map is found to be wrong there; ours leaves it out."""
    x, w = np.array([[1.0, 2.0, 3.0]]), np.ones((3, 1))
    assert quantus.non_sensitivity(lambda x: x @ w, x, x, 0, softmax=False).tolist() == [1]
    assert evaluate.non_sensitivity(lambda x: x @ w, x, x, 0, fill=x.min()).tolist() == [0]
