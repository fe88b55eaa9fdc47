"""What a store says of its job, and which arrays it has: found by explaining one sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ModelFormatError, NonFiniteError
from ..propagation.composites import Composite
from ..propagation.start import STARTS, Difference, Start
from .environment import on_device, threads_of_blas
from .explaining import Shapes, floats
from .labels import Labels
from .layout import LEDGER, ArraySpec, Layout, spec
from .stated import FORMAT

if TYPE_CHECKING:
    from .jobs import Job


def probe(job: Job) -> tuple[Layout, dict[str, Any]]:
    """Return the arrays of a job's store, and what their axes are called, by explaining one sample.

    Raises:
        LrpError: what is wrong with the question, for every sample.
    """
    n, labels = job.source.samples, job.target if isinstance(job.target, Labels) else None
    with threads_of_blas(job.threads), on_device(job.xp), np.errstate(all="ignore"):
        found = _shapes(job, None if labels is None else labels.load()[:1])
    if labels is not None:
        labels.check(n, found.outputs)
    sidecar, net = job.model.read_sidecar(), job.model.load()
    classes = list((sidecar.classes if sidecar else ()) or net.classes)
    if classes and len(classes) != found.outputs:
        raise ModelFormatError(
            f"{len(classes)} classes of {job.model.name} are named, and the output has {found.outputs} numbers: give "
            "it a sidecar without 'classes'"
        )
    arrays: tuple[ArraySpec, ...] = tuple(spec(k, n, a.shape[1:], str(a.dtype)) for k, a in found.kept.items())
    names = {"nodes": list(found.nodes), "node_rules": list(found.rules), "ledger": list(LEDGER)}
    return Layout(arrays, n, job.batch, job.chunk), names | {
        "classes": classes, "inputs": list(found.maps), "shapes": list(found.maps.values())
    }  # fmt: skip


def _shapes(job: Job, targets: NDArray[np.int64] | None) -> Shapes:
    """Explain zeros or, of a network that cannot take them, the first sample that it can."""
    net = job.network()
    question = job.question(net)

    def shapes(x: dict[str, NDArray[Any]]) -> Shapes:
        return question.shapes(net, {k: floats(a, job.compute) for k, a in x.items()}, targets)

    try:
        return shapes(job.source.zeros())
    except NonFiniteError:
        for k in range(min(job.source.samples, job.batch)):
            try:
                read = job.source.read(k, k + 1)
                if not read.refused:
                    return shapes(read.x)
            except LrpError:
                continue
        raise


def attributes(job: Job) -> dict[str, Any]:
    """Return everything that is needed to do a job again, as JSON can hold it; no path with folders."""
    target = "largest" if job.target is None else job.target
    if isinstance(job.target, Labels):
        target = {"labels_sha256": job.target.sha256}
    found = {
        "format": FORMAT,
        "model": job.model.name,
        "model_sha256": job.model.sha256,
        "network_sha256": job.model.network,
        "model_output": job.model.output or "the first",
        "input": job.source.attributes(),
        "samples": job.source.samples,
        "composite": job.composite.name,
        "rules": told(job.composite),
        "target": target,
        "start": start_name(job.start),
        "against": job.start.against if isinstance(job.start, Difference) else None,
        "canonize": job.canonize,
        "batch": job.batch,
        "together": job.together,
        "dtype": job.dtype,
        "compute": job.compute,
        "reduce": job.reduce,
        "at": list(job.at),
        "threads": job.threads,
        "xp": job.xp,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))  # a tuple is a list, as in a store that is read
    return plain


def told(composite: Composite) -> str:
    """Return the rules of a composite as text, with all their numbers."""
    whole_numbers = composite.map_arrays(lambda array: tuple(np.asarray(array).ravel().tolist()))
    return repr(whole_numbers)


def start_name(start: Start) -> str:
    """Return the name of a start, or all of it where it has a value.

    Example:
        >>> from lrp_ref.propagation.start import Reference
        >>> start_name(STARTS["logit"]), start_name(Difference(3)), start_name(Reference(2.5))
        ('logit', 'difference', 'Reference(value=2.5)')
    """
    if isinstance(start, Difference):
        return "difference"
    return next((name for name, one in STARTS.items() if one == start), repr(start))
