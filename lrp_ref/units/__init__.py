"""What the units of a network stand for: the samples that they like most, and the concepts that they detect.

A unit is a channel of a value. :func:`dissect` measures how well it agrees with masks of concepts (Network
Dissection), with the ceiling and the control that such a number is to be read beside.
"""

from .dissecting import dissect
from .dissection import Dissection
from .generators import CausalEffect, ablate, agreement, causal_effect, insert, sign_test
from .overlap import Overlap, activated, overlap
from .quantiles import Largest, thresholds

__all__ = [
    "CausalEffect", "Dissection", "Largest", "Overlap", "ablate", "activated", "agreement", "causal_effect", "dissect",
    "insert", "overlap", "sign_test", "thresholds",
]  # fmt: skip
