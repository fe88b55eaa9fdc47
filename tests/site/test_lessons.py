"""The lessons have one form, and each runs as the plain Python that the site offers."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "docs" / "course"
LESSONS = sorted(COURSE.glob("[0-9][0-9]-*.md"))


def extension() -> ModuleType:
    """docs/_ext/lessons.py, which needs neither Sphinx nor a package of npm."""
    spec = importlib.util.spec_from_file_location("lessons", ROOT / "docs" / "_ext" / "lessons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lessons: Any = extension()


def needs(code: str) -> None:
    """Skip where a lesson reads what is not installed."""
    for module, sign in (("onnx", ".onnx"), ("sympy", "symbolic("), ("flint", "certify(")):
        if sign in code and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def test_the_lessons_are_numbered_from_one() -> None:
    assert [int(path.name[:2]) for path in LESSONS] == list(range(1, len(LESSONS) + 1))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_has_the_form_of_all(lesson: Path) -> None:
    text = lesson.read_text(encoding="utf-8")
    assert re.findall(r"^# (\d+)\. ", text, re.M) == [str(int(lesson.name[:2]))]
    minutes = re.search(r"(\d+) minutes", text)
    assert minutes is not None
    assert int(minutes[1]) <= 20
    assert len(re.findall(r"^:::+\{admonition\} Predict", text, re.M)) >= 2
    assert text.count("hide-cell") >= 3
    assert len(re.findall(r"^#{2,3} Exercise|^\*\*Exercise|^:::+\{admonition\} Exercise", text, re.M)) >= 1
    code = "\n".join(source for kind, source in lessons.cells(text) if kind == "code")
    assert "assert " in code
    known = re.search(r"^## What you know now\n+((?:- .*\n(?:  .*\n)*)+)", text, re.M)
    assert known is not None
    assert len(re.findall(r"^- ", known[1], re.M)) == 3
    assert re.search(r"^(## Sources$|\*Sources: )", text, re.M)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_imports_only_what_the_package_needs(lesson: Path) -> None:
    for kind, source in lessons.cells(lesson.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(source)) if kind == "code" else ():
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in {"lrp_ref", "numpy", "PIL", *sys.stdlib_module_names}, name


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_runs_as_plain_python(lesson: Path, tmp_path: Path) -> None:
    text = lesson.read_text(encoding="utf-8")
    needs(text)
    script = tmp_path / f"{lesson.stem}.py"
    script.write_text(lessons.script(text, lesson.name), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=COURSE, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


LESSON = """\
---
file_format: mystnb
---

# 1. A lesson

:::{admonition} Predict
:class: tip
How much is 1 + 1?
:::

```{code-cell}
:tags: [hide-cell]

x = 1 + 1  # two
x
```

Then.
"""


def test_a_script_prints_what_a_notebook_shows() -> None:
    made = lessons.script(LESSON, "01.md")
    assert made.splitlines()[2:] == [
        "# # 1. A lesson", "#", "# **Predict.**", "#", "# How much is 1 + 1?", "", "x = 1 + 1  # two", "print(x)", "",
        "# Then.",
    ]  # fmt: skip
    assert lessons.shown("print(1)") == "print(1)"
    assert lessons.shown("y = 1") == "y = 1"
    assert lessons.shown("f(\n    1,\n)  # shown") == "print(f(\n    1,\n))"


def test_a_notebook_has_the_same_cells() -> None:
    made = json.loads(lessons.notebook(LESSON))
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "code", "markdown"]
    assert made["cells"][1]["source"] == "x = 1 + 1  # two\nx"


def test_a_wrong_assertion_fails_as_plain_python(tmp_path: Path) -> None:
    script = tmp_path / "planted.py"
    script.write_text(lessons.script(LESSON.replace("x\n```", "assert x == 3\n```"), "01.md"), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
