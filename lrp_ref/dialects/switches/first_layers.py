"""Rules of first layers: w², flat, z^B."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...layers import Conv
from ...rules import linear
from ...rules.edits import KEEP, SQUARE
from ...rules.groups import Group
from ..foreign import PositionsAlone, grouped
from .switch import switch, with_biases


@switch("wsquare-bias", "w² with b² in the denominator; Montavon et al. 2017 have no bias", "zennit")
def _wsquare_bias(layer: Any, rule: Any) -> Any:
    return with_biases(rule, "wsquare-bias", SQUARE) if isinstance(rule, linear.WSquare) else None


@switch("flat-border", "flat divided by the kernel's positions alone, whatever the channels", "the toolbox for Caffe")
def _flat_border(layer: Any, rule: Any) -> Any:
    return PositionsAlone() if isinstance(rule, linear.Flat) and isinstance(layer, Conv) else None


@switch("zbox-bounds-swapped", "z^B with l and h exchanged")
def _zbox_swapped(layer: Any, rule: Any) -> Any:
    if not isinstance(rule, linear.ZBox):
        return None

    def swapped(group: Group) -> Group:
        plain, low, high = group.runs
        return replace(group, runs=(plain, replace(low, inputs=high.inputs), replace(high, inputs=low.inputs)))

    return grouped(rule, "zbox-bounds-swapped", swapped)


@switch("zbox-bias", "z^B with the bias in the denominator; Montavon et al. 2017 have none, it cancels")
def _zbox_bias(layer: Any, rule: Any) -> Any:
    return with_biases(rule, "zbox-bias", KEEP) if isinstance(rule, linear.ZBox) else None
