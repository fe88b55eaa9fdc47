"""Cards of units: the strongest samples, where the unit looks, and where it fires."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.layers import Conv, Flatten, MaxPool, ReLU
from lrp_ref.units import UnitCard, dissect, top_samples, unit_cards
from lrp_ref.units.pictures import as_bytes, masked
from tests.support import golden_methods

RNG = np.random.default_rng(0)
X = RNG.standard_normal((11, 2, 12, 10))
NET = lrp.Network.sequential([
    ("conv", Conv(RNG.standard_normal((4, 2, 3, 3)), np.zeros(4), padding=1)), ("relu", ReLU()), ("pool", MaxPool(2)),
    ("flat", Flatten()),
])  # fmt: skip


def maps(at: str) -> Any:
    return NET.until(at).forward(X)


@pytest.mark.parametrize("at", ["conv", "pool"])
@pytest.mark.parametrize("batch", [1, 4, 20])
def test_the_strongest_samples_by_their_largest_activation(at: str, batch: int) -> None:
    found = top_samples(NET, X, at=at, k=3, batch=batch)
    largest = maps(at).max(axis=(2, 3))
    for unit in range(4):
        order = sorted(range(11), key=lambda n: (-largest[n, unit], n))[:3]
        assert found.samples[:, unit].tolist() == order
        np.testing.assert_array_equal(found.values[:, unit], largest[order, unit])
    np.testing.assert_array_equal(top_samples(NET.since(at), {at: maps(at)}, at=at, k=3).samples, found.samples)
    batches = [X[:5], X[5:]]
    np.testing.assert_array_equal(top_samples(NET, batches, at=at, k=3).samples, found.samples)


@golden_methods.needed
def test_the_stored_positions_of_the_largest() -> None:
    stored = golden_methods.arrays("extra")
    relevance = stored["crp/relevance"]
    net = lrp.Network.sequential([("value", lrp.layers.Identity())])
    found = top_samples(net, relevance, at="value", k=9)
    np.testing.assert_array_equal(found.samples, stored["crp/relmax_max_raw/samples"])
    np.testing.assert_allclose(found.values, stored["crp/relmax_max_raw/values"], rtol=1e-12)


@pytest.mark.parametrize(("at", "reach"), [("conv", 3), ("pool", 4)])
def test_a_cut_out_is_the_receptive_field_and_its_mask_what_is_above_the_threshold(at: str, reach: int) -> None:
    limits = np.quantile(maps(at), 0.9, axis=(0, 2, 3))
    for card in unit_cards(NET, X, [2, 0], at=at, k=3, threshold=limits):
        fine = lrp.methods.upsampled(maps(at), (12, 10))[:, card.unit] > limits[card.unit]
        for sample, box, crop, mask in zip(card.samples, card.boxes, card.crops, card.masks, strict=True):
            assert all(1 <= b.stop - b.start <= reach for b in box)
            np.testing.assert_array_equal(crop, X[sample][(slice(None), *box)])
            np.testing.assert_array_equal(mask, fine[sample][box])
        own = maps(at)[card.samples, card.unit]
        np.testing.assert_array_equal(card.values, own.max(axis=(1, 2)))


def test_an_inner_cut_out_lies_around_the_largest_activation() -> None:
    images = np.zeros((2, 2, 12, 10))
    images[1, :, 6, 5] = 1.0
    middle = np.pad(np.ones((1, 2, 1, 1)), [(0, 0), (0, 0), (1, 1), (1, 1)])
    one = lrp.Network.sequential([("conv", Conv(middle, None, padding=1))])
    (card,) = unit_cards(one, images, [0], at="conv", k=1)
    assert card.boxes == ((slice(5, 8), slice(4, 7)),)
    assert card.samples.tolist() == [1]
    assert card.masks[0].tolist() == [[False] * 3, [False, True, False], [False] * 3]


def test_thresholds_concepts_and_pictures_may_be_given() -> None:
    labels = RNG.integers(0, 3, (11, 12, 10))
    found = dissect(NET, X, labels, at="pool", concepts=["a", "b", "c"])
    card, *_ = unit_cards(NET, X, found.detectors(0)[:2].tolist(), at="pool", dissection=found)
    assert card.concept == found.concepts[found.concept[card.unit]]
    assert card.iou == found.best[card.unit]
    assert card.threshold == found.threshold[card.unit]
    assert card.title.startswith(f"unit {card.unit} of pool: {card.concept}, IoU ")
    (plain,) = unit_cards(NET, X, [card.unit], at="pool")
    assert plain.threshold == lrp.units.thresholds(NET, X, at="pool")[card.unit]
    assert plain.title == f"unit {card.unit} of pool"
    colours = RNG.integers(0, 255, (11, 24, 20, 3)).astype(np.uint8)
    for shown in (colours, colours[..., 0], colours.transpose(0, 3, 1, 2)):
        (whole,) = unit_cards(NET, X, [1], at="pool", shown=shown, whole=True, k=2)
        np.testing.assert_array_equal(whole.crops[0], shown[whole.samples[0]])
        assert whole.masks[0].shape == (24, 20)
    (early,) = unit_cards(NET.since("pool"), maps("pool"), [1], at="pool", shown=colours, whole=True, k=2)
    (late,) = unit_cards(NET, X, [1], at="pool", shown=colours, whole=True, k=2)
    assert early == late


def test_printed_and_drawn() -> None:
    (card,) = unit_cards(NET, X, [3], at="conv", k=2)
    assert repr(card).splitlines()[0] == "unit 3 of conv"
    assert len(repr(card).splitlines()) == 5
    assert card._repr_html_().startswith('<img alt="unit 3 of conv" src="data:image/png;base64,')
    odd = UnitCard("<a>", 0, 0.0, card.samples, card.values, card.crops, card.masks, card.boxes, '"', 0.5)
    assert 'alt="unit 0 of &lt;a&gt;: &quot;, IoU 0.5"' in odd._repr_html_()
    small, large = card.picture(size=50).size, card.picture(size=100).size
    assert large[0] > small[0]
    assert large[1] == small[1] + 50


def test_pictures_of_any_numbers_become_bytes() -> None:
    two = np.array([[[0.0, 1.0]], [[1.0, 3.0]]])  # of two channels the mean is shown
    assert as_bytes(two, 0.0, 2.0).tolist() == [[[64] * 3, [255] * 3]]
    assert as_bytes(np.full((2, 2), 7.0)).max() == 0
    same = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(as_bytes(same), same)
    np.testing.assert_array_equal(as_bytes(same.transpose(2, 0, 1)), same)
    mask = np.zeros((5, 5), dtype=bool)
    mask[1:4, 1:4] = True
    drawn = masked(np.full((5, 5, 3), 100, dtype=np.uint8), mask)
    assert drawn[2, 2].tolist() == [100] * 3
    assert drawn[0, 0].tolist() == [200] * 3  # 255 − 0.35 · 155, rounded down
    assert len({tuple(drawn[y, x]) for y, x in np.argwhere(mask) if (y, x) != (2, 2)}) == 1


def cards(**changed: Any) -> Any:
    options = {"net": NET, "x": X, "units": [0], "at": "pool", **changed}
    return lambda: unit_cards(**options)


FOUND = dissect(NET, X, np.zeros((11, 12, 10), dtype=int), at="pool")


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (cards(x=[X]), ParameterError, "cut out of one array of samples"),
        (cards(x={"input": X}), ParameterError, "cut out of one array of samples"),
        (cards(units=[4]), ParameterError, "'pool' has no unit 4; it has 4, from 0"),
        (cards(units=[-1]), ParameterError, "'pool' has no unit -1"),
        (cards(at="pol"), ParameterError, "unknown node 'pol': did you mean 'pool'"),
        (cards(at="conv", dissection=FOUND), ParameterError, "is of 'pool', and the cards are of 'conv'"),
        (cards(shown=X[:5]), ShapeError, "shown is .5, 2, 12, 10. for samples .11, 2, 12, 10."),
        (cards(shown=X[..., :5]), ShapeError, "give a picture of its size for each"),
        (cards(shown=X[:, 0, 0]), ShapeError, "pictures are .N, H, W."),
        (cards(threshold=np.ones(3)), ShapeError, "thresholds of shape .3,. for the 4 units of 'pool'"),
        (cards(k=0), ParameterError, "k=0"),
        (lambda: FOUND.detectors(concept="caar"), ParameterError, "unknown concept 'caar'"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
