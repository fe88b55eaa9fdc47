"""Chunks on several processes are the chunks of the serial loop, byte for byte; who cannot take part is told why."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster import Cluster, cluster
from scaled import cores, files, small_job, wait_for_end

pytest.importorskip("distributed")
pytest.importorskip("zarr")

import lrp_ref as lrp
from benchmarks.watched import counted, watched
from lrp_ref.errors import ParameterError
from lrp_ref.scale import run
from lrp_ref.scale.jobs.environment import environment
from lrp_ref.scale.placing import clusters, placing, workers
from lrp_ref.scale.placing.placing import placed
from lrp_ref.scale.placing.workers import Place, chunk, look
from lrp_ref.scale.running import store_of

two_cores = pytest.mark.skipif(cores() < 2, reason="two workers need two cores")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, processes of their own that stand in another folder."""
    if cores() < 2:
        pytest.skip("two workers need two cores")
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


def whole(folder: Path, **asked: Any) -> dict[str, bytes]:
    """Return the files of the store that the serial loop writes."""
    run(small_job(folder, **asked), folder / "serial.zarr")
    return files(folder / "serial.zarr")


# -- equal bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"together": 3}], ids=["chunks", "shards"])
def test_workers_of_a_scheduler_write_what_the_serial_loop_writes(
    tmp_path: Path, apart: Cluster, asked: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(tmp_path, **asked)
    monkeypatch.chdir(tmp_path)  # where the workers are not
    made = dataclasses.replace(small_job(Path(), **asked))
    assert run(made, "out.zarr", scheduler=apart.address).left == 0
    assert files(tmp_path / "out.zarr") == expected


def test_a_store_of_npy_files_is_written_by_several_processes(tmp_path: Path, apart: Cluster) -> None:
    made = small_job(tmp_path)
    run(made, tmp_path / "serial")
    run(made, tmp_path / "out", scheduler=apart.address)
    assert files(tmp_path / "out") == files(tmp_path / "serial")


def test_every_chunk_comes_back_once_and_nothing_stays_at_the_scheduler(tmp_path: Path, apart: Cluster) -> None:
    from distributed import Client

    made = watched(small_job(tmp_path), tmp_path / "journal")
    store = store_of(made, tmp_path / "out.zarr")
    wanted = [0, 3, 4, 11]
    outcomes = list(placed(made, store, wanted, scheduler=apart.address))
    assert sorted(outcome.chunk for outcome in outcomes) == wanted
    assert {outcome.chunk: outcome.samples for outcome in outcomes} == {0: 4, 3: 4, 4: 4, 11: 2}
    assert counted(tmp_path / "journal", "end") == dict.fromkeys(wanted, 1)
    with Client(apart.address, set_as_default=False) as client:
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_no_more_chunks_are_handed_out_than_keep_the_workers_busy(tmp_path: Path, apart: Cluster) -> None:
    made = watched(small_job(tmp_path, samples=200, batch=2), tmp_path / "journal", seconds=0.01)
    store = store_of(made, tmp_path / "out.zarr")
    outcomes = placed(made, store, made.chunks(), scheduler=apart.address)
    for _ in range(5):
        next(outcomes)
    time.sleep(1)  # nobody asks for the sixth
    begun = counted(tmp_path / "journal", "begin").total()
    outcomes.close()
    assert 5 <= begun <= 5 + placing.AHEAD * 2


# -- being stopped ----------------------------------------------------------------------------------------------------


@two_cores
def test_workers_of_this_machine_are_stopped_and_go_on_and_write_what_the_serial_loop_writes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = whole(tmp_path)
    made = watched(small_job(tmp_path), tmp_path / "journal", seconds=0.4)
    asked, before, environ = threading.Event(), _children(), dict(os.environ)
    summary = run(made, tmp_path / "out.zarr", workers=2, stopped=asked.is_set, progress=lambda outcome: asked.set())
    begins, ends = (counted(tmp_path / "journal", what) for what in ("begin", "end"))
    assert begins == ends, "a chunk was broken off"
    assert summary.done == summary.store.counts()["done"] == len(ends), "an outcome was lost"
    assert 1 <= summary.done <= 4, "chunks were begun after it"
    assert (summary.left, summary.stopped) == (12 - summary.done, True)
    assert not wait_for_end(set(_children()) - set(before))

    again = run(small_job(tmp_path), tmp_path / "out.zarr", workers=2)
    assert (again.before, again.done, again.failed, again.left) == (summary.done, 12, 0, 0)
    assert again.samples == 46 - summary.samples
    assert files(tmp_path / "out.zarr") == expected
    explained = lrp.explain(lrp.load(tmp_path / "net.npz"), np.load(tmp_path / "x.npy"), composite="epsilon")
    np.testing.assert_allclose(again.store["relevance"][:], explained.relevance, rtol=1e-13, atol=1e-15)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal", "net.npz", "out.zarr", "serial.zarr", "x.npy"]
    assert dict(os.environ) == environ, "Dask has left its variables behind"
    assert capfd.readouterr() == ("", "")


def test_a_loop_that_is_left_ends_the_workers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = watched(small_job(tmp_path), tmp_path / "journal", seconds=0.2)
    store = store_of(made, tmp_path / "out.zarr")
    before = _children()
    outcomes = placed(made, store, made.chunks(), workers=1)
    next(outcomes)
    started = set(_children()) - set(before)
    assert len(started) == 1
    outcomes.close()
    assert not wait_for_end(started)
    assert capfd.readouterr() == ("", "")


def _children() -> list[int]:
    """Return the workers among the processes that this one has started."""
    found = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True)
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return [int(pid) for pid, command in lines if "multiprocessing.spawn" in command]


