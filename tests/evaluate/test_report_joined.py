"""Reports on parts of a data set, joined, are the report on all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref import evaluate
from lrp_ref.errors import ParameterError
from lrp_ref.evaluate import Curve, Report, known, report

MADE = known.patch(samples=14, seed=3)
RNG = np.random.default_rng(9)
NOISY = MADE.relevance + RNG.normal(size=MADE.x.shape)
REGIONS = evaluate.MEASURES["region_perturbation"].with_options(size=3, fill="noise", draws=2, steps=4)


def built(cut: slice = slice(None), **arguments: Any) -> Report:
    masks = MADE.masks.copy()
    masks[2] = False  # of which some measures say nothing: NaN
    given: dict[str, Any] = {"measures": ["pixel_flipping", "gini", "relevance_rank", REGIONS], "seed": 5, "target": 0}
    maps = {"noisy": NOISY[cut], "right": MADE.relevance[cut]}
    return report(MADE.net, MADE.x[cut], maps, masks=masks[cut], **given | arguments)


@pytest.mark.parametrize("ends", [(5, 14), (1, 2, 13, 14), (14,)])
def test_joined_parts_are_the_whole(ends: tuple[int, ...]) -> None:
    cuts = [slice(a, b) for a, b in zip((0, *ends), ends, strict=False)]
    found, whole = Report.joined([built(cut) for cut in cuts]), built()
    assert (found.names, found.measures, found.seed) == (whole.names, whole.measures, whole.seed)
    # The last digits are BLAS's, which is asked for more rows at once.
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12)
    assert np.isnan(found["noisy", "relevance_rank"][2])
    assert [(name, measure) for name, measure, _ in found.curves] == [(n, m) for n, m, _ in whole.curves]
    for (_, _, one), (_, _, other) in zip(found.curves, whole.curves, strict=True):
        np.testing.assert_allclose(one.curve, other.curve, rtol=0, atol=1e-12 * np.abs(other.curve).max())
        np.testing.assert_array_equal(one.target, other.target)
        assert (one.counts, one.units, one.fill, one.order) == (other.counts, other.units, other.fill, other.order)
    assert repr(found) == repr(whole)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 6}, "report 1 has the seed 6, and the first 5"),
        ({"measures": ["gini"]}, "report 1 has the measures gini, and the first pixel_flipping, gini"),
        ({"measures": ["pixel_flipping", "gini", "relevance_rank", REGIONS.with_options(draws=3)]}, "has the measures"),
    ],
)
def test_reports_of_which_something_differs_are_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        Report.joined([built(slice(0, 3)), built(slice(3, 6), **other)])


def test_other_maps_and_no_reports_are_refused() -> None:
    one, two = (report(MADE.net, MADE.x, {name: NOISY}, measures=["gini"]) for name in "ab")
    with pytest.raises(ParameterError, match="report 1 has the maps b, random, and the first a, random"):
        Report.joined([one, two])
    with pytest.raises(ParameterError, match="there are no reports to join"):
        Report.joined([])
    with pytest.raises(ParameterError, match="there are no curves to join"):
        Curve.joined([])


def test_curves_made_in_another_way_are_refused() -> None:
    f, x = MADE.net.forward, MADE.x
    first = evaluate.pixel_flipping(f, x, NOISY, 0, steps=4)
    for options, said in (
        ({"steps": 5}, "curve 1 has counts"),
        ({"steps": 4, "order": "lerf"}, "curve 1 has order 'lerf', and the first 'morf'"),
        ({"steps": 4, "fill": "mean"}, "has fill 'mean', and the first '0'"),
        ({"steps": 4, "softmax": True}, "has softmax True, and the first False"),
    ):
        with pytest.raises(ParameterError, match=said):
            Curve.joined([first, evaluate.pixel_flipping(f, x, NOISY, 0, **options)])
    with pytest.raises(ParameterError, match="has measure 'deletion'"):
        Curve.joined([first, evaluate.deletion(f, x, NOISY, 0, steps=4)])
