"""One slice of the fMRI of Haxby et al. 2001: read from its archive, cleaned, and cut into windows of volumes."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f_oneway, ttest_ind

from ...errors import ModelFormatError
from ..application import Need
from . import given

RUNS, VOLUMES, HEIGHT, WIDTH = 12, 121, 20, 40
TR = 2.5  # seconds a volume
LENGTH, STARTS = 6, (2, 3, 4, 5)  # volumes of a window, and its first one after the onset of a block of 22.5 s
NAMES = ("house", "scrambled", "cat", "shoe", "bottle", "scissors", "chair", "face")
FOLDER = "haxby2001/sub001"
LARGEST = 1 << 20  # bytes of a file in the archive
HEADER = 352  # bytes before the numbers
BRAIN = 0.25  # of the brightest voxel's mean: darker ones are not of the brain

NEED = Need(
    "haxby2001_1slice.tar.xz",
    "one slice of 12 runs of fMRI with onsets of 8 categories",
    "Haxby et al. 2001, openfmri.org ds000105, as PyMVPA's test data have it",
    "CC BY-SA",
)

Floats = NDArray[np.floating[Any]]
Whole = NDArray[np.int64]


def read(path: Path) -> tuple[Floats, Whole]:
    """Return the volumes (run, volume, row, column), and the volume at which a block begins by run and category.

    Raises:
        ModelFormatError: a file of the archive that is missing, or not what it should be; says which.
    """
    volumes, onsets = np.zeros((RUNS, VOLUMES, HEIGHT, WIDTH)), np.zeros((RUNS, len(NAMES)), np.int64)
    with given.tar(path) as archive:
        files = {member.name: member for member in archive}

        def content(name: str) -> tuple[bytes, str]:
            if name not in files:
                raise ModelFormatError(f"{path}: no file {name} in it")
            return archive.content(files[name], LARGEST), f"{path}: {name}"

        for k in range(RUNS):
            task = f"task001_run{k + 1:03d}"
            for category in range(len(NAMES)):
                onsets[k, category] = onset(
                    *content(f"{FOLDER}/model/model001/onsets/{task}/cond{category + 1:03d}.txt")
                )
            volumes[k] = slices(*content(f"{FOLDER}/BOLD/{task}/bold_1slice.nii.gz"))
    return volumes, onsets


def onset(content: bytes, what: str) -> int:
    """Return the number of the volume at which a block begins, from a line "SECONDS DURATION WEIGHT".

    Raises:
        ModelFormatError: no number of seconds in the run.

    Example:
        >>> onset(b"157.5 22.5 1", "cond001.txt")
        63
    """
    try:
        first = round(float(content.split()[0]) / TR)
    except (ValueError, IndexError, OverflowError) as error:
        raise ModelFormatError(f"{what}: not the onset of a block in seconds") from error
    if not 0 <= first <= VOLUMES - max(STARTS) - LENGTH:
        raise ModelFormatError(f"{what}: a block from volume {first} on does not lie in a run of {VOLUMES}")
    return first


def slices(content: bytes, what: str) -> Floats:
    """Return the volumes (121, 20, 40) of a gzipped NIfTI-1 file of int16, little-endian, of one slice.

    Raises:
        ModelFormatError: not such a file.
    """
    size = HEADER + 2 * VOLUMES * HEIGHT * WIDTH
    try:
        raw = gzip.GzipFile(fileobj=io.BytesIO(content)).read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelFormatError(f"{what}: not a gzipped file that can be read") from error
    if len(raw) != size or np.frombuffer(raw, "<i2", 5, 40).tolist() != [4, WIDTH, HEIGHT, 1, VOLUMES]:
        raise ModelFormatError(f"{what}: not a NIfTI file of {VOLUMES} volumes of {WIDTH} × {HEIGHT} × 1 int16")
    return np.frombuffer(raw, "<i2", offset=HEADER).reshape(VOLUMES, HEIGHT, WIDTH).astype(np.float64)


def cleaned(volumes: Floats) -> Floats:
    """Return, by run and voxel, what is left of a series without its parabola, over its standard deviation."""
    time = np.linspace(-1, 1, volumes.shape[1])
    basis = np.linalg.qr(np.stack([time**0, time, time**2], axis=1))[0]
    left = volumes - np.einsum("tk,sk,rs...->rt...", basis, basis, volumes, optimize=True)
    scale = left.std(axis=1, keepdims=True)
    return np.asarray(left / np.where(scale > 1e-9, scale, 1))


def windows(series: Floats, onsets: Whole) -> tuple[Floats, Whole, Whole]:
    """Return windows (N, 1, LENGTH, H, W), category and run of each; those of a block one after the other."""
    places = [(k, c, onsets[k, c] + s) for k in range(len(onsets)) for c in range(len(NAMES)) for s in STARTS]
    x = np.stack([series[k, first : first + LENGTH] for k, _, first in places])[:, None].astype(np.float32)
    return x, np.array([c for _, c, _ in places]), np.array([k for k, _, _ in places])


def univariate(blocks: Floats, categories: Whole) -> tuple[Floats, Floats, list[Floats]]:
    """Return F of the categories by voxel, its p-value, and |t| of each category against the others.

    Args:
        blocks: the mean volume of each block (N, voxels).
        categories: of each block (N,).
    """
    kinds = [blocks[categories == k] for k in range(len(NAMES))]
    anova = f_oneway(*kinds)
    t = [np.abs(ttest_ind(kind, blocks[categories != k]).statistic) for k, kind in enumerate(kinds)]
    return anova.statistic, anova.pvalue, t
