"""Pictures to disk, whole or not at all, and into a page."""

from __future__ import annotations

import base64
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError, unknown

if TYPE_CHECKING:
    from PIL.Image import Image


def save(image: Image, path: str | os.PathLike[str]) -> Path:
    """Write a picture; the suffix says the format.

    The bytes go to a temporary name beside `path`, which is then replaced: whoever looks sees the old file or
    the whole new one. PNG files keep the limit of the colours as a text entry "relevance_limit", and "question"
    of the picture's `info`, if it is there.

    Args:
        image: a picture of this module, or any other of Pillow's.
        path: file to write, such as "cat.png"; its folder must exist.

    Returns:
        The path.

    Raises:
        ParameterError: a suffix that Pillow cannot write, or a folder that does not exist.
        OSError: the file cannot be written, or the format cannot hold the picture; nothing is left behind.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Image.new("RGB", (2, 2)), Path(folder) / "two.png").name
        'two.png'
    """
    from PIL import Image as Module

    goal = Path(path)
    suffixes = Module.registered_extensions()  # also loads every format, which SAVE needs
    writable = {suffix: kind for suffix, kind in suffixes.items() if kind in Module.SAVE}
    suffix = goal.suffix.lower()
    if suffix not in writable:
        usual = (".png", ".jpg", ".webp", ".tif", ".gif", ".bmp", ".pdf")
        raise unknown("picture suffix", goal.suffix, [name for name in usual if name in writable])
    if not goal.parent.is_dir():
        raise ParameterError(f"cannot write {goal}: the folder {goal.parent} does not exist")
    part = goal.with_name(f".{goal.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            image.save(file, format=writable[suffix], **_options(image, writable[suffix]))
        part.replace(goal)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return goal


def _options(image: Image, kind: str) -> dict[str, Any]:
    """Return the arguments for Pillow's encoder: text entries for PNG, no smeared pixels elsewhere."""
    from PIL.PngImagePlugin import PngInfo

    if kind == "JPEG":
        return {"quality": 95, "subsampling": 0}
    if kind == "WEBP":
        return {"lossless": True}
    if kind != "PNG":
        return {}
    entries = PngInfo()
    for key in ("relevance_limit", "relevance_limits", "question"):
        if key in image.info:
            entries.add_text(key, str(image.info[key]))
    return {"pnginfo": entries}  # Pillow's "optimize" takes 2 to 5 times as long for a file that is 1 to 3 % smaller


def to_data_uri(image: Image) -> str:
    """Return a picture as a PNG data URI, for the src of an <img> in a page or a notebook.

    Args:
        image: any picture of Pillow's.

    Returns:
        "data:image/png;base64,…".

    Example:
        >>> from PIL import Image
        >>> to_data_uri(Image.new("RGB", (1, 1)))[:30]
        'data:image/png;base64,iVBORw0K'
    """
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **_options(image, "PNG"))
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
