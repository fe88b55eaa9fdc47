"""Fitted estimators as networks: pipelines, and estimators that hold another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ParameterError, UnsupportedError, unknown
from ...layers import Affine, Centred, Concat, Dense, PairDifference, SoftMin
from ...network.network import Network
from ..chain import COMPOSITE, Named, behind, merged, side_by_side, together
from ..fitted import Fitted, Opaque
from ..linear import linear
from ..scores import Output, asked, of_classes, told
from .linear_models import LOG
from .table import ESTIMATORS, STEPS, How, layers, model, part

HOLDS = {  # classes that are the estimator that they hold, by the attribute that has it
    "FixedThresholdClassifier": "estimator_",
    "FrozenEstimator": "estimator",
    "GridSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "RANSACRegressor": "estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "SelfTrainingClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
}
THRESHOLDS = {"FixedThresholdClassifier": "threshold", "TunedThresholdClassifierCV": "best_threshold_"}
SELECTS = ("RFE", "RFECV")  # selections that hold a model of what they select
IDENTITIES = ("CountVectorizer", "FunctionTransformer")
LINEAR = (Affine, Centred, Concat, Dense, PairDifference, SoftMin)  # the last two compare scores
SEVERAL = ("MultiOutputRegressor", "OneVsRestClassifier")


def from_sklearn(estimator: Any, output: Output = None, *, reference: str = "mean", **options: Any) -> Network:
    """Return a fitted estimator of scikit-learn as a network, which rules, ledgers and exact numbers apply to.

    It is told by the name of its class and by its fitted attributes: scikit-learn is not imported, nor anything that
    the estimator brings along. :func:`supported` lists the classes. What is explained is the score, never a
    probability: of a linear model R_i = x_i w_i, and the bias is in the ledger.

    - Of two classes with one score, "decision" has one column, > 0 for the second, ``classes_[1]``.
    - ``target`` of :func:`lrp_ref.explain` counts classes as they stand in ``classes_``.
    - A text model reads counts (N, V), not texts; the norm of tf-idf is held constant.
    - In a pipeline, relevance is relative to what the scalers take away, such as the mean of the training data:
      R_i = (x − mean)_i w_i for the weights w of the whole chain. With ``reference="zero"`` it is x_i w_i, scalers and
      projections become one dense layer with the model, and what the mean contributes is in the bias, which may be
      many times the score.

    Args:
        estimator: fitted; a pipeline, or a search over parameters, too.
        output: what is explained: "decision" (the score: ``decision_function``, of a regressor ``predict``),
            "logodds" of a class against all others, ("pair", i, j) for the difference of two classes (their
            places in ``classes_``, or names), "margin" or
            "outlier", as far as the model has them (see :mod:`lrp_ref.neuralise.scores`). None for the usual one.
        reference: "mean" or "zero", for scalers and projections.
        options: of the model's own builder, such as ``beta`` of k-means. Those that are points or data are of the
            features that the model reads, behind the scalers of a pipeline.

    Raises:
        UnsupportedError: a class that is not supported, with the reason.
        ParameterError: what is not fitted; an output or option that the model has not.

    Example:
        >>> import numpy as np
        >>> class LinearSVC:  # stands in for a fitted one
        ...     __module__ = "sklearn.svm"
        ...     def __init__(self):
        ...         self.coef_, self.intercept_ = np.array([[1.0, -2.0]]), np.array([0.5])
        ...         self.classes_ = np.array(["ham", "spam"])
        >>> from_sklearn(LinearSVC())
        Network input → output scores
          scores  Dense(weight=float64[2, 1], bias=float64[1])  ← input
          explained with: lrp0
          note: the output is > 0 for class 'spam' and < 0 for class 'ham'
    """
    return from_fitted(Fitted.of(estimator), output, reference=reference, **options)


def from_fitted(fitted: Fitted, output: Output = None, *, reference: str = "mean", **options: Any) -> Network:
    """Return an estimator that is held as plain data as a network; see :func:`from_sklearn`.

    Args:
        fitted: of :meth:`Fitted.of`, or as it is read from a file.
        output, reference, options: as of :func:`from_sklearn`.

    Example:
        >>> import numpy as np
        >>> steps = (("scale", Fitted("MaxAbsScaler", {"scale_": np.array([2.0, 4.0])})),
        ...          ("ridge", Fitted("Ridge", {"coef_": np.array([1.0, 3.0]), "intercept_": 0.5})))
        >>> from_fitted(Fitted("Pipeline", {"steps": steps})).forward(np.array([[2.0, 4.0]]))
        array([[4.5]])
    """
    return _network(fitted, How(output, reference, tuple(options.items())))


def supported() -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of scikit-learn that are supported: models, and steps in front of them.

    Example:
        >>> kinds = supported()
        >>> "LinearSVC" in kinds["models"], "StandardScaler" in kinds["steps"]
        (True, True)
    """
    models = {*ESTIMATORS, *HOLDS, *SELECTS, *SEVERAL, "Pipeline"}
    return {"models": tuple(sorted(models)), "steps": tuple(sorted({*STEPS, "FrozenEstimator", "Pipeline"}))}


