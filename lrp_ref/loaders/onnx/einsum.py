"""Einsum of one signal, of a signal with a constant, and of two signals: transposes around a product of matrices.

The axes of both operands are of five kinds: the batch; *shared* ones, in both and in the output; *contracted* ones, in
both only; and those of one operand alone, which the output has or which are summed over first.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...layers import Affine, Conv, Dense, Layer, MatMul, Multiply, Reshape, Sum, Transpose, Unsqueeze
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .maps import chained, require_matrix
from .places import moved, sample_of
from .values import WHOLE, Constant, Refusal, Signal, Sizes, Tensor, count, merge_sizes

Labels = tuple[str, ...]
Named = tuple[str, Labels]  # a tensor, and the labels of its axes
ELLIPSIS = "."
MOST = 16  # operands, and labels, of a product of more than two operands


@operator("Einsum", axes=Axes.OTHER)
def _einsum(ctx: Converter, op: Op) -> Sequence[Tensor]:
    tensors = [ctx.tensor(name) for name in op.inputs]
    ranks = [
        t.rank if isinstance(t, Signal) else ctx.constant(n).probes[0].ndim
        for t, n in zip(tensors, op.inputs, strict=True)
    ]
    reads, made = labelled(str(op.attributes["equation"]), ranks)
    signals = [k for k, t in enumerate(tensors) if isinstance(t, Signal)]
    if len(tensors) > 2:
        return _by_pairs(ctx, op, reads, made)
    found = [_operand(ctx, op, k, reads[k], made) for k in signals]
    if len({f.batch for f in found}) != 1 or (found[0].batch is not None and found[0].batch not in made):
        raise Refusal("it sums over the batch, or its operands have their batch at different axes")
    own = tuple(label for label in made if label != found[0].batch)
    where = WHOLE if found[0].batch is None else made.index(found[0].batch)
    if len(signals) == 2:
        first, second = (_summed(f, {*other.labels, *own}) for f, other in zip(found, reversed(found), strict=True))
        return [_of_signals(ctx, op, first, second, own, where)]
    other = 1 - signals[0]
    weight, labels = (
        (np.ones((), ctx.dtype), ()) if len(tensors) == 1 else _constant(ctx, op, other, reads[other], found[0], own)
    )
    x = _summed(found[0], {*labels, *own})
    return [_with_constant(ctx, op, x, weight, labels, own, where)]


def _by_pairs(ctx: Converter, op: Op, reads: list[Labels], made: Labels) -> Sequence[Tensor]:
    """Return a product of more than two operands: in each step the pair that leaves the fewest axes.

    A label is summed over as soon as no other operand has it; this is the same sum in another order.
    """
    every = dict.fromkeys(label for labels in (*reads, made) for label in labels)
    if len(every) > MOST or len(reads) > MOST:
        raise Refusal(f"{len(reads)} operands with {len(every)} labels; at most {MOST} of either are supported")
    free = (letter for letter in string.ascii_letters if letter not in every)
    letters = {label: next(free) if label.startswith(ELLIPSIS) else label for label in every}
    operands = list(zip(op.inputs, reads, strict=True))
    while len(operands) > 2:
        first = next(o for o in operands if isinstance(ctx.tensor(o[0]), Signal))
        operands.remove(first)
        left = [_between(first, operands, k, made) for k in range(len(operands))]
        k = min(range(len(operands)), key=lambda k: (len(left[k]), isinstance(ctx.tensor(operands[k][0]), Signal)))
        product = _pair(ctx, op, (first, operands.pop(k)), left[k], letters, ())
        operands.insert(0, (ctx.named(product), left[k]))
    return [_pair(ctx, op, operands, made, letters, op.outputs)]


def _between(first: Named, others: Sequence[Named], k: int, made: Labels) -> Labels:
    """Return the labels of the product of an operand and the k-th other one that are needed later."""
    needed = {*made, *(label for n, (_, labels) in enumerate(others) if n != k for label in labels)}
    return tuple(label for label in dict.fromkeys((*first[1], *others[k][1])) if label in needed)


def _pair(
    ctx: Converter, op: Op, operands: Sequence[Named], made: Labels, letters: Mapping[str, str],
    outputs: tuple[str, ...],
) -> Signal:  # fmt: skip
    """Return the product of two operands, as an Einsum of its own."""
    left, right = ("".join(letters[label] for label in labels) for _, labels in operands)
    equation = f"{left},{right}->{''.join(letters[label] for label in made)}"
    names = tuple(name for name, _ in operands)
    (found,) = _einsum(ctx, replace(op, inputs=names, outputs=outputs, attributes={"equation": equation}))
    assert isinstance(found, Signal)
    return found


def labelled(equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Return the labels of every operand's axes and of the output's.

    The axes that an ellipsis stands for are called ".1" and so on, counted from the last one.

    Example:
        >>> labelled("...ij,jk", (3, 2))
        ([('.1', 'i', 'j'), ('j', 'k')], ('.1', 'i', 'k'))
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks) or not re.fullmatch(r"[A-Za-z.,]*(->[A-Za-z.]*)?", left + arrow + right):
        raise Refusal(f"the equation '{equation[:60]}' for {len(ranks)} operands")
    found = [_axes_of(term, rank) for term, rank in zip(terms, ranks, strict=True)]
    widest = max((sum(label.startswith(ELLIPSIS) for label in labels) for labels in found), default=0)
    if arrow:
        return found, _axes_of(right, len(right.replace("...", "")) + (widest if "..." in right else 0))
    every = [label for labels in found for label in labels]
    once = sorted(label for label in set(every) if every.count(label) == 1 and not label.startswith(ELLIPSIS))
    return found, (*(f"{ELLIPSIS}{k}" for k in range(widest, 0, -1)), *once)


def _axes_of(term: str, rank: int) -> Labels:
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after)
    if ELLIPSIS in before + after or hidden < 0 or (hidden and not dots):
        raise Refusal(f"'{term[:30]}' for a tensor with {rank} axes")
    return (*before, *(f"{ELLIPSIS}{k}" for k in range(hidden, 0, -1)), *after)


@dataclass(frozen=True)
class Operand:
    """A signal, and the labels of its sample's axes.

    Attributes:
        signal: the signal.
        labels: of the axes behind the batch, less those that are summed over first.
        batch: the label of the batch; None for a tensor without a batch axis.
        shapes: the sample's shape for each probe, less those axes.
        steps: the layer that sums over them, if there is one.
    """

    signal: Signal
    labels: Labels
    batch: str | None
    shapes: tuple[Sizes, ...]
    steps: tuple[tuple[str, Layer], ...] = ()

    def sizes(self, labels: Labels) -> tuple[Sizes, ...]:
        """Return, for each probe, the sizes of some of its axes."""
        return tuple(tuple(s[self.labels.index(label)] for label in labels) for s in self.shapes)

    def fixed(self, labels: Labels) -> Sizes:
        """Return the sizes of some of its axes, which must not be free."""
        sizes = self.sizes(labels)
        if any(s != sizes[0] for s in sizes):
            raise Refusal("it depends on a free size of the input: fix it with load(..., shapes=...)")
        return sizes[0]


def _operand(ctx: Converter, op: Op, k: int, labels: Labels, made: Labels) -> Operand:
    if len(set(made)) != len(made):
        raise Refusal(f"a label twice in its output {''.join(made)[:30]}")
    x = ctx.signal(op, op.inputs[k])
    if len(set(labels)) != len(labels):
        numbers = {label: n for n, label in enumerate(labels)}
        wanted = tuple(numbers)
        codes, kept = [numbers[label] for label in labels], list(numbers.values())
        x = moved(ctx, op, x, lambda array, probe: np.einsum(array, codes, kept).copy(), part=True)
        labels = wanted
    batch = None if x.batch == WHOLE else labels[x.batch]
    return Operand(x, tuple(label for label in labels if label != batch), batch, x.sizes)


def _summed(x: Operand, needed: set[str]) -> Operand:
    """Return the operand summed over the axes that neither the output nor the other operand has."""
    axes = tuple(k for k, label in enumerate(x.labels, 1) if label not in needed)
    if not axes:
        return x
    kept = tuple(label for label in x.labels if label in needed)
    return replace(x, labels=kept, shapes=x.sizes(kept), steps=(("sum", Sum(axes, keepdims=False)),))


def _constant(
    ctx: Converter, op: Op, k: int, labels: Labels, x: Operand, made: Labels
) -> tuple[np.ndarray[Any, Any], Labels]:
    """Return the constant without its batch axis, and summed over the axes that only it has."""
    constant = ctx.constant(op.inputs[k])
    assert isinstance(constant, Constant)
    if x.batch in labels:
        place = labels.index(x.batch)
        sample = sample_of(ctx, op, place, constant.probes)
        array = np.zeros((1,) * (len(labels) - 1), ctx.dtype) if sample is None else sample
        labels = labels[:place] + labels[place + 1 :]
    else:
        array = ctx.weight(op.inputs[k])
    needed = [label for label in dict.fromkeys(labels) if label in x.labels or label in made]
    codes = {label: n for n, label in enumerate(dict.fromkeys(labels))}
    return np.einsum(array, [codes[label] for label in labels], [codes[label] for label in needed]), tuple(needed)


def _order(labels: Labels, wanted: Labels) -> list[tuple[str, Layer]]:
    """Return the transpose that puts axes in another order; none where they have it."""
    if labels == wanted:
        return []
    return [("transpose", Transpose((0, *(labels.index(label) + 1 for label in wanted))))]


def _shape(sizes: tuple[Sizes, ...], wanted: tuple[Sizes, ...]) -> list[tuple[str, Layer]]:
    return [] if sizes == wanted else [("reshape", Reshape(merge_sizes(wanted)))]


def _joined(sizes: tuple[Sizes, ...], *groups: int) -> tuple[Sizes, ...]:
    """Return shapes in which so many axes at a time are one."""
    found = []
    for shape in sizes:
        start, joined = 0, []
        for n in groups:
            joined.append(count(shape[start : start + n]))
            start += n
        found.append(tuple(joined))
    return tuple(found)


def _with_constant(
    ctx: Converter, op: Op, x: Operand, weight: np.ndarray[Any, Any], labels: Labels, made: Labels, where: int
) -> Signal:
    missing = [label for label in made if label not in x.labels and label not in labels]
    if missing:
        raise Refusal(f"the output's label '{missing[0]}' is of no operand")
    shared = tuple(label for label in labels if label in x.labels and label in made)
    inner = tuple(label for label in labels if label in x.labels and label not in made)
    own = tuple(label for label in x.labels if label not in labels)
    new = tuple(label for label in labels if label not in x.labels)
    if x.fixed((*shared, *inner)) != tuple(weight.shape[labels.index(label)] for label in (*shared, *inner)):
        raise Refusal(f"operands of shapes {x.signal.sizes[0]} and {weight.shape}")
    weight = weight.transpose([labels.index(label) for label in (*shared, *inner, *new)])
    s, k = x.fixed(shared), x.fixed(inner)
    g = tuple(int(n) for n in weight.shape[len(shared) + len(inner) :])
    if not inner and not new:
        steps = [*x.steps, *_order(x.labels, made)]
        if shared:
            # One factor for each element of the shared axes.
            factor = weight.transpose([shared.index(label) for label in made if label in shared])
            shape = tuple(x.fixed((label,))[0] if label in shared else 1 for label in made)
            steps.append(("scale", Affine(np.ascontiguousarray(factor.reshape(shape).astype(ctx.dtype)))))
        elif not labels and weight.ndim == 0 and weight != 1:
            steps.append(("scale", Affine(weight.reshape(1).astype(ctx.dtype))))
        return chained(ctx, op, x.signal, steps, where)
    matrix = weight.reshape(count(s), count(k), count(g)).astype(ctx.dtype)
    require_matrix(matrix.size, 1)
    if not shared:
        order, f = (*own, *inner), x.sizes(own)
        steps = [
            *x.steps,
            *_order(x.labels, order),
            *_shape(x.sizes(order), tuple((*row, count(k)) for row in f)),
            ("dense", Dense(np.ascontiguousarray(matrix[0]))),
            *_shape(tuple((*row, count(g)) for row in f), tuple((*row, *g) for row in f)),
            *_order((*own, *new), made),
        ]
        return chained(ctx, op, x.signal, steps, where)
    # A convolution of kernel 1, with a group for each element of the shared axes.
    order = (*shared, *inner, *own)
    rows = tuple(count(row) for row in x.sizes(own))
    kernel = np.ascontiguousarray(matrix.transpose(0, 2, 1).reshape(-1, count(k), 1))
    steps = [
        *x.steps,
        *_order(x.labels, order),
        *_shape(x.sizes(order), tuple((count(s) * count(k), n) for n in rows)),
        ("conv", Conv(kernel, None, 1, 0, 1, count(s))),
        *_shape(tuple((len(kernel), n) for n in rows), tuple((*s, *g, *row) for row in x.sizes(own))),
        *_order((*shared, *new, *own), made),
    ]
    return chained(ctx, op, x.signal, steps, where)


def _of_signals(ctx: Converter, op: Op, x: Operand, y: Operand, made: Labels, where: int) -> Signal:
    shared = tuple(label for label in x.labels if label in y.labels and label in made)
    inner = tuple(label for label in x.labels if label in y.labels and label not in made)
    left, right = (tuple(label for label in a.labels if label not in b.labels) for a, b in ((x, y), (y, x)))
    if x.sizes((*shared, *inner)) != y.sizes((*shared, *inner)) or set(made) != {*shared, *left, *right}:
        raise Refusal(f"operands of shapes {x.signal.sizes[0]} and {y.signal.sizes[0]}")
    gates = [ctx.patterns.is_gate(o.signal) for o in (x, y)]
    gate = gates.index(True) if sum(gates) == 1 else None
    if not inner:
        parts = [_spread(ctx, op, o, made) for o in (x, y)]
        return ctx.emit(op, Multiply(gate), parts, batch=where)
    groups = (len(shared), len(left), len(inner)), (len(shared), len(inner), len(right))
    orders = (*shared, *left, *inner), (*shared, *inner, *right)
    operands = []
    for o, order, sizes in zip((x, y), orders, groups, strict=True):
        steps = [*o.steps, *_order(o.labels, order), *_shape(o.sizes(order), _joined(o.sizes(order), *sizes))]
        operands.append(chained(ctx, op, o.signal, steps, 0, part=True))
    every = (*shared, *left, *right)
    full = tuple(a + b + c for a, b, c in zip(x.sizes(shared), x.sizes(left), y.sizes(right), strict=True))
    after = [*_shape(_joined(full, len(shared), len(left), len(right)), full), *_order(every, made)]
    product = ctx.emit(op, MatMul(gate), operands, batch=where, tag="product" if after else "")
    return chained(ctx, op, product, after, where)


def _spread(ctx: Converter, op: Op, x: Operand, made: Labels) -> Signal:
    """Return the operand with axes in the output's order, of size 1 where it has none."""
    steps = [*x.steps, *_order(x.labels, tuple(label for label in made if label in x.labels))]
    missing = tuple(k for k, label in enumerate(made, 1) if label not in x.labels)
    if missing:
        steps.append(("unsqueeze", Unsqueeze(missing)))
    return chained(ctx, op, x.signal, steps, 0, part=True)
