"""Runs: made, taken up again, locked, ended at any moment; the store of an undisturbed run is the measure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scale_jobs import Given, contents, files, in_batches, network, samples

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.scale import Job, Labels, job, locking, run, running
from lrp_ref.scale.jobs.environment import cores, environment, require_devices
from lrp_ref.scale.locking import locked
from lrp_ref.scale.placing import placing
from lrp_ref.scale.running import store_of, surroundings

# A run in a process of its own, slow enough to be ended in the midst of it; it says which chunk it begins.
SLOW = """
import sys, time
from lrp_ref.scale import Job, job, run
real = Job.run_chunk
def slow(self, i, store):
    print(i, flush=True)
    time.sleep(float(sys.argv[2]) if i else 0)
    return real(self, i, store)
Job.run_chunk = slow
run(job("net.npz", "x.npy", composite="epsilon_plus", batch=2), sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files(tmp_path, network(), samples(10))
    return tmp_path


def made(folder: Path, **asked: Any) -> Job:
    return job(folder / "net.npz", folder / "x.npy", **{"composite": "epsilon_plus", "batch": 2, **asked})


def started(folder: Path, out: str, seconds: float) -> subprocess.Popen[str]:
    """Start a slow run; returns when it has begun its second chunk."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, out, str(seconds)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(Path(lrp.__file__).parents[1])},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line == "1\n":
            return process
    raise AssertionError(process.communicate()[1])


# -- from the first chunk to the last -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_every_sample_is_explained_and_a_second_run_does_nothing(folder: Path, name: str) -> None:
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    told: list[Any] = []
    found = run(made(folder), folder / name, begun=lambda store, chunks: told.append(chunks), progress=told.append)
    expected = in_batches(network(), samples(10), 2, composite="epsilon_plus")
    for array, numbers in expected.items():
        np.testing.assert_array_equal(found.store[array][:], numbers)
    assert (found.done, found.failed, found.left, found.before, found.samples) == (5, 0, 0, 0, 10)
    assert (found.left_samples, found.refused(), found.stopped) == (0, {}, False)
    assert told[0] == [0, 1, 2, 3, 4]
    assert [(one.chunk, one.samples, one.refused) for one in told[1:]] == [(i, 2, 0) for i in range(5)]
    out, into, rest = (expected["ledger"][:, :, k] for k in (0, 1, slice(2, 5)))
    residual = np.abs(out - into - rest.sum(axis=2)).max(axis=1) / np.abs(out).max(axis=1)
    assert found.residual == pytest.approx(residual.max(), rel=0.5, abs=1e-7)
    before = contents(folder / name)
    again = run(made(folder), folder / name, progress=lambda outcome: pytest.fail("done twice"))
    assert (again.done, again.before, again.samples, again.left) == (5, 5, 0, 0)
    assert contents(folder / name) == before


def test_a_run_that_is_stopped_goes_on_to_the_same_store(folder: Path) -> None:
    undisturbed = contents(run(made(folder), folder / "whole").store.path)
    seen: list[int] = []
    first = run(
        made(folder), folder / "out", stopped=lambda: len(seen) > 1, progress=lambda one: seen.append(one.chunk)
    )
    assert (first.done, first.left, first.left_samples, first.samples, first.stopped) == (2, 3, 6, 4, True)
    second = run(made(folder), folder / "out", progress=lambda one: seen.append(one.chunk))
    assert (second.done, second.before, second.samples) == (5, 2, 6)
    assert seen == [0, 1, 2, 3, 4]
    assert contents(folder / "out") == undisturbed


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_of_4000_chunks_that_are_done_none_is_looked_at_again(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    source = Given({"input": np.broadcast_to(samples(1), (4000, 2, 4, 4))})
    asked = job(folder / "net.npz", source, composite="epsilon_plus", batch=1)
    store = run(asked, folder / name, stopped=lambda: True).store
    kind, looked = type(store), []
    states = np.ones(4000, np.uint8)
    states[17] = 0
    monkeypatch.setattr(kind, "states", lambda self: looked.append(self) or states)  # reading them takes longest
    monkeypatch.setattr(kind, "lost", lambda self, states: [])  # of these chunks there are no files
    monkeypatch.setattr(kind, "__getitem__", lambda self, array: pytest.fail("no array is read"))
    found = run(asked, folder / name)
    assert (found.before, found.done, found.samples, found.left) == (3999, 4000, 1, 0)
    assert len(looked) == 1
    states[17] = 1
    monkeypatch.setattr(Job, "run_chunk", lambda *given: pytest.fail("done twice"))
    assert (run(asked, folder / name).samples, len(looked)) == (0, 2)


def test_relevance_that_is_zero_everywhere_is_done_once(folder: Path) -> None:
    lrp.save(lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(np.zeros((32, 3)))]), folder / "net.npz")
    for name in ("out", "out.zarr"):
        if name.endswith(".zarr"):
            pytest.importorskip("zarr")
        first = run(made(folder, composite="epsilon"), folder / name)
        assert not np.asarray(first.store["relevance"][:]).any()
        assert run(made(folder, composite="epsilon"), folder / name).before == 5


def test_failed_chunks_are_left_and_tried_again_when_asked_for(folder: Path) -> None:
    source = Given({"input": samples(10)}, {3: "a.png: no picture", 7: "a.png: no picture"})
    asked = job(folder / "net.npz", source, composite="epsilon_plus", batch=2)
    first = run(asked, folder / "out")
    assert (first.done, first.failed, first.left, first.samples) == (3, 2, 0, 8)
    assert first.refused() == {3: "a.png: no picture", 7: "a.png: no picture"}
    source.refused.pop(7)
    again = run(asked, folder / "out")
    assert (again.failed, again.samples, list(again.refused())) == (2, 0, [3, 7])
    third = run(asked, folder / "out", retry_failed=True)
    assert (third.done, third.failed, third.before, third.samples, list(third.refused())) == (4, 1, 3, 3, [3])


def test_a_disk_that_is_full_ends_the_run_and_nothing_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(run(made(folder), folder / "whole").store.path)
    store = type(store_of(made(folder), folder / "out"))
    real = store.write

    def full(self: Any, part: slice, arrays: Any) -> None:
        if part.start == 4:
            raise OSError(28, "No space left on device")
        real(self, part, arrays)

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(OSError, match="No space left"):
        run(made(folder), folder / "out")
    monkeypatch.undo()
    assert run(made(folder), folder / "out").before == 2
    assert contents(folder / "out") == whole


# -- whose store it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"batch": 4}, "batch is 2 there and 4 here"),
        ({"together": 2}, "together is 1 there and 2 here"),
        ({"target": 1}, "target is 'largest' there and 1 here"),
        ({"target": ((0, 1),)}, r"target is 'largest' there and \[\[0, 1\]\] here"),
        ({"start": "one_hot"}, "start is 'logit' there and 'one_hot' here"),
        ({"composite": "epsilon"}, "composite is 'epsilon_plus' there and 'epsilon' here"),
        ({"epsilon": 0.5}, "rules is .* there and .*0.5"),
        ({"dtype": "float16"}, "dtype is 'float32' there and 'float16' here"),
        ({"reduce": "channels"}, "reduce is 'none' there and 'channels' here"),
        ({"at": ["relu"]}, r"at is \[\] there and \['relu'\] here"),
        ({"threads": 2}, "threads is 1 there and 2 here"),
        ({"canonize": False}, "canonize is True there and False here"),
        ({"start": "difference", "against": 0, "target": 1}, "target is"),
    ],
)
def test_another_question_is_refused_with_both_values(folder: Path, asked: dict[str, Any], told: str) -> None:
    run(made(folder), folder / "out")
    before = contents(folder / "out")
    if asked.get("threads", 1) > cores():
        pytest.skip("there is one core")
    with pytest.raises(ParameterError, match=rf"out is of another job: {told}.*; to go on with it ask for the same"):
        run(made(folder, **asked), folder / "out")
    assert contents(folder / "out") == before
    assert not (folder / ".out.lock").exists()


@pytest.mark.parametrize(
    "asked",
    [{"target": (2,)}, {"target": ((0, 1),)}, {"start": lrp.start.Reference(0.5)}, {"at": ("relu",)},
     {"composite": [(lrp.layers.Linear, lrp.rules.Flat())]}, {"start": "difference", "against": 1, "target": 0}],
)  # fmt: skip
def test_the_same_question_goes_on_whatever_it_is_made_of(folder: Path, asked: dict[str, Any]) -> None:
    run(made(folder, **asked), folder / "out", stopped=lambda: True)
    assert run(made(folder, **asked), folder / "out").samples == 10


def test_another_model_and_other_labels_are_refused(folder: Path) -> None:
    np.save(folder / "labels.npy", np.zeros(10, int))
    run(made(folder, target=Labels.of(folder / "labels.npy")), folder / "out")
    np.save(folder / "labels.npy", np.ones(10, int))
    with pytest.raises(ParameterError, match="of target, labels_sha256 is"):
        run(made(folder, target=Labels.of(folder / "labels.npy")), folder / "out")
    lrp.save(lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(np.eye(32))]), folder / "net.npz")
    with pytest.raises(ParameterError, match="model_sha256 is"):
        run(made(folder), folder / "out")


def test_another_version_is_refused_and_another_blas_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(made(folder), folder / "out", stopped=lambda: True)
    here = environment()
    monkeypatch.setattr(running, "environment", lambda: {**here, "numpy": "9.9", "blas": "another"})
    store = run(made(folder), folder / "out").store
    assert surroundings(store) == [
        f"numpy is 9.9 here and {here['numpy']} where the store was begun: the last digits of its parts may differ",
        f"blas is another here and {here['blas']} where the store was begun: the last digits of its parts may differ",
    ]
    monkeypatch.setattr(running, "environment", lambda: {**here, "lrp_ref": "9.9"})
    with pytest.raises(ParameterError, match=f"lrp_ref is '{here['lrp_ref']}' there and '9.9' here"):
        run(made(folder), folder / "out")


@pytest.mark.parametrize(
    ("name", "told"), [("x.npy", "a store of explanations is a folder"), ("pictures", "not a store")]
)
def test_what_is_no_store_is_left_alone(folder: Path, name: str, told: str) -> None:
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.txt").write_text("mine")
    before = contents(folder)
    with pytest.raises(ModelFormatError, match=f"{name}: .*{told}"):
        run(made(folder), folder / name)
    assert contents(folder) == before


def test_a_folder_that_is_not_there_is_not_made(folder: Path) -> None:
    with pytest.raises(ParameterError, match=r"cannot write .*: the folder .*none does not exist"):
        run(made(folder), folder / "none" / "out")
    assert not (folder / "none").exists()


# -- who does the chunks --------------------------------------------------------------------------------------


def test_what_others_are_asked_for_is_handed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    given: list[Any] = []

    def placed(job: Job, store: Any, chunks: Any, stopped: Any, **asked: Any) -> Iterator[Any]:
        given.append((list(chunks), asked))
        yield from (job.run_chunk(i, store) for i in reversed(chunks))

    monkeypatch.setattr(placing, "placed", placed)
    run(made(folder), folder / "out", workers=1, memory_limit="1GB")
    run(made(folder), folder / "other", scheduler="tcp://127.0.0.1:1")
    assert given == [
        ([0, 1, 2, 3, 4], {"workers": 1, "scheduler": None, "memory_limit": "1GB"}),
        ([0, 1, 2, 3, 4], {"workers": None, "scheduler": "tcp://127.0.0.1:1", "memory_limit": None}),
    ]
    assert (
        contents(folder / "out") == contents(folder / "other") == contents(run(made(folder), folder / "a").store.path)
    )


def test_where_nobody_could_do_anything_there_is_no_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    fails = 0

    def placed(job: Job, store: Any, chunks: Any, stopped: Any, **asked: Any) -> Iterator[Any]:
        for i in chunks[:fails]:
            yield job.run_chunk(i, store)
        raise UnsupportedError("nobody answers")

    monkeypatch.setattr(placing, "placed", placed)
    with pytest.raises(UnsupportedError, match="nobody answers"):
        run(made(folder), folder / "out", workers=1)
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]
    run(made(folder), folder / "earlier", stopped=lambda: True)
    with pytest.raises(UnsupportedError):  # what was there before stays, done or not
        run(made(folder), folder / "earlier", workers=1)
    assert (folder / "earlier").exists()
    fails = 2  # what is done is kept
    with pytest.raises(UnsupportedError):
        run(made(folder), folder / "out", workers=1)
    assert run(made(folder), folder / "out").before == 2
    with pytest.raises(ParameterError):
        run(made(folder, batch=5), folder / "out")
    assert (folder / "out").exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"workers": 100_000}, "100000 workers of 1 thread each need 100000 cores, and this machine lends"),
        ({"workers": 0}, "workers is 0: give the number of processes, 1 or more"),
        ({"workers": 1, "scheduler": "tcp://a:1"}, "1 workers of this machine, and those of tcp://a:1: ask for one"),
        ({"memory_limit": "1GB"}, "a memory limit is of each worker on this machine: say how many workers"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_there_is_a_store(folder: Path, asked: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        run(made(folder), folder / "out", **asked)
    assert not (folder / "out").exists()


def test_more_threads_than_cores_are_refused(folder: Path) -> None:
    with pytest.raises(ParameterError, match="5000 threads need 5000 cores, and this machine lends"):
        run(made(folder, threads=5000), folder / "out")


def test_without_a_device_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(LrpError, match="cupy is needed to compute on a GPU and is not installed"):
        require_devices(1)


# -- one at a time --------------------------------------------------------------------------------------------


def test_a_second_run_is_refused_while_the_first_is_at_work(folder: Path) -> None:
    first = started(folder, "out", 30)
    try:
        with pytest.raises(ParameterError) as caught:
            run(made(folder), folder / "out")
        held = json.loads((folder / ".out.lock").read_text())
        assert held["pid"] == first.pid
        told = f"out: another run is at work on it (process {first.pid} on {held['host']}): wait for it, or end it"
        assert str(caught.value).endswith(told)
        with pytest.raises(ParameterError, match=f"process {first.pid} on"):  # also the next time
            run(made(folder), folder / "out")
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert (folder / ".out.lock").exists()  # nobody could remove it, and it holds nobody up
    assert run(made(folder), folder / "out").before == 1
    assert not (folder / ".out.lock").exists()
    assert contents(folder / "out") == contents(run(made(folder), folder / "whole").store.path)


def test_a_run_killed_again_and_again_ends_with_the_undisturbed_store(folder: Path) -> None:
    for pause in (0.0, 0.03, 0.06):
        process = started(folder, "out", 0.02) if not (folder / "out").exists() else None
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-c", SLOW, "out", "0.02"], cwd=folder, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(Path(lrp.__file__).parents[1])},
            )  # fmt: skip
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(pause)
        process.kill()
        process.communicate()
    run(made(folder), folder / "out")
    assert contents(folder / "out") == contents(run(made(folder), folder / "whole").store.path)
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "out", "whole", "x.npy"]


def test_two_locks_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with locked(tmp_path / "out"):
        with locked(tmp_path / "other"):
            pass
        with pytest.raises(ParameterError, match=f"process {os.getpid()} on"), locked(tmp_path / "out"):
            pytest.fail("got it twice")
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "out"):
        raise ZeroDivisionError
    (tmp_path / "link").symlink_to("out")
    with locked(tmp_path / "out"), pytest.raises(ParameterError, match="link: another run"), locked(tmp_path / "link"):
        pytest.fail("got it twice")
    (tmp_path / "link").unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"pid": "a"}'])
def test_a_lock_file_that_says_nothing_is_no_hindrance(tmp_path: Path, content: bytes) -> None:
    with locked(tmp_path / "out"):
        (tmp_path / ".out.lock").write_bytes(content)
        with pytest.raises(ParameterError, match="out: another run is at work on it: wait"), locked(tmp_path / "out"):
            pytest.fail("got it twice")
    assert locking._holder(tmp_path / ".out.lock") == ""
