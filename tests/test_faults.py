"""Tests of the tests: each planted fault must be caught by the check that is there for it.

A fault is a layer, a rule or a patch that is wrong in one way; the healthy twin passes the same call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, Draw, exactly
from test_rules import signed
from textbook import LINEAR_RULES

from lrp_ref import edits, kernels, layers, rules
from lrp_ref import rule as rule_module
from lrp_ref.arrays import namespace
from lrp_ref.layers import elementwise
from lrp_ref.layers.recurrent import LSTM
from lrp_ref.rule import Group, Redistribution, Rule, Run

BY_RULE = {r.name: r for r in LINEAR_RULES}


def case(name: str, kind: str = "normal") -> tuple[Any, Any, Any]:
    sample = BY_NAME[name]
    return sample.layer(kind), sample.inputs(3, kind), sample.relevances(3, kind)


def turned(layer: Any, fault: type) -> Any:
    """Return the layer as an instance of a faulty class."""
    return fault(**vars(layer))


def caught(check: Any, *args: Any, match: str | None = None, **options: Any) -> None:
    with pytest.raises((AssertionError, TypeError), match=match):
        check(*args, **options)


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
            return elementwise._sigmoid(x)

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
    walk_back = LSTM._walk_back

    def shifted(self: Any, xs: Any, g: Any, step_back: Any) -> Any:
        return walk_back(self, xs, g, lambda k, step, dh, dc: step_back(k, step, dh, 0.99 * dc))

    monkeypatch.setattr(LSTM, "_walk_back", shifted)
    caught(checks.check_differences, layer, xs, gs, Draw("d", "normal"), match="derivative")


# Wrong layers ------------------------------------------------------------------------------------------------


def messages(name: str, rule: str, layer: Any = None, *, exact: bool = False) -> None:
    """Run the textbook comparison on one sample and one rule."""
    sample = BY_NAME[name]
    layer, xs, (r,) = sample.layer() if layer is None else layer, sample.inputs(3), sample.relevances(3)
    if exact:
        layer, xs, r = exactly(layer), exactly(xs), exactly(r)
    checks.check_messages(sample, layer, xs, r, BY_RULE[rule], exact=exact)


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
    windows = kernels.windows
    messages("Conv-dilation", "LRP0-exact")
    monkeypatch.setattr(kernels, "windows", lambda k, s, d, out: windows(k, s, (1,) * len(d), out))
    caught(messages, "Conv-dilation", "LRP0-exact", match="off by")
    # The adjoint of the wrong kernel is still an adjoint: only the textbook sees this fault.
    checks.check_adjoint(*case("Conv-dilation"))


def test_a_wrong_strip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, xs, _ = case("Conv-stride", "grid")
    whole = layer.forward(*xs)
    strips = kernels._strips

    def skipping(*args: Any) -> Any:
        return list(strips(*args))[:-1]

    monkeypatch.setattr(kernels, "STRIP_BYTES", 8)
    assert np.array_equal(layer.forward(*xs), whole)
    monkeypatch.setattr(kernels, "_strips", skipping)
    assert not np.array_equal(layer.forward(*xs), whole)


def test_an_average_that_counts_the_padding_is_caught() -> None:
    sample = BY_NAME["AveragePool-valid-padding"]
    healthy, xs = sample.layer(), sample.inputs(1)
    expected = sample.matrix(healthy).forward(xs[0][0].ravel())
    checks.close(healthy.forward(*xs)[0].ravel(), expected)
    caught(checks.close, replace(healthy, count_include_pad=True).forward(*xs)[0].ravel(), expected)


def test_wrong_tie_handling_is_caught() -> None:
    from test_layers import test_max_pool_is_the_textbooks as textbook

    class Last(layers.MaxPool):
        def pull(self, xs: Any, g: Any) -> Any:
            back = slice(None, None, -1)
            reversed_ = layers.MaxPool(self.kernel, self.stride)
            return (reversed_.pull((xs[0][:, :, back],), g[:, :, back])[0][:, :, back],)

    class Everybody(layers.MaxPool):
        def pull(self, xs: Any, g: Any) -> Any:
            spread = np.repeat(self.forward(*xs), self.kernel, axis=2)
            return (np.where(xs[0] == spread, np.repeat(g, self.kernel, axis=2), 0),)

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


# Wrong rules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unsigned(edits.Stabiliser):
    """z + ε: the sign forgotten."""

    def __call__(self, z: Any) -> Any:
        return z + self.epsilon


@dataclass(frozen=True)
class SignZeroMinus(edits.Stabiliser):
    """sgn(0) = −1."""

    def __call__(self, z: Any) -> Any:
        return z + np.where(z > 0, self.epsilon, -self.epsilon)


@dataclass(frozen=True)
class WholeBatch(edits.Stabiliser):
    """ε times the RMS over the whole batch."""

    def __call__(self, z: Any) -> Any:
        return z + np.where(z < 0, -1, 1) * self.epsilon * np.sqrt((z * z).mean())


CANCELLING = (
    replace(BY_NAME["Dense"], shapes=((3,),)),
    layers.Dense(np.array([[1.0, 2.0, -1.0], [-1.0, -2.25, 1.0], [0.0, 0.0, -0.5]])),
    (np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.125], [-1.0, 1.0, 3.0]]),),
    np.array([[3.0, 5.0, 7.0], [1.0, -1.0, 2.0], [0.5, 2.0, -1.0]]),
)  # z has zeros of contributions that cancel, and values smaller than ε


@pytest.mark.parametrize("fault", [Unsigned, SignZeroMinus])
def test_a_wrong_sign_of_epsilon_is_caught(fault: Any) -> None:
    healthy = BY_RULE["Epsilon-small"]
    wrong = replace(healthy, rule=Rule((Group((Run(),), stabiliser=fault("add", 0.125)),)))
    checks.check_messages(*CANCELLING, healthy, exact=False)
    caught(checks.check_messages, *CANCELLING, wrong, exact=False, match="off by")
    # The ledger closes with either sign: it says where relevance went, not whether the rule is right.
    _, layer, xs, r = CANCELLING
    checks.check_ledger(
        layer.redistribute(xs, r, Rule((Group((Run(),), stabiliser=SignZeroMinus("add", 0.125)),))), (r,)
    )


def test_a_stabiliser_of_the_whole_batch_mixes_samples() -> None:
    layer, xs, rs = case("Dense")
    checks.check_batch(layer, xs, rs, rules.LRP0(edits.relative(0.25)))
    mixing = Rule((Group((Run(),), stabiliser=WholeBatch("relative", 0.25)),))
    caught(checks.check_batch, layer, xs, rs, mixing)


def test_a_flat_rule_that_is_not_normalised_at_borders_is_caught() -> None:
    class FullWindows(layers.Conv):
        def forward(self, *xs: Any) -> Any:
            z = super().forward(*xs)
            ones = (self.weight == 1).all() and (self.bias is None or not self.bias.any())
            return z * 0 + self.weight[0].size if ones else z

    messages("Conv-windows-in-padding", "Flat-exact")
    fault = turned(BY_NAME["Conv-windows-in-padding"].layer(), FullWindows)
    caught(messages, "Conv-windows-in-padding", "Flat-exact", fault, match="off by")


RULE_FAULTS = {
    "αβ without its bias": ("AlphaBeta21-exact", rules.AlphaBeta(2, 1).without_bias()),
    "αβ with the whole bias": (
        "AlphaBeta10-exact",
        Rule((Group((Run(edits.POS, edits.POS, edits.KEEP), Run(edits.NEG, edits.NEG, edits.ZERO))),)),
    ),
    "αβ with each half by itself": (
        "AlphaBeta10-exact",
        Rule((Group((Run(edits.POS, edits.POS, edits.POS),)), Group((Run(edits.NEG, edits.NEG, edits.ZERO),)))),
    ),
    "β added, not subtracted": (
        "AlphaBeta21-exact",
        Rule(tuple(replace(g, weight=abs(g.weight)) for g in rules.AlphaBeta(2, 1).groups)),
    ),
    "z⁺ with b⁺": ("ZPlus-exact", rules.AlphaBeta(1, 0)),
    "z⁺ without negative inputs": ("ZPlus-exact", Rule((Group((Run(edits.POS, edits.POS, edits.ZERO),)),))),
    "w² with b²": ("WSquare-exact", Rule((Group((Run(edits.ONES, edits.SQUARE, edits.SQUARE),)),))),
    "w² times the input": ("WSquare-exact", Rule((Group((Run(edits.KEEP, edits.SQUARE, edits.ZERO),)),))),
    "γ with b unchanged": (
        "Gamma-exact",
        Rule((Group((Run(edits.KEEP, edits.Boost(0.25, "pos"), edits.KEEP),)),)),
    ),
    "γ on the negative weights": ("Gamma-exact", Rule((Group((Run(edits.KEEP, *(edits.Boost(0.25, "neg"),) * 2),)),))),
    "γ without its gate": ("GeneralizedGamma-exact", Rule(rules.GeneralizedGamma(0.25).groups[:1])),
    "γ with plain for generalised": ("GeneralizedGamma-exact", rules.Gamma(0.25)),
    "z^B with l and h exchanged": (
        "ZBox-exact",
        Rule((replace(rules.ZBox(-3, 3).groups[0], runs=(
            Run(edits.KEEP, edits.KEEP, edits.ZERO),
            Run(edits.Const(-3, "l"), edits.NEG, edits.ZERO, -1),
            Run(edits.Const(3, "h"), edits.POS, edits.ZERO, -1),
        )),)),
    ),
    "z^B with a bias": (
        "ZBox-exact",
        Rule((replace(rules.ZBox(-3, 3).groups[0], runs=(Run(), *rules.ZBox(-3, 3).groups[0].runs[1:])),)),
    ),
    "δ for the bias only": ("Epsilon-half", rules.Epsilon(0.5, 0.5, 0)),
    "ε half as large": ("Epsilon-small", rules.Epsilon(0.0625)),
    "clip for add": ("LRP0-add", rules.LRP0(edits.clip(0.125))),
}  # fmt: skip


@pytest.mark.parametrize("name", RULE_FAULTS)
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_dialects_of_rules_are_caught(name: str, exact: bool) -> None:
    """On each of several samples, not only somewhere in the battery."""
    healthy, fault = RULE_FAULTS[name]
    wrong = replace(BY_RULE[healthy], rule=fault)
    for sample in (BY_NAME["Dense"], BY_NAME["Conv-2d"], BY_NAME["ConvTranspose-2d"]):
        layer, (xs, r) = sample.layer(), signed(sample, "grid")
        if exact:
            layer, xs, r = exactly(layer), exactly(xs), exactly(r)
        checks.check_messages(sample, layer, xs, r, BY_RULE[healthy], exact=exact)
        caught(checks.check_messages, sample, layer, xs, r, wrong, exact=exact, match=r"off by|is not")


SHARE_FAULTS = {
    "0/0 := 1/1": ("divide", lambda divide: lambda n, d, xp: (n / np.where(d == 0, 1, d), d == 0)),
    "dead units are not counted": (
        "divide", lambda divide: lambda n, d, xp: (divide(n, d, xp)[0], np.zeros(d.shape, bool)),
    ),
    "the bias has no relevance": (
        "_bias_mass", lambda f: lambda *args: (args[-1].zeros(len(args[1]), dtype=args[1].dtype), None),
    ),
    "the total forgets a run": ("_total", lambda f: lambda passes, xs, z: f(passes[:1], xs, z)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARE_FAULTS)
def test_faults_in_the_share_function_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attribute, fault = SHARE_FAULTS[name]
    given = CANCELLING
    if "bias" in name or "run" in name:
        sample = BY_NAME["Dense"]
        given = (sample, sample.layer(), *signed(sample, "grid"))
    _, layer, xs, r = given
    some = [BY_RULE[k] for k in ("LRP0-exact", "AlphaBeta21-exact", "ZPlus-exact")]
    for rule in some:
        checks.check_messages(*given, rule, exact=False)
        checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))
    monkeypatch.setattr(rule_module, attribute, fault(getattr(rule_module, attribute)))
    failures = 0
    for rule in some:
        try:
            checks.check_messages(*given, rule, exact=False)
            checks.check_ledger(layer.redistribute(xs, r, rule.rule), (r,))
        except AssertionError:
            failures += 1
    assert failures


def test_a_rule_that_is_not_linear_in_relevance_is_caught() -> None:
    class Clipped(layers.Universal):
        def run(self, layer: Any, xs: Any, relevances: Any) -> Any:
            return Redistribution.routed([np.maximum(relevances[0], 0)], relevances[0])

    layer, xs, rs = case("ReLU-0")
    others = BY_NAME["ReLU-0"].relevances(3)
    checks.check_linearity(layer, xs, rs, others, None)
    caught(checks.check_linearity, layer, xs, rs, others, Clipped())


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

    class WideLedger(layers.Universal):
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
            return super().forward(xs[0] - xs[0].mean(axis=0))

    class FirstSteals(layers.Universal):
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
        def slope(self, x: Any) -> Any:
            return (x > 0) * np.ones(x.shape)

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
