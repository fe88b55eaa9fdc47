"""The walk of ``explain`` once more, node by node, on symbols: the same layer and rule code writes the formulas."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ...arithmetic.symbols import Asked, Symbol, indexed, sympy
from ...base.arrays import Array, is_float
from ...base.frozen import Value, is_array
from ...errors import LrpError
from ...layers import Linear
from ...network.network import Node, value_name
from ...propagation.prepare import PreparedNetwork
from ...rules.edits import Stabiliser
from ...rules.prepared import PreparedRule
from ...rules.rule import Rule, WithBias
from ...rules.share import Given
from .algebra import arranged, conditions, grouped, vanishes
from .printing import Letter, Line
from .values import RELATIONS, SIGNS, Condition, Step

PARAMETERS = {
    "epsilon": "ε", "gamma": "γ", "alpha": "α", "beta": "β", "low": "l", "high": "h", "bias_share": "δ",
    "stabiliser_share": "η",
}  # fmt: skip


class Derivation:
    """One derivation: the symbols made so far, and the formulas node by node.

    Args:
        prepared: the network made ready, in rationals.
        values: of the forward pass (witnesses), by name.
        relevance: of the walk back (witnesses), by name.
    """

    def __init__(self, prepared: PreparedNetwork, values: dict[str, Array], relevance: dict[str, Array]) -> None:
        self.prepared, self.values, self.relevance = prepared, values, relevance
        self.letters: dict[Any, Letter] = {}
        self.constraints: dict[Any, Any] = {}
        self.named: dict[str, Any] = {}  # the values as symbols, or 0 where they are 0 throughout the region
        self.signs: dict[Any, int] = {}  # of values, as far as the comparisons of earlier nodes tell
        self.parts: dict[str, list[Any]] = {}  # the relevances that were sent to a value
        self.readers = {
            name: sum(n.inputs.count(name) for n in prepared.net.nodes) for name in values if is_float(values[name])
        }

    # -- symbols ------------------------------------------------------------------------------------------------

    def symbol(self, letter: str, index: tuple[int, ...], owner: str, value: Any, *, field: str = "") -> Any:
        """Return a new symbol with its witness, or the one there is."""
        rank = 1000 * "xahlzwbnmpqRδηεγαβ".find(letter[0]) if letter[0] in "xahlzwbnmpqRδηεγαβ" else 5500
        made = Letter(letter, index, owner, Fraction(value), rank, field)
        symbol = sympy().Symbol(made.text(short=False))
        if symbol not in self.letters:
            self.letters[symbol] = replace(made, rank=rank + sum(x.letter == letter for x in self.letters.values()))
        return symbol

    def fresh(self, letter: str, owner: str, exprs: Any, at: Any) -> tuple[Any, list[Line]]:
        """Give names to expressions (1, ...); what is 0 in the whole region stays 0. Returns names and definitions."""
        names, lines = np.empty(exprs.shape, dtype=object), []
        for index in np.ndindex(exprs.shape):
            expr = exprs[index]
            one = self.symbol(letter, index[1:], owner, at[index])
            names[index] = sympy().S.Zero if expr == 0 else one
            lines.append(Line(one, () if expr == 0 else (((expr,), None),)))
        return names, lines

    def lift(self, exprs: Any, asked: Asked) -> Any:
        """Return symbols or 0 as numbers with witnesses."""
        made = np.empty(exprs.shape, dtype=object)
        for index in np.ndindex(exprs.shape):
            known = self.letters.get(exprs[index])
            made[index] = Symbol(exprs[index], Fraction(0) if known is None else known.value, asked)
        return made

    def layer(self, node: Node, asked: Asked) -> Any:
        """Return the node's layer with symbols for its arrays."""
        changes, layer = {}, node.layer
        for field in dataclasses.fields(layer):
            array = getattr(layer, field.name)
            if is_array(array) and is_float(array):
                letter = {"weight": "w", "bias": "b"}.get(field.name, field.name)
                names = np.empty(array.shape, dtype=object)
                for index in np.ndindex(array.shape):
                    names[index] = self.symbol(letter, index, node.name, array[index], field=field.name)
                changes[field.name] = self.lift(names, asked)
        return replace(layer, **changes)

    def rule(self, rule: Any, node: str, asked: Asked) -> Any:
        """Return the rule with letters for its parameters; a parameter that is 0 stays 0."""
        if not isinstance(rule, Value) or not isinstance(rule, Rule):
            return rule
        if isinstance(rule, WithBias):
            return replace(rule, rule=self.rule(rule.rule, node, asked))
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(rule):
            value = getattr(rule, field.name)
            if isinstance(value, Stabiliser) and value.epsilon != 0:
                changes[field.name] = replace(value, epsilon=self.parameter("ε", value.epsilon, node, asked))
            elif field.name in PARAMETERS and value is not None and not (np.ndim(value) == 0 and value == 0):
                changes[field.name] = self.parameter(PARAMETERS[field.name], value, node, asked)
        if getattr(rule, "beta", 1) == 0:  # α1β0 is one group, without letters
            changes.pop("alpha", None)
        if "alpha" in changes:
            self.constraints[changes["alpha"].expr] = 1 + changes["beta"].expr
        return replace(rule, **changes)

    def parameter(self, letter: str, value: Any, node: str, asked: Asked) -> Any:
        """Return a parameter as a symbol: one letter for all nodes, or that of the node where they differ."""
        if np.ndim(value):
            values = np.asarray(value, dtype=object)
            names = np.empty(values.shape, dtype=object)
            for index in np.ndindex(values.shape):
                names[index] = self.symbol(letter, index, node, values[index])
            return self.lift(names, asked)
        number = value.item() if hasattr(value, "item") else value
        shared = self.letters.get(sympy().Symbol(letter))
        owner = "" if shared is None or shared.value == Fraction(number) else node
        return Symbol(self.symbol(letter, (), owner, number), Fraction(number), asked)

    # -- the two passes -----------------------------------------------------------------------------------------

    def forward(self, node: Node) -> tuple[tuple[Line, ...], tuple[Condition, ...]]:
        """Run a node on symbols, name its outputs, and return the definitions and the comparisons made."""
        asked = Asked()
        out = self.layer(node, asked).forward(*(self.operand(name, asked) for name in node.inputs))
        lines: list[Line] = []
        letter = "z" if isinstance(node.layer, Linear) else "a"
        for k, array in enumerate(out if isinstance(out, tuple) else (out,)):
            name = value_name(node.name, k)
            self.named[name], more = self.fresh(letter, name, expressions(array), self.values[name])
            lines += more
        region = self.conditions(asked)
        self.signs |= {c.difference: SIGNS[c.relation] for c in region if c.difference.is_Symbol and c.relation != "≠"}
        self.signs |= {x.symbol: self.signs[x.expr] for x in lines if x.expr in self.signs}
        return tuple(lines), region

    def operand(self, name: str, asked: Asked) -> Any:
        """Return a value as numbers; indices stay what they are."""
        return self.lift(self.named[name], asked) if name in self.named else self.values[name]

    def conditions(self, asked: Asked) -> tuple[Condition, ...]:
        """Return the comparisons, without those that only concern parameters or follow from others."""
        parameters = {x for x, one in self.letters.items() if one.letter in PARAMETERS.values() and not one.index}
        found = []
        for difference, sign in asked.signs.items():
            if not difference.free_symbols <= parameters:
                kind = "order" if difference in asked.ordered or sign == 0 else "equal"
                found.append(Condition(difference, RELATIONS[kind, sign]))
        return conditions(found, dict.fromkeys(parameters, 1) | self.signs)

    def arrived(self, name: str) -> tuple[Any, tuple[Line, ...]]:
        """Return the relevance of a value as symbols, and the sums where several nodes sent some."""
        parts = self.parts.get(name)
        if parts is None:
            return np.full(self.values[name].shape, sympy().S.Zero, dtype=object), ()
        if self.readers[name] == 1:
            return parts[0], ()
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        names, lines = self.fresh("R", name, total, self.relevance[name])
        return names, tuple(lines)

    def back(self, k: int, forward: tuple[Line, ...], forward_region: tuple[Condition, ...]) -> Step:
        """Redistribute the relevance of the k-th node on symbols, and return its formulas."""
        step = self.prepared.steps[k]
        node, planned = step.node, step.planned
        asked, names = Asked(), [node.name]
        while (more := value_name(node.name, len(names))) in self.values:
            names.append(more)
        came = [self.arrived(name) for name in names]
        rule = self.rule(planned.rule, node.name, asked)
        xs = tuple(self.operand(name, asked) for name in node.inputs)
        zs = tuple(self.lift(self.named[name], asked) for name in names)
        arrived = tuple(self.lift(r, asked) for r, _ in came)
        layer, ready = self.layer(node, asked), None
        if step.ready is not None:  # the same rule, on symbols
            ready = PreparedRule(layer, step.ready.rule if rule is None else rule, step.ready.facts)
        try:
            shared = layer.redistribute(
                xs if len(xs) > 1 else xs[0],
                arrived if len(arrived) > 1 else arrived[0],
                rule,
                given=Given(zs if len(zs) > 1 else zs[0], ready),
            )
        except LrpError as error:
            raise error.at(node.name) from error
        outputs = [r for a, _ in came for r in a.flat if r != 0]
        tidy = _Tidy(self, node, outputs, asked)
        lines: list[Line] = []
        for number, (source, part) in enumerate(zip(node.inputs, shared.relevances, strict=True)):
            if source in self.readers:
                lines += self.sent(node, number, source, expressions(part), tidy)
        columns = [expressions(c)[0] for c in (shared.bias, shared.stabiliser, shared.dropped)]
        received = sum((e for p in shared.relevances for e in expressions(p).flat), sympy().S.Zero)
        defined = {x.symbol: x.expr for x in forward} | self.constraints
        residual, identities = tidy.identity(received, columns, defined)
        bias, stabiliser, dropped = (tidy.line(None, c.xreplace(self.constraints)) for c in columns)
        own = planned.layer.own_rule or ""
        return Step(
            node=node.name,
            layer=type(node.layer).__name__,
            rule=rule.formula() if rule is not None else own,
            forward=forward,
            gathered=tuple(x for _, more in came for x in more),
            denominators=tuple(tidy.denominators.values()),
            relevances=tuple(lines),
            bias=bias,
            stabiliser=stabiliser,
            dropped=dropped,
            identities=identities,
            residual=residual,
            forward_region=forward_region,
            region=tuple(tidy.named(c) for c in self.conditions(asked) if c not in forward_region),
            local=self.local(node, names),
        )

    def sent(self, node: Node, number: int, source: str, exprs: Any, tidy: _Tidy) -> list[Line]:
        """Name the relevance that a node sends to one of its operands, and return the formulas."""
        twice = "" if node.inputs.count(source) == 1 else f" {number + 1}"
        owner = source if self.readers[source] == 1 else f"{source}←{node.name}{twice}"
        numbers = self.lift_numbers(exprs)
        names, _ = self.fresh("R", owner, exprs, numbers)
        self.parts.setdefault(source, []).append(names)
        named = [self.symbol("R", i[1:], owner, numbers[i]) for i in np.ndindex(exprs.shape)]
        return [tidy.line(one, expr) for one, expr in zip(named, exprs.flat, strict=True)]

    def lift_numbers(self, exprs: Any) -> Any:
        """Return the expressions' values at the witness."""
        at = {x: sympy().Rational(v.value.numerator, v.value.denominator) for x, v in self.letters.items()}
        made = np.empty(exprs.shape, dtype=object)
        for index in np.ndindex(exprs.shape):
            value = exprs[index].xreplace(at)
            made[index] = Fraction(int(value.p), int(value.q))
        return made

    def local(self, node: Node, names: Iterable[str]) -> tuple[Any, ...]:
        """Return the symbols of a node: inputs, outputs, parameters, denominators."""
        values = {*node.inputs, *names}
        return tuple(x for x, one in self.letters.items() if one.owner in values | {""} and one.letter != "R")


