"""Where a store may lie: not in the zarr data that it is about, beside everything else; and data that were mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scale_jobs import files, network, samples

import lrp_ref as lrp
from lrp_ref.errors import ParameterError
from lrp_ref.scale import job, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files(tmp_path, network(), samples(10))
    return tmp_path


@pytest.mark.parametrize("group", [False, True])
def test_a_store_in_the_zarr_data_that_it_is_about_is_refused(folder: Path, group: bool) -> None:
    zarr = pytest.importorskip("zarr")
    data: Any = folder / "x.zarr"
    where = zarr.create_group(data) if group else data
    held = {"name": "input"} if group else {}
    new = where.create_array if group else lambda **asked: zarr.create_array(data, **asked)
    new(shape=(10, 2, 4, 4), chunks=(4, 2, 4, 4), dtype="f4", **held)[:] = samples(10)
    asked = job(folder / "net.npz", data, composite="epsilon_plus")
    (folder / "link").symlink_to(data)
    for name in ("x.zarr/out.zarr", "x.zarr/out", "link/out"):
        with pytest.raises(ParameterError, match=r"is inside the data set .*: give a place outside it"):
            run(asked, folder / name)
        assert not (folder / name).exists()
    assert run(asked, folder / "x.zarr_out").samples == 10


def test_a_store_in_the_folder_of_several_inputs_is_none_of_them(tmp_path: Path) -> None:
    inputs = (lrp.Input("a", (None, 3)), lrp.Input("b", (None, 3)))
    net = lrp.Network((lrp.Node("sum", lrp.layers.Add(), ("a", "b")),), inputs, ("sum",))
    lrp.save(net, tmp_path / "net.npz")
    (tmp_path / "in").mkdir()
    for name in "ab":
        np.save(tmp_path / "in" / f"{name}.npy", np.ones((4, 3)))
    (tmp_path / "in" / "old.npy").mkdir()  # a folder with the name of an array is no input
    for samples_of_this_run in (4, 0):
        found = run(job(tmp_path / "net.npz", tmp_path / "in", composite="lrp0"), tmp_path / "in" / "out")
        assert found.samples == samples_of_this_run


def test_data_that_were_mended_are_told_to_be_others(folder: Path) -> None:
    x = samples(10)
    x[5] = np.nan
    np.save(folder / "x.npy", x)
    run(job(folder / "net.npz", folder / "x.npy", composite="epsilon_plus"), folder / "out")
    np.save(folder / "x.npy", samples(10))
    with pytest.raises(ParameterError, match=r"of input, fingerprint is .*mended since are other data: write"):
        run(job(folder / "net.npz", folder / "x.npy", composite="epsilon_plus"), folder / "out", retry_failed=True)
