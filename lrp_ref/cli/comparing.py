"""What ``lrp-ref compare`` and ``lrp-ref evaluate`` have in common: methods on samples, and the report on them."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..base.arrays import to_numpy
from ..base.files import replace_file
from ..errors import LrpError, ParameterError, ShapeError
from ..evaluate import Curve, Measure, Report, report
from ..evaluate.reporting import USUAL, USUAL_MASKED
from ..exact import network_hash
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..methods import Attribution, Method
from ..methods import attribute as attribute_network
from ..network.canonization import canonized
from ..network.network import Network
from ..propagation.composites import PRESETS
from .asked import apart, make_measures, make_methods, method_options, parameters
from .objects import Objects, objects, require
from .options import FILE, architecture_option, class_names, find_target, load_network, output_option
from .output import Progress, print_table, warn
from .samples import Refused, grouped
from .together import OBJECTS, Together, read

F = TypeVar("F", bound=Callable[..., Any])
METHODS = ("gradient_x_input", "integrated_gradients", "smoothgrad", "guided_backprop", "occlusion", "epsilon_plus")
METHODS_HELP = "Methods, with commas between them; composites are LRP. 'lrp-ref methods' lists them."
MEASURES_HELP = (
    "Measures, with commas between them. Default: the usual ones, and with masks the usual ones that need masks. "
    "'lrp-ref measures' lists them."
)
MASKS_HELP = (
    "Where the objects are: .npy or .npz (masks, boxes), a picture for one input, or a folder of pictures with the "
    "names of the inputs."
)


def comparing_options(command: F) -> F:
    """Add what both commands take."""
    start = click.Choice(["logit", "output"])
    for option in (
        click.option("--float64", is_flag=True, help="Compute in float64."),
        click.option("--sidecar", type=FILE, help="JSON file of input and classes. Default: beside the model."),
        architecture_option,
        output_option,
        click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the random map."),
        click.option("--start", default="logit", show_default=True, type=start, help="What is explained and measured."),
        click.option("-t", "--target", help="Output to explain: number or class name. Default: each one's largest."),
        click.option("--masks", type=FILE, help=MASKS_HELP),
        method_options,
        click.option("--measures", "measured", help=MEASURES_HELP),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, eq=False)
class Question:
    """Which methods and measures are asked for, on what.

    Attributes:
        model: the file.
        net: as it is in the file.
        sidecar: of the model.
        data: the samples.
        methods: by label.
        measures: that are taken.
        objects: masks and boxes.
        options: of the command line.
    """

    model: Path
    net: Network
    sidecar: Sidecar | None
    data: Together
    methods: Mapping[str, Method]
    measures: Sequence[Measure]
    objects: Objects
    options: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, as far as they are known."""
        return class_names(self.net, self.sidecar)


@dataclass(frozen=True, eq=False)
class Compared:
    """Methods on the samples of one network.

    Attributes:
        net: whose outputs are the score: the logits, below a final softmax or sigmoid.
        target: the explained outputs (N,).
        made: what each method makes of the samples, by its label.
        failed: why other methods make nothing of them, by their labels.
        report: what the measures say of the maps.
    """

    net: Network
    target: NDArray[Any]
    made: Mapping[str, Attribution]
    failed: Mapping[str, str]
    report: Report


def names(text: str | None, usual: Sequence[str]) -> list[str]:
    """Return names with commas between them.

    Raises:
        ParameterError: an empty list.

    Example:
        >>> names("gini, entropy,gini", ())
        ['gini', 'entropy']
    """
    found = list(usual) if text is None else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ParameterError("an empty list of names: give some with commas between them")
    return list(dict.fromkeys(found))


