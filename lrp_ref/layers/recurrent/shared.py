"""A step back of relevance under any two rules: the sum of a cell, and the dense layer below it.

Source: Arras et al. 2017, §2: products give all to the signal, gates take none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...arithmetic import scalar
from ...base.arrays import Array, namespace
from ...rules.edits import KEEP, Edit
from ...rules.rule import Rule
from ...rules.share import Given, share
from ..base import Linear
from ..dense import Dense
from ..merge import Add
from .steps import Recorded


class RelevanceBack:
    """Base of the ways to redistribute: relevance takes the place of x_t in the tape.

    ``bias``, ``stabiliser`` and ``dropped`` (N,) are the columns of the ledger.
    """

    def __init__(self, tape: Recorded) -> None:
        self.xp = namespace(tape.h)
        zero = self.xp.zeros(tape.h.shape[3], dtype=tape.h.dtype)
        self.bias, self.stabiliser, self.dropped = zero, zero, zero

    def enter(self, steps: slice) -> None:
        raise NotImplementedError

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        raise NotImplementedError

    def leave(self, steps: slice) -> None:
        raise NotImplementedError


class SharedBack(RelevanceBack):
    """Any two rules: every step is two linear layers, one direction after the other.

    A cell says with ``terms`` what its sum is of, and with ``below`` what makes the new, if that is no dense layer over
    (x_t, h_{t−1}).

    Args:
        tape: of the steps.
        new: W (D, hidden, features), U (D, hidden, hidden) and b (D, hidden) of what makes the new.
        dense, state: the rules of the dense layer and of the sum.
    """

    def __init__(self, tape: Recorded, new: tuple[Array, Array, Array], dense: Rule, state: Rule) -> None:
        super().__init__(tape)
        (w, u, b), self.x, self.h = new, tape.x, tape.h
        joint = self.xp.concatenate((w, u), axis=2)
        self.layers = [Dense(joint[k].T, b[k]) for k in range(joint.shape[0])]
        self.dense, self.state = dense, state

    def terms(self, t: int, k: int) -> tuple[Array, Array] | None:
        """Return what direction k sums at step t, the new and the kept (N, hidden); None in a cell without a sum."""
        raise NotImplementedError

    def below(self, t: int, k: int) -> tuple[Linear, Array]:
        """Return the dense layer that makes the new from x_t and h_{t−1}, and what it reads, (N, features + hidden)."""
        return self.layers[k], self.xp.concatenate((self.x[t, k], self.h[t, k]), axis=0).T

    def enter(self, steps: slice) -> None:
        self.start = steps.start

    def leave(self, steps: slice) -> None:
        pass

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        """Return what arrives at h_{t−1} through the dense layer, and what the sum hands to the kept."""
        at, to_h, to_kept = self.start + t, [], []
        for k in range(h.shape[0]):
            to_new, kept = self._through_the_sum(at, k, h[k].T + c[k].T)
            layer, read = self.below(at, k)
            told = share(layer, (read,), to_new, self.dense)
            self._enter_account(told)
            (received,) = told.relevances
            features = self.x.shape[2]
            self.x[at, k] = received[:, :features].T
            to_h.append(received[:, features:].T)
            to_kept.append(kept.T)
        return self.xp.stack(to_h), self.xp.stack(to_kept)

    def _through_the_sum(self, at: int, k: int, arrived: Array) -> tuple[Array, Array]:
        terms = self.terms(at, k)
        if terms is None:
            return arrived, arrived * scalar(0, arrived)
        new, kept = terms
        told = share(CellSum(), (new, kept), arrived, self.state, Given(z=new + kept))
        self._enter_account(told)
        to_new, to_kept = told.relevances
        return to_new, to_kept

    def _enter_account(self, told: Any) -> None:
        self.bias = self.bias + told.bias
        self.stabiliser = self.stabiliser + told.stabiliser
        self.dropped = self.dropped + told.dropped


class CellSum(Add):
    """The new and the kept, whose even spread runs over all 2·hidden units, as in a dense layer (I, I)."""

    def evenly(self) -> Any:
        return _Everything()


class _Everything(Add):
    """The dense layer of ones over all units of all operands."""

    def forward(self, *xs: Array) -> Array:
        new, kept = xs
        total = (new + kept).sum(axis=1, keepdims=True)
        return namespace(new, kept).broadcast_to(total, new.shape)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        spread = namespace(g).broadcast_to(g.sum(axis=1, keepdims=True), g.shape)
        return (spread,) * len(xs)


@dataclass(frozen=True, eq=False, repr=False)
class GatedDense(Linear):
    """A dense layer over (x, h) whose recurrent part has a gate: z_j = Σ_i w_ij x_i + r_j (Σ_k u_kj h_k + c_j) + b_j.

    The gate r is a constant of each sample, so that its weights are (w_ij, r_j u_kj) and its bias b_j + r_j c_j.

    Args:
        weight_input: (features, hidden).
        weight_hidden: (hidden, hidden).
        gate: r (N, hidden).
        bias: b + r c (N, hidden).
    """

    weight_input: Array
    weight_hidden: Array
    gate: Array
    bias: Array

    def forward(self, *xs: Array) -> Array:
        """Return z (N, hidden) for (N, features + hidden)."""
        (read,) = xs
        xp, features = namespace(read), self.weight_input.shape[0]
        from_x = xp.matmul(read[:, :features], self.weight_input)
        return from_x + self.gate * xp.matmul(read[:, features:], self.weight_hidden) + self.bias

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return (Σ_j w_ij g_j, Σ_j u_kj r_j g_j)."""
        xp = namespace(g)
        to_x, to_h = xp.matmul(g, self.weight_input.T), xp.matmul(self.gate * g, self.weight_hidden.T)
        return (xp.concatenate((to_x, to_h), axis=1),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the layer with edited weights and bias: other weights are those of each sample by itself."""
        if weights == KEEP:
            return replace(self, bias=bias(self.bias))
        xp, n = namespace(self.gate), self.gate.shape[0]
        from_x = xp.broadcast_to(self.weight_input, (n, *self.weight_input.shape))
        whole = xp.concatenate((from_x, self.weight_hidden * self.gate[:, None]), axis=1)
        return _DenseOfSamples(weights(whole), bias(self.bias))

    def bias_map(self, z: Array) -> Array:
        """Return the bias (N, hidden)."""
        return self.bias

    def evenly(self) -> Linear:
        """Return the dense layer of ones."""
        fan_in = self.weight_input.shape[0] + self.weight_hidden.shape[0]
        like = self.weight_hidden
        return Dense(namespace(like).zeros((fan_in, like.shape[1]), dtype=like.dtype) + scalar(1, like))


@dataclass(frozen=True, eq=False, repr=False)
class _DenseOfSamples(Linear):
    """A dense layer whose weights (N, in, out) and bias (N, out) are those of each sample."""

    weight: Array
    bias: Array

    def forward(self, *xs: Array) -> Array:
        (read,) = xs
        return namespace(read).matmul(read[:, None], self.weight)[:, 0] + self.bias

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        return (namespace(g).matmul(self.weight, g[..., None])[..., 0],)

    def bias_map(self, z: Array) -> Array:
        return self.bias
