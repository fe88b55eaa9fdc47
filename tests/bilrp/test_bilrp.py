"""Relevance of pairs of features, against loops on rationals, the second derivative, and LRP of each unit alone."""

from __future__ import annotations

import itertools
import math
import zlib
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals
from strict import STRICT, StrictArray, to_strict

import lrp_ref as lrp
from lrp_ref.arithmetic import ball, rational
from lrp_ref.bilrp import Features
from lrp_ref.errors import BackendError, LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.layers import Add, Conv, Dense, Embedding, Flatten, GlobalAveragePool, ReLU, Sigmoid
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def small(biases: bool = True, sizes: tuple[int, ...] = (4, 5, 3)) -> tuple[Network, list[tuple[Any, Any]]]:
    """A dense ReLU network on rationals, and its weights with their biases."""
    weights = [rationals(RNG, a, b) for a, b in itertools.pairwise(sizes)]
    parts = [(w, rationals(RNG, w.shape[1]) if biases else exact(*[0] * w.shape[1])) for w in weights]
    layers = [layer for w, b in parts for layer in (Dense(w, b), ReLU())][:-1]
    return Network.sequential(layers), parts


def literal(parts: list[tuple[Any, Any]], a: list[Any]) -> tuple[list[Any], list[list[Any]], list[Any], list[Any]]:
    """φ, R_i^m, what biases took and what was dropped of each unit, by LRP-0 written out number by number."""
    values, pre = [list(a)], []
    for k, (w, b) in enumerate(parts):
        z = [sum(values[-1][i] * w[i, j] for i in range(len(w))) + b[j] for j in range(w.shape[1])]
        pre.append(z)
        values.append(z if k == len(parts) - 1 else [max(v, F(0)) for v in z])
    phi = values[-1]
    relevances, biases, dropped = [], [], []
    for m in range(len(phi)):
        r, bias, lost = [phi[j] if j == m else F(0) for j in range(len(phi))], F(0), F(0)
        for k in reversed(range(len(parts))):
            w, b = parts[k]
            lost += sum(r[j] for j in range(len(r)) if pre[k][j] == 0)
            bias += sum(b[j] / pre[k][j] * r[j] for j in range(len(r)) if pre[k][j])
            shares = [[values[k][i] * w[i, j] / pre[k][j] * r[j] if pre[k][j] else F(0) for j in range(len(r))]
                      for i in range(len(w))]  # fmt: skip
            r = [sum(row) for row in shares]
        relevances.append(r)
        biases.append(bias)
        dropped.append(lost)
    return phi, relevances, biases, dropped


@pytest.mark.parametrize("samples", [1, 3])
def test_pairs_are_the_double_loop_over_units_and_features_exactly(samples: int) -> None:
    net, parts = small()
    x, y = rationals(RNG, samples, 4), rationals(RNG, samples, 4)
    e = lrp.explain_pair(net, x, y, composite="lrp0")
    found, account = e.matrix(), e.account
    assert found.shape == (samples, 4, 4)
    for n in range(samples):
        (phi, r, b, d), (psi, s, c, g) = literal(parts, x[n]), literal(parts, y[n])
        units = range(len(phi))
        for i in range(4):
            for j in range(4):
                assert found[n, i, j] == sum(r[m][i] * s[m][j] for m in units)
        assert e.similarity[n] == sum(phi[m] * psi[m] for m in units)
        assert e.x.embedding[n].tolist() == phi
        assert e.y.bias[n].tolist() == c
        rows = {what: part[n] for what, part in account.rows().items()}
        assert rows["similarity"] == e.similarity[n]
        assert rows["pairs"] == sum(found[n].reshape(-1)) == sum(sum(r[m]) * sum(s[m]) for m in units)
        assert rows["bias of x"] == sum(b[m] * sum(s[m]) for m in units)
        assert rows["bias of y"] == sum(sum(r[m]) * c[m] for m in units)
        assert rows["dropped of x"] == sum(d[m] * sum(s[m]) for m in units)
        assert rows["lost by both"] == sum((b[m] + d[m]) * (c[m] + g[m]) for m in units)
        assert rows["residual"] == 0
    assert account.residual == 0
    assert any(rows["bias of x"] for rows in [{k: v[n] for k, v in account.rows().items()} for n in range(samples)])


