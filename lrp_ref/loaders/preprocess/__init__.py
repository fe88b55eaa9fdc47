"""From files to the inputs of a network.

``NAME.json`` beside ``NAME.onnx`` is the model's *sidecar*: how its input is made and what its outputs mean.
"""

from .picture import read_image, read_mask, resized, scaled
from .ranges import range_notice, recipe
from .sidecar import EXAMPLE, Sidecar, declare, load_sidecar, parse_sidecar

__all__ = [
    "EXAMPLE",
    "Sidecar",
    "declare",
    "load_sidecar",
    "parse_sidecar",
    "range_notice",
    "read_image",
    "read_mask",
    "recipe",
    "resized",
    "scaled",
]
