"""Sentences as the inputs of a network: which input takes what, and whether tokenizer and network fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, to_numpy
from ..errors import LrpError, ParameterError, ShapeError, UnsupportedError
from ..layers import Embedding
from ..network.inputs import Input, batch_back
from ..network.network import Network
from .sentence import Sentence, Words, words
from .tokenizer import Tokenizer

# What an input is for, by a part of its name; the one that is left over takes the numbers of the pieces.
ROLES = (("mask", "mask"), ("type", "types"), ("segment", "types"), ("position", "positions"))
FILLED = "input_ids, attention_mask, token_type_ids, position_ids"


class Mapped(Protocol):
    """What has a map for each input: an explanation, or an attribution."""

    def maps(self) -> dict[str, Array]:
        """Return the relevance of every input by name, with the samples as the first axis of each."""


@dataclass(frozen=True, eq=False)
class Fed:
    """Sentences, and the inputs that they make for a network.

    Attributes:
        sentences: N of them.
        x: the inputs by name, for :func:`lrp_ref.explain`.
        name: of the input that has the numbers of the pieces.

    Example:
        >>> from lrp_ref.layers import Dense, Mean
        >>> from lrp_ref.text import Vocabulary
        >>> table, out = np.array([[1.0], [-3.0], [2.0]]), np.array([[1.0]])
        >>> net = Network.sequential([Embedding(table), Mean((1,), keepdims=False), Dense(out)])
        >>> fed = feed(net, Vocabulary(("a", "bad", "film")), ["a bad film", "bad bad bad"])
        >>> import lrp_ref as lrp
        >>> print(fed.words(lrp.explain(net, fed.x, composite="lrp0"), 1))
        bad(-1) bad(-1) bad(-1)
    """

    sentences: tuple[Sentence, ...]
    x: dict[str, NDArray[Any]]
    name: str

    def words(self, e: Mapped, k: int = 0) -> Words:
        """Return the words of the k-th sentence with the relevance of their pieces.

        Relevance that other inputs received, such as a mask, is no word's: see :meth:`others`.
        """
        maps = e.maps()
        return words(self.sentences[k], to_numpy(maps.get(self.name, next(iter(maps.values())))[k]))

    def others(self, e: Mapped, k: int = 0) -> dict[str, float]:
        """Return the sum of the relevance that each further input of the k-th sentence received."""
        if len(self.x) == 1:
            return {}
        return {name: float(to_numpy(part[k]).sum()) for name, part in e.maps().items() if name != self.name}


def feed(
    net: Network, tokenizer: Tokenizer, texts: str | Sequence[str], *, length: int | None = None, dtype: Any = None
) -> Fed:
    """Return sentences as the inputs of a network, by name.

    An input whose name has "mask" in it is 1 for pieces and 0 for padding; "type" or "segment", the number of the
    segment; "position", 0 1 2 …; the one input that is left takes the numbers of the pieces. Sentences are filled up
    to the network's fixed length, to ``length``, or, where there is a mask, to the longest of them.

    Args:
        net: takes tokens: an ``Embedding`` looks them up.
        tokenizer: of :func:`lrp_ref.text.load_tokenizer`.
        texts: one sentence or several.
        length: in pieces, for networks that leave it free.
        dtype: of inputs that the network declares as floats; None for what it declares.

    Raises:
        ParameterError: a sentence that is empty or too long, or that cannot be filled up; a tokenizer with more pieces
            than the table has rows.
        UnsupportedError: a network that takes no tokens, or an input that no tokenizer fills.
        ShapeError: sentences of different length for a network that has no mask.

    Example:
        >>> from lrp_ref.text import Vocabulary
        >>> net = Network.sequential([Embedding(np.eye(3))])
        >>> feed(net, Vocabulary(("not", "very", "good")), "very good").x
        {'input': array([[1, 2]])}
    """
    given = list(texts) if isinstance(texts, Iterable) and not isinstance(texts, str | bytes) else [texts]
    if not given:
        raise ParameterError("no sentence is given")
    if length is not None and (not isinstance(length, int | np.integer) or length < 1):
        raise ParameterError(f"length is {length!r}; give a whole number of pieces, 1 or more, or None")
    roles = _roles(net)
    spec = next(i for i in net.inputs if roles[i.name] == "ids")
    require_fit(net, tokenizer)
    sentences = tuple(_encoded(tokenizer, text, k if len(given) > 1 else None) for k, text in enumerate(given))
    count = _length(spec, sentences, length, masked="mask" in roles.values())
    rows = {role: _filled(role, sentences, count, tokenizer) for role in dict.fromkeys(roles.values())}
    x = {}
    for i in net.inputs:
        array = rows[roles[i.name]]
        kind = np.dtype(i.element_type) if i.element_type.startswith("float") else np.dtype("int64")
        x[i.name] = batch_back(array.astype(kind if dtype is None or kind.kind != "f" else dtype), i.batch_axis)
    return Fed(sentences, x, spec.name)


def require_fit(net: Network, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer with more pieces than the network's table has rows; tables may have rows to spare.

    Raises:
        ParameterError: it has more, with both sizes.
        UnsupportedError: no ``Embedding`` looks up what the network takes.

    Example:
        >>> from lrp_ref.text import Vocabulary
        >>> net = Network.sequential([("words", Embedding(np.eye(2)))])
        >>> require_fit(net, Vocabulary(("not", "very", "good")))
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: the tokenizer has 3 pieces, the table of node 'words' 2 rows: they are not of one
        model; give the tokenizer that the network was trained with
    """
    roles = _roles(net)
    node, table = _table(net, next(name for name, role in roles.items() if role == "ids"))
    if tokenizer.size > table.table.shape[0]:
        raise ParameterError(
            f"the tokenizer has {tokenizer.size} pieces, the table of node '{node}' {table.table.shape[0]} rows: they "
            "are not of one model; give the tokenizer that the network was trained with"
        )


