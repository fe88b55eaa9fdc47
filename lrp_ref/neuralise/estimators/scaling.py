"""What shifts, scales or selects features: scalers, norms, binarizers, selections, and counts of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...base.arrays import Array
from ...errors import ParameterError, UnsupportedError
from ...layers import Affine, Centred, Clip, LogCount, Step, UnitNorm
from ..chain import Named
from ..fitted import Fitted, Opaque
from .table import part, step


def shifted(name: str, reference: Array | None, scale: Array | None, asked: str) -> list[Named]:
    """Return the layer y = (x − reference)·scale: relative to the reference, or with it in the bias.

    Args:
        name: of the node.
        reference, scale: (D,), None for 0 and 1.
        asked: the reference that is asked for, "mean" or "zero".
    """
    if reference is not None and not reference.any():
        reference = None
    if reference is None:
        return [] if scale is None else [(name, Affine(scale))]
    if asked == "zero":
        return [(name, Affine(scale, -reference if scale is None else -reference * scale))]
    return [(name, Centred(reference, scale))]


def numbers(fitted: Fitted, name: str) -> Array:
    """Return an attribute as an array of floats."""
    value = np.asarray(fitted[name])
    if value.dtype.kind not in "fiu":
        raise ParameterError(f"{fitted.kind}: {name} must be numbers, got {value.dtype}: was it fitted?")
    return value.astype(float) if value.dtype.kind != "f" else value


@step("StandardScaler")
def standard(fitted: Fitted, reference: str) -> Sequence[Named]:
    """(x − mean)/deviation."""
    mean = numbers(fitted, "mean_") if fitted.get("with_mean", True) else None
    scale = 1 / numbers(fitted, "scale_") if fitted.get("with_std", True) else None
    return shifted("scaler", mean, scale, reference)


@step("RobustScaler")
def robust(fitted: Fitted, reference: str) -> Sequence[Named]:
    """(x − median)/range between quantiles."""
    centre = numbers(fitted, "center_") if fitted.get("with_centering", True) else None
    scale = 1 / numbers(fitted, "scale_") if fitted.get("with_scaling", True) else None
    return shifted("scaler", centre, scale, reference)


@step("MaxAbsScaler")
def largest(fitted: Fitted, reference: str) -> Sequence[Named]:
    """x/largest size."""
    return [*shifted("scaler", None, 1 / numbers(fitted, "scale_"), reference), *_clipped(fitted, (-1.0, 1.0))]


@step("MinMaxScaler")
def between(fitted: Fitted, reference: str) -> Sequence[Named]:
    """x·scale + shift; its reference is what becomes 0, the minimum for a range that begins at 0."""
    scale = numbers(fitted, "scale_")
    made = shifted("scaler", -numbers(fitted, "min_") / scale, scale, reference)
    return [*made, *_clipped(fitted, fitted.get("feature_range", (0, 1)))]


def _clipped(fitted: Fitted, bounds: Sequence[float]) -> list[Named]:
    return [("clip", Clip(float(bounds[0]), float(bounds[1])))] if fitted.get("clip", False) else []


@step("Normalizer")
def normalizer(fitted: Fitted, reference: str) -> Sequence[Named]:
    """x/norm, with the norm as a constant."""
    return [("norm", UnitNorm(str(fitted["norm"])))]


@step("Binarizer")
def binarizer(fitted: Fitted, reference: str) -> Sequence[Named]:
    """1 above a threshold."""
    return [("binarize", Step(float(fitted["threshold"])))]


@step("FunctionTransformer")
def function(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The identity; what other functions compute is not known."""
    held = fitted.get("func")
    if held is None:
        return []
    name = held.name if isinstance(held, Opaque) else str(held)
    raise UnsupportedError(
        f"FunctionTransformer is supported without a function only: what {name} computes is not known; apply it "
        "yourself and explain what stands behind it"
    )


# Counts of words -----------------------------------------------------------------------------------------------------


@step("CountVectorizer")
def counts(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Nothing: the input of the network are the counts (N, V)."""
    return []


@step("TfidfTransformer")
def tfidf(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Counts, or 1 + log of them, times the inverse document frequency, divided by the norm."""
    made: list[Named] = [("sublinear", LogCount())] if fitted.get("sublinear_tf", False) else []
    if fitted.get("use_idf", True):
        made.append(("idf", Affine(inverse_frequency(fitted))))
    return made + _norm(fitted, "l2")


@step("TfidfVectorizer")
def tfidf_of_texts(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The same of the counts that it makes; the input of the network are the counts (N, V)."""
    return tfidf(part(fitted, "_tfidf"), reference)


@step("HashingVectorizer")
def hashed(fitted: Fitted, reference: str) -> Sequence[Named]:
    """The norm; the input of the network are the signed counts (N, V) before it."""
    return _norm(fitted, "l2")


def _norm(fitted: Fitted, usual: str) -> list[Named]:
    norm = fitted.get("norm", usual)
    return [] if norm is None else [("norm", UnitNorm(str(norm)))]


def inverse_frequency(fitted: Fitted) -> Array:
    """Return the inverse document frequencies (V,), as old versions hold them too."""
    if "idf_" not in fitted and "_idf_diag" in fitted:
        return np.asarray(fitted["_idf_diag"].diagonal())
    return numbers(fitted, "idf_")
