"""What each known fault answers to each case: the files beside the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelFormatError

FORMAT = "lrp-faults"
UNGUARDED = "zero-division-nan"  # the fault whose numbers are not finite where the right denominator is 0
NOTHING_ELSE = frozenset({UNGUARDED, "beta-zero-nan", "eps-no-sign0"})  # faults of which only NaN is seen


@dataclass(frozen=True, eq=False)
class Fault:
    """The answer of a known fault to a case.

    Attributes:
        values: float64, all inputs one after another, flat in C order; NaN where they depend on how a division by 0
            is guarded.
        zero: samples in which the fault divides by 0: there NaN may stand for any number.
    """

    values: np.ndarray[Any, Any]
    zero: tuple[int, ...] = ()

    @property
    def open(self) -> np.ndarray[Any, Any]:
        """Which numbers depend on how a division by 0 is guarded: they may be 0, huge or NaN."""
        return np.asarray(np.isnan(self.values))


def read(found: Mapping[str, Any], where: str) -> dict[str, dict[str, Fault]]:
    """Return the answers of one file by case and id of the fault.

    Args:
        found: the file's JSON.
        where: for messages.

    Raises:
        ModelFormatError: it is no such file, or has something else than numbers and nulls.

    Example:
        >>> told = {"format": "lrp-faults", "cases": {"core/a": {"answers": {"absolute": [0.5, None]}}}}
        >>> read(told, "core.json")["core/a"]["absolute"].values
        array([0.5, nan])
    """
    cases = found.get("cases")
    if found.get("format") != FORMAT or not isinstance(cases, dict):
        raise ModelFormatError(f"{where}: not a file of what faults answer (its format is not '{FORMAT}')")
    try:
        return {case: _faults(told["answers"], told.get("zero", {})) for case, told in cases.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(f"{where}: a fault's answer is a list of numbers and nulls ({error})") from error


def _faults(answers: Mapping[str, Any], zero: Mapping[str, Any]) -> dict[str, Fault]:
    return {str(name): _fault(told, zero.get(name, ())) for name, told in answers.items()}


def _fault(told: Sequence[Any], zero: Sequence[Any]) -> Fault:
    values = np.array([np.nan if v is None else float(v) for v in told], dtype=np.float64)
    return Fault(values, tuple(int(n) for n in zero))
