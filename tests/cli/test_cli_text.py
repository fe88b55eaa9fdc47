"""``lrp-ref explain`` on sentences: results, many of them, and what is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from PIL import Image
from tokenizer_files import PIECES, word_model, wordpiece, write

import lrp_ref as lrp
from lrp_ref.cli.sentences import is_sentence, lines, slug
from lrp_ref.errors import LrpError
from lrp_ref.layers import Dense

WORDS = "\n".join(("<unk>", "not", "good", "bad", "film", "<pad>")) + "\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text(WORDS)
    return word_model(tmp_path / "net.npz", rows=6)


def explain(model: Path, *arguments: object) -> Any:
    folder = model.parent
    return run("explain", model, *arguments, "--tokenizer", folder / "words.txt", "-o", folder / "out")


def test_a_sentence_is_explained(model: Path) -> None:
    done = explain(model, "not Good", "-t", 1, "-c", "lrp0", "--latex")
    assert (done.exit_code, done.stderr) == (0, "")
    net, out = lrp.load(model), model.parent / "out"
    e = lrp.explain(net, np.array([[1, 2]]), target=1, composite="lrp0")
    held = lrp.load_relevance(out / "not_good.npz")
    assert (held["tokens"], held["words"], held["special"]) == (["not", "good"], ["not", "Good"], [False, False])
    assert (held["text"], held["word_of_token"]) == ("not Good", [0, 1])
    assert np.array_equal(held["word_relevance"], e.relevance[0])
    assert np.array_equal(held["relevance"], e.relevance)
    assert sorted(p.name for p in out.iterdir()) == [f"not_good.{s}" for s in ("html", "npz", "png", "tex")]
    assert all(f"not_good.{s}" in done.stdout for s in ("html", "npz", "png", "tex"))
    shown = " ".join(f"{w}({r:+.3g})" for w, r in zip(("not", "Good"), e.relevance[0], strict=True))
    assert shown in done.stdout
    with Image.open(out / "not_good.png") as image:
        assert image.size[0] > 600
    assert ">Good</span>" in (out / "not_good.html").read_text()
    assert "\\strut Good" in (out / "not_good.tex").read_text()


def test_several_sentences_and_composites(model: Path) -> None:
    done = explain(model, "not good", "a bad film", "not good", "-c", "lrp0", "-c", "epsilon")
    assert done.exit_code == 0, done.output
    names = {p.name for p in (model.parent / "out").iterdir()}
    assert {
        "not_good.png",
        "not_good_2.png",
        "a_bad_film.png",
        "a_bad_film_lrp0.html",
        "a_bad_film_epsilon.npz",
    } <= names
    assert "not_good_lrp0.png" not in names  # one sheet for all composites
    assert done.stdout.count("the vocabulary lacks a: read as unknown") == 2


def test_a_composite_that_is_hardly_seen_is_told_in_the_picture(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the sheet of several composites, as for every other kind of input."""
    found: dict[str, Any] = {}
    draw = lrp.heatmap.text_image

    def seen(*arguments: Any, **options: Any) -> Any:
        found.update(options, rows=arguments[1])
        return draw(*arguments, **options)

    monkeypatch.setattr(lrp.heatmap, "text_image", seen)
    options = ("-c", "lrp0", "-c", "epsilon", "--epsilon", 1e6)
    done = explain(model, "not good", "-t", 1, *options)
    assert done.exit_code == 0, done.output
    assert found["labels"] == ["lrp0", "epsilon"]
    assert "epsilon is faint beside lrp0 on one scale: --limit" in found["remark"]
    assert found["title"].startswith(("output 1", "for output 1"))
    assert abs(found["rows"][0]).max() > 10 * abs(found["rows"][1]).max()


def test_a_file_has_one_sentence_a_line(model: Path) -> None:
    text = model.parent / "reviews.txt"
    text.write_bytes(b"not good\r\n\n\xff\nbad film")
    done = explain(model, text)
    assert done.exit_code == 1
    out = model.parent / "out"
    assert sorted(p.name for p in out.glob("*.npz")) == ["reviews_1.npz", "reviews_4.npz"]
    assert lrp.load_relevance(out / "reviews_4.npz")["words"] == ["bad", "film"]
    assert "2 of 4 inputs are refused" in done.stderr
    assert f"{text}, line 2: the sentence is empty" in done.stderr
    assert f"{text}, line 3: no UTF-8: invalid start byte" in done.stderr


