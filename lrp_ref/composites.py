"""Composites: which rule at which node, an ordered list of (where → rule) of which the first match wins.

Nodes that nothing matches: sums and average pools get ε = 1e-6, affine layers (an unmerged BatchNorm) pass, an LSTM
gets ε = 1e-3, and everything else keeps its own way (activations pass, routes route, max pools choose the winner).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from . import rules, tables
from .edits import Stabiliser, add
from .errors import ParameterError, unknown
from .layers import LSTM, Affine, Clip, Conv, ConvTranspose, Dense, Layer, Linear, Multiply, ReLU, Unweighted
from .network import Network, Node
from .rule import Rule
from .values import Value

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
        layer: its layer's repr.
        rule: the rule; None for the layer's own way.
        why: the entry that matched, or "default".
    """

    node: str
    layer: Layer
    rule: Any
    why: str

    @property
    def label(self) -> str:
        """The rule as text."""
        if self.rule is not None:
            return repr(self.rule)
        if isinstance(self.layer, Multiply):
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

    Raises:
        ParameterError: an entry that is no (where, rule) pair.

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

    def __post_init__(self) -> None:
        for key in ("entries", "base"):
            entries = tuple(tuple(e) if isinstance(e, list | tuple) else (e,) for e in getattr(self, key))
            object.__setattr__(self, key, entries)
            for entry in entries:
                if len(entry) != 2 or not _is_where(entry[0]) or isinstance(entry[1], type):
                    raise ParameterError(
                        f"composite entry {entry!r}: expected (where, rule) with where a layer class, first(class) or "
                        "a name pattern, and a rule with its parameters, such as Epsilon(1e-6)"
                    )

    def check_names(self, net: Network) -> None:
        """Raise if an entry is for a name (without wildcards) that no node of ``net`` has.

        Raises:
            ParameterError: with the name and the nearest one there is.
        """
        for where, _ in self.entries:
            exact = isinstance(where, str) and not any(sign in where for sign in "*?[")
            if exact and all(n.name != where for n in net.nodes):
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
                    why = "default" if k >= len(self.entries) + len(self.base) else _label(where)
                    rows.append(Planned(node.name, node.layer, rule, why))
                    break
            else:
                if isinstance(node.layer, WEIGHTED):
                    missing.append(f"{node.name} ({type(node.layer).__name__})")
                rows.append(Planned(node.name, node.layer, None, _default(node)))
        if missing:
            raise ParameterError(f"composite '{self.name}' has no rule for {', '.join(missing)}: add an entry for them")
        return Plan(rows)


WEIGHTED = (Dense, Conv, ConvTranspose)
CONVOLUTIONS = (Conv, ConvTranspose)
DEFAULTS: tuple[tuple[Where, Any], ...] = (
    (Unweighted, rules.Epsilon(1e-6)),
    (Affine, rules.Pass()),
    (LSTM, rules.Recurrent(rules.Epsilon(1e-3), rules.Epsilon(1e-3))),
)


def _default(node: Node) -> str:
    """Return why a node keeps its own way; a product also says which operand is its gate."""
    gate = node.layer.gate if isinstance(node.layer, Multiply) else None
    return "default" if gate is None else f"default; the gate is '{node.inputs[gate]}'"


def _is_where(where: Any) -> bool:
    if isinstance(where, tuple):
        return all(isinstance(w, type) and issubclass(w, Layer) for w in where)
    return isinstance(where, str | Order) or (isinstance(where, type) and issubclass(where, Layer))


def _matches(where: Where, rule: Any, node: Node, net: Network) -> bool:
    if isinstance(where, str):
        # A pattern such as "block3.*" also names activations; a rule for linear layers is not meant for those.
        pattern = any(sign in where for sign in "*?[")
        suits = not (pattern and isinstance(rule, Rule)) or isinstance(node.layer, Linear)
        return suits and (fnmatchcase(node.name, where) if pattern else node.name == where)
    if isinstance(where, Order):
        same = [n.name for n in net.nodes if isinstance(n.layer, where.layers)]
        return node.name in same[where.start : where.stop]
    return isinstance(node.layer, where)


def _label(where: Where) -> str:
    if isinstance(where, tuple):
        return ", ".join(w.__name__ for w in where)
    return where.__name__ if isinstance(where, type) else str(where)


