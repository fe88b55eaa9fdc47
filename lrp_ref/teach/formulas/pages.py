"""The page that a student reads: formulas forward, formulas back, and where the relevance stays, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...arithmetic.symbols import sympy
from .algebra import grouped
from .printing import Writer
from .values import Condition, Content, Step

INTRODUCTION = (
    "x inputs, w weights, b biases, z weighted sums, a activations, n denominators, R relevances; "
    "z_1^(node) is that of the named node."
)
COLUMNS = ("bias", "stabiliser", "dropped")
PARAMETERS = "εγαβδηlh"  # letters of the parameters of rules


def as_text(formulas: Content) -> str:
    """Return the formulas as plain text."""
    blocks = [f"Relevance of output {formulas.target + 1}, as formulas\n\n{INTRODUCTION}"]
    blocks += _parameters(formulas)
    forward = [_text_forward(formulas, s) for s in formulas.steps]
    blocks.append("Forward\n\n" + "\n".join(forward))
    writer = _writer(formulas, None, latex=False)
    begin = [f"  {writer.line(line, numbers=formulas.numbers)}" for line in formulas.start]
    blocks.append("\n".join(["Back", "", "start: the explained output", *begin]))
    blocks += [_text_back(formulas, s) for s in reversed(formulas.steps)]
    if formulas.gathered:
        sums = [f"  {writer.line(line, numbers=formulas.numbers)}" for line in formulas.gathered]
        blocks.append("\n".join(["inputs that several nodes read", *sums]))
    blocks.append("\n".join(["The whole", *(f"  {x}" for x in _whole(formulas, writer))]))
    return "\n\n".join(blocks) + "\n"


def as_markdown(formulas: Content) -> str:
    """Return the formulas as Markdown with one ``math`` block per node and direction."""
    parts = [INTRODUCTION]
    parts += _parameters(formulas)
    for title, note, block in latex_blocks(formulas):
        parts.append(f"**{title}**{f', {note}' if note else ''}\n\n```math\n{block}\n```")
    return "\n\n".join(parts) + "\n"


def latex_blocks(formulas: Content) -> list[tuple[str, str, str]]:
    """Return (title, region, LaTeX) of every node, forward and back, and of the whole."""
    found = []
    for step in formulas.steps:
        writer = _writer(formulas, step, latex=True)
        rows = [writer.line(x, numbers=formulas.numbers) for x in step.forward]
        found.append((f"{step.node}, forward", _region(step.forward_region, writer), _aligned(rows)))
    writer = _writer(formulas, None, latex=True)
    rows = [writer.line(x, numbers=formulas.numbers) for x in formulas.start]
    found.append(("start", "", _aligned(rows)))
    for step in reversed(formulas.steps):
        writer = _writer(formulas, step, latex=True)
        lines = (*step.gathered, *step.denominators, *step.relevances)
        rows = [writer.line(x, numbers=formulas.numbers) for x in lines]
        rows += [
            writer.line(getattr(step, c), label=rf"\text{{{c}}}", numbers=formulas.numbers)
            for c in COLUMNS
            if getattr(step, c).terms
        ]
        rows += [_identity(step, factor, parts, writer) for factor, parts in _worth_showing(step)]
        rows.append(f"0 &= {writer.expr(step.residual)}")
        found.append((f"{step.node}, back", _region(step.region, writer), _aligned(rows)))
    writer = _writer(formulas, None, latex=True)
    if formulas.gathered:
        rows = [writer.line(x, numbers=formulas.numbers) for x in formulas.gathered]
        found.append(("inputs that several nodes read", "", _aligned(rows)))
    found.append(("the whole", "", _aligned(_whole(formulas, writer))))
    return found


def _aligned(rows: Sequence[str]) -> str:
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _writer(formulas: Content, step: Step | None, *, latex: bool) -> Writer:
    return Writer(formulas.letters, step.local if step else _parameter_symbols(formulas), latex=latex)


def _parameter_symbols(formulas: Content) -> list[Any]:
    return [x for x, one in formulas.letters.items() if not one.owner]


def _parameters(formulas: Content) -> list[str]:
    """Return what decided the comparisons, and what is known of the parameters of the rules."""
    entered = ", ".join(_given(formulas, x) for x, one in formulas.letters.items() if one.letter == "x")
    lines = [f"The comparisons below are decided by the network's own numbers, at {entered}."]
    rules = [x for x, one in formulas.letters.items() if one.letter in PARAMETERS and not one.field]
    if rules:
        text = "Parameters of the rules: " + ", ".join(_given(formulas, x) for x in rules)
        lines.append(text + ("; α − β = 1." if formulas.constraints else "."))
    return lines


def _given(formulas: Content, symbol: Any) -> str:
    one = formulas.letters[symbol]
    alone = one.letter == "x" and len(formulas.inputs) == 1
    return f"{one.text(short=alone)} = {float(one.value):g}"


def _region(region: Sequence[Condition], writer: Writer) -> str:
    """Return the comparisons that decided, in words or in LaTeX."""
    if not region:
        return ""
    relations = {"≠": r"\neq"} if writer.latex else {}
    parts = []
    for c in region:
        left, right = _sides(c.difference)
        relation = relations.get(c.relation, c.relation)
        parts.append(f"{writer.expr(left)} {relation} {writer.expr(right)}")
    return "for $`" + ",\\; ".join(parts) + "`$" if writer.latex else "for " + ", ".join(parts)


def _sides(difference: Any) -> tuple[Any, Any]:
    """Return both sides of a comparison: a − b stands for a against b."""
    s = sympy()
    terms = s.Add.make_args(difference)
    right = [t for t in terms if t.as_coeff_Mul()[0] < 0]
    return (
        (s.Add(*(t for t in terms if t not in right)), -s.Add(*right))
        if len(right) < len(terms)
        else (difference, s.S.Zero)
    )


def _text_forward(formulas: Content, step: Step) -> str:
    writer = _writer(formulas, step, latex=False)
    region = _region(step.forward_region, writer)
    head = f"{step.node} ({step.layer}){f', {region}' if region else ''}"
    return "\n".join([head, *(f"  {writer.line(x, numbers=formulas.numbers)}" for x in step.forward)])


def _text_back(formulas: Content, step: Step) -> str:
    writer = _writer(formulas, step, latex=False)
    region = _region(step.region, writer)
    rows = [f"{step.node} ({step.layer}): {step.rule}", *([f"  {region}"] if region else [])]
    for line in (*step.gathered, *step.denominators, *step.relevances):
        rows.append(f"  {writer.line(line, numbers=formulas.numbers)}")
    for column in COLUMNS:
        line = getattr(step, column)
        if line.terms:
            rows.append(f"  {writer.line(line, label=column, numbers=formulas.numbers)}")
    rows.append("  conservation: ΣR_out − ΣR_in − bias − stabiliser − dropped = 0")
    rows += [f"    {_identity(step, factor, parts, writer)}" for factor, parts in _worth_showing(step)]
    rows.append(f"    {writer.expr(step.residual)} = 0")
    return "\n".join(rows)


def _worth_showing(step: Step) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return the identities with a denominator; R − R = 0 needs no line."""
    return [(factor, parts) for factor, parts in step.identities if any(not p.is_Number for p in parts)]


