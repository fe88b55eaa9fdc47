"""Support vector machines and kernel ridge regression, as scikit-learn fits them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ...errors import UnsupportedError, unknown
from ...network.network import Network
from ..chain import behind
from ..fitted import Fitted, Opaque
from ..scores import of_classes
from ..svc import svc as as_network
from .table import estimator

MOST = 12  # pairs of classes that a note names
KERNELS = ("linear", "poly", "rbf", "sigmoid")
# Names of scikit-learn's pairwise kernels, where "chi2" is the exponential of the sum that others call so.
PAIRWISE = {name: name for name in (*KERNELS, "laplacian", "cosine", "additive_chi2")} | {
    "polynomial": "poly",
    "chi2": "chi2_rbf",
}


@estimator("NuSVC", "SVC")
def svc(
    fitted: Fitted, output: Any = None, *, rule: str = "midpoint", intercept: bool = True, towards: Any = None,
    way: str | None = None,
) -> Network:  # fmt: skip
    """Return an SVC or NuSVC as a network: by default its decision, of more than two classes the margin of each.

    Args:
        fitted: its attributes.
        output: as in :func:`lrp_ref.neuralise.svc`; classes are places in ``classes_``. "decision" is the
            estimator's ``decision_function`` where that is a sum of kernels: of two classes, and of more with
            ``decision_function_shape="ovo"``.
        rule, intercept, towards, way: as there.

    Raises:
        ParameterError: not fitted, a class that does not exist, or parameters out of their range.
        UnsupportedError: a kernel that is a function or a table; votes.
    """
    counts = np.asarray(_first(fitted, "_n_support", "n_support_"))
    several = len(counts) > 2
    if output is None:
        output = "margin" if several else "decision"
    if output == "decision" and several:
        if fitted.get("decision_function_shape", "ovr") == "ovr":
            raise UnsupportedError(
                f"{fitted.kind}: its decision_function of {len(counts)} classes ('ovr') counts votes of pairs, which "
                "is no sum of kernels: give output='margin', 'pairs' or ('pair', i, j)"
            )
        output = "pairs"
    options = {"rule": rule, "intercept": intercept, "towards": towards, "way": way}
    net = _machine(fitted, output, counts if several else None, **options)
    classes = fitted.get("classes_")
    if output == "pairs":
        return behind([], net, notes=_pairs(classes))
    signed = output != "logodds" or intercept  # without it u says nothing about the class
    single = output != "margin" and not several
    return of_classes(net, classes, single=single) if signed and isinstance(output, str) else net


def _pairs(classes: Any) -> tuple[str, ...]:
    """Return the note that says of which two classes each column is."""
    if classes is None:
        return ()
    found = [c.item() if hasattr(c, "item") else c for c in classes]
    pairs = list(combinations(found, 2))
    more = ", ..." if len(pairs) > MOST else ""
    return (f"each output is > 0 for the first of two classes: {', '.join(map(repr, pairs[:MOST]))}{more}",)


@estimator("NuSVR", "SVR")
def svr(fitted: Fitted, output: Any = None, *, towards: Any = None, way: str | None = None) -> Network:
    """Return an SVR or NuSVR as a network: what it predicts.

    A kernel that is no sum over features is explained from where the prediction is 0, and support vectors may well
    all be on one side of that: ``towards`` gives points on the other.

    Args:
        fitted: its attributes.
        output: "decision" or None.
        towards, way: as in :func:`lrp_ref.neuralise.svc`.

    Raises:
        ParameterError: not fitted, another output, or parameters out of their range.
        UnsupportedError: a kernel that is a function or a table.
    """
    return _machine(fitted, _prediction(fitted, output), None, towards=towards, way=way)


@estimator("KernelRidge")
def kernel_ridge(fitted: Fitted, output: Any = None, *, towards: Any = None, way: str | None = None) -> Network:
    """Return a KernelRidge as a network: what it predicts, a column for each target.

    Args:
        fitted, output, towards, way: as in :func:`svr`.

    Raises:
        ParameterError, UnsupportedError: as there.
    """
    kernel = _kernel(fitted, PAIRWISE)
    points, coefficients = _dense(fitted["X_fit_"]), _dense(fitted["dual_coef_"])
    gamma = fitted.get("gamma")
    if gamma is None:
        gamma = 1.0 / points.shape[1]  # scikit-learn's default
    return as_network(
        points, coefficients, kernel=kernel, gamma=gamma, degree=fitted.get("degree", 3),
        coef0=fitted.get("coef0", 1), output=_prediction(fitted, output),
        towards=towards, way=way,
    )  # fmt: skip


def _machine(fitted: Fitted, output: Any, counts: Any, **options: Any) -> Network:
    kernel = _kernel(fitted, {name: name for name in KERNELS})
    return as_network(
        _dense(fitted["support_vectors_"]),
        _dense(fitted["dual_coef_"]),
        np.asarray(fitted["intercept_"], dtype=float),
        kernel=kernel,
        gamma=_gamma(fitted) if kernel != "linear" else None,
        degree=fitted.get("degree", 3),
        coef0=fitted.get("coef0", 0.0),
        n_support=counts,
        output=output,
        **options,
    )


def _first(fitted: Fitted, *names: str) -> Any:
    """Return the first of these attributes that there is; the names are of different versions."""
    return fitted[next((name for name in names if name in fitted), names[-1])]


def _gamma(fitted: Fitted) -> float:
    """Return γ as it was fitted: the parameter may say "scale", or may have been set to another number since."""
    gamma = fitted.get("gamma")
    return float(fitted["_gamma"] if "_gamma" in fitted or isinstance(gamma, str) or gamma is None else gamma)


def _kernel(fitted: Fitted, known: dict[str, str]) -> str:
    kernel = fitted.get("kernel", "rbf")
    advice = "pass its support vectors or points to lrp.neuralise.svc(support_vectors, coefficients, bias, kernel=…)"
    if isinstance(kernel, str) and kernel == "precomputed":
        raise UnsupportedError(f"{fitted.kind}: its kernel is precomputed, so its points are not in it: {advice}")
    if isinstance(kernel, Opaque | Fitted) or callable(kernel):
        name = getattr(kernel, "name", None) or getattr(kernel, "kind", None) or getattr(kernel, "__qualname__", "")
        raise UnsupportedError(f"{fitted.kind}: its kernel is a function, {name}, whose formula is not known: {advice}")
    if kernel not in known:
        raise unknown(f"kernel of {fitted.kind}", str(kernel), known)
    return known[kernel]


def _prediction(fitted: Fitted, output: Any) -> str:
    if output not in (None, "decision"):
        raise UnsupportedError(f"{fitted.kind} predicts numbers, and has no output {output!r}: give output='decision'")
    return "decision"


def _dense(values: Any) -> Any:
    """Return an array of floats, of a sparse one the whole."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=float)
