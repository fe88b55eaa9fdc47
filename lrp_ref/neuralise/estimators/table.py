"""The table of scikit-learn's classes: who makes a network of an estimator, and why there is none of the others.

To add a class, write a function of a :class:`Fitted` under ``@estimator("ClassName")`` (a model: it returns a network)
or ``@step("ClassName")`` (what stands before a model: it returns layers) in a file of this folder.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ...errors import LrpError, ParameterError, UnsupportedError, nearest, unknown
from ...network.network import Network
from ..chain import Named
from ..fitted import Fitted
from ..scores import Output

Model = Callable[..., Network]
Step = Callable[..., Sequence[Named]]
M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=Step)
REFERENCES = ("mean", "zero")

ESTIMATORS: dict[str, Entry] = {}
STEPS: dict[str, Step] = {}
REFUSED: dict[str, str] = {}


@dataclass(frozen=True)
class Entry:
    """Who makes the network of a model: (fitted, output, **options), and which options there are."""

    make: Model
    options: tuple[str, ...]


@dataclass(frozen=True)
class How:
    """What is asked of all parts of a model.

    Attributes:
        output: of the model; None for its usual one.
        reference: what relevance is relative to where features are shifted: "mean" (or what else the scaler takes
            away), or "zero".
        options: of the model alone.
    """

    output: Output = None
    reference: str = "mean"
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.output, str | tuple | list | None):
            raise ParameterError(f"output must be a name or ('pair', i, j), got a {type(self.output).__name__}")
        if not isinstance(self.reference, str) or self.reference not in REFERENCES:
            raise unknown("reference", str(self.reference), REFERENCES)


def estimator(*names: str) -> Callable[[M], M]:
    """Enter a function (fitted, output, **options) → Network for models of these classes.

    Its options are its parameters that can only be named. ``reference`` is handed to those that have it, and is an
    option of every model.
    """

    def enter(function: M) -> M:
        found = inspect.signature(function).parameters.values()
        options = tuple(p.name for p in found if p.kind is p.KEYWORD_ONLY)
        ESTIMATORS.update(dict.fromkeys(names, Entry(function, options)))
        return function

    return enter


def step(*names: str) -> Callable[[S], S]:
    """Enter a function (fitted, reference) → named layers for transformers of these classes."""

    def enter(function: S) -> S:
        STEPS.update(dict.fromkeys(names, function))
        return function

    return enter


def model(fitted: Fitted, how: How) -> Network:
    """Return the network of a fitted model.

    Raises:
        UnsupportedError: a class that is not supported, with the reason and with what is.
        ParameterError: an option that the model has not; what was never fitted.
    """
    entry = ESTIMATORS.get(fitted.kind)
    if entry is None:
        if fitted.kind in STEPS:
            raise UnsupportedError(
                f"{fitted.kind} computes features and no score: put it into a Pipeline, in front of a model"
            )
        raise refusal(fitted.kind)
    options = dict(how.options)
    for name in options:
        if name not in entry.options:
            raise unknown(f"option of {fitted.kind}", name, {*entry.options, "reference"})
    if "reference" in entry.options:
        options["reference"] = how.reference
    try:
        return entry.make(fitted, how.output, **options)
    except LrpError as error:  # what only knows arrays cannot say whose they are
        if fitted.kind in str(error):
            raise
        raise type(error)(f"{fitted.kind}: {error}") from error


def layers(fitted: Fitted, reference: str) -> Sequence[Named]:
    """Return the layers of a fitted transformer; errors as of :func:`model`."""
    make = STEPS.get(fitted.kind)
    if make is None:
        if fitted.kind in ESTIMATORS:
            raise UnsupportedError(f"{fitted.kind} in front of another model is not supported: only as the last step")
        raise refusal(fitted.kind, front=True)
    return make(fitted, reference)


def refusal(kind: str, *, front: bool = False) -> UnsupportedError:
    """Return the error for a class that is not supported: why, and what is."""
    table = STEPS if front else ESTIMATORS
    if kind in REFUSED:
        return UnsupportedError(f"{kind} is not supported: {REFUSED[kind]}")
    near = nearest(kind, table, most=3)
    hint = f"; supported classes with names like it: {', '.join(near)}" if near else ""
    kinds = "steps of a pipeline" if front else "models"
    return UnsupportedError(
        f"{kind} is not supported{hint}; lrp.neuralise.supported() lists the {len(table)} {kinds} that are"
    )


def refuse(reason: str, *names: str) -> None:
    """Enter the reason why classes are not supported."""
    REFUSED.update(dict.fromkeys(names, reason))


def part(fitted: Fitted, name: str) -> Fitted:
    """Return an estimator in an estimator.

    Raises:
        ParameterError: it is not there, or is none.
    """
    inner = fitted[name]
    if not isinstance(inner, Fitted):
        raise ParameterError(f"{fitted.kind}: its {name} is no estimator, but {inner!r}")
    return inner
