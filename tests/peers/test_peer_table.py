"""The table of other programs and the folder of their adapters hold the same, and each adapter is what it has to be."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import Dense, ReLU
from lrp_ref.peers import PEERS, find

FOLDER = Path(lrp.peers.__file__).parent / "adapters"
RULES = "_rules"  # beside an adapter: the names of its rules
FILES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "__init__")
LONGEST = 60  # lines of an adapter


@pytest.mark.parametrize("name", PEERS)
def test_every_program_has_an_adapter(name: str) -> None:
    peer = find(name)
    assert callable(peer.load().record)
    assert name == peer.name
    assert peer.install
    assert peer.module or peer.folder


def test_every_adapter_is_of_a_program() -> None:
    assert {path.stem.removesuffix(RULES) for path in FILES} == {peer.adapter or peer.name for peer in PEERS.values()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_adapter_is_short_and_imports_its_program_when_it_is_asked(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST or path.stem.endswith(RULES)
    tree = ast.parse(text)
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    top |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level}
    foreign = {name.partition(".")[0] for name in top} - set(sys.stdlib_module_names) - {"numpy"}
    assert not foreign


def test_reading_the_adapters_imports_no_program() -> None:
    names = ", ".join(repr(name) for name in PEERS)
    code = (
        "import sys\nfrom lrp_ref.peers import find\n"
        f"for name in ({names},):\n    find(name).load()\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'torch', 'tensorflow', 'zennit', 'captum', 'lxt', 'transformers', 'autolrp', 'hilrp', 'innvestigate'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", PEERS)
def test_a_program_that_is_here_agrees_where_nothing_differs(name: str) -> None:
    """ε on dense layers without zeros in denominators: the same everywhere, but for what two programs are known for."""
    peer = find(name)
    if not peer.module or importlib.util.find_spec(peer.module) is None:
        pytest.skip(f"{peer.title} is not installed" if peer.module else f"{peer.title} is no package")
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((4, 5), (5, 3))]
    net = lrp.Network.sequential([("fc0", Dense(weights[0], np.ones(5))), ("relu", ReLU()), ("fc1", Dense(weights[1]))])
    found = lrp.crosscheck(net, rng.normal(size=(2, 4)), peer=name, composite="epsilon", target=1)
    known = {"autolrp": "bias-by-magnitude", "lxt": "eps-unsigned"}
    assert known[name] in found.reason if name in known else found.equal, found


def test_the_guide_lists_every_program_with_how_it_is_installed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "crosscheck.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", page, re.M))
    assert listed.keys() == PEERS.keys()
    for name, peer in PEERS.items():
        assert "--folder DIR" in listed[name] if peer.folder else f"`{peer.install}`" in listed[name]
