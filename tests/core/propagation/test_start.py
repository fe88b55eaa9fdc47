"""Start relevances against loops written from the papers, and against explicit networks."""

from __future__ import annotations

import math
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import BackendError, LrpError, NonFiniteError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Dense, Flatten, ReLU, Reshape
from lrp_ref.network import Network
from lrp_ref.propagation.start import STARTS, Logit, Reference, start_relevance
from lrp_ref.rules.edits import NEG, POS, ZERO
from lrp_ref.rules.groups import Group, Run

RNG = np.random.default_rng(11)
OUTPUT = np.array([[1.5, -2.0, 0.0, 3.25], [-1.0, -0.5, -4.0, -0.25], [2.0, 2.0, -1.0, 2.0]])
TARGETS = [3, 1, 0]


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def probabilities(f: Any) -> list[float]:
    total = sum(math.exp(v) for v in f)
    return [math.exp(v) / total for v in f]


def literal(start: str, f: Any, t: int) -> list[float]:
    """R_k of one sample with the outputs f and the target t, number by number."""
    found, classes = [], len(f)
    for k in range(classes):
        match start:
            case "logit" | "output":  # Bach et al. 2015: f_t, nothing from the others
                r = f[k] if k == t else 0.0
            case "one_hot":
                r = 1.0 if k == t else 0.0
            case "positive":
                r = max(f[k], 0.0)
            case "probability":
                r = probabilities(f)[k] if k == t else 0.0
            case "contrastive" | "clrp":  # Gu et al. 2018: the others share −f_t
                r = f[t] if k == t else -f[t] / (classes - 1)
            case "softmax_gradient" | "sglrp":  # Iwana et al. 2019, ∂p_t/∂f_k
                p = probabilities(f)
                r = p[t] * (1 - p[t]) if k == t else -p[t] * p[k]
            case "log_odds":  # Montavon et al. 2019, §10.4: p_k among the others
                among = sum(math.exp(f[c]) for c in range(classes) if c != t)
                r = f[t] if k == t else -math.exp(f[k]) / among * f[k]
            case _:
                raise AssertionError(start)
        found.append(r)
    return found


