"""The methods by the names under which they are asked for. To add one, write it and enter it here."""

from __future__ import annotations

from .class_activation import CAM, GradCAM, GuidedGradCAM, HiResCAM
from .expected import ExpectedGradients
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Method
from .noise import SmoothGrad, SmoothGradSquared, VarGrad
from .occlude import Occlusion
from .paths import IntegratedGradients
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
    IntegratedGradients,
    ExpectedGradients,
    SmoothGrad,
    SmoothGradSquared,
    VarGrad,
    Occlusion,
    ReplaceUnits,
    CAM,
    GradCAM,
    HiResCAM,
    GuidedGradCAM,
    DeepLift,
    SimpleTaylor,
    LRP,
)

METHODS: dict[str, type[Method]] = {kind.name: kind for kind in _ALL}
