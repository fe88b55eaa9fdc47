"""The shapes that a layer makes of those that it reads, found by running it on no samples.

A file is read for two sizes of each axis that it leaves free, the *probes*: what is the same in both is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import LrpError, ShapeError
from ..layers import Layer, RecurrentLayer

LARGEST = 1 << 38  # elements of a sample; as float32, a terabyte
Sizes = tuple[int, ...]


def shapes_of(layer: Layer, reads: Sequence[Sequence[Sizes]], dtype: np.dtype[Any]) -> list[list[Sizes]]:
    """Return, for each probe, the sample shape of each output.

    Args:
        layer: of the network.
        reads: for each operand, its sample shape for each probe.
        dtype: of the network.

    Raises:
        LrpError: shapes that do not fit, or not for every free size, or are larger than any memory.

    Example:
        >>> from lrp_ref.layers import Flatten
        >>> shapes_of(Flatten(), [[(2, 3), (2, 5)]], np.dtype("float32"))
        [[(6,)], [(10,)]]
    """
    found = _found(layer, reads, dtype)
    if max(math.prod(shape) for probe in found for shape in probe) > LARGEST:
        raise ShapeError(f"samples of shape {found[0][0]}, larger than any memory")
    return found


def _found(layer: Layer, reads: Sequence[Sequence[Sizes]], dtype: np.dtype[Any]) -> list[list[Sizes]]:
    if isinstance(layer, RecurrentLayer):
        return [_recurrent_shapes(layer, shape) for shape in reads[0]]
    found: list[list[Sizes]] = []
    for k in range(len(reads[0])):
        if k and all(shapes[k] == shapes[0] for shapes in reads):
            found.append(found[0])
            continue
        try:
            out = layer.forward(*(np.zeros((0, *shapes[k]), dtype=dtype) for shapes in reads))
        except LrpError as error:
            if not k:
                raise
            raise ShapeError(f"not for every free size, fix it with load(..., shapes=...): {error}") from error
        found.append([tuple(o.shape[1:]) for o in (out if isinstance(out, tuple) else (out,))])
    return found


def _recurrent_shapes(layer: RecurrentLayer, sizes: Sizes) -> list[Sizes]:
    """Return the shapes of a layer that would go through all of its steps."""
    directions, hidden = layer.weight_input.shape[0], layer.hidden
    if len(sizes) != 2 or sizes[1] != layer.weight_input.shape[3]:
        raise ShapeError(f"samples of shape {sizes} are not (time, {layer.weight_input.shape[3]})")
    sequence, state = (sizes[0], directions * hidden), (directions, hidden)
    if layer.returns == "all":
        return [sequence, *(state for _ in layer.states)]
    return [sequence] if layer.returns == "sequence" else [(directions * hidden,)]
