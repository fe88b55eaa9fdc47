"""``lrp-ref gallery``: what it lists, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import run

from lrp_ref import gallery
from lrp_ref.gallery import pages

NAME = "three-against-nine"
pytest.importorskip("matplotlib")
pytest.importorskip("onnx")


def test_it_lists_every_application() -> None:
    told = run("gallery").output
    assert all(name in told for name in gallery.names())


def test_one_file_has_one_place_and_one_description() -> None:
    needs = [need for name in gallery.names() for need in gallery.find(name).needs]
    for file in {need.file for need in needs if need.shipped}:
        assert len({need.where for need in needs if need.file == file}) == 1, file


def test_it_writes_a_picture_numbers_and_a_page(tmp_path: Path) -> None:
    done = run("gallery", NAME, "--quick", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{NAME}.{kind}" for kind in ("png", "json", "md")}
    record = json.loads((tmp_path / "out" / f"{NAME}.json").read_text())
    assert record["quick"]
    assert record["sentence"] in done.output
    assert "its numbers and what held say nothing" in done.output
    assert pages.QUICK in (tmp_path / "out" / f"{NAME}.md").read_text(encoding="utf-8")


def test_a_run_repeats(tmp_path: Path) -> None:
    texts = []
    for folder in ("a", "b"):
        run("gallery", NAME, "--quick", "--seed", "3", "-o", tmp_path / folder)
        record = json.loads((tmp_path / folder / f"{NAME}.json").read_text())
        texts.append({k: v for k, v in record.items() if k not in ("seconds", "peak_memory_mb")})
    assert texts[0] == texts[1]
    assert texts[0]["seed"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("three-against-nin",), "did you mean 'three-against-nine'?"),
        ((NAME, "--data", "nowhere"), "nowhere: there is no such folder"),
        ((NAME, "--models", "."), "--models FOLDER says where 'models' of a clone is"),
        (("--wall", "-o", "."), "no results of 'lrp-ref gallery' in it"),
        (("--wall", NAME), "give it no NAME"),
        ((NAME, "-o", __file__), "is no folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("gallery", *arguments)
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_run_does_not_stop_the_others(tmp_path: Path) -> None:
    lacking = next(n for n in gallery.names() if any(not need.shipped for need in gallery.find(n).needs))
    done = run("gallery", lacking, NAME, "--quick", "-o", tmp_path)
    assert done.exit_code == 1
    assert f"1 of 2 could not be run: {lacking}" in done.output
    assert (tmp_path / f"{NAME}.json").exists()
    assert not (tmp_path / f"{lacking}.json").exists()
    assert "looked in" not in done.output, "no folder was given"


def test_the_wall_refuses_quick_runs_and_what_is_no_result(tmp_path: Path) -> None:
    run("gallery", NAME, "--quick", "-o", tmp_path)
    done = run("gallery", "--wall", "-o", tmp_path)
    assert done.exit_code == 2
    assert f"quick runs, whose numbers say nothing: {NAME}" in done.output
    (tmp_path / f"{NAME}.json").write_text('{"name": 3}')
    done = run("gallery", "--wall", "-o", tmp_path)
    assert done.exit_code == 2
    assert "not a result of 'lrp-ref gallery'" in done.output
    assert not (tmp_path / "README.md").exists()
