"""Traces of programs that nobody knows here: entries under names of their own, and a map of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.peers import trace_from_npz

OUT, R = np.array([[1.0, -2.0]]), np.array([[0.25, 0.5]])
FREE = {"layer/conv1/out": OUT, "layer/conv1/R_out": R, "layer/fc/out": 2 * OUT, "layer/fc/R_out": 2 * R, "x": 3 * OUT}


def written(folder: Path, **entries: Any) -> Path:
    np.savez(folder / "theirs.npz", **entries)
    return folder / "theirs.npz"


def test_entries_are_named_one_by_one_or_by_a_pattern(tmp_path: Path) -> None:
    path = written(tmp_path, **FREE)
    one = {"value/input": "x", "relevance/c": "layer/conv1/R_out", "value/c": "layer/conv1/out"}
    trace = trace_from_npz(path, one)
    assert {name: a.tolist() for name, a in trace.values.items()} == {"input": (3 * OUT).tolist(), "c": OUT.tolist()}
    assert {name: a.tolist() for name, a in trace.relevance.items()} == {"c": R.tolist()}
    trace = trace_from_npz(path, {"value/*": "layer/*/out", "relevance/net.*": "layer/*/R_out"})
    assert (list(trace.values), list(trace.relevance)) == (["conv1", "fc"], ["net.conv1", "net.fc"])
    assert trace.relevance["net.fc"].tolist() == (2 * R).tolist()
    (tmp_path / "names.json").write_text(json.dumps(one))
    assert list(trace_from_npz(path, tmp_path / "names.json").values) == ["input", "c"]


def test_a_file_that_is_a_trace_needs_no_map_and_takes_other_names(tmp_path: Path) -> None:
    path = written(tmp_path, **{"value/a": OUT, "relevance/a": R, "value/b": 2 * OUT})
    assert trace_from_npz(path).values["a"].tolist() == OUT.tolist()
    trace = trace_from_npz(path, {"conv": "a"})
    assert (sorted(trace.values), sorted(trace.relevance)) == (["b", "conv"], ["conv"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"value/c": "layer/conv1/oud"}, "did you mean 'layer/conv1/out'? known: layer/conv1/R_out, layer/conv1/out"),
        ({"relevance/*": "block/*/R"}, "unknown entry of"),
        ({"relevance/*": "layer/conv1/out"}, "one * on both sides stands for any text, or none on either"),
        ({"relevance/c": "layer/*/out"}, "one * on both sides"),
        (
            {"c": "layer/conv1/out"},
            "is entry 'layer/conv1/out' a value or a relevance? Name it 'value/c' or 'relevance/c'",
        ),
        ({"c": "nothing"}, "known: layer/conv1/R_out"),
    ],
)
def test_names_that_are_not_there_are_refused_with_all_that_are(names: Any, told: str, tmp_path: Path) -> None:
    path = written(tmp_path, **FREE)
    with pytest.raises(ParameterError) as error:
        trace_from_npz(path, names)
    assert told in str(error.value)
    assert str(path) in str(error.value) or "one *" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "is a JSON object of texts"), ('{"a": 1}', "is a JSON object of texts"), ("{", "no JSON"),
        ("[" * 100_000, "no JSON"), ("\x00", "no JSON"),
    ],
)  # fmt: skip
def test_a_map_that_is_none_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(ModelFormatError, match=told):
        trace_from_npz(written(tmp_path, **FREE), tmp_path / "names.json")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"none\.npz"):
        trace_from_npz(tmp_path / "none.npz", {"value/a": "b"})
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(ModelFormatError, match="not a zip file"):
        trace_from_npz(tmp_path / "text.npz", {"value/a": "b"})
    with pytest.raises(ModelFormatError, match=r"cannot be read: Is a directory"):
        trace_from_npz(written(tmp_path, **FREE), tmp_path)
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ModelFormatError, match="pickled objects, which are never read"):
        trace_from_npz(tmp_path / "objects.npz", {"value/a": "a"})
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, a=np.zeros(40_000_000))
    with pytest.raises(ModelFormatError):
        trace_from_npz(bomb, {"value/a": "a"})


def test_what_is_no_trace_says_how_it_becomes_one(tmp_path: Path) -> None:
    path = written(tmp_path, **FREE)
    with pytest.raises(ModelFormatError) as error:
        lrp.Trace.load(path)
    for told in ("'layer/conv1/out', 'layer/conv1/R_out'", "--map NAMES.json", '{"relevance/NODE": "layer/conv1/out"'):
        assert told in str(error.value)


@pytest.mark.parametrize("canonize", [True, False])
def test_the_reason_is_asked_for_with_the_network_and_the_names_of_the_first_trace(
    canonize: bool, monkeypatch: Any
) -> None:
    from lrp_ref.peers import diagnosis, foreign

    seen: list[Any] = []
    monkeypatch.setattr(diagnosis, "diagnose", lambda *given, **more: seen.append((given, more)))
    rng = np.random.default_rng(0)
    bn = lrp.layers.Affine(np.array([2.0, -1.0]), np.ones(2))
    net = lrp.Network.sequential([("fc", lrp.layers.Dense(rng.normal(size=(3, 2)))), ("bn", bn)])
    x = rng.normal(size=(2, 3))
    ours = lrp.explain(net, x, composite="epsilon", canonize=canonize, trace=True).trace
    theirs = lrp.Trace(
        {f"b.{k}": v for k, v in ours.values.items()}, {f"b.{k}": 2 * v for k, v in ours.relevance.items()}
    )
    found = ours.diff(theirs)
    foreign.reason(net, ours, theirs, found, composite="epsilon", tolerance=0.5)
    ((network, rules, one, other), more) = seen[0]
    names = ["fc", "bn"] if not canonize else [network.nodes[0].name]
    assert [node.name for node in network.nodes] == names
    assert list(rules) == names
    assert rules["fc"] == lrp.rules.Epsilon(1e-6)
    assert one is ours
    assert {name: a.tolist() for name, a in other.relevance.items()} == {
        name: (2 * a).tolist() for name, a in ours.relevance.items()
    }
    assert (set(other.values), more) == (set(ours.values), {"tolerance": 0.5})
