"""The compiled side, PyTorch's gradient, ten targets of one image, and the table with a row per cell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import cell, networks, options, ours, peers, report, sides, targets, timing  # noqa: E402
from benchmarks.cells import Cells, largest  # noqa: E402
from benchmarks.sides import CAPTUM, COMPILED, GRADIENT, NUMPY, PASSED, UNIT, ZENNIT  # noqa: E402

POOLS = ("maxpool", "averagepool")


def small(dtype: str = "float64", pool: str = "maxpool") -> tuple[networks.Graph, networks.Parameters, np.ndarray]:
    graph = networks.lenet(pool)
    return graph, networks.cast(networks.parameters(graph), dtype), networks.pictures(graph, 1, dtype)


def compile_by_numpy(net: Any, composite: Any, **how: Any) -> Callable[..., Any]:
    """Stand in for ``lrp.compile``: the core, one target after another."""

    def explain(x: np.ndarray, target: Any) -> Any:
        several = target if isinstance(target, list) else [target]
        found = [lrp.explain(net, x, composite=composite, target=t) for t in several]

        class Found:
            relevance = np.concatenate([e.relevance for e in found])

        return Found

    return explain


def refuse(*args: Any, **how: Any) -> Any:
    raise lrp.LrpError("layer 'a' has no graph")


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """All packages seem to be there, and something compiles."""
    monkeypatch.setattr(peers, "available", lambda name: True)
    monkeypatch.setattr(lrp, "compile", compile_by_numpy)


def test_lenet_has_the_size_of_lenet_5() -> None:
    graph = networks.lenet()
    shapes = graph.shapes()
    assert [shapes[op.name] for op in graph.ops if op.kind == "maxpool"] == [(6, 14, 14), (16, 5, 5)]
    # 6·26 + 16·151 + 120·401 + 84·121 + 10·85
    assert sum(a.size for arrays in networks.parameters(graph).values() for a in arrays.values()) == 61_706


@pytest.mark.usefixtures("everything")
def test_ours_come_first_and_what_has_no_relevance_last() -> None:
    assert sides.sides_of("vgg16", "epsilon") == [NUMPY, COMPILED, ZENNIT, CAPTUM, UNIT, GRADIENT]
    assert sides.sides_of("resnet50", "epsilon_plus") == [NUMPY, COMPILED, ZENNIT, PASSED, UNIT, GRADIENT]
    assert sides.sides_of("vgg16", "epsilon_plus", "cupy") == [NUMPY, ZENNIT, UNIT, GRADIENT]


@pytest.mark.usefixtures("everything")
def test_what_is_not_there_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "available", lambda name: name not in ("zennit", "onnxruntime"))
    assert sides.sides_of("vgg16", "epsilon") == [NUMPY, CAPTUM, UNIT, GRADIENT]
    assert sides.missing(ZENNIT) == "zennit is not installed"
    assert sides.missing(COMPILED) == "onnxruntime is not installed"
    assert sides.missing(COMPILED, "cupy") == "it runs on the processor alone"
    assert sides.missing(NUMPY) == sides.missing(UNIT) == ""


@pytest.mark.usefixtures("everything")
def test_the_compiled_side_is_given_the_network_the_composite_and_the_target() -> None:
    graph, given, x = small()
    for composite in ours.COMPOSITES:
        mine, theirs = (sides.make(side, graph, given, x, composite)() for side in (NUMPY, COMPILED))
        np.testing.assert_array_equal(theirs, mine)


@pytest.mark.usefixtures("everything")
def test_what_cannot_be_compiled_is_left_out_and_other_errors_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, given, x = small()
    monkeypatch.setattr(lrp, "compile", refuse)
    calls, refused = sides.made([NUMPY, COMPILED], graph, given, x, "epsilon")
    assert (list(calls), refused) == ([NUMPY], {COMPILED: "layer 'a' has no graph"})
    monkeypatch.setattr(lrp, "compile", lambda *args, **how: lambda x, target: refuse())
    calls, refused = sides.made([NUMPY, COMPILED], graph, given, x, "epsilon")
    assert (list(calls), refused) == ([NUMPY], {COMPILED: "layer 'a' has no graph"})
    monkeypatch.setattr(ours, "call", refuse)
    with pytest.raises(lrp.LrpError, match="has no graph"):
        sides.made([NUMPY], graph, given, x, "epsilon")


@pytest.mark.parametrize("composite", ours.COMPOSITES)
@pytest.mark.parametrize("name", ["vgg16", "resnet50", *POOLS])
def test_what_is_compiled_computes_the_relevance_of_the_core(name: str, composite: str) -> None:
    """Next to single precision in the core: no farther from float64 than twice as much, or than rounding."""
    if sides.missing(COMPILED):
        pytest.skip(sides.missing(COMPILED))
    graph = networks.lenet(name) if name in POOLS else networks.NETWORKS[name](size=32, width=1 / 16)
    given, x = networks.parameters(graph), networks.pictures(graph, 2)
    exact = ours.call(graph, networks.cast(given, "float64"), x.astype("float64"), composite)()
    mine, theirs = (sides.make(side, graph, given, x, composite)() for side in (NUMPY, COMPILED))
    assert theirs.dtype == np.float32
    allowed = max(2 * options.largest_difference(mine, exact), 1e-5)
    assert options.largest_difference(theirs, exact) <= allowed


@pytest.mark.parametrize("target", [None, (0, 9)])
def test_the_gradient_is_that_of_the_target_with_respect_to_the_input(target: tuple[int, ...] | None) -> None:
    """Central differences of PyTorch's own forward pass, at the pixels with the largest gradients."""
    pytest.importorskip("torch")
    graph, given, x = small()
    gradient = peers.to_numpy(sides.make(GRADIENT, graph, given, x, "epsilon", targets=target)())
    place = x.copy()
    outputs = sides.make(UNIT, graph, given, place, "epsilon")
    explained = (ours.TARGET,) if target is None else target
    assert gradient.shape == (len(explained), *graph.shape)
    h = 1e-6
    for row, unit in enumerate(explained):
        for k in np.argsort(-np.abs(gradient[row]).ravel())[:5]:
            found = []
            for step in (h, -h):
                place[...] = x
                place.ravel()[k] += step
                found.append(float(outputs()[0, unit]))
            assert abs((found[0] - found[1]) / (2 * h) - gradient[row].ravel()[k]) < 1e-6


