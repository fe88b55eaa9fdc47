"""Rows of a store's arrays, of some samples; and their maps, whole again whatever is kept of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError, ParameterError, unknown
from ..jobs.explaining import relevance_names
from ..jobs.reduction import PLACE
from ..stores.making import Store

Host = NDArray[Any]
Which = slice | Sequence[int] | NDArray[np.int64]


def rows(store: Store, name: str, which: Which) -> Host:
    """Return the rows of some samples in an array of a store, read batch by batch of it.

    Args:
        store: with the answers.
        name: of the array.
        which: a slice of the samples, or their numbers, in any order.

    Raises:
        ModelFormatError: there is no such array.
        ParameterError: a number that is none of a sample.

    Example:
        >>> import tempfile
        >>> from lrp_ref.scale.stores.layout import Layout, spec
        >>> from lrp_ref.scale.stores.making import create
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     layout = Layout((spec("target", 5, (), "int64"),), 5, 2, 2)
        ...     store = create(f"{folder}/out", layout, {"batch": 2, "together": 1})
        ...     store.write(slice(0, 5), {"target": np.arange(5) * 10})
        ...     rows(store, "target", [4, 0, 1])
        array([40,  0, 10])
    """
    numbers = _numbers(which, store.samples)
    array = store[name]
    found = np.empty((len(numbers), *array.shape[1:]), dtype=array.dtype)
    batch = store.layout.batch
    for block in np.unique(numbers // batch).tolist():
        places = np.flatnonzero(numbers // batch == block)
        wanted = numbers[places]
        first = int(wanted.min())
        found[places] = np.asarray(array[first : int(wanted.max()) + 1])[wanted - first]
    return found


def _numbers(which: Which, samples: int) -> NDArray[np.int64]:
    """Return the numbers of samples."""
    if isinstance(which, slice):
        return np.arange(*which.indices(samples), dtype=np.int64)
    numbers = np.asarray(which)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ParameterError(f"samples are a slice or a list of their numbers, got {numbers.dtype} {numbers.shape}")
    outside = numbers[(numbers < 0) | (numbers >= samples)]
    if len(outside):
        raise ParameterError(f"there is no sample {outside[0]}: the store has {samples}, from 0")
    return numbers.astype(np.int64)


def maps(store: Store, which: Which, *, of: str | None = None) -> Host:
    """Return the maps of some samples (n, ...), in the unit of the start, whatever the store keeps of them.

    Of "top-K" the K numbers are put back in their places, and the others are 0. The sum over "channels" stays without
    the axis of channels. float16 becomes float32. A sample that is not explained has NaN or 0: :class:`Explained` knows
    which are.

    Args:
        store: with the answers.
        which: a slice of the samples, or their numbers, in any order.
        of: the input whose maps they are, where the network has several.

    Raises:
        ParameterError: no such input, several and none chosen, or a number that is none of a sample.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((4, 1)))]), place / "net.npz")
        ...     np.save(place / "x.npy", np.array([[1.0, -3.0, 0.0, 4.0]]))
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", reduce="top-2")
        ...     maps(lrp.scale.run(asked, place / "out").store, slice(0, 1))
        array([[ 0., -3.,  0.,  4.]])
    """
    name, shape = map_of(store, of)
    numbers = _numbers(which, store.samples)
    kept = rows(store, name, numbers)
    kept = kept.astype(np.float32) if kept.dtype == np.float16 else kept
    if not str(store.attributes["reduce"]).startswith("top-"):
        return kept
    places = rows(store, f"{name}_{PLACE}", numbers)
    size = math.prod(shape)
    if places.size and int(places.max()) >= size:
        raise ModelFormatError(f"{store.path}: a place {int(places.max())} is outside of maps of the shape {shape}")
    dense = np.zeros((len(numbers), size), dtype=kept.dtype)
    # A place of −1 stands where nothing was written.
    np.put_along_axis(dense, np.maximum(places, 0), kept, axis=1)
    return dense.reshape(len(numbers), *shape)


def channels_in_front(store: Store, relevance: Host) -> Host:
    """Return maps with their channels as axis 1, (n, C, H, W), where a store has them behind; others as they are.

    Example:
        >>> class Behind:
        ...     attributes = {"channel_axis": 3}
        >>> channels_in_front(Behind(), np.zeros((2, 8, 6, 3))).shape
        (2, 3, 8, 6)
    """
    axis = store.attributes.get("channel_axis", 1)
    if relevance.ndim != 4 or axis not in (2, 3):
        return relevance
    return np.ascontiguousarray(np.moveaxis(relevance, axis, 1))


def map_of(store: Store, of: str | None) -> tuple[str, tuple[int, ...]]:
    """Return the array that has the maps of an input, and the shape of a whole map."""
    inputs: Any = store.attributes.get("inputs")
    shapes: Any = store.attributes.get("shapes")
    if not _is_list(inputs, str) or not _is_list(shapes, list) or len(inputs) != len(shapes):
        raise ModelFormatError(
            f"{store.path}: it does not say of which inputs its maps are: damaged, or made otherwise"
        )
    if of is None and len(inputs) > 1:
        raise ParameterError(f"{store.path}: it has maps of several inputs: say of which, {', '.join(inputs)}")
    if of is not None and of not in inputs:
        raise unknown("input", of, inputs)
    k = 0 if of is None else inputs.index(of)
    if not all(type(n) is int and n > 0 for n in shapes[k]):
        raise ModelFormatError(f"{store.path}: maps of the shape {shapes[k]}: damaged")
    return relevance_names(len(inputs))[k], tuple(shapes[k])


def _is_list(value: Any, kind: type) -> bool:
    """Whether a value is a list of at least one of that kind."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)
