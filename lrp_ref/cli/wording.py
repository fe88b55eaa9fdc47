"""What the text and the pictures of ``lrp-ref explain`` say about one explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.tables import number
from ..layers import AdditiveKernel, KernelMachine, Layer, PairDifference, Sigmoid, Softmax, SoftMin
from ..propagation.explanation import Explanation
from ..propagation.reading import ROUNDING
from ..propagation.targets import described
from .job import Job, Result
from .output import percent

MUCH_BIAS, MUCH_STABILISER = 0.5, 0.05  # shares of the start from which on the text says so
NO_LOGITS = (AdditiveKernel, KernelMachine, PairDifference, SoftMin)  # margins and votes: no softmax is of them
ROUNDED = 1e-2  # of the start relevance: a ledger that rounding leaves open by more tells nothing


def probabilities(job: Job, e: Result) -> NDArray[Any] | None:
    """Return the probabilities of the outputs (K,), NaN for outputs that are none; None where nothing makes them one.

    They are the network's own, σ or softmax; outputs without either are taken for logits of a softmax if there are
    several, unless they are the places of a map, which do not compete. Of log-odds of classes or components, the soft
    minimum of differences, it is σ; of margins there is none.
    """
    if e.probability is not None:
        return np.asarray(e.probability.reshape(-1).astype(np.float64))
    values = e.output.reshape(1, -1).astype(np.float64)
    last = _last(job)
    if _log_odds(job, last):
        return np.asarray(Sigmoid().forward(values)).reshape(-1)
    if isinstance(last, NO_LOGITS):
        return None
    is_map = sum(n > 1 for n in e.output_shape) > 1
    return None if values.size < 2 or is_map or e.head.lost else np.asarray(Softmax().forward(values)).reshape(-1)


def _last(job: Job) -> Layer | None:
    """Return the layer that makes the first output."""
    return next((node.layer for node in job.net.nodes if node.name == job.net.outputs[0]), None)


def _log_odds(job: Job, last: Layer | None) -> bool:
    """Return whether an output is the soft minimum, of γ = 1, of the differences to all others: log p/(1 − p)."""
    if not isinstance(last, SoftMin) or last.hard or last.gamma != 1:
        return False
    (read,) = job.net[job.net.outputs[0]].inputs
    return any(node.name == read and isinstance(node.layer, PairDifference) for node in job.net.nodes)


def probability_name(job: Job, e: Result) -> str:
    """Return what makes the probabilities."""
    kinds = [kind for kind in e.head.kinds if kind != "raw"] if e.probability is not None else []
    usual = "σ" if _log_odds(job, _last(job)) else "softmax"
    return kinds[0] if len(kinds) == 1 else "probability" if kinds else usual


def name(job: Job, e: Result, index: int) -> str:
    """Return the name of an output."""
    return described([index], None, e.output_shape, job.classes)


def label(job: Job, e: Result) -> str:
    """Return what is explained: an output, a sum of some, or one against another."""
    return e.asked(0, job.classes)


def _with_chance(job: Job, e: Result, index: int) -> str:
    chances = probabilities(job, e)
    known = chances is not None and not np.isnan(chances[index])
    return name(job, e, index) + (f", {100 * chances[index]:.0f} %" if known and chances is not None else "")


def predicted(job: Job, e: Result) -> str:
    """Return the largest output, with its probability."""
    return _with_chance(job, e, int(e.output.reshape(-1).argmax()))


def headline(job: Job, e: Result) -> str:
    """Return what was explained, and what was predicted where that is another class."""
    values = e.output.reshape(-1)
    if values.size == 1 and probabilities(job, e) is None:
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


def whole(e: Explanation) -> float:
    """Return what shares are parts of: the start; 0 for one that adds up to 0 but for rounding, as a contrastive."""
    start, size = float(e.started[0]), next((row.size for row in e.ledger), None)
    return 0.0 if size is not None and abs(start) <= ROUNDING * float(size[0]) else start


def _large(e: Explanation) -> dict[str, float]:
    """Return what is too large of one sample's ledger to go without a word, as shares of the start."""
    start = whole(e)
    if not start:
        return {}
    total = {column: float(np.asarray(values).sum()) / start for column, values in e.ledger.total().items()}
    # Against the start, not against the largest sum: relevance that grew without bound looks well rounded there.
    total["rounding"] = max(e.ledger.residual, abs(total.pop("residual")))
    limits = {"bias": MUCH_BIAS, "stabiliser": MUCH_STABILISER, "rounding": ROUNDED}
    return {key: total[key] for key, limit in limits.items() if abs(total[key]) > limit}


def remarks(e: Explanation, *, drawn: bool) -> list[str]:
    """Return what to know of one sample's ledger before its relevance is read: a sentence where much did not arrive.

    Args:
        e: the explanation of one sample.
        drawn: whether there is a picture.
    """
    large, found = _large(e), list[str]()
    arrived = percent(float(e.arrived[0]), whole(e))
    if large.get("bias", 0) > 1:
        found.append(
            f"note: biases took {percent(large['bias'], 1)}, more than what started: the input carries {arrived}. "
            "Where both are many times the start they cancel, and tell little: take another composite (-c), for a "
            "transformer attnlrp or cp_lrp"
        )
    elif large.get("bias", 0) > 0:
        shown = "the picture shows" if drawn else "what is told of the inputs is"
        found.append(
            f"note: {percent(large['bias'], 1)} went to biases, whose share no input carries: {shown} the {arrived} "
            "that reached the input. --bias ignore and --bias spread share it otherwise, but make noise where biases "
            "are so large: compare a second composite (-c) instead"
        )
    elif "bias" in large:
        found.append(
            f"note: biases took {percent(large['bias'], 1)}, which is against the output: the input carries {arrived}, "
            "more than what started"
        )
    if "stabiliser" in large:
        found.append(
            f"note: {percent(large['stabiliser'], 1)} went to stabilisers: units with little to share carry relevance; "
            "another composite (-c) may suit the network better"
        )
    if "rounding" in large:
        found.append(
            f"note: rounding is {large['rounding']:.0e} of the start relevance, as denominators nearly vanish: such a "
            "result does not tell why the network predicts what it does; take another --bias or --composite"
        )
    return found


def brief_remarks(e: Explanation) -> str:
    """Return the same in a few words, for the line of one input among many; empty where nothing is large."""
    words = {"bias": "{} to biases", "stabiliser": "{} to stabilisers", "rounding": "rounding {:.0e} of the start"}
    large = _large(e)
    told = [words[k].format(v if k == "rounding" else percent(v, 1)) for k, v in large.items()]
    return "".join(f"; {text}" for text in told)
