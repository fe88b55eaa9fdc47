"""The model of a job: a file and its hash, loaded once in every process that works on the job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ...errors import ModelFormatError, ShapeError
from ...exact import file_hash, network_hash
from ...loaders import load
from ...loaders.preprocess import Sidecar, declare, load_sidecar
from ...network.network import Network

KEPT = 4  # networks that a process keeps
_networks: dict[ModelFile, Network] = {}


@dataclass(frozen=True)
class ModelFile:
    """A model as a worker is told of it: where it lies, and which one it must be.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        network: hash of the network in it, which the weights beside an ONNX file, its outputs and architecture change.
        output: the name of the value that is explained; None for the first output of the file.
        architecture: of a file that has weights alone.
        sidecar: JSON file that says how a picture becomes an input; None for the one beside the model, if there is one.

    Example:
        >>> import tempfile, numpy as np, lrp_ref as lrp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "net.npz"
        ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), path)
        ...     model = ModelFile.of(path)
        ...     model.name, model.load() is model.load()
        ('net.npz', True)
    """

    path: str
    sha256: str
    network: str
    output: str | None = None
    architecture: str | None = None
    sidecar: str | None = None

    @staticmethod
    def of(
        path: str | Path,
        *,
        output: str | None = None,
        architecture: str | Path | None = None,
        sidecar: str | Path | None = None,
    ) -> ModelFile:
        """Return a file as the model of a job; it is read now, whatever was read before.

        Raises:
            LrpError: as of :func:`lrp_ref.load`.
            ShapeError: an input of the network has no batch.
        """
        # With all folders: a worker on another machine stands in another one.
        place = str(Path(path).absolute())
        beside = None if sidecar is None else str(Path(sidecar).absolute())
        described = None if architecture is None else str(Path(architecture).absolute())
        one = ModelFile(place, file_hash(path), "", output, described, beside)
        net = _read(one)
        made = replace(one, network=network_hash(net))
        _keep(made, net)
        return made

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return Path(self.path).name

    def load(self) -> Network:
        """Return the network, its batch in front; of later calls in the same process the same one.

        Raises:
            ModelFormatError: the file is not the one that the job is about.
        """
        found = _networks.get(self)
        if found is not None:
            return found
        there = file_hash(self.path)
        if there != self.sha256:
            raise ModelFormatError(
                f"{self.path}: another file than the job is about (sha256 {there[:12]}…, not {self.sha256[:12]}…): put "
                "that one in its place"
            )
        net = _read(self)
        if network_hash(net) != self.network:
            raise ModelFormatError(
                f"{self.path}: the file is the same and the network another: the weights beside it, its architecture "
                "or its sidecar have changed"
            )
        _keep(self, net)
        return net

    def load_as(self, dtype: str) -> Network:
        """Return the network with its numbers in another type, for inputs of integers, which do not say which one."""
        net = self.load()
        return net if net.dtype is None or str(net.dtype) == dtype else _cast(self, dtype)

    def read_sidecar(self) -> Sidecar | None:
        """Return what says how a picture becomes an input."""
        return load_sidecar(self.path, self.sidecar)


def _read(model: ModelFile) -> Network:
    net = load(model.path, output=model.output, architecture=model.architecture)
    for one in net.inputs:
        if one.batch_axis is None:
            raise ShapeError(
                f"{model.path}: input '{one.name}' has no batch ({one.described()}), so that samples cannot be "
                "explained together: 'lrp-ref explain' takes them one by one"
            )
    return declare(net, model.read_sidecar()).batch_first()


def _keep(model: ModelFile, net: Network) -> None:
    while len(_networks) >= KEPT:
        del _networks[next(iter(_networks))]
    _networks[model] = net


@lru_cache(maxsize=1)
def _cast(model: ModelFile, dtype: str) -> Network:
    return model.load().astype(dtype)
