"""What an input of a network takes of arrays in files, and how their samples are made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import ModelFormatError, ShapeError
from ...loaders.numbers import in_machine_order, pixel_shape, pixels, require_floats
from ...loaders.preprocess import Sidecar
from ...network.inputs import Sizes
from ...network.network import Network
from .given import Host


@dataclass(frozen=True)
class Taken:
    """How samples of one shape and type become an input.

    Attributes:
        name: of the input.
        shape: of one sample as the network takes it.
        dtype: of the numbers that it is given.
        pixels: says how bytes are scaled; None where the numbers are the input.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    pixels: Sidecar | None = None

    def fed(self, where: str, array: Host) -> Host:
        """Return samples of a file (n, ...) as the network takes them, in memory of their own."""
        if self.pixels is not None:
            return pixels(where, array, self.pixels, self.dtype)
        return np.ascontiguousarray(array.astype(self.dtype, copy=False))

    def zeros(self) -> Host:
        """Return one sample of zeros (1, ...)."""
        return np.zeros((1, *self.shape), dtype=self.dtype)


@dataclass(frozen=True)
class Wanted:
    """What an input of a network takes.

    Attributes:
        name: of the input.
        shape: with the batch in front; None where nothing is known.
        rank: the axes of an array of samples, which a sidecar may tell where the network does not; None: not known.
        expected: the shape, as errors have it.
        tokens: whether its integers receive relevance.
        integers: whether it takes integers.
        sidecar: of kind "image", which says how pixels are scaled; None if there is none.
        floats: type of the floats that pixels become.
    """

    name: str
    shape: Sizes | None
    rank: int | None
    expected: str
    tokens: bool
    integers: bool
    sidecar: Sidecar | None
    floats: str

    @staticmethod
    def of(net: Network, sidecar: Sidecar | None, dtype: str | None = None) -> tuple[Wanted, ...]:
        """Return what each input of a network takes.

        Args:
            net: the network.
            sidecar: of its model.
            dtype: of what pixels become; None for that of the network.
        """
        several = len(net.inputs) > 1
        image = sidecar if sidecar is not None and sidecar.kind == "image" and not several else None
        floats = "float64" if (dtype or str(net.dtype)) == "float64" else "float32"
        found = []
        for one in net.batch_first().inputs:
            tokens = one.name in net.tokens
            told = one.shape or (None if sidecar is None or several else sidecar.layout)  # a letter for each axis
            rank = None if told is None else len(told)
            found.append(Wanted(one.name, one.shape, rank, one.expected(), tokens, tokens or several, image, floats))
        return tuple(found)

    def _as_pixels(self, dtype: np.dtype[Any]) -> bool:
        return dtype == np.uint8 and self.sidecar is not None and not self.tokens

    def alone(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
        """Return whether an array is one sample without an axis for the samples; not where nothing is known."""
        if self.sidecar is not None and self._as_pixels(dtype):
            return shape[:2] == self.sidecar.size and shape[2:] in (
                ((), (1,)) if self.sidecar.channels == "L" else ((3,),)
            )
        return self.rank is not None and len(shape) == self.rank - 1

    def taken(self, where: str, shape: tuple[int, ...], dtype: np.dtype[Any], first: Host | None = None) -> Taken:
        """Return how an array of samples becomes this input.

        Args:
            where: the file, as errors have it.
            shape: of the array (N, ...).
            dtype: of its numbers.
            first: a few of its samples, of which an error may tell the range.

        Raises:
            ModelFormatError: other numbers than the input takes.
            ShapeError: samples of another shape.
        """
        if not shape:
            raise ShapeError(f"{where}: '{self.name}' is a single number; the first axis must be the samples")
        if self.sidecar is not None and self._as_pixels(dtype):
            pixel_shape(where, shape, self.sidecar)
            return self.picture(where)
        dtype = np.dtype(np.int64) if dtype.kind == "b" and self.tokens else dtype  # a mask, saved as it is
        if dtype.kind not in "fiu":
            help_ = ": save x.astype('float32')" if dtype.kind == "b" else ""
            raise ModelFormatError(f"{where}: '{self.name}' holds {dtype}; the network takes floats{help_}")
        if dtype.kind in "iu" and not self.integers:
            require_floats(where, {self.name: np.empty(0, dtype) if first is None else first}, self.sidecar)
        self._fit(where, shape)
        return Taken(self.name, shape[1:], in_machine_order(np.empty(0, dtype)).dtype.str)

    def picture(self, where: str) -> Taken:
        """Return how a picture becomes this input, by the sidecar.

        Raises:
            ShapeError: the network takes other samples than the sidecar describes.
        """
        assert self.sidecar is not None, "the caller has looked whether there is one"
        made = self.sidecar.shape()
        assert made is not None, "of an image it is known"
        self._fit(f"{where}, as the model's sidecar says", made)
        return Taken(self.name, made[1:], self.floats, self.sidecar)

    def _fit(self, where: str, shape: tuple[int, ...]) -> None:
        if self.shape is None:
            return
        if len(shape) == len(self.shape) and all(m in (None, n) for n, m in zip(shape, self.shape, strict=True)):
            return
        alone = len(shape) == len(self.shape) - 1 and _within(shape, self.shape[1:])
        grey = len(shape) == 3 and len(self.shape) == 4 and self.shape[1] == 1 and _within(shape[1:], self.shape[2:])
        help_ = "; one sample is saved as x[None]" if alone else "; save x[:, None]" if grey else ""
        raise ShapeError(f"{where}: '{self.name}' has shape {shape}; the network expects {self.expected}{help_}")


def _within(shape: tuple[int, ...], sizes: Sizes) -> bool:
    return all(m in (None, n) for n, m in zip(shape, sizes, strict=True))


def alike(one: Taken, other: Taken) -> Taken | None:
    """Return how samples of both become an input of one type; None where their shapes or their kinds differ.

    Example:
        >>> alike(Taken("x", (3,), "<f4"), Taken("x", (3,), "<f8")).dtype
        '<f8'
        >>> alike(Taken("x", (3,), "<f4"), Taken("x", (4,), "<f4")) is None
        True
    """
    a, b = np.dtype(one.dtype), np.dtype(other.dtype)
    if one.shape != other.shape or one.pixels != other.pixels or (a.kind == "f") != (b.kind == "f"):
        return None
    common = np.result_type(a, b)
    # Of the largest signed and unsigned integers together NumPy makes floats; tokens stay integers.
    return replace(one, dtype="<i8" if a.kind != "f" and common.kind == "f" else common.str)
