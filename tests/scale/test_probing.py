"""What a sample of zeros says of all others: not what holds of it alone, and which axis has the channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scale_jobs import files, in_batches, network, samples

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.scale import Job, Labels, job, run

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files(tmp_path, network(), samples(10))
    return tmp_path


def made(folder: Path, **asked: Any) -> Job:
    return job(folder / "net.npz", folder / "x.npy", composite="epsilon_plus", batch=4, start="difference", **asked)


@pytest.mark.parametrize("against", range(3))
def test_whatever_zeros_are_taken_for_may_be_set_against(folder: Path, against: int) -> None:
    largest = np.asarray(in_batches(network(), samples(10), 4, composite="epsilon_plus")["target"])
    found = run(made(folder, against=against), folder / "out")
    assert list(found.refused()) == np.flatnonzero(largest == against).tolist()
    assert found.samples == (largest != against).sum()


def test_one_label_that_is_set_against_refuses_its_own_sample(folder: Path) -> None:
    np.save(folder / "labels.npy", np.array([1, 0, 2] * 3 + [0], np.uint8))
    found = run(made(folder, against=1, target=Labels.of(folder / "labels.npy")), folder / "out")
    assert list(found.refused()) == [0, 3, 6]


@pytest.mark.parametrize("against", [3, 7, -1])
def test_what_is_no_output_is_refused_for_all(folder: Path, against: int) -> None:
    with pytest.raises(LrpError, match=rf"against {against} is out of range"):
        run(made(folder, against=against), folder / "out")
    assert not (folder / "out").exists()


def test_where_there_is_one_output_nothing_can_be_set_against_it(tmp_path: Path) -> None:
    files(tmp_path, lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 1)))]), np.ones((4, 3)))
    with pytest.raises(LrpError, match="output 0 is the prediction of sample 0 and also what it is set against"):
        run(made(tmp_path, against=0), tmp_path / "out")


def test_the_channels_of_a_series_are_its_features(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3, 29, 12)).astype("f4"))
    asked = job(MODELS / "sequence_lstm.onnx", tmp_path / "x.npy", reduce="channels")
    store = run(asked, tmp_path / "sums").store
    whole = run(job(MODELS / "sequence_lstm.onnx", tmp_path / "x.npy"), tmp_path / "whole").store
    assert store.attributes["channel_axis"] == 2
    assert np.allclose(store["relevance"], whole["relevance"][:].sum(axis=2), atol=1e-6)
