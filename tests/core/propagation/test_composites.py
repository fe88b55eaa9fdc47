"""Composites: which entry wins where, the presets row by row against the published tables, and what is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.layers import (
    ELU,
    LSTM,
    SELU,
    Add,
    Affine,
    AveragePool,
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Mean,
    ReLU,
    SumPool,
)
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites
from lrp_ref.propagation.composites import Composite, first, order
from lrp_ref.rules.edits import EXACT, Stabiliser, add

ONE = np.ones((1, 1, 1, 1))
TINY = add(1e-6)


def conv_net() -> Network:
    """Three convolutions, two dense layers, every kind of layer that the base map speaks of."""
    layers: list[Any] = [
        Conv(ONE), Affine(np.ones(1)), ReLU(), MaxPool(1),
        Conv(ONE), ReLU(), AveragePool(1), SumPool(1),
        ConvTranspose(ONE), ReLU(), GlobalAveragePool(), Flatten(),
        Dense(np.eye(1)), ReLU(), Dense(np.eye(1)),
    ]  # fmt: skip
    return Network.sequential(layers)


def chosen(composite: Any, net: Network | None = None) -> dict[str, Any]:
    """Return the rule of every node by name."""
    return {p.node: p.rule for p in composites.resolve(composite).plan(conv_net() if net is None else net)}


# Which entry wins --------------------------------------------------------------------------------------------


def test_the_first_match_wins() -> None:
    entries = [(Conv, rules.ZPlus()), (Layer, rules.Pass()), (Conv, rules.Flat()), (Dense, rules.Flat())]
    found = chosen(entries)
    assert found["conv1"] == found["conv2"] == rules.ZPlus()
    assert found["dense1"] == found["relu1"] == found["convtranspose1"] == rules.Pass()
    assert chosen(entries[::-1])["conv1"] == rules.Flat()
    assert chosen(entries[::-1])["dense2"] == rules.Flat()


def test_a_tuple_of_classes() -> None:
    found = chosen([((Conv, Dense), rules.Flat()), (ConvTranspose, rules.ZPlus())])
    assert [n for n, r in found.items() if r == rules.Flat()] == ["conv1", "conv2", "dense1", "dense2"]
    assert found["convtranspose1"] == rules.ZPlus()


def test_a_subclass_matches_its_base_class() -> None:
    net = Network.sequential([ELU(), SELU(), GlobalAveragePool(), Mean(axes=(1,))])
    found = chosen([(ELU, rules.Zero()), (Mean, rules.Flat())], net)
    assert found == {
        "elu1": rules.Zero(),
        "selu1": rules.Zero(),
        "globalaveragepool1": rules.Flat(),
        "mean1": rules.Flat(),
    }
    narrow = chosen([(SELU, rules.Zero()), (GlobalAveragePool, rules.Flat())], net)
    assert narrow["elu1"] is None
    assert narrow["mean1"] == rules.Epsilon(1e-6)


BLOCKS = Network.sequential(
    [
        ("block1.fc", Dense(np.eye(1))),
        ("block1.relu", ReLU()),
        ("block2.fc", Dense(np.eye(1))),
        ("Head", Dense(np.eye(1))),
    ]
)


def test_globs_with_a_linear_rule_mean_linear_layers() -> None:
    found = chosen([("block1.*", rules.Flat()), ("block?.fc", rules.ZPlus()), ("[H]*", rules.LRP0())], BLOCKS)
    assert found == {
        "block1.fc": rules.Flat(),
        "block1.relu": None,
        "block2.fc": rules.ZPlus(),
        "Head": rules.LRP0(),
    }


def test_globs_with_a_rule_for_any_layer_mean_any_layer() -> None:
    found = chosen([("block1.*", rules.Gradient()), (Dense, rules.Flat())], BLOCKS)
    assert found["block1.fc"] == found["block1.relu"] == rules.Gradient()
    assert found["block2.fc"] == rules.Flat()


def test_globs_see_upper_and_lower_case_and_may_match_nothing() -> None:
    found = chosen([("head*", rules.Flat()), ("tail.*", rules.Flat()), (Dense, rules.LRP0())], BLOCKS)
    assert found["Head"] == rules.LRP0()


def test_a_name_that_no_node_has_is_refused_with_the_nearest_one() -> None:
    message = r"^unknown node in composite 'mine': 'block1.cf': did you mean 'block1.fc'\? known: Head, block1.fc, "
    with pytest.raises(ParameterError, match=message):
        Composite([("block1.cf", rules.Flat()), (Dense, rules.LRP0())], name="mine").plan(BLOCKS)


def test_first_is_the_first_in_execution_order_among_all_its_classes() -> None:
    entries = [(first(Dense, ConvTranspose), rules.Flat()), (composites.WEIGHTED, rules.LRP0())]
    assert [n for n, r in chosen(entries).items() if r == rules.Flat()] == ["convtranspose1"]
    entries = [(first(Dense), rules.Flat()), (composites.WEIGHTED, rules.LRP0())]
    assert [n for n, r in chosen(entries).items() if r == rules.Flat()] == ["dense1"]


def test_order_counts_from_zero_and_excludes_its_end() -> None:
    net = Network.sequential([Dense(np.eye(1)) for _ in range(5)])
    entries = [(order(Dense, start=1, stop=3), rules.Flat()), (Dense, rules.LRP0())]
    assert [n for n, r in chosen(entries, net).items() if r == rules.Flat()] == ["dense2", "dense3"]
    assert repr(order(Dense, start=1, stop=3)) == "order(Dense, 1, 3)"
    assert repr(first(Conv, Dense)) == "first(Conv, Dense)"


def test_base_comes_after_the_entries_and_before_the_defaults() -> None:
    composite = Composite([(first(Dense), rules.Flat())], base=[(Dense, rules.LRP0()), (AveragePool, rules.WSquare())])
    net = Network.sequential([Dense(np.eye(1)), AveragePool(1), Dense(np.eye(1)), SumPool(1)])
    assert [(p.rule, p.why) for p in composite.plan(net)] == [
        (rules.Flat(), "first(Dense)"),
        (rules.WSquare(), "AveragePool"),
        (rules.LRP0(), "Dense"),
        (rules.Epsilon(1e-6), "default"),
    ]


# The base map ------------------------------------------------------------------------------------------------


def test_what_nothing_matches_keeps_its_own_way() -> None:
    found = chosen([(composites.WEIGHTED, rules.LRP0())])
    for name in ("sumpool1", "averagepool1", "globalaveragepool1"):
        assert found[name] == rules.Epsilon(1e-6), name
    for name in ("relu1", "maxpool1", "flatten1"):
        assert found[name] is None, name
    assert found["affine1"] == rules.Pass()
    lstm = LSTM(np.ones((1, 4, 1, 1)), np.ones((1, 4, 1, 1)), np.ones((1, 4, 1)))
    net = Network((Node("a", Add(), ("x", "x")), Node("l", lstm, ("a",))), (Input("x"),), ("l",))
    assert chosen([], net) == {"a": rules.Epsilon(1e-6), "l": rules.Recurrent(rules.Epsilon(1e-3), rules.Epsilon(1e-3))}


def test_dense_and_convolution_layers_without_a_rule_are_named() -> None:
    with pytest.raises(ParameterError) as error:
        Composite([(Conv, rules.ZPlus())], name="half").plan(conv_net())
    missing = "convtranspose1 (ConvTranspose), dense1 (Dense), dense2 (Dense)"
    assert str(error.value) == f"composite 'half' has no rule for {missing}: add an entry for them"


# Presets against the published tables ------------------------------------------------------------------------

# zennit's layer maps (see the table in the documentation of its composites): rule of the first convolution, of the
# other convolutions (transposed ones included), of the dense layers; of sums and average pools; every denominator
# with 1e-6.
Z_BOX = rules.ZBox(-1.0, 2.0, TINY)
EPS = rules.Epsilon(1e-6)
TABLE: dict[str, tuple[dict[str, Any], Any, Any, Any]] = {
    "epsilon_plus": ({}, rules.ZPlus(TINY), rules.ZPlus(TINY), EPS),
    "epsilon_plus_flat": ({}, rules.Flat(TINY), rules.ZPlus(TINY), EPS),
    "epsilon_alpha2_beta1": ({}, rules.AlphaBeta(2, 1, TINY), rules.AlphaBeta(2, 1, TINY), EPS),
    "epsilon_alpha2_beta1_flat": ({}, rules.Flat(TINY), rules.AlphaBeta(2, 1, TINY), EPS),
    "epsilon_gamma_box": ({"low": -1.0, "high": 2.0}, Z_BOX, rules.GeneralizedGamma(0.25, TINY), EPS),
    "excitation_backprop": ({}, rules.ZPlus(TINY), rules.ZPlus(TINY), rules.ZPlus(TINY)),
    # One rule everywhere.
    "lrp0": ({}, rules.LRP0(), rules.LRP0(), rules.LRP0()),
    "epsilon": ({}, EPS, EPS, EPS),
    # iNNvestigate's presets: dense ε = 0.1; A is α1β0, B is α2β1.
    "lrp.sequential_preset_a": ({}, rules.AlphaBeta(1, 0), rules.AlphaBeta(1, 0), rules.Epsilon(0.1)),
    "lrp.sequential_preset_b": ({}, rules.AlphaBeta(2, 1), rules.AlphaBeta(2, 1), rules.Epsilon(0.1)),
    "lrp.sequential_preset_a_flat": ({}, rules.Flat(), rules.AlphaBeta(1, 0), rules.Epsilon(0.1)),
    "lrp.sequential_preset_b_flat": ({}, rules.Flat(), rules.AlphaBeta(2, 1), rules.Epsilon(0.1)),
}


@pytest.mark.parametrize("name", TABLE)
def test_presets_row_by_row(name: str) -> None:
    parameters, first_conv, conv, dense = TABLE[name]
    expected = {
        "conv1": first_conv, "affine1": rules.Pass(), "relu1": None, "maxpool1": None,
        "conv2": conv, "relu2": None, "averagepool1": EPS, "sumpool1": EPS,
        "convtranspose1": conv, "relu3": None, "globalaveragepool1": EPS, "flatten1": None,
        "dense1": dense, "relu4": None, "dense2": dense,
    }  # fmt: skip
    composite = composites.get(name, **parameters)
    assert composite.name == name
    assert chosen(composite) == expected


@pytest.mark.parametrize("name", ["epsilon_plus_flat", "epsilon_alpha2_beta1_flat"])
def test_flat_presets_make_a_first_dense_layer_flat(name: str) -> None:
    net = Network.sequential([Flatten(), Dense(np.eye(1)), Dense(np.eye(1))])
    assert [r for r in chosen(name, net).values() if r] == [rules.Flat(TINY), EPS]


def test_epsilon_gamma_box_bounds_the_first_convolution_behind_a_dense_layer_too() -> None:
    net = Network.sequential([Dense(np.eye(1)), Conv(ONE), Conv(ONE)])
    found = chosen(composites.get("epsilon_gamma_box", low=-1.0, high=2.0), net)
    assert list(found.values()) == [EPS, Z_BOX, rules.GeneralizedGamma(0.25, TINY)]


@pytest.mark.parametrize(
    ("name", "relu"),
    [
        ("gradient", rules.Gradient()),
        ("deconvnet", rules.Deconv()),
        ("guided_backprop", rules.Guided()),
        ("beta_smooth", rules.BetaSmooth(10.0)),
    ],
)
def test_derivative_presets(name: str, relu: Any) -> None:
    found = chosen(name)
    assert {n for n, r in found.items() if r != rules.Gradient()} <= {"relu1", "relu2", "relu3", "relu4"}
    assert {repr(found[f"relu{k}"]) for k in (1, 2, 3, 4)} == {repr(relu)}


def test_montavon_vgg16() -> None:
    """The published schedule: pixels z^B; layers up to 16 γ = 1/4; 17 to 30 ε = 1/4 RMS; above LRP-0."""
    convolutions, dense = 13, 3
    net = Network.sequential([*(Conv(ONE) for _ in range(convolutions)), *(Dense(np.eye(1)) for _ in range(dense))])
    # The places of the thirteen convolutions among the 31 layers of VGG-16's feature part.
    places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    found = chosen(composites.get("montavon_vgg16", low=-2.0, high=2.5), net)
    expected: list[Any] = [
        rules.ZBox(-2.0, 2.5) if p == 0 else rules.Gamma(0.25) if p <= 16 else rules.LRP0(Stabiliser("relative", 0.25))
        for p in places
    ]
    assert list(found.values()) == expected + [rules.LRP0()] * dense


def test_parameters_of_presets() -> None:
    found = chosen(composites.get("epsilon_plus", epsilon=0.5, stabiliser=EXACT))
    assert found["dense1"] == rules.Epsilon(0.5)
    assert found["conv1"] == rules.ZPlus()
    box = composites.get("epsilon_gamma_box", low=0.0, high=1.0, gamma=2.0)
    assert chosen(box)["conv2"] == rules.GeneralizedGamma(2.0, TINY)
    assert chosen(composites.get("beta_smooth", beta=3.0))["relu1"] == rules.BetaSmooth(3.0)


def test_every_preset_has_a_row_here() -> None:
    derivatives = {"gradient", "deconvnet", "guided_backprop", "beta_smooth"}
    families = {"attnlrp", "cp_lrp", "mamba_lrp", "relp"}  # test_families.py
    assert set(composites.names()) == set(TABLE) | derivatives | families | {"montavon_vgg16"}


# What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("epsilon_pluss", "did you mean 'epsilon_plus'?"),
        ("EpsilonPlusFlat", "did you mean 'epsilon_plus_flat'?"),
        ("xyzzy", "known: attnlrp, beta_smooth, cp_lrp, deconvnet, "),
        ("lrp.sequential_preset_a_flta", "did you mean 'lrp.sequential_preset_a_flat'?"),
    ],
)
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(ParameterError) as error:
        composites.get(name)
    assert str(error.value).startswith(f"unknown composite '{name}': {hint}")


@pytest.mark.parametrize("name", ["epsilon_gamma_box", "montavon_vgg16"])
@pytest.mark.parametrize("given", [{}, {"low": 0.0}, {"high": 1.0}])
def test_bounds_are_needed(name: str, given: dict[str, float]) -> None:
    net = conv_net()
    need = f"composite '{name}' needs low= and high= (--low and --high), the bounds of what node 'conv1' reads:"
    with pytest.raises(ParameterError) as error:
        composites.get(name, **given).plan(net)
    assert str(error.value) == f"{need} input 'input' declares no range"
    behind = Network.sequential([lrp.layers.Affine(np.ones(1)), *(n.layer for n in net.nodes)])
    with pytest.raises(ParameterError) as error:
        composites.get(name, **given).plan(behind)
    assert str(error.value) == f"{need} 'affine1' is no input of the network"


def test_unknown_parameters() -> None:
    with pytest.raises(
        ParameterError,
        match=r"^composite 'epsilon' takes epsilon, bias, dialect; not 'eps' \(did you mean 'epsilon'\?\)$",
    ):
        composites.get("epsilon", eps=1.0)
    with pytest.raises(ParameterError, match=r"^composite 'lrp0' takes bias, dialect; not 'epsilon'$"):
        composites.get("lrp0", epsilon=1.0)
    with pytest.raises(ParameterError, match=r"^composite 'gradient' takes no parameters; not 'epsilon'$"):
        composites.get("gradient", epsilon=1.0)
    with pytest.raises(ParameterError, match="epsilon must be ≥ 0, got -1"):
        composites.get("epsilon", epsilon=-1)


@pytest.mark.parametrize(
    "entries",
    [
        [(Dense,)],
        [(Dense, rules.LRP0(), 1)],
        [(np.float64, rules.LRP0())],
        [((Dense, 3), rules.LRP0())],
        [(3, rules.LRP0())],
        [5],
        ["ab"],
        [(Dense, rules.LRP0)],
    ],
)
def test_entries_that_are_no_pairs(entries: Any) -> None:
    with pytest.raises(ParameterError, match=r"^composite entry .*: expected \(where, rule\) with where a layer class"):
        Composite(entries)


@pytest.mark.parametrize("composite", [3, None, rules.Epsilon, Dense, object()])
def test_what_is_no_composite(composite: Any) -> None:
    with pytest.raises(ParameterError, match="is no composite: give a name, a rule, or a list of"):
        composites.resolve(composite)


def test_bounds_that_do_not_fit_name_the_node() -> None:
    composite = composites.get("epsilon_gamma_box", low=np.zeros(3), high=np.ones(3))
    with pytest.raises(ShapeError, match="node 'conv1'"):
        lrp.explain(Network.sequential([Conv(np.ones((1, 2, 1, 1)))]), np.ones((1, 2, 2, 2)), composite=composite)


def test_a_rule_for_another_layer_names_the_node() -> None:
    with pytest.raises(LrpError, match=r"^node 'relu1': Epsilon\(.*is not a rule for ReLU"):
        lrp.explain(BLOCKS_RELU, np.ones((1, 1)), composite=[(Layer, rules.Epsilon())])


BLOCKS_RELU = Network.sequential([Dense(np.eye(1)), ReLU()])


# A rule as a composite, and composites as values -------------------------------------------------------------


def test_a_linear_rule_goes_to_dense_and_convolution_layers() -> None:
    found = chosen(rules.WSquare())
    assert {n for n, r in found.items() if r == rules.WSquare()} == {
        "conv1", "conv2", "convtranspose1", "dense1", "dense2",
    }  # fmt: skip
    assert found["averagepool1"] == EPS


def test_epsilon_goes_into_lstms_too() -> None:
    lstm = LSTM(np.ones((1, 4, 1, 1)), np.ones((1, 4, 1, 1)), np.ones((1, 4, 1)))
    net = Network.sequential([lstm, Dense(np.eye(1))])
    assert set(map(repr, chosen(rules.Epsilon(0.5), net).values())) == {repr(rules.Epsilon(0.5))}
    assert chosen(rules.ZPlus(), net)["lstm1"] == rules.Recurrent(rules.Epsilon(1e-3), rules.Epsilon(1e-3))


def test_a_rule_for_any_layer_goes_everywhere() -> None:
    assert set(map(repr, chosen(rules.Gradient()).values())) == {"Gradient()"}


def test_resolve_takes_every_form() -> None:
    composite = Composite([(composites.WEIGHTED, rules.LRP0())])
    assert composites.resolve(composite) is composite
    assert composites.resolve("lrp0").entries == composite.entries
    assert composites.resolve([(composites.WEIGHTED, rules.LRP0())]) == composite
    assert composites.resolve(rules.LRP0()).entries == composite.entries
    assert composites.resolve(rules.LRP0()).name == "LRP0(stabiliser=exact)"


@pytest.mark.parametrize("name", [*TABLE, "montavon_vgg16", "guided_backprop", "beta_smooth"])
def test_composites_are_values(name: str) -> None:
    bounds = {"low": -1.0, "high": 1.0} if name in ("epsilon_gamma_box", "montavon_vgg16") else {}
    composite = composites.get(name, **bounds)
    again = pickle.loads(pickle.dumps(composite))  # noqa: S301  (our own bytes)
    assert again == composite
    assert composite == composites.get(name, **bounds)
    assert composite != composites.get("lrp0" if name != "lrp0" else "epsilon")


def test_the_plan_prints_as_a_table() -> None:
    net = Network.sequential([Conv(ONE), ReLU(), MaxPool(1), Flatten(), Dense(np.eye(1))])
    plan = composites.get("epsilon_plus_flat").plan(net)
    assert repr(plan).splitlines() == [
        "node      layer    rule                                      because of",
        "─" * 94,
        "conv1     Conv     Flat(stabiliser=add(1e-06))               first(Dense, Conv, ConvTranspose)",
        "relu1     ReLU     R_i = R_j                                 default",
        "maxpool1  MaxPool  the winner takes all                      default",
        "flatten1  Flatten  relevance goes where the value came from  default",
        "dense1    Dense    Epsilon(epsilon=1e-06, bias_share=0)      Dense",
    ]


def test_the_plan_as_html_is_escaped() -> None:
    net = Network.sequential([("<script>", Dense(np.eye(1)))])
    html = composites.get("lrp0").plan(net)._repr_html_()
    assert "<td>&lt;script&gt;</td>" in html
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gradient", [0.0, 2.0, -3.0, 0.0]),
        ("deconvnet", [1.0, 2.0, 0.0, 4.0]),
        ("guided_backprop", [0.0, 2.0, 0.0, 0.0]),
    ],
)
def test_a_relu6_is_a_relu_to_the_derivative_presets(name: str, expected: list[float]) -> None:
    net = Network.sequential([lrp.layers.Clip(0, 6)])
    x, start = np.array([[-1.0, 3.0, 5.0, 7.0]]), np.array([[1.0, 2.0, -3.0, 4.0]])
    np.testing.assert_array_equal(lrp.explain(net, x, start=start, composite=name).relevance, [expected])


def test_beta_smooth_has_one_softplus_at_each_bound_of_a_relu6() -> None:
    x, start, beta = np.array([[-1.0, 3.0, 7.0]]), np.array([[1.0, 2.0, 4.0]]), 2.0
    net = Network.sequential([lrp.layers.Clip(0, 6)])
    got = lrp.explain(net, x, start=start, composite=lrp.composites.get("beta_smooth", beta=beta)).relevance
    slope = 1 / (1 + np.exp(-beta * x)) - 1 / (1 + np.exp(-beta * (x - 6)))
    np.testing.assert_allclose(got, start * slope, rtol=1e-14)
