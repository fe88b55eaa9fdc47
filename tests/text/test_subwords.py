"""tokenizer.json: pieces, words and special pieces of the tokenizers package, and files that it never sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizer_files import PIECES, wordpiece, write

import lrp_ref as lrp
from lrp_ref.errors import MissingExtraError, ModelFormatError, ParameterError
from lrp_ref.text.allowed import PATTERNS

tokenizers = pytest.importorskip("tokenizers")


def test_pieces_words_and_special_pieces(tmp_path: Path) -> None:
    tokenizer = lrp.text.load_tokenizer(write(tmp_path / "tokenizer.json", wordpiece()))
    found = tokenizer.encode("NOT a likeable film, zzz.")
    assert found.pieces == ("[CLS]", "not", "a", "like", "##able", "film", "[UNK]", "[UNK]", ".", "[SEP]")
    assert found.ids == tuple(PIECES.index(p) for p in found.pieces)
    assert found.word_of == (None, 0, 1, 2, 2, 3, 4, 5, 6, None)
    assert found.spelled == ("NOT", "a", "likeable", "film", ",", "zzz", ".")
    assert found.unknown == (",", "zzz")
    assert found.types == (0,) * 10
    assert (tokenizer.size, tokenizer.padding) == (len(PIECES), (0, "[PAD]"))  # truncation and padding are ours


def test_a_special_piece_that_stands_in_the_text_is_a_word_of_it(tmp_path: Path) -> None:
    tokenizer = lrp.text.load_tokenizer(write(tmp_path / "tokenizer.json", wordpiece()))
    found = tokenizer.encode("bad [SEP] film")
    assert (found.word_of, found.spelled) == ((None, 0, 1, 2, None), ("bad", "[SEP]", "film"))


def test_a_sentence_of_which_nothing_is_left(tmp_path: Path) -> None:
    tokenizer = lrp.text.load_tokenizer(write(tmp_path / "tokenizer.json", wordpiece()))
    with pytest.raises(ParameterError, match="leaves no word of"):
        tokenizer.encode("\x01")


def bpe(name: str) -> Any:
    """A byte-level tokenizer like GPT-2's, one with ▁ and words, and one that takes the sentence for one word."""
    t, m = tokenizers, tokenizers.models
    texts = ["not good at all", "not good"] * 3
    if name == "bytes":
        made = t.Tokenizer(m.BPE())
        made.pre_tokenizer = t.pre_tokenizers.ByteLevel(add_prefix_space=False)
        start = t.pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator(
            texts, t.trainers.BpeTrainer(vocab_size=265, initial_alphabet=start, show_progress=False)
        )
        return made
    made = t.Tokenizer(m.BPE(**{"unk_token": "<unk>"}))
    if name == "blocks":
        made.pre_tokenizer = t.pre_tokenizers.Metaspace()
    else:
        made.normalizer = t.normalizers.Sequence([t.normalizers.Prepend("▁"), t.normalizers.Replace(" ", "▁")])
    made.train_from_iterator(
        ["not", "good", "all"], t.trainers.BpeTrainer(vocab_size=20, special_tokens=["<unk>"], show_progress=False)
    )
    return made


@pytest.mark.parametrize("name", ["bytes", "blocks", "whole"])
def test_words_of_byte_level_and_block_tokenizers(name: str, tmp_path: Path) -> None:
    """Whatever marks the pieces, the words are those of the sentence, and every piece belongs to one."""
    (tmp_path / "tokenizer.json").write_text(bpe(name).to_str(), encoding="utf-8")
    found = lrp.text.load_tokenizer(tmp_path / "tokenizer.json").encode("not  good all")
    assert found.spelled == ("not", "good", "all")
    assert len(found.pieces) > 3
    assert set(found.word_of) == {0, 1, 2}
    assert list(found.word_of) == sorted(found.word_of)  # type: ignore[type-var]


