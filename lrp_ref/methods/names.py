"""The methods by the names under which they are asked for. To add one, write it and enter it here."""

from __future__ import annotations

from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Method
from .relevance import LRP
from .rescale import DeepLift
from .taylor import SimpleTaylor

_ALL: tuple[type[Method], ...] = (
    Gradient,
    Sensitivity,
    GradientTimesInput,
    GuidedBackprop,
    Deconvnet,
    DeepLift,
    SimpleTaylor,
    LRP,
)

METHODS: dict[str, type[Method]] = {kind.name: kind for kind in _ALL}
