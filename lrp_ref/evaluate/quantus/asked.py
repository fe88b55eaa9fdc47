"""A model's answer as Quantus takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...base.arrays import Array, to_numpy
from ..given import Host, Output

F = Callable[[Array], Array]


class Answer:
    """The output of each sample's target, as a probability or as a logit.

    Args:
        f: from a batch to outputs (N, K).
        target: one for each sample.
        samples: N.
        softmax: of the outputs.
    """

    def __init__(self, f: F, target: Any, samples: int, softmax: bool) -> None:
        self.output, self.rows = Output(f, target, samples, softmax), np.arange(samples)

    def __call__(self, x: Host) -> Host:
        """Return the measured numbers (N,)."""
        return to_numpy(self.output.of(x, self.rows)).astype(float)


def numbers(relevance: Array, x: Array) -> tuple[Host, Host]:
    """Return maps and inputs as (N, n), a map of one channel repeated for all of them."""
    host = np.array(to_numpy(x))
    scores = np.broadcast_to(to_numpy(relevance), host.shape)
    return scores.reshape(len(host), -1), host.reshape(len(host), -1)
