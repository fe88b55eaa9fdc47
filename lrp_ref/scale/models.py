"""The model of a job: a file and its hash, loaded once in every process that works on the job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..errors import ModelFormatError
from ..exact import file_hash, network_hash
from ..loaders import load
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..network.network import Network


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
        """Return a file as the model of a job.

        Raises:
            LrpError: as of :func:`lrp_ref.load`.
        """
        beside = None if sidecar is None else str(sidecar)
        described = None if architecture is None else str(architecture)
        one = ModelFile(str(path), file_hash(path), "", output, described, beside)
        return replace(one, network=network_hash(_load(one)))

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return Path(self.path).name

    def load(self) -> Network:
        """Return the network, its batch in front; of later calls in the same process the same one.

        Raises:
            ModelFormatError: the file is not the one that the job is about.
        """
        return _loaded(self)

    def read_sidecar(self) -> Sidecar | None:
        """Return what says how a picture becomes an input."""
        return load_sidecar(self.path, self.sidecar)


def _load(model: ModelFile) -> Network:
    net = load(model.path, output=model.output, architecture=model.architecture)
    return declare(net, model.read_sidecar()).batch_first()


@lru_cache(maxsize=4)
def _loaded(model: ModelFile) -> Network:
    if file_hash(model.path) != model.sha256:
        raise ModelFormatError(
            f"{model.path}: another file than the job is about (sha256 {file_hash(model.path)[:12]}…, not "
            f"{model.sha256[:12]}…): put that one in its place"
        )
    net = _load(model)
    if network_hash(net) != model.network:
        raise ModelFormatError(
            f"{model.path}: the file is the same and the network another: the weights beside it have changed"
        )
    return net
