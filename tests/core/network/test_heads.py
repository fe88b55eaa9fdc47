"""Heads: an explanation starts at the logit below a final sigmoid or softmax, or says that there is none.

The right relevance of a ReLU network by LRP-0 is x·∂logit/∂x, written out here with matrices; probabilities come from
math.exp, the files' outputs from onnxruntime, and the small files' relevances from a folder beside the repository.
"""

from __future__ import annotations

import json
import math
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import canonize, rules
from lrp_ref.arithmetic import rational
from lrp_ref.cli import main
from lrp_ref.errors import LrpError, ParameterError, UnsupportedError
from lrp_ref.layers import (
    Add,
    Affine,
    Clip,
    Concat,
    Conv,
    Dense,
    Exp,
    Flatten,
    Gather,
    GlobalMaxPool,
    HardSigmoid,
    Identity,
    Layer,
    Log,
    Mean,
    Multiply,
    Pad,
    Power,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Split,
    Squeeze,
    Sum,
    Tanh,
    Transpose,
    Unsqueeze,
)
from lrp_ref.network import Input, Network, Node
from lrp_ref.network.gates import gated
from lrp_ref.network.heads import heads

RNG = np.random.default_rng(3)
SHARED = Path(__file__).parents[4] / "shared" / "bug-inputs"
beside = pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is absent: the small files are not distributed")
Steps = list[tuple[str, Layer, tuple[str, ...]]]


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    return RNG.normal(size=shape)


def sigmoid(z: Any) -> Any:
    return np.vectorize(lambda v: 1 / (1 + math.exp(-v)))(z)


def softmax(z: Any, axis: int = 1) -> Any:
    powers = np.exp(z)
    return powers / powers.sum(axis=axis, keepdims=True)


def one(value: float, count: int = 1) -> Any:
    return np.full((count,), value)


class Case:
    """A ReLU network of three logits z with some head, and its right relevances."""

    def __init__(self, steps: Steps, output: str | tuple[str, ...], dtype: str = "float64") -> None:
        shapes = ((4, 5), (5,), (5, 3), (3,))
        self.w1, self.b1, self.w2, self.b2 = (draw(*s).astype(dtype) for s in shapes)
        body = [
            Node("h", Dense(self.w1, self.b1), ("x",)),
            Node("relu", ReLU(), ("h",)),
            Node("z", Dense(self.w2, self.b2), ("relu",)),
        ]
        outputs = (output,) if isinstance(output, str) else output
        self.net = Network((*body, *(Node(*s) for s in steps)), (Input("x", (None, 4)),), outputs)

    def logits(self, x: Any) -> Any:
        return np.maximum(x @ self.w1 + self.b1, 0) @ self.w2 + self.b2

    def relevance(self, x: Any, coefficients: Any) -> Any:
        """x·∂(Σ_k c_k z_k)/∂x for coefficients (N, 3)."""
        opened = (x @ self.w1 + self.b1) > 0
        return x * (((coefficients @ self.w2.T) * opened) @ self.w1.T)


