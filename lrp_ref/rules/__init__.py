"""Every published rule, as data; ``rule.formula()`` prints the formula from the groups that are executed.

``linear`` has the rules for dense, convolution and all other linear layers, which :func:`lrp_ref.rules.share.share`
executes; ``universal`` those for any layer; ``cells`` those of products and recurrent cells, ``local_response`` those
of local response normalisation, ``scan`` those of selective scans; ``teaching`` examples of what a decomposition may
look like. ``rescale`` has the rule that compares with a reference: an explanation has none, so that it is not among
``RULES``, which are asked for by name.
"""

from .cells import Product, Recurrent
from .linear import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, Reference, WSquare, ZBox, ZPlus
from .local_response import ResponseNorm
from .rescale import Rescale
from .rule import AnyRule, Rule, Universal
from .scan import Selection
from .teaching import AllToOne, Natural, Uniform
from .universal import BetaSmooth, Deconv, Gradient, Guided, Pass, Taylor, Zero

RULES: dict[str, type[AnyRule]] = {
    rule.__name__: rule
    for rule in (
        AllToOne, AlphaBeta, BetaSmooth, Deconv, Epsilon, Flat, Gamma, GeneralizedGamma, Gradient, Guided, LRP0,
        Natural, Pass, Product, Recurrent, Reference, ResponseNorm, Selection, Taylor, Uniform,
        WSquare, ZBox, ZPlus, Zero,
    )
}  # fmt: skip

__all__ = [
    "LRP0",
    "RULES",
    "AllToOne",
    "AlphaBeta",
    "AnyRule",
    "BetaSmooth",
    "Deconv",
    "Epsilon",
    "Flat",
    "Gamma",
    "GeneralizedGamma",
    "Gradient",
    "Guided",
    "Natural",
    "Pass",
    "Product",
    "Recurrent",
    "Reference",
    "Rescale",
    "ResponseNorm",
    "Rule",
    "Selection",
    "Taylor",
    "Uniform",
    "Universal",
    "WSquare",
    "ZBox",
    "ZPlus",
    "Zero",
]  # fmt: skip
