"""RelMax and ActMax: against stored numbers and a sort of everything; receptive fields by changed pixels; files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, ShapeError
from lrp_ref.layers import Add, Affine, AveragePool, Concat, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.methods import Strongest, actmax, crops, receptive_field, relmax
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import arrays

RNG = np.random.default_rng(191)
PLUS: dict[str, Any] = {"composite": "epsilon_plus"}


def sums(channels: int, positions: int) -> Network:
    """f = Σ x: its value is the input, and under LRP-0 the relevance there is the input too."""
    layers = [
        ("value", Affine(np.ones(channels), np.zeros(channels))), ("flat", Flatten()),
        ("f", Dense(np.ones((channels * positions, 1)))),
    ]  # fmt: skip
    return Network.sequential(layers)


def small() -> Network:
    layers = [
        ("conv1", Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3))), ("relu1", ReLU()),
        ("max", MaxPool(2, stride=1)),
        ("conv2", Conv(RNG.normal(size=(4, 3, 2, 2)), RNG.normal(size=4))), ("relu2", ReLU()), ("flat", Flatten()),
        ("dense1", Dense(RNG.normal(size=(16, 5)), RNG.normal(size=5))), ("relu3", ReLU()),
        ("dense2", Dense(RNG.normal(size=(5, 3)), RNG.normal(size=3))),
    ]  # fmt: skip
    return Network.sequential(layers)


SMALL, X = small(), RNG.normal(size=(11, 2, 5, 5))


def sorted_out(value: Any, by: str, k: int, norm: str | None = None) -> tuple[Any, Any, Any]:
    """Sort everything, one channel after the other, with Python's own stable sort."""
    n, c = value.shape[:2]
    flat = value.reshape(n, c, -1)
    strength = flat.sum(axis=2) if by == "sum" else flat.max(axis=2)
    if norm:
        strength = strength / (np.abs(strength).sum(axis=1, keepdims=True) + 1e-10)
    columns = [sorted(range(n), key=lambda i: -strength[i, ch])[:k] for ch in range(c)]
    samples = np.array(columns).T
    values = np.array([[strength[i, ch] for i in rows] for ch, rows in enumerate(columns)]).T
    return samples, values, np.array([[flat[i, ch].argmax() for i in rows] for ch, rows in enumerate(columns)]).T


# What is found -----------------------------------------------------------------------------------------------------


@golden_methods.needed
@pytest.mark.parametrize("by", ["sum", "max"])
@pytest.mark.parametrize("norm", [None, "crp"])
def test_stored_numbers(by: str, norm: str | None) -> None:
    stored = arrays("extra")
    x, key = stored["crp/relevance"], f"crp/relmax_{by}_{'raw' if norm is None else 'abs_norm'}"
    for found in (
        actmax(sums(4, 9), x, at="value", by=by, norm=norm),
        relmax(sums(4, 9), x, at="value", by=by, norm=norm, composite="lrp0"),
        relmax(sums(4, 9), iter([x[:2], x[2:7], x[7:]]), at="value", by=by, norm=norm, composite="lrp0"),
    ):
        assert (found.samples == stored[f"{key}/samples"]).all()
        assert np.abs(found.values - stored[f"{key}/values"]).max() <= 1e-12
        assert (found.positions == stored[f"{key}/position"]).all()


@pytest.mark.parametrize("at", ["conv2", "relu2", "max", "dense1"])
@pytest.mark.parametrize("by", ["sum", "max"])
@pytest.mark.parametrize("k", [1, 4, 40])
def test_the_best_of_all_samples_sorted(at: str, by: str, k: int) -> None:
    labels = RNG.integers(0, 3, size=11)
    relevance = lrp.explain(SMALL, X, target=labels, trace=True, **PLUS).trace.relevance[at]
    activation = SMALL.until(at).forward(X)
    pairs = (
        (relmax(SMALL, X, at=at, by=by, k=k, target=labels, **PLUS), relevance),
        (relmax(SMALL, (X[i : i + 3] for i in range(0, 11, 3)), at=at, by=by, k=k, target=labels, **PLUS), relevance),
        (actmax(SMALL, [X[:4], X[4:5], X[5:5], X[5:]], at=at, by=by, k=k), activation),
    )
    for found, everything in pairs:
        samples, values, positions = sorted_out(everything, by, k)
        assert found.samples.shape == (min(k, 11), activation.shape[1])
        assert np.abs(found.values - values).max() <= 1e-14
        assert (found.samples == samples).all()
        flat = everything.reshape(*everything.shape[:2], -1)
        columns = np.arange(flat.shape[1])
        assert (flat[samples, columns, found.positions] == flat[samples, columns, positions]).all()


