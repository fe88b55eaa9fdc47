"""Layers joined to networks, as one graph in float64: against the textbook and a plain walk, whatever is explained."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from graphs import Sheet
from samples import Draw
from textbook_nets import BOUNDS, LITERAL, book, conv_net, draw, literal_walk, residual_net, seed
from walks import walk

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.export.recording import Asked, record
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import composites
from lrp_ref.propagation.ledger import COLUMNS
from lrp_ref.propagation.prepare import Question

SHAPE = (4, 9, 9)


def explained(
    net: Network, x: Any, composite: Any, targets: Any = "argmax", *, canonize: bool = True, **how: Any
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return relevance and ledger that a graph makes, and its operators.

    Args:
        net, composite, canonize: of the explanation.
        x: the samples; only the first for several targets.
        targets: "argmax", or numbers of outputs: as constants of the graph, or, as an array, fed.
        how: of the sheet.
    """
    sheet, fed = Sheet(dtype=np.float64, **how), isinstance(targets, np.ndarray)
    question = Question(composites.resolve(composite), 0, canonize, "logit")
    name, given = net.inputs[0].name, "input" if fed else targets
    made = record(Asked(net, {name: np.zeros((0, *x.shape[1:]))}, question, given), sheet.graph)
    sheet.fed.append((name, np.dtype(np.float64), ["N", *x.shape[1:]]))
    sheet.feeds[name] = x
    if fed:
        sheet.fed.append((made.asks, np.dtype(np.int64), ["M"]))
        sheet.feeds[made.asks] = targets
    names = sheet.show(made.relevance[name]), sheet.show(made.columns())
    sheet.shown = [(a, b, dtype, ["M", *shape[1:]]) for a, b, dtype, shape in sheet.shown]
    found = sheet.run()
    return found[names[0]], found[names[1]], sheet.operators()


@pytest.mark.parametrize("build", [conv_net, residual_net])
@pytest.mark.parametrize("name", LITERAL)
def test_networks_are_the_textbook(name: str, build: Any) -> None:
    """Relevance and every column of the ledger by explicit matrices and the papers' formulas."""
    seed(f"graph {name} {build.__name__}")
    net, shape = build()
    x = draw(3, *shape)
    composite = composites.get(name, **BOUNDS.get(name, {}))
    targets = [2, 0]
    whole, ledger, _ = explained(net, x, composite)
    several, _, _ = explained(net, x[:1], composite, targets)
    out = net.forward(x)
    pairs = [(x[n], int(out[n].argmax()), whole[n], ledger[n]) for n in range(3)]
    pairs += [(x[0], target, several[k], None) for k, target in enumerate(targets)]
    for sample, target, found, row in pairs:
        values, _, _ = literal_walk(net, sample, np.zeros(3), book(name, net, x))
        start = np.where(np.arange(3) == target, values[net.outputs[0]], 0.0)
        _, relevance, columns = literal_walk(net, sample, start, book(name, net, x))
        expected = relevance[net.inputs[0].name]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
        if row is None:
            continue
        for place, node in enumerate(reversed(net.nodes)):
            for column, value in columns[node.name].items():
                size = 1 + np.abs(relevance[node.name]).sum() + abs(value)
                assert abs(row[place, COLUMNS.index(column)] - value) <= 1e-9 * size, f"{column} of {node.name}"


def network() -> Network:
    """A network in which BatchNorm, a residual sum, groups, concatenation, a transposed convolution and pools meet."""
    d = Draw("joined", "normal")
    parts: list[tuple[str, Any, tuple[str, ...]]] = [
        ("conv", layers.Conv(d(6, 4, 3, 3), d(6), padding=1, stride=2), ("x",)),
        ("norm", layers.Affine(d.positive(6), d(6)), ("conv",)),
        ("relu", layers.ReLU(), ("norm",)),
        ("groups", layers.Conv(d(6, 2, 3, 3), d(6), padding=1, groups=3), ("relu",)),
        ("sum", layers.Add(), ("groups", "relu")),
        ("relu2", layers.ReLU(), ("sum",)),
        ("pool", layers.MaxPool(3, stride=2, padding=1, ceil_mode=True), ("relu2",)),
        ("up", layers.ConvTranspose(d(6, 2, 2, 2), d(2), stride=2, output_padding=1), ("pool",)),
        ("down", layers.AveragePool(3, stride=2, padding=1, count_include_pad=False), ("up",)),
        ("cut", layers.Slice((2, 3), (0, 0), (3, 3)), ("down",)),
        ("both", layers.Concat(), ("pool", "cut")),
        ("relu3", layers.ReLU(), ("both",)),
        ("mean", layers.GlobalAveragePool(keepdims=False), ("relu3",)),
        ("top", layers.Dense(d(8, 5), d(5)), ("mean",)),
    ]
    nodes = tuple(Node(name, layer, inputs) for name, layer, inputs in parts)
    return Network(nodes, (Input("x", ("N", *SHAPE)),), ("top",))


RULES = (rules.Epsilon(0.125), rules.AlphaBeta(2, 1), rules.GeneralizedGamma(0.25), rules.ZBox(-4.0, 4.0))


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("rule", RULES, ids=lambda r: type(r).__name__)
def test_a_network_of_all_kinds_is_a_plain_walk(rule: Any, flips: bool) -> None:
    """BatchNorm as a layer of its own: every linear layer by one rule, the others by their own."""
    net, x = network(), Draw("joined inputs", "normal")(3, *SHAPE)
    out = net.forward(x)
    which = np.array([4, 0, 4])

    def of(node: Node) -> Any:
        linear = isinstance(node.layer, layers.Linear) and not isinstance(node.layer, layers.Add)
        return rule if linear else None

    composite = lrp.Composite([(layers.Add, None), (layers.Linear, rule)])
    for targets in ("argmax", which):
        chosen = out.argmax(axis=1) if isinstance(targets, str) else targets
        start = np.where(np.arange(5) == chosen[:, None], out, 0.0)
        relevance, totals = walk(net, x, start, of)
        found, ledger, operators = explained(net, x, composite, targets, canonize=False, flips=flips)
        expected = relevance["x"]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
        for column, value in totals.items():
            terms = sum(np.abs(r).reshape(3, -1).sum(axis=1) for r in relevance.values())
            assert (np.abs(ledger[:, :, COLUMNS.index(column)].sum(axis=1) - value) <= 1e-12 * terms).all(), column
        assert Counter(operators)["ScatterElements"] == 1
    one, _, _ = explained(net, x[:1], composite, [4, 0, 1], canonize=False, flips=flips)
    for k, target in enumerate((4, 0, 1)):
        start = np.where(np.arange(5) == target, out[:1], 0.0)
        expected = walk(net, x[:1], start, of)[0]["x"]
        np.testing.assert_allclose(one[k], expected[0], rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat"])
def test_merged_norms_are_the_core(composite: str) -> None:
    net, x = network(), Draw("joined inputs", "normal")(3, *SHAPE)
    made = composites.get(composite, **BOUNDS.get(composite, {}))
    found, ledger, _ = explained(net, x, made)
    expected = lrp.explain(net, x, composite=made)
    np.testing.assert_allclose(found, expected.relevance, rtol=1e-10, atol=1e-10 * np.abs(expected.relevance).max())
    rows = np.array([[getattr(row, c) for c in COLUMNS] for row in expected.ledger]).transpose(2, 0, 1)
    np.testing.assert_allclose(ledger, rows, rtol=1e-9, atol=1e-10 * np.abs(rows).max())
