"""The methods that are set beside LRP, each on the same network, the same score and the same pictures.

``lrp.attribute(net, x, "integrated_gradients", …)`` asks for any of them; ``METHODS`` lists their names.
"""

from .attributing import attribute, find
from .attribution import Attribution
from .concepts.conditional import ConditionalMaps, concept_relevance, conditional_maps
from .concepts.graph import AttributionGraph, Concept, attribution_graph
from .concepts.receptive import crops, receptive_field
from .concepts.search import Strongest, actmax, relmax
from .concepts.table import ConceptTable, concept_table
from .gradient import Deconvnet, Gradient, GradientTimesInput, GuidedBackprop, Sensitivity
from .method import Made, Method
from .names import METHODS
from .relevance import LRP
from .rescale import DeepLift
from .scored import Block, Scored

__all__ = [
    "LRP",
    "METHODS",
    "Attribution",
    "AttributionGraph",
    "Block",
    "Concept",
    "ConceptTable",
    "ConditionalMaps",
    "Deconvnet",
    "DeepLift",
    "Gradient",
    "GradientTimesInput",
    "GuidedBackprop",
    "Made",
    "Method",
    "Scored",
    "Sensitivity",
    "Strongest",
    "actmax",
    "attribute",
    "attribution_graph",
    "concept_relevance",
    "concept_table",
    "conditional_maps",
    "crops",
    "find",
    "receptive_field",
    "relmax",
]  # fmt: skip
