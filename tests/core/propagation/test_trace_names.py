"""Traces whose names differ: paired by order, shape and values, or as they were given; layer and rule of the node."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import layers, loaders, rules
from lrp_ref.cli import main
from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation.alignment import align
from lrp_ref.propagation.differences import TOLERANCES, TracedNode
from lrp_ref.propagation.files import FORMAT
from lrp_ref.propagation.trace import Trace

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def chain(width: int = 4, depth: int = 3) -> Network:
    made: list[Any] = []
    for _ in range(depth):
        made += [layers.Dense(RNG.normal(size=(width, width)), RNG.normal(size=width)), layers.ReLU()]
    return Network.sequential([*made, layers.Dense(RNG.normal(size=(width, 2)), RNG.normal(size=2))], input_name="x")


def renamed(net: Network, names: dict[str, str]) -> Network:
    nodes = tuple(Node(names.get(n.name, n.name), n.layer, tuple(names.get(i, i) for i in n.inputs)) for n in net.nodes)
    inputs = tuple(Input(names.get(i.name, i.name), i.shape) for i in net.inputs)
    return Network(nodes, inputs, tuple(names.get(o, o) for o in net.outputs))


def traced(net: Network, x: Any, composite: Any = "epsilon") -> Trace:
    return lrp.explain(net, x, composite=composite, target=1, trace=True).trace


def calls(net: Network, prefix: str = "n") -> dict[str, str]:
    return {name: f"{prefix}{k}" for k, name in enumerate(["x", *(n.name for n in net.nodes)])}


# Pairing ----------------------------------------------------------------------------------------------------------


def test_the_same_network_under_other_names_is_the_same() -> None:
    net, x = chain(), RNG.normal(size=(3, 4))
    names = calls(net)
    found = traced(net, x).diff(traced(renamed(net, names), x), tolerance=0)
    assert found.equal
    assert found.aligned == names
    assert len(found.rows) == 2 * (1 + len(net))
    assert [r.other for r in found.rows[:3]] == ["n0", "n1", "n2"]


@pytest.mark.parametrize("faulty", range(7))
def test_the_departing_node_is_found_under_other_names(faulty: int) -> None:
    """All values have one shape: only their order and their numbers tell them apart."""
    net, x = chain(), RNG.normal(size=(3, 4))
    node = net.nodes[faulty]
    if isinstance(node.layer, layers.ReLU):
        other = net.replaced({node.name: layers.LeakyReLU(0.1)})
    else:
        other = net.replaced({node.name: layers.Dense(node.layer.weight, node.layer.bias + 0.25)})  # type: ignore[attr-defined]
    names = calls(net)
    found = traced(net, x).diff(traced(renamed(other, names), x))
    assert found.aligned == names
    assert found.first is not None
    assert (found.first.kind, found.first.name, found.first.other) == ("value", node.name, names[node.name])


def test_a_node_that_only_one_side_has_is_left_out() -> None:
    """An unmerged BatchNorm between a convolution and its ReLU, all of one shape."""
    net, x = chain(), RNG.normal(size=(3, 4))
    scale, shift = RNG.uniform(0.5, 2, size=4), RNG.normal(size=4)
    apart = [("fc", net["dense1"].layer), ("bn", layers.Affine(scale, shift)), ("act", layers.ReLU())]
    merged = layers.Dense(net["dense1"].layer.weight * scale, net["dense1"].layer.bias * scale + shift)  # type: ignore[attr-defined]
    rest = [(f"r{k}", n.layer) for k, n in enumerate(net.nodes[2:])]
    a = Network.sequential([*apart, *rest], input_name="x").values({"x": x})
    b = Network.sequential([("m", merged), *((f"s{k}", n.layer) for k, n in enumerate(net.nodes[1:]))]).values(
        {"input": x}
    )
    found = Trace(a).diff(Trace(b))
    assert found.first is None
    assert found.aligned == {"x": "input", "bn": "m", "act": "s0"} | {f"r{k}": f"s{k + 1}" for k in range(5)}
    assert (found.only_a, found.only_b) == (("value fc",), ())
    assert not found.equal


def branches(first: str) -> Network:
    """x → (left, right) → sum, with the branches in either order, of one shape."""
    rng = np.random.default_rng(1)
    nodes = [Node(n, layers.Dense(rng.normal(size=(3, 3)), rng.normal(size=3)), ("x",)) for n in ("left", "right")]
    ordered = nodes if first == "left" else nodes[::-1]
    head = (Node("sum", layers.Add(), ("left", "right")), Node("head", layers.Dense(rng.normal(size=(3, 2))), ("sum",)))
    return Network((*ordered, *head), (Input("x"),), ("head",))


def test_branches_in_another_order_are_paired_by_their_values() -> None:
    x = RNG.normal(size=(2, 3))
    names = {"left": "p", "right": "q", "sum": "add", "head": "out", "x": "image"}
    found = traced(branches("left"), x).diff(traced(renamed(branches("right"), names), x))
    assert found.equal
    assert found.aligned == names


def test_names_that_both_have_are_kept_and_what_differs_is_not_paired_across_them() -> None:
    a = Trace({"x": np.ones(3), "one": np.ones(2), "mid": np.full(4, 2.0)})
    b = Trace({"x": np.ones(3), "mid": np.full(4, 2.0), "two": np.full(2, 1.5)})
    found = a.diff(b)
    assert not found.aligned
    assert (found.only_a, found.only_b) == (("value one",), ("value two",))


def test_equal_names_of_different_nodes_give_way_to_order_and_values() -> None:
    """relu, relu_1, relu_2 of one program are relu_1, relu_2, relu_3 of another."""
    net, x = chain(), RNG.normal(size=(2, 4))
    ours = renamed(net, {"relu1": "relu", "relu2": "relu_1", "relu3": "relu_2"})
    theirs = renamed(net, {"relu1": "relu_1", "relu2": "relu_2", "relu3": "relu_3"})
    found = traced(ours, x).diff(traced(theirs, x))
    assert found.equal
    assert found.aligned == {"relu": "relu_1", "relu_1": "relu_2", "relu_2": "relu_3"}


def test_a_wrong_value_under_its_own_name_stays_that_names() -> None:
    """b's conv already went through a ReLU: it equals a's relu, and is called conv."""
    z = RNG.normal(size=(2, 5))
    a = Trace({"x": np.ones(1), "conv": z, "relu": np.maximum(z, 0)})
    b = Trace({"x": np.ones(1), "conv": np.maximum(z, 0), "more": np.ones(9)})
    first = a.diff(b).first
    assert first is not None
    assert (first.name, first.other) == ("conv", "conv")


def test_relevances_without_values_are_paired_as_well() -> None:
    a = traced(chain(), RNG.normal(size=(2, 4)))
    b = Trace({}, {f"r{k}": v for k, v in enumerate(a.relevance.values())})
    found = a.diff(b)
    assert found.first is None
    assert found.aligned == {name: f"r{k}" for k, name in enumerate(a.relevance)}
    assert found.only_a == tuple(f"value {name}" for name in a.values)


def every_pairing(n: int, m: int) -> Iterator[list[tuple[int, int]]]:
    for size in range(min(n, m) + 1):
        for rows in combinations(range(n), size):
            for columns in combinations(range(m), size):
                yield list(zip(rows, columns, strict=True))


@pytest.mark.parametrize("part", range(20))
def test_the_pairing_is_the_best_of_all_ordered_ones(part: int) -> None:
    """By hand: Σ 1 + 2·(1 − |u − v|/(|u| + |v|)) over pairs of equal shape, the largest of all pairings in order."""
    sizes = RNG.integers(1, 3, size=9)
    arrays = [RNG.normal(size=int(k)) for k in sizes]
    a = {f"a{k}": v for k, v in enumerate(arrays[:5])}
    b = {f"b{k}": v for k, v in enumerate(arrays[5:])}

    def worth(pairs: list[tuple[int, int]]) -> float:
        total = 0.0
        for i, j in pairs:
            u, v = a[f"a{i}"], b[f"b{j}"]
            if u.shape != v.shape:
                return -1.0
            total += 1 + 2 * (1 - np.linalg.norm(u - v) / (np.linalg.norm(u) + np.linalg.norm(v)))
        return total

    best = max(map(worth, every_pairing(len(a), len(b))))
    found = [(int(m[1:]), int(n[1:])) for m, n in align(a, b, {}).items()]
    assert found == sorted(found)
    assert [n for _, n in found] == sorted({n for _, n in found})
    np.testing.assert_allclose(worth(found), best, rtol=1e-12)


def test_large_arrays_and_what_is_not_finite_are_looked_at_evenly() -> None:
    """The last elements differ only: one in 512 is looked at, the last part among them."""
    same = RNG.normal(size=100_000)
    other = same.copy()
    other[50_000:] = RNG.normal(size=50_000)
    assert align({"a": same}, {"p": other, "q": same}, {}) == {"a": "q"}
    nan = np.full(3, np.nan)
    assert align({"a": np.ones(3)}, {"p": nan, "q": np.ones(3)}, {}) == {"a": "q"}
    assert align({"a": np.zeros(3)}, {"p": np.ones(3), "q": np.zeros(3)}, {}) == {"a": "q"}
    assert align({"a": np.ones(3)}, {"p": np.ones(4)}, {}) == {}


# A mapping that is given ------------------------------------------------------------------------------------------


def test_a_given_mapping_is_used_as_it_is() -> None:
    a = Trace({"x": np.ones(2), "y": np.ones(2)}, {"x": np.ones(2)})
    b = Trace({"p": np.full(2, 3.0), "q": np.ones(2)}, {"p": np.ones(2)})
    found = a.diff(b, mapping={"x": "p", "y": "q"})
    assert [(r.kind, r.name, r.other, r.absolute) for r in found.rows] == [
        ("value", "x", "p", 2.0),
        ("value", "y", "q", 0.0),
        ("relevance", "x", "p", 0.0),
    ]
    assert not found.aligned
    crossed = a.diff(b, mapping={"x": "q"})
    assert [(r.name, r.other) for r in crossed.rows] == [("x", "q")]
    assert crossed.only_a == ("value y", "relevance x"), "y differs from p, and stands behind x"


def test_a_mapping_may_cross_names_that_both_have() -> None:
    a, b = Trace({"x": np.ones(1), "y": np.zeros(1)}), Trace({"x": np.zeros(1), "y": np.ones(1)})
    assert not a.diff(b).equal
    assert a.diff(b, mapping={"x": "y", "y": "x"}).equal


def test_unknown_and_repeated_names_of_a_mapping_are_refused() -> None:
    a, b = Trace({"conv1": np.ones(1), "fc": np.ones(1)}), Trace({"features.0": np.ones(1)})
    with pytest.raises(ParameterError, match=r"^unknown name in the first trace 'conv': did you mean 'conv1'\? known"):
        a.diff(b, mapping={"conv": "features.0"})
    with pytest.raises(ParameterError, match=r"^unknown name in the second trace 'feature.0': did you mean 'features"):
        a.diff(b, mapping={"conv1": "feature.0"})
    with pytest.raises(ParameterError, match=r"^'features.0' of the second trace is given for 'conv1', 'fc': each"):
        a.diff(b, mapping={"conv1": "features.0", "fc": "features.0"})


# Tolerance by dtype -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", ["float16", "float32", "float64"])
@pytest.mark.parametrize("two", ["float16", "float32", "float64"])
def test_the_less_precise_dtype_gives_the_tolerance(one: str, two: str) -> None:
    limit = max(TOLERANCES[one], TOLERANCES[two])
    a = np.ones(4, one)
    near, far = (np.array([1, 1, 1, 1 + limit * f]) for f in (0.5, 2.0))
    for changed, equal in ((near, True), (far, False)):
        # In float16 and float32 the changes are rounded, by less than a tenth of themselves.
        assert Trace({"v": a}).diff(Trace({"v": changed.astype(two)})).equal is equal or changed.astype(two)[3] == 1
    found = Trace({"v": a}).diff(Trace({"v": a.astype(two)}))
    coarse = min(one, two, key=lambda d: int(d[5:]))
    assert found.limits == f"{limit:g} ({coarse})"


def test_each_pair_has_its_own_tolerance_and_a_given_one_is_for_all() -> None:
    a = Trace({"v": np.ones(1, np.float32), "w": np.ones(1), "k": np.array([3])})
    b = Trace({"v": np.float32([1.00001]), "w": np.array([1.00001]), "k": np.array([3])})
    found = a.diff(b)
    assert [(r.name, r.departs, r.dtype) for r in found.rows] == [
        ("v", False, "float32"),
        ("w", True, "float64"),
        ("k", False, "float64"),
    ]
    assert found.limits == "1e-09 (float64), 0.0001 (float32)"
    assert a.diff(b, tolerance=1e-4).equal
    assert a.diff(b, tolerance=1e-4).limits == "0.0001"
    assert not a.diff(b, tolerance=1e-6).equal


# Layer and rule of the node ---------------------------------------------------------------------------------------


def test_a_trace_tells_layer_rule_and_edges_of_every_node_and_keeps_them_in_its_file(tmp_path: Path) -> None:
    e = lrp.explain(branches("left"), RNG.normal(size=(1, 3)), composite=rules.Epsilon(0.5), trace=True)
    expected = {p.node: (type(p.layer).__name__, p.label) for p in e.plan}
    for trace in (e.trace, Trace.load(e.save(tmp_path / "e.npz")), Trace.load(e.trace.save(tmp_path / "t.npz"))):
        assert {k: (n.layer, n.rule) for k, n in trace.nodes.items()} == expected
        assert trace.nodes["sum"].reads == ("left", "right")
    assert lrp.explain(branches("left"), np.ones((1, 3))).trace.nodes["left"].layer == "Dense"


def test_layer_and_rule_of_the_departing_node_are_named() -> None:
    x = RNG.normal(size=(1, 3))
    plain = traced(branches("left"), x, rules.Epsilon(0.1))
    other = traced(branches("left"), x, [("right", rules.ZPlus()), (layers.Dense, rules.Epsilon(0.1))])
    first = plain.diff(other).first
    assert first is not None
    # The relevance of x comes from both branches; that whose rule differs is named.
    assert (first.kind, first.name) == ("relevance", "x")
    assert first.source == "right: Dense, Epsilon(epsilon=0.1, bias_share=0) in a and ZPlus(stabiliser=exact) in b"
    same = traced(branches("left"), 2 * x, rules.Epsilon(0.1))
    first = plain.diff(same).first
    assert first is not None
    assert (first.kind, first.name, first.source) == ("value", "x", "")
    changed = branches("left").replaced({"sum": layers.Add((1.0, -1.0))})
    first = plain.diff(traced(changed, x, rules.Epsilon(0.1))).first
    assert first is not None
    assert (first.name, first.source) == ("sum", "sum: Add")
    assert first.source in plain.diff(traced(changed, x, rules.Epsilon(0.1))).table()


def test_a_start_that_differs_comes_from_no_node() -> None:
    e = lrp.explain(branches("left"), np.ones((1, 3)), target=0, trace=True)
    other = lrp.explain(branches("left"), np.ones((1, 3)), target=1, trace=True)
    first = e.trace.diff(other.trace).first
    assert first is not None
    assert (first.kind, first.name, first.source) == ("relevance", "head", "")


def test_nodes_that_only_one_trace_knows_are_named_with_its_side() -> None:
    known = Trace({"v": np.ones(1)}, {}, {"v": TracedNode("Conv", "ZPlus()")})
    bare = Trace({"v": np.zeros(1)})
    assert known.diff(bare).rows[0].source == "v: Conv"
    assert bare.diff(known).rows[0].source == "v in b: Conv"


# Files of other programs ------------------------------------------------------------------------------------------


def test_a_file_of_named_arrays_is_a_trace(tmp_path: Path) -> None:
    entries = {"value/x": np.ones(2), "value/a/b": np.zeros(3, np.float32), "relevance/x": np.full(2, 0.5)}
    np.savez(tmp_path / "theirs.npz", **entries)
    trace = Trace.load(tmp_path / "theirs.npz")
    assert list(trace.values) == ["x", "a/b"]
    assert list(trace.relevance) == ["x"]
    assert trace.values["a/b"].dtype == np.float32
    assert not trace.nodes
    np.savez_compressed(tmp_path / "small.npz", **entries)
    assert Trace.load(tmp_path / "small.npz").diff(trace, tolerance=0).equal


def test_a_file_with_anything_else_is_refused(tmp_path: Path) -> None:
    for entries, told in (
        ({"value/x": np.ones(1), "conv1": np.ones(1)}, "it holds 'conv1'"),
        ({"values/x": np.ones(1)}, "it holds 'values/x'"),
        ({}, "it is empty"),
    ):
        np.savez(tmp_path / "t.npz", **entries)
        with pytest.raises(ModelFormatError, match="must be called value/NAME and relevance/NAME") as error:
            Trace.load(tmp_path / "t.npz")
        assert told in str(error.value)


def test_files_without_nodes_are_read_as_before(tmp_path: Path) -> None:
    header = json.dumps({"format": FORMAT, "order": {"value": ["v"], "relevance": []}}).encode()
    np.savez(tmp_path / "old.npz", **{"value/v": np.ones(2), "header": np.frombuffer(header, np.uint8)})
    trace = Trace.load(tmp_path / "old.npz")
    assert (list(trace.values), trace.nodes) == (["v"], {})


@pytest.mark.parametrize(
    "nodes", [{"v": {"layer": 3}}, {"v": {"reads": [1]}}, {"v": [1]}, [1], {"v": {"reads": 5}}, "text"]
)
def test_nodes_that_are_none_are_refused(tmp_path: Path, nodes: Any) -> None:
    header = json.dumps({"format": FORMAT, "order": {"value": [], "relevance": []}, "nodes": nodes}).encode()
    np.savez(tmp_path / "bad.npz", header=np.frombuffer(header, np.uint8))
    with pytest.raises(ModelFormatError) as error:
        Trace.load(tmp_path / "bad.npz")
    assert "\n" not in str(error.value)


# The command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Traces of one network under two sets of names, made by the command line."""
    net = chain()
    loaders.save(net, tmp_path / "ours.npz")
    loaders.save(renamed(net, calls(net)), tmp_path / "theirs.npz")
    np.save(tmp_path / "x.npy", RNG.normal(size=(1, 4)))
    for name in ("ours", "theirs"):
        done = run("explain", tmp_path / f"{name}.npz", tmp_path / "x.npy", "--trace", "-o", tmp_path / name)
        assert done.exit_code == 0
    return tmp_path / "ours" / "x.npz", tmp_path / "theirs" / "x.npz"


