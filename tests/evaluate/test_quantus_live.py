"""The program Quantus itself beside what is said here to be its numbers, where it is installed (with torch).

It needs NumPy below 2.4: ``pip install quantus==0.6.0 "numpy<2.4" torch scikit-image pytest``.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.evaluate import quantus
from lrp_ref.layers import Conv, Dense, Flatten, ReLU

RNG = np.random.default_rng(23)
NET = lrp.Network.sequential(
    [
        ("conv", Conv(RNG.normal(size=(3, 2, 3, 3)), RNG.normal(size=3))),
        ("relu", ReLU()),
        ("flatten", Flatten()),
        ("fc", Dense(RNG.normal(size=(60, 4)) / 4, RNG.normal(size=4))),
    ]
)
# Quantus casts inputs to float32, which these are already.
X = RNG.normal(size=(5, 2, 7, 6)).astype(np.float32).astype(np.float64)
TARGET = np.array([0, 3, 1, 2, 2])
MAPS = RNG.normal(size=X.shape)
TIED = MAPS[:, :1].round(1)
TIED[2] = 0.0
MASKS = RNG.random((5, 1, 7, 6)) < 0.3
MASKS[1] = False
NOISE = RNG.uniform(-1, 1, size=(6, *X.shape))
EXACT, CAST = 1e-12, 1e-6  # the second where fills are means, which float32 rounds


def gradient_x_input(net: Any, x: Any, target: Any) -> Any:
    return x * lrp.attribute(net, x, "gradient", target=target).relevance


class Peer:
    """Calls a metric of Quantus on a network of this package that it takes for one of torch."""

    def __init__(self) -> None:
        torch = pytest.importorskip("torch")
        self.metrics = pytest.importorskip("quantus")
        pytest.importorskip("skimage")
        if self.metrics.__version__ != "0.6.0":
            pytest.skip(f"these are the numbers of Quantus 0.6.0, not {self.metrics.__version__}")
        if not hasattr(np, "trapz"):
            pytest.skip("Quantus 0.6.0 needs NumPy below 2.4")

        class Model(torch.nn.Module):  # type: ignore[misc]
            def __init__(self, net: lrp.Network) -> None:
                super().__init__()
                self.net, self.last = net, torch.nn.Identity()

            def forward(self, x: Any) -> Any:
                return self.last(torch.from_numpy(self.net.forward(np.asarray(x, dtype=np.float64))))

        self.model = Model(NET).eval()
        self.torch = torch

    def __call__(self, name: str, *, softmax: bool = False, options: Any = None, **given: Any) -> Any:
        metric = getattr(self.metrics, name)(disable_warnings=True, **(options or {}))
        arguments = {"model": self.model, "x_batch": X, "y_batch": TARGET, "a_batch": MAPS.copy()} | given
        return np.asarray(metric(**arguments, channel_first=True, softmax=softmax), dtype=float)

    def of_maps(self, name: str, maps: Any, **options: Any) -> Any:
        given = {"x_batch": X[: len(maps), :1], "y_batch": TARGET[: len(maps)], "a_batch": maps.copy()}
        return self(name, options=options, model=None, s_batch=MASKS[: len(maps)].copy(), **given)


@pytest.fixture(scope="module")
def peer() -> Peer:
    return Peer()


pytestmark = pytest.mark.filterwarnings("ignore")  # those of Quantus


def same(found: Any, theirs: Any, tolerance: float = EXACT) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=float), theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", ["black", "white", "mean", 0.5])
def test_curves(peer: Peer, fill: float | str, softmax: bool) -> None:
    tolerance = CAST if fill == "mean" else EXACT
    given: tuple[Any, ...] = (NET.forward, X, MAPS, TARGET)
    of: dict[str, Any] = {"fill": fill, "softmax": softmax}
    for step in (1, 2, 7):
        options = {"perturb_baseline": fill, "features_in_step": step}
        curve = quantus.pixel_flipping(*given, step=step, **of)
        same(curve, peer("PixelFlipping", softmax=softmax, options=options), tolerance)
        areas = peer("PixelFlipping", softmax=softmax, options={**options, "return_auc_per_sample": True})
        same(quantus.area(curve), areas, tolerance)
        found = quantus.sensitivity_n(*given, step=step, **of)
        same(found, peer("SensitivityN", softmax=softmax, options=options)[0], tolerance)
    for size in (1, 2, 3, 8):
        options = {"perturb_baseline": fill, "patch_size": size}
        for order in ("morf", "lerf"):
            theirs = peer("RegionPerturbation", softmax=softmax, options={**options, "order": order})
            same(quantus.region_perturbation(*given, size=size, order=order, **of), theirs, tolerance)
        same(
            quantus.selectivity(*given, size=size, **of),
            peer("Selectivity", softmax=softmax, options=options),
            tolerance,
        )


def test_steps_that_are_refused_by_both(peer: Peer) -> None:
    with pytest.raises(AssertionError, match="features_in_step"):
        peer("PixelFlipping", options={"features_in_step": 4})
    with pytest.raises(lrp.errors.ParameterError, match="divisors of 42"):
        quantus.pixel_flipping(NET.forward, X, MAPS, TARGET, step=4)
    with pytest.raises(ValueError, match="smaller than input size"):
        peer.of_maps("TopKIntersection", TIED, k=42)
    with pytest.raises(lrp.errors.ParameterError, match="from 1 to 41"):
        quantus.top_k_intersection(TIED, MASKS, k=42)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("fill", ["black", "white", "mean", 0.5])
def test_axioms(peer: Peer, fill: float | str, softmax: bool) -> None:
    given: tuple[Any, ...] = (NET.forward, X, MAPS, TARGET)
    options: dict[str, Any] = {"perturb_baseline": fill}
    found = quantus.non_sensitivity(*given, fill=fill, softmax=softmax, epsilon=0.05)
    same(found, peer("NonSensitivity", softmax=softmax, options={**options, "eps": 0.05}))
    for normalise in (True, False):
        found = quantus.completeness(*given, fill=fill, softmax=softmax, normalise=normalise)
        same(found, peer("Completeness", softmax=softmax, options={**options, "normalise": normalise}))


def test_completeness_that_holds(peer: Peer) -> None:
    """Powers of two, with 1 as the largest, add up to the last bit even after the division."""
    net = lrp.Network.sequential([Flatten(), Dense(np.array([[1.0], [2.0], [4.0], [8.0]]))])
    x, target = np.array([[[1.0, 2.0, 1.0, 4.0]]]) / 32, np.array([0])
    maps = x * [1.0, 2.0, 4.0, 8.0]
    model = type(peer.model)(net).eval()
    for scale in (1.0, 0.5):
        found = quantus.completeness(net.forward, x, maps * scale, 0, fill=0.0)
        options = {"perturb_baseline": 0.0}
        theirs = peer("Completeness", options=options, model=model, x_batch=x, y_batch=target, a_batch=maps * scale)
        same(found, theirs)
        assert found.tolist() == [True]


def test_maps_and_masks(peer: Peer) -> None:
    same(quantus.pointing_game(TIED, MASKS), peer.of_maps("PointingGame", TIED))
    for yes in (False, True):
        same(quantus.relevance_mass(TIED, MASKS, absolute=yes), peer.of_maps("RelevanceMassAccuracy", TIED, abs=yes))
        found = quantus.attribution_localisation(TIED, MASKS, weighted=yes)
        same(found, peer.of_maps("AttributionLocalisation", TIED, weighted=yes))
        for k in (1, 7, 41):
            found = quantus.top_k_intersection(TIED, MASKS, k=k, concept_influence=yes)
            same(found, peer.of_maps("TopKIntersection", TIED, k=k, concept_influence=yes))
    alone = quantus.attribution_localisation(TIED[:1], MASKS[:1], weighted=True)
    same(alone, peer.of_maps("AttributionLocalisation", TIED[:1], weighted=True))
    assert np.isinf(alone).all()


@pytest.mark.parametrize("rows", [slice(0, 5), slice(0, 1), slice(3, 5)], ids=str)
def test_conciseness(peer: Peer, rows: slice) -> None:
    maps = TIED[rows]
    same(quantus.sparseness(maps), peer.of_maps("Sparseness", maps))
    same(quantus.complexity(maps), peer.of_maps("Complexity", maps))
    same(quantus.effective_complexity(maps, epsilon=0.1), peer.of_maps("EffectiveComplexity", maps, eps=0.1))


@pytest.mark.parametrize("normalise", [False, True])
def test_explaining_again(peer: Peer, monkeypatch: pytest.MonkeyPatch, normalise: bool) -> None:
    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> Any:
        return gradient_x_input(NET, np.asarray(inputs, dtype=np.float64), targets)

    given: tuple[Any, ...] = (NET, gradient_x_input, X, TARGET)
    asked = {"a_batch": gradient_x_input(NET, X, TARGET), "explain_func": explain}
    options: dict[str, Any] = {"normalise": normalise}
    found = quantus.random_logit(*given, num_classes=4, normalise=normalise)
    same(found, peer("RandomLogit", options={**options, "num_classes": 4}, **asked))

    draws = iter(0.2 * NOISE.reshape(6, 5, -1))
    monkeypatch.setattr(np.random, "uniform", lambda **_: next(draws))
    theirs = peer("MaxSensitivity", options={**options, "nr_samples": 6, "lower_bound": 0.2}, **asked)
    same(quantus.max_sensitivity(*given, noise=NOISE, normalise=normalise), theirs)

    draws = iter(0.1 * NOISE.reshape(6, 5, -1))
    monkeypatch.setattr(np.random, "normal", lambda **_: next(draws))
    theirs = peer("LocalLipschitzEstimate", options={**options, "nr_samples": 6, "perturb_std": 0.1}, **asked)
    same(quantus.local_lipschitz(*given, noise=NOISE, normalise=normalise), theirs)


@pytest.mark.parametrize("padding", [0, 1])
def test_input_invariance(peer: Peer, padding: int) -> None:
    """A network of torch this time, whose first bias Quantus shifts itself."""
    torch, width = peer.torch, 7 + 2 * padding - 2
    weight, bias = RNG.normal(size=(2, 1, 3, 3)), RNG.normal(size=2)
    last = RNG.normal(size=(2 * width * (width - 1), 3))
    parts = (Conv(weight, bias, padding=padding), ReLU(), Flatten(), Dense(last))
    net = lrp.Network.sequential(list(parts))
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=padding), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(len(last), 3)
    )
    with torch.no_grad():
        for layer, w, b in ((model[0], weight, bias), (model[3], last.T, np.zeros(3))):
            layer.weight.copy_(torch.from_numpy(w.copy()))
            layer.bias.copy_(torch.from_numpy(b))
    x, target = X[:, :1], TARGET % 3
    # A sample whose first number and border decide nothing is judged to be invariant.
    x[0, 0] = 100 + abs(x[0, 0])

    def gradient(net: Any, x: Any, target: Any) -> Any:
        return lrp.attribute(net, x, "gradient", target=target).relevance

    def torch_gradient(model: Any, inputs: Any, targets: Any, **_: Any) -> Any:
        given = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_()
        model(given)[torch.arange(len(inputs)), torch.as_tensor(targets)].sum().backward()
        return given.grad.numpy()

    theirs = peer(
        "InputInvariance", model=model.eval(), x_batch=x.astype(np.float32), y_batch=target, a_batch=None,
        explain_func=torch_gradient,
    )  # fmt: skip
    found = quantus.input_invariance(net, gradient, x, target)
    same(found, theirs)
    assert 0 < found.sum() < 5


METRICS = {
    "attribution_localisation": "AttributionLocalisation", "completeness": "Completeness", "complexity": "Complexity",
    "effective_complexity": "EffectiveComplexity", "input_invariance": "InputInvariance",
    "local_lipschitz": "LocalLipschitzEstimate", "max_sensitivity": "MaxSensitivity",
    "non_sensitivity": "NonSensitivity", "pixel_flipping": "PixelFlipping", "pointing_game": "PointingGame",
    "random_logit": "RandomLogit", "region_perturbation": "RegionPerturbation",
    "relevance_mass": "RelevanceMassAccuracy", "selectivity": "Selectivity", "sensitivity_n": "SensitivityN",
    "sparseness": "Sparseness", "top_k_intersection": "TopKIntersection",
}  # fmt: skip
NAMES = {  # of one and the same option here and there
    "absolute": "abs", "epsilon": "eps", "fill": "perturb_baseline", "part": "n_max_percentage",
    "radius": "lower_bound", "regions": "regions_evaluation", "shift": "input_shift", "sigma": "perturb_std",
    "size": "patch_size",
    "step": "features_in_step", "batch": "batch_size",
}  # fmt: skip
GIVEN = {"f", "net", "explain", "x", "relevance", "masks", "target", "noise", "others"}


def test_every_metric_has_the_defaults_of_the_program(peer: Peer) -> None:
    assert {*METRICS, "area", "normalised"} == set(quantus.__all__)
    for name, other in METRICS.items():
        metric = getattr(peer.metrics, other)
        theirs = {**inspect.signature(metric.__call__).parameters, **inspect.signature(metric.__init__).parameters}
        for option, parameter in inspect.signature(getattr(quantus, name)).parameters.items():
            if option not in GIVEN:
                assert parameter.default == theirs[NAMES.get(option, option)].default, (name, option)
