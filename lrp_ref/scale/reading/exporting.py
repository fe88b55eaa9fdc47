"""A store as files that other programs read: arrays of NumPy, maps for ViRelAy, caches of zennit-crp.

Each is written a chunk at a time, and is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.frozen import real_array
from ...errors import ParameterError, ShapeError, require
from ...methods.concepts.search import MOST
from ...methods.concepts.strongest import BY
from ...spray.virelay import COLOURS, drawn, single
from ...spray.virelay import MOST as LABELS
from ..stores.appearing import appearing
from ..stores.layout import FAILED, TO_DO
from ..stores.making import Store
from ..stores.npy_store import NpyStore
from .explained import Explained
from .measuring import strongest

Progress = Callable[[int, int], object]
HDF5 = (".h5", ".hdf5")


def to_npy(store: Store, folder: str | Path, *, partial: bool = False, progress: Progress | None = None) -> Path:
    """Write the arrays of a store as NAME.npy, which ``np.load(file, mmap_mode="r")`` opens, and return the folder.

    It is a store itself, of the same attributes, that :func:`open_store` opens and a run goes on with. Samples that are
    not explained are NaN, and have the target −1.

    Args:
        store: with the answers.
        folder: to make; nothing may be there.
        partial: also where chunks are left to do.
        progress: called with (done, total) samples after each chunk.

    Raises:
        ParameterError: chunks that are left to do; the folder cannot be written, or is called .zarr.

    Example:
        >>> import tempfile
        >>> from lrp_ref.scale.stores.layout import Layout, spec
        >>> from lrp_ref.scale.stores.making import create
        >>> with tempfile.TemporaryDirectory() as place:
        ...     store = create(Path(place) / "out", Layout((spec("output", 3, (2,), "float32"),), 3, 2, 2), {})
        ...     for chunk in range(2):
        ...         store.write(store.part(chunk), {"output": np.full((2 - chunk, 2), chunk, np.float32)})
        ...         store.done(chunk)
        ...     np.load(to_npy(store, Path(place) / "arrays") / "output.npy", mmap_mode="r").tolist()
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    """
    goal = _goal(store, folder, partial)
    if goal.suffix.lower() == ".zarr":
        raise ParameterError(
            f"{goal}: a folder of .npy files that is called .zarr would be taken for zarr: name it otherwise"
        )
    states, errors = store.states(), store.errors()
    with appearing(goal) as part:
        NpyStore.make(part, store.layout, store.attributes)
        made = NpyStore(part)
        for chunk, state in enumerate(states.tolist()):
            which = store.part(chunk)
            if state == TO_DO:
                rows = {s.name: _nothing(s.fill, (which.stop - which.start, *s.shape[1:]), s.dtype)
                             for s in store.layout.arrays}  # fmt: skip
            else:
                rows = {one.name: np.asarray(store[one.name][which]) for one in store.layout.arrays}
            made.write(which, rows)
            if state == FAILED:
                made.fail(chunk, errors.get(chunk, {}))
            elif state != TO_DO:
                made.done(chunk)
            if progress is not None:
                progress(which.stop, store.samples)
    return goal


def _nothing(fill: float, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    return np.full(shape, fill).astype(dtype)


def to_virelay(
    store: Store,
    path: str | Path,
    *,
    labels: Any = None,
    of: str | None = None,
    partial: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the maps of a store as ``attribution.h5`` of a ViRelAy project, and return the path.

    It has ``index`` (n), the numbers of the samples in the data set; ``attribution`` (n, 3, H, W); ``label`` (n); and
    ``prediction`` (n, classes). ViRelAy adds three channels up and fails on another number of them: where a map has
    not three, each channel is a third of their sum. Samples that are not explained are left out.

    Args:
        store: with the answers; of maps with their channels in front, or with one or three channels behind.
        path: to write; its name ends in .h5.
        labels: the class of each sample of the data set (N,); None for the outputs that are explained.
        of: the input whose maps they are, where the network has several.
        partial: also where chunks are left to do.
        progress: called with (done, total) samples after each batch.

    Raises:
        MissingExtraError: h5py is not installed.
        ParameterError: chunks that are left to do, or nothing explained; the file cannot be written; labels beyond
            0…65535, which ViRelAy reads as 16 bits.
        ShapeError: labels of other samples, maps or outputs that ViRelAy cannot show.
        NonFiniteError: numbers beyond float32.

    Example:
        >>> import tempfile, h5py, lrp_ref as lrp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     net = lrp.Network.sequential([lrp.layers.Flatten(), lrp.layers.Dense(np.ones((9, 2)))])
        ...     lrp.save(net, place / "net.npz")
        ...     np.save(place / "x.npy", np.ones((5, 1, 3, 3)))
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", batch=2)
        ...     made = to_virelay(lrp.scale.run(asked, place / "out").store, place / "attribution.h5")
        ...     with h5py.File(made) as file:
        ...         [f"{name} {file[name].dtype} {file[name].shape}" for name in sorted(file)]
        ['attribution float32 (5, 3, 3, 3)', 'index uint32 (5,)', 'label uint16 (5,)', 'prediction float32 (5, 2)']
    """
    h5py = require("h5py", extra="virelay", purpose="write maps for ViRelAy")
    goal = _goal(store, path, partial)
    if goal.suffix.lower() not in HDF5:
        raise ParameterError(f"{goal}: ViRelAy reads HDF5: give a name that ends in .h5")
    some = Explained(store, of=of)
    kinds = None if labels is None else _labels(labels, store.samples)
    shape = store.layout["output"].shape
    if len(shape) != 2:
        raise ShapeError(f"{store.path}: ViRelAy shows outputs (N, classes), and these are {shape}")
    if kinds is None and len(store.layout["target"].shape) > 1:
        raise ShapeError(f"{store.path}: sums of outputs are explained in it, which are no label: give labels")
    with appearing(goal, file=True) as part, h5py.File(part / goal.name, "w") as file:
        done = 0
        for answers in some:
            rows: dict[str, NDArray[Any]] = {
                "index": answers.numbers.astype(np.uint32),
                "attribution": drawn(_in_front(answers.relevance), keep=True),
                "label": _labels(answers.target, len(answers)) if kinds is None else kinds[answers.numbers],
                "prediction": single("output", answers.output),
            }
            for name, array in rows.items():
                if not done:
                    file.create_dataset(name, (len(some), *array.shape[1:]), dtype=array.dtype)
                file[name][done : done + len(array)] = array
            done += len(answers)
            if progress is not None:
                progress(done, len(some))
    return goal