def test_letters_of_several_bytes_are_one_word(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(bpe("bytes").to_str(), encoding="utf-8")
    found = lrp.text.load_tokenizer(tmp_path / "tokenizer.json").encode("好 é")
    assert (found.spelled, found.word_of) == (("好", "é"), (0, 0, 0, 1, 1, 1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_well_known_patterns_are_compiled(pattern: str, tmp_path: Path) -> None:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    path = write(tmp_path / "tokenizer.json", wordpiece(normalizer=None, pre_tokenizer=split))
    assert lrp.text.load_tokenizer(path).encode("not").ids


def nested(levels: int) -> Any:
    inner: Any = {"type": "Lowercase"}
    for _ in range(levels):
        inner = {"type": "Sequence", "normalizers": [inner]}
    return inner


def replacing(content: str, times: int = 1, pattern: Any = None) -> Any:
    one = {"type": "Replace", "pattern": pattern or {"String": "a"}, "content": content}
    return {"type": "Sequence", "normalizers": [one] * times}


def around(**changes: Any) -> Any:
    """A tokenizer of another template."""
    return wordpiece(post_processor={**wordpiece()["post_processor"], **changes})


MODEL = wordpiece()["model"]
SENTENCE, SPECIAL = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ("{not json", "no JSON that can be read"),
    "a list": ([1], "it has no 'model'"),
    "no model": ({"a": 1}, "it has no 'model'; give a tokenizer.json"),
    "a model's configuration": ({"model": "bert"}, "it has no 'model'"),
    "another kind": (wordpiece(model={"type": "Neural"}), "of the type 'Neural'"),
    "damaged vocabulary": (wordpiece(model={**MODEL, "vocab": [1]}), "not a tokenizer that the tokenizers package"),
    "empty": (wordpiece(model={**MODEL, "vocab": {}}, added_tokens=[], post_processor=None), "without pieces"),
    "deep": (wordpiece(normalizer=nested(40)), "nested more than 32 deep"),
    "a pattern": (
        wordpiece(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}),
        r"pre_tokenizer.pattern has the regular expression '(a+)+$'",
    ),
    "a pattern in a list": (
        wordpiece(normalizer=replacing("b", pattern={"Regex": "(x|x)*y"})),
        "normalizer.normalizers[0].pattern has the regular expression '(x|x)*y'",
    ),
    "a pattern that is no text": (
        wordpiece(pre_tokenizer={"type": "Split", "pattern": {"Regex": ["a"]}, "behavior": "Isolated"}),
        "the regular expression",
    ),
    "a compiled map": (
        wordpiece(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "a compiled map of characters",
    ),
    "growth": (wordpiece(normalizer=replacing("a" * 8, times=3)), "makes up to 512 letters of one"),
    "growth at once": (wordpiece(normalizer=replacing("a" * 65)), "makes up to 65 letters of one"),
    "nothing replaced": (wordpiece(normalizer=replacing("b", pattern={"String": ""})), "replaces nothing"),
    "a long beginning": (
        wordpiece(normalizer={"type": "Prepend", "prepend": "a" * 65}), "puts 65 letters in front",
    ),
    "the sentence again": (around(single=[SENTENCE] * 100_000), "post_processor has the sentence 100000 times; once"),
    "special pieces": (around(single=[SENTENCE, *[SPECIAL] * 65]), "it puts 65 pieces around a sentence; 64 are"),
    "one of many numbers": (
        around(special_tokens={"[CLS]": {"id": "[CLS]", "ids": [2] * 1000, "tokens": ["[CLS]"] * 1000}}),
        "it puts 2000 pieces around a sentence",
    ),
    "random pieces": (wordpiece(model={**MODEL, "dropout": 0.1}), "pieces would be random"),
    "long words": (
        wordpiece(model={**MODEL, "max_input_chars_per_word": 10**9}), "max_input_chars_per_word is 1000000000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(name: str, tmp_path: Path) -> None:
    content, reason = REFUSED[name]
    path = tmp_path / "tokenizer.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ModelFormatError) as error:
        lrp.text.load_tokenizer(path)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_padding_that_names_no_piece_is_looked_for_by_its_usual_name(tmp_path: Path) -> None:
    path = write(tmp_path / "tokenizer.json", wordpiece(padding={"pad_token": "[NONE]"}))
    assert lrp.text.load_tokenizer(path).padding == (0, "[PAD]")


def test_pieces_that_are_added_and_damaged(tmp_path: Path) -> None:
    """One piece with two numbers: found by changing files at random."""
    around = wordpiece()["post_processor"]
    around["special_tokens"]["[CLS]"]["ids"] = [2, 2]
    path = write(tmp_path / "tokenizer.json", wordpiece(post_processor=around))
    with pytest.raises(ParameterError, match="the pieces that it adds have other names than numbers"):
        lrp.text.load_tokenizer(path).encode("not")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ModelFormatError, match="more than 67108864 bytes"):
        lrp.text.load_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("cut", range(0, 1000, 97))
def test_a_file_that_is_cut_off(cut: int, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(wordpiece())[:cut])
    with pytest.raises(ModelFormatError, match="no JSON"):
        lrp.text.load_tokenizer(tmp_path / "tokenizer.json")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    path = write(tmp_path / "tokenizer.json", wordpiece())
    with pytest.raises(MissingExtraError, match=r"pip install 'lrp-ref\[text\]'"):
        lrp.text.load_tokenizer(path)


def test_the_package_is_imported_for_a_tokenizer_file_only() -> None:
    code = "import sys, lrp_ref.cli, lrp_ref.text; print('tokenizers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
