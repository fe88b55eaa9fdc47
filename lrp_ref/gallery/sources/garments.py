"""Garments of Fashion-MNIST: their names, and a conditional generator of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...network import Network
from ..application import Need
from . import shipped

NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CODE = 128  # random numbers that a picture is made of
NOISE, LABEL = "Noise_Input", "label_Input"
GENERATOR = Need(
    "fashion_cgan_generator.h5",
    "a conditional generator of Fashion-MNIST: 128 random numbers and a label to 28×28, in Keras' format",
    "repositories of GANs on Fashion-MNIST",
    "none stated",
    showable=False,
)
JUDGE = shipped.FASHION_CNN

Codes = Mapping[str, NDArray[Any]]


def codes(rng: np.random.Generator, count: int) -> Codes:
    """Return random numbers and labels for pictures of all garments in turn."""
    z = rng.standard_normal((count, CODE)).astype(np.float32)
    return {NOISE: z, LABEL: (np.arange(count, dtype=np.int32) % len(NAMES))[:, None]}


def some(given: Codes, which: Any) -> Codes:
    """Return the codes of some pictures."""
    return {name: a[which] for name, a in given.items()}


def probability(judge: Network, made: NDArray[Any]) -> NDArray[Any]:
    """Return how sure a classifier is of each garment (N, 10), in pictures (N, 28, 28, 1) of the generator."""
    logits = judge.forward(made.transpose(0, 3, 1, 2))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
