"""What Quantus returns: its stored numbers, the program itself where it is installed, and what is wrong with each."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path
from typing import Any

import golden_methods
import numpy as np
import pytest
from strict import STRICT

import lrp_ref as lrp
from lrp_ref import evaluate
from lrp_ref.errors import LrpError, MissingExtraError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Conv, Dense, Flatten, ReLU
from lrp_ref.network import Network

PAGE = Path(__file__).parents[2] / "docs" / "quantus.md"
RNG = np.random.default_rng(81)
MAPS = RNG.normal(size=(5, 1, 8, 8))
MASKS = (RNG.random((5, 1, 8, 8)) < 0.2).astype(float)
W, B = RNG.normal(size=(64, 4)), RNG.normal(size=4)
X = RNG.normal(size=(5, 1, 8, 8))
TARGET = np.array([0, 3, 1, 2, 0])
NET = Network.sequential([Flatten(), Dense(W, B)])
# Quantus computes in float32 where it asks a model; on maps alone in float64.
SINGLE, DOUBLE = 1e-6, 1e-12


def gradient(net: Network, x: Any, target: Any) -> Any:
    return lrp.attribute(net, x, "gradient", target=target).relevance


def gradient_x_input(net: Network, x: Any, target: Any) -> Any:
    return gradient(net, x, target) * x


# Stored numbers -----------------------------------------------------------------------------------------------------

ON_MAPS: dict[str, Any] = {
    "maps/pointing_game": quantus.pointing_game,
    "maps/relevance_mass_accuracy": quantus.relevance_mass,
    "maps/relevance_mass_accuracy_abs": lambda r, s: quantus.relevance_mass(r, s, absolute=True),
    "maps/top10_intersection": lambda r, s: quantus.top_k_intersection(r, s, k=10),
    "maps/top10_intersection_concept": lambda r, s: quantus.top_k_intersection(r, s, k=10, concept_influence=True),
    "maps/attribution_localisation": quantus.attribution_localisation,
    "maps/attribution_localisation_weighted": lambda r, s: quantus.attribution_localisation(r, s, weighted=True),
    "maps/sparseness": lambda r, s: quantus.sparseness(r),
    "maps/complexity": lambda r, s: quantus.complexity(r),
    "maps/effective_complexity": lambda r, s: quantus.effective_complexity(r),
    "maps_first_alone/sparseness": lambda r, s: quantus.sparseness(r[:1]),
    "maps_first_alone/effective_complexity": lambda r, s: quantus.effective_complexity(r[:1]),
    "maps_first_alone/attribution_localisation_weighted": lambda r, s: quantus.attribution_localisation(
        r[:1], s[:1], weighted=True
    ),
}


@golden_methods.needed
@pytest.mark.parametrize("name", ON_MAPS)
def test_stored_numbers_of_maps(name: str) -> None:
    stored = golden_methods.arrays("metrics")
    found = ON_MAPS[name](stored["maps/attribution"], stored["maps/mask"])
    np.testing.assert_allclose(found, stored[f"quantus/{name}"], atol=DOUBLE, rtol=0)


ON_LINEAR: dict[str, Any] = {
    "pixel_flipping_zero": lambda *given, **sm: quantus.pixel_flipping(*given, fill=0.0, **sm),
    "pixel_flipping_black": lambda *given, **sm: quantus.pixel_flipping(*given, fill="black", **sm),
    "pixel_flipping_mean": lambda *given, **sm: quantus.pixel_flipping(*given, fill="mean", **sm),
    "region_perturbation_morf": lambda *given, **sm: quantus.region_perturbation(*given, size=2, fill=0.0, **sm),
    "region_perturbation_lerf": lambda *given, **sm: quantus.region_perturbation(
        *given, size=2, fill=0.0, order="lerf", **sm
    ),
    "selectivity": lambda *given, **sm: quantus.selectivity(*given, size=2, fill=0.0, **sm),
    "sensitivity_n": lambda *given, **sm: [quantus.sensitivity_n(*given, fill=0.0, **sm)],
    "completeness_default": lambda *given, **sm: quantus.completeness(*given, **sm),
    "completeness_no_normalise": lambda *given, **sm: quantus.completeness(*given, normalise=False, **sm),
    "non_sensitivity_default": lambda *given, **sm: quantus.non_sensitivity(*given, fill=0.0, **sm),
}


@golden_methods.needed
@pytest.mark.parametrize("name", ON_LINEAR)
@pytest.mark.parametrize("softmax", [False, True])
def test_stored_numbers_of_a_linear_model(name: str, softmax: bool) -> None:
    stored = golden_methods.arrays("metrics")
    w, b, x, relevance = (stored[f"linear/{key}"] for key in ("weight", "bias", "input", "gradient_x_input"))
    target = stored["linear/target"].astype(int)

    def net(x: Any) -> Any:
        return x.reshape(len(x), -1) @ w.T + b

    folder = "quantus/linear_default_softmax" if softmax else "quantus/linear"
    found = ON_LINEAR[name](net, x, relevance, target, softmax=softmax)
    np.testing.assert_allclose(found, stored[f"{folder}/{name}"], atol=SINGLE, rtol=0)


@golden_methods.needed
@pytest.mark.parametrize("softmax", [False, True])
def test_the_stored_area_is_divided_by_nothing(softmax: bool) -> None:
    stored = golden_methods.arrays("metrics")
    folder = "quantus/linear_default_softmax" if softmax else "quantus/linear"
    found = quantus.area(stored[f"{folder}/pixel_flipping_zero"])
    np.testing.assert_allclose(found, stored[f"{folder}/pixel_flipping_auc"], atol=1e-12 * abs(found).max(), rtol=0)


@golden_methods.needed
def test_stored_numbers_of_explaining_again() -> None:
    stored, made = golden_methods.arrays("metrics"), golden_methods.Golden("B")
    target = made.target.astype(int)
    np.testing.assert_allclose(gradient(made.net, made.x, target), stored["B/gradient"], atol=DOUBLE)
    for name, explain in (("gradient", gradient), ("gradient_x_input", gradient_x_input)):
        found = quantus.input_invariance(made.net, explain, made.x, target)
        np.testing.assert_array_equal(found, stored[f"quantus/B32/input_invariance_{name}"])
    w, b, x = (stored[f"linear/{key}"] for key in ("weight", "bias", "input"))
    net, target = Network.sequential([Flatten(), Dense(w.T.copy(), b)]), stored["linear/target"].astype(int)
    noise = RNG.normal(size=(5, *x.shape))
    found = quantus.local_lipschitz(net, gradient, x, target, noise=noise)
    np.testing.assert_array_equal(found, stored["quantus/linear/local_lipschitz_gradient"])
    pytest.importorskip("skimage.metrics")
    found = quantus.random_logit(net, gradient_x_input, x, target, num_classes=3)
    np.testing.assert_allclose(found, stored["quantus/linear/random_logit_gxi"], atol=SINGLE, rtol=0)


# The program itself -------------------------------------------------------------------------------------------------


class Model:
    """What Quantus asks of a model."""

    def __init__(self, softmax: bool) -> None:
        self.softmax = softmax

    def shape_input(self, x: Any, shape: Any, **kwargs: Any) -> Any:
        return x

    def predict(self, x: Any, **kwargs: Any) -> Any:
        z = NET.forward(x)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True) if self.softmax else z

    def get_model(self) -> Any:
        return NET


def asked(name: str, softmax: bool, a: Any, **options: Any) -> Any:
    """Return the numbers of one of Quantus' metrics for a whole batch, as its call prepares them."""
    program = pytest.importorskip("quantus")
    if "0.6.0" not in __import__("importlib.metadata").metadata.version("quantus"):
        pytest.skip("another version of Quantus")
    metric = getattr(program, name)(disable_warnings=True, display_progressbar=False, **options)
    a = program.normalise_by_max(a) if metric.normalise else a.copy()
    a = abs(a) if metric.abs else a
    batch = {"x_batch": X.copy(), "y_batch": TARGET, "a_batch": a, "s_batch": MASKS}
    return metric.evaluate_batch(model=Model(softmax), **batch), metric


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", [0.3, "black", "white", "mean"])
@pytest.mark.parametrize("step", [1, 4])
def test_the_programs_pixel_flipping(fill: Any, step: int, softmax: bool) -> None:
    found, _ = asked("PixelFlipping", softmax, MAPS, perturb_baseline=fill, features_in_step=step)
    ours = quantus.pixel_flipping(NET.forward, X, MAPS, TARGET, fill=fill, step=step, softmax=softmax)
    np.testing.assert_allclose(found, ours, atol=DOUBLE)


