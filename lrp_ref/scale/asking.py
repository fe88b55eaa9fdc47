"""What may be asked of every sample of a data set: the arguments of a job, checked."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError
from ..propagation import start as starts
from ..propagation.start import Difference, Start
from ..propagation.targets import class_number, is_tuple
from .labels import Labels

EACH = "a target for each sample comes from a file, lrp.scale.Labels.of('targets.npy')"


def start(given: Any, against: Any, classes: Sequence[str]) -> Start:
    """Return the start relevance of a job.

    Raises:
        ParameterError: a name that is not known, an array, or an output to set against that is not one.

    Example:
        >>> start("difference", "cat", ("dog", "cat"))
        Difference(against=1)
    """
    other = None if against is None else output("against", class_number(against, classes, "against"))
    found = starts.find(given, other)
    if not isinstance(found, Start):
        raise ParameterError(f"start is {type(given).__name__}: a job takes a name or a value of lrp.start")
    if isinstance(found, Difference):
        return Difference(output("against", found.against))
    return found


def target(given: Any, classes: Sequence[str], begin: Start) -> Any:
    """Return what is explained of every sample.

    Raises:
        ParameterError: a class that is not known, or no output.

    Example:
        >>> target("cat", ("dog", "cat"), starts.STARTS["logit"])
        1
    """
    if given is None or isinstance(given, Labels):
        return given
    found = output("target", class_number(given, classes))
    if isinstance(begin, Difference) and begin.against == found:
        raise ParameterError(f"target and against are both {found}: give two different outputs")
    return found


def output(what: str, given: Any) -> Any:
    """Return one output, a unit (c, h, w) of a map or a sum ((a, b),) of outputs, in numbers of Python.

    Raises:
        ParameterError: what it is, and that it is none of these.

    Example:
        >>> output("target", (1, 0, 2)), output("target", ((3, 9),))
        ((1, 0, 2), ((3, 9),))
    """
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        return int(given)
    if is_tuple(given) and given:
        return tuple(_index(what, k) for k in given)
    if isinstance(given, tuple) and len(given) == 1 and len(given[0]):
        return (tuple(_index(what, k) for k in given[0]),)
    raise ParameterError(f"{what} is {type(given).__name__}: give the number or name of one output; {EACH}")


def _index(what: str, given: Any) -> int:
    if not isinstance(given, numbers.Integral) or isinstance(given, bool):
        raise ParameterError(f"{what}: {given!r} is no whole number")
    return int(given)


def names(what: str, given: Any) -> tuple[str, ...]:
    """Return names of values, each once.

    Raises:
        ParameterError: one that is given twice, or a text in the place of a list.

    Example:
        >>> names("at", ["conv1", "fc"])
        ('conv1', 'fc')
    """
    if isinstance(given, str):
        raise ParameterError(f"{what} is {given!r}: give a list of names, [{given!r}]")
    found = tuple(map(str, given))
    for name in found:
        if found.count(name) > 1:
            raise ParameterError(f"{what}: '{name}' is given twice")
    return found
