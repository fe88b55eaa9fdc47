"""The group alternatives: conventions that differ; an implementation follows one option of each topic."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from .cases import Case, layer_case
from .core import CONVS, RULES, conv, dense, drawn, one_unit, plain
from .explain import value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array
from .window_cases import OWN, pool


def gamma_cases() -> Iterator[Case]:
    """Yield inputs of both signs under the plain and the generalised γ-rule."""
    for option, rule in (("plain", "Gamma"), ("generalized", "GeneralizedGamma")):
        note = "A negative input: the γ-rule of 2019 is stated for a ≥ 0 only, the generalised form is of 2021."
        choice, told = ("gamma-signs", option), {"name": rule, "gamma": Fraction(1, 4)}
        yield one_unit(f"alternatives/gamma/G-2/{option}", [1, -1], [1, 1], Fraction(1, 2), told, 1, note, choice)
        layer, inputs = dense(Draw("alternatives/gamma/mixed"))
        R = array([[1, -2, 3], [2, 1, -1]])
        yield layer_case(f"alternatives/gamma/mixed/{option}", layer, told, inputs, R, "Inputs of both signs.", choice)
        layer = {"type": "Dense", "weight": array([[-2, 1], [1, -1]]), "bias": array([-1, "-1/2"])}
        note = "Positive inputs, negative pre-activations: plain γ favours what is against the sign of z."
        x, R = array([[2, 1], [1, 3]]), array([[3, -2], [1, 4]])
        yield layer_case(f"alternatives/gamma/negative-z/{option}", layer, told, [x], R, note, choice)


def _zero_sign_answer(option: str) -> Rule:
    return {"name": "Epsilon", "epsilon": Fraction(1, 4), "_zero": option}


def zero_sign_cases() -> Iterator[Case]:
    """Yield E-1: a pre-activation of exactly 0 under the ε-rule."""
    note = "z = 0 and the two contributions cancel: the denominator is +ε, −ε, or the unit is dropped."
    layer: Layer = {"type": "Dense", "weight": array([[1, 2], [-1, 1]]), "bias": array([0, 1])}
    for option in ("plus", "minus", "dropped"):
        rule, choice = _zero_sign_answer(option), ("sign-of-zero", option)
        yield one_unit(f"alternatives/zero-sign/E-1/{option}", [1, 1], [1, -1], 0, rule, 1, note, choice)
        x, R = array([[2, 2], [1, 3]]), array([[3, -1], [2, 1]])
        two = "One unit of one sample has z = 0."
        yield layer_case(f"alternatives/zero-sign/two-units/{option}", layer, rule, [x], R, two, choice)


def bias_cases() -> Iterator[Case]:
    """Yield what becomes of the relevance of a bias and of ε."""
    options: dict[str, Rule] = {
        "column": {},
        "shared": {"bias_share": Fraction(1)},
        "epsilon-shared": {"bias_share": Fraction(0), "stabiliser_share": Fraction(1)},
        "ignored": {"_bias": "ignore"},
    }
    note = "The bias keeps its share, shares it among the inputs (with ε, or ε alone), or is not seen at all."
    for option, extra in options.items():
        rule, choice = {"name": "Epsilon", "epsilon": Fraction(1, 2), **extra}, ("bias", option)
        yield one_unit(f"alternatives/bias/one-unit/{option}", [1, 2], [1, -1], 2, rule, 3, note, choice)
        layer, inputs = dense(Draw("alternatives/bias/dense"))
        R = array([[1, -2, 3], [2, 1, -1]])
        yield layer_case(f"alternatives/bias/dense/{option}", layer, rule, inputs, R, note, choice)


POLICIES = ("absorb", "ignore", "spread")
UNDER = ("lrp0", "epsilon", "gamma", "generalized-gamma", "alpha1-beta0", "alpha2-beta1")


def _under_policies(name: str, layer: Layer, rule: Rule, inputs: list[Array], R: Array, note: str) -> Iterator[Case]:
    """Yield one case per bias policy. What a wrong program would compute there is not flagged."""
    for policy in POLICIES:
        told, choice = {**rule, "_bias": policy, "_unflagged": True}, ("bias-policy", policy)
        yield layer_case(f"alternatives/bias-policy/{name}/{policy}", layer, told, inputs, R, note, choice)


def _free(name: str, rule: Rule, make: Callable[[Draw], tuple[Layer, list[Array]]]) -> tuple[Layer, list[Array], Array]:
    """Return layer, inputs and relevance, drawn again until no policy touches another convention."""
    for attempt in range(400):
        layer, inputs, R = drawn(f"alternatives/bias-policy/{name}/{attempt}", rule, make)
        if all(plain({**rule, "_bias": policy}, layer, inputs) for policy in POLICIES):
            return layer, inputs, R
    raise ArithmeticError(f"no draw for {name} is free of conventions")


def bias_policy_cases() -> Iterator[Case]:
    """Yield every rule with a bias where the bias absorbs relevance, is ignored, or spreads what it takes."""
    note = "A bias takes its part, is left out of the denominator, or hands its part evenly to the inputs of its unit."
    for key in UNDER:
        layer, inputs, R = _free(f"dense/{key}", RULES[key], dense)
        yield from _under_policies(f"dense/{key}", layer, RULES[key], inputs, R, note)
    for key in ("lrp0", "epsilon", "generalized-gamma", "alpha2-beta1"):
        layer, inputs, R = _free(f"conv/{key}", RULES[key], CONVS["1d-padding"][1])
        yield from _under_policies(f"conv/{key}", layer, RULES[key], inputs, R, f"{note} Padding is no input.")
    layer = {"type": "Dense", "weight": array([[1], [1]]), "bias": array([2])}
    yield from _under_policies("one-unit", layer, RULES["lrp0"], [array([[1, 5]])], array([[24]]), note)
    layer = {"type": "Dense", "weight": array([[1], [-1]]), "bias": array([-3])}
    note = "z = −2 by its bias: the generalised γ-rule looks at the sign with the bias, whatever the denominator has."
    rule = RULES["generalized-gamma"]
    yield from _under_policies("gate", layer, rule, [array([[2, 1]])], array([[1]]), note)
    note = "The positive part of the first unit is its bias alone: without it α R has nowhere to go, and is dropped."
    layer = {"type": "Dense", "weight": array([[-1, 1], [-2, 2]]), "bias": array([4, 1])}
    x, R = array([[1, 1]]), array([[3, 4]])
    yield from _under_policies("bias-alone", layer, RULES["alpha2-beta1"], [x], R, note)
    note = "Windows that lie in the padding have no input: what their bias takes cannot be spread."
    layer, _ = conv((1, 2), (1, 1, 2), padding=[[3, 2]])(Draw("alternatives/bias-policy/no-input"))
    x, R = array([[[1, -2]]]), array([[[1, 2, -3, 4, 5, 6]]])
    yield from _under_policies("no-input", layer, RULES["lrp0"], [x], R, note)


def pooling_cases() -> Iterator[Case]:
    """Yield ties in a max pool."""
    both = {"padding": [[0, 0]], "dilation": [1], "ceil_mode": False}
    inputs: dict[str, tuple[Layer, Any, Any, str]] = {
        "overlap": (
            {"type": "MaxPool", "kernel": [2], "stride": [1], **both},
            [[[3, 3, 1, 3, 3]], [[0, 0, 0, 2, 1]]],
            [[[2, 1, -3, 5]], [[1, 2, 3, -1]]],
            "Windows in which the maximum occurs twice.",
        ),
        "dead": (
            {"type": "MaxPool", "kernel": [3], "stride": [3], **both},
            [[[0, 0, 0, 1, 2, 2]]],
            [[[3, -2]]],
            "A window of zeros, as behind a ReLU.",
        ),
    }
    for name, (layer, x, R, note) in inputs.items():
        for ties in ("first", "share"):
            case = f"alternatives/max-pool-ties/{name}/{ties}"
            yield layer_case(case, {**layer, "ties": ties}, OWN, [array(x)], array(R), note, ("max-pool-ties", ties))


def padding_cases() -> Iterator[Case]:
    """Yield a max pool over negative inputs: padding never wins, or is a 0 that wins and takes the relevance away."""
    layer: Layer = {
        "type": "MaxPool",
        "kernel": [2],
        "stride": [2],
        "padding": [[1, 1]],
        "dilation": [1],
        "ceil_mode": False,
    }
    x, R = array([[[-1, -2, 3, -3]], [[2, -1, -2, -1]]]), array([[[2, 3, -1]], [[1, -2, 4]]])
    note = "Negative inputs at the border: padding is no input and never wins, or it is a zero that wins."
    for option in ("never", "zero"):
        told = {**layer, "_padding_wins": option == "zero"}
        case = f"alternatives/max-pool-padding/border/{option}"
        yield layer_case(case, told, OWN, [x], R, note, ("max-pool-padding", option))


def average_cases() -> Iterator[Case]:
    """Yield average pools, shared by value or evenly."""
    for config, kind, shape, kernel in (
        ("average", "AveragePool", (2, 4), [2]),
        ("average-2d", "AveragePool", (1, 4, 4), [2, 2]),
        ("global", "GlobalAveragePool", (2, 2, 3), []),
    ):
        draw = Draw(f"alternatives/average-pool/{config}")
        layer, inputs = pool(kind, shape, kernel, positive=True)(draw)
        layer = {"type": kind} if not kernel else layer
        R = draw(*value(layer, inputs).shape, nonzero=True)
        for option, rule in (("proportional", RULES["lrp0"]), ("uniform", RULES["flat"])):
            note = "Relevance of a mean in proportion to the values, or evenly."
            case = f"alternatives/average-pool/{config}/{option}"
            yield layer_case(case, layer, rule, inputs, R, note, ("average-pool", option))


def _batch_norm(draw: Draw, channels: int) -> Layer:
    squares = array([[1, 4, "9/4"][draw.integer(0, 2)] for _ in range(channels)])
    names: dict[str, Array] = {"gamma": draw(channels, nonzero=True), "beta": draw(channels, nonzero=True)}
    return {"type": "BatchNorm", **names, "mean": draw(channels), "variance": squares, "epsilon": Fraction(0)}


def batch_norm_cases() -> Iterator[Case]:
    """Yield a BatchNorm in inference, explained on its own."""
    parameters = {"gamma": 2, "beta": 1, "mean": Fraction(1, 2), "variance": 4}
    one: Layer = {"type": "BatchNorm", **{k: array([v]) for k, v in parameters.items()}, "epsilon": Fraction(0)}
    draw = Draw("alternatives/batch-norm/image")
    image, x, R = _batch_norm(draw, 2), draw(2, 2, 2, 2, nonzero=True, parts=8), draw(2, 2, 2, 2, nonzero=True)
    shifted = {**one, "variance": array(["15/4"]), "epsilon": Fraction(1, 4)}
    for option, rule in (("z-rule", RULES["lrp0"]), ("pass", {"name": "Pass"})):
        note, choice = "A BatchNorm on its own: its shift is a bias, or relevance passes.", ("batch-norm", option)
        single = [array([["3/2"]])]
        yield layer_case(f"alternatives/batch-norm/BN-1/{option}", one, rule, single, array([[1]]), note, choice)
        note = "epsilon is added to the variance, below the root."
        yield layer_case(f"alternatives/batch-norm/epsilon/{option}", shifted, rule, single, array([[1]]), note, choice)
        note = "Two channels of an image."
        yield layer_case(f"alternatives/batch-norm/image/{option}", image, rule, [x], R, note, choice)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "alternatives/gamma.json": gamma_cases,
    "alternatives/sign-of-zero.json": zero_sign_cases,
    "alternatives/bias.json": bias_cases,
    "alternatives/bias-policy.json": bias_policy_cases,
    "alternatives/max-pool-ties.json": pooling_cases,
    "alternatives/max-pool-padding.json": padding_cases,
    "alternatives/average-pool.json": average_cases,
    "alternatives/batch-norm.json": batch_norm_cases,
}
