"""A compiled explanation against the NumPy core, on one example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float
from ..errors import LrpError
from ..network.network import Network
from ..propagation.explaining import explain
from ..propagation.prepare import Question
from ..propagation.start import Difference, find
from ..propagation.targets import indices

WORSE = 10.0  # times the error of the float32 core that a compiled explanation may have
SLIGHT = 1e-3  # of the sum of all absolute relevances: what is below it is rounding of float32 in any case
MOST = 0.5  # of the sum of all absolute relevances, whatever the error of the float32 core


def example_of(net: Network, blank: Mapping[str, Array]) -> dict[str, Array]:
    """Return one sample of random numbers for every input, in its layout."""
    rng, found = np.random.default_rng(0), {}
    lengths = {n.inputs[1]: n.inputs[0] for n in net.nodes if getattr(n.layer, "lengths", False)}
    for one in net.inputs:
        none = blank[one.name]
        shape = tuple(none.shape[1:]) if one.batch_axis is None else (1, *none.shape[1:])
        array: Any
        if one.name in lengths:  # all of the sequence where that is an input: of no steps nothing could be compared
            sequence = blank.get(lengths[one.name])
            array = np.full(shape, 1 if sequence is None else sequence.shape[1])
        elif not is_float(none):
            array = rng.integers(0, 2, size=shape)
        elif one.low is not None and one.high is not None:
            low, high = np.asarray(one.low, dtype=float), np.asarray(one.high, dtype=float)
            if low.ndim == 1 and len(shape) > 2:
                low, high = (b.reshape(-1, *(1,) * (len(shape) - 2)) for b in (low, high))
            array = low + (high - low) * rng.random(shape)
        else:
            array = rng.normal(size=shape)
        found[one.name] = array if not one.batch_axis else np.moveaxis(array, 0, one.batch_axis)
    return found


def compared(
    net: Network, question: Question, output: str | None, sizes: tuple[int, ...], made: Any, example: Any
) -> tuple[float, float]:
    """Compare an explanation with the NumPy core in float64, and that with itself in float32.

    Args:
        net: the network.
        question: what was asked.
        output: that is explained; None for the first.
        sizes: of one sample's output.
        made: the function that is checked.
        example: the inputs.

    Returns:
        The two largest differences, as shares of the largest relevance.

    Raises:
        LrpError: they differ by more than rounding.
    """
    begin, target = find(question.start), None
    if isinstance(begin, Difference):  # the example's largest output may be the one that others are set against
        against = int(np.reshape(indices(begin.against, 1, sizes, "against"), -1)[0])
        target = (against + 1) % int(np.prod(sizes))
    got = made(example, target=target)
    fed = example if isinstance(example, Mapping) else {net.inputs[0].name: example}
    how: dict[str, Any] = {
        "composite": question.composite, "start": question.start, "canonize": question.canonize,
        "target": got.target, "output": output,
    }  # fmt: skip
    wide, narrow = (
        explain(
            net.astype(dtype),
            {k: np.asarray(v, dtype=dtype if is_float(np.asarray(v)) else None) for k, v in fed.items()},
            **how,
        )
        for dtype in ("float64", "float32")
    )
    exact = wide.maps()

    def apart(maps: Mapping[str, Array]) -> tuple[float, float]:
        """Return the largest difference, and the sum of all, each as a share of the same of the relevances."""
        both = [(np.abs(maps[k] - exact[k]), np.abs(exact[k])) for k in exact if exact[k].size]
        largest = (
            max((float(d.max()) for d, _ in both), default=0.0),
            max((float(r.max()) for _, r in both), default=0.0),
        )
        total = float(sum(d.sum() for d, _ in both)), float(sum(r.sum() for _, r in both))
        return largest[0] / (largest[1] or 1.0), total[0] / (total[1] or 1.0)

    # A winner of a pool that rounding changes moves all of its relevance, and hardly any of the whole: the sum decides.
    (largest, differs), (core, rounds) = apart(got.maps()), apart(narrow.maps())
    if differs > MOST:
        raise LrpError(
            f"float32 does not hold this explanation: what is compiled differs by {differs:.1e} of all relevance from "
            f"the NumPy core in float64 (the core in float32 by {rounds:.1e}): use lrp.explain in float64"
        )
    if differs > max(SLIGHT, WORSE * rounds):
        raise LrpError(
            f"the compiled explanation differs from the NumPy core by {differs:.1e} of all relevance (the core in "
            f"float32 by {rounds:.1e}): use lrp.explain, and report the network"
        )
    return largest, core
