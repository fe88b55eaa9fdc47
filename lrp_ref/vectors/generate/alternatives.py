"""The group alternatives: conventions that differ; an implementation follows one option of each topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction as F

from .cases import Case, layer_case
from .core import RULES, one_unit
from .layers import Layer
from .values import array


def gamma_cases() -> Iterator[Case]:
    """Yield inputs of both signs under the plain and the generalised γ-rule."""
    for option, rule in (("plain", "Gamma"), ("generalized", "GeneralizedGamma")):
        note = "A negative input: the γ-rule of 2019 is stated for a ≥ 0 only, the generalised form is of 2021."
        choice, told = ("gamma-negative-inputs", option), {"name": rule, "gamma": F(1, 4)}
        yield one_unit(f"alternatives/gamma/G-2/{option}", [1, -1], [1, 1], F(1, 2), told, 1, note, choice)


def pooling_cases() -> Iterator[Case]:
    """Yield ties in a max pool."""
    for ties in ("first", "share"):
        layer: Layer = {"type": "MaxPool", "kernel": [2], "stride": [1], "padding": [[0, 0]], "ties": ties}
        x, r = array([[[3, 3, 1, 3, 3]], [[0, 0, 0, 2, 1]]]), array([[[2, 1, -3, 5]], [[1, 2, 3, -1]]])
        note = "Windows in which the maximum occurs twice."
        yield layer_case(
            f"alternatives/max-pool-ties/overlap/{ties}", layer, {"name": "own"}, [x], r, note, ("max-pool-ties", ties)
        )


def batch_norm_cases() -> Iterator[Case]:
    """Yield a BatchNorm in inference, explained on its own."""
    parameters = {"gamma": 2, "beta": 1, "mean": F(1, 2), "variance": 4}
    layer: Layer = {"type": "BatchNorm", **{k: array([v]) for k, v in parameters.items()}, "epsilon": F(0)}
    for option, rule in (("z-rule", RULES["lrp0"]), ("pass", {"name": "Pass"})):
        note = "A BatchNorm on its own: its shift is a bias, or relevance passes."
        choice = ("batch-norm", option)
        yield layer_case(f"alternatives/batch-norm/BN-1/{option}", layer, rule, [array([["3/2"]])], array([[1]]), note, choice)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "alternatives/gamma.json": gamma_cases,
    "alternatives/max-pool-ties.json": pooling_cases,
    "alternatives/batch-norm.json": batch_norm_cases,
}
