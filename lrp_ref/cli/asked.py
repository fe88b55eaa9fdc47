"""Methods and measures on the command line: their names, and their parameters as KEY=VALUE."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from ..errors import ParameterError, unknown
from ..evaluate import MEASURES, Measure
from ..methods import DIALECTS, LRP, METHODS, Method, find
from ..propagation.composites import PRESETS, takes

F = TypeVar("F", bound=Callable[..., Any])
SET_HELP = (
    "Parameter of a method; repeatable, and METHOD.KEY=VALUE for one of several, MEASURE.KEY=VALUE for a measure. "
    "VALUE is a number, a word, numbers with commas between them, or an .npy file."
)


def method_options(command: F) -> F:
    """Add the parameters of methods to a command."""
    for option in (
        click.option("--baseline", metavar="VALUE", help="The same as --set baseline=VALUE: a number or an .npy file."),
        click.option("--dialect", help=f"Compute as another program does: {', '.join(DIALECTS)}."),
        click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help=SET_HELP),
    ):
        command = option(command)
    return command


def parameters(options: Mapping[str, Any]) -> list[str]:
    """Return all KEY=VALUE of a command line, ``--baseline`` among them.

    Example:
        >>> parameters({"given": ("steps=20",), "baseline": "0.5"})
        ['steps=20', 'baseline=0.5']
    """
    baseline = options["baseline"]
    return [*options["given"], *([] if baseline is None else [f"baseline={baseline}"])]


def make_methods(names: Sequence[str], given: Sequence[str], dialect: str | None = None) -> dict[str, Method]:
    """Return the methods that were asked for, by the label that results print; each takes those parameters it has.

    Args:
        names: of methods, or of composites, which are LRP.
        given: KEY=VALUE, or METHOD.KEY=VALUE.
        dialect: the program whose methods they are.

    Raises:
        ParameterError: an unknown method or dialect, or a parameter that none of them takes.

    Example:
        >>> found = make_methods(["sensitivity", "epsilon"], ["sensitivity.power=1", "epsilon=0.5"])
        >>> list(found), found["sensitivity(power=1)"]
        (['sensitivity(power=1)', 'epsilon(epsilon=0.5)'], Sensitivity(power=1))
    """
    chosen = list(dict.fromkeys(names))
    accepted = {name: _accepts(name) for name in chosen}
    parameters: dict[str, dict[str, Any]] = {name: {} for name in chosen}
    for text in given:
        where, key, value = _split(text, chosen)
        takers = [name for name in where if key in accepted[name]]
        if not takers:
            known = sorted({k for name in where for k in accepted[name]})
            raise (
                unknown(f"parameter of {', '.join(where)}", key, known)
                if known
                else ParameterError(f"--set {text}: {', '.join(where)} takes no parameters")
            )
        for name in takers:
            parameters[name][key] = value
    found: dict[str, Method] = {}
    for name in chosen:
        spoken = dialect if dialect is not None and name in METHODS else None
        method = find(name, parameters[name], spoken)
        found[method.label] = method
    if dialect is not None and not any(name in METHODS for name in chosen):
        raise ParameterError(f"--dialect {dialect} is of methods; {', '.join(chosen)} are composites")
    return found


def make_measures(names: Sequence[str], given: Sequence[str]) -> list[Measure]:
    """Return the measures that were asked for, with the options of MEASURE.KEY=VALUE.

    Args:
        names: of measures.
        given: of these alone.

    Raises:
        ParameterError: an unknown measure, or an option that it does not take.

    Example:
        >>> make_measures(["gini", "pixel_flipping"], ["pixel_flipping.steps=20"])[1].name
        'pixel_flipping(steps=20)'
    """
    for name in names:
        if name not in MEASURES:
            raise unknown("measure", name, MEASURES)
    options: dict[str, dict[str, Any]] = {name: {} for name in names}
    for text in given:
        (name,), key, value = _split(text, names)
        known = _options(MEASURES[name])
        if key not in known:
            raise (
                unknown(f"option of measure '{name}'", key, known)
                if known
                else ParameterError(f"--set {text}: measure '{name}' takes no options")
            )
        options[name][key] = value
    return [MEASURES[name].with_options(**options[name]) for name in names]


def _options(measure: Measure) -> list[str]:
    """Return the arguments of a measure's function that are neither filled in nor a matter of the run."""
    own = inspect.signature(measure.function).parameters.values()
    taken = {*measure.fields, "progress", "batch", "seed"}
    return [p.name for p in own if p.name not in taken and p.kind is not p.VAR_KEYWORD]


def apart(given: Sequence[str], measures: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what ``--set`` says of methods, and of these measures.

    Example:
        >>> apart(["steps=20", "gini.per=pixel"], ["gini"])
        (['steps=20'], ['gini.per=pixel'])
    """
    of = [text for text in given if text.partition("=")[0].strip().rpartition(".")[0] in measures]
    return [text for text in given if text not in of], of


def _accepts(name: str) -> list[str]:
    if name in METHODS:
        return [f.name for f in dataclasses.fields(METHODS[name]) if f.init]
    if name not in PRESETS:
        raise unknown("method", name, [*METHODS, *PRESETS])
    return takes(name)


def _split(text: str, names: Sequence[str]) -> tuple[list[str], str, Any]:
    """Return the methods that a parameter is meant for, its key and its value."""
    key, sign, value = text.partition("=")
    key = key.strip()
    if not sign or not key:
        raise ParameterError(f"--set {text}: write it like steps=50, or integrated_gradients.steps=50")
    method, dot, rest = key.rpartition(".")
    if not dot:
        return list(names), key, _value(text, value.strip())
    if method not in names:
        raise unknown("method of --set", method, names)
    return [method], rest, _value(text, value.strip())


def _value(option: str, text: str) -> Any:
    """Return what a parameter is: a number, None, a truth value, numbers in a tuple, an array of a file, or a word.

    Example:
        >>> [_value("", text) for text in ("3", "0.5", "None", "3,3", "midpoint", "true")]
        [3, 0.5, None, (3, 3), 'midpoint', True]
    """
    plain: dict[str, Any] = {"none": None, "true": True, "false": False}
    if text.lower() in plain:
        return plain[text.lower()]
    if "," in text:
        return tuple(_value(option, part.strip()) for part in text.split(",") if part.strip())
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text.endswith(".npy"):
        return _array(option, Path(text))
    if not re.fullmatch(r"[\w.:/+-]+", text):
        raise ParameterError(f"--set {option}: {text!r} is no number, word or .npy file")
    return text


def _array(option: str, path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ParameterError(f"--set {option}: {path}: no such file") from error
    except (ValueError, OSError, EOFError) as error:
        raise ParameterError(f"--set {option}: {path}: not a readable array: {' '.join(str(error).split())}") from error


def is_lrp(method: Method) -> bool:
    """Whether a method is LRP, which is asked for by the name of a composite."""
    return isinstance(method, LRP)
