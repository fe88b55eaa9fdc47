"""Arrays from files as a network takes them: floats, and of integers those that are no pixels that nobody scaled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError, ShapeError
from .preprocess import Sidecar, recipe, scaled


def require_floats(path: str | Path, arrays: Mapping[str, NDArray[Any]], sidecar: Sidecar | None) -> None:
    """Refuse integers where nothing else is given: relevance is given to real numbers, and pixels are to be scaled.

    Args:
        path: the file, as the error has it.
        arrays: in it, by name; of the first a few numbers are looked at.
        sidecar: of the model, if there is one.

    Raises:
        ModelFormatError: integers alone; says how they become floats.

    Example:
        >>> require_floats("x.npy", {"x": np.array([[0.5]])}, None)
        >>> try:
        ...     require_floats("x.npy", {"x": np.array([[0, 7]])}, None)
        ... except ModelFormatError as error:
        ...     print(error)
        x.npy: 'x' holds int64 from 0 to 7; the network takes floats: save x.astype('float32')
    """
    if any(a.dtype.kind not in "iu" for a in arrays.values()):
        return  # floats, or what is refused later
    name, array = next(iter(arrays.items()))
    first = array[:1] if array.ndim else array.reshape(1)
    told = f"{path}: '{name}' holds {array.dtype}" + (f" from {first.min()} to {first.max()}" if first.size else "")
    if sidecar is not None and sidecar.kind == "image":
        raise ModelFormatError(
            f"{told}; this model takes floats, {recipe(sidecar)}: save x.astype('float32') so scaled, or give the "
            "picture file"
        )
    if array.dtype == np.uint8:
        raise ModelFormatError(
            f"{told}; the network takes floats: save x.astype('float32') / 255 if it was trained on 0 to 1, "
            "x.astype('float32') if on 0 to 255, or give the picture file and a sidecar"
        )
    raise ModelFormatError(f"{told}; the network takes floats: save x.astype('float32')")


def in_machine_order(array: NDArray[Any], dtype: str = "") -> NDArray[Any]:
    """Return floats as float32 or float64 in the machine's byte order; indices as they are.

    Args:
        array: of floats or integers.
        dtype: "float64" for all floats; else those of more than 4 bytes alone become float64.

    Example:
        >>> in_machine_order(np.array([0.5], dtype=">f2"))
        array([0.5], dtype=float32)
    """
    if array.dtype.kind != "f":
        return array.astype(array.dtype.newbyteorder("="))
    keep = "float32" if array.dtype.itemsize <= 4 else "float64"
    return array.astype("float64" if dtype == "float64" else keep)


def pixels(path: str | Path, array: NDArray[Any], sidecar: Sidecar, dtype: str) -> NDArray[Any]:
    """Return pixels in bytes as the input of a network, x = (pixel − mean)·scale, as the sidecar says.

    Args:
        path: the file, as errors have it.
        array: uint8 (N, H, W, 3) with red first; of grey pictures (N, H, W), (N, H, W, 1) or (N, 1, H, W).
        sidecar: of kind "image".
        dtype: of the result, "float32" or "float64".

    Raises:
        ShapeError: as of :func:`pixel_shape`.

    Example:
        >>> grey = Sidecar("image", "NCHW", (2, 2), "L", mean=(1.0,), scale=(0.5,))
        >>> pixels("x.npy", np.full((1, 2, 2), 3, dtype="uint8"), grey, "float32").ravel().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    return scaled(array.reshape(len(array), *pixel_shape(path, array.shape, sidecar)), sidecar, dtype=dtype)


def pixel_shape(path: str | Path, shape: tuple[int, ...], sidecar: Sidecar) -> tuple[int, ...]:
    """Return the shape of one picture, (H, W, 3) or (H, W), in an array of pixels of this shape (N, ...).

    Raises:
        ShapeError: another size or number of channels than the sidecar's.

    Example:
        >>> pixel_shape("x.npy", (7, 1, 2, 2), Sidecar("image", "NCHW", (2, 2), "L"))
        (2, 2)
    """
    grey = sidecar.channels == "L"
    expected = sidecar.size if grey else (*(sidecar.size or ()), 3)
    one = shape[1:-1] if grey and len(shape) == 4 and shape[-1] == 1 else shape[1:]
    one = one[1:] if grey and len(shape) == 4 and shape[1] == 1 and one == shape[1:] else one
    if one != expected:
        raise ShapeError(
            f"{path}: pixels of shape {shape}; the sidecar says {('N', *(expected or ()))}, bytes from 0 to 255"
        )
    return one