def _network(fitted: Fitted, how: How) -> Network:
    """Return the network of a model with all that stands before it."""
    before: list[Fitted] = []
    notes: list[str] = []
    while (inner := _inside(fitted, before)) is not None:
        notes += _threshold(fitted)
        fitted = inner
    how = replace(how, output=_by_place(how.output, fitted))
    front = _named([named for one in before for named in layers(one, how.reference)])
    net = _of_several(fitted, how) if fitted.kind in SEVERAL else model(fitted, how)
    net = behind(front, net, features=_first_features([*before, fitted], front))
    net = merged(net, dense=how.reference == "zero")
    _require_finite(net, fitted)
    return behind([], replace(net, notes=(*net.notes, *notes)), notes=_references(net))


def _require_finite(net: Network, fitted: Fitted) -> None:
    """Raise if a score of the model is no finite number whatever the input is."""
    for node in net.nodes:
        for values in node.layer.arrays():
            if values.dtype.kind not in "fiubO" or (
                values.dtype == object and any(isinstance(v, Fitted | Opaque | str) for v in values.flat)
            ):
                raise ParameterError(f"{fitted.kind}: node '{node.name}' would have what is no number")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)]
                raise ParameterError(
                    f"{fitted.kind}: {wrong.size} of the numbers of node '{node.name}' are not finite, such as "
                    f"{wrong[0]}, so that its scores are none"
                )


def _threshold(fitted: Fitted) -> list[str]:
    """Return the note that says where a classifier with a threshold of its own answers otherwise than by the sign."""
    name = THRESHOLDS.get(fitted.kind)
    held = None if name is None else fitted.get(name, "auto")
    if held is None or isinstance(held, str):
        return []
    return [f"{fitted.kind} answers by a threshold of {float(held):.6g} on its own response, not by this sign"]


def _by_place(output: Output, fitted: Fitted) -> Output:
    """Return an output ("pair", i, j) of two names of classes with their places; any other as it is.

    Raises:
        ParameterError: there is no class of a name.
    """
    pair = isinstance(output, tuple | list) and len(output) == 3 and output[0] in ("pair", "logodds")
    if not pair or not any(isinstance(k, str) for k in output[1:]):
        return output
    classes = fitted.get("classes_")
    names = [] if classes is None else [str(c) for c in classes]
    for k in output[1:]:
        if isinstance(k, str) and k not in names:
            if not names:
                raise ParameterError(f"{fitted.kind}: it has no classes_, so {k!r} is none: give numbers")
            raise unknown(f"class of {fitted.kind}", k, names)
    return (output[0], *(names.index(k) if isinstance(k, str) else k for k in output[1:]))


def _named(front: Sequence[Named]) -> list[Named]:
    """Return the layers with scalers that follow each other as one, and each name once: a second one is scaler_2."""
    made: list[Named] = []
    for name, layer in front:
        one = together(made[-1][1], layer, dense=False) if made else None
        if one is None:
            made.append((name, layer))
        else:
            made[-1] = made[-1][0], one
    seen: Counter[str] = Counter()
    for k, (name, layer) in enumerate(made):
        seen[name] += 1
        made[k] = (name if seen[name] == 1 else f"{name}_{seen[name]}", layer)
    return made


def _first_features(parts: Sequence[Fitted], front: Sequence[Named]) -> int | None:
    """Return how many features the first part reads, as far as it tells; one without a layer asks the next."""
    for one in parts:
        many = _features(one)
        if many is not None or (front and one.kind not in IDENTITIES):
            return many
    return None


def _inside(fitted: Fitted, before: list[Fitted]) -> Fitted | None:
    """Return the model that an estimator holds and put what stands in front of it into ``before``; else None."""
    if fitted.get("refit", True) is False and fitted.kind in HOLDS and HOLDS[fitted.kind] not in fitted:
        raise ParameterError(f"{fitted.kind}: with refit=False it keeps no fitted estimator: fit one and pass that")
    if fitted.kind in HOLDS:
        return part(fitted, HOLDS[fitted.kind])
    if fitted.kind in SELECTS:
        before.append(fitted)
        return part(fitted, "estimator_")
    if fitted.kind != "Pipeline":
        return None
    *first, last = _steps(fitted)
    for one in first:
        _spread(one, before)
    if isinstance(last, Opaque):
        raise UnsupportedError(f"a Pipeline that ends in a {last.name} is not supported: that is not of scikit-learn")
    if not isinstance(last, Fitted):
        raise UnsupportedError(f"a Pipeline that ends in {last!r} has features and no score: end it in a model")
    return last


def _steps(pipeline: Fitted) -> list[Any]:
    """Return the estimators of a pipeline, and what else stands in their place."""
    held = pipeline["steps"]
    if not isinstance(held, tuple) or not held or not all(isinstance(s, tuple) and len(s) == 2 for s in held):
        raise ParameterError("Pipeline: its steps are no pairs of a name and an estimator")
    return [one for _, one in held]


