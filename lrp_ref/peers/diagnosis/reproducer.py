"""A departure as a case of the conformance vectors: one layer, one sample, this package's answer and the other's."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ...arithmetic import rational
from ...base.arrays import unwarned
from ...base.frozen import Value, is_array
from ...errors import LrpError
from ...layers import LAYERS, Dense, Layer, MaxPool, SumPool
from ...layers.conv import pairs, per_axis
from ...network.network import Node
from ...rules import RULES
from ...rules.edits import EXACT, Stabiliser
from ...rules.rule import AnyRule, Redistribution, WithBias
from .agreement import rows, shaken
from .recorded import Recorded
from .result import Step
from .searching import Spot

Array = np.ndarray[Any, Any]

DIGITS = 20
EXACT_WORK = 200_000  # multiplications up to which the answer is computed on fractions
TOLD = ("bias", "stride", "padding", "dilation", "groups", "axis", "gate")  # of a layer, also where it is the default
ULP = 64  # of the scale, which is what rounding does to the numbers
CONTEXT = Context(prec=DIGITS)


class _NotInCases(Exception):  # noqa: N818 - no error: some layers and rules have no place in a case
    """A layer or rule that a case cannot hold."""


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What a case is made of: one layer of the other program's trace.

    Attributes:
        name: of the node.
        layer, rule: with the rule as it was asked for.
        xs: what the layer reads, (N, ...) each.
        arrived: the relevance of its output.
        got: what the other program handed to each operand; None where others hand to that value too.
        switches: what explains it; empty where nothing known does.
        note: a sentence.
    """

    name: str
    layer: Layer
    rule: AnyRule | None
    xs: tuple[Array, ...]
    arrived: tuple[Array, ...]
    got: tuple[Array | None, ...]
    switches: tuple[str, ...]
    note: str

    @staticmethod
    def of(recorded: Recorded, spot: Spot, node: Node, step: Step) -> Reproduction:
        """Return what a step's case is made of.

        Args:
            recorded: the other program's numbers.
            spot: where relevance departs.
            node: that hands it back.
            step: what was found.
        """
        xs = tuple(recorded.values[n] for n in node.inputs)
        got: list[Array | None] = []
        for k, name in enumerate(node.inputs):
            found = recorded.relevance.get(name)
            readers = recorded.readers[name]
            if found is not None and len(readers) > 1:
                parts = recorded.cone(name).contributions({})
                others = [p for p, (reader, j) in zip(parts, readers, strict=True) if (reader, j) != (node, k)]
                found = found - sum(others) if name == spot.name else None
            got.append(found)
        note = "Unexplained: no known switch gives what another program computed" if step.unexplained else step.name
        return Reproduction(
            node.name, recorded.layer(node), recorded.rules[node.name], xs, spot.cone.arrived(node, {}), tuple(got),
            step.switches, f"{note}, at '{node.name}', one sample of a trace.",
        )  # fmt: skip

    def __call__(self) -> dict[str, Any] | None:
        """Return the case; None where a case cannot hold the layer or the rule."""
        try:
            layer_to_json(self.layer)  # which may be refused
            _, policy = rule_to_json(self.rule)
        except _NotInCases:
            return None
        if len(self.arrived) != 1:
            return None
        small = self._one_sample()._fewer_units()
        (relevance,) = small.arrived
        shared, output, exact = answer(small.layer, small.xs, relevance, small.rule)
        group = "alternatives" if policy else "core"
        columns = ("bias", "stabiliser", "dropped")
        spread = [noise_scale(small, x.shape, k, shared) for k, x in enumerate(small.xs)]
        return {
            "id": f"{group}/reproducer/{re.sub(r'[^A-Za-z0-9_.-]+', '-', self.name) or 'layer'}",
            "layer": layer_to_json(small.layer, small.xs[0].ndim - 2),
            "inputs": [numbers(x) for x in small.xs],
            "output": numbers(output, exact),
            "rule": rule_to_json(small.rule)[0],
            "relevance_out": numbers(relevance),
            "relevance_in": [numbers(r, exact) for r in shared.relevances],
            "ledger": {name: numbers(getattr(shared, name), exact) for name in columns},
            "tolerance": {"ulp": ULP, "scale": spread},
            "catches": sorted(self.switches) or ["unexplained"],
            "choice": {"topic": "bias-policy", "option": policy} if policy else None,
            "note": self.note,
            "got": [None if g is None else numbers(g) for g in small.got],
        }

    def _one_sample(self) -> Reproduction:
        """Return the sample that departs with the fewest units that hand relevance back."""
        (relevance,) = self.arrived
        handed = _redistribute(self.layer, self.xs, relevance, self.rule).relevances
        gap = np.zeros(len(relevance))
        for mine, theirs in zip(handed, self.got, strict=True):
            if theirs is not None:
                with unwarned():
                    found = np.abs(rows(np.asarray(mine)) - rows(theirs)).max(axis=1, initial=0.0)
                gap = np.maximum(gap, np.where(np.isfinite(found), found, np.inf))
        units = (rows(relevance) != 0).sum(axis=1)
        wrong = gap >= 0.01 * gap.max(initial=0.0)
        best = int(np.argmin(np.where(wrong, units, units.max(initial=0) + 1)))
        cut = slice(best, best + 1)
        return replace(
            self, xs=tuple(x[cut] for x in self.xs), arrived=(relevance[cut],),
            got=tuple(None if g is None else g[cut] for g in self.got),
        )  # fmt: skip

    def _fewer_units(self) -> Reproduction:
        """Return a dense layer without the units that have no part: no relevance above, or 0 and nothing received.

        What is left is cut only where this package's answer stays what it was.
        """
        (relevance,), layer, (got,) = self.arrived, self.layer, self.got[:1]
        if not isinstance(layer, Dense) or relevance.ndim != 2 or got is None or not np.isfinite(got).all():
            return self
        handed, _, _ = answer(layer, self.xs, relevance, self.rule)
        used = relevance[0] != 0
        taken = (self.xs[0][0] != 0) | (got[0] != 0) | (handed.relevances[0][0] != 0)
        if (used.all() and taken.all()) or not used.any() or not taken.any():
            return self
        weight = layer.weight[np.ix_(taken, used)]
        small = replace(
            self, layer=Dense(weight, None if layer.bias is None else layer.bias[used]),
            xs=(self.xs[0][:, taken],), arrived=(relevance[:, used],), got=(got[:, taken],),
        )  # fmt: skip
        fewer, _, _ = answer(small.layer, small.xs, small.arrived[0], small.rule)
        return small if bool((fewer.relevances[0] == handed.relevances[0][:, taken]).all()) else self


