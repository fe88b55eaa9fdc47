"""The methods that are set beside LRP, each on the same network, the same score and the same pictures.

``lrp.attribute(net, x, "integrated_gradients", …)`` asks for any of them; ``METHODS`` lists their names.
"""

from .attributing import attribute, find
from .attribution import Attribution
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .maximisation import (
    L2,
    Maximisation,
    Maximised,
    Penalty,
    Prototypes,
    TotalVariation,
    maximise,
    prototypes,
)
from .method import Made, Method
from .names import METHODS
from .relevance import LRP
from .rescale import DeepLift
from .scored import Block, Scored
from .taylor import SimpleTaylor

__all__ = [
    "L2", "LRP", "METHODS", "Attribution", "Block", "Deconvnet", "DeepLift", "Gradient", "GradientTimesInput",
    "GuidedBackprop", "Made", "Maximisation", "Maximised", "Method", "Penalty", "Prototypes", "Scored", "Sensitivity",
    "SimpleTaylor", "TotalVariation", "attribute", "find", "maximise", "prototypes",
]  # fmt: skip
