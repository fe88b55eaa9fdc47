"""A step back of relevance under any rules: the dense layers of a cell, its sum, and its products.

Source: Arras et al. 2017, §2 (products give all to the signal, gates take none), and 2019, §11.3 (other product rules).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...arithmetic import scalar
from ...base.arrays import Array, namespace
from ...rules.cells import Product, Recurrent
from ...rules.edits import KEEP, Edit
from ...rules.share import Given, share
from ..base import Linear
from ..bilinear import Multiply
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
    """Base of steps back under any rules, of which every part is a layer: one direction after the other.

    A cell says with ``through`` what a step of one direction is.
    """

    def __init__(self, tape: Recorded, rule: Recurrent) -> None:
        super().__init__(tape)
        self.x, self.h, self.rule = tape.x, tape.h, rule

    def through(self, at: int, k: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """Return what x_t, h_{t−1} and c_{t−1} receive from what arrives at h_t and c_t, all (N, units).

        Args:
            at: the step, in the order in which the direction reads.
            k: the direction.
            h, c: what arrives; the c of a cell that has none is 0, and stays so.
        """
        raise NotImplementedError

    def enter(self, steps: slice) -> None:
        self.start = steps.start

    def leave(self, steps: slice) -> None:
        pass

    def step(self, t: int, h: Array, c: Array) -> tuple[Array, Array]:
        """Return what arrives at h_{t−1} and c_{t−1}."""
        at, to_h, to_c = self.start + t, [], []
        for k in range(h.shape[0]):
            x, below_h, below_c = self.through(at, k, h[k].T, c[k].T)
            self.x[at, k] = x.T
            to_h.append(below_h.T)
            to_c.append(below_c.T)
        return self.xp.stack(to_h), self.xp.stack(to_c)

    # -- the parts of a step ------------------------------------------------------------------------------------

    def through_dense(self, layer: Linear, read: Array, arrived: Array, z: Array | None = None) -> Array:
        """Return what a dense layer hands to all that it reads (N, in); ``z`` is its output, where it is known."""
        return self._entered(share(layer, (read,), arrived, self.rule.dense, Given(z=z)))[0]

    def through_sum(self, new: Array, kept: Array, arrived: Array) -> tuple[Array, Array]:
        """Return what the new and the kept receive."""
        to_new, to_kept = self._entered(share(CellSum(), (new, kept), arrived, self.rule.state, Given(z=new + kept)))
        return to_new, to_kept

    def through_product(self, gate: Array, signal: Array, arrived: Array) -> tuple[Array, Array]:
        """Return what gate and signal receive."""
        told = Multiply(gate=0).redistribute((gate, signal), arrived, Product(self.rule.product))
        to_gate, to_signal = self._entered(told)
        return to_gate, to_signal

    def _entered(self, told: Any) -> tuple[Array, ...]:
        """Enter the account of a part, and return what its operands received."""
        self.bias = self.bias + told.bias
        self.stabiliser = self.stabiliser + told.stabiliser
        self.dropped = self.dropped + told.dropped
        relevances: tuple[Array, ...] = told.relevances
        return relevances


class SignalBack(SharedBack):
    """Products give all to the signal: every step is two linear layers.

    A cell says with ``terms`` what its sum is of, and with ``below`` what makes the new, if that is no dense layer over
    (x_t, h_{t−1}).

    Args:
        tape: of the steps.
        new: W (D, hidden, features), U (D, hidden, hidden) and b (D, hidden) of what makes the new.
        rule: the rules of the dense layer and of the sum.
    """

    def __init__(self, tape: Recorded, new: tuple[Array, Array, Array], rule: Recurrent) -> None:
        super().__init__(tape, rule)
        self.layers = joint_layers(new[:2], new[2])

    def terms(self, t: int, k: int) -> tuple[Array, Array] | None:
        """Return what direction k sums at step t, the new and the kept (N, hidden); None in a cell without a sum."""
        raise NotImplementedError

    def below(self, t: int, k: int) -> tuple[Linear, Array]:
        """Return the dense layer that makes the new from x_t and h_{t−1}, and what it reads, (N, features + hidden)."""
        return self.layers[k], self.xp.concatenate((self.x[t, k], self.h[t, k]), axis=0).T

    def through(self, at: int, k: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """Return what the dense layer hands to x_t and h_{t−1}, and what the sum hands to the kept."""
        arrived, terms, features = h + c, self.terms(at, k), self.x.shape[2]
        to_new, kept = (arrived, arrived * scalar(0, arrived)) if terms is None else self.through_sum(*terms, arrived)
        received = self.through_dense(*self.below(at, k), to_new)
        return received[:, :features], received[:, features:], kept


class ProductBack(SharedBack):
    """Base of steps in which gates receive relevance, too."""

    def before(self, at: int, k: int) -> tuple[Array, Array]:
        """Return x_t and h_{t−1}, (N, units)."""
        return self.x[at, k].T, self.h[at, k].T

    def through_joint(
        self, layer: Linear, reads: Sequence[Array], arrived: Array, z: Array | None = None
    ) -> list[Array]:
        """Return what each of several arrays (N, units) receives that a dense layer reads next to each other."""
        received, parts, start = self.through_dense(layer, self.xp.concatenate(reads, axis=1), arrived, z), [], 0
        for read in reads:
            parts.append(received[:, start : start + read.shape[1]])
            start += read.shape[1]
        return parts


def joint_layers(weights: Sequence[Array], bias: Array | None) -> list[Dense]:
    """Return a dense layer for each direction over what the weights (D, hidden, units) are for; bias (D, hidden)."""
    joint = namespace(*weights).concatenate(weights, axis=2)
    return [Dense(joint[k].T, None if bias is None else bias[k]) for k in range(joint.shape[0])]


def diagonal(entries: Array) -> Array:
    """Return the matrices (D, hidden, hidden) of products with a vector, entries (D, hidden)."""
    xp = namespace(entries)
    units = xp.arange(entries.shape[1])
    return xp.where(units[:, None] == units, entries[..., None], scalar(0, entries))


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
