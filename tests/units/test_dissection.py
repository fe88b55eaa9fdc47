"""Network Dissection against stored numbers, loops over pixels, and units that are detectors by construction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError, ParameterError, ShapeError
from lrp_ref.layers import AveragePool, Conv, Dense, Identity, ReLU
from lrp_ref.units import Dissection, activated, dissect, overlap, overlaps
from tests.support import golden_methods

NET = lrp.Network.sequential([("units", Identity())])
RNG = np.random.default_rng(3)
MAPS = np.maximum(RNG.standard_normal((9, 5, 3, 4)), 0)
MAPS[:, 3] = 0  # a unit that is dead, and one that is always the same
MAPS[:, 4] = 1
LABELS = RNG.integers(0, 5, (9, 7, 9))
NAMES = ["sky", None, "car", "tree", "void"]
ASKED: dict[str, Any] = {"at": "units", "quantile": 0.8, "concepts": NAMES, "ignore": 4}


# -- literally ----------------------------------------------------------------------------------------------------


def half_pixel(one: Any, size: tuple[int, int]) -> Any:
    """Upsample a map, pixel by pixel."""
    found = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            places = zip((y, x), one.shape, size, strict=True)
            rows, columns = (min(max((place + 0.5) * n / m - 0.5, 0), n - 1) for place, n, m in places)
            for r in range(one.shape[0]):
                for c in range(one.shape[1]):
                    found[y, x] += max(1 - abs(rows - r), 0) * max(1 - abs(columns - c), 0) * one[r, c]
    return found


def literally(maps: Any, labels: Any, concepts: list[int], ignore: int, quantile: float, own: Any) -> dict[str, Any]:
    """Dissect pixel by pixel; ``own`` says which image's labels each image has."""
    n, units = maps.shape[:2]
    limits = [np.quantile(maps[:, u], quantile) for u in range(units)]
    both, one, carried = (np.zeros((units, len(concepts))) for _ in range(3))
    active, pixels, frequency = np.zeros(units), 0, np.zeros(len(concepts))
    for i in range(n):
        label = labels[own[i]]
        there = any(label[y, x] in concepts for y, x in np.ndindex(*label.shape))
        pixels += sum(label[y, x] != ignore for y, x in np.ndindex(*label.shape))
        frequency += [np.sum(label == c) for c in concepts]
        for u in range(units):
            fine = half_pixel(maps[i, u], label.shape)
            for y, x in np.ndindex(*label.shape):
                fires = fine[y, x] > limits[u] * (1 + 1e-12) and label[y, x] != ignore
                active[u] += fires
                for k, c in enumerate(concepts):
                    both[u, k] += fires and label[y, x] == c
                    one[u, k] += fires or label[y, x] == c
                    carried[u, k] += label[y, x] == c or (fires and there)
    with np.errstate(invalid="ignore"):
        return {
            "threshold": np.array(limits), "iou": np.nan_to_num(both / one), "active": active / pixels,
            "iou_images_with_category": np.nan_to_num(both / carried), "frequency": frequency / pixels,
        }  # fmt: skip


def test_pixel_by_pixel_the_same() -> None:
    labels = LABELS.copy()
    labels[2] = 1  # an image without any concept
    found = dissect(NET, MAPS, labels, permuted=5, **ASKED)
    expected = literally(MAPS, labels, [0, 2, 3], 4, 0.8, np.arange(9))
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-12, atol=1e-15, err_msg=name)
    other = literally(MAPS, labels, [0, 2, 3], 4, 0.8, np.random.default_rng(5).permutation(9))
    assert found.control is not None
    np.testing.assert_allclose(found.control, other["iou"], rtol=1e-12, atol=1e-15)
    assert found.concepts == ("sky", "car", "tree")
    assert (found.iou_images_with_category >= found.iou).all()
    assert (found.iou_images_with_category > found.iou).any()


