"""Measures of explanations: how faithful a map is, whether it lies where it should, how concise it is.

A measure takes arrays, or a function f from inputs to outputs (``net.forward`` is one), and returns a number per sample
(N,). Measures that explain again, with other parameters or inputs, take the network and an explainer, a function from
(net, x, target) to maps. Formulas and pitfalls: docs/evaluate.md and docs/randomisation.md; what Quantus returns in the
place of these numbers, and why: docs/quantus.md.
"""

from . import known, quantus
from .axioms import completeness, non_sensitivity, sensitivity_n
from .concise import effective_complexity, entropy, gini
from .control import random_map
from .curve import Curve
from .curves import abpc, deletion, insertion, pixel_flipping, region_perturbation
from .detection import boxes, iou, localisation_accuracy
from .explainers import smoothed
from .imputation import road
from .invariance import input_invariance
from .localise import (
    ContextUse,
    context_ratio,
    context_use,
    pointing_game,
    relevance_mass,
    relevance_rank,
    roc_auc,
    top_k_intersection,
)
from .measures import MEASURES, Measure
from .randomise import (
    Randomised,
    efficient_randomisation,
    histogram_entropy,
    parameter_randomisation,
    random_logit,
    randomised_layers,
)
from .reporting import report
from .reports import Report
from .similarity import SIMILARITIES, pearson, spearman, spearman_absolute, ssim
from .stability import local_lipschitz, max_sensitivity

__all__ = [
    "MEASURES",
    "SIMILARITIES",
    "ContextUse",
    "Curve",
    "Measure",
    "Randomised",
    "Report",
    "abpc",
    "boxes",
    "completeness",
    "context_ratio",
    "context_use",
    "deletion",
    "effective_complexity",
    "efficient_randomisation",
    "entropy",
    "gini",
    "histogram_entropy",
    "input_invariance",
    "insertion",
    "iou",
    "known",
    "local_lipschitz",
    "localisation_accuracy",
    "max_sensitivity",
    "non_sensitivity",
    "parameter_randomisation",
    "pearson",
    "pixel_flipping",
    "pointing_game",
    "quantus",
    "random_logit",
    "random_map",
    "randomised_layers",
    "region_perturbation",
    "relevance_mass",
    "relevance_rank",
    "report",
    "road",
    "roc_auc",
    "sensitivity_n",
    "smoothed",
    "spearman",
    "spearman_absolute",
    "ssim",
    "top_k_intersection",
]
