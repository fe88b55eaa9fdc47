"""Verification: compute a certificate anew, and accept or refuse it, and a heatmap that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base import tables
from ..base.tables import number
from ..errors import ParameterError, ShapeError
from ..network.inputs import batch_back, batch_first
from ..network.network import Network
from .enclosure import Enclosure
from .hashes import array_hash, network_hash
from .make import certify, in_float64
from .rows import at
from .value import ROOM, Certificate


@dataclass(frozen=True)
class Check:
    """One thing that was compared.

    Attributes:
        what: it is.
        found: in words.
        holds: whether it agrees.
    """

    what: str
    found: str
    holds: bool


@dataclass(frozen=True, repr=False)
class Verification:
    """The outcome of :func:`verify`.

    Attributes:
        checks: in the order in which they were made; after a hash that differs nothing more is.
    """

    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Whether every check holds."""
        return all(c.holds for c in self.checks)

    def __repr__(self) -> str:
        bad = [f"{c.what}: {c.found}" for c in self.checks if not c.holds]
        return f"refused: {'; '.join(bad)}" if bad else f"accepted: {len(self.checks)} checks hold"

    def cells(self) -> list[list[str]]:
        """Return the rows of the table."""
        return [[c.what, c.found, "holds" if c.holds else "REFUSED"] for c in self.checks]

    def _repr_html_(self) -> str:
        return tables.html(("check", "found", ""), self.cells(), title=repr(self))


def verify(
    certificate: Certificate, net: Network, x: Any, *, heatmap: Any = None, ulp: float | None = None,
    model_hash: str | None = None, composite: Any = None, system: str = "auto", say: Any = None,
) -> Verification:  # fmt: skip
    """Recompute a certificate from model and input, and compare; nothing that it says is believed.

    Formula: a heatmap is accepted if abs(heatmap − true) ≤ t ulp of the largest abs(R) of its sample, everywhere.

    Args:
        certificate: the one to verify.
        net, x: model and input.
        heatmap: relevance of the input from anywhere, with its shape, or a dict by name.
        ulp: t; by default 4 times the bound that is found anew, at least 8, for another order of summation.
        model_hash: of the model's file; by default that of the network in memory.
        composite: needed where the certificate's is no preset.
        system, say: as in :func:`lrp_ref.exact.certify`.

    Raises:
        ParameterError: no composite, where one is needed.
        ShapeError: a heatmap of another shape.

    Example:
        >>> from ..layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[0.1], [0.7]]))]), np.array([[0.3, 0.4]])
        >>> made = certify(net, x, composite="lrp0")
        >>> verify(made, net, x, heatmap=np.array([[0.03, 0.28]]))
        accepted: 8 checks hold
        >>> verify(made, net, x, heatmap=np.array([[0.03, 0.2801]])).accepted
        False
    """
    request = certificate.request
    if not request.preset and composite is None:
        raise ParameterError(f"the composite {request.composite} is no preset: give it as composite=")
    places = {i.name: i.batch_axis for i in net.inputs}
    net, fed = in_float64(net, x)
    found = model_hash or network_hash(net)
    same = {k: array_hash(a) for k, a in fed.items()}
    checks = [_same("model", certificate.hashes.model, found), _same("input", dict(certificate.hashes.inputs), same)]
    if not all(c.holds for c in checks):
        return Verification(tuple(checks))
    fresh = certify(
        net, fed, target=None if request.chosen else request.target, composite=composite or request.composite,
        start=request.start, output=request.output, canonize=request.canonize, system=system, model_hash=found, say=say,
        **_parameters(request.parameters, own=composite is None),
    )  # fmt: skip
    checks += [
        _verdict(certificate, fresh),
        _same("explained output", request.target, fresh.request.target),
        _same("rules", [(n.node, n.rule) for n in certificate.nodes], [(n.node, n.rule) for n in fresh.nodes]),
        _same("true relevance", dict(certificate.hashes.truth), dict(fresh.hashes.truth)),
        _bounds(certificate, fresh),
    ]
    if heatmap is not None:
        parts = _named(heatmap, fresh)
        checks += [_inside(name, part, fresh, ulp, places.get(name, 0)) for name, part in parts.items()]
    return Verification(tuple(checks))


def _parameters(found: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    """Return the parameters of the certificate's composite; of another one only ``bias``, which all take."""
    return {k: np.array(v) if isinstance(v, list) else v for k, v in found.items() if own or k == "bias"}


def _same(what: str, stated: Any, found: Any) -> Check:
    if stated == found:
        return Check(what, "the same", True)
    if isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        stated, found = next((a, b) for a, b in zip(stated, found, strict=True) if a != b)
    return Check(what, f"the certificate says {_short(stated)}, found {_short(found)}", False)


def _short(value: Any) -> str:
    text = ", ".join(value.values()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _bounds(certificate: Certificate, fresh: Certificate) -> Check:
    """Whether no stated bound is below what is found here, up to the rounding of another machine."""
    for stated, found in zip(certificate.nodes, fresh.nodes, strict=False):
        for kind in ("value_ulp", "relevance_ulp"):
            says, is_ = getattr(stated, kind), getattr(found, kind)
            if not is_ <= ROOM * says + 1:
                return Check("bounds", f"{kind} of '{found.node}' is {number(is_)}, stated as {number(says)}", False)
    return Check("bounds", "not understated", True)


def _verdict(certificate: Certificate, fresh: Certificate) -> Check:
    """Whether the verdict is the same, and is one to rely on."""
    same = _same("verdict", certificate.verdict, fresh.verdict)
    return same if fresh.certified or not same.holds else Check("verdict", fresh.verdict, False)


def _named(heatmap: Any, fresh: Certificate) -> dict[str, Any]:
    if fresh.truth is None:
        return {"": heatmap}
    parts = dict(heatmap) if isinstance(heatmap, Mapping) else {next(iter(fresh.truth)): heatmap}
    if set(parts) != set(fresh.truth):
        raise ShapeError(f"heatmaps are of {', '.join(parts)}; the inputs with relevance are {', '.join(fresh.truth)}")
    return parts


def _inside(name: str, heatmap: Any, fresh: Certificate, ulp: float | None, axis: int | None) -> Check:
    """Whether a heatmap is close enough to the truth; it has its batch at ``axis``."""
    if fresh.truth is None:
        return Check("heatmap", "its true values are not known", False)
    true: Enclosure = fresh.truth[name]
    given, shape = np.asarray(heatmap), batch_back(true.midpoint, axis).shape
    if given.shape != shape:
        raise ShapeError(f"the heatmap of '{name}' has shape {given.shape}, the input {shape}")
    given = batch_first(given, axis)
    allowed = fresh.allowed(name) if ulp is None else ulp
    # The subtraction rounds by half an ulp of itself at most; the next float above covers it.
    off = np.nextafter(np.abs(given.astype(np.float64) - true.midpoint), np.inf) + true.radius
    ratio = np.where(np.isfinite(off), off, np.inf) / true.ulp
    unit = tuple(int(k) for k in np.unravel_index(int(ratio.argmax()), ratio.shape)) if ratio.size else ()
    worst = float(ratio.max(initial=0.0))
    what = f"heatmap of '{name}'"
    hint = "; it is float32, whose ulp is 2^29 of these" if given.dtype == np.float32 and worst > allowed else ""
    return Check(what, f"off by {number(worst)} ulp at ({at(unit)}), allowed {number(allowed)}{hint}", worst <= allowed)
