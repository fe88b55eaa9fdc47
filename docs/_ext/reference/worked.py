"""What an example of the reference computes: output, messages from every output to every input, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.rules.rule import Seen
from lrp_ref.rules.share import Given

from .examples import Example

NAMES = {"np": np, "lrp": lrp, "rational": rational}


@dataclass(frozen=True)
class Worked:
    """An example with its numbers, for one sample.

    Attributes:
        code: what computes them.
        outputs: the layer's, by name of the output or "".
        relevances: of the operands.
        table: the messages with the ledger.
        rule: the rule, None for the layer's own way.
        exact: whether the numbers are rationals.
    """

    code: str
    outputs: tuple[Any, ...]
    relevances: tuple[Any, ...]
    table: lrp.MessageTable
    rule: Any
    exact: bool


def _flat(arrays: tuple[Any, ...]) -> Any:
    return np.concatenate([np.asarray(a).reshape(-1) for a in arrays])


def _ones(out: Any) -> Any:
    return rational(np.ones(out.shape)) if out.dtype == object else np.ones(out.shape)


def work(example: Example) -> Worked:
    """Return the numbers of an example.

    Every message comes from one way back of its own, with relevance at one output only: a rule hands relevance down in
    proportion to what arrives, so that the columns add up.
    """
    layer = eval(f"lrp.layers.{example.layer}", dict(NAMES))  # noqa: S307  source of examples.py
    xs = tuple(eval(source, dict(NAMES)) for source in example.inputs)  # noqa: S307
    rule = eval(f"lrp.rules.{example.rule}", dict(NAMES)) if example.rule else None  # noqa: S307
    made = layer.forward(*xs)
    outputs = made if isinstance(made, tuple) else (made,)
    above = tuple(_ones(o) for o in outputs)
    given = Given()
    if isinstance(rule, lrp.rules.Rescale):  # compared with 0
        nothing = tuple(x * 0 for x in xs)
        given = Given(z=made, reference=Seen(nothing, layer.forward(*nothing)))
    told = layer.redistribute(xs if len(xs) > 1 else xs[0], above if len(above) > 1 else above[0], rule, given=given)
    columns, ledger = [], []
    for k, out in enumerate(outputs):
        for j in range(out.size):
            one = [np.asarray(r) * 0 for r in above]
            one[k].reshape(-1)[j] = above[k].reshape(-1)[j]
            part = layer.redistribute(
                xs if len(xs) > 1 else xs[0], tuple(one) if len(one) > 1 else one[0], rule, given=given
            )
            columns.append(_flat(part.relevances))
            ledger.append([part.bias[0], part.stabiliser[0], part.dropped[0]])
    messages = np.stack(columns, axis=1)
    _agree(messages.sum(axis=1), _flat(told.relevances), example)
    bias, stabiliser, dropped = (np.array(column) for column in zip(*ledger, strict=True))
    table = lrp.MessageTable(
        formula=(rule.formula() if rule is not None else layer.own_rule or ""),
        inputs=_flat(xs), outputs=_flat(outputs), relevance_out=_flat(above), messages=messages,
        bias=bias, stabiliser=stabiliser, dropped=dropped,
    )  # fmt: skip
    exact = all(o.dtype == object for o in outputs)
    return Worked(_code(example, len(outputs)), outputs, told.relevances, table, rule, exact)


def _agree(one: Any, other: Any, example: Example) -> None:
    """Raise unless the messages add up to the relevance that all outputs together give."""
    close = (one == other).all() if one.dtype == object else np.allclose(one, other, atol=1e-12)
    if not close:
        raise AssertionError(f"messages of {example.layer} do not add up to its relevance")


def _code(example: Example, outputs: int) -> str:
    """Return what a reader types to get the numbers."""
    sources = example.inputs
    x = sources[0] if len(sources) == 1 else f"({', '.join(sources)})"
    rule = f", lrp.rules.{example.rule}" if example.rule else ""
    call = "layer.forward(x)" if len(sources) == 1 else "layer.forward(*x)"
    used = x + example.layer + rule
    lines = ["import numpy as np", "import lrp_ref as lrp"]
    lines += ["from lrp_ref.arithmetic import rational"] if "rational(" in used else []
    ones = "rational(np.ones(y.shape))" if "rational(" in used else "np.ones(y.shape)"
    relevance = ones if outputs == 1 else f"tuple({ones} for y in y)"
    lines += ["", f"layer = lrp.layers.{example.layer}", f"x = {x}", f"y = {call}"]
    if "Rescale" in rule:
        lines += ["at_zero = Given(z=y, reference=Seen((x * 0,), layer.forward(x * 0)))"]
        lines.insert(2, "from lrp_ref.rules.rule import Seen\nfrom lrp_ref.rules.share import Given")
        rule += ", given=at_zero"
    lines += [f"layer.redistribute(x, {relevance}{rule})"]
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Return an array as text on one line: fractions as they are, floats with four decimals."""
    if isinstance(value, np.ndarray):
        return "[" + ", ".join(shown(v) for v in value) + "]" if value.ndim else shown(value.item())
    if isinstance(value, Fraction | int | np.integer):
        return str(value)
    return f"{float(value):.4f}".rstrip("0").rstrip(".") if value else "0"
