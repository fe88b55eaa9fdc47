"""The benchmarks measure what they say: same network on every side, right counts, alternating runs. No time decides."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import cell, floor, networks, ours, peers, questions, report, sentences, sides, timing  # noqa: E402
from benchmarks.networks import Graph, Op  # noqa: E402

# A convolution on signed input, one whose z a ReLU reads, one in front of an addition, a dense layer.
SMALL = Graph(
    "small",
    (3, 8, 6),
    (
        Op("a", "conv", ("input",), 3, 4, kernel=3, padding=1),
        Op("a-relu", "relu", ("a",)),
        Op("b", "conv", ("a-relu",), 4, 5, kernel=3, stride=2, padding=1),
        Op("b-bn", "batchnorm", ("b",), outs=5),
        Op("b-relu", "relu", ("b-bn",)),
        Op("c", "conv", ("b-relu",), 5, 5, bias=False),
        Op("sum", "add", ("c", "b-relu")),
        Op("sum-relu", "relu", ("sum",)),
        Op("pool", "maxpool", ("sum-relu",), kernel=2, stride=2),
        Op("average", "average", ("pool",)),
        Op("flat", "flatten", ("average",)),
        Op("d", "dense", ("flat",), 5, 7),
    ),
)


def test_shapes_and_multiply_adds_by_hand() -> None:
    shapes = SMALL.shapes()
    assert shapes["a"] == (4, 8, 6)
    assert shapes["b"] == shapes["sum"] == (5, 4, 3)
    assert shapes["pool"] == (5, 2, 1)
    assert shapes["flat"] == (5,)
    # outputs × taps: 4·48 × 27, 5·12 × 36, 5·12 × 5, 7 × 5
    assert floor.multiply_adds(SMALL) == {"a": 5184, "b": 2160, "c": 300, "d": 35}


@pytest.mark.parametrize(
    ("name", "expected"),
    # VGG-16: Σ over its sixteen layers of positions × outs × ins × kernel²; ResNet-50: likewise over fifty-four.
    [("vgg16", 15_470_264_320), ("resnet50", 4_089_184_256)],
)
def test_multiply_adds_of_the_published_networks(name: str, expected: int) -> None:
    assert sum(floor.multiply_adds(networks.NETWORKS[name]()).values()) == expected


@pytest.mark.parametrize(
    ("composite", "expected"),
    [
        ("epsilon", {"a": 2, "b": 2, "c": 2, "d": 2}),
        ("epsilon_plus", {"a": 5, "b": 3, "c": 3, "d": 2}),
        ("epsilon_alpha2_beta1", {"a": 9, "b": 5, "c": 5, "d": 2}),
        ("epsilon_gamma_box", {"a": 3, "b": 3, "c": 5, "d": 2}),
    ],
)
def test_products_that_a_rule_needs(composite: str, expected: dict[str, int]) -> None:
    assert floor.products(SMALL, composite) == expected


def test_the_floor_adds_up_products_times_seconds() -> None:
    class Unit(floor.Machine):
        def seconds(self, rows: int, inner: int, columns: int) -> float:
            return float(rows * inner * columns)

    # 2 samples; needs 5, 3, 3, 2 products of 5184, 2160, 300, 35 multiply-adds
    assert Unit().floor(SMALL, "epsilon_plus", 2) == 2 * (5 * 5184 + 3 * 2160 + 3 * 300 + 2 * 35)


def test_the_floor_can_be_timed_next_to_the_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples: each product as often as the rule needs it, of the shape of one sample where it is a convolution."""
    done: list[tuple[int, ...]] = []

    class Products:
        full, empty = np.full, np.empty

        @staticmethod
        def matmul(a: Any, b: Any, *, out: Any) -> None:
            assert a.dtype == b.dtype == out.dtype == np.float32
            assert out.shape == (len(a), b.shape[1])
            done.append((*a.shape, b.shape[1]))

    monkeypatch.setattr(floor, "_module", lambda backend: Products)
    call = floor.Machine().call(SMALL, "epsilon_plus", 2)
    assert done == []
    call()
    shapes = {op.name: floor.shape_of(SMALL, op, 2) for op in SMALL.ops if op.kind in ("conv", "dense")}
    assert shapes["d"][0] == 2
    expected = {shape[:3]: 0 for shape in shapes.values()}
    for name, times in {"a": 5, "b": 3, "c": 3, "d": 2}.items():
        expected[shapes[name][:3]] += times * shapes[name][3]
    assert {shape: done.count(shape) for shape in set(done)} == expected
    assert sum(r * i * c for r, i, c in done) == 2 * (5 * 5184 + 3 * 2160 + 3 * 300 + 2 * 35)