# Presets ---------------------------------------------------------------------------------------------------------

ZENNIT = add(1e-6)  # every denominator of zennit's presets is stabilised with this


def of_rule(rule: Any) -> Composite:
    """Return the composite that uses one rule on every dense and convolution layer (ε also inside LSTMs).

    A rule for any layer, such as Gradient(), is used at every node.
    """
    if not isinstance(rule, Rule):
        return Composite([(Layer, rule)], name=repr(rule))
    entries: list[tuple[Where, Any]] = [(WEIGHTED, rule)]
    if isinstance(rule, rules.Epsilon):
        entries.append((LSTM, rule))
    return Composite(entries, name=repr(rule))


def _lrp0() -> Composite:
    return Composite([(WEIGHTED, rules.LRP0())], name="lrp0")


def _epsilon(epsilon: float = 1e-6) -> Composite:
    return Composite([((*WEIGHTED, LSTM), rules.Epsilon(epsilon))], name="epsilon")


def _convolutions(name: str, rule: Rule, flat: bool, epsilon: float, stabiliser: Stabiliser) -> Composite:
    entries: list[tuple[Where, Any]] = [(CONVOLUTIONS, rule), (Dense, rules.Epsilon(epsilon))]
    if flat:
        entries.insert(0, (first(*WEIGHTED), rules.Flat(stabiliser)))
    return Composite(entries, name=name)


def _epsilon_plus(epsilon: float = 1e-6, stabiliser: Stabiliser = ZENNIT) -> Composite:
    return _convolutions("epsilon_plus", rules.ZPlus(stabiliser), False, epsilon, stabiliser)


def _epsilon_plus_flat(epsilon: float = 1e-6, stabiliser: Stabiliser = ZENNIT) -> Composite:
    return _convolutions("epsilon_plus_flat", rules.ZPlus(stabiliser), True, epsilon, stabiliser)


def _alpha2_beta1(epsilon: float = 1e-6, stabiliser: Stabiliser = ZENNIT) -> Composite:
    rule = rules.AlphaBeta(2, 1, stabiliser)
    return _convolutions("epsilon_alpha2_beta1", rule, False, epsilon, stabiliser)


def _alpha2_beta1_flat(epsilon: float = 1e-6, stabiliser: Stabiliser = ZENNIT) -> Composite:
    rule = rules.AlphaBeta(2, 1, stabiliser)
    return _convolutions("epsilon_alpha2_beta1_flat", rule, True, epsilon, stabiliser)


def _gamma_box(
    low: Any = None, high: Any = None, epsilon: float = 1e-6, gamma: float = 0.25, stabiliser: Stabiliser = ZENNIT
) -> Composite:
    if low is None or high is None:
        raise ParameterError("composite 'epsilon_gamma_box' needs low= and high=, the bounds of the network's input")
    entries = [
        (first(*CONVOLUTIONS), rules.ZBox(low, high, stabiliser)),
        (CONVOLUTIONS, rules.GeneralizedGamma(gamma, stabiliser)),
        (Dense, rules.Epsilon(epsilon)),
    ]
    return Composite(entries, name="epsilon_gamma_box")


def _montavon_vgg16(low: Any = None, high: Any = None) -> Composite:
    if low is None or high is None:
        raise ParameterError("composite 'montavon_vgg16' needs low= and high=, the bounds of the network's input")
    entries = [
        (first(Conv), rules.ZBox(low, high)),
        (order(Conv, start=1, stop=7), rules.Gamma(0.25)),
        (Conv, rules.LRP0(Stabiliser("relative", 0.25))),
        (Dense, rules.LRP0()),
    ]
    return Composite(entries, name="montavon_vgg16")


def _excitation_backprop(epsilon: float = 1e-6, stabiliser: Stabiliser = ZENNIT) -> Composite:
    entries = [(WEIGHTED, rules.ZPlus(stabiliser)), (Unweighted, rules.Epsilon(epsilon))]
    return Composite(entries, name="excitation_backprop")


def _backward(name: str, relu: Any) -> Composite:
    special = [((ReLU, Clip), relu)] if relu else []
    return Composite([*special, (Layer, rules.Gradient())], name=name)


