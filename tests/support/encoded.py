"""Encodings of descriptors by their formulas, one descriptor, component and dimension after the other; stored numbers.

The stored numbers are not part of the project; tests that need them are skipped where they are absent.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.layers import FisherVector, SoftAssign

FOLDER = Path(__file__).parents[3] / "shared" / "golden-nonneural"
golden = pytest.mark.skipif(not FOLDER.is_dir(), reason="the stored numbers of other programs are not here")


def stored(name: str) -> dict[str, Any]:
    """Return the arrays of a stored case."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def fisher_terms(layer: FisherVector, image: Any) -> list[list[float]]:
    """Return m_ld of one image, from the densities themselves."""
    terms, count = [], len(image)
    for x in image:
        densities = [
            float(p) * math.prod(math.exp(-((a - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
                                 for a, m, v in zip(x, means, variances, strict=True))
            for p, means, variances in zip(layer.weights, layer.means, layer.variances, strict=True)
        ]  # fmt: skip
        q = [density / sum(densities) for density in densities]
        u = [[(a - m) / math.sqrt(v) for a, m, v in zip(x, means, variances, strict=True)]
             for means, variances in zip(layer.means, layer.variances, strict=True)]  # fmt: skip
        pairs = list(zip(q, layer.weights, u, strict=True))
        sign = 1 if layer.convention == "perronnin" else -1
        terms.append(
            [(a - p) / (count * math.sqrt(p)) for a, p, _ in pairs]
            + [a * b / (count * math.sqrt(p)) for a, p, some in pairs for b in some]
            + [sign * a * (b * b - 1) / (count * math.sqrt(2 * p)) for a, p, some in pairs for b in some]
        )
    return terms


def word_terms(layer: SoftAssign, image: Any) -> list[list[Any]]:
    """Return a_lw/T of one image."""
    terms, count = [], len(image)
    for x in image:
        far = [sum((a - c) ** 2 for a, c in zip(x, word, strict=True)) for word in layer.codebook]
        if layer.hard:
            terms.append([Fraction(int(w == far.index(min(far))), count) for w in range(len(far))])
        else:
            powers = [math.exp(-layer.beta * d) for d in far]
            terms.append([p / sum(powers) / count for p in powers])
    return terms


def shared(terms: Any, r: Any, epsilon: float = 0.0) -> list[float]:
    """Return R_l of one image by the formula; outputs of 0 give R_d/T."""
    count, totals = len(terms), [sum(column) for column in zip(*terms, strict=True)]
    received = [0.0] * count
    for d, z in enumerate(totals):
        bottom = z + math.copysign(epsilon, z)
        for k in range(count):
            received[k] += terms[k][d] / bottom * r[d] if bottom else r[d] / count
    return received
