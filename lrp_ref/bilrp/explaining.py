"""One call: explain why two inputs are similar, by all units of both embeddings at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.arrays import Array, namespace, require_finite, sample_dot, sample_sum, unwarned
from ..errors import BackendError, ParameterError, ShapeError
from ..network.network import Network
from ..propagation import composites
from ..propagation.explaining import at_the_door, explain
from ..propagation.explanation import Explanation
from ..propagation.prepare import Question, prepare
from .pair_explanation import PairExplanation, Side

MEMORY = 2 << 30  # bytes of a factor, or of a matrix of pairs, unless it is said otherwise
STARTS = ("output", "logit")


def explain_pair(
    net: Network,
    x: Any,
    y: Any,
    *,
    other: Network | None = None,
    composite: Any = None,
    start: str = "output",
    at: str | tuple[str, str] | None = None,
    normalised: bool = False,
    canonize: bool = True,
    xp: Any = None,
    memory: int = MEMORY,
    **parameters: Any,
) -> PairExplanation:
    """Explain the similarity s = ⟨φ(x), φ(y)⟩ of two inputs by the relevance of pairs of their features (BiLRP).

    R_ij = Σ_m R_i^m(x) R_j^m(y), where R^m is LRP of unit m of the embedding φ, started with φ_m. Σ_ij R_ij is the
    similarity where each unit's relevance is conserved; ``account`` says where the rest went. For a network of ReLUs
    without biases under LRP-0, R_ij = x_i y_j ∂²s/∂x_i∂y_j.

    Args:
        net: the network that makes the embedding: its first output, of any shape, whose M numbers are the units;
            ``net.until("name")`` embeds by an inner value.
        x, y: inputs as :func:`lrp_ref.explain` takes them, N samples each: the k-th of x is compared with the k-th
            of y.
        other: the network that embeds y, with as many units; None for the same.
        composite: as of :func:`lrp_ref.explain`.
        start: "output" for the embedding as the network gives it; "logit" to embed below a final sigmoid or softmax.
        at: the input whose features are paired, or a pair of names for x and y, where a network has several that
            receive relevance; what arrives at the others is counted as elsewhere.
        normalised: whether both embeddings are divided by their norms, which are taken for constants: s is the cosine
            of their angle, 0 for an embedding of zeros.
        canonize, xp: as of :func:`lrp_ref.explain`.
        memory: bytes that a factor (N, M, *shape of a sample), or later a matrix of pairs, may take.
        parameters: of the preset that ``composite`` names, and ``bias``.

    Raises:
        ParameterError: another start, an input that is none, several inputs and none named, or arrays that take more
            than ``memory``.
        ShapeError: another number of samples or units on the two sides.
        BackendError: two dtypes or number systems.
        NonFiniteError: a similarity that is larger than the dtype can say.
        LrpError: whatever :func:`lrp_ref.explain` raises.

    Source: Eberle et al. 2020, "Building and interpreting deep similarity models" (BiLRP).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([0.5, 0.0]))])
        >>> e = lrp.explain_pair(net, np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), composite="lrp0")
        >>> e.similarity, e.matrix().tolist(), e.left.tolist()
        (array([8.75]), [[[2.0, 0.0], [4.0, 0.0]]], [[2.0, 4.0]])
        >>> e.account
        part              sum
        ─────────────────────
        similarity       8.75
        pairs               6
        bias of x           1
        stabiliser of x     0
        dropped of x        0
        elsewhere of x      0
        bias of y         1.5
        stabiliser of y     0
        dropped of y        0
        elsewhere of y      0
        lost by both     0.25
        residual            0
    """
    if start not in STARTS:
        raise ParameterError(f"start={start!r}: an embedding starts with its own values, 'output', or 'logit'")
    composite = composites.usual(net) if composite is None else composite
    chosen = composites.resolve(composite, parameters, caller=explain_pair)
    sides = at if isinstance(at, tuple) else (at, at)
    if len(sides) != 2:
        raise ParameterError(f"at={at!r}: give one name, or a tuple of two, of the input of x and of y")
    first, second = sides
    question = Question(chosen, canonize=canonize, start=start)
    asked = _Asked(question, xp, memory)
    left, rules, notes = asked.side("x", net, x, first)
    right, _, more = asked.side("y", net if other is None else other, y, second)
    _require_match(left, right)
    if normalised:
        left, right = _normalised(left), _normalised(right)
    with unwarned():  # what overflows is told in the next line
        similarity = sample_dot(left.embedding, right.embedding)
    require_finite(similarity, "the similarity of the embeddings")
    return PairExplanation(similarity, left, right, rules, normalised, memory, tuple(dict.fromkeys((*notes, *more))))


class _Asked:
    """What is asked of both sides alike."""

    def __init__(self, question: Question, xp: Any, memory: int) -> None:
        self.question, self.xp, self.memory = question, xp, memory

    def side(self, what: str, net: Network, x: Any, at: str | None) -> tuple[Side, str, tuple[str, ...]]:
        """Return one side, the composite with its bias policy, and what has to be known to read the relevance."""
        question = self.question
        net, fed = at_the_door(net, x, self.xp)
        name = _receiver(what, net, fed, at)
        prepared = prepare(net, fed, question)
        n, units = len(fed[name]), math.prod(prepared.output_shape(fed))
        size = n * units * math.prod(fed[name].shape[1:]) * net.like(fed).dtype.itemsize
        if size > self.memory:
            raise ParameterError(
                f"the relevance of {what} for {units} units of {n} samples takes {size:,} bytes, more than memory="
                f"{self.memory:,}: take fewer samples at a time or an embedding of fewer units, or give memory="
            )
        repeated = {key: _repeated(a, units) for key, a in fed.items()}
        e = explain(
            net.batch_first(), repeated, target=np.tile(np.arange(units), n), composite=question.composite,
            start=question.start, canonize=question.canonize,
        )  # fmt: skip
        return _side(e, n, units, name), e.rules, prepared.notes(fed)


def _side(e: Explanation, n: int, units: int, name: str) -> Side:
    """Return the side of ``n`` samples that an explanation of ``n`` × ``units`` samples tells of."""
    parts, totals = e.maps(), e.ledger.total()
    relevance = parts.pop(name) if name in parts else parts.popitem()[1]

    def each(column: Array) -> Array:
        return column.reshape(n, units)

    elsewhere = namespace(relevance).zeros((n, units), dtype=relevance.dtype)
    for part in parts.values():
        elsewhere = elsewhere + each(sample_sum(part))
    return Side(
        embedding=each(e.started),
        relevance=relevance.reshape(n, units, *relevance.shape[1:]),
        bias=each(totals["bias"]),
        stabiliser=each(totals["stabiliser"]),
        dropped=each(totals["dropped"]),
        elsewhere=elsewhere,
        input=name,
    )


def _receiver(what: str, net: Network, fed: Mapping[str, Array], at: str | None) -> str:
    """Return the name of the input whose features are paired."""
    names = [name for name, array in fed.items() if net.receives(name, array)]
    if at is None and len(names) > 1:
        raise ParameterError(f"{what}: inputs {', '.join(names)} receive relevance: name the one that is paired, at=")
    if at is not None and at not in names:
        raise ParameterError(f"{what}: at='{at}' is no input that receives relevance; there are: {', '.join(names)}")
    return names[0] if at is None else at


def _repeated(array: Array, times: int) -> Array:
    """Return each sample of an array (N, ...) ``times`` times, one after another: a view where there is one sample."""
    n, shape = len(array), array.shape[1:]
    repeated = namespace(array).broadcast_to(array.reshape(n, 1, *shape), (n, times, *shape))
    return repeated.reshape(n * times, *shape)


def _require_match(left: Side, right: Side) -> None:
    """Raise unless the two sides have as many samples and units, of one number system."""
    (n, units), (m, others) = left.embedding.shape, right.embedding.shape
    if n != m:
        raise ShapeError(f"x has {n} samples and y {m}: the k-th of x is compared with the k-th of y")
    if units != others:
        raise ShapeError(f"the embedding of x has {units} units and that of y {others}; they must be as many")
    namespace(left.embedding, right.embedding)
    one, another = left.embedding.dtype, right.embedding.dtype
    if one != another:
        raise BackendError(f"x is computed in {one} and y in {another}: give both in one, x.astype(y.dtype)")


def _norm(phi: Array, xp: Any) -> Array:
    """Return the norms (N, 1) of embeddings (N, M)."""
    if phi.dtype == object or not phi.size:
        return xp.sqrt((phi * phi).sum(axis=1, keepdims=True))
    # Squares of large floats overflow and those of small ones are 0, where the norm is neither.
    most = abs(phi).max(axis=1, keepdims=True)
    most = xp.where(most == 0, most + 1, most)
    return most * xp.sqrt((phi / most * (phi / most)).sum(axis=1, keepdims=True))


def _normalised(side: Side) -> Side:
    """Return a side of an embedding of norm 1; of zeros, all of it stays 0."""
    phi, xp = side.embedding, namespace(side.embedding)
    try:
        norm = _norm(phi, xp)
    except (TypeError, AttributeError) as error:
        raise ParameterError(
            "normalised=True takes square roots, which these exact numbers have none of: leave it out, or compute on "
            "floats or balls"
        ) from error
    norm = xp.where(norm == 0, norm + 1, norm)
    require_finite(norm, "the norm of an embedding")

    def scaled(array: Array) -> Array:
        return array / norm.reshape(*norm.shape, *(1,) * (array.ndim - 2))

    return side.map_arrays(scaled)
