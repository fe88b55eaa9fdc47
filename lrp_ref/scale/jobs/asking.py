"""What is asked of every sample of a data set: the arguments of a job, checked, and the job that they make."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.frozen import whole
from ...errors import ParameterError, unknown
from ...loaders.preprocess import Sidecar
from ...network.network import Network
from ...propagation import composites
from ...propagation import start as starts
from ...propagation.start import Difference, Start
from ...propagation.targets import class_number, is_tuple
from ..sources import Source, source
from .describing import BATCH
from .environment import require_known
from .job import Job
from .labels import Labels
from .models import ModelFile
from .reduction import DTYPES, Reduction

EACH = "a target for each sample comes from a file, lrp.scale.Labels.of('targets.npy')"


def job(
    model: str | Path | ModelFile,
    data: str | Path | Source,
    *,
    composite: Any = None,
    target: Any = None,
    start: Any = "logit",
    against: Any = None,
    batch: int = BATCH,
    together: int = 1,
    dtype: str | None = None,
    reduce: str = "none",
    at: Sequence[str] = (),
    threads: int = 1,
    xp: str = "numpy",
    canonize: bool = True,
    **parameters: Any,
) -> Job:
    """Return a job: the question that is asked of every sample of a data set.

    Args:
        model: file of the network, or a :class:`ModelFile` where one of its inner values is explained, or its sidecar
            lies elsewhere.
        data: the samples, on axis 0 whatever the layout of the model: a file or folder, as of
            :func:`lrp_ref.scale.sources.source`, or a :class:`Source`.
        composite, parameters: as of :func:`lrp_ref.explain`.
        target: what is explained of every sample: None for its largest output, the number or the name of a class, a
            tuple (c, h, w) for a unit of a map, ((a, b),) for a sum of outputs; :class:`Labels` for a target of each.
        start, against: as of :func:`lrp_ref.explain`, but no array.
        batch: samples that are explained together. It changes the last digits of the results.
        together: batches of a chunk, the unit of work: for chunks of half a second or more, beside which the writing
            costs little.
        dtype: of the relevance that is kept, "float16", "float32" or "float64", which is also computed with; None for
            float64 where the samples or the network are, else float32. Of float16 is computed with float32.
        reduce: what is kept of a map: "none" for all of it, "channels" for their sum, "top-K" for the K strongest
            numbers and their places.
        at: names of values whose channels' relevance is kept: its sum, its largest number, and where that is.
        threads: of the BLAS in each process; they change the last digits too.
        xp: "numpy" or "cupy".
        canonize: as of :func:`lrp_ref.explain`.

    Raises:
        LrpError: a model or data that cannot be used, or a parameter out of its range; what is wrong with the question
            as a whole is said by :meth:`Job.probe`, before a store is made.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), place / "net.npz")
        ...     np.save(place / "x.npy", np.ones((10, 3)))
        ...     made = job(place / "net.npz", place / "x.npy", composite="lrp0", target=1, batch=4)
        ...     made, lrp.scale.run(made, place / "out").store["relevance"].sum()
        (Job(net.npz, 10 samples of x.npy in 3 chunks of 4, composite lrp0, target 1, start logit, dtype float64,
        reduce none), np.float64(30.0))
    """
    file = model if isinstance(model, ModelFile) else ModelFile.of(model)
    net, sidecar = file.load(), file.read_sidecar()
    chosen = composites.resolve(composites.usual(net) if composite is None else composite, parameters, caller=job)
    if dtype is not None and dtype not in DTYPES:
        raise unknown("dtype", str(dtype), DTYPES)
    require_known(xp)
    classes = (sidecar.classes if sidecar else ()) or net.classes
    begin = _start(start, against, classes)
    wanted = _target(target, classes, begin)
    kept = names("at", at)
    Reduction(reduce)
    sizes = [whole(what, n, 1) for what, n in (("batch", batch), ("together", together), ("threads", threads))]
    given = _source(data, net, sidecar, dtype)
    if not given.samples:
        raise ParameterError(f"{given.attributes().get('name', 'the data set')} has no samples: nothing to explain")
    wide = str(net.dtype) == "float64" or any(a.dtype == np.float64 for a in given.zeros().values())
    compute = "float64" if dtype == "float64" or (dtype is None and wide) else "float32"
    if isinstance(wanted, Labels):
        wanted.check(given.samples)
    return Job(file, given, chosen, wanted, begin, sizes[0], sizes[1], dtype or compute, compute, reduce, kept,
               sizes[2], xp, canonize)  # fmt: skip


def _source(data: str | Path | Source, net: Network, sidecar: Sidecar | None, dtype: str | None) -> Source:
    """Return the samples, by their whole path: a worker may stand in another folder."""
    if not isinstance(data, str | Path):
        return data
    return source(Path(data).absolute(), net, sidecar, dtype="float64" if dtype == "float64" else None)


def _start(given: Any, against: Any, classes: Sequence[str]) -> Start:
    """Return the start relevance of a job.

    Raises:
        ParameterError: a name that is not known, an array, or an output to set against that is not one.

    Example:
        >>> _start("difference", "cat", ("dog", "cat"))
        Difference(against=1)
    """
    other = None if against is None else output("against", class_number(against, classes, "against"))
    found = starts.find(given, other)
    if not isinstance(found, Start):
        raise ParameterError(f"start is {type(given).__name__}: a job takes a name or a value of lrp.start")
    if isinstance(found, Difference):
        return Difference(output("against", found.against))
    return found


def _target(given: Any, classes: Sequence[str], begin: Start) -> Any:
    """Return what is explained of every sample.

    Raises:
        ParameterError: a class that is not known, or no output.

    Example:
        >>> _target("cat", ("dog", "cat"), starts.STARTS["logit"])
        1
    """
    if given is None or isinstance(given, Labels):
        return given
    found = output("target", class_number(given, classes))
    if isinstance(begin, Difference) and begin.against == found:
        raise ParameterError(f"target and against are both {found}: give two different outputs")
    return found


def output(what: str, given: Any) -> Any:
    """Return one output, a unit (c, h, w) of a map or a sum ((a, b),) of outputs, in numbers of Python.

    Raises:
        ParameterError: what it is, and that it is none of these.

    Example:
        >>> output("target", (1, 0, 2)), output("target", ((3, 9),))
        ((1, 0, 2), ((3, 9),))
    """
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        return int(given)
    if is_tuple(given) and given:
        return tuple(_index(what, k) for k in given)
    if isinstance(given, tuple) and len(given) == 1 and len(given[0]):
        return (tuple(_index(what, k) for k in given[0]),)
    raise ParameterError(f"{what} is {type(given).__name__}: give the number or name of one output; {EACH}")


def _index(what: str, given: Any) -> int:
    if not isinstance(given, numbers.Integral) or isinstance(given, bool):
        raise ParameterError(f"{what}: {given!r} is no whole number")
    return int(given)


def names(what: str, given: Any) -> tuple[str, ...]:
    """Return names of values, each once.

    Raises:
        ParameterError: one that is given twice, or a text in the place of a list.

    Example:
        >>> names("at", ["conv1", "fc"])
        ('conv1', 'fc')
    """
    if isinstance(given, str):
        raise ParameterError(f"{what} is {given!r}: give a list of names, [{given!r}]")
    found = tuple(map(str, given))
    for name in found:
        if found.count(name) > 1:
            raise ParameterError(f"{what}: '{name}' is given twice")
    return found