def test_without_biases_the_pairs_are_the_whole_similarity_exactly() -> None:
    net, parts = small(biases=False)
    x, y = exact(["1/2", 3, "-1/3", 2]), exact([1, "5/7", 2, "1/9"])
    e = lrp.explain_pair(net, x, y, composite="lrp0")
    assert literal(parts, x[0])[3] == [0, 0, 0]
    assert e.matrix().sum() == e.similarity[0] == net.forward(x)[0] @ net.forward(y)[0] != 0


def torch_twin(net: Network, x: Any, torch: Any) -> Any:
    """The same network by PyTorch's functions."""
    for node in net.nodes:
        match node.layer:
            case Dense():
                x = x @ torch.tensor(node.layer.weight)
            case Conv():
                x = torch.nn.functional.conv2d(x, torch.tensor(node.layer.weight), padding=1)
            case ReLU():
                x = torch.relu(x)
            case Flatten():
                x = x.flatten(1)
            case _:
                raise AssertionError(node)
    return x


def test_a_relu_network_without_biases_gives_hessian_times_product() -> None:
    """R_ij = x_i y_j ∂²s/∂x_i∂y_j, for a photo against a vector, each embedded by a network of its own."""
    photos = Network.sequential([
        Conv(RNG.normal(size=(3, 2, 3, 3)), padding=1), ReLU(), Flatten(), Dense(RNG.normal(size=(60, 6))),
    ])  # fmt: skip
    vectors = Network.sequential([Dense(RNG.normal(size=(7, 9))), ReLU(), Dense(RNG.normal(size=(9, 6)))])
    x, y = RNG.normal(size=(1, 2, 4, 5)), RNG.normal(size=(1, 7))
    e = lrp.explain_pair(photos, x, y, other=vectors, composite=lrp.rules.LRP0())
    torch = pytest.importorskip("torch")
    a, b = torch.tensor(x), torch.tensor(y)
    hessian = torch.autograd.functional.hessian(
        lambda u, v: (torch_twin(photos, u, torch) * torch_twin(vectors, v, torch)).sum(), (a, b)
    )[0][1]
    mixed = hessian.reshape(40, 7).numpy() * x.reshape(40, 1) * y.reshape(1, 7)
    np.testing.assert_allclose(e.matrix(Features(axis=None))[0], mixed, rtol=1e-9, atol=1e-10 * abs(mixed).max())
    by_pixel = mixed.reshape(2, 20, 7).sum(axis=0)
    np.testing.assert_allclose(e.matrix()[0], by_pixel, rtol=1e-9, atol=1e-10 * abs(mixed).max())
    assert e.account.residual < 1e-13
    np.testing.assert_allclose(e.matrix().sum(), e.similarity[0], rtol=1e-9)


def image_network(units: int = 5) -> Network:
    return Network.sequential([
        Conv(RNG.normal(size=(4, 2, 3, 3)), RNG.normal(size=4), padding=1), ReLU(), Flatten(),
        Dense(RNG.normal(size=(4 * 35, units)), RNG.normal(size=units)),
    ])  # fmt: skip


