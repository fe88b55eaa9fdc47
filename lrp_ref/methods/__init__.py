"""The methods that are set beside LRP, each on the same network, the same score and the same pictures.

``lrp.attribute(net, x, "integrated_gradients", …)`` asks for any of them; ``METHODS`` lists their names.
"""

from .attributing import attribute, find
from .attribution import Attribution
from .calls import cam, grad_cam, guided_grad_cam, hirescam
from .class_activation import CAM, GradCAM, GuidedGradCAM, HiResCAM
from .concepts.conditional import ConditionalMaps, concept_relevance, conditional_maps, stream_conditional_maps
from .concepts.graph import AttributionGraph, Concept, attribution_graph
from .concepts.receptive import crops, receptive_field
from .concepts.search import actmax, relmax
from .concepts.strongest import Strongest
from .concepts.table import ConceptTable, concept_table
from .dialects import DIALECTS, dialect
from .expected import ExpectedGradients
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
from .noise import SmoothGrad, SmoothGradSquared, VarGrad
from .occlude import Occlusion
from .paths import IntegratedGradients
from .relevance import LRP
from .rescale import DeepLift
from .scored import Block, Scored
from .taylor import SimpleTaylor
from .units import ReplaceUnits
from .upsampling import upsampled

__all__ = [
    "CAM", "DIALECTS", "L2", "LRP", "METHODS", "Attribution", "AttributionGraph", "Block", "Concept", "ConceptTable",
    "ConditionalMaps", "Deconvnet", "DeepLift", "ExpectedGradients", "GradCAM", "Gradient", "GradientTimesInput",
    "GuidedBackprop", "GuidedGradCAM", "HiResCAM", "IntegratedGradients", "Made", "Maximisation", "Maximised",
    "Method", "Occlusion", "Penalty", "Prototypes", "ReplaceUnits", "Scored", "Sensitivity", "SimpleTaylor",
    "SmoothGrad", "SmoothGradSquared", "Strongest", "TotalVariation", "VarGrad", "actmax", "attribute",
    "attribution_graph", "cam", "concept_relevance", "concept_table", "conditional_maps", "crops", "dialect", "find",
    "grad_cam", "guided_grad_cam", "hirescam", "maximise", "prototypes", "receptive_field", "relmax",
    "stream_conditional_maps", "upsampled",
]  # fmt: skip
