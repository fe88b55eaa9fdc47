"""Core cases that part other programs' ways: with a bias, a sum, a mean, a small γ, 0 over 0, the axis of a softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from .cases import Case, layer_case
from .core import RULES, one_unit
from .layers import Layer
from .values import Draw, array

HALF, EIGHTH = Fraction(1, 2), Fraction(1, 8)


def magnitude_cases() -> Iterator[Case]:
    """Yield cases that can be checked by hand."""
    note = "z = 1/2 and b = −1: the bias takes more than there is, and the inputs get −1 in all."
    yield one_unit("core/magnitude/bias", [1, 1], [1, -HALF], -1, RULES["lrp0"], 1, note)
    epsilon = {"name": "Epsilon", "epsilon": EIGHTH}
    note = "z = ε beside a bias that is 0: the stabiliser takes half, once."
    yield one_unit("core/magnitude/bias-of-zero", [EIGHTH], [1], 0, epsilon, 1, note)
    note = "As many units with a bias of 0 as without: the others have nothing of it."
    layer: Layer = {"type": "Dense", "weight": array([[1, -1], [2, 1]]), "bias": array([0, 1])}
    yield layer_case("core/magnitude/two-units", layer, epsilon, [array([[1, "1/4"]])], array([[1, -2]]), note)
    note = "Operands of both signs share a sum in proportion, 3 : −1."
    for key in ("lrp0", "epsilon"):
        add: Layer = {"type": "Add"}
        inputs = [array([[3, 2]]), array([[-1, 5]])]
        yield layer_case(f"core/magnitude/add-{key}", add, RULES[key], inputs, array([[1, 7]]), note)
    note = "What a mean runs over shares in proportion, 3 : −1."
    mean: Layer = {"type": "GlobalAveragePool"}
    for key in ("lrp0", "epsilon"):
        yield layer_case(
            f"core/magnitude/mean-{key}", mean, RULES[key], [array([[[3, -1], [2, 6]]])], array([[[1], [4]]]), note
        )
    note = "γ = 1/128: small, and felt."
    for key, name in (("gamma", "Gamma"), ("generalized-gamma", "GeneralizedGamma")):
        rule = {"name": name, "gamma": Fraction(1, 128)}
        yield one_unit(f"core/magnitude/small-{key}", [1, 2], [1, Fraction(-1, 4)], HALF, rule, 1, note)
    note = "The first unit of the first sample has nothing to share by and drops its relevance: 0 over 0."
    layer = {"type": "Dense", "weight": array([[-1, 1], [-2, 3]]), "bias": None}
    x, R = array([[1, 2], [-1, 4]]), array([[3, 1], [2, -1]])
    yield layer_case("core/magnitude/zero-over-zero-zplus", layer, RULES["zplus"], [x], R, note)
    note = "No input, no relevance: 0 over 0 in the first sample."
    x = array([[0, 0], [1, 1]])
    yield layer_case("core/magnitude/zero-over-zero-lrp0", layer, RULES["lrp0"], [x], R, note)
    yield pool_case()


def pool_case() -> Case:
    """Return a max pool with a window whose maximum is 0 beside one whose maximum is not."""
    layer: Layer = {"type": "MaxPool", "kernel": [2], "stride": [2], "padding": [[0, 0]], "dilation": [1]}
    note = "The maximum of the first and the last window is 0: it takes their relevance all the same."
    x, R = array([[[0, -1, 1, 2, -2, 0]]]), array([[[3, -2, 5]]])
    return layer_case("core/magnitude/max-pool", {**layer, "ceil_mode": False}, {"name": "own"}, [x], R, note)


def softmax_cases() -> Iterator[Case]:
    """Yield a softmax over an axis that is not the last one."""
    note = "Over the channels of a signal: relevances are summed over the same axis."
    for axis, shape in ((1, (2, 3, 2)), (2, (1, 2, 2, 3))):
        draw = Draw(f"core/softmax-axis/{axis}")
        layer: Layer = {"type": "Softmax", "axis": axis}
        x, R = draw(*shape, nonzero=True), draw(*shape, nonzero=True)
        yield layer_case(f"core/softmax-axis/taylor/axis-{axis}", layer, {"name": "Taylor"}, [x], R, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/magnitude.json": magnitude_cases,
    "core/softmax-axis.json": softmax_cases,
}
