"""Bytes on disk to a :class:`Network`: one module per format; third-party imports stay inside the functions.

``FORMATS`` is the table of them, and nothing else registers one. To add a format, write a module of this package with a
function ``load(path, *, output=None)``, which may have options of its own, and enter it here as one more ``Format``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ModelFormatError, ParameterError, UnsupportedError
from ..network.network import Network
from . import elsewhere
from .verify import Comparison, NodeComparison, check_against_onnxruntime, compare_nodes

__all__ = [
    "FORMATS",
    "Comparison",
    "Format",
    "NodeComparison",
    "check_against_onnxruntime",
    "compare_nodes",
    "load",
    "save",
    "suffixes",
]


@dataclass(frozen=True)
class Format:
    """One format of model files; a file is recognised by its suffix, in small letters or capitals.

    Attributes:
        suffixes: its files end in one of these, written here in small letters.
        module: of this package; it is imported when the first file of the format is read.
        extra: of lrp-ref, which installs what the module needs; None where it needs no other package.
        function: of the module, from a path and the options of :func:`load` to a network.
        weights: whether its files hold weights alone, which :mod:`lrp_ref.loaders.described` puts onto an architecture.
    """

    suffixes: tuple[str, ...]
    module: str
    extra: str | None = None
    function: str = "load"
    weights: bool = False

    def recognises(self, path: Path) -> bool:
        """Return whether a file of this name is of the format.

        Example:
            >>> Format((".npz",), "native").recognises(Path("MODEL.NPZ"))
            True
        """
        return path.suffix.lower() in self.suffixes

    def loader(self) -> Callable[..., Network]:
        """Return the function that reads files of the format."""
        found: Callable[..., Network] = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return found


FORMATS = (
    Format((".npz",), "native"),
    Format((".onnx",), "onnx", extra="onnx"),
    Format((".txt", ".nn"), "toolbox"),
    Format((".keras", ".h5", ".hdf5"), "keras", weights=True),
    Format((".safetensors",), "safetensors", weights=True),
    Format((".pth", ".pt", ".bin"), "torch", weights=True),
    Format((".skops",), "skops"),
)
SAVED_BY = {".npz": "native", ".onnx": "onnx.write"}  # suffix → the module of this package with a ``save``


def suffixes() -> tuple[str, ...]:
    """Return the file suffixes that :func:`load` knows.

    Example:
        >>> {".npz", ".onnx"} <= set(suffixes())
        True
    """
    return tuple(sorted(suffix for known in FORMATS for suffix in known.suffixes))


def load(
    path: str | Path,
    *,
    output: str | Sequence[str] | tuple[str, int, int] | None = None,
    architecture: Any = None,
    **options: Any,
) -> Network:
    """Read a model file; its suffix says which loader reads it.

    Args:
        path: an ``.onnx`` file, a Keras file (``.keras``, ``.h5``), an ``.npz`` file written by :func:`save`, a
            ``.txt`` or ``.nn`` file of the LRP toolbox, or an estimator of scikit-learn that skops saved (``.skops``);
            or weights alone, a ``.safetensors`` file or one of ``torch.save``.
        output: the values to return, by name, also inside the network: only what they need is loaded; of an estimator
            what is explained, such as "logodds" (see :func:`lrp_ref.neuralise.from_sklearn`). None for all outputs of
            the file.
        architecture: of weights alone, the network that they belong to: a JSON or TOML file, or what it has in it
            (see ``loaders.described``; of a Keras file what ``model.to_json()`` writes). None for
            NAME.architecture.json or .toml beside the weights.
        options: for the loader: see :func:`lrp_ref.loaders.onnx.load`, :func:`lrp_ref.loaders.keras.load`,
            :func:`lrp_ref.loaders.native.load` and :func:`lrp_ref.loaders.skops.load`.

    Returns:
        The network, parameters as float32 or float64 as in the file. Its input declares the range of the pixels
        (``Input.low`` and ``high``) where the file says it, or a sidecar beside it (see ``loaders.preprocess``).

    Raises:
        ModelFormatError: there is no such file, or it is damaged.
        ParameterError: nothing in the file is called as ``output`` says; an architecture for a file that has its own.
        UnsupportedError: the suffix is not known (it is said how other programs export to ONNX), or the file uses
            what lrp_ref does not implement.
        MissingExtraError: the package that reads this format is not installed.
    """
    file = Path(path)
    known = next((one for one in FORMATS if one.recognises(file)), None)
    if not file.exists():
        raise ModelFormatError(f"{file}: there is no such file")
    if known is None:
        raise UnsupportedError(elsewhere.told(file, ", ".join(suffixes())))
    if not file.is_file():
        raise ModelFormatError(f"{file}: not a file")
    if known.weights:
        options["architecture"] = architecture
    elif architecture is not None:
        raise ParameterError(f"{file}: its architecture is in the file; one is given for weights alone")
    return _with_range(known.loader()(file, output=output, **options), file)


def _with_range(network: Network, file: Path) -> Network:
    """Return the network with the range that a sidecar beside its file tells, if neither it nor the file says another.

    The range is a convenience: another JSON file of that name does not keep the model from being loaded. The command
    line, which needs the sidecar for more, says what is wrong with it.
    """
    known = any(i.low is not None or i.high is not None for i in network.inputs)
    if known or not file.with_suffix(".json").is_file():
        return network
    from .preprocess import declare, load_sidecar  # only needed here, and loading should be quick

    try:
        return declare(network, load_sidecar(file))
    except ModelFormatError:
        return network


def save(network: Network, path: str | Path, **options: Any) -> None:
    """Write a network to an ``.npz`` file that :func:`load` reads back exactly, or to an ``.onnx`` file.

    An ``.onnx`` file holds what the network computes, so that outputs come back bit by bit; it has no place for what
    only explanations need: ties of a maximum, which operand of a product is the gate, the range of the input.

    Args:
        network: its parameters must be NumPy arrays of numbers; for ONNX, of float32 or of float64.
        path: ends in ``.npz`` or ``.onnx``; an existing file is replaced in one step.
        options: for ONNX: see :func:`lrp_ref.loaders.onnx.write.save`.

    Raises:
        UnsupportedError: another suffix, or with every node that the format does not hold.
        ParameterError: an option that the format does not have.
        MissingExtraError: the onnx package is not installed.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.eye(2))])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(net, pathlib.Path(folder) / "net.npz")
        ...     load(pathlib.Path(folder) / "net.npz") == net
        True
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in SAVED_BY:
        raise UnsupportedError(f"{file}: networks are saved as {' or '.join(SAVED_BY)} files")
    if options and suffix == ".npz":
        raise ParameterError(f"{file}: an .npz file has no option {', '.join(options)}")
    import_module(f"{__name__}.{SAVED_BY[suffix]}").save(network, file, **options)
