"""Rules that other programs compute and no paper states: frozen values like every rule, for reproducing them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum, unwarned
from ..errors import ParameterError
from ..fast.quotient import divide
from ..layers import Add, AveragePool, Conv, Linear, MaxPool, SumPool
from ..layers.base import pull_broadcast
from ..layers.conv import per_axis
from ..rules.edits import EXACT, KEEP, ONES, POS, ZERO, Edit, Stabiliser
from ..rules.groups import Group
from ..rules.linear import AlphaBeta, Epsilon, Flat
from ..rules.rule import AnyLayer, Redistribution, Rule, Universal
from ..rules.share import share
from ..rules.universal import by_definition


@dataclass(frozen=True, eq=False, repr=False)
class Switched(Rule):
    """A rule for linear layers as another program computes it.

    Args:
        own_groups: what is computed.
        asked: the rule as it was asked for.
        switches: ids of what differs.
    """

    asked: Any = None
    switches: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.asked!r} as {', '.join(self.switches)}"


@dataclass(frozen=True, repr=False)
class SquaredBoost(Edit):
    """Favour positive weights by their square: w + γ (w⁺)².

    Example:
        >>> import numpy as np
        >>> SquaredBoost.of(0.25)(np.array([2.0, -1.0]))
        array([ 3., -1.])
    """

    gamma: Any = 0

    @staticmethod
    def of(gamma: Any) -> SquaredBoost:
        """Return the edit for a γ."""
        return SquaredBoost("squared boost", f"({{0}} + {gamma}·({{0}}⁺)²)", gamma)

    def __call__(self, x: Array) -> Array:
        return x + scalar(self.gamma, x) * POS(x) * POS(x)

    def number(self, value: Any) -> Any:
        """Return the edit of one Python number."""
        return value + self.gamma * POS.number(value) ** 2

    def symbol(self, name: str) -> str:
        """Return the formula of the edited symbol."""
        return self.pattern.format(name)


@dataclass(frozen=True, eq=False, repr=False)
class Unguarded(Universal):
    """A rule whose quotients nothing guards: 0/0 is NaN, R/0 is infinite, and so are sums that hold them.

    Args:
        rule: for linear layers.
    """

    rule: Rule

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, Linear)
        (relevance,) = relevances
        received = [x * 0 for x in xs]
        with unwarned():
            for group in self.rule.groups:
                passes = [(r, layer.edited(r.weights, r.bias), tuple(map(r.inputs, xs))) for r in group.runs]
                total = sum((r.signed(edited.forward(*inputs)) for r, edited, inputs in passes), start=relevance * 0)
                message = group.covered(relevance, layer.forward(*xs)) / group.stabiliser(total)
                for r, edited, inputs in passes:
                    pulled = edited.pull(xs, message)
                    received = [a + r.signed(x * g) for a, x, g in zip(received, inputs, pulled, strict=True)]
            return by_definition(tuple(received), relevances)

    def formula(self) -> str:
        return f"{self.rule.formula()}, 0/0 = NaN"


@dataclass(frozen=True, eq=False, repr=False)
class BiasByMagnitude(Universal):
    """The bias takes \\|b_j\\|/(\\|z_j\\| + \\|b_j\\| + ε) of R_j, z_j without it; a rule shares the rest without bias.

    Of a layer that has no bias, not even one of 0, the rule shares all.

    Args:
        rule: for linear layers.
        epsilon: ε beside the magnitudes.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense
        >>> from lrp_ref.rules import LRP0
        >>> layer = Dense(np.array([[1.0], [-0.5]]), np.array([-1.0]))
        >>> layer.relevance_backward(np.array([[1.0, 1.0]]), np.array([[1.0]]), BiasByMagnitude(LRP0())).round(3)
        array([[ 0.667, -0.333]])
    """

    rule: Rule
    epsilon: Any = 0

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, Linear)
        (relevance,), xp = relevances, namespace(*relevances)
        linear = layer.edited(KEEP, ZERO)
        z = linear.forward(*xs)
        b = layer.bias_map(z)
        part = relevance
        if b is not None:
            size = xp.abs(z)
            part = divide(size * relevance, size + xp.abs(b) + scalar(self.epsilon, z), xp)[0]
        shared = share(linear, xs, part, self.rule)
        return replace(shared, bias=shared.bias + sample_sum(relevance - part))

    def formula(self) -> str:
        more = f" + {self.epsilon}" if self.epsilon else ""
        return f"{self.rule.formula()}, R_j times |z_j|/(|z_j| + |b_j|{more}), z_j without b_j"


@dataclass(frozen=True, eq=False, repr=False)
class ByMagnitude(Universal):
    """Terms share by magnitude: R_i = Σ_j \\|a_i w_ij\\| / (Σ_i \\|a_i w_ij\\| + ε) · R_j, for sums and means.

    Args:
        epsilon: ε.
    """

    epsilon: Any = 0

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, Linear)
        (relevance,), xp = relevances, namespace(*relevances)
        magnitudes = layer.edited(_MAGNITUDE, ZERO)
        sizes = tuple(xp.abs(x) for x in xs)
        total = magnitudes.forward(*sizes)
        message = divide(relevance, total + scalar(self.epsilon, total), xp)[0]
        received = tuple(x * g for x, g in zip(sizes, magnitudes.pull(xs, message), strict=True))
        return by_definition(received, relevances)

    def formula(self) -> str:
        more = f" + {self.epsilon}" if self.epsilon else ""
        return f"R_i = Σ_j |a_i·w_ij| / (Σ_i |a_i·w_ij|{more})·R_j"


@dataclass(frozen=True, repr=False)
class _Magnitude(Edit):
    def __call__(self, x: Array) -> Array:
        return namespace(x).abs(x)

    def number(self, value: Any) -> Any:
        return abs(value)


_MAGNITUDE = _Magnitude("magnitude", "|{}|")


@dataclass(frozen=True, eq=False, repr=False)
class TwoByTwo(Universal):
    """A sum of operands by magnitude, two at a time, from the last one back.

    Formula: R_k = \\|x_k\\| / (\\|Σ_{l<k} x_l\\| + \\|x_k\\| + ε) · (R − what later operands took).

    Args:
        epsilon: ε.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Add
        >>> one, three = np.array([[1.0]]), np.array([[-3.0]])
        >>> Add().relevance_backward((one, three), np.array([[8.0]]), TwoByTwo())
        (array([[2.]]), array([[6.]]))
    """

    epsilon: Any = 0

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, Add)
        (left,), xp = relevances, namespace(*relevances)
        coefficients = layer.coefficients or (1,) * len(xs)
        terms = [x if c == 1 else scalar(c, x) * x for c, x in zip(coefficients, xs, strict=True)]
        parts: list[Array] = []
        for k in range(len(terms) - 1, 0, -1):
            rest, size = xp.abs(sum(terms[1:k], start=terms[0])), xp.abs(terms[k])
            whole = rest + size + scalar(self.epsilon, left)
            parts.append(divide(size * left, whole, xp)[0])
            left = divide(rest * left, whole, xp)[0]
        return by_definition(pull_broadcast(xs, [left, *reversed(parts)]), relevances)

    def formula(self) -> str:
        more = f" + {self.epsilon}" if self.epsilon else ""
        return f"R_k = |x_k| / (|Σ_(l<k) x_l| + |x_k|{more})·(R − what later operands took)"


@dataclass(frozen=True, eq=False, repr=False)
class NotDivided(Universal):
    """R_i = Σ_j a_i w_ij R_j: gradient times input, with nothing divided. Or R_i = Σ_j w_ij R_j/z_j, without a_i.

    Args:
        factor: whether a_i stands before the sum.
        stabiliser: of the denominators; None where nothing is divided.
    """

    factor: bool = True
    stabiliser: Any = None

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        (relevance,), xp = relevances, namespace(*relevances)
        if self.stabiliser is not None:
            relevance = divide(relevance, self.stabiliser(layer.forward(*xs)), xp)[0]
        pulled = layer.pull(xs, relevance)
        return by_definition(tuple(x * g if self.factor else g for x, g in zip(xs, pulled, strict=True)), relevances)

    def formula(self) -> str:
        divided = "" if self.stabiliser is None else f" / ({self.stabiliser.formula('z_j')})"
        return f"R_i = Σ_j {'a_i·' if self.factor else ''}w_ij{divided}·R_j"


@dataclass(frozen=True, eq=False, repr=False)
class PositionsAlone(Universal):
    """Flat on a convolution divided by the kernel's positions alone: R_i = Σ_j R_j/(kh·kw), whatever the channels."""

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, Conv)
        positions = math.prod(layer.weight.shape[2:])
        pulled = layer.edited(ONES, ZERO).pull(xs, relevances[0] / scalar(positions, relevances[0]))
        return by_definition(pulled, relevances)

    def formula(self) -> str:
        return "R_i = Σ_j 1/(kernel positions)·R_j"


