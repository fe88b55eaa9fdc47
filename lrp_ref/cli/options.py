"""Options that several commands share: composites with parameters, starts, targets."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from .. import composites, start
from ..errors import ParameterError, nearest
from ..preprocess import Sidecar

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
DEFAULT = "epsilon"
FEW = 12  # classes that an error lists


PARAMETERS = ("epsilon", "gamma", "beta", "low", "high")


def composite_options(command: F) -> F:
    """Add the parameters of composites to a command."""
    for option in (
        click.option("--high", metavar="NUMBER[,...]", help="Largest value of the input, or one per channel."),
        click.option("--low", metavar="NUMBER[,...]", help="Least value of the input; default: the sidecar's."),
        click.option("--beta", type=float, help="β of beta_smooth."),
        click.option("--gamma", type=float, help="γ of the composite."),
        click.option("--epsilon", type=float, help="ε of the composite."),
    ):
        command = option(command)
    return command


def make_composite(name: str | None, sidecar: Sidecar | None, given: dict[str, Any]) -> composites.Composite:
    """Return the composite that was asked for, or the sidecar's; arguments and errors as in :func:`find_preset`."""
    preset, parameters = find_preset(name, sidecar, given)
    return composites.get(preset, **parameters)


def find_preset(name: str | None, sidecar: Sidecar | None, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the preset that was asked for, or the sidecar's, and its parameters; bounds of the input come from the
    sidecar.

    Raises:
        ParameterError: an unknown name, a parameter that the composite does not take, or one out of its range.
    """
    name = name or (sidecar.composite if sidecar else "") or DEFAULT
    parameters = {key: given[key] for key in PARAMETERS if given.get(key) is not None}
    parameters |= {key: _numbers(key, parameters[key]) for key in ("low", "high") if key in parameters}
    build = composites.PRESETS.get(name)
    if build is not None and "low" in inspect.signature(build).parameters:
        if sidecar is not None and sidecar.kind == "image":
            low, high = sidecar.bounds()
            parameters = {"low": low, "high": high, **parameters}
        elif not {"low", "high"} <= set(parameters):
            raise ParameterError(
                f"composite '{name}' needs --low and --high, the bounds of the network's input, or a sidecar of an "
                "image model, from which they follow"
            )
    return name, parameters


def _numbers(option: str, text: str) -> Any:
    """Return a number, or an array where there are several with commas between them."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--{option} {text}: give a number, or one per channel with commas between them") from None
    return found[0] if len(found) == 1 else np.array(found)


def make_start(text: str) -> Any:
    """Return the start relevance for its name; ``reference=VALUE`` for a regression.

    Example:
        >>> make_start("reference=2.5")
        Reference(value=2.5)
    """
    name, _, value = text.partition("=")
    if name != "reference":
        return text
    try:
        return start.Reference(float(value))
    except ValueError:
        raise ParameterError(f"start '{text}': write the value of interest like reference=2.5") from None


def find_target(text: str, classes: Sequence[str]) -> int:
    """Return the index of a class: a number, a name in any case, or the one name that it begins or is a word of.

    Raises:
        ParameterError: no such class (the nearest are named), or several.

    Example:
        >>> find_target("egyptian", ["tabby", "Egyptian cat", "tiger cat"])
        1
        >>> find_target("cat", ["tabby", "Egyptian cat", "tiger cat", "catamaran"])
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: class 'cat' may be one of: Egyptian cat (1), tiger cat (2), catamaran (3)
    """
    wanted, names = text.strip().casefold(), [c.casefold() for c in classes]
    found = [k for k, name in enumerate(names) if name == wanted]
    if not found and re.fullmatch(r"[+-]?\d+", wanted):
        return int(wanted)
    if not classes:
        raise ParameterError(f"target '{text}': the model has no class names; give the number of an output")
    if not found and wanted:
        word = re.compile(rf"\b{re.escape(wanted)}\b")
        found = [k for k, name in enumerate(names) if name.startswith(wanted) or word.search(name)]
    if not found:
        near = dict.fromkeys(nearest(wanted, classes, most=3))
        hint = ", ".join(f"'{name}' ({classes.index(name)})" for name in near)
        listed = f": {', '.join(classes)}" if len(classes) <= FEW else "; 'lrp-ref show MODEL --classes' lists them"
        raise ParameterError(
            f"unknown class '{text}': {f'did you mean {hint}? ' if hint else ''}"
            f"the model has {len(classes)} classes{listed}"
        )
    if len(found) > 1:
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        shown = ", ".join(f"{classes[k]} ({k})" for k in found[:8])
        raise ParameterError(f"class '{text}' may be one of: {shown}{more}")
    return found[0]
