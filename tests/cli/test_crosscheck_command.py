"""``lrp-ref crosscheck``: what it prints and writes, and what it does where the other program cannot be asked."""

from __future__ import annotations

import re
import shlex
import sys
import time
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import fake_peers
import numpy as np
import pytest
from command import array, pixel_model, run
from fake_peers import chain, numpy_program

import lrp_ref as lrp
from lrp_ref.peers import NoRule, PeerError, Recording, Task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A network of three dense layers, and twelve samples for it."""
    lrp.save(chain(), tmp_path / "net.npz")
    return tmp_path / "net.npz", array(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(12, 4)))


def rows(stdout: str) -> dict[str, str]:
    return {line.split()[0]: line for line in stdout.splitlines() if line and not line.startswith(("─", "note"))}


def test_agreement_is_status_0(files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, numpy_program)
    done = run("crosscheck", *files, "--peer", "fake", "-c", "epsilon")
    assert (done.exit_code, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(
        "x_00, x_01, x_02 …: Fake 1.0 agrees with lrp_ref in the relevance of 6 values: largest relative"
    )
    everything = run("crosscheck", *files, "--peer", "fake", "-c", "epsilon", "--all")
    assert list(rows(everything.stdout))[2:] == ["fc2", "relu1", "fc1", "relu0", "fc0", "input"]
    assert everything.stdout.splitlines()[0] == line


def test_a_difference_is_status_1_and_has_its_node_and_reason(files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, partial(numpy_program, bias_in_zplus=["fc1"]))
    done = run("crosscheck", *files, "--peer", "fake", "-c", "epsilon", "--rule", "Dense=ZPlus")
    assert (done.exit_code, done.stderr) == (1, "")
    first, reason, *_ = done.stdout.splitlines()
    assert "departs from lrp_ref at node 'fc1': the relevance that it hands back to 'relu0' differs" in first
    assert "zplus-bias" in reason
    table = rows(done.stdout)
    assert "own step departs: zplus-bias" in table["fc1"]
    assert table["relu0"].endswith("departs")
    assert not {"fc2", "relu1"} & table.keys()
    assert {"fc2", "relu1"} <= rows(
        run("crosscheck", *files, "--peer", "fake", "--rule", "Dense=ZPlus", "--all").stdout
    ).keys()
    within = run("crosscheck", *files, "--peer", "fake", "--rule", "Dense=ZPlus", "--tolerance", "10")
    assert within.exit_code == 0


def test_the_page_has_the_command_that_writes_it_again(files: Any, monkeypatch: Any, tmp_path: Path) -> None:
    fake_peers.add(monkeypatch, partial(numpy_program, bias_in_zplus=["fc1"]))
    page = tmp_path / "my page.html"
    options = ("--peer", "fake", "-c", "epsilon", "--rule", "Dense=ZPlus", "-t", "2", "--tolerance", "1e-6")
    done = run("crosscheck", *files, *options, "--html", page)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, f"written: {page}")
    text = page.read_text(encoding="utf-8")
    (command,) = re.findall(r"<pre>(.*)</pre>", text)
    program, *arguments = shlex.split(unescape(command))
    assert program == "lrp-ref"
    page.unlink()
    again = run(*arguments)
    assert (again.exit_code, again.stdout) == (1, done.stdout)

    def without_times(page: str) -> str:
        return re.sub(r"<th>seconds</th><td>[^<]*", "", page)

    assert without_times(page.read_text(encoding="utf-8")) == without_times(text)


def test_pictures_of_one_page_for_several_inputs(monkeypatch: Any, tmp_path: Path) -> None:
    def other(task: Task, folder: Path | None = None) -> Recording:
        given = [(node, rule) for node, rule in task.rules.items() if rule is not None]
        e = lrp.explain(task.network, dict(task.inputs), start=task.start, composite=given, canonize=False, trace=True)
        return Recording(e.trace, "Fake", "1.0")

    from PIL import Image

    fake_peers.add(monkeypatch, other)
    model = pixel_model(tmp_path)
    for name in ("a", "b"):
        Image.fromarray(np.array([[0, 80], [160, 240]], dtype=np.uint8)).save(tmp_path / f"{name}.png")
    page = tmp_path / "p.html"
    done = run("crosscheck", model, tmp_path / "a.png", tmp_path / "b.png", "--peer", "fake", "--html", page)
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["a", "b", "written"]
    assert page.read_text(encoding="utf-8").count("data:image/png;base64,") == 4


def test_inputs_that_are_refused_are_listed_and_the_others_compared(
    files: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    fake_peers.add(monkeypatch, numpy_program)
    wrong = array(tmp_path / "wrong.npy", np.ones((1, 7)))
    done = run("crosscheck", *files, wrong, tmp_path / "none.npy", "--peer", "fake", "-c", "epsilon")
    assert done.exit_code == 1
    assert "agrees" in done.stdout
    assert "2 of 3 inputs are refused" in done.stderr
    assert "none.npy: there is no such file" in done.stderr
    alone = run("crosscheck", files[0], wrong, "--peer", "fake")
    assert (alone.exit_code, alone.stdout, alone.stderr.count("\n")) == (2, "", 1)


def test_a_layer_without_a_rule_is_named_and_the_rest_compared(files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, partial(numpy_program, without="fc1"))
    done = run("crosscheck", *files, "--peer", "fake", "-c", "epsilon")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "note: Fake 1.0 has no rule for 'fc1': no rule for Dense" in done.stdout
    assert "note: not compared, as Fake 1.0 shows no relevance there: relu0, fc0, input" in done.stdout
    assert rows(done.stdout)["fc1"].endswith("left out: no rule for Dense")


# Bad input --------------------------------------------------------------------------------------------------------


def unusable(files: Any, *options: Any) -> str:
    """Return the one line of a command that cannot be carried out; it leaves no file behind."""
    folder = files[0].parent
    before = sorted(p.name for p in folder.iterdir())
    done = run("crosscheck", *files, *options, "--html", folder / "page.html")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("lrp-ref: error: ")
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in folder.iterdir()) == before
    return str(done.stderr)


def test_a_program_that_is_not_known(files: Any) -> None:
    assert "unknown peer 'zenit': did you mean 'zennit'?" in unusable(files, "--peer", "zenit")


def test_a_program_that_has_no_rule_for_anything(files: Any, monkeypatch: Any) -> None:
    def record(task: Task, folder: Path | None = None) -> Recording:
        raise NoRule("Fake has no rule for any layer of this network")

    fake_peers.add(monkeypatch, record)
    assert "Fake has no rule for any layer" in unusable(files, "--peer", "fake")
    fake_peers.add(monkeypatch, partial(numpy_program, without="fc2"))
    assert "shows no relevance: node 'fc2': no rule for Dense" in unusable(files, "--peer", "fake", "-c", "epsilon")


def test_a_program_that_is_not_installed(files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, numpy_program, module="no_such_program")
    told = unusable(files, "--peer", "fake")
    assert "pip install fake==1.0" in told
    assert "--python" in told


def test_a_program_whose_forward_pass_is_another(files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, partial(numpy_program, forward=1e-3))
    told = unusable(files, "--peer", "fake", "-c", "epsilon")
    assert "'fc0'" in told
    assert "'fc1'" not in told


def script(folder: Path, text: str) -> Path:
    """Write an interpreter that runs code, as when it is asked for its version, and does this in place of modules."""
    path = folder / "interpreter"
    path.write_text(f'#!/bin/sh\nif [ "$1" != -m ]; then exec "{sys.executable}" "$@"; fi\n{text}\n')
    path.chmod(0o755)
    return path


def test_a_program_that_crashes_says_its_own_last_line(files: Any, tmp_path: Path) -> None:
    python = script(tmp_path, "echo first >&2; echo 'ImportError: libtorch is broken' >&2; exit 3")
    assert "ImportError: libtorch is broken" in unusable(files, "--peer", "lxt", "--python", python)


def test_a_program_that_hangs_is_ended(files: Any, tmp_path: Path) -> None:
    begun = time.monotonic()
    told = unusable(files, "--peer", "lxt", "--python", script(tmp_path, "exec sleep 60"), "--timeout", "1")
    assert time.monotonic() - begun < 20
    assert "no answer within 1 s" in told
    assert "--timeout" in told


def test_an_interpreter_that_is_not_there(files: Any, tmp_path: Path) -> None:
    assert "none/python" in unusable(files, "--peer", "lxt", "--python", tmp_path / "none" / "python")


def test_a_program_that_fails_at_the_second_input_leaves_no_half_page(
    files: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    calls: list[Task] = []

    def record(task: Task, folder: Path | None = None) -> Recording:
        calls.append(task)
        if len(calls) == 2:
            raise PeerError("Fake 1.0 stopped: Segmentation fault")
        return numpy_program(task, folder)

    fake_peers.add(monkeypatch, record)
    other = array(tmp_path / "y.npy", np.ones((1, 4)))
    page = tmp_path / "page.html"
    done = run("crosscheck", *files, other, "--peer", "fake", "-c", "epsilon", "--html", page)
    assert done.exit_code == 1
    assert "1 of 2 inputs is refused" in done.stderr
    assert "Fake 1.0 stopped: Segmentation fault" in done.stderr
    assert page.read_text(encoding="utf-8").endswith("</html>\n")


def test_a_folder_that_is_not_there_is_told_before_anything_runs(files: Any, monkeypatch: Any, tmp_path: Path) -> None:
    def record(task: Task, folder: Path | None = None) -> Recording:
        raise AssertionError("the program was run")

    fake_peers.add(monkeypatch, record)
    done = run("crosscheck", *files, "--peer", "fake", "--html", tmp_path / "no" / "page.html")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "no does not exist" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-c", "epsilom"], "did you mean 'epsilon'?"),
        (["-t", "7"], "7"),
        (["--start", "logits"], "logit"),
        (["-c", "epsilon", "--gamma", "0.5"], "composite 'epsilon' takes"),
        (["--dialect", "zenit-1.0"], "did you mean 'zennit-1.0'?"),
    ],
)
def test_questions_that_cannot_be_asked(options: list[str], told: str, files: Any, monkeypatch: Any) -> None:
    fake_peers.add(monkeypatch, numpy_program)
    assert told in unusable(files, "--peer", "fake", *options)