@dataclass(frozen=True, eq=False, repr=False)
class TwiceR(Universal):
    """αβ whose negative part is multiplied by R_j twice: −β z_ij⁻/Σ z_ij⁻ · R_j².

    Args:
        rule: the αβ-rule.
    """

    rule: AlphaBeta

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        (r,) = relevances
        parts = [
            share(layer, xs, s, Rule((group,)))  # type: ignore[arg-type]
            for group, s in zip(self.rule.groups, (r, r * r), strict=False)
        ]
        received = tuple(sum(p.relevances[k] for p in parts) for k in range(len(xs)))
        return by_definition(received, relevances)

    def formula(self) -> str:
        return f"{self.rule.formula()}, R_j twice in the negative part"


@dataclass(frozen=True, eq=False, repr=False)
class OfTheSum(Universal):
    """An average pool whose ε belongs to the sum over the window: that of the mean is ε / (size of the window).

    Args:
        rule: the ε-rule.
    """

    rule: Epsilon

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, AveragePool)
        size = math.prod(per_axis(layer.kernel, xs[0].ndim - 2, "kernel"))
        return layer.redistribute(xs, relevances, replace(self.rule, epsilon=self.rule.epsilon / size))

    def formula(self) -> str:
        return f"{self.rule.formula()}, z_j the sum over the window"


