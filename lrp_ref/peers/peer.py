"""The table of other programs: how each is called, installed and asked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import unknown
from .task import Recording, Task


class Adapter(Protocol):
    """A module of ``adapters``: how one program is asked."""

    def record(self, task: Task, folder: Path | None = None) -> Recording:
        """Run the program on a task and return what it computed.

        Args:
            task: the network, its inputs, the rules and the start relevance.
            folder: where the program's files are, of programs that are no packages.

        Raises:
            NoRule: nothing of the task can be asked.
            PeerError: the program cannot be run.
        """


@dataclass(frozen=True)
class Peer:
    """Another program that computes LRP.

    Attributes:
        name: as it is asked for, also the name of its module in ``adapters``.
        title: as its authors write it.
        module: what is imported to see whether it is there; "" for programs in a folder.
        install: the command that installs it.
        dialect: the dialect that gives its numbers.
        homepage, issues: addresses.
        adapter: module in ``adapters``, where it is not the name.
        folder: whether its files are read from a folder that the user names.
        oldest, newest: Pythons that what ``install`` names runs in, () for no bound.
    """

    name: str
    title: str
    module: str
    install: str
    dialect: str
    homepage: str
    issues: str
    adapter: str = ""
    folder: bool = False
    oldest: tuple[int, ...] = (3, 11)
    newest: tuple[int, ...] = ()

    def load(self) -> Adapter:
        """Import the adapter; the program itself is imported when a task is recorded."""
        return importlib.import_module(f".adapters.{self.adapter or self.name}", __package__)


_GITHUB = "https://github.com/"


def _peer(name: str, title: str, module: str, install: str, dialect: str, home: str, **more: object) -> Peer:
    return Peer(name, title, module, install, dialect, _GITHUB + home, f"{_GITHUB}{home}/issues", **more)  # type: ignore[arg-type]


PEERS: dict[str, Peer] = {
    p.name: p
    for p in (
        _peer(
            "zennit", "zennit", "zennit", "pip install zennit==1.0.0", "zennit-1.0", "chr5tphr/zennit",
            oldest=(3, 11, 11),
        ),
        _peer("captum", "Captum", "captum", "pip install captum==0.9.0", "captum-0.9", "pytorch/captum"),
        _peer(
            "lxt", "LRP-eXplains-Transformers", "lxt", "pip install lxt==2.1", "lxt-2.1",
            "rachtibat/LRP-eXplains-Transformers",
        ),
        _peer("autolrp", "autoLRP", "autolrp", "pip install autolrp==0.2.0", "autolrp-0.2", "Wa-lead/autoLRP"),
        _peer(
            "hilrp", "HiLRP", "hilrp", "pip install hilrp==0.2.0", "hilrp-0.2",
            "Nishan-Charlie/Hi-LRP-Towards-One-Trustworthy-Explainable-AI", oldest=(3, 11, 11),
        ),
        _peer(
            "innvestigate", "iNNvestigate", "innvestigate",
            "pip install tensorflow-cpu==2.14.1 numpy==1.26.4 innvestigate==2.1.2", "innvestigate-2.1",
            "albermax/innvestigate", newest=(3, 11),
        ),
        _peer(
            "toolbox", "LRP toolbox", "", "git clone https://github.com/sebastian-lapuschkin/lrp_toolbox",
            "toolbox-1.3", "sebastian-lapuschkin/lrp_toolbox", folder=True,
        ),
        _peer(
            "lrp_for_lstm", "LRP_for_LSTM", "", "git clone https://github.com/ArrasL/LRP_for_LSTM", "lrp-for-lstm-2020",
            "ArrasL/LRP_for_LSTM", folder=True,
        ),
        _peer(
            "torchlrp", "TorchLRP", "", "git clone https://github.com/fhvilshoj/TorchLRP", "torchlrp-2021",
            "fhvilshoj/TorchLRP", folder=True,
        ),
        _peer(
            "pytorch_lrp", "Pytorch-LRP", "", "git clone https://github.com/moboehle/Pytorch-LRP", "pytorch-lrp-2020",
            "moboehle/Pytorch-LRP", folder=True,
        ),
        _peer(
            "relevance_propagation", "PyTorchRelevancePropagation", "",
            "git clone https://github.com/kaifishr/PyTorchRelevancePropagation", "relevance-propagation-2022",
            "kaifishr/PyTorchRelevancePropagation", folder=True,
        ),
    )
}  # fmt: skip


def find(name: str) -> Peer:
    """Return a program by its name.

    Raises:
        ParameterError: another name; the nearest is suggested.

    Example:
        >>> find("captum").dialect
        'captum-0.9'
    """
    if name not in PEERS:
        raise unknown("peer", name, PEERS)
    return PEERS[name]