def test_results_that_are_there_are_left_out(model: Path) -> None:
    first = explain(model, "not good", "bad film", "--latex")
    assert first.exit_code == 0
    (model.parent / "out" / "bad_film.html").write_bytes(b"cut off \xff")
    again = explain(model, "not good", "bad film", "--latex", "--skip-existing")
    assert "1 explained, 1 left out" in again.stderr
    assert (model.parent / "out" / "bad_film.html").read_text().endswith(" -->\n")


def test_another_sentence_of_the_same_numbers_is_not_left_out(model: Path) -> None:
    out = model.parent / "out"
    assert explain(model, "good !").exit_code == 0
    done = explain(model, "good ?", "--skip-existing")  # to the network both are "good <unk>"
    assert (done.exit_code, done.stderr) == (0, "")
    assert lrp.load_relevance(out / "good.npz")["text"] == "good ?"
    assert "1 left out" in explain(model, "good ?", "--skip-existing").stderr


def test_the_mark_of_utf_8_is_no_letter_and_a_terminal_obeys_no_word(model: Path) -> None:
    text = model.parent / "reviews.txt"
    text.write_bytes(b"\xef\xbb\xbfnot good\nbad\x1b[2J\x07")
    done = explain(model, text)
    assert (done.exit_code, done.stderr) == (0, "")
    assert lrp.load_relevance(model.parent / "out" / "reviews_1.npz")["words"] == ["not", "good"]
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert r"note: the vocabulary lacks bad\x1b[2J\x07: read as unknown" in done.stdout


@pytest.mark.parametrize("called", ["net.npz", "words.npz"])
def test_the_model_and_the_tokenizer_are_not_written_over(called: str, model: Path) -> None:
    np.savez(model.parent / "words.npz", vocab=np.array(["net", "words"]))
    held = (model.parent / called).read_bytes()
    sentence = called.removesuffix(".npz")
    command: list[Any] = ["explain", model, sentence, "--tokenizer", model.parent / "words.npz", "-o"]
    done = run(*command, model.parent)
    assert done.exit_code == 2
    assert f"{model.parent / called} is read or written by this run; choose another" in done.stderr
    assert (model.parent / called).read_bytes() == held
    assert run(*command, model.parent / "out").exit_code == 0


@pytest.mark.parametrize("called", ["tokenizer.json", "net.json"])
def test_ledgers_are_not_written_over_what_was_read(called: str, model: Path) -> None:
    pytest.importorskip("tokenizers")
    folder = model.parent
    write(folder / "tokenizer.json", wordpiece(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
                                               added_tokens=[], post_processor=None))  # fmt: skip
    (folder / "net.json").write_text('{"input": {"kind": "text"}}')
    held = (folder / called).read_text()
    done = run("explain", model, "a a", "-o", folder / "out", "--ledger-file", folder / called)
    assert done.exit_code == 2
    assert f"{folder / called} is read or written by this run; choose another file" in done.stderr
    assert (folder / called).read_text() == held
    assert run("explain", model, "a a", "-o", folder / "out", "--ledger-file", folder / "l.json").exit_code == 0


@pytest.mark.parametrize("command", ["certify", "check"])
def test_commands_without_a_tokenizer_do_not_ask_for_one(command: str, model: Path) -> None:
    done = run(command, model, "not good")
    assert done.exit_code == 2
    assert "not good: there is no such file; sentences are read by 'lrp-ref explain' alone" in done.stderr


def test_the_model_s_own_tokenizer_is_found(model: Path) -> None:
    beside = {"input": {"kind": "text", "tokenizer": "words.txt"}, "classes": ["against", "for"]}
    (model.parent / "net.json").write_text(json.dumps(beside))
    done = run("explain", model, "not good", "-t", "for", "-o", model.parent / "out")
    assert done.exit_code == 0, done.output
    assert "relevance of for" in done.stdout
    (model.parent / "net.json").write_text(json.dumps({"input": {"kind": "text", "tokenizer": "../words.txt"}}))
    refused = run("explain", model, "not good", "-o", model.parent / "out")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "must be the name of a file beside the sidecar" in refused.stderr


