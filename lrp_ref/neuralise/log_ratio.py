"""A sum of exponential kernels as a network of two layers: the logarithm of its positive part over its negative one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import Array, like, namespace, to_numpy
from ..errors import ParameterError, UnsupportedError, unknown
from ..layers import Concat, Dense, FeatureDistance, Layer, SoftMin, SquaredDistance
from ..layers.kernels.joint import JOINT
from ..network.inputs import Input
from ..network.network import Network, Node
from .given import positive

RULES = ("midpoint", "input")
DISTANCES = {"rbf": "", "laplacian": "absolute", "chi2_rbf": "chi2"}  # kernel → what it is an exponential of


def log_ratio(
    supports: Array,
    coefficients: Array,
    bias: Any,
    *,
    kernel: str,
    gamma: Any,
    rule: str = "midpoint",
    intercept: bool = True,
) -> Network:
    """Return u = log S₊ − log S₋ as a network (N, D) → (N, 1); :func:`lrp_ref.neuralise.svc` says what it is.

    Args:
        supports: v (S, D).
        coefficients: a (S,); supports with a_s = 0 are left out.
        bias: b, a number, or None.
        kernel: "rbf", "laplacian" or "chi2_rbf".
        gamma: γ > 0.
        rule: "midpoint", or "input" for rbf.
        intercept: whether |b| is a neuron.

    Raises:
        UnsupportedError: another kernel, or a rule that it does not have.
        ParameterError: an unknown rule, γ that is not > 0, or a pool without a neuron.
    """
    if kernel not in DISTANCES:
        formula = JOINT[kernel].formula if kernel in JOINT else "a sum over features"
        raise UnsupportedError(
            f"svc: output='logodds' is for kernels exp(−γ·distance), {', '.join(DISTANCES)}; {kernel}, {formula}, is "
            "none: give output='decision'"
        )
    if rule not in RULES:
        raise unknown("rule of svc", str(rule), RULES)
    if rule == "input" and kernel != "rbf":
        raise UnsupportedError(
            f"svc: rule='input' is for rbf, where ‖x‖² cancels, not for {kernel}: give rule='midpoint'"
        )
    if gamma is None:
        raise ParameterError(f"svc: gamma must be > 0, got None: the {kernel} kernel needs gamma=")
    positive("svc: gamma", gamma)
    a, b = to_numpy(coefficients).astype(float), 0.0 if bias is None or not intercept else float(bias)
    nodes: list[Node] = []
    for name, sign in (("plus", 1), ("minus", -1)):
        mine = np.flatnonzero(sign * a > 0)
        extra = sign * b if sign * b > 0 else None
        if not len(mine) and extra is None:
            raise ParameterError(
                f"svc: no coefficient is {'>' if sign > 0 else '<'} 0, so output='logodds' has nothing to compare: "
                "give output='decision'"
            )
        neurons: list[str] = []
        for part, layer in _neurons(supports, a, mine, extra, kernel, gamma, rule):
            nodes.append(Node(f"{part}_{name}", layer, ("input",)))
            neurons.append(nodes[-1].name)
        if len(neurons) > 1:
            nodes.append(Node(f"neurons_{name}", Concat(), tuple(neurons)))
        nodes.append(Node(f"pool_{name}", SoftMin(float(gamma), share="mean"), (nodes[-1].name,)))
    nodes.append(Node("pools", Concat(), ("pool_plus", "pool_minus")))
    nodes.append(Node("log_ratio", Dense(_like([[-gamma], [gamma]], supports)), ("pools",)))
    note = "the output is u = log S₊ − log S₋"
    if bias is not None and float(bias) != 0:
        within = f"with |b| = {abs(float(bias)):.6g} in the pool of its sign: it has the sign of the decision"
        note += f", {within}" if intercept else ", without the intercept: its sign may differ from the decision's"
    return Network(
        tuple(nodes), (Input("input", (None, supports.shape[1])),), ("log_ratio",), notes=(note,), composite="lrp0"
    )


def _neurons(
    supports: Array, a: Any, mine: Any, extra: float | None, kernel: str, gamma: Any, rule: str
) -> list[tuple[str, Layer]]:
    """Return the layers that make the neurons of one pool: its supports, and the intercept.

    Args:
        supports, kernel, gamma, rule: as in :func:`log_ratio`.
        a: coefficients (S,), on the host.
        mine: which supports are in the pool.
        extra: |b| if it is in the pool.
    """
    xp, g, made = namespace(supports), float(gamma), list[tuple[str, Layer]]()
    d = supports.shape[1]
    if len(mine):
        centers = xp.take(supports, xp.asarray(mine), axis=0)
        offset = _like(-np.log(abs(a[mine])) / g, supports)
        if rule == "input":  # without ‖x‖², which all neurons have
            squares = (centers * centers).sum(axis=1)
            made.append(("products", Dense(centers.T * _like(-2.0, supports), squares + offset)))
        elif kernel == "rbf":
            made.append(("distances", SquaredDistance(centers, offset=offset)))
        else:
            made.append(("distances", FeatureDistance(centers, DISTANCES[kernel], offset)))
    if extra is not None:
        constant = _like([-np.log(extra) / g], supports)
        nothing = xp.zeros((1, d), dtype=supports.dtype)
        if rule == "input":
            made.append(("intercept", SquaredDistance(nothing, offset=constant, factor=-1)))
        else:
            made.append(("intercept", Dense(nothing.T, constant)))
    return made


def _like(values: Any, supports: Array) -> Array:
    return like(np.asarray(values, dtype=float), supports)
