"""Which rule at which node: an ordered list of (where → rule) of which the first match wins, and the plan it makes.

Nodes that nothing matches: sums and average pools get ε = 1e-6, affine layers (an unmerged BatchNorm) pass, recurrent
layers get ε = 1e-3, distances and other sums of terms LRP-0, everything else keeps its own way (activations pass,
routes route, max pools choose the winner).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar

from .. import dialects, rules
from ..base import tables
from ..base.frozen import Value
from ..errors import ParameterError, unknown
from ..layers import (
    Additive,
    Affine,
    Bilinear,
    Conv,
    ConvTranspose,
    Dense,
    Layer,
    Linear,
    Normalize,
    RecurrentLayer,
    Unweighted,
)
from ..network.network import Network, Node
from ..rules.groups import require_bias_policy
from ..rules.rule import AnyRule, Rule
from .domain import bounded

LayerTypes = type[Layer] | tuple[type[Layer], ...]


@dataclass(frozen=True)
class Order:
    """The start-th to (stop−1)-th node of some layer classes, counted from 0 in execution order."""

    layers: tuple[type[Layer], ...]
    start: int
    stop: int

    def __repr__(self) -> str:
        names = ", ".join(t.__name__ for t in self.layers)
        return f"first({names})" if (self.start, self.stop) == (0, 1) else f"order({names}, {self.start}, {self.stop})"


def first(*layers: type[Layer]) -> Order:
    """Return the place of the first node of these layer classes in execution order.

    Example:
        >>> first(Conv)
        first(Conv)
    """
    return Order(layers, 0, 1)


def order(*layers: type[Layer], start: int, stop: int) -> Order:
    """Return the place of the start-th to (stop−1)-th node of these layer classes, counted from 0."""
    return Order(layers, start, stop)


Where = LayerTypes | Order | str


@dataclass(frozen=True, eq=False)
class Planned:
    """The rule of one node and the entry that chose it.

    Attributes:
        node: its name.
        layer: its layer.
        rule: the rule; None for the layer's own way.
        why: the entry that matched, or "default".
    """

    node: str
    layer: Layer
    rule: AnyRule | None
    why: str

    @cached_property
    def label(self) -> str:
        """The rule as text, made once."""
        if self.rule is not None:
            return repr(self.rule)
        if isinstance(self.layer, Bilinear):
            return rules.Product("half" if self.layer.gate is None else "signal").formula()
        return self.layer.own_rule or "none: no relevance may arrive"


class Plan(tuple[Planned, ...]):
    """What a composite does to a network: one row per node; prints as a table.

    Attributes:
        note: where the relevance starts, if that is not the output of the network.
    """

    headers: ClassVar[tuple[str, ...]] = ("node", "layer", "rule", "because of")
    note: str

    def __new__(cls, rows: Iterable[Planned] = (), note: str = "") -> Plan:
        """Return the plan with these rows."""
        made = super().__new__(cls, rows)
        made.note = note
        return made

    def rows(self) -> list[list[str]]:
        """Return the cells of the table."""
        return [[p.node, type(p.layer).__name__, p.label, p.why] for p in self]

    def __repr__(self) -> str:
        return tables.text(self.headers, self.rows()) + (f"\n{self.note}" if self.note else "")

    def _repr_html_(self) -> str:
        return tables.html(self.headers, self.rows(), title=self.note)


@dataclass(frozen=True, eq=False, repr=False)
class Composite(Value):
    """An ordered list of (where, rule); the first entry that matches a node gives its rule.

    Args:
        entries: where is a layer class (or a tuple of classes), ``first(class)``, a node's name, or a glob over node
            names. With a rule for linear layers a glob means the linear layers among them.
        name: how it is called in results.
        base: entries for nodes that ``entries`` does not match.
        bias: what becomes of the relevance of biases in all these rules: "absorb" leaves each rule as it is, "ignore",
            "spread" and "nonzero" are those of :meth:`lrp_ref.rules.rule.Rule.with_bias`, at every node with a bias.
        dialect: the program whose numbers are computed, a ``Dialect`` or its name; None for the published rules.

    Raises:
        ParameterError: an entry that is no (where, rule) pair, another policy, or a policy where every node gets a
            rule without denominators (a derivative).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.eye(2)), ReLU(), Dense(np.eye(2))])
        >>> Composite([(first(Dense), rules.Flat()), (Dense, rules.Epsilon(0.1))]).plan(net)
        node    layer  rule                                because of
        ───────────────────────────────────────────────────────────────
        dense1  Dense  Flat(stabiliser=exact)              first(Dense)
        relu1   ReLU   R_i = R_j                           default
        dense2  Dense  Epsilon(epsilon=0.1, bias_share=0)  Dense
    """

    entries: Any
    name: str = "custom"
    base: Any = field(default=())
    bias: str = "absorb"
    dialect: Any = None

    def __post_init__(self) -> None:
        if self.dialect is not None:  # its name is in results too
            object.__setattr__(self, "dialect", dialects.dialect(self.dialect))
            if not self.name.endswith(f" as {self.dialect.name}"):
                object.__setattr__(self, "name", f"{self.name} as {self.dialect.name}")
        for key in ("entries", "base"):
            entries = tuple(tuple(e) if isinstance(e, list | tuple) else (e,) for e in getattr(self, key))
            object.__setattr__(self, key, entries)
            for entry in entries:
                if len(entry) != 2 or not _is_where(entry[0]) or isinstance(entry[1], type):
                    raise ParameterError(
                        f"composite entry {entry!r}: expected (where, rule) with where a layer class, first(class) or "
                        "a name pattern, and a rule with its parameters, such as Epsilon(1e-6)"
                    )

        self._check_policy()

    def spoken(self, dialect: Any) -> Composite:
        """Return the composite as another program computes it, which its name says.

        Args:
            dialect: a ``Dialect``, or its name.

        Raises:
            ParameterError: a name that is not known.

        Example:
            >>> Composite([(Dense, rules.ZPlus())], name="plus").spoken("zennit-1.0").name
            'plus as zennit-1.0'
        """
        chosen = dialects.dialect(dialect)
        name = self.name if self.dialect is None else self.name.removesuffix(f" as {self.dialect.name}")
        return replace(self, dialect=chosen, name=f"{name} as {chosen.name}")

    def _check_policy(self) -> None:
        """Raise for a policy that is none, or that no rule could follow."""
        object.__setattr__(self, "bias", require_bias_policy(self.bias))
        if self.bias == "absorb":
            return
        given = [(where, rule) for where, rule in (*self.entries, *self.base) if rule is not None]
        everywhere = any(where is Layer or (isinstance(where, tuple) and Layer in where) for where, _ in given)
        if everywhere and not any(isinstance(rule, Rule | rules.Recurrent) for _, rule in given):
            names = ", ".join(dict.fromkeys(type(rule).__name__ for _, rule in given))
            raise ParameterError(
                f"composite '{self.name}': bias='{self.bias}' says nothing here, for {names} has no denominator in "
                "which a bias could stand; leave bias out"
            )

    def check_names(self, net: Network, whole: Network | None = None) -> None:
        """Raise if an entry is for a name (without wildcards) that no node of ``net`` has.

        Args:
            net: the network as it is explained.
            whole: the network that it was made of, whose further nodes are called merged or left out.

        Raises:
            ParameterError: with the name and the nearest one there is.
        """
        for where, _ in self.entries:
            exact = isinstance(where, str) and not any(sign in where for sign in "*?[")
            if not exact or any(n.name == where for n in net.nodes):
                continue
            if whole is not None and any(n.name == where for n in whole.nodes):
                raise ParameterError(
                    f"composite '{self.name}' has a rule for node '{where}', which is merged into another or left out "
                    "when the network is canonized: leave the rule out, or give canonize=False "
                    "(lrp-ref explain --no-canonize)"
                )
            raise unknown(f"node in composite '{self.name}':", str(where), [n.name for n in net.nodes])

    def plan(self, net: Network, *, check_names: bool = True) -> Plan:
        """Return the rule of every node of ``net``.

        Args:
            net: the network as it is explained, that is, canonized.
            check_names: whether every name in the entries has to be there.

        Raises:
            ParameterError: dense or convolution nodes without a rule, or an entry for a name that matches nothing.
        """
        rows, missing = [], []
        entries = (*self.entries, *self.base, *DEFAULTS)
        if check_names:
            self.check_names(net)
        for node in net.nodes:
            for k, (where, rule) in enumerate(entries):
                if _matches(where, rule, node, net):
                    given = k < len(self.entries) + len(self.base)
                    why = (_label(where) if given else "default") + _gate(node, rule)
                    rows.append(Planned(node.name, node.layer, self._for(node, rule, net, asked=given), why))
                    break
            else:
                if isinstance(node.layer, WEIGHTED):
                    missing.append(f"{node.name} ({type(node.layer).__name__})")
                own = self._for(node, None, net, asked=False)
                rows.append(Planned(node.name, node.layer, own, "default" + _gate(node, None)))
        if missing:
            raise ParameterError(f"composite '{self.name}' has no rule for {', '.join(missing)}: add an entry for them")
        return Plan(rows)

    def _for(self, node: Node, rule: AnyRule | None, net: Network, *, asked: bool) -> AnyRule | None:
        """Return the rule of an entry as it holds at a node: with the bounds of z^B, in the dialect, by the policy."""
        if isinstance(rule, rules.ZBox) and (rule.low is None or rule.high is None):
            rule = bounded(rule, node, net, self.name)
        elif self.bias != "absorb" and self._has_bias(node) and isinstance(rule, rules.Recurrent):
            rule = rule.with_bias(self.bias)
        rule = rule if self.dialect is None else self.dialect.rule(node.layer, rule, asked=asked)
        if self.bias != "absorb" and self._has_bias(node) and isinstance(rule, Rule):
            return rule.with_bias(self.bias)
        return rule

    @staticmethod
    def _has_bias(node: Node) -> bool:
        linear = isinstance(node.layer, Linear | RecurrentLayer | Additive)
        return linear and not isinstance(node.layer, Unweighted)


WEIGHTED = (Dense, Conv, ConvTranspose)
CONVOLUTIONS = (Conv, ConvTranspose)
DEFAULTS: tuple[tuple[Where, AnyRule], ...] = (
    (Unweighted, rules.Epsilon(1e-6)),
    (Normalize, rules.Epsilon(1e-6)),
    (Additive, rules.LRP0()),
    (Affine, rules.Pass()),
    (RecurrentLayer, rules.Recurrent(rules.Epsilon(1e-3), rules.Epsilon(1e-3))),
)


def _gate(node: Node, rule: AnyRule | None) -> str:
    """Return which operand is the gate of a product whose rule looks at it, as text; "" for anything else."""
    if not isinstance(node.layer, Bilinear) or not (rule is None or getattr(rule, "product", "") == "signal"):
        return ""
    own = getattr(rule, "gate", None)
    gate = node.layer.gate if own is None else own
    if gate is None:
        return ""
    return f"; the gate is '{node.inputs[gate]}'" + (", which is no signal" if node.layer.held and own is None else "")


def _is_where(where: Any) -> bool:
    if isinstance(where, tuple):
        return all(isinstance(w, type) and issubclass(w, Layer) for w in where)
    return isinstance(where, str | Order) or (isinstance(where, type) and issubclass(where, Layer))


def _matches(where: Where, rule: AnyRule | None, node: Node, net: Network) -> bool:
    if isinstance(where, str):
        # A pattern such as "block3.*" also names activations; a rule for linear layers is not meant for those.
        pattern = any(sign in where for sign in "*?[")
        suits = not (pattern and isinstance(rule, Rule)) or isinstance(node.layer, Linear | Additive)
        suits = suits and not (pattern and _is_held(node, rule))
        return suits and (fnmatchcase(node.name, where) if pattern else node.name == where)
    if isinstance(where, Order):
        same = [n.name for n in net.nodes if isinstance(n.layer, where.layers)]
        return node.name in same[where.start : where.stop]
    return isinstance(node.layer, where) and not _is_held(node, rule)


def _is_held(node: Node, rule: AnyRule | None) -> bool:
    """Return whether a rule for products in general is not for this one: a factor of it is no signal."""
    return isinstance(rule, rules.Product) and isinstance(node.layer, Bilinear) and node.layer.held


def _label(where: Where) -> str:
    if isinstance(where, tuple):
        return ", ".join(w.__name__ for w in where)
    return where.__name__ if isinstance(where, type) else str(where)