@pytest.mark.parametrize("fill", [0.3, "black", "mean"])
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", ["RegionPerturbation", "Selectivity"])
def test_the_programs_regions(name: str, size: int, fill: Any) -> None:
    found, _ = asked(name, True, MAPS, perturb_baseline=fill, patch_size=size)
    ours = {"RegionPerturbation": quantus.region_perturbation, "Selectivity": quantus.selectivity}[name]
    np.testing.assert_allclose(found, ours(NET.forward, X, MAPS, TARGET, size=size, fill=fill), atol=DOUBLE)


@pytest.mark.parametrize("fill", [0.3, "black", "mean"])
@pytest.mark.parametrize("step", [1, 4])
def test_the_programs_sensitivity_n(fill: Any, step: int) -> None:
    found, metric = asked("SensitivityN", False, MAPS, perturb_baseline=fill, features_in_step=step)
    metric.evaluation_scores = found
    metric.custom_postprocess(x_batch=X)
    ours = quantus.sensitivity_n(NET.forward, X, MAPS, TARGET, fill=fill, step=step, softmax=False)
    assert np.mean(metric.evaluation_scores) == pytest.approx(ours, abs=1e-12)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", [0.3, "black", "mean"])
def test_the_programs_axioms(fill: Any, softmax: bool) -> None:
    sparse = np.where(abs(MAPS) > 1, MAPS, 0)
    found, _ = asked("NonSensitivity", softmax, sparse, perturb_baseline=fill)
    ours = quantus.non_sensitivity(NET.forward, X, sparse, TARGET, fill=fill, softmax=softmax)
    np.testing.assert_array_equal(found, ours)
    assert (ours > 0).all()
    complete = np.zeros(MAPS.shape)
    complete.reshape(5, -1)[:, 0] = NET.forward(X)[np.arange(5), TARGET] - B[TARGET]
    for normalise in (True, False):
        found, _ = asked("Completeness", softmax, complete, perturb_baseline=fill, normalise=normalise)
        ours = quantus.completeness(NET.forward, X, complete, TARGET, fill=fill, softmax=softmax, normalise=normalise)
        np.testing.assert_array_equal(found, ours)


