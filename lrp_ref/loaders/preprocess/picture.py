"""From a photo to the input of a network, as the model's sidecar says."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from .sidecar import Sidecar

if TYPE_CHECKING:
    from PIL.Image import Image


def read_image(path: str | Path, sidecar: Sidecar, *, dtype: str = "float32") -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Read a picture as the input of a network: x = (pixel − mean)·scale.

    The camera's rotation (EXIF) is undone, transparency is laid on white, 16 bit grey becomes 0 to 255, of an
    animation the first picture is taken. Then it is converted to the sidecar's channels and resized: "crop" brings it
    to the least size that covers the network's and takes the centre, "stretch" changes the aspect ratio.

    Args:
        path: a file in any format that Pillow reads.
        sidecar: of kind "image".
        dtype: of the result, "float32" or "float64".

    Returns:
        The input, (1, C, H, W) or (1, H, W, C) by the sidecar's layout, and the picture as the network sees it, uint8
        (H, W, 3), or (H, W) for grey.

    Raises:
        ModelFormatError: no picture, a damaged or an oversized one, or a sidecar of another kind.

    Example:
        >>> import json, tempfile
        >>> from PIL import Image
        >>> from lrp_ref.loaders.preprocess import EXAMPLE, parse_sidecar
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (320, 240), (127, 255, 255)).save(Path(folder) / "sky.png")
        ...     x, shown = read_image(Path(folder) / "sky.png", parse_sidecar(json.loads(EXAMPLE)))
        >>> x.shape, x[0, :, 0, 0].tolist(), shown.shape
        ((1, 3, 224, 224), [0.0, 1.0, 1.0], (224, 224, 3))
    """
    if sidecar.kind != "image" or sidecar.size is None:
        raise ModelFormatError(f"{path}: the model's sidecar describes a {sidecar.kind}, not a picture")
    mode = "L" if sidecar.channels == "L" else "RGB"
    pixels = _resize(_open(Path(path), mode), sidecar, path)
    shown = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return scaled(pixels[None], sidecar, dtype=dtype), shown


def resized(pixels: NDArray[Any], sidecar: Sidecar) -> NDArray[np.uint8]:
    """Return pixels in the size of the network's input, cut and resized as :func:`read_image` does it.

    Args:
        pixels: uint8 (H, W, 3) with red first, or (H, W).
        sidecar: of kind "image".

    Example:
        >>> import json
        >>> from lrp_ref.loaders.preprocess import EXAMPLE, parse_sidecar
        >>> resized(np.zeros((50, 400, 3), dtype=np.uint8), parse_sidecar(json.loads(EXAMPLE))).shape
        (224, 224, 3)
    """
    from PIL import Image

    found: NDArray[np.uint8] = _resize(Image.fromarray(pixels), sidecar, "the picture")
    return found


def scaled(pixels: NDArray[Any], sidecar: Sidecar, *, dtype: str = "float32") -> NDArray[Any]:
    """Return pixels as the input of a network: x = (pixel − mean)·scale, in the sidecar's order of channels and axes.

    Args:
        pixels: from 0 to 255, (N, H, W) or (N, H, W, 3) with red first.
        sidecar: of kind "image".
        dtype: of the result, "float32" or "float64".

    Example:
        >>> import json
        >>> from lrp_ref.loaders.preprocess import EXAMPLE, parse_sidecar
        >>> x = scaled(np.full((2, 224, 224, 3), 255, dtype=np.uint8), parse_sidecar(json.loads(EXAMPLE)))
        >>> x.shape, x[0, 0, 0, 0].item()
        ((2, 3, 224, 224), 1.0)
    """
    planes = pixels.reshape(*pixels.shape[:3], -1)
    if sidecar.channels == "BGR":
        planes = planes[..., ::-1]
    x = ((planes - np.array(sidecar.mean)) * np.array(sidecar.scale)).astype(dtype)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if sidecar.layout == "NCHW" else x)


def read_mask(path: str | Path, size: tuple[int, int], sidecar: Sidecar | None = None) -> NDArray[np.bool_]:
    """Read a picture that is white inside of an object and black outside, as a mask of the network's input (H, W).

    A picture of another size is cut and resized as the sidecar does with the photo, by the nearest pixel.

    Args:
        path: a file in any format that Pillow reads.
        size: of the input, (H, W).
        sidecar: of kind "image"; None where the picture has that size.

    Raises:
        ModelFormatError: no picture, a damaged or an oversized one, or one of another size without a sidecar.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (2, 1), 255).save(Path(folder) / "mask.png")
        ...     read_mask(Path(folder) / "mask.png", (1, 2))
        array([[ True,  True]])
    """
    picture = _open(Path(path), "L")
    if picture.size == (size[1], size[0]):
        return np.asarray(picture) > 127
    if sidecar is None or sidecar.kind != "image" or sidecar.size != size:
        raise ModelFormatError(f"{path}: a mask of {picture.height} x {picture.width} pixels; the input has {size}")
    return _resize(picture, sidecar, path, nearest=True) > 127


def _open(path: Path, mode: str) -> Image:
    """Return a picture in `mode`, upright and opaque; 16 bit grey (for colours 8 bit) from 0 to 255."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks about metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as file:
                deep = file.mode.startswith("I;16") or (file.mode == "I" and file.format == "PNG")
                if file.mode in ("I", "F") and not deep:
                    raise ModelFormatError(f"{path}: a picture of 32 bit numbers; save it with 8 or 16 bit a channel")
                file.load()
                picture = ImageOps.exif_transpose(file)
            if deep:
                grey = np.asarray(picture).astype(np.float64) / 257
                fine = Image.fromarray(grey.astype(np.float32))
                return fine if mode == "L" else Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return picture.convert(mode)
        except ModelFormatError:
            raise  # a ValueError, which has said what is wrong
        except FileNotFoundError as error:
            raise ModelFormatError(f"{path}: there is no such file") from error
        except UnidentifiedImageError as error:
            raise ModelFormatError(f"{path}: not a picture that Pillow can read") from error
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ModelFormatError(
                f"{path}: a picture of more than {Image.MAX_IMAGE_PIXELS} pixels; make it smaller first"
            ) from error
        except (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelFormatError(f"{path}: the picture cannot be read: {reason}") from error


def _resize(picture: Image, sidecar: Sidecar, path: str | Path, *, nearest: bool = False) -> NDArray[Any]:
    """Return the pixels (H, W) or (H, W, 3) in the sidecar's size."""
    from PIL import Image

    assert sidecar.size is not None, "checked by the caller"
    high, wide = sidecar.size
    how = Image.Resampling.BICUBIC if sidecar.resample == "bicubic" else Image.Resampling.BILINEAR
    how = Image.Resampling.NEAREST if nearest else how
    if sidecar.resize == "stretch":
        new = (wide, high)
    else:
        factor = max(wide / picture.width, high / picture.height)
        new = (max(wide, round(picture.width * factor)), max(high, round(picture.height * factor)))
        # A sliver of a picture would become enormous before its centre is cut out.
        if new[0] * new[1] > (Image.MAX_IMAGE_PIXELS or math.inf):
            raise ModelFormatError(
                f"{path}: {picture.width} x {picture.height} pixels cannot be cropped to {wide} x {high}: too narrow"
            )
    resized = picture if picture.size == new else picture.resize(new, how)
    left, top = (new[0] - wide) // 2, (new[1] - high) // 2
    return np.asarray(resized.crop((left, top, left + wide, top + high)))
