"""Another interpreter: what it gives back, and every way in which it may fail to."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peer_places import python_of
from written_program import PEER, write

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.errors import LrpError
from lrp_ref.layers import Dense
from lrp_ref.peers import PEERS, NoRule, PeerError, Task
from lrp_ref.peers.interpreter import Interpreter, ProgramError, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the planted interpreters are shell scripts")

WEIGHT = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, -1.0]])
X, START = (
    np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]),
    np.array([[1.0, -1.0, 2.0], [0.5, 1.0, 0.0], [0.0, 1.0, 1.0]]),
)
EPSILON = 0.125
# It runs what asks for the version, and does otherwise when it is to work.
FIRST = f'[ "$1" = -c ] && exec "{sys.executable}" "$@"\n'


def task(rule: Any = None) -> Task:
    net = lrp.Network.sequential([("fc", Dense(WEIGHT))])
    return Task(net, {"input": X}, {"fc": rule or rules.Epsilon(EPSILON)}, START)


def expected() -> np.ndarray:
    """Return the ε-rule, written out for every number."""
    received = np.zeros_like(X)
    for k, i, j in np.ndindex(3, 2, 3):
        z = sum(X[k, m] * WEIGHT[m, j] for m in range(2))
        received[k, i] += X[k, i] * WEIGHT[i, j] / (z + (EPSILON if z >= 0 else -EPSILON)) * START[k, j]
    return received


def script(folder: Path, body: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)
    return path


def test_it_computes_in_the_other_interpreter(tmp_path: Path) -> None:
    found = run(PEER, task(), sys.executable, write(tmp_path))
    np.testing.assert_allclose(found.trace.relevance["input"], expected(), rtol=1e-14)
    np.testing.assert_array_equal(found.trace.relevance["fc"], START)
    np.testing.assert_allclose(found.trace.values["fc"], X @ WEIGHT, rtol=1e-14)
    assert (found.program, dict(found.left_out)) == ("LRP_for_LSTM", {})


def test_it_is_started_once_for_many_tasks_and_anew_after_it_died(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    line = f"open({str(note)!r}, 'a').write(f'{{__import__(\"os\").getpid()}} ')"
    die = f"eps == 1.0 and __import__('os')._exit(3); {line}"
    with Interpreter(PEER, sys.executable, write(tmp_path, first=die)) as other:
        for _ in range(2):
            np.testing.assert_allclose(other.ask(task()).trace.relevance["input"], expected(), rtol=1e-14)
        with pytest.raises(PeerError, match="ended with status 3"):
            other.ask(task(rules.Epsilon(1.0)))
        np.testing.assert_allclose(other.ask(task()).trace.relevance["input"], expected(), rtol=1e-14)
    pids = note.read_text().split()
    assert len(set(pids[:6])) == 1  # of two tasks of three samples each
    assert len(set(pids)) == 2
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_it_gets_this_package_and_no_other_of_this_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "seen"
    monkeypatch.setenv("PYTHONPATH", "/nowhere/at/all")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    told = "{'path': __import__('sys').path, 'env': dict(__import__('os').environ)}"
    line = f"open({str(note)!r}, 'w').write(__import__('json').dumps({told}))"
    run(PEER, task(), sys.executable, write(tmp_path, first=line))
    seen = json.loads(note.read_text())
    package = Path(lrp.__file__).parents[1]
    assert "PYTHONWARNINGS" not in seen["env"]
    assert "/nowhere/at/all" not in seen["path"]
    assert str(package) not in seen["path"]  # where other packages may lie beside this one
    assert seen["env"]["PYTHONPATH"] in seen["path"]
    assert not Path(seen["env"]["PYTHONPATH"]).exists()  # it was there as long as it was needed


def test_what_a_program_prints_is_no_answer(tmp_path: Path) -> None:
    line = "print('{\"done\": true}', flush=True); __import__('os').write(1, b'raw\\n')"
    found = run(PEER, task(), sys.executable, write(tmp_path, first=line))
    np.testing.assert_allclose(found.trace.relevance["input"], expected(), rtol=1e-14)


# What a program does to itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("raise ValueError('no such thing: 7')", "LRP_for_LSTM in .*: ValueError: no such thing: 7"),
        ("import surely_not_there", "LRP_for_LSTM needs surely_not_there, .*: run: .* -m pip install surely_not_there"),
        ("__import__('os').kill(__import__('os').getpid(), 11)", "it was killed by SIGSEGV"),
        ("__import__('sys').exit(4)", "it ended with status 4"),
        (
            "__import__('sys').stderr.write('last words\\n'); __import__('os')._exit(5)",
            "status 5; its last line: last words",
        ),
    ],
)
def test_a_program_that_fails_is_told_by_its_own_last_line(first: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=words):
        run(PEER, task(), sys.executable, write(tmp_path, first=first))


def test_what_the_program_raised_is_told_apart_from_what_became_of_it(tmp_path: Path) -> None:
    with pytest.raises(ProgramError):
        run(PEER, task(), sys.executable, write(tmp_path / "a", first="raise KeyError('x')"))
    with pytest.raises(PeerError) as caught:
        run(PEER, task(), sys.executable, write(tmp_path / "b", first="__import__('os')._exit(1)"))
    assert not isinstance(caught.value, ProgramError)


def test_a_rule_that_it_has_not_is_no_error_of_it(tmp_path: Path) -> None:
    with pytest.raises(NoRule, match="its one rule is ε"):
        run(PEER, task(rules.ZPlus()), sys.executable, write(tmp_path))


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "child"
    line = (
        "child = __import__('subprocess').Popen(['sleep', '600']); "
        f"open({str(note)!r}, 'w').write(str(child.pid)); child.wait()"
    )
    began = time.monotonic()
    with pytest.raises(PeerError, match="no answer within 5 s"):
        run(PEER, task(), sys.executable, write(tmp_path, first=line), timeout=5)
    assert time.monotonic() - began < 20
    pid = int(note.read_text())
    for _ in range(100):  # it is gone, or was not yet taken away by who has to
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child is still running")


# What is no interpreter, or none that fits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("", "is not there: name an interpreter"),
        ("yes", "is no Python interpreter: asked for its version it says 'y'"),
        ("exit 7", "is no Python interpreter: .*ended with status 7"),
        ("echo no >&2; exit 7", "ended with status 7; its last line: no"),
        ("kill -SEGV $$", "is no Python interpreter: .*killed by SIGSEGV"),
        ("echo python 3.9.18", "is Python 3.9.18; lrp_ref runs in 3.11 or newer: name another one"),
        ("echo python 2.7.18", "is Python 2.7.18; lrp_ref runs in 3.11 or newer"),
        (f"{FIRST}kill -KILL $$", "killed by SIGKILL"),
        (f"{FIRST}yes", "it answered 'y', which is no answer"),
        (f"{FIRST}echo '[1]'", "which is no answer"),
        (f"{FIRST}read p; echo '{{\"done\": true}}'", "its recording is missing or damaged"),
        (
            f"{FIRST}read p; printf PK > $p/recording.npz; echo '{{\"done\": true}}'",
            "its recording is missing or damaged",
        ),
        (f"{FIRST}read p; head -c 300 $p/task.npz > $p/recording.npz; echo '{{\"done\": true}}'", "missing or damaged"),
        (f"{FIRST}read p; cp $p/task.npz $p/recording.npz; echo '{{\"done\": true}}'", "missing or damaged"),
        (f"{FIRST}echo working hard >&2; sleep 60", "no answer within 2 s .*; its last line: working hard"),
    ],
)
def test_an_interpreter_that_is_none_is_told(made: str, words: str, tmp_path: Path) -> None:
    path = script(tmp_path, made) if made else tmp_path / "python"
    began = time.monotonic()
    with pytest.raises(PeerError, match=words) as caught:
        run(PEER, task(), path, write(tmp_path / "program"), timeout=2)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 15


def test_a_folder_and_a_file_that_cannot_be_executed_are_told(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=r"is a folder: name an interpreter"):
        run(PEER, task(), tmp_path)
    (tmp_path / "plain").write_text("")
    with pytest.raises(PeerError, match=r"cannot be executed: name an interpreter"):
        run(PEER, task(), tmp_path / "plain")


def test_files_are_gone_after_every_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    good, bad = write(tmp_path / "good"), write(tmp_path / "bad", first="__import__('os')._exit(1)")
    run(PEER, task(), sys.executable, good)
    for folder, python in ((bad, sys.executable), (good, script(tmp_path, "exit 1")), (good, tmp_path / "none")):
        with pytest.raises(LrpError):
            run(PEER, task(), python, folder)
    assert not list((tmp_path / "own").iterdir())
    assert not list(good.rglob("__pycache__"))


def test_a_program_that_is_not_installed_comes_with_the_line_for_that_interpreter() -> None:
    absent = [p for p in PEERS.values() if p.module and importlib.util.find_spec(p.module) is None]
    if not absent:
        pytest.skip("every program is installed here")
    for peer in absent[:2]:
        with pytest.raises(PeerError) as caught:
            run(peer.name, task(), sys.executable)
        said = str(caught.value)
        assert said.startswith(f"{peer.title} is not installed in {sys.executable}: ")
        fits = peer.oldest <= sys.version_info[:3] and (not peer.newest or sys.version_info[:2] <= peer.newest)
        assert ("needs Python" in said) != fits
        assert (f"run: {sys.executable} -m {peer.install};" in said) == fits
        assert "--python PATH" in said


def test_an_interpreter_without_numpy_comes_with_how_to_install_it(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    python = bare / "bin" / "python"
    with pytest.raises(PeerError, match=rf"No module named 'numpy'; run: {python} -m pip install numpy"):
        run(PEER, task(), python, write(tmp_path / "program"))


def test_a_folder_that_is_not_named_comes_with_how_to_get_it() -> None:
    with pytest.raises(PeerError, match=r"git clone https://github.com/ArrasL/LRP_for_LSTM; then name the folder"):
        run(PEER, task(), sys.executable)


def test_a_program_runs_in_an_interpreter_of_its_own() -> None:
    """That has other versions of everything, and not all that is here."""
    python = python_of("innvestigate")
    net = lrp.Network.sequential([("fc", Dense(WEIGHT))])
    found = run("innvestigate", Task(net, {"input": X}, {"fc": rules.Epsilon(EPSILON)}, START), python)
    np.testing.assert_allclose(found.trace.relevance["input"], expected(), rtol=1e-12)