def test_diff_pairs_names_and_says_so(pair: tuple[Path, Path]) -> None:
    done = run("diff", *pair)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "no difference above 1e-09 (float64) in 16 arrays",
        "paired by order, shape and values, as the names differ: x = n0, dense1 = n1, relu1 = n2, dense2 = n3, "
        "relu2 = n4 and 3 more",
    ]


def test_diff_with_given_names(pair: tuple[Path, Path]) -> None:
    everything = [part for m, n in calls(chain()).items() for part in ("--map", f"{m}={n}")]
    done = run("diff", *pair, *everything)
    assert (done.exit_code, done.stdout) == (0, "no difference above 1e-09 (float64) in 16 arrays\n")
    wrong = run("diff", *pair, "--map", "dense1=n3")
    assert wrong.exit_code == 1
    assert wrong.stdout.startswith("first departs at value 'dense1 = n3': ")
    assert "from dense1: Dense" in wrong.stdout.splitlines()[0]


def test_diff_takes_names_with_an_equals_sign(tmp_path: Path) -> None:
    Trace({"k=1": np.ones(2), "v": np.ones(1)}).save(tmp_path / "a.npz")
    Trace({"w": np.ones(1), "a=b=c": np.ones(2)}).save(tmp_path / "b.npz")
    done = run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--map", "k=1=a=b=c", "--map", "v=w")
    assert (done.exit_code, done.stdout) == (0, "no difference above 1e-09 (float64) in 2 arrays\n")


