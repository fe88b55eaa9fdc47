"""Clusters as a project that ViRelAy opens, the viewer of SpRAy's authors: images, maps, groups, side by side.

ViRelAy (https://github.com/virelay/virelay) is a program of its own; what is written here is what version 1.0.0 reads
and shows, which is not all that its page of the format says.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, require_finite, unwarned
from ..base.frozen import real_array, short, wholes
from ..errors import ParameterError, ShapeError, require, unknown
from .clusters import Clusters
from .ranking import Ranking

STRATEGIES = ("true_label", "predicted_label")
MOST = 1 << 16  # classes, whose numbers ViRelAy reads as 16 bits
COLOURS = 3  # channels that ViRelAy can draw: of one it makes no picture
CLUSTERING, SPECTRAL = "kmeans", "spectral"
FILES = ("project.yaml", "label-map.json", "data.h5", "attribution.h5", "analysis.h5")


def write_virelay(
    folder: str | Path,
    found: Mapping[int, Clusters] | Ranking,
    *,
    images: Array,
    relevance: Array,
    labels: Sequence[int] | Array,
    prediction: Array,
    names: Sequence[str],
    samples: Mapping[int, Sequence[int]] | None = None,
    name: str = "Spectral relevance analysis",
    model: str = "a network",
    dataset: str = "a data set",
    method: str = "LRP",
    strategy: str = "true_label",
) -> Path:
    """Write a project of five files for ViRelAy, and return the path of its ``project.yaml``: virelay PATH shows it.

    The folder is there whole or not at all. All paths in it are relative, so that it can be moved.

    Args:
        folder: to make; it must not be there yet, or be empty.
        found: class → :func:`cluster` of its maps; or what :func:`rank` returned without ``names``.
        images: (N, C, H, W) or (N, H, W) with one channel or three: bytes, or numbers within 0…1; others are stretched
            from the least to the largest of all.
        relevance: of the same samples (N, C, H, W) or (N, H, W); channels are summed.
        labels: the class of each sample (N,), from 0.
        prediction: the network's output of each sample (N, classes).
        names: of the classes.
        samples: class → the numbers of the samples whose maps were clustered, in their order; None for all samples
            with that label.
        name, model, dataset, method: texts that ViRelAy shows: of the project, of what is explained, and how.
        strategy: "true_label" or "predicted_label": which output was explained.

    Raises:
        MissingExtraError: h5py is not installed.
        ShapeError: arrays that do not fit each other, images or maps that ViRelAy cannot draw, a class whose clusters
            are not of as many maps as it has samples.
        NonFiniteError: NaN or infinity.
        ParameterError: a folder that is not empty, or cannot be written, or has none to lie in; a class without a name;
            another strategy; classes that were embedded in different ways.

    Example:
        >>> from lrp_ref.spray import cluster
        >>> x, labels = np.random.default_rng(0).random((24, 1, 8, 8)), np.repeat([0, 1], 12)
        >>> found = {k: cluster(x[labels == k], neighbours=3, embedding="spectral") for k in (0, 1)}
        >>> with tempfile.TemporaryDirectory() as place:
        ...     made = write_virelay(Path(place) / "project", found, images=x, relevance=x, labels=labels,
        ...                          prediction=np.eye(2)[labels], names=["cat", "dog"])
        ...     sorted(path.name for path in made.parent.iterdir())
        ['analysis.h5', 'attribution.h5', 'data.h5', 'label-map.json', 'project.yaml']
    """
    h5py = require("h5py", extra="virelay", purpose="write projects for ViRelAy")
    goal = _free(folder)
    if strategy not in STRATEGIES:
        raise unknown("strategy", str(strategy), STRATEGIES)
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise ParameterError(f"names: {short(names)} given; expected a list of names of the classes")
    kinds = _labels(labels, len(names))
    pictures, maps, outputs = _images(images), drawn(relevance), single("prediction", prediction)
    counts = {"images": len(pictures), "maps": len(maps), "labels": len(kinds), "predictions": len(outputs)}
    if len(set(counts.values())) > 1 or outputs.ndim != 2 or not 1 <= outputs.shape[1] <= len(names):
        listed = ", ".join(f"{n} {what}" for what, n in counts.items())
        raise ShapeError(
            f"expected as many of each, and predictions (N, classes) of {len(names)} names at most; got {listed}, "
            f"{outputs.shape}"
        )
    groups = _groups(found, kinds, samples or {}, len(names))
    wordings = {"name": name, "model": model, "dataset": dataset, "method": method, "strategy": strategy}
    # A link to a folder stays one: what it points to is made.
    try:
        place = goal.resolve()
        part = Path(tempfile.mkdtemp(dir=place.parent, prefix=".virelay.", suffix=".part"))
    except (OSError, RuntimeError, ValueError) as error:  # no right to write there, links in a circle, no such name
        raise ParameterError(f"cannot write {goal}: {getattr(error, 'strerror', None) or error}") from error
    try:
        (part / FILES[0]).write_text(_yaml(wordings, pictures.shape), encoding="utf-8")
        known = [{"index": k, "word_net_id": _category(k), "name": str(n)} for k, n in enumerate(names)]
        (part / FILES[1]).write_text(json.dumps(known, indent=2), encoding="utf-8")
        with h5py.File(part / FILES[2], "w") as file:
            file["data"], file["label"] = pictures, kinds
        with h5py.File(part / FILES[3], "w") as file:
            file["index"], file["attribution"] = np.arange(len(maps), dtype=np.uint32), maps
            file["label"], file["prediction"] = kinds, outputs
        with h5py.File(part / FILES[4], "w") as file:
            for kind, (chosen, clusters) in groups.items():
                _analysis(file.create_group(_category(kind)), chosen, clusters)
        part.chmod(0o755)
        part.replace(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return goal / FILES[0]


def _free(folder: Any) -> Path:
    """Return the path of a folder that can be made, or is empty.

    Raises:
        ParameterError: it cannot.
    """
    try:
        goal = Path(folder)
        if not goal.parent.is_dir():
            raise ParameterError(f"cannot write {goal}: the folder {goal.parent} does not exist")
        if goal.exists() and (not goal.is_dir() or any(goal.iterdir())):
            raise ParameterError(f"cannot write {goal}: it is there already; give a folder that is not")
    except TypeError:
        raise ParameterError(f"the folder is {short(folder)}: give a path") from None
    except OSError as error:  # a name that is too long, a folder that cannot be looked into
        raise ParameterError(f"cannot write {folder}: {error.strerror or error}") from error
    return goal


def _category(kind: int) -> str:
    """Return the name of a class in the files: its number, which sorts as text, and by which ViRelAy finds its name."""
    return f"{kind:05d}"


def _analysis(group: Any, chosen: NDArray[np.uint32], found: Clusters) -> None:
    """Write the clusters of one class: which samples, where they lie in a plane, and in which cluster."""
    group["index"] = chosen
    spectral = group.create_dataset(f"embedding/{SPECTRAL}", data=found.vectors.astype(np.float32))
    spectral.attrs["eigenvalue"] = found.eigenvalues.astype(np.float32)
    if found.shown != SPECTRAL:
        plane = group.create_dataset(f"embedding/{found.shown}", data=found.embedding.astype(np.float32))
        plane.attrs["index"] = np.arange(2, dtype=np.uint32)
    labels = group.create_dataset(f"cluster/{CLUSTERING}", data=found.labels.astype(np.uint32))
    labels.attrs["embedding"] = SPECTRAL
    labels.attrs["k"] = np.uint32(found.k)
    labels.attrs["index"] = np.arange(found.k, dtype=np.uint32)


def _yaml(said: Mapping[str, str], shape: tuple[int, ...]) -> str:
    """Return project.yaml."""
    texts = {key: _quoted(str(value)) for key, value in said.items()}
    return f"""project:
  name: {texts["name"]}
  model: {texts["model"]}
  label_map: {FILES[1]}
  dataset:
    name: {texts["dataset"]}
    type: hdf5
    path: {FILES[2]}
    input_width: {shape[3]}
    input_height: {shape[2]}
    down_sampling_method: none
    up_sampling_method: none
  attributions:
    attribution_method: {texts["method"]}
    attribution_strategy: {said["strategy"]}
    sources:
      - {FILES[3]}
  analyses:
    - analysis_method: SpRAy
      sources:
        - {FILES[4]}
