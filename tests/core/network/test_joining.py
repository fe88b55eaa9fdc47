"""Two networks one behind the other compute, and are explained, like one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import GraphError, ShapeError
from lrp_ref.layers import Add, Dense, ReLU, Split
from lrp_ref.network import Input, Network, Node

R = np.random.default_rng(0)
A, B, BIAS = R.normal(size=(3, 4)), R.normal(size=(4, 2)), R.normal(size=2)
ENCODER = Network.sequential([Dense(A), ReLU()])
HEAD = Network.sequential([Dense(B, BIAS), ReLU(), Dense(np.eye(2))])
X = R.normal(size=(5, 3))


def test_it_computes_the_second_of_the_first() -> None:
    whole = lrp.join(ENCODER, HEAD)
    np.testing.assert_allclose(whole.forward(X), np.maximum(np.maximum(X @ A, 0) @ B + BIAS, 0), rtol=1e-12)
    assert [n.name for n in whole.nodes] == ["dense1", "relu1", "dense1_2", "relu1_2", "dense2"]
    assert whole.inputs == ENCODER.inputs
    same = Network.sequential([Dense(A), ReLU(), Dense(B, BIAS), ReLU(), Dense(np.eye(2))])
    np.testing.assert_array_equal(lrp.explain(whole, X).relevance, lrp.explain(same, X).relevance)


def test_a_value_inside_is_read_and_what_it_does_not_need_is_left_out() -> None:
    whole = lrp.join(ENCODER, HEAD, output="dense1")
    assert [n.name for n in whole.nodes][:2] == ["dense1", "dense1_2"]
    np.testing.assert_allclose(whole.forward(X), np.maximum(X @ A @ B + BIAS, 0), rtol=1e-12)


def test_nodes_of_several_outputs_keep_them() -> None:
    nodes = (Node("relu1", Split((2, 2), axis=1), ("input",)), Node("sum", Add(), ("relu1", "relu1:1")))
    whole = lrp.join(ENCODER, Network(nodes, (Input("input"),), ("sum", "relu1:1")))
    h = np.maximum(X @ A, 0)
    found: Any = whole.forward(X)
    np.testing.assert_allclose(found["sum"], h[:, :2] + h[:, 2:], rtol=1e-12)
    np.testing.assert_allclose(found["relu1_2:1"], h[:, 2:], rtol=1e-12)


def test_notes_of_both_are_kept() -> None:
    assert lrp.join(replace(ENCODER, notes=("a",)), replace(HEAD, notes=("b",))).notes == ("a", "b")


def test_networks_that_do_not_fit() -> None:
    two = Network(ENCODER.nodes, ENCODER.inputs, ("dense1", "relu1"))
    with pytest.raises(GraphError, match="name the output that the second network reads: dense1, relu1"):
        lrp.join(two, HEAD)
    assert lrp.join(two, HEAD, output="relu1").forward(X).shape == (5, 2)
    with pytest.raises(GraphError, match="no value is called 'none'"):
        lrp.join(ENCODER, HEAD, output="none")
    several = Network((Node("a", Add(), ("x", "y")),), (Input("x"), Input("y")), ("a",))
    with pytest.raises(GraphError, match="the second network has 2 inputs"):
        lrp.join(ENCODER, several)
    turned = replace(HEAD, inputs=(Input("input", (4, None), batch_axis=1),))
    with pytest.raises(ShapeError, match="'relu1' has its batch at axis 0, the second network's input at 1"):
        lrp.join(ENCODER, turned)
