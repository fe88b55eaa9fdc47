"""One slice of fMRI: what is read and refused, how it is cleaned, and windows of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.analysis import agreement
from lrp_ref.gallery.sources import haxby

SHARED = Path(__file__).parents[3] / "shared" / "data" / "haxby2001_1slice.tar.xz"


def nifti(values: np.ndarray) -> bytes:
    header = bytearray(haxby.HEADER)
    header[40:50] = np.array([4, *values.shape[:0:-1], 1, len(values)], "<i2").tobytes()
    return gzip.compress(bytes(header) + values.astype("<i2").tobytes())


def test_a_slice_is_read_in_order_of_volume_row_and_column() -> None:
    values = np.arange(haxby.VOLUMES * haxby.HEIGHT * haxby.WIDTH).reshape(haxby.VOLUMES, haxby.HEIGHT, -1) % 1000
    assert (haxby.slices(nifti(values), "run") == values).all()


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"short"), nifti(np.zeros((121, 20, 41)))])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFormatError, match="run 1: not a"):
        haxby.slices(content, "run 1")


@pytest.mark.parametrize("content", [b"", b"soon 1 1", b"inf 1 1", b"-2 1 1", b"300 1 1"])
def test_onsets_outside_of_a_run_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFormatError, match="cond"):
        haxby.onset(content, "cond001.txt")


def test_a_parabola_is_taken_away_and_the_rest_has_deviation_1() -> None:
    time = np.arange(121.0)
    wave = np.sin(time)
    series = np.zeros((2, 121, 1, 2))
    series[..., 0, 0] = 5 + 2 * time - 0.01 * time**2
    series[..., 0, 1] = 100 + time + 3 * wave
    found = haxby.cleaned(series)
    assert np.abs(found[..., 0]).max() < 1e-9
    assert found[0, :, 0, 1].std() == pytest.approx(1)
    assert np.corrcoef(found[0, :, 0, 1], wave)[0, 1] > 0.99


def test_windows_begin_after_the_onset() -> None:
    series = np.broadcast_to(np.arange(121.0)[None, :, None, None], (1, 121, 1, 1))
    x, y, runs = haxby.windows(series, np.arange(8)[None] * 10)
    assert x.shape == (8 * len(haxby.STARTS), 1, haxby.LENGTH, 1, 1)
    assert x[:, 0, 0, 0, 0].tolist() == [10 * c + s for c in range(8) for s in haxby.STARTS]
    assert y.tolist() == [c for c in range(8) for _ in haxby.STARTS]
    assert (runs == 0).all()


def test_maps_of_one_run_agree_with_none() -> None:
    same, different = agreement.across_runs(np.random.default_rng(0).random((1, 3, 10)))
    assert np.isnan(same)
    assert np.isnan(different)


def test_maps_that_are_missing_are_left_out() -> None:
    maps = np.random.default_rng(0).random((3, 2, 20))
    maps[1, 0] = np.nan
    own, other = agreement.with_known(maps, [maps[0, 0], maps[0, 1]])
    assert len(own) == len(other) == 5
    assert own[:2].tolist() == pytest.approx([1, 1])


@pytest.mark.skipif(not SHARED.exists(), reason="haxby2001_1slice.tar.xz is not beside the project")
def test_the_archive_has_twelve_runs_of_eight_blocks_that_do_not_overlap() -> None:
    volumes, onsets = haxby.read(SHARED)
    assert volumes.shape == (12, 121, 20, 40)
    assert (np.diff(np.sort(onsets, axis=1), axis=1) >= 9).all()
