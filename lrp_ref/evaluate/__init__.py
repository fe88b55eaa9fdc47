"""Measures of explanations: how faithful a map is, whether it lies where it should, how concise it is.

A measure takes arrays, or a function f from inputs to outputs, and returns a number per sample (N,). It never takes a
network: ``net.forward`` is an f. Formulas and pitfalls: docs/evaluate.md.
"""

from . import known
from .concise import effective_complexity, entropy, gini
from .curve import Curve
from .curves import abpc, deletion, insertion, pixel_flipping, region_perturbation
from .detection import boxes, iou, localisation_accuracy
from .imputation import road
from .localise import (
    context_ratio,
    pointing_game,
    relevance_mass,
    relevance_rank,
    roc_auc,
    top_k_intersection,
)
from .measures import MEASURES, Measure
from .reporting import Report, report

__all__ = [
    "MEASURES",
    "Curve",
    "Measure",
    "Report",
    "abpc",
    "boxes",
    "context_ratio",
    "deletion",
    "effective_complexity",
    "entropy",
    "gini",
    "insertion",
    "iou",
    "known",
    "localisation_accuracy",
    "pixel_flipping",
    "pointing_game",
    "region_perturbation",
    "relevance_mass",
    "relevance_rank",
    "report",
    "road",
    "roc_auc",
    "top_k_intersection",
]