def _spread(one: Any, before: list[Fitted]) -> None:
    """Put a step, or those of a pipeline that is a step, behind those before."""
    if one is None or one == "passthrough":
        return
    if isinstance(one, Opaque):
        raise UnsupportedError(
            f"a step of a Pipeline that is a {one.name} is not supported, as it is not of scikit-learn: apply it "
            "yourself and explain what stands behind it"
        )
    if not isinstance(one, Fitted):
        raise UnsupportedError(f"a step of a Pipeline that is {one!r} is not supported: only estimators are")
    if one.kind == "Pipeline":
        for inner in _steps(one):
            _spread(inner, before)
    elif one.kind == "FrozenEstimator":
        _spread(part(one, "estimator"), before)
    else:
        before.append(one)


def _features(fitted: Fitted) -> int | None:
    """Return how many features a step reads, as far as it tells."""
    if fitted.kind == "SelectFromModel":
        return _features(part(fitted, "estimator_" if "estimator_" in fitted else "estimator"))
    if isinstance(words := fitted.get("vocabulary_"), Mapping):
        return len(words)
    many = fitted.get("n_features_in_", fitted.get("n_features"))
    return int(many) if isinstance(many, int | np.integer) else None


def _references(net: Network) -> tuple[str, ...]:
    """Return the note that says what relevance is relative to.

    Distances and kernels compare points, from which a scaler takes the same: only behind a dense layer does it matter.
    """
    names, shared = list[str](), False
    reads = set[str]()
    for node in net.nodes:
        if isinstance(node.layer, Centred):
            names.append(node.name)
            reads.add(node.name)
        elif isinstance(node.layer, Affine) and reads & set(node.inputs):
            reads.add(node.name)
        shared = shared or (isinstance(node.layer, Dense) and bool(reads & set(node.inputs)))
    if not shared:
        return ()
    which = f"node{'s' * (len(names) > 1)} {', '.join(names)}"
    linear = all(isinstance(node.layer, LINEAR) for node in net.nodes)
    how = (
        "R_i = (x − reference)_i w_i of the model's weights w"
        if linear
        else "a dense layer behind it shares by (x − reference)_i w_ij"
    )
    return (f"relevance is relative to the reference of {which}: {how}",)


def _of_several(fitted: Fitted, how: How) -> Network:
    """Return the scores of several models, one for each class or target, side by side.

    Raises:
        UnsupportedError: one of them has several scores of its own.
    """
    held = fitted["estimators_"]
    nets = []
    for one in held:
        if not isinstance(one, Fitted):
            raise ParameterError(f"{fitted.kind}: {one!r} among its estimators_ is no estimator")
        if one.kind == "_ConstantPredictor":
            raise UnsupportedError(
                f"{fitted.kind}: all samples of its fit have one of its labels, or none has, and its model of that one "
                "is a constant: explain the others of its estimators_"
            )
        nets.append(_network(one, How("decision", how.reference, how.options)))
    columns = [_columns(net, fitted) for net in nets]
    if set(columns) != {1}:
        raise UnsupportedError(f"{fitted.kind}: its models have {columns} scores; one of each is supported")
    single = fitted.kind == "OneVsRestClassifier" and len(nets) == 1
    composite = nets[0].composite if len({net.composite for net in nets}) == 1 else COMPOSITE
    kept = tuple(note for note in nets[0].notes if note == LOG)  # others are about the classes of one of them
    if all(len(net) == 1 and isinstance(net.nodes[0].layer, Dense) for net in nets):
        net = linear(*_stacked([net.nodes[0].layer for net in nets]))
    else:
        net = replace(nets[0], notes=()) if len(nets) == 1 else side_by_side(nets, Concat(1), "scores")
    if fitted.kind == "MultiOutputRegressor" or _multilabel(fitted):
        asked(how.output, ("decision",), fitted.kind)
        return replace(net, notes=kept, composite=composite)
    made = told(net, how.output, fitted.kind, columns=len(nets), single=single)
    made = replace(made, notes=kept, composite=composite)
    if isinstance(how.output, tuple | list):
        return made
    classes = fitted.get("classes_", _labels(fitted))
    return of_classes(made, classes, single=single and how.output != "logodds")


def _labels(fitted: Fitted) -> Any:
    """Return the classes that its binarizer has told apart."""
    binarizer = fitted.get("label_binarizer_")
    return binarizer.get("classes_") if isinstance(binarizer, Fitted) else None


def _multilabel(fitted: Fitted) -> bool:
    binarizer = fitted.get("label_binarizer_")
    return isinstance(binarizer, Fitted) and str(binarizer.get("y_type_", "")).startswith("multilabel")


def _columns(net: Network, fitted: Fitted) -> int:
    """Return how many scores a network has."""
    shape = net.inputs[0].shape
    if shape is None or shape[1] is None:
        raise UnsupportedError(f"{fitted.kind}: how many features its models read is not known")
    return int(net.forward(np.zeros((0, shape[1]))).shape[1])


def _stacked(dense: Sequence[Any]) -> tuple[Any, Any]:
    """Return the weights and biases of dense layers side by side."""
    weight = np.concatenate([layer.weight for layer in dense], axis=1)
    zeros = np.zeros(1)
    return weight, np.concatenate([zeros if layer.bias is None else layer.bias for layer in dense])
