"""What is public is documented, and what a page points to is there."""

import ast
import dataclasses
import importlib
import inspect
import io
import re
import tomllib
from pathlib import Path
from tokenize import COMMENT, generate_tokens
from typing import Any

import pytest
from snippets import DOCS, PAGES

import lrp_ref as lrp
from lrp_ref.cli import main

ROOT = Path(__file__).parents[2]
MODULES = [
    lrp.arithmetic, lrp.bilrp, lrp.composites, lrp.edits, lrp.errors, lrp.evaluate, lrp.evaluate.known,
    lrp.evaluate.quantus, lrp.exercises, lrp.heatmap, lrp.layers, lrp.methods, lrp.pages, lrp.rules, lrp.scale,
    lrp.spray, lrp.start, lrp.text, lrp.units,
]  # fmt: skip


def public_objects() -> list[tuple[str, Any]]:
    found = {f"lrp.{name}": getattr(lrp, name) for name in lrp.__all__}
    for module in MODULES:
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("lrp_ref")
            if not name.startswith("_") and ours and (inspect.isclass(value) or inspect.isfunction(value)):
                found[f"{module.__name__}.{name}"] = value
    return sorted(found.items())


@pytest.mark.parametrize(("name", "value"), public_objects(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_public_name_is_documented(name: str, value: Any) -> None:
    text = inspect.getdoc(value) or ""
    assert len(text) > 10, name
    # The constructor signature that dataclasses write is no documentation.
    assert not re.fullmatch(r"\w+\(.*\)", text.strip(), re.S), name
    if inspect.isclass(value):
        for key, member in vars(value).items():
            if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(getattr(value, key)), f"{name}.{key}"


@pytest.mark.parametrize("name", [n for n in lrp.rules.RULES if n not in ("Product", "Recurrent", "Selection")])
def test_every_rule_prints_its_formula_and_its_parameters(name: str) -> None:
    rule = lrp.rules.RULES[name](0, 1) if name == "ZBox" else lrp.rules.RULES[name]()
    assert rule.formula().startswith("R_i = ")
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        assert not field.repr or value is None or f"{field.name}=" in repr(rule)


def anchors(page: Path) -> set[str]:
    """The anchors that a reader on the web gets for the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    for found in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text()):
        target, _, anchor = next(t for t in found if t).partition("#")
        if target.startswith(("http", "reference/")):  # pages that the site makes; its own tests follow them
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), anchor


SOURCES = [
    path for folder in ("lrp_ref", "tests", "benchmarks", "models/make") for path in (ROOT / folder).rglob("*.py")
]
CONFIGURATION = [ROOT / name for name in ("pyproject.toml", "setup.cfg", "Makefile", "MANIFEST.in")]
NAMED_PATH = re.compile(
    r"(?<![\w./])((?:lrp_ref|tests|benchmarks|docs|models)/(?:[\w-]+/)*(?:[\w-]+\.(?:py|md|toml|json|npz|onnx|png|jpg)\b)?)"
)
NAMED_OBJECT = re.compile(r"(?<![\w./])lrp_ref(?:\.[A-Za-z_]\w*)+")


def told(path: Path) -> str:
    """What a file says to its reader: a page as a whole, of Python the comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text.partition("<!-- measured -->")[0]
    found = [token.string for token in generate_tokens(io.StringIO(text).readline) if token.type == COMMENT]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return "\n".join(found + [ast.get_docstring(n) or "" for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)])


def there(name: str) -> bool:
    """Whether a dotted name leads from module to module, and then to what these hold."""
    value: Any = lrp
    for k, part in enumerate(name.split(".")[1:], start=1):
        if not hasattr(value, part):
            try:
                importlib.import_module(".".join(name.split(".")[: k + 1]))
            except ModuleNotFoundError:
                return False
        value = getattr(value, part)
    return True


def lost(text: str) -> list[str]:
    """The paths and dotted names in a text that lead nowhere."""
    paths = [name for name in NAMED_PATH.findall(text) if not (ROOT / name).exists()]
    return paths + [name for name in NAMED_OBJECT.findall(text) if not there(name)]


def test_every_path_and_name_in_a_docstring_a_comment_or_a_page_exists() -> None:
    written = (EXAMPLES.sub("", told(path)) if path == ROOT / "CONTRIBUTING.md" else told(path) for path in EVERYWHERE)
    found = {path.relative_to(ROOT).as_posix(): lost(text) for path, text in zip(EVERYWHERE, written, strict=True)}
    assert {name: names for name, names in found.items() if names} == {}


EVERYWHERE = [*SOURCES, *CONFIGURATION, *PAGES]
EXAMPLES = re.compile(r"^```diff\n.*?^```$", re.M | re.S)  # which make new files


def test_a_lost_path_or_name_is_found() -> None:
    assert lost("see tests/test_rules.py, `lrp_ref/rules.py`") == ["tests/test_rules.py", "lrp_ref/rules.py"]
    assert lost(":mod:`lrp_ref.sharing`, but lrp_ref.rules.share.share") == ["lrp_ref.sharing"]
    assert lost("lrp_ref/rules/, lrp_ref/rules/share.py, lrp_ref.explain, lrp_ref.loaders.onnx.load.") == []


@pytest.mark.parametrize("listed", sorted((ROOT / "tests/mutation/surviving").glob("*.toml")), ids=lambda p: p.stem)
def test_the_survivors_of_mutation_are_lines_of_their_file(listed: Path) -> None:
    source = " ".join((ROOT / "lrp_ref").joinpath(*listed.stem.split(".")).with_suffix(".py").read_text().split())
    for change in tomllib.loads(listed.read_text())["change"]:
        assert " ".join(change["was"].split()) in source, change["was"]


def test_every_page_is_in_the_list_of_pages() -> None:
    """Of the lessons the first: the site lists all of them in their order. Of the gallery its own list."""
    docs = ROOT / "docs"
    listed = set(re.findall(r"\]\((\w[\w./-]*\.md)\)", (docs / "README.md").read_text()))
    first = {"course": "01-", "gallery": "README"}
    later = {p for p in DOCS if p.parent.name in first and not p.name.startswith(first[p.parent.name])}
    assert listed == {p.relative_to(docs).as_posix() for p in DOCS if p != docs / "README.md" and p not in later}


def test_every_command_has_one_line_in_the_list_of_commands() -> None:
    rows = [cells[0] for cells in table(ROOT / "docs" / "README.md", "command")]
    assert len(rows) == len(set(rows)), "a row twice"
    told = set(re.findall(r"`(?:lrp-ref )?([a-z]+(?:-[a-z]+)*)", " ".join(rows)))
    assert told == set(main.commands)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def table(page: Path, first: str) -> list[list[str]]:
    """The cells of a page's table whose head begins with ``first``."""
    lines = page.read_text().split(f"| {first}")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def test_the_readme_s_speed_is_that_of_the_full_table() -> None:
    """Each cell is from the least to the largest of the composites that were measured, four but for batch 8."""
    full = table(ROOT / "docs" / "speed.md", "network, batch")
    for name, *cells in table(ROOT / "README.md", "network, batch"):
        rows = [row for row in full if row[0] == name]
        assert len(rows) == (3 if name.endswith(", 8") else 4)
        for cell, column in zip(cells, (2, 3, 4, 8, 9), strict=True):
            found = sorted((row[column] for row in rows), key=lambda text: float(text.split()[0]))
            assert cell == f"{found[0].split()[0]}–{found[-1]}"


def test_the_versions_of_other_programs_are_stated_once() -> None:
    """In docs/trust.md; pages that are written from results carry theirs, docs/crosscheck.md what installs."""
    stated = r"(zennit|captum|iNNvestigate|toolbox|LRP_for_LSTM)\W{1,3}\d+\.\d+\.\d+"
    for page in PAGES:
        if page.name not in ("board.md", "crosscheck.md", "peers.md", "trust.md"):
            assert not re.search(stated, page.read_text()), page


@pytest.mark.parametrize("peer", lrp.peers.PEERS.values(), ids=lambda peer: peer.name)
def test_the_page_has_the_line_that_installs_a_program(peer: Any) -> None:
    page = (ROOT / "docs" / "crosscheck.md").read_text()
    line = "a clone of it" if peer.folder else f"`{peer.install}`"
    assert re.search(rf"^\| `{peer.name}` \|[^|]*\| {re.escape(line)}", page, re.M), line
