"""What several threads divide: decided by the size of the work, which follows from the shapes alone."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from readied import ready  # noqa: E402

from benchmarks import networks  # noqa: E402
from lrp_ref import layers, loaders  # noqa: E402
from lrp_ref.network import Network  # noqa: E402
from lrp_ref.propagation import workload  # noqa: E402
from lrp_ref.propagation.workload import Divided, Extent  # noqa: E402

MODELS = ROOT / "models"


def extent_of(net: Network, *shape: int, dtype: Any = np.float32) -> Extent:
    fed = net.feed(np.zeros((1, *shape), dtype))
    return ready(net, fed, "epsilon").extent(fed)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_products_are_weights_and_the_columns_that_meet_them() -> None:
    net = Network.sequential([
        layers.Conv(zeros(6, 2, 3, 5), zeros(6), stride=(2, 1)),  # (9, 9) → (4, 5)
        layers.ReLU(),
        layers.Conv(zeros(6, 1, 1, 1), groups=6),
        layers.ConvTranspose(zeros(6, 3, 2, 2), stride=2),  # (4, 5) → (8, 10)
        layers.Conv(zeros(4, 3, 8, 1)),
        layers.Reshape((5, 8)),
        layers.Dense(zeros(8, 7), zeros(7)),
        layers.Flatten(),
        layers.Dense(zeros(35, 2)),
    ])  # fmt: skip
    found = extent_of(net, 2, 9, 9)
    assert found.products == ((180, 20), (6, 20), (72, 20), (96, 10), (56, 5), (70, 1))
    assert found.recurrent == 0


def test_the_largest_lstm_counts_with_all_its_weights() -> None:
    sizes = ((2, 3), (3, 5), (5, 2))
    net = Network.sequential([
        layers.LSTM(zeros(1, 4, h, f), zeros(1, 4, h, h), zeros(1, 4, h)) for f, h in sizes
    ])  # fmt: skip
    found = extent_of(net, 6, 2)
    assert found.products == ()
    assert found.recurrent == 4 * 4 * 5 * (3 + 5 + 1)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 100])
def test_a_small_matrix_takes_as_long_as_reading_it(n: int) -> None:
    """Mean over layers of weights · max(n columns, 8)."""
    expected = (50 * max(3 * n, 8) + 70 * max(n, 8)) / 2
    assert Extent(1, ((50, 3), (70, 1))).mean_products(n) == expected
    assert Extent(1).mean_products(n) == 0


PRODUCTS, BYTES, RECURRENT = 22 << 20, 8 << 20, 1 << 20


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_the_layers_of_one_sample_or_of_small_ones_are_shared_where_they_are_large(n: int, whole: bool) -> None:
    columns = max(n, 1) * 8
    for less, expected in ((0, Divided.LAYERS), (1, Divided.NOTHING)):
        found = Extent(10, ((-(-PRODUCTS // columns) - less, 8),))
        assert found.divided(n, 4, whole=whole) is (expected if n else Divided.NOTHING)


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_samples_are_shared_where_they_are_large(n: int, itemsize: int) -> None:
    enough = math.ceil(BYTES / (itemsize * max(n, 1)))
    for numbers, expected in ((enough, Divided.SAMPLES), (enough - 1, Divided.NOTHING)):
        found = Extent(numbers, ((1, 1),))
        assert found.divided(n, itemsize, whole=False) is (expected if n > 1 else Divided.NOTHING)
        assert found.divided(n, itemsize, whole=True) is Divided.NOTHING


def test_a_large_lstm_is_left_to_the_blas_unless_samples_are_divided() -> None:
    large, small = (Extent(BYTES, ((PRODUCTS, 1),), size) for size in (RECURRENT, RECURRENT - 1))
    assert large.divided(1, 4, whole=False) is Divided.PRODUCTS
    assert large.divided(2, 4, whole=True) is Divided.PRODUCTS
    assert large.divided(2, 4, whole=False) is Divided.SAMPLES
    assert small.divided(1, 4, whole=False) is Divided.LAYERS


@pytest.mark.parametrize(
    ("n", "threads", "room", "most"),
    [(12, 3, 300, 4), (12, 3, 9, 3), (12, 3, 8, 2), (12, 1, 300, 12), (12, 1, 7, 7), (5, 2, 300, 3), (5, 2, 1, 1)],
)
def test_samples_at_a_time_keep_to_the_memory(
    monkeypatch: pytest.MonkeyPatch, n: int, threads: int, room: int, most: int
) -> None:
    monkeypatch.setattr(workload, "WORKING_BYTES", room * 40)
    assert Extent(10).samples(n, 4, threads) == most


def chain_products(name: str, size: int) -> tuple[tuple[int, int], ...]:
    """Weights and columns of a described network, without its parameters."""
    graph = networks.NETWORKS[name](size)
    shapes = graph.shapes()
    sized = [(op, math.prod(shapes[op.name][1:])) for op in graph.ops if op.kind in ("conv", "dense")]
    return tuple((op.ins * op.outs * op.kernel**2, columns) for op, columns in sized)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [("vgg16", 224, Divided.LAYERS), ("vgg16", 32, Divided.LAYERS), ("resnet50", 224, Divided.LAYERS),
     ("densenet121", 224, Divided.LAYERS), ("densenet121", 160, Divided.NOTHING),
     ("resnet50", 64, Divided.NOTHING)],
)  # fmt: skip
def test_one_sample_of_large_networks_is_divided(name: str, size: int, expected: Divided) -> None:
    assert Extent(1, chain_products(name, size)).divided(1, 4, whole=False) is expected


@pytest.mark.parametrize(
    ("name", "alone", "samples"),
    [("efficientnet_lite0", (1,), (2, 8)), ("fashion_cnn", (1, 8, 16), (64,)), ("digits_cnn", (1, 8), (128,)),
     ("fashion_dense", (1, 8, 64), (2000,)), ("sequence_lstm", (1, 64), ())],
)  # fmt: skip
def test_small_layers_are_not_shared_but_many_samples_are(
    name: str, alone: tuple[int, ...], samples: tuple[int, ...]
) -> None:
    """EfficientNet-Lite0 has 7.9 million products a layer: a second thread took 0–8 % of the time and added 30 %."""
    model = loaders.load(MODELS / f"{name}.onnx")
    shape = [29 if axis is None else axis for axis in model.inputs[0].shape[1:]]
    found = extent_of(model, *shape)
    assert {found.divided(n, 4, whole=False) for n in alone} == {Divided.NOTHING}
    assert {found.divided(n, 4, whole=False) for n in samples} <= {Divided.SAMPLES}
