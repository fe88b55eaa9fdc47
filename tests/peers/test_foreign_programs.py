"""iNNvestigate, the LRP toolbox and LRP_for_LSTM, run live: what they once computed, at every layer that they show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from peer_cases import Case, lstm_network, names, network, read
from peer_places import folder_of, python_of

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.layers import Add, Conv, Dense, Flatten, MaxPool, Pad, ReLU, Softplus, SumPool
from lrp_ref.peers import NoRule, Recording, Task, find
from lrp_ref.peers.interpreter import Interpreter

CLOSE = 1e-12  # relative to the largest relevance of the layer
WEIGHTED = (Conv, Dense)
NAMED = {
    "z": rules.LRP0(),
    "simple": rules.LRP0(),
    "flat": rules.Flat(),
    "ww": rules.WSquare(),
    "w_square": rules.WSquare(),
    "z_plus": rules.ZPlus(),
    "alpha1beta0": rules.AlphaBeta(1, 0),
    "alpha2beta1": rules.AlphaBeta(2, 1),
    "alpha_1_beta_0": rules.AlphaBeta(1, 0),
    "alpha_2_beta_1": rules.AlphaBeta(2, 1),
}
# What these programs compute besides is no rule of LRP, or has no name here.
NO_RULE = ("gradient", "deconvnet", "guided_backprop", "deep_taylor", "z_plus_fast")


def stored(peer: str) -> list[str]:
    return [name for name in names() if name.endswith(f"__{peer}") and not any(word in name for word in NO_RULE)]


def of(words: str) -> Any:
    """Return the rule that a stored case is called after."""
    if words.startswith("epsilon"):
        rule: Any = rules.Epsilon(float(words.split("_")[1]))
        return rule.with_bias("ignore") if words.endswith("_nobias") else rule
    return NAMED[words.removesuffix("_IB")].with_bias("ignore") if words.endswith("_IB") else NAMED[words]


def toolbox_task(case: Case) -> Task:
    net, words = network(case), case.rule.removesuffix("_poolsimple")
    pools = of("simple") if case.rule.endswith("_poolsimple") else of(words)
    asked = {
        node.name: of(words) if isinstance(node.layer, WEIGHTED) else pools
        for node in net.nodes
        if isinstance(node.layer, (*WEIGHTED, MaxPool, SumPool))
    }
    return Task(net, {"input": case.arrays["input"]}, asked, case.arrays["start_relevance"])


def innvestigate_task(case: Case) -> Task:
    words = case.rule.removeprefix("lrp.")
    net = network(case, padding_layer=words.endswith("_zeropadlayer"))
    box, behind = "_input_box" in words, words.endswith("_zeropadlayer")
    words = words.removesuffix("_zeropadlayer").removesuffix("_input_box")
    weighted = [node for node in net.nodes if isinstance(node.layer, WEIGHTED)]
    if words.startswith("sequential_preset"):
        dense = of("epsilon_1e-6") if "eps1e-6" in words else of("epsilon_0.1")
        conv = of("alpha1beta0") if "preset_a" in words else of("alpha2beta1")
        asked = {n.name: dense if isinstance(n.layer, Dense) else conv for n in weighted}
        if words.endswith("_flat"):
            asked[weighted[0].name] = rules.Flat()
    else:
        asked = {n.name: of(words) for n in weighted}
    if box and not behind:  # a layer of zeros before it makes the program forget that it is the first
        asked[weighted[0].name] = rules.ZBox(*case.parameters["input_layer_rule"])
    return Task(net, {"input": case.arrays["input"]}, asked, case.arrays["start_relevance"])


def require_same(case: Case, found: Recording, output: str) -> None:
    assert not found.left_out
    kept = {**case.relevances(), "input": case.arrays["relevance"]}
    for name, array in kept.items():
        largest = np.abs(array).max()
        np.testing.assert_allclose(found.trace.relevance[name], array, rtol=0, atol=CLOSE * largest, err_msg=name)
    np.testing.assert_allclose(found.trace.values[output], case.arrays["output"], rtol=CLOSE, atol=1e-15)


@pytest.mark.parametrize("name", stored("lrp_toolbox") or [pytest.param("", marks=pytest.mark.skip("no stored cases"))])
def test_the_toolbox_gives_what_it_gave_at_every_layer(name: str) -> None:
    folder, case = folder_of("toolbox"), read(name)
    task = toolbox_task(case)
    require_same(case, find("toolbox").load().record(task, folder), task.network.outputs[0])


@pytest.mark.parametrize(
    "name", stored("LRP_for_LSTM") or [pytest.param("", marks=pytest.mark.skip("no stored cases"))]
)
def test_lrp_for_lstm_gives_what_it_gave_at_every_layer(name: str) -> None:
    folder, case = folder_of("lrp_for_lstm"), read(name)
    rule = rules.Epsilon(case.parameters["eps"], case.parameters["bias_factor"])
    asked = dict.fromkeys(("Left", "Right", "scores"), rule)
    task = Task(lstm_network(case), {"input": case.arrays["input"]}, asked, case.arrays["start_relevance"])
    require_same(case, find("lrp_for_lstm").load().record(task, folder), "scores")


@pytest.fixture(scope="module")
def innvestigate() -> Iterator[Interpreter]:
    with Interpreter("innvestigate", python_of("innvestigate")) as other:
        yield other


@pytest.mark.parametrize(
    "name", stored("innvestigate") or [pytest.param("", marks=pytest.mark.skip("no stored cases"))]
)
def test_innvestigate_gives_what_it_gave_at_every_layer(name: str, innvestigate: Interpreter) -> None:
    case = read(name)
    task = innvestigate_task(case)
    require_same(case, innvestigate.ask(task), task.network.outputs[0])


# What a program does not have is named, and what is above it compared -----------------------------------------------


def middle(layer: Any) -> tuple[lrp.Network, Task]:
    """Return a chain of dense layers with ``layer`` in its middle, asked with the ε-rule."""
    rng = np.random.default_rng(5)
    entries = [("low", Dense(rng.normal(size=(4, 5)), rng.normal(size=5))), ("odd", layer)]
    entries += [("relu", ReLU()), ("high", Dense(rng.normal(size=(5, 3)), rng.normal(size=3)))]
    net, x = lrp.Network.sequential(entries), rng.normal(size=(2, 4))
    return net, Task(net, {"input": x}, dict.fromkeys(("low", "high"), rules.Epsilon(0.1)), rng.normal(size=(2, 3)))


def epsilon_back(layer: Any, x: Any, r: Any, epsilon: float) -> Any:
    """Return the relevance of a dense layer's inputs, unit by unit, as the ε-rule states it."""
    z = x @ layer.weight + layer.bias
    received = np.zeros_like(x)
    for k, i, j in np.ndindex(len(x), *layer.weight.shape):
        sign = 1 if z[k, j] >= 0 else -1
        received[k, i] += x[k, i] * layer.weight[i, j] / (z[k, j] + epsilon * sign) * r[k, j]
    return received


