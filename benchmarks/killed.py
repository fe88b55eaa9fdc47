"""A data set whose workers and client are killed at random moments: is its store the one of an undisturbed run?

    python -m benchmarks.killed --rounds 20
    python -m benchmarks.killed --rounds 20 --separate

In each round three workers are killed (SIGKILL), then the client two times, each time at a random moment; the third
client finishes the job. Compared are all files of the store, byte for byte, with those of the serial loop. With
``--separate`` scheduler and workers are processes of docs/scale/cluster.sh, which outlive the clients.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from lrp_ref.scale import Job, job, run

from .timing import ROOT
from .watched import counted, watched

MODEL = ROOT / "models" / "fashion_cnn.onnx"
SAMPLES = ROOT / "models" / "samples" / "fashion_test200.npz"
WAIT = 60.0  # seconds for anything that must happen
WORKER_KILLS, CLIENT_KILLS = 3, 2


def samples(many: int) -> np.ndarray:
    """Return pictures of clothes (many, 1, 28, 28), those of the test set again and again with a little noise."""
    with np.load(SAMPLES) as file:
        pictures = next(file[name] for name in file.files if file[name].ndim > 2)
    pictures = pictures.reshape(len(pictures), 1, 28, 28).astype(np.float32)
    pictures /= max(1.0, float(pictures.max()))
    noise = np.random.default_rng(0).normal(scale=0.02, size=(many, 1, 28, 28)).astype(np.float32)
    return np.clip(pictures[np.arange(many) % len(pictures)] + noise, 0, 1)


def question(data: Path, batch: int) -> Job:
    return job(MODEL, data, composite="epsilon_plus", batch=batch)


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, also those whose names begin with a dot."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def until(what: str, holds: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"{WAIT:.0f} s have passed: {what}")
        time.sleep(0.002)


# -- processes (Linux) -----------------------------------------------------------------------------------------------


def children(process: int) -> list[int]:
    """Return the processes that do chunks for this one: those that Python's multiprocessing has spawned."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        if parent == process and b"multiprocessing.spawn" in command:
            found.append(int(entry.name))
    return found


