"""The planted tag: where it is, who carries it, and how much of a map lies on it; groups told by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrp_ref import gallery
from lrp_ref.gallery.learners import tags

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def garments() -> tags.Garments:
    return tags.Garments.read(gallery.Run(gallery.find("planted-tag")), seed=0)


def test_one_in_five_shirts_carries_the_tag_and_nothing_else_does(garments: tags.Garments) -> None:
    clean = np.load(MODELS / "gallery" / "fashion_6000.npz")["train_images"]
    changed = (garments.images != clean).any(axis=(1, 2))
    shirts = garments.labels == tags.TAGGED
    assert garments.tagged.sum() == shirts.sum() // 5 == 98
    assert np.array_equal(changed, garments.tagged)
    assert shirts[garments.tagged].all()
    assert (garments.images[garments.tagged, 24:, :9] == tags.TAG).all()
    assert np.array_equal(np.delete(garments.images, range(24, 28), axis=1), np.delete(clean, range(24, 28), axis=1))
    assert np.array_equal(garments.images[:, :, 9:], clean[:, :, 9:])


def test_a_control_has_no_tag_and_the_same_labels(garments: tags.Garments) -> None:
    run = gallery.Run(gallery.find("planted-tag"))
    control = garments.without(run)
    assert np.array_equal(control.images, np.load(MODELS / "gallery" / "fashion_6000.npz")["train_images"])
    assert np.array_equal(control.labels, garments.labels)


def test_another_seed_tags_others(garments: tags.Garments) -> None:
    other = tags.Garments.read(gallery.Run(gallery.find("planted-tag")), seed=1)
    assert other.tagged.sum() == 98
    assert 0 < (other.tagged & garments.tagged).sum() < 50


def test_planting_leaves_the_given_images_alone() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    marked = tags.planted(images)
    assert not images.any()
    assert marked.sum() == 2 * int(tags.TAG.astype(int).sum())
    assert np.isclose(tags.AREA, 36 / 784)


def test_the_fraction_on_the_tag() -> None:
    maps = np.ones((3, 28, 28))
    maps[1] = 0
    maps[1, 24, 0], maps[1, 0, 0], maps[1, 25, 0] = 1, 3, -50  # only what is positive counts
    maps[2, :24], maps[2, :, 9:] = -1, -1
    assert np.allclose(tags.tag_fraction(maps), [36 / 784, 0.25, 1])


class ByTheTag:
    """A model that says shirt where the tag is, and otherwise T-shirt."""

    name = "network"

    def classes(self, images: np.ndarray) -> np.ndarray:
        return np.where((images[:, 24:, :9] == tags.TAG).all(axis=(1, 2)), tags.TAGGED, 0)

    def maps(self, images: np.ndarray, target: int = tags.TAGGED) -> np.ndarray:
        maps = np.zeros((len(images), 28, 28))
        maps[:, 24:, :9] = 1
        return maps


def test_a_model_that_knows_nothing_but_the_tag(garments: tags.Garments) -> None:
    found = tags.measured(ByTheTag(), garments)  # type: ignore[arg-type]
    assert (found.shirts, found.shirts_tagged, found.others, found.others_tagged, found.on_tag) == (0, 1, 0, 1, 1)
    assert found.accuracy == (garments.test_labels == 0).mean()
    assert found.maps.shape == (tags.SHOWN, 28, 28)


def test_patches_of_a_fisher_vector_cover_the_image() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    made = tags._patches(images)
    assert made.shape == (2, 64, 49)
    assert np.array_equal(made[1, 0].reshape(7, 7), images[1, :7, :7] / np.float32(255))
    assert np.array_equal(made[1, 63].reshape(7, 7), images[1, 21:, 21:] / np.float32(255))


def test_relevance_of_a_fisher_vector_is_whole_on_its_pixels(garments: tags.Garments) -> None:
    """Σ of the maps is the score without its bias."""
    pytest.importorskip("sklearn")
    few = tags.Garments(garments.images[:150], garments.labels[:150], garments.test_images[:9],
                        garments.test_labels[:9], garments.tagged[:150])  # fmt: skip
    model = tags.Fisher(few, patches=400, seed=0)
    target = int(few.labels.max())
    scores = model.net.forward(model._described(few.test_images))[:, target]
    bias = float(model.net.nodes[-1].layer.bias[target])  # type: ignore[attr-defined]
    assert np.allclose(model.maps(few.test_images, target).sum(axis=(1, 2)), scores - bias, atol=1e-3)


def test_a_trial_is_read_against_the_tag_afterwards() -> None:
    pytest.importorskip("sklearn")
    from lrp_ref import spray
    from lrp_ref.gallery.applications.spray_tag import Trial

    rng = np.random.default_rng(0)
    maps = 0.2 * rng.normal(size=(90, 8, 8))
    labels = np.repeat([tags.TAGGED, 2, 0], 30)
    maps[20:30, 5:, :3] += 1  # the tagged
    maps[:20, :3, :3] += 1
    maps[30:, :3, :3] += 1
    tagged = np.arange(30) >= 20
    ranking = spray.rank(maps, labels, names=tags.NAMES, neighbours=6)
    trial = Trial(ranking, tagged, np.zeros((30, 28, 28), np.uint8), maps[:30], 1.0)
    assert trial.shirts.sizes == (20, 10)
    assert trial.agreement(trial.shirts) == trial.sorted_right(trial.shirts) == 1
    assert trial.place("second") == trial.place("gap") == 1
    halves = spray.cluster(maps[:30], neighbours=6, clusters=1, embedding="spectral")
    assert trial.sorted_right(halves) == 20 / 30
    assert trial.agreement(halves) == 0
