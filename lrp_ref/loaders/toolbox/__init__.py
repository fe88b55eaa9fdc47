"""Networks of the LRP toolbox (Lapuschkin et al. 2016): its text format, old and new, and its pickled ``.nn`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import LrpError, ModelFormatError
from ...network.network import Network
from .. import outputs
from .modules import network
from .pickled import read_pickled
from .text import read_text


def load(path: Path, *, output: str | Sequence[str] | None = None) -> Network:
    """Read a network of the LRP toolbox.

    The network takes what the toolbox takes: vectors (N, features), or images (N, height, width, channels) where its
    first module looks at an image. Its sum pooling divides by the root of the window's size, its max pooling gives each
    of several equal winners the same, as the toolbox does.

    Args:
        path: a ``.txt`` file, or an ``.nn`` file: a pickle, whose instructions are carried out on plain values, so that
            nothing in the file is imported or called.
        output: the values to return, by name; None for the output of the last module.

    Raises:
        ModelFormatError: not such a file, or damaged; the message names the line, or the module.
        UnsupportedError: with every module that the toolbox has and lrp_ref does not read.
        ParameterError: no value is called as ``output`` says.

    Source: Lapuschkin, Binder, Montavon, Müller, Samek 2016, "The LRP Toolbox for Artificial Neural Networks", JMLR 17.
    """
    modules = read_pickled(path) if path.suffix.lower() == ".nn" else read_text(path)
    try:
        found = network(modules, path)
    except LrpError as error:
        if str(path) in str(error):
            raise
        raise ModelFormatError(f"{path}: {error}") from error
    return outputs.part(found, output, path)