def alive(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(process: int) -> bool:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def separate(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Start docs/scale/cluster.sh; yields the address of the scheduler and the processes that start workers."""
    from distributed import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = ROOT / "docs" / "scale" / "cluster.sh"
    with (folder / "cluster.log").open("wb") as log:
        shell = subprocess.Popen(
            ["sh", script, "2", str(port)], stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "DASK": f"{sys.executable} -m dask"}, cwd=ROOT,
        )  # fmt: skip
    try:
        with Client(f"tcp://127.0.0.1:{port}", timeout=WAIT, set_as_default=False) as known:
            known.wait_for_workers(2, timeout=WAIT)
        yield f"tcp://127.0.0.1:{port}", nannies(shell.pid)
    finally:
        shell.terminate()
        shell.wait(WAIT)


def nannies(shell: int) -> list[int]:
    path = Path("/proc") / str(shell) / "task" / str(shell) / "children"
    return [int(p) for p in path.read_text().split() if b"worker" in (Path("/proc") / p / "cmdline").read_bytes()]


# -- rounds ----------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What a round has shown.

    Attributes:
        equal: whether the store is that of the undisturbed run; with all chunks done, as that one is.
        stray: other files.
        ended_twice, begun_again: chunks that came to their end, or only to their beginning, more than once.
        not_ended: chunks whose worker was killed when they were marked as done, before it wrote down that they ended.
        orphans: seconds that workers lived on without their client.
        seconds: of the round.
    """

    equal: bool
    stray: list[str]
    ended_twice: int
    begun_again: int
    not_ended: int
    orphans: float
    seconds: float


def one_round(
    folder: Path, whole: dict[str, bytes], batch: int, rng: random.Random, address: str, more: list[int]
) -> Found:
    """Kill three workers and two clients, and let a last client finish."""
    begun = time.monotonic()
    chunks, journal = len(question(folder / "x.npy", batch).chunks()), folder / "journal"
    journal.unlink(missing_ok=True)
    moments = sorted(rng.sample(range(1, chunks * 8 // 10), WORKER_KILLS + CLIENT_KILLS))
    orphans = 0.0
    client = start(folder, batch, address)

    def progress(least: int) -> None:
        until(
            "the client does nothing",
            lambda: sum(counted(journal, "end").values()) >= least or client.poll() is not None,
        )
        time.sleep(rng.uniform(0, 0.05))

    for k, least in enumerate(moments):
        progress(least)
        if client.poll() is not None:
            raise RuntimeError(f"the client ended by itself, with status {client.returncode}")
        workers = [w for nanny in more or [client.pid] for w in children(nanny)]
        if k < WORKER_KILLS:
            if workers:
                kill(rng.choice(workers))
            continue
        client.kill()
        client.wait()
        if not more:
            killed = time.monotonic()
            _wait_for_end(workers)
            orphans = max(orphans, time.monotonic() - killed)
        client = start(folder, batch, address)
    if client.wait(WAIT):
        raise RuntimeError(f"the last client ended with status {client.returncode}")
    ends, begins = counted(journal, "end"), counted(journal, "begin")
    stray = sorted(set(files(folder)) - set(BESIDE) - {f"out.zarr/{name}" for name in whole})
    return Found(
        files(folder / "out.zarr") == whole, stray, sum(n > 1 for n in ends.values()),
        sum(n > 1 for n in begins.values()), chunks - len(ends), orphans, time.monotonic() - begun,
    )  # fmt: skip


def _wait_for_end(workers: list[int]) -> None:
    until("workers without a client do not end", lambda: not any(map(alive, workers)))


BESIDE = ("x.npy", "journal", "cluster.log", "client.log")


def start(folder: Path, batch: int, address: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.killed", "--client", str(folder), "--batch", str(batch)]
    # Python tells on stderr what it cleans up after a client that was killed.
    with (folder / "client.log").open("ab") as log:
        return subprocess.Popen([*command, *(["--scheduler", address] if address else [])], cwd=ROOT, stderr=log)


def client(folder: Path, batch: int, scheduler: str | None) -> None:
    asked = watched(question(folder / "x.npy", batch), folder / "journal")
    run(asked, folder / "out.zarr", workers=None if scheduler else 2, scheduler=scheduler)


@click.command()
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(1))
@click.option("--samples", "many", default=1000, show_default=True, type=click.IntRange(100))
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option("--separate", "apart", is_flag=True, help="Scheduler and workers as processes of their own.")
@click.option("--client", "folder", type=click.Path(path_type=Path), hidden=True)
@click.option("--scheduler", hidden=True)
def main(
    rounds: int, many: int, batch: int, seed: int, apart: bool, folder: Path | None, scheduler: str | None
) -> None:
    """Kill workers and clients, and compare the store with that of an undisturbed run."""
    if folder is not None:
        client(folder, batch, scheduler)
        return
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        reference = Path(place) / "reference"
        reference.mkdir()
        np.save(reference / "x.npy", samples(many))
        run(question(reference / "x.npy", batch), reference / "whole.zarr")
        whole = files(reference / "whole.zarr")
        failed = 0
        click.echo("round  equal  stray  ended twice  begun again  not ended  orphans [s]  all [s]")
        for k in range(rounds):
            at = Path(place) / str(k)
            at.mkdir()
            (at / "x.npy").write_bytes((reference / "x.npy").read_bytes())
            if apart:
                with separate(at) as (address, more):
                    found = one_round(at, whole, batch, rng, address, more)
            else:
                found = one_round(at, whole, batch, rng, "", [])
            failed += not found.equal or bool(found.stray)
            click.echo(
                f"{k:5}  {'yes' if found.equal else 'NO':>5}  {len(found.stray):5}  {found.ended_twice:11}  "
                f"{found.begun_again:11}  {found.not_ended:9}  {found.orphans:11.1f}  {found.seconds:7.1f}"
            )
            for name in found.stray:
                click.echo(f"       stray: {name}")
    click.echo(f"{rounds - failed} of {rounds} rounds as if undisturbed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.killed")