@pytest.mark.parametrize("pool", POOLS)
def test_ten_targets_are_each_explained_for_themselves(pool: str, everything: None) -> None:
    graph, given, x = small(pool=pool)
    net, composite = ours.network(graph, given), ours.composite("epsilon")
    expected = np.concatenate([lrp.explain(net, x, composite=composite, target=t).relevance for t in targets.TEN])
    scale = np.abs(expected).max()
    for side in (NUMPY, COMPILED):
        found = sides.make(side, graph, given, x, "epsilon", targets=targets.TEN)()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("composite", ours.COMPOSITES)
@pytest.mark.parametrize("pool", POOLS)
def test_zennit_explains_the_same_ten_targets(pool: str, composite: str) -> None:
    pytest.importorskip("torch")
    if not peers.available("zennit"):
        pytest.skip("zennit is not installed")
    graph, given, x = small(pool=pool)
    mine, theirs = (sides.make(s, graph, given, x, composite, targets=targets.TEN)() for s in (NUMPY, ZENNIT))
    assert options.largest_difference(mine, peers.to_numpy(theirs)) < 1e-10


def test_relevances_of_different_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"\(10, 2\) and \(1, 2\) cannot be compared"):
        options.largest_difference(np.ones((10, 2)), np.ones((1, 2)))


