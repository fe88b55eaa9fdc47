"""Steps that Keras skips: those of token 0, where an Embedding has mask_zero.

A recurrent layer keeps its state at such a step. That is the same as reading the other steps alone: they are moved to
the front, in their order, by a matrix of zeros and ones that the tokens make, and their number is the length. What the
layer returns for each step goes back to where the steps were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...layers import Compare, Constant, Embedding, Gather, MatMul, Multiply, Reshape, Sum, Transpose
from .build import Refusal, Signal, Site

LONGEST = 4096  # steps; a sample has a matrix of its number of steps, squared
# What treats every step alike, so that a mask holds for its output too.
STEPWISE = (
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU",
    "GaussianDropout", "GaussianNoise", "LayerNormalization", "LeakyReLU", "PReLU", "ReLU", "SpatialDropout1D",
)  # fmt: skip


@dataclass(frozen=True)
class Packing:
    """What moves the steps of one mask.

    Attributes:
        places: (steps, steps): 1 where a step that counts goes to a place in front.
        ranks: (1, steps): how many steps count up to each.
        lengths: how many count.
    """

    places: Signal
    ranks: Signal
    lengths: Signal


def packing(site: Site, tokens: Signal) -> Packing:
    """Return what moves the steps whose token is not 0 to the front."""
    known: Packing | None = site.builder.packings.get(tokens.value)
    if known is not None:
        return known
    steps, rows = tokens.size(1) if tokens.rank == 2 else None, site.builder.rows.get(tokens.value)
    if steps is None or rows is None:
        raise Refusal("steps that Keras skips (mask_zero), of a number that is not fixed: load(..., shapes=...)")
    if not 0 < steps <= LONGEST:
        raise Refusal(f"{steps} steps, of which Keras skips some (mask_zero); {LONGEST} are supported")
    counts = np.arange(rows)[:, None] != 0
    each = site.emit(Embedding(site.parameter(counts)), [tokens], "mask")
    row = site.emit(Reshape((1, steps)), [each], "mask_row")
    before = site.emit(Constant(site.parameter(np.triu(np.ones((steps, steps))))), [tokens], "steps_before")
    ranks = site.emit(MatMul(), [row, before], "ranks")
    ranked = site.emit(Multiply(), [ranks, row], "ranked")
    numbers = site.parameter(np.arange(1, steps + 1))
    places = site.emit(Compare("equal", numbers[:, None]), [ranked], "places")
    number = site.emit(Sum((1, 2), keepdims=False), [each], "number")
    whole = site.emit(Embedding(np.arange(steps + 1)[:, None]), [number], "number_whole")  # as an integer
    lengths = site.emit(Gather(0, 1), [whole], "lengths")
    made = Packing(places, ranks, lengths)
    site.builder.packings[tokens.value] = made
    return made


def packed(site: Site, x: Signal, how: Packing) -> Signal:
    """Return a sequence with the steps that count in front."""
    if x.rank != 3 or x.size(1) != how.places.size(1):
        raise Refusal("a mask of another number of steps")
    return site.emit(MatMul(gate=0), [how.places, replace(x, masked=None)], "packed")


def unpacked(site: Site, y: Signal, how: Packing, *, zeros: bool) -> Signal:
    """Return a sequence with its steps where they were; those between have zeros, or what the step before had."""
    if zeros:
        back = site.emit(Transpose((0, 2, 1)), [how.places], "places_back")
    else:
        steps = how.places.sizes[0][0]
        column = site.emit(Reshape((steps, 1)), [how.ranks], "ranks_column")
        back = site.emit(Compare("equal", site.parameter(np.arange(1, steps + 1))), [column], "places_back")
    return site.emit(MatMul(gate=0), [back, y], "unpacked")
