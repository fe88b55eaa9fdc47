"""Scalers with a reference, squared distances, differences of outputs and soft minima."""

from __future__ import annotations

import numpy as np

from ....layers import Centred, PairDifference, SoftMin, SquaredDistance
from ..values import Refusal
from .part import Part, writes
from .pooling import EDITED
from .reductions import reduction
from .routes import reshape


@writes(Centred)
def _centred(part: Part) -> None:
    x, reference = part.reads[0], part.fitted(part.layer.reference, "reference")
    if part.layer.scale is None:
        part.end("Sub", x, reference)
        return
    apart = part.add("Sub", x, reference, tag="centred")
    part.end("Mul", apart, part.fitted(part.layer.scale, "scale"))


@writes(SquaredDistance)
def _squared_distance(part: Part) -> None:
    """Σ_i of s (x − μ_k)_i·P_ki (x − μ_k)_i, on samples (K, D)."""
    layer: SquaredDistance = part.layer
    if layer.precision is not None and layer.precision.ndim == 3:
        raise Refusal("its precisions are matrices, one for each centre; diagonals are written")
    rows = part.add("Unsqueeze", part.reads[0], part.integers([1], "axis"), tag="rows")
    apart = part.add("Sub", rows, part.weight(layer.centers, "centers"), tag="apart")
    weighted = apart
    if layer.precision is not None:
        weighted = part.add("Mul", apart, part.weight(layer.precision, "precision"), tag="weighted")
    terms = part.add("Mul", apart, weighted, tag="terms")
    if layer.factor != 1:
        terms = part.add("Mul", terms, part.number(layer.factor, "factor"), tag="scaled")
    axes = part.integers([2], "axes")
    if layer.offset is None:
        part.end("ReduceSum", terms, axes, keepdims=0)
        return
    total = part.add("ReduceSum", terms, axes, tag="sum", keepdims=0)
    part.end("Add", total, part.weight(layer.offset, "offset"))


@writes(PairDifference)
def _pair_difference(part: Part) -> None:
    if (part.layer.plus, part.layer.minus) != (1, -1):
        raise Refusal(EDITED)
    many = part.size(1)
    pairs = np.array([(c, k) for c in range(many) for k in range(many) if k != c])
    one, other = (
        part.add("Gather", part.reads[0], part.integers(pairs[:, j], f"{tag}_places"), tag=tag, axis=1)
        for j, tag in enumerate(("one", "other"))
    )
    apart = part.add("Sub", one, other, tag="differences")
    reshape(part, apart, part.out[0][1:])


@writes(SoftMin)
def _soft_min(part: Part) -> None:
    """ReduceMin, or −1/γ·ReduceLogSumExp of −γ h; the shares of relevance are none of ONNX's."""
    layer: SoftMin = part.layer
    inputs, attributes = reduction(part, [part.rank - 1])
    keep = int(part.rank == 2)
    if layer.least:
        part.end("ReduceMin", part.reads[0], *inputs, keepdims=keep, **attributes)
        return
    turned = part.add("Mul", part.reads[0], part.number(-layer.gamma, "gamma"), tag="turned")
    log = part.add("ReduceLogSumExp", turned, *inputs, tag="log", keepdims=keep, **attributes)
    part.end("Mul", log, part.number(-1 / layer.gamma, "inverse"))