# Answers ----------------------------------------------------------------------------------------------------------


def _redistribute(layer: Layer, xs: tuple[Any, ...], relevance: Any, rule: Any) -> Redistribution:
    with unwarned():
        return layer.redistribute(xs if len(xs) > 1 else xs[0], relevance, rule)


def answer(layer: Layer, xs: tuple[Array, ...], relevance: Array, rule: Any) -> tuple[Redistribution, Array, bool]:
    """Return this package's answer, the layer's output, and whether both are exact fractions.

    Args:
        layer: the layer.
        xs: its operands.
        relevance: of its output.
        rule: of the node.
    """
    products = layer.products(xs[0].shape, relevance.shape)
    work = products[0] * products[1] * len(relevance) if products else sum(x.size for x in xs) + relevance.size
    finite = all(np.isfinite(a).all() for a in (*xs, relevance) if a.dtype.kind == "f")
    if work <= EXACT_WORK and finite:
        try:
            exact: Any = rational(layer)
            operands = tuple(rational(x) if x.dtype.kind == "f" else x for x in xs)
            shared = _redistribute(exact, operands, rational(relevance), rule)
            output = exact.forward(*operands)
            if all(isinstance(v, Fraction | int) for v in (*shared.relevances[0].flat, *output.flat)):
                return shared, output, True
        except (LrpError, TypeError, AttributeError):  # an arithmetic without fractions, such as exp
            pass
    return _redistribute(layer, xs, relevance, rule), np.asarray(layer.forward(*xs)), False


def noise_scale(made: Reproduction, shape: tuple[int, ...], operand: int, shared: Redistribution) -> dict[str, Any]:
    """Return the scale of the tolerance: the largest number, or what rounding of the inputs does to them."""
    plain = np.asarray(shared.relevances[operand], dtype=np.float64)
    largest = max(float(np.abs(plain).max(initial=0.0)), float(np.abs(made.arrived[0]).max(initial=0.0)))
    eps = float(np.finfo(np.float64).eps)
    for seed in range(3):
        xs = tuple(shaken(x, seed, eps) for x in made.xs)
        try:
            found = np.asarray(_redistribute(made.layer, xs, made.arrived[0], made.rule).relevances[operand])
        except LrpError:
            continue
        with unwarned():
            gap = float(np.abs(found - plain).max(initial=0.0))
        largest = max(largest, gap / eps) if np.isfinite(gap) else largest
    size = f"{CONTEXT.create_decimal(largest):.6e}"
    mantissa, _, exponent = size.partition("e")
    decimal = f"{mantissa}e{int(exponent)}" if largest else "0"
    return {"shape": list(shape), "decimal": [decimal] * int(np.prod(shape))}