@pytest.mark.parametrize("start", STARTS)
def test_every_start_is_its_loop(start: str) -> None:
    found, targets, described = start_relevance(OUTPUT, TARGETS, start)
    expected = np.array([literal(start, f, t) for f, t in zip(OUTPUT.tolist(), TARGETS, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
    assert targets.tolist() == [[3], [1], [0]]
    assert described == repr(STARTS[start])


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_samples_are_independent(start: str, dtype: Any) -> None:
    output = OUTPUT.astype(dtype) * np.array([[1], [100], [1e-3]], dtype)
    found, _, _ = start_relevance(output, TARGETS, start)
    assert found.dtype == dtype
    for n in range(3):
        alone, _, _ = start_relevance(output[n : n + 1], TARGETS[n], start)
        assert np.array_equal(found[n : n + 1], alone)


@pytest.mark.parametrize("start", STARTS)
def test_an_empty_batch(start: str) -> None:
    found, targets, _ = start_relevance(np.zeros((0, 4)), None, start)
    assert found.shape == (0, 4)
    assert targets.shape == (0, 1)


@pytest.mark.parametrize("start", STARTS)
def test_large_outputs_do_not_overflow(start: str) -> None:
    with np.errstate(all="raise", under="ignore"):
        found, _, _ = start_relevance(np.array([[1e4, -1e4, 9e3]]), 1, start)
    assert np.isfinite(found).all()


def test_reference_value() -> None:
    found, _, described = start_relevance(OUTPUT, TARGETS, Reference(0.5))
    expected = np.zeros((3, 4))
    for n, t in enumerate(TARGETS):
        expected[n, t] = OUTPUT[n, t] - 0.5
    assert np.array_equal(found, expected)
    assert described == "Reference(value=0.5)"


def test_the_softmax_gradient_is_the_derivative_of_the_probability() -> None:
    step = 1e-6
    found, _, _ = start_relevance(OUTPUT, TARGETS, "sglrp")
    for n, t in enumerate(TARGETS):
        for k in range(4):
            up, down = OUTPUT[n].copy(), OUTPUT[n].copy()
            up[k] += step
            down[k] -= step
            slope = (probabilities(up)[t] - probabilities(down)[t]) / (2 * step)
            assert abs(found[n, k] - slope) < 1e-9


# Log-odds: the explicit network ------------------------------------------------------------------------------


def differences(weight: Any, bias: Any, t: int) -> tuple[Any, Any]:
    """The layer whose neurons are z_k = f_t − f_k, k ≠ t: weights w_t − w_k and biases b_t − b_k."""
    others = [k for k in range(weight.shape[1]) if k != t]
    return weight[:, [t]] - weight[:, others], bias[t] - bias[others]


@pytest.mark.parametrize("t", range(4))
def test_log_odds_are_the_network_of_differences_with_soft_min_pooling(t: int) -> None:
    """η = −log Σ exp(−z_k); soft-min pooling shares it as R_k = z_k exp(−z_k)/Σ exp(−z); then LRP-0."""
    first, weight, bias = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
    x = RNG.normal(size=(2, 5))
    hidden = Network.sequential([("a", Dense(first)), ("relu", ReLU())])
    top = Network.sequential([*((n.name, n.layer) for n in hidden.nodes), ("top", Dense(weight, bias))])
    w, b = differences(weight, bias, t)
    merged = top.replaced({"top": Dense(w, b)})
    z = merged.forward(x)
    pooled = np.array([[zk * math.exp(-zk) / sum(math.exp(-v) for v in row) for zk in row] for row in z])
    expected = lrp.explain(merged, x, start=pooled, composite=rules.LRP0()).relevance
    e = lrp.explain(top, x, target=t, start="log_odds", composite=rules.LRP0())
    np.testing.assert_allclose(e.relevance, expected, rtol=1e-10, atol=1e-12)
    # What starts is the soft-min pooled sum, and the sum of the start relevances says so.
    np.testing.assert_allclose(e.start_relevance.sum(axis=1), pooled.sum(axis=1), rtol=1e-12)


def test_clrp_is_the_target_minus_the_mean_of_the_others() -> None:
    """By linearity: one explanation from f_t at the target, less one from f_t/(K − 1) at each of the others."""
    net = Network.sequential([Dense(RNG.normal(size=(5, 6))), ReLU(), Dense(RNG.normal(size=(6, 3)), np.ones(3))])
    x = RNG.normal(size=(1, 5))
    f = net.forward(x)
    found = lrp.explain(net, x, target=1, start="clrp", composite=rules.LRP0()).relevance

    def only(k: int, value: float) -> Any:
        start = np.zeros((1, 3))
        start[0, k] = value
        return lrp.explain(net, x, start=start, composite=rules.LRP0()).relevance

    expected = only(1, f[0, 1]) - only(0, f[0, 1] / 2) - only(2, f[0, 1] / 2)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_clrp_of_two_classes_and_on_rationals() -> None:
    """Two classes: R = (f_t, −f_t). Four, exactly: f_t at t and −f_t/3 elsewhere, which add up to 0."""
    assert start_relevance(np.array([[3.0, -2.0]]), 1, "clrp")[0].tolist() == [[2.0, -2.0]]
    f = exact(["1/2", "-2/3", 5, 0], [1, "7/5", "-1/3", 2])
    found, _, _ = start_relevance(f, [1, 2], "clrp")
    assert found.tolist() == [[F(2, 9), F(-2, 3), F(2, 9), F(2, 9)], [F(1, 9), F(1, 9), F(-1, 3), F(1, 9)]]


def test_sglrp_of_two_classes_is_the_slope_of_the_sigmoid() -> None:
    """p = σ(f_0 − f_1): R_0 = σ(1 − σ) = −R_1."""
    found, _, _ = start_relevance(np.array([[1.0, 0.25]]), 0, "sglrp")
    p = 1 / (1 + math.exp(-0.75))
    np.testing.assert_allclose(found, [[p * (1 - p), -p * (1 - p)]], rtol=1e-15)


def test_clrp2_is_two_groups_on_the_top_layer() -> None:
    """Gu et al. 2018: LRP from f_t less LRP from f_t at a virtual class with the weights −w_t; z⁺ on the top layer."""
    rng = np.random.default_rng(11)
    first, weight, x = rationals(rng, 5, 4), rationals(rng, 4, 3), rationals(rng, 3, 5)
    net = Network.sequential([("a", Dense(first)), ("relu", ReLU()), ("top", Dense(weight))])
    plus = Group((Run(POS, POS, ZERO), Run(NEG, NEG, ZERO)))
    minus = Group((Run(POS, NEG, ZERO), Run(NEG, POS, ZERO)), weight=-1)
    found = lrp.explain(net, x, target=1, composite=[("top", rules.Rule((plus, minus))), (Dense, rules.LRP0())])

    def literal_clrp2(sample: Any) -> list[Any]:
        hidden = [max(sum(a * w for a, w in zip(sample, column, strict=True)), F(0)) for column in first.T]
        score = sum(h * w for h, w in zip(hidden, weight[:, 1], strict=True))
        relevance = [F(0)] * len(hidden)
        for sign in (1, -1):
            positive = [h * max(sign * w, F(0)) for h, w in zip(hidden, weight[:, 1], strict=True)]
            total = sum(positive)
            relevance = [
                r + (sign * z / total * score if total else 0) for r, z in zip(relevance, positive, strict=True)
            ]
        received = [F(0)] * len(sample)
        for j, h in enumerate(hidden):
            for i, a in enumerate(sample):
                received[i] += a * first[i, j] / h * relevance[j] if h else 0
        return received

    expected = [literal_clrp2(sample) for sample in x]
    assert found.relevance.tolist() == expected
    assert any(v for row in expected for v in row)
    assert found.ledger.residual == 0
    both = lrp.explain(net, x, target=1, composite=[(Dense, rules.LRP0())]).relevance
    negated = net.replaced({"top": Dense(-weight)})
    assert (both == -lrp.explain(negated, x, target=1, composite=[(Dense, rules.LRP0())]).relevance).all()


# Targets -----------------------------------------------------------------------------------------------------


def test_no_target_is_the_largest_output_of_each_sample() -> None:
    found, targets, _ = start_relevance(OUTPUT)
    assert targets.tolist() == [[3], [3], [0]], "the first of equal ones"
    assert [row.tolist() for row in found] == [[0, 0, 0, 3.25], [0, 0, 0, -0.25], [2.0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (2, [[2], [2], [2]]),
        (np.int64(2), [[2], [2], [2]]),
        ([0, 1, 2], [[0], [1], [2]]),
        (np.array([0, 1, 2], np.uint8), [[0], [1], [2]]),
        ([[0], [1], [2]], [[0], [1], [2]]),
        ([[0, 1]], [[0, 1]] * 3),
        ([[0, 1], [1, 2], [3, 3]], [[0, 1], [1, 2], [3, 3]]),
    ],
)
def test_forms_of_targets(target: Any, expected: list[list[int]]) -> None:
    found, targets, _ = start_relevance(OUTPUT, target)
    assert targets.tolist() == expected
    for n, row in enumerate(expected):
        assert found[n].tolist() == [OUTPUT[n, k] if k in row else 0.0 for k in range(4)]


def test_one_hot_of_several_targets() -> None:
    found, _, _ = start_relevance(OUTPUT, [[0, 1], [1, 2], [3, 3]], "one_hot")
    assert found.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_outputs_of_more_axes_count_in_c_order() -> None:
    output = np.arange(12.0).reshape(2, 2, 3)
    found, targets, _ = start_relevance(output, 4)
    assert found.shape == (2, 2, 3)
    assert found[1].tolist() == [[0, 0, 0], [0, 10, 0]]
    assert targets.tolist() == [[4], [4]]
    assert start_relevance(output)[1].tolist() == [[5], [5]]


def test_one_number_per_sample_is_one_output() -> None:
    found, targets, _ = start_relevance(np.array([2.0, -3.0]))
    assert found.tolist() == [2.0, -3.0]
    assert targets.tolist() == [[0], [0]]
    with pytest.raises(ParameterError, match=r"target 1 is out of range: the output has 1 classes, 0 to 0"):
        start_relevance(np.array([2.0, -3.0]), 1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (4, "target 4 is out of range: the output has 4 classes, 0 to 3"),
        (-1, "target -1 is out of range: the output has 4 classes, 0 to 3"),
        ([0, 1, 7], "target 7 is out of range: the output has 4 classes, 0 to 3"),
        ([0, 1], "2 targets for 3 samples: give one number, one per sample, or (N, T)"),
        ([[0], [1]], "targets of shape (2, 1) do not fit 3 samples"),
        ([[[0]]], "targets of shape (1, 1, 1) do not fit 3 samples"),
        (1.0, "a target is a class index (integer), got 1.0"),
        (True, "a target is a class index (integer), got True"),
        ("3", "a target is a class index (integer), got '3'"),
        ([], "a target is a class index (integer), got []"),
        ([[0, 1], [2]], "targets [[0, 1], [2]] have rows of different lengths: give (N, T)"),
    ],
)
def test_target_errors(target: Any, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        start_relevance(OUTPUT, target)
    assert str(error.value) == message


@pytest.mark.parametrize("start", ["contrastive", "clrp", "softmax_gradient", "sglrp", "log_odds"])
def test_contrasts_take_one_target(start: str) -> None:
    with pytest.raises(ParameterError, match="contrasts one target with the others; several were given"):
        start_relevance(OUTPUT, [[0, 1]], start)


@pytest.mark.parametrize("start", ["contrastive", "log_odds", "softmax_gradient"])
def test_comparisons_need_two_classes(start: str) -> None:
    """A softmax of one class is 1 whatever its logit, so that everything would be 0; CLRP would be the plain logit."""
    with pytest.raises(ParameterError, match=f"start '{start}' compares classes; the output has 1"):
        start_relevance(np.ones((2, 1)), 0, start)


# Tuples: one index -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_a_tuple_is_one_unit_of_a_map_in_every_sample(samples: int) -> None:
    """Also where there are as many samples as numbers in it."""
    output = RNG.normal(size=(samples, 3, 2, 4))
    found, targets, _ = start_relevance(output, (2, 0, 3))
    assert targets.tolist() == [[2 * 8 + 0 * 4 + 3]] * samples
    expected = np.zeros_like(output)
    expected[:, 2, 0, 3] = output[:, 2, 0, 3]
    assert np.array_equal(found, expected)
    listed, per_sample, _ = start_relevance(output, [5] * samples)
    assert per_sample.tolist() == [[5]] * samples
    assert np.array_equal(listed.reshape(samples, -1)[:, 5], output.reshape(samples, -1)[:, 5])


def test_a_tuple_of_one_number_per_sample_is_what_it_was() -> None:
    assert start_relevance(OUTPUT, (0, 1, 2))[1].tolist() == [[0], [1], [2]]
    assert start_relevance(OUTPUT, (2,))[1].tolist() == [[2]] * 3
    assert start_relevance(OUTPUT, ((0, 1), (1, 2), (3, 3)))[1].tolist() == [[0, 1], [1, 2], [3, 3]]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ((1, 2), "a tuple is one index into a sample's output, here of shape (3, 2, 4) (3 numbers), or one index per "
         "sample (here 5); it has 2 numbers"),
        ((3, 0, 0), "target (3, 0, 0) is out of range: a sample's output has the shape (3, 2, 4)"),
        ((0, -1, 0), "target (0, -1, 0) is out of range"),
        ((0.5, 1, 1), "a target is a class index (integer)"),
        ((), "a target is a class index (integer)"),
    ],
)  # fmt: skip
def test_tuples_that_fit_nothing(target: Any, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        start_relevance(np.zeros((5, 3, 2, 4)), target)
    assert message in str(error.value)


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_targets_of_every_form_reach_every_part_of_a_batch(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is walked in parts gives what its samples give one by one."""
    net = Network.sequential(
        [lrp.layers.Conv(RNG.normal(size=(3, 1, 1, 1))), lrp.layers.Conv(RNG.normal(size=(3, 3, 2, 2)))]
    )
    x = RNG.normal(size=(3, 1, 3, 3))
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", lambda *a: chunk)
    for target in ((2, 1, 0), (0, 1, 1), [3, 4, 5], [[1, 2], [3, 4], [5, 6]], [[7, 8]], np.array(4), 11):
        whole = lrp.explain(net, x, target=target, composite="lrp0")
        for k in range(3):
            each = (
                target
                if isinstance(target, tuple | int) or np.ndim(target) == 0 or len(target) == 1
                else target[k : k + 1]
            )
            alone = lrp.explain(net, x[k : k + 1], target=each, composite="lrp0")
            assert whole.target[k].tolist() == alone.target[0].tolist()
            np.testing.assert_allclose(whole.relevance[k], alone.relevance[0], rtol=1e-12, atol=1e-14)


# One output against another ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("against", [2, [2, 2, 2], np.array([2, 2, 2]), (2,), [[2], [2], [2]]])
def test_the_difference_is_its_loop(against: Any) -> None:
    found, targets, described = start_relevance(OUTPUT, TARGETS, "difference", against=against)
    for n, t in enumerate(TARGETS):
        expected = [0.0] * 4
        expected[t], expected[2] = OUTPUT[n, t], -OUTPUT[n, 2]
        assert found[n].tolist() == expected
        assert found[n].sum() == OUTPUT[n, t] - OUTPUT[n, 2]
    assert targets.tolist() == [[3], [1], [0]]
    assert described.startswith("Difference(against=")


def test_the_difference_on_a_dense_layer_is_the_layer_of_the_difference() -> None:
    """LRP-0 on rationals: w_t − w_a and b_t − b_a, exactly; the ledger's bias column too."""
    weight, bias = RNG.integers(-9, 9, size=(4, 3)) / 8, RNG.integers(1, 9, size=3) / 4
    first = Dense(RNG.integers(-9, 9, size=(5, 4)) / 8, RNG.integers(1, 9, size=4) / 4)
    x = rational(RNG.integers(-9, 9, size=(2, 5)) / 4)
    net = rational(Network.sequential([first, ReLU(), Dense(weight, bias)]))
    merged = rational(
        Network.sequential([first, ReLU(), Dense(weight[:, [2]] - weight[:, [0]], bias[[2]] - bias[[0]])])
    )
    e = lrp.explain(net, x, target=2, start="difference", against=0, composite=rules.LRP0())
    expected = lrp.explain(merged, x, composite=rules.LRP0())
    assert (e.relevance == expected.relevance).all()
    assert (e.started == expected.output[:, 0]).all()
    assert [r.bias.tolist() for r in e.ledger] == [r.bias.tolist() for r in expected.ledger]
    assert {type(v) for v in e.relevance.ravel()} == {Fraction}


def test_the_log_odds_of_two_classes_are_the_difference() -> None:
    two = RNG.normal(size=(5, 2))
    for t in (0, 1):
        a, b = (start_relevance(two, t, s, **k)[0] for s, k in (("log_odds", {}), ("difference", {"against": 1 - t})))
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_a_difference_per_sample_and_of_units_of_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", lambda *a: 2)
    net = Network.sequential([Dense(RNG.normal(size=(3, 4)), RNG.normal(size=4))])
    x = RNG.normal(size=(5, 3))
    e = lrp.explain(net, x, target=[0, 1, 2, 3, 0], start="difference", against=[1, 2, 3, 0, 2], composite="lrp0")
    f = net.forward(x)
    pairs = list(zip([0, 1, 2, 3, 0], [1, 2, 3, 0, 2], strict=True))
    np.testing.assert_allclose(e.started, [f[n, t] - f[n, a] for n, (t, a) in enumerate(pairs)], rtol=1e-15)
    assert e.against.tolist() == [1, 2, 3, 0, 2]
    weight = net.nodes[0].layer.weight
    expected = np.stack([x[n] * (weight[:, t] - weight[:, a]) for n, (t, a) in enumerate(pairs)])
    np.testing.assert_allclose(e.relevance, expected, rtol=1e-12, atol=1e-14)
    conv = Network.sequential([lrp.layers.Conv(np.array([2.0, -3.0]).reshape(2, 1, 1, 1))])
    y = RNG.normal(size=(3, 1, 2, 2))
    e = lrp.explain(conv, y, target=(1, 0, 1), start="difference", against=(0, 1, 1), composite="lrp0")
    expected = np.zeros_like(y)
    expected[:, 0, 0, 1], expected[:, 0, 1, 1] = -3 * y[:, 0, 0, 1], -2 * y[:, 0, 1, 1]
    np.testing.assert_allclose(e.relevance, expected, rtol=1e-14)
    assert (e.against.tolist(), e.asked(2)) == ([3, 3, 3], "(1, 0, 1) against (0, 1, 1)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"start": "difference"},
            "start 'difference' needs its other output: against=9 or start=lrp.start.Difference(9)",
        ),
        ({"against": 1}, "against=1 belongs to start='difference'; with start='logit' leave it out"),
        ({"against": 1, "start": lrp.start.Difference(2)}, "leave it out"),
        ({"start": "difference", "against": 4}, "against 4 is out of range: the output has 4 classes, 0 to 3"),
        ({"start": "difference", "against": [0, 1]}, "2 numbers of against for 3 samples"),
        ({"start": "difference", "against": [[0, 1]]}, "sets one output against the target, not 2"),
        ({"start": "difference", "against": 1, "target": [[0, 2]]}, "several were given"),
        ({"start": "difference", "against": 1, "target": [0, 2, 1]}, "output 1 is the target of sample 2"),
        ({"start": "difference", "against": 0}, "output 0 is the prediction of sample 2"),
    ],
)
def test_differences_refused(options: dict[str, Any], message: str) -> None:
    net = Network.sequential([Dense(np.eye(4))])
    with pytest.raises(ParameterError) as error:
        lrp.explain(net, OUTPUT, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("against", [(1, -1, 0), (1, 3, 0), [1, -1, 0], -1])
def test_a_wrong_index_that_is_set_against_is_called_so(against: Any) -> None:
    net, x = Network.sequential([Dense(RNG.normal(size=(4, 3)))]), RNG.normal(size=(3, 4))
    with pytest.raises(ParameterError, match=r"^against -?\d is out of range: the output has 3 classes, 0 to 2$"):
        lrp.explain(net, x, target=2, start="difference", against=against)


@pytest.mark.parametrize("none", [[], (), np.zeros(0, dtype=int), np.zeros((0, 1), dtype=int)])
@pytest.mark.parametrize("name", ["target", "against"])
def test_one_index_per_sample_of_no_samples(name: str, none: Any) -> None:
    net, x = Network.sequential([Dense(RNG.normal(size=(4, 3)))]), RNG.normal(size=(0, 4))
    e = lrp.explain(net, x, start="difference", **{"target": 0, "against": 0, name: none})
    assert (e.relevance.shape, e.target.shape, e.against.shape) == ((0, 4), (0, 1), (0,))


@pytest.mark.parametrize("wrong", [{1}, {0: 1, 1: 2, 2: 0}, frozenset({1, 2, 0}), [[], [], []], np.zeros((3, 0), int)])
@pytest.mark.parametrize("options", [{}, {"start": "difference"}])
def test_what_is_no_index_is_refused_for_every_start(options: dict[str, Any], wrong: Any) -> None:
    """A set has no order, a dict no rows, and of no index per sample nothing would be explained."""
    net, x = Network.sequential([Dense(RNG.normal(size=(4, 3)))]), RNG.normal(size=(3, 4))
    name = "against" if options else "target"
    with pytest.raises(ParameterError, match=r"class index \(integer\), got|not 0$"):
        lrp.explain(net, x, **options, **{name: wrong})


def test_the_sample_in_the_message_is_that_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", lambda *a: 1)
    net = Network.sequential([Dense(np.eye(4))])
    with pytest.raises(ParameterError, match="output 0 is the prediction of sample 2"):
        lrp.explain(net, OUTPUT, start="difference", against=0)


# Arrays and names --------------------------------------------------------------------------------------------


def test_arrays_of_the_outputs_shape_or_a_samples() -> None:
    given = RNG.normal(size=(3, 4))
    found, targets, described = start_relevance(OUTPUT, None, given)
    assert np.array_equal(found, given)
    assert (targets, described) == (None, "array")
    each, _, _ = start_relevance(OUTPUT, None, [1, 0, 0, -1])
    assert each.tolist() == [[1, 0, 0, -1]] * 3
    single, _, _ = start_relevance(OUTPUT.astype(np.float32), None, given)
    assert single.dtype == np.float32


@pytest.mark.parametrize(
    ("start", "kind", "message"),
    [
        (np.ones((3, 3)), ShapeError, r"start relevance of shape \(3, 3\) does not fit the output \(3, 4\)"),
        (np.ones((1, 4)), ShapeError, r"start relevance of shape \(1, 4\) does not fit"),
        (1.0, ShapeError, r"start relevance of shape \(\) does not fit"),
        (np.array([1, np.nan, 0, 0]), NonFiniteError, "the start relevance has 1 values that are not finite"),
        ([1, "a", 2, 3], ParameterError, "is no name, no lrp.start.Start and no array of numbers"),
        ([[1], [2, 3]], ParameterError, "is no name, no lrp.start.Start and no array of numbers"),
        ("Logit", ParameterError, "unknown start 'Logit': did you mean 'logit'?"),
        ("reference", ParameterError, r"start 'reference' needs its value: start=lrp.start.Reference\(value\)"),
    ],
)
def test_start_errors(start: Any, kind: type[LrpError], message: str) -> None:
    with pytest.raises(kind, match=message):
        start_relevance(OUTPUT, None, start)


def test_a_target_next_to_an_array_would_be_ignored_and_is_refused() -> None:
    with pytest.raises(ParameterError, match="says itself what is explained: leave target out"):
        start_relevance(OUTPUT, 1, np.ones(4))


# Rationals and results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["logit", "one_hot", "positive", "contrastive"])
def test_exact_starts(start: str) -> None:
    found, _, _ = start_relevance(rational(OUTPUT), TARGETS, start)
    expected = [literal(start, list(map(Fraction, f)), t) for f, t in zip(OUTPUT, TARGETS, strict=True)]
    assert found.tolist() == expected
    assert {type(v) for v in found.ravel()} == {Fraction}


@pytest.mark.parametrize("start", ["probability", "sglrp", "log_odds"])
def test_starts_without_exact_value_say_so(start: str) -> None:
    with pytest.raises(UnsupportedError, match="exp has no exact value on rationals"):
        start_relevance(rational(OUTPUT), TARGETS, start)


def test_the_choice_is_stored_in_the_result() -> None:
    net = Network.sequential([Flatten(), Dense(np.eye(4)), Reshape((2, 2))])
    e = lrp.explain(net, OUTPUT, target=[[0, 3]], start=Reference(1.0), composite="lrp0")
    assert e.start == "Reference(value=1.0)"
    assert e.target.tolist() == [[0, 3]] * 3
    assert e.start_relevance.shape == e.output.shape == (3, 2, 2)
    assert e.start_relevance[0].tolist() == [[0.5, 0.0], [0.0, 2.25]]


def test_starts_are_values() -> None:
    assert Logit() == STARTS["logit"]
    assert Reference(1.0) != Reference(2.0)
    assert repr(Logit()) == "Logit()"


@pytest.mark.parametrize("value", [[0.1, 0.2], (1.0,), np.ones(3), "1", None])
def test_a_reference_is_one_number(value: Any) -> None:
    with pytest.raises(ParameterError, match="one number, for all outputs"):
        Reference(value)


def test_no_array_is_no_input() -> None:
    with pytest.raises(BackendError, match="input 'input' is None"):
        lrp.explain(Network.sequential([Dense(np.ones((2, 1)))]), None)
