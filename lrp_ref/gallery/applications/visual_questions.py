"""x"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...evaluate import relevance_mass, relevance_rank
from ...layers import Concat, Constant, Gather, ReLU, Reshape, Sum, Transpose
from ...network import Network, Node
from ...network.inputs import Input
from ...propagation.explaining import explain
from .. import figures, training
from ..application import Application, Finding, Found
from ..questions import ANSWERS, SIZE, WORDS, questions, scenes
from ..running import Run

CELLS = (SIZE // 8) ** 2  # places of the convolutions' output, of which pairs are made
PLACE = 4  # learned numbers that tell a cell where it is


def network(rng: np.random.Generator) -> Network:
    """Return an untrained relation network: what every pair of cells says to the question is summed."""
    first, second = np.triu_indices(CELLS)  # each pair once, and each cell with itself
    place = rng.standard_normal((CELLS, PLACE)).astype(np.float32)
    width = 2 * (32 + PLACE) + WORDS
    chain: list[tuple[str, layers.Layer, tuple[str, ...]]] = [
        ("conv1", training.conv(rng, 3, 16, 3, 3, stride=2, padding=1), ("picture",)), ("relu1", ReLU(), ("conv1",)),
        ("conv2", training.conv(rng, 16, 32, 3, 3, stride=2, padding=1), ("relu1",)), ("relu2", ReLU(), ("conv2",)),
        ("conv3", training.conv(rng, 32, 32, 3, 3, stride=2, padding=1), ("relu2",)), ("relu3", ReLU(), ("conv3",)),
        ("rows", Reshape((32, CELLS)), ("relu3",)), ("seen", Transpose((0, 2, 1)), ("rows",)),
        ("place", Constant(place), ("seen",)), ("cells", Concat(2), ("seen", "place")),
        ("one", Gather(tuple(map(int, first))), ("cells",)), ("other", Gather(tuple(map(int, second))), ("cells",)),
        ("asked", Reshape((1, WORDS)), ("question",)), ("to_all", Gather((0,) * len(first)), ("asked",)),
        ("pairs", Concat(2), ("one", "other", "to_all")),
        ("g1", training.dense(rng, width, 64), ("pairs",)), ("g1_relu", ReLU(), ("g1",)),
        ("g2", training.dense(rng, 64, 64), ("g1_relu",)), ("g2_relu", ReLU(), ("g2",)),
        ("sum", Sum((1,), keepdims=False, factor=1 / len(first)), ("g2_relu",)),
        ("f1", training.dense(rng, 64, 64), ("sum",)), ("f1_relu", ReLU(), ("f1",)),
        ("f2", training.dense(rng, 64, len(ANSWERS)), ("f1_relu",)),
    ]  # fmt: skip
    given = (Input("picture", (None, 3, SIZE, SIZE)), Input("question", (None, WORDS)))
    return Network(tuple(Node(*one) for one in chain), given, ("f2",))
