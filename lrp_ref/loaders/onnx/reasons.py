"""Why operators that are known are not converted: what they do has no relevance, or no network computes it."""

from __future__ import annotations

UNKNOWN = "operator not supported"
RANDOM = "its numbers are random"
FUSED = "one of onnxruntime's own operators: load the file as it was before onnxruntime's optimizer wrote it"
CHOSEN = "where its values come from depends on the input"

REASONS = {
    "ArgMax": "a label, which small changes of the input do not change",
    "ArgMin": "a label, which small changes of the input do not change",
    "Bernoulli": RANDOM,
    "Det": "a determinant has no relevance rule",
    "Hardmax": "a label, which small changes of the input do not change",
    "Loop": "a loop: how often it runs is not known before it runs",
    "MaxUnpool": CHOSEN,
    "Multinomial": RANDOM,
    "NonMaxSuppression": CHOSEN,
    "NonZero": CHOSEN,
    "RandomNormal": RANDOM,
    "RandomNormalLike": RANDOM,
    "RandomUniform": RANDOM,
    "RandomUniformLike": RANDOM,
    "RoiAlign": CHOSEN,
    "Scan": "a loop over a sequence of states: only LSTM, GRU and RNN are followed through time",
    "TopK": CHOSEN,
    "Unique": CHOSEN,
}


def why_not(kind: str) -> str:
    """Return why an operator is not converted.

    Example:
        >>> why_not("TopK")
        'where its values come from depends on the input'
    """
    return REASONS.get(kind, FUSED if kind.startswith("com.microsoft.") else UNKNOWN)
