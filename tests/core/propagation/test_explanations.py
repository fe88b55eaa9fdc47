"""Explanations: canonized on the way, several inputs and outputs, what is refused, and the result as a value."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textbook_nets import BOUNDS, conv_net, draw, residual_net, seed, two_inputs

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import BackendError, GraphError, LrpError, ModelFormatError, NonFiniteError, ParameterError
from lrp_ref.layers import LSTM, Add, Affine, Concat, Conv, Dense, Flatten, Multiply, ReLU, Softmax, Split
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    seed(request.node.name)


# Canonizing inside explain -----------------------------------------------------------------------------------


def test_canonize_false_keeps_the_network_as_it_is() -> None:
    net = Network.sequential([Dense(draw(3, 2), draw(2)), Affine(draw(2) + 2, draw(2)), Softmax()])
    x = draw(2, 3)
    assert [p.node for p in lrp.explain(net, x).plan] == ["dense1"]
    with pytest.raises(ParameterError, match="node 'softmax1': Softmax has no rule of its own"):
        lrp.explain(net, x, canonize=False)
    e = lrp.explain(net.until("affine1"), x, canonize=False)
    assert [(p.node, p.rule) for p in e.plan] == [("dense1", rules.Epsilon(1e-6)), ("affine1", rules.Pass())]
    named = lrp.explain(net, x, canonize=False, composite=[(Softmax, rules.Pass()), (Dense, rules.LRP0())])
    assert np.array_equal(named.start_relevance, named.trace.relevance["affine1"])


def test_outputs_keep_their_names_though_canonizing_renames_nodes() -> None:
    nodes = (
        Node("logits", Dense(draw(3, 2), draw(2)), ("x",)),
        Node("p", Softmax(), ("logits",)),
        Node("fc", Dense(draw(3, 2), draw(2)), ("x",)),
        Node("bn", Affine(draw(2), draw(2)), ("fc",)),
    )
    net = Network(nodes, (Input("x"),), ("p", "bn"))
    x = draw(2, 3)
    assert np.array_equal(lrp.explain(net, x, output="p").output, net.until("logits").forward(x))
    np.testing.assert_allclose(lrp.explain(net, x, output="bn").output, net.until("bn").forward(x), atol=1e-12)


# Several inputs and outputs ----------------------------------------------------------------------------------


def test_several_inputs_give_a_dict() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(rational(net), {k: rational(v) for k, v in x.items()}, composite=[((Dense, Add), rules.LRP0())])
    assert {k: v.shape for k, v in e.relevance.items()} == {"a": (2, 3), "b": (2, 4)}
    arrived = sum(v.sum(axis=1) for v in e.relevance.values())
    assert (arrived + e.ledger.total()["bias"] + e.ledger.total()["dropped"] == e.start_relevance.sum(axis=1)).all()
    assert "relevance (2, 3), (2, 4)" in repr(e)


def test_an_input_that_the_output_does_not_need_receives_zeros() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(net, x, output="alone")
    assert [r.node for r in e.ledger] == ["alone", "left"]
    assert np.array_equal(e.relevance["b"], np.zeros((2, 4)))
    assert np.array_equal(e.relevance["a"], lrp.explain(net.until("alone"), x["a"]).relevance)


def test_an_output_is_chosen_by_name() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    assert np.array_equal(lrp.explain(net, x).output, net.forward(x)["sum"])
    assert np.array_equal(lrp.explain(net, x, output="alone").output, net.forward(x)["alone"])
    with pytest.raises(GraphError, match=r"^'left' is no output of the network; there are: sum, alone$"):
        lrp.explain(net, x, output="left")


def test_names_of_the_other_head_may_stand_in_a_composite() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    entries = [("right", rules.Flat()), (Dense, rules.LRP0())]
    assert [p.rule for p in lrp.explain(net, x, output="alone", composite=entries).plan] == [rules.LRP0()] * 2
    with pytest.raises(ParameterError, match="unknown node in composite 'custom': 'wrong'"):
        lrp.explain(net, x, composite=[("wrong", rules.Flat()), (Dense, rules.LRP0())])


def test_an_output_that_another_node_reads() -> None:
    net = Network.sequential([("one", Dense(draw(3, 3))), ("two", Dense(draw(3, 2)))])
    both = Network(net.nodes, net.inputs, ("one", "two"))
    x = draw(2, 3)
    inner = lrp.explain(both, x, composite="lrp0", target=2)
    assert np.array_equal(inner.relevance, lrp.explain(net.until("one"), x, composite="lrp0", target=2).relevance)
    outer = lrp.explain(both, x, composite="lrp0", output="two", target=1)
    assert np.array_equal(outer.relevance, lrp.explain(net, x, composite="lrp0", target=1).relevance)


def test_a_node_that_nothing_reads_is_left_out() -> None:
    nodes = (Node("used", Dense(draw(3, 2)), ("x",)), Node("unused", Dense(draw(3, 9)), ("x",)))
    e = lrp.explain(Network(nodes, (Input("x"),), ("used",)), draw(1, 3))
    assert [r.node for r in e.ledger] == ["used"]
    assert "unused" not in e.trace.values


@pytest.mark.parametrize("output", ["cut", "cut:1"])
def test_one_of_several_outputs_of_a_node(output: str) -> None:
    nodes = (Node("fc", Dense(draw(3, 3)), ("x",)), Node("cut", Split((1, 2)), ("fc",)))
    net = Network(nodes, (Input("x"),), (output,))
    x = draw(2, 3)
    e = lrp.explain(rational(net), rational(x), composite="lrp0", start="one_hot", target=0)
    whole = np.array([[1, 0, 0] if output == "cut" else [0, 1, 0]] * 2)
    fc = lrp.explain(rational(net.until("fc")), rational(x), composite="lrp0", start=rational(whole))
    assert (e.relevance == fc.relevance).all()
    assert (e.trace.relevance["fc"] == whole).all()


def test_parts_of_a_split_meet_again() -> None:
    nodes = (
        Node("cut", Split((2, 1, 1)), ("x",)),
        Node("relu", ReLU(), ("cut:2",)),
        Node("joined", Concat(), ("relu", "cut")),
        Node("fc", Dense(np.ones((3, 1))), ("joined",)),
    )
    net = Network(nodes, (Input("x"),), ("fc",))
    e = lrp.explain(net, np.array([[1.0, 2.0, 4.0, 8.0]]), composite="lrp0")
    assert e.relevance.tolist() == [[1.0, 2.0, 0.0, 8.0]], "the part that nothing reads receives nothing"
    assert {r.node: r.residual[0] for r in e.ledger} == dict.fromkeys(("fc", "joined", "relu", "cut"), 0.0)


def test_lengths_are_an_input_without_relevance() -> None:
    lstm = LSTM(draw(1, 4, 2, 3), draw(1, 4, 2, 2), draw(1, 4, 2), returns="all", lengths=True)
    nodes = (
        Node("lstm", lstm, ("x", "lengths")),
        Node("h", Flatten(), ("lstm:1",)),
        Node("fc", Dense(draw(2, 2), draw(2)), ("h",)),
    )
    net = Network(nodes, (Input("x"), Input("lengths")), ("fc",))
    x, lengths = draw(3, 5, 3), np.array([2, 5, 1])
    e = lrp.explain(net, {"x": x, "lengths": lengths}, composite=rules.Epsilon(0.01), target=1)
    assert list(e.relevance) == ["x"]
    assert e.ledger.residual < 1e-13
    for n, length in enumerate(lengths):
        assert (e.relevance["x"][n, length:] == 0).all()
        alone = lrp.explain(
            net, {"x": x[n : n + 1, :length], "lengths": np.array([length])}, composite=rules.Epsilon(0.01), target=1
        )
        np.testing.assert_allclose(e.relevance["x"][n, :length], alone.relevance["x"][0], rtol=0, atol=1e-13)


def test_gates_are_declared_by_the_node() -> None:
    nodes = (Node("g", Multiply(gate=0), ("gate", "signal")), Node("fc", Dense(np.ones((2, 1))), ("g",)))
    net = Network(nodes, (Input("gate"), Input("signal")), ("fc",))
    x = {"gate": np.array([[0.5, 2.0]]), "signal": np.array([[4.0, 1.0]])}
    e = lrp.explain(net, x, composite="lrp0")
    assert e.relevance["gate"].tolist() == [[0, 0]]
    assert e.relevance["signal"].tolist() == [[2, 2]]


# Edges and errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", composites.names())
def test_an_empty_batch(name: str, build: Any) -> None:
    net, shape = build()
    e = lrp.explain(net, np.zeros((0, *shape)), composite=composites.get(name, **BOUNDS.get(name, {})))
    assert e.relevance.shape == (0, *shape)
    assert e.target.shape == (0, 1)
    assert e.ledger.residual == 0
    assert e.checks() == {"conservative": True, "positive": True, "consistent": True, "ledger": True}
    assert "start 0" in repr(e)
    assert e._repr_html_().startswith("<p>Explanation(")


def test_one_number_per_sample() -> None:
    net = Network.sequential([Dense(np.array([[1.0], [2.0]])), layers.Squeeze((1,))])
    e = lrp.explain(net, np.array([[1.0, 1.0], [3.0, -1.0]]), composite="lrp0")
    assert e.output.tolist() == [3.0, 1.0]
    assert e.relevance.tolist() == [[1.0, 2.0], [3.0, -2.0]]


def test_a_value_that_is_not_finite_in_the_middle_names_its_node() -> None:
    net = Network.sequential([Dense(np.eye(2)), ("spectrum", layers.Log()), Dense(np.ones((2, 1)))])
    message = r"^node 'spectrum': the output has 1 values that are not finite; the first is -inf at \(0, 1\)$"
    with pytest.raises(NonFiniteError, match=message):
        lrp.explain(net, np.array([[1.0, 0.0]]))
    with pytest.raises(NonFiniteError, match=r"^input 'input' has 1 values that are not finite; the first is nan"):
        lrp.explain(net, np.array([[1.0, np.nan]]))


def test_a_relevance_that_is_not_finite_names_its_node() -> None:
    """Two inputs that cancel to z = 1.1e-16: R/z overflows."""
    net = Network.sequential([Dense(np.eye(2)), ("cancels", Dense(np.array([[1.0], [-1.0]]))), ReLU()])
    x = np.array([[1.0, np.nextafter(1.0, 0)]])
    assert np.isfinite(lrp.explain(net, x, composite="lrp0", start=np.array([[1e200]])).relevance).all()
    with pytest.raises(NonFiniteError, match=r"^node 'cancels': the relevance of its input has 2 values that are not"):
        lrp.explain(net, x, composite="lrp0", start=np.array([[1e300]]))


def test_integer_inputs_alone_have_no_relevance() -> None:
    net = Network.sequential([Flatten()])
    with pytest.raises(BackendError, match="floats, exact numbers or tokens, so there is nothing to give"):
        lrp.explain(net, np.ones((1, 2), dtype=int))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"composite": "epsilonn"}, ParameterError, "unknown composite 'epsilonn': did you mean 'epsilon'?"),
        ({"composite": "epsilon_gama_box"}, ParameterError, "did you mean 'epsilon_gamma_box'"),
        (
            {"compsite": "lrp0"},
            ParameterError,
            r"not 'compsite' \(did you mean 'composite'\?\); explain its",
        ),
        ({"composite": [(Conv, rules.Flat())], "bais": "ignore"}, ParameterError, r"did you mean 'bias'\?"),
        ({"target": 3}, ParameterError, "target 3 is out of range: the output has 3 classes, 0 to 2"),
        ({"start": "logits"}, ParameterError, "unknown start 'logits': did you mean 'logit'?"),
        ({"start": np.ones(3), "target": 1}, ParameterError, "leave target out"),
        ({"output": "nope"}, GraphError, "'nope' is no output of the network; there are: top"),
        ({"composite": [(Conv, rules.Flat())]}, ParameterError, r"has no rule for in \(Dense\), a \(Dense\), b "),
        ({"composite": [(Dense, rules.Deconv())]}, LrpError, "node 'top'"),
    ],
)
def test_errors(options: dict[str, Any], kind: type[LrpError], message: str) -> None:
    net, shape = residual_net()
    with pytest.raises(kind, match=message) as error:
        lrp.explain(net, draw(1, *shape), **options)
    assert "\n" not in str(error.value)


# The result as a value ---------------------------------------------------------------------------------------


def test_checks() -> None:
    plus = Network.sequential([Dense(np.array([[1.0], [2.0]])), ReLU()])
    x = np.array([[1.0, 1.0], [0.5, 2.0]])
    every = {"conservative": True, "positive": True, "consistent": True, "ledger": True}
    assert lrp.explain(plus, x, composite="lrp0").checks() == every
    negative = Network.sequential([Dense(np.array([[1.0], [-0.5]]))])
    assert lrp.explain(negative, x, composite="lrp0").checks() == every | {"positive": False, "consistent": False}
    biased = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([1.0]))])
    assert lrp.explain(biased, x, composite="lrp0").checks() == every | {"conservative": False, "consistent": False}
    assert lrp.explain(biased, x, composite="lrp0").checks(tolerance=0.4) == every
    # f = 0 implies R = 0 where an explanation is consistent.
    zero = lrp.explain(plus, x * 0, composite="lrp0")
    assert zero.checks() == every
    assert not zero.relevance.any()


def test_checks_measure_every_sample_by_itself() -> None:
    """A large sample must not hide that a small one is not conservative."""
    biased = Network.sequential([Dense(np.array([[1.0]]), np.array([1.0]))])
    x = np.array([[1e9], [1.0]])
    assert not lrp.explain(biased, x, composite="lrp0").checks()["conservative"]
    signed = Network.sequential([Dense(np.array([[1.0], [1.0]]))])
    x = np.array([[1e9, 0.0], [1.0, -0.5]])
    assert not lrp.explain(signed, x, composite="lrp0").checks()["positive"]


def test_checks_of_several_inputs_and_rationals() -> None:
    net = two_inputs()
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    exact = lrp.explain(rational(net), {k: rational(v) for k, v in x.items()}, start="one_hot", target=0)
    checks = exact.checks(tolerance=0)
    assert checks["ledger"]
    assert {type(v) for v in checks.values()} == {bool}


def test_repr() -> None:
    net = Network.sequential([Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
    e = lrp.explain(net, np.array([[3.0, 1.0]]), composite="lrp0")
    assert repr(e) == (
        "Explanation(lrp0, Logit(), target [[0]]: relevance (1, 2), start 5.5, arrived at the input 5, "
        "ledger residual 0.0e+00)"
    )
    given = lrp.explain(net, np.array([[3.0, 1.0]]), composite="lrp0", start=np.array([[11.0]]))
    assert repr(given).startswith("Explanation(lrp0, array: relevance (1, 2), start 11, ")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_html_shows_pictures_and_the_ledger(channels: int) -> None:
    net = Network.sequential([("<b>", Conv(draw(1, channels, 2, 2))), Flatten(), Dense(draw(4, 2))])
    e = lrp.explain(net, draw(6, channels, 3, 3).astype(np.float32), composite="epsilon_plus")
    html = e._repr_html_()
    assert html.count('<img src="data:image/png;base64,') == 4, "at most four samples"
    assert "<td>&lt;b&gt;</td>" in html
    assert "<b>" not in html
    assert "<table>" in html
    silent = lrp.explain(net, draw(1, channels, 3, 3), composite="epsilon_plus", start=np.zeros((1, 2)))
    assert silent._repr_html_().count("<img") == 1


def test_html_without_pictures() -> None:
    net, shape = residual_net()
    e = lrp.explain(net, draw(1, *shape))
    assert "<img" not in e._repr_html_()
    exact = lrp.explain(rational(net), rational(draw(1, *shape)))
    assert "<img" not in exact._repr_html_()


def test_html_shows_vectors_as_bars_and_where_relevance_went() -> None:
    # z = 2·3 + 1·(−1) + 1 = 6 under the 0-rule: R = (6, −1), the bias has 1
    net = Network.sequential([Dense(np.array([[2.0], [1.0]]), np.array([1.0])), ReLU()])
    html = lrp.explain(net, np.array([[3.0, -1.0]]), composite="lrp0")._repr_html_()
    assert html.count('class="bars"') == html.count('class="waterfall"') == 1
    assert "output 0: relevance. The largest is x_0 with 6; all 2 add up to 5." in html
    assert "Of 6 that started, 5 (83.3 %) arrived; bias took 1 (16.7 %)." in html
    assert "1 node takes nothing" in html, "the ReLU"
    six = lrp.explain(net, np.ones((6, 2)), composite="lrp0")._repr_html_()
    assert six.count('class="bars"') == 4, "at most four samples"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_html_of_relevance_that_is_not_finite_has_its_ledger(value: float) -> None:
    e = lrp.explain(Network.sequential([Dense(np.ones((2, 1)))]), np.ones((1, 2)))
    broken = e.map(lambda array: np.full_like(array, value) if array.dtype.kind == "f" else array)
    with np.errstate(invalid="ignore"):  # the ledger's residual is inf / inf
        html = broken._repr_html_()
    assert "<table" in html
    assert "<svg" not in html


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (range(6), "target [[0], [1], [2], [0], … 2 more]"),
        ([2, 1, 0, 2], "target [[2], [1], [0], [2]]:"),
        ([[0, 2]] * 6, "sum of outputs 0, 2:"),
        ([[0, 2], [1, 2]] * 3, "sum of outputs [[0, 2], [1, 2], [0, 2], [1, 2], … 2 more]"),
    ],
)
def test_targets_that_are_not_shown_are_counted(target: Any, words: str) -> None:
    net = Network.sequential([Dense(draw(3, 3))])
    target = [t % 3 for t in target] if isinstance(target, range) else target
    assert words in repr(lrp.explain(net, draw(len(target), 3), target=target, composite="lrp0"))


@pytest.mark.parametrize(
    ("against", "words"),
    [(2, ", 1 against 2:"), ([2, 0] * 3, "target [[1], [1], [1], [1], … 2 more] against [2, 0, 2, 0, … 2 more]")],
)
def test_a_difference_is_said(against: Any, words: str) -> None:
    net = Network.sequential([Dense(draw(3, 3))])
    assert words in repr(lrp.explain(net, draw(6, 3), target=1, start="difference", against=against))


def test_what_is_asked_in_words() -> None:
    net = Network.sequential([Dense(draw(3, 3))])
    x, classes = draw(2, 3), ["cat", "dog", "cow"]
    assert lrp.explain(net, x, target=[1, 2]).asked(1) == "output 2"
    assert lrp.explain(net, x, target=[1, 2]).asked(1, classes) == "cow"
    assert lrp.explain(net, x, target=[[0, 1]]).asked(1, classes) == "sum of cat, dog"
    assert lrp.explain(net, x, target=0, start="difference", against=2).asked(0, classes) == "cat against cow"
    assert lrp.explain(net, x, start=np.ones(3)).asked() == "a given start"


# A sample of a batch ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"target": [0, 1, 2]}, {"start": "contrastive"},
     {"start": "difference", "against": [2, 2, 1], "target": [0, 1, 2]},
     {"start": np.arange(9.0).reshape(3, 3) + 1}, {"start": np.array([1.0, 2.0, -1.0])}],
)  # fmt: skip
def test_a_sample_is_explained_as_alone(options: dict[str, Any], trace: bool) -> None:
    """Output, relevance, ledger with its sizes, and trace, made now or later."""
    net, shape = residual_net()
    x = draw(3, *shape)
    e = lrp.explain(net, x, composite="epsilon_plus", trace=trace, **options)
    for k in range(3):
        per_sample = {key for key, v in options.items() if key != "start" or np.ndim(v) == 2}
        few = {key: v[k : k + 1] if key in per_sample else v for key, v in options.items()}
        alone = lrp.explain(net, x[k : k + 1], composite="epsilon_plus", trace=trace, **few)
        one = e.sample(k)
        close = {"rtol": 1e-11, "atol": 1e-12}
        np.testing.assert_allclose(one.output, alone.output, **close)
        np.testing.assert_allclose(one.relevance, alone.relevance, **close)
        np.testing.assert_allclose(one.start_relevance, alone.start_relevance, **close)
        np.testing.assert_allclose(one.started, alone.started, **close)
        np.testing.assert_allclose(one.arrived, alone.arrived, **close)
        assert one.ledger.residual < 1e-12
        for a, b in zip(one.ledger, alone.ledger, strict=True):
            assert (a.node, a.rule, len(a.residual)) == (b.node, b.rule, 1)
            np.testing.assert_allclose(a.relevance_in, b.relevance_in, **close)
            assert (a.size is None) == (b.size is None)
            if a.size is not None:
                np.testing.assert_allclose(a.size, b.size, **close)
        assert one.trace.diff(alone.trace, tolerance=1e-9).equal


def test_a_slice_of_samples_several_inputs_and_samples_that_are_not_there() -> None:
    x = {"a": draw(4, 3), "b": draw(4, 4)}
    e = lrp.explain(two_inputs(), x)
    some = e.sample(slice(1, 3))
    assert some.relevance["a"].shape == (2, 3)
    assert np.array_equal(some.relevance["b"], e.relevance["b"][1:3])
    assert np.array_equal(e.sample(-1).output, e.output[3:])
    assert np.array_equal(e.ledger.sample(2)[0].relevance_out, e.ledger[0].relevance_out[2:3])
    assert all(len(v) == 1 for v in e.trace.sample(0).values.values())
    for wrong in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            e.sample(wrong)


# A negative start ------------------------------------------------------------------------------------------------


def test_a_negative_start_is_said() -> None:
    """f = (−3, 2): all shares of −3 are negative; CLRP starts with −3 at the target and 3 elsewhere."""
    net = Network.sequential([Dense(np.array([[-1.0, 1.0], [-1.0, 0.5]]))])
    x = np.array([[1.0, 2.0]])
    words = "the start itself is negative (-3): blue pulls the output down, red pulls it up"
    for start in ("logit", "contrastive", np.array([[-3.0, 0.0]])):
        options = {} if isinstance(start, np.ndarray) else {"target": 0}
        e = lrp.explain(net, x, start=start, composite="lrp0", **options)
        assert e.negative(0, ("blue", "red")) == words
        assert "the start itself is negative (-3)" in e._repr_html_()
    for start, target in (("one_hot", 0), ("logit", 1), ("contrastive", 1), ("softmax_gradient", 0), ("positive", 0)):
        e = lrp.explain(net, x, start=start, target=target, composite="lrp0")
        assert e.negative() == ""
        assert "is negative" not in e._repr_html_()
    assert (
        lrp.explain(net, x, target=0, start="difference", against=1)
        .negative()
        .startswith("the start itself is negative (-5)")
    )


def test_a_negative_start_is_said_under_its_picture() -> None:
    net = Network.sequential([Flatten(), Dense(np.concatenate([np.ones((4, 1)), -np.ones((4, 1))], axis=1))])
    e = lrp.explain(net, np.ones((2, 1, 2, 2)), target=[0, 1], composite="lrp0")
    captions = [part.split("</figcaption>")[0] for part in e._repr_html_().split("<figcaption>")[1:]]
    spread = "|Relevance| is spread over all quarters: the largest of them has 25 %."
    assert captions[0] == f"output 0: relevance. {spread}"
    assert captions[1] == (
        f"output 1: relevance. the start itself is negative (-4): blue pulls the output down, red pulls it up. {spread}"
    )


def test_pickling() -> None:
    net, shape = conv_net()
    e = lrp.explain(net, draw(1, *shape), composite="epsilon_plus_flat")
    again = pickle.loads(pickle.dumps(e))  # noqa: S301  (our own bytes)
    assert np.array_equal(again.relevance, e.relevance)
    assert again.ledger.table() == e.ledger.table()
    assert repr(again.plan) == repr(e.plan)


# Saved and loaded --------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    net, shape = conv_net()
    e = lrp.explain(net, draw(2, *shape), target=[2, 0], composite="epsilon_plus")
    found = lrp.load_relevance(e.save(tmp_path / "e"))
    assert found["relevance"].dtype == np.float64
    assert np.array_equal(found["relevance"], e.relevance)
    assert np.array_equal(found["output"], e.output)
    assert np.array_equal(found["start_relevance"], e.start_relevance)
    assert found["target"].tolist() == [[2], [0]]
    assert (found["start"], found["composite"]) == ("Logit()", "epsilon_plus")
    assert found["ledger_residual"] == e.ledger.residual
    assert found["trace"].diff(e.trace, tolerance=0).equal
    assert set(found) == {
        "relevance", "output", "start_relevance", "target", "start", "composite", "bias", "ledger_residual", "trace",
    }  # fmt: skip


def test_save_and_load_several_inputs_without_target_or_trace(tmp_path: Path) -> None:
    x = {"a": draw(2, 3), "b": draw(2, 4)}
    e = lrp.explain(two_inputs(), x, start=np.ones(2))
    found = lrp.load_relevance(e.save(tmp_path / "e.npz", trace=False))
    assert list(found["relevance"]) == ["a", "b"]
    assert all(np.array_equal(found["relevance"][k], e.relevance[k]) for k in x)
    assert "target" not in found
    assert len(found["trace"].values) == 0


def test_saving_exact_numbers_is_refused(tmp_path: Path) -> None:
    net, shape = residual_net()
    e = lrp.explain(rational(net), rational(draw(1, *shape)))
    with pytest.raises(ParameterError, match=r"holds exact numbers, which .npz cannot store"):
        e.save(tmp_path / "e.npz")
    assert not list(tmp_path.iterdir())


def test_loading_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="no such file"):
        lrp.load_relevance(tmp_path / "e.npz")


def test_a_map_of_a_small_part_is_positive_only_if_it_is() -> None:
    """z = 1 + 1 − ½ + 1e6: what reaches the input is a millionth of the start, of both signs."""
    net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [-0.5]]), np.array([1e6]))])
    e = lrp.explain(net, np.array([[2.0, 1.0]]), composite="lrp0")
    assert e.relevance[0, 1] < 0
    assert not e.checks(tolerance=1e-5)["positive"]
    assert lrp.explain(net, np.array([[2.0, -1.0]]), composite="lrp0").checks()["positive"]