def ask(model: Path, given: Sequence[Path], options: Mapping[str, Any], usual: Sequence[str]) -> Question:
    """Return the question of a command line; what is wrong with names is said before anything is read.

    Args:
        model: the file.
        given: the inputs.
        options: of the command line.
        usual: methods, where none are asked for.

    Raises:
        LrpError: an unknown method or measure, a measure without what it needs, or unusable files.
    """
    wanted = None if options["measured"] is None else names(options["measured"], ())
    of_methods, of_measures = apart(parameters(options), wanted if wanted is not None else (*USUAL, *USUAL_MASKED))
    methods = make_methods(names(options["wanted"], usual), of_methods, options["dialect"])
    if wanted is not None:
        make_measures(wanted, of_measures)
    sidecar = load_sidecar(model, options["sidecar"])
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    if options["wanted"] is None and net.composite:  # LRP as the model itself is explained
        own = [net.composite if name in PRESETS else name for name in usual]
        methods = make_methods(own, of_methods, options["dialect"])
    dtype = "float64" if options["float64"] else str(net.dtype or "float32")
    data = read(given, net, sidecar, model, dtype, options.get("limit_samples"))
    where = objects(options["masks"], data, sidecar)
    chosen = make_measures(wanted or [*USUAL, *(USUAL_MASKED if where else ())], of_measures)
    for measure in chosen:
        require(list(measure.fields.values()), where, measure.name)
    if options["masks"] is not None and not any(set(m.fields.values()) & set(OBJECTS) for m in chosen):
        warn("--masks has no effect: none of the measures looks at masks")
    return Question(model, net, sidecar, data, methods, chosen, where, options)


def compared(q: Question, step: Progress) -> Compared:
    """Return what every method makes of the samples, and what the measures say; one that cannot is told and left out.

    Args:
        q: what is asked.
        step: counts the methods, and the measuring.

    Raises:
        LrpError: why the only method cannot, or what a measure says.
    """
    x, start = q.data.x, q.options["start"]
    net = score(q.data.net, x.shape, start)
    target = _targets(q, net)
    made: dict[str, Attribution] = {}
    failed: dict[str, str] = {}
    for name, method in q.methods.items():
        try:
            a = attribute_network(net, x, method, target=target, start=start, progress=partial(step.within, name))
            _require_map(a, x)
            made[name] = a
        except LrpError as error:
            if len(q.methods) == 1:
                raise
            failed[name] = str(error)
        step()
    if not made:
        raise ParameterError(f"no method can explain this network; the first: {next(iter(failed.values()))}")
    for name, reason in failed.items():
        warn(f"{name} is left out: {reason}")
    ways = {name: _explainer(q.methods[name], start) for name in made}
    again = any("explain" in measure.fields.values() for measure in q.measures)
    found = report(
        net, x, {name: a.relevance for name, a in made.items()}, measures=q.measures, target=target,
        masks=q.objects.get("masks"), boxes=q.objects.get("boxes"), explainers=ways if again else None,
        seed=q.options["seed"], progress=partial(step.within, "measuring"),
    )  # fmt: skip
    step()
    return Compared(net, target, made, failed, found)


def score(net: Network, shape: Sequence[int], start: str) -> Network:
    """Return the network whose output is explained and measured.

    Args:
        net: of one input.
        shape: of the samples (N, ...).
        start: "logit", below a final softmax or sigmoid, or "output".

    Raises:
        ParameterError: the logit is asked for, and there is none.
    """
    # Some BatchNorms can be merged only where the size of the input is known.
    net = replace(net, inputs=(replace(net.inputs[0], shape=(None, *shape[1:])),))
    found = canonized(net, leave_out=start == "logit")
    head = found.heads[0]
    if start == "logit" and head.lost:
        raise ParameterError(
            f"output '{head.output}' has no logit ({head.lost}): --start output explains and measures it as it is"
        )
    return found.net.until(found.net.outputs[0])


