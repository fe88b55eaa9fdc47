"""PyTorch's modules that normalise a sample by its own mean and deviation, or by its neighbouring channels."""

from __future__ import annotations

import numpy as np

from ...errors import ModelFormatError, ParameterError
from ...layers import Affine, Layer, LocalResponseNorm, Normalize
from .entry import Entry, Floats, integer, shown_value
from .modules import REQUIRED, Made, module


@module(
    "LayerNorm", tensors="weight bias", eps=1e-5, elementwise_affine=True, bias=True, normalized_shape=None, axes=2
)  # fmt: skip
def _layer_norm(entry: Entry) -> Made:
    """Over the last axes. A scale has as many axes as a sample, which is what the option ``axes`` says."""
    weight = entry.tensor("weight") if entry.flag("elementwise_affine") else None
    shift = entry.tensor("bias", *weight.shape) if weight is not None and entry.flag("bias") else None
    return _over_last(entry, entry.number("eps"), True, weight, shift)


@module("RMSNorm", tensors="weight", eps=None, elementwise_affine=True, normalized_shape=None, axes=2)
def _rms_norm(entry: Entry) -> Made:
    weight = entry.tensor("weight") if entry.flag("elementwise_affine") else None
    # PyTorch takes the distance of 1 from the next number of the input's type, which is that of the weights.
    dtype = np.dtype(np.float32) if weight is None else weight.dtype
    epsilon = float(np.finfo(dtype).eps) if entry["eps"] is None else entry.number("eps")
    return _over_last(entry, epsilon, False, weight, None)


def _over_last(entry: Entry, epsilon: float, centre: bool, scale: Floats | None, shift: Floats | None) -> Made:
    given = entry["normalized_shape"]
    sizes = given if isinstance(given, list | tuple) else () if given is None else (given,)
    shape = tuple(integer("normalized_shape", n, 1) for n in sizes) or (() if scale is None else scale.shape)
    axes = entry.integer("axes", 1)
    if not 1 <= len(shape) <= axes <= 8:
        raise ParameterError(f"normalized_shape {shown_value(list(shape))} of samples with {axes} axes")
    if scale is not None and scale.shape != shape:
        raise ModelFormatError(f"normalized_shape is {shown_value(given)}, and {scale.shape} in its weight")
    norm = Normalize(tuple(range(-len(shape), 0)), epsilon, centre)
    parameters = (None if p is None else p.reshape((1,) * (axes - len(shape)) + shape) for p in (scale, shift))
    return _scaled(norm, *parameters)


@module(
    "GroupNorm", tensors="weight bias", num_groups=REQUIRED, num_channels=None, eps=1e-5, affine=True, axes=REQUIRED
)  # fmt: skip
def _group_norm(entry: Entry) -> Made:
    """Over the channels of a group and all space, which is behind them: a sample has ``axes`` axes."""
    axes, groups = entry.integer("axes", 1), entry.integer("num_groups", 1)
    weight = entry.tensor("weight", None) if entry.flag("affine") else None
    shift = None if weight is None else entry.tensor("bias", *weight.shape)
    if axes > 8:
        raise ParameterError(f"samples with {axes} axes")
    if weight is not None:
        entry.agrees("num_channels", weight.shape[0])
        if weight.shape[0] % groups:
            raise ParameterError(f"{groups} groups of {weight.shape[0]} channels")
    return _scaled(Normalize(tuple(range(1, axes + 1)), entry.number("eps"), groups=groups), weight, shift)


@module(
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", tensors="weight bias", num_features=None, eps=1e-5,
    affine=False, momentum=0.1, track_running_stats=False,
)  # fmt: skip
def _instance_norm(entry: Entry) -> Made:
    entry.only("track_running_stats", False)
    weight = entry.tensor("weight", None) if entry.flag("affine") else None
    shift = None if weight is None else entry.tensor("bias", *weight.shape)
    if weight is not None and entry["num_features"] not in (None, weight.shape[0]):
        raise ModelFormatError(f"num_features is {shown_value(entry['num_features'])}, and {weight.shape[0]} in weight")
    return _scaled(Normalize(tuple(range(2, 2 + entry.axes)), entry.number("eps")), weight, shift)


@module("LocalResponseNorm", main="size", size=REQUIRED, alpha=1e-4, beta=0.75, k=1.0)
def _local_response_norm(entry: Entry) -> Made:
    alpha, beta, k = (float(entry.number(key)) for key in ("alpha", "beta", "k"))
    return LocalResponseNorm(entry.integer("size", 1), alpha, beta, k, "torch")


def _scaled(norm: Normalize, scale: Floats | None, shift: Floats | None) -> list[tuple[str, Layer]] | Layer:
    """Return the norm, and what scales and shifts its output."""
    return norm if scale is None and shift is None else [("normalize", norm), ("", Affine(scale, shift))]
