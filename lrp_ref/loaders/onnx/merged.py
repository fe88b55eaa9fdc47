"""Samples that are counted in one axis with something else: (time, N·heads, features), (time·N, features).

The network has every axis of its own; the file's one axis is known, and what nodes say of axes is understood so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .batches import Axes
from .file import Op
from .values import PROBES, Constant, Refusal, Signal, Sizes, Tensor, count

SHAPING = ("Reshape", "Transpose", "Shape", "Size")  # they follow what is merged themselves
PRODUCTS = ("Gemm", "MatMul")
# Their attribute ``axis`` is the only thing that counts axes.
ALONG_AN_AXIS = ("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "LpNormalization", "Split")
# They name axes in an attribute or in a constant, and may take some away or put new ones between.
NAMING_AXES = {"Gather": None, "Slice": 3, "Squeeze": 1, "Unsqueeze": 1}


@dataclass(frozen=True)
class Apart:
    """A node on operands with all axes apart.

    Attributes:
        op: the node, axes behind the merged ones counted from the end.
        tensors: its operands, by name.
        group: from which to before which axis of the output is one axis of the file.
        rank: number of axes that the output has.
    """

    op: Op
    tensors: Mapping[str, Tensor]
    group: tuple[int, int]
    rank: int

    def merged(self, made: Tensor) -> Tensor:
        """Return what the node made, with the same axes as one."""
        if not isinstance(made, Signal):
            return made
        if made.rank != self.rank:
            raise Refusal("its batch is merged with other axes, and it changes their number")
        return replace(made, merged=self.group)


def taken_apart(op: Op, given: Mapping[str, Tensor], axes: Axes) -> Apart:
    """Return a node on operands of which some have a merged batch, with all axes apart.

    Raises:
        Refusal: a node that is not known to leave the merged axes alone, or operands that differ in them.
    """
    merged = {n: t for n, t in given.items() if isinstance(t, Signal) and t.merged is not None}
    if axes is not Axes.EACH and op.kind not in (*ALONG_AN_AXIS, *NAMING_AXES, *PRODUCTS):
        raise Refusal("its batch is merged with other axes")
    if op.kind in NAMING_AXES:
        return _renamed(op, given)
    first = max(merged.values(), key=lambda t: t.rank)
    assert first.merged is not None
    group, shapes = first.merged, [first.shape(k, 0) for k in range(PROBES)]
    found: dict[str, Tensor] = {}
    for name, tensor in given.items():
        if isinstance(tensor, Constant):
            weights = op.kind in PRODUCTS and tensor.probes[0].ndim <= 2
            found[name] = tensor if weights else _beside(tensor, first.rank, group)
        elif name in merged:
            signal = merged[name]
            same = [signal.shape(k, 0)[slice(*group)] for k in range(PROBES)]
            if signal.merged != group or same != [s[slice(*group)] for s in shapes]:
                raise Refusal("operands whose batches are merged with different axes")
            found[name] = replace(signal, merged=None)
        elif isinstance(tensor, Signal):
            raise Refusal("one operand has its batch merged with other axes, the other has not")
    attributes = dict(op.attributes)
    if "axis" in attributes:
        rank = first.rank - (group[1] - group[0] - 1)
        axis = attributes["axis"] % rank
        if axis <= group[0] and op.kind != "Split":
            raise Refusal(f"axis {axis} of its input, or one behind it, is the batch, merged with other axes")
        attributes["axis"] = _place(axis, group[0], rank)
    return Apart(replace(op, attributes=attributes), found, group, first.rank)


def _place(axis: int, merged: int, rank: int) -> int:
    """Return an axis of the file so that it counts the same with the merged ones apart."""
    if axis == merged:
        raise Refusal(f"axis {axis} is the batch, merged with other axes")
    return axis if axis < merged else axis - rank


def _renamed(op: Op, given: Mapping[str, Tensor]) -> Apart:
    """Return a node that names axes of its first input, whose batch is merged, for all axes apart."""
    x, others = given[op.inputs[0]], {n: t for n, t in given.items() if n != op.inputs[0]}
    if not isinstance(x, Signal) or x.merged is None or not all(isinstance(t, Constant) for t in others.values()):
        raise Refusal("its batch is merged with other axes")
    (first, last), attributes = x.merged, dict(op.attributes)
    rank = x.rank - (last - first - 1)
    if op.kind == "Gather":
        axis = attributes.get("axis", 0) % rank
        attributes["axis"] = _place(axis, first, rank)
        more = others[op.inputs[1]].probes[0].ndim - 1  # type: ignore[union-attr]
        shift = more if axis < first else 0
    else:
        named = _named_axes(op, others)
        if named is None:
            raise Refusal("it names no axes, of which one is the batch, merged with others")
        more = {"Slice": 0, "Squeeze": -len(named), "Unsqueeze": len(named)}[op.kind]
        counted = rank + max(more, 0)  # the new axes are counted among those of the output
        found = [a % counted for a in named]
        merged = [a for a in range(counted) if a not in found][first] if op.kind == "Unsqueeze" else first
        shift = merged - first if more >= 0 else -sum(a < first for a in found)
        attributes["axes"] = tuple(_place(a, merged, counted) for a in found)
    return Apart(
        replace(op, attributes=attributes), {**given, op.inputs[0]: replace(x, merged=None)},
        (first + shift, last + shift), x.rank + more,
    )  # fmt: skip


def _named_axes(op: Op, others: Mapping[str, Tensor]) -> list[int] | None:
    """Return the axes that a node has in an attribute or in a constant."""
    place: Any = NAMING_AXES[op.kind]
    if "axes" in op.attributes:
        return [int(a) for a in op.attributes["axes"]]
    name = op.inputs[place] if place < len(op.inputs) else ""
    tensor = others.get(name)
    return tensor.integers() if isinstance(tensor, Constant) else None


def _beside(tensor: Constant, rank: int, group: tuple[int, int]) -> Constant:
    """Return a constant that is the same for all samples, with an axis of size 1 for each that is merged."""
    behind = rank - group[1]
    if all(p.ndim <= behind or p.size == 1 for p in tensor.probes):
        return tensor
    probes = []
    for p in tensor.probes:
        place = p.ndim - behind - 1
        if p.shape[place] != 1:
            raise Refusal(f"a constant of shape {p.shape} along an axis in which the batch is merged")
        ones = (1,) * (group[1] - group[0])
        probes.append(p.reshape((*p.shape[:place], *ones, *p.shape[place + 1 :])))
    return Constant(tuple(probes))


def place_in(
    x: Signal, shapes: Sequence[Sizes], samples: Sequence[int]
) -> tuple[int, list[Sizes], tuple[int, int]] | None:
    """Return how a reshape keeps the samples of a batch apart within one axis, if it does.

    Args:
        x: what is reshaped.
        shapes: for each probe, the file's new shape.
        samples: for each probe, the number of samples.

    Returns:
        The batch axis, the sample's shape for each probe, and which axes are one in the file.
    """
    for axis in range(len(shapes[0])):
        parts = [_parts(x, shapes[k], axis, samples[k], k) for k in range(PROBES)]
        if any(p is None for p in parts):
            continue
        known = [p for p in parts if p is not None]
        before, after = (any(p[side] != 1 for p in known) for side in (0, 1))
        sizes = [
            (*shape[:axis], *p[:1] * before, *p[1:] * after, *shape[axis + 1 :])
            for p, shape in zip(known, shapes, strict=True)
        ]
        return axis + before, sizes, (axis, axis + before + 1 + after)
    return None


def _parts(x: Signal, shape: Sizes, axis: int, n: int, probe: int) -> tuple[int, int] | None:
    """Return what stands before and after the samples in an axis of the new shape, if they are whole numbers."""
    front, lead = count(x.sizes[probe][: x.batch]), count(shape[:axis])
    if not lead or not n or front % lead:
        return None
    before = front // lead
    if not before or shape[axis] % (before * n):
        return None
    return before, shape[axis] // (before * n)


def transposed(x: Signal, permutation: Sequence[int]) -> tuple[list[int], tuple[int, int]]:
    """Return the order of the axes apart for that of the file's axes, and where the merged ones are then."""
    assert x.merged is not None
    first, last = x.merged
    width = last - first
    order: list[int] = []
    place = 0
    for axis in permutation:
        if axis == first:
            place = len(order)
            order.extend(range(first, last))
        else:
            order.append(axis if axis < first else axis + width - 1)
    return order, (place, place + width)