# -- who cannot take part ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "say either how many workers or where the scheduler is"),
        ({"workers": 1, "scheduler": "tcp://127.0.0.1:1"}, "say either"),
        ({"scheduler": "tcp://127.0.0.1:1", "memory_limit": "1GB"}, "those of a scheduler have their own"),
        ({"scheduler": "somewhere"}, "no Dask scheduler answers at 'somewhere'"),
        ({"scheduler": "tpc://127.0.0.1:1"}, "unknown address scheme 'tpc'"),
        ({"workers": 0}, "workers"),
        ({"workers": 1, "memory_limit": "much"}, "memory limit 'much'"),
        ({"workers": 1, "memory_limit": 0}, "memory limit 0"),
        ({"workers": 10_000}, "10000 workers of 1 thread each need 10000 cores"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_started(
    tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    made = small_job(tmp_path)
    with pytest.raises(ParameterError, match=told) as caught:
        next(placed(made, store_of(made, tmp_path / "out"), made.chunks(), **asked))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["somewhere", "tcp://somewhere", "tpc://127.0.0.1:1", "127.0.0.1:port", ""])
def test_what_is_no_address_is_never_made_a_client(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("it would end later, with a traceback"))
    with pytest.raises(ParameterError, match="no Dask scheduler answers at"), clusters.remote(address):
        pass


def test_an_address_where_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT", 1)
    with socket.socket() as held:  # a port that is taken, and not listened at
        held.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ParameterError, match="no Dask scheduler answers"):
            run(small_job(tmp_path), tmp_path / "out.zarr", scheduler=address)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.npz", "x.npy"], "a store that nobody has begun stays"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler, to which each test brings the workers that it needs."""
    with cluster(tmp_path_factory.mktemp("bare"), 0) as found:
        yield found


def test_a_scheduler_without_workers(tmp_path: Path, bare: Cluster) -> None:
    with pytest.raises(ParameterError, match="has no workers: start some, each with 'dask worker tcp://"):
        run(small_job(tmp_path), tmp_path / "out.zarr", scheduler=bare.address)


def test_a_worker_without_lrp_ref(tmp_path: Path, bare: Cluster) -> None:
    (tmp_path / "preload.py").write_text("import sys; sys.modules['lrp_ref'] = None")
    worker = bare.worker("--preload", str(tmp_path / "preload.py"))
    bare.wait(1)
    with pytest.raises(ParameterError, match=r"^worker tcp://.* has no lrp_ref of this version .*: install it there"):
        run(small_job(tmp_path), tmp_path / "out.zarr", scheduler=bare.address)
    os.kill(worker, signal.SIGKILL)
    bare.wait(0)


