"""Random parameters and random logits: stored numbers, networks put together by hand, and what is known of methods."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import golden_methods
import numpy as np
import pytest
from scipy import stats
from strict import STRICT, to_strict

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import GraphError, LrpError, ParameterError, ShapeError
from lrp_ref.evaluate import (
    Randomised,
    efficient_randomisation,
    histogram_entropy,
    parameter_randomisation,
    random_logit,
    randomised_layers,
    smoothed,
    spearman,
    spearman_absolute,
)
from lrp_ref.layers import Add, Conv, Dense, Flatten, GlobalAveragePool, ReLU
from lrp_ref.network import Input, Network, Node

MODELS = Path(__file__).parents[2] / "models"
RNG = np.random.default_rng(71)
NET = Network.sequential(
    [
        ("conv", Conv(RNG.normal(size=(4, 2, 3, 3)), RNG.normal(size=4))), ("relu", ReLU()), ("flat", Flatten()),
        ("dense", Dense(RNG.normal(size=(48, 6)), RNG.normal(size=6))), ("relu2", ReLU()),
        ("head", Dense(RNG.normal(size=(6, 4)))),
    ]
)  # fmt: skip
X = RNG.normal(size=(5, 2, 6, 5))
TARGET = np.array([0, 2, 1, 3, 0])
PLAIN = Network.sequential([ReLU()])


def method(name: str) -> Any:
    return lambda net, x, target: lrp.attribute(net, x, name, target=target).relevance


gradient = method("gradient")


def exact_ranks(values: list[Fraction]) -> list[Fraction]:
    """Return the mean rank of each number."""
    places: dict[Fraction, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [Fraction(sum(places[value]), len(places[value])) for value in values]


@golden_methods.needed
def test_stored_weights_top_down() -> None:
    """The stored ρ is that of the stored maps, to which these are equal; and this ρ that of the exact maps.

    Once both differ: of two gradients that are equal exactly, one was stored a last bit larger.
    """
    stored, made = golden_methods.arrays("extra"), golden_methods.Golden("B")
    target, net = made.target.astype(int), made.net
    drawn: dict[str, Any] = {}
    for name in ("fc", "conv2", "conv1"):
        weight, bias = stored[f"random/{name}.weight"], stored[f"random/{name}.bias"]
        layer = net[name].layer
        drawn[name] = replace(layer, weight=weight.T.copy() if name == "fc" else weight, bias=bias)
    found = parameter_randomisation(net, gradient, made.x, target, drawn=drawn, per="number")
    assert found.names == ("fc", "conv2", "conv1")
    before = stored["abs_gradient_original"]
    np.testing.assert_allclose(abs(gradient(net, made.x, target)).reshape(2, -1), before, atol=1e-12, rtol=0)
    x, whole = rational(made.x), net.map_arrays(rational)
    exact_before = abs(gradient(whole, x, target)).reshape(2, -1)
    broken = 0
    for k, name in enumerate(found.names):
        some = {n: drawn[n] for n in found.names[: k + 1]}
        after, rho = stored[f"abs_gradient_after/{name}"], stored["spearman_top_down"][k]
        maps = abs(gradient(net.replaced(some), made.x, target)).reshape(2, -1)
        np.testing.assert_allclose(maps, after, atol=1e-12, rtol=0)
        np.testing.assert_allclose(spearman_absolute(before, after), rho, atol=1e-12, rtol=0)
        exact = abs(gradient(whole.replaced({n: a.map_arrays(rational) for n, a in some.items()}), x, target))
        for sample, one in enumerate(exact.reshape(2, -1)):
            ranks = [np.array(exact_ranks(list(m)), dtype=float) for m in (exact_before[sample], one)]
            expected = np.corrcoef(*ranks)[0, 1]
            assert found.similarity[k, sample] == pytest.approx(expected, abs=1e-12)
            if len(set(one)) == len(set(after[sample])):
                assert found.similarity[k, sample] == pytest.approx(rho[sample], abs=1e-12)
            else:
                broken += 1
    assert broken == 1


# Which layers, in which order, and what is drawn --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("top_down", ("head", "dense", "conv")),
        ("bottom_up", ("conv", "dense", "head")),
        ("independent", ("conv", "dense", "head")),
    ],
)
def test_a_cascade_is_put_together_by_hand(order: str, names: tuple[str, ...]) -> None:
    drawn = randomised_layers(NET, seed=3)
    found = parameter_randomisation(NET, gradient, X, TARGET, order=order, seed=3)
    assert found.names == names
    assert found.order == order
    still = gradient(NET, X, TARGET)
    for k, name in enumerate(names):
        some = [name] if order == "independent" else names[: k + 1]
        nodes = [(n.name, drawn[n.name] if n.name in some else n.layer) for n in NET.nodes]
        moved = gradient(Network.sequential(nodes), X, TARGET)
        expected = [
            stats.spearmanr(abs(a.sum(axis=0)).ravel(), abs(b.sum(axis=0)).ravel())[0]
            for a, b in zip(still, moved, strict=True)
        ]
        np.testing.assert_allclose(found.similarity[k], expected, atol=1e-12)
        np.testing.assert_array_equal(found[name], found.similarity[k])


def test_a_branch_is_random_in_the_order_of_the_graph() -> None:
    a, b, c = (Dense(RNG.normal(size=(6, 6))) for _ in range(3))
    nodes = (
        Node("a", a, ("input",)), Node("b", b, ("a",)), Node("c", c, ("a",)), Node("sum", Add(), ("b", "c")),
        Node("head", Dense(RNG.normal(size=(6, 2))), ("sum",)),
    )  # fmt: skip
    net = Network(nodes, (Input("input"),), ("head",))
    x = RNG.normal(size=(3, 6))
    assert parameter_randomisation(net, gradient, x, 0).names == ("head", "c", "b", "a")
    assert parameter_randomisation(net, gradient, x, 0, order="bottom_up").names == ("a", "b", "c", "head")


def test_all_cascades_end_in_the_same_network() -> None:
    down, up = (parameter_randomisation(NET, gradient, X, TARGET, order=o) for o in ("top_down", "bottom_up"))
    np.testing.assert_array_equal(down.last, up.last)
    np.testing.assert_array_equal(down.remains, abs(down.last))
    alone = parameter_randomisation(NET, gradient, X, TARGET, order="independent")
    np.testing.assert_array_equal(alone["conv"], up["conv"])
    np.testing.assert_array_equal(alone["head"], down["head"])


def test_what_is_drawn() -> None:
    big = Network.sequential([Dense(RNG.normal(size=(200, 300)) * 3 + 1, np.full(300, 0.5)), ReLU()])
    for seed in (0, 1):
        (layer,) = randomised_layers(big, seed=seed).values()
        # σ² is the mean square, of weights and biases each: 3² + 1², and 0.5²
        assert np.sqrt((layer.weight**2).mean()) == pytest.approx(math.sqrt(10), rel=0.02)
        assert abs(layer.weight.mean()) < 0.1
        assert np.sqrt((layer.bias**2).mean()) == pytest.approx(0.5, rel=0.2)
        assert stats.kstest(layer.weight.ravel() / math.sqrt(10), "norm").pvalue > 1e-3
    (shuffled,) = randomised_layers(big, by="permute").values()
    for name in ("weight", "bias"):
        before, after = (getattr(layer, name) for layer in (big.nodes[0].layer, shuffled))
        np.testing.assert_array_equal(np.sort(before, axis=None), np.sort(after, axis=None))
    assert (shuffled.weight != big.nodes[0].layer.weight).mean() > 0.9
    small = big.map_arrays(lambda a: a.astype(np.float32))
    for by in ("normal", "permute"):
        assert all(a.dtype == np.float32 for a in randomised_layers(small, by=by)["dense1"].arrays())


def test_a_draw_is_of_seed_and_node_alone() -> None:
    one, two = randomised_layers(NET, seed=1), randomised_layers(NET, seed=2)
    assert list(one) == ["conv", "dense", "head"]
    again = randomised_layers(NET, seed=1, at=["dense"])
    assert list(again) == ["dense"]
    np.testing.assert_array_equal(again["dense"].weight, one["dense"].weight)
    assert (one["dense"].weight != two["dense"].weight).all()
    same = Network.sequential([Dense(np.ones((3, 3))), Dense(np.ones((3, 3)))])
    first, second = randomised_layers(same).values()
    assert (first.weight != second.weight).all()
    assert (NET["dense"].layer.weight == NET.nodes[3].layer.weight).all()  # the network is what it was
    for measure in (parameter_randomisation, efficient_randomisation):
        at = measure(NET, gradient, X, TARGET, at="dense", seed=1)
        given = measure(NET, gradient, X, TARGET, drawn={"dense": one["dense"]})
        np.testing.assert_array_equal(getattr(at, "last", at), getattr(given, "last", given))


@pytest.mark.parametrize("similarity", ["spearman", "spearman_absolute", "pearson"])
def test_one_sample_none_and_a_batch(similarity: str) -> None:
    whole = parameter_randomisation(NET, gradient, X, similarity=similarity, seed=4)
    assert whole.similarity.shape == (3, 5)
    best = NET.forward(X).argmax(axis=1)  # of the network as it is
    named = parameter_randomisation(NET, gradient, X, best, similarity=similarity, seed=4)
    np.testing.assert_array_equal(whole.similarity, named.similarity)
    for k in range(5):
        alone = parameter_randomisation(NET, gradient, X[k : k + 1], similarity=similarity, seed=4)
        np.testing.assert_allclose(alone.similarity[:, 0], whole.similarity[:, k], atol=1e-12)
    assert parameter_randomisation(NET, gradient, X[:0], []).similarity.shape == (3, 0)


def test_smooth_randomisation_is_of_smoothed_maps() -> None:
    explain = smoothed(gradient, draws=6, sigma=0.3, seed=2)
    expected = parameter_randomisation(NET, explain, X, TARGET, seed=2)
    found = parameter_randomisation(NET, gradient, X, TARGET, smooth=6, sigma=0.3, seed=2)
    np.testing.assert_array_equal(found.similarity, expected.similarity)
    assert (found.similarity != parameter_randomisation(NET, gradient, X, TARGET, seed=2).similarity).any()


def test_a_map_that_does_not_look_at_the_network_stays() -> None:
    edges = lambda net, x, target: x  # noqa: E731
    found = parameter_randomisation(NET, edges, X, TARGET)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-15)
    assert (efficient_randomisation(NET, edges, X, TARGET) == 0).all()
    np.testing.assert_allclose(random_logit(NET, edges, X, TARGET), 1, atol=1e-15)
    zero = lambda net, x, target: x * 0  # noqa: E731
    assert np.isnan(parameter_randomisation(NET, zero, X, TARGET).similarity).all()
    assert np.isnan(efficient_randomisation(NET, zero, X, TARGET)).all()
    assert np.isnan(random_logit(NET, zero, X, TARGET)).all()


def test_other_numbers_and_libraries() -> None:
    whole = parameter_randomisation(NET, gradient, X, TARGET)
    there = parameter_randomisation(NET.to(STRICT), gradient, to_strict(X), TARGET)
    np.testing.assert_allclose(there.similarity, whole.similarity, atol=1e-12)
    for measure in (efficient_randomisation, random_logit):
        np.testing.assert_allclose(
            measure(NET.to(STRICT), gradient, to_strict(X), TARGET), measure(NET, gradient, X, TARGET), atol=1e-12
        )
    exact = NET.map_arrays(lambda a: rational(a.round(2)))
    with pytest.raises(ShapeError, match="to_float"):
        parameter_randomisation(exact, gradient, rational(X.round(2)), TARGET)


def test_it_prints_as_a_table() -> None:
    similarity = np.array([[0.5, math.nan, 0.3, 0.1], [math.nan] * 4])
    made = Randomised(("head", "conv"), similarity, "top_down", "spearman")
    assert repr(made).splitlines()[0] == "top_down, 4 samples"
    assert repr(made).splitlines()[-2].split() == ["head", "0.3", "0.2", "0.4"]
    assert repr(made).splitlines()[-1].split() == ["conv", "nan", "nan", "nan"]
    assert "<table" in made._repr_html_()
    assert ">head<" in made._repr_html_()
    with pytest.raises(ParameterError, match="did you mean 'conv'"):
        made["conf"]


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    parameter_randomisation(NET, gradient, X, TARGET, progress=lambda *told: seen.append(told))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# Entropy ------------------------------------------------------------------------------------------------------------


def literal_entropy(values: Any, bins: int) -> float:
    counts = np.histogram(values, bins=bins)[0]
    return -sum(c / len(values) * math.log(c / len(values)) for c in counts if c)


def test_the_entropy_of_a_histogram() -> None:
    maps = RNG.integers(0, 65, size=(9, 2, 5, 7)) / 64  # on the edges of 64 bins no rounding decides
    maps[:, 0, 0, 0], maps[:, 0, 0, 1] = 0, 1
    for bins in (1, 2, 16, 64):
        expected = [literal_entropy(m.ravel(), bins) for m in maps]
        np.testing.assert_allclose(histogram_entropy(maps, bins), expected, atol=1e-13)
    assert histogram_entropy(np.array([[0.0, 1.0, 2.0, 3.0]]), bins=4) == pytest.approx(math.log(4))
    assert histogram_entropy(np.array([[0.1] * 7]), bins=4).tolist() == [0.0]
    assert histogram_entropy(np.zeros((3, 4))).tolist() == [0.0] * 3
    assert histogram_entropy(np.zeros((0, 4))).shape == (0,)
    assert histogram_entropy(np.zeros((2, 0))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", [5e-324, 2.0**-1000, 2.0**1020])
def test_the_entropy_does_not_depend_on_size(scale: float) -> None:
    maps = RNG.integers(-8, 9, size=(4, 30)).astype(float)
    np.testing.assert_allclose(histogram_entropy(maps * scale), histogram_entropy(maps), atol=1e-13)
    near = 1 + RNG.integers(0, 9, size=(4, 30)) * np.finfo(float).eps
    np.testing.assert_allclose(histogram_entropy(near), histogram_entropy(near - 1), atol=1e-13)


def test_efficient_randomisation_is_the_relative_rise_of_entropy() -> None:
    drawn = randomised_layers(NET, seed=5)
    random = Network.sequential([(n.name, drawn.get(n.name, n.layer)) for n in NET.nodes])
    found = efficient_randomisation(NET, gradient, X, TARGET, seed=5, bins=20)
    for k in range(5):
        h, h_random = (literal_entropy(gradient(net, X[k : k + 1], TARGET[k]).ravel(), 20) for net in (NET, random))
        assert found[k] == pytest.approx((h_random - h) / h, abs=1e-9)
        alone = efficient_randomisation(NET, gradient, X[k : k + 1], TARGET[k], seed=5, bins=20)
        assert alone[0] == pytest.approx(found[k], abs=1e-12)
    assert efficient_randomisation(NET, gradient, X[:0], []).shape == (0,)


# Random logit -------------------------------------------------------------------------------------------------------


def test_random_logit_compares_with_another_output() -> None:
    others = np.array([3, 1, 0, 2, 1])
    found = random_logit(NET, gradient, X, TARGET, others=others, per="number", similarity="spearman")
    maps = [lrp.attribute(NET, X, "gradient", target=t).relevance for t in (TARGET, others)]
    np.testing.assert_array_equal(found, spearman(*maps, per="number"))
    alike = random_logit(NET, gradient, X, 0, others=2)
    maps = [lrp.attribute(NET, X, "gradient", target=t).relevance for t in (0, 2)]
    np.testing.assert_array_equal(alike, spearman_absolute(*maps))


def test_the_other_output_is_never_the_target_and_any_other_may_be() -> None:
    drawn = set()
    for seed in range(40):
        asked: list[Any] = []

        def explain(net: Network, x: Any, target: Any, asked: list[Any] = asked) -> Any:
            asked.append(np.array(target))
            return gradient(net, x, target)

        whole = random_logit(NET, explain, X, TARGET, seed=seed)
        assert (asked[0] == TARGET).all()
        assert (asked[1] != TARGET).all()
        drawn |= set(zip(TARGET.tolist(), asked[1].tolist(), strict=True))
        alone = random_logit(NET, gradient, X[3:4], TARGET[3], seed=seed)
        assert alone[0] == pytest.approx(whole[3], abs=1e-12)
    assert drawn == {(a, b) for a in set(TARGET.tolist()) for b in range(4) if a != b}
    assert random_logit(NET, gradient, X[:0]).shape == (0,)


# Which methods see what a network has learnt ------------------------------------------------------------------------


def deep() -> Network:
    """Six convolutions of He's random weights, each drawn from the seed alone."""
    rng, layers, channels = np.random.default_rng(0), [], 1
    for k in range(6):
        weight = rng.normal(size=(16, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        layers += [(f"conv{k + 1}", Conv(weight, padding=1)), (f"relu{k + 1}", ReLU())]
        channels = 16
    head = Dense(rng.normal(size=(16, 10)) / 4)
    return Network.sequential([*layers, ("pool", GlobalAveragePool()), ("flat", Flatten()), ("fc", head)])


def test_of_a_deep_random_network_guided_backpropagation_sees_little() -> None:
    """Its map is that of the lowest layer: it stays until that is random, where the gradient has long gone."""
    net, x = deep(), np.random.default_rng(5).normal(size=(12, 1, 16, 16))
    before, after = {}, {}
    for name in ("gradient", "guided_backprop"):
        made = [parameter_randomisation(net, method(name), x, seed=s) for s in range(3)]
        assert made[0].names == ("fc", "conv6", "conv5", "conv4", "conv3", "conv2", "conv1")
        before[name] = np.median([m["conv2"] for m in made])  # all are random but the lowest
        after[name] = np.median([m.last for m in made])
    assert abs(before["gradient"]) < 0.2
    assert before["guided_backprop"] > 0.6
    assert abs(after["gradient"]) < 0.2
    assert after["guided_backprop"] > 2 * abs(after["gradient"])


def test_of_a_trained_network_the_gradient_falls_and_guided_backpropagation_stays_higher() -> None:
    """Adebayo et al. 2018 on the shipped network for clothing: medians over 24 test images and three seeds."""
    pytest.importorskip("onnx")
    net = lrp.load(MODELS / "fashion_cnn.onnx")
    x = np.load(MODELS / "samples" / "fashion_test200.npz")["images"][:24, None].astype(np.float32) / 255
    medians = {}
    for name in ("gradient", "guided_backprop", "gradient_x_input"):
        made = [parameter_randomisation(net, method(name), x, seed=s) for s in range(3)]
        medians[name] = np.median([np.median(m.similarity, axis=1) for m in made], axis=0)
    upper = made[0].names.index("conv4")  # the two dense layers and the highest convolution are random
    assert abs(medians["gradient"][upper:]).max() < 0.2
    assert medians["guided_backprop"][upper] > 0.6
    assert (medians["guided_backprop"] - abs(medians["gradient"])).min() > 0.2
    # What multiplies by the input keeps its background, whatever the network has learnt.
    assert medians["gradient_x_input"].min() > 0.85


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: parameter_randomisation(NET, gradient, X, 0, order="topdown"), ParameterError, "'top_down'"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, by="normale"), ParameterError, "did you mean 'normal'"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, similarity="sim"), ParameterError, "'ssim'"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, at=["cov"]), GraphError, "no node is called 'cov'"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, at="relu"), ParameterError, r"'relu' \(ReLU\) has no"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, at=[]), ParameterError, "no parameters"),
        (lambda: parameter_randomisation(NET, gradient, X, 0, drawn={}), ParameterError, "drawn is empty"),
        (
            lambda: parameter_randomisation(NET, gradient, X, 0, drawn={"heda": NET["head"].layer}),
            GraphError, "no node is called 'heda'",
        ),
        (
            lambda: efficient_randomisation(NET, gradient, X, 0, drawn={"head": NET["dense"].layer}),
            ShapeError, r"drawn\['head'\] has parameters of shapes",
        ),
        (lambda: efficient_randomisation(NET, gradient, X, 0, bins=0), ParameterError, "at least one"),
        (lambda: efficient_randomisation(PLAIN, gradient, X, 0), ParameterError, "no parameters"),
        (lambda: random_logit(NET, gradient, X, TARGET, others=TARGET), ParameterError, "that are not the target"),
        (lambda: random_logit(NET, gradient, X, 0, others=4), ParameterError, "from 0 to 3"),
        (lambda: random_logit(NET, gradient, X, 0, others=1.5), ParameterError, "one number of an output"),
        (lambda: random_logit(NET, gradient, X, 0, others=[1, 2]), ParameterError, "one per sample"),
        (lambda: random_logit(NET, gradient, X, [[0, 1]] * 5), ParameterError, "several were given"),
        (lambda: random_logit(Network.sequential([Flatten(), Dense(np.ones((60, 1)))]), gradient, X, 0),
         ParameterError, "the network has one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
