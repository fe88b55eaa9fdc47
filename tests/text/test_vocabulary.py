"""Plain lists of words: from text files, from models, and what they refuse."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.text import Vocabulary


def test_words_are_split_at_blanks_and_unknown_ones_are_told() -> None:
    words = Vocabulary(("a", "<unk>", "Not", "good"))
    found = words.encode("  Not a\tGOOD film film ")
    assert found.ids == (2, 0, 3, 1, 1)
    assert found.pieces == ("Not", "a", "good", "<unk>", "<unk>")
    assert found.spelled == ("Not", "a", "GOOD", "film", "film")
    assert found.word_of == (0, 1, 2, 3, 4)
    assert found.unknown == ("film",)
    assert words.padding is None
    assert Vocabulary(("a", "<pad>")).padding == (1, "<pad>")


def test_without_a_word_for_them_unknown_words_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"lacks 'film', 'b' and has no <unk>"):
        Vocabulary(("a",)).encode("film a b")
    with pytest.raises(ParameterError, match=r"'5', \.\.\. and has"):
        Vocabulary(("a",)).encode("1 2 3 4 5 6")


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (b"", "a vocabulary without words"),
        (b"a\nb\na\n", "the word 'a' is there twice"),
        (b"a\n\xff\n", "not a list of words in UTF-8: invalid start byte at byte 2"),
        (b"[UNK]\nlike\n##able\n", "pieces of words; give the tokenizer.json"),
    ],
)
def test_lists_that_are_none(held: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(held)
    with pytest.raises(ModelFormatError, match=reason) as error:
        lrp.text.load_tokenizer(tmp_path / "words.txt")
    assert str(error.value).startswith(f"{tmp_path / 'words.txt'}: ")


@pytest.mark.parametrize(
    "held",
    [
        b"\xef\xbb\xbfnot\r\ngood\r\n",  # the mark of UTF-8
        "not\u2028x\ngood\n".encode(),  # letters that end a line for str.splitlines() alone
        "not\x85\ngood".encode(),
        b"a\x1cb\x0b\x0c\rgood\r",
    ],
)
def test_the_row_of_a_word_is_its_line(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(held)
    found = lrp.text.load_tokenizer(tmp_path / "words.txt")
    assert found.size == 2
    assert found.encode("good").ids == (1,)
    if held.startswith(b"\xef"):
        assert found.encode("not").ids == (0,)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("none.txt", "none.json", "none.npz"):
        with pytest.raises(ModelFormatError, match="there is no such file"):
            lrp.text.load_tokenizer(tmp_path / name)
    with pytest.raises(UnsupportedError, match=r"tokenizer\.json, from a list of words \(\.txt\)"):
        lrp.text.load_tokenizer(tmp_path / "words.model")
    with (tmp_path / "huge.txt").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ModelFormatError, match="more than 67108864 bytes"):
        lrp.text.load_tokenizer(tmp_path / "huge.txt")


def test_the_words_of_a_model(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "net.npz", vocab=np.array(["<unk>", "好", "bad"]))
    assert lrp.text.load_tokenizer(path).encode("bad 好 x").ids == (2, 1, 0)  # type: ignore[union-attr]
    assert lrp.text.find_tokenizer(path) == Vocabulary(("<unk>", "好", "bad"), path)
    np.savez(path, E=np.ones(2))
    assert lrp.text.find_tokenizer(path) is None
    with pytest.raises(ModelFormatError, match="no entry 'vocab'"):
        lrp.text.load_tokenizer(path)


def _letters(numbers: Any) -> Any:
    return np.array(numbers, dtype="<u4").view("<U2")


@pytest.mark.parametrize(
    ("vocab", "reason"),
    [
        (np.array([1, 2]), "holds int64, no texts"),
        (np.array([["a", "b"]]), "has shape"),
        (np.array(["a", "a"]), "'a' is there twice"),
        (np.array(["", ""]), "'' is there twice"),
        (np.array([b"a"]), "no texts"),
        (_letters([0x110000, 65]), "is no text"),
        (np.array([], dtype="<U3"), "without words"),
    ],
)
def test_entries_that_are_no_words(vocab: Any, reason: str, tmp_path: Path) -> None:
    np.savez(path := tmp_path / "net.npz", vocab=vocab)
    with pytest.raises(ModelFormatError, match=reason):
        lrp.text.load_tokenizer(path)


def test_pickled_words_are_never_read(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "net.npz", vocab=np.array(["a", None], dtype=object))
    with pytest.raises(ModelFormatError, match="pickled objects, which are never read"):
        lrp.text.load_tokenizer(path)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_models_are_one_line(seed: int, tmp_path: Path) -> None:
    """A byte of the array or of its header is another: it is words, or it is refused."""
    np.save(tmp_path / "vocab.npy", np.array(["<unk>", "bad", "good"]))
    data = bytearray((tmp_path / "vocab.npy").read_bytes())
    draw = np.random.default_rng(seed)
    for place in draw.integers(len(data), size=3):
        data[place] = int(draw.integers(256))
    with zipfile.ZipFile(path := tmp_path / "net.npz", "w") as archive:
        archive.writestr("vocab.npy", bytes(data))
    try:
        size = lrp.text.load_tokenizer(path).size
    except LrpError as error:
        size, told = 3, str(error)
        if "\n" in told:
            pytest.fail(told)
    assert size == 3
