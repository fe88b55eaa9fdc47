"""A store of explanations on the command line: what is read of it, and where results say that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..errors import ModelFormatError, ParameterError, UnsupportedError
from ..evaluate.reporting import USUAL, USUAL_MASKED
from ..evaluate.reports import Report
from ..scale import Explained, Store, evaluated, open_store
from ..scale.jobs.models import ModelFile
from ..scale.reading.measuring import require_source
from ..scale.reading.rows import rows
from ..scale.sources import Source, source
from . import comparing
from .arrays import DAMAGED
from .asked import apart, make_measures, parameters
from .objects import require
from .options import find_target
from .output import progress, warn
from .report import Results
from .together import OBJECTS, laid

PICTURE = (0, 3, 1, 2)  # the axes of photos with their channels behind, as ``together.laid`` has the network take them
DIGITS = 12  # of a hash that is printed
# Options of ``lrp-ref evaluate`` that are about methods, and what the store says in their place.
OF_METHODS = {
    "wanted": "--methods", "dialect": "--dialect", "baseline": "--baseline", "target": "--target",
    "of_labels": "--labels", "start": "--start",
}  # fmt: skip


def explained(path: Path, *, target: str | None = None, of: str | None = None, limit: int | None = None) -> Explained:
    """Return the explained samples of a store, and say on stderr what is left out.

    Args:
        path: of the store.
        target: number or name of the output that they are explained for; None for all.
        of: the input whose maps they are.
        limit: take the first, at most so many.

    Raises:
        LrpError: no such store, nothing done, or no sample of that target.
    """
    store = open_store(path)
    wanted = None if target is None else find_target(target, store.attributes["classes"])
    found = Explained(store, target=wanted, of=of, limit=limit)
    for words in found.notes:
        warn(f"note: {path}: {words}")
    return found


def about(store: Store) -> dict[str, Any]:
    """Return what a result says of the store that it was made from."""
    kept = (
        "model", "model_sha256", "network_sha256", "input", "composite", "rules", "target", "start", "against",
        "reduce", "dtype", "lrp_ref",
    )  # fmt: skip
    return {"store": store.path.name, **{key: store.attributes.get(key) for key in kept}}


def brief(store: Store) -> str:
    """Return in a few words which maps they are: the store's name, the composite, and the network's hash."""
    reduced = store.attributes["reduce"]
    kept = "" if reduced == "none" else f", {reduced}"
    network = str(store.attributes["network_sha256"])[:DIGITS]
    return f"{store.path.name} ({store.attributes['composite']}{kept}, network {network}…)"


def results(directory: Path, store: Store, sources: Sequence[Path] = ()) -> Results:
    """Return the folder for results, which is none of a store's.

    Raises:
        ParameterError: it is the store, or lies inside.
    """
    if store.path.resolve() in (directory.resolve(), *directory.resolve().parents):
        raise ParameterError(f"{directory} is in the store {store.path}: choose another folder with -o")
    return Results(directory, sources)


def evaluate(model: Path, data: Sequence[Path], options: Mapping[str, Any]) -> None:
    """Measure the maps of a store, print the table, and write all numbers and the pictures.

    Args:
        model: the file.
        data: the data set that the store was made of.
        options: of ``lrp-ref evaluate``.

    Raises:
        LrpError: options that are about methods, another model or other data than the store's, or unusable files.
    """
    _require_own(options)
    wanted = None if options["measured"] is None else comparing.names(options["measured"], ())
    of_methods, of_measures = apart(parameters(options), wanted if wanted is not None else (*USUAL, *USUAL_MASKED))
    if of_methods:
        raise ParameterError(
            f"--set {of_methods[0]} is of a method, and --explained takes maps as they are: leave it out"
        )
    usual = [*USUAL, *(USUAL_MASKED if options["masks"] is not None else ())]
    measures = make_measures(wanted or usual, of_measures)
    some = explained(options["explained"], limit=options["limit_samples"])
    store = some.store
    file = model_of(store, model, options)
    given, zeros = _data(data, file, store)
    net = file.load()
    turned, x = laid(net, zeros, file.read_sidecar())
    masks = _masks(options["masks"], store.samples)
    for measure in measures:
        require(list(measure.fields.values()), {} if masks is None else {"masks": masks}, measure.name)
    if masks is not None and not any(set(m.fields.values()) & set(OBJECTS) for m in measures):
        warn("--masks has no effect: none of the measures looks at masks")
    into = results(options["directory"], store, [f for f in (*data, model, options["masks"]) if f is not None])
    measured = comparing.score(turned, x.shape, _measured_start(store))
    with progress(1, "evaluating") as step:
        found = evaluated(
            some, given, measured, measures=measures, masks=masks, seed=options["seed"],
            order=None if turned is net else PICTURE,
            dtype="float64" if options["float64"] else None,
            progress=lambda done, total: step.within("samples", done, total),
        )  # fmt: skip
    comparing.show(found)
    content = {
        "model": model.name,
        "network": file.network,
        "start": store.attributes["start"],
        "dtype": "float64" if options["float64"] else store.attributes["compute"],
        "explained": about(store),
        "numbers": some.numbers.tolist(),
        "targets": rows(store, "target", some.numbers).tolist(),
    }
    paths = [into.path("evaluation.json")]
    comparing.write(paths[0], content, found)
    paths += pictures(into, found, f"{model.name}: {found.samples} samples of {brief(store)}", brief(store))
    click.echo(f"\nwritten: {', '.join(map(str, paths))}")


def pictures(into: Results, found: Report, title: str, remark: str | None = None) -> list[Path]:
    """Write the table and the curves of a report as pictures, and return their paths."""
    paths = [into.path("scores.png")]
    heatmap.save(found.picture(title=title), paths[0])
    for measure in dict.fromkeys(of for _, of, _ in found.curves):
        paths.append(into.path(f"{measure.partition('(')[0]}.png"))
        heatmap.save(found.curves_picture(measure, **({} if remark is None else {"remark": remark})), paths[-1])
    return paths


def _require_own(options: Mapping[str, Any]) -> None:
    """Refuse what is about methods: a store has its maps already."""
    asked = click.get_current_context().get_parameter_source
    for key, option in OF_METHODS.items():
        source_of = asked(key)
        if source_of is not None and source_of.name == "COMMANDLINE" and options[key] is not None:
            raise ParameterError(
                f"{option} is about methods, and --explained takes the maps of a store as they are: leave one of the "
                "two out"
            )


def model_of(store: Store, model: Path, options: Mapping[str, Any]) -> ModelFile:
    """Return the model that a store is of, with the options of the command line that say how it is read.

    Raises:
        ParameterError: it is another network.
    """
    file = ModelFile.of(
        model, output=options["output_name"], architecture=options["architecture"], sidecar=options["sidecar"]
    )
    there = str(store.attributes["network_sha256"])
    if there != file.network:
        raise ParameterError(
            f"{store.path} is of another network: of {store.attributes['model']}, hash {there[:DIGITS]}…; {file.name} "
            f"has {file.network[:DIGITS]}…: give that model with the sidecar and --output that the store was made with"
        )
    return file


def data_of(store: Store, data: Path, file: ModelFile) -> Source:
    """Return the data set that a store was made of.

    Raises:
        ParameterError: these are other data.
    """
    given = source(data, file.load(), file.read_sidecar())
    require_source(store, given)
    return given


def _data(data: Sequence[Path], file: ModelFile, store: Store) -> tuple[Source, NDArray[Any]]:
    """Return the data set of a store, and a sample of zeros."""
    if len(data) != 1:
        raise ParameterError(f"{len(data)} DATA are given: --explained takes the one that the store was made of")
    given = data_of(store, data[0], file)
    zeros = list(given.zeros().values())
    if len(zeros) != 1:
        raise ParameterError(f"{file.name} has {len(zeros)} inputs: measures replace parts of one array")
    if zeros[0].dtype.kind != "f":
        raise UnsupportedError(f"{file.name} takes integers ({zeros[0].dtype}), and measures put numbers between them")
    return given, zeros[0]


def _measured_start(store: Store) -> str:
    """Return whether the output is measured as it is or below its softmax, as it was explained; tell what to mind."""
    kept = store.attributes["reduce"]
    if kept.startswith("top-"):
        warn(f"note: of each map the {kept.removeprefix('top-')} strongest numbers are kept, the others count as 0; "
             "gini and entropy tell how many that are")  # fmt: skip
    start = store.attributes["start"]
    if start not in ("logit", "output"):
        warn(f"note: the maps are of the start {start}; what is measured is the logit of the target")
    return "output" if start == "output" else "logit"


def _masks(path: Path | None, samples: int) -> Any:
    """Return masks of all samples of a data set, read as they are needed."""
    if path is None:
        return None
    if path.suffix.lower() != ".npy":
        raise ParameterError(f"{path}: with --explained masks are an .npy file with one for each sample, (N, ...)")
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: no such file") from error
    except (*DAMAGED, OSError) as error:
        raise ModelFormatError(f"{path}: not a readable .npy file of masks") from error
    if found.shape[:1] != (samples,):
        raise ParameterError(f"{path}: masks have shape {found.shape} for {samples} samples: give one for each")
    return found
