"""What the text and the pictures of ``lrp-ref explain`` say about one explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..explanation import Explanation
from ..layers import Softmax
from ..tables import number
from ..targets import described
from .job import Job


def probabilities(e: Explanation) -> NDArray[Any] | None:
    """Return the softmax of the outputs (K,), or the outputs where they are one; None for a single output."""
    if e.output[0].size < 2:
        return None
    values = e.output.reshape(1, -1).astype(np.float64)
    final = isinstance(e.plan[-1].layer, Softmax)
    return np.asarray(values if final else Softmax().forward(values)).reshape(-1)


def name(job: Job, e: Explanation, index: int) -> str:
    """Return the name of an output."""
    return described([index], None, e.output.shape[1:], job.classes)


def label(job: Job, e: Explanation) -> str:
    """Return what is explained: an output, a sum of some, or one against another."""
    return e.asked(0, job.classes)


def _with_chance(job: Job, e: Explanation, index: int) -> str:
    chances = probabilities(e)
    return name(job, e, index) + (f", {100 * chances[index]:.0f} %" if chances is not None else "")


def predicted(job: Job, e: Explanation) -> str:
    """Return the largest output, with its probability."""
    return _with_chance(job, e, int(e.output.reshape(-1).argmax()))


def headline(job: Job, e: Explanation) -> str:
    """Return what was explained, and what was predicted where that is another class."""
    values = e.output.reshape(-1)
    if values.size == 1:
        return f"{name(job, e, 0)}: {number(float(values[0]))}"
    if e.target is None:
        return predicted(job, e)
    if e.against is not None:
        return f"{label(job, e)} (predicted: {predicted(job, e)})"
    target = [int(k) for k in e.target[0]]
    if target == [int(values.argmax())]:
        return predicted(job, e)
    asked = _with_chance(job, e, target[0]) if len(target) == 1 else label(job, e)
    return f"for {asked} (predicted: {predicted(job, e)})"
