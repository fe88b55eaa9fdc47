"""How relevance is shared: one function executes every rule on every linear layer, and says where the rest went.

:func:`lrp_ref.propagation.plain.share` is the same in some twenty lines that save nothing; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, only, sample_sum, unbroadcast
from ..fast import blocks
from ..fast.quotient import Sent, divide, quotients
from .edits import ONES, ZERO
from .groups import Group
from .prepared import Pass, PreparedRule
from .rule import LinearMap, Redistribution, Rule, Seen


@dataclass(frozen=True, eq=False)
class Given:
    """What the caller of a redistribution has already, so that it need not be made again.

    Attributes:
        z: the layer's output for these inputs; it is the denominator of an unedited run.
        ready: the rule made ready for this layer.
        tape: what :meth:`Layer.forward_taped` left of this forward pass; it is used up.
        reference: what the layer reads and makes of the reference that the samples are compared with.
    """

    z: Any = None
    ready: PreparedRule | None = None
    tape: Any = None
    reference: Seen | None = None


NOTHING = Given()


def share(
    layer: LinearMap, xs: tuple[Array, ...], relevance: Array, rule: Rule, given: Given = NOTHING
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
        given: what the caller has already.
    """
    ready = PreparedRule(layer, rule) if given.ready is None else given.ready
    account = _Account(xs, relevance)
    for group in ready.groups():
        _give(ready, group, given.z, account)
    return account.closed()


def _give(ready: PreparedRule, group: Group, z: Array | None, account: _Account) -> None:
    """Enter into the account what a group gives. Its large arrays are gone before the next group needs room."""
    passes = ready.passes(group, account.xs)
    total = ready.denominators(group, passes, z)
    gated = group.gate is not None and not ready.facts.active
    looked_at = (ready.layer.forward(*account.xs) if z is None else z) if gated else None
    sent = quotients(group, account.relevance, total, looked_at)
    for run, edited, inputs in passes:
        account.receive(inputs, edited.pull(account.xs, sent.message), run.sign, sent.message)
    to_bias, per_unit = _bias_mass(passes, sent, total, bool(group.bias_share))
    to_stabiliser = sent.taken
    taken = sent.message * sent.offset if group.stabiliser_share and sent.offset is not None else None
    if per_unit is not None or taken is not None:
        masses = (per_unit, group.bias_share), (taken, group.stabiliser_share)
        seen = ready.layer.present(account.xs) if group.present else None
        from_bias, from_stabiliser = account.spread(ready.layer.evenly(), seen, *masses)
        to_bias, to_stabiliser = to_bias - from_bias, to_stabiliser - from_stabiliser
    account.bias, account.stabiliser = account.bias + to_bias, account.stabiliser + to_stabiliser
    account.cover(group.weight, sent.mass)


