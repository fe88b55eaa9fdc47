"""Tests of the tests: each planted fault must be caught by the check that is there for it.

A fault is a layer, a rule or a patch that is wrong in one way; the healthy twin passes the same call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import checks
import numpy as np
import pytest
from faults import BY_RULE, case, caught, messages, turned
from samples import BY_NAME, Draw, exactly

from lrp_ref import layers, rules
from lrp_ref.base import functions
from lrp_ref.base.arrays import namespace
from lrp_ref.fast import convolution as kernels
from lrp_ref.fast import windows
from lrp_ref.layers.recurrent import back as stepback
from lrp_ref.rules.rule import Redistribution

# Wrong derivatives -------------------------------------------------------------------------------------------


def test_a_wrong_transpose_fails_the_adjoint_check() -> None:
    class Twice(layers.Dense):
        def pull(self, xs: Any, g: Any) -> Any:
            return (2 * super().pull(xs, g)[0],)

    class Rolled(layers.Conv):
        def pull(self, xs: Any, g: Any) -> Any:
            return (np.roll(super().pull(xs, g)[0], 1, axis=-1),)

    class NotFolded(layers.Pad):
        def _fold(self, x: Any, g: Any, axis: int, xp: Any) -> Any:
            before, after = self.amounts[axis - 1]
            return g[(slice(None),) * axis + (slice(max(before, 0), g.shape[axis] - max(after, 0)),)]

    class NotSummed(layers.Add):
        def edited(self, weights: Any, bias: Any) -> Any:
            return self

        def pull(self, xs: Any, g: Any) -> Any:
            return (g, g)

    for name, fault in (
        ("Dense", Twice),
        ("Conv-stride", Rolled),
        ("Pad-reflect", NotFolded),
        ("Add-broadcast", NotSummed),
    ):
        layer, xs, gs = case(name)
        checks.check_adjoint(layer, xs, gs)
        caught(checks.check_adjoint, turned(layer, fault), xs, gs)


def test_a_wrong_derivative_fails_the_check_by_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flatter(layers.Tanh):
        def slope(self, x: Any) -> Any:
            return 1 - self.forward(x)

    class Constant(layers.SiLU):
        def slope(self, x: Any) -> Any:
            return functions.sigmoid(x)

    class Forgetful(layers.Softmax):
        def pull(self, xs: Any, g: Any) -> Any:
            return (self.forward(*xs) * g,)

    class NoGradientToGate(layers.Multiply):
        def pull(self, xs: Any, g: Any) -> Any:
            return g * 0, g * xs[0]

    faults = (
        ("Tanh-0", Flatter), ("SiLU-0", Constant), ("Softmax-classes", Forgetful),
        ("Multiply-gate-first", NoGradientToGate),
    )  # fmt: skip
    for name, fault in faults:
        layer, xs, gs = case(name)
        checks.check_differences(layer, xs, gs, Draw("d", "normal"))
        caught(checks.check_differences, turned(layer, fault), xs, gs, Draw("d", "normal"), match="derivative")
    layer, xs, gs = case("LSTM-everything")
    checks.check_differences(layer, xs, gs, Draw("d", "normal"))
    step = stepback.DerivativeBack.step
    monkeypatch.setattr(stepback.DerivativeBack, "step", lambda self, t, h, c: step(self, t, h, 0.99 * c))
    caught(checks.check_differences, layer, xs, gs, Draw("d", "normal"), match="derivative")


# Wrong layers ------------------------------------------------------------------------------------------------


def test_a_dropped_bias_is_caught() -> None:
    class NoBias(layers.Dense):
        def bias_map(self, z: Any) -> Any:
            return None

    layer, xs, rs = case("Dense")
    fault = turned(layer, NoBias)
    checks.check_ledger(layer.redistribute(xs, rs, rules.LRP0()), rs)
    caught(checks.check_ledger, fault.redistribute(xs, rs, rules.LRP0()), rs, match="residual")
    messages("Dense", "LRP0-exact", exact=True)
    caught(messages, "Dense", "LRP0-exact", turned(BY_NAME["Dense"].layer(), NoBias), match="off by")

    class NoBiasForward(layers.Conv):
        def forward(self, *xs: Any) -> Any:
            return replace(self, bias=self.bias * 0).forward(*xs) if self.bias.any() else super().forward(*xs)

    caught(messages, "Conv-2d", "Epsilon-small", turned(BY_NAME["Conv-2d"].layer(), NoBiasForward))


def test_a_kernel_that_ignores_dilation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    messages("Conv-dilation", "LRP0-exact")

    class Undilated(windows.Windows):
        def __init__(self, *geometry: Any) -> None:
            super().__init__(*geometry[:-1], (1,) * len(geometry[-1]))

    monkeypatch.setattr(kernels, "Windows", Undilated)
    caught(messages, "Conv-dilation", "LRP0-exact", match="off by")


def test_a_wrong_strip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, xs, _ = case("Conv-stride", "grid")
    whole = layer.forward(*xs)
    strips = kernels._strips

    def skipping(*args: Any, **how: Any) -> Any:
        return strips(*args, **how)[:-1]

    monkeypatch.setattr(kernels, "STRIP_BYTES", 8)
    assert np.array_equal(layer.forward(*xs), whole)
    monkeypatch.setattr(kernels, "_strips", skipping)
    monkeypatch.setattr(np, "empty", lambda shape, dtype: np.full(shape, 7, dtype=dtype))  # not what was there before
    assert not np.array_equal(layer.forward(*xs), whole)


def test_an_average_that_counts_the_padding_is_caught() -> None:
    sample = BY_NAME["AveragePool-valid-padding"]
    healthy, xs = sample.layer(), sample.inputs(1)
    expected = sample.matrix(healthy).forward(xs[0][0].ravel())
    checks.close(healthy.forward(*xs)[0].ravel(), expected)
    caught(checks.close, replace(healthy, count_include_pad=True).forward(*xs)[0].ravel(), expected)


def test_wrong_tie_handling_is_caught() -> None:
    from test_forward import test_max_pool_is_the_textbooks as textbook

    class Last(layers.MaxPool):
        def _hand_back(self, x: Any, z: Any, g: Any) -> Any:
            back = slice(None, None, -1)
            reversed_ = layers.MaxPool(self.kernel, self.stride)
            return reversed_.pull((x[:, :, back],), g[:, :, back])[0][:, :, back]

    class Everybody(layers.MaxPool):
        def _hand_back(self, x: Any, z: Any, g: Any) -> Any:
            spread = np.repeat(z, self.kernel, axis=2)
            return np.where(x == spread, np.repeat(g, self.kernel, axis=2), 0)

    sample = BY_NAME["MaxPool-1d"]
    tied = replace(sample, name="MaxPool-tied", build=lambda d: layers.MaxPool(2))
    x = np.array([[[1.0, 1.0, 2.0, 0.0, 3.0, 3.0]] * 2] * 3)

    class Tied(type(sample)):
        def inputs(self, n: int = 3, kind: str = "grid") -> Any:
            return (x[:n],)

    def twin(fault: type) -> Any:
        return Tied("MaxPool-tied", lambda d: fault(2), tied.shapes)

    textbook(twin(layers.MaxPool), exact=False)
    for fault in (Last, Everybody):
        caught(textbook, twin(fault), exact=False)
    caught(checks.check_ledger, Everybody(2).redistribute(x, np.ones((3, 2, 3))), (np.ones((3, 2, 3)),))


# State, purity, dtype, batches, backends ---------------------------------------------------------------------


def test_a_layer_that_keeps_state_is_caught() -> None:
    class Keeps(layers.Dense):
        def forward(self, *xs: Any) -> Any:
            object.__setattr__(self, "last", xs[0])
            return super().forward(*xs)

    class Toolbox(layers.Dense):
        """The second call answers for the first call's input."""

        calls: list[Any] = []  # noqa: RUF012

        def forward(self, *xs: Any) -> Any:
            type(self).calls.append(1)
            return super().forward(*xs) * len(type(self).calls)

    layer, xs, rs = case("Dense")
    checks.check_purity(layer, xs, rs, rules.Epsilon(0.1))
    caught(checks.check_purity, turned(layer, Keeps), xs, rs, rules.Epsilon(0.1), match="the layer kept")
    caught(checks.check_purity, turned(layer, Toolbox), xs, rs, rules.Epsilon(0.1), match="two calls")


