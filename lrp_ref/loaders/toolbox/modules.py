"""The toolbox's modules as layers: its images have the channels last, those of the layers first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ...layers import Conv, Dense, Flatten, Layer, MaxPool, ReLU, Softmax, SumPool, Tanh, Transpose
from ...network.inputs import Input
from ...network.network import Network

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Module:
    """One module of a network.

    Attributes:
        kind: the toolbox's name of it.
        place: where in the file it stands, as an error names it: "line 4" or "module 2".
        sizes: Linear: (inputs, outputs); Convolution: (height, width, depth, number); pooling: (height, width).
        stride: of a convolution or a pooling: (vertical, horizontal).
        weight: in the toolbox's order of axes, which is that of ``sizes``.
        bias: one number for each output.
    """

    kind: str
    place: str
    sizes: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    weight: Numbers | None = None
    bias: Numbers | None = None


# How many sizes and strides a module has, and whether it has weights.
FORMS = {
    "Linear": (2, 0, True),
    "Convolution": (4, 2, True),
    "SumPool": (2, 2, False),
    "MaxPool": (2, 2, False),
    "Flatten": (0, 0, False),
    "Rect": (0, 0, False),
    "Tanh": (0, 0, False),
    "SoftMax": (0, 0, False),
}
IMAGES = ("Convolution", "SumPool", "MaxPool")
FIRST, LAST = Transpose((0, 3, 1, 2)), Transpose((0, 2, 3, 1))  # where the layers have the channels, and the toolbox


def network(modules: Sequence[Module], path: Path) -> Network:
    """Return the modules one behind the other as a network.

    Raises:
        ModelFormatError: no module, or two that do not fit each other; the message names the second.
    """
    if not modules:
        raise ModelFormatError(f"{path}: no module in it")
    layers: list[Layer] = []
    image = None  # whether what comes next is an image, None while either would do
    width: int | None = None  # how many features or channels it has, None where that is not known
    for module in modules:
        if module.kind in IMAGES and image is False:
            raise ModelFormatError(f"{path}: {module.place}: a {module.kind} of what is no image")
        if module.kind == "Linear" and image:
            raise ModelFormatError(f"{path}: {module.place}: a Linear of images; a Flatten is missing before it")
        takes = {"Linear": module.sizes[:1], "Convolution": module.sizes[2:3]}.get(module.kind, ())
        if takes and width not in (None, takes[0]):
            raise ModelFormatError(f"{path}: {module.place}: it takes {takes[0]} numbers, and gets {width}")
        if module.kind in IMAGES and image is None:
            layers.append(FIRST)
        if module.kind == "Flatten" and image:
            layers.append(LAST)
        layers.append(_layer(module, image or module.kind in IMAGES))
        if module.kind in IMAGES:
            image = True
        elif module.kind in ("Linear", "Flatten"):
            image = False
        if module.weight is not None:
            width = module.sizes[-1]
        elif module.kind == "Flatten":
            width = None
    if image:
        layers.append(LAST)
    whole = Network.sequential(layers)
    return replace(whole, inputs=(_input(modules),))


def _layer(module: Module, image: bool) -> Layer:
    if module.kind == "Linear":
        assert module.weight is not None
        return Dense(module.weight, module.bias)
    if module.kind == "Convolution":
        assert module.weight is not None
        return Conv(np.ascontiguousarray(module.weight.transpose(3, 2, 0, 1)), module.bias, module.stride)
    if module.kind == "SumPool":
        return SumPool(module.sizes, module.stride, factor=1 / math.sqrt(math.prod(module.sizes)))
    if module.kind == "MaxPool":
        return MaxPool(module.sizes, module.stride, ties="share")
    if module.kind == "SoftMax":
        return Softmax(axis=2 if image else 1)  # the toolbox's axis 1, which is an image's height
    plain: dict[str, Layer] = {"Flatten": Flatten(), "Rect": ReLU(), "Tanh": Tanh()}
    return plain[module.kind]


def _input(modules: Sequence[Module]) -> Input:
    """Return the input, as far as the first module that looks at its shape says what it is."""
    dtype = next((m.weight.dtype.name for m in modules if m.weight is not None), "")
    for module in modules:
        if module.kind in IMAGES:
            # The first convolution says how many channels there are; pooling before it leaves them as they are.
            convolution = next((m for m in modules if m.kind in ("Convolution", "Flatten", "Linear")), module)
            channels = convolution.sizes[2] if convolution.kind == "Convolution" else None
            axes = ("batch", "height", "width", "channels")
            return Input("input", (None, None, None, channels), axes=axes, element_type=dtype)
        if module.kind == "Linear":
            return Input("input", (None, module.sizes[0]), axes=("batch", "features"), element_type=dtype)
        if module.kind == "Flatten":
            break  # it takes any shape
    return Input("input", element_type=dtype)
