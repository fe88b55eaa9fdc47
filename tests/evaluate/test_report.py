"""The report: its control, its table, what it says of ties, and what it writes."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import evaluate, layers
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.evaluate import MEASURES, Measure, Report, known, report
from lrp_ref.evaluate.control import random_map
from lrp_ref.evaluate.measures import find
from lrp_ref.evaluate.ties import best, quantile, same, signed_ranks, summary

MADE = known.patch(samples=12, seed=2)
RNG = np.random.default_rng(6)
NOISY = MADE.relevance + RNG.normal(size=MADE.x.shape)


def built(**arguments: Any) -> Report:
    given = {"maps": {"noisy": NOISY, "right": MADE.relevance}, "target": 0, "masks": MADE.masks} | arguments
    return report(MADE.net, MADE.x, **given)


# The control --------------------------------------------------------------------------------------------------------


def test_the_random_map_is_standard_normal_and_belongs_to_its_sample() -> None:
    x = RNG.normal(size=(50, 1, 20, 20))
    made = random_map(x, 3)
    assert abs(made.mean()) < 0.02
    assert abs(made.std() - 1) < 0.02
    order = RNG.permutation(50)
    np.testing.assert_array_equal(random_map(x[order], 3), made[order])
    np.testing.assert_array_equal(random_map(x[7:8], 3)[0], made[7])
    assert (random_map(x, 4) != made).all()
    assert (made[0] != made[1]).all()
    # A float32 copy of numbers that it holds has the same map.
    coarse = x.astype("f4")
    np.testing.assert_array_equal(random_map(coarse), random_map(coarse.astype("f8")).astype("f4"))
    assert random_map(coarse).dtype == np.float32
    assert random_map(x[:0]).shape == (0, 1, 20, 20)


def test_a_report_always_has_the_control() -> None:
    made = built()
    assert made.names == ("noisy", "right", "random")
    mass = evaluate.relevance_mass(random_map(MADE.x, 0), MADE.masks)
    np.testing.assert_array_equal(made["random", "relevance_mass"], mass)
    with pytest.raises(ParameterError, match="'random' is that of the control"):
        built(maps={"random": NOISY})


# The numbers --------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_measures() -> None:
    made = built(measures=["pixel_flipping", "insertion", "gini", "localisation_accuracy"], seed=4)
    net = MADE.net.forward
    for name, relevance in (("noisy", NOISY), ("right", MADE.relevance), ("random", random_map(MADE.x, 4))):
        expected = {
            "pixel_flipping": evaluate.pixel_flipping(net, MADE.x, relevance, 0).aopc,
            "insertion": evaluate.insertion(net, MADE.x, relevance, 0).auc,
            "gini": evaluate.gini(relevance),
            "localisation_accuracy": evaluate.localisation_accuracy(relevance, np.array([[3, 5, 7, 10]] * 12)),
        }
        for measure, values in expected.items():
            np.testing.assert_array_equal(made[name, measure], values)
    assert made.values.shape == (3, 4, 12)
    np.testing.assert_array_equal(made.middle[:, :3], np.median(made.values, axis=2)[:, :3])
    np.testing.assert_array_equal(made.middle[:, 3], made.values[:, 3].mean(axis=1))
    assert [name for name, _, _ in made.curves] == ["noisy"] * 2 + ["right"] * 2 + ["random"] * 2


def test_options_have_their_own_column() -> None:
    coarse = MEASURES["pixel_flipping"].with_options(steps=5, fill="mean")
    made = built(measures=["pixel_flipping", coarse])
    assert [m.name for m in made.measures] == ["pixel_flipping", "pixel_flipping(steps=5, fill='mean')"]
    expected = evaluate.pixel_flipping(MADE.net.forward, MADE.x, NOISY, 0, steps=5, fill="mean").aopc
    np.testing.assert_array_equal(made["noisy", coarse.name], expected)
    assert coarse.with_options(steps=6).options == (("steps", 6), ("fill", "mean"))


def test_a_target_that_is_not_given_is_the_prediction() -> None:
    made = known.two_objects(samples=6)
    x = made.x * np.where(np.arange(6) % 2, 1.0, 1.0)[:, None, None, None]
    x[1::2, :, :3] = 0
    predicted = made.net.forward(x).argmax(axis=1)
    seen: list[Any] = []

    def explain(net: Any, x: Any, target: Any) -> Any:
        seen.append(target)
        return made.relevance

    found = report(made.net, x, explainers={"a": explain}, measures=["pixel_flipping"])
    np.testing.assert_array_equal(seen[0], predicted)
    expected = evaluate.pixel_flipping(made.net.forward, x, made.relevance, predicted).aopc
    np.testing.assert_array_equal(found["a", "pixel_flipping"], expected)


def test_the_usual_measures_are_those_that_can_be_taken() -> None:
    with_masks = [m.name for m in built().measures]
    without = [m.name for m in built(masks=None).measures]
    assert without == ["pixel_flipping", "insertion", "deletion", "gini", "entropy"]
    assert with_masks == [*without, "pointing_game", "relevance_mass", "relevance_rank", "context_ratio"]


def test_boxes_are_the_tightest_of_the_masks_or_are_given() -> None:
    corners = np.array([[3, 5, 7, 10]] * 12)
    names = ["localisation_accuracy", "relevance_mass"]
    expected = built(measures=names).values
    np.testing.assert_array_equal(built(measures=names, masks=None, boxes=corners).values, expected)
    np.testing.assert_array_equal(built(measures=names, masks=corners).values, expected)


def test_a_measure_that_explains_again_takes_the_explainer_of_its_row() -> None:
    again = Measure(
        "again", "stability", lambda explain, net, x, target: explain(net, x, target).sum(axis=(1, 2, 3)),
        ("explain", "net", "x", "target"), "smaller", "1",
    )  # fmt: skip
    made = built(measures=[again, "gini"], explainers={"right": lambda net, x, target: MADE.relevance})
    np.testing.assert_allclose(made["right", "again"], MADE.relevance.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(made["random", "again"], random_map(MADE.x).sum(axis=(1, 2, 3)))
    assert np.isnan(made["noisy", "again"]).all()
    assert not np.isnan(made["noisy", "gini"]).any()
    assert "–" in repr(made)
    with pytest.raises(ParameterError, match="give explainers="):
        built(measures=[again])


def test_an_argument_may_have_another_name_than_its_field() -> None:
    renamed = Measure("r", "x", lambda maps: maps.sum(axis=(1, 2, 3)), ("maps=relevance",), "neither", "1")
    np.testing.assert_array_equal(built(measures=[renamed])["noisy", "r"], NOISY.sum(axis=(1, 2, 3)))


def test_a_function_in_place_of_a_network() -> None:
    made = report(MADE.net.forward, MADE.x, {"right": MADE.relevance}, target=0)
    assert made.values.shape == (2, 5, 12)
    with pytest.raises(ParameterError, match="the network is needed"):
        report(MADE.net.forward, MADE.x, explainers={"a": lambda net, x, t: MADE.relevance}, target=0)


def test_a_batch_of_none() -> None:
    made = report(MADE.net, MADE.x[:0], {"a": MADE.x[:0]}, masks=MADE.masks[:0])
    assert made.values.shape == (2, 9, 0)
    assert np.isnan(made.middle).all()
    assert not made.best.any()
    assert "0 samples" in repr(made)
    assert json.loads(json.dumps(made.to_dict(), allow_nan=False))["samples"] == 0


# Ties ---------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_told_apart_is_marked() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=40)
    values = np.stack([base, base + 0.001 * rng.normal(size=40), base - 1.0, np.full(40, np.nan)])
    assert best(values, "larger", mean=False).tolist() == [True, True, False, False]
    assert best(values, "smaller", mean=False).tolist() == [False, False, True, False]
    assert not best(values, "neither", mean=False).any()


def test_few_samples_decide_nothing() -> None:
    rows = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.5, 13.0, 14.0, 15.0]])
    assert best(rows, "larger", mean=False).all()
    more = np.concatenate([rows, rows + 0.5], axis=1)
    assert best(more, "larger", mean=False).tolist() == [False, True]


def test_the_test_is_that_of_signed_ranks() -> None:
    """p = 2 · P(W ≤ w), by counting all signs of the ranks."""
    a, b = np.array([5.0, 6.1, 7.2, 8.3, 4.4, 9.5, 3.0]), np.zeros(7)
    for flipped in range(4):
        signs = np.ones(7)
        signs[np.argsort(a)[:flipped]] = -1
        ranks = np.argsort(np.argsort(a)) + 1
        lower = ranks[signs < 0].sum()
        sums = [sum(r for r, bit in zip(ranks, f"{k:07b}", strict=True) if bit == "1") for k in range(128)]
        p = 2 * sum(total <= lower for total in sums) / 128
        assert same(a * signs, b) == (p >= 0.05), flipped
    assert same(b, b)
    assert not same(b, np.full(7, np.nan))
    assert same(np.full(8, math.inf), np.full(8, math.inf))
    assert not same(np.full(8, math.inf), np.zeros(8))
    values = np.random.default_rng(1).normal(size=30)
    assert same(values, values * (1 + 1e-12))
    assert not same(values, values + 1e-7 * np.abs(values))


@pytest.mark.parametrize("n", [6, 13, 40, 99, 100, 101, 400])
def test_the_test_is_that_of_scipy(n: int) -> None:
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(n)
    for shift in (0.0, 0.1, 0.5):
        differences = rng.normal(size=n) + shift
        if n <= 100:
            expected = wilcoxon(differences, method="exact").pvalue
        else:
            expected = wilcoxon(differences, method="asymptotic" if asymptotic() else "approx").pvalue
        assert signed_ranks(differences) == pytest.approx(expected, rel=1e-9)


def asymptotic() -> bool:
    """Whether this scipy calls the normal distribution so; before it said "approx"."""
    import scipy

    return tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 15)


def test_ties_and_zeros_are_counted_exactly() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        differences = rng.integers(-3, 4, size=9).astype(float)
        kept = differences[differences != 0]
        ranks = [np.mean([r for r, v in enumerate(sorted(abs(kept)), 1) if v == abs(d)]) for d in kept]
        positive = sum(r for r, d in zip(ranks, kept, strict=True) if d > 0)
        sums = [sum(r for r, on in zip(ranks, signs, strict=True) if on) for signs in product((0, 1), repeat=len(kept))]
        lower = sum(total <= positive + 1e-9 for total in sums) / len(sums)
        upper = sum(total >= positive - 1e-9 for total in sums) / len(sums)
        assert signed_ranks(differences) == pytest.approx(min(1, 2 * min(lower, upper)))


def test_where_the_control_is_among_the_best_the_report_says_so() -> None:
    other = RNG.normal(size=MADE.x.shape)
    made = report(MADE.net, MADE.x, {"other": other}, target=0, measures=["gini", "pixel_flipping"], masks=MADE.masks)
    assert "gini" in made.undecided
    assert "the random map is as good as any under" in repr(made)
    assert built(measures=["relevance_mass"]).undecided == ()


def test_quantiles_leave_out_what_is_not_there() -> None:
    rows = RNG.normal(size=(4, 11))
    np.testing.assert_allclose(quantile(rows, 0.5), np.median(rows, axis=1))
    for part in (0.25, 0.5, 0.75):
        for n in range(1, 11):
            expected = np.quantile(rows[:, :n], part, axis=1, method="averaged_inverted_cdf")
            padded = np.concatenate([rows[:, :n], np.full((4, 3), np.nan)], axis=1)
            np.testing.assert_allclose(quantile(padded, part), expected)
    assert np.isnan(quantile(np.full((1, 3), np.nan), 0.5)).all()
    assert quantile(np.array([1.0, math.inf, math.inf]), 0.5) == math.inf
    assert summary(np.array([[1.0, 0.0, np.nan]]), mean=True).tolist() == [0.5]
    assert np.isnan(summary(np.array([[np.nan]]), mean=True)).all()


# What it looks like -------------------------------------------------------------------------------------------------


def test_the_table_shows_median_and_spread() -> None:
    made = built(measures=["relevance_mass", "pointing_game"])
    low, middle, high = np.quantile(made["noisy", "relevance_mass"], (0.25, 0.5, 0.75), method="averaged_inverted_cdf")
    line = next(line for line in repr(made).splitlines() if line.startswith("noisy"))
    assert f"{middle:.4g} [{low:.4g}, {high:.4g}]" in line
    assert "relevance_mass ↑" in repr(made)
    right = next(line for line in repr(made).splitlines() if line.startswith("right"))
    assert right.split() == ["right", "1", "[1,", "1]", "*", "1", "*"]
    assert "<table>" in made._repr_html_()


def test_samples_that_are_left_out_are_counted() -> None:
    masks = MADE.masks.copy()
    masks[:3] = False
    assert "n=9" in repr(built(masks=masks, measures=["relevance_rank"]))


def test_json_holds_everything_but_the_curves(tmp_path: Path) -> None:
    masks = MADE.masks.copy()
    masks[0] = False
    made = built(masks=masks)
    kept = json.loads(made.save(tmp_path / "r.json").read_text())
    assert kept == made.to_dict()
    assert kept["values"][1][8][0] is None
    assert kept["maps"] == ["noisy", "right", "random"]
    back = np.array([[[math.nan if v is None else float(v) for v in row] for row in rows] for rows in kept["values"]])
    np.testing.assert_array_equal(back, made.values)
    inverse = built(maps={"outside": 1.0 * ~MADE.masks}, measures=["context_ratio"])
    assert inverse.to_dict()["middle"][0] == ["inf"]
    assert "inf" in repr(inverse)
    with pytest.raises(ParameterError, match=r"ends in \.json"):
        made.save(tmp_path / "r.npz")
    with pytest.raises(ParameterError, match="does not exist"):
        made.save(tmp_path / "none" / "r.json")


def test_the_pictures() -> None:
    made = built(measures=["pixel_flipping", "insertion", "gini"])
    table = made.picture(title="a")
    assert len(table.info["cell_boxes"]) == 3
    lines = made.curves_picture("pixel_flipping")
    assert lines.size[1] > made.curves_picture("pixel_flipping", height=100).size[1]
    with pytest.raises(ParameterError, match="measure 'gini' has no curves; those with curves: insertion, pixel_flip"):
        made.curves_picture("gini")
    with pytest.raises(ParameterError, match="unknown measure 'ginni'"):
        made.curves_picture("ginni")


def test_progress_counts_maps_times_measures() -> None:
    seen: list[tuple[int, int]] = []
    built(measures=["gini", "entropy"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 6) for k in range(1, 7)]


# The table of measures ----------------------------------------------------------------------------------------------


AGAIN = [name for name, measure in MEASURES.items() if "explain" in measure.fields.values()]


@pytest.mark.parametrize("name", AGAIN)
def test_a_measure_that_explains_again_runs(name: str) -> None:
    """The random map is another one for every input, and the same for every network."""
    rng = np.random.default_rng(8)
    net = lrp.Network.sequential([
        layers.Conv(rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3)), layers.ReLU(), layers.Flatten(),
        layers.Dense(rng.normal(size=(48, 4))),
    ])  # fmt: skip
    x = rng.normal(size=(5, 1, 6, 6))

    def gradient(net: Any, x: Any, target: Any) -> Any:
        return lrp.attribute(net, x, "gradient", target=target).relevance

    measure = MEASURES[name]
    found = report(net, x, explainers={"gradient": gradient}, measures=[name], seed=3, batch=2)
    options = {key: value for key, value in (("seed", 3), ("batch", 2)) if key in measure.fields}
    alone = measure.function(net, gradient, x, **options)
    np.testing.assert_array_equal(found["gradient", name], getattr(alone, measure.reads) if measure.reads else alone)
    assert np.isfinite(found.values).all()
    if measure.kind == "randomisation":
        np.testing.assert_allclose(found["random", name], 0 if name == "efficient_randomisation" else 1, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in MEASURES if name not in AGAIN])
def test_every_measure_runs_and_says_what_it_needs(name: str) -> None:
    measure = MEASURES[name]
    assert measure.name == name
    assert measure.better in ("larger", "smaller", "neither")
    assert measure.unit
    values = built(measures=[name]).values
    assert values.shape == (3, 1, 12)
    assert np.isfinite(values[:2]).all()
    assert "is better" in repr(measure)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: find("pixel_fliping"), ParameterError, "did you mean 'pixel_flipping'"),
        (lambda: built(measures=["ginni"]), ParameterError, "did you mean 'gini'"),
        (lambda: built(measures=[]), ParameterError, "measures is empty"),
        (lambda: built(measures=["roc_auc"], masks=None), ParameterError, "needs masks: give masks="),
        (lambda: built(measures=["localisation_accuracy"], masks=None), ParameterError, "give boxes=, or masks="),
        (lambda: built(maps={}), ParameterError, "there are no maps"),
        (lambda: built(maps={"a": NOISY[:3]}), ShapeError, r"maps\['a'\] has shape"),
        (lambda: report(3, MADE.x, {"a": NOISY}), ParameterError, "f_or_net is a int"),
        (lambda: built()["righ", "gini"], ParameterError, "did you mean 'right'"),
        (
            lambda: built(measures=[Measure("m", "x", lambda x: x, ("x",), "larger", "1")]),
            ShapeError, "measure 'm' returned shape",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
