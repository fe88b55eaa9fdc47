"""A model's answer as Quantus takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...base.arrays import Array, to_numpy
from ...errors import ParameterError, ShapeError
from ..given import Host, Output

F = Callable[[Array], Array]


class Answer:
    """The output of each sample's target, as a probability or as a logit.

    Args:
        f: from a batch to outputs (N, K).
        target: one for each sample.
        samples: N.
        softmax: of the outputs.

    Raises:
        ParameterError: no target, which Quantus never finds itself.
    """

    def __init__(self, f: F, target: Any, samples: int, softmax: bool) -> None:
        if target is None:
            raise ParameterError("target is None, and Quantus never predicts: give an output for each sample")
        self.output, self.rows = Output(f, target, samples, softmax), np.arange(samples)

    def __call__(self, x: Host) -> Host:
        """Return the measured numbers (N,)."""
        return to_numpy(self.output.of(x, self.rows)).astype(float)


def numbers(relevance: Array, x: Array) -> tuple[Host, Host]:
    """Return maps and inputs as (N, n), a map of one channel, or none, repeated for all of them.

    Raises:
        ShapeError: a map of another shape.
    """
    host, scores = np.array(to_numpy(x)), to_numpy(relevance)
    bare = (*host.shape[:1], *host.shape[2:])
    if host.ndim > 2 and scores.shape == bare:
        scores = scores[:, None]
    if scores.shape not in (host.shape, (*bare[:1], 1, *bare[1:])):
        raise ShapeError(f"relevance has shape {scores.shape}, and x {host.shape}: one map per sample, of that shape")
    return np.broadcast_to(scores, host.shape).reshape(len(host), -1), host.reshape(len(host), -1)
