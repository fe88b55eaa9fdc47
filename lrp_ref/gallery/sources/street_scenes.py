"""Street scenes with label maps, read from an archive without extracting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ModelFormatError
from . import given

CONCEPTS = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
VOID = 11  # the label of pixels that nobody gave a name
LARGEST, PIXELS = 4 << 20, 1 << 20  # bytes and pixels of one picture


def read(path: Path, count: int, *, side: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return frames of CamVid's test part (N, H, W, 3) as bytes, and their labels (N, side, side), of nearest pixels.

    Args:
        path: a tar with CamVid/test and CamVid/testannot.
        count: how many frames, evenly out of all.
        side: pixels of the label maps along both axes.

    Raises:
        ModelFormatError: frames or label maps that are not there, of different sizes, or no pictures.
    """
    with given.tar(path) as archive:
        members = {member.name: archive.content(member, LARGEST) for member in archive if member.name.endswith(".png")}
        names = sorted(name for name in members if name.startswith("CamVid/test/"))
        outlined = [name.replace("/test/", "/testannot/") for name in names]
        if len(names) < count or not members.keys() >= set(outlined):
            raise ModelFormatError(
                f"{path}: not an archive of CamVid/test and CamVid/testannot: {len(names)} frames in it, of which "
                f"{len(members.keys() & set(outlined))} have labels; {count} are needed"
            )
        chosen = np.linspace(0, len(names) - 1, count).round().astype(int)
        frames, outlines = ([given.picture(members[which[k]], f"{path}: {which[k]}", "PNG", PIXELS) for k in chosen]
                            for which in (names, outlined))  # fmt: skip
    if len({frame.size for frame in (*frames, *outlines)}) > 1:
        raise ModelFormatError(f"{path}: its pictures are of different sizes")
    small = np.stack([np.asarray(one.resize((side, side), Image.Resampling.NEAREST)) for one in outlines])
    if small.ndim != 3 or small.dtype.kind not in "iu" or small.max() > VOID:
        raise ModelFormatError(f"{path}: its pictures in CamVid/testannot are no label maps, of 0 to {VOID}")
    return np.stack([np.asarray(frame.convert("RGB")) for frame in frames]), small
