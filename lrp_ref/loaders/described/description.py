"""The file that describes an architecture: found, read, and brought into entries."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import LrpError, ModelFormatError, UnsupportedError, nearest, unknown
from ...network.inputs import Input
from .. import elsewhere
from ..limits import json_value
from .entry import shown_value
from .kinds import MODULES, REQUIRED
from .own import wanted
from .tensors import shown

LONGEST = 10_000_000  # bytes of the file
MOST = 100_000  # layers
ENDINGS = (".architecture.json", ".architecture.toml")
KEYS = ("input", "inputs", "layers", "output", "outputs", "prefix", "ignore", "comment")
OWN = "layer"  # the key of an entry that names a layer of this package


@dataclass(frozen=True)
class Written:
    """One entry of ``layers`` as it is written.

    Attributes:
        place: where it is, as errors have it.
        kind: of PyTorch's modules, or of this package's layers.
        own: whether it is the latter.
        name: of its node.
        source: where its tensors are; "" if it has none.
        inputs: what it reads; None for what the entry before it makes.
        options: the rest.
    """

    place: str
    kind: str
    own: bool
    name: str
    source: str | Mapping[str, str]
    inputs: tuple[str, ...] | None
    options: Mapping[str, Any]

    @property
    def heads(self) -> tuple[str, ...]:
        """What the names of its tensors begin with."""
        if self.own:
            return tuple(name for value in self.options.values() for name in wanted(value))
        if isinstance(self.source, str):
            return (f"{self.source}.",) if self.source else ()
        return tuple(self.source.values())


@dataclass(frozen=True)
class Description:
    """What a description says.

    Attributes:
        what: the file, as errors have it.
        inputs: of the network.
        entries: the layers.
        outputs: names of values; empty for the last.
        prefix: in front of all names of tensors; None where nothing is said.
        ignore: patterns of the names of tensors that are not needed.
    """

    what: str
    inputs: tuple[Input, ...]
    entries: tuple[Written, ...]
    outputs: tuple[str, ...]
    prefix: str | None
    ignore: tuple[str, ...]


def find(weights: Path, architecture: Any) -> Description:
    """Return the description of the network of a weights file.

    Args:
        weights: the file.
        architecture: a path, or what such a file has in it; None for the file beside the weights.

    Raises:
        UnsupportedError: there is none.
        ModelFormatError: it cannot be read, or is no description.
    """
    if isinstance(architecture, str | Path):
        return parse(read(Path(architecture)), str(architecture))
    if architecture is not None:
        return parse(architecture, "the architecture")
    found = [path for path in (weights.with_suffix(ending) for ending in ENDINGS) if path.is_file()]
    if len(found) > 1:
        raise ModelFormatError(f"{weights}: two descriptions lie beside it, {found[0].name} and {found[1].name}")
    if not found:
        raise UnsupportedError(
            f"{weights}: weights without their network: describe it in {weights.with_suffix(ENDINGS[0]).name}, or in a "
            f"file that architecture= (--architecture) names, as docs/export/pytorch.md says; or {elsewhere.PYTORCH}"
        )
    return parse(read(found[0]), str(found[0]))


def read(path: Path) -> Any:
    """Return the content of a JSON or TOML file.

    Raises:
        ModelFormatError: it cannot be read, or is neither.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise ModelFormatError(f"{path}: the architecture cannot be read: {reason}") from error
    if path.suffix.lower() != ".toml":
        return json_value(text, str(path), longest=LONGEST)
    if len(text) > LONGEST:
        raise ModelFormatError(f"{path}: more than {LONGEST} bytes")
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: no TOML: {' '.join(str(error).split())[:200]}") from error


def parse(content: Any, what: str) -> Description:
    """Return what a description says.

    Raises:
        ModelFormatError: a key or a value that has no meaning here; the message names its place.

    Example:
        >>> found = parse({"layers": [{"Linear": "fc1"}, "ReLU", {"Linear": "fc2"}]}, "net.json")
        >>> [(entry.kind, entry.name) for entry in found.entries]
        [('Linear', 'fc1'), ('ReLU', 'relu1'), ('Linear', 'fc2')]
    """
    try:
        return _parsed(content, what)
    except LrpError as error:
        kind = UnsupportedError if isinstance(error, UnsupportedError) else ModelFormatError
        raise kind(f"{what}: {error}") from error


def _parsed(content: Any, what: str) -> Description:
    if not isinstance(content, Mapping):
        raise ModelFormatError("a description is an object with the key layers")
    for key in content:
        if key not in KEYS:
            raise unknown("key", str(key)[:80], KEYS)
    layers = content.get("layers")
    if not isinstance(layers, list | tuple) or not 0 < len(layers) <= MOST:
        raise ModelFormatError(f"layers must be a list of 1 to {MOST} entries")
    counts: Counter[str] = Counter()
    entries = tuple(_entry(f"layers[{k}]", one, counts) for k, one in enumerate(layers))
    prefix = content.get("prefix")
    return Description(
        what,
        _inputs(content),
        entries,
        _one_or_several(content, "output", "outputs"),
        None if prefix is None else _text("prefix", prefix),
        _names("ignore", content.get("ignore", ())),
    )


