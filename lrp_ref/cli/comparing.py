"""What ``lrp-ref compare`` and ``lrp-ref evaluate`` have in common: methods on samples, and the report on them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..base.files import replace_file
from ..errors import LrpError, ParameterError, ShapeError, unknown
from ..evaluate import MEASURES, Report, report
from ..evaluate.reporting import USUAL, USUAL_MASKED
from ..exact import network_hash
from ..loaders.preprocess import Sidecar
from ..methods import Attribution, Method
from ..methods import attribute as attribute_network
from ..network.canonization import canonize
from ..network.network import Network
from . import inputs
from .arrays import slices
from .output import Progress, warn
from .samples import Refused, Sample

METHODS = ("gradient_x_input", "integrated_gradients", "smoothgrad", "guided_backprop", "occlusion", "epsilon_plus")
BESIDE = ("labels", "label", "y", "target", "targets")  # entries of a data set that are no inputs
METHODS_HELP = "Methods, with commas between them; composites are LRP. 'lrp-ref methods' lists them."
MEASURES_HELP = "Measures, with commas between them. Default: those that need no masks. 'lrp-ref measures' lists them."


@dataclass(frozen=True)
class Compared:
    """Methods on the same samples of one network.

    Attributes:
        net: with a final softmax or sigmoid left out: its outputs are the score.
        x: the samples (N, ...).
        target: the explained outputs (N,).
        made: what each method makes of them, by its label.
        failed: why other methods make nothing of them, by their labels.
    """

    net: Network
    x: NDArray[Any]
    target: NDArray[Any]
    made: Mapping[str, Attribution]
    failed: Mapping[str, str]


def names(text: str | None, usual: Sequence[str]) -> list[str]:
    """Return names with commas between them."""
    found = list(usual) if text is None else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ParameterError("an empty list of names: give some with commas between them")
    return list(dict.fromkeys(found))


def measures(text: str | None, *, masked: bool) -> list[str]:
    """Return the measures that were asked for, or the usual ones.

    Raises:
        ParameterError: an unknown measure, or one that needs masks where there are none.
    """
    chosen = names(text, USUAL + (USUAL_MASKED if masked else ()))
    for name in chosen:
        if name not in MEASURES:
            raise unknown("measure", name, MEASURES)
        needs = set(MEASURES[name].fields.values())
        if needs & {"masks", "boxes"} and not masked:
            raise ParameterError(f"measure '{name}' needs masks: give --masks FILE, or leave it out")
    return chosen


def one_array(net: Network, model: Path) -> str:
    """Return the name of a network's only input.

    Raises:
        ShapeError: several inputs.
    """
    if len(net.inputs) != 1:
        raise ShapeError(f"{model} has {len(net.inputs)} inputs: methods are compared on networks of one")
    return net.inputs[0].name


def read(
    given: Sequence[Path], net: Network, sidecar: Sidecar | None, model: Path, dtype: str, most: int | None
) -> tuple[list[Sample], list[Refused]]:
    """Return the samples of all inputs, of one shape, and what cannot be read.

    Raises:
        ShapeError: samples of different shapes.
        LrpError: what is wrong with the only input.
    """
    files, refused = inputs.found(given, typed=False)
    samples: list[Sample] = []
    for name, path in files.items():
        assert isinstance(path, Path), "sentences are no files"
        for item in _samples(name, path, net, sidecar, model, dtype):
            if isinstance(item, Refused):
                refused.append(item)
            elif most is None or len(samples) < most:
                samples.append(item)
    if not samples:
        raise (
            refused[0].error
            if len(refused) == 1
            else ParameterError(
                f"none of {len(refused)} inputs can be read; the first: {refused[0].error}" if refused else "no input"
            )
        )
    shapes = {inputs.kind(sample) for sample in samples}
    if len(shapes) > 1:
        told = ", ".join(sorted({str(next(iter(s.x.values())).shape[1:]) for s in samples}))
        raise ShapeError(f"the inputs have different shapes ({told}): compare those of one shape at a time")
    return samples, refused


def _samples(
    name: str, path: Path, net: Network, sidecar: Sidecar | None, model: Path, dtype: str
) -> Iterator[Sample | Refused]:
    """Read the samples of a file; of an .npz file with other entries beside the input the one that fits it."""
    held = _entries(path, net, sidecar, dtype)
    if held is None:
        yield from inputs.attempt(name, path, net, sidecar, model, dtype)
        return
    try:
        yield from slices(name, path, {net.inputs[0].name: held}, net, dtype)
    except LrpError as error:
        yield Refused(str(path), error)


def _entries(path: Path, net: Network, sidecar: Sidecar | None, dtype: str) -> NDArray[Any] | None:
    """Return the only entry of an .npz file that can be the network's input; None where that is not needed.

    Pixels in bytes are scaled as the sidecar says, and a picture of one channel may lack the axis of the channels.
    """
    if path.suffix.lower() != ".npz":
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            if net.inputs[0].name in file or len(file.files) == 1:
                return None
            arrays = {key: file[key] for key in file.files if key not in (*BESIDE, "masks", "boxes", "header")}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None  # what is wrong with it is said by whoever reads it next
    shape = net.inputs[0].shape
    fitting = []
    for array in arrays.values():
        if array.dtype == np.uint8 and sidecar is not None and sidecar.kind == "image":
            array = (array.astype(dtype) - np.asarray(sidecar.mean, dtype)) * np.asarray(sidecar.scale, dtype)
        if shape is not None and array.ndim == len(shape) - 1 and shape[1] == 1:
            array = array[:, None]
        if array.dtype.kind == "f" and (shape is None or array.ndim == len(shape)):
            fitting.append(array)
    return fitting[0] if len(fitting) == 1 else None


def compared(
    net: Network,
    x: NDArray[Any],
    methods: Mapping[str, Method],
    *,
    target: Any,
    canonized: bool,
    step: Progress,
) -> Compared:
    """Return what every method makes of the samples; one that cannot is told, and left out.

    Raises:
        LrpError: why the only method cannot.
    """
    scored = canonize(net).batch_first() if canonized else net.batch_first()
    scored = scored.until(scored.outputs[0])
    outputs = scored.forward(x)
    flat = outputs.reshape(len(x), -1)
    chosen = flat.argmax(axis=1) if target is None else np.broadcast_to(np.asarray(target), (len(x),))
    made, failed = {}, {}
    for name, method in methods.items():
        try:
            made[name] = attribute_network(
                scored, x, method, target=chosen, start="output" if not canonized else "logit",
                progress=partial(step.within, name),
            )  # fmt: skip
            if made[name].relevance.shape[0] != len(x) or made[name].relevance.shape[2:] != x.shape[2:]:
                raise ShapeError(f"its map {made[name].relevance.shape} does not lie on the input {x.shape}")
        except LrpError as error:
            if len(methods) == 1:
                raise
            made.pop(name, None)
            failed[name] = str(error)
        step()
    if not made:
        raise ParameterError(f"no method can explain this network; the first: {next(iter(failed.values()))}")
    for name, reason in failed.items():
        warn(f"{name} is left out: {reason}")
    return Compared(scored, x, np.asarray(chosen), made, failed)


def reported(
    found: Compared,
    methods: Mapping[str, Method],
    chosen: Sequence[str],
    *,
    masks: Any,
    boxes: Any,
    seed: int,
    progress: Callable[[int, int], object] | None,
) -> Report:
    """Return the report on what the methods made, under the measures; the random map is beside them."""

    def explainer(method: Method) -> Callable[[Network, Any, Any], Any]:
        return lambda net, x, target: attribute_network(net, x, method, target=target).relevance

    again = any("explain" in MEASURES[name].fields.values() for name in chosen)
    ways = {name: explainer(methods[name]) for name in found.made} if again else None
    maps = {name: a.relevance for name, a in found.made.items()}
    return report(
        found.net, found.x, maps, measures=chosen, target=found.target, masks=masks, boxes=boxes, explainers=ways,
        seed=seed, progress=progress,
    )  # fmt: skip


def objects(path: Path, n: int, sizes: Sequence[int]) -> tuple[Any, Any]:
    """Return masks and boxes of a file: .npy or .npz (masks, boxes), or a picture that is 0 outside of the object.

    Raises:
        ParameterError: a file that is not readable or holds neither.
        ShapeError: masks of another size or number.
    """
    masks: Any = None
    boxes: Any = None
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                masks = file.get("masks")
                boxes = file.get("boxes")
                held = ", ".join(file.files)
            if masks is None and boxes is None:
                raise ParameterError(f"{path} holds {held or 'nothing'}: its entries must be called masks or boxes")
        elif path.suffix.lower() == ".npy":
            masks = np.load(path, allow_pickle=False)
        else:
            from PIL import Image

            with Image.open(path) as image:
                masks = np.asarray(image.convert("L")) > 127
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise ParameterError(f"{path}: not readable as masks: {' '.join(str(error).split())}") from error
    if masks is not None:
        masks = masks[None] if masks.ndim == len(sizes) else masks
        masks = masks[:, 0] if masks.ndim == len(sizes) + 2 and masks.shape[1] == 1 else masks
        if masks.shape != (n, *sizes):
            raise ShapeError(f"{path}: masks have shape {masks.shape}; the inputs need {(n, *sizes)}")
    return masks, boxes


def save_json(path: Path, found: Report, about: dict[str, Any]) -> None:
    """Write a report as JSON with what it was made of, whole or not at all."""
    content = json.dumps({**about, **found.to_dict()}, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    replace_file(path, lambda stream: stream.write(content.encode()))


def about(model: Path, found: Compared, methods: Mapping[str, Method], samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what a result was made of: the model, its methods with their parameters, the inputs, the version."""
    return {
        "version": __version__,
        "model": model.name,
        "network": network_hash(found.net),
        "methods": {name: repr(methods[name]) for name in found.made},
        "left_out": dict(found.failed),
        "inputs": [sample.where or sample.name for sample in samples],
        "targets": [int(k) for k in found.target],
    }


def joined(samples: Sequence[Sample], name: str) -> NDArray[Any]:
    """Return the samples as one batch (N, ...)."""
    return np.concatenate([sample.x[name] for sample in samples])


def tell_refused(refused: Sequence[Refused]) -> None:
    """Print what cannot be read; exit status 1."""
    for one in refused:
        click.echo(f"  {one.where}: {one.reason}", err=True)
    if refused:
        raise click.exceptions.Exit(1)