def test_diff_of_a_part_lists_what_is_missing_and_common_lets_it_pass(pair: tuple[Path, Path], tmp_path: Path) -> None:
    whole = Trace.load(pair[0])
    np.savez(tmp_path / "part.npz", **{"value/relu1": whole.values["relu1"], "value/dense4": whole.values["dense4"]})
    done = run("diff", pair[0], tmp_path / "part.npz")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "no difference above 1e-09 (float64) in 2 arrays",
        f"a: {lrp.load_relevance(pair[0])['composite']}, Logit(), "
        f"target [{int(lrp.load_relevance(pair[0])['target'][0, 0])}]",
        "b: a trace alone",
        f"only in {pair[0]}: value x, value dense1, value dense2, value relu2, value dense3 and 9 more",
    ]
    assert run("diff", pair[0], tmp_path / "part.npz", "--common").exit_code == 0
    np.savez(tmp_path / "other.npz", **{"value/relu1": whole.values["relu1"] + 1})
    assert run("diff", pair[0], tmp_path / "other.npz", "--common").exit_code == 1
    np.savez(tmp_path / "none.npz", **{"value/strange": np.ones((1, 99))})
    nothing = run("diff", pair[0], tmp_path / "none.npz", "--common")
    assert nothing.exit_code == 1
    assert nothing.stdout.startswith("nothing was compared: ")
    assert "only in" in nothing.stdout
    assert "--map A=B" in nothing.stdout


