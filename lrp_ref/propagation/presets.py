"""Presets: the composites that are known by a name, each a function of its parameters.

To add one, write its builder and enter it in ``PRESETS``; ``composites.get`` says in its table what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import rules
from ..layers import (
    Affine,
    Bilinear,
    Clip,
    Conv,
    Dense,
    Layer,
    Multiply,
    Normalize,
    RecurrentLayer,
    ReLU,
    SelectiveScan,
    Softmax,
    Unweighted,
)
from ..rules import primitives
from ..rules.edits import Stabiliser, add
from ..rules.rule import AnyRule, Rule
from .plan import CONVOLUTIONS, WEIGHTED, Composite, Where, first, order

ZENNIT = add(1e-6)  # every denominator of zennit's presets is stabilised with this


def _lrp0() -> Composite:
    return Composite([(WEIGHTED, rules.LRP0())], name="lrp0")


def _epsilon(epsilon: float = 1e-6) -> Composite:
    return Composite([((*WEIGHTED, RecurrentLayer), rules.Epsilon(epsilon))], name="epsilon")


def _convolutions(name: str, rule: Rule, flat: bool, epsilon: float, stabiliser: Stabiliser) -> Composite:
    entries: list[tuple[Where, AnyRule]] = [(CONVOLUTIONS, rule), (Dense, rules.Epsilon(epsilon))]
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
    entries = [
        (first(*CONVOLUTIONS), rules.ZBox(low, high, stabiliser)),
        (CONVOLUTIONS, rules.GeneralizedGamma(gamma, stabiliser)),
        (Dense, rules.Epsilon(epsilon)),
    ]
    return Composite(entries, name="epsilon_gamma_box")


def _montavon_vgg16(low: Any = None, high: Any = None) -> Composite:
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


# The family of the primitives (``rules.primitives``). All of them run ε on what is linear, with a norm's deviation
# detached, and the identity on activations, which is those layers' own way; they differ in products and the softmax.
# A product that no entry names keeps its own way: detach where it has a gate, as under the weights of an attention.


def _family(name: str, epsilon: float, *entries: tuple[Where, AnyRule], cells: str, selection: str) -> Composite:
    """Return a composite of the family.

    Args:
        name, epsilon: of the composite.
        entries: for products and the softmax.
        cells: the rule of the products of gate and signal inside recurrent layers.
        selection: that of the products inside a selective scan.
    """
    rule = rules.Epsilon(epsilon)
    linear: list[tuple[Where, AnyRule]] = [(kind, rule) for kind in (WEIGHTED, Unweighted, Normalize, Affine)]
    inside: list[tuple[Where, AnyRule]] = [
        (RecurrentLayer, rules.Recurrent(rule, rule, cells)),
        (SelectiveScan, rules.Selection(selection, epsilon)),
    ]
    return Composite([*linear, *inside, *entries], name=name)


def _attnlrp(epsilon: float = 1e-6) -> Composite:
    half = replace(primitives.HALF, stabiliser=add(epsilon))
    entries: tuple[tuple[Where, AnyRule], ...] = ((Bilinear, half), (Softmax, primitives.TAYLOR))
    return _family("attnlrp", epsilon, *entries, cells="half", selection="half")


def _cp_lrp(epsilon: float = 1e-6) -> Composite:
    return _family("cp_lrp", epsilon, (Softmax, primitives.CONSTANT), cells="signal", selection="signal")


def _elementwise_half(name: str, epsilon: float) -> Composite:
    entries: tuple[tuple[Where, AnyRule], ...] = ((Multiply, primitives.HALF), (Softmax, primitives.CONSTANT))
    return _family(name, epsilon, *entries, cells="half", selection="signal")


def _mamba_lrp(epsilon: float = 1e-6) -> Composite:
    return _elementwise_half("mamba_lrp", epsilon)


def _relp(epsilon: float = 0.0) -> Composite:
    return _elementwise_half("relp", epsilon)


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
    "attnlrp": _attnlrp,
    "cp_lrp": _cp_lrp,
    "mamba_lrp": _mamba_lrp,
    "relp": _relp,
    "gradient": lambda: _backward("gradient", None),
    "deconvnet": lambda: _backward("deconvnet", rules.Deconv()),
    "guided_backprop": lambda: _backward("guided_backprop", rules.Guided()),
    "beta_smooth": lambda beta=10.0: _backward("beta_smooth", rules.BetaSmooth(beta)),
    "lrp.sequential_preset_a": _preset_a,
    "lrp.sequential_preset_b": _preset_b,
    "lrp.sequential_preset_a_flat": lambda epsilon=0.1: _preset_a(epsilon, flat=True),
    "lrp.sequential_preset_b_flat": lambda epsilon=0.1: _preset_b(epsilon, flat=True),
}

DERIVATIVES = ("gradient", "deconvnet", "guided_backprop", "beta_smooth")  # they have no denominators
