"""The methods by the names under which they are asked for. To add one, write it and enter it here."""

from __future__ import annotations

from .class_activation import CAM, GradCAM, GuidedGradCAM, HiResCAM
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Method
from .occlude import Occlusion
from .relevance import LRP
from .rescale import DeepLift
from .taylor import SimpleTaylor
from .units import ReplaceUnits

_ALL: tuple[type[Method], ...] = (
    Gradient,
    Sensitivity,
    GradientTimesInput,
    GuidedBackprop,
    Deconvnet,
    DeepLift,
    Occlusion,
    ReplaceUnits,
    CAM,
    GradCAM,
    HiResCAM,
    GuidedGradCAM,
    SimpleTaylor,
    LRP,
)

METHODS: dict[str, type[Method]] = {kind.name: kind for kind in _ALL}
