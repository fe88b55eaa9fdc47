"""20 Newsgroups by date: postings of twenty groups, the earlier ones to learn from and the later ones to be asked."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError
from .application import Need

LARGEST = 1 << 20  # bytes of a posting
LETTERS = r"[a-zA-Z]+"  # of a word; numbers are none
NEED = Need(
    "20news-bydate.tar.xz",
    "18,846 postings of 20 newsgroups, by date",
    "https://qwone.com/~jason/20Newsgroups (20news-bydate), packed again with xz",
    "none stated",
)


@dataclass(frozen=True)
class Postings:
    """Postings and their groups.

    Attributes:
        texts: without the header, which names the group.
        groups: (N,), the number of the group of each.
        names: of the groups, by number.
    """

    texts: tuple[str, ...]
    groups: NDArray[np.int64]
    names: tuple[str, ...]

    def some(self, of_each: int, at_most: int | None = None) -> Postings:
        """Return the first ``of_each`` postings of each of the first ``at_most`` groups, all for None."""
        kept = [k for g in range(len(self.names))[:at_most] for k in np.flatnonzero(self.groups == g)[:of_each]]
        chosen = np.sort(np.array(kept, dtype=np.int64))
        return Postings(tuple(self.texts[k] for k in chosen), self.groups[chosen], self.names[:at_most])


def read(path: Path) -> tuple[Postings, Postings]:
    """Return the postings to learn from and those to be asked, from an archive that is not unpacked.

    In some copies of the collection every line ends in a tab; without a line's end no header ends.

    Raises:
        ModelFormatError: no such archive, or a posting of more than 1 MB.
    """
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    try:
        with tarfile.open(path) as held:
            for member in held:
                parts = member.name.split("/")
                part = parts[0].rpartition("-")[2]
                if len(parts) != 3 or part not in found or not member.isfile():
                    continue
                if member.size > LARGEST:
                    raise ModelFormatError(f"{path}: {member.name} has {member.size} bytes; a posting has 1 MB at most")
                stream = held.extractfile(member)
                assert stream is not None
                found[part].append((parts[1], body(stream.read().decode("latin-1"))))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ModelFormatError(f"{path}: no archive of 20 Newsgroups by date: {error}") from error
    names = tuple(sorted({group for group, _ in found["train"]}))
    if not names or {group for group, _ in found["test"]} - set(names):
        raise ModelFormatError(f"{path}: no postings as 20news-bydate-train/GROUP/NUMBER and 20news-bydate-test/…")
    number = {name: k for k, name in enumerate(names)}
    made = [
        Postings(tuple(text for _, text in some), np.array([number[group] for group, _ in some], np.int64), names)
        for some in (found["train"], found["test"])
    ]
    return made[0], made[1]


def body(posting: str) -> str:
    """Return a posting without its header.

    Example:
        >>> body("From: a@b.c\\nNewsgroups: sci.space\\n\\nThe moon.\\nIs it far?")
        'The moon.\\nIs it far?'
    """
    return posting.replace("\t", "\n").partition("\n\n")[2]
