"""A network that names a preset is explained with it wherever no other is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import Dense
from lrp_ref.network import Input, Network, Node

W, B = np.array([[2.0, 1.0], [-1.0, 3.0]]), np.array([1e-7, 0.25])
NODES = (Node("scores", Dense(W, B), ("x",)),)
X = np.array([[3.0, 2.0]])


def network(composite: str) -> Network:
    return Network(NODES, (Input("x", (None, 2)),), ("scores",), composite=composite)


def explained(net: Network) -> Any:
    return lrp.explain(net, X, target=0).relevance


def attributed(net: Network) -> Any:
    return lrp.attribute(net, X, "lrp", target=0).relevance


def plain(net: Network) -> Any:
    return lrp.plain.explain(net, X, target=0).relevance


WAYS = {"explain": explained, "attribute": attributed, "plain": plain}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_relevance_is_that_of_its_preset(way: Any) -> None:
    """LRP-0 gives a_i w_i to the last digit; with ε = 1e-6 beside a score of 4 it is a relative 2.5e-7 less."""
    exact = X * W[:, 0]
    np.testing.assert_allclose(way(network("lrp0")), exact, rtol=1e-15)
    np.testing.assert_allclose(way(network("")), exact * (4 + 1e-7) / (4 + 1.1e-6), rtol=1e-12)


def test_certificates_pairs_and_formulas_name_it() -> None:
    pytest.importorskip("flint")
    pytest.importorskip("sympy")
    for name, expected in (("lrp0", "lrp0"), ("", "epsilon")):
        net = network(name)
        assert lrp.certify(net, X, target=0).request.composite == expected
        assert lrp.explain_pair(net, X, X).composite == expected
        eps = "ε" in lrp.symbolic(net, target=0).text
        assert eps == (expected == "epsilon")