@golden_methods.needed
def test_the_stored_dissection() -> None:
    stored, about = golden_methods.arrays("extra"), golden_methods.about("extra")["netdissect"]
    first, second = stored["netdissect/labels"]
    masks = np.stack([first == 1, first == 2, second == 3, second == 4], axis=1)
    found = dissect(
        NET, stored["netdissect/activation"], masks, at="units", quantile=0.95, batch=9, concepts="1234",
        categories=["shape", "shape", "colour", "colour"],
    )  # fmt: skip
    np.testing.assert_allclose(found.iou, stored["netdissect/iou_all_images"], rtol=1e-12)
    np.testing.assert_allclose(
        found.iou_images_with_category, stored["netdissect/iou_images_with_category"], rtol=1e-12
    )
    np.testing.assert_allclose(found.best, about["best"], rtol=1e-12)
    assert [int(found.concepts[c]) for c in found.concept] == about["concept"]
    assert len(found.detectors()) == about["detectors_iou_above_0_04"]
    assert found.unique() == about["unique"]


# -- known answers ------------------------------------------------------------------------------------------------


def planted(n: int = 24) -> tuple[lrp.Network, Any, Any]:
    """A network whose first three units see one colour each, and whose other units see noise; scenes with masks."""
    rng = np.random.default_rng(0)
    masks = np.zeros((n, 3, 12, 12), dtype=bool)
    for image in range(n):
        for concept in range(3):
            y, x = 2 * rng.integers(0, 5, 2)
            masks[image, concept, y : y + 4, x : x + 4] = True
    noise = rng.standard_normal((n, 3, 6, 6)).repeat(2, axis=2).repeat(2, axis=3)
    images = np.concatenate([masks * 1.0, noise], axis=1)
    seen = np.eye(6)[[3, 0, 4, 1, 2, 5]].reshape(6, 6, 1, 1)
    layers = [("conv", Conv(seen, None)), ("relu", ReLU()), ("pool", AveragePool(2))]
    return lrp.Network.sequential(layers), images, masks


def test_planted_detectors_are_found_and_no_other_unit() -> None:
    net, images, masks = planted()
    found = dissect(
        net, images, masks, at="pool", quantile=0.88, upsample="nearest", concepts=["red", "green", "blue"], permuted=0
    )
    assert sorted(found.detectors(0.5).tolist()) == [1, 3, 4]  # precision and recall are 1
    assert [found.concepts[c] for c in found.concept[[1, 3, 4]]] == ["red", "green", "blue"]
    np.testing.assert_array_equal(found.best[[1, 3, 4]], 1.0)
    assert found.by_concept(0.5) == {"red": 1, "green": 1, "blue": 1}
    assert found.unique(0.5) == 3
    (chance,) = found.by_chance
    assert chance.unique(0.5) == len(chance.detectors(0.5)) == 0
    smooth = dissect(net, images, masks, at="pool", quantile=0.88, concepts=["red", "green", "blue"])
    assert sorted(smooth.detectors(0.4).tolist()) == [1, 3, 4]


def test_sums_over_the_data_set_are_no_mean_over_images() -> None:
    maps = np.zeros((2, 1, 1, 4))
    maps[0, 0, 0, :1] = maps[1, 0, 0, :2] = 1.0
    masks = np.zeros((2, 1, 1, 4), dtype=bool)
    masks[0, 0, 0, :1] = masks[1, 0, 0, 1:] = True
    found = dissect(NET, maps, masks, at="units", threshold=[0.5])
    np.testing.assert_array_equal(found.iou, [[2 / 5]])  # (1 + 1) / (1 + 4); the mean of 1/1 and 1/4 is 5/8
    np.testing.assert_array_equal(found.active, [3 / 8])
    np.testing.assert_array_equal(found.frequency, [4 / 8])


def test_the_ceiling_of_a_perfect_unit() -> None:
    """A unit that fires at nothing but its concept cannot agree with more of it than it fires at."""
    rng = np.random.default_rng(2)
    for part in (0.02, 0.1, 0.125, 0.3):
        level = rng.random((20, 1, 20, 20))
        found = dissect(NET, -level, level < part, at="units", quantile=0.95)
        assert abs(found.iou[0, 0] - found.ceiling[0]) < 0.01 * found.ceiling[0] + 0.02 * (part < 0.05)
        np.testing.assert_allclose(found.bound, found.iou, rtol=0.02)
    sky = Dissection("at", 0.995, ("sky",), *(np.ones((1, 1)),) * 3, np.ones(1), np.array([0.125]), 1)
    np.testing.assert_allclose(sky.ceiling, 0.04)


