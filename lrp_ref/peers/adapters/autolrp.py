"""autoLRP: rules by the names of torch's autograd nodes, here with a configuration for each node of the network.

The nodes of torch's graph that a module makes are marked with its name, and the program's own installers are asked with
that module's configuration, so that rules and ε can differ from node to node.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, Pass, Product, Taylor, ZBox, ZPlus
from ..gradient_walk import record_gradients
from ..named_rules import named, strength
from ..task import NoRule, Recording, Task
from ..torch_graph import to_torch

MARK = "lrp_ref"


def record(task: Task, folder: Path | None = None) -> Recording:
    """Mark the nodes of torch's graph and let autoLRP walk back; see ``Adapter.record``."""
    import autolrp

    model, configs, left_out = to_torch(task.network), {}, {}
    for node in task.network.nodes:
        getattr(model, model.child[node.name]).register_forward_hook(_marker(node.name))
        try:
            rules, epsilon = _entries(node.layer, task.rules.get(node.name))
            configs[node.name] = autolrp.LRPConfig(rule={**autolrp.BASE, **rules}, eps=epsilon)
        except NoRule as error:
            left_out[node.name] = str(error)

    def here(install: Callable[..., Any]) -> Callable[..., Any]:
        return lambda node, config: install(node, configs.get(node.metadata.get(MARK), config))

    def walk(out: Any, start: Any, inputs: list[Any]) -> None:
        out.register_hook(lambda ones: start)
        autolrp.graph_lrp(out, strategy={name: here(f) if f else None for name, f in autolrp.INSTALLERS.items()})

    trace = record_gradients(task, model, left_out, autolrp.tensor, walk)
    return Recording(trace, "autoLRP", autolrp.__version__, left_out)


def _marker(name: str) -> Callable[..., None]:
    def mark(module: Any, xs: Any, out: Any) -> None:
        todo = [out.grad_fn]
        while todo:
            node = todo.pop()
            if node is not None and MARK not in node.metadata:  # what is further down was marked before
                node.metadata[MARK] = name
                todo += [below for below, _ in node.next_functions]

    return mark


def _entries(layer: Any, rule: Any) -> tuple[dict[str, Any], float]:
    """Return the entries of the configuration for a layer under a rule, and its ε."""
    import autolrp

    gate = getattr(rule, "gate", None) if getattr(rule, "gate", None) is not None else getattr(layer, "gate", None)
    side = {"attribute": ("rhs", "lhs", "both")[2 if gate is None else gate]}
    match layer, named(layer, rule):
        case (of.Dense() | of.Conv() | of.ConvTranspose()), known if entry := _product(known):
            return autolrp.on(autolrp.PRODUCT_NODES, entry), strength(known)
        case ((Route() | of.MaxPool() | of.Constant()), None) | ((of.Elementwise() | of.Softmax()), Pass()):
            return {}, autolrp.LRPConfig().eps
        case of.Affine(scale=scale, shift=shift), Pass() if all(p is None or p.ndim == 1 for p in (scale, shift)):
            return {}, autolrp.LRPConfig().eps  # what torch calls a batch normalisation
        case of.Affine(scale=scale, shift=shift), (Epsilon() | LRP0()) as known if (scale if shift is None else shift).ndim > 1:
            return {}, strength(known)
        case of.Softmax(log=False), Taylor():
            return autolrp.ATTNLRP, 0.0
        case of.MatMul(), Product(product="half" | "signal") as known if (known.product == "half") or gate is not None:
            return {} if known.product == "half" else {"bilinear": ("epsilon", side)}, strength(known)
        case of.Multiply(), Product(product="abs" | "signal") as known if known.product == "abs" or gate is not None:
            return {} if known.product == "abs" else {"MulBackward": ("proportional", side)}, strength(known)
        case of.Normalize(centre=True, groups=1), (Epsilon() | LRP0()) as known:
            return autolrp.on(autolrp.LAYERNORM_NODES, "detach_std"), strength(known)
        case (of.Unweighted(), (Epsilon() | LRP0()) as known) | ((of.AveragePool() | of.GlobalAveragePool()), Flat() as known):
            return {}, strength(known)
    raise NoRule(f"autoLRP has no {type(rule).__name__} for a {type(layer).__name__}")


def _product(rule: Any) -> Any:
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
        case ZBox(low=float() | int() as low, high=float() | int() as high):
            return "zbox", {"low": float(low), "high": float(high)}
    return None