# JSON -------------------------------------------------------------------------------------------------------------


def numbers(array: Array, exact: bool = True) -> dict[str, Any]:
    """Return NUMBERS of a case: shape, decimals, and fractions where they are exact.

    Example:
        >>> numbers(np.array([0.5, 0.25]))["exact"]
        ['1/2', '1/4']
    """
    flat = [v if isinstance(v, Fraction) else _fraction(v) for v in np.asarray(array).reshape(-1).tolist()]
    return {
        "shape": list(array.shape),
        "decimal": [_decimal(v) for v in flat],
        "exact": [str(v) for v in flat] if exact else None,
    }


def _fraction(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return {np.inf: "Infinity", -np.inf: "-Infinity"}.get(value, "NaN")
    return Fraction(value)


def _decimal(value: Any) -> str:
    if isinstance(value, str):
        return value
    told = CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator)) if value else Decimal(0)
    return str(told.normalize(CONTEXT)).lower().replace("+", "")


def _number(value: Any) -> dict[str, str]:
    told = Fraction(value)
    return {"decimal": _decimal(told), "exact": str(told)}


def layer_to_json(layer: Layer, axes: int = 0) -> dict[str, Any]:
    """Return a layer as a case has it: its type, its geometry, and what else differs from the defaults.

    Args:
        layer: the layer.
        axes: spatial axes of what it reads, for the sizes of pools.

    Raises:
        _NotInCases: the layer is no public kind, or holds something that JSON does not.
    """
    kind = type(layer).__name__
    if LAYERS.get(kind) is not type(layer):
        raise _NotInCases(kind)
    if isinstance(layer, SumPool | MaxPool) and axes > 0:
        sizes = {name: per_axis(getattr(layer, name), axes, name) for name in ("kernel", "dilation")}
        stride = None if layer.stride is None else per_axis(layer.stride, axes, "stride")
        layer = replace(layer, **sizes, stride=stride, padding=pairs(layer.padding, axes, "padding"))  # type: ignore[arg-type]
    told = {}
    for field in fields(layer):
        entry = getattr(layer, field.name)
        usual = field.default is not MISSING and not is_array(entry) and entry == field.default
        if field.init and (not usual or field.name in TOLD):
            told[field.name] = _entry(entry)
    return {"type": kind, **told}


def rule_to_json(rule: Any) -> tuple[dict[str, Any], str]:
    """Return a rule as a case has it, and its bias policy; "" for that of the rule itself.

    Raises:
        _NotInCases: the rule has no name, or holds something that JSON does not.
    """
    if rule is None:
        return {"name": "own"}, ""
    if isinstance(rule, WithBias):
        return rule_to_json(rule.rule)[0], rule.policy
    if RULES.get(type(rule).__name__) is not type(rule):
        raise _NotInCases(repr(rule))
    given = {f.name: getattr(rule, f.name) for f in fields(rule) if f.init}
    silent = {
        name
        for name, v in given.items()
        if v is None or (isinstance(v, Stabiliser) and v == EXACT) or (name == "bias_share" and v == 0)
    }
    return {"name": type(rule).__name__, **{n: _parameter(v) for n, v in given.items() if n not in silent}}, ""


def _parameter(value: Any) -> Any:
    """Return a rule's parameter: also an integer is a NUMBER there."""
    return _number(value) if isinstance(value, int) and not isinstance(value, bool) else _entry(value)


def _entry(entry: Any) -> Any:
    if entry is None or isinstance(entry, bool | str | int):
        return entry
    if isinstance(entry, float | Fraction | np.floating):
        return _number(entry if isinstance(entry, Fraction) else float(entry))
    if is_array(entry) and entry.dtype.kind in "fiub":
        return numbers(entry)
    if isinstance(entry, list | tuple):
        return [_entry(e) for e in entry]
    if isinstance(entry, Stabiliser):
        return {"kind": entry.kind, "epsilon": _number(entry.epsilon)}
    if isinstance(entry, Value) and RULES.get(type(entry).__name__) is type(entry):
        return rule_to_json(entry)[0]
    raise _NotInCases(repr(entry))
