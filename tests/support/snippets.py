"""The code blocks of Markdown pages, and what they print when they are pasted into a fresh interpreter or a shell.

What the first word after the three backquotes means:

- ``python``: runs by itself. ``# → text`` at the end of a line is what that line prints. With a file name behind it
  (``python my_adapter.py``) the block is also what the page's shell blocks find in that file.
- ``sh``: commands that run, one after another; ``# exit status 1`` at the end of a line says so.
- ``text`` directly below one of the two: what it prints; ``…`` stands for anything within a line, and alone in a line
  for any lines. Elsewhere: to be read, such as a synopsis with placeholders in capitals.
- ``javascript``, ``html``, ``yaml``: files that shell blocks find, or that a test of the page's subject looks at.
- ``math``, ``json``: to be read.
- a word in braces, such as ``{code-cell}``: of a lesson, whose cells run when the site is built, or of its navigation.
- ``diff``: what a recipe changes in a file; ``tests/house/test_contributing.py`` does so.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = ("node_modules", "reference", "_build")  # folders of docs/ that others fill
DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if not {*page.parts} & {*MADE})
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "models/README.md", "lrp_ref/vectors/v1/README.md")),
    # The blocks of that page also print what PyTorch's exporters say; its own test runs them.
    *(page for page in DOCS if page.name != "pytorch.md"),
]
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)

# Programs whose commands are not run: they install, download, copy, serve or train, are this very test run, or are
# another language's, which the test of the page's subject runs.
SET_UP = re.compile(
    r"(python3 -m venv|\S*python -m (pip|pytest|http\.server)|pip|apt-get|npm|node|cp|python models/make/"
    r"|\S*(ruff|mypy)\b|make|git)\b"
)


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Attributes:
        page: the file.
        line: of the opening backquotes, from 1.
        kind: the first word behind them.
        file: the second word: the file that the block is.
        code: the text between.
        printed: the text block directly below, which says what this one prints; None if there is none.
    """

    page: Path
    line: int
    kind: str
    file: str
    code: str
    printed: str | None = None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix() if ROOT in self.page.parents else self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    made = []
    for k, match in enumerate(found):
        kind, _, file = match[1].strip().partition(" ")
        below = found[k + 1] if k + 1 < len(found) else None
        shown = below is not None and below[1].strip() == "text" and not text[match.end() : below.start()].strip()
        printed = below[2] if below is not None and shown and kind in ("python", "sh") else None
        made.append(Block(page, text[: match.start()].count("\n") + 1, kind, file, match[2], printed))
    return made


def shell(code: str) -> list[str]:
    """Return the commands of a shell block that are run: those of this package."""
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [p.removeprefix(".venv/bin/") for p in parts if p and not p.startswith("#") and not SET_UP.match(p)]


def paste(block: Block, folder: Path) -> tuple[int, str, str]:
    """Run a block alone, in a folder where only ``models`` lies; return the exit status and what was printed."""
    (folder / "models").symlink_to(ROOT / "models")
    programs = folder / ".programs"
    programs.mkdir()
    for name, module in (("lrp-ref", "-m lrp_ref "), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        (programs / name).chmod(0o755)
    if block.kind == "python":
        command = [sys.executable, "-c", block.code]
    else:
        for other in blocks(block.page):
            if other.file:
                (folder / other.file).write_text(other.code)
        lines = [f"{line}\n[ $? -eq {1 if '# exit status 1' in line else 0} ] || exit 9" for line in shell(block.code)]
        command = ["/bin/sh", "-c", "\n".join(lines)]
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path, "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    done = subprocess.run(
        command, cwd=folder, env=environment, input="", capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


def arrows(code: str) -> list[str]:
    """Return what the lines of a Python block print, by their comments ``# → text``."""
    return [line.split("# → ")[1].strip() for line in code.splitlines() if "# → " in line]


def matches(printed: str, expected: str) -> bool:
    """Whether a text is what a page shows: spaces and drawn lines do not count, … stands for anything."""

    def words(text: str) -> list[str]:
        lines = (" ".join(line.split()) for line in text.splitlines() if not re.fullmatch(r"[\s─-]+", line))
        return [line for line in lines if line]

    pattern = ""
    for line in words(expected):
        pattern += r"(?:[^\n]*\n)*?" if line == "…" else re.escape(line).replace("…", r"[^\n]*") + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in words(printed))) is not None
