"""Stores of zarr that lost files of chunks, and batches that are larger than the set."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scale_jobs import contents, files, network, samples

from lrp_ref.errors import ParameterError
from lrp_ref.scale import Summary, job, run

zarr = pytest.importorskip("zarr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files(tmp_path, network(), samples(10))
    return tmp_path


def again(folder: Path, out: str = "out.zarr", **asked: int) -> Summary:
    return run(job(folder / "net.npz", folder / "x.npy", **{"composite": "epsilon_plus", "batch": 2, **asked}),
               folder / out)  # fmt: skip


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("lose", [Path.unlink, lambda file: file.write_bytes(b"")])
@pytest.mark.parametrize("name", ["relevance/c.1.0.0.0", "output/c.1.0", "target/c.1", "ledger/c.1.0.0"])
def test_a_chunk_that_lost_a_file_is_done_again(
    folder: Path, together: int, lose: Callable[[Path], None], name: str
) -> None:
    store = again(folder, together=together).store
    before = contents(store.path)
    lose(store.path / name)
    with pytest.warns(UserWarning, match=r"a chunk that was done has lost files, the first is 1: it is done again"):
        found = again(folder, together=together)
    assert found.samples == 2 * together
    assert contents(store.path) == before


def test_a_chunk_that_failed_may_have_no_files(folder: Path) -> None:
    store = again(folder).store
    store.fail(1, {"samples": {"2": "its worker died", "3": "its worker died"}})
    for name in ("relevance/c.1.0.0.0", "output/c.1.0", "target/c.1", "ledger/c.1.0.0"):
        (store.path / name).unlink()
    found = again(folder)
    assert (found.samples, found.failed) == (0, 1)


def test_of_several_chunks_their_number_is_told(folder: Path) -> None:
    store = again(folder).store
    (store.path / "output" / "c.3.0").unlink()
    (store.path / "target" / "c.1").unlink()
    with pytest.warns(UserWarning, match=r"2 chunks that were done have lost files, the first is 1: they are done"):
        assert again(folder).samples == 4


@pytest.mark.parametrize("asked", [{"batch": 10**12}, {"batch": 4, "together": 10**12}, {"batch": 10**30}])
def test_more_than_the_set_takes_no_more_memory(folder: Path, asked: dict[str, int]) -> None:
    tracemalloc.start()
    found = again(folder, **asked)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.done, found.samples) == (1, 10)
    assert peak < 30e6
    batch = min(asked["batch"], 10)
    assert zarr.open_group(found.store.path)["relevance"].chunks[0] == batch
    by_files = again(folder, "out", **asked).store
    assert np.array_equal(found.store["relevance"][:], by_files["relevance"][:])
    assert again(folder, **asked).samples == 0


def test_a_link_in_a_circle_is_one_line(folder: Path) -> None:
    (folder / "out").symlink_to("out")
    with pytest.raises(ParameterError, match=r"cannot write .*: it is there already"):
        again(folder, "out")
