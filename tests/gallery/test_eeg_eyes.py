"""EEG: spikes, powers of bands, windows, the places of electrodes, and the recording that is shipped."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.application import MODELS
from lrp_ref.gallery.applications import eeg_eyes as application
from lrp_ref.gallery.sources import eeg


def test_the_recording_that_is_shipped() -> None:
    signals, closed = eeg.read(MODELS / "gallery" / "eeg_eye_state.arff.xz")
    assert signals.shape == (14980, 14)
    assert closed.sum() == 6723
    assert np.abs(signals - np.median(signals, axis=0)).max() <= eeg.SPIKE


def test_a_spike_is_filled_in_from_its_neighbours() -> None:
    signals = np.stack([np.arange(9.0), np.zeros(9)], axis=1)
    wild = signals.copy()
    wild[4, 1] = 1e5
    assert np.array_equal(eeg.without_spikes(wild), signals)


def test_a_sine_has_its_power_in_its_band() -> None:
    time = np.arange(20 * eeg.RATE) / eeg.RATE
    waves = np.stack([np.sin(2 * np.pi * hertz * time) for hertz in (2, 6, 10, 20, 37)], axis=1)
    powers = application.band_powers(waves)
    assert powers.shape == ((len(time) - application.SECOND) // application.STEP + 1, 5, len(application.BANDS))
    middle = powers[len(powers) // 2]
    assert middle.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(np.exp(middle.max(axis=1)), 0.5, atol=0.02)


def test_windows_in_which_the_eyes_change_are_left_out() -> None:
    closed = np.repeat([0, 1], 5 * application.SECOND)
    powers = np.zeros(((len(closed) - application.SECOND) // application.STEP + 1, 14, 5))
    _, y, starts = application.windows(powers, closed)
    change = 5 * application.SECOND
    assert ((starts + application.SECOND <= change) | (starts >= change)).all()
    assert np.array_equal(y, (starts >= change).astype(int))


def test_left_and_right_are_mirror_images_within_the_head() -> None:
    pairs = [("AF3", "AF4"), ("F7", "F8"), ("F3", "F4"), ("FC5", "FC6"), ("T7", "T8"), ("P7", "P8"), ("O1", "O2")]
    for left, right in pairs:
        assert eeg.PLACES[left] == (-eeg.PLACES[right][0], eeg.PLACES[right][1])
    assert all(np.hypot(*place) < 0.85 for place in eeg.PLACES.values())
    assert len(eeg.PLACES) == 14


def test_the_part_in_front() -> None:
    head = np.array([float(name in application.FRONT) for name in eeg.PLACES])
    assert application.in_front(head) == 1
    assert application.in_front(np.ones(14)) == pytest.approx(6 / 14)


def test_networks_are_asked_for_what_they_have_not_learnt() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 120)
    x = rng.normal(size=(240, 14, 5))
    x[:, 0] += 6 * y[:, None]
    parts = np.repeat(np.arange(3), 80)
    answers, heat = application.asked(x, y, np.arange(240) * application.SECOND, parts, rng, 20)
    assert (answers == y).mean() > 0.95
    assert np.abs(heat).mean(axis=0).argmax() == 0
