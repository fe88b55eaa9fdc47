"""``lrp-ref explain-set``: what it asks, prints, resumes and refuses, and what Ctrl-C does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import array, pixel_model, run
from scale_jobs import contents, files, in_batches, network, samples

import lrp_ref as lrp
from lrp_ref.cli import explain_set
from lrp_ref.propagation import composites
from lrp_ref.scale import Job, Labels
from lrp_ref.scale.placing import placing

# The command in a process of its own, whose chunks from the second on take their time; it says which one it begins.
SLOW = """
import sys, time
from lrp_ref.scale import Job
real, pause = Job.run_chunk, float(sys.argv.pop(1))
def slow(self, i, store):
    print("begun", i, flush=True)
    if i:
        time.sleep(pause)
    return real(self, i, store)
Job.run_chunk = slow
from lrp_ref.cli import main
main(prog_name="lrp-ref")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files(tmp_path, network(), samples(10))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*more: object) -> list[object]:
    return ["explain-set", "x.npy", "out", "-m", "net.npz", "-c", "epsilon_plus", "-b", "4", *more]


# -- what is done and told ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_a_data_set_is_explained_and_the_same_line_does_nothing_more(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    line = asked()
    line[2] = name
    first = run(*line)
    assert (first.exit_code, first.stderr) == (0, "")
    store = lrp.scale.open_store(folder / name)
    for what, numbers in in_batches(network(), samples(10), 4, composite="epsilon_plus").items():
        np.testing.assert_array_equal(store[what][:], numbers)
    told = first.stdout.splitlines()
    assert told[:4] == [
        "net.npz on 10 samples of x.npy: composite epsilon_plus, start logit, target largest",
        f"{name}: 3.08 kB uncompressed in 3 chunks of 4 samples",  # 10 × (32 + 3 float32, 1 int64, 4×5 float64)
        "for each sample: relevance float32 2×4×4, output float32 3, target int64 1, ledger float64 4×5",
        "chunks: 3 done, 0 failed, 0 left; samples: 10 explained, 0 refused, 0 left",
    ]
    assert re.fullmatch(
        r"this run: 10 samples in \d+\.\d s, [\d.e+]+ a second; largest residual of the ledger .*", told[4]
    )
    assert float(told[4].rpartition(" ")[2]) < 1e-6
    monkeypatch.setattr(Job, "run_chunk", lambda *given: pytest.fail("done twice"))
    again = run(*line)
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout.splitlines() == [
        told[0],
        f"{told[1]}; 0 of them to do",
        told[3],
        "this run: nothing to do",
    ]


def test_another_question_is_refused_in_one_line(folder: Path) -> None:
    run(*asked())
    before = contents(folder)
    for more, told in [
        (("--target", "1"), "target is 'largest' there and 1 here"),
        (("--epsilon", "0.5"), "rules is "),
        (("-b", "5"), "batch is 4 there and 5 here"),
    ]:
        done = run(*asked(*more))
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith(f"lrp-ref: error: out is of another job: {told}")
        assert "; to go on with it ask for the same, else give another name\n" in done.stderr
    assert contents(folder) == before


def test_refused_samples_are_told_with_reasons_also_when_nothing_is_to_do(folder: Path) -> None:
    x = samples(10)
    x[[1, 2, 9]] = np.nan
    array(folder / "x.npy", x)
    for more, rest in [((), None), ((), "this run: nothing to do"), (("--retry-failed",), None)]:
        done = run(*asked(*more))
        assert done.exit_code == 1
        assert "chunks: 1 done, 2 failed, 0 left; samples: 7 explained, 3 refused, 0 left" in done.stdout
        assert rest is None or rest in done.stdout
        assert done.stderr.splitlines() == [
            "lrp-ref: 3 of 10 samples are refused; --retry-failed tries them again, of the same data",
            "  x.npy, samples 1 to 2, x.npy, sample 9: input 'input' has 32 values that are not finite; the first is "
            "nan at (0, 0, 0, 0)",
        ]


def test_many_reasons_are_not_all_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_set, "MOST", 2)
    x = samples(10)
    for k in range(4):
        x[k, 0, 0, k] = np.inf
    array(folder / "x.npy", x)
    lines = run(*asked()).stderr.splitlines()
    assert len(lines) == 4
    assert lines[-1] == f"  and 2 more reasons, in {Path('out') / 'errors'}"


