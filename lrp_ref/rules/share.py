"""How relevance is shared: one function executes every rule on every linear layer, and says where the rest went."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, Namespace, namespace, only, sample_dot, sample_sum, unbroadcast
from ..errors import UndecidedError
from ..fast import blocks, buffers, threads
from .edits import KEEP, NEG, ONES, POS, ZERO, Const, Edit
from .groups import Group, Run
from .rule import LinearMap, Redistribution, Rule


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a layer's arrays without looking at numbers: from the graph, or from the pass before.

    Attributes:
        z: the layer's output; it is the denominator of an unedited run.
        nonnegative: all inputs are ≥ 0 (they come out of a ReLU), so runs over a⁻ are empty.
        active: the relevance of an output is 0 wherever the output is ≤ 0 (a ReLU above took it), so groups for
            z_j < 0 are empty.
        edited: layers with edited weights that were made before, by (edit of weights, edit of bias).
        constants: the signed sum z (1, ...) of the runs over constants, for groups that have such, by group.
        memory: what :meth:`Layer.remembering` left for this one way back.
    """

    z: Any = None
    nonnegative: bool = False
    active: bool = False
    edited: Mapping[tuple[Edit, Edit], LinearMap] | None = None
    constants: Mapping[Group, Array] | None = None
    memory: Any = None


UNKNOWN = Known()


def divide(numerator: Array, denominator: Array, xp: Namespace) -> tuple[Array, Array]:
    """Return numerator / denominator with 0 where the denominator is 0, and the mask of those dead units."""
    dead = denominator == 0
    quotient = numerator / xp.where(dead, scalar(1, denominator), denominator)
    return only(quotient, ~dead), dead


def share(
    layer: LinearMap, xs: tuple[Array, ...], relevance: Array, rule: Rule, *, known: Known = UNKNOWN
) -> Redistribution:
    """Redistribute the relevance of a linear layer's outputs over its inputs, and say where the rest went.

    Formula: math per group with message m_j = weight gate_j R_j / stabilise(total_j):
    R_i += Σ_runs ± ã_i Σ_j w̃_ij m_j; bias += Σ_j m_j b̃_j; stabiliser += Σ_j m_j (stabilise(total_j) - total_j);
    dropped = Σ_j R_j (1 - Σ_groups weight gate_j), where units with total 0 count as dropped.

    Args:
        layer: the linear layer.
        xs: its operands, (N, ...) each.
        relevance: of its outputs, (N, ...).
        rule: groups of runs.
        known: what the caller knows already.
    """
    xp = namespace(*xs, relevance)
    received: list[Array | None] = [None] * len(xs)
    totals: list[Array | None] = [None] * len(xs)
    bias = stabiliser = xp.zeros(relevance.shape[0], dtype=relevance.dtype)
    everywhere: Any = 0  # weights of the groups that every unit's relevance goes to, and what the other groups cover
    covered: Array | None = None
    for group in _groups(rule, known.active):
        to_bias, taken, mass = _give(layer, xs, relevance, group, known, received, totals, xp)
        bias, stabiliser = bias + to_bias, stabiliser + taken
        if mass is None:
            everywhere = everywhere + group.weight
        else:
            covered = mass if covered is None else covered + mass
    relevances = tuple(
        r if r is not None else xp.zeros(x.shape, dtype=x.dtype) for r, x in zip(received, xs, strict=True)
    )
    dropped = _dropped(relevance, 1 - everywhere, covered, xp)
    return Redistribution(relevances, bias, stabiliser, dropped, tuple(totals))


def _give(
    layer: LinearMap,
    xs: tuple[Array, ...],
    relevance: Array,
    group: Group,
    known: Known,
    received: list[Array | None],
    totals: list[Array | None],
    xp: Namespace,
) -> tuple[Array, Array, Array | None]:
    """Add what a group gives to the operands to ``received``, and its sums to ``totals``.

    Its arrays are as large as the layer's, and gone before the next group needs room for its own.

    Returns:
        What goes to bias and stabiliser, (N,) each, and what of R_j the group covers, see :class:`_Messages`.
    """
    passes = _passes(layer, xs, group, known)
    total = _total(passes, known.z, known.constants.get(group) if known.constants else None)
    z = None
    if group.gate is not None and not known.active:
        z = layer.forward(*xs) if known.z is None else known.z
    sent = _messages(group, relevance, z, total, xp)
    message = sent.message
    for run, edited, inputs in passes:
        pulled = edited.pull(xs, message)
        alone = len(pulled) == 1  # else another operand may have the same g
        for k, (x, g) in enumerate(zip(inputs, pulled, strict=True)):
            keep = message if alone else g
            received[k], totals[k] = blocks.add_product(x, g, received[k], sign=run.sign, keep=keep)
    bias, spread_bias = _bias_mass(passes, message, sent.sums, total, bool(group.bias_share), xp)
    stabiliser = sent.taken
    taken = message * sent.offset if group.stabiliser_share and sent.offset is not None else None
    if taken is not None or spread_bias is not None:
        extra, from_bias, from_stabiliser = _spread(layer, xs, group, spread_bias, taken, message, xp)
        received[:] = [r + e for r, e in zip(received, extra, strict=True)]
        totals[:] = [None] * len(totals)
        bias, stabiliser = bias - from_bias, stabiliser - from_stabiliser
    return bias, stabiliser, sent.mass


