"""Why operators that are known are not converted: what they do has no relevance, or no network computes it."""

from __future__ import annotations

UNKNOWN = "operator not supported"
RANDOM = "its numbers are random"
FUSED = "one of onnxruntime's own operators: load the file as it was before onnxruntime's optimizer wrote it"
TREES = "decision trees have no relevance rule; TreeSHAP is the method for them"
OF_TEXT = "text is no number: load the pipeline from a skops file, which has its words"
ENCODED = "a code of categories has no relevance: write the file from the step after it, and give it the codes"
FILLED = "which values it fills depends on the input: fill them before, and write the file from the step after it"
CHOSEN = "where its values come from depends on the input"

ML = "ai.onnx.ml."
REASONS = {
    **dict.fromkeys((f"{ML}TreeEnsemble", f"{ML}TreeEnsembleClassifier", f"{ML}TreeEnsembleRegressor"), TREES),
    **dict.fromkeys(("StringNormalizer", "StringSplit", "TfIdfVectorizer", "com.microsoft.Tokenizer"), OF_TEXT),
    **dict.fromkeys(
        (f"{ML}{kind}" for kind in ("CategoryMapper", "DictVectorizer", "LabelEncoder", "OneHotEncoder")), ENCODED
    ),
    f"{ML}Binarizer": "which of two values it gives does not change with small changes of the input",
    f"{ML}Imputer": FILLED,
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
