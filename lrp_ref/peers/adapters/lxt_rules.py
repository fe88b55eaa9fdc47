"""Which rule of LXT's stands for which of lrp_ref's."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, Epsilon, Pass, Product, Taylor, Zero
from ..named_rules import named, strength
from ..task import NoRule
from ..torch_calls import call


def wrapped(layer: Any, rule: Any, module: Any, operands: int) -> Any:
    """Return the module of a layer under a rule of LXT's.

    Raises:
        NoRule: it has none of that name for the layer.
    """
    from lxt.explicit import functional, rules

    match layer, named(layer, rule):
        case ((Route() | of.MaxPool() | of.Constant()), None):
            return module
        case ((of.Elementwise() | of.Softmax()), Pass()):
            return rules.IdentityRule(module)
        case of.Softmax(log=False), Taylor():
            return call(lambda x: functional.softmax(x, layer.axis), "softmax")
        case of.Softmax(), Zero():
            return rules.StopRelevanceRule(module)
        case of.Bilinear(), Product(product="half" | "signal") as known:
            return _product(layer, known)
        case of.Normalize(centre=True, axes=(-1,), groups=1), (Epsilon() | LRP0()) as known:
            norm, epsilon = functional.layer_norm_grad_fn, strength(known)
            return call(lambda x: norm.apply(x, None, None, layer.epsilon, epsilon), "layer norm")
        case of.Normalize(centre=False), LRP0() as known if not strength(known):
            return rules.IdentityRule(module)
        case of.Add(coefficients=()), (Epsilon() | LRP0()) as known if operands == 2:
            epsilon = strength(known)
            return call(lambda a, b: functional.add2(a, b, False, epsilon), "add2")
        case of.Linear(), (Epsilon() | LRP0()) as known if operands == 1:
            return rules.EpsilonRule(module, strength(known))
    raise NoRule(f"LXT has no {type(rule).__name__} for a {type(layer).__name__}")


def _product(layer: of.Bilinear, rule: Product) -> Any:
    import torch
    from lxt.explicit import functional, rules

    epsilon, gate = strength(rule), layer.gate if rule.gate is None else rule.gate
    matrices = isinstance(layer, of.MatMul)
    if rule.product == "half":
        return call((lambda a, b: functional.matmul(a, b, False, epsilon)) if matrices else functional.mul2, "half")
    if gate is None:
        raise NoRule("a product without a gate has no signal")

    def run(*xs: Any) -> Any:  # a gate that takes no gradient is a constant
        held = [x.detach() if k == gate else x for k, x in enumerate(xs)]
        return rules.epsilon_lrp(torch.matmul, epsilon, *held) if matrices else functional.mul2(*held)

    return call(run, "signal")