def test_the_table_of_ten_targets(everything: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side's ten next to its one; the clock reads 2 for one and 6 for ten, of zennit's stand-in 4 and 30."""
    reads = iter([2.0, 6.0, 4.0, 30.0])
    monkeypatch.setattr(targets, "POOLS", {"maxpool": "max pools"})

    def alternate(self: Any, calls: dict[str, Any], **how: Any) -> dict[str, timing.Times]:
        assert list(calls) == [f"one {NUMPY}", f"ten {NUMPY}", f"one {COMPILED}", f"ten {COMPILED}"]
        assert [call().shape[0] for call in calls.values()] == [1, 10, 1, 10]
        return {name: timing.Times((next(reads),)) for name in calls}

    monkeypatch.setattr(options.Options, "alternate", alternate)
    monkeypatch.setattr(peers, "available", lambda name: name in ("onnx", "onnxruntime"))
    (table,) = targets.targets(options.Options(composites=("epsilon",)))
    assert [dict(zip(table.columns, row, strict=True)) for row in table.rows] == [
        {"network": "LeNet, max pools", "composite": "epsilon", "side": NUMPY, "one [s]": 2.0, "ten [s]": 6.0,
         "ten ÷ one [×]": 3.0, "÷ lrp_ref [×]": 1.0, "difference": None, "others": 0},
        {"network": "LeNet, max pools", "composite": "epsilon", "side": COMPILED, "one [s]": 4.0, "ten [s]": 30.0,
         "ten ÷ one [×]": 7.5, "÷ lrp_ref [×]": 5.0, "difference": pytest.approx(0, abs=1e-5), "others": 0},
    ]  # fmt: skip
    assert "not measured: zennit, for zennit is not installed" in table.notes
    assert "not measured: torch gradient, for torch is not installed" in table.notes


def test_a_compiled_side_that_refuses_several_targets_is_left_out(
    everything: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_only(net: Any, composite: Any, **how: Any) -> Any:
        explain = compile_by_numpy(net, composite)
        return lambda x, target: refuse() if isinstance(target, list) else explain(x, target)

    monkeypatch.setattr(lrp, "compile", one_only)
    monkeypatch.setattr(targets, "LEAST", 0)
    monkeypatch.setattr(peers, "available", lambda name: name in ("onnx", "onnxruntime"))
    (table,) = targets.targets(options.Options(composites=("epsilon",), repeats=1, pause=0))
    assert [row[2] for row in table.rows] == [NUMPY, NUMPY]
    assert "not measured: lrp_ref, compiled, LeNet, average pools, epsilon: layer 'a' has no graph" in table.notes


def times(**seconds: tuple[float, ...]) -> dict[str, timing.Times]:
    names = {"numpy": NUMPY, "compiled": COMPILED, "zennit": ZENNIT, "forward": UNIT, "gradient": GRADIENT}
    return {names[side]: timing.Times(taken) for side, taken in seconds.items()}


def test_a_row_per_cell_says_who_loses() -> None:
    cells = Cells("two threads")
    same = {NUMPY: np.array([1.0, -2.0]), COMPILED: np.array([1.0, -2.5]), PASSED: np.array([9.0, 9.0])}
    cells.add(
        "vgg16", 1, "epsilon",
        times(numpy=(3.0, 3.0, 6.0), compiled=(1.0, 2.0, 3.0), zennit=(6.0, 4.0, 9.0), forward=(1.0, 1.0, 1.0),
              gradient=(2.0, 2.0, 2.0)),
        same,
    )  # fmt: skip
    cells.add("resnet50", 8, "epsilon_plus", times(numpy=(2.0,), compiled=(4.0,), zennit=(1.0,)), {NUMPY: np.ones(2)})
    seconds, ratios = cells.tables()
    assert [dict(zip(seconds.columns, row, strict=True)) for row in seconds.rows] == [
        {"network": "vgg16", "batch": 1, "composite": "epsilon", "NumPy [s]": 3.0, "compiled [s]": 2.0,
         "zennit [s]": 6.0, "captum [s]": None, "forward [s]": 1.0, "gradient [s]": 2.0},
        {"network": "resnet50", "batch": 8, "composite": "epsilon_plus", "NumPy [s]": 2.0, "compiled [s]": 4.0,
         "zennit [s]": 1.0, "captum [s]": None, "forward [s]": None, "gradient [s]": None},
    ]  # fmt: skip
    first, second = [dict(zip(ratios.columns, row, strict=True)) for row in ratios.rows]
    # Medians of the rounds' ratios: (6, 2, 3), (2, 4/3, 3/2), (3, 3/2, 2), (1, 2, 3), (1/2, 1, 3/2).
    assert [first[k] for k in ratios.columns[3:8]] == [3.0, 1.5, 2.0, 2.0, 1.0]
    assert (first["difference"], first["between"]) == (0.25, "NumPy, compiled")  # 0.5 of 2
    assert [second[k] for k in ratios.columns[3:]] == [0.25, 0.5, 0.5, None, None, None, None]
    assert ratios.columns[3:8] == [
        "zennit ÷ compiled [×]", "zennit ÷ NumPy [×]", "NumPy ÷ compiled [×]", "compiled ÷ forward [×]",
        "compiled ÷ gradient [×]",
    ]  # fmt: skip
    assert ratios.notes[1:] == [
        "zennit ÷ compiled: 0.25 to 3.00, geometric mean 0.87",
        "zennit ÷ NumPy: 0.50 to 1.50, geometric mean 0.87",
        "NumPy ÷ compiled: 0.50 to 2.00, geometric mean 1.00",
        "compiled ÷ forward: 2.00 to 2.00, geometric mean 2.00",
        "compiled ÷ gradient: 1.00 to 1.00, geometric mean 1.00",
        "compiled takes longer than NumPy in 1 of 2 cells: resnet50, 8, epsilon_plus (2.00 times)",
        "compiled takes longer than zennit in 1 of 2 cells: resnet50, 8, epsilon_plus (4.00 times)",
        "NumPy takes longer than zennit in 1 of 2 cells: resnet50, 8, epsilon_plus (2.00 times)",
    ]


def test_the_largest_difference_is_between_any_two_sides() -> None:
    found = {NUMPY: np.array([4.0]), COMPILED: np.array([5.0]), ZENNIT: np.array([2.0]), PASSED: np.array([99.0])}
    assert largest(found) == (0.6, "compiled, zennit")  # (5 − 2) of 5, the one that is named first
    assert largest({NUMPY: np.ones(1)}) == (None, None)


def test_the_memory_of_the_compiled_side_is_measured_without_torch(
    everything: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(peers, "set_threads", asked.append)
    monkeypatch.setattr(timing, "set_threads", lambda threads: None)
    monkeypatch.setattr(cell, "peak", lambda call: call().size)
    what = {"network": "chain", "batch": 1, "composite": "epsilon", "size": 32, "width": 1 / 8, "threads": 1}
    for side, expected in ((COMPILED, []), (ZENNIT, [1])):
        monkeypatch.setattr(sides, "make", lambda *args: lambda: np.zeros(7))
        monkeypatch.setattr(sys, "argv", ["cell", json.dumps({**what, "side": side})])
        cell.main()
        assert json.loads(capsys.readouterr().out) == {"peak_bytes": 7}
        assert asked == expected


def test_the_report_names_the_version_of_every_program() -> None:
    names = report.machine(2)["versions"]
    assert names["numpy"] == np.__version__
    assert ("onnxruntime" in names) == bool(peers.version("onnxruntime"))
