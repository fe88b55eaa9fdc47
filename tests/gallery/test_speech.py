"""Spectrograms of tones whose frequency and time are known, and a file of clips that is written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.sources import speech


def tone(hertz: float, count: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / speech.RATE)


@pytest.mark.parametrize("hertz", [300, 1030, 3500])
def test_a_tone_is_in_its_band(hertz: float) -> None:
    found = speech.spectrogram(tone(hertz, 6000))
    assert found.shape == (speech.BANDS, speech.FRAMES)
    assert (found.min() >= 0, float(found.max())) == (True, speech.DECADES)
    assert abs(found[:, 28].argmax() - hertz / speech.WIDTH) < 1.5


def test_a_short_clip_stands_in_the_middle_and_a_long_one_is_cut() -> None:
    short = speech.spectrogram(tone(1000, 2000)).max(axis=0)
    loud = np.flatnonzero(short > 1)
    assert loud[0] > 15
    assert abs(loud[0] + loud[-1] - (speech.FRAMES - 1)) <= 1
    assert speech.spectrogram(tone(1000, 20000)).shape == (speech.BANDS, speech.FRAMES)


def test_loudness_tells_nothing() -> None:
    assert not speech.spectrogram(np.zeros(5000)).any()
    quiet = np.random.default_rng(0).normal(size=9000) * 0.1
    assert speech.spectrogram(quiet) == pytest.approx(speech.spectrogram(3 * quiet), abs=1e-5)


def test_clips_are_read_with_their_takes(tmp_path: Path) -> None:
    path, length = tmp_path / "clips.npz", np.array([300, 400, 500, 200])
    samples = (2000 * tone(500, 1400)).astype(np.int16)
    about = {"digit": np.array([3, 3, 3, 4]), "speaker": np.array(["b", "b", "a", "a"])}
    np.savez(path, samples=samples, length=length, **about)
    found = speech.read(path)
    assert (found.take.tolist(), found.speaker.tolist(), found.names) == ([0, 1, 0, 0], [1, 1, 0, 0], ("a", "b"))
    assert found.spectrograms.shape == (4, 1, speech.BANDS, speech.FRAMES)
    assert (found.spectrograms[1, 0] == speech.spectrogram(samples[300:700])).all()
    assert len(speech.read(path, every=2).digit) == 3
    np.savez(path, samples=samples[:-1], length=length, **about)
    with pytest.raises(ModelFormatError, match="samples for clips"):
        speech.read(path)