@pytest.mark.filterwarnings("ignore")  # the program's own, of masks and zeros
@pytest.mark.parametrize("k", range(3))
def test_the_programs_numbers_of_maps(k: int) -> None:
    """Also of zeros, ties, an empty mask and a batch of one."""
    maps, masks = MAPS.copy(), MASKS.copy()
    maps[1], maps[2], masks[3] = 0, maps[2].round(), 0
    rows = {0: slice(None), 1: slice(0, 1), 2: slice(1, 2)}[k]
    program = pytest.importorskip("quantus")
    cases = {
        "PointingGame": (quantus.pointing_game, {}),
        "RelevanceMassAccuracy": (quantus.relevance_mass, {}),
        "TopKIntersection": (lambda r, s: quantus.top_k_intersection(r, s, k=7), {"k": 7}),
        "AttributionLocalisation": (
            lambda r, s: quantus.attribution_localisation(r, s, weighted=True), {"weighted": True},
        ),
        "Sparseness": (lambda r, s: quantus.sparseness(r), {}),
        "Complexity": (lambda r, s: quantus.complexity(r), {}),
        "EffectiveComplexity": (lambda r, s: quantus.effective_complexity(r), {}),
    }  # fmt: skip
    r, s = maps[rows], masks[rows]
    for name, (ours, options) in cases.items():
        metric = getattr(program, name)(disable_warnings=True, display_progressbar=False, **options)
        a = program.normalise_by_max(r)
        a = abs(a) if metric.abs else a.copy()
        with np.errstate(all="ignore"):
            found = metric.evaluate_batch(model=None, x_batch=r, y_batch=None, a_batch=a, s_batch=s.copy())
        np.testing.assert_allclose(np.array(found, dtype=float), ours(r, s), atol=DOUBLE, err_msg=name)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_programs_local_lipschitz(normalise: bool) -> None:
    program = pytest.importorskip("quantus")
    metric = program.LocalLipschitzEstimate(
        nr_samples=3, normalise=normalise, disable_warnings=True, display_progressbar=False
    )
    metric.explain_func = lambda model, inputs, targets, **_: gradient_x_input(NET, inputs, targets)
    metric.explain_func_kwargs = {}
    a = gradient_x_input(NET, X, TARGET)
    np.random.seed(3)  # noqa: NPY002 — the program draws from the global generator
    noise = np.stack([np.random.normal(size=(5, 64)) for _ in range(3)]).reshape(3, *X.shape)  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    found = metric.evaluate_batch(
        model=Model(False), x_batch=X, y_batch=TARGET, a_batch=program.normalise_by_max(a) if normalise else a
    )
    ours = quantus.local_lipschitz(NET, gradient_x_input, X, TARGET, noise=noise, normalise=normalise)
    np.testing.assert_allclose(found, ours, atol=1e-9)


