"""The functions inside a cell, by name: what a framework calls a recurrent layer's activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...base.arrays import Array
from ...base.frozen import real
from ...errors import ParameterError
from ..base import Elementwise
from ..elementwise import ELU, GELU, SELU, Clip, HardSigmoid, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh

Activation = str | tuple[Any, ...]  # a name, or the name with its parameters: ("hardsigmoid", 0.2, 0.5)
FUNCTIONS: dict[str, type[Elementwise]] = {
    "elu": ELU, "gelu": GELU, "hardsigmoid": HardSigmoid, "leakyrelu": LeakyReLU, "linear": Identity, "relu": ReLU,
    "selu": SELU, "sigmoid": Sigmoid, "silu": SiLU, "softplus": Softplus, "tanh": Tanh,
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class _Clipped(Elementwise):
    """y = f(min(max(x, −bound), bound))."""

    bound: Any
    function: Elementwise

    def forward(self, *xs: Array) -> Array:
        (x,) = xs
        return self.function.forward(Clip(-self.bound, self.bound).forward(x))

    def slope(self, x: Array) -> Array:
        clip = Clip(-self.bound, self.bound)
        return self.function.slope(clip.forward(x)) * clip.slope(x)


def function_of(layer: str, activation: Activation, clip: Any = None) -> Elementwise:
    """Return a cell's function as a layer.

    Args:
        layer: the name of the layer, for errors.
        activation: a key of ``FUNCTIONS``, or a tuple of it and the parameters of that layer, in their order.
        clip: bound of what the function is applied to, on both sides; None for no bound.

    Raises:
        ParameterError: a name that is not known, parameters that do not fit, or a bound that is not above 0.

    Example:
        >>> function_of("GRU", ("hardsigmoid", 0.2, 0.5))
        HardSigmoid(alpha=0.2)
        >>> function_of("GRU", "linear")
        Identity()
    """
    name, *parameters = activation if isinstance(activation, tuple) else (activation,)
    if name not in FUNCTIONS:
        raise ParameterError(f"{layer}: activation must be one of {', '.join(FUNCTIONS)}, got {name!r}")
    try:
        function = FUNCTIONS[name](*(real(f"{layer}: a parameter of {name}", p) for p in parameters))
    except TypeError as error:
        raise ParameterError(f"{layer}: {name} does not take the parameters {tuple(parameters)}") from error
    if clip is None:
        return function
    if not real(f"{layer}: clip", clip) > 0:
        raise ParameterError(f"{layer}: clip must be above 0, got {clip!r}")
    return _Clipped(clip, function)
