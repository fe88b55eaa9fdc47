"""Which entries of autoLRP's configuration stand for which rule of lrp_ref's."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, Pass, Product, Taylor, ZBox, ZPlus
from ..named_rules import named, strength
from ..task import NoRule

Entries = dict[str, Any]


def entries(layer: Any, rule: Any) -> tuple[Entries, float]:
    """Return the entries of a layer under a rule, and the ε of its configuration.

    Raises:
        NoRule: there is none of that name for the layer.
    """
    import autolrp

    match layer, named(layer, rule):
        case ((Route() | of.MaxPool() | of.Constant()), None) | ((of.Elementwise() | of.Softmax()), Pass()):
            return {}, autolrp.LRPConfig().eps
        case of.Affine(), Pass() if _per_channel(layer):  # what torch calls a batch normalisation
            return {}, autolrp.LRPConfig().eps
        case of.Affine(), (Epsilon() | LRP0()) as known if not _per_channel(layer):  # a product and a sum
            return {}, strength(known)
        case of.Softmax(log=False), Taylor():
            return autolrp.ATTNLRP, 0.0
        case of.Bilinear(), Product() as known:
            return _product(layer, known), strength(known)
        case of.Normalize(centre=True, groups=1), (Epsilon() | LRP0()) as known:
            return autolrp.on(autolrp.LAYERNORM_NODES, "detach_std"), strength(known)
        case of.Normalize(centre=False), LRP0() as known:  # the product of x and what is held constant
            return {"MulBackward": ("proportional", {"attribute": "lhs"})}, strength(known)
        case ((of.Dense() | of.Conv() | of.ConvTranspose()), known) if found := _weighted(known):
            return autolrp.on(autolrp.PRODUCT_NODES, found), strength(known)
        case of.Unweighted(), (Epsilon() | LRP0()) as known:  # sums, means and average pools have one way each
            return {}, strength(known)
        case ((of.AveragePool() | of.GlobalAveragePool()), Flat() as known):
            return {}, strength(known)
    raise NoRule(f"autoLRP has no {type(rule).__name__} for a {type(layer).__name__}")


def _per_channel(layer: of.Affine) -> bool:
    return all(p is None or p.ndim == 1 for p in (layer.scale, layer.shift))


def _product(layer: of.Bilinear, rule: Product) -> Entries:
    gate = layer.gate if rule.gate is None else rule.gate
    key, name, shared = (
        ("bilinear", "epsilon", "half") if isinstance(layer, of.MatMul) else ("MulBackward", "proportional", "abs")
    )
    if rule.product == shared:
        return {}
    if rule.product != "signal" or gate is None:
        raise NoRule(f"autoLRP has no {rule.product} for a {type(layer).__name__}" + " without a gate" * (gate is None))
    return {key: (name, {"attribute": ("rhs", "lhs")[gate]})}


def _weighted(rule: Any) -> Any:
    match rule:
        case Epsilon() | LRP0():
            return "epsilon"
        case ZPlus():
            return "zplus"
        case AlphaBeta(alpha=alpha, beta=beta):
            return "alpha_beta", {"alpha": float(alpha), "beta": float(beta)}
        case Gamma(gamma=gamma):  # the plain rule has the name of its first author
            return "gamma_montavon", {"gamma": float(gamma)}
        case GeneralizedGamma(gamma=gamma):
            return "gamma", {"gamma": float(gamma)}
        case ZBox(low=int() | float() as low, high=int() | float() as high):
            return "zbox", {"low": float(low), "high": float(high)}
    return None
