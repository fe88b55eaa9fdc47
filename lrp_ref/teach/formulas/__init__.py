"""Relevances of small networks as formulas, in text and LaTeX, for those who teach or learn what a rule does.

The formulas are not written down anywhere: the layers and rules run on symbols (:mod:`lrp_ref.arithmetic.symbols`)
and write them. Which weight is positive and which unit is active is decided by the network's own numbers, and every
step says for which region its formulas hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ...arithmetic import rational
from ...arithmetic.symbols import sympy
from ...base.arrays import Array, is_float
from ...errors import ParameterError, ShapeError
from ...network.inputs import batch_back
from ...network.network import Network
from ...network.sizes import sample_shapes
from ...propagation.composites import resolve, usual
from ...propagation.prepare import PreparedNetwork, Question, prepare
from ...propagation.start import start_relevance
from ...propagation.walk import back
from .derive import Derivation
from .printing import Letter, Line
from .result import Formulas
from .values import Condition, Step

__all__ = ["Condition", "Formulas", "Letter", "Line", "Step", "symbolic"]

MOST_UNITS = 100  # of inputs and all nodes together: more nobody reads
MOST_WEIGHTS = 1000


def symbolic(
    net: Network,
    x: Any = None,
    *,
    composite: Any = None,
    target: int | None = None,
    canonize: bool = True,
    numbers: bool = False,
    **parameters: Any,
) -> Formulas:
    """Return each relevance of a small network as a formula, and the conservation identity, simplified to 0 = 0.

    Args:
        net: of at most 100 units; its layers have exact values (ReLU and max pools, no tanh).
        x: one input (1, ...), or a dict by name; None for ones, of the least size that fits where
            the network leaves it free. It decides which units are active, as the network's
            weights decide which of them are positive; the text says for which region the formulas hold.
        composite: as in :func:`lrp_ref.explain`; the numbers of its rules become letters (ε, γ, α, β, l, h).
        target: index of the explained output; None for the largest.
        canonize: as in :func:`lrp_ref.explain`.
        numbers: whether every formula also shows the numbers inserted, and its value.
        parameters: of the composite, as in :func:`lrp_ref.explain`.

    Raises:
        ParameterError: parameters that the composite does not take.
        ShapeError: more than one sample, too many units to read, or an input whose size cannot be told.
        UnsupportedError: a layer without exact values.
        MissingExtraError: SymPy is not installed.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [2.0]]), np.array([0.5]))])
        >>> print(lrp.symbolic(net, composite=lrp.rules.Epsilon(0.1)).steps[0].relevances[0].expr)
        R_1^(dense1)*w_11^(dense1)*x_1^(input)/(z_1^(dense1) + ε)
    """
    sympy()
    composite = resolve(usual(net) if composite is None else composite, parameters, caller=symbolic)
    fed = _input(net, x)
    _small_enough(net, fed)
    exact, fed = rational(net), {k: rational(v) if is_float(v) else v for k, v in fed.items()}
    question = Question(composite, 0, canonize)
    prepared, values, begin, chosen = _walked(exact, fed, question, target)
    relevance, _ = back(prepared, dict(values), {prepared.net.outputs[0]: begin}, {}, keep=True)
    made = Derivation(prepared, values, relevance)
    _name_inputs(made)
    forward = [made.forward(node) for node in prepared.net.nodes]
    start = _start(made, begin, chosen)
    steps = [made.back(k, *forward[k]) for k in reversed(range(len(prepared.net)))]
    gathered: list[Line] = []
    inputs = {}
    for spec in prepared.net.inputs:
        if is_float(values[spec.name]):
            inputs[spec.name], lines = made.arrived(spec.name)
            gathered += lines

    def refill(other: Network, other_x: Any) -> dict[Any, Fraction]:
        return _refill(made, fed, question, chosen, other, other_x)

    residual = _residual(start, steps, inputs, gathered)
    return Formulas(
        tuple(reversed(steps)), start, tuple(gathered), inputs, made.letters, made.constraints, chosen, residual,
        numbers, refill,
    )  # fmt: skip


def _input(net: Network, x: Any) -> dict[str, Array]:
    """Return the checked input, ones where none is given."""
    if x is None:
        shapes = sample_shapes(net)
        x = {i.name: batch_back(np.ones((1, *shapes[i.name])), i.batch_axis) for i in net.inputs}
    fed = net.feed(x if isinstance(x, Mapping) else np.asarray(x))
    for name, array in fed.items():
        if array.shape[0] != 1:
            raise ShapeError(f"input '{name}' has {array.shape[0]} samples: formulas are written at one, give (1, ...)")
    return fed


def _small_enough(net: Network, fed: Mapping[str, Array]) -> None:
    """Raise if there is too much to read."""
    weights = sum(math.prod(p.shape) for p in net.parameters)
    if weights > MOST_WEIGHTS:
        raise ShapeError(f"the network has {weights} parameters; formulas are for networks of up to {MOST_WEIGHTS}")
    empty = {name: a[:0] for name, a in fed.items()}
    units = sum(math.prod(v.shape[1:]) for v in net.like_input(empty).values(empty, check=False).values())
    if units > MOST_UNITS:
        raise ShapeError(
            f"inputs and nodes have {units} units together; formulas are for networks of up to {MOST_UNITS}"
        )


def _walked(
    exact: Network, fed: dict[str, Array], question: Question, target: int | None
) -> tuple[PreparedNetwork, dict[str, Array], Array, int]:
    """Return the walk, its exact values, the start relevance and the index of the target."""
    prepared = prepare(exact, fed, question)
    values = prepared.net.values({i.name: fed[i.name] for i in prepared.net.inputs})
    begin, targets, _ = start_relevance(values[prepared.net.outputs[0]], target, "logit")
    return prepared, values, begin, int(np.asarray(targets).flat[0])


def _name_inputs(made: Derivation) -> None:
    """Give names to the inputs of the network."""
    for spec in made.prepared.net.inputs:
        values = made.values[spec.name]
        if is_float(values):
            names = np.empty(values.shape, dtype=object)
            for index in np.ndindex(values.shape):
                names[index] = made.symbol("x", index[1:], spec.name, values[index])
            made.named[spec.name] = names


def _start(made: Derivation, begin: Array, chosen: int) -> tuple[Line, ...]:
    """Let the relevance of the explained output be its value, and return the definition."""
    name = made.prepared.net.outputs[0]
    exprs = made.named[name].copy()
    for index in np.ndindex(exprs.shape):
        if begin[index] == 0:
            exprs[index] = sympy().S.Zero
    names, lines = made.fresh("R", name, exprs, begin)
    made.parts[name] = [names]
    made.readers[name] = made.readers[name] + 1
    return (lines[chosen],)


def _residual(start: tuple[Line, ...], steps: list[Step], inputs: dict[str, Any], gathered: list[Line]) -> Any:
    """Return the sum of all steps' identities: what is between two nodes leaves and arrives, and cancels."""
    s = sympy()
    total = s.Add(*(line.symbol for line in start if line.terms)) - s.Add(*(e for a in inputs.values() for e in a.flat))
    sums = {line.symbol: line.expr for line in gathered}
    for step in steps:
        arrived = s.Add(*(factor for factor, _ in step.identities))
        sent = s.Add(*(line.symbol for line in step.relevances if line.terms))
        # By the node's own identity, what stays in it is what arrives and is not sent on.
        total += step.residual - (arrived - sent)
        sums |= {line.symbol: line.expr for line in step.gathered}
    return s.expand(total.xreplace(sums))


def _refill(
    made: Derivation, fed: dict[str, Array], question: Question, target: int, other: Network, x: Any
) -> dict[Any, Fraction]:
    """Return the values of the symbols of inputs, weights and rules for other numbers."""
    given = {k: rational(v) if is_float(v) else v for k, v in _input(other, x).items()}
    if {k: a.shape for k, a in given.items()} != {k: a.shape for k, a in fed.items()}:
        raise ShapeError("the input has another shape than that of the formulas")
    prepared, values, _, _ = _walked(rational(other), given, question, target)
    nodes = {n.name: n for n in prepared.net.nodes}
    found = {}
    for symbol, one in made.letters.items():
        if one.letter == "x":
            found[symbol] = Fraction(values[one.owner][(0, *one.index)])
        elif one.field:
            if one.owner not in nodes:
                raise ParameterError(f"the network has no node '{one.owner}': give one of the same layers")
            found[symbol] = Fraction(getattr(nodes[one.owner].layer, one.field)[one.index])
        elif one.letter in "εγαβδηlh":
            found[symbol] = one.value
    return found
