"""Measures of explanations: how faithful a map is, whether it lies where it should, how concise it is.

A measure takes arrays, or a function f from inputs to outputs, and returns a number per sample (N,). It never takes a
network: ``net.forward`` is an f. Formulas and pitfalls: docs/evaluate.md.
"""

from .curve import Curve
from .curves import abpc, deletion, insertion, pixel_flipping, region_perturbation

__all__ = [
    "Curve",
    "abpc",
    "deletion",
    "insertion",
    "pixel_flipping",
    "region_perturbation",
]
