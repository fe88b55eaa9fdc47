"""zennit's rules by their names, its sums, and its import beside a CPU build of torch."""

from __future__ import annotations

from typing import Any

from ... import layers as of
from ...layers.base import Route
from ...rules import LRP0, AlphaBeta, Epsilon, Flat, Gamma, GeneralizedGamma, Pass, WSquare, ZBox, ZPlus
from ...rules.rule import WithBias
from ..named_rules import named, strength
from ..task import NoRule
from ..torch_calls import tensor

_KEPT: list[Any] = []  # a library of operators is there as long as its object


def import_zennit() -> Any:
    """Return zennit, also where a torchvision of another build than torch's would end the import.

    torchvision describes operators whose compiled code it could not load; zennit uses none of them, so that declaring
    them is all that is needed.

    Raises:
        ImportError: zennit is not installed.
    """
    import torch

    try:
        import zennit.rules
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import zennit.rules
    import zennit.layer

    return zennit


def stacked_sum(zennit: Any) -> Any:
    """Return a sum of operands as zennit's canonizers write it: they are stacked, and its ``Sum`` has the rule."""
    import torch

    class StackedSum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum = zennit.layer.Sum()

        def forward(self, *xs: Any) -> Any:
            return self.sum(torch.stack(xs, dim=-1))

    return StackedSum()


def hook(rules: Any, layer: Any, rule: Any) -> Any:
    """Return zennit's rule of the same name with the same numbers; None where it hangs none, as on what moves values.

    Args:
        rules: zennit's module of them.
        layer, rule: of the node.

    Raises:
        NoRule: zennit has none of this name for such a layer.
    """
    asked = named(layer, rule)
    more: dict[str, Any] = {}
    if isinstance(asked, WithBias) and asked.policy == "ignore":
        asked, more = asked.rule, {"zero_params": "bias"}
    if asked is None and isinstance(layer, Route | of.MaxPool | of.Constant):
        return None
    if isinstance(asked, Pass):
        return rules.Pass()
    if isinstance(layer, of.Unweighted) and isinstance(asked, Epsilon | LRP0):
        return rules.Norm(stabilizer=strength(asked))
    if not isinstance(layer, of.Dense | of.Conv | of.ConvTranspose | of.Affine):
        raise NoRule(f"zennit has no {type(asked).__name__} for a {type(layer).__name__}")
    if isinstance(asked, Epsilon | LRP0):
        return rules.Epsilon(epsilon=strength(asked), **more)
    known = {
        ZPlus: ("ZPlus", ()), AlphaBeta: ("AlphaBeta", ("alpha", "beta")), WSquare: ("WSquare", ()), Flat: ("Flat", ()),
        Gamma: ("Gamma", ("gamma",)), GeneralizedGamma: ("Gamma", ("gamma",)), ZBox: ("ZBox", ("low", "high")),
    }  # fmt: skip
    name, fields = known.get(type(asked), ("", ()))
    if not name:
        raise NoRule(f"zennit has no {type(asked).__name__}")
    strong = strength(asked)
    more |= {"stabilizer": strong} if strong else {}  # a denominator as it is has the program's own
    return getattr(rules, name)(**{field: _number(getattr(asked, field)) for field in fields}, **more)


def _number(value: Any) -> Any:
    """Return a number, or an array of them as a tensor."""
    return tensor(value) if getattr(value, "ndim", 0) else float(value)
