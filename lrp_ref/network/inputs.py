"""What a network takes: its inputs, the sizes and names of their axes, and which of these is the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base.arrays import Array, declared, namespace, require_finite
from ..base.frozen import Value
from ..errors import GraphError, ShapeError

Sizes = tuple[int | None, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Input(Value):
    """An input of a network: an array in the layout that its file declares.

    Attributes:
        name: of the value.
        shape: of the array; None for a size that is not fixed (that of the batch never is). None: not known.
        batch_axis: which axis of the array counts the samples; None where none does: the array is one sample.
        axes: what each axis is, where that is known: "batch", "time", "features", "channels", ..., or the name that
            the file gives it; empty where nothing is known.
        element_type: "float32", "int64", ... as the file declares it, "" where it does not. Arrays of other real
            types are taken as well.
        low, high: the range that its values are declared to have, for rules that need bounds (z^B): a number, one per
            channel, or an array of the sample's shape, as nested tuples. None: not known.

    Raises:
        GraphError: a batch axis or names that do not fit the shape.
        LrpError: low > high, a bound that is not finite, or bounds whose shapes do not fit each other.

    Example:
        >>> x = Input("x", (7, None, 3), batch_axis=1, axes=("time", "batch", "features"))
        >>> print(x.described())
        time 7 × batch any × features 3; axis 1 is the batch
        >>> x.sample, x.sized(2)
        ((7, 3), (7, 2, 3))
    """

    name: str
    shape: Sizes | None = None
    batch_axis: int | None = 0
    axes: tuple[str, ...] = ()
    element_type: str = ""
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        for key, bound in zip(("low", "high"), declared(f"input '{self.name}'", self.low, self.high), strict=True):
            object.__setattr__(self, key, bound)
        rank = None if self.shape is None else len(self.shape)
        axis = 0 if self.batch_axis is None else self.batch_axis
        if axis < 0 or (rank is not None and self.batch_axis is not None and axis >= max(rank, 1)):
            raise GraphError(f"input '{self.name}' has no axis {self.batch_axis}, its batch: its shape is {self.shape}")
        if self.axes and rank is not None and len(self.axes) != rank:
            raise GraphError(f"input '{self.name}' has {rank} axes and {len(self.axes)} names for them: {self.axes}")

    @property
    def sample(self) -> Sizes | None:
        """The shape of one sample: that of the array without its batch axis."""
        if self.shape is None or self.batch_axis is None:
            return self.shape
        return (*self.shape[: self.batch_axis], *self.shape[self.batch_axis + 1 :])

    def sized(self, n: int | None) -> Sizes | None:
        """Return the shape of an array of ``n`` samples; without a batch there is one."""
        sample = self.sample
        if sample is None or self.batch_axis is None:
            return sample
        return (*sample[: self.batch_axis], n, *sample[self.batch_axis :])

    def batch_first(self) -> Input:
        """Return the input with its batch as the first axis."""
        if self.batch_axis == 0:
            return self
        sample, names = self.sample, list(self.axes)
        if names:
            names.insert(0, "batch" if self.batch_axis is None else names.pop(self.batch_axis))
        return replace(self, shape=None if sample is None else (None, *sample), batch_axis=0, axes=tuple(names))

    def described(self) -> str:
        """Return the sizes of the axes with their names, and which of them is the batch where it is not the first."""
        if self.shape is None:
            return "any shape"
        sizes = ["any" if n is None or k == self.batch_axis else str(n) for k, n in enumerate(self.shape)]
        names = self.axes or ("",) * len(sizes)
        text = " × ".join(f"{name} {size}".strip() for name, size in zip(names, sizes, strict=True))
        if self.batch_axis is None:
            return f"{text}; no axis is the batch: the array is one sample"
        return f"{text}; axis {self.batch_axis} is the batch" if self.batch_axis else text

    def expected(self) -> str:
        """Return the shape as an error names it, with N for the number of samples."""
        sizes = ["any" if n is None else str(n) for n in self.shape or ()]
        if sizes and self.batch_axis is not None:
            sizes[self.batch_axis] = "N"
        names = f": {', '.join(name or '?' for name in self.axes)}" if any(self.axes) else ""
        where = f"; axis {self.batch_axis} is the batch, as in the file" if self.batch_axis else ""
        where = "; the array is one sample" if self.batch_axis is None else where
        return f"({', '.join(sizes)}){names}{where}"


def batch_first(array: Array, axis: int | None) -> Array:
    """Return an array with its axis ``axis`` in front, the others in their order; None: a batch of one sample.

    Example:
        >>> import numpy as np
        >>> batch_first(np.zeros((7, 2, 3)), 1).shape
        (2, 7, 3)
    """
    if axis is None:
        return array[None]
    return namespace(array).moveaxis(array, axis, 0) if axis else array


def batch_back(array: Array, axis: int | None) -> Array:
    """Return an array with its first axis at ``axis``: what undoes :func:`batch_first`.

    Example:
        >>> import numpy as np
        >>> batch_back(np.zeros((2, 7, 3)), 1).shape
        (7, 2, 3)
    """
    if axis is None:
        return array[0]
    return namespace(array).moveaxis(array, 0, axis) if axis else array


def in_front(function: Callable[..., Array], axis: int | None) -> Callable[..., Array]:
    """Return a function of arrays with the batch at ``axis`` that does what ``function`` does with the batch in front.

    Example:
        >>> import numpy as np
        >>> in_front(lambda array: array[:1], 1)(np.zeros((7, 2, 3))).shape
        (7, 1, 3)
    """
    return lambda *arrays: batch_back(function(*(batch_first(a, axis) for a in arrays)), axis)


def checked(named: Mapping[str, Any], inputs: Sequence[Input]) -> dict[str, Array]:
    """Return the arrays of a network's inputs with the batch in front, after checking shapes and finiteness.

    Raises:
        ShapeError: an array of the wrong shape, or batches of different size.
        NonFiniteError: NaN or infinity.
    """
    found = {}
    for spec in inputs:
        array = named[spec.name]
        if spec.shape is not None and not _matches(array.shape, spec):
            raise ShapeError(
                f"input '{spec.name}' has shape {tuple(array.shape)}; the network expects {spec.expected()}"
            )
        if array.ndim == 0 and spec.batch_axis is not None:
            raise ShapeError(f"input '{spec.name}' is a single number; the first axis must be the batch")
        if spec.batch_axis is not None and spec.batch_axis >= array.ndim:
            shape = tuple(array.shape)
            raise ShapeError(f"input '{spec.name}' has shape {shape}; its axis {spec.batch_axis} must be the batch")
        require_finite(array, f"input '{spec.name}'")
        found[spec.name] = batch_first(array, spec.batch_axis)
    sizes = sorted({a.shape[0] for a in found.values()})
    if len(sizes) > 1:
        where = "".join(f"; axis {i.batch_axis} of '{i.name}' is its batch" for i in inputs if i.batch_axis)
        raise ShapeError(f"the inputs have different batch sizes: {sizes}{where}")
    return found


def _matches(shape: Sequence[int], spec: Input) -> bool:
    expected = spec.sized(None) or ()
    return len(shape) == len(expected) and all(s in (None, n) for n, s in zip(shape, expected, strict=True))
