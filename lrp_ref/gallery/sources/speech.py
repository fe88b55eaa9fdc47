"""Spoken words: clips of one recorded word each, and their spectrograms.

The file has all clips one after the other (``samples``, int16 at 8,000 a second) with the ``length``, ``digit`` and
``speaker`` of each; the takes of one speaker and digit follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from . import given

RATE = 8000  # samples a second
WINDOW, HOP = 256, 128  # samples
BANDS = 64  # of equal width from 0 to 4 kHz
FRAMES = 56
WIDTH = RATE / 2 / BANDS  # of a band, Hz
DECADES = 5.0  # of power below a clip's loudest, where silence begins


@dataclass(frozen=True)
class Clips:
    """Spectrograms (N, 1, BANDS, FRAMES), low bands first, and what they are of.

    Attributes:
        spectrograms: log10 of power, 0 (silence) to DECADES (the clip's loudest), float32; loudness tells nothing.
        digit: 0 to 9.
        speaker: by number.
        take: of the same speaker and digit, counted in the order of recording.
        names: of the speakers.
    """

    spectrograms: NDArray[Any]
    digit: NDArray[Any]
    speaker: NDArray[Any]
    take: NDArray[Any]
    names: tuple[str, ...]


def read(path: Path, every: int = 1) -> Clips:
    """Return the clips of a file, or every ``every``-th take.

    Raises:
        ModelFormatError: the arrays do not fit each other.
    """
    stored = given.arrays(path, samples="T", length="N", digit="N", speaker="N", texts=("speaker",))
    samples, length, digit, speaker = (stored[name] for name in ("samples", "length", "digit", "speaker"))
    if length.dtype.kind not in "iu" or length.min() < 1 or sum(length.tolist()) != len(samples):
        raise ModelFormatError(f"{path}: {len(samples)} samples for clips of {sum(length.tolist())} together")
    if digit.dtype.kind not in "iu" or not set(digit.tolist()) <= set(range(10)) or samples.dtype != np.int16:
        raise ModelFormatError(f"{path}: not digits 0 to 9 in samples of int16")
    names, number = np.unique(speaker, return_inverse=True)
    take = np.array(list(_takes(number, digit)))
    starts = np.cumsum(length) - length
    chosen = np.flatnonzero(take % every == 0)
    made = [spectrogram(samples[starts[k] : starts[k] + length[k]]) for k in chosen]
    return Clips(
        np.stack(made)[:, None], digit[chosen].astype(int), number[chosen], take[chosen], tuple(map(str, names))
    )


def _takes(speaker: NDArray[Any], digit: NDArray[Any]) -> Iterator[int]:
    """Yield how many clips of the same speaker and digit came before each."""
    before: dict[tuple[int, int], int] = {}
    for key in zip(speaker.tolist(), digit.tolist(), strict=True):
        yield before.setdefault(key, 0)
        before[key] += 1


def spectrogram(samples: NDArray[Any]) -> NDArray[Any]:
    """Return the log power (BANDS, FRAMES) of a clip, which stands in the middle: 0 to DECADES."""
    size = WINDOW + HOP * (FRAMES - 1)
    cut = samples[:size]
    before = (size - len(cut)) // 2
    filled = np.pad(cut, (before, size - len(cut) - before))
    frames = np.lib.stride_tricks.sliding_window_view(filled, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2
    bands = power.reshape(FRAMES, BANDS, -1).mean(axis=2).T
    loudest = max(float(bands.max()), np.finfo(float).tiny)
    return np.asarray(np.log10(bands / loudest * (10**DECADES - 1) + 1), dtype=np.float32)