def test_pieces_with_a_tokenizer_beside_the_model(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    model = word_model(tmp_path / "net.npz")
    write(tmp_path / "tokenizer.json", wordpiece())
    done = run("explain", model, "a likeable film", "-o", tmp_path / "out", "--float64")
    assert done.exit_code == 0, done.output
    held = lrp.load_relevance(tmp_path / "out" / "a_likeable_film.npz")
    assert held["words"] == ["[CLS]", "a", "likeable", "film", "[SEP]"]
    assert held["special"] == [True, False, False, False, True]
    ids = np.array([[PIECES.index(p) for p in held["tokens"]]])
    e = lrp.explain(lrp.load(model), ids)
    r = e.relevance[0]
    assert np.array_equal(held["word_relevance"], [r[0], r[1], r[2] + r[3], r[4], r[5]])
    assert "special: [CLS](" in done.stdout


def huge(path: Path) -> Path:
    with path.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    return path


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (lambda p: [""], "'': the sentence is empty"),
        (
            lambda p: ["not good", "--length", 1],
            "'not good': the sentence has 2 pieces, the network takes 1: give a larger",
        ),
        (lambda p: ["missing.txt"], "missing.txt: there is no such file"),
        (lambda p: ["folder/missing"], "folder/missing: there is no such file"),
        (lambda p: ["not good", "--tokenizer", p / "none.json"], "none.json: there is no such file"),
        (lambda p: ["not good", "--tokenizer", write(p / "t.json", [1])], "t.json: JSON, but no tokenizer"),
        (lambda p: ["not good", "--tokenizer", huge(p / "t.json")], "t.json: more than 67108864 bytes"),
        (lambda p: ["not good", "--tokenizer", p / "net.npz"], "net.npz: it has no entry 'vocab'"),
        (lambda p: ["x" * 10_001], "has 10001 characters; 10000 are allowed"),
    ],
)
def test_bad_input_is_one_line(arguments: Any, reason: str, model: Path) -> None:
    given = arguments(model.parent)
    if "--tokenizer" not in given:
        given += ["--tokenizer", model.parent / "words.txt"]
    done = run("explain", model, *given, "-o", model.parent / "out")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert not (model.parent / "out").exists()


def test_a_tokenizer_of_another_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS)
    done = explain(word_model(tmp_path / "net.npz", rows=5), "not good")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "the tokenizer has 6 pieces, the table of node 'words' 5 rows" in done.stderr


def test_outputs_that_are_left_out_may_want_a_length(tmp_path: Path) -> None:
    """What stays of an encoder whose positions take a fixed length looks nothing up."""
    (tmp_path / "words.txt").write_text(WORDS)
    net = lrp.Network.sequential([Dense(np.eye(2))])
    lrp.save(replace(net, left_out=(("logits", "a shape that is not fixed"),)), tmp_path / "net.npz")
    done = explain(tmp_path / "net.npz", "not good")
    assert done.exit_code == 2
    assert "takes no tokens" in done.stderr
    assert "outputs are left out, which a fixed length may bring: add --length 64" in done.stderr
    again = explain(tmp_path / "net.npz", "not good", "--length", 64)
    assert "add --length" not in again.stderr


def test_without_a_tokenizer_the_error_says_what_is_needed(model: Path) -> None:
    done = run("explain", model, "not good", "-o", model.parent / "out")
    assert done.exit_code == 2
    assert "not good: there is no such file; a sentence needs --tokenizer FILE" in done.stderr
    empty = run("explain", model, "", "-o", model.parent / "out")
    assert "an INPUT is empty" in empty.stderr


def test_options_of_text_without_text_are_told(model: Path) -> None:
    np.save(model.parent / "ids.npy", np.array([[1, 2]]))
    done = explain(model, model.parent / "ids.npy", "--latex")
    assert done.exit_code == 0
    assert "--tokenizer, --latex without effect: no INPUT is text" in done.stderr


def test_names_of_files_are_no_sentences() -> None:
    assert is_sentence("a film.txt")
    assert not any(map(is_sentence, ("a.png", "a.onnx", "a/b", "b\\c", "A.NPY")))
    assert slug("Ünlike — 5 %!") == "nlike_5"
    assert len(slug("word " * 50)) <= 40


def test_long_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"a\n" + b"x" * 3_000_000 + b"\nb")
    found = list(lines(path))
    assert [(n, c) for n, c, _ in found] == [(0, 3), (1, 3), (2, 3)]
    assert [t for _, _, t in found if isinstance(t, str)] == ["a", "b"]
    assert isinstance(found[1][2], LrpError)
    path.write_bytes(b"")
    with pytest.raises(LrpError, match="no sentence in it"):
        list(lines(path))


def test_the_length_of_the_sidecar_holds_where_none_is_given(model: Path) -> None:
    model.with_suffix(".json").write_text(json.dumps({"input": {"kind": "text", "length": 1}}))
    told = explain(model, "not good")
    assert told.exit_code == 2
    assert told.stderr == explain(model, "not good", "--length", 1).stderr
    assert explain(model, "not good", "--length", 2).exit_code == 0
    np.save(model.parent / "ids.npy", np.array([[1, 2]]))
    assert run("explain", model, model.parent / "ids.npy", "-o", model.parent / "out").exit_code == 0
