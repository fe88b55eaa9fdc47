"""How much work the samples are, and so what of it several threads divide.

Handing a piece to another thread takes some 0.1 ms, and threads of the BLAS that wait for the next product keep their
cores busy: on a machine that does other things too, both may take several times as long as one thread alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from ..base.arrays import Array
from ..network.network import Network

WORKING_BYTES = 128 << 20  # of activations that all threads keep on the CPU; a GPU takes the whole batch
DIVIDED_BYTES = 8 << 20  # of activations from which on threads take samples of their own
DIVIDED_PRODUCTS = 22 << 20  # of a layer, on average, from which on threads divide the larger ones: some 0.5 ms
FEWEST_COLUMNS = 8  # that a matrix is multiplied with in the time that reading it takes
RECURRENT_BYTES = 1 << 20  # of a recurrent layer's weights, from which on the BLAS is quicker with several threads


class Divided(Enum):
    """What several threads divide of an explanation."""

    SAMPLES = "each thread takes samples of its own"
    LAYERS = "the threads divide the work of each layer, of all samples at once"
    PRODUCTS = "the BLAS divides its products among threads of its own"
    NOTHING = "one thread does everything"


@dataclass(frozen=True, eq=False)
class Extent:
    """How much one sample takes.

    Attributes:
        numbers: that the walk keeps for the way back.
        products: of every layer that has some: its weights, and the columns that they are multiplied with.
        recurrent: bytes of the weights of the largest recurrent layer.
    """

    numbers: int
    products: tuple[tuple[int, int], ...] = ()
    recurrent: int = 0

    def mean_products(self, n: int) -> float:
        """Return the multiplications of a layer for ``n`` samples, on average, or as many as take as long."""
        each = [weights * max(n * columns, FEWEST_COLUMNS) for weights, columns in self.products]
        return sum(each) / max(len(each), 1)

    def divided(self, n: int, itemsize: int, *, whole: bool) -> Divided:
        """Return what several threads should divide of ``n`` samples.

        Args:
            n: samples.
            itemsize: bytes of a number.
            whole: whether all samples have to be walked together.
        """
        if n > 1 and not whole and n * self.numbers * itemsize >= DIVIDED_BYTES:
            return Divided.SAMPLES
        if self.recurrent >= RECURRENT_BYTES:
            return Divided.PRODUCTS
        return Divided.LAYERS if n and self.mean_products(n) >= DIVIDED_PRODUCTS else Divided.NOTHING

    def samples(self, n: int, itemsize: int, threads: int) -> int:
        """Return how many of ``n`` samples each of ``threads`` threads takes at a time."""
        fit = WORKING_BYTES // max(threads * self.numbers * itemsize, 1)
        return int(max(1, min(-(-n // threads), fit)))


def extent(net: Network, values: Mapping[str, Array], unkept: Collection[str]) -> Extent:
    """Return how much one sample takes, from the values of a pass without samples.

    Args:
        net: the network.
        values: of all its nodes and inputs, by name.
        unkept: names of values that the walk does not keep.
    """
    products, recurrent = [], 0
    for node in net.nodes:
        layer = node.layer
        one = layer.products(values[node.inputs[0]].shape, values[node.name].shape)
        if one is not None:
            products.append(one)
        if layer.recurrent:
            recurrent = max(recurrent, sum(a.nbytes for a in layer.arrays()))
    numbers = sum(math.prod(v.shape[1:]) for name, v in values.items() if name not in unkept)
    return Extent(numbers, tuple(products), recurrent)