P = ("p", Sigmoid(), ("z",))
S = ("s", Softmax(), ("z",))
E = np.eye(3)
BOTH = np.concatenate([-E, E], axis=1)
# name: nodes above z, the output, which combination of z each number of the output starts at, what makes it (σ or
# softmax or both), and the layers that stay
HEADS: dict[str, tuple[Steps, str, Any, str, list[str]]] = {
    "sigmoid": ([P], "p", E, "sigmoid", []),
    "identity": ([P, ("i", Identity(), ("p",))], "i", E, "sigmoid", []),
    "identity-below": ([("i", Identity(), ("z",)), ("p", Sigmoid(), ("i",))], "p", E, "sigmoid", ["Identity"]),
    "squeeze": (
        [("u", Unsqueeze((2,)), ("z",)), ("p", Sigmoid(), ("u",)), ("q", Squeeze((2,)), ("p",))], "q", E, "sigmoid",
        ["Unsqueeze", "Squeeze"],
    ),
    "slice": ([P, ("c", Slice((1,), (1,), (3,)), ("p",))], "c", E[:, 1:], "sigmoid", ["Slice"]),
    "gather": ([P, ("c", Gather((2, 0, 2)), ("p",))], "c", E[:, [2, 0, 2]], "sigmoid", ["Gather"]),
    "gather-one": ([P, ("c", Gather(1), ("p",)), ("u", Unsqueeze((1,)), ("c",))], "u", E[:, 1:2], "sigmoid",
                   ["Gather", "Unsqueeze"]),
    "split": ([P, ("c", Split((1, 2)), ("p",)), ("f", Flatten(), ("c:1",))], "f", E[:, 1:], "sigmoid",
              ["Split", "Flatten"]),
    "split-output": ([P, ("c", Split((1, 2)), ("p",))], "c:1", E[:, 1:], "sigmoid", ["Split"]),
    "clip": ([P, ("c", Clip(1e-7, 1 - 1e-7), ("p",))], "c", E, "sigmoid", []),
    "threshold": ([P, ("t", Affine(shift=one(-0.5)), ("p",)), ("r", ReLU(), ("t",))], "r", E, "sigmoid", []),
    "log": ([P, ("l", Log(), ("p",))], "l", E, "sigmoid", []),
    "log-clip": ([P, ("c", Clip(1e-7, 1 - 1e-7), ("p",)), ("l", Log(), ("c",))], "l", E, "sigmoid", []),
    "log-offset": ([P, ("a", Affine(shift=one(1e-7)), ("p",)), ("l", Log(), ("a",))], "l", E, "sigmoid", []),
    "minus-log": ([P, ("l", Log(), ("p",)), ("m", Affine(one(-1.0)), ("l",))], "m", -E, "sigmoid", []),
    "percent": ([P, ("m", Affine(one(100.0)), ("p",))], "m", E, "sigmoid", []),
    "range": ([P, ("m", Affine(one(10.0), one(-3.0)), ("p",))], "m", E, "sigmoid", []),
    "one-minus": ([P, ("m", Affine(one(-1.0), one(1.0)), ("p",))], "m", -E, "sigmoid", []),
    "one-minus-channels": ([P, ("m", Affine(one(-1.0, 3), one(1.0, 3)), ("p",))], "m", -E, "sigmoid", []),
    "neg-add": ([P, ("n", Affine(one(-1.0)), ("p",)), ("m", Affine(shift=one(1.0)), ("n",))], "m", -E, "sigmoid", []),
    "twice-one-minus": (
        [P, ("m", Affine(one(-1.0), one(1.0)), ("p",)), ("k", Affine(one(-1.0), one(1.0)), ("m",))], "k", E,
        "sigmoid", [],
    ),
    "one-minus-percent": (
        [P, ("m", Affine(one(100.0)), ("p",)), ("k", Affine(one(-1.0), one(100.0)), ("m",))], "k", -E, "sigmoid", [],
    ),
    "both": (
        [P, ("m", Affine(one(-1.0), one(1.0)), ("p",)), ("c", Concat(), ("m", "p"))], "c", BOTH, "sigmoid",
        ["Dense", "Concat"],
    ),
    "both-log": (
        [P, ("m", Affine(one(-1.0), one(1.0)), ("p",)), ("c", Concat(), ("m", "p")), ("q", Clip(1e-9, 1), ("c",)),
         ("l", Log(), ("q",))], "l", BOTH, "sigmoid", ["Dense", "Concat"],
    ),
    "both-affine": (
        [P, ("c", Concat(), ("p", "p")),
         ("m", Affine(np.array([-1.0] * 3 + [1.0] * 3), np.array([1.0] * 3 + [0.0] * 3)), ("c",))], "m", BOTH,
        "sigmoid", ["Concat", "Affine"],
    ),
    "mixed": ([P, ("c", Concat(), ("z", "p"))], "c", np.concatenate([E, E], axis=1), "mixed", ["Concat"]),
    "twice": ([P, ("q", Sigmoid(), ("p",))], "q", E, "other", []),
    "hard": ([("p", HardSigmoid(), ("z",))], "p", E, "hard", []),
    "hard-one-minus": (
        [("p", HardSigmoid(0.2, 0.4), ("z",)), ("m", Affine(one(-1.0), one(1.0)), ("p",))], "m", -E, "hard", [],
    ),
    "softmax": ([S], "s", E, "softmax", []),
    "log-softmax": ([("s", Softmax(log=True), ("z",))], "s", E, "softmax", []),
    "softmax-clip-log": ([S, ("c", Clip(1e-7, 1), ("s",)), ("l", Log(), ("c",))], "l", E, "softmax", []),
    "softmax-exp": ([("s", Softmax(log=True), ("z",)), ("e", Exp(), ("s",))], "e", E, "softmax", []),
    "softmax-slice": ([S, ("c", Slice((1,), (1,), (3,)), ("s",))], "c", E[:, 1:], "softmax", ["Slice"]),
    "softmax-flatten-slice": (
        [("f", Flatten(), ("z",)), ("s", Softmax(), ("f",)), ("c", Slice((1,), (1,), (3,)), ("s",))], "c", E[:, 1:],
        "softmax", ["Flatten", "Slice"],
    ),
    "softmax-unsqueeze": (
        [S, ("u", Unsqueeze((2,)), ("s",)), ("f", Reshape((3,)), ("u",))], "f", E, "softmax", ["Unsqueeze", "Reshape"],
    ),
    "two-class-softmax": (
        [("two", Slice((1,), (0,), (2,)), ("z",)), ("s", Softmax(), ("two",))], "s", E[:, :2], "softmax", ["Slice"],
    ),
    "one-class-softmax": (
        [("one", Slice((1,), (0,), (1,)), ("z",)), ("s", Softmax(), ("one",))], "s", E[:, :1], "softmax", ["Slice"],
    ),
    "softmax-and-sigmoid": ([S, P, ("c", Concat(), ("s", "p"))], "c", np.concatenate([E, E], axis=1), "other",
                            ["Concat"]),
    "softmax-of-sigmoid": ([P, ("s", Softmax(), ("p",))], "s", E, "other", []),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("samples", [0, 1, 3])
def test_the_start_is_the_logit(name: str, samples: int) -> None:
    steps, output, combination, _, stays = HEADS[name]
    case, x = Case(steps, output), draw(samples, 4)
    logits = case.logits(x) @ combination
    bare = canonize(case.net)
    assert [type(n.layer).__name__ for n in bare.nodes] == ["Dense", "ReLU", "Dense", *stays]
    np.testing.assert_allclose(bare.forward(x).reshape(logits.shape), logits, rtol=1e-12, atol=1e-12)
    for target in range(combination.shape[1]):
        e = lrp.explain(case.net, x, composite="lrp0", target=target)
        assert e.start == "Logit()"
        np.testing.assert_allclose(e.output.reshape(logits.shape), logits, rtol=1e-12, atol=1e-12)
        expected = case.relevance(x, np.repeat(combination[:, target][None], samples, axis=0))
        np.testing.assert_allclose(e.relevance, expected, rtol=1e-9, atol=1e-9)
        assert e.ledger.residual <= 1e-12


@pytest.mark.parametrize("name", HEADS)
def test_probabilities(name: str) -> None:
    """σ(z) where the head is a sigmoid, the file's own numbers where it is a softmax; a start from them."""
    steps, output, combination, kind, _ = HEADS[name]
    case, x = Case(steps, output), draw(3, 4)
    z = case.logits(x)
    e = lrp.explain(case.net, x, composite="lrp0")
    expected = {
        "sigmoid": lambda: sigmoid(z @ combination),
        "softmax": lambda: softmax(z[:, :1] if "one-class" in name else z[:, :2] if "two-class" in name else z),
        "mixed": lambda: np.concatenate([np.full_like(z, np.nan), sigmoid(z)], axis=1),
    }.get(kind, lambda: case.net.forward(x))()
    if name.endswith("slice") and kind == "softmax":
        expected = expected[:, 1:]
    assert e.probability is not None
    found = e.probability.reshape(3, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    whole = lrp.explain(case.net, x, composite="lrp0", target=found.shape[1] - 1, start="probability")
    np.testing.assert_allclose(whole.start_relevance.reshape(3, -1)[:, -1], expected[:, -1], atol=1e-15)
    ratio = expected[:, -1] / (z @ combination)[:, -1]
    right = case.relevance(x, combination[:, -1] * ratio[:, None])
    np.testing.assert_allclose(whole.relevance, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", HEADS)
def test_what_was_dropped_is_said(name: str, tmp_path: Path) -> None:
    steps, output, _, _, _ = HEADS[name]
    case = Case(steps, output)
    (head,) = heads(case.net)
    ends = [n for n in case.net.nodes if isinstance(n.layer, Sigmoid | HardSigmoid | Softmax)]
    assert all(f"'{n.name}'" in head.text for n in ends)
    assert head.text.startswith("the logit")
    assert not head.lost
    e = lrp.explain(case.net, draw(2, 4))
    assert e.head.text == head.text
    assert e.starts_at == f"start at {head.text}"
    assert e.starts_at in repr(e)
    assert e.starts_at in e.notes
    assert repr(e.plan).splitlines()[-1] == e.starts_at
    assert repr(e.to_numpy().plan) == repr(e.plan)
    assert all(f"&#x27;{n.name}&#x27;" in e._repr_html_() for n in ends)
    found = lrp.load_relevance(e.save(tmp_path / "e"))
    assert found["starts_at"] == e.starts_at
    np.testing.assert_array_equal(found["probability"], e.probability)


def test_the_text_of_a_head() -> None:
    steps, output, *_ = HEADS["both-log"]
    assert heads(Case(steps, output).net)[0].text == (
        "the logit below sigmoid 'p', left out with Clip 'q' and Log 'l'; 1 − σ(z) became −z"
    )
    steps, output, *_ = HEADS["mixed"]
    assert heads(Case(steps, output).net)[0].text == (
        "the logits below sigmoid 'p'; other numbers of the output stay what they are"
    )


# 1 − σ(z) is the negated logit for every rule, not for LRP-0 alone ---------------------------------------------------


@pytest.mark.parametrize("composite", ["epsilon", "excitation_backprop", "lrp.sequential_preset_b", "gradient"])
def test_two_classes_of_a_sigmoid_are_those_of_two_logits(composite: str) -> None:
    """[1 − σ(z), σ(z)] is the network with the two logits −z and z, also for rules that look at signs."""
    steps, output, *_ = HEADS["both"]
    case, x = Case(steps, output), draw(4, 4)
    w, b = np.concatenate([-case.w2, case.w2], axis=1), np.concatenate([-case.b2, case.b2])
    two = Network.sequential([Dense(case.w1, case.b1), ReLU(), Dense(w, b)])
    for target in range(6):
        found = lrp.explain(case.net, x, composite=composite, target=target)
        right = lrp.explain(two, x, composite=composite, target=target)
        np.testing.assert_allclose(found.relevance, right.relevance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.output, right.output, rtol=1e-12)


def test_the_sign_goes_into_a_layer_that_nobody_else_reads() -> None:
    steps, output, *_ = HEADS["one-minus"]
    case = Case(steps, output)
    net = canonize(case.net)
    assert [n.name for n in net.nodes] == ["h", "relu", "z"]
    assert np.array_equal(net["z"].layer.weight, -case.w2)  # type: ignore[attr-defined]
    e = lrp.explain(case.net, draw(2, 4), composite=[("z", rules.Epsilon(0.1)), ("h", rules.LRP0())])
    assert [p.node for p in e.plan] == ["h", "relu", "z"]
    apart = canonize(case.net, merge=False)
    assert [type(n.layer).__name__ for n in apart.nodes] == ["Dense", "ReLU", "Dense", "Affine"]


def test_batch_norm_below_a_sigmoid_is_merged_first() -> None:
    scale, shift = draw(3), draw(3)
    case = Case([("bn", Affine(scale, shift), ("z",)), ("p", Sigmoid(), ("bn",)),
                 ("m", Affine(one(-1.0), one(1.0)), ("p",)), ("c", Concat(), ("m", "p"))], "c")  # fmt: skip
    net, x = canonize(case.net), draw(2, 4)
    assert [type(n.layer).__name__ for n in net.nodes] == ["Dense", "ReLU", "Dense", "Dense", "Concat"]
    z = case.logits(x) * scale + shift
    np.testing.assert_allclose(net.forward(x), np.concatenate([-z, z], axis=1), rtol=1e-12, atol=1e-12)


def test_signs_that_differ_between_channels() -> None:
    case = Case([P, ("m", Affine(np.array([-1.0, 1.0, -1.0]), np.array([1.0, 0.0, 1.0])), ("p",))], "m")
    x, signs = draw(2, 4), np.array([-1.0, 1.0, -1.0])
    e = lrp.explain(case.net, x, composite="lrp0", target=1)
    np.testing.assert_allclose(e.output, case.logits(x) * signs, rtol=1e-12)
    np.testing.assert_allclose(e.probability, case.net.forward(x), atol=1e-15)
    hard = Case([("p", HardSigmoid(0.2, 0.5), ("z",)), ("m", case.net["m"].layer, ("p",))], "m")
    found = lrp.explain(hard.net, x, composite="lrp0")
    np.testing.assert_allclose(found.probability, hard.net.forward(x), rtol=1e-12)


def test_an_affine_that_enlarges_one_probability_to_two() -> None:
    """σ(z)·(−1, 1) + (1, 0) with one z: two classes."""
    w = draw(4, 1)
    net = Network.sequential([Dense(w), Sigmoid(), Affine(np.array([-1.0, 1.0]), np.array([1.0, 0.0]))])
    x = draw(3, 4)
    e = lrp.explain(net, x, composite="lrp0", target=0)
    np.testing.assert_allclose(e.output, np.concatenate([-x @ w, x @ w], axis=1), rtol=1e-12)
    np.testing.assert_allclose(e.relevance, -x * w[:, 0], rtol=1e-9)
    np.testing.assert_allclose(e.probability, net.forward(x), rtol=1e-12)


# Maps, several outputs, other places -------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [[Sigmoid()], [Softmax()], [Softmax(axis=2)], [Softmax(), Clip(1e-7, 1), Log()],
                                    [Sigmoid(), Transpose((0, 2, 3, 1))]])  # fmt: skip
def test_segmentation_maps(layers: list[Layer]) -> None:
    w, b, x = draw(3, 2, 1, 1), draw(3), draw(2, 2, 4, 5)
    net = Network.sequential([Conv(w, b), *layers])
    z = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x) + b[:, None, None]
    moved = isinstance(layers[-1], Transpose)
    shown = z.transpose(0, 2, 3, 1) if moved else z
    # Class 1 at place (2, 3).
    flat = np.ravel_multi_index((2, 3, 1) if moved else (1, 2, 3), shown.shape[1:])
    e = lrp.explain(net, x, composite="lrp0", target=int(flat))
    np.testing.assert_allclose(e.output, shown, rtol=1e-12, atol=1e-12)
    right = np.zeros_like(x)
    right[:, :, 2, 3] = x[:, :, 2, 3] * w[1, :, 0, 0]
    np.testing.assert_allclose(e.relevance, right, rtol=1e-9, atol=1e-12)
    axis = getattr(layers[0], "axis", None)
    chance = sigmoid(z) if axis is None else softmax(z, axis)
    np.testing.assert_allclose(e.probability, chance.transpose(0, 2, 3, 1) if moved else chance, rtol=1e-9)
    p = lrp.explain(net, x, composite="lrp0", target=int(flat), start="probability").start_relevance
    np.testing.assert_allclose(p.reshape(2, -1).sum(axis=1), chance[:, 1, 2, 3], rtol=1e-9)