def _dropped(relevance: Array, part: Any, covered: Array | None, xp: Namespace) -> Array:
    """Return Σ_j (part R_j − covered_j) per sample (N,): what no group took."""
    if part == 0:
        return xp.zeros(relevance.shape[0], dtype=relevance.dtype) if covered is None else -sample_sum(covered)
    left = relevance if part == 1 else scalar(part, relevance) * relevance
    return sample_sum(left if covered is None else left - covered)


@dataclass(frozen=True, eq=False)
class _Messages:
    """What the units of a layer send down for one group.

    Attributes:
        message: m_j, per unit.
        mass: the part of R_j that the group covers; None where that is its weight times all of it.
        offset: what the stabiliser adds to the denominators, per unit, or None where nobody needs it per unit.
        taken: the stabiliser's relevance Σ_j m_j offset_j, per sample (N,).
        sums: Σ m_j over the units of a channel (N, C), or None where nobody formed them on the way.
    """

    message: Array
    mass: Array | None
    offset: Array | None
    taken: Array
    sums: Array | None = None


def _messages(group: Group, relevance: Array, z: Array | None, total: Array, xp: Namespace) -> _Messages:
    """Return the messages of a group with the denominators ``total``; ``z`` is what its gate looks at, if it does.

    Several elementwise passes: large arrays are taken block by block, so that all but the first find the numbers in
    the cache.
    """
    n, stabiliser = relevance.shape[0], group.stabiliser
    whole = z is None and stabiliser.never_zero(total)  # no unit is left out
    entire = stabiliser.kind == "relative" or group.stabiliser_share  # what looks at all units, or at each offset later
    if total.dtype.kind != "f" or total.nbytes <= blocks.BLOCK_BYTES or entire:
        message, mass, offset = _quotients(group, relevance, z, total, xp)
        taken = xp.zeros(n, dtype=relevance.dtype) if offset is None else _taken(message, offset)
        return _Messages(message, None if whole else mass, offset, taken)
    message = buffers.empty(total.shape, total.dtype, xp)
    mass = None if whole else buffers.empty(total.shape, total.dtype, xp)
    channels = total.shape[1] if total.ndim > 2 else 1
    rows, size = n * channels, math.prod(total.shape[1:]) // max(channels, 1)
    flat = [None if a is None else a.reshape(rows, size) for a in (relevance, z, total, message, mass)]
    sums, taken = (xp.zeros(rows, dtype=total.dtype) for _ in range(2))

    def fill(parts: Iterator[slice]) -> None:
        for part in parts:
            views: list[Any] = [None if a is None else a[part] for a in flat]
            r, gate, t, m, kept = views
            _, covered, offset = _quotients(group, r, gate, t, xp, out=m)
            if not whole:
                kept[...] = covered
            sums[part] = sample_sum(m)
            if offset is not None:
                taken[part] = _taken(m, offset, sums[part])

    threads.each(blocks.blocks(rows, size * total.dtype.itemsize, xp), fill)
    return _Messages(message, mass, None, sample_sum(taken.reshape(n, channels)), sums.reshape(n, channels))


def _taken(message: Array, offset: Any, summed: Array | None = None) -> Array:
    """Return Σ_j m_j offset_j per sample (N,).

    Args:
        message: m (N, ...).
        offset: of the shape of m, or one number for all units.
        summed: Σ_j m_j (N,) where it is known.
    """
    if offset.shape:
        return sample_dot(message, offset)
    return (sample_sum(message) if summed is None else summed) * offset


def _quotients(
    group: Group, relevance: Array, z: Array | None, total: Array, xp: Namespace, *, out: Array | None = None
) -> tuple[Array, Array, Any]:
    """Return message (in ``out`` if that is given), mass and offset of every unit, or one offset for all."""
    mass = relevance
    if group.weight != 1:
        mass = buffers.computed(xp.multiply, relevance, scalar(group.weight, relevance))
    try:
        if z is not None:
            mass = only(mass, z > 0 if group.gate == "positive" else z < 0)
        offset = group.stabiliser.constant(total)
        offset = group.stabiliser.offset(total) if offset is None else offset
        stable = total if offset is None else buffers.computed(xp.add, total, offset, out=out)
        if group.stabiliser.never_zero(total):
            return buffers.computed(xp.divide, mass, stable, out=out), mass, offset
        message, dead = divide(mass, stable, xp)
    except UndecidedError as error:
        raise error.among("the denominator", total) from error
    if out is not None:
        out[...] = message
    return message, only(mass, ~dead), offset