@pytest.mark.parametrize("normalise", [None, True])
def test_the_programs_max_sensitivity(normalise: bool | None) -> None:
    program = pytest.importorskip("quantus")
    options = {} if normalise is None else {"normalise": normalise}
    metric = program.MaxSensitivity(nr_samples=3, disable_warnings=True, display_progressbar=False, **options)
    metric.explain_func = lambda model, inputs, targets, **_: gradient_x_input(NET, inputs, targets)
    metric.explain_func_kwargs = {}
    a = gradient_x_input(NET, X, TARGET)
    np.random.seed(4)  # noqa: NPY002 — the program draws from the global generator
    noise = np.stack([np.random.uniform(-1, 1, size=(5, 64)) for _ in range(3)]).reshape(3, *X.shape)  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    found = metric.evaluate_batch(
        model=Model(False), x_batch=X, y_batch=TARGET, a_batch=program.normalise_by_max(a) if normalise else a
    )
    ours = quantus.max_sensitivity(NET, gradient_x_input, X, TARGET, noise=noise, **options)
    np.testing.assert_allclose(found, ours, atol=1e-12)


# What is wrong with each --------------------------------------------------------------------------------------------


def test_nothing_counts_as_a_hit() -> None:
    zero, none = np.zeros((1, 8, 8)), np.zeros((1, 8, 8))
    mask = none.copy()
    mask[0, 0, 0] = 1
    assert quantus.pointing_game(zero, mask) == quantus.pointing_game(MAPS[0], none) == 1
    assert evaluate.pointing_game(zero, mask) == evaluate.pointing_game(MAPS[0], none) == 0


def test_a_number_depends_on_the_neighbours() -> None:
    maps = MAPS * np.array([1.0, 1e-3, 1e-6, 1, 1]).reshape(5, 1, 1, 1)
    for theirs, ours in (
        (quantus.effective_complexity, evaluate.effective_complexity),
        (quantus.sparseness, evaluate.gini),
    ):
        assert theirs(maps)[2] != theirs(maps[2:3])[0]
        assert ours(maps)[2] == ours(maps[2:3])[0]


def test_the_weight_of_attribution_localisation_is_of_the_other_samples() -> None:
    maps, mask = np.ones((6, 1, 4, 4)), np.zeros((6, 1, 4, 4))
    mask[:, 0, :2, :2] = 1
    for n, size in ((3, 16), (6, 64)):
        found = quantus.attribution_localisation(maps[:n], mask[:n], weighted=True)
        np.testing.assert_allclose(found, 0.25 * 4 / size, atol=1e-9)
    assert np.isinf(quantus.attribution_localisation(maps[:2], mask[:2], weighted=True)).all()


def test_a_complete_map_of_a_linear_model_fails() -> None:
    relevance = gradient_x_input(NET, X, TARGET)
    assert evaluate.completeness(NET.forward, X, relevance, TARGET, baseline=0.0).max() < 1e-12
    assert not quantus.completeness(NET.forward, X, relevance, TARGET, fill=0.0).any()
    np.testing.assert_allclose(evaluate.sensitivity_n(NET.forward, X, relevance, TARGET), 1, atol=1e-12)
    assert abs(quantus.sensitivity_n(NET.forward, X, relevance, TARGET, fill=0.0, softmax=False)) < 0.9
    found = evaluate.local_lipschitz(NET, gradient_x_input, X, 1, noise=X[:1])
    grown = quantus.local_lipschitz(NET, gradient_x_input, X[:1], 1, noise=X[None, :1])
    assert found[0] > 0.1
    assert grown[0] < 1e-9  # the map of 1.1 x is 1.1 times the map of x


def test_the_curve_begins_behind_the_first_step_and_its_fill_drifts() -> None:
    ours = evaluate.pixel_flipping(NET.forward, X, MAPS, TARGET, fill="mean", steps=64).curve
    theirs = quantus.pixel_flipping(NET.forward, X, MAPS, TARGET, fill="mean", softmax=False)
    assert theirs.shape[1] == ours.shape[1] - 1
    np.testing.assert_allclose(theirs[:, 0], ours[:, 1], atol=1e-12)
    assert abs(theirs - ours[:, 1:]).max() > 0.01


