"""The messages R_{i←j} of one linear layer as a table, for someone who learns what a rule does.

The numbers come from the textbook (``lrp_ref.literal``), not from the fast code; ``tests/teach/test_messages.py`` sees
that both agree. Every connection has its own cell, so this is for small layers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .. import heatmap, literal
from ..arithmetic import scalar
from ..base import tables
from ..base.arrays import Array, like, namespace, to_numpy
from ..errors import NonFiniteError, ParameterError, ShapeError, UndecidedError, UnsupportedError
from ..layers.base import Linear
from ..rules import (
    LRP0,
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    GeneralizedGamma,
    Pass,
    Reference,
    WSquare,
    ZBox,
    Zero,
    ZPlus,
)  # fmt: skip
from ..rules.edits import KEEP, ONES, ZERO, Const, Stabiliser
from ..rules.rule import WithBias

DRAWN = 12  # inputs or outputs of a table that a notebook draws
LARGEST = 1_000_000  # cells of a message table; a layer with more connections is not for reading


@dataclass(frozen=True, eq=False, repr=False)
class MessageTable:
    """Every message of one layer for one sample; prints as a table, inputs down, outputs across.

    Attributes:
        formula: of the rule.
        inputs: a_i (I,), flattened in C order.
        outputs: z_j (J,).
        relevance_out: R_j (J,).
        messages: R_{i←j} (I, J).
        bias, stabiliser, dropped: of each output (J,), so that each column adds up to R_j.
    """

    formula: str
    inputs: Array
    outputs: Array
    relevance_out: Array
    messages: Array
    bias: Array
    stabiliser: Array
    dropped: Array

    @property
    def relevance(self) -> Array:
        """R_i = Σ_j R_{i←j} (I,)."""
        return self.messages.sum(axis=1)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        columns = [f"j={j} (z={_show(z)})" for j, z in enumerate(self.outputs)]
        rows = [
            [f"i={i}", _show(a), *map(_show, self.messages[i]), _show(total)]
            for i, (a, total) in enumerate(zip(self.inputs, self.relevance, strict=True))
        ]
        for name in ("bias", "stabiliser", "dropped"):
            column = getattr(self, name)
            rows.append([name, "", *map(_show, column), _show(column.sum())])
        rows.append(["R_j", "", *map(_show, self.relevance_out), _show(self.relevance_out.sum())])
        return ["R_i←j", "a_i", *columns, "sum"], rows

    def __repr__(self) -> str:
        headers, rows = self._cells()
        return f"{self.formula}\n{tables.text(headers, rows, right=range(1, len(headers)))}"

    def picture(self, *, title: str = "") -> str:
        """Return the messages as SVG, see ``lrp_ref.heatmap.message_graph``.

        Args:
            title: what the picture is of, in a few words.

        Raises:
            ShapeError: more than 24 inputs or outputs.
        """
        return heatmap.message_graph(
            self.inputs, self.outputs, self.messages, relevance_out=self.relevance_out,
            bias=self.bias, stabiliser=self.stabiliser, dropped=self.dropped, title=title,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        headers, rows = self._cells()
        drawn = ""
        if self.messages.size and max(self.messages.shape) <= DRAWN:
            with suppress(NonFiniteError, UndecidedError, ParameterError):  # the table has what no line can be wide as
                drawn = self.picture()
        return drawn + tables.html(headers, rows, title=self.formula, right=range(1, len(headers)))


def messages(layer: Linear, x: Array, relevance: Array, rule: Any, *, sample: int = 0) -> MessageTable:
    """Return every message R_{i←j} that a rule sends through a linear layer, computed as the papers write it.

    Args:
        layer: a linear layer with one operand, such as Dense or Conv.
        x: its input (N, ...), floats or exact rationals.
        relevance: of its output (N, ...).
        rule: a named rule of ``lrp_ref.rules``, also with a bias policy (``rule.with_bias("spread")``).
        sample: which sample of the batch.

    Raises:
        UnsupportedError: the layer is not linear, or the rule has no textbook form.
        ShapeError: relevance of another shape than the output, or a layer too large to read.
        ParameterError: a sample that the batch does not have.

    Example:
        >>> import lrp_ref as lrp
        >>> layer = lrp.layers.Dense(np.array([[1.0], [-0.25]]), np.array([0.5]))
        >>> lrp.messages(layer, np.array([[1.0, 2.0]]), np.array([[1.0]]), lrp.rules.Gamma(0.25))
        R_i = Σ_j a_i·(w_ij + 0.25·w_ij⁺) / (Σ_i a_i·(w_ij + 0.25·w_ij⁺) + (b_j + 0.25·b_j⁺))·R_j
        R_i←j       a_i  j=0 (z=1)      sum
        ───────────────────────────────────
        i=0           1     0.9091   0.9091
        i=1           2    -0.3636  -0.3636
        bias                0.4545   0.4545
        stabiliser               0        0
        dropped                  0        0
        R_j                      1        1
    """
    if not isinstance(layer, Linear):
        raise UnsupportedError(f"messages need a linear layer (Dense, Conv, a pool, Affine), got {layer!r}")
    namespace(x, relevance)  # raises where one is no array
    z = to_numpy(layer.forward(x))
    if tuple(relevance.shape) != z.shape:
        raise ShapeError(f"the output has shape {z.shape}, its relevance has shape {tuple(relevance.shape)}")
    if not 0 <= sample < len(z):
        raise ParameterError(f"sample {sample} is out of range: the batch has {len(z)}")
    a, r = to_numpy(x)[sample].reshape(-1), to_numpy(relevance)[sample].reshape(-1)
    outputs = z[sample].reshape(-1)
    if not a.size or not outputs.size:
        raise ShapeError(f"a table of {a.size} × {outputs.size} messages has nothing to show")
    if a.size * outputs.size > LARGEST:
        raise ShapeError(f"a table of {a.size} × {outputs.size} messages is not for reading: take a smaller layer")
    stated, policy = (rule.rule, rule.policy) if isinstance(rule, WithBias) else (rule, "absorb")

    def bound(value: Any) -> Array:
        return to_numpy(Const(value, "")(x))[sample].reshape(-1)

    told = _textbook(stated, a, r, bound, policy)(matrix_of(layer, x))
    return MessageTable(rule.formula(), a, outputs, r, told.messages, told.bias, told.stabiliser, told.dropped)


def matrix_of(layer: Linear, x: Array) -> literal.Matrix:
    """Return matrix, bias and taps of a layer for inputs like ``x`` (N, ...), found by probing it with unit vectors."""
    shape = tuple(x.shape[1:])
    size = int(np.prod(shape))
    eye = like(np.eye(size), x).reshape(size, *shape)
    weight = to_numpy(layer.edited(KEEP, ZERO).forward(eye)).reshape(size, -1)
    taps = to_numpy(layer.edited(ONES, ZERO).forward(eye)).reshape(size, -1) != 0
    bias = to_numpy(layer.forward(0 * eye[:1])).reshape(-1)
    return literal.Matrix(weight=weight, bias=bias, taps=taps)


def _textbook(
    rule: Any, a: Array, r: Array, bound: Callable[[Any], Array], policy: Any
) -> Callable[[literal.Matrix], literal.Messages]:
    """Return the textbook's form of a named rule under a bias policy, waiting for the matrix."""
    book = literal.rules

    def num(value: Any) -> Any:
        return scalar(value, a)

    def stable(stabiliser: Stabiliser) -> literal.stabilisers.Stabiliser:
        if stabiliser.kind == "exact" or stabiliser.epsilon == 0:
            return literal.stabilisers.exact
        return getattr(literal.stabilisers, stabiliser.kind)(num(stabiliser.epsilon))  # type: ignore[no-any-return]

    match rule:
        case Epsilon():
            share = rule.stabiliser_share
            shares = num(rule.bias_share), None if share is None else num(share)
            return lambda m: book.epsilon(a, m, r, num(rule.epsilon), *shares, bias=policy)
        case LRP0():
            return lambda m: book.lrp0(a, m, r, stable(rule.stabiliser), policy)
        case Gamma():
            return lambda m: book.gamma(a, m, r, num(rule.gamma), stable(rule.stabiliser), policy)
        case GeneralizedGamma():
            return lambda m: book.generalized_gamma(a, m, r, num(rule.gamma), stable(rule.stabiliser), policy)
        case AlphaBeta():
            weights = num(rule.alpha), num(rule.beta)
            return lambda m: book.alpha_beta(a, m, r, *weights, stable(rule.stabiliser), policy)
        case ZPlus():
            return lambda m: book.zplus(a, m, r, stable(rule.stabiliser))
        case WSquare():
            return lambda m: book.wsquare(a, m, r, stable(rule.stabiliser))
        case Flat():
            return lambda m: book.flat(a, m, r, stable(rule.stabiliser))
        case ZBox():
            return lambda m: book.zbox(a, m, r, bound(rule.low), bound(rule.high), stable(rule.stabiliser))
        case Reference():
            return lambda m: book.reference(a, m, r, bound(rule.x0), stable(rule.stabiliser))
        case Pass():
            if len(a) != len(r):
                raise ShapeError(f"{rule!r} needs as many outputs as inputs, got {len(r)} and {len(a)}")
            return lambda m: book.pass_on(a, m, r)
        case Zero():
            return lambda m: book.zero(a, m, r)
    raise UnsupportedError(f"{rule!r} has no textbook form here; take one of the named rules of lrp_ref.rules")


def _show(value: Any) -> str:
    return str(value) if isinstance(value, Fraction | int) else tables.number(float(value))