@two_cores
def test_a_worker_with_several_threads_writes_the_same_and_one_that_is_lost_is_missed(
    tmp_path: Path, bare: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(tmp_path)
    worker = bare.worker("--nthreads", "2")
    bare.wait(1)
    run(small_job(tmp_path), tmp_path / "out.zarr", scheduler=bare.address)
    assert files(tmp_path / "out.zarr") == expected

    made = watched(small_job(tmp_path), tmp_path / "journal", seconds=0.05)
    store = store_of(made, tmp_path / "again.zarr")
    monkeypatch.setattr(placing, "ALONE", 1.0)
    outcomes = placed(made, store, made.chunks(), scheduler=bare.address)
    next(outcomes)
    os.kill(worker, signal.SIGKILL)  # nobody starts it again
    with pytest.raises(ParameterError, match="has had no workers for 1 seconds: what is done is in the store"):
        list(outcomes)
    bare.wait(0)


def test_a_scheduler_that_ends(tmp_path: Path, bare: Cluster) -> None:
    bare.worker()
    bare.wait(1)
    made = watched(small_job(tmp_path), tmp_path / "journal", seconds=0.05)
    store = store_of(made, tmp_path / "out.zarr")
    outcomes = placed(made, store, made.chunks(), scheduler=bare.address)
    next(outcomes)
    bare.processes[0].kill()  # no test after this one has a scheduler
    with pytest.raises(ParameterError, match="the Dask scheduler is gone: what is done is in the store"):
        list(outcomes)


class _Answers:
    """A client whose workers answer as they are told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = {f"tcp://10.0.0.{k}:1": answer for k, answer in enumerate(answers)}

    def run_on_scheduler(self, function: Any) -> None:
        pass

    def run(self, function: Any, *arguments: Any, on_error: str) -> dict[str, Any]:
        return self.answers


HERE = environment()["blas"]
PLACE = Place("a", cores=4, threads=1, blas=HERE, memory=100, limit=0)


def changed(**changes: Any) -> Place:
    return dataclasses.replace(PLACE, **changes)


@pytest.mark.parametrize(
    ("places", "threads", "told"),
    [
        ([PLACE] * 3, 2, "the workers on a do 3 chunks at a time, with 2 BLAS threads each, on 4 cores: at most 2"),
        ([PLACE, changed(threads=4)], 1, "the workers on a do 5 chunks at a time, .* on 4 cores: at most 4"),
        ([PLACE], 5, "fewer than 5 BLAS threads"),
        ([changed(limit=120)], 1, "needs 0 MB before the first chunk: give a larger memory limit"),
    ],
)
def test_workers_have_no_more_threads_than_their_machine_has_cores(places: Any, threads: int, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        clusters.check(_Answers(*places), None, threads)


def test_workers_of_several_machines_are_counted_by_machine() -> None:
    clusters.check(_Answers(*[changed(host=host) for host in "abca"]), None, 2)
    with pytest.warns(UserWarning, match="another BLAS than this process"):
        clusters.check(_Answers(PLACE, changed(blas="another")), None, 1)


def test_a_worker_that_sees_another_store_or_another_model_is_refused(tmp_path: Path) -> None:
    made = small_job(tmp_path)
    sent = clusters.asked(made, store_of(made, tmp_path / "out"))
    (tmp_path / "out").rename(tmp_path / "lost")
    with pytest.raises(lrp.errors.LrpError, match="out"):
        look(sent, dask_worker=None)
    other = small_job(tmp_path, batch=5)
    store_of(other, tmp_path / "out")
    with pytest.raises(ParameterError, match="out is another store there: workers must see the same folders"):
        chunk(sent, 0)


def test_a_chunk_that_is_done_already_is_not_explained_again(tmp_path: Path) -> None:
    """As it is after its worker has died before its outcome was fetched."""
    made = watched(small_job(tmp_path), tmp_path / "journal")
    for name in ("out", "out.zarr"):
        store = store_of(made, tmp_path / name)
        sent = clusters.asked(made, store)
        first, again = (chunk(sent, 11) for _ in range(2))
        assert first is not None
        assert again is not None
        assert (again.chunk, again.samples, again.refused) == (11, 2, 0)
        e = lrp.explain(lrp.load(tmp_path / "net.npz"), np.load(tmp_path / "x.npy")[44:], composite="epsilon")
        of_sums = max(np.abs(row.residual).max() for row in e.ledger) / min(
            np.stack([np.abs(row.relevance_out) for row in e.ledger]).max(axis=0)
        )
        assert first.residual <= again.residual <= 2 * of_sums
    assert counted(tmp_path / "journal", "begin") == {11: 2}, "once in each store"


def test_a_worker_with_other_versions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = small_job(tmp_path)
    sent = clusters.asked(made, store_of(made, tmp_path / "out"))
    monkeypatch.setattr(workers, "versions", lambda: {"lrp_ref": lrp.__version__, "numpy": "1.0"})
    with pytest.raises(ParameterError, match=f"numpy is 1.0 there and {np.__version__} here: install the same version"):
        look(sent, dask_worker=None)
