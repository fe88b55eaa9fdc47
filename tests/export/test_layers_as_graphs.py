"""Every layer × rule as a graph: in float64 as exact as the core, in float32 as exact as its conditioning allows.

Linear layers are compared with the textbook's matrices too, which share nothing with what is recorded.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks import outputs, tolerance
from graphs import Sheet
from samples import LINEAR, SAMPLES, Sample, some
from textbook import MAIN_RULES

from lrp_ref import rules
from lrp_ref.errors import LrpError

RULES = [
    None, rules.LRP0(), rules.Epsilon(0.25), rules.Epsilon(0.1, bias_share=1), rules.AlphaBeta(2, 1), rules.ZPlus(),
    rules.Gamma(0.25), rules.GeneralizedGamma(0.5), rules.Flat(), rules.WSquare(), rules.ZBox(-4.0, 4.0),
    rules.Gradient(), rules.Pass(), rules.Uniform(), rules.Product(), rules.Recurrent(), rules.Guided(), rules.Deconv(),
]  # fmt: skip
FORWARD = "forward"


def told(layer: Any, xs: tuple[Any, ...], rs: tuple[Any, ...], rule: Any) -> tuple[Any, ...]:
    """Return what the core makes: the output, or relevance and the ledger's columns."""
    if rule == FORWARD:
        return outputs(layer.forward(*xs))
    given = layer.redistribute(xs, rs, rule)
    return (*given.relevances, given.bias, given.stabiliser, given.dropped)


class Case:
    """A layer with operands and relevance, and the rules that it takes.

    Attributes:
        expected: of every rule, and of the output, what the core makes in float64.
        sizes: what errors are relative to: the largest number; for a ledger's columns, whose terms cancel, all that
            is redistributed.
    """

    def __init__(self, sample: Sample, some: list[Any] = RULES) -> None:
        self.layer, self.xs = sample.layer("normal"), sample.inputs(3, "normal")
        self.rs = sample.relevances(3, "normal", self.xs)
        self.expected: dict[Any, tuple[Any, ...]] = {}
        for rule in (FORWARD, *some):
            with contextlib.suppress(LrpError):
                self.expected[rule] = told(self.layer, self.xs, self.rs, rule)
        self.sizes = {rule: self._sizes(rule, found) for rule, found in self.expected.items()}

    def _sizes(self, rule: Any, found: tuple[Any, ...]) -> list[float]:
        largest = [float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in found]
        if rule == FORWARD:
            return largest
        whole = float(sum(np.abs(a).sum() for a in (*found[:-3], *self.rs)))
        return [*largest[:-3], whole, whole, whole]

    def record(self, sheet: Sheet) -> dict[Any, list[str]]:
        """Record the output and the relevance by all rules; return the names of what is shown."""
        moved = self.layer.map_arrays(sheet.xp.asarray)
        there = tuple(sheet.feed(x) if x.shape[:1] == (3,) else sheet.xp.asarray(x) for x in self.xs)
        back = tuple(sheet.feed(r) for r in self.rs)
        return {rule: [sheet.show(a) for a in told(moved, there, back, rule)] for rule in self.expected}

    def differing(self, rule: Any, found: tuple[Any, ...]) -> list[float]:
        """Return how far arrays are from what the core makes in float64."""
        errors = []
        for array, other in zip(self.expected[rule], found, strict=True):
            assert other.shape == array.shape, rule
            inside = np.isfinite(array)
            assert (np.isfinite(other) == inside).all(), rule
            errors.append(float(np.abs(other[inside].astype(float) - array[inside]).max(initial=0.0)))
        return errors

    def conditioning(self, rule: Any, draws: int) -> list[float]:
        """Return how far the core itself is off: in float32, and in float64 where operands are rounded otherwise."""
        floats = (_float32(value) for value in (self.layer, self.xs, self.rs))
        found = [self.differing(rule, told(*floats, rule))]
        rng = np.random.default_rng(draws)
        for _ in range(draws):
            moved = (_moved(value, rng) for value in (self.layer, self.xs, self.rs))
            found.append(self.differing(rule, told(*moved, rule)))
        return [max(each) for each in zip(*found, strict=True)]


def _float32(value: Any) -> Any:
    return _mapped(value, lambda a: a.astype(np.float32))


