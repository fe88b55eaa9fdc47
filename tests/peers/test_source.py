"""Programs that are folders: found under their own names for as long as they run, and nothing of them stays."""

from __future__ import annotations

import code
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from peer_places import folder_of
from surroundings import differences, surroundings
from written_program import PEER, write

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.layers import AveragePool, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.peers import NoRule, PeerError, Task, find
from lrp_ref.peers.source import Provided, package


def package_in(folder: Path, name: str, **files: str) -> Path:
    for file, text in {"__init__": "", **files}.items():
        path = folder / name / f"{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_package_with_the_name_of_another_is_found_and_taken_away(tmp_path: Path) -> None:
    """``code`` is a module of Python's own, which this program hides from everybody who imports it meanwhile."""
    package_in(
        tmp_path, "code", a="from code.b import number\nfrom . import b\nvalue = number + b.number", b="number = 3"
    )
    before = surroundings()
    with package(tmp_path, "code") as part:
        assert part("a").value == 6
        assert part("").__file__ == str(tmp_path / "code" / "__init__.py")
        assert sys.modules["code"] is not code
    assert sys.modules["code"] is code
    assert differences(before, surroundings()) == []
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_single_file_is_found_with_what_stands_in_for_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "propagator.py").write_text(
        "from utils import word\nimport importlib.util\ngone = importlib.util.find_spec('json')"
    )
    (tmp_path / "utils.py").write_text("import surely_not_there")
    utils = ModuleType("utils")
    utils.word = "given"  # type: ignore[attr-defined]
    before = surroundings()
    with package(tmp_path, "propagator", given={"utils": utils}, hidden=("json",)) as part:
        assert part("").word == "given"
        assert part("").gone is None
    import json

    assert json.loads("1") == 1
    assert differences(before, surroundings()) == []


@pytest.mark.parametrize("where", ["import", "use"])
def test_after_an_error_nothing_stays_either(where: str, tmp_path: Path) -> None:
    package_in(tmp_path, "modules", broken="raise RuntimeError('broken')")
    before = surroundings()

    def fail() -> None:
        with package(tmp_path, "modules", hidden=("cupy",)) as part:
            part("broken" if where == "import" else "")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert differences(before, surroundings()) == []


def test_a_folder_without_the_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="holds no 'modules', which is the program"), package(tmp_path, "modules"):
        pass


def test_a_name_that_numpy_has_lost_is_given_to_the_program_alone() -> None:
    given = Provided(np, float=float, Inf=np.inf)
    assert given.zeros(2, dtype=given.float).dtype == np.float64
    assert given.linalg is np.linalg
    assert not hasattr(np, "Inf")
    assert not hasattr(np, "float")


# The programs themselves


def small() -> lrp.Network:
    rng = np.random.default_rng(1)
    conv = Conv(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), padding=1)
    layers = [conv, ReLU(), AveragePool(2), MaxPool(2), Flatten(), Dense(rng.normal(size=(12, 3)), rng.normal(size=3))]
    return lrp.Network.sequential(layers)


def ask(peer: str, folder: Path, rule: Any) -> Callable[[], Any]:
    net = small()
    x = np.random.default_rng(2).normal(size=(2, 2, 8, 8))
    asked = {n.name: rule for n in net.nodes if isinstance(n.layer, Conv | Dense)}
    task = Task(net, {"input": x}, asked, net.forward(x))
    return lambda: find(peer).load().record(task, folder)


@pytest.mark.parametrize("peer", ["toolbox", "torchlrp", "pytorch_lrp", "relevance_propagation"])
def test_a_program_leaves_everything_as_it_was(peer: str) -> None:
    folder = folder_of(peer)
    if peer != "toolbox":
        pytest.importorskip("torch")
    record = ask(peer, folder, rules.Epsilon(0.1))
    record()  # the first time brings packages that stay, as any import does
    before, files = surroundings(), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    found = record()
    assert found.trace.relevance
    assert differences(before, surroundings()) == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    for name, array in record().trace.relevance.items():
        np.testing.assert_array_equal(array, found.trace.relevance[name])


@pytest.mark.parametrize("peer", ["toolbox", "torchlrp", "pytorch_lrp", "relevance_propagation"])
def test_a_program_leaves_everything_as_it_was_where_it_refuses(peer: str) -> None:
    folder = folder_of(peer)
    if peer != "toolbox":
        pytest.importorskip("torch")
    record = ask(peer, folder, rules.Flat() if peer != "toolbox" else rules.Gamma())
    outcomes = []
    for _ in range(2):
        before = surroundings()
        try:
            outcomes.append(set(record().left_out))
        except NoRule:
            outcomes.append({"dense1"})
    assert outcomes[-1] == {"dense1"}
    assert differences(before, surroundings()) == []


@pytest.mark.parametrize("first", ["pass", "raise ValueError('no')"])
def test_a_program_of_one_function_leaves_everything_as_it_was(first: str, tmp_path: Path) -> None:
    net = lrp.Network.sequential([("fc", Dense(np.eye(2)))])
    task = Task(net, {"input": np.ones((1, 2))}, {"fc": rules.Epsilon(0.1)}, np.ones((1, 2)))
    folder, before = write(tmp_path, first=first), surroundings()
    if first == "pass":
        find(PEER).load().record(task, folder)
    else:
        with pytest.raises(ValueError, match="no"):
            find(PEER).load().record(task, folder)
    assert differences(before, surroundings()) == []


def test_lrp_for_lstm_reads_no_pickle_of_its_folder(tmp_path: Path) -> None:
    """Its own loader would: weights come from the network, and the folder's model stays unread."""
    real = folder_of(PEER)
    for name in ("LSTM/__init__.py", "__init__.py", "LSTM/LSTM_bidi.py", "LSTM/LRP_linear_layer.py"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_bytes((real / "code" / name).read_bytes())
    rng = np.random.default_rng(0)
    from lrp_ref.layers import LSTM

    layer = LSTM(
        rng.normal(size=(2, 4, 3, 5)),
        rng.normal(size=(2, 4, 3, 3)),
        rng.normal(size=(2, 4, 3)),
        "bidirectional",
        "last",
    )
    net = lrp.Network.sequential([("lstm", layer), ("scores", Dense(rng.normal(size=(6, 4))))])
    x = rng.normal(size=(3, 7, 5))
    scores = net.forward(x)
    start = np.where(np.arange(4) == np.array([[2], [0], [3]]), scores, 0)
    rule = rules.Epsilon(0.01)
    found = find(PEER).load().record(Task(net, {"input": x}, {"lstm": rule, "scores": rule}, start), tmp_path)
    np.testing.assert_allclose(found.trace.values["scores"], scores, rtol=1e-12)
    assert found.trace.relevance["input"].shape == x.shape
    assert found.trace.relevance["lstm"].shape == (3, 6)
    z = found.trace.values["lstm"] @ net["scores"].layer.weight  # its ε-rule on the scores, written out
    back = start / np.where(z >= 0, z + 0.01, z - 0.01)
    np.testing.assert_allclose(
        found.trace.relevance["lstm"], found.trace.values["lstm"] * (back @ net["scores"].layer.weight.T), rtol=1e-11
    )
