"""One call for every method."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from ..base.arrays import Array, namespace
from ..errors import ParameterError, unknown
from ..network.inputs import batch_back
from ..network.network import Network
from ..propagation import composites
from ..propagation.composites import PRESETS, Composite
from ..propagation.explaining import explain, output_place
from ..propagation.targets import class_number
from ..rules.rule import AnyRule
from . import dialects
from .attribution import Attribution
from .method import Made, Method
from .names import METHODS
from .relevance import LRP
from .scored import Progress, Scored


def attribute(
    net: Network,
    x: Any,
    method: Any = "gradient",
    *,
    target: Any = None,
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    progress: Progress | None = None,
    dialect: str | None = None,
    **parameters: Any,
) -> Attribution:
    """Explain the outputs of a network by a method that is set beside LRP, or by LRP itself.

    What is explained is the score f(x) = f_t(x), the target's logit; with several targets their sum, with ``against``
    the difference f_t − f_a. Steps of paths, draws of noise and windows are computed as many at a time as an
    explanation of the batch takes memory for.

    Args:
        net: the network.
        x: inputs as :func:`lrp_ref.explain` takes them; float64 in, float64 out; float32 in, float32 out.
        method: a name of ``lrp.methods.METHODS``, which takes the method's parameters; a ``Method``; or LRP by the name
            of a preset, which takes the preset's parameters, a ``Composite`` or a rule.
        target: as of :func:`lrp_ref.explain`: index of the output to explain, one per sample, or None for each sample's
            largest.
        start: "logit" looks below a final sigmoid or softmax, "output" at the output as it is. LRP takes every start.
        against: the output that is subtracted from the target; of LRP it belongs to start="difference".
        output: which output to explain, where the network has several; the first by default.
        canonize: merge BatchNorm first; False explains the network as it is.
        xp: array module to compute on ("numpy", "cupy"); None for that of ``x``.
        progress: is called after every block with how many variants of samples are done, and how many there are.
        dialect: another program, a name of ``lrp.methods.DIALECTS``, with whose parameters the method is taken where
            none are given here.
        parameters: of the method.

    Raises:
        ParameterError: an unknown method or dialect (the nearest is suggested), or a parameter that it does not take.
        LrpError: whatever the method raises.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))])
        >>> lrp.attribute(net, np.array([[3.0, 1.0]]), "gradient_x_input")
        Attribution(GradientTimesInput(), logit, target [[0]]: relevance (1, 2), sum 5, completeness within 5.0e-01)
    """
    Network.required(net, "attribute")
    named = net.classes if output_place(net, output) == 0 else ()
    target, against = class_number(target, named), class_number(against, named, "against")
    chosen = find(method, parameters, dialect)
    if isinstance(chosen, LRP):
        e = explain(
            net, x, target=target, composite=chosen.resolved(net), start=start, against=against, output=output,
            canonize=canonize, xp=xp,
        )  # fmt: skip
        return chosen.attribution(e)
    scored = Scored.of(
        net, x, target=target, start=start, against=against, output=output, canonize=canonize, xp=xp, progress=progress
    )  # fmt: skip
    return _as_given(scored, chosen, chosen.run(scored), net)


def find(method: Any, parameters: dict[str, Any] | None = None, dialect: str | None = None) -> Method:
    """Return the method for its name, a composite or a rule; a :class:`Method` stays what it is.

    Args:
        method: in any form that :func:`attribute` takes.
        parameters: of a method that is given by name; those that are None are left out.
        dialect: the program whose parameters it has but for these.

    Raises:
        ParameterError: a name that is not known, or parameters that the method does not take.

    Example:
        >>> find("sensitivity", {"power": 1}), find("epsilon_plus")
        (Sensitivity(power=1), LRP(composite='epsilon_plus', parameters=()))
    """
    given = dict(parameters or {})
    if isinstance(method, str) and method in METHODS:
        kind = METHODS[method]
        like_another = None if dialect is None else dialects.spoken(method, dialect)
        known = [f.name for f in dataclasses.fields(kind) if f.init]
        for key in given:
            if key not in known:
                own = [p.name for p in inspect.signature(attribute).parameters.values() if p.kind is p.KEYWORD_ONLY]
                raise unknown(f"parameter of method '{method}'", key, [*known, *own])
        return kind(**given) if like_another is None else like_another.with_parameters(**given)
    if isinstance(method, str) and method not in PRESETS:
        raise unknown("method", method, [*METHODS, *PRESETS])
    given = {key: value for key, value in given.items() if value is not None}  # as of explain: None is not given
    if dialect is not None:
        raise ParameterError(
            f"dialect='{dialect}' says how a program computes a method of lrp.methods.METHODS, and {method!r} is the "
            "name of none: leave dialect out"
        )
    if isinstance(method, str | Composite | AnyRule | list):
        found = composites.resolve(method, given, caller=attribute)
        return LRP(method, tuple(given.items())) if isinstance(method, str) else LRP(found)
    if not isinstance(method, Method):
        raise ParameterError(f"{method!r} is no method: give a name of lrp.methods.METHODS, a Method, or a composite")
    if given:
        raise ParameterError(f"{next(iter(given))}= is a parameter of {method!r}: write it there")
    return method


def _as_given(scored: Scored, method: Method, made: Made, net: Network) -> Attribution:
    """Return what a method made, in the layout of the network's arrays."""
    place = scored.question.output
    axis = net.output_axes[place] if net.output_axes else 0
    laid = {i.name: i.batch_axis for i in net.inputs}
    places = {name: laid.get(name, 0) for name in made.relevance}  # a value inside the network has its batch in front
    parts = {name: batch_back(made.relevance[name], batch) for name, batch in places.items()}
    inputs = len(net.inputs) > 1 and all(name in laid for name in parts)
    none = _nothing(scored) if made.explained is None else made.explained
    return Attribution(
        output=batch_back(scored.output, axis),
        relevance=parts if inputs else next(iter(parts.values())),
        method=method,
        explained=none,
        target=scored.target,
        against=scored.against,
        start=str(scored.question.start),
        found=made.found,
        head=scored.prepared.head,
        notes=(*scored.prepared.notes(scored.fed), *made.notes),
        probability=None if scored.probability is None else batch_back(scored.probability, axis),
        output_axis=axis,
        relevance_axes=tuple(places.values()),
        at=next((name for name in places if name not in laid), ""),
    )


def _nothing(scored: Scored) -> Array:
    """Return NaN for every sample: a sum that nobody promised."""
    out = scored.output
    dtype = out.dtype if out.dtype.kind == "f" else float
    return namespace(out).zeros(len(out), dtype=dtype) + float("nan")
