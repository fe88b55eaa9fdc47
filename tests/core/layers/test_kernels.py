"""Kernel machines: plain loops, autograd, exact rationals, properties of roots, and what the ledger says of them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from strict import STRICT

import lrp_ref as lrp
from lrp_ref.arithmetic import ball, rational, to_float
from lrp_ref.base.quadrature import polynomial
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.fast import blocks
from lrp_ref.layers import AdditiveKernel, FeatureDistance, KernelMachine
from lrp_ref.literal import kernels as literal
from lrp_ref.rules import LRP0, Epsilon, Gradient, Taylor

RNG = np.random.default_rng(20)
ADDITIVE: tuple[Any, ...] = ("linear", "intersection", "hellinger", "signed_hellinger", "chi2", "additive_chi2")
EXACT = tuple(k for k in ADDITIVE if "hellinger" not in k)
JOINT: dict[str, dict[str, Any]] = {
    "rbf": {"gamma": 0.3},
    "poly": {"gamma": 0.4, "degree": 3, "coef0": 0.5},
    "sigmoid": {"gamma": 0.3, "coef0": -0.25},
    "chi2_rbf": {"gamma": 3.0},
    "laplacian": {"gamma": 0.35},
    "cosine": {},
}


def some(kernel: str, *shape: int) -> Any:
    """Multiples of 1/4 with zeros and ties, of both signs where the kernel takes them."""
    x = RNG.integers(-8, 9, size=shape) / 4
    return x if kernel in ("linear", "signed_hellinger", "rbf", "poly", "sigmoid", "laplacian", "cosine") else abs(x)


def generic(kernel: str, *shape: int) -> Any:
    x = RNG.normal(size=shape)
    return x if (some(kernel, 50) < 0).any() else abs(x) + 0.05


# Sums over features ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ADDITIVE)
@pytest.mark.parametrize(("n", "s", "d", "k"), [(5, 4, 3, 2), (1, 1, 2, 1), (3, 7, 1, 3)])
def test_terms_are_the_textbooks(kernel: Any, n: int, s: int, d: int, k: int) -> None:
    x, v, a, b = some(kernel, n, d), some(kernel, s, d), RNG.normal(size=(s, k)), RNG.normal(size=k)
    x[0] = v[0]  # a sample that is a support
    layer, relevance = AdditiveKernel(v, a, b, kernel), RNG.normal(size=(n, k))
    t = np.array([[literal.terms(kernel, row, v, a[:, c]) for c in range(k)] for row in x])
    f = t.sum(axis=2) + b
    np.testing.assert_allclose(layer.forward(x), f, rtol=1e-12, atol=1e-13)
    told = layer.redistribute(x, relevance)
    np.testing.assert_allclose(told.relevances[0], (t / f[:, :, None] * relevance[:, :, None]).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(told.bias, (b / f * relevance).sum(axis=1), rtol=1e-10)
    assert not told.stabiliser.any()
    assert not told.dropped.any()


@pytest.mark.parametrize("kernel", EXACT)
def test_rationals_are_exact(kernel: Any) -> None:
    x, v, a, b = (rational(z) for z in (some(kernel, 4, 3), some(kernel, 5, 3), some("rbf", 5, 2), some("rbf", 2)))
    layer, relevance = AdditiveKernel(v, a, b, kernel), rational(some("rbf", 4, 2))
    t = np.array([[literal.terms(kernel, row, v, a[:, c]) for c in range(2)] for row in x])
    f = t.sum(axis=2) + b
    assert (layer.forward(x) == f).all()
    told = layer.redistribute(x, relevance)
    for n in range(4):
        alive = [c for c in range(2) if f[n, c] != 0]
        for i in range(3):
            assert told.relevances[0][n, i] == sum(t[n, c, i] / f[n, c] * relevance[n, c] for c in alive)
        assert told.bias[n] == sum(b[c] / f[n, c] * relevance[n, c] for c in alive)
        assert told.dropped[n] == sum(relevance[n, c] for c in range(2) if c not in alive)
        rest = relevance[n].sum() - told.relevances[0][n].sum() - told.bias[n] - told.dropped[n] - told.stabiliser[n]
        assert rest == 0
        assert isinstance(told.relevances[0][n, 0], Fraction)


def test_without_a_square_root_there_is_no_hellinger_kernel() -> None:
    one = rational(np.ones((1, 1)))
    with pytest.raises(UnsupportedError, match="the square root has no exact value on rationals"):
        AdditiveKernel(one, one, kernel="hellinger").forward(one)


def torch_feature(kernel: str, x: Any, v: Any) -> Any:
    torch = pytest.importorskip("torch")
    pairs = {
        "linear": lambda: x * v,
        "intersection": lambda: torch.minimum(x, v),
        "hellinger": lambda: (x * v).sqrt(),
        "signed_hellinger": lambda: x.sign() * v.sign() * (x * v).abs().sqrt(),
        "chi2": lambda: 2 * x * v / (x + v),
        "additive_chi2": lambda: -((x - v) ** 2) / (x + v),
    }
    return pairs[kernel]()


@pytest.mark.parametrize("kernel", ADDITIVE)
def test_derivatives_are_autograds(kernel: str) -> None:
    torch = pytest.importorskip("torch")
    x, v, a, g = generic(kernel, 4, 3), generic(kernel, 5, 3), RNG.normal(size=(5, 2)), RNG.normal(size=(4, 2))
    there = torch.tensor(x, requires_grad=True)
    f = torch_feature(kernel, there[:, None], torch.tensor(v)[None]).sum(dim=2) @ torch.tensor(a)
    f.backward(torch.tensor(g))
    layer = AdditiveKernel(v, a, kernel=kernel)
    np.testing.assert_allclose(layer.forward(x), f.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-11)


@pytest.mark.parametrize("kind", ["absolute", "chi2"])
def test_distances_and_their_derivatives(kind: str) -> None:
    torch = pytest.importorskip("torch")
    x, v, b, g = (generic("chi2", *shape) for shape in ((4, 3), (5, 3), (5,), (4, 5)))
    there = torch.tensor(x, requires_grad=True)
    apart, total = there[:, None] - torch.tensor(v), there[:, None] + torch.tensor(v)
    h = (apart.abs() if kind == "absolute" else apart**2 / total).sum(dim=2) + torch.tensor(b)
    h.backward(torch.tensor(g))
    layer = FeatureDistance(v, kind, b)
    np.testing.assert_allclose(layer.forward(x), h.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-11)


def test_where_a_derivative_is_not_defined() -> None:
    one = np.ones((1, 1))
    at = {
        ("intersection", 2.0, 2.0): 0.5, ("hellinger", 0.0, 2.0): 0.0, ("signed_hellinger", 0.0, 2.0): 0.0,
        ("chi2", 0.0, 0.0): 0.0, ("additive_chi2", 0.0, 0.0): 0.0,
    }  # fmt: skip
    for (kernel, x, v), slope in at.items():
        layer = AdditiveKernel(v * one, one, kernel=kernel)
        assert layer.vjp(x * one, one) == slope, kernel
        assert np.isfinite(layer.forward(x * one)).all()
    assert KernelMachine(2 * one, one, kernel="laplacian", gamma=1.0).vjp(2 * one, one) == 0
    assert KernelMachine(2 * one, one, kernel="cosine").vjp(0 * one, one) == 0


@pytest.mark.parametrize("kernel", ["intersection", "chi2", "hellinger"])
def test_blocks_change_nothing(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, v, a, r = generic(kernel, 9, 4), generic(kernel, 11, 4), RNG.normal(size=(11, 3)), RNG.normal(size=(9, 3))
    layer = AdditiveKernel(v, a, kernel=kernel)
    whole = layer.forward(x), layer.relevance_backward(x, r), layer.vjp(x, r)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 70)  # two pairs of numbers of four features
    small = layer.forward(x), layer.relevance_backward(x, r), layer.vjp(x, r)
    for one, other in zip(whole, small, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_memory_does_not_grow_with_all_pairs() -> None:
    x, v, a = generic("chi2", 150, 300), generic("chi2", 400, 300), RNG.normal(size=(400, 2))
    layer = AdditiveKernel(v, a, kernel="chi2")
    tracemalloc.start()
    f = layer.forward(x)
    layer.relevance_backward(x, f)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6 < x.nbytes * 400 / 10  # 150 × 400 × 300 doubles are 144 MB


# Other kernels ----------------------------------------------------------------------------------------------------


def torch_kernel(kernel: str, x: Any, v: Any, gamma: Any = 1.0, degree: Any = 3, coef0: Any = 0.0) -> Any:
    """k(x_n, v_s) (n, s)."""
    pytest.importorskip("torch")
    apart, total = x[:, None] - v[None], x[:, None] + v[None]
    if kernel == "rbf":
        return (-gamma * (apart**2).sum(dim=2)).exp()
    if kernel == "poly":
        return (gamma * x @ v.T + coef0) ** degree
    if kernel == "sigmoid":
        return (gamma * x @ v.T + coef0).tanh()
    if kernel == "chi2_rbf":
        return (-gamma * (apart**2 / total).sum(dim=2)).exp()
    if kernel == "laplacian":
        return (-gamma * apart.abs().sum(dim=2)).exp()
    return x @ v.T / (x.norm(dim=1)[:, None] * v.norm(dim=1)[None])


def machine(kernel: str, d: int = 3, outputs: int = 2, **options: Any) -> KernelMachine:
    v = generic(kernel, 6, d)
    far = None if kernel == "chi2_rbf" else np.concatenate([v, 8 * v, -8 * v])
    a = RNG.normal(size=(6, outputs)) + np.array([3, -3, 3, -3, 3, -3])[:, None]
    settings = {"offset": 0.1 * RNG.normal(size=outputs), "reference": far, **JOINT[kernel], **options}
    return KernelMachine(v, a, kernel=kernel, **settings)


@pytest.mark.parametrize("kernel", JOINT)
def test_forward_and_gradient_are_autograds(kernel: str) -> None:
    torch = pytest.importorskip("torch")
    layer, x, g = machine(kernel), generic(kernel, 5, 3), RNG.normal(size=(5, 2))
    there = torch.tensor(x, requires_grad=True)
    gram = torch_kernel(kernel, there, torch.tensor(layer.supports), **JOINT[kernel])
    f = gram @ torch.tensor(layer.coefficients) + torch.tensor(layer.offset)
    f.backward(torch.tensor(g))
    np.testing.assert_allclose(layer.forward(x), f.detach().numpy(), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(layer.vjp(x, g), there.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_distances_far_from_the_origin_keep_their_digits() -> None:
    """Multiplied out without a shift, 1e4² leaves some 1e-8 of a distance of 1."""
    v = 1e4 + RNG.normal(size=(4, 3))
    layer, x = KernelMachine(v, np.eye(4), gamma=0.5), v + 0.25
    expected = [[np.exp(-0.5 * sum((x[n, i] - v[s, i]) ** 2 for i in range(3))) for s in range(4)] for n in range(4)]
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)


@pytest.mark.parametrize("kernel", JOINT)
def test_roots_lie_towards_the_nearest_point_of_the_other_sign(kernel: str) -> None:
    layer, x = machine(kernel), generic(kernel, 7, 3)
    f, found = layer.forward(x), layer.roots(x)
    points = layer.supports if layer.reference is None else layer.reference
    there = layer.forward(points)
    assert found.exists.all()
    np.testing.assert_allclose(found.score, 0, atol=1e-13 * abs(there).max())
    for n in range(7):
        for c in range(2):
            others = [m for m in range(len(points)) if there[m, c] * f[n, c] <= 0]
            nearest = min(others, key=lambda m: float(((points[m] - x[n]) ** 2).sum()))
            assert found.reference[n, c] == nearest
            way = points[nearest] - x[n]
            t = (found.point[n, c] - x[n]) @ way / (way @ way)
            assert 0 <= t <= 1
            np.testing.assert_allclose(found.point[n, c], x[n] + t * way, atol=1e-12 * abs(points).max())
            assert abs(layer.forward(found.point[n, c][None])[0, c]) <= 1e-12 * abs(there).max()


@pytest.mark.parametrize("kernel", JOINT)
@pytest.mark.parametrize("way", ["segment", "taylor"])
def test_both_ways_are_the_textbooks(kernel: str, way: Any) -> None:
    torch = pytest.importorskip("torch")
    kinked = kernel == "laplacian"
    layer, x = machine(kernel, way=way, steps=1000 if kinked else 64), generic(kernel, 3, 3)
    relevance = RNG.normal(size=(3, 2))
    found, f = layer.roots(x), layer.forward(x)
    expected = np.zeros((3, 3))
    for n in range(3):
        for c in range(2):

            def gradient(z: Any, c: int = c) -> Any:
                if kinked:
                    apart = z - layer.supports
                    k = np.exp(-JOINT[kernel]["gamma"] * abs(apart).sum(axis=1))
                    return -JOINT[kernel]["gamma"] * (layer.coefficients[:, c] * k) @ np.sign(apart)
                there = torch.tensor(z[None], requires_grad=True)
                gram = torch_kernel(kernel, there, torch.tensor(layer.supports), **JOINT[kernel])
                (gram @ torch.tensor(layer.coefficients))[0, c].backward()
                return there.grad.numpy()[0]

            pieces = 20000 if kinked else 400
            told = literal.from_root(gradient, x[n], found.point[n, c], way, steps=pieces)
            expected[n] += told * relevance[n, c] / f[n, c]
    told = layer.redistribute(x, relevance)
    # The textbook's midpoints miss 1e-5 of the integral; nodes miss more where there are kinks between them.
    missed = {"atol": (5e-3 if kinked else 1e-4) * abs(expected).max()}
    exact = {"rtol": 1e-9, "atol": 1e-11} if way == "taylor" else missed
    np.testing.assert_allclose(told.relevances[0], expected, **exact)
    np.testing.assert_allclose(told.dropped, relevance.sum(axis=1) - told.relevances[0].sum(axis=1), atol=1e-12)
    assert not told.bias.any()
    if way == "segment" and kernel != "laplacian":
        assert abs(told.dropped).max() < 1e-10 * abs(relevance / f).max() * abs(f).max()
    if way == "taylor":
        assert abs(told.dropped).max() > 1e-3


def test_the_ledger_tells_how_good_the_sum_over_nodes_is() -> None:
    layer, x = machine("laplacian", outputs=1), generic("laplacian", 6, 3)
    f = layer.forward(x)
    errors = []
    for steps in (2, 32, 2048):
        told = replace(layer, steps=steps).redistribute(x, f)
        errors.append(abs(told.dropped).max())
    assert all(later < earlier / 4 for earlier, later in pairwise(errors))
    smooth = machine("rbf", outputs=1)
    assert abs(smooth.redistribute(x, smooth.forward(x)).dropped).max() < 1e-12


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_a_polynomial_is_decomposed_exactly_on_rationals(degree: int) -> None:
    v, a, x = rational(some("poly", 4, 2)), rational(some("poly", 4, 1) + 0.25), rational(some("poly", 2, 2) + 0.125)
    far = rational(np.array([[8.0, 1.0], [-8.0, 0.5], [0.0, 0.0], [1.0, -9.0], [-2.0, 9.0]]))
    options = {"kernel": "poly", "gamma": Fraction(1, 2), "degree": degree, "coef0": 1}
    for shift in range(-8, 9):  # some threshold is on the way
        layer = KernelMachine(v, a, rational(np.array([shift * 4.0])), reference=far, **options)
        if layer.roots(x).exists.all():
            break
    f, found = layer.forward(x), layer.roots(x)
    told = layer.redistribute(x, f)
    for n in range(2):
        plain = sum(a[s, 0] * (sum(x[n] * v[s]) / 2 + 1) ** degree for s in range(4)) + layer.offset[0]
        assert f[n, 0] == plain
        at_root = layer.forward(found.point[n])[0, 0]
        assert told.relevances[0][n].sum() == f[n, 0] - at_root == f[n, 0] - found.score[n, 0]
        assert told.dropped[n] == at_root
    one = KernelMachine(v, a, layer.offset, reference=far, way="taylor", **options).redistribute(x, f)
    if degree == 1:  # a linear function is its own Taylor series
        assert (one.relevances[0] == told.relevances[0]).all()
    else:
        assert (one.relevances[0] != told.relevances[0]).any()


def test_the_sum_for_polynomials_misses_nothing() -> None:
    for degree in range(7):
        at, weights = polynomial(degree)
        for power in range(degree + 1):
            assert sum(w * t**power for t, w in zip(at, weights, strict=True)) == Fraction(1, power + 1)


def test_an_output_that_is_zero_drops_its_relevance() -> None:
    layer = KernelMachine(np.array([[1.0], [-1.0]]), np.array([[1.0], [-1.0]]), gamma=1.0)
    told = layer.redistribute(np.array([[0.0], [0.5]]), np.array([[2.0], [3.0]]))
    assert told.relevances[0][0] == 0
    assert told.dropped[0] == 2
    assert told.relevances[0][1] == pytest.approx(3.0)


def test_a_sample_that_is_a_support_vector_is_one_like_any_other() -> None:
    layer = machine("rbf")
    x = layer.supports[:2]
    told = layer.redistribute(x, layer.forward(x))
    assert np.isfinite(told.relevances[0]).all()
    np.testing.assert_allclose(told.relevances[0].sum(axis=1), layer.forward(x).sum(axis=1), rtol=1e-12)


def test_rows_alone_and_single_precision() -> None:
    for kernel in JOINT:
        layer, x = machine(kernel), generic(kernel, 5, 3)
        r = RNG.normal(size=(5, 2))
        whole = layer.redistribute(x, r)
        for n in range(5):
            alone = layer.redistribute(x[n : n + 1], r[n : n + 1])
            np.testing.assert_allclose(alone.relevances[0][0], whole.relevances[0][n], rtol=1e-8, atol=1e-10)
        none = layer.redistribute(x[:0], r[:0])
        assert none.relevances[0].shape == (0, 3)
        single = layer.map_arrays(lambda a: a.astype(np.float32))
        told = single.redistribute(x.astype(np.float32), r.astype(np.float32))
        assert told.relevances[0].dtype == told.dropped.dtype == np.float32
        assert single.forward(x.astype(np.float32)).dtype == np.float32


def test_points_of_the_other_sign_are_needed_only_by_outputs_with_relevance() -> None:
    v, a = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[1.0, 1.0], [2.0, -1.0]])
    layer, x = KernelMachine(v, a, gamma=0.25), np.array([[0.5, 0.5], [1.0, 2.0]])
    assert not layer.roots(x).exists[:, 0].any()
    told = layer.redistribute(x, np.array([[0.0, 1.0], [0.0, -1.0]]))
    np.testing.assert_allclose(told.relevances[0].sum(axis=1), [1.0, -1.0], rtol=1e-12)
    with pytest.raises(
        ParameterError,
        match=r"no support vector has another sign of output 0 than sample 1, where it is .* \(samples 1\)",
    ):
        layer.relevance_backward(x, np.array([[0.0, 1.0], [2.0, -1.0]]))
    far = KernelMachine(v, a, np.array([-0.5, 0.0]), gamma=0.25, reference=np.array([[50.0, 50.0]]))
    assert np.isfinite(far.relevance_backward(x[:1], np.array([[1.0, 0.0]]))).all()  # the advice works


def test_on_a_device_nobody_waits_to_know_that_there_is_no_root() -> None:
    v, a, x = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[1.0], [2.0]]), np.array([[0.5, 0.5]])
    layer = KernelMachine(v, a, gamma=0.25).map_arrays(STRICT.asarray)
    found = layer.relevance_backward(STRICT.asarray(x), STRICT.asarray(np.ones((1, 1))))
    assert np.isnan(found.get()).all()


# The methods around it ----------------------------------------------------------------------------------------------


def test_simple_taylor_of_a_network_of_it() -> None:
    layer = machine("rbf", outputs=1, offset=None, reference=None)
    net, x = lrp.Network.sequential([layer]), layer.supports + 0.1
    f = layer.forward(x)[:, 0]
    down = lrp.attribute(net, x, "simple_taylor", target=0, search="descent")
    assert down.found["exists"].all()
    np.testing.assert_allclose(layer.forward(down.found["root"])[:, 0], 0, atol=1e-8 * abs(f).max())
    np.testing.assert_allclose(down.relevance.sum(axis=1) + down.found["remainder"], f, rtol=1e-12)
    # Towards the reference point of each sample the segment's search finds the layer's own root.
    own = layer.roots(x)
    towards = layer.supports[own.reference[:, 0]]
    along = lrp.attribute(net, x, "simple_taylor", target=0, towards=towards, steps=1, tolerance=1e-14)
    e = lrp.explain(lrp.Network.sequential([replace(layer, way="taylor")]), x, target=0)
    np.testing.assert_allclose(along.found["root"], own.point[:, 0], atol=1e-10)
    np.testing.assert_allclose(along.relevance, e.relevance, atol=1e-9)
    np.testing.assert_allclose(e.ledger[0].dropped, along.found["remainder"], atol=1e-9)
    assert e.ledger.residual < 1e-12


def test_other_rules() -> None:
    layer, x = machine("rbf"), generic("rbf", 2, 3)
    r = np.ones((2, 2))
    np.testing.assert_array_equal(layer.relevance_backward(x, r, Gradient()), layer.vjp(x, r))
    expected = x * layer.vjp(x, r / layer.forward(x))
    np.testing.assert_allclose(layer.relevance_backward(x, r, Taylor()), expected, rtol=1e-12)
    for rule in (LRP0(), Epsilon(0.1)):
        with pytest.raises(UnsupportedError, match=r"the kernel exp\(−γ‖x − v‖²\) is none: .*AdditiveKernel"):
            layer.relevance_backward(x, r, rule)
    additive = AdditiveKernel(abs(x), r, kernel="intersection")
    f = additive.forward(abs(x))
    told = additive.redistribute(abs(x), f, Epsilon(0.5))
    np.testing.assert_allclose(told.stabiliser, (f * 0.5 / (f + 0.5)).sum(axis=1), rtol=1e-12)


def test_balls_bound_the_terms_at_a_root() -> None:
    pytest.importorskip("flint")
    layer, x = machine("rbf", offset=None, reference=None), generic("rbf", 2, 3)
    e = lrp.explain(ball(lrp.Network.sequential([replace(layer, way="taylor")]), bits=128), ball(x, bits=128), target=0)
    told = replace(layer, way="taylor").relevance_backward(x, layer.forward(x) * [1.0, 0.0])
    np.testing.assert_allclose(to_float(e.relevance), told, rtol=1e-9, atol=1e-12)
    with pytest.raises(UnsupportedError, match="has no exact value: give way='taylor', or float64"):
        lrp.explain(ball(lrp.Network.sequential([layer]), bits=128), ball(x, bits=128), target=0)


ones = np.ones((2, 3))
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: AdditiveKernel(ones, ones, kernel="chi"), ParameterError, "did you mean 'chi2'"),
    (lambda: AdditiveKernel(ones, np.ones((3, 2))), ShapeError, r"coefficients must be \(2, K\).*got shape \(3, 2\)"),
    (lambda: AdditiveKernel(np.ones(3), ones), ShapeError, r"supports must be \(S, D\)"),
    (lambda: AdditiveKernel(np.ones((0, 3)), np.ones((0, 1))), ShapeError, "S ≥ 1"),
    (lambda: AdditiveKernel(ones, ones, np.ones(2)), ShapeError, r"offset must be \(3,\), got shape \(2,\)"),
    (lambda: AdditiveKernel(-ones, ones, kernel="chi2"), ParameterError, "supports of the chi2 kernel must not be neg"),
    (lambda: AdditiveKernel(ones, ones, kernel="chi2").forward(-ones), ParameterError, r"inputs .*, got -1\.0"),
    (lambda: AdditiveKernel(ones, ones).forward(np.ones((2, 4))), ShapeError, r"expected \(N, 3\)"),
    (lambda: FeatureDistance(ones, "euclid"), ParameterError, "distance of FeatureDistance"),
    (lambda: FeatureDistance(np.ones(3)), ShapeError, r"centers must be \(K, D\)"),
    (lambda: FeatureDistance(ones, offset=np.ones(3)), ShapeError, r"offset must be \(2,\)"),
    (lambda: FeatureDistance(-ones, "chi2"), ParameterError, "centers of the chi2 distance must not be negative"),
    (lambda: FeatureDistance(ones, "chi2").forward(-ones), ParameterError, "inputs of the chi2 distance"),
    (lambda: KernelMachine(ones, ones), ParameterError, "the rbf kernel needs gamma="),
    (lambda: KernelMachine(ones, ones, gamma=0), ParameterError, "gamma must be > 0, got 0"),
    (lambda: KernelMachine(ones, ones, gamma=float("nan")), ParameterError, "gamma must be > 0, got nan"),
    (lambda: KernelMachine(ones, ones, kernel="poly", gamma=1, degree=-1), ParameterError, "degree must be ≥ 0"),
    (lambda: KernelMachine(ones, ones, kernel="poly", gamma=1, coef0="a"), ParameterError, "coef0 must be a finite"),
    (lambda: KernelMachine(ones, ones, kernel="cosin"), ParameterError, "did you mean 'cosine'"),
    (lambda: KernelMachine(ones, ones, gamma=1, way="newton"), ParameterError, "way of KernelMachine"),
    (lambda: KernelMachine(ones, ones, gamma=1, steps=0), ParameterError, "steps must be a whole number above 0"),
    (lambda: KernelMachine(ones, ones, gamma=1, reference=np.ones((2, 2))), ShapeError, r"reference must be \(M, 3\)"),
    (lambda: KernelMachine(ones, ones, gamma=1, reference=np.ones((0, 3))), ShapeError, "M ≥ 1"),
    (lambda: KernelMachine(ones, ones, gamma=1).forward(np.ones((1, 2))), ShapeError, r"expected \(N, 3\)"),
    (
        lambda: KernelMachine(ones, ones, kernel="chi2_rbf", gamma=1).forward(-ones),
        ParameterError,
        "inputs of the chi2_rbf kernel must not be negative",
    ),
    (lambda: KernelMachine(ones, ones, gamma=1).relevance_backward(ones, np.ones((2, 1))), ShapeError, "relevance has"),
    (
        lambda: KernelMachine(rational(ones), rational(ones), gamma=1).forward(rational(ones)),
        UnsupportedError,
        "exp has no exact value on rationals",
    ),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED)
def test_what_is_refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
