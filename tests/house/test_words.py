"""CONTRIBUTING.md gives each of its words one meaning, in names and in sentences of the package.

Other words for the same are found, and these words for something else. What is looked at are whole words: the parts of
a name, and the words of comments and docstrings.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import DOCS, ROOT

PACKAGE = ROOT / "lrp_ref"
FILES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", *DOCS]


class Words:
    """The words of a file.

    names: (line, name, its parts in small letters), behind ``def`` where it is defined. sentences: (line, text)
    of comments and strings.
    """

    def __init__(self, text: str) -> None:
        self.names: list[tuple[int, str, set[str]]] = []
        self.sentences: list[tuple[int, str]] = []
        before = ""
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                name = f"def {token.string}" if before == "def" else token.string
                self.names.append((token.start[0], name, parts(token.string)))
            elif token.type in (tokenize.COMMENT, tokenize.STRING):
                self.sentences.append((token.start[0], " ".join(token.string.replace("#", " ").split())))
            before = token.string


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


# (words, what to say instead, names that may have them)
DEAD_ANYWHERE = (
    (r"knowledge|remember\w*|memories|memoi[sz]\w*", "facts, cache, tape, prepared"),
)  # fmt: skip
DEAD_IN_NAMES = (
    (r"drop|drops|dropping", "left_out, for a head; dropped is the ledger's column", r"drop_softmax", ""),
    (r"known", "facts, in a class or constant", r"(def )?[a-z_]+", ""),
    (r"shared?|sharing|shares", "divided; relevance is shared", "may_share_memory", r"fast/(?!quotient)"),
    (r"shared?|sharing|shares", "divided; relevance is shared", "", r"propagation/workload"),
    (r"walk\w*", "steps_forward, steps_back: a walk is the way through a network", "", r"layers/|fast/|rules/|base/"),
    (r"run|runs", "forward, steps_forward: a run is a pass of a rule", r"Run|runs?", r"layers/|fast/"),
)  # fmt: skip
DEAD_IN_SENTENCES = (
    (r"(softmax|sigmoid|head)( or \w+)?( is| was| are)? dropped", "left out"),
    (r"drops? (a|the) (final|head|softmax|sigmoid)", "left out"),
    (r"(threads?|BLAS|processes|cores) (that )?(may |should |can |could )?shar(e|es|ed|ing)\b", "divide"),
    (r"(shared|share) (among|by|between) (the |all |several |as many )*threads", "divided among"),
)  # fmt: skip


def dead(words: Words, file: str) -> Iterator[str]:
    for pattern, instead, allowed, where in DEAD_IN_NAMES:
        if re.match(where, file):
            for line, name, its in words.names:
                if any(re.fullmatch(pattern, part) for part in its) and not re.fullmatch(allowed or "(?!)", name):
                    yield f"{file}:{line}: {name} (say {instead})"
    for pattern, instead in DEAD_ANYWHERE:
        for line, name, its in words.names:
            if any(re.fullmatch(pattern, part) for part in its):
                yield f"{file}:{line}: {name} (say {instead})"
    for line, text in words.sentences:
        yield from (f"{file}:{line}: {found}" for found in in_sentence(text))


def in_sentence(text: str) -> Iterator[str]:
    for pattern, instead in (*DEAD_ANYWHERE, *DEAD_IN_SENTENCES):
        for found in re.finditer(rf"\b({pattern})\b", text, re.I):
            yield f"'{found[0]}' (say {instead})"


def test_the_words_of_the_package_have_one_meaning() -> None:
    found = [said for f in FILES for said in dead(Words(f.read_text()), f.relative_to(PACKAGE).as_posix())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_words_of_the_pages_have_one_meaning(page: Path) -> None:
    assert not list(in_sentence(" ".join(page.read_text().split())))


@pytest.mark.parametrize(
    ("code", "file", "word"),
    [
        ("class Known: ...", "rules/prepared.py", "Known"),
        ("ALL_KNOWN = 1", "rules/prepared.py", "ALL_KNOWN"),
        ("def f(knowledge): ...", "rules/share.py", "knowledge"),
        ("# what was remembered of it", "network/network.py", "'remembered'"),
        ("def bare(net, drop): ...", "network/heads.py", "drop"),
        ("def drop(net): ...", "network/heads.py", "def drop"),
        ('"""A final softmax is dropped."""', "network/heads.py", "'softmax is dropped'"),
        ("# several threads share it", "fast/threads.py", "'threads share'"),
        ("class Sharing: ...", "propagation/workload.py", "Sharing"),
        ("shared_rows = 1", "fast/blocks.py", "shared_rows"),
        ("def walk_back(): ...", "layers/recurrent/steps.py", "def walk_back"),
        ("def run(weights): ...", "layers/recurrent/steps.py", "def run"),
        ("sum(run.sign for run in runs)", "layers/recurrent/back.py", ""),
        ("known = {1}", "rules/prepared.py", ""),
        ("dropped = drop_softmax", "network/heads.py", ""),
        ("# dropout, an unknown name, in memory", "network/heads.py", ""),
        ("def walk(net): ...", "propagation/walk.py", ""),
        ("stabiliser_share = share(z)", "rules/share.py", ""),
    ],
)
def test_a_dead_word_is_found(code: str, file: str, word: str) -> None:
    found = list(dead(Words(code + "\n"), file))
    assert ([said.split(": ")[1].partition(" (say")[0] for said in found] == [word]) if word else not found
