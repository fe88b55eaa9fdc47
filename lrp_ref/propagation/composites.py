"""Composites: the presets under the names they are known by, and what a composite may be given as.

Where → rule, and the plan that a composite makes for a network, are in ``plan``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import rules
from ..errors import ParameterError, unknown
from ..layers import LSTM, Clip, Conv, Dense, Layer, ReLU, Unweighted
from ..rules.edits import Stabiliser, add
from ..rules.rule import Rule, WithBias
from .plan import CONVOLUTIONS as CONVOLUTIONS
from .plan import WEIGHTED as WEIGHTED
from .plan import Composite as Composite
from .plan import Order as Order
from .plan import Plan as Plan
from .plan import Planned as Planned
from .plan import Where as Where
from .plan import first as first
from .plan import order as order

# Presets ---------------------------------------------------------------------------------------------------------

ZENNIT = add(1e-6)  # every denominator of zennit's presets is stabilised with this


def of_rule(rule: Any) -> Composite:
    """Return the composite that uses one rule on every dense and convolution layer (ε also inside LSTMs).

    A rule for any layer, such as Gradient(), is used at every node.
    """
    if not isinstance(rule, Rule):
        return Composite([(Layer, rule)], name=repr(rule))
    entries: list[tuple[Where, Any]] = [(WEIGHTED, rule)]
    if isinstance(rule.rule if isinstance(rule, WithBias) else rule, rules.Epsilon):
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

DERIVATIVES = ("gradient", "deconvnet", "guided_backprop", "beta_smooth")


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
    epsilon_gamma_box             first convolution z^B, convolutions generalised γ = ¼, dense ε
    excitation_backprop           z⁺ everywhere
    deconvnet, guided_backprop,   derivatives with their own ReLU
    beta_smooth, gradient
    montavon_vgg16                pixels z^B, convolutions 2–7 γ = ¼, the rest ε = ¼ RMS, dense LRP-0
    lrp.sequential_preset_a, _b   iNNvestigate's names: convolutions α1β0 or α2β1, dense ε = 0.1; also with _flat.
                                  The rules are the papers'; that program's bias handling is the dialect ab-bias-both
    ============================  ===================================================================================

    Args:
        name: of the preset.
        parameters: of the preset: epsilon, gamma, low, high, stabiliser, beta; None leaves its own. low and high are
            the bounds of what z^B's convolution reads; without them the range that the network's input declares.
            bias says what becomes of the relevance of biases: "absorb", "ignore" (zennit's zero_params="bias",
            iNNvestigate's IgnoreBias) or "spread", see :meth:`lrp_ref.rules.rule.Rule.with_bias`.

    Raises:
        ParameterError: an unknown name (the nearest known one is suggested) or parameter, or a bias policy for
            derivatives, which have no denominator that it could change.

    Example:
        >>> get("epsilon_plus").name
        'epsilon_plus'
        >>> get("lrp0", bias="ignore").bias
        'ignore'
    """
    return resolve(name, parameters)


def _accepted(build: Callable[..., Composite]) -> list[str]:
    import inspect

    return list(inspect.signature(build).parameters)


def takes(name: str) -> list[str]:
    """Return the parameters of a preset, ``bias`` included where its rules have denominators.

    Raises:
        ParameterError: an unknown name.

    Example:
        >>> takes("epsilon_plus"), takes("gradient")
        (['epsilon', 'stabiliser', 'bias'], [])
    """
    if name not in PRESETS:
        raise unknown("composite", name, PRESETS)
    return [*_accepted(PRESETS[name]), *([] if name in DERIVATIVES else ["bias"])]