def test_writing_into_an_input_or_a_parameter_is_caught() -> None:
    class Overwrites(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            xs[0][xs[0] < 0] = 0
            return xs[0]

    class Scales(layers.Dense):
        def pull(self, xs: Any, g: Any) -> Any:
            self.weight.flags.writeable = True
            self.weight[...] *= 2
            return super().pull(xs, g)

    layer, xs, rs = case("ReLU-0")
    with pytest.raises(ValueError, match="read-only"):
        checks.check_purity(turned(layer, Overwrites), xs, rs, None)
    layer, xs, rs = case("Dense")
    caught(checks.check_purity, turned(layer, Scales), xs, rs, rules.Epsilon(0.1), match="was changed|two calls")


def test_silent_promotion_is_caught() -> None:
    class Doubles(layers.Dense):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs) * np.float64(1)

    class Wide(layers.MaxPool):
        def pull(self, xs: Any, g: Any) -> Any:
            return (super().pull(xs, g)[0].astype(np.float64),)

    class WideLedger(rules.Universal):
        def run(self, layer: Any, xs: Any, relevances: Any) -> Any:
            return Redistribution.routed(relevances, relevances[0], dropped=np.zeros(len(xs[0])))

    for name, fault, rule in (
        ("Dense", Doubles, rules.Epsilon(0.1)),
        ("MaxPool-1d", Wide, None),
    ):
        layer, xs, rs = case(name)
        checks.check_dtype(layer, xs, rs, rule, np.float32)
        caught(checks.check_dtype, turned(layer, fault), xs, rs, rule, np.float32, match="float32.* became float64")
    layer, xs, rs = case("ReLU-0")
    caught(checks.check_dtype, layer, xs, rs, WideLedger(), np.float32, match="ledger")


