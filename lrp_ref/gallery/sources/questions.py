"""Generated pictures of a few coloured shapes, with exact masks, and questions about them with one right answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE, GRID = 24, 3  # sides of a picture in pixels, and cells along a side, of which each holds one shape at most
SHAPES = ("cross", "square", "triangle")
COLOURS = {"red": (0.9, 0.15, 0.15), "green": (0.1, 0.7, 0.2), "blue": (0.15, 0.3, 0.95), "yellow": (0.95, 0.85, 0.1)}
PAPER = 0.45  # brightness of the background
ANSWERS = (*SHAPES, "yes", "no")
WORDS = 2 + 2 * len(COLOURS)  # of a question: which kind, the first colour, the second


@dataclass(frozen=True)
class Scenes:
    """Pictures of shapes, no two of one colour.

    Attributes:
        pictures: (N, 3, SIZE, SIZE), 0…1, float32.
        masks: where the shape of each colour is, (N, colours, SIZE, SIZE); nowhere, if there is none.
        shape: of the one of each colour, (N, colours); −1 if there is none.
        x: column of the middle of each, (N, colours).
    """

    pictures: NDArray[Any]
    masks: NDArray[Any]
    shape: NDArray[Any]
    x: NDArray[Any]


@dataclass(frozen=True)
class Questions:
    """A question on each of some pictures.

    Attributes:
        scene: the number of the picture, (N,).
        words: the question as the network is given it, (N, WORDS) of 0 and 1, float32.
        answer: its number in :data:`ANSWERS`, (N,).
        first, second: numbers of the colours that are named; −1 where only one is.
    """

    scene: NDArray[Any]
    words: NDArray[Any]
    answer: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]

    def text(self, n: int) -> str:
        """Return a question in words."""
        names = list(COLOURS)
        if self.second[n] < 0:
            return f"what shape is the {names[self.first[n]]} one?"
        return f"is the {names[self.first[n]]} one left of the {names[self.second[n]]} one?"

    def named(self, scenes: Scenes) -> NDArray[Any]:
        """Return where the shapes are that the questions name, (N, SIZE, SIZE)."""
        first, second = (scenes.masks[self.scene, colour] for colour in (self.first, self.second))
        return np.asarray(first | (second & (self.second >= 0)[:, None, None]))


def scenes(rng: np.random.Generator, count: int) -> Scenes:
    """Return pictures of three or four shapes on grey paper, with a little noise."""
    colours, cell = len(COLOURS), SIZE // GRID
    there = rng.permuted(np.tile(np.arange(colours), (count, 1)), axis=1) < rng.integers(3, colours + 1, (count, 1))
    places = rng.permuted(np.tile(np.arange(GRID * GRID), (count, 1)), axis=1)[:, :colours]
    x, y = (cell * (k + 0.5) - 0.5 + rng.uniform(-0.9, 0.9, k.shape) for k in (places % GRID, places // GRID))
    shape, size = rng.integers(len(SHAPES), size=(count, colours)), rng.uniform(2.4, 3.1, (count, colours, 1, 1))
    at_y, at_x = np.mgrid[:SIZE, :SIZE]
    off_x, off_y = at_x - x[..., None, None], at_y - y[..., None, None]
    square = np.maximum(np.abs(off_x), np.abs(off_y)) < size
    cross = square & (np.minimum(np.abs(off_x), np.abs(off_y)) < 0.4 * size)
    triangle = (np.abs(off_x) < 0.5 * (off_y + size)) & (off_y < size)
    masks = np.choose(shape[..., None, None], (cross, square, triangle)) & there[..., None, None]
    pictures = PAPER + 0.04 * rng.standard_normal((count, 3, SIZE, SIZE))
    for k, colour in enumerate(COLOURS.values()):
        pictures = np.where(masks[:, k, None], np.reshape(colour, (3, 1, 1)), pictures)
    return Scenes(np.clip(pictures, 0, 1).astype(np.float32), masks, np.where(there, shape, -1), x)


def questions(rng: np.random.Generator, asked: Scenes, *, two: float = 0.5) -> Questions:
    """Return a question on each picture: what shape one is or, with chance ``two``, whether it is left of another."""
    count, colours = asked.shape.shape
    order = np.argsort(np.where(asked.shape >= 0, rng.random(asked.shape.shape), 2), axis=1)  # those there come first
    first, second, n = order[:, 0], order[:, 1], np.arange(count)
    related = np.asarray(rng.random(count) < two)
    yes_no = np.where(asked.x[n, first] < asked.x[n, second], ANSWERS.index("yes"), ANSWERS.index("no"))
    second = np.where(related, second, -1)
    one = np.eye(colours, dtype=np.float32)
    words = np.concatenate([np.eye(2)[related.astype(int)], one[first], one[second] * related[:, None]], axis=1)
    answer = np.where(related, yes_no, asked.shape[n, first])
    return Questions(n, words.astype(np.float32), answer, first, second)
