"""``lrp-ref explain --html``: what is on the page of a run, where it is written, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import CATS, array, dense_model, pixel_model, run
from inspected import Inspected
from PIL import Image
from tokenizer_files import word_model

import lrp_ref as lrp
from lrp_ref.pages import inspecting

WORDS = "\n".join(("<unk>", "not", "good", "bad", "film", "<pad>")) + "\n"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.array([[0, 64], [128, 255]], np.uint8)).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def page(folder: Path, *arguments: object) -> tuple[Any, Inspected]:
    done = run("explain", *arguments, "-o", folder / "out", "--html", folder / "page.html")
    assert (done.exit_code, done.stderr) == (0, "")
    return done, Inspected((folder / "page.html").read_text(encoding="utf-8"))


def test_a_picture_s_page_has_what_the_command_prints(tmp_path: Path, picture: Path) -> None:
    done, held = page(tmp_path, pixel_model(tmp_path, classes=CATS), picture)
    assert f"page: {tmp_path / 'page.html'}" in done.stdout
    (told,) = held.views
    assert held.header["title"].startswith("cat: Egyptian cat")
    assert [o["name"] for o in told["outputs"]] == ["Egyptian cat", "tiger cat", "catamaran"]
    shown = lrp.load_relevance(tmp_path / "out" / "cat.npz")
    assert told["chanceName"] == "softmax"
    np.testing.assert_allclose(sum(o["chance"] for o in told["outputs"]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(told["nodes"][0]["sum"], shown["relevance"].sum(), rtol=1e-6)
    offset, *shape = told["nodes"][0]["input"]["picture"]
    assert held.pixels[offset : offset + 4].tolist() == [0, 64, 128, 255]
    assert shape == [2, 2, 1]


def test_the_page_says_the_command_that_makes_it_again(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0]])
    _, held = page(tmp_path, model, x, "-t", 1, "-c", "lrp0")
    command = dict(held.header["provenance"])["made again by"]
    assert command == (
        f"lrp-ref explain {model} {x} --target 1 --composite lrp0 "
        f"--directory {tmp_path / 'out'} --html {tmp_path / 'page.html'}"
    )
    before = (tmp_path / "page.html").read_bytes()
    assert run(*command.split()[1:]).exit_code == 0
    assert (tmp_path / "page.html").read_bytes() == before


def test_two_composites_stand_side_by_side(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0]])
    _, held = page(
        tmp_path, model, x, "-c", "lrp0", "-c", "flat" if "flat" in lrp.composites.names() else "epsilon_plus"
    )
    assert held.header["compare"] == 1
    assert len({v["composite"] for v in held.views}) == 2
    assert len({v["sample"] for v in held.views}) == 1


def test_inputs_and_targets_are_a_choice(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0], [1.0, 2.0], [0.5, 0.25]])
    _, held = page(tmp_path, model, x, "--top", 2)
    assert len(held.views) == 6
    assert held.header["compare"] is None
    assert held.header["title"] == "3 inputs"
    assert len({v["name"] for v in held.views}) == 6


def test_what_does_not_fit_on_a_page_is_on_further_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "MOST_VIEWS", 4)
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", np.ones((7, 2)))
    done, held = page(tmp_path, model, x)
    assert done.stdout.splitlines()[-1] == f"page: {tmp_path / 'page.html'}, {tmp_path / 'page-2.html'}"
    rest = Inspected((tmp_path / "page-2.html").read_text(encoding="utf-8"))
    assert [len(held.views), len(rest.views)] == [4, 3]


def test_the_words_of_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS)
    model = word_model(tmp_path / "net.npz", rows=6)
    _, held = page(tmp_path, model, "not good", "--tokenizer", tmp_path / "words.txt", "-c", "lrp0", "-t", 1)
    told = next(n["input"]["words"] for n in held.views[0]["nodes"] if "words" in (n.get("input") or {}))
    assert [w[0] for w in told] == ["not", "good"]
    shown = lrp.load_relevance(tmp_path / "out" / "not_good.npz")
    assert [w[1] for w in told] == shown["word_relevance"].tolist()


def test_the_names_of_a_vector_s_numbers(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0]])
    (tmp_path / "dense.json").write_text('{"input": {"kind": "vector", "feature_names": ["<b>", "wide"]}}')
    _, held = page(tmp_path, model, x)
    assert held.views[0]["nodes"][0]["input"]["features"] == ["<b>", "wide"]


def refused(*arguments: object) -> str:
    done = run("explain", *arguments)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    return str(done.stderr)


def test_nothing_that_the_run_reads_or_writes_is_overwritten(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0]])
    before = {p: p.read_bytes() for p in (model, x)}
    for path in (model, x):
        assert "is read or written by this run; choose another file" in refused(
            model, x, "--html", path, "-o", tmp_path / "o"
        )
    assert {p: p.read_bytes() for p in before} == before
    told = refused(model, x, "--html", tmp_path / "o" / "x.npz", "-o", tmp_path / "o")
    assert "is read or written by this run" in told


def test_a_folder_and_what_was_left_out_are_refused(tmp_path: Path) -> None:
    model, x = dense_model(tmp_path), array(tmp_path / "x.npy", [[3.0, 1.0]])
    assert "a folder; give the name of a file" in refused(model, x, "--html", tmp_path)
    told = refused(model, x, "--html", tmp_path / "p.html", "--skip-existing")
    assert "--html and --skip-existing exclude each other" in told