class _Tidy:
    """Names for long denominators, and terms ordered by the relevance that they carry."""

    def __init__(self, made: Derivation, node: Node, outputs: list[Any], asked: Asked) -> None:
        self.made, self.node, self.outputs, self.asked = made, node, outputs, asked
        self.denominators: dict[Any, Line] = {}  # by the denominator as an expression

    def quotients(self, coefficient: Any, factor: Any) -> tuple[Any, ...]:
        """Return a coefficient as quotients, one per denominator, with names for the long ones."""
        parts: list[Any] = []
        for top, bottom in arranged(coefficient):
            parts.append(top / self.name(bottom, factor))
        return tuple(parts)

    def name(self, bottom: Any, factor: Any) -> Any:
        """Return a denominator: itself if it is short, else its name."""
        if not bottom.is_Add or all(len(t.free_symbols) < 2 and not t.is_Pow for t in bottom.args):
            return bottom
        if bottom not in self.denominators:
            index = self.made.letters[factor].index
            taken = [x.symbol for x in self.denominators.values()]
            for letter in "nmpq":
                symbol = sympy().Symbol(f"{indexed(letter, index)}^({self.node.name})")
                if symbol not in taken:
                    break
            one = self.made.symbol(letter, index, self.node.name, self.value(bottom))
            self.denominators[bottom] = Line(one, (((grouped(bottom, self.made.letters),), None),))
        return self.denominators[bottom].symbol

    def named(self, condition: Condition) -> Condition:
        """Return a condition with the name of the denominator that it is about."""
        line = self.denominators.get(condition.difference)
        return condition if line is None else replace(condition, difference=line.symbol)

    def value(self, expr: Any) -> Fraction:
        """Return the value at the witness."""
        at = {x: sympy().Rational(v.value.numerator, v.value.denominator) for x, v in self.made.letters.items()}
        found = expr.xreplace(at)
        return Fraction(int(found.p), int(found.q))

    def line(self, symbol: Any, expr: Any) -> Line:
        """Return an expression that is linear in the outputs' relevances as a line of terms."""
        terms = []
        for factor in self.outputs:
            quotients = self.quotients(sympy().diff(expr, factor), factor)
            if quotients:
                terms.append((quotients, factor))
        return Line(symbol, tuple(terms))

    def identity(self, received: Any, columns: list[Any], defined: dict[Any, Any]) -> tuple[Any, Any]:
        """Return the residual, and per output relevance the summands of 1 − inputs − bias − stabiliser − dropped."""
        s = sympy()
        residual, identities = s.S.Zero, []
        for factor in self.outputs:
            shares = [s.diff(e, factor) for e in (received, *columns)]
            rest = 1 - sum(shares)
            left = vanishes(rest.xreplace(defined), self.made.constraints)
            residual += left * factor
            tidied = [self.quotients(e.xreplace(self.made.constraints), factor) for e in shares]
            identities.append((factor, tuple(-q for parts in tidied for q in parts)))
        return residual, tuple(identities)


def expressions(array: Any) -> Any:
    """Return the SymPy expressions of an array of symbols and plain exact numbers."""
    made = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        value = array[index]
        if isinstance(value, Symbol):
            made[index] = value.expr
        else:
            exact = Fraction(value)
            made[index] = sympy().Rational(exact.numerator, exact.denominator)
    return made
