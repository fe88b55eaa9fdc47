"""A chunk that kills its workers, or takes more memory than they have, fails; all others are done."""

from __future__ import annotations

from pathlib import Path

import pytest
from scaled import cores, files, small_job

pytest.importorskip("distributed")
pytest.importorskip("zarr")
if cores() < 2:
    pytest.skip("two workers need two cores", allow_module_level=True)

from benchmarks.watched import counted, watched
from lrp_ref.scale import Outcome, run
from lrp_ref.scale.placing import clusters

DEATHS = clusters.DEATHS


def test_a_chunk_that_takes_too_much_memory_fails_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(small_job(tmp_path, samples=200), tmp_path / "serial.zarr")
    expected = files(tmp_path / "serial.zarr")
    poisoned = watched(small_job(tmp_path, samples=200), tmp_path / "journal", hungry=(12,), recovering=((3, DEATHS),))
    outcomes: list[Outcome] = []
    summary = run(poisoned, tmp_path / "out.zarr", workers=2, memory_limit="400MB", progress=outcomes.append)

    assert (summary.done, summary.failed, summary.left, summary.samples) == (49, 1, 0, 196)
    assert sorted(outcome.chunk for outcome in outcomes) == list(range(50)), "a chunk came back twice, or never"
    (failed,) = (outcome for outcome in outcomes if outcome.refused)
    died = f"its worker died, {2 * DEATHS} times: out of memory?"
    assert failed.chunk == 12
    assert failed.reason.startswith(f"sample 48: {died}")
    assert list(summary.store.errors()) == [12]
    told = summary.store.errors()[12]["samples"]
    assert list(told) == ["48", "49", "50", "51"]
    assert all(reason.startswith(died) for reason in told.values())
    begun = counted(tmp_path / "journal", "begin")
    assert DEATHS <= begun[12] <= 2 * DEATHS, "it was done alone before it was given up"
    assert begun[3] == DEATHS + 1, "this one kills its first workers only, and is done"
    assert capfd.readouterr() == ("", "")

    again = run(small_job(tmp_path, samples=200), tmp_path / "out.zarr", retry_failed=True)
    assert (again.done, again.samples) == (50, 4)
    assert files(tmp_path / "out.zarr") == expected