def clock(*seconds: float) -> Any:
    """Return a clock that reads these seconds, one call after another."""
    left = iter(seconds)

    def read(call: Any) -> float:
        call()
        return next(left)

    return read


def test_short_calls_are_timed_warm() -> None:
    """What took a second or more in the first round is not made twice."""
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    times = timing.alternate(calls, repeats=1, clock=clock(0.9, 1.0, 0.1, 0.2), pause=0)
    assert "".join(order) == "abaab"
    assert (times["a"].seconds, times["b"].seconds) == ((0.1,), (0.2,))


def test_calls_alternate_after_one_round_that_does_not_count() -> None:
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    read = clock(9.0, 9.0, 1.0, 10.0, 3.0, 30.0, 2.0, 20.0)
    times = timing.alternate(calls, repeats=3, clock=read, pause=0)
    assert "".join(order) == "abababab"
    assert times["a"].seconds == (1.0, 3.0, 2.0)
    assert (times["a"].median, times["b"].median) == (2.0, 20.0)
    assert times["b"].spread == (10.0, 30.0)
    assert times["b"].over(times["a"]) == 10
    assert timing.Times((1.0, 4.0, 3.0)).over(timing.Times((1.0, 2.0, 2.0))) == 1.5


def test_no_round_begins_after_the_limit_once_three_are_done() -> None:
    times = timing.alternate({"a": lambda: None}, repeats=10, clock=lambda call: 5.0, limit=12.0, pause=0)
    assert times["a"].seconds == (5.0, 5.0, 5.0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux' /proc")
def test_peak_memory_is_what_the_call_touched_and_freed() -> None:
    def call() -> None:
        np.ones(8_000_000)

    assert 60e6 < cell.peak(call) < 90e6


def test_the_loop_over_words_computes_what_the_layer_computes() -> None:
    weights, x = sentences.model(features=4, hidden=3), sentences.sentences(2, words=5, features=4)
    layer, loop = sentences.ours(weights, x)(), sentences.one_word_at_a_time(weights, x)()
    assert layer.shape == x.shape
    np.testing.assert_allclose(layer, loop, rtol=0, atol=1e-13 * np.abs(loop).max())


def tiny(name: str) -> tuple[Graph, networks.Parameters, np.ndarray]:
    graph = SMALL if name == "small" else networks.NETWORKS[name](size=32, width=1 / 16)
    return graph, networks.cast(networks.parameters(graph), "float64"), networks.pictures(graph, 2, "float64")


@pytest.mark.parametrize("name", ["small", "vgg16", "resnet50", "chain"])
def test_torch_and_lrp_ref_are_given_the_same_network(name: str) -> None:
    pytest.importorskip("torch")
    graph, given, x = tiny(name)
    theirs = peers.to_numpy(sides.make(sides.UNIT, graph, given, x, "epsilon")())
    mine = ours.network(graph, given).forward(x)
    assert mine.dtype == theirs.dtype == np.float64
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("composite", ours.COMPOSITES)
@pytest.mark.parametrize("name", ["small", "vgg16", "resnet50"])
def test_zennit_and_lrp_ref_compute_the_same_relevance(name: str, composite: str) -> None:
    pytest.importorskip("torch")
    if not peers.available("zennit"):
        pytest.skip("zennit is not installed")
    graph, given, x = tiny(name)
    mine, theirs = (sides.make(side, graph, given, x, composite)() for side in ("lrp_ref", "zennit"))
    assert questions.largest_difference(mine, peers.to_numpy(theirs)) < 1e-10


def test_captum_and_lrp_ref_compute_the_same_relevance() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("captum")
    graph, given, x = tiny("vgg16")
    mine, theirs = (sides.make(side, graph, given, x, "epsilon")() for side in ("lrp_ref", "captum"))
    # captum's max pool divides by the maximum + 1e-9.
    assert questions.largest_difference(mine, peers.to_numpy(theirs)) < 1e-5


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", "--size", "32", "--width", "0.0625", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_floor_alone_needs_no_peer_and_writes_json(tmp_path: Path) -> None:
    done = run("--floor-only", "--batch", "2", "--json", str(tmp_path / "floor.json"))
    assert done.returncode == 0, done.stderr
    assert "not installed" not in done.stderr
    written = json.loads((tmp_path / "floor.json").read_text())
    assert set(written) == {"machine", "tables"}
    assert {"processor", "cores", "threads", "blas", "load_1min", "python", "versions"} == set(written["machine"])
    shapes, totals = written["tables"]
    assert [shapes["name"], totals["name"]] == ["gemm", "floor"]
    for table in (shapes, totals):
        assert set(table) == {"name", "title", "columns", "rows", "notes"}
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    assert len(totals["rows"]) == 2 * 1 * len(ours.COMPOSITES)
    graph = networks.vgg16(size=32, width=1 / 16)
    assert totals["rows"][0][3] == 2 * sum(floor.multiply_adds(graph).values())
    assert [p.name for p in tmp_path.iterdir()] == ["floor.json"]


def test_images_are_measured_with_whatever_is_installed(tmp_path: Path) -> None:
    options = ["--only", "images", "--networks", "vgg16", "--composites", "epsilon", "--batch", "1", "--repeats", "2"]
    done = run(*options, "--pause", "0", "--no-memory", "--json", str(tmp_path / "images.json"))
    assert done.returncode == 0, done.stderr
    table, seconds, ratios = json.loads((tmp_path / "images.json").read_text())["tables"]
    assert [table["name"], seconds["name"], ratios["name"]] == ["images", "seconds", "ratios"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [row["side"] for row in rows] == [*sides.sides_of("vgg16", "epsilon"), "floor"]
    assert rows[-1]["÷ floor [×]"] == 1
    assert rows[0]["side"] == "lrp_ref"
    assert all(row["min [s]"] <= row["median [s]"] <= row["max [s]"] for row in rows)
    assert all(row["difference"] < 1e-3 for row in rows if row["difference"] is not None)
    cell = dict(zip(seconds["columns"], seconds["rows"][0], strict=True))
    assert cell["NumPy [s]"] == rows[0]["median [s]"]
    assert all(len(t["rows"]) == 1 and len(t["rows"][0]) == len(t["columns"]) for t in (seconds, ratios))
    for side in (sides.COMPILED, sides.ZENNIT):
        said = any(side in note for t in (table, ratios) for note in t["notes"] if note.startswith("not measured"))
        assert said == bool(sides.missing(side))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "imges"], "'imges' is none of floor, images"),
        (["--batch", "1,x"], "'1,x' is no list of whole numbers"),
        (["--batch", "0"], "below 1"),
        (["--size", "33"], "33 is not a multiple of 32"),
    ],
)
def test_unusable_options_end_with_a_reason(options: list[str], said: str) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert said in done.stderr


def test_cells_are_printed_in_the_units_of_their_columns() -> None:
    assert report.shown(None, "difference") == ""
    assert report.shown(1_234_567_890, "peak [MB]") == "1235"
    assert report.shown(2.345, "÷ lrp_ref [×]") == "2.35"
    assert report.shown(0.01234, "median [s]") == "0.0123"
    assert report.shown(3.9e-7, "difference") == "3.9e-07"
    assert report.shown(8, "batch") == "8"


def test_the_accuracy_table_explains_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call reads all images from the same place, one after another; what it returned before stays as it was."""
    monkeypatch.setattr(questions, "IMAGES", 3)
    given = networks.parameters(SMALL)
    found = questions._relevance("lrp_ref", SMALL, given, "epsilon", "float32")
    together = ours.call(SMALL, given, networks.pictures(SMALL, 3), "epsilon")()
    assert len({image.tobytes() for image in found}) == 3
    np.testing.assert_allclose(found, together, rtol=1e-4, atol=1e-6)
