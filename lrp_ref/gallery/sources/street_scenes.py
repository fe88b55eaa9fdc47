"""Street scenes with label maps, read from an archive without extracting it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ModelFormatError

CONCEPTS = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
VOID = 11  # the label of pixels that nobody gave a name
LARGEST = 4 << 20  # bytes of one picture


def read(path: Path, count: int, *, side: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return frames of CamVid's test part (N, H, W, 3) as bytes, and their labels (N, side, side), of nearest pixels.

    Args:
        path: a tar with CamVid/test and CamVid/testannot.
        count: how many frames, evenly out of all.
        side: pixels of the label maps along both axes.

    Raises:
        ModelFormatError: frames or label maps that are not there, of different sizes, or no pictures.
    """
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive.getmembers() if member.isfile()}
            names = sorted(name for name in members if name.startswith("CamVid/test/"))
            chosen = [names[k] for k in np.linspace(0, len(names) - 1, count).round().astype(int)]
            frames = [np.asarray(_picture(archive, members[name]).convert("RGB")) for name in chosen]
            outlines = [_picture(archive, members[name.replace("/test/", "/testannot/")]) for name in chosen]
            small = [np.asarray(one.resize((side, side), Image.Resampling.NEAREST)) for one in outlines]
        return np.stack(frames), np.stack(small)
    except (tarfile.TarError, OSError, KeyError, IndexError, ValueError) as error:
        raise ModelFormatError(f"{path}: not an archive of CamVid/test and CamVid/testannot ({error})") from error


def _picture(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Image.Image:
    stream = archive.extractfile(member)
    if stream is None or member.size > LARGEST:
        raise ValueError(f"{member.name} is no picture of at most {LARGEST} bytes")
    return Image.open(io.BytesIO(stream.read()))