"""


def _quoted(text: str) -> str:
    r"""Return a text as YAML writes it: as JSON does, but what is not printable by its number, half a pair as �.

    Example:
        >>> print(_quoted('a "b"\x7fé'))
        "a \"b\"\U0000007fé"
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(whole, ensure_ascii=False))


def single(what: str, values: Any) -> NDArray[np.float32]:
    """Return numbers as ViRelAy's files hold them.

    Raises:
        NonFiniteError: NaN or infinity among them, or numbers that are too large for float32.
    """
    host = real_array(what, values)
    require_finite(host, what)
    with unwarned():
        found = host.astype(np.float32)
    require_finite(found, f"{what} in float32")
    return found


def _labels(labels: Any, many: int) -> NDArray[np.uint16]:
    kinds = real_array("labels", labels)
    if kinds.ndim != 1 or kinds.dtype.kind not in "iu" or not len(kinds):
        raise ShapeError(f"labels are {kinds.dtype} of shape {kinds.shape}; expected whole numbers (N,), not none")
    if many > MOST:
        raise ParameterError(f"{many} names: ViRelAy counts classes up to {MOST}")
    if kinds.min() < 0 or kinds.max() >= many:
        raise ParameterError(f"labels go from {kinds.min()} to {kinds.max()}, and there are {many} names")
    return kinds.astype(np.uint16)


