"""Measures as data: what each needs, which way is better, in which unit. A new one is one line of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic.casts import to_float
from ..base.arrays import Array, to_numpy
from ..base.frozen import Value
from ..errors import ParameterError, ShapeError, unknown
from . import axioms, concise, curves, detection, localise, randomise, stability
from .curve import Curve
from .given import Host
from .imputation import road
from .invariance import input_invariance

LARGER, SMALLER = "larger", "smaller"


@dataclass(frozen=True, eq=False, repr=False)
class Measure(Value):
    """A measure of maps, as a report uses it.

    Attributes:
        name: by which it is asked for; with options behind it where it has any.
        kind: "faithfulness", "localisation", "conciseness", "axiom", "stability", "randomisation", and others.
        function: returns a number per sample (N,), or a value that has it as ``reads``.
        needs: the arguments of the function by name, each a field of :class:`Given`; "argument=field" where the two
            names differ.
        better: "larger", "smaller", or "neither".
        unit: of the number: "output" for that of f, "part" for 0 to 1, "1" for a number without unit, and others.
        reads: what of the function's result is the number; "" where it is the result.
        mean: whether the mean over samples sums it up, as for hits, and not the median.
        options: further arguments of the function.

    Example:
        >>> MEASURES["pixel_flipping"].with_options(fill="mean", steps=20)
        Measure(pixel_flipping(fill='mean', steps=20), larger is better, unit output, needs f, x, relevance, target)
    """

    name: str
    kind: str
    function: Callable[..., Any]
    needs: tuple[str, ...]
    better: str
    unit: str
    reads: str = ""
    mean: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    def __repr__(self) -> str:
        way = f"{self.better} is better" if self.better != "neither" else "neither way is better"
        return f"Measure({self.name}, {way}, unit {self.unit}, needs {', '.join(self.fields.values())})"

    @property
    def fields(self) -> dict[str, str]:
        """The fields of :class:`Given` that it needs, by the name of the argument."""
        pairs = (need.partition("=") for need in self.needs)
        return {argument: field or argument for argument, _, field in pairs}

    def with_options(self, **options: Any) -> Measure:
        """Return the measure with arguments of its function, which its name then tells."""
        if not options:
            return self
        merged = {**dict(self.options), **options}
        base = self.name.partition("(")[0]
        shown = ", ".join(f"{key}={value!r}" for key, value in merged.items())
        return replace(self, name=f"{base}({shown})", options=tuple(merged.items()))

    def __call__(self, given: Given) -> tuple[Host, Curve | None]:
        """Return the number of each sample (N,) as floats on the host, and the curve that it sums up, if there is one.

        Raises:
            ParameterError: something that it needs was not given.
            LrpError: what the function raises.
        """
        free = ("target", "batch")  # None says something of these two
        missing = [field for field in self.fields.values() if getattr(given, field) is None and field not in free]
        if missing:
            raise ParameterError(f"measure '{self.name}' needs {' and '.join(missing)}: give {_how(missing)}")
        arguments = {argument: getattr(given, field) for argument, field in self.fields.items()}
        found = self.function(**arguments, **dict(self.options))
        curve = found if isinstance(found, Curve) else None
        number = to_numpy(getattr(found, self.reads) if self.reads else found)
        if number.shape != (len(given.x),):
            raise ShapeError(f"measure '{self.name}' returned shape {number.shape} for {len(given.x)} samples")
        return to_float(number), curve


def _how(missing: list[str]) -> str:
    ways = {
        "masks": "masks=",
        "boxes": "boxes=, or masks=",
        "explain": "explainers=",
        "net": "the network in place of f",
    }
    return " and ".join(ways.get(field, f"{field}=") for field in missing)


@dataclass(frozen=True, eq=False, repr=False)
class Given(Value):
    """What measures may need, for one map.

    Attributes:
        f: from a batch to outputs (N, K).
        x: (N, ...).
        relevance: the map.
        target: the outputs that are explained.
        masks: of the objects, or None.
        boxes: of the objects (N, 4), or None.
        net: the network, or None where only f is known.
        explain: from (net, x, target) to a map, or None.
        seed: of what is drawn.
        batch: rows of a micro-batch, or None.
    """

    f: Callable[[Array], Array]
    x: Array
    relevance: Array
    target: Any = None
    masks: Array | None = None
    boxes: Array | None = None
    net: Any = None
    explain: Callable[..., Array] | None = None
    seed: int = 0
    batch: int | None = None


_MAPPED = ("f", "x", "relevance", "target")
_MASKED = ("relevance", "masks")
_AGAIN = ("net", "explain", "x", "target")
_DRAWN = ("seed", "batch")
_ALL = (
    Measure("pixel_flipping", "faithfulness", curves.pixel_flipping, _MAPPED, LARGER, "output", "aopc"),
    Measure("abpc", "faithfulness", curves.abpc, _MAPPED, LARGER, "output"),
    Measure("region_perturbation", "faithfulness", curves.region_perturbation, _MAPPED, LARGER, "output", "aopc"),
    Measure("deletion", "faithfulness", curves.deletion, _MAPPED, SMALLER, "output", "auc"),
    Measure("insertion", "faithfulness", curves.insertion, _MAPPED, LARGER, "output", "auc"),
    Measure("road", "faithfulness", road, _MAPPED, LARGER, "output", "aopc"),
    Measure("pointing_game", "localisation", localise.pointing_game, _MASKED, LARGER, "part", mean=True),
    Measure("relevance_mass", "localisation", localise.relevance_mass, _MASKED, LARGER, "part"),
    Measure("relevance_rank", "localisation", localise.relevance_rank, _MASKED, LARGER, "part"),
    Measure("top_k_intersection", "localisation", localise.top_k_intersection, _MASKED, LARGER, "part"),
    Measure("roc_auc", "localisation", localise.roc_auc, _MASKED, LARGER, "part"),
    Measure("context_ratio", "localisation", localise.context_ratio, _MASKED, SMALLER, "1"),
    Measure(
        "localisation_accuracy", "localisation", detection.localisation_accuracy, ("relevance", "boxes"), LARGER,
        "part", mean=True,
    ),
    Measure("completeness", "axiom", axioms.completeness, _MAPPED, SMALLER, "output"),
    Measure("sensitivity_n", "axiom", axioms.sensitivity_n, (*_MAPPED, *_DRAWN), LARGER, "1"),
    Measure("non_sensitivity", "axiom", axioms.non_sensitivity, (*_MAPPED, *_DRAWN), SMALLER, "units"),
    Measure("input_invariance", "axiom", input_invariance, _AGAIN, SMALLER, "1"),
    Measure("max_sensitivity", "stability", stability.max_sensitivity, (*_AGAIN, *_DRAWN), SMALLER, "1"),
    Measure("local_lipschitz", "stability", stability.local_lipschitz, (*_AGAIN, *_DRAWN), SMALLER, "1/unit of x"),
    Measure(
        "parameter_randomisation", "randomisation", randomise.parameter_randomisation, (*_AGAIN, "seed"), SMALLER, "1",
        "remains",
    ),
    Measure(
        "efficient_randomisation", "randomisation", randomise.efficient_randomisation, (*_AGAIN, "seed"), LARGER, "1"
    ),
    Measure("random_logit", "randomisation", randomise.random_logit, (*_AGAIN, "seed"), SMALLER, "1"),
    Measure("gini", "conciseness", concise.gini, ("relevance",), LARGER, "part"),
    Measure("entropy", "conciseness", concise.entropy, ("relevance",), SMALLER, "nats"),
    Measure("effective_complexity", "conciseness", concise.effective_complexity, ("relevance",), SMALLER, "numbers"),
)  # fmt: skip
MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}


def find(measure: str | Measure) -> Measure:
    """Return the measure of that name.

    Raises:
        ParameterError: a name that is not known, with the nearest.

    Example:
        >>> find("gini").better
        'larger'
    """
    if isinstance(measure, Measure):
        return measure
    if measure not in MEASURES:
        raise unknown("measure", str(measure), MEASURES)
    return MEASURES[measure]