def test_the_largest_of_several_instances() -> None:
    """max σ(z) = σ(max z): the logit is the largest."""
    w, b, x = draw(1, 2, 1), draw(1), draw(3, 2, 6)
    net = Network.sequential([Conv(w, b), Sigmoid(), GlobalMaxPool(keepdims=False)])
    z = np.einsum("c,nct->nt", w[0, :, 0], x) + b
    e = lrp.explain(net, x, composite="lrp0")
    np.testing.assert_allclose(e.output[:, 0], z.max(axis=1), rtol=1e-12)
    right = np.zeros_like(x)
    for n, t in enumerate(z.argmax(axis=1)):
        right[n, :, t] = x[n, :, t] * w[0, :, 0]
    np.testing.assert_allclose(e.relevance, right, rtol=1e-9, atol=1e-12)


def test_several_outputs() -> None:
    case = Case([P, ("t", Tanh(), ("z",)), S], ("p", "t", "z", "s"))
    x = draw(2, 4)
    z = case.logits(x)
    found = canonize(case.net).forward(x)
    for value, right in zip(found.values(), (z, np.tanh(z)), strict=False):
        np.testing.assert_allclose(value, right, rtol=1e-12)
    assert [h.kinds for h in heads(case.net)] == [("sigmoid",), ("raw",), ("raw",), ("softmax",)]
    for name, right in (("p", z), ("t", np.tanh(z)), ("z", z), ("s", z)):
        e = lrp.explain(case.net, x, output=name, composite="lrp0")
        np.testing.assert_allclose(e.output, right, rtol=1e-12)
        assert (e.starts_at == "") == (name in "tz")
    assert lrp.explain(case.net, x, output="z").probability is None


