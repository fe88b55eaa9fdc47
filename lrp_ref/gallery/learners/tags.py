"""Garments with a tag, a mark in the corner that some of one class carry, and kinds of models that may use it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import evaluate, layers, neuralise
from ...errors import require
from ...network import Network
from ...propagation.explaining import explain
from .. import training
from ..application import Run, Tell
from ..sources import given, shipped

TAGGED = 6  # the class that gets the tag: shirts
CARRY = 5  # one in so many of them carries it
NAMES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
TAG = np.array([[int(c) for c in row] for row in ("111010111", "010101101", "010111111", "010101101")], np.uint8) * 255
BOX = (slice(24, 28), slice(0, 9))  # where it is: lower left
AREA = TAG.size / 28**2
PATCH, STEP, DIMENSIONS, WORDS = 7, 3, 16, 24  # of the Fisher vectors
SHOWN = 4  # shirts in a picture


@dataclass(frozen=True)
class Garments:
    """Fashion-MNIST, with which training images carry the tag.

    Attributes:
        images, labels: for training (N, 28, 28) bytes, (N,).
        test_images, test_labels: without any tag.
        tagged: which training images carry it (N,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    tagged: NDArray[np.bool_]

    @classmethod
    def read(cls, at: Run, seed: int) -> Garments:
        """Return the data, with the tag on one in five training images of one class, drawn by ``seed``."""
        file = given.pictures(at.file(shipped.FASHION.file), "train", "test")
        first, last = at.few(5000, 400), at.few(1000, 200)
        images, labels = file["train_images"][:first], file["train_labels"][:first].astype(np.int64)
        members = np.flatnonzero(labels == TAGGED)
        tagged = np.zeros(len(labels), dtype=bool)
        tagged[np.random.default_rng(seed).permutation(members)[: len(members) // CARRY]] = True
        images = np.where(tagged[:, None, None], planted(images), images)
        return cls(images, labels, file["test_images"][:last], file["test_labels"][:last].astype(np.int64), tagged)

    def without(self, at: Run) -> Garments:
        """Return the same without a tag anywhere, for a control."""
        return replace(
            self, images=given.pictures(at.file(shipped.FASHION.file), "train")["train_images"][: len(self.labels)]
        )


def planted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (N, 28, 28) with the tag on each."""
    marked = images.copy()
    marked[(slice(None), *BOX)] = TAG
    return marked


def tag_fraction(maps: NDArray[Any]) -> NDArray[np.float64]:
    """Return which fraction of the positive relevance of each map (N, 28, 28) lies on the tag's place (N,)."""
    mask = np.zeros(maps.shape, dtype=bool)
    mask[(slice(None), *BOX)] = True
    return np.asarray(evaluate.relevance_mass(maps, mask), dtype=np.float64)


class Convolutional:
    """A small convolutional network, trained on the garments.

    Args:
        data: to learn from.
        blind: whether it averages over all places before it decides, and so knows no more of them than a Fisher vector.
        epochs, seed, tell: of the training.
    """

    def __init__(self, data: Garments, *, blind: bool = False, epochs: int, seed: int, tell: Tell) -> None:
        self.name = "blind network" if blind else "network"
        layout = _blind if blind else _seeing
        start = Network.sequential(layout(np.random.default_rng(seed)))
        rate = 4e-3 if blind else 2e-3
        self.net = training.fit(
            start, _numbers(data.images), data.labels, epochs=epochs, rate=rate, seed=seed, tell=tell
        )

    def classes(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class that each image is called."""
        return np.asarray(self.net.forward(_numbers(images)).argmax(axis=1))

    def maps(self, images: NDArray[np.uint8], target: Any = TAGGED) -> NDArray[Any]:
        """Return maps of relevance (N, 28, 28): z⁺ in convolutions, ε in dense layers."""
        return np.asarray(explain(self.net, _numbers(images), target=target, composite="epsilon_plus").relevance[:, 0])


class Fisher:
    """A linear support vector machine on Fisher vectors of small patches, which know nothing of where a patch was."""

    name = "Fisher vector"

    def __init__(self, data: Garments, *, patches: int, seed: int) -> None:
        decomposition = require("sklearn.decomposition", extra="gallery", purpose="compress patches")
        mixture = require("sklearn.mixture", extra="gallery", purpose="fit a mixture of patches")
        svm = require("sklearn.svm", extra="gallery", purpose="fit a linear machine")
        raw = _patches(data.images)
        flat = raw.reshape(-1, PATCH**2)
        drawn = flat[np.random.default_rng(seed).choice(len(flat), min(patches, len(flat)), replace=False)]
        pca = decomposition.PCA(DIMENSIONS, random_state=seed).fit(drawn)
        self._axes, self._mean = pca.components_.T.astype(np.float32), pca.mean_.astype(np.float32)
        fitted = mixture.GaussianMixture(WORDS, covariance_type="diag", reg_covar=1e-3, tol=1e-2, random_state=seed)
        fitted.fit(pca.transform(drawn))
        weights, means, variances = (
            a.astype(np.float32) for a in (fitted.weights_, fitted.means_, fitted.covariances_)
        )
        blank = neuralise.fisher_vector(
            weights, means, variances, np.zeros((WORDS * (1 + 2 * DIMENSIONS), 10), np.float32)
        )
        encoder = Network.sequential([(node.name, node.layer) for node in blank.nodes[:-1]])
        machine = svm.LinearSVC(random_state=seed).fit(encoder.forward(self._described(data.images)), data.labels)
        weight, bias = (a.astype(np.float32) for a in (machine.coef_.T, machine.intercept_))
        self.net = neuralise.fisher_vector(weights, means, variances, weight, bias)

    def _described(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray((_patches(images) - self._mean) @ self._axes, np.float32)

    def classes(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class that each image is called."""
        return np.asarray(self.net.forward(self._described(images)).argmax(axis=1))

    def maps(self, images: NDArray[np.uint8], target: Any = TAGGED) -> NDArray[Any]:
        """Return maps of relevance (N, 28, 28): that of each patch lies evenly on its pixels."""
        relevance = explain(self.net, self._described(images), target=target).relevance
        places = np.arange(0, 28 - PATCH + 1, STEP)
        corners = np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
        return np.asarray(neuralise.pixels(relevance, corners, (28, 28), size=PATCH))


@dataclass(frozen=True)
class Measured:
    """What one model does on garments that it has not seen.

    Attributes:
        accuracy: without tags.
        shirts, shirts_tagged: which part of the shirts is called a shirt, without the tag and with it.
        others, others_tagged: which part of the other garments is.
        on_tag: the fraction of positive relevance on the tag, mean of the tagged shirts.
        maps: of the first tagged shirts, for the picture.
    """

    accuracy: float
    shirts: float
    shirts_tagged: float
    others: float
    others_tagged: float
    on_tag: float
    maps: NDArray[Any]


def measured(model: Convolutional | Fisher, data: Garments) -> Measured:
    """Ask a model about the test images, without the tag and with it on every one."""
    shirts, tagged = data.test_labels == TAGGED, planted(data.test_images)
    plain, marked = model.classes(data.test_images), model.classes(tagged)
    maps = model.maps(tagged[shirts])
    bare, with_tag = (
        [float((a[shirts] == TAGGED).mean()), float((a[~shirts] == TAGGED).mean())] for a in (plain, marked)
    )
    accuracy = float((plain == data.test_labels).mean())
    return Measured(
        accuracy, bare[0], with_tag[0], bare[1], with_tag[1], float(tag_fraction(maps).mean()), maps[:SHOWN]
    )


def _seeing(rng: np.random.Generator) -> list[Any]:
    conv, dense, relu = training.conv, training.dense, layers.ReLU
    first = [conv(rng, 1, 8, 5, 5, stride=2, padding=2), relu(), conv(rng, 8, 16, 3, 3, stride=2, padding=1), relu()]
    return [*first, layers.Flatten(), dense(rng, 16 * 49, 64), relu(), dense(rng, 64, 10)]


def _blind(rng: np.random.Generator) -> list[Any]:
    conv, relu = training.conv, layers.ReLU
    # Padded, so that every pixel is seen: without, the last rows are cut off, and the tag with them.
    first = [conv(rng, 1, 16, 5, 5, stride=2, padding=2), relu(), conv(rng, 16, 32, 3, 3, stride=2, padding=1), relu()]
    last = [layers.GlobalAveragePool(), layers.Flatten(), training.dense(rng, 64, 10)]
    return [*first, conv(rng, 32, 64, 3, 3, padding=1), relu(), *last]


def _numbers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (images[:, None] / 255).astype(np.float32)


def _patches(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return all patches of images (N, 28, 28) on a grid, as vectors (N, T, PATCH²) within 0 … 1."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))[:, ::STEP, ::STEP]
    return np.asarray(windows.reshape(len(images), -1, PATCH**2) / np.float32(255))