def test_no_overlap_is_above_its_bound() -> None:
    found = dissect(NET, MAPS, LABELS, permuted=[1, 2, 3], **ASKED)
    assert (found.iou <= found.bound + 1e-15).all()
    assert found.control is not None
    assert (found.control <= found.bound + 1e-2).all()  # where labels are ignored, other pixels count


# -- the same, however it is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(9,), (1,) * 9, (2, 0, 7), (5, 4)])
@pytest.mark.parametrize("memory", [0, 1000, 1 << 28])
def test_in_any_batches_bit_for_bit_the_same(sizes: tuple[int, ...], memory: int) -> None:
    whole = dissect(NET, MAPS, LABELS, permuted=[0, 1], batch=4, **ASKED)
    batches = [MAPS[end - size : end] for end, size in zip(np.cumsum(sizes), sizes, strict=True)]
    assert dissect(NET, batches, LABELS, permuted=[0, 1], memory=memory, **ASKED) == whole
    given = {**ASKED, "threshold": whole.threshold}
    assert dissect(NET, iter(batches), LABELS, permuted=[0, 1], **given) == whole  # once is enough, with thresholds


@pytest.mark.parametrize(("memory", "times"), [(MAPS.nbytes, 1), (MAPS.nbytes - 1, 2), (0, 2)])
def test_maps_are_kept_as_far_as_memory_goes(memory: int, times: int) -> None:
    class Batches:
        gone_through = 0

        def __iter__(self) -> Iterator[Any]:
            self.gone_through += 1
            return iter([MAPS[:4], MAPS[4:]])

    batches = Batches()
    dissect(NET, batches, LABELS, memory=memory, **ASKED)
    assert batches.gone_through == times


def test_labels_masks_and_mappings_say_the_same() -> None:
    named = {0: "sky", 2: "car", 3: "tree"}
    expected = dissect(NET, MAPS, LABELS, at="units", quantile=0.8, concepts=named, ignore=[4])
    assert dissect(NET, MAPS, LABELS.astype(np.uint8), **ASKED) == expected
    masks = np.stack([k == LABELS for k in range(5)], axis=1)
    every = dissect(NET, MAPS, masks, at="units", quantile=0.8)
    assert dissect(NET, MAPS, LABELS, at="units", quantile=0.8) == every
    assert every.concepts == ("0", "1", "2", "3", "4")
    assert dissect(NET, {"input": MAPS}, masks, at="input", quantile=0.8).iou.tobytes() == every.iou.tobytes()


def test_signals_and_volumes() -> None:
    for size in ((6,), (2, 3, 4)):
        level = np.random.default_rng(4).random((5, 1, *size))
        assert dissect(NET, level, level > 0.7, at="units", threshold=[0.7]).iou == 1
        found = dissect(NET, level, level.repeat(2, axis=2) > 0.7, at="units", threshold=[0.7], upsample="nearest")
        assert found.iou == 1


@pytest.mark.parametrize("upsample", ["half_pixel", "corners", "nearest"])
def test_units_that_are_passed_over_are_active_nowhere(upsample: str) -> None:
    """Equal to upsampling every map, whose largest number is that of the map itself at most."""
    rng = np.random.default_rng(6)
    maps = (rng.integers(-4, 5, (6, 7, 3, 5)) / rng.choice([3, 7, 10], (6, 7, 1, 1))).astype(np.float32)
    limits = np.sort(maps, axis=None)[-25] * np.ones(7, dtype=np.float32)
    limits[:3] = maps[:, :3].max(axis=(0, 2, 3))
    fine = lrp.methods.upsampled(maps, (11, 13), upsample)
    np.testing.assert_array_equal(activated(maps, limits, (11, 13), upsample=upsample), fine > limits.reshape(7, 1, 1))