def _in_front(maps: NDArray[Any]) -> NDArray[Any]:
    """Return maps with their channels in front, which stand behind where only there are as many as of colours."""
    behind = maps.ndim == 4 and maps.shape[3] in (1, COLOURS) and maps.shape[1] not in (1, COLOURS)
    return maps.transpose(0, 3, 1, 2) if behind else maps


def _labels(labels: Any, samples: int) -> NDArray[np.uint16]:
    found = real_array("labels", labels)
    if found.shape != (samples,) or found.dtype.kind not in "iu":
        told = f"labels are {found.dtype} {found.shape}"
        raise ShapeError(f"{told}; expected a whole number for each of {samples} samples")
    if len(found) and not 0 <= found.min() <= found.max() < LABELS:
        raise ParameterError(f"labels go from {found.min()} to {found.max()}; ViRelAy reads 0 to {LABELS - 1}")
    return found.astype(np.uint16)


def to_crp(
    store: Store,
    folder: str | Path,
    *,
    at: str | Sequence[str] | None = None,
    k: int = MOST,
    by: str | Sequence[str] = BY,
    norm: str | None = None,
    partial: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write which samples have most relevance in each channel as zennit-crp keeps it, and return the folder.

    For each value there are RelMax_sum_unnormed/NODE_data.npy (samples), NODE_rel.npy (relevance) and NODE_rf.npy
    (where in the channel), each (k, C), the strongest first; the same in RelMax_max_unnormed.

    Args:
        store: of a job with ``at=(NODE, ...)``.
        folder: to make; nothing may be there.
        at: one or some of these values; None for all.
        k: how many samples for each channel; where there are fewer, all.
        by: "sum" over the positions of a channel, their "max", or both.
        norm: None, or "crp": as of :func:`lrp_ref.methods.relmax`; the folders are then called normed.
        partial: also where chunks are left to do.
        progress: called with (done, total) samples of all searches after each batch.

    Raises:
        ParameterError: chunks that are left to do, or nothing explained; a value that the store does not keep, or whose
            name cannot be a file's; another choice of ``by`` or ``norm``; the folder cannot be written.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential([("fc", lrp.layers.Dense(np.eye(2)))]), place / "net.npz")
        ...     np.save(place / "x.npy", np.array([[1.0, 0.0], [3.0, 1.0]]))
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", at=("fc",))
        ...     made = to_crp(lrp.scale.run(asked, place / "out").store, place / "crp", k=1)
        ...     sorted(path.name for path in made.rglob("*_data.npy")), sorted(path.name for path in made.iterdir())
        (['fc_data.npy', 'fc_data.npy'], ['RelMax_max_unnormed', 'RelMax_sum_unnormed'])
    """
    goal = _goal(store, folder, partial)
    some = Explained(store, of=store.attributes["inputs"][0])  # the same samples of each input are explained
    kept = [str(name) for name in store.attributes["at"]] if at is None else [at] if isinstance(at, str) else list(at)
    ways = [by] if isinstance(by, str) else list(by)
    if not kept or not ways:
        raise ParameterError(f"{store.path} keeps no channels: make a store with 'lrp-ref explain-set ... --at NODE'")
    searches = [(one, way) for one in kept for way in ways]
    with appearing(goal) as part:
        for number, (one, way) in enumerate(searches):
            before = number * len(some)

            def told(done: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, len(searches) * len(some))

            strongest(some, at=one, k=k, by=way, norm=norm, progress=told).save(part)
    return goal


def _goal(store: Store, path: str | Path, partial: bool) -> Path:
    """Return where to write, if there is enough to write and the place is none inside the store.

    Raises:
        ParameterError: there is not, or it is.
    """
    goal = Path(path)
    if goal.resolve().is_relative_to(store.path.resolve()):
        raise ParameterError(f"cannot write {goal}: it lies in the store {store.path}; give another name")
    states = store.states()
    left = int((states == TO_DO).sum())
    if left and not partial:
        raise ParameterError(
            f"{store.path}: {left} of {len(states)} chunks are left to do: let 'lrp-ref explain-set' go on, or ask for "
            "what is there (partial=True, --partial)"
        )
    return goal