def _identity(step: Step, factor: Any, parts: tuple[Any, ...], writer: Writer) -> str:
    """Return R_j·(1 − …) = 0, the summands of one denominator on one fraction, with what z_j and n_j stand for."""
    s = sympy()
    sums: dict[Any, Any] = {}
    for part in parts:
        top, bottom = s.fraction(part)
        sums[bottom] = sums.get(bottom, 0) + s.expand(top)
    shown = sorted(sums.items(), key=lambda pair: len(pair[0].free_symbols) > 0)
    quotients = [(grouped(top, writer.letters), bottom) for bottom, top in shown if top != 0]
    text = "1"
    for top, bottom in quotients:
        text += writer.signed(top, bottom)
    name = writer.expr(factor)
    lefts = {x for _, bottom in quotients for x in bottom.free_symbols}
    defined = {line.symbol: line for line in (*step.forward, *step.denominators)}
    means = [writer.line(defined[x]).replace("&", "") for x in defined if x in lefts]
    if writer.latex:
        with_ = rf" \quad\text{{with }} {',; '.join(means)}" if means else ""
        return rf"{name} \left({text}\right) &= 0{with_}".replace(",;", r",\;")
    return f"{name}·({text}) = 0" + (f", with {', '.join(means)}" if means else "")


def _whole(formulas: Content, writer: Writer) -> list[str]:
    """Return the identity of all nodes together."""
    s = sympy()
    start = s.Add(*(line.symbol for line in formulas.start if line.terms))
    inputs = s.Add(*(e for a in formulas.inputs.values() for e in a.flat))
    lost = [(c, step.node) for step in reversed(formulas.steps) for c in COLUMNS if getattr(step, c).terms]
    if writer.latex:
        names = [rf"\text{{{c} of {n}}}".replace("_", r"\_") for c, n in lost]
        minus, equals = " - ", " &= "
    else:
        names, minus, equals = [f"{c} of {n}" for c, n in lost], " − ", " = "
    middle = writer.bracketed(inputs)
    return [
        f"{writer.expr(start)}{minus}{middle}{''.join(minus + n for n in names)}{equals}0",
        f"{writer.expr(formulas.residual)}{equals}0",
    ]
