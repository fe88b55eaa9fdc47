"""``lrp-ref vectors board``: what it runs, reads and writes, and what it says of what cannot be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.board_rows import row
from support.command import run

from lrp_ref.errors import ParameterError
from lrp_ref.peers import PEERS, PeerError
from lrp_ref.peers.board import files, running

SMALL = ("--only", "core/small/*")


def test_a_run_saves_results_from_which_pages_are_made_again(tmp_path: Path) -> None:
    first = run("vectors", "board", "--peer", "lrp_ref", *SMALL, "--save", tmp_path / "data", "-o", tmp_path / "a")
    assert first.exit_code == 0, first.output
    assert "2 pages in" in first.output
    again = run("vectors", "board", "--from", tmp_path / "data", "-o", tmp_path / "b")
    assert again.exit_code == 0, again.output
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path
    assert {p.name.rpartition("-")[2] for p in (tmp_path / "data").iterdir()} == {"float32.json", "float64.json"}


def test_a_new_run_takes_the_place_of_the_same_row(tmp_path: Path) -> None:
    run("vectors", "board", "--peer", "lrp_ref", *SMALL, "--save", tmp_path, "--dtype", "float64")
    (path,) = tmp_path.iterdir()
    old = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**old, "date": "2001-01-01"}), encoding="utf-8")
    done = run(
        "vectors", "board", "--from", tmp_path, "--peer", "lrp_ref", *SMALL, "--save", tmp_path, "--dtype", "float64"
    )
    assert done.exit_code == 0
    assert files.read(path).date != "2001-01-01"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_program_that_cannot_be_run_is_listed_and_the_rest_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = running.run_program

    def failing(asked: Any, dtype: str, **more: Any) -> Any:
        if asked.name == "captum":
            raise PeerError("captum <is> not installed: pip install captum==0.9.0, or --python captum=INTERPRETER")
        return real(asked, dtype, **more)

    monkeypatch.setattr(running, "run_program", failing)
    given = ("--peer", "captum", "--peer", "lrp_ref", *SMALL, "-o", tmp_path / "site", "--markdown", tmp_path / "b.md")
    done = run("vectors", "board", *given)
    assert done.exit_code == 1
    assert "Captum: not run: captum <is> not installed" in done.output
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "<b>Captum</b>: not run: captum &lt;is&gt; not installed" in page
    assert "lrp_ref" in page
    assert "## Not run" in (tmp_path / "b.md").read_text(encoding="utf-8")


def test_nothing_is_written_where_nothing_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*asked: Any, **more: Any) -> Any:
        raise PeerError("no")

    monkeypatch.setattr(running, "run_program", failing)
    done = run("vectors", "board", "--peer", "captum", "-o", tmp_path / "site")
    assert done.exit_code == 2
    assert "no program was run" in done.output
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_finished_rows_and_no_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = running.run_program

    def interrupted(asked: Any, dtype: str, **more: Any) -> Any:
        if dtype == "float32":
            raise KeyboardInterrupt
        return real(asked, dtype, **more)

    monkeypatch.setattr(running, "run_program", interrupted)
    done = run("vectors", "board", "--peer", "lrp_ref", *SMALL, "--save", tmp_path / "data", "-o", tmp_path / "site")
    assert done.exit_code == 130
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert [files.read(p).dtype for p in (tmp_path / "data").iterdir()] == ["float64"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--peer", "zenit"), "did you mean 'zennit'"),
        (("--python", "zennit"), "write it as NAME=PATH"),
        (("--python", "=x"), "write it as NAME=PATH"),
        (("--python", "zennit=/no/such/python"), "there is no interpreter /no/such/python"),
        (("--folder", "toolbox=/no/such"), "there is no folder /no/such"),
        (("--folder", "tolbox=."), "did you mean 'toolbox'"),
        (("--peer", "lrp_ref", "--only", "nothing/*"), "no case fits 'nothing/*'"),
        (("--from", "/no/such/folder"), "not a readable folder"),
        (("--peer", "lrp_ref", "--markdown", "/no/such/folder/x.md"), "there is no folder /no/such/folder"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_runs(
    given: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "run_program", lambda *a, **k: pytest.fail("it ran"))
    done = run("vectors", "board", *given)
    assert done.exit_code == 2
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_foreign_output_folder_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "run_program", lambda *a, **k: pytest.fail("it ran"))
    (tmp_path / "mine.txt").write_text("x")
    done = run("vectors", "board", "--peer", "lrp_ref", "-o", tmp_path)
    assert done.exit_code == 2
    assert "holds files that are no board" in done.output


def test_without_a_name_what_is_installed_here_is_run_and_the_rest_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "is_here", lambda peer: peer.name == "captum")
    asked, absent = running.programs_here()
    assert [a.name for a in asked] == ["captum"]
    assert len(absent) == len(PEERS) - 1
    assert absent["zennit"] == "not installed here: pip install zennit==1.0.0, or --python zennit=INTERPRETER"
    assert absent["LRP toolbox"].endswith("--folder toolbox=FOLDER")


def test_each_interpreter_is_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def seeing(asked: Any, dtype: str, **more: Any) -> Any:
        seen.append((asked.name, asked.python, asked.folder, dtype))
        return row(version=str(len(seen)), dtype=dtype)

    monkeypatch.setattr(running, "run_program", seeing)
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.touch(0o755)
    given = ("--python", f"zennit={one}", "--python", f"zennit={two}", "--folder", f"toolbox={tmp_path}")
    done = run("vectors", "board", *given, "--dtype", "float32")
    assert done.exit_code == 0, done.output
    assert seen == [
        ("zennit", one, None, "float32"), ("zennit", two, None, "float32"), ("toolbox", None, tmp_path, "float32"),
    ]  # fmt: skip


def test_a_row_says_how_it_is_made_again(tmp_path: Path) -> None:
    again = running.reproduce(running.Asked("zennit", tmp_path / "python"), "0.5.1", "float64")
    assert (
        again == "PYTHON -m pip install zennit==0.5.1 && lrp-ref vectors board --python zennit=PYTHON --dtype float64"
    )
    again = running.reproduce(running.Asked("toolbox", None, Path("/x/lrp_toolbox")), "1.3.1", "float32")
    assert again.endswith("lrp_toolbox && lrp-ref vectors board --folder toolbox=lrp_toolbox --dtype float32")
    with pytest.raises(ParameterError):
        running.known_name("lrp-ref")