def require_above(net: lrp.Network, task: Task, found: Recording) -> None:
    assert set(found.left_out) == {"odd"}
    values = net.values(dict(task.inputs))
    above = epsilon_back(net["high"].layer, values["relu"], task.start, 0.1)
    assert set(found.trace.relevance) == {"high", "relu", "odd"}
    for name in ("relu", "odd"):  # the ReLU hands on what it gets
        np.testing.assert_allclose(found.trace.relevance[name], above, rtol=1e-12)
    assert not {"low", "odd"} & set(found.trace.values)  # what was not the program's is not shown as its own


def test_the_toolbox_names_a_layer_that_it_has_not_and_shows_what_is_above() -> None:
    net, task = middle(Softplus())
    found = find("toolbox").load().record(task, folder_of("toolbox"))
    require_above(net, task, found)
    assert not any("zeros around" in note for note in found.notes)
    assert found.left_out["odd"] == "it has no module for Softplus()"


def test_innvestigate_names_a_layer_that_it_has_not_and_shows_what_is_above(innvestigate: Interpreter) -> None:
    net, task = middle(Softplus())
    found = innvestigate.ask(task)
    require_above(net, task, found)
    assert found.left_out["odd"] == "there is no Keras layer here for Softplus()"


def test_the_toolbox_names_a_sum_as_no_chain() -> None:
    rng = np.random.default_rng(6)
    inner, outer = (
        Dense(rng.normal(size=(4, 4)), rng.normal(size=4)),
        Dense(rng.normal(size=(4, 3)), rng.normal(size=3)),
    )
    nodes = (lrp.Node("inner", inner, ("input",)), lrp.Node("sum", Add(), ("input", "inner")))
    net = lrp.Network((*nodes, lrp.Node("outer", outer, ("sum",))), (lrp.Input("input"),), ("outer",))
    start = rng.normal(size=(2, 3))
    task = Task(net, {"input": rng.normal(size=(2, 4))}, dict.fromkeys(("inner", "outer"), rules.LRP0()), start)
    found = find("toolbox").load().record(task, folder_of("toolbox"))
    assert dict(found.left_out) == {"sum": "it reads 2 values; its models are chains of layers"}
    assert set(found.trace.relevance) == {"outer", "sum"}