@pytest.mark.parametrize("batches", [[6], [1] * 6, [2, 4], [4, 0, 2]])
def test_of_equal_samples_the_lower_number_comes_first(batches: list[int]) -> None:
    x = np.array([[1.0, 0], [2, 0], [1, 0], [2, 0], [2, 0], [1, 0]])
    cuts = np.cumsum([0, *batches])
    pieces = [x[a:b] for a, b in pairwise(cuts)]
    found = actmax(sums(2, 1), pieces, at="value", k=4)
    assert found.samples.tolist() == [[1, 0], [3, 1], [4, 2], [0, 3]]


def test_one_batch_at_a_time_is_in_memory() -> None:
    """The best so far are merged before the next batch is asked for, whatever number of batches comes."""
    alive: list[int] = []

    def batches() -> Iterator[Any]:
        import weakref

        for _ in range(6):
            few = RNG.normal(size=(3, 2, 5, 5))
            alive.append(1)
            weakref.finalize(few, alive.pop)
            yield few
            del few
            assert len(alive) <= 1

    told: list[int] = []
    found = relmax(SMALL, batches(), at="conv2", k=2, progress=told.append, **PLUS)
    assert found.samples.shape == (2, 4)
    assert told == [3, 6, 9, 12, 15, 18]


def test_the_network_is_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.propagation import prepare

    made = []
    original = prepare._made
    monkeypatch.setattr(prepare, "_made", lambda *a: made.append(1) or original(*a))
    relmax(small(), [X[:4], X[4:8], X[8:]], at="conv2", k=2, **PLUS)
    assert len(made) == 1


def test_an_activation_is_that_of_the_network_as_it_is_explained() -> None:
    """Of a convolution that BatchNorm is merged into: the same value whose relevance RelMax looks at."""
    nodes = (
        Node("conv", Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3)), ("x",)),
        Node("bn", Affine(np.array([1.0, -2.0, 0.5]), RNG.normal(size=3)), ("conv",)),
        Node("relu", ReLU(), ("bn",)),
        Node("flat", Flatten(), ("relu",)),
        Node("dense", Dense(RNG.normal(size=(48, 2))), ("flat",)),
    )
    net = Network(nodes, (Input("x", (None, 2, 5, 5)),), ("dense",))
    for at, canonize, value in (("conv", True, "bn"), ("conv", False, "conv"), ("relu", True, "relu")):
        found = actmax(net, X, at=at, k=3, canonize=canonize)
        samples, values, _ = sorted_out(net.until(value).forward(X), "sum", 3)
        assert (found.samples == samples).all()
        assert np.abs(found.values - values).max() <= 1e-12


def test_single_precision_stays_and_no_sample_is_no_row() -> None:
    assert relmax(SMALL.astype("float32"), X.astype(np.float32), at="conv2", **PLUS).values.dtype == np.float32
    assert actmax(SMALL, X[:0], at="conv2").samples.shape == (0, 4)


# Receptive fields --------------------------------------------------------------------------------------------------


def branches() -> Network:
    """A high and a broad branch, added and joined: what a position sees is the union of both."""
    ones = np.ones
    nodes = (
        Node("high", Conv(ones((2, 1, 5, 3)), padding=(2, 1), stride=2), ("x",)),
        Node("broad", Conv(ones((2, 1, 1, 5)), padding=(0, 2), stride=2), ("x",)),
        Node("sum", Add(), ("high", "broad")),
        Node("relu", ReLU(), ("sum",)),
        Node("joined", Concat(), ("relu", "broad")),
        Node("max", MaxPool(2, stride=1), ("joined",)),
        Node("mean", AveragePool(2, stride=2), ("max",)),
        Node("dilated", Conv(ones((1, 4, 2, 1)), dilation=2), ("max",)),
        Node("flat", Flatten(), ("mean",)),
        Node("dense", Dense(ones((16, 2))), ("flat",)),
    )
    return Network(nodes, (Input("x", (None, 1, 10, 9)),), ("dense",))