Pass_ = tuple[Run, LinearMap, tuple[Array, ...]]


def edits_of(rule: Rule, *, nonnegative: bool, active: bool) -> list[tuple[Edit, Edit]]:
    """Return the edits of weights and bias that :func:`share` will need.

    The layers with these edits, made once, can be handed to it in ``Known.edited``.
    """
    keys = [(run.weights, run.bias) for group in _groups(rule, active) for run in _runs(group, nonnegative)]
    return [key for key in dict.fromkeys(keys) if key != (KEEP, KEEP)]


def _groups(rule: Rule, active: bool) -> list[Group]:
    """Return the rule's groups without those for z_j < 0 where no such unit has relevance."""
    return [g for g in rule.groups if not (active and g.gate == "negative")]


def _runs(group: Group, nonnegative: bool) -> tuple[Run, ...]:
    """Return the group's runs without those over a⁻ of non-negative inputs, unless they have a bias (one stays)."""
    runs = tuple(r for r in group.runs if not (nonnegative and r.inputs == NEG and r.bias == ZERO))
    return runs or group.runs


def _passes(layer: LinearMap, xs: tuple[Array, ...], group: Group, known: Known) -> list[Pass_]:
    passes = []
    for run in _runs(group, known.nonnegative):
        key = (run.weights, run.bias)
        edited = layer if key == (KEEP, KEEP) else (known.edited or {}).get(key) or layer.edited(*key)
        same = known.nonnegative and run.inputs == POS
        passes.append((run, edited, xs if same else tuple(run.inputs(x) for x in xs)))
    return passes


def constants(layer: LinearMap, rule: Rule, xs: tuple[Array, ...], known: Known) -> dict[Group, Array]:
    """Return what the runs over constants add to the denominators of one sample ``xs`` (1, ...), by group.

    It is the same for every sample, and can be handed to :func:`share` in ``Known.constants``.
    """
    found = {}
    for group in _groups(rule, known.active):
        passes = [p for p in _passes(layer, xs, group, known) if isinstance(p[0].inputs, Const)]
        if passes:
            found[group] = _total(passes, None, None)
    return found


def _total(passes: list[Pass_], z: Array | None, constant: Array | None) -> Array:
    """Return the denominators: the signed sum of the runs, of which those over constants may be known."""
    total = constant
    for run, edited, inputs in passes:
        if constant is not None and isinstance(run.inputs, Const):
            continue
        unedited = (run.inputs, run.weights, run.bias) == (KEEP, KEEP, KEEP)
        part = run.signed(z if unedited and z is not None else edited.forward(*inputs))
        total = part if total is None else buffers.computed(namespace(part).add, total, part)
    return total


def _bias_mass(
    passes: list[Pass_], message: Array, sums: Array | None, total: Array, per_unit: bool, xp: Namespace
) -> tuple[Array, Array | None]:
    """Relevance of the edited biases, per sample, and on request per unit."""
    edited = None
    for run, layer, _ in passes:
        b = layer.bias_map(total)
        if b is not None and run.bias != ZERO:
            edited = run.signed(b) if edited is None else edited + run.signed(b)
    if edited is None:
        return xp.zeros(message.shape[0], dtype=message.dtype), None
    if per_unit:
        units = message * edited
        return sample_sum(units), units
    if sums is not None and edited.shape == (sums.shape[1], *(1,) * (message.ndim - 2)):
        return sample_sum(sums * edited.reshape(-1)), None
    one = (1,) * (message.ndim - 1 - edited.ndim)  # units along which the bias is one number: their messages first
    return sample_sum(unbroadcast(message, (message.shape[0], *one, *edited.shape)) * edited), None


def _spread(
    layer: LinearMap,
    xs: tuple[Array, ...],
    group: Group,
    bias: Array | None,
    stabiliser: Array | None,
    message: Array,
    xp: Namespace,
) -> tuple[list[Array], Array, Array]:
    """Spread shares of the bias' and the stabiliser's relevance evenly over the N_j inputs of each unit.

    A unit without any input (a window that lies in the padding) keeps its share where it was.
    """
    flat = layer.evenly()
    fan_in = flat.forward(*(ONES(x) for x in xs))
    shares = []
    for mass, part in ((bias, group.bias_share), (stabiliser, group.stabiliser_share)):
        if mass is None:
            shares.append(xp.zeros(message.shape, dtype=message.dtype))
        else:
            shares.append(xp.where(fan_in == 0, scalar(0, mass), scalar(part, mass) * mass))
    even, _ = divide(shares[0] + shares[1], fan_in, xp)
    return list(flat.pull(xs, even)), sample_sum(shares[0]), sample_sum(shares[1])