def test_a_sum_and_two_readers_are_a_graph_that_innvestigate_has(innvestigate: Interpreter) -> None:
    """Its additions split in proportion, which is the ledger's way here too."""
    rng = np.random.default_rng(6)
    layers = [Dense(rng.normal(size=(4, 4)), rng.normal(size=4)) for _ in range(2)]
    last = Dense(rng.normal(size=(4, 3)), rng.normal(size=3))
    nodes = (lrp.Node("a", layers[0], ("input",)), lrp.Node("b/c:d", layers[1], ("a",)))
    nodes = (*nodes, lrp.Node("sum", Add(), ("a", "b/c:d")), lrp.Node("last", last, ("sum",)))
    net = lrp.Network(nodes, (lrp.Input("input"),), ("last",))
    rule, x, start = rules.Epsilon(0.1), rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    found = innvestigate.ask(Task(net, {"input": x}, dict.fromkeys(("a", "b/c:d", "last"), rule), start))
    values = net.values({"input": x})
    summed = epsilon_back(last, values["sum"], start, 0.1)
    parts = [summed * values[name] / values["sum"] for name in ("a", "b/c:d")]
    np.testing.assert_allclose(found.trace.relevance["b/c:d"], parts[1], rtol=1e-11)
    arrived = parts[0] + epsilon_back(layers[1], values["a"], parts[1], 0.1)
    np.testing.assert_allclose(found.trace.relevance["a"], arrived, rtol=1e-11)
    np.testing.assert_allclose(found.trace.relevance["input"], epsilon_back(layers[0], x, arrived, 0.1), rtol=1e-10)


@pytest.mark.parametrize("rule", [rules.Gamma(), rules.Epsilon(0.1, bias_share=1), rules.Zero(), None])
@pytest.mark.parametrize("peer", ["toolbox", "innvestigate"])
def test_a_rule_that_a_program_has_not_is_named(peer: str, rule: Any, request: pytest.FixtureRequest) -> None:
    net, task = middle(ReLU())
    asked = Task(net, task.inputs, {"low": rule, "high": rules.LRP0()}, task.start)
    if peer == "toolbox":
        found = find(peer).load().record(asked, folder_of(peer))
    else:
        found = request.getfixturevalue("innvestigate").ask(asked)
    assert list(found.left_out) == ["low"]
    assert "input" not in found.trace.relevance
    assert "low" in found.trace.relevance


def test_where_nothing_can_be_asked_the_last_node_says_why(innvestigate: Interpreter) -> None:
    net, task = middle(ReLU())
    asked = Task(net, task.inputs, {"low": rules.LRP0(), "high": rules.Gamma()}, task.start)
    with pytest.raises(NoRule, match=r"^it has no Gamma\("):
        innvestigate.ask(asked)
    with pytest.raises(NoRule, match=r"^it has no Gamma\("):
        find("toolbox").load().record(asked, folder_of("toolbox"))