def test_diff_says_how_the_two_were_made_where_that_differs(pair: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = [tmp_path / "ours.npz", tmp_path / "x.npy", "--trace", "-c", "lrp0", "-t", 0, "-o", tmp_path / "zero"]
    assert run("explain", *arguments).exit_code == 0
    done = run("diff", tmp_path / "zero" / "x.npz", pair[0])
    assert done.exit_code == 1
    assert "a: lrp0, Logit(), target [0]" in done.stdout
    assert "b: epsilon, Logit(), target [" in done.stdout


def test_diff_of_float32_relevances_says_that_rounding_may_be_the_reason(tmp_path: Path) -> None:
    a, b = np.ones(2, np.float32), np.array([1, 1.01], np.float32)
    Trace({"v": a}, {"v": a}).save(tmp_path / "a.npz")
    Trace({"v": a}, {"v": b}).save(tmp_path / "b.npz")
    done = run("diff", tmp_path / "a.npz", tmp_path / "b.npz")
    assert done.exit_code == 1
    assert "compare traces of 'explain --float64'" in done.stdout
    assert "rounding" not in run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--tolerance", 1e-3).stdout


def test_diff_of_an_explanation_without_its_trace_and_a_trace_alone(pair: tuple[Path, Path], tmp_path: Path) -> None:
    Trace.load(pair[0]).save(tmp_path / "alone.npz")
    assert run("explain", tmp_path / "ours.npz", tmp_path / "x.npy", "-o", tmp_path / "bare").exit_code == 0
    for order in (1, -1):
        done = run("diff", *[tmp_path / "bare" / "x.npz", tmp_path / "alone.npz"][::order])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert f"{tmp_path / 'bare' / 'x.npz'}: saved without its trace" in done.stderr


def test_two_exporters_of_one_network_give_one_trace(tmp_path: Path) -> None:
    """A residual network, exported by both of PyTorch's exporters: the same values, other names."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    import warnings

    torch.manual_seed(1)
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return torch.relu(x + self.c(torch.relu(self.b(self.a(x)))))

    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)]
    model = nn.Sequential(*layers).eval()
    x = torch.randn(1, 1, 8, 8)
    np.save(tmp_path / "x.npy", x.numpy())
    for name, dynamo in (("old", False), ("new", True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (x,), tmp_path / f"{name}.onnx", dynamo=dynamo, verbose=False)
        arguments = [tmp_path / f"{name}.onnx", tmp_path / "x.npy", "--trace", "-o", tmp_path / name]
        assert run("explain", *arguments).exit_code == 0
    done = run("diff", tmp_path / "old" / "x.npz", tmp_path / "new" / "x.npz")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("no difference above 0.0001 (float32) in ")
    assert "paired by order, shape and values" in done.stdout
    assert (
        run(
            "explain",
            tmp_path / "new.onnx",
            tmp_path / "x.npy",
            "--trace",
            "-c",
            "epsilon_plus",
            "-o",
            tmp_path / "plus",
        ).exit_code
        == 0
    )
    done = run("diff", tmp_path / "old" / "x.npz", tmp_path / "plus" / "x.npz")
    assert done.exit_code == 1
    assert "Conv, Epsilon(epsilon=1e-06, bias_share=0) in a and ZPlus(stabiliser=add(1e-06)) in b" in done.stdout
