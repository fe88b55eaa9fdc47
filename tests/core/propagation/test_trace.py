"""Traces and ledgers: saved, loaded, damaged, compared; the first departure by name and amount."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.layers import Add, Dense, ReLU
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation.files import FORMAT
from lrp_ref.propagation.ledger import COLUMNS, Ledger, Row
from lrp_ref.propagation.trace import Trace

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def residual_net() -> Network:
    """x → a → relu → (b → c) + relu → head: the long branch is walked back before the value at the fork is complete."""
    dense = [Dense(RNG.normal(size=(3, 3)), RNG.normal(size=3)) for _ in range(4)]
    nodes = (
        Node("a", dense[0], ("x",)),
        Node("relu", ReLU(), ("a",)),
        Node("b", dense[1], ("relu",)),
        Node("c", dense[2], ("b",)),
        Node("sum", Add(), ("relu", "c")),
        Node("head", dense[3], ("sum",)),
    )
    return Network(nodes, (Input("x"),), ("head",))


def explained(net: Network | None = None, composite: Any = None) -> lrp.Explanation:
    x = np.random.default_rng(0).normal(size=(2, 3))
    return lrp.explain(residual_net() if net is None else net, x, composite=composite or rules.Epsilon(0.1), target=1)


# The order, and the first departure --------------------------------------------------------------------------


def test_values_are_in_the_order_of_execution_relevances_in_that_of_the_walk_back() -> None:
    trace = explained().trace
    order = ["x", "a", "relu", "b", "c", "sum", "head"]
    assert list(trace.values) == order
    assert list(trace.relevance) == order[::-1]
    assert repr(trace) == "Trace(7 values, 7 relevances)"


def test_equal_traces() -> None:
    net = residual_net()
    diff = explained(net).trace.diff(explained(net).trace, tolerance=0)
    assert diff.equal
    assert diff.first is None
    assert repr(diff) == "no difference above 0 in 14 arrays"


@pytest.mark.parametrize("name", ["a", "b", "c", "head"])
def test_the_first_departure_forward(name: str) -> None:
    net = residual_net()
    layer = net[name].layer
    other = net.replaced({name: Dense(layer.weight, layer.bias + np.array([0, 0.25, 0]))})  # type: ignore[attr-defined]
    a, b = explained(net).trace, explained(other).trace
    diff = a.diff(b)
    assert diff.first is not None
    assert (diff.first.kind, diff.first.name) == ("value", name)
    assert math.isclose(diff.first.absolute, 0.25, rel_tol=1e-12)
    assert math.isclose(diff.first.relative, 0.25 / np.abs(a.values[name]).max(), rel_tol=1e-12)
    assert not diff.equal


@pytest.mark.parametrize(("node", "departs"), [("head", "sum"), ("c", "b"), ("b", "relu"), ("a", "x")])
def test_the_first_departure_backward_is_the_input_of_the_node_whose_rule_differs(node: str, departs: str) -> None:
    net = residual_net()
    a = explained(net).trace
    b = explained(net, [(node, rules.Epsilon(0.2)), (Dense, rules.Epsilon(0.1))]).trace
    first = a.diff(b).first
    assert first is not None
    assert (first.kind, first.name) == ("relevance", departs)
    expected = np.abs(a.relevance[departs] - b.relevance[departs]).max()
    assert first.absolute == expected > 0
    assert first.relative == expected / np.abs(a.relevance[departs]).max()
    assert repr(a.diff(b)) == (
        f"first departs at relevance '{departs}': max |a − b| = {expected:.4g}, relative {first.relative:.4g}; "
        f"from {node}: Dense, Epsilon(epsilon=0.1, bias_share=0) in a and Epsilon(epsilon=0.2, bias_share=0) in b"
    )


def test_tolerance_is_relative_to_the_first_trace() -> None:
    a, b = Trace({"v": np.array([[2.0, -8.0]])}), Trace({"v": np.array([[2.0, -8.5]])})
    assert a.diff(b, tolerance=0.0625).equal
    assert not a.diff(b, tolerance=0.0624).equal
    assert b.diff(a, tolerance=0.0589).equal, "0.5 of 8.5"
    assert not b.diff(a, tolerance=0.0588).equal
    zero = Trace({"v": np.zeros((1, 2))})
    assert zero.diff(zero).equal
    assert zero.diff(Trace({"v": np.array([[0, 1e-300]])}), tolerance=1e9).first.relative == math.inf  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sides", ["a", "b", "ab"])
@pytest.mark.parametrize("tolerance", [0.0, 1e-9, 1e300])
def test_what_is_not_finite_departs(bad: float, sides: str, tolerance: float) -> None:
    good, wrong = np.array([[1.0, 0.0]]), np.array([[1.0, bad]])
    a = Trace({"v": wrong if "a" in sides else good})
    b = Trace({"v": wrong if "b" in sides else good})
    diff = a.diff(b, tolerance=tolerance)
    assert diff.rows[0].note == "not finite"
    assert diff.rows[0].relative == math.inf
    assert diff.first is diff.rows[0]
    assert not diff.equal
    assert "(not finite)" in repr(diff)


def test_shapes_that_differ() -> None:
    a, b = Trace({"v": np.ones((1, 2)), "w": np.ones(1)}), Trace({"v": np.ones((1, 3)), "w": np.ones(1)})
    diff = a.diff(b)
    assert diff.first is not None
    assert diff.first.note == "shapes (1, 2) and (1, 3)"
    assert diff.first.absolute == diff.first.relative == math.inf
    assert repr(diff).endswith("max |a − b| = inf, relative inf (shapes (1, 2) and (1, 3))")
    assert not Trace({"v": np.ones((1, 2))}).diff(Trace({"v": np.ones((2, 1))})).equal


def test_names_that_only_one_side_has() -> None:
    a = Trace({"x": np.ones(1), "y": np.ones(1)}, {"x": np.ones(1)})
    b = Trace({"x": np.ones(1)}, {"x": np.ones(1), "z": np.ones(1)})
    diff = a.diff(b)
    assert (diff.only_a, diff.only_b) == (("value y",), ("relevance z",))
    assert diff.first is None
    assert not diff.equal
    assert repr(diff) == "no difference above 1e-09 (float64) in 2 arrays; only in a: value y; only in b: relevance z"


def test_integers_and_booleans_do_not_wrap_around() -> None:
    a, b = Trace({"n": np.array([0], np.uint8)}), Trace({"n": np.array([1], np.uint8)})
    assert a.diff(b).first.absolute == 1  # type: ignore[union-attr]
    yes, no = Trace({"n": np.array([True])}), Trace({"n": np.array([False])})
    assert yes.diff(no).first.absolute == 1  # type: ignore[union-attr]
    assert yes.diff(yes).equal


def test_float32_against_float64_and_exact_against_float() -> None:
    net = residual_net()
    double = explained(net)
    single = lrp.explain(net, double.trace.values["x"].astype(np.float32), composite=rules.Epsilon(0.1), target=1)
    assert single.trace.diff(double.trace).equal
    assert single.trace.diff(double.trace).limits == "0.0001 (float32)"
    assert not single.trace.diff(double.trace, tolerance=1e-9).equal
    exact = lrp.explain(rational(net), rational(double.trace.values["x"]), composite=rules.Epsilon(0.1), target=1).trace
    assert double.trace.diff(exact).equal
    assert exact.diff(exact, tolerance=0).equal


def test_empty_arrays_agree() -> None:
    assert Trace({"v": np.zeros((0, 3))}).diff(Trace({"v": np.zeros((0, 3))})).equal


def test_the_comparison_as_a_table() -> None:
    a = Trace({"x": np.ones(1), "y": np.ones(1)}, {"y": np.ones(2)})
    b = Trace({"x": np.ones(1), "y": np.array([1.5])}, {"y": np.ones(3)})
    assert a.diff(b).table().splitlines() == [
        "kind       name  max |a − b|  relative                        from",
        "─" * 66,
        "value      x               0         0",
        "value      y             0.5       0.5  departs",
        "relevance  y             inf       inf  shapes (2,) and (3,)",
    ]
    html = a.diff(b)._repr_html_()
    assert html.startswith("<table><caption>first departs at value &#x27;y&#x27;: ")


# Saved and loaded --------------------------------------------------------------------------------------------


def same(a: Trace, b: Trace) -> None:
    for x, y in ((a.values, b.values), (a.relevance, b.relevance)):
        assert list(x) == list(y)
        for name in x:
            assert x[name].dtype == y[name].dtype
            assert np.array_equal(x[name], y[name])


def test_round_trip(tmp_path: Path) -> None:
    trace = explained().trace
    path = trace.save(tmp_path / "run.npz")
    assert path == tmp_path / "run.npz"
    same(Trace.load(path), trace)
    assert Trace.load(str(path)).diff(trace, tolerance=0).equal
    assert os.listdir(tmp_path) == ["run.npz"], "no temporary file stays"  # noqa: PTH208


def test_the_suffix_is_added_and_a_file_is_replaced(tmp_path: Path) -> None:
    first, second = explained().trace, Trace({"only": np.ones((1, 1), np.float32)})
    assert first.save(tmp_path / "run.v1") == tmp_path / "run.v1.npz"
    second.save(tmp_path / "run.v1")
    same(Trace.load(tmp_path / "run.v1.npz"), second)


def test_names_of_all_kinds_survive(tmp_path: Path) -> None:
    names = ["/model/0/Conv:0", "split:1", "größe", "header", "with space", "a\\b", "file", "arr_0", "../up"]
    values = {n: np.full((1, 2), k, np.float64) for k, n in enumerate(names)}
    trace = Trace(values, {n: np.ones(k) for k, n in enumerate(names)})
    same(Trace.load(trace.save(tmp_path / "t.npz")), trace)


def test_an_empty_trace(tmp_path: Path) -> None:
    same(Trace.load(Trace().save(tmp_path / "t.npz")), Trace())


def test_exact_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"^value/v holds exact numbers, .*lrp.arithmetic.to_float"):
        Trace({"v": rational([1.0])}).save(tmp_path / "t.npz")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"the folder .*nowhere does not exist; create it first"):
        Trace({"v": np.ones(1)}).save(tmp_path / "nowhere" / "t.npz")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Trace({"old": np.ones(1)})
    path = old.save(tmp_path / "t.npz")

    def full(file: Any, **entries: Any) -> None:
        file.write(b"PK half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        Trace({"new": np.ones(1)}).save(path)
    with pytest.raises(OSError, match="No space left"):
        Trace({"new": np.ones(1)}).save(tmp_path / "other.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]
    same(Trace.load(path), old)


# Damaged files -----------------------------------------------------------------------------------------------


def refused(path: Path, fragment: str = "") -> None:
    with pytest.raises(ModelFormatError) as error:
        Trace.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert fragment in message


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.npz", "no such file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"\x80\x04K\x01.", b"\x93NUMPY"])
def test_other_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.npz"
    path.write_bytes(content)
    refused(path, "not a readable trace (.npz): ")


def test_other_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    refused(tmp_path / "a.npy", "not a readable trace")
    np.savez(tmp_path / "b.npz", weights=np.ones(3))
    refused(tmp_path / "b.npz", "not a trace of lrp_ref (no header entry)")
    refused(tmp_path, "a folder; give one of the .npz files in it")


def header(**entries: Any) -> Any:
    return np.frombuffer(json.dumps(entries).encode(), np.uint8)


@pytest.mark.parametrize(
    ("entries", "fragment"),
    [
        ({"header": header(format="lrp_ref trace 9")}, "expected a file of format 'lrp_ref trace 1', got 'lrp_ref tr"),
        ({"header": header()}, "expected a file of format 'lrp_ref trace 1', got 'None'"),
        ({"header": header(format=FORMAT)}, "KeyError: 'order'"),
        ({"header": header(format=FORMAT, order={"value": []})}, "KeyError: 'relevance'"),
        ({"header": header(format=FORMAT, order={"value": ["v"], "relevance": []})}, "value/v"),
        ({"header": header(format=FORMAT, order=[1, 2])}, "TypeError"),
        ({"header": np.frombuffer(b"[1]", np.uint8)}, "AttributeError"),
        ({"header": np.frombuffer(b"{", np.uint8)}, "JSONDecodeError"),
        ({"header": np.frombuffer(b'"\xff"', np.uint8)}, "UnicodeDecodeError"),
        ({"header": np.frombuffer(b"[" * 100_000, np.uint8)}, "RecursionError"),
        (
            {"header": header(format=FORMAT, order={"value": ["v"], "relevance": []}), "value/v": np.array(["text"])},
            "entry 'value/v' holds <U4, not numbers",
        ),
    ],
)
def test_headers_that_lie(tmp_path: Path, entries: dict[str, Any], fragment: str) -> None:
    np.savez(tmp_path / "t.npz", **entries)
    refused(tmp_path / "t.npz", fragment)


def test_object_arrays_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    order = {"value": ["v"], "relevance": []}
    np.savez(path, header=header(format=FORMAT, order=order), **{"value/v": np.array([{"a": 1}], dtype=object)})
    refused(path, "Object arrays cannot be loaded when allow_pickle=False")


def test_an_array_that_claims_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    claim = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1048576), }"
    claim += b" " * (-(10 + len(claim) + 1) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("value/v.npy", b"\x93NUMPY\x01\x00" + len(claim).to_bytes(2, "little") + claim)
        np.save(tmp_path / "h.npy", header(format=FORMAT, order={"value": ["v"], "relevance": []}))
        file.write(tmp_path / "h.npy", "header.npy")
    refused(path, "not a readable trace")


def loaded(path: Path) -> tuple[str, Trace | None]:
    try:
        return "", Trace.load(path)
    except ModelFormatError as error:
        return str(error), None


@pytest.mark.parametrize("part", range(8))
def test_truncated_and_flipped_bytes(tmp_path: Path, part: int) -> None:
    """Every damage is refused in one line, or does no harm: the same trace, never another error or other numbers."""
    trace = explained().trace
    whole = trace.save(tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "t.npz"
    for k in range(part, len(whole), 8 * 7):
        path.write_bytes(whole[:k])
        refused(path)
        path.write_bytes(whole[:k] + bytes([whole[k] ^ (1 << RNG.integers(8))]) + whole[k + 1 :])
        message, found = loaded(path)
        assert "\n" not in message
        if found is not None:
            same(found, trace)


def test_saved_explanations_are_traces_and_more(tmp_path: Path) -> None:
    e = explained()
    path = e.save(tmp_path / "e.npz")
    same(Trace.load(path), e.trace)
    trace_only = e.trace.save(tmp_path / "t.npz")
    with pytest.raises(ModelFormatError, match=r"a trace, not a saved explanation \(it has no relevance of the inputs"):
        lrp.load_relevance(trace_only)


# The ledger --------------------------------------------------------------------------------------------------


def row(name: str, out: Any, residual: Any, **columns: Any) -> Row:
    zero = np.zeros(len(out))
    return Row(name, "rule", np.array(out), zero, zero, zero, zero, np.array(residual), **columns)


def test_the_ledgers_residual_is_relative_to_each_samples_largest_row() -> None:
    ledger = Ledger([row("a", [8.0, 1.0], [0.0, 0.0]), row("b", [-16.0, 0.5], [-0.25, 0.125])])
    assert ledger.residual == 0.125
    assert Ledger(ledger[1:]).residual == 0.25
    assert Ledger([]).residual == 0
    assert Ledger([row("a", [], [])]).residual == 0
    assert Ledger([row("a", [0.0], [0.0])]).residual == 0
    assert Ledger([row("a", [0.0], [1e-300])]).residual == math.inf


def test_relevances_that_cancel_are_measured_by_their_size() -> None:
    assert Ledger([row("a", [0.0], [1e-3], size=np.array([4.0]))]).residual == 0.00025


def test_rows_slices_and_totals() -> None:
    e = explained()
    ledger = e.ledger
    assert len(ledger) == 6
    assert [r.node for r in ledger] == ["head", "sum", "c", "b", "relu", "a"]
    assert ledger[-1].node == "a"
    assert isinstance(ledger[:2], Ledger)
    total = ledger.total()
    assert list(total) == ["bias", "stabiliser", "dropped", "residual"]
    accounted = e.relevance.sum(axis=1) + sum(total.values())
    np.testing.assert_allclose(accounted, e.start_relevance.sum(axis=1), rtol=1e-12)
    for column in COLUMNS:
        assert all(getattr(r, column).shape == (2,) for r in ledger)


def test_the_ledger_as_a_table() -> None:
    one = np.array([1.0, 2.0])
    ledger = Ledger([Row("<fc>", "Epsilon(0)", one, one / 4, one / 2, 0 * one, one / 4, 0 * one)])
    assert ledger.table().splitlines()[2].split() == ["<fc>", "Epsilon(0)", "3", "0.75", "1.5", "0", "0.75", "0"]
    assert ledger.table(sample=1).splitlines()[2].split() == ["<fc>", "Epsilon(0)", "2", "0.5", "1", "0", "0.5", "0"]
    assert repr(ledger) == ledger.table()
    assert "<td>&lt;fc&gt;</td>" in ledger._repr_html_()
