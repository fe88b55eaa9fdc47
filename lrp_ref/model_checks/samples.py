"""Random samples for a network of which no input is given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..base.arrays import Array
from ..layers import Embedding
from ..loaders.preprocess import Sidecar
from ..network.network import Network


def random_samples(
    net: Network, shapes: Mapping[str, tuple[int, ...]], sidecar: Sidecar | None, *, count: int, seed: int, dtype: str
) -> dict[str, Array]:
    """Return random inputs (count, ...) by name: uniform within the range of pixels, else standard normal.

    Integers that are looked up are rows of their table; others, which mask, count or choose, are 1.

    Args:
        net: the network.
        shapes: of one sample of every input, without the batch axis.
        sidecar: of the model; that of an image tells the range.
        count: number of samples.
        seed: of the random numbers.
        dtype: of the result.

    Example:
        >>> from lrp_ref.layers import ReLU
        >>> x = random_samples(
        ...     Network.sequential([ReLU()]), {"input": (3,)}, None, count=2, seed=0, dtype="float32"
        ... )
        >>> x["input"].shape, x["input"].dtype
        ((2, 3), dtype('float32'))
    """
    rng, x = np.random.default_rng(seed), {}
    for spec in net.inputs:
        size = (count, *shapes[spec.name])
        if np.dtype(spec.element_type or dtype).kind in "iub":
            rows = _rows(net, spec.name)
            whole = rng.integers(rows, size=size) if rows else np.ones(size)
            x[spec.name] = whole.astype(spec.element_type)
        elif sidecar is not None and sidecar.kind == "image" and len(size) == 4:
            low, high = (b.reshape(-1, 1, 1) if sidecar.layout == "NCHW" else b for b in sidecar.bounds())
            x[spec.name] = rng.uniform(low, high, size=size).astype(dtype)
        else:
            x[spec.name] = rng.normal(size=size).astype(dtype)
    return x


def _rows(net: Network, name: str) -> int:
    """Return how many rows the smallest table has in which an input is looked up, possibly after it was moved; 0: none.

    Example:
        >>> from lrp_ref.layers import Embedding, Flatten
        >>> _rows(Network.sequential([Flatten(), Embedding(np.ones((7, 2)))]), "input")
        7
    """
    reached, rows = {name}, []
    for node in net.nodes:
        if reached.intersection(node.inputs):
            if isinstance(node.layer, Embedding):
                rows.append(node.layer.table.shape[0])
            elif node.layer.moves:
                reached.add(node.name)
    return min(rows, default=0)
