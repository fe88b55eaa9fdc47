"""``lrp-ref explain`` for models of bags of words: a text file is a document, and its words are coloured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run

import lrp_ref as lrp
from lrp_ref import heatmap
from lrp_ref.cli import drawing
from lrp_ref.layers import Dense

WEIGHT, BIAS = np.array([[2.0, -1.0], [-1.0, 3.0], [0.5, 0.25]]), np.array([0.25, -0.5])
DOCUMENT = "The moon and the team.\n\nA hockey team, on a full Moon!\n"
WORDS = "The moon(+3) and the team(+0.25) . A hockey(-1) team(+0.25) , on a full Moon(+3) !"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    lrp.save(lrp.Network.sequential([("scores", Dense(WEIGHT, BIAS))]), tmp_path / "bag.npz")
    (tmp_path / "words.txt").write_text("hockey\nmoon\nteam\n")
    (tmp_path / "document.txt").write_text(DOCUMENT)
    return tmp_path / "bag.npz"


def test_a_document_is_explained(model: Path) -> None:
    folder = model.parent
    done = run(
        "explain", model, folder / "document.txt", "--tokenizer", folder / "words.txt", "-c", "lrp0", "-o",
        folder / "out", "--latex",
    )  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    assert WORDS in done.stdout
    held = lrp.load_relevance(folder / "out" / "document.npz")
    assert held["text"] == DOCUMENT
    assert held["relevance"].tolist() == [[-1.0, 6.0, 0.5]]
    assert held["tokens"] == ["the", "moon", "and", "the", "team", "hockey", "team", "on", "full", "moon"]
    assert [held["words"][k] for k in held["word_of_token"]][1] == "moon"
    assert sum(held["word_relevance"]) == 5.5
    assert held["known"] == ["(" in word for word in WORDS.split(" ")]
    assert (folder / "out" / "document.png").is_file()
    assert '<span style="color:#696d74' in (folder / "out" / "document.html").read_text()
    assert r"\textcolor[HTML]{696D74}{\strut full}" in (folder / "out" / "document.tex").read_text()


def test_text_in_quotes_beside_a_file(model: Path) -> None:
    folder = model.parent
    done = run(
        "explain", model, "moon <b>", folder / "document.txt", "--tokenizer", folder / "words.txt", "-t", 1, "-o",
        folder / "out", "--length", 3,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "--length without effect" in done.stderr
    assert "moon(+3) <b>" in done.stdout
    assert WORDS in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"moon \xff", "no UTF-8: invalid start byte at byte 5: save it in UTF-8"),
        (b"moon " * 300_000, "more than 1048576 bytes: explain it in parts"),
    ],
)
def test_files_that_are_no_documents(model: Path, content: bytes, said: str) -> None:
    folder = model.parent
    (folder / "document.txt").write_bytes(content)
    done = run("explain", model, folder / "document.txt", "--tokenizer", folder / "words.txt", "-o", folder / "out")
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_list_of_other_words_is_refused(model: Path) -> None:
    (model.parent / "words.txt").write_text("hockey\nmoon\n")
    done = run("explain", model, "moon", "--tokenizer", model.parent / "words.txt", "-o", model.parent / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("lrp-ref: error: the vocabulary has 2 words, the network takes 3")


def test_a_long_document_is_drawn_in_part(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, texts = model.parent, []
    image = heatmap.text_image

    def drawn_words(tokens: Any, relevance: Any, **look: Any) -> Any:
        texts.append((tokens, look["remark"]))
        return image(tokens, relevance, **look)

    monkeypatch.setattr(drawing, "MOST_WORDS", 5)
    monkeypatch.setattr(heatmap, "text_image", drawn_words)
    done = run("explain", model, folder / "document.txt", "--tokenizer", folder / "words.txt", "-o", folder / "out")
    assert done.exit_code == 0, done.output
    ((drawn, remark),) = texts
    assert len(drawn) == 5
    assert "the first 5 of 15 words; the .html has all of them" in remark
    assert "Moon" in (folder / "out" / "document.html").read_text()
