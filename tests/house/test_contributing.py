"""The recipes of CONTRIBUTING.md, carried out in a copy of the project: followed to the letter they work, and a test
fails for each part that is left out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from snippets import ROOT, blocks

PAGE = ROOT / "CONTRIBUTING.md"
LINE = {block.line: block for block in blocks(PAGE)}


@dataclass(frozen=True)
class Change:
    """One part of a recipe: lines that stand in a file, and what stands there instead; without lines, at its end."""

    file: str
    before: str
    after: str

    def made(self, text: str) -> str:
        if not self.before:
            return text + self.after
        assert text.count(self.before) == 1, f"{self.file} has this {text.count(self.before)} times:\n{self.before}"
        return text.replace(self.before, self.after)


def changes(code: str) -> list[Change]:
    head, *lines = code.splitlines(keepends=True)
    file = head.removeprefix("+++ ").strip()
    parts = [part for part in re.split(r"^@@\n", "".join(lines), flags=re.M) if part]
    found = []
    for part in parts:
        rows = part.splitlines(keepends=True)
        assert all(row[0] in "+- " for row in rows), part
        before, after = ("".join(row[1:] for row in rows if row[0] in marks) for marks in ("- ", "+ "))
        found.append(Change(file, before, after))
    return found


@dataclass(frozen=True)
class Recipe:
    """A section of the page: its changes in their order, and the tests that it says to run."""

    changes: list[Change]
    tests: list[str]

    @staticmethod
    def of(title: str) -> Recipe:
        text = PAGE.read_text(encoding="utf-8")
        first = text[: text.index(f"\n## {title}\n")].count("\n") + 2
        last = first + text[text.index(f"\n## {title}\n") + 1 :].partition("\n## ")[0].count("\n")
        here = [block for line, block in LINE.items() if first <= line <= last]
        (command,) = (block.code for block in here if block.kind == "sh")
        return Recipe([c for b in here if b.kind == "diff" for c in changes(b.code)], shlex.split(command)[3:])


RECIPES = {
    title: Recipe.of(title)
    for title in (
        "Add a rule",
        "Add a layer",
        "Add a loader",
        "Add an adapter for another program",
        "Add an application to the gallery",
    )
}
# Of the tests that a recipe names: those that are about what is added, and those that look at tables.
ABOUT = {
    "Add a rule": "WPlus or wplus or every_registered or every_rule_and or every_rule_is_here or error_samples "
    "or (Dense-one and messages_sum)",
    "Add a layer": "(Softsign or softsign or every_registered or is_here or every_rule_and "
    "or every_activation or error_samples) and not read_and_run",
    "Add a loader": "columns or formats or suffixes",
    "Add an adapter for another program": "few_lines or every_adapter or no_program or guide",
    "Add an application to the gallery": "one-weight and not whole_run",
}  # fmt: skip
WRITTEN = "tests/loaders/test_onnx_write.py"
# What a part adds: the test that fails without it, or what Python says when that test's file is read.
RULES, LAYERS = "tests/core/rules", "tests/core/layers"
REFERENCE = "tests/site/test_reference_examples.py::test_every_registered_layer_and_rule_has_an_example"
PROGRAMS = "tests/peers/test_peer_table.py"
EVERY = "tests/gallery/test_every_application.py"
PUBLIC, FORMATS = "tests/house/test_declarations.py", "tests/loaders/test_loaders_formats.py"
MISSED = {
    "+class WPlus(Named):": (PUBLIC, "cannot import name 'WPlus'"),
    "+from .linear import": (PUBLIC, "name 'WPlus' is not defined"),
    '+    "WPlus",': (f"{PUBLIC}::test_every_rule_and_layer_is_public[rules]", ""),
    "+        WPlus, WSquare": (f"{RULES}/test_rules.py::test_every_registered_rule_has_samples", ""),
    "+def wplus(": ("tests/literal/test_literal.py", "no attribute 'wplus'"),
    "+    for plain in": ("tests/literal/test_literal.py::test_every_rule_is_here", ""),
    '+        ("WPlus", rules.WPlus': (f"{RULES}/test_rules.py::test_every_registered_rule_has_samples", ""),
    '+    "WPlus": "WPlus(': (f"{RULES}/test_rule_points.py::test_defaults[WPlus]", ""),
    "+    free =": (f"{RULES}/test_refusals.py::test_every_layer_and_rule_has_error_samples", ""),
    '+        "WPlus": "WPlus()"': (REFERENCE, ""),
    "+class Softsign(": (PUBLIC, "No module named 'lrp_ref.layers.softsign'"),
    "+from .softsign": (PUBLIC, "name 'Softsign' is not defined"),
    "+        Softsign,": (f"{LAYERS}/test_layers.py::test_every_registered_layer_has_samples", ""),
    '+    "Softsign",': (f"{PUBLIC}::test_every_rule_and_layer_is_public[layers]", ""),
    '+        "ReLU": [{}]': (f"{LAYERS}/test_layers.py::test_every_registered_layer_has_samples", ""),
    '+    "Softsign": lambda': (f"{LAYERS}/test_forward.py::test_activations_are_their_definitions[Softsign-0]", ""),
    "+    (layers.Softsign(), -3": (f"{LAYERS}/test_activations.py::test_every_activation_is_here", ""),
    "+    (layers.Softsign, {})": (f"{LAYERS}/test_activations.py::test_every_activation_is_here", ""),
    "+    (layers.Softsign(), YES": (
        f"{LAYERS}/test_layer_values.py::test_every_activation_that_tells_the_sign_is_among_them", ""
    ),
    "+    Softsign,": (WRITTEN, "name 'Softsign' is not defined"),
    '+    Softsign: "Softsign"': (f"{WRITTEN}::test_every_layer_is_here_or_among_those_that_cannot_be_written", ""),
    '+    "Softsign": _of(': (REFERENCE, ""),
    "+LIMIT": (FORMATS, "No module named 'lrp_ref.loaders.columns'"),
    '+    Format((".columns"': (
        f"{FORMATS}::test_every_module_of_a_format_is_in_the_table_and_no_other_reads_networks", ""
    ),
    "+def columns_file": (FORMATS, "name 'columns_file' is not defined"),
    '+    "columns": columns': (f"{FORMATS}::test_a_file_of_each_format_is_read[columns]", ""),
    "+def record(": (f"{PROGRAMS}::test_every_program_has_an_adapter[few_lines]", ""),
    "+| `few_lines`": (f"{PROGRAMS}::test_the_guide_lists_every_program_with_how_it_is_installed", ""),
    '+        _peer("few_lines"': (f"{PROGRAMS}::test_every_adapter_is_of_a_program", ""),
    "+APPLICATION = Application(": (f"{EVERY}::test_a_quick_run_works[one-weight]", "not found"),
}  # fmt: skip
PARTS = [(title, k) for title, recipe in RECIPES.items() for k in range(len(recipe.changes))]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in ("lrp_ref", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.json", ".hypothesis"))
    shutil.copytree(ROOT / "docs" / "_ext", folder / "docs" / "_ext")
    for name in ("pyproject.toml", "setup.cfg", "docs/crosscheck.md"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def carried_out(folder: Path, parts: list[Change], *arguments: str) -> tuple[int, str]:
    """Change the copy, run tests, change it back; return the exit status and what was printed."""
    told: dict[Path, str | None] = {}
    try:
        for part in parts:
            path = folder / part.file
            told.setdefault(path, path.read_text(encoding="utf-8") if path.exists() else None)
            path.write_text(part.made(path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *arguments],
            cwd=folder, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr
    finally:
        for path, text in told.items():
            path.unlink() if text is None else path.write_text(text, encoding="utf-8")


def label(part: tuple[str, int]) -> str:
    title, k = part
    return f"{title} without part {k + 1}, {RECIPES[title].changes[k].file}"


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_works(title: str, copy: Path) -> None:
    recipe = RECIPES[title]
    status, printed = carried_out(copy, recipe.changes, *recipe.tests, "-k", ABOUT[title])
    assert status == 0, printed


@pytest.mark.parametrize("part", PARTS, ids=label)
def test_no_part_of_a_recipe_can_be_left_out(part: tuple[str, int], copy: Path) -> None:
    title, k = part
    left_out = RECIPES[title].changes[k]
    added = "".join(f"+{line}" for line in left_out.after.splitlines(keepends=True))
    ((test, words),) = (missed for head, missed in MISSED.items() if head in added)
    status, printed = carried_out(copy, [c for c in RECIPES[title].changes if c is not left_out], test)
    assert status != 0
    assert (words or f"FAILED {test}") in printed, printed


def test_the_recipes_change_what_they_say() -> None:
    assert [len(recipe.changes) for recipe in RECIPES.values()] == [10, 12, 4, 3, 1]
    for recipe in RECIPES.values():
        for change in recipe.changes:
            path = ROOT / change.file
            assert change.made(path.read_text(encoding="utf-8") if path.exists() else "") != change.before
