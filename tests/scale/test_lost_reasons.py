"""Chunks that failed and whose reasons are lost, damaged or left over: nothing is taken for explained by mistake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import run as command
from scale_jobs import files, network, samples

from lrp_ref.errors import ModelFormatError
from lrp_ref.scale import Summary, job, run


def again(folder: Path, retry_failed: bool = False) -> Summary:
    return run(job(folder / "net.npz", folder / "x.npy", composite="epsilon_plus", batch=4), folder / "out",
               retry_failed=retry_failed)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    x = samples(10)
    x[5] = np.nan
    files(tmp_path, network(), x)
    assert list(again(tmp_path).refused()) == [5]
    return tmp_path


@pytest.mark.parametrize("lost", [shutil.rmtree, lambda errors: (errors / "0001.json").unlink()])
def test_of_a_chunk_whose_reasons_are_lost_no_sample_counts_as_explained(
    folder: Path, lost: Callable[[Path], None]
) -> None:
    lost(folder / "out" / "errors")
    found = again(folder)
    assert (found.failed, list(found.refused())) == (1, [4, 5, 6, 7])
    told = command("explain-set", folder / "x.npy", folder / "out", "-m", folder / "net.npz", "-c", "epsilon_plus",
                   "-b", 4)  # fmt: skip
    assert told.exit_code == 1
    assert "6 explained, 4 refused, 0 left" in told.output
    assert "the file that says why is lost" in told.output
    assert list(again(folder, retry_failed=True).refused()) == [5]  # also where the folder was not copied along


def test_reasons_that_a_killed_process_left_of_a_chunk_that_is_done_do_not_count(folder: Path) -> None:
    left = {"chunk": 0, "samples": {"0": "of an earlier try"}}
    (folder / "out" / "errors" / "0000.json").write_text(json.dumps(left))
    assert list(again(folder).refused()) == [5]


def test_copies_of_reasons_do_not_count(folder: Path) -> None:
    errors = folder / "out" / "errors"
    shutil.copy(errors / "0001.json", errors / "0001 (1).json")
    assert list(again(folder).refused()) == [5]


@pytest.mark.parametrize("told", [3, ["5"], {"x": "why"}, {"5": 3}, {"0": "of another chunk"}, {"²": "why"}, None])
def test_damaged_reasons_are_one_line(folder: Path, told: object) -> None:
    (folder / "out" / "errors" / "0001.json").write_text(json.dumps({"chunk": 1, "samples": told}))
    with pytest.raises(ModelFormatError, match=r"errors/0001\.json is damaged: no reasons of its samples"):
        again(folder).refused()
