"""What the README of the vectors promises: no question, answer or tolerance changes within a major version, every
change has a version and a tag, and the generator alone writes the files."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vector_generator import write

from lrp_ref import vectors
from lrp_ref.vectors import files
from lrp_ref.vectors.cases import Release

V1 = Path(vectors.__file__).parent / "v1"
MANIFEST = json.loads((V1 / "manifest.json").read_text())
FILES = {name: json.loads((V1 / name).read_text()) for name in MANIFEST["files"]}
README = (V1 / "README.md").read_text()
WORDS = {"catches", "note"}  # of a case: what is no part of the question and of the answer

# All questions and answers that a version has, by id. A version that changes one is 2.0.0, in a folder of its own; a
# line is added here for every version, and none is ever changed.
ASKED = {
    "1.0.0": "0f25581d361c3aab5ddf88842a21110e4672ccc3ff177ba13a526ce44ca961e8",
    "1.1.0": "24382afdc2adb8f49b05ad0b101bbb29fd1401251e8197d3f65986595cab68b7",
    "1.2.0": "fd0be657d1e90b209fc6c7c1faa076ea041a84dcccadd77f08377291e61070c0",
    "1.3.0": "69ae423ef4966276cb191dd02a61f3036a5190ab7f6558fae70812008de8fb5a",
}


def digest(found_in: dict[str, Any], version: str) -> str:
    """The digest of all cases that a version has, in the order of their ids, without their words."""
    whole = hashlib.sha256()
    cases = [
        case for found in found_in.values() if numbers(found["version"]) <= numbers(version) for case in found["cases"]
    ]
    for case in sorted(cases, key=lambda case: str(case["id"])):
        asked = {key: value for key, value in case.items() if key not in WORDS}
        whole.update(json.dumps(asked, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return whole.hexdigest()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.mark.parametrize("version", ASKED)
def test_no_question_and_no_answer_of_a_version_has_changed(version: str) -> None:
    assert digest(FILES, version) == ASKED[version]


def test_the_newest_version_is_frozen_too() -> None:
    assert max(ASKED, key=numbers) == MANIFEST["version"]
    assert max((found["version"] for found in FILES.values()), key=numbers) <= MANIFEST["version"]


def first(case: dict[str, Any], key: str) -> Any:
    value = case[key]
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (lambda case: first(case, "relevance_in")["decimal"].__setitem__(0, "0.5000001"), True),
        (lambda case: first(case, "inputs")["decimal"].__setitem__(0, "0.5000001"), True),
        (lambda case: case["layer"]["weight"]["exact"].__setitem__(0, "1/7"), True),
        (lambda case: case["tolerance"].update(ulp=case["tolerance"]["ulp"] + 1), True),
        (lambda case: case["tolerance"]["scale"][0]["decimal"].__setitem__(0, "99"), True),
        (lambda case: case.update(id="core/dense/renamed"), True),
        (lambda case: case.update(choice={"topic": "a", "option": "b"}), True),
        (lambda case: case.update(expect="refuse"), True),
        (lambda case: case.update(note="other words"), False),
        (lambda case: case.update(catches=[]), False),
    ],
)
def test_a_changed_answer_is_seen_and_changed_words_are_not(spoil: Callable[[dict[str, Any]], Any], seen: bool) -> None:
    spoiled = copy.deepcopy(FILES)
    spoil(spoiled["core/dense.json"]["cases"][5])
    assert (digest(spoiled, "1.0.0") != ASKED["1.0.0"]) is seen


def test_a_case_that_is_taken_away_or_added_to_an_old_file_is_seen() -> None:
    spoiled = copy.deepcopy(FILES)
    case = spoiled["core/dense.json"]["cases"].pop()
    assert digest(spoiled, "1.2.0") != ASKED["1.2.0"]
    spoiled["core/dense.json"]["cases"] += [case, {**case, "id": "core/dense/another"}]
    assert digest(spoiled, "1.2.0") != ASKED["1.2.0"]


# Version and tag -------------------------------------------------------------------------------------------------


def rows() -> list[tuple[str, str]]:
    """Version and tag of the README's table."""
    return re.findall(r"^\| (\d+\.\d+\.\d+) \| ([\d.]*) *\| ", README, re.M)


def test_the_manifest_s_version_and_tag_are_the_last_of_the_readme() -> None:
    assert rows()[-1] == (MANIFEST["version"], MANIFEST["tag"]) == (write.VERSION, write.TAG)
    versions, tags = zip(*rows(), strict=True)
    assert list(versions) == sorted(versions, key=numbers)
    assert set(versions) == set(ASKED)
    given = [tag for tag in tags if tag]
    assert given == sorted(set(given), key=numbers), "a tag is never used twice, and time goes on"
    assert all(re.fullmatch(r"20\d\d\.(0[1-9]|1[0-2])(\.[1-9]\d*)?", tag) for tag in given)


def test_every_file_says_a_version_that_there_was() -> None:
    assert {found["version"] for found in FILES.values()} <= {version for version, _ in rows()}


def test_the_readme_counts_what_there_is() -> None:
    counts = dict.fromkeys(("core", "alternatives", "networks", "faulty"), 0)
    for name, entry in MANIFEST["files"].items():
        counts[name.partition("/")[0]] += entry["cases"]
    total, *each = map(int, re.search(r"^(\d+) cases: (\d+) of core, (\d+) alternatives, (\d+) networks, (\d+) faulty",
                                      README, re.M).groups())  # type: ignore[union-attr]  # fmt: skip
    assert (total, each) == (sum(counts.values()), list(counts.values()))


def test_the_policy_is_stated() -> None:
    policy = " ".join(README.partition("## Versions")[2].partition("## Flags")[0].split())
    for sentence in ("a question, an answer, a tolerance or a topic's option is another one", "cases are added",
                     "All files but the words and schemas are written by the generator alone"):  # fmt: skip
        assert sentence in policy


def test_a_release_is_read_and_told() -> None:
    assert {case.release for case in vectors.load()} == {Release(MANIFEST["version"], MANIFEST["tag"])}
    assert str(vectors.load()[0].release) == f"lrp-vectors {MANIFEST['version']} ({MANIFEST['tag']})"
    assert str(Release("1.0.0")) == "lrp-vectors 1.0.0"


# Written by the generator alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["core/small.json", "faults/core.json"])
def test_a_file_changed_by_hand_is_seen(name: str, tmp_path: Path) -> None:
    """Even by a blank: by whoever has the files, and by ``test_the_generator_gives_the_same_bytes``, also with a new
    digest in the manifest."""
    changed = tmp_path / "v1"
    files.export(changed)
    assert files.check(changed)[1] == []
    path, manifest = changed / name, changed / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")
    assert any(line.startswith(f"{name}: its SHA-256") for line in files.check(changed)[1])
    told = manifest.read_text()
    entry = {**MANIFEST["files"], **MANIFEST["faults"]}[name]
    manifest.write_text(told.replace(entry["sha256"], hashlib.sha256(path.read_bytes()).hexdigest()))
    assert files.check(changed)[1] == []
    if name == "core/small.json":
        assert write.text_of(name, write.cases_of(name)).encode() == (V1 / name).read_bytes() != path.read_bytes()
