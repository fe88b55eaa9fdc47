"""Networks set by hand whose right map is known: what a measure must rank first.

Each is a network with inputs, the map that is right by symmetry (the Shapley values of f against an input of zeros),
and the mask of the pixels on which f depends. Around them are distractors that the network does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.frozen import Value
from ..errors import ParameterError
from ..layers import Conv, Dense, Flatten, ReLU, Sum
from ..network.network import Network

Floats = NDArray[np.float64]
CROSS = ((0, 1, 0), (1, 1, 1), (0, 1, 0))
DIAGONAL = ((1, 0, 1), (0, 1, 0), (1, 0, 1))
BAR = ((0, 0, 0), (1, 1, 1), (0, 0, 0))  # a distractor
CELL = 4  # pixels: an object of 3 × 3 and a gap
SIDE = 12  # pixels of an image


@dataclass(frozen=True, eq=False, repr=False)
class Truth(Value):
    """A network, inputs, and the right map of each.

    Attributes:
        name: of the function that made it.
        says: what the network computes, in words.
        net: with one input and outputs (N, K).
        x: (N, 1, H, W), float64.
        target: the output that is explained.
        relevance: (N, 1, H, W), in the unit of f; its sum is f(x) − f(0).
        masks: (N, 1, H, W), true where f depends on the pixel.
    """

    name: str
    says: str
    net: Network
    x: Array
    target: int
    relevance: Array
    masks: Array

    def __repr__(self) -> str:
        return f"Truth({self.name}: {self.says}; {len(self.x)} inputs {tuple(self.x.shape[1:])})"


def patch(*, samples: int = 8, seed: int = 0) -> Truth:
    """Return a linear network that reads a marked patch and nothing else: f = Σ_{i in patch} w_i x_i, R_i = w_i x_i.

    Args:
        samples: N.
        seed: of weights and inputs.

    Raises:
        ParameterError: samples below 0.

    Example:
        >>> made = patch(samples=2)
        >>> np.allclose(made.net.forward(made.x)[:, 0], made.relevance.sum(axis=(1, 2, 3)))
        True
    """
    rng = _rng(samples, seed)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[3:7, 5:10] = True
    weight = np.where(mask, rng.uniform(0.5, 1.5, mask.shape), 0.0)
    x = np.where(mask, rng.uniform(0.2, 1.0, (samples, SIDE, SIDE)), rng.uniform(-1.0, 1.0, (samples, SIDE, SIDE)))
    layers = [Flatten(), Dense(np.stack([weight.ravel(), np.zeros(weight.size)], axis=1), np.array([0.0, 1.0]))]
    says = "a sum over a patch, weighted; around it noise that is not read"
    return _truth("patch", says, Network.sequential(layers), x, x * weight, np.broadcast_to(mask, x.shape))


def pattern(*, samples: int = 8, seed: int = 0) -> Truth:
    """Return a convolutional network that counts crosses of 3 × 3 pixels, among bars, which it does not count.

    A filter of 1 on the cross and −1 beside it, with bias −4, fires by 1 where the whole cross is there; the network
    sums what fires. Each of the five pixels, without which it does not, has 1/5.

    Args:
        samples: N.
        seed: of the inputs.

    Raises:
        ParameterError: samples below 0.

    Example:
        >>> made = pattern(samples=3)
        >>> made.net.forward(made.x)[:, 0], made.relevance.max().item()
        (array([3., 3., 3.]), 0.2)
    """
    objects = (CROSS, CROSS, CROSS, BAR, BAR)
    return _counting("pattern", "the number of crosses, among bars", objects, samples, seed)


def two_objects(*, samples: int = 8, seed: int = 0) -> Truth:
    """Return a convolutional network with two classes, of inputs that show both: crosses (0), diagonal crosses (1).

    What is explained is class 0: the map must lie on the crosses, and not on the objects of the other class.

    Args:
        samples: N.
        seed: of the inputs.

    Raises:
        ParameterError: samples below 0.

    Example:
        >>> made = two_objects(samples=2)
        >>> made.net.forward(made.x)
        array([[2., 2.],
               [2., 2.]])
    """
    objects = (CROSS, CROSS, DIAGONAL, DIAGONAL)
    return _counting("two_objects", "crosses against diagonal crosses, both there", objects, samples, seed)


def conjunction(*, samples: int = 8, seed: int = 0) -> Truth:
    """Return f = max(a + b − 1, 0), where a and b are the means of two patches, both 1: half a patch is nothing.

    f depends on the number of pixels only, so that all 2n of them have f/2n.

    Args:
        samples: N.
        seed: of the inputs.

    Raises:
        ParameterError: samples below 0.

    Example:
        >>> made = conjunction(samples=2)
        >>> made.net.forward(made.x)[:, 0], made.relevance.max().item()
        (array([1., 1.]), 0.03125)
    """
    rng = _rng(samples, seed)
    first, second = _patches()
    both = first | second
    x = np.where(both, 1.0, rng.uniform(-1.0, 1.0, (samples, SIDE, SIDE)))
    weight = (both / first.sum()).reshape(-1, 1)
    layers = [Flatten(), Dense(weight, np.array([-1.0])), ReLU(), Dense(np.array([[1.0, 0.0]]), np.array([0.0, 0.5]))]
    relevance = np.where(both, 1 / both.sum(), 0.0) * np.ones_like(x)
    says = "both of two patches are bright"
    return _truth("conjunction", says, Network.sequential(layers), x, relevance, np.broadcast_to(both, x.shape))


def exclusive(*, samples: int = 8, seed: int = 0) -> Truth:
    """Return f = |a − b|, where a and b are the means of two patches, of which one is 1 and the other 0.

    Either patch may be the bright one; its n pixels have 1/n, the dark ones nothing.

    Args:
        samples: N.
        seed: of the inputs.

    Raises:
        ParameterError: samples below 0.

    Example:
        >>> made = exclusive(samples=2)
        >>> made.net.forward(made.x)[:, 0], made.relevance.max().item()
        (array([1., 1.]), 0.0625)
    """
    rng = _rng(samples, seed)
    patches = np.stack(_patches())
    masks = patches[rng.integers(2, size=samples)]
    x = np.where(patches.any(axis=0), masks.astype(np.float64), rng.uniform(-1.0, 1.0, (samples, SIDE, SIDE)))
    means = (patches[0].astype(np.float64) - patches[1]).ravel() / patches[0].sum()
    top = Dense(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0.0, 0.5]))
    layers = [Flatten(), Dense(np.stack([means, -means], axis=1)), ReLU(), top]
    relevance = masks / patches[0].sum()
    return _truth("exclusive", "one of two patches is bright", Network.sequential(layers), x, relevance, masks)


def networks(*, samples: int = 8, seed: int = 0) -> tuple[Truth, ...]:
    """Return all of them, each with as many inputs.

    Example:
        >>> [made.name for made in networks(samples=1)]
        ['patch', 'pattern', 'two_objects', 'conjunction', 'exclusive']
    """
    made = (patch, pattern, two_objects, conjunction, exclusive)
    return tuple(make(samples=samples, seed=seed) for make in made)


def _rng(samples: int, seed: int) -> Generator:
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
        raise ParameterError(f"samples is {samples!r}: give how many inputs, 0 or more")
    return np.random.default_rng(seed)


def _truth(name: str, says: str, net: Network, x: Floats, relevance: Floats, masks: NDArray[np.bool_]) -> Truth:
    return Truth(name, says, net, x[:, None], 0, relevance[:, None], np.array(masks)[:, None])


def _patches() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first, second = np.zeros((2, SIDE, SIDE), dtype=bool)
    first[1:5, 2:6] = True
    second[7:11, 6:10] = True
    return first, second


def _counting(name: str, says: str, objects: Sequence[Sequence[Sequence[int]]], samples: int, seed: int) -> Truth:
    """Return the network that counts crosses (0) and diagonal crosses (1), on images of objects in cells of a grid.

    A window that holds parts of two cells has a dark row or column between them, and fires by 0.
    """
    rng = _rng(samples, seed)
    across = SIDE // CELL
    x, masks = np.zeros((samples, SIDE, SIDE)), np.zeros((samples, SIDE, SIDE), dtype=bool)
    for k in range(samples):
        for cell, shape in zip(rng.permutation(across * across), objects, strict=False):
            y, left = CELL * (cell // across), CELL * (cell % across)
            x[k, y : y + 3, left : left + 3] = shape
            masks[k, y : y + 3, left : left + 3] = np.equal(shape, 1) & (shape == CROSS)
    filters = 2.0 * np.array([CROSS, DIAGONAL])[:, None] - 1.0
    layers = [Conv(filters, np.array([-4.0, -4.0])), ReLU(), Sum(axes=(2, 3)), Flatten()]
    return _truth(name, says, Network.sequential(layers), x, masks / 5.0, masks)