def test_progress_counts_both_rounds() -> None:
    told: list[tuple[int, int]] = []
    dissect(NET, MAPS, LABELS, batch=5, progress=lambda *done: told.append(done), **ASKED)
    assert told == [(5, 18), (9, 18), (14, 18), (18, 18)]


def test_overlap_of_given_units_and_masks() -> None:
    active, masks = RNG.random((4, 3, 5, 6)) > 0.5, RNG.random((4, 2, 5, 6)) > 0.5
    found = overlap(active, masks, valid=np.ones((4, 5, 6), dtype=bool), carried=np.ones((4, 2), dtype=bool))
    for u in range(3):
        for c in range(2):
            both, one = active[:, u] & masks[:, c], active[:, u] | masks[:, c]
            assert found.iou[u, c] == both.sum() / one.sum()
    assert found == overlap(active, masks)
    valid = RNG.random((4, 5, 6)) > 0.5
    some = overlap(active, masks, valid=valid)
    assert some.pixels == valid.sum()
    one = masks[:, 1] & valid
    assert some.concept[1] == one.sum()
    assert some.iou[2, 1] == (active[:, 2] & one).sum() / ((active[:, 2] & valid) | one).sum()
    assert overlap(active[:1], masks[:1]) + overlap(active[1:], masks[1:]) == found


# -- the value ----------------------------------------------------------------------------------------------------


def test_printed_saved_and_drawn(tmp_path: Path) -> None:
    net, images, masks = planted(8)
    found = dissect(net, images, masks, at="pool", quantile=0.9, concepts=["red", "green", "<b>"], permuted=[0, 1])
    text = repr(found)
    assert text.splitlines()[0].startswith("'pool', 8 images, quantile 0.9: ")
    assert "with the masks of other images" in text
    assert "&lt;b&gt;" in found._repr_html_()
    assert "–" in repr(dissect(net, images, masks, at="pool"))
    assert Dissection.load(found.save(tmp_path / "found.npz")) == found
    one = dissect(net, images, masks, at="pool", permuted=3)
    assert Dissection.load(one.save(tmp_path / "one.npz")) == one
    assert one.control is not None
    assert one.control.shape == (6, 3)
    for each in (found, one, dissect(net, images, masks, at="pool")):
        assert min(each.picture().size) > 100


def test_chance_is_counted_over_the_permutations() -> None:
    ious = np.array([[0.5, 0.0], [0.05, 0.06], [0.0, 0.0]])
    control = np.stack([ious * 0, np.array([[0.05, 0.0], [0.0, 0.07], [0.1, 0.0]])])
    row = np.ones(2)
    found = Dissection("at", 0.9, ("a", "b"), np.ones(3), ious, ious, np.array([1, 1, 0]), row, 4, control, (0, 1))
    assert found.expected() == {"a": 1.0, "b": 0.5}
    assert found.detectors().tolist() == [0, 1]
    assert found.detectors(0.055).tolist() == [0, 1]
    assert found.detectors(0.06).tolist() == [0, 1]
    assert found.detectors(0.1).tolist() == [0]
    assert found.detectors(concept="b").tolist() == [1]
    assert found.above_chance() == ()  # as many as by chance are no more
    assert found.above_chance(0.06) == ()
    assert found.above_chance(0.2) == ("a",)
    assert found.count_by_chance().tolist() == [0, 3]
    assert found.by_concept() == {"a": 1, "b": 1}
    assert [len(one.detectors()) for one in found.by_chance] == [0, 3]
    assert "other images 0 to 3 (best 0.1); 1 units exceed their threshold nowhere" in found.summary()


def wrong(path: Path, **changed: Any) -> Path:
    found = dissect(NET, MAPS, LABELS, **ASKED)
    with np.load(found.save(path / "a.npz")) as file:
        arrays = {name: file[name] for name in file.files} | changed
    np.savez(path / "b.npz", **arrays)
    return path / "b.npz"


