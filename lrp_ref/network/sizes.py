"""Sizes of an input where none is given: from the network, from what is known of its data, or tried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import LrpError, ParameterError, ShapeError, unknown
from ..layers import Affine, Conv, ConvTranspose, Dense, RecurrentLayer
from ..layers.base import Elementwise
from ..layers.route import Flatten
from .inputs import Input
from .network import Network

Sizes = tuple[int | None, ...]  # of one sample; None for a free one

SMALLEST = (*range(1, 65), 96, 112, 128, 160, 192, 224, 227, 256, 299, 320, 384, 448, 512)
USUAL = (32, 64, 28, 224, *(n for n in SMALLEST if n not in (32, 64, 28, 224)))
NAMES = {1: ("FEATURES",), 2: ("LENGTH", "FEATURES"), 3: ("CHANNELS", "HEIGHT", "WIDTH")}


def sample_shapes(
    net: Network,
    *,
    given: Mapping[str, Sequence[int]] | None = None,
    known: Sequence[int] | None = None,
    sizes: Iterable[int] = SMALLEST,
) -> dict[str, tuple[int, ...]]:
    """Return the shape of one sample of every input, without the batch axis.

    A size that neither the network nor the arguments tell is tried out: the first of ``sizes`` with which the network
    runs, the same for all axes that are free.

    Args:
        net: the network.
        given: sizes by the name of the input, where they are chosen.
        known: sizes of the only input, where something else than the network tells them.
        sizes: to try for axes that stay free.

    Raises:
        ParameterError: ``given`` for an input that is not there.
        ShapeError: ``given`` does not fit the network, or a free size for which nothing fits.

    Example:
        >>> from lrp_ref.layers import GlobalAveragePool
        >>> conv = Conv(np.ones((2, 3, 5, 5)))
        >>> sample_shapes(Network.sequential([conv, GlobalAveragePool()]))
        {'input': (3, 5, 5)}
    """
    given = given or {}
    for name in given:
        if name not in [i.name for i in net.inputs]:
            raise unknown("input", name, [i.name for i in net.inputs])
    told = {spec.name: _told(net, spec, given.get(spec.name), known) for spec in net.inputs}
    open_ = [name for name, shape in told.items() if shape is None or None in shape]
    if not open_ and not given:
        return {name: tuple(int(n or 1) for n in shape or ()) for name, shape in told.items()}
    reason = "no size that was tried fits"
    for size in sizes if open_ else (1,):
        if any(shape is None for shape in told.values()):
            break
        shapes = {name: tuple(size if n is None else n for n in shape or ()) for name, shape in told.items()}
        try:
            net.values(none_of(net, shapes), check=False)
        except LrpError as error:
            reason = str(error)
            continue
        return shapes
    if not open_:
        raise ShapeError(f"--shape {', '.join(_option(k, tuple(v)) for k, v in given.items())} does not fit: {reason}")
    name = open_[0]
    raise ShapeError(
        f"the size of input '{name}' is not fixed: give an INPUT, or the sizes without the batch axis: "
        f"--shape {_option(name, told[name])}"
    )


def none_of(net: Network, shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return inputs of no sample, the batch in front, by which a run finds all shapes; lengths are integers.

    Example:
        >>> net = Network.sequential([Dense(np.ones((3, 2)))])
        >>> none_of(net, {"input": (3,)})["input"].shape
        (0, 3)
    """
    lengths = {n.inputs[1] for n in net.nodes if getattr(n.layer, "lengths", False)}
    kinds = {True: np.dtype(int), False: net.dtype or np.dtype(float)}
    return {name: np.zeros((0, *shape), kinds[name in lengths]) for name, shape in shapes.items()}


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the input's name and the sizes of one sample for NAME=SIZE,...

    Raises:
        ParameterError: not of that form.

    Example:
        >>> parse_shape("image=3,32,32")
        ('image', (3, 32, 32))
    """
    name, sign, sizes = text.rpartition("=")
    parts = [part.strip() for part in sizes.split(",")]
    if not sign or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ParameterError(f"--shape {text}: write NAME=SIZE,... without the batch axis, such as image=3,32,32")
    return name, tuple(int(part) for part in parts)


def _told(net: Network, spec: Input, given: Sequence[int] | None, known: Sequence[int] | None) -> Sizes | None:
    """Return the sizes of one sample as far as they are told; None where not even their number is."""
    declared: Sizes | None = spec.sample
    if given is not None:
        fits = declared is None or len(declared) == len(given)
        if declared is not None and not (fits and all(n in (None, m) for n, m in zip(declared, given, strict=True))):
            raise ShapeError(
                f"--shape {_option(spec.name, tuple(given))}: the network's input is {_option(spec.name, declared)}"
            )
        return tuple(given)
    if (declared is None or None in declared) and known is not None and len(net.inputs) == 1:
        return tuple(known)
    return declared if declared is not None and None not in declared else _read(net, spec.name, declared)


def _read(net: Network, name: str, declared: Sizes | None) -> Sizes | None:
    """Return the sizes of an input as the first layer with weights that reads it has them."""
    wanted: Sizes | None = None
    for node in net.consumers(name):
        layer = node.layer
        if isinstance(layer, Dense):
            wanted = (*((None,) * (len(declared or (0,)) - 1)), layer.weight.shape[0])
        elif isinstance(layer, Conv):
            wanted = (layer.weight.shape[1] * layer.groups, *((None,) * (layer.weight.ndim - 2)))
        elif isinstance(layer, ConvTranspose):
            wanted = (layer.weight.shape[0], *((None,) * (layer.weight.ndim - 2)))
        elif isinstance(layer, RecurrentLayer):
            wanted = (None, layer.weight_input.shape[-1])
        elif isinstance(layer, Elementwise | Affine | Flatten):
            wanted = _read(net, node.name, None if isinstance(layer, Flatten) else declared)
        if wanted is not None:
            break
    if declared is None or wanted is None or len(declared) != len(wanted):
        return declared or wanted
    return tuple(n if n is not None else m for n, m in zip(declared, wanted, strict=True))


def _option(name: str, shape: Sizes | None) -> str:
    """Return NAME=SIZE,... with words for free sizes."""
    if shape is None:
        return f"{name}=SIZE,..."
    words = NAMES.get(len(shape), tuple(f"SIZE{k + 1}" for k in range(len(shape))))
    return f"{name}={','.join(words[k] if n is None else str(n) for k, n in enumerate(shape))}"