def test_outputs_with_the_same_logit_stay_outputs_of_their_own() -> None:
    """Of a logit, its sigmoid, a softmax and 1 − σ, forward gives four arrays by four names."""
    minus = ("m", Affine(one(-1.0), one(1.0)), ("p",))
    case, x = Case([P, ("q", Sigmoid(), ("z",)), S, minus], ("p", "z", "q", "s", "m")), draw(2, 4)
    z = case.logits(x)
    net = canonize(case.net)
    assert net.outputs == ("p", "z", "q", "s", "m")
    for name, value in net.forward(x).items():
        np.testing.assert_allclose(value, -z if name == "m" else z, rtol=1e-12)
        e = lrp.explain(net, x, output=name, composite="lrp0", target=1)
        np.testing.assert_allclose(e.relevance, case.relevance(x, (-1 if name == "m" else 1) * E[[1, 1]]), rtol=1e-9)
    assert [p.node for p in lrp.explain(case.net, x, output="p").plan] == ["h", "relu", "z"]
    hidden = canonize(Case([P, ("q", Sigmoid(), ("z",))], ("p", "q")).net)
    assert hidden.outputs == ("p", "q")


def test_a_sigmoid_that_is_read_elsewhere_stays_for_that() -> None:
    """The output starts at z; a dense layer that reads σ(z) too goes on doing so."""
    v = draw(3, 2)
    case = Case([P, ("d", Dense(v), ("p",)), ("c", Concat(), ("p", "d"))], "c")
    x = draw(2, 4)
    z = case.logits(x)
    e = lrp.explain(case.net, x, composite="lrp0", target=2)
    np.testing.assert_allclose(e.output, np.concatenate([z, sigmoid(z) @ v], axis=1), rtol=1e-12)
    np.testing.assert_allclose(e.relevance, case.relevance(x, E[[2, 2]]), rtol=1e-9, atol=1e-9)
    # Target 3 is Σ_k σ(z_k) v_k0: through the sigmoid, by its own rule, σ_k v_k0 arrives at z_k.
    through = lrp.explain(case.net, x, composite="lrp0", target=3).relevance
    expected = case.relevance(x, sigmoid(z) * v[:, 0] / z)
    np.testing.assert_allclose(through, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "steps",
    [
        [("t", Tanh(), ("z",))],
        [("t", ReLU(), ("z",))],
        [("t", SiLU(), ("z",))],
        [P, ("t", Dense(np.ones((3, 2))), ("p",))],
        [P, ("t", Add(), ("z", "p"))],
        [S, ("m", Multiply(gate=0), ("s", "z")), ("t", Flatten(), ("m",))],
    ],
)
def test_what_is_no_probability_is_untouched(steps: Steps) -> None:
    case, x = Case(steps, "t"), draw(2, 4)
    assert heads(case.net)[0].kinds == ("raw",)
    assert canonize(case.net) == case.net
    e = lrp.explain(case.net, x)
    np.testing.assert_allclose(e.output, case.net.forward(x), rtol=1e-12)
    assert e.notes == ()


@pytest.mark.parametrize("scale", [None, 1.5])
@pytest.mark.parametrize("kind", [Sigmoid, HardSigmoid])
def test_an_activation_that_gates_itself_is_no_head(kind: Any, scale: float | None) -> None:
    """y = z·σ(βz) is a number like any other: R_i = x_i w_i / z · y, the gate taking nothing."""
    w = np.array([[1.0, -0.5], [0.5, 2.0]])
    gate = [Node("s", Affine(np.array(scale)), ("z",))] if scale else []
    nodes = (Node("z", Dense(w), ("x",)), *gate, Node("g", kind(), ("s" if scale else "z",)),
             Node("y", Multiply(), ("z", "g")))  # fmt: skip
    net, x = Network(nodes, (Input("x"),), ("y",)), np.array([[1.0, 2.0], [-1.0, 0.5]])
    assert heads(net)[0].kinds == ("raw",)
    e = lrp.explain(net, x, target=1, composite="lrp0")
    z = x @ w
    y = z * kind().forward((scale or 1) * z)
    np.testing.assert_allclose(e.relevance, x * w[:, 1] / z[:, 1:] * y[:, 1:], rtol=1e-12)


# No logit ----------------------------------------------------------------------------------------------------------