@pytest.mark.parametrize("composite", ["epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon"])
def test_every_unit_is_explained_as_alone(composite: str) -> None:
    net, x, y = image_network(), RNG.normal(size=(3, 2, 5, 7)), RNG.normal(size=(3, 2, 5, 7))
    e = lrp.explain_pair(net, x, y, composite=composite)
    assert [f.shape for f in e.factors] == [(3, 5, 2, 5, 7)] * 2
    for m in range(5):
        for given, side in ((x, e.x), (y, e.y)):
            alone = lrp.explain(net, given, target=m, composite=composite)
            np.testing.assert_allclose(side.relevance[:, m], alone.relevance, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(side.embedding[:, m], alone.output[:, m], rtol=1e-12)
            for column in ("bias", "stabiliser", "dropped"):
                total = alone.ledger.total()[column]
                np.testing.assert_allclose(getattr(side, column)[:, m], total, rtol=1e-9, atol=1e-11)
    assert e.account.residual < 1e-13
    expected = np.einsum("nmcp,nmdq->npq", *(f.reshape(3, 5, 2, 35) for f in e.factors))
    np.testing.assert_allclose(e.matrix(), expected, rtol=1e-9, atol=1e-11 * abs(expected).max())


def test_samples_are_independent_and_none_is_allowed() -> None:
    net, x, y = image_network(), RNG.normal(size=(3, 2, 5, 7)), RNG.normal(size=(3, 2, 5, 7))
    whole = lrp.explain_pair(net, x, y)
    for n in range(3):
        alone = lrp.explain_pair(net, x[n : n + 1], y[n : n + 1])
        np.testing.assert_allclose(whole.sample(n).matrix(), alone.matrix(), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(whole.sample(n).similarity, alone.similarity, rtol=1e-12)
    none = lrp.explain_pair(net, x[:0], y[:0], normalised=True)
    assert none.matrix(2).shape == (0, 12, 12)
    assert none.similarity.shape == (0,)
    assert none.left.shape == (0, 2, 5, 7)
    assert none.account.residual == 0


def test_one_unit_is_an_outer_product() -> None:
    net = Network.sequential([Dense(RNG.normal(size=(4, 3))), ReLU(), Dense(RNG.normal(size=(3, 1)), np.array([0.5]))])
    x, y = RNG.normal(size=(1, 4)), RNG.normal(size=(1, 4))
    one, two = (lrp.explain(net, given).relevance[0] for given in (x, y))
    np.testing.assert_allclose(lrp.explain_pair(net, x, y).matrix()[0], np.outer(one, two), rtol=1e-12)


def test_an_embedding_of_zeros_has_no_pairs() -> None:
    net = Network.sequential([Dense(np.array([[1.0, -2.0], [3.0, 1.0]]), np.array([-1.0, -4.0])), ReLU()])
    x, y = np.array([[-1.0, -1.0]]), np.array([[2.0, 1.0]])
    assert net.forward(x).tolist() == [[0.0, 0.0]]
    for normalised in (False, True):
        e = lrp.explain_pair(net, x, y, composite="lrp0", normalised=normalised)
        assert e.similarity.tolist() == [0.0]
        assert e.matrix().tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
        assert e.account.residual == 0


def test_the_cosine_takes_norms_for_constants() -> None:
    net, x, y = image_network(), RNG.normal(size=(2, 2, 5, 7)), RNG.normal(size=(2, 2, 5, 7))
    plain, cosine = (lrp.explain_pair(net, x, y, normalised=n) for n in (False, True))
    phi, psi = net.forward(x), net.forward(y)
    norms = np.sqrt((phi * phi).sum(axis=1) * (psi * psi).sum(axis=1))
    np.testing.assert_allclose(cosine.similarity, (phi * psi).sum(axis=1) / norms, rtol=1e-12)
    np.testing.assert_allclose(cosine.matrix(), plain.matrix() / norms[:, None, None], rtol=1e-11)
    rows = cosine.account.rows()
    for what, part in plain.account.rows().items():
        np.testing.assert_allclose(rows[what], part / norms, rtol=1e-9, atol=1e-13)
    same = lrp.explain_pair(net, x, x, normalised=True)
    np.testing.assert_allclose(same.similarity, 1, rtol=1e-12)
    np.testing.assert_allclose(same.matrix(), same.matrix().swapaxes(1, 2), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_squares_of_large_and_small_numbers_make_no_norm_of_0_or_infinity(dtype: str, sign: int) -> None:
    size = 2.0 ** (sign * (100 if dtype == "float32" else 700))
    net = Network.sequential([Dense(np.array([[3.0, 4.0], [4.0, -3.0]], dtype=dtype) * size)])
    x, y = np.array([[1, 0]], dtype=dtype), np.array([[1, 1]], dtype=dtype)
    e = lrp.explain_pair(net, x, y, composite="lrp0", normalised=True)  # (3, 4)/5 and (7, 1)/√50
    rounding = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(e.similarity, [25 / (5 * 50**0.5)], rtol=rounding)
    np.testing.assert_allclose(e.matrix(), [[[25 / (5 * 50**0.5), 0], [0, 0]]], rtol=rounding, atol=rounding)
    assert e.similarity.dtype == dtype
    if sign > 0:
        with pytest.raises(NonFiniteError, match="the similarity of the embeddings has 1 values that are not finite"):
            lrp.explain_pair(net, x, y)


def test_norms_of_exact_numbers() -> None:
    net = Network.sequential([Dense(np.array([[1.0, 2.0], [0.5, -1.0]]))])
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]])
    with pytest.raises(ParameterError, match="normalised=True takes square roots, which these exact numbers"):
        lrp.explain_pair(rational(net), rational(x), rational(y), composite="lrp0", normalised=True)
    e = lrp.explain_pair(ball(net, bits=80), ball(x, bits=80), ball(y, bits=80), composite="lrp0", normalised=True)
    phi, psi = net.forward(x)[0], net.forward(y)[0]
    assert abs(float(e.similarity[0]) - phi @ psi / math.sqrt(phi @ phi * (psi @ psi))) < 1e-14


