"""The methods that are set beside LRP, each on the same network, the same score and the same pictures.

``lrp.attribute(net, x, "integrated_gradients", …)`` asks for any of them; ``METHODS`` lists their names.
"""

from .attributing import attribute, find
from .attribution import Attribution
from .dialects import DIALECTS, dialect
from .expected import ExpectedGradients
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Made, Method
from .names import METHODS
from .noise import SmoothGrad, SmoothGradSquared, VarGrad
from .paths import IntegratedGradients
from .relevance import LRP
from .scored import Block, Scored

__all__ = [
    "DIALECTS", "LRP", "METHODS", "Attribution", "Block", "Deconvnet", "ExpectedGradients", "Gradient",
    "GradientTimesInput", "GuidedBackprop", "IntegratedGradients", "Made", "Method", "Scored", "Sensitivity",
    "SmoothGrad", "SmoothGradSquared", "VarGrad", "attribute", "dialect", "find",
]  # fmt: skip