@pytest.mark.parametrize("at", ["high", "broad", "sum", "joined", "max", "mean", "dilated", "flat", "dense"])
def test_boxes_hold_the_pixels_whose_change_is_seen(at: str) -> None:
    """All weights and inputs are positive, so that a pixel made larger is seen wherever it is read."""
    net, shape = branches(), (1, 10, 9)
    value = net.until(at).forward(np.ones((1, *shape)))[0]
    changed = np.ones((90, *shape))
    changed.reshape(90, 90)[np.arange(90), np.arange(90)] = 100.0
    seen = (net.until(at).forward(changed) != value).any(axis=1)
    places = list(np.ndindex(*value.shape[1:])) if value.ndim > 1 else [()]
    found = receptive_field(net, at, places, shape)
    for place, box in zip(places, found, strict=True):
        rows, columns = np.nonzero(seen[(slice(None), *place)].reshape(10, 9))
        assert box == (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert receptive_field(net, at, range(len(places)), shape) == found


@pytest.mark.parametrize("made", [lambda net: net.astype("float32"), rational], ids=["float32", "rational"])
def test_boxes_of_every_kind_of_number(made: Any) -> None:
    places = [(0, 0), (2, 1)]
    boxes = receptive_field(branches(), "max", places, (1, 10, 9))
    assert receptive_field(made(branches()), "max", places, (1, 10, 9)) == boxes


def test_size_and_stride_of_a_chain() -> None:
    """Kernels k and strides s in a chain: size 1 + Σ (k − 1)·(product of the strides before), stride their product."""
    kernels, strides = [3, 2, 3, 2], [1, 2, 2, 2]
    layers = [Conv(np.ones((1, 1, 3))), MaxPool(2), Conv(np.ones((1, 1, 3)), stride=2), AveragePool(2)]
    net = Network.sequential(layers)
    name = net.nodes[-1].name
    (first,), (second,) = receptive_field(net, name, [(0,), (1,)], (1, 60))
    size = 1 + sum((k - 1) * int(np.prod(strides[:i])) for i, k in enumerate(kernels))
    assert (first.start, first.stop - first.start, second.start - first.start) == (0, size, int(np.prod(strides)))


def test_crops_at_the_strongest_positions() -> None:
    found = actmax(SMALL, X, at="relu2", k=3, by="max")
    boxes = found.boxes(SMALL, X.shape[1:], 1)
    cut = crops(X, boxes, found.samples[:, 1])
    for picture, sample, place in zip(cut, found.samples[:, 1], found.positions[:, 1], strict=True):
        y, x = divmod(int(place), 2)
        assert (picture == X[sample, :, y : y + 4, x : x + 4]).all()
        # Nothing else is read: the value is that of the crop alone.
        value = SMALL.until("relu2").forward(picture[None])[0, 1, 0, 0]
        assert value == pytest.approx(SMALL.until("relu2").forward(X[sample][None])[0, 1, y, x], abs=1e-14)
    dense = actmax(SMALL, X, at="dense1", k=2)
    assert dense.boxes(SMALL, X.shape[1:], 0) == [(slice(0, 5), slice(0, 5))] * 2


# Files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "norm", "kind"), [("sum", None, "Rel"), ("max", "crp", "Rel"), ("sum", "crp", "Act")])
def test_files_as_zennit_crp_names_them(by: str, norm: str | None, kind: str, tmp_path: Path) -> None:
    search = relmax if kind == "Rel" else actmax
    found = search(SMALL, X, at="conv2", by=by, norm=norm, k=5)
    folder = found.save(tmp_path)
    assert folder.name == f"{kind}Max_{by}_{'unnormed' if norm is None else 'normed'}"
    assert sorted(f.name for f in folder.iterdir()) == ["conv2_data.npy", "conv2_rel.npy", "conv2_rf.npy"]
    data, rel, rf = (np.load(folder / f"conv2_{name}.npy") for name in ("data", "rel", "rf"))
    assert (data.dtype, rel.dtype, rf.dtype) == (np.int64, np.float64, np.int64)
    assert all((a == b).all() for a, b in ((data, found.samples), (rel, found.values), (rf, found.positions)))
    again = Strongest.load(folder, "conv2")
    assert repr(again) == repr(found)
    assert again.boxes(SMALL, X.shape[1:], 2) == found.boxes(SMALL, X.shape[1:], 2)


def written(tmp_path: Path) -> Path:
    return relmax(SMALL, X, at="conv2", k=5, **PLUS).save(tmp_path)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = written(tmp_path)
    good = {name: (folder / f"conv2_{name}.npy").read_bytes() for name in ("data", "rel", "rf")}
    huge = good["data"].replace(b"'shape': (5, 4), ", b"'shape': (5, 40000000000), ")[: len(good["data"])]
    assert huge != good["data"]
    wrong = {
        "cut": ("rel", good["rel"][:100]),
        "not an array": ("data", b"nothing"),
        "empty": ("data", b""),
        "larger than it is": ("data", huge),
        "another shape": ("rf", array_bytes(np.zeros((5, 3), dtype=np.int64))),
        "no numbers of samples": ("data", array_bytes(np.full((5, 4), -1))),
        "floats as positions": ("rf", array_bytes(np.zeros((5, 4)))),
        "not finite": ("rel", array_bytes(np.full((5, 4), np.nan))),
        "objects": ("rel", array_bytes(np.full((5, 4), None), allow_pickle=True)),
    }
    for name, content in wrong.values():
        file = folder / f"conv2_{name}.npy"
        file.write_bytes(content)
        with pytest.raises(ModelFormatError) as caught:
            Strongest.load(folder, "conv2")
        assert "\n" not in str(caught.value)
        file.write_bytes(good[name])
    assert Strongest.load(folder, "conv2").samples.shape == (5, 4)


def array_bytes(array: Any, *, allow_pickle: bool = False) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


WRONG: list[tuple[Any, type[LrpError], str]] = [
    (lambda p: Strongest.load(p / "RelMax_sum_unnormed", "conv3"), ModelFormatError, "no such file"),
    (lambda p: Strongest.load(p, "conv2"), ModelFormatError, "give the folder of one search, called RelMax_sum_normed"),
    (lambda p: Strongest.load(p / "RelMax_sum_unnormed", "../conv2"), ParameterError, "cannot be the name of a file"),
    (lambda p: relmax(SMALL, X, at="conv3"), ParameterError, "unknown node 'conv3'"),
    (lambda p: relmax(SMALL, X, at="conv2", by="mean"), ParameterError, "by='mean': give 'sum' or 'max'"),
    (lambda p: relmax(SMALL, X, at="conv2", norm="abs"), ParameterError, "norm='abs': give None, or 'crp'"),
    (lambda p: relmax(SMALL, X, at="conv2", k=0), ParameterError, "k=0: keep at least one sample, k=1"),
    (lambda p: relmax(SMALL, [], at="conv2"), ParameterError, "the data set has no batches: give x (N, ...), or"),
    (lambda p: relmax(SMALL, X, at="conv2", target=[0] * 10), ShapeError, "target has 10 entries and the data set "),
    (lambda p: relmax(SMALL, X, at="conv2", target=[0] * 12), ShapeError, "target has 12 entries and the data set 11"),
    (lambda p: actmax(SMALL, X, at="conv3"), ParameterError, "unknown node 'conv3'"),
    (lambda p: receptive_field(SMALL, "conv3", [(0, 0)], (2, 5, 5)), ParameterError, "unknown node 'conv3'"),
    (lambda p: receptive_field(SMALL, "conv2", [(0, 2)], (2, 5, 5)), ParameterError, "position (0, 2) is outside of "),
    (lambda p: receptive_field(SMALL, "conv2", [4], (2, 5, 5)), ParameterError, "position 4 is outside of 'conv2'"),
    (lambda p: receptive_field(SMALL, "conv2", [(1,)], (2, 5, 5)), ParameterError, "position (1,) is outside of "),
    (lambda p: actmax(SMALL, X, at="conv2").boxes(SMALL, (2, 5, 5), 4), ParameterError, "'conv2' has no channel 4"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_errors_say_what_to_do(call: Any, kind: type[LrpError], text: str, tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(kind, match=re.escape(text)):
        call(tmp_path)


def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path) -> None:
    layers = [("a/b", Affine(np.ones(2), np.zeros(2))), ("f", Dense(np.ones((2, 1))))]
    found = actmax(Network.sequential(layers), np.ones((1, 2)), at="a/b", canonize=False)
    with pytest.raises(ParameterError, match="'a/b' cannot be the name of a file: rename the node"):
        found.save(tmp_path)
