"""Classifiers of Fisher vectors and of visual words as networks, and their relevance as maps of pixels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from encoded import fisher_terms, golden, shared, stored, word_terms

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.neuralise import bag_of_words, fisher_vector, pixels

RNG = np.random.default_rng(20)
PI, MU, VARIANCE = np.array([0.2, 0.5, 0.3]), RNG.normal(size=(3, 2)), 0.4 + RNG.random((3, 2))
W, B = RNG.normal(size=(15, 2)), np.array([0.25, -1.5])
X = RNG.normal(size=(4, 6, 2))
WORDS = RNG.normal(size=(5, 2))
HISTOGRAMS = RNG.dirichlet(np.ones(5), size=7)
A = RNG.normal(size=7)


# Fisher vectors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["perronnin", "skimage"])
@pytest.mark.parametrize(("root", "norm"), [(True, "l2"), (True, "none"), (False, "l2"), (False, "none")])
def test_a_classifier_of_fisher_vectors_is_the_formula(convention: str, root: bool, norm: str) -> None:
    net = fisher_vector(PI, MU, VARIANCE, W, B, convention=convention, root=root, norm=norm)
    target = [0, 1, 1, 0]
    e = lrp.explain(net, X, target=target)
    for k in range(4):
        terms = fisher_terms(net["encoding"].layer, X[k])  # type: ignore[arg-type]
        z = [sum(column) for column in zip(*terms, strict=True)]
        phi = [math.copysign(math.sqrt(abs(v)), v) for v in z] if root else z
        length = math.sqrt(sum(v * v for v in phi)) if norm == "l2" else 1.0
        r = [v / length * w for v, w in zip(phi, W[:, target[k]], strict=True)]
        assert e.output[k, target[k]] == pytest.approx(sum(r) + B[target[k]], rel=1e-12)
        np.testing.assert_allclose(e.trace.relevance["encoding"][k], r, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(e.relevance[k].sum(-1), shared(terms, r), rtol=1e-9, atol=1e-12)
        assert e.relevance[k].sum() + B[target[k]] == pytest.approx(e.output[k, target[k]], rel=1e-10)
    assert e.ledger.residual < 1e-12
    assert [row.bias.tolist() for row in e.ledger if row.node == "scores"] == [[B[t] for t in target]]


def test_ratios_damped_by_epsilon_are_in_the_ledger() -> None:
    net = fisher_vector(PI, MU, VARIANCE, W[:, 0])
    composite: Any = [(lrp.layers.Dense, lrp.rules.LRP0()), (lrp.layers.FisherVector, lrp.rules.Epsilon(0.05))]
    plain, damped = lrp.explain(net, X), lrp.explain(net, X, composite=composite)
    total, less = (np.abs(e.relevance).sum((1, 2)) for e in (plain, damped))
    most = total.argmax()  # of the image whose terms cancel most; of others ε need not lower it
    assert less[most] < total[most] / 2
    taken = sum(row.stabiliser for row in damped.ledger)
    np.testing.assert_allclose(damped.relevance.sum((1, 2)) + taken, plain.relevance.sum((1, 2)), rtol=1e-10)
    assert (np.abs(taken) > 1e-3).all()


def test_images_are_explained_alone_or_together_and_float32_stays() -> None:
    net = fisher_vector(PI, MU, VARIANCE, W, B)
    whole = lrp.explain(net, X, target=1)
    for k in range(4):
        alone = lrp.explain(net, X[k : k + 1], target=1)
        np.testing.assert_allclose(alone.relevance[0], whole.relevance[k], rtol=1e-12, atol=1e-15)
    e = lrp.explain(net.astype("float32"), X.astype(np.float32), target=1)
    assert e.relevance.dtype == e.output.dtype == np.float32
    np.testing.assert_allclose(e.output, whole.output, rtol=1e-4, atol=1e-5)


def test_an_image_without_descriptors_has_the_bias_for_its_score() -> None:
    for net in (fisher_vector(PI, MU, VARIANCE, W[:, 0], 0.75), bag_of_words(WORDS, HISTOGRAMS, A, 0.75)):
        e = lrp.explain(net, np.zeros((2, 0, 2)))
        assert e.output.tolist() == [[0.75], [0.75]]
        assert e.relevance.shape == (2, 0, 2)
        assert e.ledger.residual == 0
        assert pixels(e.relevance, np.zeros((0, 4), dtype=int), (3, 2)).tolist() == np.zeros((2, 3, 2)).tolist()


def test_the_gradient_of_the_whole_classifier_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    pi, mu, variance, w = (torch.tensor(a) for a in (PI, MU, VARIANCE, W))
    u = (x[:, :, None] - mu) / variance.sqrt()
    logs = pi.log() + torch.distributions.Normal(mu, variance.sqrt()).log_prob(x[:, :, None]).sum(-1)
    q = torch.softmax(logs, -1)
    z = torch.cat([((q - pi) / pi.sqrt()).mean(1), (q[..., None] * u / pi.sqrt()[:, None]).mean(1).flatten(1),
                   (q[..., None] * (u**2 - 1) / (2 * pi).sqrt()[:, None]).mean(1).flatten(1)], 1)  # fmt: skip
    phi = z.sign() * z.abs().sqrt()
    f = (phi / phi.norm(dim=1, keepdim=True)) @ w
    f[:, 1].sum().backward()
    found = lrp.attribute(fisher_vector(PI, MU, VARIANCE, W, B), X, "gradient", target=1)
    np.testing.assert_allclose(found.relevance, x.grad.numpy(), rtol=1e-9, atol=1e-12)


@golden
def test_stored_fisher_classifier() -> None:
    case = stored("fisher_vector")
    parts = case["gmm_weights"], case["gmm_means"], case["gmm_covariances"]
    e = lrp.explain(fisher_vector(*parts, case["weight"], case["bias"]), case["descriptors"][None])
    found = {
        "output": e.output[0, 0],
        "raw": e.trace.values["encoding"][0],
        "encoded": e.trace.values["norm"][0],
        "relevance_dimension": e.trace.relevance["norm"][0],
        "relevance_descriptor": e.relevance.sum(-1)[0],
        "relevance_pixel": pixels(e.relevance, case["boxes"], (16, 16), size=4)[0],
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, case[name], rtol=1e-9, atol=1e-9, err_msg=name)


# Bags of visual words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("kernel", ["intersection", "chi2", "linear"])
def test_a_machine_on_visual_words_is_the_formula(kernel: str, hard: bool) -> None:
    net = bag_of_words(WORDS, HISTOGRAMS, A, 0.5, kernel=kernel, beta=0.8, hard=hard)
    e = lrp.explain(net, X)
    functions = {
        "intersection": min,
        "linear": lambda x, v: x * v,
        "chi2": lambda x, v: 2 * x * v / (x + v) if x + v else 0.0,
    }
    for k in range(4):
        terms = [[float(m) for m in row] for row in word_terms(net["histogram"].layer, X[k])]  # type: ignore[arg-type]
        h = [sum(column) for column in zip(*terms, strict=True)]
        r = [sum(a * functions[kernel](x, v[w]) for a, v in zip(A, HISTOGRAMS, strict=True)) for w, x in enumerate(h)]
        assert e.output[k, 0] == pytest.approx(sum(r) + 0.5, rel=1e-12)
        np.testing.assert_allclose(e.relevance[k].sum(-1), shared(terms, r), rtol=1e-10, atol=1e-13)
    assert e.ledger.residual < 1e-12


def test_hard_words_under_the_intersection_are_exact_on_rationals() -> None:
    words, histograms = np.array([[0.0], [1.0], [4.0]]), np.array([[0.5, 0.25, 0.25], [0.125, 0.875, 0.0]])
    net = rational(bag_of_words(words, histograms, np.array([1.5, -1.0]), 0.25, hard=True))
    e = lrp.explain(net, rational(np.array([[[0.25], [0.75], [1.25]]])))
    terms = [
        Fraction(3, 2) * Fraction(1, 3) - Fraction(1, 8),  # of the word 0, which one descriptor has
        Fraction(3, 2) * Fraction(1, 4) - Fraction(2, 3),
        Fraction(0),
    ]
    assert e.relevance[0, :, 0].tolist() == [terms[0], terms[1] / 2, terms[1] / 2]
    assert e.output.tolist() == [[sum(terms) + Fraction(1, 4)]]
    assert e.ledger.residual == 0


@golden
def test_stored_machine_on_visual_words() -> None:
    case = stored("bovw_soft_intersection")
    net = bag_of_words(case["codebook"], case["support_histograms"], case["dual_coef"], case["bias"], beta=1.5)
    e = lrp.explain(net, case["descriptors"][None])
    for value, name in (
        (e.output[0, 0], "output"),
        (e.trace.values["histogram"][0], "histogram"),
        (e.trace.relevance["histogram"][0], "relevance_word"),
        (e.relevance.sum(-1)[0], "relevance_descriptor"),
    ):
        np.testing.assert_allclose(value, case[name], rtol=1e-11, atol=1e-11, err_msg=name)


# Pixels ---------------------------------------------------------------------------------------------------------------


def spread(relevance: Any, boxes: Any, shape: tuple[int, int]) -> Any:
    """Return the map of one image, pixel after pixel."""
    found = np.zeros(shape, dtype=relevance.dtype)
    for r, (y0, x0, y1, x1) in zip(relevance, boxes, strict=True):
        inside = [(y, x) for y in range(shape[0]) for x in range(shape[1]) if y0 <= y < y1 and x0 <= x < x1]
        for y, x in inside:
            found[y, x] += r / len(inside)
    return found


def test_descriptors_lie_evenly_on_what_they_looked_at() -> None:
    boxes = np.array([[0, 0, 3, 2], [1, 1, 5, 4], [4, 3, 9, 9], [-2, -3, 1, 1], [2, 0, 3, 6]])  # two beyond the border
    r = RNG.normal(size=(3, 5))
    found = pixels(r, boxes, (5, 6))
    for k in range(3):
        np.testing.assert_allclose(found[k], spread(r[k], boxes, (5, 6)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.sum((1, 2)), r.sum(1), rtol=1e-12)
    each = np.stack([boxes, boxes[::-1], np.roll(boxes, 1, axis=0)])
    found = pixels(np.repeat(r[..., None] / 4, 4, axis=2), each, (5, 6))  # of the numbers of descriptors
    for k in range(3):
        np.testing.assert_allclose(found[k], spread(r[k], each[k], (5, 6)), rtol=1e-12, atol=1e-14)
    assert pixels(r[:0], boxes, (5, 6)).shape == (0, 5, 6)


def test_pixels_are_exact_on_rationals_in_float32_and_with_one_size_for_all() -> None:
    corners = np.array([[0, 0], [1, 2], [2, -1]])
    boxes = np.concatenate([corners, corners + np.array([2, 3])], axis=1)
    r = rational(RNG.integers(-9, 9, size=(2, 3)) / 4.0)
    found = pixels(r, corners, (4, 4), size=(2, 3))
    for k in range(2):
        assert found[k].tolist() == spread(r[k], boxes, (4, 4)).tolist()
        assert found[k].sum() == r[k].sum()
    assert pixels(np.ones((1, 3), dtype=np.float32), corners, (4, 4), size=3).dtype == np.float32


def test_maps_of_many_images_are_made_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.neuralise import encodings

    boxes, r = np.array([[0, 0, 3, 2], [1, 1, 5, 4]]), RNG.normal(size=(5, 2))
    each = np.stack([boxes, boxes[::-1], boxes + 1, boxes - 1, boxes])
    whole = [pixels(r, some, (5, 6)) for some in (boxes, each)]
    assert (whole[0] != whole[1]).any()
    monkeypatch.setattr(encodings, "NUMBERS", 50)
    for some, expected in zip((boxes, each), whole, strict=True):
        assert (pixels(r, some, (5, 6)) == expected).all()


# What is refused ------------------------------------------------------------------------------------------------------

R = np.ones((2, 3))
CORNERS = np.zeros((3, 2), dtype=int)
REFUSED: list[tuple[Any, type[LrpError], str]] = [
    (lambda: fisher_vector(PI, MU, VARIANCE, W.T), ShapeError,
     "classifier_weight of shape (2, 15) for 3 components of 2 dimensions; expected (15,) or (15, C), which is "
     "K(1 + 2D); scikit-learn's coef_ is its transpose"),
    (lambda: fisher_vector(PI, MU, VARIANCE, W, 0.5), ShapeError, "bias of shape (1,) for 2 outputs"),
    (lambda: fisher_vector(PI.tolist(), MU, VARIANCE, W), ParameterError, "weights must be an array of floats"),
    (lambda: fisher_vector(PI, MU, VARIANCE, W, norm="l1"), ParameterError, "unknown norm 'l1'"),
    (lambda: fisher_vector(PI, MU, VARIANCE, W, convention="sklearn"), ParameterError, "unknown convention 'sklearn'"),
    (lambda: bag_of_words(WORDS[:4], HISTOGRAMS, A), ShapeError,
     "support_histograms of shape (7, 5) for a codebook of 4 words; expected (S, 4)"),
    (lambda: bag_of_words(WORDS, HISTOGRAMS, A, kernel="cos"), ParameterError, "unknown kernel 'cos'"),
    (lambda: bag_of_words(WORDS.astype(int), HISTOGRAMS, A), ParameterError, "codebook must be an array of floats"),
    (lambda: pixels(R, CORNERS, (4, 4)), ParameterError, "boxes of y, x need size=, their height and width"),
    (lambda: pixels(R, np.zeros((3, 4), dtype=int), (4, 4), size=2), ParameterError, "leave size= out"),
    (lambda: pixels(R, CORNERS[:2], (4, 4), size=2), ShapeError, "boxes of shape (2, 2) for 3 descriptors of 2 images"),
    (lambda: pixels(R, CORNERS + 0.5, (4, 4), size=2), ParameterError, "must be whole numbers, got 0.5"),
    (lambda: pixels(R, CORNERS, (4, 4), size=0), ParameterError, "pixels: size must be 1 to"),
    (lambda: pixels(R, CORNERS, (4, 4), size=(1, 2, 3)), ShapeError, "give a height and a width, or one number"),
    (lambda: pixels(R, np.array([[0, 0], [0, 4], [0, 0]]), (4, 4), size=2), ParameterError,
     "box 1 (0, 4, 2, 6) has no pixel in an image of 4 × 4"),
    (lambda: pixels(R[0], CORNERS, (4, 4), size=2), ShapeError, "expected that of descriptors, (N, T) or (N, T, D)"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c[2][:40])
def test_what_is_refused_is_said_in_one_line(case: Any) -> None:
    call, error, words = case
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_advice_about_sizes_works() -> None:
    assert pixels(R, CORNERS, (4, 4), size=2).shape == (2, 4, 4)
    assert pixels(R, np.concatenate([CORNERS, CORNERS + 1], axis=1), (4, 4)).shape == (2, 4, 4)
    assert fisher_vector(PI, MU, VARIANCE, W.T.T).outputs == ("scores",)


@pytest.mark.parametrize(
    ("shape", "size", "words"),
    [
        ((3, 3, 3), 1, "shape is (3, 3, 3): give a height and a width"),
        (3, 1, "shape is 3: give a height and a width"),
        ((-3, 3), 1, "shape must be 1 to"),
        (("a", "b"), 1, "shape is ('a', 'b')"),
        ((3, 3), "a", "size is 'a': give a height and a width, or one number for both"),
        ((3, 3), (1, 2, 3), "size is (1, 2, 3)"),
    ],
)
def test_sizes_of_images_and_boxes_are_two_whole_numbers(shape, size, words) -> None:
    with pytest.raises(LrpError) as caught:
        lrp.neuralise.pixels(np.ones((1, 1)), np.array([[0, 0]]), shape, size=size)
    assert f"pixels: {words}" in str(caught.value)