class _Account:
    """What has been given so far: to every operand, to bias and stabiliser, and what of R_j is covered.

    Attributes:
        xs, relevance: as in :func:`share`.
        received: relevance of every operand, None for nothing yet.
        totals: the sums of these over each sample, as far as they were formed on the way.
        bias, stabiliser: (N,).
        everywhere: the sum of the weights of groups that cover the relevance of every unit.
        covered: what the other groups cover of R_j, per unit.
    """

    def __init__(self, xs: tuple[Array, ...], relevance: Array) -> None:
        self.xs, self.relevance, self.xp = xs, relevance, namespace(*xs, relevance)
        self.received: list[Array | None] = [None] * len(xs)
        self.totals: list[Array | None] = [None] * len(xs)
        self.bias = self.stabiliser = self.xp.zeros(relevance.shape[0], dtype=relevance.dtype)
        self.everywhere: Any = 0
        self.covered: Array | None = None

    def receive(self, inputs: tuple[Array, ...], pulled: tuple[Array, ...], sign: int, message: Array) -> None:
        """Add ± ã_i g_i for every operand, g being what the transposed layer made of the message."""
        alone = len(pulled) == 1  # else another operand may have the same g
        for k, (x, g) in enumerate(zip(inputs, pulled, strict=True)):
            keep = message if alone else g
            self.received[k], self.totals[k] = blocks.add_product(x, g, self.received[k], sign=sign, keep=keep)

    def cover(self, weight: Any, mass: Array | None) -> None:
        """Enter what of R_j a group covers: its weight times all of it, or a mass per unit."""
        if mass is None:
            self.everywhere = self.everywhere + weight
        else:
            self.covered = mass if self.covered is None else self.covered + mass

    def spread(
        self, even: LinearMap, present: tuple[Array, ...] | None, *masses: tuple[Array | None, Any]
    ) -> tuple[Array, Array]:
        """Spread shares of the bias' and the stabiliser's relevance evenly over the N_j inputs of each unit.

        A unit without any input (a window that lies in the padding) keeps its share where it was.

        Args:
            even: the map with weight 1 on every connection.
            present: numbers that are not 0 where an input counts; None where all do.
            masses: what the bias and what the stabiliser took, per unit or None, and the share of it.

        Returns:
            What was taken from the bias and from the stabiliser, (N,) each.
        """
        counted = [ONES(x) for x in self.xs]
        if present is not None:
            counted = [only(one, x != 0) for one, x in zip(counted, present, strict=True)]
        fan_in, parts = even.forward(*counted), []
        for mass, part in masses:
            if mass is None:
                parts.append(self.xp.zeros(self.relevance.shape, dtype=self.relevance.dtype))
            else:
                parts.append(self.xp.where(fan_in == 0, scalar(0, mass), scalar(part, mass) * mass))
        each, _ = divide(parts[0] + parts[1], fan_in, self.xp)
        extra = even.pull(self.xs, each)
        if present is not None:
            extra = tuple(one * e for one, e in zip(counted, extra, strict=True))
        self.received = [r + e for r, e in zip(self.received, extra, strict=True)]
        self.totals = [None] * len(self.totals)
        return sample_sum(parts[0]), sample_sum(parts[1])

    def closed(self) -> Redistribution:
        """Return what every operand received, and the ledger's columns."""
        pairs = zip(self.received, self.xs, strict=True)
        received = tuple(self.xp.zeros(x.shape, dtype=x.dtype) if r is None else r for r, x in pairs)
        return Redistribution(received, self.bias, self.stabiliser, self._dropped(), tuple(self.totals))

    def _dropped(self) -> Array:
        """Return Σ_j R_j (1 − everywhere) − covered_j per sample (N,): what no group took."""
        part, relevance = 1 - self.everywhere, self.relevance
        if part == 0:
            none = self.xp.zeros(relevance.shape[0], dtype=relevance.dtype)
            return none if self.covered is None else -sample_sum(self.covered)
        left = relevance if part == 1 else scalar(part, relevance) * relevance
        return sample_sum(left if self.covered is None else left - self.covered)


def _bias_mass(passes: list[Pass], sent: Sent, total: Array, per_unit: bool) -> tuple[Array, Array | None]:
    """Return the relevance of the edited biases, per sample, and on request per unit."""
    edited, message, sums = None, sent.message, sent.sums
    for run, layer, _ in passes:
        b = layer.bias_map(total)
        if b is not None and run.bias != ZERO:
            edited = run.signed(b) if edited is None else edited + run.signed(b)
    if edited is None:
        return namespace(message).zeros(message.shape[0], dtype=message.dtype), None
    if per_unit or edited.ndim == message.ndim:  # a bias of each sample is summed with it
        units = message * edited
        return sample_sum(units), units if per_unit else None
    if sums is not None and edited.shape == (sums.shape[1], *(1,) * (message.ndim - 2)):
        return sample_sum(sums * edited.reshape(-1)), None
    one = (1,) * (message.ndim - 1 - edited.ndim)  # units along which the bias is one number: their messages first
    return sample_sum(unbroadcast(message, (message.shape[0], *one, *edited.shape)) * edited), None