def resolve(
    composite: Any, parameters: Mapping[str, Any] | None = None, *, caller: Callable[..., Any] | None = None
) -> Composite:
    """Return the composite for a name, a rule, a list of entries, or a composite.

    Args:
        composite: a preset's name, which takes the preset's parameters; or a rule, a list of (where, rule), or a
            ``Composite``, which have theirs in their rules.
        parameters: keyword arguments, of the preset, or ``bias``, which every composite takes; None leaves the
            composite's own.
        caller: the function that was given them, for its own arguments are named where one of them is not known.

    Raises:
        ParameterError: no composite, or parameters that it does not take.

    Example:
        >>> resolve("epsilon", {"epsilon": 0.5, "bias": "ignore"}).bias
        'ignore'
    """
    given = {key: value for key, value in (parameters or {}).items() if value is not None}
    bias = given.pop("bias", None)
    if isinstance(composite, str):
        accepted = takes(composite)
        said = f"composite '{composite}' takes {', '.join(accepted) or 'no parameters'}"
        for key in given:
            if key not in accepted:
                raise _refused(said, key, accepted, caller)
        stabiliser = given.get("stabiliser", ZENNIT)
        if not isinstance(stabiliser, Stabiliser):
            raise ParameterError(f"stabiliser={stabiliser!r}: give one of lrp.edits, such as lrp.edits.add(1e-6)")
        found = PRESETS[composite](**given)
    else:
        found = _made(composite)
        for key in given:
            if key not in PLACES:
                raise _refused(f"{composite!r} takes bias", key, ["bias"], caller)
            raise ParameterError(
                f"{key}= is a parameter of presets, and the composite is {composite!r}: write it there, as in "
                f"{PLACES[key]}"
            )
    return found if bias is None else replace(found, bias=bias)


def _made(composite: Any) -> Composite:
    if isinstance(composite, Composite):
        return composite
    if isinstance(composite, list | tuple):
        return Composite(composite)
    if hasattr(composite, "formula") and not isinstance(composite, type):
        return of_rule(composite)
    raise ParameterError(f"{composite!r} is no composite: give a name, a rule, or a list of (where, rule)")


def instead(composite: str, bias: str, dtype: str) -> str:
    """Return what to take instead of a composite under which relevance grew beyond all floats of a dtype.

    Example:
        >>> instead("epsilon", "ignore", "float64")
        "take bias='absorb' (--bias absorb) or composite='excitation_backprop' (-c excitation_backprop)"
    """
    ways = [] if bias == "absorb" else ["bias='absorb' (--bias absorb)"]
    if composite != "excitation_backprop":
        # The z⁺-rule's denominators are sums of what they divide: no share is larger than what is shared.
        ways.append("composite='excitation_backprop' (-c excitation_backprop)")
    if bias == "absorb" and dtype != "float64":
        ways.append("float64 inputs (--float64)")
    return "take " + (" or ".join(ways) or "a network or inputs of a smaller range")


PLACES = {  # where a preset's parameter goes in a composite that is no preset
    "epsilon": "lrp.rules.Epsilon(epsilon=...)",
    "gamma": "lrp.rules.GeneralizedGamma(gamma=...)",
    "low": "lrp.rules.ZBox(low=..., high=...)",
    "high": "lrp.rules.ZBox(low=..., high=...)",
    "beta": "lrp.rules.BetaSmooth(beta=...)",
    "stabiliser": "lrp.rules.ZPlus(stabiliser=lrp.edits.add(...))",
}


def _refused(takes: str, key: str, accepted: list[str], caller: Callable[..., Any] | None) -> ParameterError:
    """Return the error for a keyword that neither the composite nor the function that was called takes."""
    import difflib
    import inspect

    own: list[str] = []
    if caller is not None:
        kinds = inspect.signature(caller).parameters.values()
        own = [p.name for p in kinds if p.kind is inspect.Parameter.KEYWORD_ONLY]
    near = difflib.get_close_matches(key, [*accepted, *own], n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    also = "" if caller is None else f"; {caller.__name__} itself takes {', '.join(own)}"
    return ParameterError(f"{takes}; not '{key}'{hint}{also}")
