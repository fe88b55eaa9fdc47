"""Words deleted from sentences in the order of their relevance: is the answer still right?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import evaluate, units
from ...network import Network


def right_after(
    net: Network, vectors: NDArray[Any], relevance: NDArray[Any], y: NDArray[Any], counts: Sequence[int], order: str
) -> NDArray[np.bool_]:
    """Return whether the right class leads after words are deleted: their vectors become 0.

    Args:
        net: takes vectors (N, T, D) and returns logits (N, K).
        vectors: of the words of each sentence, (N, T, D).
        relevance: of the words, (N, T).
        y: the right class of each, (N,).
        counts: how many words are deleted, rising from 0.
        order: "morf", the most relevant first, or "lerf", the least.

    Returns:
        (N, len(counts)).
    """

    def lead(channels_first: NDArray[Any]) -> NDArray[Any]:
        logits = net.forward(channels_first.transpose(0, 2, 1))
        best_first = np.sort(logits, axis=1)[:, ::-1]
        others = np.where(logits == best_first[:, :1], best_first[:, 1:2], best_first[:, :1])
        return np.asarray(logits - others)

    given = vectors.transpose(0, 2, 1)
    made = evaluate.pixel_flipping(lead, given, relevance, y, order=order, steps=tuple(counts), per="pixel")
    return np.asarray(made.curve > 0)


def sign_test(more: NDArray[Any], less: NDArray[Any]) -> float:
    """Return how probable it is by chance that so many sentences are right more often in the one than in the other.

    Args:
        more, less: whether each sentence is right at each step, (N, K).

    Example:
        >>> once, never = np.ones((5, 1), bool), np.zeros((5, 1), bool)
        >>> sign_test(once, never), sign_test(never, once)
        (0.03125, 1.0)
    """
    return units.sign_test(more.sum(axis=1, dtype=int) - less.sum(axis=1, dtype=int))
