"""What a kind of model is: how to make one with weights that hide nothing, and its inputs for any number of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    make: the module, before its weights are moved. inputs: name → what makes the array for n samples, and of so many
    steps where ``times`` are given. batch: the axis of the samples, of every input. times: lengths of the sequences
    that an export with a free batch leaves free too; the first is that of the export. follow_time: the exporters that
    can leave it free.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Mapping[str, Callable[..., torch.Tensor]]
    batch: int = 0
    times: tuple[int, ...] = ()
    follow_time: tuple[str, ...] = ("torchscript", "dynamo")

    def module(self) -> nn.Module:
        """The module with its fixed random weights: no bias, scale or statistic is 0 or 1, as they are at the start."""
        torch.manual_seed(sum(map(ord, self.name)))
        module = self.make().eval()
        for name, p in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("running_var"):
                p.data.uniform_(0.5, 1.5)
            elif p.is_floating_point():
                p.data.add_(0.1 * torch.randn_like(p))
        return module

    def samples(self, n: int, seed: int = 0, time: int | None = None) -> dict[str, torch.Tensor]:
        """The inputs of n samples, with sequences of some length."""
        torch.manual_seed(seed)
        sizes = (n, time or self.times[0]) if self.times else (n,)
        return {name: make(*sizes) for name, make in self.inputs.items()}

    def free(self, exporter: str) -> dict[str, dict[int, str]]:
        """The axes that an exporter can leave free, and what they are called, for each input."""
        named = {name: {self.batch: "batch"} for name in self.inputs}
        if self.times and exporter in self.follow_time:
            one, other = (self.samples(1, time=time) for time in self.times[:2])
            for name, x in one.items():
                named[name] |= {k: "time" for k in range(x.ndim) if x.shape[k] != other[name].shape[k]}
        return named


class Net(nn.Module):
    """A function of the inputs and of modules, which come behind the inputs."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, *xs: torch.Tensor) -> Any:
        return self.function(*xs, *self.parts)


class Scale(nn.Module):
    """Parameters as a module, of any shape."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(0.5 * torch.randn(shape))

    def forward(self) -> torch.Tensor:
        return self.value


def floats(*shape: int | None) -> Callable[[int], torch.Tensor]:
    """Standard normal numbers; None is the batch, which is in front where there is none."""
    sizes = shape if None in shape else (None, *shape)
    return lambda n: torch.randn([n if size is None else size for size in sizes])


def tokens(rows: int, time: int) -> Callable[[int], torch.Tensor]:
    """Indices of rows of an embedding (n, time), never of row 0, which pads."""
    return lambda n: torch.randint(1, rows, (n, time))


def lengths(time: int) -> Callable[[int], torch.Tensor]:
    """How many of ``time`` steps a sequence has: the longest first, as packed sequences ask for."""
    return lambda n: torch.tensor([max(1, time - k) for k in range(n)])


def ones(time: int) -> Callable[[int], torch.Tensor]:
    """A mask (n, time), 1 where there is a word: sample k ends k words early."""
    return lambda n: torch.stack([(torch.arange(time) < max(1, time - k)).long() for k in range(n)])


def conv(d: int, i: int, o: int, k: int, **options: Any) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU over d dimensions; the size stays where nothing is said."""
    if not options.get("stride"):
        options.setdefault("padding", options.get("dilation", 1) * (k // 2))
    kinds: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d), (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return nn.Sequential(kinds[0][d - 1](i, o, k, bias=False, **options), kinds[1][d - 1](o), nn.ReLU())
