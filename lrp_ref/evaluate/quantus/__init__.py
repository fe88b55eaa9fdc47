"""What the program Quantus 0.6.0 returns for its metrics, where that is another number than this package's.

Each function does on purpose what the program does, so that a difference between two papers can be traced to one line.
None is used by anything else here. The table of all of them, and why they differ: docs/quantus.md.
"""

from .curves import area, pixel_flipping, region_perturbation, selectivity, sensitivity_n
from .explaining import input_invariance, local_lipschitz, max_sensitivity, random_logit
from .maps import (
    attribution_localisation,
    complexity,
    effective_complexity,
    normalised,
    pointing_game,
    relevance_mass,
    sparseness,
    top_k_intersection,
)
from .single import completeness, non_sensitivity

__all__ = [
    "area",
    "attribution_localisation",
    "completeness",
    "complexity",
    "effective_complexity",
    "input_invariance",
    "local_lipschitz",
    "max_sensitivity",
    "non_sensitivity",
    "normalised",
    "pixel_flipping",
    "pointing_game",
    "random_logit",
    "region_perturbation",
    "relevance_mass",
    "selectivity",
    "sensitivity_n",
    "sparseness",
    "top_k_intersection",
]
