"""PyTorch's modules with weights: dense, convolution, batch normalisation, PReLU, look-up."""

from __future__ import annotations

import numpy as np

from ...errors import ParameterError
from ...layers import Affine, Conv, ConvTranspose, Dense, Embedding, LeakyReLU
from .entry import Entry
from .modules import Made, module


@module("Linear", tensors="weight bias", bias=True, in_features=None, out_features=None)
def _linear(entry: Entry) -> Made:
    weight = entry.tensor("weight", None, None)
    entry.agrees("in_features", weight.shape[1])
    entry.agrees("out_features", weight.shape[0])
    return Dense(np.ascontiguousarray(weight.T), entry.bias(weight.shape[0]))


@module(
    "Conv1d", "Conv2d", "Conv3d", tensors="weight bias", stride=1, padding=0, dilation=1, groups=1, bias=True,
    padding_mode="zeros", in_channels=None, out_channels=None, kernel_size=None,
)  # fmt: skip
def _conv(entry: Entry) -> Made:
    weight = entry.tensor("weight", *(None,) * (entry.axes + 2))
    groups, dilation, stride = entry.integer("groups", 1), entry.sizes("dilation"), entry.sizes("stride")
    entry.agrees("out_channels", weight.shape[0])
    entry.agrees("in_channels", weight.shape[1] * groups)
    entry.agrees("kernel_size", *weight.shape[2:])
    entry.only("padding_mode", "zeros")
    if entry["padding"] in ("same", "valid"):
        if entry["padding"] == "same" and set(stride) != {1}:
            raise ParameterError(
                "padding 'same' is for stride 1; write TensorFlow's as [before, after] for each axis, such as [0, 1]"
            )
        padded = entry["padding"] == "same"
        reach = [padded * d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding = tuple((n // 2, n - n // 2) for n in reach)
    else:
        padding = entry.padding()
    return Conv(weight, entry.bias(weight.shape[0]), stride, padding, dilation, groups)


@module(
    "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", tensors="weight bias", stride=1, padding=0,
    output_padding=0, groups=1, bias=True, dilation=1, padding_mode="zeros", in_channels=None, out_channels=None,
    kernel_size=None,
)  # fmt: skip
def _conv_transpose(entry: Entry) -> Made:
    weight = entry.tensor("weight", *(None,) * (entry.axes + 2))
    groups = entry.integer("groups", 1)
    entry.agrees("in_channels", weight.shape[0])
    entry.agrees("out_channels", weight.shape[1] * groups)
    entry.agrees("kernel_size", *weight.shape[2:])
    entry.only("padding_mode", "zeros")
    return ConvTranspose(
        weight,
        entry.bias(weight.shape[1] * groups),
        entry.sizes("stride"),
        entry.padding(),
        entry.sizes("output_padding", least=0),
        entry.sizes("dilation"),
        groups,
    )


@module(
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", tensors="weight bias running_mean running_var",
    unused="num_batches_tracked", eps=1e-5, affine=True, momentum=0.1, track_running_stats=True, num_features=None,
)  # fmt: skip
def _batch_norm(entry: Entry) -> Made:
    entry.only("track_running_stats", True)
    mean = entry.tensor("running_mean", None)
    size = mean.shape[0]
    variance = entry.tensor("running_var", size)
    if entry["num_features"] not in (None, size):
        raise ParameterError(f"num_features is {entry.integer('num_features')}, and {size} in running_mean")
    gamma, beta = np.ones_like(mean), np.zeros_like(mean)
    if entry.flag("affine"):
        gamma, beta = entry.tensor("weight", size), entry.tensor("bias", size)
    if not (variance + entry.number("eps") > 0).all():
        raise ParameterError("running_var + eps is not above 0 everywhere")
    return Affine.batch_norm(gamma, beta, mean, variance, epsilon=entry.number("eps"))


@module("PReLU", tensors="weight", num_parameters=None, init=0.25)
def _prelu(entry: Entry) -> Made:
    weight = entry.tensor("weight", None)
    return LeakyReLU(weight.item() if weight.size == 1 else weight)


@module(
    "Embedding", tensors="weight", padding_idx=None, max_norm=None, num_embeddings=None, embedding_dim=None,
    norm_type=2.0, scale_grad_by_freq=False, sparse=False,
)  # fmt: skip
def _embedding(entry: Entry) -> Made:
    entry.only("max_norm", None)
    table = entry.tensor("weight", None, None)
    entry.agrees("num_embeddings", table.shape[0])
    entry.agrees("embedding_dim", table.shape[1])
    return Embedding(table)
