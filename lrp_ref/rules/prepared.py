"""A rule made ready for one layer, once for all samples: what of it is empty is left out, edited layers are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..base.arrays import Array, namespace
from ..fast import buffers
from .edits import KEEP, NEG, POS, ZERO, Const, Edit
from .groups import Group, Run
from .rule import LinearMap, Rule

Edits = tuple[Edit, Edit]  # of weights and of the bias
Pass = tuple[Run, LinearMap, tuple[Array, ...]]  # a run with the layer and the inputs that it edits


@dataclass(frozen=True)
class Facts:
    """What holds at a node by the network's graph, whatever the numbers are.

    Attributes:
        nonnegative: all inputs are ≥ 0 (they come out of a ReLU), so that runs over a⁻ are empty.
        active: the relevance of an output is 0 wherever the output is ≤ 0 (a ReLU above took it), so that groups for
            z_j < 0 are empty.
    """

    nonnegative: bool = False
    active: bool = False


NO_FACTS = Facts()


@dataclass(frozen=True, eq=False)
class PreparedRule:
    """A rule of groups made ready for one linear layer.

    Attributes:
        layer: the layer as it is.
        rule: the rule.
        facts: what holds at the layer's node.
        edited: layers with edited weights and bias, as far as they are made already; others are made at each call.
        constants: the signed sum z (1, ...) of the runs over constants, for groups that have such, by group.
    """

    layer: LinearMap
    rule: Rule
    facts: Facts = NO_FACTS
    edited: Mapping[Edits, LinearMap] = field(default_factory=dict)
    constants: Mapping[Group, Array] = field(default_factory=dict)

    def groups(self) -> list[Group]:
        """Return the rule's groups without those for z_j < 0 where no such unit has relevance."""
        return [g for g in self.rule.groups if not (self.facts.active and g.gate == "negative")]

    def runs(self, group: Group) -> tuple[Run, ...]:
        """Return a group's runs without those over a⁻ of non-negative inputs, unless they have a bias (one stays)."""
        empty = [self.facts.nonnegative and r.inputs == NEG and r.bias == ZERO for r in group.runs]
        return tuple(r for r, none in zip(group.runs, empty, strict=True) if not none) or group.runs

    def edits(self) -> list[Edits]:
        """Return the edits of weights and bias that the rule makes."""
        found = [(run.weights, run.bias) for group in self.groups() for run in self.runs(group)]
        return [edits for edits in dict.fromkeys(found) if edits != (KEEP, KEEP)]

    def with_edited(self, some: Sequence[Edits]) -> PreparedRule:
        """Return the rule with the layers of these edits made."""
        return replace(self, edited={edits: self.layer.edited(*edits) for edits in some})

    def with_constants(self, xs: tuple[Array, ...]) -> PreparedRule:
        """Return the rule with what runs over constants add to the denominators of one sample ``xs`` (1, ...).

        It is the same for every sample.
        """
        found = {}
        for group in self.groups():
            passes = [p for p in self.passes(group, xs) if isinstance(p[0].inputs, Const)]
            if passes:
                found[group] = _sum(passes, None, None)
        return replace(self, constants=found)

    def without_arrays(self) -> PreparedRule:
        """Return the rule as it is before anything is made."""
        return PreparedRule(self.layer, self.rule, self.facts)

    def passes(self, group: Group, xs: tuple[Array, ...]) -> list[Pass]:
        """Return the passes of a group over the inputs ``xs``."""
        passes: list[Pass] = []
        for run in self.runs(group):
            edits = (run.weights, run.bias)
            layer = self.layer if edits == (KEEP, KEEP) else self.edited.get(edits) or self.layer.edited(*edits)
            same = self.facts.nonnegative and run.inputs == POS
            passes.append((run, layer, xs if same else tuple(run.inputs(x) for x in xs)))
        return passes

    def denominators(self, group: Group, passes: list[Pass], z: Array | None) -> Array:
        """Return the signed sum of a group's passes per unit; ``z`` is the layer's output, where it is known."""
        return _sum(passes, z, self.constants.get(group) if self.constants else None)


def _sum(passes: list[Pass], z: Array | None, constant: Array | None) -> Array:
    """Return the signed sum of the passes, of which those over constants may be known."""
    total = constant
    for run, layer, inputs in passes:
        if constant is not None and isinstance(run.inputs, Const):
            continue
        unedited = (run.inputs, run.weights, run.bias) == (KEEP, KEEP, KEEP)
        part = run.signed(z if unedited and z is not None else layer.forward(*inputs))
        total = part if total is None else buffers.computed(namespace(part).add, total, part)
    return total
