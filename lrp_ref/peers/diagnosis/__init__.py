"""Diagnosis: where another program's numbers depart, and the smallest set of switches that gives just these numbers."""

from .diagnosing import diagnose
from .result import Diagnosis, Step

__all__ = ["Diagnosis", "Step", "diagnose"]