def _targets(q: Question, net: Network) -> NDArray[Any]:
    """Return the outputs that are explained (N,)."""
    n = len(q.data.x)
    if q.options.get("of_labels"):
        labels = q.data.beside.get("labels")
        if labels is None or labels.shape != (n,) or labels.dtype.kind not in "iu":
            told = "none" if labels is None else f"{labels.dtype} {labels.shape}"
            raise ParameterError(f"--labels needs the number of a class for each sample (N,): DATA holds {told}")
        return labels.astype(int)
    if q.options["target"] is not None:
        return np.full(n, find_target(q.options["target"], q.classes))
    return predicted(net, q.data.x)


def predicted(net: Network, x: NDArray[Any]) -> NDArray[Any]:
    """Return the largest output of each sample (N,)."""
    parts = [net.forward(x[k : k + 64]) for k in range(0, len(x), 64)]
    return np.concatenate([part.reshape(len(part), -1).argmax(axis=1) for part in parts])


def _require_map(a: Attribution, x: NDArray[Any]) -> None:
    """Raise unless an attribution is a map of the input."""
    relevance = a.relevance
    if a.at or (relevance.shape != x.shape and relevance.shape != (len(x), 1, *x.shape[2:])):
        where = f"is of '{a.at}', inside the network" if a.at else f"has shape {relevance.shape} for {x.shape}"
        raise ShapeError(f"its map {where}: measures need one that lies on the input")


def _explainer(method: Method, start: str) -> Callable[[Network, Any, Any], Any]:
    return lambda net, x, target: attribute_network(net, x, method, target=target, start=start).relevance


@contextmanager
def patience(limited: str) -> Iterator[None]:
    """Say, if the run is ended from the keyboard, that nothing was written."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"interrupted: nothing is written; {limited}")
        raise


def tell(q: Question, found: Compared) -> None:
    """Print what was explained, and the table of the measures."""
    labels = q.data.beside.get("labels")
    n = len(q.data.x)
    if labels is not None and labels.shape == (n,) and labels.dtype.kind in "iu" and q.options["target"] is None:
        right = int((predicted(found.net, q.data.x) == labels).sum())
        click.echo(f"{right} of {n} samples are predicted as they are labelled")
    show(found.report)


def show(found: Report) -> None:
    """Print the table of the measures, and what has to be known to read it."""
    headers, rows = found.table()
    print_table(headers, rows, right=range(1, len(headers)))
    for words in found.notes():
        click.echo(words)


def save(path: Path, q: Question, found: Compared) -> None:
    """Write every number as JSON, with what it was made of, whole or not at all."""
    about = {
        "model": q.model.name,
        "network": network_hash(q.net),
        "start": q.options["start"],
        "dtype": str(q.data.x.dtype),
        "methods": {name: repr(q.methods[name]) for name in found.made},
        "left_out": dict(found.failed),
        "inputs": [sample.where or sample.name for sample in q.data.samples],
        "refused": [f"{one.where}: {one.reason}" for one in q.data.refused],
        "targets": [int(k) for k in found.target],
    }
    write(path, about, found.report)


def write(path: Path, about: Mapping[str, Any], found: Report) -> None:
    """Write what is known of a report, and all its numbers, as JSON, whole or not at all."""
    content = {
        "version": __version__,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        **about,
        **found.to_dict(),
        "curves": [_curve(*one) for one in found.curves],
    }
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    replace_file(path, lambda stream: stream.write(text.encode()))


def _curve(name: str, measure: str, curve: Curve) -> dict[str, Any]:
    """Return the quartiles of a curve over the samples, as JSON can hold them."""
    quartiles = np.quantile(to_numpy(curve.curve).astype(np.float64), (0.25, 0.5, 0.75), axis=0)
    return {"map": name, "measure": measure, "parts": list(curve.fractions), "quartiles": quartiles.tolist()}


def finish(refused: Sequence[Refused]) -> None:
    """Say what could not be read; exit status 1 if anything."""
    if not refused:
        return
    warn(f"{len(refused)} {'input is' if len(refused) == 1 else 'inputs are'} refused")
    for line in grouped(refused):
        click.echo(f"  {line}", err=True)
    raise click.exceptions.Exit(1)