@pytest.mark.parametrize(
    "changed", [{"iou": np.zeros((5, 4))}, {"control": np.zeros((2, 5, 4))}, {"frequency": np.zeros(2)}, {"odd": 1}]
)
def test_files_of_something_else_are_refused(tmp_path: Path, changed: Any) -> None:
    with pytest.raises(ModelFormatError, match=r"not a file of Dissection\.save"):
        Dissection.load(wrong(tmp_path, **changed))
    for content in (b"", b"PK"):
        (tmp_path / "c.npz").write_bytes(content)
        with pytest.raises(ModelFormatError, match=r"not a file of Dissection\.save"):
            Dissection.load(tmp_path / "c.npz")
    with pytest.raises(ModelFormatError):
        Dissection.load(tmp_path / "none.npz")


def asked(**changed: Any) -> Any:
    options = {"net": NET, "images": MAPS, "masks": LABELS, **ASKED, **changed}
    return lambda: dissect(**options)


DENSE = lrp.Network.sequential([("fc", Dense(np.eye(12)))])


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (asked(at="conv"), ParameterError, "unknown node 'conv'"),
        (asked(quantile=2), ParameterError, "quantile is 2"),
        (asked(upsample="linear"), ParameterError, "unknown upsampling 'linear'"),
        (asked(masks=LABELS[:5]), ShapeError, "has 9 samples or more where 5 were said, or have masks"),
        (asked(images=MAPS[:5]), ShapeError, "has 5 samples where 9 were said, or have masks"),
        (asked(images=MAPS[:5], threshold=np.ones(5)), ShapeError, "has 5 samples where 9"),
        (asked(images=MAPS[:0], masks=LABELS[:0]), ParameterError, "masks of no image"),
        (asked(images=iter([MAPS])), ParameterError, "a list_iterator, which can be read once"),
        (asked(masks=LABELS[:, :2]), ShapeError, "masks of .2, 9. pixels are smaller than the maps .3, 4. of 'units'"),
        (asked(masks=LABELS[:, 0]), ShapeError, "has maps .3, 4. and the masks are of images .9,."),
        (asked(masks=LABELS * 1.0), ShapeError, "masks are float64 .9, 7, 9.: give labels"),
        (asked(masks=LABELS > 2, ignore=None), ShapeError, "5 names for the 7 concepts"),
        (asked(masks=np.stack([LABELS > 2] * 5, axis=1)), ParameterError, "ignore= is for label maps"),
        (asked(masks=LABELS > 2, concepts={1: "a"}, ignore=None), ParameterError, "is for label maps"),
        (asked(concepts=["sky", "car"]), ParameterError, r"labels \[2, 3\] that none of the 2 names stands for"),
        (asked(concepts=[None] * 5), ParameterError, "there is no concept"),
        (asked(categories=["a"]), ShapeError, "1 categories for the 3 concepts sky, car, tree"),
        (asked(threshold=np.ones(4)), ShapeError, "threshold has shape .4,. for the 5 units of 'units'"),
        (asked(images=MAPS[:1], masks=LABELS[:1], permuted=0), ParameterError, "two images at least; there are 1"),
        (asked(net=DENSE, at="fc", images=np.ones((9, 12))), ShapeError, "without positions there is nothing"),
        (lambda: activated(MAPS, np.ones(4), (3, 4)), ShapeError, "thresholds .4,. for maps .9, 5, 3, 4."),
        (lambda: overlap(MAPS > 0, LABELS[:, None] > 0), ShapeError, "images, units, concepts or pixels differ"),
        (lambda: dissect(NET, MAPS, LABELS, at="units").by_chance, ParameterError, "permuted=SEED. makes the control"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_more_precise_counts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = dissect(NET, MAPS, LABELS, **ASKED)
    assert np.float32(overlaps.EXACT) + np.float32(1) == overlaps.EXACT  # from there on, float32 does not count on
    monkeypatch.setattr(overlaps, "EXACT", 1)
    assert dissect(NET, MAPS, LABELS, **ASKED) == expected
