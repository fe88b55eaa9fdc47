"""The guide for those who check an implementation of their own, followed literally; its blocks in Python and in a shell
are run by tests/house/test_snippets.py too."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest
from snippets import ROOT, blocks

from lrp_ref import vectors
from lrp_ref.cli import main

PAGE = ROOT / "docs" / "vectors.md"
FILES = {block.file: block for block in blocks(PAGE) if block.file}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the guide, in which commands run."""
    for name, block in FILES.items():
        (tmp_path / name).write_text(block.code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["vectors", "run", *map(str, arguments)], catch_exceptions=False)


def test_the_files_are_those_that_are_tested_here() -> None:
    kinds = {name: block.kind for name, block in FILES.items()}
    assert kinds == {
        "torch_adapter.py": "python", "plain_adapter.py": "python", "plain_adapter.js": "javascript",
        "xfails.txt": "text", "test_lrp.py": "python", "lrp-vectors.yml": "yaml",
    }  # fmt: skip
    assert max(len(block.code.splitlines()) for block in FILES.values()) <= 50


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("program", "name"),
    [("node plain_adapter.js", "plain 1.0 (JavaScript)"), ("plain_adapter.py", "plain 1.0 (Python)")],
)
def test_programs_in_other_languages(here: Path, program: str, name: str, dtype: str) -> None:
    if program.startswith("node") and shutil.which("node") is None:
        pytest.skip("node is not installed")
    command = program if program.startswith("node") else f"{shlex.quote(sys.executable)} {program}"
    done = run("--command", command, "--dtype", dtype)
    assert done.exit_code == 0, done.stdout
    assert f"asked: {name}; {vectors.load()[0].release}\n" in done.stdout
    passed = re.search(r"float\d\d: (\d+) pass, (\d+) unsupported", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 40


def test_a_fault_in_the_program_of_the_guide_is_seen(here: Path) -> None:
    """Without its guard, and with a sign turned round."""
    path = here / "plain_adapter.py"
    path.write_text(path.read_text().replace("v - epsilon if v < 0 else v + epsilon", "v + epsilon"))
    done = run("--command", f"{shlex.quote(sys.executable)} {path}")
    assert done.exit_code == 1
    assert "reason: eps-unsigned" in done.stdout


def test_the_adapter_for_pytorch_says_who_it_is(here: Path) -> None:
    pytest.importorskip("torch")
    done = run("--adapter", "torch_adapter.py:relevance", "--only", "core/dense/*")
    assert done.exit_code == 0, done.stdout
    assert f"asked: torch_adapter 1.0 (Python); {vectors.load()[0].release}\n" in done.stdout


def test_the_tests_of_the_guide_pass_and_their_list_is_strict(here: Path) -> None:
    def outcome() -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_lrp.py"]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    status, told = outcome()
    assert status == 0
    assert re.match(r"1\d passed, 5\d\d skipped, 1\d xfailed in ", told), told
    path = here / "test_lrp.py"
    text = path.read_text()
    path.write_text(text.replace("z = x @ weight + (0 if bias is None else bias)", "z = x @ weight"))
    assert outcome()[0] == 1  # a fault that is not listed
    path.write_text(text.replace('xfails={"flag:epsilon-ignored": "we have no ε"}', "xfails={}"))
    assert outcome()[0] == 1  # a failure that is not listed
    path.write_text(text.replace('"we have no ε"}', '"we have no ε", "core/dense/lrp0/*": "none"}'))
    assert outcome()[0] == 1  # a listed case that passes


def test_the_list_in_a_file_is_that_of_the_tests(here: Path) -> None:
    found = vectors.read_xfails(here / "xfails.txt")
    assert re.findall(r'"([^"]+)": "([^"]+)"', FILES["test_lrp.py"].code) == list(found.items())
    assert str(vectors.load()[0].release) in (here / "xfails.txt").read_text()


def test_the_workflow_runs_what_the_guide_says(here: Path) -> None:
    """Its lines of YAML are plain enough to be read without a package: steps of ``run:`` in a block of ``steps:``."""
    pytest.importorskip("torch")
    text = FILES["lrp-vectors.yml"].code
    assert "\t" not in text
    assert all((len(line) - len(line.lstrip(" -"))) % 2 == 0 for line in text.splitlines())
    commands = re.findall(r"^ {6}- run: (.*)$", text, re.M)
    (install, vectors_run) = commands
    assert install.startswith("python -m pip install lrp-ref ")
    done = run(*shlex.split(vectors_run)[3:])
    assert (done.exit_code, shlex.split(vectors_run)[:3]) == (0, ["lrp-ref", "vectors", "run"])
    (report,) = re.findall(r"^ +path: (.*)$", text, re.M)
    assert (here / report).is_file()


def test_what_the_guide_shows_of_the_protocol_is_what_is_sent(here: Path) -> None:
    (here / "keep.py").write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    open('asked.txt', 'a').write(line)\n"
        "    print(json.dumps({'id': json.loads(line).get('id'), 'unsupported': 'x'}), flush=True)\n"
    )
    run("--command", f"{shlex.quote(sys.executable)} keep.py", "--only", "core/small/G-1")
    first = (here / "asked.txt").read_text().splitlines()[0]
    (shown,) = re.findall(r'^(\{"start".*\}\}) +asked first$', PAGE.read_text(), re.M)
    assert first == shown.replace(" ", "")