def test_chunks_that_failed_are_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Job.run_chunk

    def poor(self: Job, i: int, store: Any) -> Any:
        if i == 1:
            return self.fail(i, store, dict.fromkeys(range(4, 8), "MemoryError"), 0.0)
        return real(self, i, store)

    monkeypatch.setattr(Job, "run_chunk", poor)
    done = run(*asked())
    assert done.exit_code == 1
    assert "  x.npy, samples 4 to 7: MemoryError\n" in done.stderr
    monkeypatch.undo()
    os.chdir(folder)
    again = run(*asked("--retry-failed"))
    assert (again.exit_code, again.stderr) == (0, "")
    assert "in 3 chunks of 4 samples; 1 of them to do\n" in again.stdout
    assert "this run: 4 samples in " in again.stdout
    assert not list((folder / "out" / "errors").iterdir())


def test_too_little_room_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2000))
    done = run(*asked())
    assert done.exit_code == 0
    assert done.stderr == (
        "lrp-ref: the disk of out has 2 kB free, and what is to do is 3.08 kB uncompressed: --reduce or --dtype "
        "float16 keep less\n"
    )
    assert run(*asked()).stderr == ""  # nothing is to do


def test_another_blas_is_told_where_there_is_something_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_set, "surroundings", lambda store: ["blas is another"])
    assert run(*asked()).stderr == "lrp-ref: blas is another\n"
    assert run(*asked()).stderr == ""


def test_a_warning_of_the_run_is_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Job.run_chunk

    def warned(self: Job, i: int, store: Any) -> Any:
        if i == 1:
            warnings.warn("workers compute with another BLAS", stacklevel=1)
        return real(self, i, store)

    monkeypatch.setattr(Job, "run_chunk", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run(*asked()).stderr == "lrp-ref: workers compute with another BLAS\n"


def test_one_of_anything_is_told_as_one(folder: Path) -> None:
    array(folder / "x.npy", samples(1) * np.inf)
    done = run(*asked("-b", "1"))
    assert (done.exit_code, done.stdout.count(" 1 sample of x.npy"), done.stdout.count("1 chunk of 1 sample\n")) == (
        1,
        1,
        1,
    )
    assert done.stderr.startswith(
        "lrp-ref: 1 of 1 sample is refused; --retry-failed tries it again, of the same data\n  x.npy: input"
    )


def test_without_a_terminal_there_is_a_line_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain_set.EVERY == 30.0
    run(*asked(), "--together", "1")
    run(*asked("--retry-failed"))
    monkeypatch.setattr(explain_set, "EVERY", 0.0)
    line = asked("-b", "2")
    line[2] = "other"
    told = run(*line).stderr.splitlines()
    assert [one.partition(",")[0] for one in told] == [f"lrp-ref: explaining: {k} of 10" for k in (2, 4, 6, 8)]
    states = np.load(folder / "other" / "done.npy", mmap_mode="r+")
    states[:] = [1, 0, 1, 1, 0]
    del states
    told = run(*line).stderr.splitlines()
    assert [one.partition(",")[0] for one in told] == ["lrp-ref: explaining: 8 of 10"]  # done before: 6


# -- what is asked --------------------------------------------------------------------------------------------


def job_of(monkeypatch: pytest.MonkeyPatch, *more: object) -> tuple[Job, dict[str, Any]]:
    """Return what a command line asks for, without doing it."""
    caught: list[Any] = []

    def catch(job: Job, out: Path, **how: Any) -> None:
        caught.append((job, how))
        raise lrp.errors.ParameterError("caught")

    monkeypatch.setattr(explain_set, "run", catch)
    done = run("explain-set", "x.npy", "out", "-m", "net.npz", *more)
    assert caught, done.stderr
    found: tuple[Job, dict[str, Any]] = caught[0]
    return found


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ((), "batch", 32),
        ((), "target", None),
        (("-b", "7"), "batch", 7),
        (("--together", "3"), "together", 3),
        (("--threads", "2"), "threads", 2),
        (("--dtype", "float16"), "dtype", "float16"),
        (("--dtype", "float64"), "compute", "float64"),
        (("--reduce", "top-5"), "reduce", "top-5"),
        (("--at", "relu", "--at", "fc"), "at", ("relu", "fc")),
        (("--no-canonize",), "canonize", False),
        (("--target", "2"), "target", 2),
        (("--target", "0+2"), "target", ((0, 2),)),
        (("--target", "1,2"), "target", (1, 2)),
        (("--start", "one_hot"), "start", lrp.start.find("one_hot")),
        (("--start", "reference=2.5"), "start", lrp.start.Reference(2.5)),
        (("--target", "2", "--against", "0"), "start", lrp.start.Difference(0)),
        (("-c", "epsilon_plus", "--epsilon", "0.5"), "composite", composites.get("epsilon_plus", epsilon=0.5)),
        (("-c", "lrp0", "--bias", "ignore"), "composite", composites.get("lrp0", bias="ignore")),
        (("-c", "epsilon", "--dialect", "zennit-1.0"), "composite", composites.get("epsilon", dialect="zennit-1.0")),
    ],
)
def test_every_option_of_the_question_reaches_the_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], field: str, value: Any
) -> None:
    assert getattr(job_of(monkeypatch, *more)[0], field) == value


