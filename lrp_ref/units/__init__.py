"""What the units of a network stand for: the samples that they like most, and the concepts that they detect.

A unit is a channel of a value. :func:`dissect` measures how well it agrees with masks of concepts (Network
Dissection), with the ceiling and the control that such a number is to be read beside. :func:`causal_effect` measures
what units of a generator cause (GAN dissection).
"""

from .cards import UnitCard, top_samples, unit_cards
from .dissecting import dissect
from .dissection import Dissection
from .generators import CausalEffect, Measure, ablate, agreement, causal_effect, insert, sign_test
from .overlaps import Overlap, activated, overlap
from .quantiles import Largest, thresholds

__all__ = [
    "CausalEffect", "Dissection", "Largest", "Measure", "Overlap", "UnitCard", "ablate", "activated", "agreement",
    "causal_effect", "dissect", "insert", "overlap", "sign_test", "thresholds", "top_samples", "unit_cards",
]  # fmt: skip
