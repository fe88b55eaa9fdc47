"""EEG Eye State (Roesler 2013): two minutes of brain waves, and maps of its 14 electrodes on a head."""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from .. import figures
from . import given

RATE = 128  # samples a second
SPIKE = 400.0  # µV from the median
LEAST = 60 * RATE  # samples
LARGEST = 1 << 24  # bytes of the recording, unpacked
# From above, the nose at the top; on the ring of radius 0.8 lie F7, T7, P7, O1 and their mirror images.
LEFT = {"AF3": (-0.24, 0.62), "F7": (-0.65, 0.47), "F3": (-0.32, 0.42), "FC5": (-0.57, 0.23), "T7": (-0.8, 0.0),
        "P7": (-0.65, -0.47), "O1": (-0.25, -0.76)}  # fmt: skip
PLACES = LEFT | {name: (-LEFT[mirror][0], LEFT[mirror][1]) for name, mirror in (
    ("O2", "O1"), ("P8", "P7"), ("T8", "T7"), ("FC6", "FC5"), ("F4", "F3"), ("F8", "F7"), ("AF4", "AF3"))}  # fmt: skip


def read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the signals (T, 14) in µV without spikes, in the order of ``PLACES``, and whether the eyes are closed.

    Raises:
        ModelFormatError: not an ARFF file, compressed by xz, of these electrodes and "eyeDetection", 0 or 1.
    """
    from scipy.io import arff

    with given.refusing(path, "a recording in ARFF, compressed by xz"):
        with lzma.open(path) as stream:
            text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ModelFormatError(f"{path}: more than {LARGEST} bytes, which the recording does not have")
        rows, _ = arff.loadarff(io.StringIO(text.decode("ascii")))
        signals = np.stack([rows[name].astype(np.float64) for name in PLACES], axis=1)
        closed = rows["eyeDetection"].astype(np.int64)
    if len(signals) < LEAST or not np.isfinite(signals).all() or set(closed.tolist()) != {0, 1}:
        raise ModelFormatError(
            f"{path}: not a recording of {LEAST} samples and more, all finite, with eyes open (0) and closed (1)"
        )
    return without_spikes(signals), closed


def without_spikes(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return signals (T, E) with samples far from the median of any electrode filled in from their neighbours."""
    wild = (np.abs(signals - np.median(signals, axis=0)) > SPIKE).any(axis=1)
    good = np.flatnonzero(~wild)
    return np.stack([np.interp(np.arange(len(signals)), good, s[good]) for s in signals.T], axis=1)


def show_head(axes: Any, values: NDArray[Any], limit: float, title: str) -> None:
    """Draw values of electrodes, in the order of ``PLACES``, on a head seen from above, with colours between them."""
    from scipy.interpolate import RBFInterpolator

    places = np.array(list(PLACES.values()))
    y, x = np.mgrid[1.1:-1.1:200j, -1.1:1.1:200j]
    smooth = RBFInterpolator(places, values, smoothing=0.01)(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    figures.show_map(axes, np.where(np.hypot(x, y) <= 1, smooth, 0), limit=limit, title=title)
    axes.images[0].set_extent((-1.1, 1.1, -1.1, 1.1))
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=figures.PALE)
    axes.plot([-0.12, 0, 0.12], [0.99, 1.12, 0.99], color=figures.PALE)
    axes.scatter(*places.T, s=5, color=figures.INK)
    for name, (across, up) in PLACES.items():
        axes.text(across, up + 0.05, name, fontsize=11, ha="center", va="bottom")
    axes.set(xlim=(-1.15, 1.15), ylim=(-1.1, 1.18))
    axes.set_axis_off()
