"""``--masks``: where the objects are, for measures that ask whether relevance lies on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ModelFormatError, ParameterError, ShapeError
from ..evaluate.given import box_masks, inside
from ..loaders.elsewhere import PICTURES
from ..loaders.preprocess import Sidecar, read_mask
from .arrays import DAMAGED
from .together import OBJECTS, Together

Objects = dict[str, NDArray[Any]]  # "masks", "boxes", or both


def objects(path: Path | None, data: Together, sidecar: Sidecar | None) -> Objects:
    """Return the masks and boxes of the samples.

    Args:
        path: an .npy file of masks (N, ...) or boxes (N, 4), an .npz file with entries masks or boxes, a picture that
            is white inside of the object, for one input, or a folder of pictures with the names of the inputs; None for
            what stands beside the samples in their file.
        data: the samples.
        sidecar: of the model, by which a mask is cut as its photo was.

    Raises:
        ParameterError: a file that is not readable or holds neither, or a folder without the mask of an input.
        ShapeError: another number of masks than inputs.
    """
    found = _found(path, data, sidecar)
    try:  # before methods take their time
        if "masks" in found:
            inside(data.x, found["masks"])
        if "boxes" in found:
            box_masks(found["boxes"], data.x.shape[-2:])
    except LrpError as error:
        where = path or ", ".join(dict.fromkeys(sample.where.partition(",")[0] for sample in data.samples))
        raise type(error)(f"{where}: {error}") from error
    return found


def _found(path: Path | None, data: Together, sidecar: Sidecar | None) -> Objects:
    """Return masks and boxes as they are given."""
    if path is None:
        return {key: data.beside[key] for key in OBJECTS if key in data.beside}
    if path.is_dir():
        return {"masks": np.stack([_picture(_named(path, s.name), data, sidecar) for s in data.samples])}
    if path.suffix.lower() in PICTURES:
        if len(data.samples) != 1:
            raise ParameterError(
                f"{path} is the mask of one input, and there are {len(data.samples)}: give a folder of masks with the "
                "names of the inputs, or an .npy file"
            )
        return {"masks": _picture(path, data, sidecar)[None]}
    found = _arrays(path)
    if data.x.ndim == 4 and "boxes" not in found and found["masks"].ndim == 2 and found["masks"].shape[1] == 4:
        found = {"boxes": found["masks"]}
    return {key: _rows(path, key, array, data) for key, array in found.items()}


def _arrays(path: Path) -> Objects:
    """Return the masks or boxes that a file holds."""
    if not path.is_file():
        raise ParameterError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".npz":
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                found = {key: file[key] for key in OBJECTS if key in file.files}
                held = ", ".join(file.files)
        else:
            found, held = {"masks": np.load(path, allow_pickle=False)}, ""
    except (*DAMAGED, OSError) as error:
        raise ParameterError(f"{path}: not readable as masks: {' '.join(str(error).split())}") from error
    if not found:
        raise ParameterError(f"{path} holds {held or 'nothing'}: its entries must be called masks or boxes")
    return found


def _rows(path: Path, key: str, array: NDArray[Any], data: Together) -> NDArray[Any]:
    """Return the rows of the samples that were read, out of those of all that were given."""
    one = data.x.shape[1:]
    if data.given == 1 and array.shape in ((4,) if key == "boxes" else one[1:], one if one[:1] != (1,) else ()):
        array = array[None]
    enough = array.shape[:1] == (data.given,) or (not data.whole and len(array) > data.places[-1])
    if not enough:
        known = f"{data.given} inputs" if data.whole else f"{data.places[-1] + 1} inputs or more"
        raise ShapeError(
            f"{path}: {key} have shape {array.shape} for {known} of shape {one}: give one for each, (N, ...)"
        )
    return array[list(data.places)]


def _named(folder: Path, name: str) -> Path:
    """Return the picture of a folder that has the name of an input."""
    for suffix in PICTURES:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise ParameterError(f"{folder} has no mask of input '{name}': it must be called {name}.png")


def _picture(path: Path, data: Together, sidecar: Sidecar | None) -> NDArray[np.bool_]:
    sizes: Sequence[int] = data.x.shape[2:]
    if len(sizes) != 2:
        raise ShapeError(f"{path} is a picture, and the inputs {data.x.shape[1:]} are none: give an .npy file of masks")
    try:
        return read_mask(path, (sizes[0], sizes[1]), sidecar)
    except ModelFormatError as error:
        raise ParameterError(str(error)) from error


def require(needs: Sequence[str], found: Objects, measure: str) -> None:
    """Raise if a measure needs what is not there.

    Raises:
        ParameterError: it needs masks or boxes.
    """
    if set(needs) & set(OBJECTS) and not found:
        raise ParameterError(
            f"measure '{measure}' needs masks: give --masks FILE, or an .npz file with masks beside the samples, or "
            "leave the measure out"
        )