def _moved(value: Any, rng: np.random.Generator) -> Any:
    """Return numbers that differ by half a unit in the last place of float32, as rounding makes them."""
    return _mapped(value, lambda a: a * (1 + 2.0**-24 * rng.uniform(-1, 1, a.shape)))


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_mapped(v, change) for v in value)
    if isinstance(value, np.ndarray):
        return change(value) if value.dtype.kind == "f" else value
    return value.map_arrays(lambda a: _mapped(a, change))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_in_float64(sample: Sample) -> None:
    case, sheet = Case(sample), Sheet(opset=19, dtype=np.float64)
    names = case.record(sheet)
    made = sheet.run()
    for rule, each in names.items():
        for error, size in zip(case.differing(rule, tuple(made[name] for name in each)), case.sizes[rule], strict=True):
            assert error <= 1e-11 * size, f"{rule}: {error} of {size}"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_in_float32(sample: Sample) -> None:
    case, sheet = Case(sample), Sheet(opset=17, flips=True)
    names = case.record(sheet)
    as_exact_as_the_core(case, names, sheet.run())


def as_exact_as_the_core(case: Case, names: dict[Any, list[str]], made: dict[str, np.ndarray]) -> None:
    """Demand that errors are those of rounding: where there are larger ones the core itself has such."""
    for rule, each in names.items():
        errors = case.differing(rule, tuple(made[name] for name in each))
        bounds = [1e-6 * size for size in case.sizes[rule]]
        for draws in (0, 20):
            if all(map(operator.le, errors, bounds)):
                break
            own = case.conditioning(rule, draws)
            bounds = [1e-6 * size + 4 * far for size, far in zip(case.sizes[rule], own, strict=True)]
        assert all(map(operator.le, errors, bounds)), f"{rule}: {errors} of {case.sizes[rule]}, bounds {bounds}"


@pytest.mark.parametrize("opset", range(17, 24))
def test_in_every_opset(opset: int) -> None:
    """One graph with a layer of every kind that has operators of its own, in float32; the full checker passes it."""
    names = ("Dense-time", "Conv-asymmetric", "ConvTranspose-groups", "MaxPool-ceil-padding", "AveragePool-dilation",
             "SumPool-3d", "Affine-channels", "Add-broadcast", "Concat-channels", "MatMul-no-gate", "Max-share",
             "Prod-spatial", "LogSumExp-channels", "Softmax-classes", "Slice-backwards", "Pad-reflect",
             "LSTM-lengths", "GELU-0", "Embedding-words", "Where-masks", "SquaredDistance-full")  # fmt: skip
    few = [None, rules.Epsilon(0.25), rules.AlphaBeta(2, 1), rules.ZBox(-4.0, 4.0), rules.Gradient()]
    cases = [Case(sample, few) for sample in some(*names)]
    sheet = Sheet(opset=opset)
    shown = [case.record(sheet) for case in cases]
    made = sheet.run()
    assert sheet.model().opset_import[0].version == opset
    for case, names in zip(cases, shown, strict=True):
        as_exact_as_the_core(case, names, made)


# Linear layers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
def test_linear_layers_are_the_textbook(sample: Sample) -> None:
    """Relevance in float64 by the explicit matrix and the messages of every rule; one sample at a time, as it says."""
    layer, xs = sample.layer("normal"), sample.inputs(3, "normal")
    matrix, (r,) = sample.matrix(layer), sample.relevances(3, "normal", xs)
    sheet = Sheet(opset=17, dtype=np.float64)
    moved = layer.map_arrays(sheet.xp.asarray)
    there, back = tuple(map(sheet.feed, xs)), sheet.feed(r)
    shown = {}
    for rule in MAIN_RULES:
        given = moved.redistribute(there, back, rule.rule)
        columns = given.bias, given.stabiliser, given.dropped
        shown[rule.name] = [sheet.show(a) for a in (*given.relevances, *columns)]
    forward = sheet.show(moved.forward(*there))
    made = sheet.run()
    flat = np.concatenate([x.reshape(3, -1) for x in xs], axis=1)
    np.testing.assert_allclose(made[forward].reshape(3, -1), flat @ matrix.weight + matrix.bias, rtol=1e-12, atol=1e-12)
    for rule in MAIN_RULES:
        *parts, bias, stabiliser, dropped = (made[name] for name in shown[rule.name])
        found = np.concatenate([part.reshape(3, -1) for part in parts], axis=1)
        for n in range(3):
            said = rule.messages(flat[n], matrix, r[n].reshape(-1), False)
            bound = tolerance(said, r[n].reshape(-1), np.float64)
            assert np.abs(found[n] - said.relevance).max() <= bound, rule.name
            for column, terms in ((bias, said.bias), (stabiliser, said.stabiliser), (dropped, said.dropped)):
                assert abs(column[n] - terms.sum()) <= bound, rule.name