def _channels(what: str, array: Any) -> NDArray[Any]:
    """Return images or maps as (N, C, H, W), of sides that ViRelAy does not take for channels."""
    host = real_array(what, array)
    host = host[:, None] if host.ndim == 3 else host
    if host.ndim != 4 or not host.size or min(host.shape[2:]) < COLOURS:
        raise ShapeError(
            f"{what} of shape {host.shape}; ViRelAy draws (N, C, H, W) with {COLOURS} rows and columns or more"
        )
    require_finite(host, what)
    return host


def _images(images: Any) -> NDArray[np.uint8]:
    """Return bytes (N, 3, H, W): of other numbers ViRelAy guesses for each image anew what black and white are."""
    host = _channels("images", images)
    if host.shape[1] not in (1, COLOURS):
        raise ShapeError(f"images of shape {host.shape}; expected one channel or {COLOURS}")
    if host.dtype != np.uint8:
        values = host.astype(np.float64)
        low, high = values.min(), values.max()
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        host = np.rint((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return np.repeat(host, COLOURS, axis=1) if host.shape[1] == 1 else host


def drawn(relevance: Any, *, keep: bool = False) -> NDArray[np.float32]:
    """Return maps (N, 3, H, W), each channel a third of their sum: ViRelAy adds three up, and fails on one.

    Args:
        relevance: (N, C, H, W) or (N, H, W).
        keep: whether three channels stay as they are, of which ViRelAy draws the same.

    Raises:
        ShapeError: maps that ViRelAy cannot draw.
        NonFiniteError: NaN, infinity, or numbers beyond float32.

    Example:
        >>> drawn(np.full((1, 1, 3, 3), 6.0))[0, :, 0, 0].tolist()
        [2.0, 2.0, 2.0]
    """
    maps = _channels("relevance", relevance).astype(np.float64)
    if keep and maps.shape[1] == COLOURS:
        return single("relevance", maps)
    with unwarned():
        summed = maps.sum(axis=1, keepdims=True)
    return np.repeat(single("relevance, summed over channels,", summed / COLOURS), COLOURS, axis=1)


def _groups(
    found: Any, kinds: NDArray[Any], samples: Mapping[int, Sequence[int]], many: int
) -> dict[int, tuple[NDArray[np.uint32], Clusters]]:
    """Return of each class which samples were clustered, and how."""
    given = dict(zip(found.classes, found.found, strict=True)) if isinstance(found, Ranking) else found
    if not isinstance(given, Mapping) or not all(isinstance(one, Clusters) for one in given.values()):
        raise ParameterError(f"found: {type(found).__name__} given; expected class → clusters, or what rank returned")
    if not isinstance(samples, Mapping):
        raise ParameterError(f"samples: {short(samples)} given; expected class → the numbers of its samples")
    if not given or len({clusters.shown for clusters in given.values()}) > 1:
        raise ParameterError("found: give one class or more, all embedded in the same way; ViRelAy offers one list")
    groups = {}
    for kind in given:
        if isinstance(kind, bool) or not isinstance(kind, int | np.integer) or not 0 <= kind < many:
            raise ParameterError(f"found has a class {kind!r}; expected whole numbers from 0 to {many - 1}")
    for kind in sorted(given):
        own = samples[kind] if kind in samples else np.flatnonzero(kinds == kind)
        chosen = np.array(wholes(f"samples of class {kind}", own), dtype=np.int64)
        clusters = given[kind]
        if len(chosen) != len(clusters.labels) or (len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(kinds)):
            raise ShapeError(
                f"class {kind}: clusters of {len(clusters.labels)} maps for {len(chosen)} samples of {len(kinds)}; "
                "samples= says which they are"
            )
        if len(np.unique(chosen)) < len(chosen):
            raise ParameterError(f"samples of class {kind}: one is named twice")
        groups[int(kind)] = chosen.astype(np.uint32), clusters
    return groups