# Features --------------------------------------------------------------------------------------------------------


def blocks(matrix: Any, shape: tuple[int, int], width: int) -> list[list[int]]:
    """For each feature of a pooled grid in C order, the pixels that it has."""
    rows, columns = (range(-(-n // width)) for n in shape)
    return [[h * shape[1] + w for h in range(shape[0]) for w in range(shape[1]) if (h // width, w // width) == (p, q)]
            for p in rows for q in columns]  # fmt: skip


@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_pooled_features_are_sums_of_pixels(width: int) -> None:
    """5 × 7 pixels in blocks that do not fit: the last ones have what is left, so that nothing is lost."""
    net, x, y = image_network(), RNG.normal(size=(2, 2, 5, 7)), RNG.normal(size=(2, 2, 5, 7))
    e = lrp.explain_pair(net, x, y)
    fine, coarse, places = e.matrix(), e.matrix(width), blocks(e.matrix(), (5, 7), width)
    expected = [[[fine[n][np.ix_(a, b)].sum() for b in places] for a in places] for n in range(2)]
    np.testing.assert_allclose(coarse, expected, rtol=1e-9, atol=1e-12 * abs(fine).max())
    assert e.grids(width) == ((-(-5 // width), -(-7 // width)),) * 2
    np.testing.assert_allclose(coarse.sum(axis=(1, 2)), e.account.pairs, rtol=1e-9)
    np.testing.assert_allclose(e.left.sum(axis=1).reshape(2, 35), fine.sum(axis=2), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(e.right.sum(axis=1).reshape(2, 35), fine.sum(axis=1), rtol=1e-9, atol=1e-10)
    mixed = e.matrix((width, Features(pool=(5, 1))))
    columns = [[h * 7 + w for h in range(5)] for w in range(7)]
    expected = [[[fine[n][np.ix_(a, b)].sum() for b in columns] for a in places] for n in range(2)]
    np.testing.assert_allclose(mixed, expected, rtol=1e-9, atol=1e-12 * abs(fine).max())


def test_axes_that_are_summed() -> None:
    relevance = RNG.normal(size=(2, 3, 4, 5))
    assert np.array_equal(Features(axis=-1).of(relevance), relevance.sum(axis=3))
    assert np.array_equal(Features(axis=0).of(relevance), relevance.sum(axis=2))
    assert np.array_equal(Features(axis=None).of(relevance), relevance.reshape(2, 3, 20))
    assert np.array_equal(Features().of(relevance), relevance.sum(axis=2))
    assert np.array_equal(Features().of(relevance[..., 0]), relevance[..., 0]), "one axis has no channels"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Features(pool=0), "pool is 0; give a whole number of 1 or more, or one for each axis"),
        (lambda: Features(pool=(2, 2.5)), "pool is (2, 2.5); give a whole number of 1 or more, or one for each axis"),
        (lambda: Features(axis="rows"), "axis is 'rows'; give 'channels', a number of a sample's axis, or None"),
        (lambda: Features(axis=2).grid((3, 4)), "axis 2: a sample of shape (3, 4) has 2; give one of them"),
        (
            lambda: Features(pool=(2, 2)).grid((3, 4)),
            "pool (2, 2) has 2 numbers; of a sample of shape (3, 4), 1 axes are pooled: (4,)",
        ),
    ],
)
def test_features_that_are_none(make: Any, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        make()
    assert str(error.value) == message


# Networks of other kinds -----------------------------------------------------------------------------------------


def test_tokens_of_texts_of_two_lengths() -> None:
    """A mean of word vectors: R_ij = ⟨v_i, v'_j⟩ / (T T'), token against token, exactly."""
    table = exact(*[[int(v) for v in row] for row in RNG.integers(-4, 5, (6, 3))])
    net = Network.sequential([Embedding(table), lrp.layers.Transpose((0, 2, 1)), GlobalAveragePool()])
    x, y = np.array([[1, 0, 5, 5]]), np.array([[2, 5]])
    e = lrp.explain_pair(net, x, y, composite=[(GlobalAveragePool, lrp.rules.LRP0())])
    found = e.matrix()[0]
    assert found.shape == (4, 2)
    for i, a in enumerate(x[0]):
        for j, b in enumerate(y[0]):
            assert found[i, j] == sum(p * q for p, q in zip(table[a], table[b], strict=True)) / F(8)
    assert e.account.residual == 0


def two_inputs() -> Network:
    nodes = (
        Node("a", Dense(RNG.normal(size=(3, 4)), RNG.normal(size=4)), ("u",)),
        Node("b", Dense(RNG.normal(size=(2, 4))), ("v",)),
        Node("sum", Add(), ("a", "b")),
    )
    return Network(nodes, (Input("u"), Input("v")), ("sum",))


def test_of_several_inputs_one_is_paired_and_the_rest_is_counted() -> None:
    net = two_inputs()
    x, y = ({"u": RNG.normal(size=(2, 3)), "v": RNG.normal(size=(2, 2))} for _ in range(2))
    e = lrp.explain_pair(net, x, y, at=("u", "v"))
    assert [f.shape for f in e.factors] == [(2, 4, 3), (2, 4, 2)]
    for m in range(4):
        alone = lrp.explain(net, x, target=m)
        np.testing.assert_allclose(e.x.relevance[:, m], alone.relevance["u"], rtol=1e-9)
        np.testing.assert_allclose(e.x.elsewhere[:, m], alone.relevance["v"].sum(axis=1), rtol=1e-9)
    assert e.account.residual < 1e-13
    assert abs(e.account.x["elsewhere"]).min() > 0
    for wrong, message in (
        (None, "x: inputs u, v receive relevance: name the one that is paired, at="),
        (("u", "w"), "y: at='w' is no input that receives relevance; there are: u, v"),
    ):
        with pytest.raises(ParameterError) as error:
            lrp.explain_pair(net, x, y, at=wrong)
        assert str(error.value) == message


def test_a_batch_that_is_not_the_first_axis() -> None:
    weight = RNG.normal(size=(3, 4))
    x, y = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))
    net = Network.sequential([Dense(weight)])
    moved = Network(net.nodes, (Input("input", (3, None), batch_axis=1),), net.outputs, output_axes=(1,))
    found = lrp.explain_pair(moved, x, y).matrix()
    assert np.array_equal(found, lrp.explain_pair(net, x.T, y.T).matrix())


def test_maps_are_embeddings_too_and_a_final_sigmoid_may_be_kept_or_left_out() -> None:
    conv = Conv(RNG.normal(size=(2, 1, 3, 3)), RNG.normal(size=2))
    net, x, y = Network.sequential([conv]), RNG.normal(size=(2, 1, 4, 5)), RNG.normal(size=(2, 1, 4, 5))
    expected = (net.forward(x) * net.forward(y)).reshape(2, -1).sum(axis=1)
    e = lrp.explain_pair(net, x, y)
    assert e.x.embedding.shape == (2, 12)
    np.testing.assert_allclose(e.similarity, expected, rtol=1e-12)
    squashed = Network.sequential([conv, Sigmoid()])
    np.testing.assert_allclose(lrp.explain_pair(squashed, x, y, start="logit").similarity, expected, rtol=1e-12)
    p, q = squashed.forward(x), squashed.forward(y)
    kept = lrp.explain_pair(squashed, x, y)
    np.testing.assert_allclose(kept.similarity, (p * q).reshape(2, -1).sum(axis=1), rtol=1e-12)
    assert kept.account.residual < 1e-13


def test_float32_stays_float32() -> None:
    net, x = image_network().astype("float32"), RNG.normal(size=(1, 2, 5, 7)).astype("float32")
    e = lrp.explain_pair(net, x, x, normalised=True)
    found = (e.similarity, *e.factors, e.matrix(2), e.left, e.right, *e.account.rows().values())
    assert {a.dtype for a in found} == {np.dtype("float32")}
    assert e.account.residual < 1e-5


@pytest.mark.parametrize("normalised", [False, True])
def test_it_stays_on_the_array_module_of_its_inputs(normalised: bool) -> None:
    net, x, y = image_network(), RNG.normal(size=(2, 2, 5, 7)), RNG.normal(size=(2, 2, 5, 7))
    expected = lrp.explain_pair(net, x, y, normalised=normalised)
    e = lrp.explain_pair(net.to(STRICT), to_strict(x), to_strict(y), normalised=normalised)
    for found, host in (
        (e.matrix(2), expected.matrix(2)),
        (e.left, expected.left),
        (e.similarity, expected.similarity),
    ):
        assert type(found) is StrictArray
        np.testing.assert_allclose(found.get(), host, rtol=1e-12, atol=1e-13)
    assert type(e.to_numpy().factors[0]) is np.ndarray
    second = expected.matrix(2)[1]
    ordered = sorted(np.ndindex(second.shape), key=lambda pair: -abs(second[pair]))
    assert [(i, j) for i, j, _ in e.strongest(3, 2, k=1)] == ordered[:3]
    np.testing.assert_allclose([r for *_, r in e.strongest(3, 2, k=1)], [second[pair] for pair in ordered[:3]])
    assert e.account.residual < 1e-13


def test_balls_keep_their_precision() -> None:
    net, x = Network.sequential([Dense(RNG.normal(size=(3, 2)), RNG.normal(size=2))]), RNG.normal(size=(1, 3))
    e = lrp.explain_pair(ball(net, bits=200), ball(x, bits=200), ball(x, bits=200), composite="lrp0")
    radii = [float(v.value.rad()) for a in (e.matrix(), e.account.difference, e.similarity) for v in a.reshape(-1)]
    assert max(radii) < 1e-50


def test_what_has_to_be_known_is_told() -> None:
    net, x = image_network(), RNG.normal(size=(1, 2, 5, 7))
    e = lrp.explain_pair(net, x, x, composite="epsilon_gamma_box", low=-0.5, high=0.5)
    beyond = int((abs(x) > 0.5).sum())
    assert [note.split(" that")[0] for note in e.notes] == [f"{beyond} of 70 values"]
    assert e.notes[0] in repr(e)


# The value, and what is refused ----------------------------------------------------------------------------------


def test_it_prints_what_it_is() -> None:
    net = Network.sequential([Dense(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([0.5, 0.0]))])
    e = lrp.explain_pair(net, np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), composite="lrp0", bias="ignore")
    assert repr(e) == (
        "PairExplanation(lrp0, bias ignore: similarity 8.75, pairs 8.75, 2 units, (2,) × (2,) numbers, "
        "residual 0.0e+00)"
    )
    assert e.to_numpy().similarity.tolist() == [8.75]
    with pytest.raises(IndexError):
        e.sample(1)


def test_memory_is_looked_at_before_it_is_taken_and_the_advice_works() -> None:
    net, x = image_network(), RNG.normal(size=(2, 2, 5, 7))
    with pytest.raises(ParameterError) as error:
        lrp.explain_pair(net, x, x, memory=5_599)
    assert str(error.value) == (
        "the relevance of x for 5 units of 2 samples takes 5,600 bytes, more than memory=5,599: take fewer samples at "
        "a time or an embedding of fewer units, or give memory="
    )
    e = lrp.explain_pair(net, x, x, memory=5_600)
    with pytest.raises(ParameterError) as error:
        e.matrix()
    assert str(error.value) == (
        "the pairs of 35 features with 35, of 2 samples, take 19,600 bytes, more than memory=5,600: pool them, "
        "matrix(8) or --pool 8 takes 8 × 8 pixels together, take e.sample(k), or give memory="
    )
    assert e.matrix(8).shape == (2, 1, 1)
    assert e.matrix(memory=19_600).shape == (2, 35, 35)
    assert e.sample(0).matrix(memory=9_800).shape == (1, 35, 35)
    assert lrp.explain_pair(net, x[:1], x[:1], memory=2_800).similarity.shape == (1,)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            lambda a: {"y": a["y"][:1]}, ShapeError,
            "x has 2 samples and y 1: the k-th of x is compared with the k-th of y",
        ),
        (
            lambda a: {"other": image_network(4)}, ShapeError,
            "the embedding of x has 5 units and that of y 4; they must be as many",
        ),
        (
            lambda a: {"y": a["y"].astype("float32")}, BackendError,
            "x is computed in float64 and y in float32: give both in one, x.astype(y.dtype)",
        ),
        (
            lambda a: {"start": "one_hot"}, ParameterError,
            "start='one_hot': an embedding starts with its own values, 'output', or 'logit'",
        ),
        (lambda a: {"composite": "epsilom"}, ParameterError, "unknown composite 'epsilom': did you mean 'epsilon'?"),
        (lambda a: {"target": 3}, ParameterError, "explain_pair itself takes other, composite, start"),
        (lambda a: {"x": a["x"][:, :1]}, LrpError, "node 'conv1'"),
    ],
)  # fmt: skip
def test_refusals(change: Any, kind: type[LrpError], message: str) -> None:
    given: dict[str, Any] = {"x": RNG.normal(size=(2, 2, 5, 7)), "y": RNG.normal(size=(2, 2, 5, 7))}
    with pytest.raises(kind) as error:
        lrp.explain_pair(image_network(), **{**given, **change(given)})
    assert message in str(error.value)


@pytest.mark.parametrize("reduce", [(1, 2, 3), "pixels", 2.0, True, (Features(),)])
def test_what_is_no_reduction(reduce: Any) -> None:
    net = Network.sequential([Dense(np.eye(2))])
    e = lrp.explain_pair(net, np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(ParameterError, match=r"give the width of a pool, lrp\.bilrp\.Features"):
        e.matrix(reduce)


def test_what_a_rule_drops_on_one_side_is_weighted_with_what_arrives_on_the_other() -> None:
    """z⁺ on x = (1, 1), φ = (3, −4): nothing is positive of −4, it is dropped; of y, φ = (1, −2), all arrives."""
    net = Network.sequential([Dense(exact([1, -1], [2, -3]))])
    x, y = exact([1, 1]), exact([-1, 1])
    account = lrp.explain_pair(net, x, y, composite=lrp.rules.ZPlus()).account
    rows = {what: part[0] for what, part in account.rows().items() if part[0]}
    assert rows == {"similarity": 11, "pairs": 3, "dropped of x": 8}
    both = lrp.explain_pair(net, x, x, composite=lrp.rules.ZPlus()).account
    assert (both.pairs[0], both.both[0], both.residual) == (9, 16, 0)


@pytest.mark.parametrize("at", [("a",), ("a", "b", "c"), ()])
def test_at_names_one_input_or_one_of_each_side(at: Any) -> None:
    net = Network.sequential([Dense(np.ones((2, 2)))])
    with pytest.raises(ParameterError, match="give one name, or a tuple of two"):
        lrp.explain_pair(net, np.ones((1, 2)), np.ones((1, 2)), at=at)
    assert lrp.explain_pair(net, np.ones((1, 2)), np.ones((1, 2)), at=("input", "input")).similarity.tolist() == [8.0]