def test_rules_and_labels_reach_the_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array(folder / "labels.npy", np.arange(10) % 3)
    job, _ = job_of(monkeypatch, "-c", "epsilon", "--rule", "fc=Flat", "--labels", "labels.npy")
    assert job.composite.entries[0] == ("fc", lrp.rules.Flat())
    assert job.target == Labels.of("labels.npy")


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ((), {}),
        (("--workers", "1", "--memory-limit", "2GB"), {"workers": 1, "memory_limit": "2GB"}),
        (("--scheduler", "tcp://a:1"), {"scheduler": "tcp://a:1"}),
        (("--retry-failed",), {"retry_failed": True}),
        (("--gpus", "1"), {}),
        (("--gpus", "3"), {"workers": 3}),
    ],
)
def test_who_does_it_reaches_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], how: dict[str, Any]
) -> None:
    monkeypatch.setattr(explain_set, "require_devices", lambda count: None)
    job, given = job_of(monkeypatch, *more)
    usual = {"workers": None, "scheduler": None, "memory_limit": None, "retry_failed": False}
    assert {key: given[key] for key in usual} == usual | how
    assert job.xp == ("cupy" if "--gpus" in more else "numpy")


def test_classes_output_sidecar_and_composite_are_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixel_model(tmp_path, classes=["cat", "dog", "bird"])
    array(tmp_path / "x.npy", np.random.default_rng(0).random((3, 1, 2, 2)))
    done = run("explain-set", "x.npy", "out", "-m", "four.npz", "-t", "bird")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "four.npz on 3 samples of x.npy: composite lrp0, start logit, target 2\n" in done.stdout
    assert lrp.scale.open_store(tmp_path / "out").attributes["classes"] == ["cat", "dog", "bird"]
    (tmp_path / "four.json").rename(tmp_path / "else.json")
    assert run("explain-set", "x.npy", "out", "-m", "four.npz", "-t", "bird").exit_code == 2
    assert run("explain-set", "x.npy", "o2", "-m", "four.npz", "--sidecar", "else.json", "-t", "cat").exit_code == 0
    done = run("explain-set", "x.npy", "o3", "-m", "four.npz", "--output", "flatten1")
    assert done.exit_code == 0
    assert "output float64 4" in done.stdout


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--target", "3"), "target 3 is out of range: the output has 3 classes, 0 to 2"),
        (("--target", "cat"), "target 'cat': the model has no class names; give the number of an output"),
        (("--target", "1", "--against", "1"), "target and against are both 1: give two different outputs"),
        (("--target", "1", "--labels", "labels.npy"), "--target and --labels exclude each other: one output for all"),
        (("--labels", "none.npy"), "none.npy: there is no such file"),
        (("--labels", "x.npy"), "x.npy: holds float32 (10, 2, 4, 4): give one whole number for each sample, (N,)"),
        (("--start", "difference"), "start 'difference' needs the class that the target is set against"),
        (("--start", "logits"), "unknown start 'logits': did you mean 'logit'"),
        (("-c", "epsilon_pluss"), "did you mean 'epsilon_plus'"),
        (("-c", "lrp0", "-c", "epsilon"), "this command takes one"),
        (("-c", "lrp0", "--gamma", "1"), "gamma"),
        (("--reduce", "top-x"), "reduce is 'top-x': give none, channels (their sum) or top-K"),
        (("--at", "conv9"), "unknown value 'conv9': did you mean 'conv'"),
        (("--workers", "1", "--gpus", "1"), "--workers and --gpus exclude each other: each says who does the chunks"),
        (("--gpus", "2", "--scheduler", "tcp://a:1"), "--gpus and --scheduler exclude each other"),
        (("--workers", "70000"), "70000 workers of 1 thread each need 70000 cores, and this machine lends"),
        (("--threads", "70000"), "70000 threads need 70000 cores"),
        (("--memory-limit", "1GB"), "--memory-limit is of each worker on this machine: add --workers N, or leave it"),
        (("--gpus", "1"), "cupy is needed to compute on a GPU and is not installed"),
        (("--output", "relly"), "relly"),
        (("--rule", "fc"), "--rule fc: write it like Softmax=Zero"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], told: str
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    done = run("explain-set", "x.npy", "out", "-m", "net.npz", *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["none.npy", "out", "-m", "net.npz"], "none.npy"),
        (["x.npy", "out", "-m", "none.npz"], "none.npz: there is no such file"),
        (["x.npy", "out", "-m", "x.npy"], "x.npy"),
        (["x.npy", "x.npy", "out", "-m", "net.npz"], "2 IN are given, and a data set is one: give their folder"),
        (["x.npy", "no/out", "-m", "net.npz"], "cannot write no/out: the folder no does not exist"),
        (["x.npy", "x.npy", "-m", "net.npz"], "x.npy: a file; a store of explanations is a folder"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(folder: Path, line: list[str], told: str) -> None:
    done = run("explain-set", *line)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]


