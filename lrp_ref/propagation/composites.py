"""Composites: by the name of a preset, and what else a composite may be given as.

The presets are in ``presets``; where → rule, and the plan that a composite makes for a network, are in ``plan``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import rules
from ..errors import ParameterError, unknown
from ..layers import Layer, RecurrentLayer
from ..network.network import Network
from ..rules.edits import Stabiliser
from ..rules.rule import AnyRule, Rule, WithBias
from .plan import CONVOLUTIONS as CONVOLUTIONS
from .plan import WEIGHTED as WEIGHTED
from .plan import Composite as Composite
from .plan import Order as Order
from .plan import Plan as Plan
from .plan import Planned as Planned
from .plan import Where as Where
from .plan import first as first
from .plan import order as order
from .presets import DERIVATIVES as DERIVATIVES
from .presets import PRESETS as PRESETS
from .presets import ZENNIT as ZENNIT


def of_rule(rule: AnyRule) -> Composite:
    """Return the composite that uses one rule on every dense and convolution layer (ε also inside recurrent cells).

    A rule for any layer, such as Gradient(), is used at every node.
    """
    if not isinstance(rule, Rule):
        return Composite([(Layer, rule)], name=repr(rule))
    entries: list[tuple[Where, AnyRule]] = [(WEIGHTED, rule)]
    if isinstance(rule.rule if isinstance(rule, WithBias) else rule, rules.Epsilon):
        entries.append((RecurrentLayer, rule))
    return Composite(entries, name=repr(rule))


def usual(net: Network) -> str:
    """Return the preset that a network is explained with unless another composite is asked for.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Dense
        >>> usual(Network.sequential([Dense(np.eye(2))]))
        'epsilon'
    """
    return net.composite or "epsilon"


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
    attnlrp                       ε on all that is linear, norms with their deviation detached; products half, softmax
                                  Taylor (Achtibat et al. 2024)
    cp_lrp                        the same, but gates and the weights of an attention are detached (Ali et al. 2022)
    mamba_lrp, relp               the same, but gates get half; relp with ε = 0 (Rezaei Jafari et al. 2024, 2025)
    montavon_vgg16                pixels z^B, convolutions 2–7 γ = ¼, the rest ε = ¼ RMS, dense LRP-0
    lrp.sequential_preset_a, _b   iNNvestigate's names: convolutions α1β0 or α2β1, dense ε = 0.1; also with _flat.
                                  The rules are the papers'; that program's bias handling is the dialect ab-bias-both
    ============================  ===================================================================================

    Args:
        name: of the preset.
        parameters: of the preset: epsilon, gamma, low, high, stabiliser, beta; None leaves its own. low and high are
            the bounds of what z^B's convolution reads; without them the range that the network's input declares.
            bias says what becomes of the relevance of biases: "absorb", "ignore" (zennit's zero_params="bias",
            iNNvestigate's IgnoreBias), "spread" or "nonzero", see :meth:`lrp_ref.rules.rule.Rule.with_bias`.
            dialect names the program whose numbers are computed, see :mod:`lrp_ref.dialects`.

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
    """Return the parameters of a preset, ``bias`` and ``dialect`` included where its rules have denominators.

    Raises:
        ParameterError: an unknown name.

    Example:
        >>> takes("epsilon_plus"), takes("gradient")
        (['epsilon', 'stabiliser', 'bias', 'dialect'], [])
    """
    if name not in PRESETS:
        raise unknown("composite", name, PRESETS)
    return [*_accepted(PRESETS[name]), *([] if name in DERIVATIVES else ["bias", "dialect"])]


def default(name: str, parameter: str) -> Any:
    """Return what a parameter of a preset is where nobody gives it.

    Example:
        >>> default("epsilon_gamma_box", "gamma")
        0.25
    """
    import inspect

    return inspect.signature(PRESETS[name]).parameters[parameter].default


def resolve(
    composite: Any, parameters: Mapping[str, Any] | None = None, *, caller: Callable[..., Any] | None = None
) -> Composite:
    """Return the composite for a name, a rule, a list of entries, or a composite.

    Args:
        composite: a preset's name, which takes the preset's parameters; or a rule, a list of (where, rule), or a
            ``Composite``, which have theirs in their rules.
        parameters: keyword arguments, of the preset, or ``bias`` and ``dialect``, which every composite takes; None
            leaves the composite's own.
        caller: the function that was given them, for its own arguments are named where one of them is not known.

    Raises:
        ParameterError: no composite, or parameters that it does not take.

    Example:
        >>> resolve("epsilon", {"epsilon": 0.5, "bias": "ignore"}).bias
        'ignore'
    """
    given = {key: value for key, value in (parameters or {}).items() if value is not None}
    bias, dialect = given.pop("bias", None), given.pop("dialect", None)
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
                raise _refused(f"{composite!r} takes bias and dialect", key, ["bias", "dialect"], caller)
            raise ParameterError(
                f"{key}= is a parameter of presets, and the composite is {composite!r}: write it there, as in "
                f"{PLACES[key]}"
            )
    found = found if bias is None else replace(found, bias=bias)
    return found if dialect is None else found.spoken(dialect)


def _made(composite: Any) -> Composite:
    if isinstance(composite, Composite):
        return composite
    if isinstance(composite, list | tuple):
        return Composite(composite)
    if isinstance(composite, AnyRule):
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