def test_the_plain_gradient_is_judged_to_depend_on_the_origin() -> None:
    """Of a padded convolution; of an unpadded one the shift is right, but for the first number."""
    head = [ReLU(), Flatten(), Dense(RNG.normal(size=(64, 2)))]
    padded = Network.sequential([Conv(RNG.normal(size=(1, 1, 3, 3)), np.zeros(1), padding=1), *head])
    assert (quantus.input_invariance(padded, gradient, X, 0) == 0).any()
    single = Network.sequential([Conv(np.full((1, 1, 1, 1), 0.5), np.ones(1)), *head])
    asked_x: list[Any] = []

    def explain(net: Network, x: Any, target: Any) -> Any:
        asked_x.append((net, x))
        return gradient(net, x, target)

    quantus.input_invariance(single, explain, X, 0, shift=-2.0)
    moved = next(x for net, x in asked_x if net is not single)
    assert (moved - X).reshape(5, -1)[:, 0].tolist() == [0.0] * 5
    np.testing.assert_allclose((moved - X).reshape(5, -1)[:, 1:], -2.0)


def test_random_logit_looks_at_a_row_of_numbers() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    found = quantus.random_logit(NET, gradient_x_input, X, TARGET, others=(TARGET + 1) % 4, normalise=False)
    a, b = (gradient_x_input(NET, X, t).reshape(5, -1) for t in (TARGET, (TARGET + 1) % 4))
    for k in range(5):
        span = np.ptp(np.stack([a[k], b[k]]))
        assert found[k] == pytest.approx(metrics.structural_similarity(a[k], b[k], data_range=span), abs=1e-12)
    pictures = evaluate.random_logit(NET, gradient_x_input, X, TARGET, others=(TARGET + 1) % 4, similarity="ssim")
    assert abs(found - pictures).max() > 0.01


def test_another_array_module() -> None:
    maps, masks = STRICT.asarray(MAPS), STRICT.asarray(MASKS)
    for name in ("pointing_game", "relevance_mass", "top_k_intersection", "attribution_localisation"):
        function, options = getattr(quantus, name), {"k": 10} if name == "top_k_intersection" else {}
        np.testing.assert_array_equal(function(maps, masks, **options), function(MAPS, MASKS, **options))
    for name in ("sparseness", "complexity", "effective_complexity"):
        np.testing.assert_array_equal(getattr(quantus, name)(maps), getattr(quantus, name)(MAPS))


def test_nothing_here_is_used_by_the_package() -> None:
    folder = Path(inspect.getfile(quantus)).parent
    package = folder.parents[1]
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if folder not in path.parents and re.search(r"^\s*(from|import) .*\bquantus\b", path.read_text(), re.M)
    }
    assert users == {"evaluate/__init__.py"}


def test_the_page_has_a_row_for_every_function() -> None:
    rows = re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.M)
    assert sorted(rows) == sorted(set(quantus.__all__) - {"normalised"})
    assert len(rows) >= 12


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: quantus.pointing_game(MAPS, MASKS[:, 0]), ShapeError, "here they have one shape"),
        (lambda: quantus.pixel_flipping(NET.forward, X, MAPS, 0, fill="blak"), ParameterError, "mean 'black'"),
        (lambda: quantus.pixel_flipping(NET.forward, X, MAPS, 0, step=0), ParameterError, "step is 0"),
        (lambda: quantus.pixel_flipping(NET.forward, X, MAPS, 9), ParameterError, "target 9 is out of range"),
        (lambda: quantus.selectivity(NET.forward, X[:, 0], MAPS[:, 0], 0), ShapeError, "squares are of pictures"),
        (
            lambda: quantus.region_perturbation(NET.forward, X, MAPS, 0, order="mort"), ParameterError, "mean 'morf'",
        ),
        (lambda: quantus.input_invariance(NET, gradient, X, 0), UnsupportedError, "'flatten1' is a Flatten"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_class_that_is_not_there_is_refused() -> None:
    pytest.importorskip("skimage.metrics")
    with pytest.raises(ParameterError, match="give num_classes=4"):
        quantus.random_logit(NET, gradient, X, TARGET)
    assert quantus.random_logit(NET, gradient, X, TARGET, num_classes=4).shape == (5,)
    assert math.isfinite(quantus.random_logit(NET, gradient, X, TARGET, num_classes=4).sum())


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(MissingExtraError, match=r"lrp-ref\[evaluate\]"):
        quantus.random_logit(NET, gradient, X, TARGET, num_classes=4)