def test_samples_that_see_each_other_are_caught() -> None:
    class Normalises(layers.Dense):
        def forward(self, *xs: Any) -> Any:
            return super().forward(xs[0] - xs[0].mean(axis=0) if len(xs[0]) else xs[0])

    class FirstSteals(rules.Universal):
        def run(self, layer: Any, xs: Any, relevances: Any) -> Any:
            received = relevances[0] * 0
            received[0] = relevances[0].sum(axis=0)
            return Redistribution.routed([received], relevances[0])

    layer, xs, rs = case("Dense")
    checks.check_batch(layer, xs, rs, rules.Epsilon(0.1))
    caught(checks.check_batch, turned(layer, Normalises), xs, rs, rules.Epsilon(0.1), match="row 0 of 2")
    layer, xs, rs = case("ReLU-0")
    caught(checks.check_batch, layer, xs, rs, FirstSteals(), match="row 0 of 2")


def test_an_empty_batch_that_is_not_empty_is_caught() -> None:
    class AtLeastOne(layers.Dense):
        def forward(self, *xs: Any) -> Any:
            return super().forward(xs[0] if len(xs[0]) else np.zeros((1, xs[0].shape[1])))

    layer, xs, rs = case("Dense")
    checks.check_empty(layer, xs, rs, rules.Epsilon(0.1))
    caught(checks.check_empty, turned(layer, AtLeastOne), xs, rs, rules.Epsilon(0.1), match="forward")


def test_numpy_in_a_layer_and_waiting_for_the_device_are_caught() -> None:
    class UsesNumPy(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            return np.maximum(xs[0], 0)

    class MixesNumPy(layers.ReLU):
        def pull(self, xs: Any, g: Any) -> Any:
            return (g * ((xs[0] > 0) * np.ones(g.shape)),)

    class Branches(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs) if (xs[0] < 0).any() else xs[0]

    class OnHost(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            x = xs[0].get() if hasattr(xs[0], "get") else xs[0]
            return np.maximum(x, 0)

    layer, xs, rs = case("ReLU-0")
    checks.check_backend(layer, xs, rs, None)
    for fault in (UsesNumPy, MixesNumPy):
        caught(checks.check_backend, turned(layer, fault), xs, rs, None)
    for fault in (Branches, OnHost):
        caught(checks.check_backend, turned(layer, fault), xs, rs, None, match="waited for")

    class NotInTheList(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            return namespace(xs[0]).clip(xs[0], 0, None)

    with pytest.raises(AttributeError, match="missing in ARRAY_FUNCTIONS"):
        checks.check_backend(turned(layer, NotInTheList), xs, rs, None)


def test_floats_among_rationals_are_caught() -> None:
    class Inexact(layers.LeakyReLU):
        def forward(self, *xs: Any) -> Any:
            return np.where(xs[0] > 0, xs[0], self.alpha * xs[0])

    layer, xs, rs = case("LeakyReLU-1", "grid")
    checks.check_exact(layer, xs, rs, None)
    caught(checks.check_exact, turned(layer, Inexact), xs, rs, None, match="rationals became")
    caught(
        checks.check_ledger, Redistribution.routed([exactly(rs[0]) * 2], exactly(rs[0])), exactly(rs), match="residual"
    )


def test_the_tolerance_of_the_textbook_check_is_tight() -> None:
    """An error of a thousand roundings in one input's relevance is seen."""
    sample, rule = BY_NAME["Dense"], BY_RULE["ZPlus-exact"]
    layer, xs, (r,) = sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3, "normal")

    class Off(layers.Dense):
        def pull(self, xs: Any, g: Any) -> Any:
            return (super().pull(xs, g)[0] * (1 + 1e-11),)

    checks.check_messages(sample, layer, xs, r, rule, exact=False)
    caught(checks.check_messages, sample, turned(layer, Off), xs, r, rule, exact=False, match="off by")