def test_windows_beside_the_image_and_flattening_lie_as_they_do_in_the_network(innvestigate: Interpreter) -> None:
    """Uneven sizes on both axes, other strides than "same" has, and channels that are not as many as anything else."""
    rng = np.random.default_rng(7)
    conv = Conv(rng.normal(size=(4, 2, 3, 2)), rng.normal(size=4), stride=(1, 2), padding=((2, 1), (0, 1)))
    entries = [("pad", Pad(((0, 0), (1, 0), (0, 2)))), ("conv", conv), ("relu", ReLU()), ("pool", MaxPool((2, 1)))]
    head = lrp.Network.sequential(entries)
    x = rng.normal(size=(3, 2, 6, 7))
    size = int(np.prod(head.forward(x).shape[1:]))
    net = lrp.Network.sequential([*entries, ("flat", Flatten()), ("fc", Dense(rng.normal(size=(size, 3)), np.ones(3)))])
    start = rng.normal(size=(3, 3))
    task = Task(net, {"input": x}, {"conv": rules.Epsilon(0.1), "fc": rules.Epsilon(0.1)}, start)
    values = net.values({"input": x})
    expected = lrp.explain(net, x, composite=lrp.Composite([(WEIGHTED, rules.Epsilon(0.1))]), start=start, trace=True)
    programs = [innvestigate.ask(task)]
    programs += [find("toolbox").load().record(task, folder_of("toolbox"))]
    for found in programs:
        assert not found.left_out
        assert sum("'conv'" in note for note in found.notes) == 1  # its zeros are no part of the program's layer
        for name, value in values.items():
            np.testing.assert_allclose(found.trace.values[name], value, rtol=1e-10, atol=1e-12, err_msg=name)
        above = epsilon_back(net["fc"].layer, values["flat"], start, 0.1)
        np.testing.assert_allclose(found.trace.relevance["flat"], above, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(found.trace.relevance["input"], expected.relevance, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("padding", "own"), [((0, 1), True), ((1, 0), False), ((1, 1), False)])
def test_padding_that_keras_has_is_its_own(padding: tuple[int, int], own: bool, innvestigate: Interpreter) -> None:
    """Then flat divides by the positions that exist; a layer of zeros counts as positions."""
    net = lrp.Network.sequential([("conv", Conv(np.ones((1, 1, 2)), np.ones(1), padding=(padding,))), ("f", Flatten())])
    x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    out = net.forward(x)
    found = innvestigate.ask(Task(net, {"input": x}, {"conv": rules.Flat()}, np.ones_like(out)))
    assert any("zeros around" in note for note in found.notes) != own
    size = x.shape[2] + sum(padding)
    expected = np.zeros(size)
    for place in range(size - 1):
        reached = [p for p in (place, place + 1) if not own or 0 <= p - padding[0] < x.shape[2]]
        expected[reached] += 1 / len(reached)
    np.testing.assert_allclose(found.trace.relevance["input"].ravel(), expected[padding[0] :][: x.shape[2]], rtol=1e-12)


def test_what_a_left_out_node_would_add_to_is_not_shown(innvestigate: Interpreter) -> None:
    """The value that it reads gets relevance from elsewhere too: a part of it is no relevance."""
    rng = np.random.default_rng(8)
    first, last = Dense(rng.normal(size=(4, 4)), np.ones(4)), Dense(rng.normal(size=(4, 3)), np.ones(3))
    nodes = (lrp.Node("first", first, ("input",)), lrp.Node("odd", Softplus(), ("first",)))
    nodes = (*nodes, lrp.Node("sum", Add(), ("first", "odd")), lrp.Node("last", last, ("sum",)))
    net = lrp.Network(nodes, (lrp.Input("input"),), ("last",))
    x, start = rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    found = innvestigate.ask(Task(net, {"input": x}, dict.fromkeys(("first", "last"), rules.Epsilon(0.1)), start))
    assert set(found.left_out) == {"odd"}
    assert set(found.trace.relevance) == {"last", "sum", "odd"}
    values = net.values({"input": x})
    summed = epsilon_back(last, values["sum"], start, 0.1)
    np.testing.assert_allclose(found.trace.relevance["odd"], summed * values["odd"] / values["sum"], rtol=1e-11)