def test_zarr_that_is_not_installed_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    line = asked()
    line[2] = "out.zarr"
    done = run(*line)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'lrp-ref[scale]'" in done.stderr
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]


def test_a_target_without_effect_is_told(folder: Path) -> None:
    done = run(*asked("--target", "1", "--start", "positive"))
    assert done.exit_code == 0
    assert done.stderr.startswith("lrp-ref: --target has no effect on relevance: the start 'positive'")
    assert "--rule LSTM=Zero has no effect" in run(*asked("--rule", "LSTM=Zero", "--reduce", "top-1")).stderr


# -- ended by hand --------------------------------------------------------------------------------------------


@contextmanager
def begun(folder: Path, seconds: float, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Start the command; yields it when it has begun its second chunk, and ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(seconds), *map(str, asked())], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(lrp.__file__).parents[1])}, **how,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert "begun 1\n" in process.stdout
            yield process
        finally:
            process.kill()


def heard() -> None:
    """Have a process hear Ctrl-C, also where these tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_finishes_the_running_chunk_and_the_same_line_goes_on(folder: Path) -> None:
    with begun(folder, 1.0, preexec_fn=heard) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines() == [
        "lrp-ref: stopping after the running chunks; again: at once",
        "lrp-ref: 1 chunk is left: the same command goes on",
    ]
    assert "chunks: 2 done, 0 failed, 1 left; samples: 8 explained, 0 refused, 2 left\n" in out
    done = run(*asked())
    assert (done.exit_code, done.stderr) == (0, "")
    assert "; 1 of them to do\n" in done.stdout
    assert "this run: 2 samples in" in done.stdout
    expected = in_batches(network(), samples(10), 4, composite="epsilon_plus")["relevance"]
    np.testing.assert_array_equal(np.load(folder / "out" / "relevance.npy"), expected)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_second_ctrl_c_ends_at_once(folder: Path) -> None:
    with begun(folder, 600.0, preexec_fn=heard) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "lrp-ref: stopping after the running chunks; again: at once\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "lrp-ref: interrupted; what is done is kept, and the same command goes on\n"
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "out", "x.npy"]
    assert "; 2 of them to do\n" in run(*asked()).stdout


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_run_in_the_background_does_not_hear_ctrl_c(folder: Path) -> None:
    with begun(folder, 0.5, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_usual_answer_to_ctrl_c_comes_back(folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    run(*asked())
    run(*asked("-b", "7"))
    assert signal.getsignal(signal.SIGINT) is before
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(*asked()).exit_code))
    thread.start()
    thread.join()
    assert codes == [0]


def test_workers_that_do_not_answer_leave_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")

    def nobody(*given: Any, **how: Any) -> Any:
        raise lrp.errors.ParameterError("no scheduler answers at tcp://127.0.0.1:1")
        yield

    monkeypatch.setattr(placing, "placed", nobody)
    done = run(*asked("--scheduler", "tcp://127.0.0.1:1"))
    assert done.exit_code == 2
    assert done.stderr == "lrp-ref: error: no scheduler answers at tcp://127.0.0.1:1\n"
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]


@pytest.mark.skipif(os.name != "posix", reason="closes a descriptor")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_streams_that_are_closed_are_not_looked_at(folder: Path, closed: str) -> None:
    line = f'"{sys.executable}" -m lrp_ref explain-set x.npy out -m net.npz -c epsilon_plus -b 4 {closed}'
    ended = subprocess.run(
        ["sh", "-c", line], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(lrp.__file__).parents[1])}, check=False,
    )  # fmt: skip
    assert ended.returncode == 0
    assert np.load(folder / "out" / "done.npy").tolist() == [1, 1, 1]
