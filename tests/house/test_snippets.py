"""Every code block of the guides runs when it is pasted alone, and prints what the page says."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from snippets import PAGES, ROOT, Block, arrows, blocks, matches, paste, shell

from lrp_ref.peers import PEERS

BLOCKS = [block for page in PAGES for block in blocks(page)]
# The blocks of docs/hosts.md read each other's files; tests/export/test_hosts.py runs them in their order.
ALONE = [b for b in BLOCKS if b.page.name != "hosts.md"]
RUN = [b for b in ALONE if b.kind == "python" or (b.kind == "sh" and shell(b.code))]
KINDS = {"python", "sh", "text", "math", "json", "diff", "javascript", "html", "yaml"}


def skip_without(block: Block) -> None:
    """Skip a block that needs what is not installed: what it imports, or ONNX to read a model."""
    needed = set(re.findall(r"^(?:import|from) (\w+)", block.code, re.M)) - {"lrp_ref"}
    needed |= {"onnx"} if ".onnx" in block.code else set()
    needed |= {"torch"} if "torch_adapter" in block.code else set()
    needed |= {PEERS[name].module for name in re.findall(r"peer(?: |=\")(\w+)", block.code) if name in PEERS}
    needed |= {"flint"} if re.search(r"\bcertify|rational\(|identities", block.code) else set()
    needed |= {"sympy"} if "symbolic(" in block.code or "lrp-ref formula" in block.code else set()
    if re.search(r"\bnode ", block.code) and shutil.which("node") is None:
        pytest.skip("node is not installed")
    for module in sorted(needed):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_runs_when_it_is_pasted_alone(block: Block, tmp_path: Path) -> None:
    skip_without(block)
    status, out, err = paste(block, tmp_path)
    assert (status, err) == (0, ""), f"{block}\n{out}\n{err}"
    if arrows(block.code):
        assert [" ".join(line.split()) for line in out.splitlines()] == arrows(block.code), block
    if block.printed is not None:
        assert matches(out, block.printed), f"{block} prints\n{out}"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    """So that none is left out by its name; a command that is not run has a placeholder in capitals, or brackets."""
    assert block.kind in KINDS or re.fullmatch(r"\{[\w:-]+\}", block.kind)
    commands = re.findall(r"^(?:\$ )?lrp-ref .*", block.code, re.M)
    if block.kind != "sh":
        for command in commands:
            assert re.search(r"\b[A-Z]{3,}\b|\[.*\]|…", command.split("  ")[0]), command
    else:
        programs = {re.sub(r"^\w+=\S+ ", "", command).split()[0] for command in shell(block.code)}
        assert programs <= {"lrp-ref", "python"}, programs
        assert not re.search(r"lrp-ref [^#\n]*\b(MODEL|INPUT|FILE)\b", block.code)


def page(folder: Path, text: str) -> list[Block]:
    (folder / "page.md").write_text(text)
    return blocks(folder / "page.md")


@pytest.mark.parametrize(
    ("code", "works"),
    [
        ("import numpy as np\nprint(np.arange(3))  # → [0 1 2]", True),
        ("import numpy as np\nprint(np.arange(3))  # → [0 1 3]", False),
        ("print(np.arange(3))  # → [0 1 2]", False),
        ("import lrp_ref as lrp\nlrp.rules.Epsilon(0.1).formula()  # → anything", False),
    ],
)
def test_a_wrong_block_is_seen(code: str, works: bool, tmp_path: Path) -> None:
    (block,) = page(tmp_path, f"Text.\n\n```python\n{code}\n```\n")
    assert block.line == 3
    status, out, _ = paste(block, tmp_path)
    assert (status == 0 and out.split() == " ".join(arrows(code)).split()) is works


@pytest.mark.parametrize(
    ("commands", "works"),
    [
        ("lrp-ref --version", True),
        ("lrp-ref no-such-command\nlrp-ref --version", False),
        ("lrp-ref diff a.npz b.npz  # exit status 1\nlrp-ref --version", False),
        ("lrp-ref rules | python -c 'import sys; assert \"ZBox\" in sys.stdin.read()'", True),
    ],
)
def test_a_wrong_command_is_seen(commands: str, works: bool, tmp_path: Path) -> None:
    (block,) = page(tmp_path, f"```sh\n{commands}\n```\n")
    assert (paste(block, tmp_path)[0] == 0) is works


def test_the_first_command_is_run_without_its_installation() -> None:
    (first,) = re.findall(r"^python3 -m venv .*lrp-ref .*$", (ROOT / "README.md").read_text(), re.M)
    assert shell(first) == ["lrp-ref explain models/efficientnet_lite0.onnx models/samples/chelsea.png"]


def test_what_is_printed_is_compared() -> None:
    shown = "a  1.25\n…\nc  …  ok\n"
    assert matches("a 1.25\nb\nb\nc 3e-8 ok\n", shown)
    assert matches("a   1.25\n──────\nc 4 ok", shown)
    assert not matches("a 1.26\nc 3 ok\n", shown)
    assert not matches("a 1.25\nc 3 ok\nd\n", shown)
    assert not matches("a 1.25\nc 3\n", shown)


def test_a_text_belongs_to_the_block_directly_above(tmp_path: Path) -> None:
    first, _, second, _ = page(tmp_path, "```sh\nx\n```\n\n```text\ny\n```\n\n```sh\nx\n```\nso\n```text\ny\n```\n")
    assert (first.printed, second.printed) == ("y\n", None)