def _entry(place: str, one: Any, counts: Counter[str]) -> Written:
    """Return an entry, named by its tensors, or by its kind and a number."""
    given = {one: None} if isinstance(one, str) else one
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ModelFormatError(f"{place} is neither a kind nor an object: {shown_value(one)}")
    own = OWN in given
    kinds = [OWN] if own else [key for key in given if key[:1].isupper()]
    if len(kinds) != 1:
        raise ModelFormatError(f"{place} names {len(kinds)} kinds of layers: {shown_value(one)}")
    kind = _text(f"{place}: {OWN}", given[OWN]) if own else kinds[0]
    if not own and kind not in MODULES:
        near = nearest(kind, MODULES)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UnsupportedError(f"{place}: unknown kind {shown(kind)}: {hint}docs/export/pytorch.md has the list")
    options = {key: value for key, value in given.items() if key not in (*kinds, "name", "inputs")}
    inputs = None if given.get("inputs") is None else _names(f"{place}: inputs", given["inputs"])
    source: str | Mapping[str, str] = ""
    if not own:
        source, inputs = _main(place, kind, given[kinds[0]], options, inputs)
        _check_options(place, kind, options)
    stem = kind.lower() if own or kind[-2:] not in ("1d", "2d", "3d") else kind[:-2].lower()
    name = given.get("name", source if isinstance(source, str) else "")
    if not name:
        counts[stem] += 1
        name = f"{stem}{counts[stem]}"
    return Written(place, kind, own, _text(f"{place}: name", name), source, inputs, options)


def _main(
    place: str, kind: str, value: Any, options: dict[str, Any], inputs: tuple[str, ...] | None
) -> tuple[str | Mapping[str, str], tuple[str, ...] | None]:
    """Return the source and inputs of an entry: what stands behind its kind is the one or the other, or an option."""
    module = MODULES[kind]
    if module.tensors:
        texts = isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)
        if not isinstance(value, str) and not texts:
            raise ModelFormatError(f'{place}: say where its tensors are: {{"{kind}": "NAME"}} for NAME.weight')
        return value, inputs
    if value is None or value is True or value == {}:
        return "", inputs
    if module.main == "inputs":
        return "", _names(f"{place}: {kind}", value)
    if not module.main or module.main in options:
        raise ModelFormatError(f"{place}: {kind} takes no value here, got {shown_value(value)}")
    options[module.main] = value
    return "", inputs


def _check_options(place: str, kind: str, options: Mapping[str, Any]) -> None:
    known = MODULES[kind].options
    for key in options:
        if key not in known:
            raise unknown(f"option of {place} ({kind})", key[:80], {*known, "name", "inputs"})
    for key, default in known.items():
        if default is REQUIRED and key not in options:
            raise ModelFormatError(f"{place}: {kind} needs {key}")


def _inputs(content: Mapping[str, Any]) -> tuple[Input, ...]:
    if "inputs" in content and "input" in content:
        raise ModelFormatError("give input or inputs, not both")
    several = content.get("inputs", [content["input"]] if "input" in content else [{}])
    if not isinstance(several, list | tuple) or not 0 < len(several) <= MOST:
        raise ModelFormatError("inputs must be a list")
    return tuple(_input(one) for one in several)


def _input(one: Any) -> Input:
    """Return an input from the shape of a sample, or from an object with name, shape, dtype, low and high."""
    given = one if isinstance(one, Mapping) else {"shape": one}
    for key in given:
        if key not in ("name", "shape", "dtype", "low", "high"):
            raise unknown("key of an input", str(key)[:80], ("name", "shape", "dtype", "low", "high"))
    shape = given.get("shape")
    if shape is not None:
        if not isinstance(shape, list | tuple) or not all(_size(n) for n in shape) or len(shape) > 31:
            raise ModelFormatError(
                'shape has the sizes of one sample, "any" for one that is not fixed; got ' + shown_value(shape)
            )
        shape = (None, *(n if isinstance(n, int) else None for n in shape))
    name, dtype = (_text(key, given.get(key, default)) for key, default in (("name", "input"), ("dtype", "")))
    for key in ("low", "high"):
        if not _numbers(given.get(key)):
            raise ModelFormatError(f"{key} of an input must be a number, or one per channel")
    return Input(name, shape, element_type=dtype, low=given.get("low"), high=given.get("high"))


def _size(value: Any) -> bool:
    return value in (None, "any") or (isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31)


def _numbers(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else [value]
    return all(n is None or (isinstance(n, int | float) and not isinstance(n, bool)) for n in several)


def _one_or_several(content: Mapping[str, Any], one: str, several: str) -> tuple[str, ...]:
    if one in content and several in content:
        raise ModelFormatError(f"give {one} or {several}, not both")
    return _names(several, content.get(several, content.get(one, ())))


def _names(key: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ModelFormatError(f"{key} must be a name or a list of names, got {shown_value(value)}")
    return tuple(texts)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ModelFormatError(f"{key} must be a text, got {shown_value(value)}")
    return value
