"""Sentences are read from an archive that is not unpacked; patterns have the words that they should have."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.applications import negation


def archive(path: Path, name: str) -> Path:
    with tarfile.open(path, "w:xz") as made:
        data = b"sentence\tlabel\nnot good \t0\na fine film\t1\n"
        member = tarfile.TarInfo(name)
        member.size = len(data)
        made.addfile(member, io.BytesIO(data))
    return path


def test_sentences_and_answers(tmp_path: Path) -> None:
    sentences, answers = negation.read(archive(tmp_path / "a", "SST2/dev.tsv"))
    assert [s.split() for s in sentences] == [["not", "good"], ["a", "fine", "film"]]
    assert answers.tolist() == [0, 1]


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="no table of sentences"):
        negation.read(archive(tmp_path / "a", "other"))


def test_twenty_words_of_praise_and_twenty_of_blame() -> None:
    lists = [words.split() for words in negation.WORDS.values()]
    assert [len({*words}) for words in lists] == [20, 20]
    assert not {*lists[0]} & {*lists[1]}
