"""The shapes that a layer makes of those that it reads, found by running it on no samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import LrpError
from ...layers import Layer, RecurrentLayer
from .values import LARGEST, PROBES, Refusal, Signal, Sizes, count


def shapes_of(layer: Layer, reads: Sequence[Signal], dtype: np.dtype[Any]) -> list[list[Sizes]]:
    """Return, for each probe, the sample shape of each output.

    Raises:
        Refusal: shapes that do not fit for every free size, or are larger than any memory.
        LrpError: shapes that do not fit.
    """
    found = _found(layer, reads, dtype)
    if max(count(shape) for probe in found for shape in probe) > LARGEST:
        raise Refusal(f"samples of shape {found[0][0]}, larger than any memory")
    return found


def _found(layer: Layer, reads: Sequence[Signal], dtype: np.dtype[Any]) -> list[list[Sizes]]:
    if isinstance(layer, RecurrentLayer):
        return [_recurrent_shapes(layer, reads[0].sizes[k]) for k in range(PROBES)]
    found: list[list[Sizes]] = []
    for k in range(PROBES):
        if k and all(s.sizes[k] == s.sizes[0] for s in reads):
            found.append(found[0])
            continue
        try:
            out = layer.forward(*(np.zeros((0, *s.sizes[k]), dtype=dtype) for s in reads))
        except LrpError as error:
            if not k:
                raise
            raise Refusal(f"not for every free size, fix it with load(..., shapes=...): {error}") from error
        found.append([tuple(o.shape[1:]) for o in (out if isinstance(out, tuple) else (out,))])
    return found


def _recurrent_shapes(layer: RecurrentLayer, sizes: Sizes) -> list[Sizes]:
    directions, hidden = layer.weight_input.shape[0], layer.hidden
    if len(sizes) != 2 or sizes[1] != layer.weight_input.shape[3]:
        raise Refusal(f"samples of shape {sizes} are not (time, {layer.weight_input.shape[3]})")
    sequence, state = (sizes[0], directions * hidden), (directions, hidden)
    if layer.returns == "all":
        return [sequence, *(state for _ in layer.states)]
    return [sequence] if layer.returns == "sequence" else [(directions * hidden,)]
