"""Certificates: are the bounds true, and is everything that is not what was certified refused?

Expected values come from exact rationals of the same network and from formulas written out here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import exact as cert
from lrp_ref.cli import main
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, ShapeError
from lrp_ref.layers import (
    Constant,
    Conv,
    Dense,
    Flatten,
    Identity,
    MatMul,
    MaxPool,
    Multiply,
    ReLU,
    Softmax,
    Sum,
    Tanh,
    Transpose,
)
from lrp_ref.network import Node
from lrp_ref.rules import share as sharing

flint = pytest.importorskip("flint")
ROOT = Path(__file__).parents[2]
MLP, DIGITS = ROOT / "models" / "digits8_mlp.npz", ROOT / "models" / "samples" / "digits8_test10.npz"


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def network(seed: int = 0) -> lrp.Network:
    rng = np.random.default_rng(seed)
    return lrp.Network.sequential(
        [
            Conv(rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3), padding=1),
            ReLU(),
            MaxPool(2),
            Flatten(),
            Dense(rng.normal(size=(27, 4)), rng.normal(size=4)),
        ]
    )


def image(seed: int = 1, n: int = 2) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(n, 1, 6, 6))


def exact(net: lrp.Network, x: np.ndarray[Any, Any], **question: Any) -> lrp.Explanation:
    return lrp.explain(lrp.arithmetic.rational(net), lrp.arithmetic.rational(x), trace=True, **question)


@pytest.fixture(scope="module")
def made() -> cert.Certificate:
    return lrp.certify(network(), image(), composite="epsilon_plus")


# -- the bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus_flat", "epsilon_alpha2_beta1"])
def test_bounds_hold_for_the_true_error_and_are_tight(composite: str) -> None:
    net, x = network(), image()
    certificate = lrp.certify(net, x, composite=composite)
    floats = lrp.explain(net, x, composite=composite, trace=True)
    true = exact(net, x, composite=composite, target=floats.target)
    assert certificate.verdict == "certified"
    for row in certificate.nodes:
        for kind, bound, ulps in (
            ("relevance", row.relevance_error, row.relevance_ulp),
            ("values", row.value_error, row.value_ulp),
        ):
            a, b = getattr(floats.trace, kind)[row.node], getattr(true.trace, kind)[row.node]
            off = [
                [abs(Fraction(u) - v) for u, v in zip(p.flat, q.flat, strict=True)] for p, q in zip(a, b, strict=True)
            ]
            error = max(max(sample) for sample in off)
            assert error <= Fraction(bound) <= error * Fraction(1001, 1000) + Fraction(1, 2**80)
            in_ulp = max(
                float(max(sample)) / np.spacing(max(float(abs(v)) for v in q.flat))
                for sample, q in zip(off, b, strict=True)
            )
            assert ulps == pytest.approx(in_ulp, rel=1e-3, abs=1e-12)


FAMILIES = ("attnlrp", "cp_lrp", "mamba_lrp", "relp")


@pytest.mark.parametrize("composite", FAMILIES)
def test_networks_whose_gates_receive_nothing_are_certified(composite: str) -> None:
    """Zeros that nothing computed: of a constant factor, and of the scores of an attention."""
    rng = np.random.default_rng(4)
    nodes = (
        Node("keys", Transpose((0, 2, 1)), ("x",)),
        Node("scores", MatMul(), ("x", "keys")),
        Node("weights", Softmax(-1), ("scores",)),
        Node("read", MatMul(), ("weights", "x")),
        Node("row", Constant(rng.normal(size=(1, 3))), ("x",)),
        Node("gated", Multiply(), ("read", "row")),
        Node("top", Dense(rng.normal(size=(3, 2)), rng.normal(size=2)), ("gated",)),
        Node("sum", Sum((1,), keepdims=False), ("top",)),
    )
    net, x = lrp.Network(nodes, (lrp.Input("x", (None, 2, 3)),), ("sum",)), rng.normal(size=(2, 2, 3))
    made = lrp.certify(net, x, composite=composite)
    assert made.certified
    e = lrp.explain(net, x, composite=composite)
    truth = (made.truth or {})["x"]
    assert np.all(np.abs(e.relevance - truth.midpoint) <= 1e-12 * np.abs(truth.midpoint).max())
    rational = net.until("gated").replaced({"weights": Identity()})  # without a softmax, everything has an exact value
    made = lrp.certify(rational, x, composite=composite, target=1)
    whole = exact(rational, x, composite=composite, target=1)
    wanted = whole.relevance.astype(float)
    truth = (made.truth or {})["x"]
    assert np.all(np.abs(wanted - truth.midpoint) <= truth.radius)
    assert made.certified


def test_the_condition_number_is_that_of_the_formula() -> None:
    w, b, x = np.array([[3.0, -2.0], [1.0, 5.0]]), np.array([0.5, -1.0]), np.array([[2.0, -1.0], [1.0, 0.25]])
    row = lrp.certify(lrp.Network.sequential([Dense(w, b)]), x).nodes[0]
    kappa = np.zeros((2, 2))
    for n in range(2):
        for j in range(2):
            z = [x[n, i] * w[i, j] for i in range(2)]
            kappa[n, j] = (sum(abs(v) for v in z) + abs(b[j])) / abs(sum(z) + b[j])
    assert row.condition == pytest.approx(kappa.max(), rel=1e-12)
    assert row.condition_unit == np.unravel_index(kappa.argmax(), kappa.shape)


def test_the_condition_number_of_a_cancelling_convolution_is_large() -> None:
    weight = np.array([[[[1.0, -1.0]]]])
    net = lrp.Network.sequential([Conv(weight, np.array([2.0**-30])), Flatten()])
    row = next(n for n in lrp.certify(net, np.ones((1, 1, 1, 2)), target=0).nodes if n.node == "conv1")
    assert row.condition == (2 + 2.0**-30) * 2**30


def test_precision_grows_until_comparisons_are_decided() -> None:
    """In 128 bits 1 + 2⁻²⁰⁰ is [1 ± …]: less 1 it may be 0, and the ReLU is undecided."""
    x = np.array([[1.0, 2.0**-100, 1.0]])
    net = lrp.Network.sequential([Dense(np.array([[1.0], [2.0**-100], [-1.0]])), ReLU(), Dense(np.ones((1, 1)))])
    certificate = lrp.certify(net, x, bits=64)
    assert certificate.certified
    assert certificate.bits == 256
    (kink,) = (d for d in certificate.decisions if d.kind == "kink")
    assert (kink.margin, kink.ties) == (2.0**-200, 0)


def test_decisions_closer_than_rounding_are_counted() -> None:
    """0.1 + 0.2 − 0.3 is 2⁻⁵⁴ exactly in these floats, and 2⁻⁵⁴·k or 0 in float64 sums."""
    x = np.array([[0.1, 0.2, 0.3, 1.0]])
    net = lrp.Network.sequential(
        [Dense(np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]])), ReLU(), Dense(np.ones((2, 1)))]
    )
    true = Fraction(0.1) + Fraction(0.2) - Fraction(0.3)
    certificate = lrp.certify(net, x)
    (kink,) = (d for d in certificate.decisions if d.kind == "kink")
    assert true > 0
    assert kink.margin == pytest.approx(float(true), rel=1e-9)
    assert (kink.close, kink.ties, kink.unit) == (1, 0, (0, 0))


def test_exact_ties_are_reported_with_node_and_unit() -> None:
    x = np.array([[[[1.0, 3.0, 2.0, 0.5], [3.0, 0.0, 1.0, 1.0]]]])
    net = lrp.Network.sequential([MaxPool(2), Flatten(), Dense(np.ones((2, 1)))])
    certificate = lrp.certify(net, x)
    (winner,) = (d for d in certificate.decisions if d.kind == "winner")
    assert (winner.node, winner.ties, winner.close, winner.unit, winner.margin) == ("maxpool1", 1, 0, (0, 0, 0, 0), 1.0)
    assert certificate.verdict == "certified with ties"


def test_a_tie_that_no_precision_separates_is_taken_as_equal_and_said() -> None:
    """A mean of three and a third of the sum: equal, and no ball can know it."""
    third = lrp.layers.AveragePool((1, 3))
    x = np.array([[[[1.0, 1.0, 2.0, 2.0, 1.0, 1.0]]]])
    net = lrp.Network.sequential([third, MaxPool((1, 2)), Flatten(), Dense(np.ones((1, 1)))])
    certificate = lrp.certify(net, x, limit=256)
    assert certificate.verdict == "certified with ties"
    assert "maxpool1" in certificate.notes[0]
    (winner,) = (d for d in certificate.decisions if d.kind == "winner")
    assert (winner.ties, winner.unit) == (1, (0, 0, 0, 0))


def test_where_no_field_has_values_an_undecided_tie_is_not_certified() -> None:
    x = np.array([[[[0.3, 0.3]]]])
    net = lrp.Network.sequential([Tanh(), MaxPool((1, 2)), Flatten(), Dense(np.ones((1, 1)))])
    certificate = lrp.certify(net, x, limit=128)
    assert not certificate.certified
    assert certificate.verdict.startswith("not certified: node 'maxpool1'")
    assert certificate.nodes == ()
    found = cert.verify(certificate, net, x, heatmap=np.zeros(x.shape))
    assert [c.what for c in found.checks if not c.holds] == ["verdict", "heatmap"]


def test_a_close_target_is_a_decision() -> None:
    net = lrp.Network.sequential([Dense(np.array([[1.0, 1.0, 0.0]]), np.array([0.0, 2.0**-80, 0.0]))])
    (target,) = (d for d in lrp.certify(net, np.ones((1, 1)), bits=256).decisions if d.kind == "target")
    assert (target.close + target.ties, target.total) == (1, 1)


def test_parameters_belong_to_presets_only() -> None:
    with pytest.raises(ParameterError, match="low= is a parameter of presets, and the composite is Epsilon"):
        lrp.certify(network(), image(), composite=lrp.rules.Epsilon(0.1), low=0)


# -- exact identities ---------------------------------------------------------------------------------------------


def dropped_bias(*arguments: Any) -> tuple[Any, None]:
    message = arguments[1].message
    return message[:, 0] * 0 if message.ndim == 2 else message.sum(axis=tuple(range(1, message.ndim))) * 0, None


@pytest.mark.parametrize("system", ["rational", "field"])
def test_a_ledger_without_its_bias_term_is_found(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cert.identities(network(), image(), system=system)
    assert whole.hold
    assert whole.rows == 5
    monkeypatch.setattr(sharing, "_bias_mass", dropped_bias)
    broken = cert.identities(network(), image(), system=system)
    assert broken.nonzero == ("dense1", "conv1")
    assert not broken.hold


def test_a_broken_ledger_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_bias_mass", dropped_bias)
    verdict = lrp.certify(network(), image()).verdict
    assert verdict == "not certified: the ledger does not close at dense1, conv1"


def test_the_probability_is_stated_and_small() -> None:
    found = cert.identities(network(), image(), system="field")
    units = 3 * 36 * 2 + 27 * 2 + 4
    bits = 4 * units * 4096
    assert found.probability == pytest.approx(5 * (bits / 60 / 2.6e16) ** 2)
    assert all(p.bit_length() == 61 for p in found.primes)


def test_transcendental_networks_are_refused_with_the_reason() -> None:
    net = lrp.Network.sequential([Dense(np.ones((2, 2))), Tanh(), Dense(np.ones((2, 1)))])
    certificate = lrp.certify(net, np.array([[0.3, 0.1]]))
    assert "tanh has no exact value" in certificate.identities.refused
    assert not certificate.identities.hold
    assert certificate.certified


# -- hashes, files ------------------------------------------------------------------------------------------------


def test_the_hash_of_a_network_depends_on_every_part() -> None:
    net = network()
    others = [
        net.map_arrays(lambda a: np.nextafter(a, 2) if a.shape == (4,) else a),
        net.replaced({"maxpool1": MaxPool(2, ties="share")}),
        replace(net, inputs=(lrp.Input("other"),), nodes=(replace(net.nodes[0], inputs=("other",)), *net.nodes[1:])),
        net.astype("float32"),
    ]
    assert len({cert.network_hash(n) for n in (net, *others)}) == 5
    assert cert.network_hash(net) == cert.network_hash(network())


def test_arrays_of_the_same_bytes_and_another_shape_have_another_hash() -> None:
    a = np.arange(6.0)
    assert len({cert.array_hash(v) for v in (a, a.reshape(2, 3), a.view("int64"), a.astype("float32"))}) == 4
    assert cert.array_hash(np.asfortranarray(a.reshape(2, 3))) == cert.array_hash(a.reshape(2, 3))


def test_saved_certificates_are_loaded_as_they_were(made: cert.Certificate, tmp_path: Path) -> None:
    infinite = replace(made, nodes=(replace(made.nodes[0], own_ulp=math.inf), *made.nodes[1:]))
    for certificate in (made, infinite):
        path = certificate.save(tmp_path / "c.json")
        assert lrp.Certificate.load(path) == certificate
    assert json.loads(path.read_text())["format"] == "lrp-certificate 1"
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: "{",
        lambda c: "[1]",
        lambda c: json.dumps({**c, "format": "lrp-certificate 2"}),
        lambda c: json.dumps({k: v for k, v in c.items() if k != "sha256"}),
        lambda c: json.dumps({**c, "nodes": [1]}),
        lambda c: json.dumps({**c, "request": {"nobody": 1}}),
    ],
)
def test_damaged_certificates_are_refused(damage: Callable[[Any], str], made: cert.Certificate, tmp_path: Path) -> None:
    path = made.save(tmp_path / "c.json")
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(ModelFormatError, match=r"certificate|format"):
        lrp.Certificate.load(path)


def test_it_prints(made: cert.Certificate) -> None:
    assert "certified" in repr(made)
    assert made.table().count("\n") > 10
    assert "<table>" in made._repr_html_()


# -- verification -------------------------------------------------------------------------------------------------


def relevance(net: lrp.Network | None = None, **question: Any) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = lrp.explain(
        net or network(), image(), **{"composite": "epsilon_plus", **question}
    ).relevance
    return found


def test_the_certified_heatmap_is_accepted(made: cert.Certificate) -> None:
    found = cert.verify(made, network(), image(), heatmap=relevance())
    assert found.accepted
    assert len(found.checks) == 8
    assert cert.verify(made, network(), image(), heatmap=bias(lrp.edits.ZERO), system="none").accepted


def test_a_heatmap_of_another_order_of_summation_is_accepted(made: cert.Certificate) -> None:
    true = exact(network(), image(), composite="epsilon_plus", target=np.array(made.request.target)).relevance
    assert cert.verify(made, network(), image(), heatmap=true.astype(float)).accepted


def bias(edit: lrp.edits.Edit) -> np.ndarray[Any, Any]:
    """ε in the dense layer and z⁺ in the convolution, with the bias of the latter added to its denominator or not."""
    runs = ((lrp.edits.POS, lrp.edits.POS, edit), (lrp.edits.NEG, lrp.edits.NEG, lrp.edits.ZERO))
    group = lrp.Group(tuple(lrp.Run(*r) for r in runs), stabiliser=lrp.edits.add(1e-6))
    return relevance(composite=[(Conv, lrp.Rule((group,))), (Dense, lrp.rules.Epsilon(1e-6))])


def one_pixel(change: float) -> np.ndarray[Any, Any]:
    r = relevance()
    r[1, 0, 2, 3] += change * np.spacing(abs(r[1]).max())
    return r


WRONG: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
    "a pixel by 12 ulp": lambda: one_pixel(12),
    "a pixel that is not a number": lambda: one_pixel(math.nan),
    "another rule": lambda: relevance(composite="epsilon"),
    "the bias added to the denominators": lambda: bias(lrp.edits.POS),
    "the bias left out of ε": lambda: relevance(
        composite=[(Conv, lrp.rules.ZPlus(lrp.edits.add(1e-6))), (Dense, lrp.rules.Epsilon(1e-6).with_bias("ignore"))]
    ),
    "another epsilon": lambda: relevance(
        composite=[(Conv, lrp.rules.ZPlus(lrp.edits.add(1e-6))), (Dense, lrp.rules.Epsilon(1e-7))]
    ),
    "samples exchanged": lambda: relevance()[::-1],
    "float32": lambda: relevance().astype("float32"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_heatmaps_are_refused(name: str, made: cert.Certificate) -> None:
    found = cert.verify(made, network(), image(), heatmap=WRONG[name](), system="none")
    assert [c.what for c in found.checks if not c.holds] == ["heatmap of 'input'"]


def test_more_ulp_can_be_allowed(made: cert.Certificate) -> None:
    assert cert.verify(made, network(), image(), heatmap=relevance().astype("float32"), ulp=2.0**29).accepted
    assert not cert.verify(made, network(), image(), heatmap=relevance(), ulp=0).accepted


FORGED: dict[str, tuple[Callable[[cert.Certificate], cert.Certificate], str]] = {
    "another rule": (lambda c: replace(c, request=replace(c.request, composite="epsilon")), "rules"),
    "another verdict": (lambda c: replace(c, verdict="certified with ties"), "verdict"),
    "another truth": (lambda c: replace(c, hashes=replace(c.hashes, truth={"input": "0" * 64})), "true relevance"),
    "a bound understated": (
        lambda c: replace(c, nodes=tuple(replace(n, relevance_ulp=n.relevance_ulp / 1e6) for n in c.nodes)),
        "bounds",
    ),
    "another target": (lambda c: replace(c, request=replace(c.request, target=[[0], [0]])), "explained output"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_certificates_are_refused(name: str, made: cert.Certificate) -> None:
    forge, what = FORGED[name]
    found = cert.verify(forge(made), network(), image(), system="none")
    assert what in [c.what for c in found.checks if not c.holds]


def test_another_model_or_input_is_refused_before_anything_is_computed(made: cert.Certificate) -> None:
    for net, x, what in ((network(5), image(), "model"), (network(), image(5), "input")):
        found = cert.verify(made, net, x)
        assert [c.what for c in found.checks if not c.holds] == [what]
        assert len(found.checks) == 2


def test_what_cannot_be_compared_is_an_error(made: cert.Certificate) -> None:
    with pytest.raises(ShapeError, match="heatmap"):
        cert.verify(made, network(), image(), heatmap=relevance()[0], system="none")
    custom = lrp.certify(network(), image(), composite=lrp.rules.Epsilon(0.1), system="none")
    with pytest.raises(LrpError, match="no preset"):
        cert.verify(custom, network(), image())
    assert cert.verify(custom, network(), image(), composite=lrp.rules.Epsilon(0.1), system="none").accepted
    assert not cert.verify(custom, network(), image(), composite=lrp.rules.Epsilon(0.2), system="none").accepted


# -- the commands -------------------------------------------------------------------------------------------------


def test_certify_and_verify_on_the_command_line(tmp_path: Path) -> None:
    model, file = tmp_path / "mlp.npz", tmp_path / "c.json"
    model.write_bytes(MLP.read_bytes())
    found = run("certify", model, DIGITS, "--sample", 3, "-c", "epsilon", "-o", file)
    assert found.exit_code == 0, found.output
    assert "residual exactly 0 on rationals" in found.output
    assert run("verify", file).exit_code == 0

    x = np.load(DIGITS)["image"][3:4].astype("float64")
    r = lrp.explain(lrp.load(MLP).astype("float64"), x, composite="epsilon").relevance
    good, bad = tmp_path / "good.npy", tmp_path / "bad.npz"
    np.save(good, r)
    r[0, 0, 4, 4] += 1e-9
    np.savez(bad, image=r)
    assert run("verify", file, "--heatmap", good).exit_code == 0
    refused = run("verify", file, "--heatmap", bad)
    assert refused.exit_code == 1
    assert "at (0, 0, 4, 4)" in refused.output
    for status, arguments in (
        (2, ("--heatmap", tmp_path / "nothing.npy")),
        (2, ("--heatmap", file)),
        (2, ("--input", tmp_path / "nothing.npz")),
        (2, ("--model", file)),
    ):
        assert run("verify", file, *arguments).exit_code == status
    assert run("certify", model, DIGITS).exit_code == 2  # several samples

    net = lrp.load(MLP)
    dense = net["dense1"].layer
    assert isinstance(dense, Dense)
    weight = dense.weight.copy()
    weight[3, 5] = np.nextafter(weight[3, 5], np.float32(9))
    lrp.save(net.replaced({"dense1": replace(dense, weight=weight)}), model)
    changed = run("verify", file)
    assert changed.exit_code == 1
    assert "model" in changed.output


def test_explanations_that_cannot_be_certified_end_with_1(tmp_path: Path) -> None:
    net = lrp.Network.sequential([Tanh(), MaxPool((1, 2)), Flatten(), Dense(np.ones((1, 1)))])
    lrp.save(net, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.array([[[[0.3, 0.3]]]]))
    found = run("certify", tmp_path / "net.npz", tmp_path / "x.npy", "--limit", 128, "-o", tmp_path / "c.json")
    assert found.exit_code == 1
    assert found.output.startswith("not certified")
    assert lrp.Certificate.load(tmp_path / "c.json").nodes == ()
