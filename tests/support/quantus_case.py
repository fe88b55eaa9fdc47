"""A function, inputs and maps on which the numbers of Quantus are compared, and its curves as loops."""

from __future__ import annotations

from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.layers import Conv, Dense, Flatten, ReLU

RNG = np.random.default_rng(17)
X = RNG.normal(size=(5, 2, 5, 6))
R = RNG.normal(size=X.shape)
TARGET = np.array([0, 2, 1, 2, 0])
W, B = RNG.normal(size=(60, 3)) / 4, RNG.normal(size=3)
FILLS = ["black", "white", "mean", 0.5]
Values = Any


def outputs(x: Values) -> Values:
    z = x.reshape(len(x), -1) @ W + B
    return z + np.maximum(z, 0) ** 2  # no linear f, in which the order of steps would not matter


def gradient(net: Any, x: Values, target: Any) -> Values:
    return lrp.attribute(net, x, "gradient", target=target).relevance


def gradient_x_input(net: Any, x: Values, target: Any) -> Values:
    return x * gradient(net, x, target)


def filled(row: list[float], fill: float | str) -> float:
    made = {"black": min, "white": max, "mean": lambda values: sum(values) / len(values)}
    return made[fill](row) if isinstance(fill, str) else fill


def measured(sample: Values, target: int, softmax: bool) -> float:
    z = outputs(sample[None])[0]
    return float(z[target] if not softmax else np.exp(z[target]) / np.exp(z).sum())


def going(sample: Values, order: list[list[int]], fill: float | str, target: int, softmax: bool) -> list[float]:
    """Return f after each step, with the fill of the sample as it has become."""
    row, found = sample.reshape(-1).tolist(), []
    for chosen in order:
        value = filled(row, fill)
        for k in chosen:
            row[k] = value
        found.append(measured(np.array(row).reshape(sample.shape), target, softmax))
    return found


def detector(padding: int) -> Any:
    """Return Σ_i ReLU(x_{i−1} + x_i + x_{i+1}), or the sum over single ReLU(x_i) without padding."""
    kernel = np.ones((1, 1, 3 if padding else 1))
    return lrp.Network.sequential([Conv(kernel, padding=padding), ReLU(), Flatten(), Dense(np.ones((4, 1)))])