# Max pools ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class WinnerTimes(Universal):
    """Max pool as the ε-rule of its derivative: R_i = a_i Σ_p [i wins p] R_p/(z_p + ε sgn z_p); 0 where z_p = 0.

    Args:
        stabiliser: of the maxima.
    """

    stabiliser: Stabiliser = EXACT

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        (x,), (relevance,) = xs, relevances
        message = divide(relevance, self.stabiliser(layer.forward(x)), namespace(relevance))[0]
        (pulled,) = layer.pull(xs, message)
        return by_definition((x * pulled,), relevances)

    def formula(self) -> str:
        return f"R_i = a_i Σ_p [i wins p] R_p/({self.stabiliser.formula('z_p')})"


@dataclass(frozen=True, eq=False, repr=False)
class WholeWindow(Universal):
    """Max pool by the flat rule: R_i = Σ_p [i in window p] R_p/(size of the window)."""

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, MaxPool)
        if layer.dilation not in (1, (1,) * (xs[0].ndim - 2)):
            raise ParameterError("maxpool-flat: no sum over the windows of a max pool with dilation")
        windows = SumPool(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
        return windows.redistribute(xs[0], relevances[0], Flat())

    def formula(self) -> str:
        return "R_i = Σ_p [i in window p] R_p/N_p"


@dataclass(frozen=True, eq=False, repr=False)
class Ties(Universal):
    """Max pool whose equal winners are treated otherwise.

    Args:
        ties: "first" or "share".
    """

    ties: str

    def run(self, layer: AnyLayer, xs: tuple[Any, ...], relevances: tuple[Any, ...]) -> Redistribution:
        assert isinstance(layer, MaxPool)
        return replace(layer, ties=self.ties).redistribute(xs[0], relevances[0])

    def formula(self) -> str:
        return "R_i = Σ_p [i first of p] R_p" if self.ties == "first" else "R_i = Σ_p [i wins p] R_p/(winners of p)"


def grouped(asked: Rule, switch: str, change: Callable[[Group], Group | list[Group]]) -> Switched:
    """Return a rule with its groups changed, under the name of the switch that did it; "" for none."""
    changed: list[Group] = []
    for group in asked.groups:
        found = change(group)
        changed += found if isinstance(found, list) else [found]
    before = asked if not isinstance(asked, Switched) else asked.asked
    ids = (*(asked.switches if isinstance(asked, Switched) else ()), *([switch] if switch else []))
    return Switched(tuple(changed), before, ids)