LOST: dict[str, Steps] = {
    "product": [P, ("t", Tanh(), ("z",)), ("y", Multiply(), ("p", "t"))],
    "scores": [P, ("q", Sigmoid(), ("h",)), ("r", Slice((1,), (0,), (3,)), ("q",)), ("y", Multiply(), ("p", "r"))],
    "mean": [P, ("u", Unsqueeze((1,)), ("p",)), ("y", Mean(axes=(2,), keepdims=False), ("u",))],
    "sum": [P, ("y", Sum(axes=(1,)), ("p",))],
    "ensemble": [P, ("q", Sigmoid(), ("z",)), ("y", Add((0.5, 0.5)), ("p", "q"))],
    "square": [P, ("y", Power(2), ("p",))],
    "pad": [P, ("y", Pad(((1, 0),)), ("p",))],
    "weights": [P, ("y", Affine(np.array([1.0, 2.0, 3.0])), ("p",))],
    "moved": [P, ("s", Sum(axes=(1,)), ("p",)), ("y", Flatten(), ("s",))],
    "softmaxes": [S, ("q", Softmax(), ("z",)), ("y", Add(), ("s", "q"))],
    "largest-softmax": [S, ("u", Unsqueeze((1,)), ("s",)), ("y", GlobalMaxPool(keepdims=False), ("u",))],
    "minus-softmax": [S, ("y", Affine(one(-1.0), one(1.0)), ("s",))],
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("start", ["logit", "probability", "contrastive", "log_odds", "softmax_gradient"])
def test_an_output_without_logit_names_the_start_to_give(name: str, start: str) -> None:
    case, x = Case(LOST[name], "y"), draw(2, 4)
    assert heads(case.net)[0].lost
    with pytest.raises(ParameterError, match=rf"^start '{start}' needs a logit, and output 'y' has none .*'output'"):
        lrp.explain(case.net, x, start=start)
    soft = any(isinstance(n.layer, Softmax) for n in case.net.nodes)
    composite = lrp.Composite([(Softmax, rules.Pass())], base=lrp.composites.get("lrp0").entries) if soft else "lrp0"
    e = lrp.explain(case.net, x, start="output", composite=composite)
    np.testing.assert_allclose(e.output, case.net.forward(x), rtol=1e-12)
    assert (e.start, e.probability, e.starts_at) == ("Output()", None, "")
    np.testing.assert_array_equal(e.start_relevance.sum(axis=1), e.output.max(axis=1))
    for other in ("one_hot", "positive", np.ones(e.output.shape[1:]), lrp.start.Reference(0.25)):
        assert lrp.explain(case.net, x, start=other, composite=composite).output.shape == e.output.shape


def test_start_output_goes_through_the_sigmoid() -> None:
    """R_i = R_j at the sigmoid: σ(z)/z·x_i·∂z/∂x_i, and a rule that is named there is used."""
    steps, output, *_ = HEADS["sigmoid"]
    case, x = Case(steps, output), draw(3, 4)
    z = case.logits(x)
    e = lrp.explain(case.net, x, start="output", target=1, composite="lrp0")
    np.testing.assert_allclose(e.output, sigmoid(z), rtol=1e-12)
    right = case.relevance(x, E[[1, 1, 1]] * (sigmoid(z) / z))
    np.testing.assert_allclose(e.relevance, right, rtol=1e-9, atol=1e-9)
    slope = [(Sigmoid, rules.Gradient()), (Dense, rules.LRP0())]
    named = lrp.explain(case.net, x, start="output", target=1, composite=slope).relevance
    p = sigmoid(z)
    expected = case.relevance(x, E[[1, 1, 1]] * (p * p * (1 - p) / z))
    np.testing.assert_allclose(named, expected, rtol=1e-9, atol=1e-9)


def test_canonize_false_is_the_network_as_loaded() -> None:
    steps, output, *_ = HEADS["both"]
    case, x = Case(steps, output), draw(2, 4)
    e = lrp.explain(case.net, x, canonize=False, composite="lrp0")
    np.testing.assert_allclose(e.output, case.net.forward(x), rtol=1e-12)
    assert [p.node for p in e.plan] == [n.name for n in case.net.nodes]
    assert (e.starts_at, e.start) == ("", "Output()")  # it starts above the sigmoid, and says so
    np.testing.assert_allclose(e.probability, e.output, atol=1e-15)
    p = lrp.explain(case.net, x, canonize=False, composite="lrp0", start="probability", target=0)
    np.testing.assert_allclose(p.start_relevance[:, 0], e.output[:, 0], atol=1e-15)


def test_a_probability_of_a_number_that_is_none() -> None:
    steps, output, *_ = HEADS["mixed"]
    case, x = Case(steps, output), draw(2, 4)
    with pytest.raises(ParameterError, match="comes out of no sigmoid or softmax; give start 'logit'"):
        lrp.explain(case.net, x, target=0, start="probability")
    assert lrp.explain(case.net, x, target=0, start="logit").output.shape == (2, 6)


# Number systems, batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sigmoid", "both", "log-clip", "one-minus", "softmax", "hard-one-minus", "mixed"])
def test_exact_numbers(name: str) -> None:
    """Below the sigmoid everything is rational: the explanation is exact."""
    steps, output, combination, _, _ = HEADS[name]
    case, x = Case(steps, output), draw(2, 4)
    net, given = rational(case.net), rational(x)
    e = lrp.explain(net, given, composite="lrp0", target=0)
    w1, b1, w2 = rational(case.w1), rational(case.b1), rational(case.w2)
    hidden = given @ w1 + b1
    opened = np.where(hidden > 0, Fraction(1), Fraction(0))
    exact = given * ((rational(combination[:, 0]) @ w2.T * opened) @ w1.T)
    assert (e.relevance == exact).all()
    assert e.ledger.residual == 0
    assert e.probability is None
    if name != "hard-one-minus":
        with pytest.raises(UnsupportedError, match="has no exact value"):
            lrp.explain(net, given, composite="lrp0", target=0, start="probability")


@pytest.mark.parametrize("name", ["both", "softmax-slice", "mixed", "twice"])
def test_float32_and_batches(name: str) -> None:
    """Single precision stays; a large batch is the single samples."""
    steps, output, *_ = HEADS[name]
    case, x = Case(steps, output, "float32"), draw(300, 4).astype(np.float32)
    e = lrp.explain(case.net, x, composite="epsilon")
    assert {e.output.dtype, e.relevance.dtype, e.probability.dtype} == {np.dtype("float32")}
    for k in (0, 299):
        alone = lrp.explain(case.net, x[k : k + 1], composite="epsilon")
        np.testing.assert_allclose(alone.relevance[0], e.relevance[k], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(alone.probability[0], e.probability[k], rtol=1e-4)


def test_certificates_start_at_the_logit() -> None:
    pytest.importorskip("flint")
    steps, output, *_ = HEADS["both"]
    case, x = Case(steps, output), draw(1, 4)
    made = lrp.certify(case.net, x, composite="lrp0", target=0)
    assert made.verdict == "certified"
    assert made.identities.hold
    np.testing.assert_allclose(made.truth["x"].midpoint, case.relevance(x, -E[:1]), rtol=1e-12)


@pytest.mark.parametrize("name", ["p", "bn"])
def test_a_rule_for_a_node_that_is_left_out_says_what_became_of_it(name: str) -> None:
    """Such a node is no misspelt one; the advice is taken."""
    bn = ("bn", Affine(draw(3), draw(3)), ("z",))
    case, x = Case([bn, ("p", Sigmoid(), ("bn",))], "p"), draw(2, 4)
    composite = [(name, rules.Pass()), (Dense, rules.LRP0())]
    message = rf"^composite 'custom' has a rule for node '{name}', which is merged into another or left out .*canonize="
    with pytest.raises(ParameterError, match=message):
        lrp.explain(case.net, x, composite=composite)
    kept = lrp.explain(case.net, x, composite=composite, canonize=False)
    assert [p.why for p in kept.plan if p.node == name] == [name]
    assert lrp.explain(case.net, x, composite=composite[1:]).output.shape == (2, 3)


def test_a_negative_start_is_said() -> None:
    net, x = Network.sequential([Dense(np.array([[1.0]])), Sigmoid()]), np.array([[-2.0], [3.0], [-1.0]])
    e = lrp.explain(net, x)
    assert [bool(e.negative(k)) for k in range(3)] == [True, False, True]
    assert e.negative(0).startswith("the start itself is negative (-2): ")
    assert "the start itself is negative" in lrp.explain(net, x)._repr_html_()


# Gates and softmaxes inside ----------------------------------------------------------------------------------------


def attention(gate: int | None, steps: Steps = [], weights: str = "a") -> tuple[Network, Any]:  # noqa: B006
    """Attention pooling Σ_t a_t x_t with a = softmax over t, then a dense layer."""
    s, w = draw(4, 1), draw(4, 2)
    nodes = (
        Node("score", Dense(s), ("x",)),
        Node("a", Softmax(axis=1), ("score",)),
        *(Node(*step) for step in steps),
        Node("mul", Multiply(gate=gate), (weights, "x")),
        Node("sum", Sum(axes=(1,), keepdims=False), ("mul",)),
        Node("out", Dense(w), ("sum",)),
    )
    return Network(nodes, (Input("x", (None, 5, 4)),), ("out",)), (s, w)


EXACT = [((Dense, Sum), rules.LRP0())]


@pytest.mark.parametrize("gate", [0, None])
@pytest.mark.parametrize(
    ("steps", "weights"),
    [
        ([], "a"),
        ([("c", Clip(0, 1), ("a",))], "c"),
        ([("t", Transpose((0, 2, 1)), ("a",)), ("b", Transpose((0, 2, 1)), ("t",))], "b"),
        ([("m", Affine(one(1.0)), ("a",))], "m"),
    ],
)
def test_an_attention_takes_no_relevance(gate: int | None, steps: Steps, weights: str) -> None:
    """The weights are constants: R_t = a_t x_t w, and Σ R = output; the softmax needs no rule."""
    net, (s, w) = attention(gate, steps, weights)
    x = draw(2, 5, 4)
    a = softmax(x @ s)
    for target in (0, 1):
        e = lrp.explain(net, x, composite=EXACT, target=target)
        np.testing.assert_allclose(e.relevance, a * x * w[:, target], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(e.relevance.sum(axis=(1, 2)), e.output[:, target], rtol=1e-9)
    row = next(p for p in e.plan if p.node == "mul")
    last = next(n for n in net.nodes if n.name == "mul").inputs[0]
    assert row.label == "R_signal = R, R_gate = 0"
    assert row.why == f"default; the gate is '{last}'"


MASK = np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
SECOND: Steps = [("score2", Dense(np.array([[0.5], [-1.0], [0.25], [2.0]])), ("x",)), ("a2", Softmax(1), ("score2",))]


@pytest.mark.parametrize(
    ("steps", "weights", "made"),
    [
        ([("m", Affine(MASK), ("a",))], "m", lambda a, b: a * MASK),
        ([("m", Affine(MASK), ("a",)), ("t", Flatten(), ("m",)), ("u", Unsqueeze((2,)), ("t",))], "u",
         lambda a, b: a * MASK),
        ([*SECOND, ("m", Add((0.5, 0.5)), ("a", "a2"))], "m", lambda a, b: (a + b) / 2),
        ([*SECOND, ("m", Multiply(), ("a", "a2"))], "m", lambda a, b: a * b),
        ([*SECOND, ("p", Sigmoid(), ("score",)), ("m", Multiply(), ("p", "a2"))], "m", lambda a, b: None),
        ([("m", Power(2), ("a",))], "m", lambda a, b: a**2),
    ],
)  # fmt: skip
def test_weights_computed_from_softmaxes_alone_are_a_gate(steps: Steps, weights: str, made: Any) -> None:
    """A mask, the mean of two heads, a product of both: no signal is in them, and they take no relevance."""
    net, (s, w) = attention(None, steps, weights)
    x = draw(2, 5, 4)
    z, z2 = x @ s, x @ SECOND[0][1].weight  # type: ignore[attr-defined]
    a = made(softmax(z), softmax(z2))
    a = sigmoid(z) * softmax(z2) if a is None else a
    for target in (0, 1):
        e = lrp.explain(net, x, composite=EXACT, target=target)
        np.testing.assert_allclose(e.relevance, a * x * w[:, target], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(e.relevance.sum(axis=(1, 2)), e.output[:, target], rtol=1e-9)


def test_a_signal_weighted_by_a_masked_softmax_is_an_output_like_any_other() -> None:
    """Σ_t m_t a_t x_t without a layer above has no logit to look for: it is explained as it is."""
    net, (s, _) = attention(None, [("m", Affine(MASK), ("a",))], "m")
    net, x = net.until("sum"), draw(2, 5, 4)
    assert heads(net)[0].kinds == ("raw",)
    e = lrp.explain(net, x, composite=EXACT, target=1)
    np.testing.assert_allclose(e.relevance, softmax(x @ s) * MASK * x * np.eye(4)[1], rtol=1e-9, atol=1e-12)


def test_a_gated_signal_is_no_gate() -> None:
    """(σ·v)·u has a signal on both sides; weights of several sigmoids, scaled by channel, have none."""
    nodes = (Node("p", Sigmoid(), ("x",)), Node("v", Multiply(gate=0), ("p", "x")),
             Node("u", Dense(draw(3, 3)), ("x",)), Node("k", Multiply(), ("v", "u")),
             Node("c", Affine(draw(3), draw(3)), ("p",)), Node("l", Multiply(), ("c", "u")),
             Node("d", Affine(draw(3)), ("v",)), Node("m", Multiply(), ("d", "u")),
             Node("n", Multiply(), ("c", "v")))  # fmt: skip
    net = gated(Network(nodes, (Input("x"),), ("k", "l", "m", "n")))
    assert [net[name].layer for name in "klmn"] == [Multiply(), Multiply(gate=0), Multiply(), Multiply(gate=0)]


def test_an_attention_on_sigmoid_scores() -> None:
    """softmax(z)·σ(v): the softmax is the gate; alone on either side, a sigmoid is."""
    nodes = (Node("a", Softmax(), ("x",)), Node("p", Sigmoid(), ("x",)), Node("m", Multiply(), ("p", "a")),
             Node("fc", Dense(draw(3, 1)), ("m",)), Node("n", Multiply(), ("x", "p")),
             Node("k", Multiply(), ("x", "x")), Node("l", Multiply(), ("p", "p")))  # fmt: skip
    net = gated(Network(nodes, (Input("x"),), ("fc", "n", "k", "l")))
    assert [net[name].layer for name in "mnkl"] == [Multiply(gate=1), Multiply(gate=1), Multiply(), Multiply()]
    assert gated(net) == net


def test_a_softmax_in_the_way_of_relevance_names_what_helps() -> None:
    """Softmax, then a dense layer: no gate, and the error's advice is taken."""
    case = Case([S, ("y", Dense(draw(3, 2)), ("s",))], "y")
    x = draw(2, 4)
    with pytest.raises(ParameterError, match=r"node 's': Softmax has no rule of its own: name one in the composite"):
        lrp.explain(case.net, x)
    base = lrp.composites.get("lrp0").entries
    passed = lrp.explain(case.net, x, composite=lrp.Composite([(Softmax, rules.Pass())], base=base), target=0)
    z = case.logits(x)
    v = case.net["y"].layer.weight[:, 0]  # type: ignore[attr-defined]
    expected = case.relevance(x, softmax(z) * v / z)
    np.testing.assert_allclose(passed.relevance, expected, rtol=1e-9, atol=1e-9)
    constant = lrp.explain(case.net, x, composite=lrp.Composite([(Softmax, rules.Zero())], base=base), target=0)
    assert not constant.relevance.any()
    with pytest.raises(UnsupportedError, match=r"Epsilon\(.*\) is not a rule for Softmax: its own way is none; Pass"):
        lrp.explain(case.net, x, composite=lrp.Composite([(Softmax, rules.Epsilon())], base=base))


def test_a_softmax_that_the_target_does_not_see_needs_no_rule() -> None:
    case = Case([S, ("y", Dense(draw(3, 2)), ("s",)), ("c", Concat(), ("y", "z"))], "c")
    x = draw(2, 4)
    e = lrp.explain(case.net, x, target=3, composite="lrp0")
    np.testing.assert_allclose(e.relevance, case.relevance(x, E[[1, 1]]), rtol=1e-9, atol=1e-9)


# The small files, in Python and by command -------------------------------------------------------------------------


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, [str(a) for a in arguments])


def explained(folder: Path, model: str, x: Path, *options: str) -> tuple[Any, str]:
    result = run("explain", SHARED / model, x, "-c", "lrp0", "-o", folder, *options)
    assert result.exit_code == 0, result.output
    return lrp.load_relevance(folder / f"{x.stem}.npz"), result.output


@beside
@pytest.mark.parametrize(
    ("model", "target", "right", "logits", "chances", "column"),
    [
        ("sigmoid_head.onnx", 0, (-2, 1), (-1,), [sigmoid(-1.0)], "sigmoid"),
        ("two_class_sigmoid.onnx", 0, (2, -1), (1, -1), [sigmoid(1.0), sigmoid(-1.0)], "sigmoid"),
        ("two_class_sigmoid.onnx", 1, (-2, 1), (1, -1), [sigmoid(1.0), sigmoid(-1.0)], "sigmoid"),
        ("softmax_then_clip.onnx", 0, (-2, 1), (-1, 3, 2), softmax(np.array([[-1.0, 3, 2]]))[0], "softmax"),
        ("log_of_softmax.onnx", 0, (-2, 1), (-1, 3, 2), softmax(np.array([[-1.0, 3, 2]]))[0], "softmax"),
    ],
)
def test_the_small_files(
    model: str, target: int, right: Any, logits: Any, chances: Any, column: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    net = lrp.load(SHARED / model)
    e = lrp.explain(net, np.array([[2.0, 1.0]]), target=target, composite="lrp0")
    np.testing.assert_allclose(e.relevance[0], right, rtol=1e-12)
    np.testing.assert_allclose(e.output[0], logits, rtol=1e-12)
    np.testing.assert_allclose(e.probability[0], chances, rtol=1e-12)
    found, text = explained(tmp_path, model, SHARED / "sigmoid_head.npy", "-t", str(target), "--plan")
    np.testing.assert_allclose(found["relevance"][0], right, rtol=1e-5)
    header = next(line for line in text.splitlines() if line.startswith("output  class"))
    assert header.split() == ["output", "class", "value", column]
    assert all(f"{100 * p:.2f} %" in text for p in chances)
    assert text.count("start at the logit") == 2  # in the plan and above the ledger
    shown = run("show", SHARED / model).output
    assert f"output {net.outputs[0]}: explanations start at {e.head.text}\n" in shown


def arrays(name: str) -> dict[str, Any]:
    with np.load(SHARED / name) as stored:
        return dict(stored)


@beside
def test_the_small_attention(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    net, stored = lrp.load(SHARED / "attention_pool.onnx"), arrays("attention_pool_right.npz")
    right = stored["relevance_target0"]
    e = lrp.explain(net, stored["x"], target=0, composite=EXACT)
    np.testing.assert_allclose(e.relevance, right, rtol=1e-9, atol=1e-12)
    found, text = explained(
        tmp_path, "attention_pool.onnx", SHARED / "attention_pool_input.npy", "-t", "0", "--plan", "--float64",
        "--rule", "ReduceSum=LRP0",
    )  # fmt: skip
    np.testing.assert_allclose(found["relevance"], right, rtol=1e-9, atol=1e-12)
    assert "the gate is 'Softmax'" in text
    plain, _ = explained(tmp_path / "2", "attention_pool.onnx", SHARED / "attention_pool_input.npy", "-t", "0")
    assert np.abs(plain["relevance"] - right).max() <= 1e-4 * np.abs(right).max()


@beside
def test_the_small_transposed_convolution(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    net, stored = lrp.load(SHARED / "bn_before_tconv.onnx"), arrays("bn_before_tconv_right.npz")
    right = stored["relevance_lrp0_target1"]
    e = lrp.explain(net, stored["x"], target=1, composite="lrp0")
    np.testing.assert_allclose(e.output, stored["output"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(e.relevance, right, rtol=1e-9, atol=1e-9 * np.abs(right).max())
    result = run("explain", SHARED / "bn_before_tconv.onnx", SHARED / "bn_before_tconv_input.npy", "-c", "lrp0",
                 "-t", "1", "--float64", "-o", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    files = sorted(tmp_path.glob("*.npz"))
    together = np.concatenate([lrp.load_relevance(f)["relevance"] for f in files])
    np.testing.assert_allclose(together, right, rtol=1e-6, atol=1e-6 * np.abs(right).max())


# Files of other shapes, by command -----------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """Write x → MatMul → some head, and an input; return the paths, the weight and what onnxruntime gives."""
    graphs = pytest.importorskip("onnx_graphs")

    def made(steps: list[Any], **weights: Any) -> tuple[Path, Path, Any, Any]:
        w, x = draw(4, 3).astype(np.float32), draw(1, 4).astype(np.float32)
        path = graphs.write(tmp_path / "m.onnx", [("MatMul", ["x", "w"], {}), *steps], shape=("N", 4),
                            weights={"w": w, **weights})  # fmt: skip
        np.save(tmp_path / "x.npy", x)
        (output,) = graphs.run_ort(path, {"x": x})
        return path, tmp_path / "x.npy", w, output

    return made


ONE = np.array(1, dtype=np.float32)


@pytest.mark.parametrize(
    ("steps", "sign", "undo"),
    [
        ([("Sigmoid", ["t0"], {})], 1, lambda y: y),
        ([("Sigmoid", ["t0"], {}), ("Sub", ["one", "t1"], {})], -1, lambda y: y),
        ([("Sigmoid", ["t0"], {}), ("Neg", ["t1"], {}), ("Add", ["t2", "one"], {})], -1, lambda y: y),
        ([("Sigmoid", ["t0"], {}), ("Dropout", ["t1"], {}), ("Identity", ["t2"], {})], 1, lambda y: y),
        ([("Sigmoid", ["t0"], {}), ("Clip", ["t1", "low", "one"], {}), ("Log", ["t2"], {})], 1, np.exp),
        ([("LogSoftmax", ["t0"], {"axis": -1})], 1, np.exp),
        ([("Softmax", ["t0"], {"axis": 1}), ("Unsqueeze", ["t1", "axes"], {})], 1, lambda y: y[..., 0]),
    ],
)
def test_heads_of_files(files: Any, steps: list[Any], sign: int, undo: Any, tmp_path: Path) -> None:
    """What a command prints as probability is what onnxruntime computes; relevance is ±x·w."""
    path, x, w, output = files(steps, one=ONE, low=np.array(1e-7, dtype=np.float32), axes=np.array([2]))
    result = run("explain", path, x, "-c", "lrp0", "-t", "2", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    found = lrp.load_relevance(tmp_path / "x.npz")
    np.testing.assert_allclose(found["relevance"], sign * np.load(x) * w[:, 2], rtol=1e-4, atol=1e-6)
    chances = undo(output)[0]
    np.testing.assert_allclose(found["probability"].reshape(-1), chances, rtol=1e-4)
    assert all(f"{100 * p:.2f} %" in result.output for p in chances.tolist())


def test_an_output_without_logit_by_command(files: Any, tmp_path: Path) -> None:
    """The refusal names --start output, which then gives the value that onnxruntime computes."""
    path, x, _, output = files([("Sigmoid", ["t0"], {}), ("ReduceMean", ["t1"], {"axes": [1], "keepdims": 1})])
    refused = run("explain", path, x, "-o", tmp_path)
    assert refused.exit_code == 2
    assert "--start output" in refused.output
    assert len(refused.output.strip().splitlines()) == 1
    assert "--start output" in run("show", path).output
    assert not list(tmp_path.glob("*.npz"))
    done = run("explain", path, x, "-o", tmp_path, "--start", "output", "-c", "lrp0")
    assert done.exit_code == 0, done.output
    found = lrp.load_relevance(tmp_path / "x.npz")
    np.testing.assert_allclose(found["output"], output, rtol=1e-5)
    assert " %" not in done.output.splitlines()[2]  # the output's value stands there, and no probability
    assert run("check", path, x, "-c", "epsilon").exit_code == 0


def test_a_softmax_in_the_way_by_command(files: Any, tmp_path: Path) -> None:
    path, x, *_ = files([("Softmax", ["t0"], {"axis": 1}), ("MatMul", ["t1", "v"], {})],
                               v=draw(3, 2).astype(np.float32))  # fmt: skip
    refused = run("explain", path, x, "-o", tmp_path)
    assert refused.exit_code == 2
    assert "--rule Softmax=Taylor" in refused.output
    assert run("explain", path, x, "-o", tmp_path / "taylor", "--rule", "Softmax=Taylor").exit_code == 0
    done = run("explain", path, x, "-o", tmp_path, "--rule", "Softmax=Pass", "--plan")
    assert done.exit_code == 0, done.output
    assert "composite epsilon, Softmax=Pass" in done.output
    saved = lrp.load_relevance(tmp_path / "x.npz")
    np.testing.assert_allclose(saved["relevance"].sum(), saved["start_relevance"].sum(), rtol=1e-3)
    assert run("check", path, x, "--rule", "Softmax=Pass", "-c", "epsilon").exit_code == 0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("Softmax", "write it like Softmax=Zero"),
        ("=Zero", "write it like Softmax=Zero"),
        ("Softmax=Zeroo", "did you mean 'Zero'?"),
        ("softmx=Zero", "unknown node in composite"),
    ],
)
def test_unusable_rules_are_refused(files: Any, rule: str, message: str, tmp_path: Path) -> None:
    path, x, *_ = files([("Softmax", ["t0"], {"axis": 1})])
    result = run("explain", path, x, "-o", tmp_path, "--rule", rule)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.glob("*.npz"))


def test_a_rule_for_a_kind_that_is_not_there_is_told(files: Any, tmp_path: Path) -> None:
    """The final softmax is left out, so that a rule for it has no effect; with --no-canonize it has."""
    path, x, *_ = files([("Softmax", ["t0"], {"axis": 1})])
    result = run("explain", path, x, "-o", tmp_path, "--rule", "Softmax=Zero")
    assert result.exit_code == 0
    assert (
        "--rule Softmax=Zero has no effect: no node of the network, as it is explained, is a Softmax" in result.output
    )
    kept = run("explain", path, x, "-o", tmp_path / "2", "--rule", "Softmax=Zero", "--no-canonize", "--start", "output")
    assert "no effect" not in kept.output


def test_a_mixed_output_by_command(files: Any, tmp_path: Path) -> None:
    """Boxes and scores: the scores have a probability, the boxes none."""
    path, x, _, output = files([("Sigmoid", ["t0"], {}), ("Concat", ["t0", "t1"], {"axis": 1})])
    result = run("explain", path, x, "-o", tmp_path, "-t", "4", "--ledger-file", tmp_path / "l.json")
    assert result.exit_code == 0, result.output
    assert "nan" not in result.output
    found = lrp.load_relevance(tmp_path / "x.npz")
    np.testing.assert_allclose(found["probability"][0, 3:], output[0, 3:], rtol=1e-5)
    assert np.isnan(found["probability"][0, :3]).all()
    assert json.loads((tmp_path / "l.json").read_text())


def test_errors_stay_errors() -> None:
    """A network that cannot run is refused as before, whatever its head."""
    net = Network.sequential([Dense(np.ones((2, 1))), Sigmoid()])
    with pytest.raises(LrpError, match="does not end in 2 features"):
        lrp.explain(net, np.ones((1, 3)))