def _preset_a(epsilon: float = 0.1, flat: bool = False) -> Composite:
    return _convolutions("lrp.sequential_preset_a" + "_flat" * flat, rules.AlphaBeta(1, 0), flat, epsilon, Stabiliser())


def _preset_b(epsilon: float = 0.1, flat: bool = False) -> Composite:
    return _convolutions("lrp.sequential_preset_b" + "_flat" * flat, rules.AlphaBeta(2, 1), flat, epsilon, Stabiliser())


PRESETS: dict[str, Callable[..., Composite]] = {
    "lrp0": _lrp0,
    "epsilon": _epsilon,
    "epsilon_plus": _epsilon_plus,
    "epsilon_plus_flat": _epsilon_plus_flat,
    "epsilon_alpha2_beta1": _alpha2_beta1,
    "epsilon_alpha2_beta1_flat": _alpha2_beta1_flat,
    "epsilon_gamma_box": _gamma_box,
    "montavon_vgg16": _montavon_vgg16,
    "excitation_backprop": _excitation_backprop,
    "gradient": lambda: _backward("gradient", None),
    "deconvnet": lambda: _backward("deconvnet", rules.Deconv()),
    "guided_backprop": lambda: _backward("guided_backprop", rules.Guided()),
    "beta_smooth": lambda beta=10.0: _backward("beta_smooth", rules.BetaSmooth(beta)),
    "lrp.sequential_preset_a": _preset_a,
    "lrp.sequential_preset_b": _preset_b,
    "lrp.sequential_preset_a_flat": lambda epsilon=0.1: _preset_a(epsilon, flat=True),
    "lrp.sequential_preset_b_flat": lambda epsilon=0.1: _preset_b(epsilon, flat=True),
}


def names() -> list[str]:
    """Return the names of all presets."""
    return list(PRESETS)


def get(name: str, **parameters: Any) -> Composite:
    """Return a preset by the name it is known under.

    ============================  ===================================================================================
    lrp0, epsilon                 one rule everywhere
    epsilon_plus                  convolutions z⁺, dense ε = 1e-6 (zennit's names, from here on)
    epsilon_plus_flat             the same, first convolution or dense layer flat
    epsilon_alpha2_beta1[_flat]   convolutions α2β1, dense ε
    epsilon_gamma_box             first convolution z^B, convolutions generalised γ = ¼, dense ε; needs low and high
    excitation_backprop           z⁺ everywhere
    deconvnet, guided_backprop,   derivatives with their own ReLU
    beta_smooth, gradient
    montavon_vgg16                pixels z^B, convolutions 2–7 γ = ¼, the rest ε = ¼ RMS, dense LRP-0
    lrp.sequential_preset_a, _b   iNNvestigate's names: convolutions α1β0 or α2β1, dense ε = 0.1; also with _flat.
                                  The rules are the papers'; that program's bias handling is the dialect ab-bias-both
    ============================  ===================================================================================

    Args:
        name: of the preset.
        parameters: of the preset: epsilon, gamma, low, high (bounds in the network's input space), stabiliser, beta.

    Raises:
        ParameterError: an unknown name (the nearest known one is suggested) or parameter.

    Example:
        >>> get("epsilon_plus").name
        'epsilon_plus'
    """
    if name not in PRESETS:
        raise unknown("composite", name, PRESETS)
    build = PRESETS[name]
    accepted = _accepted(build)
    for key in parameters:
        if key not in accepted:
            raise ParameterError(f"composite '{name}' takes {', '.join(accepted) or 'no parameters'}; not '{key}'")
    return build(**parameters)


def _accepted(build: Callable[..., Composite]) -> Iterable[str]:
    import inspect

    return list(inspect.signature(build).parameters)


def resolve(composite: Any) -> Composite:
    """Return the composite for a name, a rule, a list of entries, or a composite.

    Raises:
        ParameterError: none of these.
    """
    if isinstance(composite, Composite):
        return composite
    if isinstance(composite, str):
        return get(composite)
    if isinstance(composite, list | tuple):
        return Composite(composite)
    if hasattr(composite, "formula") and not isinstance(composite, type):
        return of_rule(composite)
    raise ParameterError(f"{composite!r} is no composite: give a name, a rule, or a list of (where, rule)")
