"""The sidecar of a model: the JSON file beside it that says how its input is made and what its outputs mean."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import LrpError, ModelFormatError, nearest, unknown
from ...network.network import Network
from ...propagation import composites
from ...rules.groups import BIAS_POLICIES

Numbers = tuple[float, ...]

IMAGE_AXES = {
    "NCHW": ("batch", "channels", "height", "width"),
    "NHWC": ("batch", "height", "width", "channels"),
}
EXAMPLE = (
    '{"input": {"kind": "image", "size": [224, 224], "channels": "RGB", "layout": "NCHW", "mean": 127, '
    '"scale": 0.0078125, "resize": "crop"}}'
)


@dataclass(frozen=True)
class Sidecar:
    """How the input of a model is made from a file, and what its outputs mean.

    For pictures x = (pixel − mean)·scale, pixels from 0 to 255.

    Attributes:
        kind: "image", "series", "vector" (a row of a table) or "text".
        layout: of the network's input: "NCHW" or "NHWC" for images, "NTC" or "NCT" for series, "NF" for vectors, "NT"
            for text.
        size: (height, width) in pixels; None for other kinds.
        channels: "RGB", "BGR" or "L" (grey), to which a picture is converted first; "" for other kinds.
        mean: one number, or one per channel, in grey levels.
        scale: one number, or one per channel, in units of the input per grey level.
        resize: "crop" (shorter side to size, then the centre) or "stretch".
        resample: "bilinear" or "bicubic", the filter of the resizing.
        length: of a series in time steps, of a text in pieces; None where it is free, and for other kinds.
        tokenizer: of a text: the name of the tokenizer's file beside the sidecar; "" if none is given.
        channel_names: of a series.
        step: what one step of a series is, such as "frame"; "time step" if nothing is given, "" for images.
        feature_names: of a vector.
        classes: names in the order of the outputs.
        composite: name of a composite that suits the network; "" if none is given.
        bias: the bias policy that goes with it: "absorb", "ignore", "spread" or "nonzero".
        limit: where the colours of a picture end, as in ``heatmap.image``; None for the largest abs(R).
        source: where the model comes from.
        licence: of the model.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("image", "series", "vector", "text")

    kind: str
    layout: str
    size: tuple[int, int] | None = None
    channels: str = ""
    mean: Numbers = (0.0,)
    scale: Numbers = (1.0,)
    resize: str = "crop"
    resample: str = "bilinear"
    length: int | None = None
    tokenizer: str = ""
    channel_names: tuple[str, ...] = ()
    step: str = ""
    feature_names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    composite: str = ""
    bias: str = "absorb"
    limit: float | str | None = None
    source: str = ""
    licence: str = ""

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest value of the network's input, one per channel (C,).

        low = (0 − mean)·scale, high = (255 − mean)·scale (the other way round where the scale is negative).

        Raises:
            ModelFormatError: a series or a vector, whose values have no bounds.

        Example:
            >>> low, high = parse_sidecar(json.loads(EXAMPLE)).bounds()
            >>> low.tolist(), high.tolist()
            ([-0.9921875, -0.9921875, -0.9921875], [1.0, 1.0, 1.0])
        """
        if self.kind != "image":
            raise ModelFormatError("only the pixels of images have bounds; this model's input is a " + self.kind)
        one = np.ones(len(self.channels))
        black, white = ((level - np.array(self.mean)) * np.array(self.scale) * one for level in (0.0, 255.0))
        return np.minimum(black, white), np.maximum(black, white)

    def shape(self) -> tuple[int, ...] | None:
        """Return the shape of one input with its batch axis, (1, ...); None where it is not known."""
        if self.kind == "text":
            return None  # a mask and the like may stand beside it
        if self.kind == "vector":
            return (1, len(self.feature_names)) if self.feature_names else None
        names = len(self.channels) if self.kind == "image" else len(self.channel_names)
        middle = self.size if self.kind == "image" else None if self.length is None else (self.length,)
        if middle is None or not names:
            return None
        return (1, names, *middle) if self.layout[1] == "C" else (1, *middle, names)


def load_sidecar(model: str | Path, path: str | Path | None = None) -> Sidecar | None:
    """Read the sidecar of a model: ``path``, or the ``.json`` file beside ``model`` if there is one.

    Raises:
        ModelFormatError: ``path`` does not exist; the file is not JSON, a key is not known or missing, or a value
            is of the wrong type or range. The message names the file and the key.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "net.json").write_text(EXAMPLE)
        ...     load_sidecar(Path(folder) / "net.onnx").size
        (224, 224)
    """
    beside = Path(model).with_suffix(".json") if Path(model).name else Path(model)  # "." has no name
    file = beside if path is None else Path(path)
    if path is None and not (file.name and file.exists()):
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(f"{file}: there is no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"{file}: not a readable JSON file: {' '.join(str(error).split())}") from error
    try:
        return parse_sidecar(content)
    except LrpError as error:
        raise ModelFormatError(f"{file}: {error}") from error


def declare(net: Network, sidecar: Sidecar | None) -> Network:
    """Return the network with what a sidecar tells of its only input, images: their range, and which axis is which.

    Example:
        >>> from lrp_ref.layers import Flatten
        >>> net = declare(Network.sequential([Flatten()]), parse_sidecar(json.loads(EXAMPLE)))
        >>> net.inputs[0].high
        (1.0, 1.0, 1.0)
    """
    if sidecar is None or sidecar.kind != "image" or len(net.inputs) != 1:
        return net
    (spec,), (low, high) = net.inputs, sidecar.bounds()
    known = bool(spec.axes) or spec.batch_axis != 0 or len(spec.shape or IMAGE_AXES[sidecar.layout]) != 4
    axes = spec.axes if known else IMAGE_AXES[sidecar.layout]
    return replace(net, inputs=(replace(spec, low=low, high=high, axes=axes),))


def parse_sidecar(content: Any) -> Sidecar:
    """Return the sidecar for what its JSON file holds.

    Raises:
        ModelFormatError: a key that is not known or missing, or a value of the wrong type or range.

    Example:
        >>> parse_sidecar({"input": {"kind": "series", "layout": "NTC", "length": 29}}).length
        29
    """
    outer = _Keys(content, "")
    inner = _Keys(outer.get("input", _mapping), "input.")
    kind = inner.get("kind", _one_of(*Sidecar.KINDS))
    values: dict[str, Any] = {"kind": kind}
    if kind == "image":
        values["channels"] = inner.get("channels", _one_of("RGB", "BGR", "L"))
        several = len(values["channels"])
        values["size"] = inner.get("size", _size)
        values["layout"] = inner.get("layout", _one_of("NCHW", "NHWC"))
        values["mean"] = inner.get("mean", _numbers(several))
        values["scale"] = inner.get("scale", _numbers(several, zero=False))
        values["resize"] = inner.get("resize", _one_of("crop", "stretch"))
        values["resample"] = inner.get("resample", _one_of("bilinear", "bicubic"), "bilinear")
    elif kind == "vector":
        values["layout"] = inner.get("layout", _one_of("NF"), "NF")
        values["feature_names"] = tuple(map(_plain, inner.get("feature_names", _texts, ())))
    elif kind == "text":
        values["layout"] = inner.get("layout", _one_of("NT"), "NT")
        values["length"] = inner.get("length", _length, None)
        values["tokenizer"] = inner.get("tokenizer", _file_name, "")
    else:
        values["layout"] = inner.get("layout", _one_of("NTC", "NCT"))
        values["length"] = inner.get("length", _length, None)
        values["channel_names"] = tuple(map(_plain, inner.get("channel_names", _texts, ())))
        values["step"] = inner.get("step", _text, "time step")
    values["classes"] = tuple(map(_plain, outer.get("classes", _texts, ())))
    values["composite"] = outer.get("composite", _composite, "")
    values["bias"] = outer.get("bias", _bias_of(values["composite"]), "absorb")
    values["limit"] = outer.get("limit", _limit, None)
    values["source"] = outer.get("source", _text, "")
    values["licence"] = outer.get("licence", _text, "")
    inner.all_known()
    outer.all_known()
    return Sidecar(**values)


_MISSING = object()


class _Keys:
    """The keys of a JSON object, each read once and checked; what nobody asked for is not known."""

    def __init__(self, content: Any, prefix: str) -> None:
        if not isinstance(content, Mapping):
            raise ModelFormatError(f"expected a JSON object, such as {EXAMPLE}")
        self.content, self.prefix = content, prefix
        self.asked: list[str] = []

    def get(self, key: str, check: Callable[[Any], Any], default: Any = _MISSING) -> Any:
        self.asked.append(key)
        if key not in self.content:
            if default is _MISSING:
                raise ModelFormatError(f"key '{self.prefix}{key}' is missing; an example: {EXAMPLE}")
            return default
        try:
            return check(self.content[key])
        except _WrongError as error:
            shown = json.dumps(self.content[key], ensure_ascii=False)
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise ModelFormatError(f"key '{self.prefix}{key}' must be {error}, got {shown}") from error
        except LrpError as error:
            raise ModelFormatError(f"key '{self.prefix}{key}': {error}") from error

    def all_known(self) -> None:
        for key in self.content:
            if key not in self.asked:
                near = nearest(key, self.asked)
                hint = f"did you mean '{near[0]}'? " if near else ""
                raise ModelFormatError(f"key '{self.prefix}{key}' is not known: {hint}known: {', '.join(self.asked)}")


class _WrongError(ValueError):
    """A value that is not what its text says it must be."""


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _WrongError("a JSON object")
    return value


def _one_of(*names: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise _WrongError("one of " + ", ".join(f'"{n}"' for n in names))
        return str(value)

    return check


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _size(value: Any) -> tuple[int, int]:
    if not (isinstance(value, list) and len(value) == 2 and all(map(_whole, value))):
        raise _WrongError("[height, width] in pixels")
    return value[0], value[1]


def _length(value: Any) -> int | None:
    if not _whole(value):
        raise _WrongError("a positive whole number of steps")
    return int(value)


def _numbers(channels: int, *, zero: bool = True) -> Callable[[Any], Numbers]:
    def check(value: Any) -> Numbers:
        found = value if isinstance(value, list) else [value]
        plain = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in found)
        if not plain or len(found) not in (1, channels) or not (zero or all(found)):
            each = f" or a list of {channels}, one per channel" if channels > 1 else ""
            raise _WrongError(f"a {'' if zero else 'non-zero '}number{each}")
        return tuple(float(v) for v in found)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError("a text")
    return value


def _file_name(value: Any) -> str:
    """Return a name that leads nowhere else: a sidecar may come from anywhere."""
    if not isinstance(value, str) or not value or value != Path(value).name or "\\" in value or value == "..":
        raise _WrongError("the name of a file beside the sidecar")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        raise _WrongError("a list of texts")
    return tuple(value)


def _plain(name: str) -> str:
    """Return a name on one line without control characters, which would move what a terminal or a table shows."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def _composite(value: Any) -> str:
    name = _text(value)
    if name not in composites.PRESETS:
        raise unknown("composite", name, composites.PRESETS)
    return name


def _bias_of(composite: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        return composites.get(composite or "epsilon", bias=_one_of(*BIAS_POLICIES)(value)).bias

    return check


def _limit(value: Any) -> float | str:
    if isinstance(value, str) and value.endswith("%"):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise _WrongError('a positive number or a percentile such as "99.5%"')
