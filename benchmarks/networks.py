"""The measured networks as data: one description, from which every side builds the same network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Parameters = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Op:
    """One node: conv, batchnorm, relu, maxpool, averagepool, average (global), flatten, dense, add or concat."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    ins: int = 0
    outs: int = 0
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order; the input is called "input" and has ``shape`` (channels, height, width)."""

    name: str
    shape: tuple[int, int, int]
    ops: tuple[Op, ...]

    def readers(self, name: str) -> list[Op]:
        return [op for op in self.ops if name in op.inputs]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every value, without the batch axis."""
        found: dict[str, tuple[int, ...]] = {"input": self.shape}
        for op in self.ops:
            shape = found[op.inputs[0]]
            if op.kind in ("conv", "maxpool", "averagepool"):
                side = [(s + 2 * op.padding - op.kernel) // op.stride + 1 for s in shape[1:]]
                shape = (op.outs or shape[0], *side)
            elif op.kind == "dense":
                shape = (op.outs,)
            elif op.kind == "concat":
                shape = (sum(found[name][0] for name in op.inputs), *shape[1:])
            elif op.kind == "average":
                shape = (shape[0], 1, 1)
            elif op.kind == "flatten":
                shape = (int(np.prod(shape)),)
            found[op.name] = shape
        return found


@dataclass
class _Builder:
    ops: list[Op] = field(default_factory=list)
    last: str = "input"

    def add(self, kind: str, *inputs: str, **sizes: Any) -> str:
        name = f"{kind}{1 + sum(op.kind == kind for op in self.ops)}"
        self.ops.append(Op(name, kind, inputs or (self.last,), **sizes))
        self.last = name
        return name

    def conv(self, ins: int, outs: int, kernel: int, *inputs: str, stride: int = 1, bias: bool = True) -> str:
        sizes = {"ins": ins, "outs": outs, "kernel": kernel, "stride": stride, "padding": kernel // 2, "bias": bias}
        return self.add("conv", *inputs, **sizes)


def vgg16(size: int = 224, width: float = 1.0) -> Graph:
    """VGG-16 (configuration D), without dropout; ``width`` scales the channels, ``size`` is a multiple of 32."""
    build, channels = _Builder(), 3
    for count, outs in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            build.conv(channels, scaled(outs, width), 3)
            build.add("relu")
            channels = scaled(outs, width)
        build.add("maxpool", kernel=2, stride=2)
    build.add("flatten")
    features, hidden = channels * (size // 32) ** 2, scaled(4096, width)
    for ins, outs in ((features, hidden), (hidden, hidden)):
        build.add("dense", ins=ins, outs=outs)
        build.add("relu")
    build.add("dense", ins=hidden, outs=scaled(1000, width))
    return Graph("vgg16", (3, size, size), tuple(build.ops))


def resnet50(size: int = 224, width: float = 1.0) -> Graph:
    """ResNet-50 (stride in the 3×3 convolutions); BatchNorm behind every convolution, additions as nodes."""
    build, stem = _Builder(), scaled(64, width)
    build.conv(3, stem, 7, stride=2, bias=False)
    build.add("batchnorm", outs=stem)
    build.add("relu")
    build.add("maxpool", kernel=3, stride=2, padding=1)
    channels = stem
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            inner = scaled(64 * 2**stage, width)
            channels = _bottleneck(build, channels, inner, stride=2 if stage and not block else 1, project=not block)
    build.add("average")
    build.add("flatten")
    build.add("dense", ins=channels, outs=scaled(1000, width))
    return Graph("resnet50", (3, size, size), tuple(build.ops))


def _bottleneck(build: _Builder, ins: int, inner: int, *, stride: int, project: bool) -> int:
    outs, shortcut = 4 * inner, build.last
    for k, (a, b, kernel) in enumerate(((ins, inner, 1), (inner, inner, 3), (inner, outs, 1))):
        build.conv(a, b, kernel, stride=stride if kernel == 3 else 1, bias=False)
        build.add("batchnorm", outs=b)
        if k < 2:
            build.add("relu")
    branch = build.last
    if project:
        build.conv(ins, outs, 1, shortcut, stride=stride, bias=False)
        shortcut = build.add("batchnorm", outs=outs)
    build.add("add", branch, shortcut)
    build.add("relu")
    return outs


def densenet121(size: int = 224, width: float = 1.0) -> Graph:
    """DenseNet-121: BatchNorm and ReLU before every convolution but the first, each block's maps side by side."""
    build, growth = _Builder(), scaled(32, width)
    channels = 2 * growth
    build.conv(3, channels, 7, stride=2, bias=False)
    _norm(build, channels)
    build.add("maxpool", kernel=3, stride=2, padding=1)
    for stage, layers in enumerate((6, 12, 24, 16)):
        if stage:  # the transition between two blocks halves maps and sides
            _norm(build, channels)
            build.conv(channels, channels // 2, 1, bias=False)
            build.add("averagepool", kernel=2, stride=2)
            channels //= 2
        maps = [build.last]
        for _ in range(layers):
            if len(maps) > 1:
                build.add("concat", *maps)
            _norm(build, channels)
            build.conv(channels, 4 * growth, 1, bias=False)
            _norm(build, 4 * growth)
            maps.append(build.conv(4 * growth, growth, 3, bias=False))
            channels += growth
        build.add("concat", *maps)
    _norm(build, channels)
    build.add("average")
    build.add("flatten")
    build.add("dense", ins=channels, outs=scaled(1000, width))
    return Graph("densenet121", (3, size, size), tuple(build.ops))


def _norm(build: _Builder, channels: int) -> None:
    build.add("batchnorm", outs=channels)
    build.add("relu")


def lenet(pool: str = "maxpool") -> Graph:
    """A network of LeNet-5's size with ReLU on 28×28 grey pixels; ``pool`` is the kind of its two poolings."""
    build = _Builder()
    for ins, outs, padding in ((1, 6, 2), (6, 16, 0)):
        build.add("conv", ins=ins, outs=outs, kernel=5, padding=padding)
        build.add("relu")
        build.add(pool, kernel=2, stride=2)
    build.add("flatten")
    for ins, outs in ((400, 120), (120, 84)):
        build.add("dense", ins=ins, outs=outs)
        build.add("relu")
    build.add("dense", ins=84, outs=10)
    return Graph("lenet", (1, 28, 28), tuple(build.ops))


def chain(depth: int = 8, size: int = 64, width: float = 1.0) -> Graph:
    """A chain of 3×3 convolutions with 32 channels, pooled globally: what the growth curves stretch."""
    build, channels = _Builder(), 3
    for _ in range(depth):
        build.conv(channels, scaled(32, width), 3)
        build.add("relu")
        channels = scaled(32, width)
    build.add("average")
    build.add("flatten")
    build.add("dense", ins=channels, outs=10)
    return Graph("chain", (3, size, size), tuple(build.ops))


def scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))


NETWORKS: dict[str, Callable[..., Graph]] = {
    "vgg16": vgg16,
    "resnet50": resnet50,
    "densenet121": densenet121,
    "chain": chain,
}


def parameters(graph: Graph, seed: int = 0) -> Parameters:
    """Return random float32 parameters by node: He-scaled weights, biases that are not zero."""
    rng = np.random.default_rng(seed)
    found: Parameters = {}
    for op in graph.ops:
        if op.kind in ("conv", "dense"):
            taps = op.ins * op.kernel**2
            shape = (op.outs, op.ins, op.kernel, op.kernel) if op.kind == "conv" else (op.outs, op.ins)
            weight = rng.standard_normal(shape, dtype=np.float32) * np.float32((2 / taps) ** 0.5)
            found[op.name] = {"weight": weight}
            if op.bias:
                found[op.name]["bias"] = 0.1 * rng.standard_normal(op.outs, dtype=np.float32)
        elif op.kind == "batchnorm":
            found[op.name] = {
                "weight": rng.uniform(0.5, 1, op.outs).astype(np.float32),
                "bias": rng.normal(0, 0.1, op.outs).astype(np.float32),
                "mean": rng.normal(0, 0.1, op.outs).astype(np.float32),
                "variance": rng.uniform(0.5, 1.5, op.outs).astype(np.float32),
            }
    return found


def cast(given: Parameters, dtype: str) -> Parameters:
    """Return the same numbers in another dtype."""
    return {name: {k: v.astype(dtype, copy=False) for k, v in arrays.items()} for name, arrays in given.items()}


BOUND = 3.0  # every input lies in [−3, 3], the bounds of the z^B-rule


def pictures(graph: Graph, batch: int, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    """Return random inputs (batch, channels, height, width) in [−3, 3]."""
    drawn = np.random.default_rng(seed).standard_normal((batch, *graph.shape), dtype=np.float32)
    return np.clip(drawn, -BOUND, BOUND).astype(dtype)