def sizes(path: str | Path, length: int | None) -> dict[str, Any]:
    """Return the options of ``loaders.load`` that fix the length of a text where an ONNX file leaves it free.

    Args:
        path: the model.
        length: in pieces; None for as the file has it.

    Example:
        >>> sizes("net.npz", 32), sizes("net.onnx", None)
        ({}, {})
    """
    if length is None or Path(path).suffix.lower() != ".onnx":
        return {}
    from ..loaders.onnx.file import read  # imports the onnx package

    free = [
        i.name for i in read(Path(path)).inputs if i.shape and len(i.shape) == 2 and not isinstance(i.shape[1], int)
    ]
    return {"shapes": dict.fromkeys(free, (None, length))} if free else {}


def _roles(net: Network) -> dict[str, str]:
    """Return what each input of a network takes, by its name."""
    if len(net.inputs) == 1:
        return {net.inputs[0].name: "ids"}
    roles = {i.name: next((role for part, role in ROLES if part in i.name.lower()), "ids") for i in net.inputs}
    left = [name for name, role in roles.items() if role == "ids"]
    if len(left) != 1:
        strange = ", ".join(left) or "none is left for the numbers of the pieces"
        raise UnsupportedError(
            f"which input takes what is told by its name, such as {FILLED}; not clear: {strange}: give the inputs by "
            "name in an .npz file"
        )
    return roles


def _table(net: Network, name: str) -> tuple[str, Embedding]:
    """Return the node that looks up an input, possibly after it was moved, and its layer."""
    names = [name]
    while names:
        for node in net.consumers(names.pop()):
            if isinstance(node.layer, Embedding):
                return node.name, node.layer
            if node.layer.moves:
                names.append(node.name)
    raise UnsupportedError(
        f"input '{name}' takes no tokens: no Embedding looks it up; text is for networks that look words up in a table"
    )


def _encoded(tokenizer: Tokenizer, text: str, number: int | None) -> Sentence:
    try:
        return tokenizer.encode(text)
    except LrpError as error:
        raise error if number is None else type(error)(f"sentence {number}: {error}") from error


def _length(spec: Input, sentences: Sequence[Sentence], asked: int | None, *, masked: bool) -> int:
    """Return how many pieces every sentence is filled up to."""
    sample = spec.sample
    if sample is not None and len(sample) != 1:
        raise UnsupportedError(
            f"input '{spec.name}' takes {spec.expected()}, and text is one row of numbers a sentence"
        )
    fixed = None if sample is None else sample[0]
    if fixed is not None and asked not in (None, fixed):
        raise ParameterError(f"the length {asked} is asked for, and the network takes {fixed} pieces: leave it out")
    longest = max(len(s) for s in sentences)
    most = fixed or asked
    if most is not None and longest > most:
        way = (
            "give a larger length (--length)"
            if fixed is None
            else "shorten it, or load the model with more (--length, where its file leaves the length free)"
        )
        raise ParameterError(f"the sentence has {longest} pieces, the network takes {most}: {way}; nothing is cut off")
    if most is None and not masked and len({len(s) for s in sentences}) > 1:
        raise ShapeError("sentences of different length, and the network has no mask: explain them one by one")
    return most or longest


def _filled(role: str, sentences: Sequence[Sentence], count: int, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return one input (N, T), filled up behind each sentence."""
    rows = np.zeros((len(sentences), count), dtype=np.int64)
    for row, s in zip(rows, sentences, strict=True):
        short = len(s) < count
        if role == "ids" and short:
            if tokenizer.padding is None:
                raise ParameterError(
                    f"the sentence has {len(s)} pieces, the network takes {count}, and the tokenizer has no piece to "
                    "fill it up with (such as [PAD])"
                )
            row[:] = tokenizer.padding[0]
        if role == "positions":
            row[:] = np.arange(count)
        else:
            row[: len(s)] = {"ids": s.ids, "mask": (1,) * len(s), "types": s.types or (0,) * len(s)}[role]
    return rows
